//! The provider, a CI runner, the identity domain and Oracle's own services, each on a port of its own, and what a test
//! can set and read there.

use super::console::Console;
use super::device;
use super::domain::Domain;
use super::faults::{Fault, Faults, Gate, Grant, Recorded};
use super::http::{self, Request, Response, Server};
use super::provider::Provider;
use super::runner::Runner;
use serde_json::Value;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, OnceLock};

pub struct Sim {
    pub provider: Arc<Provider>,
    pub runner: Arc<Runner>,
    pub domain: Arc<Domain>,
    pub console: Arc<Console>,
    faults: Arc<Faults>,
    journal: Arc<Journal>,
    /// They are opened at the end, so that no request waits longer than its test runs.
    gates: Mutex<Vec<Gate>>,
    provider_server: Server,
    runner_server: Server,
    domain_server: Server,
    console_server: Server,
    auth_service_server: Server,
}

impl Sim {
    pub fn start() -> Sim {
        let (faults, journal) = (Arc::<Faults>::default(), Arc::<Journal>::default());
        let router = Router { faults: Arc::clone(&faults), journal: Arc::clone(&journal) };
        // The provider needs its own address, which is known only after the server has started.
        let late_provider = Arc::new(OnceLock::<Arc<Provider>>::new());
        let provider_server = {
            let (router, provider) = (router.clone(), Arc::clone(&late_provider));
            Server::start(move |request, stream| router.provider(provider.wait(), request, stream))
        };
        let provider = Arc::new(Provider::new(provider_server.origin()));
        let _ = late_provider.set(Arc::clone(&provider));
        let late_runner = Arc::new(OnceLock::<Arc<Runner>>::new());
        let runner_server = {
            let (router, runner) = (router.clone(), Arc::clone(&late_runner));
            Server::start(move |request, stream| router.runner(runner.wait(), request, stream))
        };
        let runner = Arc::new(Runner::new(runner_server.origin()));
        let _ = late_runner.set(Arc::clone(&runner));
        let domain = Arc::new(Domain::new(Arc::clone(&provider), Arc::clone(&runner)));
        let domain_server = {
            let (router, domain) = (router.clone(), Arc::clone(&domain));
            Server::start(move |request, stream| router.domain(&domain, request, stream))
        };
        let console = Arc::<Console>::default();
        let console_server = {
            let (router, console) = (router.clone(), Arc::clone(&console));
            Server::start(move |request, stream| router.console(&console, request, stream))
        };
        let auth_service_server = {
            let console = Arc::clone(&console);
            Server::start(move |request, stream| router.auth_service(&console, request, stream))
        };
        Sim {
            provider,
            runner,
            domain,
            console,
            faults,
            journal,
            gates: Mutex::default(),
            provider_server,
            runner_server,
            domain_server,
            console_server,
            auth_service_server,
        }
    }

    pub fn authorize_url(&self) -> String {
        self.provider_server.origin() + "/authorize"
    }

    pub fn token_url(&self) -> String {
        self.provider_server.origin() + "/token"
    }

    pub fn revocation_url(&self) -> String {
        self.provider_server.origin() + "/revoke"
    }

    /// The device authorization endpoint. GET shows the page for the person.
    pub fn device_url(&self) -> String {
        self.provider_server.origin() + "/device"
    }

    pub fn exchange_url(&self) -> String {
        self.domain_server.origin() + "/oauth2/v1/token"
    }

    /// Scheme, host and port of Oracle's login service.
    pub fn console_url(&self) -> String {
        self.console_server.origin()
    }

    /// Scheme, host and port of Oracle's auth service.
    pub fn auth_service_url(&self) -> String {
        self.auth_service_server.origin()
    }

