//! Whose files they are: root in another user's home, users who share a config, files that others can read or
//! write, and what stands in a file's place: named pipes, links, second names.

use crate::sim::sys;
use crate::world::World;
use crate::world::run::Run;
use crate::world::session::mode;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const OWNER: u32 = 4242;
const OTHER: u32 = 4243;

#[test]
fn what_root_makes_in_the_home_of_another_user_belongs_to_that_user() {
    let Some(world) = home_of_another_user() else { return };
    fs::remove_dir(world.path(".oci/sessions")).expect("it is empty");
    world.woci(&["session", "authenticate"]).run().ok();
    world.woci(&["--daemon", "session", "refresh"]).run().ok();
    world.woci(&["--stop-daemon"]).run().ok();
    for path in tree(&world.path(".oci")) {
        let about = fs::symlink_metadata(&path).expect("it is listed");
        assert_eq!((about.uid(), about.gid()), (OWNER, OWNER), "{}", path.display());
    }
    assert!(world.session().files().contains(&"woci_refresh.log".to_owned()));
}

#[test]
fn root_follows_no_link_of_the_owner_of_a_home() {
    let Some(world) = home_of_another_user() else { return };
    let elsewhere = world.path("elsewhere");
    let nothing_was_done = |what: &str| {
        assert_eq!(world.sim.total(), 0, "{what}");
        assert_eq!(mode(&elsewhere), 0o755, "{what}");
        assert_eq!(tree(&elsewhere).len(), 1, "{what}");
    };
    fs::create_dir(&elsewhere).expect("a new folder");
    fs::set_permissions(&elsewhere, Permissions::from_mode(0o755)).expect("it is root's");
    for (link, folder) in [(".oci/sessions/DEFAULT", true), (".oci/sessions", true), (".oci/config", false)] {
        let link = world.path(link);
        if link.is_dir() {
            fs::remove_dir(&link).expect("it is empty");
        }
        let target = if folder { elsewhere.clone() } else { elsewhere.join("config") };
        symlink(target, &link).expect("a new link");
        // root's own link serves, the owner's does not.
        lchown(&link, Some(OWNER), Some(OWNER)).expect("root may give away");
        for words in [&["session", "authenticate"][..], &["session", "refresh"], &["--daemon-status"]] {
            if folder || words.len() > 1 {
                world.woci(words).run().fails(1).says("a symbolic link");
            }
            nothing_was_done(&link.display().to_string());
        }
        fs::remove_file(&link).expect("it is there");
    }

    fs::create_dir_all(world.path(".oci/sessions")).expect("a new folder");
    world.session().seed(3600);
    world.session().expire();
    give(&world.path(".oci"), OWNER);
    fs::write(world.path("shadow"), "hunter2").expect("a new file");
    world.secret("hunter2");
    let token = world.session().refresh_token().expect("it was seeded");
    world.session().remove("refresh_token");
    symlink(world.path("shadow"), world.session().path("refresh_token")).expect("a new link");
    lchown(world.session().path("refresh_token"), Some(OWNER), None).expect("root may give away");
    world.woci(&["session", "refresh"]).run().fails(1).says("a symbolic link");
    assert_eq!(world.sim.total(), 0);
    world.session().remove("refresh_token");
    world.session().write("refresh_token", token);

    fs::write(elsewhere.join("config"), "").expect("a new file");
    symlink(elsewhere.join("config"), world.path(".oci/config")).expect("a new link");
    world.woci(&["session", "refresh"]).run().ok();
    let text = fs::read_to_string(elsewhere.join("config")).expect("it is there");
    assert!(text.contains("[DEFAULT]"), "a link of root's is followed");
}

