//! `sim order --woci PATH`: a linker script with the functions of warm starts, as valgrind sees them run. src/build.rs
//! has the linker put them side by side. woci must have its symbols.

use super::bench::{Bench, CLUSTER};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

pub fn order(woci: &Path) -> ExitCode {
    let bench = Bench::new(woci);
    let mut seen = BTreeSet::new();
    let mut sections = String::new();
    for args in [&[][..], &["env"], &["kube-credential", "--cluster-id", CLUSTER], &["os", "ns", "get"]] {
        for function in functions(&bench, args) {
            let pattern = pattern(&function);
            if seen.insert(pattern.clone()) {
                sections += &format!("    *(.text*.{pattern})\n");
            }
        }
    }
    print!(
        "/* Made by `make order`: what a warm start runs. */\nSECTIONS {{\n  .text.start : {{\n{sections}  }}\n}}\nINSERT BEFORE .text;\n"
    );
    ExitCode::SUCCESS
}

/// The mangled names of what runs.
fn functions(bench: &Bench, args: &[&str]) -> Vec<String> {
    let woci = bench.woci(args);
    let profile = bench.home.join("callgrind.out");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind", "--demangle=no"]);
    valgrind.arg(format!("--callgrind-out-file={}", profile.display()));
    valgrind.arg(woci.get_program()).args(woci.get_args()).env_clear();
    valgrind.envs(woci.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let done = valgrind.output().expect("valgrind is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = fs::read_to_string(profile).expect("valgrind wrote a profile");
    // `fn=(12) name` where a function is first met, `cfn=` where that is in a call.
    let named = text.lines().filter_map(|line| line.strip_prefix("fn=").or(line.strip_prefix("cfn=")));
    let names =
        named.filter_map(|function| Some(function.split_once(") ")?.1.split('\'').next()?.to_owned()));
    // Valgrind has words of its own for what has no name: `(below main)`, or an address.
    names
        .filter(|name| {
            !name.starts_with("0x") && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.$".contains(&b))
        })
        .collect()
}

/// The name without what differs from compiler to compiler: hashes, and what LTO puts behind a dot.
fn pattern(name: &str) -> String {
    if let Some(at) = name.rfind("17h").filter(|_| name.starts_with("_ZN")) {
        return format!("{}*", &name[..at]);
    }
    if !name.starts_with("_R") {
        return name.to_owned();
    }
    // A crate is `Cs`, a hash, `_` and its name (RFC 2603).
    let mut parts = name.split("Cs");
    let mut pattern = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('_') {
            Some((hash, rest)) if hash.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                pattern += "Cs*_";
                pattern += rest;
            }
            _ => {
                pattern += "Cs";
                pattern += part;
            }
        }
    }
    match pattern.split_once('.') {
        Some((name, _)) => format!("{name}*"),
        None => pattern,
    }
}
