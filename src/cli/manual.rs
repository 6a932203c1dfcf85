//! The man page, written from the tables of verbs, options and topics in the language mdoc(7).

use super::help::{
    self, ABOUT_FILES, CONFIGURATION, EXAMPLES, EXIT_CODES, File, OF_ALL_SESSIONS, SESSION, TOPICS,
};
use crate::options::{Group, OPTIONS, Opt};
use crate::verbs::{Form, Verb, version};

const ABOUT: &str = "\
woci is a credential helper for Oracle Cloud (OCI). It signs you in at Oracle's own page, or at your company's OpenID \
provider, and keeps the OCI session of this sign-in fresh without asking you again. It runs `oci` with that session, and \
gives the session to other programs: as JSON, as shell variables, as a kubectl credential, and in `~/.oci/config`, where \
Terraform and the SDKs find it.

Plain `woci` prints the session as JSON. A word that is none of the verbs below begins an oci command.";

/// Variables that are not those of an option.
const VARIABLES: &[(&str, &str)] = &[
    ("BROWSER", "the programs that open the sign-in page, with colons between them"),
    ("HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY", "the proxy, and the hosts that are reached without it"),
    ("SSL_CERT_FILE, SSL_CERT_DIR", "the certificate authorities to trust, in place of the system's"),
    ("OCI_CLI_CERT_BUNDLE, REQUESTS_CA_BUNDLE", "files with certificate authorities to trust in addition"),
    (
        "OCI_REGION_METADATA, OCI_DEFAULT_REALM",
        "a region or realm that is newer than woci, as oci reads them",
    ),
    ("NO_COLOR, TERM, COLUMNS", "whether text on a terminal has colours, and its width"),
    ("WOCI_OCI_PATHS", "set for oci: the oci programs that woci has run on the way to this process"),
];

/// In bytes, of a line of the page: more is bad style in mdoc.
const WIDTH: usize = 78;

