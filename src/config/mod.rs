//! What is set: both configuration files found and read, and the settings of one profile made of
//! them, the flags and the environment.

mod find;
mod manager;
mod needs;
#[cfg(test)]
mod oracle;
mod profile;
mod secret;
mod settings;
mod values;

pub use find::Config;
pub use needs::ProviderNeeds;
pub use profile::{DEFAULT, ProfileName};
pub use secret::PassphraseSource;
pub use settings::{Origin, Settings, SignIn};
pub use values::SetBy;

#[cfg(fuzzing)]
pub use find::fuzz;
