//! Secrets that stand in no file of woci's and in no argument: files, variables and programs as sources, and the
//! refresh token in a keyring. Programs run for a renewal only, and nothing of a secret gets into a message, an
//! argument or an environment.

use crate::sim::faults::{Fault, Grant};
use crate::sim::runner::REQUEST_TOKEN;
use crate::world::World;
use crate::world::run::Run;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const PASSPHRASE: &str = "correct horse battery staple";

type Settings = Vec<(String, String)>;

/// A session that has to be renewed, and a section with these changes.
fn expired(changes: &[(&str, Option<&str>)]) -> World {
    let world = World::signed_in();
    world.session().expire();
    configure(&world, changes);
    world
}

fn configure(world: &World, changes: &[(&str, Option<&str>)]) -> Settings {
    let settings = world.settings_with(changes);
    world.manager(&[("DEFAULT", &settings)]);
    settings
}

fn client_secret(world: &World) -> String {
    world.sim.domain.rules().client_secret.clone()
}

/// Writes a shell script, and returns the command that runs it.
fn script(world: &World, name: &str, text: &str) -> String {
    world.write(name, text);
    format!("sh '{}'", world.path(name).display())
}

/// A command that prints the client secret and notes each call.
fn secret_program(world: &World) -> String {
    world.write("secret", client_secret(world));
    script(world, "get-secret", "echo called >>\"$HOME/calls\"; cat \"$HOME/secret\"\n")
}

fn calls(world: &World) -> usize {
    fs::read_to_string(world.path("calls")).unwrap_or_default().lines().count()
}

#[test]
fn a_client_secret_comes_from_a_file_a_variable_or_a_program() {
    let world = World::signed_in();
    world.write("secret-file", format!("{}\n", client_secret(&world)));
    world.write(".oci/beside", client_secret(&world));
    let program = secret_program(&world);
    let file = world.path("secret-file").display().to_string();
    for (key, value) in [
        ("client_secret_file", &*file),
        ("client_secret_file", "~/secret-file"),
        ("client_secret_file", "beside"),
        ("client_secret_env", "CLIENT_SECRET"),
        ("client_secret_command", &program),
    ] {
        world.session().expire();
        configure(&world, &[("client_secret", None), (key, Some(value))]);
        let run = world.woci(&[]).env("CLIENT_SECRET", client_secret(&world)).run().ok();
        assert_eq!(run.json()["source"], "refreshed", "{key} = {value}");
        // As an option, in place of what the configuration says.
        world.session().expire();
        configure(&world, &[("client_secret", Some("wrong"))]);
        let (option, value) = match value {
            "beside" => ("--client-secret-file".to_owned(), ".oci/beside"),
            value => (format!("--{}", key.replace('_', "-")), value),
        };
        let run = world.woci(&[&option, value]).env("CLIENT_SECRET", client_secret(&world)).run().ok();
        assert_eq!(run.json()["source"], "refreshed", "{option} {value}");
    }
    assert_eq!(calls(&world), 2);
}

#[test]
fn the_provider_gets_its_secret_from_the_same_sources() {
    let world = World::signed_in();
    let secret = "the provider's own secret";
    world.secret(secret);
    world.sim.provider.rules().client_secret = Some(secret.into());
    world.write("secret-file", secret);
    let program = script(&world, "get", &format!("echo \"{secret}\"\n"));
    for (key, value) in [
        ("auth_client_secret_file", "~/secret-file"),
        ("auth_client_secret_env", "AUTH_SECRET"),
        ("auth_client_secret_command", &program),
    ] {
        world.session().expire();
        configure(&world, &[("auth_client_secret", None), (key, Some(value))]);
        assert_eq!(world.woci(&[]).env("AUTH_SECRET", secret).run().ok().json()["source"], "refreshed");
    }
}

#[test]
fn a_workloads_token_comes_from_a_program() {
    let world = World::new();
    let token = world.sim.provider.workload_token(3600);
    world.secret(&token);
    world.write("token", token);
    let program = script(&world, "get-token", "cat \"$HOME/token\"\n");
    let changes = ["authz_base_url", "token_url", "auth_client_id", "auth_client_secret", "scope"];
    let changes: Vec<_> = changes.into_iter().map(|key| (key, None)).collect();
    configure(&world, &[&changes[..], &[("subject_token_command", Some(&*program))]].concat());
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    world.session().expire();
    script(&world, "get-token", "exit 4\n");
    world.woci(&[]).run().fails(1).says("sh, which subject_token_command runs").says("exit status 4");
}

#[test]
fn a_warm_run_starts_no_program() {
    let world = World::signed_in();
    let (secret, keyring) = (secret_program(&world), Keyring::new(&world));
    let token = world.session().refresh_token().expect("a token");
    world.write("keyring", token);
    world.session().remove("refresh_token");
    let changes = [
        ("client_secret", None),
        ("client_secret_command", Some(&*secret)),
        ("auth_client_secret", None),
        ("auth_client_secret_command", Some(&*secret)),
        ("refresh_token_get_command", Some(&*keyring.get)),
        ("refresh_token_put_command", Some(&*keyring.put)),
    ];
    configure(&world, &changes);
    for words in [&[][..], &["env"], &["os", "ns", "get"], &["--auto-refresh", "os", "ns", "get"]] {
        world.woci(words).run().ok().silent();
    }
    let with_passphrase = [("client_secret", None), ("refresh_token_passphrase_command", Some(&*secret))];
    configure(&world, &with_passphrase);
    world.woci(&["--auto-refresh", "os", "ns", "get"]).run().ok().silent();
    assert_eq!((calls(&world), keyring.calls()), (0, vec![]));
    assert_eq!(world.sim.total(), 0);

    configure(&world, &changes);
    assert_is_warm(&world);
}

