//! `session.json`, which holds nothing secret: where the session came from, how a sign-in that failed
//! ended, and the hash of a refresh token that the provider refused.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::config::Origin;
use crate::time::UnixTime;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// None for a folder that the older tool or oci made, until woci has renewed the session once.
    pub origin: Option<Origin>,
    /// The last sign-in, if a person left it unfinished.
    pub failed_sign_in: Option<FailedSignIn>,
    /// SHA-256, in hex, of the refresh token that the provider refused.
    pub refused: Option<String>,
    /// The file exists, and is not one that woci wrote.
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
        if let Some(failed) = &self.failed_sign_in {
            document["failed_sign_in"] = json!({ "outcome": failed.how.word(), "at": failed.at.0 });
            if let Some(dead_file) = &failed.dead_file {
                document["failed_sign_in"]["dead_file_sha256"] = json!(dead_file);
            }
        }
        if let Some(refused) = &self.refused {
            document["refused_refresh_token_sha256"] = json!(refused);
        }
        format!("{document:#}\n")
    }

    /// What changed between the recorded origin and the configured one; none where nothing did. A value
    /// that is absent on either side counts as unchanged.
    pub fn differs_from(&self, configured: &Origin) -> Option<String> {
        if self.damaged {
            return Some("session.json is damaged, so that nothing says where the session came from".into());
        }
        let recorded = values(self.origin.as_ref()?);
        let changed = ORIGIN_KEYS.iter().zip(recorded.iter().zip(values(configured)));
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
    // All four or none: a refresh token could otherwise go to whatever the missing value is now.
    let origin = match ORIGIN_KEYS.iter().any(|key| document.contains_key(*key)) {
        false => None,
        true => Some(Origin {
            token_url: Some(text("token_url")?),
            auth_client_id: Some(text("auth_client_id")?),
            token_exchange_url: Some(text("token_exchange_url")?),
            client_id: Some(text("client_id")?),
        }),
    };
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
    Some(Record { origin, failed_sign_in, refused: text("refused_refresh_token_sha256"), damaged: false })
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
            failed_sign_in: Some(FailedSignIn {
                how: HowFailed::Unanswered,
                at: UnixTime(1_795_467_599),
                dead_file: Some(hash("{}")),
            }),
            refused: Some(hash("r")),
            damaged: false,
        };
        for record in [full, Record::default()] {
            assert_eq!(Record::parse(record.to_json().as_bytes()), record);
        }
    }

    #[test]
    fn names_what_changed() {
        let record = Record { origin: Some(origin(Some("https://old"))), ..Record::default() };
        assert_eq!(record.differs_from(&origin(Some("https://old"))), None);
        assert_eq!(record.differs_from(&origin(None)), None);
        let changed = record.differs_from(&origin(Some("https://new")));
        assert_eq!(changed.as_deref(), Some("token_url changed from https://old to https://new"));
        assert_eq!(Record::default().differs_from(&origin(Some("https://new"))), None);
        assert!(Record::parse(b"{").differs_from(&origin(None)).is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_damaged(bytes: Vec<u8>) {
            let _ = Record::parse(&bytes);
        }
    }
}
