//! woci's version, and what it was built from.

use std::env::consts::{ARCH, OS};

use super::Invocation;
use crate::error::Result;
use crate::host::{self, Host};
use crate::output::Output;

pub const VERSION: &str = concat!("woci ", env!("CARGO_PKG_VERSION"));

/// The day of the commit as mdoc(7) writes it, which `make` sets too.
const DAY: Option<&str> = option_env!("WOCI_DAY");

pub fn run(_: &Host, _: Invocation) -> Result<Output> {
    let built: Vec<String> = host::commit().map(str::to_owned).into_iter().chain([target()]).collect();
    Ok(Output::Text(format!("{VERSION} ({})\n", built.join(", "))))
}

/// The day of the commit that woci was built from.
pub fn day() -> Option<&'static str> {
    DAY.filter(|day| !day.is_empty())
}

/// The platform, by the name that Rust has for it.
fn target() -> String {
    let system = match OS {
        "macos" => "apple-darwin".to_owned(),
        os => {
            let env = if cfg!(target_env = "musl") { "-musl" } else { "-gnu" };
            format!("unknown-{os}{env}")
        }
    };
    format!("{ARCH}-{system}")
}
