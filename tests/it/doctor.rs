//! `woci doctor`: a healthy home shows nothing doubtful or wrong, and whatever is broken in it is named, alone, with its
//! remedy. Offline, nothing is written or sent.

use crate::looks;
use crate::schemas;
use crate::sim::domain;
use crate::sim::faults::{Fault, Grant};
use crate::sim::jwt::{self, Key};
use crate::sim::sys;
use crate::world::World;
use crate::world::run::{Run, Woci};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const CLUSTER: &str = "ocid1.cluster.oc1.iad.aaaaaaaaaaaexample";

/// A World whose provider gave woci a secret that doctor has no doubts about: the usual one holds a ` #`.
fn plain() -> World {
    let world = World::new();
    world.sim.provider.rules().client_secret = Some("S3cr3t-canary-auth-plain".into());
    world.manager(&[("DEFAULT", &world.settings())]);
    world
}

/// A home with a valid session of the provider, as a sign-in leaves it.
fn healthy() -> World {
    let world = plain();
    world.session().seed(3600);
    complete(&world);
    world
}

/// The same for a console session.
fn healthy_console() -> World {
    let world = World::console();
    world.session().seed_console(3600);
    complete(&world);
    world
}

/// The last line of the key, and the section of the OCI config.
fn complete(world: &World) {
    world.session().write("private_key.pem", format!("{}OCI_API_KEY", jwt::SESSION_PEM));
    world.woci(&["credential"]).run().ok();
}

fn doctor<'w>(world: &'w World) -> Woci<'w> {
    world.woci(&["doctor"])
}

/// What is not good: check, state, what and remedy.
fn findings(run: &Run) -> Vec<[String; 4]> {
    let document = schemas::valid("doctor", run.json());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = document["checks"].as_array().expect("a list");
    let bad = all.iter().filter(|one| one["state"] != "good");
    let bad: Vec<[String; 4]> =
        bad.map(|one| ["check", "state", "what", "remedy"].map(|name| text(&one[name]))).collect();
    let wrong = bad.iter().filter(|[_, state, ..]| state == "wrong").count();
    assert_eq!(run.code(), i32::from(wrong > 0), "{run}");
    bad
}

/// The run finds this and nothing else, but for what `beside` names.
fn finds_beside(run: Woci<'_>, check: &str, state: &str, what: &str, remedy: &str, beside: &[&str]) {
    let run = run.run().silent();
    let found = findings(&run);
    let is_meant = |finding: &&[String; 4]| {
        let [its_check, its_state, its_what, its_remedy] = finding;
        its_check == check && its_state == state && its_what.contains(what) && its_remedy.contains(remedy)
    };
    assert_eq!(found.iter().filter(is_meant).count(), 1, "{check}, {state}: {what} / {remedy}\n{found:#?}");
    let others: Vec<_> =
        found.iter().filter(|one| !is_meant(one) && !beside.contains(&one[0].as_str())).collect();
    assert!(others.is_empty(), "beside {check}: {others:#?}");
}

fn finds(run: Woci<'_>, check: &str, state: &str, what: &str, remedy: &str) {
    finds_beside(run, check, state, what, remedy, &[]);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("own files take a mode");
}

/// Every file below the home, with its bytes.
fn all_files(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut folders = vec![world.path(".oci")];
    let mut files = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("it can be listed") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.clone(), fs::read(&path).expect("it can be read"));
            }
        }
    }
    files
}

// Healthy homes.

fn assert_healthy(world: &World, words: &[&str], variables: &[(&str, &str)]) -> Value {
    let before = all_files(world);
    let requests = world.sim.total();
    let mut woci = world.woci(words);
    for (name, value) in variables {
        woci = woci.env(name, value);
    }
    let run = woci.run().ok().silent();
    assert_eq!(findings(&run), Vec::<[String; 4]>::new(), "{run}");
    if !words.contains(&"--online") {
        assert_eq!(world.sim.total(), requests, "it sent a request");
    }
    assert_eq!(all_files(world), before, "it wrote");
    assert!(!world.path("browsers.jsonl").exists(), "a browser opened");
    run.json()
}

#[test]
fn a_healthy_home_of_a_provider_shows_nothing_but_good() {
    let world = plain();
    world.woci(&[]).run().ok();
    world.browsers(1);
    fs::remove_file(world.path("browsers.jsonl")).expect("a browser opened");
    let document = assert_healthy(&world, &["doctor"], &[]);
    assert_eq!((&document["profile"], &document["wrong"]), (&"DEFAULT".into(), &0.into()));
    for words in [&["doctor", "--online"][..], &["--profile", "DEFAULT", "doctor"]] {
        assert_healthy(&world, words, &[]);
    }
    // The session is not spent or changed, and the real refresh token was not sent.
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "cached");
    let token = world.session().refresh_token().expect("there is one");
    let refreshes = world.sim.requests(Grant::Refresh);
    assert!(refreshes.len() == 1 && refreshes[0].field("refresh_token") != Some(&token), "{refreshes:?}");

    // What `woci env` sets overrides nothing.
    let exports = world.woci(&["env"]).run().ok().stdout;
    let line = format!("{exports}woci doctor");
    assert_eq!(findings(&world.shell(&line).run()), Vec::<[String; 4]>::new());
}

#[test]
fn a_healthy_home_of_a_console_session_shows_nothing_but_good() {
    let world = World::console();
    world.woci(&["session", "authenticate"]).run().ok();
    world.browsers(1);
    fs::remove_file(world.path("browsers.jsonl")).expect("a browser opened");
    assert_healthy(&world, &["doctor"], &[]);
    assert_healthy(&world, &["doctor", "--online"], &[]);
}

#[test]
fn a_healthy_home_of_oci_alone_shows_nothing_but_good() {
    let world = World::new();
    fs::remove_file(world.path(".oci/woci_manager.ini")).expect("it was written");
    world.session().seed_of_oci("oci_api_key.pem", 3600);
    let port = world.redirect_port().to_string();
    assert_healthy(&world, &["doctor", "--redirect-port", &port], &[]);
}

