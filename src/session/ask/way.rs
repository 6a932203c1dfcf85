//! Chooses how the person is reached: as `sign_in_with` says, else by what is here. Pure.

use crate::config::SignInWith;

/// What is here.
#[derive(Clone, Copy, Default)]
pub struct Here {
    /// A browser of this machine is probably the person's.
    pub browser: bool,
    /// The provider has a device authorization endpoint.
    pub device: bool,
    /// Somebody sees what is printed, or has asked for the sign-in and waits for it.
    pub viewer: bool,
    /// A person is at the terminal, and may paste there.
    pub keyboard: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Browser,
    Paste,
    Device,
}

/// Why the wish cannot be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    NoDeviceEndpoint,
    NoKeyboard,
}

pub fn choose(wish: SignInWith, here: Here) -> Result<Choice, Unmet> {
    match wish {
        SignInWith::Browser => Ok(Choice::Browser),
        SignInWith::Paste if here.keyboard => Ok(Choice::Paste),
        SignInWith::Paste => Err(Unmet::NoKeyboard),
        SignInWith::Device if here.device => Ok(Choice::Device),
        SignInWith::Device => Err(Unmet::NoDeviceEndpoint),
        SignInWith::Auto if here.browser => Ok(Choice::Browser),
        SignInWith::Auto if here.device && here.viewer => Ok(Choice::Device),
        SignInWith::Auto if here.keyboard => Ok(Choice::Paste),
        // It ends at once where nobody waits for it, and otherwise waits for a person who opens the URL elsewhere.
        SignInWith::Auto => Ok(Choice::Browser),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wish_and_place_has_its_way() {
        use Choice::{Browser, Device, Paste};
        let here = |words: &str| Here {
            browser: words.contains('b'),
            device: words.contains('d'),
            viewer: words.contains('v'),
            keyboard: words.contains('k'),
        };
        for (wish, places, expected) in [
            (SignInWith::Browser, &["", "dvk"][..], Ok(Browser)),
            (SignInWith::Paste, &["k", "bdvk"], Ok(Paste)),
            (SignInWith::Paste, &["", "bdv"], Err(Unmet::NoKeyboard)),
            (SignInWith::Device, &["d", "bdvk"], Ok(Device)),
            (SignInWith::Device, &["", "bvk"], Err(Unmet::NoDeviceEndpoint)),
            (SignInWith::Auto, &["b", "bd", "bdvk", "", "v", "d"], Ok(Browser)),
            (SignInWith::Auto, &["dv", "dvk"], Ok(Device)),
            (SignInWith::Auto, &["k", "vk", "dk"], Ok(Paste)),
        ] {
            for place in places {
                assert_eq!(choose(wish, here(place)), expected, "{wish:?} {place}");
            }
        }
    }
}
