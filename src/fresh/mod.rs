//! Staying fresh: running a program with a session, and keeping the session fresh meanwhile, in a
//! thread beside the program or in a daemon.

pub mod beside;
pub mod daemon;
pub mod keeper;
mod schedule;
