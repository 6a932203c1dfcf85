//! `~/.oci/config` after a run: the keys that oci, the SDKs and Terraform read, the content that is kept, and the
//! content that is never overwritten.

use crate::sim::domain;
#[cfg(target_os = "linux")]
use crate::sim::sys;
use crate::world::World;
use crate::world::run::woci_program;
use crate::world::session::mode;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

/// The option with which a person asks for an API key to be replaced.
const REPLACE: [&str; 3] = ["session", "authenticate", "--replace-api-key"];

const API_KEY: &str = "user = ocid1.user.oc1..me\nfingerprint = 11:22\nkey_file = ~/.oci/my_key.pem\n\
                       pass_phrase = S3cr3t-canary-pass\ntenancy = ocid1.tenancy.oc1..mine\nregion = eu-zurich-1\n";

/// A World with an expired UPST and this OCI config.
fn with_config(text: impl AsRef<[u8]>) -> World {
    let world = World::signed_in();
    world.session().expire();
    world.write(".oci/config", text);
    world.secret("S3cr3t-canary-pass");
    world
}

/// The value of a key in a section, as oci reads it, without inherited values.
fn value(world: &World, section: &str, key: &str) -> Option<String> {
    let text = world.read(".oci/config");
    let start = text.find(&format!("[{section}]"))?;
    let lines = text[start..].lines().skip(1).take_while(|line| !line.starts_with('['));
    let pairs = lines.filter_map(|line| line.split_once('='));
    let values: Vec<_> =
        pairs.filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim()).collect();
    assert!(values.len() < 2, "{key} stands twice: {text}");
    values.first().map(|value| (*value).to_owned())
}

fn backups(world: &World) -> Vec<String> {
    let entries = fs::read_dir(world.path(".oci")).expect("a folder").flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.contains("backup"));
    names.sort();
    names
}

#[test]
fn the_section_gets_the_keys_of_oci_session_authenticate_and_the_rest_is_kept() {
    let old =
        "# mine\n[DEFAULT]\n; a comment\ncompartment = x = y\n\n[other]\nregion: eu-frankfurt-1\nuser=u";
    let world = with_config(old);
    let credential = world.woci(&[]).run().ok().json();
    for key in ["key_file", "security_token_file", "fingerprint", "tenancy", "region"] {
        assert_eq!(value(&world, "DEFAULT", key).as_deref(), credential[key].as_str(), "{key}");
    }
    let new = world.read(".oci/config");
    let mut rest = new.as_str();
    for line in old.lines() {
        let at = rest.find(line).unwrap_or_else(|| panic!("{line} is gone: {new}"));
        rest = &rest[at + line.len()..];
    }
    assert_eq!(rest, "", "the missing last newline is still missing");
    assert_eq!(backups(&world), [""; 0]);
}

#[test]
fn the_file_is_not_written_if_nothing_changes() {
    let world = with_config("");
    world.woci(&[]).run().ok();
    let inode = || {
        let about = fs::metadata(world.path(".oci/config")).expect("it is there");
        (about.ino(), about.mtime(), about.mtime_nsec())
    };
    let before = inode();
    for words in [&["session", "refresh"][..], &["os"], &[], &["session", "authenticate"]] {
        world.woci(words).run().ok();
        assert_eq!(inode(), before, "{words:?}");
    }
}

#[test]
fn line_ends_mode_and_symbolic_link_are_kept() {
    let world = with_config("");
    fs::create_dir(world.path("dotfiles")).expect("a new folder");
    let file = world.path("dotfiles/oci.config");
    fs::write(&file, "[DEFAULT]\r\nregion = eu-zurich-1\r\n\r\n[other]\r\nuser = u\r\n").expect("a new file");
    fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("an own file");
    fs::remove_file(world.path(".oci/config")).expect("it was there");
    symlink("../dotfiles/oci.config", world.path(".oci/config")).expect("a new link");
    world.woci(&[]).run().ok();
    assert!(fs::symlink_metadata(world.path(".oci/config")).expect("it is there").is_symlink());
    let text = world.read("dotfiles/oci.config");
    assert!(text.contains("security_token_file") && text.ends_with("\r\n"), "{text:?}");
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{text:?}");
    assert_eq!(mode(&file), 0o640);
    let left: Vec<_> = fs::read_dir(world.path("dotfiles")).expect("a folder").flatten().collect();
    assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().contains("tmp")), "{left:?}");
}

