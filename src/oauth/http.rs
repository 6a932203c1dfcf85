//! The HTTP client: requests with TLS roots, proxies, limits, and the few retries that cannot spend
//! a token twice.

use std::cell::{Cell, OnceCell};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use ureq::http::Request;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, RustlsConnector};
use ureq::{Agent, Proxy, ProxyProtocol, Timeout};
use zeroize::Zeroizing;

use super::resolver::Addresses;
use super::tcp::Tcp;
use super::url;
use crate::error::{Error, Result};
use crate::files;
use crate::host::{Env, Host};
use crate::log;
use crate::secret::Secret;
use crate::time::UnixTime;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// For a document that any server has ready. A request that spends something usually follows, within the same deadline.
const GET_TIMEOUT: Duration = Duration::from_secs(10);
/// In bytes: far more than any token response, and little enough to hold in memory.
const LARGEST_ANSWER: u64 = 1 << 20;
/// Large enough for a usual response with its headers, so that one read receives all of it.
const BUFFER: usize = 32 << 10;
const TRIES: u32 = 3;
/// If `Retry-After` asks for a longer pause than this, the request fails instead of waiting.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(10);

/// The URL of a request, and the name of the endpoint in messages.
pub struct Endpoint<'a> {
    pub what: &'static str,
    pub url: &'a str,
}

/// Client credentials for HTTP Basic authentication (RFC 6749 section 2.3.1).
pub struct Basic<'a> {
    pub client_id: &'a str,
    pub client_secret: &'a Secret,
}

impl Basic<'_> {
    /// Id and secret as the header holds them: form-encoded before they are joined and base64-encoded
    /// (RFC 6749 section 2.3.1). A server that quotes the request in its answer would show them.
    pub fn encoded(&self) -> Secret {
        let inside = Zeroizing::new(format!(
            "{}:{}",
            url::encode(self.client_id),
            url::encode(self.client_secret.expose())
        ));
        Secret::new(STANDARD.encode(inside.as_bytes()))
    }
}

/// What is posted.
pub struct Post<'a> {
    pub content_type: &'a str,
    /// The headers that this request needs besides those of every request.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a str,
}

/// An HTTP response of any status.
pub struct Answer {
    pub status: u16,
    pub body: Zeroizing<Vec<u8>>,
    /// The server's clock.
    pub date: Option<UnixTime>,
    /// Where a redirect leads.
    pub location: Option<String>,
    retry_after: Option<Duration>,
}

#[cfg(any(test, fuzzing))]
impl Answer {
    pub fn of(status: u16, body: &[u8]) -> Self {
        let body = Zeroizing::new(body.to_vec());
        Self { status, body, date: None, location: None, retry_after: None }
    }
}

/// The statuses after which a request is sent again. Unless that is forbidden, a request whose connection was never
/// made is sent again too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Whoever waits has what is needed already.
    Never,
    /// 429 only. For a grant that is spent once the server may have processed it.
    TooManyRequests,
    /// 429 and 503. For a request that spends nothing.
    Unavailable,
}

/// An agent configured for one endpoint.
struct Route {
    agent: Agent,
    /// Host and port of the proxy, without its credentials.
    proxy: Option<String>,
}

/// A client with one limit for all its requests, retries and pauses together.
pub struct Client<'a> {
    host: &'a Host,
    /// None until [`Client::begin`].
    limit: Option<Duration>,
    /// None until the first request under the limit.
    deadline: Cell<Option<Instant>>,
    roots: OnceCell<RootCerts>,
    tcp: Tcp,
}

impl<'a> Client<'a> {
    pub fn new(host: &'a Host) -> Self {
        Self { host, limit: None, deadline: Cell::default(), roots: OnceCell::new(), tcp: Tcp::default() }
    }

    /// Sets the limit: the requests from now on, their tries and waits together take no longer. Its time begins with
    /// the first of them.
    pub fn begin(&mut self, limit: Duration) {
        self.limit = Some(limit);
        self.deadline.set(None);
    }

    /// Does what is no request, and does not count: a helper program or a person takes the time that it takes.
    pub fn uncounted<T>(&self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let done = work();
        self.deadline.set(self.deadline.get().map(|deadline| deadline + started.elapsed()));
        done
    }

