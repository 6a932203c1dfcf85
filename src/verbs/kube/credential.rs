//! The exec credential for a cluster of OCI's Kubernetes engine (OKE), with the same token that `oci ce cluster
//! generate-token` makes. The document follows schemas/exec-credential.schema.json.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use serde_json::{Value, json};

use super::cluster_id;
use crate::error::{Error, Result};
use crate::fresh::behind;
use crate::host::{self, Host};
use crate::oauth::url;
use crate::oci::region;
use crate::oci::signature::sign_get;
use crate::options::Flags;
use crate::output::Output;
use crate::session::{Engine, Person, Want};
use crate::verbs::{Invocation, settings};

/// As long as with `oci`: kubectl asks for a new token before the cluster refuses this one.
const LIFE_SECONDS: i64 = 240;
const GROUP: &str = "client.authentication.k8s.io";

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    let cluster_id = cluster_id(&invocation)?;
    let exec_info = ExecInfo::of(host)?;
    let settings = settings(host, &invocation.flags)?;
    let person = if exec_info.has_terminal { Person::AtTerminal } else { Person::AtBrowser };
    let mut engine = Engine::new(host, &settings, Want { person, ..Want::VALID }, None);
    let region = region(&engine, &invocation.flags, &cluster_id)?;
    let session = engine.ensure()?;
    behind::start_if_due(host, &invocation.flags, &settings, &engine, &session);

    let now = host::now();
    let server = format!("containerengine.{region}.oraclecloud.com");
    let path = format!("/cluster_request/{cluster_id}");
    let signed = sign_get(&session.key, &session.upst, &server, &path, now)
        .map_err(|why| Error::Key { path: session.key_file.clone(), why })?;
    let query = url::form(&[("authorization", signed.authorization.expose()), ("date", &signed.date)]);
    let expiration = now.plus(LIFE_SECONDS).min(session.upst.exp());
    let document = vec![
        ("apiVersion", exec_info.api_version.into()),
        ("kind", "ExecCredential".into()),
        (
            "status",
            json!({
                "token": URL_SAFE.encode(format!("https://{server}{path}?{query}")),
                "expirationTimestamp": expiration.to_string(),
            }),
        ),
    ];
    let text = format!(
        "A token for the cluster {cluster_id} is ready for kubectl, until {expiration}.\n\
         \n\
         Next: {} makes kubectl run this command.\n",
        invocation.flags.given().command(&format!("kubeconfig --cluster-id {cluster_id} --write"), None),
    );
    Ok(Output::Document { document, text: text.into(), code: 0 })
}

/// The region of `--region`, else the cluster's own, by its OCID, else the configured one.
fn region(engine: &Engine<'_>, flags: &Flags, cluster_id: &str) -> Result<String> {
    let own = if flags.has("--region") { None } else { region::of_ocid(cluster_id) };
    match own {
        Some(own) => Ok(own),
        None => engine.region()?.and_then(|set| region::name(&set)).ok_or(Error::NoRegion),
    }
}

/// What kubectl asks for, in the variable KUBERNETES_EXEC_INFO.
struct ExecInfo {
    api_version: String,
    has_terminal: bool,
}

impl ExecInfo {
    fn of(host: &Host) -> Result<Self> {
        let bad =
            |why: &str| Error::BadValue { name: "the variable KUBERNETES_EXEC_INFO".into(), why: why.into() };
        let Some(info) = host.env.get("KUBERNETES_EXEC_INFO") else {
            return Ok(Self { api_version: format!("{GROUP}/v1beta1"), has_terminal: true });
        };
        info.to_str().ok_or("it is not JSON").and_then(Self::parse).map_err(bad)
    }

    /// # Errors
    /// Why the text is none that kubectl writes.
    fn parse(text: &str) -> std::result::Result<Self, &'static str> {
        let v1beta1 = || format!("{GROUP}/v1beta1");
        let info: Value = serde_json::from_str(text).map_err(|_| "it is not JSON")?;
        let api_version = match info.get("apiVersion").map(|version| version.as_str().unwrap_or_default()) {
            None => v1beta1(),
            Some(version) if version == v1beta1() || version == format!("{GROUP}/v1") => version.to_owned(),
            Some(_) => {
                return Err(
                    "it asks for another apiVersion than v1 or v1beta1 of client.authentication.k8s.io",
                );
            }
        };
        let interactive = info.pointer("/spec/interactive").and_then(Value::as_bool);
        Ok(Self { api_version, has_terminal: interactive.unwrap_or(true) })
    }
}

/// What kubectl's variable asks for is one of the two versions, or refused.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(info) = ExecInfo::parse(text)
    {
        assert!(["v1", "v1beta1"].iter().any(|version| info.api_version == format!("{GROUP}/{version}")));
    }
}
