//! What each error says: one table with a row per variant.
//!
//! A message reads `cannot <do> <what>: <why>; <next step>`. Three texts are kept word for word from
//! the older tool, because people search for them; two of them are here.

use super::phrases::{
    another_issuer, answer_lost, answered, daemon_elsewhere, deviation, failed, failed_elsewhere,
    holds_api_key, key_encrypted, missing_advice, no_terminal_to_paste, oauth_words, port_advice,
    program_missing, program_not_executable, program_not_named, refused_advice, refused_client, row,
    runner_advice, token_lost, token_newer, two_sources, without_query, words_or_status, wrong,
    wrong_passphrase,
};
use super::{AUTH_SERVICE, Error, Given, Said};

impl Error {
    pub fn say(&self) -> Said {
        self.say_to(&Given::default())
    }

    pub fn say_to(&self, given: &Given) -> Said {
        without_query(self.row(given), self.url())
    }

    /// A row has the exit code; what failed, and on what; why; what to do now.
    fn row(&self, given: &Given) -> Said {
        let authenticate = given.command("session authenticate", None);
        match self {
            // The command line.
            Self::OptionWithoutValue { option } => wrong(
                format!("cannot use {option}"),
                "it needs a value",
                "see `woci help options` for its form",
            ),
            Self::OptionMissing { verb, option } => wrong(
                format!("cannot run `woci {verb}`"),
                format!("it needs {option}"),
                format!("add the option; `woci help {verb}` shows its form"),
            ),
            Self::OptionWithValue { option } => {
                wrong(format!("cannot use {option} with a value"), "it takes none", "remove the value")
            }
            Self::OptionTwice { option } => wrong(
                format!("cannot use {option}"),
                "it is given twice, with different values",
                "give it once",
            ),
            Self::OptionNotText { option } => {
                wrong(format!("cannot use {option}"), "its value is not UTF-8 text", "give it as UTF-8")
            }
            Self::OptionAfterOciWord { option } => wrong(
                format!("cannot use {option} after an oci command"),
                "both woci and oci have this option",
                "put `--` before the oci command to pass it to oci, \
                 or put the option before the oci command to give it to woci",
            ),
            Self::OptionNeedsOther { option, other } => wrong(
                format!("cannot use {option}"),
                format!("it has an effect only with {other}"),
                format!("add {other}"),
            ),
            Self::NotOfVerb { verb, word } => wrong(
                format!("cannot run `woci {verb}`"),
                format!("it does not accept {word}"),
                format!("see `woci help {verb}` for what it accepts"),
            ),
            Self::Conflict { one, other } => wrong(
                format!("cannot use {one}"),
                format!("it cannot be combined with {other}"),
                "remove one of them",
            ),
            Self::UnknownTopic { topic, topics } => wrong(
                format!("cannot run `woci help {topic}`"),
                "it is neither a verb nor another topic of help",
                format!("ask for one of these: {topics}"),
            ),
            Self::NoSuchShell { given } => wrong(
                "cannot print a completion script",
                if given.is_empty() {
                    "no shell is named".into()
                } else {
                    format!("`{given}` is no shell that woci knows")
                },
                "name one of these: bash, zsh, fish",
            ),
            Self::UnknownWord { word, meant } => wrong(
                format!("cannot run `woci {word}`"),
                "neither woci nor oci has such a command",
                format!(
                    "run `woci {meant}` if you meant that, or put `--` before `{word}` to pass it to oci"
                ),
            ),
            Self::UnknownOption { option, meant } => wrong(
                format!("cannot use {option}"),
                "neither woci nor oci has this option here",
                format!(
                    "give `woci {meant}` if you meant that, or put `--` before {option} to pass it to oci"
                ),
            ),

            // Configuration.
            Self::BadValue { name, why } => {
                wrong(format!("cannot use {name}"), why, "correct it, then run woci again")
            }
            Self::ManagerConfig { path, why } => wrong(
                format!("cannot read the manager config {}", path.display()),
                why,
                "correct the file, or name another with --manager-config",
            ),
            Self::MissingOptions { names, profile, console, manager } => wrong(
                "Missing required options",
                names.join(", "),
                missing_advice(names, profile, *console, manager, given),
            ),
            Self::TwoSources { one, other, chosen_by } => two_sources(one, other, chosen_by),
            Self::Secret(fault) => fault.say(),
            Self::Config(fault) => fault.say_to(given),
            Self::SubjectToken { from, why } => failed(
                format!("cannot use the workload's token from {from}"),
                why,
                "give the job a token that is valid now, then run woci again; `woci help workloads` shows how",
            ),
            Self::RunnerVariable { runner, variable } => failed(
                format!("cannot ask {runner} for the workload's token"),
                format!("the variable {variable} is not set"),
                runner_advice(variable),
            ),
            Self::NoProfile { why } => {
                wrong("Could not determine profile name", why, "name one with --profile or OCI_CLI_PROFILE")
            }
            Self::BadProfileName { name } => wrong(
                format!("cannot use `{name}` as a profile name"),
                "a name consists of at most 255 letters, digits and . _ - @, and is not `.`, `..` or COMMON",
                "choose another name",
            ),
            Self::UnknownProfile { profile, known } => wrong(
                format!("cannot sign in for the profile {profile}"),
                format!("neither config has it, and woci_manager.ini has others: {}", known.join(", ")),
                format!("name one of those, or add a section [{profile}] to woci_manager.ini"),
            ),
            Self::OciConfig { path, line, why } => wrong(
                format!("cannot use the OCI config {}, line {line}", path.display()),
                why,
                "correct the file (oci refuses it too)",
            ),
            Self::OciConfigValue { path, name, why } => failed(
                format!("cannot write {name} into the OCI config {}", path.display()),
                why,
                "correct the setting or the token that it comes from, then run woci again",
            ),
            Self::SectionHoldsApiKey { path, profile } => holds_api_key(path, profile, given),
            Self::NoApiKeyKept { path, profile } => failed(
                format!("cannot restore an API key for profile {profile}"),
                format!("no {}.woci-backup file has one in [{profile}]", path.display()),
                format!("write the API key into [{profile}] yourself; the session is removed"),
            ),
            Self::NoHome => wrong(
                "cannot find the home folder",
                "HOME is not set to an absolute path",
                "set HOME, then run woci again",
            ),
            Self::RelativePath { path, why } => failed(
                format!("cannot resolve the relative path {}", path.display()),
                why,
                "run woci in a folder that exists, or give an absolute path",
            ),

            // The passphrase and the refresh token that it encrypts.
            Self::NoPassphraseSource { path } => wrong(
                format!("cannot open {}", path.display()),
                "it is encrypted and no passphrase source is set",
                "add --refresh-token-passphrase-prompt, \
                 or name a variable with --refresh-token-passphrase-env",
            ),
            Self::PassphraseEmpty => {
                wrong("cannot use the passphrase", "it is empty", "run woci again and type one")
            }
            Self::PassphraseNotText => wrong(
                "cannot use the passphrase",
                "it is not UTF-8 text",
                "set the terminal to UTF-8, then run woci again",
            ),
            Self::PassphraseMismatch => wrong(
                "cannot use the passphrase",
                "it was typed differently the second time",
                "run woci again and type the same passphrase twice",
            ),
            Self::NoTerminal => wrong(
                "cannot ask for the passphrase",
                "there is no terminal",
                "run woci in a terminal, or name a variable with --refresh-token-passphrase-env",
            ),
            Self::NoRefreshToken { place } => failed(
                "cannot keep the session fresh",
                format!("there is no refresh token in {place}"),
                format!("put offline_access into the scope, then run {authenticate}"),
            ),
            Self::WrongPassphrase { path, setting } => failed(
                format!("cannot decrypt {}", path.display()),
                wrong_passphrase(*setting),
                format!("try again, or run {authenticate} for a new session if the passphrase is lost"),
            ),
            Self::RefreshTokenFile { path, why } => failed(
                format!("cannot read the refresh token {}", path.display()),
                why,
                format!("run {authenticate} for a new one"),
            ),
            Self::RefreshTokenNewer { path } => token_newer(path, &authenticate),
            Self::RefreshTokenLost { path, why } => token_lost(path, why, &authenticate),
            Self::KeyMemory { mebibytes } => failed(
                "cannot derive the key from the passphrase",
                format!("it needs {mebibytes} MiB of memory, and the system gives less"),
                "free memory or raise the limit (`ulimit -v`), then run woci again; no token was spent",
            ),

            // Files.
            Self::File { doing, path, why } => {
                failed(format!("cannot {doing} {}", path.display()), why, "correct that, then run woci again")
            }
            Self::KeyEncrypted { path, profile } => key_encrypted(path, profile, given),
            Self::Key { path, why } => failed(
                format!("cannot use the private key {}", path.display()),
                why,
                format!("restore it, or move it away and run {authenticate} for a new one"),
            ),
            Self::Locked { path, holder, seconds } => failed(
                format!("cannot lock {}", path.display()),
                match seconds {
                    0 => format!("{holder} holds it"),
                    seconds => format!("{holder} still holds it after {seconds} s"),
                },
                "wait for that process or end it, then run woci again",
            ),
            Self::FailedElsewhere { code, said } => failed_elsewhere(*code, said),

            // The person.
            Self::PortTaken { address, why, is_the_only_one }
            | Self::PortForbidden { address, why, is_the_only_one } => failed(
                format!("cannot listen on {address} for the sign-in"),
                why,
                port_advice(matches!(self, Self::PortForbidden { .. }), *is_the_only_one),
            ),
            Self::Denied { error, description } => failed(
                "cannot sign in",
                format!("the provider answered {}", oauth_words(Some(error), description.as_deref())),
                format!("resolve this at the provider, then run {authenticate}"),
            ),
            Self::AnotherIssuer { named, expected } => {
                another_issuer(named.as_deref(), expected, &authenticate)
            }
            Self::Unanswered { minutes } => failed(
                "cannot sign in",
                format!("nobody answered within {minutes} minutes"),
                format!("run {authenticate} and finish the sign-in in that time"),
            ),
            Self::NoBrowser => failed(
                "cannot sign in",
                "no browser could be opened, and there is no terminal to show the Auth URL on",
                format!(
                    "set BROWSER to a browser's command, \
                     or run {authenticate} in a terminal and open its Auth URL yourself"
                ),
            ),
            Self::NobodyToAsk { profile, why } => failed(
                "cannot go on without a sign-in",
                why,
                format!("run {}", given.command("session authenticate", Some(profile))),
            ),

            Self::NoTerminalToPaste { profile, why, other } => {
                no_terminal_to_paste(profile, why, other, given)
            }

            // The network.
            Self::AnswerLost { url, why } => answer_lost(url, why, &authenticate),
            Self::Unreachable { what, url, why, .. } => failed(
                format!("cannot reach the {what} {url}"),
                why,
                "check the network, the proxy and the URL, then run woci again; the session is kept",
            ),
            Self::Refused { what, url, status, error, why } => failed(
                format!("cannot use the {what} {url}"),
                answered(*status, error.as_deref(), why.as_deref()),
                refused_advice(what, *status, error.as_deref(), &authenticate),
            ),
            Self::ClientRefused { refused, setting } => refused_client(refused, given, setting),
            // The middle part is also shown as the reason for a sign-in.
            Self::RefreshTokenDead { url, error, description } => failed(
                "cannot refresh the session",
                format!(
                    "the provider {url} refused the refresh token ({})",
                    oauth_words(Some(error), description.as_deref())
                ),
                format!("run {authenticate}"),
            ),
            // The middle part is also shown as the reason for a sign-in.
            Self::SessionOver { url, error, why } => failed(
                "cannot renew the session",
                format!(
                    "the {AUTH_SERVICE} {url} refused the session token ({})",
                    words_or_status(401, error.as_deref(), why.as_deref())
                ),
                format!("run {authenticate}"),
            ),
            Self::ClockOff { url, ours, theirs } => failed(
                "cannot renew the session",
                format!(
                    "this machine's clock is {}: it says {ours}, and that of {url} says {theirs}",
                    deviation(ours.since(*theirs))
                ),
                "set the clock, then run woci again; the session is kept",
            ),
            Self::BadAnswer { what, url, why } => failed(
                format!("cannot use the answer of the {what} {url}"),
                why,
                "check that the URL is right and that no proxy or sign-in page answers in its place",
            ),
            Self::Discovery { url, why } => failed(
                format!("cannot use the discovery document {url}"),
                why,
                "correct issuer, set issuer_expected if the provider gives itself another name, or name the endpoints \
                 with authz_base_url and token_url",
            ),
            Self::Untrusted { what, url, why } => failed(
                format!("cannot trust the certificate of the {what} {url}"),
                why,
                "if your company's own authority signed it, name that authority's file with SSL_CERT_FILE; \
                 otherwise correct the server's certificate or this machine's clock",
            ),
            Self::Proxy { proxy, why } => failed(
                format!("cannot get through the proxy {proxy}"),
                why,
                "correct HTTPS_PROXY (http://user:password@host:port) or NO_PROXY, then run woci again; \
                 the session is kept",
            ),
            Self::Certificates { why } => failed(
                "cannot load the certificate authorities",
                why,
                "install the system's CA certificates, or name a file of them with SSL_CERT_FILE",
            ),
            Self::OpaqueToken => failed(
                "cannot exchange the access token",
                "it is opaque, and the exchange needs a JWT",
                "configure the provider to issue JWT access tokens; \
                 Okta does so only from a custom authorization server (…/oauth2/default/…)",
            ),
            Self::Upst { why, exchanged } => failed(
                "cannot use the session token that OCI issued",
                why,
                match exchanged {
                    true => "check token_exchange_url and the domain's identity propagation trust".into(),
                    false => {
                        let command = given.command("session authenticate", None);
                        format!("run {command} if this lasts; the session is kept")
                    }
                },
            ),
            Self::AnotherIdentity { profile, was, is } => failed(
                format!("cannot renew the session of profile {profile}"),
                format!("it is of {was}, and the new one would be of {is}"),
                format!(
                    "run {} to take the new one, or use another profile for it",
                    given.command("session authenticate", Some(profile))
                ),
            ),
            Self::UnexpectedIdentity { profile, expected, is } => failed(
                format!("cannot take the session for profile {profile}"),
                format!("it is of {is}, and the settings expect {expected}"),
                format!(
                    "correct expect_user or expect_tenancy, or run {} and sign in as the one who is expected; \
                     nothing of the new session was stored",
                    given.command("session authenticate", Some(profile))
                ),
            ),
            Self::ClockWrong { expiration, now } => failed(
                "cannot use the session token that OCI issued",
                format!("it expired at {expiration}, and this machine's clock says {now}"),
                "check the clock, then run woci again",
            ),

            // The system.
            Self::Random { why } => failed(
                "cannot get random bytes from the system",
                why,
                "run woci where the system's random source works",
            ),
            Self::NewKey { why } => failed("cannot make a key for the session", why, "run woci again"),
            Self::OwnProgram { why } => failed(
                "cannot find woci's own program file",
                why,
                "check that the file was not deleted and, on Linux, that /proc is mounted",
            ),
            Self::Scarce { what, limit, why } => failed(
                format!("cannot begin the sign-in: the system gives too few {what}"),
                why,
                format!("end other programs or raise the limit (`ulimit {limit}`), then run woci again"),
            ),
            Self::Stdout { why } => {
                failed("cannot write to stdout", why, "check the program or file that receives the output")
            }

            Self::Unattended { why } => failed(
                "cannot leave a process that renews the session",
                why,
                "the session is kept, and renewed once it has ended",
            ),

            // The daemon.
            Self::Daemon { log, why } => failed(
                "cannot start the daemon",
                why,
                format!("see its messages above or in {}", log.display()),
            ),
            Self::DaemonRuns { profile } => failed(
                format!("cannot start the daemon of profile {profile}"),
                "one is already running",
                format!("run {} first", given.command("--stop-daemon", Some(profile))),
            ),
            Self::DaemonStays { pid, seconds } => failed(
                "cannot stop the daemon",
                format!("process {pid} is still running after {seconds} s"),
                format!("wait for it, or run `kill -KILL {pid}`"),
            ),
            Self::DaemonUnknown { lock } => failed(
                "cannot stop the daemon",
                format!("the process that holds {} is not the one that the file names", lock.display()),
                "run woci again in a moment; it is starting, or runs where this machine's processes are not seen",
            ),
            Self::DaemonElsewhere { pid, profile } => daemon_elsewhere(*pid, profile, given),
            Self::DaemonDisplaced { folder } => failed(
                "cannot keep the session fresh",
                format!("{} was replaced by another folder", folder.display()),
                format!("run {} for the session that is there now", given.command("--daemon", None)),
            ),
            Self::DaemonNeedsPerson { profile, why } => row(
                3,
                "cannot keep the session fresh without a sign-in",
                why,
                format!(
                    "run {}, then start the daemon again",
                    given.command("session authenticate", Some(profile))
                ),
            ),

            // Kubernetes.
            Self::NoRegion => wrong(
                "cannot determine the cluster's region",
                "neither a setting nor the cluster's OCID names one",
                "give --region, or set region in the profile",
            ),
            Self::Kubectl { why } => failed(
                "cannot write the kubeconfig with kubectl",
                why,
                "install kubectl, or leave out --write and put the printed entry into the kubeconfig yourself",
            ),

            // The OCI CLI.
            Self::OciMissing => row(
                127,
                "cannot run oci",
                "there is no `oci` on PATH",
                "install the OCI CLI, or correct PATH",
            ),
            Self::OciMissingOrVerb { word, verb } => row(
                127,
                format!("cannot run `oci {word}`"),
                "there is no `oci` on PATH",
                format!(
                    "run `woci {verb}` if you meant that; otherwise install the OCI CLI, or correct PATH"
                ),
            ),
            Self::OciRunsWoci { path } => row(
                126,
                format!("cannot run {}", path.display()),
                "it runs woci again, and there is no other `oci` on PATH",
                "install the OCI CLI, or correct PATH",
            ),
            Self::OciNotExecutable { path, why } => row(
                126,
                format!("cannot run {}", path.display()),
                why,
                "reinstall the OCI CLI, or correct PATH",
            ),

            // Any program.
            Self::ProgramNotNamed { verb } => program_not_named(verb, given),
            Self::ProgramMissing { name } => program_missing(name),
            Self::ProgramNotExecutable { path, why } => {
                program_not_executable(&path.display().to_string(), why)
            }
            Self::OciArguments { path, why } => row(
                126,
                format!("cannot run {}", path.display()),
                why,
                "give oci less on its command line (such as --from-json file://FILE), or unset large variables",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use strum::IntoEnumIterator as _;

    use super::super::{DEVICE, DISCOVERY, EXCHANGE, EXCHANGE_BY_DEFAULT, Found, RUNNER, Variant};
    use super::*;
    use crate::testing::golden;
    use crate::time::UnixTime;

    #[test]
    fn all_that_woci_can_say() {
        let rows: String = examples().iter().map(|e| format!("{:>3}  woci: {e}\n", e.say().code)).collect();
        golden::check("errors.txt", &rows);
    }

    #[test]
    fn every_message_has_the_same_form() {
        const KEPT: [&str; 2] = ["Missing required options", "Could not determine profile name"];
        for e in examples() {
            let Said { code, what, why, next } = e.say();
            assert!(matches!(code, 1..=3 | 126 | 127), "{e}");
            assert!(what.starts_with("cannot ") || KEPT.contains(&&*what), "{e}");
            assert!(!why.is_empty() && next.starts_with(char::is_lowercase), "{e}");
            assert!([what, why, next].iter().all(|text| !text.ends_with(['.', ':', ';', ' '])), "{e}");
        }
    }

    #[test]
    fn a_provider_gets_one_line() {
        let description = Some("no\r\nwoci: all is well\u{1b}[2J".into());
        let said = Error::Denied { error: "access_denied".into(), description }.to_string();
        assert!(said.contains("no  woci: all is well [2J"), "{said}");
    }

    #[test]
    fn a_suggested_command_repeats_the_options_that_choose_the_session() {
        let given = Given {
            sign_in_with: None,
            profile: Some("prod".into()),
            manager_config: Some("/home/ada/it's mine.ini".into()),
            config_file: Some("~/oci/config".into()),
            sessions_folder: Some("/s".into()),
            with_daemon: false,
            of_sign_in: vec![("--tenancy-name", "acme one".into()), ("--replace-api-key", String::new())],
        };
        let common = [
            r"--profile prod --manager-config '/home/ada/it'\''s mine.ini'",
            "--config-file ~/oci/config --sessions-folder /s",
        ];
        let common = common.join(" ");
        let own = "--tenancy-name 'acme one' --replace-api-key";
        let command = &*format!("`woci session authenticate {common} {own}`");
        let next = |e: Error| e.say_to(&given).next;
        assert!(next(Error::Unanswered { minutes: 5 }).contains(command));
        assert!(next(Error::NobodyToAsk { profile: "prod".into(), why: String::new() }).contains(command));
        assert_eq!(given.command("--stop-daemon", None), format!("`woci --stop-daemon {common}`"));
        let given = Given { with_daemon: true, ..given.clone() };
        let command = format!("`woci --daemon session authenticate {common} {own}`");
        assert_eq!(given.command("session authenticate", None), command);
    }

    /// At least one example of each variant, in the order of the enum.
    fn examples() -> Vec<Error> {
        let mut all = Vec::new();
        for variant in Variant::iter() {
            let examples = examples_of(variant);
            assert!(!examples.is_empty(), "{variant:?} has no example");
            assert!(examples.iter().all(|e| Variant::from(e) == variant), "not of {variant:?}: {examples:?}");
            all.extend(examples);
        }
        all
    }

    /// More than one example where the message depends on what the variant holds.
    fn examples_of(variant: Variant) -> Vec<Error> {
        let prod = |name: &str| PathBuf::from("/home/ada/.oci/sessions/prod").join(name);
        let manager = || PathBuf::from("/home/ada/.oci/woci_manager.ini");
        let config = || PathBuf::from("/home/ada/.oci/config");
        let refresh_url =
            || String::from("https://auth.us-ashburn-1.oraclecloud.com/v1/authentication/refresh");
        let what = "token endpoint";
        let url = String::from("https://idp.example.com/oauth2/v1/token");
        match variant {
            Variant::OptionWithoutValue => vec![Error::OptionWithoutValue { option: "--scope".into() }],
            Variant::OptionMissing => {
                vec![Error::OptionMissing { verb: "kubeconfig".into(), option: "--cluster-id".into() }]
            }
            Variant::OptionWithValue => vec![Error::OptionWithValue { option: "--daemon".into() }],
            Variant::OptionTwice => vec![Error::OptionTwice { option: "--region".into() }],
            Variant::OptionNotText => vec![Error::OptionNotText { option: "--profile".into() }],
            Variant::OptionAfterOciWord => vec![Error::OptionAfterOciWord { option: "--scope".into() }],
            Variant::OptionNeedsOther => {
                vec![Error::OptionNeedsOther { option: "--foreground".into(), other: "--daemon".into() }]
            }
            Variant::NotOfVerb => vec![Error::NotOfVerb { verb: "env".into(), word: "--output".into() }],
            Variant::Conflict => {
                vec![Error::Conflict { one: "--daemon".into(), other: "another command".into() }]
            }
            Variant::UnknownTopic => vec![Error::UnknownTopic {
                topic: "sesion".into(),
                topics: "credential, env, options".into(),
            }],
            Variant::NoSuchShell => {
                vec![Error::NoSuchShell { given: "tcsh".into() }, Error::NoSuchShell { given: String::new() }]
            }
            Variant::UnknownWord => {
                vec![Error::UnknownWord { word: "logn".into(), meant: "session authenticate".into() }]
            }
            Variant::UnknownOption => {
                vec![Error::UnknownOption { option: "--hepl".into(), meant: "--help".into() }]
            }
            Variant::BadValue => vec![Error::BadValue {
                name: format!("redirect_port in [prod] of {}", manager().display()),
                why:
                    "it is neither a list of different ports from 1 to 65535 with commas between them, nor 0"
                        .into(),
            }],
            Variant::ManagerConfig => vec![Error::ManagerConfig {
                path: manager(),
                why: "line 3: the section [prod] is there a second time".into(),
            }],
            Variant::MissingOptions => {
                let names = vec!["--token-url (token_url)".into(), "--scope (scope)".into()];
                vec![
                    Error::MissingOptions {
                        names: names.clone(),
                        profile: "prod".into(),
                        console: false,
                        manager: Found::At(manager()),
                    },
                    Error::MissingOptions {
                        names,
                        profile: "prod".into(),
                        console: true,
                        manager: Found::NowhereOf(vec![manager()]),
                    },
                    Error::MissingOptions {
                        names: vec!["--region (region)".into()],
                        profile: "prod".into(),
                        console: true,
                        manager: Found::NowhereOf(vec![manager()]),
                    },
                ]
            }
            Variant::TwoSources => [
                ("token_url", "subject_token_file", "session_from"),
                ("client_secret_file", "client_secret_command", ""),
            ]
            .map(|(one, other, chosen_by)| Error::TwoSources { one, other, chosen_by })
            .into(),
            Variant::Config => {
                crate::error::ConfigFault::examples().into_iter().map(Error::Config).collect()
            }
            Variant::Secret => crate::error::SecretFault::examples().into_iter().map(Error::Secret).collect(),
            Variant::SubjectToken => vec![Error::SubjectToken {
                from: "the variable OCI_ID_TOKEN".into(),
                why: "its `exp` is 2026-11-23T21:00:00Z, and now is 2026-11-23T23:00:04Z".into(),
            }],
            Variant::RunnerVariable => [
                ("GitHub Actions", "ACTIONS_ID_TOKEN_REQUEST_URL"),
                ("Azure DevOps", "SYSTEM_OIDCREQUESTURI"),
                ("Azure DevOps", "SYSTEM_ACCESSTOKEN"),
            ]
            .map(|(runner, variable)| Error::RunnerVariable { runner, variable })
            .into(),
            Variant::NoProfile => {
                vec![Error::NoProfile {
                    why: "woci_manager.ini has several and no [DEFAULT]: prod, dev".into(),
                }]
            }
            Variant::BadProfileName => vec![Error::BadProfileName { name: "../prod".into() }],
            Variant::UnknownProfile => vec![Error::UnknownProfile {
                profile: "prdo".into(),
                known: vec!["prod".into(), "staging".into()],
            }],
            Variant::OciConfig => {
                vec![Error::OciConfig {
                    path: config(),
                    line: 7,
                    why: "the key user is there a second time in [prod]".into(),
                }]
            }
            Variant::OciConfigValue => vec![Error::OciConfigValue {
                path: config(),
                name: "the region",
                why: "it is empty, begins or ends with a blank, or holds a control character".into(),
            }],
            Variant::SectionHoldsApiKey => ["prod", "DEFAULT"]
                .map(|profile| Error::SectionHoldsApiKey { path: config(), profile: profile.into() })
                .into(),
            Variant::NoApiKeyKept => {
                vec![Error::NoApiKeyKept { path: "/home/ada/.oci/config".into(), profile: "prod".into() }]
            }
            Variant::NoHome => vec![Error::NoHome],
            Variant::RelativePath => vec![Error::RelativePath {
                path: "woci_manager.ini".into(),
                why: "No such file or directory".into(),
            }],
            Variant::NoPassphraseSource => vec![Error::NoPassphraseSource { path: prod("refresh_token") }],
            Variant::PassphraseEmpty => vec![Error::PassphraseEmpty],
            Variant::PassphraseNotText => vec![Error::PassphraseNotText],
            Variant::PassphraseMismatch => vec![Error::PassphraseMismatch],
            Variant::NoTerminal => vec![Error::NoTerminal],
            Variant::NoRefreshToken => {
                vec![Error::NoRefreshToken { place: prod("refresh_token").display().to_string() }]
            }
            Variant::WrongPassphrase => [None, Some("refresh_token_passphrase_command")]
                .map(|setting| Error::WrongPassphrase { path: prod("refresh_token"), setting })
                .into(),
            Variant::RefreshTokenFile => {
                vec![Error::RefreshTokenFile {
                    path: prod("refresh_token"),
                    why: "its JSON is damaged".into(),
                }]
            }
            Variant::RefreshTokenNewer => {
                vec![Error::RefreshTokenNewer { path: prod("refresh_token") }]
            }
            Variant::RefreshTokenLost => vec![Error::RefreshTokenLost {
                path: prod("refresh_token"),
                why: "Input/output error".into(),
            }],
            Variant::KeyMemory => vec![Error::KeyMemory { mebibytes: 128 }],
            Variant::File => vec![Error::File {
                doing: "write",
                path: prod("token"),
                why: "No space left on device".into(),
            }],
            Variant::KeyEncrypted => {
                vec![Error::KeyEncrypted { path: prod("oci_api_key.pem"), profile: "prod".into() }]
            }
            Variant::Key => {
                vec![Error::Key {
                    path: prod("private_key.pem"),
                    why: "it is encrypted, and a session's key is not".into(),
                }]
            }
            Variant::Locked => {
                let held = |holder: &str, seconds| Error::Locked {
                    path: prod("session.lock"),
                    holder: holder.into(),
                    seconds,
                };
                vec![held("process 4711 (refresh)", 60), held("process 4711 (sign-in)", 0)]
            }
            Variant::PortTaken => {
                let taken = |address: &str, is_the_only_one| Error::PortTaken {
                    address: address.into(),
                    why: "Address already in use".into(),
                    is_the_only_one,
                };
                vec![taken("127.0.0.1:8181", false), taken("[::1]:8181", true)]
            }
            Variant::FailedElsewhere => vec![Error::FailedElsewhere {
                code: 1,
                said: "cannot reach the token endpoint https://idp.example.com/oauth2/v1/token: \
                       the connection timed out; check the network"
                    .into(),
            }],
            Variant::PortForbidden => [false, true]
                .map(|is_the_only_one| Error::PortForbidden {
                    address: "127.0.0.1:80".into(),
                    why: "Permission denied".into(),
                    is_the_only_one,
                })
                .into(),
            Variant::AnswerLost => {
                let why = "the connection was closed before the answer was complete".into();
                vec![Error::AnswerLost { url: format!("{url}?api_key=secret"), why }]
            }
            Variant::Denied => {
                let denied = |error: &str, why: Option<&str>| Error::Denied {
                    error: error.into(),
                    description: why.map(Into::into),
                };
                vec![denied("access_denied", None), denied("invalid_request", Some("nonce required"))]
            }
            Variant::AnotherIssuer => [Some("https://evil.example.com".to_owned()), None]
                .map(|named| Error::AnotherIssuer { named, expected: "https://idp.example.com".into() })
                .into(),
            Variant::Unanswered => vec![Error::Unanswered { minutes: 5 }],
            Variant::NoBrowser => vec![Error::NoBrowser],
            Variant::NoTerminalToPaste => {
                let why = "there is no refresh token".into();
                vec![Error::NoTerminalToPaste { profile: "prod".into(), why, other: "browser" }]
            }
            Variant::NobodyToAsk => {
                vec![Error::NobodyToAsk { profile: "prod".into(), why: "there is no refresh token".into() }]
            }
            Variant::Unreachable => {
                let why = "its host name is not known".into();
                vec![Error::Unreachable { what, url, why, is_sent: false }]
            }
            Variant::Refused => {
                let refused = |status, error: Option<&str>, why: Option<&str>| Error::Refused {
                    what,
                    url: url.clone(),
                    status,
                    error: error.map(Into::into),
                    why: why.map(Into::into),
                };
                let auth = |status, error: Option<&str>, why: Option<&str>| Error::Refused {
                    what: AUTH_SERVICE,
                    url: refresh_url(),
                    status,
                    error: error.map(Into::into),
                    why: why.map(Into::into),
                };
                let of = |what| Error::Refused {
                    what,
                    url: url.clone(),
                    status: 400,
                    error: Some("invalid_request".into()),
                    why: Some("No rules matched".into()),
                };
                vec![
                    refused(503, None, None),
                    refused(401, Some("invalid_client"), Some("The client secret has expired")),
                    refused(400, Some("unauthorized_client"), None),
                    refused(400, Some("invalid_scope"), None),
                    refused(302, None, None),
                    refused(302, None, Some("a redirect to https://idp.example.com/login")),
                    refused(404, None, None),
                    refused(400, None, None),
                    refused(400, Some("invalid_request"), Some("No rules matched")),
                    refused(403, None, Some("Blocked by the firewall")),
                    of(EXCHANGE),
                    of(EXCHANGE_BY_DEFAULT),
                    of(DEVICE),
                    Error::Refused {
                        what: RUNNER,
                        url: "https://runner.example.com/idtoken?api-version=2.0".into(),
                        status: 401,
                        error: None,
                        why: None,
                    },
                    Error::Refused {
                        what: DISCOVERY,
                        url: "https://idp.example.com/.well-known/openid-configuration".into(),
                        status: 404,
                        error: None,
                        why: Some("Not found".into()),
                    },
                    auth(503, None, None),
                    auth(404, Some("NotAuthorizedOrNotFound"), Some("no such host")),
                    auth(302, None, Some("a redirect to https://portal.example.com/")),
                    auth(403, Some("NotAuthorized"), Some("Blocked by a policy")),
                ]
            }
            Variant::RefreshTokenDead => {
                vec![Error::RefreshTokenDead { url, error: "invalid_grant".into(), description: None }]
            }
            Variant::SessionOver => {
                let over = |error: Option<&str>, why: Option<&str>| Error::SessionOver {
                    url: refresh_url(),
                    error: error.map(Into::into),
                    why: why.map(Into::into),
                };
                vec![over(Some("NotAuthenticated"), Some("The token has expired")), over(None, None)]
            }
            Variant::ClockOff => [-480, 10_800, 200_000]
                .map(|by| Error::ClockOff {
                    url: refresh_url(),
                    ours: UnixTime(1_795_467_600 + by),
                    theirs: UnixTime(1_795_467_600),
                })
                .into(),
            Variant::ClientRefused => vec![Error::ClientRefused {
                refused: Box::new(Error::Refused {
                    what,
                    url,
                    status: 401,
                    error: Some("invalid_client".into()),
                    why: None,
                }),
                setting: "auth_client_secret_command",
            }],
            Variant::BadAnswer => vec![Error::BadAnswer { what, url, why: "it is not JSON".into() }],
            Variant::Discovery => vec![Error::Discovery {
                url: "https://idp.example.com/.well-known/openid-configuration".into(),
                why: "its issuer is https://evil.example.com, and the configured one is https://idp.example.com"
                    .into(),
            }],
            Variant::Untrusted => {
                let why = "it is from an authority that is not trusted here".into();
                vec![Error::Untrusted { what, url, why }]
            }
            Variant::Proxy => vec![Error::Proxy {
                proxy: "proxy.example.com:3128".into(),
                why: "it asks for a password".into(),
            }],
            Variant::Certificates => vec![Error::Certificates { why: "the system has none".into() }],
            Variant::OpaqueToken => vec![Error::OpaqueToken],
            Variant::Upst => {
                [true, false].map(|exchanged| Error::Upst { why: "it is not a JWT".into(), exchanged }).into()
            }
            Variant::AnotherIdentity => vec![Error::AnotherIdentity {
                profile: "prod".into(),
                was: "user ocid1.user.oc1..ada of tenancy ocid1.tenancy.oc1..one".into(),
                is: "user ocid1.user.oc1..eve of tenancy ocid1.tenancy.oc1..one".into(),
            }],
            Variant::UnexpectedIdentity => vec![Error::UnexpectedIdentity {
                profile: "prod".into(),
                expected: "user ocid1.user.oc1..ada".into(),
                is: "user ocid1.user.oc1..eve of tenancy ocid1.tenancy.oc1..one".into(),
            }],
            Variant::ClockWrong => vec![Error::ClockWrong {
                expiration: "2026-11-23T21:00:00Z".into(),
                now: "2026-11-23T23:00:04Z".into(),
            }],
            Variant::Random => vec![Error::Random { why: "Function not implemented".into() }],
            Variant::NewKey => vec![Error::NewKey { why: "the system's random source failed".into() }],
            Variant::OwnProgram => vec![Error::OwnProgram { why: "No such file or directory".into() }],
            Variant::Scarce => {
                vec![Error::Scarce { what: "descriptors", limit: "-n", why: "Too many open files".into() }]
            }
            Variant::Stdout => vec![Error::Stdout { why: "Broken pipe".into() }],
            Variant::Daemon => {
                vec![Error::Daemon { log: prod("woci_refresh.log"), why: "it ended before it was up".into() }]
            }
            Variant::DaemonRuns => vec![Error::DaemonRuns { profile: "prod".into() }],
            Variant::DaemonStays => vec![Error::DaemonStays { pid: 4711, seconds: 60 }],
            Variant::DaemonUnknown => vec![Error::DaemonUnknown { lock: prod("woci_refresh.lock") }],
            Variant::DaemonElsewhere => {
                vec![Error::DaemonElsewhere { pid: 4711, profile: "prod".into() }]
            }
            Variant::DaemonDisplaced => {
                vec![Error::DaemonDisplaced { folder: "/home/ada/.oci/sessions/prod".into() }]
            }
            Variant::DaemonNeedsPerson => {
                let why = "the refresh token was revoked".into();
                vec![Error::DaemonNeedsPerson { profile: "prod".into(), why }]
            }
            Variant::NoRegion => vec![Error::NoRegion],
            Variant::Kubectl => vec![Error::Kubectl { why: "No such file or directory".into() }],
            Variant::OciMissing => vec![Error::OciMissing],
            Variant::OciMissingOrVerb => {
                vec![Error::OciMissingOrVerb { word: "credentail".into(), verb: "credential".into() }]
            }
            Variant::OciRunsWoci => vec![Error::OciRunsWoci { path: "/home/ada/bin/oci".into() }],
            Variant::OciNotExecutable => {
                vec![Error::OciNotExecutable { path: "/usr/bin/oci".into(), why: "Permission denied".into() }]
            }
            Variant::Unattended => vec![Error::Unattended { why: "Resource temporarily unavailable".into() }],
            Variant::ProgramNotNamed => vec![Error::ProgramNotNamed { verb: "exec" }],
            Variant::ProgramMissing => ["terraform", "./deploy"]
                .map(|name| Error::ProgramMissing { name: name.into() })
                .into(),
            Variant::ProgramNotExecutable => {
                let (path, why) = ("./deploy".into(), "it is not marked as executable".into());
                vec![Error::ProgramNotExecutable { path, why }]
            }
            Variant::OciArguments => {
                vec![Error::OciArguments { path: "/usr/bin/oci".into(), why: "Argument list too long".into() }]
            }
        }
    }
}
