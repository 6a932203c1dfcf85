//! What the kernel may answer to a system call (a disk error, an interruption, no randomness, no locks), by strace;
//! and which calls woci makes for its temporary files. Skipped where there is no strace.

use crate::sim::faults::Grant;
use crate::world::World;
use crate::world::run::Run;
use std::fs;

/// Runs woci while strace injects these errors. `None` if nothing can be traced here.
fn injected(world: &World, call: &str, errors: &[&str], words: &str) -> Option<Run> {
    let injections: String = errors.iter().map(|error| format!(" -e inject={call}:{error}")).collect();
    traced(world, "", &format!("-s 400 -e trace={call}{injections}"), words)
}

/// Runs woci under strace, which writes the calls into a file; `before` is the start of the shell's line. `None` if
/// nothing can be traced here.
fn traced(world: &World, before: &str, options: &str, words: &str) -> Option<Run> {
    let _ = fs::remove_file(world.path("calls"));
    let run = world.shell(&format!("{before} exec strace -f -qq -o calls {options} woci {words}")).run();
    if !world.path("calls").exists() {
        eprintln!("skipped: nothing can be traced here: {}", run.stderr);
        return None;
    }
    Some(run)
}

/// Whichever call fails once, the live refresh token is in its place or beside it, and the next run goes on with it.
#[test]
fn a_disk_error_loses_no_refresh_token() {
    let world = World::signed_in();
    world.woci(&["session", "refresh"]).run().ok();
    let errors = ["EIO", "ENOSPC", "EDQUOT"];
    for (nth, call) in ["fsync", "write", "rename"].into_iter().enumerate() {
        for when in 1..=9 {
            let error = format!("error={}:when={when}", errors[(nth + when) % errors.len()]);
            let Some(run) = injected(&world, call, &[&error], "session refresh") else { return };
            assert!(matches!(run.code(), 0 | 1), "{call} {error}: {run}");
            assert!(!world.sim.provider.saw_reuse(), "{call} {error}: {run}");
            let next = world.woci(&["--sign-in", "never", "session", "refresh"]).run();
            assert_eq!(next.code(), 0, "{call} {error}: {run}\n{next}");
        }
    }
}

/// A disk that fails for good after the answer: what cannot be kept is told, with what to do.
#[test]
fn a_refresh_token_that_is_lost_is_told() {
    let world = World::signed_in();
    world.loses_refresh_token();
    let mut lost = 0;
    for when in 1..=8 {
        world.session().seed(3600);
        let error = format!("error=EIO:when={when}+");
        let Some(run) = injected(&world, "write,pwrite64", &[&error], "session refresh --log-level warning")
        else {
            return;
        };
        let next = world.woci(&["--sign-in", "never", "session", "refresh"]).run();
        if next.code() != 0 {
            lost += 1;
            // Its stderr is written to by the same call.
            let said = fs::read_to_string(world.path("calls")).expect("it was traced");
            assert!(said.contains("is lost") && run.code() == 1, "{when}: {run}\n{said}");
        }
        for name in world.session().files().iter().filter(|name| name.starts_with('.')) {
            world.session().remove(name);
        }
    }
    assert!(lost > 0, "no refresh token was lost");
}

/// A session without a manager config needs none while it is valid.
#[test]
fn without_randomness_a_warm_run_works_and_others_say_why() {
    let world = World::signed_in();
    world.woci(&[]).run().ok();
    let before = world.session().refresh_token();
    let config = world.read(".oci/woci_manager.ini");
    for error in ["error=EAGAIN", "error=EIO", "error=ENOSYS"] {
        fs::remove_file(world.path(".oci/woci_manager.ini")).expect("it is there");
        for words in ["", "env", "os ns get", "--daemon-status", "--version"] {
            let Some(run) = injected(&world, "getrandom", &[error], words) else { return };
            assert_eq!(run.code(), i32::from(words == "--daemon-status"), "{error} {words}: {run}");
            assert_eq!(run.stderr, "", "{error} {words}");
        }
        world.write(".oci/woci_manager.ini", &config);
        if error == "error=ENOSYS" {
            continue;
        }
        for words in ["", "session refresh", "session authenticate", "--daemon --foreground session refresh"]
        {
            let Some(run) = injected(&world, "getrandom", &[error], words) else { return };
            run.fails(1).says("random");
        }
        assert_eq!((world.sim.total(), world.sign_ins()), (0, 0));
        assert_eq!(world.session().refresh_token(), before);
    }
}

