//! `sim demo --woci PATH`: the main job in a throw-away home, step by step. Each line after a `$` is run by a shell
//! as it is shown. If a result is not what the demo says, the demo prints what differs and ends with exit code 1.

use super::auth_service;
use super::faults::Grant;
use super::jwt;
use super::simulator::Sim;
use serde_json::Value;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// A terminal of the usual size shows every line unbroken.
const COLUMNS: usize = 80;
const INDENT: &str = "   ";

/// The real oci would need a real tenancy. This one prints its command line, and refuses a service as oci does.
const STAND_IN_FOR_OCI: &str = "#!/bin/sh\n\
    case \" $* \" in *' no-such-service '*) echo 'No such command.' >&2; exit 2 ;; esac\n\
    echo \"oci $*\"\n";

/// The error says which result differs from what the demo announces.
type Checked = Result<(), String>;

pub fn demo(woci: &Path) -> ExitCode {
    match Demo::new(woci).run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("demo: {why}");
            ExitCode::FAILURE
        }
    }
}

struct Demo {
    sim: Sim,
    home: PathBuf,
    path: OsString,
    colour: bool,
}

/// What came of a command line.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Demo {
    fn new(woci: &Path) -> Demo {
        let home = env::temp_dir().join(format!("woci-demo-{}", std::process::id()));
        for folder in ["", ".oci", "bin"] {
            let made = fs::DirBuilder::new().mode(0o700).create(home.join(folder));
            made.expect("a temporary folder can be made");
        }
        let bin = home.join("bin");
        let this_program = env::current_exe().expect("a program knows its file");
        for (target, name) in [(woci, "woci"), (&*this_program, "browser")] {
            symlink(target, bin.join(name)).expect("a new folder takes a link");
        }
        write(&bin.join("oci"), STAND_IN_FOR_OCI, 0o700);
        let mut path = bin.into_os_string();
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or("/usr/bin:/bin".into()));
        let colour =
            io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Demo { sim: Sim::start(), home, path, colour }
    }

    fn run(&self) -> Checked {
        self.introduce();
        self.write_manager_config("mine", self.sim.console_section());
        self.console_sign_in()?;
        self.credential()?;
        self.console_renewal()?;
        self.write_manager_config("prod", self.sim.manager_section());
        self.sign_in()?;
        self.renewal()?;
        self.shell()?;
        self.kubectl()?;
        self.oci()?;
        self.exit_code()?;
        self.conclude();
        Ok(())
    }

    /// Writes `~/.oci/woci_manager.ini` with one profile.
    fn write_manager_config(&self, profile: &str, section: Vec<(String, String)>) {
        let mut text = format!("[{profile}]\n");
        for (key, value) in section {
            text += &format!("{key} = {value}\n");
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("127.0.0.1 has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        text += &format!("redirect_port = {port}\n");
        write(&self.home.join(".oci/woci_manager.ini"), &text, 0o600);
    }

    fn introduce(&self) {
        self.heading("woci, shown in nine steps");
        self.say(
            "This takes a few seconds. Oracle, the provider and the person at the browser\n\
             are simulated: nothing leaves this machine. The demo has a home folder of its\n\
             own. Its ~/.oci/woci_manager.ini says where the simulated services are; for\n\
             Oracle's own sign-in you need no such file. Long lines of output are cut.",
        );
    }

    fn console_sign_in(&self) -> Checked {
        self.heading("1. Sign in once, with nothing registered");
        let ran = self.command("woci session authenticate --region us-ashburn-1 >/dev/null");
        let url = ran.stderr.lines().find(|line| line.contains("Auth URL: ")).unwrap_or_default();
        self.quote(url);
        must(ran.code == 0, "the sign-in failed", &ran)?;
        must(self.sim.count(Grant::ConsoleSignIn) == 1, "no browser came to Oracle's sign-in", &ran)?;
        self.say(
            "The browser opened Oracle's page, the person signed in, and the page sent the\n\
             browser back to woci with a session token that is bound to woci's new key.",
        );
        Ok(())
    }

    fn credential(&self) -> Checked {
        self.heading("2. Get the session as JSON");
        let ran = self.command("woci");
        self.quote(&self.with_tilde(&ran.stdout));
        must(ran.code == 0 && ran.stdout.contains("\"cached\""), "the stored session was not used", &ran)?;
        must(ran.stderr.is_empty(), "a run with a valid session wrote to stderr", &ran)?;
        must(self.sim.count(Grant::ConsoleRefresh) == 0, "a fresh session was renewed", &ran)?;
        self.say("This is the stored session. woci did not use the network.");
        Ok(())
    }

    fn console_renewal(&self) -> Checked {
        self.heading("3. Let it stay fresh");
        let old = self.read_session("mine", "token");
        let key = auth_service::bound_to(&jwt::claims(&old)).expect("woci stores only a token of its key");
        let token = self.sim.console.issue(&key, 20 * 60);
        write(&self.home.join(".oci/sessions/mine/token"), &token, 0o600);
        self.say("Instead of waiting, the demo has stored a token with 20 minutes left.");
        let ran = self.command("woci | grep -E 'expires_in|source'");
        self.quote(&ran.stdout);
        must(ran.stdout.contains("\"refreshed\""), "the session was not renewed", &ran)?;
        must(self.sim.count(Grant::ConsoleSignIn) == 1, "a browser was opened again", &ran)?;
        self.say(
            "Less than half of the hour was left, so woci renewed the session by a request\n\
             that the session's key signs. This goes on for as long as Oracle allows it.",
        );
        Ok(())
    }

    fn sign_in(&self) -> Checked {
        self.heading("4. Or sign in at a provider of your own");
        self.say("The demo has replaced woci_manager.ini by one for a simulated provider.");
        let ran = self.command("woci session authenticate >/dev/null");
        let url = ran.stderr.lines().find(|line| line.contains("Auth URL: ")).unwrap_or_default();
        self.quote(url);
        must(ran.code == 0, "the sign-in failed", &ran)?;
        must(self.sim.count(Grant::Authorize) == 1, "no browser came to the provider", &ran)?;
        self.say(
            "The provider sent the browser back to woci with a code. woci exchanged the\n\
             code for tokens, and those for an OCI session token.",
        );
        Ok(())
    }

    fn renewal(&self) -> Checked {
        self.heading("5. Use it again when the session has expired");
        let key = self.read_session("prod", "private_key.pem");
        let old = self.read_session("prod", "token");
        self.expire(&old);
        self.say("Instead of waiting, the demo has made the stored token two hours older.");
        let ran = self.command("woci | grep -E 'expires_in|source'");
        self.quote(&ran.stdout);
        must(ran.stdout.contains("\"refreshed\""), "the session was not refreshed", &ran)?;
        must(self.read_session("prod", "token") != old, "the session token is the old one", &ran)?;
        must(self.read_session("prod", "private_key.pem") == key, "the key has changed", &ran)?;
        must(self.sim.count(Grant::Authorize) == 1, "a browser was opened again", &ran)?;
        self.say("woci renewed the session with its refresh token. No browser opened.");
        Ok(())
    }

    /// Replaces the stored session token with the same token two hours older, so that it has expired.
    fn expire(&self, token: &str) {
        let mut claims = jwt::claims(token);
        for claim in ["iat", "exp"] {
            let time = claims[claim].as_i64().expect("the domain writes numbers");
            claims[claim] = (time - 2 * 3600).into();
        }
        write(&self.home.join(".oci/sessions/prod/token"), &self.sim.domain.issue(claims), 0o600);
    }

    fn shell(&self) -> Checked {
        self.heading("6. Use it in a shell, in scripts and SDKs");
        let ran = self.command("eval \"$(woci env)\"; env | grep ^OCI_CLI_ | sort");
        self.quote(&self.with_tilde(&ran.stdout));
        for variable in ["OCI_CLI_AUTH=security_token", "OCI_CLI_KEY_FILE=", "OCI_CLI_SECURITY_TOKEN_FILE="] {
            must(ran.stdout.contains(variable), &format!("{variable} was not set"), &ran)?;
        }
        self.say("oci reads these variables. `woci env --unset` prints how to undo them.");
        Ok(())
    }

    fn kubectl(&self) -> Checked {
        self.heading("7. Use it with kubectl");
        let ran = self.command("woci kube-credential --cluster-id ocid1.cluster.oc1.iad.example");
        self.quote(&ran.stdout);
        let document: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        must(document["kind"] == "ExecCredential", "this is not an ExecCredential", &ran)?;
        must(document["status"]["token"].is_string(), "there is no token", &ran)?;
        self.say(
            "kubectl runs this command if your kubeconfig names it. The token is the one\n\
             that `oci ce cluster generate-token` makes, but woci makes it without oci.",
        );
        Ok(())
    }

    fn oci(&self) -> Checked {
        self.heading("8. Run oci with it");
        let ran = self.command("woci os ns get --output table");
        self.quote(&ran.stdout);
        let expected = "oci --profile prod --auth security_token os ns get --output table\n";
        must(ran.code == 0 && ran.stdout == expected, "oci got other arguments", &ran)?;
        self.say(
            "Here, oci is a stand-in that prints the command line it gets: yours, with\n\
             the profile and the kind of session added.",
        );
        Ok(())
    }

    fn exit_code(&self) -> Checked {
        self.heading("9. Rely on oci's exit code");
        let ran = self.command("woci no-such-service; echo \"exit code $?\"");
        self.quote(&format!("{}{}", ran.stderr, ran.stdout));
        must(ran.stdout == "exit code 2\n", "the exit code was changed", &ran)?;
        self.say("The message and the exit code are those of oci.");
        Ok(())
    }

    fn conclude(&self) {
        self.heading("What to do next");
        self.say(
            "1. Run `make install`. It installs woci as ~/.local/bin/woci.\n\
             2. Run `woci session authenticate --region REGION` with your region.\n\
             3. For a provider of your own, README.md has five steps.",
        );
    }

    // ---- what is shown ----

    fn heading(&self, text: &str) {
        self.line("", text, "1");
        self.line("", "", "");
    }

    /// One paragraph in plain words.
    fn say(&self, text: &str) {
        text.lines().for_each(|line| self.line(INDENT, line, ""));
        self.line("", "", "");
    }

    /// What a program printed; long lines are cut.
    fn quote(&self, text: &str) {
        text.lines().for_each(|line| self.line(INDENT, &cut(line, COLUMNS - INDENT.len()), "2"));
        self.line("", "", "");
    }

    fn line(&self, indent: &str, text: &str, style: &str) {
        let width = indent.len() + text.chars().count();
        assert!(width <= COLUMNS, "the demo prints a line of {width} columns: {text}");
        let painted = match style {
            "" => text.to_owned(),
            _ if !self.colour => text.to_owned(),
            _ => format!("\x1b[{style}m{text}\x1b[0m"),
        };
        // A reader that closes the pipe early is no failure.
        let _ = writeln!(io::stdout(), "{indent}{painted}");
    }

    fn with_tilde(&self, text: &str) -> String {
        text.replace(&*self.home.to_string_lossy(), "~")
    }

    // ---- what is run ----

    /// Shows a command line, and runs exactly that.
    fn command(&self, line: &str) -> Ran {
        self.line(INDENT, &format!("$ {line}"), "36");
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", line]).current_dir(&self.home).stdin(Stdio::null());
        shell.env_clear().env("HOME", &self.home).env("PATH", &self.path).env("BROWSER", "browser");
        let output = shell.output().expect("there is a shell");
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn read_session(&self, profile: &str, name: &str) -> String {
        let path = self.home.join(".oci/sessions").join(profile).join(name);
        fs::read_to_string(path).unwrap_or_default().trim_end().to_owned()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn must(holds: bool, otherwise: &str, ran: &Ran) -> Checked {
    let Ran { code, stderr, .. } = ran;
    if holds { Ok(()) } else { Err(format!("{otherwise} (exit code {code})\n{stderr}")) }
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).expect("the demo's home is writable");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("own files take a mode");
}

/// At most this many characters.
fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.into();
    }
    let kept: String = text.chars().take(longest - 1).collect();
    kept + "…"
}
