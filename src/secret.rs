//! Secret text: without `Debug` and `Display`, so that it cannot be printed by accident, and wiped from
//! memory when dropped. And the comparison of texts that nobody may guess.

use std::hint::black_box;

use zeroize::Zeroizing;

/// A token, client secret, passphrase, code or verifier.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the places where it leaves the program: a request, a file or stdout.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The one line that a program printed or a file holds, without its line end; `None` if there is nothing.
///
/// # Errors
/// What there is in place of one line of text.
pub fn one_line(bytes: &[u8]) -> Result<Option<Secret>, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "something that is not UTF-8 text")?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains('\n') {
        return Err("more than one line");
    }
    if line.contains(char::is_control) {
        return Err("a control character");
    }
    Ok((!line.is_empty()).then(|| Secret::new(line.to_owned())))
}

/// Compares in constant time, so that a timing attack does not reveal how much of a guess is right.
pub fn is_same(given: &str, expected: &str) -> bool {
    let pairs = given.bytes().zip(expected.bytes());
    let difference = pairs.fold(0, |difference, (a, b)| black_box(difference | (a ^ b)));
    given.len() == expected.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::is_same;

    proptest! {
        #[test]
        fn a_text_is_the_same_only_as_itself(given in ".*") {
            prop_assert!(is_same(&given, &given));
            let (longer, other) = (format!("{given}x"), format!("{given}y"));
            prop_assert!(!is_same(&given, &longer));
            prop_assert!(!is_same(&other, &longer));
        }
    }
}
