//! Asking a question on the terminal without showing what is typed.
#![expect(clippy::disallowed_methods, reason = "opens /dev/tty, which is no file of its own")]

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::mem::{self, MaybeUninit};
use std::os::fd::AsRawFd as _;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use zeroize::Zeroizing;

use super::done;

/// The signals that may end or stop the program while it waits for an answer.
const SIGNALS: [libc::c_int; 5] = [libc::SIGINT, libc::SIGTERM, libc::SIGQUIT, libc::SIGHUP, libc::SIGTSTP];

/// The last of them that arrived while a prompt was open; 0 if none did.
static CAME: AtomicI32 = AtomicI32::new(0);

/// How long to wait before checking for a signal again: one that arrives just before the wait does not
/// interrupt it.
const POLL_INTERVAL: libc::timeval = libc::timeval { tv_sec: 0, tv_usec: 100_000 };

/// In canonical mode the terminal's line is shorter than this.
const LONGEST: usize = 4096;

/// The process's terminal with echo turned off; dropping it turns echo on again.
///
/// No signal leaves the terminal without echo: a handler notes the signal, the terminal is restored, and then
/// the signal is raised again to have its usual effect.
pub struct Prompt {
    tty: File,
    shown: libc::termios,
    before: [libc::sigaction; SIGNALS.len()],
}

impl Prompt {
    /// Fails if the process has no terminal.
    pub fn open() -> io::Result<Self> {
        let tty = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let mut shown = MaybeUninit::uninit();
        // SAFETY: the descriptor is open, and `shown` is filled if the call succeeds.
        let shown = unsafe {
            done(libc::tcgetattr(tty.as_raw_fd(), shown.as_mut_ptr()))?;
            shown.assume_init()
        };
        let prompt = Self { tty, shown, before: note_signals() };
        prompt.hide()?;
        Ok(prompt)
    }

    /// Asks and returns the line typed, without its line ending. After a signal that woci survives (Ctrl-Z
    /// and `fg`) it asks again.
    pub fn ask(&mut self, words: &str) -> io::Result<Zeroizing<Vec<u8>>> {
        self.tty.write_all(words.as_bytes())?;
        loop {
            let signal = CAME.swap(0, Ordering::Relaxed);
            if signal != 0 {
                self.let_through(signal)?;
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

    fn let_through(&mut self, signal: libc::c_int) -> io::Result<()> {
        self.show();
        let _ = self.tty.write_all(b"\n");
        restore_signals(&self.before);
        // The process ends here, or stops until it is continued. raise and not kill: kill's signal could go
        // to another thread, and echo could be off again by then.
        // SAFETY: the number is a signal.
        unsafe { libc::raise(signal) };
        note_signals();
        self.hide()
    }

    /// Waits a short time for a line. By select, because poll does not support terminals on macOS.
    fn line_came(&self) -> io::Result<bool> {
        let fd = self.tty.as_raw_fd();
        if fd as usize >= libc::FD_SETSIZE {
            return Err(io::Error::other("too many open files"));
        }
        let mut wait = POLL_INTERVAL;
        let mut set = MaybeUninit::uninit();
        // SAFETY: FD_ZERO initialises `set`, `fd` is open and below FD_SETSIZE, the other sets may be null.
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

    /// Turns echo off and discards what was typed before the question, which was not meant as its answer.
    fn hide(&self) -> io::Result<()> {
        let mut hidden = self.shown;
        hidden.c_lflag &= !libc::ECHO;
        hidden.c_lflag |= libc::ICANON;
        hidden.c_iflag |= libc::ICRNL;
        // SAFETY: the descriptor is open and the attributes are the terminal's own, changed.
        done(unsafe { libc::tcsetattr(self.tty.as_raw_fd(), libc::TCSAFLUSH, &hidden) })?;
        Ok(())
    }

    fn show(&self) {
        // SAFETY: the descriptor is open and the attributes are those that the terminal returned.
        unsafe { libc::tcsetattr(self.tty.as_raw_fd(), libc::TCSAFLUSH, &self.shown) };
    }
}

impl Drop for Prompt {
    fn drop(&mut self) {
        self.show();
        restore_signals(&self.before);
        // A signal that arrived with the line or after it.
        let signal = CAME.swap(0, Ordering::Relaxed);
        if signal != 0 {
            // SAFETY: the number is a signal.
            unsafe { libc::raise(signal) };
        }
    }
}

extern "C" fn note(signal: libc::c_int) {
    CAME.store(signal, Ordering::Relaxed);
}

/// Installs `note` for the signals that are not ignored. Returns their previous actions.
fn note_signals() -> [libc::sigaction; SIGNALS.len()] {
    SIGNALS.map(|signal| {
        // SAFETY: a zeroed sigaction is valid: the default action, no flags, an empty mask. `note` has the
        // type of a handler and does only what a handler may: an atomic store.
        unsafe {
            let mut before: libc::sigaction = mem::zeroed();
            libc::sigaction(signal, ptr::null(), &mut before);
            if before.sa_sigaction != libc::SIG_IGN {
                let mut noting: libc::sigaction = mem::zeroed();
                noting.sa_sigaction = note as *const () as libc::sighandler_t;
                libc::sigaction(signal, &noting, ptr::null_mut());
            }
            before
        }
    })
}

fn restore_signals(before: &[libc::sigaction; SIGNALS.len()]) {
    for (signal, before) in SIGNALS.iter().zip(before) {
        // SAFETY: the action is the one that the system returned for this signal.
        unsafe { libc::sigaction(*signal, before, ptr::null_mut()) };
    }
}
