//! woci as a user calls it: the real binary, a real home, a provider and an identity domain on real sockets.

// woci's bans (.clippy.toml, Cargo.toml) keep each effect in one place; tests may have an effect anywhere.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

mod at_rest; // the refresh token on disk: encrypted stays encrypted, and what the terminal has to do with it
mod auto_refresh; // oci as a child, exactly as it would run alone, with a thread beside it that refreshes
mod config; // both files, the profile and every value: found by their rules, and said where they are wrong
mod crowd; // one refresh and one sign-in, however many ask; who dies is replaced, who hangs is named
mod daemon; // one per profile, detached, told apart by its lock; it refreshes in time and ends when it should
mod disk; // nowhere to store, nothing spent
mod errors; // README.md names messages as woci says them, and the commands that they suggest can be pasted
mod house; // the sources keep their own rules
mod kube; // kubectl gets its token without oci, and a background kubectl opens no storm of browsers
mod life; // a session from its first sign-in to its last
mod network; // odd answers of the provider and the domain lose nothing and repeat nothing
mod oci_config; // ~/.oci/config gets the session's keys, keeps all else, and no API key is lost
mod origin; // a refresh token goes only to where it came from
mod passthrough; // oci gets what was meant for it, and its exit status comes back
mod readme; // README.md: its commands run, its files are there
mod schemas; // every document is one of its schema
mod sign_in; // a sign-in survives strangers, and one that fails costs nothing
mod simulator; // the simulator keeps the rules it tests

#[path = "../sim/main.rs"]
mod sim;
mod world;
