//! The connections of the HTTP client, which do nothing between a request and its answer but read, and
//! nothing after it: a machine that dies there takes a spent refresh token with it. ureq's own set a
//! timeout before each read, and close as soon as the answer is in.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

/// By how much a request may outlast its time, so that the socket need not be told of each moment.
const SLACK: Duration = Duration::from_secs(1);

/// Opens connections, and keeps the last one open until the next is made, or [`Tcp::hang_up`].
#[derive(Clone, Debug, Default)]
pub struct Tcp {
    last: Arc<Mutex<Option<Arc<TcpStream>>>>,
}

impl Tcp {
    pub fn hang_up(&self) {
        *self.last() = None;
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
        if let Some(connection) = through_proxy {
            return Ok(Some(Either::A(connection)));
        }
        self.hang_up();
        let stream = Arc::new(connect(&details.addrs, &details.timeout)?);
        stream.set_nodelay(true)?;
        *self.last() = Some(Arc::clone(&stream));
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(Connection { stream, buffers, limit: Duration::MAX })))
    }
}

/// To the first address that answers; each may take its share of the time that the others left.
fn connect(addresses: &[SocketAddr], timeout: &NextTimeout) -> Result<TcpStream, Error> {
    let end = Instant::now() + *timeout.after;
    let mut failure = Error::ConnectionFailed;
    for (address, others) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let share = end.saturating_duration_since(Instant::now()) / others as u32;
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(10))) {
            Ok(stream) => return Ok(stream),
            Err(e) if e.kind() == ErrorKind::TimedOut => failure = Error::Timeout(Timeout::Connect),
            Err(e) => failure = Error::Io(e),
        }
    }
    Err(failure)
}

#[derive(Debug)]
pub struct Connection {
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
    /// How long the socket waits, in reading and in writing.
    limit: Duration,
}

impl Connection {
    /// Both ways at once, so that a request that was sent has nothing left to set.
    fn end_within(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        let left = *timeout.after;
        if left.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        if self.limit.abs_diff(left) > SLACK {
            for set in [TcpStream::set_write_timeout, TcpStream::set_read_timeout] {
                match set(&self.stream, Some(left)) {
                    // macOS, where the other side has closed; what it said can still be read.
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
        self.end_within(timeout)?;
        (&*self.stream).write_all(&self.buffers.output()[..amount]).map_err(|e| in_time(e, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.end_within(timeout)?;
        let amount = loop {
            match (&*self.stream).read(self.buffers.input_append_buf()) {
                // Linux ends a read that has a timeout when a stopped process goes on.
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                other => break other.map_err(|e| in_time(e, timeout))?,
            }
        };
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// One request each: none is sent on a connection that may have ended unseen.
    fn is_open(&mut self) -> bool {
        false
    }
}

/// A socket says `WouldBlock` when its time is over.
fn in_time(e: std::io::Error, timeout: NextTimeout) -> Error {
    match e.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => Error::Io(e),
    }
}
