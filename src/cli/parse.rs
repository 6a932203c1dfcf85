//! Parses the command line in one pass, by the tables of options and verbs: removes woci's options,
//! finds the verb, and leaves the arguments for oci unchanged and in order.
//!
//! pico-args only converts the value of one option to text, and refuses a value that is not UTF-8.
//! woci first decides that the option is its own and where the value ends, and then gives pico-args
//! this single pair. pico-args must not see the whole command line: it would also find options among
//! oci's words and after `--`, and its results depend on the order of the queries. It also strips
//! quotes from `--option="value"`, refuses `--option=`, and misses an `--option=value` that is not
//! UTF-8.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use pico_args::Arguments;

use crate::error::{Error, Result};
use crate::oci::command_line;
use crate::options::{self, Flags, Kind, OPTIONS, OUTPUT, Opt};
use crate::verbs::{self, CREDENTIAL, Form, HELP, Invocation, PASSTHROUGH, VERBS, VERSION, Verb};

/// # Errors
/// All have exit code 2: an option without its value, given twice, ambiguous, or not of this verb.
pub fn parse(args: Vec<OsString>) -> Result<Invocation> {
    let mut line = Line::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        if names_program(&line.words) {
            line.words.extend(std::iter::once(arg).chain(args.by_ref()));
        } else if arg == "--" {
            line.take_after_dashes(args.by_ref().collect());
        } else {
            line.take(arg, &mut args)?;
        }
    }
    line.invocation()
}

#[derive(Default)]
struct Line {
    flags: Flags,
    /// The options that only the verb has.
    own: Flags,
    /// The arguments for oci: the words, and the options that both programs read.
    for_oci: Vec<OsString>,
    /// The words without those options. The first words decide whether the command is woci's or oci's.
    words: Vec<OsString>,
    /// How many of the words came before a lone `--`. Only those can name a verb of woci.
    before_dashes: usize,
    /// An option that could be oci's too and came after an oci word.
    ambiguous: Option<&'static str>,
    /// The verb that `--help` or `--version` requests: HELP or VERSION.
    asked: Option<&'static str>,
}

impl Line {
    fn take(&mut self, arg: OsString, rest: &mut impl Iterator<Item = OsString>) -> Result<()> {
        let is_wocis = is_wocis(&self.words);
        if is_wocis && let Some(asked) = help_or_version(&arg) {
            self.asked.get_or_insert(asked);
            return Ok(());
        }
        let (name, inline) = split(&arg);
        let Some(row) = option(&self.words, name) else {
            if let Some(verb) = runner(&self.words)
                && arg.as_bytes().starts_with(b"-")
                && arg.len() > 1
            {
                let word = arg.to_string_lossy().into_owned();
                return Err(Error::NotOfVerb { verb: verb.name.into(), word });
            }
            self.for_oci.push(arg.clone());
            self.words.push(arg);
            self.before_dashes = self.words.len();
            return Ok(());
        };
        if row.clashes_with_oci && !is_wocis {
            self.ambiguous.get_or_insert(row.name);
        }
        let is_inline = inline.is_some();
        let value = value(row, inline.map(OsStr::to_owned), rest)?;
        let text = text(row, &value)?;
        if row.forwarded {
            self.for_oci.push(arg);
            self.for_oci.extend((!is_inline).then_some(value));
            self.flags.set(row.name, text);
            return Ok(());
        }
        let flags = if options::find(name).is_some() { &mut self.flags } else { &mut self.own };
        if flags.get(row.name).is_some_and(|before| before != text) {
            return Err(Error::OptionTwice { option: row.name.into() });
        }
        flags.set(row.name, text);
        Ok(())
    }

