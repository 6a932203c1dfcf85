//! Parses a request on the port of a sign-in: the bytes that arrived become a [`Request`]. Pure.
//!
//! Any local program can send requests to the port. A request is accepted only if its form is the one that browsers
//! send; all others are refused as a whole.

/// The requests that a way to sign in waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// GET without a body.
    Gets,
    /// The same, and POST with a body of known length.
    GetsAndForms,
}

impl Accepts {
    /// Size of a whole request in bytes. 8 KiB is too little: browsers send the cookies of all ports of the host. A
    /// form has two tokens of a few KiB besides.
    pub const fn largest(self) -> usize {
        match self {
            Self::Gets => 16 << 10,
            Self::GetsAndForms => 32 << 10,
        }
    }
}

/// The end of a request's head.
pub const HEAD_END: &[u8] = b"\r\n\r\n";
/// How a TLS handshake begins, which has no head.
pub const TLS_HELLO: &[u8] = &[0x16, 3];

pub enum Method {
    Get,
    Post,
}

/// A request that a browser may have sent.
pub struct Request {
    pub method: Method,
    /// The request target (RFC 9112 section 3.2), in visible ASCII.
    pub target: String,
    head: Vec<u8>,
    /// Empty in a GET request.
    pub body: Vec<u8>,
}

impl Request {
    /// `None` for a request that is not accepted. Bytes after the body are ignored.
    pub fn parse(mut bytes: Vec<u8>, accepts: Accepts) -> Option<Self> {
        let end = bytes.windows(HEAD_END.len()).position(|four| four == HEAD_END);
        let mut body = bytes.split_off(end.map_or(bytes.len(), |at| at + HEAD_END.len()));
        let head = bytes;
        let (method, target) = request_line(&head)?;
        let method = match method {
            b"GET" if !headers(&head).any(announces_body) => {
                body.clear();
                Method::Get
            }
            b"POST" if accepts == Accepts::GetsAndForms => {
                body.truncate(body_length(&head).filter(|length| *length <= body.len())?);
                Method::Post
            }
            _ => return None,
        };
        Some(Self { method, target: target.to_owned(), head, body })
    }

    /// Whether a browser has sent it to this port of this machine, as far as the host shows that it names. A page of
    /// another site can make its own name lead here, and then reads the answers. Whoever names no host is no browser.
    pub fn is_for(&self, port: u16) -> bool {
        let mut hosts = headers(&self.head).filter(|(name, _)| name.eq_ignore_ascii_case(b"host"));
        let Some((_, host)) = hosts.next() else { return true };
        let host = str::from_utf8(host).unwrap_or_default();
        let (name, number) = match host.rsplit_once(':') {
            Some((name, number)) if !number.contains(']') => (name, Some(number)),
            _ => (host, None),
        };
        let is_loopback =
            ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| name.eq_ignore_ascii_case(own));
        hosts.next().is_none() && is_loopback && number.is_none_or(|number| number == port.to_string())
    }

    /// The value of a header. `None` if the request does not have it exactly once.
    pub fn header(&self, name: &str) -> Option<&str> {
        str::from_utf8(only_header(&self.head, name.as_bytes())?).ok()
    }
}

/// The number of bytes that belong to the request with this whole head. A request that will be refused has no body, so
/// that its answer does not wait for one.
pub fn whole_length(head: &[u8], accepts: Accepts) -> usize {
    let body = match request_line(head) {
        Some((b"POST", _)) if accepts == Accepts::GetsAndForms => body_length(head).unwrap_or(0),
        _ => 0,
    };
    head.len().checked_add(body).filter(|whole| *whole <= accepts.largest()).unwrap_or(head.len())
}

/// The method and the target.
fn request_line(head: &[u8]) -> Option<(&[u8], &str)> {
    let mut words = lines(head).next()?.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_plain = target.starts_with(b"/")
        && target.iter().all(u8::is_ascii_graphic)
        && matches!(version, b"HTTP/1.1" | b"HTTP/1.0")
        && words.next().is_none();
    if is_plain { Some((method, str::from_utf8(target).ok()?)) } else { None }
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end)
}

/// Each header line as name and value.
fn headers(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines(head).skip(1).map(|line| {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        (line[..colon].trim_ascii(), line.get(colon + 1..).unwrap_or_default().trim_ascii())
    })
}

fn only_header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut values = headers(head).filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}

fn announces_body((name, value): (&[u8], &[u8])) -> bool {
    (name.eq_ignore_ascii_case(b"content-length") && value != b"0")
        || name.eq_ignore_ascii_case(b"transfer-encoding")
}

