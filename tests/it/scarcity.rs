//! What the system refuses (a thread, a descriptor, memory) is an error with its reason: no abort, no oci that runs on
//! alone, no person who signs in for nothing. A process that holds secrets leaves no core dump.

use crate::sim::faults::Grant;
use crate::sim::sys;
use crate::world::World;
use crate::world::run::{Run, Woci};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Limits of processes do not bind root, and count all of a user's processes: a user who has no others.
const USER: u32 = 54_321;

#[test]
fn without_a_thread_to_be_had_a_session_is_refreshed() {
    let world = World::signed_in();
    let crowded = Crowded::new(&world);
    world.session().expire();
    let run = crowded.woci(&[]).limit(libc::RLIMIT_NPROC, 1).run().ok();
    assert_eq!(run.json()["source"], "refreshed");
    assert_eq!(world.session().refresh_token(), world.sim.provider.live_refresh_token());
}

#[test]
fn without_a_thread_to_be_had_oci_runs_in_wocis_place() {
    let world = World::signed_in();
    let crowded = Crowded::new(&world);
    world.session().due_in(-1);
    let woci = crowded.woci(&["--auto-refresh", "os", "ns"]).limit(libc::RLIMIT_NPROC, 1).start();
    let id = woci.id;
    let run = woci.finish().ok().says("WARNING The session is not kept fresh: the system gives no thread");
    assert_eq!(run.json()["pid"], id);
}

#[test]
fn without_a_process_to_be_had_no_daemon_starts() {
    let world = World::signed_in();
    let crowded = Crowded::new(&world);
    let run = crowded.woci(&["--daemon"]).limit(libc::RLIMIT_NPROC, 1).run();
    run.fails(1).says("cannot start the daemon: Resource temporarily unavailable");
    crowded.woci(&["--daemon", "--foreground"]).limit(libc::RLIMIT_NPROC, 1).run().fails(1);
}

#[test]
fn whatever_threads_and_processes_are_missing_a_sign_in_does_not_abort() {
    let world = World::signed_in();
    let crowded = Crowded::new(&world);
    for limit in 1..40 {
        let before = world.sign_ins();
        let run = crowded.woci(&["session", "authenticate"]).limit(libc::RLIMIT_NPROC, limit).run();
        if run.code() == 0 {
            return;
        }
        let run = run.fails(1);
        assert_eq!(world.sign_ins(), before, "{limit}: {run}");
    }
    // A person who runs the tests has many processes.
    assert!(!sys::is_root(), "with 39 processes and threads a sign-in succeeds");
}

#[test]
fn whatever_descriptors_are_missing_a_sign_in_does_not_abort_and_nobody_signs_in_for_nothing() {
    let world = World::signed_in();
    for limit in 3..64 {
        let before = world.sign_ins();
        let run = world.woci(&["session", "authenticate"]).limit(libc::RLIMIT_NOFILE, limit).run();
        if run.stderr.contains("error while loading shared libraries") {
            continue;
        }
        if run.code() == 0 {
            return;
        }
        // Exit code 2 if the manager config is the file that cannot be opened.
        assert!(matches!(run.code(), 1 | 2), "{limit}: {run}");
        assert_eq!(world.sign_ins(), before, "{limit}: {run}");
        run.says("woci: ");
    }
    panic!("with 63 descriptors a sign-in succeeds");
}

#[test]
fn whatever_memory_is_missing_a_passphrase_does_not_abort() {
    let world = World::signed_in();
    world.secret("correct horse battery");
    world.manager(&[(
        "DEFAULT",
        &world.settings_with(&[("refresh_token_passphrase_env", Some("PASSPHRASE"))]),
    )]);
    let woci = |words: &[&str]| world.woci(words).env("PASSPHRASE", "correct horse battery");
    woci(&["session", "refresh"]).run().ok();
    world.session().expire();
    for kibibytes in (124 << 10..512 << 10).step_by(512) {
        let before = world.session().refresh_token();
        let run = woci(&["--sign-in", "never"]).limit(libc::RLIMIT_AS, kibibytes << 10).run();
        if run.code() == 0 {
            return;
        }
        run.fails(1).says("cannot derive the key from the passphrase");
        assert_eq!(world.session().refresh_token(), before, "{kibibytes} KiB");
    }
    panic!("with 512 MiB a refresh succeeds");
}

