//! The edit of an INI text: changes its keys in one section and leaves every other byte where it is. Pure.

use std::borrow::Cow;

use super::scan::{Fault, Is, Line, characters, is_space, lines, lower};

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
    let line_end = lines(text).next_line().map(line_end_of).filter(|end| !end.is_empty()).unwrap_or("\n");
    // A missing last line end is put there for the work and taken away after it.
    let unended = !text.is_empty() && line_end_of(text).is_empty();
    let text = if unended { Cow::Owned(format!("{text}{line_end}")) } else { Cow::Borrowed(text) };

    let lines = lines(&text).collect::<Result<Vec<_>, _>>()?;
    let mut edited = Edited::with_room_for(&text);
    let mut seen: Vec<&str> = Vec::new();
    let mut dropping = false;
    for (at, line) in lines.iter().enumerate() {
        match line.is {
            Is::Blank | Is::Comment => edited.text.push_str(line.whole),
            Is::Section(name) => edited.section(line, name == section),
            Is::Key { name, before, value, after } => {
                let name = lower(name);
                let change = changes.iter().find(|(key, _)| *key == name && edited.inside != Inside::Other);
                let fate = match change {
                    None => Fate::Stays,
                    Some((_, Change::Remove)) => Fate::Goes,
                    Some((key, _)) if seen.contains(key) => Fate::Goes,
                    Some((key, change)) => {
                        seen.push(key);
                        match change {
                            Change::Set(new) if *new != value || is_continued(&lines[at + 1..]) => {
                                let gap =
                                    if value.is_empty() && before.ends_with(['=', ':']) { " " } else { "" };
                                Fate::Becomes(format!("{before}{gap}{new}{after}"))
                            }
                            _ => Fate::Stays,
                        }
                    }
                };
                match &fate {
                    Fate::Stays => edited.key(line, line.whole),
                    Fate::Becomes(new) => edited.key(line, new),
                    Fate::Goes => {}
                }
                dropping = !matches!(fate, Fate::Stays);
            }
            Is::More(_) if dropping => {}
            Is::More(_) => edited.more(line),
        }
    }

    let new = changes.iter().filter_map(|(key, change)| match change {
        Change::Set(value) if !seen.contains(key) => Some((*key, *value)),
        _ => None,
    });
    let mut edited = edited.finish(section, &new.collect::<Vec<_>>(), line_end);
    if unended {
        edited.truncate(edited.len() - line_end_of(&edited).len());
    }
    Ok(edited)
}

/// What becomes of a key's first line; the further ones stay only where that stays as it is.
enum Fate {
    Stays,
    Becomes(String),
    Goes,
}

fn line_end_of(line: &str) -> &'static str {
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
    fn with_room_for(text: &str) -> Self {
        Self {
            text: String::with_capacity(text.len() + 512),
            level: None,
            inside: Inside::Other,
            place: None,
        }
    }

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
    fn finish(mut self, section: &str, keys: &[(&str, &str)], line_end: &str) -> String {
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
