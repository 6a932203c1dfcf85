//! Runs a program as a child process, and keeps the session fresh in a thread while it runs.

use std::sync::mpsc;
use std::thread;

use super::keeper::Keeper;
use crate::error::Result;
use crate::files;
use crate::log;
use crate::oci::program::Program;
use crate::sys;

/// Runs the program and returns its exit code. If a refresh is in progress when the program ends, this
/// waits for it, since the refresh has spent the refresh token and the next one has to be stored.
///
/// If the system gives no thread, calls `without_keeper`, and the program replaces woci.
pub fn run(program: &Program, keeper: &mut Keeper<'_>, without_keeper: impl FnOnce()) -> Result<u8> {
    let (start, started) = mpsc::channel();
    let (stop, stopped) = mpsc::channel();
    thread::scope(|scope| {
        // Both are dropped before the scope waits for the thread, whichever way this ends.
        let (start, stop) = (start, stop);
        // Before the program: if woci could not go on, the program would run on alone.
        let thread = thread::Builder::new().spawn_scoped(scope, move || {
            // The program's signals are for the thread that waits for the program.
            let _held = sys::hold_signals();
            if started.recv() == Ok(())
                && let Err(e) = keeper.keep(&stopped, || Ok(()), |_| Ok(()))
            {
                log::warning(format_args!("The session is no longer kept fresh: {}", keeper.say(&e)));
            }
        });
        if let Err(e) = thread {
            let why = files::io_reason(&e);
            log::warning(format_args!(
                "The session is not kept fresh: the system gives no thread for that ({why})"
            ));
            without_keeper();
            match program.exec()? {}
        }
        let child = program.spawn()?;
        let _ = start.send(());
        let code = child.wait().map_err(|e| program.not_executable(&e));
        drop(stop);
        code
    })
}
