//! woci's version.

use super::Invocation;
use crate::error::Result;
use crate::host::Host;
use crate::output::Output;

pub fn run(_: &Host, _: Invocation) -> Result<Output> {
    Ok(Output::Text(concat!("woci ", env!("CARGO_PKG_VERSION"), "\n").into()))
}
