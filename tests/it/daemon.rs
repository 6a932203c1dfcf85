//! The daemon: it is ready before the command that starts it ends, detached, one for each profile, and recognized by
//! its lock. It refreshes in time, retries after failures, and ends if it is stopped or the refresh token is dead.

use crate::sim::domain::{self, Upst};
use crate::sim::faults::{Fault, Grant};
use crate::sim::{jwt, sys};
use crate::world::World;
use crate::world::run::{Run, woci_program};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

const EVE: &str = "ocid1.user.oc1..eve";

#[test]
fn the_status_needs_no_key() {
    let world = World::signed_in();
    world.session().write("private_key.pem", "damaged");
    let status = world.woci(&["--daemon-status"]).run().exits(1).json();
    assert_eq!(status["running"], false);
    assert!(status["expiration"].is_string(), "{status}");
}

#[test]
fn a_daemon_starts_once_reports_its_status_and_stops() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    world.woci(&["--daemon-status"]).run().exits(1).silent().document(false);
    let first = world.woci(&["--daemon"]).run().ok().document(true);
    assert_eq!(first["profile"], "DEFAULT");
    assert_eq!(first["log_file"], daemon.file("woci_refresh.log").to_str().expect("UTF-8"));
    assert_eq!(first["last_refresh"], Value::Null);
    let pid = first["pid"].as_u64().expect("a PID");
    assert_eq!(world.session().read("woci_refresh.pid"), Some(format!("{pid}\n")));

    let again = world.woci(&["--daemon"]).run().ok().silent().document(true);
    let status = world.woci(&["--daemon-status"]).run().ok().silent().document(true);
    assert_eq!((&again, &status), (&first, &first), "one per profile");

    world.woci(&["--stop-daemon"]).run().ok().silent().document(false);
    assert!(!is_alive(pid));
    assert_eq!(world.session().read("woci_refresh.pid"), None);
    world.woci(&["--stop-daemon"]).run().exits(1).document(false);
    world.woci(&["--daemon-status"]).run().exits(1).document(false);
    assert!(daemon.log().lines().next_back().is_some_and(|line| line.contains("Stopped as requested")));
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn without_a_session_the_start_begins_with_a_sign_in() {
    let world = World::new();
    let daemon = Daemon::of(&world);
    let document = world.woci(&["--daemon", "session", "authenticate"]).run().ok().document(true);
    assert!(document["expiration"].is_string());
    assert_eq!(world.sign_ins(), 1);
    drop(daemon);
}

#[test]
fn many_starts_at_once_leave_one_daemon() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    let starts: Vec<_> = (0..8).map(|_| world.woci(&["--daemon"]).start()).collect();
    let pids: Vec<_> =
        starts.into_iter().map(|woci| woci.finish().ok().document(true)["pid"].clone()).collect();
    assert!(pids.iter().all(|pid| pid.as_u64() == daemon.pid()), "{pids:?}");
}

#[test]
fn each_profile_has_a_daemon_of_its_own() {
    let world = World::signed_in();
    world.manager(&[("DEFAULT", &world.settings()), ("other", &world.settings())]);
    world.session_of("other").seed(3600);
    let (one, other) = (Daemon::of(&world), Daemon::of_profile(&world, "other"));
    world.woci(&["--daemon"]).run().ok();
    world.woci(&["--daemon", "--profile", "other"]).run().ok();
    assert_ne!(one.pid(), other.pid());
    world.woci(&["--stop-daemon"]).run().ok();
    assert_eq!(one.pid(), None);
    world.woci(&["--daemon-status", "--profile", "other"]).run().ok().document(true);
}

#[test]
fn without_a_refresh_token_no_daemon_starts() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    world.session().remove("refresh_token");
    world.woci(&["--daemon"]).run().fails(1).says("no refresh token");
    assert_eq!(daemon.pid(), None);
}

#[test]
fn the_daemon_options_are_refused_with_other_commands() {
    let world = World::signed_in();
    for words in [
        &["--daemon", "os", "ns", "get"][..],
        &["--daemon", "env"],
        &["--daemon", "--stop-daemon"],
        &["--daemon-status", "--stop-daemon"],
        &["--daemon-status", "session", "authenticate"],
        &["--foreground"],
        &["--foreground", "--stop-daemon"],
    ] {
        world.woci(words).run().fails(2);
    }
}

