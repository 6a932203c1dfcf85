//! woci as a user calls it: the real binary, a real home, a provider and an identity domain on real sockets.

// woci's bans (.clippy.toml) keep each effect in one place of its own; here is no such house.
#![allow(clippy::disallowed_methods)]

mod crowd; // one refresh and one sign-in, however many ask; who dies is replaced, who hangs is named
mod kube; // kubectl gets its token without oci, and a background kubectl opens no storm of browsers
mod life; // a session from its first sign-in to its last
mod passthrough; // oci gets what was meant for it, and its exit status comes back
mod simulator; // the simulator keeps the rules it tests

#[path = "../sim/main.rs"]
mod sim;
mod world;