#[test]
fn a_new_file_is_private() {
    let world = World::signed_in();
    world.session().expire();
    world.woci(&["--config-file", "new/folder/config"]).run().exits(0);
    assert_eq!(mode(&world.path("new/folder/config")), 0o600);
    assert_eq!(mode(&world.path("new/folder")), 0o700);
}

#[test]
fn the_region_is_written_by_its_rules() {
    let config_with = "[DEFAULT]\nregion = eu-zurich-1\n";
    for (config, manager, words, expected) in [
        ("", None, &["--region", "uk-london-1"][..], Some("uk-london-1")),
        ("", None, &[], None),
        ("", Some("us-phoenix-1"), &[], Some("us-phoenix-1")),
        ("", Some("us-phoenix-1"), &["--region", "uk-london-1"], Some("uk-london-1")),
        // One command with another region must not change the profile's region.
        (config_with, None, &["--region", "uk-london-1"], Some("eu-zurich-1")),
        (config_with, Some("us-phoenix-1"), &["--region", "uk-london-1"], Some("eu-zurich-1")),
        (config_with, Some("us-phoenix-1"), &[], Some("us-phoenix-1")),
        (config_with, None, &["session", "authenticate", "--region", "uk-london-1"], Some("uk-london-1")),
        (config_with, None, &["session", "authenticate"], Some("eu-zurich-1")),
    ] {
        let world = with_config(config);
        world.manager(&[("DEFAULT", &world.settings_with(&[("region", manager)]))]);
        let credential = world.woci(words).run().ok().json();
        let case = format!("{config:?}, {manager:?}, {words:?}");
        assert_eq!(value(&world, "DEFAULT", "region").as_deref(), expected, "{case}");
        let asked_for = words.iter().position(|word| *word == "--region").map(|at| words[at + 1]);
        assert_eq!(credential["region"].as_str(), asked_for.or(expected), "{case}");
    }
}

#[test]
fn a_region_is_inherited_from_default_as_by_oci() {
    let world = World::new();
    world.manager(&[("work", &world.settings_with(&[("region", None)]))]);
    world.session_of("work").seed(3600);
    world.write(".oci/config", "[DEFAULT]\nregion = eu-zurich-1\n[work]\n");
    assert_eq!(world.woci(&[]).run().ok().json()["region"], "eu-zurich-1");
    world.session_of("work").expire();
    world.woci(&["--region", "uk-london-1"]).run().ok();
    assert_eq!(value(&world, "work", "region"), None);
    // An empty value overrides the inherited one.
    world.write(".oci/config", "[work]\nregion =\n[DEFAULT]\nregion = eu-zurich-1\n");
    assert_eq!(world.woci(&[]).run().ok().json()["region"], serde_json::Value::Null);
}

#[test]
fn an_api_key_is_backed_up_once_and_removed_from_the_section() {
    let world = World::new();
    world.secret("S3cr3t-canary-pass");
    world.manager(&[("work", &world.settings())]);
    let old = format!("# mine\n[work]\n{API_KEY}[other]\nuser = u\n");
    world.write(".oci/config", &old);
    let mut expected = Vec::new();
    for name in ["config.woci-backup", "config.woci-backup-work", "config.woci-backup-work-2"] {
        world.write(".oci/config", &old);
        world.woci(&REPLACE).run().ok().says("WARNING").says(name);
        expected.push(name.to_owned());
        assert_eq!(backups(&world), expected);
        assert_eq!(world.read(&format!(".oci/{name}")), old);
        assert_eq!(mode(&world.path(format!(".oci/{name}"))), 0o600);
        for key in ["user", "pass_phrase"] {
            assert_eq!(value(&world, "work", key), None);
        }
        assert_eq!(value(&world, "work", "tenancy").as_deref(), Some(domain::TENANCY));
        assert_eq!(value(&world, "other", "user").as_deref(), Some("u"));
        assert_eq!(value(&world, "work", "region").as_deref(), Some("us-ashburn-1"));
    }
    world.session_of("work").expire();
    world.woci(&[]).run().ok();
    assert_eq!(backups(&world), expected, "no API key, no backup");
}

