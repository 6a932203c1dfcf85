//! woci: signs a person in, keeps the session fresh and gives it to other programs. This file
//! describes the modules of the program, and has its main function.
//!
//! # Rooms
//! A room is a top-level module: one folder or one file in src/. The `mod.rs` of a folder says what
//! the room owns. A room uses only rooms below it in this table (tests/it/house.rs checks this).
//! Above them are `lib`, which is this file, and `main`, which is src/main.rs.
//!
//! | room | owns | files |
//! |---|---|---|
//! | `cli` | what was asked, help, the man page, what shells complete | parse, help/{mod, topics, secrets, workloads}, manual, completion |
//! | `verbs` | THE table of verbs; one file each | mod; credential, env, exec, session, daemon, renewal, status, logout, kube/{credential, config}, doctor/{mod, look, manager, files, oci_config, readers, session, machine, kube, online}, config/{show, check, set, init, setup, preset, questions}, passthrough, version |
//! | `output` | JSON or text: the one writer of stdout | mod, text |
//! | `fresh` | keeping a session fresh in time | schedule, keeper, daemon, beside, behind |
//! | `session` | when a session is usable, refreshed or signed in for | ensure, preflight, stored, status, logout, outlook, discover, ask/{way, provider, console}, establish, renew/{refresh_grant, subject_token, console} |
//! | `signin` | a person signs in at the browser | loopback/{callback}, device/{qr}, console/{answer, form, page}; person, by_hand, redirect, listener, connection, request, responder, peer, page, reply, opener |
//! | `store` | `~/.oci/sessions/<profile>/` and its files | folder, record, refresh_token, keyring, envelope, legacy, passphrase |
//! | `oci` | Oracle's formats and services, and running oci | command_line, config_file, backup, upst, key, signature, exchange, auth_service, region, environment, program, completion |
//! | `config` | woci_manager.ini, the profile and its settings | find, manager, profile, values, settings, needs, secret, effective, change, warning; python compares with Python's parser in tests |
//! | `oauth` | requests to a provider, and to a CI runner | discovery, http, resolver, tcp, token, device, revoke, reason, runner, pkce, url |
//! | `command` | a helper program that gives or keeps a secret | |
//! | `ini` | the INI file format | scan, edit |
//! | `options` | THE table of options | |
//! | `files` | reading, replacing and locking files | mod, open, exposed, lock, access, shared |
//! | `log` | messages on stderr | |
//! | `host` | environment, home, clock, randomness | |
//! | `error` | every way to fail, and what a person reads then | mod, say, secret, request, phrases |
//! | `sys` | system calls; the only unsafe code | process, execute, others, piped, terminal, disk, acl, memory; screen in tests |
//! | `jwt`, `json`, `time`, `secret` | a token's claims; JSON of other programs; Unix time; a text that is never shown | |
//! | `printable` | the words of other programs, as one printable line | |
//! | `testing` | what unit tests share | home, vectors, golden |
//!
//! # What to touch
//! - **A new option**: add a row to `options`. Add a field to `config::Settings` if it is a setting,
//!   or to the `Options` of its verb if only one verb has it. If it has no key, add a line to
//!   `EFFECTS` in tests/it/tables.rs.
//! - **A new verb**: add a row to the table in `verbs`, and a file beside it. If the verb prints a
//!   document, add a schema to schemas/. Show the verb in README.md.
//! - **A new way to sign in at a provider**: add a variant to `signin::Way` and a folder to `signin`. **A new way to
//!   renew** without a person: add a file to `session/renew`. **A new source of sessions** beside providers, workloads
//!   and Oracle's own sign-in: add a variant to `config::SessionFrom` and its required settings to `config/needs`; the
//!   compiler then names what to decide in `session`.
//! - **A new error**: add a variant to `error/mod`, and its message and an example to `error/say`.
//!
//! `make bless` rewrites the golden files: fixtures/help/, fixtures/text/ and
//! fixtures/errors.txt.
//!
//! # Tests
//! A file's own unit tests end it. tests/it runs the program in a throw-away home (`world`) against the provider, the
//! identity domain and Oracle's own services of tests/sim (`sim`):
//!
//! | room | tests/it |
//! |---|---|
//! | `cli`, `verbs`, `options`, `output` | `tables`, `schemas`, `looks`, `passthrough`, `exec`, `kube`, `config_verbs`, `doctor`, `completion`, `readme` |
//! | `fresh` | `daemon`, `auto_refresh`, `behind` |
//! | `session` | `life`, `status`, `logout`, `crowd`, `contention`, `origin`, `expected`, `console`, `workload` |
//! | `signin` | `sign_in`, `ways` |
//! | `store`, `files` | `at_rest`, `contents`, `disk`, `owners` |
//! | `oci` | `oci_config`, `passthrough` |
//! | `config`, `ini` | `config`, `config_verbs` |
//! | `command` | `secrets` |
//! | `oauth` | `network`, `answers`, `discovery` |
//! | `sys` | `scarcity`, `kernel` |
//! | `error`, `log` | `errors` |
//! | the sources, the simulator, `make install` | `house`, `simulator`, `simulator_console`, `install` |