/// Whatever a session is made from, and however its secrets are kept.
#[test]
fn a_warm_run_of_any_session_starts_no_program_connects_nowhere_and_writes_nothing() {
    let world = World::signed_in();
    world.secret(PASSPHRASE);
    let (secret, keyring) = (secret_program(&world), Keyring::new(&world));
    let passphrase =
        script(&world, "get-passphrase", &format!("echo called >>\"$HOME/calls\"; echo '{PASSPHRASE}'\n"));
    let by_program = [("client_secret", None), ("client_secret_command", Some(&*secret))];
    let in_keyring = [
        ("refresh_token_get_command", Some(&*keyring.get)),
        ("refresh_token_put_command", Some(&*keyring.put)),
    ];
    let encrypted = [("refresh_token_passphrase_command", Some(&*passphrase))];
    let issuer = world.sim.provider.issuer();
    let discovered = [("authz_base_url", None), ("token_url", None), ("issuer", Some(&*issuer))];
    for changes in [&[][..], &by_program, &encrypted, &discovered, &in_keyring] {
        configure(&world, changes);
        fs::remove_dir_all(world.session().path("")).expect("there is a session");
        world.woci(&["session", "authenticate"]).run().ok();
        assert_is_warm(&world);
    }

    let world = World::console();
    world.woci(&["session", "authenticate"]).run().ok();
    assert_is_warm(&world);

    let world = World::new();
    world.write("id_token", world.sim.runner.token("oci"));
    let file = world.path("id_token").display().to_string();
    let command = script(&world, "get-token", "echo called >>\"$HOME/calls\"; cat \"$HOME/id_token\"\n");
    let no_provider = ["authz_base_url", "token_url", "auth_client_id", "auth_client_secret", "scope"];
    let no_provider: Vec<_> = no_provider.into_iter().map(|key| (key, None)).collect();
    for (key, value) in [
        ("subject_token_file", &*file),
        ("subject_token_command", &command),
        ("subject_token_env", "ID_TOKEN"),
        ("subject_token_from", "github"),
        ("subject_token_from", "azure"),
    ] {
        configure(&world, &[&no_provider[..], &[(key, Some(value))]].concat());
        let woci = world.woci(&["session", "refresh"]).env("ID_TOKEN", world.sim.runner.token("oci"));
        let github = world.sim.runner.github_url();
        let woci = woci.env("ACTIONS_ID_TOKEN_REQUEST_URL", github);
        let woci = woci.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN);
        let woci = woci.env("SYSTEM_OIDCREQUESTURI", world.sim.runner.azure_url());
        world.sim.domain.rules().audiences.push("https://github.com/acme".into());
        woci.env("SYSTEM_ACCESSTOKEN", REQUEST_TOKEN).run().ok();
        // Nothing of the job is there any more.
        assert_is_warm(&world);
    }
}

/// Under strace, woci starts no program and no thread, connects nowhere, and writes to its stdout alone.
fn assert_is_warm(world: &World) {
    if !Command::new("strace").arg("-V").output().is_ok_and(|run| run.status.success()) {
        eprintln!("skipped: there is no strace here");
        return;
    }
    let before = (world.session().snapshot(), world.sim.total(), calls(world));
    let calls_of_interest = "execve,fork,vfork,clone,clone3,socket,connect,openat,?openat2,open,write,writev,rename,renameat2,\
                             unlink,unlinkat,mkdir,mkdirat,fchmod,chmod,ftruncate,flock,fsync";
    let run =
        world.shell(&format!("strace -f -qq -o traced -e trace={calls_of_interest} woci env")).run().ok();
    assert!(run.stdout.contains("OCI_CLI_PROFILE") && run.stderr.is_empty(), "{run}");
    let traced = world.read("traced");
    let mut lines = traced.lines().map(|line| line.split_once(' ').map_or("", |(_, call)| call.trim_start()));
    assert!(lines.next().is_some_and(|line| line.starts_with("execve(")), "{traced}");
    for line in lines {
        let is_read = line.starts_with("open") && line.contains("O_RDONLY");
        let is_allowed = is_read || line.starts_with("write(1, ") || line.starts_with("+++");
        assert!(is_allowed, "{line}\n{traced}");
    }
    assert_eq!((world.session().snapshot(), world.sim.total(), calls(world)), before);
}

#[test]
fn a_file_that_others_can_read_is_refused_with_its_mode() {
    let world = World::signed_in();
    world.write("secret-file", client_secret(&world));
    configure(&world, &[("client_secret", None), ("client_secret_file", Some("~/secret-file"))]);
    for (mode, shown) in [(0o604, "0604"), (0o644, "0644")] {
        world.session().expire();
        fs::set_permissions(world.path("secret-file"), Permissions::from_mode(mode)).expect("an own file");
        let run = world.woci(&[]).run().fails(2).says("client_secret_file").says(&format!("mode {shown}"));
        let command = run.stderr.split('`').nth(1).expect("a command in backquotes").to_owned();
        world.shell(&command).run().ok();
        world.woci(&[]).run().ok();
    }
}

