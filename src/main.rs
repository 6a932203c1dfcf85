//! The `woci` program. All of it is in the library, where tests and fuzzers reach it too.
#![expect(clippy::disallowed_methods, reason = "this is the one place that reads the arguments")]

use std::process::ExitCode;

fn main() -> ExitCode {
    woci::main(std::env::args_os().skip(1).collect()).into()
}
