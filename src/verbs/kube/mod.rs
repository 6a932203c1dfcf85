//! Tokens for the clusters of Oracle's Kubernetes engine (OKE), and the kubeconfig entry that makes kubectl run woci.

use super::Invocation;
use crate::error::{Error, Result};

pub mod config;
pub mod credential;

#[cfg(any(test, fuzzing))]
pub mod fuzz {
    pub use super::config::fuzz as kubeconfig;
    pub use super::credential::fuzz as exec_info;
}

/// The value of `--cluster-id`, checked: it becomes part of a URL.
fn cluster_id(invocation: &Invocation) -> Result<String> {
    let cluster_id = invocation.own.get("--cluster-id").expect("the parser requires it of both verbs");
    if is_ocid(cluster_id) {
        return Ok(cluster_id.to_owned());
    }
    let why = "it is not the OCID of a cluster, ocid1.cluster.….….…".to_owned();
    Err(Error::BadValue { name: "--cluster-id".into(), why })
}

/// An OCID: `ocid1.<type>.<realm>.<region>[.<future>].<unique>`.
fn is_ocid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && parts.len() >= 5
        && parts[0] == "ocid1"
        && [parts[1], parts[2], parts[parts.len() - 1]].iter().all(|part| !part.is_empty())
}
