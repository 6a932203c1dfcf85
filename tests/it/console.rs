//! Console sessions: the sign-in at Oracle's own page, the renewal by the signed call, the sessions that
//! `oci session authenticate` has left, and the choice between this and a provider.

use crate::daemon::seconds;
use crate::sim::console::Fragment;
use crate::sim::domain::{self, Upst};
use crate::sim::faults::{Fault, Grant};
use crate::sim::jwt::{self, Key};
use crate::world::World;
use crate::world::run::Woci;
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::symlink;

const MINUTE: i64 = 60;

/// More than half of an hour's token is left.
const FRESH: i64 = 40 * MINUTE;
/// Less than half of it is left.
const DUE: i64 = 20 * MINUTE;
/// It is worth a warning if this session cannot be renewed.
const ENDING: i64 = 4 * MINUTE;

/// The options of a console session, where there is no configuration at all.
fn options<'w>(world: &'w World, words: &[&str]) -> Woci<'w> {
    let mut woci = world.woci(words);
    for (key, value) in world.console_settings() {
        woci = woci.arg(format!("--{}", key.replace('_', "-"))).arg(value);
    }
    woci
}

fn renewals(world: &World) -> usize {
    world.sim.count(Grant::ConsoleRefresh)
}

/// Nothing that a provider's session would send was sent.
fn assert_no_grants(world: &World) {
    for grant in [Grant::Authorize, Grant::Code, Grant::Refresh, Grant::Exchange] {
        assert_eq!(world.sim.count(grant), 0, "{grant:?}");
    }
}

// The sign-in.

#[test]
fn one_command_is_all_the_set_up() {
    let world = World::new();
    fs::remove_file(world.path(".oci/woci_manager.ini")).expect("it was written");
    let run = options(&world, &["session", "authenticate", "--profile", "mine"]).run().ok();
    let credential = run.json();
    assert_eq!((&credential["source"], &credential["profile"]), (&"authenticated".into(), &"mine".into()));
    assert_eq!(
        (&credential["user"], &credential["tenancy"], &credential["region"]),
        (&domain::USER.into(), &domain::TENANCY.into(), &"us-ashburn-1".into())
    );
    assert_eq!(world.sim.console.refusals(), Vec::<String>::new());
    let pages = &world.browsers(1)[0]["pages"];
    let last = pages.as_array().and_then(|pages| pages.last()).expect("a page").to_string();
    assert!(last.contains("You are signed in") && last.contains(domain::USER), "{last}");

    let config = world.read(".oci/config");
    let expected: HashSet<_> =
        ["[mine]", "fingerprint", "key_file", "tenancy", "region", "security_token_file"].into();
    let found: HashSet<_> =
        config.lines().map(|line| line.split('=').next().unwrap_or_default().trim()).collect();
    assert_eq!(found, expected, "{config}");
    assert!(config.contains("region = us-ashburn-1") || config.contains("region=us-ashburn-1"), "{config}");

    let record = world.session_of("mine").record();
    assert_eq!(record["session_from"], "console");
    assert_eq!(record["auth_service_url"], world.sim.auth_service_url());
    assert!(
        (0..60).contains(&(jwt::now() - record["console"]["since"].as_i64().expect("a time"))),
        "{record}"
    );
    assert_eq!(world.session_of("mine").refresh_token(), None);

    // From then on, the profile's name is enough.
    let again = world.woci(&["--profile", "mine"]).run().ok().silent().json();
    assert_eq!(again["source"], "cached");
    assert_eq!((world.sim.count(Grant::ConsoleSignIn), renewals(&world)), (1, 0));
    assert_no_grants(&world);
}

