//! `woci exec PROGRAM`: any program runs with the variables of `woci env`, in place of woci or beside a thread that keeps
//! the session fresh. What follows its name is the program's.

use crate::passthrough::compare_signals_with_and_without_woci;
use crate::sim::faults::Grant;
use crate::sim::oci::from_json;
use crate::world::World;
use crate::world::run::Run;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

#[test]
fn the_program_gets_the_variables_of_woci_env() {
    for taken in
        ["OCI_CLI_USER", "OCI_CLI_KEY_CONTENT", "OCI_CLI_PASSPHRASE", "OCI_CLI_FINGERPRINT", "MY_PASSPHRASE"]
    {
        let world = World::signed_in();
        let words = ["--refresh-token-passphrase-env", "MY_PASSPHRASE", "--region", "eu-zurich-1"];
        let woci = |more: &[&str]| {
            let woci = world.woci(&[&words[..], more].concat());
            woci.env("MY_PASSPHRASE", "p")
                .env(taken, "x")
                .env("OCI_CLI_KEY_FILE", "/other")
                .env("OTHER", "kept")
        };
        let lines = woci(&["env"]).run().ok().stdout;
        let heard = woci(&["exec", "oci"]).run().ok().silent().json();
        let mut count = 0;
        for (name, value) in lines.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('=')) {
            assert_eq!(heard["env"][name], value.trim_matches('\''), "{name}");
            count += 1;
        }
        assert!(count >= 9, "{lines}");
        assert_eq!(heard["env"]["OCI_CLI_REGION"], "eu-zurich-1");
        assert_eq!((&heard["env"][taken], &heard["env"]["OTHER"]), (&Value::Null, &"kept".into()));
        assert_eq!(heard["env"]["WOCI_OCI_PATHS"], Value::Null, "it is no oci that woci looked for");
        assert_eq!(world.sim.total(), 0);
    }
}

#[test]
fn what_follows_the_program_is_the_programs_byte_for_byte() {
    let world = World::signed_in();
    world.session_of("work").seed(3600);
    world.manager(&[("DEFAULT", &world.settings()), ("work", &world.settings())]);
    for (words, profile, expected) in [
        ("exec oci plan -out x --profile y --scope z", "DEFAULT", "oci plan -out x --profile y --scope z"),
        ("--profile work exec oci --help -- --daemon", "work", "oci --help -- --daemon"),
        ("exec --profile=work --log-level ERROR -- oci --version", "work", "oci --version"),
        ("exec -- oci --profile work", "DEFAULT", "oci --profile work"),
    ] {
        let words: Vec<_> = words.split(' ').collect();
        let heard = world.woci(&words).run().ok().silent().json();
        assert_eq!(heard["argv"], json!(expected.split(' ').collect::<Vec<_>>()));
        assert_eq!(heard["env"]["OCI_CLI_PROFILE"], profile, "{words:?}");
        let paths = heard["env"]["OCI_CLI_KEY_FILE"].as_str().expect("a path").to_owned();
        assert!(paths.contains(&format!("/{profile}/")), "{paths}");
    }
    let odd = OsStr::from_bytes(b"na\xffme=\xfe \n");
    let heard = world.woci(&["exec", "oci"]).arg(odd).arg("").arg("$HOME `x`").run().ok().json();
    let words: Vec<_> = heard["argv"].as_array().expect("a list").iter().map(from_json).collect();
    assert_eq!(words[1..], [odd, OsStr::new(""), OsStr::new("$HOME `x`")]);
    // An option that is nobody's may not become the program.
    world.woci(&["exec", "--out", "oci"]).run().fails(2).says("--out").says("woci help exec");
}

#[test]
fn the_program_replaces_woci_or_runs_beside_it() {
    let world = World::signed_in();
    for (words, is_same) in [(&["exec", "oci"][..], true), (&["exec", "--auto-refresh", "oci"], false)] {
        let woci = world
            .woci(words)
            .env("SIM_OCI_STDIN", "1")
            .stdin("piped\n")
            .directory(&world.path("bin"))
            .start();
        let id = woci.id;
        let heard = woci.finish().ok().silent().json();
        assert_eq!(heard["pid"] == id, is_same, "{words:?}");
        assert_eq!(heard["stdin"], "piped\n");
        assert_eq!(heard["cwd"], world.path("bin").to_str().expect("UTF-8"));
    }
}

#[test]
fn exit_codes_and_signals_are_the_programs() {
    let world = World::signed_in();
    for code in [0, 1, 2, 42, 126, 127, 255] {
        for words in [&["exec", "oci"][..], &["--auto-refresh", "exec", "oci"]] {
            world.woci(words).env("SIM_OCI_EXIT", code.to_string()).run().exits(code).silent();
        }
    }
    let run = |words: &[&str]| world.woci(words).env("SIM_OCI_SIGNAL", "9").run();
    assert_eq!(run(&["exec", "oci"]).status.signal(), Some(libc::SIGKILL));
    assert_eq!(run(&["exec", "--auto-refresh", "oci"]).status.code(), Some(128 + libc::SIGKILL));
    for words in [&["exec", "oci"][..], &["exec", "--auto-refresh", "oci"]] {
        let woci = world.woci(words).env("SIM_OCI_SIGNALS", "1").env("SIM_OCI_EXIT", "9").start();
        woci.prints("ready");
        woci.signal(libc::SIGTERM);
        woci.finish().exits(9).prints("signal 15");
    }
}

