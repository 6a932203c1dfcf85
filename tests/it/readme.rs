//! README.md is right. Blocks marked `sh` run as they stand, in a new home. Commands in `console` blocks and in the
//! text are commands of woci, targets of make, and files that exist.

use crate::world::World;
use std::fs;
use std::path::Path;

/// Longer than this, nobody reads it.
const MOST_LINES: usize = 400;

#[test]
fn sh_blocks_run_as_they_stand() {
    let blocks = blocks("sh");
    assert!(blocks.len() > 5, "{blocks:?}");
    for block in blocks {
        let world = world();
        if block.contains("| jq") && world.shell("command -v jq").run().code() != 0 {
            continue; // .ci/run installs jq, so that this runs there
        }
        // The output may be a credential. World fails a test that shows one, so the output goes to a file.
        let run = world.shell(&format!("set -eu\n{{\n{block}}} >printed\n")).run();
        world.woci(&["--stop-daemon"]).run();
        // The exit code of a pipe is that of its last command, so stderr is checked as well.
        let failed = run.stderr.lines().any(|line| line.starts_with("woci: "));
        assert!(run.code() == 0 && !failed, "{block}\n{run}");
        assert!(!world.read("printed").is_empty() || block.contains("/dev/null"), "{block} prints nothing");
    }
}

#[test]
fn commands_of_woci_are_accepted() {
    let commands: Vec<String> = console_commands().into_iter().chain(inline_commands()).collect();
    let commands = commands.iter().filter(|command| *command == "woci" || command.starts_with("woci "));
    let (help, others): (Vec<_>, Vec<_>) = commands.partition(|command| command.starts_with("woci help "));
    assert!(others.len() > 8, "{others:?}");
    // One home for all, since each sign-in in a new home makes a key, which takes seconds.
    let world = world();
    // `woci config init` asks a person at a terminal, as tests/it/config_verbs.rs does.
    for command in others.into_iter().filter(|command| *command != "woci config init") {
        let run = world.woci(&arguments(command)).run();
        assert_ne!(run.code(), 2, "{command}\n{run}");
    }
    world.woci(&["--stop-daemon"]).run();
    assert!(help.len() > 3, "{help:?}");
}

#[test]
fn help_topics_exist() {
    for command in inline_commands().iter().filter(|command| command.starts_with("woci help ")) {
        let run = world().woci(&arguments(command)).run().ok();
        assert!(!run.stdout.is_empty(), "{command} prints nothing");
    }
}

#[test]
fn make_targets_exist() {
    let makefile = text("Makefile");
    for command in console_commands().into_iter().chain(inline_commands()) {
        let Some(words) = command.strip_prefix("make ") else { continue };
        let target = words.split_whitespace().next().unwrap_or_default();
        assert!(makefile.lines().any(|line| line.starts_with(&format!("{target}:"))), "{command}");
    }
}

#[test]
fn links_and_files_exist() {
    let readme = text("README.md");
    let headings = readme.lines().filter(|line| line.starts_with('#'));
    let anchors: Vec<String> = headings.map(|line| anchor(line.trim_start_matches(['#', ' ']))).collect();
    for link in readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        match link.strip_prefix('#') {
            Some(section) => assert!(anchors.iter().any(|anchor| anchor == section), "no section #{section}"),
            None => assert!(link.starts_with("https://") || root().join(link).exists(), "no file {link}"),
        }
    }
    let commands = console_commands();
    let in_commands = commands.iter().flat_map(|command| command.split(' '));
    let in_text = spans(&readme);
    let repository = ["fixtures/", "schemas/", "tests/", ".ci/"];
    for word in in_commands.chain(in_text.iter().map(String::as_str)) {
        let named = repository.iter().any(|folder| word.starts_with(folder));
        assert!(!named || root().join(word).exists(), "no file {word}");
    }
}

/// With a sample as it is, only the provider is another: no profile has to be named, and no passphrase given.
#[test]
fn the_samples_sign_in_as_they_are() {
    let world = World::new();
    for sample in ["oci-identity-domain", "okta", "entra", "keycloak"] {
        world.write(".oci/woci_manager.ini", text(&format!("fixtures/manager/{sample}.ini")));
        let mut woci = world.woci(&["session", "authenticate"]);
        for (key, value) in world.settings().into_iter().filter(|(key, _)| key != "region") {
            woci = woci.arg(format!("--{}", key.replace('_', "-"))).arg(value);
        }
        assert_eq!(woci.run().ok().json()["profile"], "prod", "{sample}");
    }
}

#[test]
fn it_is_short() {
    let lines = text("README.md").lines().count();
    assert!(lines <= MOST_LINES, "README.md has {lines} lines; {MOST_LINES} are the most");
}

/// Nobody has signed in; `prod` is set up, as the samples have it.
fn world() -> World {
    let world = World::new();
    world.manager(&[("prod", &world.settings())]);
    world
}

/// The arguments of a command line, up to its first pipe or redirection.
fn arguments(command: &str) -> Vec<&str> {
    let command = command.split(['|', '>']).next().unwrap_or_default();
    command.split_whitespace().skip(1).collect()
}

/// The commands behind the prompts of `console` blocks.
fn console_commands() -> Vec<String> {
    let mut commands = Vec::new();
    for block in blocks("console") {
        let lines = block.replace("\\\n", " ");
        let behind_prompts =
            lines.lines().filter_map(|line| line.split_once("$ ")).map(|(_, command)| command);
        // A `#` begins a remark about the command.
        commands.extend(
            behind_prompts.map(|command| command.split(" #").next().unwrap_or_default().trim().to_owned()),
        );
    }
    assert!(commands.len() > 6, "{commands:?}");
    commands
}

/// The commands of woci and make that stand in the text between backquotes. Left out are those with a placeholder,
/// and tables, where a name may stand for a whole command.
fn inline_commands() -> Vec<String> {
    let readme = text("README.md");
    let text: Vec<&str> = readme.lines().filter(|line| !line.trim_start().starts_with('|')).collect();
    let spans = spans(&text.join("\n")).into_iter();
    let commands = spans
        .filter(|span| span == "woci" || span.starts_with("woci ") || span.starts_with("make "))
        .filter(|span| !span.contains('…') && !span.contains("VERB"));
    let table_of_targets = readme.lines().filter(|line| line.starts_with("| `make "));
    let targets = table_of_targets.filter_map(|line| line.split('`').nth(1)).map(str::to_owned);
    commands.chain(targets).collect()
}

/// What stands between single backquotes outside of blocks.
fn spans(markdown: &str) -> Vec<String> {
    let mut outside = true;
    let lines = markdown.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        outside ^= fence;
        outside && !fence
    });
    let text = lines.map(|line| line.replace("``", "")).collect::<Vec<_>>().join("\n");
    text.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")).collect()
}

/// The blocks of README.md with this mark, without their indentation.
fn blocks(mark: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in text("README.md").lines().map(str::trim_start) {
        match (line.strip_prefix("```"), &mut open) {
            (Some(found), None) => open = Some((found == mark, String::new())),
            (Some(_), Some(_)) => {
                blocks.extend(open.take().filter(|(wanted, _)| *wanted).map(|(_, block)| block))
            }
            (None, Some((_, block))) => *block += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    blocks
}

/// The name by which a link reaches a heading.
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