#[test]
fn each_key_of_an_api_key_is_replaced_only_on_request() {
    for mark in ["user = u\n", "pass_phrase = p\n", "key_file = /elsewhere/key.pem\n"] {
        let old = format!("[DEFAULT]\n{mark}");
        let world = with_config(&old);
        for words in [
            &[][..],
            &["env"],
            &["os"],
            &["session", "refresh"],
            &["session", "authenticate"],
            &["kube-credential", "--cluster-id", "ocid1.cluster.oc1.iad.aaaa"],
            &["--daemon"],
        ] {
            let run = world.woci(words).run().fails(2).says("API key").says("--profile");
            run.says("`woci session authenticate --profile DEFAULT --replace-api-key`");
        }
        assert_eq!(
            (world.read(".oci/config"), world.sim.total(), backups(&world).len()),
            (old, 0, 0),
            "{mark}"
        );
        world.woci(&REPLACE).run().ok().says("API key");
        assert_eq!(backups(&world), ["config.woci-backup"], "{mark}");
        world.woci(&[]).run().ok().silent();
    }
}

/// Its own section is one of the two ways out.
#[test]
fn a_profile_beside_an_api_key_in_default_gets_a_section_of_its_own() {
    let world = World::new();
    world.secret("S3cr3t-canary-pass");
    world.manager(&[("prod", &world.settings())]);
    let old = format!("[DEFAULT]\n{API_KEY}");
    world.write(".oci/config", &old);
    world.woci(&[]).run().ok();
    assert!(world.read(".oci/config").starts_with(&old));
    assert_eq!(backups(&world), [""; 0]);
}

/// The older tool left them there. With them, the Go SDK would sign as the API key.
#[test]
fn user_and_passphrase_beside_a_session_leave_the_section_with_a_backup() {
    for mark in ["user = u\n", "pass_phrase = S3cr3t-canary-pass\n"] {
        let world = with_config(format!("[DEFAULT]\n{mark}key_file = k\nsecurity_token_file = t\n"));
        world.woci(&[]).run().ok().says("WARNING").says("config.woci-backup");
        assert_eq!(backups(&world), ["config.woci-backup"], "{mark}");
        let text = world.read(".oci/config");
        assert!(!text.contains("user") && !text.contains("pass_phrase"), "{text}");
    }
}

