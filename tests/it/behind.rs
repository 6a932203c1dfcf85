//! With `auto_refresh`, a run that finds the next refresh due hands out what it has at once, and leaves one process that
//! renews the session: detached, silent, without a person, at most one in 30 s.

use crate::daemon::{eventually, install};
use crate::sim::domain::{self, Upst};
use crate::sim::faults::{Fault, Grant};
use crate::world::World;
use crate::world::run::Woci;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const CLUSTER: &str = "ocid1.cluster.oc1.iad.aaaaaaaaaaaexample";
const PASSPHRASE: &str = "correct horse battery staple";
const STAMP: &str = "woci_renewal.lock";
const MINUTE: i64 = 60;

/// Its session is due for a refresh.
fn due() -> (World, String) {
    let world = World::signed_in();
    let old = world.session().due_in(-1);
    (world, old)
}

/// A run with `--auto-refresh`. The path of the manager config, in the command line of the process that is left, shows
/// whose process that is.
fn woci<'w>(world: &'w World, words: &[&str]) -> Woci<'w> {
    let manager = world.path(".oci/woci_manager.ini");
    world.woci(&["--auto-refresh", "--manager-config"]).arg(manager).args(words)
}

/// The processes that runs in this World have left, and that have not ended; also the runs themselves. For a moment, the
/// command line of such a process is that of the run.
fn left(world: &World) -> Vec<Left> {
    let all = fs::read_dir("/proc").expect("there is /proc").flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut found: Vec<_> = pids.filter_map(|pid| Left::of(pid, world.home())).collect();
    found.sort_by_key(|left| left.pid);
    found
}

/// A process, as the system knows it.
#[derive(Debug)]
struct Left {
    pid: u32,
    parent: u32,
    session: u32,
    /// 0 if it has none.
    terminal: u32,
    command_line: String,
}

impl Left {
    fn of(pid: u32, home: &Path) -> Option<Left> {
        let command_line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command_line = String::from_utf8_lossy(&command_line).replace('\0', " ");
        // While the system replaces the program of a process, it shows no command line.
        let is_starting = || fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(home));
        let is_of_home = command_line.contains(home.to_str()?) || command_line.is_empty() && is_starting();
        if !is_of_home {
            return None;
        }
        let [parent, session, terminal] = stat(pid)?;
        Some(Left { pid, parent, session, terminal, command_line })
    }

    /// None if only root may see it.
    fn link(&self, name: &str) -> Option<String> {
        let target = fs::read_link(format!("/proc/{}/{name}", self.pid)).ok()?;
        target.to_str().map(str::to_owned)
    }
}

/// Parent, session and terminal of a process.
fn stat(pid: u32) -> Option<[u32; 3]> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let words: Vec<&str> = text.rsplit(')').next()?.split_whitespace().collect();
    let [_, parent, _, session, terminal, ..] = words[..] else { return None };
    Some([parent, session, terminal].map(|number| number.parse().expect("a number of the system")))
}

/// Waits until the processes have ended. They are children of nobody here, so that the system has to be polled.
fn wait_for_end(world: &World) {
    let deadline = Instant::now() + Duration::from_secs(60);
    // The process goes on in a child, and one look may miss both: the parent has ended, the child is not listed yet.
    while !left(world).is_empty() || !left(world).is_empty() {
        assert!(Instant::now() < deadline, "it does not end: {:?}", left(world));
        thread::sleep(Duration::from_millis(5));
    }
}

/// As if the last process had been left half a minute ago.
fn let_half_a_minute_pass(world: &World) {
    let file = fs::metadata(world.session().path(STAMP)).expect("a process was left");
    let at = file.modified().expect("each file has a time");
    assert!(at.elapsed().is_ok_and(|since| since < Duration::from_secs(60)), "{at:?}");
    last_left(world, at - Duration::from_secs(30));
}

