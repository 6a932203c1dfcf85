//! `woci config set`: changes one key in the profile's section of woci_manager.ini, or in `[COMMON]`. The document
//! follows schemas/config-set.schema.json.

use std::io::{self, IsTerminal as _, Read as _};

use zeroize::Zeroizing;

use super::check;
use super::questions::Questions;
use crate::config::{COMMON, Config, change, check_value, shown};
use crate::error::{ConfigFault, Error, Result};
use crate::files::{self, exposed};
use crate::host::Host;
use crate::ini;
use crate::log;
use crate::options::{self, Kind, OPTIONS, Opt};
use crate::output::{Output, Span, Text, Tone};
use crate::printable;
use crate::secret::{self, Secret};
use crate::verbs::Invocation;

const VERB: &str = "config set";
/// In bytes: as much as a helper program may print for a secret.
const LARGEST: u64 = 64 << 10;

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    let Invocation { flags, own, words, .. } = &invocation;
    let words: Vec<&str> = words
        .iter()
        .map(|word| word.to_str().ok_or(Error::OptionNotText { option: "VALUE".into() }))
        .collect::<Result<_>>()?;
    let is_unset = own.has("--unset");
    let needed = if is_unset { "KEY" } else { "KEY and VALUE" };
    let (name, typed) = match (words.as_slice(), is_unset) {
        ([name, value], false) => (*name, Some(*value)),
        ([name], true) => (*name, None),
        ([] | [_], _) => return Err(Error::Config(ConfigFault::WordsMissing { verb: VERB, words: needed })),
        _ => return Err(Error::Config(ConfigFault::WordTooMuch { verb: VERB, words: needed })),
    };
    let row = known(name)?;
    let key = row.key.unwrap_or_default();
    let config = Config::find_or_new(host, flags)?;
    let path = config.place_to_write()?;
    let section = match own.has("--common") {
        true => COMMON.to_owned(),
        false => config.chosen(host, flags)?.to_string(),
    };
    let place = format!("{key} in [{section}] of {}", path.display());
    let value = typed.map(|typed| value(row, key, typed)).transpose()?;
    if let Some(value) = &value {
        let why = check_text(row, value.expose());
        why.map_err(|why| Error::BadValue { name: format!("the new value of {place}"), why })?;
        if row.kind == Kind::Secret && typed != Some("-") {
            log::warning(format_args!(
                "{key} is given on the command line, where every user of the machine can read it: set {key}_file, \
                 {key}_env or {key}_command instead, or give the value on stdin"
            ));
        }
    }

    let before = check::check(host, flags);
    let changed = change(&path, &section, &[(key, value.as_ref().map(Secret::expose))], |_| Ok(()))?;
    if value.is_some() && row.kind == Kind::Secret && exposed::can_be_read(&path) {
        log::warning(format_args!(
            "{0} can be read by other users, and holds a client secret; run chmod go-rwx {0}",
            path.display()
        ));
    }
    // Settings that belong together are set one after the other: what is still missing is no news.
    for finding in check::check(host, flags).findings {
        if !finding.is_of_missing && !before.findings.iter().any(|known| known.text == finding.text) {
            log::warning(format_args!("{}", finding.text));
        }
    }

    let old = changed.old.first().cloned().flatten();
    let is_new_value = old.as_deref() != value.as_ref().map(Secret::expose);
    let masked =
        |value: &str| if value.is_empty() { String::new() } else { shown(row, &value.replace('\n', " ")) };
    let (old, new) = (old.as_deref().map(masked), value.as_ref().map(|value| masked(value.expose())));
    let said = |value: &Option<String>| match value.as_deref() {
        None => Span::new("not set", Tone::Faint),
        Some("") => Span::new("empty", Tone::Faint),
        Some(value) => value.into(),
    };
    let fields = [
        ("Key", key.into()),
        ("Section", format!("[{section}]{}", if changed.had_section { "" } else { " (new)" }).into()),
        ("File", path.display().to_string().into()),
        ("Was", said(&old)),
        ("Is now", said(&new)),
    ];
    let same = (!is_new_value).then(|| "The value is the same as before.".to_owned());
    let text = Text::default().fields(fields);
    let text = match same {
        Some(same) => text.paragraph(same),
        None => text,
    };
    let document = vec![
        ("manager_config", path.to_string_lossy().into()),
        ("section", section.into()),
        ("key", key.into()),
        ("old", old.into()),
        ("new", new.into()),
        ("changed", is_new_value.into()),
    ];
    Ok(Output::Document { document, text, code: 0 })
}

/// The row of a key, written as in the file.
fn known(name: &str) -> Result<&'static Opt> {
    let lower = ini::lower(name);
    options::find_key(&lower).ok_or_else(|| {
        // An option is a likely slip: --client-id, client-id.
        let plain = lower.trim_start_matches('-').replace('-', "_");
        let meant = options::nearest(&plain, OPTIONS.iter().filter_map(|row| row.key)).map(str::to_owned);
        Error::Config(ConfigFault::UnknownKey { key: printable::line(name), meant })
    })
}

/// The value as it was typed, or the line of stdin. A person at a terminal is asked.
fn value(row: &Opt, key: &str, typed: &str) -> Result<Secret> {
    if typed != "-" {
        return Ok(Secret::new(typed.to_owned()));
    }
    let stdin = io::stdin();
    if stdin.is_terminal() {
        let mut questions = Questions::open()?;
        return match row.kind {
            Kind::Secret => questions.secret(key),
            _ => questions
                .ask(key, None, |answer| check_text(row, answer).map(|()| answer.to_owned()))
                .map(Secret::new),
        };
    }
    let no_value = |why: String| Error::Config(ConfigFault::NoValue { key: key.to_owned(), why });
    let mut bytes = Zeroizing::new(Vec::new());
    let read = stdin.lock().take(LARGEST + 1).read_to_end(&mut bytes);
    read.map_err(|e| no_value(format!("stdin cannot be read ({})", files::io_reason(&e))))?;
    if bytes.len() as u64 > LARGEST {
        return Err(no_value("stdin holds more than 64 KiB".into()));
    }
    let line = secret::one_line(&bytes).map_err(|why| no_value(format!("stdin holds {why}")))?;
    line.ok_or_else(|| no_value("stdin holds nothing".into()))
}

/// Whether a text can be the value of a key: of the row's kind, and read back as it was written.
pub fn check_text(row: &Opt, text: &str) -> std::result::Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    if text.contains(['\n', '\r']) {
        return Err("it holds a line break".into());
    }
    if text.trim_matches(ini::is_space) != text {
        return Err("it begins or ends with a blank, which the file would not keep".into());
    }
    check_value(row.kind, text)
}
