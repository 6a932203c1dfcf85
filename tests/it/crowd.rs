//! Many processes at once: there is one refresh or one sign-in for all; if the process that does it is killed,
//! another takes over, and if it hangs, the others name it. Profiles do not wait for each other, and a warm run waits
//! for none. The older tool does not use the lock, so that files are read again if a refresh fails.

use crate::sim::faults::{Fault, Gate, Grant};
use crate::world::World;
use crate::world::run::Running;
use crate::world::session::Session;
use std::collections::HashSet;
use std::fs::File;
use std::time::{Duration, Instant};

const CROWD: usize = 128;

#[test]
fn many_processes_refresh_once() {
    let world = World::signed_in();
    world.session().expire();
    let gate = world.sim.hold(Grant::Refresh);
    let crowd: Vec<_> = (0..CROWD).map(|_| world.woci(&[]).start()).collect();
    gate.wait_for(1);
    all_wait_for_one(&crowd, &world.session());
    gate.open();
    let credentials: Vec<_> = crowd.into_iter().map(|woci| woci.finish().ok().json()).collect();
    let tokens: HashSet<_> =
        credentials.iter().map(|credential| credential["security_token"].as_str()).collect();
    assert_eq!(tokens.len(), 1, "the same UPST for all");
    let refreshed = credentials.iter().filter(|credential| credential["source"] == "refreshed").count();
    assert_eq!(refreshed, 1);
    assert_eq!(
        (world.sim.count(Grant::Refresh), world.sim.count(Grant::Exchange), world.sign_ins()),
        (1, 1, 0)
    );
}

#[test]
fn many_processes_without_a_session_open_one_browser() {
    let world = World::new();
    let gate = world.sim.hold(Grant::Authorize);
    let crowd: Vec<_> = (0..16).map(|_| world.woci(&[]).start()).collect();
    gate.wait_for(1);
    all_wait_for_one(&crowd, &world.session());
    gate.open();
    let tokens: HashSet<_> =
        crowd.into_iter().map(|woci| woci.finish().ok().json()["security_token"].to_string()).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!((world.sign_ins(), world.browsers(1).len(), world.sim.count(Grant::Exchange)), (1, 1, 1));
}

#[test]
fn session_refresh_of_many_processes_is_one_refresh() {
    let world = World::signed_in();
    let gate = world.sim.hold(Grant::Refresh);
    let crowd: Vec<_> = (0..8).map(|_| world.woci(&["session", "refresh"]).start()).collect();
    gate.wait_for(1);
    all_wait_for_one(&crowd, &world.session());
    gate.open();
    crowd.into_iter().for_each(|woci| drop(woci.finish().ok()));
    assert_eq!(world.sim.count(Grant::Refresh), 1);
}

#[test]
fn if_the_refreshing_process_is_killed_another_takes_over() {
    let world = World::signed_in();
    world.session().expire();
    // The request never reaches the provider: the gate stays shut.
    let shut = Gate::default();
    world.sim.fault(Grant::Refresh, Fault::hold(&shut));
    let dies = world.woci(&[]).start();
    let next = world.sim.hold(Grant::Exchange);
    shut.wait_for(1);
    let waits = world.woci(&[]).start();
    waits.says(&format!("Waiting for process {} (refresh)", dies.id));
    dies.signal(libc::SIGKILL);
    let killed = Instant::now();
    next.wait_for(1);
    // Takes a second on an idle machine; other tests run at the same time.
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
    next.open();
    assert_eq!(waits.finish().ok().json()["source"], "refreshed");
    dies.finish().exits(128 + libc::SIGKILL);
}

#[test]
fn a_process_killed_between_refresh_and_exchange_loses_nothing() {
    let world = World::signed_in();
    world.session().expire();
    let shut = Gate::default();
    world.sim.fault(Grant::Exchange, Fault::hold(&shut));
    let dies = world.woci(&[]).start();
    shut.wait_for(1);
    let waits = world.woci(&[]).start();
    waits.says("Waiting for process");
    dies.signal(libc::SIGKILL);
    assert_eq!(waits.finish().ok().json()["source"], "refreshed");
    dies.finish().exits(128 + libc::SIGKILL);
    assert_eq!((world.sim.count(Grant::Refresh), world.sign_ins()), (2, 0));
}

#[test]
fn a_killed_sign_in_is_not_remembered_as_unanswered() {
    let world = World::new();
    let dies = world.woci(&[]).browser("nothing").start();
    dies.auth_url();
    let waits = world.woci(&[]).start();
    waits.says(&format!("Waiting for process {} (sign-in)", dies.id));
    dies.signal(libc::SIGKILL);
    assert_eq!(waits.finish().ok().json()["source"], "authenticated");
    dies.finish().exits(128 + libc::SIGKILL);
}

