//! Invalid and failing responses of the provider and the identity domain: no token is lost, no secret is shown, and a
//! browser opens only if a sign-in can help.

use crate::sim::domain::{self, Upst};
use crate::sim::faults::{Fault, Grant};
use crate::sim::provider::AccessToken;
use crate::sim::{http, jwt};
use crate::world::World;
use crate::world::run::Run;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

const GRANTS: [Grant; 3] = [Grant::Code, Grant::Refresh, Grant::Exchange];

/// A World in which the next run makes a request of this kind.
fn before(grant: Grant) -> World {
    let world = World::signed_in();
    if grant == Grant::Code {
        // The key is kept, since the generation of a key is slow.
        ["token", "refresh_token"].iter().for_each(|name| world.session().remove(name));
    } else {
        world.session().expire();
    }
    world
}

/// Gives one request this response, and checks: exit 1, these words, no browser but that of a first sign-in; the next
/// run with a valid response succeeds.
fn answered(grant: Grant, fault: Fault, words: &str) -> Run {
    let world = before(grant);
    world.sim.fault(grant, fault);
    let run = world.woci(&[]).run().fails(1).says(words);
    assert_eq!(world.sim.count(grant), 1, "{grant:?}: sent again\n{run}");
    assert_eq!(world.sign_ins(), usize::from(grant == Grant::Code), "{grant:?}: {run}");
    if grant != Grant::Code {
        assert_eq!(world.session().refresh_token(), world.sim.provider.live_refresh_token(), "{grant:?}");
    }
    world.woci(&[]).run().ok();
    run
}

#[test]
fn an_error_status_is_reported_with_the_providers_words() {
    let body = json!({"error": "temporarily_unavailable", "error_description": "Back at ten"}).to_string();
    for grant in GRANTS {
        for status in [400, 403, 500] {
            answered(grant, Fault::status(status, "<h1>no</h1>"), &format!("HTTP {status}"));
        }
        for status in [401, 404, 408, 502] {
            answered(grant, Fault::status(status, &body), "temporarily_unavailable: Back at ten");
        }
    }
}

#[test]
fn an_invalid_response_is_refused() {
    for grant in GRANTS {
        for (fault, words) in [
            (Fault::status(200, "<h1>Sign in to the hotel</h1>"), "not a JSON object"),
            (Fault::status(200, ""), "not a JSON object"),
            (Fault::status(200, "[]"), "not a JSON object"),
            (Fault::status(200, "{"), "not a JSON object"),
            (Fault::status(200, "[".repeat(100_000)), "not a JSON object"),
            (Fault::status(200, "{}"), "it "),
            (Fault::status(200, "x".repeat((1 << 20) + 1)), "larger than 1 MiB"),
            (Fault::status(500, "x".repeat(8 << 20)), "larger than 1 MiB"),
            (Fault::status_with(200, &[("X-Long", &"x".repeat(1 << 20))], "{}"), "cannot"),
            (Fault::raw("SSH-2.0-OpenSSH_9.2\r\n"), "cannot"),
            (Fault::raw("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"), "cannot"),
            (Fault::raw(b"\0\xff\xfe\r\n\r\n".to_vec()), "cannot"),
            // A grant may have been processed.
            (Fault::drop(), if grant == Grant::Refresh { "cannot read the answer" } else { "cannot reach" }),
            (Fault::reset(), if grant == Grant::Refresh { "cannot read the answer" } else { "cannot reach" }),
        ] {
            answered(grant, fault, words);
        }
    }
}

#[test]
fn a_redirect_is_not_followed() {
    for grant in GRANTS {
        let elsewhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        elsewhere.set_nonblocking(true).expect("a socket can be told not to wait");
        let url = format!("http://{}/token", elsewhere.local_addr().expect("a bound socket"));
        for status in [301, 302, 303, 307, 308] {
            let fault = Fault::status_with(status, &[("Location", &url)], "");
            answered(grant, fault, &format!("a redirect to {url} (HTTP {status})"));
        }
        assert!(elsewhere.accept().is_err(), "{grant:?}: the redirect was followed");
    }
}

