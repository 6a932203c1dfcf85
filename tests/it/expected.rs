//! `expect_user` and `expect_tenancy`: the session of another user or tenancy is refused before anything of it is
//! stored, however it came about, and a stored one is not used.

use crate::sim::domain::{TENANCY, USER, Upst};
use crate::sim::faults::{Fault, Grant};
use crate::world::World;
use crate::world::run::Run;

const EVE: &str = "ocid1.user.oc1..eve";
const ELSEWHERE: &str = "ocid1.tenancy.oc1..elsewhere";

/// Adds to a section what is expected.
fn expecting(mut section: Vec<(String, String)>, user: &str, tenancy: &str) -> Vec<(String, String)> {
    let expected = [("expect_user", user), ("expect_tenancy", tenancy)];
    let set = expected.into_iter().filter(|(_, value)| !value.is_empty());
    section.extend(set.map(|(key, value)| (key.to_owned(), value.to_owned())));
    section
}

/// A World whose `[DEFAULT]` expects this user and this tenancy, each if it is not empty.
fn expects(user: &str, tenancy: &str) -> World {
    let world = World::new();
    world.manager(&[("DEFAULT", &expecting(world.settings(), user, tenancy))]);
    world
}

/// The files of the session but for session.json, which remembers the sign-in.
fn files(world: &World) -> Vec<(String, Vec<u8>)> {
    let mut files = world.session().snapshot();
    files.retain(|(name, _)| name != "session.json");
    files
}

fn refused(run: Run, named: &[&str]) {
    let run = run.fails(1).says("cannot take the session for profile DEFAULT");
    named.iter().fold(run, |run, name| run.says(name));
}

#[test]
fn the_session_of_the_expected_user_and_tenancy_is_taken() {
    for (user, tenancy) in [(USER, ""), ("", TENANCY), (USER, TENANCY)] {
        let world = expects(user, tenancy);
        assert_eq!(world.woci(&[]).run().ok().json()["user"], USER);
        assert!(world.session().refresh_token().is_some());
        world.woci(&[]).run().ok().silent();
        assert_eq!(world.woci(&["session", "refresh"]).run().ok().json()["source"], "refreshed");
    }
}

#[test]
fn a_first_sign_in_of_another_is_refused_and_nothing_of_it_is_stored() {
    for (user, tenancy) in [(EVE, TENANCY), (USER, ELSEWHERE)] {
        let world = expects(USER, TENANCY);
        world.sim.domain.rules().upst = Upst::Of(user, tenancy);
        refused(world.woci(&["session", "authenticate"]).run(), &[user, tenancy, USER, TENANCY]);
        assert_eq!(files(&world), []);
        assert!(!world.path(".oci/config").exists());
        let page = world.browsers(1)[0]["pages"][0].clone();
        assert!(page["body"].as_str().is_some_and(|body| body.contains(user)), "{page}");
        // Another run in the background opens no second tab.
        world.woci(&[]).run().fails(1).says("was unsuccessful");
        assert_eq!(world.sign_ins(), 1);
        world.sim.domain.rules().upst = Upst::Good;
        world.woci(&["session", "authenticate"]).run().ok();
        world.woci(&[]).run().ok().silent();
    }
}

#[test]
fn after_a_sign_in_that_is_refused_the_former_session_stays() {
    let world = expects(USER, "");
    world.woci(&[]).run().ok();
    let (before, config) = (files(&world), world.read(".oci/config"));
    world.sim.domain.rules().upst = Upst::Of(EVE, TENANCY);
    refused(world.woci(&["session", "authenticate"]).run(), &[EVE, USER]);
    assert_eq!((files(&world), world.read(".oci/config")), (before, config));
    world.woci(&[]).run().ok().silent();
    world.sim.domain.rules().upst = Upst::Good;
    assert_eq!(world.woci(&["session", "refresh"]).run().ok().json()["source"], "refreshed");
}

/// Until the exchange has shown whose they are, the tokens of a sign-in are not stored.
#[test]
fn a_sign_in_whose_exchange_fails_leaves_the_former_session() {
    let world = expects(USER, "");
    world.woci(&[]).run().ok();
    let before = files(&world);
    world.sim.fault(Grant::Exchange, Fault::status(500, "{}"));
    world.woci(&["session", "authenticate"]).run().fails(1).says("HTTP 500");
    assert_eq!(files(&world), before);
    assert_eq!(world.woci(&["session", "refresh"]).run().ok().json()["source"], "refreshed");
}

#[test]
fn a_token_that_names_nobody_is_refused() {
    for (user, tenancy) in [(USER, ""), ("", TENANCY)] {
        let world = expects(user, tenancy);
        world.sim.domain.rules().upst = Upst::Nameless;
        refused(world.woci(&[]).run(), &["user unknown of tenancy unknown"]);
        assert_eq!(files(&world), []);
    }
}

