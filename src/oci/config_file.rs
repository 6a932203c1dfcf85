//! The OCI config, `~/.oci/config`: what a profile's section says, and the edit that makes oci, the SDKs
//! and Terraform use the session. The keys are those that `oci session authenticate` 3.95 writes.

use std::fs;
use std::path::{Path, PathBuf};

use super::backup::{self, SUFFIX};
use crate::config::{DEFAULT, ProfileName};
use crate::error::{Error, Result};
use crate::files;
use crate::files::shared::Shared;
use crate::host::Host;
use crate::ini::{self, Change, Fault, LineKind, edit};
use crate::log;

/// In the order in which a new section has them.
const KEYS: [&str; 5] = ["fingerprint", "key_file", "tenancy", "region", "security_token_file"];
/// With these in the section, the Go SDK and Terraform would sign as the API key. The older tool left them
/// beside its sessions.
pub const KEYS_OF_API_KEY: [&str; 2] = ["user", "pass_phrase"];

/// The values of the profile's section. A path that appears twice counts as absent: oci refuses the file,
/// and woci's next write removes the duplicate.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Section {
    pub exists: bool,
    /// Absolute.
    pub key_file: Option<PathBuf>,
    /// Absolute.
    pub security_token_file: Option<PathBuf>,
    /// The region that oci uses: that of the section, otherwise that of `[DEFAULT]`.
    pub region: Option<String>,
    api_key: ApiKey,
}

impl Section {
    /// It is somebody's working login with an API key, and no session.
    pub fn is_api_key(&self) -> bool {
        self.api_key == ApiKey::Alone
    }
}

/// The API key in a section. Paths do not tell one from a session, since a session may be that of another home.
#[derive(Debug, Default, PartialEq, Eq)]
enum ApiKey {
    #[default]
    None,
    /// Keys of it stand beside a session.
    BesideSession,
    /// Somebody's working login.
    Alone,
}

/// The file as it was when it was read. A file that does not exist reads as an empty one.
pub struct ConfigFile<'a> {
    host: &'a Host,
    path: &'a Path,
    bytes: Vec<u8>,
}

impl<'a> ConfigFile<'a> {
    pub fn read(host: &'a Host, path: &'a Path) -> Result<Self> {
        Ok(Self { host, path, bytes: files::read(path)?.unwrap_or_default() })
    }

    /// The profile's section. The scan ends where no later line can change what the section says.
    pub fn section(&self, profile: &ProfileName) -> Result<Section> {
        let text = ini::text(&self.bytes).map_err(|fault| refused(self.path, fault))?;
        let section = find(text, profile.as_str()).map_err(|fault| refused(self.path, fault))?;
        section.parse(self.host)
    }

    /// Refuses to put a session into a section that holds an API key, unless that was asked for by name.
    /// Also refuses a file that oci refuses: a person should learn both before a sign-in, not after it.
    pub fn check(&self, profile: &ProfileName, replaces_api_key: bool) -> Result<()> {
        checked(self.path, &self.bytes, profile)?;
        self.check_replaced(profile, &self.section(profile)?.api_key, replaces_api_key)
    }

    fn check_replaced(&self, profile: &ProfileName, api_key: &ApiKey, replaces_api_key: bool) -> Result<()> {
        if *api_key == ApiKey::Alone && !replaces_api_key {
            let profile = profile.to_string();
            return Err(Error::SectionHoldsApiKey { path: self.path.to_owned(), profile });
        }
        Ok(())
    }

