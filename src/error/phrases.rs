//! Parts of messages: the words of a server that refused a request and what to do then, how far a clock is off, and
//! commands that can be pasted.

use super::{AUTH_SERVICE, DEVICE, EXCHANGE, EXCHANGE_BY_DEFAULT, Given};

/// The reason that a server gave.
pub fn oauth_words(error: Option<&str>, description: Option<&str>) -> String {
    match (error, description) {
        (Some(error), Some(description)) => format!("{error}: {description}"),
        (Some(words), None) | (None, Some(words)) => words.to_owned(),
        (None, None) => "no reason".to_owned(),
    }
}

/// What to do after an answer with a status that is not a success.
pub fn refused_advice(what: &str, status: u16, error: Option<&str>, authenticate: &str) -> String {
    match (status, error) {
        (408 | 429 | 500.., _) => "run woci again in a while; the session is kept".into(),
        // No client is registered at this service, and its host is made of the region.
        (300..=399 | 404, _) if what == AUTH_SERVICE => {
            "check the region, and auth_service_url if it is set".into()
        }
        _ if what == AUTH_SERVICE => format!("run {authenticate} if this lasts; the session is kept"),
        (_, Some("invalid_client")) | (401, _) => {
            "check the client id and the client secret of that endpoint".into()
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

impl Given {
    /// A command of woci in backquotes, with the options that were given. `profile` is the one in use,
    /// where it may have come from elsewhere.
    pub fn command(&self, words: &str, profile: Option<&str>) -> String {
        self.command_with(words, profile, "")
    }

    /// The same with more at its end.
    pub fn command_with(&self, words: &str, profile: Option<&str>, end: &str) -> String {
        let mut command = format!("`woci {words}");
        for (option, value) in [
            ("--profile", profile.or(self.profile.as_deref())),
            ("--manager-config", self.manager_config.as_deref()),
            ("--config-file", self.config_file.as_deref()),
        ] {
            if let Some(value) = value {
                command.push_str(&format!(" {option} {}", quoted(value)));
            }
        }
        command + end + "`"
    }
}

/// One word for a POSIX shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-@~".contains(c);
    if word.chars().all(is_plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
