//! The TCP transport of the HTTP client. After a request is sent, it makes no system call but reads
//! until the response is complete, and does not close the connection afterwards. The refresh token of
//! the request is spent by then; if the process is killed before its successor is stored, the session
//! is lost, so nothing may delay the store. ureq's own transport sets a timeout before each read, and
//! closes the connection as soon as the response is complete.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

/// How far the timeout of the socket may differ from the time that is left. Within it, the socket's
/// timeout is not set again.
const SLACK: Duration = Duration::from_secs(1);

/// Opens connections, and keeps the last one open until the next is made or [`Tcp::close`] is called.
#[derive(Clone, Debug, Default)]
pub struct Tcp {
    last: Arc<Mutex<Option<Arc<TcpStream>>>>,
    passed_proxy: Arc<AtomicBool>,
}

impl Tcp {
    pub fn close(&self) {
        *self.last() = None;
    }

    /// For a new try.
    pub fn begin(&self) {
        self.passed_proxy.store(false, Ordering::Relaxed);
    }

    /// Whether a proxy has opened the way to the host: what fails from then on is not the proxy's fault.
    pub fn has_passed_proxy(&self) -> bool {
        self.passed_proxy.load(Ordering::Relaxed)
    }

    fn last(&self) -> MutexGuard<'_, Option<Arc<TcpStream>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<In: Transport> Connector<In> for Tcp {
    type Out = Either<In, Connection>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        through_proxy: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        self.passed_proxy.store(through_proxy.is_some(), Ordering::Relaxed);
        if let Some(connection) = through_proxy {
            return Ok(Some(Either::A(connection)));
        }
        self.close();
        let stream = Arc::new(connect(&details.addrs, &details.timeout)?);
        stream.set_nodelay(true)?;
        *self.last() = Some(Arc::clone(&stream));
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(Connection { stream, buffers, limit: Duration::MAX })))
    }
}

/// Connects to the first address that accepts. Each address gets an equal share of the remaining time.
fn connect(addresses: &[SocketAddr], timeout: &NextTimeout) -> Result<TcpStream, Error> {
    let end = Instant::now() + *timeout.after;
    let mut failure = Error::ConnectionFailed;
    for (address, others) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let share = end.saturating_duration_since(Instant::now()) / others as u32;
        match connect_to(address, share.max(Duration::from_millis(10))) {
            Ok(stream) => return Ok(stream),
            Err(e) if e.kind() == ErrorKind::TimedOut => failure = Error::Timeout(Timeout::Connect),
            Err(e) => failure = Error::Io(e),
        }
    }
    Err(failure)
}

/// A connection that a signal has interrupted is begun anew: nothing was sent.
fn connect_to(address: &SocketAddr, limit: Duration) -> std::io::Result<TcpStream> {
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match TcpStream::connect_timeout(address, left.max(Duration::from_millis(1))) {
            Err(e) if e.kind() == ErrorKind::Interrupted && !left.is_zero() => {}
            connected => return connected,
        }
    }
}

#[derive(Debug)]
pub struct Connection {
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
    /// The socket's timeout, for reads and for writes.
    limit: Duration,
}

impl Connection {
    /// Sets both timeouts before the request is sent, so that none has to be set after it.
    fn set_limit(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let left = *timeout.after;
        if left.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        if self.limit.abs_diff(left) > SLACK {
            for set in [TcpStream::set_write_timeout, TcpStream::set_read_timeout] {
                match set(&self.stream, Some(left)) {
                    // macOS reports this if the peer has closed. The bytes it sent can still be read.
                    Err(e) if e.kind() == ErrorKind::InvalidInput => {}
                    other => other?,
                }
            }
            self.limit = left;
        }
        Ok(())
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.set_limit(timeout)?;
        (&*self.stream).write_all(&self.buffers.output()[..amount]).map_err(|e| or_timeout(e, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.set_limit(timeout)?;
        let amount = loop {
            match (&*self.stream).read(self.buffers.input_append_buf()) {
                // Linux interrupts a read with a timeout if the process is stopped and continued.
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                other => break other.map_err(|e| or_timeout(e, timeout))?,
            }
        };
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// Never reused: the server may have closed the connection, and the request would be lost.
    fn is_open(&mut self) -> bool {
        false
    }
}

/// Maps a read or write timeout, which the socket reports as `WouldBlock`.
fn or_timeout(e: std::io::Error, timeout: NextTimeout) -> Error {
    match e.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => Error::Io(e),
    }
}
