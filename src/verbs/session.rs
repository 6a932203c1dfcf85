//! The two verbs that make a new session, whatever session there is. Both print it as `credential` does.

use super::{Invocation, PROFILE_NAME, credential};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::options::Flags;
use crate::output::Output;
use crate::session::{Login, Want};

pub fn authenticate(host: &Host, mut invocation: Invocation) -> Result<Output> {
    take_profile_name(&mut invocation.flags, &invocation.own)?;
    let want = with_own_options(Want::SIGNED_IN, &invocation.own);
    credential::print(host, &invocation, want)
}

pub fn refresh(host: &Host, invocation: Invocation) -> Result<Output> {
    credential::print(host, &invocation, Want::NEWER)
}

/// The session that a verb begins with, as its own options have it.
pub fn with_own_options(want: Want, own: &Flags) -> Want {
    let text = |name| own.get(name).map(str::to_owned);
    let login = Login {
        tenancy_name: text("--tenancy-name"),
        identity_provider_name: text("--identity-provider-name"),
    };
    Want { login, replaces_api_key: own.has("--replace-api-key"), ..want }
}

/// `oci session authenticate` has an option of its own for the profile; here it means `--profile`.
pub fn take_profile_name(flags: &mut Flags, own: &Flags) -> Result<()> {
    let Some(name) = own.get(PROFILE_NAME) else { return Ok(()) };
    if flags.get("--profile").is_some_and(|profile| profile != name) {
        return Err(Error::Conflict { one: PROFILE_NAME.into(), other: "another --profile".into() });
    }
    flags.set("--profile", name.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_has_one_name() {
        let flags = |pairs: &[(&'static str, &str)]| {
            let mut flags = Flags::default();
            pairs.iter().for_each(|(name, value)| flags.set(name, (*value).to_owned()));
            flags
        };
        let own = flags(&[("--profile-name", "p")]);
        for mut given in [flags(&[]), flags(&[("--profile", "p")])] {
            take_profile_name(&mut given, &own).unwrap();
            assert_eq!(given.get("--profile"), Some("p"));
        }
        let mut other = flags(&[("--profile", "q")]);
        assert!(matches!(take_profile_name(&mut other, &own), Err(Error::Conflict { .. })));
    }
}
