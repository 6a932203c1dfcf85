//! Oracle's own sign-in, as `oci session authenticate` uses it (oci-cli 3.95.1, cli_setup_bootstrap.py): nothing is
//! registered, and the answer is a session token (UPST) that is bound to a key of ours. The answer comes in the
//! fragment of an address, which browsers do not send, so that a page hands it over.

pub mod answer;
mod form;
mod page;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

use answer::Answer;
use form::Asked;

use crate::error::{Error, Result};
use crate::files::lock::{Lock, Purpose};
use crate::host::{self, Host};
use crate::log;
use crate::oauth::url;
use crate::oci::PublicKey;
use crate::secret::Secret;
use crate::signin::by_hand::ByHand;
use crate::signin::listener::{Listener, OpenPage, Port};
use crate::signin::person::{self, Pasted, Person, Reach};
use crate::signin::request::Accepts;
use crate::signin::{ANSWER_LIMIT, Reply, SIGN_IN};

/// What the holder of the profile's lock does.
pub const PURPOSE: Purpose = SIGN_IN;

pub struct Plan {
    /// `https://login.<region>.<realm domain>/v1/oauth2/authorize`, without a query.
    pub authorize_url: String,
    pub tenancy_name: Option<String>,
    pub identity_provider_name: Option<String>,
    /// Of the redirect URI `http://localhost:<port>`. Oracle has registered 8181 alone.
    pub port: u16,
    /// Belongs to this user alone.
    pub session_folder: PathBuf,
    /// The lock file that the profiles which use this port share.
    pub port_lock: PathBuf,
    pub reach: Reach,
}

/// Sends the person to Oracle's sign-in and returns the UPST, which is bound to `key`. From then on `reply` is what the
/// person waits for, unless the address was pasted.
pub fn ask(host: &Host, plan: &Plan, key: &PublicKey, reply: &mut Reply) -> Result<Secret> {
    let _lock = Lock::acquire(&plan.port_lock, PURPOSE)?;
    let port =
        Port { number: plan.port, is_localhost: true, accepts: Accepts::GetsAndForms, is_the_only_one: true };
    // The listener is up before the browser opens, so that the answer cannot come too early.
    let listener = Listener::bind(host, &plan.session_folder, &port)?;
    let sign_in = SignIn {
        nonce: URL_SAFE_NO_PAD.encode(host::random::<32>()?),
        value: URL_SAFE_NO_PAD.encode(host::random::<32>()?),
        port: listener.port(),
        key,
    };
    let url = sign_in.authorization_url(plan);

    let person = Person::send_to(&url, &host.env, &plan.reach, sign_in.by_hand(plan.reach.opens_browser));
    log::info(format_args!("Waiting for you to sign in, {} minutes at most", ANSWER_LIMIT.as_secs() / 60));
    let (token, page) = sign_in.wait(listener, person, ANSWER_LIMIT)?;
    if let Some(page) = page {
        *reply = Reply::hold(page);
    }
    Ok(token)
}

/// What tells the answer to this sign-in from any other.
struct SignIn<'a> {
    nonce: String,
    /// The hidden value of the page that hands the answer over.
    value: String,
    port: u16,
    key: &'a PublicKey,
}

