//! Ways to tokens through a person, each a folder of its own: `loopback` at an OpenID provider, `console` at Oracle's own
//! sign-in. A way does its own waiting and redeems the answer; the port that receives the answer, its pages and the
//! browser are shared. The page that ends a sign-in is sent by who knows how it ended; whether a person may be asked at
//! all is for `session/ask` to decide.

use std::time::Duration;

use crate::error::Result;
use crate::files::lock::Purpose;
use crate::host::Host;
use crate::oauth::http::Client;
use crate::oauth::{Provider, Tokens};

mod connection;
pub mod console;
mod listener;
pub mod loopback;
mod opener;
pub mod page;
mod peer;
mod redirect;
mod reply;
mod request;
mod responder;

pub use redirect::{Redirect, RedirectPort};
pub use reply::Reply;

/// Long enough to find the second factor, short enough that nobody waits behind a forgotten tab.
const ANSWER_LIMIT: Duration = Duration::from_secs(5 * 60);

/// Longer than [`ANSWER_LIMIT`], for what follows the answer and a slow disk.
const SIGN_IN: Purpose = Purpose { word: "sign-in", limit: Duration::from_secs(7 * 60) };

/// How the person is reached.
pub enum Way {
    /// A browser on this machine, and a listener on a loopback port.
    Loopback(loopback::Plan),
}

impl Way {
    /// What the holder of the profile's lock does meanwhile, and for how long other processes wait.
    pub fn purpose(&self) -> Purpose {
        match self {
            Self::Loopback(_) => loopback::PURPOSE,
        }
    }
}

/// Sends the person to the provider, waits for the answer and redeems it. `before_redeeming` is called
/// when the person has answered and nothing is spent yet; if it fails, nothing is. From then on `reply` is
/// what the person waits for.
pub fn ask<'a>(
    host: &'a Host,
    way: &Way,
    provider: &Provider,
    client: &mut Client<'a>,
    reply: &mut Reply,
    before_redeeming: impl FnOnce(&mut Client<'a>) -> Result<()>,
) -> Result<Tokens> {
    match way {
        Way::Loopback(plan) => loopback::ask(host, plan, provider, client, reply, before_redeeming),
    }
}

#[cfg(fuzzing)]
pub mod fuzz {
    use crate::error::Error;
    use crate::oci::PrivateKey;
    use crate::signin::console::answer::{self, Answer};
    use crate::signin::loopback::callback::{self, Callback};
    use crate::signin::request::{Accepts, Request};

    /// A request without this sign-in's state is a stray. No input holds the state: the vectors have another.
    pub fn callback(bytes: &[u8]) {
        const STATE: &str = "fuzzed-state-that-is-in-no-vector-0123456789";
        if let Some(request) = Request::parse(bytes.to_vec(), Accepts::Gets) {
            let target = &request.target;
            assert!(matches!(callback::read(target, "/callback", STATE), Callback::Stray(_)));
            if let Callback::Denied { error, description } =
                callback::read(&format!("{target}&state={STATE}"), "/callback", STATE)
            {
                let _ = crate::signin::page::failed(&Error::Denied { error, description }.say());
            }
        }
    }
    /// A fragment without this sign-in's nonce is not its answer. No input holds the nonce: the vectors have another.
    pub fn console_answer(bytes: &[u8]) {
        const NONCE: &str = "fuzzed-nonce-that-is-in-no-vector-0123456789";
        let key = PrivateKey::parse(include_bytes!("../../fixtures/keys/session.pem")).expect("it is a key");
        let fragment = String::from_utf8_lossy(bytes);
        assert!(!matches!(answer::read(&fragment, NONCE, key.public()), Answer::Token(_)));
        let _ = Request::parse(bytes.to_vec(), Accepts::GetsAndForms);
    }
}