#[test]
fn a_daemon_keeps_nothing_of_the_process_that_started_it() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    // The shell waits for the end of the pipe: a daemon that kept it would hang this test.
    let line = r#"exec 9< .oci/woci_manager.ini; x=$(woci --daemon 2>&1); echo "$x""#;
    world.shell(line).run().ok().document(true);
    let pid = daemon.pid().expect("it runs");

    if may_look_into(pid) {
        let open = |fd: &str| fs::read_link(format!("/proc/{pid}/fd/{fd}")).unwrap_or_default();
        for fd in ["0", "1"] {
            eventually("descriptor given away", || open(fd) == Path::new("/dev/null"));
        }
        assert_eq!(open("2"), daemon.file("woci_refresh.log"));
        // Only files of its own are left: the lock, and for a moment the log.
        let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("root may look").flatten();
        let others: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        eventually("others closed", || {
            let mut others = others.iter().filter(|fd| !["0", "1", "2"].contains(&fd.as_str()));
            others.all(|fd| open(fd) == Path::new("") || open(fd).starts_with(&daemon.folder))
        });
    }

    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let (_, fields) = stat.rsplit_once(") ").expect("the name ends");
    // The fields of /proc/PID/stat: state, parent, group, session, terminal.
    let fields: Vec<_> = fields.split(' ').collect();
    assert_eq!((fields[2], fields[3], fields[4]), (&*pid.to_string(), &*pid.to_string(), "0"));

    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it lives");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("there is one");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
}

#[test]
fn a_daemon_survives_the_end_of_its_terminal() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    let started = world.woci(&["--daemon"]).terminal().start();
    // The end of the shell closes the terminal (SIGHUP).
    started.finish().ok();
    assert!(daemon.pid().is_some());
    world.woci(&["--stop-daemon"]).run().ok();
}

#[test]
fn secrets_are_not_in_the_daemons_arguments_or_environment() {
    let world = World::signed_in();
    let passphrase = "canary-passphrase-of-the-daemon";
    world.secret(passphrase);
    let (auth, exchange) = {
        let (provider, domain) = (world.sim.provider.rules(), world.sim.domain.rules());
        (provider.client_secret.clone().expect("a confidential client"), domain.client_secret.clone())
    };
    world.manager(&[(
        "DEFAULT",
        &world.settings_with(&[
            ("auth_client_secret", None),
            ("client_secret", None),
            ("refresh_token_passphrase_env", Some("PASSPHRASE")),
        ]),
    )]);
    let daemon = Daemon::of(&world);
    world.session().due_in(2);
    let woci = world.woci(&["--daemon", "--auth-client-secret", &auth, "--client-secret", &exchange]);
    // The arguments of the first process are visible by the person's choice. Those of the daemon hold no secret.
    woci.env("PASSPHRASE", passphrase).run().ok();
    let pid = daemon.pid().expect("it runs");
    if !may_look_into(pid) {
        return;
    }
    let seen = ["cmdline", "environ"].map(|name| {
        let bytes = fs::read(format!("/proc/{pid}/{name}")).expect("root may look");
        String::from_utf8_lossy(&bytes).into_owned()
    });
    for secret in [passphrase, &auth, &exchange] {
        assert!(seen.iter().all(|text| !text.contains(secret)), "{seen:?}");
    }
    // The daemon has received the secrets.
    eventually("a refresh", || world.sim.count(Grant::Exchange) == 1);
    eventually("the end of it", || daemon.status(&world)["last_refresh"].is_string());
    assert!(world.session().refresh_token().is_some_and(|text| text.starts_with('{')), "encrypted");
    world.woci(&["--stop-daemon"]).run().ok();
}

#[test]
fn a_daemon_refreshes_when_the_session_is_due() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    let (key, old) = (world.session().key(), world.session().due_in(3));
    let document = world.woci(&["--daemon"]).run().ok().document(true);
    assert_eq!((document["last_refresh"].clone(), world.sim.total()), (Value::Null, 0));
    eventually("a refresh", || daemon.status(&world)["last_refresh"].is_string());
    assert_ne!(world.session().token(), old);
    assert_eq!(world.session().key(), key);
    assert_eq!(world.woci(&[]).run().ok().silent().json()["source"], "cached");
    let status = daemon.status(&world);
    assert_ne!(status["next_refresh"], document["next_refresh"]);
    assert_eq!((world.sim.count(Grant::Refresh), world.sign_ins()), (1, 0));
    world.woci(&["--stop-daemon"]).run().ok();
    assert_eq!(world.session().refresh_token(), world.sim.provider.live_refresh_token());
}

