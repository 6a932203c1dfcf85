//! Sessions made of a token that a job has: the recipes of `woci help workloads`, run with the variables that each
//! runner gives and against a strict stand-in of its service; the claims of a token; the session token of a resource;
//! and renewals by the daemon, beside oci and for kubectl.

use crate::daemon::{Daemon, eventually};
use crate::sim::domain::{self, Upst};
use crate::sim::faults::{Fault, Grant};
use crate::sim::jwt;
use crate::sim::runner::{AZURE_AUDIENCE, REQUEST_TOKEN};
use crate::tables::page;
use crate::world::World;
use crate::world::run::{Run, Woci};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

const CONNECTION: &str = "1a2b3c4d-0000-4000-8000-1a2b3c4d5e6f";
/// Where the recipe for Kubernetes has the token.
const MOUNT: &str = "/var/run/secrets/tokens";

/// Variables of a runner, by name.
type Variables = Vec<(&'static str, String)>;

// The recipes.

#[test]
fn the_recipe_for_github() {
    let world = World::new();
    set_up(&world, &settings(&world, "GitHub Actions and Forgejo"));
    assert!(recipe(&world, "GitHub Actions and Forgejo", "the job").contains("id-token: write"));
    let job = github(&world);
    assert_session(&woci(&world, &[], &job).run().ok(), "refreshed");
    assert_session(&woci(&world, &[], &job).run().ok().silent(), "cached");
    assert_session(&woci(&world, &["session", "refresh"], &job).run().ok(), "refreshed");
    let asked = world.sim.requests(Grant::IdToken);
    assert_eq!(asked.len(), 2, "fetched at each renewal");
    assert!(asked.iter().all(|request| request.field("audience") == Some("oci")), "{asked:?}");
    assert_no_person(&world);
}

#[test]
fn the_recipe_for_gitlab() {
    let world = World::new();
    set_up(&world, &settings(&world, "GitLab"));
    assert!(recipe(&world, "GitLab", "the job").contains("OCI_ID_TOKEN:\naud: oci\n"));
    assert_works(&world, &vec![("OCI_ID_TOKEN", world.sim.runner.token("oci"))]);
}

#[test]
fn the_recipe_for_bitbucket() {
    let world = World::new();
    set_up(&world, &settings(&world, "Bitbucket"));
    assert!(recipe(&world, "Bitbucket", "the pipeline").contains("oidc:\naudiences:\n- oci\n"));
    let token = world.sim.runner.token(json!(["oci", "https://other.example.com"]));
    assert_works(&world, &vec![("BITBUCKET_STEP_OIDC_TOKEN", token)]);
}

#[test]
fn the_recipe_for_azure_devops() {
    let world = World::new();
    let recipe_of = settings(&world, "Azure DevOps");
    set_up(&world, &recipe_of);
    let job = azure(&world);
    let in_yaml = recipe(&world, "Azure DevOps", "the job");
    assert!(in_yaml.contains("SYSTEM_ACCESSTOKEN: $(System.AccessToken)"), "{in_yaml}");
    assert_works(&world, &job);
    let asked = world.sim.requests(Grant::IdToken);
    assert_eq!(asked.len(), 2, "fetched at each renewal");
    assert_eq!(asked[0].field("serviceConnectionId"), None);

    set_up(&world, &format!("{recipe_of}subject_token_service_connection = {CONNECTION}\n"));
    let refresh = woci(&world, &["session", "refresh"], &job).run().fails(1);
    refresh.says("there is no such service connection").says("`woci help workloads`");
    world.sim.runner.rules().service_connections.push(CONNECTION.into());
    woci(&world, &["session", "refresh"], &job).run().ok();
}

#[test]
fn the_recipe_for_kubernetes() {
    let world = World::new();
    let folder = world.path("tokens").display().to_string();
    let (settings, in_yaml) = (settings(&world, "Kubernetes"), recipe(&world, "Kubernetes", "the pod"));
    assert!(settings.contains(&format!("{MOUNT}/oci")) && in_yaml.contains(&format!("mountPath: {MOUNT}\n")));
    assert!(in_yaml.contains("audience: oci\npath: oci\n"), "{in_yaml}");
    set_up(&world, &settings.replace(MOUNT, &folder));
    // As the kubelet lays a projected volume out, and replaces it.
    project(&world, "..2026_1", &world.sim.runner.token("oci"));
    symlink("..data/oci", world.path("tokens/oci")).expect("a new link");
    assert_works(&world, &vec![]);
    project(&world, "..2026_2", &(world.sim.runner.token("other") + "\n"));
    let refresh = woci(&world, &["session", "refresh"], &vec![]).run().fails(1);
    refresh.says(&format!("{folder}/oci")).says("its `aud` is other, and subject_token_audience is oci");
    project(&world, "..2026_3", &(world.sim.runner.token("oci") + "\n"));
    woci(&world, &["session", "refresh"], &vec![]).run().ok();
}

#[test]
fn the_recipe_for_a_resource() {
    let world = World::new();
    let text = page(&world, "workloads");
    let (_, resource) = text.split_once("As a resource in place of a user:\n").expect("it is there");
    let (_, lines) = resource.split_once("in addition:\n").expect("it is there");
    let settings = settings(&world, "GitHub Actions and Forgejo") + &trimmed(lines);
    set_up(&world, &settings);
    let job = github(&world);
    let run = woci(&world, &[], &job).run().ok();
    let credential = run.json();
    assert_eq!((&credential["user"], &credential["tenancy"]), (&Value::Null, &domain::TENANCY.into()));
    assert_eq!(jwt::claims(&world.session_of("ci").token())["ptype"], "resource");
    // It outlives the token that it was made of.
    assert!(credential["expires_in"].as_i64().is_some_and(|left| left > 1100), "{credential}");
    let section = world.read(".oci/config");
    for line in ["key_file", "security_token_file", "fingerprint", domain::TENANCY] {
        assert!(section.contains(line), "{section}");
    }
    assert_eq!(woci(&world, &[], &job).run().ok().silent().json()["source"], "cached");
    // A branch of its own is another subject, and no other user.
    world.session_of("ci").expire();
    assert_eq!(woci(&world, &[], &job).run().ok().json()["source"], "refreshed");

    set_up(&world, &format!("{settings}rpst_exp = 60\n"));
    woci(&world, &["session", "refresh"], &job).run().ok();
    let exchanged = world.sim.requests(Grant::Exchange);
    let sent =
        |nth: usize| ["requested_token_type", "res_type", "rpst_exp"].map(|name| exchanged[nth].field(name));
    let (kind, res_type) = (Some("urn:oci:token-type:oci-rpst"), Some("githubactions"));
    assert_eq!(sent(0), [kind, res_type, None], "left out unless it is set");
    assert_eq!(sent(2), [kind, res_type, Some("60")]);
    assert_no_person(&world);
}

#[test]
fn every_recipe_needs_the_same_settings_beside_its_own() {
    let world = World::new();
    let text = page(&world, "workloads");
    let (_, common) = text.split_once("whatever the job runs on:\n\n").expect("it is there");
    let (common, _) = common.split_once("\n\n").expect("it ends");
    let keys = |text: &str| {
        let mut keys: Vec<_> =
            text.lines().filter_map(|line| Some(line.split_once('=')?.0.trim().to_owned())).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(common), keys(&exchange_settings(&world)));
}

// What a session is made of.

#[test]
fn each_renewal_reads_the_token_again() {
    let world = World::new();
    let file = world.path("id_token").display().to_string();
    set_up(&world, &format!("subject_token_file = {file}\n"));
    let woci = |words: &[&str]| woci(&world, words, &vec![]);
    woci(&[]).run().fails(1).says("holds no token").says(&file);
    world.write("id_token", " \n");
    woci(&[]).run().fails(1).says("holds no token");
    world.write("id_token", world.sim.provider.workload_token(300) + "\n");
    assert_eq!(woci(&[]).run().ok().json()["source"], "refreshed");
    assert_eq!(woci(&[]).run().ok().silent().json()["source"], "cached");
    assert_eq!(woci(&["session", "authenticate"]).run().ok().json()["source"], "refreshed");
    assert_eq!(world.session_of("ci").record()["session_from"], "workload");

    let now = jwt::now();
    for (claims, says) in [
        (json!({"exp": now - 60}), "its `exp` is"),
        (json!({"exp": now as f64 - 0.5}), "its `exp` is"),
        (json!({"exp": "soon"}), "its `exp` is not a moment"),
        (json!({"exp": now + 300, "nbf": now + 180}), "its `nbf` is"),
    ] {
        world.write("id_token", world.sim.runner.sign(claims));
        woci(&["session", "refresh"]).run().fails(1).says(says).says("`woci help workloads`");
    }
    for text in ["S3cret-canary-opaque", "S3cret-canary.S3cret-canary.S3cret-canary"] {
        world.secret(text);
        world.write("id_token", text);
        woci(&["session", "refresh"]).run().fails(1).says("opaque");
    }
    assert_eq!(world.sim.count(Grant::Exchange), 2);
    assert_no_person(&world);
}

#[test]
fn a_file_that_holds_no_whole_token_is_refused_at_once() {
    let world = World::new();
    let token = world.sim.runner.token("oci");
    let part = &token[..token.len() / 4];
    let two = format!("{token}\n{token}");
    for (text, says) in [
        (part.as_bytes(), "opaque or damaged"),
        (two.as_bytes(), "opaque or damaged"),
        (b"\xff\xfe", "holds no token"),
        (b"{\"value\": \"x\"}", "opaque or damaged"),
    ] {
        world.write("id_token", text);
        set_up(&world, &format!("subject_token_file = {}\n", world.path("id_token").display()));
        woci(&world, &[], &vec![]).run().fails(1).says(says);
    }
    // Whoever writes a pipe may never do so, and a device has no end.
    let pipe = world.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()));
    for path in [pipe.as_path(), Path::new("/dev/zero"), world.home()] {
        set_up(&world, &format!("subject_token_file = {}\n", path.display()));
        woci(&world, &[], &vec![]).run().fails(1).says(&path.display().to_string());
    }
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn a_clock_that_is_a_little_behind_is_no_fault() {
    let world = World::new();
    set_up(&world, "subject_token_env = TOKEN\n");
    let now = jwt::now();
    let claims = json!({"aud": "oci", "nbf": now as f64 + 30.5, "exp": now as f64 + 300.5});
    woci(&world, &[], &vec![("TOKEN", world.sim.runner.sign(claims))]).run().ok();
}

