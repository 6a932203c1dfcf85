//! The loopback port that receives the answer to a sign-in.
//!
//! Any local program can connect to the port, and tiny_http 0.12, which writes the responses (see `responder`), is not
//! built for that: a large Content-Length aborts the process, a reset connection panics a worker
//! thread, each connection takes a thread, a request line of any length is kept in memory, and reads
//! have no timeout. So the listener reads the requests itself: it serves all connections on one thread, limits their
//! number, the size of a request and the time for it, and accepts only the requests that its way to sign in waits for.
//! What such a request means is for the way to decide.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::connection::{Connection, Event};
use super::page::{self, Page};
use super::peer;
use super::request::{Accepts, Request, TLS_HELLO};
use super::responder::Responder;
use crate::error::{Error, Result};
use crate::files;
use crate::host::Host;
use crate::log;
use crate::sys;

/// Open connections at a time; a new one evicts the oldest. A browser opens a handful, some of them
/// before it needs them.
const MOST_CONNECTIONS: usize = 64;
/// Bytes of unfinished requests at a time, of all connections. Above that, the oldest connection is closed.
const MOST_BYTES: usize = 512 << 10;
/// Connections accepted on one address in one round, so that each is read once before newer ones can evict it.
const MOST_ACCEPTED: usize = MOST_CONNECTIONS / 4;
/// Polling interval: too short for a person to notice, long enough to save power.
const PAUSE: Duration = Duration::from_millis(5);
const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";
/// How often another free port is looked for, if it has to be free on two addresses.
const TRIES: u32 = 20;

/// Those of tiny_http, and as many again, since one that has just ended may still be counted.
const THREADS: usize = 12;
/// At a time, after the port is open: the browser's connection, a pipe to start the browser, the person's terminal, the
/// next refresh token's file, the connection to a service, a name server's, the list of certificate authorities; and
/// some to spare.
const DESCRIPTORS: usize = 12;
/// Those of the responder. tiny_http panics in a thread of its own if it gets too few.
const DESCRIPTORS_OF_RESPONDER: usize = 8;

/// The port of a redirect URI.
pub struct Port {
    /// 0 takes any free port.
    pub number: u16,
    /// The host of the redirect URI is `localhost`, which some browsers take for `::1` first.
    pub is_localhost: bool,
    pub accepts: Accepts,
    /// No other port is registered for the redirect URI.
    pub is_the_only_one: bool,
}

pub struct Listener {
    /// On 127.0.0.1, and for `localhost` on ::1.
    ports: Vec<TcpListener>,
    accepts: Accepts,
    responder: Responder,
    /// The oldest first.
    connections: VecDeque<Connection>,
    /// The connection that is read next.
    next: usize,
    /// Nothing has happened in this round.
    is_idle: bool,
    /// A warning that a stranger could repeat at will is given once.
    has_warned: bool,
}

impl Listener {
    /// Listens on loopback addresses. tiny_http's socket is in `folder`, which belongs to this
    /// user alone, until both ends of it are open.
    ///
    /// # Errors
    /// [`Error::PortTaken`] or [`Error::PortForbidden`] if the port cannot be bound, and [`Error::Scarce`] if the
    /// system gives too little for the sign-in that follows.
    pub fn bind(host: &Host, folder: &Path, port: &Port) -> Result<Self> {
        // tiny_http starts threads, and panics if it cannot. A person hears of it before the browser opens.
        sys::try_threads(THREADS).map_err(|e| Error::Scarce {
            what: "threads",
            limit: "-u",
            why: files::io_reason(&e),
        })?;
        let ports = listen(port)?;
        // Without them the answer could not be redeemed or stored, and the person would have signed in for nothing.
        // Tried before tiny_http starts, whose threads could get none in that moment.
        sys::try_descriptors(DESCRIPTORS + DESCRIPTORS_OF_RESPONDER).map_err(|e| Error::Scarce {
            what: "descriptors",
            limit: "-n",
            why: files::io_reason(&e),
        })?;
        sys::end_at_refusals();
        Ok(Self {
            ports,
            accepts: port.accepts,
            responder: Responder::start(host, folder)?,
            connections: VecDeque::new(),
            next: 0,
            is_idle: true,
            has_warned: false,
        })
    }