#[test]
fn a_folder_of_another_user_keeps_its_mode() {
    let Some(world) = home_of_another_user() else { return };
    world.session().seed(3600);
    world.session().expire();
    give(&world.session().folder, OWNER);
    fs::set_permissions(world.session().folder, Permissions::from_mode(0o755)).expect("root may");
    world.woci(&["session", "refresh"]).run().ok();
    assert_eq!(mode(&world.session().folder), 0o755);
    fs::set_permissions(world.session().folder, Permissions::from_mode(0o700)).expect("root may");
}

#[test]
fn a_named_pipe_in_the_place_of_a_file_hangs_nothing() {
    let world = World::signed_in();
    world.manager(&[("DEFAULT", &world.settings()), ("other", &world.settings())]);
    world.woci(&["session", "refresh"]).run().ok();
    let port_lock = format!(".oci/sessions/callback-{}.lock", world.redirect_port());
    let places: [(&str, &[&[&str]]); 10] = [
        ("session.lock", &[&["session", "refresh"]]),
        (
            "woci_refresh.lock",
            &[&["--daemon-status"], &["--stop-daemon"], &["--daemon", "session", "refresh"]],
        ),
        ("woci_refresh.log", &[&["--daemon", "session", "refresh"]]),
        ("token", &[&[], &["session", "refresh"]]),
        ("refresh_token", &[&["session", "refresh"], &["session", "authenticate"]]),
        ("session.json", &[&[], &["session", "refresh"]]),
        ("private_key.pem", &[&[], &["session", "refresh"]]),
        ("../../config", &[&[], &["session", "refresh"]]),
        ("../../.woci-config.lock", &[&["--profile", "other", "session", "authenticate"]]),
        (&port_lock.replace(".oci/sessions", ".."), &[&["session", "authenticate"]]),
    ];
    for (name, runs) in places {
        let path = world.session().path(name);
        let kept = world.path("kept");
        let had = path.exists();
        if had {
            fs::rename(&path, &kept).expect("it is there");
        }
        pipe(&path);
        for words in runs {
            let run = in_time(&world, "", words);
            // A config that cannot be written costs nobody the session: that is a warning.
            let is_warning = name.ends_with(".woci-config.lock");
            assert!(matches!(run.code(), 1 | 2) != is_warning, "{name}: {run}");
            run.says("it is not a regular file");
        }
        fs::remove_file(&path).expect("it is there");
        if had {
            fs::rename(&kept, &path).expect("it is there");
        }
    }
    let manager = world.path("manager");
    pipe(&manager);
    in_time(&world, "", &["--manager-config", "manager"]).fails(2).says("it is not a regular file");
}

#[test]
fn a_certificate_file_that_is_a_named_pipe_or_a_device_hangs_nothing() {
    let world = World::new();
    world.manager(&[("DEFAULT", &world.settings_with(&[("token_url", Some("https://127.0.0.1:9/token"))]))]);
    world.session().seed(3600);
    world.session().expire();
    pipe(&world.path("certificates"));
    for path in ["certificates", "/dev/zero"] {
        for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
            let run = in_time(&world, &format!("{variable}={path}"), &["--sign-in", "never"]);
            run.fails(1).says(variable).says(path);
        }
    }
}

#[test]
fn a_lock_or_log_with_a_second_name_is_refused() {
    let world = World::signed_in();
    let mine = world.path("mine");
    for (name, words) in [
        ("session.lock", &["session", "refresh"][..]),
        ("woci_refresh.lock", &["--daemon", "session", "refresh"]),
        ("woci_refresh.lock", &["--daemon-status"]),
        ("woci_refresh.log", &["--daemon", "session", "refresh"]),
        ("woci_refresh.pid", &["--daemon", "session", "refresh"]),
    ] {
        fs::write(&mine, "my text\n").expect("a new file");
        let _ = fs::remove_file(world.session().path(name));
        fs::hard_link(&mine, world.session().path(name)).expect("the same file system");
        world.woci(words).run().fails(1);
        assert_eq!(world.read("mine"), "my text\n", "{name}");
        world.session().remove(name);
    }
    world.woci(&["session", "refresh"]).run().ok();
}

