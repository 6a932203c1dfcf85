//! Many processes at one session: whatever is removed under them and whoever fails, there is one refresh and one
//! failure for all, and nobody reads half of a file.

use crate::sim::domain;
use crate::sim::faults::{Fault, Gate, Grant};
use crate::sim::jwt;
use crate::world::World;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A person, or a clean-up, removes what looks like a left-over.
#[test]
fn a_lock_file_that_is_removed_under_its_holder_still_means_one_refresh() {
    let world = World::signed_in();
    let gate = world.sim.hold(Grant::Refresh);
    let first = world.woci(&["session", "refresh"]).start();
    gate.wait_for(1);
    world.session().remove("session.lock");
    let others: Vec<_> = (0..3).map(|_| world.woci(&["session", "refresh"]).start()).collect();
    others.iter().for_each(|woci| drop(woci.says("Waiting for")));
    gate.open();
    let token = first.finish().ok().json()["security_token"].clone();
    others.into_iter().for_each(|woci| assert_eq!(woci.finish().ok().json()["security_token"], token));
    assert_eq!(world.sim.count(Grant::Refresh), 1);
    assert!(world.session().files().contains(&"session.lock".to_owned()));
}

#[test]
fn a_failure_is_shared_with_those_who_wait_for_it() {
    for (grant, status) in [(Grant::Refresh, 429), (Grant::Exchange, 503), (Grant::Refresh, 503)] {
        let world = World::signed_in();
        world.session().expire();
        world.sim.fault(grant, Fault::status(status, "{}").always());
        world.session().write("session.lock", "1 refresh 60\n");
        let lock = fs::File::open(world.session().path("session.lock")).expect("it was written");
        lock.lock().expect("nobody holds it");
        let crowd: Vec<_> = (0..12).map(|_| world.woci(&[]).start()).collect();
        crowd.iter().for_each(|woci| drop(woci.says("Waiting for")));
        drop(lock);
        for woci in crowd {
            let run = woci.finish().fails(1);
            assert!(run.stderr.contains(&format!("HTTP {status}")), "{run}");
        }
        assert!(world.sim.count(grant) <= 6, "{grant:?} {status}: {} requests", world.sim.count(grant));
        // A failure is shared with nobody who comes later.
        world.sim.clear_faults();
        assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    }
}

/// A process that is killed has no failure to share.
#[test]
fn those_who_wait_for_a_process_that_is_killed_try_themselves() {
    let world = World::signed_in();
    world.session().expire();
    let shut = Gate::default();
    world.sim.fault(Grant::Refresh, Fault::hold(&shut));
    let dies = world.woci(&[]).start();
    shut.wait_for(1);
    let waits: Vec<_> = (0..3).map(|_| world.woci(&[]).start()).collect();
    waits.iter().for_each(|woci| drop(woci.says("Waiting for")));
    dies.signal(libc::SIGKILL);
    waits.into_iter().for_each(|woci| drop(woci.finish().ok()));
    dies.finish().exits(128 + libc::SIGKILL);
}

#[test]
fn a_daemon_a_thread_and_ten_runs_that_are_due_at_once_make_one_refresh() {
    let world = World::signed_in();
    let _daemon = crate::daemon::Daemon::of_profile(&world, "DEFAULT");
    world.woci(&["--daemon"]).run().ok();
    let gate = world.sim.hold(Grant::Refresh);
    let beside = world.woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "1").start();
    beside.prints("ready");
    world.session().expire();
    let runs: Vec<_> = (0..10).map(|_| world.woci(&[]).start()).collect();
    gate.wait_for(1);
    gate.open();
    let tokens: std::collections::HashSet<_> =
        runs.into_iter().map(|woci| woci.finish().ok().json()["security_token"].to_string()).collect();
    assert_eq!(tokens.len(), 1);
    beside.signal(libc::SIGTERM);
    beside.finish().ok();
    world.woci(&["--stop-daemon"]).run().ok();
    assert_eq!(world.sim.count(Grant::Refresh), 1);
}

