//! Edits an INI text: changes keys in one section and keeps every other byte. Pure.

use std::borrow::Cow;

use super::scan::{Fault, Line, LineKind, characters, is_space, lines, lower};

/// The change of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// Set to a value of one line without white space around it. Duplicates are removed.
    Set(&'a str),
    /// Keep the first occurrence, remove the duplicates.
    RemoveDuplicates,
    /// Remove all occurrences.
    Remove,
}

/// Applies changes to keys, given in lower case, of one section, and returns the new text. New keys are
/// added at the end of the section, a new section at the end of the text.
///
/// # Errors
/// The first line that is of no known kind.
pub fn edit(text: &str, section: &str, changes: &[(&str, Change<'_>)]) -> Result<String, Fault> {
    let line_end = lines(text).next_line().map(line_end_of).filter(|end| !end.is_empty()).unwrap_or("\n");
    // A missing line end at the end of the text is added first and removed at the end.
    let unended = !text.is_empty() && line_end_of(text).is_empty();
    let text = if unended { Cow::Owned(format!("{text}{line_end}")) } else { Cow::Borrowed(text) };

    let lines = lines(&text).collect::<Result<Vec<_>, _>>()?;
    let mut edited = Edited::with_room_for(&text);
    let mut seen: Vec<&str> = Vec::new();
    let mut dropping = false;
    for (at, line) in lines.iter().enumerate() {
        match line.kind {
            LineKind::Blank | LineKind::Comment => edited.text.push_str(line.whole),
            LineKind::Section(name) => edited.section(line, name == section),
            LineKind::Key { name, before, value, after } => {
                let name = lower(name);
                let change = changes.iter().find(|(key, _)| *key == name && edited.inside != Inside::Other);
                let action = match change {
                    None => Action::Keep,
                    Some((_, Change::Remove)) => Action::Remove,
                    Some((key, _)) if seen.contains(key) => Action::Remove,
                    Some((key, change)) => {
                        seen.push(key);
                        match change {
                            Change::Set(new) if *new != value || is_continued(&lines[at + 1..]) => {
                                let gap =
                                    if value.is_empty() && before.ends_with(['=', ':']) { " " } else { "" };
                                Action::Replace(format!("{before}{gap}{new}{after}"))
                            }
                            _ => Action::Keep,
                        }
                    }
                };
                match &action {
                    Action::Keep => edited.key(line, line.whole),
                    Action::Replace(new) => edited.key(line, new),
                    Action::Remove => {}
                }
                dropping = !matches!(action, Action::Keep);
            }
            LineKind::Continuation(_) if dropping => {}
            LineKind::Continuation(_) => edited.continuation(line),
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

/// The action on a key's line. The continuation lines of its value are kept only with [`Action::Keep`].
enum Action {
    Keep,
    Replace(String),
    Remove,
}

fn line_end_of(line: &str) -> &'static str {
    ["\r\n", "\n", "\r"].into_iter().find(|end| line.ends_with(end)).unwrap_or("")
}

/// Whether the lines after a key begin with a continuation of its value.
fn is_continued(lines: &[Line<'_>]) -> bool {
    let next = lines.iter().find(|line| !matches!(line.kind, LineKind::Blank | LineKind::Comment));
    next.is_some_and(|line| matches!(line.kind, LineKind::Continuation(_)))
}

/// The new text under construction.
struct Edited {
    text: String,
    /// The indentation of the last key, `None` after a section line. A line with a deeper indentation
    /// would continue the key's value.
    level: Option<usize>,
    inside: Inside,
    insertion: Option<Insertion>,
}

/// The section that the current line is in.
#[derive(PartialEq)]
enum Inside {
    Other,
    /// The first part of the section that is edited. `[DEFAULT]` may have several parts.
    First,
    Further,
}

/// The position at which new keys are inserted, and their indentation.
struct Insertion {
    at: usize,
    indent: Option<String>,
}

impl Edited {
    fn with_room_for(text: &str) -> Self {
        Self {
            text: String::with_capacity(text.len() + 512),
            level: None,
            inside: Inside::Other,
            insertion: None,
        }
    }

    fn section(&mut self, line: &Line<'_>, is_edited: bool) {
        // New keys of an empty section are indented like the next section. If they were indented less,
        // the line of that section would continue the last value.
        if let (Inside::First, Some(insertion)) = (&self.inside, &mut self.insertion) {
            insertion.indent.get_or_insert_with(|| line.indent.to_owned());
        }
        self.push(line, line.whole);
        self.level = None;
        self.inside = match (is_edited, &self.insertion) {
            (false, _) => Inside::Other,
            (true, None) => Inside::First,
            (true, Some(_)) => Inside::Further,
        };
        if self.inside == Inside::First {
            self.insertion = Some(Insertion { at: self.text.len(), indent: None });
        }
    }

    fn key(&mut self, line: &Line<'_>, text: &str) {
        let indent = self.push(line, text);
        self.level = Some(characters(indent));
        if self.inside == Inside::First {
            self.insertion = Some(Insertion { at: self.text.len(), indent: Some(indent.to_owned()) });
        }
    }

    fn continuation(&mut self, line: &Line<'_>) {
        self.text.push_str(line.whole);
        if let (Inside::First, Some(insertion)) = (&self.inside, &mut self.insertion) {
            insertion.at = self.text.len();
        }
    }

    /// Adds a line. If a key before the line was removed, the line may be indented deeper than the key
    /// that is now before it, and would continue that key's value. The indentation is then cut to the
    /// key's. Returns the indentation.
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

    /// Inserts the new keys and returns the text.
    fn finish(mut self, section: &str, keys: &[(&str, &str)], line_end: &str) -> String {
        let new_lines = |indent: &str| {
            keys.iter().map(|(key, value)| format!("{indent}{key} = {value}{line_end}")).collect::<String>()
        };
        match self.insertion {
            Some(Insertion { at, indent }) => {
                self.text.insert_str(at, &new_lines(indent.as_deref().unwrap_or("")))
            }
            None if keys.is_empty() => {}
            None => {
                let is_blank = |line: &str| line.trim_matches(is_space).is_empty();
                if !self.text.is_empty() && !self.text.lines().last().is_some_and(is_blank) {
                    self.text.push_str(line_end);
                }
                self.text.push_str(&format!("[{section}]{line_end}{}", new_lines("")));
            }
        }
        self.text
    }
}
