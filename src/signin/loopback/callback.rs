//! Interprets a request on the callback port: its target becomes a [`Callback`]. Pure.
//!
//! Any local program can send requests to the port, and any web page can make the browser send one.
//! Only a request with the `state` of this sign-in can end it; any other is answered and ignored.

use crate::error::{Error, Result};
use crate::oauth::{Iss, url};
use crate::printable;
use crate::secret::{self, Secret};

/// The meaning of a request on the callback port.
pub enum Callback {
    Answer(Answer),
    /// Not a response to this sign-in. Holds the HTTP status to answer with.
    Stray(u16),
}

/// A response to this sign-in.
pub enum Answer {
    /// The provider's success response (RFC 6749 section 4.1.2).
    Code(Secret),
    /// The provider's error response (RFC 6749 section 4.1.2.1).
    Denied { error: String, description: Option<String> },
    /// A response that another server may have sent, or that a page of that server has caused (RFC 9207 section 2.4).
    AnotherIssuer { named: Option<String>, expected: String },
}

impl Answer {
    /// # Errors
    /// [`Error::Denied`] or [`Error::AnotherIssuer`].
    pub fn code(self) -> Result<Secret> {
        match self {
            Self::Code(code) => Ok(code),
            Self::Denied { error, description } => Err(Error::Denied { error, description }),
            Self::AnotherIssuer { named, expected } => Err(Error::AnotherIssuer { named, expected }),
        }
    }
}

/// Interprets a request target for the sign-in with this `state`, whose redirect URI has the path `expected`. `iss` is
/// how the configured issuer names itself.
pub fn read(target: &str, expected: &str, state: &str, iss: Option<&Iss>) -> Callback {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path != expected {
        return Callback::Stray(404);
    }
    answer(query, state, iss).map_or(Callback::Stray(400), Callback::Answer)
}

/// A shorter text is no code: nobody could guess it, as RFC 6749 section 10.10 asks for.
const SHORTEST_CODE: usize = 8;

/// Interprets what a person pasted: the address of the last page of the sign-in with this `redirect_uri` and `state`,
/// or the code alone. PKCE makes the code of another sign-in useless.
///
/// # Errors
/// Why the text is neither: `it …`.
pub fn read_pasted(
    text: &str,
    redirect_uri: &str,
    state: &str,
    iss: Option<&Iss>,
) -> std::result::Result<Answer, &'static str> {
    const NEITHER: &str = "it is neither the address of this sign-in's last page nor its code";
    let text = text.trim();
    let bare = redirect_uri.strip_prefix("http://").unwrap_or(redirect_uri);
    let after = ["http://", "https://", ""]
        .into_iter()
        .find_map(|scheme| text.strip_prefix(scheme)?.strip_prefix(bare));
    if let Some(rest) = after.filter(|rest| rest.is_empty() || rest.starts_with(['?', '#'])) {
        let query = rest.split('#').next().unwrap_or_default().trim_start_matches('?');
        return answer(query, state, iss);
    }
    let is_code = text.len() >= SHORTEST_CODE
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !text.contains("://")
        && !text.contains(['?', '#', '&'])
        && !text.starts_with("code=");
    // Copied out of an address, it is encoded; a plus sign of its own stays one.
    let decoded = url::parse_form(format!("code={}", text.replace('+', "%2B")).as_bytes());
    let decoded = decoded.and_then(|mut pairs| pairs.pop());
    match decoded.filter(|(_, code)| is_code && !code.contains(char::is_control)) {
        Some(_) if iss.is_some_and(|iss| iss.is_always_sent) => {
            Err("it is a code alone, and the whole address also names the issuer")
        }
        Some((_, code)) => Ok(Answer::Code(Secret::new(code))),
        None => Err(NEITHER),
    }
}

