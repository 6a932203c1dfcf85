//! Sign-ins and refreshes with `issuer` in place of endpoints: the provider's document, its copy on disk, and the
//! documents and answers that are refused.

use crate::sim::faults::{Fault, Grant, Recorded};
use crate::sim::jwt;
use crate::sim::provider::DiscoveryAt;
use crate::world::World;
use serde_json::{Value, json};

/// The settings of `[DEFAULT]` with the issuer in place of both endpoints, and with these changes.
fn manage(world: &World, changes: &[(&str, Option<&str>)]) {
    let issuer = world.sim.provider.issuer();
    let with_issuer = [("authz_base_url", None), ("token_url", None), ("issuer", Some(&*issuer))];
    world.manager(&[("DEFAULT", &world.settings_with(&[&with_issuer[..], changes].concat()))]);
}

/// A World whose `[DEFAULT]` has the issuer in place of both endpoints.
fn with_issuer() -> World {
    let world = World::new();
    manage(&world, &[]);
    world
}

fn documents(world: &World) -> Vec<Recorded> {
    world.sim.requests(Grant::Discovery)
}

fn copy(world: &World) -> Value {
    let text = world.session().read("discovery.json").expect("there is a copy");
    serde_json::from_str(&text).expect("the copy is JSON")
}

/// Makes the copy older than a day, with other changes.
fn age(world: &World, change: impl FnOnce(&mut Value)) {
    let mut copy = copy(world);
    copy["read_at"] = (jwt::now() - 25 * 3600).into();
    change(&mut copy);
    world.session().write("discovery.json", copy.to_string());
}

/// A World with a session that was made with the issuer. Its UPST has expired, and the copy of the document is old.
fn signed_in_yesterday() -> World {
    let world = with_issuer();
    world.woci(&[]).run().ok();
    world.session().expire();
    age(&world, |_| {});
    world
}

#[test]
fn the_issuer_and_the_client_ids_are_enough() {
    let world = with_issuer();
    world.sim.provider.rules().iss = Some(world.sim.provider.issuer());
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
    let record = world.session().record();
    assert_eq!(record["issuer"], world.sim.provider.issuer());
    assert_eq!(record["token_url"], world.sim.token_url());
    let expected = json!({
        "version": 1,
        "issuer": world.sim.provider.issuer(),
        "issuer_expected": world.sim.provider.issuer(),
        "read_at": copy(&world)["read_at"],
        "authorization_endpoint": world.sim.authorize_url(),
        "token_endpoint": world.sim.token_url(),
        "revocation_endpoint": world.sim.revocation_url(),
        "authorization_response_iss_parameter_supported": true,
    });
    assert_eq!(copy(&world), expected);
    let (request,) = (&documents(&world)[0].request,);
    assert_eq!((request.path.as_str(), documents(&world).len()), ("/.well-known/openid-configuration", 1));

    // A valid session is used with no request.
    let requests = world.sim.total();
    world.woci(&[]).run().ok().silent();
    assert_eq!(world.sim.total(), requests);
    // A refresh on the same day sends what it would send without an issuer.
    for _ in 0..2 {
        assert_eq!(world.woci(&["session", "refresh"]).run().ok().json()["source"], "refreshed");
    }
    assert_eq!(world.sim.total(), requests + 4);
    assert_eq!(documents(&world).len(), 1);
}

#[test]
fn the_options_do_the_same_as_the_keys() {
    let world = World::new();
    let changes = [("authz_base_url", None), ("token_url", None)];
    world.manager(&[("DEFAULT", &world.settings_with(&changes))]);
    world.woci(&["--issuer", &world.sim.provider.issuer()]).run().ok();
    world.sim.provider.rules().discovery.members = vec![("issuer", json!("https://other.example.com/"))];
    let words = ["session", "authenticate", "--issuer", &world.sim.provider.issuer()];
    world.woci(&words).args(&["--issuer-expected", "https://other.example.com/"]).run().ok();
}

