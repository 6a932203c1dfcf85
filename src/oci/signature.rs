//! The signature of a request to OCI's services with the session's key and token
//! (draft-cavage-http-signatures, OCI's version 1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::{PrivateKey, Upst};
use crate::secret::Secret;
use crate::time::UnixTime;

/// The type of every body that is signed.
pub const JSON: &str = "application/json";

/// The headers of a signed GET request without a body.
pub struct Signed {
    pub authorization: Secret,
    pub date: String,
}

/// The headers of a signed POST request with a body.
pub struct SignedPost {
    pub authorization: Secret,
    /// The part of `authorization` that is as secret as the token.
    pub signature: Secret,
    pub date: String,
    pub content_sha256: String,
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
    let target = format!("get {path}");
    let headers = [("date", &*date), ("(request-target)", &target), ("host", host)];
    let (authorization, _) = sign(key, upst, &headers)?;
    Ok(Signed { authorization, date })
}

/// Signs `POST https://<host><path>` with a body of JSON and the date `now`, as [`sign_get`] does.
pub fn sign_post(
    key: &PrivateKey,
    upst: &Upst,
    host: &str,
    path: &str,
    body: &str,
    now: UnixTime,
) -> Result<SignedPost, String> {
    let date = now.http_date();
    let target = format!("post {path}");
    let length = body.len().to_string();
    let content_sha256 = STANDARD.encode(Sha256::digest(body));
    let headers = [
        ("date", &*date),
        ("(request-target)", &target),
        ("host", host),
        ("content-length", &length),
        ("content-type", JSON),
        ("x-content-sha256", &content_sha256),
    ];
    let (authorization, signature) = sign(key, upst, &headers)?;
    Ok(SignedPost { authorization, signature, date, content_sha256 })
}

/// The value of the `Authorization` header, and the signature in it.
fn sign(key: &PrivateKey, upst: &Upst, headers: &[(&str, &str)]) -> Result<(Secret, Secret), String> {
    let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let signature = Secret::new(STANDARD.encode(key.sign_sha256(lines.join("\n").as_bytes())?));
    let authorization = format!(
        "Signature algorithm=\"rsa-sha256\",headers=\"{}\",keyId=\"ST${}\",signature=\"{}\",version=\"1\"",
        names.join(" "),
        upst.token().expose(),
        signature.expose()
    );
    Ok((Secret::new(authorization), signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixture;

    /// The expected values are from `SecurityTokenSigner` of the Python SDK 2.189.
    #[test]
    fn a_signed_post_agrees_with_the_sdk() {
        let key = PrivateKey::parse(&fixture("keys/session.pem")).unwrap();
        let upst = Upst::parse("e30.eyJleHAiOjEwMDB9.eA").unwrap();
        let signed = sign_post(
            &key,
            &upst,
            "auth.us-ashburn-1.oraclecloud.com",
            "/v1/authentication/refresh",
            r#"{"currentToken":"e30.eyJleHAiOjEwMDB9.eA"}"#,
            UnixTime(784_111_777),
        );
        let Ok(signed) = signed else { panic!("the key signs") };
        assert_eq!(signed.date, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(signed.content_sha256, "TQINP0v4oFGw718p4rOEjzVOeEaty/lLLmZqUlCtrmU=");
        let signature = "Fxbo6lXcitufAc90hUELxdQGkKMOxKI0BriC3Ww2YPA5kuCP7ik6KJ69sgrmsj2Ahfi7HOamWHF5dzoCMmse9v\
             Hxc8iGPRkdh4McW3gmt6VKnZtGb8l46YMknEvbdfG5R/AfS8gsAIiJ2f1XmA/HwO+wp1vC9+8n0KkvtNX+RPi4\
             5CY4g7EIE4sT6OY9wvJ1d1q0kIRC1pjbAy6zkeyS1tfxKOHuYqtsHfLz7tjY235bnVGgLSOx+Gf3MVInIUHQm1\
             sOzPOydIDQuvi0M3FWJg6srOchaXJEAunxaHnqtyd5sCdTfUm4BB5XR5mHqhK5h8msRew2iqF5CTjLVzs8Kw==";
        assert_eq!(signed.signature.expose(), signature);
        assert_eq!(
            signed.authorization.expose(),
            format!(
                "Signature algorithm=\"rsa-sha256\",headers=\"date (request-target) host content-length \
                 content-type x-content-sha256\",keyId=\"ST$e30.eyJleHAiOjEwMDB9.eA\",\
                 signature=\"{signature}\",version=\"1\""
            )
        );
    }
}
