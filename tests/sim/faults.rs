//! Faults of an endpoint, set by a test: another answer, a slow one, a hang, a broken connection. A fault happens before
//! the request is processed (no token is spent) or after it (the refresh token is spent, and the client does not get
//! the next).

use super::http::{self, Request, Response};
use super::sys;
use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// The kinds of requests. Those of an OAuth client are in the order in which a first sign-in makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grant {
    /// The documents in which the provider publishes its endpoints.
    Discovery,
    /// The person's browser opens the authorization endpoint.
    Authorize,
    /// `grant_type=authorization_code`.
    Code,
    /// `grant_type=refresh_token`.
    Refresh,
    /// The client gives a refresh token back (RFC 7009).
    Revoke,
    /// A request for a device code.
    Device,
    /// `grant_type` of RFC 8628: whether the person has typed the code.
    DevicePoll,
    /// The identity domain's token exchange.
    Exchange,
    /// A job asks its runner for an identity token.
    IdToken,
    /// The person's browser opens Oracle's login service.
    ConsoleSignIn,
    /// The signed request for the next token of a console session.
    ConsoleRefresh,
}

#[derive(Clone)]
pub struct Fault {
    effect: Effect,
    after: bool,
    /// `None`: every time.
    times: Option<u32>,
}

#[derive(Clone)]
enum Effect {
    /// Sends these bytes instead of the answer.
    Raw(Vec<u8>),
    Hold(Gate),
    /// Closes without an answer.
    Drop,
    /// Closes with a TCP reset.
    Reset,
    /// Sends the real answer byte by byte, with this pause between them.
    Drip(Duration),
}

impl Fault {
    /// Any status and body. The content type is JSON if the body begins with a brace, otherwise HTML.
    pub fn status(status: u16, body: impl AsRef<str>) -> Fault {
        Fault::status_with(status, &[], body)
    }

    /// The same with more headers, such as `Retry-After`.
    pub fn status_with(status: u16, headers: &[(&str, &str)], body: impl AsRef<str>) -> Fault {
        let body = body.as_ref();
        let content_type = if body.starts_with('{') { "application/json" } else { "text/html" };
        let response = Response::new(status, content_type, body);
        let response = headers.iter().fold(response, |response, (name, value)| response.header(name, value));
        Fault::raw(response.bytes())
    }

    /// An OAuth error (RFC 6749 5.2).
    pub fn refusal(error: &str, description: &str) -> Fault {
        let body = serde_json::json!({"error": error, "error_description": description});
        Fault::status(400, body.to_string())
    }

    pub fn redirect(to: &str) -> Fault {
        Fault::status_with(307, &[("Location", to)], "")
    }

    pub fn raw(bytes: impl Into<Vec<u8>>) -> Fault {
        Fault::new(Effect::Raw(bytes.into()))
    }

    pub fn drop() -> Fault {
        Fault::new(Effect::Drop)
    }

    pub fn reset() -> Fault {
        Fault::new(Effect::Reset)
    }

    pub fn drip(a_byte_every: Duration) -> Fault {
        Fault::new(Effect::Drip(a_byte_every))
    }

    pub fn hold(gate: &Gate) -> Fault {
        Fault::new(Effect::Hold(gate.clone()))
    }

    fn new(effect: Effect) -> Fault {
        Fault { effect, after: false, times: Some(1) }
    }

    /// Happens after the request was processed: tokens were spent and issued, but the answer is not the real one.
    #[must_use]
    pub fn after(mut self) -> Fault {
        self.after = true;
        self
    }

    #[must_use]
    pub fn times(mut self, times: u32) -> Fault {
        self.times = Some(times);
        self
    }

    #[must_use]
    pub fn always(mut self) -> Fault {
        self.times = None;
        self
    }
}

/// Holds requests until the test opens the gate, so that no test has to sleep.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    arrived: usize,
    open: bool,
}

impl Gate {
    /// Longer than every time limit of woci, except the five minutes of a sign-in.
    const PATIENCE: Duration = Duration::from_secs(120);

    /// Returns when this many requests wait at the gate.
    pub fn wait_for(&self, requests: usize) {
        let state = self.wait_while(|state| state.arrived < requests);
        let arrived = state.arrived;
        drop(state);
        assert!(arrived >= requests, "{arrived} of {requests} requests came to the gate");
    }

    /// Lets all requests pass, now and later.
    pub fn open(&self) {
        self.lock().open = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        self.lock().arrived += 1;
        self.0.1.notify_all();
        drop(self.wait_while(|state| !state.open));
    }

    fn wait_while(&self, closed: impl Fn(&GateState) -> bool) -> MutexGuard<'_, GateState> {
        let waited = self.0.1.wait_timeout_while(self.lock(), Gate::PATIENCE, |state| closed(state));
        waited.expect("no thread panics at a gate").0
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.0.0.lock().expect("no thread panics at a gate")
    }
}

/// The faults that have not happened yet, by kind of request.
#[derive(Default)]
pub struct Faults(Mutex<HashMap<Grant, VecDeque<Fault>>>);

impl Faults {
    pub fn add(&self, grant: Grant, fault: Fault) {
        self.lock().entry(grant).or_default().push_back(fault);
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    pub fn end(&self, grant: Grant) {
        self.lock().remove(&grant);
    }

    /// Answers a request: with the answer of `process`, unless a fault is due.
    pub fn answer(&self, grant: Grant, stream: TcpStream, process: impl FnOnce() -> Response) {
        let Some(fault) = self.next(grant) else {
            return http::send(stream, &process().bytes());
        };
        let mut process = Some(process);
        let processed = fault.after.then(|| process.take().map(|process| process())).flatten();
        let answer = || processed.or_else(|| process.map(|process| process())).map(|answer| answer.bytes());
        match fault.effect {
            Effect::Raw(bytes) => http::send(stream, &bytes),
            Effect::Drop => drop(stream),
            Effect::Reset => sys::reset(stream),
            Effect::Hold(gate) => {
                gate.pass();
                http::send(stream, &answer().unwrap_or_default());
            }
            Effect::Drip(pause) => drip(stream, &answer().unwrap_or_default(), pause),
        }
    }

    fn next(&self, grant: Grant) -> Option<Fault> {
        let mut faults = self.lock();
        let queue = faults.get_mut(&grant)?;
        let fault = queue.front_mut()?;
        let strikes = fault.clone();
        if let Some(times) = &mut fault.times {
            *times -= 1;
            if *times == 0 {
                queue.pop_front();
            }
        }
        Some(strikes)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Grant, VecDeque<Fault>>> {
        self.0.lock().expect("no thread panics between faults")
    }
}

fn drip(mut stream: TcpStream, bytes: &[u8], pause: Duration) {
    for byte in bytes {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(pause);
    }
    http::send(stream, b"");
}

/// A request as it was received, kept for the test.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub grant: Grant,
    pub request: Request,
    /// The form fields of a token request, the query of an authorization request or of one for an identity token, or
    /// the JSON members of a refresh of a console session.
    pub fields: http::Pairs,
}

impl Recorded {
    pub fn field(&self, name: &str) -> Option<&str> {
        http::value(&self.fields, name)
    }
}
