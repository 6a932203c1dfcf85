//! What the linker is told about the program on Linux, x86-64, for a quick start.
#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to a build script by variables, files and stdout"
)]

use std::env;
use std::fs;

fn main() {
    println!("cargo::rerun-if-changed=src/start.ld");
    let target = env::var("TARGET").unwrap_or_default();
    if !["x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"].contains(&&*target) {
        return;
    }
    // What a warm start touches side by side. That is a seventh of the program, and strewn over all of it:
    // each 64 KiB of the file that is touched costs a page fault, as does each page of variables.
    let folder = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    link(&format!("-Wl,-T,{folder}/src/start.ld"));
    if target.ends_with("-musl") {
        // A static program's C library makes nothing read-only after the start: what is set apart for it
        // is only pages more.
        link("-Wl,-z,norelro");
    } else {
        // What .cargo/config.toml has for musl; there it would break the libraries that cargo itself loads.
        link("-no-pie");
        // gcc's unwinder from the archive: one library less to find, load and relocate.
        let out = env::var("OUT_DIR").expect("cargo sets it");
        fs::write(format!("{out}/libgcc_s.so"), "INPUT(-lgcc_eh)\n").expect("cargo's folder is writable");
        link(&format!("-L{out}"));
    }
}

fn link(argument: &str) {
    println!("cargo::rustc-link-arg-bins={argument}");
}
