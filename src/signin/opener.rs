//! Opens a URL in the person's browser: `$BROWSER`, else what the platform has. Never by a shell.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::Duration;

use crate::files;
use crate::host::Env;
use crate::log;

/// A browser still running after this, or ended well before, has opened the URL. One that failed
/// makes room for the next.
const FAILS_WITHIN: Duration = Duration::from_secs(5);

/// Browsers that are of no use without the terminal.
const OF_THE_TERMINAL: [&str; 6] = ["browsh", "elinks", "links", "links2", "lynx", "w3m"];

/// A browser that is being opened beside the wait for its answer.
pub struct Opening(Option<Receiver<bool>>);

impl Opening {
    /// True once, as soon as it is known that no browser opens.
    pub fn has_failed(&mut self) -> bool {
        let Some(attempts) = &self.0 else { return false };
        match attempts.try_recv() {
            Ok(false) | Err(TryRecvError::Empty) => false,
            Ok(true) => {
                self.0 = None;
                false
            }
            Err(TryRecvError::Disconnected) => {
                self.0 = None;
                true
            }
        }
    }
}

/// Tries one browser after another until one opens. Dropping the [`Opening`] ends the trying, never a browser.
pub fn open(env: &Env, url: &str) -> Opening {
    let commands = commands(env, url);
    let (attempt, attempts) = mpsc::channel();
    // On a thread of its own: a browser may wait for the answer to the callback before it ends.
    thread::spawn(move || {
        for command in commands {
            let opened = start(&command);
            let program = command[0].display();
            log::debug(format_args!("Browser {program}: {}", if opened { "opened" } else { "failed" }));
            if attempt.send(opened).is_err() || opened {
                return;
            }
        }
    });
    Opening(Some(attempts))
}

/// The commands to try, each a program and its arguments.
fn commands(env: &Env, url: &str) -> Vec<Vec<OsString>> {
    match env.get("BROWSER").map(|list| of_variable(list, url)) {
        Some(commands) if !commands.is_empty() => commands,
        _ => of_platform(env, platform())
            .iter()
            .map(|words| words.iter().map(Into::into).chain([url.into()]).collect())
            .collect(),
    }
}

/// `$BROWSER`: commands with colons between them, words with blanks; `%s` stands for the URL.
fn of_variable(list: &OsStr, url: &str) -> Vec<Vec<OsString>> {
    let commands = list.as_bytes().split(|byte| *byte == b':');
    let words = |command: &[u8]| -> Vec<OsString> {
        let words = command.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let mut words: Vec<OsString> = words.map(|word| put_url(word, url)).collect();
        if !words.is_empty() && find_place(command).is_none() {
            words.push(url.into());
        }
        words
    };
    commands.map(words).filter(|words| !words.is_empty()).collect()
}

fn put_url(mut word: &[u8], url: &str) -> OsString {
    let mut whole = Vec::new();
    while let Some(at) = find_place(word) {
        whole.extend_from_slice(&word[..at]);
        whole.extend_from_slice(url.as_bytes());
        word = &word[at + 2..];
    }
    whole.extend_from_slice(word);
    OsString::from_vec(whole)
}

fn find_place(text: &[u8]) -> Option<usize> {
    text.windows(2).position(|two| two == b"%s")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Platform {
    MacOs,
    /// Linux under Windows, whose browser it is.
    Wsl,
    Other,
}

fn platform() -> Platform {
    if cfg!(target_os = "macos") {
        return Platform::MacOs;
    }
    let release = files::read(Path::new("/proc/sys/kernel/osrelease")).ok().flatten().unwrap_or_default();
    if is_wsl(&release) { Platform::Wsl } else { Platform::Other }
}

/// By the kernel's release: the variables of WSL do not outlive sudo.
fn is_wsl(release: &[u8]) -> bool {
    String::from_utf8_lossy(release).to_ascii_lowercase().contains("microsoft")
}

/// The platform's openers, to which the URL is added.
fn of_platform(env: &Env, platform: Platform) -> Vec<&'static [&'static str]> {
    if platform == Platform::MacOs {
        return vec![&["open"]];
    }
    let mut openers: Vec<&[&str]> = Vec::new();
    if platform == Platform::Wsl {
        // Windows's own handler takes the URL as an argument; explorer.exe opens a folder where it
        // dislikes the query, and powershell.exe would parse it. PATH may lack the Windows folders.
        openers.extend::<[&[&str]; 3]>([
            &["wslview"],
            &["rundll32.exe", "url.dll,FileProtocolHandler"],
            &["/mnt/c/Windows/System32/rundll32.exe", "url.dll,FileProtocolHandler"],
        ]);
    }
    // Without a display xdg-open may start a text browser on somebody's terminal.
    if env.get("DISPLAY").or(env.get("WAYLAND_DISPLAY")).is_some() {
        openers.extend::<[&[&str]; 4]>([
            &["xdg-open"],
            &["gio", "open"],
            &["sensible-browser"],
            &["x-www-browser"],
        ]);
    }
    openers
}

