//! The simulator's stand-ins for Oracle's login and auth service are as strict as Oracle's, and its browser does with a
//! page that takes a fragment what a browser does.

use crate::sim::console::Fragment;
use crate::sim::domain::Upst;
use crate::sim::faults::Grant;
use crate::sim::http::{self, Pairs, Response, Server, value};
use crate::sim::jwt::{self, Key};
use crate::sim::person::{self, Habit, Page};
use crate::sim::provider::Person;
use crate::sim::simulator::Sim;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

const NONCE: &str = "canary-nonce-b0a5dcf0-7f0c-4f33";

#[test]
fn a_console_sign_in_brings_a_token_for_the_key_and_the_nonce() {
    let sim = Sim::start();
    let fragment = fragment(&sim);
    let upst = jwt::claims(value(&fragment, "security_token").expect("a UPST"));
    let bound_to: Value =
        serde_json::from_str(upst["jwk"].as_str().expect("text")).expect("JSON in a string");
    assert_eq!(bound_to, jwt::jwk(&session_key().public()));
    assert_eq!(upst["exp"].as_i64(), upst["iat"].as_i64().map(|iat| iat + 3600));
    assert_eq!(upst["sess_exp"], jwt::http_date(sim.console.ledger().sessions[0].ends));
    assert_eq!(jwt::claims(value(&fragment, "id_token").expect("an id_token"))["nonce"], NONCE);
    assert!(sim.issued().iter().any(|token| value(&fragment, "security_token") == Some(token)));
    assert!(sim.secrets().contains(&NONCE.to_owned()));
    assert_eq!((sim.count(Grant::ConsoleSignIn), sim.console.refusals().len()), (1, 0));
}

