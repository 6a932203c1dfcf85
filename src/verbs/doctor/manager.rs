//! Checks of what is configured for woci: the profile, the manager config, its values and secrets.

use super::Finding;
use super::look::Look;
use crate::config::{ManagerFile, SecretSource, SetBy, Settings, SubjectTokenSource};
use crate::error::{Error, SecretFault};
use crate::files::{self, exposed};
use crate::jwt;
use crate::secret::Secret;

pub fn profile(look: &Look<'_>) -> Vec<Finding> {
    let profile = match &look.profile {
        Ok(profile) => profile,
        // The check of the file says it.
        Err(Error::ManagerConfig { .. }) => return Vec::new(),
        Err(e) => return vec![Finding::error(e, &look.given)],
    };
    let is_unknown = !look.oci_config.has_section(profile.as_str())
        && look.settings().is_some_and(|settings| !settings.session_folder.exists());
    let others = look.settings().and_then(|settings| settings.other_profiles.clone());
    if let Some(known) = others.filter(|_| is_unknown) {
        let e = Error::UnknownProfile { profile: profile.to_string(), known };
        return vec![Finding::error(&e, &look.given)];
    }
    let by = if look.flags.has("--profile") {
        "named by --profile"
    } else if look.host.env.get("OCI_CLI_PROFILE").is_some() {
        "named by OCI_CLI_PROFILE"
    } else {
        "no option or variable names one"
    };
    vec![Finding::good(format!("profile {profile} ({by})"))]
}

