//! File locks of the operating system, which the kernel frees when their holder dies: waited for with
//! a limit, and saying for whom.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super as files;
use crate::error::{Error, Result};
use crate::log;

/// What a holder does; it decides how long others wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    Refresh,
    SignIn,
}

impl Doing {
    /// A refresh ends within 50 s and a sign-in within 5 minutes and a code's redemption; some slack
    /// is left for the slow disk behind either.
    fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::Refresh => 60,
            Self::SignIn => 420,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::SignIn => "sign-in",
        }
    }
}

/// Below what a person notices, above what 128 waiters would feel.
const POLL: Duration = Duration::from_millis(20);
const SILENT: Duration = Duration::from_secs(1);

/// Held until dropped. The file itself is never replaced or deleted: a lock is on an inode.
pub struct Lock {
    file: File,
}

impl Lock {
    /// # Errors
    /// [`Error::Locked`] after the limit of what the holder does, naming it.
    pub fn acquire(path: &Path, doing: Doing) -> Result<Self> {
        let file = files::open_kept(path)?;
        let started = Instant::now();
        let mut said = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(e)) => return Err(files::file_error("lock", path, &e)),
            }
            let (holder, limit) = holder(path);
            if started.elapsed() >= limit {
                return Err(Error::Locked { path: path.to_owned(), holder, seconds: limit.as_secs() });
            }
            if !said && started.elapsed() >= SILENT {
                said = true;
                log::info(format_args!("Waiting for {holder}"));
            }
            thread::sleep(POLL);
        }
        let lock = Self { file };
        lock.says(doing);
        Ok(lock)
    }

    /// Tells those who wait what its holder does now.
    pub fn says(&self, doing: Doing) {
        // A hint: with a full disk the lock still holds.
        let _ = self.file.set_len(0);
        let _ = (&self.file).write_all(format!("{} {}\n", std::process::id(), doing.word()).as_bytes());
    }
}

/// Who holds the lock, in words, and for how long that is worth waiting.
fn holder(path: &Path) -> (String, Duration) {
    let text = files::read(path).ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut words = text.split_whitespace();
    let pid = words.next().filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()));
    let doing = match words.next() {
        Some("sign-in") => Doing::SignIn,
        _ => Doing::Refresh,
    };
    let who = pid.map_or("another process".into(), |pid| format!("process {pid}"));
    (format!("{who} ({})", doing.word()), doing.limit())
}
