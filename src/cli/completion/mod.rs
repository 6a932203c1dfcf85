//! What a shell offers when a person presses TAB. The script that `woci completion` prints for a shell gives the words
//! on its command line to the hidden verb `__complete`, which answers from the tables of verbs, options and topics. The
//! script itself knows none of them, so it is right after an upgrade too.
//!
//! An answer is a line for each word that fits: the word, and after a tab what it is. Two lines are no words: they make
//! the shell add what it finds itself.

use std::ffi::OsString;

use super::help;
use super::parse::{self, help_or_version, is_wocis, names_program, split};
use crate::command;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::oci::{command_line, completion as oci, program, region};
use crate::options::{Flags, Kind, OPTIONS, OUTPUT, Opt};
use crate::verbs::{self, Form, HELP, VERBS, Verb};

const SCRIPTS: [(&str, &str); 3] = [
    ("bash", include_str!("woci.bash")),
    ("zsh", include_str!("woci.zsh")),
    ("fish", include_str!("woci.fish")),
];

const FILES: &str = ":files";
const PROGRAMS: &str = ":programs";

/// The script for the shell that the words name.
pub fn script(words: &[OsString]) -> Result<String> {
    let of_shell =
        |shell: &OsString| SCRIPTS.iter().find(|(name, _)| shell == name).map(|(_, script)| *script);
    let known = match words {
        [shell] => of_shell(shell),
        _ => None,
    };
    known.map(str::to_owned).ok_or_else(|| {
        let given: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        Error::NoSuchShell { given: given.join(" ") }
    })
}

/// The answer for a command line: the words after `woci`, of which the last is the one that is being typed, up to the
/// cursor. They stand as they were typed, with their quotes.
pub fn complete(host: &Host, typed: &[OsString]) -> String {
    let Some((current, before)) = typed.split_last() else { return String::new() };
    let current = unquoted(current).to_string_lossy().into_owned();
    let line = Line::read(before);
    let mut answer = String::new();
    for Offer { word, about } in line.offers(&current, host) {
        if word.starts_with(&current) || word == FILES || word == PROGRAMS {
            answer += &format!("{word}\t{about}\n");
        }
    }
    answer
}

/// A word that fits, and what it is.
struct Offer {
    word: String,
    about: String,
}

impl Offer {
    fn new(word: &str, about: &str) -> Self {
        Self { word: word.to_owned(), about: about.to_owned() }
    }
}

/// Words that explain themselves.
fn plain<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<Offer> {
    words.into_iter().map(|word| Offer::new(word, "")).collect()
}

/// What stands before the word that is being typed.
#[derive(Default)]
struct Line {
    flags: Flags,
    /// The words without woci's options.
    words: Vec<OsString>,
    /// How many of the words came before a lone `--`. Only those can name a verb of woci.
    before_dashes: usize,
    is_after_dashes: bool,
    /// The option whose value is being typed.
    open: Option<&'static Opt>,
}

impl Line {
    /// Takes the options out as `parse` does, but accepts every line.
    fn read(before: &[OsString]) -> Self {
        let mut line = Self::default();
        let mut words = before.iter().map(unquoted);
        while let Some(word) = words.next() {
            if word == "--" {
                line.is_after_dashes = true;
                line.before_dashes = line.words.len();
                line.words.extend(words);
                return line;
            }
            if names_program(&line.words) {
                line.words.push(word);
                continue;
            }
            if is_wocis(&line.words) && help_or_version(&word).is_some() {
                continue;
            }
            let (name, inline) = split(&word);
            match parse::option(&line.words, name) {
                None => line.words.push(word),
                Some(row) if row.kind == Kind::Flag => line.flags.set(row.name, String::new()),
                Some(row) => match inline.map(ToOwned::to_owned).or_else(|| words.next()) {
                    Some(value) => line.flags.set(row.name, value.to_string_lossy().into_owned()),
                    None => line.open = Some(row),
                },
            }
        }
        line.before_dashes = line.words.len();
        // What follows the program's name is the program's, as if it stood behind `--`.
        line.is_after_dashes = names_program(&line.words);
        line
    }

