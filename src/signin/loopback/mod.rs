//! The authorization code grant with PKCE over a loopback redirect (RFC 6749 section 4.1, RFC 7636,
//! RFC 8252 section 7.3), from the URL to the tokens.

pub mod callback;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use callback::Callback;

use crate::error::{Error, Result};
use crate::files::lock::Lock;
use crate::host::{self, Host};
use crate::log;
use crate::oauth::http::Client;
use crate::oauth::{Iss, Provider, Tokens, pkce, token, url};
use crate::secret::Secret;
use crate::signin::by_hand::ByHand;
use crate::signin::listener::{Listener, OpenPage};
use crate::signin::person::{self, Pasted, Person, Reach};
use crate::signin::{ANSWER_LIMIT, Redirect, Reply, Step};

/// How often the terminal is looked at where there is no listener, which pauses itself.
const PASTE_PAUSE: Duration = Duration::from_millis(20);

pub struct Plan {
    pub redirect: Redirect,
    /// Belongs to this user alone.
    pub session_folder: PathBuf,
    pub reach: Reach,
}

pub fn ask<'a>(
    host: &'a Host,
    plan: &Plan,
    provider: &Provider,
    client: &mut Client<'a>,
    reply: &mut Reply,
    mut step: impl FnMut(&mut Client<'a>, Step) -> Result<()>,
) -> Result<Tokens> {
    let verifier = pkce::verifier(host::random()?);
    let state = URL_SAFE_NO_PAD.encode(host::random::<32>()?);
    // The listener is up before the browser opens, so that the answer cannot come too early.
    let (listener, _lock) = listen(host, plan)?;
    let port = listener.as_ref().map_or(plan.redirect.ports[0].number, Listener::port);
    let redirect_uri = plan.redirect.uri(port);
    let url = authorization_url(provider, &redirect_uri, &state, &pkce::challenge(&verifier));

    let by_hand = ByHand {
        last_page: format!("{redirect_uri}?…"),
        listens_on: listener.as_ref().map(|listener| (plan.redirect.host(), listener.port())),
        other_ways: match (plan.reach.opens_browser, provider.device_url.is_some()) {
            (true, true) => "paste or device",
            (true, false) => "paste",
            (false, true) => "browser or device",
            (false, false) => "browser",
        },
    };
    let mut person = Person::send_to(&url, &host.env, &plan.reach, by_hand);
    log::info(format_args!("Waiting for you to sign in, {} minutes at most", ANSWER_LIMIT.as_secs() / 60));
    let iss = provider.iss.as_ref();
    let (code, page) = wait(listener, &plan.redirect.path, &state, iss, ANSWER_LIMIT, || {
        person.follow_browser()?;
        Ok(person.pasted().and_then(|pasted| read_paste(&pasted, &redirect_uri, &state, iss)))
    })?;
    drop(person);
    if let Some(page) = page {
        *reply = Reply::hold(page);
    }
    let code = code?;

    step(client, Step::Redeems)?;
    token::authorization_code(client, provider, &code, &verifier, &redirect_uri)
}

/// The port of the redirect URI. If the person pastes the answer, other programs may have every port.
fn listen(host: &Host, plan: &Plan) -> Result<(Option<Listener>, Option<Lock>)> {
    let (redirect, folder) = (&plan.redirect, &plan.session_folder);
    let open = match plan.reach.opens_browser {
        true => redirect.open(host, folder)?,
        false => match redirect.open_free(host, folder)? {
            Ok(open) => open,
            Err(_) => {
                log::info(format_args!(
                    "Another sign-in or another program uses the redirect port: only pasting ends this sign-in"
                ));
                return Ok((None, None));
            }
        },
    };
    Ok((Some(open.listener), open.lock))
}

/// The answer in what was pasted. Otherwise tells the person why there is none.
fn read_paste(pasted: &Pasted, redirect_uri: &str, state: &str, iss: Option<&Iss>) -> Option<Result<Secret>> {
    let read = match pasted.text() {
        // A part of a code would be spent as the whole one is.
        Ok(_) if pasted.has_more => Err("it has more than one line"),
        Ok(text) => callback::read_pasted(text, redirect_uri, state, iss),
        Err(why) => Err(why),
    };
    match read {
        Ok(answer) => Some(answer.code()),
        Err(why) => {
            person::refuse_paste(why);
            None
        }
    }
}

