//! `sim serve`: the servers in a process of their own, for tests in other languages. It prints one JSON document with
//! their addresses, then a document in a line of its own for each line of stdin, until stdin ends.
//!
//! An empty line asks what Oracle's own services have seen; `end` also ends all of their sessions. A JSON object is a
//! list of orders (see `obey`), and is answered with the state of the provider and the identity domain.

use super::faults::{Fault, Grant};
use super::jwt;
use super::runner::REQUEST_TOKEN;
use super::simulator::Sim;
use serde_json::{Value, json};
use std::process::ExitCode;

/// The kinds of requests, by the names that orders and answers have for them.
const GRANTS: [(&str, Grant); 9] = [
    ("discovery", Grant::Discovery),
    ("authorize", Grant::Authorize),
    ("code", Grant::Code),
    ("refresh", Grant::Refresh),
    ("exchange", Grant::Exchange),
    ("id_token", Grant::IdToken),
    ("console_sign_in", Grant::ConsoleSignIn),
    ("console_refresh", Grant::ConsoleRefresh),
    ("device", Grant::Device),
];

pub fn serve() -> ExitCode {
    let sim = Sim::start();
    println!("{:#}", addresses(&sim));
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let answer = if line.starts_with('{') {
            obey(&sim, &serde_json::from_str(&line).expect("an order is JSON"))
        } else {
            if line == "end" {
                sim.console.end_all();
            }
            json!({
                "sign_ins": sim.count(Grant::ConsoleSignIn),
                "refreshes": sim.count(Grant::ConsoleRefresh),
                "issued": sim.console.issued(),
                "refusals": sim.console.refusals(),
            })
        };
        println!("{answer}");
    }
    ExitCode::SUCCESS
}

fn addresses(sim: &Sim) -> Value {
    let manager = |section: Vec<(String, String)>| {
        let lines: String = section.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        format!("[DEFAULT]\n{lines}")
    };
    json!({
        "console_url": sim.console_url(),
        "auth_service_url": sim.auth_service_url(),
        "issuer": sim.provider.issuer(),
        "github_url": sim.runner.github_url(),
        "github_request_token": REQUEST_TOKEN,
        "woci_manager.ini": manager(sim.manager_section()),
        "woci_manager.ini for a console session": manager(sim.console_section()),
    })
}

/// Obeys the members of an order, each of which may be missing.
fn obey(sim: &Sim, order: &Value) -> Value {
    if let Some(seconds) = order["lifetime"].as_i64() {
        sim.provider.rules().access_token_lifetime = seconds;
        sim.domain.rules().upst_lifetime = seconds;
        sim.runner.rules().lifetime = seconds;
        sim.console.rules().upst_lifetime = seconds;
    }
    if let Some(seconds) = order["session_lifetime"].as_i64() {
        sim.console.rules().session_lifetime = seconds;
    }
    if let Some(seconds) = order["code_lifetime"].as_i64() {
        sim.provider.rules().code_lifetime = seconds;
    }
    // On a clock that runs fast, a request takes minutes.
    if let Some(seconds) = order["clock_skew"].as_i64() {
        sim.console.rules().clock_skew = seconds;
    }
    if let Some(secret) = order["auth_client_secret"].as_str() {
        sim.provider.rules().client_secret = Some(secret.into());
    }
    if let Some(secret) = order["client_secret"].as_str() {
        sim.domain.rules().client_secret = secret.into();
    }
    // The list of endpoints that fail from now on, and how; the others work again.
    if let Some(outage) = order["outage"].as_object() {
        for (name, grant) in GRANTS {
            sim.end_faults(grant);
            if let Some(how) = outage.get(name).and_then(Value::as_str) {
                sim.fault(grant, fault(how).always());
            }
        }
    }
    // Each happens once.
    for one in order["faults"].as_array().into_iter().flatten() {
        let fault = fault(one["how"].as_str().expect("a fault says how"));
        let fault = if one["after"] == true { fault.after() } else { fault };
        sim.fault(grant(one["grant"].as_str().expect("a fault is of a grant")), fault);
    }
    let counts: serde_json::Map<_, _> =
        GRANTS.into_iter().map(|(name, grant)| (name.into(), sim.count(grant).into())).collect();
    let mut state = json!({
        "requests": counts,
        "live": sim.provider.live_refresh_tokens(),
        "reuses": sim.provider.ledger().reuses,
        "refusals": sim.console.refusals(),
    });
    if let Some(seconds) = order["workload_token"].as_i64() {
        state["workload_token"] = sim.provider.workload_token(seconds).into();
    }
    if order["secrets"] == true {
        state["secrets"] = sim.secrets().into();
    }
    if order["upsts"] == true {
        state["upsts"] = sim.issued().iter().map(|token| upst(token)).collect();
    }
    state
}

/// What the ledger says of a UPST; its key is that of one profile.
fn upst(token: &str) -> Value {
    let claims = jwt::claims(token);
    let key: Value = serde_json::from_str(claims["jwk"].as_str().unwrap_or_default()).unwrap_or_default();
    json!({ "key": key["n"], "iat": claims["iat"], "exp": claims["exp"] })
}

fn grant(name: &str) -> Grant {
    let found = GRANTS.into_iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("there is no grant {name}")).1
}

fn fault(how: &str) -> Fault {
    match how {
        "drop" => Fault::drop(),
        "reset" => Fault::reset(),
        "empty" => Fault::status(200, "{}"),
        "invalid_client" => Fault::refusal("invalid_client", "the client is not known"),
        status => {
            Fault::status(status.parse().expect("a fault is a word or a status"), "<h1>Out of order</h1>")
        }
    }
}
