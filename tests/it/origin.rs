//! A refresh token is sent only to the provider that issued it, a UPST is handed out only if it comes from the
//! configured exchange, and a renewal brings no other person. `session.json` holds all three.

use crate::sim::domain::Upst;
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
fn each_changed_setting_of_the_provider_is_named_and_leads_to_a_sign_in() {
    let world = signed_in_long_ago();
    let elsewhere = World::new();
    let requests = world.sim.total();
    let before = world.session().snapshot();
    for (key, value) in [("token_url", elsewhere.sim.token_url()), ("auth_client_id", "another".into())] {
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
fn a_upst_of_another_exchange_is_renewed_and_nobody_is_asked() {
    for key in ["token_exchange_url", "client_id"] {
        let world = World::new();
        world.woci(&[]).run().ok();
        let old = world.session().token();
        // The same endpoint by another name.
        let url = world.sim.exchange_url().replace("127.0.0.1", "localhost");
        let value = if key == "client_id" { "second" } else { &url };
        world.sim.domain.rules().client_id =
            if key == "client_id" { value } else { "oci-token-exchange" }.into();
        world.manager(&[("DEFAULT", &world.settings_with(&[(key, Some(value))]))]);
        let credential = world.woci(&["--sign-in", "never"]).run().ok().json();
        assert_eq!(credential["source"], "refreshed", "{key}");
        assert_ne!(credential["security_token"], old, "{key}");
        assert_eq!(world.session().record()[key], value);
        world.woci(&["--sign-in", "never"]).run().ok().silent();
        assert_eq!(world.sign_ins(), 1, "{key}");
    }
}

#[test]
fn a_upst_of_another_exchange_is_not_handed_out_if_the_new_one_refuses() {
    let world = World::new();
    world.woci(&[]).run().ok();
    let old = world.session().token();
    for words in [&["--client-id", "third"][..], &["--client-id", "third", "os"]] {
        world.woci(words).run().fails(1).says("invalid_client");
    }
    assert_eq!(world.session().token(), old);
    assert_eq!(world.session().record()["client_id"], "oci-token-exchange");
    assert_eq!(world.sign_ins(), 1);
    world.woci(&[]).run().ok().silent();
}

/// Without a refresh token only a person helps, who learns both reasons.
#[test]
fn another_exchange_without_a_refresh_token_leads_to_a_sign_in() {
    let world = World::new();
    world.woci(&[]).run().ok();
    world.session().remove("refresh_token");
    world.manager(&[("DEFAULT", &world.settings_with(&[("client_id", Some("another"))]))]);
    let run = world.woci(&["--sign-in", "never"]).run().fails(1);
    run.says("client_id changed from oci-token-exchange to another").says("there is no refresh token");
}

#[test]
fn a_setting_that_is_not_configured_does_not_count_as_changed() {
    let world = World::new();
    world.woci(&[]).run().ok();
    for key in ["token_url", "client_id", "auth_client_id", "token_exchange_url"] {
        world.manager(&[("DEFAULT", &world.settings_with(&[(key, None)]))]);
        // The exchange URL defaults to the token URL, which is different, and which refuses the exchange.
        let run = world.woci(&["--sign-in", "never"]).run();
        match key {
            "token_exchange_url" => {
                run.fails(1).says("token exchange at token_url (token_exchange_url is not set)")
            }
            _ => run.ok(),
        };
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

/// What a failed sign-in writes into the file must not make it look whole: the refresh token would then go to whatever
/// provider is configured.
#[test]
fn a_failed_sign_in_does_not_mend_a_damaged_session_json() {
    let world = World::signed_in();
    world.session().expire();
    world.session().write("session.json", "{");
    world.woci(&[]).browser("denies").run().fails(1).says("access_denied");
    let run = world.woci(&["--sign-in", "never"]).run().fails(1);
    run.says("session.json is damaged");
    assert_eq!(world.sim.count(Grant::Refresh), 0);
    // The sign-in is remembered beside it.
    world.woci(&[]).run().fails(1).says("was denied");
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
        "session_from": "provider",
        "token_url": world.sim.token_url(),
        "auth_client_id": "woci-desktop",
        "token_exchange_url": world.sim.exchange_url(),
        "client_id": "oci-token-exchange",
        "user": domain::USER,
        "tenancy": domain::TENANCY,
    });
    assert_eq!(world.session().record(), expected);
}

const EVE: &str = "ocid1.user.oc1..eve";
const ELSEWHERE: &str = "ocid1.tenancy.oc1..elsewhere";

/// A World whose UPST has expired, and whose domain issues the next one for this user and tenancy.
fn about_to_be(user: &'static str, tenancy: &'static str) -> World {
    let world = signed_in_long_ago();
    world.sim.domain.rules().upst = Upst::Of(user, tenancy);
    world
}

#[test]
fn a_renewal_that_brings_another_person_is_refused() {
    for (user, tenancy) in [(EVE, domain::TENANCY), (domain::USER, ELSEWHERE), (EVE, ELSEWHERE)] {
        for has_record in [true, false] {
            let world = about_to_be(user, tenancy);
            if !has_record {
                world.session().remove("session.json");
            }
            let session = world.session();
            let (token, refresh_token) = (session.token(), session.refresh_token());
            let config = world.read(".oci/config");
            let run = world.woci(&[]).run().fails(1).says(domain::USER).says(domain::TENANCY);
            run.says(user).says(tenancy).says("`woci session authenticate --profile DEFAULT`");
            assert_eq!((session.token(), world.read(".oci/config")), (token, config));
            // The rotated one, which World checks at its end.
            assert_ne!(session.refresh_token(), refresh_token);
            assert_eq!(session.record()["user"], domain::USER);
            // A second run has forgotten nothing.
            world.woci(&["session", "refresh"]).run().fails(1).says(user);
            world.sim.domain.rules().upst = Upst::Good;
            assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
        }
    }
}

#[test]
fn a_lost_or_damaged_token_file_does_not_forget_whose_the_session_is() {
    for damage in [None, Some("nonsense")] {
        let world = about_to_be(EVE, domain::TENANCY);
        match damage {
            None => world.session().remove("token"),
            Some(text) => world.session().write("token", text),
        }
        world.woci(&[]).run().fails(1).says(domain::USER).says(EVE);
        world.sim.domain.rules().upst = Upst::Good;
        world.woci(&[]).run().ok();
    }
}

/// A UPST that names nobody is no other person's, and the next one has to be of the same person as the one before.
#[test]
fn a_nameless_upst_does_not_forget_whose_the_session_is_either() {
    let world = signed_in_long_ago();
    world.sim.domain.rules().upst = Upst::Nameless;
    world.woci(&[]).run().ok();
    assert_eq!(world.session().record()["user"], domain::USER);
    world.sim.domain.rules().upst = Upst::Of(EVE, domain::TENANCY);
    world.woci(&["session", "refresh"]).run().fails(1).says(domain::USER).says(EVE);
}

#[test]
fn after_a_sign_in_another_person_is_taken_and_both_are_named() {
    let world = about_to_be(EVE, ELSEWHERE);
    let run = world.woci(&["session", "authenticate"]).run().ok();
    assert_eq!(run.json()["user"], EVE);
    let line = run.stderr.lines().find(|line| line.contains(EVE)).expect("a line names the new user");
    for part in ["INFO", domain::USER, domain::TENANCY, ELSEWHERE] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(
        (&world.session().record()["user"], &world.session().record()["tenancy"]),
        (&json!(EVE), &json!(ELSEWHERE))
    );
    // The same person again is not worth a line.
    assert!(!world.woci(&["session", "authenticate"]).run().ok().stderr.contains(EVE));
}

/// The exchange of a sign-in fails; the next run makes the session of the person who signed in.
#[test]
fn a_renewal_may_finish_the_sign_in_of_another_person() {
    let world = about_to_be(EVE, domain::TENANCY);
    world.sim.fault(Grant::Exchange, Fault::status(400, "{}"));
    world.woci(&["session", "authenticate"]).run().fails(1);
    let run = world.woci(&[]).run().ok().says(domain::USER);
    assert_eq!((&run.json()["source"], &run.json()["user"]), (&json!("refreshed"), &json!(EVE)));
    world.sim.domain.rules().upst = Upst::Good;
    world.woci(&["session", "refresh"]).run().fails(1).says(EVE);
}

/// Nothing says that the key in the folder is the one.
#[test]
fn a_upst_with_an_unreadable_key_is_not_used() {
    for jwk in [json!("no JSON"), json!(5), json!({"kty": "RSA"}), json!("{\"kty\":\"EC\"}")] {
        let world = World::signed_in();
        let mut claims = jwt::claims(&world.session().token());
        claims["jwk"] = jwk.clone();
        world.session().put_token(claims);
        assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed", "{jwk}");
    }
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
