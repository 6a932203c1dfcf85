//! Ways to tokens through a person. Today one: the authorization code grant over a loopback redirect.

use crate::error::Result;
use crate::host::Host;
use crate::oauth::http::Client;
use crate::oauth::{Provider, Tokens, token};
use crate::secret::Secret;

mod loopback;
mod opener;

/// How the person is reached.
pub struct Plan {
    /// Of the redirect URI `http://127.0.0.1:<port>/callback`.
    pub port: u16,
    /// Where no browser opens: wait all the same, since a person sees the URL and may open it by hand.
    pub wait_without_browser: bool,
}

/// A person's yes: a code, and what proves that it is redeemed by whoever asked for it.
pub struct Grant {
    code: Secret,
    verifier: Secret,
    redirect_uri: String,
}

/// Sends the person to the provider and waits for the answer.
pub fn ask(host: &Host, provider: &Provider, plan: &Plan) -> Result<Grant> {
    loopback::ask(host, provider, plan)
}

impl Grant {
    /// Once, whatever becomes of it: the code is then spent.
    pub fn redeem(self, client: &Client<'_>, provider: &Provider) -> Result<Tokens> {
        token::authorization_code(client, provider, &self.code, &self.verifier, &self.redirect_uri)
    }
}

#[cfg(fuzzing)]
pub mod fuzz {
    use crate::signin::loopback::callback::{self, Callback};

    /// Without the state, which no input holds (nor the vectors, which have another), a request is a stray.
    pub fn callback(bytes: &[u8]) {
        const STATE: &str = "fuzzed-state-that-is-in-no-vector-0123456789";
        if let Some(target) = callback::target(bytes) {
            assert!(matches!(callback::read(target, STATE), Callback::Stray(_)));
            let _ =
                crate::signin::loopback::page::of(&callback::read(&format!("{target}&state={STATE}"), STATE));
        }
    }
}
