//! Messages and their parts: the words of a server that refused a request and what to do then, where to set what is
//! missing, how far a clock is off, and commands that can be pasted.

use std::path::Path;

use super::{
    AUTH_SERVICE, DEVICE, DISCOVERY, EXCHANGE, EXCHANGE_BY_DEFAULT, Error, Found, Given, RUNNER, Said,
};

/// Exit code 2: the arguments or the configuration are wrong.
pub fn wrong(what: impl Into<String>, why: impl Into<String>, next: impl Into<String>) -> Said {
    row(2, what, why, next)
}

/// Exit code 1: the failure is not one of arguments or configuration.
pub fn failed(what: impl Into<String>, why: impl Into<String>, next: impl Into<String>) -> Said {
    row(1, what, why, next)
}

pub fn row(code: u8, what: impl Into<String>, why: impl Into<String>, next: impl Into<String>) -> Said {
    Said { code, what: what.into(), why: why.into(), next: next.into() }
}

/// The profile's section of the OCI config is a working login.
pub fn holds_api_key(path: &Path, profile: &str, given: &Given) -> Said {
    wrong(
        format!("cannot put a session into [{profile}] of {}", path.display()),
        match profile {
            "DEFAULT" => "it holds an API key that every other profile in the file inherits",
            _ => "it holds an API key",
        },
        format!(
            "give the session a profile of its own with --profile, or run {} to replace the API key",
            given.command_with("session authenticate", Some(profile), " --replace-api-key")
        ),
    )
}

/// The session's key needs a passphrase, which woci does not ask for.
pub fn key_encrypted(path: &Path, profile: &str, given: &Given) -> Said {
    failed(
        format!("cannot use the session's key {}", path.display()),
        "it is encrypted with a passphrase (oci session authenticate --use-passphrase), and woci leaves such a session alone",
        format!(
            "use it with oci itself, or run {} for a session that woci keeps",
            given.command("session authenticate", Some(profile))
        ),
    )
}

/// A verb that runs a program was given none.
pub fn program_not_named(verb: &str, given: &Given) -> Said {
    wrong(
        format!("cannot run `woci {verb}`"),
        "it names no program",
        format!("add one, as in {}", given.command_with(verb, None, " terraform plan")),
    )
}

/// There is no such program, by its name or its path.
pub fn program_missing(name: &str) -> Said {
    let (why, next) = match name.contains('/') {
        true => ("there is no such file", "correct the path"),
        false => ("there is no such program on PATH", "install it, or correct the name or PATH"),
    };
    row(127, format!("cannot run {name}"), why, next)
}

pub fn program_not_executable(path: &str, why: &str) -> Said {
    row(126, format!("cannot run {path}"), why, "name another program, or correct this one's mode")
}

/// The reason that a server gave.
pub fn oauth_words(error: Option<&str>, description: Option<&str>) -> String {
    match (error, description) {
        (Some(error), Some(description)) => format!("{error}: {description}"),
        (Some(words), None) | (None, Some(words)) => words.to_owned(),
        (None, None) => "no reason".to_owned(),
    }
}

/// The same, or the status where the server gave no reason.
pub fn words_or_status(status: u16, error: Option<&str>, description: Option<&str>) -> String {
    match (error, description) {
        (None, None) => format!("HTTP {status}"),
        (error, description) => oauth_words(error, description),
    }
}

/// What a server answered with a status that is not a success.
pub fn answered(status: u16, error: Option<&str>, description: Option<&str>) -> String {
    match (error, description) {
        (None, None) => format!("it answered HTTP {status}"),
        (error, description) => format!("it answered {} (HTTP {status})", oauth_words(error, description)),
    }
}

/// A message without the query of its URL, which may hold a key.
pub fn without_query(said: Said, url: Option<&str>) -> Said {
    let Some((url, (bare, _))) = url.and_then(|url| Some((url, url.split_once('?')?))) else { return said };
    let hide = |text: String| text.replace(url, &format!("{bare}?…"));
    Said { code: said.code, what: hide(said.what), why: hide(said.why), next: hide(said.next) }
}

/// The keys of the client that an endpoint knows.
fn client_keys(what: &str) -> (&'static str, &'static str) {
    match what {
        EXCHANGE | EXCHANGE_BY_DEFAULT => ("client_id", "client_secret"),
        _ => ("auth_client_id", "auth_client_secret"),
    }
}

/// What to do where a port cannot be listened on.
pub fn port_advice(is_forbidden: bool, is_the_only_one: bool) -> &'static str {
    match (is_forbidden, is_the_only_one) {
        (true, true) => {
            "allow this user to listen on the port, which is the only one that Oracle's sign-in answers to"
        }
        (true, false) => {
            "choose a port above 1023 with --redirect-port and register its redirect URI at the provider"
        }
        (false, true) => {
            "end the program that uses the port, which is the only one that Oracle's sign-in answers to"
        }
        (false, false) => {
            "end the program that uses the port, \
             or choose another with --redirect-port and register its redirect URI at the provider"
        }
    }
}