#[test]
fn a_console_sign_in_needs_each_parameter_as_oracle_knows_it() {
    let sim = Sim::start();
    sim.console.rules().redirect_port = Some(8181);
    let jwk = |text: &str| URL_SAFE.encode(text);
    let key = jwt::jwk(&session_key().public());
    let n = key["n"].as_str().expect("base64url");
    let compact = format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB","kid":"Ignored"}}"#);
    let padded = URL_SAFE.encode(compact);
    let without_padding = padded.trim_end_matches('=').to_owned();
    assert_ne!(padded, without_padding);
    for (name, given, why) in [
        ("action", None, "no action"),
        ("action", Some("logout".into()), "action is not \"login\""),
        ("client_id", Some("woci".into()), "client_id is not"),
        ("response_type", Some("id_token token".into()), "response_type is not"),
        ("response_type", Some("token".into()), "response_type is not"),
        ("scope", Some("openid offline_access".into()), "scope is not"),
        ("nonce", None, "no nonce"),
        ("nonce", Some(String::new()), "nonce is empty"),
        ("public_key", None, "no public_key"),
        ("public_key", Some(without_padding), "not base64url with padding"),
        ("public_key", Some(jwk("no key")), "not JSON"),
        ("public_key", Some(jwk(&key.to_string())), "its members are not kty, n, e and the kid"),
        (
            "public_key",
            Some(jwk(&format!(r#"{{"kty":"RSA","n":"{}E","e":"AQAB","kid":"Ignored"}}"#, &n[..170]))),
            "not RSA with 2048 bits",
        ),
        (
            "public_key",
            Some(jwk(&format!(r#"{{"kty":"RSA","n":"{n}==","e":"AQAB","kid":"Ignored"}}"#))),
            "not base64url without padding",
        ),
        ("public_key", Some(jwk(r#"{"kty":"EC","n":"","e":"","kid":"Ignored"}"#)), "kty is not RSA"),
        ("redirect_uri", None, "no redirect_uri"),
        ("redirect_uri", Some("http://localhost:8182".into()), "redirect_uri is not http://localhost:8181"),
        ("redirect_uri", Some("http://localhost:8181/".into()), "redirect_uri is not"),
        ("redirect_uri", Some("http://127.0.0.1:8181".into()), "redirect_uri is not"),
        ("redirect_uri", Some("http://localhost:08181".into()), "redirect_uri is not"),
        ("tenant", Some(String::new()), "tenant is empty"),
        ("state", Some("unknown".into()), "unknown parameter state"),
    ] {
        let mut query = console_query();
        query.retain(|(known, _)| known != name);
        query.extend(given.map(|given| (name.to_owned(), given)));
        let page = get_sign_in(&sim, &query);
        let refusals = sim.console.refusals();
        let last = refusals.last().expect("it was refused");
        assert!(page.status == 400 && last.contains(why), "{name}: {} {last}", page.status);
    }
    let twice = [console_query(), vec![("tenant".into(), "a".into()), ("tenant".into(), "b".into())]];
    assert_eq!(get_sign_in(&sim, &twice.concat()).status, 400);
    assert_eq!(sim.console.refusals().last().expect("it was refused"), "tenant is given twice");
    let optional = [("tenant", "acme"), ("provider", "okta")];
    let optional = optional.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let space = format!("{}?{}", sign_in_url(&sim), encode(&console_query()).replace('+', "%20"));
    assert_eq!(get_sign_in(&sim, &[console_query(), optional.to_vec()].concat()).status, 302);
    assert_eq!(person::get(&space, "").expect("it answers").status, 302);
}

#[test]
fn a_console_sign_in_ends_as_the_rules_say() {
    let sim = Sim::start();
    let after = |change: &dyn Fn(&Sim)| {
        change(&sim);
        fragment(&sim)
    };
    let claims = |fragment: &Pairs| jwt::claims(value(fragment, "security_token").expect("a UPST"));
    for (upst, holds) in [
        (Upst::OtherKey, (|claims| claims["jwk"].is_string()) as fn(&Value) -> bool),
        (Upst::WithoutJwk, |claims| claims["jwk"].is_null()),
        (Upst::Expired, |claims| claims["exp"].as_i64() < Some(jwt::now())),
        (Upst::Of("ocid1.user.oc1..other", "ocid1.tenancy.oc1..other"), |claims| {
            claims["sub"] == "ocid1.user.oc1..other"
        }),
    ] {
        sim.console.rules().upst = upst;
        assert!(holds(&claims(&fragment(&sim))));
    }
    let wrong = after(&|sim| sim.console.rules().fragment = Fragment::WrongNonce);
    assert_ne!(jwt::claims(value(&wrong, "id_token").expect("an id_token"))["nonce"], NONCE);
    let one = after(&|sim| sim.console.rules().fragment = Fragment::WithoutIdToken);
    assert_eq!((one.len(), value(&one, "id_token")), (1, None));
    let one = after(&|sim| sim.console.rules().fragment = Fragment::WithoutSecurityToken);
    assert_eq!((one.len(), value(&one, "security_token")), (1, None));
    let text = after(&|sim| sim.console.rules().fragment = Fragment::Text("any=text".into()));
    assert_eq!(text, [("any".to_owned(), "text".to_owned())]);
    let denied = after(&|sim| sim.console.rules().person = Person::denies());
    assert_eq!(value(&denied, "error"), Some("access_denied"));
    sim.console.rules().person = Person::Silent;
    assert_eq!(get_sign_in(&sim, &console_query()).status, 200);
}

#[test]
fn a_console_session_is_refreshed_by_a_signed_request() {
    let sim = Sim::start();
    let first = value(&fragment(&sim), "security_token").expect("a UPST").to_owned();
    let second = refreshed(&sim, &first);
    assert_eq!(jwt::claims(&second)["jwk"], jwt::claims(&first)["jwk"]);
    assert_eq!(jwt::claims(&second)["sess_exp"], jwt::claims(&first)["sess_exp"]);
    // The old token stays valid.
    let third = refreshed(&sim, &first);
    assert_eq!(sim.issued(), [first.clone(), second, third]);
    assert_eq!(sim.requests(Grant::ConsoleRefresh)[0].field("currentToken"), Some(&*first));

    // A token never outlives its session, and none follows that.
    sim.console.ledger().sessions[0].ends = jwt::now() + 60;
    let last = refreshed(&sim, &first);
    assert!(jwt::claims(&last)["exp"].as_i64() <= Some(jwt::now() + 60));
    sim.console.end_all();
    refused(&sim, &Refresh::of(&first), 401, "the session has ended");
}

#[test]
fn a_refresh_of_a_console_session_is_checked_in_full() {
    let sim = Sim::start();
    let token = sim.console.issue(&session_key().public(), 1800);
    let good = Refresh::of(&token);
    assert_eq!(good.send(&sim).status, 200);
    let stranger = sim.domain.issue(jwt::claims(&token));
    let expired = sim.console.issue(&session_key().public(), -1);

    let header = |name: &str, value: Option<&str>| good.with_header(name, value);
    let signature = |old: &str, new: &str| {
        let mut changed = good.signed();
        let authorization = changed.iter_mut().find(|(name, _)| name == "authorization");
        let text = &mut authorization.expect("it was signed").1;
        assert!(text.contains(old), "{old}: {text}");
        *text = text.replace(old, new);
        Refresh { sent: Some(changed), ..good.clone() }
    };
    let other_key = Refresh { key: jwt::OTHER_PEM, ..good.clone() };
    let another_body = |body: &str| Refresh { body: body.into(), ..good.clone() };
    let order = "date (request-target) host";
    for (request, status, why) in [
        (header("content-type", Some("application/json; charset=utf-8")), 400, "content-type is not"),
        (header("content-type", None), 401, "no content-type"),
        (
            header("x-content-sha256", Some("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")),
            401,
            "not the hash",
        ),
        (header("x-content-sha256", None), 401, "no x-content-sha256"),
        (header("date", None), 401, "no date"),
        (header("date", Some("today")), 401, "not an HTTP date"),
        (header("authorization", None), 401, "no authorization"),
        (signature("Signature ", "Bearer "), 401, "authorization is not a Signature"),
        (signature("version=\"1\"", "version=1"), 401, "authorization is not a Signature"),
        (signature("rsa-sha256", "rsa-sha1"), 401, "algorithm of the signature"),
        (signature(order, "(request-target) date host"), 401, "headers of the signature"),
        (signature(" x-content-sha256", ""), 401, "headers of the signature"),
        (signature("ST$", ""), 401, "keyId of the signature"),
        (signature(",version=\"1\"", ""), 401, "version of the signature"),
        (signature("version=\"1\"", "version=\"1\",more=\"1\""), 401, "unknown parameter"),
        (signature("signature=\"", "signature=\"AAAA"), 401, "signature does not match"),
        (other_key, 401, "signature does not match"),
        (another_body("{}"), 400, "the body is not"),
        (another_body(r#"{"currentToken": 1}"#), 400, "the body is not"),
        (another_body(&format!(r#"{{"currentToken": "{token}", "more": 1}}"#)), 400, "the body is not"),
        (another_body(&format!(r#"{{"currentToken": "{expired}"}}"#)), 401, "keyId of the signature"),
        (Refresh { method: "PUT", ..good.clone() }, 405, "the method is PUT"),
        (Refresh { target: "/v1/authentication/refresh?a=b", ..good.clone() }, 400, "has a query"),
        (Refresh::of(&stranger), 401, "the token is unknown"),
        (Refresh::of(&expired), 401, "the token has expired"),
    ] {
        refused(&sim, &request, status, why);
    }
    assert_eq!(sim.issued().len(), 3, "a refused request issues nothing");
}

#[test]
fn the_auth_service_accepts_five_minutes_of_difference_between_the_clocks() {
    let sim = Sim::start();
    for (off, accepted) in [(-302, false), (-290, true), (290, true), (302, false)] {
        let token = sim.console.issue(&session_key().public(), 1800);
        sim.console.rules().clock_off = off;
        let page = Refresh::of(&token).send(&sim);
        assert_eq!(page.status == 200, accepted, "{off}: {}", page.body);
        let date = value(&page.headers, "date").and_then(jwt::read_http_date).expect("every answer has it");
        assert!((date - jwt::now() - off).abs() < 10, "{date}");
        let document = document(&page);
        let message = document["message"].as_str().unwrap_or_default();
        assert_eq!(message.contains("is not within allowed clock skew. Current '"), !accepted, "{message}");
        assert_eq!(document["code"] == "NotAuthenticated", !accepted);
    }
}

#[test]
fn an_http_date_is_read_strictly() {
    for unix in [0, 951_782_399, 951_868_800, 1_762_622_395, 4_107_542_399] {
        let text = jwt::http_date(unix).replace("UTC", "GMT");
        assert_eq!(jwt::read_http_date(&text), Some(unix), "{text}");
    }
    for text in [
        "",
        "Sat, 08 Nov 2025 17:19:55 UTC",
        "Sun, 08 Nov 2025 17:19:55 GMT",
        "Sat, 31 Feb 2026 00:00:00 GMT",
    ] {
        assert_eq!(jwt::read_http_date(text), None, "{text}");
    }
}

#[test]
fn a_browser_hands_a_fragment_over() {
    let sim = Sim::start();
    let seen = |habits: &[Habit], policy: &'static str| {
        let (listener, posts) = page_with_a_form(policy);
        let url = format!("http://localhost:{}", listener.origin().rsplit_once(':').expect("a port").1);
        let mut query = console_query();
        query.retain(|(name, _)| name != "redirect_uri");
        query.push(("redirect_uri".into(), url.clone()));
        let pages = person::follow(&format!("{}?{}", sign_in_url(&sim), encode(&query)), habits);
        assert!(pages.iter().all(|page| page.status == 200));
        let posts = posts.lock().expect("no thread panics with the list").clone();
        posts
            .into_iter()
            .map(|(origin, form)| {
                let origin = if origin == url { "own".into() } else { origin };
                let answer = value(&form, "answer").expect("the field").to_owned();
                let tokens = http::decode_form(&answer).expect("form-encoded");
                let what = tokens.first().expect("not empty").0.clone();
                format!("{origin} {} {what}", value(&form, "value").expect("the hidden field"))
            })
            .collect::<Vec<_>>()
    };
    let good = "own a\"&b security_token";
    assert_eq!(seen(&[], "same-origin"), [good]);
    assert_eq!(seen(&[], "no-referrer"), ["null a\"&b security_token"]);
    assert_eq!(seen(&[Habit::Slow, Habit::Ipv6First, Habit::Favicon], "same-origin"), [good]);
    assert_eq!(
        seen(&[Habit::ForeignOrigin], "same-origin"),
        ["https://another.example a\"&b security_token", good]
    );
    assert_eq!(
        seen(&[Habit::WrongState], "same-origin"),
        ["own stranger security_token", "own stranger error", good]
    );
    for habit in [Habit::TwoTabs, Habit::Reload, Habit::Twice] {
        assert_eq!(seen(&[habit], "same-origin"), [good, good]);
    }
}

type Posts = Arc<Mutex<Vec<(String, Pairs)>>>;

/// A listener like woci's: any GET gets a page with a form. Returns the origin and the fields of each POST.
fn page_with_a_form(policy: &'static str) -> (Server, Posts) {
    const PAGE: &str = "<!doctype html><title>Signed in</title><p>One moment\n\
        <form method=\"post\" action='/answer'><input type=\"hidden\" name=\"value\" value=\"a&quot;&amp;b\">\
        <input type=hidden name=answer><button>Go on</button></form><input name=\"outside\">";
    let posts = Posts::default();
    let list = Arc::clone(&posts);
    let server = Server::start(move |request, stream| {
        let page = Response::new(200, "text/html", PAGE).header("Referrer-Policy", policy);
        if request.method == "POST" {
            let form = std::str::from_utf8(&request.body).ok().and_then(http::decode_form);
            let origin = request.header("origin").unwrap_or_default().to_owned();
            assert_eq!(request.path, "/answer");
            list.lock().expect("no thread panics with the list").push((origin, form.expect("a form")));
        }
        http::send(stream, &page.bytes());
    });
    (server, posts)
}

fn session_key() -> Key {
    Key::from_pem(jwt::SESSION_PEM)
}

/// The key in the form of oci-cli: padded base64url of a JWK with four members.
fn public_key() -> String {
    let key = jwt::jwk(&session_key().public());
    URL_SAFE.encode(format!(r#"{{"kty": "RSA", "n": {}, "e": {}, "kid": "Ignored"}}"#, key["n"], key["e"]))
}

fn console_query() -> Pairs {
    let query = [
        ("action", "login"),
        ("client_id", "iaas_console"),
        ("response_type", "token id_token"),
        ("nonce", NONCE),
        ("scope", "openid"),
        ("public_key", &public_key()),
        ("redirect_uri", "http://localhost:8181"),
    ];
    query.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn sign_in_url(sim: &Sim) -> String {
    sim.console_url() + "/v1/oauth2/authorize"
}

fn get_sign_in(sim: &Sim, query: &Pairs) -> Page {
    person::get(&format!("{}?{}", sign_in_url(sim), encode(query)), "").expect("it answers")
}

/// The fragment that a good request gets.
fn fragment(sim: &Sim) -> Pairs {
    let page = get_sign_in(sim, &console_query());
    let location = value(&page.headers, "location").expect("a redirect");
    let fragment = location.strip_prefix("http://localhost:8181/#").expect("the listener's page");
    http::decode_form(fragment).expect("form encoding")
}

/// A request to the auth service, signed as oci-cli does.
#[derive(Clone)]
struct Refresh {
    method: &'static str,
    target: &'static str,
    key: &'static str,
    token: String,
    body: String,
    /// The headers, if they are not those of `signed`.
    sent: Option<Pairs>,
}

impl Refresh {
    fn of(token: &str) -> Refresh {
        Refresh {
            method: "POST",
            target: "/v1/authentication/refresh",
            key: jwt::SESSION_PEM,
            token: token.into(),
            body: serde_json::json!({"currentToken": token}).to_string(),
            sent: None,
        }
    }

    fn signed(&self) -> Pairs {
        let headers = [
            ("date", jwt::http_date(jwt::now()).replace("UTC", "GMT")),
            ("(request-target)", format!("{} {}", self.method.to_lowercase(), self.target)),
            ("host", "auth.us-ashburn-1.oraclecloud.com".into()),
            ("content-length", self.body.len().to_string()),
            ("content-type", "application/json".into()),
            ("x-content-sha256", STANDARD.encode(Sha256::digest(&self.body))),
        ];
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let signature = STANDARD.encode(Key::from_pem(self.key).sign_text(&lines.join("\n")));
        let authorization = format!(
            "Signature algorithm=\"rsa-sha256\",headers=\"{}\",keyId=\"ST${}\",signature=\"{signature}\",version=\"1\"",
            names.join(" "),
            self.token
        );
        let headers = headers.into_iter().filter(|(name, _)| !name.starts_with('('));
        headers
            .chain([("authorization", authorization)])
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// The same with another value of a header, or without it.
    fn with_header(&self, name: &str, value: Option<&str>) -> Refresh {
        let mut headers = self.signed();
        headers.retain(|(known, _)| known != name);
        headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        Refresh { sent: Some(headers), ..self.clone() }
    }

    fn send(&self, sim: &Sim) -> Page {
        let headers = self.sent.clone().unwrap_or_else(|| self.signed());
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let url = sim.auth_service_url();
        let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("it listens");
        let request = format!("{} {} HTTP/1.1\r\n{headers}\r\n{}", self.method, self.target, self.body);
        stream.write_all(request.as_bytes()).expect("it reads");
        person::read_page(stream).expect("it answers")
    }
}

fn refreshed(sim: &Sim, token: &str) -> String {
    let page = Refresh::of(token).send(sim);
    assert_eq!(page.status, 200, "{}: {:?}", page.body, sim.console.refusals());
    document(&page)["token"].as_str().expect("a token").to_owned()
}

fn refused(sim: &Sim, request: &Refresh, status: u16, why: &str) {
    let page = request.send(sim);
    let refusals = sim.console.refusals();
    let last = refusals.last().map(String::as_str).unwrap_or_default();
    assert!(page.status == status && last.contains(why), "{why}: {} {last}", page.status);
    assert_eq!(document(&page)["code"] == "NotAuthenticated", status == 401, "{}", page.body);
    assert!(value(&page.headers, "date").is_some());
}

fn document(page: &Page) -> Value {
    serde_json::from_str(&page.body).unwrap_or_default()
}

fn encode(pairs: &Pairs) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={}", http::encode(value))).collect();
    pairs.join("&")
}
