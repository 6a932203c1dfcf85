//! THE table of woci's verbs. The parser, help, the dispatch in lib.rs and the tests read it, so that a new
//! verb is a row here and a file beside this one. Options that only one verb has stand in the table of options.

use std::ffi::OsString;

use crate::config::{Config, Settings};
use crate::error::{Error, Given, Result};
use crate::host::Host;
use crate::log;
use crate::options::{DAEMON_PROCESS, Flags};
use crate::output::Output;
use crate::session::Want;

mod credential;
mod daemon;
mod env;
mod kube;
mod passthrough;
mod session;
mod version;

#[cfg(fuzzing)]
pub use kube::fuzz;

#[derive(Debug)]
pub struct Verb {
    /// The words that ask for it, or the option that does.
    pub name: &'static str,
    pub form: Form,
    /// The words that it takes after its name, as help shows them; empty if it takes none.
    pub words: &'static str,
    /// One line, for `woci --help`.
    pub summary: &'static str,
    /// It has a line on the first screen of help. A verb of several words may be named by the line of its first word.
    pub listed: bool,
    /// Further text for `woci help VERB`. A line that begins with a blank is not wrapped.
    pub about: &'static str,
    /// The name of the schema of the printed document: schemas/<name>.schema.json.
    pub schema: Option<&'static str>,
    /// The session that the daemon starts with if this verb is given together with `--daemon`. `None`
    /// if the two cannot be combined.
    pub daemon: Option<Want>,
    pub answer: Answer,
}

/// How a verb is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `woci NAME`.
    Words,
    /// `woci NAME`, but not for people: help does not list it.
    HiddenWords,
    /// `woci --NAME`.
    Option,
    /// Any words that no other verb begins with.
    OciCommand,
}

/// Who answers.
#[derive(Debug)]
pub enum Answer {
    By(fn(&Host, Invocation) -> Result<Output>),
    /// `cli`, which writes help from this table and that of the options.
    Help,
}

/// A command line, understood.
#[derive(Debug)]
pub struct Invocation {
    pub verb: &'static Verb,
    /// The verb that the words name. It differs from `verb` if `verb` is an option: in
    /// `woci --daemon session refresh`, `verb` is `--daemon` and this is `session refresh`.
    pub beside: &'static Verb,
    /// The options that stand anywhere, most of them settings.
    pub flags: Flags,
    /// The options that only this verb has.
    pub own: Flags,
    /// What follows the verb's name; for oci, all that it gets.
    pub words: Vec<OsString>,
    /// oci gets `words` unchanged, and runs without a profile and a session from woci.
    pub without_session: bool,
}

impl Invocation {
    /// What the commands that messages suggest repeat of this one.
    pub fn given(&self) -> Given {
        let mut given = self.flags.given();
        let text = |value: &str| value.to_owned();
        given.profile = given.profile.or(self.own.get(PROFILE_NAME).map(text));
        if self.beside.name == AUTHENTICATE {
            // systemd or launchd starts a daemon that stays in the foreground, and a person only signs in.
            given.with_daemon = self.verb.name == DAEMON && !self.flags.has("--foreground");
            let region = self.flags.get("--region").map(|region| ("--region", region));
            let own = self.own.iter().filter(|(name, _)| *name != PROFILE_NAME);
            given.of_sign_in =
                region.into_iter().chain(own).map(|(name, value)| (name, text(value))).collect();
        }
        given
    }
}

/// Plain `woci` is this verb too.
pub const CREDENTIAL: &str = "credential";
pub const PASSTHROUGH: &str = "oci";
pub const HELP: &str = "help";
pub const VERSION: &str = "--version";
const AUTHENTICATE: &str = "session authenticate";
const DAEMON: &str = "--daemon";
/// Another name of `--profile`, which the sign-in has.
const PROFILE_NAME: &str = "--profile-name";

/// The default values of a row, so that each row of the table states only what differs.
const ROW: Verb = Verb {
    name: "",
    form: Form::Words,
    words: "",
    summary: "",
    listed: true,
    about: "",
    schema: None,
    daemon: None,
    answer: Answer::Help,
};

/// A verb planned for a later version. Its name is reserved now, so that woci never passes the name
/// to oci.
const LATER: Verb =
    Verb { form: Form::HiddenWords, words: "[WORDS]", answer: Answer::By(not_available), ..ROW };

