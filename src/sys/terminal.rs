//! The terminal without echo: asking a question, and taking what a person pastes while woci does something else.
#![expect(clippy::disallowed_methods, reason = "opens /dev/tty, which is no file of its own")]

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::mem::{self, MaybeUninit};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use super::done;

/// The signals that may end or stop the program while the terminal shows nothing.
const SIGNALS: [libc::c_int; 5] = [libc::SIGINT, libc::SIGTERM, libc::SIGQUIT, libc::SIGHUP, libc::SIGTSTP];

/// The last of them that arrived while the terminal showed nothing; 0 if none did.
static CAME: AtomicI32 = AtomicI32::new(0);

/// How long to wait before checking for a signal again: one that arrives just before the wait does not
/// interrupt it.
const POLL_INTERVAL: libc::timeval = libc::timeval { tv_sec: 0, tv_usec: 100_000 };

/// In canonical mode the terminal's line is shorter than this.
const LONGEST: usize = 4096;

/// How the terminal hands over what is typed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// As whole lines (canonical mode), which a person may edit.
    Lines,
    /// Each byte as it comes, since a line ends after 4096 bytes.
    Bytes,
}

/// The process's terminal with echo turned off; dropping it turns echo on again.
///
/// No signal leaves the terminal without echo: a handler notes the signal, the terminal is restored, and then
/// the signal is raised again to have its usual effect.
struct Hidden {
    tty: File,
    shown: libc::termios,
    before: [libc::sigaction; SIGNALS.len()],
    mode: Mode,
    is_hidden: bool,
}

impl Hidden {
    fn new(tty: File, mode: Mode) -> io::Result<Self> {
        let mut shown = MaybeUninit::uninit();
        // SAFETY: the descriptor is open, and `shown` is filled if the call succeeds.
        let shown = unsafe {
            done(libc::tcgetattr(tty.as_raw_fd(), shown.as_mut_ptr()))?;
            shown.assume_init()
        };
        let mut hidden = Self { tty, shown, before: note_signals(), mode, is_hidden: false };
        hidden.hide()?;
        Ok(hidden)
    }

    /// The signal that arrived since the last call, if one did.
    fn signal() -> Option<libc::c_int> {
        Some(CAME.swap(0, Ordering::Relaxed)).filter(|signal| *signal != 0)
    }

    /// Gives the signal its usual effect. If the process survives it, the terminal is shown afterwards.
    fn let_through(&mut self, signal: libc::c_int) {
        self.show();
        let _ = self.tty.write_all(b"\n");
        restore_signals(&self.before);
        // The process ends here, or stops until it is continued. raise and not kill: kill's signal could go
        // to another thread, and echo could be off again by then.
        // SAFETY: the number is a signal.
        unsafe { libc::raise(signal) };
        note_signals();
    }

    /// Turns echo off and discards what was typed before, which was not meant for woci.
    fn hide(&mut self) -> io::Result<()> {
        let mut hidden = self.shown;
        hidden.c_lflag &= !libc::ECHO;
        hidden.c_iflag |= libc::ICRNL;
        match self.mode {
            Mode::Lines => hidden.c_lflag |= libc::ICANON,
            Mode::Bytes => {
                hidden.c_lflag &= !libc::ICANON;
                hidden.c_cc[libc::VMIN] = 1;
                hidden.c_cc[libc::VTIME] = 0;
            }
        }
        // SAFETY: the descriptor is open and the attributes are the terminal's own, changed.
        done(unsafe { libc::tcsetattr(self.tty.as_raw_fd(), libc::TCSAFLUSH, &hidden) })?;
        self.is_hidden = true;
        Ok(())
    }

    /// Turns echo on and discards what was typed and not read.
    fn show(&mut self) {
        if mem::take(&mut self.is_hidden) {
            // SAFETY: the descriptor is open and the attributes are those that the terminal returned.
            unsafe { libc::tcsetattr(self.tty.as_raw_fd(), libc::TCSAFLUSH, &self.shown) };
        }
    }
}

/// Whether the shell runs woci in the foreground. In the background, reading from the terminal or changing it would
/// stop the process.
fn is_in_foreground(tty: &File) -> bool {
    // SAFETY: the descriptor is open, and the calls only return numbers.
    unsafe { libc::tcgetpgrp(tty.as_raw_fd()) == libc::getpgrp() }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        self.show();
        restore_signals(&self.before);
        // A signal that arrived with the line or after it.
        if let Some(signal) = Self::signal() {
            // SAFETY: the number is a signal.
            unsafe { libc::raise(signal) };
        }
    }
}

/// The width of this terminal, if it is one and the width is known.
pub fn terminal_columns(terminal: &impl std::os::fd::AsRawFd) -> Option<usize> {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: the call fills `size` or fails, and zeroes are a valid size.
    let size = unsafe {
        done(libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, size.as_mut_ptr())).ok()?;
        size.assume_init()
    };
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// A question on the process's terminal whose answer is not shown.
pub struct Prompt(Hidden);

impl Prompt {
    /// Fails if the process has no terminal.
    pub fn open() -> io::Result<Self> {
        let tty = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        Ok(Self(Hidden::new(tty, Mode::Lines)?))
    }

    /// Asks and returns the line typed, without its line ending. After a signal that woci survives (Ctrl-Z
    /// and `fg`) it asks again.
    pub fn ask(&mut self, words: &str) -> io::Result<Zeroizing<Vec<u8>>> {
        self.0.tty.write_all(words.as_bytes())?;
        loop {
            if let Some(signal) = Hidden::signal() {
                self.0.let_through(signal);
                self.0.hide()?;
                self.0.tty.write_all(words.as_bytes())?;
            }
            if self.line_came()? {
                break;
            }
        }
        let mut line = Zeroizing::new(vec![0; LONGEST]);
        let length = self.0.tty.read(&mut line)?;
        self.0.tty.write_all(b"\n")?;
        line.truncate(length);
        if line.ends_with(b"\n") {
            line.pop();
        }
        Ok(line)
    }