#[test]
fn the_document_is_found_where_the_rfcs_say() {
    for (at, path, places) in [
        (DiscoveryAt::OpenId, "/tenant/v2", &["/tenant/v2/.well-known/openid-configuration"][..]),
        (
            DiscoveryAt::OAuth,
            "/tenant/v2",
            &[
                "/tenant/v2/.well-known/openid-configuration",
                "/.well-known/oauth-authorization-server/tenant/v2",
            ],
        ),
        (
            DiscoveryAt::OAuth,
            "",
            &["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"],
        ),
    ] {
        let world = World::new();
        world.sim.provider.rules().discovery.at = at;
        world.sim.provider.rules().discovery.path = path.into();
        manage(&world, &[]);
        world.woci(&[]).run().ok();
        let asked: Vec<_> = documents(&world).into_iter().map(|recorded| recorded.request.path).collect();
        assert_eq!(asked, places);
    }
    let world = with_issuer();
    world.sim.provider.rules().discovery.at = DiscoveryAt::Nowhere;
    let run = world.woci(&[]).run().fails(1).says("/.well-known/openid-configuration");
    run.says("HTTP 404");
    assert_eq!(world.sessions().len(), 0, "a run that stored nothing leaves no folder");
}

#[test]
fn a_relative_endpoint_is_resolved_and_a_configured_one_wins() {
    let world = with_issuer();
    let members =
        vec![("authorization_endpoint", json!("/authorize")), ("token_endpoint", json!("../token"))];
    world.sim.provider.rules().discovery.members = members;
    world.woci(&[]).run().ok();
    assert_eq!(copy(&world)["token_endpoint"], world.sim.token_url());

    let world = World::new();
    let members = vec![("token_endpoint", json!("http://127.0.0.1:9/token"))];
    world.sim.provider.rules().discovery.members = members;
    let token_url = world.sim.token_url();
    manage(&world, &[("token_url", Some(&token_url))]);
    world.woci(&[]).run().ok();
    assert_eq!(world.session().record()["token_url"], token_url);

    // With both endpoints configured, nothing is read at the provider.
    let world = World::new();
    let authorize_url = world.sim.authorize_url();
    let token_url = world.sim.token_url();
    manage(&world, &[("token_url", Some(&token_url)), ("authz_base_url", Some(&authorize_url))]);
    world.woci(&[]).run().ok();
    assert_eq!((documents(&world).len(), world.session().read("discovery.json")), (0, None));
}

#[test]
fn a_document_that_must_not_be_followed_is_refused_before_the_browser() {
    for (name, value, says) in [
        (
            "issuer",
            json!("https://evil.example.com"),
            "its issuer is https://evil.example.com, and the configured",
        ),
        ("issuer", json!(null), "it names no issuer"),
        ("token_endpoint", json!("http://idp.example.com/token"), "use https"),
        ("token_endpoint", json!(null), "it has no token_endpoint"),
        ("authorization_endpoint", json!(null), "it has no authorization_endpoint"),
        (
            "authorization_endpoint",
            json!(["x"]),
            "its authorization_endpoint cannot be used: it is not a text",
        ),
        ("revocation_endpoint", json!("ftp://idp.example.com/"), "its revocation_endpoint cannot be used"),
    ] {
        let world = with_issuer();
        world.sim.provider.rules().discovery.members = vec![(name, value)];
        let run = world.woci(&["session", "authenticate"]).run().fails(1).says(says);
        run.says(&format!("{}/.well-known/openid-configuration", world.sim.provider.issuer()));
        assert_eq!((world.sign_ins(), world.sessions().len()), (0, 0), "{says}");
    }
}

