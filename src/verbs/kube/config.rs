//! The `users:` entry of a kubeconfig that makes kubectl run woci: printed, or written by kubectl itself.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::cluster_id;
use crate::error::{Error, Result};
use crate::files;
use crate::host::{self, Host};
use crate::log;
use crate::options::{self, Flags, Kind};
use crate::output::Output;
use crate::sys;
use crate::verbs::{Invocation, settings};

const API_VERSION: &str = "client.authentication.k8s.io/v1";

/// The verb's own options.
struct Options {
    cluster_id: String,
    user: Option<String>,
    write: bool,
}

impl Options {
    fn new(invocation: &Invocation) -> Result<Self> {
        let cluster_id = cluster_id(invocation)?;
        let user = invocation.own.get("--user").map(str::to_owned);
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
    args.extend(kept_in_kubeconfig(host, &invocation.flags)?);
    if write {
        let hidden = &settings.secret_variables;
        let user = Kubeconfig::read(hidden)?.user(&cluster_id, user.as_deref())?;
        if let Some(region) = &user.region
            && !invocation.flags.has("--region")
        {
            args.extend(["--region".to_owned(), region.clone()]);
        }
        return set_credentials(&user, &program, &args, hidden).map(Output::Code);
    }
    let user = user.unwrap_or_else(|| default_user(&cluster_id));
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

/// The given options that choose the session, for the kubeconfig entry: kubectl passes them to every
/// `woci kube-credential`. Secrets are left out, because people show and copy kubeconfigs.
fn kept_in_kubeconfig(host: &Host, flags: &Flags) -> Result<Vec<String>> {
    let mut args = Vec::new();
    for (name, value) in flags.iter() {
        let Some(opt) = options::find(name).filter(|opt| opt.kept_in_kubeconfig) else { continue };
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

/// The kubeconfig as kubectl merges and shows it.
struct Kubeconfig(Value);

/// A user entry, there or to be made.
#[derive(Debug, PartialEq, Eq)]
struct User {
    name: String,
    /// The region in the arguments of its exec entry.
    region: Option<String>,
    /// A context names it, so that kubectl uses it.
    is_used: bool,
    is_current: bool,
}

impl Kubeconfig {
    fn read(hidden: &[String]) -> Result<Self> {
        let mut view = kubectl(hidden);
        view.args(["config", "view", "--raw", "--output", "json"]).stdin(Stdio::null());
        let (status, stdout) =
            sys::output(&mut view).map_err(|e| Error::Kubectl { why: files::io_reason(&e) })?;
        if !status.success() {
            return Err(Error::Kubectl { why: format!("`kubectl config view` ended with {status}") });
        }
        match serde_json::from_slice(&stdout) {
            Ok(document) => Ok(Self(document)),
            Err(_) => Err(Error::Kubectl { why: "`kubectl config view` did not print JSON".into() }),
        }
    }

    /// The user to write: the one that is named, else the one whose arguments hold the cluster's OCID, whatever it is
    /// called, else a new one.
    ///
    /// # Errors
    /// Several users are for this cluster, and kubectl uses none of them now.
    fn user(&self, cluster_id: &str, named: Option<&str>) -> Result<User> {
        let inline = format!("--cluster-id={cluster_id}");
        let is_its = |arg: &&str| *arg == cluster_id || *arg == inline;
        let entries = self.0["users"].as_array().into_iter().flatten();
        let users: Vec<User> = entries
            .filter(|entry| named.is_none_or(|named| entry["name"] == named))
            .map(|entry| (entry["name"].as_str().unwrap_or_default(), args(entry)))
            .filter(|(_, args)| named.is_some() || args.iter().any(is_its))
            .map(|(name, args)| self.entry(name, region(&args)))
            .collect();
        let mut preferred: Vec<&User> = users.iter().filter(|user| user.is_current).collect();
        if preferred.is_empty() {
            preferred = users.iter().filter(|user| user.is_used).collect();
        }
        if preferred.is_empty() {
            preferred = users.iter().collect();
        }
        match preferred[..] {
            [] => Ok(self.entry(&named.map_or_else(|| default_user(cluster_id), str::to_owned), None)),
            [only] => Ok(self.entry(&only.name, only.region.clone())),
            _ => {
                let names: Vec<&str> = preferred.iter().map(|user| user.name.as_str()).collect();
                let why = format!(
                    "several of its users are for this cluster ({}); name one with --user",
                    names.join(", ")
                );
                Err(Error::BadValue { name: "the kubeconfig".into(), why })
            }
        }
    }

    fn entry(&self, name: &str, region: Option<String>) -> User {
        let current = &self.0["current-context"];
        let contexts = self.0["contexts"].as_array().into_iter().flatten();
        let mut its = contexts.filter(|context| context["context"]["user"] == name).peekable();
        let is_used = its.peek().is_some();
        let is_current = its.any(|context| context["name"] == *current);
        User { name: name.to_owned(), region, is_used, is_current }
    }
}

fn args(entry: &Value) -> Vec<&str> {
    entry["user"]["exec"]["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The region that the arguments of an entry name.
fn region(args: &[&str]) -> Option<String> {
    let inline = args.iter().find_map(|arg| arg.strip_prefix("--region="));
    let at = args.iter().position(|arg| *arg == "--region");
    inline.or_else(|| args.get(at? + 1).copied()).map(str::to_owned)
}

/// kubectl, which does not inherit the variables `hidden`.
fn kubectl(hidden: &[String]) -> Command {
    let mut kubectl = Command::new("kubectl");
    for variable in hidden {
        kubectl.env_remove(variable);
    }
    kubectl
}

/// kubectl knows which kubeconfig is the current one, and keeps the rest of it unchanged.
fn set_credentials(user: &User, program: &str, args: &[String], hidden: &[String]) -> Result<u8> {
    let User { name, is_used, .. } = user;
    let status = kubectl(hidden)
        .args(["config", "set-credentials", name])
        .arg(format!("--exec-api-version={API_VERSION}"))
        .arg(format!("--exec-command={program}"))
        .args(args.iter().map(|arg| format!("--exec-arg={arg}")))
        .arg("--exec-interactive-mode=IfAvailable")
        .stdin(Stdio::null())
        .status()
        .map_err(|e| Error::Kubectl { why: files::io_reason(&e) })?;
    if !status.success() {
        return Err(Error::Kubectl { why: format!("`kubectl config set-credentials` ended with {status}") });
    }
    if *is_used {
        log::info(format_args!("kubectl asks woci for the tokens of user {name} from now on"));
    } else {
        log::info(format_args!(
            "The kubeconfig has the user {name} now, but no context of it uses that user yet: \
             `kubectl config set-context CONTEXT --user={name}` makes one use it"
        ));
    }
    Ok(0)
}

/// What `kubectl config view` printed: the user to write is one of its own, or a new one.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    const CLUSTER: &str = "ocid1.cluster.oc1.iad.example";

    let Ok(document) = serde_json::from_slice(bytes) else { return };
    let kubeconfig = Kubeconfig(document);
    let _ = kubeconfig.user(CLUSTER, Some("named"));
    if let Ok(user) = kubeconfig.user(CLUSTER, None) {
        let mut names =
            kubeconfig.0["users"].as_array().into_iter().flatten().map(|entry| entry["name"].as_str());
        let is_its = names.any(|name| name.unwrap_or_default() == user.name);
        assert!(is_its || user.name == default_user(CLUSTER));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CLUSTER: &str = "ocid1.cluster.oc1.iad.aaaaaaaatheclusterofthetests";

    fn kubeconfig(users: &[&str], contexts: &[&str]) -> Kubeconfig {
        let user = |name: &&str| {
            let args = json!(["ce", "cluster", "generate-token", "--cluster-id", CLUSTER, "--region", name]);
            json!({"name": name, "user": {"exec": {"command": "oci", "args": args}}})
        };
        let context = |user: &&str| json!({"name": format!("at-{user}"), "context": {"user": user}});
        Kubeconfig(json!({
            "users": users.iter().map(user).collect::<Vec<_>>(),
            "contexts": contexts.iter().map(context).collect::<Vec<_>>(),
            "current-context": "at-current",
        }))
    }

    #[test]
    fn the_user_is_the_one_that_asks_for_this_cluster() {
        let user = |kubeconfig: &Kubeconfig, named| kubeconfig.user(CLUSTER, named).unwrap();
        let found = user(&kubeconfig(&["ada"], &["ada"]), None);
        assert_eq!((&*found.name, found.region.as_deref(), found.is_used), ("ada", Some("ada"), true));
        let named = user(&kubeconfig(&["ada"], &["ada"]), Some("bob"));
        assert_eq!((&*named.name, named.region, named.is_used), ("bob", None, false));
        let new = user(&Kubeconfig(json!({"users": null, "contexts": null})), None);
        assert_eq!((&*new.name, new.is_used), ("user-rofthetests", false));
        // Of several: the current context's, else one that a context uses.
        assert_eq!(user(&kubeconfig(&["a", "current"], &["a", "current"]), None).name, "current");
        assert_eq!(user(&kubeconfig(&["a", "b"], &["b"]), None).name, "b");
        assert!(kubeconfig(&["a", "b"], &["a", "b"]).user(CLUSTER, None).is_err());
        assert_eq!(
            kubeconfig(&["a"], &[]).user("ocid1.cluster.oc1.iad.other", None).unwrap().name,
            "user-other"
        );
    }

    #[test]
    fn the_region_of_an_entry_is_found_in_both_forms() {
        assert_eq!(region(&["--region", "fra"]).as_deref(), Some("fra"));
        assert_eq!(region(&["x", "--region=fra"]).as_deref(), Some("fra"));
        assert_eq!(region(&["--region"]), None);
    }
}