/// A container, a renamed user, Windows.
#[test]
fn the_session_of_another_home_is_no_api_key() {
    for folder in
        ["/home/other/.oci/sessions/DEFAULT/", r"C:\Users\other\.oci\sessions\DEFAULT\", "~/elsewhere/"]
    {
        for others in ["", "[other]\nuser = u\n"] {
            let world = with_config(format!(
                "[DEFAULT]\nkey_file={folder}private_key.pem\nsecurity_token_file={folder}token\n{others}"
            ));
            let run = world.woci(&[]).run().ok();
            assert!(!run.stderr.contains("API key"), "{run}");
            assert_eq!(backups(&world), [""; 0]);
            let token_file = world.session().path("token");
            assert_eq!(value(&world, "DEFAULT", "security_token_file").as_deref(), token_file.to_str());
        }
    }
}

#[test]
fn paths_with_a_tilde_stay_as_they_are_written() {
    let world = with_config("");
    world.woci(&[]).run().ok();
    let folder = world.session().folder.clone();
    let tilde = world.read(".oci/config").replace(folder.to_str().expect("UTF-8"), "~/.oci/sessions/DEFAULT");
    world.write(".oci/config", &tilde);
    world.session().expire();
    for words in [&[][..], &["session", "refresh"], &["os"], &["env"], &["session", "authenticate"]] {
        world.woci(words).run().ok();
        assert_eq!(world.read(".oci/config"), tilde, "{words:?}");
    }
}

/// `woci env` exports the region of its profile, and the next sign-in may be another profile's.
#[test]
fn a_region_of_the_environment_replaces_none() {
    for (section, expected) in [("region = eu-zurich-1\n", "eu-zurich-1"), ("", "uk-london-1")] {
        let world = with_config(format!("[DEFAULT]\n{section}"));
        world.manager(&[("DEFAULT", &world.settings_with(&[("region", None)]))]);
        let woci = world.woci(&["session", "authenticate"]).env("OCI_CLI_REGION", "uk-london-1");
        assert_eq!(woci.run().ok().json()["region"], "uk-london-1");
        assert_eq!(value(&world, "DEFAULT", "region").as_deref(), Some(expected));
    }
}

/// Runs `work` while the config is a link into a folder in which nobody can make a file, not even root.
fn with_unwritable_config(world: &World, work: impl FnOnce()) {
    symlink("/proc/self/no-such-config", world.path(".oci/config")).expect("a new link");
    work();
    fs::remove_file(world.path(".oci/config")).expect("it is a link");
}

#[test]
fn a_config_that_cannot_be_written_costs_nobody_the_session() {
    let world = World::signed_in();
    with_unwritable_config(&world, || {
        for words in [&[][..], &["env"]] {
            world.woci(words).run().ok().says("WARNING").prints("private_key.pem");
        }
        world.session().expire();
        let run = world.woci(&[]).run().ok().says("WARNING");
        assert_eq!(run.json()["source"], "refreshed");
        assert_eq!(run.stderr.matches("does not name the session").count(), 1, "{run}");
        world.woci(&["session", "authenticate"]).run().ok().says("WARNING");
    });
}

#[test]
fn without_its_section_oci_gets_the_session_by_variables() {
    let world = World::signed_in();
    let session = world.session();
    with_unwritable_config(&world, || {
        let of_env = world.shell("eval \"$(woci env)\"; exec oci os").run().ok().says("WARNING").json();
        let heard = world.woci(&["os"]).run().ok().says("WARNING").json();
        let path = |name: &str| session.path(name).to_str().expect("UTF-8").to_owned();
        let (fingerprint, region) = ("fd:0c:c6:50:58:0f:07:ac:cf:8a:96:3c:db:b6:ad:86", "us-ashburn-1");
        for (name, value) in [
            ("KEY_FILE", path("private_key.pem")),
            ("SECURITY_TOKEN_FILE", path("token")),
            ("USER", domain::USER.into()),
            ("TENANCY", domain::TENANCY.into()),
            ("FINGERPRINT", fingerprint.into()),
            ("REGION", region.into()),
        ] {
            assert_eq!(heard["env"][format!("OCI_CLI_{name}")], value, "{name}");
            assert_eq!(of_env["env"][format!("OCI_CLI_{name}")], value, "{name} by `woci env`");
        }
    });
    let heard = world.woci(&["os"]).run().ok().silent().json();
    assert_eq!(heard["env"]["OCI_CLI_KEY_FILE"], serde_json::Value::Null);
    let undone = "eval \"$(woci env)\"; eval \"$(woci env --unset)\"; exec oci os";
    for line in ["eval \"$(woci env)\"; exec oci os", undone] {
        let heard = world.shell(line).env("OCI_CLI_USER", "another").run().ok().json();
        assert_eq!(heard["env"]["OCI_CLI_USER"], serde_json::Value::Null, "{line}");
    }
}

/// A file that is mounted alone cannot be replaced, but read.
#[test]
fn a_config_that_is_mounted_alone_is_left_and_used() {
    let world = World::signed_in();
    world.write(".oci/config", "[other]\nuser = u\n");
    world.write("mounted", "[other]\nuser = u\nregion = eu-zurich-1\n");
    let script = "mount --bind mounted .oci/config || exit 77; exec woci os ns get";
    let run = world.program(Path::new("/usr/bin/unshare"), &["--mount", "/bin/sh", "-c", script]).run();
    if run.code() == 77 || run.stderr.starts_with("unshare: ") {
        eprintln!("skipped: a mount needs root: {}", run.stderr.trim());
        return;
    }
    let heard = run.ok().says("WARNING").json();
    assert_eq!(
        heard["env"]["OCI_CLI_KEY_FILE"],
        world.session().path("private_key.pem").to_str().expect("UTF-8")
    );
}

/// An ACL as the kernel stores it: version 2, then tag, permissions and id of each entry. It denies the user 4242
/// what the file's group may.
#[cfg(target_os = "linux")]
fn acl_against_4242() -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] = [(1, 6, !0), (2, 0, 4242), (4, 4, !0), (0x10, 4, !0), (0x20, 0, !0)];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

