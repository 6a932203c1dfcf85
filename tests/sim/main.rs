//! The other side of woci, for its tests and its demo: an OpenID provider, an OCI identity domain, a person with a
//! browser, and an `oci`. It shares no code with woci: each RFC was read twice.
//!
//! `sim serve` runs both servers until stdin closes, `sim demo` shows woci at work, `sim bench` measures it, `sim
//! order` lists what its warm starts touch. Called by the name `oci` or `browser` it is one.

// tests/it mounts this file too, and each of the two uses a part of it.
#![allow(dead_code)]
// woci's bans (.clippy.toml, Cargo.toml) keep each effect in one place; the simulator has no such rule.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::print_stderr)]

pub mod authorize;
pub mod bench;
pub mod demo;
pub mod domain;
pub mod endpoint;
pub mod faults;
pub mod http;
pub mod jwt;
pub mod ledger;
pub mod oci;
pub mod order;
pub mod person;
pub mod provider;
pub mod simulator;
pub mod sys;

use simulator::Sim;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

pub fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    match Path::new(&name).file_name().and_then(OsStr::to_str) {
        Some("oci") => return oci::oci(),
        Some("browser") => return person::browser(),
        Some("fields") => return demo::fields(words),
        _ => {}
    }
    match words.next().as_deref().and_then(OsStr::to_str) {
        Some("serve") => serve(),
        Some("demo") => with_woci(words, demo::demo),
        Some("bench") => with_woci(words, bench::bench),
        Some("order") => with_woci(words, order::order),
        _ => usage(),
    }
}

fn with_woci(mut words: impl Iterator<Item = OsString>, act: impl FnOnce(&Path) -> ExitCode) -> ExitCode {
    let (Some(option), Some(woci), None) = (words.next(), words.next(), words.next()) else { return usage() };
    match std::fs::canonicalize(&woci) {
        Ok(woci) if option == "--woci" => act(&woci),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: sim serve | demo|bench|order --woci PATH, which was built");
    ExitCode::from(2)
}

/// One JSON document on stdout, then silence until stdin ends.
fn serve() -> ExitCode {
    let sim = Sim::start();
    let section: String =
        sim.manager_section().iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    let document = serde_json::json!({
        "authz_base_url": sim.authorize_url(),
        "token_url": sim.token_url(),
        "token_exchange_url": sim.exchange_url(),
        "woci_manager.ini": format!("[DEFAULT]\n{section}"),
    });
    println!("{document:#}");
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    ExitCode::SUCCESS
}
