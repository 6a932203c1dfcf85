//! Oracle's authentication service, which renews a session token while it is valid, as `oci session refresh` of
//! oci 3.95 asks it to.

use std::path::Path;

use serde_json::json;
use zeroize::Zeroizing;

use super::exchange::issued_token;
use super::signature::{JSON, sign_post};
use super::{PrivateKey, Upst};
use crate::error::{AUTH_SERVICE, Error, Result};
use crate::host;
use crate::oauth::http::{Client, Endpoint, Post, Retry};
use crate::oauth::token::success_document;
use crate::oauth::url;
use crate::secret::Secret;

/// What follows [`Place::auth_url`](super::region::Place::auth_url) in the URL of [`refresh`].
pub const REFRESH_PATH: &str = "/v1/authentication/refresh";

/// In seconds. Oracle refuses a signature whose date is further from its own clock.
const LARGEST_DEVIATION: u64 = 300;

/// Asks for a new session token for the same key. The old token stays valid. `key_file` is the file of `key`, for
/// messages.
///
/// # Errors
/// [`Error::SessionOver`] if Oracle does not accept the token; [`Error::ClockOff`] if the reason is rather this
/// machine's clock.
pub fn refresh(
    client: &Client<'_>,
    url: &str,
    key: &PrivateKey,
    key_file: &Path,
    upst: &Upst,
    retry: Retry,
) -> Result<Secret> {
    let endpoint = Endpoint { what: AUTH_SERVICE, url };
    let body = Zeroizing::new(json!({ "currentToken": upst.token().expose() }).to_string());
    let (host, path) = url::host_and_target(url);
    // Oracle judges the moment of the signature, which is kept when the request is sent again.
    let ours = host::now();
    let signed = sign_post(key, upst, host, &path, &body, ours)
        .map_err(|why| Error::Key { path: key_file.to_owned(), why })?;
    let headers = [
        ("authorization", signed.authorization.expose()),
        ("date", &signed.date),
        // As it was signed: the client would leave out a port that is the scheme's own.
        ("host", host),
        ("x-content-sha256", &signed.content_sha256),
    ];
    let post = Post { content_type: JSON, headers: &headers, body: &body };
    let answer = client.post(&endpoint, &post, retry)?;
    client.close_connection();
    if answer.status == 401
        && let Some(theirs) = answer.date
        && ours.since(theirs).unsigned_abs() > LARGEST_DEVIATION
    {
        return Err(Error::ClockOff { url: url.to_owned(), ours, theirs });
    }
    let document = success_document(&endpoint, &answer, &[upst.token(), &signed.signature]);
    let document = document.map_err(|e| match e {
        Error::Refused { status: 401, url, error, why, .. } => Error::SessionOver { url, error, why },
        other => other,
    })?;
    issued_token(&endpoint, &document)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::host::Host;
    use crate::oci::signature;
    use crate::testing::{Home, fixture, vectors};
    use crate::time::UnixTime;

    /// A request as it was received: its first line, its headers in lower case and its body.
    struct Received {
        line: String,
        headers: Vec<(String, String)>,
        body: String,
    }

    impl Received {
        fn header(&self, name: &str) -> &str {
            let found: Vec<_> = self.headers.iter().filter(|(own, _)| own == name).collect();
            assert_eq!(found.len(), 1, "{name} in {:?}", self.line);
            &found[0].1
        }
    }

    struct Asked {
        answer: Result<Secret>,
        requests: Vec<Received>,
        /// Host and port.
        server: String,
    }

    /// The session token of fixtures/upst and its key.
    fn session() -> (PrivateKey, Upst) {
        let token = String::from_utf8(vectors::read("upst", "good").bytes).unwrap();
        (PrivateKey::parse(&fixture("keys/session.pem")).unwrap(), Upst::parse(&token).unwrap())
    }

    /// Asks a server that gives these answers, each to a connection of its own. It quotes the request's header where
    /// an answer says `<authorization>`.
    fn ask(answers: &[String]) -> Asked {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let server = listener.local_addr().unwrap().to_string();
        let answers = answers.to_vec();
        let serving = thread::spawn(move || {
            let mut requests = Vec::new();
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(&stream);
                let mut head = Vec::new();
                loop {
                    let mut line = String::new();
                    lines.read_line(&mut line).unwrap();
                    match line.trim_end() {
                        "" => break,
                        line => head.push(line.to_owned()),
                    }
                }
                let headers: Vec<(String, String)> = head[1..]
                    .iter()
                    .filter_map(|line| line.split_once(": "))
                    .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                    .collect();
                let length = headers.iter().find(|(name, _)| name == "content-length").unwrap().1.parse();
                let mut body = vec![0; length.unwrap()];
                lines.read_exact(&mut body).unwrap();
                let body = String::from_utf8(body).unwrap();
                let request = Received { line: head.remove(0), headers, body };
                let answer = answer.replace("<authorization>", request.header("authorization"));
                (&stream).write_all(answer.as_bytes()).unwrap();
                requests.push(request);
            }
            requests
        });
        let home = Home::new();
        let host = Host::of(home.root(), &[]);
        let mut client = Client::new(&host);
        client.begin(Duration::from_secs(20));
        let (key, upst) = session();
        let url = format!("http://{server}{REFRESH_PATH}");
        let answer = refresh(&client, &url, &key, Path::new("/key.pem"), &upst, Retry::Unavailable);
        Asked { answer, requests: serving.join().unwrap(), server }
    }

    fn http(status: u16, headers: &str, body: &str) -> String {
        format!("HTTP/1.1 {status} X\r\n{headers}connection: close\r\n\r\n{body}")
    }

    /// The error for one answer, which shows neither the token nor the signature of the request.
    fn error(status: u16, headers: &str, body: &str) -> Error {
        let asked = ask(&[http(status, headers, body)]);
        let Err(e) = asked.answer else { panic!("{status} {body} was taken for a token") };
        let said = e.to_string();
        assert!(!said.contains(session().1.token().expose()), "{said}");
        assert!(!said.contains(signature_of(&asked.requests[0])), "{said}");
        e
    }

    fn signature_of(request: &Received) -> &str {
        let (_, rest) = request.header("authorization").split_once(",signature=\"").unwrap();
        rest.split('"').next().unwrap()
    }

    #[test]
    fn a_new_token_is_returned_for_a_signed_request() {
        let asked = ask(&[http(200, "", r#"{"token":"a.b.c"}"#)]);
        assert!(asked.answer.is_ok_and(|token| token.expose() == "a.b.c"));
        let request = &asked.requests[0];
        let (key, upst) = session();
        assert_eq!(request.line, format!("POST {REFRESH_PATH} HTTP/1.1"));
        assert_eq!(request.body, format!(r#"{{"currentToken":"{}"}}"#, upst.token().expose()));
        assert_eq!(request.header("host"), asked.server);
        assert_eq!(request.header("content-type"), "application/json");
        assert_eq!(request.header("content-length"), request.body.len().to_string());
        let date = UnixTime::from_http_date(request.header("date")).unwrap();
        let signed = signature::sign_post(&key, &upst, &asked.server, REFRESH_PATH, &request.body, date);
        let Ok(signed) = signed else { panic!("the key signs") };
        assert_eq!(request.header("x-content-sha256"), signed.content_sha256);
        assert!(request.header("authorization") == signed.authorization.expose());
    }

    #[test]
    fn the_same_request_is_sent_again_while_the_service_is_unavailable() {
        let again = "retry-after: 0\r\n";
        let asked = ask(&[http(503, again, ""), http(429, again, ""), http(200, "", r#"{"token":"a.b.c"}"#)]);
        assert!(asked.answer.is_ok());
        let first = asked.requests[0].header("authorization");
        assert!(asked.requests.iter().all(|request| request.header("authorization") == first));
    }

    #[test]
    fn a_401_ends_the_session_unless_the_clock_is_wrong() {
        let body = r#"{"code":"NotAuthenticated","message":"The token has expired"}"#;
        let over = |e: Error| match e {
            Error::SessionOver { error, why, .. } => (error, why),
            other => panic!("{other}"),
        };
        let reason = (Some("NotAuthenticated".into()), Some("The token has expired".into()));
        for seconds in [-290, 0, 290] {
            let date = host::now().plus(seconds).http_date();
            assert_eq!(over(error(401, &format!("date: {date}\r\n"), body)), reason);
        }
        assert_eq!(over(error(401, "", body)), reason);
        assert_eq!(over(error(401, "date: today\r\n", "")), (None, None));
        for seconds in [-310, 310, 7 * 86_400] {
            let theirs = host::now().plus(seconds);
            let e = error(401, &format!("date: {}\r\n", theirs.http_date()), body);
            assert!(matches!(e, Error::ClockOff { theirs: said, .. } if said == theirs), "{e}");
        }
    }

    #[test]
    fn another_refusal_is_shown_in_oracles_words_without_the_secrets_that_it_quotes() {
        let token = session().1.token().expose().to_owned();
        let body = format!(r#"{{"code":"NotAuthorized","message":"Blocked: {token}"}}"#);
        let e = error(403, "", &body);
        let expected = Some("Blocked: [removed]".to_owned());
        assert!(matches!(&e, Error::Refused { status: 403, why, .. } if *why == expected), "{e}");
        assert!(!e.to_string().contains("propagation trust"), "{e}");
        let e = error(403, "", "Not accepted: <authorization>");
        assert!(matches!(&e, Error::Refused { why: Some(why), .. } if why.contains("ST$[removed]")), "{e}");
        for status in [400, 404, 500] {
            let e = error(status, "", "");
            assert!(matches!(e, Error::Refused { status: said, .. } if said == status), "{e}");
            assert!(!e.to_string().contains("client"), "{e}");
        }
    }

    #[test]
    fn a_redirect_is_named_and_not_followed() {
        let e =
            error(302, "location: https://portal.example.com/login?session=S3cret\r\n", "<title>x</title>");
        let said = e.to_string();
        assert!(said.contains("redirect to https://portal.example.com/login (HTTP 302)"), "{said}");
        assert!(!said.contains("S3cret"), "{said}");
    }

    #[test]
    fn an_answer_without_a_token_is_of_no_use() {
        for body in [
            "",
            "<html><title>Sign in</title></html>",
            "[]",
            "\"a.b.c\"",
            "{}",
            r#"{"token":null}"#,
            r#"{"token":""}"#,
            r#"{"token":["a.b.c"]}"#,
            r#"{"token":"a.b.c\n"}"#,
            r#"{"token":"a.b\u0000.c"}"#,
        ] {
            let e = error(200, "", body);
            assert!(matches!(e, Error::BadAnswer { .. }), "{body}: {e}");
        }
    }
}