    /// Sets the values of `entry` in the profile's section. Writes nothing if the section already has them.
    pub fn write(self, profile: &ProfileName, entry: &Entry<'_>, replaces_api_key: bool) -> Result<()> {
        let Some(rewrite) = self.rewrite(profile, entry)? else { return Ok(()) };
        self.check_replaced(profile, &rewrite.replaces, replaces_api_key)?;
        let shared = Shared::lock(self.path)?;
        // Another profile may have been written since the file was read.
        let now = Self { bytes: shared.read()?, ..self };
        let Some(rewrite) = now.rewrite(profile, entry)? else { return Ok(()) };
        self.check_replaced(profile, &rewrite.replaces, replaces_api_key)?;
        let held = match rewrite.replaces {
            ApiKey::None => None,
            ApiKey::BesideSession => Some("keys of an API key (user, pass_phrase) beside a session"),
            ApiKey::Alone => Some("an API key"),
        };
        if let Some(held) = held {
            let backup = keep_backup(self.path, profile, &now.bytes)?;
            log::warning(format_args!(
                "[{profile}] of {} held {held} and now holds the session; the file as it was is kept as {}",
                self.path.display(),
                backup.display()
            ));
        }
        if rewrite.others_inherit {
            log::warning(format_args!(
                "woci writes [DEFAULT] of {}: the other profiles there inherit the values they do not set",
                self.path.display()
            ));
        }
        shared.replace(rewrite.text.as_bytes())
    }

    /// Whether the profile's section names a file of this session folder.
    pub fn names_session_in(&self, profile: &ProfileName, folder: &Path) -> Result<bool> {
        let text = ini::text(&self.bytes).map_err(|fault| refused(self.path, fault))?;
        let section = find(text, profile.as_str()).map_err(|fault| refused(self.path, fault))?;
        Ok(section.has_in(self.host, "key_file", folder)
            || section.has_in(self.host, "security_token_file", folder))
    }

    /// Removes the keys that name the session in `folder` from the profile's section. With `restores`, also brings back
    /// the API key of the newest copy of the file that has one there.
    ///
    /// # Errors
    /// [`Error::NoApiKeyKept`] if there is no such copy. The session's keys are removed all the same.
    pub fn forget(self, profile: &ProfileName, folder: &Path, restores: bool) -> Result<Forgotten> {
        let mut forgotten = Forgotten::default();
        let is_key_wanted = |text: &str| -> Result<bool> {
            let section = find(text, profile.as_str()).map_err(|fault| refused(self.path, fault))?;
            Ok(restores && section.api_key() != ApiKey::Alone)
        };
        let old = ini::text(&self.bytes).map_err(|fault| refused(self.path, fault))?;
        let missing = Error::NoApiKeyKept { path: self.path.to_owned(), profile: profile.to_string() };
        match (self.names_session_in(profile, folder)?, is_key_wanted(old)?) {
            (false, false) => return Ok(forgotten),
            (false, true) if backup::copies(self.path).is_empty() => return Err(missing),
            (true, _) | (false, true) => {}
        }
        let shared = Shared::lock(self.path)?;
        let now = Self { bytes: shared.read()?, ..self };
        let (old, _) = checked(self.path, &now.bytes, profile)?;
        let mut text = now.without_session(old, profile, folder)?;
        let is_missing = if is_key_wanted(&text)? {
            let copy = self.copy_with_api_key(profile);
            if let Some((copy, then)) = &copy {
                let keys = [&KEYS[..], &KEYS_OF_API_KEY].concat();
                let restored = backup::restored(&text, then, profile.as_str(), &keys);
                text = restored.map_err(|fault| refused(copy, fault))?;
                checked(copy, text.as_bytes(), profile)?;
            }
            forgotten.restored_from = copy.map(|(copy, _)| copy);
            forgotten.restored_from.is_none()
        } else {
            false
        };
        if text != old {
            shared.replace(text.as_bytes())?;
            forgotten.is_changed = true;
        }
        if is_missing { Err(missing) } else { Ok(forgotten) }
    }

