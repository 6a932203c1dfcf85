//! Helper programs, which the configuration names for a secret: a password manager, a keyring. A command is words, as a
//! shell splits them but without a shell, or a JSON list of words. The program has 30 s to print one line. Its output
//! is in no message.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, ExitStatus, Stdio};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::error::{Error, Result, SecretFault};
use crate::files;
use crate::host::Env;
use crate::log;
use crate::printable;
use crate::secret::{self, Secret};
use crate::sys::{self, How};

/// For a program that unlocks a keyring or asks a server. Longer than that, a run of woci seems to hang.
pub const LIMIT: Duration = Duration::from_secs(30);

/// In bytes, of stdout and of a value to put: more than any secret, and a token of usual size.
const LARGEST: usize = 64 << 10;

/// Searched if PATH is not set, as shells do.
pub const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Shorter texts occur by accident in a program's messages.
const SHORTEST_SECRET: usize = 4;

/// A command of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The key that it is the value of.
    pub setting: &'static str,
    words: Vec<String>,
    /// Variables that hold secrets, which the program does not inherit.
    hidden: Vec<String>,
}

impl Command {
    /// `home` takes the place of a `~` at the beginning of the program.
    ///
    /// # Errors
    /// Why the text is no command.
    pub fn new(
        setting: &'static str,
        text: &str,
        home: &Path,
        hidden: &[String],
    ) -> std::result::Result<Self, String> {
        let mut words = words(text)?;
        let program = words.first_mut().filter(|word| !word.is_empty()).ok_or("it names no program")?;
        if let Some(rest) = program.strip_prefix("~/") {
            *program = home.join(rest).to_string_lossy().into_owned();
        }
        if program.contains('/') && !program.starts_with('/') {
            return Err(
                "its program is a relative path; write an absolute one, or a name that is on PATH".into()
            );
        }
        Ok(Self { setting, words, hidden: hidden.to_vec() })
    }

    /// The program's name, for messages. Its arguments may say more than others should know.
    fn program(&self) -> &str {
        &self.words[0]
    }

    /// The line that the program prints; `None` if it prints nothing.
    ///
    /// # Errors
    /// [`SecretFault::Command`] if the program cannot be run, fails, or prints anything but one line of text.
    pub fn get(&self, env: &Env) -> Result<Option<Secret>> {
        log::debug(format_args!("Running {} for {}", self.program(), self.setting));
        let stdout = self.run(env, None)?;
        secret::one_line(&stdout).map_err(|why| self.error(format!("it printed {why}")))
    }

    /// Like [`Self::get`], for a value that must be there.
    pub fn get_value(&self, env: &Env) -> Result<Secret> {
        self.get(env)?.ok_or_else(|| self.error("it printed nothing"))
    }

    /// Gives the program a value on stdin, without a line end. What it prints is not shown. Nothing interrupts the
    /// program before its time is over: a password manager may write its file in place.
    ///
    /// # Errors
    /// [`SecretFault::Command`] if the program cannot be run or fails.
    pub fn put(&self, env: &Env, value: &Secret) -> Result<()> {
        log::debug(format_args!("Running {} for {}", self.program(), self.setting));
        if value.expose().len() > LARGEST {
            return Err(self.error("the value is larger than 64 KiB"));
        }
        let _held = sys::hold_signals();
        self.run(env, Some(value)).map(drop)
    }

    /// Whether the program is there. Does not run it.
    ///
    /// # Errors
    /// [`SecretFault::Command`] if not.
    pub fn check_program(&self, env: &Env) -> Result<()> {
        find(env, self.program()).map(drop).map_err(|why| self.error(why))
    }

    pub fn error(&self, why: impl Into<String>) -> Error {
        let program = self.program().to_owned();
        Error::Secret(SecretFault::Command { setting: self.setting, program, why: why.into() })
    }

    fn run(&self, env: &Env, input: Option<&Secret>) -> Result<Zeroizing<Vec<u8>>> {
        let mut process = Process::new(find(env, self.program()).map_err(|why| self.error(why))?);
        process.arg0(self.program()).args(&self.words[1..]).stdout(Stdio::piped());
        for variable in &self.hidden {
            process.env_remove(variable);
        }
        process.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let is_shown_live = io::stderr().is_terminal();
        process.stderr(if is_shown_live { Stdio::inherit() } else { Stdio::piped() });
        let bytes = input.map(|value| value.expose().as_bytes()).unwrap_or_default();
        let ended = sys::run_piped(&mut process, bytes, LIMIT, LARGEST)
            .map_err(|e| self.error(format!("it cannot be started ({})", files::io_reason(&e))))?;
        self.show(&ended.stderr, &[bytes, &ended.stdout]);
        match ended.how {
            How::Exited(status) if status.success() => Ok(ended.stdout),
            How::Exited(status) => Err(self.error(status_in_words(status))),
            How::TooLong => Err(self.error(format!("it did not end within {} s", LIMIT.as_secs()))),
            How::TooMuch => Err(self.error("it printed more than 64 KiB")),
        }
    }

