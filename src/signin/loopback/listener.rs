//! The loopback port that receives the provider's redirect: a guard, and tiny_http behind it.
//!
//! tiny_http writes the HTTP responses: status line, headers, length and body of the page. The guard in
//! this file reads the requests, since any local program can connect to the port, and tiny_http 0.12
//! is not built for that: a large Content-Length aborts the process, a reset connection panics a worker
//! thread, each connection takes a thread, a request line of any length is kept in memory, and reads
//! have no timeout. The guard serves all connections on one thread, limits their number, the size of a
//! request head and the time for it, and accepts only a GET request without a body. The request line
//! that it has checked is sent to tiny_http over a Unix socket that no other process can reach, and the
//! response is copied to the browser. (A pair of connected sockets would need no path, but tiny_http
//! accepts connections itself.)

use std::collections::VecDeque;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tiny_http::{Header, Response, Server};

use super::callback::{self, Callback};
use super::page::{self, Page};
use super::peer;
use crate::error::{Error, Result};
use crate::files;
use crate::host::{self, Host};
use crate::log;
use crate::secret::Secret;

/// Open connections at a time; a new one evicts the oldest. A browser opens a handful, some of them
/// before it needs them.
const MOST_CONNECTIONS: usize = 64;
/// Connections accepted in one round, so that each is read once before newer ones can evict it.
const MOST_ACCEPTED: usize = MOST_CONNECTIONS / 2;
/// Size of a request line with its headers, in bytes. 8 KiB is too little: browsers send the cookies of
/// all ports of 127.0.0.1.
const LARGEST_HEAD: usize = 16 << 10;
/// Time for a request head to arrive, and for tiny_http to take a request.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// After the response, further bytes of the request are read and dropped for this long. Closing a
/// connection with unread bytes resets it, and the reset can reach the browser before the response.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// Polling interval: too short for a person to notice, long enough to save power.
const PAUSE: Duration = Duration::from_millis(5);
const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";

pub struct Listener {
    port: TcpListener,
    http: Http,
    /// A warning that a stranger could repeat at will is given once.
    has_warned: bool,
}

impl Listener {
    /// Listens on 127.0.0.1; port 0 takes any free port. tiny_http's socket is in `folder`, which belongs to this
    /// user alone, until both ends of it are open.
    ///
    /// # Errors
    /// [`Error::PortTaken`] if the port cannot be bound.
    pub fn bind(host: &Host, folder: &Path, port: u16) -> Result<Self> {
        let listen = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let taken = |e: io::Error| Error::PortTaken { port, why: files::io_reason(&e) };
        Ok(Self { port: listen().map_err(taken)?, http: Http::start(host, folder)?, has_warned: false })
    }

    pub fn port(&self) -> u16 {
        self.port.local_addr().expect("a bound socket has an address").port()
    }

    /// Waits for the provider's answer to the sign-in with this `state`. Calls `check` in every round,
    /// and stops waiting if it returns an error. The port is closed on return.
    ///
    /// # Errors
    /// [`Error::Unanswered`] after `limit`, and the errors of `check`.
    pub fn wait(
        mut self,
        state: &str,
        limit: Duration,
        mut check: impl FnMut() -> Result<()>,
    ) -> Result<Answered> {
        let end = Instant::now() + limit;
        let mut connections = VecDeque::new();
        loop {
            let now = Instant::now();
            let mut is_idle = self.accept(&mut connections, now) == 0;
            let mut at = 0;
            while at < connections.len() {
                match connections[at].read(now) {
                    Event::None => at += 1,
                    Event::Bytes => (is_idle, at) = (false, at + 1),
                    Event::Closed => drop(connections.remove(at)),
                    Event::Head(head) => {
                        let code = match self.read(&head, state, &connections[at].stream) {
                            Request::Code(code) => Ok(code),
                            Request::Denied(e) => Err(e),
                            Request::Stray(answer) => {
                                connections[at].answer(&answer, now);
                                (is_idle, at) = (false, at + 1);
                                continue;
                            }
                        };
                        let connection = connections.remove(at).expect("it was read just now");
                        let page = page::continues();
                        return Ok(Answered { code, page: OpenPage { connection, http: self.http, page } });
                    }
                }
            }
            check()?;
            if now >= end {
                return Err(Error::Unanswered { minutes: limit.as_secs() / 60 });
            }
            if is_idle {
                thread::sleep(PAUSE);
            }
        }
    }