#[test]
fn an_answer_that_is_no_document_is_refused_before_the_browser() {
    let huge = format!("{{\"issuer\":\"{}\"}}", "x".repeat(2 << 20));
    for (fault, says) in [
        (Fault::status(200, "<title>Sign in to the network</title>"), "it is not a JSON object"),
        (Fault::status(200, "[1]"), "it is not a JSON object"),
        (Fault::status(200, "{"), "it is not a JSON object"),
        (Fault::status(200, huge), "it is larger than 1 MiB"),
        (Fault::status(403, "<title>Blocked</title>"), "it answered Blocked (HTTP 403)"),
        (
            Fault::status_with(302, &[("Location", "https://portal.example.com/?s=1")], ""),
            "a redirect to https://portal.example.com/",
        ),
        (Fault::status(500, "{}").times(3), "HTTP 500"),
        (Fault::status(503, "{}").times(3), "HTTP 503"),
        (Fault::drop(), "discovery document"),
    ] {
        let world = with_issuer();
        world.sim.fault(Grant::Discovery, fault);
        world.woci(&["session", "authenticate"]).run().fails(1).says(says);
        assert_eq!((world.sign_ins(), world.sessions().len()), (0, 0), "{says}");
    }
}

#[test]
fn a_provider_that_is_not_ready_is_asked_again() {
    let world = with_issuer();
    world.sim.fault(Grant::Discovery, Fault::status_with(503, &[("Retry-After", "0")], "").times(2));
    world.woci(&[]).run().ok();
    assert_eq!(documents(&world).len(), 3);
}

#[test]
fn an_old_copy_is_read_again_and_serves_if_the_provider_s_is_not_to_be_had() {
    let world = signed_in_yesterday();
    world.woci(&[]).run().ok();
    assert_eq!(documents(&world).len(), 2);
    assert!(copy(&world)["read_at"].as_i64() > Some(jwt::now() - 60));

    for fault in [
        Fault::status(500, ""),
        Fault::status(404, "").times(2),
        Fault::status(200, "<title>Sign in to the network</title>"),
        Fault::redirect("https://portal.example.com/"),
        Fault::reset(),
    ] {
        world.session().expire();
        age(&world, |_| {});
        world.sim.fault(Grant::Discovery, fault);
        let run = world.woci(&["--log-level", "DEBUG"]).run().ok();
        assert_eq!(run.json()["source"], "refreshed");
        let line = run.stderr.lines().find(|line| line.contains("is used as it was read")).expect("a line");
        assert!(line.contains("DEBUG"), "{line}");
    }
}

#[test]
fn a_document_of_another_issuer_is_refused_although_there_is_a_copy() {
    let world = signed_in_yesterday();
    world.sim.provider.rules().discovery.members = vec![("issuer", json!("https://evil.example.com"))];
    let before = world.session().snapshot();
    world.woci(&[]).run().fails(1).says("https://evil.example.com").says(&world.sim.provider.issuer());
    assert_eq!(world.session().snapshot(), before);
    assert_eq!(world.sim.count(Grant::Refresh), 0);
}

/// No run but a refresh or a sign-in looks at the copy, and a refresh does without.
#[test]
fn a_copy_that_cannot_be_read_costs_nothing_but_a_request() {
    let world = with_issuer();
    world.woci(&[]).run().ok();
    world.session().remove("discovery.json");
    let folder = world.session().path("discovery.json");
    std::fs::create_dir(&folder).expect("a session folder is writable");
    let run = world.woci(&["--log-level", "DEBUG"]).run().ok();
    assert!(!run.stderr.contains("discovery"), "{run}");
    assert_eq!(documents(&world).len(), 1);
    world.woci(&["session", "refresh"]).run().ok();
    assert_eq!(documents(&world).len(), 2);
    std::fs::remove_dir(folder).expect("it is empty");
}

/// A copy of another issuer, from the future, or damaged is as good as none.
#[test]
fn only_a_whole_copy_of_the_configured_issuer_counts() {
    for change in [
        |copy: &mut Value| copy["issuer"] = "https://other.example.com".into(),
        |copy: &mut Value| copy["issuer_expected"] = "https://other.example.com".into(),
        |copy: &mut Value| copy["read_at"] = (jwt::now() + 3600).into(),
        |copy: &mut Value| copy["token_endpoint"] = "http://evil.example.com/token".into(),
        |copy: &mut Value| copy["token_endpoint"] = 5.into(),
        |copy: &mut Value| copy["version"] = 2.into(),
        |copy: &mut Value| copy["more"] = 1.into(),
        |copy: &mut Value| *copy = Value::Null,
    ] {
        let world = signed_in_yesterday();
        age(&world, |copy| {
            copy["read_at"] = jwt::now().into();
            change(copy);
        });
        let damaged = copy(&world);
        world.woci(&[]).run().ok();
        assert_eq!(documents(&world).len(), 2, "{damaged}");
        assert_eq!(copy(&world)["token_endpoint"], world.sim.token_url(), "{damaged}");
    }
}