    /// All arguments after `--` go to oci, or are the program that a verb runs. Of those for oci, woci also reads the options
    /// that both have (such as `--profile`), because oci obeys them and the session must match.
    fn take_after_dashes(&mut self, args: Vec<OsString>) {
        if runner(&self.words).is_some() {
            self.words.extend(args);
            return;
        }
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let (name, inline) = split(arg);
            if let Some(row) = options::find(name).filter(|row| row.forwarded)
                && let Some(text) =
                    inline.or_else(|| rest.next().map(OsString::as_os_str)).and_then(OsStr::to_str)
            {
                self.flags.set(row.name, text.to_owned());
            }
        }
        self.for_oci.extend(args.iter().cloned());
        self.words.extend(args);
    }

    fn invocation(mut self) -> Result<Invocation> {
        let named = verbs::of_words(&self.words[..self.before_dashes]);
        let mut by_option =
            VERBS.iter().filter(|verb| verb.form == Form::Option && self.flags.has(verb.name));
        let (first, second) = (by_option.next(), by_option.next());
        if self.asked == Some(VERSION) {
            return Ok(self.run(verbs::row(VERSION), verbs::row(CREDENTIAL), Vec::new()));
        }
        if self.asked == Some(HELP) || named.is_some_and(|verb| verb.name == HELP) {
            let topic = self.topic(named, first);
            return Ok(self.run(verbs::row(HELP), verbs::row(HELP), topic));
        }

        let beside = match named {
            Some(verb) => verb,
            None if self.words.is_empty() => verbs::row(CREDENTIAL),
            None => {
                refuse_typing_error(&self.words[..self.before_dashes])?;
                verbs::row(PASSTHROUGH)
            }
        };
        let words = match beside.form {
            Form::OciCommand => std::mem::take(&mut self.for_oci),
            Form::Words | Form::HiddenWords | Form::Option => self.words_after(named),
        };
        if beside.form == Form::OciCommand
            && let Some(option) = self.ambiguous
        {
            return Err(Error::OptionAfterOciWord { option: option.into() });
        }
        if beside.form != Form::OciCommand
            && beside.words.is_empty()
            && let Some(word) = words.first()
        {
            return Err(Error::NotOfVerb { verb: beside.name.into(), word: word.to_string_lossy().into() });
        }
        if let (Some(one), Some(other)) = (first, second) {
            return Err(Error::Conflict { one: one.name.into(), other: other.name.into() });
        }
        let verb = first.unwrap_or(beside);
        self.check_options_of(verb)?;
        self.check_output(verb)?;
        Ok(self.run(verb, beside, words))
    }

    fn run(self, verb: &'static Verb, beside: &'static Verb, words: Vec<OsString>) -> Invocation {
        let without_session =
            verb.form == Form::OciCommand && runs_without_session(&self.words, self.flags.get("--auth"));
        Invocation { verb, beside, flags: self.flags, own: self.own, words, without_session }
    }

    /// The subject of the help request: the words after `help`, otherwise the verb given together
    /// with `--help`.
    fn topic(&self, named: Option<&Verb>, by_option: Option<&Verb>) -> Vec<OsString> {
        let verb = match named {
            Some(verb) if verb.name == HELP => {
                let words = self.words_after(named);
                if !words.is_empty() {
                    return words;
                }
                if self.asked.is_some() { Some(verb) } else { by_option }
            }
            Some(verb) => Some(verb),
            None => by_option,
        };
        verb.map(|verb| verb.name.into()).into_iter().collect()
    }

    fn words_after(&self, verb: Option<&Verb>) -> Vec<OsString> {
        let length = verb.map_or(0, |verb| verb.name.split(' ').count());
        self.words[length..].to_vec()
    }

    /// The value of `--output`, if it is woci's.
    fn check_output(&self, verb: &Verb) -> Result<()> {
        let Some(value) = self.flags.get(OUTPUT) else { return Ok(()) };
        match verb.form {
            Form::OciCommand | Form::HiddenWords => Ok(()),
            Form::Words | Form::Option if verb.schema.is_none() => {
                Err(Error::NotOfVerb { verb: verb.name.into(), word: OUTPUT.into() })
            }
            Form::Words | Form::Option if matches!(value, "json" | "text") => Ok(()),
            Form::Words | Form::Option => {
                Err(Error::BadValue { name: OUTPUT.into(), why: "it is none of json, text".into() })
            }
        }
    }

    /// Refuses an option that belongs to another verb, and a missing option that this verb requires.
    fn check_options_of(&self, verb: &Verb) -> Result<()> {
        for row in self.flags.iter().filter_map(|(name, _)| options::find(name)) {
            if !row.verbs.is_empty() && !row.verbs.contains(&verb.name) {
                let option = row.name.to_owned();
                return Err(match verb.form {
                    Form::Option => Error::Conflict { one: option, other: verb.name.into() },
                    Form::Words | Form::HiddenWords | Form::OciCommand => {
                        Error::OptionNeedsOther { option, other: row.verbs.join(" or ") }
                    }
                });
            }
        }
        let mut needed = OPTIONS.iter().filter(|row| row.required && row.verbs.contains(&verb.name));
        match needed.find(|row| !self.own.has(row.name)) {
            Some(row) => Err(Error::OptionMissing { verb: verb.name.into(), option: row.name.into() }),
            None => Ok(()),
        }
    }
}