    fn offers(&self, current: &str, host: &Host) -> Vec<Offer> {
        if let Some(row) = self.open {
            return self.values(row, host);
        }
        let verb = verbs::of_words(&self.words[..self.before_dashes]);
        if !self.is_after_dashes && current.starts_with('-') {
            if let Some((name, _)) = current.split_once('=')
                && let Some(row) = parse::option(&self.words, name).filter(|row| row.kind != Kind::Flag)
            {
                return self.values(row, host).into_iter().map(|offer| offer.after(name)).collect();
            }
            if is_wocis(&self.words) {
                return self.options(verb);
            }
        }
        match verb {
            Some(verb) if self.is_after_dashes || !self.can_be_longer() => self.words_of(verb, host),
            Some(verb) => [self.verbs(), self.words_of(verb, host)].into_iter().flatten().collect(),
            None => self.commands(current, host),
        }
    }

    /// The word after these, where they are not a verb: woci's own, else oci's.
    fn commands(&self, current: &str, host: &Host) -> Vec<Offer> {
        let mut offers = if self.is_after_dashes { Vec::new() } else { self.verbs() };
        if self.words.is_empty() && !current.starts_with('-') {
            // oci needs a second for its first words, and woci knows them. With no letter typed, woci's verbs would be
            // lost among them.
            let is_offered = !current.is_empty() || self.is_after_dashes;
            if is_offered && program::find_oci(&host.env).is_ok() {
                let others: Vec<&str> = command_line::first_words()
                    .filter(|word| offers.iter().all(|offer| offer.word != *word))
                    .collect();
                offers.extend(plain(others));
            }
            return offers;
        }
        if offers.iter().any(|offer| offer.word.starts_with(current)) {
            return offers;
        }
        let words: Vec<&str> = self.words.iter().filter_map(|word| word.to_str()).collect();
        let words = oci::ask(&host.env, &words, current);
        if words.is_empty() { plain([FILES]) } else { plain(words.iter().map(String::as_str)) }
    }

    /// The names of verbs that begin with these words and have another.
    fn longer_verbs(&self) -> impl Iterator<Item = (&'static Verb, &'static str)> {
        let count = self.words.len();
        VERBS.iter().filter(|verb| verb.form == Form::Words).filter_map(move |verb| {
            let mut words = verb.name.split(' ');
            let begins = self.words.iter().all(|word| words.next().is_some_and(|name| word == name));
            begins.then(|| verb.name.split(' ').nth(count)).flatten().map(|next| (verb, next))
        })
    }

    fn can_be_longer(&self) -> bool {
        self.longer_verbs().next().is_some()
    }

    /// The next word of verbs, each once.
    fn verbs(&self) -> Vec<Offer> {
        let mut offers: Vec<Offer> = Vec::new();
        for (verb, next) in self.longer_verbs() {
            let is_whole = verb.name.split(' ').count() == self.words.len() + 1;
            match offers.iter_mut().find(|offer| offer.word == next) {
                None if is_whole => offers.push(Offer::new(next, verb.summary)),
                None => offers.push(Offer::new(next, verb.name)),
                // `session` is no verb, but the first word of several.
                Some(first) if first.about.starts_with(next) => first.about += &format!(", {}", verb.name),
                Some(_) => {}
            }
        }
        offers
    }

    /// The options that have not been given, the verb's own first.
    fn options(&self, verb: Option<&'static Verb>) -> Vec<Offer> {
        let is_possible = |opt: &&Opt| {
            let by_option = verbs::named(opt.name);
            let is_with_verb = match (by_option, verb) {
                (None, verb) if !opt.verbs.is_empty() => {
                    let has = |verb: &Verb| opt.verbs.contains(&verb.name);
                    verb.is_some_and(has) || opt.verbs.iter().any(|name| self.flags.has(name))
                }
                (None, Some(verb)) if opt.name == OUTPUT => verb.schema.is_some(),
                (None, _) | (Some(_), None) => true,
                (Some(_), Some(verb)) => verb.daemon.is_some() && opt.name == "--daemon",
            };
            is_with_verb && !self.flags.has(opt.name)
        };
        let mut rows: Vec<&Opt> = OPTIONS.iter().filter(is_possible).collect();
        rows.sort_by_key(|opt| opt.verbs.is_empty());
        let offer = |opt: &&Opt| Offer::new(opt.name, help::brief(help::about(opt)));
        let mut offers: Vec<Offer> = rows.iter().map(offer).collect();
        offers.push(Offer::new("--help", "print help"));
        if self.words.is_empty() {
            offers.push(Offer::new(verbs::VERSION, verbs::row(verbs::VERSION).summary));
        }
        offers
    }