#[test]
fn a_healthy_home_of_a_workload_shows_nothing_but_good() {
    let world = World::new();
    let token = world.sim.runner.token("oci");
    workload(&world, "subject_token_env = JOB_TOKEN\nsubject_token_audience = oci\n");
    let job = [("JOB_TOKEN", &*token)];
    world.woci(&[]).env("JOB_TOKEN", &token).run().ok();
    assert_healthy(&world, &["doctor"], &job);
    assert_healthy(&world, &["doctor", "--online"], &job);
}

fn workload(world: &World, lines: &str) {
    let domain = world.sim.domain.rules();
    let (id, secret) = (domain.client_id.clone(), domain.client_secret.clone());
    world.write(
        ".oci/woci_manager.ini",
        format!(
            "[DEFAULT]\ntoken_exchange_url = {}\nclient_id = {id}\nclient_secret = {secret}\nregion = us-ashburn-1\n\
             {lines}",
            world.sim.exchange_url()
        ),
    );
}

#[test]
fn an_empty_home_is_nothing_wrong() {
    let world = World::new();
    fs::remove_file(world.path(".oci/woci_manager.ini")).expect("it was written");
    let port = world.redirect_port().to_string();
    let run = doctor(&world).args(&["--redirect-port", &port]);
    finds(run, "required", "doubtful", "nobody has signed in", "woci session authenticate --region");
    let one = world.woci(&["--profile", "DEFAULT", "doctor", "--output", "text"]).run();
    one.prints("`woci session authenticate --region REGION --profile DEFAULT`");
    assert!(!world.path(".oci/sessions").exists(), "it made a folder");
}

// The configuration.

#[test]
fn what_is_wrong_with_the_profile_is_named() {
    let world = healthy();
    let settings = world.settings();
    world.manager(&[("one", &settings), ("two", &settings)]);
    let beside = ["settings"];
    finds_beside(doctor(&world), "profile", "wrong", "one, two", "--profile", &beside);
    let run = doctor(&world).args(&["--profile", "tow"]);
    finds(run, "profile", "wrong", "neither config has it", "name one of those");
    let run = doctor(&world).args(&["--profile", "a/b"]);
    finds(run, "profile", "wrong", "cannot use `a/b`", "another name");
}

#[test]
fn what_is_wrong_with_the_manager_config_is_named_with_its_line() {
    let world = healthy();
    let good = world.read(".oci/woci_manager.ini");
    world.write(".oci/woci_manager.ini", format!("{good}a line\n"));
    let line = format!("line {}: it is neither", good.lines().count() + 1);
    finds(doctor(&world), "manager-config", "wrong", &line, "correct the file");
    fs::remove_file(world.path(".oci/woci_manager.ini")).expect("it is there");
    fs::create_dir(world.path(".oci/woci_manager.ini")).expect("its place is free");
    finds(doctor(&world), "manager-config", "wrong", "it is a folder", "correct the file");
    let run = doctor(&world).args(&["--manager-config", "none.ini"]);
    finds(run, "manager-config", "wrong", "there is no such file", "name another");
}

#[test]
fn each_odd_setting_is_named_with_its_remedy() {
    let world = healthy();
    let lines = world.read(".oci/woci_manager.ini").lines().count() + 1;
    let with = |line: &str| {
        let good = world.settings();
        world.manager(&[("DEFAULT", &good)]);
        let text = world.read(".oci/woci_manager.ini");
        world.write(".oci/woci_manager.ini", format!("{text}{line}\n"));
        doctor(&world)
    };
    let place = format!("woci_manager.ini, line {lines}");
    for (line, state, what, remedy) in [
        ("tokn_ur = x", "doubtful", "does not know the key tokn_ur", "write token_url"),
        ("colour = red", "doubtful", "does not know the key colour", "woci help options"),
        ("login_hint = \"ada\"", "doubtful", "begins and ends with quotes", "remove"),
        ("login_hint = ada # me", "doubtful", "holds ' #'", "remove"),
        ("login_hint = a%%b", "doubtful", "and woci as %%", "write one"),
        (
            "issuer_expected = https://a.example.com",
            "doubtful",
            "no effect without issuer",
            "remove issuer_expected",
        ),
        ("res_type = r", "doubtful", "res_type has no effect", "remove res_type"),
        ("log_level = loud", "wrong", "cannot use log_level in [DEFAULT]", "correct it"),
        ("subject_token_env = T", "wrong", "both", "session_from"),
        ("client_secret_env = T", "wrong", "both client_secret and client_secret_env", "remove one"),
        (
            "refresh_token_get_command = get",
            "wrong",
            "refresh_token_get_command",
            "refresh_token_put_command",
        ),
    ] {
        finds(with(line), "settings", state, what, remedy);
        if what.starts_with("does not know") || what.starts_with("holds") {
            finds(with(line), "settings", state, &place, remedy);
        }
    }
    world.manager(&[("DEFAULT", &world.settings_with(&[("scope", Some("openid"))]))]);
    finds(doctor(&world), "settings", "doubtful", "does not hold offline_access", "add offline_access");
    let run = with("").args(&["--client-secret", "S3cret-canary-of-a-flag"]);
    world.secret("S3cret-canary-of-a-flag");
    finds(run, "settings", "doubtful", "on the command line", "client_secret_env");
}

#[test]
fn the_oci_config_that_the_manager_config_names_is_looked_at_although_a_setting_is_malformed() {
    let world = healthy();
    fs::rename(world.path(".oci/config"), world.path("oci.config")).expect("it is there");
    let config_file = world.path("oci.config").display().to_string();
    let with = |more: &[(&str, Option<&str>)]| {
        let changes = [&[("config_file", Some(&*config_file))], more].concat();
        world.manager(&[("DEFAULT", &world.settings_with(&changes))]);
        doctor(&world)
    };
    assert_eq!(findings(&with(&[]).run()), <[[String; 4]; 0]>::default());
    world.write("oci.config", format!("{}a line\n", world.read("oci.config")));
    let malformed = with(&[("log_level", Some("loud"))]);
    finds_beside(malformed, "oci-config", "wrong", "oci.config", "correct", &["settings"]);
}

#[test]
fn a_secret_that_no_session_of_the_profile_uses_is_not_looked_for() {
    let world = healthy_console();
    let manager = world.read(".oci/woci_manager.ini");
    world.write(".oci/woci_manager.ini", format!("{manager}\n[COMMON]\nclient_secret_env = NONE\n"));
    assert_eq!(findings(&doctor(&world).run()), <[[String; 4]; 0]>::default());
}

