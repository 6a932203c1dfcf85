//! `--auto-refresh`: oci runs as a child process with the signals, masks and exit codes that it has without woci, a
//! thread refreshes the session in time, and woci ends as soon as oci has ended.

use crate::passthrough::compare_signals_with_and_without_woci;
use crate::sim::domain::{self, Upst};
use crate::sim::faults::{Fault, Gate, Grant};
use crate::world::World;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn oci_is_a_child_process_with_the_same_arguments() {
    let world = World::signed_in();
    let woci = world.woci(&["--auto-refresh", "os", "ns", "get"]).start();
    let id = woci.id;
    let heard = woci.finish().ok().silent().json();
    assert_ne!(heard["pid"], id);
    let expected = ["oci", "--profile", "DEFAULT", "--auth", "security_token", "os", "ns", "get"];
    assert_eq!(heard["argv"], serde_json::json!(expected));
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn the_config_key_turns_it_on() {
    let world = World::signed_in();
    world.manager(&[("DEFAULT", &world.settings_with(&[("auto_refresh", Some("true"))]))]);
    let woci = world.woci(&["os"]).start();
    let id = woci.id;
    assert_ne!(woci.finish().ok().silent().json()["pid"], id);
    // Commands that run no program are not affected.
    world.woci(&[]).run().ok().silent().json();
    world.woci(&["env"]).run().ok().silent();
}

#[test]
fn exit_codes_and_signals_of_oci_are_returned() {
    let world = World::signed_in();
    for code in [0, 1, 2, 42, 126, 127, 255] {
        let woci = world.woci(&["--auto-refresh", "os"]).env("SIM_OCI_EXIT", code.to_string());
        woci.run().exits(code).silent();
    }
    for signal in [libc::SIGKILL, libc::SIGSEGV, libc::SIGPIPE, libc::SIGTERM, libc::SIGINT] {
        let woci = world.woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNAL", signal.to_string());
        let run = woci.run();
        assert_eq!(run.status.code(), Some(128 + signal), "{run}");
    }
}

#[test]
fn sigterm_and_sighup_are_passed_on() {
    let world = World::signed_in();
    let woci =
        world.woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "3").env("SIM_OCI_EXIT", "9").start();
    woci.prints("ready");
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGTERM] {
        woci.signal(signal);
        woci.prints(&format!("signal {signal}"));
    }
    woci.finish().exits(9);
}

#[test]
fn after_a_sign_in_signals_are_passed_on_too() {
    for _ in 0..3 {
        let world = World::new();
        // A sign-in leaves threads running, which may receive the signal.
        let woci = world.woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "2").start();
        woci.prints("ready");
        woci.signal(libc::SIGTERM);
        woci.prints("signal 15");
        woci.signal(libc::SIGHUP);
        woci.finish().ok().prints("signal 1");
    }
}

#[test]
fn if_a_passed_on_signal_ends_oci_the_exit_code_is_128_plus_its_number() {
    let world = World::signed_in();
    let oci = "#!/bin/sh\necho ready; exec sleep 600\n";
    install(&world, "slow/oci", oci);
    let path = format!("{}:/usr/bin:/bin", world.path("slow").display());
    for signal in [libc::SIGTERM, libc::SIGHUP] {
        let woci = world.woci(&["--auto-refresh", "os"]).env("PATH", &path).start();
        woci.prints("ready");
        woci.signal(signal);
        woci.finish().exits(128 + signal);
    }
}

#[test]
fn ctrl_c_reaches_oci_and_does_not_end_woci() {
    let world = World::signed_in();
    let woci = world.woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "2").env("SIM_OCI_EXIT", "7");
    let mut woci = woci.terminal().start();
    woci.prints("ready");
    woci.types("\u{3}");
    woci.prints("signal 2");
    woci.types("\u{1c}");
    woci.finish().exits(7).prints("signal 3");
}

#[test]
fn oci_gets_the_signal_dispositions_it_has_without_woci() {
    let traps = ["", "trap '' HUP INT TERM;", "trap '' PIPE;", "trap '' CHLD QUIT;"];
    compare_signals_with_and_without_woci("woci --auto-refresh os", "Sig[BIC]*", &traps);
}