    /// The text without the keys that name the session in `folder`. A key file elsewhere is not the session's, and its
    /// fingerprint neither.
    fn without_session(&self, old: &str, profile: &ProfileName, folder: &Path) -> Result<String> {
        let section = find(old, profile.as_str()).map_err(|fault| refused(self.path, fault))?;
        let [fingerprint, key_file, tenancy, _, token_file] = KEYS;
        let (has_key, has_token) =
            (section.has_in(self.host, key_file, folder), section.has_in(self.host, token_file, folder));
        let mut removed = Vec::new();
        if has_token {
            removed.push(token_file);
        }
        if has_key {
            removed.push(key_file);
        }
        if has_key || (has_token && section.first(key_file).is_none()) {
            removed.extend([fingerprint, tenancy]);
        }
        let changes: Vec<_> = removed.into_iter().map(|key| (key, Change::Remove)).collect();
        edit(old, profile.as_str(), &changes).map_err(|fault| refused(self.path, fault))
    }

    /// The newest copy in which the profile's section holds an API key alone, with its text.
    fn copy_with_api_key(&self, profile: &ProfileName) -> Option<(PathBuf, String)> {
        backup::copies(self.path).into_iter().find_map(|copy| {
            let bytes = files::read(&copy).ok().flatten()?;
            let (text, _) = checked(&copy, &bytes, profile).ok()?;
            let section = find(text, profile.as_str()).ok()?;
            (section.api_key() == ApiKey::Alone).then(|| (copy, text.to_owned()))
        })
    }

    /// The new text, or none where nothing changes.
    fn rewrite(&self, profile: &ProfileName, entry: &Entry<'_>) -> Result<Option<Rewrite>> {
        let (old, sections) = checked(self.path, &self.bytes, profile)?;
        let section = find(old, profile.as_str()).map_err(|fault| refused(self.path, fault))?;
        let changes = entry.changes(self.host, self.path, &section)?;
        let text = edit(old, profile.as_str(), &changes).map_err(|fault| refused(self.path, fault))?;
        if text == old {
            return Ok(None);
        }
        let others_inherit = profile.as_str() == DEFAULT && others(&sections).next().is_some();
        Ok(Some(Rewrite { text, replaces: section.api_key(), others_inherit }))
    }
}

/// What became of a session's keys in the OCI config.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    pub is_changed: bool,
    /// The copy whose API key was brought back.
    pub restored_from: Option<PathBuf>,
}

struct Rewrite {
    text: String,
    replaces: ApiKey,
    others_inherit: bool,
}

/// The keys of a section as they are written.
#[derive(Default)]
struct SectionText {
    exists: bool,
    keys: Vec<(String, String)>,
    /// What `[DEFAULT]` says.
    inherited_region: Option<String>,
}

fn find(text: &str, profile: &str) -> std::result::Result<SectionText, Fault> {
    let mut found = SectionText::default();
    let mut section = "";
    let mut value: Option<&mut String> = None;
    for line in ini::lines(text) {
        match line?.kind {
            LineKind::Section(name) => {
                if found.is_complete(profile) {
                    break;
                }
                section = name;
                found.exists |= name == profile;
                value = None;
            }
            LineKind::Key { name, value: text, .. } if section == profile => {
                found.keys.push((ini::lower(name).into_owned(), text.to_owned()));
                value = found.keys.last_mut().map(|(_, value)| value);
            }
            LineKind::Key { name, value: text, .. } if section == DEFAULT && ini::lower(name) == "region" => {
                value = Some(found.inherited_region.insert(text.to_owned()));
            }
            LineKind::Key { .. } => value = None,
            LineKind::Continuation(text) => {
                if let Some(value) = &mut value {
                    value.push('\n');
                    value.push_str(text);
                }
            }
            LineKind::Blank | LineKind::Comment => {}
        }
    }
    Ok(found)
}

impl SectionText {
    /// Whether no later line can change what the section says. `[DEFAULT]` may come in several parts.
    fn is_complete(&self, profile: &str) -> bool {
        match profile {
            DEFAULT => KEYS.into_iter().all(|key| self.first(key).is_some()),
            _ => self.exists && (self.first("region").is_some() || self.inherited_region.is_some()),
        }
    }