#[test]
fn every_required_value_that_is_missing_is_named() {
    let world = healthy();
    world.manager(&[("DEFAULT", &world.settings_with(&[("client_id", None), ("scope", None)]))]);
    let run = doctor(&world);
    finds(run, "required", "wrong", "--client-id (client_id), --scope (scope)", "set them in [DEFAULT]");
    let online = doctor(&world).arg("--online").run();
    assert!(findings(&online).iter().any(|[check, ..]| check == "online"), "{online}");
    workload(&world, "subject_token_audience = oci\n");
    let beside = ["workload-token", "origin"];
    finds_beside(doctor(&world), "required", "wrong", "subject_token_file", "set them in", &beside);
    // Oracle's own sign-in lacks a region.
    let world = World::console();
    world.write(".oci/woci_manager.ini", "[DEFAULT]\nsession_from = console\n");
    let port = world.redirect_port().to_string();
    let run = doctor(&world).args(&["--redirect-port", &port]);
    finds_beside(run, "required", "wrong", "--region (region)", "--region REGION", &["token"]);
}

#[test]
fn a_secret_that_others_can_read_or_that_is_not_there_is_named() {
    let world = healthy();
    let manager = world.path(".oci/woci_manager.ini");
    set_mode(&manager, 0o644);
    finds(doctor(&world), "secrets", "wrong", "(mode 0644), which holds client_secret", "chmod go-rwx");
    set_mode(&manager, 0o600);

    let with = |key: &str, value: &str| {
        world.manager(&[("DEFAULT", &world.settings_with(&[("client_secret", None), (key, Some(value))]))]);
        doctor(&world)
    };
    let run = with("client_secret_env", "EXCHANGE_SECRET");
    finds(run, "secrets", "wrong", "EXCHANGE_SECRET", "set");
    let file = world.path("secret");
    let path = file.to_str().expect("a World's home is UTF-8").to_owned();
    finds(with("client_secret_file", &path), "secrets", "wrong", "there is no such file", "");
    world.write("secret", "x\n");
    set_mode(&file, 0o640);
    chown_group(&file);
    finds(with("client_secret_file", &path), "secrets", "wrong", "0640", "chmod");
    finds(with("client_secret_command", "no-such-program a"), "secrets", "wrong", "not on PATH", "");
    // A program is not run.
    let trap = format!("touch {}", world.path("ran").display());
    assert_eq!(findings(&with("client_secret_command", &trap).run()), Vec::<[String; 4]>::new());
    assert!(!world.path("ran").exists());

    let with = |key: &str, value: &str| {
        world.manager(&[("DEFAULT", &world.settings_with(&[(key, Some(value))]))]);
        doctor(&world)
    };
    let run = with("refresh_token_passphrase_env", "PASSPHRASE");
    finds(run, "secrets", "wrong", "PASSPHRASE", "");
    let keyring = [("refresh_token_get_command", Some("no-get")), ("refresh_token_put_command", Some("cat"))];
    world.manager(&[("DEFAULT", &world.settings_with(&keyring))]);
    finds_beside(doctor(&world), "secrets", "wrong", "no-get", "", &["refresh-token"]);
}

/// Another group than the file's owner's own, so that its permissions count as those of others.
fn chown_group(path: &Path) {
    let _ = Command::new("chgrp").arg("65534").arg(path).status();
}

#[test]
fn a_workloads_token_that_is_of_no_use_is_named() {
    let world = World::new();
    workload(&world, "subject_token_env = JOB_TOKEN\nsubject_token_audience = oci\n");
    let token = world.sim.runner.token("oci");
    world.woci(&[]).env("JOB_TOKEN", &token).run().ok();
    finds(doctor(&world), "workload-token", "wrong", "it holds no token", "a token that is valid now");
    let old = world.sim.runner.sign(json!({ "aud": "oci", "exp": jwt::now() - 60 }));
    let run = doctor(&world).env("JOB_TOKEN", &old);
    finds(run, "workload-token", "wrong", "its `exp` is", "a token that is valid now");
    let run = doctor(&world).env("JOB_TOKEN", world.sim.runner.token("other"));
    finds(run, "workload-token", "wrong", "its `aud` is other", "");
    workload(&world, "subject_token_from = github\n");
    finds(doctor(&world), "workload-token", "wrong", "ACTIONS_ID_TOKEN_REQUEST_URL", "id-token: write");
}

// Files.

#[test]
fn folders_and_configs_that_others_can_change_are_named() {
    let world = healthy();
    for (path, mode) in [(".oci", 0o777), (".oci/config", 0o666), (".oci/sessions", 0o777), ("", 0o777)] {
        let path = if path.is_empty() { world.home().to_owned() } else { world.path(path) };
        let old = fs::metadata(&path).expect("it is there").permissions();
        set_mode(&path, mode);
        let what = format!("{} can be written by other users", path.display());
        let remedy = format!("chmod go-w {}", path.display());
        finds(doctor(&world), "folders", "wrong", &what, &remedy);
        fs::set_permissions(&path, old).expect("own files take a mode");
    }
    let folder = world.session().folder;
    set_mode(&folder, 0o755);
    finds(doctor(&world), "folders", "doubtful", "other users can look into", "chmod 700");
    set_mode(&folder, 0o700);
    let elsewhere = world.path("elsewhere");
    fs::rename(&folder, &elsewhere).expect("both are in the home");
    symlink("/no/such/folder", &folder).expect("its place is free");
    let beside = ["section", "token", "refresh-token"];
    finds_beside(doctor(&world), "folders", "wrong", "to a folder that does not exist", "rm", &beside);
    fs::remove_file(&folder).expect("it is a link");
    fs::rename(&elsewhere, &folder).expect("both are in the home");
    let run =
        doctor(&world).env("HOME", "/no/such/home").env("OCI_CLI_CONFIG_FILE", world.path(".oci/config"));
    let found = findings(&run.run());
    assert!(found.iter().any(|[check, _, what, _]| check == "folders" && what.contains("does not exist")));
}

