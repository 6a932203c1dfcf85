//! The life of a session: a sign-in, use from the folder, refreshes without a person, another sign-in when the
//! refresh token is dead; and all the ways in which a sign-in is denied or impossible.

use crate::sim::faults::{Fault, Gate, Grant};
use crate::sim::person;
use crate::sim::provider::{AccessToken, Person, Rotation};
use crate::sim::{domain, jwt};
use crate::world::World;
use crate::world::session::mode;
use serde_json::Value;

#[test]
fn a_session_is_signed_in_used_refreshed_and_signed_in_again() {
    let world = World::new();
    let first = world.woci(&[]).run().ok().says("Auth URL: ").json();
    assert_eq!(first["source"], "authenticated");
    assert_eq!(counts(&world), [1, 1, 0, 1]);
    let key = world.session().key();

    let second = world.woci(&["credential"]).run().ok().silent().json();
    assert_eq!(second["source"], "cached");
    assert_eq!(second["security_token"], first["security_token"]);
    assert_eq!(counts(&world), [1, 1, 0, 1]);

    world.session().expire();
    let third = world.woci(&[]).run().ok().json();
    assert_eq!(third["source"], "refreshed");
    assert_ne!(third["security_token"], first["security_token"]);
    assert_eq!(counts(&world), [1, 1, 1, 2]);
    assert_eq!(world.session().refresh_token(), world.sim.provider.live_refresh_token());

    world.sim.provider.revoke_all();
    world.session().expire();
    let fourth = world.woci(&[]).run().ok().says("Auth URL: ").json();
    assert_eq!(fourth["source"], "authenticated");
    assert_eq!(counts(&world), [2, 2, 2, 3]);
    assert_eq!(world.session().key(), key, "the key outlives its tokens");
}

#[test]
fn the_credential_has_all_fields() {
    let world = World::new();
    let credential = world.woci(&[]).run().ok().json();
    let session = world.session();
    let upst = jwt::claims(&session.token());
    let expected = [
        ("version", 1.into()),
        ("profile", "DEFAULT".into()),
        ("security_token", session.token().into()),
        ("security_token_file", path(&session.path("token"))),
        ("key_file", path(&session.path("private_key.pem"))),
        ("config_file", path(&world.path(".oci/config"))),
        ("user", domain::USER.into()),
        ("tenancy", domain::TENANCY.into()),
        ("region", "us-ashburn-1".into()),
        ("source", "authenticated".into()),
    ];
    for (name, value) in expected {
        assert_eq!(credential[name], value, "{name}");
    }
    let left = credential["expires_in"].as_i64().expect("a number");
    assert!((3500..=3600).contains(&left), "{left} s left");
    assert_eq!(upst["exp"].as_i64().expect("a number") - jwt::now() - left, 0);
    let bound_to: Value =
        serde_json::from_str(upst["jwk"].as_str().expect("text")).expect("JSON in a string");
    assert_eq!(bound_to["kty"], "RSA");
}

#[test]
fn the_oci_config_has_the_keys_that_the_sdks_need() {
    let world = World::new();
    let credential = world.woci(&[]).run().ok().json();
    let config = world.read(".oci/config");
    assert!(config.starts_with("[DEFAULT]\n"), "{config}");
    for (key, value) in [
        ("key_file", &credential["key_file"]),
        ("security_token_file", &credential["security_token_file"]),
        ("fingerprint", &credential["fingerprint"]),
        ("tenancy", &credential["tenancy"]),
        ("region", &credential["region"]),
    ] {
        let line = format!("{key}={}", value.as_str().expect("text"));
        let found = config.lines().any(|text| text.replace(' ', "") == line);
        assert!(found, "no {line} in\n{config}");
    }
    assert_eq!(mode(&world.path(".oci/config")), 0o600);
}