/// What people type for a verb that has another name.
const SLIPS: [(&str, &str); 7] = [
    ("authenticate", "session authenticate"),
    ("configure", "config init"),
    ("daemon", "--daemon"),
    ("init", "config init"),
    ("login", "session authenticate"),
    ("refresh", "session refresh"),
    ("whoami", "credential"),
];

/// A typing error signs nobody in: refuses a first word, or an option before it, that oci does not have and that is
/// near one of woci's. Anything else that is unknown is oci's.
fn refuse_typing_error(words: &[OsString]) -> Result<()> {
    let mut words = words.iter().map(|word| word.to_str().unwrap_or_default());
    let first = loop {
        let Some(word) = words.next() else { return Ok(()) };
        if !word.starts_with('-') {
            break word;
        }
        let (option, inline) =
            word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value)));
        match (command_line::takes_value(option), near_option(option)) {
            (Some(true), _) if inline.is_none() => drop(words.next()),
            (Some(_), _) => {}
            (None, Some(meant)) => return Err(Error::UnknownOption { option: option.to_owned(), meant }),
            // Whether the next word is its value is not known.
            (None, None) => return Ok(()),
        }
    };
    if first == "session"
        && let Some(second) = words.clone().next()
        && let Some(meant) = near_session_verb(second)
    {
        return Err(Error::UnknownWord { word: format!("{first} {second}"), meant: meant.to_owned() });
    }
    if command_line::has_first_word(first) {
        return Ok(());
    }
    let given: Vec<&str> = std::iter::once(first).chain(words).collect();
    match near_verb(&given) {
        Some(meant) => Err(Error::UnknownWord { word: first.to_owned(), meant: meant.to_owned() }),
        None => Ok(()),
    }
}

/// The commands of oci's group `session` (oci-cli 3.95.1). woci has two of them itself.
const OF_SESSION: [&str; 6] = ["authenticate", "export", "import", "refresh", "terminate", "validate"];

/// The verb that was probably meant by the word after `session`.
fn near_session_verb(second: &str) -> Option<&'static str> {
    if OF_SESSION.contains(&second) {
        return None;
    }
    let verbs = VERBS.iter().filter_map(|verb| Some((verb.name, verb.name.strip_prefix("session ")?)));
    let near = |(name, word)| options::difference(second, word).map(|difference| (difference, name));
    verbs.filter_map(near).min().map(|(_, name)| name)
}

/// The verb that was probably meant.
fn near_verb(given: &[&str]) -> Option<&'static str> {
    let names = VERBS
        .iter()
        .filter(|verb| matches!(verb.form, Form::Words | Form::HiddenWords) && !verb.name.starts_with("__"))
        .map(|verb| (verb.name, verb.name));
    let near = |(typed, meant): (&'static str, &'static str)| {
        // As many words as were given.
        let count = typed.split(' ').count().min(given.len());
        let name = typed.split(' ').take(count).collect::<Vec<_>>().join(" ");
        options::difference(&given[..count].join(" "), &name).map(|difference| (difference, meant))
    };
    names.chain(SLIPS).filter_map(near).min().map(|(_, meant)| meant)
}

/// The option that was probably meant, with its verb if only that one has it.
fn near_option(option: &str) -> Option<String> {
    let without_session = option.strip_prefix("--")?;
    let asked = [("--help", None), (VERSION, None)];
    let rows = OPTIONS.iter().map(|row| (row.name, row.verbs.first().filter(|verb| !verb.starts_with("--"))));
    let near = |(name, verb): (&'static str, Option<&&'static str>)| {
        options::difference(without_session, name.trim_start_matches('-'))
            .map(|difference| (difference, name, verb.copied()))
    };
    let (_, name, verb) = asked.into_iter().chain(rows).filter_map(near).min()?;
    Some(verb.map_or_else(|| name.to_owned(), |verb| format!("{verb} {name}")))
}