#[test]
fn a_command_of_a_remedy_can_be_pasted() {
    let world = healthy();
    let manager = world.path("Ada's manager.ini");
    fs::rename(world.path(".oci/woci_manager.ini"), &manager).expect("both are in the home");
    set_mode(&manager, 0o644);
    let run = || doctor(&world).arg("--manager-config").arg(&manager);
    finds(run(), "secrets", "wrong", "Ada's manager.ini (mode 0644)", "chmod go-rwx '");
    let remedy = findings(&run().run())[0][3].clone();
    world.shell(remedy.split('`').nth(1).expect("a command")).run().ok();
    assert_eq!(findings(&run().run()), Vec::<[String; 4]>::new());
}

#[test]
fn a_folder_of_another_user_is_named() {
    let world = healthy();
    let Ok(status) = Command::new("chown").arg("4243").arg(world.path(".oci/config")).status() else {
        return;
    };
    if !status.success() {
        return; // not root
    }
    finds(doctor(&world), "folders", "doubtful", "config belongs to another user", "chown");
    let token = world.session().path("token");
    let chown = |user: &str, path: &Path| Command::new("chown").arg(user).arg(path).status();
    chown("0", &world.path(".oci/config")).expect("there is chown");
    chown("4243", &token).expect("there is chown");
    finds(doctor(&world), "session-files", "wrong", "belongs to another user (number 4243)", "chown");
    chown("0", &token).expect("there is chown");
}

#[test]
fn each_odd_file_of_the_session_is_named() {
    let world = healthy();
    let session = world.session();
    let token = session.path("token");
    for (mode, state, what) in
        [(0o644, "doubtful", "other users can read"), (0o666, "wrong", "other users can write")]
    {
        set_mode(&token, mode);
        finds(doctor(&world), "session-files", state, what, "chmod 600");
    }
    set_mode(&token, 0o644);
    set_mode(&session.folder, 0o755);
    finds_beside(doctor(&world), "session-files", "wrong", "other users can read", "chmod 600", &["folders"]);
    set_mode(&session.folder, 0o700);
    set_mode(&token, 0o600);

    let moved = world.path("moved");
    fs::rename(&token, &moved).expect("both are in the home");
    symlink(&moved, &token).expect("its place is free");
    finds(doctor(&world), "session-files", "doubtful", "is a symbolic link", "put the file itself there");
    fs::remove_file(&token).expect("it is there");
    fs::hard_link(&moved, &token).expect("its place is free");
    finds(doctor(&world), "session-files", "doubtful", "has a second name", "remove the other name");
    fs::remove_file(&moved).expect("it is there");

    for (name, state, what, remedy) in [
        (".token.0123.woci-tmp", "doubtful", "what a killed run left", "woci session refresh"),
        (".refresh_token.0123.woci-next", "doubtful", "could not be put in its place", "takes it up"),
        ("token~", "doubtful", "neither woci's nor oci's: token~", "remove them"),
    ] {
        session.write(name, "");
        finds(doctor(&world), "session-files", state, what, remedy);
        session.remove(name);
    }
    // A run that leaves a process to renew the session makes it.
    session.write("woci_renewal.lock", "\n");
    assert_eq!(findings(&doctor(&world).run()), Vec::<[String; 4]>::new());
    session.write("woci_refresh.lock", "");
    let lock = session.path("woci_refresh.lock");
    fs::hard_link(&lock, &moved).expect("its place is free");
    let beside = ["daemon"];
    finds_beside(doctor(&world), "session-files", "wrong", "woci refuses it", "rm", &beside);
    fs::remove_file(&moved).expect("it is there");

    let kept = session.read("refresh_token").expect("there is one");
    session.remove("refresh_token");
    let pipe = session.path("refresh_token");
    assert!(Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()));
    let beside = ["refresh-token"];
    finds_beside(doctor(&world), "session-files", "wrong", "is a named pipe", "move it away", &beside);
    fs::remove_file(&pipe).expect("it is there");
    session.write("refresh_token", kept);
}

// The OCI config, and who reads it.

#[test]
fn what_oci_refuses_in_its_config_is_named_with_the_line() {
    let world = healthy();
    let good = world.read(".oci/config");
    let lines = good.lines().count();
    for (more, what) in [
        ("[a]\n[a]\n", format!("line {}: the section [a] appears a second time", lines + 2)),
        ("[a]\nx=1\nX=2\n", format!("line {}: the key x appears a second time in [a]", lines + 3)),
        ("region = eu-zurich-1\n", format!("line {}: the key region appears a second time", lines + 1)),
        ("text\n", format!("line {}: it is neither", lines + 1)),
    ] {
        world.write(".oci/config", format!("{good}{more}"));
        finds(doctor(&world), "oci-config", "wrong", &what, "correct the file");
    }
    fs::remove_file(world.path(".oci/config")).expect("it is there");
    finds(doctor(&world), "oci-config", "doubtful", "there is no OCI config", "woci credential");
    world.woci(&["credential"]).run().ok();
    assert_eq!(world.read(".oci/config"), good);
}

#[test]
fn a_section_that_does_not_name_the_session_is_named() {
    let world = healthy();
    let good = world.read(".oci/config");
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{good}");
        world.write(".oci/config", good.replace(from, to));
        doctor(&world)
    };
    let session = world.session();
    let (key, token) = (session.path("private_key.pem"), session.path("token"));
    let (key, token) = (key.display().to_string(), token.display().to_string());
    finds(
        with(&token, "/elsewhere/token"),
        "section",
        "wrong",
        "security_token_file in [DEFAULT], line",
        "woci credential",
    );
    finds(
        with(&key, "/elsewhere/key.pem"),
        "section",
        "wrong",
        "names /elsewhere/key.pem",
        "woci credential",
    );
    let relative = ".oci/sessions/DEFAULT/token";
    finds(with(&token, relative), "section", "doubtful", "is a relative path", &token);
    world.write(".oci/config", "[other]\nregion = eu-zurich-1\n");
    finds(doctor(&world), "section", "doubtful", "[DEFAULT] of", "woci credential");
    world.write(".oci/config", "[DEFAULT]\nuser = ocid1.user.oc1..ada\nkey_file = ~/.oci/key.pem\n");
    finds(doctor(&world), "section", "wrong", "cannot put a session into [DEFAULT]", "--replace-api-key");
}

