//! The other side of woci, for its tests and its demo: an OpenID provider, a CI runner, an OCI identity domain,
//! Oracle's own sign-in and auth service, a person with a browser, and an `oci`. It shares no code with woci: each RFC
//! was read twice.
//!
//! `sim serve` runs all servers until stdin closes; a line on stdin asks what they have seen. `sim demo` shows woci at
//! work, `sim bench` measures it. Called by the name `oci` or `browser` it is one.

// woci's bans (.clippy.toml, Cargo.toml) keep each effect in one place; the simulator has no such rule.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

pub mod auth_service;
pub mod authorize;
pub mod bench;
pub mod console;
pub mod demo;
pub mod device;
pub mod domain;
pub mod endpoint;
pub mod faults;
pub mod http;
pub mod jwt;
pub mod ledger;
pub mod oci;
pub mod page;
pub mod person;
pub mod provider;
pub mod runner;
pub mod serve;
pub mod simulator;
pub mod sys;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    match Path::new(&name).file_name().and_then(OsStr::to_str) {
        Some("oci") => return oci::oci(),
        Some("browser") => return person::browser(),
        _ => {}
    }
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["serve"] => serve::serve(),
        ["demo", "--woci", woci] => demo::demo(&built(woci)),
        ["bench", "--woci", woci] => bench::bench(&built(woci), None),
        ["bench", "--woci", woci, "--glibc", glibc] => bench::bench(&built(woci), Some(&built(glibc))),
        _ => {
            eprintln!("usage: sim serve | demo --woci PATH | bench --woci PATH [--glibc PATH]");
            ExitCode::from(2)
        }
    }
}

fn built(path: &str) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|e| panic!("{path}: {e}"))
}
