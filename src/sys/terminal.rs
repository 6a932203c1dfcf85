//! The terminal: a question whose answer is not shown.
#![expect(clippy::disallowed_methods, reason = "the terminal is opened here")]

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::ptr;

use zeroize::Zeroizing;

use super::done;

/// What ends or stops a program from its terminal, or from outside while it waits there.
const SIGNALS: [libc::c_int; 5] = [libc::SIGINT, libc::SIGTERM, libc::SIGQUIT, libc::SIGHUP, libc::SIGTSTP];

/// How soon a signal takes effect while woci waits for a line.
const PATIENCE_MICROSECONDS: libc::suseconds_t = 100_000;

/// A line of a terminal in canonical mode is shorter.
const LONGEST: usize = 4096;

/// The process's own terminal, not showing what is typed; dropped, it shows it again.
///
/// The signals above wait meanwhile, so that none of them can leave the terminal silent: when one
/// has come, the terminal is put right first, and then the signal does what it would have done. No
/// other thread may be there to take it earlier; a prompt comes before any.
pub struct Prompt {
    tty: File,
    shown: libc::termios,
    unblocked: libc::sigset_t,
}

impl Prompt {
    /// Fails where the process has no terminal.
    pub fn open() -> io::Result<Self> {
        let tty = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let mut shown = MaybeUninit::uninit();
        // SAFETY: the descriptor is open and `shown` has room; it is filled where the answer is 0.
        let shown = unsafe {
            done(libc::tcgetattr(tty.as_raw_fd(), shown.as_mut_ptr()))?;
            shown.assume_init()
        };
        let prompt = Self { tty, shown, unblocked: block()? };
        prompt.hide()?;
        Ok(prompt)
    }

    /// A line, without its end. A signal that woci survives has the question put again.
    pub fn ask(&mut self, words: &str) -> io::Result<Zeroizing<Vec<u8>>> {
        self.tty.write_all(words.as_bytes())?;
        loop {
            if self.signal_came()? {
                self.tty.write_all(words.as_bytes())?;
            }
            if self.line_came()? {
                break;
            }
        }
        let mut line = Zeroizing::new(vec![0; LONGEST]);
        let length = self.tty.read(&mut line)?;
        self.tty.write_all(b"\n")?;
        line.truncate(length);
        if line.ends_with(b"\n") {
            line.pop();
        }
        Ok(line)
    }

    fn signal_came(&self) -> io::Result<bool> {
        let mut pending = MaybeUninit::uninit();
        // SAFETY: `pending` has room; it is filled where the answer is 0.
        let pending = unsafe {
            done(libc::sigpending(pending.as_mut_ptr()))?;
            pending.assume_init()
        };
        // SAFETY: the set is filled and the numbers are signals.
        if !SIGNALS.iter().any(|signal| unsafe { libc::sigismember(&pending, *signal) } == 1) {
            return Ok(false);
        }
        self.show();
        self.unblock(); // Here the process ends, or stops until it is continued.
        block()?;
        self.hide()?;
        Ok(true)
    }

    /// Waits a little for a line. select, since poll knows no terminals on macOS.
    fn line_came(&self) -> io::Result<bool> {
        let fd = self.tty.as_raw_fd();
        if fd as usize >= libc::FD_SETSIZE {
            return Err(io::Error::other("too many open files"));
        }
        let mut wait = libc::timeval { tv_sec: 0, tv_usec: PATIENCE_MICROSECONDS };
        let mut set = MaybeUninit::uninit();
        // SAFETY: `set` is made by FD_ZERO, `fd` is open and below FD_SETSIZE, the rest may be null.
        let ready = unsafe {
            libc::FD_ZERO(set.as_mut_ptr());
            libc::FD_SET(fd, set.as_mut_ptr());
            libc::select(fd + 1, set.as_mut_ptr(), ptr::null_mut(), ptr::null_mut(), &mut wait)
        };
        match done(ready) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(e) => Err(e),
            Ok(ready) => Ok(ready > 0),
        }
    }

    /// What was typed before the question was not meant as its answer, and goes.
    fn hide(&self) -> io::Result<()> {
        let mut hidden = self.shown;
        hidden.c_lflag &= !libc::ECHO;
        hidden.c_lflag |= libc::ICANON;
        hidden.c_iflag |= libc::ICRNL;
        // SAFETY: the descriptor is open and the attributes are the terminal's own, edited.
        done(unsafe { libc::tcsetattr(self.tty.as_raw_fd(), libc::TCSAFLUSH, &hidden) })?;
        Ok(())
    }

    fn show(&self) {
        // SAFETY: the descriptor is open and the attributes are as the terminal gave them.
        unsafe { libc::tcsetattr(self.tty.as_raw_fd(), libc::TCSAFLUSH, &self.shown) };
    }

    fn unblock(&self) {
        // SAFETY: the set is the one that `block` was given by the system.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.unblocked, ptr::null_mut()) };
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        self.show();
        self.unblock();
    }
}

/// Blocks `SIGNALS` in this thread; gives what was blocked before.
fn block() -> io::Result<libc::sigset_t> {
    let mut set = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: `set` is made by sigemptyset, the numbers are signals; `before` is filled where the
    // answer is 0.
    unsafe {
        done(libc::sigemptyset(set.as_mut_ptr()))?;
        for signal in SIGNALS {
            done(libc::sigaddset(set.as_mut_ptr(), signal))?;
        }
        match libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), before.as_mut_ptr()) {
            0 => Ok(before.assume_init()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }
}
