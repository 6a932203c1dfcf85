//! `session.json`, which holds nothing secret: where the session came from, whose it is, how a sign-in that
//! failed ended, and the hash of a refresh token that the provider refused.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::config::{Origin, SessionFrom};
use crate::oauth::url;
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
    /// Of a console session.
    pub console: Option<ConsoleRecord>,
    /// The last sign-in, if a person left it unfinished.
    pub failed_sign_in: Option<FailedSignIn>,
    /// SHA-256, in hex, of the refresh token that the provider refused.
    pub refused: Option<String>,
    /// The file exists, and is not one that woci wrote: the refresh token may be any provider's. A failed
    /// sign-in is recorded beside that.
    pub damaged: bool,
}

/// What is known of a console session beside its token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsoleRecord {
    /// Since when the session has been renewed, without a sign-in in between.
    pub since: Option<UnixTime>,
    /// The fingerprint of the session's key. With another key, oci has signed a person in since, perhaps elsewhere.
    pub key: Option<String>,
    /// What the person named at the last sign-in: the next one asks for the same.
    pub login: Login,
    /// When the last renewal failed, if none has succeeded since.
    pub failed_renewal: Option<UnixTime>,
    /// SHA-256, in hex, of the session token that Oracle no longer renews.
    pub over: Option<String>,
}

/// The tenancy and its identity provider at Oracle's sign-in, each if the person named it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    pub tenancy_name: Option<String>,
    pub identity_provider_name: Option<String>,
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
    /// The person has signed in, and there is still no session that may be stored.
    Unsuccessful,
}

impl HowFailed {
    pub fn word(self) -> &'static str {
        match self {
            Self::Unanswered => "unanswered",
            Self::Denied => "denied",
            Self::Unsuccessful => "unsuccessful",
        }
    }
}

/// The half of an origin that a value belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    /// Where a person signs in, and what a refresh token may be sent to.
    Provider,
    /// What issued the UPST.
    Exchange,
}

impl Record {
    pub fn parse(bytes: &[u8]) -> Self {
        read(bytes).unwrap_or(Self { damaged: true, ..Self::default() })
    }

