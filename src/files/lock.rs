//! Exclusive file locks (flock). The kernel releases a lock if its holder dies. A wait for a lock has a time
//! limit, and its messages name the holder.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::files;
use crate::host;
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

/// How often a file that somebody removes is opened anew. Some file systems give an open file another number than its
/// path has, always.
const MOST_REOPENED: u32 = 100;

/// A lock, held until dropped. The file itself is never replaced or deleted, since the lock is on its inode; only that
/// of a session folder in which nothing is stored goes with the folder.
pub struct Lock {
    file: File,
    /// The folder of a file that somebody may remove: it is locked too.
    folder: Option<File>,
    /// How the process has failed that held the lock while this one waited for it.
    failure: Option<Failure>,
}

/// A failure that those who wait for the lock share with its holder: each would fail in the same way.
struct Failure {
    /// Unix time in milliseconds.
    at: u128,
    code: u8,
    said: String,
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
        let open = || files::open_lock(path).map_err(|e| files::file_error("open", path, &e));
        let mut file = open()?;
        let (started, start) = (Instant::now(), now());
        let (mut said, mut reopened) = (false, 0);
        loop {
            if files::try_lock(|| file.try_lock()).map_err(|e| files::file_error("lock", path, &e))? {
                if files::is_file_at(&file, path) || reopened == MOST_REOPENED {
                    break;
                }
                // The file was removed while this process waited, so that the lock means nothing to the next one.
                (file, reopened) = (open()?, reopened + 1);
                continue;
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
        let failure = failure(path).filter(|failure| failure.at >= start);
        let lock = Self { file, folder: None, failure };
        lock.state(purpose);
        Ok(lock)
    }

    /// Locks the folder of the file too, for at most `most`: if a person removes the file, its holder still has the
    /// folder. Where a file system has no lock for folders, the file alone has to do.
    ///
    /// # Errors
    /// [`Error::Locked`] after the limit.
    pub fn with_folder(mut self, folder: &Path, most: Duration) -> Result<Self> {
        let Ok(open) = files::open_folder(folder) else { return Ok(self) };
        let (started, mut said) = (Instant::now(), false);
        let limit = most.min(DEFAULT_LIMIT);
        while let Ok(false) = files::try_lock(|| open.try_lock()) {
            if started.elapsed() >= limit {
                let holder = "another process, whose lock file was removed,".into();
                return Err(Error::Locked { path: folder.to_owned(), holder, seconds: limit.as_secs() });
            }
            if !said && started.elapsed() >= SILENT {
                said = true;
                log::info(format_args!("Waiting for another process, whose lock file was removed"));
            }
            thread::sleep(POLL);
        }
        self.folder = Some(open);
        Ok(self)
    }

    /// The failure of the process that this one has waited for.
    pub fn failure(&self) -> Option<Error> {
        self.failure
            .as_ref()
            .map(|Failure { code, said, .. }| Error::FailedElsewhere { code: *code, said: said.clone() })
    }

    /// Tells those who wait that the holder has failed, and would fail again.
    pub fn fail(&mut self, code: u8, said: String, purpose: Purpose) {
        self.failure = Some(Failure { at: now(), code, said });
        self.state(purpose);
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
        let mut line = format!("{} {word} {}\n", std::process::id(), limit.as_secs());
        if let Some(Failure { at, code, said }) = &self.failure {
            line.push_str(&format!("{FAILED} {at} {code} {said}\n"));
        }
        let _ = self.file.set_len(0);
        let _ = (&self.file).write_all(line.as_bytes());
    }
}

/// How the second line of a lock file begins, if its holder has failed.
const FAILED: &str = "failed";

/// The failure that the last holder has left in the file.
fn failure(path: &Path) -> Option<Failure> {
    let text = String::from_utf8(files::read(path).ok()??).ok()?;
    let mut words = text.lines().nth(1)?.splitn(4, ' ');
    if words.next()? != FAILED {
        return None;
    }
    Some(Failure {
        at: words.next()?.parse().ok()?,
        code: words.next()?.parse().ok()?,
        said: words.next()?.to_owned(),
    })
}

/// Unix time in milliseconds, the one clock that processes share. If it is set back, a failure is shared with too few.
fn now() -> u128 {
    host::clock().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
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
