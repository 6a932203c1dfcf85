//! Every document that woci prints or stores is valid by its schema, and a schema takes no key more and none less.

use crate::sim::jwt;
use crate::tables;
use crate::world::World;
use crate::world::run::Run;
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const CREDENTIAL: &str = "credential";
const DOCTOR: &str = "doctor";
const EXEC_CREDENTIAL: &str = "exec-credential";
const DAEMON_STATUS: &str = "daemon-status";
const STATUS: &str = "status";
const LOGOUT: &str = "logout";
const REFRESH_TOKEN: &str = "refresh-token";

#[test]
fn the_credential_of_each_source() {
    let world = World::new();
    assert_eq!(valid(CREDENTIAL, world.woci(&[]).run().ok().json())["source"], "authenticated");
    assert_eq!(valid(CREDENTIAL, world.woci(&["credential"]).run().ok().json())["source"], "cached");
    world.session().expire();
    assert_eq!(valid(CREDENTIAL, world.woci(&[]).run().ok().json())["source"], "refreshed");
    for (verb, source) in [("authenticate", "authenticated"), ("refresh", "refreshed")] {
        assert_eq!(valid(CREDENTIAL, world.woci(&["session", verb]).run().ok().json())["source"], source);
    }
}

#[test]
fn every_verb_that_prints_a_document_names_its_schema_and_each_schema_has_a_document() {
    let world = World::signed_in();
    let mut shown = BTreeSet::from([format!("{REFRESH_TOKEN}.schema.json")]); // below
    for verb in tables::verbs(&world) {
        let page = tables::page(&world, &verb);
        let schema = page.lines().find_map(|line| line.strip_prefix("  schemas/"));
        let usage = page.split("Usage:\n").nth(1).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let mut words: Vec<&str> = verb.split(' ').collect();
        if usage.contains(" --cluster-id OCID") {
            words.extend(["--cluster-id", "ocid1.cluster.oc1.iad.example"]);
        }
        if usage.contains(" PROGRAM") {
            words.push("true");
        }
        if usage.contains(" bash|zsh|fish") {
            words.push("bash");
        }
        let run = world.woci(&words).run().ok();
        match (schema, serde_json::from_str(&run.stdout)) {
            (Some(schema), Ok(document)) => {
                valid(schema.trim_end_matches(".schema.json"), document);
                shown.insert(schema.to_owned());
            }
            (None, Err(_)) => {}
            (schema, _) => {
                panic!("`woci help {verb}` names the schema {schema:?}, and the verb prints\n{run}")
            }
        }
    }
    // Verbs that the first screen does not list.
    let init = "config init --profile new --preset console --region us-ashburn-1 --no-sign-in";
    for (verb, command) in [
        ("config show", "config show"),
        ("config check", "config check"),
        ("config set", "config set region us-ashburn-1"),
        ("config init", init),
    ] {
        let page = tables::page(&world, verb);
        let schema =
            page.lines().find_map(|line| line.strip_prefix("  schemas/")).expect("it names its schema");
        let words: Vec<&str> = command.split(' ').collect();
        let document = world.woci(&words).run().ok().json();
        exactly(schema.trim_end_matches(".schema.json"), &document);
        shown.insert(schema.to_owned());
    }
    let files = fs::read_dir(root().join("schemas")).expect("the folder is there");
    let files = files.map(|file| file.expect("it can be listed").file_name());
    let files: BTreeSet<String> = files.filter_map(|name| name.into_string().ok()).collect();
    assert_eq!(shown, files);
}

#[test]
fn what_is_not_known_is_null() {
    let world = World::signed_in();
    world.manager(&[("DEFAULT", &world.settings_with(&[("region", None)]))]);
    let mut claims = jwt::claims(&world.session().token());
    for name in ["sub", "tenant"] {
        claims.as_object_mut().expect("claims are an object").remove(name);
    }
    world.session().put_token(claims);
    let credential = valid(CREDENTIAL, world.woci(&[]).run().ok().json());
    for name in ["user", "tenancy", "region"] {
        assert_eq!(credential[name], Value::Null, "{name}");
    }
}

#[test]
fn kubectls_credential() {
    let world = World::signed_in();
    let words = ["kube-credential", "--cluster-id", "ocid1.cluster.oc1.iad.example"];
    for version in ["v1", "v1beta1"] {
        let asked = json!({
            "apiVersion": format!("client.authentication.k8s.io/{version}"),
            "kind": "ExecCredential",
            "spec": { "interactive": false },
        });
        let run = world.woci(&words).env("KUBERNETES_EXEC_INFO", asked.to_string()).run().ok();
        let credential = valid(EXEC_CREDENTIAL, run.json());
        assert_eq!(credential["apiVersion"], asked["apiVersion"]);
        exactly(EXEC_CREDENTIAL, &credential);
        let status = credential["status"].as_object().expect("an object");
        for key in status.keys() {
            let mut less = credential.clone();
            less["status"].as_object_mut().expect("an object").remove(key);
            assert!(!validator(EXEC_CREDENTIAL).is_valid(&less), "a status without {key} is taken");
        }
    }
}

#[test]
fn the_refresh_token_that_woci_encrypts() {
    let world = World::new();
    let encrypted = ["--refresh-token-passphrase-env", "WOCI_PASSPHRASE"];
    world.woci(&encrypted).env("WOCI_PASSPHRASE", "correct horse").run().ok();
    let first = valid(REFRESH_TOKEN, stored(&world));
    world.session().expire();
    world.woci(&encrypted).env("WOCI_PASSPHRASE", "correct horse").run().ok();
    let second = valid(REFRESH_TOKEN, stored(&world));
    assert_eq!(first["enc"], "ChaCha20-Poly1305");
    assert_ne!(first["nonce"], second["nonce"]);
}

