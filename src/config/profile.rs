//! A profile's name, and the choice of one.

use std::fmt;

use crate::error::{Error, Result};

/// A name by oci's own rule, which is also what keeps a profile inside `sessions/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileName(String);

/// The section that oci's SDKs and, in `~/.oci/config`, all other sections fall back to.
pub const DEFAULT: &str = "DEFAULT";
/// The section of woci_manager.ini that gives values to every other, and is no profile.
pub const COMMON: &str = "COMMON";

impl ProfileName {
    pub fn new(name: &str) -> Result<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
        if name.is_empty() || !name.chars().all(allowed) || matches!(name, "." | ".." | COMMON) {
            return Err(Error::BadProfileName { name: name.to_owned() });
        }
        Ok(Self(name.to_owned()))
    }

    /// Where nobody named one: `[DEFAULT]`, else the only section, else `DEFAULT` if there is none.
    pub fn only_of(sections: &[String]) -> Result<Self> {
        let profiles: Vec<&str> =
            sections.iter().map(String::as_str).filter(|name| *name != COMMON).collect();
        match profiles[..] {
            [] => Self::new(DEFAULT),
            _ if profiles.contains(&DEFAULT) => Self::new(DEFAULT),
            [only] => Self::new(only),
            _ => Err(Error::NoProfile {
                why: format!("woci_manager.ini has several and no [DEFAULT]: {}", profiles.join(", ")),
            }),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_of(sections: &[&str]) -> Result<String> {
        let sections: Vec<String> = sections.iter().map(|&name| name.to_owned()).collect();
        ProfileName::only_of(&sections).map(|profile| profile.to_string())
    }

    #[test]
    fn names_are_those_that_oci_takes_and_stay_inside_the_sessions_folder() {
        for good in ["DEFAULT", "prod", "a.b_c-d@e", "...", "-x", "0", "common"] {
            assert_eq!(ProfileName::new(good).map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", ".", "..", "COMMON", "a/b", "../x", "a b", " a", "ä", "a\n", "a\0", "a:b", "~"] {
            assert_eq!(ProfileName::new(bad), Err(Error::BadProfileName { name: bad.to_owned() }));
        }
    }

    #[test]
    fn the_choice_follows_the_rules() {
        assert_eq!(only_of(&[]), Ok("DEFAULT".to_owned()));
        assert_eq!(only_of(&["COMMON"]), Ok("DEFAULT".to_owned()));
        assert_eq!(only_of(&["COMMON", "prod"]), Ok("prod".to_owned()));
        assert_eq!(only_of(&["prod", "DEFAULT", "dev"]), Ok("DEFAULT".to_owned()));
        let Err(Error::NoProfile { why }) = only_of(&["prod", "COMMON", "dev"]) else {
            panic!("a choice was made")
        };
        assert!(why.ends_with("prod, dev"), "{why}");
        assert_eq!(only_of(&["a b"]), Err(Error::BadProfileName { name: "a b".to_owned() }));
    }
}
