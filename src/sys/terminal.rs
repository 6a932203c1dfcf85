//! The terminal: a question whose answer is not shown.
#![expect(clippy::disallowed_methods, reason = "the terminal is opened here")]

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::mem::{self, MaybeUninit};
use std::os::fd::AsRawFd as _;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use zeroize::Zeroizing;

use super::done;

/// What ends or stops a program from its terminal, or from outside while it waits there.
const SIGNALS: [libc::c_int; 5] = [libc::SIGINT, libc::SIGTERM, libc::SIGQUIT, libc::SIGHUP, libc::SIGTSTP];

/// The one of them that came while a prompt was open.
static CAME: AtomicI32 = AtomicI32::new(0);

/// How soon it takes effect: a signal that comes just before the wait does not end it.
const PATIENCE: libc::timeval = libc::timeval { tv_sec: 0, tv_usec: 100_000 };

/// A line of a terminal in canonical mode is shorter.
const LONGEST: usize = 4096;

/// The process's own terminal, not showing what is typed; dropped, it shows it again.
///
/// None of the signals above leaves the terminal silent: they are noted, the terminal is put right,
/// and then the signal is sent again to do what it would have done.
pub struct Prompt {
    tty: File,
    shown: libc::termios,
    before: [libc::sigaction; SIGNALS.len()],
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
        let prompt = Self { tty, shown, before: note_signals() };
        prompt.hide()?;
        Ok(prompt)
    }

    /// A line, without its end. A signal that woci survives has the question put again.
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
        // Here the process ends, or stops until it is continued. Not kill: another thread might take
        // that one, and the terminal be silent again by then.
        // SAFETY: the number is a signal.
        unsafe { libc::raise(signal) };
        note_signals();
        self.hide()
    }

    /// Waits a little for a line. select, since poll knows no terminals on macOS.
    fn line_came(&self) -> io::Result<bool> {
        let fd = self.tty.as_raw_fd();
        if fd as usize >= libc::FD_SETSIZE {
            return Err(io::Error::other("too many open files"));
        }
        let mut wait = PATIENCE;
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
}

impl Drop for Prompt {
    fn drop(&mut self) {
        self.show();
        restore_signals(&self.before);
        // One that came with the line or after it.
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

/// Has the signals noted, but for those that are ignored; gives what they did before.
fn note_signals() -> [libc::sigaction; SIGNALS.len()] {
    SIGNALS.map(|signal| {
        // SAFETY: a sigaction of zeros is one: the default action, no flags, an empty mask. `note` is
        // a handler of the type it is given as, and does what a handler may: an atomic store.
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
        // SAFETY: the action is the one that the system gave for this signal.
        unsafe { libc::sigaction(*signal, before, ptr::null_mut()) };
    }
}
