//! Compares `ini` and `manager` with Python's configparser, which reads, refuses and checks the edits of
//! thousands of generated texts. Without a `python3` on PATH, these tests print that they are skipped.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::manager::Manager;
use crate::ini::{self, Change, LineKind, Sections, edit};

/// Reads a JSON array of texts from stdin, each as oci reads its config. The default section's name is the
/// argument. Prints for each text its sections, or the line at which it is refused and whether that number
/// is exact.
const PYTHON: &str = r#"
import configparser, io, json, sys
def read(text):
    parser = configparser.ConfigParser(interpolation=None, default_section=sys.argv[1])
    try:
        parser.read_file(io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8"))
    except configparser.MissingSectionHeaderError as e:
        return {"line": e.lineno, "exact": True}
    except configparser.ParsingError as e:
        return {"line": e.errors[0][0], "exact": True}
    except (configparser.DuplicateSectionError, configparser.DuplicateOptionError) as e:
        return {"line": e.lineno, "exact": False}
    sections = {name: dict(keys) for name, keys in parser._sections.items()}
    if parser._defaults:
        sections[sys.argv[1]] = dict(parser._defaults)
    return {"sections": sections}
json.dump([read(text) for text in json.load(sys.stdin)], sys.stdout)
"#;

fn python(default_section: &str, texts: &[String]) -> Option<Vec<Value>> {
    let started = Command::new("python3")
        .args(["-c", PYTHON, default_section])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        let _ = writeln!(std::io::stderr(), "skipped: there is no python3");
        return None;
    };
    let question = serde_json::to_vec(texts).unwrap();
    child.stdin.take().unwrap().write_all(&question).unwrap();
    let answer = child.wait_with_output().unwrap();
    assert!(answer.status.success());
    Some(serde_json::from_slice(&answer.stdout).unwrap())
}

fn sections_of(answer: &Value) -> Option<Sections> {
    answer.get("sections").map(|sections| serde_json::from_value(sections.clone()).unwrap())
}

/// A deterministic pseudo-random generator (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// An INI text: mostly usual lines, with unusual ones in every second text.
    fn text(&mut self) -> String {
        let mut text = String::new();
        if self.below(20) > 0 {
            text.push_str(self.one(&[
                "[prod]\n",
                "[prod]\n",
                "[DEFAULT]\n",
                "# c\n[prod]\n",
                "\n[COMMON]\r\n",
                " [prod]\n",
            ]));
        }
        let odd_texts = self.below(2) == 0;
        let line_end = self.one(&["\n", "\n", "\n", "\r\n", "\r"]);
        for n in 0..self.below(12) {
            text.push_str(match self.below(6) {
                0 => self.one(&[" ", "  ", "    ", "\t", "\u{a0}", "\x1c", "\u{2003} ", "\x0b"]),
                _ => "",
            });
            match self.below(if odd_texts { 14 } else { 10 }) {
                0 => text.push_str(self.one(&["[dev]", "[DEFAULT]", "[prod]", "[COMMON]", "[x] y", "[ a ]"])),
                1 => text.push_str(self.one(&["", "", "   ", "\x1f", "\u{85}"])),
                2 => text.push_str(self.one(&["# c", "; c", "#", ";=", "# [x]"])),
                3..=5 => text
                    .push_str(&format!("k{n}{}v{n}", self.one(&["=", " = ", ":", " : ", "\u{a0}=\u{2003}"]))),
                6 | 7 => {
                    let key = [
                        "key_file",
                        "user",
                        "region",
                        "token_url",
                        "scope",
                        "USER",
                        "client_secret",
                        "Token_URL",
                    ];
                    let value = ["", "/x", "a b", "s3#;%=:x", "%% ; y", "[v]", "ü ", "\x1d1", "a\x0bb"];
                    text.push_str(&format!(
                        "{}{}{}",
                        self.one(&key),
                        self.one(&["=", " = ", ":"]),
                        self.one(&value)
                    ));
                }
                8 => text.push_str(self.one(&["  more", "\tmore = x", "  [more]", "   # c", " %%"])),
                9 => {}
                10 => text.push_str(self.one(&["nothing", "= x", ":", "[", "[]", "]", "\u{feff}"])),
                11 => text.push_str(self.one(&["[x = 1", "[]]", "[a]b]", "[]=1", "[[a]", "a[b]=c", "[x]=y"])),
                12 => text.push_str(self.one(&[
                    "İ=1",
                    "i̇=2",
                    "Σ=1",
                    "ΑΣ=2",
                    "\u{212a}=3",
                    "K=4",
                    "k=5",
                    "ключ = ы",
                ])),
                _ => text.push_str(self.one(&[
                    "a\rb=c",
                    "a=b\r\rc=d",
                    "\0=\0",
                    "x==y",
                    "x=:y",
                    "x:=y",
                    "\\=\\",
                    "'q'='q'",
                ])),
            }
            text.push_str(match self.below(40) {
                0 => self.one(&["", "\r\r\n", " \n", "\x0c\n"]),
                _ => line_end,
            });
        }
        text
    }

    fn texts(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.text()).collect()
    }
}

