//! The simulator is as strict as the services it stands for; otherwise the tests would prove little.

use crate::sim::faults::{Fault, Grant};
use crate::sim::http::{Request, value};
use crate::sim::jwt::{self, Key};
use crate::sim::ledger::Standing;
use crate::sim::runner::REQUEST_TOKEN;
use crate::sim::simulator::Sim;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use sha2::{Digest, Sha256};

const REDIRECT: &str = "http://127.0.0.1:8181/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

#[test]
fn a_code_needs_its_verifier_and_can_be_used_once() {
    let sim = Sim::start();
    assert_eq!(
        redeem(&sim, &code(&sim), "another-verifier-of-at-least-forty-three-chars")["error"],
        "invalid_grant"
    );
    let code = code(&sim);
    let tokens = redeem(&sim, &code, VERIFIER);
    let refresh_token = tokens["refresh_token"].as_str().expect("offline_access gives one");
    assert_eq!(sim.provider.standing(refresh_token), Standing::Live);
    assert_eq!(redeem(&sim, &code, VERIFIER)["error"], "invalid_grant");
    assert_eq!(sim.provider.standing(refresh_token), Standing::Revoked);
}

#[test]
fn a_used_refresh_token_revokes_its_family() {
    let sim = Sim::start();
    let first = sim.provider.issue_refresh_token();
    let second = refresh(&sim, &first)["refresh_token"].as_str().expect("it rotates").to_owned();
    assert_eq!(sim.provider.live_refresh_tokens(), [&*second]);
    assert_eq!(refresh(&sim, &first)["error"], "invalid_grant");
    assert_eq!(refresh(&sim, &second)["error"], "invalid_grant");
    assert!(sim.provider.saw_reuse());
}

#[test]
fn the_exchange_needs_a_token_of_the_provider_and_a_key() {
    let sim = Sim::start();
    let access_token = refresh(&sim, &sim.provider.issue_refresh_token())["access_token"].clone();
    let access_token = access_token.as_str().expect("there is one");
    let key = Key::from_pem(jwt::SESSION_PEM).public();
    let public_key = STANDARD.encode(jwt::spki_der(&key));
    let upst = exchange(&sim, access_token, &public_key)["token"].as_str().map(jwt::claims).expect("a UPST");
    let bound_to: Value =
        serde_json::from_str(upst["jwk"].as_str().expect("text")).expect("JSON in a string");
    assert_eq!(bound_to, jwt::jwk(&key));
    let forged = Key::from_pem(jwt::OTHER_PEM).sign("at+jwt", &jwt::claims(access_token));
    assert_eq!(exchange(&sim, &forged, &public_key)["error"], "invalid_request");
    assert_eq!(exchange(&sim, access_token, "bm8ga2V5")["error"], "invalid_request");
}

#[test]
fn an_exchange_for_a_resource_has_fields_of_its_own() {
    let sim = Sim::start();
    let key = STANDARD.encode(jwt::spki_der(&Key::from_pem(jwt::SESSION_PEM).public()));
    let token = sim.runner.token("oci");
    let ask = |kind: &str, more: &[(&str, &str)]| {
        let kind = format!("urn:oci:token-type:oci-{kind}");
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", &kind),
            ("subject_token", &token),
            ("subject_token_type", "jwt"),
            ("public_key", &key),
        ];
        exchange_form(&sim, &[&form[..], more].concat())
    };
    let (right, minutes) = (("res_type", "githubactions"), ("rpst_exp", "60"));
    let rpst = ask("rpst", &[right, minutes])["token"].as_str().map(jwt::claims).expect("an RPST");
    assert_eq!((&rpst["ptype"], &rpst["tenant"]), (&"resource".into(), &Value::Null));
    for (kind, more) in [
        ("rpst", &[][..]),
        ("rpst", &[("res_type", "other")]),
        ("rpst", &[right, ("rpst_exp", "3600")]),
        ("rpst", &[right, ("scope", "x")]),
        ("upst", &[right]),
        ("other", &[right]),
    ] {
        assert_eq!(ask(kind, more)["error"], "invalid_request", "{kind} {more:?}");
    }
    assert_eq!(exchange(&sim, &sim.runner.token("other"), &key)["error"], "invalid_request");
    assert!(exchange(&sim, &sim.runner.token(vec!["other", "oci"]), &key)["token"].is_string());
}

