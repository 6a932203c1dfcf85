//! The authorization code grant with PKCE over a loopback redirect (RFC 6749 4.1, RFC 7636,
//! RFC 8252 7.3), from start to end.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Plan;
use super::listener::Listener;
use super::opener;
use crate::error::{Error, Result};
use crate::host::{self, Host};
use crate::log;
use crate::oauth::http::Client;
use crate::oauth::{Provider, Tokens, pkce, token, url};

/// Long enough to find the second factor, short enough that nobody waits behind a forgotten tab.
const ANSWER_LIMIT: Duration = Duration::from_secs(5 * 60);
/// Of the token request with all its tries: a code lives for few minutes.
const REDEEM_LIMIT: Duration = Duration::from_secs(50);

pub fn sign_in(host: &Host, provider: &Provider, plan: &Plan) -> Result<Tokens> {
    let verifier = pkce::verifier(host::random()?);
    let state = URL_SAFE_NO_PAD.encode(host::random::<32>()?);
    // Up before anybody knows of it, so that the answer cannot come too early.
    let listener = Listener::bind(host, plan.port)?;
    let redirect_uri = format!("http://127.0.0.1:{}/callback", listener.port());
    let url = authorization_url(provider, &redirect_uri, &state, &pkce::challenge(&verifier));

    log::line(format_args!("Auth URL: {url}"));
    let mut browser = opener::open(&host.env, &url);
    let code = listener.wait(&state, ANSWER_LIMIT, || match browser.has_failed() {
        true if plan.wait_without_browser => {
            log::warning(format_args!("No browser could be opened; open the URL above yourself"));
            Ok(())
        }
        true => Err(Error::NoBrowser),
        false => Ok(()),
    })?;
    token::authorization_code(&Client::new(host, REDEEM_LIMIT), provider, &code, &verifier, &redirect_uri)
}

fn authorization_url(provider: &Provider, redirect_uri: &str, state: &str, challenge: &str) -> String {
    url::with_query(
        &provider.authorization_url,
        &[
            ("response_type", "code"),
            ("client_id", &provider.client_id),
            ("redirect_uri", redirect_uri),
            ("scope", &provider.scope),
            ("state", state),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256"),
        ],
    )
}