#[test]
fn a_file_or_variable_without_one_line_of_text_is_named() {
    let world = expired(&[("client_secret", None), ("client_secret_file", Some("~/secret-file"))]);
    let requests = world.sim.total();
    let fails = |why: &str| {
        let run = world.woci(&[]).run().fails(2).says(why).says("client_secret_file").says("secret-file");
        assert!(!run.stderr.contains("hunter2"), "{run}");
    };
    fails("there is no such file");
    for (text, why) in [
        (&b""[..], "it is empty"),
        (b"\n", "it is empty"),
        (b"hunter2\nmore\n", "more than one line"),
        (b"hunter2\xff", "not UTF-8"),
        (b"hunter2\x07", "control character"),
    ] {
        world.write("secret-file", text);
        fails(why);
    }
    fs::remove_file(world.path("secret-file")).expect("it is there");
    fs::create_dir(world.path("secret-file")).expect("a free name");
    fs::set_permissions(world.path("secret-file"), Permissions::from_mode(0o700)).expect("it is ours");
    fails("cannot use");
    configure(&world, &[("client_secret", None), ("client_secret_env", Some("CLIENT_SECRET"))]);
    world.woci(&[]).run().fails(2).says("client_secret_env").says("CLIENT_SECRET is unset, empty");
    world.woci(&[]).env("CLIENT_SECRET", "").run().fails(2).says("CLIENT_SECRET is unset, empty");
    assert_eq!(world.sim.total(), requests);
}

#[test]
fn two_sources_of_one_value_are_refused() {
    let world = World::signed_in();
    let program = secret_program(&world);
    let keyring = Keyring::new(&world);
    for (changes, one, other) in [
        (vec![("client_secret_command", Some(&*program))], "client_secret", "client_secret_command"),
        (
            vec![
                ("client_secret", None),
                ("client_secret_file", Some("f")),
                ("client_secret_env", Some("V")),
            ],
            "client_secret_file",
            "client_secret_env",
        ),
        (
            vec![
                ("auth_client_secret", None),
                ("auth_client_secret_env", Some("V")),
                ("auth_client_secret_command", Some(&*program)),
            ],
            "auth_client_secret_env",
            "auth_client_secret_command",
        ),
        (
            vec![("refresh_token_passphrase_env", Some("V")), ("refresh_token_passphrase_file", Some("f"))],
            "refresh_token_passphrase_file",
            "refresh_token_passphrase_env",
        ),
        (
            vec![
                ("refresh_token_passphrase_env", Some("V")),
                ("refresh_token_get_command", Some(&*keyring.get)),
                ("refresh_token_put_command", Some(&*keyring.put)),
            ],
            "refresh_token_passphrase_env",
            "refresh_token_put_command",
        ),
        (
            vec![("refresh_token_get_command", Some(&*keyring.get))],
            "refresh_token_get_command",
            "refresh_token_put_command",
        ),
        (
            vec![("refresh_token_put_command", Some(&*keyring.put))],
            "refresh_token_put_command",
            "refresh_token_get_command",
        ),
    ] {
        configure(&world, &changes);
        world.woci(&[]).run().fails(2).says(one).says(other);
    }
    // What the profile's section says counts before [COMMON], and an option before both.
    let common = vec![("client_secret_command".to_owned(), "false".to_owned())];
    world.manager(&[("COMMON", &common), ("DEFAULT", &world.settings())]);
    world.session().expire();
    world.woci(&[]).run().ok();
    world.session().expire();
    let wrong = world.settings_with(&[("client_secret", Some("wrong"))]);
    world.manager(&[("COMMON", &common), ("DEFAULT", &wrong)]);
    world.woci(&["--client-secret-command", &program]).run().ok();
}

type Section<'s> = &'s [(&'s str, &'s str)];

/// `[COMMON]` with these keys, and the profile's section with those.
fn levels(world: &World, common: Section<'_>, section: Section<'_>) {
    let owned = |keys: Section<'_>| -> Settings {
        keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    world.manager(&[("COMMON", &owned(common)), ("DEFAULT", &[world.settings(), owned(section)].concat())]);
}

/// A keyring and a passphrase exclude each other only where both are set in the same place.
#[test]
fn how_a_refresh_token_is_kept_is_said_by_the_most_specific_place() {
    let world = expired(&[]);
    world.secret(PASSPHRASE);
    let keyring = Keyring::new(&world);
    let keys = [("refresh_token_get_command", &*keyring.get), ("refresh_token_put_command", &*keyring.put)];
    let variable = [("refresh_token_passphrase_env", "PASSPHRASE")];
    let prompt = [("refresh_token_passphrase_prompt", "true")];
    for passphrase in [&variable, &prompt] {
        levels(&world, passphrase, &keys);
        world.session().expire();
        assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
        keyring.is_live();
    }
    // Into a file again, by a sign-in: what a keyring holds stays there.
    levels(&world, &keys, &variable);
    world.woci(&["session", "authenticate"]).env("PASSPHRASE", PASSPHRASE).run().ok();
    assert!(world.session().refresh_token().is_some_and(|text| text.starts_with('{')));
    world.session().expire();
    keyring.calls();
    world.woci(&[]).env("PASSPHRASE", PASSPHRASE).run().ok();
    // An option is more specific than both.
    levels(&world, &[], &keys);
    world.session().expire();
    world.woci(&["--refresh-token-passphrase-env", "PASSPHRASE"]).env("PASSPHRASE", PASSPHRASE).run().ok();
    assert_eq!(keyring.calls(), vec![""; 0]);
    for keys in [[&keys[..], &variable], [&keys[..], &prompt]] {
        levels(&world, &keys.concat(), &[]);
        world.woci(&[]).run().fails(2).says("refresh_token_put_command").says(keys[1][0].0);
    }
}

#[test]
fn the_two_commands_of_a_keyring_come_from_the_same_place() {
    let world = expired(&[]);
    let keyring = Keyring::new(&world);
    let get = ("refresh_token_get_command", &*keyring.get);
    let put = ("refresh_token_put_command", &*keyring.put);
    let wrong = [(get.0, "false"), (put.0, "false")];
    levels(&world, &wrong, &[get, put]);
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    keyring.is_live();
    for (common, section, one, other) in [
        (&wrong[..], &[get][..], get.0, put.0),
        (&[get], &[put], put.0, get.0),
        (&wrong, &[put], put.0, get.0),
    ] {
        levels(&world, common, section);
        let run = world.woci(&[]).run().fails(2).says(&format!("cannot use {one} in [DEFAULT]"));
        run.says(&format!("{other} in [COMMON]")).says("the same place");
    }
    levels(&world, &wrong, &[]);
    let run = world.woci(&["--refresh-token-get-command", &keyring.get]).run().fails(2);
    run.says("cannot use --refresh-token-get-command").says("refresh_token_put_command in [COMMON]");
}

