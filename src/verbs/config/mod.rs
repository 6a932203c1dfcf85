//! `woci config` and its commands: what is configured, what is wrong with that, a change of one key, and a new profile.

use super::Invocation;
use crate::error::{ConfigFault, Error, Result};
use crate::host::Host;
use crate::output::Output;
use crate::printable;

pub mod check;
pub mod init;
mod preset;
mod questions;
pub mod set;
mod setup;
pub mod show;

/// Without a further word, the configuration is shown: nothing that is only read can do harm, and whoever types it
/// looks for that, as with `git remote` and `git stash list`.
pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    match invocation.words.first() {
        None => show::run(host, invocation),
        Some(word) => {
            let word = printable::line(&word.to_string_lossy());
            Err(Error::Config(ConfigFault::UnknownWord { word, known: "show, check, set and init" }))
        }
    }
}
