//! The rooms of woci. `main` is its only door; what each room owns stands at the head of its `mod.rs`.

mod cli;
mod config;
mod error;
mod files;
mod fresh;
mod host;
mod ini;
mod jwt;
mod log;
mod oauth;
mod oci;
mod options;
mod output;
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
use options::Flags;
use output::Output;
use verbs::Answer;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// One run of woci, from the arguments to the exit code.
pub fn main(args: Vec<OsString>) -> u8 {
    sys::begin();
    let host = Host::of_this_process();
    let mut given = Given::default();
    cli::parse(args)
        .inspect(|invocation| given = session_options(&invocation.flags))
        .and_then(|invocation| match invocation.verb.answer {
            Answer::By(run) => run(&host, invocation),
            Answer::Help => cli::help(&invocation.words).map(Output::Text),
        })
        .and_then(output::print)
        .unwrap_or_else(|e| {
            let said = e.say_to(&given);
            log::line(format_args!("woci: {said}"));
            said.code
        })
}

fn session_options(flags: &Flags) -> Given {
    let value = |name| flags.get(name).map(str::to_owned);
    Given {
        profile: value("--profile"),
        manager_config: value("--manager-config"),
        config_file: value("--config-file"),
    }
}

/// Doors for fuzzers (tests/fuzz): bytes into each parser, and what must hold of what comes out.
#[cfg(fuzzing)]
pub mod doors {
    pub use crate::config::fuzz::{ini, manager};
    pub use crate::oauth::fuzz::{form, token_answer};
    pub use crate::oci::fuzz::{key, upst};
    pub use crate::signin::fuzz::callback;
    pub use crate::store::fuzz::{envelope, record};

    /// Arguments with a zero byte between them.
    pub fn argv(bytes: &[u8]) {
        use std::os::unix::ffi::OsStringExt as _;
        let args = bytes.split(|byte| *byte == 0).map(|arg| std::ffi::OsString::from_vec(arg.to_vec()));
        if let Err(e) = crate::cli::parse(args.collect()) {
            assert_eq!(e.say().code, 2);
        }
    }
}