pub fn manual() -> String {
    let mut page = Page(format!(".Dd {}\n.Dt WOCI 1\n.Os\n", version::day().unwrap_or("$Mdocdate$")));
    page.section("NAME");
    page.line(".Nm woci");
    page.line(".Nd a fresh Oracle Cloud session for oci, kubectl, Terraform and shells");
    page.section("SYNOPSIS");
    for words in [".Op Fl \\-\n.Ar OCI\\-COMMAND\n", "", ".Ar VERB\n"] {
        page.line(".Nm woci\n.Op Ar OPTIONS");
        page.0 += words;
    }
    page.section("DESCRIPTION");
    page.prose(ABOUT);
    page.line(".Pp");
    page.prose(&format!("This is the page of {}.", version::VERSION));

    page.section("VERBS");
    page.list(help::explained(), |page, verb| page.verb(verb));

    page.section("OPTIONS");
    page.prose(help::ABOUT_OPTIONS);
    for group in Group::ALL.into_iter().filter(|group| *group != Group::Verb) {
        page.line(&format!(".Ss {}", escaped(group.title())));
        page.list(OPTIONS.iter().filter(|opt| opt.group == group), |page, opt| page.option(opt, true));
    }

    page.section("ENVIRONMENT");
    let own = OPTIONS.iter().filter_map(|opt| Some((opt.variable?, format!("the same as `{}`", opt.name))));
    let others = VARIABLES.iter().map(|(names, about)| (*names, (*about).to_owned()));
    page.list(own.chain(others), |page, (names, about)| {
        page.line(&format!(".It Ev {}", names.replace(", ", " , ")));
        page.sentence(&about);
    });

    page.section("FILES");
    page.list(CONFIGURATION, Page::file);
    page.line(".Pp");
    page.prose("One session, in `~/.oci/sessions/<profile>/` (mode 0700):");
    page.list(SESSION, Page::file);
    page.line(".Pp");
    page.prose("All sessions, in `~/.oci/sessions/`:");
    page.list([&OF_ALL_SESSIONS], Page::file);
    page.line(".Pp");
    page.prose(ABOUT_FILES);

    page.section("EXIT STATUS");
    page.list(EXIT_CODES, |page, (code, when)| {
        page.line(&format!(".It {}", escaped(code)));
        page.sentence(when);
    });
    page.line(".Pp");
    page.prose(help::ABOUT_EXIT_CODES);

    page.section("EXAMPLES");
    page.prose(EXAMPLES.trim_start().split_once('\n').map_or(EXAMPLES, |(_, commands)| commands));

    page.section("SEE ALSO");
    page.list(TOPICS, |page, topic| {
        page.line(&format!(".It Nm Cm help {}", escaped(topic.name)));
        page.sentence(topic.summary);
    });
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, line: &str) {
        self.0 += line;
        self.0.push('\n');
    }

    fn section(&mut self, title: &str) {
        self.line(&format!(".Sh {title}"));
    }

    fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.line(".Bl -tag -width Ds");
        for item in items {
            write(self, item);
        }
        self.line(".El");
    }

    fn verb(&mut self, verb: &Verb) {
        let own: Vec<&Opt> = OPTIONS.iter().filter(|opt| opt.verbs.contains(&verb.name)).collect();
        let name = match verb.form {
            Form::Words | Form::HiddenWords => format!("Cm {}", escaped(verb.name)),
            Form::Option => format!("Fl {}", without_dash(verb.name)),
            Form::OciCommand => "Op Fl \\-".to_owned(),
        };
        let words = match verb.words {
            "" => String::new(),
            words => format!(" Ar \"{}\"", escaped(words)),
        };
        self.line(&format!(".It {name}{words}"));
        self.sentence(verb.summary);
        if !verb.about.is_empty() {
            self.line(".Pp");
            self.prose(verb.about);
        }
        if let Some(schema) = verb.schema {
            self.line(".Pp");
            self.prose(&format!("Prints a JSON document, which `schemas/{schema}.schema.json` describes."));
        }
        if !own.is_empty() {
            self.list(own, |page, opt| page.option(opt, false));
        }
    }

    /// An option with all of its row. Its verbs are left out at one of them.
    fn option(&mut self, opt: &Opt, with_verbs: bool) {
        let value = match opt.value {
            "" => String::new(),
            value => format!(" Ar {}", escaped(value)),
        };
        self.line(&format!(".It Fl {}{value}", without_dash(opt.name)));
        self.sentence(help::about(opt));
        if with_verbs && !opt.verbs.is_empty() {
            self.sentence(&format!("Only with `{}`", opt.verbs.join("` and `")));
        }
        if opt.required {
            self.sentence("The verb needs it");
        }
        if opt.forwarded {
            self.sentence("Also given to oci");
        }
        if opt.clashes_with_oci {
            self.sentence("Give it before the oci command: some oci commands have the same option");
        }
        if let Some(default) = opt.default {
            self.sentence(&format!("Default: {default}"));
        }
        for (name, value) in [("Key", opt.key), ("Variable", opt.variable), ("Example", Some(opt.example))] {
            if let Some(value) = value {
                self.sentence(&format!("{name}: `{value}`"));
            }
        }
    }

    fn file(&mut self, file: &File) {
        let mut paths = file.path.split(", ").map(|path| format!("Pa {}", escaped(path)));
        self.line(&format!(".It {}", paths.by_ref().collect::<Vec<_>>().join(" , ")));
        self.sentence(&format!("({}) {}", file.mode, file.holds));
    }

    /// A text without its full stop.
    fn sentence(&mut self, text: &str) {
        self.prose(&format!("{text}."));
    }

    /// Paragraphs. A line that begins with a blank stays as it is, or is an item if a dash follows.
    fn prose(&mut self, text: &str) {
        let mut is_first = true;
        for block in text.split("\n\n").flat_map(blocks) {
            if block.starts_with("  - ") {
                self.line(".Bl -bullet -compact");
                for item in block.trim_start_matches("  - ").split("\n  - ") {
                    self.line(".It");
                    self.filled(&item.replace("\n   ", ""));
                }
                self.line(".El");
            } else if block.starts_with(' ') {
                self.line(".Bd -literal -offset indent");
                for line in block.lines() {
                    self.text(&escaped(line.strip_prefix("  ").unwrap_or(line)), "\\\n");
                }
                self.line(".Ed");
            } else {
                if !is_first {
                    self.line(".Pp");
                }
                self.filled(&block.replace('\n', " "));
            }
            is_first = false;
        }
    }

    /// A paragraph, with a new line for each sentence.
    fn filled(&mut self, text: &str) {
        let mut sentence: Vec<String> = Vec::new();
        let marked = bold(text);
        for word in marked.split(' ') {
            let end = word.trim_end_matches([')', ']']).trim_end_matches("\\(dq").trim_end_matches("\\fR");
            let is_end = end.ends_with(['.', '!', '?']) && end.contains(char::is_alphanumeric);
            // A name of a file, an option or a key is divided at the end of a line behind a slash only.
            let is_name = end.contains(['_', '/', '\\']) || end.chars().any(char::is_uppercase);
            let name = || format!("\\%{}", word.replace('/', "/\\:"));
            sentence.push(if is_name { name() } else { word.to_owned() });
            if is_end {
                self.text(&sentence.join(" "), "\n");
                sentence.clear();
            }
        }
        if !sentence.is_empty() {
            self.text(&sentence.join(" "), "\n");
        }
    }

    /// A line of text, broken between words where it is too long. `end` ends a line that goes on.
    fn text(&mut self, text: &str, end: &str) {
        let mut line = String::new();
        for word in text.split_inclusive(' ') {
            if line.len() + word.len() > WIDTH && !line.is_empty() {
                let whole = if end == "\n" { line.trim_end() } else { &line };
                self.0 += &format!("{}{end}", guarded(whole));
                line.clear();
            }
            line += word;
        }
        self.line(&guarded(&line));
    }
}