impl SignIn<'_> {
    fn authorization_url(&self, plan: &Plan) -> String {
        let public_key = URL_SAFE.encode(self.key.to_jwk());
        let redirect_uri = format!("http://localhost:{}", self.port);
        let mut query = vec![
            ("action", "login"),
            ("client_id", "iaas_console"),
            ("response_type", "token id_token"),
            ("nonce", &self.nonce),
            ("scope", "openid"),
            ("public_key", &public_key),
            ("redirect_uri", &redirect_uri),
        ];
        query.extend(plan.tenancy_name.as_deref().map(|name| ("tenant", name)));
        query.extend(plan.identity_provider_name.as_deref().map(|name| ("provider", name)));
        url::with_query(&plan.authorize_url, &query)
    }

    fn by_hand(&self, opens_browser: bool) -> ByHand<'static> {
        ByHand {
            last_page: format!("http://localhost:{}/#…", self.port),
            listens_on: Some(("localhost", self.port)),
            other_ways: if opens_browser { "paste" } else { "browser" },
        }
    }

    /// Waits for the answer: handed over by the page, which is then still open, or pasted. The port is closed on
    /// return.
    ///
    /// # Errors
    /// [`Error::Unanswered`] after `limit`, and [`Error::NoBrowser`].
    fn wait(
        &self,
        mut listener: Listener,
        mut person: Person<'_>,
        limit: Duration,
    ) -> Result<(Secret, Option<OpenPage>)> {
        let end = Instant::now() + limit;
        let mut warnings = Warnings::default();
        loop {
            if let Some(arrived) = listener.next() {
                match form::read(&arrived.request, self.port, &self.value) {
                    Asked::Stray(status) => listener.answer_stray(arrived, status),
                    // The page holds a value that is nobody else's.
                    _ if listener.is_from_stranger(&arrived) => listener.answer_stray(arrived, 400),
                    Asked::Page => listener.answer(arrived, page::hands_over(&self.value)),
                    Asked::Fragment(text) => match answer::read(&text, &self.nonce, self.key) {
                        Answer::Token(token) => return Ok((token, Some(listener.close(arrived)))),
                        Answer::Refused { error, description } => {
                            warnings.refused(&error, description.as_deref());
                            listener.answer(arrived, page::refused(&error, description.as_deref()));
                        }
                        Answer::OfAnother => {
                            warnings.of_another();
                            listener.answer_stray(arrived, 400);
                        }
                        Answer::Stray(why) => {
                            log::debug(format_args!("Ignored an answer to this sign-in: {why}"));
                            listener.answer_stray(arrived, 400);
                        }
                    },
                }
            }
            if let Some(pasted) = person.pasted()
                && let Some(token) = self.read_paste(&pasted)
            {
                return Ok((token, None));
            }
            person.follow_browser()?;
            if Instant::now() >= end {
                return Err(Error::Unanswered { minutes: limit.as_secs() / 60 });
            }
        }
    }

    /// The token in a pasted address. Otherwise tells the person why there is none.
    fn read_paste(&self, pasted: &Pasted) -> Option<Secret> {
        let fragment = pasted.text().and_then(|text| answer::fragment_of(text, self.port));
        let why = match fragment.map(|fragment| answer::read(fragment, &self.nonce, self.key)) {
            Err(why) => why.to_owned(),
            Ok(Answer::Token(token)) => return Some(token),
            Ok(Answer::OfAnother) => "it belongs to another sign-in, with another key or nonce".to_owned(),
            Ok(Answer::Stray("it has no security_token")) => "it has no #security_token".to_owned(),
            Ok(Answer::Stray(why)) => why.to_owned(),
            Ok(Answer::Refused { error, description }) => {
                format!("it says {}", error_text(&error, description.as_deref()))
            }
        };
        person::refuse_paste(&why);
        None
    }
}

/// Warnings that any web page could repeat at will. Each is given once.
#[derive(Default)]
struct Warnings {
    has_refused: bool,
    has_another: bool,
}

impl Warnings {
    fn refused(&mut self, error: &str, description: Option<&str>) {
        if !std::mem::replace(&mut self.has_refused, true) {
            log::warning(format_args!(
                "The browser brought the answer {}; resolve this, then open the Auth URL again (woci still waits, since \
                 any web page can send such an answer)",
                error_text(error, description)
            ));
        }
    }

    fn of_another(&mut self) {
        if !std::mem::replace(&mut self.has_another, true) {
            log::warning(format_args!(
                "Ignored the answer of another sign-in; finish the sign-in in the newest window"
            ));
        }
    }
}

