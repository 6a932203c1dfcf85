//! The `users:` entry of a kubeconfig that has kubectl ask woci, printed or written by kubectl itself.

use std::process::{Command, Stdio};

use super::Output;
use super::kube_credential::check_cluster_id;
use crate::cli::Flags;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::files;
use crate::host::{self, Host};
use crate::log;

const API_VERSION: &str = "client.authentication.k8s.io/v1";
/// Flags that make the session another one; an entry of a kubeconfig has to say them again.
const CARRIED: [&str; 4] = ["--profile", "--config-file", "--manager-config", "--region"];

pub fn run(
    host: &Host,
    flags: &Flags,
    settings: &Settings,
    cluster_id: &str,
    user: Option<&str>,
    write: bool,
) -> Result<Output> {
    check_cluster_id(cluster_id)?;
    let user = user.map_or_else(|| default_user(cluster_id), str::to_owned);
    let program = host::this_program()?.to_string_lossy().into_owned();
    let mut args = vec!["kube-credential".to_owned(), "--cluster-id".to_owned(), cluster_id.to_owned()];
    for name in CARRIED {
        let value = match name {
            "--profile" => Some(settings.profile.to_string()),
            "--region" => flags.get(name).map(str::to_owned),
            _ => flags
                .get(name)
                .map(|path| host.absolute(path.as_ref()))
                .transpose()?
                .map(|path| path.to_string_lossy().into_owned()),
        };
        args.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
    }
    if write {
        return set_credentials(&user, &program, &args).map(Output::Code);
    }
    let args: String = args.iter().map(|arg| format!("      - {}\n", quoted(arg))).collect();
    Ok(Output::Text(format!(
        "users:\n\
         - name: {}\n  user:\n    exec:\n      apiVersion: {API_VERSION}\n      command: {}\n      args:\n{args}\
         \x20     interactiveMode: IfAvailable\n\
         \x20     provideClusterInfo: false\n\
         \x20     installHint: {}\n",
        quoted(&user),
        quoted(&program),
        quoted("woci makes the tokens for this cluster; install it, or correct the path of `command` above"),
    )))
}

/// As `oci ce cluster create-kubeconfig` names it.
fn default_user(cluster_id: &str) -> String {
    let unique = cluster_id.rsplit('.').next().unwrap_or(cluster_id);
    let tail = unique.len().saturating_sub(11);
    format!("user-{}", &unique[tail..])
}

/// A YAML scalar in double quotes is a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// kubectl knows which kubeconfig is the current one, and leaves the rest of it as it was.
fn set_credentials(user: &str, program: &str, args: &[String]) -> Result<u8> {
    let status = Command::new("kubectl")
        .args(["config", "set-credentials", user])
        .arg(format!("--exec-api-version={API_VERSION}"))
        .arg(format!("--exec-command={program}"))
        .args(args.iter().map(|arg| format!("--exec-arg={arg}")))
        .arg("--exec-interactive-mode=IfAvailable")
        .stdin(Stdio::null())
        .status()
        .map_err(|e| Error::Kubectl { why: files::plain(&e) })?;
    if status.success() {
        log::info(format_args!("kubectl asks woci for the tokens of user {user} from now on"));
        return Ok(0);
    }
    Err(Error::Kubectl { why: format!("`kubectl config set-credentials` ended with {status}") })
}