#[test]
fn the_tenancy_that_was_named_is_asked_for_again() {
    let world = World::console();
    let names = ["--tenancy-name", "acme", "--identity-provider-name", "Corporate IdP"];
    world.woci(&["session", "authenticate"]).args(&names).run().ok();
    world.session().expire();
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
    for request in world.sim.requests(Grant::ConsoleSignIn) {
        let field =
            |name: &str| request.fields.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
        assert_eq!((field("tenant"), field("provider")), (Some("acme"), Some("Corporate IdP")));
    }
    assert_eq!(world.sim.count(Grant::ConsoleSignIn), 2);
}

#[test]
fn an_identity_provider_belongs_to_the_tenancy_that_it_was_named_with() {
    let world = World::console();
    let names = ["--tenancy-name", "acme", "--identity-provider-name", "Corporate IdP"];
    world.woci(&["session", "authenticate"]).args(&names).run().ok();
    world.woci(&["session", "authenticate", "--tenancy-name", "other"]).run().ok();
    let second = &world.sim.requests(Grant::ConsoleSignIn)[1];
    assert_eq!((second.field("tenant"), second.field("provider")), (Some("other"), None));
}

#[test]
fn a_sign_in_that_nobody_asked_for_is_where_the_last_one_was() {
    let world = World::console();
    world.woci(&["session", "authenticate"]).run().ok();
    let port = world.redirect_port().to_string();
    world.manager(&[("DEFAULT", &[("redirect_port".into(), port)])]);
    world.session().expire();
    for region in [&[][..], &["--region", "us-gov-phoenix-1"]] {
        let woci = world.woci(region).browser("nothing").start();
        let url = woci.auth_url();
        assert!(url.starts_with(&world.sim.console_url()), "{url}");
        woci.signal(libc::SIGTERM);
        woci.finish().exits(143);
    }
}

#[test]
fn an_answer_that_is_not_for_this_sign_in_ends_nothing() {
    for (fragment, upst) in [
        (Fragment::WrongNonce, Upst::Good),
        (Fragment::WithoutIdToken, Upst::Good),
        (Fragment::WithoutSecurityToken, Upst::Good),
        (Fragment::Text("error=server_error&error_description=run+evil%E2%80%AE".into()), Upst::Good),
        (Fragment::Text(String::new()), Upst::Good),
        (Fragment::Text("security_token=a.b.c&security_token=a.b.c".into()), Upst::Good),
        (Fragment::Good, Upst::OtherKey),
        (Fragment::Good, Upst::WithoutJwk),
        (Fragment::Good, Upst::WithoutExp),
        (Fragment::Good, Upst::Text("not a token".into())),
    ] {
        let world = World::console();
        world.sim.console.rules().fragment = fragment;
        world.sim.console.rules().upst = upst;
        let woci = world.woci(&["session", "authenticate"]).start();
        let url = woci.auth_url();
        world.browsers(1);
        assert!(woci.is_running());
        world.sim.console.rules().fragment = Fragment::Good;
        world.sim.console.rules().upst = Upst::Good;
        world.program(&world.path("bin/browser"), &[&url]).run().ok();
        let run = woci.finish().ok();
        assert_eq!(run.json()["source"], "authenticated");
        assert!(!run.stderr.contains('\u{202e}'), "{run}");
    }
}

#[test]
fn a_session_that_has_already_ended_says_to_check_the_clock() {
    let world = World::console();
    world.sim.console.rules().upst = Upst::Expired;
    world.woci(&["session", "authenticate"]).run().fails(1).says("this machine's clock says");
    assert!(!world.session().path("token").exists());
}

#[test]
fn a_sign_in_whose_session_is_of_no_use_leaves_the_stored_one_as_it_was() {
    let of_provider = World::new();
    of_provider.woci(&["session", "authenticate"]).run().ok();
    of_provider.manager(&[("DEFAULT", &of_provider.console_settings())]);
    let of_console = World::console();
    of_console.woci(&["session", "authenticate"]).run().ok();
    for world in [of_provider, of_console] {
        let before = world.session().snapshot();
        world.sim.console.rules().upst = Upst::Expired;
        world.woci(&["session", "authenticate"]).run().fails(1).says("this machine's clock says");
        assert!(world.session().snapshot() == before, "{}", world.session().record());
    }
}