/// As if the last process had been left then.
fn last_left(world: &World, at: SystemTime) {
    let file =
        fs::File::options().append(true).open(world.session().path(STAMP)).expect("a process was left");
    file.set_modified(at).expect("own files take a time");
}

#[test]
fn what_there_is_is_handed_out_at_once_and_renewed_behind_the_run() {
    for words in [&["credential"][..], &[], &["env"], &["kube-credential", "--cluster-id", CLUSTER]] {
        let (world, old) = due();
        let gate = world.sim.hold_answers(Grant::Refresh);
        let run = woci(&world, words).start();
        let id = run.id;
        // Its pipes are closed, although the renewal hangs: `$(woci …)` and kubectl go on.
        let run = run.finish().ok().silent();
        gate.wait_for(1);
        let processes = left(&world);
        let [process] = &processes[..] else { panic!("{processes:?}") };
        assert!(![id, std::process::id()].contains(&process.parent), "{process:?}");
        let [_, own, _] = stat(std::process::id()).expect("this process");
        assert!(![id, own].contains(&process.session) && process.terminal == 0, "{process:?}");
        assert_ne!(process.session, process.pid, "it could get a terminal");
        if process.link("cwd").is_some() {
            assert_eq!(process.link("cwd").as_deref(), Some("/"));
            let descriptors = ["fd/0", "fd/1", "fd/2"].map(|name| process.link(name));
            assert_eq!(descriptors, [(); 3].map(|()| Some("/dev/null".to_owned())));
        }
        if words.len() < 2 && words != ["env"] {
            assert_eq!(
                (&run.json()["source"], &run.json()["security_token"]),
                (&"cached".into(), &old.as_str().into())
            );
        }
        gate.open();
        wait_for_end(&world);
        assert_ne!(world.session().token(), old, "{words:?}");
        assert_eq!(world.session().refresh_token(), world.sim.provider.live_refresh_token());
        assert_eq!(world.sim.count(Grant::Refresh), 1);
        // What is fresh is not renewed.
        woci(&world, words).run().ok().silent();
        assert_eq!((left(&world).len(), world.sim.count(Grant::Refresh)), (0, 1));
    }
}

#[test]
fn the_key_does_the_same() {
    let (world, old) = due();
    world.manager(&[("DEFAULT", &world.settings_with(&[("auto_refresh", Some("true"))]))]);
    let manager = world.path(".oci/woci_manager.ini");
    world.woci(&["--manager-config"]).arg(manager).run().ok().silent();
    wait_for_end(&world);
    assert_ne!(world.session().token(), old);
}

#[test]
fn the_kubeconfig_keeps_it() {
    let world = World::signed_in();
    let words = ["--auto-refresh", "--refresh-safety-window", "900", "kubeconfig", "--cluster-id", CLUSTER];
    world.woci(&words).run().ok().prints("--auto-refresh").prints("--refresh-safety-window").prints("900");
}

#[test]
fn a_crowd_leaves_one_process() {
    let (world, old) = due();
    let gate = world.sim.hold(Grant::Refresh);
    let all: Vec<_> = (0..50).map(|_| woci(&world, &[]).start()).collect();
    for run in all {
        assert_eq!(run.finish().ok().silent().json()["source"], "cached");
    }
    gate.wait_for(1);
    assert_eq!(left(&world).len(), 1);
    gate.open();
    wait_for_end(&world);
    assert_ne!(world.session().token(), old);
    assert_eq!(world.sim.count(Grant::Refresh), 1);
}

#[test]
fn without_auto_refresh_nothing_is_left() {
    let (world, old) = due();
    let manager = world.path(".oci/woci_manager.ini");
    for words in [&["credential"][..], &["env"], &["kube-credential", "--cluster-id", CLUSTER], &["os"]] {
        world.woci(&["--manager-config"]).arg(&manager).args(words).run().ok().silent();
        assert_eq!(left(&world).len(), 0);
    }
    assert_eq!((world.session().token(), world.session().read(STAMP)), (old, None));
    assert_eq!(world.sim.total(), 0);
}

