//! Programs in woci's place, beside it and left behind it, and the signals between them.
#![expect(clippy::disallowed_methods, reason = "/dev/null is no file of woci's")]

use std::ffi::{CString, OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, PipeReader, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

use super::{done, done_thread};

/// Whether SIGPIPE was ignored when this process was started.
static SIGPIPE_WAS_IGNORED: AtomicBool = AtomicBool::new(false);

/// Rust's runtime ignores SIGPIPE before `main`, and a program run by woci would inherit that. What
/// it was before can be seen only before the runtime: in a constructor.
#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
static BEFORE_THE_RUNTIME: extern "C" fn() = note_sigpipe;

extern "C" fn note_sigpipe() {
    SIGPIPE_WAS_IGNORED.store(is_ignored(libc::SIGPIPE), Ordering::Relaxed);
}

fn is_ignored(signal: libc::c_int) -> bool {
    let mut old = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action the call only fills `old`, which is read where it did.
    unsafe {
        libc::sigaction(signal, ptr::null(), old.as_mut_ptr()) == 0
            && old.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Replaces this process by a program, with signal masks and dispositions as they came to woci.
/// Comes back only with the reason why it cannot be done.
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
    // SAFETY: path, args and env are C strings that outlive the call, and both lists end in a null
    // pointer. signal takes any number.
    unsafe {
        if !SIGPIPE_WAS_IGNORED.load(Ordering::Relaxed) {
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        }
        libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr());
    }
    io::Error::last_os_error()
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::Error::other("an argument holds a NUL byte"))
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// The end of a pipe into which a signal that woci waits for writes its number; -1 before there is one.
static CAUGHT: AtomicI32 = AtomicI32::new(-1);

/// From here on these signals end nothing by themselves: each comes out of this pipe as a byte. Not by
/// sigwait, which needs them blocked in every thread: those that a sign-in leaves behind for a while
/// would take them. What came ignored to woci stays so.
fn catch(signals: &[libc::c_int]) -> io::Result<BufReader<PipeReader>> {
    extern "C" fn write(signal: libc::c_int) {
        // SAFETY: write may be called in a signal handler; the byte outlives it.
        unsafe { libc::write(CAUGHT.load(Ordering::Relaxed), ptr::from_ref(&(signal as u8)).cast(), 1) };
    }
    let (reader, writer) = io::pipe()?;
    CAUGHT.store(writer.into_raw_fd(), Ordering::Relaxed);
    handle(signals, write);
    Ok(BufReader::new(reader))
}

/// The handler belongs to this process alone: a program that it starts has the default action again.
fn handle(signals: &[libc::c_int], handler: extern "C" fn(libc::c_int)) {
    for signal in signals.iter().filter(|signal| !is_ignored(**signal)) {
        // SAFETY: handlers make only calls that are safe in one.
        unsafe { libc::signal(*signal, handler as *const () as libc::sighandler_t) };
    }
}

/// A program beside woci, with the signals that belong to it.
pub struct Beside {
    child: Child,
    caught: BufReader<PipeReader>,
}

/// Starts a program with signal masks and dispositions as they came to woci. From here on those of
/// its terminal are the program's own business, and [`Beside::wait`] passes on the others.
pub fn spawn(command: &mut Command) -> io::Result<Beside> {
    extern "C" fn nothing(_: libc::c_int) {}
    handle(&[libc::SIGINT, libc::SIGQUIT], nothing);
    let caught = catch(&[libc::SIGTERM, libc::SIGHUP])?;
    let sigpipe = SIGPIPE_WAS_IGNORED.load(Ordering::Relaxed);
    let sigchld = is_ignored(libc::SIGCHLD);
    let mut mask = MaybeUninit::uninit();
    // SAFETY: without a new mask the call only fills `mask`. Where SIGCHLD is ignored, nobody can wait for
    // a program. In the new process only calls that are safe after a fork are made.
    unsafe {
        done_thread(libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), mask.as_mut_ptr()))?;
        let mask = mask.assume_init();
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        command.pre_exec(move || {
            if sigpipe {
                libc::signal(libc::SIGPIPE, libc::SIG_IGN);
            }
            if sigchld {
                libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            }
            done_thread(libc::pthread_sigmask(libc::SIG_SETMASK, &mask, ptr::null_mut()))
        });
    }
    Ok(Beside { child: command.spawn()?, caught })
}

