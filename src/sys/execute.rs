//! Running a program in place of woci (exec), and starting one in the background: in a session of its own, without a
//! terminal, and adopted by the system's first process.
#![expect(clippy::disallowed_methods, reason = "opens /dev/null, which is no file of its own")]

use std::ffi::{CString, OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, PipeReader, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::ptr;

use super::done;
use super::process::{close_on_exec, restore_ignored_signals};

/// Replaces this process with a program, which gets the signal mask and dispositions that woci got. Returns
/// only if that fails.
pub fn exec(path: &Path, args: &[OsString], env: &[(OsString, OsString)]) -> io::Error {
    let strings = match Strings::new(path, args, env) {
        Ok(strings) => strings,
        Err(e) => return e,
    };
    let (args, env) = (strings.args(), strings.env());
    restore_ignored_signals();
    // SAFETY: path, args and env are C strings that outlive the call, and both lists end in a null pointer.
    unsafe { libc::execve(strings.path(), args.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// What execve takes, as C strings.
struct Strings {
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
}

impl Strings {
    fn new(path: &Path, args: &[OsString], env: &[(OsString, OsString)]) -> io::Result<Self> {
        let pair = |(name, value): &(OsString, OsString)| {
            c_string(OsStr::from_bytes(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
        };
        Ok(Self {
            path: c_string(path.as_os_str())?,
            args: args.iter().map(|arg| c_string(arg)).collect::<io::Result<_>>()?,
            env: env.iter().map(pair).collect::<io::Result<_>>()?,
        })
    }

    fn path(&self) -> *const libc::c_char {
        self.path.as_ptr()
    }

    fn args(&self) -> Vec<*const libc::c_char> {
        pointers(&self.args)
    }

    fn env(&self) -> Vec<*const libc::c_char> {
        pointers(&self.env)
    }
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::Error::other("an argument holds a NUL byte"))
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// Starts a program in the background. Its stdin holds `input`, its stdout and stderr are /dev/null, and it has no other
/// descriptor. Returns the process between, whose child it is, and which ends at once, so that the system's first process
/// adopts the program. Nothing is waited for: that would take longer than all else here.
///
/// # Errors
/// Also if the input does not fit into a pipe.
pub fn start_behind(
    path: &Path,
    args: &[OsString],
    env: &[(OsString, OsString)],
    input: Option<&[u8]>,
) -> io::Result<Between> {
    let strings = Strings::new(path, args, env)?;
    let (args, env) = (strings.args(), strings.env());
    let nothing = dev_null()?;
    let input = input.map(filled_pipe).transpose()?;
    let stdin = input.as_ref().map_or(nothing.as_raw_fd(), |pipe| pipe.as_raw_fd());
    // SAFETY: both children make only calls that are safe after a fork, and never return from here. Paths and lists are
    // C strings that outlive the calls, and the lists end in a null pointer.
    let between = unsafe {
        let between = done(libc::fork())?;
        if between == 0 {
            libc::setsid();
            // The child of a session's first process cannot get a terminal.
            if libc::fork() == 0 {
                become_program(stdin, nothing.as_raw_fd());
                libc::execve(strings.path(), args.as_ptr(), env.as_ptr());
            }
            libc::_exit(0);
        }
        between
    };
    Ok(Between(between))
}

/// The child of this process that starts a program in the background.
pub struct Between(libc::pid_t);

impl Between {
    /// For a process that goes on as another program, which does not know of this child.
    pub fn wait(self) {
        let mut status = 0;
        // SAFETY: `status` receives how this process's own child ended. A signal interrupts the call.
        while unsafe { libc::waitpid(self.0, &mut status, 0) } < 0
            && io::Error::last_os_error().kind() == ErrorKind::Interrupted
        {}
    }
}

/// Descriptors and signals, in the child that becomes the program.
fn become_program(stdin: RawFd, nothing: RawFd) {
    // SAFETY: the descriptors are open, and above 2: Rust's runtime has opened those.
    unsafe {
        libc::dup2(stdin, 0);
        libc::dup2(nothing, 1);
        libc::dup2(nothing, 2);
    }
    close_on_exec();
    restore_ignored_signals();
}

/// A pipe that holds these bytes, and whose other end is closed.
fn filled_pipe(bytes: &[u8]) -> io::Result<PipeReader> {
    let (reader, mut writer) = io::pipe()?;
    // SAFETY: the descriptor is open. Nobody reads yet: a write that the pipe has no room for must fail.
    done(unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) })?;
    writer.write_all(bytes)?;
    Ok(reader)
}

/// Lets go of what a process that was started in the background still holds: its stdin, and the working folder.
pub fn let_go() -> io::Result<()> {
    let nothing = dev_null()?;
    // SAFETY: both are open descriptors, and the path is a C string.
    unsafe {
        done(libc::dup2(nothing.as_raw_fd(), 0))?;
        done(libc::chdir(c"/".as_ptr()))?;
    }
    Ok(())
}

fn dev_null() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/null")
}