#[test]
#[cfg(target_os = "linux")]
fn the_acl_of_the_config_is_kept() {
    let world = with_config("[other]\npass_phrase = p\n");
    let config = world.path(".oci/config");
    fs::set_permissions(&config, Permissions::from_mode(0o640)).expect("an own file");
    if !sys::set_acl(&config, &acl_against_4242()) {
        eprintln!("skipped: the file system has no ACLs");
        return;
    }
    let inode = || fs::metadata(&config).expect("it is there").ino();
    let before = inode();
    world.woci(&[]).run().ok();
    assert_ne!(inode(), before);
    assert_eq!(sys::acl(&config), Some(acl_against_4242()));
    assert_eq!(mode(&config), 0o640);
}

/// A default ACL of the folder gives new files readers that the old one did not have.
#[test]
#[cfg(target_os = "linux")]
fn a_default_acl_of_the_folder_gives_no_reader() {
    let world = with_config("[other]\npass_phrase = p\n");
    let config = world.path(".oci/config");
    fs::set_permissions(&config, Permissions::from_mode(0o640)).expect("an own file");
    let open: Vec<u8> = {
        let mut acl = acl_against_4242();
        acl[4 + 8 + 2] = 4; // the user 4242 may read
        acl
    };
    if !sys::set_default_acl(&world.path(".oci"), &open) {
        eprintln!("skipped: the file system has no ACLs");
        return;
    }
    world.woci(&[]).run().ok();
    assert_eq!((sys::acl(&config), mode(&config)), (None, 0o640));
}

#[test]
fn owner_and_group_of_the_config_are_kept() {
    let world = with_config("[other]\npass_phrase = p\n");
    let config = world.path(".oci/config");
    if chown(&config, Some(4242), Some(4343)).is_err() {
        eprintln!("skipped: only root gives a file away");
        return;
    }
    fs::set_permissions(&config, Permissions::from_mode(0o640)).expect("root may");
    world.woci(&[]).run().ok();
    let about = fs::metadata(&config).expect("it is there");
    assert_eq!((about.uid(), about.gid(), mode(&config)), (4242, 4343, 0o640));
    assert!(world.read(".oci/config").contains("security_token_file"));
}

const NOBODY: u32 = 65_534;

/// Gives the home to the user nobody, but for the OCI config. Returns a woci that this user can start, wherever the
/// tests are built.
fn give_to_nobody(world: &World) -> PathBuf {
    let program = world.path("bin/woci-of-nobody");
    fs::copy(woci_program(), &program).expect("a new file");
    let mut paths = vec![world.home().to_owned()];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs::read_dir(&path).expect("a folder").flatten().map(|entry| entry.path()));
        }
        if path != world.path(".oci/config") {
            lchown(&path, Some(NOBODY), Some(NOBODY)).expect("root may");
        }
    }
    program
}

/// Without the right to give a file away, the group loses what it had, and the others what the group had not.
#[test]
fn a_group_that_cannot_be_kept_gives_no_reader() {
    for (old, new) in [(0o640, 0o600), (0o604, 0o600), (0o644, 0o604)] {
        let world = with_config("[other]\npass_phrase = p\n");
        let config = world.path(".oci/config");
        if chown(&config, Some(NOBODY), Some(4343)).is_err() {
            eprintln!("skipped: only root gives a file away");
            return;
        }
        fs::set_permissions(&config, Permissions::from_mode(old)).expect("root may");
        world.program(&give_to_nobody(&world), &[]).user(NOBODY).run().ok();
        assert!(world.read(".oci/config").contains("security_token_file"));
        assert_eq!(mode(&config), new, "{old:o}");
    }
}

