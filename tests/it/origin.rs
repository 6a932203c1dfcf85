//! A refresh token is sent only to the provider that issued it, whose endpoints are in `session.json`.

use crate::sim::faults::{Fault, Grant};
use crate::sim::{domain, jwt};
use crate::world::World;
use serde_json::{Value, json};
use std::fs;

/// A World after a real sign-in, which wrote session.json. The UPST has expired.
fn signed_in_long_ago() -> World {
    let world = World::new();
    world.woci(&[]).run().ok();
    world.session().expire();
    world
}

#[test]
fn each_changed_setting_is_named_and_leads_to_a_sign_in() {
    let world = signed_in_long_ago();
    let elsewhere = World::new();
    let requests = world.sim.total();
    let before = world.session().snapshot();
    for (key, value) in [
        ("token_url", elsewhere.sim.token_url()),
        ("auth_client_id", "another".into()),
        ("token_exchange_url", elsewhere.sim.exchange_url()),
        ("client_id", "another".into()),
    ] {
        world.manager(&[("DEFAULT", &world.settings_with(&[(key, Some(&value))]))]);
        for words in [&["--sign-in", "never"][..], &["--sign-in", "never", "session", "refresh"]] {
            world.woci(words).run().fails(1).says(&format!("{key} changed")).says(&value);
        }
        assert_eq!(world.session().snapshot(), before, "{key}");
    }
    assert_eq!((world.sim.total(), elsewhere.sim.total()), (requests, 0));
    // With the old settings, the refresh token is used: it was kept.
    world.manager(&[("DEFAULT", &world.settings())]);
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
}

#[test]
fn a_upst_of_another_origin_is_not_handed_out() {
    let world = World::new();
    world.woci(&[]).run().ok();
    world.manager(&[("DEFAULT", &world.settings_with(&[("client_id", Some("another"))]))]);
    world
        .woci(&["--sign-in", "never"])
        .run()
        .fails(1)
        .says("client_id changed from oci-token-exchange to another");
    // The same with a flag, and before oci is started.
    world.manager(&[("DEFAULT", &world.settings())]);
    world.woci(&["--sign-in", "never", "--client-id", "third", "os"]).run().fails(1).says("third");
    world.woci(&[]).run().ok().silent();
}

#[test]
fn a_setting_that_is_not_configured_does_not_count_as_changed() {
    let world = World::new();
    world.woci(&[]).run().ok();
    for key in ["token_url", "client_id", "auth_client_id", "token_exchange_url"] {
        world.manager(&[("DEFAULT", &world.settings_with(&[(key, None)]))]);
        // The exchange URL defaults to the token URL, which is different.
        let expected = if key == "token_exchange_url" { 1 } else { 0 };
        world.woci(&["--sign-in", "never"]).run().exits(expected);
    }
    fs::remove_file(world.path(".oci/woci_manager.ini")).expect("it was there");
    world.woci(&[]).run().ok().silent();
}

/// Settings that do not determine where tokens are sent may change.
#[test]
fn a_new_scope_query_or_region_is_no_new_origin() {
    let world = signed_in_long_ago();
    let base = world.sim.authorize_url() + "?prompt=consent";
    let changes =
        [("scope", Some("openid offline_access email")), ("authz_base_url", Some(&*base)), ("region", None)];
    world.manager(&[("DEFAULT", &world.settings_with(&changes))]);
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
}

#[test]
fn a_folder_without_session_json_gets_one_at_the_first_refresh() {
    let world = World::signed_in();
    world.session().expire();
    assert_eq!(world.session().read("session.json"), None);
    world.woci(&[]).run().ok();
    assert_eq!(world.session().record()["token_url"], world.sim.token_url());
    world.session().expire();
    let elsewhere = World::new();
    let token_url = elsewhere.sim.token_url();
    world.manager(&[("DEFAULT", &world.settings_with(&[("token_url", Some(&token_url))]))]);
    world.woci(&["--sign-in", "never"]).run().fails(1).says("token_url changed");
    assert_eq!(elsewhere.sim.total(), 0);
}

/// Once the provider has accepted the token, the origin is recorded, even if the exchange fails.
#[test]
fn the_origin_is_recorded_by_the_refresh_and_not_by_the_exchange() {
    let world = World::signed_in();
    world.session().expire();
    world.sim.fault(Grant::Exchange, Fault::status(500, "{}"));
    world.woci(&[]).run().fails(1);
    let elsewhere = World::new();
    let token_url = elsewhere.sim.token_url();
    world.manager(&[("DEFAULT", &world.settings_with(&[("token_url", Some(&token_url))]))]);
    world.woci(&["--sign-in", "never"]).run().fails(1).says("token_url changed");
    assert_eq!(elsewhere.sim.total(), 0, "a stranger was sent the refresh token");
}

