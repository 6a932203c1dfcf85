//! The configuration: how both files are found, how the profile is chosen, the errors for missing and malformed
//! values, and when warnings are shown.

use crate::world::World;
use crate::world::run::Woci;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

const MANAGER: &str = ".oci/woci_manager.ini";
const MISSING: &str = "Missing required options: ";

/// A World with this manager config and a session of the profile DEFAULT.
fn with_manager(text: impl AsRef<[u8]>) -> World {
    let world = World::signed_in();
    world.write(MANAGER, text);
    world
}

/// The text of a section that is set up for the World's simulator.
fn section(world: &World, name: &str) -> String {
    let lines = world.settings().into_iter().map(|(key, value)| format!("{key} = {value}\n"));
    format!("[{name}]\n{}", lines.collect::<String>())
}

fn profile(world: &World, words: &[&str]) -> Value {
    world.woci(words).run().ok().json()["profile"].clone()
}

/// Each file has a profile of its own, so that the credential shows which file was read.
#[test]
fn the_manager_config_is_found_by_its_rules() {
    let world = World::new();
    for name in ["flag", "variable", "beside", "home"] {
        world.session_of(name).seed(3600);
        fs::create_dir_all(world.path(name)).expect("a new folder");
        let path = if name == "home" { MANAGER.to_owned() } else { format!("{name}/woci_manager.ini") };
        world.write(&path, section(&world, name));
    }
    let variable = world.path("variable/woci_manager.ini");
    let beside = world.path("beside/config");
    let flag = ["--manager-config", "flag/woci_manager.ini"];
    let read = |words: &[&str], with_variable: bool, with_config: bool| {
        let mut woci = world.woci(words);
        if with_variable {
            woci = woci.env("WOCI_MANAGER_CONFIG", &variable);
        }
        if with_config {
            woci = woci.env("OCI_CLI_CONFIG_FILE", &beside);
        }
        woci.run().ok().json()["profile"].clone()
    };
    assert_eq!(read(&flag, true, true), "flag");
    assert_eq!(read(&[], true, true), "variable");
    assert_eq!(read(&[], false, true), "beside");
    assert_eq!(read(&["--config-file", "~/beside/config"], false, false), "beside");
    assert_eq!(read(&[], false, false), "home");
    // Without a manager config beside that OCI config, the one in the home is read. An empty variable counts as unset.
    assert_eq!(read(&["--config-file", "elsewhere/config"], false, false), "home");
    assert_eq!(world.woci(&[]).env("WOCI_MANAGER_CONFIG", "").run().ok().json()["profile"], "home");
    // The key config_file moves the OCI config, but not this search.
    world.write(MANAGER, section(&world, "home") + "config_file = ../beside/config\n");
    let credential = world.woci(&[]).run().ok().json();
    assert_eq!(credential["profile"], "home");
    assert_eq!(credential["config_file"], world.path(".oci/../beside/config").to_str().expect("UTF-8"));
}

#[test]
fn the_oci_config_is_found_by_flag_variable_key_and_home() {
    let world = World::signed_in();
    world.write(MANAGER, section(&world, "DEFAULT") + "config_file = ~/key/config\n");
    let path = |words: &[&str], variable: &str| {
        let run = world.woci(words).env("OCI_CLI_CONFIG_FILE", variable).run().ok();
        let path = run.json()["config_file"].as_str().expect("text").to_owned();
        path.strip_prefix(world.home().to_str().expect("UTF-8")).expect("inside the home").to_owned()
    };
    assert_eq!(path(&["--config-file", "flag"], "~/variable"), "/flag");
    assert_eq!(path(&[], "~/variable"), "/variable");
    assert_eq!(path(&[], ""), "/key/config");
    world.manager(&[("DEFAULT", &world.settings())]);
    assert_eq!(path(&[], ""), "/.oci/config");
}

