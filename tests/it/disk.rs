//! If nothing can be stored in the session folder, no token request is sent, the error names the path and the
//! reason, and a valid UPST is still handed out.

use crate::sim::faults::Grant;
use crate::sim::sys;
use crate::world::World;
use crate::world::run::Run;
use std::ffi::CString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

#[test]
fn a_full_disk_spends_nothing() {
    let Some((world, disk)) = World::on_a_small_disk("size=64k") else { return };
    let filler = disk.fill();
    spends_nothing(&world, "No space left on device");
    fs::remove_file(filler).expect("it was made");
    goes_on(&world);
}

#[test]
fn a_disk_with_room_for_a_file_name_but_no_bytes_spends_nothing() {
    let Some((world, disk)) = World::on_a_small_disk("size=64k") else { return };
    let filler = disk.fill();
    // One free page: less than the next refresh token and the other files need.
    let length = fs::metadata(&filler).expect("it is there").len();
    let file = fs::OpenOptions::new().write(true).open(&filler).expect("it is ours");
    file.set_len(length.saturating_sub(4096)).expect("a file can be cut");
    drop(file);
    spends_nothing(&world, "No space left on device");
    fs::remove_file(filler).expect("it was made");
    goes_on(&world);
}

/// What is needed after the answer was reserved before.
#[test]
fn a_disk_that_fills_during_the_request_loses_nothing() {
    let Some((world, disk)) = World::on_a_small_disk("size=256k") else { return };
    for grant in [Grant::Refresh, Grant::Exchange] {
        world.session().expire();
        let gate = world.sim.hold_answers(grant);
        let run = world.woci(&["session", "refresh"]).start();
        gate.wait_for(1);
        let filler = disk.fill();
        gate.open();
        let run = run.finish();
        assert!(matches!(run.code(), 0 | 1), "{run}");
        assert_eq!(world.session().refresh_token(), world.sim.provider.live_refresh_token(), "{run}");
        fs::remove_file(filler).expect("it was made");
        goes_on_from(&world, &["session", "refresh"]);
    }
}

#[test]
fn a_disk_without_inodes_spends_nothing() {
    let Some((world, disk)) = World::on_a_small_disk("size=1m,nr_inodes=24") else { return };
    let folder = disk.0.join("many");
    fs::create_dir(&folder).expect("there is room");
    let mut number = 0;
    while fs::write(folder.join(number.to_string()), "").is_ok() {
        number += 1;
    }
    spends_nothing(&world, "No space left on device");
    fs::remove_dir_all(folder).expect("it is ours");
    goes_on(&world);
}

#[test]
fn a_read_only_disk_spends_nothing() {
    let Some((world, disk)) = World::on_a_small_disk("size=1m") else { return };
    disk.remount("ro");
    spends_nothing(&world, "Read-only file system");
    disk.remount("rw");
    goes_on(&world);
}

#[test]
fn a_folder_without_write_permission_spends_nothing() {
    let world = World::signed_in();
    // Permissions do not apply to root.
    let user = world.as_nobody();
    let folder = world.session().folder;
    fs::set_permissions(&folder, Permissions::from_mode(0o500)).expect("it is ours");
    spends_nothing_as(&world, user, "Permission denied");
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).expect("it is ours");
    if user.is_none() {
        goes_on(&world);
    }
}

#[test]
fn a_limit_on_file_sizes_spends_nothing() {
    let world = World::signed_in();
    // Two blocks of 512 bytes. With SIGXFSZ ignored, a larger write fails.
    for trap in ["trap '' XFSZ;", ""] {
        world.session().expire();
        let before = world.session().snapshot();
        let run = world.shell(&format!("{trap} ulimit -f 2; exec woci")).run();
        run.says("File too large").exits(1);
        assert_eq!(world.sim.total(), 0);
        assert_eq!(world.session().snapshot(), before);
        world.session().age(3600);
        world.shell(&format!("{trap} ulimit -f 2; exec woci")).run().ok().silent();
    }
    world.session().expire();
    goes_on(&world);
}

#[test]
fn a_limit_on_descriptors_spends_nothing() {
    let world = World::signed_in();
    world.session().expire();
    let before = world.session().refresh_token();
    let mut refreshed = false;
    // From none to enough: whichever descriptor is missing, the token is not spent.
    for limit in 3..24 {
        let run = world.shell(&format!("ulimit -n {limit}; exec woci --sign-in never")).run();
        if run.code() == 0 {
            refreshed = true;
            break;
        }
        if run.stderr.contains("error while loading shared libraries") {
            continue;
        }
        // Exit code 2 if the manager config is the file that cannot be opened.
        assert!(matches!(run.code(), 1 | 2), "{run}");
        let run = run.says("woci: ");
        assert_eq!(world.session().refresh_token(), before, "{run}");
        assert_eq!(world.sim.total(), 0, "{run}");
    }
    assert!(refreshed);
}

