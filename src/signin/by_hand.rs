//! A sign-in at a browser that cannot reach this machine: what the person is told to do, and the address that the
//! person pastes on the terminal. Pure.

use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::host::Env;

/// An address with its two tokens is shorter.
const LONGEST: usize = 32 << 10;

/// What a sign-in by hand is told to the person with.
pub struct ByHand<'a> {
    /// The address of the last page, as the person sees it, and what else of it may be pasted.
    pub last_page: String,
    /// Host and port that are listened on, unless another program has the port.
    pub listens_on: Option<(&'a str, u16)>,
    /// The values of `--sign-in-with` that stand for another way.
    pub other_ways: &'a str,
}

impl ByHand<'_> {
    /// What to do without a browser on this machine, after the Auth URL was printed.
    pub fn instructions(&self, env: &Env) -> String {
        let Self { last_page, listens_on, other_ways } = self;
        let open = format!(
            "Open the URL above in a browser on any machine (to sign in another way: --sign-in-with {other_ways})."
        );
        let Some((host, port)) = listens_on else {
            return format!(
                "{open}
The last page does not load. Copy its whole address ({last_page}) and paste it here. The terminal does not show it."
            );
        };
        format!(
            "{open} Then do one of these:
- If the last page does not load, copy its whole address ({last_page}) and paste it here. The terminal does not show it.
- Or run this on the machine with the browser, before you sign in, so that the page loads:
    {}",
            ssh_command(env, host, *port)
        )
    }
}

