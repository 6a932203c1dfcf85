//! The credential as one JSON document: schemas/credential.schema.json.

use serde_json::json;

use super::Output;
use crate::config::Settings;
use crate::error::Result;
use crate::host::{self, Host};
use crate::session::{Engine, Source, Want};

pub fn run(host: &Host, settings: &Settings, want: Want) -> Result<Output> {
    let session = Engine::new(host, settings, want, None).ensure()?;
    let upst = &session.upst;
    Ok(Output::Document(json!({
        "version": 1,
        "profile": settings.profile.as_str(),
        "security_token": upst.token().expose(),
        "security_token_file": session.token_file.to_string_lossy(),
        "key_file": session.key_file.to_string_lossy(),
        "config_file": settings.oci_config.to_string_lossy(),
        "fingerprint": session.key.public().fingerprint(),
        "user": upst.sub(),
        "tenancy": upst.tenant(),
        "region": session.region,
        "expiration": upst.exp().to_string(),
        "expires_in": upst.exp().since(host::now()),
        "source": match session.source {
            Source::Cached => "cached",
            Source::Refreshed => "refreshed",
            Source::Authenticated => "authenticated",
        },
    })))
}
