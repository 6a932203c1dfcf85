//! Staying fresh: running a program with a session.

pub mod run;
