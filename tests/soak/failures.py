"""Each system call of a good run fails once with each error that it can give, and the run is killed there once.

A failure is one run under strace: of a verb, at one call, with one error. Which ones is drawn by the dice, so that each
slice of time tries others. After each, the exit code is a documented one, a failure names its reason, no file is torn,
the refresh token on disk is the one that the provider accepts, or it was lost in the one window that README.md names,
and the next run works by itself."""
import collections
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import time

from crash import expire, forget, snapshot, whole
from harness import WOCI, Skip, same, system_package, write
from part import check_end
from simulator import Sim
from syscalls import CALLS

ERRORS = ["EIO", "ENOSPC", "EDQUOT", "EMFILE", "ENOMEM", "EAGAIN", "EINTR", "EPERM", "EBUSY"]
KILL = "KILL"
# The provider's answer comes by these. If it is lost, its refresh token is lost.
ANSWER = {"recvfrom", "poll", "read", "ppoll", "recvmsg"}
# For these, only the errors that they can give. strace does not execute a call that it fails: close() closes whatever it
# answers, and a descriptor that stays open is a fault of the trial. Rust itself aborts if its first poll() fails.
POSSIBLE = {"close": [KILL], "poll": ["EINTR", "ENOMEM", KILL], "clone": ["EAGAIN", "ENOMEM", KILL], "clone3": ["EAGAIN", "ENOMEM", KILL]}
CLUSTER = ["--cluster-id", "ocid1.cluster.oc1.iad.example"]
# Longer than every limit of woci but that of a sign-in.
PATIENCE = 100


class Case:
    """One verb's run. `state` is what it finds: `valid`, `expired` or `none`."""

    def __init__(self, name, source, argv, state="valid", prints="json", codes=(0, 1, 2), daemon=None, good=(0,)):
        self.name, self.source, self.argv, self.state, self.prints, self.codes = name, source, argv, state, prints, codes
        # Whether a daemon runs before: None if that does not matter.
        self.daemon = daemon
        self.points, self.good = None, good


CASES = [
    Case("credential, valid", "provider", []),
    Case("credential, refresh", "provider", [], "expired"),
    Case("env", "provider", ["env"], prints="exports"),
    Case("env, refresh", "provider", ["env"], "expired", prints="exports"),
    Case("kube-credential", "provider", ["kube-credential", *CLUSTER]),
    Case("kubeconfig --write", "provider", ["kubeconfig", *CLUSTER, "--write"], prints=None),
    Case("passthrough", "provider", ["os", "ns", "get"], prints=None, codes=(0, 1, 2, 126, 127)),
    Case("passthrough, refresh", "provider", ["os", "ns", "get"], "expired", prints=None, codes=(0, 1, 2, 126, 127)),
    Case("session refresh", "provider", ["session", "refresh"]),
    Case("session authenticate", "provider", ["session", "authenticate"]),
    Case("session authenticate, first", "provider", ["session", "authenticate"], "none"),
    Case("--daemon", "provider", ["--daemon"], daemon=False),
    Case("--daemon-status", "provider", ["--daemon-status"], codes=(0, 1, 2), daemon=True),
    Case("--stop-daemon", "provider", ["--stop-daemon"], codes=(0, 1, 2), daemon=True),
    Case("console: session refresh", "console", ["session", "refresh"]),
    Case("console: credential", "console", []),
    Case("workload: session refresh", "workload", ["session", "refresh"]),
    Case("workload: credential, expired", "workload", [], "expired"),
    Case("status", "provider", ["status"]),
    Case("doctor", "provider", ["doctor"], good=(0, 1)),
    Case("config show", "provider", ["config", "show"]),
    Case("config set", "provider", ["config", "set", "log_level", "INFO"], prints=None),
    Case("exec", "provider", ["exec", "/bin/true"], prints=None, codes=(0, 1, 2, 126, 127)),
    Case("logout", "provider", ["logout"], prints=None),
]
SIGN_IN = next(case for case in CASES if case.name == "session authenticate")


