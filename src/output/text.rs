//! Text for a person: fields, tables and paragraphs, laid out for the width of the screen. Colour repeats what a word
//! says already, so that nothing is lost without it.

/// The screen that a text is laid out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    pub columns: usize,
    pub colours: bool,
}

/// What a part of a text means to its reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    Good,
    Doubtful,
    Wrong,
    /// Of less interest than the text around it.
    Faint,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    text: String,
    tone: Tone,
    /// It is not broken into lines: a command, to be pasted.
    is_whole: bool,
}

/// A text, block by block. Between two blocks stands a blank line.
#[derive(Default)]
pub struct Text {
    blocks: Vec<Block>,
}

enum Block {
    /// Lines that are printed as they are, with their line ends.
    Lines(String),
    /// Names, and their values beside them.
    Fields(Vec<(String, Span)>),
    Table {
        head: Vec<&'static str>,
        rows: Vec<Vec<Span>>,
    },
    /// A mark in one column, and lines in the next.
    List(Vec<(Span, Vec<Span>)>),
    Paragraph(Span),
}

/// Between two columns.
const GAP: usize = 2;
/// The last column of a table is at least this wide; on a narrower screen, each row becomes a block of fields.
const LEAST: usize = 20;

impl Tone {
    /// SGR parameters (ECMA-48): the eight basic colours, which every terminal shows in a readable way.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Doubtful => Some("33"),
            Self::Wrong => Some("31"),
            Self::Faint => Some("2"),
        }
    }
}

impl<T: Into<String>> From<T> for Span {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl Span {
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone, is_whole: false }
    }

    /// A command, which stays on one line: a terminal that has to break it gives it back whole.
    pub fn command(text: impl Into<String>) -> Self {
        Self { is_whole: true, ..Self::new(text, Tone::Plain) }
    }

    fn lines(&self, room: usize) -> Vec<&str> {
        if self.is_whole { vec![&self.text] } else { wrapped(&self.text, room) }
    }

    /// The least width that it can be shown in, if it may be broken once or more.
    fn least_width(&self) -> usize {
        if self.is_whole { self.width() } else { self.width().min(LEAST) }
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    fn width(&self) -> usize {
        width(&self.text)
    }
}

impl From<String> for Text {
    /// Lines that are printed as they are.
    fn from(lines: String) -> Self {
        Self { blocks: vec![Block::Lines(lines)] }
    }
}

impl Text {
    pub fn paragraph(mut self, text: impl Into<Span>) -> Self {
        self.blocks.push(Block::Paragraph(text.into()));
        self
    }

    /// Names in one column, values in the next.
    pub fn fields<N: Into<String>>(mut self, fields: impl IntoIterator<Item = (N, Span)>) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (name.into(), value));
        self.blocks.push(Block::Fields(fields.collect()));
        self
    }

    /// Rows with as many spans as the head has names. The last column is wrapped if the screen is too narrow.
    pub fn table(mut self, head: &[&'static str], rows: Vec<Vec<Span>>) -> Self {
        self.blocks.push(Block::Table { head: head.to_vec(), rows });
        self
    }

    /// A mark in one column, and lines in the next, each of them wrapped.
    pub fn list(mut self, rows: Vec<(Span, Vec<Span>)>) -> Self {
        self.blocks.push(Block::List(rows));
        self
    }

    pub fn render(&self, screen: Screen) -> String {
        let blocks: Vec<String> = self.blocks.iter().map(|block| block.render(screen)).collect();
        blocks.join("\n")
    }
}

impl Block {
    fn render(&self, screen: Screen) -> String {
        match self {
            Self::Lines(lines) => lines.clone(),
            Self::Paragraph(span) => {
                let mut text = String::new();
                for line in span.lines(screen.columns) {
                    text += &painted(line, span.tone, screen);
                    text.push('\n');
                }
                text
            }
            Self::Fields(fields) => render_fields(fields, screen),
            Self::List(rows) => render_list(rows, screen),
            Self::Table { head, rows } => render_table(head, rows, screen),
        }
    }
}

fn render_list(rows: &[(Span, Vec<Span>)], screen: Screen) -> String {
    let column = rows.iter().map(|(mark, _)| mark.width()).max().unwrap_or_default() + GAP;
    let mut text = String::new();
    for (mark, lines) in rows {
        text += &painted(&mark.text, mark.tone, screen);
        let mut at = mark.width();
        for line in lines {
            put_wrapped(&mut text, at, line, column, screen);
            at = 0;
        }
    }
    text
}

fn render_fields(fields: &[(String, Span)], screen: Screen) -> String {
    let column = fields.iter().map(|(name, _)| width(name)).max().unwrap_or_default() + GAP;
    let mut text = String::new();
    for (name, value) in fields {
        text += name;
        put_wrapped(&mut text, width(name), value, column, screen);
    }
    text
}