    /// Shows what the program wrote to stderr, without the secrets in it.
    fn show(&self, stderr: &[u8], secrets: &[&[u8]]) {
        let secrets: Vec<_> = secrets.iter().map(|secret| String::from_utf8_lossy(secret)).collect();
        let lines = secrets.iter().flat_map(|secret| secret.lines()).map(str::trim);
        let secrets: Vec<&str> = lines.filter(|line| line.len() >= SHORTEST_SECRET).collect();
        for line in String::from_utf8_lossy(stderr).lines() {
            let line = printable::line_without(line, secrets.iter().copied());
            if !line.is_empty() {
                log::line(format_args!("{}: {line}", self.program()));
            }
        }
    }
}

/// The words of a setting's text.
fn words(text: &str) -> std::result::Result<Vec<String>, String> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(|_| "it is not a JSON list of texts".to_owned());
    }
    let split = split(text.as_bytes());
    if split.is_open {
        return Err("a quote in it is not closed".into());
    }
    let words = split.words.into_iter().map(String::from_utf8).collect::<std::result::Result<_, _>>();
    Ok(words.expect("a text that is split at white space and quotes stays a text"))
}

/// The program that a text runs, and whether arguments follow; `None` if the text is no command.
pub fn program_of(text: &str) -> Option<(String, bool)> {
    let words = words(text).ok()?;
    Some((words.first()?.clone(), words.len() > 1))
}

/// Whether a text is a command, as far as that can be seen without the person's home.
///
/// # Errors
/// Why not.
pub fn check(text: &str) -> std::result::Result<(), String> {
    Command::new("", text, Path::new("/"), &[]).map(drop)
}

/// A command's words, and whether a quote in it is not closed.
pub struct Split {
    pub words: Vec<Vec<u8>>,
    pub is_open: bool,
}

/// The words of a POSIX shell's command, without expansion: quotes and backslashes are taken away. A
/// quote that is not closed reaches to the end.
pub fn split(command: &[u8]) -> Split {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = command.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (None, byte) if byte.is_ascii_whitespace() => words.extend(word.take()),
            (None, b'\'' | b'"') => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (Some(open), byte) if byte == open => quote = None,
            // In double quotes, a backslash is one unless it stands before one of these.
            (None, b'\\') | (Some(b'"'), b'\\')
                if quote.is_none() || bytes.peek().is_some_and(|next| b"\"\\$`".contains(next)) =>
            {
                word.get_or_insert_default().extend(bytes.next());
            }
            (_, byte) => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    Split { words, is_open: quote.is_some() }
}

/// The files that a program of this name may be, in the order of PATH. An empty or relative entry stands for the
/// working folder or one in it: the program there may be anybody's, and what woci runs is handed secrets.
pub fn on_path(env: &Env, name: &str) -> impl Iterator<Item = PathBuf> {
    let path = env.get("PATH").unwrap_or(OsStr::new(DEFAULT_PATH)).to_owned();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
    let name = OsString::from(name);
    folders.into_iter().map(move |folder| folder.join(&name))
}

/// The program that a command names by its path or its name.
///
/// # Errors
/// Why there is none that can be run.
pub fn find(env: &Env, name: &str) -> std::result::Result<PathBuf, &'static str> {
    let is_path = name.contains('/');
    let candidates: Vec<_> = if is_path { vec![name.into()] } else { on_path(env, name).collect() };
    let mut why = if is_path { "there is no such file" } else { "it is not on PATH" };
    for candidate in candidates {
        if is_program(&candidate) {
            return Ok(candidate);
        }
        if candidate.exists() && !candidate.is_dir() {
            why = "it is not marked as executable";
        }
    }
    Err(why)
}

/// Whether the system would run this file.
pub fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| !about.is_dir() && about.permissions().mode() & 0o111 != 0)
}

fn status_in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it failed with exit status {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it failed".into(),
    }
}

