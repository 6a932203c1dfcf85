//! The credential as one JSON document: schemas/credential.schema.json.

use super::{Invocation, settings};
use crate::config::Settings;
use crate::error::Result;
use crate::host::{self, Host};
use crate::output::Output;
use crate::session::{Engine, Source, Want};

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    print(host, &settings(host, &invocation.flags)?, Want::VALID)
}

pub fn print(host: &Host, settings: &Settings, want: Want) -> Result<Output> {
    let mut engine = Engine::new(host, settings, want, None);
    let mut session = engine.ensure()?;
    engine.hand_out(&mut session)?;
    let upst = &session.upst;
    let source = match session.source {
        Source::Cached => "cached",
        Source::Refreshed => "refreshed",
        Source::Authenticated => "authenticated",
    };
    Ok(Output::Document(vec![
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
    ]))
}