#[test]
fn what_oci_the_sdks_and_terraform_would_trip_over_is_named() {
    let world = healthy();
    let good = world.read(".oci/config");
    world.write(".oci/config", format!("{good}user = ocid1.user.oc1..ada\n"));
    let line = format!("user in [DEFAULT], line {}", good.lines().count() + 1);
    finds(doctor(&world), "readers", "wrong", &line, "woci session refresh");
    for name in ["fingerprint", "tenancy", "region"] {
        let without: String =
            good.lines().filter(|line| !line.starts_with(name)).map(|line| format!("{line}\n")).collect();
        world.write(".oci/config", &without);
        finds(doctor(&world), "readers", "doubtful", name, "");
        let other = if name == "region" { "us-ashbrun-1" } else { "other" };
        world.write(".oci/config", format!("{without}{name} = {other}\n"));
        let what = if name == "region" { "did you mean us-ashburn-1?" } else { "is not that of the session" };
        finds(doctor(&world), "readers", "doubtful", what, "");
    }
    world.write(".oci/config", &good);
    let session = world.session();
    session.write("token", format!("{}\n", session.token()));
    finds(doctor(&world), "readers", "doubtful", "white space stands around the token", "woci credential");
    world.woci(&["credential"]).run().ok();
    session.write("private_key.pem", format!("{}OCI_API_KEY\n", jwt::SESSION_PEM));
    finds(doctor(&world), "readers", "doubtful", "does not end with OCI_API_KEY", "printf");
    let remedy = findings(&doctor(&world).run())[0][3].clone();
    world.shell(remedy.split('`').nth(1).expect("a command")).run().ok();
    assert_eq!(findings(&doctor(&world).run()), Vec::<[String; 4]>::new());
}

#[test]
fn variables_that_override_the_profile_are_named() {
    let world = healthy();
    for (name, value) in [
        ("OCI_CLI_USER", "ocid1.user.oc1..eve"),
        ("OCI_CLI_KEY_FILE", "/k"),
        ("OCI_CLI_SECURITY_TOKEN_FILE", "/t"),
        ("OCI_CLI_FINGERPRINT", "aa"),
        ("OCI_CLI_TENANCY", "ocid1.tenancy.oc1..other"),
        ("OCI_CLI_AUTH", "api_key"),
        ("OCI_CONFIG_PROFILE", "other"),
        ("OCI_CONFIG_FILE", "/other/config"),
    ] {
        finds(doctor(&world).env(name, value), "variables", "doubtful", name, &format!("unset {name}"));
    }
    let run = doctor(&world).env("OCI_CLI_REGION", "eu-zurich-1");
    finds(run, "variables", "doubtful", "OCI_CLI_REGION is eu-zurich-1", "us-ashburn-1");
    let run = doctor(&world).args(&["--profile", "DEFAULT"]).env("OCI_CLI_PROFILE", "other");
    finds(run, "variables", "doubtful", "OCI_CLI_PROFILE is other", "woci doctor --profile other");
    world.secret("S3cret-canary-passphrase");
    let run = doctor(&world).env("OCI_CLI_PASSPHRASE", "S3cret-canary-passphrase");
    finds(run, "variables", "doubtful", "OCI_CLI_PASSPHRASE", "unset");
}

// The session.

#[test]
fn a_token_that_needs_a_person_is_named() {
    let world = healthy();
    let session = world.session();
    session.expire();
    let good = findings(&doctor(&world).run());
    assert_eq!(good, Vec::<[String; 4]>::new(), "the next run renews it");
    session.remove("refresh_token");
    world.loses_refresh_token();
    let beside = ["refresh-token"];
    let what = "has expired at";
    finds_beside(doctor(&world), "token", "doubtful", what, "woci session authenticate", &beside);
    let run = doctor(&world).args(&["--sign-in", "never"]);
    finds_beside(run, "token", "wrong", "sign_in = never", "woci session authenticate", &beside);
    session.remove("token");
    finds_beside(doctor(&world), "token", "doubtful", "there is no session token", "authenticate", &beside);

    let world = healthy();
    world.session().write("token", "nonsense");
    finds(doctor(&world), "token", "wrong", "holds no session token", "woci session refresh");

    let world = healthy_console();
    world.session().expire();
    finds(doctor(&world), "token", "doubtful", "can be renewed only before that", "authenticate");
}

#[test]
fn a_console_session_that_is_not_renewed_is_named() {
    let world = World::console();
    world.woci(&["session", "authenticate"]).run().ok();
    let session = world.session();
    let good = session.record();
    let with = |key: &str, value: Value| {
        let mut record = good.clone();
        record["console"][key] = value;
        session.write("session.json", record.to_string());
        doctor(&world)
    };
    let hash: String = Sha256::digest(session.token()).iter().map(|byte| format!("{byte:02x}")).collect();
    let run = with("refused_session_token_sha256", hash.into());
    finds(run, "token", "doubtful", "Oracle no longer renews the session", "woci session authenticate");
    let run = with("failed_renewal", (jwt::now() - 60).into());
    finds(run, "renewal", "doubtful", "failed", "woci session refresh");
}

#[test]
fn a_session_of_oci_without_a_region_is_named() {
    let world = World::new();
    fs::remove_file(world.path(".oci/woci_manager.ini")).expect("it was written");
    world.session().seed_of_oci("oci_api_key.pem", 3600);
    let config = world.read(".oci/config").replace("region=us-ashburn-1\n", "");
    world.write(".oci/config", config);
    let port = world.redirect_port().to_string();
    let run = doctor(&world).args(&["--redirect-port", &port]);
    finds_beside(run, "required", "doubtful", "--region (region)", "woci session authenticate", &["readers"]);
}

#[test]
fn a_key_that_is_not_the_tokens_is_named() {
    let world = healthy();
    let session = world.session();
    let other = Key::from_pem(jwt::PROVIDER_PEM).public();
    session.put_token(domain::claims(&other, 3600));
    finds(doctor(&world), "key", "wrong", "is bound to another key", "woci session refresh");
    session.seed(3600);
    session.remove("private_key.pem");
    finds(doctor(&world), "key", "wrong", "there is no key", "woci session refresh");
    session.write("private_key.pem", "nonsense");
    finds(doctor(&world), "key", "wrong", "private_key.pem", "");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    session.remove("private_key.pem");
    session.write("oci_api_key.pem", encrypted);
    let named = world.read(".oci/config").replace("private_key.pem", "oci_api_key.pem");
    world.write(".oci/config", named);
    finds_beside(doctor(&world), "key", "wrong", "encrypted", "woci session authenticate", &["section"]);
}

