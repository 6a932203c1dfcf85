//! Checks of what oci, the SDKs and Terraform would load from the profile when woci does not run them: the keys of
//! its section with those of `[DEFAULT]`, and the variables that count more than both.

use std::path::Path;

use super::look::Look;
use super::{Finding, word};
use crate::files;
use crate::oci::config_file::KEYS_OF_API_KEY;
use crate::oci::environment::OVERRIDING;
use crate::oci::region;
use crate::store::Contents;

/// What `oci session authenticate` writes after a key. oci warns at each command if it does not end the file.
const LABEL: &[u8] = b"OCI_API_KEY";

pub fn profile(look: &Look<'_>) -> Vec<Finding> {
    let (Ok(profile), Ok(section), Some(contents)) = (&look.profile, &look.section, look.contents()) else {
        return Vec::new();
    };
    // The checks of the config and of its section say what is wrong then.
    if section.security_token_file.is_none() || look.oci_config.fault.is_some() {
        return Vec::new();
    }
    let profile = profile.as_str();
    let mut found = api_key(look, profile);
    found.extend(names(look, profile, contents));
    found.extend(of_region(look, profile));
    found.extend(files_of(look, contents));
    if found.is_empty() {
        let region = look.oci_config.key(profile, "region").map_or("no region", |key| &key.value);
        found.push(Finding::good(format!("oci, the SDKs and Terraform can load the profile ({region})")));
    }
    found
}

/// Keys of an API key beside the session. Those that are inherited matter to nobody who signs with a session.
fn api_key(look: &Look<'_>, profile: &str) -> Vec<Finding> {
    let of_section =
        |name: &&str| look.oci_config.key(profile, name).filter(|key| !key.is_inherited_by(profile));
    let keys: Vec<String> = KEYS_OF_API_KEY.iter().filter_map(of_section).map(|key| key.place()).collect();
    if keys.is_empty() {
        return Vec::new();
    }
    vec![Finding::wrong(
        format!(
            "{} of {}, is part of an API key: the Go SDK and Terraform would sign with that, and not with the session",
            keys.join(" and "),
            look.oci_config.path.display()
        ),
        format!("run {}, which removes it and keeps the file as it was", look.command("session refresh")),
    )]
}

/// The fingerprint and the tenancy, which the SDKs want, and which have to be the session's.
fn names(look: &Look<'_>, profile: &str, contents: &Contents) -> Vec<Finding> {
    let fingerprint = contents.key.as_ref().map(|key| key.public().fingerprint());
    let tenancy = contents.upst.as_ref().and_then(|upst| upst.tenant()).map(str::to_owned);
    let mut found = Vec::new();
    for (name, is) in [("fingerprint", fingerprint), ("tenancy", tenancy)] {
        let Some(is) = is else { continue };
        let what = match look.oci_config.key(profile, name) {
            None => format!("{name} is missing in [{profile}] of {}", look.oci_config.path.display()),
            Some(key) if key.value != is => {
                format!("{} of {}, is not that of the session", key.place(), look.oci_config.path.display())
            }
            Some(_) => continue,
        };
        found.push(Finding::doubtful(
            format!("{what}; the SDKs check it"),
            format!("run {}, which writes it", look.command("session refresh")),
        ));
    }
    found
}

fn of_region(look: &Look<'_>, profile: &str) -> Option<Finding> {
    let path = look.oci_config.path.display();
    let Some(key) = look.oci_config.key(profile, "region") else {
        return Some(Finding::doubtful(
            format!("[{profile}] of {path} has no region: oci, the SDKs and Terraform need one"),
            "add a line such as `region = eu-frankfurt-1` there",
        ));
    };
    let doubt = region::doubt(look.host, &key.value)?;
    Some(Finding::doubtful(
        format!("{doubt}: {} of {path}", key.place()),
        "correct it, unless it is a new region",
    ))
}

