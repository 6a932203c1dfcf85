//! `woci status`: each state of a session with its exit code and next step, for one profile and for all; nothing is
//! sent, written, run or locked.

use crate::sim::domain;
use crate::sim::faults::Grant;
use crate::sim::provider::Person;
use crate::world::World;
use crate::world::run::Run;
use serde_json::Value;
use std::fs;

/// The document, whose exit code says whether a person is needed.
fn status(world: &World, code: i32) -> Value {
    world.woci(&["status"]).run().exits(code).silent().json()
}

fn states(all: &Value) -> Vec<(&str, &str)> {
    let profiles = all["profiles"].as_array().expect("a list");
    profiles
        .iter()
        .map(|profile| (profile["profile"].as_str().expect("text"), profile["state"].as_str().expect("text")))
        .collect()
}

#[test]
fn a_usable_session_needs_nothing() {
    let world = World::signed_in();
    world.woci(&["session", "refresh"]).run().ok();
    let (before, asked) = (snapshot(&world), world.sim.total());
    let document = status(&world, 0);
    for (key, value) in [
        ("state", "usable".into()),
        ("why", Value::Null),
        ("next_step", Value::Null),
        ("session_from", "provider".into()),
        ("user", domain::USER.into()),
        ("tenancy", domain::TENANCY.into()),
        ("region", "us-ashburn-1".into()),
        ("refresh_token", "plain".into()),
        ("refresh_token_refused", false.into()),
        ("key", "matches".into()),
        ("last_error", Value::Null),
        ("failed_sign_in", Value::Null),
    ] {
        assert_eq!(document[key], value, "{key}: {document}");
    }
    assert!(document["session_ends"].is_null(), "it lasts as long as its refresh token: {document}");
    let left = document["expires_in"].as_i64().expect("a number");
    assert!((3500..=3600).contains(&left), "{left}");
    assert_eq!((snapshot(&world), world.sim.total()), (before, asked), "it only reads");
}

#[test]
fn a_session_without_a_folder_is_none_and_none_is_made() {
    let world = World::new();
    let document = status(&world, 1);
    assert_eq!((&document["state"], &document["key"]), (&"none".into(), &"missing".into()));
    assert_eq!(document["next_step"], "woci session authenticate");
    assert!(!world.path(".oci/sessions").exists());

    // With an empty home, the region is all that has to be known.
    fs::remove_file(world.path(".oci/woci_manager.ini")).expect("it was written");
    let document = status(&world, 1);
    assert_eq!(document["next_step"], "woci session authenticate --region REGION");
    let run = world.woci(&["status", "--region", "us-ashburn-1", "--profile", "p"]).run().exits(1);
    assert_eq!(run.json()["next_step"], "woci session authenticate --profile p");
    assert_eq!(world.woci(&["status", "--all"]).run().ok().json()["profiles"], Value::Array(vec![]));
}

#[test]
fn a_token_that_ends_within_a_minute_counts_as_ended() {
    let world = World::signed_in();
    world.session().age(50);
    let document = status(&world, 0);
    assert_eq!((&document["state"], &document["expires_in"]), (&"renewable".into(), &0.into()));
    assert_eq!(document["next_step"], Value::Null);
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    world.session().age(300);
    assert_eq!(status(&world, 0)["state"], "usable");
}

#[test]
fn each_obstacle_to_a_renewal_is_named_and_a_run_agrees() {
    let world = World::signed_in();
    let never = ["--sign-in", "never"];
    let needs_person = |why: &str, next: Option<&str>, code: i32| {
        let document = status(&world, 1);
        assert_eq!(document["state"], "needs_person", "{document}");
        assert!(document["why"].as_str().is_some_and(|text| text.contains(why)), "{why}: {document}");
        assert_eq!(document["next_step"].as_str(), next, "{why}");
        world.woci(&never).run().fails(code);
    };
    let sign_in = Some("woci session authenticate");
    world.session().expire();
    world.session().remove("refresh_token");
    needs_person("no refresh token", sign_in, 1);

    world.session().seed(-60);
    world.sim.provider.revoke_all();
    assert_eq!(status(&world, 0)["state"], "renewable", "only the provider knows");
    world.woci(&never).run().fails(1);
    needs_person("has refused the refresh token", sign_in, 1);
    assert_eq!(status(&world, 1)["refresh_token_refused"], true);
    world.loses_refresh_token();

    world.session().seed(-60);
    let elsewhere = world.settings_with(&[("auth_client_id", Some("another"))]);
    world.woci(&["session", "refresh"]).run().ok();
    world.session().expire();
    world.manager(&[("DEFAULT", &elsewhere)]);
    needs_person("auth_client_id changed", sign_in, 1);

    world.manager(&[("DEFAULT", &world.settings_with(&[("scope", None)]))]);
    needs_person("Missing required options: --scope (scope)", Some("woci config check"), 2);

    world.manager(&[("DEFAULT", &world.settings())]);
    world.session().write("refresh_token", "{}");
    needs_person("damaged", sign_in, 1);
    assert_eq!(status(&world, 1)["refresh_token"], "damaged");
}