/// The command that makes the port of this machine reachable on the machine with the browser.
fn ssh_command(env: &Env, host: &str, port: u16) -> String {
    let text = |name: &str| env.get(name).and_then(|value| value.to_str());
    // The addresses and ports of both ends: client, client's port, server, server's port (ssh(1)).
    let connection: Vec<&str> = text("SSH_CONNECTION").unwrap_or_default().split(' ').collect();
    let server = match connection[..] {
        [_, _, address, ssh_port] => address.parse::<IpAddr>().ok().zip(ssh_port.parse::<u16>().ok()),
        _ => None,
    };
    // Other characters could change the command when it is pasted into a shell.
    let is_plain = |name: &&str| {
        !name.starts_with('-') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let user = text("USER").or(text("LOGNAME")).filter(is_plain);
    let user = user.map_or(String::new(), |user| format!("{user}@"));
    match server {
        Some((address, 22)) => format!("ssh -L {port}:{host}:{port} {user}{address}"),
        Some((address, ssh_port)) => {
            format!("ssh -p {ssh_port} -L {port}:{host}:{port} {user}{address}")
        }
        None => format!("ssh -L {port}:{host}:{port} <this host>"),
    }
}

/// What is typed on the terminal, until a line of it is whole.
pub struct Typed {
    /// Has its whole capacity from the first byte on, so that growing leaves no copy in memory.
    line: Zeroizing<Vec<u8>>,
    is_too_long: bool,
    /// Something was typed, and more may come.
    pub has_begun: bool,
    /// More than blanks came with the last line, after its end.
    pub has_more: bool,
}

/// A whole line that was typed or pasted.
pub enum Line {
    Text(Zeroizing<String>),
    TooLong,
}

impl Typed {
    pub fn nothing() -> Self {
        Self { line: Zeroizing::default(), is_too_long: false, has_begun: false, has_more: false }
    }

    /// Takes bytes, and returns the first line that they complete; what follows it is dropped. A line that is blank
    /// does not count.
    pub fn take(&mut self, bytes: &[u8]) -> Option<Line> {
        /// The marks that a terminal puts around a paste, if the shell has asked for them.
        const END_OF_PASTE: &[u8] = b"\x1b[201~";
        const MARKS: [&[u8]; 2] = [b"\x1b[200~", END_OF_PASTE];
        if !bytes.is_empty() && self.line.capacity() == 0 {
            self.line.reserve_exact(LONGEST);
        }
        for (at, byte) in bytes.iter().enumerate() {
            self.has_begun = true;
            let is_end = match byte {
                b'\r' | b'\n' => true,
                // Backspace, and Ctrl-U.
                0x08 | 0x7f => {
                    self.line.pop();
                    false
                }
                0x15 => {
                    self.forget();
                    false
                }
                byte => {
                    if self.line.len() < LONGEST {
                        self.line.push(*byte);
                    } else {
                        self.is_too_long = true;
                    }
                    self.line.ends_with(END_OF_PASTE)
                }
            };
            for mark in MARKS {
                if self.line.ends_with(mark) {
                    let length = self.line.len() - mark.len();
                    self.line.truncate(length);
                }
            }
            if is_end {
                let text = Zeroizing::new(String::from_utf8_lossy(&self.line).into_owned());
                let is_too_long = self.is_too_long;
                self.forget();
                self.has_more = !is_blank(&bytes[at + 1..]);
                if is_too_long {
                    return Some(Line::TooLong);
                }
                if !text.trim().is_empty() {
                    return Some(Line::Text(text));
                }
            }
        }
        None
    }

    fn forget(&mut self) {
        self.line.clear();
        self.is_too_long = false;
    }
}

/// Whether bytes are no text: white space, or the mark after a paste.
pub fn is_blank(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii();
    bytes.is_empty() || bytes == b"\x1b[201~"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command(variables: &[(&str, &str)]) -> String {
        let by_hand = ByHand {
            last_page: "http://localhost:8181/#…".into(),
            listens_on: Some(("localhost", 8181)),
            other_ways: "browser",
        };
        let text = by_hand.instructions(&Env::of(variables));
        text.lines().last().unwrap().trim_start().to_owned()
    }

    #[test]
    fn the_command_names_this_machine_as_ssh_knows_it() {
        let ssh = |connection| ("SSH_CONNECTION", connection);
        for (variables, expected) in [
            (vec![], "<this host>"),
            (vec![("USER", "ada")], "<this host>"),
            (vec![ssh("192.0.2.7 50000 192.0.2.9 22")], "192.0.2.9"),
            (vec![ssh("192.0.2.7 50000 192.0.2.9 22"), ("USER", "ada")], "ada@192.0.2.9"),
            (vec![ssh("2001:db8::1 50000 2001:db8::2 22"), ("LOGNAME", "a.b-c")], "a.b-c@2001:db8::2"),
            (vec![ssh("192.0.2.7 50000 192.0.2.9 22"), ("USER", "a$(id)")], "192.0.2.9"),
            (vec![ssh("192.0.2.7 50000 192.0.2.9 22"), ("USER", "-v")], "192.0.2.9"),
            (vec![ssh("192.0.2.7 50000 $(id) 22"), ("USER", "ada")], "<this host>"),
            (vec![ssh("UNKNOWN"), ("USER", "ada")], "<this host>"),
        ] {
            assert_eq!(
                command(&variables),
                format!("ssh -L 8181:localhost:8181 {expected}"),
                "{variables:?}"
            );
        }
        let other_port = command(&[ssh("192.0.2.7 50000 192.0.2.9 2222"), ("USER", "ada")]);
        assert_eq!(other_port, "ssh -p 2222 -L 8181:localhost:8181 ada@192.0.2.9");
    }

    fn typed(pieces: &[&[u8]]) -> Vec<String> {
        let mut typed = Typed::nothing();
        let lines = pieces.iter().filter_map(|piece| typed.take(piece));
        lines
            .map(|line| match line {
                Line::Text(text) => text.to_string(),
                Line::TooLong => "too long".into(),
            })
            .collect()
    }

    #[test]
    fn a_line_ends_with_enter_or_with_the_mark_after_a_paste() {
        assert_eq!(typed(&[b"ab", b"c\r", b"\n", b"d\n"]), ["abc", "d"]);
        assert_eq!(typed(&[b"\x1b[200", b"~abc\x1b[201~", b"\n"]), ["abc"]);
        assert_eq!(typed(&[b"\n \n", b"abc"]), [""; 0]);
        assert_eq!(typed(&[b"ax\x7fb\x08c\n"]), ["ac"]);
        assert_eq!(typed(&[b"wrong\x15right\n"]), ["right"]);
        assert_eq!(typed(&[b"\x7f\x7fa\n"]), ["a"]);
    }

    #[test]
    fn text_after_the_line_is_noticed() {
        for (bytes, expected) in [
            (&b"a\n"[..], false),
            (b"a\n\r\n ", false),
            (b"a\x1b[201~\n", false),
            (b"a\nb", true),
            (b"a\r\nb\n", true),
        ] {
            let mut typed = Typed::nothing();
            assert!(typed.take(bytes).is_some());
            assert_eq!(typed.has_more, expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_line_longer_than_any_address_is_dropped() {
        let longest = [b'a'; LONGEST];
        assert_eq!(typed(&[&longest, b"\n"]), [String::from_utf8(longest.to_vec()).unwrap()]);
        assert_eq!(typed(&[&longest, b"a", b"\n", b"next\n"]), ["too long", "next"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Typed::nothing().take(&bytes);
        }
    }
}
