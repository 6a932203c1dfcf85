//! Opens a URL in the person's browser: the commands of `$BROWSER`, otherwise those of the platform. No
//! shell is involved.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::vec;

use crate::command;
use crate::files;
use crate::host::Env;
use crate::log;

/// A command has opened the URL if it succeeds within this time, or still runs after it. If it fails
/// within this time, the next command is tried.
const FAILS_WITHIN: Duration = Duration::from_secs(5);

/// The files by which Docker and Podman mark a container.
const CONTAINER_MARKS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// Browsers that need the terminal.
const TERMINAL_BROWSERS: [&str; 6] = ["browsh", "elinks", "links", "links2", "lynx", "w3m"];

/// The attempts to open a browser, one after another. They make progress whenever [`Attempts::has_failed`] is called,
/// so that no thread is needed for them.
pub struct Attempts {
    /// Those that were not tried yet.
    commands: vec::IntoIter<Vec<OsString>>,
    /// Variables that no command inherits.
    hidden: Vec<String>,
    /// The command that was started last, and when.
    started: Option<(Child, Instant)>,
    /// That command is a browser in the terminal.
    is_in_terminal: bool,
    /// A browser has opened, or all have failed.
    is_over: bool,
}

impl Attempts {
    /// Starts the next command if the last one has failed. True once, as soon as every attempt has failed.
    pub fn has_failed(&mut self) -> bool {
        while !self.is_over {
            if let Some((child, since)) = &mut self.started {
                let has_opened = match child.try_wait() {
                    Ok(Some(status)) => status.success(),
                    Ok(None) if since.elapsed() < FAILS_WITHIN => return false,
                    Ok(None) | Err(_) => true,
                };
                log::debug(format_args!("The browser {}", if has_opened { "opened" } else { "failed" }));
                if has_opened {
                    self.is_over = true;
                    return false;
                }
            }
            let Some(command) = self.commands.next() else {
                self.is_over = true;
                return true;
            };
            log::debug(format_args!("Opening the browser {}", command[0].display()));
            self.is_in_terminal = is_terminal_browser(&command);
            self.started = start(&command, &self.hidden).ok().map(|child| (child, Instant::now()));
        }
        false
    }

    /// Whether a browser runs in the terminal, so that what is typed there is for the browser.
    pub fn uses_terminal(&mut self) -> bool {
        let started = self.started.as_mut().filter(|_| self.is_in_terminal);
        started.is_some_and(|(child, _)| matches!(child.try_wait(), Ok(None)))
    }
}

impl Drop for Attempts {
    /// A browser that still runs is waited for in a thread, so that it does not become a zombie as long as woci
    /// runs. If the system gives no thread, it does, which harms nothing.
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.started.take()
            && matches!(child.try_wait(), Ok(None))
        {
            let _ = thread::Builder::new().spawn(move || child.wait());
        }
    }
}

/// Tries one browser after another until one opens. Dropping the result stops further attempts, but closes no
/// browser. No command inherits the variables `hidden`.
pub fn open(env: &Env, url: &str, hidden: &[String]) -> Attempts {
    Attempts {
        commands: commands(env, url).into_iter(),
        hidden: hidden.to_vec(),
        started: None,
        is_in_terminal: false,
        is_over: false,
    }
}

/// Whether a browser that this machine opens is probably the person's: `$BROWSER` says so, or there is a display, and
/// the person is neither at another machine nor outside of this container.
pub fn can_open(env: &Env) -> bool {
    if env.get("BROWSER").is_some() {
        return true;
    }
    let is_elsewhere = env.get("SSH_CONNECTION").is_some()
        || env.get("KUBERNETES_SERVICE_HOST").is_some()
        || CONTAINER_MARKS.iter().any(|path| Path::new(path).exists());
    !is_elsewhere && !platform_commands(env, platform()).is_empty()
}

/// The first program of those that [`open`] would try and that is here. Starts nothing.
///
/// # Errors
/// Why no browser opens.
pub fn program(env: &Env) -> std::result::Result<PathBuf, String> {
    let commands = commands(env, "");
    let found = |words: &Vec<OsString>| command::find(env, words[0].to_str()?).ok();
    if let Some(program) = commands.iter().find_map(found) {
        return Ok(program);
    }
    let names: Vec<String> = commands.iter().map(|words| words[0].to_string_lossy().into_owned()).collect();
    Err(match (env.get("BROWSER"), names.as_slice()) {
        (_, []) => "there is no display (DISPLAY and WAYLAND_DISPLAY are not set)".into(),
        (Some(_), names) => format!("BROWSER names {}, which cannot be run", names.join(" and ")),
        (None, names) => format!("none of {} is on PATH", names.join(", ")),
    })
}