#[test]
fn profiles_do_not_wait_for_each_other() {
    let world = World::signed_in();
    world.manager(&[("DEFAULT", &world.settings()), ("other", &world.settings())]);
    for profile in ["DEFAULT", "other"] {
        world.session_of(profile).seed(3600);
        world.session_of(profile).expire();
    }
    let gate = Gate::default();
    world.sim.fault(Grant::Refresh, Fault::hold(&gate));
    let waits = world.woci(&[]).start();
    gate.wait_for(1);
    assert_eq!(world.woci(&["--profile", "other"]).run().ok().json()["source"], "refreshed");
    assert!(waits.is_running());
    gate.open();
    waits.finish().ok();
}

#[test]
fn sign_ins_wait_for_each_other_only_on_the_same_port() {
    let world = World::new();
    let elsewhere = crate::world::free_port().to_string();
    let elsewhere = world.settings_with(&[("redirect_port", Some(&elsewhere))]);
    world.manager(&[("DEFAULT", &world.settings()), ("same", &world.settings()), ("elsewhere", &elsewhere)]);
    let gate = Gate::default();
    world.sim.fault(Grant::Authorize, Fault::hold(&gate));
    let first = world.woci(&[]).start();
    gate.wait_for(1);
    let second = world.woci(&["--profile", "same"]).start();
    second.says(&format!("Waiting for process {} (sign-in)", first.id));
    world.woci(&["--profile", "elsewhere"]).run().ok();
    assert_eq!(world.sign_ins(), 2);
    gate.open();
    first.finish().ok();
    second.finish().ok();
    assert_eq!(world.sign_ins(), 3);
}

#[test]
fn a_warm_run_takes_no_lock() {
    let world = World::new();
    world.woci(&[]).run().ok();
    let lock = File::open(world.session().path("session.lock")).expect("the lock file stays");
    lock.lock().expect("nobody holds it");
    assert_eq!(world.woci(&[]).run().ok().silent().json()["source"], "cached");
    world.woci(&["os", "ns", "get"]).run().ok().silent();
    world.woci(&["env"]).run().ok().silent();
}

#[test]
fn a_refresh_token_that_the_older_tool_has_rotated_meanwhile_is_used() {
    for with_upst in [false, true] {
        let world = World::signed_in();
        world.session().expire();
        let gate = Gate::default();
        world.sim.fault(Grant::Refresh, Fault::hold(&gate));
        let woci = world.woci(&[]).start();
        gate.wait_for(1);
        // The token of the other process is valid, the one that woci sent is not.
        world.sim.provider.revoke_all();
        world.session().write("refresh_token", world.sim.provider.issue_refresh_token());
        if with_upst {
            world.session().age(3600);
        }
        gate.open();
        let source = woci.finish().ok().json()["source"].clone();
        assert_eq!(source, if with_upst { "cached" } else { "refreshed" });
        assert_eq!(world.sim.count(Grant::Refresh), if with_upst { 1 } else { 2 });
        assert_eq!(world.sign_ins(), 0);
    }
}

#[test]
fn two_profiles_written_at_the_same_time_are_both_kept() {
    let world = World::new();
    let names: Vec<_> = (0..12).map(|number| format!("p{number}")).collect();
    let settings = world.settings();
    let sections: Vec<_> = names.iter().map(|name| (name.as_str(), settings.as_slice())).collect();
    world.manager(&sections);
    for name in &names {
        world.session_of(name).seed(3600);
        world.session_of(name).expire();
    }
    let gate = world.sim.hold(Grant::Exchange);
    let runs: Vec<_> = names.iter().map(|name| world.woci(&["--profile", name]).start()).collect();
    gate.wait_for(names.len());
    gate.open();
    runs.into_iter().for_each(|woci| drop(woci.finish().ok()));
    let config = world.read(".oci/config");
    for name in &names {
        let section = format!("[{name}]");
        assert_eq!(config.lines().filter(|line| *line == section).count(), 1, "{config}");
        let token = world.session_of(name).path("token");
        assert!(config.contains(token.to_str().expect("UTF-8")), "{config}");
    }
}

/// Waits until every process but the lock's holder says which process it waits for.
fn all_wait_for_one(crowd: &[Running<'_>], session: &Session<'_>) {
    let lock = session.read("session.lock").expect("it is held");
    let holder = lock.split_whitespace().next().expect("it names its holder");
    for woci in crowd.iter().filter(|woci| woci.id.to_string() != holder) {
        woci.says(&format!("Waiting for process {holder}"));
    }
    assert!(crowd.iter().any(|woci| woci.id.to_string() == holder));
}