#[test]
fn two_sources_are_refused_by_name() {
    let world = World::new();
    set_up(&world, "subject_token_file = /t\nsubject_token_from = azure\n");
    let run = woci(&world, &[], &vec![]).run().fails(2);
    run.says("both subject_token_file and subject_token_from");
    set_up(&world, "subject_token_audience = oci\ntoken_url = https://idp.example.com/token\n");
    let run = woci(&world, &[], &vec![]).run().fails(2);
    run.says("both token_url and subject_token_audience").says("session_from");
    set_up(&world, "subject_token_from = github\nrequested_token = rpst\n");
    woci(&world, &[], &github(&world)).run().fails(2).says("Missing required options: --res-type (res_type)");
    set_up(&world, "subject_token_from = gitlab\n");
    woci(&world, &[], &vec![]).run().fails(2).says("github, azure");
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn a_person_may_say_that_the_workload_is_another_one_now() {
    const EVE: &str = "ocid1.user.oc1..eve";
    let world = World::new();
    set_up(&world, "subject_token_from = github\n");
    world.sim.domain.rules().audiences.push("https://github.com/acme".into());
    let job = github(&world);
    woci(&world, &[], &job).run().ok();
    world.sim.domain.rules().upst = Upst::Of(EVE, domain::TENANCY);
    let run = woci(&world, &["session", "refresh"], &job).run().fails(1);
    run.says(domain::USER).says(EVE).says("woci session authenticate");
    assert_eq!(woci(&world, &["session", "authenticate"], &job).run().ok().json()["user"], EVE);

    // From a user to a resource and back: nobody is asked, and the stored session does not serve.
    world.sim.domain.rules().upst = Upst::Good;
    set_up(&world, "subject_token_from = github\nrequested_token = rpst\nres_type = githubactions\n");
    assert_eq!(woci(&world, &[], &job).run().ok().json()["user"], Value::Null);
    assert_eq!(world.session_of("ci").record()["requested_token"], "rpst of githubactions");
    set_up(&world, "subject_token_from = github\n");
    assert_eq!(woci(&world, &[], &job).run().ok().json()["user"], domain::USER);
}

#[test]
fn a_source_in_the_section_counts_before_one_in_common_and_an_option_before_both() {
    let world = World::new();
    world.write("id_token", world.sim.runner.token("oci"));
    let file = world.path("id_token").display().to_string();
    let section = format!("[ci]\n{}", exchange_settings(&world));
    let manager = |common: &str, own: &str| {
        world.write(".oci/woci_manager.ini", format!("[COMMON]\n{common}\n{section}{own}\n"));
    };
    for other in ["subject_token_from = github", "subject_token_env = NONE", "subject_token_command = false"]
    {
        manager(other, &format!("subject_token_file = {file}"));
        woci(&world, &["session", "refresh"], &vec![]).run().ok();
        manager("", other);
        woci(&world, &["session", "refresh", "--subject-token-file", &file], &vec![]).run().ok();
        manager(&format!("{other}\nsubject_token_file = {file}"), "");
        woci(&world, &[], &vec![]).run().fails(2).says("both subject_token_file and ");
    }
}

/// Whoever has the runner's token can ask for a token of the job.
#[test]
fn the_request_token_reaches_neither_the_daemon_s_environment_nor_a_helper_program() {
    let world = World::new();
    let of_azure = azure(&world);
    for (from, job) in [("github", github(&world)), ("azure", of_azure)] {
        world.write("get", "env >>\"$HOME/seen\"; cat \"$HOME/secret\"\n");
        world.write("secret", &world.sim.domain.rules().client_secret);
        let exchange = exchange_settings(&world).replace("client_secret_env", "# client_secret_env");
        world.write(
            ".oci/woci_manager.ini",
            format!(
                "[ci]\n{exchange}client_secret_command = sh {}\nsubject_token_from = {from}\n",
                world.path("get").display()
            ),
        );
        world.sim.domain.rules().audiences.push("https://github.com/acme".into());
        woci(&world, &["session", "refresh"], &job).run().ok();
        let session = world.session_of("ci");
        session.age(602);
        let old = session.token();
        let daemon = Daemon::of_profile(&world, "ci");
        woci(&world, &["--daemon"], &job).run().ok();
        eventually("a renewal", || session.token() != old);
        let pid = daemon.pid().expect("it runs");
        for file in ["environ", "cmdline"] {
            let text = fs::read(format!("/proc/{pid}/{file}")).expect("root reads it");
            let text = String::from_utf8_lossy(&text);
            assert!(!text.contains(REQUEST_TOKEN), "{from}: {file}: {text}");
            assert!(file == "cmdline" || text.contains("HOME="), "{from}: {file}: {text}");
        }
        woci(&world, &["--stop-daemon"], &vec![]).run().ok();
        let seen = world.read("seen");
        assert!(seen.contains("HOME=") && !seen.contains(REQUEST_TOKEN), "{seen}");
    }
    // A program that asks the runner itself needs it.
    world.write("get", "env >>\"$HOME/asked\"; cat \"$HOME/id_token\"\n");
    world.write("id_token", world.sim.runner.token("oci"));
    let command = format!("subject_token_command = sh {}\n", world.path("get").display());
    let section = format!("[ci]\n{}{command}", exchange_settings(&world));
    world.write(".oci/woci_manager.ini", format!("[COMMON]\nsubject_token_from = github\n{section}"));
    woci(&world, &["session", "refresh"], &github(&world)).run().ok();
    assert!(world.read("asked").contains(REQUEST_TOKEN));
}

// The runner's service.

#[test]
fn a_job_without_the_permission_is_told_so() {
    let world = World::new();
    set_up(&world, "subject_token_from = github\n");
    let job = github(&world);
    for one in &job {
        let rest = job.iter().filter(|(name, _)| *name != one.0).cloned().collect();
        let run = woci(&world, &[], &rest).run().fails(1);
        run.says(one.0).says("permissions: id-token: write");
    }
    set_up(&world, "subject_token_from = azure\n");
    woci(&world, &[], &vec![]).run().fails(1).says("SYSTEM_OIDCREQUESTURI is not set");
    let url = ("SYSTEM_OIDCREQUESTURI", world.sim.runner.azure_url());
    woci(&world, &[], &vec![url]).run().fails(1).says("SYSTEM_ACCESSTOKEN: $(System.AccessToken)");
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn the_urls_of_the_environment_are_checked() {
    let world = World::new();
    for (from, url, token) in [
        ("github", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
        ("azure", "SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN"),
    ] {
        set_up(&world, &format!("subject_token_from = {from}\n"));
        for bad in ["http://runner.example.com/t", "ftp://127.0.0.1/", "https://u:p@runner.example.com/", "x"]
        {
            let job = vec![(url, bad.to_owned()), (token, REQUEST_TOKEN.to_owned())];
            woci(&world, &[], &job).run().fails(2).says(&format!("the variable {url}"));
        }
    }
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn what_the_runners_service_answers_is_checked_and_costs_nothing() {
    let mut world = World::new();
    set_up(&world, "subject_token_from = github\nsubject_token_audience = oci\n");
    let job = github(&world);
    woci(&world, &[], &job).run().ok();
    let before = world.session_of("ci").snapshot();
    let refresh = |world: &World| woci(world, &["session", "refresh"], &job).run().fails(1);
    for (document, says) in [
        (json!({}), "it has no value"),
        (json!({"value": null}), "it has no value"),
        (json!({"value": ""}), "it has no value"),
        (json!({"value": "a\u{7}b"}), "it has no value"),
        (json!({"value": "S3cret-canary-opaque"}), "opaque"),
        (json!({"value": "e30.eyJhdWQiOiJvdGhlciJ9.c2ln"}), "its `aud` is other"),
        (json!({"error": "no\n\u{202e}permission"}), "no  permission"),
    ] {
        world.sim.runner.rules().document = Some(document);
        refresh(&world).says(says);
    }
    world.secret("S3cret-canary-opaque");
    world.sim.runner.rules().document = None;
    let quoted = format!("{{\"message\":\"what is {REQUEST_TOKEN}?\"}}");
    for (fault, says) in [
        (Fault::status(403, "{}"), "HTTP 403"),
        (Fault::status(401, &quoted), "what is [removed]?"),
        (Fault::status(200, "<title>Sign in</title>"), "not a JSON object"),
        (Fault::status(200, "x".repeat(2 << 20)), "larger than 1 MiB"),
        (Fault::redirect("https://elsewhere.example.com/"), "a redirect to https://elsewhere.example.com/"),
        (Fault::drop(), "the connection was closed"),
    ] {
        world.sim.fault(Grant::IdToken, fault);
        refresh(&world).says(says).says("runner's token service");
    }
    // A service that is not ready is asked again.
    world.sim.fault(Grant::IdToken, Fault::status_with(503, &[("Retry-After", "0")], "{}"));
    woci(&world, &["session", "refresh"], &job).run().ok();
    assert_ne!(world.session_of("ci").snapshot(), before);
    world.sim.close_runner();
    refresh(&world).says("cannot reach the runner's token service");
    assert_eq!(woci(&world, &[], &job).run().ok().json()["source"], "cached");
}

#[test]
fn another_request_token_is_refused_and_not_shown() {
    let world = World::new();
    for (from, url, token) in [
        (
            "github",
            ("ACTIONS_ID_TOKEN_REQUEST_URL", world.sim.runner.github_url()),
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        ),
        ("azure", ("SYSTEM_OIDCREQUESTURI", world.sim.runner.azure_url()), "SYSTEM_ACCESSTOKEN"),
    ] {
        set_up(&world, &format!("subject_token_from = {from}\n"));
        world.secret("S3cret-canary-of-another-job");
        let job = vec![url, (token, "S3cret-canary-of-another-job".into())];
        let run = woci(&world, &["--log-level", "DEBUG"], &job).run().fails(1);
        run.says("the request token is not that of a job (HTTP 401)");
    }
}

// Renewals.

#[test]
fn the_daemon_asks_for_a_new_token() {
    let world = World::new();
    set_up(&world, "subject_token_from = github\nsubject_token_audience = oci\n");
    let job = github(&world);
    let daemon = Daemon::of_profile(&world, "ci");
    woci(&world, &[], &job).run().ok();
    let session = world.session_of("ci");
    session.age(602);
    let old = session.token();
    woci(&world, &["--daemon"], &job).run().ok();
    eventually("a renewal", || session.token() != old);
    eventually("the status of it", || {
        woci(&world, &["--daemon-status"], &vec![]).run().ok().json()["last_refresh"].is_string()
    });
    assert!(daemon.pid().is_some());
    woci(&world, &["--stop-daemon"], &vec![]).run().ok();
    assert_eq!((world.sim.count(Grant::IdToken), world.sim.count(Grant::Exchange)), (2, 2));
    assert_no_person(&world);
}

#[test]
fn the_daemon_has_the_variable_of_the_job() {
    let world = World::new();
    set_up(&world, "subject_token_env = OCI_ID_TOKEN\n");
    let job = vec![("OCI_ID_TOKEN", world.sim.runner.token("oci"))];
    woci(&world, &[], &job).run().ok();
    let session = world.session_of("ci");
    session.age(602);
    let old = session.token();
    let daemon = Daemon::of_profile(&world, "ci");
    woci(&world, &["--daemon"], &job).run().ok();
    eventually("a renewal", || session.token() != old);
    assert!(daemon.pid().is_some());
    woci(&world, &["--stop-daemon"], &vec![]).run().ok();
}

#[test]
fn a_daemon_outlives_a_token_that_has_expired() {
    let world = World::new();
    set_up(&world, &format!("subject_token_file = {}\n", world.path("id_token").display()));
    world.write("id_token", world.sim.runner.token("oci"));
    woci(&world, &[], &vec![]).run().ok();
    world.session_of("ci").age(500);
    world.write("id_token", world.sim.runner.sign(json!({"exp": jwt::now() - 1})));
    let daemon = Daemon::of_profile(&world, "ci");
    let status = woci(&world, &["--daemon"], &vec![]).run().ok().json();
    assert!(status["last_error"].as_str().is_some_and(|error| error.contains("its `exp` is")), "{status}");
    assert_eq!(status["pid"].as_u64(), daemon.pid());
    woci(&world, &["--stop-daemon"], &vec![]).run().ok();
}

#[test]
fn the_session_is_renewed_beside_oci() {
    let world = World::new();
    set_up_for_oci(&world);
    let woci = |words: &[&str]| world.woci(&[&["--profile", "ci"], words].concat());
    world.write("id_token", world.sim.runner.token("oci"));
    woci(&[]).run().ok();
    let session = world.session_of("ci");
    session.age(602);
    let (old, key) = (session.token(), session.key());
    world.write("id_token", world.sim.runner.token("oci"));
    let gate = world.sim.hold_answers(Grant::Exchange);
    let oci = woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "1").start();
    oci.prints("ready");
    gate.wait_for(1);
    oci.signal(libc::SIGTERM);
    oci.prints("signal 15");
    gate.open();
    oci.finish().ok();
    assert_ne!(session.token(), old);
    assert_eq!(session.key(), key);
}

#[test]
fn whoever_renews_beside_oci_does_not_bring_back_a_session_that_was_logged_out() {
    let world = World::new();
    set_up_for_oci(&world);
    world.write("id_token", world.sim.runner.token("oci"));
    let woci = |words: &[&str]| world.woci(&[&["--profile", "ci"], words].concat());
    woci(&[]).run().ok();
    let session = world.session_of("ci");
    session.age(602);
    // While the session is locked, nobody renews it.
    let lock = fs::File::open(session.path("session.lock")).expect("a run has made it");
    lock.lock().expect("nobody holds it");
    let oci = woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "1").start();
    oci.prints("ready");
    ["token", "private_key.pem", "session.json"].iter().for_each(|name| session.remove(name));
    drop(lock);
    oci.says("somebody has logged out");
    oci.signal(libc::SIGTERM);
    oci.finish().ok();
    assert!(!session.folder.exists(), "{:?}", session.files());
    assert_eq!(world.sim.count(Grant::Exchange), 1);
}

#[test]
fn kubectl_gets_a_token_of_the_job_and_its_config_no_value_of_a_variable() {
    const CLUSTER: &str = "ocid1.cluster.oc1.iad.aaaaaaaatheclusterofthetests";
    let world = World::new();
    set_up(&world, "subject_token_from = github\n");
    let job = github(&world);
    let options =
        ["--subject-token-audience", "oci", "--subject-token-from", "github", "--requested-token", "rpst"];
    let options = [&options[..], &["--res-type", "githubactions", "--rpst-exp", "30"]].concat();
    let words = [&["kubeconfig", "--cluster-id", CLUSTER][..], &options].concat();
    let entry = woci(&world, &words, &job).run().ok().silent().stdout;
    let args: Vec<String> = entry
        .lines()
        .filter_map(|line| line.strip_prefix("      - "))
        .map(|arg| serde_json::from_str(arg).expect("a JSON string"))
        .collect();
    for option in options {
        assert!(args.iter().any(|arg| arg == option), "{option}: {entry}");
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let kubectl = || of_job(world.woci(&args).env(SECRET, &world.sim.domain.rules().client_secret), &job);
    let document = kubectl().run().ok().json();
    assert!(document["status"]["token"].is_string(), "{document}");
    kubectl().run().ok().silent();
    world.session_of("ci").expire();
    kubectl().run().ok();
    assert_eq!(world.sim.count(Grant::IdToken), 2);
    // Without the job there is no token, and nobody to ask.
    world.session_of("ci").expire();
    let without = world.woci(&args).env(SECRET, &world.sim.domain.rules().client_secret);
    without.run().fails(1).says("ACTIONS_ID_TOKEN_REQUEST_URL is not set");
    assert_no_person(&world);
}

// Parts.

/// The variables of a job of GitHub Actions.
fn github(world: &World) -> Variables {
    vec![
        ("ACTIONS_ID_TOKEN_REQUEST_URL", world.sim.runner.github_url()),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN.into()),
    ]
}

/// The variables of a step of Azure Pipelines.
fn azure(world: &World) -> Variables {
    assert!(page(world, "workloads").contains(AZURE_AUDIENCE));
    vec![
        ("SYSTEM_OIDCREQUESTURI", world.sim.runner.azure_url()),
        ("SYSTEM_ACCESSTOKEN", REQUEST_TOKEN.into()),
    ]
}

/// woci for the profile `ci`, as a job with these variables runs it.
fn woci<'w>(world: &'w World, words: &[&str], variables: &Variables) -> Woci<'w> {
    let woci = world.woci(&[&["--profile", "ci"], words].concat());
    of_job(woci.env(SECRET, &world.sim.domain.rules().client_secret), variables)
}

