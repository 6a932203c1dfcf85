//! Odd answers of the provider and the domain: numbers that no double holds, members that are there twice, a
//! connection that breaks in the middle of the answer, compressed, huge and foreign bodies.

use crate::sim::faults::{Fault, Grant};
use crate::sim::http::Response;
use crate::sim::provider::Rotation;
use crate::world::World;
use crate::world::run::Run;
use serde_json::json;
use std::fs;
use std::os::unix::fs::MetadataExt;

const JSON: &str = "application/json";

fn expired() -> World {
    let world = World::signed_in();
    world.session().expire();
    world
}

/// The provider's answer to the next refresh, with the tokens that it issues put into `form`.
fn answer(world: &World, form: &str) -> String {
    let provider = &world.sim.provider;
    let tokens = provider.tokens(&mut provider.ledger(), "openid", None);
    let next = provider.issue_refresh_token();
    let access = tokens["access_token"].as_str().expect("a token");
    let body = form.replace("ACCESS", access).replace("NEXT", &next);
    world.sim.fault(Grant::Refresh, Fault::raw(Response::new(200, JSON, body).bytes()));
    next
}

#[test]
fn a_number_that_no_double_holds_costs_nothing() {
    let world = expired();
    let next = answer(
        &world,
        r#"{"expires_in":1e400,"access_token":"ACCESS","token_type":"Bearer","refresh_token":"NEXT","x":[-1e999]}"#,
    );
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    assert_eq!(world.session().refresh_token(), Some(next));
}

#[test]
fn two_different_tokens_of_one_name_are_refused_and_the_next_refresh_token_is_kept() {
    let world = expired();
    let next = answer(
        &world,
        r#"{"access_token":"ACCESS","access_token":"e30.e30.x","token_type":"Bearer","refresh_token":"NEXT"}"#,
    );
    world.woci(&[]).run().fails(1).says("it has access_token twice");
    assert_eq!(world.session().refresh_token(), Some(next));
    assert_eq!(world.sim.count(Grant::Exchange), 0);

    // The same value twice leaves nothing open.
    let next = answer(
        &world,
        r#"{"access_token":"ACCESS","access_token":"ACCESS","token_type":"Bearer","refresh_token":"NEXT"}"#,
    );
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
    assert_eq!(world.session().refresh_token(), Some(next));

    let world = expired();
    let twice = r#"{"token":"e30.e30.x","token":"e30.e30.y"}"#;
    world.sim.fault(Grant::Exchange, Fault::status(200, twice));
    world.woci(&[]).run().fails(1).says("it has token twice");
}

#[test]
fn a_refresh_token_that_stays_the_same_is_not_written_again() {
    for rotation in [Some(json!("same")), None] {
        let world = expired();
        let token = world.session().refresh_token().expect("it was seeded");
        let same = rotation.map(|_| json!(token));
        world.sim.provider.rules().rotation = Rotation::Keep(same);
        world.woci(&["session", "refresh"]).run().ok();
        let gate = world.sim.hold_answers(Grant::Refresh);
        let woci = world.woci(&["session", "refresh"]).start();
        gate.wait_for(1);
        let file = || fs::metadata(world.session().path("refresh_token")).expect("it is there").ino();
        let before = file();
        gate.open();
        woci.finish().ok();
        assert_eq!(file(), before, "the file is the one that was there before the answer");
        assert_eq!(world.session().refresh_token(), Some(token));
    }
}

/// The provider may have spent the token: nothing says that the session is kept.
#[test]
fn after_a_break_in_the_middle_of_an_answer_nobody_claims_that_the_session_is_kept() {
    let half = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"acc";
    for fault in [Fault::raw(half), Fault::drop(), Fault::reset(), Fault::raw("HTTP/1.1 200 OK\r\nContent-")]
    {
        let world = expired();
        world.sim.fault(Grant::Refresh, fault);
        let run = world.woci(&[]).run().fails(1).says("may have replaced the refresh token");
        assert!(!run.stderr.contains("is kept"), "{run}");
        run.says("woci session authenticate");
        world.woci(&[]).run().ok();
    }
    // The exchange spends nothing.
    let world = expired();
    world.sim.fault(Grant::Exchange, Fault::drop());
    world.woci(&[]).run().fails(1).says("the session is kept");
}