#[test]
fn what_is_wrong_with_the_refresh_token_is_named() {
    let world = healthy();
    let session = world.session();
    let kept = session.refresh_token().expect("there is one");
    session.remove("refresh_token");
    finds(doctor(&world), "refresh-token", "doubtful", "there is no refresh token", "grant refresh token");
    let scope = [("scope", Some("openid"))];
    world.manager(&[("DEFAULT", &world.settings_with(&scope))]);
    let beside = ["settings"];
    finds_beside(doctor(&world), "refresh-token", "doubtful", "no refresh token", "offline_access", &beside);
    world.manager(&[("DEFAULT", &world.settings())]);
    for (text, what) in [("{\"enc\":1}", "refresh_token"), ("a\tb", "control characters")] {
        session.write("refresh_token", text);
        finds(doctor(&world), "refresh-token", "wrong", what, "");
    }
    session.write("refresh_token", &kept);

    // Encrypted, and nothing to decrypt it with.
    let encrypted = ["session", "refresh", "--refresh-token-passphrase-env", "PASSPHRASE"];
    world.woci(&encrypted).env("PASSPHRASE", "correct horse").run().ok();
    finds(doctor(&world), "refresh-token", "wrong", "is encrypted", "passphrase");
    let run = doctor(&world).args(&encrypted[2..]).env("PASSPHRASE", "correct horse");
    assert_eq!(findings(&run.run()), Vec::<[String; 4]>::new());

    // Nobody is asked for a passphrase.
    let run = doctor(&world).arg("--refresh-token-passphrase-prompt").terminal().run().ok().silent();
    assert_eq!(findings(&run), Vec::<[String; 4]>::new());

    // Refused by the provider.
    let world = healthy();
    world.session().expire();
    world.sim.provider.revoke_all();
    world.woci(&["--sign-in", "never"]).run().fails(1);
    let beside = ["token"];
    finds_beside(doctor(&world), "refresh-token", "doubtful", "has refused", "authenticate", &beside);
}

#[test]
fn a_session_of_another_configuration_or_person_is_named() {
    let world = plain();
    world.woci(&[]).run().ok();
    let change = |key: &str, value: &str| {
        world.manager(&[("DEFAULT", &world.settings_with(&[(key, Some(value))]))]);
        doctor(&world)
    };
    let run = change("auth_client_id", "another");
    finds(run, "origin", "doubtful", "auth_client_id changed from", "woci session authenticate");
    let run = change("client_id", "another");
    finds(run, "origin", "doubtful", "client_id changed from", "woci session refresh");
    world.secret("S3cret-canary-of-a-query");
    let url = format!("{}?key=S3cret-canary-of-a-query", world.sim.token_url());
    finds(change("token_url", &url), "origin", "doubtful", "/token?…", "restore the setting");
    let run = change("expect_user", "ocid1.user.oc1..eve");
    finds(run, "identity", "wrong", domain::USER, "expect_user");
    let run = change("expect_tenancy", "ocid1.tenancy.oc1..eve");
    finds(run, "identity", "wrong", domain::TENANCY, "expect_tenancy");
    world.manager(&[("DEFAULT", &world.settings())]);
    world.session().write("session.json", "nonsense");
    finds(doctor(&world), "origin", "wrong", "session.json is damaged", "woci session authenticate");
}

#[test]
fn an_unanswered_sign_in_is_named() {
    let world = plain();
    world.woci(&[]).run().ok();
    let mut record = world.session().record();
    record["failed_sign_in"] = json!({ "outcome": "unanswered", "at": jwt::now() - 60 });
    world.session().write("session.json", record.to_string());
    finds(doctor(&world), "sign-in", "doubtful", "was unanswered", "woci session authenticate");
}

#[test]
fn the_daemons_last_error_and_the_older_tool_are_named() {
    let world = healthy();
    let session = world.session();
    session.write("woci_refresh.pid", "1234567\n");
    assert_eq!(findings(&doctor(&world).run()), Vec::<[String; 4]>::new(), "a stale number is nothing");
    let ended = json!({ "pid": null, "last_error": "cannot reach the token endpoint: no route" });
    session.write("woci_refresh.lock", ended.to_string());
    finds(doctor(&world), "daemon", "doubtful", "no route", "woci_refresh.log");
    session.remove("woci_refresh.lock");

    world.woci(&["--daemon"]).run().ok();
    let running = doctor(&world).run();
    world.woci(&["--stop-daemon"]).run().ok();
    assert_eq!(findings(&running), Vec::<[String; 4]>::new());
    running.prints("the daemon runs (process ");

    let Ok(mut older) =
        Command::new("bash").args(["-c", "exec -a 'python3 /bin/woci --daemon' sleep 600"]).spawn()
    else {
        return;
    };
    session.write("woci_refresh.pid", older.id().to_string());
    // The name changes when bash has become `sleep`.
    while !fs::read(format!("/proc/{}/cmdline", older.id())).is_ok_and(|line| line.starts_with(b"python3")) {
        std::thread::yield_now();
    }
    let run = doctor(&world).run();
    sys::kill(older.id(), libc::SIGKILL);
    older.wait().expect("it was started here");
    let found = findings(&run);
    assert!(found.iter().any(|[check, state, ..]| check == "daemon" && state == "wrong"), "{run}");
    session.remove("woci_refresh.pid");
}

#[test]
fn a_clock_that_is_behind_is_named() {
    for (seconds, state) in [(200, "doubtful"), (2_000, "wrong")] {
        let world = healthy();
        let mut claims = jwt::claims(&world.session().token());
        claims["iat"] = (jwt::now() + seconds).into();
        world.session().put_token(claims);
        finds(doctor(&world), "clock", state, "behind", "set the clock");
    }
}

// The machine.

#[test]
fn a_port_that_is_taken_is_named() {
    let world = healthy();
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, world.redirect_port())).expect("it is free");
    let port = world.redirect_port().to_string();
    finds(doctor(&world), "port", "wrong", &port, "redirect_port");
    let list = format!("{port},{}", crate::world::free_port());
    let run = doctor(&world).args(&["--redirect-port", &list]);
    assert_eq!(findings(&run.run()), Vec::<[String; 4]>::new(), "another one of the list is free");
}