    fn values(&self, row: &Opt, host: &Host) -> Vec<Offer> {
        match row.kind {
            Kind::OneOf(values) => plain(values.iter().copied()),
            Kind::Path => plain([FILES]),
            Kind::Region => plain(region::names()),
            Kind::Text if ["--profile", "--profile-name"].contains(&row.name) => self.profiles(host),
            Kind::Text if row.value == "VAR" => {
                plain(host.env.iter().filter_map(|(name, _)| name.to_str()).filter(|name| is_name(name)))
            }
            Kind::Flag
            | Kind::Text
            | Kind::Secret
            | Kind::Url
            | Kind::Issuer
            | Kind::Parameters
            | Kind::Ocid
            | Kind::Command
            | Kind::Number { .. }
            | Kind::Ports
            | Kind::UrlPath => Vec::new(),
        }
    }

    /// The profiles in the files that the line names. A file that cannot be read has none: a person who types wants no
    /// message.
    fn profiles(&self, host: &Host) -> Vec<Offer> {
        let found = Config::find(host, &self.flags).and_then(|config| config.profiles(host, &self.flags));
        plain(found.unwrap_or_default().iter().map(|profile| profile.as_str()))
    }

    /// What the verb takes next: a word, else one of its own options.
    fn words_of(&self, verb: &'static Verb, host: &Host) -> Vec<Offer> {
        let given = &self.words[verb.name.split(' ').count()..];
        if verb.name == HELP {
            return topics(given);
        }
        let places = places(verb);
        match places.get(given.len()).or(places.last().filter(|place| **place == Place::Any)) {
            Some(Place::OneOf(words)) => plain(words.split('|')),
            Some(Place::Key) => plain(OPTIONS.iter().filter_map(|opt| opt.key)),
            Some(Place::Value) => {
                let key = given.last().and_then(|key| key.to_str()).and_then(crate::options::find_key);
                match key {
                    Some(row) if row.kind == Kind::Flag => plain(["true", "false"]),
                    Some(row) => self.values(row, host),
                    None => Vec::new(),
                }
            }
            Some(Place::Program) => plain([PROGRAMS]),
            Some(Place::Any) => plain([FILES]),
            None if self.is_after_dashes => Vec::new(),
            None => {
                let own = |offer: &Offer| {
                    OPTIONS.iter().any(|opt| opt.name == offer.word && opt.verbs.contains(&verb.name))
                };
                self.options(Some(verb)).into_iter().filter(own).collect()
            }
        }
    }
}

impl Offer {
    /// As the value behind `name=`.
    fn after(self, name: &str) -> Self {
        let word = if self.word.starts_with(':') { self.word } else { format!("{name}={}", self.word) };
        Self { word, ..self }
    }
}

/// What a verb takes in one place after its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// One of these, with `|` between them.
    OneOf(&'static str),
    /// A key of woci_manager.ini.
    Key,
    /// A value of the key before it.
    Value,
    Program,
    /// This word and all others are of the program.
    Any,
}

/// Reads what help shows of a verb's words: `bash|zsh|fish`, `KEY VALUE`, `[--] PROGRAM [ARGUMENTS]`.
fn places(verb: &Verb) -> Vec<Place> {
    let words = verb.words.split([' ', '[', ']', '…']).filter(|word| !word.is_empty() && *word != "--");
    words.filter_map(place).collect()
}

fn place(word: &'static str) -> Option<Place> {
    match word {
        "KEY" => Some(Place::Key),
        "VALUE" => Some(Place::Value),
        "PROGRAM" => Some(Place::Program),
        "ARGUMENT" | "ARGUMENTS" | "ARGS" => Some(Place::Any),
        word if word.contains('|') => Some(Place::OneOf(word)),
        _ => None,
    }
}

