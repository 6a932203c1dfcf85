//! Checks a new UPST, and stores the session. Every renewal and every sign-in ends here.

use super::stored::Snapshot;
use super::{Engine, Freshness, Named, Session, Source};
use crate::config::{Origin, SetBy};
use crate::error::{Error, Result};
use crate::host;
use crate::log;
use crate::oci::config_file::{ConfigFile, Entry, RegionChange};
use crate::oci::{PrivateKey, PublicKey, Upst};
use crate::secret::Secret;
use crate::store::record::ConsoleRecord;
use crate::store::{Locked, Record};

/// The key that the new UPST is bound to.
pub struct Binding {
    key: PrivateKey,
    is_stored: bool,
}

impl Binding {
    /// The stored key, or a new one where there is none.
    pub fn of(stored: Option<PrivateKey>) -> Result<Self> {
        let is_stored = stored.is_some();
        Ok(Self { key: stored.map_or_else(PrivateKey::generate, Ok)?, is_stored })
    }

    /// The public key as the token exchange takes it.
    pub fn spki_der(&self) -> Vec<u8> {
        self.key.public().spki_der()
    }

    pub fn public_key(&self) -> &PublicKey {
        self.key.public()
    }

    /// Parses a UPST that was asked for this key, and refuses one that is expired, bound to another key, or of somebody
    /// else than the settings expect: it would replace a stored UPST that may be valid. `exchanged` says where it is
    /// from.
    pub fn check(&self, engine: &Engine<'_>, token: &Secret, exchanged: bool) -> Result<Upst> {
        let upst = Upst::parse(token.expose()).map_err(|why| Error::Upst { why, exchanged })?;
        let now = host::now();
        if !upst.is_valid_for(now, 0) {
            return Err(Error::ClockWrong { expiration: upst.exp().to_string(), now: now.to_string() });
        }
        if !upst.is_bound_to(self.key.public()) {
            let why = "it is bound to another key than the one it was asked for".into();
            return Err(Error::Upst { why, exchanged });
        }
        let (expected, is) = (engine.expected(), upst.identity());
        // A token that names nobody shows of nobody that it is theirs.
        if !is.meets(&expected) {
            return Err(Error::UnexpectedIdentity {
                profile: engine.settings.profile.to_string(),
                expected: expected.known(),
                is: is.to_string(),
            });
        }
        Ok(upst)
    }

    /// The key, if it is on disk already.
    pub fn into_stored(self) -> Option<PrivateKey> {
        self.is_stored.then_some(self.key)
    }
}

/// What a renewal or a sign-in brought.
pub struct Made {
    /// Checked by [`Binding::check`].
    pub upst: Upst,
    pub binding: Binding,
    /// What it was made from.
    pub origin: Option<Origin>,
    pub console: Option<ConsoleRecord>,
    pub source: Source,
}

/// Stores the session. `stored` is the current content of the folder and of the OCI config.
pub fn establish(engine: &Engine<'_>, locked: &Locked, made: Made, stored: Snapshot<'_>) -> Result<Session> {
    let Snapshot { contents, section, oci_config } = stored;
    let Made { upst, binding: Binding { key, is_stored }, origin, console, source } = made;
    let (was, is) = (contents.identity(), upst.identity());
    let is_another = is.differs_from(&was);
    let may_change = source == Source::Authenticated
        || contents.record.identity_may_change
        || was.differs_from(&engine.expected());
    if is_another && !may_change {
        let profile = engine.settings.profile.to_string();
        return Err(Error::AnotherIdentity { profile, was: was.to_string(), is: is.to_string() });
    }

    // The key is written before the token, so that no program reads a UPST whose key is not there yet.
    if is_stored {
        locked.make_key_private(&contents.key_file);
    } else {
        locked.store_key(&contents.key_file, &key)?;
    }
    locked.store_token(&upst)?;
    let identity = if may_change { is.clone() } else { is.clone().or(&was) };
    let record = Record { origin, identity, console, ..Record::default() };
    if contents.record != record {
        locked.store_record(&record)?;
    }
    let mut session = Session {
        upst,
        key,
        key_file: contents.key_file,
        token_file: engine.dir.token_file(),
        region: engine.settings.region.clone().or(section.region),
        named: Named::NotYet,
        token_is_bare: true,
        source,
        record,
    };
    name_in_oci_config(engine, oci_config, &mut session)?;
    locked.remove_strays();
    if is_another {
        let profile = &engine.settings.profile;
        log::info(format_args!("The session of profile {profile} is now of {is}; before, it was of {was}"));
    }
    log::info(format_args!(
        "The session of profile {} is valid until {}",
        engine.settings.profile,
        session.upst.exp()
    ));
    Ok(session)
}

/// Makes the profile's section of the OCI config name this session. A file that cannot be written costs
/// nobody the session: the caller learns of it by [`Session::named`].
pub fn name_in_oci_config(
    engine: &Engine<'_>,
    oci_config: ConfigFile<'_>,
    session: &mut Session,
) -> Result<()> {
    let Engine { settings, .. } = engine;
    let is_meant_to_stay = match settings.set_by("region") {
        SetBy::Section | SetBy::Common => true,
        // `woci env` exports the region of its profile, which may be another one than this.
        SetBy::Variable => false,
        // A `--region` for one command must not move the profile to another region.
        SetBy::Flag | SetBy::Default => engine.want.freshness == Freshness::SignedIn,
    };
    let region = settings.region.as_deref().map(|region| match is_meant_to_stay {
        true => RegionChange::Set(region),
        false => RegionChange::IfMissing(region),
    });
    let entry = Entry {
        key_file: &session.key_file,
        security_token_file: &session.token_file,
        fingerprint: &session.key.public().fingerprint(),
        tenancy: session.upst.tenant(),
        region,
    };
    session.named = match oci_config.write(&settings.profile, &entry, engine.want.replaces_api_key) {
        Ok(()) => Named::Yes,
        Err(e @ (Error::File { .. } | Error::Locked { .. })) => {
            log::warning(format_args!("The OCI config does not name the session: {e}"));
            Named::Impossible
        }
        Err(e) => return Err(e),
    };
    Ok(())
}