    /// A section of `woci_manager.ini` for a console session.
    pub fn console_section(&self) -> Vec<(String, String)> {
        let section = [
            ("console_url", self.console_url()),
            ("auth_service_url", self.auth_service_url()),
            ("region", "us-ashburn-1".into()),
        ];
        section.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// A section of `woci_manager.ini` for a session of the provider.
    pub fn manager_section(&self) -> Vec<(String, String)> {
        let (provider, domain) = (self.provider.rules(), self.domain.rules());
        let mut section = vec![
            ("authz_base_url", self.authorize_url()),
            ("token_url", self.token_url()),
            ("token_exchange_url", self.exchange_url()),
            ("auth_client_id", provider.client_id.clone()),
            ("client_id", domain.client_id.clone()),
            ("client_secret", domain.client_secret.clone()),
            ("scope", "openid offline_access".into()),
            ("region", "us-ashburn-1".into()),
        ];
        section.extend(provider.client_secret.clone().map(|secret| ("auth_client_secret", secret)));
        section.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// The number of requests of this kind, including those with faults.
    pub fn count(&self, grant: Grant) -> usize {
        self.requests(grant).len()
    }

    /// All requests of this kind, in order.
    pub fn requests(&self, grant: Grant) -> Vec<Recorded> {
        self.journal.read(|recorded| recorded.grant == grant)
    }

    pub fn total(&self) -> usize {
        self.journal.read(|_| true).len()
    }

    /// Adds a fault for requests of this kind. Faults happen one after the other.
    pub fn fault(&self, grant: Grant, fault: Fault) {
        self.faults.add(grant, fault);
    }

    pub fn clear_faults(&self) {
        self.faults.clear();
    }

    /// No request of this kind fails any more.
    pub fn end_faults(&self, grant: Grant) {
        self.faults.end(grant);
    }

    /// From now on, these requests are not processed until the gate is opened.
    pub fn hold(&self, grant: Grant) -> Gate {
        self.gate(grant, |hold| hold)
    }

    /// From now on, these requests are processed, but not answered until the gate is opened.
    pub fn hold_answers(&self, grant: Grant) -> Gate {
        self.gate(grant, Fault::after)
    }

    fn gate(&self, grant: Grant, when: impl FnOnce(Fault) -> Fault) -> Gate {
        let gate = Gate::default();
        self.faults.add(grant, when(Fault::hold(&gate)).always());
        self.gates.lock().expect("no thread panics with the gates").push(gate.clone());
        gate
    }

    /// From now on, connections to the provider are refused.
    pub fn close_provider(&mut self) {
        self.provider_server.close();
    }

    /// From now on, connections to the CI runner's token service are refused.
    pub fn close_runner(&mut self) {
        self.runner_server.close();
    }

    /// From now on, connections to the identity domain are refused.
    pub fn close_domain(&mut self) {
        self.domain_server.close();
    }

    /// From now on, connections to Oracle's auth service are refused.
    pub fn close_auth_service(&mut self) {
        self.auth_service_server.close();
    }

    /// Every UPST of the identity domain and of Oracle's own services. Only a credential may contain one.
    pub fn issued(&self) -> Vec<String> {
        [self.domain.issued(), self.console.issued()].concat()
    }

    /// Everything secret in this run. No output of woci may contain it, in any encoding.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.provider.secrets();
        secrets.push(self.domain.rules().client_secret.clone());
        secrets.extend(self.console.secrets());
        secrets.extend(self.runner.secrets());
        for recorded in self.journal.read(|recorded| recorded.grant != Grant::Authorize) {
            let header = recorded.request.header("authorization").unwrap_or_default();
            secrets.extend(header.strip_prefix("Basic ").map(str::to_owned));
        }
        secrets.sort();
        secrets.dedup();
        secrets
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.gates.lock().expect("no thread panics with the gates").iter().for_each(Gate::open);
    }
}

/// The list of all requests, written before they are answered.
#[derive(Default)]
struct Journal(Mutex<Vec<Recorded>>);

impl Journal {
    fn write(&self, grant: Grant, request: &Request) {
        let fields = match grant {
            Grant::Authorize | Grant::IdToken | Grant::ConsoleSignIn | Grant::Discovery => {
                request.query.clone()
            }
            Grant::Code
            | Grant::Refresh
            | Grant::Revoke
            | Grant::Device
            | Grant::DevicePoll
            | Grant::Exchange => form(request),
            Grant::ConsoleRefresh => json_members(request),
        };
        let recorded = Recorded { grant, request: request.clone(), fields };
        self.0.lock().expect("no thread panics with the journal").push(recorded);
    }