/// The verb that runs a program, if that was asked for.
fn runner(words: &[OsString]) -> Option<&'static Verb> {
    verbs::of_words(words).filter(|verb| verb.runs_program)
}

/// Whether the program that the verb runs was named. woci reads nothing after its name, as `env` and `sudo` do.
pub(super) fn names_program(words: &[OsString]) -> bool {
    runner(words).is_some_and(|verb| words.len() > verb.name.split(' ').count())
}

/// Whether the command is woci's after these words: there are none yet, or they are a verb.
pub(super) fn is_wocis(words: &[OsString]) -> bool {
    words.is_empty() || verbs::of_words(words).is_some()
}

/// The row of this name, if the option is woci's after these words.
pub(super) fn option(words: &[OsString], name: &str) -> Option<&'static Opt> {
    let row = options::find(name).or_else(|| options::find_of_verb(verbs::of_words(words)?.name, name));
    // After an oci word, `--output` is oci's.
    row.filter(|row| is_wocis(words) || row.name != OUTPUT)
}

/// The verb that `--help` or `--version` requests.
pub(super) fn help_or_version(arg: &OsStr) -> Option<&'static str> {
    match arg.to_str()? {
        "-h" | "--help" => Some(HELP),
        "-V" | VERSION => Some(VERSION),
        _ => None,
    }
}

/// Whether oci runs without a session from woci: for `session` and `setup`, with another `--auth`,
/// and for oci's `--help` and `--version`.
fn runs_without_session(words: &[OsString], auth: Option<&str>) -> bool {
    let first = words.first().and_then(|word| word.to_str());
    let asks = |(n, word): (usize, &OsString)| match word.to_str() {
        Some("-h" | "--help") => true,
        // Some oci commands have an option of this name that takes a value.
        Some("--version") => words.get(n + 1).is_none_or(|next| next.as_bytes().starts_with(b"-")),
        _ => false,
    };
    matches!(first, Some("session" | "setup"))
        || auth.is_some_and(|auth| auth != "security_token")
        || words.iter().enumerate().any(asks)
}

/// Splits `--name=value` at its first `=`; anything else is a name alone.
pub(super) fn split(arg: &OsStr) -> (&str, Option<&OsStr>) {
    let bytes = arg.as_bytes();
    let cut = bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len());
    let name = std::str::from_utf8(&bytes[..cut]).unwrap_or_default();
    (name, bytes.get(cut + 1..).map(OsStr::from_bytes))
}

fn value(row: &Opt, inline: Option<OsString>, rest: &mut impl Iterator<Item = OsString>) -> Result<OsString> {
    let option = row.name.to_owned();
    if row.kind == Kind::Flag {
        return match inline {
            Some(_) => Err(Error::OptionWithValue { option }),
            None => Ok(OsString::new()),
        };
    }
    match inline.or_else(|| rest.next()) {
        Some(value) if !value.is_empty() && value != "--" => Ok(value),
        _ => Err(Error::OptionWithoutValue { option }),
    }
}

