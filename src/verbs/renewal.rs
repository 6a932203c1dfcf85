//! The process that a run starts in the background to renew the session once.

use super::Invocation;
use super::daemon::Inherited;
use crate::error::{Error, Result};
use crate::files;
use crate::fresh::behind;
use crate::host::Host;
use crate::output::Output;
use crate::sys;

pub fn process(host: &Host, invocation: Invocation) -> Result<Output> {
    let Inherited { host, settings, passphrase, .. } = Inherited::take(host, invocation)?;
    sys::let_go().map_err(|e| Error::Unattended { why: files::io_reason(&e) })?;
    behind::renew(&host, &settings, passphrase)?;
    Ok(Output::Code(0))
}
