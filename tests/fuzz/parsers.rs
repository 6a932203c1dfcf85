//! All fuzz targets in one program: the variable WOCI_PARSER names the entry point of `woci` that gets the inputs.
//!
//! `names` fuzzes nothing: it prints the names of the entry points, one a line.
//!
//! `ini-readings` and `url-readings` fuzz nothing either: they read a JSON text from each line of stdin, and answer with a line
//! of JSON that says what woci makes of it. tests/soak/fuzz.py compares that with a second reading.
#![no_main]

use std::io::{BufRead as _, Write as _};
use std::sync::OnceLock;

use serde_json::Value;
use woci::entry_points as woci;

static PARSER: OnceLock<woci::Parser> = OnceLock::new();

libfuzzer_sys::fuzz_target!(init: begin(), |bytes: &[u8]| PARSER.get().expect("begin has set it")(bytes));

fn begin() {
    let name = std::env::var("WOCI_PARSER").unwrap_or_default();
    match &*name {
        "names" => names(),
        "ini-readings" => answer(woci::ini_reading),
        "url-readings" => answer(woci::readings),
        _ => {}
    }
    let found = woci::PARSERS.iter().find(|(known, _)| *known == name);
    let (_, parser) = found.unwrap_or_else(|| panic!("WOCI_PARSER names no parser: {name:?}"));
    let _ = PARSER.set(*parser);
}

fn names() {
    let mut out = std::io::stdout().lock();
    for (name, _) in woci::PARSERS {
        writeln!(out, "{name}").expect("stdout is writable");
    }
    std::process::exit(0);
}

fn answer(read: fn(&str) -> Value) {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("stdin is readable");
        // An empty line asks for the answers so far.
        if line.is_empty() {
            out.flush().expect("stdout is writable");
            continue;
        }
        let text: String = serde_json::from_str(&line).expect("a line is a JSON text");
        writeln!(out, "{}", read(&text)).expect("stdout is writable");
    }
    out.flush().expect("stdout is writable");
    std::process::exit(0);
}