#[test]
fn a_refresh_token_does_not_follow_a_changed_document() {
    let world = signed_in_yesterday();
    let elsewhere = World::new();
    let changed = elsewhere.sim.token_url();
    world.sim.provider.rules().discovery.members = vec![("token_endpoint", json!(changed))];
    let run = world.woci(&["--sign-in", "never"]).run().fails(1);
    run.says(&format!("token_url changed from {} to {changed}", world.sim.token_url()));
    assert_eq!((elsewhere.sim.total(), world.sim.count(Grant::Refresh)), (0, 0));

    // The same where the copy on disk is what changed, and with a record that names no issuer.
    let mut record = world.session().record();
    record.as_object_mut().expect("an object").remove("issuer");
    world.session().write("session.json", record.to_string());
    world.woci(&["--sign-in", "never"]).run().fails(1).says("token_url changed");
    assert_eq!((elsewhere.sim.total(), documents(&world).len()), (0, 2));

    // The person who signs in learns the reason; the code goes where the document says.
    world.woci(&[]).run().fails(1).says("token_url changed");
    assert_eq!((elsewhere.sim.count(Grant::Code), elsewhere.sim.count(Grant::Refresh)), (1, 0));
    world.loses_refresh_token();
}

#[test]
fn another_issuer_is_another_origin() {
    let world = signed_in_yesterday();
    let elsewhere = World::new();
    let issuer = elsewhere.sim.provider.issuer();
    manage(&world, &[("issuer", Some(&issuer))]);
    let run = world.woci(&["--sign-in", "never"]).run().fails(1);
    run.says(&format!("issuer changed from {} to {issuer}", world.sim.provider.issuer()));
    assert_eq!(world.sim.count(Grant::Refresh) + elsewhere.sim.count(Grant::Refresh), 0);
    // Nor is a valid session of it handed out.
    let world = with_issuer();
    world.woci(&[]).run().ok();
    manage(&world, &[("issuer", Some(&issuer))]);
    world.woci(&["--sign-in", "never"]).run().fails(1).says("issuer changed");
}

/// A provider that has changed its endpoints serves a person again who signs in by name.
#[test]
fn an_explicit_sign_in_reads_the_document_anew_and_an_incomplete_one_is_not_kept() {
    let world = with_issuer();
    world.woci(&[]).run().ok();
    world.woci(&["session", "authenticate"]).run().ok();
    assert_eq!(documents(&world).len(), 2);
    world.sim.fault(Grant::Discovery, Fault::status(500, ""));
    world.woci(&["session", "authenticate"]).run().ok();
    assert_eq!(documents(&world).len(), 3);

    let world = signed_in_yesterday();
    world.sim.provider.rules().discovery.members = vec![("token_endpoint", Value::Null)];
    world.woci(&[]).run().fails(1).says("it has no token_endpoint");
    world.sim.provider.rules().discovery.members.clear();
    world.woci(&[]).run().ok();
}

/// Endpoints that were configured one by one stay good when the issuer takes their place.
#[test]
fn a_session_without_an_issuer_is_refreshed_with_one() {
    let world = World::new();
    world.woci(&[]).run().ok();
    manage(&world, &[]);
    world.woci(&[]).run().ok().silent();
    assert_eq!(world.woci(&["session", "refresh"]).run().ok().json()["source"], "refreshed");
    assert_eq!(world.session().record()["issuer"], world.sim.provider.issuer());
    world.manager(&[("DEFAULT", &world.settings())]);
    assert_eq!(world.woci(&["session", "refresh"]).run().ok().json()["source"], "refreshed");
    assert_eq!(world.sign_ins(), 1);
}