/// Key and token are read without a lock, as every SDK does it.
#[test]
fn whoever_reads_during_refreshes_reads_whole_files_that_match() {
    let world = World::signed_in();
    let key = jwt::Key::from_pem(jwt::SESSION_PEM).public();
    let (over, session) = (AtomicBool::new(false), world.session());
    let (token_file, key_file) = (session.path("token"), session.path("private_key.pem"));
    let pem = session.key();
    thread::scope(|scope| {
        let reader = || {
            let mut reads = 0;
            while !over.load(Ordering::Relaxed) {
                let token = fs::read_to_string(&token_file).expect("it is always there");
                assert_eq!(token.split('.').count(), 3, "{token}");
                let claims = jwt::claims(token.trim_end());
                assert_eq!(claims["jwk"], domain::claims(&key, 1)["jwk"]);
                let text = fs::read_to_string(&key_file).expect("it is always there");
                assert!(text.starts_with(pem.trim_end()), "{text}");
                reads += 1;
            }
            reads
        };
        let reader = scope.spawn(reader);
        (0..20).for_each(|_| drop(world.woci(&["session", "refresh"]).run().ok()));
        over.store(true, Ordering::Relaxed);
        assert!(reader.join().expect("no read was torn") > 20);
    });
}

#[test]
fn whoever_reads_the_config_during_parallel_writes_reads_whole_sections() {
    let world = World::new();
    let names: Vec<_> = (0..10).map(|number| format!("p{number}")).collect();
    names.iter().for_each(|name| world.session_of(name).seed(3600));
    world.write(".oci/config", "[kept]\nregion = us-ashburn-1\n# the end of the person's own part\n");
    let (over, config) = (AtomicBool::new(false), world.path(".oci/config"));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let text = fs::read_to_string(&config).expect("it is always there");
                assert!(text.starts_with("[kept]\nregion = us-ashburn-1\n# the end"), "{text}");
                assert!(text.ends_with('\n'), "{text}");
                for section in text.split("\n[").skip(1) {
                    let keys = section.lines().filter(|line| line.contains('=')).count();
                    assert!(keys >= 4 || section.starts_with("kept]"), "{text}");
                }
            }
        });
        for region in ["us-ashburn-1", "eu-frankfurt-1", "us-phoenix-1"] {
            let settings = world.settings_with(&[("region", Some(region))]);
            let sections: Vec<_> = names.iter().map(|name| (name.as_str(), settings.as_slice())).collect();
            world.manager(&sections);
            let runs =
                names.iter().map(|name| world.woci(&["--profile", name, "session", "refresh"]).start());
            let runs: Vec<_> = runs.collect();
            runs.into_iter().for_each(|woci| drop(woci.finish().ok()));
        }
        over.store(true, Ordering::Relaxed);
        reader.join().expect("no read was torn");
    });
    let config = world.read(".oci/config");
    assert!(names.iter().all(|name| config.contains(&format!("[{name}]"))), "{config}");
}

#[test]
fn a_sign_in_during_the_daemons_refresh_leaves_a_key_and_a_token_that_match() {
    let world = World::signed_in();
    let _daemon = crate::daemon::Daemon::of_profile(&world, "DEFAULT");
    world.session().due_in(3);
    let gate = world.sim.hold_answers(Grant::Exchange);
    // Where this machine is slow, the session is due before the daemon is ready.
    let starting = world.woci(&["--daemon"]).start();
    gate.wait_for(1);
    let sign_in = world.woci(&["session", "authenticate"]).start();
    sign_in.says("Waiting for");
    gate.open();
    starting.finish().ok();
    assert_eq!(sign_in.finish().ok().json()["source"], "authenticated");
    world.woci(&["--stop-daemon"]).run().ok();
    assert_eq!(world.woci(&[]).run().ok().silent().json()["source"], "cached");
    assert_eq!(
        world.session().refresh_token().map(|token| world.sim.provider.standing(&token)),
        Some(crate::sim::ledger::Standing::Live)
    );
}

#[test]
fn another_config_file_leaves_the_usual_one_alone() {
    let world = World::signed_in();
    world.write(".oci/config", "[DEFAULT]\n# mine\n");
    fs::create_dir(world.path("elsewhere")).expect("a new folder");
    let other = world.path("elsewhere/config");
    let other = other.to_str().expect("UTF-8");
    fs::copy(world.path(".oci/woci_manager.ini"), world.path("elsewhere/woci_manager.ini")).expect("a copy");
    for words in [&["session", "refresh"][..], &["session", "authenticate"], &["env"], &["os", "ns", "get"]] {
        world.woci(&["--config-file", other]).args(words).run().ok();
    }
    assert_eq!(world.read(".oci/config"), "[DEFAULT]\n# mine\n");
    assert!(world.read("elsewhere/config").contains("security_token_file"));
}
