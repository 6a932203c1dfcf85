//! The credential as one JSON document: schemas/credential.schema.json.

use super::{Invocation, settings};
use crate::config::Settings;
use crate::error::{Given, Result};
use crate::fresh::behind;
use crate::host::{self, Host};
use crate::output::Output;
use crate::session::{Engine, Session, Source, Want};

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    print(host, &invocation, Want::VALID)
}

pub fn print(host: &Host, invocation: &Invocation, want: Want) -> Result<Output> {
    let mut settings = settings(host, &invocation.flags)?;
    settings.given = invocation.given();
    let settings = &settings;
    let mut engine = Engine::new(host, settings, want, None);
    let mut session = engine.ensure()?;
    engine.hand_out(&mut session)?;
    behind::start_if_due(host, &invocation.flags, settings, &engine, &session);
    let upst = &session.upst;
    let source = match session.source {
        Source::Cached => "cached",
        Source::Refreshed => "refreshed",
        Source::Authenticated => "authenticated",
    };
    let text = text(settings, &session, &settings.given);
    let document = vec![
        ("version", 1.into()),
        ("profile", settings.profile.as_str().into()),
        ("security_token", upst.token().expose().into()),
        ("security_token_file", session.token_file.to_string_lossy().into()),
        ("key_file", session.key_file.to_string_lossy().into()),
        ("config_file", settings.oci_config.to_string_lossy().into()),
        ("fingerprint", session.key.public().fingerprint().into()),
        ("user", upst.sub().into()),
        ("tenancy", upst.tenant().into()),
        ("region", session.region.into()),
        ("expiration", upst.exp().to_string().into()),
        ("expires_in", upst.exp().since(host::now()).into()),
        ("source", source.into()),
    ];
    Ok(Output::Document { document, text: text.into(), code: 0 })
}

/// Who is signed in, until when, and what to do next.
fn text(settings: &Settings, session: &Session, given: &Given) -> String {
    let Session { upst, region, .. } = session;
    let how = match session.source {
        Source::Cached => "the stored session",
        Source::Refreshed => "renewed just now",
        Source::Authenticated => "signed in just now",
    };
    let minutes = upst.exp().since(host::now()) / 60;
    let unknown = "unknown";
    format!(
        "Profile   {} ({how})\n\
         User      {}\n\
         Tenancy   {}\n\
         Region    {}\n\
         Valid     until {} ({minutes} min)\n\
         \n\
         Next: {} runs oci with this session; {} prints it for programs.\n",
        settings.profile,
        upst.sub().unwrap_or(unknown),
        upst.tenant().unwrap_or(unknown),
        region.as_deref().unwrap_or(unknown),
        upst.exp(),
        given.command("os ns get", None),
        given.command("credential --output json", None),
    )
}
