//! The session of one profile, or of each: schemas/status.schema.json. For a person, fields or a table whose last column is
//! what to do next.

use serde_json::{Value, json};

use super::{ALL, Invocation, all_profiles, settings};
use crate::config::Settings;
use crate::error::{Error, Given, Result};
use crate::fresh::daemon::{self, Daemon};
use crate::host::{self, Host};
use crate::options::Flags;
use crate::output::{Document, Output, Span, Text, Tone, object};
use crate::session::{Engine, KeyState, State, Status, Want};
use crate::store::refresh_token::Kept;
use crate::time::UnixTime;

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    let flags = &invocation.flags;
    if !invocation.own.has(ALL) {
        let settings = settings(host, flags)?;
        let report = Report::of(host, &settings, flags, None);
        let code = u8::from(report.needs_person());
        return Ok(Output::Document { document: report.document(), text: report.text(), code });
    }
    let reports: Vec<Report> = all_profiles(host, flags)?
        .into_iter()
        .map(|(profile, settings)| match settings {
            Ok(settings) => Report::of(host, &settings, flags, Some(profile.as_str())),
            Err(e) => Report::failed(profile.to_string(), &e, &flags.given()),
        })
        .collect();
    let documents: Vec<Value> = reports.iter().map(|report| object(report.document())).collect();
    let code = u8::from(reports.iter().any(|report| report.has_session() && report.needs_person()));
    let text = match reports.is_empty() {
        true => Text::default().paragraph("There are no profiles."),
        false => Text::default().table(
            &["PROFILE", "SESSION", "TOKEN", "DAEMON", "NEXT"],
            reports.iter().map(Report::row).collect(),
        ),
    };
    let document = vec![("version", 1.into()), ("profiles", documents.into())];
    Ok(Output::Document { document, text, code })
}

/// What is known of one profile.
struct Report {
    profile: String,
    /// Why nothing of the session could be read.
    status: std::result::Result<Status, String>,
    /// `None` if that could not be read.
    daemon: Option<daemon::Status>,
    /// A command, without backquotes.
    next: Option<String>,
}

impl Report {
    /// `named`: the profile, if commands have to name it.
    fn of(host: &Host, settings: &Settings, flags: &Flags, named: Option<&str>) -> Self {
        let given = flags.given();
        let status = Engine::new(host, settings, Want::VALID, None).status();
        let daemon = Daemon::of(settings).status();
        let command = |words: &str| given.command(words, named).trim_matches('`').to_owned();
        let mut next = match &status {
            Ok(status) => status.next.map(command),
            // The error says what to correct.
            Err(_) => None,
        };
        let is_outdated = daemon.as_ref().is_ok_and(daemon::Status::is_outdated);
        if next.is_none() && is_outdated {
            next = Some(given.restart_daemon(named));
        }
        let fault = |e: Error| e.say_to(&given).to_string();
        Self {
            profile: settings.profile.to_string(),
            status: status.map_err(fault),
            daemon: daemon.ok(),
            next,
        }
    }

    fn failed(profile: String, e: &Error, given: &Given) -> Self {
        Self { profile, status: Err(e.say_to(given).to_string()), daemon: None, next: None }
    }

    fn needs_person(&self) -> bool {
        self.status.as_ref().map_or(true, |status| status.state.needs_person())
    }

    /// Whether there is a session that could need a person. Where nothing could be read, there may be one.
    fn has_session(&self) -> bool {
        self.status.as_ref().map_or(true, |status| match status.state {
            State::Usable | State::Renewable | State::NeedsPerson => true,
            State::NoSession | State::ApiKey => false,
        })
    }