    /// Accepts waiting connections and returns their number. If there are too many, the oldest is closed.
    fn accept(&self, connections: &mut VecDeque<Connection>, now: Instant) -> usize {
        for count in 0..MOST_ACCEPTED {
            // A connection that was closed meanwhile, or a shortage of descriptors: both are temporary.
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

    /// What a request means. A stray comes with its response.
    fn read(&mut self, head: &[u8], state: &str, stream: &TcpStream) -> Request {
        let Some(target) = callback::target(head) else {
            log::debug(format_args!("Refused a request on the callback port that no browser sends"));
            return Request::Stray(BAD_REQUEST.to_vec());
        };
        let status = match callback::read(target, state) {
            Callback::Stray(status) => status,
            _ if peer::is_strange(stream) => {
                if !self.has_warned {
                    log::warning(format_args!(
                        "Ignored an answer to this sign-in that came from another user of this machine, \
                         or from a program that did not wait"
                    ));
                }
                self.has_warned = true;
                400
            }
            Callback::Code(code) => return Request::Code(code),
            Callback::Denied { error, description } => {
                return Request::Denied(Error::Denied { error, description });
            }
        };
        log::debug(format_args!("Answered a stray request on the callback port with {status}"));
        Request::Stray(self.http.answer(target, page::stray(status)).unwrap_or_default())
    }
}

/// The meaning of a request head, for the sign-in.
enum Request {
    Code(Secret),
    Denied(Error),
    /// Holds the response.
    Stray(Vec<u8>),
}

/// The provider's answer.
pub struct Answered {
    /// [`Error::Denied`] if the provider refuses.
    pub code: Result<Secret>,
    pub page: OpenPage,
}

/// The connection that brought the answer. Its page is sent when this is dropped.
pub struct OpenPage {
    connection: Connection,
    http: Http,
    pub page: Page,
}

impl Drop for OpenPage {
    fn drop(&mut self) {
        let page = std::mem::replace(&mut self.page, page::continues());
        // The target of the request, which holds the code, is of no use to tiny_http. The session is as
        // good if no page can be sent.
        let answer = self.http.answer("/callback", page).unwrap_or_default();
        self.connection.answer(&answer, Instant::now());
        // Unread bytes would reset the connection.
        while matches!(self.connection.read(Instant::now()), Event::Bytes) {}
    }
}

/// A connection to the port.
struct Connection {
    stream: TcpStream,
    /// The bytes of the request head received so far; `None` after the response.
    head: Option<Vec<u8>>,
    /// The connection is closed at this time.
    until: Instant,
}

/// The result of one read.
enum Event {
    /// No bytes are there yet.
    None,
    /// Some bytes of a head, or bytes after the response.
    Bytes,
    /// A complete head, or the first [`LARGEST_HEAD`] bytes of a larger one.
    Head(Vec<u8>),
    /// Closed by the peer, failed, or out of time.
    Closed,
}

impl Connection {
    /// Reads once without waiting, so that no connection delays another.
    fn read(&mut self, now: Instant) -> Event {
        if now >= self.until {
            return Event::Closed;
        }
        let mut piece = [0; 4096];
        let room = self.head.as_ref().map_or(piece.len(), |head| piece.len().min(LARGEST_HEAD - head.len()));
        let piece = match self.stream.read(&mut piece[..room]) {
            Ok(0) => return Event::Closed,
            Ok(count) => &piece[..count],
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Event::None;
            }
            Err(_) => return Event::Closed,
        };
        let Some(head) = &mut self.head else { return Event::Bytes };
        let seen = head.len().saturating_sub(3);
        head.extend_from_slice(piece);
        let is_whole = head[seen..].windows(4).any(|four| four == b"\r\n\r\n");
        // A head that is too large is passed on as it is, and answered if its request line is complete.
        if is_whole || head.len() == LARGEST_HEAD { Event::Head(std::mem::take(head)) } else { Event::Bytes }
    }

    /// Writes the response without waiting: it is smaller than any socket's send buffer. A peer that
    /// does not read loses it.
    fn answer(&mut self, answer: &[u8], now: Instant) {
        let _ = self.stream.write_all(answer);
        let _ = self.stream.shutdown(Shutdown::Write);
        self.head = None;
        self.until = now + DRAIN_LIMIT;
    }
}

/// tiny_http, serving one connection. No other user can connect, since the socket is in a folder of mode
/// 0700; and it is removed from the file system before the first request.
struct Http {
    connection: UnixStream,
    server: Server,
    /// A second handle of the listening socket, to shut it down.
    listening: UnixStream,
}

impl Http {
    fn start(host: &Host, folder: &Path) -> Result<Self> {
        let suffix = format!("{:016x}", u64::from_ne_bytes(host::random()?));
        // In the session folder, where the next run removes what a killed one left.
        let mut failure = match Self::start_in_folder(folder, &suffix) {
            Ok(this) => return Ok(this),
            Err(e) => files::file_error("make a socket in", folder, &e),
        };
        for parent in other_folders(host) {
            match Self::start_in_new_folder(&parent.join(format!("woci-{suffix}"))) {
                Ok(this) => return Ok(this),
                Err(e) => failure = files::file_error("make a socket in", &parent, &e),
            }
        }
        Err(failure)
    }