fn error_text(error: &str, description: Option<&str>) -> String {
    description.map_or(error.to_owned(), |description| format!("{error}: {description}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv6Addr, TcpStream, ToSocketAddrs as _};
    use std::thread::{self, JoinHandle};

    use serde_json::json;

    use super::*;
    use crate::host::Env;
    use crate::oci::PrivateKey;
    use crate::signin::page as pages;
    use crate::sys::Screen;
    use crate::testing::{Home, fixture, vectors};

    const LIMIT: Duration = Duration::from_secs(60);
    /// The nonce of the vectors in `fixtures/console`.
    const NONCE: &str = "N4mJk8sQeT0aJb0eYq1xZ3vQf7nGdWkTtPpHhLlMmNn";
    const VALUE: &str = "S8lCrJ1mU0aJb0eYq1xZ3vQf7nGdWkTtPpHhLlMmNn4";

    fn key() -> PrivateKey {
        PrivateKey::parse(&fixture("keys/session.pem")).unwrap()
    }

    fn plan(home: &Home, reads_terminal: bool) -> Plan {
        Plan {
            authorize_url: "https://login.eu-frankfurt-1.oraclecloud.com/v1/oauth2/authorize".into(),
            tenancy_name: None,
            identity_provider_name: None,
            port: 0,
            session_folder: home.root().to_owned(),
            port_lock: home.path("port.lock"),
            reach: Reach {
                opens_browser: true,
                secret_variables: Vec::new(),
                wait_without_browser: reads_terminal,
                reads_terminal,
            },
        }
    }

    fn host(browser: &str) -> Host {
        let mut host = Host::of_this_process();
        host.env = Env::of(&[("BROWSER", browser)]);
        host
    }

    fn fragment(vector: &str) -> String {
        String::from_utf8(vectors::read("console", vector).bytes).unwrap().trim_end().to_owned()
    }

    fn value(query: &str, name: &str) -> String {
        let pairs = url::parse_form(query.as_bytes()).unwrap();
        pairs.into_iter().find(|(n, _)| n == name).map(|(_, value)| value).unwrap()
    }

    #[test]
    fn the_url_has_what_oci_sends() {
        let (home, key) = (Home::new(), key());
        let mut plan = plan(&home, false);
        let sign_in = SignIn { nonce: "N0NCE".into(), value: String::new(), port: 8181, key: key.public() };
        let url = sign_in.authorization_url(&plan);
        let jwk = URL_SAFE.encode(key.public().to_jwk()).replace('=', "%3D");
        let expected = format!(
            "https://login.eu-frankfurt-1.oraclecloud.com/v1/oauth2/authorize?action=login&client_id=iaas_console\
             &response_type=token%20id_token&nonce=N0NCE&scope=openid&public_key={jwk}\
             &redirect_uri=http%3A%2F%2Flocalhost%3A8181"
        );
        assert_eq!(url, expected);
        plan.tenancy_name = Some("my tenancy".into());
        plan.identity_provider_name = Some("a&b".into());
        let url = sign_in.authorization_url(&plan);
        assert_eq!(url, format!("{expected}&tenant=my%20tenancy&provider=a%26b"));
    }

    type Waiting = JoinHandle<Option<(Secret, Option<OpenPage>)>>;

    /// A sign-in with [`NONCE`] and [`VALUE`] that waits on a port for its answer.
    fn waiting() -> (u16, Waiting) {
        let home = Home::new();
        let host = host("true");
        let port =
            Port { number: 0, is_localhost: true, accepts: Accepts::GetsAndForms, is_the_only_one: true };
        let listener = Listener::bind(&host, home.root(), &port).unwrap();
        let port = listener.port();
        let wait = thread::spawn(move || {
            let (host, key, plan) = (host, key(), plan(&home, false));
            let sign_in = SignIn { nonce: NONCE.into(), value: VALUE.into(), port, key: key.public() };
            let person = Person::send_to("http://localhost", &host.env, &plan.reach, sign_in.by_hand(true));
            sign_in.wait(listener, person, LIMIT).ok()
        });
        (port, wait)
    }

    fn open(port: u16, method: &str, headers: &str, body: &str) -> TcpStream {
        let address = ("localhost", port).to_socket_addrs().unwrap().next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        write!(stream, "{method} HTTP/1.1\r\n{headers}{length}\r\n{body}").unwrap();
        stream
    }

    fn answer(mut stream: TcpStream) -> String {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(port: u16) -> String {
        answer(open(port, "GET /", &format!("Host: localhost:{port}\r\n"), ""))
    }

    fn hand_over(port: u16, fragment: &str) -> TcpStream {
        let headers = format!(
            "Host: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n"
        );
        open(port, "POST /", &headers, &url::form(&[("value", VALUE), ("answer", fragment)]))
    }

    #[test]
    fn the_answer_ends_the_wait_and_its_page_is_sent_and_the_port_is_closed() {
        let (port, wait) = waiting();
        let page = get(port);
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains(VALUE), "{page}");
        let form = hand_over(port, &fragment("token"));
        let (token, page) = wait.join().unwrap().unwrap();
        assert!(fragment("token").contains(token.expose()));
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_err());
        page.unwrap().page = pages::signed_in("prod", None, "noon");
        assert!(answer(form).contains("You are signed in"));
    }

    #[test]
    fn other_requests_and_answers_do_not_end_the_wait() {
        let (port, wait) = waiting();
        let (own, good) = (format!("Host: localhost:{port}\r\n"), fragment("token"));
        let form = url::form(&[("value", VALUE), ("answer", &good)]);
        for _ in 0..2 {
            for (vector, status, text) in [
                ("token-other-key", 400, "Not the answer woci waits for"),
                ("token-other-nonce", 400, "Not the answer woci waits for"),
                ("token-without-key", 400, "Not the answer woci waits for"),
                ("token-twice", 400, "Not the answer woci waits for"),
                ("refused", 400, "access_denied: The user cancelled"),
            ] {
                let page = answer(hand_over(port, &fragment(vector)));
                assert!(page.starts_with(&format!("HTTP/1.1 {status} ")) && page.contains(text), "{page}");
            }
            for origin in ["", "Origin: null\r\n", "Origin: http://evil.example\r\n"] {
                let page = answer(open(port, "POST /", &format!("{own}{origin}"), &form));
                assert!(page.starts_with("HTTP/1.1 400 "), "{origin}: {page}");
            }
            for host in ["", "Host: evil.example\r\n"] {
                let page = answer(open(port, "GET /", host, ""));
                assert!(page.starts_with("HTTP/1.1 400 ") && !page.contains(VALUE), "{host}: {page}");
            }
            let page = answer(open(port, "GET /favicon.ico", &own, ""));
            assert!(page.starts_with("HTTP/1.1 404 "), "{page}");
            assert!(get(port).contains(VALUE), "a second tab gets the page again");
        }
        let page = hand_over(port, &good);
        assert!(wait.join().unwrap().is_some());
        assert!(answer(page).contains("Your answer has arrived"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn another_user_gets_neither_the_page_nor_an_end_of_the_sign_in() {
        use std::os::unix::process::CommandExt as _;

        if crate::sys::user() != 0 {
            eprintln!("skipped: only root can be another user");
            return;
        }
        let (port, wait) = waiting();
        for ip in ["127.0.0.1", "::1"] {
            let form = url::form(&[("value", VALUE), ("answer", &fragment("token"))]);
            let (own, length) = (format!("localhost:{port}"), form.len());
            for request in [
                format!("GET / HTTP/1.1\r\nHost: {own}\r\n\r\n"),
                format!(
                    "POST / HTTP/1.1\r\nHost: {own}\r\nOrigin: http://{own}\r\nContent-Length: {length}\r\n\r\n{form}"
                ),
            ] {
                let script = "exec 3<>/dev/tcp/$0/$1; printf %s \"$2\" >&3; cat <&3";
                let mut other = std::process::Command::new("bash");
                other.args(["-c", script, ip, &port.to_string(), &request]).uid(4242).gid(4242);
                let said = other.output().unwrap();
                let (page, error) =
                    (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
                if ip == "::1" && page.is_empty() {
                    eprintln!("skipped: this machine has no address ::1 ({error})");
                    continue;
                }
                assert!(page.starts_with("HTTP/1.1 400 ") && !page.contains(VALUE), "{ip}: {page}{error}");
            }
        }
        let page = hand_over(port, &fragment("token"));
        assert!(wait.join().unwrap().is_some());
        drop(page);
    }

    #[test]
    fn two_answers_at_once_end_one_sign_in() {
        let (port, wait) = waiting();
        let forms: Vec<_> = (0..3).map(|_| hand_over(port, &fragment("token"))).collect();
        assert!(wait.join().unwrap().is_some());
        let pages = forms.into_iter().map(|mut form| {
            let mut page = String::new();
            let _ = form.read_to_string(&mut page);
            page
        });
        assert_eq!(pages.filter(|page| page.contains("Your answer has arrived")).count(), 1);
    }

    #[test]
    fn no_browser_and_nobody_at_a_terminal() {
        let (home, key) = (Home::new(), key());
        let mut reply = Reply::default();
        let ended = ask(&host("false:/none/such"), &plan(&home, false), key.public(), &mut reply);
        assert_eq!(ended.err(), Some(Error::NoBrowser));
    }

    /// Run by the next test on a terminal.
    #[test]
    fn asks_at_the_terminal() {
        if !Screen::runs_this_test() {
            return;
        }
        let (home, key) = (Home::new(), key());
        let mut host = host("false");
        host.env =
            Env::of(&[("BROWSER", "false"), ("USER", "ada"), ("SSH_CONNECTION", "192.0.2.7 5 192.0.2.9 22")]);
        let token = ask(&host, &plan(&home, true), key.public(), &mut Reply::default()).unwrap();
        eprintln!("a token of {} bytes", token.expose().len());
    }

    #[test]
    fn without_a_browser_the_address_is_pasted() {
        let mut screen = Screen::of_test("signin::console::tests::asks_at_the_terminal");
        screen.says("Auth URL: ");
        let url = screen.line();
        let redirect_uri = value(&url, "redirect_uri");
        let port = redirect_uri.rsplit(':').next().unwrap();
        screen.says(&format!("(http://localhost:{port}/#…)"));
        screen.says(&format!("ssh -L {port}:localhost:{port} ada@192.0.2.9"));

        let jwt =
            |claims: serde_json::Value| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
        // Longer than a line of the terminal.
        let token =
            jwt(json!({"exp": 1_795_471_200, "jwk": key().public().to_jwk(), "x": "canary".repeat(1_000)}));
        let address = |nonce: &str| {
            let id_token = jwt(json!({"nonce": nonce}));
            format!("localhost:{port}/#security_token={token}&id_token={id_token}")
        };
        screen.types(b"rm -rf canary\n");
        screen.says("it is not an address of this sign-in");
        screen.types(format!("{redirect_uri}/\r").as_bytes());
        screen.says("it has no #security_token");
        screen.types(format!("\x1b[200~{}\x1b[201~\n", address("other")).as_bytes());
        screen.says("another key or nonce");
        screen.types(format!(" http://{}\nthe rest", address(&value(&url, "nonce"))).as_bytes());
        let said = screen.end();
        assert!(said.contains(&format!("a token of {} bytes", token.len())), "{said}");
        assert!(said.contains("ended 0") && said.contains(" echo "), "{said}");
        assert!(!said.contains("canary") && !said.contains("the rest"), "{said}");
    }
}
