//! The few things std has no call for: signals and a TCP reset.

use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// Closes with RST in place of FIN: `SO_LINGER` of zero seconds.
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

/// Sends this process a signal, with the action that a fresh program has for it.
pub fn kill_self(signal: i32) {
    // SAFETY: no memory is touched; SIG_DFL is a valid action.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Another process, by the ID that its parent knows.
pub fn kill(process: u32, signal: i32) {
    let process = libc::pid_t::try_from(process).expect("a process ID fits pid_t");
    // SAFETY: no memory is touched.
    unsafe { libc::kill(process, signal) };
}

/// The signals that `next_signal` hands out, kept from acting.
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

/// Waits for one of the held signals.
pub fn next_signal(held: &libc::sigset_t) -> i32 {
    let mut signal = 0;
    // SAFETY: both pointers are to living values.
    unsafe { libc::sigwait(held, &raw mut signal) };
    signal
}

/// A session of its own, so that what a browser leaves behind does not belong to the terminal that started it.
pub fn detach() {
    // SAFETY: no memory is touched.
    unsafe { libc::setsid() };
}

/// File permissions that new files are born without.
pub fn umask(bits: u32) {
    // SAFETY: no memory is touched.
    unsafe { libc::umask(libc::mode_t::try_from(bits).expect("a mode is small")) };
}