/// tiny_http panics if a thread or a descriptor is refused that was to be had a moment before.
#[test]
fn a_thread_or_descriptor_that_is_refused_in_a_sign_in_is_an_error() {
    let world = World::signed_in();
    // woci starts 13 threads before tiny_http does, 12 of them only to see whether it may (`sys::try_threads`).
    for (calls, error) in [("clone,clone3", "error=EAGAIN:when=14"), ("fcntl", "error=EMFILE:when=1")] {
        let Some(run) = injected(&world, calls, &[error], "session authenticate") else { return };
        let run = run.fails(1).says("the system gives too few ");
        assert!(!run.stderr.contains("panicked"), "{calls}: {run}");
    }
}

#[test]
fn a_call_that_a_signal_interrupts_is_made_again() {
    let world = World::signed_in();
    for call in ["flock", "connect"] {
        for when in ["1", "2", "3", "1..3"] {
            world.session().expire();
            let error = format!("error=EINTR:when={when}");
            let Some(run) = injected(&world, call, &[&error], "--sign-in never") else { return };
            assert_eq!(run.ok().json()["source"], "refreshed", "{call} {when}");
        }
    }
    let Some(run) = injected(&world, "flock", &["error=EINTR:when=1..2"], "--daemon-status") else { return };
    run.exits(1).silent();
}

#[test]
fn a_lock_that_the_file_system_refuses_is_named_and_nothing_is_sent() {
    let world = World::signed_in();
    world.woci(&["session", "refresh"]).run().ok();
    let (sent, signed_in) = (world.sim.total(), world.sign_ins());
    for error in ["ENOLCK", "EOPNOTSUPP"] {
        world.session().expire();
        let refused = format!("error={error}");
        for words in ["", "session refresh", "session authenticate"] {
            let Some(run) = injected(&world, "flock", &[&refused], words) else { return };
            run.fails(1).says("cannot lock").says("session.lock");
        }
        // A valid session needs no lock.
        world.session().age(3600);
        let Some(run) = injected(&world, "flock", &[&refused], "") else { return };
        run.ok().silent();
    }
    assert_eq!((world.sim.total(), world.sign_ins()), (sent, signed_in));
}

/// A port below 1024 is not another program's.
#[test]
fn a_port_that_may_not_be_bound_is_told_apart_from_one_that_is_taken() {
    let world = World::signed_in();
    let words = "session authenticate --redirect-port 80,443";
    let Some(run) = injected(&world, "bind", &["error=EACCES"], words) else { return };
    let run = run.fails(1).says("127.0.0.1:80 or 127.0.0.1:443").says("choose a port above 1023");
    assert!(!run.stderr.contains("end the program"), "{run}");
    let words = "session authenticate --redirect-port 80";
    let Some(run) = injected(&world, "bind", &["error=EADDRINUSE"], words) else { return };
    run.fails(1).says("end the program that uses the port");
}

#[test]
fn a_command_line_that_is_too_long_is_told_as_such() {
    let world = World::signed_in();
    // strace counts from woci's own start on.
    let Some(run) = injected(&world, "execve", &["error=E2BIG:when=1"], "os ns get") else { return };
    let run = run.fails(126).says("Argument list too long").says("give oci less on its command line");
    assert!(!run.stderr.contains("reinstall"), "{run}");
}

/// Nobody can put a file in the place of a temporary one, and it is private from the moment it exists.
#[test]
fn temporary_files_are_new_and_private_from_the_start() {
    let world = World::new();
    for words in ["session authenticate", "session refresh"] {
        let Some(run) = traced(&world, "umask 0;", "-e trace=open,openat,openat2,creat", words) else {
            return;
        };
        run.ok();
        let calls = world.read("calls");
        let made: Vec<_> = calls
            .lines()
            .filter(|call| call.contains("O_CREAT") && call.contains(".oci") && !call.contains("ENOENT"))
            .collect();
        assert!(made.iter().any(|call| call.contains("woci-tmp")), "{calls}");
        for call in made {
            assert!(call.contains("0600"), "{call}");
            assert!(call.contains("O_EXCL") || call.contains(".lock") || call.contains(".log"), "{call}");
        }
    }
}

#[test]
fn a_sign_in_makes_no_folder_in_the_temporary_folder() {
    let world = World::new();
    fs::create_dir(world.path("temporary")).expect("a new folder");
    let temporary = world.path("temporary");
    let before = format!("TMPDIR={}", temporary.display());
    let Some(run) = traced(&world, &before, "-e trace=mkdir,mkdirat", "session authenticate") else { return };
    run.ok();
    let calls = world.read("calls");
    assert!(calls.contains("/.oci/sessions"), "{calls}");
    assert!(!calls.contains(temporary.to_str().expect("UTF-8")), "{calls}");
    assert_eq!(world.sim.count(Grant::Code), 1);
}
