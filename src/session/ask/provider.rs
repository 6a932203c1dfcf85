//! A sign-in at an OpenID provider, whose tokens are exchanged for a session.

use std::thread;

use super::way::Choice;
use super::{
    choose, dead_file, give_folder_to, has_keyboard, reach, read_oci_config_again, remember, remember_as,
    without_browser,
};
use crate::command;
use crate::config::{MOST_PROGRAM_RUNS, ProviderNeeds, SignInWith};
use crate::error::{Error, Result};
use crate::files::lock::LONGEST_LIMIT;
use crate::log;
use crate::oauth::Tokens;
use crate::oauth::device::LONGEST_LIFE;
use crate::oci::{Identity, Upst, exchange};
use crate::secret::Secret;
use crate::session::establish::{Binding, Made, establish};
use crate::session::stored::Snapshot;
use crate::session::{Engine, Session, Source, discover, renew};
use crate::signin::{self, Redirect, RedirectPort, Reply, Step, Way, device, loopback};
use crate::store::record::HowFailed;
use crate::store::{Locked, refresh_token};

/// Whoever waits for the profile's lock waits as long as a device code may live.
const _: () = assert!(
    LONGEST_LIMIT.as_secs()
        >= LONGEST_LIFE
            + (renew::PURPOSE.limit.as_secs() + MOST_PROGRAM_RUNS as u64 * command::LIMIT.as_secs())
);

pub fn sign_in<'a>(
    engine: &mut Engine<'a>,
    locked: &Locked,
    mut stored: Snapshot<'a>,
    needs: &ProviderNeeds,
    why: &str,
    reply: &mut Reply,
) -> Result<Session> {
    let settings = engine.settings;
    let origin = Some(needs.origin.clone());
    let device_url = device_url(engine, locked, needs)?;
    let choice = choose(engine, device_url.is_some(), why)?;
    let path = engine.dir.refresh_token_file();
    let dead_file = dead_file(engine, &stored.contents.record, origin.as_ref())?;
    // Asks for the passphrase, and checks that the next refresh token can be stored, before the browser
    // opens. The disk space is not kept reserved during the sign-in, since the person may give up.
    drop(refresh_token::prepare(&path, &mut engine.at_rest)?);

    let way = way(engine, device_url, choice);
    let renewal = renew::purpose(settings);
    locked.state(way.purpose());
    log::info(format_args!("Signing in for profile {}: {why}", settings.profile));
    let mut stored_key = stored.contents.key.take();
    let mut successor = None;
    let (binding, tokens) = thread::scope(|scope| {
        // The key is generated in a thread while the person signs in.
        let binding = thread::Builder::new().spawn_scoped(scope, || Binding::of(stored_key.take())).ok();
        let tokens =
            signin::ask(engine.host, &way, &needs.provider, &mut engine.client, reply, |client, step| {
                match step {
                    Step::Redeems => {
                        locked.state(renewal);
                        client.begin(renew::LIMIT);
                    }
                    Step::RedeemsWithin(limit) => locked.state(signin::sign_in_within(limit + renewal.limit)),
                }
                if successor.is_none() {
                    successor = Some(refresh_token::prepare(&path, &mut engine.at_rest)?);
                }
                Ok(())
            });
        (binding.map(|thread| thread.join().expect("making a key does not panic")), tokens)
    });
    let tokens = tokens
        .inspect_err(|e| remember(locked, &stored.contents.record, e, dead_file.clone()))
        .map_err(|e| without_browser(engine, why, e))?;

    // Where the system gives no thread, the key is made now.
    let binding = binding.unwrap_or_else(|| Binding::of(stored_key.take()));
    // Whose tokens they are is known only after the exchange, and nothing of another person is stored.
    let checked = match engine.expected() == Identity::default() {
        true => None,
        false => Some(exchanged(engine, needs, &tokens.access_token, &binding).inspect_err(|_| {
            remember_as(HowFailed::Unsuccessful, locked, &stored.contents.record, dead_file);
        })?),
    };
    // If the response holds neither a usable access token nor a refresh token, the old session is kept.
    let access_token = match tokens {
        Tokens { access_token: Err(e), refresh_token: None } => return Err(e),
        Tokens { access_token, refresh_token: Some(token) } => {
            let successor = successor.expect("it was prepared before the answer was redeemed");
            engine.client.uncounted(|| successor.store(&token))?;
            access_token
        }
        Tokens { access_token, refresh_token: None } => {
            // The stored token may be another person's.
            engine.client.uncounted(|| refresh_token::remove(&path, &engine.at_rest))?;
            log::warning(format_args!(
                "The provider gave no refresh token: this session ends when its token does; ask for \
                 offline_access in the scope, see that the client may have it, and add prompt=consent to \
                 authz_base_url (https://…?prompt=consent) where the provider wants to ask for consent"
            ));
            access_token
        }
    };
    give_folder_to(origin.as_ref(), locked, &mut stored)?;

    read_oci_config_again(engine, &mut stored)?;
    let upst = match checked {
        Some(upst) => upst,
        None => exchanged(engine, needs, &access_token, &binding)?,
    };
    let made = Made { upst, binding: binding?, origin, console: None, source: Source::Authenticated };
    establish(engine, locked, made, stored)
}

/// The UPST for an access token, checked.
fn exchanged(
    engine: &Engine<'_>,
    needs: &ProviderNeeds,
    access_token: &Result<Secret>,
    binding: &Result<Binding>,
) -> Result<Upst> {
    let access_token = access_token.as_ref().map_err(Error::clone)?;
    let binding = binding.as_ref().map_err(Error::clone)?;
    let token = exchange::upst(&engine.client, &needs.domain, access_token, &binding.spki_der())?;
    binding.check(engine, &token, true)
}

fn redirect(engine: &Engine<'_>) -> Redirect {
    let configured = &engine.settings.redirect;
    let port = |number: &u16| RedirectPort { number: *number, lock: engine.dir.port_lock_file(*number) };
    Redirect {
        is_localhost: configured.is_localhost,
        path: configured.path.clone(),
        ports: configured.ports.iter().map(port).collect(),
    }
}

/// The provider's device authorization endpoint. Where the other endpoints are configured, the provider's document is
/// read for this one alone, and only if a device code may be the way.
fn device_url(engine: &Engine<'_>, locked: &Locked, needs: &ProviderNeeds) -> Result<Option<String>> {
    let known = needs.provider.device_url.clone();
    let Some(issuer) = needs.unread.as_ref().filter(|_| known.is_none()) else { return Ok(known) };
    let document = || discover::document(engine, locked, issuer);
    match engine.settings.sign_in_with {
        SignInWith::Device => Ok(document()?.device_authorization_endpoint),
        SignInWith::Auto if !signin::can_open_browser(&engine.host.env) => {
            Ok(document().ok().and_then(|document| document.device_authorization_endpoint))
        }
        _ => Ok(None),
    }
}

fn way(engine: &Engine<'_>, device_url: Option<String>, choice: Choice) -> Way {
    match (choice, device_url) {
        (Choice::Device, Some(url)) => Way::Device(device::Plan { url, may_paste: has_keyboard(engine) }),
        _ => Way::Loopback(loopback::Plan {
            redirect: redirect(engine),
            session_folder: engine.dir.path.clone(),
            reach: reach(engine, choice != Choice::Paste),
        }),
    }
}