    /// Posts a form and returns the response, whatever its status. Retries as `retry` allows.
    pub fn post_form(
        &self,
        endpoint: &Endpoint<'_>,
        basic: Option<&Basic<'_>>,
        fields: &[(&str, &str)],
        retry: Retry,
    ) -> Result<Answer> {
        let body = Zeroizing::new(url::form(fields));
        let authorization = basic.map(|basic| Zeroizing::new(format!("Basic {}", basic.encoded().expose())));
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        let content_type = "application/x-www-form-urlencoded";
        self.post(endpoint, &Post { content_type, headers: &headers, body: &body }, retry)
    }

    /// Posts a body and returns the response, whatever its status. Retries as `retry` allows.
    pub fn post(&self, endpoint: &Endpoint<'_>, post: &Post<'_>, retry: Retry) -> Result<Answer> {
        self.request(endpoint, post.headers, Some((post.content_type, post.body)), retry)
    }

    /// Gets the response of an endpoint, whatever its status. Retries as `retry` allows.
    pub fn get(&self, endpoint: &Endpoint<'_>, headers: &[(&str, &str)], retry: Retry) -> Result<Answer> {
        self.request(endpoint, headers, None, retry)
    }

    /// A request with a body, which has its content type beside it, is a POST; one without is a GET.
    fn request(
        &self,
        endpoint: &Endpoint<'_>,
        headers: &[(&str, &str)],
        body: Option<(&str, &str)>,
        retry: Retry,
    ) -> Result<Answer> {
        let route = self.route(endpoint)?;
        let mut pause = Duration::from_millis(500);
        for attempt in 1.. {
            let answer = self.send(&route.agent, endpoint, headers, body);
            let wait = match &answer {
                Ok(answer)
                    if answer.status == 429 || (answer.status == 503 && retry == Retry::Unavailable) =>
                {
                    answer.retry_after.unwrap_or(pause)
                }
                Err(e) if failed_to_connect(e) => pause,
                _ => Duration::MAX,
            };
            let is_last = attempt == TRIES || retry == Retry::Never;
            if is_last || wait > LONGEST_RETRY_AFTER || wait >= self.remaining() {
                let proxy = route.proxy.as_deref().filter(|_| !self.tcp.has_passed_proxy());
                return answer.map_err(|e| describe(endpoint, proxy, &e));
            }
            log::info(format_args!(
                "The {} is not ready; trying again in {:.1} s",
                endpoint.what,
                wait.as_secs_f32()
            ));
            thread::sleep(wait);
            pause *= 2;
        }
        unreachable!("the last try returns")
    }

    /// Checks that there are certificates by which a server can be trusted.
    ///
    /// # Errors
    /// [`Error::Certificates`].
    pub fn check_certificates(&self) -> Result<()> {
        self.roots().map(drop)
    }

    /// Host and port of the proxy that a request to this URL goes through.
    ///
    /// # Errors
    /// [`Error::BadValue`] if the variable that names it is malformed.
    pub fn proxy_for(&self, url: &str) -> Result<Option<String>> {
        let proxy = proxy(&self.host.env, url::host(url))?;
        Ok(proxy.map(|proxy| format!("{}:{}", proxy.host(), proxy.port())))
    }

    /// Closes the last connection, which otherwise stays open until the next request.
    pub fn close_connection(&self) {
        self.tcp.close();
    }

