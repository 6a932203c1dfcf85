//! What unit tests share: test vectors and golden files.

pub mod golden;
pub mod vectors;
