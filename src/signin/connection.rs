//! A connection to the port of a sign-in: it is read once in a round without waiting, so that no connection delays
//! another, and has limits for time and size.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::request::{self, Accepts, HEAD_END, TLS_HELLO};

/// Time for a whole request to arrive.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// After the response, further bytes of the request are read and dropped for this long. Closing a
/// connection with unread bytes resets it, and the reset can reach the browser before the response.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(1);

pub struct Connection {
    pub stream: TcpStream,
    /// The bytes of the request received so far; `None` after the response.
    received: Option<Vec<u8>>,
    /// The length of the whole request, as soon as its head is there.
    length: Option<usize>,
    /// The connection is closed at this time.
    until: Instant,
}

/// The result of one read.
pub enum Event {
    /// No bytes are there yet.
    None,
    /// Some bytes of a request, or bytes after the response.
    Bytes,
    /// All bytes of a request, or the beginning of one that is too large.
    Request(Vec<u8>),
    /// Closed by the peer, failed, or out of time.
    Closed,
}

impl Connection {
    pub fn new(stream: TcpStream, now: Instant) -> Self {
        Self { stream, received: Some(Vec::new()), length: None, until: now + REQUEST_LIMIT }
    }

    /// How many bytes of a request it holds.
    pub fn size(&self) -> usize {
        self.received.as_ref().map_or(0, Vec::len)
    }

    pub fn read(&mut self, now: Instant, accepts: Accepts) -> Event {
        if now >= self.until {
            return Event::Closed;
        }
        let largest = accepts.largest();
        let mut piece = [0; 4096];
        let room =
            self.received.as_ref().map_or(piece.len(), |received| piece.len().min(largest - received.len()));
        let piece = match self.stream.read(&mut piece[..room]) {
            Ok(0) => return Event::Closed,
            Ok(count) => &piece[..count],
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Event::None;
            }
            Err(_) => return Event::Closed,
        };
        let Some(received) = &mut self.received else { return Event::Bytes };
        let seen = received.len().saturating_sub(HEAD_END.len() - 1);
        received.extend_from_slice(piece);
        if self.length.is_none() {
            let end = received[seen..].windows(HEAD_END.len()).position(|four| four == HEAD_END);
            self.length =
                end.map(|at| request::whole_length(&received[..seen + at + HEAD_END.len()], accepts));
        }
        let is_whole = self.length.is_some_and(|length| received.len() >= length);
        // A head that is too large is passed on as it is, and answered if its request line is complete.
        if is_whole || received.len() == largest || received.starts_with(TLS_HELLO) {
            Event::Request(std::mem::take(received))
        } else {
            Event::Bytes
        }
    }

    /// Writes the response without waiting: it is smaller than any socket's send buffer. A peer that
    /// does not read loses it.
    pub fn answer(&mut self, answer: &[u8], now: Instant) {
        let _ = self.stream.write_all(answer);
        let _ = self.stream.shutdown(Shutdown::Write);
        self.received = None;
        self.until = now + DRAIN_LIMIT;
    }

    /// Reads what is there, since unread bytes would reset the connection.
    pub fn drain(&mut self, accepts: Accepts) {
        while matches!(self.read(Instant::now(), accepts), Event::Bytes) {}
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn slow_requests_and_slow_closes_are_cut_off() {
        const MOMENT: Duration = Duration::from_millis(5);
        let now = Instant::now();
        for start in ["GET /", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"] {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let mut peer = TcpStream::connect(port.local_addr().unwrap()).unwrap();
            peer.write_all(start.as_bytes()).unwrap();
            let (stream, _) = port.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            let mut connection = Connection::new(stream, now);
            let mut read = |at| connection.read(at, Accepts::GetsAndForms);
            assert!(!matches!(read(now), Event::Closed | Event::Request(_)));
            assert!(!matches!(read(now + REQUEST_LIMIT - MOMENT), Event::Closed | Event::Request(_)));
            assert!(matches!(read(now + REQUEST_LIMIT), Event::Closed));
            connection.answer(b"HTTP/1.1 400 Bad Request\r\n\r\n", now);
            let mut read = |at| connection.read(at, Accepts::GetsAndForms);
            assert!(!matches!(read(now + DRAIN_LIMIT - MOMENT), Event::Closed));
            assert!(matches!(read(now + DRAIN_LIMIT), Event::Closed));
        }
    }
}
