//! Configuration: `find` finds and reads woci_manager.ini and chooses the profile, `values` looks each
//! setting up, `settings` types them, and `needs` says what a way to a session requires.

mod find;
mod manager;
mod needs;
mod profile;
#[cfg(test)]
mod python;
mod secret;
mod settings;
mod values;

pub use find::{Config, ManagerFile};
pub use needs::{ConsoleNeeds, Needs, ProviderNeeds, RevocationNeeds, WorkloadNeeds};
pub use profile::{DEFAULT, ProfileName};
pub use secret::{KeyringSource, MOST_PROGRAM_RUNS, PassphraseSource, SecretSource};
pub use settings::{Origin, SessionFrom, Settings, SignIn, SignInWith};
pub use values::{NO_REGION, SetBy, is_region};

#[cfg(fuzzing)]
pub use find::fuzz;