#[test]
fn with_a_damaged_session_json_nothing_is_sent_and_a_sign_in_replaces_it() {
    for damage in [
        &b""[..],
        b"{",
        b"null",
        b"[]",
        b"{}",
        b"{\"version\": 2}",
        b"{\"version\": \"1\"}",
        b"\0\xff\xfe",
        b"{\"version\":1,\"token_url\":1}",
        b"{\"version\":1,\"token_url\":null,\"auth_client_id\":null}",
        b"{\"version\":1,\"token_url\":\"\"}",
    ] {
        let world = World::signed_in();
        world.session().expire();
        world.session().write("session.json", damage);
        let shown = String::from_utf8_lossy(damage);
        let run = world.woci(&["--sign-in", "never"]).run();
        assert_eq!((run.code(), world.sim.total()), (1, 0), "{shown}: {run}");
        assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated", "{shown}");
        assert_eq!(world.session().record()["token_url"], world.sim.token_url(), "{shown}");
    }
}

#[test]
fn a_sign_in_at_another_provider_replaces_the_origin() {
    let world = signed_in_long_ago();
    let old = world.session().refresh_token();
    let elsewhere = World::new();
    // The settings of another provider and another domain.
    let settings = elsewhere.settings();
    world.manager(&[("DEFAULT", &settings)]);
    let credential = world.woci(&[]).run().ok().says("changed").json();
    assert_eq!(credential["source"], "authenticated");
    assert_eq!(elsewhere.sim.count(Grant::Refresh), 0);
    assert_ne!(world.session().refresh_token(), old);
    assert_eq!(world.session().record()["token_url"], elsewhere.sim.token_url());
    // World checks the token with its own provider, which did not issue it.
    world.loses_refresh_token();
}

/// A refusal applies to this token only.
#[test]
fn a_refused_token_is_remembered_by_its_hash() {
    let world = World::signed_in();
    world.session().expire();
    world.sim.provider.revoke_all();
    world.woci(&["--sign-in", "never"]).run().fails(1).says("invalid_grant");
    let hash = world.session().record()["refused_refresh_token_sha256"].clone();
    assert_eq!(hash.as_str().map(str::len), Some(64));
    world.woci(&["--sign-in", "never"]).run().fails(1).says("refused the refresh token before");
    assert_eq!(world.sim.count(Grant::Refresh), 1);
    // A newer token is tried, however it came into the folder.
    world.session().write("refresh_token", world.sim.provider.issue_refresh_token());
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    assert_eq!(world.session().record()["refused_refresh_token_sha256"], Value::Null);
}

#[test]
fn session_json_holds_no_secret_and_has_a_version() {
    let world = signed_in_long_ago();
    let expected = json!({
        "version": 1,
        "token_url": world.sim.token_url(),
        "auth_client_id": "woci-desktop",
        "token_exchange_url": world.sim.exchange_url(),
        "client_id": "oci-token-exchange",
    });
    assert_eq!(world.session().record(), expected);
}

/// `oci session authenticate` for the same profile writes another key, its token and a new section, and leaves woci's
/// refresh token.
#[test]
fn a_session_made_by_oci_is_used_and_refreshed() {
    let world = World::signed_in();
    let session = world.session();
    let key = jwt::Key::from_pem(jwt::OTHER_PEM).public();
    session.write("oci_api_key.pem", format!("{}\nOCI_API_KEY\n", jwt::OTHER_PEM.trim_end()));
    session.put_token(domain::claims(&key, 3600));
    let section = |key_file: &str| {
        let (key, token) = (session.path(key_file), session.path("token"));
        let paths = format!("key_file={}\nsecurity_token_file={}\n", key.display(), token.display());
        format!("[DEFAULT]\nfingerprint=x\n{paths}region=us-ashburn-1\n")
    };
    world.write(".oci/config", section("oci_api_key.pem"));
    let credential = world.woci(&[]).run().ok().silent().json();
    assert_eq!(credential["key_file"], session.path("oci_api_key.pem").to_str().expect("UTF-8"));

    // The refresh keeps that key, so that programs that have read it can go on.
    session.expire();
    let credential = world.woci(&[]).run().ok().json();
    assert_eq!(credential["source"], "refreshed");
    assert_eq!(credential["key_file"], session.path("oci_api_key.pem").to_str().expect("UTF-8"));
    assert_eq!(session.key(), jwt::SESSION_PEM);

    // The section names woci's key, to which the token is not bound.
    world.write(".oci/config", section("private_key.pem"));
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    session.remove("oci_api_key.pem");
}
