//! The text of each setting and where it was set: flag, variable, the profile's section of
//! woci_manager.ini, `[COMMON]`, else the default of its row in the option table. Malformed values are
//! refused here. A message never shows a value, which may be a secret in the wrong place.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::manager::Sections;
use super::profile::{COMMON, ProfileName};
use crate::command;
use crate::error::{Error, Given, Result};
use crate::host::Host;
use crate::oauth::{self, url};
use crate::options::Flags;
use crate::options::{self, Kind, Opt};

/// Where a value was set, by precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SetBy {
    Flag,
    Variable,
    /// The profile's section of woci_manager.ini.
    Section,
    /// `[COMMON]` of woci_manager.ini.
    Common,
    /// Set nowhere: the default of the option's row, if it has one.
    Default,
}

pub struct Values<'a> {
    flags: &'a Flags,
    host: &'a Host,
    sections: &'a Sections,
    pub profile: &'a ProfileName,
    /// The file that `sections` are from.
    manager: Option<PathBuf>,
    /// Each key that was read so far.
    read: RefCell<Vec<(&'static str, SetBy)>>,
}

impl<'a> Values<'a> {
    pub fn new(
        flags: &'a Flags,
        host: &'a Host,
        sections: &'a Sections,
        profile: &'a ProfileName,
        manager: Option<PathBuf>,
    ) -> Self {
        Self { flags, host, sections, profile, manager, read: RefCell::default() }
    }

    pub fn given(&self) -> Given {
        self.flags.given()
    }

    /// Where the value of a key is set.
    pub fn set_by_of(&self, key: &str) -> Result<SetBy> {
        self.text(key)?;
        let read = self.read.borrow();
        Ok(read.iter().find(|(known, _)| *known == key).map_or(SetBy::Default, |(_, set_by)| *set_by))
    }

    /// The place where the value of a key is set, as messages name it.
    pub fn place_of(&self, key: &str) -> Result<String> {
        Ok(self.place(row(key), key, self.set_by_of(key)?))
    }

    /// The keys that were read, each with where its value was set.
    pub fn set_by(&self) -> Vec<(&'static str, SetBy)> {
        self.read.take()
    }

    /// What a key of the option table is set to, and where, well-formed or not. The line is that of the manager config.
    ///
    /// # Errors
    /// The value of a variable is not text.
    pub fn as_set(&self, key: &str) -> Result<(Option<String>, SetBy, Option<usize>)> {
        let (text, set_by) = self.find(row(key), key)?;
        if text.is_empty() {
            return Ok((None, SetBy::Default, None));
        }
        let in_file = matches!(set_by, SetBy::Section | SetBy::Common);
        let line = self.sections.get(key).filter(|_| in_file).map(|value| value.line);
        Ok((Some(text), set_by, line))
    }

