//! A sign-in at Oracle's own page, which answers with the session's token itself.

use super::way::Choice;
use super::{choose, dead_file, give_folder_to, reach, read_oci_config_again, remember, without_browser};
use crate::config::{ConsoleNeeds, Origin, SetBy, SignInWith};
use crate::error::{Error, Result};
use crate::host;
use crate::log;
use crate::session::establish::{Binding, Made, establish};
use crate::session::renew::console::services;
use crate::session::stored::Snapshot;
use crate::session::{Engine, Freshness, Session, Source, renew};
use crate::signin::{Reply, console};
use crate::store::Locked;
use crate::store::record::ConsoleRecord;

/// The port of the redirect URI that Oracle has registered for its sign-in.
const PORT: u16 = 8181;

pub fn sign_in<'a>(
    engine: &mut Engine<'a>,
    locked: &Locked,
    mut stored: Snapshot<'a>,
    needs: &ConsoleNeeds,
    why: &str,
    reply: &mut Reply,
) -> Result<Session> {
    let settings = engine.settings;
    let record = &stored.contents.record;
    // Oracle's sign-in answers to port 8181 alone, which is the default. Another one is Oracle's to refuse, but 0,
    // which stands for any free port, cannot be meant.
    let port = match settings.redirect.ports[0] {
        // What all profiles have in common is meant for those of a provider.
        0 if settings.set_by("redirect_port") == SetBy::Common => {
            log::debug(format_args!(
                "redirect_port = 0 in [COMMON] is not used: Oracle's own sign-in answers to {PORT} alone"
            ));
            PORT
        }
        0 => {
            return Err(unfit(
                "redirect_port",
                "Oracle's own sign-in answers to 8181 alone, and not to any port",
            ));
        }
        port => port,
    };
    let opens_browser = match settings.sign_in_with {
        // What to do by hand where none opens is said then.
        SignInWith::Auto | SignInWith::Browser => true,
        SignInWith::Paste => choose(engine, false, why)? == Choice::Browser,
        // What all profiles have in common is meant for those of a provider.
        SignInWith::Device if settings.set_by("sign_in_with") == SetBy::Common => {
            log::debug(format_args!(
                "sign_in_with = device in [COMMON] is not used: Oracle's own sign-in has no device codes"
            ));
            true
        }
        SignInWith::Device => {
            return Err(unfit(
                "sign_in_with",
                "Oracle's own sign-in has no device codes; its ways are browser and paste",
            ));
        }
    };
    let dead_file = dead_file(engine, record, settings.origin().as_ref())?;
    // A person who did not ask for a sign-in signs in where the last one was.
    let origin = record.origin.as_ref().filter(|_| engine.want.freshness != Freshness::SignedIn);
    let services = services(engine, origin, Some(&needs.region))?;
    let mut login = engine.want.login.clone();
    if let Some(known) = &record.console {
        login = login.or(&known.login);
    }
    // The URL holds the public key, so that the key is made before the browser opens.
    let binding = Binding::of(stored.contents.key.take())?;
    let plan = console::Plan {
        authorize_url: format!("{}/v1/oauth2/authorize", services.console_url),
        tenancy_name: login.tenancy_name.clone(),
        identity_provider_name: login.identity_provider_name.clone(),
        port,
        session_folder: engine.dir.path.clone(),
        port_lock: engine.dir.port_lock_file(port),
        reach: reach(engine, opens_browser),
    };
    locked.state(console::PURPOSE);
    log::info(format_args!("Signing in for profile {}: {why}", settings.profile));
    let upst = console::ask(engine.host, &plan, binding.public_key(), reply)
        .and_then(|token| binding.check(engine, &token, false))
        .inspect_err(|e| remember(locked, record, e, dead_file))
        .map_err(|e| without_browser(engine, why, e))?;

    locked.state(renew::PURPOSE);
    read_oci_config_again(engine, &mut stored)?;
    let origin = Some(Origin::Console {
        console_url: Some(services.console_url),
        auth_service_url: Some(services.auth_service_url),
    });
    give_folder_to(origin.as_ref(), locked, &mut stored)?;
    locked.remove_refresh_token()?;
    let key = Some(binding.public_key().fingerprint());
    let made = Made {
        upst,
        binding,
        origin,
        console: Some(ConsoleRecord { since: Some(host::now()), key, login, ..ConsoleRecord::default() }),
        source: Source::Authenticated,
    };
    establish(engine, locked, made, stored)
}

/// A setting that is good for other sessions.
fn unfit(key: &str, why: &str) -> Error {
    Error::BadValue { name: format!("{key} for a console session"), why: why.to_owned() }
}