/// Waits for the provider's answer to the sign-in with this `state`: a code, or [`Error::Denied`]. The answer of
/// another issuer than `iss` is [`Error::AnotherIssuer`]. It comes to the listener, and its page is then still open, or
/// `pasted` brings it. Stops waiting if `pasted` returns an error. The port is closed on return.
///
/// # Errors
/// [`Error::Unanswered`] after `limit`, and the errors of `pasted`.
fn wait(
    mut listener: Option<Listener>,
    path: &str,
    state: &str,
    iss: Option<&Iss>,
    limit: Duration,
    mut pasted: impl FnMut() -> Result<Option<Result<Secret>>>,
) -> Result<(Result<Secret>, Option<OpenPage>)> {
    let end = Instant::now() + limit;
    loop {
        let arrived = match &mut listener {
            Some(listener) => listener.next(),
            None => {
                thread::sleep(PASTE_PAUSE);
                None
            }
        };
        if let Some(arrived) = arrived
            && let Some(mut open) = listener.take()
        {
            match callback::read(&arrived.request.target, path, state, iss) {
                Callback::Stray(status) => open.answer_stray(arrived, status),
                _ if open.is_from_stranger(&arrived) => open.answer_stray(arrived, 400),
                Callback::Answer(answer) => return Ok((answer.code(), Some(open.close(arrived)))),
            }
            listener = Some(open);
        }
        if let Some(end) = pasted()? {
            return Ok((end, None));
        }
        if Instant::now() >= end {
            return Err(Error::Unanswered { minutes: limit.as_secs() / 60 });
        }
    }
}