#[test]
fn the_requests_of_a_sign_in_follow_the_rfcs() {
    let world = World::new();
    let base = world.sim.authorize_url() + "?audience=oci&prompt=consent";
    world.manager(&[("DEFAULT", &world.settings_with(&[("authz_base_url", Some(&base))]))]);
    world.woci(&[]).run().ok();
    world.woci(&["session", "authenticate"]).run().ok();
    let asked = world.sim.requests(Grant::Authorize);
    let redirect_uri = format!("http://127.0.0.1:{}/callback", world.redirect_port());
    for request in &asked {
        assert_eq!(request.field("audience"), Some("oci"));
        assert_eq!(request.field("prompt"), Some("consent"));
        assert_eq!(request.field("redirect_uri"), Some(&*redirect_uri));
    }
    for new_each_time in ["state", "code_challenge"] {
        assert_ne!(asked[0].field(new_each_time), asked[1].field(new_each_time), "{new_each_time}");
    }
    let redeemed = world.sim.requests(Grant::Code);
    assert_eq!(redeemed[0].field("code_verifier").map(str::len), Some(43));
}

#[test]
fn a_public_client_sends_its_id_in_the_body() {
    let world = World::new();
    world.sim.provider.rules().client_secret = None;
    world.manager(&[("DEFAULT", &world.settings())]);
    world.woci(&[]).run().ok();
    world.session().expire();
    world.woci(&[]).run().ok();
    assert_eq!(world.sim.requests(Grant::Refresh)[0].field("client_id"), Some("woci-desktop"));
}

#[test]
fn session_authenticate_always_signs_in() {
    let world = World::signed_in();
    let (key, token) = (world.session().key(), world.session().token());
    let credential = world.woci(&["session", "authenticate"]).run().ok().json();
    assert_eq!(credential["source"], "authenticated");
    assert_eq!(counts(&world), [1, 1, 0, 1]);
    assert_eq!(world.session().key(), key);
    assert_ne!(world.session().token(), token);
}

#[test]
fn session_refresh_refreshes_a_valid_session() {
    let world = World::signed_in();
    let (key, refresh_token) = (world.session().key(), world.session().refresh_token());
    let credential = world.woci(&["session", "refresh"]).run().ok().json();
    assert_eq!(credential["source"], "refreshed");
    assert_eq!(counts(&world), [0, 0, 1, 1]);
    assert_eq!(world.session().key(), key);
    assert_ne!(world.session().refresh_token(), refresh_token);
}

#[test]
fn a_upst_with_less_than_a_minute_left_is_refreshed() {
    let world = World::signed_in();
    world.session().age(90);
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "cached");
    world.session().age(55);
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
}

#[test]
fn a_refresh_token_that_is_not_rotated_is_kept() {
    for answer in [None, Some(Value::Null), Some("".into())] {
        let world = World::signed_in();
        let refresh_token = world.session().refresh_token();
        world.sim.provider.rules().rotation = Rotation::Keep(answer);
        world.session().expire();
        world.woci(&[]).run().ok();
        assert_eq!(world.session().refresh_token(), refresh_token);
    }
}

#[test]
fn a_failed_refresh_opens_no_browser_and_loses_nothing() {
    let troubles = [
        (Grant::Refresh, Fault::status(500, "<h1>Internal error</h1>")),
        (Grant::Refresh, Fault::status(400, "")),
        (Grant::Refresh, Fault::status(200, "<h1>Please sign in to the hotel</h1>")),
        (Grant::Refresh, Fault::status(200, "")),
        (Grant::Refresh, Fault::redirect("http://127.0.0.1:9/token")),
        (Grant::Refresh, Fault::status(200, "x".repeat(2 << 20))),
        (Grant::Refresh, Fault::drop()),
        (Grant::Refresh, Fault::reset()),
        (Grant::Refresh, Fault::refusal("invalid_client", "the secret has changed")),
        (Grant::Exchange, Fault::status(500, "{}")),
        (Grant::Exchange, Fault::refusal("invalid_request", "No rules matched")),
        (Grant::Exchange, Fault::drop()),
    ];
    for (grant, fault) in troubles {
        let world = World::signed_in();
        world.session().expire();
        world.sim.fault(grant, fault);
        world.woci(&[]).run().fails(1);
        assert_eq!(world.sign_ins(), 0);
        // If the refresh succeeded and the exchange failed, the next refresh token is stored.
        assert_eq!(world.session().refresh_token(), world.sim.provider.live_refresh_token());
        assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    }
}