/// Such a token counts as one of an hour. By a window that is longer than its life, each would be renewed at once.
#[test]
fn a_token_that_does_not_say_when_it_was_issued_is_not_renewed_in_the_first_half_of_an_hour() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    let exp = world.session().forget_iat();
    let document = world.woci(&["--daemon", "--refresh-safety-window", "7200"]).run().ok().document(true);
    assert_eq!((seconds(&document["next_refresh"]), world.sim.total()), (exp - 1800, 0));
    drop(daemon);
}

#[test]
fn a_failed_refresh_is_reported_and_retried() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    world.session().due_in(-1);
    world.sim.fault(Grant::Refresh, Fault::status(500, "{}").always());
    let document = world.woci(&["--daemon"]).run().ok().says("WARNING").document(true);
    let error = document["last_error"].as_str().expect("there was one");
    assert!(error.contains("500"), "{error}");
    let pause = seconds(&document["next_refresh"]) - jwt::now();
    assert!((20..=36).contains(&pause), "{pause} s");
    assert!(daemon.pid().is_some());
    world.woci(&["--stop-daemon"]).run().ok();
}

#[test]
fn a_daemon_ends_with_the_reason_if_the_refresh_token_is_dead() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    world.session().due_in(3);
    let manager = world.path(".oci/woci_manager.ini");
    let manager = manager.to_str().expect("a World's home is UTF-8");
    world.woci(&["--daemon", "--manager-config", manager]).run().ok();
    world.sim.provider.revoke_all();
    // The reason is logged after the lock is released.
    eventually("its end and the reason", || daemon.is_gone() && daemon.log().contains("woci: "));
    let log = daemon.log();
    let last = log.lines().next_back().unwrap_or_default();
    assert!(last.contains("was revoked") && last.contains("woci session authenticate"), "{log}");
    let status = world.woci(&["--daemon-status"]).run().exits(1).document(false);
    let error = status["last_error"].as_str().unwrap_or_default();
    let command = format!("woci session authenticate --profile DEFAULT --manager-config {manager}");
    assert!(error.contains("was revoked") && error.contains(&command), "{error}");
    assert_eq!(world.sign_ins(), 0);
}

#[test]
fn a_daemon_ends_with_the_reason_if_a_renewal_brings_another_person() {
    let world = World::signed_in();
    ends_since_a_renewal_brings_eve(&world);
    let status = world.woci(&["--daemon-status"]).run().exits(1).document(false);
    assert!(status["last_error"].as_str().is_some_and(|text| text.contains(EVE)), "{status}");
}

#[test]
fn a_daemon_ends_with_the_reason_if_a_renewal_does_not_bring_the_expected_person() {
    let world = World::signed_in();
    world.manager(&[("DEFAULT", &world.settings_with(&[("expect_user", Some(domain::USER))]))]);
    ends_since_a_renewal_brings_eve(&world);
}

/// A daemon for the session of `domain::USER` ends after one renewal, and its log says why.
fn ends_since_a_renewal_brings_eve(world: &World) {
    let daemon = Daemon::of(world);
    world.session().due_in(3);
    world.woci(&["--daemon"]).run().ok();
    world.sim.domain.rules().upst = Upst::Of(EVE, domain::TENANCY);
    eventually("its end and the reason", || daemon.is_gone() && daemon.log().contains("woci: "));
    let log = daemon.log();
    let last = log.lines().next_back().unwrap_or_default();
    assert!(last.contains(domain::USER) && last.contains(EVE), "{log}");
    assert!(last.contains("woci session authenticate"), "{log}");
    assert_eq!(world.sim.count(Grant::Refresh), 1);
}

#[test]
fn a_start_with_a_dead_refresh_token_fails_at_once() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    world.session().due_in(-1);
    world.sim.provider.revoke_all();
    world.woci(&["--daemon"]).run().fails(1).says("was revoked").says("woci session authenticate");
    assert_eq!(daemon.pid(), None);
}