    fn start_in_folder(folder: &Path, suffix: &str) -> io::Result<Self> {
        let open = files::open_folder(folder)?;
        // By its descriptor, where the system has such paths: a socket's own may not be longer than 104 bytes.
        let by_descriptor = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
        let folder = if by_descriptor.exists() { &by_descriptor } else { folder };
        Self::start_at(&files::temporary_beside(&folder.join("http"), suffix))
    }

    fn start_in_new_folder(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(folder)?;
        // Set again, since a strict umask takes permissions from the owner as well.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        let started = Self::start_at(&folder.join("http"));
        let _ = fs::remove_dir(folder);
        started
    }

    fn start_at(socket: &Path) -> io::Result<Self> {
        let both_ends = UnixListener::bind(socket).and_then(|listener| {
            fs::set_permissions(socket, fs::Permissions::from_mode(0o600))?;
            Ok((listener, UnixStream::connect(socket)?))
        });
        let _ = fs::remove_file(socket);
        let (listener, connection) = both_ends?;
        let listening = UnixStream::from(OwnedFd::from(listener.try_clone()?));
        let server = Server::from_listener(listener, None).map_err(io::Error::other)?;
        Ok(Self { connection, server, listening })
    }

    /// The bytes of tiny_http's response with this page. `target` has passed [`callback::target`].
    fn answer(&mut self, target: &str, page: Page) -> io::Result<Vec<u8>> {
        // The write waits for tiny_http, since the request may be larger than the socket's buffer.
        self.connection.set_nonblocking(false)?;
        self.connection.write_all(format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes())?;
        let request = self.server.recv_timeout(HEAD_LIMIT)?.ok_or(ErrorKind::TimedOut)?;
        let mut response = Response::from_string(page.html).with_status_code(page.status);
        for (name, value) in page::HEADERS {
            response.add_header(Header::from_bytes(name, value).expect("a constant header is valid"));
        }
        request.respond(response)?;
        // The read does not wait, since `respond` has written the whole response into the buffer.
        self.connection.set_nonblocking(true)?;
        let mut answer = Vec::new();
        match self.connection.read_to_end(&mut answer) {
            Err(e) if e.kind() != ErrorKind::WouldBlock => Err(e),
            _ => Ok(answer),
        }
    }
}

impl Drop for Http {
    /// Ends tiny_http's accepting thread. tiny_http does so by connecting to its socket, which no longer
    /// has a path here.
    fn drop(&mut self) {
        let _ = self.listening.shutdown(Shutdown::Both);
    }
}

/// Parent folders for a folder of the socket's own, in order of preference, if the session folder takes no sockets.
/// Each may fail, as a socket's path has to be shorter than 104 bytes (macOS; 108 on Linux).
fn other_folders(host: &Host) -> Vec<PathBuf> {
    let variables = ["XDG_RUNTIME_DIR", "TMPDIR"].into_iter().filter_map(|name| host.env.get(name));
    let mut folders: Vec<PathBuf> = variables.map(PathBuf::from).filter(|path| path.is_absolute()).collect();
    folders.push("/tmp".into());
    folders.extend(host.home().map(Path::to_owned));
    folders
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test reads /proc")]
mod tests {
    use std::thread::JoinHandle;

    use super::*;
    use crate::host::Env;
    use crate::testing::Home;

    const STATE: &str = "S8lCrJ1mU0aJb0eYq1xZ3vQf7nGdWkTtPpHhLlMmNn4";
    const LIMIT: Duration = Duration::from_secs(60);

    fn host(env: &[(&str, &str)]) -> Host {
        let mut host = Host::of_this_process();
        host.env = Env::of(env);
        host
    }

    fn wait(listener: Listener) -> Result<Secret> {
        listener.wait(STATE, LIMIT, || Ok(()))?.code
    }

    fn listen() -> (u16, JoinHandle<Result<Secret>>) {
        let listener = Listener::bind(&host(&[]), Home::new().root(), 0).unwrap();
        (listener.port(), thread::spawn(move || wait(listener)))
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
    fn a_code_ends_the_wait_and_a_page_is_sent_and_the_port_is_closed() {
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
            assert!(ask(port, b"POST /callback HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400 "));
        }
        let answer =
            get(port, &format!("/callback?error=access_denied&error_description=%3Cb%3E&state={STATE}"));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let denied = Error::Denied { error: "access_denied".into(), description: Some("<b>".into()) };
        assert_eq!(wait.join().unwrap().err(), Some(denied));
    }

    #[test]
    fn each_response_is_for_its_own_request() {
        let (port, wait) = listen();
        for length in [1, 1000, 15_000] {
            assert!(get(port, &format!("/{}", "a".repeat(length))).contains("Nothing here"));
            assert!(get(port, &format!("/callback?{}", "a".repeat(length))).contains("Not the answer"));
        }
        code(port);
        assert!(wait.join().unwrap().is_ok());
    }

    #[test]
    fn a_head_may_arrive_byte_by_byte() {
        let (port, wait) = listen();
        let mut stream = connect(port);
        stream.set_nodelay(true).unwrap();
        for byte in format!("GET /callback?state={STATE}&code=C0DE HTTP/1.1\r\n\r\n").bytes() {
            stream.write_all(&[byte]).unwrap();
        }
        assert!(wait.join().unwrap().is_ok_and(|code| code.expose() == "C0DE"));
    }

    #[test]
    fn a_client_that_keeps_sending_still_receives_the_response() {
        let (port, wait) = listen();
        for head in ["POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", "GET /", ""] {
            let request = [head.as_bytes(), &[b'x'; 1 << 20]].concat();
            assert!(ask(port, &request).starts_with("HTTP/1.1 400 "), "{head}");
        }
        code(port);
        assert!(wait.join().unwrap().is_ok());
    }

    #[test]
    fn a_port_in_use_is_an_error_with_its_number() {
        let first = Listener::bind(&host(&[]), Home::new().root(), 0).unwrap();
        match Listener::bind(&host(&[]), Home::new().root(), first.port()).err() {
            Some(Error::PortTaken { port, .. }) => assert_eq!(port, first.port()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_wait_ends_after_its_limit() {
        let listener = Listener::bind(&host(&[]), Home::new().root(), 0).unwrap();
        let ended = listener.wait(STATE, Duration::ZERO, || Ok(())).err();
        assert_eq!(ended, Some(Error::Unanswered { minutes: 0 }));
    }

    #[test]
    fn a_failed_check_ends_the_wait() {
        let listener = Listener::bind(&host(&[]), Home::new().root(), 0).unwrap();
        assert_eq!(listener.wait(STATE, LIMIT, || Err(Error::NoBrowser)).err(), Some(Error::NoBrowser));
    }

    #[test]
    fn the_socket_is_removed_from_disk_before_the_wait_begins() {
        let home = Home::new();
        let too_long = "x".repeat(100);
        let path = home.make_folder(&too_long);
        let places = [("XDG_RUNTIME_DIR", path.to_str().unwrap()), ("TMPDIR", home.root().to_str().unwrap())];
        for folder in [path.as_path(), Path::new("/no/such/folder")] {
            let _listener = Listener::bind(&host(&places), folder, 0).unwrap();
            assert_eq!((home.names(""), home.names(&too_long)), (vec![too_long.clone()], vec![]));
        }
        assert_eq!(fs::metadata(home.root()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn slow_heads_and_slow_closes_are_cut_off() {
        let listener = Listener::bind(&host(&[]), Home::new().root(), 0).unwrap();
        let mut peer = connect(listener.port());
        peer.write_all(b"GET /").unwrap();
        let now = Instant::now();
        let mut connections = VecDeque::new();
        while listener.accept(&mut connections, now) == 0 {}
        let connection = &mut connections[0];
        assert!(!matches!(connection.read(now), Event::Closed));
        assert!(!matches!(connection.read(now + HEAD_LIMIT - PAUSE), Event::Closed));
        assert!(matches!(connection.read(now + HEAD_LIMIT), Event::Closed));
        connection.answer(BAD_REQUEST, now);
        assert!(!matches!(connection.read(now + DRAIN_LIMIT - PAUSE), Event::Closed));
        assert!(matches!(connection.read(now + DRAIN_LIMIT), Event::Closed));
    }

    #[test]
    fn the_oldest_connection_is_closed_if_there_are_too_many() {
        let listener = Listener::bind(&host(&[]), Home::new().root(), 0).unwrap();
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

    /// Run by the next test in a process of its own, which holds only a listener, so that its memory can
    /// be measured.
    #[test]
    fn listener_under_attack() {
        if Host::of_this_process().env.get("WOCI_TEST_ATTACKED").is_some() {
            let listener = Listener::bind(&host(&[]), Home::new().root(), 0).unwrap();
            eprintln!("port {}", listener.port());
            assert!(wait(listener).is_ok_and(|code| code.expose() == "C0DE"));
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_sign_in_succeeds_under_attack_with_bounded_memory_and_threads() {
        use std::io::{BufRead as _, BufReader};
        use std::process::{Command, Stdio};

        let mut attacked = Command::new(std::env::current_exe().unwrap())
            .args(["signin::loopback::listener::tests::listener_under_attack", "--exact", "--nocapture"])
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
            // Closing with the response unread resets the connection.
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
        // During each request, every other connection is read at least once, 4 KiB at a time.
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
