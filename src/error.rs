//! Every way woci can fail: plain data, and one table of what it says and with which exit code.
//!
//! Code branches on the variants, never on words. A message is `cannot <do> <what>: <why>; <next
//! step>`, but for the texts kept from the older tool because people search for them.

use std::fmt;
use std::path::PathBuf;

pub type Result<T> = std::result::Result<T, Error>;

/// What ends a run of woci, or is reported by a part that goes on without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    // The command line.
    OptionWithoutValue {
        option: String,
    },
    OptionMissing {
        verb: String,
        option: String,
    },
    OptionWithValue {
        option: String,
    },
    OptionTwice {
        option: String,
    },
    OptionNotText {
        option: String,
    },
    OptionAfterOciWord {
        option: String,
    },
    /// An option or word that a verb of woci's does not know.
    NotOfVerb {
        verb: String,
        word: String,
    },
    /// Two requests that exclude each other, or a flag without the verb it belongs to.
    Conflict {
        one: String,
        other: String,
    },
    NotAvailable {
        what: String,
    },

    // Configuration.
    /// `name` says which setting and where it was set: `redirect_port in [prod] of /…/woci_manager.ini`.
    BadValue {
        name: String,
        why: String,
    },
    ManagerConfig {
        path: PathBuf,
        why: String,
    },
    /// Each as it is named to a person: `--token-url (token_url)`.
    MissingOptions {
        names: Vec<String>,
        profile: String,
        manager: Option<PathBuf>,
    },
    NoProfile {
        why: String,
    },
    BadProfileName {
        name: String,
    },
    OciConfig {
        path: PathBuf,
        line: usize,
        why: String,
    },
    DefaultHoldsApiKey {
        path: PathBuf,
    },
    NoHome,

    // The passphrase and what it opens.
    NoPassphraseSource {
        path: PathBuf,
    },
    PassphraseVariable {
        variable: String,
    },
    PassphraseEmpty,
    PassphraseMismatch,
    NoTerminal,
    NoRefreshToken {
        path: PathBuf,
    },
    WrongPassphrase {
        path: PathBuf,
    },
    /// The file is neither a token nor an envelope that woci or the older tool wrote.
    RefreshTokenFile {
        path: PathBuf,
        why: String,
    },
    /// Deriving a key from a passphrase takes memory on purpose.
    KeyMemory {
        mebibytes: usize,
    },

    // Files.
    File {
        doing: &'static str,
        path: PathBuf,
        why: String,
    },
    Key {
        path: PathBuf,
        why: String,
    },
    Locked {
        path: PathBuf,
        holder: String,
        seconds: u64,
    },

    // The person.
    PortTaken {
        port: u16,
        why: String,
    },
    Denied {
        error: String,
        description: Option<String>,
    },
    Unanswered {
        minutes: u64,
    },
    /// No browser opens, and nobody is there to open the URL by hand.
    NoBrowser,
    /// A sign-in is needed, and `why` says what forbids to ask for one.
    NobodyToAsk {
        profile: String,
        why: String,
    },

    // The network.
    Unreachable {
        what: &'static str,
        url: String,
        why: String,
    },
    /// An answer that is an OAuth error or another failing status.
    Refused {
        what: &'static str,
        url: String,
        status: u16,
        error: Option<String>,
        description: Option<String>,
    },
    /// The provider no longer takes the refresh token, or wants the person first.
    RefreshTokenDead {
        url: String,
        error: String,
        description: Option<String>,
    },
    BadAnswer {
        what: &'static str,
        url: String,
        why: String,
    },
    Certificates {
        why: String,
    },
    OpaqueToken,
    Upst {
        why: String,
    },
    /// The UPST that was just issued has ended already.
    ClockWrong {
        expiration: String,
        now: String,
    },
    Random {
        why: String,
    },

    // The daemon.
    Daemon {
        log: PathBuf,
        why: String,
    },
    DaemonRuns {
        profile: String,
    },

    // Kubernetes.
    NoRegion,
    Kubectl {
        why: String,
    },

    // oci.
    OciMissing,
    OciNotExecutable {
        path: PathBuf,
        why: String,
    },
    Stdout {
        why: String,
    },
}

/// What a person reads, and what a program sees.
pub struct Said {
    pub code: u8,
    pub what: String,
    pub next: String,
}