def soak(part):
    if not shutil.which("strace"):
        system_package("strace", lambda: shutil.which("strace"))
    bench = Bench()
    counts = collections.Counter()
    try:
        for case in CASES:
            bench.measure(case)
        total = sum(len(all_pairs(case)) for case in CASES)
        part.figure(f"{len(CASES)} verbs' runs with {sum(len(case.points) for case in CASES)} calls: {total} failures that can be injected")
        # Every verb gets its turn, and inside one, every pair of call and error is as likely.
        drawn = {case.name: part.dice.sample(pairs := all_pairs(case), len(pairs)) for case in CASES}
        while part.left > 0 and any(drawn.values()):
            for case in CASES:
                if part.left <= 0 or not drawn[case.name]:
                    continue
                point, error = drawn[case.name].pop()
                with part.holds(f"{case.name}, {error} at {point[0]} number {point[1]}"):
                    counts[case.name] += 1
                    lost = bench.fails(case, point, error)
                    counts["lost"] += lost
        tried = sum(counts[case.name] for case in CASES)
        if not tried:
            raise Skip("measuring took all of the time")
        part.figure("injected failures: " + ", ".join(f"{case.name} {counts[case.name]}" for case in CASES))
        part.row("system calls that fail, or are the last", f"{tried} runs of {len(CASES)} kinds, drawn from {total}; {counts['lost']} refresh tokens lost in the window")
        part.figure(f"{tried} failures of {total} injected; the refresh token was lost in {counts['lost']}, all in the documented window")
    finally:
        bench.end()


def all_pairs(case):
    return [(point, error) for point in case.points for error in [*ERRORS, KILL] if error in POSSIBLE.get(point[0], [*ERRORS, KILL])]


