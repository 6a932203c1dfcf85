//! `woci logout`: the refresh token is revoked, the secrets and the keys in the OCI config go, all else stays; a renewal
//! under way brings nothing back, a provider that fails costs a warning, and a run that was killed is completed.

use crate::sim::faults::{Fault, Grant};
use crate::sim::ledger::Standing;
use crate::world::World;
use crate::world::run::Run;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::Path;

/// A session of the provider, made by woci, whose section names the revocation endpoint.
fn signed_in() -> World {
    let world = World::signed_in();
    configure(&world, &[]);
    world.woci(&["session", "refresh"]).run().ok();
    world
}

fn configure(world: &World, changes: &[(&str, Option<&str>)]) {
    let url = world.sim.revocation_url();
    let changes = [&[("revocation_url", Some(&*url))], changes].concat();
    world.manager(&[("DEFAULT", &world.settings_with(&changes))]);
}

fn logout(world: &World) -> Run {
    world.woci(&["logout"]).run().ok()
}

fn refresh_token(world: &World) -> String {
    world.session().refresh_token().expect("there is a refresh token")
}

/// Nothing of the default profile's session is left, here and at the provider.
fn nothing_is_left(world: &World) {
    assert!(!world.session().folder.exists(), "{:?}", world.session().files());
    assert_eq!(world.sim.provider.live_refresh_token(), None);
    let config = fs::read_to_string(world.path(".oci/config")).unwrap_or_default();
    assert!(!config.contains("sessions/DEFAULT"), "{config}");
}

#[test]
fn a_session_is_revoked_and_removed() {
    let world = World::new();
    world.write(
        ".oci/config",
        "# mine\r\n[other]\r\nuser = u\r\n\r\n[DEFAULT]\r\n# a note\r\nregion = eu-zurich-1",
    );
    let before = world.read(".oci/config");
    configure(&world, &[("region", None)]);
    world.woci(&[]).run().ok();
    assert_ne!(world.read(".oci/config"), before);
    let (token, files) = (refresh_token(&world), world.session().files());
    let document = logout(&world).silent().json();
    assert_eq!(world.sim.provider.standing(&token), Standing::Revoked);
    assert_eq!(world.read(".oci/config"), before, "all else stays byte for byte");
    nothing_is_left(&world);
    assert_eq!((&document["revoked"], &document["not_revoked_because"]), (&json!(true), &Value::Null));
    let removed = document["removed"].as_array().expect("a list").len();
    assert_eq!(removed, files.iter().filter(|name| !name.ends_with(".lock")).count(), "{document} {files:?}");
    assert_eq!(document["config_file"].as_str(), world.path(".oci/config").to_str());

    let asked = world.sim.requests(Grant::Revoke);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].field("token_type_hint"), Some("refresh_token"));
    assert_eq!(asked[0].field("client_id"), None, "HTTP Basic says who asks");

    let again = logout(&world).silent().json();
    assert_eq!((&again["removed"], &again["revoked"]), (&json!([]), &Value::Null));
    let text = world.woci(&["logout", "--output", "text"]).run().ok();
    assert_eq!(text.stdout, "Profile DEFAULT has no session: nothing was there.\n");
    assert_eq!(world.sim.count(Grant::Revoke), 1);
}

#[test]
fn the_issuers_document_names_the_endpoint_and_a_public_client_its_id() {
    let world = World::signed_in();
    world.sim.provider.rules().client_secret = None;
    let issuer = world.sim.provider.issuer();
    let with_issuer = [
        ("issuer", Some(&*issuer)),
        ("authz_base_url", None),
        ("token_url", None),
        ("auth_client_secret", None),
    ];
    world.manager(&[("DEFAULT", &world.settings_with(&with_issuer))]);
    world.woci(&["session", "refresh"]).run().ok();
    assert_eq!(logout(&world).silent().json()["revoked"], true);
    nothing_is_left(&world);
    assert_eq!(world.sim.requests(Grant::Revoke)[0].field("client_id"), Some("woci-desktop"));
}