#[test]
fn a_command_that_is_none_is_refused_at_once() {
    let world = World::signed_in();
    for (command, why) in [
        ("sh -c 'echo", "a quote in it is not closed"),
        ("[\"sh\"", "it is not a JSON list"),
        ("bin/get", "relative path"),
        ("''", "it names no program"),
    ] {
        configure(&world, &[("client_secret", None), ("client_secret_command", Some(command))]);
        world.woci(&[]).run().fails(2).says("client_secret_command in [DEFAULT]").says(why);
    }
}

#[test]
fn a_program_that_gives_no_secret_is_named_with_its_status_and_its_output_is_not_shown() {
    let world = expired(&[("client_secret", None), ("client_secret_command", Some("get-it"))]);
    let requests = world.sim.total();
    let fails = |why: &str, name: &str| {
        let run =
            world.woci(&[]).run().fails(1).says(why).says(&format!("{name}, which client_secret_command"));
        assert!(!run.stderr.contains("hunter2"), "{run}");
        run
    };
    fails("it is not on PATH", "get-it");
    world.write("bin/get-it", "#!/bin/sh\n");
    fails("it is not marked as executable", "get-it");
    for (text, why) in [
        ("exit 3", "it failed with exit status 3"),
        ("echo hunter2; exit 1", "it failed with exit status 1"),
        ("kill -KILL $$", "it was ended by signal 9"),
        (":", "it printed nothing"),
        ("echo", "it printed nothing"),
        ("echo hunter2; echo hunter2", "it printed more than one line"),
        ("printf 'hunter2\\033[2J'", "it printed a control character"),
        ("printf 'hunter2\\377'", "not UTF-8"),
        ("yes hunter2", "it printed more than 64 KiB"),
    ] {
        let command = script(&world, "get", text);
        configure(&world, &[("client_secret", None), ("client_secret_command", Some(&*command))]);
        fails(why, "sh");
    }
    // stderr is shown, in printable lines and without what the program printed.
    let command =
        script(&world, "get", "echo hunter2; printf 'the vault is \\033[2Jlocked\\nhunter2\\n' >&2; exit 1");
    configure(&world, &[("client_secret", None), ("client_secret_command", Some(&*command))]);
    fails("it failed", "sh").says("sh: the vault is  [2Jlocked\n").says("sh: [removed]\n");
    assert_eq!(world.sim.total(), requests);
}

#[test]
fn a_secret_that_is_refused_is_told_with_its_source() {
    let world = expired(&[("client_secret", None), ("client_secret_command", Some("echo not-the-secret"))]);
    world.woci(&[]).run().fails(1).says("invalid_client").says("client_secret_command");
}

#[test]
fn a_secret_on_the_command_line_works_with_a_warning_at_a_renewal() {
    let world = World::signed_in();
    let secret = client_secret(&world);
    configure(&world, &[("client_secret", None)]);
    world.woci(&["--client-secret", &secret]).run().ok().silent();
    world.session().expire();
    let run = world.woci(&["--client-secret", &secret]).run().ok();
    run.says("client_secret_file, client_secret_env or client_secret_command");
}

#[test]
fn no_secret_is_in_the_environment_or_the_arguments_of_a_program_that_woci_runs() {
    let world = World::signed_in();
    world.secret(PASSPHRASE);
    let secret = client_secret(&world);
    let noted = "{ env; cat /proc/$$/cmdline /proc/$PPID/cmdline; } >>\"$HOME/seen\"";
    let get = script(&world, "get", &format!("{noted}; echo an-unused-secret-of-nobody\n"));
    world.sim.provider.rules().client_secret = Some("an-unused-secret-of-nobody".into());
    world.secret("an-unused-secret-of-nobody");
    world.session().expire();
    configure(
        &world,
        &[
            ("client_secret", None),
            ("client_secret_env", Some("CLIENT_SECRET")),
            ("auth_client_secret", None),
            ("auth_client_secret_command", Some(&*get)),
            ("refresh_token_passphrase_env", Some("PASSPHRASE")),
        ],
    );
    let with_secrets = |words: &[&str]| -> Run {
        let woci = world.woci(words).env("CLIENT_SECRET", &secret).env("PASSPHRASE", PASSPHRASE);
        woci.env("ELSE", "kept").run().ok()
    };
    let run = with_secrets(&["--log-level", "DEBUG", "env"]);
    let seen = world.read("seen");
    for text in [&seen, &run.stdout, &run.stderr] {
        for canary in [&secret, PASSPHRASE, "an-unused-secret-of-nobody"] {
            assert!(!text.contains(canary), "{canary} is in {text}");
        }
    }
    assert!(seen.contains("ELSE=kept"), "{seen}");
    // A browser inherits none of them either.
    let browser = script(&world, "browse", &format!("{noted}; exec browser \"$@\"\n"));
    let woci = world.woci(&["session", "authenticate"]).env("CLIENT_SECRET", &secret);
    woci.env("PASSPHRASE", PASSPHRASE).env("BROWSER", &browser).run().ok();
    let seen = world.read("seen");
    assert!(
        seen.contains("SIM_BROWSER_OUT") && !seen.contains(&secret) && !seen.contains(PASSPHRASE),
        "{seen}"
    );
}