/// Invalid manager configs: name, content, and a part of the error message.
fn unreadable() -> [(&'static str, Vec<u8>, &'static str); 8] {
    [
        ("binary", b"\x7fELF\0\xff\xfe".to_vec(), "line 1"),
        ("not UTF-8", b"[DEFAULT]\nscope = \xe4\n".to_vec(), "line 2"),
        ("a key before a section", b"scope = openid\n".to_vec(), "line 1"),
        ("a section twice", b"[a]\n[b]\n[a]\n".to_vec(), "line 3"),
        ("a key twice", b"[a]\nscope = x\nSCOPE = y\n".to_vec(), "line 3"),
        ("neither", b"[a]\n\nhello\n".to_vec(), "line 3"),
        ("a byte order mark", b"\xef\xbb\xbf[a]\n".to_vec(), "line 1"),
        ("huge", vec![b'#'; (16 << 20) + 1], "16 MiB"),
    ]
}

#[test]
fn an_invalid_manager_config_that_was_named_is_exit_2() {
    let world = World::signed_in();
    fs::create_dir(world.path("folder")).expect("a new folder");
    for (name, text, words) in unreadable() {
        world.write("named.ini", text);
        for woci in [
            world.woci(&["--manager-config", "named.ini"]),
            world.woci(&[]).env("WOCI_MANAGER_CONFIG", "named.ini"),
            world.woci(&["--manager-config=named.ini", "os"]),
        ] {
            let run = woci.run().fails(2).says("named.ini").says(words);
            assert_eq!(world.sim.total(), 0, "{name}: {run}");
        }
    }
    for (path, words) in [("none.ini", "no such file"), ("folder", "folder"), ("/dev/zero", "regular file")] {
        world.woci(&["--manager-config", path]).run().fails(2).says(path).says(words);
        world.woci(&[]).env("WOCI_MANAGER_CONFIG", path).run().fails(2).says(path);
    }
}

#[test]
fn an_invalid_manager_config_that_was_not_named_is_an_error_only_if_it_is_needed() {
    for (name, text, words) in unreadable() {
        let world = with_manager(text);
        // The only session folder is that of DEFAULT.
        world.woci(&[]).run().ok().silent();
        world.woci(&["--log-level", "DEBUG"]).run().ok().says("woci_manager.ini");
        // A refresh needs its values: a warning, and all missing values are named.
        world.session().expire();
        let run = world.woci(&[]).run().fails(2).says(words).says(MISSING).says("--token-url");
        assert!(run.stderr.contains("WARNING"), "{name}: {run}");
        assert_eq!(world.sim.total(), 0, "{name}");
        // With two session folders, the profile is not determined.
        world.session_of("other").seed(3600);
        world.woci(&[]).run().fails(2).says("woci_manager.ini");
        world.woci(&["--profile", "other"]).run().ok().silent();
        world.woci(&[]).env("OCI_CLI_PROFILE", "other").run().ok().silent();
    }
    let world = World::signed_in();
    fs::remove_file(world.path(MANAGER)).expect("it was there");
    fs::create_dir(world.path(MANAGER)).expect("a new folder");
    world.woci(&[]).run().ok().silent();
    fs::remove_dir(world.path(MANAGER)).expect("it is empty");
    symlink("woci_manager.ini", world.path(MANAGER)).expect("a new link");
    world.woci(&[]).run().ok().silent();
}

#[test]
fn an_empty_manager_config_is_valid() {
    for text in ["", "\n\n", "# nothing\n; here\n", "[COMMON]\n"] {
        let world = with_manager(text);
        assert_eq!(profile(&world, &[]), "DEFAULT", "{text:?}");
        world.session().expire();
        let run = world.woci(&[]).run().fails(2).says(MISSING);
        for name in ["authz_base_url", "token_url", "auth_client_id", "client_id", "client_secret", "scope"] {
            assert!(run.stderr.contains(&format!("({name})")), "{name}: {run}");
        }
        assert!(
            !run.stderr.contains("auth_client_secret") && !run.stderr.contains("token_exchange_url"),
            "{run}"
        );
    }
}

