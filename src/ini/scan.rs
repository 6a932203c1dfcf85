//! Classifies the lines of an INI text by Python's rules: `RawConfigParser._read` of CPython 3.11 with
//! interpolation off and `strict` on, which is how oci reads `~/.oci/config`. Pure.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// The reason why Python refuses a text, with the number of the line.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    pub line: usize,
    pub why: String,
}

impl Fault {
    fn new(line: usize, why: impl Into<String>) -> Self {
        Self { line, why: why.into() }
    }
}

/// One line of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// From 1.
    pub number: usize,
    /// The line with its line end.
    pub whole: &'a str,
    pub indent: &'a str,
    pub kind: LineKind<'a>,
}

/// The kind of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind<'a> {
    /// White space only. Belongs to a value if a continuation of that value follows.
    Blank,
    Comment,
    Section(&'a str),
    /// `before` is the line up to the value, `after` the line after the value.
    Key {
        name: &'a str,
        before: &'a str,
        value: &'a str,
        after: &'a str,
    },
    /// A continuation line: a further line of the value above.
    Continuation(&'a str),
}

/// The text of a file. Bytes that are not UTF-8 are refused, as by Python with a UTF-8 locale.
pub fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|e| {
        let good = bytes.get(..e.valid_up_to()).and_then(|good| std::str::from_utf8(good).ok()).unwrap_or("");
        let line = lines(good).count_lines() + usize::from(good.is_empty() || good.ends_with(['\n', '\r']));
        Fault::new(line, "it is not UTF-8 text")
    })
}

/// Lower case by the rules of Python's `str.lower`. Keys are compared in lower case.
pub fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.to_lowercase())
    }
}

/// The lines of a text. The iteration goes on after a line that is a [`Fault`].
pub fn lines(text: &str) -> Lines<'_> {
    Lines { rest: text, number: 0, level: 0, at: At::Start }
}

pub struct Lines<'a> {
    rest: &'a str,
    number: usize,
    /// The indentation of the last section or key, in characters.
    level: usize,
    at: At,
}

#[derive(PartialEq)]
enum At {
    Start,
    Section,
    Key,
}

impl<'a> Lines<'a> {
    /// The next line, not classified, with its line end. A carriage return alone ends a line too, as
    /// Python opens files with universal newlines.
    pub fn next_line(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_at(line_length(self.rest.as_bytes()));
        self.rest = rest;
        self.number += 1;
        Some(line)
    }

    fn count_lines(mut self) -> usize {
        while self.next_line().is_some() {}
        self.number
    }

