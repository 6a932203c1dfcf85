//! Runs a program as a child process, and keeps the session fresh in a thread while it runs.

use std::sync::mpsc;
use std::thread;

use super::keeper::Keeper;
use crate::error::Result;
use crate::log;
use crate::oci::program::Program;

/// Runs the program and returns its exit code. If a refresh is in progress when the program ends, this
/// waits for it, since the refresh has spent the refresh token and the next one has to be stored.
pub fn run(program: &Program, keeper: &mut Keeper<'_>) -> Result<u8> {
    let child = program.spawn()?;
    let (stop, stopped) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            if let Err(e) = keeper.keep(&stopped, |_| Ok(())) {
                log::warning(format_args!("The session is no longer kept fresh: {}", keeper.say(&e)));
            }
        });
        let code = child.wait().map_err(|e| program.not_executable(&e));
        drop(stop);
        code
    })
}
