//! The `woci` program. All of it is in the library, so that tests and fuzzers reach it too.

fn main() -> std::process::ExitCode {
    woci::main()
}