/// A line that a program printed, and a command of the configuration, of any bytes.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    if let Ok(Some(line)) = secret::one_line(bytes) {
        assert!(!line.expose().is_empty() && !line.expose().contains(char::is_control));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = Command::new("client_secret_command", text, Path::new("/home/ada"), &[]);
    // Words in single quotes come back as they are.
    if let Ok(words) = words(text) {
        let quoted: Vec<String> =
            words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        let again = split(quoted.join(" ").as_bytes());
        assert!(
            !again.is_open && again.words.iter().map(Vec::as_slice).eq(words.iter().map(String::as_bytes))
        );
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test's own files")]
mod tests {
    use super::*;
    use crate::testing::Home;

    fn command(text: &str) -> std::result::Result<Vec<String>, String> {
        Command::new("client_secret_command", text, Path::new("/home/ada"), &[]).map(|command| command.words)
    }

    #[test]
    fn a_command_is_words_or_a_json_list() {
        for (text, expected) in [
            ("pass show woci/prod", vec!["pass", "show", "woci/prod"]),
            (r#"op read "op://My vault/woci/secret""#, vec!["op", "read", "op://My vault/woci/secret"]),
            (r#"sh -c 'echo "$X"'"#, vec!["sh", "-c", r#"echo "$X""#]),
            ("~/bin/get a", vec!["/home/ada/bin/get", "a"]),
            ("get ~/a $HOME", vec!["get", "~/a", "$HOME"]),
            (r#"["/opt/my get", "a b", "", "é"]"#, vec!["/opt/my get", "a b", "", "é"]),
            (r#" [ "~/get" ]"#, vec!["/home/ada/get"]),
        ] {
            assert_eq!(command(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_names_no_program_is_refused() {
        for (text, why) in [
            ("", "names no program"),
            ("  ", "names no program"),
            ("''", "names no program"),
            ("[]", "names no program"),
            (r#"["", "a"]"#, "names no program"),
            ("[1]", "JSON list of texts"),
            ("[\"a\"", "JSON list of texts"),
            (r#"["a"] b"#, "JSON list of texts"),
            ("get 'a", "not closed"),
            ("get \"a", "not closed"),
            ("bin/get", "relative path"),
            ("./get", "relative path"),
            ("../get", "relative path"),
        ] {
            let refused = command(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    /// What `sh -c SCRIPT` gives, or why it gives nothing.
    fn get(script: &str) -> String {
        let text = serde_json::json!(["/bin/sh", "-c", script]).to_string();
        let command = Command::new("client_secret_command", &text, Path::new("/"), &[]).unwrap();
        match command.get(&Env::of(&[])) {
            Ok(Some(secret)) => format!("={}", secret.expose()),
            Ok(None) => "nothing".into(),
            Err(e) => e.say().why,
        }
    }

    #[test]
    fn one_line_is_taken_and_anything_else_refused() {
        for (script, expected) in [
            ("echo value", "=value"),
            ("printf 'a b '", "=a b "),
            ("printf 'value\\r\\n'", "=value"),
            (":", "nothing"),
            ("echo", "nothing"),
            ("printf 'a\\nb\\n'", "it printed more than one line"),
            ("printf 'a\\n\\n'", "it printed more than one line"),
            ("printf 'a\\tb'", "it printed a control character"),
            ("printf '\\377'", "it printed something that is not UTF-8 text"),
            ("echo secret; exit 3", "it failed with exit status 3"),
            ("echo secret; kill -TERM $$", "it was ended by signal 15"),
            ("head -c 65537 /dev/zero | tr '\\0' x", "it printed more than 64 KiB"),
            ("yes", "it printed more than 64 KiB"),
            ("printf %s \"$(head -c 65536 /dev/zero | tr '\\0' x)\" | tail -c 3", "=xxx"),
            // A process that lives on with the same stdout is not waited for.
            ("echo value; sleep 40 & exit 0", "=value"),
            // stdin is empty, and there is no terminal.
            ("cat; (: </dev/tty) 2>/dev/null || echo none", "=none"),
            ("ulimit -c", "=0"),
        ] {
            assert_eq!(get(script), expected, "{script}");
        }
    }

    #[test]
    fn a_program_is_found_by_its_path_or_on_path() {
        let home = Home::new();
        home.make_folder("bin");
        let program = home.put("bin/get", "#!/bin/sh\necho value\n");
        let folder = home.path("bin");
        let run = |name: &str, path: &str| {
            let command = Command::new("client_secret_command", name, home.root(), &[]).unwrap();
            command.get(&Env::of(&[("PATH", path)])).map_err(|e| e.say().why).map(|_| ())
        };
        let bin = folder.to_str().unwrap();
        assert_eq!(run("get", bin).unwrap_err(), "it is not marked as executable");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(run("get", &format!("/none::{bin}")), Ok(()));
        assert_eq!(run("~/bin/get", ""), Ok(()));
        assert_eq!(run("get", ":.:bin").unwrap_err(), "it is not on PATH");
        assert_eq!(run("/none/get", bin).unwrap_err(), "there is no such file");
    }

    #[test]
    fn a_value_is_given_on_stdin() {
        let home = Home::new();
        let kept = home.path("kept");
        let text = serde_json::json!(["/bin/sh", "-c", "cat >\"$0\"; echo chatter", kept]).to_string();
        let put = Command::new("refresh_token_put_command", &text, Path::new("/"), &[]).unwrap();
        for value in ["a value", "", &"x".repeat(LARGEST)] {
            put.put(&Env::of(&[]), &Secret::new(value.into())).unwrap();
            assert_eq!(fs::read_to_string(&kept).unwrap(), value);
        }
        assert!(put.put(&Env::of(&[]), &Secret::new("x".repeat(LARGEST + 1))).is_err());
        // A program that does not read its input is not waited for.
        let text = r#"["/bin/sh", "-c", "exec 0<&-; exit 0"]"#;
        let put = Command::new("refresh_token_put_command", text, Path::new("/"), &[]).unwrap();
        put.put(&Env::of(&[]), &Secret::new("x".repeat(LARGEST))).unwrap();
    }
}
