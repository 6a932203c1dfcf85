//! What a person sees, at 60 and 100 columns, is kept in fixtures/text/. Names and times that differ from run to run are
//! replaced by others of the same width. `WOCI_BLESS=1` rewrites the files.

use crate::world::World;
use crate::world::run::{Run, Woci};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// As wide as the link of a [`Screen`].
const HOME: &str = "/home/ada-example";
const TIME: &str = "2026-11-23T21:00:00Z";

/// Compares what the command prints at both widths with fixtures/text/<name>-60.txt and <name>-100.txt. `before` prepares
/// the home for each of the two.
pub fn check(world: &World, name: &str, words: &[&str], before: impl Fn()) {
    for columns in [60, 100] {
        before();
        Screen::of(world).compare(words, columns, &format!("{name}-{columns}.txt"));
    }
}

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

    /// The same, for a run that ends with this exit code and without a message.
    pub fn check(&self, words: &[&str], columns: usize, code: i32, golden: &str) {
        self.compare(words, columns, golden).exits(code).silent();
    }

    /// Runs woci with `--output text` on a screen of this width, and compares what it prints with
    /// `fixtures/text/<golden>`.
    pub fn compare(&self, words: &[&str], columns: usize, golden: &str) -> Run {
        let run = self.woci(words).args(&["--output", "text"]).env("COLUMNS", columns.to_string()).run();
        let real = self.world.home().display().to_string();
        assert!(!run.stdout.contains(&real), "the home under its real name: {run}");
        let port = self.world.redirect_port().to_string();
        let text = run.stdout.replace(&self.home.display().to_string(), HOME).replace(&port, "28181");
        let text = with_fixed_times(&text);
        assert!(!text.is_empty(), "{run}");
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
        // What cannot be broken: a path, a URL, and a command that can be pasted.
        let is_whole = |line: &str| [HOME, "https://", "woci "].iter().any(|whole| line.contains(whole));
        let wide = text.lines().find(|line| line.chars().count() > columns && !is_whole(line));
        assert_eq!(wide, None, "wider than {columns} columns:\n{text}");
        run
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.home);
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

#[test]
fn the_status_of_a_profile_and_of_all() {
    let world = World::signed_in();
    check(&world, "status", &["status"], || ());
    world.session().expire();
    world.session().remove("refresh_token");
    check(&world, "status-needs-you", &["status"], || ());
    fs::remove_dir_all(world.session().folder).expect("it is there");
    check(&world, "status-none", &["status"], || ());

    let bad = [("redirect_port".to_owned(), "many".to_owned())];
    let settings = world.settings();
    world.manager(&[("DEFAULT", &settings), ("staging", &settings), ("bad", &bad), ("new", &settings)]);
    world.write(".oci/config", "[keyed]\nuser = ocid1.user.oc1..a\nkey_file = ~/k.pem\n");
    world.session().seed(3600);
    world.session_of("staging").seed(-60);
    fs::remove_file(world.session_of("staging").path("refresh_token")).expect("it was written");
    check(&world, "status-all", &["status", "--all"], || ());
    world.manager(&[("DEFAULT", &settings), ("staging", &settings), ("new", &settings)]);
    check(&world, "status-all-good", &["status", "--all"], || ());
}

#[test]
fn the_log_out_of_a_profile_and_of_all() {
    let world = World::signed_in();
    let url = world.sim.revocation_url();
    let settings = world.settings_with(&[("revocation_url", Some(&*url)), ("region", None)]);
    world.manager(&[("DEFAULT", &settings)]);
    check(&world, "logout", &["logout"], || {
        world.session().seed(3600);
        world.woci(&["session", "refresh"]).run().ok();
    });
    check(&world, "logout-nothing", &["logout"], || ());
    world.manager(&[("DEFAULT", &settings), ("staging", &world.settings())]);
    check(&world, "logout-all", &["logout", "--all"], || {
        world.session().seed(3600);
        world.session_of("staging").seed(3600);
    });
}
