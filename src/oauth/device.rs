//! The device authorization grant (RFC 8628): the request for a code that the person types elsewhere, and the requests
//! that ask whether the person has done so.

use std::time::Duration;

use serde_json::{Map, Value};

use super::http::{Basic, Client, Endpoint, Retry};
use super::{DeviceForm, Provider, Tokens, token, url};
use crate::error::{DEVICE, Error, Result};
use crate::printable;
use crate::secret::Secret;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Where the answer has no interval (RFC 8628 section 3.2).
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
/// Nobody waits longer for a person, however long the code lives.
pub const LONGEST_LIFE: u64 = 15 * 60;
/// For one poll, so that the person is not kept waiting by a provider that does not answer.
const POLL_LIMIT: Duration = Duration::from_secs(30);
/// In characters. A longer code is none that a person types.
const LONGEST_USER_CODE: usize = 64;

/// The answer of the device authorization endpoint (RFC 8628 section 3.2).
pub struct DeviceCode {
    code: Secret,
    pub user_code: String,
    pub verification_uri: String,
    /// The same with the code in it.
    pub complete_uri: Option<String>,
    pub life: Duration,
    pub interval: Duration,
}

/// The answer to a poll.
pub enum Poll {
    Tokens(Tokens),
    /// The person has not finished.
    Pending,
    SlowDown,
    /// There was no answer, or one that says to come back later.
    NotNow(Error),
    /// The code has expired.
    Expired,
}

/// Requests a code at the endpoint `device_url`.
pub fn authorize(client: &mut Client<'_>, provider: &Provider, device_url: &str) -> Result<DeviceCode> {
    let endpoint = Endpoint { what: DEVICE, url: device_url };
    let mut fields = vec![("client_id", provider.client_id.as_str()), ("scope", &provider.scope)];
    let mut basic = provider
        .client_secret
        .as_ref()
        .map(|client_secret| Basic { client_id: &provider.client_id, client_secret });
    if provider.device_form == DeviceForm::Oracle {
        fields.push(("response_type", "device_code"));
        basic = None;
    }
    client.begin(POLL_LIMIT);
    let answer = client.post_form(&endpoint, basic.as_ref(), &fields, Retry::Unavailable)?;
    let encoded = basic.as_ref().map(Basic::encoded);
    let secrets: Vec<&Secret> = provider.client_secret.iter().chain(&encoded).collect();
    let document = token::success_document(&endpoint, &answer, &secrets)?;
    device_code(&document).map_err(|why| token::bad_answer(&endpoint, &why))
}

/// Asks once whether the person has finished.
///
/// # Errors
/// Those that end the sign-in; [`Error::Denied`] if the person has refused.
pub fn poll(client: &mut Client<'_>, provider: &Provider, code: &DeviceCode) -> Result<Poll> {
    client.begin(POLL_LIMIT);
    let fields = [("grant_type", GRANT), ("device_code", code.code.expose())];
    // Another request follows anyway.
    let answer = token::request(client, provider, &fields, &[&code.code], Retry::Never);
    let e = match answer {
        Ok(tokens) => return Ok(Poll::Tokens(tokens)),
        Err(e) => e,
    };
    let error = match &e {
        Error::Refused { error, status, .. } => match (error.as_deref(), status) {
            (Some(error @ ("authorization_pending" | "slow_down")), _) => error,
            // Whatever a server that is not ready says, it says nothing about the code.
            (_, 408 | 429 | 500..) => return Ok(Poll::NotNow(e)),
            (Some(error), _) => error,
            (None, _) => return Err(e),
        },
        Error::Unreachable { .. } | Error::Proxy { .. } => return Ok(Poll::NotNow(e)),
        _ => return Err(e),
    };
    Ok(match error {
        "authorization_pending" => Poll::Pending,
        "slow_down" => Poll::SlowDown,
        "expired_token" => Poll::Expired,
        "access_denied" => {
            let Error::Refused { why, .. } = e else { return Err(e) };
            return Err(Error::Denied { error: "access_denied".into(), description: why });
        }
        "temporarily_unavailable" | "server_error" => Poll::NotNow(e),
        _ => return Err(e),
    })
}

/// # Errors
/// Why the document is no answer: `its …`.
fn device_code(document: &Map<String, Value>) -> std::result::Result<DeviceCode, String> {
    let text = |name: &str| match document.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.as_str()),
        _ => None,
    };
    let code = text("device_code").filter(|code| token::is_token(code)).ok_or("it has no device_code")?;
    let user_code = text("user_code").ok_or("it has no user_code")?;
    if printable::line(user_code) != user_code || user_code.chars().count() > LONGEST_USER_CODE {
        return Err("its user_code is none that a person could type".into());
    }
    // Some providers use the name of an early draft.
    let uri = text("verification_uri").or(text("verification_url")).ok_or("it has no verification_uri")?;
    check_page(uri).map_err(|why| format!("its verification_uri cannot be opened: {why}"))?;
    let life = match document.get("expires_in") {
        None | Some(Value::Null) => return Err("it has no expires_in".into()),
        Some(life) => {
            seconds(life).filter(|life| *life > 0).ok_or("its expires_in is no number of seconds")?
        }
    };
    let interval = match document.get("interval") {
        None | Some(Value::Null) => DEFAULT_INTERVAL,
        Some(interval) => {
            let interval = seconds(interval).ok_or("its interval is no number of seconds")?;
            Duration::from_secs(interval.clamp(1, LONGEST_LIFE))
        }
    };
    Ok(DeviceCode {
        code: Secret::new(code.to_owned()),
        user_code: user_code.to_owned(),
        verification_uri: uri.to_owned(),
        complete_uri: text("verification_uri_complete")
            .filter(|uri| check_page(uri).is_ok())
            .map(str::to_owned),
        life: Duration::from_secs(life.min(LONGEST_LIFE)),
        interval,
    })
}

