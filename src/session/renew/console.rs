//! A console session is renewed by a call that its own key signs, while its token is valid. The old token stays valid
//! when it is renewed, so that nothing is spent: a renewal that fails is tried again later.

use std::time::Duration;

use super::Outcome;
use crate::config::{NO_REGION, Origin};
use crate::error::{Error, Result};
use crate::host;
use crate::log;
use crate::oauth::http::Retry;
use crate::oci::auth_service::{self, REFRESH_PATH};
use crate::oci::{PrivateKey, Upst, region};
use crate::secret::Secret;
use crate::session::establish::{Binding, Made, establish};
use crate::session::stored::Snapshot;
use crate::session::{Engine, Source};
use crate::store::record::ConsoleRecord;
use crate::store::{Contents, Locked, Record, record};
use crate::time::UnixTime;

/// For the wait for the lock, and for the request with all its tries: the session is valid meanwhile, and whoever
/// asks for it should not wait.
pub const LIMIT: Duration = Duration::from_secs(10);

/// A session that ends earlier than this and was not renewed is worth a warning.
pub const ENDS_SOON_SECONDS: i64 = 5 * 60;

/// After a renewal that failed, no run tries again for this long.
const LEAST_PAUSE_SECONDS: i64 = 30;

/// Whether less than half of the token's life is left, and a renewal can be expected to succeed.
pub fn is_due(engine: &Engine<'_>, contents: &Contents, now: UnixTime) -> bool {
    let Some(upst) = &contents.upst else { return false };
    super::due_from(upst, None) <= now
        && engine.is_console(contents)
        && contents.key.as_ref().is_some_and(|key| can_be_renewed(upst, key, &contents.record, now))
}

/// Whether a renewal can be expected to succeed.
pub fn can_be_renewed(upst: &Upst, key: &PrivateKey, record: &Record, now: UnixTime) -> bool {
    let has_just_failed = |failed: UnixTime| (0..LEAST_PAUSE_SECONDS).contains(&now.since(failed));
    let console = record.console.as_ref();
    cannot_be_renewed(Some(upst), Some(key), record, now).is_none()
        && !console.and_then(|console| console.failed_renewal).is_some_and(has_just_failed)
}

/// Why a session that still serves is worth a warning: it ends so soon that work in progress may be interrupted, and
/// only a person can renew it.
pub fn ends_soon(engine: &Engine<'_>, contents: &Contents, now: UnixTime) -> Option<String> {
    let upst = contents.upst.as_ref()?;
    if upst.is_valid_for(now, ENDS_SOON_SECONDS) || !engine.is_console(contents) {
        return None;
    }
    let Contents { key, record, .. } = contents;
    let is_last = || {
        let is_last = upst.sess_exp().is_some_and(|end| end <= upst.exp());
        is_last.then(|| "the session ends then, however often its token is renewed".into())
    };
    // Nobody hears of it from the renewal itself.
    let failed_in_background = || {
        let failed = record.console.as_ref()?.failed_renewal.filter(|_| engine.settings.auto_refresh)?;
        Some(format!("its renewal at {failed} failed"))
    };
    cannot_be_renewed(Some(upst), key.as_ref(), record, now).or_else(is_last).or_else(failed_in_background)
}

/// Why only a person can help.
pub fn cannot_be_renewed(
    upst: Option<&Upst>,
    key: Option<&PrivateKey>,
    record: &Record,
    now: UnixTime,
) -> Option<String> {
    let Some(upst) = upst else { return Some("there is no session token".into()) };
    let is_bound = key.is_some_and(|key| upst.is_bound_to(key.public()));
    let over = record.console.as_ref().and_then(|console| console.over.as_ref());
    if !is_bound {
        Some("there is no key that the session token is bound to".into())
    } else if !upst.is_valid_for(now, 0) {
        Some("the session token has expired, and a console session can be renewed only before that".into())
    } else if upst.sess_exp().is_some_and(|end| end <= now) {
        Some("the session has reached its end, and a console session is not renewed beyond that".into())
    } else if over == Some(&record::hash(upst.token().expose())) {
        Some("Oracle no longer renews the session".into())
    } else {
        None
    }
}