#[test]
fn without_an_endpoint_the_output_says_that_the_token_stays_valid() {
    let world = World::signed_in();
    let token = refresh_token(&world);
    let document = logout(&world).silent().json();
    assert_eq!(document["revoked"], false);
    let why = document["not_revoked_because"].as_str().expect("a reason");
    assert!(why.contains("no revocation endpoint is known"), "{why}");
    assert_eq!(world.sim.provider.standing(&token), Standing::Live);
    assert!(!world.session().folder.exists());
}

#[test]
fn a_provider_that_fails_is_a_warning_and_the_rest_is_done() {
    for fault in [
        Fault::status(403, "<title>Blocked</title>").always(),
        Fault::refusal("unsupported_token_type", "only access tokens").always(),
        Fault::redirect("http://127.0.0.1:1/elsewhere").always(),
        Fault::drop().always(),
    ] {
        let world = signed_in();
        world.sim.fault(Grant::Revoke, fault);
        let run = logout(&world).says("WARNING The refresh token stays valid at the provider: cannot ");
        assert_eq!(run.json()["revoked"], false);
        assert!(run.stderr.contains("/revoke") && !run.stderr.contains("session is kept"), "{run}");
        assert!(!world.session().folder.exists());
    }
    let mut world = signed_in();
    world.sim.close_provider();
    logout(&world).says("WARNING The refresh token stays valid at the provider: cannot reach ");
    assert!(!world.session().folder.exists());
}

#[test]
fn a_revocation_is_tried_again_while_the_provider_is_unavailable() {
    let world = signed_in();
    world.sim.fault(Grant::Revoke, Fault::status_with(503, &[("Retry-After", "0")], ""));
    assert_eq!(logout(&world).json()["revoked"], true);
    assert_eq!(world.sim.count(Grant::Revoke), 2);
}

#[test]
fn the_token_goes_to_no_other_provider_than_its_own() {
    let world = signed_in();
    let evil = World::new();
    let url = evil.sim.token_url();
    let revocation_url = evil.sim.revocation_url();
    configure(&world, &[("token_url", Some(&*url)), ("revocation_url", Some(&*revocation_url))]);
    let run = logout(&world).says("WARNING").says("token_url changed from");
    assert_eq!(run.json()["revoked"], false);
    assert_eq!((evil.sim.total(), world.sim.count(Grant::Revoke)), (0, 0));
    assert!(!world.session().folder.exists());

    // The issuer is the same, and its document names another token endpoint than the one that the token came from.
    let issuer = world.sim.provider.issuer();
    let with_issuer = [("issuer", Some(&*issuer)), ("authz_base_url", None), ("token_url", None)];
    world.manager(&[("DEFAULT", &world.settings_with(&with_issuer))]);
    world.session().seed(3600);
    world.woci(&["session", "refresh"]).run().ok();
    world.session().remove("discovery.json");
    world.sim.provider.rules().discovery.members = vec![("token_endpoint", url.into())];
    logout(&world).says("token_url changed from");
    assert_eq!((evil.sim.total(), world.sim.count(Grant::Revoke)), (0, 0));

    // Nothing says whose a damaged session's token is.
    world.sim.provider.rules().discovery.members.clear();
    world.session().seed(3600);
    world.session().write("session.json", "{");
    logout(&world).says("session.json is damaged");
    assert_eq!(world.sim.count(Grant::Revoke), 0);
}

#[test]
fn an_encrypted_token_is_opened_to_be_revoked_or_a_warning_says_that_it_was_not() {
    let world = signed_in();
    world.secret("correct horse");
    let with = ["--refresh-token-passphrase-env", "P"];
    world.woci(&["session", "refresh"]).args(&with).env("P", "correct horse").run().ok();
    let token = world.sim.provider.live_refresh_token().expect("it is live");
    let envelope = refresh_token(&world);
    world.woci(&["logout"]).args(&with).env("P", "correct horse").run().ok().silent();
    assert_eq!(world.sim.provider.standing(&token), Standing::Revoked);
    nothing_is_left(&world);

    for (words, reason) in [(&[][..], "no passphrase source is set"), (&with, "the passphrase is wrong")] {
        world.session().seed(3600);
        world.session().write("refresh_token", &envelope);
        let run = world.woci(&["logout"]).args(words).env("P", "wrong horse").run().ok();
        run.says("WARNING The refresh token stays valid").says(reason);
        assert!(!world.session().folder.exists());
    }
    assert_eq!(world.sim.count(Grant::Revoke), 1);
}

