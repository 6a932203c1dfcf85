//! Checks that need the network: the provider's document, whether each service can be reached, this machine's clock
//! against theirs, and whether they know woci's clients. Nothing is spent: the clients are tried with a token that was
//! made up, and no token of the session is sent.

use std::cell::RefCell;
use std::time::Duration;

use super::Finding;
use super::look::Look;
use super::session::{DEVIATION, deviation};
use crate::config::Needs;
use crate::error::{Error, Result};
use crate::host;
use crate::oauth::discovery::{self, Document, Issuer};
use crate::oauth::http::{Client, Endpoint, Retry};
use crate::oauth::{Domain, Provider, Requested, token, url};
use crate::oci::exchange;
use crate::secret::Secret;

/// For each request.
const LIMIT: Duration = Duration::from_secs(30);

const MADE_UP_REFRESH_TOKEN: &str = "woci-doctor-made-this-up";
/// A JWT of the form that woci sends, with no claims and no signature: `{}` and `{}`.
const MADE_UP_SUBJECT_TOKEN: &str = "e30.e30.bWFkZS11cA";

type Found = Vec<(&'static str, Finding)>;

pub fn checks(look: &Look<'_>) -> Found {
    let Some((settings, contents, engine)) = look.stored() else {
        let what = "nothing was tried on the network: the settings or the session cannot be read";
        return vec![("online", Finding::doubtful(what, "correct what is wrong above"))];
    };
    let mut online = Online { look, client: Client::new(look.host), found: Vec::new(), has_date: false };
    let is_console = engine.is_of_console(contents);
    if is_console {
        let section = look.section.as_ref().map_err(Clone::clone);
        match section.and_then(|section| engine.console_urls(contents, section)) {
            Ok(urls) => {
                online.reach("sign-in page", &urls.sign_in);
                online.reach("authentication service", &urls.auth_service);
            }
            Err(e) => online.error("reach", &e),
        }
        return online.found;
    }
    if settings.lack(look.region().as_deref(), false).is_some() {
        let what = "nothing was tried on the network: required values are missing";
        return vec![("online", Finding::doubtful(what, "set what is missing above"))];
    }
    // Filled by the first use of the document.
    let document = RefCell::new(None);
    let discover = |issuer: &Issuer| {
        let read = online.document(issuer);
        document.replace(Some(issuer.url.clone()));
        read
    };
    let needs = settings.needs(&look.host.env, look.region().as_deref(), false, discover);
    let read = document.into_inner();
    match needs {
        Ok(Needs::Provider(needs)) => {
            match (read, &needs.unread) {
                (Some(issuer), _) => online.good("discovery", format!("the discovery document of {issuer}")),
                (None, Some(issuer)) => match online.document(issuer) {
                    Ok(_) => online.good("discovery", format!("the discovery document of {}", issuer.url)),
                    Err(e) => online.error("discovery", &e),
                },
                (None, None) => {}
            }
            online.reach("authorization endpoint", &needs.provider.authorization_url);
            if online.reach("token endpoint", &origin_of(&needs.provider.token_url)) {
                online.authorization_client(&needs.provider);
            }
            if online.reach("token exchange", &origin_of(&needs.domain.url)) {
                online.exchange_client(&needs.domain, &Requested::Upst);
            }
        }
        Ok(Needs::Workload(needs)) => {
            if online.reach("token exchange", &origin_of(&needs.domain.url)) {
                online.exchange_client(&needs.domain, &needs.requested);
            }
        }
        Ok(Needs::Console(_)) => {}
        Err(e) => online.error(if read.is_some() { "discovery" } else { "secrets" }, &e),
    }
    online.found
}

struct Online<'a> {
    look: &'a Look<'a>,
    client: Client<'a>,
    found: Found,
    /// The clock was compared.
    has_date: bool,
}

