//! Oracle's formats and services: the OCI config, the session token and its key, signed requests, the
//! token exchange, the renewal of a session, regions, and the `oci` program.

pub mod auth_service;
mod backup;
pub mod command_line;
pub mod completion;
pub mod config_file;
pub mod environment;
pub mod exchange;
mod key;
pub mod program;
pub mod region;
pub mod signature;
mod upst;

pub use key::{PrivateKey, PublicKey};
pub use upst::{Identity, Upst, is_ocid};

#[cfg(any(test, fuzzing))]
pub mod fuzz {
    pub use crate::oci::exchange::fuzz as exchange_answer;
    use crate::oci::{PrivateKey, Upst};

    /// A text that is accepted as a token needs no escaping in a header or in a quoted string.
    pub fn upst(bytes: &[u8]) {
        let Ok(upst) = Upst::parse(&String::from_utf8_lossy(bytes)) else { return };
        assert!(upst.token().expose().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\''));
        assert!(upst.iat().is_none_or(|iat| iat < upst.exp()));
        assert_eq!(upst.exp().to_string().len(), "2026-01-01T00:00:00Z".len());
    }

    pub fn key(bytes: &[u8]) {
        if let Ok(key) = PrivateKey::parse(bytes) {
            let again = PrivateKey::parse(key.to_pem().as_bytes()).expect("woci reads what it writes");
            assert!(again.public() == key.public());
        }
    }
}
