//! Running other programs as a child, or detached as a daemon; and the signals between woci and them.
#![expect(clippy::disallowed_methods, reason = "opens /dev/null, which is no file of its own")]

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::mem::{self, MaybeUninit};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{done, done_thread};

/// The signals that woci ignores, each with whether it was ignored when woci was started. Without the
/// signal, a write to a closed pipe (SIGPIPE) or beyond the limit on file sizes (SIGXFSZ) returns an error,
/// as on a full disk. Programs that woci runs get the signals' original dispositions.
static IGNORED: [(libc::c_int, AtomicBool); 2] =
    [(libc::SIGPIPE, AtomicBool::new(false)), (libc::SIGXFSZ, AtomicBool::new(false))];

/// The signals of a stack overflow, each with whether it had its default action when woci was started. Rust's runtime
/// leaves a signal alone that has another action. For its own handlers, which only print a line, it makes a second
/// stack for each thread, and aborts where there is no memory for that. So the signals are ignored until `main`
/// starts; the kernel ends the process at a real fault all the same.
static OF_FAULTS: [(libc::c_int, AtomicBool); 2] =
    [(libc::SIGSEGV, AtomicBool::new(false)), (libc::SIGBUS, AtomicBool::new(false))];

/// Whether descriptor 1 was closed when woci was started. Rust's runtime opens /dev/null in its place, where a result
/// would vanish without an error.
static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

pub(super) fn stdout_was_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
}

/// Runs `before_main` before Rust's runtime starts: the runtime ignores SIGPIPE, so that `main` cannot tell any more
/// whether SIGPIPE was ignored before. The system's loader (on musl the C library) calls the functions in this
/// section; std reads the arguments in the same way on Linux.
#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func,mod_init_funcs"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
    // SAFETY: the call accepts any number.
    STDOUT_WAS_CLOSED.store(unsafe { libc::fcntl(1, libc::F_GETFD) } < 0, Ordering::Relaxed);
    for (signal, was_ignored) in &IGNORED {
        was_ignored.store(is_ignored(*signal), Ordering::Relaxed);
    }
    for (signal, was_default) in &OF_FAULTS {
        // SAFETY: the number is a signal, and both are valid actions.
        was_default
            .store(unsafe { libc::signal(*signal, libc::SIG_IGN) } == libc::SIG_DFL, Ordering::Relaxed);
    }
}

/// Prepares the process. Must be called before woci reads a secret or writes a file. Rust's runtime has already
/// ignored SIGPIPE and opened /dev/null in place of a closed stdin, stdout or stderr.
pub fn begin() {
    super::memory::end_at_abort();
    for (signal, was_default) in &OF_FAULTS {
        if was_default.load(Ordering::Relaxed) {
            // SAFETY: the number is a signal, and SIG_DFL a valid action.
            unsafe { libc::signal(*signal, libc::SIG_DFL) };
        }
    }
    // SAFETY: the number is a signal and SIG_IGN a valid action; prctl accepts these numbers.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        // A process that holds secrets leaves no core dump, and no other process of the user reads its memory. The
        // flag costs no limit that oci would inherit: a program that is executed later starts without it.
        #[cfg(target_os = "linux")]
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
    }
}

