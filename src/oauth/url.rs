//! Which URLs woci sends anything to: https, or http to this machine.

use std::net::Ipv4Addr;

/// Says why a URL is refused, without repeating it: it may hold a password.
pub fn check(url: &str) -> Result<(), String> {
    let refuse = |why: &str| Err(why.to_owned());
    if url.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return refuse("it holds a blank or a control character");
    }
    if url.contains('#') {
        return refuse("it has a fragment");
    }
    let lower = url.to_ascii_lowercase();
    let (secure, rest) = match (lower.strip_prefix("https://"), lower.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return refuse("it does not begin with https://"),
    };
    let authority = rest.split(['/', '?', '\\']).next().unwrap_or("");
    if authority.contains('@') {
        return refuse("it has a user name or password in it");
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => authority.split(':').next().unwrap_or(""),
    };
    let is_loopback =
        host == "localhost" || host == "::1" || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback());
    match (host.is_empty(), secure || is_loopback) {
        (true, _) => refuse("it names no host"),
        (_, false) => refuse("plain http is for this machine only (localhost, 127.0.0.1)"),
        _ => Ok(()),
    }
}