    /// The value of a key of the option table, checked by its row's kind; none where it is set nowhere.
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        self.value(row(key), key)
    }

    /// The value of a key that holds a path, made absolute. A relative path in the manager config starts at that file's
    /// folder, not at the working folder.
    pub fn path(&self, key: &str) -> Result<Option<PathBuf>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let path = Path::new(&text);
        let is_in_manager = matches!(self.set_by_of(key)?, SetBy::Section | SetBy::Common);
        match &self.manager {
            Some(manager) if is_in_manager && !path.starts_with("~") => {
                Ok(Some(manager.with_file_name(path)))
            }
            _ => self.host.absolute(path).map(Some),
        }
    }

    pub fn number(&self, key: &str) -> Result<u32> {
        let text = self.or_default(key)?;
        Ok(text.parse().expect("it was checked to be a number"))
    }

    /// The ports of a list; 0 alone stands for any free one.
    pub fn ports(&self, key: &str) -> Result<Vec<u16>> {
        let text = self.or_default(key)?;
        Ok(ports(&text).expect("it was checked to be a list of ports"))
    }

    pub fn boolean(&self, key: &str) -> Result<bool> {
        let text = self.or_default(key)?;
        Ok(boolean(&text).expect("it was checked to be a Boolean"))
    }

    pub fn or_default(&self, key: &str) -> Result<String> {
        let row = row(key);
        let default = row.default.expect("the row has a default");
        Ok(self.value(row, key)?.unwrap_or_else(|| default.to_owned()))
    }

    fn value(&self, row: &Opt, key: &str) -> Result<Option<String>> {
        let (text, set_by) = self.find(row, key)?;
        let text = if key == "scope" { one_line(&text) } else { text };
        let set_by = if text.is_empty() { SetBy::Default } else { set_by };
        let mut read = self.read.borrow_mut();
        if read.iter().all(|(known, _)| row.key != Some(known)) {
            read.extend(row.key.map(|key| (key, set_by)));
        }
        if text.is_empty() {
            return Ok(None);
        }
        match check(row.kind, &text) {
            Ok(()) => Ok(Some(text)),
            Err(why) => Err(Error::BadValue { name: self.place(row, key, set_by), why }),
        }
    }

    /// The text of the setting from the first place that sets it, and that place. An empty text means that
    /// the setting is unset.
    fn find(&self, row: &Opt, key: &str) -> Result<(String, SetBy)> {
        if let Some(given) = self.flags.get(row.name) {
            let given = if row.kind == Kind::Flag { "true" } else { given };
            return Ok((given.to_owned(), SetBy::Flag));
        }
        if let Some(value) = row.variable.and_then(|variable| self.host.env.get(variable)) {
            let Some(value) = value.to_str() else {
                let name = self.place(row, key, SetBy::Variable);
                return Err(Error::BadValue { name, why: "it is not UTF-8 text".to_owned() });
            };
            return Ok((value.to_owned(), SetBy::Variable));
        }
        Ok(match self.sections.get(key) {
            Some(value) if value.is_common => (value.text.clone(), SetBy::Common),
            Some(value) => (value.text.clone(), SetBy::Section),
            None => (String::new(), SetBy::Default),
        })
    }

    /// The place that a value was set in, as messages name it.
    pub fn place(&self, row: &Opt, key: &str, set_by: SetBy) -> String {
        let in_section = |section: &str| {
            let file = self.manager.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            let line =
                self.sections.get(key).map(|value| format!(", line {}", value.line)).unwrap_or_default();
            format!("{key} in [{section}] of {file}{line}")
        };
        match set_by {
            SetBy::Flag => row.name.to_owned(),
            SetBy::Variable => row.variable.unwrap_or_default().to_owned(),
            SetBy::Section => in_section(self.profile.as_str()),
            SetBy::Common => in_section(COMMON),
            SetBy::Default => format!("the default of {key}"),
        }
    }
}

fn row(key: &str) -> &'static Opt {
    options::find_key(key).expect("the key is one of the table")
}

/// A scope may continue on further lines; the request has a single blank between two words.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// # Errors
/// Why a text is no value of this kind. The text itself is not shown.
pub fn check(kind: Kind, text: &str) -> std::result::Result<(), String> {
    let good = match kind {
        Kind::Url => return url::check(text),
        Kind::Issuer => return url::check(text).and_then(|()| issuer(text)),
        Kind::Parameters => return parameters(text).map(drop),
        Kind::Ocid => text.starts_with("ocid1.") && text.bytes().all(|b| b.is_ascii_graphic()),
        // A long command may go on in further lines.
        Kind::Command if !text.contains(|c: char| c.is_control() && c != '\n') => {
            return command::check(text);
        }
        Kind::Command => false,
        Kind::Text | Kind::Secret | Kind::Path => !text.contains(char::is_control),
        Kind::Region => is_region(text),
        Kind::Flag => boolean(text).is_some(),
        Kind::Number { least, most } => {
            text.bytes().all(|b| b.is_ascii_digit())
                && text.parse().is_ok_and(|n| (least..=most).contains(&n))
        }
        Kind::Ports => ports(text).is_some(),
        Kind::UrlPath => {
            text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && !b"?#".contains(&b))
        }
        Kind::OneOf(words) => words.iter().any(|word| word.eq_ignore_ascii_case(text)),
    };
    if good {
        return Ok(());
    }
    Err(match kind {
        Kind::Number { least, most } => format!("it is not a whole number from {least} to {most}"),
        Kind::Ports => {
            "it is neither a list of different ports from 1 to 65535 with commas between them, nor 0".into()
        }
        Kind::UrlPath => {
            "it is not a path: it begins with / and holds visible ASCII characters without ? and #".into()
        }
        Kind::OneOf(words) => format!("it is none of {}", words.join(", ")),
        Kind::Region => NO_REGION.to_owned(),
        Kind::Ocid => "it is not an OCID, such as ocid1.user.oc1..aaaa".to_owned(),
        Kind::Flag => "it is none of true, false, yes, no, on, off, 1, 0".to_owned(),
        Kind::Url
        | Kind::Issuer
        | Kind::Parameters
        | Kind::Text
        | Kind::Secret
        | Kind::Path
        | Kind::Command => "it holds a line break or another control character".to_owned(),
    })
}