    fn document(&self) -> Document {
        let status = self.status.as_ref().ok();
        let daemon = self.daemon.as_ref();
        let time = |time: Option<UnixTime>| time.map(|time| time.to_string());
        let sign_in = status.and_then(|status| status.failed_sign_in.as_ref());
        vec![
            ("version", 1.into()),
            ("profile", self.profile.as_str().into()),
            ("state", status.map_or("error", |status| state(status.state)).into()),
            ("why", self.why().into()),
            ("next_step", self.next.as_deref().into()),
            ("session_from", status.and_then(|status| status.session_from).map(|from| from.word()).into()),
            ("user", status.and_then(|status| status.identity.user.as_deref()).into()),
            ("tenancy", status.and_then(|status| status.identity.tenancy.as_deref()).into()),
            ("region", status.and_then(|status| status.region.as_deref()).into()),
            ("expiration", time(status.and_then(|status| status.expiration)).into()),
            ("expires_in", status.and_then(|status| status.expires_in).into()),
            ("session_ends", time(status.and_then(|status| status.ends)).into()),
            ("refresh_token", status.map(|status| status.refresh_token.word()).into()),
            ("refresh_token_refused", status.is_some_and(|status| status.is_refused).into()),
            ("key", status.map(|status| status.key.word()).into()),
            ("key_file", status.map(|status| status.key_file.to_string_lossy()).into()),
            (
                "daemon",
                json!({
                    "running": daemon.is_some_and(|daemon| daemon.pid.is_some()),
                    "pid": daemon.and_then(|daemon| daemon.pid),
                    "version": daemon.and_then(|daemon| daemon.version.as_deref()),
                    "next_refresh": time(daemon.and_then(|daemon| daemon.next_refresh)),
                }),
            ),
            ("last_error", daemon.and_then(|daemon| daemon.last_error.as_deref()).into()),
            (
                "failed_sign_in",
                sign_in
                    .map(|failed| json!({ "outcome": failed.how.word(), "at": failed.at.to_string() }))
                    .into(),
            ),
        ]
    }

    fn why(&self) -> Option<&str> {
        match &self.status {
            Ok(status) => status.why.as_deref(),
            Err(why) => Some(why),
        }
    }

    fn row(&self) -> Vec<Span> {
        let (session, token) = match &self.status {
            Err(_) => (Span::new("error", Tone::Wrong), Span::from("")),
            Ok(status) => (session(status), token(status)),
        };
        let daemon = match &self.daemon {
            Some(daemon) if daemon.is_outdated() => Span::new("outdated", Tone::Doubtful),
            Some(daemon) if daemon.pid.is_some() => "runs".into(),
            _ => "".into(),
        };
        let next = match (&self.next, &self.status) {
            (Some(next), _) => Span::command(next),
            (None, Err(why)) => why.into(),
            (None, Ok(_)) => "".into(),
        };
        vec![self.profile.as_str().into(), session, token, daemon, next]
    }

    fn text(&self) -> Text {
        let mut fields: Vec<(&str, Span)> = vec![("Profile", self.profile.as_str().into())];
        match &self.status {
            Err(why) => fields.push(("Error", Span::new(why, Tone::Wrong))),
            Ok(status) => fields.extend(status_fields(status)),
        }
        fields.push(("Daemon", self.daemon.as_ref().map_or("unknown".into(), daemon_text)));
        if let Some(error) = self.daemon.as_ref().and_then(|daemon| daemon.last_error.as_deref()) {
            fields.push(("Last error", Span::new(error, Tone::Doubtful)));
        }
        let next = self.next.as_ref().map_or("nothing to do".into(), Span::command);
        fields.push(("Next", if self.next.is_none() && self.needs_person() { "".into() } else { next }));
        fields.retain(|(_, value)| !value.is_empty());
        Text::default().fields(fields)
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Usable => "usable",
        State::Renewable => "renewable",
        State::NeedsPerson => "needs_person",
        State::NoSession => "none",
        State::ApiKey => "api_key",
    }
}

