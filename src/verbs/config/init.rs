//! `woci config init`: sets up a profile from a preset and signs in. On a terminal, the person is asked for what no
//! option says. The document follows schemas/config-init.schema.json.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use serde_json::{Value, json};

use super::preset::Preset;
use super::questions::Questions;
use super::setup::Setup;
use crate::config::{Config, ProfileName};
use crate::error::{ConfigFault, Error, Given, Result};
use crate::host::{self, Host};
use crate::log;
use crate::options::{self, Flags};
use crate::output::{Output, Text};
use crate::session::{Engine, Session, Want};
use crate::verbs::{Invocation, settings};

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    let Invocation { flags, own, .. } = &invocation;
    let config = Config::find_or_new(host, flags)?;
    let path = config.place_to_write()?;
    let is_forced = own.has("--force");
    let named = own
        .get("--preset")
        .map(|word| Preset::named(word).map_err(|why| Error::BadValue { name: "--preset".into(), why }));
    let named = named.transpose()?;
    let mut setup = Setup::new(&config, host, flags, is_forced)?;

    let is_at_terminal = io::stdin().is_terminal();
    let mut questions = None;
    if is_at_terminal && named.is_none_or(|preset| !setup.missing(preset).is_empty()) {
        questions = Questions::open().ok();
    }
    let preset = match (named, &mut questions) {
        (Some(preset), _) => preset,
        (None, Some(questions)) => {
            questions.say(&format!("Where do you sign in?\n{}", Preset::list().trim_end()));
            questions.ask("Preset", Some(Preset::Console.word()), Preset::named)?
        }
        (None, None) => return Err(unanswered("", vec!["--preset".to_owned()])),
    };
    let profile = match &mut questions {
        Some(questions) if !setup.is_profile_named() => setup.ask_profile(questions, preset)?,
        _ => config.chosen(host, flags)?,
    };
    setup.obstacle(&profile).map_or(Ok(()), Err)?;
    setup.take_region_of_oci(&profile);
    let missing = setup.missing(preset);
    match &mut questions {
        Some(questions) => setup.ask(questions, preset)?,
        None if !missing.is_empty() => {
            let names = missing.into_iter().filter_map(options::option_and_key).collect();
            return Err(unanswered(preset.word(), names));
        }
        None => setup.complete(preset)?,
    }

    setup.write(&path, &profile)?;
    let given = Given { profile: setup.profile_to_name(&profile), ..flags.given() };
    log::line(format_args!("Wrote [{profile}] of {}.", path.display()));
    let trust = setup.trust(preset);
    if let Some(trust) = &trust {
        log::line(format_args!(
            "\nAn administrator of the identity domain runs this once, unless the domain trusts the provider already:\n\n\
             {}\n\n{}",
            trust.command(),
            trust.remarks()
        ));
    }
    let trust_command = trust.map(|trust| trust.command());
    if own.has("--no-sign-in") {
        return Ok(output(&path, &profile, preset, trust_command, None, &given));
    }
    if let Some(questions) = questions.as_mut().filter(|_| trust_command.is_some()) {
        let later = given.command("session authenticate", None);
        let question = format!("Press Enter to sign in now, or Ctrl-C to do it later with {later}");
        // A terminal that was closed (Ctrl-D) says the same as Ctrl-C.
        if questions.ask(&question, Some(""), |_| Ok(())).is_err() {
            return Ok(output(&path, &profile, preset, trust_command, None, &given));
        }
    }
    let session = sign_in(host, &setup.flags_for_sign_in(&profile)).inspect_err(|_| {
        log::line(format_args!(
            "The profile {profile} is set up, and nobody is signed in: {} tries again.",
            given.command("session authenticate", None)
        ));
    })?;
    Ok(output(&path, &profile, preset, trust_command, Some(&session), &given))
}

fn unanswered(preset: &'static str, names: Vec<String>) -> Error {
    Error::Config(ConfigFault::Unanswered { preset, names })
}

fn sign_in(host: &Host, flags: &Flags) -> Result<Session> {
    let settings = settings(host, flags)?;
    let mut engine = Engine::new(host, &settings, Want::SIGNED_IN, None);
    let mut session = engine.ensure()?;
    engine.hand_out(&mut session)?;
    Ok(session)
}

fn output(
    path: &Path,
    profile: &ProfileName,
    preset: Preset,
    trust_command: Option<String>,
    session: Option<&Session>,
    given: &Given,
) -> Output {
    let signed_in = session.map(|session| {
        let Session { upst, region, .. } = session;
        json!({
            "user": upst.sub(),
            "tenancy": upst.tenant(),
            "region": region,
            "expiration": upst.exp().to_string(),
        })
    });
    let unknown = "unknown";
    let mut fields = vec![
        ("Profile", profile.to_string()),
        ("Preset", preset.word().to_owned()),
        ("Manager config", path.display().to_string()),
    ];
    if let Some(Session { upst, region, .. }) = session {
        let minutes = upst.exp().since(host::now()) / 60;
        fields.extend([
            ("User", upst.sub().unwrap_or(unknown).to_owned()),
            ("Tenancy", upst.tenant().unwrap_or(unknown).to_owned()),
            ("Region", region.as_deref().unwrap_or(unknown).to_owned()),
            ("Valid", format!("until {} ({minutes} min)", upst.exp())),
        ]);
    }
    let next = match session {
        Some(_) => format!("Next: {} runs oci with this session.", given.command("iam region list", None)),
        None => format!("Next: {} signs in.", given.command("session authenticate", None)),
    };
    let document = vec![
        ("profile", profile.as_str().into()),
        ("preset", preset.word().into()),
        ("manager_config", path.to_string_lossy().into()),
        ("trust_command", trust_command.into()),
        ("session", signed_in.map_or(Value::Null, Value::from)),
    ];
    let fields = fields.into_iter().map(|(name, value)| (name, value.into()));
    Output::Document { document, text: Text::default().fields(fields).paragraph(next), code: 0 }
}
