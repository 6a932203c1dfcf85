//! Every way in which woci can fail, as plain data. [`say`](Error::say) turns each into an exit code
//! and a message.
//!
//! Code branches on the variants, never on the words of a message. `fixtures/errors.txt` shows an
//! example of every message.

mod phrases;
mod request;
mod say;
mod secret;

use std::fmt;
use std::path::PathBuf;

use crate::printable;
use crate::time::UnixTime;

pub use phrases::quoted;
pub use request::ConfigFault;
pub use secret::SecretFault;

pub type Result<T> = std::result::Result<T, Error>;

/// The identity provider's token endpoint, as `what` of an error of the network.
pub const TOKEN_ENDPOINT: &str = "token endpoint";
/// The exchange at the identity domain, as `what` of an error of the network.
pub const EXCHANGE: &str = "token exchange";
/// The same where no URL is configured for it.
pub const EXCHANGE_BY_DEFAULT: &str = "token exchange at token_url (token_exchange_url is not set)";
/// The service of a CI runner that issues identity tokens.
pub const RUNNER: &str = "runner's token service";
/// The document in which a provider publishes its endpoints.
pub const DISCOVERY: &str = "discovery document";
/// The provider's endpoint for device codes.
pub const DEVICE: &str = "device authorization endpoint";
/// The provider's endpoint that takes a refresh token back.
pub const REVOCATION: &str = "revocation endpoint";
/// Oracle's service that renews a session.
pub const AUTH_SERVICE: &str = "authentication service";

/// An error ends the run, or is logged if woci can continue without what failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(strum::EnumDiscriminants))]
#[cfg_attr(test, strum_discriminants(name(Variant), derive(strum::EnumIter)))]
pub enum Error {
    // The command line.
    OptionWithoutValue { option: String },
    OptionMissing { verb: String, option: String },
    OptionWithValue { option: String },
    OptionTwice { option: String },
    OptionNotText { option: String },
    OptionAfterOciWord { option: String },
    OptionNeedsOther { option: String, other: String },
    // An option or word that this verb does not accept.
    NotOfVerb { verb: String, word: String },
    // Two requests that exclude each other, or a flag without the verb it belongs to.
    Conflict { one: String, other: String },
    UnknownTopic { topic: String, topics: String },
    // `given` may be empty.
    NoSuchShell { given: String },
    // A typing error: neither woci nor oci has the word or option, and it is near one of woci's. `meant` is a command.
    UnknownWord { word: String, meant: String },
    UnknownOption { option: String, meant: String },

    // A request to change or make the configuration.
    Config(ConfigFault),