#[test]
fn signal_dispositions_are_those_without_woci() {
    let traps = ["", "trap '' HUP INT TERM;", "trap '' PIPE XFSZ;"];
    for woci in ["woci exec oci os", "woci exec --auto-refresh oci os"] {
        compare_signals_with_and_without_woci(woci, "Sig[BIC]*", &traps);
    }
}

#[test]
fn a_program_that_is_missing_or_none_is_found_out_before_anybody_signs_in() {
    let world = World::new();
    fs::create_dir(world.path("folder")).expect("a new folder");
    install(&world, "plain/tool", "", "644");
    install(&world, "useless/tool", "#!/no/such/interpreter\n", "755");
    for (words, code, why) in [
        (&["exec"][..], 2, "woci exec terraform plan"),
        (&["exec", "--"], 2, "names no program"),
        (&["exec", "tool"], 127, "no such program on PATH"),
        (&["exec", ""], 127, "no such program"),
        (&["exec", "./tool"], 127, "no such file"),
        (&["exec", "./folder"], 126, "it is a folder"),
        (&["exec", "plain/tool"], 126, "not marked as executable"),
    ] {
        world.woci(words).run().fails(code).says(why);
    }
    world.woci(&["exec", "tool"]).env("PATH", world.path("plain")).run().fails(126).says("plain/tool");
    assert_eq!((world.sim.total(), world.path(".oci/sessions").exists()), (0, false));
    let world = World::signed_in();
    install(&world, "useless/tool", "#!/no/such/interpreter\n", "755");
    for words in [&["exec", "useless/tool"][..], &["exec", "--auto-refresh", "useless/tool"]] {
        world.woci(words).run().fails(126);
    }
}

#[test]
fn the_program_is_looked_up_as_a_shell_does() {
    let world = World::signed_in();
    install(&world, "tools/tool", "#!/bin/sh\necho \"tool of tools, $*\"\n", "755");
    install(&world, "tool", "#!/bin/sh\necho \"tool here, $*\"\n", "755");
    let run = |name: &str, path: &str| -> Run {
        let path = format!("{path}:{}:/usr/bin:/bin", world.path("bin").display());
        world.woci(&["exec", name, "a"]).env("PATH", path).run().ok()
    };
    for (name, path, expected) in [
        ("tools/tool", "/none", "tool of tools, a\n"),
        ("./tool", "/none", "tool here, a\n"),
        ("tool", "tools", "tool of tools, a\n"),
        ("tool", "", "tool here, a\n"),
    ] {
        assert_eq!(run(name, path).stdout, expected);
        let words = ["exec", "--auto-refresh", name, "a"];
        let path = format!("{path}:/usr/bin:/bin");
        assert_eq!(world.woci(&words).env("PATH", path).run().ok().stdout, expected);
    }
}

#[test]
fn without_a_session_the_program_is_not_started() {
    let world = World::new();
    world.woci(&["--sign-in", "never", "exec", "oci"]).run().fails(1);
    // With a person, it is made first.
    world.woci(&["exec", "oci"]).run().ok().prints("argv");
    assert_eq!(world.sign_ins(), 1);
    world.session().expire();
    world.woci(&["exec", "oci"]).run().ok().prints("argv");
    assert_eq!((world.sign_ins(), world.sim.count(Grant::Refresh)), (1, 1));
}

#[test]
fn the_token_file_is_renewed_under_the_running_program() {
    let world = World::signed_in();
    let old = world.session().due_in(-1);
    // Reads the file that the variable names, once it holds another token.
    let script = "#!/bin/sh\nfirst=$(cat \"$OCI_CLI_SECURITY_TOKEN_FILE\")\necho ready\n\
                  while [ \"$(cat \"$OCI_CLI_SECURITY_TOKEN_FILE\")\" = \"$first\" ]; do sleep 0.05; done\n\
                  echo \"renewed $1\"; exit 5\n";
    install(&world, "bin/watch-token", script, "755");
    let gate = world.sim.hold(Grant::Refresh);
    let woci = world.woci(&["exec", "--auto-refresh", "watch-token", "--auto-refresh"]).start();
    woci.prints("ready");
    gate.wait_for(1);
    gate.open();
    woci.finish().exits(5).prints("renewed --auto-refresh");
    assert_ne!(world.session().token(), old);
}

#[test]
fn where_the_section_cannot_name_the_session_the_variables_do() {
    let world = World::signed_in();
    std::os::unix::fs::symlink("/proc/self/no-such-config", world.path(".oci/config")).expect("a new link");
    let heard = world.woci(&["exec", "oci"]).run().ok().says("WARNING").json();
    let variables: BTreeMap<_, _> = heard["env"].as_object().expect("an object").iter().collect();
    for name in ["OCI_CLI_USER", "OCI_CLI_FINGERPRINT", "OCI_CLI_KEY_FILE"] {
        assert!(variables.contains_key(&name.to_owned()), "{name}");
    }
}

/// Uses a child process to write the script: see `install` in `passthrough.rs`.
fn install(world: &World, path: &str, script: &str, mode: &str) {
    let path = world.path(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"printf %s "$2" > "$1" && chmod "$3" "$1""#, "sh"]).arg(&path).arg(script).arg(mode);
    assert!(shell.status().expect("there is a shell").success());
}