#[test]
fn a_browser_that_is_not_there_is_named() {
    let world = healthy();
    let run = doctor(&world).env("BROWSER", "no-such-browser");
    finds(run, "browser", "doubtful", "BROWSER names no-such-browser", "sign_in_with");
    let run = doctor(&world).env("BROWSER", "");
    finds(run, "browser", "doubtful", "there is no display", "set BROWSER");
    let run = doctor(&world).env("BROWSER", "").args(&["--sign-in-with", "paste"]);
    assert_eq!(findings(&run.run()), Vec::<[String; 4]>::new());
}

#[test]
fn variables_of_the_network_that_are_of_no_use_are_named() {
    let world = healthy();
    for (name, value, state, what) in [
        ("HTTPS_PROXY", "socks5://127.0.0.1:1", "wrong", "SOCKS"),
        ("HTTPS_PROXY", "::", "wrong", "not the URL of a proxy"),
        ("SSL_CERT_FILE", "/no/such", "wrong", "/no/such"),
        ("SSL_CERT_FILE", "/dev/null", "wrong", "/dev/null"),
        ("SSL_CERT_DIR", "/no/such", "wrong", "/no/such"),
        ("REQUESTS_CA_BUNDLE", "/no/such", "doubtful", "/no/such"),
        ("OCI_CLI_CERT_BUNDLE", "/no/such", "doubtful", "/no/such"),
    ] {
        finds(doctor(&world).env(name, value), "network", state, what, "");
    }
    world.secret("S3cret-canary-of-a-proxy");
    let run = doctor(&world).env("HTTPS_PROXY", "http://ada:S3cret-canary-of-a-proxy@127.0.0.1:1").run().ok();
    run.prints("the proxy 127.0.0.1:1");
}

#[test]
fn an_oci_that_does_not_work_is_named() {
    let world = healthy();
    let oci = world.path("bin/oci");
    let script = |text: &str| {
        let _ = fs::remove_file(&oci);
        fs::write(&oci, text).expect("a World's home is writable");
        set_mode(&oci, 0o755);
        doctor(&world)
    };
    let run = script("#!/bin/sh\necho 3.95.1\n").run().ok();
    assert_eq!(findings(&run), Vec::<[String; 4]>::new());
    run.prints("oci 3.95.1 is ");
    let first = world.path("first");
    fs::create_dir(&first).expect("a new folder");
    symlink(crate::world::run::woci_program(), first.join("oci")).expect("a new link");
    let path = format!("{}:{}:/bin", first.display(), world.path("bin").display());
    let run = doctor(&world).env("PATH", &path).run().ok();
    assert_eq!(findings(&run), Vec::<[String; 4]>::new());
    run.prints("first/oci is woci itself, and runs ");
    script("#!/bin/sh\nexec woci \"$@\"\n").run().ok().prints("a script that runs woci");
    finds(
        script("#!/bin/sh\necho broken >&2\nexit 3\n"),
        "oci",
        "doubtful",
        "exit status: 3",
        "install the OCI CLI anew",
    );
    finds(script("#!/no/such/python\n"), "oci", "doubtful", "--version` does not work", "");
    fs::remove_file(&oci).expect("it is there");
    let path = world.path("bin").display().to_string();
    finds(doctor(&world).env("PATH", &path), "oci", "doubtful", "no `oci` on PATH", "install the OCI CLI");
}

#[test]
fn another_woci_on_path_is_named() {
    let world = healthy();
    let (this, other) = (world.path("bin/woci"), world.path("other"));
    fs::create_dir(&other).expect("a new folder");
    let path = format!("{}:{}:/usr/bin:/bin", other.display(), world.path("bin").display());
    for (text, what) in
        [("#!/bin/sh\n", "other/woci and not"), ("#!/usr/bin/env python3\n", "the older Python tool")]
    {
        fs::write(other.join("woci"), text).expect("a new file");
        set_mode(&other.join("woci"), 0o755);
        finds(doctor(&world).env("PATH", &path), "woci", "doubtful", what, "first on PATH");
    }
    // The other way round, this one is what a shell starts; sudo, cron and systemd have a PATH of their own.
    let path = format!("{}:{}:/usr/bin:/bin", world.path("bin").display(), other.display());
    let what = format!("{}, and another woci further on: {}", this.display(), other.join("woci").display());
    finds(doctor(&world).env("PATH", &path), "woci", "doubtful", &what, "remove the one that you do not use");
    // The same program by two names is one.
    fs::remove_file(other.join("woci")).expect("it is a file");
    symlink(&this, other.join("woci")).expect("a new link");
    assert_eq!(findings(&doctor(&world).env("PATH", &path).run().ok()), Vec::<[String; 4]>::new());
    fs::remove_file(world.path("bin/woci")).expect("it is a link");
    finds(doctor(&world), "woci", "doubtful", "woci is not on PATH", "to PATH");
}

// kubectl.

#[test]
fn kubeconfig_entries_that_do_not_work_are_named() {
    let world = healthy();
    fs::create_dir(world.path(".kube")).expect("a new folder");
    let entry = |command: &str, args: &[&str]| {
        let args: String = args.iter().map(|arg| format!("      - {arg}\n")).collect();
        world.write(
            ".kube/config",
            format!("users:\n- name: ada\n  user:\n    exec:\n      args:\n{args}      command: {command}\n"),
        );
        doctor(&world)
    };
    let generate = ["ce", "cluster", "generate-token", "--cluster-id", CLUSTER];
    let write = format!("woci kubeconfig --cluster-id {CLUSTER} --write");
    finds(entry("oci", &generate), "kubeconfig", "doubtful", "the user ada of", &write);
    let other = [&generate[..], &["--profile", "other"]].concat();
    assert_eq!(findings(&entry("oci", &other).run()), Vec::<[String; 4]>::new(), "another profile's");

    let credential = ["kube-credential", "--cluster-id", CLUSTER, "--profile"];
    let of = |more: &[&'static str]| [&credential[..], more].concat();
    let run = entry("woci", &of(&["DEFAULT"])).run().ok();
    assert_eq!(findings(&run), Vec::<[String; 4]>::new());
    run.prints("kubectl runs woci for 1 user(s)");
    finds(entry("woci", &of(&["gone"])), "kubeconfig", "wrong", "--profile gone", &write);
    finds(entry("/old/woci", &of(&["DEFAULT"])), "kubeconfig", "wrong", "there is no such file", &write);
    let run = entry("woci", &of(&["DEFAULT", "--manager-config", "/old/m.ini"]));
    finds(run, "kubeconfig", "wrong", "/old/m.ini, and there is no such file", &write);
    let list = format!("/no/such:{}", world.path(".kube/config").display());
    finds(
        entry("/old/woci", &of(&["DEFAULT"])).env("KUBECONFIG", list),
        "kubeconfig",
        "wrong",
        "/old/woci",
        &write,
    );
    world.write(".kube/config", "\u{0}not: [yaml");
    assert_eq!(findings(&doctor(&world).run()), Vec::<[String; 4]>::new(), "it is passed over");
}

// The network.

fn online<'w>(world: &'w World) -> Woci<'w> {
    world.woci(&["doctor", "--online"])
}

