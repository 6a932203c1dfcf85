//! `woci config show`: the values in effect for one profile, and where each is set. The document follows
//! schemas/config.schema.json. No value that is or may be a secret is shown.

use serde_json::{Value, json};

use super::check;
use crate::config::{Config, Effective, MASK, ProfileName, SessionFrom, SetBy, Settings, named_by, shown};
use crate::error::{Given, Result};
use crate::host::Host;
use crate::options::{Group, Kind};
use crate::output::{Document, Output, Span, Text, Tone};
use crate::session::{Engine, Want};
use crate::verbs::Invocation;

/// One key as it is shown.
struct Row {
    one: Effective,
    value: Option<String>,
    /// Where it is set, in few words.
    from: String,
    /// The word of the document for that.
    source: Option<&'static str>,
    /// A session of this kind uses the key.
    applies: bool,
    is_required: bool,
    is_missing: bool,
}

/// What the rows are about.
struct Head {
    profile: ProfileName,
    /// The option or the variable that names it.
    chosen_by: Option<&'static str>,
    /// `None` if the settings contradict each other.
    settings: Option<Settings>,
}

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    let flags = &invocation.flags;
    let config = Config::find(host, flags)?;
    let profile = config.chosen(host, flags)?;
    let effective = config.effective(Some(&profile), host, flags)?;
    // What is wrong with them is told below the values, since that is when a person needs to see them.
    let settings = config.settings_of(profile.clone(), host, flags).ok();
    let of_oci = match &settings {
        Some(settings) if settings.region.is_none() => {
            Engine::new(host, settings, Want::VALID, None).region().ok().flatten()
        }
        _ => None,
    };
    let head = Head { profile, chosen_by: named_by(host, flags, "--profile"), settings };
    let rows: Vec<Row> = effective.into_iter().map(|one| row(one, &head, of_oci.as_deref())).collect();
    let manager = config.manager_path().map(|path| path.to_string_lossy().into_owned());
    let checked = check::check(host, flags);
    let text = text(&head, &rows, manager.as_deref(), &checked, &flags.given());
    Ok(Output::Document { document: document(&head, &rows, manager), text, code: 0 })
}

fn row(one: Effective, head: &Head, of_oci: Option<&str>) -> Row {
    let required = head
        .settings
        .as_ref()
        .map(|settings| settings.required(of_oci.is_some() || settings.region.is_some()));
    let is_set =
        required.and_then(|keys| keys.into_iter().find(|(key, _)| *key == one.key).map(|(_, is_set)| is_set));
    let value = match &one.value {
        Some(text) => Some(shown(one.row, text)),
        None if one.key == "region" => of_oci.map(str::to_owned),
        None => None,
    };
    let line = one.line.unwrap_or_default();
    let (place, source) = match one.set_by {
        SetBy::Flag => (one.row.name.to_owned(), Some("flag")),
        SetBy::Variable => (one.row.variable.unwrap_or_default().to_owned(), Some("variable")),
        SetBy::Section => (format!("[{}]:{line}", head.profile), Some("section")),
        SetBy::Common => (format!("[COMMON]:{line}"), Some("common")),
        SetBy::Default if value.is_some() => ("OCI config".to_owned(), Some("oci_config")),
        SetBy::Default if one.row.default.is_some() && is_set != Some(false) => {
            ("default".to_owned(), Some("default"))
        }
        SetBy::Default => (String::new(), None),
    };
    Row {
        value,
        from: place,
        source,
        applies: is_set.is_some()
            || is_used(&one, head.settings.as_ref().map(|settings| settings.session_from)),
        is_required: is_set.is_some(),
        is_missing: is_set == Some(false),
        one,
    }
}

/// Whether a session of this kind uses a key. Without a kind, a console session is what may be made. While the settings
/// contradict each other, every key that is set may be used.
fn is_used(one: &Effective, known: Option<Option<SessionFrom>>) -> bool {
    let (group, key) = (one.row.group, one.key);
    let Some(from) = known else {
        return one.value.is_some() || matches!(group, Group::Profile | Group::Fresh | Group::Messages);
    };
    let from = from.unwrap_or(SessionFrom::Console);
    match group {
        Group::Console => from == SessionFrom::Console,
        Group::Provider | Group::AtRest => from == SessionFrom::Provider,
        Group::Exchange if matches!(key, "requested_token" | "res_type" | "rpst_exp") => {
            from == SessionFrom::Workload
        }
        Group::Exchange => from != SessionFrom::Console,
        Group::Source => key == "session_from" || from == SessionFrom::Workload,
        // Oracle has registered one redirect URI, and knows no device code.
        Group::SignIn if matches!(key, "redirect_host" | "redirect_path" | "device_url" | "device_form") => {
            from == SessionFrom::Provider
        }
        Group::SignIn => from != SessionFrom::Workload,
        Group::Profile | Group::Fresh | Group::Messages | Group::Verb => true,
    }
}

