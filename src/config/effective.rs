//! What is in effect for one section, key by key, as a person may see it: secrets are masked, and so is what could be
//! one in the wrong place. Pure.

use super::values::{SetBy, Values, check};
use crate::command;
use crate::error::Result;
use crate::oauth::url;
use crate::options::{Kind, Opt};
use crate::printable;

/// In place of what is not shown.
pub const MASK: &str = "***";

/// Parameters of an authorization URL whose values are no secrets.
const HARMLESS: &[&str] = &[
    "access_type",
    "acr_values",
    "audience",
    "connection",
    "display",
    "domain_hint",
    "hd",
    "idp",
    "kc_idp_hint",
    "login_hint",
    "max_age",
    "organization",
    "prompt",
    "resource",
    "response_mode",
    "ui_locales",
];

/// One key of the option table.
pub struct Effective {
    pub row: &'static Opt,
    pub key: &'static str,
    /// As it is set; `None` if it is set nowhere.
    pub value: Option<String>,
    pub set_by: SetBy,
    /// Where it is set, as messages name the place; `None` if it is set nowhere.
    pub place: Option<String>,
    /// The line of the manager config.
    pub line: Option<usize>,
    /// Why the value cannot be used.
    pub fault: Option<String>,
}

impl Effective {
    pub(super) fn of(row: &'static Opt, key: &'static str, values: &Values<'_>) -> Result<Self> {
        let (value, set_by, line) = values.as_set(key)?;
        let value = match key {
            // A scope may continue on further lines.
            "scope" => value.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")),
            _ => value,
        };
        let fault = value.as_ref().and_then(|text| check(row.kind, text).err());
        let place = value.as_ref().map(|_| values.place(row, key, set_by));
        Ok(Self { row, key, value, set_by, place, line, fault })
    }
}

/// A value of a key, as it may be shown.
pub fn shown(row: &Opt, value: &str) -> String {
    let plain = || printable::text(value);
    // It may be anything.
    if check(row.kind, value).is_err() {
        return MASK.to_owned();
    }
    match row.kind {
        Kind::Secret => MASK.to_owned(),
        Kind::Command => match command::program_of(value) {
            Some((program, false)) => printable::text(&program),
            Some((program, true)) => format!("{} …", printable::text(&program)),
            None => MASK.to_owned(),
        },
        Kind::Url | Kind::Issuer => match value.split_once('?') {
            Some((before, query)) => format!("{}?{}", printable::text(before), parameters(query)),
            None => plain(),
        },
        Kind::Parameters => parameters(value),
        // The key takes the name of a variable, and a secret may have been put there by mistake.
        Kind::Text if row.key.is_some_and(|key| key.ends_with("_env")) && !is_variable(value) => {
            MASK.to_owned()
        }
        Kind::Flag
        | Kind::Text
        | Kind::Ocid
        | Kind::Path
        | Kind::Region
        | Kind::Number { .. }
        | Kind::Ports
        | Kind::UrlPath
        | Kind::OneOf(_) => plain(),
    }
}

/// A query, without the values of parameters that may be secret.
fn parameters(query: &str) -> String {
    let part = |part: &str| match part.split_once('=') {
        Some((name, value)) => {
            let decoded = url::parse_form(name.as_bytes()).unwrap_or_default();
            let is_harmless = decoded.first().is_some_and(|(name, _)| HARMLESS.contains(&name.as_str()));
            format!("{name}={}", if is_harmless { value } else { MASK })
        }
        None if part.is_empty() => String::new(),
        None => MASK.to_owned(),
    };
    printable::text(&query.split('&').map(part).collect::<Vec<_>>().join("&"))
}

/// Whether a text is the name of a variable, and not as long as most secrets are.
fn is_variable(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::find_key;

    #[test]
    fn what_may_be_secret_is_masked() {
        for (key, value, expected) in [
            ("client_secret", "hunter2", "***"),
            ("client_secret", "", "***"),
            ("client_secret_file", "~/.oci/secret", "~/.oci/secret"),
            ("client_secret_env", "WOCI_SECRET", "WOCI_SECRET"),
            ("client_secret_env", "hunter2-hunter2", "***"),
            ("client_secret_command", "pass show hunter2", "pass …"),
            ("client_secret_command", "[\"op\", \"hunter2\"]", "op …"),
            ("client_secret_command", "secret", "secret"),
            ("client_secret_command", "pass 'hunter2", "***"),
            ("authz_base_url", "https://a.example/x", "https://a.example/x"),
            ("authz_base_url", "https://a.example/x?prompt=consent", "https://a.example/x?prompt=consent"),
            (
                "authz_base_url",
                "https://a.example/x?api_key=hunter2&prompt=login&hunter2",
                "https://a.example/x?api_key=***&prompt=login&***",
            ),
            ("authz_params", "audience=api&ticket=hunter2", "audience=api&ticket=***"),
            ("token_url", "https://ada:hunter2@a.example/", "***"),
            ("redirect_port", "hunter2", "***"),
            ("redirect_port", "8181", "8181"),
            ("auth_client_id", "id", "id"),
        ] {
            assert_eq!(shown(find_key(key).unwrap(), value), expected, "{key} = {value}");
        }
    }
}
