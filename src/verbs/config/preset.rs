//! What is known beforehand of the places where people sign in: how a provider's URL is made, which scope it wants, and
//! the trust by which an OCI identity domain accepts its tokens. Pure.

use crate::config::check_value;
use crate::error::quoted;
use crate::oauth::url;
use crate::options::{Kind, PRESETS};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Oracle's own page.
    Console,
    /// An OCI identity domain, which signs people in and exchanges its own tokens.
    Oci,
    Okta,
    Entra,
    Keycloak,
    /// Any other provider.
    Issuer,
}

/// The name that every identity domain of Oracle's gives itself.
const ORACLE: &str = "https://identity.oraclecloud.com/";
const SCOPE: &str = "openid offline_access";

/// The required keys, in the order in which the section has them. `client_secret` and `issuer` stand for what may take
/// their place.
const CONSOLE: &[&str] = &["region"];
const OCI: &[&str] = &["issuer", "auth_client_id", "client_id", "client_secret", "region"];
const PROVIDER: &[&str] =
    &["issuer", "auth_client_id", "token_exchange_url", "client_id", "client_secret", "region"];

impl Preset {
    const ALL: [Self; 6] = [Self::Console, Self::Oci, Self::Okta, Self::Entra, Self::Keycloak, Self::Issuer];

    pub fn word(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Oci => "oci",
            Self::Okta => "okta",
            Self::Entra => "entra",
            Self::Keycloak => "keycloak",
            Self::Issuer => "issuer",
        }
    }

    /// A preset by its word, or by its number in [`Preset::list`].
    ///
    /// # Errors
    /// Why there is none.
    pub fn named(text: &str) -> Result<Self, String> {
        let is_meant = |(n, preset): &(usize, Self)| {
            preset.word().eq_ignore_ascii_case(text) || (n + 1).to_string() == text
        };
        let found = Self::ALL.into_iter().enumerate().find(is_meant);
        found.map(|(_, preset)| preset).ok_or_else(|| format!("it is none of {}", PRESETS.join(", ")))
    }

    /// What a person chooses from.
    pub fn list() -> String {
        let line =
            |(n, preset): (usize, Self)| format!("  {}  {:10}{}\n", n + 1, preset.word(), preset.title());
        Self::ALL.into_iter().enumerate().map(line).collect()
    }

    fn title(self) -> &'static str {
        match self {
            Self::Console => "Oracle's own sign-in page; nothing has to be registered",
            Self::Oci => "an OCI identity domain as the OpenID provider",
            Self::Okta => "Okta, with an OCI identity domain that trusts it",
            Self::Entra => "Microsoft Entra ID, with such a domain",
            Self::Keycloak => "Keycloak, with such a domain",
            Self::Issuer => "any other OpenID provider, with such a domain",
        }
    }

    pub fn required(self) -> &'static [&'static str] {
        match self {
            Self::Console => CONSOLE,
            Self::Oci => OCI,
            Self::Okta | Self::Entra | Self::Keycloak | Self::Issuer => PROVIDER,
        }
    }

    pub fn issuer_question(self) -> &'static str {
        match self {
            Self::Console | Self::Issuer => "Issuer URL",
            Self::Oci => "Domain URL (OCI console > Identity & Security > Domains)",
            Self::Okta => "Okta domain, or the issuer of a custom authorization server",
            Self::Entra => "Directory (tenant) ID",
            Self::Keycloak => "Realm URL, such as https://sso.example.com/realms/staff",
        }
    }

    /// The issuer that an answer means.
    ///
    /// # Errors
    /// Why the answer means none.
    pub fn issuer(self, answer: &str) -> Result<String, String> {
        let url = match self {
            Self::Entra if !answer.contains("://") => {
                let is_guid =
                    answer.len() == 36 && answer.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
                if !is_guid {
                    return Err("it is not a tenant ID, such as 72f9a1c4-5b3d-4e2f-8a60-1d2c3b4a5f6e".into());
                }
                format!("https://login.microsoftonline.com/{answer}/v2.0")
            }
            Self::Oci | Self::Okta | Self::Entra | Self::Keycloak => {
                with_scheme(answer).trim_end_matches('/').to_owned()
            }
            // The slash at the end is part of some providers' names.
            Self::Issuer | Self::Console => with_scheme(answer),
        };
        check_value(Kind::Issuer, &url)?;
        let has_path = url::host_and_target(&url).1 != "/";
        match self {
            Self::Oci if has_path => Err("it has a path, and the URL of a domain has none".into()),
            Self::Oci => Ok(url.strip_suffix(":443").unwrap_or(&url).to_owned()),
            // The organisation's own server issues opaque access tokens, which OCI cannot exchange.
            Self::Okta if !has_path => Ok(format!("{url}/oauth2/default")),
            Self::Okta | Self::Entra | Self::Keycloak | Self::Issuer | Self::Console => Ok(url),
        }
    }

    /// The name that the provider gives itself, if that is not its URL.
    pub fn issuer_expected(self) -> Option<&'static str> {
        (self == Self::Oci).then_some(ORACLE)
    }

    /// Entra refuses a secret for an app that signs in at 127.0.0.1.
    pub fn has_client_secret(self) -> bool {
        self != Self::Entra
    }

    pub fn scope(self, auth_client_id: &str) -> String {
        match self {
            // Without a scope of the app itself, the access token is one for Microsoft Graph, which OCI cannot verify.
            Self::Entra => format!("api://{auth_client_id}/oci.session {SCOPE}"),
            Self::Console | Self::Oci | Self::Okta | Self::Keycloak | Self::Issuer => SCOPE.to_owned(),
        }
    }
}

