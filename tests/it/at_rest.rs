//! The refresh token on disk: an encrypted token stays encrypted, a plain one is encrypted once a passphrase is
//! configured, and nothing is sent before the next token's file is prepared. The prompt on the terminal: once for an
//! old passphrase, twice for a new one, without echo.

use crate::sim::faults::{Fault, Grant};
use crate::sim::provider::Rotation;
use crate::sim::sys;
use crate::world::World;
use crate::world::run::Woci;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fs;

const PASSPHRASE: &str = "correct horse battery staple";
const WITH_VARIABLE: [&str; 2] = ["--refresh-token-passphrase-env", "WOCI_PASSPHRASE"];
const WITH_PROMPT: [&str; 1] = ["--refresh-token-passphrase-prompt"];

/// A World whose UPST has expired and whose refresh token is plain text.
fn plain() -> World {
    let world = World::signed_in();
    world.secret(PASSPHRASE);
    world.session().expire();
    world
}

/// The same after a refresh with a passphrase.
fn encrypted() -> World {
    let world = plain();
    with_variable(&world, &[]).run().ok();
    world.session().expire();
    world
}

fn with_variable<'w>(world: &'w World, words: &[&str]) -> Woci<'w> {
    world.woci(&[&WITH_VARIABLE[..], words].concat()).env("WOCI_PASSPHRASE", PASSPHRASE)
}

fn envelope(world: &World) -> Value {
    let text = world.session().refresh_token().expect("there is a refresh token");
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("no envelope ({why}): {text}"))
}

/// Checks that the run fails with this code, sends nothing and changes nothing.
fn stops(woci: Woci<'_>, world: &World, code: i32, words: &str) {
    let (before, requests) = (world.session().snapshot(), world.sim.total());
    woci.run().fails(code).says(words);
    assert_eq!(world.session().snapshot(), before);
    assert_eq!(world.sim.total(), requests);
}