#[test]
fn after_sigterm_a_refresh_in_progress_is_finished() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    let old = world.session().due_in(2);
    world.woci(&["--daemon"]).run().ok();
    let gate = world.sim.hold_answers(Grant::Exchange);
    gate.wait_for(1);
    let pid = daemon.pid().expect("it runs");
    sys::kill(u32::try_from(pid).expect("a PID"), libc::SIGTERM);
    gate.open();
    eventually("its end", || daemon.is_gone());
    assert_ne!(world.session().token(), old);
    assert_eq!(world.session().read("woci_refresh.pid"), None);
    assert!(daemon.log().ends_with("Stopped as requested\n"), "{}", daemon.log());
}

#[test]
fn after_a_daemon_is_killed_the_status_says_so_and_a_new_one_starts() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    let first = world.woci(&["--daemon"]).run().ok().document(true);
    sys::kill(u32::try_from(daemon.pid().expect("it runs")).expect("a PID"), libc::SIGKILL);
    eventually("its end", || daemon.is_gone());
    world.woci(&["--daemon-status"]).run().exits(1).document(false);
    world.woci(&["--stop-daemon"]).run().exits(1).document(false);
    let second = world.woci(&["--daemon"]).run().ok().document(true);
    assert_ne!(first["pid"], second["pid"]);
    world.woci(&["--stop-daemon"]).run().ok();
}

#[test]
fn a_stale_pid_is_never_signalled() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    let mut stranger = Stranger(Command::new("sleep").arg("600").spawn().expect("there is sleep"));
    let pid = stranger.0.id();
    // The files of a killed daemon, whose PID now belongs to another program.
    world.session().write("woci_refresh.pid", format!("{pid}\n"));
    world.session().write("woci_refresh.lock", json!({ "pid": pid }).to_string());
    world.woci(&["--daemon-status"]).run().exits(1).document(false);
    world.woci(&["--stop-daemon"]).run().exits(1).document(false);

    // The same while the next daemon is starting.
    world.session().due_in(-1);
    let gate = world.sim.hold(Grant::Refresh);
    let starting = world.woci(&["--daemon"]).start();
    gate.wait_for(1);
    assert_ne!(daemon.pid(), Some(pid.into()));
    assert_ne!(world.woci(&["--daemon-status"]).run().ok().document(true)["pid"], pid);
    let stopping = world.woci(&["--stop-daemon"]).start();
    gate.open();
    starting.finish();
    stopping.finish().ok();
    assert!(stranger.0.try_wait().expect("a child can be asked for").is_none(), "the stranger lives");
}

/// A daemon that has just taken the lock has not written its own PID yet.
#[test]
fn a_process_that_does_not_hold_the_lock_is_never_signalled() {
    let world = World::signed_in();
    let mut stranger = Stranger(Command::new("sleep").arg("600").spawn().expect("there is sleep"));
    world.session().write("woci_refresh.lock", json!({ "pid": stranger.0.id() }).to_string());
    let lock = File::open(world.session().path("woci_refresh.lock")).expect("it was written");
    lock.lock().expect("nobody holds it");
    world.woci(&["--stop-daemon"]).run().fails(1).says("is not the one that the file names");
    assert!(stranger.0.try_wait().expect("a child can be asked for").is_none(), "the stranger lives");
}

/// A container that shares the home: the daemon's number is another process's there.
#[test]
fn a_process_of_another_pid_namespace_is_never_signalled() {
    let world = World::signed_in();
    let _daemon = Daemon::of(&world);
    let pid = world.woci(&["--daemon"]).run().ok().document(true)["pid"].as_u64().expect("a PID");
    // Its command line looks like a daemon's.
    let script = format!(
        "echo {} > /proc/sys/kernel/ns_last_pid || exit 77
        sh -c 'sleep 600; : woci --daemon-process' & stranger=$!
        [ $stranger = {pid} ] || exit 77
        timeout -s KILL 10 woci --stop-daemon; code=$?
        kill -0 $stranger || exit 88
        kill -KILL $stranger
        exit $code",
        pid - 1
    );
    world.write("stranger.sh", script);
    let run = world.shell("exec unshare --pid --fork --mount-proc sh stranger.sh").run();
    if run.code() == 77 || run.stderr.contains("unshare:") {
        eprintln!("skipped: no namespace can be made here: {}", run.stderr);
        return;
    }
    run.fails(1).says("another container or on another machine");
    // Where nobody has that number.
    let script = "exec unshare --pid --fork --mount-proc timeout -s KILL 10 woci --stop-daemon";
    world.shell(script).run().fails(1).says("another container or on another machine");
    assert!(is_alive(pid));
    world.woci(&["--stop-daemon"]).run().ok();
    assert!(!is_alive(pid));
}

