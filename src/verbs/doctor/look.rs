//! What the checks look at: the settings, both configs and the session, each as it is or as the error that it is.

use std::path::{Path, PathBuf};

use crate::config::{Config, DEFAULT, ProfileName, SessionFrom, Settings};
use crate::error::{Given, Result};
use crate::files;
use crate::host::{self, Host};
use crate::ini::{self, Fault, LineKind};
use crate::oci::config_file::{ConfigFile, Section};
use crate::options::Flags;
use crate::session::{Engine, Want};
use crate::store::{Contents, SessionDir};
use crate::time::UnixTime;

pub struct Look<'a> {
    pub host: &'a Host,
    pub flags: &'a Flags,
    /// For the commands that remedies suggest.
    pub given: Given,
    pub now: UnixTime,
    pub config: Result<Config>,
    pub profile: Result<ProfileName>,
    pub settings: Result<Settings>,
    pub oci_config: OciConfig,
    /// What woci reads there.
    pub section: Result<Section>,
    pub contents: Result<Contents>,
}

impl<'a> Look<'a> {
    pub fn new(host: &'a Host, flags: &'a Flags) -> Self {
        let config = Config::find(host, flags);
        let profile = with(&config, |config| config.chosen(host, flags));
        let settings = with(&config, |config| {
            with(&profile, |profile| config.settings_of(profile.clone(), host, flags))
        });
        let path = with(&config, |config| with(&profile, |profile| config.oci_config(profile, host, flags)));
        let oci_config = OciConfig::read(path.unwrap_or_else(|_| oci_config(host, flags)));
        let section = with(&profile, |profile| ConfigFile::read(host, &oci_config.path)?.section(profile));
        let contents = with(&settings, |settings| {
            // The key is found without it too.
            let none = Section::default();
            SessionDir { path: settings.session_folder.clone() }.read(section.as_ref().unwrap_or(&none))
        });
        let (given, now) = (flags.given(), host::now());
        Self { host, flags, given, now, config, profile, settings, oci_config, section, contents }
    }

    /// A command of woci, as it can be pasted.
    pub fn command(&self, words: &str) -> String {
        self.given.command(words, None)
    }

    /// The command that makes a person sign in.
    pub fn sign_in(&self) -> String {
        format!("run {}", self.command("session authenticate"))
    }

    pub fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref().ok()
    }

    pub fn contents(&self) -> Option<&Contents> {
        self.contents.as_ref().ok()
    }

    /// The settings and what is stored, with the rules of a session. `None` if one of both cannot be read.
    pub fn stored(&self) -> Option<(&Settings, &Contents, Engine<'_>)> {
        let (settings, contents) = (self.settings()?, self.contents()?);
        Some((settings, contents, Engine::new(self.host, settings, Want::NEWER_WITHOUT_PERSON, None)))
    }

    pub fn dir(&self) -> Option<SessionDir> {
        Some(SessionDir { path: self.settings()?.session_folder.clone() })
    }

    /// Whether a session of this profile is, or would be, made of a token that this machine has.
    pub fn is_workload(&self) -> bool {
        self.settings().is_some_and(|settings| settings.session_from == Some(SessionFrom::Workload))
    }

    /// The region of the profile, for woci.
    pub fn region(&self) -> Option<String> {
        let set = self.settings().and_then(|settings| settings.region.clone());
        set.or_else(|| self.section.as_ref().ok()?.region.clone())
    }
}

fn with<T, U>(value: &Result<T>, make: impl FnOnce(&T) -> Result<U>) -> Result<U> {
    make(value.as_ref().map_err(Clone::clone)?)
}

/// Where the OCI config is, as far as flags and variables say it.
fn oci_config(host: &Host, flags: &Flags) -> PathBuf {
    let named = flags.get("--config-file").map(Path::new);
    let path = named.or_else(|| host.env.get("OCI_CLI_CONFIG_FILE").map(Path::new));
    let path = path.unwrap_or(Path::new("~/.oci/config"));
    host.absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// `~/.oci/config`, with the numbers of its lines.
pub struct OciConfig {
    pub path: PathBuf,
    /// Whether there is such a file.
    pub exists: Result<bool>,
    /// What oci refuses.
    pub fault: Option<Fault>,
    keys: Vec<Key>,
    sections: Vec<String>,
}

pub struct Key {
    section: String,
    pub name: String,
    pub value: String,
    pub line: usize,
}

impl Key {
    /// For a message.
    pub fn place(&self) -> String {
        format!("{} in [{}], line {}", self.name, self.section, self.line)
    }

    /// Whether another section than this one has it.
    pub fn is_inherited_by(&self, section: &str) -> bool {
        self.section != section
    }
}

impl OciConfig {
    fn read(path: PathBuf) -> Self {
        let read = files::read(&path);
        let exists = read.as_ref().map(Option::is_some).map_err(Clone::clone);
        let bytes = read.ok().flatten().unwrap_or_default();
        let mut config = Self { path, exists, fault: None, keys: Vec::new(), sections: Vec::new() };
        match ini::text(&bytes) {
            Ok(text) => config.scan(text),
            Err(fault) => config.fault = Some(fault),
        }
        config
    }

    fn scan(&mut self, text: &str) {
        self.fault = ini::check(text, Some(DEFAULT), |_, _| false).err();
        for line in ini::lines(text).map_while(std::result::Result::ok) {
            match line.kind {
                LineKind::Section(name) => self.sections.push(name.to_owned()),
                LineKind::Key { name, value, .. } => self.keys.push(Key {
                    section: self.sections.last().cloned().unwrap_or_default(),
                    name: ini::lower(name).into_owned(),
                    value: value.to_owned(),
                    line: line.number,
                }),
                LineKind::Continuation(_) | LineKind::Blank | LineKind::Comment => {}
            }
        }
    }

    pub fn has_section(&self, name: &str) -> bool {
        self.sections.iter().any(|section| section == name)
    }

    /// A key as oci reads it: that of the section, otherwise that of `[DEFAULT]`. An empty one counts as absent.
    pub fn key(&self, section: &str, name: &str) -> Option<&Key> {
        let of = |section: &str| self.keys.iter().find(|key| key.section == section && key.name == name);
        of(section).or_else(|| of(DEFAULT)).filter(|key| !key.value.is_empty())
    }
}