    /// The value of a key that stands there once.
    fn get(&self, key: &str) -> Option<&str> {
        let mut values = self.keys.iter().filter(|(k, _)| k == key).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    }

    fn first(&self, key: &str) -> Option<&str> {
        self.keys.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// Whether a key, or a duplicate of it, names a file of this folder.
    fn has_in(&self, host: &Host, key: &str, folder: &Path) -> bool {
        let mut values = self.keys.iter().filter(|(k, value)| k == key && !value.is_empty());
        values.any(|(_, value)| host.absolute(Path::new(value)).is_ok_and(|path| lies_in(&path, folder)))
    }

    /// An empty region hides the one of `[DEFAULT]`.
    fn region(&self) -> Option<&str> {
        self.first("region").or(self.inherited_region.as_deref()).filter(|region| !region.is_empty())
    }

    fn parse(&self, host: &Host) -> Result<Section> {
        let text = |key| self.get(key).filter(|value| !value.is_empty()).map(str::to_owned);
        let path = |key| text(key).map(|path| host.absolute(Path::new(&path))).transpose();
        Ok(Section {
            exists: self.exists,
            key_file: path("key_file")?,
            security_token_file: path("security_token_file")?,
            region: self.region().map(str::to_owned),
            api_key: self.api_key(),
        })
    }

    /// Inherited keys do not count: oci reads them for every section, whatever that section is.
    fn api_key(&self) -> ApiKey {
        let has = |key: &str| self.keys.iter().any(|(k, value)| k == key && !value.is_empty());
        match (has("security_token_file"), KEYS_OF_API_KEY.into_iter().any(has)) {
            (true, false) => ApiKey::None,
            (true, true) => ApiKey::BesideSession,
            (false, true) => ApiKey::Alone,
            (false, false) if has("key_file") => ApiKey::Alone,
            (false, false) => ApiKey::None,
        }
    }
}

/// What the section of a stored session holds.
pub struct Entry<'a> {
    pub key_file: &'a Path,
    pub security_token_file: &'a Path,
    pub fingerprint: &'a str,
    /// The tenancy that the UPST names, if any.
    pub tenancy: Option<&'a str>,
    pub region: Option<RegionChange<'a>>,
}

#[derive(Clone, Copy)]
pub enum RegionChange<'a> {
    /// Written where oci would find no region.
    IfMissing(&'a str),
    /// Replaces the region of the section.
    Set(&'a str),
}

impl Entry<'_> {
    fn changes(
        &self,
        host: &Host,
        path: &Path,
        section: &SectionText,
    ) -> Result<Vec<(&'static str, Change<'_>)>> {
        // A path that names the same file stays as it was written, with `~` for example.
        let file = |key, file| match section.get(key).is_some_and(|value| names(host, value, file)) {
            true => Ok(Change::RemoveDuplicates),
            false => plain_path(path, file).map(Change::Set),
        };
        let tenancy = match self.tenancy {
            Some(tenancy) => Change::Set(plain(path, "the tenancy", tenancy)?),
            None => Change::RemoveDuplicates,
        };
        let region = match self.region {
            Some(RegionChange::Set(region)) => Change::Set(plain(path, "the region", region)?),
            Some(RegionChange::IfMissing(region)) if section.region().is_none() => {
                Change::Set(plain(path, "the region", region)?)
            }
            _ => Change::RemoveDuplicates,
        };
        let [fingerprint, key_file, tenancy_key, region_key, token_file] = KEYS;
        let [user, pass_phrase] = KEYS_OF_API_KEY;
        Ok(vec![
            (fingerprint, Change::Set(plain(path, "the fingerprint", self.fingerprint)?)),
            (key_file, file(key_file, self.key_file)?),
            (tenancy_key, tenancy),
            (region_key, region),
            (token_file, file(token_file, self.security_token_file)?),
            (user, Change::Remove),
            (pass_phrase, Change::Remove),
        ])
    }
}

