//! What is handed out: one verb, one file. Also the one place that writes stdout.

use std::io::Write as _;

use serde_json::Value;

use crate::cli::{DaemonSession, Flags, Invocation, Verb, help};
use crate::config::{Config, Settings};
use crate::error::{Error, Result};
use crate::files;
use crate::host::Host;
use crate::log;
use crate::session::Want;
use crate::sys;

mod credential;
mod daemon;
mod env;
mod kube_credential;
mod kubeconfig;
mod passthrough;

/// What a run ends with: something on stdout, or another program's exit code.
pub enum Output {
    Document(Document),
    Text(String),
    Code(u8),
    /// A document whose exit code is an answer too.
    Answer {
        document: Document,
        code: u8,
    },
}

/// A JSON object of plain values, its keys in the order of its schema.
pub type Document = Vec<(&'static str, Value)>;

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    let Invocation { flags, verb } = invocation;
    if verb == Verb::Credential {
        return credential::run(host, &settings(host, &flags)?, Want::VALID);
    }
    run_any(host, flags, verb)
}

/// Apart, since the most frequent run would have the code of all verbs and their stack in its way.
#[inline(never)]
fn run_any(host: &Host, flags: Flags, verb: Verb) -> Result<Output> {
    match verb {
        Verb::Help => Ok(Output::Text(help::text())),
        Verb::Version => Ok(Output::Text(concat!("woci ", env!("CARGO_PKG_VERSION"), "\n").into())),
        Verb::Credential => credential::run(host, &settings(host, &flags)?, Want::VALID),
        Verb::SessionAuthenticate => credential::run(host, &settings(host, &flags)?, Want::SIGNED_IN),
        Verb::SessionRefresh => credential::run(host, &settings(host, &flags)?, Want::NEWER),
        Verb::Env { shell, unset: true } => Ok(Output::Text(env::undo(shell))),
        Verb::Env { shell, unset: false } => env::run(host, &settings(host, &flags)?, shell),
        Verb::KubeCredential { cluster_id } => {
            kube_credential::run(host, &settings(host, &flags)?, &cluster_id)
        }
        Verb::Kubeconfig { cluster_id, user, write } => {
            let settings = settings(host, &flags)?;
            kubeconfig::run(host, &flags, &settings, &cluster_id, user.as_deref(), write)
        }
        Verb::Daemon { session, foreground } => {
            let want = match session {
                DaemonSession::Valid => Want::VALID,
                DaemonSession::Newer => Want::NEWER,
                DaemonSession::SignedIn => Want::SIGNED_IN,
            };
            if foreground { daemon::stay(host, &flags, want) } else { daemon::start(host, &flags, want) }
        }
        Verb::DaemonStatus => daemon::status(host, &flags),
        Verb::StopDaemon => daemon::stop(host, &flags),
        Verb::DaemonProcess => daemon::process(host, flags),
        Verb::Passthrough { words, bare } => passthrough::run(host, &flags, words, bare),
    }
}

/// The settings of the profile that the flags choose; messages follow its log level from here on.
fn settings(host: &Host, flags: &Flags) -> Result<Settings> {
    let settings = Config::find(host, flags)?.profile(host, flags)?;
    log::set_level(settings.log_level);
    for warning in &settings.warnings {
        log::debug(format_args!("{warning}"));
    }
    Ok(settings)
}

fn json(document: &Document) -> Vec<u8> {
    let mut json = b"{".to_vec();
    for (nth, (key, value)) in document.iter().enumerate() {
        json.extend_from_slice(if nth == 0 { b"\n  \"" } else { b",\n  \"" });
        json.extend_from_slice(key.as_bytes());
        json.extend_from_slice(b"\": ");
        serde_json::to_writer(&mut json, value).expect("a Vec takes all that is written");
    }
    json.extend_from_slice(b"\n}\n");
    json
}

/// Puts the result on stdout, whole, and says with which code to end.
pub fn print(output: Output) -> Result<u8> {
    let (text, code) = match output {
        Output::Document(document) => (json(&document), 0),
        Output::Answer { document, code } => (json(&document), code),
        Output::Text(text) => (text.into_bytes(), 0),
        Output::Code(code) => return Ok(code),
    };
    sys::stdout().write_all(&text).map_err(|e| Error::Stdout { why: files::plain(&e) })?;
    Ok(code)
}