#[test]
fn a_passphrase_comes_from_a_file_or_a_program() {
    let world = World::signed_in();
    world.secret(PASSPHRASE);
    world.write("passphrase", format!("{PASSPHRASE}\n"));
    let program = script(&world, "get", "echo called >>\"$HOME/calls\"; cat \"$HOME/passphrase\"\n");
    for (key, value) in
        [("refresh_token_passphrase_file", "~/passphrase"), ("refresh_token_passphrase_command", &program)]
    {
        world.session().expire();
        configure(&world, &[(key, Some(value))]);
        world.woci(&[]).run().ok();
        assert!(world.session().refresh_token().is_some_and(|text| text.starts_with('{')), "{key}");
    }
    assert_eq!(calls(&world), 1, "once in a run");
    // The daemon gets the passphrase by a pipe, from the run that starts it.
    world.woci(&["--daemon"]).run().ok();
    assert_eq!(calls(&world), 2);
    world.woci(&["--stop-daemon"]).run().ok();
    world.session().expire();
    world.write("passphrase", "a wrong passphrase");
    let run = world.woci(&[]).run().fails(1).says("the passphrase is wrong");
    run.says("refresh_token_passphrase_command");
    world.write("passphrase", "");
    world.woci(&[]).run().fails(1).says("it printed nothing");
}

/// What a person sets for woci may be meant for what oci runs, too. The passphrase alone is for woci.
#[test]
fn the_environment_of_oci_lacks_the_passphrase_and_has_the_rest() {
    let world = World::signed_in();
    world.secret(PASSPHRASE);
    configure(
        &world,
        &[
            ("client_secret", None),
            ("client_secret_env", Some("CLIENT_SECRET")),
            ("refresh_token_passphrase_env", Some("PASSPHRASE")),
        ],
    );
    let variables = |words: &[&str]| {
        let woci = world.woci(words).env("CLIENT_SECRET", "not-looked-at").env("PASSPHRASE", PASSPHRASE);
        let seen = woci.run().ok().json()["env"].clone();
        ["CLIENT_SECRET", "PASSPHRASE"].map(|name| seen[name].as_str().unwrap_or("-").to_owned())
    };
    assert_eq!(variables(&["os", "ns", "get"]), ["not-looked-at", "-"]);
    // Without a session, no profile is chosen, and an option alone says which variable it is.
    let words = ["--refresh-token-passphrase-env", "PASSPHRASE", "--auth", "api_key", "os", "ns", "get"];
    assert_eq!(variables(&words), ["not-looked-at", "-"]);
}

/// Whoever waits for the lock waits as long as the holder's programs may take.
#[test]
fn the_time_of_programs_is_in_the_limit_of_those_who_wait() {
    let world = expired(&[]);
    let wait = "echo waits >&2; while [ ! -e \"$HOME/go\" ]; do sleep 0.01; done; cat \"$HOME/secret\"\n";
    world.write("secret", client_secret(&world));
    let get = script(&world, "get-secret", wait);
    let keyring = Keyring::new(&world);
    for (changes, limit) in [
        (vec![], 60 + 30),
        (
            vec![
                ("refresh_token_get_command", Some(&*keyring.get)),
                ("refresh_token_put_command", Some(&*keyring.put)),
            ],
            60 + 9 * 30,
        ),
    ] {
        let secret = [("client_secret", None), ("client_secret_command", Some(&*get))];
        configure(&world, &[&secret[..], &changes].concat());
        world.session().expire();
        let _ = fs::remove_file(world.path("go"));
        let woci = world.woci(&[]).terminal().start();
        woci.says("waits");
        let lock = world.session().read("session.lock").expect("a lock");
        assert!(lock.ends_with(&format!(" refresh {limit}\n")), "{lock}");
        world.write("go", "");
        woci.finish().ok();
    }
}

/// A file in the World's home, in which two scripts keep the refresh token. Each call is noted.
struct Keyring<'w> {
    world: &'w World,
    get: String,
    put: String,
}

impl<'w> Keyring<'w> {
    fn new(world: &'w World) -> Self {
        let get = "echo get >>keyring-calls; test ! -e get-fails || exit 5; cat keyring 2>/dev/null || :\n";
        let put = "echo put >>keyring-calls\n\
                   if test -e puts-left; then\n\
                     n=$(cat puts-left); test \"$n\" -gt 0 || exit 6; echo $((n - 1)) >puts-left\n\
                   fi\n\
                   if test -e put-drops; then cat >/dev/null; else cat >keyring; fi\n";
        let of_home = |text: &str| format!("cd \"$HOME\"\n{text}");
        Self {
            world,
            get: script(world, "keyring-get", &of_home(get)),
            put: script(world, "keyring-put", &of_home(put)),
        }
    }

    /// A session that has to be renewed, whose token is still in the file.
    fn configure(&self) {
        let commands = [
            ("refresh_token_get_command", Some(&*self.get)),
            ("refresh_token_put_command", Some(&*self.put)),
        ];
        configure(self.world, &commands);
    }

    fn holds(&self) -> String {
        fs::read_to_string(self.world.path("keyring")).unwrap_or_default()
    }

    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.world.path("keyring-calls")).unwrap_or_default();
        let _ = fs::remove_file(self.world.path("keyring-calls"));
        text.lines().map(str::to_owned).collect()
    }

    /// The keyring holds the one token that the provider accepts, and no file holds one.
    fn is_live(&self) {
        assert_eq!(Some(self.holds()), self.world.sim.provider.live_refresh_token());
        let files = self.world.session().files();
        assert!(files.iter().all(|name| !name.contains("refresh_token")), "{files:?}");
    }
}

