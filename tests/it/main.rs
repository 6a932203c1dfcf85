//! woci as a user calls it.
