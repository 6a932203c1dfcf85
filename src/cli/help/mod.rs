//! Help: `woci --help` on one screen, a page for each verb, and the topics. All of it is written from the tables of
//! verbs, options and topics, in 80 columns.

use std::ffi::OsString;

use crate::error::{Error, Result};
use crate::options::{Group, OPTIONS, Opt};
use crate::verbs::{self, Form, PASSTHROUGH, VERBS, Verb};

mod secrets;
mod topics;
mod workloads;

pub(super) use topics::{
    ABOUT_EXIT_CODES, ABOUT_FILES, CONFIGURATION, EXIT_CODES, File, OF_ALL_SESSIONS, SESSION, TOPICS,
};

const WIDTH: usize = 80;
/// Where the text begins beside a name on the first screen.
const COLUMN: usize = 25;

const USAGE: &str = "\
woci: a fresh Oracle Cloud session for oci, kubectl, Terraform and shells

Usage:
  woci [OPTIONS] [--] OCI-COMMAND   run an oci command with a valid session
  woci [OPTIONS]                    print the session as JSON
  woci [OPTIONS] VERB               do one of these

Verbs:
";

pub(super) const EXAMPLES: &str = "
Examples:
  woci session authenticate --region eu-frankfurt-1   sign in, no set-up
  woci os ns get                                      run `oci os ns get`
";

pub(super) const ABOUT_OPTIONS: &str = "\
woci's options stand anywhere before a lone `--`, as --option value or --option=value. What follows `--` goes to \
oci as it is. With exec, they stand before the program's name.

A value comes from the option, else the variable, else the key in the profile's section of woci_manager.ini, else \
the key in its section [COMMON], else the default. An empty key counts as unset, and hides the one in [COMMON]. \
Values marked (required) are needed only for a sign-in or a refresh.";

/// What `woci help` says about this: all, a verb or a topic.
pub fn help(about: &[OsString]) -> Result<String> {
    let about: Vec<_> = about.iter().map(|word| word.to_string_lossy()).collect();
    let about = about.join(" ");
    if about.is_empty() {
        return Ok(overview());
    }
    if let Some(topic) = TOPICS.iter().find(|topic| topic.name == about) {
        return Ok((topic.text)());
    }
    // `woci help daemon` is asked more readily than `woci help --daemon`.
    let is_meant = |verb: &&Verb| verb.name == about || verb.name.strip_prefix("--") == Some(&*about);
    match explained().find(is_meant) {
        Some(verb) => Ok(of_verb(verb)),
        None => {
            let names = explained().map(|verb| verb.name).chain(TOPICS.iter().map(|topic| topic.name));
            Err(Error::UnknownTopic { topic: about, topics: names.collect::<Vec<_>>().join(", ") })
        }
    }
}

/// What `help` explains, and a line about each.
pub(super) fn subjects() -> impl Iterator<Item = (&'static str, &'static str)> {
    let verbs = explained().map(|verb| (verb.name, verb.summary));
    verbs.chain(TOPICS.iter().map(|topic| (topic.name, topic.summary)))
}

/// The verbs that have a page.
pub(super) fn explained() -> impl Iterator<Item = &'static Verb> {
    VERBS.iter().filter(|verb| verb.form != Form::HiddenWords)
}

fn overview() -> String {
    let mut text = USAGE.to_owned();
    // How to run an oci command stands in the usage, and --version at the end.
    let listed =
        explained().filter(|verb| verb.listed && ![PASSTHROUGH, verbs::VERSION].contains(&verb.name));
    text.extend(listed.map(|verb| entry(2, COLUMN, verb.name, verb.summary)));
    text.push_str("\nThe options that you may need (anywhere before a lone `--`):\n");
    let essential = OPTIONS.iter().filter(|opt| opt.essential);
    text.extend(essential.map(|opt| entry(2, COLUMN, &form(opt), brief(opt.help))));
    text.push_str(EXAMPLES);
    text.push_str("\nMore:\n");
    text += &entry(2, COLUMN, "woci help VERB", "about one verb; also `woci VERB --help`");
    let topics: Vec<&str> = TOPICS.iter().map(|topic| topic.name).collect();
    text + &entry(2, COLUMN, "woci help TOPIC", &topics.join(", "))
}

