//! `sim bench --woci PATH [--glibc PATH]`: compares a start of woci with /bin/true and the real oci,
//! also with large configs and many processes, and measures a sign-in and a refresh against the
//! simulator. Prints Markdown tables: each figure, its upper limit (bar), and whether the figure is
//! within the limit. A figure is the median of runs that alternate with runs of /bin/true. A figure
//! above its limit is no failure, because machines differ.

use super::{jwt, sys};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Deserializer, Value};
use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime};

const TRUE: &str = "/bin/true";
const CLUSTER: &str = "ocid1.cluster.oc1.iad.aaaaaaaasimulatedcluster";
const SECTIONS: usize = 10;
const TURNS: usize = 500;
const SLOW_TURNS: usize = 5;

/// The bars: how much a start may cost. Times are multiples of /bin/true's.
const HELPER_TIMES: f64 = 0.7;
const HELPER_PEAK: u64 = 1_500_000;
const GLIBC_TIMES: f64 = 1.6;
const KUBE_TIMES: f64 = 2.0;
/// Of the helper's time.
const STATUS_TIMES: f64 = 2.0;
const KUBE_FASTER_THAN_OCI: f64 = 300.0;
const PASSTHROUGH: Duration = Duration::from_micros(500);
/// For a run that leaves a process which renews the session, beside one that does not.
const LEAVING: Duration = Duration::from_micros(300);

/// `glibc` is a second woci, built for glibc, where the machine can build one.
pub fn bench(woci: &Path, glibc: Option<&Path>) -> ExitCode {
    let bench = Bench::new(woci);
    header("On a warm session");
    bench.starts(glibc);
    bench.renewals_left_behind();
    bench.large_configs();
    bench.crowds();
    println!();
    header("Against the simulator");
    bench.refreshing_crowds();
    bench.slow_ways();
    if on_path("oci").is_none() {
        println!("\nThere is no oci on PATH, so kube-credential was not compared with it.");
    }
    ExitCode::SUCCESS
}

/// A warm session in a throw-away home. The simulator runs in another process and this process stays small, since
/// the peak memory of a child starts with what it inherited from its parent.
struct Bench {
    woci: PathBuf,
    home: PathBuf,
    path: OsString,
    simulator: Child,
}

impl Bench {
    fn new(woci: &Path) -> Bench {
        let home = env::temp_dir().join(format!("woci-bench-{}", std::process::id()));
        for folder in ["", ".oci", "bin"] {
            let made = fs::DirBuilder::new().mode(0o700).create(home.join(folder));
            made.expect("a temporary folder can be made");
        }
        let itself = env::current_exe().expect("a program knows its file");
        for (target, name) in [(&*itself, "browser"), (Path::new(TRUE), "oci")] {
            symlink(target, home.join("bin").join(name)).expect("a new folder takes a link");
        }
        let installed = install(woci, &home, "woci");

        let mut path = home.join("bin").into_os_string();
        path.push(":/usr/bin:/bin");

        let mut serve = Command::new(itself);
        serve.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut simulator = serve.spawn().expect("this very program can be run");
        let stdout = simulator.stdout.take().expect("it was piped");
        let said = Deserializer::from_reader(stdout).into_iter::<Value>().next();
        let document = said.and_then(Result::ok).expect("the simulator says where it is");
        let bench = Bench { woci: installed, home, path, simulator };
        bench.sign_in(document["woci_manager.ini"].as_str().expect("its section is text"));
        bench
    }

    fn sign_in(&self, manager: &str) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("127.0.0.1 has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        drop(listener);
        let manager = manager.replace("[DEFAULT]", "[prod]") + &format!("redirect_port = {port}\n");
        fs::write(self.home.join(".oci/woci_manager.ini"), manager).expect("the home is writable");
        let done = self.woci(&["session", "authenticate"]).stderr(Stdio::piped()).output();
        let done = done.expect("woci can be run");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        self.write_oci_config(SECTIONS);
    }

