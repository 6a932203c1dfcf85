//! One pass over the arguments, by the option table: woci's options are taken out, its verb is found,
//! and what is oci's stays byte for byte and in order.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use pico_args::Arguments;

use super::{DaemonSession, Invocation, Shell, Verb};
use crate::error::{Error, Result};
use crate::options::{self, DAEMON_PROCESS, Flags, Kind, Opt};

/// Verbs of one word.
const VERBS: [&str; 6] = ["credential", "env", "kube-credential", "kubeconfig", "help", DAEMON_PROCESS];
/// Verbs of the command line that this version does not have.
const LATER_VERBS: [&str; 6] = ["exec", "status", "logout", "doctor", "config", "completion"];
/// Each is a request of its own, made by a flag.
const DAEMON_FLAGS: [&str; 3] = ["--daemon", "--daemon-status", "--stop-daemon"];

/// # Errors
/// All of exit code 2: an option without its value, given twice, ambiguous, or foreign to a verb.
pub fn parse(args: Vec<OsString>) -> Result<Invocation> {
    let mut line = Line::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            line.take_after_dashes(args.by_ref().collect());
        } else {
            line.take(arg, &mut args)?;
        }
    }
    line.invocation()
}

#[derive(Default)]
struct Line {
    flags: Flags,
    /// What oci would get: words, and the options that woci shares with it.
    for_oci: Vec<OsString>,
    /// The words alone; the first decides whose command it is.
    words: Vec<OsString>,
    /// How many of them came before a lone `--`: only those can be woci's verb.
    before_dashes: usize,
    /// The options of the verb alone.
    of_verb: Flags,
    /// An option that could be oci's too and came after an oci word.
    ambiguous: Option<&'static str>,
    asked: Option<Verb>,
}

impl Line {
    fn take(&mut self, arg: OsString, rest: &mut impl Iterator<Item = OsString>) -> Result<()> {
        let verb = verb_of(&self.words);
        let is_wocis = self.words.is_empty() || verb.is_some();
        if is_wocis && let Some(asked) = help_or_version(&arg) {
            self.asked.get_or_insert(asked);
            return Ok(());
        }
        let (name, inline) = split(&arg);
        let row = options::find(name).or_else(|| options::find_of_verb(verb?, name));
        let Some(row) = row else {
            self.for_oci.push(arg.clone());
            self.words.push(arg);
            self.before_dashes = self.words.len();
            return Ok(());
        };
        if row.also_ocis && !is_wocis {
            self.ambiguous.get_or_insert(row.name);
        }
        let is_inline = inline.is_some();
        let value = value(row, inline.map(OsStr::to_owned), rest)?;
        let text = text(row, &value)?;
        if row.forwarded {
            self.for_oci.push(arg);
            self.for_oci.extend((!is_inline).then_some(value));
            self.flags.set(row.name, text);
            return Ok(());
        }
        let flags = if row.verbs.is_empty() { &mut self.flags } else { &mut self.of_verb };
        if flags.get(row.name).is_some_and(|before| before != text) {
            return Err(Error::OptionTwice { option: row.name.into() });
        }
        flags.set(row.name, text);
        Ok(())
    }

