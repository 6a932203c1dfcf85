//! Reads the command line, and writes help, the man page and what shells complete, all from the tables of options and
//! verbs.

mod completion;
mod help;
mod manual;
mod parse;

pub use completion::{complete, script};
pub use help::help;
pub use manual::manual;
pub use parse::parse;

/// Arguments with a zero byte between them.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    use std::os::unix::ffi::OsStringExt as _;

    let args = bytes.split(|byte| *byte == 0).map(|arg| std::ffi::OsString::from_vec(arg.to_vec()));
    if let Err(e) = parse(args.collect()) {
        assert_eq!(e.say().code, 2);
    }
}