/// The owner would be locked out of it, or another would own it.
#[test]
fn a_config_of_another_user_is_left_alone() {
    let world = with_config("[other]\npass_phrase = p\n");
    let config = world.path(".oci/config");
    if chown(&config, Some(4242), Some(4242)).is_err() {
        eprintln!("skipped: only root gives a file away");
        return;
    }
    fs::set_permissions(&config, Permissions::from_mode(0o644)).expect("root may");
    world.program(&give_to_nobody(&world), &[]).user(NOBODY).run().ok().says("WARNING").says("another user");
    assert_eq!(fs::metadata(&config).expect("it is there").uid(), 4242);
    assert_eq!(world.read(".oci/config"), "[other]\npass_phrase = p\n");
}

/// oci itself warns about a key that does not end so, be it for a line feed. A key that is there stays byte for byte.
#[test]
fn a_new_key_ends_as_oci_writes_it() {
    let world = World::new();
    world.woci(&[]).run().ok();
    assert!(world.session().key().ends_with("-----END PRIVATE KEY-----\nOCI_API_KEY"));
    let world = with_config("");
    let before = world.session().key();
    world.woci(&[]).run().ok();
    world.woci(&["session", "authenticate"]).run().ok();
    assert_eq!(world.session().key(), before);
}

#[test]
fn an_api_key_in_default_is_replaced_only_on_request_named_or_not() {
    let old = format!("[DEFAULT]\n{API_KEY}[other]\nregion = eu-zurich-1\n");
    let refused = "it holds an API key that every other profile in the file inherits";
    // Checked before a sign-in, before a refresh, and before oci is started.
    let world = World::new();
    world.secret("S3cr3t-canary-pass");
    world.write(".oci/config", &old);
    for words in [&[][..], &["session", "authenticate"], &["os"]] {
        world.woci(words).run().fails(2).says(refused);
        world.woci(words).env("OCI_CLI_PROFILE", "DEFAULT").run().fails(2).says(refused);
    }
    world.session().seed(-60);
    for words in [&[][..], &["session", "refresh"], &["session", "authenticate"], &["os"]] {
        world.woci(words).run().fails(2).says(refused);
    }
    world.session().age(3600);
    for words in [&[][..], &["env"], &["os"], &["--profile", "DEFAULT"], &["--profile", "DEFAULT", "os"]] {
        world.woci(words).run().fails(2).says(refused);
    }
    assert_eq!((world.read(".oci/config"), world.sim.total()), (old.clone(), 0));

    world.woci(&REPLACE).run().ok().says("config.woci-backup");
    assert_eq!(value(&world, "DEFAULT", "user"), None);
    assert_eq!(world.read(".oci/config.woci-backup"), old);
}

#[test]
fn the_daemon_replaces_an_api_key_on_the_same_request() {
    let world = with_config(format!("[DEFAULT]\n{API_KEY}[other]\n"));
    world.woci(&["--daemon", "session", "authenticate"]).run().fails(2).says("--replace-api-key");
    world.woci(&["--daemon", "session", "authenticate", "--replace-api-key"]).run().ok().says("WARNING");
    assert_eq!(value(&world, "DEFAULT", "user"), None);
    world.woci(&["--stop-daemon"]).run().ok();
}

#[test]
fn a_config_that_oci_refuses_is_reported_before_anything_is_sent() {
    for (text, line) in [
        (&b"[DEFAULT]\n[other]\n[other]\n"[..], "line 3"),
        (b"[DEFAULT]\nkey_file = x\nfoo\n", "line 3"),
        (b"[other]\nuser = a\nuser = b\n", "line 3"),
        (b"key_file = x\n", "line 1"),
        (b"[DEFAULT]\nregion = \xff\n", "line 2"),
        (b"\xef\xbb\xbf[DEFAULT]\n", "line 1"),
    ] {
        for words in [&[][..], &["session", "authenticate"]] {
            let world = with_config(text);
            world.woci(words).run().fails(2).says(".oci/config").says(line);
            assert_eq!(world.sim.total(), 0, "{}", String::from_utf8_lossy(text));
            assert_eq!(fs::read(world.path(".oci/config")).expect("it is there"), text);
        }
    }
}