#[test]
fn another_sign_in_may_be_another_persons() {
    let world = World::console();
    world.woci(&["session", "authenticate"]).run().ok();
    world.sim.console.rules().upst = Upst::Of("ocid1.user.oc1..other", "ocid1.tenancy.oc1..other");
    let run = world.woci(&["session", "authenticate"]).run().ok();
    assert_eq!(run.json()["user"], "ocid1.user.oc1..other");
    run.says("is now of user ocid1.user.oc1..other").says(domain::USER);
}

#[test]
fn the_sign_in_is_in_the_realm_of_the_region() {
    let world = World::new();
    fs::remove_file(world.path(".oci/woci_manager.ini")).expect("it was written");
    let port = world.redirect_port().to_string();
    let new_region = r#"{"realmKey":"oc99","realmDomainComponent":"example.test","regionKey":"new","regionIdentifier":"xx-new-1"}"#;
    for (region, host) in [
        ("eu-frankfurt-1", "login.eu-frankfurt-1.oraclecloud.com"),
        ("FRA", "login.eu-frankfurt-1.oraclecloud.com"),
        ("us-gov-phoenix-1", "login.us-gov-phoenix-1.oraclegovcloud.com"),
        ("xx-new-1", "login.xx-new-1.example.test"),
        ("xx-unheard-of-1", "login.xx-unheard-of-1.oraclecloud.com"),
    ] {
        let woci = world
            .woci(&["session", "authenticate", "--redirect-port", &port, "--region", region])
            .env("OCI_REGION_METADATA", new_region)
            .browser("nothing")
            .start();
        assert!(woci.auth_url().starts_with(&format!("https://{host}/v1/oauth2/authorize?")), "{region}");
        woci.signal(libc::SIGTERM);
        let run = woci.finish().exits(143);
        assert_eq!(run.stderr.contains("does not know the region"), host.contains("xx-unheard-of"), "{run}");
    }
    let woci =
        world.woci(&["session", "authenticate", "--redirect-port", &port, "--region", "eu-frankfurt1"]);
    let woci = woci.browser("nothing").start();
    woci.says("does not know the region eu-frankfurt1 (did you mean eu-frankfurt-1?)");
    woci.auth_url();
    woci.signal(libc::SIGTERM);
    woci.finish().exits(143);
    for region in ["", "a.b", "evil.example.com/x", "-"] {
        world.woci(&["session", "authenticate", &format!("--region={region}")]).run().fails(2);
    }
}

#[test]
fn a_suggested_sign_in_repeats_the_region_that_was_given_to_the_first() {
    let world = World::new();
    fs::remove_file(world.path(".oci/woci_manager.ini")).expect("it was written");
    world.write(".oci/config", "[DEFAULT]\nuser=ocid1.user.oc1..a\nkey_file=/k.pem\n");
    let run = world.woci(&["session", "authenticate", "--region", "us-ashburn-1"]).run().fails(2);
    run.says("`woci session authenticate --profile DEFAULT --region us-ashburn-1 --replace-api-key`");
    // A region for one command is not that of a sign-in.
    let run = world.woci(&["--region", "us-ashburn-1", "os", "ns", "get"]).run().fails(2);
    run.says("`woci session authenticate --region REGION --profile DEFAULT`");
}

// The renewal.