#[test]
fn the_refresh_token_moves_from_the_file_into_the_keyring_and_stays_there() {
    let world = expired(&[]);
    let keyring = Keyring::new(&world);
    keyring.configure();
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    // Moved and had back; read; put as a trial and had back; the next one put and had back.
    let calls = keyring.calls();
    assert_eq!(calls.iter().filter(|call| *call == "put").count(), 3, "{calls:?}");
    keyring.is_live();
    for _ in 0..2 {
        world.session().expire();
        assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
        assert_eq!(keyring.calls(), ["get", "get", "put", "get", "put", "get"]);
        keyring.is_live();
    }
    assert_eq!(world.sign_ins(), 0);
}

#[test]
fn a_sign_in_puts_its_token_into_the_keyring() {
    let world = World::new();
    let keyring = Keyring::new(&world);
    keyring.configure();
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
    keyring.is_live();
    world.session().expire();
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    // A sign-in that brings no refresh token leaves none of another person.
    configure(
        &world,
        &[
            ("refresh_token_get_command", Some(&*keyring.get)),
            ("refresh_token_put_command", Some(&*keyring.put)),
            ("scope", Some("openid")),
        ],
    );
    world.woci(&["session", "authenticate"]).run().ok();
    assert!(keyring.holds().starts_with("woci-no-refresh-token"), "{}", keyring.holds());
    world.session().expire();
    world.woci(&["--sign-in", "never"]).run().fails(1).says("there is no refresh token");
    world.woci(&["--daemon"]).env("WOCI_SIGN_IN", "never").run().fails(1);
}

#[test]
fn a_keyring_that_prints_nothing_holds_nothing_and_one_that_fails_is_an_error() {
    let world = expired(&[]);
    let keyring = Keyring::new(&world);
    keyring.configure();
    world.session().remove("refresh_token");
    world.write("get-fails", "");
    for words in [&[][..], &["session", "refresh"], &["session", "authenticate"], &["--daemon"]] {
        world.woci(words).run().fails(1).says("refresh_token_get_command").says("exit status 5");
    }
    assert_eq!(world.sim.total(), 0, "nothing is sent, and no browser opens");
    fs::remove_file(world.path("get-fails")).expect("it is there");
    world.woci(&["--sign-in", "never"]).run().fails(1).says("there is no refresh token");
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
    keyring.is_live();
}

#[test]
fn nothing_is_spent_unless_the_keyring_takes_a_token_and_gives_it_back() {
    for breaks in ["puts-left", "put-drops"] {
        // The token is in the file, in the keyring, or nowhere.
        for place in ["file", "keyring", "nowhere"] {
            let world = expired(&[]);
            let keyring = Keyring::new(&world);
            keyring.configure();
            match place {
                "keyring" => {
                    world.woci(&[]).run().ok();
                    world.session().expire();
                }
                "nowhere" => world.session().remove("refresh_token"),
                _ => {}
            }
            let requests = world.sim.total();
            world.write(breaks, "0");
            let before = world.session().snapshot();
            if breaks == "put-drops" && place == "keyring" {
                // What the keyring holds is what it was given, so that only the next token shows the fault.
                world.woci(&[]).run().ok().says("the new refresh token is kept as");
                fs::remove_file(world.path(breaks)).expect("it is there");
                world.session().expire();
                assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
                keyring.is_live();
                continue;
            }
            let run = world.woci(&[]).run().fails(1);
            let why = if breaks == "puts-left" { "exit status 6" } else { "does not print what" };
            run.says(why);
            assert_eq!(world.sim.total(), requests, "{breaks} {place}");
            assert_eq!(world.session().snapshot(), before, "{breaks} {place}");
        }
    }
}

#[test]
fn a_token_that_the_keyring_does_not_take_is_kept_and_taken_up_by_the_next_run() {
    let world = expired(&[]);
    let keyring = Keyring::new(&world);
    keyring.configure();
    world.woci(&[]).run().ok();
    world.session().expire();
    let token = keyring.holds();
    // The trial is taken, and the next token is not.
    world.write("puts-left", "1");
    world.woci(&[]).run().ok().says("exit status 6").says("the new refresh token is kept as");
    assert_eq!(keyring.holds(), token, "the spent one");
    world.woci(&[]).run().ok().silent();
    world.session().expire();
    let before = world.sim.total();
    world.woci(&[]).run().fails(1).says("exit status 6");
    assert_eq!(world.sim.total(), before, "it is kept on, and not spent");
    fs::remove_file(world.path("puts-left")).expect("it is there");
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    keyring.is_live();

    // A sign-in takes the place of a token that is kept.
    world.write("puts-left", "1");
    world.session().expire();
    world.woci(&[]).run().ok().says("the new refresh token is kept as");
    fs::remove_file(world.path("puts-left")).expect("it is there");
    world.woci(&["session", "authenticate"]).run().ok();
    assert!(world.sim.provider.live_refresh_tokens().contains(&keyring.holds()));
    world.session().expire();
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
}

#[test]
fn an_encrypted_token_does_not_move_into_a_keyring_and_a_sign_in_takes_its_place() {
    let world = expired(&[("refresh_token_passphrase_env", Some("PASSPHRASE"))]);
    world.secret(PASSPHRASE);
    world.woci(&[]).env("PASSPHRASE", PASSPHRASE).run().ok();
    world.session().expire();
    let keyring = Keyring::new(&world);
    keyring.configure();
    let encrypted = world.session().refresh_token().expect("a token");
    let of_the_older_tool =
        r#"{"enc":"AESGCM","kdf":"PBKDF2-HMAC-SHA256","iter":1,"salt":"","nonce":"","ct":""}"#;
    for (text, why) in [
        (&*encrypted, "it is encrypted"),
        (of_the_older_tool, "it is encrypted"),
        ("{", "it is encrypted"),
        ("a\nb", "control"),
    ] {
        world.session().write("refresh_token", text);
        world.session().expire();
        let before = world.session().snapshot();
        world.woci(&[]).run().fails(1).says(why).says("session authenticate");
        assert_eq!(world.session().snapshot(), before);
        world.woci(&["session", "authenticate"]).run().ok();
        assert!(world.session().refresh_token().is_none());
        assert!(world.sim.provider.live_refresh_tokens().contains(&keyring.holds()));
    }
}