/// The files of a daemon whose number went to another process, while a third one holds the lock.
#[test]
fn a_process_that_was_started_at_another_time_is_never_signalled() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    world.woci(&["--daemon"]).run().ok();
    let lock = world.session().read("woci_refresh.lock").expect("it is held");
    let mut known: Value = serde_json::from_str(&lock).expect("JSON");
    assert!(known["started"].is_string() && known["namespace"].is_string(), "{known}");
    known["started"] = "1".into();
    fs::write(daemon.file("woci_refresh.lock"), known.to_string()).expect("own file");
    world.woci(&["--stop-daemon"]).run().fails(1).says("is not the one that the file names");
    assert!(daemon.pid().is_some_and(is_alive));
    fs::write(daemon.file("woci_refresh.lock"), lock).expect("own file");
    world.woci(&["--stop-daemon"]).run().ok();
}

#[test]
fn whatever_stands_in_the_pid_file_nobody_is_signalled() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    for text in ["", "0", "1", "-1", "+1", " 1\n", "1 2", "99999999999999999999", "0x1", "{}", "\0", "woci"] {
        for name in ["woci_refresh.pid", "woci_refresh.lock"] {
            world.session().write(name, text);
        }
        world.woci(&["--daemon-status"]).run().exits(1).document(false);
        world.woci(&["--stop-daemon"]).run().exits(1).document(false);
        world.woci(&["--daemon"]).run().ok().document(true);
        assert!(daemon.pid().is_some_and(is_alive), "{text:?}");
        world.session().write("woci_refresh.pid", text);
        world.woci(&["--stop-daemon"]).run().ok().document(false);
    }
}

/// A daemon holds no folder that its starter may want to unmount, and no umask that its starter happened to have.
#[test]
fn a_daemon_lives_in_the_root_folder_with_a_private_umask() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    world.session().due_in(2);
    fs::create_dir(world.path("started-in")).expect("a new folder");
    let manager = world.read(".oci/woci_manager.ini");
    world.write("started-in/manager.ini", manager);
    let words = ["--daemon", "--manager-config", "manager.ini", "--config-file=../started-in/config"];
    world.woci(&words).directory(&world.path("started-in")).run().ok().document(true);
    let pid = daemon.pid().expect("it runs");
    if may_look_into(pid) {
        assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).expect("root may look"), Path::new("/"));
    }
    let about = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    assert!(about.contains("Umask:\t0077"), "{about}");
    // The paths that it was given mean the same.
    eventually("a refresh", || daemon.status(&world)["last_refresh"].is_string());
    assert!(world.read("started-in/config").contains("security_token_file"));
    world.woci(&["--stop-daemon"]).run().ok();
}

#[test]
fn a_daemon_ends_if_its_folder_was_replaced() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    world.session().due_in(3);
    let pid = world.woci(&["--daemon"]).run().ok().document(true)["pid"].as_u64().expect("a PID");
    let old = world.path("old");
    fs::rename(&daemon.folder, &old).expect("the same file system");
    world.session().seed(3600);
    world.session().write("woci_refresh.pid", "1\n");
    world.session().due_in(-1);
    eventually("its end", || !is_alive(pid));
    let log = fs::read_to_string(old.join("woci_refresh.log")).expect("its log");
    assert!(
        log.lines().next_back().is_some_and(|line| line.contains("was replaced by another folder")),
        "{log}"
    );
    // The session there is another daemon's, as is the PID file.
    assert_eq!(world.sim.count(Grant::Refresh), 0);
    assert_eq!(world.session().read("woci_refresh.pid").as_deref(), Some("1\n"));
}

#[test]
fn a_daemon_that_is_started_during_an_upgrade_is_the_new_program() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    let woci = start_and_remove(&world, || install(&world.path("installed/woci")));
    woci.ok().document(true);
    let pid = daemon.pid().expect("it runs");
    if !may_look_into(pid) {
        return;
    }
    let running = fs::read_link(format!("/proc/{pid}/exe"));
    assert_eq!(running.expect("root may look"), world.path("installed/woci"));
}

#[test]
fn a_daemon_of_a_removed_program_is_not_started() {
    let world = World::signed_in();
    let woci = start_and_remove(&world, || ());
    woci.fails(1).says("cannot find woci's own program file").says("was removed");
}

