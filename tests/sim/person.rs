//! The person's browser: `browser URL` opens the authorization URL, follows the redirect to woci's listener and reads
//! the page. If the answer is a URL's fragment, it also does what the script of the page does (see `page`). Like a real
//! browser, it prints to stdout, starts another process for its window, and returns at once.
//!
//! `SIM_BROWSER` holds habits, separated by commas (see `Habit`). `SIM_BROWSER_OUT` names a file, to which a line of
//! JSON is added for each URL that was opened: `{"opened": URL, "pages": […]}`.

use super::{http, page, sys};
use serde_json::{Value, json};
use std::env;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

const HABITS: &str = "SIM_BROWSER";
const OUT: &str = "SIM_BROWSER_OUT";
const DETACHED: &str = "SIM_BROWSER_DETACHED";

/// What a person or a browser may do differently.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Opens a window and never loads the page.
    Nothing,
    /// Exits with 1, as without a display.
    Fails,
    /// Stays in the foreground until the page is read, as w3m does.
    Stays,
    /// The person denies the sign-in, whatever the provider is set to.
    Denies,
    /// Requests /favicon.ico first.
    Favicon,
    /// First sends a wrong state, once with a code and once with an error. Any page in the browser can do that. For an
    /// answer in a fragment: wrong hidden values, once with tokens and once with an error.
    WrongState,
    /// Loads the callback a second time, as a restored tab does.
    Twice,
    /// The form of another site comes first. This habit and the next ones concern an answer in a fragment.
    ForeignOrigin,
    /// Has the page in two tabs before either of them sends its form.
    TwoTabs,
    /// Sends the same form a second time, as a reload of the page after it does.
    Reload,
    /// Takes localhost for [::1] first, and for 127.0.0.1 if nothing listens there.
    Ipv6First,
    /// Sends its requests byte by byte.
    Slow,
    /// Sends 9 KiB of cookies, as other programs set them for 127.0.0.1.
    Cookies,
}

impl Habit {
    fn from_word(word: &str) -> Habit {
        match word {
            "nothing" => Habit::Nothing,
            "fails" => Habit::Fails,
            "stays" => Habit::Stays,
            "denies" => Habit::Denies,
            "favicon" => Habit::Favicon,
            "wrong-state" => Habit::WrongState,
            "twice" => Habit::Twice,
            "foreign-origin" => Habit::ForeignOrigin,
            "two-tabs" => Habit::TwoTabs,
            "reload" => Habit::Reload,
            "ipv6-first" => Habit::Ipv6First,
            "slow" => Habit::Slow,
            "cookies" => Habit::Cookies,
            other => panic!("{HABITS} names an unknown habit: {other}"),
        }
    }
}

pub fn browser() -> ExitCode {
    let url = env::args().next_back().expect("a browser is given a URL");
    let words = env::var(HABITS).unwrap_or_default();
    let habits: Vec<_> = words.split(',').filter(|word| !word.is_empty()).map(Habit::from_word).collect();
    if habits.contains(&Habit::Fails) {
        eprintln!("browser: cannot open display");
        return ExitCode::FAILURE;
    }
    if habits.contains(&Habit::Stays) || env::var_os(DETACHED).is_some() {
        sys::detach();
        record(&url, &follow(&url, &habits));
        return ExitCode::SUCCESS;
    }
    println!("Opening in existing browser session.");
    let itself = env::current_exe().expect("a program knows its file");
    let mut window = Command::new(itself);
    window.arg0("browser").arg(url).env(DETACHED, "1");
    window.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[expect(clippy::zombie_processes, reason = "the window outlives this process")]
    window.spawn().expect("a program can start itself");
    ExitCode::SUCCESS
}

/// Adds a line to the record, in one write, since several windows share the file.
fn record(url: &str, pages: &[Page]) {
    let Some(path) = env::var_os(OUT) else { return };
    let pages: Vec<_> = pages.iter().map(Page::to_json).collect();
    let line = json!({"opened": url, "pages": pages}).to_string() + "\n";
    let file = OpenOptions::new().append(true).create(true).open(path);
    let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
    written.expect("the browser's record is writable");
}

/// A page in the person's browser.
pub struct Page {
    pub status: u16,
    pub headers: http::Pairs,
    pub body: String,
}

impl Page {
    fn to_json(&self) -> Value {
        let headers: serde_json::Map<_, _> =
            self.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        json!({"status": self.status, "headers": headers, "body": self.body})
    }
}

/// Opens the authorization URL and what follows. Returns the pages in order, without those that cannot be reached.
pub fn follow(url: &str, habits: &[Habit]) -> Vec<Page> {
    let has = |habit| habits.contains(&habit);
    let person = if has(Habit::Denies) { "X-Person: denies\r\n" } else { "" };
    let cookies = cookies(habits);
    if has(Habit::Nothing) {
        return Vec::new();
    }
    let Ok(sign_in) = get(url, person) else {
        return Vec::new();
    };
    let Some(callback) = http::value(&sign_in.headers, "location").map(str::to_owned) else {
        return vec![sign_in];
    };
    if let Some((page, fragment)) = callback.split_once('#') {
        return page::hand_over(page, fragment, habits);
    }
    let mut urls = Vec::new();
    let (listener, _) = callback.rsplit_once('/').expect("a callback has a path");
    if has(Habit::Favicon) {
        urls.push(format!("{listener}/favicon.ico"));
    }
    if has(Habit::WrongState) {
        urls.push(format!("{listener}/callback?code=stranger&state=stranger"));
        urls.push(format!("{listener}/callback?error=access_denied&state=stranger"));
    }
    urls.push(callback.clone());
    if has(Habit::Twice) {
        urls.push(callback);
    }
    urls.iter().filter_map(|url| get(url, &cookies).ok()).collect()
}

/// The header with the cookies that other programs have set for this host.
pub fn cookies(habits: &[Habit]) -> String {
    if habits.contains(&Habit::Cookies) {
        format!("Cookie: other={}\r\n", "c".repeat(9 * 1024))
    } else {
        String::new()
    }
}

/// A GET request that follows no redirect.
pub fn get(url: &str, headers: &str) -> io::Result<Page> {
    let rest = url.strip_prefix("http://").ok_or(io::Error::other("not http"))?;
    let (host, target) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host)?;
    let head = head("GET", host, target, headers);
    stream.write_all(head.as_bytes())?;
    read_page(stream)
}

/// The head of a request.
pub fn head(method: &str, host: &str, target: &str, headers: &str) -> String {
    let agent = "User-Agent: simulated person\r\nAccept: text/html\r\n";
    format!("{method} /{target} HTTP/1.1\r\nHost: {host}\r\n{agent}{headers}Connection: close\r\n\r\n")
}

pub fn read_page(mut stream: TcpStream) -> io::Result<Page> {
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse_page(&String::from_utf8_lossy(&answer)).ok_or(io::Error::other("not an HTTP answer"))
}

fn parse_page(answer: &str) -> Option<Page> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Page { status, headers, body: body.to_owned() })
}
