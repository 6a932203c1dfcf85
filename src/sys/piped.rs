//! Runs a program that is given its input and read to its end through pipes, within a time limit.

use std::io::{self, ErrorKind, Read, Write as _};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{mem, ptr};

use zeroize::Zeroizing;

use super::done;
use super::process::{close_on_exec, hold_signals, is_default, is_ignored, restore_ignored_signals};

/// How often to check whether the program has ended: the end of a process wakes no poll.
const POLL_INTERVAL_MS: libc::c_int = 5;

/// The signals by which a person or the system ends woci.
const ENDING: [libc::c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// The process group of the program that runs now; 0 if none runs.
static GROUP: AtomicU32 = AtomicU32::new(0);

/// How a program ended, and what it wrote.
pub struct Ended {
    pub how: How,
    pub stdout: Zeroizing<Vec<u8>>,
    /// Empty if the program has woci's own stderr.
    pub stderr: Zeroizing<Vec<u8>>,
}

pub enum How {
    Exited(ExitStatus),
    /// It ran longer than the limit, and was killed with its process group.
    TooLong,
    /// It wrote more to stdout than the limit, and was killed with its process group.
    TooMuch,
}

/// Runs the program in a session of its own, so that it has no terminal, with no descriptors except 0 to 2, without
/// core dumps, and with no signal blocked. stdout has to be a pipe; stdin and stderr may be. A signal that ends woci
/// ends the program's process group too; signals that woci holds back (`hold_signals`) wait for the program.
pub fn run_piped(
    command: &mut Command,
    input: &[u8],
    limit: Duration,
    most_output: usize,
) -> io::Result<Ended> {
    let until = Instant::now() + limit;
    let mut running = Running::start(command)?;
    let mut stdin = running.child.stdin.take().map(|pipe| (pipe, input));
    let mut stdout = running.child.stdout.take().map(Pipe::new).transpose()?;
    let mut stderr = running.child.stderr.take().map(Pipe::new).transpose()?;
    if let Some((pipe, _)) = &stdin {
        set_nonblocking(pipe.as_raw_fd())?;
    }
    let (mut out, mut err) = (Zeroizing::new(Vec::new()), Zeroizing::new(Vec::new()));
    let how = loop {
        if let Some((pipe, rest)) = &mut stdin {
            match pipe.write(rest) {
                Ok(written) => *rest = &rest[written..],
                Err(e) if is_later(&e) => {}
                // The program does not read its input to the end, which its status has to explain.
                Err(_) => *rest = &[],
            }
        }
        stdin = stdin.filter(|(_, rest)| !rest.is_empty());
        // Asked before the pipes are read: what an ended program has written is all in them.
        let status = running.child.try_wait()?;
        Pipe::read(&mut stdout, &mut out, most_output);
        Pipe::read(&mut stderr, &mut err, most_output);
        if let Some(status) = status {
            running.is_over = true;
            break if out.len() > most_output { How::TooMuch } else { How::Exited(status) };
        }
        if out.len() > most_output {
            break How::TooMuch;
        }
        if Instant::now() >= until {
            break How::TooLong;
        }
        let pipes = [stdout.as_ref().map(Pipe::fd), stderr.as_ref().map(Pipe::fd)];
        wait(pipes.into_iter().flatten(), stdin.as_ref().map(|(pipe, _)| pipe.as_raw_fd()));
    };
    Ok(Ended { how, stdout: out, stderr: err })
}

/// Runs the program, and returns its status and what it wrote to stdout. std's `Command::output` panics if the pipe
/// cannot be read.
pub fn output(command: &mut Command) -> io::Result<(ExitStatus, Vec<u8>)> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut stdout = child.stdout.take().expect("it is piped");
    let mut out = Vec::new();
    let read = stdout.read_to_end(&mut out);
    // The program ends if it goes on writing after a failed read.
    drop(stdout);
    let status = child.wait()?;
    read.map(|_| (status, out))
}

/// The program while it runs. If it is dropped before the program has ended, the program's process group is killed.
struct Running {
    child: Child,
    is_over: bool,
    /// The signals whose default action was replaced.
    replaced: Vec<libc::c_int>,
    /// Where woci's parent ignores SIGCHLD, the system would keep no status of the program.
    ignores_children: bool,
}