fn authorization_url(provider: &Provider, redirect_uri: &str, state: &str, challenge: &str) -> String {
    url::with_query(
        &provider.authorization_url,
        &[
            ("response_type", "code"),
            ("client_id", &provider.client_id),
            ("redirect_uri", redirect_uri),
            ("scope", &provider.scope),
            ("state", state),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ],
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::thread::JoinHandle;

    use super::*;
    use crate::host::Env;
    use crate::oauth;
    use crate::signin::{RedirectPort, page};
    use crate::testing::Home;

    fn sign_in(host: &Host, provider: &Provider, wait_without_browser: bool) -> Result<Tokens> {
        let home = Home::new();
        let plan = Plan {
            redirect: redirect(),
            session_folder: home.root().to_owned(),
            reach: Reach {
                opens_browser: true,
                secret_variables: Vec::new(),
                wait_without_browser,
                reads_terminal: false,
            },
        };
        let mut reply = Reply::default();
        ask(host, &plan, provider, &mut Client::new(host), &mut reply, |_, _| Ok(()))
    }

    fn redirect() -> Redirect {
        let ports = vec![RedirectPort { number: 0, lock: PathBuf::new() }];
        Redirect { is_localhost: false, path: PATH.into(), ports }
    }

    fn provider(port: u16) -> Provider {
        Provider {
            authorization_url: "https://idp.example.com/authorize?prompt=consent".into(),
            token_url: format!("http://127.0.0.1:{port}/token"),
            client_id: "woci client".into(),
            client_secret: None,
            scope: "openid offline_access".into(),
            iss: None,
            device_url: None,
            device_form: oauth::DeviceForm::Standard,
        }
    }

    fn host(browser: &str) -> Host {
        let mut host = Host::of_this_process();
        host.env = Env::of(&[("BROWSER", browser)]);
        host
    }

    /// A host whose browser is this test program, which then runs the test `plays_the_browser`.
    fn browser(answer: &str) -> Host {
        let program = std::env::current_exe().unwrap();
        // The test's name without its module path, since `$BROWSER` separates commands by colons. No other
        // test has this name.
        host(&format!("'{}' plays_the_browser {answer} %s", program.display()))
    }

    fn value(query: &str, name: &str) -> String {
        let pairs = url::parse_form(query.as_bytes()).unwrap();
        pairs.into_iter().find(|(n, _)| n == name).map(|(_, value)| value).unwrap()
    }

    /// Sends the redirect for the URL among the arguments, and does not end before it is answered.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "they are this test program's own")]
    fn plays_the_browser() {
        let words: Vec<String> = std::env::args().collect();
        let [.., answer, url] = words.as_slice() else { return };
        let Some((_, query)) = url.split_once("/authorize?prompt=consent&") else { return };
        let redirect_uri = value(query, "redirect_uri");
        let (address, path) = redirect_uri.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let state = value(query, "state");
        write!(stream, "GET /{path}?{answer}&state={state} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        assert!(page.contains("close this window"), "{page}");
    }

    #[test]
    fn a_sign_in_from_start_to_end() {
        let endpoint = TcpListener::bind("127.0.0.1:0").unwrap();
        let provider = provider(endpoint.local_addr().unwrap().port());
        let redeemed = thread::spawn(move || {
            let (mut stream, _) = endpoint.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"client_id=woci+client") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            let json = r#"{"access_token":"A","refresh_token":"R"}"#;
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{json}", json.len()).unwrap();
            String::from_utf8(request).unwrap()
        });
        let Ok(tokens) = sign_in(&browser("code=C0DE"), &provider, true) else { panic!("no tokens") };
        assert!(tokens.access_token.is_ok_and(|token| token.expose() == "A"));
        assert!(tokens.refresh_token.is_some_and(|token| token.expose() == "R"));
        let request = redeemed.join().unwrap();
        let (_, form) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(value(form, "code"), "C0DE");
        assert_eq!(value(form, "code_verifier").len(), 43);
        assert!(value(form, "redirect_uri").ends_with("/callback"));
    }

    #[test]
    fn a_denied_sign_in_asks_for_no_token() {
        let denied = sign_in(&browser("error=access_denied"), &provider(9), true).err();
        assert_eq!(denied, Some(Error::Denied { error: "access_denied".into(), description: None }));
    }

    const PATH: &str = "/callback";
    const STATE: &str = "S8lCrJ1mU0aJb0eYq1xZ3vQf7nGdWkTtPpHhLlMmNn4";
    const LIMIT: Duration = Duration::from_secs(60);

    fn bind() -> Option<Listener> {
        Some(redirect().open(&Host::of_this_process(), Home::new().root()).unwrap().listener)
    }

    fn listen() -> (u16, JoinHandle<Result<Secret>>) {
        let listener = bind();
        let number = listener.as_ref().unwrap().port();
        (number, thread::spawn(move || wait(listener, PATH, STATE, None, LIMIT, || Ok(None))?.0))
    }

    fn request(port: u16, text: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(port: u16, target: &str) -> String {
        request(port, &format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"))
    }

    #[test]
    fn a_code_ends_the_wait_and_a_page_is_sent_and_the_port_is_closed() {
        let (port, wait) = listen();
        let answer = get(port, &format!("/callback?code=C0DE&state={STATE}"));
        assert!(wait.join().unwrap().is_ok_and(|code| code.expose() == "C0DE"));
        let (head, html) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        for (name, value) in page::continues().headers() {
            assert_eq!(head.matches(&format!("\r\n{name}: {value}")).count(), 1, "{name} in {head}");
        }
        assert!(head.contains(&format!("\r\nContent-Length: {}", html.len())), "{head}");
        assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }

    #[test]
    fn stray_requests_are_answered_and_do_not_end_the_wait() {
        let (port, wait) = listen();
        for _ in 0..3 {
            for (target, status) in [
                ("/favicon.ico", "404 Not Found"),
                ("/callback", "400 Bad Request"),
                ("/callback?code=1&state=x", "400 Bad Request"),
                ("/callback?error=access_denied", "400 Bad Request"),
            ] {
                let answer = get(port, target);
                assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{target}: {answer}");
            }
            let form = "POST /callback HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
            assert!(request(port, form).starts_with("HTTP/1.1 400 "));
        }
        let answer =
            get(port, &format!("/callback?error=access_denied&error_description=%3Cb%3E&state={STATE}"));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let denied = Error::Denied { error: "access_denied".into(), description: Some("<b>".into()) };
        assert_eq!(wait.join().unwrap().err(), Some(denied));
    }

    #[test]
    fn the_wait_ends_after_its_limit() {
        let ended = wait(bind(), PATH, STATE, None, Duration::ZERO, || Ok(None)).err();
        assert_eq!(ended, Some(Error::Unanswered { minutes: 0 }));
    }

    #[test]
    fn a_failed_check_ends_the_wait() {
        let ended = wait(bind(), PATH, STATE, None, LIMIT, || Err(Error::NoBrowser)).err();
        assert_eq!(ended, Some(Error::NoBrowser));
    }

    #[test]
    fn no_browser_and_nobody_at_a_terminal() {
        assert_eq!(sign_in(&host("false:/none/such"), &provider(9), false).err(), Some(Error::NoBrowser));
    }

    #[test]
    fn the_authorization_url_has_what_the_rfcs_ask_for() {
        let url = authorization_url(&provider(9), "http://127.0.0.1:8181/callback", "STATE", "CHALLENGE");
        assert_eq!(
            url,
            "https://idp.example.com/authorize?prompt=consent&response_type=code&client_id=woci%20client\
             &redirect_uri=http%3A%2F%2F127.0.0.1%3A8181%2Fcallback&scope=openid%20offline_access&state=STATE\
             &code_challenge=CHALLENGE&code_challenge_method=S256"
        );
        let (_, query) = url.split_once('?').unwrap();
        let names = url::parse_form(query.as_bytes()).unwrap().into_iter().map(|(name, _)| name);
        assert!(names.filter(|name| name != "prompt").eq(oauth::OWN_PARAMETERS), "{url}");
    }
}