/// The parts of a paragraph: its lines that begin with a blank, and the others.
fn blocks(paragraph: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    for line in paragraph.lines() {
        match blocks.last_mut() {
            Some(block) if block.starts_with(' ') == line.starts_with(' ') => {
                block.push('\n');
                block.push_str(line);
            }
            _ => blocks.push(line.to_owned()),
        }
    }
    blocks
}

/// A text line that cannot be taken for a request.
fn guarded(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
}

/// What stands between backquotes becomes bold.
fn bold(text: &str) -> String {
    let mut marked = String::new();
    for (n, part) in text.split('`').enumerate() {
        match n % 2 {
            0 => marked += &escaped(part),
            _ => marked += &format!("\\fB{}\\fR", escaped(part)),
        }
    }
    marked
}

/// `-option`, since the macro for options writes the first dash.
fn without_dash(option: &str) -> String {
    escaped(option.strip_prefix('-').unwrap_or(option))
}

/// Each character as it is, also where the language or a font has another meaning for it.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' => escaped += "\\(rs",
            '-' => escaped += "\\-",
            '\'' => escaped += "\\(aq",
            '`' => escaped += "\\(ga",
            '"' => escaped += "\\(dq",
            '~' => escaped += "\\(ti",
            '^' => escaped += "\\(ha",
            c if c.is_ascii() => escaped.push(c),
            c => escaped += &format!("\\[u{:04X}]", u32::from(c)),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_option_and_topic_is_on_the_page() {
        let page = manual();
        for verb in help::explained() {
            let name = escaped(verb.name.trim_start_matches('-'));
            let items = [format!(".It Cm {name}"), format!(".It Fl \\-{name}")];
            assert!(
                verb.form == Form::OciCommand || items.iter().any(|item| page.contains(item)),
                "{}",
                verb.name
            );
        }
        for opt in OPTIONS {
            assert!(page.contains(&format!(".It Fl {}", without_dash(opt.name))), "{}", opt.name);
        }
        for topic in TOPICS {
            assert!(page.contains(&format!(".It Nm Cm help {}", escaped(topic.name))), "{}", topic.name);
        }
    }

    #[test]
    fn text_is_never_a_request_and_ends_no_sentence_within_a_line() {
        let mut page = Page(String::new());
        page.prose(".profile is read. 'So' is `a-b c.d`.\n  .literal \\n\nThe end (really.) And more");
        assert_eq!(
            page.0,
            "\\&.profile is read.\n\\%\\(aqSo\\(aq is \\%\\fBa\\-b \\%c.d\\fR.\n.Bd -literal -offset indent\n\\&.literal \\(rsn\n\
             .Ed\n.Pp\n\\%The end (really.)\n\\%And more\n"
        );
    }

    #[test]
    fn no_line_is_too_long() {
        for line in manual().lines() {
            assert!(line.len() <= 80 && !line.is_empty(), "{line}");
        }
    }
}
