//! `sim bench --woci PATH`: what a start of woci costs, beside /bin/true in the same run; how that grows; and what the
//! slow ways take against the simulator. Each figure is a median of runs that take turns with those of /bin/true, so
//! that a busy machine slows both alike. Nothing is asserted.

use super::sys;
use serde_json::{Deserializer, Value};
use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const TRUE: &str = "/bin/true";
pub const CLUSTER: &str = "ocid1.cluster.oc1.iad.aaaaaaaasimulatedcluster";
const SECTIONS: usize = 10;
const TURNS: usize = 500;
const SLOW_TURNS: usize = 5;

pub fn bench(woci: &Path) -> ExitCode {
    let bench = Bench::new(woci);
    bench.starts();
    bench.large_configs();
    bench.crowds();
    bench.slow_ways();
    ExitCode::SUCCESS
}

/// A warm session in a throw-away home. The simulator is a process of its own and this one stays small, since the
/// peak of a child begins with what it had of its parent.
pub struct Bench {
    woci: PathBuf,
    pub home: PathBuf,
    path: OsString,
    simulator: Child,
}

impl Bench {
    pub fn new(woci: &Path) -> Bench {
        let home = env::temp_dir().join(format!("woci-bench-{}", std::process::id()));
        for folder in ["", ".oci", "bin"] {
            let made = fs::DirBuilder::new().mode(0o700).create(home.join(folder));
            made.expect("a temporary folder can be made");
        }
        let itself = env::current_exe().expect("a program knows its file");
        for (target, name) in [(&*itself, "browser"), (Path::new(TRUE), "oci")] {
            symlink(target, home.join("bin").join(name)).expect("a new folder takes a link");
        }
        // A copy, as `make install` makes one: the pages of a file as the linker wrote it are in memory one by
        // one, those of a copy many at a time, which are mapped sooner.
        let installed = home.join("bin/woci");
        fs::copy(woci, &installed).expect("woci can be copied");

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

    /// An OCI config of so many sections. The profile's is the last, so that all of them have to be read.
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

    fn starts(&self) {
        let kube = self.woci(&["kube-credential", "--cluster-id", CLUSTER]);
        let mut programs = vec![
            Program::new("woci", self.woci(&[])),
            Program::new("woci env", self.woci(&["env"])),
            Program::new("woci os ns get, where oci is /bin/true", self.woci(&["os", "ns", "get"])),
            Program::new("woci kube-credential", kube),
        ];
        programs.retain_mut(|program| {
            let works = program.start();
            if !works {
                println!("{}: not available in this version", program.name);
            }
            works
        });
        header("a start");
        let base = self.measure(&mut programs, TURNS);
        if let Some(through) = programs.iter_mut().find(|program| program.name.contains("oci is")) {
            let added = through.wall().saturating_sub(base);
            println!("woci adds {} to the start of oci", milliseconds(added));
        }
        if let Some(kube) = programs.iter_mut().find(|program| program.name.contains("kube-credential")) {
            self.real_oci(kube.wall());
        }
        self.others();
    }

    fn real_oci(&self, kube: Duration) {
        let Some(oci) = on_path("oci") else {
            println!("oci ce cluster generate-token: there is no oci on PATH");
            return;
        };
        let mut command = self.command(oci);
        command.args(["--profile", "prod", "--auth", "security_token"]);
        command.args(["ce", "cluster", "generate-token", "--cluster-id", CLUSTER]);
        let mut programs = [Program::new("oci ce cluster generate-token", command)];
        self.measure(&mut programs, SLOW_TURNS);
        let times = programs[0].wall().as_secs_f64() / kube.as_secs_f64();
        println!("woci kube-credential is {times:.0} times faster");
    }

    /// Helpers of other makes, those that are here, asked for what they say without work.
    fn others(&self) {
        for (name, args) in [
            ("oidc-token", &["--version"][..]),
            ("git-credential-oauth", &["get"]),
            ("docker-credential-ecr-login", &["version"]),
        ] {
            if let Some(path) = on_path(name) {
                let mut command = self.command(path);
                command.args(args);
                self.measure(&mut [Program::new(&format!("{name} {}", args.join(" ")), command)], TURNS / 5);
            }
        }
    }

    fn large_configs(&self) {
        header("woci, sections in the OCI config");
        for sections in [SECTIONS, 1_000, 10_000] {
            self.write_oci_config(sections);
            self.measure(&mut [Program::new(&sections.to_string(), self.woci(&[]))], TURNS / 5);
        }
        self.write_oci_config(SECTIONS);
    }

    fn crowds(&self) {
        header("woci, so many at once");
        for count in [1, 16, 128] {
            let (mut woci, mut base) = (Vec::new(), Vec::new());
            for _ in 0..20 {
                base.push(crowd(&mut self.command(TRUE), count).0);
                woci.push(crowd(&mut self.woci(&[]), count).0);
            }
            row(&count.to_string(), median(&mut woci), median(&mut base), None);
        }
        println!();
        for count in [1, 16, 128] {
            fs::remove_file(self.home.join(".oci/sessions/prod/token")).expect("the session has a token");
            let (took, said) = crowd(self.woci(&[]).stdout(Stdio::piped()), count);
            let tokens: BTreeSet<&str> =
                said.iter().filter_map(|one| one["security_token"].as_str()).collect();
            let refreshes = said.iter().filter(|one| one["source"] == "refreshed").count();
            println!(
                "{count} at once on a session that has ended: {}; refreshes {refreshes}, session tokens {}",
                milliseconds(took),
                tokens.len()
            );
        }
    }

    /// The refresh under a passphrase is the last: the token at rest stays encrypted.
    fn slow_ways(&self) {
        header("against the simulator");
        let mut encrypted =
            self.woci(&["session", "refresh", "--refresh-token-passphrase-env", "PASSPHRASE"]);
        encrypted.env("PASSPHRASE", "correct horse battery staple");
        for (name, command) in [
            ("a sign-in, the person quick", self.woci(&["session", "authenticate"])),
            ("a refresh", self.woci(&["session", "refresh"])),
            ("a refresh under a passphrase", encrypted),
        ] {
            self.measure(&mut [Program::new(name, command)], SLOW_TURNS);
        }
    }

    /// Starts them in turn with /bin/true, prints a row for each, and returns what /bin/true took.
    fn measure(&self, programs: &mut [Program], turns: usize) -> Duration {
        let mut base = Program::new(TRUE, self.command(TRUE));
        for _ in 0..turns {
            base.start();
            for program in &mut *programs {
                program.start();
            }
        }
        let wall = base.wall();
        if programs.len() > 1 {
            base.print(wall);
        }
        for program in programs {
            program.print(wall);
        }
        wall
    }

    pub fn woci(&self, args: &[&str]) -> Command {
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

/// A command and what its runs took.
struct Program {
    name: String,
    command: Command,
    walls: Vec<Duration>,
}

impl Program {
    fn new(name: &str, command: Command) -> Program {
        Program { name: name.into(), command, walls: Vec::new() }
    }

    /// One more run; whether it succeeded.
    fn start(&mut self) -> bool {
        let begin = Instant::now();
        let succeeded = self.command.status().expect("the program can be run").success();
        self.walls.push(begin.elapsed());
        succeeded
    }

    fn wall(&mut self) -> Duration {
        median(&mut self.walls)
    }

    /// Its row; the peak is that of a run of its own.
    fn print(&mut self, base: Duration) {
        let (wall, peak) = (self.wall(), sys::peak_memory(&mut self.command));
        row(&self.name, wall, base, Some(peak));
    }
}

/// So many at once, from the first start to the last end; and what they said, where that is piped.
fn crowd(command: &mut Command, count: usize) -> (Duration, Vec<Value>) {
    let begin = Instant::now();
    let children: Vec<Child> = (0..count).map(|_| command.spawn().expect("the program can be run")).collect();
    let said: Vec<Vec<u8>> =
        children.into_iter().map(|child| child.wait_with_output().expect("it was started").stdout).collect();
    (begin.elapsed(), said.iter().filter_map(|bytes| serde_json::from_slice(bytes).ok()).collect())
}

/// /dev/null, opened once: std opens its own anew for each start, within the time that is taken.
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

fn header(what: &str) {
    println!("\n{what:40} {:>10} {:>12} {:>9}", "wall", "x /bin/true", "peak");
}

fn row(name: &str, wall: Duration, base: Duration, peak: Option<u64>) {
    let ratio = wall.as_secs_f64() / base.as_secs_f64();
    let peak = peak.map(|bytes| format!("{:.1} MB", bytes as f64 / 1e6)).unwrap_or_default();
    println!("{name:40} {:>10} {ratio:>12.2} {peak:>9}", milliseconds(wall));
}

fn milliseconds(wall: Duration) -> String {
    format!("{:.2} ms", wall.as_secs_f64() * 1e3)
}
