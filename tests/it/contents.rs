//! Whatever stands in the files of a session (too much, nothing, garbage, another file by a link): no crash, no refresh
//! token that is lost, and the file of somebody else is left alone.

use crate::sim::jwt;
use crate::world::World;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

#[test]
fn a_token_file_of_any_size_is_no_token_and_is_renewed() {
    let world = World::signed_in();
    let file = world.session().path("token");
    for mebibytes in [2, 17, 300] {
        fs::File::create(&file).and_then(|file| file.set_len(mebibytes << 20)).expect("a sparse file");
        // Far less than the file.
        let woci = world.woci(&["--sign-in", "never"]).limit(libc::RLIMIT_AS, 200 << 20);
        assert_eq!(woci.run().ok().json()["source"], "refreshed", "{mebibytes} MiB");
    }
    let record = world.session().read("session.json").expect("it is there");
    world.session().write("session.json", record.clone() + &" ".repeat(2 << 20));
    fs::File::create(world.session().path("discovery.json"))
        .and_then(|file| file.set_len(17 << 20))
        .expect("new");
    fs::set_permissions(world.session().path("discovery.json"), fs::Permissions::from_mode(0o600))
        .expect("own");
    world.woci(&[]).run().ok().silent();
    world.session().write("session.json", vec![b'{'; 17 << 20]);
    // What is damaged is not trusted: nothing is sent.
    world.woci(&["--sign-in", "never"]).run().fails(1).says("session.json is damaged");
    world.session().write("session.json", record);
    world.session().write("refresh_token", vec![b'x'; 17 << 20]);
    world.loses_refresh_token();
    world.woci(&["session", "refresh"]).run().fails(1).says("larger than any token");
}

/// Of two claims of one name, each reader may take another.
#[test]
fn a_session_token_with_two_exp_is_not_usable() {
    let world = World::signed_in();
    let now = jwt::now();
    let claims = format!(r#"{{"exp":{},"sub":"ocid1.user.oc1..ada","exp":{}}}"#, now - 60, now + 3600);
    world.session().write("token", format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims)));
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
}

/// All combinations of files that are whole, empty, garbage or missing.
#[test]
fn whatever_is_damaged_or_missing_nothing_crashes_and_nothing_is_lost() {
    let world = World::signed_in();
    world.woci(&["session", "refresh"]).run().ok();
    world.loses_refresh_token();
    let whole = world.session().snapshot();
    let names = ["token", "private_key.pem", "refresh_token", "session.json"];
    let count = 4_usize.pow(4);
    let mut worked = 0;
    // Every third of them: all states of each file meet all of another's.
    for combination in (0..count).filter(|combination| combination % 3 == 0) {
        // A run that finds nothing at all leaves no folder.
        world.session().seed(3600);
        let live = world.sim.provider.issue_refresh_token();
        for (nth, name) in names.iter().enumerate() {
            let (_, bytes) = whole.iter().find(|(there, _)| there == name).expect("it was there");
            let path = world.session().path(name);
            match combination / 4_usize.pow(u32::try_from(nth).expect("small")) % 4 {
                0 if *name == "refresh_token" => world.session().write(name, &live),
                0 => world.session().write(name, bytes),
                1 => world.session().write(name, ""),
                2 => world.session().write(name, b"\xff{gar\0bage"),
                _ => drop(fs::remove_file(path)),
            }
        }
        let before = world.session().refresh_token();
        let is_live = |token: &str| world.sim.provider.standing(token) == crate::sim::ledger::Standing::Live;
        let was_live = before.as_deref().is_some_and(is_live);
        let run = world.woci(&["--sign-in", "never"]).run();
        assert!(matches!(run.code(), 0 | 1), "{combination}: {run}");
        assert!(run.code() == 0 || run.stderr.contains("woci: "), "{combination}: {run}");
        worked += usize::from(run.code() == 0);
        let after = world.session().refresh_token();
        if was_live {
            assert!(after.as_deref().is_some_and(is_live), "{combination}: {run}");
        } else {
            assert_eq!(after, before, "{combination}: {run}");
        }
    }
    assert!(worked > 5, "{worked}");
    assert!(!world.sim.provider.saw_reuse());
    world.session().seed(3600);
    for (name, bytes) in whole {
        world.session().write(&name, bytes);
    }
}

