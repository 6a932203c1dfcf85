//! What a request on the port means: the page at `/`, or the form by which that page hands over the answer. Pure.

use crate::oauth::url;
use crate::secret;
use crate::signin::request::{Method, Request};

pub enum Asked {
    /// The page that reads the fragment.
    Page,
    /// The fragment, handed over by that page.
    Fragment(String),
    /// Neither. Holds the HTTP status to answer with.
    Stray(u16),
}

/// Interprets a request. `value` is the hidden value of the page, which only the page's own origin can read.
pub fn read(request: &Request, port: u16, value: &str) -> Asked {
    if request.target != "/" {
        return Asked::Stray(404);
    }
    // A foreign page whose host name resolves to this machine (DNS rebinding) could otherwise read the page's value.
    if request.header("host") != Some(&format!("localhost:{port}")) {
        return Asked::Stray(400);
    }
    match request.method {
        Method::Get => Asked::Page,
        Method::Post => fragment(request, port, value).map_or(Asked::Stray(400), Asked::Fragment),
    }
}

fn fragment(request: &Request, port: u16, value: &str) -> Option<String> {
    if request.header("origin")? != format!("http://localhost:{port}") {
        return None;
    }
    let fields = url::parse_form(&request.body)?;
    let only = |name: &str| {
        let mut values = fields.iter().filter(|(n, _)| n == name).map(|(_, value)| value);
        values.next().filter(|_| values.next().is_none())
    };
    if !secret::is_same(only("value")?, value) {
        return None;
    }
    only("answer").cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signin::request::Accepts;

    const HEADERS: &str = "Host: localhost:8181\r\nOrigin: http://localhost:8181\r\n";

    fn say(line: &str, headers: &str, body: &str) -> String {
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let text = format!("{line} HTTP/1.1\r\n{headers}{length}\r\n{body}");
        let request = Request::parse(text.into_bytes(), Accepts::GetsAndForms).unwrap();
        match read(&request, 8181, "VALUE") {
            Asked::Page => "page".into(),
            Asked::Fragment(text) => text,
            Asked::Stray(status) => status.to_string(),
        }
    }

    #[test]
    fn the_page_and_its_form_are_at_the_root() {
        assert_eq!(say("GET /", HEADERS, ""), "page");
        assert_eq!(say("GET /", "host:localhost:8181\r\n", ""), "page");
        assert_eq!(say("POST /", HEADERS, "value=VALUE&answer=a%3Db%26c%3D%2525"), "a=b&c=%25");
        for target in ["/favicon.ico", "/callback", "//", "/?x", "/token?security_token=x"] {
            assert_eq!(say(&format!("GET {target}"), HEADERS, ""), "404", "{target}");
            assert_eq!(say(&format!("POST {target}"), HEADERS, "value=VALUE&answer=x"), "404", "{target}");
        }
    }

    #[test]
    fn another_host_name_gets_neither() {
        for host in ["", "Host: evil.example:8181\r\n", "Host: 127.0.0.1:8181\r\n", "Host: localhost\r\n"] {
            assert_eq!(say("GET /", host, ""), "400", "{host}");
            let headers = format!("{host}Origin: http://localhost:8181\r\n");
            assert_eq!(say("POST /", &headers, "value=VALUE&answer=x"), "400", "{host}");
        }
        assert_eq!(say("GET /", "Host: localhost:8181\r\nHost: evil.example\r\n", ""), "400");
    }

    #[test]
    fn only_the_pages_own_origin_hands_over_an_answer() {
        for origin in
            ["", "Origin: null\r\n", "Origin: http://evil.example\r\n", "Origin: https://localhost:8181\r\n"]
        {
            let headers = format!("Host: localhost:8181\r\n{origin}");
            assert_eq!(say("POST /", &headers, "value=VALUE&answer=x"), "400", "{origin}");
        }
    }

    #[test]
    fn only_a_form_with_the_pages_value_hands_over_an_answer() {
        for body in [
            "answer=x",
            "value=&answer=x",
            "value=VALU&answer=x",
            "value=VALUEE&answer=x",
            "value=VALUE&value=VALUE&answer=x",
            "value=VALUE",
            "value=VALUE&answer=x&answer=x",
            "value=VALUE&answer=%",
            "value=VALUE&answer=%ff",
            "{\"value\":\"VALUE\"}",
        ] {
            assert_eq!(say("POST /", HEADERS, body), "400", "{body}");
        }
    }
}
