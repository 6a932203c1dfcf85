//! Checks of the OCI config, `~/.oci/config`: whether oci can read it, and whether the profile's section names the
//! session.

use std::path::{Path, PathBuf};

use super::Finding;
use super::look::Look;
use crate::error::Error;

pub fn file(look: &Look<'_>) -> Vec<Finding> {
    let config = &look.oci_config;
    let path = config.path.display();
    vec![match (&config.exists, &config.fault) {
        (Err(e), _) => Finding::error(e, &look.given),
        // What woci writes removes such duplicates, so that it says nothing of them.
        (_, Some(fault)) => {
            let why = fault.why.clone();
            let e = Error::OciConfig { path: config.path.clone(), line: fault.line, why };
            Finding::error(&e, &look.given)
        }
        (Ok(false), None) if !has_session(look) => {
            Finding::good(format!("no OCI config {path} yet; a sign-in writes it"))
        }
        (Ok(false), None) => Finding::doubtful(
            format!("there is no OCI config {path}: oci, the SDKs and Terraform find no session"),
            format!("run {}, which writes it", writes(look)),
        ),
        (Ok(true), None) => Finding::good(format!("OCI config {path}")),
    }]
}

/// Whether the section names this session.
pub fn section(look: &Look<'_>) -> Vec<Finding> {
    let (Ok(profile), Some(settings), Ok(section), Some(dir)) =
        (&look.profile, look.settings(), &look.section, look.dir())
    else {
        return Vec::new();
    };
    let config = &look.oci_config;
    if !matches!(config.exists, Ok(true)) {
        return Vec::new();
    }
    let path = config.path.display();
    if section.is_api_key() {
        let e = Error::SectionHoldsApiKey { path: settings.oci_config.clone(), profile: profile.to_string() };
        return vec![Finding::error(&e, &look.given)];
    }
    if !section.exists || (section.key_file.is_none() && section.security_token_file.is_none()) {
        if !has_session(look) {
            return Vec::new();
        }
        return vec![Finding::doubtful(
            format!("[{profile}] of {path} names no session: oci, the SDKs and Terraform find none"),
            format!("run {}, which writes it", writes(look)),
        )];
    }
    let key_file = look.contents().map(|contents| contents.key_file.clone());
    let named = [
        ("key_file", section.key_file.as_deref(), key_file),
        ("security_token_file", section.security_token_file.as_deref(), Some(dir.token_file())),
    ];
    let mut found: Vec<Finding> = named
        .into_iter()
        .filter_map(|(key, named, is)| other_file(look, profile.as_str(), key, named, is?))
        .collect();
    if found.is_empty() {
        found.push(Finding::good(format!("[{profile}] of the OCI config names this session")));
    }
    found
}

/// What is wrong if a key of the section does not name the session's own file.
fn other_file(
    look: &Look<'_>,
    profile: &str,
    key: &str,
    named: Option<&Path>,
    is: PathBuf,
) -> Option<Finding> {
    let written = look.oci_config.key(profile, key);
    if named == Some(&*is) {
        let value = &written?.value;
        let is_relative = !value.starts_with('/') && !value.starts_with('~');
        return is_relative.then(|| {
            Finding::doubtful(
                format!(
                    "{} is a relative path, which depends on the folder that oci runs in",
                    written_place(look, profile, key)
                ),
                format!("write {}", is.display()),
            )
        });
    }
    let what = match named {
        Some(named) => format!(
            "{} names {}, and the session's file is {}",
            written_place(look, profile, key),
            named.display(),
            is.display()
        ),
        None => format!("{key} is missing in [{profile}] of {}", look.oci_config.path.display()),
    };
    Some(Finding::wrong(what, format!("run {}, which corrects it", writes(look))))
}

fn written_place(look: &Look<'_>, profile: &str, key: &str) -> String {
    let path = look.oci_config.path.display();
    match look.oci_config.key(profile, key) {
        Some(key) => format!("{} of {path},", key.place()),
        None => format!("{key} in [{profile}] of {path}"),
    }
}

fn has_session(look: &Look<'_>) -> bool {
    look.contents().is_some_and(|contents| contents.upst.is_some())
}

/// The command that names a stored session in the OCI config.
fn writes(look: &Look<'_>) -> String {
    look.command("credential --output text")
}
