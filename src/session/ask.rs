//! The last step: a person signs in. Decides whether a person may be asked, records a sign-in that
//! failed, and performs the sign-in.

use std::io::{self, IsTerminal as _};
use std::thread;

use super::establish::{Binding, establish};
use super::stored::Snapshot;
use super::{Engine, Freshness, Person, Session, Source, renew};
use crate::config::{ProviderNeeds, Settings, SignIn};
use crate::error::{Error, Result};
use crate::host;
use crate::log;
use crate::oauth::Tokens;
use crate::signin::{self, Reply, Way, loopback, page};
use crate::store::record::{FailedSignIn, HowFailed};
use crate::store::{Locked, Record, refresh_token};

/// After a sign-in that was denied or not answered, a run without a terminal opens no browser for this
/// long.
const REMEMBERED_SECONDS: i64 = 600;

/// Sends a person to the provider, makes a session of the answer and tells the person how that ended, in
/// the browser too. `why` says why a sign-in is needed.
pub fn sign_in<'a>(
    engine: &mut Engine<'a>,
    locked: &Locked,
    stored: Snapshot<'a>,
    needs: &ProviderNeeds,
    why: &str,
) -> Result<Session> {
    let mut reply = Reply::default();
    let session = session_of_a_person(engine, locked, stored, needs, why, &mut reply);
    let Settings { profile, given, .. } = engine.settings;
    reply.end(match &session {
        Ok(session) => page::signed_in(profile.as_str(), session.upst.sub(), &session.upst.exp().to_string()),
        Err(e) => page::failed(&e.say_to(given)),
    });
    session
}

fn session_of_a_person<'a>(
    engine: &mut Engine<'a>,
    locked: &Locked,
    mut stored: Snapshot<'a>,
    needs: &ProviderNeeds,
    why: &str,
    reply: &mut Reply,
) -> Result<Session> {
    let is_explicit = engine.want.freshness == Freshness::SignedIn;
    let settings = engine.settings;
    let origin = settings.origin();
    let is_of_other_provider = stored.contents.record.provider_change(&origin).is_some();
    let is_of_other_exchange = stored.contents.record.exchange_change(&origin).is_some();
    if !is_explicit {
        may_ask(engine, &stored.contents.record, why)?;
    }
    let path = engine.dir.refresh_token_file();
    // In an explicit sign-in, and with another provider, the token in the file may still be good.
    let dead_file =
        if is_explicit || is_of_other_provider { None } else { Some(refresh_token::file_hash(&path)?) };
    // Asks for the passphrase, and checks that the next refresh token can be stored, before the browser
    // opens. The disk space is not kept reserved during the sign-in, since the person may give up.
    drop(refresh_token::prepare(&path, &mut engine.passphrase)?);

    let way = Way::Loopback(loopback::Plan {
        port: settings.redirect_port,
        session_folder: engine.dir.path.clone(),
        port_lock: engine.dir.port_lock_file(settings.redirect_port),
        passphrase_variable: settings.passphrase.variable.clone(),
        wait_without_browser: is_explicit || has_terminal(),
    });
    locked.state(way.purpose());
    log::info(format_args!("Signing in for profile {}: {why}", settings.profile));
    let mut stored_key = stored.contents.key.take();
    let mut successor = None;
    let (binding, tokens) = thread::scope(|scope| {
        // The key is generated in a thread while the person signs in.
        let binding = thread::Builder::new().spawn_scoped(scope, || Binding::of(stored_key.take())).ok();
        let tokens = signin::ask(engine.host, &way, &needs.provider, &mut engine.client, reply, |client| {
            locked.state(renew::PURPOSE);
            client.begin(renew::LIMIT);
            successor = Some(refresh_token::prepare(&path, &mut engine.passphrase)?);
            Ok(())
        });
        (binding.map(|thread| thread.join().expect("making a key does not panic")), tokens)
    });
    let tokens = tokens.inspect_err(|e| remember(locked, &stored.contents.record, e, dead_file)).map_err(
        |e| match e {
            Error::NoBrowser => Error::NobodyToAsk {
                profile: settings.profile.to_string(),
                why: format!("{why}, no browser opens here, and there is no terminal"),
            },
            other => other,
        },
    )?;

    // Where the system gives no thread, the key is made now.
    let binding = binding.unwrap_or_else(|| Binding::of(stored_key.take()));
    // If the response holds neither a usable access token nor a refresh token, the old session is kept.
    let access_token = match tokens {
        Tokens { access_token: Err(e), refresh_token: None } => return Err(e),
        Tokens { access_token, refresh_token: Some(token) } => {
            successor.expect("it was prepared before the answer was redeemed").store(&token)?;
            access_token
        }
        Tokens { access_token, refresh_token: None } => {
            // The stored token may be another person's.
            locked.remove_refresh_token()?;
            log::warning(format_args!(
                "The provider gave no refresh token: this session ends when its token does; ask for \
                 offline_access in the scope, see that the client may have it, and add prompt=consent to \
                 authz_base_url (https://…?prompt=consent) where the provider wants to ask for consent"
            ));
            access_token
        }
    };
    // From here on the folder belongs to the configured origin, even if the exchange fails.
    if is_of_other_provider || is_of_other_exchange {
        locked.remove_token()?;
    }
    stored.contents.record = Record {
        origin: Some(origin),
        identity: stored.contents.identity(),
        identity_may_change: true,
        ..Record::default()
    };
    locked.store_record(&stored.contents.record)?;

    // Minutes may have passed since the OCI config was read.
    stored.oci_config = engine.oci_config()?;
    stored.section = stored.oci_config.section(&settings.profile)?;
    establish(engine, locked, &needs.domain, &access_token?, binding?, stored, Source::Authenticated)
}