fn of_job<'w>(woci: Woci<'w>, variables: &Variables) -> Woci<'w> {
    variables.iter().fold(woci, |woci, (name, value)| woci.env(name, value))
}

/// Writes the profile `ci` with what every workload needs and these lines.
fn set_up(world: &World, lines: &str) {
    world.write(".oci/woci_manager.ini", format!("[ci]\n{}{lines}", exchange_settings(world)));
}

/// The same with a file for the secret, not a variable, which oci gets too, and shows.
fn set_up_for_oci(world: &World) {
    let secret = "client_secret_file = ~/secret";
    let exchange = exchange_settings(world).replace(&format!("client_secret_env = {SECRET}"), secret);
    world.write("secret", &world.sim.domain.rules().client_secret);
    let file = world.path("id_token").display().to_string();
    world.write(".oci/woci_manager.ini", format!("[ci]\n{exchange}subject_token_file = {file}\n"));
}

fn exchange_settings(world: &World) -> String {
    let keys = ["token_exchange_url", "client_id", "region"];
    let settings = world.sim.manager_section().into_iter().filter(|(key, _)| keys.contains(&&**key));
    let lines: String = settings.map(|(key, value)| format!("{key} = {value}\n")).collect();
    format!("{lines}client_secret_env = {SECRET}\n")
}