/// A URL that may have been typed without its scheme.
fn with_scheme(answer: &str) -> String {
    if answer.contains("://") { answer.to_owned() } else { format!("https://{answer}") }
}

/// The token endpoint of an identity domain; a domain's URL alone is enough.
///
/// # Errors
/// Why the text is no URL.
pub fn token_exchange_url(answer: &str) -> Result<String, String> {
    let url = with_scheme(answer);
    check_value(Kind::Url, &url)?;
    match url::host_and_target(&url).1.as_str() {
        "/" => Ok(format!("{}/oauth2/v1/token", url.trim_end_matches('/').trim_end_matches(":443"))),
        _ => Ok(url),
    }
}

/// What an identity domain has to know so that it exchanges the provider's tokens.
pub struct Trust<'a> {
    pub preset: Preset,
    /// A URL of the domain.
    pub domain: &'a str,
    pub issuer: &'a str,
    /// The issuer as the tokens name it.
    pub issuer_name: &'a str,
    /// As the provider's document says.
    pub keys: Option<&'a str>,
    pub auth_client_id: &'a str,
    pub client_id: &'a str,
}

impl Trust<'_> {
    /// The oci command that an administrator of the domain runs.
    pub fn command(&self) -> String {
        let Self { issuer, issuer_name, auth_client_id, client_id, .. } = self;
        let scheme = self.domain.split("://").next().unwrap_or("https");
        let domain = format!("{scheme}://{}", url::host_and_target(self.domain).0);
        let known_keys = match self.preset {
            Preset::Oci => Some(format!("{domain}/admin/v1/SigningCert/jwk")),
            Preset::Okta => Some(format!("{issuer}/v1/keys")),
            Preset::Keycloak => Some(format!("{issuer}/protocol/openid-connect/certs")),
            Preset::Entra => {
                Some(format!("{}/discovery/v2.0/keys", issuer.strip_suffix("/v2.0").unwrap_or(issuer)))
            }
            Preset::Issuer | Preset::Console => None,
        };
        // Each domain's document names hosts of Oracle's own.
        let of_document = self.keys.filter(|_| self.preset != Preset::Oci).map(str::to_owned);
        let keys = of_document.or(known_keys);
        let keys = keys.unwrap_or_else(|| "URL-OF-THE-SIGNING-KEYS".to_owned());
        let (claim, claimed) = match self.preset {
            Preset::Oci => ("iss", issuer_name),
            Preset::Okta => ("cid", auth_client_id),
            Preset::Entra | Preset::Keycloak | Preset::Issuer | Preset::Console => ("azp", auth_client_id),
        };
        let subject = match self.preset {
            Preset::Entra => "upn",
            Preset::Keycloak => "preferred_username",
            Preset::Oci | Preset::Okta | Preset::Issuer | Preset::Console => "sub",
        };
        let list = |text: &str| quoted(&serde_json::Value::from([text].as_slice()).to_string());
        format!(
            "oci identity-domains identity-propagation-trust create --name woci --type JWT --active true \\\n  \
             --endpoint {} \\\n  \
             --schemas {} \\\n  \
             --issuer {} --allow-impersonation false \\\n  \
             --public-key-endpoint {} \\\n  \
             --client-claim-name {claim} --client-claim-values {} \\\n  \
             --subject-claim-name {subject} --subject-mapping-attribute username --subject-type User \\\n  \
             --oauth-clients {}",
            quoted_url(&domain),
            list("urn:ietf:params:scim:schemas:oracle:idcs:IdentityPropagationTrust"),
            quoted_url(issuer_name),
            quoted_url(&keys),
            list(claimed),
            list(client_id),
        )
    }

    /// What the person has to see to, since it differs from provider to provider; each on a line of its own.
    pub fn remarks(&self) -> String {
        let of_preset = match self.preset {
            Preset::Issuer | Preset::Console => {
                "Compare both claims with an access token of the provider: the client claim holds the\n\
                 client's ID, the subject claim the user name of a user in the domain.\n"
            }
            Preset::Entra => "Add upn as an optional claim of the app's access token.\n",
            Preset::Oci | Preset::Okta | Preset::Keycloak => "",
        };
        let of_keys = match (self.preset, self.keys) {
            (Preset::Issuer, None) => {
                "The provider's document does not say where its signing keys are: put their URL in.\n"
            }
            _ => "",
        };
        [of_preset, of_keys].concat()
    }
}