fn document(head: &Head, rows: &[Row], manager: Option<String>) -> Document {
    let settings = rows.iter().map(|row| {
        let Row { one, value, source, applies, is_required, .. } = row;
        let default = (*source == Some("default")).then_some(one.row.default).flatten();
        json!({
            "key": one.key,
            "value": value.as_deref().or(default),
            "source": source,
            "place": place(row),
            "applies": applies,
            "required": is_required,
        })
    });
    let missing = rows.iter().filter(|row| row.is_missing).map(|row| row.one.key);
    let path = |of: fn(&Settings) -> String| Value::from(head.settings.as_ref().map(of));
    vec![
        ("profile", head.profile.as_str().into()),
        (
            "session_from",
            head.settings.as_ref().and_then(|settings| settings.session_from).map(SessionFrom::word).into(),
        ),
        ("manager_config", manager.into()),
        ("config_file", path(|settings| settings.oci_config.to_string_lossy().into_owned())),
        ("session_folder", path(|settings| settings.session_folder.to_string_lossy().into_owned())),
        ("missing", missing.collect::<Vec<_>>().into()),
        ("settings", settings.collect::<Vec<_>>().into()),
    ]
}

/// Where a value is set, with the file and the line.
fn place(row: &Row) -> Option<&str> {
    match row.source {
        Some("default") | None => None,
        _ => row.one.place.as_deref().or(Some(row.from.as_str())),
    }
}

fn text(head: &Head, rows: &[Row], manager: Option<&str>, checked: &check::Checked, given: &Given) -> Text {
    let none = || Span::new("none", Tone::Faint);
    let Head { profile, chosen_by, settings } = head;
    let chosen = chosen_by.map(|name| format!(" ({name})")).unwrap_or_default();
    let mut fields: Vec<(&str, Span)> = vec![("Profile", format!("{profile}{chosen}").into())];
    fields.push((
        "Session from",
        match settings {
            Some(settings) => settings.session_from.map_or_else(none, |from| from.word().into()),
            None => Span::new("not known", Tone::Wrong),
        },
    ));
    fields.push(("Manager config", manager.map_or_else(none, Span::from)));
    if let Some(settings) = settings {
        fields.push(("OCI config", settings.oci_config.display().to_string().into()));
        fields.push(("Session", settings.session_folder.display().to_string().into()));
    }
    let mut text = Text::default().fields(fields);
    let of = |row: &Row| {
        let value = match (&row.value, &row.one.fault) {
            (_, Some(why)) => Span::new(format!("{MASK} ({why})"), Tone::Wrong),
            (Some(value), None) if !row.applies => Span::new(format!("{value} (not used)"), Tone::Faint),
            (Some(value), None) => value.as_str().into(),
            (None, None) => Span::new("missing", Tone::Wrong),
        };
        vec![row.one.key.into(), Span::new(row.from.clone(), Tone::Faint), value]
    };
    let (used, unused): (Vec<&Row>, Vec<&Row>) =
        rows.iter().filter(|row| row.value.is_some() || row.is_missing).partition(|row| row.applies);
    let set: Vec<_> = used.into_iter().chain(unused).map(of).collect();
    if !set.is_empty() {
        text = text.table(&["SETTING", "FROM", "VALUE"], set);
    }
    let defaults = rows.iter().filter(|row| row.applies && row.source == Some("default") && !row.is_missing);
    let defaults =
        defaults.filter(|row| !matches!(row.one.row.kind, Kind::Path) && row.one.key != "session_from");
    let faint =
        |row: &Row| vec![row.one.key.into(), Span::new(row.one.row.default.unwrap_or_default(), Tone::Faint)];
    let text = text.table(&["DEFAULT", "VALUE"], defaults.map(faint).collect());
    match checked.counts() {
        (0, 0) => text,
        (wrong, doubtful) => text.paragraph(format!(
            "Next: {} explains what is wrong ({wrong} wrong, {doubtful} doubtful).",
            given.command("config check", None)
        )),
    }
}