/// What an issuer must be beside a URL.
fn issuer(text: &str) -> std::result::Result<(), String> {
    if text.contains('?') {
        return Err("it has a query, and an issuer has none".into());
    }
    if text.contains("/.well-known/") {
        return Err("it names the document; leave out /.well-known/ and what follows".into());
    }
    Ok(())
}

/// The parameters of a text such as `prompt=consent&audience=api`, decoded.
pub fn parameters(text: &str) -> std::result::Result<Vec<(String, String)>, String> {
    // RFC 6749 appendix A.
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    let pairs = url::parse_form(text.as_bytes())
        .filter(|pairs| pairs.iter().all(|(name, value)| is_name(name) && !value.contains(char::is_control)))
        .ok_or("it is not a list of parameters, such as prompt=consent&audience=api")?;
    for (n, (name, _)) in pairs.iter().enumerate() {
        if oauth::OWN_PARAMETERS.contains(&name.as_str()) {
            return Err(format!("woci sets {name} itself"));
        }
        // RFC 6749 section 3.1. RFC 8707 allows several resources.
        if name != "resource" && pairs[..n].iter().any(|(other, _)| other == name) {
            return Err(format!("{name} is there twice"));
        }
    }
    Ok(pairs)
}

pub const NO_REGION: &str = "it is not the name of a region, such as eu-frankfurt-1";

/// Whether a text can be the name or key of a region, known or new: a part of a host name.
pub fn is_region(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain && !text.is_empty() && !text.starts_with('-') && !text.ends_with('-')
}

fn ports(text: &str) -> Option<Vec<u16>> {
    let port = |word: &str| {
        let word = word.trim();
        word.parse().ok().filter(|_| word.bytes().all(|b| b.is_ascii_digit()))
    };
    let ports: Vec<u16> = text.split(',').map(port).collect::<Option<_>>()?;
    let is_once = |(n, port): (usize, &u16)| *port != 0 && !ports[..n].contains(port);
    (ports == [0] || ports.iter().enumerate().all(is_once)).then_some(ports)
}