const CHANGES: [(&str, Change<'_>); 4] = [
    ("key_file", Change::Set("/new")),
    ("region", Change::RemoveDuplicates),
    ("fingerprint", Change::Set("a:b")),
    ("user", Change::Remove),
];

/// Texts for each test: this many take about a second. Runs with ten times as many found nothing more.
const COUNT: usize = 2_000;

#[test]
fn ini_reads_and_refuses_the_same_texts_as_python() {
    let texts = Dice(0x9e37_79b9_7f4a_7c15).texts(COUNT);
    for defaults in ["DEFAULT", "no file can name\nthis"] {
        let Some(answers) = python(defaults, &texts) else { return };
        let mut read_by_both = 0;
        for (text, answer) in texts.iter().zip(&answers) {
            match (ini::sections(text, Some(defaults)), sections_of(answer)) {
                (Ok(ours), Some(theirs)) => {
                    read_by_both += 1;
                    assert_eq!(ours, theirs, "{text:?}");
                }
                (Err(fault), None) => {
                    let (line, exact) = (answer["line"].as_u64().unwrap(), answer["exact"] == true);
                    let ours = fault.line as u64;
                    assert!(if exact { ours == line } else { ours <= line }, "{text:?}: {fault:?}, {answer}");
                }
                (ours, theirs) => panic!("{text:?}: {ours:?}, {theirs:?}"),
            }
        }
        assert!(read_by_both > COUNT / 10, "{read_by_both}");
    }
}

#[test]
fn the_manager_config_has_the_same_values_as_python_reads() {
    let texts = Dice(0x0123_4567_89ab_cdef).texts(COUNT);
    let Some(answers) = python("no file can name\nthis", &texts) else { return };
    for (text, answer) in texts.iter().zip(&answers) {
        let (manager, theirs) = (Manager::read(Path::new("/m"), text.as_bytes()), sections_of(answer));
        let Some(theirs) = theirs else {
            assert!(manager.is_err(), "{text:?}");
            continue;
        };
        let manager = manager.unwrap_or_else(|fault| panic!("{text:?}: {fault:?}"));
        for profile in ["prod", "dev", "DEFAULT"] {
            let sections = manager.sections_of(profile);
            for key in ["token_url", "scope", "client_secret", "region"] {
                let of = |section: &str| theirs.get(section).and_then(|keys| keys.get(key));
                let theirs =
                    of(profile).or_else(|| of("COMMON")).map(|value| value.trim_start_matches(ini::is_space));
                let ours = sections.get(key).map(|value| value.text.as_str());
                assert_eq!(ours, theirs, "{text:?} [{profile}] {key}");
            }
        }
    }
}

#[test]
fn python_reads_an_edited_text_as_the_old_one_with_the_changes() {
    let mut dice = Dice(0xfeed_face_cafe_beef);
    let texts = dice.texts(COUNT);
    let sections = ["prod", "dev", "DEFAULT", "new"];
    let edited: Vec<(usize, &str, String)> = texts
        .iter()
        .enumerate()
        .filter(|(_, text)| ini::sections(text, Some("DEFAULT")).is_ok())
        .map(|(n, text)| {
            let section = dice.one(&sections);
            (n, section, edit(text, section, &CHANGES).unwrap())
        })
        .collect();
    assert!(edited.len() > COUNT / 10);
    let after: Vec<String> = edited.iter().map(|(_, _, text)| text.clone()).collect();
    let Some(answers) = python("DEFAULT", &after) else { return };
    for ((n, section, after), answer) in edited.iter().zip(&answers) {
        let before = &texts[*n];
        let mut wanted = ini::sections(before, Some("DEFAULT")).unwrap();
        let keys = wanted.entry((*section).to_owned()).or_default();
        keys.remove("user");
        keys.insert("key_file".to_owned(), "/new".to_owned());
        keys.insert("fingerprint".to_owned(), "a:b".to_owned());
        assert_eq!(sections_of(answer).as_ref(), Some(&wanted), "{before:?} [{section}] {after:?}");
        assert_eq!(edit(after, section, &CHANGES).as_ref(), Ok(after), "a second edit changes nothing");
        assert_eq!(
            before.ends_with(['\n', '\r']) || before.is_empty(),
            after.ends_with(['\n', '\r']),
            "{before:?}"
        );
        assert!(
            before
                .split(['\n', '\r'])
                .filter(|line| line.trim_start().starts_with(['#', ';']))
                .all(|line| after.contains(line))
        );
    }
}

/// Without Python: apart from the changed keys, the edited text has the same lines as before.
#[test]
fn an_edit_changes_no_other_line() {
    let without = |text: &str, section: &str| -> Vec<String> {
        let (mut is_inside, mut goes) = (false, false);
        let kept = ini::lines(text).map(Result::unwrap).filter(|line| {
            match line.kind {
                LineKind::Section(name) => (is_inside, goes) = (name == section, false),
                LineKind::Key { name, .. } => {
                    goes = is_inside && CHANGES.iter().any(|(key, _)| *key == ini::lower(name))
                }
                LineKind::Continuation(_) => {}
                LineKind::Blank | LineKind::Comment => return true,
            }
            !goes
        });
        kept.map(|line| line.whole.to_owned()).collect()
    };
    let mut dice = Dice(0xdead_beef_0bad_cafe);
    for text in dice.texts(COUNT).iter().filter(|text| ini::sections(text, Some("DEFAULT")).is_ok()) {
        let section = dice.one(&["prod", "dev", "DEFAULT"]);
        let before = without(text, section);
        let after = without(&edit(text, section, &CHANGES).unwrap(), section);
        for (before, after) in before.iter().zip(&after) {
            // A line may lose indentation if a key before it was removed, and the last line may gain or
            // lose its line end.
            let (before, after) =
                (before.trim_end_matches(['\r', '\n']), after.trim_end_matches(['\r', '\n']));
            assert!(
                before == after
                    || before.trim_start_matches(ini::is_space) == after.trim_start_matches(ini::is_space)
                        && after.len() < before.len(),
                "{text:?} [{section}]"
            );
        }
        let is_new = !before.iter().any(|line| line.starts_with(&format!("[{section}]")));
        assert!(before.len() == after.len() || is_new, "{text:?} [{section}]");
    }
}
