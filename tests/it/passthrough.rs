//! `woci <oci command>`: oci gets its arguments byte for byte and the environment without the variables that override
//! the profile, but no descriptors or options of woci. Its exit status is returned.

use crate::sim::oci::from_json;
use crate::world::World;
use crate::world::run::{Run, woci_program};
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

#[test]
fn profile_and_auth_are_added_if_absent() {
    let world = World::signed_in();
    world.session_of("work").seed(3600);
    world.manager(&[("DEFAULT", &world.settings()), ("work", &world.settings())]);
    for (words, expected) in [
        ("os ns get", "--profile DEFAULT --auth security_token os ns get"),
        ("--profile work os ns get", "--auth security_token --profile work os ns get"),
        ("os ns get --profile=work", "--auth security_token os ns get --profile=work"),
        ("--auth security_token os ns get", "--profile DEFAULT --auth security_token os ns get"),
        (
            "os --profile DEFAULT ns --profile work",
            "--auth security_token os --profile DEFAULT ns --profile work",
        ),
        ("--region eu-zurich-1 os ns", "--profile DEFAULT --auth security_token --region eu-zurich-1 os ns"),
        ("--debug os ns get", "--profile DEFAULT --auth security_token --debug os ns get"),
    ] {
        let words: Vec<_> = words.split(' ').collect();
        let run = world.woci(&words).run().ok().silent();
        assert_eq!(argv(&run).join(OsStr::new(" ")), *expected);
    }
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn wocis_own_options_are_removed() {
    let world = World::signed_in();
    for words in [
        &["--log-level", "ERROR", "os", "ns", "get"][..],
        &["--log-level=ERROR", "os", "ns", "get"],
        &["os", "--log-level", "ERROR", "ns", "get", "--sign-in=never"],
        &["--redirect-port", "9", "--", "os", "ns", "get"],
        &["os", "ns", "--", "get"],
    ] {
        let run = world.woci(words).run().ok();
        assert_eq!(words_of_oci(&run), ["os", "ns", "get"], "{words:?}");
    }
}

#[test]
fn after_two_dashes_all_arguments_are_passed_on() {
    let world = World::signed_in();
    let run =
        world.woci(&["--", "iam", "x", "--scope", "a", "--client-id=b", "--log-level", "c", "--", ""]).run();
    let expected = ["iam", "x", "--scope", "a", "--client-id=b", "--log-level", "c", "--", ""];
    assert_eq!(words_of_oci(&run.ok()), expected);
}

#[test]
fn arguments_that_are_not_utf8_are_passed_on() {
    let world = World::signed_in();
    let odd = OsStr::from_bytes(b"na\xffme=\xfe \n");
    let run = world.woci(&["os", "--file"]).arg(odd).arg("").arg("$HOME `x` \"'*").run().ok();
    let words = argv(&run);
    assert_eq!(words[words.len() - 3..], [odd, OsStr::new(""), OsStr::new("$HOME `x` \"'*")]);
}

#[test]
fn options_that_both_programs_have_need_two_dashes() {
    let world = World::signed_in();
    for words in [["os", "--scope", "x"], ["os", "--client-id", "x"], ["os", "--client-secret", "x"]] {
        world.woci(&words).run().fails(2).says("--");
    }
    world.woci(&["--scope", "openid", "os", "ns", "get"]).run().ok();
}

#[test]
fn the_config_file_of_the_manager_config_is_passed_on() {
    let world = World::signed_in();
    let config = world.path("elsewhere.cfg");
    let config = config.to_str().expect("UTF-8");
    world.manager(&[("DEFAULT", &world.settings_with(&[("config_file", Some(config))]))]);
    let run = world.woci(&["os", "ns", "get"]).run().ok();
    let words = argv(&run);
    let at = words.iter().position(|word| word == "--config-file").expect("oci is told");
    assert_eq!(words[at + 1], config);
    assert!(world.read("elsewhere.cfg").contains("security_token_file"));
}

#[test]
fn help_and_setup_need_no_session() {
    let world = World::new();
    for words in [&["os", "--help"][..], &["os", "-h"], &["session", "validate"], &["setup", "config"]] {
        let run = world.woci(words).run().ok();
        let all = argv(&run);
        assert!(all.ends_with(&words.iter().map(OsString::from).collect::<Vec<_>>()), "{all:?}");
    }
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn with_another_auth_woci_does_nothing() {
    let world = World::new();
    fs::remove_file(world.path(".oci/woci_manager.ini")).expect("it was there");
    for words in [["--auth", "instance_principal", "os"], ["os", "--auth=api_key", "ns"]] {
        let run = world.woci(&words).run().ok();
        assert_eq!(argv(&run), words);
    }
    // OCI_CLI_AUTH has no such effect.
    let world = World::signed_in();
    let run = world.woci(&["os"]).env("OCI_CLI_AUTH", "api_key").run().ok();
    assert_eq!(argv(&run), ["--profile", "DEFAULT", "--auth", "security_token", "os"]);
}

#[test]
fn key_and_token_are_in_the_profile_before_oci_starts() {
    let world = World::signed_in();
    world.write(".oci/config", "# mine\n[other]\nuser = x\n");
    world.woci(&["os"]).run().ok();
    let config = world.read(".oci/config");
    assert!(config.starts_with("# mine\n[other]\nuser = x\n"), "{config}");
    for name in ["token", "private_key.pem"] {
        let path = world.session().path(name);
        assert!(config.contains(path.to_str().expect("UTF-8")), "{config}");
    }
}

/// `echo >> …/token`: some readers send the line feed too.
#[test]
fn white_space_around_the_token_is_removed_before_anybody_reads_it() {
    for words in [&["os"][..], &[], &["env"]] {
        let world = World::signed_in();
        world.woci(&["os"]).run().ok();
        let token = world.session().token();
        world.session().write("token", format!("{token}\r\n \n"));
        world.woci(words).run().ok().silent();
        assert_eq!(world.session().read("token"), Some(token), "{words:?}");
        assert_eq!(world.sim.total(), 0);
    }
}

#[test]
fn a_removed_config_is_written_before_the_profile_is_handed_out() {
    for words in [&["os"][..], &[], &["env"], &["credential"]] {
        let world = World::signed_in();
        world.woci(&["os"]).run().ok();
        let before = world.read(".oci/config");
        fs::remove_file(world.path(".oci/config")).expect("it was written");
        world.woci(words).run().ok().silent();
        assert_eq!(world.read(".oci/config"), before, "{words:?}");
    }
}

#[test]
fn variables_that_override_the_profile_are_removed() {
    let world = World::signed_in();
    let taken =
        ["KEY_FILE", "KEY_CONTENT", "SECURITY_TOKEN_FILE", "PASSPHRASE", "USER", "FINGERPRINT", "TENANCY"]
            .map(|name| format!("OCI_CLI_{name}"));
    let mut woci = world.woci(&["--refresh-token-passphrase-env", "MY_PASSPHRASE", "os"]);
    for name in &taken {
        woci = woci.env(name, "x");
    }
    let odd = OsStr::from_bytes(b"\xff = \n");
    let woci = woci.env("MY_PASSPHRASE", "correct horse").env("OCI_CLI_CERT_BUNDLE", "y").env("ODD", odd);
    let heard = woci.run().ok().json();
    for name in taken.iter().map(String::as_str).chain(["MY_PASSPHRASE"]) {
        assert_eq!(heard["env"][name], Value::Null, "{name}");
    }
    assert_eq!(heard["env"]["OCI_CLI_CERT_BUNDLE"], "y");
    assert_eq!(from_json(&heard["env"]["ODD"]), odd);
    assert_eq!(heard["env"]["HOME"], world.home().to_str().expect("UTF-8"));
}

#[test]
fn oci_replaces_the_process_of_woci() {
    let world = World::signed_in();
    let woci =
        world.woci(&["os"]).env("SIM_OCI_STDIN", "1").stdin("piped\n").directory(&world.path("bin")).start();
    let id = woci.id;
    let heard = woci.finish().ok().json();
    assert_eq!(heard["pid"], id);
    assert_eq!(heard["stdin"], "piped\n");
    assert_eq!(heard["cwd"], world.path("bin").to_str().expect("UTF-8"));
    assert_eq!(heard["status"]["Umask"], "0000");
    assert_eq!(descriptors(&heard), descriptors(&without_woci(&world)));
}

#[test]
fn no_descriptor_of_a_refresh_stays_open() {
    let world = World::signed_in();
    world.session().expire();
    let heard = world.woci(&["os"]).run().ok().json();
    assert_eq!(descriptors(&heard), descriptors(&without_woci(&world)));
}

/// `woci os object put --file <(…)` reads from such a descriptor.
#[test]
fn a_descriptor_that_the_shell_opened_is_passed_on() {
    let world = World::signed_in();
    let heard = world.shell("woci os object put --file /dev/fd/9 9< /dev/null").run().ok().json();
    assert_eq!(heard["descriptors"]["9"], "/dev/null");
}

/// Uses a shell script, since Rust's runtime changes the signal dispositions it inherits.
#[test]
fn signal_dispositions_are_unchanged() {
    let world = World::signed_in();
    world.session().expire();
    let script = "#!/bin/sh\nwhile read -r line; do case $line in Sig[BI]*) echo $line;; esac; done \
                  < /proc/self/status\n";
    install(&world, "shell/oci", script, "755");
    let run = world.woci(&["os"]).env("PATH", world.path("shell")).run().ok();
    assert_eq!(run.stdout, world.program(&world.path("shell/oci"), &["os"]).run().ok().stdout);
    assert!(run.stdout.starts_with("SigBlk: 0000000000000000\n"), "{run}");
}

/// Rust's runtime ignores SIGPIPE before `main`, and woci ignores SIGXFSZ.
#[test]
fn ignored_signals_stay_ignored_and_no_others() {
    let traps = ["", "trap '' PIPE;", "trap '' XFSZ;", "trap '' HUP PIPE XFSZ;"];
    compare_signals_with_and_without_woci("woci os", "SigIgn*", &traps);
}

/// Compares these lines of oci's /proc/self/status. A shell script plays oci, since Rust's runtime changes the signal
/// dispositions it inherits.
pub fn compare_signals_with_and_without_woci(woci: &str, lines: &str, traps: &[&str]) {
    let world = World::signed_in();
    let script = format!(
        "#!/bin/sh\nwhile read -r line; do case $line in {lines}) echo $line;; esac; done < /proc/self/status\n"
    );
    install(&world, "shell/oci", &script, "755");
    let path = format!("{}:/usr/bin:/bin", world.path("shell").display());
    for traps in traps {
        let [with, without] = [woci, "oci os"].map(|program| {
            let line = format!("{traps} exec {program}");
            let path = format!("{path}:{}", world.path("bin").display());
            world.shell(&line).env("PATH", path).run().ok().stdout
        });
        assert!(!without.is_empty(), "{traps}");
        assert_eq!(with, without, "{traps}");
    }
}

#[test]
fn exit_codes_and_signals_of_oci_are_returned() {
    let world = World::signed_in();
    for code in [0, 1, 2, 42, 127, 255] {
        world.woci(&["os"]).env("SIM_OCI_EXIT", code.to_string()).run().exits(code).silent();
    }
    for signal in [libc::SIGKILL, libc::SIGSEGV, libc::SIGPIPE] {
        let run = world.woci(&["os"]).env("SIM_OCI_SIGNAL", signal.to_string()).run();
        assert_eq!(run.status.signal(), Some(signal));
    }
}

/// 100 MB in and out, byte for byte, by way of oci's own descriptors.
#[test]
fn a_hundred_megabytes_pass_unchanged() {
    let world = World::signed_in();
    install(
        &world,
        "loud/oci",
        "#!/bin/sh\nhead -c 104857600 | cksum\nhead -c 104857600 /dev/zero | tr '\\0' x\n",
        "755",
    );
    for option in ["", "--auto-refresh "] {
        let line = format!(
            "head -c 104857600 /dev/zero | PATH={}:$PATH woci {option}os object put | cksum",
            world.path("loud").display()
        );
        let direct = world.shell(&line.replace(&format!("woci {option}"), "oci ")).run().ok().stdout;
        assert_eq!(world.shell(&line).run().ok().silent().stdout, direct);
    }
}

/// What a program inherits: whether its streams are a terminal, the size of that, umask, niceness.
#[test]
fn oci_sees_the_terminal_and_the_process_as_without_woci() {
    let world = World::signed_in();
    install(
        &world,
        "nosy/oci",
        "#!/bin/sh\nfor fd in 0 1 2; do [ -t $fd ] && echo $fd is a terminal; done\nstty size\numask\nnice\nulimit -a\n",
        "755",
    );
    let path = format!("{}:{}:/usr/bin:/bin", world.path("nosy").display(), world.path("bin").display());
    for option in ["", "--auto-refresh "] {
        let seen = |program: &str| {
            let line = format!("umask 027; ulimit -n 512; exec nice -n 5 {program} os");
            let woci = world.shell(&line).env("PATH", &path).columns(97).screen();
            woci.run().ok().stderr
        };
        let direct = seen("oci");
        assert!(direct.contains("50 97") && direct.contains("1 is a terminal"), "{direct}");
        assert_eq!(seen(&format!("woci {option}")), direct);
    }
}

#[test]
fn a_signal_reaches_oci() {
    let world = World::signed_in();
    let woci = world.woci(&["os"]).env("SIM_OCI_SIGNALS", "2").env("SIM_OCI_EXIT", "9").start();
    woci.prints("ready");
    woci.signal(libc::SIGTERM);
    woci.prints("signal 15");
    woci.signal(libc::SIGINT);
    woci.finish().exits(9).prints("signal 2");
}

#[test]
fn with_auto_refresh_after_a_sign_in_oci_gets_the_signals_too() {
    // A sign-in leaves threads running, which must not take the signals for oci, nor SIGCHLD.
    let world = World::new();
    let woci =
        world.woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "2").env("SIM_OCI_EXIT", "9").start();
    woci.prints("ready");
    woci.signal(libc::SIGINT); // oci gets the terminal's SIGINT itself
    woci.signal(libc::SIGTERM);
    woci.prints("signal 15");
    woci.signal(libc::SIGHUP);
    woci.finish().exits(9).prints("signal 1");
}

#[test]
fn a_missing_oci_is_exit_127_and_one_that_cannot_run_is_126() {
    let world = World::new();
    fs::create_dir(world.path("empty")).expect("a new folder");
    world.woci(&["os"]).env("PATH", world.path("empty")).run().fails(127).says("oci");
    assert_eq!(world.sim.total(), 0, "oci is looked for first");
    world.session().seed(3600);
    for (script, mode) in [("#!/no/such/interpreter\n", "755"), ("#!/bin/sh\n", "644")] {
        install(&world, "useless/oci", script, mode);
        world.woci(&["os"]).env("PATH", world.path("useless")).run().fails(126).says("oci");
    }
}

#[test]
fn an_oci_that_is_woci_itself_is_skipped() {
    let world = World::signed_in();
    fs::create_dir(world.path("alias")).expect("a new folder");
    symlink(woci_program(), world.path("alias/oci")).expect("a new link");
    let both = format!("{}:{}", world.path("alias").display(), world.path("bin").display());
    world.woci(&["os"]).env("PATH", both).run().ok().prints("argv");
    world.woci(&["os"]).env("PATH", world.path("alias")).run().fails(127);
}

#[test]
fn an_oci_that_runs_woci_does_not_run_for_ever() {
    let world = World::signed_in();
    install(&world, "script/oci", "#!/bin/sh\necho again >&2\nexec woci \"$@\"\n", "755");
    let (script, bin) = (world.path("script"), world.path("bin"));
    fs::create_dir(world.path("only")).expect("a new folder");
    symlink(woci_program(), world.path("only/woci")).expect("a new link");
    let path = |folders: &[&std::path::Path]| std::env::join_paths(folders).expect("no colon");
    // The next oci on PATH is run.
    let run = world.woci(&["os", "ns"]).env("PATH", path(&[&script, &bin])).run().ok();
    assert_eq!(words_of_oci(&run), ["os", "ns"]);
    assert_eq!(run.stderr, "again\n");
    // With no other, woci says so after one round.
    for extra in [&[][..], &["--auto-refresh"], &["--auth", "api_key"]] {
        let words = [extra, &["os", "ns"]].concat();
        let run = world.woci(&words).env("PATH", path(&[&script, &world.path("only")])).run();
        let run = run.exits(126).says("it runs woci again");
        assert_eq!(run.stderr.matches("again\n").count(), 1, "{run}");
    }
}

/// The folder may be anybody's, and oci is handed a session.
#[test]
fn an_oci_of_the_working_folder_is_not_run() {
    let world = World::signed_in();
    install(&world, "here/oci", "#!/bin/sh\necho stranger\n", "755");
    for entry in ["", ".", "here", "./here", "../here"] {
        let run = |path: String| {
            let folder = if entry.ends_with("here") && entry != "../here" {
                world.home()
            } else {
                &world.path("here")
            };
            world.woci(&["os", "ns"]).directory(folder).env("PATH", path).run()
        };
        run(format!("{entry}:{}", world.path("bin").display())).ok().prints("argv");
        run(format!("{entry}:/nowhere")).fails(127);
    }
}

#[test]
fn without_a_session_oci_is_not_started() {
    let world = World::new();
    let heard = world.path("heard.json");
    world.woci(&["--sign-in", "never", "os"]).env("SIM_OCI_OUT", &heard).run().fails(1);
    assert!(!heard.exists(), "oci with a dead token asks a question and hangs kubectl");
}

#[test]
fn after_a_first_sign_in_oci_is_started() {
    let world = World::new();
    let run = world.woci(&["os", "ns", "get"]).run().ok().says("Auth URL: ");
    assert_eq!(words_of_oci(&run), ["os", "ns", "get"]);
    assert_eq!(world.sign_ins(), 1);
}

/// What the same program reports if the test starts it without woci.
fn without_woci(world: &World) -> Value {
    world.program(&world.path("bin/oci"), &["os"]).run().ok().json()
}

fn descriptors(heard: &Value) -> Vec<&String> {
    heard["descriptors"].as_object().expect("an object").keys().collect()
}

/// The arguments of oci.
fn argv(run: &Run) -> Vec<OsString> {
    let heard = run.json();
    heard["argv"].as_array().expect("a list").iter().skip(1).map(from_json).collect()
}

/// The arguments without the two options that woci adds.
fn words_of_oci(run: &Run) -> Vec<OsString> {
    let words = argv(run);
    assert_eq!(words[..4], ["--profile", "DEFAULT", "--auth", "security_token"]);
    words[4..].to_vec()
}

/// Writes the script in a child process. If this process had it open for writing, a child that another test is just
/// starting could inherit the descriptor, and the script could not be run ("text file busy").
fn install(world: &World, path: &str, script: &str, mode: &str) {
    let path = world.path(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"printf %s "$2" > "$1" && chmod "$3" "$1""#, "sh"]);
    let written = shell.arg(&path).arg(script).arg(mode).status();
    assert!(written.expect("there is a shell").success());
}

#[test]
fn on_a_terminal_a_person_reads_plain_lines_without_the_token() {
    let world = World::new();
    let shown = world.woci(&["session", "authenticate", "--profile", "DEFAULT"]).screen().run().ok();
    for part in [
        "DEFAULT",
        "signed in just now",
        "ocid1.user.",
        "us-ashburn-1",
        "until ",
        "`woci os ns get --profile DEFAULT`",
    ] {
        assert!(shown.stderr.contains(part), "{part}: {shown}");
    }
    let text = world.woci(&[]).screen().run().ok();
    assert!(text.stderr.starts_with("Profile   DEFAULT (the stored session)"), "{text}");
    for words in
        [&["--daemon-status"][..], &["kube-credential", "--cluster-id", "ocid1.cluster.oc1.iad.aaaa"]]
    {
        let run = world.woci(words).screen().run();
        assert!(!run.stderr.contains(['{', '}']) && run.stderr.contains("Next: "), "{run}");
    }
    // --output decides otherwise, wherever stdout goes.
    let piped = world.woci(&["--output", "text"]).run().ok().silent();
    assert!(piped.stdout.starts_with("Profile "), "{piped}");
    world.woci(&["--output=json"]).run().ok().json();
    world.woci(&["--output", "table"]).run().fails(2).says("--output");
    // An oci command keeps its own.
    let heard = world.woci(&["--output", "table", "os", "--output", "json"]).run().ok().json();
    let argv: Vec<_> = heard["argv"].as_array().expect("a list").iter().skip(5).cloned().collect();
    assert_eq!(argv, ["--output", "table", "os", "--output", "json"]);
}

#[test]
fn env_sets_the_names_of_the_sdks_too_in_each_shell() {
    let world = World::signed_in();
    for shell in ["sh", "bash", "zsh", "powershell", "pwsh", "fish"] {
        let run = world.woci(&["env", "--shell", shell]).run().ok().silent();
        for name in ["OCI_CONFIG_FILE", "OCI_CONFIG_PROFILE"] {
            assert!(run.stdout.lines().any(|line| line.contains(name)), "{shell} {name}: {run}");
        }
        let unset = world.woci(&["env", "--unset", "--shell", shell]).run().ok().says("do not restore");
        assert!(
            unset.stdout.contains("OCI_CONFIG_PROFILE") && !unset.stdout.contains("OCI_CLI_PASSPHRASE"),
            "{unset}"
        );
    }
    let line = "eval \"$(woci env)\"; echo $OCI_CONFIG_PROFILE $OCI_CONFIG_FILE; eval \"$(woci env --unset)\"; \
                echo ${OCI_CONFIG_FILE-gone}";
    let run = world.shell(line).run().ok();
    let config = world.path(".oci/config");
    assert_eq!(run.stdout, format!("DEFAULT {}\ngone\n", config.display()));
}