/// Whether a value is the path of this file, wherever woci and oci are started.
fn names(host: &Host, value: &str, file: &Path) -> bool {
    let value = Path::new(value);
    (value.is_absolute() || value.starts_with("~")) && host.absolute(value).is_ok_and(|path| path == file)
}

/// Refuses a value that cannot stand on one line: with a line break in it, the value's author could add
/// lines to the file.
fn plain<'a>(path: &Path, name: &'static str, value: &'a str) -> Result<&'a str> {
    if value.is_empty() || value.contains(char::is_control) || value.trim() != value {
        let why = "it is empty, begins or ends with a blank, or holds a control character".into();
        return Err(Error::OciConfigValue { path: path.to_owned(), name, why });
    }
    Ok(value)
}

fn plain_path<'a>(path: &Path, value: &'a Path) -> Result<&'a str> {
    const NAME: &str = "a path of the session";
    match value.to_str() {
        Some(value) => plain(path, NAME, value),
        None => {
            let why = format!("{} is not UTF-8 text, and oci could not read it", value.display());
            Err(Error::OciConfigValue { path: path.to_owned(), name: NAME, why })
        }
    }
}

/// The text and its sections. Refuses what oci refuses, except duplicates of the keys that woci writes or
/// removes in the profile's section: the edit removes the duplicates.
fn checked<'a>(path: &Path, bytes: &'a [u8], profile: &ProfileName) -> Result<(&'a str, Vec<&'a str>)> {
    let is_mended = |section: &str, key: &str| {
        section == profile.as_str() && (KEYS.contains(&key) || KEYS_OF_API_KEY.contains(&key))
    };
    ini::text(bytes)
        .and_then(|text| Ok((text, ini::check(text, Some(DEFAULT), is_mended)?)))
        .map_err(|fault| refused(path, fault))
}

fn refused(path: &Path, fault: Fault) -> Error {
    Error::OciConfig { path: path.to_owned(), line: fault.line, why: fault.why }
}

fn others<'a>(sections: &'a [&str]) -> impl Iterator<Item = &'a str> {
    sections.iter().copied().filter(|name| *name != DEFAULT)
}

/// Whether a file lies directly in a folder. Symlinks to either are resolved.
pub fn lies_in(file: &Path, folder: &Path) -> bool {
    let Some(parent) = file.parent() else { return false };
    if parent == folder {
        return true;
    }
    matches!((fs::canonicalize(parent), fs::canonicalize(folder)), (Ok(a), Ok(b)) if a == b)
}