/// The commands to try, each a program with its arguments.
fn commands(env: &Env, url: &str) -> Vec<Vec<OsString>> {
    match env.get("BROWSER").map(|list| from_variable(list, url)) {
        Some(commands) if !commands.is_empty() => commands,
        _ => platform_commands(env, platform())
            .iter()
            .map(|words| words.iter().map(Into::into).chain([url.into()]).collect())
            .collect(),
    }
}

/// The commands of `$BROWSER`, separated by colons. One that is the path of a file as a whole is that
/// program; others are words as a shell splits them. `%s` is replaced by the URL; a command without `%s`
/// gets the URL as its last argument.
fn from_variable(list: &OsStr, url: &str) -> Vec<Vec<OsString>> {
    let commands = list.as_bytes().split(|byte| *byte == b':');
    let words = |command: &[u8]| -> Vec<OsString> {
        let path = OsStr::from_bytes(command);
        if command.contains(&b'/') && Path::new(path).is_file() {
            return vec![path.into(), url.into()];
        }
        let mut words: Vec<OsString> =
            command::split(command).words.iter().map(|word| put_url(word, url)).collect();
        if !words.is_empty() && find_placeholder(command).is_none() {
            words.push(url.into());
        }
        words
    };
    commands.map(words).filter(|words| !words.is_empty()).collect()
}

fn put_url(mut word: &[u8], url: &str) -> OsString {
    let mut whole = Vec::new();
    while let Some(at) = find_placeholder(word) {
        whole.extend_from_slice(&word[..at]);
        whole.extend_from_slice(url.as_bytes());
        word = &word[at + 2..];
    }
    whole.extend_from_slice(word);
    OsString::from_vec(whole)
}

