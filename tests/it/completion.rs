//! What bash completes. zsh and fish are tried in tests/e2e/journeys/shells.py. The bash here has no package
//! bash-completion, since it reads no file of the person's.

use crate::world::World;
use crate::world::run::Run;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[test]
fn bash_completes_verbs_options_values_and_profiles() {
    let world = world();
    for (line, expected) in [
        ("woci sess", "session"),
        ("woci session ", "authenticate refresh"),
        ("woci --sign-in never session r", "refresh"),
        ("woci completion ", "bash zsh fish"),
        ("woci env --sh", "--shell"),
        ("woci env ", "--shell --unset"),
        ("woci env --shell p", "powershell pwsh"),
        ("woci kubeconfig --clu", "--cluster-id"),
        ("woci --output ", "json text"),
        ("woci --output=j", "json"),
        ("woci --region eu-fr", "eu-frankfurt-1 eu-frankfurt-2"),
        ("woci --profile ", "DEFAULT prod on-disk"),
        ("woci --profile=p", "prod"),
        ("woci --profile 'pr", "prod"),
        ("woci --manager-config other.ini --profile ", "other on-disk"),
        ("woci --manager-config=other.ini --profile o", "other on-disk"),
        ("woci --manager-config none.ini --profile ", ""),
        ("woci --manager-config other.i", "other.ini"),
        ("woci --manager-config=other.i", "other.ini"),
        ("woci help exit", "exit-codes"),
        ("woci --help env --un", "--unset"),
        // What was given is not offered again, and what cannot be combined is not offered.
        ("woci env --unset ", "--shell"),
        ("woci --daemon --fore", "--foreground"),
        ("woci --fore", ""),
        ("woci env --out", ""),
        ("woci --daemon-status env --dae", ""),
        // The word is cut at the cursor, which stands at the end of these lines.
        ("woci  session   auth", "authenticate"),
    ] {
        assert_eq!(offered(&world, line), expected, "{line}");
    }
}

#[test]
fn behind_an_oci_word_oci_completes() {
    let world = world();
    for (line, expected) in [("woci vau", "vault"), ("woci -- sta", "stack-monitoring"), ("woci -- stat", "")]
    {
        assert_eq!(offered(&world, line), expected, "{line}");
    }
    let script = "[ $_OCI_COMPLETE = bash_complete ] && echo \"$COMP_WORDS|$COMP_CWORD\" >asked
        echo plain,new-word; echo file,; echo other-kind,no; echo plain,--name";
    oci(&world, script);
    for (line, asked, expected) in [
        ("woci os n", "oci os n|2", "new-word"),
        ("woci --profile prod os ns ", "oci os ns |3", "new-word --name"),
        ("woci --log-level=DEBUG -- os ns get --na", "oci os ns get --na|4", "--name"),
        ("woci os object put --file a;b --n", "oci os object put --file 'a;b' --n|6", "--name"),
        ("woci session n", "oci session n|2", "new-word"),
    ] {
        assert_eq!(offered(&world, line), expected, "{line}");
        assert_eq!(world.read("asked").trim_end(), asked, "{line}");
    }
}

#[test]
fn an_oci_that_is_missing_or_fails_leaves_file_names() {
    let world = world();
    world.write("notes.json", "");
    for script in ["exit 1", "echo usage: oci"] {
        oci(&world, script);
        assert_eq!(offered(&world, "woci os object put --file no"), "notes.json", "{script}");
    }
    fs::remove_file(world.path("bin/oci")).expect("it was there");
    assert_eq!(offered(&world, "woci os object put --file no"), "notes.json");
    assert_eq!(offered(&world, "woci vau"), "", "without oci, its words are not offered");
}

#[test]
fn nothing_is_said_and_nothing_is_written_at_a_tab() {
    let world = world();
    world.write(".oci/woci_manager.ini", "[broken\n");
    world.write(".oci/config", "no section\n");
    for words in
        [&["--profile", ""][..], &[""], &["--profile"], &[], &["\u{e9}"], &["env", "--shell", "--", ""]]
    {
        world.woci(&["__complete", "--"]).args(words).run().ok().silent();
    }
    assert!(!world.path(".oci/config.lock").exists() && !world.path(".oci/.woci-config.lock").exists());
}

#[test]
fn every_script_is_right_for_its_shell() {
    let world = world();
    for shell in ["bash", "zsh", "fish"] {
        let script = world.woci(&["completion", shell]).run().ok().silent().stdout;
        world.write("script", &script);
        let run = world.shell(&format!("command -v {shell} >/dev/null || exit 0; {shell} -n script")).run();
        run.ok().silent();
    }
    world.woci(&["completion"]).run().fails(2).says("bash, zsh, fish");
    world.woci(&["completion", "tcsh"]).run().fails(2).says("tcsh");
    world.woci(&["completion", "bash", "zsh"]).run().fails(2);
}

/// Two profiles in woci_manager.ini, one that has a session alone, and another manager config.
fn world() -> World {
    let world = World::new();
    world.manager(&[("DEFAULT", &world.settings()), ("prod", &world.settings())]);
    world.write("other.ini", "[other]\n");
    fs::create_dir_all(world.path(".oci/sessions/on-disk")).expect("a folder can be made");
    for folder in [".oci/sessions", ".oci/sessions/on-disk"] {
        fs::set_permissions(world.path(folder), fs::Permissions::from_mode(0o700)).expect("it is ours");
    }
    world
}

/// Puts a script in place of oci.
fn oci(world: &World, script: &str) {
    let path = world.path("bin/oci");
    let _ = fs::remove_file(&path);
    world.write("bin/oci", format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

/// What bash offers if TAB is pressed at the end of the line: it calls the function as bash's own completion does.
fn offered(world: &World, line: &str) -> String {
    let script = "\
        source <(woci completion bash) || exit
        COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$' \\t\\n\"\\'><=;|&(:'
        COMP_WORDS=() COMP_CWORD=-1
        # bash splits at blanks, and takes = and : as words of their own.
        while IFS= read -r word; do COMP_WORDS+=(\"$word\"); COMP_CWORD=$((COMP_CWORD + 1)); done \\
            < <(printf '%s\\n' \"$1\" | sed 's/  */\\n/g; s/=/\\n=\\n/g' | sed '/^$/{$!d;}')
        _woci woci '' ''
        echo \"${COMPREPLY[*]}\"";
    let run: Run = world.program(Path::new("/bin/bash"), &["-c", script, "bash", line]).run().ok().silent();
    run.stdout.trim_end().to_owned()
}