#[test]
fn an_encrypted_refresh_token_needs_its_passphrase_from_somewhere() {
    let world = World::signed_in();
    let with = ["--refresh-token-passphrase-env", "P"];
    world.woci(&["session", "refresh"]).args(&with).env("P", "correct horse").run().ok();
    world.secret("correct horse");
    assert_eq!(status(&world, 0)["refresh_token"], "encrypted");
    assert!(status(&world, 0)["next_step"].as_str().is_some_and(|next| next.ends_with("-passphrase-prompt")));
    world.session().expire();
    let document = status(&world, 1);
    assert_eq!(document["next_step"], "woci session refresh --refresh-token-passphrase-prompt");
    world.woci(&["status"]).args(&with).env("P", "correct horse").run().ok();
    let unset = world.woci(&["status"]).args(&with).run().exits(1).json();
    assert!(unset["why"].as_str().is_some_and(|why| why.contains("variable P")), "{unset}");
    let prompt = world.woci(&["status", "--refresh-token-passphrase-prompt"]).run().exits(1).json();
    assert_eq!(prompt["next_step"], "woci session refresh");
}

#[test]
fn no_program_is_run_for_a_refresh_token_in_a_keyring() {
    let world = World::signed_in();
    world.woci(&["session", "refresh"]).run().ok();
    let ran = world.path("ran");
    let touch = format!("touch {}", ran.display());
    let keys = [("refresh_token_get_command", Some(&*touch)), ("refresh_token_put_command", Some(&*touch))];
    world.manager(&[("DEFAULT", &world.settings_with(&keys))]);
    world.session().expire();
    assert_eq!(status(&world, 0)["refresh_token"], "command");
    assert!(!ran.exists());
}

#[test]
fn a_console_session_says_when_it_ends_for_good() {
    let world = World::console();
    world.woci(&["session", "authenticate"]).run().ok();
    assert!(status(&world, 0)["session_ends"].is_string());
}

#[test]
fn a_console_session_needs_a_person_once_it_has_ended() {
    let world = World::console();
    world.session().seed_console(3000);
    let document = status(&world, 0);
    assert_eq!((&document["session_from"], &document["refresh_token"]), (&"console".into(), &"none".into()));
    world.session().seed_console(-60);
    let document = status(&world, 1);
    assert_eq!(document["next_step"], "woci session authenticate");
    assert!(document["why"].as_str().is_some_and(|why| why.contains("expired")), "{document}");

    world.session().seed_of_oci("oci_api_key.pem", 3000);
    fs::remove_file(world.session().path("private_key.pem")).expect("it was written");
    let document = status(&world, 0);
    let key = world.session().path("oci_api_key.pem");
    assert_eq!(document["key_file"].as_str(), key.to_str());
}

#[test]
fn a_key_that_is_missing_wrong_or_unreadable_is_told() {
    let world = World::signed_in();
    world.session().write("private_key.pem", crate::sim::jwt::OTHER_PEM);
    let document = status(&world, 0);
    assert_eq!((&document["key"], &document["state"]), (&"mismatch".into(), &"renewable".into()));
    world.session().remove("private_key.pem");
    assert_eq!(status(&world, 0)["key"], "missing");
    world.session().write("private_key.pem", "damaged");
    let document = status(&world, 1);
    assert_eq!(document["state"], "error");
    assert!(document["why"].as_str().is_some_and(|why| why.contains("private_key.pem")), "{document}");
}