    pub fn to_json(&self) -> String {
        let mut document = json!({ "version": 1 });
        if let Some(origin) = &self.origin {
            document["session_from"] = json!(kind(origin).word());
            for (key, _, value) in values(origin) {
                // Endpoints that are configured one by one have no issuer.
                if value.is_some() || key != "issuer" {
                    document[key] = json!(value);
                }
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
        if let Some(console) = &self.console {
            document["console"] = console.to_json();
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

    /// What the session was made from.
    pub fn session_from(&self) -> Option<SessionFrom> {
        self.origin.as_ref().map(kind)
    }

    /// What changed between the provider that the refresh token belongs to and the configured one; none if
    /// nothing did. A value that is absent on either side counts as unchanged.
    pub fn provider_change(&self, configured: Option<&Origin>) -> Option<String> {
        if self.damaged {
            return Some("session.json is damaged, so that nothing says where the session came from".into());
        }
        self.change(configured, Half::Provider)
    }

    /// The same for the exchange that the UPST came from. The refresh token is not concerned.
    pub fn exchange_change(&self, configured: Option<&Origin>) -> Option<String> {
        self.change(configured, Half::Exchange)
    }

    fn change(&self, configured: Option<&Origin>, half: Half) -> Option<String> {
        let (recorded, configured) = (self.origin.as_ref()?, configured?);
        let (was, is) = (kind(recorded), kind(configured));
        if was != is {
            return Some(format!("session_from changed from {} to {}", was.word(), is.word()));
        }
        let changed: Vec<String> = values(recorded)
            .into_iter()
            .zip(values(configured))
            .filter(|((_, of, _), _)| *of == half)
            .filter_map(|((key, _, was), (_, _, is))| Some((key, was?, is?)))
            .filter(|(_, was, is)| was != is)
            .map(|(key, was, is)| format!("{key} changed from {was} to {is}"))
            .collect();
        (!changed.is_empty()).then(|| changed.join(", "))
    }
}

impl Login {
    /// The option that named something, if one did.
    pub fn option(&self) -> Option<&'static str> {
        let named = self.tenancy_name.as_ref().map(|_| "--tenancy-name");
        named.or(self.identity_provider_name.as_ref().map(|_| "--identity-provider-name"))
    }

    /// These names, completed by those of an earlier sign-in. An identity provider belongs to a tenancy: it is of no
    /// use in another one.
    pub fn or(self, other: &Self) -> Self {
        let Self { tenancy_name, identity_provider_name } = other.clone();
        if self.tenancy_name.is_some() && self.tenancy_name != tenancy_name {
            return self;
        }
        Self {
            tenancy_name: self.tenancy_name.or(tenancy_name),
            identity_provider_name: self.identity_provider_name.or(identity_provider_name),
        }
    }
}

impl ConsoleRecord {
    fn to_json(&self) -> Value {
        let Self { since, key, login, failed_renewal, over } = self;
        let mut document = json!({});
        let moment = |time: &Option<UnixTime>| time.map(|time| json!(time.0));
        let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
        for (key, value) in [
            ("since", moment(since)),
            ("key_fingerprint", text(key)),
            ("tenancy_name", text(&login.tenancy_name)),
            ("identity_provider_name", text(&login.identity_provider_name)),
            ("failed_renewal", moment(failed_renewal)),
            ("refused_session_token_sha256", text(over)),
        ] {
            if let Some(value) = value {
                document[key] = value;
            }
        }
        document
    }

    fn read(document: &Value) -> Self {
        let moment = |key: &str| document.get(key).and_then(Value::as_i64).map(UnixTime);
        let text = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
        Self {
            since: moment("since"),
            key: text("key_fingerprint"),
            login: Login {
                tenancy_name: text("tenancy_name"),
                identity_provider_name: text("identity_provider_name"),
            },
            failed_renewal: moment("failed_renewal"),
            over: text("refused_session_token_sha256"),
        }
    }
}

pub fn hash(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn kind(origin: &Origin) -> SessionFrom {
    match origin {
        Origin::Provider { .. } => SessionFrom::Provider,
        Origin::Workload { .. } => SessionFrom::Workload,
        Origin::Console { .. } => SessionFrom::Console,
    }
}

/// The keys of an origin with their values.
fn values(origin: &Origin) -> Vec<(&'static str, Half, Option<String>)> {
    match origin.clone() {
        Origin::Provider { issuer, token_url, auth_client_id, token_exchange_url, client_id } => vec![
            ("issuer", Half::Provider, issuer),
            ("token_url", Half::Provider, token_url),
            ("auth_client_id", Half::Provider, auth_client_id),
            ("token_exchange_url", Half::Exchange, token_exchange_url),
            ("client_id", Half::Exchange, client_id),
        ],
        Origin::Workload { token_exchange_url, client_id, requested_token } => vec![
            ("token_exchange_url", Half::Exchange, token_exchange_url),
            ("client_id", Half::Exchange, client_id),
            ("requested_token", Half::Exchange, requested_token),
        ],
        Origin::Console { console_url, auth_service_url } => vec![
            ("console_url", Half::Provider, console_url),
            ("auth_service_url", Half::Provider, auth_service_url),
        ],
    }
}

fn read(bytes: &[u8]) -> Option<Record> {
    let document: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    if document.get("version")? != 1 {
        return None;
    }
    let text = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
    // All values or none. A missing value matches any configuration, so the refresh token could be
    // sent to another provider.
    let session_from = match document.get("session_from") {
        // Older versions knew one kind and did not name it.
        None => ["token_url", "auth_client_id", "token_exchange_url", "client_id"]
            .iter()
            .any(|key| document.contains_key(*key))
            .then_some(SessionFrom::Provider),
        Some(word) => Some(SessionFrom::parse(word.as_str()?)?),
    };
    let origin = match session_from {
        None => None,
        Some(SessionFrom::Provider) => Some(Origin::Provider {
            issuer: match document.get("issuer") {
                None => None,
                Some(issuer) => Some(issuer.as_str()?.to_owned()),
            },
            token_url: Some(text("token_url")?),
            auth_client_id: Some(text("auth_client_id")?),
            token_exchange_url: Some(text("token_exchange_url")?),
            client_id: Some(text("client_id")?),
        }),
        Some(SessionFrom::Workload) => Some(Origin::Workload {
            token_exchange_url: Some(text("token_exchange_url")?),
            client_id: Some(text("client_id")?),
            requested_token: Some(text("requested_token")?),
        }),
        Some(SessionFrom::Console) => Some(Origin::Console {
            // The session's token is sent to the second one.
            console_url: Some(text("console_url").filter(|url| url::check(url).is_ok())?),
            auth_service_url: Some(text("auth_service_url").filter(|url| url::check(url).is_ok())?),
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
                "unsuccessful" => HowFailed::Unsuccessful,
                _ => HowFailed::Denied,
            },
            at: UnixTime(failed.get("at")?.as_i64()?),
            dead_file: failed.get("dead_file_sha256").and_then(Value::as_str).map(str::to_owned),
        }),
    };
    Some(Record {
        origin,
        identity,
        console: document.get("console").map(ConsoleRecord::read),
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

    fn provider(token_url: Option<&str>, client_id: &str) -> Origin {
        Origin::Provider {
            issuer: None,
            token_url: token_url.map(str::to_owned),
            auth_client_id: Some("a".into()),
            token_exchange_url: Some("x".into()),
            client_id: Some(client_id.into()),
        }
    }

    fn with_issuer(url: &str) -> Origin {
        let mut origin = provider(Some("https://old"), "c");
        if let Origin::Provider { issuer, .. } = &mut origin {
            *issuer = Some(url.into());
        }
        origin
    }

    fn console(console_url: Option<&str>) -> Origin {
        let auth_service_url = Some("https://auth.xx-one-1.example.com".into());
        Origin::Console { console_url: console_url.map(str::to_owned), auth_service_url }
    }

    fn workload(requested_token: &str) -> Origin {
        Origin::Workload {
            token_exchange_url: Some("x".into()),
            client_id: Some("c".into()),
            requested_token: Some(requested_token.into()),
        }
    }

    #[test]
    fn comes_back_as_written() {
        let full = Record {
            origin: Some(provider(Some("https://idp.example.com/token"), "c")),
            identity: Identity { user: Some("ocid1.user.oc1..a".into()), tenancy: None },
            identity_may_change: true,
            console: None,
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
        let workload = workload("rpst of githubactions");
        let of_console = Record {
            origin: Some(console(Some("https://login.xx-one-1.example.com"))),
            console: Some(ConsoleRecord {
                since: Some(UnixTime(1_795_467_599)),
                key: Some("aa:bb".into()),
                login: Login {
                    tenancy_name: Some("acme".into()),
                    identity_provider_name: Some("idp".into()),
                },
                failed_renewal: Some(UnixTime(1_795_467_600)),
                over: Some(hash("t")),
            }),
            ..Record::default()
        };
        let of_workload = Record { origin: Some(workload), ..Record::default() };
        let of_issuer = Record { origin: Some(with_issuer("https://idp.example.com")), ..Record::default() };
        for record in [full, damaged, of_console, of_workload, of_issuer, Record::default()] {
            assert_eq!(Record::parse(record.to_json().as_bytes()), record);
        }
    }

    #[test]
    fn names_what_changed() {
        let of = |origin: Origin| Record { origin: Some(origin), ..Record::default() };
        let record = of(provider(Some("https://old"), "c"));
        let new = provider(Some("https://new"), "c");
        assert_eq!(record.provider_change(Some(&provider(Some("https://old"), "c"))), None);
        assert_eq!(record.provider_change(Some(&provider(None, "c"))), None);
        assert_eq!(record.provider_change(None), None, "nothing is configured");
        let changed = record.provider_change(Some(&new));
        assert_eq!(changed.as_deref(), Some("token_url changed from https://old to https://new"));
        assert_eq!(record.exchange_change(Some(&new)), None);
        assert_eq!(Record::default().provider_change(Some(&new)), None);
        assert!(Record::parse(b"{").provider_change(Some(&new)).is_some());

        let of_another_client = provider(None, "d");
        assert_eq!(record.provider_change(Some(&of_another_client)), None);
        let changed = record.exchange_change(Some(&of_another_client));
        assert_eq!(changed.as_deref(), Some("client_id changed from c to d"));

        // A record of an older version names no issuer.
        assert_eq!(record.provider_change(Some(&with_issuer("https://one"))), None);
        let of_issuer = of(with_issuer("https://one"));
        assert_eq!(of_issuer.provider_change(Some(&provider(Some("https://old"), "c"))), None);
        let changed = of_issuer.provider_change(Some(&with_issuer("https://two")));
        assert_eq!(changed.as_deref(), Some("issuer changed from https://one to https://two"));

        let changed = record.provider_change(Some(&console(None)));
        assert_eq!(changed.as_deref(), Some("session_from changed from provider to console"));
        let record = of(workload("upst"));
        assert_eq!(record.exchange_change(Some(&workload("upst"))), None);
        let changed = record.exchange_change(Some(&workload("rpst of a")));
        assert_eq!(changed.as_deref(), Some("requested_token changed from upst to rpst of a"));

        let record = of(console(Some("https://one")));
        assert_eq!(record.provider_change(Some(&console(None))), None);
        let changed = record.provider_change(Some(&console(Some("https://two"))));
        assert_eq!(changed.as_deref(), Some("console_url changed from https://one to https://two"));
    }

    #[test]
    fn a_record_without_a_kind_is_that_of_a_provider() {
        let text =
            r#"{"version":1,"token_url":"t","auth_client_id":"a","token_exchange_url":"x","client_id":"c"}"#;
        assert_eq!(Record::parse(text.as_bytes()).origin, Some(provider(Some("t"), "c")));
        for other in ["5", "null", "\"nonsense\"", "\"console\""] {
            let text = format!(r#"{{"version":1,"session_from":{other}}}"#);
            assert!(Record::parse(text.as_bytes()).damaged, "{text}");
        }
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
