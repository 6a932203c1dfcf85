//! woci as a user calls it: the real binary, a real home, a provider and an identity domain on real sockets.

// woci's bans (.clippy.toml) keep each effect in one place of its own; here is no such house.
#![allow(clippy::disallowed_methods)]

mod crowd; // one refresh and one sign-in, however many ask; who dies is replaced, who hangs is named
mod house; // the sources keep their own rules
mod life; // a session from its first sign-in to its last
mod passthrough; // oci gets what was meant for it, and its exit status comes back
mod readme; // README.md: its commands run, its files are there
mod schemas; // every document is one of its schema
mod simulator; // the simulator keeps the rules it tests

#[path = "../sim/main.rs"]
mod sim;
mod world;
