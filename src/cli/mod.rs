//! Reads the command line and writes help, both from the tables of options and verbs.

mod help;
mod parse;

pub use help::help;
pub use parse::parse;
