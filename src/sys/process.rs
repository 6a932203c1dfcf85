//! Running other programs: in place of woci (exec), as a child, or detached as a daemon; and the signals
//! between woci and them.
#![expect(clippy::disallowed_methods, reason = "opens /dev/null, which is no file of its own")]

use std::ffi::{CString, OsStr, OsString};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::mem::{self, MaybeUninit};
use std::os::fd::AsRawFd as _;
#[cfg(target_os = "linux")]
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
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

/// Runs `before_main` before Rust's runtime starts: the runtime ignores SIGPIPE, so that `main` cannot tell any more
/// whether SIGPIPE was ignored before. The system's loader (on musl the C library) calls the functions in this
/// section; std reads the arguments in the same way on Linux.
#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func,mod_init_funcs"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
static BEFORE_MAIN: extern "C" fn() = before_main;

extern "C" fn before_main() {
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

/// Replaces this process with a program, which gets the signal mask and dispositions that woci got. Returns
/// only if that fails.
pub fn exec(path: &Path, args: &[OsString], env: &[(OsString, OsString)]) -> io::Error {
    let prepared = || {
        let pair = |(name, value): &(OsString, OsString)| {
            c_string(OsStr::from_bytes(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
        };
        let args = args.iter().map(|arg| c_string(arg)).collect::<io::Result<Vec<_>>>()?;
        let env = env.iter().map(pair).collect::<io::Result<Vec<_>>>()?;
        Ok((c_string(path.as_os_str())?, args, env))
    };
    let (path, args, env) = match prepared() {
        Ok(prepared) => prepared,
        Err(e) => return e,
    };
    let (args, env) = (pointers(&args), pointers(&env));
    restore_ignored_signals();
    // SAFETY: path, args and env are C strings that outlive the call, and both lists end in a null pointer.
    unsafe { libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::Error::other("an argument holds a NUL byte"))
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// The thread that waits for signals, as a pthread_t.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Forwards a signal to the waiting thread. The system may deliver it to another thread, for example one that
/// a sign-in left behind.
extern "C" fn forward(signal: libc::c_int) {
    // SAFETY: pthread_kill may be called in a handler, and the waiting thread lives as long as woci.
    unsafe { libc::pthread_kill(WAITING.load(Ordering::Relaxed) as libc::pthread_t, signal) };
}

/// Signals that woci waits for, instead of their default action.
struct Signals {
    numbers: &'static [libc::c_int],
    set: libc::sigset_t,
}

impl Signals {
    fn of(numbers: &'static [libc::c_int]) -> io::Result<Self> {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigemptyset fills the set before sigaddset adds to it; an invalid number is an error.
        unsafe {
            done(libc::sigemptyset(set.as_mut_ptr()))?;
            for signal in numbers {
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
        for signal in self.numbers {
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
    let signals = Signals::of(&[libc::SIGCHLD, libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT])?;
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
    /// SIGINT and SIGQUIT reach the child from the terminal; SIGTERM and SIGHUP are passed on.
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
                libc::SIGTERM | libc::SIGHUP => send(self.child.id(), signal),
                _ => {}
            }
        }
    }
}

fn send(pid: u32, signal: libc::c_int) {
    if let Ok(pid) = libc::pid_t::try_from(pid) {
        // SAFETY: kill accepts any numbers.
        unsafe { libc::kill(pid, signal) };
    }
}

/// A process that may be asked to end once more is known about it. On Linux its PID cannot pass to another process
/// meanwhile: a signal then reaches nobody.
pub struct Process {
    pid: u32,
    #[cfg(target_os = "linux")]
    handle: Option<OwnedFd>,
}

impl Process {
    pub fn of(pid: u32) -> Self {
        Self {
            pid,
            #[cfg(target_os = "linux")]
            handle: handle(pid),
        }
    }

    /// Asks the process to end, by SIGTERM.
    pub fn terminate(&self) {
        #[cfg(target_os = "linux")]
        if let Some(handle) = &self.handle {
            let nothing: *const libc::siginfo_t = ptr::null();
            // SAFETY: the descriptor is open, and the call takes no information about the signal.
            unsafe {
                libc::syscall(libc::SYS_pidfd_send_signal, handle.as_raw_fd(), libc::SIGTERM, nothing, 0)
            };
            return;
        }
        send(self.pid, libc::SIGTERM);
    }

    /// Whether the process holds an exclusive lock (flock) on this file; None if the system does not tell who does.
    pub fn holds_lock(&self, file: &Metadata) -> Option<bool> {
        let locks = File::open("/proc/locks").and_then(io::read_to_string).ok()?;
        let holders = lock_holders(&locks, file.ino());
        if holders.is_empty() { None } else { Some(holders.contains(&self.pid)) }
    }
}

/// A descriptor of a process. None if there is no such process, or if the kernel is older than 5.3.
#[cfg(target_os = "linux")]
fn handle(pid: u32) -> Option<OwnedFd> {
    // SAFETY: the call takes two numbers, and a descriptor that it returns is new and this process's own.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, libc::pid_t::try_from(pid).ok()?, 0);
        let fd = libc::c_int::try_from(fd).ok().filter(|fd| *fd >= 0)?;
        Some(OwnedFd::from_raw_fd(fd))
    }
}

/// The processes that hold an exclusive flock on the file with this inode number, by the text of /proc/locks. The
/// device is not compared: for some file systems the kernel prints another one than stat does.
fn lock_holders(locks: &str, inode: u64) -> Vec<u32> {
    let holder = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        // A process that waits for a lock has `->` in the second place.
        let [_, "FLOCK", _, "WRITE", pid, file, ..] = words[..] else { return None };
        file.ends_with(&format!(":{inode}")).then(|| pid.parse().ok())?
    };
    locks.lines().filter_map(holder).collect()
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

/// Blocks the signals by which a person ends a program, until dropped. Between a request that uses up a
/// refresh token and the write that saves the next one, Ctrl-C would lose both.
pub struct Held(Option<libc::sigset_t>);

/// If blocking fails, the program continues unprotected.
pub fn hold_signals() -> Held {
    const ENDING: [libc::c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];
    Held(Signals::of(&ENDING).and_then(|signals| signals.block()).ok())
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // SAFETY: the set is the one that the system returned.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, ptr::null_mut()) };
        }
    }
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
    let signals = Signals::of(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP])?;
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

/// The command line of a running process, its words separated by blanks; None if it cannot be found out.
pub fn command_line(pid: u32) -> Option<String> {
    if cfg!(target_os = "linux") { command_line_by_proc(pid) } else { command_line_by_ps(pid) }
}

fn command_line_by_proc(pid: u32) -> Option<String> {
    const LONGEST: u64 = 4096;
    let file = File::open(format!("/proc/{pid}/cmdline")).ok()?;
    let line = io::read_to_string(file.take(LONGEST)).ok()?;
    Some(line.replace('\0', " "))
}

/// By ps, which every POSIX system has. `-ww`: macOS otherwise cuts the line at 80 columns even without a
/// terminal.
fn command_line_by_ps(pid: u32) -> Option<String> {
    let mut ps = Command::new("/bin/ps");
    ps.args(["-ww", "-o", "args=", "-p", &pid.to_string()]).stdin(Stdio::null()).stderr(Stdio::null());
    let (status, said) = super::piped::output(&mut ps).ok()?;
    status.success().then(|| String::from_utf8_lossy(&said).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holders_of_a_lock_are_those_that_have_it_exclusively() {
        let locks = "\
1: FLOCK  ADVISORY  WRITE 101 fe:00:77 0 EOF
1: -> FLOCK  ADVISORY  WRITE 102 fe:00:77 0 EOF
2: FLOCK  ADVISORY  READ 103 fe:00:77 0 EOF
3: POSIX  ADVISORY  WRITE 104 fe:00:77 0 EOF
4: FLOCK  ADVISORY  WRITE 105 fe:00:177 0 EOF
";
        assert_eq!(lock_holders(locks, 77), [101]);
        assert_eq!(lock_holders(locks, 7), [0; 0]);
    }

    #[test]
    fn what_is_tried_is_given_back() {
        for _ in 0..3 {
            try_threads(8).unwrap();
            try_descriptors(20).unwrap();
        }
        assert!(try_descriptors(10_000_000).is_err());
    }

    #[test]
    fn ps_shows_the_command_line_of_a_running_process_only() {
        if !Path::new("/bin/ps").exists() {
            eprintln!("skipped: there is no /bin/ps here");
            return;
        }
        // Longer than a terminal is wide.
        let words = format!("read line; : {}", "word ".repeat(60));
        let mut shell = Command::new("/bin/sh");
        let mut shell = shell.args(["-c", &words]).stdin(Stdio::piped()).spawn().unwrap();
        let line = command_line_by_ps(shell.id());
        assert_eq!(line.as_deref(), Some(&*format!("/bin/sh -c {}", words.trim_end())));
        if cfg!(target_os = "linux") {
            assert_eq!(command_line_by_proc(shell.id()).as_deref().map(str::trim_end), line.as_deref());
        }
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert_eq!(command_line_by_ps(shell.id()), None);
    }
}
