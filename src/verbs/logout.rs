//! The end of a session, or of each: schemas/logout.schema.json.

use serde_json::Value;

use super::{ALL, Invocation, settings};
use crate::config::{Config, ProfileName, Settings};
use crate::error::{Error, Result};
use crate::fresh::daemon::Daemon;
use crate::host::Host;
use crate::log;
use crate::options::Flags;
use crate::output::{Document, Output, Span, Text, Tone, object};
use crate::session::{Engine, LoggedOut, Revoked, Want};

const RESTORE: &str = "--restore";

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    let flags = &invocation.flags;
    let restores = invocation.own.has(RESTORE);
    if invocation.own.has(ALL) {
        return all(host, flags, restores);
    }
    let settings = settings(host, flags)?;
    let report = Report::of(host, &settings, restores);
    match report.outcome {
        Err(e) => Err(e),
        Ok(()) => Ok(Output::Document { document: report.document(flags), text: report.text(), code: 0 }),
    }
}

/// Goes on after a profile that fails, and ends with exit code 1 then.
fn all(host: &Host, flags: &Flags, restores: bool) -> Result<Output> {
    let config = Config::find(host, flags)?;
    let mut reports = Vec::new();
    for (profile, settings) in super::all_profiles(host, flags)? {
        let report = match settings {
            Ok(settings) => {
                log::set_level(settings.log_level);
                Report::of(host, &settings, restores)
            }
            // Without a session there is nothing that would be left.
            Err(_) if !has_folder(&config, &profile, host, flags) => continue,
            Err(e) => Report { profile: profile.to_string(), outcome: Err(e), ..Report::default() },
        };
        let report = report.without_missing_copy();
        if let Err(e) = &report.outcome {
            log::warning(format_args!("Profile {profile}: {}", e.say_to(&flags.given())));
        }
        if !report.is_nothing() {
            reports.push(report);
        }
    }
    let code = u8::from(reports.iter().any(|report| report.outcome.is_err()));
    let documents: Vec<Value> = reports.iter().map(|report| object(report.document(flags))).collect();
    let text = match reports.is_empty() {
        true => Text::default().paragraph("There is no session."),
        false => Text::default().table(
            &["PROFILE", "FILES", "REFRESH TOKEN", "NOTE"],
            reports.iter().map(|report| report.row(flags)).collect(),
        ),
    };
    let document = vec![("version", 1.into()), ("profiles", documents.into())];
    Ok(Output::Document { document, text, code })
}

fn has_folder(config: &Config, profile: &ProfileName, host: &Host, flags: &Flags) -> bool {
    config.session_folder(profile, host, flags).is_ok_and(|folder| folder.is_dir())
}

/// What was done for one profile.
struct Report {
    profile: String,
    oci_config: String,
    is_daemon_stopped: bool,
    done: LoggedOut,
    outcome: Result<()>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            profile: String::new(),
            oci_config: String::new(),
            is_daemon_stopped: false,
            done: LoggedOut::default(),
            outcome: Ok(()),
        }
    }
}

impl Report {
    fn of(host: &Host, settings: &Settings, restores: bool) -> Self {
        let mut report = Self {
            profile: settings.profile.to_string(),
            oci_config: settings.oci_config.to_string_lossy().into_owned(),
            ..Self::default()
        };
        log::debug(format_args!("{}", settings.decided()));
        // Before the lock is taken: the daemon finishes a renewal under way, for which it needs the lock.
        match Daemon::of(settings).stop() {
            Ok(is_stopped) => report.is_daemon_stopped = is_stopped,
            Err(e) => return Self { outcome: Err(e), ..report },
        }
        (report.done, report.outcome) = Engine::new(host, settings, Want::VALID, None).log_out(restores);
        report
    }

    /// Of all profiles, most never had an API key.
    fn without_missing_copy(mut self) -> Self {
        if matches!(self.outcome, Err(Error::NoApiKeyKept { .. })) {
            self.outcome = Ok(());
        }
        self
    }

    fn is_nothing(&self) -> bool {
        self.outcome.is_ok() && !self.is_daemon_stopped && self.done.is_nothing()
    }

    fn document(&self, flags: &Flags) -> Document {
        let (revoked, why) = match &self.done.revoked {
            Revoked::Yes => (Some(true), None),
            Revoked::No { why } => (Some(false), Some(why.as_str())),
            Revoked::ThereWasNone => (None, None),
        };
        let restored = self.done.oci_config.restored_from.as_ref();
        let error = self.outcome.as_ref().err().map(|e| e.say_to(&flags.given()).to_string());
        vec![
            ("version", 1.into()),
            ("profile", self.profile.as_str().into()),
            ("daemon_stopped", self.is_daemon_stopped.into()),
            ("revoked", revoked.into()),
            ("not_revoked_because", why.into()),
            ("removed", self.done.removed.clone().into()),
            ("config_file", self.changed_config().into()),
            ("restored_from", restored.map(|copy| copy.to_string_lossy()).into()),
            ("error", error.into()),
        ]
    }

    /// The OCI config, if it was rewritten.
    fn changed_config(&self) -> Option<&str> {
        self.done.oci_config.is_changed.then_some(&*self.oci_config)
    }

    fn text(&self) -> Text {
        if self.is_nothing() {
            return Text::default()
                .paragraph(format!("Profile {} has no session: nothing was there.", self.profile));
        }
        let mut fields: Vec<(&str, Span)> =
            vec![("Profile", format!("{} is logged out", self.profile).into())];
        if self.is_daemon_stopped {
            fields.push(("Daemon", "stopped".into()));
        }
        fields.push(("Refresh token", self.refresh_token()));
        if !self.done.removed.is_empty() {
            fields.push(("Removed", self.done.removed.join("\n").into()));
        }
        if let Some(path) = self.changed_config() {
            fields.push(("OCI config", format!("{path} no longer names the session").into()));
        }
        if let Some(copy) = &self.done.oci_config.restored_from {
            fields.push(("API key", format!("restored from {}", copy.display()).into()));
        }
        Text::default().fields(fields)
    }

    fn refresh_token(&self) -> Span {
        match &self.done.revoked {
            Revoked::Yes => Span::new("revoked at the provider", Tone::Good),
            Revoked::No { why } => Span::new(format!("not revoked: {why}"), Tone::Doubtful),
            Revoked::ThereWasNone => "none was stored".into(),
        }
    }

    fn row(&self, flags: &Flags) -> Vec<Span> {
        let files = match self.done.removed.len() {
            0 => "none removed".into(),
            1 => "1 removed".into(),
            number => format!("{number} removed"),
        };
        let (revoked, mut note) = match &self.done.revoked {
            Revoked::Yes => (Span::new("revoked", Tone::Good), Span::from("")),
            Revoked::No { why } => (Span::new("not revoked", Tone::Doubtful), why.into()),
            Revoked::ThereWasNone => ("none".into(), "".into()),
        };
        if let Some(copy) = &self.done.oci_config.restored_from {
            note = format!("the API key is restored from {}", copy.display()).into();
        }
        if let Err(e) = &self.outcome {
            note = Span::new(e.say_to(&flags.given()).to_string(), Tone::Wrong);
        }
        vec![self.profile.as_str().into(), files.into(), revoked, note]
    }
}
