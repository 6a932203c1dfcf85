//! An oci command with a session. oci is looked up on PATH first, then the session is made, then oci runs, usually
//! in place of woci.

use std::ffi::OsString;

use super::{Form, Invocation, VERBS, settings};
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::fresh::{behind, beside};
use crate::host::Host;
use crate::log;
use crate::oci::environment::OVERRIDING;
use crate::oci::program::{Program, find_oci};
use crate::options::{self, Flags};
use crate::output::Output;
use crate::session::{Engine, Named, Session, Want};

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    let Invocation { flags, words, without_session, .. } = invocation;
    let oci = find_oci(&host.env).map_err(|e| ask_for_verb(e, &words))?;
    let mut program = Program::oci(oci, &host.env);
    if without_session {
        // Which variable the manager config names is not known: no profile is chosen for such a run.
        let passphrase: Vec<&str> = flags.get("--refresh-token-passphrase-env").into_iter().collect();
        program.remove_variables(&passphrase);
        program.args(words);
        match program.exec()? {};
    }
    let settings = settings(host, &flags)?;
    let mut engine = Engine::new(host, &settings, Want::VALID, None);
    let mut session = engine.ensure()?;
    engine.hand_out(&mut session)?;

    if settings.oci_config_from_manager {
        program.args(["--config-file".into(), settings.oci_config.clone().into()]);
    }
    if !flags.has("--profile") {
        program.args(["--profile".into(), settings.profile.as_str().into()]);
    }
    if !flags.has("--auth") {
        program.args(["--auth".into(), "security_token".into()]);
    }
    program.args(words);
    program.remove_variables(&OVERRIDING);
    let passphrase: Vec<&str> = settings.passphrase_variable.as_deref().into_iter().collect();
    program.remove_variables(&passphrase);
    if session.named == Named::Impossible {
        program.set_variables(instead_of_section(&session));
    }
    start(host, &flags, &settings, &mut engine, &session, &program)
}

/// Runs a program that was given the session: in place of woci, or with `auto_refresh` beside a thread that keeps the
/// session fresh.
pub fn start(
    host: &Host,
    flags: &Flags,
    settings: &Settings,
    engine: &mut Engine<'_>,
    session: &Session,
    program: &Program,
) -> Result<Output> {
    if !settings.auto_refresh {
        match program.exec()? {}
    }
    // Once the program runs, woci must not prompt on its terminal. `--auto-refresh` on the command line
    // therefore asks for the passphrase now; `auto_refresh = true` in the manager config never asks.
    let passphrase = match flags.has("--auto-refresh").then(|| engine.unlock_by_person()) {
        None => None,
        Some(Err(e @ Error::NoRefreshToken { .. })) => {
            log::warning(format_args!("{}", e.say_to(&flags.given())));
            None
        }
        Some(unlocked) => unlocked?,
    };
    let without_keeper = || {
        if let Some(between) = behind::start_if_due(host, flags, settings, engine, session) {
            between.wait();
        }
    };
    Ok(Output::Code(beside::run(program, host, flags, passphrase, without_keeper)?))
}

/// What oci reads from the profile's section, as variables. With all of them, oci 3.95 does not open its config
/// file at all; it wants a user then, and does not use it with a session token.
fn instead_of_section(session: &Session) -> Vec<(&'static str, OsString)> {
    let text = |name: &'static str, value: Option<&str>| Some((name, OsString::from(value?)));
    let fingerprint = session.key.public().fingerprint();
    [
        Some(("OCI_CLI_KEY_FILE", session.key_file.clone().into())),
        Some(("OCI_CLI_SECURITY_TOKEN_FILE", session.token_file.clone().into())),
        text("OCI_CLI_FINGERPRINT", Some(&fingerprint)),
        text("OCI_CLI_TENANCY", session.upst.tenant()),
        text("OCI_CLI_USER", session.upst.sub()),
        text("OCI_CLI_REGION", session.region.as_deref()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// If oci is missing and the first word resembles one of woci's verbs, the error suggests that verb.
fn ask_for_verb(e: Error, words: &[OsString]) -> Error {
    let verbs = VERBS.iter().filter(|verb| verb.form == Form::Words).map(|verb| verb.name);
    let word = words.first().and_then(|word| word.to_str()).unwrap_or_default();
    match (e, options::nearest(word, verbs)) {
        (Error::OciMissing, Some(verb)) => Error::OciMissingOrVerb { word: word.into(), verb: verb.into() },
        (e, _) => e,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_nearly_a_verb_is_asked_about() {
        for (word, verb) in [("envv", Some("env")), ("credentials", Some("credential")), ("os", None)] {
            let e = ask_for_verb(Error::OciMissing, &[word.into()]);
            let expected = match verb {
                Some(verb) => Error::OciMissingOrVerb { word: word.into(), verb: verb.into() },
                None => Error::OciMissing,
            };
            assert_eq!(e, expected);
        }
    }
}