class Bench:
    """A home for each source of sessions, and the simulator."""

    def __init__(self):
        self.sim = Sim()
        self.homes = {"provider": self.sim.home(), "console": self.sim.console_home(), "workload": self.workload()}
        for home in self.homes.values():
            # A program that oci's name stands for, and one for kubectl: neither is woci's, and no failure is theirs.
            for name in ("oci", "kubectl"):
                write(home.bin / name, '#!/bin/sh\necho \'{"users": []}\'\n', 0o755)
            # No other oci: if woci cannot look at the first, it runs the next, as a shell does. That one would ask Oracle.
            home.env["PATH"] = f"{home.bin}:/usr/bin:/bin"
            home.env["BROWSER"] = "no-such-browser"

    def workload(self):
        home = self.sim.home()
        manager = dict(re.findall(r"(?m)^(\w+) = (.*)$", self.sim.manager))
        keys = {key: manager[key] for key in ("token_exchange_url", "client_id", "client_secret", "region")}
        file = write(home.path / "subject", self.sim.order(workload_token=10**6)["workload_token"])
        home.manager({"DEFAULT": {**keys, "subject_token_file": file}})
        return home

    def prepare(self, case):
        home = self.homes[case.source]
        if case.source == "provider" and case.daemon is not True:
            self.stop_daemon(home)
        if case.state == "none":
            forget(home)
        elif not self.works(home):
            self.sign_in(home)
        if case.state == "expired":
            expire(home)
        if case.daemon is True:
            home.woci("--daemon").expect(0)
        return home

    def works(self, home):
        return (home.session() / "token").exists() and home.woci("--sign-in", "never", timeout=PATIENCE).code == 0

    def sign_in(self, home):
        if home is self.homes["workload"]:
            home.woci().expect(0)
        else:
            same(self.run(SIGN_IN, home, [])[0], 0, "exit code of a sign-in")

    def stop_daemon(self, home):
        """By woci, or if its files are spoilt, by the PID in them."""
        if home.woci("--stop-daemon", timeout=PATIENCE).code in (0, 1):
            return
        with open(home.session() / "woci_refresh.pid") as file:
            os.kill(int(file.read()), signal.SIGKILL)

    def measure(self, case):
        """The calls of a good run, without those of the loader, which come before Rust's own first call, and of the
        programs that woci starts."""
        home = self.prepare(case)
        log = home.path / "strace.log"
        code, out, err = self.run(case, home, ["-s", "8", "-o", log, "-e", "trace=" + ",".join("?" + call for call in [*CALLS, "socketpair"])])
        assert code in case.good, f"exit {code} of {case.name}: {err}"
        if case.daemon is not None:
            self.stop_daemon(home)
        threads, execs, begun, pairs, loader = {}, {}, set(), set(), {}
        for line in log.read_text().splitlines():
            if not (found := re.match(r"(\d+) +(\w+)\((.*)", line)):
                continue
            thread, name, rest = found.groups()
            calls = threads.setdefault(thread, collections.Counter())
            calls[name] += 1
            if name == "execve":
                execs[thread] = execs.get(thread, 0) + 1
            first = next(iter(threads))
            if thread == first and name == "poll" and not begun:
                begun.add(first)
                loader = dict(calls)
            if name == "socketpair":
                pairs |= {(thread, fd) for fd in re.findall(r"\d+", rest.partition("[")[2].partition("]")[0])}
            # By a pair of sockets, Rust's library learns whether a program was started. It knows no errors there.
            if name in ("recvfrom", "sendto") and (thread, rest.partition(",")[0]) in pairs:
                continue
            ours = (thread == first and execs.get(thread, 0) == 1 and thread in begun) or (thread != first and not execs.get(thread))
            if ours and name not in ("execve", "getrandom", "socketpair"):
                case.points = (case.points or set()) | {(name, calls[name])}
        # strace counts in each thread, so that these would hit the loader.
        case.points = sorted(point for point in case.points if point[1] > loader.get(point[0], 0) or point == ("poll", 1))
        log.unlink()

    def run(self, case, home, strace):
        """Runs a verb under strace, which leaves the process alone: its parent is this one, and a daemon outlives it."""
        argv = [*(["strace", "-D", "-f", "-qq", *map(str, strace)] if strace else []), str(WOCI), *case.argv]
        out = open(home.path / "out", "w+")
        woci = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, env=home.env, cwd=home.path, umask=0)
        watch = Watch(woci, home)
        err = watch.read()
        code = woci.wait(PATIENCE)
        out.seek(0)
        text = out.read()
        out.close()
        if watch.gave_up:
            return None, text, err
        return code, text, err

    def fails(self, case, point, error):
        """One failure, and what holds after it. True if the refresh token was lost where it may be."""
        home = self.prepare(case)
        before, exchanges = snapshot(home), self.sim.order()["requests"]["exchange"]
        name, nth = point
        how = "signal=KILL" if error == KILL else f"error={error}"
        code, out, err = self.run(case, home, ["-o", "/dev/null", "-e", f"trace={name}", "-e", f"inject={name}:{how}:when={nth}"])
        if code is None:
            # The line with the URL did not reach stderr, so that nobody could sign in.
            assert name in ("write", "writev"), f"no end within {PATIENCE} s: {err}"
            return False
        if code == 128 + signal.SIGKILL or code == -signal.SIGKILL:
            assert error == KILL, f"killed by {error}?"
        else:
            # The error of a write to stderr is in the way of the reason.
            if not (code and name in ("write", "writev") and "panicked" not in err and "woci: " not in err):
                check_end(code, err, out=out)
            assert code in case.codes, f"exit {code}: {err}"
        if code == 0:
            self.check_output(case, out)
        if case.name == "logout":
            self.check_config(home, before)
        whole(home, before)
        self.check_manager(case, home, before)
        if case.name == "logout":
            # Interrupted at any point, it can be done again, and then nothing is left.
            if (home.session() / "refresh_token").exists():
                home.woci("logout", timeout=PATIENCE).expect(0)
            left = [name for name in ("token", "refresh_token", "private_key.pem") if code == 0 and (home.session() / name).exists()]
            same(left, [], "secrets after a logout")
            return False
        lost = self.is_lost(case, home)
        if lost:
            state = self.sim.order()
            spent = state["requests"]["exchange"] == exchanges
            allowed = spent and (name in ANSWER or error == KILL and name in ("write", "writev"))
            assert allowed, f"the refresh token was lost; exit {code}: {err}"
            forget(home)
            self.sign_in(home)
        elif (home.session() / "refresh_token").exists() or case.source != "provider":
            done = home.woci("--sign-in", "never", timeout=PATIENCE)
            done.expect(0)
            assert done.json["source"] in ("cached", "refreshed")
        else:
            # A first sign-in that did not end.
            assert case.state == "none", f"no refresh token after {case.name}; exit {code}: {err}"
            self.sign_in(home)
        if nth % 4 == 0 and case.source == "provider":
            self.stop_daemon(home)
            home.woci("--sign-in", "never", "session", "refresh", timeout=PATIENCE).expect(0)
            home.clean()
        return lost

    def check_config(self, home, before):
        """A logout takes all of woci's keys out of the section, or none; the rest stays. `whole` then sees the old file."""
        path = home.oci / "config"
        old, now = before[path].decode(), path.read_text()
        if now != old:
            ours = re.compile(r"(?m)^(key_file|security_token_file|fingerprint|tenancy) *=.*\n")
            same(now, ours.sub("", old), "the config after a logout")
            before[path] = now.encode()

    def check_manager(self, case, home, before):
        """Only `config set` changes woci_manager.ini: by a whole line."""
        path = home.oci / "woci_manager.ini"
        now, old = path.read_text(), before[path].decode()
        if case.name == "config set":
            line = "log_level = INFO\n"
            same(now.replace(line, ""), old.replace(line, ""), "woci_manager.ini")
            write(path, now.replace(line, ""))
        else:
            same(now, old, "woci_manager.ini")

    def check_output(self, case, out):
        if case.prints == "json":
            json.loads(out)
        elif case.prints == "exports":
            assert out.startswith(("export ", "unset ")) and "OCI_CLI_SECURITY_TOKEN_FILE" in out, f"exit 0 and stdout: {out!r}"

    def is_lost(self, case, home):
        """Whether the next run will find that the provider accepts neither the token in place nor one left beside it."""
        folder = home.session()
        if case.source != "provider" or not folder.exists():
            return False
        kept = [folder / "refresh_token", *folder.glob(".refresh_token.*.woci-next")]
        tokens = [token for file in kept if file.exists() and (token := file.read_text().strip())]
        live = self.sim.order()["live"]
        return bool(tokens) and not any(token in live for token in tokens)

    def end(self):
        for home in self.homes.values():
            home.woci("--stop-daemon")
            home.remove()
        self.sim.stop()


