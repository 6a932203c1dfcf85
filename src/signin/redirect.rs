//! The redirect URI on this machine (RFC 8252 section 7.3): its host, its path, and the first of its ports that can be
//! listened on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::SIGN_IN;
use super::listener::{Listener, Port};
use super::request::Accepts;
use crate::error::{Error, Result};
use crate::files::lock::Lock;
use crate::host::Host;
use crate::log;

pub struct Redirect {
    /// The host is `localhost`, otherwise it is 127.0.0.1.
    pub is_localhost: bool,
    /// Begins with `/`.
    pub path: String,
    /// In the order in which they are tried.
    pub ports: Vec<RedirectPort>,
}

pub struct RedirectPort {
    /// 0 stands for any free port.
    pub number: u16,
    /// The lock file that the profiles which use this port share.
    pub lock: PathBuf,
}

/// A port that is listened on. No other sign-in of this user takes it until this is dropped.
pub struct OpenPort {
    pub listener: Listener,
    pub lock: Option<Lock>,
}

pub struct NoneFree<'a> {
    /// The first port that another sign-in of this user uses.
    pub held: Option<&'a RedirectPort>,
    /// Names the ports that other programs have.
    pub error: Error,
}

impl Redirect {
    pub fn host(&self) -> &'static str {
        if self.is_localhost { "localhost" } else { "127.0.0.1" }
    }

    pub fn uri(&self, port: u16) -> String {
        format!("http://{}:{port}{}", self.host(), self.path)
    }

    /// Listens on the first port that is free. Another sign-in of this user is waited for only if no port is.
    /// tiny_http's socket is in `folder`.
    ///
    /// # Errors
    /// [`Error::PortTaken`], naming every port, if other programs have them.
    pub fn open(&self, host: &Host, folder: &Path) -> Result<OpenPort> {
        let NoneFree { held, error } = match self.open_free(host, folder)? {
            Ok(open) => return Ok(open),
            Err(none_free) => none_free,
        };
        let Some(port) = held else { return Err(error) };
        if self.ports.len() > 1 {
            log::info(format_args!(
                "No redirect port is free; waiting for port {}, which another sign-in of yours uses",
                port.number
            ));
        }
        let lock = Some(Lock::acquire(&port.lock, SIGN_IN)?);
        Ok(OpenPort { listener: self.listen(host, folder, port.number)?, lock })
    }

    /// Listens on the first port that is free, and waits for none.
    pub fn open_free(
        &self,
        host: &Host,
        folder: &Path,
    ) -> Result<std::result::Result<OpenPort, NoneFree<'_>>> {
        let mut held = None;
        let mut taken: Vec<Error> = Vec::new();
        for port in &self.ports {
            // Nobody else gets the same free port from the system.
            let lock = match port.number {
                0 => None,
                _ => match Lock::acquire_within(&port.lock, SIGN_IN, Duration::ZERO, None) {
                    Err(Error::Locked { .. }) => {
                        held = held.or(Some(port));
                        continue;
                    }
                    lock => Some(lock?),
                },
            };
            match self.listen(host, folder, port.number) {
                Err(e @ (Error::PortTaken { .. } | Error::PortForbidden { .. })) => taken.push(e),
                listener => return Ok(Ok(OpenPort { listener: listener?, lock })),
            }
        }
        Ok(Err(NoneFree { held, error: none_of(&taken) }))
    }

    fn listen(&self, host: &Host, folder: &Path, number: u16) -> Result<Listener> {
        let Self { is_localhost, .. } = *self;
        Listener::bind(
            host,
            folder,
            &Port { number, is_localhost, accepts: Accepts::Gets, is_the_only_one: false },
        )
    }
}

/// The error for several ports of which none can be listened on. A forbidden one has an advice of its own only if all
/// are forbidden.
fn none_of(errors: &[Error]) -> Error {
    let (mut addresses, mut last, mut are_forbidden) = (Vec::new(), String::new(), !errors.is_empty());
    for e in errors {
        if let Error::PortTaken { address, why, .. } | Error::PortForbidden { address, why, .. } = e {
            addresses.push(address.as_str());
            last.clone_from(why);
            are_forbidden &= matches!(e, Error::PortForbidden { .. });
        }
    }
    let (address, why, is_the_only_one) = (addresses.join(" or "), last, false);
    match are_forbidden {
        true => Error::PortForbidden { address, why, is_the_only_one },
        false => Error::PortTaken { address, why, is_the_only_one },
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, TcpListener, TcpStream};
    use std::thread;

    use super::*;
    use crate::testing::Home;

    fn redirect(home: &Home, ports: &[u16]) -> Redirect {
        let port = |number: &u16| RedirectPort {
            number: *number,
            lock: home.path(&format!("callback-{number}.lock")),
        };
        Redirect { is_localhost: false, path: "/callback".into(), ports: ports.iter().map(port).collect() }
    }

    /// Two ports that were free a moment ago. The listener of each is closed.
    fn two_ports() -> (u16, u16) {
        let open = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (one, other) = (open(), open());
        (one.local_addr().unwrap().port(), other.local_addr().unwrap().port())
    }

    #[test]
    fn the_first_port_that_is_free_is_listened_on() {
        let (home, host) = (Home::new(), Host::of_this_process());
        let (one, other) = two_ports();
        let redirect = redirect(&home, &[one, other]);
        let first = redirect.open(&host, home.root()).unwrap();
        assert_eq!(first.listener.port(), one);
        let second = redirect.open(&host, home.root()).unwrap();
        assert_eq!(second.listener.port(), other, "the first port has its lock");
        drop((first, second));

        let taken = TcpListener::bind(("127.0.0.1", one)).unwrap();
        assert_eq!(redirect.open(&host, home.root()).unwrap().listener.port(), other);
        let both = (taken, TcpListener::bind(("127.0.0.1", other)).unwrap());
        let Err(Error::PortTaken { address, .. }) = redirect.open(&host, home.root()).map(|_| ()) else {
            panic!()
        };
        assert_eq!(address, format!("127.0.0.1:{one} or 127.0.0.1:{other}"));
        drop(both);
    }

    #[test]
    fn a_sign_in_of_ours_is_waited_for_if_no_port_is_free() {
        let (home, host) = (Home::new(), Host::of_this_process());
        let (one, other) = two_ports();
        let _taken = TcpListener::bind(("127.0.0.1", one)).unwrap();
        let redirect = redirect(&home, &[one, other]);
        let first = redirect.open(&host, home.root()).unwrap();
        thread::scope(|scope| {
            let second = scope.spawn(|| redirect.open(&host, home.root()).unwrap().listener.port());
            drop(first);
            assert_eq!(second.join().unwrap(), other);
        });
    }

    #[test]
    fn any_free_port_needs_no_lock_and_localhost_has_both_addresses() {
        let (home, host) = (Home::new(), Host::of_this_process());
        let mut redirect = redirect(&home, &[0]);
        redirect.is_localhost = true;
        let (one, other) =
            (redirect.open(&host, home.root()).unwrap(), redirect.open(&host, home.root()).unwrap());
        assert_ne!(one.listener.port(), other.listener.port());
        assert!(!home.path("callback-0.lock").exists());
        let port = one.listener.port();
        assert_eq!(redirect.uri(port), format!("http://localhost:{port}/callback"));
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok());
        }
    }
}