    /// Writes an OCI config with this many sections. The profile's section is the last, so all of them must be read.
    fn write_oci_config(&self, sections: usize) {
        let path = self.home.join(".oci/config");
        let old = fs::read_to_string(&path).expect("a sign-in writes it");
        let own = &old[old.find("[prod]").expect("it holds the profile")..];
        let others = (1..sections).map(|n| {
            format!(
                "[profile-{n}]\nuser = ocid1.user.oc1..{n:060}\nfingerprint = {n:047}\n\
                 key_file = ~/.oci/key-{n}.pem\ntenancy = ocid1.tenancy.oc1..{n:060}\nregion = eu-zurich-1\n\n"
            )
        });
        fs::write(&path, others.collect::<String>() + own).expect("the home is writable");
    }

    fn starts(&self, glibc: Option<&Path>) {
        let mut base = self.base();
        let mut woci = Program::new(self.woci(&[]));
        let mut env = Program::new(self.woci(&["env"]));
        let mut kube = Program::new(self.woci(&["kube-credential", "--cluster-id", CLUSTER]));
        let mut status = Program::new(self.woci(&["status"]));
        let mut through = Program::new(self.woci(&["os", "ns", "get"]));
        let mut glibc =
            glibc.map(|built| Program::new(self.command(install(built, &self.home, "woci-for-glibc"))));
        let mut programs = vec![&mut base, &mut woci, &mut env, &mut kube, &mut status, &mut through];
        programs.extend(&mut glibc);
        take_turns(&mut programs, TURNS);

        let unit = base.wall();
        row("`/bin/true`", Some(1.0), unit, Some(base.peak()), None);
        for (name, program) in [("`woci`", &mut woci), ("`woci env`", &mut env)] {
            let (times, peak) = (program.times(unit), program.peak());
            let bar = Bar::new("0.7 and 1.5 MB", times <= HELPER_TIMES && peak <= HELPER_PEAK);
            row(name, Some(times), program.wall(), Some(peak), Some(bar));
        }
        let times = kube.times(unit);
        let bar = Bar::new("2", times <= KUBE_TIMES);
        row("`woci kube-credential`", Some(times), kube.wall(), Some(kube.peak()), Some(bar));
        let times = status.times(unit);
        let bar = Bar::new("2 x `woci`", times <= STATUS_TIMES * woci.times(unit));
        row("`woci status`", Some(times), status.wall(), Some(status.peak()), Some(bar));
        let added = through.wall().saturating_sub(unit);
        let bar = Bar::new("0.5 ms", added <= PASSTHROUGH);
        row("`woci os ns get`, before oci starts", None, added, Some(through.peak()), Some(bar));
        if let Some(mut glibc) = glibc {
            let times = glibc.times(unit);
            let bar = Bar::new("1.6", times <= GLIBC_TIMES);
            row("`woci` built for glibc", Some(times), glibc.wall(), Some(glibc.peak()), Some(bar));
        }
        self.real_oci(unit, kube.wall());
        self.other_helpers();
    }

    fn real_oci(&self, unit: Duration, kube: Duration) {
        let Some(oci) = on_path("oci") else { return };
        let mut command = self.command(oci);
        command.args(["--profile", "prod", "--auth", "security_token"]);
        command.args(["ce", "cluster", "generate-token", "--cluster-id", CLUSTER]);
        let mut oci = Program::new(command);
        take_turns(&mut [&mut oci], SLOW_TURNS);
        let faster = oci.times(kube);
        let bar = Bar {
            text: "kube-credential 300 times faster",
            verdict: format!("{}, {faster:.0} times", yes_or_no(faster >= KUBE_FASTER_THAN_OCI)),
        };
        let name = "`oci ce cluster generate-token`, for comparison";
        row(name, Some(oci.times(unit)), oci.wall(), Some(oci.peak()), Some(bar));
    }

    /// Credential helpers of other projects, if they are installed, doing as little as they can.
    fn other_helpers(&self) {
        for (name, args) in [
            ("oidc-token", &["--version"][..]),
            ("git-credential-oauth", &["get"]),
            ("docker-credential-ecr-login", &["version"]),
        ] {
            if let Some(path) = on_path(name) {
                let mut command = self.command(path);
                command.args(args);
                self.compare(&format!("`{name} {}`, for comparison", args.join(" ")), command);
            }
        }
    }