/// As `make install`, pip and dpkg do it: a new file takes the place of the running program's.
#[test]
fn during_an_upgrade_the_older_daemon_goes_on_and_status_and_doctor_say_to_restart_it() {
    let world = World::signed_in();
    world.session().due_in(3);
    let daemon = Daemon::of(&world);
    let program = world.path("installed/woci");
    install(&program);
    let gate = world.sim.hold(Grant::Refresh);
    world.program(&program, &["--daemon"]).run().ok().document(true);
    let pid = daemon.pid().expect("it runs");
    gate.wait_for(1);
    install(&world.path("installed/new"));
    fs::rename(world.path("installed/new"), &program).expect("the same folder");
    gate.open();
    eventually("renewal by the older daemon", || !daemon.status(&world)["last_refresh"].is_null());
    assert_eq!(daemon.pid(), Some(pid));
    let woci = |words: &[&str]| world.program(&program, words).run();
    assert_eq!(woci(&["status"]).ok().json()["next_step"], Value::Null, "the same version needs no restart");

    daemon.is_of_version(Some("0.0.9"));
    let document = woci(&["status"]).ok().json();
    assert_eq!(
        (&document["daemon"]["pid"], &document["state"]),
        (&pid.into(), &"usable".into()),
        "{document}"
    );
    let restart = "woci --stop-daemon && woci --daemon";
    assert_eq!(document["next_step"], restart);
    let said = format!("process {pid} of woci 0.0.9, from before an upgrade");
    woci(&["status", "--output", "text"]).ok().prints(&said).prints(restart);
    let checks = woci(&["doctor"]).json();
    let finding = checks["checks"].as_array().and_then(|all| all.iter().find(|one| one["check"] == "daemon"));
    let finding = finding.expect("there is a check");
    assert_eq!(
        (&finding["state"], &finding["what"]),
        (&"doubtful".into(), &json!(format!("the daemon is {said}")))
    );
    assert!(finding["remedy"].as_str().is_some_and(|remedy| remedy.contains(restart)), "{finding}");
    // Built from another commit between two releases.
    let other = concat!(env!("CARGO_PKG_VERSION"), " (0123456789ab)");
    daemon.is_of_version(Some(other));
    woci(&["status", "--output", "text"]).ok().prints(&format!("of woci {other}, from before"));
    daemon.is_of_version(None);
    woci(&["status", "--output", "text"]).ok().prints("of an older woci, from before an upgrade");

    woci(&["--stop-daemon"]).ok();
    woci(&["--daemon"]).ok();
    assert!(!is_alive(pid));
    assert_eq!(woci(&["status"]).ok().json()["next_step"], Value::Null);
    let new = daemon.pid().expect("it runs");
    if may_look_into(new) {
        assert_eq!(fs::read_link(format!("/proc/{new}/exe")).expect("root may look"), program);
    }
}

/// Starts a daemon with a copy of woci, which is removed before the daemon is up.
fn start_and_remove(world: &World, then: impl FnOnce()) -> Run {
    let program = world.path("installed/woci");
    install(&program);
    let gate = world.sim.hold(Grant::Refresh);
    let woci = world.program(&program, &["--daemon", "session", "refresh"]).start();
    gate.wait_for(1);
    fs::remove_file(&program).expect("it is there");
    then();
    gate.open();
    woci.finish()
}

/// Copies woci by another process: a child of another test must not inherit the file open for writing.
pub fn install(path: &Path) {
    let folder = path.parent().expect("a folder");
    fs::create_dir_all(folder).expect("a new folder");
    assert!(Command::new("cp").arg(woci_program()).arg(path).status().expect("there is cp").success());
}

/// The daemon does not hold the session's lock, and the lock's holder removes temporary files.
#[test]
fn the_pid_file_is_written_in_place() {
    let world = World::signed_in();
    world.session().write("woci_refresh.pid", "1\n");
    let file = || fs::metadata(world.session().path("woci_refresh.pid")).expect("it is there").ino();
    let before = file();
    let pid = world.woci(&["--daemon"]).run().ok().document(true)["pid"].clone();
    assert_eq!(file(), before);
    assert_eq!(world.session().read("woci_refresh.pid"), Some(format!("{pid}\n")));
    world.woci(&["--stop-daemon"]).run().ok();
}