/// The length of a body that is not chunked and whose length is given once, in digits.
fn body_length(head: &[u8]) -> Option<usize> {
    if headers(head).any(|(name, _)| name.eq_ignore_ascii_case(b"transfer-encoding")) {
        return None;
    }
    let length = only_header(head, b"content-length").filter(|text| text.iter().all(u8::is_ascii_digit))?;
    str::from_utf8(length).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(request: &str) -> Option<Request> {
        Request::parse(request.into(), Accepts::GetsAndForms)
    }

    #[test]
    fn a_form_has_a_body_of_the_length_that_its_head_gives() {
        let request = form("POST / HTTP/1.1\r\nHost: h\r\ncontent-LENGTH:3 \r\n\r\na=bGET /").unwrap();
        assert!(matches!(request.method, Method::Post));
        assert_eq!((request.target.as_str(), request.body.as_slice()), ("/", &b"a=b"[..]));
        assert_eq!(request.header("host"), Some("h"));
        assert_eq!(form("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n").unwrap().body, b"");
    }

    #[test]
    fn a_body_of_unclear_length_is_refused() {
        for headers in [
            "",
            "Content-Length: 4",
            "Content-Length: +3",
            "Content-Length: -3",
            "Content-Length: 0x3",
            "Content-Length:",
            "Content-Length: 3, 3",
            "Content-Length: 3\r\nContent-Length: 3",
            "Content-Length: 99999999999",
            "Content-Length: 99999999999999999999999999999999",
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked",
        ] {
            let head = format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n");
            assert!(form(&format!("{head}a=b")).is_none(), "{headers}");
        }
    }

    #[test]
    fn only_a_way_that_waits_for_forms_accepts_one() {
        let request = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na=b";
        assert!(Request::parse(request.into(), Accepts::Gets).is_none());
        assert!(form(&request.replace("POST", "PUT")).is_none());
        assert!(form(&request.replace("POST", "GET")).is_none());
    }

    #[test]
    fn the_length_of_a_request_is_known_from_its_head() {
        let length = |head: &str, accepts| whole_length(head.as_bytes(), accepts) - head.len();
        let head = |length: &str| format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(length(&head("20"), Accepts::GetsAndForms), 20);
        assert_eq!(length(&head("20"), Accepts::Gets), 0);
        assert_eq!(length(&head("20").replace("POST", "GET"), Accepts::GetsAndForms), 0);
        for refused in ["32768", "99999999999", "18446744073709551615", "x"] {
            assert_eq!(length(&head(refused), Accepts::GetsAndForms), 0, "{refused}");
        }
        let most = 32_768 - head("32000").len();
        assert_eq!(length(&head(&most.to_string()), Accepts::GetsAndForms), most);
        assert_eq!(length(&head(&(most + 1).to_string()), Accepts::GetsAndForms), 0);
    }

    #[test]
    fn a_request_is_for_this_port_if_it_names_this_machine_once() {
        let is_for = |hosts: &str| form(&format!("GET / HTTP/1.1\r\n{hosts}\r\n")).unwrap().is_for(8181);
        for good in [
            "",
            "Host: 127.0.0.1:8181\r\n",
            "host:LOCALHOST:8181\r\n",
            "Host: [::1]:8181\r\n",
            "Host: [::1]\r\n",
        ] {
            assert!(is_for(good), "{good}");
        }
        for bad in [
            "Host: evil.example\r\n",
            "Host: evil.example:8181\r\n",
            "Host: 127.0.0.1:8182\r\n",
            "Host: 127.0.0.1:\r\n",
            "Host: [::1]x:8181\r\n",
            "Host:\r\n",
            "Host: \u{e4}\r\n",
            "Host: 127.0.0.1:8181\r\nHost: 127.0.0.1:8181\r\n",
        ] {
            assert!(!is_for(bad), "{bad}");
        }
    }

    #[test]
    fn a_header_counts_only_if_it_is_there_once() {
        let request = form("GET / HTTP/1.1\r\nHost: a\r\nOrigin: b\r\norigin: b\r\nOdd\r\n\r\n").unwrap();
        assert_eq!(request.header("Host"), Some("a"));
        assert_eq!(request.header("Origin"), None);
        assert_eq!(request.header("Odd"), Some(""));
        assert_eq!(request.header("Cookie"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, start in "(GET|POST) / HTTP/1\\.[01]\r\n[ -~\r\n]{0,60}") {
            for accepts in [Accepts::Gets, Accepts::GetsAndForms] {
                let _ = Request::parse(bytes.clone(), accepts);
                let whole = [start.as_bytes(), &bytes].concat();
                prop_assert!(whole_length(&whole, accepts) >= whole.len());
                let _ = Request::parse(whole, accepts);
            }
        }

        #[test]
        fn a_target_holds_only_visible_ascii(head: Vec<u8>, tail in "[!-~]{0,40}") {
            let line = [b"GET /".as_slice(), &head, tail.as_bytes(), b" HTTP/1.1\r\n\r\n"].concat();
            if let Some(request) = Request::parse(line, Accepts::Gets) {
                prop_assert!(request.target.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
