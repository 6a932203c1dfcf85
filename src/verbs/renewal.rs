//! The process that a run leaves behind to renew the session once. woci starts it itself.

use std::io;

use super::Invocation;
use super::daemon::Inherited;
use crate::error::{Error, Result};
use crate::files;
use crate::fresh::behind;
use crate::host::Host;
use crate::output::Output;
use crate::sys;

pub fn process(host: &Host, invocation: Invocation) -> Result<Output> {
    sys::become_orphan().map_err(unattended)?;
    let Inherited { host, settings, passphrase, .. } = Inherited::take(host, invocation)?;
    sys::let_go().map_err(unattended)?;
    behind::renew(&host, &settings, passphrase)?;
    Ok(Output::Code(0))
}

fn unattended(e: io::Error) -> Error {
    Error::Unattended { why: files::io_reason(&e) }
}