#[test]
fn nothing_is_left_before_the_refresh_is_due_nor_by_a_run_that_refreshes() {
    let world = World::signed_in();
    woci(&world, &[]).run().ok().silent();
    world.session().expire();
    assert_eq!(woci(&world, &[]).run().ok().json()["source"], "refreshed");
    assert_eq!((left(&world).len(), world.session().read(STAMP)), (0, None));
    // A longer window is reached earlier.
    let old = world.session().token();
    world.session().age(25 * MINUTE);
    woci(&world, &[]).run().ok().silent();
    assert_eq!(world.session().read(STAMP), None);
    woci(&world, &["--refresh-safety-window", "1800"]).run().ok().silent();
    wait_for_end(&world);
    assert_ne!(world.session().token(), old);
    assert_eq!(world.sim.count(Grant::Refresh), 2);
}

#[test]
fn nothing_is_left_where_the_daemon_runs() {
    let world = World::signed_in();
    world.woci(&["--daemon"]).run().ok();
    world.session().due_in(-1);
    woci(&world, &[]).run().ok().silent();
    assert_eq!((left(&world).len(), world.session().read(STAMP)), (0, None));
    world.woci(&["--stop-daemon"]).run().ok();
    woci(&world, &[]).run().ok().silent();
    assert!(world.session().read(STAMP).is_some());
    wait_for_end(&world);
}

#[test]
fn nothing_is_left_for_a_session_that_only_a_person_can_renew() {
    let none = |world: &World, words: &[&str]| {
        woci(world, words).run().ok().silent();
        assert_eq!((left(world).len(), world.session().read(STAMP)), (0, None), "{words:?}");
        assert_eq!(world.sim.count(Grant::Refresh), 0);
    };
    let (world, _) = due();
    none(&world, &["--refresh-token-passphrase-prompt"]);
    world.session().remove("refresh_token");
    none(&world, &[]);
    // No envelope, but encrypted as far as anybody can see.
    world.session().write("refresh_token", "{}");
    none(&world, &[]);

    let (world, _) = due();
    world.sim.provider.revoke_all();
    world.woci(&["session", "refresh", "--sign-in", "never"]).run().fails(1);
    assert!(world.session().record()["refused_refresh_token_sha256"].is_string());
    woci(&world, &[]).run().ok().silent();
    assert_eq!((left(&world).len(), world.session().read(STAMP)), (0, None));
}

#[test]
fn a_renewal_that_fails_is_silent_and_tried_again_after_30_s() {
    let (world, old) = due();
    world.sim.fault(Grant::Refresh, Fault::status(500, "{}").always());
    for tries in [1, 2] {
        for _ in 0..3 {
            woci(&world, &[]).run().ok().silent();
            wait_for_end(&world);
            assert_eq!(world.sim.count(Grant::Refresh), tries);
        }
        let_half_a_minute_pass(&world);
    }
    // The clock was set back.
    last_left(&world, SystemTime::now() + Duration::from_secs(3600));
    world.sim.clear_faults();
    woci(&world, &[]).run().ok().silent();
    wait_for_end(&world);
    assert_ne!(world.session().token(), old);
}

#[test]
fn a_renewal_that_needs_a_person_is_not_tried_again_for_the_same_token() {
    let (world, _) = due();
    world.sim.domain.rules().upst = Upst::Of("ocid1.user.oc1..eve", domain::TENANCY);
    woci(&world, &[]).run().ok().silent();
    wait_for_end(&world);
    for _ in 0..2 {
        let_half_a_minute_pass(&world);
        woci(&world, &[]).run().ok().silent();
        wait_for_end(&world);
    }
    assert_eq!(world.sim.count(Grant::Refresh), 1);
    world.sim.domain.rules().upst = Upst::Good;
    let old = world.session().due_in(-1);
    woci(&world, &[]).run().ok().silent();
    wait_for_end(&world);
    assert_ne!(world.session().token(), old);
}