/// Where the file cannot be replaced, that is found out by a trial, before the token is spent.
#[test]
fn a_refresh_token_that_cannot_be_replaced_is_not_spent() {
    if !sys::is_root() {
        eprintln!("skipped: only root can mount a file, or make it immutable");
        return;
    }
    let world = World::new();
    world.seed_two();
    let path = world.session().path("refresh_token");
    let before = world.session().refresh_token();
    let still_there = || {
        assert_eq!(world.sim.total(), 0, "nothing was sent");
        assert_eq!(world.session().refresh_token(), before);
    };
    for words in ["session refresh", "session authenticate", ""] {
        let mounted = format!("mount --bind {0} {0} && exec woci {words}", path.display());
        let run = world.shell(&format!("exec unshare -m sh -c '{mounted}'")).run();
        if run.stderr.contains("unshare:") || run.stderr.contains("mount:") {
            eprintln!("skipped: no file can be mounted here: {}", run.stderr);
            break;
        }
        run.fails(1).says("refresh_token").says("busy");
        still_there();
    }
    for (attribute, target) in [("i", path.clone()), ("a", world.session().folder)] {
        let Some(_attribute) = Attribute::set(attribute, &target) else { continue };
        for words in [&["session", "refresh"][..], &["session", "authenticate"], &[]] {
            world.woci(words).run().fails(1).says("refresh_token").says("Operation not permitted");
            still_there();
        }
        assert!(world.session().files().len() <= 6, "what cannot be removed does not add up");
    }
    goes_on(&world);
}

/// A rename that fails after the answer, although the trial went well, loses nothing.
#[test]
fn a_refresh_token_that_cannot_be_replaced_after_the_answer_is_kept_beside() {
    if !sys::is_root() {
        eprintln!("skipped: only root can make a file immutable");
        return;
    }
    let world = World::new();
    world.seed_two();
    let path = world.session().path("refresh_token");
    let gate = world.sim.hold(Grant::Refresh);
    let run = world.woci(&["session", "refresh"]).start();
    gate.wait_for(1);
    let Some(immutable) = Attribute::set("i", &path) else {
        gate.open();
        run.finish().ok();
        return;
    };
    gate.open();
    run.finish().ok().says("cannot replace").says("refresh_token");
    // The next run takes it up as soon as it can.
    world.woci(&["session", "refresh"]).run().fails(1).says("Operation not permitted");
    drop(immutable);
    goes_on_from(&world, &["session", "refresh"]);
    goes_on_from(&world, &["session", "refresh"]);
}

#[test]
fn a_refresh_token_that_is_mounted_after_the_request_is_written_in_place() {
    let world = World::new();
    world.seed_two();
    let path = world.session().path("refresh_token");
    let before = world.session().refresh_token();
    let gate = world.sim.hold(Grant::Refresh);
    let run = world.woci(&["session", "refresh"]).start();
    gate.wait_for(1);
    let mut mount = Command::new("mount");
    mount.arg("--bind").arg(&path).arg(&path);
    if !mount.output().is_ok_and(|mounted| mounted.status.success()) {
        eprintln!("skipped: no file can be mounted here");
        gate.open();
        run.finish().ok();
        return;
    }
    let mounted = Disk(path);
    gate.open();
    run.finish().ok();
    assert_ne!(world.session().refresh_token(), before);
    drop(mounted);
    goes_on_from(&world, &["session", "refresh"]);
}

/// A rename is lost with the power unless its folder is flushed too.
#[test]
fn renames_are_on_disk_before_the_next_request() {
    if !Command::new("strace").arg("-V").output().is_ok_and(|run| run.status.success()) {
        eprintln!("skipped: there is no strace here");
        return;
    }
    let world = World::new();
    world.seed_two();
    let calls = "trace=rename,renameat,renameat2,fsync,connect,mkdir,mkdirat";
    let run = world.shell(&format!("strace -f -y -qq -o calls -e {calls} woci session refresh")).run();
    if !world.path("calls").exists() {
        eprintln!("skipped: nothing can be traced here: {}", run.stderr);
        return;
    }
    run.ok();
    let calls = world.read("calls");
    let folder = format!("{}>)", world.session().folder.display());
    let mut unflushed = None;
    let mut requests = 0;
    for call in calls.lines() {
        if call.contains("rename") && call.contains("/refresh_token\"") {
            unflushed = Some(call);
        } else if call.contains("fsync(") && call.contains(&folder) {
            unflushed = None;
        } else if call.contains("connect(") {
            requests += 1;
            assert_eq!(unflushed.filter(|_| requests > 1), None, "{calls}");
        }
    }
    assert!(requests >= 2, "{calls}");
    assert_eq!(unflushed, None, "{calls}");
}

