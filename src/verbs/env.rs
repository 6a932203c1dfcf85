//! Shell variables that make oci use the session, for `eval "$(woci env)"`, and the lines that unset them. `exec` gives
//! them to a program.

use super::{Invocation, settings};
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::fresh::behind;
use crate::host::Host;
use crate::log;
use crate::oci::environment::OVERRIDING;
use crate::options::{Flags, SHELLS};
use crate::output::Output;
use crate::session::{Engine, Named, Session, Want};

/// The variables that may be set.
const SET: [&str; 11] = [
    "OCI_CLI_AUTH",
    "OCI_CLI_PROFILE",
    "OCI_CLI_CONFIG_FILE",
    // The SDKs' names.
    "OCI_CONFIG_FILE",
    "OCI_CONFIG_PROFILE",
    "OCI_CLI_SECURITY_TOKEN_FILE",
    "OCI_CLI_KEY_FILE",
    "OCI_CLI_TENANCY",
    "OCI_CLI_REGION",
    // Only where the profile's section cannot name the session: with these two and those above, oci 3.95 does not open
    // its config file at all. It wants a user then, and does not use it with a session token.
    "OCI_CLI_USER",
    "OCI_CLI_FINGERPRINT",
];

/// The verb's own options.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    shell: Shell,
    unset: bool,
}

/// Whose syntax is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shell {
    Sh,
    Fish,
    Pwsh,
}

impl Options {
    fn new(own: &Flags) -> Result<Self> {
        let shell = match own.get("--shell") {
            None | Some("sh" | "bash" | "zsh") => Shell::Sh,
            Some("fish") => Shell::Fish,
            Some("powershell" | "pwsh") => Shell::Pwsh,
            Some(_) => {
                let why = format!("it is none of {}", SHELLS.join(", "));
                return Err(Error::BadValue { name: "--shell".into(), why });
            }
        };
        Ok(Self { shell, unset: own.has("--unset") })
    }
}

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    let Options { shell, unset } = Options::new(&invocation.own)?;
    if unset {
        log::info(format_args!(
            "These lines remove the variables that `woci env` sets; they do not restore what the variables held before"
        ));
        return Ok(Output::Text(SET.into_iter().map(|name| unset_line(shell, name)).collect()));
    }
    let settings = settings(host, &invocation.flags)?;
    let mut engine = Engine::new(host, &settings, Want::VALID, None);
    let mut session = engine.ensure()?;
    engine.hand_out(&mut session)?;
    behind::start_if_due(host, &invocation.flags, &settings, &engine, &session);
    let Variables { set, unset } = variables(&settings, &session);
    let lines = unset
        .into_iter()
        .map(|name| unset_line(shell, name))
        .chain(set.iter().map(|(name, value)| set_line(shell, name, value)));
    Ok(Output::Text(lines.collect()))
}

/// The variables that make programs use a session.
pub struct Variables {
    pub set: Vec<(&'static str, String)>,
    /// They would make a program use another identity.
    pub unset: Vec<&'static str>,
}

pub fn variables(settings: &Settings, session: &Session) -> Variables {
    let profile = Some(settings.profile.to_string());
    let config_file = Some(settings.oci_config.to_string_lossy().into_owned());
    let instead_of_section = session.named == Named::Impossible;
    let values = [
        Some("security_token".into()),
        profile.clone(),
        config_file.clone(),
        config_file,
        profile,
        Some(session.token_file.to_string_lossy().into_owned()),
        Some(session.key_file.to_string_lossy().into_owned()),
        session.upst.tenant().map(str::to_owned),
        session.region.clone(),
        session.upst.sub().filter(|_| instead_of_section).map(str::to_owned),
        instead_of_section.then(|| session.key.public().fingerprint()),
    ];
    let set: Vec<(&str, String)> =
        SET.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect();
    let unset = OVERRIDING.into_iter().filter(|name| set.iter().all(|(n, _)| n != name)).collect();
    Variables { set, unset }
}

fn set_line(shell: Shell, name: &str, value: &str) -> String {
    match shell {
        Shell::Sh => format!("export {name}='{}'\n", value.replace('\'', r"'\''")),
        Shell::Fish => format!("set -gx {name} '{}'\n", value.replace('\\', r"\\").replace('\'', r"\'")),
        Shell::Pwsh => format!("$env:{name} = '{}'\n", doubled_quotes(value)),
    }
}

fn unset_line(shell: Shell, name: &str) -> String {
    match shell {
        Shell::Sh => format!("unset {name}\n"),
        Shell::Fish => format!("set -e {name}\n"),
        Shell::Pwsh => format!("Remove-Item Env:{name} -ErrorAction SilentlyContinue\n"),
    }
}

/// PowerShell reads typographic single quotes as plain ones.
fn doubled_quotes(value: &str) -> String {
    const QUOTES: [char; 5] = ['\'', '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}'];
    value.chars().flat_map(|c| std::iter::repeat_n(c, if QUOTES.contains(&c) { 2 } else { 1 })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let mut own = Flags::default();
        assert_eq!(Options::new(&own), Ok(Options { shell: Shell::Sh, unset: false }));
        own.set("--unset", String::new());
        own.set("--shell", "fish".into());
        assert_eq!(Options::new(&own), Ok(Options { shell: Shell::Fish, unset: true }));
        for name in SHELLS {
            own.set("--shell", (*name).to_owned());
            assert!(Options::new(&own).is_ok(), "{name}");
        }
        own.set("--shell", "tcsh".into());
        assert!(matches!(Options::new(&own), Err(Error::BadValue { .. })));
    }

    #[test]
    fn values_are_quoted_for_their_shell() {
        for (shell, line) in [
            (Shell::Sh, r"export A='it'\''s \ $(x)'"),
            (Shell::Fish, r"set -gx A 'it\'s \\ $(x)'"),
            (Shell::Pwsh, r"$env:A = 'it''s \ $(x)'"),
        ] {
            assert_eq!(set_line(shell, "A", r"it's \ $(x)").trim_end(), line);
        }
        assert_eq!(doubled_quotes("a\u{2019}b"), "a\u{2019}\u{2019}b");
    }
}