/// oci refuses duplicates, so that no working config has any.
#[test]
fn duplicates_of_wocis_keys_are_removed() {
    let world = with_config(
        "[DEFAULT]\nregion = a\nregion = b\ntenancy = c\nTENANCY = d\nkey_file = x\nsecurity_token_file = t\n\
         [o]\nk = v\n",
    );
    world.woci(&["--profile", "DEFAULT"]).run().ok();
    for key in ["region", "tenancy", "key_file"] {
        assert!(value(&world, "DEFAULT", key).is_some(), "{key}");
    }
    assert!(!world.read(".oci/config").contains("TENANCY"));
}

#[test]
fn passthrough_repairs_a_section_that_names_other_files() {
    for old in [
        "",
        "[DEFAULT]\n",
        "[DEFAULT]\nkey_file = {folder}/other.pem\nsecurity_token_file = {folder}/token\n",
        "[DEFAULT]\nkey_file = {folder}/private_key.pem\nsecurity_token_file = /elsewhere/token\n",
    ] {
        let world = World::signed_in();
        let folder = world.session().folder.clone();
        world.write(".oci/config", old.replace("{folder}", folder.to_str().expect("UTF-8")));
        world.woci(&["os"]).run().ok().silent();
        let names = |key: &str| value(&world, "DEFAULT", key).map(|path| Path::new(&path).to_owned());
        assert_eq!(names("key_file"), Some(folder.join("private_key.pem")), "{old}");
        assert_eq!(names("security_token_file"), Some(folder.join("token")), "{old}");
        assert_eq!(world.sim.total(), 0);
    }
}

#[test]
fn other_kinds_of_files_in_its_place_are_an_error() {
    for words in [&[][..], &["os"], &["session", "authenticate"]] {
        let world = World::signed_in();
        fs::create_dir(world.path(".oci/config")).expect("a new folder");
        world.woci(words).run().fails(1).says(".oci/config").says("folder");
        assert_eq!(world.sim.total(), 0);
        fs::remove_dir(world.path(".oci/config")).expect("it is empty");
        symlink("config", world.path(".oci/config")).expect("a new link");
        world.woci(words).run().fails(1).says(".oci/config");
        assert_eq!(world.sim.total(), 0);
    }
    let world = World::signed_in();
    world.write(".oci/config", vec![b'#'; 17 << 20]);
    world.woci(&[]).run().fails(1).says("16 MiB");
}

/// A home behind a symbolic link, as on many clusters.
#[test]
fn a_key_in_the_session_folder_is_recognized_by_another_path() {
    let world = World::signed_in();
    let session = world.session();
    session.expire();
    symlink(".", world.path("alias")).expect("a new link");
    fs::rename(session.path("private_key.pem"), session.path("oci_api_key.pem")).expect("own files");
    let key_file = world.path("alias/.oci/sessions/DEFAULT/oci_api_key.pem");
    let section = format!("[DEFAULT]\nkey_file = {}\nsecurity_token_file = t\n", key_file.display());
    world.write(".oci/config", section);
    let credential = world.woci(&[]).run().ok().json();
    assert_eq!(credential["key_file"], key_file.to_str().expect("UTF-8"));
    assert_eq!(session.read("private_key.pem"), None);
    fs::rename(session.path("oci_api_key.pem"), session.path("private_key.pem")).expect("own files");
}

/// Files of the older tool, or files that were copied without their modes.
#[test]
fn files_that_others_can_read_are_private_after_a_refresh() {
    let world = World::signed_in();
    world.session().expire();
    fs::set_permissions(&world.session().folder, Permissions::from_mode(0o755)).expect("an own folder");
    for name in ["token", "private_key.pem", "refresh_token"] {
        fs::set_permissions(world.session().path(name), Permissions::from_mode(0o644)).expect("an own file");
    }
    world.woci(&[]).run().ok();
    // World checks the modes at its end.
}