#[test]
fn an_ignored_sigchld_does_not_hide_the_end_of_oci() {
    let world = World::signed_in();
    world.shell("trap '' CHLD; exec woci --auto-refresh os").env("SIM_OCI_EXIT", "5").run().exits(5);
}

#[test]
fn a_missing_oci_is_exit_127_and_one_that_cannot_run_is_126() {
    let world = World::signed_in();
    fs::create_dir(world.path("empty")).expect("a new folder");
    world.woci(&["--auto-refresh", "os"]).env("PATH", world.path("empty")).run().fails(127);
    install(&world, "useless/oci", "#!/no/such/interpreter\n");
    world.woci(&["--auto-refresh", "os"]).env("PATH", world.path("useless")).run().fails(126);
}

#[test]
fn the_session_is_refreshed_while_oci_runs() {
    let world = World::signed_in();
    let (key, old) = (world.session().key(), world.session().due_in(2));
    let gate = world.sim.hold(Grant::Refresh);
    let woci = world.woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "1").start();
    woci.prints("ready");
    gate.wait_for(1);
    let exchanged = world.sim.hold_answers(Grant::Exchange);
    gate.open();
    exchanged.wait_for(1);
    exchanged.open();
    // Another run waits for the refresh and uses the new token.
    let beside = world.woci(&["session", "refresh"]).run().ok();
    assert!(["cached", "refreshed"].map(Into::into).contains(&beside.json()["source"]));
    woci.signal(libc::SIGTERM);
    woci.finish().ok();
    assert_ne!(world.session().token(), old);
    assert_eq!(world.session().key(), key);
}

#[test]
fn a_failed_refresh_is_a_warning() {
    let world = World::signed_in();
    world.session().due_in(-1);
    world.sim.fault(Grant::Refresh, Fault::status(500, "{}").always());
    let woci =
        world.woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "1").env("SIM_OCI_EXIT", "3").start();
    woci.prints("ready");
    woci.says("HTTP 500");
    woci.signal(libc::SIGTERM);
    let run = woci.finish().exits(3).prints("signal 15");
    assert!(!run.stderr.contains("woci: "), "{run}");
    assert_eq!(world.sim.count(Grant::Refresh), 1);
}

#[test]
fn a_dead_refresh_token_is_a_warning_and_opens_no_browser() {
    let world = World::signed_in();
    world.session().due_in(-1);
    world.sim.provider.revoke_all();
    let woci = world.woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "1").start();
    woci.prints("ready");
    woci.says("WARNING The session is no longer kept fresh");
    assert!(woci.is_running());
    woci.signal(libc::SIGTERM);
    woci.finish().ok();
    assert_eq!(world.sign_ins(), 0);
}

#[test]
fn the_session_of_another_person_is_a_warning_and_is_not_asked_for_again() {
    const EVE: &str = "ocid1.user.oc1..eve";
    let world = World::signed_in();
    world.session().due_in(-1);
    world.sim.domain.rules().upst = Upst::Of(EVE, domain::TENANCY);
    let woci = world.woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "1").start();
    woci.prints("ready");
    woci.says("WARNING The session is no longer kept fresh");
    woci.signal(libc::SIGTERM);
    woci.finish().ok().says(domain::USER).says(EVE);
}

#[test]
fn without_a_refresh_token_oci_runs() {
    let world = World::signed_in();
    world.session().remove("refresh_token");
    world.woci(&["--auto-refresh", "os"]).run().ok().says("WARNING").prints("argv");
}

#[test]
fn when_oci_ends_a_refresh_token_that_is_spent_is_waited_for() {
    let world = World::signed_in();
    world.session().due_in(-1);
    let gate = world.sim.hold_answers(Grant::Refresh);
    let woci = world.woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "1").start();
    woci.prints("ready");
    gate.wait_for(1);
    woci.signal(libc::SIGTERM);
    woci.prints("signal 15");
    gate.open();
    woci.finish().ok();
    assert_eq!(world.session().refresh_token(), world.sim.provider.live_refresh_token());
}