/// The successor of a refresh token, lost on the way from the provider or to the disk.
pub fn token_lost(path: &Path, why: &str, authenticate: &str) -> Said {
    failed(
        format!("cannot store the new refresh token in {}", path.display()),
        format!("{why}, so that it is lost"),
        format!("correct that, then run {authenticate}, since the provider has replaced the stored one"),
    )
}

pub fn token_newer(path: &Path, authenticate: &str) -> Said {
    failed(
        format!("cannot read the refresh token {}", path.display()),
        "a newer version of woci wrote it",
        format!("update woci, or run {authenticate} for a new one"),
    )
}

/// `named` is the issuer that the answer names, if it names one.
pub fn another_issuer(named: Option<&str>, expected: &str, authenticate: &str) -> Said {
    failed(
        "cannot sign in",
        match named {
            Some(named) => {
                format!("the answer names the issuer {named}, and the configured one is {expected}")
            }
            None => format!("the answer names no issuer, and those of {expected} always do"),
        },
        format!(
            "correct issuer, or set issuer_expected if the provider gives itself another name, then run {authenticate}; \
             the code was not used, since another server may have answered"
        ),
    )
}

pub fn daemon_elsewhere(pid: u32, profile: &str, given: &Given) -> Said {
    failed(
        format!("cannot stop the daemon of profile {profile}"),
        format!("process {pid} keeps it in another container or on another machine"),
        format!("run {} there", given.command("--stop-daemon", Some(profile))),
    )
}

pub fn answer_lost(url: &str, why: &str, authenticate: &str) -> Said {
    failed(
        format!("cannot read the answer of the token endpoint {url}"),
        why,
        format!(
            "run woci again, and {authenticate} if that is refused: the provider may have replaced the refresh token"
        ),
    )
}

/// The message of another process, as this process repeats it.
pub fn failed_elsewhere(code: u8, said: &str) -> Said {
    let (what, rest) = said.split_once(": ").unwrap_or((said, "it has failed"));
    let (why, next) = rest.rsplit_once("; ").unwrap_or((rest, "run woci again"));
    row(code, what, format!("{why} (the process that this one waited for has just tried)"), next)
}

/// What to do after an answer with a status that is not a success.
pub fn refused_advice(what: &str, status: u16, error: Option<&str>, authenticate: &str) -> String {
    match (status, error) {
        (408 | 429 | 500.., _) => "run woci again in a while; the session is kept".into(),
        _ if what == RUNNER => "see what the job needs with `woci help workloads`".into(),
        // No client is registered at this service, and its host is made of the region.
        (300..=399 | 404, _) if what == AUTH_SERVICE => {
            "check the region, and auth_service_url if it is set".into()
        }
        _ if what == AUTH_SERVICE => format!("run {authenticate} if this lasts; the session is kept"),
        // Nothing is registered for it.
        _ if what == DISCOVERY => "check issuer, or name the endpoints with authz_base_url and token_url".into(),
        (_, Some("invalid_client")) | (401, _) => {
            let (id, secret) = client_keys(what);
            format!("check {id} and {secret}")
        }
        (_, Some("unauthorized_client")) => "allow the client this grant type where it is registered".into(),
        (_, Some("invalid_scope")) => "correct the scope".into(),
        (300..=399, _) => "use the URL that it redirects to, if that one is right".into(),
        (404, _) => "check the URL".into(),
        // Some providers answer a dead refresh token with nothing but this status.
        (400, None) => {
            format!("run {authenticate}; if that does not help, check how the client is registered there")
        }
        _ if what == DEVICE => {
            "check how the client is registered there, and set device_form = oracle if it is an identity domain of Oracle's".into()
        }
        _ if what == EXCHANGE => {
            "check how the client is registered there and what the identity propagation trust allows".into()
        }
        _ if what == EXCHANGE_BY_DEFAULT => {
            "set token_exchange_url to the token endpoint of your OCI identity domain, unless that is the same".into()
        }
        _ => "check how the client is registered there".into(),
    }
}

/// Pasting was chosen, and nobody can paste.
pub fn no_terminal_to_paste(profile: &str, why: &str, other: &str, given: &Given) -> Said {
    let with = |way: &str| {
        let given = Given { sign_in_with: Some(way.to_owned()), ..given.clone() };
        given.command("session authenticate", Some(profile))
    };
    failed(
        "cannot sign in by pasting",
        format!("{why}, and there is no terminal to paste at (sign_in_with = paste)"),
        format!("run {} at a terminal, or {} here", with("paste"), with(other)),
    )
}