fn render_table(head: &[&'static str], rows: &[Vec<Span>], screen: Screen) -> String {
    let Some(last) = head.len().checked_sub(1) else { return String::new() };
    let columns: Vec<usize> = (0..last)
        .map(|n| rows.iter().map(|row| row[n].width()).chain([width(head[n])]).max().unwrap_or_default())
        .collect();
    let before_last: usize = columns.iter().map(|width| width + GAP).sum();
    let least = rows.iter().map(|row| row[last].least_width()).max().unwrap_or_default();
    if before_last + least > screen.columns {
        let records = rows.iter().map(|row| {
            let fields = head.iter().map(|name| (*name).to_owned()).zip(row.iter().cloned());
            let fields: Vec<_> = fields.filter(|(_, value)| !value.text.is_empty()).collect();
            render_fields(&fields, screen)
        });
        return records.collect::<Vec<_>>().join("\n");
    }
    let mut text = String::new();
    let heads: Vec<Span> = head.iter().map(|name| Span::new(*name, Tone::Faint)).collect();
    for row in [&heads].into_iter().chain(rows) {
        let mut pending = 0;
        for (span, width) in row.iter().zip(&columns) {
            if span.text.is_empty() {
                pending += width + GAP;
                continue;
            }
            text += &" ".repeat(pending);
            text += &painted(&span.text, span.tone, screen);
            pending = width + GAP - span.width();
        }
        if row[last].text.is_empty() {
            text.push('\n');
        } else {
            put_wrapped(&mut text, before_last - pending, &row[last], before_last, screen);
        }
    }
    text
}

/// Adds a value that begins at a column, with its further lines below it. `at` is the column that is reached.
fn put_wrapped(text: &mut String, at: usize, value: &Span, column: usize, screen: Screen) {
    let room = screen.columns.saturating_sub(column).max(LEAST);
    for (nth, line) in value.lines(room).into_iter().enumerate() {
        *text += &" ".repeat(if nth == 0 { column - at } else { column });
        *text += &painted(line, value.tone, screen);
        text.push('\n');
    }
}

/// The lines of a text, broken between words. A word that is longer than a line stays whole, because a path or
/// a command that is broken cannot be pasted.
fn wrapped(text: &str, room: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut rest = paragraph;
        while width(rest) > room {
            let is_break = |(at, c): &(usize, char)| *c == ' ' && *at > 0;
            let within = |(at, _): &(usize, char)| width(&rest[..*at]) <= room;
            let breaks: Vec<(usize, char)> = rest.char_indices().filter(is_break).collect();
            let Some((at, _)) = breaks.iter().rev().find(|at| within(at)).or(breaks.first()) else { break };
            lines.push(rest[..*at].trim_end());
            rest = rest[*at..].trim_start();
        }
        lines.push(rest);
    }
    lines
}

/// woci's own words and what `printable` lets through have one column a character.
fn width(text: &str) -> usize {
    text.chars().count()
}

fn painted(text: &str, tone: Tone, screen: Screen) -> String {
    match tone.code().filter(|_| screen.colours && !text.is_empty()) {
        Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(columns: usize) -> Screen {
        Screen { columns, colours: false }
    }

    #[test]
    fn values_stand_in_a_column_and_wrap_within_it() {
        let text = Text::default()
            .fields([("Profile", "prod".into()), ("Next", "run woci session authenticate again".into())])
            .paragraph("a paragraph of some words");
        assert_eq!(
            text.render(plain(29)),
            "Profile  prod\nNext     run woci session\n         authenticate again\n\na paragraph of some words\n"
        );
    }

    #[test]
    fn a_long_word_stays_whole() {
        let path = "/a/long/path/that/is/wider/than/the/screen";
        let text = Text::default().fields([("Key", format!("in {path} today").into())]);
        assert_eq!(text.render(plain(30)), format!("Key  in\n     {path}\n     today\n"));
    }

    #[test]
    fn a_table_wraps_its_last_column_and_becomes_records_on_a_narrow_screen() {
        let rows = || {
            vec![
                vec!["a".into(), "valid".into(), "".into()],
                vec!["prod".into(), "".into(), "woci session authenticate".into()],
            ]
        };
        let table = || Text::default().table(&["PROFILE", "TOKEN", "NEXT"], rows());
        assert_eq!(
            table().render(plain(80)),
            "PROFILE  TOKEN  NEXT\na        valid\nprod            woci session authenticate\n"
        );
        assert_eq!(
            table().render(plain(36)),
            "PROFILE  TOKEN  NEXT\na        valid\nprod            woci session\n                authenticate\n"
        );
        assert_eq!(
            table().render(plain(35)),
            "PROFILE  a\nTOKEN    valid\n\nPROFILE  prod\nNEXT     woci session authenticate\n"
        );
    }

    #[test]
    fn a_command_is_not_broken() {
        let rows = vec![vec!["prod".into(), Span::command("woci session authenticate")]];
        let table = Text::default().table(&["PROFILE", "NEXT"], rows);
        assert_eq!(table.render(plain(34)), "PROFILE  NEXT\nprod     woci session authenticate\n");
        assert_eq!(table.render(plain(33)), "PROFILE  prod\nNEXT     woci session authenticate\n");
        assert_eq!(table.render(plain(20)), "PROFILE  prod\nNEXT     woci session authenticate\n");
    }

    #[test]
    fn the_lines_of_a_list_stand_beside_its_mark() {
        let lines = |text: &[&str]| text.iter().map(|line| Span::from(*line)).collect();
        let rows = vec![
            ("good".into(), lines(&["one"])),
            (Span::new("WRONG", Tone::Wrong), lines(&["a line of some words", "another"])),
        ];
        let text = Text::default().list(rows);
        assert_eq!(text.render(plain(27)), "good   one\nWRONG  a line of some words\n       another\n");
        assert_eq!(
            text.render(plain(20)),
            "good   one\nWRONG  a line of some words\n       another\n",
            "a column is not narrower than 20"
        );
        let painted = text.render(Screen { columns: 80, colours: true });
        assert!(painted.contains("\x1b[31mWRONG\x1b[0m  a line"), "{painted}");
    }

    #[test]
    fn colours_change_no_character() {
        let text = Text::default().fields([("Token", Span::new("expired", Tone::Wrong))]);
        let painted = text.render(Screen { columns: 80, colours: true });
        assert_eq!(painted, "Token  \x1b[31mexpired\x1b[0m\n");
        assert_eq!(text.render(plain(80)), "Token  expired\n");
    }
}