#[test]
fn a_keyring_is_emptied() {
    let world = signed_in();
    let ring = world.path("ring");
    world.write("get", format!("cat '{}' 2>/dev/null; true", ring.display()));
    world.write("put", format!("cat >'{}'", ring.display()));
    let [get, put] = ["get", "put"].map(|name| format!("sh '{}'", world.path(name).display()));
    let keyring = [("refresh_token_get_command", Some(&*get)), ("refresh_token_put_command", Some(&*put))];
    configure(&world, &keyring);
    world.woci(&["session", "refresh"]).run().ok();
    let token = fs::read_to_string(&ring).expect("the keyring has it");
    let document = logout(&world).silent().json();
    assert_eq!(world.sim.provider.standing(token.trim_end()), Standing::Revoked);
    assert!(fs::read_to_string(&ring).expect("a file").starts_with("woci-no-refresh-token"));
    assert!(document["removed"].to_string().contains("refresh_token_get_command"), "{document}");
    nothing_is_left(&world);
    assert_eq!(logout(&world).silent().json()["removed"], json!([]));

    // A keyring outlives its folder; its token is sent to nobody then.
    fs::write(&ring, "canary-orphan-token").expect("a file");
    world.secret("canary-orphan-token");
    logout(&world).says("of an unknown provider");
    assert!(!fs::read_to_string(&ring).expect("a file").contains("orphan"));

    // What the keyring does not give up stays with the record of whose it is.
    world.session().seed(3600);
    world.woci(&["session", "refresh"]).run().ok();
    configure(&world, &[keyring[0], ("refresh_token_put_command", Some("false"))]);
    world.woci(&["logout"]).run().fails(1).says("refresh_token_put_command");
    assert_eq!(world.session().files(), ["session.json", "session.lock"]);
    world.loses_refresh_token();
}

#[test]
fn a_renewal_under_way_is_waited_for_and_does_not_bring_the_session_back() {
    let world = signed_in();
    let gate = world.sim.hold_answers(Grant::Refresh);
    let renewing = world.woci(&["session", "refresh"]).start();
    gate.wait_for(1);
    let leaving = world.woci(&["logout"]).start();
    leaving.says("Waiting for process");
    // It waits behind the log-out, and has read the old session.
    let behind = world.woci(&["--sign-in", "never", "session", "refresh"]).start();
    behind.says("Waiting for process");
    assert_eq!(world.sim.count(Grant::Revoke), 0);
    gate.open();
    renewing.finish().ok();
    let left = leaving.finish().ok();
    let behind = behind.finish();
    assert_eq!(left.json()["revoked"], true);
    // Whichever of the two had the lock first, the log-out has the last word.
    assert!([0, 1].contains(&behind.code()), "{behind}");
    nothing_is_left(&world);
}

#[test]
fn a_console_session_that_is_being_renewed_is_not_handed_out_after_the_log_out() {
    let world = World::console();
    world.session().seed_console(600);
    let gate = world.sim.hold(Grant::ConsoleRefresh);
    let renewing = world.woci(&[]).start();
    gate.wait_for(1);
    let leaving = world.woci(&["logout"]).start();
    leaving.says("Waiting for process");
    gate.open();
    renewing.finish().ok();
    let document = leaving.finish().ok().json();
    assert_eq!((&document["revoked"], &document["not_revoked_because"]), (&Value::Null, &Value::Null));
    nothing_is_left(&world);
    world.woci(&["--sign-in", "never"]).run().fails(1);
    assert!(!world.session().folder.exists());
}

#[test]
fn a_run_behind_the_log_out_does_not_hand_out_what_it_read_before() {
    let world = World::console();
    world.session().seed_console(600);
    // The log-out holds the session's lock while it waits for that of the OCI config.
    world.write(
        ".oci/config",
        format!("[DEFAULT]\nkey_file={}\n", world.session().path("private_key.pem").display()),
    );
    let held = lock(&world.path(".oci/.woci-config.lock"));
    let leaving = world.woci(&["logout"]).start();
    leaving.says("Waiting for another process");
    world.session().seed_console(600);
    let behind = world.woci(&[]).start();
    behind.says("Waiting for process");
    world.session().remove("token");
    world.session().remove("private_key.pem");
    drop(held);
    leaving.finish().ok();
    let behind = behind.finish();
    assert_ne!(behind.code(), 0, "{behind}");
    nothing_is_left(&world);
}