/// Undoes what woci and Rust's runtime ignore, for a program in woci's place or a child. May be called
/// after a fork.
pub(super) fn restore_ignored_signals() {
    for (signal, was_ignored) in &IGNORED {
        let action = if was_ignored.load(Ordering::Relaxed) { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: the number is a signal, and both are valid actions.
        unsafe { libc::signal(*signal, action) };
    }
}

pub(super) fn is_ignored(signal: libc::c_int) -> bool {
    action(signal) == Some(libc::SIG_IGN)
}

/// Whether a signal has its default action.
pub(super) fn is_default(signal: libc::c_int) -> bool {
    action(signal) == Some(libc::SIG_DFL)
}

fn action(signal: libc::c_int) -> Option<libc::sighandler_t> {
    let mut old = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action the call only fills `old`, which is read only if the call succeeded.
    unsafe {
        (libc::sigaction(signal, ptr::null(), old.as_mut_ptr()) == 0).then(|| old.assume_init().sa_sigaction)
    }
}

/// The thread that waits for signals, as a pthread_t.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Forwards a signal to the waiting thread. The system may deliver it to another thread, for example one that
/// a sign-in left behind.
extern "C" fn forward(signal: libc::c_int) {
    // SAFETY: pthread_kill may be called in a handler, and the waiting thread lives as long as woci.
    unsafe { libc::pthread_kill(WAITING.load(Ordering::Relaxed) as libc::pthread_t, signal) };
}

/// The signals that end a process and can be caught, apart from those of its own faults (an abort, a bad address or
/// instruction): those say that the process itself is at its end.
fn ending_signals() -> Vec<libc::c_int> {
    let signals = [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGTERM,
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGALRM,
        libc::SIGVTALRM,
        libc::SIGPROF,
        libc::SIGXCPU,
    ];
    signals.into_iter().chain(ending_signals_of_linux()).collect()
}

#[cfg(target_os = "linux")]
fn ending_signals_of_linux() -> impl Iterator<Item = libc::c_int> {
    [libc::SIGIO, libc::SIGPWR, libc::SIGSTKFLT].into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

#[cfg(not(target_os = "linux"))]
fn ending_signals_of_linux() -> impl Iterator<Item = libc::c_int> {
    std::iter::empty()
}

/// Signals that woci waits for, instead of their default action.
struct Signals {
    numbers: Vec<libc::c_int>,
    set: libc::sigset_t,
}

impl Signals {
    fn of(numbers: Vec<libc::c_int>) -> io::Result<Self> {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigemptyset fills the set before sigaddset adds to it; an invalid number is an error.
        unsafe {
            done(libc::sigemptyset(set.as_mut_ptr()))?;
            for signal in &numbers {
                done(libc::sigaddset(set.as_mut_ptr(), *signal))?;
            }
            Ok(Self { numbers, set: set.assume_init() })
        }
    }

    /// Installs the handler that forwards them to `waiting`, a thread that blocks them. Signals that were
    /// ignored when woci was started stay ignored, except SIGCHLD.
    #[allow(clippy::unnecessary_cast, reason = "pthread_t is a number on Linux and a pointer on macOS")]
    fn forward_to(&self, waiting: libc::pthread_t) {
        WAITING.store(waiting as usize, Ordering::Relaxed);
        for signal in &self.numbers {
            if *signal == libc::SIGCHLD || !is_ignored(*signal) {
                // SAFETY: a zeroed sigaction is valid: no flags, an empty mask. `forward` has the type of a
                // handler and does only what a handler may.
                unsafe {
                    let mut action: libc::sigaction = mem::zeroed();
                    action.sa_sigaction = forward as *const () as libc::sighandler_t;
                    action.sa_flags = libc::SA_RESTART;
                    libc::sigaction(*signal, &action, ptr::null_mut());
                }
            }
        }
    }

    /// Blocks them in this thread and in threads that it starts. Returns the previous signal mask.
    fn block(&self) -> io::Result<libc::sigset_t> {
        let mut before = MaybeUninit::uninit();
        // SAFETY: the set is filled; `before` is filled if the call returns 0.
        unsafe {
            done_thread(libc::pthread_sigmask(libc::SIG_BLOCK, &self.set, before.as_mut_ptr()))?;
            Ok(before.assume_init())
        }
    }

    /// Waits for the next of them.
    fn wait(&self) -> io::Result<libc::c_int> {
        let mut signal = 0;
        // SAFETY: the set is filled, and `signal` receives the number.
        done_thread(unsafe { libc::sigwait(&self.set, &mut signal) })?;
        Ok(signal)
    }
}

/// The PID of the program that runs beside woci; 0 if none runs.
static CHILD: AtomicU32 = AtomicU32::new(0);

/// Asks the program that runs beside woci to end, by SIGTERM. May be called by any thread, and allocates nothing.
pub(super) fn terminate_child() {
    match CHILD.load(Ordering::Relaxed) {
        0 => {}
        pid => send(pid, libc::SIGTERM),
    }
}

/// A child, and the signals that woci waits for while it runs.
pub struct SupervisedChild {
    child: Child,
    signals: Signals,
}

/// Starts a program as a child, with the signal mask and dispositions that woci got. Afterwards this thread
/// must call [`SupervisedChild::wait`], which passes on the signals that do not come from the terminal.
pub fn spawn(command: &mut Command) -> io::Result<SupervisedChild> {
    let mut all = ending_signals();
    all.push(libc::SIGCHLD);
    let signals = Signals::of(all)?;
    let mask = signals.block()?;
    let numbers = signals.numbers.iter();
    let default: Vec<_> = numbers.copied().filter(|signal| !is_ignored(*signal)).collect();
    let sigchld = is_ignored(libc::SIGCHLD);
    // SAFETY: pthread_self always succeeds. The closure makes only calls that are safe after a fork. It
    // removes the handlers before it restores the mask, so that a signal in between acts as it would without
    // woci.
    unsafe {
        signals.forward_to(libc::pthread_self());
        command.pre_exec(move || {
            restore_ignored_signals();
            for signal in &default {
                libc::signal(*signal, libc::SIG_DFL);
            }
            if sigchld {
                libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            }
            done_thread(libc::pthread_sigmask(libc::SIG_SETMASK, &mask, ptr::null_mut()))
        });
    }
    let child = command.spawn()?;
    CHILD.store(child.id(), Ordering::Relaxed);
    Ok(SupervisedChild { child, signals })
}

impl SupervisedChild {
    /// Waits until the child ends. Returns its exit code, or 128 plus the number of the signal that ended it.
    /// SIGINT and SIGQUIT reach the child from the terminal; every other signal that would end woci is passed on.
    pub fn wait(mut self) -> io::Result<u8> {
        loop {
            let signal = self.signals.wait()?;
            match signal {
                libc::SIGCHLD => {
                    // Once the system has been asked for the child's status, its PID may be another process's.
                    CHILD.store(0, Ordering::Relaxed);
                    if let Some(status) = self.child.try_wait()? {
                        let code = status.code().or(status.signal().map(|signal| 128 + signal));
                        return Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX));
                    }
                    CHILD.store(self.child.id(), Ordering::Relaxed);
                }
                libc::SIGINT | libc::SIGQUIT => {}
                passed_on => send(self.child.id(), passed_on),
            }
        }
    }
}

