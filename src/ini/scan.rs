//! INI text, line by line and by Python's rules: `RawConfigParser._read` of CPython 3.11 with
//! interpolation off and `strict` on, which is what oci reads `~/.oci/config` with. Pure.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// Why Python refuses a text.
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

/// One line, whole with its end, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    pub number: usize,
    pub whole: &'a str,
    pub indent: &'a str,
    pub is: Is<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is<'a> {
    /// Part of a value where another part of it follows.
    Blank,
    Comment,
    Section(&'a str),
    /// `before` ends where the value begins, `after` begins where it ends.
    Key {
        name: &'a str,
        before: &'a str,
        value: &'a str,
        after: &'a str,
    },
    /// A further line of the value above.
    More(&'a str),
}

/// The text of a file. Python refuses other bytes, as its locale is UTF-8 wherever that was not undone.
pub fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|e| {
        let good = bytes.get(..e.valid_up_to()).and_then(|good| std::str::from_utf8(good).ok()).unwrap_or("");
        let line = lines(good).count_lines() + usize::from(good.is_empty() || good.ends_with(['\n', '\r']));
        Fault::new(line, "it is not UTF-8 text")
    })
}

/// Python's `str.lower`, by which keys are compared.
pub fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.to_lowercase())
    }
}

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
    /// The next line as it stands. A lone carriage return ends one too: Python opens files with
    /// universal newlines.
    pub fn next_line(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_at(line_end(self.rest.as_bytes()));
        self.rest = rest;
        self.number += 1;
        Some(line)
    }

    fn count_lines(mut self) -> usize {
        while self.next_line().is_some() {}
        self.number
    }

    fn what(&mut self, whole: &'a str, indent: &'a str, body: &'a str) -> Result<Is<'a>, Fault> {
        if body.is_empty() {
            return Ok(Is::Blank);
        }
        if body.starts_with(['#', ';']) {
            return Ok(Is::Comment);
        }
        let level = characters(indent);
        if self.at == At::Key && level > self.level {
            return Ok(Is::More(body));
        }
        self.level = level;
        if let Some(name) = section_name(body) {
            self.at = At::Section;
            return Ok(Is::Section(name));
        }
        if self.at == At::Start {
            let why = match body.starts_with('\u{feff}') {
                true => "the file begins with a byte order mark, which oci refuses; save it without",
                false => "it stands before the first [section]",
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
        Ok(Is::Key { name, before, value, after })
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let whole = self.next_line()?;
        let unindented = whole.trim_start_matches(is_space);
        let indent = &whole[..whole.len() - unindented.len()];
        let is = self.what(whole, indent, unindented.trim_end_matches(is_space));
        Some(is.map(|is| Line { number: self.number, whole, indent, is }))
    }
}

/// Where the line after the first begins.
fn line_end(text: &[u8]) -> usize {
    let ends = |b: &u8| matches!(b, b'\n' | b'\r');
    // Sixteen at a time, each looked at whatever the others are: that takes a vector instruction or two.
    let endless = |bytes: &&[u8]| !bytes.iter().fold(false, |any, b| any | ends(b));
    let begin = 16 * text.chunks_exact(16).take_while(endless).count();
    let Some(end) = text[begin..].iter().position(ends) else { return text.len() };
    match text[begin + end..] {
        [b'\r', b'\n', ..] => begin + end + 2,
        _ => begin + end + 1,
    }
}

/// `\[(.+)\]` at the line's start: what follows the last bracket is not looked at.
fn section_name(body: &str) -> Option<&str> {
    let inside = body.strip_prefix('[')?;
    let name = &inside[..inside.rfind(']')?];
    (!name.is_empty()).then_some(name)
}

/// Python's `str.isspace`: Unicode's white space and four separators that Unicode leaves out.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

pub fn characters(indent: &str) -> usize {
    if indent.is_ascii() { indent.len() } else { indent.chars().count() }
}

/// Refuses what Python refuses, and returns the sections in their order, each once.
///
/// The section `defaults` may come more than once, since Python makes it the defaults of all; the
/// keys that `may_repeat` (section, key) are those that an edit is about to mend.
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
        match line.is {
            Is::Section(name) => {
                section = name;
                keys.clear();
                if seen.insert(name) {
                    sections.push(name);
                } else if defaults != Some(name) {
                    return Err(Fault::new(
                        line.number,
                        format!("the section [{name}] is there a second time"),
                    ));
                }
            }
            Is::Key { name, .. } => {
                let key = lower(name);
                let known = if defaults == Some(section) { &mut default_keys } else { &mut keys };
                let repeated = known.contains(&key);
                if repeated && !may_repeat(section, &key) {
                    let why = format!("the key {key} is there a second time in [{section}]");
                    return Err(Fault::new(line.number, why));
                }
                known.insert(key);
            }
            Is::Blank | Is::Comment | Is::More(_) => {}
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_refused_with_their_line() {
        for (bytes, line) in
            [(&b"\xff"[..], 1), (b"[a]\n\xff", 2), (b"[a]\r\nb=\xe4\r\n", 2), (b"\r\r\n\n\xc3", 4)]
        {
            assert_eq!(text(bytes).map_err(|fault| fault.line), Err(line), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_and_none_is_lost(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(text) = text(&bytes) {
                let _ = check(text, None, |_, _| false);
                if let Ok(lines) = lines(text).collect::<Result<Vec<_>, _>>() {
                    prop_assert_eq!(lines.iter().map(|line| line.whole).collect::<String>(), text);
                }
            }
        }

        #[test]
        fn any_text_of_an_ini_files_characters_is_too(text in "[\\[\\]=:#; \t\r\nab\u{a0}\u{1c}\u{feff}é]{0,80}") {
            let _ = check(&text, Some("a"), |_, _| false);
            if let Ok(lines) = lines(&text).collect::<Result<Vec<_>, _>>() {
                prop_assert_eq!(lines.iter().map(|line| line.whole).collect::<String>(), text);
            }
        }
    }
}
