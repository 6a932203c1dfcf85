//! `woci config check`: what is wrong or doubtful in both configs, without lock, request or program. The document
//! follows schemas/config-check.schema.json.

use std::path::PathBuf;

use serde_json::json;

use crate::config::{Config, ProfileName, Warning};
use crate::error::{Error, Given, Result};
use crate::host::Host;
use crate::oci::region;
use crate::options::Flags;
use crate::output::{Output, Span, Text, Tone};
use crate::session::{Engine, Want};
use crate::verbs::Invocation;

/// What was looked at, as far as it could be found, and what is the matter with it.
#[derive(Default)]
pub struct Checked {
    pub profile: Option<ProfileName>,
    pub manager_config: Option<PathBuf>,
    pub oci_config: Option<PathBuf>,
    /// The wrong ones first.
    pub findings: Vec<Finding>,
}

pub struct Finding {
    /// A run that needs this ends with 2; otherwise it is doubtful.
    pub is_wrong: bool,
    pub text: String,
    /// What to do now.
    pub next: Option<String>,
    /// It says that values are missing.
    pub is_of_missing: bool,
}

impl Finding {
    fn of(e: &Error, given: &Given) -> Self {
        let said = e.say_to(given);
        let text = said.fault();
        let is_of_missing = matches!(e, Error::MissingOptions { .. });
        Self { is_wrong: said.code == 2, text, next: Some(said.next), is_of_missing }
    }

    fn doubtful(Warning { what, advice, .. }: Warning) -> Self {
        Self { is_wrong: false, text: what, next: Some(advice), is_of_missing: false }
    }
}

impl Checked {
    /// How many findings are wrong, and how many doubtful.
    pub fn counts(&self) -> (usize, usize) {
        let wrong = self.findings.iter().filter(|finding| finding.is_wrong).count();
        (wrong, self.findings.len() - wrong)
    }

    pub fn is_right(&self) -> bool {
        self.counts().0 == 0
    }

    /// Adds each error once.
    fn add(&mut self, errors: impl IntoIterator<Item = Error>, given: &Given) {
        for finding in errors.into_iter().map(|e| Finding::of(&e, given)) {
            if self.findings.iter().all(|known| known.text != finding.text) {
                self.findings.push(finding);
            }
        }
    }
}

/// Reads both configs as a run does.
pub fn check(host: &Host, flags: &Flags) -> Checked {
    let given = flags.given();
    let mut checked = Checked::default();
    if let Err(e) = look(host, flags, &given, &mut checked) {
        checked.add([e], &given);
    }
    // Stable: the others stay in their order.
    checked.findings.sort_by_key(|finding| !finding.is_wrong);
    checked
}

/// # Errors
/// The one after which nothing more can be looked at.
fn look(host: &Host, flags: &Flags, given: &Given, checked: &mut Checked) -> Result<()> {
    let config = Config::find(host, flags)?;
    // One that was found and cannot be read. A run goes on without it, and says so in a warning.
    let unreadable = config.place_to_write().err();
    checked.add(unreadable, given);
    checked.manager_config = config.manager_path();
    let profile = config.chosen(host, flags)?;
    checked.profile = Some(profile.clone());
    let effective = config.effective(Some(&profile), host, flags)?;
    let malformed = effective.into_iter().filter_map(|one| Some((one.place?, one.fault?)));
    checked.add(malformed.map(|(name, why)| Error::BadValue { name, why }), given);
    let doubts = config.doubts(&profile);
    let settings = config.settings_of(profile, host, flags).inspect_err(|_| {
        checked.findings.extend(doubts.into_iter().map(Finding::doubtful));
    })?;
    checked.oci_config = Some(settings.oci_config.clone());
    let engine = Engine::new(host, &settings, Want::VALID, None);
    checked.add(engine.obstacles(), given);
    let warnings = settings.doubts().cloned();
    let region = engine.region().ok().flatten();
    let doubt = region.and_then(|region| region::doubt(host, &region));
    let doubt = doubt.map(|what| Warning::new(what, "correct it, unless it is a new region"));
    checked.findings.extend(warnings.chain(settings.exposed()).chain(doubt).map(Finding::doubtful));
    Ok(())
}

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    let checked = check(host, &invocation.flags);
    let findings = checked.findings.iter().map(|finding| {
        let Finding { is_wrong, text, next, .. } = finding;
        json!({ "severity": if *is_wrong { "wrong" } else { "doubtful" }, "text": text, "next": next })
    });
    let findings: Vec<_> = findings.collect();
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
    let document = vec![
        ("profile", checked.profile.as_ref().map(ProfileName::as_str).into()),
        ("manager_config", path(&checked.manager_config).into()),
        ("config_file", path(&checked.oci_config).into()),
        ("ok", checked.is_right().into()),
        ("findings", findings.into()),
    ];
    let code = if checked.is_right() { 0 } else { 2 };
    Ok(Output::Document { document, text: text(&checked, &invocation.flags.given()), code })
}

fn text(checked: &Checked, given: &Given) -> Text {
    let Checked { profile, manager_config, oci_config, findings } = checked;
    let path = |path: &Option<PathBuf>, none: &str| match path {
        Some(path) => path.display().to_string().into(),
        None => Span::new(none, Tone::Faint),
    };
    let mut text = Text::default().fields([
        ("Profile", profile.as_ref().map_or(Span::new("none", Tone::Faint), |name| name.to_string().into())),
        ("Manager config", path(manager_config, "none")),
        ("OCI config", path(oci_config, "not looked at")),
    ]);
    for Finding { is_wrong, text: found, next, .. } in findings {
        let (word, tone) = if *is_wrong { ("Wrong", Tone::Wrong) } else { ("Doubtful", Tone::Doubtful) };
        let next = next.iter().map(|next| ("Next", Span::from(next.clone())));
        text = text.fields([(word, Span::new(found.clone(), tone))].into_iter().chain(next));
    }
    match checked.counts() {
        (0, 0) => text.paragraph(Span::new("Nothing is wrong or doubtful.", Tone::Good)),
        (wrong, doubtful) => text.paragraph(format!(
            "{wrong} wrong, {doubtful} doubtful. {} shows the values in effect.",
            given.command("config show", None)
        )),
    }
}