/// A device, a socket or a loop of links in the place of the token: an error, and no wait.
#[test]
fn a_token_that_is_no_file_hangs_nothing() {
    let world = World::signed_in();
    let token = world.session().path("token");
    fs::remove_file(&token).expect("it was seeded");
    let ends = || {
        for words in ["", "session refresh", "env", "os ns get", "--daemon-status"] {
            let run = world.shell(&format!("timeout -s KILL 10 woci {words}")).run().exits(1);
            assert!(!run.stderr.is_empty() && run.stderr.contains("token"), "{words}: {run}");
        }
        fs::remove_file(&token).expect("it was put there");
    };
    for target in ["/dev/zero", "/dev/full", token.to_str().expect("UTF-8")] {
        symlink(target, &token).expect("a new link");
        ends();
    }
    // A socket's path may not be as long as that of a World.
    let short = std::env::temp_dir().join(format!("woci-it-socket-{}", std::process::id()));
    let socket = UnixListener::bind(&short).expect("a new socket");
    fs::rename(&short, &token).expect("the same file system");
    ends();
    drop(socket);
    assert!(Command::new("mkfifo").arg(&token).status().expect("mkfifo is there").success());
    ends();
    assert_eq!(world.sim.total(), 0);
}

/// A link in the place of a file is replaced, and what it leads to stays as it is.
#[test]
fn the_victim_of_a_link_is_left_alone() {
    let world = World::signed_in();
    world.woci(&["session", "refresh"]).run().ok();
    for name in ["token", "refresh_token", "session.json"] {
        for is_hard in [false, true] {
            let victim = world.path("victim");
            let content = fs::read(world.session().path(name)).expect("it is there");
            fs::write(&victim, &content).expect("a new file");
            fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).expect("own file");
            world.session().remove(name);
            if is_hard {
                fs::hard_link(&victim, world.session().path(name)).expect("the same file system");
            } else {
                symlink(&victim, world.session().path(name)).expect("a new link");
            }
            let run = world.woci(&["session", "refresh"]).run();
            assert!(matches!(run.code(), 0 | 1), "{name}: {run}");
            assert_eq!(fs::read(&victim).expect("it is there"), content, "{name}: {run}");
            let about = fs::symlink_metadata(world.session().path(name)).expect("it is there");
            assert!(name == "session.json" || run.code() != 0 || about.is_file(), "{name}: {run}");
            if about.is_symlink() {
                world.session().remove(name);
                world.session().write(name, &content);
            }
            fs::remove_file(&victim).expect("it is there");
        }
    }
    world.woci(&["session", "refresh"]).run().ok();
}

/// A newer woci may write another envelope: the file is no damaged one.
#[test]
fn an_envelope_of_a_newer_version_is_told_apart_from_a_damaged_one() {
    let world = World::signed_in();
    world.loses_refresh_token();
    let envelope = json!({"version": 2, "enc": "AEGIS-256", "kdf": "Argon2id", "salt": "AAAA", "ct": "AAAA"});
    world.session().write("refresh_token", envelope.to_string());
    let woci = world.woci(&["session", "refresh", "--refresh-token-passphrase-env", "PASSPHRASE"]);
    world.secret("canary passphrase");
    let run = woci.env("PASSPHRASE", "canary passphrase").run().fails(1);
    run.says("a newer version of woci wrote it").says("update woci");
    assert_eq!(world.session().refresh_token(), Some(envelope.to_string()));
    assert_eq!(world.sim.total(), 0);
}
