//! What a request on the callback port says: a request head -> [`Callback`]. Pure.
//!
//! Any local program can reach the port, and any web page can make the browser do so. Only who knows
//! the `state` of this sign-in is heard; everybody else is a stray, answered and waited past.

use std::hint::black_box;

use crate::oauth::url;
use crate::secret::Secret;

/// The provider's redirect (RFC 6749 section 4.1.2), or something else.
pub enum Callback {
    Code(Secret),
    Denied {
        error: String,
        description: Option<String>,
    },
    /// Not the provider's answer to this sign-in; with the HTTP status it is given.
    Stray(u16),
}

/// The target of a GET without a body, in visible ASCII; of anything else `None`.
pub fn target(head: &[u8]) -> Option<&str> {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let mut words = lines.next()?.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_plain = method == b"GET"
        && target.starts_with(b"/")
        && target.iter().all(u8::is_ascii_graphic)
        && matches!(version, b"HTTP/1.1" | b"HTTP/1.0")
        && words.next().is_none()
        && !lines.any(announces_body);
    if is_plain { str::from_utf8(target).ok() } else { None }
}

fn announces_body(line: &[u8]) -> bool {
    let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
    let (name, value) = line.split_at(colon);
    match name.trim_ascii() {
        name if name.eq_ignore_ascii_case(b"content-length") => value.trim_ascii_end() != b": 0",
        name => name.eq_ignore_ascii_case(b"transfer-encoding"),
    }
}

/// What the request for `target` means to the sign-in with this `state`.
pub fn read(target: &str, state: &str) -> Callback {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path != "/callback" {
        return Callback::Stray(404);
    }
    answer(query, state).unwrap_or(Callback::Stray(400))
}

fn answer(query: &str, state: &str) -> Option<Callback> {
    let parameters = url::parse_form(query.as_bytes())?;
    let one = |name: &str| parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    // Before anything else, for an error too: a stray must never end a person's sign-in.
    if !one("state").is_some_and(|given| is_same(given, state)) {
        return None;
    }
    // RFC 6749 section 3.1. Of two states, the first may be the right one and the second an attacker's.
    let mut names: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return None;
    }
    // An answer that is both contradicts itself; its code is not used.
    match (one("error"), one("code")) {
        (Some(error), _) => Some(Callback::Denied {
            error: shorten(error),
            description: one("error_description").filter(|text| !text.is_empty()).map(shorten),
        }),
        (None, Some(code)) if !code.is_empty() => Some(Callback::Code(Secret::new(code.to_owned()))),
        _ => None,
    }
}

/// Takes as long for a near miss as for any other.
fn is_same(given: &str, expected: &str) -> bool {
    let pairs = given.bytes().zip(expected.bytes());
    let difference = pairs.fold(0, |difference, (a, b)| black_box(difference | (a ^ b)));
    given.len() == expected.len() && difference == 0
}

/// What a person may still read on a page and in one line.
fn shorten(text: &str) -> String {
    const MOST: usize = 300;
    text.chars().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::vectors;

    /// Of every vector in `fixtures/callback`.
    const STATE: &str = "S8lCrJ1mU0aJb0eYq1xZ3vQf7nGdWkTtPpHhLlMmNn4";

    fn say(head: &[u8]) -> String {
        match target(head).map(|target| read(target, STATE)) {
            None => "refused".into(),
            Some(Callback::Stray(status)) => format!("stray {status}"),
            Some(Callback::Code(code)) => format!("code {}", code.expose()),
            Some(Callback::Denied { error, description: None }) => format!("denied {error}"),
            Some(Callback::Denied { error, description: Some(why) }) => format!("denied {error}: {why}"),
        }
    }

    #[test]
    fn vectors() {
        for vector in vectors::all("callback") {
            assert_eq!(say(&vector.bytes), vector.expect, "{}", vector.name);
        }
    }

    #[test]
    fn what_a_provider_says_is_cut_to_what_can_be_read() {
        let target = format!("/callback?state={STATE}&error={0}&error_description={0}", "x".repeat(10_000));
        match read(&target, STATE) {
            Callback::Denied { error, description: Some(description) } => {
                assert_eq!((error.len(), description.len()), (300, 300));
            }
            _ => panic!("not denied"),
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_or_not(head: Vec<u8>) {
            let _ = say(&head);
        }

        #[test]
        fn a_query_without_the_state_is_a_stray(query in "[ -~]{0,200}") {
            let target = format!("/callback?{query}");
            prop_assert!(matches!(read(&target, STATE), Callback::Stray(400)));
        }

        #[test]
        fn a_query_with_the_state_never_panics(before in "[ -~]{0,50}", after in "[ -~]{0,50}") {
            let _ = read(&format!("/callback?{before}&state={STATE}&{after}"), STATE);
        }

        #[test]
        fn a_code_comes_back_whatever_it_holds(code in ".{1,200}") {
            let target = format!("/callback?{}", url::form(&[("code", &code), ("state", STATE)]));
            prop_assert!(matches!(read(&target, STATE), Callback::Code(read) if read.expose() == code));
        }

        #[test]
        fn only_the_state_is_the_state(given in ".*") {
            prop_assert!(!is_same(&given, STATE));
            prop_assert!(is_same(&given, &given));
        }

        #[test]
        fn a_target_holds_nothing_that_a_request_line_ends_at(head: Vec<u8>, tail in "[!-~]{0,40}") {
            let line = [b"GET /".as_slice(), &head, tail.as_bytes(), b" HTTP/1.1\r\n\r\n"].concat();
            if let Some(target) = target(&line) {
                prop_assert!(target.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
