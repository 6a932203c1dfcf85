//! Ways to tokens through a person, each a folder of its own: `loopback` and `device` at an OpenID provider, `console`
//! at Oracle's own sign-in. A way does its own waiting and redeems the answer; the port that receives the answer, its
//! pages and the browser are shared. The page that ends a sign-in is sent by who knows how it ended; whether a person
//! may be asked at all is for `session/ask` to decide.

use std::time::Duration;

use crate::error::Result;
use crate::files::lock::Purpose;
use crate::host::Host;
use crate::oauth::http::Client;
use crate::oauth::{Provider, Tokens};

mod by_hand;
mod connection;
pub mod console;
pub mod device;
mod listener;
pub mod loopback;
mod opener;
pub mod page;
mod peer;
mod person;
mod redirect;
mod reply;
mod request;
mod responder;

pub use opener::{can_open as can_open_browser, program as browser};
pub use person::Reach;
pub use redirect::{Redirect, RedirectPort};
pub use reply::Reply;

/// Long enough to find the second factor, short enough that nobody waits behind a forgotten tab.
const ANSWER_LIMIT: Duration = Duration::from_secs(5 * 60);

/// Longer than [`ANSWER_LIMIT`], for what follows the answer and a slow disk.
const SIGN_IN: Purpose = sign_in_within(ANSWER_LIMIT.saturating_add(Duration::from_secs(2 * 60)));

/// What the holder of a lock does while it waits for a person so long.
pub const fn sign_in_within(limit: Duration) -> Purpose {
    Purpose { word: "sign-in", limit }
}

/// How the person is reached.
pub enum Way {
    /// A browser, and a listener on a loopback port of this machine or the person's terminal.
    Loopback(loopback::Plan),
    /// A code that the person types on a page of the provider's.
    Device(device::Plan),
}

/// What a way does next, told to the holder of the profile's lock while nothing is spent yet. If that fails, nothing
/// will be.
pub enum Step {
    /// The person has answered, and the answer is redeemed.
    Redeems,
    /// The person is waited for, so long at most. Any request meanwhile may redeem the answer.
    RedeemsWithin(Duration),
}

impl Way {
    /// What the holder of the profile's lock does meanwhile, and for how long other processes wait.
    pub fn purpose(&self) -> Purpose {
        match self {
            Self::Loopback(_) | Self::Device(_) => SIGN_IN,
        }
    }
}

/// Sends the person to the provider, waits for the answer and redeems it. From then on `reply` is what the person
/// waits for.
pub fn ask<'a>(
    host: &'a Host,
    way: &Way,
    provider: &Provider,
    client: &mut Client<'a>,
    reply: &mut Reply,
    step: impl FnMut(&mut Client<'a>, Step) -> Result<()>,
) -> Result<Tokens> {
    match way {
        Way::Loopback(plan) => loopback::ask(host, plan, provider, client, reply, step),
        Way::Device(plan) => device::ask(host, plan, provider, client, step),
    }
}

#[cfg(any(test, fuzzing))]
pub mod fuzz {
    use std::sync::LazyLock;

    use crate::oci::PrivateKey;
    use crate::signin::console::answer::{self, Answer};
    use crate::signin::loopback::callback::{self, Callback};
    use crate::signin::request::{Accepts, Request};

    /// A request without this sign-in's state is a stray. No input holds the state: the vectors have another.
    pub fn callback(bytes: &[u8]) {
        const STATE: &str = "fuzzed-state-that-is-in-no-vector-0123456789";
        if let Some(request) = Request::parse(bytes.to_vec(), Accepts::Gets) {
            let target = &request.target;
            assert!(matches!(callback::read(target, "/callback", STATE, None), Callback::Stray(_)));
            if let Callback::Answer(answer) =
                callback::read(&format!("{target}&state={STATE}"), "/callback", STATE, None)
                && let Err(denied) = answer.code()
            {
                let _ = crate::signin::page::failed(&denied.say());
            }
            let _ = callback::read_pasted(target, "http://127.0.0.1:8181/callback", STATE, None);
        }
    }

    /// A fragment without this sign-in's nonce is not its answer. No input holds the nonce: the vectors have another.
    pub fn console_answer(bytes: &[u8]) {
        static KEY: LazyLock<PrivateKey> = LazyLock::new(|| {
            PrivateKey::parse(include_bytes!("../../fixtures/keys/session.pem")).expect("it is a key")
        });
        const NONCE: &str = "fuzzed-nonce-that-is-in-no-vector-0123456789";
        let fragment = String::from_utf8_lossy(bytes);
        assert!(!matches!(answer::read(&fragment, NONCE, KEY.public()), Answer::Token(_)));
        let _ = Request::parse(bytes.to_vec(), Accepts::GetsAndForms);
    }
}