#[test]
fn a_plain_token_becomes_an_envelope_that_conforms_to_the_schema() {
    let world = encrypted();
    let first = envelope(&world);
    assert_eq!((&first["enc"], &first["kdf"]), (&json!("ChaCha20-Poly1305"), &json!("scrypt")));
    let schema = include_str!("../../schemas/refresh-token.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).expect("JSON")).expect("a schema");
    assert!(schema.is_valid(&first));

    assert_eq!(with_variable(&world, &[]).run().ok().json()["source"], "refreshed");
    let second = envelope(&world);
    assert!(schema.is_valid(&second));
    assert_ne!(first["nonce"], second["nonce"]);
    // The stored token is the valid one: another refresh succeeds.
    world.session().expire();
    with_variable(&world, &[]).run().ok();
    assert_eq!(world.sim.count(Grant::Refresh), 3);
}

#[test]
fn a_token_that_is_not_rotated_is_encrypted_too() {
    for rotation in [Rotation::Keep(None), Rotation::Keep(Some(Value::Null))] {
        let world = plain();
        world.sim.provider.rules().rotation = rotation;
        with_variable(&world, &[]).run().ok();
        envelope(&world);
        world.session().expire();
        with_variable(&world, &[]).run().ok();
        assert_eq!(world.sim.count(Grant::Refresh), 2);
    }
}

#[test]
fn after_a_failed_exchange_the_next_token_is_stored_encrypted() {
    let world = plain();
    world.sim.fault(Grant::Exchange, Fault::status(500, "{}"));
    with_variable(&world, &[]).run().fails(1);
    envelope(&world);
    with_variable(&world, &[]).run().ok();
}

#[test]
fn a_sign_in_with_a_passphrase_stores_an_envelope() {
    let world = World::new();
    world.secret(PASSPHRASE);
    with_variable(&world, &[]).run().ok();
    envelope(&world);
    world.session().expire();
    assert_eq!(with_variable(&world, &[]).run().ok().json()["source"], "refreshed");
}

#[test]
fn the_config_key_does_the_same_as_the_flag() {
    let world = plain();
    let changes = [("refresh_token_passphrase_env", Some("WOCI_PASSPHRASE"))];
    world.manager(&[("DEFAULT", &world.settings_with(&changes))]);
    stops(world.woci(&[]), &world, 2, "WOCI_PASSPHRASE");
    world.woci(&[]).env("WOCI_PASSPHRASE", PASSPHRASE).run().ok();
    envelope(&world);
}

#[test]
fn an_encrypted_token_without_a_passphrase_source_is_not_sent() {
    let world = encrypted();
    stops(world.woci(&[]), &world, 2, "no passphrase source");
    stops(world.woci(&["session", "refresh"]), &world, 2, "--refresh-token-passphrase-prompt");
    // The check is also made before a browser is opened.
    stops(world.woci(&["session", "authenticate"]), &world, 2, "no passphrase source");
    stops(world.woci(&["os"]), &world, 2, "no passphrase source");
}

#[test]
fn a_variable_that_is_unset_or_empty_is_exit_2_and_never_means_plain_text() {
    for world in [encrypted(), plain(), World::new()] {
        for words in [&[][..], &["session", "authenticate"]] {
            let words = [&WITH_VARIABLE[..], words].concat();
            let before = world.sim.total();
            world.woci(&words).run().fails(2).says("WOCI_PASSPHRASE");
            world.woci(&words).env("WOCI_PASSPHRASE", "").run().fails(2).says("WOCI_PASSPHRASE");
            assert_eq!(world.sim.total(), before);
        }
    }
}

#[test]
fn a_wrong_passphrase_is_exit_1_and_changes_nothing() {
    let world = encrypted();
    for wrong in ["Correct horse battery staple", "x", " correct horse battery staple"] {
        let woci = world.woci(&WITH_VARIABLE).env("WOCI_PASSPHRASE", wrong);
        stops(woci, &world, 1, "the passphrase is wrong");
    }
    with_variable(&world, &[]).run().ok();
}

#[test]
fn an_altered_or_truncated_envelope_is_refused_and_kept() {
    let world = encrypted();
    let whole = world.session().read("refresh_token").expect("a refresh token");
    let text = whole.trim_end();
    let mut damaged =
        vec![text[..text.len() / 2].to_owned(), "{".into(), "{}".into(), format!("{text}{text}")];
    for (field, value) in [("n", json!(1 << 20)), ("n", json!(2)), ("r", json!(1_000_000)), ("p", json!(0))] {
        let mut envelope = envelope(&world);
        envelope[field] = value;
        damaged.push(envelope.to_string());
    }
    for text in damaged {
        world.session().write("refresh_token", &text);
        stops(with_variable(&world, &[]), &world, 1, "refresh_token");
    }
    world.session().write("refresh_token", &whole);
    with_variable(&world, &[]).run().ok();
}

#[test]
fn a_valid_upst_needs_no_passphrase() {
    let world = encrypted();
    with_variable(&world, &[]).run().ok();
    for words in [&[][..], &WITH_VARIABLE, &WITH_PROMPT] {
        world.woci(words).run().ok().silent();
        world.woci(&[words, &["os", "ns"]].concat()).run().ok().silent();
    }
}

#[test]
fn after_a_lost_passphrase_a_sign_in_takes_a_new_one() {
    let world = encrypted();
    let new = "a new passphrase of mine";
    world.secret(new);
    let words = [&WITH_VARIABLE[..], &["session", "authenticate"]].concat();
    world.woci(&words).env("WOCI_PASSPHRASE", new).run().ok();
    world.session().expire();
    stops(with_variable(&world, &[]), &world, 1, "the passphrase is wrong");
    world.woci(&WITH_VARIABLE).env("WOCI_PASSPHRASE", new).run().ok();
}

/// The older Python tool's format: AES-256-GCM with a key by PBKDF2, without associated data.
#[test]
fn an_envelope_of_the_older_tool_is_read_and_replaced() {
    let world = plain();
    let token = world.session().refresh_token().expect("a refresh token");
    let legacy = legacy(&token, PASSPHRASE);
    world.session().write("refresh_token", &legacy);
    stops(world.woci(&[]), &world, 2, "no passphrase source");
    stops(world.woci(&WITH_VARIABLE).env("WOCI_PASSPHRASE", "wrong"), &world, 1, "the passphrase is wrong");
    assert_eq!(with_variable(&world, &[]).run().ok().json()["source"], "refreshed");
    assert_eq!(envelope(&world)["kdf"], "scrypt");
    world.session().expire();
    with_variable(&world, &[]).run().ok();
}

fn legacy(token: &str, passphrase: &str) -> String {
    use aes_gcm::aead::{Aead, KeyInit};
    let (salt, nonce) = ([7; 16], [9; 12]);
    let mut key = [0; 32];
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(passphrase.as_bytes(), &salt, 200_000, &mut key);
    let cipher = aes_gcm::Aes256Gcm::new((&key).into());
    let sealed = cipher.encrypt(&aes_gcm::Nonce::from(nonce), token.as_bytes()).expect("a short text");
    let text = |bytes: &[u8]| STANDARD.encode(bytes);
    let (salt, nonce, ct) = (text(&salt), text(&nonce), text(&sealed));
    json!({"enc": "AESGCM", "kdf": "PBKDF2-HMAC-SHA256", "iter": 200_000, "salt": salt, "nonce": nonce, "ct": ct})
        .to_string()
}

#[test]
fn a_file_that_is_no_refresh_token_is_refused_and_kept() {
    for bytes in [&b"\0\xff\xfe\x80"[..], b"two\nlines", b"a\x1b[2Jb", "\u{feff}{\"enc\":1}".as_bytes()] {
        let world = plain();
        world.session().write("refresh_token", bytes);
        let code = world.woci(&["--sign-in", "never"]).run().code();
        assert!(code == 1 || code == 2, "{bytes:?}");
        assert_eq!(fs::read(world.session().path("refresh_token")).expect("it is there"), bytes);
        assert_eq!(world.sim.total(), 0, "{bytes:?}");
        world.loses_refresh_token();
    }
    let world = plain();
    world.session().write("refresh_token", vec![b'x'; 3 << 20]);
    stops(world.woci(&[]), &world, 1, "refresh_token");
    world.loses_refresh_token();
}

#[test]
fn an_empty_refresh_token_file_counts_as_none() {
    for bytes in ["", "\n", "  \r\n\n"] {
        let world = plain();
        world.session().write("refresh_token", bytes);
        assert_eq!(world.woci(&[]).run().ok().json()["source"], "authenticated");
    }
}

#[test]
fn white_space_after_the_token_is_ignored() {
    let world = plain();
    let token = world.session().refresh_token().expect("a refresh token");
    world.session().write("refresh_token", format!("{token}\r\n\n  "));
    let upst = world.session().token();
    world.session().write("token", format!("{upst} \r\n"));
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
}

#[test]
fn a_new_passphrase_is_asked_for_twice_and_an_old_one_once() {
    let world = plain();
    let mut woci = world.woci(&WITH_PROMPT).terminal().start();
    woci.says("New passphrase");
    woci.types(&format!("{PASSPHRASE}\n"));
    woci.says("Repeat the passphrase");
    woci.types(&format!("{PASSPHRASE}\n"));
    assert_eq!(woci.finish().ok().json()["source"], "refreshed");
    envelope(&world);

    world.session().expire();
    let mut woci = world.woci(&WITH_PROMPT).terminal().start();
    woci.says("Passphrase for");
    woci.types(&format!("{PASSPHRASE}\n"));
    let run = woci.finish().ok();
    assert!(!run.stderr.contains("again"), "{run}");
    // The passphrase from the variable opens a token encrypted with the same one from the prompt.
    world.session().expire();
    with_variable(&world, &[]).run().ok();
}

#[test]
fn an_empty_or_mistyped_passphrase_is_refused_before_anything_is_sent() {
    let world = plain();
    for (first, second, code, words) in
        [("", None, 2, "empty"), ("one", Some("other"), 2, "differ"), ("one", Some(""), 2, "empty")]
    {
        let (before, requests) = (world.session().snapshot(), world.sim.total());
        let mut woci = world.woci(&WITH_PROMPT).terminal().start();
        woci.says("New passphrase");
        woci.types(&format!("{first}\n"));
        if let Some(second) = second {
            woci.says("Repeat the passphrase");
            woci.types(&format!("{second}\n"));
        }
        woci.finish().exits(code).says(words);
        assert_eq!((world.session().snapshot(), world.sim.total()), (before, requests));
    }
}

#[test]
fn at_the_terminal_there_are_three_tries_for_a_passphrase() {
    let world = encrypted();
    let requests = world.sim.total();
    let tries = |typed: &[&str]| {
        let mut woci = world.woci(&WITH_PROMPT).terminal().start();
        for (nth, line) in typed.iter().enumerate() {
            woci.says_times("Passphrase for", nth + 1);
            woci.types(&format!("{line}\n"));
        }
        woci.finish()
    };
    tries(&["wrong", "wrong too", "also wrong"]).exits(1).says("the passphrase is wrong");
    tries(&["wrong", ""]).exits(2).says("it is empty");
    assert_eq!(world.sim.total(), requests);
    tries(&["wrong", "wrong too", PASSPHRASE]).exits(0);
    assert_eq!(world.sim.total(), requests + 2);
}

#[test]
fn with_a_terminal_the_prompt_has_precedence_over_the_variable() {
    let world = encrypted();
    let both = [&WITH_PROMPT[..], &WITH_VARIABLE].concat();
    let mut woci = world.woci(&both).env("WOCI_PASSPHRASE", "wrong").terminal().start();
    woci.says("Passphrase for");
    woci.types(&format!("{PASSPHRASE}\n"));
    woci.finish().ok();
}

/// Runs woci in a session of its own, since this test may have a terminal.
#[test]
fn without_a_terminal_the_variable_is_used_or_it_is_exit_2() {
    let world = encrypted();
    let line = |words: &str| world.shell(&format!("exec setsid --wait woci {words}"));
    let before = world.session().snapshot();
    line("--refresh-token-passphrase-prompt").run().fails(2).says("there is no terminal");
    assert_eq!(world.session().snapshot(), before);
    let both = "--refresh-token-passphrase-prompt --refresh-token-passphrase-env WOCI_PASSPHRASE";
    line(both).env("WOCI_PASSPHRASE", PASSPHRASE).run().ok();
}

/// After woci has ended, the terminal shows typed text again.
#[test]
fn a_signal_at_the_prompt_restores_the_echo_and_ends_woci() {
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143)] {
        let world = encrypted();
        let (before, requests) = (world.session().snapshot(), world.sim.total());
        let line = format!("trap : INT; woci {}; echo \"ended $?\" >&2; stty -a >&2", WITH_PROMPT[0]);
        let mut shell = world.shell(&line).terminal().start();
        shell.says("Passphrase for");
        if signal == libc::SIGINT {
            shell.types("\x03");
        } else {
            signal_children(shell.id, signal);
        }
        let run = shell.finish().ok().says(&format!("ended {code}"));
        assert!(run.stderr.contains(" echo ") && !run.stderr.contains(" -echo "), "{run}");
        assert_eq!((world.session().snapshot(), world.sim.total()), (before, requests));
    }
}

fn signal_children(parent: u32, signal: i32) {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = fs::read_to_string(path).expect("the shell runs");
    for child in children.split_whitespace() {
        sys::kill(child.parse().expect("a process ID"), signal);
    }
}
