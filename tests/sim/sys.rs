//! The few things that std does not offer: signals, terminals, a TCP reset, peak memory.
#![expect(unsafe_code, reason = "the one file of the simulator for it")]

use std::ffi::CStr;
#[cfg(target_os = "linux")]
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd};
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
#[cfg(target_os = "linux")]
use std::path::Path;
use std::process::Command;

/// Closes a connection with RST instead of FIN: `SO_LINGER` of zero seconds.
pub fn reset(stream: TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = libc::socklen_t::try_from(size_of::<libc::linger>()).expect("a linger is small");
    // SAFETY: the descriptor is open, the pointer and the size are those of a living `linger`.
    unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size,
        );
    }
    drop(stream);
}

/// Sends this process a signal, after restoring its default action.
pub fn kill_self(signal: i32) {
    // SAFETY: no memory is touched; SIG_DFL is a valid action.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Sends another process a signal.
pub fn kill(process: u32, signal: i32) {
    let process = libc::pid_t::try_from(process).expect("a process ID fits pid_t");
    // SAFETY: no memory is touched.
    unsafe { libc::kill(process, signal) };
}

/// Blocks the signals that `next_signal` waits for.
pub fn hold_signals() -> libc::sigset_t {
    // SAFETY: sigemptyset initialises the set before it is used.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1] {
            libc::sigaddset(&raw mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        set
    }
}

/// Waits for one of the blocked signals.
pub fn next_signal(held: &libc::sigset_t) -> i32 {
    let mut signal = 0;
    // SAFETY: both pointers are to living values.
    unsafe { libc::sigwait(held, &raw mut signal) };
    signal
}

/// Starts a new session (setsid), so that processes that a browser leaves behind do not belong to its terminal.
pub fn detach() {
    // SAFETY: no memory is touched.
    unsafe { libc::setsid() };
}

/// Runs the program to its end. Returns its peak memory in bytes.
pub fn peak_memory(command: &mut Command) -> u64 {
    // After vfork the peak of the child includes that of its parent; after fork it does not. std uses fork if
    // there is a pre_exec closure.
    // SAFETY: the closure does nothing.
    unsafe { command.pre_exec(|| Ok(())) };
    #[expect(clippy::zombie_processes, reason = "wait4 waits for it and also returns its memory use")]
    let child = command.spawn().expect("the program can be run");
    let process = libc::pid_t::try_from(child.id()).expect("it was a pid_t");
    // SAFETY: all zeros is a valid rusage, both pointers are to living values, and nobody else waits for this child.
    let peak = unsafe {
        let (mut status, mut usage): (_, libc::rusage) = (0, std::mem::zeroed());
        assert_eq!(libc::wait4(process, &raw mut status, 0, &raw mut usage), process);
        u64::try_from(usage.ru_maxrss).expect("a size is not negative")
    };
    if cfg!(target_os = "macos") { peak } else { peak * 1024 }
}

/// Makes the program start with this umask.
pub fn with_umask(command: &mut Command, bits: libc::mode_t) {
    // SAFETY: umask is async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            libc::umask(bits);
            Ok(())
        });
    }
}

/// Gives the signals of a terminal their default action: under `nohup`, or in the background of a script, the tests
/// inherit them ignored.
pub fn with_signals_of_a_terminal(command: &mut Command) {
    // SAFETY: signal is async-signal-safe, and SIG_DFL a valid action.
    unsafe {
        command.pre_exec(|| {
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
                libc::signal(signal, libc::SIG_DFL);
            }
            Ok(())
        });
    }
}

/// Limits what the system gives the program: `RLIMIT_NPROC`, `RLIMIT_NOFILE`, `RLIMIT_AS` and the like.
pub fn with_limit(command: &mut Command, resource: Resource, most: u64) {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: setrlimit is async-signal-safe, and the limit is fully initialised.
    unsafe {
        command.pre_exec(move || {
            if libc::setrlimit(resource, &limit) == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
        });
    }
}

/// Lets this process and its children open up to 4096 files, or as many as its hard limit allows.
pub fn allow_many_descriptors() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is fully initialised, and both calls are given the address of a living one.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max.min(4096).max(limit.rlim_cur);
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
}

#[cfg(target_env = "gnu")]
pub type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
pub type Resource = libc::c_int;

pub fn is_root() -> bool {
    // SAFETY: no memory is touched.
    unsafe { libc::geteuid() == 0 }
}

/// Unmounts a file system, even if a file there is still open.
pub fn unmount(path: &CStr) {
    // SAFETY: the path is a C string.
    unsafe {
        #[cfg(target_os = "linux")]
        libc::umount2(path.as_ptr(), libc::MNT_DETACH);
        #[cfg(target_os = "macos")]
        libc::unmount(path.as_ptr(), libc::MNT_FORCE);
    }
}

/// A pseudo-terminal: the side where a person reads and types, and the side that is a program's stdin and stderr. With
/// 0 columns, its width is not known.
pub fn terminal(columns: u16) -> (File, File) {
    let (mut person, mut program) = (-1, -1);
    let (name, settings) = (std::ptr::null_mut(), std::ptr::null_mut());
    let size = libc::winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the pointers are to living integers and to a size, the others may be null; the descriptors are new and
    // ours.
    unsafe {
        let made = libc::openpty(&raw mut person, &raw mut program, name, settings, &raw const size as _);
        assert_eq!(made, 0, "no terminal: {}", io::Error::last_os_error());
        // A child of another test must not keep this terminal open.
        libc::fcntl(person, libc::F_SETFD, libc::FD_CLOEXEC);
        libc::fcntl(program, libc::F_SETFD, libc::FD_CLOEXEC);
        (File::from_raw_fd(person), File::from_raw_fd(program))
    }
}

/// Makes the program's stdin the controlling terminal of a new session, so that /dev/tty is that terminal.
pub fn with_own_terminal(command: &mut Command) {
    // SAFETY: setsid and ioctl are async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::setsid();
            libc::ioctl(0, libc::TIOCSCTTY as _, 0);
            Ok(())
        });
    }
}

/// Sets a file's POSIX ACL, in the kernel's form. False where the file system has none.
#[cfg(target_os = "linux")]
pub fn set_acl(path: &Path, acl: &[u8]) -> bool {
    set_attribute(path, c"system.posix_acl_access", acl)
}

/// Sets the ACL that new files of a folder get.
#[cfg(target_os = "linux")]
pub fn set_default_acl(folder: &Path, acl: &[u8]) -> bool {
    set_attribute(folder, c"system.posix_acl_default", acl)
}

#[cfg(target_os = "linux")]
fn set_attribute(path: &Path, name: &CStr, value: &[u8]) -> bool {
    let path = CString::new(path.as_os_str().as_bytes()).expect("a path has no zero byte");
    // SAFETY: both names end with a zero byte, and the buffer has that length.
    let set = unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    set == 0
}

/// A file's POSIX ACL, in the kernel's form.
#[cfg(target_os = "linux")]
pub fn acl(path: &Path) -> Option<Vec<u8>> {
    let path = CString::new(path.as_os_str().as_bytes()).expect("a path has no zero byte");
    let name = c"system.posix_acl_access";
    let mut bytes = vec![0; 4096];
    // SAFETY: both names end with a zero byte, and the buffer has that length.
    let read =
        unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), bytes.as_mut_ptr().cast(), bytes.len()) };
    bytes.truncate(usize::try_from(read).ok()?);
    Some(bytes)
}
