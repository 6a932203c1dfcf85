//! Whose socket is at the other end of a connection to the port, by the tables of Linux.
//!
//! The authorization URL with its `state` stands in the browser's command line, where every user of the
//! machine can read it. What it cannot give away is the user who owns the browser's socket.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;

use crate::files;
use crate::sys;

/// An IPv6 socket that connects to `::ffff:127.0.0.1` is in the second table.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// A table that changes while it is read may leave out a row.
const LOOKS: u32 = 3;

/// What the tables say of the peer.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    User(u32),
    /// The program has closed its socket, so that nobody waits for an answer. The tables show root as
    /// the owner of such a socket.
    Gone,
    /// There are no tables, or they do not hold this connection, as in some sandboxes.
    Unknown,
}

/// True if the connection was made by another user than ours and root, or its other end is gone.
pub fn is_strange(stream: &TcpStream) -> bool {
    let (Ok(peer), Ok(own)) = (stream.peer_addr(), stream.local_addr()) else { return true };
    let mut found = Owner::Unknown;
    for _ in 0..LOOKS {
        let read = |path: &&str| String::from_utf8(files::read(Path::new(path)).ok()??).ok();
        let tables: Vec<String> = TABLES.iter().filter_map(read).collect();
        found = owner(&tables, peer, own);
        if let Owner::User(id) = found {
            return id != 0 && id != sys::user();
        }
    }
    found == Owner::Gone
}

fn owner(tables: &[String], peer: SocketAddr, own: SocketAddr) -> Owner {
    let (peer, own) = (forms(peer), forms(own));
    let mut is_known = false;
    let mut own_end = false;
    for row in tables.iter().flat_map(|table| table.lines().skip(1)) {
        let words: Vec<&str> = row.split_whitespace().collect();
        let [_, local, remote, _, _, _, _, user, _, inode, ..] = words.as_slice() else { continue };
        is_known = true;
        let is = |forms: &[String], word: &str| forms.iter().any(|form| form == word);
        if is(&peer, local) && is(&own, remote) {
            return match user.parse() {
                Ok(user) if *inode != "0" => Owner::User(user),
                _ => Owner::Gone,
            };
        }
        own_end |= is(&own, local) && is(&peer, remote);
    }
    // A reset removes both ends. Where only the other end is not shown, it is out of sight.
    if is_known && !own_end { Owner::Gone } else { Owner::Unknown }
}

/// An address as the tables write it: in hexadecimal, the bytes of each 32 bits in the machine's order.
/// An IPv4 address has a second form, in the table of IPv6.
fn forms(address: SocketAddr) -> Vec<String> {
    let form = |octets: &[u8]| {
        let word = |four: &[u8; 4]| format!("{:08X}", u32::from_ne_bytes(*four));
        let words: String = octets.as_chunks().0.iter().map(word).collect();
        format!("{words}:{:04X}", address.port())
    };
    match address.ip() {
        IpAddr::V4(ip) => vec![form(&ip.octets()), form(&ip.to_ipv6_mapped().octets())],
        IpAddr::V6(ip) => vec![form(&ip.octets())],
    }
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    #[cfg(target_os = "linux")]
    use std::net::{Ipv6Addr, TcpListener};

    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    const OWN_END: &str = "   0: 0100007F:1FF5 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 111 1 0 20 4 30 10 -1\n";

    fn of(tables: &[&str]) -> Owner {
        let tables: Vec<String> = tables.iter().map(|rows| format!("{HEAD}{rows}")).collect();
        owner(&tables, "127.0.0.1:50000".parse().unwrap(), "127.0.0.1:8181".parse().unwrap())
    }

    fn row(local: &str, remote: &str, user: u32, inode: u32) -> String {
        format!(
            "   1: {local} {remote} 01 00000000:00000000 00:00000000 00000000  {user}        0 {inode} 1 0 20 4 30 10 -1\n"
        )
    }

    #[test]
    fn the_owner_is_in_the_row_whose_local_address_is_the_peers() {
        let other = row("0100007F:C351", "0100007F:1FF5", 5, 7);
        let peer = row("0100007F:C350", "0100007F:1FF5", 4242, 7);
        assert_eq!(of(&[&format!("{OWN_END}{other}{peer}")]), Owner::User(4242));
        let mapped = "0000000000000000FFFF00000100007F";
        let peer = row(&format!("{mapped}:C350"), &format!("{mapped}:1FF5"), 4242, 7);
        assert_eq!(of(&[OWN_END, &peer]), Owner::User(4242));
    }

    #[test]
    fn an_ipv6_peer_is_in_the_second_table() {
        let loopback = "00000000000000000000000001000000";
        let rows = row(&format!("{loopback}:C350"), &format!("{loopback}:1FF5"), 4242, 7);
        let tables = [format!("{HEAD}{OWN_END}"), format!("{HEAD}{rows}")];
        let found = owner(&tables, "[::1]:50000".parse().unwrap(), "[::1]:8181".parse().unwrap());
        assert_eq!(found, Owner::User(4242));
        assert_eq!(of(&[OWN_END, &rows]), Owner::Unknown, "it is no peer on 127.0.0.1");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_tables_of_this_machine_show_our_own_sockets() {
        for ip in [IpAddr::from([127, 0, 0, 1]), Ipv6Addr::LOCALHOST.into()] {
            let Ok(port) = TcpListener::bind((ip, 0)) else {
                eprintln!("skipped: this machine has no address {ip}");
                continue;
            };
            let peer = TcpStream::connect(port.local_addr().unwrap()).unwrap();
            let (stream, _) = port.accept().unwrap();
            assert!(!is_strange(&stream), "{ip}");
            drop(peer);
        }
    }

    #[test]
    fn a_socket_without_inode_has_lost_its_owner() {
        let peer = row("0100007F:C350", "0100007F:1FF5", 0, 0);
        assert_eq!(of(&[&format!("{OWN_END}{peer}")]), Owner::Gone);
    }

    #[test]
    fn a_peer_that_is_not_shown_is_unknown_while_our_own_end_is_there() {
        assert_eq!(of(&[OWN_END]), Owner::Unknown);
        assert_eq!(of(&[&row("0100007F:C351", "0100007F:1FF5", 5, 7)]), Owner::Gone);
    }

    #[test]
    fn without_tables_nothing_is_known() {
        assert_eq!(of(&[]), Owner::Unknown);
        assert_eq!(of(&[""]), Owner::Unknown);
    }
}