#[test]
fn a_refused_refresh_token_opens_no_browser() {
    let (world, _) = due();
    world.sim.provider.revoke_all();
    for _ in 0..2 {
        woci(&world, &[]).run().ok().silent();
        wait_for_end(&world);
        let_half_a_minute_pass(&world);
    }
    assert_eq!((world.sim.count(Grant::Refresh), world.sign_ins()), (1, 0));
}

#[test]
fn secrets_reach_the_process_by_a_pipe() {
    let (world, _) = due();
    world.secret(PASSPHRASE);
    let secret = world.settings().into_iter().find(|(key, _)| key == "client_secret").expect("it has one").1;
    world.manager(&[("DEFAULT", &world.settings_with(&[("client_secret", None)]))]);
    let with_secrets = || {
        let words = ["--refresh-token-passphrase-env", "WOCI_PASSPHRASE", "--client-secret"];
        woci(&world, &words).arg(&secret).env("WOCI_PASSPHRASE", PASSPHRASE)
    };
    // The second renewal opens what the first one has encrypted.
    for _ in 0..2 {
        let old = world.session().due_in(-1);
        let gate = world.sim.hold(Grant::Refresh);
        with_secrets().run().ok().silent();
        gate.wait_for(1);
        let processes = left(&world);
        let environment = fs::read(format!("/proc/{}/environ", processes[0].pid)).unwrap_or_default();
        let seen = processes[0].command_line.clone() + &String::from_utf8_lossy(&environment);
        assert!(!seen.contains(PASSPHRASE) && !seen.contains(&secret), "{seen}");
        gate.open();
        wait_for_end(&world);
        world.sim.clear_faults();
        assert_ne!(world.session().token(), old);
        assert!(world.session().refresh_token().is_some_and(|text| text.starts_with('{')));
        let_half_a_minute_pass(&world);
    }
    // Without the passphrase's variable, nothing can be opened.
    world.session().due_in(-1);
    woci(&world, &["--client-secret"]).arg(&secret).run().ok().silent();
    wait_for_end(&world);
    assert_eq!(world.sim.count(Grant::Refresh), 2);
}

#[test]
fn the_lock_of_another_process_is_not_waited_for() {
    let (world, _) = due();
    let gate = world.sim.hold(Grant::Refresh);
    let holder = world.woci(&["session", "refresh"]).start();
    gate.wait_for(1);
    woci(&world, &[]).run().ok().silent();
    wait_for_end(&world);
    assert!(world.session().read(STAMP).is_some() && holder.is_running());
    gate.open();
    holder.finish().ok();
    assert_eq!(world.sim.count(Grant::Refresh), 1);
}

