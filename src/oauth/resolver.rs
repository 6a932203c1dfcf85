//! Finds the addresses of a host. `localhost` is this machine without asking anybody: tokens are sent to it over plain
//! http, and a hosts file or a name server can say that it is another machine.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::{Error, Timeout};

use super::url;

/// ureq keeps no more addresses.
const MOST_ADDRESSES: usize = 16;

#[derive(Debug)]
pub struct Addresses;

impl Resolver for Addresses {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let (scheme, authority) = uri.scheme().zip(uri.authority()).ok_or(Error::HostNotFound)?;
        let name = DefaultResolver::host_and_port(scheme, authority).ok_or(Error::HostNotFound)?;
        let mut addresses = self.empty();
        for address in find(name, timeout)?.into_iter().take(MOST_ADDRESSES) {
            addresses.push(address);
        }
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// The addresses of a host and port.
fn find(name: String, timeout: NextTimeout) -> Result<Vec<SocketAddr>, Error> {
    if let Some((host, port)) = name.rsplit_once(':')
        && url::is_localhost(host)
        && let Ok(port) = port.parse()
    {
        return Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]);
    }
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    look_up(name, timeout)
}

/// Asks the system, in a thread, since the system's lookup has no timeout. If the system gives no thread, the lookup
/// may take longer.
fn look_up(name: String, timeout: NextTimeout) -> Result<Vec<SocketAddr>, Error> {
    let (tell, told) = mpsc::sync_channel(1);
    let asked = name.clone();
    let thread = thread::Builder::new().spawn(move || {
        let _ = tell.send(asked.to_socket_addrs());
    });
    let found = match thread {
        Err(_) => name.to_socket_addrs(),
        Ok(_) => match told.recv_timeout(*timeout.after) {
            Ok(found) => found,
            Err(RecvTimeoutError::Timeout) => return Err(Error::Timeout(Timeout::Resolve)),
            Err(RecvTimeoutError::Disconnected) => return Err(Error::HostNotFound),
        },
    };
    Ok(found?.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(url: &str) -> Vec<String> {
        let soon = NextTimeout {
            after: std::time::Duration::from_secs(5).into(),
            reason: Timeout::Resolve,
            ..NextTimeout::default()
        };
        let found = Addresses.resolve(&url.parse().unwrap(), &Config::default(), soon);
        found.unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn localhost_is_this_machine_without_a_lookup() {
        for host in ["localhost", "LocalHost", "localhost.", "LOCALHOST."] {
            assert_eq!(addresses(&format!("http://{host}:8080/token")), ["127.0.0.1:8080", "[::1]:8080"]);
        }
        assert_eq!(addresses("https://localhost/token"), ["127.0.0.1:443", "[::1]:443"]);
        assert_eq!(addresses("http://localhost"), ["127.0.0.1:80", "[::1]:80"]);
    }

    #[test]
    fn an_address_is_taken_as_it_is() {
        assert_eq!(addresses("http://127.0.0.2:1/"), ["127.0.0.2:1"]);
        assert_eq!(addresses("https://[2001:db8::1]/"), ["[2001:db8::1]:443"]);
    }
}