    /// With `--auto-refresh`, a run that finds a refresh due leaves a process that renews the session, once in 30 s. The
    /// session's lock is held meanwhile, so that this process ends soon and the session stays due.
    fn renewals_left_behind(&self) {
        let folder = self.home.join(".oci/sessions/prod");
        let token = folder.join("token");
        let fresh = fs::read_to_string(&token).expect("the session has a token");
        let mut claims = jwt::claims(&fresh);
        for (name, from_now) in [("exp", 500), ("iat", -3100)] {
            claims[name] = (jwt::now() + from_now).into();
        }
        let [head, _, signature] = fresh.split('.').collect::<Vec<_>>()[..] else {
            panic!("no JWT: {fresh}")
        };
        let due = format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        fs::write(&token, due).expect("the session folder is writable");
        let lock = fs::File::options().append(true).open(folder.join("session.lock")).expect("it has a lock");
        lock.lock().expect("nobody renews now");

        let stamp = folder.join("woci_renewal.lock");
        let mut warm = Program::new(self.woci(&[]));
        let mut leaving = Program::new(self.woci(&["--auto-refresh"]));
        for _ in 0..TURNS / 5 {
            warm.start();
            // As if the last process had been left long ago.
            if let Ok(file) = fs::File::options().append(true).open(&stamp) {
                file.set_modified(SystemTime::UNIX_EPOCH).expect("own files take a time");
            }
            leaving.start();
            let left = fs::metadata(&stamp).and_then(|file| file.modified());
            assert!(left.is_ok_and(|left| left > SystemTime::UNIX_EPOCH), "no process was left");
        }
        fs::write(&token, fresh).expect("the session folder is writable");
        let added = leaving.wall().saturating_sub(warm.wall());
        let bar = Bar::new("0.3 ms", added <= LEAVING);
        row("`woci` that leaves a renewal behind, beside one that does not", None, added, None, Some(bar));
        let _ = fs::remove_file(&stamp);
    }

    fn large_configs(&self) {
        for (sections, name) in [
            (1_000, "`woci` where `~/.oci/config` has 1 000 sections"),
            (10_000, "`woci` where it has 10 000 (3 MB)"),
        ] {
            self.write_oci_config(sections);
            self.compare(name, self.woci(&[]));
        }
        self.write_oci_config(SECTIONS);
    }

    /// Prints what a program costs beside /bin/true, both started in turn.
    fn compare(&self, name: &str, command: Command) {
        let (mut base, mut program) = (self.base(), Program::new(command));
        take_turns(&mut [&mut base, &mut program], TURNS / 5);
        row(name, Some(program.times(base.wall())), program.wall(), Some(program.peak()), None);
    }

    fn crowds(&self) {
        for count in [16, 128] {
            let (mut woci, mut base) = (Vec::new(), Vec::new());
            for _ in 0..20 {
                base.push(crowd(&mut self.command(TRUE), count).0);
                woci.push(crowd(&mut self.woci(&[]), count).0);
            }
            let wall = median(&mut woci);
            let times = wall.as_secs_f64() / median(&mut base).as_secs_f64();
            row(
                &format!("{count} `woci` at once, beside as many `/bin/true`"),
                Some(times),
                wall,
                None,
                None,
            );
        }
    }

    fn refreshing_crowds(&self) {
        for count in [1, 16, 128] {
            fs::remove_file(self.home.join(".oci/sessions/prod/token")).expect("the session has a token");
            let (took, said) = crowd(self.woci(&[]).stdout(Stdio::piped()), count);
            let tokens: BTreeSet<&str> =
                said.iter().filter_map(|one| one["security_token"].as_str()).collect();
            let refreshes = said.iter().filter(|one| one["source"] == "refreshed").count();
            let name = format!(
                "{count} `woci` at once without a token: refreshes {refreshes}, tokens {}",
                tokens.len()
            );
            row(&name, None, took, None, None);
        }
    }

    /// The refresh with a passphrase comes last: it leaves the refresh token encrypted.
    fn slow_ways(&self) {
        let mut encrypted =
            self.woci(&["session", "refresh", "--refresh-token-passphrase-env", "PASSPHRASE"]);
        encrypted.env("PASSPHRASE", "correct horse battery staple");
        for (name, command) in [
            ("a sign-in, without waiting for a person", self.woci(&["session", "authenticate"])),
            ("a refresh", self.woci(&["session", "refresh"])),
            ("a refresh with a passphrase", encrypted),
        ] {
            let mut program = Program::new(command);
            take_turns(&mut [&mut program], SLOW_TURNS);
            row(name, None, program.wall(), Some(program.peak()), None);
        }
    }