    fn send(
        &self,
        agent: &Agent,
        endpoint: &Endpoint<'_>,
        headers: &[(&str, &str)],
        body: Option<(&str, &str)>,
    ) -> std::result::Result<Answer, ureq::Error> {
        self.tcp.begin();
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut request =
            Request::builder().method(method).uri(endpoint.url).header("accept", "application/json");
        if let Some((content_type, _)) = body {
            request = request.header("content-type", content_type);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let limit = if body.is_some() { REQUEST_TIMEOUT } else { GET_TIMEOUT };
        let timeout = Some(self.remaining().min(limit));
        let mut response = match body {
            Some((_, body)) => {
                let request = agent.configure_request(request.body(body)?);
                agent.run(request.timeout_global(timeout).build())?
            }
            None => {
                let request = agent.configure_request(request.body(())?);
                agent.run(request.timeout_global(timeout).build())?
            }
        };
        let header =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let retry_after = header("retry-after").and_then(|seconds| seconds.parse().ok());
        let date = header("date").and_then(|date| UnixTime::from_http_date(&date));
        let location = header("location");
        let body = response.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec()?;
        Ok(Answer {
            status: response.status().as_u16(),
            body: Zeroizing::new(body),
            date,
            location,
            retry_after: retry_after.map(Duration::from_secs),
        })
    }

    fn remaining(&self) -> Duration {
        let Some(limit) = self.limit else { return REQUEST_TIMEOUT };
        let now = Instant::now();
        let deadline = self.deadline.get().unwrap_or(now + limit);
        self.deadline.set(Some(deadline));
        deadline.saturating_duration_since(now)
    }

    fn route(&self, endpoint: &Endpoint<'_>) -> Result<Route> {
        let proxy = proxy(&self.host.env, url::host(endpoint.url))?;
        let name = proxy.as_ref().map(|proxy| format!("{}:{}", proxy.host(), proxy.port()));
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("woci/", env!("CARGO_PKG_VERSION")))
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .proxy(proxy);
        // Plain http is allowed to this machine only, and needs no roots.
        if endpoint.url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:")) {
            let tls = TlsConfig::builder()
                .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .root_certs(self.roots()?)
                .build();
            config = config.tls_config(tls);
        }
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(self.tcp.clone())
                .chain(RustlsConnector::default());
        let agent = Agent::with_parts(config.build(), connector, Addresses);
        Ok(Route { agent, proxy: name })
    }

    /// The root certificates of the system, or those of SSL_CERT_FILE and SSL_CERT_DIR. ureq's default
    /// roots ignore all three.
    fn roots(&self) -> Result<RootCerts> {
        if let Some(roots) = self.roots.get() {
            return Ok(roots.clone());
        }
        // The library opens and reads whatever they name; a named pipe would hold it for ever.
        for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
            if let Some(path) = self.host.env.get(variable)
                && files::is_special(Path::new(path))
            {
                let path = path.display();
                return Err(Error::Certificates {
                    why: format!("{variable} names {path}, which is not a regular file"),
                });
            }
        }
        let mut found = rustls_native_certs::load_native_certs();
        found.certs.extend(self.bundles_of_oci());
        if found.certs.is_empty() {
            let why = match self.host.env.get("SSL_CERT_FILE") {
                Some(path) => {
                    format!("SSL_CERT_FILE names {}, which has none that can be read", path.display())
                }
                None => found.errors.first().map_or("the system has none".to_owned(), ToString::to_string),
            };
            return Err(Error::Certificates { why });
        }
        let certificates: Vec<_> =
            found.certs.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
        Ok(self.roots.get_or_init(|| RootCerts::new_with_certs(&certificates)).clone())
    }

    /// The certificates that oci is told to trust. oci is told of them instead of the system's; a person who has
    /// told oci means woci too.
    fn bundles_of_oci(&self) -> Vec<CertificateDer<'static>> {
        let mut all = Vec::new();
        for variable in ["OCI_CLI_CERT_BUNDLE", "REQUESTS_CA_BUNDLE"] {
            let Some(path) = self.host.env.get(variable) else { continue };
            match self.bundle(Path::new(path)) {
                Ok(certificates) => all.extend(certificates),
                Err(e) => log::warning(format_args!("Not used: the certificates that {variable} names: {e}")),
            }
        }
        all
    }

    fn bundle(&self, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
        let path = self.host.absolute(path)?;
        let refused = |why: String| Error::File { doing: "read", path: path.clone(), why };
        let bytes = files::read(&path)?.ok_or_else(|| refused("there is no such file".into()))?;
        let parts = pem::parse_many(bytes).map_err(|e| refused(e.to_string()))?;
        let certificates = parts.into_iter().filter(|part| part.tag() == "CERTIFICATE");
        Ok(certificates.map(|part| part.into_contents().into()).collect())
    }
}