    pub fn port(&self) -> u16 {
        number(&self.ports[0])
    }

    /// The next accepted request, if there is one. Otherwise returns after a short time. Requests that are not
    /// accepted are answered.
    pub fn next(&mut self) -> Option<Arrived> {
        let now = Instant::now();
        if self.next == 0 {
            self.is_idle = self.accept(now) == 0;
        }
        while let Some(connection) = self.connections.get_mut(self.next) {
            match connection.read(now, self.accepts) {
                Event::None => self.next += 1,
                Event::Bytes => (self.is_idle, self.next) = (false, self.next + 1),
                Event::Closed => drop(self.connections.remove(self.next)),
                Event::Request(bytes) => {
                    self.is_idle = false;
                    let is_tls = bytes.starts_with(TLS_HELLO);
                    let port = number(&self.ports[0]);
                    if let Some(request) = Request::parse(bytes, self.accepts).filter(|r| r.is_for(port)) {
                        let connection = self.connections.remove(self.next).expect("it was read just now");
                        return Some(Arrived { request, connection });
                    }
                    if is_tls {
                        log::debug(format_args!(
                            "A program spoke TLS on the callback port, which has plain HTTP: the redirect URI begins \
                             with http://"
                        ));
                    } else {
                        log::debug(format_args!(
                            "Refused a request on the callback port that no browser sends"
                        ));
                    }
                    connection.answer(BAD_REQUEST, now);
                    self.next += 1;
                }
            }
        }
        self.next = 0;
        while self.connections.iter().map(Connection::size).sum::<usize>() > MOST_BYTES {
            self.connections.pop_front();
        }
        if self.is_idle {
            thread::sleep(PAUSE);
        }
        None
    }

    /// Answers a request, after which the listener waits for others.
    pub fn answer(&mut self, arrived: Arrived, page: Page) {
        let Arrived { request, mut connection } = arrived;
        let answer = self.responder.answer(&request.target, page).unwrap_or_default();
        connection.answer(&answer, Instant::now());
        // Where it was, so that the connections stay in the order of their age.
        self.connections.insert(self.next, connection);
        self.next += 1;
    }

    /// Answers a request that is not the one that the sign-in waits for.
    pub fn answer_stray(&mut self, arrived: Arrived, status: u16) {
        log::debug(format_args!("Answered a stray request on the callback port with {status}"));
        self.answer(arrived, page::stray(status));
    }

    /// Whether another user has sent the request, or nobody waits for its answer. Warns about that once.
    pub fn is_from_stranger(&mut self, arrived: &Arrived) -> bool {
        let is_strange = peer::is_strange(&arrived.connection.stream);
        if is_strange && !self.has_warned {
            log::warning(format_args!(
                "Ignored what another user of this machine, or a program that did not wait for an answer, \
                 has sent to this sign-in"
            ));
            self.has_warned = true;
        }
        is_strange
    }

    /// Closes the port. The page for this last request is sent later.
    pub fn close(self, arrived: Arrived) -> OpenPage {
        OpenPage {
            connection: arrived.connection,
            accepts: self.accepts,
            responder: self.responder,
            page: page::continues(),
        }
    }

    /// Accepts waiting connections and returns their number. If there are too many, the oldest is closed.
    fn accept(&mut self, now: Instant) -> usize {
        let mut count = 0;
        for port in &self.ports {
            for _ in 0..MOST_ACCEPTED {
                // A connection that was closed meanwhile, or a shortage of descriptors: both are temporary.
                let Ok((stream, _)) = port.accept() else { break };
                count += 1;
                if stream.set_nonblocking(true).is_err() {
                    continue;
                }
                if self.connections.len() == MOST_CONNECTIONS {
                    self.connections.pop_front();
                }
                self.connections.push_back(Connection::new(stream, now));
            }
        }
        count
    }
}

/// A request, and the connection that brought it.
pub struct Arrived {
    pub request: Request,
    connection: Connection,
}

