//! All fuzz targets in one program: the variable WOCI_PARSER names the entry point of `woci` that gets the inputs.
//!
//! `ini-readings` and `url-readings` fuzz nothing: they read a JSON text from each line of stdin, and answer with a line
//! of JSON that says what woci makes of it. tests/soak/fuzz.py compares that with a second reading.
#![no_main]

use std::io::{BufRead as _, Write as _};
use std::sync::OnceLock;

use serde_json::Value;
use woci::entry_points as woci;

type Parser = fn(&[u8]);

const PARSERS: [(&str, Parser); 18] = [
    ("argv", woci::argv),
    ("callback", woci::callback),
    ("command", woci::command),
    ("console_answer", woci::console_answer),
    ("device_answer", woci::device_answer),
    ("discovery", woci::discovery),
    ("envelope", woci::envelope),
    ("exchange_answer", woci::exchange_answer),
    ("exec_info", woci::exec_info),
    ("form", woci::form),
    ("ini", woci::ini),
    ("jwt", woci::jwt),
    ("key", woci::key),
    ("kubeconfig", woci::kubeconfig),
    ("manager", woci::manager),
    ("record", woci::record),
    ("token_answer", woci::token_answer),
    ("upst", woci::upst),
];

static PARSER: OnceLock<Parser> = OnceLock::new();

libfuzzer_sys::fuzz_target!(init: begin(), |bytes: &[u8]| PARSER.get().expect("begin has set it")(bytes));

fn begin() {
    let name = std::env::var("WOCI_PARSER").unwrap_or_default();
    match &*name {
        "ini-readings" => answer(woci::ini_reading),
        "url-readings" => answer(woci::readings),
        _ => {}
    }
    let found = PARSERS.iter().find(|(known, _)| *known == name);
    let (_, parser) = found.unwrap_or_else(|| panic!("WOCI_PARSER names no parser: {name:?}"));
    let _ = PARSER.set(*parser);
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
