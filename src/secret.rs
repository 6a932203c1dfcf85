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