/// The files, as the strictest of their readers wants them.
fn files_of(look: &Look<'_>, contents: &Contents) -> Vec<Finding> {
    let mut found = Vec::new();
    if contents.upst.is_some()
        && !contents.token_is_bare
        && let Some(dir) = look.dir()
    {
        found.push(Finding::doubtful(
            format!(
                "white space stands around the token in {}: some SDKs send it",
                dir.token_file().display()
            ),
            format!("run {}, which removes it", look.command("credential --output text")),
        ));
    }
    let key_file = &contents.key_file;
    if contents.key.is_some()
        && let Ok(Some(bytes)) = files::read(key_file)
        && !bytes.ends_with(LABEL)
    {
        let path = key_file.display();
        found.push(Finding::doubtful(
            format!("{path} does not end with OCI_API_KEY: oci warns of that at each command"),
            format!("run `printf '\\nOCI_API_KEY' >> {}`", word(key_file)),
        ));
    }
    found
}

/// Variables that make oci or an SDK use something else than the profile. woci hides them from the oci that it runs.
pub fn variables(look: &Look<'_>) -> Vec<Finding> {
    let get = |name: &str| look.host.env.get(name).map(|value| value.to_string_lossy().into_owned());
    let mut found: Vec<Finding> = Vec::new();
    for name in OVERRIDING {
        if get(name).is_some_and(|value| !is_of_session(look, name, &value)) {
            found.push(Finding::doubtful(
                format!("the variable {name} is set: an oci that woci does not run takes it in place of the profile's"),
                format!("run `unset {name}`"),
            ));
        }
    }
    if let Some(auth) = get("OCI_CLI_AUTH").filter(|auth| auth != "security_token") {
        found.push(Finding::doubtful(
            format!("OCI_CLI_AUTH is {auth}: an oci that woci does not run does not sign with the session"),
            "run `unset OCI_CLI_AUTH`",
        ));
    }
    if let Ok(profile) = &look.profile {
        for name in ["OCI_CLI_PROFILE", "OCI_CONFIG_PROFILE"] {
            if let Some(other) = get(name).filter(|other| other != profile.as_str()) {
                found.push(Finding::doubtful(
                    format!(
                        "{name} is {other}, and this is profile {profile}: programs that read it use {other}"
                    ),
                    format!("run `unset {name}`, or `woci doctor --profile {other}` for that one"),
                ));
            }
        }
        let region = look.oci_config.key(profile.as_str(), "region").map(|key| key.value.clone());
        if let (Some(set), Some(region)) = (get("OCI_CLI_REGION"), region)
            && region::name(&set) != region::name(&region)
        {
            found.push(Finding::doubtful(
                format!("OCI_CLI_REGION is {set}, and the region of [{profile}] is {region}: oci and woci use {set}"),
                format!("run `unset OCI_CLI_REGION` to use {region}"),
            ));
        }
    }
    for name in ["OCI_CLI_CONFIG_FILE", "OCI_CONFIG_FILE"] {
        let Some(path) = get(name) else { continue };
        let is_other = look.host.absolute(Path::new(&path)).is_ok_and(|path| path != look.oci_config.path);
        if is_other {
            found.push(Finding::doubtful(
                format!("{name} is {path}, and woci uses {}", look.oci_config.path.display()),
                format!("run `unset {name}`"),
            ));
        }
    }
    if found.is_empty() {
        found.push(Finding::good("no variable overrides the profile"));
    }
    found
}

/// Whether a variable says what the profile does, as those of `woci env` do.
fn is_of_session(look: &Look<'_>, name: &str, value: &str) -> bool {
    let Some(contents) = look.contents() else { return false };
    let is_path = |path: &Path| look.host.absolute(Path::new(value)).is_ok_and(|value| value == path);
    match name {
        "OCI_CLI_KEY_FILE" => is_path(&contents.key_file),
        "OCI_CLI_SECURITY_TOKEN_FILE" => look.dir().is_some_and(|dir| is_path(&dir.token_file())),
        "OCI_CLI_TENANCY" => contents.upst.as_ref().and_then(|upst| upst.tenant()) == Some(value),
        "OCI_CLI_FINGERPRINT" => contents.key.as_ref().is_some_and(|key| key.public().fingerprint() == value),
        "OCI_CLI_USER" => contents.upst.as_ref().and_then(|upst| upst.sub()) == Some(value),
        _ => false,
    }
}
