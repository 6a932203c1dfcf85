//! Searches woci's output for secrets: as they are, percent-encoded, and in base64.

use super::run::Run;
use crate::sim::http;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;

/// Shorter texts may occur by accident.
const SHORTEST: usize = 8;

pub struct Canaries {
    secrets: Vec<String>,
    upsts: Vec<String>,
}

impl Canaries {
    pub fn new(secrets: &[String], upsts: &[String]) -> Canaries {
        Canaries { secrets: needles(secrets), upsts: needles(upsts) }
    }

    pub fn check_run(&self, run: &Run) {
        self.check_text(&format!("stderr of {run}"), &run.stderr);
        let place = format!("stdout of {run}");
        if is_credential(&run.stdout) {
            // Only the credential may hold a UPST.
            search(&place, &run.stdout, &self.secrets);
        } else {
            self.check_text(&place, &run.stdout);
        }
    }

    pub fn check_text(&self, place: &str, text: &str) {
        search(place, text, &self.secrets);
        search(place, text, &self.upsts);
    }
}

fn search(place: &str, text: &str, needles: &[String]) {
    let text = without_nonce(text);
    if let Some(found) = find(&text, needles) {
        panic!("a secret, {found}, is in the {place}");
    }
}

fn find<'n>(text: &str, needles: &'n [String]) -> Option<&'n String> {
    let text = one_alphabet(text);
    needles.iter().find(|needle| text.contains(*needle))
}

/// The text without the nonce of each authorization URL that it shows: the person's browser needs the whole URL.
fn without_nonce(text: &str) -> String {
    let mut shown = text.split("Auth URL: ");
    let start = shown.next().unwrap_or_default().to_owned();
    shown.fold(start, |text, rest| {
        let url = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        let parameters: Vec<_> =
            url.split('&').filter(|parameter| !parameter.starts_with("nonce=")).collect();
        text + "Auth URL: " + &parameters.join("&") + &rest[url.len()..]
    })
}

/// Maps both alphabets of base64 to one.
fn one_alphabet(text: &str) -> String {
    text.replace('-', "+").replace('_', "/")
}

fn is_credential(stdout: &str) -> bool {
    let document: Value = serde_json::from_str(stdout).unwrap_or_default();
    document["security_token"].is_string() || document["kind"] == "ExecCredential"
}

/// The texts to search for: each secret as it is, percent-encoded in both ways, and its base64 at each of the three
/// alignments in a longer text.
fn needles(secrets: &[String]) -> Vec<String> {
    let mut needles = Vec::new();
    for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST) {
        needles.push(secret.clone());
        needles.push(http::encode(secret));
        needles.push(http::encode(secret).replace('+', "%20"));
        for shift in 0..3 {
            let shifted = [&b"..."[..shift], secret.as_bytes()].concat();
            let encoded = STANDARD_NO_PAD.encode(shifted);
            // Without the first and last characters, which also depend on the neighbouring bytes.
            let start = [0, 2, 3][shift];
            needles.push(encoded[start..encoded.len() - 2].to_owned());
        }
    }
    needles.iter().map(|needle| one_alphabet(needle)).collect()
}

#[test]
fn a_secret_is_found_in_every_encoding() {
    let secret = "S3cr3t-canary_#1; 100%&+=£€";
    let needles = needles(&[secret.to_owned()]);
    let encode = |text: String| base64::engine::general_purpose::URL_SAFE.encode(text);
    for text in [
        format!("secret={secret}, you see"),
        format!("?client_secret={}&x", http::encode(secret)),
        format!("?client_secret={}&x", http::encode(secret).replace('+', "%20")),
        encode(format!("{secret}:")),
        encode(format!("i:{secret}.")),
        encode(format!("id:{secret}")),
        encode(format!("id-:{secret}")),
    ] {
        assert!(find(&text, &needles).is_some(), "{text}");
    }
    assert_eq!(find("nothing of the kind", &needles), None);
}

#[test]
fn a_nonce_may_be_in_an_auth_url_alone() {
    let needles = needles(&["canary-nonce".to_owned(), "canary-key".to_owned()]);
    let found = |text: &str| find(&without_nonce(text), &needles).is_some();
    assert!(!found("Auth URL: http://login/?a=b&nonce=canary-nonce&c=d\nwaiting\n"));
    assert!(found("Auth URL: http://login/?a=b&nonce=canary-nonce&c=canary-key\n"));
    assert!(found("Auth URL: http://login/?a=b\nnonce=canary-nonce\n"));
    assert!(found("http://login/?a=b&nonce=canary-nonce"));
}
