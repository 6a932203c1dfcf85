//! What is handed out: one verb, one file.

use crate::cli::{DaemonSession, Invocation, Verb, help};
use crate::config::{Config, Settings};
use crate::error::Result;
use crate::host::Host;
use crate::log;
use crate::options::Flags;
use crate::output::Output;
use crate::session::Want;

mod credential;
mod daemon;
mod env;
mod kube;
mod passthrough;

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
            kube::credential::run(host, &settings(host, &flags)?, &cluster_id)
        }
        Verb::Kubeconfig { cluster_id, user, write } => {
            let settings = settings(host, &flags)?;
            kube::config::run(host, &flags, &settings, &cluster_id, user.as_deref(), write)
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