pub fn renew<'a>(
    engine: &mut Engine<'a>,
    locked: &Locked,
    mut stored: Snapshot<'a>,
    retry: Retry,
) -> Result<Outcome<'a>> {
    let now = host::now();
    let Contents { upst, key, record, .. } = &stored.contents;
    if let Some(why) = cannot_be_renewed(upst.as_ref(), key.as_ref(), record, now) {
        return Ok(Outcome::NeedsPerson { stored: Box::new(stored), why });
    }
    // A `--region` for one command does not move the session to another region's service.
    let region = stored.section.region.as_deref().or(engine.settings.region.as_deref());
    let (Some(upst), Some(key)) = (&stored.contents.upst, &stored.contents.key) else {
        unreachable!("a session that can be renewed has a token and a key")
    };
    let record = stored.contents.record.clone();
    let key_fingerprint = Some(key.public().fingerprint());
    let known = record.console.clone().unwrap_or_default();
    // A session that oci has made since: the record says nothing of it, and its token is another service's.
    let is_of_oci = known.key.is_some() && known.key != key_fingerprint;
    let known = if is_of_oci { ConsoleRecord::default() } else { known };
    let services = services(engine, record.origin.as_ref().filter(|_| !is_of_oci), region)?;
    let since = known.since.or(upst.iat());
    let url = format!("{}{REFRESH_PATH}", services.auth_service_url);
    engine.client.begin(LIMIT);
    let key_file = &stored.contents.key_file;
    let old_exp = upst.exp();
    let token = match auth_service::refresh(&engine.client, &url, key, key_file, upst, retry) {
        Ok(token) => token,
        Err(e @ Error::SessionOver { .. }) => {
            let over = Some(record::hash(upst.token().expose()));
            stored.contents.record.console = Some(ConsoleRecord { over, ..known });
            locked.store_record(&stored.contents.record)?;
            return Ok(Outcome::NeedsPerson { stored: Box::new(stored), why: e.say().why });
        }
        Err(e) => return Err(remember(locked, record, now, e)),
    };
    let binding = Binding::of(stored.contents.key.take())?;
    let upst = match accepted(engine, &binding, &token, old_exp) {
        Ok(upst) => upst,
        Err(e) => return Err(remember(locked, record, now, e)),
    };
    // A token that is due for a renewal at once would be renewed by every run.
    let failed_renewal = (super::due_from(&upst, None) <= now).then_some(now);
    let made = Made {
        upst,
        binding,
        origin: Some(Origin::Console {
            console_url: Some(services.console_url),
            auth_service_url: Some(services.auth_service_url),
        }),
        console: Some(ConsoleRecord {
            since,
            key: key_fingerprint,
            login: known.login,
            failed_renewal,
            over: None,
        }),
        source: Source::Refreshed,
    };
    match establish(engine, locked, made, stored) {
        Ok(session) => Ok(Outcome::Renewed(Box::new(session))),
        Err(e) => Err(remember(locked, record, now, e)),
    }
}

/// The renewed token, if it is worth more than the stored one, which expires at `old_exp`.
fn accepted(engine: &Engine<'_>, binding: &Binding, token: &Secret, old_exp: UnixTime) -> Result<Upst> {
    let upst = binding.check(engine, token, false)?;
    if upst.exp() < old_exp {
        let why = format!("it expires at {}, before the one that it would replace", upst.exp());
        return Err(Error::Upst { why, exchanged: false });
    }
    Ok(upst)
}

/// Records that a renewal failed, so that not every run tries again.
fn remember(locked: &Locked, record: Record, now: UnixTime, e: Error) -> Error {
    let console = ConsoleRecord { failed_renewal: Some(now), ..record.console.clone().unwrap_or_default() };
    if let Err(e) = locked.store_record(&Record { console: Some(console), ..record }) {
        log::warning(format_args!("{e}"));
    }
    e
}

/// Scheme and host of Oracle's services for a session.
pub struct Services {
    pub console_url: String,
    pub auth_service_url: String,
}

/// The configured ones, else those that the stored session came from, else those of the region.
pub fn services(engine: &Engine<'_>, recorded: Option<&Origin>, region: Option<&str>) -> Result<Services> {
    let configured = &engine.settings.console;
    let (console_url, auth_service_url) = match recorded {
        Some(Origin::Console { console_url, auth_service_url }) => {
            (console_url.as_ref(), auth_service_url.as_ref())
        }
        _ => (None, None),
    };
    let console_url = configured.url.as_ref().or(console_url);
    let auth_service_url = configured.auth_service_url.as_ref().or(auth_service_url);
    if let (Some(console_url), Some(auth_service_url)) = (console_url, auth_service_url) {
        return Ok(Services { console_url: console_url.clone(), auth_service_url: auth_service_url.clone() });
    }
    let needs = engine.settings.console_needs(region)?;
    let place = region::place(engine.host, &needs.region).ok_or_else(|| Error::BadValue {
        name: format!("the region {}", needs.region),
        why: NO_REGION.into(),
    })?;
    Ok(Services {
        console_url: console_url.cloned().unwrap_or_else(|| place.login_url()),
        auth_service_url: auth_service_url.cloned().unwrap_or_else(|| place.auth_url()),
    })
}