/// The variable in which every recipe has the client secret.
const SECRET: &str = "OCI_CLIENT_SECRET";

/// The lines for woci_manager.ini in the recipe for a place.
fn settings(world: &World, place: &str) -> String {
    recipe(world, place, "woci_manager.ini")
}

/// The lines of a recipe for a file, without their indentation.
fn recipe(world: &World, place: &str, file: &str) -> String {
    let text = page(world, "workloads");
    let (_, recipe) = text.split_once(&format!("\n{place}:\n")).unwrap_or_else(|| panic!("{place}: {text}"));
    let (_, lines) =
        recipe.split_once(&format!("  In {file}:\n")).unwrap_or_else(|| panic!("{file}: {recipe}"));
    trimmed(lines)
}

/// The lines up to the first that is not indented as a block is.
fn trimmed(lines: &str) -> String {
    let block = lines.lines().take_while(|line| line.starts_with("    "));
    block.map(|line| format!("{}\n", line.trim())).collect()
}

/// A first session, the same one again, and a renewal.
fn assert_works(world: &World, job: &Variables) {
    assert_session(&woci(world, &[], job).run().ok(), "refreshed");
    assert_session(&woci(world, &[], job).run().ok().silent(), "cached");
    assert_session(&woci(world, &["session", "refresh"], job).run().ok(), "refreshed");
    assert_no_person(world);
}

fn assert_session(run: &Run, source: &str) {
    let credential = run.json();
    assert_eq!(credential["source"], source, "{run}");
    assert_eq!(
        (&credential["user"], &credential["tenancy"]),
        (&domain::USER.into(), &domain::TENANCY.into())
    );
}

fn assert_no_person(world: &World) {
    for grant in [Grant::Authorize, Grant::Code, Grant::Refresh, Grant::ConsoleSignIn, Grant::ConsoleRefresh]
    {
        assert_eq!(world.sim.count(grant), 0, "{grant:?}");
    }
    assert_eq!(world.session_of("ci").refresh_token(), None);
}

/// Puts a token into a folder of its own, and makes the link that all readers follow point to that folder.
fn project(world: &World, folder: &str, token: &str) {
    fs::create_dir_all(world.path("tokens").join(folder)).expect("a new folder");
    world.write(&format!("tokens/{folder}/oci"), token);
    let (new, link) = (world.path("tokens/..data_tmp"), world.path("tokens/..data"));
    symlink(folder, &new).expect("a new link");
    fs::rename(new, link).expect("it replaces the link");
}
