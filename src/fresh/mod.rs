//! Keeps a session fresh: in a thread while a program runs (`beside`), in a background process (`daemon`), or in
//! processes that renew it once, behind runs that have ended (`behind`). The first two run the loop in `keeper`, by the
//! pace that `schedule` sets.

pub mod behind;
pub mod beside;
pub mod daemon;
pub mod keeper;
mod schedule;
