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
