//! A program beside woci, with a keeper in a thread that keeps the session fresh meanwhile.

use std::sync::mpsc;
use std::thread;

use super::keeper::Keeper;
use crate::error::Result;
use crate::log;
use crate::oci::program::Program;

/// Runs the program and returns its exit code. A refresh that is under way when the program ends is
/// finished first: its token is spent already.
pub fn run(program: &Program, keeper: &mut Keeper<'_>) -> Result<u8> {
    let child = program.spawn()?;
    let (stop, stopped) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            if let Err(e) = keeper.keep(&stopped, |_| Ok(())) {
                log::warning(format_args!("The session is no longer kept fresh: {e}"));
            }
        });
        let code = child.wait().map_err(|e| program.not_executable(&e));
        drop(stop);
        code
    })
}