/// What a job needs so that its runner sets a variable.
pub fn runner_advice(variable: &str) -> &'static str {
    match variable {
        "SYSTEM_OIDCREQUESTURI" => "run woci in a job of Azure Pipelines",
        "SYSTEM_ACCESSTOKEN" => "give the step `env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)`",
        _ => "give the job `permissions: id-token: write` (Forgejo: `enable-openid-connect: true`)",
    }
}

/// Where to set the options that are missing. `console`: Oracle's own sign-in would do without them, or is what lacks
/// its region.
pub fn missing_advice(
    names: &[String],
    profile: &str,
    console: bool,
    manager: &Found,
    given: &Given,
) -> String {
    let section = match manager {
        Found::At(path) => format!("set them in [{profile}] or [COMMON] of {}", path.display()),
        Found::NowhereOf(places) => {
            let places: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
            format!("set them in [{profile}] of a manager config (none was found at {})", places.join(" or "))
        }
    };
    let set = format!("{section}, or give them as options");
    let command = given.command("session authenticate --region REGION", Some(profile));
    match (console, names) {
        (false, _) => set,
        (true, [region]) if region.starts_with("--region") => {
            format!("run {command} with your region, such as eu-frankfurt-1")
        }
        (true, _) => format!(
            "run {command} to sign in at Oracle's own page, which needs only your region; to sign in at an OpenID provider \
             instead, run {} or {set}",
            given.command("config init", Some(profile))
        ),
    }
}

/// The same for a client whose secret comes from what `setting` names.
pub fn refused_client(refused: &Error, given: &Given, setting: &str) -> Said {
    let id = match refused {
        Error::Refused { what, .. } => client_keys(what).0,
        _ => "the client id",
    };
    let next = format!("check {id}, and the client secret that {setting} gives");
    let refused = refused.say_to(given);
    Said { next, ..refused }
}

/// Two keys of which one is meant. `chosen_by` is the key that would decide, if any.
pub fn two_sources(one: &str, other: &str, chosen_by: &str) -> Said {
    let (why, next) = match chosen_by {
        "" => ("each of them is a source of the same value", "remove one of them".to_owned()),
        key => (
            "each of them says what the session is made from",
            format!("remove one of them, or choose with {key}"),
        ),
    };
    wrong(format!("cannot use both {one} and {other}"), why, next)
}

/// `setting` names the passphrase's source, unless a person typed the passphrase.
pub fn wrong_passphrase(setting: Option<&str>) -> String {
    let source = setting.map(|setting| format!("; the passphrase is from {setting}")).unwrap_or_default();
    format!("the passphrase is wrong or the file was altered{source}")
}

/// How far a clock is off.
pub fn deviation(seconds: i64) -> String {
    let size = seconds.unsigned_abs();
    let (number, unit) = match size {
        0..7_200 => (size / 60, "minutes"),
        7_200..172_800 => (size / 3_600, "hours"),
        _ => (size / 86_400, "days"),
    };
    format!("{number} {unit} {}", if seconds < 0 { "slow" } else { "fast" })
}

/// The verb that signs a person in.
const SIGN_IN: &str = "session authenticate";

impl Given {
    /// A command of woci in backquotes, with the options that were given. `profile` is the one in use,
    /// where it may have come from elsewhere.
    pub fn command(&self, words: &str, profile: Option<&str>) -> String {
        self.command_with(words, profile, "")
    }

    /// The same with more at its end.
    pub fn command_with(&self, words: &str, profile: Option<&str>, end: &str) -> String {
        let is_sign_in = words.starts_with(SIGN_IN);
        let daemon = if is_sign_in && self.with_daemon { "--daemon " } else { "" };
        let mut command = format!("`woci {daemon}{words}");
        let chosen = [
            ("--profile", profile.or(self.profile.as_deref())),
            ("--manager-config", self.manager_config.as_deref()),
            ("--config-file", self.config_file.as_deref()),
            ("--sessions-folder", self.sessions_folder.as_deref()),
            ("--sign-in-with", self.sign_in_with.as_deref().filter(|_| is_sign_in)),
        ];
        let chosen = chosen.into_iter().filter_map(|(option, value)| Some((option, value?)));
        let own = self.of_sign_in.iter().filter(|_| is_sign_in).map(|(option, value)| (*option, &**value));
        for (option, value) in chosen.chain(own) {
            command.push_str(&format!(" {option}"));
            if !value.is_empty() {
                command.push_str(&format!(" {}", quoted(value)));
            }
        }
        command + end + "`"
    }

    /// The commands that restart the daemon, as one line of a shell and without backquotes.
    pub fn restart_daemon(&self, profile: Option<&str>) -> String {
        let bare = |words| self.command(words, profile).trim_matches('`').to_owned();
        format!("{} && {}", bare("--stop-daemon"), bare("--daemon"))
    }
}

/// One word for a POSIX shell.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-@~".contains(c);
    if word.chars().all(is_plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