fn find_placeholder(text: &[u8]) -> Option<usize> {
    text.windows(2).position(|two| two == b"%s")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Platform {
    MacOs,
    /// Linux under Windows. The browser is that of Windows.
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

/// Judged by the kernel's release, since sudo removes WSL's environment variables.
fn is_wsl(release: &[u8]) -> bool {
    String::from_utf8_lossy(release).to_ascii_lowercase().contains("microsoft")
}

/// The commands of the platform, without the URL.
fn platform_commands(env: &Env, platform: Platform) -> Vec<&'static [&'static str]> {
    if platform == Platform::MacOs {
        return vec![&["open"]];
    }
    let mut openers: Vec<&[&str]> = Vec::new();
    if platform == Platform::Wsl {
        // Windows's URL handler takes the URL as it is. explorer.exe opens a folder instead if it does
        // not accept the query, and powershell.exe would parse it. The Windows folders may be missing
        // from PATH.
        openers.extend::<[&[&str]; 3]>([
            &["wslview"],
            &["rundll32.exe", "url.dll,FileProtocolHandler"],
            &["/mnt/c/Windows/System32/rundll32.exe", "url.dll,FileProtocolHandler"],
        ]);
    }
    // Without a display, xdg-open may start a text browser in the terminal.
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

fn is_terminal_browser(words: &[OsString]) -> bool {
    let name = Path::new(&words[0]).file_name().and_then(OsStr::to_str).unwrap_or_default();
    TERMINAL_BROWSERS.contains(&name)
}

/// A browser inherits none of woci's streams: its output would mix with woci's, and while it runs, it
/// would hold open a pipe that another program reads to the end.
#[expect(clippy::disallowed_methods, reason = "opens the terminal, not a file of woci")]
fn start(words: &[OsString], hidden: &[String]) -> io::Result<Child> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    for variable in hidden {
        command.env_remove(variable);
    }
    if is_terminal_browser(words) {
        let terminal = File::options().read(true).write(true).open("/dev/tty")?;
        command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
    } else {
        // In a process group of its own, so that Ctrl-C does not end the browser.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    }
    command.spawn()
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
    fn the_variable_is_a_list_of_commands() {
        for (list, expected) in [
            ("firefox", vec!["firefox|U"]),
            ("firefox --new-tab", vec!["firefox|--new-tab|U"]),
            ("a %s:b  -u=%s,%s\tx: :c", vec!["a|U", "b|-u=U,U|x", "c|U"]),
            (":", vec![]),
            ("a '%s; rm'", vec!["a|U; rm"]),
            (
                r#"'/opt/my browser/b' --name="x y" a\ b "c\"d\e" '' 'open"#,
                vec![r#"/opt/my browser/b|--name=x y|a b|c"d\e||open|U"#],
            ),
        ] {
            assert_eq!(shown(&from_variable(OsStr::new(list), URL)), expected, "{list:?}");
        }
    }

    #[test]
    fn a_command_that_is_a_path_as_a_whole_is_not_split() {
        let home = crate::testing::Home::new();
        let path = home.make_folder("my browser's").join("fire %s fox");
        crate::files::replace(&path, b"").unwrap();
        let list = format!("a b:{}:c", path.display());
        let expected = ["a|b|U".to_owned(), format!("{}|U", path.display()), "c|U".to_owned()];
        assert_eq!(shown(&from_variable(OsStr::new(&list), URL)), expected);
    }

    #[test]
    fn the_variable_replaces_the_commands_of_the_platform() {
        let env = Env::of(&[("BROWSER", "mine"), ("DISPLAY", ":0")]);
        assert_eq!(shown(&commands(&env, URL)), ["mine|U"]);
    }

    #[test]
    fn each_platform_has_its_commands() {
        const WITH_DISPLAY: [&str; 4] = ["xdg-open", "gio open", "sensible-browser", "x-www-browser"];
        const ON_WSL: [&str; 3] = [
            "wslview",
            "rundll32.exe url.dll,FileProtocolHandler",
            "/mnt/c/Windows/System32/rundll32.exe url.dll,FileProtocolHandler",
        ];
        let openers = |pairs: &[(&str, &str)], platform| -> Vec<String> {
            platform_commands(&Env::of(pairs), platform).iter().map(|words| words.join(" ")).collect()
        };
        for display in [("DISPLAY", ":0"), ("WAYLAND_DISPLAY", "wayland-0")] {
            assert_eq!(openers(&[display], Platform::Other), WITH_DISPLAY);
            // WSL may have a display, but the person's browser is that of Windows.
            assert_eq!(openers(&[display], Platform::Wsl), [&ON_WSL[..], &WITH_DISPLAY].concat());
            assert_eq!(openers(&[display], Platform::MacOs), ["open"]);
        }
        assert_eq!(openers(&[("DISPLAY", "")], Platform::Other), [""; 0]);
        assert_eq!(openers(&[], Platform::Wsl), ON_WSL);
        assert_eq!(openers(&[], Platform::MacOs), ["open"]);
    }

    #[test]
    fn a_browser_of_another_machine_or_of_a_container_is_not_the_person_s() {
        let display = ("DISPLAY", ":0");
        for (variables, expected) in [
            (&[("BROWSER", "true")][..], true),
            (
                &[
                    ("BROWSER", "true"),
                    ("SSH_CONNECTION", "a 1 b 22"),
                    ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
                ],
                true,
            ),
            (&[("SSH_CONNECTION", "a 1 b 22"), display], false),
            (&[("KUBERNETES_SERVICE_HOST", "10.0.0.1"), display], false),
        ] {
            assert_eq!(can_open(&Env::of(variables)), expected, "{variables:?}");
        }
        if CONTAINER_MARKS.iter().any(|path| Path::new(path).exists()) {
            eprintln!("skipped: this is a container");
        } else {
            assert!(can_open(&Env::of(&[display])));
        }
    }

    #[test]
    fn wsl_is_recognized_by_its_kernel() {
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

    /// Whether a browser opened, with `list` as `$BROWSER`, and how many commands were not tried.
    fn attempts(list: &str) -> (bool, usize) {
        let mut attempts = open(&Env::of(&[("BROWSER", list)]), URL, &[]);
        loop {
            let has_failed = attempts.has_failed();
            if attempts.is_over {
                assert!(!attempts.has_failed(), "failure is reported once");
                return (!has_failed, attempts.commands.len());
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn commands_are_tried_in_order_until_one_succeeds() {
        assert_eq!(attempts("/none/such:false:true:false"), (true, 1));
        assert_eq!(attempts("false:/none/such"), (false, 0));
    }

    #[test]
    fn a_command_that_runs_is_waited_for_and_then_counts_as_opened() {
        let commands = vec![vec!["sleep".into(), "600".into()], vec!["false".into()]];
        let mut attempts = Attempts {
            commands: commands.into_iter(),
            hidden: Vec::new(),
            started: None,
            is_in_terminal: false,
            is_over: false,
        };
        assert!(!attempts.has_failed() && !attempts.is_over);
        attempts.started.as_mut().unwrap().1 -= FAILS_WITHIN;
        assert!(!attempts.has_failed() && attempts.is_over);
        assert_eq!(attempts.commands.len(), 1);
        attempts.started.as_mut().unwrap().0.kill().unwrap();
    }
}
