//! A message is named in README.md as woci says it, and the command that it suggests can be pasted.

use crate::world::World;
use std::fs;
use std::path::Path;

#[test]
fn troubleshooting_names_messages_as_woci_says_them() {
    let messages = text("fixtures/errors.txt");
    let named = named_in_troubleshooting();
    assert!(named.len() > 1, "{named:?}");
    for name in named {
        assert!(
            messages.lines().any(|message| contains(message, &name)),
            "README.md names a message that is not in fixtures/errors.txt: {name}"
        );
    }
}

#[test]
fn a_suggested_command_can_be_pasted() {
    let world = World::new();
    world.manager(&[("dev", &world.settings()), ("prod", &world.settings())]);
    let manager = world.path("Ada's manager.ini");
    fs::rename(world.path(".oci/woci_manager.ini"), &manager).expect("a World's home is writable");
    let manager = manager.to_str().expect("a World's home is UTF-8");
    let words = ["--profile", "prod", "--manager-config", manager, "--sign-in", "never"];
    let failure = world.woci(&words).run().fails(1);
    let command = failure.stderr.split('`').nth(1).expect("it suggests a command");
    world.shell(&format!("{command} >/dev/null")).run().ok();
    world.woci(&words).run().ok();
}

#[test]
fn a_command_that_a_warning_suggests_names_the_profile_too() {
    let world = World::signed_in();
    world.session().remove("refresh_token");
    let run = world.woci(&["--profile", "DEFAULT", "--auto-refresh", "os"]).run().ok();
    run.says("WARNING").says("`woci session authenticate --profile DEFAULT`");
}

/// With fewer options, the next sign-in would fail or be another one.
#[test]
fn a_sign_in_that_failed_is_suggested_with_its_own_options_in_the_terminal_and_on_the_page() {
    let region = ["--region", "us-ashburn-1"];
    for (words, expected) in [
        (&["session", "authenticate"][..], "woci session authenticate --region us-ashburn-1"),
        (
            &["session", "authenticate", "--profile-name", "mine", "--replace-api-key"],
            "woci session authenticate --profile mine --region us-ashburn-1 --replace-api-key",
        ),
        (
            &["--daemon", "session", "authenticate"],
            "woci --daemon session authenticate --region us-ashburn-1",
        ),
        // systemd starts this one, and a person signs in beside it.
        (
            &["--daemon", "--foreground", "session", "authenticate"],
            "woci session authenticate --region us-ashburn-1",
        ),
    ] {
        let world = World::new();
        world.manager(&[("COMMON", &world.settings_with(&[("region", None)]))]);
        let run = world.woci(&[words, &region].concat()).browser("denies").run().fails(1);
        run.says(&format!("`{expected}`"));
        let page = world.browsers(1)[0]["pages"].to_string();
        assert!(page.contains(&format!(">{expected}<")), "{page}");
    }
}

/// The backquoted texts in the first column of the table.
fn named_in_troubleshooting() -> Vec<String> {
    let readme = text("README.md");
    let (_, section) = readme.split_once("\n## Troubleshooting\n").expect("README.md has this section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
    let first_columns = rows.filter_map(|row| row.split(" | ").next());
    first_columns.flat_map(|column| column.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Whether a message contains this text; `…` stands for anything.
fn contains(message: &str, name: &str) -> bool {
    let mut rest = message;
    name.split('…').all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("the file is there")
}