fn lock(path: &Path) -> File {
    let file = File::options().create(true).append(true).open(path).expect("a new file");
    file.lock().expect("nobody holds it");
    file
}

#[test]
fn a_daemon_is_stopped_first() {
    let world = signed_in();
    world.woci(&["--daemon"]).run().ok();
    let document = logout(&world).silent().json();
    assert_eq!(document["daemon_stopped"], true);
    world.woci(&["--daemon-status"]).run().exits(1);
    nothing_is_left(&world);
}

#[test]
fn what_oci_has_made_and_what_killed_runs_have_left_goes_too() {
    let world = World::console();
    world.session().seed_of_oci("oci_api_key.pem", 3000);
    world.session().write("refresh_token", "canary-left-behind");
    world.session().write(".refresh_token.0123456789abcdef.woci-next", "canary-left-beside");
    world.session().write(".token.0123456789abcdef.woci-tmp", "canary-left-half");
    let document = logout(&world).says("its provider is not configured").json();
    assert_eq!(
        document["revoked"], false,
        "a console session has no refresh token: nothing says whose it is"
    );
    assert_eq!(world.read(".oci/config"), "[DEFAULT]\nregion=us-ashburn-1\n");
    assert!(!world.session().folder.exists(), "{:?}", world.session().files());
}

#[test]
fn what_is_not_of_the_session_stays() {
    let world = signed_in();
    let config =
        "[DEFAULT]\nkey_file=/elsewhere/key.pem\nsecurity_token_file=/elsewhere/token\nfingerprint=aa\n";
    world.write(".oci/config", config);
    world.write("notes", "mine");
    fs::rename(world.path("notes"), world.session().path("notes")).expect("the same file system");
    let document = logout(&world).json();
    assert_eq!(document["config_file"], Value::Null);
    assert_eq!(world.read(".oci/config"), config);
    assert_eq!(world.session().files(), ["notes", "session.lock"]);
    fs::remove_file(world.session().path("notes")).expect("it is there");
    logout(&world);
    nothing_is_left(&world);
}

#[test]
fn a_config_that_cannot_be_written_is_a_warning() {
    let world = signed_in();
    world.write("mounted", world.read(".oci/config"));
    let script = "mount --bind mounted .oci/config || exit 77; exec woci logout";
    let run = world.program(Path::new("/usr/bin/unshare"), &["--mount", "/bin/sh", "-c", script]).run();
    if run.code() == 77 || run.stderr.starts_with("unshare: ") {
        eprintln!("skipped: a mount needs root: {}", run.stderr.trim());
        return;
    }
    let document = run.ok().says("WARNING The OCI config still names the session: ").json();
    assert_eq!((&document["revoked"], &document["config_file"]), (&json!(true), &Value::Null));
    assert!(!world.session().folder.exists());
    logout(&world);
    nothing_is_left(&world);
}

#[test]
fn an_api_key_is_restored_in_its_section_alone() {
    let world = World::new();
    let section =
        "[keyed]\n# of ada\nuser = ocid1.user.oc1..ada\nkey_file=~/ada.pem\nfingerprint = aa:bb\n\n";
    let before = format!("[first]\nregion = eu-zurich-1\n\n{section}[last]\ntenancy=t");
    world.write(".oci/config", &before);
    configure(&world, &[]);
    let url = world.sim.revocation_url();
    world.manager(&[("keyed", &world.settings_with(&[("region", None), ("revocation_url", Some(&*url))]))]);
    world.woci(&["session", "authenticate", "--replace-api-key"]).run().ok();
    assert_ne!(world.read(".oci/config"), before);
    let document = world.woci(&["logout", "--restore"]).run().ok().silent().json();
    assert_eq!(document["restored_from"].as_str(), world.path(".oci/config.woci-backup").to_str());
    assert_eq!(world.read(".oci/config"), before, "byte for byte");

    // A second time there is an API key already; what changed elsewhere stays.
    let document = world.woci(&["logout", "--restore"]).run().ok().silent().json();
    assert_eq!(document["restored_from"], Value::Null);
    world.woci(&["session", "authenticate", "--replace-api-key"]).run().ok();
    let now = world.read(".oci/config").replace("eu-zurich-1", "uk-london-1");
    world.write(".oci/config", now);
    world.woci(&["logout", "--restore"]).run().ok();
    assert_eq!(world.read(".oci/config"), before.replace("eu-zurich-1", "uk-london-1"));

    // After a log-out without it, it can still be brought back.
    world.woci(&["session", "authenticate", "--replace-api-key"]).run().ok();
    world.woci(&["logout"]).run().ok();
    assert!(!world.read(".oci/config").contains("user = "));
    world.woci(&["logout", "--restore"]).run().ok();
    assert_eq!(world.read(".oci/config"), before.replace("eu-zurich-1", "uk-london-1"));
}