    // Configuration. `name` says which setting, and where it was set: `redirect_port in [prod] of /…`.
    BadValue { name: String, why: String },
    ManagerConfig { path: PathBuf, why: String },
    // Each name as it is shown to a person: `--token-url (token_url)`. `console`: Oracle's own sign-in would do without
    // them, or is what lacks its region.
    MissingOptions { names: Vec<String>, profile: String, console: bool, manager: Found },
    // Two keys, each of which says what a session is made from. `chosen_by` is the key that would decide, if any.
    TwoSources { one: &'static str, other: &'static str, chosen_by: &'static str },
    // A source of a secret that gives none.
    Secret(SecretFault),
    // A workload's token. `from` is where it was read or fetched.
    SubjectToken { from: String, why: String },
    // What a CI runner gives a job that may have a token.
    RunnerVariable { runner: &'static str, variable: &'static str },
    NoProfile { why: String },
    BadProfileName { name: String },
    // Neither config has it, nor is there a session of it. `known` are the profiles of the manager config.
    UnknownProfile { profile: String, known: Vec<String> },
    OciConfig { path: PathBuf, line: usize, why: String },
    // A value that would damage the OCI config, or that oci could not read back.
    OciConfigValue { path: PathBuf, name: &'static str, why: String },
    SectionHoldsApiKey { path: PathBuf, profile: String },
    // No file that was kept beside the OCI config has an API key in the profile's section.
    NoApiKeyKept { path: PathBuf, profile: String },
    NoHome,
    RelativePath { path: PathBuf, why: String },

    // The passphrase and the refresh token that it encrypts.
    NoPassphraseSource { path: PathBuf },
    PassphraseEmpty,
    PassphraseNotText,
    PassphraseMismatch,
    NoTerminal,
    // `place` is a file, or the program that keeps the token.
    NoRefreshToken { place: String },
    // `setting` is the key that names the passphrase's source, unless a person typed the passphrase.
    WrongPassphrase { path: PathBuf, setting: Option<&'static str> },
    // The file is neither a token nor an envelope that woci or the older tool wrote.
    RefreshTokenFile { path: PathBuf, why: String },
    // An envelope of a version that this woci does not know.
    RefreshTokenNewer { path: PathBuf },
    // The answer has spent the stored token, and its successor could be kept nowhere.
    RefreshTokenLost { path: PathBuf, why: String },
    // Deriving a key from a passphrase needs much memory by design.
    KeyMemory { mebibytes: usize },

    // Files. `doing` is a verb, or a verb and its object: `write`, `make the folder`.
    File { doing: &'static str, path: PathBuf, why: String },
    Key { path: PathBuf, why: String },
    // `oci session authenticate --use-passphrase` made it.
    KeyEncrypted { path: PathBuf, profile: String },
    Locked { path: PathBuf, holder: String, seconds: u64 },
    // The process that this one has waited for failed, and another try would fail in the same way. `said` is its message.
    FailedElsewhere { code: u8, said: String },

    // The person.
    PortTaken { address: String, why: String, is_the_only_one: bool },
    // The system lets this user listen on no such port.
    PortForbidden { address: String, why: String, is_the_only_one: bool },
    Denied { error: String, description: Option<String> },
    // The answer of a sign-in names another issuer than the configured one, or none although it had to.
    AnotherIssuer { named: Option<String>, expected: String },
    Unanswered { minutes: u64 },
    // No browser opens, and there is no terminal at which a person could copy the URL.
    NoBrowser,
    // A sign-in is needed, and `why` says what forbids woci to ask for one.
    NobodyToAsk { profile: String, why: String },
    // `why` says why a sign-in is needed, and `other` is another value of `--sign-in-with`.
    NoTerminalToPaste { profile: String, why: String, other: &'static str },

    // The network.
    // `is_sent`: the server may have received the request.
    Unreachable { what: &'static str, url: String, why: String, is_sent: bool },
    // The answer to a request with the refresh token did not arrive whole.
    AnswerLost { url: String, why: String },
    // An OAuth error, or any other answer with a status that is not a success.
    Refused { what: &'static str, url: String, status: u16, error: Option<String>, why: Option<String> },
    // The provider no longer accepts the refresh token, or requires a sign-in first.
    RefreshTokenDead { url: String, error: String, description: Option<String> },
    // Oracle no longer accepts the token of a session that it has to renew.
    SessionOver { url: String, error: Option<String>, why: Option<String> },
    // Oracle refused a signed request, and its clock is far from this machine's.
    ClockOff { url: String, ours: UnixTime, theirs: UnixTime },
    // A refusal of the client, whose secret comes from what `setting` names.
    ClientRefused { refused: Box<Error>, setting: &'static str },
    BadAnswer { what: &'static str, url: String, why: String },
    // The document that a provider publishes, at this URL.
    Discovery { url: String, why: String },
    Untrusted { what: &'static str, url: String, why: String },
    Proxy { proxy: String, why: String },
    Certificates { why: String },
    OpaqueToken,
    // `exchanged`: the identity domain made it of another token.
    Upst { why: String, exchanged: bool },
    // A renewal brought the session of another user, or of another tenancy.
    AnotherIdentity { profile: String, was: String, is: String },
    // The new session is not of the user or the tenancy that the settings name.
    UnexpectedIdentity { profile: String, expected: String, is: String },
    // The UPST had already expired when it was issued.
    ClockWrong { expiration: String, now: String },

    // The system.
    Random { why: String },
    NewKey { why: String },
    OwnProgram { why: String },
    // The system gives no more threads or descriptors.
    Scarce { what: &'static str, limit: &'static str, why: String },
    Stdout { why: String },

    // A process in the background that renews the session once.
    Unattended { why: String },

    // The daemon.
    Daemon { log: PathBuf, why: String },
    DaemonRuns { profile: String },
    DaemonStays { pid: u32, seconds: u64 },
    // Another process holds its lock than the one that the lock file names.
    DaemonUnknown { lock: PathBuf },
    // Its process is not one of those that this process sees.
    DaemonElsewhere { pid: u32, profile: String },
    // Its folder, or the lock file in it, is another one now.
    DaemonDisplaced { folder: PathBuf },
    // It stays in front, and only a person can renew the session.
    DaemonNeedsPerson { profile: String, why: String },

    // Kubernetes.
    NoRegion,
    Kubectl { why: String },

    // The OCI CLI.
    OciMissing,
    // The first word is nearly one of woci's verbs.
    OciMissingOrVerb { word: String, verb: String },
    OciNotExecutable { path: PathBuf, why: String },
    // The system takes no such long command line, or environment.
    OciArguments { path: PathBuf, why: String },
    // The only oci is a script that runs woci.
    OciRunsWoci { path: PathBuf },

    // Any program.
    ProgramNotNamed { verb: &'static str },
    ProgramMissing { name: String },
    ProgramNotExecutable { path: PathBuf, why: String },
}

impl Error {
    /// The profile whose session only a person can renew now, and why; `None` if another try may help, or a change
    /// of the configuration.
    pub fn needs_person(&self) -> Option<(&str, String)> {
        match self {
            Self::NobodyToAsk { profile, why }
            | Self::NoTerminalToPaste { profile, why, .. }
            | Self::DaemonNeedsPerson { profile, why } => Some((profile, why.clone())),
            Self::AnotherIdentity { profile, was, is } => {
                Some((profile, format!("the session is of {was}, and the new one would be of {is}")))
            }
            Self::UnexpectedIdentity { profile, expected, is } => {
                let why = format!("the new session would be of {is}, and the settings expect {expected}");
                Some((profile, why))
            }
            _ => None,
        }
    }
}

/// The manager config, or the places where it could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    At(PathBuf),
    NowhereOf(Vec<PathBuf>),
}

/// The parts of a message, and the exit code.
pub struct Said {
    pub code: u8,
    pub what: String,
    pub why: String,
    pub next: String,
}

/// The options of this run that choose its session. A command that a message suggests repeats them,
/// so that it can be pasted as it is.
#[derive(Clone, Default)]
pub struct Given {
    pub profile: Option<String>,
    pub manager_config: Option<String>,
    pub config_file: Option<String>,
    pub sessions_folder: Option<String>,
    /// The sign-in was to start a daemon too.
    pub with_daemon: bool,
    /// How a person wanted to sign in; for a sign-in alone.
    pub sign_in_with: Option<String>,
    /// The further options of a sign-in, with an empty value where they take none: the next one would lack them. A
    /// region for another command is for that command alone.
    pub of_sign_in: Vec<(&'static str, String)>,
}

impl Error {
    /// The URL that the message names.
    fn url(&self) -> Option<&str> {
        match self {
            Self::Unreachable { url, .. }
            | Self::AnswerLost { url, .. }
            | Self::Refused { url, .. }
            | Self::RefreshTokenDead { url, .. }
            | Self::SessionOver { url, .. }
            | Self::ClockOff { url, .. }
            | Self::BadAnswer { url, .. }
            | Self::Discovery { url, .. }
            | Self::Untrusted { url, .. } => Some(url),
            _ => None,
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.say().fmt(f)
    }
}

impl Said {
    /// The error without its next step.
    pub fn fault(&self) -> String {
        format!("{}: {}", self.what, self.why)
    }
}

/// Always one printable line, whatever a path or a value holds.
impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, why, next, .. } = self;
        f.write_str(&printable::text(&format!("{what}: {why}; {next}")))
    }
}
