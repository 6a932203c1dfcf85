//! Checks of the kubeconfig: the entries by which kubectl runs woci or oci for a token. A scan of its lines, in the form
//! in which kubectl writes them; an entry in another form is passed over.

use std::path::{Path, PathBuf};

use super::Finding;
use super::look::Look;
use crate::command;
use crate::error::quoted;
use crate::files;

pub fn entries(look: &Look<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut good = 0;
    for file in kubeconfigs(look) {
        let Ok(Some(bytes)) = files::read(&file) else { continue };
        for entry in scan(&String::from_utf8_lossy(&bytes)) {
            let place = format!("the user {} of {}", entry.user, file.display());
            match Path::new(&entry.command).file_name().and_then(|name| name.to_str()) {
                Some("woci") => match of_woci(look, &entry, &place) {
                    Some(finding) => found.push(finding),
                    None => good += 1,
                },
                Some("oci") => found.extend(of_oci(look, &entry, &place)),
                _ => {}
            }
        }
    }
    if good > 0 && found.is_empty() {
        found.push(Finding::good(format!("kubectl runs woci for {good} user(s) of the kubeconfig")));
    }
    found
}

fn kubeconfigs(look: &Look<'_>) -> Vec<PathBuf> {
    if let Some(list) = look.host.env.get("KUBECONFIG") {
        return std::env::split_paths(list).filter(|path| !path.as_os_str().is_empty()).collect();
    }
    look.host.home().map(|home| vec![home.join(".kube/config")]).unwrap_or_default()
}

/// What is wrong with an entry that runs woci.
fn of_woci(look: &Look<'_>, entry: &Entry, place: &str) -> Option<Finding> {
    let write = |profile: Option<&str>| writes(look, entry.value("--cluster-id").unwrap_or("OCID"), profile);
    if let Err(why) = command::find(&look.host.env, &entry.command) {
        return Some(Finding::wrong(
            format!("{place} runs {}, which cannot be run: {why}", entry.command),
            write(entry.value("--profile")),
        ));
    }
    // A file of `--config-file` need not be there: oci's own config is made by the first sign-in.
    if let Some(path) = entry.value("--manager-config")
        && !look.host.absolute(path.as_ref()).is_ok_and(|path| path.is_file())
    {
        return Some(Finding::wrong(
            format!("{place} runs woci with --manager-config {path}, and there is no such file"),
            write(entry.value("--profile")),
        ));
    }
    let profile = entry.value("--profile")?;
    let is_of_other_files =
        ["--manager-config", "--config-file"].iter().any(|option| entry.value(option).is_some());
    let profiles = look.config.as_ref().ok()?.profiles(look.host, look.flags).ok()?;
    if !is_of_other_files && profiles.iter().all(|known| known.as_str() != profile) {
        return Some(Finding::wrong(
            format!("{place} runs woci with --profile {profile}, and neither config has that profile"),
            write(look.profile.as_ref().ok().map(|profile| profile.as_str())),
        ));
    }
    None
}

/// An entry that runs oci with this profile's session.
fn of_oci(look: &Look<'_>, entry: &Entry, place: &str) -> Option<Finding> {
    let profile = look.profile.as_ref().ok()?.as_str();
    let cluster =
        entry.value("--cluster-id").filter(|_| entry.args.iter().any(|arg| arg == "generate-token"))?;
    let is_of_session = entry.value("--auth").is_none_or(|auth| auth == "security_token");
    if !is_of_session || entry.value("--profile").is_some_and(|other| other != profile) {
        return None;
    }
    Some(Finding::doubtful(
        format!("{place} runs oci for its token, which renews no session and takes a second at each call"),
        writes(look, cluster, Some(profile)),
    ))
}

/// The command that writes the entry.
fn writes(look: &Look<'_>, cluster: &str, profile: Option<&str>) -> String {
    let words = format!("kubeconfig --cluster-id {} --write", quoted(cluster));
    format!("run {}", look.given.command(&words, profile))
}

/// A user that runs a program for its token.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    user: String,
    command: String,
    args: Vec<String>,
}

impl Entry {
    /// The value of an option among the arguments.
    fn value(&self, option: &str) -> Option<&str> {
        let mut args = self.args.iter().map(String::as_str);
        let after_name = args.by_ref().find_map(|arg| match arg.strip_prefix(option)? {
            rest if rest.is_empty() || rest.starts_with('=') => Some(rest),
            _ => None,
        })?;
        after_name.strip_prefix('=').or_else(|| args.next())
    }
}

/// The entries of a kubeconfig with a block `exec:`.
fn scan(text: &str) -> Vec<Entry> {
    let lines: Vec<(usize, &str)> = text
        .lines()
        .map(|line| (line.len() - line.trim_start().len(), line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let mut entries = Vec::new();
    let mut user = String::new();
    for (at, (indent, line)) in lines.iter().enumerate() {
        if let Some(name) = line.strip_prefix("- name:") {
            user = scalar(name);
        }
        if *line != "exec:" {
            continue;
        }
        let block = lines[at + 1..].iter().take_while(|(deeper, _)| deeper > indent).map(|(_, line)| *line);
        entries.extend(exec(user.clone(), block));
    }
    entries
}

/// An entry of the lines below `exec:`.
fn exec<'a>(user: String, lines: impl Iterator<Item = &'a str>) -> Option<Entry> {
    let (mut command, mut args, mut in_args) = (None, Vec::new(), false);
    for line in lines {
        if let Some(item) = line.strip_prefix("- ") {
            if in_args {
                args.push(scalar(item));
            }
            continue;
        }
        let (key, value) = line.split_once(':')?;
        in_args = key == "args";
        match key {
            "command" => command = Some(scalar(value)),
            // A list on one line. JSON is the only form that is read.
            "args" if !value.trim().is_empty() && value.trim() != "null" => {
                args = serde_json::from_str(value.trim()).ok()?;
            }
            _ => {}
        }
    }
    Some(Entry { user, command: command?, args })
}

/// A YAML scalar on one line.
fn scalar(text: &str) -> String {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return inner.replace("''", "'");
    }
    serde_json::from_str(text).ok().filter(|_| text.starts_with('"')).unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_as_kubectl_and_woci_write_them() {
        let text = "\
apiVersion: v1
users:
- name: one
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      args:
      - ce
      - generate-token
      - --cluster-id
      - ocid1.cluster.oc1..a
      command: oci
      env:
      - name: OCI_CLI_AUTH
        value: security_token
      interactiveMode: IfAvailable
- name: \"two\"
  user:
    exec:
      command: '/opt/Ada''s/woci'
      # a comment
      args:
        - \"kube-credential\"
        - --profile=prod
- name: three
  user:
    token: x
- name: four
  user:
    exec: {command: woci}
- name: five
  user:
    exec:
      command: woci
      args: [\"--profile\", \"dev\"]
contexts: []
";
        let entry = |user: &str, command: &str, args: &[&str]| Entry {
            user: user.into(),
            command: command.into(),
            args: args.iter().map(|&arg| arg.into()).collect(),
        };
        assert_eq!(
            scan(text),
            [
                entry("one", "oci", &["ce", "generate-token", "--cluster-id", "ocid1.cluster.oc1..a"]),
                entry("two", "/opt/Ada's/woci", &["kube-credential", "--profile=prod"]),
                entry("five", "woci", &["--profile", "dev"]),
            ]
        );
        assert_eq!(scan(text)[1].value("--profile"), Some("prod"));
        assert_eq!(scan(text)[2].value("--profile"), Some("dev"));
        assert_eq!(scan("users: [{name: a, user: {exec: {command: oci}}}]"), []);
    }
}
