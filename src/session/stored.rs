//! What is stored, and whether the stored session is usable.

use super::{Engine, Named, Session, Source, USABLE_SECONDS};
use crate::config::Origin;
use crate::oci::config_file::{ConfigFile, Section};
use crate::oci::{Identity, Upst};
use crate::store::Contents;
use crate::time::UnixTime;

/// The stored session and the OCI config, as read at one time: before the lock is taken, or while it is held.
pub struct Snapshot<'a> {
    pub contents: Contents,
    pub section: Section,
    pub oci_config: ConfigFile<'a>,
}

/// Why the stored session cannot be used; none where it can. `origin` is the configured one, and `expected` is whose
/// session it has to be.
pub fn unusable(
    contents: &Contents,
    origin: Option<&Origin>,
    expected: &Identity,
    now: UnixTime,
) -> Option<&'static str> {
    let (Some(upst), Some(key)) = (&contents.upst, &contents.key) else {
        return Some("there is no session token, or no key");
    };
    if !upst.is_valid_for(now, USABLE_SECONDS) {
        Some("the session token has expired or is about to expire")
    } else if !upst.is_bound_to(key.public()) {
        Some("the session token is bound to another key")
    } else if contents.record.provider_change(origin).or(contents.record.exchange_change(origin)).is_some() {
        Some("the session was made with another configuration")
    } else if !upst.identity().meets(expected) {
        Some("the session is not of the user or the tenancy that the settings expect")
    } else {
        None
    }
}

/// The session of a snapshot that is usable.
pub fn stored_session(engine: &Engine<'_>, stored: Snapshot<'_>) -> Session {
    let Snapshot { contents, section, .. } = stored;
    let token_file = engine.dir.token_file();
    let set = engine.settings.region.clone();
    let is_named = section.key_file.as_ref() == Some(&contents.key_file)
        && section.security_token_file.as_ref() == Some(&token_file)
        && (section.region.is_some() || set.is_none());
    Session {
        upst: contents.upst.expect("a usable session has a token"),
        key: contents.key.expect("a usable session has a key"),
        key_file: contents.key_file,
        token_file,
        region: set.or(section.region),
        named: if is_named { Named::Yes } else { Named::NotYet },
        token_is_bare: contents.token_is_bare,
        source: Source::Cached,
        record: contents.record,
    }
}

pub fn is_same(one: Option<&Upst>, other: Option<&Upst>) -> bool {
    one.map(Upst::token) == other.map(Upst::token)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::oci::PrivateKey;
    use crate::store::Record;

    const NOW: UnixTime = UnixTime(1_000);

    fn upst(claims: &str) -> Option<Upst> {
        Upst::parse(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))).ok()
    }

    fn contents(upst: Option<Upst>) -> Contents {
        let key = PrivateKey::parse(include_bytes!("../../fixtures/keys/session.pem")).unwrap();
        Contents {
            upst,
            token_is_bare: true,
            key: Some(key),
            key_is_encrypted: false,
            key_file: "/k".into(),
            record: Record::default(),
        }
    }

    fn origin(client_id: &str) -> Origin {
        let client_id = Some(client_id.to_owned());
        Origin::Provider {
            issuer: None,
            token_url: None,
            auth_client_id: None,
            token_exchange_url: None,
            client_id,
        }
    }

    fn why(contents: &Contents) -> Option<&'static str> {
        unusable(contents, Some(&origin("configured")), &Identity::default(), NOW)
    }

    #[test]
    fn a_session_is_usable_if_its_token_is_valid_bound_to_its_key_and_of_the_configured_origin() {
        let good = || contents(upst(r#"{"exp":1061}"#));
        assert_eq!(why(&good()), None);

        let ending = contents(upst(r#"{"exp":1060}"#));
        assert_eq!(why(&ending), Some("the session token has expired or is about to expire"));

        let of_another_key = contents(upst(r#"{"exp":1061,"jwk":"{\"n\":\"-_8\",\"e\":\"AQAB\"}"}"#));
        assert_eq!(why(&of_another_key), Some("the session token is bound to another key"));

        let mut elsewhere = good();
        elsewhere.record.origin = Some(origin("another"));
        assert_eq!(why(&elsewhere), Some("the session was made with another configuration"));

        let of = |user: &str| Identity { user: Some(user.into()), tenancy: None };
        let named = contents(upst(r#"{"exp":1061,"sub":"ada","tenant":"t"}"#));
        assert_eq!(unusable(&named, None, &of("ada"), NOW), None);
        let unexpected = Some("the session is not of the user or the tenancy that the settings expect");
        assert_eq!(unusable(&named, None, &of("eve"), NOW), unexpected);
        // Nothing shows whose the session is.
        assert_eq!(unusable(&good(), None, &of("ada"), NOW), unexpected);

        let missing = Some("there is no session token, or no key");
        assert_eq!(why(&contents(None)), missing);
        assert_eq!(why(&Contents { key: None, ..good() }), missing);
    }
}