/// The proxy for an https request to `host`, chosen from the environment as curl does it. Loopback
/// hosts never use a proxy.
fn proxy(env: &Env, host: &str) -> Result<Option<Proxy>> {
    let first =
        |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((name, env.get(name)?.to_str()?)));
    let Some((name, text)) =
        first(["https_proxy", "HTTPS_PROXY"]).or_else(|| first(["all_proxy", "ALL_PROXY"]))
    else {
        return Ok(None);
    };
    let exempt = first(["no_proxy", "NO_PROXY"]).map_or("", |(_, hosts)| hosts);
    if url::is_loopback(host) || is_exempt(host, exempt) {
        return Ok(None);
    }
    // The messages do not quote the proxy's URL, since it may hold a password.
    let bad = |why: &str| Error::BadValue { name: format!("the variable {name}"), why: why.to_owned() };
    let proxy = Proxy::new(text).map_err(|_| bad("it is not the URL of a proxy"))?;
    match proxy.protocol() {
        ProxyProtocol::Http | ProxyProtocol::Https => Ok(Some(proxy)),
        _ => Err(bad("it names a SOCKS proxy, and woci supports only HTTP proxies")),
    }
}

/// Whether NO_PROXY exempts the host: by its name, a parent domain, or `*`.
fn is_exempt(host: &str, list: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let domain = entry.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        entry == "*" || host == domain || host.strip_suffix(&domain).is_some_and(|rest| rest.ends_with('.'))
    })
}

/// Whether the connection failed before any byte of the request was sent.
fn failed_to_connect(e: &ureq::Error) -> bool {
    match e {
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => true,
        ureq::Error::Io(e) => matches!(
            e.kind(),
            ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
        ),
        _ => false,
    }
}

/// What has failed and why. `proxy` is the one that was not passed: whatever failed is its fault.
fn describe(endpoint: &Endpoint<'_>, proxy: Option<&str>, e: &ureq::Error) -> Error {
    let (what, url) = (endpoint.what, endpoint.url.to_owned());
    let of_proxy = |why: String| proxy.map(|proxy| Error::Proxy { proxy: proxy.to_owned(), why });
    let answer = |why: &str| {
        let of_endpoint = || Error::BadAnswer { what, url: url.clone(), why: why.to_owned() };
        of_proxy(format!("its answer is of no use: {why}")).unwrap_or_else(of_endpoint)
    };
    let is_sent = !failed_to_connect(e);
    let unreachable = |why: String| {
        of_proxy(why.clone()).unwrap_or_else(|| Error::Unreachable { what, url: url.clone(), why, is_sent })
    };
    if let Some(tls) = tls_error(e) {
        return match tls {
            rustls::Error::InvalidCertificate(flaw) => {
                let why = certificate_flaw(flaw);
                of_proxy(format!("its certificate is not trusted: {why}"))
                    .unwrap_or_else(|| Error::Untrusted { what, url: url.clone(), why })
            }
            rustls::Error::InvalidMessage(_) => answer("it is not TLS"),
            other => unreachable(other.to_string()),
        };
    }
    match e {
        ureq::Error::HostNotFound => unreachable("its host name is not known".into()),
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            unreachable("the connection timed out".into())
        }
        ureq::Error::Timeout(_) => unreachable("no complete answer came in time".into()),
        ureq::Error::ConnectProxyFailed(why) => {
            let why = if why.contains("407") { "it asks for a password".to_owned() } else { why.clone() };
            unreachable(why)
        }
        ureq::Error::Io(e) if e.kind() == ErrorKind::UnexpectedEof => {
            unreachable("the connection was closed before the answer was complete".into())
        }
        ureq::Error::Io(e) => unreachable(files::io_reason(e)),
        ureq::Error::BodyExceedsLimit(_) => answer("it is larger than 1 MiB"),
        ureq::Error::LargeResponseHeader(..) => answer("its headers are too large"),
        ureq::Error::Protocol(why) => answer(&format!("it is not HTTP ({why})")),
        other => unreachable(other.to_string()),
    }
}

/// The TLS error inside a ureq error: ureq reports some of them as the source of an I/O error.
fn tls_error(e: &ureq::Error) -> Option<&rustls::Error> {
    match e {
        ureq::Error::Rustls(e) => Some(e),
        ureq::Error::Io(e) => e.get_ref()?.downcast_ref(),
        _ => None,
    }
}