/// What an option is or does. For an option that is a verb, the verb says so.
pub(super) fn about(opt: &Opt) -> &'static str {
    verbs::named(opt.name).map_or(opt.help, |verb| verb.summary)
}

/// What an option is, without the rules.
pub(super) fn brief(help: &str) -> &str {
    help.split(';').next().unwrap_or_default()
}

fn of_verb(verb: &Verb) -> String {
    let own: Vec<&Opt> = OPTIONS.iter().filter(|opt| opt.verbs.contains(&verb.name)).collect();
    let mut text = paragraphs(&format!("{}: {}", typed(verb), verb.summary));
    let name = match verb.form {
        Form::OciCommand => "[--]",
        Form::Words | Form::HiddenWords | Form::Option => verb.name,
    };
    let mut usage = format!("woci [OPTIONS] {name} {}", verb.words).trim_end().to_owned();
    usage.extend(own.iter().map(|opt| match opt.required {
        true => format!(" {}", form(opt)),
        false => format!(" [{}]", form(opt)),
    }));
    text += "\nUsage:\n";
    text += &wrapped(&usage, 2, 6);
    if !verb.about.is_empty() {
        text.push('\n');
        text += &paragraphs(verb.about);
    }
    if let Some(schema) = verb.schema {
        text += "\nPrints a JSON document:\n";
        text += &format!("  schemas/{schema}.schema.json\n");
    }
    if !own.is_empty() {
        text += &format!("\nOptions of {} alone:\n", typed(verb));
        text.extend(own.iter().map(|opt| described(opt, false)));
    }
    text + "\nwoci's general options apply too: see `woci help options`.\n"
}

fn typed(verb: &Verb) -> String {
    match verb.form {
        Form::OciCommand => format!("woci {}", verb.words),
        Form::Words | Form::HiddenWords | Form::Option => format!("woci {}", verb.name),
    }
}

/// All options, for the topic `options`.
fn options() -> String {
    let mut text = paragraphs(ABOUT_OPTIONS);
    for group in Group::ALL {
        text.push_str(&format!("\n{}:\n", group.title()));
        text.extend(OPTIONS.iter().filter(|opt| opt.group == group).map(|opt| described(opt, true)));
    }
    text.push_str("\nOthers:\n");
    text += &entry(2, COLUMN, "-h, --help", "print help");
    text + &entry(2, COLUMN, "-V, --version", "print woci's version")
}

/// An option with all of its row. Its verbs are left out on the page of one of them.
fn described(opt: &Opt, with_verbs: bool) -> String {
    let mut text = format!("  {}\n", form(opt)) + &wrapped(about(opt), 6, 6);
    if with_verbs && !opt.verbs.is_empty() {
        text += &wrapped(&format!("only with {}", opt.verbs.join(" and ")), 6, 6);
    }
    if opt.forwarded {
        text += &wrapped("also given to oci", 6, 6);
    }
    if opt.clashes_with_oci {
        text += &wrapped("give it before the oci command: some oci commands have the same option", 6, 6);
    }
    let facts = [("default", opt.default), ("key", opt.key), ("variable", opt.variable)];
    for (name, value) in facts {
        text.extend(value.map(|value| wrapped(&format!("{name}: {value}"), 6, 8)));
    }
    text + &wrapped(&format!("example: {}", opt.example), 6, 8)
}

/// `--option VALUE`.
fn form(opt: &Opt) -> String {
    format!("{} {}", opt.name, opt.value).trim_end().to_owned()
}

