//! Every way woci can fail: plain data, and one table of what it says and with which exit code.
//!
//! Code branches on the variants, never on words. A message is `cannot <do> <what>: <why>; <next
//! step>`, but for the texts kept from the older tool because people search for them. All of them,
//! each with an example: `fixtures/errors.txt`.

use std::fmt;
use std::path::PathBuf;

pub type Result<T> = std::result::Result<T, Error>;

/// What ends a run of woci, or is reported by a part that goes on without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    // The command line.
    OptionWithoutValue { option: String },
    OptionMissing { verb: String, option: String },
    OptionWithValue { option: String },
    OptionTwice { option: String },
    OptionNotText { option: String },
    OptionAfterOciWord { option: String },
    // An option or word that a verb of woci's does not know.
    NotOfVerb { verb: String, word: String },
    // Two requests that exclude each other, or a flag without the verb it belongs to.
    Conflict { one: String, other: String },
    NotAvailable { what: String },
    UnknownTopic { topic: String, topics: String },

    // Configuration. `name` says which setting, and where it was set: `redirect_port in [prod] of /…`.
    BadValue { name: String, why: String },
    ManagerConfig { path: PathBuf, why: String },
    // Each as it is named to a person: `--token-url (token_url)`.
    MissingOptions { names: Vec<String>, profile: String, manager: Option<PathBuf> },
    NoProfile { why: String },
    BadProfileName { name: String },
    OciConfig { path: PathBuf, line: usize, why: String },
    DefaultHoldsApiKey { path: PathBuf },
    NoHome,

    // The passphrase and what it opens.
    NoPassphraseSource { path: PathBuf },
    PassphraseVariable { variable: String },
    PassphraseEmpty,
    PassphraseMismatch,
    NoTerminal,
    NoRefreshToken { path: PathBuf },
    WrongPassphrase { path: PathBuf },
    // The file is neither a token nor an envelope that woci or the older tool wrote.
    RefreshTokenFile { path: PathBuf, why: String },
    // Deriving a key from a passphrase takes memory on purpose.
    KeyMemory { mebibytes: usize },

    // Files.
    File { doing: &'static str, path: PathBuf, why: String },
    Key { path: PathBuf, why: String },
    Locked { path: PathBuf, holder: String, seconds: u64 },

    // The person.
    PortTaken { port: u16, why: String },
    Denied { error: String, description: Option<String> },
    Unanswered { minutes: u64 },
    // No browser opens, and nobody is there to open the URL by hand.
    NoBrowser,
    // A sign-in is needed, and `why` says what forbids to ask for one.
    NobodyToAsk { profile: String, why: String },

    // The network.
    Unreachable { what: &'static str, url: String, why: String },
    // An answer that is an OAuth error or another failing status.
    Refused { what: &'static str, url: String, status: u16, error: Option<String>, why: Option<String> },
    // The provider no longer takes the refresh token, or wants the person first.
    RefreshTokenDead { url: String, error: String, description: Option<String> },
    BadAnswer { what: &'static str, url: String, why: String },
    Untrusted { what: &'static str, url: String, why: String },
    Proxy { proxy: String, why: String },
    Certificates { why: String },
    OpaqueToken,
    Upst { why: String },
    // The UPST that was just issued has ended already.
    ClockWrong { expiration: String, now: String },
    Random { why: String },

    // The daemon.
    Daemon { log: PathBuf, why: String },
    DaemonRuns { profile: String },

    // Kubernetes.
    NoRegion,
    Kubectl { why: String },

    // Programs beside woci.
    OciMissing,
    // The first word is nearly one of woci's verbs.
    OciMissingOrVerb { word: String, verb: String },
    OciNotExecutable { path: PathBuf, why: String },
    Stdout { why: String },
}

/// What a program sees, and what a person reads: `what: why; next`.
pub struct Said {
    pub code: u8,
    pub what: String,
    pub why: String,
    pub next: String,
}

impl Error {
    /// One row per failure: exit code; what failed, on what; why; what to do now.
    pub fn say(&self) -> Said {
        match self {
            // The command line.
            Self::OptionWithoutValue { option } => wrong(
                format!("cannot take {option}"),
                "it needs a value",
                "see `woci help options` for its form",
            ),
            Self::OptionMissing { verb, option } => wrong(
                format!("cannot run `woci {verb}`"),
                format!("it needs {option}"),
                format!("give it, as `woci help {verb}` shows"),
            ),
            Self::OptionWithValue { option } => {
                wrong(format!("cannot take {option}"), "it has a value and takes none", "give it alone")
            }
            Self::OptionTwice { option } => wrong(
                format!("cannot take {option}"),
                "it is given twice, with different values",
                "give it once",
            ),
            Self::OptionNotText { option } => {
                wrong(format!("cannot take {option}"), "its value is not UTF-8 text", "give it as UTF-8")
            }
            Self::OptionAfterOciWord { option } => wrong(
                format!("cannot take {option} after an oci command"),
                "it could be woci's or oci's",
                "put `--` before the oci command to pass it on, or the option first to give it to woci",
            ),
            Self::NotOfVerb { verb, word } => wrong(
                format!("cannot run `woci {verb}`"),
                format!("it does not take {word}"),
                format!("see `woci help {verb}` for what it takes"),
            ),
            Self::Conflict { one, other } => wrong(
                format!("cannot take {one}"),
                format!("it does not go with {other}"),
                "leave one of them out",
            ),
            Self::NotAvailable { what } => wrong(
                format!("cannot run {what}"),
                "it is not available in this version",
                "see `woci --help` for what is",
            ),
            Self::UnknownTopic { topic, topics } => wrong(
                format!("cannot run `woci help {topic}`"),
                "it is neither a verb nor another topic of help",
                format!("ask for one of these: {topics}"),
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
            Self::MissingOptions { names, profile, manager } => wrong(
                "Missing required options",
                names.join(", "),
                match manager {
                    Some(path) => format!("set them in [{profile}] or [COMMON] of {}", path.display()),
                    None => format!("set them in [{profile}] of ~/.oci/woci_manager.ini"),
                } + ", or give them as options",
            ),
            Self::NoProfile { why } => {
                wrong("Could not determine profile name", why, "name one with --profile or OCI_CLI_PROFILE")
            }
            Self::BadProfileName { name } => wrong(
                format!("cannot use `{name}` as a profile name"),
                "oci takes letters, digits and . _ - @ only, and neither `.`, `..` nor COMMON",
                "choose another name",
            ),
            Self::OciConfig { path, line, why } => wrong(
                format!("cannot use the OCI config {}, line {line}", path.display()),
                why,
                "correct the file; oci refuses it too",
            ),
            Self::DefaultHoldsApiKey { path } => wrong(
                format!("cannot put a session into [DEFAULT] of {}", path.display()),
                "it holds an API key that every other profile there inherits",
                "name a profile of its own with --profile, or say --profile DEFAULT to replace the API key",
            ),
            Self::NoHome => wrong(
                "cannot find the home folder",
                "HOME is not set to an absolute path",
                "set HOME, then run woci again",
            ),

            // The passphrase and what it opens.
            Self::NoPassphraseSource { path } => wrong(
                format!("cannot open {}", path.display()),
                "it is encrypted and no passphrase source is set",
                "give --refresh-token-passphrase-prompt, \
                 or name a variable with --refresh-token-passphrase-env",
            ),
            Self::PassphraseVariable { variable } => wrong(
                format!("cannot take the passphrase from {variable}"),
                "the variable is unset, empty or not UTF-8",
                format!("set {variable}, or use --refresh-token-passphrase-prompt"),
            ),
            Self::PassphraseEmpty => {
                wrong("cannot use the passphrase", "it is empty", "run woci again and type one")
            }
            Self::PassphraseMismatch => wrong(
                "cannot use the passphrase",
                "the two that were typed differ",
                "run woci again and type it twice",
            ),
            Self::NoTerminal => wrong(
                "cannot ask for the passphrase",
                "there is no terminal",
                "run woci in one, or name a variable with --refresh-token-passphrase-env",
            ),
            Self::NoRefreshToken { path } => failed(
                "cannot keep the session fresh",
                format!("there is no refresh token in {}", path.display()),
                "run `woci session authenticate`, with offline_access in the scope",
            ),
            Self::WrongPassphrase { path } => failed(
                format!("cannot decrypt {}", path.display()),
                "the passphrase is wrong or the file was altered",
                "try again; if the passphrase is lost, `woci session authenticate` makes a new session",
            ),
            Self::RefreshTokenFile { path, why } => failed(
                format!("cannot read the refresh token {}", path.display()),
                why,
                "run `woci session authenticate` for a new one",
            ),
            Self::KeyMemory { mebibytes } => failed(
                "cannot derive the key from the passphrase",
                format!("it takes {mebibytes} MiB of memory, and the system gives less"),
                "free memory or raise the limit (`ulimit -v`), then run woci again; no token was spent",
            ),

            // Files.
            Self::File { doing, path, why } => failed(
                format!("cannot {doing} {}", path.display()),
                why,
                "put that right, then run woci again",
            ),
            Self::Key { path, why } => failed(
                format!("cannot use the private key {}", path.display()),
                why,
                "restore it, or move it away and run `woci session authenticate` for a new one",
            ),
            Self::Locked { path, holder, seconds } => failed(
                format!("cannot lock {}", path.display()),
                format!("{holder} still holds it after {seconds} s"),
                "wait for that process or end it, then run woci again",
            ),

            // The person.
            Self::PortTaken { port, why } => failed(
                format!("cannot listen on 127.0.0.1:{port} for the sign-in"),
                why,
                "end the program that has the port, \
                 or choose another with --redirect-port and register its redirect URI at the provider",
            ),
            Self::Denied { error, description } => failed(
                "cannot sign in",
                format!("the provider answered {}", oauth_words(Some(error), description.as_deref())),
                "see what the provider asks for, then run `woci session authenticate`",
            ),
            Self::Unanswered { minutes } => failed(
                "cannot sign in",
                format!("nobody answered in the browser within {minutes} minutes"),
                "run `woci session authenticate` and finish the sign-in there",
            ),
            Self::NoBrowser => failed(
                "cannot sign in",
                "no browser could be opened, and there is no terminal to ask at",
                "set BROWSER to a browser's command, \
                 or run `woci session authenticate` and open its Auth URL yourself",
            ),
            Self::NobodyToAsk { profile, why } => failed(
                "cannot go on without a sign-in",
                why,
                format!("run `woci session authenticate --profile {profile}`"),
            ),

            // The network.
            Self::Unreachable { what, url, why } => failed(
                format!("cannot reach the {what} {url}"),
                why,
                "check the network, the proxy and the URL, then run woci again; the session is kept",
            ),
            Self::Refused { what, url, status, error, why } => failed(
                format!("cannot use the {what} {url}"),
                match error.as_deref() {
                    None => format!("it answered HTTP {status}"),
                    error => {
                        format!("it answered {} (HTTP {status})", oauth_words(error, why.as_deref()))
                    }
                },
                refused_advice(*status, error.as_deref()),
            ),
            // The second text is also why a sign-in is needed.
            Self::RefreshTokenDead { url, error, description } => failed(
                "cannot refresh the session",
                format!(
                    "the provider {url} refused the refresh token ({})",
                    oauth_words(Some(error), description.as_deref())
                ),
                "run `woci session authenticate`",
            ),
            Self::BadAnswer { what, url, why } => failed(
                format!("cannot use the answer of the {what} {url}"),
                why,
                "check that the URL is right and that no proxy or sign-in page answers in its place",
            ),
            Self::Untrusted { what, url, why } => failed(
                format!("cannot trust the certificate of the {what} {url}"),
                why,
                "where a company's own authority signs it, name that authority's file with SSL_CERT_FILE; \
                 else its server, or the clock here, has to be put right",
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
                "make the provider issue JWT access tokens; \
                 Okta gives one only from a custom authorization server (…/oauth2/default/…)",
            ),
            Self::Upst { why } => failed(
                "cannot use the session token that OCI issued",
                why,
                "check token_exchange_url and the domain's identity propagation trust",
            ),
            Self::ClockWrong { expiration, now } => failed(
                "cannot use the session token that OCI issued",
                format!("it ended at {expiration}, and the clock here says {now}"),
                "check the clock, then run woci again",
            ),
            Self::Random { why } => failed(
                "cannot get random bytes from the system",
                why,
                "run woci where the system's random source works",
            ),

            // The daemon.
            Self::Daemon { log, why } => failed(
                "cannot start the daemon",
                why,
                format!("what it said stands above, or in {}", log.display()),
            ),
            Self::DaemonRuns { profile } => failed(
                format!("cannot be the daemon of profile {profile}"),
                "one runs already",
                "end it with --stop-daemon first",
            ),

            // Kubernetes.
            Self::NoRegion => wrong(
                "cannot tell the cluster's region",
                "neither a setting nor its OCID names one",
                "give --region, or set region in the profile",
            ),
            Self::Kubectl { why } => failed(
                "cannot have kubectl write the kubeconfig",
                why,
                "install kubectl, or put the entry that `woci kubeconfig` prints into the kubeconfig yourself",
            ),

            // Programs beside woci.
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
                format!("run `woci {verb}` if you meant that, else install the OCI CLI or correct PATH"),
            ),
            Self::OciNotExecutable { path, why } => row(
                126,
                format!("cannot run {}", path.display()),
                why,
                "reinstall the OCI CLI, or correct PATH",
            ),
            Self::Stdout { why } => {
                failed("cannot write to stdout", why, "see what became of the program that reads it")
            }
        }
    }
}

/// The arguments or the configuration are wrong.
fn wrong(what: impl Into<String>, why: impl Into<String>, next: impl Into<String>) -> Said {
    row(2, what, why, next)
}

/// It went wrong at run time.
fn failed(what: impl Into<String>, why: impl Into<String>, next: impl Into<String>) -> Said {
    row(1, what, why, next)
}

fn row(code: u8, what: impl Into<String>, why: impl Into<String>, next: impl Into<String>) -> Said {
    Said { code, what: what.into(), why: why.into(), next: next.into() }
}

fn oauth_words(error: Option<&str>, description: Option<&str>) -> String {
    match (error, description) {
        (Some(error), Some(description)) => format!("{error}: {description}"),
        (Some(error), None) => error.to_owned(),
        (None, _) => "no error code".to_owned(),
    }
}

fn refused_advice(status: u16, error: Option<&str>) -> &'static str {
    match (status, error) {
        (408 | 429 | 500.., _) => "run woci again in a while; the session is kept",
        (_, Some("invalid_client")) | (401, _) => {
            "check the client id and the client secret of that endpoint"
        }
        (_, Some("unauthorized_client")) => "allow the client this grant type where it is registered",
        (_, Some("invalid_scope")) => "correct the scope",
        (300..=399, _) => "give the URL that it redirects to, if that is the right one",
        (404, _) => "check the URL",
        // Some providers say no more of a dead refresh token.
        (400, None) => {
            "run `woci session authenticate`; if that does not help, check how the client is registered there"
        }
        _ => "check how the client is registered there and what the identity propagation trust allows",
    }
}

/// One line whatever a provider put into it: control characters become spaces.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Said { what, why, next, .. } = self.say();
        f.write_str(&format!("{what}: {why}; {next}").replace(char::is_control, " "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden;

    #[test]
    fn all_that_woci_can_say() {
        let rows: String = examples().iter().map(|e| format!("{:>3}  woci: {e}\n", e.say().code)).collect();
        golden::check("errors.txt", &rows);
    }

    #[test]
    fn every_variant_has_an_example() {
        let source = include_str!("mod.rs").split_once("pub enum Error {\n").unwrap().1;
        let body = source.split_once("\n}\n").unwrap().0;
        let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
        let variants: Vec<&str> =
            lines.filter(|line| line.starts_with(char::is_uppercase)).map(name).collect();
        let mut shown: Vec<String> = examples().iter().map(|e| name(&format!("{e:?}")).into()).collect();
        shown.dedup();
        assert_eq!(variants, shown, "in the order of the enum");
    }

    /// Of the variant that begins a text.
    fn name(text: &str) -> &str {
        text.split([' ', ',']).next().unwrap_or_default()
    }

    #[test]
    fn every_message_has_the_same_form() {
        const KEPT: [&str; 2] = ["Missing required options", "Could not determine profile name"];
        for e in examples() {
            let Said { code, what, why, next } = e.say();
            assert!(matches!(code, 1 | 2 | 126 | 127), "{e}");
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

    /// One of each variant, in the order of the enum; more where the words depend on what is in it.
    fn examples() -> Vec<Error> {
        let prod = |name: &str| PathBuf::from("/home/ada/.oci/sessions/prod").join(name);
        let manager = || PathBuf::from("/home/ada/.oci/woci_manager.ini");
        let config = || PathBuf::from("/home/ada/.oci/config");
        let token_url = || String::from("https://idp.example.com/oauth2/v1/token");
        let missing = || vec!["--token-url (token_url)".into(), "--scope (scope)".into()];
        let refused = |status, error: Option<&str>, why: Option<&str>| Error::Refused {
            what: "token endpoint",
            url: token_url(),
            status,
            error: error.map(Into::into),
            why: why.map(Into::into),
        };
        vec![
            Error::OptionWithoutValue { option: "--scope".into() },
            Error::OptionMissing { verb: "kubeconfig".into(), option: "--cluster-id".into() },
            Error::OptionWithValue { option: "--daemon".into() },
            Error::OptionTwice { option: "--region".into() },
            Error::OptionNotText { option: "--profile".into() },
            Error::OptionAfterOciWord { option: "--scope".into() },
            Error::NotOfVerb { verb: "env".into(), word: "--output".into() },
            Error::Conflict { one: "--daemon".into(), other: "another command".into() },
            Error::NotAvailable { what: "`woci status`".into() },
            Error::UnknownTopic { topic: "sesion".into(), topics: "credential, env, options".into() },
            Error::BadValue {
                name: format!("redirect_port in [prod] of {}", manager().display()),
                why: "it is not a number from 1 to 65535".into(),
            },
            Error::ManagerConfig { path: manager(), why: "line 3: the section [prod] stands twice".into() },
            Error::MissingOptions { names: missing(), profile: "prod".into(), manager: Some(manager()) },
            Error::MissingOptions { names: missing(), profile: "DEFAULT".into(), manager: None },
            Error::NoProfile { why: "woci_manager.ini has several and no [DEFAULT]: prod, dev".into() },
            Error::BadProfileName { name: "../prod".into() },
            Error::OciConfig { path: config(), line: 7, why: "the key user stands twice".into() },
            Error::DefaultHoldsApiKey { path: config() },
            Error::NoHome,
            Error::NoPassphraseSource { path: prod("refresh_token") },
            Error::PassphraseVariable { variable: "WOCI_PASSPHRASE".into() },
            Error::PassphraseEmpty,
            Error::PassphraseMismatch,
            Error::NoTerminal,
            Error::NoRefreshToken { path: prod("refresh_token") },
            Error::WrongPassphrase { path: prod("refresh_token") },
            Error::RefreshTokenFile { path: prod("refresh_token"), why: "it is empty".into() },
            Error::KeyMemory { mebibytes: 128 },
            Error::File { doing: "write", path: prod("token"), why: "No space left on device".into() },
            Error::Key { path: prod("private_key.pem"), why: "it is encrypted".into() },
            Error::Locked { path: prod("session.lock"), holder: "process 4711".into(), seconds: 60 },
            Error::PortTaken { port: 8181, why: "Address already in use".into() },
            Error::Denied { error: "access_denied".into(), description: None },
            Error::Denied { error: "access_denied".into(), description: Some("Not in the group".into()) },
            Error::Unanswered { minutes: 5 },
            Error::NoBrowser,
            Error::NobodyToAsk { profile: "prod".into(), why: "there is no refresh token".into() },
            Error::Unreachable {
                what: "token endpoint",
                url: token_url(),
                why: "its host name is not known".into(),
            },
            refused(503, None, None),
            refused(401, Some("invalid_client"), Some("The client secret has expired")),
            refused(400, Some("unauthorized_client"), None),
            refused(400, Some("invalid_scope"), None),
            refused(302, None, None),
            refused(404, None, None),
            refused(400, None, None),
            refused(400, Some("invalid_request"), Some("No rules matched")),
            Error::RefreshTokenDead { url: token_url(), error: "invalid_grant".into(), description: None },
            Error::BadAnswer { what: "token endpoint", url: token_url(), why: "it is not JSON".into() },
            Error::Untrusted {
                what: "token endpoint",
                url: token_url(),
                why: "it is from an authority that is not trusted here".into(),
            },
            Error::Proxy { proxy: "proxy.example.com:3128".into(), why: "it asks for a password".into() },
            Error::Certificates { why: "the system has none".into() },
            Error::OpaqueToken,
            Error::Upst { why: "it is not a JWT".into() },
            Error::ClockWrong {
                expiration: "2026-11-23T21:00:00Z".into(),
                now: "2026-11-23T23:00:04Z".into(),
            },
            Error::Random { why: "Function not implemented".into() },
            Error::Daemon { log: prod("woci_refresh.log"), why: "it ended before it was up".into() },
            Error::DaemonRuns { profile: "prod".into() },
            Error::NoRegion,
            Error::Kubectl { why: "No such file or directory".into() },
            Error::OciMissing,
            Error::OciMissingOrVerb { word: "credentail".into(), verb: "credential".into() },
            Error::OciNotExecutable { path: "/usr/bin/oci".into(), why: "Permission denied".into() },
            Error::Stdout { why: "Broken pipe".into() },
        ]
    }
}