#[test]
fn a_failed_exchange_leaves_the_session_usable() {
    let silence = Gate::default();
    let troubles = [
        Fault::status(503, "{}").times(3),
        Fault::hold(&silence),
        Fault::reset(),
        Fault::reset().after(),
        Fault::redirect("http://127.0.0.1:9/token"),
        Fault::status(200, "{\"token\":"),
        Fault::status(200, "<h1>Please sign in to the hotel</h1>"),
        Fault::status(401, "{}"),
    ];
    let worlds: Vec<_> = troubles.map(|fault| (World::signed_in(), fault)).into();
    let runs: Vec<_> = worlds
        .iter()
        .map(|(world, fault)| {
            world.session().expire();
            world.sim.fault(Grant::Exchange, fault.clone());
            (world, world.session().refresh_token(), world.woci(&[]).start())
        })
        .collect();
    for (world, spent, woci) in runs {
        woci.finish().fails(1);
        let rotated = world.session().refresh_token();
        assert_ne!(rotated, spent);
        assert_eq!(rotated, world.sim.provider.live_refresh_token());
        assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
        assert_eq!((world.sim.count(Grant::Refresh), world.sign_ins()), (2, 0));
    }
}

#[test]
fn a_provider_that_is_down_is_named_in_the_error() {
    let mut world = World::signed_in();
    world.session().expire();
    world.sim.close_provider();
    let before = world.session().snapshot();
    let token_url = world.sim.token_url();
    world.woci(&[]).run().fails(1).says(&token_url);
    assert_eq!(world.session().snapshot(), before);
}

#[test]
fn with_sign_in_never_no_browser_is_opened() {
    let world = World::signed_in();
    world.session().expire();
    world.sim.provider.revoke_all();
    for _ in 0..2 {
        world.woci(&["--sign-in", "never"]).run().fails(1).says("session authenticate");
    }
    world.woci(&[]).env("WOCI_SIGN_IN", "never").run().fails(1);
    // The refused token is sent only once: its SHA-256 is remembered.
    assert_eq!(counts(&world), [0, 0, 1, 0]);
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
}

#[test]
fn a_denial_is_remembered_until_session_authenticate() {
    let world = World::new();
    world.sim.provider.rules().person = Person::denies();
    world.woci(&[]).run().fails(1).says("access_denied").says("The person said no");
    let page = &world.browsers(1)[0]["pages"][0];
    let body = page["body"].as_str().expect("a page");
    assert!(!body.contains("<b>"), "not escaped: {body}");
    assert_eq!(page["headers"]["cache-control"], "no-store");

    world.sim.provider.rules().person = Person::Approves;
    world.woci(&[]).run().fails(1);
    assert_eq!(world.sign_ins(), 1, "no tab out of the background after a denial");

    world.woci(&["session", "authenticate"]).run().ok();
    world.session().remove("refresh_token");
    world.session().expire();
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated", "a success clears it");
}

#[test]
fn at_a_terminal_a_remembered_denial_is_ignored() {
    let world = World::new();
    world.woci(&[]).browser("denies").run().fails(1);
    world.woci(&[]).terminal().run().ok();
    assert_eq!(world.sign_ins(), 2);
}