#[test]
fn exactly_the_missing_values_are_named() {
    let world = World::signed_in();
    world.session().expire();
    for key in ["authz_base_url", "token_url", "auth_client_id", "client_id", "client_secret", "scope"] {
        for value in [None, Some("")] {
            world.manager(&[("DEFAULT", &world.settings_with(&[(key, value)]))]);
            let run = world.woci(&[]).run().fails(2);
            let option = format!("--{} ({key})", key.replace('_', "-"));
            assert!(run.stderr.contains(&format!("{MISSING}{option}; ")), "{run}");
        }
    }
    assert_eq!(world.sim.total(), 0);
    // Flags alone suffice, without any file.
    fs::remove_file(world.path(MANAGER)).expect("it was there");
    let mut woci = world.woci(&[]);
    for (key, value) in world.settings().into_iter().filter(|(key, _)| key != "region") {
        woci = woci.arg(format!("--{}", key.replace('_', "-"))).arg(value);
    }
    assert_eq!(woci.run().ok().json()["source"], "refreshed");
}

#[test]
fn an_empty_value_overrides_that_of_common() {
    let world = World::signed_in();
    let common = section(&world, "COMMON");
    world.write(MANAGER, format!("{common}[DEFAULT]\nclient_secret =\n"));
    world.session().expire();
    world.woci(&[]).run().fails(2).says("--client-secret");
    world.write(MANAGER, format!("{common}[DEFAULT]\n"));
    world.woci(&[]).run().ok();
}

#[test]
fn the_profile_is_chosen_by_its_rules() {
    let world = World::new();
    for name in ["DEFAULT", "a", "b"] {
        world.session_of(name).seed(3600);
    }
    let settings = world.settings();
    let manager = |names: &[&str]| {
        world.manager(&names.iter().map(|name| (*name, &settings[..])).collect::<Vec<_>>());
    };
    manager(&["a", "DEFAULT", "COMMON"]);
    assert_eq!(profile(&world, &[]), "DEFAULT");
    assert_eq!(profile(&world, &["--profile", "b"]), "b");
    let by_variable =
        |words: &[&str]| world.woci(words).env("OCI_CLI_PROFILE", "a").run().ok().json()["profile"].clone();
    assert_eq!(by_variable(&[]), "a");
    assert_eq!(by_variable(&["--profile", "b"]), "b");
    manager(&["COMMON", "a"]);
    assert_eq!(profile(&world, &[]), "a");
    manager(&["a", "COMMON", "b"]);
    world.woci(&[]).run().fails(2).says("Could not determine profile name: ").says("a, b");
    manager(&["COMMON"]);
    assert_eq!(profile(&world, &[]), "DEFAULT");
}

#[test]
fn other_profiles_do_not_inherit_from_the_default_section() {
    let world = World::signed_in();
    world.session_of("work").seed(-60);
    world.write(MANAGER, section(&world, "DEFAULT") + "[work]\nscope = openid\n");
    world.woci(&["--profile", "work"]).run().fails(2).says(MISSING).says("--token-url");
}

