//! The name of a profile, and the choice of a profile if none is named.

use std::fmt;

use crate::error::{Error, Result};

/// A valid profile name by oci's rule: `^[A-Za-z0-9._\-@]+$`, and not `.` or `..`. The rule also keeps a
/// profile's folder inside `sessions/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileName(String);

/// The profile that oci uses if none is named. In `~/.oci/config`, the other sections inherit its values.
pub const DEFAULT: &str = "DEFAULT";
/// The section of woci_manager.ini whose values apply to every profile. It is not a profile itself.
pub const COMMON: &str = "COMMON";

/// A profile has a folder of its name, and no file system takes a longer one.
const LONGEST: usize = 255;

impl ProfileName {
    /// # Errors
    /// [`Error::BadProfileName`] if oci would refuse the name, or if it is `COMMON`.
    pub fn new(name: &str) -> Result<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
        if name.is_empty()
            || name.len() > LONGEST
            || !name.chars().all(allowed)
            || matches!(name, "." | ".." | COMMON)
        {
            return Err(Error::BadProfileName { name: name.to_owned() });
        }
        Ok(Self(name.to_owned()))
    }

    /// The profile to use if none is named, given the sections of woci_manager.ini: `DEFAULT` if there is
    /// such a section or none at all, otherwise the only section.
    ///
    /// # Errors
    /// [`Error::NoProfile`] if there are several sections and no `[DEFAULT]`.
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

    /// The profiles among the sections of woci_manager.ini, if there are some and this is none of them.
    pub fn others_of(&self, sections: &[String]) -> Option<Vec<String>> {
        let profiles: Vec<String> = sections.iter().filter(|name| *name != COMMON).cloned().collect();
        (!profiles.is_empty() && !profiles.contains(&self.0)).then_some(profiles)
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
    fn only_names_that_oci_accepts_are_valid() {
        for good in ["DEFAULT", "prod", "a.b_c-d@e", "...", "-x", "0", "common"] {
            assert_eq!(ProfileName::new(good).map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", ".", "..", "COMMON", "a/b", "../x", "a b", " a", "ä", "a\n", "a\0", "a:b", "~"] {
            assert_eq!(ProfileName::new(bad), Err(Error::BadProfileName { name: bad.to_owned() }));
        }
    }

    #[test]
    fn default_or_the_only_section_is_chosen() {
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
