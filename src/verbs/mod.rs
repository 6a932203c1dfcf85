//! THE table of woci's verbs. The parser, help, the dispatch in lib.rs and the tests read it, so that a new
//! verb is a row here and a file beside this one. Options that only one verb has stand in the table of options.

use std::ffi::OsString;

use crate::config::{Config, ProfileName, Settings};
use crate::error::{Error, Given, Result};
use crate::host::Host;
use crate::log;
use crate::options::{DAEMON_PROCESS, Flags, RENEWAL_PROCESS};
use crate::output::Output;
use crate::session::Want;

mod config;
mod credential;
mod daemon;
mod doctor;
mod env;
mod exec;
mod kube;
mod logout;
mod passthrough;
mod renewal;
mod session;
mod status;
pub mod version;

#[cfg(any(test, fuzzing))]
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
    /// Its words are a program and the arguments of that: woci reads no option after the program's name.
    pub runs_program: bool,
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
    /// `cli`: the man page.
    Manual,
    /// `cli`: the script that makes a shell complete woci.
    CompletionScript,
    /// `cli`: what that script asks.
    Completions,
}

/// Fuzzing runs no verb. Without the verbs, libFuzzer has a third of the counters to look at after each input.
const fn by(run: fn(&Host, Invocation) -> Result<Output>) -> Answer {
    if cfg!(fuzzing) { Answer::Help } else { Answer::By(run) }
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
    runs_program: false,
    answer: Answer::Help,
};

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
        answer: by(credential::run),
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
        answer: by(env::run),
        ..ROW
    },
    Verb {
        name: "exec",
        words: "[--] PROGRAM [ARGUMENTS]",
        summary: "run any program with a valid session",
        about: "\
The program gets the variables of `woci env`: those that name the session are set, and those that would make it use \
another identity are removed. It replaces the woci process, so that the terminal, the signals and the exit code are its \
own. If there is no session, the program is not started.

With --auto-refresh, woci stays beside the program and renews the session in time. The variables name files, so a \
program that reads the token's file again signs with the new one.

woci's options stand before the program's name. All that follows the name is given to the program unchanged.

  woci exec terraform plan -out plan
  woci --profile prod exec --auto-refresh python3 report.py --profile x
  woci exec -- ./tool --help

The exit code is that of the program; 127 if there is no such program, 126 if it cannot be executed, 2 if none is named.",
        runs_program: true,
        answer: by(exec::run),
        ..ROW
    },
    Verb {
        name: "kube-credential",
        summary: "print a token for kubectl (Oracle's Kubernetes, OKE)",
        about: "\
kubectl runs this command by itself after `woci kubeconfig` has set it up. The token is valid for 4 minutes. \
oci is not needed.

With auto_refresh = true, no call waits while a valid session is renewed: a call that finds the renewal due answers at \
once and starts a process that renews it.",
        schema: Some("exec-credential"),
        answer: by(kube::credential::run),
        ..ROW
    },
    Verb {
        name: "kubeconfig",
        summary: "print or write the kubeconfig entry that runs woci",
        about: "\
The entry makes kubectl run `woci kube-credential`. If you give options here that choose the session \
(region, files, provider, passphrase source), they are kept in the entry; secrets are not.

  woci --profile prod kubeconfig --cluster-id ocid1.cluster.oc1.iad.aaaa --write",
        answer: by(kube::config::run),
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
        answer: by(session::authenticate),
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
        answer: by(session::refresh),
        ..ROW
    },
    Verb {
        name: "status",
        summary: "show the session and what to do next",
        about: "\
Reads what is stored, as every run does first: nothing is sent, nothing is written, and no program is run. A token that \
ends within a minute counts as ended.

The exit code is 0 if the next run needs no person, and 1 if it does. With --all, a profile without a session does not \
count: the exit code is 1 if a session needs a person, or if the settings of a profile are malformed.

  woci status
  woci status --all
  woci status >/dev/null || woci session authenticate",
        schema: Some("status"),
        answer: by(status::run),
        ..ROW
    },
    Verb {
        name: "logout",
        summary: "end the session, here and at the provider",
        about: "\
Stops the background process, revokes the refresh token at the provider (revocation_url, or as the issuer's document \
says), and removes the session's files and its keys in the OCI config. A renewal under way is waited for. The session \
token itself cannot be revoked: a copy of it works until it ends, within 60 minutes. At Oracle's own sign-in there is \
nothing to revoke.

If the provider cannot be reached or refuses, or the refresh token cannot be decrypted, a warning says that the token \
stays valid there; the rest is done, and the exit code is 0. It is 1 if something could not be removed here.

--restore also brings back the API key that the profile had before (`session authenticate --replace-api-key`).

  woci logout
  woci --profile prod logout --restore
  woci logout --all",
        schema: Some("logout"),
        answer: by(logout::run),
        ..ROW
    },
    Verb {
        name: "doctor",
        summary: "find out what is wrong, and what to do",
        about: "\
Looks at the files of a profile, both configs, the stored session, the variables, the daemon, oci, the kubeconfig and \
this machine, and says of each whether it is good, doubtful or wrong, and what to do. It only reads: nothing is \
changed or sent, no browser opens, and nobody is asked.

With --online, it also tries the network: the provider's document, whether each service can be reached, the clock, \
and whether the services know woci's clients. No token of the session is sent.

The output holds no token and no secret, so that you can paste it into a ticket. The exit code is 1 if anything is \
wrong.

  woci doctor
  woci --profile prod doctor --online",
        schema: Some("doctor"),
        answer: by(doctor::run),
        ..ROW
    },
    Verb {
        name: "config",
        words: "[show|check|set|init]",
        summary: "show, check, change or make woci's configuration",
        about: "\
`woci config` alone shows it, as `woci config show` does.

  woci config show     the values in effect, and where each is set
  woci config check    what is wrong or doubtful in both configs
  woci config set      change a key of woci_manager.ini
  woci config init     set up a profile, step by step",
        schema: Some("config"),
        answer: by(config::run),
        ..ROW
    },
    Verb {
        name: "config show",
        listed: false,
        summary: "show the values in effect, and where each is set",
        about: "\
Shows the values that this profile's kind of session uses, then others that are set, then the defaults, each with \
the place where it is set: the option, the variable, or the section of woci_manager.ini with the line. Secrets \
are shown as ***; so are the arguments of commands, and parameters of URLs that may be secret. Nothing is run and no \
request is made.

  woci config show
  woci --profile prod config show --output json",
        schema: Some("config"),
        answer: by(config::show::run),
        ..ROW
    },
    Verb {
        name: "config check",
        listed: false,
        summary: "say what is wrong or doubtful in both configs",
        about: "\
Reads woci_manager.ini and the OCI config as a run does: lines that cannot be read, unknown keys, malformed and \
missing values, values that contradict each other, secrets that cannot be read, files that others can change. No \
program is run and no request is made. The exit code is 2 if a sign-in or a renewal would end with 2, else 0.

  woci config check
  woci --profile prod config check",
        schema: Some("config-check"),
        answer: by(config::check::run),
        ..ROW
    },
    Verb {
        name: "config set",
        words: "KEY [VALUE]",
        listed: false,
        summary: "change a key in the profile's section of woci_manager.ini",
        about: "\
Comments, order, line ends and mode of the file stay as they are. A file that does not exist is made. The value \
`-` reads one line from stdin or, on a terminal, asks for it, so that a secret does not stand in the arguments, \
which every user of the machine can read. An empty value hides the one in [COMMON].

  woci config set region eu-frankfurt-1
  woci config set --common scope \"openid offline_access\"
  woci config set client_secret - <secret.txt
  woci config set --unset client_secret",
        schema: Some("config-set"),
        answer: by(config::set::run),
        ..ROW
    },
    Verb {
        name: "config init",
        listed: false,
        summary: "set up a profile and sign in",
        about: "\
On a terminal, woci asks for what it needs and checks each answer. Values that you give as options are not asked \
for. Without a terminal, the options have to be enough. The values are written into the profile's section of \
woci_manager.ini; if that section is there already, give --force. Then you sign in. woci also prints the oci command that makes the \
identity domain trust the provider, with your values filled in.

  woci config init
  woci config init --preset console --region eu-frankfurt-1
  woci --profile prod config init --preset okta --issuer example.okta.com",
        schema: Some("config-init"),
        answer: by(config::init::run),
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
  woci --daemon --foreground           for systemd and launchd

For systemd, write this to ~/.config/systemd/user/woci@.service (the Debian package brings it), then run \
`systemctl --user enable --now woci@prod`, with the name of the profile:

  [Unit]
  Description=Keeps the OCI session of profile %i fresh
  [Service]
  ExecStart=%h/.local/bin/woci --profile %i --sign-in never \\
    --daemon --foreground
  Restart=on-failure
  RestartSec=60
  RestartPreventExitStatus=2 3
  [Install]
  WantedBy=default.target",
        schema: Some("daemon-status"),
        answer: by(daemon::start),
        ..ROW
    },
    Verb {
        name: "--daemon-status",
        form: Form::Option,
        summary: "print the state of the background process",
        about: "The exit code is 0 if the process runs, and 1 if it does not.",
        schema: Some("daemon-status"),
        answer: by(daemon::status),
        ..ROW
    },
    Verb {
        name: "--stop-daemon",
        form: Form::Option,
        summary: "stop the background process",
        about: "The exit code is 0 if the process was stopped, and 1 if none was running.",
        schema: Some("daemon-status"),
        answer: by(daemon::stop),
        ..ROW
    },
    Verb {
        name: "completion",
        words: "bash|zsh|fish",
        summary: "print a script that makes the TAB key complete woci",
        about: "\
The shell then completes verbs, options, their values and the names of your profiles. After an oci command, it \
completes what oci itself offers, which takes oci a second or two.

  source <(woci completion bash)     in ~/.bashrc
  source <(woci completion zsh)      in ~/.zshrc, after compinit
  woci completion fish | source      in ~/.config/fish/config.fish",
        answer: Answer::CompletionScript,
        ..ROW
    },
    Verb {
        name: "manual",
        summary: "print the man page: woci manual | man -l -",
        about: "`make install` and the packages install it, so that `man woci` shows it.",
        answer: Answer::Manual,
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
        answer: by(version::run),
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
        answer: by(passthrough::run),
        ..ROW
    },
    Verb { name: DAEMON_PROCESS, form: Form::HiddenWords, answer: by(daemon::process), ..ROW },
    Verb { name: RENEWAL_PROCESS, form: Form::HiddenWords, answer: by(renewal::process), ..ROW },
    Verb {
        name: "__complete",
        form: Form::HiddenWords,
        words: "[--] WORDS",
        answer: Answer::Completions,
        ..ROW
    },
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
    let first = words.first()?.len();
    VERBS
        .iter()
        .filter(|verb| matches!(verb.form, Form::Words | Form::HiddenWords))
        // Each word of a command line is looked at by this, so most names are left out without a comparison.
        .filter(|verb| verb.name.as_bytes().get(first).is_none_or(|byte| *byte == b' '))
        .filter(is_asked_for)
        .max_by_key(|verb| verb.name.len())
}

/// Of a verb that is asked for every profile.
const ALL: &str = "--all";

/// Every profile, each with its settings or the reason why it has none.
///
/// # Errors
/// [`Error::Conflict`] if one profile is named.
fn all_profiles(host: &Host, flags: &Flags) -> Result<Vec<(ProfileName, Result<Settings>)>> {
    if flags.has("--profile") {
        return Err(Error::Conflict { one: ALL.into(), other: "--profile".into() });
    }
    let config = Config::find(host, flags)?;
    let profiles = config.profiles(host, flags)?.into_iter();
    Ok(profiles.map(|profile| (profile.clone(), config.settings_of(profile, host, flags))).collect())
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
