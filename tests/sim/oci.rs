//! A stand-in for `oci`. It prints its arguments, environment and the like as one JSON document.
//!
//! Variables: `SIM_OCI_OUT` names a file for the document, instead of stdout. With `SIM_OCI_STDIN`, it reads stdin
//! and adds it to the document. With `SIM_OCI_SIGNALS=n`, it prints `ready`, and then a line for each of the next n
//! signals. `SIM_OCI_EXIT` is its exit code. `SIM_OCI_SIGNAL` is the signal by which it ends itself.

use super::sys;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::ExitCode;

pub fn oci() -> ExitCode {
    // First, before this program opens files of its own.
    let descriptors = descriptors();
    let number = |name| env::var(name).ok().and_then(|text| text.parse::<i32>().ok());
    let signals = number("SIM_OCI_SIGNALS");
    let held = signals.map(|_| sys::hold_signals());
    let document = format!("{:#}\n", document(descriptors));
    match env::var_os("SIM_OCI_OUT") {
        Some(path) => fs::write(path, document).expect("SIM_OCI_OUT is writable"),
        None => say(&document),
    }
    if let Some(held) = &held {
        say("ready\n");
        for _ in 0..signals.unwrap_or_default() {
            say(&format!("signal {}\n", sys::next_signal(held)));
        }
    }
    if let Some(signal) = number("SIM_OCI_SIGNAL") {
        sys::kill_self(signal);
    }
    let code = number("SIM_OCI_EXIT").unwrap_or_default();
    u8::try_from(code).expect("an exit code is below 256").into()
}

fn say(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}

fn document(descriptors: Value) -> Value {
    let variables: Map<_, _> =
        env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), to_json(&value))).collect();
    let mut stdin = Vec::new();
    if env::var_os("SIM_OCI_STDIN").is_some() {
        io::stdin().read_to_end(&mut stdin).expect("stdin is readable");
    }
    let directory = env::current_dir().unwrap_or_default();
    json!({
        "argv": env::args_os().map(|word| to_json(&word)).collect::<Vec<_>>(),
        "env": variables,
        "cwd": to_json(directory.as_os_str()),
        "pid": std::process::id(),
        "descriptors": descriptors,
        "status": status(),
        "limits": fs::read_to_string("/proc/self/limits").unwrap_or_default(),
        "stdin": to_json(OsStr::from_bytes(&stdin)),
    })
}

/// Text if it is UTF-8, otherwise `{"base64": …}`, so that no byte is lost.
fn to_json(bytes: &OsStr) -> Value {
    match bytes.to_str() {
        Some(text) => text.into(),
        None => json!({"base64": STANDARD.encode(bytes.as_bytes())}),
    }
}

/// The reverse of `to_json`.
pub fn from_json(value: &Value) -> OsString {
    match value.as_str() {
        Some(text) => text.into(),
        None => {
            let encoded = value["base64"].as_str().expect("text or base64");
            OsString::from_vec(STANDARD.decode(encoded).expect("base64"))
        }
    }
}

/// Number and target of each open descriptor, except the one that reads the list.
fn descriptors() -> Value {
    let mut open = Map::new();
    for entry in fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        if !target.ends_with(format!("{}/fd", std::process::id())) {
            open.insert(entry.file_name().to_string_lossy().into_owned(), to_json(target.as_os_str()));
        }
    }
    Value::Object(open)
}

/// The lines of /proc/self/status that a process inherits. Rust's runtime changes SIGPIPE, SIGSEGV and SIGBUS itself,
/// so a test of those signals uses a shell script instead of this program.
fn status() -> Value {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let wanted = ["Umask", "SigBlk", "SigIgn", "SigCgt", "NoNewPrivs"];
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(name, _)| wanted.contains(name))
        .map(|(name, value)| (name.to_owned(), Value::from(value.trim())))
        .collect::<Map<_, _>>()
        .into()
}