/// From the least memory with which the program starts at all.
#[test]
fn whatever_memory_is_missing_a_refresh_does_not_abort() {
    let world = World::signed_in();
    let run =
        |words: &[&str], kibibytes: u64| world.woci(words).limit(libc::RLIMIT_AS, kibibytes << 10).run();
    let (mut least, mut most) = (0, 1 << 20);
    while most - least > 4 {
        let middle = u64::midpoint(least, most);
        if run(&["--version"], middle).code() == 0 { most = middle } else { least = middle }
    }
    let mut refused = 0;
    for kibibytes in (least - 48..).step_by(16) {
        let run = run(&["session", "refresh"], kibibytes);
        if run.code() == 0 {
            break;
        }
        // The kernel, the loader or the C library has ended it. glibc aborts if it cannot keep a thread's memory.
        let by_others = ["error while loading shared libraries", "Fatal glibc error"];
        if run.status.signal() == Some(libc::SIGSEGV)
            || by_others.iter().any(|text| run.stderr.contains(text))
        {
            continue;
        }
        refused += 1;
        assert!(run.code() < 128, "{kibibytes} KiB: {run}");
        run.says("woci: ");
    }
    assert!(refused > 0, "nothing was refused");
}

/// std aborts where the system gives its threads no memory.
#[test]
fn an_abort_is_an_error() {
    let world = World::new();
    let woci = world.woci(&["session", "authenticate"]).browser("nothing").start();
    woci.auth_url();
    woci.signal(libc::SIGABRT);
    woci.finish().fails(1).says("woci: cannot go on: ");
}

/// The kernel shows it by the owner of the process's files in /proc, which is root then.
#[test]
fn a_process_that_holds_secrets_cannot_be_dumped_and_oci_can() {
    let world = World::signed_in();
    let crowded = Crowded::new(&world);
    let Some(user) = crowded.user_id() else { return };
    world.session().expire();
    let gate = world.sim.hold(Grant::Refresh);
    let woci = crowded.woci(&["--auto-refresh", "os"]).env("SIM_OCI_SIGNALS", "1").start();
    gate.wait_for(1);
    assert_eq!(owner_of_memory(woci.id), 0);
    gate.open();
    let heard = woci.prints("ready");
    let document = heard.split("\nready").next().unwrap_or_default();
    let oci = serde_json::from_str::<Value>(document).expect("JSON")["pid"].as_u64().expect("a PID");
    assert_eq!(owner_of_memory(u32::try_from(oci).expect("a PID")), user, "oci is as it is without woci");
    assert_eq!(owner_of_memory(woci.id), 0);
    woci.signal(libc::SIGTERM);
    woci.finish().ok();
}

#[test]
fn oci_gets_the_limits_that_woci_got() {
    let world = World::signed_in();
    let limits = |run: Run| run.ok().json()["limits"].clone();
    let direct = limits(world.program(&world.path("bin/oci"), &["os"]).run());
    assert_eq!(limits(world.woci(&["os"]).run()), direct);
    assert_eq!(limits(world.woci(&["--auto-refresh", "os"]).run()), direct);
    world.session().expire();
    assert_eq!(limits(world.woci(&["os"]).run()), direct);
}

fn owner_of_memory(process: u32) -> u32 {
    fs::metadata(format!("/proc/{process}/mem")).expect("it runs").uid()
}

/// A World that belongs to a user of whom no other process runs. Its programs are copies, which that user reaches
/// wherever the sources lie. Without root, it is the user who runs the tests.
struct Crowded<'w> {
    world: &'w World,
    program: PathBuf,
}

impl<'w> Crowded<'w> {
    fn new(world: &'w World) -> Self {
        let crowded = Self { world, program: world.path("bin/woci") };
        if sys::is_root() {
            world.copy_programs();
            run(Command::new("chown").args(["-R", &format!("{USER}:{USER}")]).arg(world.home()));
        }
        crowded
    }

    fn woci(&self, words: &[&str]) -> Woci<'w> {
        let woci = self.world.program(&self.program, words);
        if !sys::is_root() {
            return woci;
        }
        // What a test has written since then is root's.
        run(Command::new("chown").args(["-R", &format!("{USER}:{USER}")]).arg(self.world.home()));
        woci.user(USER)
    }

    fn user_id(&self) -> Option<u32> {
        if !Path::new("/proc/self/mem").exists() {
            eprintln!("skipped: there is no /proc here");
            return None;
        }
        fs::metadata(self.world.home()).ok().map(|home| home.uid())
    }
}

fn run(command: &mut Command) {
    assert!(command.status().expect("the system has it").success());
}
