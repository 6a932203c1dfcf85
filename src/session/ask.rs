//! The last step, a person: whether one may be asked, and the sign-in with the key made beside it.

use std::io::{self, IsTerminal as _};
use std::thread;

use super::establish::{Binding, establish};
use super::{Engine, Person, Session, Source, Wanted, renew};
use crate::config::{Renewal, SignIn};
use crate::error::{Error, Result};
use crate::files::lock::Doing;
use crate::host;
use crate::log;
use crate::oauth::Tokens;
use crate::oauth::http::Client;
use crate::oci::PrivateKey;
use crate::signin::{self, Plan};
use crate::store::record::{FailedSignIn, Outcome};
use crate::store::{Found, Locked, Record, refresh_token};

/// For so long a run that nobody watches does not open another browser after one went unanswered.
const REMEMBERED_SECONDS: i64 = 600;

pub fn sign_in(
    engine: &mut Engine<'_>,
    locked: &Locked,
    found: Found,
    renewal: &Renewal,
    why: &str,
) -> Result<Session> {
    let is_asked_for = engine.want.upst == Wanted::SignedIn;
    if !is_asked_for {
        may_ask(engine, &found.record, why)?;
    }
    let settings = engine.settings;
    // Asked for, or of another origin: the token in the file may still be good.
    let is_dead = !is_asked_for && found.record.differs_from(&settings.origin()).is_none();
    let dead_file =
        if is_dead { Some(refresh_token::file_hash(&engine.dir.refresh_token_file())?) } else { None };
    // The passphrase, and whether there is a place for what comes, before anybody is sent anywhere. The
    // place itself is taken when the answer is in: a person may well give up before.
    let path = engine.dir.refresh_token_file();
    drop(refresh_token::prepare(&path, &mut engine.passphrase)?);
    locked.lock.says(Doing::SignIn);
    let _port = engine.dir.lock_port(settings.redirect_port)?;
    log::info(format_args!("Signing in for profile {}: {why}", settings.profile));

    let plan = Plan { port: settings.redirect_port, wait_without_browser: is_asked_for || has_terminal() };
    let is_stored = found.key.is_some();
    let (key, grant) = thread::scope(|scope| {
        // Ready before a person could have typed a password.
        let key = scope.spawn(|| found.key.map_or_else(PrivateKey::generate, Ok));
        let grant = signin::ask(engine.host, &renewal.provider, &plan);
        (key.join().expect("making a key does not panic"), grant)
    });
    let grant =
        grant.inspect_err(|e| remember(locked, &found.record, e, dead_file)).map_err(|e| match e {
            Error::NoBrowser => Error::NobodyToAsk {
                profile: settings.profile.to_string(),
                why: format!("{why}, no browser opens here, and there is no terminal"),
            },
            other => other,
        })?;
    locked.lock.says(Doing::Refresh);

    let client = Client::new(engine.host, renew::LIMIT);
    let successor = refresh_token::prepare(&path, &mut engine.passphrase)?;
    let tokens = grant.redeem(&client, &renewal.provider)?;

    // An answer that is of no use at all leaves the old session whole.
    let access_token = match tokens {
        Tokens { access_token: Err(e), refresh_token: None } => return Err(e),
        Tokens { access_token, refresh_token: Some(token) } => {
            successor.store(&token)?;
            access_token
        }
        Tokens { access_token, refresh_token: None } => {
            // An older one may be another person's.
            locked.remove_refresh_token()?;
            log::warning(format_args!(
                "The provider gave no refresh token: this session ends when its token does; ask for \
                 offline_access in the scope, and see that the client may have it"
            ));
            access_token
        }
    };
    // From here on the folder is of the new origin, also where the exchange fails.
    let origin = engine.settings.origin();
    if found.record.differs_from(&origin).is_some() {
        locked.remove_token()?;
    }
    locked.store_record(&Record { origin: Some(origin), ..Record::default() })?;

    let key = key?;
    let binding = Binding { key: &key, key_file: &found.key_file, is_stored };
    establish(engine, locked, &renewal.domain, &client, &access_token?, &binding, Source::Authenticated)
}

/// No browser where it is forbidden, and no storm of tabs from a background kubectl.
fn may_ask(engine: &Engine<'_>, record: &Record, why: &str) -> Result<()> {
    let profile = engine.settings.profile.to_string();
    if engine.want.person == Person::Absent {
        return Err(Error::NobodyToAsk { profile, why: why.to_owned() });
    }
    if engine.settings.sign_in == SignIn::Never {
        let why = format!("{why}, and opening a browser is forbidden (--sign-in never)");
        return Err(Error::NobodyToAsk { profile, why });
    }
    match &record.failed_sign_in {
        Some(failed) if is_remembered(failed) => Err(not_again(profile, failed)),
        _ => Ok(()),
    }
}

/// Without the lock and without a passphrase: a crowd in the background does not queue up, each to
/// be told the same.
pub fn refuse_at_once(engine: &Engine<'_>, record: &Record) -> Result<()> {
    let Some(failed) = &record.failed_sign_in else { return Ok(()) };
    if engine.want.person != Person::Absent
        && is_remembered(failed)
        && record.differs_from(&engine.settings.origin()).is_none()
        && let Some(dead_file) = &failed.dead_file
        && *dead_file == refresh_token::file_hash(&engine.dir.refresh_token_file())?
    {
        return Err(not_again(engine.settings.profile.to_string(), failed));
    }
    Ok(())
}

/// Whether somebody sees what is printed and may act on it.
fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stderr().is_terminal()
}

fn is_remembered(failed: &FailedSignIn) -> bool {
    !has_terminal() && (0..REMEMBERED_SECONDS).contains(&host::now().since(failed.at))
}

/// The same line for each of many.
fn not_again(profile: String, FailedSignIn { outcome, at, .. }: &FailedSignIn) -> Error {
    let why = format!(
        "the one of {at} was {}, and for {} minutes no run without a terminal opens another browser",
        outcome.word(),
        REMEMBERED_SECONDS / 60
    );
    Error::NobodyToAsk { profile, why }
}

/// Writes down a sign-in that a person did not finish.
fn remember(locked: &Locked, record: &Record, e: &Error, dead_file: Option<String>) {
    let outcome = match e {
        Error::Unanswered { .. } => Outcome::Unanswered,
        Error::Denied { .. } => Outcome::Denied,
        _ => return,
    };
    let failed_sign_in = Some(FailedSignIn { outcome, at: host::now(), dead_file });
    if let Err(e) = locked.store_record(&Record { failed_sign_in, ..record.clone() }) {
        log::warning(format_args!("{e}"));
    }
}