/// Python's `getboolean`.
fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Warning;
    use crate::config::secret::{SecretSource, SubjectTokenSource};
    use crate::config::testing::{no_document, sample};
    use crate::config::{SetBy, Settings, SignIn};
    use crate::error::{Error, Found};
    use crate::host::Env;
    use crate::log::Level;
    use crate::options::Kind;
    use crate::testing::{Home, fixture_path};

    #[test]
    fn a_value_keeps_every_character_of_its_line() {
        let home = Home::new();
        let named = [("--manager-config", &*sample("odd-secrets")), ("--profile", "prod")];
        let settings = home.settings(&named, &[]).unwrap();
        let missing = settings.provider_needs(&Env::of(&[]), no_document).err().unwrap();
        let Error::MissingOptions { names, profile, manager, .. } = missing else { panic!("{missing}") };
        assert_eq!(names, ["--client-id (client_id)"], "an empty value hides that of COMMON");
        assert_eq!((profile.as_str(), manager), ("prod", Found::At(sample("odd-secrets").into())));

        let renewal = home
            .settings(&[&named[..], &[("--client-id", "c")]].concat(), &[])
            .unwrap()
            .provider_needs(&Env::of(&[]), no_document)
            .unwrap();
        let (provider, domain) = (renewal.provider, renewal.domain);
        assert_eq!(domain.client_secret.expose(), r#"a;b #c 100% = "x" : y\n"#);
        assert_eq!(provider.client_secret.unwrap().expose(), "%%double");
        assert_eq!(provider.client_id, "id=with:both");
        assert_eq!(provider.scope, "openid offline_access email");
        assert_eq!(
            provider.authorization_url,
            "https://idp.example.com/authorize?prompt=consent&audience=api://oci"
        );
        assert_eq!(domain.url, provider.token_url, "the exchange is at the token endpoint by default");
        assert_eq!((&*settings.redirect.ports, settings.log_level), (&[8181][..], Level::Debug));
        assert_eq!((settings.sign_in, settings.auto_refresh), (SignIn::Never, true));
        assert_eq!(settings.oci_config, fixture_path("manager/team/oci.config"));
        assert!(settings.oci_config_from_manager);

        let warnings: Vec<String> = settings.warnings.iter().map(Warning::to_string).collect();
        let [unknown, comment, percent, near] = &warnings[..] else { panic!("{warnings:?}") };
        assert!(
            unknown.contains("unknown_to_woci in [COMMON]") && !unknown.contains("is meant"),
            "{unknown}"
        );
        assert!(comment.contains("client_secret in [prod]") && comment.contains("' #'"), "{comment}");
        assert!(percent.contains("auth_client_secret in [prod]") && !percent.contains("double"), "{percent}");
        assert!(
            near.contains("tokn_url in [prod]") && near.ends_with("; write token_url if that is meant"),
            "{near}"
        );
    }

    #[test]
    fn a_flag_overrides_a_variable_then_the_section_then_common() {
        let home = Home::with(
            "[COMMON]\nregion = common\nscope = offline_access\n[a]\nregion = section\n[b]\n[c]\nregion=\n",
        );
        let region = |flags: &[(&'static str, &str)], variables: &[(&str, &str)]| {
            let settings = home.settings(flags, variables).unwrap();
            settings.region.clone().map(|region| (region, settings.set_by("region")))
        };
        let is = |name: &str, source| Some((name.to_owned(), source));
        let variable = [("OCI_CLI_REGION", "variable")];
        assert_eq!(region(&[("--profile", "a"), ("--region", "flag")], &variable), is("flag", SetBy::Flag));
        assert_eq!(region(&[("--profile", "a")], &variable), is("variable", SetBy::Variable));
        assert_eq!(region(&[("--profile", "a")], &[("OCI_CLI_REGION", "")]), is("section", SetBy::Section));
        assert_eq!(region(&[("--profile", "b")], &[]), is("common", SetBy::Common));
        assert_eq!(region(&[("--profile", "no-section")], &[]), is("common", SetBy::Common));
        assert_eq!(region(&[("--profile", "c")], &[]), None);
    }

    /// An option that is not read would do nothing.
    #[test]
    fn every_key_of_the_option_table_is_read() {
        let home = Home::with("[prod]\n");
        let settings = home.settings(&[], &[]).unwrap();
        let mut read: Vec<&str> = settings.read_keys().collect();
        let mut table: Vec<&str> = options::OPTIONS.iter().filter_map(|row| row.key).collect();
        read.sort_unstable();
        table.sort_unstable();
        assert_eq!(read, table);
    }

    #[test]
    fn a_malformed_value_is_refused_and_only_its_place_is_shown() {
        for (key, value) in [
            ("redirect_port", "8181,0"),
            ("redirect_port", "8181,8181"),
            ("redirect_port", "8181,"),
            ("redirect_host", "hunter2"),
            ("redirect_path", "hunter2"),
            ("redirect_path", "/hunter2?x"),
            ("redirect_path", "/hunter 2"),
            ("redirect_port", "65536"),
            ("redirect_port", "+80"),
            ("redirect_port", "hunter2"),
            ("refresh_safety_window", "-1"),
            ("auto_refresh", "hunter2"),
            ("refresh_token_passphrase_prompt", "y"),
            ("sign_in", "hunter2"),
            ("log_level", "hunter2"),
            ("token_url", "http://idp.example.com/hunter2"),
            ("token_url", "https://ada:hunter2@idp.example.com/"),
            ("authz_base_url", "https://idp.example.com/#hunter2"),
            ("token_exchange_url", "https:///hunter2"),
            ("client_secret", "hunter2\n  more"),
            ("auth_client_id", "hunter2\x07"),
            ("subject_token_from", "hunter2"),
            ("subject_token_audience", "hunter2\x07"),
            ("requested_token", "hunter2"),
            ("rpst_exp", "0"),
            ("rpst_exp", "hunter2"),
            ("res_type", "hunter2\x07"),
        ] {
            let home = Home::with(&format!("[prod]\n{key} = {value}\n"));
            let e = home.settings(&[], &[]).err().unwrap_or_else(|| panic!("{key} = {value} was taken"));
            let Error::BadValue { name, .. } = &e else { panic!("{e}") };
            assert!(name.starts_with(&format!("{key} in [prod] of /")), "{name}");
            assert!(!e.to_string().contains("hunter2"), "{e}");
        }
        let home = Home::with("[prod]\nredirect_port = x\n[COMMON]\nlog_level = x\n");
        let flags = [("--redirect-port", "1"), ("--log-level", "error"), ("--auto-refresh", "")];
        assert!(home.settings(&flags, &[]).unwrap().auto_refresh, "what a flag overrides is not looked at");
        assert_eq!(
            home.settings(&[("--redirect-port", "70000")], &[]).err().map(|e| e.to_string()).unwrap(),
            "cannot use --redirect-port: it is neither a list of different ports from 1 to 65535 with commas between them, nor 0; correct it, then run woci again"
        );
    }

    #[test]
    fn each_path_in_the_manager_config_starts_at_its_folder_unless_it_is_absolute_or_in_the_home() {
        fn place(settings: &Settings, key: &str) -> String {
            let of_secret = |source: &Option<SecretSource>| match source {
                Some(SecretSource::File { path, .. }) => path.display().to_string(),
                _ => panic!("{key} names no file"),
            };
            let sessions = settings.session_folder.parent().unwrap();
            match key {
                "config_file" => settings.oci_config.display().to_string(),
                "sessions_folder" => sessions.display().to_string(),
                "client_secret_file" => of_secret(&settings.provider.client_secret),
                "auth_client_secret_file" => of_secret(&settings.provider.auth_client_secret),
                "refresh_token_passphrase_file" => of_secret(&settings.passphrase.otherwise),
                "subject_token_file" => {
                    let source = settings.workload.subject_token.as_ref().map(SubjectTokenSource::name);
                    source.unwrap_or_default().replace("the file ", "")
                }
                other => panic!("{other} is a path, and this test does not know it"),
            }
        }
        let keys = options::OPTIONS.iter().filter(|row| row.kind == Kind::Path);
        for (row, key) in keys.filter_map(|row| Some((row, row.key?))) {
            for section in ["prod", "COMMON"] {
                for (path, expected) in [
                    ("a/b", ".oci/a/b"),
                    ("~/b", "b"),
                    ("/a/b", "/a/b"),
                    // The name of a file.
                    ("~b/c", ".oci/~b/c"),
                ] {
                    let home = Home::with(&format!("[{section}]\n{key} = {path}\n"));
                    let settings = home.settings(&[("--profile", "prod")], &[]).unwrap();
                    assert_eq!(Path::new(&place(&settings, key)), home.path(expected), "{key} = {path}");
                }
            }
            let home = Home::with("[prod]\n");
            for (path, expected) in [("a/b", None), ("~/b", Some("b")), ("/a/b", Some("/a/b"))] {
                let settings = home.settings(&[(row.name, path)], &[]).unwrap();
                let expected = expected.map_or(std::path::absolute(path).unwrap(), |path| home.path(path));
                assert_eq!(Path::new(&place(&settings, key)), expected, "{} {path}", row.name);
            }
        }
    }
}
