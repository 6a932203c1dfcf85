//! Running a program in place of woci (exec), and starting one in the background: in a session of its own, without a
//! terminal, and adopted by the system's first process.
#![expect(clippy::disallowed_methods, reason = "opens /dev/null, which is no file of its own")]

use std::ffi::{CString, OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::ptr;

use super::done;
use super::process::{close_inherited, restore_ignored_signals};

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

/// Starts a program and does not wait for it. Its stdin holds `input`, and its stdout and stderr are /dev/null. It calls
/// [`become_orphan`] first, which closes every other descriptor: those of this process are left as they are, since it
/// may become oci. std starts the program without a copy of this process (posix_spawn), which would take longer than all
/// else here.
///
/// # Errors
/// Also if the input does not fit into a pipe.
pub fn leave_behind(
    path: &Path,
    args: &[OsString],
    env: Vec<(OsString, OsString)>,
    input: Option<&[u8]>,
) -> io::Result<Child> {
    let stdin = input.map(filled_pipe).transpose()?.map_or_else(Stdio::null, Stdio::from);
    let mut command = Command::new(path);
    command.args(args).env_clear().envs(env);
    command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// In a process that was started in the background, before it does anything: leaves the session and its terminal, and goes on in a
/// child, which cannot get a terminal (only the first process of a session can) and which the system's first process
/// adopts.
pub fn become_orphan() -> io::Result<()> {
    close_inherited();
    // SAFETY: there is one thread, and the parent ends without running any more of the program.
    unsafe {
        done(libc::setsid())?;
        if done(libc::fork())? > 0 {
            libc::_exit(0);
        }
    }
    Ok(())
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
