//! Checks of what is configured for woci: the profile, the manager config, its values and secrets.

use super::look::Look;
use super::{Finding, word};
use crate::config::{Config, ManagerFile, PASSPHRASE_KEY, SecretSource, SetBy, Warning, named_by};
use crate::error::Error;
use crate::files::exposed;

pub fn profile(look: &Look<'_>) -> Vec<Finding> {
    let profile = match &look.profile {
        Ok(profile) => profile,
        // The check of the file says it.
        Err(Error::ManagerConfig { .. }) => return Vec::new(),
        Err(e) => return vec![Finding::error(e, &look.given)],
    };
    if let Some(e) = unknown_profile(look) {
        return vec![Finding::error(&e, &look.given)];
    }
    let by = match named_by(look.host, look.flags, "--profile") {
        Some(name) => format!("named by {name}"),
        None => "no option or variable names one".to_owned(),
    };
    vec![Finding::good(format!("profile {profile} ({by})"))]
}

fn unknown_profile(look: &Look<'_>) -> Option<Error> {
    let (settings, profile) = (look.settings()?, look.profile.as_ref().ok()?);
    let is_somewhere = || look.oci_config.has_section(profile.as_str()) || settings.session_folder.is_dir();
    settings.unknown_profile(is_somewhere)
}

pub fn file(look: &Look<'_>) -> Vec<Finding> {
    let config = match &look.config {
        Ok(config) => config,
        Err(e) => return vec![Finding::error(e, &look.given)],
    };
    vec![match config.manager() {
        ManagerFile::Absent(places) => {
            let places: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
            Finding::good(format!("no manager config at {}", places.join(" or ")))
        }
        ManagerFile::Unreadable { path, why } => {
            Finding::error(&Error::ManagerConfig { path: path.clone(), why: why.clone() }, &look.given)
        }
        ManagerFile::Read(manager) => {
            let is_beside = manager.path.parent() == look.oci_config.path.parent();
            let by = match named_by(look.host, look.flags, "--manager-config") {
                Some(name) => format!("named by {name}"),
                None if is_beside => "beside the OCI config".to_owned(),
                None => "in ~/.oci; none is beside the OCI config".to_owned(),
            };
            Finding::good(format!("manager config {} ({by})", manager.path.display()))
        }
    }]
}

pub fn settings(look: &Look<'_>) -> Vec<Finding> {
    // The checks above say why.
    if look.config.is_err() || look.profile.is_err() {
        return Vec::new();
    }
    let settings = match &look.settings {
        Ok(settings) => settings,
        Err(e) => return vec![Finding::error(e, &look.given)],
    };
    // The check of the file says that it cannot be read.
    let mut found: Vec<Finding> =
        settings.doubts().map(|Warning { what, advice, .. }| Finding::doubtful(what, advice)).collect();
    if found.is_empty() {
        let from =
            settings.session_from.map_or(String::new(), |from| format!(" (session_from: {})", from.word()));
        found.push(Finding::good(format!("the settings are well formed{from}")));
    }
    found
}

/// What a renewal or a sign-in needs.
pub fn required(look: &Look<'_>) -> Vec<Finding> {
    let Some(settings) = look.settings() else { return Vec::new() };
    let is_console = look.stored().is_some_and(|(_, contents, engine)| engine.is_of_console(contents));
    let region = look.region();
    match settings.lack(region.as_deref(), is_console) {
        None => vec![Finding::good("all required values are set")],
        // The check of the file says that it cannot be read.
        Some(Error::ManagerConfig { .. }) => Vec::new(),
        // The check of the profile says it.
        Some(_) if unknown_profile(look).is_some() => Vec::new(),
        // The region may be known from the sign-in.
        Some(e) if settings.session_from.is_none() && is_console => vec![Finding::doubt(&e, &look.given)],
        Some(_) if settings.session_from.is_none() => vec![Finding::doubtful(
            "nothing is configured, and nobody has signed in",
            format!(
                "run {} to sign in at Oracle's own page with your region, or {} to set up a provider",
                look.command("session authenticate --region REGION"),
                look.command("config init")
            ),
        )],
        Some(e) => vec![Finding::error(&e, &look.given)],
    }
}

pub fn secrets(look: &Look<'_>) -> Vec<Finding> {
    let Some(settings) = look.settings() else { return Vec::new() };
    let env = &look.host.env;
    let (mut good, mut in_file, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for (key, source) in settings.secret_sources() {
        let is_in_file = matches!(settings.set_by(key), SetBy::Section | SetBy::Common);
        // A command is not run.
        let checked = match source {
            SecretSource::Value(_) if is_in_file => {
                in_file.push(key);
                continue;
            }
            SecretSource::Value(_) => Ok("an option"),
            SecretSource::Variable { setting, .. } | SecretSource::File { setting, .. } => {
                source.resolve(env).map(|_| *setting)
            }
            SecretSource::Command(command) => command.check_program(env).map(|()| command.setting),
        };
        match checked {
            Ok(place) => good.push(format!("{key} from {place}")),
            // A person is asked where there is a terminal.
            Err(e) if key == PASSPHRASE_KEY && settings.passphrase.prompt => {
                found.push(Finding::doubt(&e, &look.given));
            }
            Err(e) => found.push(Finding::error(&e, &look.given)),
        }
    }
    if let Some(keyring) = &settings.keyring {
        for command in [&keyring.get, &keyring.put] {
            match command.check_program(env) {
                Ok(()) => good.push(format!("the refresh token by {}", command.setting)),
                Err(e) => found.push(Finding::error(&e, &look.given)),
            }
        }
    }
    let file = look.config.as_ref().ok().and_then(Config::manager_path);
    if let Some(file) = file.filter(|_| !in_file.is_empty()) {
        let (path, keys) = (file.display(), in_file.join(" and "));
        match exposed::mode_if_readable(&file) {
            None => good.push(format!("{keys} from the manager config")),
            Some(mode) => found.push(Finding::wrong(
                format!("other users can read {path} (mode {mode:04o}), which holds {keys}"),
                format!("run `chmod go-rwx {}`", word(&file)),
            )),
        }
    }
    if !good.is_empty() {
        found.push(Finding::good(format!("secrets: {}", good.join(", "))));
    }
    found
}

/// The token of a job, which a workload's session is made of.
pub fn workload_token(look: &Look<'_>) -> Vec<Finding> {
    let Some((settings, _, engine)) = look.stored().filter(|_| look.is_workload()) else { return Vec::new() };
    let Some((source, _)) = settings.subject_token() else { return Vec::new() };
    vec![match engine.check_workload_token(look.now) {
        Ok(()) => Finding::good(format!("the workload's token comes from {}", source.name())),
        Err(e) => Finding::error(&e, &look.given),
    }]
}
