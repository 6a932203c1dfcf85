//! The check of configured URLs, and the encoding of forms and queries
//! (application/x-www-form-urlencoded, RFC 6749 appendix B).

use std::net::{IpAddr, Ipv6Addr};

/// Whether tokens may be sent to a URL: it has to be https, or http to a loopback host.
///
/// # Errors
/// The reason why the URL is refused.
pub fn check(url: &str) -> Result<(), String> {
    if url.contains(|c: char| c.is_control() || c.is_whitespace() || !c.is_ascii()) {
        return Err("it holds white space, control characters or non-ASCII characters".into());
    }
    let (scheme, rest) = url.split_once("://").ok_or("it does not begin with https://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if url.contains('#') {
        return Err("it has a fragment".into());
    }
    if authority.contains('@') {
        return Err("it holds a user name or a password".into());
    }
    let (host, port) = split_port(authority);
    if host.is_empty() || host == "[]" {
        return Err("it names no host".into());
    }
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return Err("its port is not a number from 1 to 65535".into());
    }
    check_host(host)?;
    if decode(rest.as_bytes()).is_none() {
        return Err("it holds a % that begins no escape".into());
    }
    match scheme.to_ascii_lowercase().as_str() {
        "https" => Ok(()),
        "http" if is_loopback(host) => Ok(()),
        "http" => Err("it is http, which is allowed for this machine only; use https".into()),
        _ => Err("it does not begin with https://".into()),
    }
}

/// A name of labels, an IPv4 address, or an IPv6 address in brackets.
fn check_host(host: &str) -> Result<(), String> {
    if host.starts_with('[') || host.ends_with(']') || host.contains(':') {
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_address = address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
        return if is_address { Ok(()) } else { Err("its host is no IPv6 address in brackets".into()) };
    }
    if host.contains(|c: char| !c.is_ascii_alphanumeric() && !"-._".contains(c)) {
        return Err("its host name holds a character that no host name has".into());
    }
    // A dot at the end says that the name is in no domain.
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.split('.').any(|label| label.is_empty() || label.len() > 63) {
        return Err("its host name has an empty part, or one of more than 63 characters".into());
    }
    Ok(())
}

/// The host of a URL that passed [`check`]. An IPv6 address keeps its brackets.
pub fn host(url: &str) -> &str {
    split_port(split_authority(url).0).0
}

/// The value of the `Host` header of a request to a URL that passed [`check`], and its target: the path with the
/// query. Both are part of what a signature covers.
pub fn host_and_target(url: &str) -> (&str, String) {
    let (authority, rest) = split_authority(url);
    let slash = if rest.starts_with('/') { "" } else { "/" };
    (authority, format!("{slash}{rest}"))
}

/// The host with its port, and what comes after them.
fn split_authority(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

/// The URL that a reference in a document at `base` means (RFC 3986 section 5.2). `base` is one that passed [`check`];
/// the result may be one that does not.
pub fn resolve(base: &str, reference: &str) -> String {
    let end = reference.find([':', '/', '?', '#']).unwrap_or(reference.len());
    if reference[end..].starts_with(':') {
        return reference.to_owned();
    }
    let scheme = base.split_once("://").map_or("https", |(scheme, _)| scheme);
    if reference.starts_with("//") {
        return format!("{scheme}:{reference}");
    }
    let (authority, rest) = split_authority(base);
    let base_path = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
    let (path, query) = reference.split_at(reference.find(['?', '#']).unwrap_or(reference.len()));
    let base_query = &rest[base_path.len()..rest.find('#').unwrap_or(rest.len())];
    // A reference without a path and a query means the base with its own query.
    let own_query = if path.is_empty() && !query.starts_with('?') { base_query } else { "" };
    let path = match path {
        "" => base_path.to_owned(),
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => {
            format!("{}/{relative}", base_path.rsplit_once('/').map_or("", |(folder, _)| folder))
        }
    };
    format!("{scheme}://{authority}{}{own_query}{query}", without_dots(&path))
}

/// The path without the segments `.` and `..` (RFC 3986 section 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
        if is_last && matches!(segment, "." | "..") {
            kept.push("");
        }
    }
    kept.iter().map(|segment| format!("/{segment}")).collect()
}

/// Whether a host is this machine: `localhost`, or an address of the loopback range.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    is_localhost(host) || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a host is called `localhost`. The dot at the end says that it is in no domain.
pub fn is_localhost(host: &str) -> bool {
    host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case("localhost")
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // A colon before `]` belongs to an IPv6 address.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// The body of a form: `name=value` pairs joined with `&`, a space encoded as `+`.
pub fn form(pairs: &[(&str, &str)]) -> String {
    let encoded: Vec<String> = pairs.iter().map(|(k, v)| format!("{}={}", encode(k), encode(v))).collect();
    encoded.join("&")
}

/// Form-encodes one text, for forms and for HTTP Basic (RFC 6749 section 2.3.1). The unreserved
/// characters of RFC 3986 are left as they are, since some servers do not decode Basic credentials.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'*' => {
                encoded.push(byte.into());
            }
            b' ' => encoded.push('+'),
            _ => {
                encoded.push('%');
                encoded.push_str(&format!("{byte:02X}"));
            }
        }
    }
    encoded
}