fn certificate_flaw(flaw: &rustls::CertificateError) -> String {
    use rustls::CertificateError as Flaw;
    match flaw {
        Flaw::UnknownIssuer => "it is from an authority that is not trusted here".into(),
        Flaw::Expired | Flaw::ExpiredContext { .. } => "it has expired".into(),
        Flaw::NotValidYet | Flaw::NotValidYetContext { .. } => "it is not valid yet".into(),
        Flaw::NotValidForName | Flaw::NotValidForNameContext { .. } => "it is for another host".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Home;

    #[test]
    fn the_limit_begins_with_the_first_request_and_leaves_out_what_is_none() {
        let home = Home::new();
        let host = Host::of(home.root(), &[]);
        let mut client = Client::new(&host);
        let limit = Duration::from_secs(50);
        client.begin(limit);
        let pause = Duration::from_millis(20);
        thread::sleep(pause);
        assert_eq!(client.remaining(), limit, "nothing was requested yet");
        let before = client.remaining();
        let deadline = client.deadline.get();
        client.uncounted(|| thread::sleep(pause));
        assert!(client.deadline.get() >= deadline.map(|deadline| deadline + pause));
        thread::sleep(pause);
        assert!(client.remaining() < before, "time between two requests counts");
        client.begin(limit);
        assert_eq!(client.remaining(), limit);
    }

    #[test]
    fn basic_credentials_are_form_encoded_first() {
        let secret = Secret::new("p:w d~8Q".into());
        let basic = Basic { client_id: "a b", client_secret: &secret };
        assert_eq!(basic.encoded().expose(), STANDARD.encode("a+b:p%3Aw+d~8Q"));
    }

    #[test]
    fn the_certificates_of_ocis_bundles_are_added() {
        let home = Home::new();
        let pem = |label: &str, bytes: &str| {
            format!("# text\n-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(bytes))
        };
        home.put("one.pem", pem("CERTIFICATE", "a") + &pem("PRIVATE KEY", "b") + &pem("CERTIFICATE", "c"));
        home.put("two.pem", pem("CERTIFICATE", "d"));
        let other = home.path("two.pem");
        let variables =
            [("OCI_CLI_CERT_BUNDLE", "~/one.pem"), ("REQUESTS_CA_BUNDLE", other.to_str().unwrap())];
        let host = Host::of(home.root(), &variables);
        let found = Client::new(&host).bundles_of_oci();
        assert_eq!(found.iter().map(|one| one.as_ref()).collect::<Vec<_>>(), [b"a", b"c", b"d"]);
        let host = Host::of(home.root(), &[("OCI_CLI_CERT_BUNDLE", ""), ("REQUESTS_CA_BUNDLE", "/no/such")]);
        assert_eq!(Client::new(&host).bundles_of_oci(), []);
    }

    #[test]
    fn no_proxy_is_read_as_curl_reads_it() {
        for (host, list, exempt) in [
            ("idp.example.com", "example.com", true),
            ("idp.example.com", ".example.com", true),
            ("idp.example.com", "*.example.com", true),
            ("IDP.example.com", "a, idp.EXAMPLE.com", true),
            ("example.com", "example.com", true),
            ("badexample.com", "example.com", false),
            ("idp.example.com", "*", true),
            ("idp.example.com", "", false),
            ("[2001:db8::1]", "2001:db8::1", true),
        ] {
            assert_eq!(is_exempt(host, list), exempt, "{host} in {list:?}");
        }
    }

    #[test]
    fn only_https_and_all_proxy_variables_are_used() {
        let find = |pairs: &[_], host| {
            proxy(&Env::of(pairs), host).map(|proxy| proxy.map(|proxy| proxy.host().to_owned()))
        };
        let both = [("HTTPS_PROXY", "http://one:1"), ("ALL_PROXY", "http://two:2")];
        assert_eq!(find(&both, "idp.example.com"), Ok(Some("one".into())));
        assert_eq!(find(&both, "127.0.0.1"), Ok(None));
        assert_eq!(find(&[("HTTP_PROXY", "http://one:1")], "idp.example.com"), Ok(None));
        for not_one in ["http://u:S3cret@ /", "socks5://one:1", "socks4a://one:1"] {
            let pairs = [("HTTPS_PROXY", not_one)];
            assert!(find(&pairs, "idp.example.com").is_err(), "{not_one}");
        }
    }
}