#[test]
fn no_descriptor_of_the_caller_is_held_and_relative_paths_are_those_of_its_folder() {
    let (world, old) = due();
    let gate = world.sim.hold(Grant::Refresh);
    // The run's end is that of the pipe, which is descriptor 9 too.
    let line = format!(
        "cd .oci; HOME={} woci --auto-refresh --manager-config ./woci_manager.ini 9>&1 >/dev/null",
        world.home().display()
    );
    world.shell(&line).run().ok().silent();
    gate.wait_for(1);
    gate.open();
    let deadline = Instant::now() + Duration::from_secs(60);
    while world.session().token() == old || world.session().files().iter().any(|name| name.ends_with("-tmp"))
    {
        assert!(Instant::now() < deadline, "it was not renewed");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A run whose program file is replaced or removed while it runs.
#[test]
fn during_an_upgrade_the_new_program_renews_and_a_removed_one_costs_no_result() {
    for is_replaced in [true, false] {
        let (world, old) = due();
        let program = world.path("installed/woci");
        install(&program);
        install(&world.path("new"));
        let gate = world.sim.hold(Grant::Refresh);
        let then = if is_replaced { "mv new installed/woci" } else { "rm installed/woci" };
        let manager = world.path(".oci/woci_manager.ini");
        let line = format!(
            "exec 9<installed/woci; {then}; exec /proc/self/fd/9 --auto-refresh --manager-config {}",
            manager.display()
        );
        let run = world.shell(&line).run().ok().silent();
        assert_eq!(run.json()["security_token"], old.as_str());
        if is_replaced {
            gate.wait_for(1);
            let processes = left(&world);
            let [process] = &processes[..] else { panic!("{processes:?}") };
            let running = process.link("exe");
            assert!(running.is_none_or(|running| Path::new(&running) == program), "{process:?}");
        }
        gate.open();
        wait_for_end(&world);
        assert_eq!(world.session().token() != old, is_replaced);
    }
}

#[test]
fn a_console_session_is_not_waited_for_either() {
    let world = World::console();
    world.session().seed_console(20 * MINUTE);
    let old = world.session().token();
    let gate = world.sim.hold(Grant::ConsoleRefresh);
    assert_eq!(woci(&world, &[]).run().ok().silent().json()["source"], "cached");
    gate.wait_for(1);
    // With oci, the thread beside it renews.
    last_left(&world, SystemTime::UNIX_EPOCH);
    woci(&world, &["os", "ns", "get"]).run().ok().silent().prints("argv");
    assert_eq!(left(&world).len(), 1);
    gate.open();
    wait_for_end(&world);
    assert_ne!(world.session().token(), old);
    assert_eq!(world.sim.count(Grant::ConsoleRefresh), 1);
}

#[test]
fn a_console_session_that_ends_soon_and_is_not_renewed_is_a_warning() {
    let world = World::console();
    world.session().seed_console(4 * MINUTE);
    world.sim.fault(Grant::ConsoleRefresh, Fault::status(500, "{}").always());
    woci(&world, &[]).run().ok().silent();
    wait_for_end(&world);
    woci(&world, &[]).run().ok().says("ends at").says("failed");
    assert_eq!((left(&world).len(), world.sim.count(Grant::ConsoleRefresh)), (0, 1));
}

/// The system gives no thread, so that oci replaces woci: nobody is beside it.
#[test]
fn an_oci_without_a_keeper_leaves_the_renewal_behind_too() {
    let (world, old) = due();
    let gate = world.sim.hold(Grant::Refresh);
    // oci gets what woci got, and the process that renews does not.
    let line = "exec woci --auto-refresh --manager-config ~/.oci/woci_manager.ini os 9</dev/zero";
    let oci = world.shell(line).env("RUST_MIN_STACK", (1_u64 << 46).to_string()).start();
    let id = oci.id;
    let run = oci.finish().ok().says("gives no thread");
    assert_eq!(run.json()["pid"], id);
    assert_eq!(run.json()["descriptors"]["9"], "/dev/zero");
    gate.wait_for(1);
    let processes = left(&world);
    assert_ne!(processes[0].parent, id, "{processes:?}");
    assert_eq!(processes[0].link("fd/9").filter(|target| target == "/dev/zero"), None);
    gate.open();
    wait_for_end(&world);
    assert_ne!(world.session().token(), old);
}

#[test]
fn a_thread_beside_oci_does_the_work_itself() {
    let world = World::signed_in();
    for words in [&["os"][..], &["exec", "oci"]] {
        let old = world.session().due_in(-1);
        let oci = woci(&world, words).env("SIM_OCI_SIGNALS", "1").start();
        oci.prints("ready");
        // woci does not wait for the end of a renewal once oci has ended.
        eventually("the session is renewed", || world.session().token() != old);
        assert!(left(&world).iter().all(|process| process.pid == oci.id), "{words:?}");
        oci.signal(libc::SIGTERM);
        oci.finish().ok();
    }
    assert_eq!(world.session().read(STAMP), None);
}
