//! A small HTTP/1.1 server (RFC 9112), one request for each connection. A fault must be able to send any bytes or
//! none, which an HTTP library does not allow.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Decoded names and values, in their order.
pub type Pairs = Vec<(String, String)>;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: Pairs,
    /// The names are in lower case.
    pub headers: Pairs,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        value(&self.headers, name)
    }
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Pairs,
    pub body: Vec<u8>,
}

impl Response {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        Response { status, headers: Vec::new(), body: body.into() }
            .header("Content-Type", content_type)
            .header("Cache-Control", "no-store")
    }

    pub fn json(status: u16, body: &serde_json::Value) -> Response {
        Response::new(status, "application/json", body.to_string())
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Response {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Simulated\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\nConnection: close\r\n\r\n", self.body.len());
        [head.as_bytes(), &self.body].concat()
    }
}

type Handler = Arc<dyn Fn(&Request, TcpStream) + Send + Sync>;

/// A listener on 127.0.0.1 and a thread for each of its connections.
pub struct Server {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(handle: impl Fn(&Request, TcpStream) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("127.0.0.1 has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let closed = Arc::new(AtomicBool::new(false));
        let (told, handle): (_, Handler) = (Arc::clone(&closed), Arc::new(handle));
        let accepting = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if told.load(Ordering::SeqCst) {
                    return;
                }
                let handle = Arc::clone(&handle);
                thread::spawn(move || serve(stream, &*handle));
            }
        });
        Server { address, closed, accepting: Some(accepting) }
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, connections to the port are refused, as if the server were down.
    pub fn close(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            self.closed.store(true, Ordering::SeqCst);
            // The thread waits in accept(), and a connection wakes it.
            let _ = TcpStream::connect(self.address);
            let _ = accepting.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

fn serve(mut stream: TcpStream, handle: &(dyn Fn(&Request, TcpStream) + Send + Sync)) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    match read_request(&mut stream) {
        Ok(request) => handle(&request, stream),
        Err(why) => send(stream, &Response::new(400, "text/plain", why.to_string()).bytes()),
    }
}

/// Writes, reads what is left of the input, and closes. Closing with unread input would send a reset, and the peer
/// could lose the answer.
pub fn send(mut stream: TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = io::copy(&mut stream, &mut io::sink());
}

fn read_request(stream: &mut TcpStream) -> io::Result<Request> {
    const LONGEST_HEAD: usize = 64 * 1024;
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if bytes.len() > LONGEST_HEAD || read_more(stream, &mut bytes)? == 0 {
            return Err(io::Error::other("the request head has no end"));
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).map_err(io::Error::other)?;
    let mut body = bytes.split_off(head_end + 4);
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Pairs = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = value(&headers, "content-length").unwrap_or("0").parse().map_err(io::Error::other)?;
    while body.len() < length && read_more(stream, &mut body)? > 0 {}
    let query = decode_form(query).ok_or(io::Error::other("query is not form-encoded"))?;
    Ok(Request { method: method.into(), path: path.into(), query, headers, body })
}

fn read_more(stream: &mut TcpStream, into: &mut Vec<u8>) -> io::Result<usize> {
    let mut chunk = [0; 4096];
    let read = stream.read(&mut chunk)?;
    into.extend_from_slice(&chunk[..read]);
    Ok(read)
}

/// Decodes `application/x-www-form-urlencoded` (RFC 6749, appendix B). `None` if the text is not in that form.
pub fn decode_form(text: &str) -> Option<Pairs> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        })
        .collect()
}

/// Decodes one form-encoded name or value.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? * 16 + hex(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

/// Encodes for `application/x-www-form-urlencoded`: everything but letters, digits and `-._*` is escaped.
pub fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => encoded.push(byte.into()),
            b' ' => encoded.push('+'),
            other => encoded += &format!("%{other:02X}"),
        }
    }
    encoded
}

pub fn value<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The first name that is given twice, which RFC 6749 3.1 and 3.2 forbid.
pub fn repeated(pairs: &Pairs) -> Option<&str> {
    let mut seen = HashSet::new();
    pairs.iter().map(|(name, _)| name.as_str()).find(|name| !seen.insert(*name))
}
