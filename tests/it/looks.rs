//! What a person sees, at 60 and 100 columns, is kept in fixtures/text/. Names that differ from run to run are replaced
//! by names of the same width. `WOCI_BLESS=1` rewrites the files.

use crate::world::World;
use crate::world::run::Woci;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// As wide as the link of a [`Screen`].
const HOME: &str = "/home/ada-example";

/// A World's home under a name that is as wide in each run.
pub struct Screen<'w> {
    world: &'w World,
    home: PathBuf,
}

impl<'w> Screen<'w> {
    pub fn of(world: &'w World) -> Screen<'w> {
        static SCREENS: AtomicU32 = AtomicU32::new(0);
        let number = u64::from(process::id()) * 1_000 + u64::from(SCREENS.fetch_add(1, Ordering::SeqCst));
        let home = PathBuf::from(format!("/tmp/ada-{:08}", number % 100_000_000));
        assert_eq!(home.as_os_str().len(), HOME.len());
        let _ = fs::remove_file(&home);
        symlink(world.home(), &home).expect("/tmp is writable");
        Screen { world, home }
    }

    /// woci in that home.
    pub fn woci(&self, words: &[&str]) -> Woci<'w> {
        let path = format!("{}/bin:/usr/bin:/bin", self.home.display());
        self.world.woci(words).env("HOME", &self.home).env("PATH", path)
    }

    /// Runs woci with `--output text` on a screen of this width, and compares what it prints with
    /// `fixtures/text/<golden>`.
    pub fn check(&self, words: &[&str], columns: u16, code: i32, golden: &str) {
        let run = self.woci(words).args(&["--output", "text"]).env("COLUMNS", columns.to_string());
        let run = run.run().exits(code).silent();
        let real = self.world.home().display().to_string();
        assert!(!run.stdout.contains(&real), "the home under its real name: {run}");
        let port = self.world.redirect_port().to_string();
        let text = run.stdout.replace(&self.home.display().to_string(), HOME).replace(&port, "28181");
        let text = with_one_time(&text);
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/text").join(golden);
        if std::env::var_os("WOCI_BLESS").is_some() {
            fs::create_dir_all(file.parent().expect("it has a folder")).expect("fixtures/ is writable");
            fs::write(&file, &text).expect("fixtures/ is writable");
        }
        let known = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            known == text,
            "fixtures/text/{golden} is not what woci prints (`make bless` rewrites it):\n{text}"
        );
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.home);
    }
}

/// The text with the same moment in place of each.
fn with_one_time(text: &str) -> String {
    const MOMENT: &str = "2026-11-23T21:00:00Z";
    let is_like = |text: &str| {
        text.len() == MOMENT.len()
            && text
                .bytes()
                .zip(MOMENT.bytes())
                .all(|(a, b)| a == b || (a.is_ascii_digit() && b.is_ascii_digit()))
    };
    let mut shown = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match rest.get(..MOMENT.len()).filter(|part| is_like(part)) {
            Some(_) => {
                shown.push_str(MOMENT);
                rest = &rest[MOMENT.len()..];
            }
            None => {
                shown.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    shown
}
