//! The document in which a provider publishes its endpoints: OpenID Connect Discovery 1.0, and RFC 8414 for providers
//! without it. Reads the document and its copy on disk, both pure, and gets it.

use std::fmt;

use serde_json::{Map, Value, json};

use super::http::{Client, Endpoint, Retry};
use super::{token, url};
use crate::error::{DISCOVERY, Error, Result};
use crate::printable;
use crate::time::UnixTime;

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// Longer than any URL that browsers and servers accept.
const LONGEST_URL: usize = 2_000;

const AUTHORIZATION: &str = "authorization_endpoint";
const TOKEN: &str = "token_endpoint";
const DEVICE: &str = "device_authorization_endpoint";
const REVOCATION: &str = "revocation_endpoint";
/// Where the provider's signing keys are. woci does not need them; the identity domain does.
const KEYS: &str = "jwks_uri";
const SENDS_ISS: &str = "authorization_response_iss_parameter_supported";

/// A provider as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Its document is found below this URL.
    pub url: String,
    /// The name that the provider gives itself, if that is another one.
    pub expected: Option<String>,
}

impl Issuer {
    /// What the provider calls itself, in its document and in its answers.
    pub fn name(&self) -> &str {
        self.expected.as_deref().unwrap_or(&self.url)
    }

    /// Where its document is, unless only RFC 8414 says so.
    pub fn document_url(&self) -> String {
        let [openid, _] = places(&self.url);
        openid
    }
}

/// What a provider says of itself. Each endpoint is an absolute URL to which tokens may be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    pub authorization_endpoint: Option<String>,
    pub token_endpoint: Option<String>,
    pub device_authorization_endpoint: Option<String>,
    pub revocation_endpoint: Option<String>,
    /// Each of the provider's answers to a sign-in names its issuer (RFC 9207).
    pub sends_iss: bool,
}

/// A document as it is kept on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    /// The URL of the configured issuer, and the name that its document had to give.
    pub issuer: String,
    pub name: String,
    pub read_at: UnixTime,
    pub document: Document,
}

impl Document {
    /// Reads the document that was found at `place`.
    ///
    /// # Errors
    /// The reason why the document is not one of this issuer, or names an endpoint that must not be used.
    pub fn read(
        members: &Map<String, Value>,
        place: &str,
        issuer: &Issuer,
    ) -> std::result::Result<Self, String> {
        match members.get("issuer").and_then(Value::as_str) {
            Some(name) if name == issuer.name() => {}
            Some(name) => {
                let name = printable::line(name);
                return Err(format!("its issuer is {name}, and the configured one is {}", issuer.name()));
            }
            None => return Err("it names no issuer".into()),
        }
        let endpoint = |name: &str| endpoint(members.get(name), name, |text| url::resolve(place, text));
        Ok(Self {
            authorization_endpoint: endpoint(AUTHORIZATION)?,
            token_endpoint: endpoint(TOKEN)?,
            device_authorization_endpoint: endpoint(DEVICE)?,
            revocation_endpoint: endpoint(REVOCATION)?,
            sends_iss: members.get(SENDS_ISS) == Some(&Value::Bool(true)),
        })
    }

    /// The members of the document that are kept.
    fn endpoints(&self) -> [(&'static str, Option<&String>); 4] {
        [
            (AUTHORIZATION, self.authorization_endpoint.as_ref()),
            (TOKEN, self.token_endpoint.as_ref()),
            (DEVICE, self.device_authorization_endpoint.as_ref()),
            (REVOCATION, self.revocation_endpoint.as_ref()),
        ]
    }
}

/// An endpoint of a document: none if the document has none.
fn endpoint(
    member: Option<&Value>,
    name: &str,
    resolve: impl FnOnce(&str) -> String,
) -> std::result::Result<Option<String>, String> {
    let refused = |why: &dyn fmt::Display| Err(format!("its {name} cannot be used: {why}"));
    match member {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => refused(&"it is empty"),
        Some(Value::String(text)) if text.len() > LONGEST_URL => {
            refused(&format!("it is longer than {LONGEST_URL} characters"))
        }
        Some(Value::String(text)) => {
            let absolute = resolve(text);
            match url::check(&absolute) {
                Ok(()) => Ok(Some(absolute)),
                Err(why) => refused(&format!("{} ({why})", printable::line(&absolute))),
            }
        }
        Some(_) => refused(&"it is not a text"),
    }
}

impl StoredDocument {
    /// Reads a copy that [`StoredDocument::to_json`] has written. `None` if it is anything else: the document is then
    /// read again at the provider.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let members: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let endpoint = |name: &str| endpoint(members.get(name), name, str::to_owned).ok();
        let known = ["version", "issuer", "issuer_expected", "read_at", SENDS_ISS];
        let endpoints = [AUTHORIZATION, TOKEN, DEVICE, REVOCATION];
        if members.get("version")? != 1
            || !members.keys().all(|name| known.contains(&&**name) || endpoints.contains(&&**name))
        {
            return None;
        }
        Some(Self {
            issuer: text("issuer")?,
            name: text("issuer_expected")?,
            read_at: UnixTime(members.get("read_at")?.as_i64()?),
            document: Document {
                authorization_endpoint: endpoint(AUTHORIZATION)?,
                token_endpoint: endpoint(TOKEN)?,
                device_authorization_endpoint: endpoint(DEVICE)?,
                revocation_endpoint: endpoint(REVOCATION)?,
                sends_iss: members.get(SENDS_ISS)?.as_bool()?,
            },
        })
    }

