//! Interprets the answer of Oracle's sign-in: the fragment of the address `http://localhost:<port>/#…` becomes an
//! [`Answer`]. Pure.
//!
//! Any web page can send the browser to that address, with any fragment. Only an answer that names this sign-in's nonce
//! and this session's key can end the sign-in; any other is answered and ignored.

use crate::jwt;
use crate::oauth::url;
use crate::oci::{PublicKey, Upst};
use crate::printable;
use crate::secret::{self, Secret};

/// The meaning of a fragment.
pub enum Answer {
    /// The session token (UPST) of this sign-in.
    Token(Secret),
    /// An error response. Nothing shows that it belongs to this sign-in.
    Refused { error: String, description: Option<String> },
    /// An answer of Oracle's, to a sign-in with another key or nonce.
    OfAnother,
    /// Not an answer. Says why: `it …`.
    Stray(&'static str),
}

/// Interprets a fragment for the sign-in with this nonce and key. oci checks neither.
pub fn read(fragment: &str, nonce: &str, key: &PublicKey) -> Answer {
    let Some(parameters) = url::parse_form(fragment.as_bytes()) else {
        return Answer::Stray("it is damaged");
    };
    // Of two values, one may be an attacker's.
    let mut names: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Answer::Stray("it has a parameter twice");
    }
    let one = |name: &str| parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    if let Some(error) = one("error") {
        return Answer::Refused {
            error: printable::line(error),
            description: one("error_description").map(printable::line).filter(|text| !text.is_empty()),
        };
    }
    let Some(token) = one("security_token") else { return Answer::Stray("it has no security_token") };
    let Some(id_token) = one("id_token") else { return Answer::Stray("it has no id_token") };
    let Ok(upst) = Upst::parse(token) else { return Answer::Stray("its security_token is damaged") };
    let Some(is_ours) = upst.names(key) else { return Answer::Stray("its security_token names no key") };
    let Some(claims) = jwt::claims(id_token) else { return Answer::Stray("its id_token is damaged") };
    let Some(given) = claims.get("nonce").and_then(|nonce| nonce.as_str()) else {
        return Answer::Stray("its id_token has no nonce");
    };
    if is_ours && secret::is_same(given, nonce) {
        Answer::Token(upst.token().clone())
    } else {
        Answer::OfAnother
    }
}

/// The fragment of a pasted address.
///
/// # Errors
/// Why the text has none: `it …`.
pub fn fragment_of(text: &str, port: u16) -> Result<&str, &'static str> {
    let text = text.trim();
    let after_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    let has_scheme = after_scheme.len() < text.len();
    if has_scheme && !text.starts_with("http://") && !text.starts_with("https://") {
        return Err("it is not an address of this sign-in");
    }
    let own = format!("localhost:{port}");
    let rest = after_scheme.strip_prefix(own.as_str()).ok_or("it is not an address of this sign-in")?;
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    match rest.strip_prefix('#') {
        Some(fragment) if !fragment.is_empty() => Ok(fragment),
        None if !rest.is_empty() => Err("it is not an address of this sign-in"),
        _ => Err("it has no #security_token"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oci::PrivateKey;
    use crate::testing::{fixture, vectors};

    /// The nonce that the vectors in `fixtures/console` use, and keys/session.pem is their key.
    const NONCE: &str = "N4mJk8sQeT0aJb0eYq1xZ3vQf7nGdWkTtPpHhLlMmNn";

    fn session_key() -> PrivateKey {
        PrivateKey::parse(&fixture("keys/session.pem")).unwrap()
    }

    fn say(fragment: &str, nonce: &str) -> String {
        match read(fragment, nonce, session_key().public()) {
            Answer::Token(token) => format!("token of {} bytes", token.expose().len()),
            Answer::OfAnother => "of another sign-in".into(),
            Answer::Stray(why) => format!("stray: {why}"),
            Answer::Refused { error, description: None } => format!("refused {error}"),
            Answer::Refused { error, description: Some(why) } => format!("refused {error}: {why}"),
        }
    }

    #[test]
    fn every_vector_is_read_as_expected() {
        for vector in vectors::all("console") {
            let fragment = String::from_utf8(vector.bytes).unwrap();
            assert_eq!(say(fragment.trim_end_matches('\n'), NONCE), vector.expect, "{}", vector.name);
        }
    }

    #[test]
    fn long_texts_of_an_error_are_cut() {
        let fragment = format!("error={0}&error_description={0}", "x".repeat(10_000));
        assert_eq!(say(&fragment, NONCE), format!("refused {0}: {0}", "x".repeat(500)));
    }

    fn good() -> String {
        String::from_utf8(vectors::read("console", "token").bytes).unwrap().trim_end().to_owned()
    }

    #[test]
    fn the_token_is_returned_unchanged() {
        let token = good();
        let token = token.split('&').find_map(|pair| pair.strip_prefix("security_token=")).unwrap();
        let Answer::Token(read) = read(&good(), NONCE, session_key().public()) else { panic!("refused") };
        assert_eq!(read.expose(), token);
    }

    #[test]
    fn another_nonce_is_another_sign_in() {
        for nonce in ["", &NONCE[1..], &NONCE.to_lowercase()] {
            assert_eq!(say(&good(), nonce), "of another sign-in");
        }
    }

    #[test]
    fn an_address_is_accepted_as_browsers_show_it() {
        for text in [
            "http://localhost:8181/#a=b&c=d",
            "http://localhost:8181#a=b&c=d",
            "https://localhost:8181/#a=b&c=d",
            "localhost:8181/#a=b&c=d",
            "  localhost:8181/#a=b&c=d\t",
        ] {
            assert_eq!(fragment_of(text, 8181), Ok("a=b&c=d"), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_reason() {
        let not_of_this = "it is not an address of this sign-in";
        for (text, why) in [
            ("", not_of_this),
            ("ls -l", not_of_this),
            ("http://localhost:8182/#a=b", not_of_this),
            ("http://localhost:81811/#a=b", not_of_this),
            ("http://127.0.0.1:8181/#a=b", not_of_this),
            ("http://evil.example/localhost:8181/#a=b", not_of_this),
            ("ftp://localhost:8181/#a=b", not_of_this),
            ("https://login.eu-frankfurt-1.oraclecloud.com/v1/oauth2/authorize?action=login", not_of_this),
            ("http://localhost:8181/callback#a=b", not_of_this),
            ("http://localhost:8181/", "it has no #security_token"),
            ("http://localhost:8181", "it has no #security_token"),
            ("http://localhost:8181/#", "it has no #security_token"),
        ] {
            assert_eq!(fragment_of(text, 8181), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = say(&text, NONCE);
            let _ = fragment_of(&text, 8181);
            let _ = fragment_of(&format!("localhost:8181{text}"), 8181);
        }

        #[test]
        fn a_fragment_that_is_not_the_answer_is_no_token(before in "[ -~]{0,50}", after in "[ -~]{0,50}") {
            let text = format!("{before}&{after}");
            prop_assert!(!say(&text, NONCE).starts_with("token"));
            let _ = say(&format!("{before}&{}&{after}", good()), NONCE);
        }
    }
}
