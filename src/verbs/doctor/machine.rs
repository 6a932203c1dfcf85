//! Checks of what woci needs of this machine: a port and a browser for a sign-in, the variables of the network, oci, and
//! woci itself on PATH.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Finding;
use super::look::Look;
use crate::command;
use crate::config::SignInWith;
use crate::files;
use crate::host;
use crate::oauth::http::Client;
use crate::oci::program::find_oci;
use crate::printable;
use crate::signin;
use crate::sys::{self, How};

/// oci takes a second to start.
const OCI_LIMIT: Duration = Duration::from_secs(10);
/// In bytes. A version is shorter.
const LARGEST_VERSION: usize = 64 << 10;

const SHOWS_PORTS: &str = match cfg!(target_os = "macos") {
    true => "lsof -nP -iTCP -sTCP:LISTEN",
    false => "ss -ltnp",
};

/// Whether the answer of a sign-in can be received.
pub fn port(look: &Look<'_>) -> Vec<Finding> {
    let Some((settings, contents, engine)) = look.stored() else { return Vec::new() };
    if look.is_workload() || settings.sign_in_with == SignInWith::Device {
        return Vec::new();
    }
    let is_console = settings.session_from.is_none() || engine.is_of_console(contents);
    let ports = settings.redirect.ports.as_slice();
    let ports = if is_console { &ports[..1] } else { ports };
    if ports == [0] {
        return vec![Finding::good("a sign-in takes any free port")];
    }
    let all = ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut why = Vec::new();
    for port in ports {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, *port)) {
            Ok(_) => return vec![Finding::good(format!("port {port} is free for a sign-in"))],
            Err(e) if e.kind() == ErrorKind::AddrInUse => {
                let lock = look.dir().map(|dir| dir.port_lock_file(*port));
                if lock.is_some_and(|lock| files::is_locked(&lock).is_ok_and(|locked| locked)) {
                    return vec![Finding::good(format!("port {port} is in use by a sign-in of woci"))];
                }
                why.push(format!("{port} is in use by another program"));
            }
            Err(e) => why.push(format!("{port}: {}", files::io_reason(&e))),
        }
    }
    let other =
        if is_console { "" } else { ", or register another one at the provider and set redirect_port" };
    vec![Finding::wrong(
        format!("no sign-in can receive its answer on port {all}: {}", why.join(", ")),
        format!("end that program (`{SHOWS_PORTS}` shows it){other}"),
    )]
}

/// Whether a sign-in can open a browser. Opens none.
pub fn browser(look: &Look<'_>) -> Vec<Finding> {
    let Some(settings) = look.settings() else { return Vec::new() };
    if look.is_workload() {
        return Vec::new();
    }
    let env = &look.host.env;
    vec![match (settings.sign_in_with, signin::browser(env)) {
        (SignInWith::Paste, _) => Finding::good("a sign-in shows its URL and takes the answer by paste"),
        (SignInWith::Device, _) => Finding::good("a sign-in shows a device code"),
        (SignInWith::Auto | SignInWith::Browser, Ok(program)) => {
            let elsewhere = match signin::can_open_browser(env) {
                true => "",
                false => ", but you seem to be at another machine, so that a sign-in goes without it",
            };
            Finding::good(format!("a sign-in opens the browser with {}{elsewhere}", program.display()))
        }
        (SignInWith::Auto | SignInWith::Browser, Err(why)) => Finding::doubtful(
            format!("no browser opens here: {why}"),
            "set BROWSER to a program that opens one, or set sign_in_with to device or paste",
        ),
    }]
}

/// The variables that name a proxy and certificates.
pub fn network(look: &Look<'_>) -> Vec<Finding> {
    let client = Client::new(look.host);
    let mut found = Vec::new();
    let proxy = match client.proxy_for("https://idp.example.com/") {
        Ok(proxy) => proxy,
        Err(e) => {
            found.push(Finding::error(&e, &look.given));
            None
        }
    };
    let mut names_certificates = false;
    for (name, is_folder, is_wocis) in [
        ("SSL_CERT_FILE", false, true),
        ("SSL_CERT_DIR", true, true),
        ("OCI_CLI_CERT_BUNDLE", false, false),
        ("REQUESTS_CA_BUNDLE", false, false),
    ] {
        let Some(path) = look.host.env.get(name).map(Path::new) else { continue };
        names_certificates |= is_wocis;
        let path = if is_wocis { Ok(path.to_owned()) } else { look.host.absolute(path) };
        let Ok(path) = path else { continue };
        let is_there = if is_folder { path.is_dir() } else { path.is_file() };
        if !is_there {
            let kind = if is_folder { "folder" } else { "regular file" };
            let what = format!("{name} names {}, and there is no such {kind}", path.display());
            let remedy = format!("correct {name}, or run `unset {name}`");
            found.push(match is_wocis {
                true => Finding::wrong(what, remedy),
                false => Finding::doubtful(what, remedy),
            });
        }
    }
    if found.is_empty()
        && names_certificates
        && let Err(e) = client.check_certificates()
    {
        found.push(Finding::error(&e, &look.given));
    }
    if found.is_empty() {
        found.push(Finding::good(match proxy {
            Some(proxy) => format!("https goes through the proxy {proxy}"),
            None => "no proxy is set for https".into(),
        }));
    }
    found
}