#[test]
fn a_service_out_of_reach_is_named() {
    let mut world = healthy();
    world.sim.close_domain();
    finds(online(&world), "reach", "wrong", "cannot reach the token exchange", "network");
    world.sim.close_provider();
    let found = findings(&online(&world).run());
    let of = |what: &str| found.iter().any(|[check, _, said, _]| check == "reach" && said.contains(what));
    assert!(of("authorization endpoint") && of("token endpoint"), "{found:#?}");

    let mut world = healthy_console();
    let mut settings = world.console_settings();
    settings.retain(|(key, _)| key != "console_url");
    settings.push(("console_url".into(), "http://127.0.0.1:1".into()));
    world.manager(&[("DEFAULT", &settings)]);
    finds(online(&world), "reach", "wrong", "cannot reach the sign-in page", "network");
    world.sim.close_auth_service();
    let found = findings(&online(&world).run());
    assert!(found.iter().any(|[_, _, what, _]| what.contains("authentication service")), "{found:#?}");
}

#[test]
fn a_proxy_and_a_server_without_tls_are_named() {
    let world = healthy();
    let exchange_at = |url: &str| {
        world.manager(&[("DEFAULT", &world.settings_with(&[("token_exchange_url", Some(url))]))]);
        online(&world)
    };
    let run = exchange_at("https://idp.example.com/token").env("HTTPS_PROXY", "http://127.0.0.1:1");
    finds(run, "reach", "wrong", "cannot get through the proxy 127.0.0.1:1", "HTTPS_PROXY");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = (&stream).read(&mut [0; 4096]);
            let _ = (&stream).write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        }
    });
    let run = exchange_at(&format!("https://{address}/token"));
    finds(run, "reach", "wrong", "it is not TLS", "");
}

#[test]
fn a_client_that_a_service_does_not_know_is_named() {
    let world = healthy();
    let secret = |key: &str| {
        world.secret("S3cret-canary-wrong");
        world.manager(&[("DEFAULT", &world.settings_with(&[(key, Some("S3cret-canary-wrong"))]))]);
        online(&world)
    };
    let run = secret("auth_client_secret");
    finds(run, "authorization-client", "wrong", "woci-desktop", "auth_client_secret");
    finds(secret("client_secret"), "exchange-client", "wrong", "oci-token-exchange", "client_secret");
    world.manager(&[("DEFAULT", &world.settings())]);
    world.sim.fault(Grant::Refresh, Fault::refusal("unauthorized_client", "no"));
    finds(online(&world), "authorization-client", "wrong", "unauthorized_client", "grant refresh token");
    world.sim.fault(Grant::Exchange, Fault::status(404, "<h1>no</h1>"));
    finds(online(&world), "exchange-client", "wrong", "404", "check the URL");
    world.sim.fault(Grant::Refresh, Fault::status(502, ""));
    finds(online(&world), "authorization-client", "doubtful", "502", "");
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "cached");
}

#[test]
fn a_document_of_another_issuer_is_named() {
    let world = healthy();
    let issuer = world.sim.provider.issuer();
    let with_issuer = [("authz_base_url", None), ("token_url", None), ("issuer", Some(&*issuer))];
    world.manager(&[("DEFAULT", &world.settings_with(&with_issuer))]);
    assert_healthy(&world, &["doctor", "--online"], &[]);
    world.sim.provider.rules().discovery.members = vec![("issuer", "https://other.example.com".into())];
    finds(online(&world), "discovery", "wrong", "https://other.example.com", "issuer");
    // Beside endpoints that are configured, the document is read for the other ones.
    world.manager(&[("DEFAULT", &world.settings_with(&[("issuer", Some(&*issuer))]))]);
    finds(online(&world), "discovery", "wrong", "https://other.example.com", "issuer");
}

#[test]
fn a_clock_that_differs_from_a_services_is_named() {
    let world = healthy();
    for (seconds, state, direction) in
        [(120, "doubtful", "behind"), (-120, "doubtful", "ahead"), (1_200, "wrong", "behind")]
    {
        let date = jwt::http_date(jwt::now() + seconds).replace("UTC", "GMT");
        world.sim.fault(Grant::Authorize, Fault::status_with(400, &[("Date", &date)], ""));
        finds(online(&world), "clock-online", state, direction, "set the clock");
    }
}

// For a person.

#[test]
fn what_a_person_sees_is_as_in_the_golden_files() {
    let world = plain();
    let screen = looks::Screen::of(&world);
    world.session().seed(3630);
    world.session().write("private_key.pem", format!("{}OCI_API_KEY", jwt::SESSION_PEM));
    screen.woci(&["credential"]).run().ok();
    let text = world.read(".oci/woci_manager.ini");
    world.write(".oci/woci_manager.ini", format!("{text}tokn_url = x\n"));
    world.session().write("session.json", "nonsense");
    fs::remove_file(world.path("bin/oci")).expect("it is a link");
    fs::write(world.path("bin/oci"), "#!/bin/sh\necho 3.95.1\n").expect("a new file");
    set_mode(&world.path("bin/oci"), 0o755);
    for columns in [60, 100] {
        screen.check(&["doctor"], columns, 1, &format!("doctor-{columns}.txt"));
    }
}
