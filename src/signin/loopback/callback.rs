//! Interprets a request on the callback port: its target becomes a [`Callback`]. Pure.
//!
//! Any local program can send requests to the port, and any web page can make the browser send one.
//! Only a request with the `state` of this sign-in can end it; any other is answered and ignored.

use crate::oauth::url;
use crate::printable;
use crate::secret::{self, Secret};

/// The meaning of a request on the callback port.
pub enum Callback {
    /// The provider's success response (RFC 6749 section 4.1.2).
    Code(Secret),
    /// The provider's error response (RFC 6749 section 4.1.2.1).
    Denied { error: String, description: Option<String> },
    /// Not a response to this sign-in. Holds the HTTP status to answer with.
    Stray(u16),
}

/// Interprets a request target for the sign-in with this `state`, whose redirect URI has the path `expected`.
pub fn read(target: &str, expected: &str, state: &str) -> Callback {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path != expected {
        return Callback::Stray(404);
    }
    answer(query, state).unwrap_or(Callback::Stray(400))
}

fn answer(query: &str, state: &str) -> Option<Callback> {
    let parameters = url::parse_form(query.as_bytes())?;
    let one = |name: &str| parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    // Checked first, for error responses too: a stray request must never end a sign-in.
    if !one("state").is_some_and(|given| secret::is_same(given, state)) {
        return None;
    }
    // A repeated parameter is refused (RFC 6749 section 3.1): of two values, one may be an attacker's.
    let mut names: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return None;
    }
    // A response with both is contradictory, and its code is not used.
    match (one("error"), one("code")) {
        (Some(error), _) => Some(Callback::Denied {
            error: printable::line(error),
            description: one("error_description").map(printable::line).filter(|text| !text.is_empty()),
        }),
        (None, Some(code)) if !code.is_empty() => Some(Callback::Code(Secret::new(code.to_owned()))),
        _ => None,
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
        match Request::parse(head.to_vec(), Accepts::Gets).map(|request| read(&request.target, PATH, STATE)) {
            None => "refused".into(),
            Some(Callback::Stray(status)) => format!("stray {status}"),
            Some(Callback::Code(code)) => format!("code {}", code.expose()),
            Some(Callback::Denied { error, description: None }) => format!("denied {error}"),
            Some(Callback::Denied { error, description: Some(why) }) => format!("denied {error}: {why}"),
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
        match read(&target, PATH, STATE) {
            Callback::Denied { error, description: Some(description) } => {
                assert_eq!((error.len(), description.len()), (500, 500));
            }
            _ => panic!("not denied"),
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(head: Vec<u8>) {
            let _ = say(&head);
        }

        #[test]
        fn a_query_without_the_state_is_stray(query in "[ -~]{0,200}") {
            let target = format!("/callback?{query}");
            prop_assert!(matches!(read(&target, PATH, STATE), Callback::Stray(400)));
        }

        #[test]
        fn a_query_with_the_state_never_panics(before in "[ -~]{0,50}", after in "[ -~]{0,50}") {
            let _ = read(&format!("/callback?{before}&state={STATE}&{after}"), PATH, STATE);
        }

        #[test]
        fn any_encoded_code_is_read_unchanged(code in ".{1,200}") {
            let target = format!("/callback?{}", url::form(&[("code", &code), ("state", STATE)]));
            prop_assert!(matches!(read(&target, PATH, STATE), Callback::Code(read) if read.expose() == code));
        }
    }
}