    /// All of it is oci's. The options that woci shares are read here too, since oci will follow them.
    fn take_after_dashes(&mut self, args: Vec<OsString>) {
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let (name, inline) = split(arg);
            if let Some(row) = options::find(name).filter(|row| row.forwarded)
                && let Some(text) =
                    inline.or_else(|| rest.next().map(OsString::as_os_str)).and_then(OsStr::to_str)
            {
                self.flags.set(row.name, text.to_owned());
            }
        }
        self.for_oci.extend(args.iter().cloned());
        self.words.extend(args);
    }

    fn invocation(mut self) -> Result<Invocation> {
        if let Some(verb) = self.asked {
            return Ok(Invocation { flags: self.flags, verb });
        }
        let verb = match verb_of(&self.words[..self.before_dashes]) {
            Some(name) => self.own_verb(name)?,
            None if self.words.is_empty() => Verb::Credential,
            None => self.passthrough()?,
        };
        let verb = self.of_daemon(verb)?;
        Ok(Invocation { flags: self.flags, verb })
    }

    fn own_verb(&mut self, name: &'static str) -> Result<Verb> {
        if let Some(word) = self.words.get(name.split(' ').count()) {
            return Err(Error::NotOfVerb { verb: name.into(), word: word.to_string_lossy().into() });
        }
        if LATER_VERBS.contains(&name) {
            return Err(Error::NotAvailable { what: format!("`woci {name}`") });
        }
        Ok(match name {
            "help" => Verb::Help,
            "env" => {
                Verb::Env { shell: shell(self.of_verb.get("--shell"))?, unset: self.of_verb.has("--unset") }
            }
            "session authenticate" => {
                self.take_profile_name()?;
                Verb::SessionAuthenticate
            }
            "session refresh" => Verb::SessionRefresh,
            "kube-credential" => Verb::KubeCredential { cluster_id: self.cluster_id(name)? },
            "kubeconfig" => Verb::Kubeconfig {
                cluster_id: self.cluster_id(name)?,
                user: self.of_verb.get("--user").map(str::to_owned),
                write: self.of_verb.has("--write"),
            },
            DAEMON_PROCESS => Verb::DaemonProcess,
            _ => Verb::Credential,
        })
    }

    fn cluster_id(&self, verb: &str) -> Result<String> {
        let missing = || Error::OptionMissing { verb: verb.into(), option: "--cluster-id".into() };
        self.of_verb.get("--cluster-id").map(str::to_owned).ok_or_else(missing)
    }

    /// What the daemon's flags make of a verb.
    fn of_daemon(&self, verb: Verb) -> Result<Verb> {
        let conflict = |one: &str, other: &str| Error::Conflict { one: one.into(), other: other.into() };
        let mut given = DAEMON_FLAGS.into_iter().filter(|flag| self.flags.has(flag));
        let foreground = self.flags.has("--foreground");
        let Some(flag) = given.next() else {
            return if foreground {
                Err(conflict("--foreground", "a command without --daemon"))
            } else {
                Ok(verb)
            };
        };
        if let Some(second) = given.next() {
            return Err(conflict(flag, second));
        }
        if foreground && flag != "--daemon" {
            return Err(conflict("--foreground", flag));
        }
        match (flag, verb) {
            ("--daemon-status", Verb::Credential) => Ok(Verb::DaemonStatus),
            ("--stop-daemon", Verb::Credential) => Ok(Verb::StopDaemon),
            ("--daemon", Verb::Credential) => Ok(Verb::Daemon { session: DaemonSession::Valid, foreground }),
            ("--daemon", Verb::SessionRefresh) => {
                Ok(Verb::Daemon { session: DaemonSession::Newer, foreground })
            }
            ("--daemon", Verb::SessionAuthenticate) => {
                Ok(Verb::Daemon { session: DaemonSession::SignedIn, foreground })
            }
            (flag, _) => Err(conflict(flag, "another command")),
        }
    }

    /// `oci session authenticate` names the profile with an option of its own.
    fn take_profile_name(&mut self) -> Result<()> {
        let Some(name) = self.of_verb.get("--profile-name") else { return Ok(()) };
        if self.flags.get("--profile").is_some_and(|profile| profile != name) {
            return Err(Error::Conflict { one: "--profile-name".into(), other: "another --profile".into() });
        }
        self.flags.set("--profile", name.to_owned());
        Ok(())
    }

    fn passthrough(&mut self) -> Result<Verb> {
        if let Some(option) = self.ambiguous {
            return Err(Error::OptionAfterOciWord { option: option.into() });
        }
        let bare = is_bare(&self.words, self.flags.get("--auth"));
        Ok(Verb::Passthrough { words: std::mem::take(&mut self.for_oci), bare })
    }
}

/// The one of woci's verbs that the words begin with.
fn verb_of(words: &[OsString]) -> Option<&'static str> {
    let word = |n: usize| words.get(n).and_then(|word| word.to_str());
    match (word(0)?, word(1)) {
        ("session", Some("authenticate")) => Some("session authenticate"),
        ("session", Some("refresh")) => Some("session refresh"),
        (first, _) => VERBS.iter().chain(&LATER_VERBS).find(|verb| **verb == first).copied(),
    }
}

fn help_or_version(arg: &OsStr) -> Option<Verb> {
    match arg.to_str()? {
        "-h" | "--help" => Some(Verb::Help),
        "--version" => Some(Verb::Version),
        _ => None,
    }
}

/// Commands that need no session: those that make one the other way, and oci's help.
fn is_bare(words: &[OsString], auth: Option<&str>) -> bool {
    let first = words.first().and_then(|word| word.to_str());
    let asks = |(n, word): (usize, &OsString)| match word.to_str() {
        Some("-h" | "--help") => true,
        // Some oci commands have an option of this name that takes a value.
        Some("--version") => words.get(n + 1).is_none_or(|next| next.as_bytes().starts_with(b"-")),
        _ => false,
    };
    matches!(first, Some("session" | "setup"))
        || auth.is_some_and(|auth| auth != "security_token")
        || words.iter().enumerate().any(asks)
}

