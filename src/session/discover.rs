//! The document of the configured issuer: the copy in the session folder, if it is of today, else the provider's.

use super::{Engine, Freshness};
use crate::error::{Error, Result};
use crate::host;
use crate::log;
use crate::oauth::discovery::{self, Document, Issuer, StoredDocument};
use crate::oauth::http::Retry;
use crate::store::Locked;

/// A copy of this age is read again at the provider. Endpoints change rarely, and a provider that changes one keeps the
/// old one in use for longer than this.
const FRESH_SECONDS: i64 = 24 * 60 * 60;

/// # Errors
/// The provider's document must not be followed, or is not to be had and there is no copy.
pub fn document(engine: &Engine<'_>, locked: &Locked, issuer: &Issuer) -> Result<Document> {
    let now = host::now();
    let stored = engine.dir.discovery().unwrap_or_else(|e| {
        log::debug(format_args!("The discovery document is read at the provider: {e}"));
        None
    });
    let copy = stored.and_then(|bytes| StoredDocument::parse(&bytes)).filter(|copy| copy.is_of(issuer));
    let is_fresh = |copy: &StoredDocument| (0..FRESH_SECONDS).contains(&now.since(copy.read_at));
    // A person who signs in anew may do so because the provider has changed something.
    if engine.want.freshness != Freshness::SignedIn
        && let Some(copy) = copy.clone().filter(is_fresh)
    {
        return Ok(copy.document);
    }
    // With a copy at hand, nobody waits for a second try.
    let retry = if copy.is_some() { Retry::Never } else { Retry::Unavailable };
    let document = match (discovery::get(&engine.client, issuer, retry), copy) {
        (Ok(document), _) => document,
        // The provider itself says something else than before.
        (Err(e @ Error::Discovery { .. }), _) | (Err(e), None) => return Err(e),
        (Err(e), Some(copy)) => {
            log::debug(format_args!(
                "The discovery document of {} is used as it was read: {e}",
                copy.read_at
            ));
            return Ok(copy.document);
        }
    };
    if document.authorization_endpoint.is_none() || document.token_endpoint.is_none() {
        // The provider may soon correct such a document.
        return Ok(document);
    }
    let name = issuer.name().to_owned();
    let copy = StoredDocument { issuer: issuer.url.clone(), name, read_at: now, document: document.clone() };
    if let Err(e) = locked.store_discovery(&copy.to_json()) {
        log::debug(format_args!("The discovery document is read again next time: {e}"));
    }
    Ok(document)
}
