//! The provider and the identity domain, each on a port of its own, and what a test can set and read there.

use super::domain::Domain;
use super::faults::{Fault, Faults, Gate, Grant, Recorded};
use super::http::{self, Request, Response, Server};
use super::provider::Provider;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, OnceLock};

pub struct Sim {
    pub provider: Arc<Provider>,
    pub domain: Arc<Domain>,
    faults: Arc<Faults>,
    journal: Arc<Journal>,
    /// They are opened at the end, so that no request waits longer than its test runs.
    gates: Mutex<Vec<Gate>>,
    provider_server: Server,
    domain_server: Server,
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
        let domain = Arc::new(Domain::new(Arc::clone(&provider)));
        let domain_server = {
            let domain = Arc::clone(&domain);
            Server::start(move |request, stream| router.domain(&domain, request, stream))
        };
        Sim { provider, domain, faults, journal, gates: Mutex::default(), provider_server, domain_server }
    }

    pub fn authorize_url(&self) -> String {
        self.provider_server.origin() + "/authorize"
    }

    pub fn token_url(&self) -> String {
        self.provider_server.origin() + "/token"
    }

    pub fn exchange_url(&self) -> String {
        self.domain_server.origin() + "/oauth2/v1/token"
    }

    /// A section of `woci_manager.ini` for this simulator.
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

    /// From now on, connections to the identity domain are refused.
    pub fn close_domain(&mut self) {
        self.domain_server.close();
    }

    /// Everything secret in this run. No output of woci may contain it, in any encoding.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.provider.secrets();
        secrets.push(self.domain.rules().client_secret.clone());
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
        let fields = if grant == Grant::Authorize { request.query.clone() } else { form(request) };
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
            ("/token", _) => {
                let refresh = http::value(&form(request), "grant_type") == Some("refresh_token");
                let grant = if refresh { Grant::Refresh } else { Grant::Code };
                self.answer(grant, request, stream, || provider.token(request));
            }
            _ => http::send(stream, &not_found()),
        }
    }

    fn domain(&self, domain: &Domain, request: &Request, stream: TcpStream) {
        match request.path.as_str() {
            "/oauth2/v1/token" => {
                self.answer(Grant::Exchange, request, stream, || domain.exchange(request));
            }
            _ => http::send(stream, &not_found()),
        }
    }

    fn answer(&self, grant: Grant, request: &Request, stream: TcpStream, process: impl FnOnce() -> Response) {
        self.journal.write(grant, request);
        self.faults.answer(grant, stream, process);
    }
}

fn not_found() -> Vec<u8> {
    Response::new(404, "text/plain", "nothing here").bytes()
}