/// The only slow test: woci gives up after 30 s; the response would take minutes.
#[test]
fn a_response_that_arrives_byte_by_byte_is_given_up_after_the_limit() {
    let worlds: Vec<_> = GRANTS.into_iter().map(|grant| (grant, before(grant))).collect();
    let started = Instant::now();
    let runs: Vec<_> = worlds
        .iter()
        .map(|(grant, world)| {
            world.sim.fault(*grant, Fault::drip(Duration::from_secs(1)));
            world.woci(&[]).start()
        })
        .collect();
    runs.into_iter().for_each(|run| drop(run.finish().fails(1).says("no complete answer came in time")));
    let took = started.elapsed();
    assert!((29..40).contains(&took.as_secs()), "{took:?}");
    for (_, world) in &worlds {
        // The refresh was processed and its response did not arrive: no client can prevent this loss.
        world.loses_refresh_token();
    }
}

#[test]
fn after_status_429_the_request_is_sent_again_after_the_requested_pause() {
    for grant in GRANTS {
        let world = before(grant);
        world.sim.fault(grant, Fault::status_with(429, &[("Retry-After", "1")], "{}"));
        let started = Instant::now();
        world.woci(&[]).run().ok();
        assert!(started.elapsed() >= Duration::from_secs(1));
        assert_eq!(world.sim.count(grant), 2, "{grant:?}");
        // World checks at the end that no token was used twice.
    }
}

#[test]
fn a_request_is_sent_three_times_at_most() {
    for grant in GRANTS {
        let world = before(grant);
        world.sim.fault(grant, Fault::status_with(429, &[("Retry-After", "0")], "{}").always());
        world.woci(&[]).run().fails(1).says("HTTP 429");
        assert_eq!(world.sim.count(grant), 3, "{grant:?}");
    }
}

#[test]
fn a_requested_pause_of_more_than_ten_seconds_is_a_failure() {
    for pause in ["11", "3600", "99999999999999999999", "-1", "Wed, 21 Oct 2065 07:28:00 GMT"] {
        let world = before(Grant::Refresh);
        world.sim.fault(Grant::Refresh, Fault::status_with(429, &[("Retry-After", pause)], "{}").always());
        let started = Instant::now();
        world.woci(&[]).run().fails(1).says("HTTP 429");
        assert!(started.elapsed() < Duration::from_secs(10), "{pause}");
    }
}

#[test]
fn after_status_503_only_the_exchange_is_sent_again() {
    let unavailable = || Fault::status_with(503, &[("Retry-After", "0")], "{}").times(2);
    for grant in [Grant::Code, Grant::Refresh] {
        answered(grant, unavailable().times(1), "HTTP 503");
    }
    let world = before(Grant::Exchange);
    world.sim.fault(Grant::Exchange, unavailable());
    world.woci(&[]).run().ok();
    assert_eq!((world.sim.count(Grant::Refresh), world.sim.count(Grant::Exchange)), (1, 3));
}

#[test]
fn a_domain_that_is_down_is_named_and_the_next_token_kept() {
    let mut world = World::signed_in();
    world.session().expire();
    world.sim.close_domain();
    let url = world.sim.exchange_url();
    world.woci(&[]).run().fails(1).says("cannot reach the token exchange").says(&url);
    assert_eq!(world.session().refresh_token(), world.sim.provider.live_refresh_token());
}