impl Beside {
    /// Waits for its end: its own exit code, or 128 and the number of the signal that ended it.
    /// SIGINT and SIGQUIT reached it from the terminal; SIGTERM and SIGHUP are passed on.
    pub fn wait(mut self) -> io::Result<u8> {
        let pid = Arc::new(Mutex::new(Some(self.child.id())));
        let living = Arc::clone(&pid);
        thread::spawn(move || {
            for signal in self.caught.bytes().map_while(io::Result::ok) {
                if let Some(pid) = *living.lock().expect("nobody panics with it") {
                    send(pid, signal.into());
                }
            }
        });
        wait_without_reaping(self.child.id())?;
        // Nobody else gets this number while it is not reaped, and nobody sends to it from here on.
        *pid.lock().expect("nobody panics with it") = None;
        let status = self.child.wait()?;
        let code = status.code().or(status.signal().map(|signal| 128 + signal));
        Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
    }
}

fn wait_without_reaping(pid: u32) -> io::Result<()> {
    let mut about = MaybeUninit::uninit();
    loop {
        // SAFETY: the call fills `about`, which nobody reads.
        let waited =
            unsafe { libc::waitid(libc::P_PID, pid, about.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT) };
        match done(waited) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            waited => return waited.map(drop),
        }
    }
}

fn send(pid: u32, signal: libc::c_int) {
    if let Ok(pid) = libc::pid_t::try_from(pid) {
        // SAFETY: kill takes any numbers.
        unsafe { libc::kill(pid, signal) };
    }
}

/// Asks a process to end.
pub fn terminate(pid: u32) {
    send(pid, libc::SIGTERM);
}

/// Starts a program in a session of its own, without a terminal and with no descriptor but 0 to 2.
pub fn spawn_detached(command: &mut Command) -> io::Result<Child> {
    // SAFETY: in the new process only calls that are safe after a fork are made.
    unsafe {
        command.pre_exec(|| {
            done(libc::setsid())?;
            close_on_exec();
            Ok(())
        });
    }
    command.spawn()
}

/// Marks every descriptor above 2, also those that came from whoever started woci.
fn close_on_exec() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: the call only marks descriptors; kernels before 5.11 refuse it.
        let marked =
            unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
        if marked == 0 {
            return;
        }
    }
    const MOST: libc::c_int = 65_536;
    // SAFETY: both calls take any number and refuse what is no descriptor.
    unsafe {
        for fd in 3..libc::getdtablesize().min(MOST) {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

/// Says `word` on stdout, then gives all three streams away: stderr to `log`, the others to nothing.
pub fn detach(word: &str, log: &File) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{word}")?;
    stdout.flush()?;
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    for (file, fd) in [(&nothing, 0), (&nothing, 1), (log, 2)] {
        // SAFETY: both are open descriptors.
        done(unsafe { libc::dup2(file.as_raw_fd(), fd) })?;
    }
    Ok(())
}

/// A process that holds secrets for hours leaves no image of itself on disk and shows none.
pub fn forbid_core_dumps() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is a whole structure; prctl takes these numbers.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &none);
        #[cfg(target_os = "linux")]
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
    }
}

/// From here on SIGTERM, SIGINT and SIGHUP end nothing by themselves: a message comes instead.
pub fn stop_signals() -> io::Result<Receiver<()>> {
    let caught = catch(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP])?;
    let (stop, stopped) = mpsc::channel();
    thread::spawn(move || {
        for _ in caught.bytes().map_while(io::Result::ok) {
            if stop.send(()).is_err() {
                return;
            }
        }
    });
    Ok(stopped)
}

/// The command line of a living process, blanks between its words; None where it cannot be known.
pub fn command_line(pid: u32) -> Option<String> {
    const LONGEST: u64 = 4096;
    let file = File::open(format!("/proc/{pid}/cmdline")).ok()?;
    let line = io::read_to_string(file.take(LONGEST)).ok()?;
    Some(line.replace('\0', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other threads run here that hold no signal back, as after a sign-in.
    #[test]
    fn a_programs_end_is_seen_whatever_threads_there_are() {
        for code in 0..40 {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", &format!("exit {code}")]);
            assert_eq!(spawn(&mut command).and_then(Beside::wait).ok(), Some(code));
        }
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "kill -9 $$"]);
        assert_eq!(spawn(&mut command).and_then(Beside::wait).ok(), Some(137));
    }
}