/// A file that is opened gets a free descriptor. With stdout or stderr closed, output could end up in a file of the
/// session.
#[test]
fn with_closed_standard_streams_no_output_reaches_a_file() {
    let world = World::signed_in();
    let old = world.session().token();
    world.shell("woci session refresh --log-level debug <&- >&- 2>&-").run().exits(1);
    assert_ne!(world.session().token(), old);
    let json = world.woci(&[]).run().ok().silent().json();
    assert_eq!(json["source"], "cached");
    assert!(!world.read(".oci/config").contains("DEBUG"));
}

/// Checks that an expired session is not refreshed and loses nothing, and that a valid one is handed out.
fn spends_nothing(world: &World, why: &str) {
    spends_nothing_as(world, None, why);
}

fn spends_nothing_as(world: &World, user: Option<u32>, why: &str) {
    let run = |words: &[&str]| -> Run {
        match user {
            Some(user) => world.program(&world.path("bin/woci"), words).user(user).run(),
            None => world.woci(words).run(),
        }
    };
    let before = world.session().snapshot();
    let folder = world.session().folder;
    for words in [&[][..], &["session", "refresh"], &["os", "ns", "get"]] {
        run(words).fails(1).says(why).says(folder.to_str().expect("UTF-8"));
        assert_eq!(world.session().snapshot(), before);
    }
    run(&["session", "authenticate"]).fails(1).says(why);
    assert_eq!(world.sim.total(), 0, "nothing was sent and no browser opened");
    let valid = run(&["--profile", "valid"]).ok().silent().json();
    assert_eq!(valid["source"], "cached");
}

fn goes_on(world: &World) {
    goes_on_from(world, &[]);
}

fn goes_on_from(world: &World, words: &[&str]) {
    assert_eq!(world.woci(words).run().ok().json()["source"], "refreshed");
}

/// An attribute of a file or folder (chattr), taken away at the end.
struct Attribute(String, std::path::PathBuf);

impl Attribute {
    /// `None` where the file system has no such attributes.
    fn set(name: &str, path: &Path) -> Option<Attribute> {
        let mut chattr = Command::new("chattr");
        let set = chattr.arg(format!("+{name}")).arg(path).output().is_ok_and(|run| run.status.success());
        if !set {
            eprintln!("skipped: chattr +{name} is not to be had here");
        }
        set.then(|| Attribute(name.to_owned(), path.to_owned()))
    }
}

impl Drop for Attribute {
    fn drop(&mut self) {
        let _ = Command::new("chattr").arg(format!("-{}", self.0)).arg(&self.1).status();
    }
}

/// A small file system mounted at `~/.oci/sessions`, unmounted at the end.
struct Disk(std::path::PathBuf);

impl World {
    /// An expired session, and a valid one of another profile, on such a disk. `None` if mounting is not allowed.
    fn on_a_small_disk(options: &str) -> Option<(World, Disk)> {
        let world = World::new();
        let folder = world.path(".oci/sessions");
        fs::create_dir(&folder).expect("a new folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("{options},mode=700"), "woci-it"]).arg(&folder);
        if !mount.output().is_ok_and(|mounted| mounted.status.success()) {
            eprintln!("skipped: no file system can be mounted here");
            return None;
        }
        let disk = Disk(folder);
        world.seed_two();
        Some((world, disk))
    }

    fn seed_two(&self) {
        self.manager(&[("DEFAULT", &self.settings()), ("valid", &self.settings())]);
        self.session_of("valid").seed(3600);
        self.session().seed(3600);
        self.session().expire();
    }

    /// Gives this World's home to a user who is not root. `None` if the test does not run as root.
    fn as_nobody(&self) -> Option<u32> {
        const NOBODY: u32 = 65534;
        self.seed_two();
        if !sys::is_root() {
            return None;
        }
        self.copy_programs();
        give(self.home(), NOBODY);
        Some(NOBODY)
    }
}

fn give(path: &Path, user: u32) {
    std::os::unix::fs::lchown(path, Some(user), Some(user)).expect("root may give away");
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).expect("it is a folder").flatten() {
            give(&entry.path(), user);
        }
    }
}

impl Disk {
    /// Fills the disk; returns the file that takes the space.
    fn fill(&self) -> std::path::PathBuf {
        use std::io::Write;
        let path = self.0.join("filler");
        let mut file = fs::File::create(&path).expect("there is room for a name");
        while file.write_all(&[b'x'; 512]).is_ok() {}
        path
    }

    fn remount(&self, how: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{how}")]).arg(&self.0);
        assert!(mount.status().expect("it was mounted with it").success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let path = CString::new(self.0.as_os_str().as_bytes()).expect("no NUL");
        sys::unmount(&path);
    }
}