/// What `woci help` explains.
fn topics(given: &[OsString]) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    for (name, summary) in help::subjects() {
        let name = name.trim_start_matches("--");
        let mut words = name.split(' ');
        let begins = given.iter().all(|word| words.next().is_some_and(|name| word == name));
        if let Some(next) =
            words.next().filter(|next| begins && offers.iter().all(|offer| offer.word != *next))
        {
            offers.push(Offer::new(next, if words.next().is_none() { summary } else { "" }));
        }
    }
    offers
}

/// Whether a variable of this name can be written in a config.
fn is_name(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A word of a command line without the quotes in which it stands there.
fn unquoted(word: &OsString) -> OsString {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    match <[Vec<u8>; 1]>::try_from(command::split(word.as_bytes()).words) {
        Ok([only]) => OsString::from_vec(only),
        Err(_) => word.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Home;

    fn words(line: &[&str]) -> Vec<String> {
        let home = Home::new();
        home.put(".oci/woci_manager.ini", "[prod]\n[work]\n");
        let host = Host::of(home.root(), &[("PATH", "/nowhere"), ("VAULT_TOKEN", "a"), ("a-b", "c")]);
        let typed: Vec<OsString> = line.iter().map(OsString::from).collect();
        let answer = complete(&host, &typed);
        answer.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn every_verb_is_reached_word_by_word() {
        for verb in VERBS.iter().filter(|verb| verb.form == Form::Words) {
            let names: Vec<&str> = verb.name.split(' ').collect();
            for n in 0..names.len() {
                let line = [&names[..n], &[""]].concat();
                assert!(words(&line).contains(&names[n].to_owned()), "{}: {line:?}", verb.name);
            }
        }
    }

    #[test]
    fn every_option_is_offered_where_it_is_accepted() {
        for opt in OPTIONS {
            let verbs = if opt.verbs.is_empty() { &["credential"] } else { opt.verbs };
            for verb in verbs {
                let mut line: Vec<&str> = verb.split(' ').collect();
                if verbs::named(opt.name).is_some() {
                    line.clear();
                }
                line.push(opt.name);
                assert_eq!(words(&line)[0], opt.name, "{line:?}");
            }
        }
    }

    #[test]
    fn every_word_that_a_verb_takes_is_understood() {
        for verb in VERBS.iter().filter(|verb| verb.form == Form::Words && verb.name != HELP) {
            for word in verb.words.split([' ', '[', ']', '…']).filter(|word| !["", "--"].contains(word)) {
                assert!(
                    place(word).is_some(),
                    "completion does not know what {word} of `woci {}` is",
                    verb.name
                );
            }
        }
        let program = Verb { words: "[--] PROGRAM [ARGUMENTS]", ..row("config set") };
        assert_eq!(places(&program), [Place::Program, Place::Any]);
        assert_eq!(places(&Verb { words: "KEY VALUE", ..row("config set") }), [Place::Key, Place::Value]);
    }

    fn row(name: &'static str) -> Verb {
        Verb {
            name,
            form: Form::Words,
            words: "",
            summary: "",
            listed: true,
            runs_program: false,
            about: "",
            schema: None,
            daemon: None,
            answer: verbs::Answer::Help,
        }
    }

    #[test]
    fn values_are_offered_by_their_kind() {
        for (line, expected) in [
            (&["--profile", ""][..], &["prod", "work"][..]),
            (&["--sign-in", ""], &["auto", "never"]),
            (&["--sign-in=n"], &["--sign-in=never"]),
            (&["--config-file", ""], &[FILES]),
            (&["--config-file=~/"], &[FILES]),
            (&["--client-secret-env", ""], &["PATH", "VAULT_TOKEN"]),
            (&["--client-secret", ""], &[]),
            (&["--client-secret="], &[]),
            (&["--profile", "prod", "env", "--shell", "f"], &["fish"]),
            // Without oci, and behind its words, the shell completes files.
            (&["os", "ns", ""], &[FILES]),
            (&["--", "session", ""], &[FILES]),
            (&["os", "ns", "--config-file", ""], &[FILES]),
            (&["env", "--", ""], &[]),
            (&["unkn"], &[]),
            (&[], &[]),
        ] {
            assert_eq!(words(line), expected, "{line:?}");
        }
    }
}
