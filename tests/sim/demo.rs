//! `sim demo --woci PATH`: the main job in a throw-away home, told as it happens. Each line after a `$` is what a
//! shell really ran; where one does not behave, the demo ends with exit code 1 and says which.

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

const CLUSTER: &str = "ocid1.cluster.oc1.iad.aaaaaaaasimulatedcluster";

/// What went wrong, in words.
type Told = Result<(), String>;

pub fn demo(woci: &Path) -> ExitCode {
    match Demo::new(woci).tell() {
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
    /// `oci` on the PATH of whoever runs the demo; else the stand-in.
    real_oci: bool,
    jq: bool,
    colour: bool,
}

/// A line that a shell ran.
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
        let real_oci = on_path("oci") && runs("oci");
        let itself = env::current_exe().expect("a program knows its file");
        let link = |target: &Path, name: &str| {
            symlink(target, home.join("bin").join(name)).expect("a new folder takes a link");
        };
        link(woci, "woci");
        link(&itself, "browser");
        link(&itself, "fields");
        if !real_oci {
            link(&itself, "oci");
        }
        let mut path = home.join("bin").into_os_string();
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or("/usr/bin:/bin".into()));
        let colour =
            io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Demo { sim: Sim::start(), home, path, real_oci, jq: on_path("jq"), colour }
    }

    fn tell(&self) -> Told {
        self.write_manager_config();
        say("woci against a simulated provider and a simulated OCI identity domain: nothing leaves this");
        say("machine, and the home is a throw-away one with a woci_manager.ini in it.");
        self.first_sign_in()?;
        self.credential()?;
        self.silent_refresh()?;
        self.shell()?;
        self.kubectl()?;
        self.passthrough()?;
        self.exit_codes()?;
        say("");
        say("That is all. One sign-in, and everything else kept itself fresh.");
        Ok(())
    }

    fn write_manager_config(&self) {
        let mut text = "[DEFAULT]\n".to_owned();
        for (key, value) in self.sim.manager_section() {
            text += &format!("{key} = {value}\n");
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("127.0.0.1 has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        text += &format!("redirect_port = {port}\n");
        let path = self.home.join(".oci/woci_manager.ini");
        fs::write(&path, text).expect("the home is writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("own files take a mode");
    }

    fn first_sign_in(&self) -> Told {
        self.heading("Ada signs in, once");
        let ran = self.shell_line("woci session authenticate > credential.json");
        must(ran.code == 0, "the sign-in failed", &ran)?;
        let url = ran.stderr.lines().find(|line| line.contains("Auth URL: ")).unwrap_or_default();
        self.quote(&cut(url, 92));
        must(self.sim.count(Grant::Authorize) == 1, "no browser came to the provider", &ran)?;
        say("   Her browser opened that page, she said yes, and the provider sent it back to 127.0.0.1 with");
        say("   a code. woci changed the code for tokens and those for an OCI session token, bound to a key");
        say("   that it had made while she was reading.");
        Ok(())
    }

    fn credential(&self) -> Told {
        self.heading("The credential is JSON on stdout");
        let line = if self.jq {
            "woci | jq '{profile, region, user, expiration, source}'"
        } else {
            "woci | fields profile region user expiration source"
        };
        let ran = self.shell_line(line);
        self.quote(&ran.stdout);
        must(ran.code == 0 && ran.stdout.contains("cached"), "no cached credential came out", &ran)?;
        must(ran.stderr.is_empty(), "a warm run talked on stderr", &ran)?;
        say("   From the session folder: no network, no lock, a millisecond.");
        Ok(())
    }

    fn silent_refresh(&self) -> Told {
        self.heading("An hour later");
        let key = self.read_session("private_key.pem");
        let old = self.read_session("token");
        self.let_an_hour_pass(&old);
        let ran = self.shell_line("woci > credential.json");
        let credential: Value =
            serde_json::from_str(&self.read("credential.json")).map_err(|why| format!("not JSON: {why}"))?;
        let new = self.read_session("token");
        say(&format!("   source {}, token {} -> {}", credential["source"], short(&old), short(&new)));
        must(ran.code == 0 && credential["source"] == "refreshed", "the session was not refreshed", &ran)?;
        must(new != old && self.read_session("private_key.pem") == key, "not the same key", &ran)?;
        must(self.sim.count(Grant::Authorize) == 1, "a browser was opened again", &ran)?;
        say(
            "   The token had run out (the demo set its clock back and did not wait). woci spent its refresh",
        );
        say("   token on a new one: the same key, no browser, nobody asked.");
        Ok(())
    }

    /// The same UPST as it would be in an hour.
    fn let_an_hour_pass(&self, token: &str) {
        let mut claims = jwt::claims(token);
        for claim in ["iat", "exp"] {
            let time = claims[claim].as_i64().expect("the domain writes numbers");
            claims[claim] = (time - 3600).into();
        }
        let path = self.home.join(".oci/sessions/DEFAULT/token");
        fs::write(path, self.sim.domain.issue(claims)).expect("the home is writable");
    }

    fn shell(&self) -> Told {
        self.heading("Shells, scripts, SDKs");
        let ran = self.shell_line("eval \"$(woci env)\"; env | grep ^OCI_CLI_ | sort");
        self.quote(&ran.stdout.replace(&*self.home.to_string_lossy(), "~"));
        let good =
            ran.stdout.contains("OCI_CLI_AUTH=security_token") && ran.stdout.contains("OCI_CLI_KEY_FILE=");
        must(ran.code == 0 && good, "woci env exported too little", &ran)
    }

    fn kubectl(&self) -> Told {
        self.heading("kubectl");
        if self.run("woci kube-credential").stderr.contains("not available in this version") {
            return self.kubectl_by_oci();
        }
        let ran = self.shell_line(&format!("woci kube-credential --cluster-id {CLUSTER}"));
        let credential: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        must(ran.code == 0 && credential["kind"] == "ExecCredential", "no ExecCredential came out", &ran)?;
        let token = credential["status"]["token"].as_str().unwrap_or_default();
        say(&format!("   {}, token {}", credential["kind"], short(token)));
        say("   What a kubeconfig's exec section asks for, signed here, without Python.");
        Ok(())
    }

    fn kubectl_by_oci(&self) -> Told {
        let ran =
            self.shell_line(&format!("woci ce cluster generate-token --cluster-id {CLUSTER} > token.json"));
        let document: Value = serde_json::from_str(&self.read("token.json")).unwrap_or_default();
        let good = document["kind"] == "ExecCredential" || document["argv"].is_array();
        must(ran.code == 0 && good, "oci was not run for kubectl", &ran)?;
        say("   A kubeconfig's exec section runs `woci ce cluster generate-token …` in place of `oci ce …`:");
        say("   oci makes the token, and never meets an expired session.");
        Ok(())
    }

    fn passthrough(&self) -> Told {
        self.heading("oci itself");
        if self.real_oci {
            let ran = self.shell_line("woci -- --version");
            self.quote(&ran.stdout);
            must(ran.code == 0 && !ran.stdout.is_empty(), "oci was not run", &ran)?;
            say("   This is the oci on your PATH, with a session made ready for it.");
            return Ok(());
        }
        let ran = self.shell_line("woci os ns get --output table | fields argv");
        self.quote(&ran.stdout);
        let reached = ran.stdout.contains("security_token") && ran.stdout.contains("table");
        must(ran.code == 0 && reached, "oci did not get its arguments", &ran)?;
        say("   There is no oci on this PATH, so a stand-in shows what would have reached it: your words,");
        say("   unchanged, with the profile and the kind of session before them.");
        Ok(())
    }

    fn exit_codes(&self) -> Told {
        self.heading("Scripts see oci's own exit code");
        let (line, code) = if self.real_oci {
            ("woci no-such-service > oci.out 2>&1; echo $?", "2")
        } else {
            ("SIM_OCI_EXIT=42 woci os ns get > oci.out; echo $?", "42")
        };
        let ran = self.shell_line(line);
        self.quote(&ran.stdout);
        must(ran.stdout.trim() == code, "the exit code was changed", &ran)
    }

    // ---- how it is told ----

    fn heading(&self, text: &str) {
        say("");
        say(&self.paint("1", text));
    }

    fn prompt(&self, line: &str) {
        say(&format!("   {}", self.paint("36", &format!("$ {line}"))));
    }

    fn quote(&self, text: &str) {
        for line in text.lines() {
            say(&format!("   {}", self.paint("2", &cut(line, 110))));
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }

    fn shell_line(&self, line: &str) -> Ran {
        self.prompt(line);
        self.run(line)
    }

    fn run(&self, line: &str) -> Ran {
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

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.home.join(path)).unwrap_or_default()
    }

    fn read_session(&self, name: &str) -> String {
        self.read(&format!(".oci/sessions/DEFAULT/{name}")).trim_end().to_owned()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn must(held: bool, otherwise: &str, ran: &Ran) -> Told {
    let Ran { code, stderr, .. } = ran;
    if held { Ok(()) } else { Err(format!("{otherwise} (exit code {code})\n{stderr}")) }
}

/// A reader that closes the pipe early is no failure.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

/// Enough of a token to tell it from another.
fn short(token: &str) -> String {
    let (start, end) = (cut(token, 3), token.len().saturating_sub(6));
    format!("{start}{}", token.get(end..).unwrap_or_default())
}

fn on_path(name: &str) -> bool {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| folder.join(name).is_file())
}

/// A version manager puts a file of that name on PATH also where nothing is behind it.
fn runs(name: &str) -> bool {
    let mut command = Command::new(name);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The demo's own filter where there is no jq: the named members of the JSON on stdin.
pub fn fields(names: impl Iterator<Item = OsString>) -> ExitCode {
    let document: Value = match serde_json::from_reader(io::stdin()) {
        Ok(document) => document,
        Err(why) => {
            eprintln!("fields: {why}");
            return ExitCode::FAILURE;
        }
    };
    for name in names {
        let name = name.to_string_lossy();
        say(&format!("{name}: {}", document[&*name]));
    }
    ExitCode::SUCCESS
}
