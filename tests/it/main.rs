//! woci as a user calls it: the real binary, a real home, a provider and an identity domain on real sockets.

// woci's bans (.clippy.toml) keep each effect in one place of its own; here is no such house.
#![allow(clippy::disallowed_methods)]

mod at_rest; // the refresh token on disk: encrypted stays encrypted, and what the terminal has to do with it
mod crowd; // one refresh and one sign-in, however many ask; who dies is replaced, who hangs is named
mod house; // the sources keep their own rules
mod kube; // kubectl gets its token without oci, and a background kubectl opens no storm of browsers
mod life; // a session from its first sign-in to its last
mod network; // odd answers of the provider and the domain lose nothing and repeat nothing
mod origin; // a refresh token goes only to where it came from
mod passthrough; // oci gets what was meant for it, and its exit status comes back
mod schemas; // every document is one of its schema
mod simulator; // the simulator keeps the rules it tests

#[path = "../sim/main.rs"]
mod sim;
mod world;
