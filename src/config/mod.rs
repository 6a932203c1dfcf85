//! Configuration: `find` finds and reads woci_manager.ini and chooses the profile, `values` looks each
//! setting up, `settings` types them, and `needs` says what a way to a session requires. `effective`
//! is all that is set, for a person; `change` edits the file.

mod change;
mod effective;
mod find;
mod manager;
mod needs;
mod profile;
#[cfg(test)]
mod python;
mod secret;
mod settings;
#[cfg(test)]
mod testing;
mod values;
mod warning;

pub use change::{Edit, change};
pub use effective::{Effective, MASK, shown};
pub use find::{Config, ManagerFile, named_by};
pub use needs::{ConsoleNeeds, Needs, PASSPHRASE_KEY, ProviderNeeds, RevocationNeeds, WorkloadNeeds};
pub use profile::{COMMON, DEFAULT, ProfileName};
pub use secret::{
    AUTH_CLIENT_SECRET, CLIENT_SECRET, KeyringSource, MOST_PROGRAM_RUNS, PassphraseSource, SecretSource,
};
pub use settings::{Origin, SessionFrom, Settings, SignIn, SignInWith};
pub use values::{NO_REGION, SetBy, check as check_value, is_region};
pub use warning::{About, Warning};

#[cfg(any(test, fuzzing))]
pub use manager::fuzz;