    /// Waits a short time for a line. By select, because poll does not support terminals on macOS.
    fn line_came(&self) -> io::Result<bool> {
        let fd = self.0.tty.as_raw_fd();
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
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(false),
            Err(e) => Err(e),
            Ok(ready) => Ok(ready > 0),
        }
    }
}

/// Questions on the process's terminal whose answers are shown. The terminal's settings stay as they are, so that
/// Ctrl-C and Ctrl-Z need no care.
pub struct Question(File);

impl Question {
    /// Fails if the process has no terminal, or runs in its background.
    pub fn open() -> io::Result<Self> {
        let tty = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        if !is_in_foreground(&tty) {
            return Err(io::Error::other("it runs in the background"));
        }
        Ok(Self(tty))
    }

    /// Shows a text.
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes())
    }

    /// Asks and returns the line typed, without its line ending; `None` if the terminal was closed (Ctrl-D).
    pub fn ask(&mut self, words: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        self.say(words)?;
        let mut line = Zeroizing::new(vec![0; LONGEST]);
        let length = self.0.read(&mut line)?;
        line.truncate(length);
        if line.pop_if(|byte| *byte == b'\n').is_none() {
            self.say("\n")?;
            return Ok(Some(line).filter(|line| !line.is_empty()));
        }
        Ok(Some(line))
    }
}

/// Takes what a person pastes on the process's terminal, without showing it and without waiting for it.
pub struct Paste(Hidden);

impl Paste {
    /// A paste has arrived if nothing comes for so long.
    const PIECE_LIMIT: Duration = Duration::from_millis(50);
    const MOST_PIECES: usize = 40;

    /// Fails if the process has no terminal, or runs in its background.
    pub fn open() -> io::Result<Self> {
        // A read does not wait, even if another program changes the terminal.
        let tty =
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/tty")?;
        if !is_in_foreground(&tty) {
            return Err(io::Error::other("it runs in the background"));
        }
        Ok(Self(Hidden::new(tty, Mode::Bytes)?))
    }

    /// The bytes that have arrived since the last call. Must be called often, since a signal has no effect before the
    /// next call.
    pub fn read(&mut self) -> Zeroizing<Vec<u8>> {
        if let Some(signal) = Hidden::signal() {
            self.0.let_through(signal);
        }
        let mut bytes = Zeroizing::new(vec![0; LONGEST]);
        // Ctrl-Z and `bg` move woci to the background, `fg` back.
        let may_read = is_in_foreground(&self.0.tty) && (self.0.is_hidden || self.0.hide().is_ok());
        let length = if may_read { self.0.tty.read(&mut bytes).unwrap_or_default() } else { 0 };
        bytes.truncate(length);
        bytes
    }

    /// Discards the rest of a paste that is still arriving, so that the shell does not get it. Returns the first piece.
    pub fn discard_rest(&mut self) -> Zeroizing<Vec<u8>> {
        let mut first = Zeroizing::default();
        for nth in 0..Self::MOST_PIECES {
            thread::sleep(Self::PIECE_LIMIT);
            let piece = self.read();
            if piece.is_empty() {
                break;
            }
            if nth == 0 {
                first = piece;
            }
        }
        first
    }
}

impl Drop for Paste {
    fn drop(&mut self) {
        // The shell has the terminal, and gives it its own settings.
        if !is_in_foreground(&self.0.tty) {
            self.0.is_hidden = false;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Screen;

    const NAME: &str = "sys::terminal::tests::takes_a_paste";

    /// Run by the other tests on a terminal.
    #[test]
    fn takes_a_paste() {
        if !Screen::runs_this_test() {
            return;
        }
        let mut paste = Paste::open().unwrap();
        eprintln!("ready");
        let mut line = Vec::new();
        while !line.contains(&b'\n') {
            line.extend_from_slice(&paste.read());
            thread::sleep(Duration::from_millis(5));
        }
        paste.discard_rest();
        drop(paste);
        let end = line.iter().position(|byte| *byte == b'\n').unwrap();
        eprintln!("{end} bytes, all x: {}", line[..end].iter().all(|byte| *byte == b'x'));
    }

    fn echoes(said: &str) -> bool {
        said.contains(" echo ") && !said.contains(" -echo ") && !said.contains("-icanon")
    }

    #[test]
    fn a_paste_longer_than_a_line_of_the_terminal_arrives_and_is_not_shown() {
        let mut screen = Screen::of_test(NAME);
        screen.says("ready");
        screen.types(&[&b"x".repeat(20_000), &b"\n"[..], &b"echo pwned\n".repeat(200)].concat());
        let said = screen.end();
        assert!(said.contains("20000 bytes, all x: true"), "{said}");
        assert!(!said.contains("xxx") && !said.contains("pwned"), "{said}");
        assert!(said.contains("ended 0") && echoes(&said), "{said}");
    }

    #[test]
    fn a_signal_restores_the_terminal_and_ends_the_program() {
        let mut screen = Screen::of_test(NAME);
        screen.says("ready");
        screen.types(b"half an address\x03");
        let said = screen.end();
        assert!(said.contains("ended 130") && echoes(&said), "{said}");
        assert!(!said.contains("half"), "{said}");
    }
}
