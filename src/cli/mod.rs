//! What was asked: the command line, read by the tables of options and verbs; and help, written from both.

mod help;
mod parse;

pub use help::help;
pub use parse::parse;
