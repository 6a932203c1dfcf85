//! The rooms of woci. `main` is its only door; what each room owns stands at the head of its `mod.rs`.

mod cli;
mod config;
mod error;
mod files;
mod fresh;
#[cfg(test)]
mod golden;
mod host;
mod jwt;
mod log;
mod oauth;
mod region;
mod secret;
mod session;
mod signin;
mod sys;
mod time;
mod verbs;

use std::process::ExitCode;

use host::Host;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// One run of woci, from the arguments to the exit code.
pub fn main() -> ExitCode {
    let host = Host::of_this_process();
    let code = cli::parse(host::args())
        .and_then(|invocation| verbs::run(&host, invocation))
        .and_then(verbs::print)
        .unwrap_or_else(|e| {
            log::line(format_args!("woci: {e}"));
            e.say().code
        });
    ExitCode::from(code)
}