/// Whether a person may be sent to a page. Its address may have a fragment, as that of an application in the browser.
fn check_page(uri: &str) -> std::result::Result<(), String> {
    let (address, fragment) = uri.split_once('#').unwrap_or((uri, ""));
    url::check(address)?;
    match fragment.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(()),
        false => Err("it holds white space, control characters or non-ASCII characters".into()),
    }
}

/// A number, or a text that is one.
fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    }
}

/// What a person is shown of an answer is one printable line, and a page that may be opened.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    let Ok(document) = serde_json::from_slice::<Map<String, Value>>(bytes) else { return };
    let Ok(code) = device_code(&document) else { return };
    assert!(printable::line(&code.user_code) == code.user_code && token::is_token(code.code.expose()));
    for page in [Some(&code.verification_uri), code.complete_uri.as_ref()].into_iter().flatten() {
        assert!(page.bytes().all(|byte| byte.is_ascii_graphic()) && page.contains("://"));
    }
    assert!(code.life.as_secs() <= LONGEST_LIFE && code.interval.as_secs() >= 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> std::result::Result<DeviceCode, String> {
        device_code(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn an_answer_is_read_with_and_without_its_optional_members() {
        let code = read(
            r#"{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":"https://a.example/d",
                "verification_uri_complete":"https://a.example/#/d?c=WDJB","expires_in":1800,"interval":7}"#,
        )
        .unwrap();
        assert_eq!((code.code.expose(), &*code.user_code), ("d", "WDJB-MJHT"));
        assert_eq!(code.complete_uri.as_deref(), Some("https://a.example/#/d?c=WDJB"));
        assert_eq!((code.life.as_secs(), code.interval.as_secs()), (900, 7));

        let code = read(
            r#"{"device_code":"d","user_code":"u","verification_url":"https://a.example/d","expires_in":"300",
                "verification_uri_complete":"http://a.example/d?u","interval":null}"#,
        )
        .unwrap();
        assert_eq!(code.complete_uri, None, "it is optional, and a bad one is not shown");
        assert_eq!((code.life.as_secs(), code.interval.as_secs()), (300, 5));
    }

    #[test]
    fn an_answer_out_of_the_rfc_is_refused_with_the_reason() {
        let good = |name: &str| match name {
            "expires_in" | "interval" => "300",
            "verification_uri" => r#""https://a.example/d""#,
            _ => r#""abc""#,
        };
        for (name, value, why) in [
            ("device_code", "null", "it has no device_code"),
            ("device_code", r#""a\u0007""#, "it has no device_code"),
            ("user_code", r#""""#, "it has no user_code"),
            ("user_code", "5", "it has no user_code"),
            ("user_code", r#""a\u202eb""#, "its user_code is none that a person could type"),
            ("user_code", r#""a\nwoci: fine""#, "its user_code is none that a person could type"),
            ("verification_uri", "null", "it has no verification_uri"),
            (
                "verification_uri",
                r#""http://a.example/d""#,
                "its verification_uri cannot be opened: it is http",
            ),
            ("verification_uri", r#""javascript:alert(1)""#, "its verification_uri cannot be opened"),
            ("verification_uri", r#""https://a.example/\u001b[2J""#, "its verification_uri cannot be opened"),
            ("verification_uri", r#""https://a.example/#\u202e""#, "its verification_uri cannot be opened"),
            ("expires_in", "null", "it has no expires_in"),
            ("expires_in", "0", "its expires_in is no number of seconds"),
            ("expires_in", "-5", "its expires_in is no number of seconds"),
            ("expires_in", r#""soon""#, "its expires_in is no number of seconds"),
            ("interval", "[]", "its interval is no number of seconds"),
        ] {
            let member =
                |known: &&str| format!(r#""{known}":{}"#, if *known == name { value } else { good(known) });
            let names = ["device_code", "user_code", "verification_uri", "expires_in", "interval"];
            let json = format!("{{{}}}", names.iter().map(member).collect::<Vec<_>>().join(","));
            let said = read(&json).err().unwrap_or_else(|| panic!("{json} was taken"));
            assert!(said.starts_with(why), "{json}: {said}");
        }
        let long = format!(r#"{{"device_code":"d","user_code":"{}"}}"#, "x".repeat(65));
        assert!(read(&long).is_err_and(|why| why.contains("a person could type")));
    }
}
