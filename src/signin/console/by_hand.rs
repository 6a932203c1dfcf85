//! A sign-in at a browser that cannot reach this machine: what the person is told to do, and the address that the
//! person pastes on the terminal. Pure.

use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::host::Env;

/// An address with its two tokens is shorter.
const LONGEST: usize = 32 << 10;

/// What to do without a browser on this machine, after the Auth URL was printed.
pub fn instructions(env: &Env, port: u16) -> String {
    format!(
        "Open the URL above in a browser on any machine. Then do one of these:
- If the last page does not load, copy its whole address (http://localhost:{port}/#…) and paste it here. It is not shown.
- Or run this on the machine with the browser, before you sign in, so that the page loads:
    {}",
        ssh_command(env, port)
    )
}

/// The command that makes the port of this machine reachable on the machine with the browser.
fn ssh_command(env: &Env, port: u16) -> String {
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
        Some((address, 22)) => format!("ssh -L {port}:localhost:{port} {user}{address}"),
        Some((address, ssh_port)) => {
            format!("ssh -p {ssh_port} -L {port}:localhost:{port} {user}{address}")
        }
        None => format!("ssh -L {port}:localhost:{port} <this host>"),
    }
}

/// The fragment of a pasted address.
///
/// # Errors
/// Why the text has none: `it …`.
pub fn fragment(text: &str, port: u16) -> Result<&str, &'static str> {
    let text = text.trim();
    let after_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    let has_scheme = after_scheme.len() < text.len();
    if has_scheme && !text.starts_with("http://") && !text.starts_with("https://") {
        return Err("it is not an address of this sign-in");
    }
    let own = format!("localhost:{port}");
    let rest = after_scheme.strip_prefix(own.as_str()).ok_or("it is not an address of this sign-in")?;
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    match rest.strip_prefix('#') {
        Some(fragment) if !fragment.is_empty() => Ok(fragment),
        None if !rest.is_empty() => Err("it is not an address of this sign-in"),
        _ => Err("it has no #security_token"),
    }
}

/// What is typed on the terminal, until a line of it is whole.
pub struct Typed {
    /// Has its whole capacity from the beginning, so that growing leaves no copy in memory.
    line: Zeroizing<Vec<u8>>,
    is_too_long: bool,
    /// Something was typed, and more may come.
    pub has_begun: bool,
}

/// A whole line that was typed or pasted.
pub enum Line {
    Text(Zeroizing<String>),
    TooLong,
}

impl Typed {
    pub fn nothing() -> Self {
        Self { line: Zeroizing::new(Vec::with_capacity(LONGEST)), is_too_long: false, has_begun: false }
    }

    /// Takes bytes, and returns the first line that they complete; what follows it is dropped. A line that is blank
    /// does not count.
    pub fn take(&mut self, bytes: &[u8]) -> Option<Line> {
        /// The marks that a terminal puts around a paste, if the shell has asked for them.
        const END_OF_PASTE: &[u8] = b"\x1b[201~";
        const MARKS: [&[u8]; 2] = [b"\x1b[200~", END_OF_PASTE];
        for byte in bytes {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command(variables: &[(&str, &str)]) -> String {
        let text = instructions(&Env::of(variables), 8181);
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

    #[test]
    fn an_address_is_accepted_as_browsers_show_it() {
        for text in [
            "http://localhost:8181/#a=b&c=d",
            "http://localhost:8181#a=b&c=d",
            "https://localhost:8181/#a=b&c=d",
            "localhost:8181/#a=b&c=d",
            "  localhost:8181/#a=b&c=d\t",
        ] {
            assert_eq!(fragment(text, 8181), Ok("a=b&c=d"), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_reason() {
        let not_of_this = "it is not an address of this sign-in";
        for (text, why) in [
            ("", not_of_this),
            ("ls -l", not_of_this),
            ("http://localhost:8182/#a=b", not_of_this),
            ("http://localhost:81811/#a=b", not_of_this),
            ("http://127.0.0.1:8181/#a=b", not_of_this),
            ("http://evil.example/localhost:8181/#a=b", not_of_this),
            ("ftp://localhost:8181/#a=b", not_of_this),
            ("https://login.eu-frankfurt-1.oraclecloud.com/v1/oauth2/authorize?action=login", not_of_this),
            ("http://localhost:8181/callback#a=b", not_of_this),
            ("http://localhost:8181/", "it has no #security_token"),
            ("http://localhost:8181", "it has no #security_token"),
            ("http://localhost:8181/#", "it has no #security_token"),
        ] {
            assert_eq!(fragment(text, 8181), Err(why), "{text}");
        }
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
    fn a_line_longer_than_any_address_is_dropped() {
        let longest = [b'a'; LONGEST];
        assert_eq!(typed(&[&longest, b"\n"]), [String::from_utf8(longest.to_vec()).unwrap()]);
        assert_eq!(typed(&[&longest, b"a", b"\n", b"next\n"]), ["too long", "next"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String, bytes: Vec<u8>) {
            let _ = fragment(&text, 8181);
            let _ = fragment(&format!("localhost:8181{text}"), 8181);
            let _ = Typed::nothing().take(&bytes);
        }
    }
}