#[test]
fn a_runner_gives_a_token_to_a_request_as_documented_alone() {
    let sim = Sim::start();
    let ask = |method: &str, path: &str, query: &[(&str, &str)], headers: &[(&str, &str)]| {
        let owned = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let (query, headers) = (owned(query), owned(headers));
        let request = Request { method: method.into(), path: path.into(), query, headers, body: Vec::new() };
        sim.runner.answer(&request).status
    };
    let (github, azure) = ("/github/idtoken", "/azure/oidctoken");
    let bearer = |scheme: &str, token: &str| format!("{scheme} {token}");
    let (lower, upper) = (bearer("bearer", REQUEST_TOKEN), bearer("Bearer", REQUEST_TOKEN));
    let version = ("api-version", "2.0");
    assert_eq!(ask("GET", github, &[version], &[("authorization", &lower)]), 200);
    assert_eq!(ask("POST", github, &[version], &[("authorization", &lower)]), 405);
    assert_eq!(ask("GET", github, &[], &[("authorization", &lower)]), 400);
    assert_eq!(
        ask("GET", github, &[version, ("audience", "a"), ("audience", "b")], &[("authorization", &lower)]),
        400
    );
    assert_eq!(ask("GET", github, &[version], &[("authorization", &bearer("bearer", "x"))]), 401);
    assert_eq!(ask("GET", github, &[version], &[]), 401);

    let version = ("api-version", "7.1");
    let (json, suppress) = (("content-type", "application/json"), ("x-tfs-fedauthredirect", "Suppress"));
    assert_eq!(ask("POST", azure, &[version], &[json, ("authorization", &upper)]), 200);
    assert_eq!(ask("GET", azure, &[version], &[json, ("authorization", &upper)]), 405);
    assert_eq!(ask("POST", azure, &[version], &[("authorization", &upper)]), 415);
    assert_eq!(ask("POST", azure, &[], &[json, ("authorization", &upper)]), 400);
    assert_eq!(ask("POST", azure, &[version, ("audience", "a")], &[json, ("authorization", &upper)]), 400);
    assert_eq!(
        ask("POST", azure, &[version, ("serviceConnectionId", "x")], &[json, ("authorization", &upper)]),
        404
    );
    assert_eq!(ask("POST", azure, &[version], &[json]), 302);
    assert_eq!(ask("POST", azure, &[version], &[json, suppress]), 401);
    assert_eq!(ask("GET", "/", &[], &[]), 404);
}

#[test]
fn a_fault_before_a_request_spends_nothing_and_one_after_it_does() {
    let sim = Sim::start();
    let token = sim.provider.issue_refresh_token();
    sim.fault(Grant::Refresh, Fault::status(503, "busy"));
    sim.fault(Grant::Refresh, Fault::status(503, "busy").after());
    refresh(&sim, &token);
    assert_eq!(sim.provider.standing(&token), Standing::Live);
    refresh(&sim, &token);
    assert_eq!(sim.provider.standing(&token), Standing::Spent);
    assert_eq!(sim.count(Grant::Refresh), 2);
}

/// The code that a browser brings back.
fn code(sim: &Sim) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let query = [
        ("client_id", "woci-desktop"),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("scope", "openid offline_access"),
        ("state", &"s".repeat(43)),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let answer = sim.provider.authorize(&request("GET", &query, ""));
    let location = value(&answer.headers, "Location").expect("a redirect").to_owned();
    let (_, query) = location.split_once('?').expect("a query");
    let answer = crate::sim::http::decode_form(query).expect("form encoding");
    value(&answer, "code").expect("a code").to_owned()
}

fn redeem(sim: &Sim, code: &str, verifier: &str) -> Value {
    let grant = ("grant_type", "authorization_code");
    let form = [grant, ("code", code), ("redirect_uri", REDIRECT), ("code_verifier", verifier)];
    answer(&sim.provider.token(&request("POST", &form, &provider_client(sim))).body)
}