/// A value as UTF-8.
fn text(row: &Opt, value: &OsStr) -> Result<String> {
    let mut pair = Arguments::from_vec(vec![row.name.into(), value.to_owned()]);
    pair.value_from_os_str(row.name, |value| value.to_str().map(str::to_owned).ok_or("not UTF-8"))
        .map_err(|_| Error::OptionNotText { option: row.name.into() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use proptest::prelude::*;

    use super::*;

    fn line(args: &[&str]) -> Result<Invocation> {
        parse(args.iter().map(OsString::from).collect())
    }

    fn verb(args: &[&str]) -> &'static str {
        line(args).unwrap().verb.name
    }

    /// What oci gets, and whether it runs without a session.
    fn words(args: &[&str]) -> (Vec<String>, bool) {
        let Invocation { verb, words, without_session, .. } = line(args).unwrap();
        assert_eq!(verb.name, PASSTHROUGH, "{args:?}");
        (words.into_iter().map(|word| word.into_string().unwrap()).collect(), without_session)
    }

    #[test]
    fn no_words_mean_the_verb_credential() {
        for args in
            [&[][..], &["--"], &["--profile", "p"], &["--scope=s", "--log-level", "DEBUG"], &["credential"]]
        {
            assert_eq!(verb(args), CREDENTIAL, "{args:?}");
        }
    }

    #[test]
    fn what_follows_a_program_is_the_programs() {
        for (args, profile, expected) in [
            (
                &["exec", "terraform", "plan", "-out", "x", "--profile", "y"][..],
                None,
                "terraform plan -out x --profile y",
            ),
            (
                &["--profile", "p", "exec", "--profile=q", "x", "--help", "--", "-V"],
                Some("q"),
                "x --help -- -V",
            ),
            (&["exec", "--auto-refresh", "--", "--profile", "-x", "--scope"], None, "--profile -x --scope"),
            (&["exec", "--", "--", "x"], None, "-- x"),
            (&["exec", "-", "exec", "--daemon"], None, "- exec --daemon"),
            (&["exec", "x", "--scope", "--redirect-port", ""], None, "x --scope --redirect-port "),
            (&["exec"], None, ""),
            (&["exec", "--"], None, ""),
        ] {
            let invocation = line(args).unwrap();
            assert_eq!(
                (invocation.verb.name, invocation.flags.get("--profile")),
                ("exec", profile),
                "{args:?}"
            );
            assert_eq!(invocation.words.join(OsStr::new(" ")), *expected, "{args:?}");
        }
        for args in [&["exec", "--help"][..], &["exec", "--profile", "p", "-h"], &["--help", "exec", "x"]] {
            assert_eq!(line(args).unwrap().words, ["exec"], "{args:?}");
        }
        for word in ["--out", "-x", "--shell"] {
            let expected = Error::NotOfVerb { verb: "exec".into(), word: word.into() };
            assert_eq!(line(&["exec", word, "x"]).unwrap_err(), expected);
        }
        assert!(matches!(line(&["--daemon", "exec", "x"]).unwrap().verb.name, "--daemon"));
        let bytes = OsString::from_vec(vec![b'-', 0xff]);
        assert_eq!(parse(vec!["exec".into(), "x".into(), bytes.clone()]).unwrap().words, ["x".into(), bytes]);
    }

    #[test]
    fn wocis_options_are_taken_out_anywhere_before_the_dashes() {
        assert_eq!(
            words(&["--redirect-port", "1", "iam", "--sign-in=never", "user", "--", "--scope", "x"]),
            (vec!["iam".into(), "user".into(), "--scope".into(), "x".into()], false)
        );
    }

    #[test]
    fn shared_options_are_read_and_stay_where_they_were() {
        let invocation = line(&["--profile=a", "iam", "--region", "r", "--profile", "b"]).unwrap();
        assert_eq!(invocation.flags.get("--profile"), Some("b"));
        assert_eq!(invocation.flags.get("--region"), Some("r"));
        assert_eq!(
            words(&["--profile=a", "iam", "--region", "r", "--profile", "b"]).0,
            ["--profile=a", "iam", "--region", "r", "--profile", "b"]
        );
        assert_eq!(line(&["--", "iam", "--profile", "c"]).unwrap().flags.get("--profile"), Some("c"));
    }

    #[test]
    fn unknown_options_are_ocis() {
        assert_eq!(words(&["--output", "table", "iam"]).0, ["--output", "table", "iam"]);
        assert_eq!(words(&["--unheard-of=x"]).0, ["--unheard-of=x"]);
        assert_eq!(words(&["-d", "x"]).0, ["-d", "x"]);
        assert_eq!(words(&["--", "env"]), (vec!["env".into()], false));
        assert_eq!(words(&["session", "--", "refresh"]), (vec!["session".into(), "refresh".into()], true));
    }

    #[test]
    fn output_is_wocis_with_a_verb_of_wocis_alone() {
        let output =
            |args: &[&str]| line(args).map(|invocation| invocation.flags.get(OUTPUT).map(str::to_owned));
        for args in
            [&["--output", "text"][..], &["credential", "--output=text"], &["--output=text", "--daemon"]]
        {
            assert_eq!(output(args), Ok(Some("text".into())), "{args:?}");
        }
        assert_eq!(output(&["--output", "table"]).unwrap_err().say().code, 2);
        assert!(matches!(output(&["env", "--output", "json"]), Err(Error::NotOfVerb { .. })));
        for args in [
            &["--output", "table", "iam", "--output"][..],
            &["iam", "--output", "table", "--output=json"],
            &["iam", "--output="],
        ] {
            assert_eq!(words(args).0, args);
        }
    }

    #[test]
    fn a_typing_error_is_told_from_a_command_of_ocis() {
        let word = |word: &str, meant: &str| Error::UnknownWord { word: word.into(), meant: meant.into() };
        let option =
            |option: &str, meant: &str| Error::UnknownOption { option: option.into(), meant: meant.into() };
        for (args, error) in [
            (&["statsu"][..], word("statsu", "status")),
            (&["login"], word("login", "session authenticate")),
            (&["whoami"], word("whoami", "credential")),
            (&["--profile", "prod", "evn", "--shell", "fish"], word("evn", "env")),
            (&["sesion", "refresh"], word("sesion", "session refresh")),
            (&["sesion"], word("sesion", "session authenticate")),
            (&["session", "authenticat"], word("session authenticat", "session authenticate")),
            (&["session", "refesh", "--force"], word("session refesh", "session refresh")),
            (&["--debug", "session", "refrsh"], word("session refrsh", "session refresh")),
            (&["--query", "env", "-d", "credentials"], word("credentials", "credential")),
            (&["--hepl"], option("--hepl", "--help")),
            (&["--hepl", "iam"], option("--hepl", "--help")),
            (&["--proflie=prod", "iam", "user"], option("--proflie", "--profile")),
            (&["--deamon"], option("--deamon", "--daemon")),
        ] {
            assert_eq!(line(args).unwrap_err(), error, "{args:?}");
            let passed_on = [&["--"], args].concat();
            assert_eq!(words(&passed_on).0, args, "{args:?}");
        }
        for args in [
            &["iam", "--hepl"][..],
            &["session", "validate"],
            &["session", "export"],
            &["dns", "statsu"],
            &["--unheard-of", "env"],
            &["secrets"],
            &["nosuch"],
        ] {
            assert_eq!(words(args).0, args, "{args:?}");
        }
        assert!(command_line::has_first_word("secrets"), "near a verb or not, oci has it");
    }

    #[test]
    fn bytes_that_are_no_text_reach_oci() {
        let odd = OsString::from_vec(b"--name=\xff\xfe".to_vec());
        assert_eq!(parse(vec!["iam".into(), odd.clone()]).unwrap().words, ["iam".into(), odd]);
        let odd = OsString::from_vec(b"--scope=\xff".to_vec());
        assert_eq!(parse(vec![odd]).unwrap_err(), Error::OptionNotText { option: "--scope".into() });
    }

    #[test]
    fn options_of_exit_code_2() {
        let option = String::from;
        for (args, error) in [
            (&["--scope"][..], Error::OptionWithoutValue { option: option("--scope") }),
            (&["--scope="], Error::OptionWithoutValue { option: option("--scope") }),
            (&["--profile", ""], Error::OptionWithoutValue { option: option("--profile") }),
            (&["--profile", "--", "x"], Error::OptionWithoutValue { option: option("--profile") }),
            (&["--scope", "a", "--scope", "b"], Error::OptionTwice { option: option("--scope") }),
            (
                &["--refresh-token-passphrase-prompt=yes"],
                Error::OptionWithValue { option: option("--refresh-token-passphrase-prompt") },
            ),
            (&["iam", "--scope", "a"], Error::OptionAfterOciWord { option: option("--scope") }),
            (&["x", "--client-id=a", "--", "y"], Error::OptionAfterOciWord { option: option("--client-id") }),
            (
                &["kubeconfig", "--write"],
                Error::OptionMissing { verb: option("kubeconfig"), option: option("--cluster-id") },
            ),
            (&["env", "more"], Error::NotOfVerb { verb: option("env"), word: option("more") }),
            (&["env", "--", "more"], Error::NotOfVerb { verb: option("env"), word: option("more") }),
            (
                &["session", "authenticate", "--no-browser"],
                Error::NotOfVerb { verb: option("session authenticate"), word: option("--no-browser") },
            ),
            (
                &["--daemon", "--stop-daemon"],
                Error::Conflict { one: option("--daemon"), other: option("--stop-daemon") },
            ),
            (
                &["--foreground", "iam"],
                Error::OptionNeedsOther { option: option("--foreground"), other: option("--daemon") },
            ),
            (
                &["--stop-daemon", "--foreground"],
                Error::Conflict { one: option("--foreground"), other: option("--stop-daemon") },
            ),
        ] {
            assert_eq!(line(args).unwrap_err(), error, "{args:?}");
        }
        assert!(line(&["--scope", "a", "--scope=a"]).is_ok());
        assert!(line(&["credential", "--scope", "a"]).is_ok());
    }

    #[test]
    fn verbs_and_their_options() {
        let env = line(&["env", "--shell", "fish", "--unset", "--profile", "p"]).unwrap();
        assert_eq!(
            (env.verb.name, env.own.get("--shell"), env.own.has("--unset")),
            ("env", Some("fish"), true)
        );
        assert_eq!(env.flags.get("--profile"), Some("p"));
        let meant = "env --shell".to_owned();
        assert_eq!(
            line(&["--shell", "fish", "env"]).unwrap_err(),
            Error::UnknownOption { option: "--shell".into(), meant }
        );
        assert_eq!(verb(&["session", "--profile", "p", "refresh"]), "session refresh");
        assert_eq!(verb(&["status", "--all"]), "status");
    }

    #[test]
    fn an_option_verb_combines_with_a_verb_of_words() {
        for (args, verb, beside) in [
            (&["--daemon"][..], "--daemon", "credential"),
            (&["session", "refresh", "--daemon", "--foreground"], "--daemon", "session refresh"),
            (&["--foreground", "--daemon"], "--daemon", "credential"),
            (&["--daemon-status", "env"], "--daemon-status", "env"),
            (&["--daemon", "iam"], "--daemon", "oci"),
        ] {
            let invocation = line(args).unwrap();
            assert_eq!((invocation.verb.name, invocation.beside.name), (verb, beside), "{args:?}");
        }
    }

    #[test]
    fn help_and_version_before_a_word_are_wocis() {
        for (args, topic) in [
            (&["-h"][..], &[][..]),
            (&["--profile", "p", "--help"], &[]),
            (&["help"], &[]),
            (&["help", "env"], &["env"]),
            (&["help", "session", "refresh"], &["session", "refresh"]),
            (&["env", "--help"], &["env"]),
            (&["--help", "env"], &["env"]),
            (&["session", "refresh", "-h"], &["session refresh"]),
            (&["--daemon", "--help"], &["--daemon"]),
            (&["help", "--daemon"], &["--daemon"]),
            (&["help", "--help"], &["help"]),
            (&["help", "nonsense"], &["nonsense"]),
        ] {
            let invocation = line(args).unwrap();
            assert_eq!(invocation.verb.name, HELP, "{args:?}");
            assert_eq!(invocation.words, topic, "{args:?}");
        }
        for args in [&["--version"][..], &["-V"], &["env", "-V"]] {
            assert_eq!(verb(args), VERSION, "{args:?}");
        }
        assert_eq!(words(&["iam", "--help"]), (vec!["iam".into(), "--help".into()], true));
        assert_eq!(words(&["--", "--version"]), (vec!["--version".into()], true));
        assert_eq!(words(&["iam", "-V"]).0, ["iam", "-V"]);
    }

    #[test]
    fn commands_that_need_no_session() {
        assert!(words(&["setup", "config"]).1);
        assert!(words(&["session", "validate"]).1);
        assert!(words(&["iam", "--auth", "instance_principal"]).1);
        assert!(!words(&["iam", "--auth", "security_token"]).1);
        assert!(!words(&["vault", "get", "--version", "3"]).1);
    }

    proptest! {
        #[test]
        fn no_input_makes_parse_panic(args: Vec<Vec<u8>>) {
            let _ = parse(args.into_iter().map(OsString::from_vec).collect());
        }

        #[test]
        fn arguments_after_the_dashes_are_unchanged(args: Vec<Vec<u8>>) {
            let args: Vec<OsString> = args.into_iter().map(OsString::from_vec).collect();
            let line = ["oci".into(), "--".into()].into_iter().chain(args.iter().cloned()).collect();
            let invocation = parse(line).unwrap();
            prop_assert_eq!(invocation.verb.name, PASSTHROUGH);
            prop_assert_eq!(&invocation.words[1..], args);
        }
    }
}