/// A name, and its text beside it from a column on; below it if the name is too long for that.
fn entry(indent: usize, column: usize, name: &str, text: &str) -> String {
    let text = wrapped(text, column, column);
    let name = format!("{:indent$}{name}", "");
    if name.chars().count() + 2 > column {
        return format!("{name}\n{text}");
    }
    format!("{name:column$}{}", &text[column..])
}

/// Paragraphs with a blank line between them. A line that begins with a blank stays as it is.
fn paragraphs(text: &str) -> String {
    text.lines()
        .map(|line| match line.starts_with(' ') || line.is_empty() {
            true => format!("{line}\n"),
            false => wrapped(line, 0, 0),
        })
        .collect()
}

/// The words of a text in lines of at most 80 columns: the first begins at one column, the others at another.
fn wrapped(text: &str, first: usize, others: usize) -> String {
    let mut lines = " ".repeat(first);
    let mut column = first;
    let mut begins = true;
    for word in text.split(' ') {
        let width = word.chars().count();
        if !begins && column + 1 + width > WIDTH {
            lines.push('\n');
            lines.push_str(&" ".repeat(others));
            column = others;
        } else if !begins {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += width;
        begins = false;
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden;

    fn about(name: &str) -> String {
        help(&[name.into()]).unwrap()
    }

    #[test]
    fn all_help() {
        golden::check("help/woci.txt", &help(&[]).unwrap());
        for verb in explained() {
            golden::check(
                &format!("help/{}.txt", verb.name.trim_start_matches("--").replace(' ', "-")),
                &about(verb.name),
            );
        }
        for topic in TOPICS {
            golden::check(&format!("help/{}.txt", topic.name), &about(topic.name));
        }
    }

    #[test]
    fn help_fits_the_screen() {
        assert!(overview().lines().count() <= 45, "{} lines", overview().lines().count());
        let pages = explained().map(|verb| verb.name).chain(TOPICS.iter().map(|topic| topic.name));
        for page in pages.map(about).chain([overview()]) {
            for line in page.lines() {
                assert!(line.chars().count() <= WIDTH && !line.ends_with(' '), "{line}");
            }
        }
    }

    #[test]
    fn the_first_screen_names_every_verb_and_topic_and_ten_options() {
        let screen = overview();
        for verb in
            explained().filter(|verb| verb.listed && ![PASSTHROUGH, verbs::VERSION].contains(&verb.name))
        {
            let is_named = |line: &str| line.starts_with(&format!("  {} ", verb.name));
            assert!(screen.lines().any(is_named), "{}", verb.name);
        }
        for topic in TOPICS {
            let topics = screen.lines().last().unwrap().split([' ', ',']);
            assert!(topics.into_iter().any(|named| named == topic.name), "{}", topic.name);
        }
        for opt in OPTIONS.iter().filter(|opt| opt.essential) {
            assert!(screen.contains(&form(opt)), "{}", opt.name);
        }
    }

    #[test]
    fn every_option_has_a_page() {
        for opt in OPTIONS {
            assert!(about("options").contains(&format!("\n  {}\n", form(opt))), "{}", opt.name);
            for verb in opt.verbs {
                assert!(about(verb).contains(&format!("\n  {}\n", form(opt))), "{} of {verb}", opt.name);
            }
        }
    }

    #[test]
    fn an_unknown_topic_lists_the_known_ones() {
        let Err(Error::UnknownTopic { topic, topics }) = help(&["session".into(), "x".into()]) else {
            panic!("there is help for it")
        };
        assert_eq!(topic, "session x");
        for name in explained().map(|verb| verb.name).chain(TOPICS.iter().map(|topic| topic.name)) {
            assert!(topics.split(", ").any(|listed| listed == name), "{name}");
        }
        assert!(help(&["nonsense".into()]).is_err() && help(&["__daemon".into()]).is_err());
        assert_eq!(about("daemon"), about("--daemon"));
    }
}
