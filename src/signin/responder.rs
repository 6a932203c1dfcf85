//! tiny_http, which writes the HTTP responses of a sign-in's port: status line, headers, length and body of the page.
//!
//! Requests are read by the listener, and tiny_http gets only the request line of one that the listener has accepted,
//! never a body. The request line reaches it over a Unix socket that no other process can open, and the response is
//! copied to the browser. (A pair of connected sockets would need no path, but tiny_http accepts connections itself.)

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tiny_http::{Header, Response, Server};

use super::page::Page;
use super::request::HEAD_END;
use crate::error::Result;
use crate::files;
use crate::host::{self, Host};

/// Time for tiny_http to take a request.
const LIMIT: Duration = Duration::from_secs(5);

/// tiny_http, serving one connection. No other user can connect, since the socket is in a folder of mode
/// 0700; and it is removed from the file system before the first request.
pub struct Responder {
    connection: UnixStream,
    server: Server,
    /// A second handle of the listening socket, to shut it down.
    listening: UnixStream,
}

impl Responder {
    pub fn start(host: &Host, folder: &Path) -> Result<Self> {
        let suffix = format!("{:016x}", u64::from_ne_bytes(host::random()?));
        // In the session folder, where the next run removes what a killed one left.
        let mut failure = match Self::start_in_folder(folder, &suffix) {
            Ok(this) => return Ok(this),
            Err(e) => files::file_error("make a socket in", folder, &e),
        };
        for parent in other_folders(host) {
            match Self::start_in_new_folder(&parent.join(format!("woci-{suffix}"))) {
                Ok(this) => return Ok(this),
                Err(e) => failure = files::file_error("make a socket in", &parent, &e),
            }
        }
        Err(failure)
    }

    fn start_in_folder(folder: &Path, suffix: &str) -> io::Result<Self> {
        let open = files::open_folder(folder)?;
        // By its descriptor, where the system has such paths: a socket's own may not be longer than 104 bytes.
        let by_descriptor = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
        let folder = if by_descriptor.exists() { &by_descriptor } else { folder };
        Self::start_at(&files::temporary_beside(&folder.join("http"), suffix))
    }

    fn start_in_new_folder(folder: &Path) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(folder)?;
        // Set again, since a strict umask takes permissions from the owner as well.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        let started = Self::start_at(&folder.join("http"));
        let _ = fs::remove_dir(folder);
        started
    }

    fn start_at(socket: &Path) -> io::Result<Self> {
        let both_ends = UnixListener::bind(socket).and_then(|listener| {
            fs::set_permissions(socket, fs::Permissions::from_mode(0o600))?;
            Ok((listener, UnixStream::connect(socket)?))
        });
        let _ = fs::remove_file(socket);
        let (listener, connection) = both_ends?;
        let listening = UnixStream::from(OwnedFd::from(listener.try_clone()?));
        let server = Server::from_listener(listener, None).map_err(io::Error::other)?;
        Ok(Self { connection, server, listening })
    }

    /// The bytes of tiny_http's response with this page. `target` is that of an accepted request.
    pub fn answer(&mut self, target: &str, page: Page) -> io::Result<Vec<u8>> {
        // The write waits for tiny_http, since the request may be larger than the socket's buffer.
        self.connection.set_nonblocking(false)?;
        self.connection.write_all(format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes())?;
        let request = self.server.recv_timeout(LIMIT)?.ok_or(ErrorKind::TimedOut)?;
        let headers = page.headers();
        let mut response = Response::from_string(page.html).with_status_code(page.status);
        for (name, value) in headers {
            response.add_header(Header::from_bytes(name, value).expect("a constant header is valid"));
        }
        request.respond(response)?;
        // The read does not wait, since `respond` has written the whole response into the buffer.
        self.connection.set_nonblocking(true)?;
        let mut answer = Vec::new();
        match self.connection.read_to_end(&mut answer) {
            Err(e) if e.kind() != ErrorKind::WouldBlock => Err(e),
            _ => Ok(for_browsers(&answer)),
        }
    }
}

/// The response without the name of the server, which nobody needs to know, and with what tiny_http does not say: that
/// the connection is closed after it.
fn for_browsers(response: &[u8]) -> Vec<u8> {
    let end = response.windows(HEAD_END.len()).position(|four| four == HEAD_END).unwrap_or(response.len());
    let (head, rest) = response.split_at(end);
    let named = |line: &[u8], name: &[u8]| {
        line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    let mut lines: Vec<&[u8]> = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).collect();
    lines.retain(|line| !named(line, b"server:") && !named(line, b"connection:"));
    lines.push(b"Connection: close");
    [&lines.join(&b"\r\n"[..]), rest].concat()
}

impl Drop for Responder {
    /// Ends tiny_http's accepting thread. tiny_http does so by connecting to its socket, which no longer
    /// has a path here.
    fn drop(&mut self) {
        let _ = self.listening.shutdown(Shutdown::Both);
    }
}

/// Parent folders for a folder of the socket's own, in order of preference, if the session folder takes no sockets.
/// Each may fail, as a socket's path has to be shorter than 104 bytes (macOS; 108 on Linux).
fn other_folders(host: &Host) -> Vec<PathBuf> {
    let variables = ["XDG_RUNTIME_DIR", "TMPDIR"].into_iter().filter_map(|name| host.env.get(name));
    let mut folders: Vec<PathBuf> = variables.map(PathBuf::from).filter(|path| path.is_absolute()).collect();
    folders.push("/tmp".into());
    folders.extend(host.home().map(Path::to_owned));
    folders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Env;
    use crate::testing::Home;

    #[test]
    fn the_socket_is_removed_from_disk_before_the_first_request() {
        let home = Home::new();
        let too_long = "x".repeat(100);
        let path = home.make_folder(&too_long);
        let places = [("XDG_RUNTIME_DIR", path.to_str().unwrap()), ("TMPDIR", home.root().to_str().unwrap())];
        let mut host = Host::of_this_process();
        host.env = Env::of(&places);
        for folder in [path.as_path(), Path::new("/no/such/folder")] {
            let _responder = Responder::start(&host, folder).unwrap();
            assert_eq!((home.names(""), home.names(&too_long)), (vec![too_long.clone()], vec![]));
        }
        assert_eq!(fs::metadata(home.root()).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