pub(super) fn send(pid: u32, signal: libc::c_int) {
    if let Ok(pid) = libc::pid_t::try_from(pid) {
        // SAFETY: kill accepts any numbers.
        unsafe { libc::kill(pid, signal) };
    }
}

/// Starts a program in its own session (setsid), without a terminal and with no descriptors except 0 to 2.
pub fn spawn_detached(command: &mut Command) -> io::Result<Child> {
    // SAFETY: the closure makes only calls that are safe after a fork.
    unsafe {
        command.pre_exec(|| {
            done(libc::setsid())?;
            close_on_exec();
            Ok(())
        });
    }
    command.spawn()
}

/// Marks every descriptor above 2 as close-on-exec, including those that woci inherited.
pub(super) fn close_on_exec() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: the call only marks descriptors. Kernels before 5.11 return an error.
        let marked =
            unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
        if marked == 0 {
            return;
        }
    }
    const MOST: libc::c_int = 65_536;
    // SAFETY: both calls accept any number and return an error if it is no descriptor.
    unsafe {
        for fd in 3..libc::getdtablesize().min(MOST) {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

/// Redirects stdin and stdout to /dev/null and stderr to `log`. Prints `word` on stdout just before it
/// redirects stdout, as the last step: the reader then knows that nothing else connects it to this process.
pub fn detach(word: &str, log: &File) -> io::Result<()> {
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    let give = |fd: libc::c_int, file: &File| {
        // SAFETY: both are open descriptors.
        done(unsafe { libc::dup2(file.as_raw_fd(), fd) })
    };
    give(0, &nothing)?;
    give(2, log)?;
    super::stdout().write_all(format!("{word}\n").as_bytes())?;
    give(1, &nothing)?;
    Ok(())
}

/// Blocks the signals that end a program, until dropped. Between a request that uses up a
/// refresh token and the write that saves the next one, Ctrl-C would lose both.
pub struct Held(Option<libc::sigset_t>);

/// If blocking fails, the program continues unprotected.
pub fn hold_signals() -> Held {
    Held(Signals::of(ending_signals()).and_then(|signals| signals.block()).ok())
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // SAFETY: the set is the one that the system returned.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, ptr::null_mut()) };
        }
    }
}