/// At any position in the text, also where the text is cut.
#[test]
fn a_secret_in_a_response_is_not_shown() {
    for grant in GRANTS {
        for before_it in [0, 20, 470, 490] {
            let world = before(grant);
            let client = world.sim.provider.rules().client_secret.clone().expect("a confidential client");
            let domain = world.sim.domain.rules().client_secret.clone();
            let token = world.session().refresh_token().unwrap_or_default();
            let sent = match grant {
                Grant::Exchange => vec![http::encode(&domain), domain],
                Grant::Refresh => vec![http::encode(&client), client, token],
                _ => vec![http::encode(&client), client],
            };
            for secret in sent {
                let description = format!("{}{secret}", "x".repeat(before_it));
                let body = json!({"error": "invalid_client", "error_description": description});
                world.sim.fault(grant, Fault::status(400, body.to_string()));
                let run = world.woci(&["--log-level", "DEBUG"]).run().fails(1);
                let start: String = secret.chars().take(8).collect();
                assert!(!run.stderr.contains(&start), "{grant:?}, {before_it}: {run}");
            }
        }
    }
}

#[test]
fn a_response_without_access_token_is_refused_and_the_next_refresh_token_kept() {
    for (answer, words) in [
        (json!({"token_type": "Bearer"}), "access_token"),
        (json!({"access_token": null}), "access_token"),
        (json!({"access_token": ""}), "access_token"),
        (json!({"access_token": 1}), "access_token"),
        (json!({"access_token": "a.b\n.c"}), "access_token"),
        (json!({"access_token": "a.b.c", "token_type": "DPoP"}), "token_type"),
        (json!({"access_token": "a.b.c", "token_type": 1}), "token_type"),
    ] {
        for grant in [Grant::Code, Grant::Refresh] {
            let world = before(grant);
            let successor = world.sim.provider.issue_refresh_token();
            let mut answer: Value = answer.clone();
            answer["refresh_token"] = successor.clone().into();
            world.sim.fault(grant, Fault::status(200, answer.to_string()));
            world.woci(&[]).run().fails(1).says(words);
            assert_eq!(world.session().refresh_token(), Some(successor), "{answer}");
            assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
        }
    }
}

#[test]
fn an_invalid_refresh_token_replaces_nothing() {
    for odd in [json!(1), json!("a\nb"), json!("{\"a\":1}"), json!(["a"])] {
        let world = before(Grant::Refresh);
        let token = world.session().refresh_token();
        let answer = json!({"access_token": "a.b.c", "refresh_token": odd});
        world.sim.fault(Grant::Refresh, Fault::status(200, answer.to_string()));
        world.woci(&[]).run().fails(1).says("refresh_token");
        assert_eq!(world.session().refresh_token(), token);
    }
}

#[test]
fn the_token_type_bearer_is_accepted_in_any_case() {
    let world = before(Grant::Refresh);
    let answer = json!({"access_token": "a.b.c", "token_type": "BEARER"});
    world.sim.fault(Grant::Refresh, Fault::status(200, answer.to_string()));
    // The access token was sent, since the domain refuses it.
    world.woci(&[]).run().fails(1).says("token exchange");
    assert_eq!(world.sim.count(Grant::Exchange), 1);
}

#[test]
fn an_opaque_access_token_is_refused_with_advice() {
    for text in ["opaque", "a.b", "a.b.c.d", "."] {
        let world = before(Grant::Refresh);
        world.sim.provider.rules().access_token = AccessToken::Text(text.into());
        world.woci(&[]).run().fails(1).says("Okta").says("custom authorization server");
        assert_eq!(world.sim.count(Grant::Exchange), 0, "{text}");
        assert_eq!(world.session().refresh_token(), world.sim.provider.live_refresh_token());
    }
}