/// Once the refresh token is stored, the prompt does not wait for a domain that hangs.
#[test]
fn when_oci_ends_an_exchange_is_not_waited_for() {
    let world = World::signed_in();
    let old = world.session().due_in(-1);
    let shut = Gate::default();
    world.sim.fault(Grant::Exchange, Fault::hold(&shut));
    let woci = world.woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "1").start();
    woci.prints("ready");
    shut.wait_for(1);
    woci.signal(libc::SIGTERM);
    // Ends although the exchange has no answer.
    let ended = Instant::now();
    woci.finish().ok();
    assert!(ended.elapsed() < Duration::from_secs(10), "{:?}", ended.elapsed());
    assert_eq!(world.session().token(), old);
    assert_eq!(world.session().refresh_token(), world.sim.provider.live_refresh_token());
    shut.open();
    assert_eq!(world.woci(&["session", "refresh"]).run().ok().json()["source"], "refreshed");
}

/// Without woci, each of them would end oci.
#[test]
fn every_signal_that_would_end_woci_is_passed_on() {
    let world = World::signed_in();
    install(&world, "slow/oci", "#!/bin/sh\necho ready; exec sleep 600\n");
    let path = format!("{}:/usr/bin:/bin", world.path("slow").display());
    let mut signals =
        vec![libc::SIGUSR1, libc::SIGUSR2, libc::SIGALRM, libc::SIGVTALRM, libc::SIGPROF, libc::SIGXCPU];
    #[cfg(target_os = "linux")]
    signals.extend([libc::SIGIO, libc::SIGPWR, libc::SIGSTKFLT, libc::SIGRTMIN() + 1, libc::SIGRTMAX()]);
    for signal in signals {
        let woci = world.woci(&["--auto-refresh", "os"]).env("PATH", &path).start();
        woci.prints("ready");
        woci.signal(signal);
        woci.finish().exits(128 + signal);
    }
}

/// A token that is spent has a successor that must be stored first.
#[test]
fn no_signal_ends_woci_between_a_refresh_and_its_store() {
    for signal in [libc::SIGUSR1, libc::SIGUSR2, libc::SIGALRM] {
        let world = World::signed_in();
        let gate = world.sim.hold_answers(Grant::Refresh);
        let woci = world.woci(&["session", "refresh"]).start();
        gate.wait_for(1);
        woci.signal(signal);
        gate.open();
        let run = woci.finish();
        assert!([0, 128 + signal].contains(&run.code()), "{run}");
        assert_eq!(world.session().refresh_token(), world.sim.provider.live_refresh_token());
    }
}

#[test]
fn woci_ends_with_oci() {
    let world = World::signed_in();
    let woci = world.woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "1").start();
    woci.prints("ready");
    woci.signal(libc::SIGTERM);
    woci.prints("signal 15");
    let ended = Instant::now();
    woci.finish().ok();
    // Takes 100 ms on an idle machine; other tests run at the same time.
    assert!(ended.elapsed() < Duration::from_secs(5), "{:?}", ended.elapsed());
}

#[test]
fn woci_ends_with_oci_while_another_process_refreshes() {
    let world = World::signed_in();
    world.session().due_in(-1);
    let gate = world.sim.hold(Grant::Refresh);
    let holder = world.woci(&["session", "refresh"]).start();
    gate.wait_for(1);
    let woci = world.woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "1").start();
    woci.prints("ready");
    woci.signal(libc::SIGTERM);
    woci.finish().ok();
    assert!(holder.is_running());
    gate.open();
    holder.finish().ok();
}

/// Uses a child process to write the script: see `install` in `passthrough.rs`.
fn install(world: &World, path: &str, script: &str) {
    let path = world.path(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"printf %s "$2" > "$1" && chmod 755 "$1""#, "sh"]).arg(&path).arg(script);
    assert!(shell.status().expect("there is a shell").success());
}