impl Online<'_> {
    fn good(&mut self, check: &'static str, what: String) {
        self.found.push((check, Finding::good(what)));
    }

    fn error(&mut self, check: &'static str, e: &Error) {
        self.found.push((check, Finding::error(e, &self.look.given)));
    }

    fn document(&self, issuer: &Issuer) -> Result<Document> {
        discovery::get(&self.client, issuer, Retry::Never)
    }

    /// Whether a service answers at all, over verified TLS and through the proxy if there is one.
    fn reach(&mut self, what: &'static str, url: &str) -> bool {
        self.client.begin(LIMIT);
        let answer = self.client.get(&Endpoint { what, url }, &[], Retry::Never);
        self.client.close_connection();
        let answer = match answer {
            Ok(answer) => answer,
            Err(e) => {
                self.error("reach", &e);
                return false;
            }
        };
        let proxy = self.client.proxy_for(url).ok().flatten();
        let through = proxy.map_or(String::new(), |proxy| format!(" through the proxy {proxy}"));
        let (host, _) = url::host_and_target(url);
        self.good("reach", format!("the {what} at {host} answers{through}"));
        if let Some(date) = answer.date
            && !self.has_date
        {
            self.has_date = true;
            let now = host::now();
            // The `Date` of an answer is of its first byte, and has no fractions.
            let behind = date.since(now);
            self.found.push((
                "clock-online",
                match behind.abs() <= DEVIATION {
                    true => Finding::good(format!("this machine's clock agrees with that of {host}")),
                    false => deviation(now, behind, &format!("{host} answered")),
                },
            ));
        }
        true
    }

    /// Whether the provider knows the client: a refresh token that was made up is refused as such then.
    fn authorization_client(&mut self, provider: &Provider) {
        self.client.begin(LIMIT);
        let id = &provider.client_id;
        let answer = token::refresh(&self.client, provider, &Secret::new(MADE_UP_REFRESH_TOKEN.into()));
        self.client.close_connection();
        let finding = match answer {
            Ok(_) | Err(Error::RefreshTokenDead { .. }) => {
                Finding::good(format!("the provider knows the authorization client {id}"))
            }
            Err(Error::Refused { error: Some(error), .. })
                if ["unauthorized_client", "unsupported_grant_type"].contains(&&*error) =>
            {
                Finding::wrong(
                    format!("the authorization client {id} may not use refresh tokens ({error})"),
                    "allow it the grant refresh token at the provider",
                )
            }
            Err(e) if is_of_client(&e) => Finding::wrong(
                format!("the provider does not accept the authorization client {id}: {}", e.say().why),
                "check auth_client_id and auth_client_secret against the registration at the provider",
            ),
            Err(e) => self.unclear(&e),
        };
        self.found.push(("authorization-client", finding));
    }

    /// The same for the identity domain, by a subject token that was made up.
    fn exchange_client(&mut self, domain: &Domain, requested: &Requested) {
        self.client.begin(LIMIT);
        let id = &domain.client_id;
        let key = self.look.contents().and_then(|contents| contents.key.as_ref());
        let public_key = key.map(|key| key.public().spki_der()).unwrap_or_default();
        let subject_token = Secret::new(MADE_UP_SUBJECT_TOKEN.into());
        let answer = exchange::session_token(&self.client, domain, &subject_token, requested, &public_key);
        self.client.close_connection();
        let finding = match answer {
            Err(e) if is_of_client(&e) => Finding::wrong(
                format!("the identity domain does not accept the exchange client {id}: {}", e.say().why),
                "check client_id and client_secret against the application in the identity domain",
            ),
            Err(e @ Error::Refused { status: 300..=399 | 404 | 405 | 500.., .. }) => self.unclear(&e),
            Ok(_) | Err(Error::Refused { .. }) => {
                Finding::good(format!("the identity domain knows the exchange client {id}"))
            }
            Err(e) => self.unclear(&e),
        };
        self.found.push(("exchange-client", finding));
    }

    /// An answer that says nothing about the client.
    fn unclear(&self, e: &Error) -> Finding {
        match e {
            Error::Refused { status: 300..=399 | 404 | 405, .. } => Finding::error(e, &self.look.given),
            _ => Finding::doubt(e, &self.look.given),
        }
    }
}

/// Whether an endpoint refused the client, and not the token.
fn is_of_client(e: &Error) -> bool {
    match e {
        Error::Refused { error: Some(error), .. } => {
            ["invalid_client", "unauthorized_client"].contains(&&**error)
        }
        Error::Refused { status, .. } => *status == 401,
        _ => false,
    }
}

/// The root of the host, where a request means nothing.
fn origin_of(url: &str) -> String {
    let (host, _) = url::host_and_target(url);
    let scheme = url.split_once("://").map_or("https", |(scheme, _)| scheme);
    format!("{scheme}://{host}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_of_a_host_keeps_scheme_and_port() {
        for (url, root) in [
            ("https://a.example.com/t?x=y", "https://a.example.com/"),
            ("http://127.0.0.1:81", "http://127.0.0.1:81/"),
        ] {
            assert_eq!(origin_of(url), root);
        }
    }
}
