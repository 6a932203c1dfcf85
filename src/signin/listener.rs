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
        let taken = |e: io::Error| Error::PortTaken { port, why: files::plain(&e) };
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