pub fn file(look: &Look<'_>) -> Vec<Finding> {
    let config = match &look.config {
        Ok(config) => config,
        Err(e) => return vec![Finding::error(e, &look.given)],
    };
    vec![match config.manager() {
        ManagerFile::Absent(places) => {
            let places: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
            Finding::good(format!("no manager config (looked for at {})", places.join(" and ")))
        }
        ManagerFile::Unreadable { path, why } => {
            Finding::error(&Error::ManagerConfig { path: path.clone(), why: why.clone() }, &look.given)
        }
        ManagerFile::Read(manager) => {
            let by = if look.flags.has("--manager-config") {
                "named by --manager-config"
            } else if look.host.env.get("WOCI_MANAGER_CONFIG").is_some() {
                "named by WOCI_MANAGER_CONFIG"
            } else if manager.path.parent() == look.oci_config.path.parent() {
                "beside the OCI config"
            } else {
                "in ~/.oci; none is beside the OCI config"
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
    let warnings = settings.warnings.iter().filter(|warning| !warning.starts_with("cannot read the manager"));
    let mut found: Vec<Finding> = warnings.map(|warning| doubtful(warning)).collect();
    if found.is_empty() {
        let from =
            settings.session_from.map_or("Oracle's own sign-in, if you ask for it", |from| from.word());
        found.push(Finding::good(format!("the values are well formed; a session comes from: {from}")));
    }
    found
}

/// A warning of the settings, whose advice is its last part.
fn doubtful(warning: &str) -> Finding {
    match warning.rsplit_once("; ") {
        Some((what, advice)) => match advice.strip_prefix("did you mean ") {
            Some(meant) => Finding::doubtful(what, format!("write {}", meant.trim_end_matches('?'))),
            None => Finding::doubtful(what, advice),
        },
        None if warning.starts_with("woci does not know") => {
            Finding::doubtful(warning, "remove the line, or see `woci help options` for the keys")
        }
        None if warning.starts_with("the scope") => Finding::doubtful(warning, "add offline_access to scope"),
        None => Finding::doubtful(warning, "correct or remove that setting"),
    }
}

/// What a renewal or a sign-in needs.
pub fn required(look: &Look<'_>) -> Vec<Finding> {
    let Some(settings) = look.settings() else { return Vec::new() };
    let is_console = look.stored().is_some_and(|(_, contents, engine)| engine.is_of_console(contents));
    let region = look.region();
    match settings.check_needs(region.as_deref(), is_console) {
        Ok(()) => vec![Finding::good("all required values are set")],
        // The check of the file says that it cannot be read.
        Err(Error::ManagerConfig { .. }) => Vec::new(),
        Err(e) if settings.session_from.is_none() => {
            vec![Finding::doubtful(
                "nothing is configured, and nobody has signed in",
                e.say_to(&look.given).next,
            )]
        }
        Err(e) => vec![Finding::error(&e, &look.given)],
    }
}

pub fn secrets(look: &Look<'_>) -> Vec<Finding> {
    let Some(settings) = look.settings() else { return Vec::new() };
    let mut found = Vec::new();
    let mut good = Vec::new();
    for (key, source) in settings.secret_sources() {
        match secret(look, settings, key, source) {
            Ok(place) => good.push(format!("{key} ({place})")),
            Err(finding) => found.push(finding),
        }
    }
    if let Some(keyring) = &settings.keyring {
        for command in [&keyring.get, &keyring.put] {
            match command.check_program(&look.host.env) {
                Ok(()) => good.push(format!("the refresh token ({})", command.setting)),
                Err(e) => found.push(Finding::error(&e, &look.given)),
            }
        }
    }
    if !good.is_empty() {
        found.push(Finding::good(format!("secrets: {}", good.join(", "))));
    }
    found
}

/// Where a secret comes from, or what is wrong with that. Runs no program.
fn secret(look: &Look<'_>, settings: &Settings, key: &str, source: &SecretSource) -> Result<String, Finding> {
    match source {
        SecretSource::Value(_) => match (settings.set_by(key), look.config.as_ref().map(|c| c.manager())) {
            (SetBy::Section | SetBy::Common, Ok(ManagerFile::Read(manager))) => {
                match exposed::mode_if_readable(&manager.path) {
                    None => Ok("in the manager config".into()),
                    Some(mode) => Err(Finding::wrong(
                        format!(
                            "other users can read {} (mode {mode:04o}), which holds {key}",
                            manager.path.display()
                        ),
                        format!("run `chmod go-rwx {}`", manager.path.display()),
                    )),
                }
            }
            _ => Ok("given as an option".into()),
        },
        SecretSource::Variable { setting, .. } | SecretSource::File { setting, .. } => {
            match source.resolve(&look.host.env) {
                Ok(_) => Ok((*setting).to_owned()),
                // A person is asked where there is a terminal.
                Err(e) if settings.passphrase.prompt && setting.starts_with("refresh_token") => {
                    Err(Finding::doubt(&e, &look.given))
                }
                Err(e) => Err(Finding::error(&e, &look.given)),
            }
        }
        SecretSource::Command(command) => match command.check_program(&look.host.env) {
            Ok(()) => Ok(format!("{}, not run here", command.setting)),
            Err(e) => Err(Finding::error(&e, &look.given)),
        },
    }
}

/// The token of a job, which a workload's session is made of.
pub fn workload_token(look: &Look<'_>) -> Vec<Finding> {
    let Some(source) = look.settings().filter(|_| look.is_workload()).and_then(Settings::subject_token)
    else {
        return Vec::new();
    };
    let env = &look.host.env;
    let error = |why: &str| Error::SubjectToken { from: source.name(), why: why.into() };
    let token = match source {
        SubjectTokenSource::File(path) => {
            let read = look.host.absolute(path.as_ref()).and_then(|path| files::read(&path));
            match read {
                Ok(Some(bytes)) => Ok(Some(Secret::new(String::from_utf8_lossy(&bytes).into_owned()))),
                Ok(None) => Err(error("there is no such file")),
                Err(e) => Err(e),
            }
        }
        SubjectTokenSource::Variable(name) => match env.get(name).and_then(|value| value.to_str()) {
            Some(value) => Ok(Some(Secret::new(value.to_owned()))),
            None => Err(error("it is not set")),
        },
        SubjectTokenSource::Runner(runner) => runner.given(env).map(|_| None),
        SubjectTokenSource::Command(command) => command.check_program(env).map(|()| None),
    };
    let checked = token.and_then(|token| match token {
        Some(token) => check_workload_token(look, &token).map_err(|why| error(why)),
        None => Ok(()),
    });
    vec![match checked {
        Ok(()) => Finding::good(format!("the workload's token comes from {}", source.name())),
        Err(Error::Secret(fault @ SecretFault::Command { .. })) => {
            Finding::error(&Error::Secret(fault), &look.given)
        }
        Err(e) => Finding::error(&e, &look.given),
    }]
}

fn check_workload_token(look: &Look<'_>, token: &Secret) -> Result<(), &'static str> {
    let token = token.expose().trim();
    if token.is_empty() {
        return Err("it holds no token");
    }
    let claims = jwt::claims(token).ok_or("it holds no JWT")?;
    match claims.get("exp").and_then(jwt::moment) {
        Some(exp) if exp <= look.now => Err("it has expired"),
        _ => Ok(()),
    }
}
