//! INI text, line by line and by Python's rules: `RawConfigParser._read` of CPython 3.11 with
//! interpolation off and `strict` on, which is what oci reads `~/.oci/config` with. Pure. An edit
//! changes its keys in one section and leaves every other byte where it is.

use std::borrow::Cow;
use std::collections::HashSet;

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
    whole: &'a str,
    indent: &'a str,
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
    fn take_line(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let bytes = self.rest.as_bytes();
        let end = match bytes.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            None => bytes.len(),
            Some(at) if bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n') => at + 2,
            Some(at) => at + 1,
        };
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.number += 1;
        Some(line)
    }

    fn count_lines(mut self) -> usize {
        while self.take_line().is_some() {}
        self.number
    }

    fn what(&mut self, whole: &'a str, indent: &'a str, body: &'a str) -> Result<Is<'a>, Fault> {
        if body.is_empty() {
            return Ok(Is::Blank);
        }
        if body.starts_with(['#', ';']) {
            return Ok(Is::Comment);
        }
        let indent = characters(indent);
        if self.at == At::Key && indent > self.level {
            return Ok(Is::More(body));
        }
        self.level = indent;
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
        let Some(delimiter) = body.find(['=', ':']) else {
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
        let value_end = whole.trim_end_matches(is_space).len();
        let (before, after) = (&whole[..value_end - value.len()], &whole[value_end..]);
        Ok(Is::Key { name, before, value, after })
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Line<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let whole = self.take_line()?;
        let unindented = whole.trim_start_matches(is_space);
        let indent = &whole[..whole.len() - unindented.len()];
        let is = self.what(whole, indent, unindented.trim_end_matches(is_space));
        Some(is.map(|is| Line { number: self.number, whole, indent, is }))
    }
}

/// `\[(.+)\]` at the line's start: what follows the last bracket is not looked at.
fn section_name(body: &str) -> Option<&str> {
    let inside = body.strip_prefix('[')?;
    let name = &inside[..inside.rfind(']')?];
    (!name.is_empty()).then_some(name)
}

/// Python's `str.isspace`: Unicode's white space and four separators that Unicode leaves out.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

fn characters(indent: &str) -> usize {
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
    let mut seen = HashSet::new();
    let (mut keys, mut default_keys) = (HashSet::new(), HashSet::new());
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

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// To a value of one line, without white space around it.
    Set(&'a str),
    /// Where it is there more than once, all but the first go.
    Once,
    Remove,
}

/// The text with these keys (in lower case) of one section changed. New ones come after what the
/// section holds, a new section comes last.
pub fn edit(text: &str, section: &str, changes: &[(&str, Change<'_>)]) -> Result<String, Fault> {
    let line_end = lines(text).take_line().map_or("\n", line_end);
    // A missing last line end is put there for the work and taken away after it.
    let unended = !text.is_empty() && self::line_end(text).is_empty();
    let text = if unended { Cow::Owned(format!("{text}{line_end}")) } else { Cow::Borrowed(text) };

    let lines = lines(&text).collect::<Result<Vec<_>, _>>()?;
    let mut edited = Edited {
        text: String::with_capacity(text.len() + 512),
        level: None,
        inside: Inside::Other,
        place: None,
    };
    let mut done: Vec<&str> = Vec::new();
    let mut dropping = false;
    for (at, line) in lines.iter().enumerate() {
        match line.is {
            Is::Blank | Is::Comment => edited.text.push_str(line.whole),
            Is::Section(name) => {
                dropping = false;
                edited.section(line, name == section);
            }
            Is::Key { name, before, value, after } => {
                let key = lower(name);
                let change = changes.iter().find(|(k, _)| *k == key && edited.inside != Inside::Other);
                let replaced = match change {
                    None => None,
                    Some((_, Change::Remove)) => Some(None),
                    Some((k, _)) if done.contains(k) => Some(None),
                    Some((k, change)) => {
                        done.push(k);
                        match change {
                            Change::Set(new) if *new != value || is_continued(&lines[at + 1..]) => {
                                let gap =
                                    if value.is_empty() && before.ends_with(['=', ':']) { " " } else { "" };
                                Some(Some(format!("{before}{gap}{new}{after}")))
                            }
                            _ => None,
                        }
                    }
                };
                dropping = replaced.is_some();
                match replaced {
                    None => edited.key(line, line.whole),
                    Some(Some(new)) => edited.key(line, &new),
                    Some(None) => {}
                }
            }
            Is::More(_) if dropping => {}
            Is::More(_) => edited.more(line),
        }
    }

    let new: Vec<_> = changes
        .iter()
        .filter_map(|(key, change)| match change {
            Change::Set(value) if !done.contains(key) => Some((*key, *value)),
            _ => None,
        })
        .collect();
    let mut edited = edited.with(section, &new, line_end);
    if unended {
        edited.truncate(edited.len() - self::line_end(&edited).len());
    }
    Ok(edited)
}

fn line_end(line: &str) -> &'static str {
    ["\r\n", "\n", "\r"].into_iter().find(|end| line.ends_with(end)).unwrap_or("")
}

/// Whether the value above goes on in these lines.
fn is_continued(lines: &[Line<'_>]) -> bool {
    let next = lines.iter().find(|line| !matches!(line.is, Is::Blank | Is::Comment));
    next.is_some_and(|line| matches!(line.is, Is::More(_)))
}

/// The text as it grows.
struct Edited {
    text: String,
    /// The indentation of the last key, if no section came after it: what is deeper continues it.
    level: Option<usize>,
    inside: Inside,
    place: Option<Place>,
}

#[derive(PartialEq)]
enum Inside {
    Other,
    /// The section's first part: Python lets `[DEFAULT]` come in several.
    First,
    Further,
}

/// Where new keys go, and how deep.
struct Place {
    at: usize,
    indent: Option<String>,
}

impl Edited {
    fn section(&mut self, line: &Line<'_>, is_it: bool) {
        // An empty section's new keys must not be shallower than the next section, or that would
        // become part of their last value.
        if let (Inside::First, Some(place)) = (&self.inside, &mut self.place) {
            place.indent.get_or_insert_with(|| line.indent.to_owned());
        }
        self.push(line, line.whole);
        self.level = None;
        self.inside = match (is_it, &self.place) {
            (false, _) => Inside::Other,
            (true, None) => Inside::First,
            (true, Some(_)) => Inside::Further,
        };
        if self.inside == Inside::First {
            self.place = Some(Place { at: self.text.len(), indent: None });
        }
    }

    fn key(&mut self, line: &Line<'_>, text: &str) {
        let indent = self.push(line, text);
        self.level = Some(characters(indent));
        if self.inside == Inside::First {
            self.place = Some(Place { at: self.text.len(), indent: Some(indent.to_owned()) });
        }
    }

    fn more(&mut self, line: &Line<'_>) {
        self.text.push_str(line.whole);
        if let (Inside::First, Some(place)) = (&self.inside, &mut self.place) {
            place.at = self.text.len();
        }
    }

    /// Where a deeper key before this line was removed, the line moves left, lest it continue the
    /// key before that one. Returns its indentation.
    fn push<'a>(&mut self, line: &Line<'a>, text: &str) -> &'a str {
        let deepest = self.level.unwrap_or(usize::MAX);
        let indent = match line.indent.char_indices().nth(deepest) {
            Some((cut, _)) => &line.indent[..cut],
            None => line.indent,
        };
        self.text.push_str(indent);
        self.text.push_str(&text[line.indent.len()..]);
        indent
    }

    /// The text with these keys put in.
    fn with(mut self, section: &str, keys: &[(&str, &str)], line_end: &str) -> String {
        let put = |indent: &str| {
            keys.iter().map(|(key, value)| format!("{indent}{key} = {value}{line_end}")).collect::<String>()
        };
        match self.place {
            Some(Place { at, indent }) => self.text.insert_str(at, &put(indent.as_deref().unwrap_or(""))),
            None if keys.is_empty() => {}
            None => {
                let is_blank = |line: &str| line.trim_matches(is_space).is_empty();
                if !self.text.is_empty() && !self.text.lines().last().is_some_and(is_blank) {
                    self.text.push_str(line_end);
                }
                self.text.push_str(&format!("[{section}]{line_end}{}", put("")));
            }
        }
        self.text
    }
}
