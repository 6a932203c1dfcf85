//! The port that waits for the provider's redirect: a guard, and tiny_http behind it.
//!
//! Any local program can connect. tiny_http alone aborts on a large Content-Length, panics on a
//! reset, takes a thread for each connection and keeps a request line of any size; so it only ever
//! sees a request line that the guard has vetted, over a socket that nobody else can reach.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::{Header, Response, Server};

use super::callback::{self, Callback};
use super::page::{self, Page};
use crate::error::{Error, Result};
use crate::files;
use crate::host::{self, Host};
use crate::log;
use crate::secret::Secret;

/// A browser opens a handful, some of them ahead of need.
const MOST_CONNECTIONS: usize = 64;
/// Per round, so that each is looked at before newer ones push it out.
const MOST_ACCEPTED: usize = MOST_CONNECTIONS / 2;
/// Browsers send the cookies of every other port of 127.0.0.1: 8 KiB is too little.
const LARGEST_HEAD: usize = 16 << 10;
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// What still comes after the answer is read for this long: to close with bytes unread is to reset,
/// and a reset can overtake the answer.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// Between two looks at quiet sockets: nothing to a person, little to a battery.
const PAUSE: Duration = Duration::from_millis(5);
const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";

pub struct Listener {
    port: TcpListener,
    http: Http,
}

impl Listener {
    pub fn bind(host: &Host, port: u16) -> Result<Self> {
        let listen = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let taken = |e: io::Error| Error::PortTaken { port, why: files::io_reason(&e) };
        Ok(Self { port: listen().map_err(taken)?, http: Http::start(host)? })
    }

    pub fn port(&self) -> u16 {
        self.port.local_addr().expect("a bound socket has an address").port()
    }

    /// The code that the provider sends for the sign-in with this `state`. `watch` is asked between
    /// two looks whether there is still something to wait for. The port closes with the return.
    pub fn wait(
        mut self,
        state: &str,
        limit: Duration,
        mut watch: impl FnMut() -> Result<()>,
    ) -> Result<Secret> {
        let end = Instant::now() + limit;
        let mut connections = VecDeque::new();
        loop {
            let now = Instant::now();
            let mut is_quiet = self.accept(&mut connections, now) == 0;
            let mut at = 0;
            while at < connections.len() {
                match connections[at].read(now) {
                    Step::Idle => at += 1,
                    Step::Read => (is_quiet, at) = (false, at + 1),
                    Step::Over => drop(connections.remove(at)),
                    Step::Head(head) => {
                        let (answer, outcome) = self.answer(&head, state);
                        connections[at].answer(&answer, now);
                        if let Some(outcome) = outcome {
                            return outcome;
                        }
                        (is_quiet, at) = (false, at + 1);
                    }
                }
            }
            watch()?;
            if now >= end {
                return Err(Error::Unanswered { minutes: limit.as_secs() / 60 });
            }
            if is_quiet {
                thread::sleep(PAUSE);
            }
        }
    }

    /// Takes in those who wait at the door, the oldest making room. Says how many came.
    fn accept(&self, connections: &mut VecDeque<Connection>, now: Instant) -> usize {
        for count in 0..MOST_ACCEPTED {
            // Whoever gave up meanwhile is an error here, and so is a shortage of descriptors: both pass.
            let Ok((stream, _)) = self.port.accept() else { return count };
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            if connections.len() == MOST_CONNECTIONS {
                connections.pop_front();
            }
            connections.push_back(Connection { stream, head: Some(Vec::new()), until: now + HEAD_LIMIT });
        }
        MOST_ACCEPTED
    }

    /// What the browser is sent, and how the sign-in ends, if it does.
    fn answer(&mut self, head: &[u8], state: &str) -> (Vec<u8>, Option<Result<Secret>>) {
        let Some(target) = callback::target(head) else {
            log::debug(format_args!("A request on the callback port that no browser sends was turned away"));
            return (BAD_REQUEST.to_vec(), None);
        };
        let callback = callback::read(target, state);
        // Without a page the code is still good.
        let answer = self.http.answer(target, page::of(&callback)).unwrap_or_default();
        let outcome = match callback {
            Callback::Code(code) => Some(Ok(code)),
            Callback::Denied { error, description } => Some(Err(Error::Denied { error, description })),
            Callback::Stray(status) => {
                log::debug(format_args!("A stray request on the callback port was answered with {status}"));
                None
            }
        };
        (answer, outcome)
    }
}

/// Somebody at the port.
struct Connection {
    stream: TcpStream,
    /// What came of the head so far; `None` once it is answered.
    head: Option<Vec<u8>>,
    until: Instant,
}

enum Step {
    Idle,
    Read,
    Head(Vec<u8>),
    Over,
}

