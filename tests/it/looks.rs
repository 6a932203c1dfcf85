//! The text that a person sees: each verb's at 60 and at 100 columns is that of fixtures/text, with fixed times and
//! paths of the same width. `WOCI_BLESS=1` rewrites the files.

use crate::world::World;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// In place of the home, whose name differs from run to run.
const HOME: &str = "/home/ada-lovelace-byron";
const TIME: &str = "2026-11-23T21:00:00Z";

/// Runs the command with `--output text` at both widths, and compares what it prints with fixtures/text/<name>-60.txt and
/// <name>-100.txt. `before` prepares the home for each of the two.
pub fn check(world: &World, name: &str, words: &[&str], before: impl Fn()) {
    for columns in ["60", "100"] {
        before();
        let home = Alias::of(world.home());
        let run =
            world.woci(words).args(&["--output", "text"]).env("HOME", &home.0).env("COLUMNS", columns).run();
        let text = with_fixed_times(&run.stdout.replace(home.0.to_str().expect("UTF-8"), HOME));
        assert!(!text.is_empty(), "{run}");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/text/{name}-{columns}.txt"));
        if std::env::var_os("WOCI_BLESS").is_some() {
            fs::write(&path, &text).expect("fixtures can be written");
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        assert!(text == golden, "{} differs; `WOCI_BLESS=1` rewrites it:\n{text}", path.display());
        let wide = text.lines().filter(|line| line.chars().count() > columns.parse().expect("a number"));
        // What cannot be broken: a path, a URL, and a command that can be pasted.
        let is_whole = |line: &&str| [HOME, "https://", "woci "].iter().any(|part| line.contains(part));
        assert_eq!(wide.filter(|line| !is_whole(line)).count(), 0, "{text}");
    }
}

/// A second path of a home, as wide as [`HOME`].
struct Alias(PathBuf);

impl Alias {
    fn of(home: &Path) -> Alias {
        static ALIASES: AtomicU32 = AtomicU32::new(0);
        let serial = ALIASES.fetch_add(1, Ordering::SeqCst);
        let path = PathBuf::from(format!("/tmp/woci-{:07}-{serial:06}", std::process::id()));
        assert_eq!(path.as_os_str().len(), HOME.len());
        symlink(home, &path).expect("a new name in /tmp");
        Alias(path)
    }
}

impl Drop for Alias {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Each time in RFC 3339 becomes [`TIME`], and each number of minutes of two digits 59.
fn with_fixed_times(text: &str) -> String {
    let mut fixed = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let is_time = rest.get(..TIME.len()).is_some_and(|start| {
            start.chars().zip(TIME.chars()).all(|(is, of)| match of.is_ascii_digit() {
                true => is.is_ascii_digit(),
                false => is == of,
            })
        });
        let is_minutes = rest
            .get(..6)
            .is_some_and(|start| start.ends_with(" min") && start[..2].chars().all(|c| c.is_ascii_digit()));
        let (put, taken) = match (is_time, is_minutes) {
            (true, _) => (TIME.to_owned(), TIME.len()),
            (_, true) => ("59 min".to_owned(), 6),
            _ => (c.to_string(), c.len_utf8()),
        };
        fixed.push_str(&put);
        rest = &rest[taken..];
    }
    fixed
}
