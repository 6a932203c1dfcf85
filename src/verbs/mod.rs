//! What is handed out: one verb, one file. Also the one place that writes stdout.

use std::io::Write as _;

use serde_json::Value;

use crate::cli::{Flags, Invocation, Verb, help};
use crate::config::{Config, Settings};
use crate::error::{Error, Result};
use crate::files;
use crate::host::Host;
use crate::log;
use crate::session::Want;

mod credential;
mod env;
mod passthrough;

/// What a run ends with: something on stdout, or another program's exit code.
pub enum Output {
    Document(Value),
    Text(String),
    Code(u8),
}

pub fn run(host: &Host, invocation: Invocation) -> Result<Output> {
    let Invocation { flags, verb } = invocation;
    match verb {
        Verb::Help => Ok(Output::Text(help::text())),
        Verb::Version => Ok(Output::Text(concat!("woci ", env!("CARGO_PKG_VERSION"), "\n").into())),
        Verb::Credential => credential::run(host, &settings(host, &flags)?, Want::Valid),
        Verb::SessionAuthenticate => credential::run(host, &settings(host, &flags)?, Want::SignedIn),
        Verb::SessionRefresh => credential::run(host, &settings(host, &flags)?, Want::Newer),
        Verb::Env { shell, unset: true } => Ok(Output::Text(env::undo(shell))),
        Verb::Env { shell, unset: false } => env::run(host, &settings(host, &flags)?, shell),
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

/// Puts the result on stdout, whole, and says with which code to end.
#[expect(clippy::disallowed_methods, reason = "this is the home of stdout")]
pub fn print(output: &Output) -> Result<u8> {
    let text = match output {
        Output::Document(document) => format!("{document:#}\n"),
        Output::Text(text) => text.clone(),
        Output::Code(code) => return Ok(*code),
    };
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|e| Error::Stdout { why: files::plain(&e) })?;
    Ok(0)
}
