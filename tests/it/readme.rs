//! README.md is right: what it marks `sh` runs as it stands, in a new home; what it only shows (`console` and other
//! shells) names commands, targets and files that are there.

use crate::world::World;
use std::fs;
use std::path::Path;

#[test]
fn what_is_marked_sh_runs() {
    let blocks = blocks(&["sh"]);
    assert!(blocks.len() > 5, "{blocks:?}");
    for block in blocks {
        let world = world();
        if block.contains("| jq") && world.shell("command -v jq").run().code() != 0 {
            continue; // .ci/run brings it
        }
        // A credential on stdout would be a secret out of place among the rest.
        let run = world.shell(&format!("set -eu\n{{\n{block}}} >printed\n")).run();
        world.woci(&["--stop-daemon"]).run();
        // Also in a pipe, whose exit code is the last command's.
        let failed = run.stderr.lines().any(|line| line.starts_with("woci: "));
        assert!(run.code() == 0 && !failed, "{block}\n{run}");
        assert!(!world.read("printed").is_empty() || block.contains("/dev/null"), "{block} prints nothing");
    }
}

#[test]
fn commands_that_are_shown_are_wocis() {
    for command in shown() {
        let Some(words) = command.strip_prefix("woci") else { continue };
        let words: Vec<&str> = words.split('|').next().unwrap_or_default().split_whitespace().collect();
        let run = world().woci(&words).run();
        assert_ne!(run.code(), 2, "{command}\n{run}");
    }
}

#[test]
fn targets_of_make_are_there() {
    let makefile = text("Makefile");
    let readme = text("README.md");
    let named = readme.split("`make ").skip(1).filter_map(|rest| rest.split('`').next());
    let shown = shown();
    let shown = shown.iter().filter_map(|command| command.strip_prefix("make "));
    for words in named.chain(shown) {
        let target = words.split_whitespace().next().unwrap_or_default();
        assert!(makefile.lines().any(|line| line.starts_with(&format!("{target}:"))), "make {words}");
    }
}

#[test]
fn files_and_sections_are_there() {
    let readme = text("README.md");
    let headings = readme.lines().filter(|line| line.starts_with('#'));
    let anchors: Vec<String> = headings.map(|line| anchor(line.trim_start_matches(['#', ' ']))).collect();
    for link in readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        match link.strip_prefix('#') {
            Some(section) => assert!(anchors.iter().any(|anchor| anchor == section), "no section #{section}"),
            None => assert!(link.starts_with("https://") || root().join(link).exists(), "no file {link}"),
        }
    }
    for word in
        shown().iter().flat_map(|command| command.split(' ')).filter(|word| word.starts_with("fixtures/"))
    {
        assert!(root().join(word).exists(), "no file {word}");
    }
}

/// Nobody has signed in; `prod` is set up as `[DEFAULT]` is.
fn world() -> World {
    let world = World::new();
    world.manager(&[("DEFAULT", &world.settings()), ("prod", &world.settings())]);
    world
}

/// The commands of blocks that are for a person's eyes: behind a prompt in `console`, whole lines elsewhere.
fn shown() -> Vec<String> {
    let mut commands: Vec<String> =
        blocks(&["fish", "powershell"]).concat().lines().map(str::to_owned).collect();
    for block in blocks(&["console"]) {
        let lines = block.replace("\\\n", " ");
        let behind_prompts =
            lines.lines().filter_map(|line| line.split_once("$ ")).map(|(_, command)| command);
        // What stands after a `#` says something about the command.
        commands.extend(
            behind_prompts.map(|command| command.split(" #").next().unwrap_or_default().trim().to_owned()),
        );
    }
    assert!(commands.len() > 10, "{commands:?}");
    commands
}

/// The blocks of README.md with one of these marks.
fn blocks(marks: &[&str]) -> Vec<String> {
    let readme = text("README.md");
    // Every second piece is inside a fence and begins with its mark.
    let fenced = readme.split("\n```").skip(1).step_by(2).filter_map(|piece| piece.split_once('\n'));
    fenced.filter(|(mark, _)| marks.contains(mark)).map(|(_, block)| format!("{block}\n")).collect()
}

/// As the page's headings are linked to.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || ['-', '_'].contains(c)).collect()
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("the file is there")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
