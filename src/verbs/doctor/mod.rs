//! `doctor`: looks for what is wrong, one check after another, each with what to do. Offline, it only reads: no lock is
//! taken, nothing is written or sent, and no program is run but `oci --version`. The document is that of
//! schemas/doctor.schema.json.

use std::path::Path;

use serde_json::{Value, json};

use super::Invocation;
use crate::error::{Error, Given, Result, quoted};
use crate::host::Host;
use crate::log;
use crate::output::{Output, Span, Text, Tone};
use crate::printable;

mod files;
mod kube;
mod look;
mod machine;
mod manager;
mod oci_config;
mod online;
mod readers;
mod session;

use look::Look;

/// A check finds nothing if it does not apply.
type Check = fn(&Look<'_>) -> Vec<Finding>;

/// In the order in which they are shown.
const OFFLINE: &[(&str, Check)] = &[
    ("profile", manager::profile),
    ("manager-config", manager::file),
    ("settings", manager::settings),
    ("required", manager::required),
    ("secrets", manager::secrets),
    ("workload-token", manager::workload_token),
    ("folders", files::folders),
    ("session-files", files::session),
    ("oci-config", oci_config::file),
    ("section", oci_config::section),
    ("readers", readers::profile),
    ("variables", readers::variables),
    ("token", session::token),
    ("key", session::key),
    ("refresh-token", session::refresh_token),
    ("origin", session::origin),
    ("identity", session::identity),
    ("renewal", session::renewal),
    ("sign-in", session::sign_in),
    ("daemon", session::daemon),
    ("clock", session::clock),
    ("port", machine::port),
    ("browser", machine::browser),
    ("network", machine::network),
    ("oci", machine::oci),
    ("woci", machine::woci),
    ("kubeconfig", kube::entries),
];

/// What a check found.
struct Finding {
    state: State,
    what: String,
    /// What to do. `None` if the state is good.
    remedy: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// It works now, or works for some; a person should look at it.
    Doubtful,
    Wrong,
}

impl State {
    const ALL: [Self; 3] = [Self::Good, Self::Doubtful, Self::Wrong];

    fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Wrong => "wrong",
        }
    }

    /// As a person reads it.
    fn mark(self) -> Span {
        match self {
            Self::Good => Span::new("good", Tone::Good),
            Self::Doubtful => Span::new("doubtful", Tone::Doubtful),
            Self::Wrong => Span::new("WRONG", Tone::Wrong),
        }
    }
}

impl Finding {
    fn good(what: impl Into<String>) -> Self {
        Self { state: State::Good, what: what.into(), remedy: None }
    }

    fn doubtful(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Doubtful, what: what.into(), remedy: Some(remedy.into()) }
    }

    fn wrong(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Wrong, what: what.into(), remedy: Some(remedy.into()) }
    }

    /// What a run would fail with.
    fn error(e: &Error, given: &Given) -> Self {
        let said = e.say_to(given);
        Self::wrong(said.fault(), said.next)
    }

    /// The same for what keeps no run from working.
    fn doubt(e: &Error, given: &Given) -> Self {
        Self { state: State::Doubtful, ..Self::error(e, given) }
    }
}

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    let online = invocation.own.has("--online");
    if !invocation.flags.has("--log-level") {
        // The findings say what warnings would say.
        log::set_level(log::Level::Error);
    }
    let look = Look::new(host, &invocation.flags);
    let checks = OFFLINE.iter().flat_map(|(name, check)| named(name, check(&look)));
    let mut found: Vec<(&str, Finding)> = checks.collect();
    if online {
        found.extend(online::checks(&look));
    }
    Ok(answer(&look, online, &found))
}

/// A path as a word of a command that can be pasted.
fn word(path: &Path) -> String {
    quoted(&path.display().to_string())
}

fn named(name: &'static str, findings: Vec<Finding>) -> impl Iterator<Item = (&'static str, Finding)> {
    findings.into_iter().map(move |finding| (name, finding))
}

fn answer(look: &Look<'_>, online: bool, found: &[(&str, Finding)]) -> Output {
    let counts =
        State::ALL.map(|state| (state, found.iter().filter(|(_, finding)| finding.state == state).count()));
    let profile = look.profile.as_ref().ok().map(|profile| profile.as_str());
    let checks: Vec<Value> = found
        .iter()
        .map(|(check, Finding { state, what, remedy })| {
            let remedy = remedy.as_deref().map(shown);
            json!({ "check": check, "state": state.word(), "what": shown(what), "remedy": remedy })
        })
        .collect();
    let mut document = vec![
        ("version", 1.into()),
        ("woci", env!("CARGO_PKG_VERSION").into()),
        ("profile", profile.into()),
        ("online", online.into()),
    ];
    document.extend(counts.map(|(state, count)| (state.word(), count.into())));
    document.push(("checks", checks.into()));
    let code = u8::from(found.iter().any(|(_, finding)| finding.state == State::Wrong));
    let counts = counts.map(|(state, count)| format!("{count} {}", state.word())).join(", ");
    Output::Document { document, text: text(look, online, found, &counts), code }
}

/// One line a finding, and what to do below it.
fn text(look: &Look<'_>, online: bool, found: &[(&str, Finding)], counts: &str) -> Text {
    let row = |(_, finding): &(&str, Finding)| {
        let mut lines = vec![Span::from(shown(&finding.what))];
        lines.extend(finding.remedy.as_deref().map(|remedy| format!("Fix: {}", shown(remedy)).into()));
        (finding.state.mark(), lines)
    };
    let more = match online {
        true => String::new(),
        false => format!(" {} also tries the network.", look.command("doctor --online")),
    };
    Text::default()
        .list(found.iter().map(row).collect())
        .paragraph(format!("woci {}: {counts}.{more}", env!("CARGO_PKG_VERSION")))
}

/// A text as it may be shown: on one line, and without the queries of URLs, which may hold a key.
fn shown(text: &str) -> String {
    let word = |word: &str| match word.split_once('?') {
        Some((url, _)) if url.contains("://") => format!("{url}?…"),
        _ => word.to_owned(),
    };
    printable::text(text).split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_of_a_url_is_not_shown() {
        for (text, expected) in [
            ("from https://a.example.com/t?api_key=x to /b", "from https://a.example.com/t?… to /b"),
            ("did you mean that? no", "did you mean that? no"),
            ("add ?prompt=consent", "add ?prompt=consent"),
            ("two\nlines", "two lines"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn each_check_has_a_name_of_its_own() {
        for (n, (name, _)) in OFFLINE.iter().enumerate() {
            assert!(OFFLINE[..n].iter().all(|(other, _)| other != name), "{name} twice");
        }
    }
}