/// Adds `pairs` to the query of `base`. A parameter that `base` already has is replaced if its name is
/// among `pairs`, and kept otherwise.
pub fn with_query(base: &str, pairs: &[(&str, &str)]) -> String {
    let (path, query) = base.split_once('?').unwrap_or((base, ""));
    let is_ours = |part: &str| {
        let name = part.split('=').next().unwrap_or_default();
        decode(name.as_bytes()).is_some_and(|name| pairs.iter().any(|(ours, _)| *ours == name))
    };
    let mut parts: Vec<String> =
        query.split('&').filter(|part| !part.is_empty() && !is_ours(part)).map(str::to_owned).collect();
    // Some providers read `+` in a query as a plus sign; all read `%20` as a space.
    parts.push(form(pairs).replace('+', "%20"));
    format!("{path}?{}", parts.join("&"))
}

/// The decoded pairs of a query or form. `None` if a percent escape is invalid or the text is not UTF-8.
pub fn parse_form(text: &[u8]) -> Option<Vec<(String, String)>> {
    text.split(|b| *b == b'&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let cut = part.iter().position(|b| *b == b'=').unwrap_or(part.len());
            Some((decode(&part[..cut])?, decode(part.get(cut + 1..).unwrap_or_default())?))
        })
        .collect()
}

fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(*rest.next()?)? << 4 | hex(*rest.next()?)?,
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn https_is_allowed_to_any_host_and_http_to_loopback() {
        for url in [
            "https://idp.example.com/token",
            "HTTPS://idp.example.com:8443",
            "https://idp.example.com?a=b",
            "http://localhost:1/x",
            "http://LOCALHOST.:1/x",
            "http://127.0.0.1/x",
            "http://127.1.2.3:80/x",
            "http://[::1]:8080/x",
            "https://[2001:db8::1]/x",
            "https://[::ffff:192.0.2.1]:443/",
            "https://idp_1.example.com./a%2Fb?c=%20d",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for url in [
            "",
            "idp.example.com",
            "http://idp.example.com/token",
            "http://localhost.example.com/",
            "http://localhost../",
            "http://evil.localhost/",
            "http://127.0.0.1.example.com/",
            "ftp://localhost/",
            "https://",
            "https:///path",
            "https://user:pass@idp.example.com/",
            "https://idp.example.com/#x",
            "https://idp.example.com:0/",
            "https://idp.example.com:port/",
            "https://idp.example.com:99999/",
            "https://a b/",
            "https://a\nb/",
            "https://ä/",
            "https://a\\b/",
            "https://[::1/x",
            "https://::1]/x",
            "https://::1/x",
            "https://[zz]/x",
            "https://[127.0.0.1]/x",
            "https://[::1]x/",
            "https://[fe80::1%25eth0]/",
            "https://a..b/",
            "https://.",
            "https://.a/",
            "https://a../",
            "https://h/%zz",
            "https://h/%4",
            "https://h/?a=%",
            "https://]idp.example.com/",
            "https://[::1][::1]/",
            "https://[idp.example.com]/",
            "https://a:b:80/",
            "http://[127.0.0.1]/",
        ] {
            assert!(check(url).is_err(), "{url}");
        }
    }

    #[test]
    fn encoding_matches_the_example_of_the_rfc() {
        assert_eq!(encode(" %&+£€"), "+%25%26%2B%C2%A3%E2%82%AC");
    }

    #[test]
    fn an_existing_query_is_kept_and_extended() {
        assert_eq!(with_query("https://a/b", &[("x", "1 2")]), "https://a/b?x=1%202");
        assert_eq!(
            with_query("https://a/b?prompt=consent&x=old&", &[("x", "n"), ("y", "+")]),
            "https://a/b?prompt=consent&x=n&y=%2B"
        );
    }

    #[test]
    fn the_host_and_the_target_of_a_request_are_found() {
        for (url, host, target) in [
            ("https://a.example/v1/x?y=/z", "a.example", "/v1/x?y=/z"),
            ("http://[::1]:8080/", "[::1]:8080", "/"),
            ("https://a.example:443", "a.example:443", "/"),
            ("https://a.example?x", "a.example", "/?x"),
        ] {
            assert_eq!(host_and_target(url), (host, target.to_owned()), "{url}");
        }
    }

    /// Examples of RFC 3986 section 5.4.
    #[test]
    fn a_reference_is_resolved_as_the_rfc_says() {
        for (reference, url) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("?y#s", "http://a/b/c/d;p?y#s"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("./g/.", "http://a/b/c/g/"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
        ] {
            assert_eq!(resolve("http://a/b/c/d;p?q", reference), url, "{reference}");
        }
        assert_eq!(resolve("https://a:8", "g"), "https://a:8/g");
    }

    #[test]
    fn invalid_escapes_are_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "%f"] {
            assert_eq!(parse_form(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_form(b"a=%ff"), None);
        assert_eq!(
            parse_form(b"a&b=c=d"),
            Some(vec![("a".into(), String::new()), ("b".into(), "c=d".into())])
        );
    }

    proptest! {
        #[test]
        fn an_encoded_form_parses_to_the_same_pairs(pairs in prop::collection::vec((".+", ".*"), 1..5)) {
            let borrowed: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            prop_assert_eq!(parse_form(form(&borrowed).as_bytes()), Some(pairs));
        }

        #[test]
        fn parsing_any_bytes_as_a_form_does_not_panic(bytes: Vec<u8>) {
            let _ = parse_form(&bytes);
        }

        #[test]
        fn checking_any_text_as_a_url_does_not_panic(text: String) {
            let _ = check(&text);
            let _ = host(&text);
        }
    }
}