#[test]
fn a_denied_sign_in_is_shown() {
    let world = World::new();
    world.sim.provider.rules().person = Person::denies();
    world.woci(&[]).run().fails(1);
    let document = status(&world, 1);
    assert_eq!(document["failed_sign_in"]["outcome"], "denied", "{document}");
}

#[test]
fn a_daemon_of_another_version_is_to_be_restarted() {
    let world = World::signed_in();
    world.woci(&["--daemon"]).run().ok();
    let document = status(&world, 0);
    assert_eq!(document["daemon"]["running"], true);
    assert_eq!(document["daemon"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["next_step"], Value::Null);

    let lock = world.session().read("woci_refresh.lock").expect("a daemon's status");
    let mut known: Value = serde_json::from_str(&lock).expect("JSON");
    for version in [Value::Null, "0.0.1".into()] {
        known["version"] = version.clone();
        // In place: the lock is on this very file.
        fs::write(world.session().path("woci_refresh.lock"), known.to_string()).expect("it can be written");
        let document = status(&world, 0);
        assert_eq!(document["daemon"]["version"], version);
        let next = document["next_step"].as_str().expect("a command").to_owned();
        assert_eq!(next, "woci --stop-daemon && woci --daemon");
        if version != Value::Null {
            world.shell(&format!("{{ {next}; }} >/dev/null")).run().ok();
            assert_eq!(status(&world, 0)["next_step"], Value::Null);
        }
    }
    world.woci(&["--stop-daemon"]).run().ok();
}

#[test]
fn all_profiles_of_both_configs_and_the_folders_are_listed() {
    let world = World::signed_in();
    let bad = world.settings_with(&[("redirect_port", Some("many"))]);
    world.manager(&[("COMMON", &world.settings()), ("DEFAULT", &[]), ("new", &[]), ("ended", &[])]);
    world.write(".oci/config", "[keyed]\nuser = ocid1.user.oc1..a\nkey_file = ~/k.pem\n");
    world.session_of("alone").seed(3600);
    let all = world.woci(&["status", "--all"]).run().ok().silent().json();
    let expected = [
        ("DEFAULT", "usable"),
        ("new", "none"),
        ("ended", "none"),
        ("keyed", "api_key"),
        ("alone", "usable"),
    ];
    assert_eq!(states(&all), expected);
    assert_eq!(all["profiles"][1]["next_step"], "woci session authenticate --profile new");
    assert_eq!(all["profiles"][3]["next_step"], Value::Null, "an API key is no matter of woci's");

    world.session_of("ended").seed(-60);
    fs::remove_file(world.session_of("ended").path("refresh_token")).expect("it was written");
    let all = world.woci(&["status", "--all"]).run().exits(1).json();
    assert_eq!(states(&all)[2], ("ended", "needs_person"));

    world.manager(&[("DEFAULT", &world.settings()), ("bad", &bad)]);
    let all = world.woci(&["status", "--all"]).run().exits(1).silent().json();
    assert_eq!(states(&all)[..2], [("DEFAULT", "usable"), ("bad", "error")]);
    let why = all["profiles"][1]["why"].as_str().expect("text");
    assert!(why.contains("redirect_port"), "{why}");
    world.woci(&["status", "--all", "--profile", "bad"]).run().fails(2);
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn a_read_only_home_and_a_held_lock_are_no_obstacle() {
    let world = World::signed_in();
    world.session().expire();
    let gate = world.sim.hold(Grant::Refresh);
    let renewing = world.woci(&["session", "refresh"]).start();
    gate.wait_for(1);
    assert_eq!(status(&world, 0)["state"], "renewable");
    gate.open();
    renewing.finish().ok();
}

fn snapshot(world: &World) -> Vec<(String, Vec<u8>)> {
    let mut files = world.session().snapshot();
    files.push(("config".into(), world.read(".oci/config").into_bytes()));
    files
}

#[test]
fn a_person_reads_fields_and_a_table() {
    let world = World::signed_in();
    world.woci(&["session", "refresh"]).run().ok();
    let text: Run = world.woci(&["status", "--output", "text"]).run().ok();
    for words in ["Token          valid until ", "Daemon         not running", "Next           nothing to do"]
    {
        assert!(text.stdout.contains(words), "{text}");
    }
    let all = world.woci(&["status", "--all", "--output", "text"]).run().ok();
    assert!(all.stdout.starts_with("PROFILE  SESSION   TOKEN   DAEMON  NEXT\n"), "{all}");
}
