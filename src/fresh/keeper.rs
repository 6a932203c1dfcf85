//! The loop that keeps a session fresh, in a thread beside a program and in the daemon. It uses the wall
//! clock, and reads all files again at every wake-up, since other processes refresh the session too.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::schedule::Pace;
use crate::config::Config;
use crate::error::{Error, Result, Said};
use crate::host::{self, Host};
use crate::log;
use crate::options::Flags;
use crate::secret::Secret;
use crate::session::{Engine, Want};
use crate::time::UnixTime;

/// The longest wait. A wait does not progress while the machine is suspended; after a resume, the session
/// is to be fresh within a minute.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long to leave a refresh to another process that holds the session's lock. The keeper polls instead
/// of waiting for the lock, since it has to end at once if it is stopped.
const OTHER_PROCESS_LIMIT_SECONDS: i64 = 60;
const OTHER_PROCESS_POLL_SECONDS: i64 = 1;

/// Refreshes one profile's session before it expires.
pub struct Keeper<'a> {
    host: &'a Host,
    flags: &'a Flags,
    /// The passphrase that was obtained when the keeper was started.
    passphrase: Option<Secret>,
    pub report: Report,
    pace: Pace,
    /// The time since which another process has been renewing the session.
    elsewhere_since: Option<UnixTime>,
}

/// The state of a keeper, as the daemon publishes it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub next_refresh: Option<UnixTime>,
    pub last_refresh: Option<UnixTime>,
    pub last_error: Option<String>,
}

impl<'a> Keeper<'a> {
    pub fn new(host: &'a Host, flags: &'a Flags, passphrase: Option<Secret>) -> Self {
        Self {
            host,
            flags,
            passphrase,
            report: Report::default(),
            pace: Pace::default(),
            elsewhere_since: None,
        }
    }

    /// Keeps the session fresh until `stop` receives a message or is closed. Calls `check` before every look at
    /// the session and `publish` after it, and ends if one of them fails.
    ///
    /// # Errors
    /// Those after which only a person can help ([`Error::needs_person`]), and those of `check` and `publish`.
    pub fn keep(
        &mut self,
        stop: &Receiver<()>,
        mut check: impl FnMut() -> Result<()>,
        mut publish: impl FnMut(&Report) -> Result<()>,
    ) -> Result<()> {
        loop {
            check()?;
            let next = self.wake_up()?;
            self.report.next_refresh = Some(next);
            publish(&self.report)?;
            let seconds = u64::try_from(next.since(host::now())).unwrap_or(0);
            match stop.recv_timeout(LONGEST_WAIT.min(Duration::from_secs(seconds))) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    /// An error in words; the command that it suggests has the options of this run.
    pub fn say(&self, e: &Error) -> Said {
        e.say_to(&self.flags.given())
    }

    /// Refreshes the session if it is due, and returns the time of the next wake-up.
    fn wake_up(&mut self) -> Result<UnixTime> {
        let e = match self.refresh_if_due() {
            Ok(next) => return Ok(next),
            // Another try would spend a refresh token to end in the same way.
            Err(e) if e.needs_person().is_some() => return Err(e),
            Err(e) => e,
        };
        let now = host::now();
        // An error before the next try is due (for example an unreadable file) is not reported again.
        if let Some(retry) = self.pace.retry(now) {
            return Ok(retry);
        }
        // Without random bytes, the next try is at the same time as others'.
        let [jitter] = host::random().unwrap_or_default();
        let next = self.pace.failed(now, jitter);
        let said = self.say(&e);
        log::warning(format_args!("{said}; the next try is at {next}"));
        self.report.last_error = Some(said.to_string());
        Ok(next)
    }

    fn refresh_if_due(&mut self) -> Result<UnixTime> {
        let settings = Config::find(self.host, self.flags)?.profile(self.host, self.flags)?;
        let mut engine =
            Engine::new(self.host, &settings, Want::NEWER_WITHOUT_PERSON, self.passphrase.clone());
        let now = host::now();
        let next = self.pace.next_try(engine.renews_from()?, now);
        if self.pace.has_recovered() {
            self.report.last_error = None;
        }
        if let Some(next) = next {
            self.elsewhere_since = None;
            return Ok(next);
        }
        let since = *self.elsewhere_since.get_or_insert(now);
        if now.since(since) < OTHER_PROCESS_LIMIT_SECONDS && engine.is_renewed_elsewhere()? {
            return Ok(now.plus(OTHER_PROCESS_POLL_SECONDS));
        }
        self.elsewhere_since = None;
        self.pace.started(now);
        engine.ensure()?;
        self.pace.succeeded();
        self.report.last_refresh = Some(host::now());
        self.report.last_error = None;
        Ok(self.pace.next_try(engine.renews_from()?, now).unwrap_or(now))
    }
}
