//! What is set: both configuration files found and read, and the settings of one profile made of
//! them, the flags and the environment.

mod find;
mod manager;
mod profile;
#[cfg(test)]
mod python;
mod settings;
mod values;

pub use find::Config;
pub use profile::{DEFAULT, ProfileName};
pub use settings::{Origin, PassphraseSource, Renewal, Settings, SignIn};
pub use values::Source;

#[cfg(fuzzing)]
pub use find::fuzz;
