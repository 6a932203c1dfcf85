//! `session.json`, which holds nothing secret: where the session came from, whose it is, how a sign-in that
//! failed ended, and the hash of a refresh token that the provider refused.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::config::Origin;
use crate::oci::{Identity, is_ocid};
use crate::time::UnixTime;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// None for a folder that the older tool or oci made, until woci has renewed the session once.
    pub origin: Option<Origin>,
    /// Whose session it is, for a token file that is lost or damaged.
    pub identity: Identity,
    /// A person has signed in, and the session of that sign-in is not stored yet: it may be another
    /// person's than the one before.
    pub identity_may_change: bool,
    /// The last sign-in, if a person left it unfinished.
    pub failed_sign_in: Option<FailedSignIn>,
    /// SHA-256, in hex, of the refresh token that the provider refused.
    pub refused: Option<String>,
    /// The file exists, and is not one that woci wrote: the refresh token may be any provider's. A failed
    /// sign-in is recorded beside that.
    pub damaged: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedSignIn {
    pub how: HowFailed,
    pub at: UnixTime,
    /// SHA-256, in hex, of the refresh token file that had failed when this sign-in was started. While
    /// the file is unchanged, only a person can help.
    pub dead_file: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HowFailed {
    Unanswered,
    Denied,
}

impl HowFailed {
    pub fn word(self) -> &'static str {
        match self {
            Self::Unanswered => "unanswered",
            Self::Denied => "denied",
        }
    }
}

const ORIGIN_KEYS: [&str; 4] = ["token_url", "auth_client_id", "token_exchange_url", "client_id"];
/// The half that a refresh token belongs to.
const PROVIDER_KEYS: [&str; 2] = ["token_url", "auth_client_id"];
/// The half that a UPST belongs to.
const EXCHANGE_KEYS: [&str; 2] = ["token_exchange_url", "client_id"];

impl Record {
    pub fn parse(bytes: &[u8]) -> Self {
        read(bytes).unwrap_or(Self { damaged: true, ..Self::default() })
    }

    pub fn to_json(&self) -> String {
        let mut document = json!({ "version": 1 });
        if let Some(origin) = &self.origin {
            for (key, value) in ORIGIN_KEYS.iter().zip(values(origin)) {
                document[key] = json!(value);
            }
        }
        let Identity { user, tenancy } = &self.identity;
        for (key, value) in [("user", user), ("tenancy", tenancy)] {
            if let Some(value) = value {
                document[key] = json!(value);
            }
        }
        if self.identity_may_change {
            document["identity_may_change"] = json!(true);
        }
        if let Some(failed) = &self.failed_sign_in {
            document["failed_sign_in"] = json!({ "outcome": failed.how.word(), "at": failed.at.0 });
            if let Some(dead_file) = &failed.dead_file {
                document["failed_sign_in"]["dead_file_sha256"] = json!(dead_file);
            }
        }
        if self.damaged {
            document["damaged"] = json!(true);
        }
        if let Some(refused) = &self.refused {
            document["refused_refresh_token_sha256"] = json!(refused);
        }
        format!("{document:#}\n")
    }

    /// What changed between the provider that the refresh token belongs to and the configured one; none if
    /// nothing did. A value that is absent on either side counts as unchanged.
    pub fn provider_change(&self, configured: &Origin) -> Option<String> {
        if self.damaged {
            return Some("session.json is damaged, so that nothing says where the session came from".into());
        }
        self.change(configured, &PROVIDER_KEYS)
    }

    /// The same for the exchange that the UPST came from. The refresh token is not concerned.
    pub fn exchange_change(&self, configured: &Origin) -> Option<String> {
        self.change(configured, &EXCHANGE_KEYS)
    }

    fn change(&self, configured: &Origin, keys: &[&str]) -> Option<String> {
        let recorded = values(self.origin.as_ref()?);
        let changed = ORIGIN_KEYS.iter().zip(recorded.iter().zip(values(configured)));
        let changed = changed.filter(|(key, _)| keys.contains(key));
        let changed = changed.filter(|(_, (was, is))| was.is_some() && is.is_some() && *was != is);
        let changed: Vec<String> = changed
            .map(|(key, (was, is))| format!("{key} changed from {} to {}", text(was), text(&is)))
            .collect();
        (!changed.is_empty()).then(|| changed.join(", "))
    }
}