    pub fn to_json(&self) -> String {
        let Self { issuer, name, read_at, document } = self;
        let mut copy = json!({
            "version": 1,
            "issuer": issuer,
            "issuer_expected": name,
            "read_at": read_at.0,
            SENDS_ISS: document.sends_iss,
        });
        for (name, endpoint) in document.endpoints() {
            if let Some(endpoint) = endpoint {
                copy[name] = json!(endpoint);
            }
        }
        format!("{copy:#}\n")
    }

    /// Whether this is the document of a configured issuer.
    pub fn is_of(&self, issuer: &Issuer) -> bool {
        self.issuer == issuer.url && self.name == issuer.name()
    }
}

/// Gets the document from the provider. Nothing of the session is sent.
///
/// # Errors
/// [`Error::Discovery`] if the document says what must not be followed. Every other error means that there is no
/// document to be had now.
pub fn get(client: &Client<'_>, issuer: &Issuer, retry: Retry) -> Result<Document> {
    get_with_keys(client, issuer, retry).map(|(document, _)| document)
}

/// The same, and the URL of the provider's signing keys.
pub fn get_with_keys(
    client: &Client<'_>,
    issuer: &Issuer,
    retry: Retry,
) -> Result<(Document, Option<String>)> {
    let [openid, oauth] = places(&issuer.url);
    match get_at(client, &openid, issuer, retry) {
        Err(missing @ Error::Refused { status: 404, .. }) => match get_at(client, &oauth, issuer, retry) {
            // A person looks for the first one.
            Err(Error::Refused { status: 404, .. }) => Err(missing),
            document => document,
        },
        document => document,
    }
}

fn get_at(
    client: &Client<'_>,
    place: &str,
    issuer: &Issuer,
    retry: Retry,
) -> Result<(Document, Option<String>)> {
    let endpoint = Endpoint { what: DISCOVERY, url: place };
    let answer = client.get(&endpoint, &[], retry)?;
    let members = match answer.status {
        200 => token::object(&endpoint, &answer)?,
        _ => token::success_document(&endpoint, &answer, &[])?,
    };
    let document = Document::read(&members, place, issuer)
        .map_err(|why| Error::Discovery { url: place.to_owned(), why })?;
    let keys = self::endpoint(members.get(KEYS), KEYS, |text| url::resolve(place, text)).ok().flatten();
    Ok((document, keys))
}

/// Where the document can be, the first place first. RFC 8414 section 3.1 puts its well-known path before that of the
/// issuer.
fn places(issuer: &str) -> [String; 2] {
    let issuer = issuer.trim_end_matches('/');
    let authority = issuer.find("://").map_or(0, |at| at + 3);
    let path = issuer[authority..].find('/').map_or(issuer.len(), |at| authority + at);
    [format!("{issuer}{OPENID}"), format!("{}{OAUTH}{}", &issuer[..path], &issuer[path..])]
}