/// `--name=value` at its first `=`; anything else is a name alone.
fn split(arg: &OsStr) -> (&str, Option<&OsStr>) {
    let bytes = arg.as_bytes();
    let cut = bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len());
    let name = std::str::from_utf8(&bytes[..cut]).unwrap_or_default();
    (name, bytes.get(cut + 1..).map(OsStr::from_bytes))
}

fn value(row: &Opt, inline: Option<OsString>, rest: &mut impl Iterator<Item = OsString>) -> Result<OsString> {
    let option = row.name.to_owned();
    if row.kind == Kind::Flag {
        return match inline {
            Some(_) => Err(Error::OptionWithValue { option }),
            None => Ok(OsString::new()),
        };
    }
    match inline.or_else(|| rest.next()) {
        Some(value) if !value.is_empty() && value != "--" => Ok(value),
        _ => Err(Error::OptionWithoutValue { option }),
    }
}

/// A value as UTF-8. pico-args would look for the option anywhere, so that it is shown this pair alone.
fn text(row: &Opt, value: &OsStr) -> Result<String> {
    let mut pair = Arguments::from_vec(vec![row.name.into(), value.to_owned()]);
    pair.value_from_os_str(row.name, |value| value.to_str().map(str::to_owned).ok_or("not UTF-8"))
        .map_err(|_| Error::OptionNotText { option: row.name.into() })
}