#[test]
fn a_renewal_that_brings_another_is_refused_and_the_rotated_refresh_token_is_kept() {
    let world = expects(USER, "");
    world.woci(&[]).run().ok();
    world.session().expire();
    for upst in [Upst::Of(EVE, TENANCY), Upst::Nameless] {
        world.sim.domain.rules().upst = upst;
        let (token, refresh_token) = (world.session().token(), world.session().refresh_token());
        refused(world.woci(&[]).run(), &[USER]);
        assert_eq!(world.session().token(), token);
        assert_ne!(world.session().refresh_token(), refresh_token);
    }
    world.sim.domain.rules().upst = Upst::Good;
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    assert_eq!(world.sign_ins(), 1);
}

/// A renewal never changes whose a session is, so that nothing is sent.
#[test]
fn a_stored_session_of_another_is_not_used_and_only_a_sign_in_replaces_it() {
    for (user, tenancy) in [(EVE, ""), ("", ELSEWHERE)] {
        let world = World::new();
        world.woci(&[]).run().ok();
        let (requests, before) = (world.sim.total(), world.session().snapshot());
        world.manager(&[("DEFAULT", &expecting(world.settings(), user, tenancy))]);
        for words in [&[][..], &["os", "ns", "get"], &["session", "refresh"]] {
            let run = world.woci(&[&["--sign-in", "never"], words].concat()).run().fails(1);
            run.says(USER).says(TENANCY).says(user).says(tenancy);
        }
        assert_eq!((world.sim.total(), world.session().snapshot()), (requests, before));
        world.sim.domain.rules().upst = Upst::Of(
            if user.is_empty() { USER } else { user },
            if tenancy.is_empty() { TENANCY } else { tenancy },
        );
        assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
        world.woci(&[]).run().ok().silent();
    }
}

#[test]
fn a_console_session_of_another_is_refused() {
    let world = World::console();
    world.manager(&[("DEFAULT", &expecting(world.console_settings(), USER, TENANCY))]);
    world.sim.console.rules().upst = Upst::Of(EVE, TENANCY);
    refused(world.woci(&["session", "authenticate"]).run(), &[EVE, USER]);
    assert_eq!(files(&world), []);
    world.sim.console.rules().upst = Upst::Good;
    world.woci(&["session", "authenticate"]).run().ok();
    let before = files(&world);
    for upst in [Upst::Of(EVE, TENANCY), Upst::Nameless] {
        world.sim.console.rules().refreshed = upst;
        refused(world.woci(&["session", "refresh"]).run(), &[USER]);
        assert_eq!(files(&world), before);
    }
    world.sim.console.rules().refreshed = Upst::Good;
    world.woci(&["session", "refresh"]).run().ok();

    // The session of a provider stays, with its refresh token.
    let world = World::new();
    world.woci(&[]).run().ok();
    let before = files(&world);
    world.manager(&[("DEFAULT", &expecting(world.console_settings(), USER, ""))]);
    world.sim.console.rules().upst = Upst::Of(EVE, TENANCY);
    refused(world.woci(&["session", "authenticate"]).run(), &[EVE, USER]);
    assert_eq!(files(&world), before);
    world.manager(&[("DEFAULT", &expecting(world.settings(), USER, ""))]);
    assert_eq!(world.woci(&["session", "refresh"]).run().ok().json()["source"], "refreshed");
}

#[test]
fn a_workload_s_session_of_another_is_refused() {
    let world = World::new();
    let mut section =
        world.settings_with(&[("authz_base_url", None), ("token_url", None), ("auth_client_id", None)]);
    section.push(("subject_token_env".into(), "ID_TOKEN".into()));
    let token = world.sim.provider.workload_token(3600);
    let woci = |words: &[&str]| world.woci(words).env("ID_TOKEN", &token).run();
    world.manager(&[("DEFAULT", &expecting(section.clone(), USER, ""))]);
    world.sim.domain.rules().upst = Upst::Of(EVE, TENANCY);
    refused(woci(&[]), &[EVE, USER]);
    assert_eq!(files(&world), []);
    // Without an expectation, the workload's session is taken as it is.
    world.manager(&[("DEFAULT", &section)]);
    woci(&[]).ok();
    let before = world.session().token();
    // An expectation that the stored one does not meet needs no person: the next token is of the expected user.
    world.manager(&[("DEFAULT", &expecting(section, USER, ""))]);
    refused(woci(&[]), &[EVE, USER]);
    assert_eq!(world.session().token(), before);
    world.sim.domain.rules().upst = Upst::Good;
    assert_eq!(woci(&[]).ok().json()["user"], USER);
    woci(&[]).ok().silent();
}
