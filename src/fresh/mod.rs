//! Keeps a session fresh: in a thread while a program runs (`beside`), or in a background process
//! (`daemon`). Both run the loop in `keeper`, by the pace that `schedule` sets.

pub mod beside;
pub mod daemon;
pub mod keeper;
mod schedule;
