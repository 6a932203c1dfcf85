//! Tells the linker of the static program to put the functions of a warm start side by side. They are a
//! sixth of it, and strewn over all of it: each 64 KiB of a program that is touched costs a page fault.
#![expect(clippy::disallowed_methods, reason = "cargo speaks to a build script by variables and stdout")]

fn main() {
    println!("cargo::rerun-if-changed=src/start.ld");
    let target = std::env::var("TARGET").unwrap_or_default();
    if target == "x86_64-unknown-linux-musl" {
        let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/src/start.ld");
    }
}