#[test]
fn the_older_tools_daemon_is_reported_and_not_stopped() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    symlink("/bin/sh", world.path("bin/python3")).expect("a new link");
    let mut old = Command::new(world.path("bin/python3"));
    old.args(["-c", "read line", "woci.py"]).stdin(std::process::Stdio::piped());
    let mut old = Stranger(old.spawn().expect("there is a shell"));
    let pid = old.0.id();
    world.session().write("woci_refresh.pid", pid.to_string());
    world.woci(&["--daemon"]).run().ok().says("WARNING").says(&pid.to_string());
    world.woci(&["--stop-daemon"]).run().ok();
    assert!(old.0.try_wait().expect("a child can be asked for").is_none());

    world.session().write("woci_refresh.pid", pid.to_string());
    let front = world.woci(&["--daemon", "--foreground"]).start();
    front.says(&format!("Process {pid}"));
    front.prints("}");
    front.signal(libc::SIGTERM);
    front.finish().ok();
    drop(daemon);
}

#[test]
fn with_foreground_a_daemon_stays_in_the_foreground() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    let front = world.woci(&["--daemon", "--foreground"]).start();
    front.prints("}");
    assert_eq!(daemon.pid(), Some(front.id.into()));
    world.woci(&["--daemon", "--foreground"]).run().fails(1).says("one is already running");
    assert_eq!(world.woci(&["--daemon"]).run().ok().document(true)["pid"], front.id);
    front.signal(libc::SIGTERM);
    front.finish().ok().says("Stopped as requested").document(true);
    assert_eq!(daemon.pid(), None);
}

#[test]
fn with_foreground_a_daemon_stops_cleanly_after_a_sign_in() {
    for _ in 0..3 {
        let world = World::new();
        let daemon = Daemon::of(&world);
        let front = world.woci(&["--daemon", "--foreground", "session", "authenticate"]).start();
        front.prints("}");
        front.signal(libc::SIGTERM);
        front.finish().ok().says("Stopped as requested");
        assert_eq!(daemon.pid(), None);
    }
}

#[test]
fn the_log_stays_small() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    world.session().write("woci_refresh.log", "one line of a year of lines\n".repeat(40_000));
    world.woci(&["--daemon"]).run().ok();
    world.woci(&["--stop-daemon"]).run().ok();
    let log = daemon.log();
    assert!((100_000..700_000).contains(&log.len()), "{} bytes", log.len());
    assert!(log.starts_with("one line") && log.ends_with("Stopped as requested\n"));
}

#[test]
fn a_log_that_has_grown_out_of_hand_is_cut_too() {
    let world = World::signed_in();
    let daemon = Daemon::of(&world);
    world.session().write("woci_refresh.log", "one line of a year of lines\n".repeat(700_000));
    world.woci(&["--daemon"]).run().ok();
    world.woci(&["--stop-daemon"]).run().ok();
    let log = daemon.log();
    assert!(log.len() < 700_000, "{} bytes", log.len());
    assert!(log.starts_with("one line") && log.ends_with("Stopped as requested\n"));
}

/// README.md's unit names the code, so that systemd does not start it again for ever.
#[test]
fn with_foreground_a_dead_refresh_token_has_an_exit_code_of_its_own() {
    let world = World::signed_in();
    world.session().due_in(2);
    let front = world.woci(&["--daemon", "--foreground"]).start();
    front.prints("}");
    world.sim.provider.revoke_all();
    let front = front.finish().exits(3).says("was revoked").says("woci session authenticate");
    front.document(true);
    // The same where it is so from the start, as after a restart of the machine.
    world.session().expire();
    world
        .woci(&["--sign-in", "never", "--daemon", "--foreground"])
        .run()
        .fails(3)
        .says("session authenticate");
    let unit = unit(&world.woci(&["help", "daemon"]).run().ok().stdout);
    assert!(unit.contains(&"RestartPreventExitStatus=2 3".to_owned()), "{unit:?}");
}

#[test]
fn the_unit_of_the_help_is_that_of_the_debian_package() {
    let help = World::new().woci(&["help", "daemon"]).run().ok().stdout;
    let package = include_str!("../../.ci/deb/woci@.service").replace("/usr/bin/woci", "%h/.local/bin/woci");
    assert_eq!(unit(&help), unit(&package));
}