impl Connection {
    /// Reads once, so that no connection holds up another.
    fn read(&mut self, now: Instant) -> Step {
        if now >= self.until {
            return Step::Over;
        }
        let mut piece = [0; 4096];
        let room = self.head.as_ref().map_or(piece.len(), |head| piece.len().min(LARGEST_HEAD - head.len()));
        let piece = match self.stream.read(&mut piece[..room]) {
            Ok(0) => return Step::Over,
            Ok(count) => &piece[..count],
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Step::Idle;
            }
            Err(_) => return Step::Over,
        };
        let Some(head) = &mut self.head else { return Step::Read };
        let seen = head.len().saturating_sub(3);
        head.extend_from_slice(piece);
        let is_whole = head[seen..].windows(4).any(|four| four == b"\r\n\r\n");
        // One that is too large is no request either way.
        if is_whole || head.len() == LARGEST_HEAD { Step::Head(std::mem::take(head)) } else { Step::Read }
    }

    /// An answer is smaller than any socket's buffer; a peer that does not read it does without.
    fn answer(&mut self, answer: &[u8], now: Instant) {
        let _ = self.stream.write_all(answer);
        let _ = self.stream.shutdown(Shutdown::Write);
        self.head = None;
        self.until = now + DRAIN_LIMIT;
    }
}

/// tiny_http at the other end of one connection, which nobody else can make: the socket is gone from
/// the file system before the first request.
struct Http {
    wire: UnixStream,
    server: Server,
    /// The listening socket, as what can be shut.
    door: UnixStream,
}

impl Http {
    fn start(host: &Host) -> Result<Self> {
        let name = format!("woci-{:016x}", u64::from_ne_bytes(host::random()?));
        let mut failure = None;
        for place in places(host) {
            let folder = place.join(&name);
            match Self::start_in(&folder) {
                Ok(this) => return Ok(this),
                Err(e) => failure = Some(files::file_error("make a socket in", &place, &e)),
            }
        }
        Err(failure.expect("/tmp is always tried"))
    }

    fn start_in(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(folder)?;
        let socket = folder.join("http");
        let ends = UnixListener::bind(&socket).and_then(|door| Ok((UnixStream::connect(&socket)?, door)));
        let _ = fs::remove_file(&socket);
        let _ = fs::remove_dir(folder);
        let (wire, door) = ends?;
        let shut = UnixStream::from(OwnedFd::from(door.try_clone()?));
        let server = Server::from_listener(door, None).map_err(io::Error::other)?;
        Ok(Self { wire, server, door: shut })
    }

    /// What tiny_http makes of a page for the vetted `target`.
    fn answer(&mut self, target: &str, page: Page) -> io::Result<Vec<u8>> {
        // The request may be larger than the socket's buffer, so that writing waits for tiny_http ...
        self.wire.set_nonblocking(false)?;
        self.wire.write_all(format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes())?;
        let request = self.server.recv_timeout(HEAD_LIMIT)?.ok_or(ErrorKind::TimedOut)?;
        let mut response = Response::from_string(page.html).with_status_code(page.status);
        for (name, value) in page::HEADERS {
            response.add_header(Header::from_bytes(name, value).expect("a constant header is valid"));
        }
        request.respond(response)?;
        // ... and the answer is smaller and all there, so that reading need not wait.
        self.wire.set_nonblocking(true)?;
        let mut answer = Vec::new();
        match self.wire.read_to_end(&mut answer) {
            Err(e) if e.kind() != ErrorKind::WouldBlock => Err(e),
            _ => Ok(answer),
        }
    }
}

impl Drop for Http {
    /// Ends tiny_http's thread that waits to accept; by itself it would connect to the socket, which is gone.
    fn drop(&mut self) {
        let _ = self.door.shutdown(Shutdown::Both);
    }
}