fn start(command: &[OsString]) -> bool {
    let Ok(mut child) = prepare(command).and_then(|mut command| command.spawn()) else { return false };
    let (ended, end) = mpsc::channel::<io::Result<ExitStatus>>();
    // Waited for as long as it runs, so that no zombie stays behind.
    thread::spawn(move || ended.send(child.wait()));
    match end.recv_timeout(FAILS_WITHIN) {
        Ok(status) => status.is_ok_and(|status| status.success()),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => true,
    }
}

/// A browser gets none of our streams: its chatter would end up in the result, and one that stays
/// open would keep a pipe open that somebody reads to its end.
#[expect(clippy::disallowed_methods, reason = "the terminal is no file of woci's")]
fn prepare(words: &[OsString]) -> io::Result<Command> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    let name = Path::new(&words[0]).file_name().and_then(OsStr::to_str).unwrap_or_default();
    if OF_THE_TERMINAL.contains(&name) {
        let terminal = File::options().read(true).write(true).open("/dev/tty")?;
        command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
    } else {
        // In a group of its own, since Ctrl-C is meant for woci or oci and not for the browser.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://idp.example.com/authorize?a=b&c=%73";

    fn shown(commands: &[Vec<OsString>]) -> Vec<String> {
        let show = |words: &Vec<OsString>| words.join(OsStr::new("|")).to_string_lossy().replace(URL, "U");
        commands.iter().map(show).collect()
    }

    #[test]
    fn the_variable_as_a_list_of_commands() {
        for (list, expected) in [
            ("firefox", vec!["firefox|U"]),
            ("firefox --new-tab", vec!["firefox|--new-tab|U"]),
            ("a %s:b  -u=%s,%s\tx: :c", vec!["a|U", "b|-u=U,U|x", "c|U"]),
            (":", vec![]),
            ("a '%s; rm'", vec!["a|'U;|rm'"]),
        ] {
            assert_eq!(shown(&of_variable(OsStr::new(list), URL)), expected, "{list:?}");
        }
    }

    #[test]
    fn the_variable_comes_first_and_alone() {
        let env = Env::of(&[("BROWSER", "mine"), ("DISPLAY", ":0")]);
        assert_eq!(shown(&commands(&env, URL)), ["mine|U"]);
    }

    #[test]
    fn each_platform_has_its_openers() {
        const OF_A_SCREEN: [&str; 4] = ["xdg-open", "gio open", "sensible-browser", "x-www-browser"];
        const OF_WINDOWS: [&str; 3] = [
            "wslview",
            "rundll32.exe url.dll,FileProtocolHandler",
            "/mnt/c/Windows/System32/rundll32.exe url.dll,FileProtocolHandler",
        ];
        let openers = |pairs: &[(&str, &str)], platform| -> Vec<String> {
            of_platform(&Env::of(pairs), platform).iter().map(|words| words.join(" ")).collect()
        };
        for screen in [("DISPLAY", ":0"), ("WAYLAND_DISPLAY", "wayland-0")] {
            assert_eq!(openers(&[screen], Platform::Other), OF_A_SCREEN);
            // WSL has a screen of its own these days, but the person's browser is that of Windows.
            assert_eq!(openers(&[screen], Platform::Wsl), [&OF_WINDOWS[..], &OF_A_SCREEN].concat());
            assert_eq!(openers(&[screen], Platform::MacOs), ["open"]);
        }
        assert_eq!(openers(&[("DISPLAY", "")], Platform::Other), [""; 0]);
        assert_eq!(openers(&[], Platform::Wsl), OF_WINDOWS);
        assert_eq!(openers(&[], Platform::MacOs), ["open"]);
    }

    #[test]
    fn wsl_is_told_by_its_kernel() {
        for (release, expected) in [
            ("4.4.0-19041-Microsoft\n", true),
            ("5.15.167.4-microsoft-standard-WSL2\n", true),
            ("6.1.0-28-amd64\n", false),
            ("6.8.0-1021-azure\n", false),
            ("", false),
        ] {
            assert_eq!(is_wsl(release.as_bytes()), expected, "{release}");
        }
    }

    /// Whether each attempt at `list` opened.
    fn attempts(list: &str) -> Vec<bool> {
        open(&Env::of(&[("BROWSER", list)]), URL).0.unwrap().iter().collect()
    }

    #[test]
    fn one_after_another_until_one_opens() {
        assert_eq!(attempts("/none/such:false:true:false"), [false, false, true]);
        assert_eq!(attempts("false:/none/such"), [false, false]);
    }

    #[test]
    fn failure_is_told_once() {
        let (attempt, attempts) = mpsc::channel();
        let mut opening = Opening(Some(attempts));
        assert!(!opening.has_failed());
        attempt.send(false).unwrap();
        assert!(!opening.has_failed());
        drop(attempt);
        assert!(opening.has_failed());
        assert!(!opening.has_failed());
    }

    #[test]
    fn an_opened_browser_is_no_failure() {
        let (attempt, attempts) = mpsc::channel();
        let mut opening = Opening(Some(attempts));
        attempt.send(true).unwrap();
        drop(attempt);
        assert!(!opening.has_failed() && !opening.has_failed());
    }
}
