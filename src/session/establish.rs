//! From an access token to a stored session: the tail of every way in.

use std::path::Path;

use super::{Engine, Session, Source, Wanted};
use crate::config;
use crate::error::{Error, Result};
use crate::host;
use crate::log;
use crate::oauth::Domain;
use crate::oauth::http::Client;
use crate::oci::config_file::{self, Entry, RegionChange};
use crate::oci::{PrivateKey, Upst, exchange};
use crate::secret::Secret;
use crate::store::{Locked, Record};

/// The key that the new UPST is bound to.
pub struct Binding<'a> {
    pub key: &'a PrivateKey,
    pub key_file: &'a Path,
    pub is_stored: bool,
}

pub fn establish(
    engine: &Engine<'_>,
    locked: &Locked,
    domain: &Domain,
    client: &Client<'_>,
    access_token: &Secret,
    binding: &Binding<'_>,
    source: Source,
) -> Result<Session> {
    let public_key = binding.key.public();
    let token = exchange::upst(client, domain, access_token, &public_key.spki_der())?;
    let upst = checked(&token, binding.key)?;

    // The key first: a UPST without its key would be of no use to whoever reads in between.
    if binding.is_stored {
        locked.close_key(binding.key_file);
    } else {
        locked.store_key(binding.key_file, binding.key)?;
    }
    locked.store_token(&upst)?;
    let record = Record { origin: Some(engine.settings.origin()), ..Record::default() };
    if engine.look()?.record != record {
        locked.store_record(&record)?;
    }
    let session = Session {
        key: binding.key.clone(),
        key_file: binding.key_file.to_owned(),
        token_file: engine.dir.token_file(),
        region: engine.region()?,
        is_named: true,
        upst,
        source,
    };
    engine.write_oci_config(&session)?;
    locked.remove_strays();
    let Engine { settings, .. } = engine;
    log::info(format_args!(
        "The session of profile {} is good until {}",
        settings.profile,
        session.upst.exp()
    ));
    Ok(session)
}

/// Refuses a UPST that would replace one that works by one that does not.
fn checked(token: &Secret, key: &PrivateKey) -> Result<Upst> {
    let upst = Upst::parse(token.expose()).map_err(|why| Error::Upst { why })?;
    let now = host::now();
    if !upst.is_valid_for(now, 0) {
        return Err(Error::ClockWrong { expiration: upst.exp().to_string(), now: now.to_string() });
    }
    if !upst.is_bound_to(key.public()) {
        return Err(Error::Upst { why: "it is bound to another key than the one it was asked for".into() });
    }
    Ok(upst)
}

impl Engine<'_> {
    /// Makes the profile's section name this session, if it does not.
    pub fn write_oci_config(&self, session: &Session) -> Result<()> {
        let Engine { settings, .. } = self;
        let region = settings.region.as_ref().map(|region| {
            let is_set = self.want.upst == Wanted::SignedIn || region.source == config::Source::Manager;
            if is_set { RegionChange::Set(&region.name) } else { RegionChange::IfMissing(&region.name) }
        });
        let entry = Entry {
            key_file: &session.key_file,
            security_token_file: &session.token_file,
            fingerprint: &session.key.public().fingerprint(),
            tenancy: session.upst.tenant(),
            region,
        };
        config_file::write(self.host, &settings.oci_config, &settings.profile, &self.dir.path, &entry)
    }
}