/// Refuses if a browser must not be opened, or if an earlier sign-in failed a short time ago: a kubectl in
/// the background would otherwise open one tab after another.
fn may_ask(engine: &Engine<'_>, record: &Record, why: &str) -> Result<()> {
    let profile = engine.settings.profile.to_string();
    if engine.want.person == Person::Nobody {
        return Err(Error::NobodyToAsk { profile, why: why.to_owned() });
    }
    if engine.settings.sign_in == SignIn::Never {
        let why = format!("{why}, and opening a browser is forbidden (--sign-in never)");
        return Err(Error::NobodyToAsk { profile, why });
    }
    match &record.failed_sign_in {
        Some(failed) if is_remembered(failed) => Err(failed_recently(profile, failed)),
        _ => Ok(()),
    }
}

/// Refuses for a remembered sign-in as [`may_ask`] does, but before the lock is taken and the passphrase is
/// asked for, so that many processes in the background do not queue for the lock.
pub fn refuse_at_once(engine: &Engine<'_>, record: &Record) -> Result<()> {
    let Some(failed) = &record.failed_sign_in else { return Ok(()) };
    if engine.want.person != Person::Nobody
        && is_remembered(failed)
        && record.provider_change(&engine.settings.origin()).is_none()
        && let Some(dead_file) = &failed.dead_file
        && *dead_file == refresh_token::file_hash(&engine.dir.refresh_token_file())?
    {
        return Err(failed_recently(engine.settings.profile.to_string(), failed));
    }
    Ok(())
}

/// Whether a person sees what is printed and can act on it.
fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stderr().is_terminal()
}

fn is_remembered(failed: &FailedSignIn) -> bool {
    !has_terminal() && (0..REMEMBERED_SECONDS).contains(&host::now().since(failed.at))
}

fn failed_recently(profile: String, FailedSignIn { how, at, .. }: &FailedSignIn) -> Error {
    let why = format!(
        "the sign-in at {at} was {}; for {} minutes after it, runs without a terminal open no browser",
        how.word(),
        REMEMBERED_SECONDS / 60
    );
    Error::NobodyToAsk { profile, why }
}

/// Records a sign-in that a person denied or did not finish.
fn remember(locked: &Locked, record: &Record, e: &Error, dead_file: Option<String>) {
    let how = match e {
        Error::Unanswered { .. } => HowFailed::Unanswered,
        Error::Denied { .. } => HowFailed::Denied,
        _ => return,
    };
    let failed_sign_in = Some(FailedSignIn { how, at: host::now(), dead_file });
    if let Err(e) = locked.store_record(&Record { failed_sign_in, ..record.clone() }) {
        log::warning(format_args!("{e}"));
    }
}