/// Uses the socket, since faults apply only there.
fn refresh(sim: &Sim, token: &str) -> Value {
    let form = encode(&[("grant_type", "refresh_token"), ("refresh_token", token)]);
    answer(post(&sim.token_url(), &provider_client(sim), &form).as_bytes())
}

fn exchange(sim: &Sim, subject_token: &str, public_key: &str) -> Value {
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:oci:token-type:oci-upst"),
        ("subject_token", subject_token),
        ("subject_token_type", "jwt"),
        ("public_key", public_key),
    ];
    exchange_form(sim, &form)
}

fn exchange_form(sim: &Sim, form: &[(&str, &str)]) -> Value {
    let rules = sim.domain.rules();
    let client = basic(&rules.client_id, &rules.client_secret);
    drop(rules);
    answer(&sim.domain.exchange(&request("POST", form, &client)).body)
}

fn answer(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn provider_client(sim: &Sim) -> String {
    let rules = sim.provider.rules();
    basic(&rules.client_id, rules.client_secret.as_deref().expect("a confidential client"))
}

fn basic(id: &str, secret: &str) -> String {
    let (id, secret) = (crate::sim::http::encode(id), crate::sim::http::encode(secret));
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn encode(form: &[(&str, &str)]) -> String {
    let pairs: Vec<_> =
        form.iter().map(|(name, value)| format!("{name}={}", crate::sim::http::encode(value))).collect();
    pairs.join("&")
}

fn request(method: &str, fields: &[(&str, &str)], authorization: &str) -> Request {
    let owned = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let form = method == "POST";
    Request {
        method: method.into(),
        path: "/".into(),
        query: if form { Vec::new() } else { owned(fields) },
        headers: owned(&[
            ("content-type", "application/x-www-form-urlencoded"),
            ("authorization", authorization),
        ]),
        body: if form { encode(fields).into() } else { Vec::new() },
    }
}

fn post(url: &str, authorization: &str, form: &str) -> String {
    use std::io::{Read, Write};
    let (host, path) = url.trim_start_matches("http://").split_once('/').expect("a path");
    let mut stream = std::net::TcpStream::connect(host).expect("the simulator listens");
    let head = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
}

#[test]
fn a_revocation_needs_the_client_and_takes_the_whole_family() {
    let sim = Sim::start();
    let first = sim.provider.issue_refresh_token();
    let second = refresh(&sim, &first)["refresh_token"].as_str().expect("it rotates").to_owned();
    let other = sim.provider.issue_refresh_token();
    let client = authorization(&sim);
    let revoke = |body: &str, authorization: Option<&str>| {
        let mut headers = vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
        headers.extend(authorization.map(|value| ("authorization".to_owned(), value.to_owned())));
        let request = Request {
            method: "POST".into(),
            path: "/revoke".into(),
            query: Vec::new(),
            headers,
            body: body.as_bytes().to_vec(),
        };
        let bytes = sim.provider.revoke(&request).bytes();
        String::from_utf8_lossy(&bytes).split(' ').nth(1).and_then(|status| status.parse().ok())
    };
    let body = format!("token={first}&token_type_hint=refresh_token");
    for (body, authorization, status) in [
        (&*body, None, 401),
        (&body, Some("Basic d3Jvbmc6d3Jvbmc="), 401),
        ("token_type_hint=refresh_token", Some(&*client), 400),
        ("token=x&token_type_hint=access_token", Some(&client), 400),
        ("token=x&refresh_token=x", Some(&client), 400),
        ("token=unknown&token_type_hint=refresh_token", Some(&client), 200),
        (&body, Some(&client), 200),
        (&body, Some(&client), 200),
    ] {
        assert_eq!(revoke(body, authorization), Some(status), "{body}");
    }
    assert_eq!(sim.provider.standing(&second), Standing::Revoked);
    assert_eq!(sim.provider.standing(&other), Standing::Live);
    assert!(!sim.provider.saw_reuse());
}

/// The provider's client, as HTTP Basic names it.
fn authorization(sim: &Sim) -> String {
    let rules = sim.provider.rules();
    let secret = rules.client_secret.clone().unwrap_or_default();
    let secret: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("Basic {}", STANDARD.encode(format!("{}:{secret}", rules.client_id)))
}