#[test]
fn files_that_others_can_read_or_write_are_warned_of_when_a_session_is_made() {
    let world = World::signed_in();
    let manager = world.path(".oci/woci_manager.ini");
    let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("own file");
    let refresh = || world.woci(&["session", "refresh"]).run().ok();
    assert!(!refresh().stderr.contains("other users"));

    for (mode, says) in [(0o644, "can be read by other users"), (0o666, "can be written by other users")] {
        set(&manager, mode);
        refresh().says(says).says("woci_manager.ini");
        world.woci(&["session", "authenticate"]).run().ok().says(says);
        world.woci(&[]).run().ok().silent();
        world.woci(&["env"]).run().ok().silent();
    }
    // Without a secret, reading it does no harm.
    let bare = world.settings_with(&[("client_secret", None), ("auth_client_secret", None)]);
    world.manager(&[("DEFAULT", &bare)]);
    set(&manager, 0o644);
    let run = world.woci(&["session", "refresh"]).run();
    assert!(!run.stderr.contains("other users"), "{run}");
    world.manager(&[("DEFAULT", &world.settings())]);
    set(&manager, 0o600);

    for folder in [".oci/sessions", ".oci"] {
        set(&world.path(folder), 0o777);
        refresh().says("can be written by other users").says(folder);
        set(&world.path(folder), 0o700);
    }
    refresh();
    set(&world.path(".oci/config"), 0o666);
    refresh().says("can be written by other users").says(".oci/config");
    set(&world.path(".oci/config"), 0o600);
    assert!(!refresh().stderr.contains("other users"));
}

#[test]
fn a_manager_config_of_another_user_beside_a_shared_oci_config_is_warned_of() {
    if skipped_unless_root() {
        return;
    }
    let world = World::signed_in();
    fs::create_dir(world.path("team")).expect("a new folder");
    fs::copy(world.path(".oci/woci_manager.ini"), world.path("team/woci_manager.ini")).expect("a new file");
    chown(world.path("team/woci_manager.ini"), Some(OTHER), None).expect("root may give away");
    let run = world.woci(&["--config-file", "team/config", "session", "refresh"]).run().ok();
    run.says("team/woci_manager.ini belongs to another user");
}

/// Whoever planted it knows whose session root would then use.
#[test]
fn a_refresh_token_of_another_user_is_warned_of() {
    if skipped_unless_root() {
        return;
    }
    let world = World::signed_in();
    chown(world.session().path("refresh_token"), Some(OTHER), None).expect("root may give away");
    world.session().expire();
    world.woci(&[]).run().ok().says("refresh_token belongs to another user");
    assert!(!world.woci(&["session", "refresh"]).run().ok().stderr.contains("another user"));
    // In another's home, that one's file is as it should be.
    give(&world.path(".oci"), OWNER);
    chown(world.home(), Some(OWNER), Some(OWNER)).expect("root may give away");
    assert!(!world.woci(&["session", "refresh"]).run().ok().stderr.contains("another user"));
}

#[test]
fn no_umask_makes_a_folder_or_file_unusable() {
    let world = World::new();
    world.shell("umask 0777; exec woci session authenticate").run().ok();
    world.shell("umask 0777; exec woci --daemon session refresh").run().ok();
    world.woci(&["--stop-daemon"]).run().ok();
    assert_eq!(mode(&world.path(".oci/sessions")), 0o700);
    assert_eq!(mode(&world.path(".oci/config")), 0o600);
    assert_eq!(mode(&world.path(".oci/.woci-config.lock")), 0o600);
    if sys::is_root() {
        fs::remove_dir_all(world.path(".oci/sessions")).expect("it is ours");
        world.copy_programs();
        give(world.home(), OWNER);
        world.shell("umask 0777; exec woci session authenticate").user(OWNER).run().ok();
    }
}

