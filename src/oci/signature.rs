//! The signature of a request to OCI's services with the session's key and token
//! (draft-cavage-http-signatures, OCI's version 1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{PrivateKey, Upst};
use crate::secret::Secret;
use crate::time::UnixTime;

/// The headers of a signed GET request without a body.
pub struct Signed {
    pub authorization: Secret,
    pub date: String,
}

/// Signs `GET https://<host><path>` with the date `now`. The signature is deterministic: for the same
/// key, token and second, woci and the OCI CLI produce the same bytes.
pub fn sign_get(
    key: &PrivateKey,
    upst: &Upst,
    host: &str,
    path: &str,
    now: UnixTime,
) -> Result<Signed, String> {
    let date = now.http_date();
    let text = format!("date: {date}\n(request-target): get {path}\nhost: {host}");
    let signature = STANDARD.encode(key.sign_sha256(text.as_bytes())?);
    let authorization = format!(
        "Signature algorithm=\"rsa-sha256\",headers=\"date (request-target) host\",keyId=\"ST${}\",\
         signature=\"{signature}\",version=\"1\"",
        upst.token().expose()
    );
    Ok(Signed { authorization: Secret::new(authorization), date })
}