#[test]
fn a_refused_token_in_the_keyring_leads_to_a_sign_in() {
    let world = expired(&[]);
    let keyring = Keyring::new(&world);
    keyring.configure();
    world.sim.provider.revoke_all();
    world.woci(&["--sign-in", "never"]).run().fails(1).says("refused the refresh token");
    let refreshes = world.sim.count(Grant::Refresh);
    world.woci(&["--sign-in", "never"]).run().fails(1).says("refused the refresh token before");
    assert_eq!(world.sim.count(Grant::Refresh), refreshes);
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
    keyring.is_live();
}

#[test]
fn without_session_json_the_token_in_the_keyring_is_sent_nowhere() {
    let world = World::new();
    let keyring = Keyring::new(&world);
    keyring.configure();
    world.woci(&[]).run().ok();
    // The keyring keeps its token where a person removes the session, to begin anew with another provider.
    fs::remove_dir_all(world.session().path("")).expect("it is there");
    world.woci(&["--sign-in", "never"]).run().fails(1).says("refresh_token_get_command");
    assert_eq!(world.sim.count(Grant::Refresh), 0);
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
    keyring.is_live();
}

#[test]
fn a_token_of_the_older_tool_is_used_from_the_keyring_where_its_first_renewal_failed() {
    let world = expired(&[]);
    let keyring = Keyring::new(&world);
    keyring.configure();
    world.sim.fault(Grant::Refresh, Fault::status(400, r#"{"error":"invalid_client"}"#));
    world.woci(&[]).run().fails(1);
    keyring.is_live();
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
}

#[test]
fn after_a_failed_exchange_the_next_token_is_in_the_keyring() {
    let world = expired(&[]);
    let keyring = Keyring::new(&world);
    keyring.configure();
    world.sim.fault(Grant::Exchange, Fault::status(500, "{}"));
    world.woci(&[]).run().fails(1);
    keyring.is_live();
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
}

#[test]
fn a_daemon_uses_programs_and_gets_variables_by_a_pipe() {
    let world = World::signed_in();
    let keyring = Keyring::new(&world);
    let secret = client_secret(&world);
    configure(
        &world,
        &[
            ("client_secret", None),
            ("client_secret_env", Some("CLIENT_SECRET")),
            ("refresh_token_get_command", Some(&*keyring.get)),
            ("refresh_token_put_command", Some(&*keyring.put)),
        ],
    );
    let old = world.session().due_in(0);
    let started = world.woci(&["--daemon"]).env("CLIENT_SECRET", &secret).run().ok().json();
    let pid = started["pid"].as_u64().expect("a PID");
    let stop = || world.woci(&["--stop-daemon"]).run();
    let deadline = Instant::now() + Duration::from_secs(30);
    while world.session().token() == old {
        assert!(Instant::now() < deadline, "no renewal: {:?}", world.session().read("woci_refresh.log"));
        thread::sleep(Duration::from_millis(10));
    }
    for file in ["environ", "cmdline"] {
        let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&text).contains(&secret), "{file}");
    }
    stop().ok();
    keyring.is_live();
}

#[test]
fn a_signal_ends_woci_and_the_program() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let world = World::signed_in();
        world.session().expire();
        // stderr is a terminal, so that the program's own is shown at once. A child of the program's keeps the pipe
        // open, and has to end too.
        let get = script(&world, "get", "sleep 600 & echo $! >\"$HOME/child\"; echo ready >&2; wait\n");
        configure(&world, &[("client_secret", None), ("client_secret_command", Some(&*get))]);
        let before = world.session().snapshot();
        let woci = world.woci(&[]).terminal().start();
        woci.says("ready");
        woci.signal(signal);
        assert_eq!(woci.finish().code(), 128 + signal);
        let child: u32 = world.read("child").trim().parse().expect("a PID");
        let deadline = Instant::now() + Duration::from_secs(20);
        while Path::new(&format!("/proc/{child}")).exists() && !is_zombie(child) {
            assert!(Instant::now() < deadline, "the program's child {child} lives on");
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(world.session().snapshot(), before);
    }
}

