//! The browser's part if the answer is a URL's fragment, which a browser keeps to itself: it loads the page, the script
//! of the page puts the fragment into a form, and the form is sent back. No script runs here: the one field without a
//! value takes the fragment. Browsers that run the script are in tests/e2e.

use super::http::{self, Pairs};
use super::person::{self, Habit, Page};
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};

/// Loads the page and sends its form. Returns the pages in order, without those that cannot be reached.
pub fn hand_over(url: &str, fragment: &str, habits: &[Habit]) -> Vec<Page> {
    let Some(host) = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix('/')) else {
        return Vec::new();
    };
    Tab { host, fragment, habits, pages: Vec::new() }.visit()
}

struct Tab<'a> {
    /// With the port.
    host: &'a str,
    fragment: &'a str,
    habits: &'a [Habit],
    pages: Vec<Page>,
}

/// The form of a page.
struct Form {
    action: String,
    fields: Pairs,
    /// The `Origin` header that a browser sends with it.
    origin: String,
}

impl Tab<'_> {
    fn visit(mut self) -> Vec<Page> {
        if self.has(Habit::Favicon) {
            self.load("favicon.ico");
        }
        let tabs = if self.has(Habit::TwoTabs) { 2 } else { 1 };
        let forms: Vec<_> = (0..tabs).filter_map(|_| self.load("")).collect();
        forms.iter().for_each(|form| self.send(form));
        if self.has(Habit::Twice)
            && let Some(form) = self.load("")
        {
            self.send(&form);
        }
        self.pages
    }

    fn has(&self, habit: Habit) -> bool {
        self.habits.contains(&habit)
    }

    /// Returns the form of the page, if there is one.
    fn load(&mut self, target: &str) -> Option<Form> {
        let request = person::head("GET", self.host, target, &person::cookies(self.habits));
        let page = self.request(&request).ok()?;
        let form = form(&page, self.host);
        self.pages.push(page);
        form
    }

    fn send(&mut self, form: &Form) {
        if self.has(Habit::ForeignOrigin) {
            self.post(form, "https://another.example", self.fragment);
        }
        if self.has(Habit::WrongState) {
            let fields = form.fields.iter().map(|(name, value)| {
                let value = if value.is_empty() { "" } else { "stranger" };
                (name.clone(), value.into())
            });
            let (action, origin) = (form.action.clone(), form.origin.clone());
            let wrong = Form { action, fields: fields.collect(), origin };
            self.post(&wrong, &wrong.origin, self.fragment);
            self.post(&wrong, &wrong.origin, "error=access_denied");
        }
        let times = if self.has(Habit::Reload) { 2 } else { 1 };
        for _ in 0..times {
            self.post(form, &form.origin, self.fragment);
        }
    }

    fn post(&mut self, form: &Form, origin: &str, fragment: &str) {
        let body: Vec<_> = form
            .fields
            .iter()
            .map(|(name, value)| {
                let value = if value.is_empty() { fragment } else { value };
                format!("{}={}", http::encode(name), http::encode(value))
            })
            .collect();
        let body = body.join("&");
        let headers = format!(
            "Origin: {origin}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n{}",
            body.len(),
            person::cookies(self.habits)
        );
        let head = person::head("POST", self.host, form.action.trim_start_matches('/'), &headers);
        self.pages.extend(self.request(&(head + &body)));
    }

    fn request(&self, request: &str) -> io::Result<Page> {
        let mut stream = self.connect()?;
        if self.has(Habit::Slow) {
            stream.set_nodelay(true)?;
            request.bytes().try_for_each(|byte| stream.write_all(&[byte]))?;
        } else {
            stream.write_all(request.as_bytes())?;
        }
        person::read_page(stream)
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let port = self.host.strip_prefix("localhost:").and_then(|port| port.parse::<u16>().ok());
        let port = port.ok_or(io::Error::other("not a port of localhost"))?;
        if self.has(Habit::Ipv6First)
            && let Ok(stream) = TcpStream::connect((Ipv6Addr::LOCALHOST, port))
        {
            return Ok(stream);
        }
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
    }
}

/// The one form of a page; `None` unless it is sent by POST and has a field without a value.
fn form(page: &Page, host: &str) -> Option<Form> {
    let mut tags = page.body.split('<').skip(1).filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag);
    let form = attributes(tags.find_map(|tag| tag.strip_prefix("form "))?);
    let inputs = tags.take_while(|tag| *tag != "/form").filter_map(|tag| tag.strip_prefix("input "));
    let fields = inputs.filter_map(|input| {
        let attributes = attributes(input);
        let value = http::value(&attributes, "value").unwrap_or_default().to_owned();
        Some((http::value(&attributes, "name")?.to_owned(), value))
    });
    let fields: Pairs = fields.collect();
    let by_post = http::value(&form, "method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
    let takes_it = fields.iter().filter(|(_, value)| value.is_empty()).count() == 1;
    // A browser hides the origin from every site if it may name no referrer (Fetch 3.2).
    let hides_origin = http::value(&page.headers, "referrer-policy") == Some("no-referrer");
    let origin = if hides_origin { "null".into() } else { format!("http://{host}") };
    let action = http::value(&form, "action").unwrap_or("/").to_owned();
    (by_post && takes_it).then_some(Form { action, fields, origin })
}

/// The attributes of a tag: `name`, `name=value` or `name="value"`.
fn attributes(tag: &str) -> Pairs {
    let mut attributes = Vec::new();
    let mut rest = tag.trim_start();
    while !rest.is_empty() && rest != "/" {
        let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace()).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = &rest[end..];
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let quote = after.chars().next().filter(|c| ['"', '\''].contains(c));
            (value, rest) = match quote {
                Some(quote) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
                None => after.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((after, "")),
            };
        }
        attributes.push((name, unescape(value)));
        rest = rest.trim_start();
    }
    attributes
}

fn unescape(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}