/// A URL without characters that a shell reads stays as it is.
fn quoted_url(url: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:".contains(c);
    if url.chars().all(is_plain) { url.to_owned() } else { quoted(url) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_the_option_is_a_preset() {
        assert_eq!(Preset::ALL.map(Preset::word).as_slice(), PRESETS);
        assert_eq!(Preset::named("Okta"), Ok(Preset::Okta));
        assert_eq!(Preset::named("2"), Ok(Preset::Oci));
        assert!(Preset::named("0").is_err() && Preset::named("7").is_err() && Preset::named("").is_err());
    }

    #[test]
    fn an_answer_means_an_issuer() {
        const TENANT: &str = "72f9a1c4-5b3d-4e2f-8a60-1d2c3b4a5f6e";
        let entra = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
        for (preset, answer, expected) in [
            (Preset::Oci, "idcs-1a.identity.oraclecloud.com", "https://idcs-1a.identity.oraclecloud.com"),
            (
                Preset::Oci,
                "https://idcs-1a.identity.oraclecloud.com:443/",
                "https://idcs-1a.identity.oraclecloud.com",
            ),
            (Preset::Okta, "example.okta.com", "https://example.okta.com/oauth2/default"),
            (Preset::Okta, "https://example.okta.com/oauth2/aus1/", "https://example.okta.com/oauth2/aus1"),
            (Preset::Entra, TENANT, &*entra),
            (Preset::Entra, &*entra, &*entra),
            (
                Preset::Keycloak,
                "https://sso.example.com/realms/staff/",
                "https://sso.example.com/realms/staff",
            ),
            (Preset::Issuer, "https://a.auth0.example/", "https://a.auth0.example/"),
            (Preset::Issuer, "a.example", "https://a.example"),
        ] {
            assert_eq!(preset.issuer(answer).as_deref(), Ok(expected), "{answer}");
        }
        for (preset, answer) in [
            (Preset::Oci, "https://idcs-1a.identity.oraclecloud.com/oauth2/v1/token"),
            (Preset::Entra, "contoso.onmicrosoft.com"),
            (Preset::Keycloak, "http://sso.example.com/realms/staff"),
            (Preset::Issuer, "https://a.example?x"),
            (Preset::Issuer, "two words"),
        ] {
            assert!(preset.issuer(answer).is_err(), "{answer}");
        }
        let exchange = "https://idcs-1a.example/oauth2/v1/token";
        for answer in ["idcs-1a.example", "https://idcs-1a.example:443/", exchange] {
            assert_eq!(token_exchange_url(answer).as_deref(), Ok(exchange), "{answer}");
        }
    }

    /// The command of README.md, word by word.
    #[test]
    fn the_trust_is_that_of_the_readme() {
        let readme = include_str!("../../../README.md");
        let (_, shown) = readme.split_once("$ oci identity-domains identity-propagation-trust").unwrap();
        let (shown, _) = shown.split_once("```").unwrap();
        let words =
            |text: &str| text.replace("\\\n", " ").split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let domain = "https://idcs-0123456789abcdef0123456789abcdef.identity.oraclecloud.com";
        let trust = Trust {
            preset: Preset::Okta,
            domain: &format!("{domain}/oauth2/v1/token"),
            issuer: "https://example.okta.com/oauth2/default",
            issuer_name: "https://example.okta.com/oauth2/default",
            keys: None,
            auth_client_id: "0oa1b2c3d4EXAMPLE5d7",
            client_id: "c7d9e1f30a2b4c5d6e7f8091a2b3c4d5",
        };
        let command = trust.command();
        let (_, made) = command.split_once("identity-propagation-trust").unwrap();
        assert_eq!(words(made), words(shown));
        for (preset, claim, subject, keys) in [
            (Preset::Oci, "iss", "sub", "/admin/v1/SigningCert/jwk"),
            (Preset::Okta, "cid", "sub", "/v1/keys"),
            (Preset::Entra, "azp", "upn", "/discovery/v2.0/keys"),
            (Preset::Keycloak, "azp", "preferred_username", "/protocol/openid-connect/certs"),
        ] {
            let command = Trust { preset, ..trust }.command();
            for expected in
                [format!("--client-claim-name {claim} "), format!("--subject-claim-name {subject} ")]
            {
                assert!(command.contains(&expected), "{command}");
            }
            assert!(command.contains(&format!("{keys} ")), "{command}");
            let row = readme.lines().find(|line| line.contains(keys) && line.contains(&format!("`{claim}`")));
            assert!(
                row.is_some_and(|row| row.contains(&format!("`{subject}`"))),
                "README.md has no row of {preset:?}"
            );
        }
    }

    #[test]
    fn a_shell_reads_each_value_as_one_word() {
        let trust = Trust {
            preset: Preset::Issuer,
            domain: "https://d.example",
            issuer: "https://i.example/a",
            issuer_name: "https://i.example/a;id",
            keys: Some("https://i.example/k?a&b"),
            auth_client_id: "it's",
            client_id: "a\"b",
        };
        let command = trust.command();
        for expected in
            ["'https://i.example/a;id'", "'https://i.example/k?a&b'", r#"'["it'\''s"]'"#, r#"'["a\"b"]'"#]
        {
            assert!(command.contains(expected), "{expected}: {command}");
        }
    }
}