/// # Errors
/// Why the parameters are no answer to this sign-in: `it …`.
fn answer(query: &str, state: &str, iss: Option<&Iss>) -> std::result::Result<Answer, &'static str> {
    let parameters = url::parse_form(query.as_bytes()).ok_or("it is damaged")?;
    let one = |name: &str| parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    // Checked first, for error responses too: a stray request must never end a sign-in.
    match one("state") {
        Some(given) if secret::is_same(given, state) => {}
        Some(_) => return Err("it belongs to another sign-in: it has another state"),
        None => return Err("it has no state"),
    }
    // A repeated parameter is refused (RFC 6749 section 3.1): of two values, one may be an attacker's.
    let mut names: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("it has a parameter twice");
    }
    // Neither code nor error of another server is of any use.
    if let Some(Iss { name, is_always_sent }) = iss
        && one("iss").map_or(*is_always_sent, |named| named != name)
    {
        return Ok(Answer::AnotherIssuer { named: one("iss").map(printable::line), expected: name.clone() });
    }
    // A response with both is contradictory, and its code is not used.
    match (one("error"), one("code")) {
        (Some(error), _) => Ok(Answer::Denied {
            error: printable::line(error),
            description: one("error_description").map(printable::line).filter(|text| !text.is_empty()),
        }),
        (None, Some(code)) if code.contains(char::is_control) => Err("its code holds control characters"),
        (None, Some(code)) if !code.is_empty() => Ok(Answer::Code(Secret::new(code.to_owned()))),
        _ => Err("it has no code"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::signin::request::{Accepts, Request};
    use crate::testing::vectors;

    /// The state that every vector in `fixtures/callback` uses.
    const STATE: &str = "S8lCrJ1mU0aJb0eYq1xZ3vQf7nGdWkTtPpHhLlMmNn4";

    const PATH: &str = "/callback";

    fn say(head: &[u8]) -> String {
        match Request::parse(head.to_vec(), Accepts::Gets)
            .map(|request| read(&request.target, PATH, STATE, None))
        {
            None => "refused".into(),
            Some(Callback::Stray(status)) => format!("stray {status}"),
            Some(Callback::Answer(Answer::Code(code))) => format!("code {}", code.expose()),
            Some(Callback::Answer(Answer::AnotherIssuer { .. })) => "of another issuer".into(),
            Some(Callback::Answer(Answer::Denied { error, description: None })) => format!("denied {error}"),
            Some(Callback::Answer(Answer::Denied { error, description: Some(why) })) => {
                format!("denied {error}: {why}")
            }
        }
    }

    #[test]
    fn every_vector_is_read_as_expected() {
        for vector in vectors::all("callback") {
            assert_eq!(say(&vector.bytes), vector.expect, "{}", vector.name);
        }
    }

    #[test]
    fn long_texts_of_the_provider_are_cut() {
        let target = format!("/callback?state={STATE}&error={0}&error_description={0}", "x".repeat(10_000));
        match read(&target, PATH, STATE, None) {
            Callback::Answer(Answer::Denied { error, description: Some(description) }) => {
                assert_eq!((error.len(), description.len()), (500, 500));
            }
            _ => panic!("not denied"),
        }
    }

    #[test]
    fn the_issuer_is_compared_before_the_code_or_the_error_is_used() {
        let iss = |is_always_sent| Iss { name: "https://idp.example.com".into(), is_always_sent };
        for (more, always, refused) in [
            ("&iss=https%3A%2F%2Fidp.example.com", true, None),
            ("&iss=https%3A%2F%2Fidp.example.com", false, None),
            ("", false, None),
            ("", true, Some(None)),
            ("&iss=", false, Some(Some(""))),
            ("&iss=https%3A%2F%2Fidp.example.com%2F", false, Some(Some("https://idp.example.com/"))),
            ("&iss=https%3A%2F%2Fevil.example.com", true, Some(Some("https://evil.example.com"))),
        ] {
            for answer in ["code=C0DE", "error=access_denied"] {
                let target = format!("/callback?{answer}&state={STATE}{more}");
                let found = match read(&target, PATH, STATE, Some(&iss(always))) {
                    Callback::Answer(Answer::AnotherIssuer { named, expected }) => {
                        assert_eq!(expected, "https://idp.example.com");
                        Some(named)
                    }
                    Callback::Stray(status) => panic!("{target}: stray {status}"),
                    Callback::Answer(Answer::Code(_) | Answer::Denied { .. }) => None,
                };
                assert_eq!(found, refused.map(|named| named.map(str::to_owned)), "{target}");
            }
        }
        // A wrong state comes first, and two issuers are a stray as any repeated parameter is.
        for stray in [
            "/callback?code=1&state=x&iss=https%3A%2F%2Fevil.example.com".to_owned(),
            format!("/callback?code=1&state={STATE}&iss=a&iss=b"),
        ] {
            assert!(matches!(read(&stray, PATH, STATE, Some(&iss(true))), Callback::Stray(400)), "{stray}");
        }
    }

    const URI: &str = "http://127.0.0.1:8181/callback";

    fn pasted(text: &str) -> String {
        match read_pasted(text, URI, STATE, None) {
            Ok(Answer::Code(code)) => format!("code {}", code.expose()),
            Ok(Answer::Denied { error, .. }) => format!("denied {error}"),
            Ok(Answer::AnotherIssuer { .. }) => "of another issuer".to_owned(),
            Err(why) => why.to_owned(),
        }
    }

    #[test]
    fn an_address_or_a_code_is_accepted_as_people_copy_it() {
        for (text, expected) in [
            (format!("{URI}?code=C0DE&state={STATE}"), "code C0DE"),
            (format!("  {URI}?state={STATE}&code=a%2Fb+c#_=_\t"), "code a/b c"),
            (format!("127.0.0.1:8181/callback?code=C0DE&state={STATE}&iss=x"), "code C0DE"),
            (format!("https://127.0.0.1:8181/callback?code=C0DE&state={STATE}"), "code C0DE"),
            (format!("{URI}?error=access_denied&state={STATE}"), "denied access_denied"),
            ("0.AXoA-_.~/+==".into(), "code 0.AXoA-_.~/+=="),
            ("4%2F0AX4XfWh".into(), "code 4/0AX4XfWh"),
        ] {
            assert_eq!(pasted(&text), expected, "{text}");
        }
    }

    #[test]
    fn any_other_text_is_refused_with_the_reason() {
        let neither = "it is neither the address of this sign-in's last page nor its code";
        let another = "it belongs to another sign-in: it has another state";
        for (text, expected) in [
            ("".into(), neither),
            ("ls".into(), neither),
            ("rm -rf canary".into(), neither),
            ("códigocódigo".into(), neither),
            ("a%zzaaaaaaaa".into(), neither),
            ("a%00aaaaaaaa".into(), neither),
            (format!("{URI}?code=a%0db&state={STATE}"), "its code holds control characters"),
            (format!("code=C0DEC0DE&state={STATE}"), neither),
            (format!("http://127.0.0.1:8182/callback?code=C0DE&state={STATE}"), neither),
            (format!("{URI}2?code=C0DE&state={STATE}"), neither),
            (format!("https://idp.example.com/authorize?code=C0DE&state={STATE}"), neither),
            (format!("{URI}?code=C0DE&state=x"), another),
            (format!("{URI}?error=access_denied&state=x"), another),
            (format!("{URI}?error=access_denied"), "it has no state"),
            (format!("{URI}?code=C0DE"), "it has no state"),
            (format!("{URI}?code=C0DE&code=x&state={STATE}"), "it has a parameter twice"),
            (format!("{URI}?code=C0DE&state={STATE}&state={STATE}"), "it has a parameter twice"),
            (format!("{URI}?code=%zz&state={STATE}"), "it is damaged"),
            (format!("{URI}?state={STATE}"), "it has no code"),
            (format!("{URI}?code=&state={STATE}"), "it has no code"),
            (URI.into(), "it has no state"),
        ] {
            assert_eq!(pasted(&text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_paste_makes_it_panic(text: String) {
            let _ = pasted(&text);
            let _ = pasted(&format!("{URI}{text}"));
        }

        #[test]
        fn no_bytes_make_it_panic(head: Vec<u8>) {
            let _ = say(&head);
        }

        #[test]
        fn a_query_without_the_state_is_stray(query in "[ -~]{0,200}") {
            let target = format!("/callback?{query}");
            prop_assert!(matches!(read(&target, PATH, STATE, None), Callback::Stray(400)));
        }

        #[test]
        fn a_query_with_the_state_never_panics(before in "[ -~]{0,50}", after in "[ -~]{0,50}") {
            let _ = read(&format!("/callback?{before}&state={STATE}&{after}"), PATH, STATE, None);
        }

        #[test]
        fn any_encoded_code_is_read_unchanged(code in "\\PC{1,200}") {
            let target = format!("/callback?{}", url::form(&[("code", &code), ("state", STATE)]));
            prop_assert!(matches!(read(&target, PATH, STATE, None), Callback::Answer(Answer::Code(read)) if read.expose() == code));
        }
    }
}