#[test]
fn without_browser_and_terminal_a_sign_in_fails_at_once() {
    let world = World::new();
    let path = world.path("bin").into_os_string();
    world.woci(&[]).env("BROWSER", "no-such-browser").env("PATH", path).run().fails(1).says("Auth URL: ");
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn the_authorization_url_can_be_opened_by_hand() {
    let world = World::new();
    let woci = world.woci(&["session", "authenticate"]).env("BROWSER", "no-such-browser").start();
    let pages = person::follow(&woci.auth_url(), &[]);
    assert_eq!(pages.last().map(|page| page.status), Some(200));
    assert_eq!(woci.finish().ok().json()["source"], "authenticated");
}

#[test]
fn extra_requests_of_browsers_do_not_disturb_a_sign_in() {
    for habits in ["stays", "favicon", "wrong-state", "twice", "cookies", "stays,favicon,wrong-state,twice"] {
        let world = World::new();
        world.woci(&[]).browser(habits).run().ok();
        assert_eq!(counts(&world), [1, 1, 0, 1], "{habits}");
    }
}

#[test]
fn without_a_refresh_token_a_sign_in_gives_a_session_for_an_hour() {
    let world = World::new();
    world.manager(&[("DEFAULT", &world.settings_with(&[("scope", Some("openid"))]))]);
    world.woci(&[]).run().ok().says("WARNING");
    assert_eq!(world.session().refresh_token(), None);
    world.session().expire();
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
}

#[test]
fn an_opaque_access_token_is_not_sent_to_the_domain() {
    let world = World::new();
    world.sim.provider.rules().access_token = AccessToken::Opaque;
    world.woci(&[]).run().fails(1).says("JWT");
    assert_eq!(counts(&world), [1, 1, 0, 0]);
}

#[test]
fn an_unusable_upst_replaces_nothing() {
    use domain::Upst;
    for upst in [
        Upst::WithoutExp,
        Upst::Expired,
        Upst::Text("not a token".into()),
        Upst::Text("a.b\u{1b}[2J.c".into()),
        Upst::Document(Value::Null),
        Upst::Document("token".into()),
    ] {
        let world = World::signed_in();
        world.session().expire();
        let token = world.session().token();
        world.sim.domain.rules().upst = upst;
        world.woci(&[]).run().fails(1);
        assert_eq!(world.session().token(), token);
        assert_eq!(counts(&world), [0, 0, 1, 1]);
    }
}

#[test]
fn a_token_of_another_key_is_not_used() {
    let world = World::signed_in();
    let stranger = jwt::Key::from_pem(jwt::OTHER_PEM).public();
    world.session().put_token(domain::claims(&stranger, 3600));
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
}

#[test]
fn a_refresh_token_is_not_sent_to_another_provider() {
    let world = World::new();
    world.woci(&[]).run().ok();
    let elsewhere = World::new();
    let token_url = elsewhere.sim.token_url();
    let authorize_url = elsewhere.sim.authorize_url();
    let changes = [("token_url", Some(&*token_url)), ("authz_base_url", Some(&*authorize_url))];
    world.manager(&[("DEFAULT", &world.settings_with(&changes))]);
    world.woci(&["--sign-in", "never"]).run().fails(1).says("token_url");
    assert_eq!((world.sim.total(), elsewhere.sim.total()), (3, 0));
}

/// The number of requests so far: authorization, code, refresh, exchange.
fn counts(world: &World) -> [usize; 4] {
    [Grant::Authorize, Grant::Code, Grant::Refresh, Grant::Exchange].map(|grant| world.sim.count(grant))
}

fn path(path: &std::path::Path) -> Value {
    path.to_str().expect("a World's home is UTF-8").into()
}

#[test]
fn session_refresh_reports_a_refused_refresh_token_while_the_session_is_valid() {
    let world = World::signed_in();
    world.sim.provider.revoke_all();
    world.woci(&["--sign-in", "never", "session", "refresh"]).run().fails(1).says("invalid_grant");
    assert_eq!(world.woci(&["session", "refresh"]).run().ok().json()["source"], "authenticated");
}

#[test]
fn ctrl_c_during_a_refresh_waits_until_the_next_token_is_stored() {
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143), (libc::SIGHUP, 129)] {
        let world = World::signed_in();
        world.session().expire();
        let answered = world.sim.hold_answers(Grant::Refresh);
        let woci = world.woci(&[]).start();
        answered.wait_for(1);
        woci.signal(signal);
        answered.open();
        woci.finish().exits(code);
        assert_eq!(world.session().refresh_token(), world.sim.provider.live_refresh_token());
        world.woci(&["--sign-in", "never"]).run().ok();
    }
}