    fn classify(&mut self, whole: &'a str, indent: &'a str, body: &'a str) -> Result<LineKind<'a>, Fault> {
        if body.is_empty() {
            return Ok(LineKind::Blank);
        }
        if body.starts_with(['#', ';']) {
            return Ok(LineKind::Comment);
        }
        let level = characters(indent);
        if self.at == At::Key && level > self.level {
            return Ok(LineKind::Continuation(body));
        }
        self.level = level;
        if let Some(name) = section_name(body) {
            self.at = At::Section;
            return Ok(LineKind::Section(name));
        }
        if self.at == At::Start {
            let why = match body.starts_with('\u{feff}') {
                true => "the file begins with a byte order mark, which oci refuses; save it without one",
                false => "it is before the first [section]",
            };
            return Err(Fault::new(self.number, why));
        }
        let Some(delimiter) = body.bytes().position(|b| matches!(b, b'=' | b':')) else {
            return Err(Fault::new(
                self.number,
                "it is neither a [section], nor `key = value`, nor a comment",
            ));
        };
        let name = body[..delimiter].trim_end_matches(is_space);
        if name.is_empty() {
            return Err(Fault::new(self.number, "there is no key before the `=` or `:`"));
        }
        self.at = At::Key;
        let value = body[delimiter + 1..].trim_start_matches(is_space);
        let value_end = indent.len() + body.len();
        let (before, after) = (&whole[..value_end - value.len()], &whole[value_end..]);
        Ok(LineKind::Key { name, before, value, after })
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let whole = self.next_line()?;
        let unindented = whole.trim_start_matches(is_space);
        let indent = &whole[..whole.len() - unindented.len()];
        let kind = self.classify(whole, indent, unindented.trim_end_matches(is_space));
        Some(kind.map(|kind| Line { number: self.number, whole, indent, kind }))
    }
}

/// The length of the first line with its end: `\n`, `\r\n` or `\r`.
fn line_length(text: &[u8]) -> usize {
    match text.iter().position(|b| matches!(b, b'\n' | b'\r')) {
        None => text.len(),
        Some(end) if text[end..].starts_with(b"\r\n") => end + 2,
        Some(end) => end + 1,
    }
}

/// The name of a section line, by Python's `\[(.+)\]`: text after the last bracket is ignored.
fn section_name(body: &str) -> Option<&str> {
    let inside = body.strip_prefix('[')?;
    let name = &inside[..inside.rfind(']')?];
    (!name.is_empty()).then_some(name)
}

/// Python's `str.isspace`: Unicode's white space, and U+001C to U+001F.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// The length of an indentation in characters, the unit in which Python compares indentations.
pub fn characters(indent: &str) -> usize {
    if indent.is_ascii() { indent.len() } else { indent.chars().count() }
}

/// In one section. Far more than any has; a file beyond it would take seconds at every call.
const MOST_KEYS: usize = 10_000;
const MOST_SECTIONS: usize = 100_000;

/// Checks a text as Python does, and returns its sections in order of appearance, each once.
///
/// The section `defaults` may appear more than once, as Python's default section may. A key for which
/// `may_repeat(section, key)` is true may appear more than once in its section: an edit is about to
/// remove the duplicates.
///
/// # Errors
/// The first line that Python refuses: a line of no known kind, or a duplicate section or key. Also the one beyond the
/// most keys or sections that any file has.
pub fn check<'a>(
    text: &'a str,
    defaults: Option<&str>,
    may_repeat: impl Fn(&str, &str) -> bool,
) -> Result<Vec<&'a str>, Fault> {
    let mut sections = Vec::new();
    let mut seen = BTreeSet::new();
    let (mut keys, mut default_keys) = (BTreeSet::new(), BTreeSet::new());
    let mut section = "";
    for line in lines(text) {
        let line = line?;
        match line.kind {
            LineKind::Section(name) => {
                section = name;
                keys.clear();
                if seen.insert(name) {
                    sections.push(name);
                    if sections.len() > MOST_SECTIONS {
                        let why = format!("the file has more than {MOST_SECTIONS} sections");
                        return Err(Fault::new(line.number, why));
                    }
                } else if defaults != Some(name) {
                    return Err(Fault::new(
                        line.number,
                        format!("the section [{name}] appears a second time"),
                    ));
                }
            }
            LineKind::Key { name, .. } => {
                let key = lower(name);
                let known = if defaults == Some(section) { &mut default_keys } else { &mut keys };
                let repeated = known.contains(&key);
                if repeated && !may_repeat(section, &key) {
                    let why = format!("the key {key} appears a second time in [{section}]");
                    return Err(Fault::new(line.number, why));
                }
                known.insert(key);
                if known.len() > MOST_KEYS {
                    let why = format!("the section [{section}] has more than {MOST_KEYS} keys");
                    return Err(Fault::new(line.number, why));
                }
            }
            LineKind::Blank | LineKind::Comment | LineKind::Continuation(_) => {}
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_that_are_not_utf8_are_refused_with_their_line() {
        for (bytes, line) in
            [(&b"\xff"[..], 1), (b"[a]\n\xff", 2), (b"[a]\r\nb=\xe4\r\n", 2), (b"\r\r\n\n\xc3", 4)]
        {
            assert_eq!(text(bytes).map_err(|fault| fault.line), Err(line), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn the_lines_of_any_bytes_add_up_to_the_text(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(text) = text(&bytes) {
                let _ = check(text, None, |_, _| false);
                if let Ok(lines) = lines(text).collect::<Result<Vec<_>, _>>() {
                    prop_assert_eq!(lines.iter().map(|line| line.whole).collect::<String>(), text);
                }
            }
        }

        #[test]
        fn the_lines_of_any_ini_like_text_add_up_to_the_text(text in "[\\[\\]=:#; \t\r\nab\u{a0}\u{1c}\u{feff}é]{0,80}") {
            let _ = check(&text, Some("a"), |_, _| false);
            if let Ok(lines) = lines(&text).collect::<Result<Vec<_>, _>>() {
                prop_assert_eq!(lines.iter().map(|line| line.whole).collect::<String>(), text);
            }
        }
    }
}