#[test]
fn an_answer_of_another_issuer_ends_the_sign_in_before_its_code_is_used() {
    for (iss, required) in [(Some("https://evil.example.com"), None), (None, Some(true))] {
        for habit in ["", "denies"] {
            let world = with_issuer();
            world.sim.provider.rules().iss = iss.map(str::to_owned);
            if let Some(required) = required {
                let name = "authorization_response_iss_parameter_supported";
                world.sim.provider.rules().discovery.members = vec![(name, json!(required))];
            }
            let run = world.woci(&["session", "authenticate"]).browser(habit).run().fails(1);
            let run = run.says(&world.sim.provider.issuer());
            run.says(iss.map_or("the answer names no issuer", |_| "https://evil.example.com"));
            assert_eq!(world.sim.count(Grant::Code), 0);
            let page = world.browsers(1)[0]["pages"][0].clone();
            assert!(page["body"].as_str().is_some_and(|body| body.contains("issuer")), "{page}");
            // Runs in the background do not open one tab after another.
            world.woci(&[]).run().fails(1).says("was unsuccessful");
            assert_eq!(world.sign_ins(), 1);
        }
    }
}

#[test]
fn an_answer_of_the_expected_issuer_is_taken_and_iss_counts_only_with_an_issuer() {
    for (iss, expected) in
        [(None, None), (Some("https://other.example.com/"), Some("https://other.example.com/"))]
    {
        let world = World::new();
        world.sim.provider.rules().iss = iss.map(str::to_owned);
        if let Some(expected) = expected {
            world.sim.provider.rules().discovery.members = vec![("issuer", json!(expected))];
        }
        manage(&world, &[("issuer_expected", expected)]);
        let members = &[("authorization_response_iss_parameter_supported", json!(iss.is_some()))];
        world.sim.provider.rules().discovery.members.extend(members.iter().cloned());
        world.woci(&[]).run().ok();
    }
    let world = World::new();
    world.sim.provider.rules().iss = Some("https://evil.example.com".into());
    world.woci(&[]).run().ok();
}

#[test]
fn authz_params_and_login_hint_reach_the_provider() {
    let world = with_issuer();
    world.sim.provider.rules().offline_needs_consent = true;
    let params = "prompt=consent&audience=https://oci/";
    manage(&world, &[("authz_params", Some(params)), ("login_hint", Some("ada@example.com"))]);
    world.woci(&[]).run().ok();
    let request = &world.sim.requests(Grant::Authorize)[0];
    for (name, value) in [
        ("prompt", "consent"),
        ("audience", "https://oci/"),
        ("login_hint", "ada@example.com"),
        ("response_type", "code"),
    ] {
        assert_eq!(request.field(name), Some(value), "{name}");
    }
    assert!(world.session().refresh_token().is_some());
    for name in ["state", "scope", "redirect_uri", "code_challenge", "client_id"] {
        let run = world.woci(&["--authz-params", &format!("{name}=x")]).run().fails(2);
        run.says(&format!("woci sets {name} itself"));
    }
}

/// The daemon and the kubeconfig entry get the issuer as any other setting.
#[test]
fn a_daemon_renews_with_the_issuer() {
    let world = World::new();
    let changes = [("authz_base_url", None), ("token_url", None)];
    world.manager(&[("DEFAULT", &world.settings_with(&changes))]);
    let issuer = world.sim.provider.issuer();
    world.woci(&["--issuer", &issuer]).run().ok();
    let upst = world.session().due_in(-1);
    world.woci(&["--issuer", &issuer, "--daemon"]).run().ok();
    let gone = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while world.session().token() == upst {
        assert!(std::time::Instant::now() < gone, "{:?}", world.session().read("woci_refresh.log"));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    world.woci(&["--stop-daemon"]).run().ok();
    assert_eq!(documents(&world).len(), 1);
}