#[test]
fn the_daemons_documents() {
    let world = World::signed_in();
    let document = |words: &[&str], code| valid(DAEMON_STATUS, world.woci(words).run().exits(code).json());
    assert_eq!(document(&["--daemon-status"], 1)["running"], false);
    assert_eq!(document(&["--stop-daemon"], 1)["running"], false);

    let daemon = Daemon::start(&world);
    valid(DAEMON_STATUS, daemon.started.json());
    assert_eq!(document(&["--daemon"], 0)["pid"], daemon.started.json()["pid"], "the one that runs");
    assert_eq!(document(&["--daemon-status"], 0)["running"], true);
    assert_eq!(document(&["--stop-daemon"], 0)["running"], false);
    assert_eq!(document(&["--daemon-status"], 1)["pid"], Value::Null);
}

#[test]
fn nobody_signed_in_yet_is_a_document_too() {
    let world = World::new();
    let status = valid(DAEMON_STATUS, world.woci(&["--daemon-status"]).run().exits(1).json());
    assert_eq!(status["expiration"], Value::Null);
}

#[test]
fn a_status_and_a_log_out_of_one_profile_and_of_all() {
    let world = World::signed_in();
    world.manager(&[("DEFAULT", &world.settings()), ("bad", &[("redirect_port".into(), "x".into())])]);
    let document = |schema, words: &[&str], code| valid(schema, world.woci(words).run().exits(code).json());
    assert_eq!(document(STATUS, &["status"], 0)["state"], "usable");
    let daemon = Daemon::start(&world);
    assert_eq!(document(STATUS, &["status"], 0)["daemon"]["pid"], daemon.started.json()["pid"]);
    let all = document(STATUS, &["status", "--all"], 1);
    assert_eq!(all["profiles"][1]["state"], "error", "{all}");
    assert_eq!(document(LOGOUT, &["logout"], 0)["daemon_stopped"], true);
    assert_eq!(document(LOGOUT, &["logout"], 0)["removed"], json!([]));
    assert_eq!(document(LOGOUT, &["logout", "--all"], 0)["profiles"], json!([]));
    assert_eq!(document(STATUS, &["status"], 1)["state"], "none");
    world.session().seed(3600);
    assert_eq!(document(LOGOUT, &["logout", "--all"], 0)["profiles"][0]["revoked"], false);
}

#[test]
fn a_schema_takes_no_key_more_and_none_less() {
    const CONFIG: [&str; 4] = ["config", "config-check", "config-set", "config-init"];
    const OTHERS: [&str; 6] = [CREDENTIAL, DAEMON_STATUS, DOCTOR, EXEC_CREDENTIAL, STATUS, LOGOUT];
    for name in OTHERS.into_iter().chain(CONFIG) {
        for example in schema(name)["examples"].as_array().expect("a schema has examples") {
            exactly(name, example);
        }
    }
    for vector in ["scrypt-good", "legacy-good"] {
        let text =
            fs::read_to_string(root().join(format!("fixtures/envelope/{vector}.vector"))).expect("a vector");
        let (_, envelope) = text.split_once("\n\n").expect("a blank line ends the head");
        exactly(REFRESH_TOKEN, &serde_json::from_str(envelope).expect("an envelope is JSON"));
    }
}

#[test]
fn a_status_that_contradicts_itself_is_refused() {
    let running = &schema(DAEMON_STATUS)["examples"][0];
    let with = |changes: Value| {
        let mut status = running.clone();
        let changes = changes.as_object().expect("an object").clone();
        status.as_object_mut().expect("an object").extend(changes);
        status
    };
    assert!(validator(DAEMON_STATUS).is_valid(&with(json!({ "last_error": "no network" }))));
    for wrong in
        [json!({ "running": false }), json!({ "pid": null }), json!({ "log_file": "woci_refresh.log" })]
    {
        assert!(!validator(DAEMON_STATUS).is_valid(&with(wrong.clone())), "{wrong}");
    }
}

/// The document is valid; without any one of its keys, or with one more, it is not.
fn exactly(name: &str, document: &Value) {
    let validator = validator(name);
    let document = valid(name, document.clone());
    let document = document.as_object().expect("an object");
    let is_valid = |changed: Map<String, Value>| validator.is_valid(&Value::Object(changed));
    for key in document.keys() {
        let mut less = document.clone();
        less.remove(key);
        assert!(!is_valid(less), "{name}.schema.json takes a document without {key}");
    }
    let mut more = document.clone();
    more.insert("note".into(), "one more".into());
    assert!(!is_valid(more), "{name}.schema.json takes a key that it does not know");
}

pub fn valid(name: &str, document: Value) -> Value {
    let faults: Vec<_> = validator(name).iter_errors(&document).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{name}: {faults:#?}\n{document:#}");
    document
}

fn validator(name: &str) -> Validator {
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema(name))
        .unwrap_or_else(|why| panic!("{name}.schema.json is no schema: {why}"))
}

fn schema(name: &str) -> Value {
    let text =
        fs::read_to_string(root().join(format!("schemas/{name}.schema.json"))).expect("the schema is there");
    serde_json::from_str(&text).expect("a schema is JSON")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn stored(world: &World) -> Value {
    let text = world.session().read("refresh_token").expect("there is a refresh token");
    serde_json::from_str(&text).expect("an envelope is JSON")
}

/// A daemon that does not outlive its test, however that ends.
struct Daemon<'w> {
    world: &'w World,
    started: Run,
}

impl<'w> Daemon<'w> {
    fn start(world: &'w World) -> Daemon<'w> {
        Daemon { world, started: world.woci(&["--daemon"]).run().ok() }
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        self.world.woci(&["--stop-daemon"]).run();
    }
}