/// Each answer is refused with words that name it, costs little memory, and the next run goes on.
#[test]
fn foreign_bodies_are_refused() {
    // 1 GiB of zeros would be 1 MiB of gzip; woci asks for no compression and unpacks nothing.
    let gzip = [&b"\x1f\x8b\x08\0\0\0\0\0\x02\x03"[..], &[0xff; 4096]].concat();
    let utf16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let compressed = |body: &[u8]| Response::new(200, JSON, body).header("Content-Encoding", "gzip").bytes();
    for grant in [Grant::Refresh, Grant::Exchange] {
        for (fault, words) in [
            (Fault::raw(compressed(&gzip)), "not a JSON object"),
            (
                Fault::raw(Response::new(200, "application/json; charset=utf-16", utf16.clone()).bytes()),
                "not a JSON object",
            ),
            (Fault::raw("HTTP/1.0 103 Early Hints\r\n\r\nHTTP/1.0 200 OK\r\n\r\n[]"), "cannot"),
            (Fault::status(201, "{}"), "HTTP 201"),
            (Fault::status(204, ""), "HTTP 204"),
            (Fault::status(299, "{}"), "HTTP 299"),
            (Fault::status(418, ""), "HTTP 418"),
            (Fault::status(599, ""), "HTTP 599"),
            (Fault::status(999, ""), "HTTP 999"),
            (Fault::raw(many_headers()), "cannot"),
        ] {
            let world = expired();
            world.sim.fault(grant, fault);
            let run = world.woci(&[]).limit(libc::RLIMIT_AS, 1 << 30).run().fails(1).says(words);
            assert_eq!(world.sim.count(grant), 1, "{run}");
            world.woci(&[]).run().ok();
        }
    }
}

fn many_headers() -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\n".to_vec();
    (0..200_000).for_each(|number| answer.extend_from_slice(format!("X-{number}: x\r\n").as_bytes()));
    answer.extend_from_slice(b"\r\n{}");
    answer
}

#[test]
fn the_query_of_an_endpoint_is_not_shown() {
    let world = World::signed_in();
    let secret = "canary-of-a-query";
    world.secret(secret);
    let url = |name: &str| {
        let settings = world.settings();
        let (_, url) = settings.iter().find(|(key, _)| key == name).expect("it is set").clone();
        format!("{url}?api_key={secret}")
    };
    let (token, exchange) = (url("token_url"), url("token_exchange_url"));
    let changes = [("token_url", Some(token.as_str())), ("token_exchange_url", Some(exchange.as_str()))];
    world.manager(&[("DEFAULT", &world.settings_with(&changes))]);
    let refused = |grant: Grant, fault: Fault| -> Run {
        world.session().expire();
        world.sim.fault(grant, fault);
        world.woci(&["--log-level", "debug"]).run().fails(1).says("?…")
    };
    for grant in [Grant::Refresh, Grant::Exchange] {
        refused(grant, Fault::status(400, "{}"));
        refused(grant, Fault::status(200, "no"));
        refused(grant, Fault::drop());
    }
    refused(Grant::Refresh, Fault::refusal("server_error", &format!("?api_key={secret}")));
    world.sim.provider.revoke_all();
    world.woci(&["--sign-in", "never", "session", "refresh"]).run().fails(1);
}

#[test]
fn the_refused_client_is_named_by_its_keys() {
    let world = expired();
    for (grant, keys) in [(Grant::Refresh, "auth_client_id"), (Grant::Exchange, "client_id")] {
        for fault in [Fault::refusal("invalid_client", "no"), Fault::status(401, "")] {
            world.session().expire();
            world.sim.fault(grant, fault);
            world.woci(&[]).run().fails(1).says(&format!("check {keys} "));
        }
    }
}
