//! Runs a program as a child process, and keeps the session fresh in a thread while it runs.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::keeper::Keeper;
use crate::error::Result;
use crate::files;
use crate::host::Host;
use crate::log;
use crate::oci::program::Program;
use crate::options::Flags;
use crate::secret::Secret;
use crate::sys;

/// How long a thread that spends no refresh token may take to end, once the program has ended.
const PATIENCE: Duration = Duration::from_millis(100);

/// Runs the program and returns its exit code. If a refresh token is being spent when the program ends, this waits
/// until the next one is stored. What remains of a refresh then is left to the next run.
///
/// If the system gives no thread, calls `without_keeper`, and the program replaces woci.
pub fn run(
    program: &Program,
    host: &Host,
    flags: &Flags,
    passphrase: Option<Secret>,
    without_keeper: impl FnOnce(),
) -> Result<u8> {
    // They live as long as the process: once the program has ended, nothing waits for the thread that uses them.
    let (host, flags) = (Box::leak(Box::new(host.clone())), Box::leak(Box::new(flags.clone())));
    let mut keeper = Keeper::new(host, flags, passphrase);
    let (start, started) = mpsc::channel();
    let (stop, stopped) = mpsc::channel();
    let (over, is_over) = mpsc::channel::<()>();
    // Before the program: if woci could not go on, the program would run on alone.
    let thread = thread::Builder::new().spawn(move || {
        // Closed at the thread's end.
        let _over = over;
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
    sys::end_spending();
    let _ = is_over.recv_timeout(PATIENCE);
    code
}
