//! The session folder, `~/.oci/sessions/<profile>/`, and the files in it. Every process reads them; only
//! the holder of the profile's lock writes.

mod envelope;
mod folder;
mod keyring;
mod legacy;
mod passphrase;
pub mod record;
pub mod refresh_token;

pub use folder::{
    Contents, DAEMON_LOCK, DAEMON_LOG, DAEMON_PID, Locked, RENEWAL_LOCK, SessionDir, is_in_place,
    is_of_session, is_secret,
};
pub use keyring::{AtRest, Keyring};
pub use passphrase::Passphrase;
pub use record::Record;

#[cfg(any(test, fuzzing))]
pub mod fuzz {
    use crate::store::{Record, envelope, legacy};

    /// Both kinds, as far as can be seen without a passphrase.
    pub fn envelope(bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let _ = envelope::Envelope::parse(text);
        let _ = legacy::Legacy::parse(text);
    }

    /// A record that is not damaged is the same after it is written and parsed again.
    pub fn record(bytes: &[u8]) {
        let record = Record::parse(bytes);
        if !record.damaged {
            assert!(Record::parse(record.to_json().as_bytes()) == record);
        }
    }
}