#[test]
fn a_profile_name_that_would_leave_the_sessions_folder_is_refused() {
    let world = World::signed_in();
    let names =
        ["../DEFAULT", "..", ".", "a/b", "/etc", "COMMON", "a b", "ä", "a\nb", "~", "DEFAULT/", "$(id)"];
    for name in names {
        let before = fs::read_dir(world.path(".oci/sessions")).expect("a folder").count();
        world.woci(&["--profile", name]).run().fails(2).says("profile name");
        world.woci(&["--profile", name, "os"]).run().fails(2);
        world.woci(&["session", "authenticate", "--profile-name", name]).run().fails(2);
        world.woci(&[]).env("OCI_CLI_PROFILE", name).run().fails(2);
        if !name.contains('\n') {
            world.write("odd.ini", section(&world, name));
            let run = world.woci(&["--manager-config", "odd.ini"]).run();
            assert!(run.code() == 2 || name == "COMMON", "{run}");
        }
        assert_eq!(fs::read_dir(world.path(".oci/sessions")).expect("a folder").count(), before, "{name}");
    }
    let odd = std::ffi::OsStr::from_bytes(b"a\xff");
    world.woci(&["--profile"]).arg(odd).run().fails(2);
    world.woci(&[]).env("OCI_CLI_PROFILE", odd).run().fails(2);
    world.woci(&["--profile", &"x".repeat(300)]).run().fails(2);
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn a_malformed_value_is_exit_2_even_if_it_is_not_needed() {
    let world = World::signed_in();
    for (key, value) in [
        ("authz_base_url", "idp.example.com"),
        ("token_url", "http://idp.example.com/token"),
        ("token_url", "ftp://127.0.0.1/"),
        ("token_exchange_url", "https://"),
        ("token_exchange_url", "https://a b/"),
        ("token_url", "https://[::1/x"),
        ("token_url", "https://[zz]/x"),
        ("token_url", "https://a..b/"),
        ("token_url", "https://."),
        ("token_url", "https://h/%zz"),
        ("redirect_port", "0,8181"),
        ("redirect_port", "8181;8182"),
        ("redirect_host", "0.0.0.0"),
        ("redirect_path", "callback"),
        ("redirect_port", "65536"),
        ("redirect_port", "http"),
        ("refresh_safety_window", "-1"),
        ("refresh_safety_window", "10m"),
        ("auto_refresh", "maybe"),
        ("refresh_token_passphrase_prompt", "2"),
        ("sign_in", "sometimes"),
        ("log_level", "LOUD"),
    ] {
        world.manager(&[("DEFAULT", &world.settings_with(&[(key, Some(value))]))]);
        let named = format!("{key} in [DEFAULT] of ");
        for words in [&[][..], &["os"], &["env"], &["session", "refresh"]] {
            world.woci(words).run().fails(2).says(&named).says("woci_manager.ini");
        }
        // Values of COMMON are checked too, unless the section overrides them.
        let section = section(&world, "DEFAULT");
        let section: String = section
            .lines()
            .filter(|line| !line.starts_with(&format!("{key} ")))
            .map(|line| format!("{line}\n"))
            .collect();
        world.write(MANAGER, format!("[COMMON]\n{key} = {value}\n{section}"));
        world.woci(&[]).run().fails(2).says(&format!("{key} in [COMMON]"));
    }
    world.manager(&[("DEFAULT", &world.settings())]);
    for words in [
        ["--token-url", "http://idp.example.com/"],
        ["--redirect-port", "eighty"],
        ["--refresh-safety-window", "1.5"],
        ["--log-level", "LOUD"],
        ["--sign-in", "sometimes"],
    ] {
        world.woci(&words).run().fails(2).says(words[0]);
    }
    world.woci(&[]).env("WOCI_SIGN_IN", "sometimes").run().fails(2).says("WOCI_SIGN_IN");
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn booleans_and_named_values_are_read_in_any_case() {
    let world = World::signed_in();
    for value in ["true", "No", "ON", "off", "1", "0", "Yes", "FALSE", ""] {
        let changes =
            [("auto_refresh", Some(value)), ("sign_in", Some("NEVER")), ("log_level", Some("warning"))];
        world.manager(&[("DEFAULT", &world.settings_with(&changes))]);
        world.woci(&[]).run().ok().silent();
    }
}

/// A warm run prints nothing at INFO, since kubectl shows stderr to the person at every command.
#[test]
fn warnings_are_shown_only_with_a_refresh_or_sign_in() {
    let world = World::signed_in();
    let settings = world.settings_with(&[
        ("scope", Some("openid")),
        ("tokn_url", Some("x")),
        ("profile_name", Some("DEFAULT")),
        ("auth_client_secret", Some("a%%b")),
    ]);
    world.manager(&[("DEFAULT", &settings)]);
    let warnings = ["offline_access", "write token_url if that is meant", "auth_client_secret in [DEFAULT]"];
    for words in [&[][..], &["os"], &["env"]] {
        world.woci(words).run().ok().silent();
        let run = world.woci(&[&["--log-level", "DEBUG"], words].concat()).run().ok();
        for warning in warnings {
            assert!(run.stderr.contains(warning), "{run}");
        }
        assert!(!run.stderr.contains("WARNING"), "{run}");
    }
    world.session().expire();
    for words in [&[][..], &["session", "authenticate"]] {
        let run = world.woci(words).run();
        for warning in warnings {
            let line = run.stderr.lines().find(|line| line.contains(warning));
            assert!(line.is_some_and(|line| line.contains(" WARNING ")), "{run}");
        }
        assert!(!run.stderr.contains("profile_name"), "{run}");
    }
}

#[test]
fn messages_below_the_log_level_are_not_shown() {
    let world = World::signed_in();
    let levels = |run: &crate::world::run::Run| {
        let words = run.stderr.lines().filter_map(|line| line.split(' ').nth(1).map(str::to_owned));
        let mut levels: Vec<_> = words.filter(|word| word.chars().all(char::is_uppercase)).collect();
        levels.sort();
        levels.dedup();
        levels
    };
    for (level, expected) in [
        ("DEBUG", &["DEBUG", "INFO", "WARNING"][..]),
        ("info", &["INFO", "WARNING"]),
        ("WARNING", &["WARNING"]),
        ("ERROR", &[]),
    ] {
        world.manager(&[(
            "DEFAULT",
            &world.settings_with(&[("tokn_url", Some("x")), ("log_level", Some(level))]),
        )]);
        world.session().expire();
        assert_eq!(levels(&world.woci(&[]).run().ok()), expected, "{level}");
        world.session().expire();
        // The flag has precedence.
        assert_eq!(levels(&world.woci(&["--log-level", "ERROR"]).run().ok()), [""; 0]);
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ LEVEL message`, one line each, whatever a file holds.
#[test]
fn every_message_is_one_line_of_that_form() {
    let world = World::signed_in();
    world.session().expire();
    world.write(MANAGER, section(&world, "DEFAULT") + "k\u{1b}[31mey = x\nother\u{7}key = y\n");
    let run = world.woci(&["--log-level", "DEBUG"]).run().ok();
    for line in run.stderr.lines() {
        let (time, rest) = line.split_at(20);
        assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T', "{line}");
        assert!([" DEBUG ", " INFO ", " WARNING "].iter().any(|level| rest.starts_with(level)), "{line}");
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
    }
}

#[test]
fn a_secret_with_any_character_is_sent_correctly() {
    let world = World::new();
    for secret in
        ["#;%=:[x] \"quoted\" 'too' \\n", "%(client_id)s %% 100%", "ends with # comment ; both", "é€ £ü漢"]
    {
        world.secret(secret);
        world.sim.provider.rules().client_secret = Some(secret.into());
        world.sim.domain.rules().client_secret = secret.into();
        world.manager(&[("DEFAULT", &world.settings())]);
        world.woci(&["session", "authenticate"]).run().ok();
    }
}

#[test]
fn words_after_two_dashes_are_never_verbs_of_woci() {
    let world = World::signed_in();
    for words in [&["--", "credential"][..], &["--", "env"], &["--", "help"], &["--", "os", "--scope", "x"]] {
        let heard = world.woci(words).run().ok().json();
        let argv: Vec<_> = heard["argv"].as_array().expect("a list").iter().skip(5).collect();
        assert_eq!(argv, words[1..].iter().collect::<Vec<_>>(), "{words:?}");
    }
    let heard = world.woci(&["--", "session", "authenticate"]).run().ok().json();
    assert_eq!(heard["argv"].as_array().map(Vec::len), Some(3));
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn an_invalid_home_is_an_error() {
    let world = World::signed_in();
    world.write("file", "");
    world.woci(&[]).env("HOME", world.path("file")).run().fails(2);
    world.woci(&[]).env("HOME", "relative").run().fails(2).says("HOME");
    world.woci(&[]).env("HOME", world.path("nothing-here")).run().fails(2).says(MISSING);
}

/// oci makes a folder of the name, and no file system takes a longer one.
#[test]
fn a_profile_name_that_no_file_can_have_is_exit_2() {
    let world = World::new();
    let name = |length| "p".repeat(length);
    for length in [256, 4096] {
        for words in [&[][..], &["session", "authenticate"], &["env"], &["--daemon-status"]] {
            world.woci(&["--profile", &name(length)]).args(words).run().fails(2).says("as a profile name");
        }
    }
    assert_eq!(world.sim.total(), 0);
    world.manager(&[(&name(255), &world.settings())]);
    world.woci(&["--profile", &name(255), "session", "authenticate"]).run().ok();
}

/// A config is read at every call of kubectl. Nobody writes one that takes seconds.
#[test]
fn a_config_beyond_all_measure_is_refused() {
    let world = World::signed_in();
    let keys: String = (0..800_000).map(|number| format!("k{number}=1\n")).collect();
    world.write(MANAGER, section(&world, "DEFAULT") + &keys);
    let named = world.path(MANAGER);
    world.woci(&["--manager-config"]).arg(&named).run().fails(2).says("more than").says("keys");
    world.woci(&["session", "refresh"]).run().fails(2).says("more than");
    world.write(MANAGER, section(&world, "DEFAULT"));
    world.write(".oci/config", format!("[other]\n{keys}"));
    world.woci(&["session", "refresh"]).run().fails(2).says(".oci/config").says("more than");
    assert_eq!(world.sim.total(), 0);
    // What people have is far below.
    let sections: String = (0..2_000).map(|number| format!("[p{number}]\nregion=us-ashburn-1\n")).collect();
    world.write(".oci/config", sections);
    world.woci(&["session", "refresh"]).run().ok();
}

/// The paths of a session stand in the OCI config, which no line break and no other bytes than UTF-8 may be in.
#[test]
fn a_sessions_folder_that_no_config_can_name_is_refused_before_a_sign_in() {
    use std::os::unix::ffi::OsStringExt as _;
    let world = World::new();
    for name in [&b"line\nbreak"[..], b"\xff"] {
        let folder = world.path(std::ffi::OsString::from_vec(name.to_vec()));
        for words in [&["session", "authenticate"][..], &[], &["os", "ns", "get"]] {
            let run = world.woci(words).env("WOCI_SESSIONS_FOLDER", &folder).run();
            assert_eq!(run.fails(2).stdout, "");
        }
        assert!(!folder.exists());
    }
    assert_eq!((world.sim.total(), world.sign_ins()), (0, 0));
}

#[test]
fn a_closed_stdout_is_exit_1_as_a_full_one_is() {
    let world = World::signed_in();
    for words in ["", "env", "session refresh", "--daemon-status", "--version", "help"] {
        for to in ["&-", "/dev/full"] {
            world.shell(&format!("exec woci {words} >{to}")).run().fails(1).says("cannot write to stdout");
        }
    }
    // What prints nothing of its own needs none.
    world.shell("exec woci os ns get >&-").run().ok();
}

/// With values in [COMMON], a mistyped profile has all that a sign-in needs.
#[test]
fn a_mistyped_profile_signs_nobody_in_and_leaves_nothing() {
    let world = World::new();
    world.write(MANAGER, section(&world, "COMMON") + "[prod]\n[staging]\n");
    for words in
        [&[][..], &["session", "authenticate"], &["session", "refresh"], &["os"], &["env"], &["--daemon"]]
    {
        let run = world.woci(&["--profile", "prdo"]).args(words).run();
        run.fails(2).says("prdo").says("prod, staging");
        assert!(!world.path(".oci/sessions").exists(), "{words:?}");
    }
    assert_eq!(world.sim.total(), 0);
    assert!(!world.path(".oci/config").exists());
    // The OCI config knows the name, or there is a session of it.
    world.write(".oci/config", "[prdo]\nregion=us-ashburn-1\n");
    world.woci(&["--profile", "prdo"]).run().ok();
    fs::remove_file(world.path(".oci/config")).expect("it was written above");
    world.woci(&["--profile", "prdo", "session", "authenticate"]).run().ok();
    // Without other sections every name is as good.
    world.write(MANAGER, section(&world, "COMMON"));
    world.woci(&["--profile", "any"]).run().ok();
}

#[test]
fn a_run_that_fails_before_it_stores_anything_leaves_no_folder() {
    let world = World::new();
    let fails = |words: &[&str], code: i32| {
        world.woci(words).env("BROWSER", "no-such-browser").run().fails(code);
        assert!(!world.path(".oci/sessions/DEFAULT").exists(), "{words:?}");
        assert!(!world.path(".oci/sessions/other").exists(), "{words:?}");
    };
    fails(&["--sign-in", "never"], 1);
    fails(&[], 1);
    world.write(MANAGER, "[DEFAULT]\n[other]\n");
    fails(&["session", "authenticate"], 2);
    fails(&["--profile", "other", "session", "refresh"], 2);
}

/// Each takes the folder away that another waits in.
#[test]
fn runs_that_fail_at_once_do_not_disturb_each_other() {
    let world = World::new();
    world.write(MANAGER, "[DEFAULT]\n");
    let runs: Vec<_> = (0..24).map(|_| world.woci(&["session", "authenticate"]).start()).collect();
    for run in runs {
        run.finish().fails(2).says(MISSING);
    }
    assert!(!world.path(".oci/sessions/DEFAULT").exists());
}

#[test]
fn a_typing_error_signs_nobody_in() {
    let world = World::new();
    for (words, meant) in [
        (&["statsu"][..], "`woci status`"),
        (&["login"], "`woci session authenticate`"),
        (&["--hepl"], "--help"),
        (&["--proflie", "prod", "os", "ns", "get"], "--profile"),
    ] {
        world.woci(words).run().fails(2).says(meant).says("`--`");
    }
    assert_eq!(world.sim.total(), 0);
    world.woci(&["--", "statsu"]).run().ok();
}

#[test]
fn without_a_named_profile_ocis_default_profile_is_taken() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.session_of(name).seed(3600);
    }
    world.manager(&["a", "b", "c"].map(|name| (name, &*world.settings().leak())));
    world.woci(&[]).run().fails(2).says("Could not determine profile name");
    world.write(".oci/oci_cli_rc", "[OTHER]\ndefault_profile = c\n[OCI_CLI_SETTINGS]\nDefault_Profile = a\n");
    assert_eq!(profile(&world, &[]), "a");
    assert_eq!(profile(&world, &["--profile", "b"]), "b");
    let by = |name: &str, value: &str| world.woci(&[]).env(name, value).run().ok().json()["profile"].clone();
    assert_eq!(by("OCI_CLI_PROFILE", "b"), "b");
    world.write("rc", "[OCI_CLI_SETTINGS]\ndefault_profile=c\n");
    assert_eq!(by("OCI_CLI_RC_FILE", "~/rc"), "c");
    assert_eq!(by("OCI_CLI_RC_FILE", ""), "a");
    assert_eq!(by("OCI_CLI_RC_FILE", "~/none"), "a");
    // The option names a file as the variable does, and comes before it.
    assert_eq!(profile(&world, &["--cli-rc-file", "~/rc"]), "c");
    world.write("other-rc", "[OCI_CLI_SETTINGS]\ndefault_profile = b\n");
    let both = |file: &str| {
        let woci = world.woci(&["--cli-rc-file", file, "os", "ns", "get"]).env("OCI_CLI_RC_FILE", "~/rc");
        woci.run().ok().json()["argv"].clone()
    };
    let oci = |profile: &str, file: &str| {
        let added = ["oci", "--profile", profile, "--auth", "security_token"];
        json!([&added[..], &["--cli-rc-file", file, "os", "ns", "get"]].concat())
    };
    assert_eq!(both("~/other-rc"), oci("b", "~/other-rc"));
    assert_eq!(both("~/none"), oci("c", "~/none"), "oci then takes the variable's");
    // A damaged file is for oci to report.
    world.write(".oci/oci_cli_rc", "default_profile = b\n\u{7}[");
    world.woci(&[]).run().fails(2).says("Could not determine profile name");
}

#[test]
fn the_sessions_can_be_kept_in_another_folder() {
    let world = World::new();
    let signs_in = |woci: Woci<'_>, folder: &str| {
        let document = woci.run().ok().json();
        let expected = world.path(folder).join("DEFAULT/token");
        assert_eq!(document["security_token_file"], expected.to_str().expect("UTF-8"));
        assert!(!world.path(".oci/sessions").exists());
        fs::remove_dir_all(world.path(folder)).expect("it was made");
    };
    signs_in(world.woci(&[]).env("WOCI_SESSIONS_FOLDER", "~/by/variable"), "by/variable");
    signs_in(world.woci(&["--sessions-folder=by-option"]).env("WOCI_SESSIONS_FOLDER", "/x"), "by-option");
    // A path in the manager config is relative to its folder.
    world.manager(&[("DEFAULT", &world.settings_with(&[("sessions_folder", Some("kept"))]))]);
    signs_in(world.woci(&[]).directory(&world.path("bin")), ".oci/kept");
}

#[test]
fn quotes_and_inline_comments_are_named_before_the_browser_opens() {
    let world = World::new();
    world.manager(&[(
        "DEFAULT",
        &world.settings_with(&[
            ("client_secret", Some("\"quoted-secret\"")),
            ("auth_client_id", Some("'id'")),
            ("region", Some("us-ashburn-1")),
            ("auth_client_secret", Some("secret # of woci")),
            ("scope", Some("openid offline_access ; both")),
        ]),
    )]);
    let run = world.woci(&["session", "authenticate"]).env("BROWSER", "no-such-browser").start();
    run.says("Auth URL: ");
    run.signal(libc::SIGTERM);
    let run = run.finish().exits(143);
    let browser = run.stderr.find("Auth URL: ").expect("it was waited for");
    for part in ["client_secret in [DEFAULT]", "auth_client_id in", "auth_client_secret in", "scope in"] {
        assert!(run.stderr[..browser].contains(part), "{part}: {run}");
    }
    assert!(!run.stderr.contains("region in") && !run.stderr.contains("quoted-secret"), "{run}");
}

#[test]
fn missing_options_say_that_no_manager_config_was_found_and_where() {
    let world = World::new();
    fs::remove_file(world.path(MANAGER)).expect("it was there");
    let run = world.woci(&["--config-file", "~/team/config"]).run().fails(2).says(MISSING);
    for place in ["team/woci_manager.ini", MANAGER] {
        assert!(run.stderr.contains(world.path(place).to_str().expect("UTF-8")), "{run}");
    }
    assert!(run.stderr.contains("of a manager config (none was found at "), "{run}");
}

#[test]
fn at_debug_a_warm_run_says_what_was_decided() {
    let world = World::signed_in();
    let run = world.woci(&["--log-level", "DEBUG"]).run().ok();
    for part in
        ["Profile DEFAULT", MANAGER, ".oci/config", "No refresh: the stored session token is valid until 20"]
    {
        assert!(run.stderr.contains(part), "{part}: {run}");
    }
}

#[test]
fn on_a_terminal_a_message_is_a_plain_sentence() {
    let world = World::new();
    let run = world.woci(&["session", "authenticate"]).terminal().run().ok();
    let sentence = "Signing in for profile DEFAULT: you asked for it";
    assert!(run.stderr.lines().any(|line| line.trim_end() == sentence), "{run}");
    let run = world.woci(&["session", "authenticate"]).run().ok();
    assert!(run.stderr.contains(&format!("Z INFO {sentence}")), "{run}");
}