/// The oci that woci runs.
pub fn oci(look: &Look<'_>) -> Vec<Finding> {
    let path = match find_oci(&look.host.env) {
        Ok(path) => path,
        // All else works without oci.
        Err(e) => return vec![Finding::doubt(&e, &look.given)],
    };
    let shown = path.display();
    // One that is woci under that name is passed over.
    let this = host::this_program().ok();
    let is_woci = |path: &PathBuf| this.as_ref().is_some_and(|this| is_same(path, this));
    if let Some(first) = command::on_path(&look.host.env, "oci").find(|path| path.exists()).filter(is_woci) {
        return vec![Finding::good(format!("{} is woci itself, and runs {shown}", first.display()))];
    }
    if runs_woci(&path) {
        return vec![Finding::good(format!("oci is {shown}, a script that runs woci"))];
    }
    vec![match version(look, &path) {
        Ok(Some(version)) => Finding::good(format!("oci {version} is {shown}")),
        Ok(None) => Finding::good(format!("oci is {shown}; it does not say its version")),
        Err(why) => Finding::doubtful(
            format!("`{shown} --version` does not work: {why}"),
            "run it by hand, and install the OCI CLI anew if it fails",
        ),
    }]
}

/// Whether a program is a script that names woci.
fn runs_woci(path: &Path) -> bool {
    const SHORTEST_PROGRAM: u64 = 64 << 10;
    let is_short = fs::metadata(path).is_ok_and(|about| about.len() < SHORTEST_PROGRAM);
    let text = if is_short { files::read(path).ok().flatten().unwrap_or_default() } else { Vec::new() };
    text.starts_with(b"#!") && text.windows(4).any(|word| word == b"woci")
}

/// What `oci --version` prints, if that is a version.
fn version(look: &Look<'_>, path: &Path) -> Result<Option<String>, String> {
    let mut command = Command::new(path);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for variable in look.settings().into_iter().flat_map(|settings| &settings.secret_variables) {
        command.env_remove(variable);
    }
    let ended =
        sys::run_piped(&mut command, &[], OCI_LIMIT, LARGEST_VERSION).map_err(|e| files::io_reason(&e))?;
    match ended.how {
        How::Exited(status) if status.success() => {}
        How::Exited(status) => return Err(format!("it ended with {status}")),
        How::TooLong => return Err(format!("it did not end within {} s", OCI_LIMIT.as_secs())),
        How::TooMuch => return Err("it printed too much".into()),
    }
    let line = printable::line(String::from_utf8_lossy(&ended.stdout).lines().next().unwrap_or_default());
    let is_version = line.starts_with(|first: char| first.is_ascii_digit())
        && line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte));
    Ok(is_version.then_some(line))
}

/// The woci that a person or kubectl starts by its name.
pub fn woci(look: &Look<'_>) -> Vec<Finding> {
    let this = match host::this_program() {
        Ok(this) => this,
        Err(e) => return vec![Finding::error(&e, &look.given)],
    };
    let folder = this.parent().unwrap_or(Path::new("/")).display();
    vec![match command::find(&look.host.env, "woci") {
        Err(_) => Finding::doubtful(
            format!("woci is not on PATH; this one is {}", this.display()),
            format!("add {folder} to PATH"),
        ),
        Ok(first) if is_same(&first, &this) => {
            let found = format!("woci {} is {}", env!("CARGO_PKG_VERSION"), first.display());
            let mut others =
                command::on_path(&look.host.env, "woci").filter(|path| command::is_program(path));
            match others.find(|other| !is_same(other, &this)) {
                None => Finding::good(found),
                // The PATH of sudo, cron or systemd may find that one first.
                Some(other) => Finding::doubtful(
                    format!("{found}, and another woci further on: {}{}", other.display(), kind(&other)),
                    "remove the one that you do not use",
                ),
            }
        }
        Ok(first) => {
            let kind = kind(&first);
            let comma = if kind.is_empty() { "" } else { "," };
            Finding::doubtful(
                format!(
                    "another woci comes first on PATH: {}{kind}{comma} and not {}",
                    first.display(),
                    this.display()
                ),
                format!("remove it, or put {folder} first on PATH"),
            )
        }
    }]
}

fn is_same(one: &Path, other: &Path) -> bool {
    let inode = |path: &Path| fs::metadata(path).map(|about| (about.dev(), about.ino())).ok();
    inode(one).is_some() && inode(one) == inode(other)
}

fn kind(woci: &Path) -> &'static str {
    if is_python(woci) { ", the older Python tool" } else { "" }
}

fn is_python(path: &Path) -> bool {
    let text = files::read(path).ok().flatten().unwrap_or_default();
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    first.starts_with(b"#!") && String::from_utf8_lossy(first).contains("python")
}