/// Reads any bytes as a document and as a copy.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    let issuer = Issuer { url: "https://idp.example.com/a".into(), expected: None };
    if let Ok(members) = serde_json::from_slice::<Map<String, Value>>(bytes)
        && let Ok(document) = Document::read(&members, "https://idp.example.com/a/b", &issuer)
    {
        assert!(document.endpoints().iter().all(|(_, url)| url.is_none_or(|url| url::check(url).is_ok())));
        let copy =
            StoredDocument { issuer: issuer.url.clone(), name: issuer.url, read_at: UnixTime(1), document };
        assert!(StoredDocument::parse(copy.to_json().as_bytes()) == Some(copy));
    }
    if let Some(copy) = StoredDocument::parse(bytes) {
        assert!(StoredDocument::parse(copy.to_json().as_bytes()) == Some(copy));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: &str = "https://idp.example.com/a/.well-known/openid-configuration";

    fn issuer() -> Issuer {
        Issuer { url: "https://idp.example.com/a".into(), expected: None }
    }

    fn read(document: &Value) -> std::result::Result<Document, String> {
        Document::read(document.as_object().unwrap(), PLACE, &issuer())
    }

    fn document() -> Value {
        json!({
            "issuer": "https://idp.example.com/a",
            "authorization_endpoint": "https://idp.example.com/authorize?x=y",
            "token_endpoint": "https://tokens.example.com/token",
            "userinfo_endpoint": "http://not.asked.for/",
            SENDS_ISS: true,
        })
    }

    #[test]
    fn a_document_gives_its_endpoints() {
        let found = read(&document()).unwrap();
        assert_eq!(found.token_endpoint.as_deref(), Some("https://tokens.example.com/token"));
        assert_eq!(found.authorization_endpoint.as_deref(), Some("https://idp.example.com/authorize?x=y"));
        assert_eq!((found.device_authorization_endpoint, found.revocation_endpoint), (None, None));
        assert!(found.sends_iss);
    }

    #[test]
    fn a_relative_endpoint_is_resolved_against_the_place_of_the_document() {
        let mut document = document();
        for (text, expected) in [
            ("/oauth2/v1/token", "https://idp.example.com/oauth2/v1/token"),
            ("../token", "https://idp.example.com/a/token"),
            ("//other.example.com/token", "https://other.example.com/token"),
        ] {
            document[TOKEN] = text.into();
            assert_eq!(read(&document).unwrap().token_endpoint.as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_document_of_another_issuer_is_refused_and_both_are_named() {
        for (name, expected) in [
            (
                json!("https://evil.example.com"),
                "its issuer is https://evil.example.com, and the configured one is https://idp.example.com/a",
            ),
            // The names are compared as they are (OpenID Connect Discovery 1.0 section 4.3).
            (
                json!("https://idp.example.com/a/"),
                "its issuer is https://idp.example.com/a/, and the configured one is https://idp.example.com/a",
            ),
            (json!(null), "it names no issuer"),
            (json!(["https://idp.example.com/a"]), "it names no issuer"),
        ] {
            let mut document = document();
            document["issuer"] = name;
            assert_eq!(read(&document).err().as_deref(), Some(expected));
            let expected = Some("https://idp.example.com/a/".to_owned());
            let renamed = Issuer { expected, ..issuer() };
            let found = Document::read(document.as_object().unwrap(), PLACE, &renamed);
            assert_eq!(found.is_ok(), document["issuer"] == "https://idp.example.com/a/");
        }
    }

    #[test]
    fn an_endpoint_that_tokens_must_not_be_sent_to_is_refused() {
        for name in [AUTHORIZATION, TOKEN, DEVICE, REVOCATION] {
            for bad in [
                json!("http://idp.example.com/x"),
                json!("https://user@idp.example.com/x"),
                json!("https://idp.example.com/#x"),
                json!("javascript:alert(1)"),
                json!("a b"),
                json!(""),
                json!(5),
                json!(format!("https://idp.example.com/{}", "x".repeat(LONGEST_URL))),
            ] {
                let mut document = document();
                document[name] = bad.clone();
                let why = read(&document).unwrap_err();
                assert!(why.starts_with(&format!("its {name} cannot be used: ")), "{bad}: {why}");
            }
        }
    }

    #[test]
    fn the_well_known_paths_are_where_the_rfcs_say() {
        for (issuer, openid, oauth) in [
            ("https://a.example", "https://a.example/W/openid", "https://a.example/W/oauth"),
            ("https://a.example/", "https://a.example/W/openid", "https://a.example/W/oauth"),
            (
                "https://a.example:8/b/c/",
                "https://a.example:8/b/c/W/openid",
                "https://a.example:8/W/oauth/b/c",
            ),
        ] {
            let whole = |place: &str| {
                let place = place.replace("W/openid", ".well-known/openid-configuration");
                place.replace("W/oauth", ".well-known/oauth-authorization-server")
            };
            assert_eq!(places(issuer), [whole(openid), whole(oauth)]);
        }
    }

    #[test]
    fn a_copy_comes_back_as_written_and_anything_else_is_none() {
        let document = read(&document()).unwrap();
        let copy = StoredDocument {
            issuer: "https://idp.example.com/a".into(),
            name: "https://idp.example.com/a".into(),
            read_at: UnixTime(1_795_467_599),
            document,
        };
        assert_eq!(StoredDocument::parse(copy.to_json().as_bytes()), Some(copy.clone()));
        assert!(copy.is_of(&issuer()));
        assert!(!copy.is_of(&Issuer { url: "https://idp.example.com/b".into(), expected: None }));
        assert!(!copy.is_of(&Issuer { expected: Some("https://b.example.com".into()), ..issuer() }));
        let text = copy.to_json();
        for damaged in [
            String::new(),
            text.replace("1795467599", "\"now\""),
            text.replace("\"version\": 1", "\"version\": 2"),
            text.replace("https://tokens", "http://tokens"),
            text.replace("\"issuer\"", "\"issuers\""),
            text.replace(": true", ": \"true\""),
        ] {
            assert_eq!(StoredDocument::parse(damaged.as_bytes()), None, "{damaged}");
        }
    }

    proptest! {
        #[test]
        fn no_document_makes_it_panic_or_gives_an_endpoint_that_must_not_be_used(text in any::<String>(), path in "[./?#a:@%]{0,12}") {
            for endpoint in [text, path] {
                let mut document = document();
                document[TOKEN] = endpoint.into();
                if let Ok(Document { token_endpoint: Some(url), .. }) = read(&document) {
                    prop_assert_eq!(url::check(&url), Ok(()));
                }
            }
        }

        #[test]
        fn no_bytes_of_a_copy_make_it_panic(bytes: Vec<u8>) {
            let _ = StoredDocument::parse(&bytes);
        }
    }
}