#[test]
fn an_unusable_upst_is_refused_with_the_reason() {
    for (upst, words) in [
        (Upst::Expired, "check the clock"),
        (Upst::WithoutExp, "exp"),
        (Upst::OtherKey, "another key"),
        (Upst::Text("a.b.c".into()), "not a JWT"),
        (Upst::Text("x".repeat(900_000)), "not a JWT"),
        (Upst::Document(json!({"token": null})), "it holds no token"),
        (Upst::Document(json!({"token": ""})), "it holds no token"),
        (Upst::Document(json!({"token": {"a": 1}})), "it holds no token"),
        (Upst::Document(json!({"access_token": "a.b.c"})), "it holds no token"),
    ] {
        let world = before(Grant::Exchange);
        let before = world.session().token();
        let config = std::fs::read(world.path(".oci/config")).ok();
        world.sim.domain.rules().upst = upst;
        world.woci(&[]).run().fails(1).says(words);
        assert_eq!(world.session().token(), before);
        assert_eq!(std::fs::read(world.path(".oci/config")).ok(), config);
        assert_eq!(world.sim.count(Grant::Exchange), 1);
    }
}

#[test]
fn a_upst_without_optional_claims_is_accepted() {
    for upst in [Upst::WithoutJwk, Upst::Nameless] {
        let world = before(Grant::Exchange);
        let is_nameless = matches!(upst, Upst::Nameless);
        world.sim.domain.rules().upst = upst;
        let credential = world.woci(&[]).run().ok().json();
        let expected = if is_nameless { Value::Null } else { domain::USER.into() };
        assert_eq!(credential["user"], expected);
        assert!(credential.as_object().is_some_and(|credential| credential.contains_key("tenancy")));
        world.woci(&[]).run().ok().silent();
    }
}

/// The next run fetches another one; the same run does not.
#[test]
fn a_upst_of_half_a_minute_is_handed_out_once() {
    let world = before(Grant::Exchange);
    world.sim.domain.rules().upst_lifetime = 30;
    let credential = world.woci(&[]).run().ok().json();
    assert!(credential["expires_in"].as_i64().is_some_and(|left| left <= 30));
    assert_eq!(world.sim.count(Grant::Exchange), 1);
    assert_eq!(world.woci(&[]).run().ok().json()["source"], "refreshed");
}

#[test]
fn refusals_that_a_sign_in_can_help_lead_to_a_sign_in() {
    for error in ["invalid_grant", "interaction_required", "login_required", "consent_required"] {
        let world = before(Grant::Refresh);
        world.sim.fault(Grant::Refresh, Fault::refusal(error, "Ask the person"));
        let run = world.woci(&[]).run().ok().says(error).says("Ask the person");
        assert_eq!(run.json()["source"], "authenticated");
        assert_eq!(world.sign_ins(), 1);
        assert_eq!(world.session().record()["refused_refresh_token_sha256"], Value::Null);
    }
}

#[test]
fn other_refusals_open_no_browser() {
    for error in [
        "invalid_client",
        "invalid_request",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "server_error",
        "INVALID_GRANT",
        "",
    ] {
        answered(Grant::Refresh, Fault::refusal(error, "something else"), "cannot use the token endpoint");
    }
    // The same code from other endpoints does not concern the refresh token.
    answered(Grant::Exchange, Fault::refusal("invalid_grant", "No rules matched"), "No rules matched");
    answered(Grant::Code, Fault::refusal("invalid_grant", "the code is too old"), "the code is too old");
}