    fn base(&self) -> Program {
        Program::new(self.command(TRUE))
    }

    fn woci(&self, args: &[&str]) -> Command {
        let mut command = self.command(&self.woci);
        command.args(args);
        command
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", &self.home).env("PATH", &self.path).env("BROWSER", "browser");
        command.current_dir(&self.home).stdin(nowhere()).stdout(nowhere()).stderr(nowhere());
        command
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.simulator.stdin.take());
        let _ = self.simulator.wait();
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// A command and how long its runs took.
struct Program {
    command: Command,
    walls: Vec<Duration>,
}

impl Program {
    fn new(command: Command) -> Program {
        Program { command, walls: Vec::new() }
    }

    fn start(&mut self) {
        let begin = Instant::now();
        let status = self.command.status().expect("the program can be run");
        self.walls.push(begin.elapsed());
        assert!(status.success(), "{:?} failed: {status}", self.command.get_program());
    }

    fn wall(&mut self) -> Duration {
        median(&mut self.walls)
    }

    fn times(&mut self, unit: Duration) -> f64 {
        self.wall().as_secs_f64() / unit.as_secs_f64()
    }

    /// The peak memory of one more run.
    fn peak(&mut self) -> u64 {
        sys::peak_memory(&mut self.command)
    }
}

/// Starts each program in turn, so that a busy machine slows all of them alike.
fn take_turns(programs: &mut [&mut Program], turns: usize) {
    for _ in 0..turns {
        for program in &mut *programs {
            program.start();
        }
    }
}

/// Copies woci into the home, as `make install` does. A copied file is mapped faster than the
/// linker's output, because the page cache holds a copy in large pieces and the linker's output in
/// single pages.
fn install(woci: &Path, home: &Path, name: &str) -> PathBuf {
    let installed = home.join("bin").join(name);
    fs::copy(woci, &installed).expect("woci can be copied");
    installed
}

/// Starts this many at once. Returns the time from the first start to the last end, and what they printed if stdout is
/// piped.
fn crowd(command: &mut Command, count: usize) -> (Duration, Vec<Value>) {
    let begin = Instant::now();
    let children: Vec<Child> = (0..count).map(|_| command.spawn().expect("the program can be run")).collect();
    let said: Vec<Vec<u8>> =
        children.into_iter().map(|child| child.wait_with_output().expect("it was started").stdout).collect();
    (begin.elapsed(), said.iter().filter_map(|bytes| serde_json::from_slice(bytes).ok()).collect())
}

/// /dev/null, opened once: std would open /dev/null anew for each start, within the time that is measured.
fn nowhere() -> Stdio {
    fs::File::options().read(true).write(true).open("/dev/null").expect("every system has it").into()
}

fn on_path(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn median(walls: &mut [Duration]) -> Duration {
    walls.sort();
    walls[walls.len() / 2]
}

/// What a figure must not exceed, and whether it holds.
struct Bar {
    text: &'static str,
    verdict: String,
}

impl Bar {
    fn new(text: &'static str, holds: bool) -> Bar {
        Bar { text, verdict: yes_or_no(holds).into() }
    }
}

fn yes_or_no(holds: bool) -> &'static str {
    if holds { "yes" } else { "NO" }
}

/// The head of a Markdown table, as README.md has it.
fn header(what: &str) {
    println!(
        "| {what} | x `/bin/true` | Time | Peak memory | Bar: at most | Holds |\n|---|---|---|---|---|---|"
    );
}

fn row(name: &str, times: Option<f64>, wall: Duration, peak: Option<u64>, bar: Option<Bar>) {
    let times = times.map(significant).unwrap_or_default();
    let peak = peak.map(|bytes| format!("{:.1} MB", bytes as f64 / 1e6)).unwrap_or_default();
    let (text, verdict) = bar.map(|bar| (bar.text, bar.verdict)).unwrap_or_default();
    println!(
        "| {name} | {times} | {} ms | {peak} | {text} | {verdict} |",
        significant(wall.as_secs_f64() * 1e3)
    );
}

/// Two decimals below 10, none above 100.
fn significant(number: f64) -> String {
    let decimals = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.decimals$}")
}