#[test]
fn a_session_is_renewed_when_less_than_half_of_its_life_is_left() {
    let world = World::console();
    let session = world.session();
    session.seed_console(FRESH);
    let (before, key) = (session.token(), session.key());
    assert_eq!(world.woci(&[]).run().ok().silent().json()["source"], "cached");
    assert_eq!((session.token(), world.sim.total()), (before.clone(), 0));

    session.seed_console(DUE);
    let run = world.woci(&["--log-level", "WARNING"]).run().ok().silent();
    assert_eq!(run.json()["source"], "refreshed");
    assert_eq!((renewals(&world), session.token() == before, session.key() == key), (1, false, true));
    assert_eq!(world.woci(&[]).run().ok().silent().json()["source"], "cached");
    assert_eq!(world.woci(&["os", "ns", "get"]).run().ok().json()["argv"][1], "--profile");
    assert_eq!((renewals(&world), world.sim.count(Grant::ConsoleSignIn)), (1, 0));
    assert_no_grants(&world);
    let record = session.record();
    assert_eq!(record["session_from"], "console");
    assert!(record["console"]["since"].is_i64(), "{record}");
}

#[test]
fn a_crowd_makes_one_renewal() {
    let world = World::console();
    world.session().seed_console(DUE);
    let gate = world.sim.hold_answers(Grant::ConsoleRefresh);
    let crowd: Vec<_> = (0..128).map(|_| world.woci(&[]).start()).collect();
    gate.wait_for(1);
    gate.open();
    let mut tokens = HashSet::new();
    for woci in crowd {
        tokens.insert(woci.finish().ok().json()["security_token"].as_str().map(str::to_owned));
    }
    assert_eq!((renewals(&world), tokens.len()), (1, 1));
}

#[test]
fn a_crowd_is_handed_the_old_token_if_the_service_refuses() {
    let world = World::console();
    world.session().seed_console(DUE);
    world.sim.fault(Grant::ConsoleRefresh, Fault::status(500, "").always());
    let crowd: Vec<_> = (0..16).map(|_| world.woci(&[]).start()).collect();
    for woci in crowd {
        assert_eq!(woci.finish().ok().silent().json()["source"], "cached");
    }
    assert_eq!(renewals(&world), 1, "after a failure, nobody tries again for half a minute");
}