class Watch:
    """Reads stderr, and is the person at the browser: the test opens the URL, so that strace does not count its calls."""

    def __init__(self, woci, home):
        self.woci, self.home, self.gave_up = woci, home, False

    def read(self):
        lines, since, browsers = b"", time.monotonic(), 0
        poll = selectors.DefaultSelector()
        poll.register(self.woci.stderr, selectors.EVENT_READ)
        opened, last = None, 0.0
        while True:
            if not poll.select(0.2):
                # A daemon may keep stderr open.
                if self.woci.poll() is not None:
                    break
                # The connection of the browser was what failed: the person opens the URL again.
                if opened and browsers < 3 and time.monotonic() - last > 6:
                    last, browsers = self.open(opened), browsers + 1
                if time.monotonic() - since > (PATIENCE if opened else 75):
                    self.gave_up = True
                    self.woci.kill()
                    break
                continue
            chunk = os.read(self.woci.stderr.fileno(), 65536)
            if not chunk:
                break
            lines += chunk
            if not opened and (found := re.search(rb"Auth URL: (\S+)\n", lines)):
                opened = found.group(1)
                last = self.open(opened)
        self.woci.stderr.close()
        return lines.decode(errors="replace")

    def open(self, url):
        subprocess.run([self.home.bin / "browser", url], stdout=subprocess.DEVNULL, env=self.home.env, check=True)
        return time.monotonic()
