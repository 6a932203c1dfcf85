//! Key, UPST and refresh token of one profile.

mod envelope;
pub mod key;
mod legacy;
pub mod passphrase;
pub mod refresh_token;
pub mod upst;
#[cfg(test)]
mod vector;
