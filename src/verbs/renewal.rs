//! The process that a run leaves behind to renew the session once. woci starts it itself.

use std::io;

use super::{Invocation, settings};
use crate::error::{Error, Result};
use crate::files;
use crate::fresh::behind;
use crate::fresh::daemon;
use crate::host::Host;
use crate::output::Output;
use crate::sys;

pub fn process(host: &Host, invocation: Invocation) -> Result<Output> {
    sys::become_orphan().map_err(unattended)?;
    sys::forbid_core_dumps();
    let mut flags = invocation.flags;
    let (host, passphrase) = daemon::take_secrets(host, &mut flags);
    // Relative paths are those of the working folder in which woci was run. The settings hold none any more.
    let settings = settings(&host, &flags)?;
    sys::let_go().map_err(unattended)?;
    behind::renew(&host, &settings, passphrase)?;
    Ok(Output::Code(0))
}

fn unattended(e: io::Error) -> Error {
    Error::Unattended { why: files::io_reason(&e) }
}
