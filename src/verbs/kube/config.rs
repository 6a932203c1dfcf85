//! The `users:` entry of a kubeconfig that makes kubectl run woci: printed, or written by kubectl itself.

use std::process::{Command, Stdio};

use super::cluster_id;
use crate::error::{Error, Result};
use crate::files;
use crate::host::{self, Host};
use crate::log;
use crate::options::{self, Flags, Kind};
use crate::output::Output;
use crate::verbs::{Invocation, settings};

const API_VERSION: &str = "client.authentication.k8s.io/v1";

/// The verb's own options.
struct Options {
    cluster_id: String,
    user: String,
    write: bool,
}

impl Options {
    fn new(invocation: &Invocation) -> Result<Self> {
        let cluster_id = cluster_id(invocation)?;
        let user = invocation.own.get("--user").map_or_else(|| default_user(&cluster_id), str::to_owned);
        Ok(Self { cluster_id, user, write: invocation.own.has("--write") })
    }
}

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    let Options { cluster_id, user, write } = Options::new(&invocation)?;
    let settings = settings(host, &invocation.flags)?;
    let program = host::this_program()?.to_string_lossy().into_owned();
    let profile = settings.profile.to_string();
    let mut args: Vec<String> =
        ["kube-credential", "--cluster-id", &cluster_id, "--profile", &profile].map(str::to_owned).into();
    args.extend(carried(host, &invocation.flags)?);
    if write {
        let hidden = settings.passphrase.variable.as_deref();
        return set_credentials(&user, &program, &args, hidden).map(Output::Code);
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

/// The given options that decide which session it is: kubectl has to repeat them. No secret is among them, since a
/// kubeconfig is shown and copied.
fn carried(host: &Host, flags: &Flags) -> Result<Vec<String>> {
    let mut args = Vec::new();
    for (name, value) in flags.iter() {
        let Some(opt) = options::find(name).filter(|opt| opt.carried) else { continue };
        args.push(name.to_owned());
        match opt.kind {
            Kind::Flag => {}
            Kind::Path => args.push(host.absolute(value.as_ref())?.to_string_lossy().into_owned()),
            _ => args.push(value.to_owned()),
        }
    }
    Ok(args)
}

/// The name that `oci ce cluster create-kubeconfig` gives.
fn default_user(cluster_id: &str) -> String {
    let unique = cluster_id.rsplit('.').next().unwrap_or(cluster_id);
    let tail = unique.len().saturating_sub(11);
    format!("user-{}", &unique[tail..])
}

/// A YAML scalar in double quotes is a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// kubectl knows which kubeconfig is the current one, and keeps the rest of it unchanged. It does not inherit the
/// variable `hidden`.
fn set_credentials(user: &str, program: &str, args: &[String], hidden: Option<&str>) -> Result<u8> {
    let mut kubectl = Command::new("kubectl");
    if let Some(hidden) = hidden {
        kubectl.env_remove(hidden);
    }
    let status = kubectl
        .args(["config", "set-credentials", user])
        .arg(format!("--exec-api-version={API_VERSION}"))
        .arg(format!("--exec-command={program}"))
        .args(args.iter().map(|arg| format!("--exec-arg={arg}")))
        .arg("--exec-interactive-mode=IfAvailable")
        .stdin(Stdio::null())
        .status()
        .map_err(|e| Error::Kubectl { why: files::io_reason(&e) })?;
    if status.success() {
        log::info(format_args!("kubectl asks woci for the tokens of user {user} from now on"));
        return Ok(0);
    }
    Err(Error::Kubectl { why: format!("`kubectl config set-credentials` ended with {status}") })
}