impl Error {
    /// True where the same request may well succeed a little later: nothing was decided.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500..),
            _ => false,
        }
    }

    /// One row per failure: exit code; what failed, on what, why; what to do now.
    pub fn say(&self) -> Said {
        let (code, what, next) = match self {
            Self::OptionWithoutValue { option } => (2, format!("{option} needs a value"), format!("see `woci --help` for what {option} takes")),
            Self::OptionMissing { verb, option } => (2, format!("`woci {verb}` needs {option}"), format!("give {option}; see `woci --help`")),
            Self::OptionWithValue { option } => (2, format!("{option} takes no value"), format!("give {option} alone")),
            Self::OptionTwice { option } => (2, format!("{option} is given twice with different values"), "give it once".into()),
            Self::OptionNotText { option } => (2, format!("the value of {option} is not UTF-8 text"), "give it as UTF-8".into()),
            Self::OptionAfterOciWord { option } => (2, format!("{option} after an oci command could be woci's or oci's"),
                format!("put `--` before the oci command to pass {option} on to oci, or {option} before the command to give it to woci")),
            Self::NotOfVerb { verb, word } => (2, format!("`woci {verb}` does not take {word}"), "see `woci --help`".into()),
            Self::Conflict { one, other } => (2, format!("{one} does not go with {other}"), "leave one of them out".into()),
            Self::NotAvailable { what } => (2, format!("{what} is not available in this version"), "see `woci --help` for what is".into()),

            Self::BadValue { name, why } => (2, format!("cannot use {name}: {why}"), "correct it".into()),
            Self::ManagerConfig { path, why } => (2, format!("cannot read the manager config {}: {why}", path.display()), "correct the file, or name another with --manager-config".into()),
            Self::MissingOptions { names, profile, manager } => (2, format!("Missing required options: {}", names.join(", ")), match manager {
                Some(path) => format!("set them in [{profile}] or [COMMON] of {}, or give them as options", path.display()),
                None => format!("set them in [{profile}] of ~/.oci/woci_manager.ini, or give them as options"),
            }),
            Self::NoProfile { why } => (2, format!("Could not determine profile name: {why}"), "name one with --profile or OCI_CLI_PROFILE".into()),
            Self::BadProfileName { name } => (2, format!("cannot use `{name}` as a profile name: oci takes letters, digits and . _ - @ only, and neither `.`, `..` nor COMMON"), "choose another name".into()),
            Self::OciConfig { path, line, why } => (2, format!("cannot use the OCI config {}, line {line}: {why}", path.display()), "correct the file; oci refuses it too".into()),
            Self::DefaultHoldsApiKey { path } => (2, format!("cannot put a session into [DEFAULT] of {}: it holds an API key that every other profile there inherits", path.display()),
                "name a profile of its own with --profile, or say --profile DEFAULT to replace the API key".into()),
            Self::NoHome => (2, "cannot find the home folder: HOME is not set to an absolute path".into(), "set HOME".into()),

            Self::NoPassphraseSource { path } => (2, format!("cannot open {}: it is encrypted and no passphrase source is set", path.display()),
                "give --refresh-token-passphrase-prompt, or name a variable with --refresh-token-passphrase-env".into()),
            Self::PassphraseVariable { variable } => (2, format!("cannot take the passphrase from {variable}: the variable is unset, empty or not UTF-8"), format!("set {variable}, or use --refresh-token-passphrase-prompt")),
            Self::PassphraseEmpty => (2, "cannot use an empty passphrase".into(), "run woci again and type one".into()),
            Self::PassphraseMismatch => (2, "cannot use the passphrase: the two that were typed differ".into(), "run woci again".into()),
            Self::NoTerminal => (2, "cannot ask for the passphrase: there is no terminal".into(), "run woci in a terminal, or name a variable with --refresh-token-passphrase-env".into()),
            Self::NoRefreshToken { path } => (1, format!("cannot keep the session fresh: there is no refresh token in {}", path.display()), "run `woci session authenticate`, with offline_access in the scope".into()),
            Self::WrongPassphrase { path } => (1, format!("cannot decrypt {}: the passphrase is wrong or the file was altered", path.display()),
                "try the passphrase again; if it is lost, `woci session authenticate` makes a new session".into()),
            Self::RefreshTokenFile { path, why } => (1, format!("cannot read the refresh token {}: {why}", path.display()), "`woci session authenticate` makes a new session".into()),
            Self::KeyMemory { mebibytes } => (1, format!("cannot derive the key from the passphrase: it takes {mebibytes} MiB of memory, and the system gives less"),
                "free memory or raise the limit (`ulimit -v`), then run woci again; no token was spent".into()),

            Self::File { doing, path, why } => (1, format!("cannot {doing} {}: {why}", path.display()), "make it possible and run woci again; no token was spent".into()),
            Self::Key { path, why } => (1, format!("cannot use the private key {}: {why}", path.display()), "restore it, or move it away and run `woci session authenticate` for a new one".into()),
            Self::Locked { path, holder, seconds } => (1, format!("cannot lock {}: {holder} still holds it after {seconds} s", path.display()), "wait for that process or end it, then run woci again".into()),

            Self::PortTaken { port, why } => (1, format!("cannot listen on 127.0.0.1:{port} for the sign-in: {why}"),
                "end the program that has the port, or choose another with --redirect-port (and register its redirect URI at the provider)".into()),
            Self::Denied { error, description } => (1, format!("cannot sign in: the provider answered {}", oauth_words(Some(error), description.as_deref())),
                "see what the provider asks for, then run `woci session authenticate`".into()),
            Self::Unanswered { minutes } => (1, format!("cannot sign in: nobody answered in the browser within {minutes} minutes"), "run `woci session authenticate` and finish the sign-in there".into()),
            Self::NoBrowser => (1, "cannot sign in: no browser could be opened, and there is no terminal to ask at".into(), "set BROWSER to a browser's command, or run `woci session authenticate` and open its Auth URL yourself".into()),
            Self::NobodyToAsk { profile, why } => (1, format!("cannot go on without a sign-in: {why}"), format!("run `woci session authenticate --profile {profile}`")),

            Self::Unreachable { what, url, why } => (1, format!("cannot reach the {what} {url}: {why}"), "check the network, the proxy and the URL, then run woci again; the session is kept".into()),
            Self::Refused { what, url, status, error, description } => (1, match error {
                None => format!("cannot use the {what} {url}: it answered HTTP {status}"),
                Some(_) => format!("cannot use the {what} {url}: it answered {} (HTTP {status})", oauth_words(error.as_deref(), description.as_deref())),
            }, refused_advice(*status, error.as_deref()).into()),
            Self::RefreshTokenDead { url, error, description } => (1, format!("the provider {url} refused the refresh token ({})", oauth_words(Some(error), description.as_deref())), "run `woci session authenticate`".into()),
            Self::BadAnswer { what, url, why } => (1, format!("cannot use the answer of the {what} {url}: {why}"), "check that the URL is right and that no proxy or sign-in page answers in its place".into()),
            Self::Certificates { why } => (1, format!("cannot load the certificate authorities: {why}"), "install the system's CA certificates, or name a file of them with SSL_CERT_FILE".into()),
            Self::OpaqueToken => (1, "cannot exchange the access token: it is opaque, and the exchange needs a JWT".into(),
                "make the provider issue JWT access tokens; Okta gives one only from a custom authorization server (…/oauth2/default/…)".into()),
            Self::Upst { why } => (1, format!("cannot use the session token that OCI issued: {why}"), "check token_exchange_url and the domain's identity propagation trust".into()),
            Self::ClockWrong { expiration, now } => (1, format!("cannot use the session token that OCI issued: it ended at {expiration}, and the clock here says {now}"), "check the clock".into()),
            Self::Random { why } => (1, format!("cannot get random bytes from the system: {why}"), "run woci where the system's random source works".into()),

            Self::Daemon { log, why } => (1, format!("cannot start the daemon: {why}"), format!("see its log, {}", log.display())),
            Self::DaemonRuns { profile } => (1, format!("cannot be the daemon of profile {profile}: one runs already"), "end it with --stop-daemon first".into()),

            Self::NoRegion => (2, "cannot tell the cluster's region: neither a setting nor its OCID names one".into(), "give --region, or set region in the profile".into()),
            Self::Kubectl { why } => (1, format!("cannot write the kubeconfig by kubectl: {why}"), "install kubectl, or put the entry that `woci kubeconfig` prints into the kubeconfig yourself".into()),
            Self::OciMissing => (127, "cannot run oci: there is no `oci` on PATH".into(), "install the OCI CLI, or correct PATH".into()),
            Self::OciNotExecutable { path, why } => (126, format!("cannot run {}: {why}", path.display()), "reinstall the OCI CLI, or correct PATH".into()),
            Self::Stdout { why } => (1, format!("cannot write to stdout: {why}"), "see what became of the program that reads it".into()),
        };
        Said { code, what, next }
    }
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
        _ => "check how the client is registered there and what the identity propagation trust allows",
    }
}

/// One line whatever a provider put into it: control characters become spaces.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Said { what, next, .. } = self.say();
        let line = format!("{what}; {next}");
        f.write_str(&line.replace(char::is_control, " "))
    }
}