#[test]
fn the_reason_is_shown_in_whatever_form_it_comes() {
    for (body, words) in [
        (
            r#"{"error":"invalid_client","error_description":"No such client"}"#,
            "invalid_client: No such client",
        ),
        (
            r#"{"errorCode":"E0000011","errorSummary":"Bad token","errorCauses":[{"errorSummary":"It is old"}]}"#,
            "E0000011: Bad token (It is old)",
        ),
        (
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"Not allowed","status":"403"}"#,
            "answered Not allowed (HTTP 403)",
        ),
        (r#"{"code":"NotAuthenticated","message":"Wrong signature"}"#, "NotAuthenticated: Wrong signature"),
        (r#"{"error":{"code":"quota","message":"Too many today"}}"#, "quota: Too many today"),
        (r#"{"error":{"code":403,"message":"Blocked"}}"#, "403: Blocked"),
        ("Blocked by the firewall\n", "answered Blocked by the firewall (HTTP 403)"),
        ("\"A JSON string\"", "answered A JSON string (HTTP 403)"),
        ("<html><head><title>403 &amp; gone</title></head><p>no</p>", "answered 403 & gone (HTTP 403)"),
        ("<h1>no</h1>", "answered HTTP 403"),
    ] {
        for grant in GRANTS {
            answered(grant, Fault::status(403, body), words);
        }
    }
    let long = format!("{}é", "x".repeat(600));
    let run = answered(Grant::Refresh, Fault::status(403, &*long), "xxx");
    assert!(!run.stderr.contains(&"x".repeat(501)), "{run}");
}

#[test]
fn an_error_with_status_200_is_an_error() {
    let body = r#"{"error":"bad_verification_code","error_description":"The code is old"}"#;
    for grant in GRANTS {
        answered(grant, Fault::status(200, body), "bad_verification_code: The code is old (HTTP 200)");
        answered(grant, Fault::status(200, r#"{"errorSummary":"Slow down"}"#), "Slow down (HTTP 200)");
    }
    let world = before(Grant::Refresh);
    world.sim.fault(Grant::Refresh, Fault::status(200, r#"{"error":"invalid_grant"}"#));
    assert_eq!(world.woci(&[]).run().ok().says("invalid_grant").json()["source"], "authenticated");
}

/// A proxy that helps with the search for a fault quotes the request in its page.
#[test]
fn quoted_credentials_are_not_shown() {
    for grant in GRANTS {
        let world = before(grant);
        let rules = (
            world.sim.provider.rules().client_secret.clone(),
            world.sim.domain.rules().client_secret.clone(),
        );
        let (id, secret) = match grant {
            Grant::Exchange => (world.sim.domain.rules().client_id.clone(), rules.1),
            _ => (world.sim.provider.rules().client_id.clone(), rules.0.expect("a confidential client")),
        };
        let basic = STANDARD.encode(format!("{}:{}", http::encode(&id), http::encode(&secret)));
        world.sim.fault(grant, Fault::status(403, format!("Blocked: Authorization: Basic {basic}")));
        let run = world.woci(&[]).run().fails(1).says("Blocked: Authorization: ");
        assert!(!run.stderr.contains(&basic[..12]), "{run}");
    }
}

#[test]
fn only_the_exchange_is_told_of_the_propagation_trust_and_of_the_url_it_took() {
    let refusal = || Fault::refusal("invalid_request", "no");
    let run = answered(Grant::Refresh, refusal(), "how the client is registered there");
    assert!(!run.stderr.contains("propagation"), "{run}");
    let run = answered(Grant::Exchange, refusal(), "identity propagation trust");
    assert!(!run.stderr.contains("token_exchange_url"), "{run}");

    let world = before(Grant::Exchange);
    let token_url = world.settings().into_iter().find(|(key, _)| key == "token_url").expect("it is set").1;
    world.manager(&[("DEFAULT", &world.settings_with(&[("token_exchange_url", None)]))]);
    world.woci(&[]).run().fails(1).says(&token_url).says("token_exchange_url is not set");
}

/// Characters that reorder, join or hide text.
#[test]
fn a_providers_text_cannot_disguise_itself() {
    let odd = "\u{202e}\u{2066}\u{200b}\u{2028}\u{61c}\u{feff}\u{ad}\u{e0041}";
    for grant in GRANTS {
        let run = answered(grant, Fault::refusal(&format!("a{odd}b"), &format!("so{odd}sorry")), "sorry");
        assert!(!run.stderr.contains(|c| odd.contains(c)), "{:?}", run.stderr);
    }
}

#[test]
fn a_proxys_fault_is_the_proxys() {
    for answer in [&b""[..], b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 502 Bad Gateway\r\n\r\n"] {
        let world = before(Grant::Refresh);
        let url = "https://idp.example.com/token";
        world.manager(&[("DEFAULT", &world.settings_with(&[("token_url", Some(url))]))]);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket").to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = std::io::Read::read(&mut &stream, &mut [0; 4096]);
                let _ = std::io::Write::write_all(&mut &stream, answer);
            }
        });
        let run = world.woci(&["--sign-in", "never"]).env("HTTPS_PROXY", format!("http://{address}")).run();
        run.fails(1).says(&format!("cannot get through the proxy {address}"));
    }
}

/// A provider may send line breaks and terminal escapes.
#[test]
fn a_providers_text_is_shown_as_one_line_without_control_characters() {
    let description = "first\nwoci: second\r\u{1b}[2J\u{9b}31m";
    let run = answered(Grant::Refresh, Fault::refusal("invalid_client", description), "first");
    let last = run.stderr.lines().next_back().unwrap_or_default();
    assert!(last.contains("first") && last.contains("second"), "{run}");
    assert!(!run.stderr.contains(['\u{1b}', '\u{9b}', '\r']), "{run}");
}

/// The requests of the other tests go to 127.0.0.1.
#[test]
fn localhost_is_this_machine() {
    let world = before(Grant::Refresh);
    for name in ["localhost", "LOCALHOST", "localhost."] {
        let url = |key: &str| {
            let settings = world.settings();
            let (_, url) = settings.iter().find(|(name, _)| name == key).expect("it is set");
            url.replace("127.0.0.1", name)
        };
        let (token, exchange) = (url("token_url"), url("token_exchange_url"));
        let settings =
            world.settings_with(&[("token_url", Some(&token)), ("token_exchange_url", Some(&exchange))]);
        world.manager(&[("DEFAULT", &settings)]);
        let _ = std::fs::remove_file(world.session().path("session.json"));
        world.session().expire();
        assert_eq!(world.woci(&["--sign-in", "never"]).run().ok().json()["source"], "refreshed");
    }
}

/// Nothing listens there: what counts is how far woci comes.
#[test]
fn an_empty_variable_is_no_file_of_certificates() {
    let world = before(Grant::Refresh);
    let settings = world.settings_with(&[("token_url", Some("https://127.0.0.1:1/token"))]);
    world.manager(&[("DEFAULT", &settings)]);
    for (file, folder) in [("", None), ("", Some("")), ("/no/such", Some(""))] {
        let mut woci = world.woci(&["--sign-in", "never"]).env("SSL_CERT_FILE", file);
        if let Some(folder) = folder {
            woci = woci.env("SSL_CERT_DIR", folder);
        }
        let run = woci.env("HTTPS_PROXY", "").env("ALL_PROXY", "").run().fails(1);
        let is_read = run.stderr.contains("cannot load the certificate authorities");
        assert_eq!(is_read, !file.is_empty(), "{run}");
    }
}

#[test]
fn a_bundle_of_ocis_that_cannot_be_read_is_a_warning() {
    let world = before(Grant::Refresh);
    let settings = world.settings_with(&[("token_url", Some("https://127.0.0.1:1/token"))]);
    world.manager(&[("DEFAULT", &settings)]);
    world.write("none.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    for variable in ["OCI_CLI_CERT_BUNDLE", "REQUESTS_CA_BUNDLE"] {
        for path in [world.path("none.pem"), world.path("no/such"), world.path("bin")] {
            let woci = world.woci(&["--sign-in", "never"]).env(variable, path);
            let run = woci.run().fails(1).says("WARNING").says(variable);
            assert!(run.stderr.contains("cannot reach"), "{run}");
        }
    }
}

#[test]
fn a_wrong_clock_does_not_cause_a_loop() {
    let world = before(Grant::Exchange);
    world.sim.domain.rules().upst = Upst::Expired;
    for attempt in 1..=2 {
        world.woci(&[]).run().fails(1).says("check the clock");
        assert_eq!(world.sim.count(Grant::Refresh), attempt);
    }
    assert!(jwt::claims(&world.session().token())["exp"].as_i64() < Some(jwt::now()));
}