fn is_zombie(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

/// The lines of `woci help secrets` for one program: commands for a shell, and settings.
fn recipe(world: &World, program: &str) -> (Vec<String>, Vec<(String, String)>) {
    let help = world.woci(&["help", "secrets"]).run().ok().stdout;
    let lines = help.lines().skip_while(|line| line.split(' ').next() != Some(program));
    let (mut once, mut settings) = (Vec::new(), Vec::<(String, String)>::new());
    for line in lines.take_while(|line| !line.is_empty()) {
        if let Some(command) = line.trim_start().strip_prefix("$ ") {
            once.push(command.to_owned());
        } else if let Some((key, value)) = line.trim_start().split_once(" = ") {
            settings.push((key.to_owned(), value.to_owned()));
        } else if let Some((_, value)) = settings.last_mut() {
            *value += &format!("\n{line}");
        }
    }
    assert_eq!(settings.len(), 3, "{help}");
    (once, settings)
}

/// `security`, `op` and `vault` as far as the recipes use them; strict about every argument.
const STAND_INS: [(&str, &str, &str); 3] = [
    (
        "security",
        "security add-generic-password -a woci -s secret -w",
        r#"set -eu
one() { case $1 in
  add-generic-password) shift; [ "$1" != -U ] || shift; [ "$*" != "${*% *}" ]
    [ "$1 $2 $3" = "-a woci -s" ]; [ "$5" = -w ]
    if [ $# = 5 ]; then read -r value; else value=$6; [ $# = 6 ]; fi
    printf %s "$value" >"$HOME/store-$4" ;;
  find-generic-password) [ "$2 $3 $4 $6" = "-a woci -s -w" ] && [ $# = 6 ]
    [ -e "$HOME/store-$5" ] || exit 44; cat "$HOME/store-$5"; echo ;;
  *) exit 2 ;;
esac; }
if [ "$1" = -i ]; then read -r line; eval "one $line"; else one "$@"; fi
"#,
    ),
    (
        "op",
        "tr -d '\\n' >\"$HOME/store-secret\"",
        r#"set -eu
case "$*" in
  "read op://Private/woci/secret") cat "$HOME/store-secret"; echo ;;
  "document create - --title woci-token") cat >"$HOME/store-token"; echo '{"uuid": "x"}' ;;
  "document get woci-token") [ -e "$HOME/store-token" ] || exit 1; cat "$HOME/store-token" ;;
  "document edit woci-token -") [ -e "$HOME/store-token" ] || exit 1; cat >"$HOME/store-token" ;;
  *) echo "unknown: $*" >&2; exit 1 ;;
esac
"#,
    ),
    (
        "vault",
        "vault kv put -mount=secret woci/client secret=-",
        r#"set -eu
case "$*" in
  "kv put -mount=secret woci/client secret=-") cat >"$HOME/store-secret"; echo '=== Metadata ===' ;;
  "kv put -mount=secret woci/user token=-") cat >"$HOME/store-token"; echo '=== Metadata ===' ;;
  "kv get -mount=secret -field=secret woci/client") cat "$HOME/store-secret" ;;
  "kv get -mount=secret -field=token woci/user") [ -e "$HOME/store-token" ] || exit 2; cat "$HOME/store-token" ;;
  *) echo "unknown: $*" >&2; exit 1 ;;
esac
"#,
    ),
];

/// The lines that need a real keyring, `pass` and `secret-tool`, are run by `make e2e`.
#[test]
fn the_recipes_of_the_help_work() {
    for (program, gives_secret, stand_in) in STAND_INS {
        let world = World::signed_in();
        let (once, recipe) = recipe(&world, program);
        // A process of its own writes the program: this one must not have it open for writing when woci starts it.
        world.write("stand-in", stand_in);
        let install = r#"{ echo '#!/bin/sh'; cat stand-in; } >"bin/$0" && chmod 755 "bin/$0""#;
        let installed =
            Command::new("/bin/sh").args(["-c", install, program]).current_dir(world.home()).status();
        assert!(installed.is_ok_and(|status| status.success()));
        world.shell(gives_secret).stdin(client_secret(&world) + "\n").run().ok();
        for command in once.iter().filter(|command| *command != gives_secret) {
            world.shell(command).run().ok();
        }
        let mut settings = world.settings_with(&[("client_secret", None)]);
        settings.extend(recipe.into_iter().map(|(key, value)| (key, value.replace('\n', "\n  "))));
        world.manager(&[("DEFAULT", &settings)]);
        for _ in 0..2 {
            world.session().expire();
            assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed", "{program}");
            let kept = world.read("store-token");
            assert_eq!(
                Some(kept.trim_end().to_owned()),
                world.sim.provider.live_refresh_token(),
                "{program}"
            );
            assert!(world.session().refresh_token().is_none(), "{program}");
        }
    }
}

#[test]
fn a_keyring_spends_nothing_twice_when_many_run_at_once() {
    let world = expired(&[]);
    let keyring = Keyring::new(&world);
    keyring.configure();
    let runs: Vec<_> = (0..8).map(|_| world.woci(&[]).start()).collect();
    runs.into_iter().for_each(|run| drop(run.finish().ok()));
    assert_eq!(world.sim.count(Grant::Refresh), 1);
    keyring.is_live();
}

#[test]
fn a_program_works_where_the_parent_ignores_its_children() {
    let world = expired(&[]);
    let program = secret_program(&world);
    configure(&world, &[("client_secret", None), ("client_secret_command", Some(&*program))]);
    world.shell("trap '' CHLD; exec woci").run().ok();
}

#[test]
fn a_put_is_not_interrupted() {
    let world = expired(&[]);
    let keyring = Keyring::new(&world);
    keyring.configure();
    // The first put moves the token, the second is the trial, and the third is that of the next token.
    let put = "cd \"$HOME\"\nn=$(cat nth 2>/dev/null || echo 0); n=$((n + 1)); echo $n >nth\n\
               if [ $n = 3 ]; then echo waits >&2; while [ ! -e go ]; do sleep 0.01; done; fi\ncat >keyring\n";
    script(&world, "keyring-put", put);
    let woci = world.woci(&[]).terminal().start();
    woci.says("waits");
    woci.signal(libc::SIGINT);
    world.write("go", "");
    assert_eq!(woci.finish().code(), 130);
    keyring.is_live();
}

#[test]
fn the_line_end_of_a_variable_is_no_part_of_a_client_secret() {
    let world = World::signed_in();
    let changes = [("client_secret", None), ("client_secret_env", Some("CLIENT_SECRET"))];
    world.manager(&[("DEFAULT", &world.settings_with(&changes))]);
    let secret = world.sim.domain.rules().client_secret.clone();
    world.woci(&["session", "refresh"]).env("CLIENT_SECRET", format!("{secret}\n")).run().ok();
}
