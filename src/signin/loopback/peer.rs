//! Whose socket is at the other end of a connection to the port, by the tables of Linux.
//!
//! The authorization URL with its `state` stands in the browser's command line, where every user of the
//! machine can read it. What it cannot give away is the user who owns the browser's socket.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
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
    let (Ok(SocketAddr::V4(peer)), Ok(SocketAddr::V4(own))) = (stream.peer_addr(), stream.local_addr())
    else {
        return true;
    };
    let mut found = Owner::Unknown;
    for _ in 0..LOOKS {
        let read = |path: &&str| String::from_utf8(files::read(Path::new(path)).ok()??).ok();
        let tables: Vec<String> = TABLES.iter().filter_map(read).collect();
        found = owner(&tables, (*peer.ip(), peer.port()), (*own.ip(), own.port()));
        if let Owner::User(id) = found {
            return id != 0 && id != sys::user();
        }
    }
    found == Owner::Gone
}

fn owner(tables: &[String], peer: (Ipv4Addr, u16), own: (Ipv4Addr, u16)) -> Owner {
    let (peer, own) = (forms(peer), forms(own));
    let mut is_known = false;
    let mut own_end = false;
    for row in tables.iter().flat_map(|table| table.lines().skip(1)) {
        let words: Vec<&str> = row.split_whitespace().collect();
        let [_, local, remote, _, _, _, _, user, _, inode, ..] = words.as_slice() else { continue };
        is_known = true;
        let is = |forms: &[String; 2], word: &str| forms.iter().any(|form| form == word);
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
fn forms((ip, port): (Ipv4Addr, u16)) -> [String; 2] {
    let ip = u32::from_ne_bytes(ip.octets());
    let mapped = u32::from_ne_bytes([0, 0, 0xff, 0xff]);
    [format!("{ip:08X}:{port:04X}"), format!("{:016X}{mapped:08X}{ip:08X}:{port:04X}", 0)]
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    const OWN_END: &str = "   0: 0100007F:1FF5 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 111 1 0 20 4 30 10 -1\n";

    fn of(tables: &[&str]) -> Owner {
        let tables: Vec<String> = tables.iter().map(|rows| format!("{HEAD}{rows}")).collect();
        owner(&tables, (Ipv4Addr::LOCALHOST, 50_000), (Ipv4Addr::LOCALHOST, 8181))
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