fn status_fields(status: &Status) -> Vec<(&'static str, Span)> {
    let known = |text: &Option<String>| Span::from(text.as_deref().unwrap_or("unknown"));
    let why = |words: &str| match &status.why {
        Some(why) => format!("{words}: {why}"),
        None => words.to_owned(),
    };
    let state = match status.state {
        State::ApiKey => {
            return vec![(
                "Session",
                "none; the section of the OCI config holds an API key, which is not woci's".into(),
            )];
        }
        State::NoSession => return vec![("Session", Span::new(why("none"), Tone::Doubtful))],
        State::Usable => match (&status.why, status.next) {
            (Some(why), Some(_)) => Span::new(format!("valid, but cannot be renewed: {why}"), Tone::Doubtful),
            _ => Span::new("valid", Tone::Good),
        },
        State::Renewable => Span::new("is renewed by the next run", Tone::Good),
        State::NeedsPerson => Span::new(why("needs you"), Tone::Wrong),
    };
    let from = status.session_from.map_or("unknown", |from| from.word());
    let mut fields = vec![
        ("Session", state),
        ("From", from.into()),
        ("User", known(&status.identity.user)),
        ("Tenancy", known(&status.identity.tenancy)),
        ("Region", known(&status.region)),
        ("Token", token_until(status)),
    ];
    if let Some(ends) = status.ends {
        fields.push(("Session ends", ends.to_string().into()));
    }
    fields.push(("Refresh token", refresh_token(status)));
    fields.push(("Key", key(status)));
    if let Some(failed) = &status.failed_sign_in {
        fields
            .push(("Sign-in", Span::new(format!("{} at {}", failed.how.word(), failed.at), Tone::Doubtful)));
    }
    fields
}

fn token_until(status: &Status) -> Span {
    match (status.expiration, status.expires_in) {
        (Some(exp), Some(0)) if exp > host::now() => {
            Span::new(format!("ends at {exp}, within a minute"), Tone::Doubtful)
        }
        (Some(exp), Some(0)) => Span::new(format!("ended at {exp}"), Tone::Doubtful),
        (Some(exp), Some(left)) => Span::from(format!("valid until {exp} ({})", duration(left))),
        _ => Span::new("none", Tone::Doubtful),
    }
}

fn refresh_token(status: &Status) -> Span {
    let kept = match &status.refresh_token {
        Kept::Nowhere => return "none".into(),
        Kept::Plain(_) => "stored, not encrypted",
        Kept::Encrypted | Kept::OfOlderTool => "stored, encrypted",
        Kept::Damaged(_) => return Span::new("damaged", Tone::Wrong),
        Kept::ByCommand => "kept by refresh_token_get_command",
    };
    match status.is_refused {
        true => Span::new(format!("{kept}; refused by the provider"), Tone::Wrong),
        false => kept.into(),
    }
}

fn key(status: &Status) -> Span {
    let file = status.key_file.display();
    match status.key {
        KeyState::Missing => Span::new("none", Tone::Doubtful),
        KeyState::Encrypted => Span::new(format!("encrypted: {file}"), Tone::Wrong),
        KeyState::Present => format!("{file}").into(),
        KeyState::OfToken => format!("matches the token: {file}").into(),
        KeyState::OfAnother => Span::new(format!("does not match the token: {file}"), Tone::Wrong),
    }
}

fn daemon_text(status: &daemon::Status) -> Span {
    let Some(pid) = status.pid else { return "not running".into() };
    let next = status.next_refresh.map_or(String::new(), |next| format!(", next refresh at {next}"));
    match status.outdated() {
        None => format!("process {pid}{next}").into(),
        Some(process) => Span::new(format!("{process}{next}"), Tone::Doubtful),
    }
}

/// The session in a word or two, for the table.
fn session(status: &Status) -> Span {
    let from = status.session_from.map_or("unknown", |from| from.word());
    match status.state {
        State::ApiKey => Span::new("none (API key)", Tone::Faint),
        State::NoSession => Span::new("none", Tone::Faint),
        State::Usable | State::Renewable | State::NeedsPerson => from.into(),
    }
}

fn token(status: &Status) -> Span {
    match status.state {
        State::NoSession | State::ApiKey => "".into(),
        State::Usable => Span::new(status.expires_in.map_or_else(String::new, duration), Tone::Good),
        State::Renewable => Span::new("renewable", Tone::Good),
        State::NeedsPerson => Span::new("needs you", Tone::Wrong),
    }
}

fn duration(seconds: i64) -> String {
    match seconds {
        ..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}