    fn read(&self, wanted: impl Fn(&Recorded) -> bool) -> Vec<Recorded> {
        let all = self.0.lock().expect("no thread panics with the journal");
        all.iter().filter(|recorded| wanted(recorded)).cloned().collect()
    }
}

fn form(request: &Request) -> http::Pairs {
    std::str::from_utf8(&request.body).ok().and_then(http::decode_form).unwrap_or_default()
}

fn json_members(request: &Request) -> http::Pairs {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let members = body.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// Passes each request to its endpoint, with the faults that are due.
#[derive(Clone)]
struct Router {
    faults: Arc<Faults>,
    journal: Arc<Journal>,
}

impl Router {
    fn provider(&self, provider: &Provider, request: &Request, stream: TcpStream) {
        match (request.path.as_str(), request.method.as_str()) {
            ("/authorize", "GET") => {
                self.answer(Grant::Authorize, request, stream, || provider.authorize(request));
            }
            (path, _) if Provider::is_discovery(path) => {
                self.answer(Grant::Discovery, request, stream, || provider.discovery(request));
            }
            ("/device", "GET") => http::send(stream, &provider.device_page(request).bytes()),
            ("/device", _) => {
                self.answer(Grant::Device, request, stream, || provider.device_authorization(request));
            }
            ("/revoke", _) => {
                self.answer(Grant::Revoke, request, stream, || provider.revoke(request));
            }
            ("/token", _) => {
                let grant = match http::value(&form(request), "grant_type") {
                    Some("refresh_token") => Grant::Refresh,
                    Some(device::GRANT) => Grant::DevicePoll,
                    _ => Grant::Code,
                };
                self.answer(grant, request, stream, || provider.token(request));
            }
            _ => http::send(stream, &not_found().bytes()),
        }
    }

    fn runner(&self, runner: &Runner, request: &Request, stream: TcpStream) {
        self.answer(Grant::IdToken, request, stream, || runner.answer(request));
    }

    fn domain(&self, domain: &Domain, request: &Request, stream: TcpStream) {
        match request.path.as_str() {
            "/oauth2/v1/token" => {
                self.answer(Grant::Exchange, request, stream, || domain.exchange(request));
            }
            _ => http::send(stream, &not_found().bytes()),
        }
    }

    fn console(&self, console: &Console, request: &Request, stream: TcpStream) {
        match (request.path.as_str(), request.method.as_str()) {
            ("/v1/oauth2/authorize", "GET") => {
                let process = || console.dated(console.sign_in(request));
                self.answer(Grant::ConsoleSignIn, request, stream, process);
            }
            _ => http::send(stream, &console.dated(not_found()).bytes()),
        }
    }

    fn auth_service(&self, console: &Console, request: &Request, stream: TcpStream) {
        match request.path.as_str() {
            "/v1/authentication/refresh" => {
                let process = || console.dated(console.refresh(request));
                self.answer(Grant::ConsoleRefresh, request, stream, process);
            }
            _ => http::send(stream, &console.dated(not_found()).bytes()),
        }
    }

    fn answer(&self, grant: Grant, request: &Request, stream: TcpStream, process: impl FnOnce() -> Response) {
        self.journal.write(grant, request);
        self.faults.answer(grant, stream, process);
    }
}

fn not_found() -> Response {
    Response::new(404, "text/plain", "nothing here")
}
