//! What the system tells about other processes: who holds a lock, what a process was started as and when, and where its
//! PID counts; and asking one to end that is known by all that.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
#[cfg(target_os = "linux")]
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
#[cfg(target_os = "linux")]
use std::ptr;

use super::piped::output;
use super::process::send;

/// A process that may be asked to end once more is known about it. On Linux its PID cannot pass to another process
/// meanwhile: a signal then reaches nobody.
pub struct Process {
    pid: u32,
    #[cfg(target_os = "linux")]
    handle: Option<OwnedFd>,
}

impl Process {
    pub fn of(pid: u32) -> Self {
        Self {
            pid,
            #[cfg(target_os = "linux")]
            handle: handle(pid),
        }
    }

    /// Asks the process to end, by SIGTERM.
    pub fn terminate(&self) {
        #[cfg(target_os = "linux")]
        if let Some(handle) = &self.handle {
            let nothing: *const libc::siginfo_t = ptr::null();
            // SAFETY: the descriptor is open, and the call takes no information about the signal.
            unsafe {
                libc::syscall(libc::SYS_pidfd_send_signal, handle.as_raw_fd(), libc::SIGTERM, nothing, 0)
            };
            return;
        }
        send(self.pid, libc::SIGTERM);
    }

    /// Whether the process holds an exclusive lock (flock) on this file; None if the system does not tell who does.
    pub fn holds_lock(&self, file: &Metadata) -> Option<bool> {
        let locks = File::open("/proc/locks").and_then(io::read_to_string).ok()?;
        let holders = lock_holders(&locks, file.ino());
        if holders.is_empty() { None } else { Some(holders.contains(&self.pid)) }
    }
}

/// What tells a process from every other one beside its PID, as texts to be compared: where its PID counts (the machine
/// and the PID namespace), and when it was started. Each None where the system does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub namespace: Option<String>,
    pub started: Option<String>,
}

impl Mark {
    pub fn of(pid: u32) -> Self {
        let started = if cfg!(target_os = "linux") { started_by_proc(pid) } else { by_ps(pid, "lstart=") };
        Self { namespace: namespace(), started }
    }
}

/// Where this process's PIDs count. The kernel gives the namespaces of two machines the same numbers.
fn namespace() -> Option<String> {
    let boot = File::open("/proc/sys/kernel/random/boot_id").and_then(io::read_to_string).ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// The time since the machine's start, in the kernel's ticks: the 22nd field, the 20th after the program's name.
fn started_by_proc(pid: u32) -> Option<String> {
    // That of its main thread, which is as old: qemu shows a program other times for the process that it emulates.
    let stat = File::open(format!("/proc/{pid}/task/{pid}/stat")).and_then(io::read_to_string).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(19).map(str::to_owned)
}

/// A descriptor of a process. None if there is no such process, or if the kernel is older than 5.3.
#[cfg(target_os = "linux")]
fn handle(pid: u32) -> Option<OwnedFd> {
    // SAFETY: the call takes two numbers, and a descriptor that it returns is new and this process's own.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, libc::pid_t::try_from(pid).ok()?, 0);
        let fd = libc::c_int::try_from(fd).ok().filter(|fd| *fd >= 0)?;
        Some(OwnedFd::from_raw_fd(fd))
    }
}

/// The processes that hold an exclusive flock on the file with this inode number, by the text of /proc/locks. The
/// device is not compared: for some file systems the kernel prints another one than stat does.
fn lock_holders(locks: &str, inode: u64) -> Vec<u32> {
    let holder = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        // A process that waits for a lock has `->` in the second place.
        let [_, "FLOCK", _, "WRITE", pid, file, ..] = words[..] else { return None };
        file.ends_with(&format!(":{inode}")).then(|| pid.parse().ok())?
    };
    locks.lines().filter_map(holder).collect()
}

/// The command line of a running process, its words separated by blanks; None if it cannot be found out.
pub fn command_line(pid: u32) -> Option<String> {
    if cfg!(target_os = "linux") { command_line_by_proc(pid) } else { command_line_by_ps(pid) }
}

fn command_line_by_proc(pid: u32) -> Option<String> {
    const LONGEST: u64 = 4096;
    let file = File::open(format!("/proc/{pid}/cmdline")).ok()?;
    let line = io::read_to_string(file.take(LONGEST)).ok()?;
    Some(line.replace('\0', " "))
}

fn command_line_by_ps(pid: u32) -> Option<String> {
    by_ps(pid, "args=")
}

/// By ps, which every POSIX system has. `-ww`: macOS otherwise cuts the line at 80 columns even without a
/// terminal.
fn by_ps(pid: u32, what: &str) -> Option<String> {
    let mut ps = Command::new("/bin/ps");
    ps.args(["-ww", "-o", what, "-p", &pid.to_string()]).stdin(Stdio::null()).stderr(Stdio::null());
    let (status, said) = output(&mut ps).ok()?;
    status.success().then(|| String::from_utf8_lossy(&said).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_holders_of_a_lock_are_those_that_have_it_exclusively() {
        let locks = "\
1: FLOCK  ADVISORY  WRITE 101 fe:00:77 0 EOF
1: -> FLOCK  ADVISORY  WRITE 102 fe:00:77 0 EOF
2: FLOCK  ADVISORY  READ 103 fe:00:77 0 EOF
3: POSIX  ADVISORY  WRITE 104 fe:00:77 0 EOF
4: FLOCK  ADVISORY  WRITE 105 fe:00:177 0 EOF
";
        assert_eq!(lock_holders(locks, 77), [101]);
        assert_eq!(lock_holders(locks, 7), [0; 0]);
    }

    #[test]
    fn ps_shows_the_command_line_of_a_running_process_only() {
        if !Path::new("/bin/ps").exists() {
            eprintln!("skipped: there is no /bin/ps here");
            return;
        }
        // Longer than a terminal is wide.
        let words = format!("read line; : {}", "word ".repeat(60));
        let mut shell = Command::new("/bin/sh");
        let mut shell = shell.args(["-c", &words]).stdin(Stdio::piped()).spawn().unwrap();
        let line = command_line_by_ps(shell.id());
        assert_eq!(line.as_deref(), Some(&*format!("/bin/sh -c {}", words.trim_end())));
        if cfg!(target_os = "linux") {
            assert_eq!(command_line_by_proc(shell.id()).as_deref().map(str::trim_end), line.as_deref());
        }
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert_eq!(command_line_by_ps(shell.id()), None);
    }
}