/// Folders for a socket, the best first. A path of 104 bytes or more is no address, so that each may fail.
fn places(host: &Host) -> Vec<PathBuf> {
    let variables = ["XDG_RUNTIME_DIR", "TMPDIR"].into_iter().filter_map(|name| host.env.get(name));
    let mut places: Vec<PathBuf> = variables.map(PathBuf::from).filter(|path| path.is_absolute()).collect();
    places.push("/tmp".into());
    places.extend(host.home().map(Path::to_owned));
    places
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "what a listener leaves is looked at on disk")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::thread::JoinHandle;

    use super::*;
    use crate::host::Env;

    const STATE: &str = "S8lCrJ1mU0aJb0eYq1xZ3vQf7nGdWkTtPpHhLlMmNn4";
    const LIMIT: Duration = Duration::from_secs(60);

    fn host(env: &[(&str, &str)]) -> Host {
        let mut host = Host::of_this_process();
        host.env = Env::of(env);
        host
    }

    fn listen() -> (u16, JoinHandle<Result<Secret>>) {
        let listener = Listener::bind(&host(&[]), 0).unwrap();
        (listener.port(), thread::spawn(move || listener.wait(STATE, LIMIT, || Ok(()))))
    }

    fn connect(port: u16) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    fn ask(port: u16, request: &[u8]) -> String {
        let mut stream = connect(port);
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(port: u16, target: &str) -> String {
        ask(port, format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").as_bytes())
    }

    fn code(port: u16) -> String {
        get(port, &format!("/callback?code=C0DE&state={STATE}"))
    }

    #[test]
    fn a_code_ends_the_wait_with_a_page_and_a_closed_port() {
        let (port, wait) = listen();
        let answer = code(port);
        assert!(wait.join().unwrap().is_ok_and(|code| code.expose() == "C0DE"));
        let (head, html) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        for (name, value) in page::HEADERS {
            assert_eq!(head.matches(&format!("\r\n{name}: {value}")).count(), 1, "{name} in {head}");
        }
        assert!(head.contains(&format!("\r\nContent-Length: {}", html.len())), "{head}");
        assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }

    #[test]
    fn strays_are_answered_and_waited_past_until_the_provider_refuses() {
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
            assert!(ask(port, b"POST /callback HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400 "));
        }
        let answer =
            get(port, &format!("/callback?error=access_denied&error_description=%3Cb%3E&state={STATE}"));
        assert!(answer.contains("access_denied: &lt;b&gt;"), "{answer}");
        let denied = Error::Denied { error: "access_denied".into(), description: Some("<b>".into()) };
        assert_eq!(wait.join().unwrap().err(), Some(denied));
    }

    #[test]
    fn each_answer_belongs_to_its_request() {
        let (port, wait) = listen();
        for length in [1, 1000, 15_000] {
            assert!(get(port, &format!("/{}", "a".repeat(length))).contains("Nothing here"));
            assert!(get(port, &format!("/callback?{}", "a".repeat(length))).contains("Not the answer"));
        }
        code(port);
        assert!(wait.join().unwrap().is_ok());
    }

    #[test]
    fn a_head_comes_in_pieces() {
        let (port, wait) = listen();
        let mut stream = connect(port);
        stream.set_nodelay(true).unwrap();
        for byte in format!("GET /callback?state={STATE}&code=C0DE HTTP/1.1\r\n\r\n").bytes() {
            stream.write_all(&[byte]).unwrap();
        }
        assert!(wait.join().unwrap().is_ok_and(|code| code.expose() == "C0DE"));
    }

    #[test]
    fn no_reset_eats_the_answer_to_somebody_who_sends_on() {
        let (port, wait) = listen();
        for head in ["POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", "GET /", ""] {
            let request = [head.as_bytes(), &[b'x'; 1 << 20]].concat();
            assert!(ask(port, &request).starts_with("HTTP/1.1 400 "), "{head}");
        }
        code(port);
        assert!(wait.join().unwrap().is_ok());
    }

    #[test]
    fn a_port_in_use_is_named() {
        let first = Listener::bind(&host(&[]), 0).unwrap();
        match Listener::bind(&host(&[]), first.port()).err() {
            Some(Error::PortTaken { port, .. }) => assert_eq!(port, first.port()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nobody_answers() {
        let listener = Listener::bind(&host(&[]), 0).unwrap();
        let nobody = listener.wait(STATE, Duration::ZERO, || Ok(())).err();
        assert_eq!(nobody, Some(Error::Unanswered { minutes: 0 }));
    }

    #[test]
    fn the_watch_ends_the_wait() {
        let listener = Listener::bind(&host(&[]), 0).unwrap();
        assert_eq!(listener.wait(STATE, LIMIT, || Err(Error::NoBrowser)).err(), Some(Error::NoBrowser));
    }

    #[test]
    fn the_socket_is_gone_before_the_wait_begins() {
        let folder = std::env::temp_dir().join(format!("woci-test-{:x}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&folder).unwrap();
        let too_long = format!("{}/{}", folder.display(), "x".repeat(100));
        DirBuilder::new().create(&too_long).unwrap();
        let places = [("XDG_RUNTIME_DIR", too_long.as_str()), ("TMPDIR", folder.to_str().unwrap())];
        let listener = Listener::bind(&host(&places), 0).unwrap();
        let left = |path: &Path| fs::read_dir(path).unwrap().count();
        assert_eq!((left(&folder), left(Path::new(&too_long))), (1, 0));
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        drop(listener);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn slow_heads_and_slow_goodbyes_end() {
        let listener = Listener::bind(&host(&[]), 0).unwrap();
        let mut peer = connect(listener.port());
        peer.write_all(b"GET /").unwrap();
        let now = Instant::now();
        let mut connections = VecDeque::new();
        while listener.accept(&mut connections, now) == 0 {}
        let connection = &mut connections[0];
        assert!(!matches!(connection.read(now), Step::Over));
        assert!(!matches!(connection.read(now + HEAD_LIMIT - PAUSE), Step::Over));
        assert!(matches!(connection.read(now + HEAD_LIMIT), Step::Over));
        connection.answer(BAD_REQUEST, now);
        assert!(!matches!(connection.read(now + DRAIN_LIMIT - PAUSE), Step::Over));
        assert!(matches!(connection.read(now + DRAIN_LIMIT), Step::Over));
    }

    #[test]
    fn the_oldest_makes_room() {
        let listener = Listener::bind(&host(&[]), 0).unwrap();
        let mut connections = VecDeque::new();
        let mut peers = Vec::new();
        for _ in 0..MOST_CONNECTIONS + 3 {
            peers.push(connect(listener.port()));
            while listener.accept(&mut connections, Instant::now()) == 0 {}
        }
        assert_eq!(connections.len(), MOST_CONNECTIONS);
        let oldest = connections[0].stream.peer_addr().unwrap();
        assert_eq!(oldest, peers[3].local_addr().unwrap());
        assert_eq!(peers[2].read(&mut [0]).unwrap(), 0);
    }

    /// This test program as a process that nothing but a listener is in, so that its memory can be measured.
    #[test]
    fn plays_the_attacked() {
        if Host::of_this_process().env.get("WOCI_TEST_ATTACKED").is_some() {
            let listener = Listener::bind(&host(&[]), 0).unwrap();
            eprintln!("port {}", listener.port());
            assert!(listener.wait(STATE, LIMIT, || Ok(())).is_ok_and(|code| code.expose() == "C0DE"));
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_sign_in_ends_well_under_attack() {
        use std::io::{BufRead as _, BufReader};
        use std::process::{Command, Stdio};

        let mut attacked = Command::new(std::env::current_exe().unwrap())
            .args(["signin::loopback::listener::tests::plays_the_attacked", "--exact", "--nocapture"])
            .env("WOCI_TEST_ATTACKED", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(attacked.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("port ").unwrap().parse().unwrap();
        let status = format!("/proc/{}/status", attacked.id());
        let measure = |what: &str| -> u64 {
            let status = fs::read_to_string(&status).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
            line.trim_matches([':', '\t', ' ', 'k', 'B']).parse().unwrap()
        };
        assert!(get(port, "/").starts_with("HTTP/1.1 404 "));
        let before = measure("VmHWM");

        let idle: Vec<TcpStream> = (0..500).map(|_| connect(port)).collect();
        for _ in 0..6 {
            let resets: Vec<TcpStream> = (0..50).map(|_| connect(port)).collect();
            for mut reset in &resets {
                reset.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            }
            // Closed with the answer unread, which resets.
            for reset in resets {
                reset.peek(&mut [0]).unwrap();
            }
        }
        let body = ask(port, b"POST /callback HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n");
        assert!(body.starts_with("HTTP/1.1 400 "), "{body}");
        let binary = ask(port, &[b"\x16\x03\0\xff".repeat(99), b"\r\n\r\n".to_vec()].concat());
        assert!(binary.starts_with("HTTP/1.1 400 "), "{binary}");
        let mut long_line = connect(port);
        let piece = vec![b'a'; 1 << 20];
        let _cut_short = (0..200).try_for_each(|_| long_line.write_all(&piece));
        let full: Vec<TcpStream> = (0..MOST_CONNECTIONS - 2)
            .map(|_| {
                let mut stream = connect(port);
                stream.write_all(&[b'a'; LARGEST_HEAD - 1]).unwrap();
                stream
            })
            .collect();
        // Each of these is at least one look at all the others, which takes in 4 KiB of each.
        for _ in 0..2 * LARGEST_HEAD / 4096 {
            assert!(get(port, "/").starts_with("HTTP/1.1 404 "));
        }
        let (grown, threads) = (measure("VmHWM") - before, measure("Threads"));
        assert!(grown < 2048 && threads < 12, "{grown} kB, {threads} threads");

        assert!(code(port).starts_with("HTTP/1.1 200 "));
        assert!(attacked.wait().unwrap().success());
        line.clear();
        said.read_to_string(&mut line).unwrap();
        assert!(!line.contains("panic"), "{line}");
        eprintln!("{grown} kB, {threads} threads");
        drop((idle, full));
    }
}