fn shell(name: Option<&str>) -> Result<Shell> {
    match name {
        None | Some("sh") => Ok(Shell::Sh),
        Some("fish") => Ok(Shell::Fish),
        Some("powershell") => Ok(Shell::Pwsh),
        Some(_) => {
            Err(Error::BadValue { name: "--shell".into(), why: "it is none of sh, fish, powershell".into() })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use proptest::prelude::*;

    use super::*;

    fn line(args: &[&str]) -> Result<Invocation> {
        parse(args.iter().map(OsString::from).collect())
    }

    fn words(args: &[&str]) -> (Vec<String>, bool) {
        match line(args).unwrap().verb {
            Verb::Passthrough { words, bare } => {
                (words.into_iter().map(|word| word.into_string().unwrap()).collect(), bare)
            }
            other => panic!("{args:?} is {other:?}"),
        }
    }

    #[test]
    fn nothing_left_is_the_helper() {
        for args in
            [&[][..], &["--"], &["--profile", "p"], &["--scope=s", "--log-level", "DEBUG"], &["credential"]]
        {
            assert_eq!(line(args).unwrap().verb, Verb::Credential, "{args:?}");
        }
    }

    #[test]
    fn wocis_options_are_taken_out_anywhere_before_the_dashes() {
        assert_eq!(
            words(&["--redirect-port", "1", "iam", "--sign-in=never", "user", "--", "--scope", "x"]),
            (vec!["iam".into(), "user".into(), "--scope".into(), "x".into()], false)
        );
    }

    #[test]
    fn shared_options_are_read_and_stay_where_they_were() {
        let invocation = line(&["--profile=a", "iam", "--region", "r", "--profile", "b"]).unwrap();
        assert_eq!(invocation.flags.get("--profile"), Some("b"));
        assert_eq!(invocation.flags.get("--region"), Some("r"));
        assert_eq!(
            words(&["--profile=a", "iam", "--region", "r", "--profile", "b"]).0,
            ["--profile=a", "iam", "--region", "r", "--profile", "b"]
        );
        assert_eq!(line(&["--", "iam", "--profile", "c"]).unwrap().flags.get("--profile"), Some("c"));
    }

    #[test]
    fn unknown_options_are_ocis() {
        assert_eq!(words(&["--output", "table", "iam"]).0, ["--output", "table", "iam"]);
        assert_eq!(words(&["--outptu=x"]).0, ["--outptu=x"]);
        assert_eq!(words(&["-d", "credential"]).0, ["-d", "credential"]);
        assert_eq!(words(&["--", "env"]), (vec!["env".into()], false));
        assert_eq!(words(&["session", "--", "refresh"]), (vec!["session".into(), "refresh".into()], true));
    }

    #[test]
    fn bytes_that_are_no_text_reach_oci() {
        let odd = OsString::from_vec(b"--name=\xff\xfe".to_vec());
        let verb = parse(vec!["iam".into(), odd.clone()]).unwrap().verb;
        assert_eq!(verb, Verb::Passthrough { words: vec!["iam".into(), odd], bare: false });
        let odd = OsString::from_vec(b"--scope=\xff".to_vec());
        assert_eq!(parse(vec![odd]), Err(Error::OptionNotText { option: "--scope".into() }));
    }

    #[test]
    fn options_of_exit_code_2() {
        let option = String::from;
        for (args, error) in [
            (&["--scope"][..], Error::OptionWithoutValue { option: option("--scope") }),
            (&["--scope="], Error::OptionWithoutValue { option: option("--scope") }),
            (&["--profile", ""], Error::OptionWithoutValue { option: option("--profile") }),
            (&["--profile", "--", "x"], Error::OptionWithoutValue { option: option("--profile") }),
            (&["--scope", "a", "--scope", "b"], Error::OptionTwice { option: option("--scope") }),
            (
                &["--refresh-token-passphrase-prompt=yes"],
                Error::OptionWithValue { option: option("--refresh-token-passphrase-prompt") },
            ),
            (&["iam", "--scope", "a"], Error::OptionAfterOciWord { option: option("--scope") }),
            (&["x", "--client-id=a", "--", "y"], Error::OptionAfterOciWord { option: option("--client-id") }),
            (&["env", "more"], Error::NotOfVerb { verb: option("env"), word: option("more") }),
            (&["env", "--", "more"], Error::NotOfVerb { verb: option("env"), word: option("more") }),
            (
                &["session", "authenticate", "--no-browser"],
                Error::NotOfVerb { verb: option("session authenticate"), word: option("--no-browser") },
            ),
            (&["status"], Error::NotAvailable { what: option("`woci status`") }),
            (
                &["--daemon", "--stop-daemon"],
                Error::Conflict { one: option("--daemon"), other: option("--stop-daemon") },
            ),
            (
                &["--daemon", "iam"],
                Error::Conflict { one: option("--daemon"), other: option("another command") },
            ),
            (
                &["--daemon", "env"],
                Error::Conflict { one: option("--daemon"), other: option("another command") },
            ),
        ] {
            assert_eq!(line(args), Err(error), "{args:?}");
        }
        assert!(line(&["--scope", "a", "--scope=a"]).is_ok());
        assert!(line(&["credential", "--scope", "a"]).is_ok());
    }

    #[test]
    fn verbs_and_their_options() {
        let verb = |args| line(args).unwrap().verb;
        assert_eq!(
            verb(&["env", "--shell", "fish", "--unset"]),
            Verb::Env { shell: Shell::Fish, unset: true }
        );
        assert_eq!(words(&["--shell", "fish", "env"]).0, ["--shell", "fish", "env"]);
        assert_eq!(verb(&["session", "--profile", "p", "refresh"]), Verb::SessionRefresh);
        let invocation = line(&["session", "authenticate", "--profile-name", "p"]).unwrap();
        assert_eq!(
            (invocation.verb, invocation.flags.get("--profile")),
            (Verb::SessionAuthenticate, Some("p"))
        );
    }

    #[test]
    fn help_and_version_before_a_word_are_wocis() {
        for (args, verb) in [
            (&["-h"][..], Verb::Help),
            (&["--profile", "p", "--help"], Verb::Help),
            (&["env", "--help"], Verb::Help),
            (&["help"], Verb::Help),
            (&["--version"], Verb::Version),
        ] {
            assert_eq!(line(args).unwrap().verb, verb, "{args:?}");
        }
        assert_eq!(words(&["iam", "--help"]), (vec!["iam".into(), "--help".into()], true));
        assert_eq!(words(&["--", "--version"]), (vec!["--version".into()], true));
    }

    #[test]
    fn commands_that_need_no_session() {
        assert!(words(&["setup", "config"]).1);
        assert!(words(&["session", "validate"]).1);
        assert!(words(&["iam", "--auth", "instance_principal"]).1);
        assert!(!words(&["iam", "--auth", "security_token"]).1);
        assert!(!words(&["vault", "get", "--version", "3"]).1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_command_line_or_an_error(args: Vec<Vec<u8>>) {
            let _ = parse(args.into_iter().map(OsString::from_vec).collect());
        }

        #[test]
        fn after_the_dashes_every_byte_stays(args: Vec<Vec<u8>>) {
            let args: Vec<OsString> = args.into_iter().map(OsString::from_vec).collect();
            let line = ["oci".into(), "--".into()].into_iter().chain(args.iter().cloned()).collect();
            if let Verb::Passthrough { words, .. } = parse(line).unwrap().verb {
                prop_assert_eq!(&words[1..], args);
            } else {
                prop_assert!(false);
            }
        }
    }
}