#[test]
fn without_a_copy_nothing_can_be_restored_and_the_session_goes_all_the_same() {
    let world = signed_in();
    let run = world.woci(&["logout", "--restore"]).run().fails(1);
    run.says("cannot restore an API key for profile DEFAULT");
    nothing_is_left(&world);
    world.woci(&["logout", "--all", "--restore"]).run().ok().silent();
    fs::remove_dir_all(world.path(".oci")).expect("it is there");
    world.woci(&["logout", "--restore"]).run().fails(1).says("cannot restore an API key");
    assert!(!world.path(".oci").exists(), "no trace of a run that stored nothing");
}

#[test]
fn all_goes_on_after_a_profile_that_fails_and_says_which() {
    let world = signed_in();
    let bad = [("redirect_port".to_owned(), "many".to_owned())];
    let settings = world.settings();
    world.manager(&[("DEFAULT", &settings), ("bad", &bad), ("never", &bad), ("other", &settings)]);
    for profile in ["bad", "other", "alone"] {
        world.session_of(profile).seed(3600);
    }
    let run =
        world.woci(&["logout", "--all"]).run().exits(1).says("WARNING Profile bad: ").says("redirect_port");
    let document = run.json();
    let profiles = document["profiles"].as_array().expect("a list");
    let names: Vec<_> = profiles.iter().map(|profile| profile["profile"].as_str().expect("text")).collect();
    assert_eq!(names, ["DEFAULT", "bad", "other", "alone"]);
    for (profile, name) in profiles.iter().zip(&names) {
        assert_eq!(profile["error"].is_string(), *name == "bad", "{profile}");
        assert_eq!(world.session_of(name).folder.exists(), *name == "bad", "{name}");
    }
    let text = world.woci(&["logout", "--all", "--output", "text"]).run().exits(1);
    assert!(text.stdout.starts_with("PROFILE  "), "{text}");
}

#[test]
fn a_run_that_was_killed_is_completed_by_the_next() {
    let world = signed_in();
    let before = world.session().snapshot();
    let gate = world.sim.hold(Grant::Revoke);
    let leaving = world.woci(&["logout"]).start();
    gate.wait_for(1);
    leaving.signal(libc::SIGKILL);
    leaving.finish().exits(137);
    gate.open();
    assert_eq!(world.session().snapshot(), before, "the token is revoked before anything is removed");

    let held = lock(&world.path(".oci/.woci-config.lock"));
    let config = world.read(".oci/config");
    let leaving = world.woci(&["logout"]).start();
    leaving.says("Waiting for process");
    leaving.signal(libc::SIGKILL);
    leaving.finish().exits(137);
    drop(held);
    assert_eq!(world.read(".oci/config"), config);
    assert_eq!(world.session().files(), ["session.json", "session.lock"], "secrets go before the OCI config");
    assert_eq!(world.woci(&["status"]).run().exits(1).json()["state"], "needs_person");
    logout(&world);
    nothing_is_left(&world);

    // Even the folder was gone.
    world.write(".oci/config", config);
    let document = logout(&world).silent().json();
    assert!(document["config_file"].is_string(), "{document}");
    nothing_is_left(&world);
}

#[test]
fn after_the_log_out_a_sign_in_works_as_the_first_one_did() {
    let world = signed_in();
    logout(&world);
    assert_eq!(world.woci(&["--sign-in", "never"]).run().fails(1).stdout, "");
    assert!(!world.session().folder.exists());
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
}
