//! The result of a run, and the one writer of stdout.

use std::io::{IsTerminal as _, Write as _};

use serde_json::Value;

use crate::error::{Error, Result};
use crate::files;
use crate::host::Env;
use crate::sys;

mod text;

pub use text::{Screen, Span, Text, Tone};

/// The result of a run: something on stdout, or another program's exit code.
pub enum Output {
    /// A document, and an exit code that tells the same in short.
    Document {
        document: Document,
        /// The same for a person. It holds no token.
        text: Text,
        code: u8,
    },
    Text(String),
    Code(u8),
}

/// A JSON object, its keys in the order of its schema.
pub type Document = Vec<(&'static str, Value)>;

/// A document as a part of another one.
pub fn object(document: Document) -> Value {
    Value::Object(document.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// How a document is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Text,
}

impl Format {
    /// The one that `--output` names, else text on a terminal and JSON elsewhere.
    pub fn of(option: Option<&str>) -> Self {
        match option {
            Some("json") => Self::Json,
            Some(_) => Self::Text,
            None if sys::stdout().is_terminal() => Self::Text,
            None => Self::Json,
        }
    }
}

impl Screen {
    /// The screen that stdout is: as wide as `COLUMNS` says, else as the terminal is, else 80 columns. Colours only on
    /// a terminal that has them (`TERM`), unless `NO_COLOR` is set (no-color.org).
    fn of(env: &Env) -> Self {
        let stdout = sys::stdout();
        let named = env.get("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
        let columns = named.filter(|columns| *columns > 0).or_else(|| sys::terminal_columns(&*stdout));
        let has_colours = !env.is_empty("TERM") && env.get("TERM").is_some_and(|term| term != "dumb");
        let colours = stdout.is_terminal() && has_colours && env.get("NO_COLOR").is_none();
        Self { columns: columns.unwrap_or(80), colours }
    }
}

/// Writes the result to stdout, whole, and returns the exit code.
pub fn print(output: Output, format: Format, env: &Env) -> Result<u8> {
    let (text, code) = match output {
        Output::Document { document, code, .. } if format == Format::Json => (json(&document), code),
        Output::Document { text, code, .. } => (text.render(Screen::of(env)).into_bytes(), code),
        Output::Text(text) => (text.into_bytes(), 0),
        Output::Code(code) => return Ok(code),
    };
    sys::check_stdout()
        .and_then(|()| sys::stdout().write_all(&text))
        .map_err(|e| Error::Stdout { why: files::io_reason(&e) })?;
    Ok(code)
}

fn json(document: &Document) -> Vec<u8> {
    let mut json = b"{".to_vec();
    for (nth, (key, value)) in document.iter().enumerate() {
        json.extend_from_slice(if nth == 0 { b"\n  \"" } else { b",\n  \"" });
        json.extend_from_slice(key.as_bytes());
        json.extend_from_slice(b"\": ");
        serde_json::to_writer(&mut json, value).expect("writing to memory does not fail");
    }
    json.extend_from_slice(b"\n}\n");
    json
}