/// The settings of the systemd unit in a text.
fn unit(text: &str) -> Vec<String> {
    let text = text.replace("\\\n", " ");
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let lines = lines.skip_while(|line| line != "[Unit]");
    let is_setting =
        |line: &String| (line.starts_with('[') || line.contains('=')) && !line.starts_with("Documentation=");
    lines.take_while(|line| !line.starts_with("Prints")).filter(is_setting).collect()
}

/// Each further try would spend a refresh token to hear the same.
#[test]
fn with_foreground_the_session_of_another_person_ends_it_with_the_same_code() {
    let world = World::signed_in();
    world.session().due_in(2);
    let front = world.woci(&["--daemon", "--foreground"]).start();
    front.prints("}");
    world.sim.domain.rules().upst = Upst::Of(EVE, domain::TENANCY);
    front.finish().exits(3).says(domain::USER).says(EVE).says("woci session authenticate").document(true);
    world.woci(&["--daemon", "--foreground", "session", "refresh"]).run().fails(3).says(EVE);
    assert_eq!(world.sim.count(Grant::Refresh), 2);
}

#[test]
fn foreground_without_daemon_names_what_to_add() {
    let world = World::signed_in();
    for words in [&["--foreground"][..], &["--foreground", "env"], &["--foreground", "session", "refresh"]] {
        world.woci(words).run().fails(2).says("cannot use --foreground").says("; add --daemon");
    }
}

/// A process that holds secrets does not show its descriptors, environment and program to its own user.
fn may_look_into(pid: u64) -> bool {
    let may = sys::is_root() || fs::read_link(format!("/proc/{pid}/exe")).is_ok();
    if !may {
        eprintln!("skipped: only root may look into process {pid}");
    }
    may
}

/// A profile's daemon, killed at the end of the test.
pub struct Daemon {
    folder: PathBuf,
}

impl Daemon {
    fn of(world: &World) -> Daemon {
        Daemon::of_profile(world, "DEFAULT")
    }

    pub fn of_profile(world: &World, profile: &str) -> Daemon {
        Daemon { folder: world.session_of(profile).folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.file("woci_refresh.log")).unwrap_or_default()
    }

    /// The process that holds the lock, determined without woci.
    pub fn pid(&self) -> Option<u64> {
        let path = self.file("woci_refresh.lock");
        let file = File::open(&path).ok()?;
        while file.try_lock_shared().is_err() {
            // The file is written in place, and may be read while it is incomplete.
            if let Ok(known) = serde_json::from_slice::<Value>(&fs::read(&path).ok()?) {
                return known["pid"].as_u64();
            }
        }
        None
    }

    /// Writes what a daemon of another version would have written.
    fn is_of_version(&self, version: Option<&str>) {
        let path = self.file("woci_refresh.lock");
        let mut known: Value = serde_json::from_slice(&fs::read(&path).expect("it is there")).expect("JSON");
        known["version"] = version.into();
        fs::write(&path, known.to_string()).expect("the file is locked, and not closed to others");
    }

    fn is_gone(&self) -> bool {
        File::open(self.file("woci_refresh.lock")).is_ok_and(|file| file.try_lock_shared().is_ok())
    }

    fn status(&self, world: &World) -> Value {
        world.woci(&["--daemon-status"]).run().ok().document(true)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            sys::kill(u32::try_from(pid).expect("a PID"), libc::SIGKILL);
        }
    }
}

/// A process that does not belong to woci.
struct Stranger(Child);

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Run {
    /// Checks that stdout is a status by its schema, of a daemon that runs or not.
    fn document(&self, running: bool) -> Value {
        let schema = serde_json::from_str(include_str!("../../schemas/daemon-status.schema.json"));
        let document = self.json();
        if let Err(why) = jsonschema::validate(&schema.expect("a schema is JSON"), &document) {
            panic!("{self}\n{why}");
        }
        assert_eq!(document["running"], running, "{self}");
        document
    }
}

/// Polls, since the daemon is not a child of the test.
pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !happened() {
        assert!(Instant::now() < deadline, "no {what} in 30 s");
        thread::sleep(Duration::from_millis(10));
    }
}

fn is_alive(pid: u64) -> bool {
    // A zombie counts as dead.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with('Z'))
}

/// Seconds since 1970 of an RFC 3339 time in UTC.
pub fn seconds(time: &Value) -> i64 {
    let date = Command::new("date").args(["-u", "+%s", "-d", time.as_str().expect("a time")]).output();
    let text = String::from_utf8(date.expect("there is date").stdout).expect("digits");
    text.trim().parse().expect("digits")
}