/// Writes the old file beside the new one, under the first backup name that is free.
fn keep_backup(path: &Path, profile: &ProfileName, old: &[u8]) -> Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let first = [format!("{name}{SUFFIX}"), format!("{name}{SUFFIX}-{profile}")];
    let numbered = (2..).map(|n: u32| format!("{name}{SUFFIX}-{profile}-{n}"));
    let backup = first
        .into_iter()
        .chain(numbered)
        .map(|name| path.with_file_name(name))
        .find(|backup| fs::symlink_metadata(backup).is_err())
        .expect("the numbers do not run out");
    files::replace(&backup, old)?;
    Ok(backup)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes the files that it is about")]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;
    use crate::testing::{self, Home, fixture};

    const FLAG: RegionChange<'_> = RegionChange::IfMissing("eu-zurich-1");

    fn profile(name: &str) -> ProfileName {
        ProfileName::new(name).unwrap()
    }

    /// A home with an empty `.oci`.
    fn home() -> Home {
        let home = Home::new();
        home.make_folder(".oci");
        home
    }

    impl Home {
        fn config(&self) -> PathBuf {
            self.path(".oci/config")
        }

        fn sessions(&self, profile: &str) -> PathBuf {
            self.path(".oci/sessions").join(profile)
        }

        fn write(&self, name: &str, region: Option<RegionChange<'_>>) -> Result<()> {
            self.write_over(name, region, false)
        }

        fn write_over(
            &self,
            name: &str,
            region: Option<RegionChange<'_>>,
            replaces_api_key: bool,
        ) -> Result<()> {
            let folder = self.sessions(name);
            let entry = Entry {
                key_file: &folder.join("private_key.pem"),
                security_token_file: &folder.join("token"),
                fingerprint: "aa:bb:cc",
                tenancy: Some("ocid1.tenancy.oc1..new"),
                region,
            };
            let host = Host::of(self.root(), &[]);
            ConfigFile::read(&host, &self.config())?.write(&profile(name), &entry, replaces_api_key)
        }

        fn read(&self, name: &str) -> Result<Section> {
            ConfigFile::read(&Host::of(self.root(), &[]), &self.config())?.section(&profile(name))
        }
    }

    /// The text after the edit for profile `prod` of /home/ada, and what the edit replaces.
    fn edited(before: &str, region: RegionChange<'_>) -> Result<Option<(String, ApiKey)>> {
        let folder = Path::new("/home/ada/.oci/sessions/prod");
        let entry = Entry {
            key_file: &folder.join("private_key.pem"),
            security_token_file: &folder.join("token"),
            fingerprint: "aa:bb:cc",
            tenancy: Some("ocid1.tenancy.oc1..new"),
            region: Some(region),
        };
        let file = ConfigFile {
            host: &Host::of(Path::new("/home/ada"), &[]),
            path: Path::new("/home/ada/.oci/config"),
            bytes: before.as_bytes().to_vec(),
        };
        let rewrite = file.rewrite(&profile("prod"), &entry)?;
        Ok(rewrite.map(|rewrite| (rewrite.text, rewrite.replaces)))
    }

    #[test]
    fn the_fixtures_before_become_those_after() {
        let text = |name: &str| String::from_utf8(fixture(&format!("oci/{name}"))).unwrap();
        for name in testing::fixtures_in("oci", "before") {
            let (before, after) = (text(&format!("{name}.before")), text(&format!("{name}.after")));
            let (new, _) = edited(&before, FLAG).unwrap().unwrap_or((before, ApiKey::None));
            assert_eq!(new, after, "{name}");
            assert_eq!(edited(&after, FLAG), Ok(None), "{name}: a second edit changes nothing");
        }
    }

    #[test]
    fn a_region_stays_unless_it_is_to_be_set() {
        let of = |region| edited("[prod]\nregion = uk-london-1\n", region).unwrap().unwrap().0;
        assert!(of(FLAG).starts_with("[prod]\nregion = uk-london-1\n"));
        assert!(of(RegionChange::Set("eu-zurich-1")).starts_with("[prod]\nregion = eu-zurich-1\n"));
    }

    #[test]
    fn an_api_key_is_a_key_without_a_token_file() {
        const OTHER_HOME: &str = "key_file=/home/other/.oci/sessions/prod/private_key.pem";
        for (text, expected) in [
            ("user = u", ApiKey::Alone),
            ("pass_phrase = p", ApiKey::Alone),
            ("key_file = ~/.oci/ada.pem", ApiKey::Alone),
            ("key_file = a\nkey_file = b", ApiKey::Alone),
            ("user = u\nsecurity_token_file =", ApiKey::Alone),
            (OTHER_HOME, ApiKey::Alone),
            ("security_token_file = /home/other/.oci/sessions/prod/token", ApiKey::None),
            (&format!("{OTHER_HOME}\nsecurity_token_file = /home/other/token"), ApiKey::None),
            ("key_file = C:\\Users\\ada\\key.pem\nsecurity_token_file = C:\\Users\\ada\\token", ApiKey::None),
            ("user = u\nkey_file = k\nsecurity_token_file = t", ApiKey::BesideSession),
            ("pass_phrase = p\nsecurity_token_file = t", ApiKey::BesideSession),
            ("user =\nkey_file =", ApiKey::None),
            ("region = x", ApiKey::None),
        ] {
            let (_, replaces) = edited(&format!("[prod]\n{text}\n"), FLAG).unwrap().unwrap();
            assert_eq!(replaces, expected, "{text}");
        }
    }

    #[test]
    fn a_path_with_a_tilde_is_left_as_it_is_written() {
        let text = "[prod]\nfingerprint = aa:bb:cc\nkey_file = ~/.oci/sessions/prod/private_key.pem\n\
                    tenancy = ocid1.tenancy.oc1..new\nregion = r\nsecurity_token_file=~/.oci/sessions/prod/token\n";
        assert_eq!(edited(text, FLAG), Ok(None));
        let (text, _) = edited(&text.replace("aa:bb", "bb:bb"), FLAG).unwrap().unwrap();
        assert!(text.contains("key_file = ~/.oci") && text.contains("security_token_file=~/"), "{text}");
        // A relative path names another file in another working folder.
        let (text, _) =
            edited("[prod]\nkey_file = .oci/sessions/prod/private_key.pem\n", FLAG).unwrap().unwrap();
        assert!(text.contains("key_file = /home/ada/.oci/sessions/prod/private_key.pem\n"), "{text}");
    }

    #[test]
    fn what_oci_refuses_is_reported_with_its_line_and_not_made_worse() {
        for (text, line) in [
            ("[prod]\n[a]\n[prod]\n", 3),
            ("[prod]\nx = 1\nx = 2\n", 3),
            ("[prod]\n[a]\nuser = u\nuser = v\n", 4),
            ("[prod]\nnothing\n", 2),
            ("a = b\n", 1),
            ("\u{feff}[prod]\n", 1),
        ] {
            let Err(Error::OciConfig { line: reported, .. }) = edited(text, FLAG) else {
                panic!("{text:?} was taken")
            };
            assert_eq!(reported, line, "{text:?}");
        }
    }

    #[test]
    fn no_value_can_write_lines_of_its_own() {
        let home = home();
        for bad in ["x\n[DEFAULT]\nuser = evil", "x\r", "", " x", "x\0"] {
            assert!(matches!(
                home.write("prod", Some(RegionChange::Set(bad))),
                Err(Error::OciConfigValue { .. })
            ));
        }
        assert_eq!(home.names(".oci"), Vec::<String>::new());
    }

    #[test]
    fn a_new_file_is_private_and_an_old_one_keeps_its_mode() {
        let home = home();
        home.write("prod", None).unwrap();
        let mode = || fs::metadata(home.config()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        fs::set_permissions(home.config(), fs::Permissions::from_mode(0o640)).unwrap();
        home.write("dev", None).unwrap();
        assert_eq!(mode(), 0o640);
        assert!(home.read("prod").unwrap().exists && home.read("dev").unwrap().exists);
    }

    #[test]
    fn nothing_is_written_where_nothing_changes() {
        let home = home();
        home.write("prod", None).unwrap();
        let before = fs::metadata(home.config()).unwrap().ino();
        home.write("prod", None).unwrap();
        assert_eq!(fs::metadata(home.config()).unwrap().ino(), before);
    }

    #[test]
    fn links_are_followed_also_to_a_file_that_is_not_there_yet() {
        let home = home();
        home.make_folder("dotfiles");
        symlink("../dotfiles/oci", home.config()).unwrap();
        home.write("prod", None).unwrap();
        home.write("dev", None).unwrap();
        assert!(fs::symlink_metadata(home.config()).unwrap().is_symlink());
        let text = fs::read_to_string(home.path("dotfiles/oci")).unwrap();
        assert!(text.contains("[prod]") && text.contains("[dev]"));
    }

    #[test]
    fn profiles_written_at_once_all_arrive() {
        let home = home();
        std::thread::scope(|scope| {
            for n in 0..16 {
                let home = &home;
                scope.spawn(move || home.write(&format!("p{n}"), None).unwrap());
            }
        });
        for n in 0..16 {
            assert!(home.read(&format!("p{n}")).unwrap().security_token_file.is_some(), "p{n}");
        }
        assert_eq!(home.names(".oci"), [".woci-config.lock", "config"]);
    }

    #[test]
    fn each_backup_of_an_api_key_has_a_name_of_its_own() {
        let home = home();
        let section = |name: &str| format!("[{name}]\nuser = u\nkey_file = ~/{name}.pem\n");
        let old = section("prod") + &section("dev");
        home.put(".oci/config", &old);
        home.write_over("prod", None, true).unwrap();
        home.write_over("dev", None, true).unwrap();
        home.put(".oci/config", section("dev"));
        home.write_over("dev", None, true).unwrap();
        let backups = ["config.woci-backup", "config.woci-backup-dev", "config.woci-backup-dev-2"];
        assert_eq!(home.names(".oci"), [&[".woci-config.lock", "config"], &backups[..]].concat());
        let first = home.path(".oci").join(backups[0]);
        assert_eq!(fs::read_to_string(&first).unwrap(), old);
        assert_eq!(fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_api_key_is_replaced_only_if_that_was_asked_for() {
        let home = home();
        let check = |text: &str, name: &str, replaces_api_key| {
            home.put(".oci/config", text);
            let host = Host::of(home.root(), &[]);
            let config = home.config();
            let file = ConfigFile::read(&host, &config)?;
            file.check(&profile(name), replaces_api_key)
        };
        let refused =
            |name: &str| Err(Error::SectionHoldsApiKey { path: home.config(), profile: name.to_owned() });
        let text = "[DEFAULT]\nuser = u\n[dev]\nkey_file = k\n";
        for name in ["DEFAULT", "dev"] {
            assert_eq!(check(text, name, false), refused(name));
            assert_eq!(home.write(name, None), refused(name));
            assert_eq!(check(text, name, true), Ok(()));
        }
        assert_eq!(fs::read_to_string(home.config()).unwrap(), text);
        assert_eq!(check(text, "new", false), Ok(()), "an API key in [DEFAULT] is left to it");
        assert_eq!(check("[DEFAULT]\nregion = r\n[dev]\n", "DEFAULT", false), Ok(()));
        assert!(matches!(check("[dev]\n[dev]\n", "DEFAULT", false), Err(Error::OciConfig { line: 2, .. })));
    }

    #[test]
    fn a_section_is_read_with_the_region_it_inherits() {
        let home = home();
        let region = |text: &str, name: &str| {
            home.put(".oci/config", text);
            home.read(name).unwrap().region
        };
        assert_eq!(region("[DEFAULT]\nregion = a\n[prod]\n", "prod").as_deref(), Some("a"));
        assert_eq!(region("[prod]\nx = 1\n[DEFAULT]\nregion = a\n", "prod").as_deref(), Some("a"));
        assert_eq!(region("[DEFAULT]\nregion = a\n[prod]\nREGION: b", "prod").as_deref(), Some("b"));
        assert_eq!(region("[DEFAULT]\nregion = a\n[prod]\nregion =\n", "prod"), None);
        assert_eq!(region("[DEFAULT]\nregion = a\n", "new").as_deref(), Some("a"));
        assert_eq!(region("[DEFAULT]\nx = 1\n[a]\n[DEFAULT]\nregion = a", "DEFAULT").as_deref(), Some("a"));
        assert_eq!(region("[dev]\nregion = a\n", "prod"), None);
        home.put(".oci/config", "[prod]\nkey_file = ~/k\nkey_file = ~/l\ntenancy = t\nuser = u\n");
        let section = home.read("prod").unwrap();
        assert_eq!((section.key_file, section.api_key), (None, ApiKey::Alone));
        fs::remove_file(home.config()).unwrap();
        assert_eq!(home.read("prod"), Ok(Section::default()));
        fs::create_dir(home.config()).unwrap();
        assert!(matches!(home.read("prod"), Err(Error::File { .. })));
    }
}