/// The connection that brought the answer. Its page is sent when this is dropped.
pub struct OpenPage {
    connection: Connection,
    accepts: Accepts,
    responder: Responder,
    pub page: Page,
}

impl Drop for OpenPage {
    fn drop(&mut self) {
        let page = std::mem::replace(&mut self.page, page::continues());
        // The target of the request, which may hold a code, is of no use to tiny_http. The session is as
        // good if no page can be sent.
        let answer = self.responder.answer("/", page).unwrap_or_default();
        self.connection.answer(&answer, Instant::now());
        self.connection.drain(self.accepts);
    }
}

/// The listening sockets of a port.
fn listen(port: &Port) -> Result<Vec<TcpListener>> {
    let mut tries = 0;
    loop {
        let taken = |ip: IpAddr, e: &io::Error| {
            let address = SocketAddr::new(ip, port.number).to_string();
            let (why, is_the_only_one) = (files::io_reason(e), port.is_the_only_one);
            match e.kind() {
                ErrorKind::PermissionDenied => Error::PortForbidden { address, why, is_the_only_one },
                _ => Error::PortTaken { address, why, is_the_only_one },
            }
        };
        let (ipv4, ipv6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
        let first = open(ipv4, port.number).map_err(|e| taken(ipv4, &e))?;
        if !port.is_localhost {
            return Ok(vec![first]);
        }
        match open(ipv6, number(&first)) {
            Ok(second) => return Ok(vec![first, second]),
            Err(e) if has_no_ipv6(&e) => return Ok(vec![first]),
            // A program that holds ::1 would get the answer of a browser that tries ::1 first.
            Err(e) if port.number != 0 || tries == TRIES => return Err(taken(ipv6, &e)),
            Err(_) => tries += 1,
        }
    }
}

fn open(ip: IpAddr, port: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((ip, port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn number(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("a bound socket has an address").port()
}

/// Whether the machine has no address ::1, so that no browser can connect to it.
fn has_no_ipv6(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test reads /proc")]
mod tests {
    #[cfg(target_os = "linux")]
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::thread::JoinHandle;

    use super::super::request::Method;
    use super::*;
    use crate::testing::Home;

    const LIMIT: Duration = Duration::from_secs(60);
    /// The request that ends [`serve`].
    const END: &str = "/end";

    fn bind_on(number: u16, is_localhost: bool, accepts: Accepts) -> Result<Listener> {
        let port = Port { number, is_localhost, accepts, is_the_only_one: false };
        Listener::bind(&Host::of_this_process(), Home::new().root(), &port)
    }

    fn bind(accepts: Accepts) -> Listener {
        bind_on(0, accepts == Accepts::GetsAndForms, accepts).unwrap()
    }

    /// Answers every request as a stray until [`END`] is asked for. Returns the bodies of the forms.
    fn serve(mut listener: Listener) -> Vec<Vec<u8>> {
        let mut bodies = Vec::new();
        loop {
            let Some(arrived) = listener.next() else { continue };
            if arrived.request.target == END {
                drop(listener.close(arrived));
                return bodies;
            }
            if let Method::Post = arrived.request.method {
                bodies.push(arrived.request.body.clone());
            }
            listener.answer_stray(arrived, 404);
        }
    }

    fn listen(accepts: Accepts) -> (u16, JoinHandle<Vec<Vec<u8>>>) {
        let listener = bind(accepts);
        (listener.port(), thread::spawn(move || serve(listener)))
    }

    fn connect(port: u16) -> TcpStream {
        connect_to(Ipv4Addr::LOCALHOST.into(), port)
    }

    fn connect_to(ip: IpAddr, port: u16) -> TcpStream {
        let stream = TcpStream::connect((ip, port)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    fn answer(mut stream: TcpStream) -> String {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn ask(port: u16, request: &[u8]) -> String {
        let mut stream = connect(port);
        stream.write_all(request).unwrap();
        answer(stream)
    }

    fn get(port: u16, target: &str) -> String {
        ask(port, format!("GET {target} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n").as_bytes())
    }

    fn form(length: usize) -> Vec<u8> {
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        [head.into_bytes(), vec![b'a'; length]].concat()
    }

    /// A form whose request has this many bytes.
    fn form_of_size(size: usize) -> Vec<u8> {
        (size - 60..size).map(form).find(|form| form.len() == size).unwrap()
    }

    #[test]
    fn each_response_is_for_its_own_request() {
        let (port, wait) = listen(Accepts::Gets);
        for length in [1, 1000, 15_000] {
            let answer = get(port, &format!("/{}", "a".repeat(length)));
            assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("Nothing here"), "{answer}");
        }
        assert!(get(port, END).contains("Your answer has arrived"));
        assert_eq!(wait.join().unwrap().len(), 0);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }

    #[test]
    fn a_request_may_arrive_byte_by_byte() {
        let (port, wait) = listen(Accepts::GetsAndForms);
        for request in [form(20), format!("GET {END} HTTP/1.1\r\n\r\n").into_bytes()] {
            let mut stream = connect(port);
            stream.set_nodelay(true).unwrap();
            for byte in request {
                stream.write_all(&[byte]).unwrap();
            }
            answer(stream);
        }
        assert_eq!(wait.join().unwrap(), [[b'a'; 20]]);
    }

    #[test]
    fn a_form_of_32_kib_is_accepted_and_a_larger_or_chunked_one_refused_at_once() {
        let (port, wait) = listen(Accepts::GetsAndForms);
        let largest = Accepts::GetsAndForms.largest();
        assert!(ask(port, &form_of_size(largest)).starts_with("HTTP/1.1 404 "));
        let too_large = form_of_size(largest + 1);
        let end_of_head = too_large.iter().position(|byte| *byte == b'a').unwrap();
        let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for head in [&too_large[..end_of_head], chunked, b"POST / HTTP/1.1\r\n\r\n", &too_large] {
            assert!(ask(port, head).starts_with("HTTP/1.1 400 "), "{}", String::from_utf8_lossy(head));
        }
        get(port, END);
        assert_eq!(wait.join().unwrap().len(), 1);
    }

    #[test]
    fn a_form_is_refused_if_none_is_waited_for() {
        let (port, wait) = listen(Accepts::Gets);
        assert!(ask(port, &form(3)).starts_with("HTTP/1.1 400 "));
        get(port, END);
        assert_eq!(wait.join().unwrap().len(), 0);
    }

    #[test]
    fn a_client_that_keeps_sending_still_receives_the_response() {
        for accepts in [Accepts::Gets, Accepts::GetsAndForms] {
            let (port, wait) = listen(accepts);
            for head in ["POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", "GET /", ""] {
                let request = [head.as_bytes(), &[b'x'; 1 << 20]].concat();
                assert!(ask(port, &request).starts_with("HTTP/1.1 400 "), "{head}");
            }
            get(port, END);
            wait.join().unwrap();
        }
    }

    #[test]
    fn a_port_in_use_is_an_error_with_its_number() {
        let first = bind(Accepts::Gets);
        let address = format!("127.0.0.1:{}", first.port());
        match bind_on(first.port(), false, Accepts::Gets).err() {
            Some(Error::PortTaken { address: taken, .. }) => assert_eq!(taken, address),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn localhost_is_both_addresses_and_another_program_may_hold_neither() {
        let ip = IpAddr::from(Ipv6Addr::LOCALHOST);
        if TcpListener::bind((ip, 0)).is_err_and(|e| has_no_ipv6(&e)) {
            eprintln!("skipped: this machine has no address ::1");
            return;
        }
        let (port, wait) = listen(Accepts::GetsAndForms);
        let mut stream = connect_to(ip, port);
        write!(stream, "GET /other HTTP/1.1\r\n\r\n").unwrap();
        assert!(answer(stream).starts_with("HTTP/1.1 404 "));
        get(port, END);
        wait.join().unwrap();

        let other = loop {
            let other = TcpListener::bind((ip, 0)).unwrap();
            // Free on 127.0.0.1, so that the next attempt fails on ::1.
            if TcpListener::bind((Ipv4Addr::LOCALHOST, number(&other))).is_ok() {
                break other;
            }
        };
        match bind_on(number(&other), true, Accepts::GetsAndForms).err() {
            Some(Error::PortTaken { address, .. }) => {
                assert_eq!(address, format!("[::1]:{}", number(&other)));
            }
            found => panic!("{found:?}"),
        }
    }

    #[test]
    fn the_oldest_connection_is_closed_if_there_are_too_many() {
        let mut listener = bind(Accepts::Gets);
        let mut peers = Vec::new();
        for _ in 0..MOST_CONNECTIONS + 3 {
            peers.push(connect(listener.port()));
            while listener.accept(Instant::now()) == 0 {}
        }
        assert_eq!(listener.connections.len(), MOST_CONNECTIONS);
        let oldest = listener.connections[0].stream.peer_addr().unwrap();
        assert_eq!(oldest, peers[3].local_addr().unwrap());
        assert_eq!(peers[2].read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn the_oldest_connection_is_closed_if_unfinished_requests_take_too_much_memory() {
        let mut listener = bind(Accepts::GetsAndForms);
        let largest = Accepts::GetsAndForms.largest();
        let unfinished = &form_of_size(largest)[..largest - 1];
        let peers: Vec<_> = (0..MOST_CONNECTIONS)
            .map(|_| {
                let mut peer = connect(listener.port());
                peer.write_all(unfinished).unwrap();
                peer
            })
            .collect();
        let size = |listener: &Listener| listener.connections.iter().map(Connection::size).sum::<usize>();
        // The room for 16 whole requests holds 16 that lack a byte.
        while listener.connections.len() != 16 || size(&listener) != 16 * unfinished.len() {
            assert!(listener.next().is_none());
        }
        let oldest = listener.connections[0].stream.peer_addr().unwrap();
        assert_eq!(oldest, peers[MOST_CONNECTIONS - 16].local_addr().unwrap());
    }

    /// Run by the next test in a process of its own, which holds only a listener, so that its memory can
    /// be measured.
    #[test]
    fn listener_under_attack() {
        if let Some(accepts) = Host::of_this_process().env.get("WOCI_TEST_ATTACKED") {
            let listener = bind(if accepts == "forms" { Accepts::GetsAndForms } else { Accepts::Gets });
            eprintln!("port {}", listener.port());
            serve(listener);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_sign_in_succeeds_under_attack_with_bounded_memory_and_threads() {
        attack("gets", Accepts::Gets);
        attack("forms", Accepts::GetsAndForms);
    }

    #[cfg(target_os = "linux")]
    fn attack(word: &str, accepts: Accepts) {
        use std::io::{BufRead as _, BufReader};
        use std::process::{Command, Stdio};

        let mut attacked = Command::new(std::env::current_exe().unwrap())
            .args(["signin::listener::tests::listener_under_attack", "--exact", "--nocapture"])
            .env("WOCI_TEST_ATTACKED", word)
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
        let largest = accepts.largest();
        let mut full = Vec::new();
        for unfinished in [&vec![b'a'; largest - 1], &form_of_size(largest)[..largest - 1]] {
            full.extend((0..MOST_CONNECTIONS - 2).map(|_| {
                let mut stream = connect(port);
                // Refused at once, unless forms are accepted.
                let _ = stream.write_all(unfinished);
                stream
            }));
            // During each request, every other connection is read at least once, 4 KiB at a time.
            for _ in 0..2 * largest / 4096 {
                assert!(get(port, "/").starts_with("HTTP/1.1 404 "));
            }
        }
        let (grown, threads) = (measure("VmHWM") - before, measure("Threads"));
        assert!(grown < 2048 && threads < 12, "{grown} kB, {threads} threads");

        assert!(get(port, END).starts_with("HTTP/1.1 200 "));
        assert!(attacked.wait().unwrap().success());
        line.clear();
        said.read_to_string(&mut line).unwrap();
        assert!(!line.contains("panic"), "{line}");
        eprintln!("{word}: {grown} kB, {threads} threads");
        drop((idle, full));
    }
}