pub fn hash(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn values(origin: &Origin) -> [Option<String>; 4] {
    let Origin { token_url, auth_client_id, token_exchange_url, client_id } = origin.clone();
    [token_url, auth_client_id, token_exchange_url, client_id]
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

fn read(bytes: &[u8]) -> Option<Record> {
    let document: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    if document.get("version")? != 1 {
        return None;
    }
    let text = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
    // All four values or none. A missing value matches any configuration, so the refresh token could be
    // sent to another provider.
    let origin = match ORIGIN_KEYS.iter().any(|key| document.contains_key(*key)) {
        false => None,
        true => Some(Origin {
            token_url: Some(text("token_url")?),
            auth_client_id: Some(text("auth_client_id")?),
            token_exchange_url: Some(text("token_exchange_url")?),
            client_id: Some(text("client_id")?),
        }),
    };
    // A name that is there and cannot be read is not the same as none: anybody could take its place.
    let name = |key: &str| match document.get(key) {
        None => Some(None),
        Some(name) => Some(Some(name.as_str().filter(|name| is_ocid(name))?.to_owned())),
    };
    let identity = Identity { user: name("user")?, tenancy: name("tenancy")? };
    let failed_sign_in = match document.get("failed_sign_in") {
        None => None,
        Some(failed) => Some(FailedSignIn {
            how: match failed.get("outcome")?.as_str()? {
                "unanswered" => HowFailed::Unanswered,
                _ => HowFailed::Denied,
            },
            at: UnixTime(failed.get("at")?.as_i64()?),
            dead_file: failed.get("dead_file_sha256").and_then(Value::as_str).map(str::to_owned),
        }),
    };
    Some(Record {
        origin,
        identity,
        identity_may_change: document.get("identity_may_change").is_some_and(|may| may == true),
        failed_sign_in,
        refused: text("refused_refresh_token_sha256"),
        damaged: document.get("damaged").is_some_and(|damaged| damaged == true),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origin(token_url: Option<&str>) -> Origin {
        Origin {
            token_url: token_url.map(str::to_owned),
            auth_client_id: Some("a".into()),
            token_exchange_url: Some("x".into()),
            client_id: Some("c".into()),
        }
    }

    #[test]
    fn comes_back_as_written() {
        let full = Record {
            origin: Some(origin(Some("https://idp.example.com/token"))),
            identity: Identity { user: Some("ocid1.user.oc1..a".into()), tenancy: None },
            identity_may_change: true,
            failed_sign_in: Some(FailedSignIn {
                how: HowFailed::Unanswered,
                at: UnixTime(1_795_467_599),
                dead_file: Some(hash("{}")),
            }),
            refused: Some(hash("r")),
            damaged: false,
        };
        let damaged =
            Record { damaged: true, failed_sign_in: full.failed_sign_in.clone(), ..Record::default() };
        for record in [full, damaged, Record::default()] {
            assert_eq!(Record::parse(record.to_json().as_bytes()), record);
        }
    }

    #[test]
    fn names_what_changed() {
        let record = Record { origin: Some(origin(Some("https://old"))), ..Record::default() };
        assert_eq!(record.provider_change(&origin(Some("https://old"))), None);
        assert_eq!(record.provider_change(&origin(None)), None);
        let changed = record.provider_change(&origin(Some("https://new")));
        assert_eq!(changed.as_deref(), Some("token_url changed from https://old to https://new"));
        assert_eq!(record.exchange_change(&origin(Some("https://new"))), None);
        assert_eq!(Record::default().provider_change(&origin(Some("https://new"))), None);
        assert!(Record::parse(b"{").provider_change(&origin(None)).is_some());

        let of_another_client = Origin { client_id: Some("d".into()), ..origin(None) };
        assert_eq!(record.provider_change(&of_another_client), None);
        let changed = record.exchange_change(&of_another_client);
        assert_eq!(changed.as_deref(), Some("client_id changed from c to d"));
    }

    #[test]
    fn a_name_that_cannot_be_read_is_damage() {
        for name in ["5", "null", "\"\"", "\"a b\"", "\"a\\u0007\""] {
            let text = format!(r#"{{"version":1,"user":{name}}}"#);
            assert!(Record::parse(text.as_bytes()).damaged, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_damaged(bytes: Vec<u8>) {
            let _ = Record::parse(&bytes);
        }
    }
}