#[test]
fn users_who_share_an_oci_config_both_write_it() {
    if skipped_unless_root() {
        return;
    }
    const TEAM: u32 = 4300;
    let world = World::new();
    world.copy_programs();
    for folder in [world.home(), &world.path("bin")] {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("it is ours");
    }
    world.write("team-config", "");
    fs::create_dir(world.path("team")).expect("a new folder");
    fs::rename(world.path("team-config"), world.path("team/config")).expect("the same file system");
    for (path, mode) in [("team/config", 0o660), ("team", 0o2770)] {
        chown(world.path(path), Some(OWNER), Some(TEAM)).expect("root may give away");
        fs::set_permissions(world.path(path), Permissions::from_mode(mode)).expect("root may");
    }
    for (user, profile) in [(OWNER, "one"), (OTHER, "two"), (OWNER, "three")] {
        world.session_of(profile).seed(3600);
        let home = world.path(format!("home-{profile}"));
        fs::create_dir_all(home.join(".oci/sessions")).expect("a new folder");
        fs::rename(world.session_of(profile).folder, home.join(".oci/sessions").join(profile))
            .expect("moved");
        world.manager(&[(profile, &world.settings())]);
        fs::copy(world.path(".oci/woci_manager.ini"), home.join(".oci/woci_manager.ini")).expect("copied");
        give(&home, user);
        let config = world.path("team/config");
        let run = world
            .program(&world.path("bin/woci"), &["--profile", profile, "session", "refresh", "--config-file"])
            .arg(&config)
            .env("HOME", &home)
            .user(user)
            .group(TEAM)
            .run()
            .ok();
        let text = fs::read_to_string(&config).expect("it is there");
        assert!(text.contains(&format!("[{profile}]")), "{run}\n{text}");
        assert_eq!(mode(&world.path("team/.woci-config.lock")), 0o660);
    }
}

#[test]
fn a_home_that_no_config_can_name_is_refused_before_a_sign_in() {
    use std::os::unix::ffi::OsStringExt as _;
    let world = World::new();
    for name in [&b"line\nbreak"[..], b"\xff"] {
        let home = world.path(std::ffi::OsString::from_vec(name.to_vec()));
        fs::create_dir_all(home.join(".oci")).expect("a new folder");
        fs::copy(world.path(".oci/woci_manager.ini"), home.join(".oci/woci_manager.ini")).expect("copied");
        let run = world.woci(&["session", "authenticate"]).env("HOME", &home).run();
        run.fails(2).says("the variable HOME");
    }
    assert_eq!((world.sim.total(), world.sign_ins()), (0, 0));
}

/// A World whose home belongs to another user, with root as the one who runs woci. `None` if the test does not run
/// as root.
fn home_of_another_user() -> Option<World> {
    if skipped_unless_root() {
        return None;
    }
    let world = World::new();
    fs::create_dir(world.path(".oci/sessions")).expect("a new folder");
    fs::set_permissions(world.path(".oci/sessions"), Permissions::from_mode(0o700)).expect("it is ours");
    give(world.home(), OWNER);
    Some(world)
}

fn skipped_unless_root() -> bool {
    let skipped = !sys::is_root();
    if skipped {
        eprintln!("skipped: only root can give files away");
    }
    skipped
}

/// Runs woci with ten seconds of time, in which nothing here takes long.
fn in_time(world: &World, variable: &str, words: &[&str]) -> Run {
    let run = world.shell(&format!("{variable} timeout -s KILL 10 woci {}", words.join(" "))).run();
    assert_ne!(run.code(), 137, "{run}\nhangs");
    run
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo is there").success());
}

fn give(path: &Path, user: u32) {
    tree(path).iter().for_each(|path| lchown(path, Some(user), Some(user)).expect("root may give away"));
}

/// The path and all below it.
fn tree(path: &Path) -> Vec<PathBuf> {
    let mut paths = vec![path.to_owned()];
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).expect("it is a folder").flatten() {
            paths.extend(tree(&entry.path()));
        }
    }
    paths
}