impl Running {
    fn start(command: &mut Command) -> io::Result<Self> {
        // SAFETY: the closure makes only calls that are safe after a fork.
        unsafe {
            command.pre_exec(|| {
                done(libc::setsid())?;
                close_on_exec();
                restore_ignored_signals();
                let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                libc::setrlimit(libc::RLIMIT_CORE, &no_core);
                let mut none: libc::sigset_t = mem::zeroed();
                libc::sigemptyset(&mut none);
                libc::pthread_sigmask(libc::SIG_SETMASK, &none, ptr::null_mut());
                Ok(())
            });
        }
        // A signal that comes while the program starts takes effect once its process group is known.
        let held = hold_signals();
        let ignores_children = is_ignored(libc::SIGCHLD);
        if ignores_children {
            // SAFETY: the number is a signal, and SIG_DFL a valid action.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        }
        let child = command.spawn().inspect_err(|_| ignore_children(ignores_children))?;
        GROUP.store(child.id(), Ordering::SeqCst);
        let replaced: Vec<_> = ENDING.into_iter().filter(|signal| is_default(*signal)).collect();
        for signal in &replaced {
            // SAFETY: `end_both` has the type of a handler and does only what a handler may.
            unsafe { libc::signal(*signal, end_both as *const () as libc::sighandler_t) };
        }
        drop(held);
        Ok(Self { child, is_over: false, replaced, ignores_children })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            send_to_group(self.child.id(), libc::SIGKILL);
            let _ = self.child.wait();
        }
        // From here on the number may be another process group's.
        GROUP.store(0, Ordering::SeqCst);
        for signal in &self.replaced {
            // SAFETY: the number is a signal, and SIG_DFL its action before.
            unsafe { libc::signal(*signal, libc::SIG_DFL) };
        }
        ignore_children(self.ignores_children);
    }
}

fn ignore_children(again: bool) {
    if again {
        // SAFETY: the number is a signal, and SIG_IGN its action before.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    }
}

/// Ends the program, and then woci by the same signal.
extern "C" fn end_both(signal: libc::c_int) {
    match GROUP.load(Ordering::SeqCst) {
        0 => {}
        group => send_to_group(group, libc::SIGTERM),
    }
    // SAFETY: both calls may be made in a handler. The signal is blocked here, and takes effect when this returns.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

fn send_to_group(group: u32, signal: libc::c_int) {
    if let Ok(group) = libc::pid_t::try_from(group) {
        // SAFETY: kill accepts any numbers.
        unsafe { libc::kill(-group, signal) };
    }
}

/// The reading end of a pipe, without waiting.
struct Pipe<R>(R);

impl<R: Read + AsRawFd> Pipe<R> {
    fn new(pipe: R) -> io::Result<Self> {
        set_nonblocking(pipe.as_raw_fd())?;
        Ok(Self(pipe))
    }

    fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Reads what has arrived, a little more than `most` in all, and closes a pipe that is at its end.
    fn read(this: &mut Option<Self>, into: &mut Vec<u8>, most: usize) {
        let Some(pipe) = this else { return };
        let mut chunk = Zeroizing::new([0; 4096]);
        while into.len() <= most {
            match pipe.0.read(&mut *chunk) {
                Ok(0) => {
                    *this = None;
                    return;
                }
                Ok(read) => into.extend_from_slice(&chunk[..read]),
                Err(e) if is_later(&e) => return,
                Err(_) => {
                    *this = None;
                    return;
                }
            }
        }
    }
}

fn is_later(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn set_nonblocking(fd: RawFd) -> io::Result<()> {
    // SAFETY: the descriptor is open; the calls read and set its flags.
    unsafe {
        let flags = done(libc::fcntl(fd, libc::F_GETFL))?;
        done(libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK)).map(drop)
    }
}

/// Waits until something can be read or written, but no longer than [`POLL_INTERVAL_MS`].
fn wait(readable: impl Iterator<Item = RawFd>, writable: Option<RawFd>) {
    let of = |fd, events| libc::pollfd { fd, events, revents: 0 };
    let readable = readable.map(|fd| of(fd, libc::POLLIN));
    let mut all: Vec<_> = readable.chain(writable.map(|fd| of(fd, libc::POLLOUT))).collect();
    // SAFETY: the list holds as many entries as the call is told. An error only ends the wait.
    unsafe { libc::poll(all.as_mut_ptr(), all.len() as libc::nfds_t, POLL_INTERVAL_MS) };
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "looks at other processes")]
mod tests {
    use std::path::Path;
    use std::process::Stdio;
    use std::thread;

    use super::*;

    fn run(script: &str, input: &[u8], limit: Duration) -> Ended {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        run_piped(&mut command, input, limit, 1000).unwrap()
    }

    #[test]
    fn a_program_that_runs_too_long_is_killed_with_its_children() {
        let script = "trap '' TERM; sleep 600 & echo $!; wait; sleep 600";
        let ended = run(script, b"", Duration::from_millis(300));
        assert!(matches!(ended.how, How::TooLong));
        let child = String::from_utf8_lossy(&ended.stdout).trim().to_owned();
        assert!(!child.is_empty());
        // Its new parent may not have asked for its status yet.
        let state = || std::fs::read_to_string(Path::new("/proc").join(&child).join("stat"));
        let lives = || state().is_ok_and(|stat| !stat.contains(") Z "));
        let since = Instant::now();
        while lives() && since.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(!lives(), "{child}");
    }

    #[test]
    fn a_large_input_and_both_outputs_pass_at_once() {
        let input = vec![b'x'; 1 << 20];
        let ended = run("cat | wc -c; head -c 300 /dev/zero >&2", &input, Duration::from_secs(60));
        assert!(matches!(ended.how, How::Exited(status) if status.success()));
        assert_eq!(String::from_utf8_lossy(&ended.stdout).trim(), input.len().to_string());
        assert_eq!(ended.stderr.len(), 300);
    }
}