/// In the order in which help lists them.
pub const VERBS: &[Verb] = &[
    Verb {
        name: CREDENTIAL,
        summary: "print the session as JSON; plain `woci` does the same",
        about: "\
On a terminal, a few lines for a person are printed in place of the JSON document, without the session token; \
--output json and --output text choose.

The session is read from disk if it is valid, refreshed if it has ended (a console session: from half of its \
token's life on), and made by a sign-in in your browser if it cannot be refreshed. The document holds the session token: treat it as a password.",
        schema: Some("credential"),
        daemon: Some(Want::VALID),
        answer: Answer::By(credential::run),
        ..ROW
    },
    Verb {
        name: "env",
        summary: "print shell variables: eval \"$(woci env)\"",
        about: "\
The variables make oci use the session in this shell. They name files, so they stay valid when the session \
is refreshed. Variables that would make oci use another identity are unset.

  eval \"$(woci env)\"
  eval \"$(woci env --unset)\"
  woci env --shell fish | source
  woci env --shell powershell | Out-String | Invoke-Expression",
        answer: Answer::By(env::run),
        ..ROW
    },
    Verb {
        name: "kube-credential",
        summary: "print a token for kubectl (Oracle's Kubernetes, OKE)",
        about: "\
kubectl runs this command by itself after `woci kubeconfig` has set it up. The token is valid for 4 minutes. \
oci is not needed.",
        schema: Some("exec-credential"),
        answer: Answer::By(kube::credential::run),
        ..ROW
    },
    Verb {
        name: "kubeconfig",
        summary: "print or write the kubeconfig entry that runs woci",
        about: "\
The entry makes kubectl run `woci kube-credential`. If you give options here that choose the session \
(region, files, provider, passphrase source), they are kept in the entry; secrets are not.

  woci --profile prod kubeconfig --cluster-id ocid1.cluster.oc1.iad.aaaa --write",
        answer: Answer::By(kube::config::run),
        ..ROW
    },
    Verb {
        name: AUTHENTICATE,
        summary: "sign in now, even if the session is valid",
        about: "\
Opens your browser, makes a new session and prints it as `woci credential` does. If no provider is configured, you \
sign in at Oracle's own page, which needs no registration:

  woci session authenticate --region eu-frankfurt-1",
        schema: Some("credential"),
        daemon: Some(Want::SIGNED_IN),
        answer: Answer::By(session::authenticate),
        ..ROW
    },
    Verb {
        name: "session refresh",
        summary: "refresh the session now, even if it is still valid",
        about: "\
Prints the session as `woci credential` does. A person is asked to sign in only if the session cannot be \
renewed: the refresh token is missing or no longer accepted, or a console session has expired or reached its end.",
        schema: Some("credential"),
        daemon: Some(Want::NEWER),
        answer: Answer::By(session::refresh),
        ..ROW
    },
    Verb {
        name: DAEMON,
        form: Form::Option,
        summary: "keep the session fresh in a background process",
        about: "\
First makes sure that there is a valid session. Then starts the background process, prints its state and \
ends. Each profile has at most one such process. It logs to ~/.oci/sessions/<profile>/woci_refresh.log.

  woci --daemon                        with the stored session
  woci --daemon session authenticate   with a new sign-in
  woci --daemon session refresh        with a refreshed session
  woci --daemon --foreground           for systemd and launchd",
        schema: Some("daemon-status"),
        answer: Answer::By(daemon::start),
        ..ROW
    },
    Verb {
        name: "--daemon-status",
        form: Form::Option,
        summary: "print the state of the background process",
        about: "The exit code is 0 if the process runs, and 1 if it does not.",
        schema: Some("daemon-status"),
        answer: Answer::By(daemon::status),
        ..ROW
    },
    Verb {
        name: "--stop-daemon",
        form: Form::Option,
        summary: "stop the background process",
        about: "The exit code is 0 if the process was stopped, and 1 if none was running.",
        schema: Some("daemon-status"),
        answer: Answer::By(daemon::stop),
        ..ROW
    },
    Verb {
        name: HELP,
        words: "[VERB or topic]",
        summary: "explain a verb or a topic",
        about: "`woci VERB --help` does the same for a verb.",
        answer: Answer::Help,
        ..ROW
    },
    Verb {
        name: VERSION,
        form: Form::Option,
        summary: "print woci's version; -V for short",
        answer: Answer::By(version::run),
        ..ROW
    },
    Verb {
        name: PASSTHROUGH,
        form: Form::OciCommand,
        words: "OCI-COMMAND",
        summary: "run an oci command with a valid session",
        about: "\
The words are given to oci unchanged and in order. woci adds --profile and --auth security_token unless you \
give them. Without --auto-refresh, oci replaces the woci process, so that the terminal, the signals and the \
exit code are oci's own.

All arguments after a lone `--` go to oci, even if woci has an option of that name. Commands with another \
--auth (such as --auth api_key), `setup` and the other `session` commands run without a session from woci. \
--help and --version after an oci word also go to oci.

oci is looked for in the absolute folders of PATH. It gets the variable WOCI_OCI_PATHS, which names the oci that \
woci runs: if that is a script that runs woci again, woci goes on to the next oci on PATH.

  woci os ns get
  woci --profile prod iam region list --output table
  woci -- dns zone list --compartment-id ocid1.tenancy.oc1..aaaa --scope PRIVATE",
        answer: Answer::By(passthrough::run),
        ..ROW
    },
    Verb { name: DAEMON_PROCESS, form: Form::HiddenWords, answer: Answer::By(daemon::process), ..ROW },
    Verb { name: "exec", ..LATER },
    Verb { name: "status", ..LATER },
    Verb { name: "logout", ..LATER },
    Verb { name: "doctor", ..LATER },
    Verb { name: "config", ..LATER },
    Verb { name: "completion", ..LATER },
    Verb { name: "manual", ..LATER },
];

/// The row of this name.
pub fn named(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

/// The row of one of the names above.
pub fn row(name: &'static str) -> &'static Verb {
    named(name).expect("the table has this row")
}

/// The verb that these words begin with: of `config` and `config show`, the longer.
pub fn of_words(words: &[OsString]) -> Option<&'static Verb> {
    let is_asked_for = |verb: &&Verb| {
        let mut names = verb.name.split(' ').enumerate();
        names.all(|(n, name)| words.get(n).is_some_and(|word| word == name))
    };
    VERBS
        .iter()
        .filter(|verb| matches!(verb.form, Form::Words | Form::HiddenWords))
        .filter(is_asked_for)
        .max_by_key(|verb| verb.name.len())
}

fn not_available(_: &Host, invocation: Invocation) -> Result<Output> {
    Err(Error::NotAvailable { what: format!("`woci {}`", invocation.verb.name) })
}

/// The settings of the profile that the flags choose; messages follow its log level from here on.
fn settings(host: &Host, flags: &Flags) -> Result<Settings> {
    let settings = Config::find(host, flags)?.profile(host, flags)?;
    log::set_level(settings.log_level);
    log::debug(format_args!("{}", settings.decided()));
    for warning in &settings.warnings {
        log::debug(format_args!("{warning}"));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::OPTIONS;

    #[test]
    fn names_are_unique_and_visible_verbs_have_a_summary() {
        for (n, verb) in VERBS.iter().enumerate() {
            assert!(VERBS[..n].iter().all(|other| other.name != verb.name), "{} twice", verb.name);
            assert_eq!(verb.summary.is_empty(), verb.form == Form::HiddenWords, "{}", verb.name);
            assert_eq!(verb.name.starts_with("--"), verb.form == Form::Option, "{}", verb.name);
        }
        for name in [CREDENTIAL, PASSTHROUGH, HELP, VERSION] {
            row(name);
        }
    }

    #[test]
    fn options_and_verbs_refer_to_existing_rows() {
        for opt in OPTIONS {
            assert!(opt.verbs.iter().all(|verb| named(verb).is_some()), "{}", opt.name);
        }
        for verb in VERBS.iter().filter(|verb| verb.form == Form::Option && verb.name != VERSION) {
            assert!(OPTIONS.iter().any(|opt| opt.name == verb.name), "{} is no option", verb.name);
        }
    }

    #[test]
    fn the_readme_shows_each_verb() {
        let shown: Vec<String> = include_str!("../../README.md").lines().flat_map(commands).collect();
        let told_of = |verb: &&Verb| matches!(verb.form, Form::Words | Form::Option) && verb.name != VERSION;
        for verb in VERBS.iter().filter(told_of) {
            // `woci --help` shows help.
            let names = [format!("{} ", verb.name), format!("--{} ", verb.name)];
            let is_shown = shown.iter().any(|command| names.iter().any(|name| command.starts_with(name)));
            assert!(is_shown, "README.md does not show `woci {}`", verb.name);
        }
    }

    /// For each `woci` in a line: the words after it, and the same words without the first two, which
    /// may be an option and its value.
    fn commands(line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || "`\"$()".contains(c)).collect();
        let commands = words.split(|word| *word == "woci").skip(1);
        let commands = commands.flat_map(|command| [command, command.get(2..).unwrap_or_default()]);
        commands.map(|command| format!("{} ", command.join(" "))).collect()
    }

    #[test]
    fn each_schema_is_that_of_a_verb_or_of_a_stored_file() {
        /// Files that woci writes and others may read.
        const STORED: [&str; 1] = ["refresh-token"];
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
        let mut files: Vec<String> = files.map(|name| name.into_string().unwrap()).collect();
        let mut named: Vec<String> = VERBS
            .iter()
            .filter_map(|verb| verb.schema)
            .chain(STORED)
            .map(|name| format!("{name}.schema.json"))
            .collect();
        files.sort();
        named.sort();
        named.dedup();
        assert_eq!(named, files, "left: named by rows; right: schemas/");
    }

    #[test]
    fn a_verb_is_found_by_all_of_its_words() {
        let name = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            of_words(&words).map(|verb| verb.name)
        };
        assert_eq!(name(&["session", "refresh", "more"]), Some("session refresh"));
        assert_eq!(name(&["env"]), Some("env"));
        for words in [&["session"][..], &["session", "validate"], &["oci"], &["--daemon"], &[]] {
            assert_eq!(name(words), None, "{words:?}");
        }
    }
}
