//! Exclusive file locks (flock). The kernel releases a lock if its holder dies. A wait for a lock has a time
//! limit, and its messages name the holder.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::files;
use crate::log;

/// What the holder of a lock does with it, and for how long others wait for it at most.
#[derive(Clone, Copy)]
pub struct Purpose {
    /// One word, for those who wait.
    pub word: &'static str,
    pub limit: Duration,
}

/// Polling interval: too short for a person to notice, long enough that 128 waiters cost little.
const POLL: Duration = Duration::from_millis(20);
/// A wait that is over by then is not worth a message.
const SILENT: Duration = Duration::from_secs(1);
/// Whatever the file says, nobody waits longer. More than any holder states.
pub const LONGEST_LIMIT: Duration = Duration::from_secs(30 * 60);
/// For a holder that has not written its limit yet.
const DEFAULT_LIMIT: Duration = Duration::from_secs(60);

/// A lock, held until dropped. The file itself is never replaced or deleted, since the lock is on its inode; only that
/// of a session folder in which nothing is stored goes with the folder.
pub struct Lock {
    file: File,
}

impl Lock {
    /// Waits for the lock and takes it.
    ///
    /// # Errors
    /// [`Error::Locked`], naming the holder, after the limit of the holder's purpose.
    pub fn acquire(path: &Path, purpose: Purpose) -> Result<Self> {
        Self::acquire_within(path, purpose, LONGEST_LIMIT, None)
    }

    /// The same for a process that waits no longer than `most`, and not at all for a holder whose purpose is `not_for`.
    pub fn acquire_within(
        path: &Path,
        purpose: Purpose,
        most: Duration,
        not_for: Option<Purpose>,
    ) -> Result<Self> {
        let file = files::open_lock(path).map_err(|e| files::file_error("open", path, &e))?;
        let started = Instant::now();
        let mut said = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(e)) => return Err(files::file_error("lock", path, &e)),
            }
            let (holder, word, limit) = holder(path);
            let is_excepted = not_for.is_some_and(|purpose| purpose.word == word);
            let limit = if is_excepted { Duration::ZERO } else { limit.min(most) };
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
        lock.state(purpose);
        Ok(lock)
    }

    /// Whether the file of this lock is still the one at `path`: its holder may have removed it
    /// while this process waited.
    pub fn is_at(&self, path: &Path) -> bool {
        files::is_file_at(&self.file, path)
    }

    /// Writes into the file what the holder does now, for those who wait.
    pub fn state(&self, purpose: Purpose) {
        // A failure is ignored, for example a full disk: the line is only a hint for the waiting processes.
        let Purpose { word, limit } = purpose;
        let line = format!("{} {word} {}\n", std::process::id(), limit.as_secs());
        let _ = self.file.set_len(0);
        let _ = (&self.file).write_all(line.as_bytes());
    }
}

/// Who holds the lock, in words; the word of the holder's purpose; and for how long to wait for them.
fn holder(path: &Path) -> (String, String, Duration) {
    let text = files::read(path).ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut words = text.split_whitespace();
    let pid = words.next().filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()));
    let purpose =
        words.next().filter(|word| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    let limit = words.next().and_then(|limit| limit.parse().ok()).map_or(DEFAULT_LIMIT, Duration::from_secs);
    let who = pid.map_or("another process".into(), |pid| format!("process {pid}"));
    let word = purpose.unwrap_or("busy").to_owned();
    (format!("{who} ({word})"), word, limit.min(LONGEST_LIMIT))
}