/// Held while a refresh token is spent and its successor not stored. Whoever takes it lets the thread that keeps a
/// session fresh finish that, and begin no other.
static SPENDING: Mutex<()> = Mutex::new(());

/// Marks the time from a request that uses up a refresh token until the next one is stored. Nothing ends woci in it.
pub struct Spending {
    _mark: MutexGuard<'static, ()>,
    _held: Held,
}

pub fn begin_spending() -> Spending {
    let _held = hold_signals();
    Spending { _mark: SPENDING.lock().unwrap_or_else(PoisonError::into_inner), _held }
}

/// Waits until no refresh token is being spent. None is from then on.
pub fn end_spending() {
    mem::forget(SPENDING.lock());
}

/// For a process that goes on after the run that started it: makes the root folder its working folder, so that no file
/// system stays in use, and gives its new files to its user alone, whatever umask it was started with.
pub fn settle() -> io::Result<()> {
    std::env::set_current_dir("/")?;
    // SAFETY: the call always succeeds.
    unsafe { libc::umask(0o077) };
    Ok(())
}

/// Disables core dumps of this process and of those that it starts: the daemon holds secrets for hours, and
/// only Linux has the flag that [`begin`] sets.
pub fn forbid_core_dumps() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is fully initialised.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
}

/// Fails if the process cannot have this many more descriptors. They are closed again.
pub fn try_descriptors(count: usize) -> io::Result<()> {
    let nothing = File::open("/dev/null")?;
    (1..count).map(|_| nothing.try_clone()).collect::<io::Result<Vec<_>>>().map(drop)
}

/// Fails if the process cannot have this many more threads. They are ended again.
pub fn try_threads(count: usize) -> io::Result<()> {
    let (end, ended) = mpsc::channel::<()>();
    let ended = Arc::new(Mutex::new(ended));
    let start = |_| {
        let ended = Arc::clone(&ended);
        // Each waits for a message that never comes, so that all are there at once.
        thread::Builder::new().spawn(move || drop(ended.lock().map(|ended| ended.recv())))
    };
    let threads: Vec<_> = (0..count).map(start).collect();
    drop(end);
    // All have ended before others are started in their place.
    threads.into_iter().try_for_each(|thread| thread.map(|thread| drop(thread.join())))
}

/// Removes a variable from the process's own environment, for libraries that read it there.
pub fn forget_variable(name: &str) {
    // SAFETY: `main` calls this before it starts a thread.
    unsafe { std::env::remove_var(name) };
}

/// From now on SIGTERM, SIGINT and SIGHUP do not end the process; each sends a message instead.
pub fn stop_signals() -> io::Result<Receiver<()>> {
    let signals = Signals::of(vec![libc::SIGTERM, libc::SIGINT, libc::SIGHUP])?;
    // Blocked in this thread, so that no signal interrupts a request, and so in the waiting thread too.
    signals.block()?;
    let (stop, stopped) = mpsc::channel();
    let (is_up, up) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        // SAFETY: the call always succeeds.
        signals.forward_to(unsafe { libc::pthread_self() });
        let _ = is_up.send(());
        while signals.wait().is_ok() {
            if stop.send(()).is_err() {
                return;
            }
        }
    })?;
    let _ = up.recv();
    Ok(stopped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_is_given_back() {
        for _ in 0..3 {
            try_threads(8).unwrap();
            try_descriptors(20).unwrap();
        }
        assert!(try_descriptors(10_000_000).is_err());
    }
}