#[test]
fn a_renewal_that_fails_costs_nothing() {
    let html = "<html>Please sign in</html>";
    for (fault, why) in [
        (
            Fault::status(403, r#"{"code":"NotAuthorized","message":"no policy for you"}"#),
            "no policy for you",
        ),
        (Fault::status(404, html), "404"),
        (Fault::status(429, "").times(3), "429"),
        (Fault::status(500, r#"{"code":"InternalError","message":"out of order"}"#), "out of order"),
        (Fault::status_with(503, &[("Retry-After", "60")], ""), "503"),
        (Fault::status(200, html), "JSON"),
        (Fault::status(200, ""), "JSON"),
        (Fault::status(200, "{}"), "token"),
        (Fault::status(200, r#"{"token":5}"#), "token"),
        (Fault::status(200, "{\"token\":\"a.b\\u0007.c\"}"), "token"),
        (Fault::redirect("http://127.0.0.1:9/"), "redirect"),
        (Fault::drop(), "auth"),
        (Fault::reset().after(), "auth"),
    ] {
        let world = World::console();
        let session = world.session();
        session.seed_console(DUE);
        let before = session.token();
        world.sim.fault(Grant::ConsoleRefresh, fault.clone());
        let run = world.woci(&[]).run().ok().silent();
        assert_eq!((&run.json()["source"], session.token()), (&"cached".into(), before.clone()), "{why}");
        // The next run does not try again at once.
        let requests = renewals(&world);
        world.woci(&[]).run().ok().silent();
        assert_eq!(renewals(&world), requests);

        // Who asks for a renewal is told.
        world.sim.fault(Grant::ConsoleRefresh, fault);
        let run = world.woci(&["session", "refresh"]).run().fails(1).says(why);
        assert!(!run.stderr.contains("propagation trust"), "{run}");
        assert_eq!((session.token(), world.sim.count(Grant::ConsoleSignIn)), (before, 0));
        assert_eq!(world.woci(&["session", "refresh"]).run().ok().json()["source"], "refreshed");
        assert_eq!(session.record()["console"].get("failed_renewal"), None);
    }
}

#[test]
fn a_renewed_token_that_is_of_no_use_replaces_nothing() {
    for (upst, why) in [
        (Upst::Expired, "clock"),
        (Upst::WithoutExp, "exp"),
        (Upst::OtherKey, "another key"),
        (Upst::Text("no token".into()), "token"),
        (Upst::Of("ocid1.user.oc1..other", domain::TENANCY), "ocid1.user.oc1..other"),
    ] {
        let world = World::console();
        let session = world.session();
        session.seed_console(DUE);
        let before = session.token();
        world.sim.console.rules().refreshed = upst;
        assert_eq!(world.woci(&[]).run().ok().silent().json()["source"], "cached", "{why}");
        world.woci(&[]).run().ok().silent();
        assert_eq!(renewals(&world), 1, "{why}");
        world.woci(&["session", "refresh"]).run().fails(1).says(why);
        assert_eq!(session.token(), before, "{why}");
    }
}

#[test]
fn a_renewed_token_that_ends_earlier_replaces_nothing() {
    let world = World::console();
    world.session().seed_console(DUE);
    let before = world.session().token();
    world.sim.console.rules().upst_lifetime = DUE / 2;
    assert_eq!(world.woci(&[]).run().ok().silent().json()["source"], "cached");
    world.woci(&["session", "refresh"]).run().fails(1).says("before the one that it would replace");
    assert_eq!((world.session().token(), renewals(&world)), (before, 2));
}

#[test]
fn a_renewal_that_brings_the_same_token_is_not_repeated_at_once() {
    let world = World::console();
    world.session().seed_console(DUE);
    let document = serde_json::json!({"token": world.session().token()});
    world.sim.console.rules().refreshed = Upst::Document(document);
    for _ in 0..3 {
        world.woci(&["--log-level", "WARNING"]).run().ok().silent();
    }
    assert_eq!(renewals(&world), 1);
}

#[test]
fn a_valid_session_does_not_wait_for_a_person_who_signs_in() {
    let world = World::console();
    world.session().seed_console(DUE);
    let sign_in = world.woci(&["session", "authenticate"]).browser("nothing").start();
    sign_in.auth_url();
    // A run that waited would say so after a second.
    assert_eq!(world.woci(&[]).run().ok().silent().json()["source"], "cached");
    world.session().seed_console(ENDING);
    world.woci(&[]).run().ok().says("WARNING The session of profile DEFAULT ends at ").says("(sign-in)");
    sign_in.signal(libc::SIGTERM);
    sign_in.finish().exits(143);
}

#[test]
fn a_session_that_ends_soon_and_cannot_be_renewed_is_a_warning() {
    let mut world = World::console();
    world.session().seed_console(ENDING);
    world.sim.close_auth_service();
    let run = world.woci(&["os", "ns", "get"]).run().ok();
    let run = run.says("WARNING The session of profile DEFAULT ends at ").says("cannot reach");
    assert_eq!(run.stderr.lines().count(), 1, "{run}");
}

#[test]
fn what_oracle_no_longer_renews_serves_until_its_end_and_then_a_person_is_asked() {
    let world = World::console();
    let session = world.session();
    session.seed_console(DUE);
    world.sim.console.end_all();
    for _ in 0..2 {
        assert_eq!(world.woci(&["--sign-in", "never"]).run().ok().silent().json()["source"], "cached");
    }
    assert_eq!(renewals(&world), 1, "the refusal is remembered");
    world.woci(&["session", "refresh", "--sign-in", "never"]).run().fails(1).says("session authenticate");

    session.expire();
    world.woci(&["--sign-in", "never"]).run().fails(1).says("`woci session authenticate --profile DEFAULT`");
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
    assert_eq!((renewals(&world), world.sim.count(Grant::ConsoleSignIn)), (1, 1));
    assert_eq!(world.woci(&[]).run().ok().silent().json()["source"], "cached");
}

#[test]
fn the_last_minutes_of_a_session_that_only_a_person_can_renew_are_a_warning() {
    let world = World::console();
    world.session().seed_console(ENDING);
    world.sim.console.end_all();
    for _ in 0..2 {
        let run = world.woci(&["--sign-in", "never"]).run().ok();
        let run = run.says("WARNING The session of profile DEFAULT ends at ");
        run.says("run `woci session authenticate --profile DEFAULT`");
    }
    assert_eq!(renewals(&world), 1);

    // The token ends together with the session.
    let mut claims = domain::claims(&Key::from_pem(jwt::SESSION_PEM).public(), ENDING);
    claims["sess_exp"] = jwt::http_date(claims["exp"].as_i64().expect("a time")).into();
    claims["iat"] = (jwt::now() - 10).into();
    world.session().put_token(claims);
    let run = world.woci(&[]).run().ok();
    run.says("WARNING The session of profile DEFAULT ends at ").says("session authenticate");
    assert_eq!(renewals(&world), 1);
}

#[test]
fn a_session_beyond_its_end_is_not_asked_for() {
    let world = World::console();
    let key = Key::from_pem(jwt::SESSION_PEM).public();
    world.session().seed_console(DUE);
    let mut claims = domain::claims(&key, DUE);
    claims["sess_exp"] = jwt::http_date(jwt::now() - 60).into();
    world.session().put_token(claims);
    assert_eq!(world.woci(&[]).run().ok().silent().json()["source"], "cached");
    let run = world.woci(&["session", "refresh", "--sign-in", "never"]).run().fails(1);
    run.says("the session has reached its end, and a console session is not renewed beyond that");
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn a_clock_that_is_off_is_named() {
    for off in [-6 * MINUTE, 6 * MINUTE, 3 * 60 * MINUTE] {
        let world = World::console();
        world.session().seed_console(DUE);
        world.sim.console.rules().clock_off = off;
        assert_eq!(world.woci(&[]).run().ok().silent().json()["source"], "cached");
        let said = match off {
            ..0 => "fast: it says ",
            _ => "slow: it says ",
        };
        world.woci(&["session", "refresh"]).run().fails(1).says(said);
        // The session is not over.
        world.sim.console.rules().clock_off = 0;
        assert_eq!(world.woci(&["session", "refresh"]).run().ok().json()["source"], "refreshed");
        assert_eq!(world.sim.count(Grant::ConsoleSignIn), 0);
    }
}

#[test]
fn the_daemon_and_the_thread_renew_at_half_of_the_life_and_need_no_refresh_token() {
    let world = World::console();
    world.session().seed_console(DUE);
    let document = world.woci(&["--daemon", "session", "refresh"]).run().ok().json();
    assert_eq!((&document["running"], renewals(&world)), (&Value::Bool(true), 1));
    let next = document["next_refresh"].as_str().expect("a time").to_owned();
    let half = jwt::claims(&world.session().token());
    let half = (half["iat"].as_i64().unwrap_or_default() + half["exp"].as_i64().unwrap_or_default()) / 2;
    assert!(next.starts_with(&iso(half)), "{next}, not {}", iso(half));
    world.woci(&["--stop-daemon"]).run().ok();

    world.session().seed_console(FRESH);
    let run = world.woci(&["--auto-refresh", "os", "ns", "get"]).run().ok().silent();
    assert_eq!(run.json()["argv"][1], "--profile");

    // A daemon that finds the session over ends with its reason.
    world.session().seed_console(DUE);
    world.sim.console.end_all();
    let run = world.woci(&["--daemon", "--foreground"]).run();
    run.exits(3).says("session authenticate");
}

/// Every run renews such a session from then on, and the daemon goes by the same rule.
#[test]
fn a_token_that_does_not_say_when_it_was_issued_is_renewed_from_half_an_hour_before_its_end() {
    let world = World::console();
    world.session().seed_console(FRESH);
    let exp = world.session().forget_iat();
    let document = world.woci(&["--daemon"]).run().ok().json();
    assert_eq!((seconds(&document["next_refresh"]), renewals(&world)), (exp - 30 * MINUTE, 0));
    world.woci(&["--stop-daemon"]).run().ok();
}

/// Day and hour of a Unix time, as the documents write it.
fn iso(time: i64) -> String {
    let date = jwt::http_date(time);
    let parts: Vec<_> = date.split(' ').collect();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|month| *month == parts[2]).expect("a month") + 1;
    format!("{}-{month:02}-{}T{}", parts[3], parts[1], &parts[4][..5])
}

// Sessions that oci has made.

#[test]
fn a_session_of_oci_is_renewed_as_it_stands() {
    let world = World::console();
    world.session().seed_of_oci("oci_api_key.pem", DUE);
    let (config, files) = (world.read(".oci/config"), world.session().files());
    let run = world.woci(&[]).run().ok();
    assert_eq!(run.json()["source"], "refreshed");
    assert_eq!(world.read(".oci/config"), config, "the section says it already");
    let ours = ["session.json", "session.lock"];
    let after: Vec<_> = world.session().files().into_iter().filter(|name| !ours.contains(&&**name)).collect();
    assert_eq!(after, files);
    // The record begins with the token that oci left.
    let since = world.session().record()["console"]["since"].as_i64().expect("a time");
    assert!((30 * MINUTE..50 * MINUTE).contains(&(jwt::now() - since)), "{since}");
    assert_no_grants(&world);
}

#[test]
fn a_key_of_oci_is_found_by_another_path_and_without_a_section() {
    let world = World::console();
    world.session().seed_of_oci("oci_api_key.pem", DUE);
    symlink(world.path(".oci"), world.path("other")).expect("a home takes a link");
    let config = world.read(".oci/config").replace("/.oci/sessions", "/other/sessions");
    world.write(".oci/config", &config);
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");

    world.session().seed_of_oci("oci_api_key.pem", DUE);
    world.write(".oci/config", "");
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    assert!(world.read(".oci/config").contains("oci_api_key.pem"));
    assert_eq!(renewals(&world), 2);
}

#[test]
fn a_session_with_an_encrypted_key_is_left_alone() {
    let world = World::console();
    for left in [FRESH, DUE, -60] {
        world.session().seed_of_oci("oci_api_key.pem", left);
        world.session().write("oci_api_key.pem", fs::read("fixtures/keys/encrypted.pem").expect("a fixture"));
        world.write(".oci/config", world.read(".oci/config") + "pass_phrase=p4ss\n");
        let (config, files) = (world.read(".oci/config"), world.session().snapshot());
        for words in [&[][..], &["session", "refresh"], &["env"]] {
            world
                .woci(words)
                .run()
                .fails(1)
                .says("oci_api_key.pem")
                .says("it is encrypted with a passphrase (oci session authenticate --use-passphrase)")
                .says("session authenticate");
        }
        assert_eq!((world.read(".oci/config"), world.session().snapshot()), (config, files));
    }
    assert_eq!(world.sim.total(), 0);
    world.woci(&["session", "authenticate"]).run().ok().says("the file as it was is kept");
    assert_eq!(world.woci(&[]).run().ok().silent().json()["source"], "cached");
    assert!(!world.read(".oci/config").contains("pass_phrase"));
    // The encrypted key stays for whoever has its passphrase.
    assert!(world.session().path("oci_api_key.pem").exists());
}

#[test]
fn an_encrypted_key_of_oci_beside_a_session_with_another_key_is_not_in_the_way() {
    let world = World::console();
    world.session().seed_of_oci("oci_api_key.pem", FRESH);
    world.session().write("oci_api_key.pem", fs::read("fixtures/keys/encrypted.pem").expect("a fixture"));
    // As a sign-in leaves it where the OCI config cannot be written.
    world.session().seed_console(FRESH);
    assert_eq!(world.woci(&[]).run().ok().silent().json()["source"], "cached");
}

#[test]
fn a_session_that_oci_made_since_is_not_renewed_where_the_former_one_was() {
    let world = World::new();
    fs::remove_file(world.path(".oci/woci_manager.ini")).expect("it was written");
    options(&world, &["session", "authenticate"]).run().ok();
    world.session().seed_of_oci("oci_api_key.pem", DUE);
    // The region's own service cannot be reached through this proxy.
    let woci = |words: &[&str]| world.woci(words).env("HTTPS_PROXY", "http://127.0.0.1:9");
    woci(&["session", "refresh"]).run().fails(1).says("127.0.0.1:9");
    assert_eq!(woci(&[]).run().ok().silent().json()["source"], "cached");
    assert_eq!(renewals(&world), 0);
}

// The choice.

#[test]
fn a_tenancy_can_be_named_for_a_console_session_alone() {
    let world = World::new();
    for option in ["--tenancy-name", "--identity-provider-name"] {
        world.woci(&["session", "authenticate", option, "acme"]).run().fails(2).says(option);
    }
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn nothing_configured_is_an_error_that_begins_with_the_console() {
    let world = World::new();
    fs::remove_file(world.path(".oci/woci_manager.ini")).expect("it was written");
    for words in [&[][..], &["env"], &["session", "refresh"], &["os", "ns", "get"]] {
        let run = world.woci(words).run().fails(2).says("Missing required options: --authz-base-url");
        run.says("run `woci session authenticate --region REGION --profile DEFAULT`");
    }
    let run = world.woci(&["session", "authenticate"]).run().fails(2);
    run.says("Missing required options: --region (region);");
    assert_eq!(world.sim.total(), 0);
    assert_eq!(world.sessions().len(), 0, "no folder is left");
}

#[test]
fn a_configured_console_session_begins_only_if_a_person_asks_for_it() {
    let world = World::console();
    world.woci(&[]).run().fails(1).says("`woci session authenticate --profile DEFAULT`");
    assert_eq!(world.sim.total(), 0);
    assert_eq!(world.sessions().len(), 0, "no folder is left");
}

#[test]
fn from_a_provider_to_the_console_and_back_nothing_of_the_former_is_sent() {
    let world = World::new();
    world.woci(&["session", "authenticate"]).run().ok();
    let refresh_token = world.session().refresh_token().expect("a refresh token");
    world.manager(&[("DEFAULT", &world.console_settings())]);
    let run = world.woci(&["session", "authenticate"]).run().ok();
    assert_eq!(
        (run.json()["source"].clone(), world.session().refresh_token()),
        ("authenticated".into(), None)
    );
    let sent = world.sim.requests(Grant::Refresh).len() + world.sim.requests(Grant::Exchange).len();
    assert_eq!(sent, 1, "the exchange of the first sign-in");

    world.manager(&[("DEFAULT", &world.settings())]);
    world.woci(&["--sign-in", "never"]).run().fails(1).says("session_from changed from console to provider");
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
    assert_ne!(world.session().refresh_token(), Some(refresh_token));
    assert_eq!((renewals(&world), world.sim.count(Grant::ConsoleSignIn)), (0, 1));
    // A valid session serves where nothing is configured any more.
    world.manager(&[("DEFAULT", &[])]);
    assert_eq!(world.woci(&[]).run().ok().silent().json()["source"], "cached");
}

#[test]
fn another_auth_service_is_sent_no_token() {
    let world = World::console();
    world.woci(&["session", "authenticate"]).run().ok();
    let mut settings = world.console_settings();
    settings.retain(|(key, _)| key != "auth_service_url");
    settings.push(("auth_service_url".into(), "http://127.0.0.1:9".into()));
    world.manager(&[("DEFAULT", &settings)]);
    let run = world.woci(&["--sign-in", "never"]).run().fails(1);
    run.says("auth_service_url changed from").says("http://127.0.0.1:9");
    assert_eq!(renewals(&world), 0);
}