mod cli;
mod command;
mod config;
mod error;
mod files;
mod fresh;
mod host;
mod ini;
mod json;
mod jwt;
mod log;
mod oauth;
mod oci;
mod options;
mod output;
mod printable;
mod secret;
mod session;
mod signin;
mod store;
mod sys;
#[cfg(test)]
mod testing;
mod time;
mod verbs;

use std::ffi::OsString;

use error::Given;
use host::Host;
use output::{Format, Output};
use verbs::Answer;

#[global_allocator]
static ALLOCATOR: sys::Allocator = sys::Allocator;

/// One run of woci, from the arguments to the exit code.
pub fn main(args: Vec<OsString>) -> u8 {
    sys::begin();
    let host = Host::of_this_process();
    // The library that finds the system's certificates reads these itself, and takes an empty one for a path.
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        if host.env.is_empty(name) {
            sys::forget_variable(name);
        }
    }
    let mut given = Given::default();
    let mut format = None;
    cli::parse(args)
        .inspect(|invocation| {
            given = invocation.given();
            format = invocation.flags.get("--output").map(str::to_owned);
        })
        .and_then(|invocation| match invocation.verb.answer {
            Answer::By(run) => run(&host, invocation),
            Answer::Help => cli::help(&invocation.words).map(Output::Text),
            Answer::Manual => Ok(Output::Text(cli::manual())),
            Answer::CompletionScript => cli::script(&invocation.words).map(Output::Text),
            Answer::Completions => Ok(Output::Text(cli::complete(&host, &invocation.words))),
        })
        .and_then(|output| output::print(output, Format::of(format.as_deref()), &host.env))
        .unwrap_or_else(|e| {
            let said = e.say_to(&given);
            log::line(format_args!("woci: {said}"));
            said.code
        })
}

/// Entrances for fuzzers (tests/fuzz): bytes go into each parser, and the results are checked.
#[cfg(any(test, fuzzing))]
pub mod entry_points {
    pub use crate::config::fuzz::ini_reading;
    pub use crate::oauth::fuzz::readings;

    pub type Parser = fn(&[u8]);

    pub const PARSERS: [(&str, Parser); 18] = [
        ("argv", crate::cli::fuzz),
        ("callback", crate::signin::fuzz::callback),
        ("command", crate::command::fuzz),
        ("console_answer", crate::signin::fuzz::console_answer),
        ("device_answer", crate::oauth::fuzz::device_answer),
        ("discovery", crate::oauth::fuzz::discovery),
        ("envelope", crate::store::fuzz::envelope),
        ("exchange_answer", crate::oci::fuzz::exchange_answer),
        ("exec_info", crate::verbs::fuzz::exec_info),
        ("form", crate::oauth::fuzz::form),
        ("ini", crate::config::fuzz::ini),
        ("jwt", crate::jwt::fuzz),
        ("key", crate::oci::fuzz::key),
        ("kubeconfig", crate::verbs::fuzz::kubeconfig),
        ("manager", crate::config::fuzz::manager),
        ("record", crate::store::fuzz::record),
        ("token_answer", crate::oauth::fuzz::token_answer),
        ("upst", crate::oci::fuzz::upst),
    ];
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the corpora are files")]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    /// One input a line, in Base64. tests/soak/fuzz.py writes them.
    #[test]
    fn what_fuzzers_have_found_is_still_read_as_promised() {
        for (name, parser) in entry_points::PARSERS {
            let file = format!("{}/tests/fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
            let corpus = std::fs::read_to_string(&file).expect("each parser has a corpus");
            assert!(!corpus.is_empty(), "{name}");
            for line in corpus.lines() {
                parser(&BASE64_STANDARD.decode(line).expect("Base64"));
            }
        }
    }
}
