//! A request line signed as OCI asks for it (draft-cavage-http-signatures, version 1), with the
//! session's key and token.

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

/// Signs `GET https://<host><path>` for the moment `now`. PKCS#1 v1.5 is deterministic: the same key,
/// token and second give the same bytes as the OCI CLI's.
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
