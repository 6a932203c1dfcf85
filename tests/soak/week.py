"""A week in an hour: twenty profiles with a daemon each, on a clock that runs 168 times too fast, and all that can happen.

Provider, console and workload sessions; plain, encrypted and in a keyring; in two homes, one of them on a disk that fills
up. kubectl-like callers, and readers that open token and key at any moment as Terraform does. Meanwhile: suspends of
hours, clock steps back and forth, outages of minutes to half a day, rotated client secrets, a full disk, kill -9 of any
process of woci.

Time limits and waits are real; only the wall clock is fast. So that half a minute of a daemon's sleep, which is 84
minutes of the week, does not matter, a token is valid for 12 hours: it is renewed after 6, two real minutes. A
console session ends after 5 days, and a person signs in again."""
import base64
import collections
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import threading
import time

from clock import Clock
from crash import claims
from harness import ROOT, Home, Skip, same, write
from part import check_end, memory_and_descriptors, processes_with
from simulator import Sim

RATE = 168
HOUR = 3600
LIFE = 12 * HOUR
DUE = LIFE // 2
# After the last obstacle, in real seconds: a daemon sleeps 30 s at most, and fails at most once more.
FRESH_WITHIN = 60
# The longest sleep of a daemon is 30 s; the rest is for a busy machine.
SLEEP = 50
# Between two renewals of a key, less than DUE: what a clock that was read twice may differ by.
SLACK = 10 * 60
PASSPHRASE = "soak passphrase canary 77"
CLUSTER = "ocid1.cluster.oc1.iad.aaaasoak"
KINDS = (
    ["plain"] * 4 + ["encrypted"] * 3 + ["keyring"] * 3 + ["issuer"] * 1 + ["auto"] * 2 + ["console"] * 4 + ["workload"] * 2 + ["runner"] * 1
)  # fmt: skip
OBSTACLES = ["suspend", "suspend", "back", "forth", "outage", "outage", "secret", "full", "kill", "kill", "kill", "drop"]


def soak(part):
    dynamic = ROOT / "target/debug/woci"
    if not dynamic.exists():
        raise Skip("the debug woci is not built: a static one cannot load the clock")
    week = Week(part, dynamic)
    try:
        week.begin()
        week.go()
        week.end()
    finally:
        week.stop()


class Profile:
    def __init__(self, week, home, kind, number):
        self.week, self.home, self.kind, self.name = week, home, kind, f"{kind}{number}"
        self.folder = home.oci / "sessions" / self.name
        self.env = dict(home.env)
        self.kills = self.sign_ins = self.lost = self.excused = 0
        self.stale_since = None
        self.usage = []
        self.codes = collections.Counter()

    def section(self):
        sim = self.week.sim
        manager = dict(re.findall(r"(?m)^(\w+) = (.*)$", sim.manager))
        manager.update(self.week.secrets)
        keys = {"refresh_safety_window": DUE, "redirect_port": self.home.ports[self.name]}
        exchange = {key: manager[key] for key in ("token_exchange_url", "client_id", "client_secret", "region")}
        if self.kind == "console":
            keys |= dict(re.findall(r"(?m)^(\w+) = (.*)$", sim.addresses["woci_manager.ini for a console session"]))
        elif self.kind == "workload":
            keys |= exchange | {"subject_token_file": self.home.path / "subject"}
        elif self.kind == "runner":
            keys |= exchange | {"subject_token_from": "github", "subject_token_audience": "oci"}
        else:
            keys |= manager
        if self.kind == "issuer":
            keys = {key: value for key, value in keys.items() if key not in ("authz_base_url", "token_url")} | {"issuer": sim.addresses["issuer"]}
        if self.kind == "encrypted":
            keys["refresh_token_passphrase_env"] = "SOAK_PASSPHRASE"
        if self.kind == "keyring":
            keys["refresh_token_get_command"] = f"{self.home.bin}/keyring get {self.name}"
            keys["refresh_token_put_command"] = f"{self.home.bin}/keyring put {self.name}"
        if self.kind == "auto":
            keys["auto_refresh"] = "true"
        return keys

    def woci(self, *args, timeout=120, codes=(0, 1), env=None):
        """A run of woci, which may be killed by the dice. Returns its code and outputs."""
        argv = [str(self.week.woci), "--profile", self.name, *args]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env or self.env, cwd="/")
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{' '.join(args) or 'credential'} of {self.name} took more than {timeout} s: {err}")
        self.codes[process.returncode] += 1
        check_end(process.returncode, err, self.week.canaries, out)
        if process.returncode == -signal.SIGKILL:
            assert self.kills, "killed by nobody"
        else:
            assert process.returncode in codes, f"exit {process.returncode} of {args}: {err}"
        return process.returncode, out, err

    def pair(self):
        """Reads the token and the key as an SDK does: one after the other, while they may be replaced."""
        token, key = (self.folder / "token").read_text(), (self.folder / "private_key.pem").read_text()
        known = claims(token)
        return json.loads(known["jwk"])["n"] == modulus(key), known["exp"]

    def is_fresh(self):
        try:
            return claims((self.folder / "token").read_text())["exp"] > self.week.clock.now()
        except (OSError, ValueError, IndexError):
            return False

    def is_on_time(self):
        """The token was renewed when that was due: a daemon finds it out half a minute later at most."""
        try:
            known = claims((self.folder / "token").read_text())
        except (OSError, ValueError, IndexError):
            return False
        now = self.week.clock.now()
        return known["exp"] > now and now - known["iat"] < DUE + SLEEP * RATE

    def daemon(self):
        """The PID of the daemon, by its command line: its files may be lost."""
        for pid, argv in processes_with(self.week.mark):
            if "__daemon" in argv and f"--profile={self.name}" in argv:
                return pid
        return None

    def ensure_daemon(self):
        if self.daemon() is None and self.week.disk_is_fine(self.home):
            self.woci("--daemon", "--sign-in", "never", codes=(0, 1, 2))

    def sign_in(self):
        """The person signs in: the first time, at the end of a console session, and if the dice have lost the token."""
        code, _, err = self.woci("session", "authenticate", codes=(0, 1, 2))
        self.sign_ins += code == 0
        return code, err


class Week:
    def __init__(self, part, woci):
        self.part, self.dice, self.woci = part, part.dice, woci
        self.mark = f"SOAK={os.getpid()}-{part.seed}"
        self.clock = self.sim = None
        self.homes, self.profiles, self.secrets, self.canaries = [], [], {}, []
        self.ending, self.counts = threading.Event(), collections.Counter()
        self.calm = threading.Lock()
        self.full_homes, self.troubled_until = set(), 0.0
        self.threads = []

    # ---- the beginning ----

    def begin(self):
        self.base = Home()
        self.clock = Clock(self.base.path, RATE)
        assert self.clock.works(), "the clock is not loaded"
        self.sim = Sim({**os.environ, **self.clock.env})
        self.sim.order(lifetime=LIFE, code_lifetime=10 * HOUR, session_lifetime=5 * 24 * HOUR, clock_skew=6 * HOUR)
        for number in range(2):
            home = self.sim.home()
            self.homes.append(home)
            home.env.update(self.clock.env, BROWSER="browser", SOAK_PASSPHRASE=PASSPHRASE, SOAK=self.mark[5:], TZ="UTC")
            home.env.update(ACTIONS_ID_TOKEN_REQUEST_URL=self.sim.addresses["github_url"], ACTIONS_ID_TOKEN_REQUEST_TOKEN=self.sim.addresses["github_request_token"])
            home.is_small = number == 1 and os.geteuid() == 0 and mount_small(home)
            write(home.bin / "keyring", KEYRING, 0o755)
            write(home.path / "subject", self.sim.order(workload_token=400 * 24 * HOUR)["workload_token"])
            home.ports = {}
        for number, kind in enumerate(KINDS):
            home = self.homes[number % 2]
            profile = Profile(self, home, kind, number)
            home.ports[profile.name] = 20000 + self.part.seed % 20000 + number
            self.profiles.append(profile)
        self.write_managers()
        self.canaries = [PASSPHRASE, *re.findall(r"(?m)^\w*secret = (.*)$", self.sim.manager)]
        for profile in self.profiles:
            code, err = profile.sign_in()
            same(code, 0, f"exit code of {profile.name}'s sign-in ({err})")
            profile.ensure_daemon()
        self.part.figure(f"{len(self.profiles)} profiles in {len(self.homes)} homes, a daemon each; the clock runs x{RATE}")
        self.began_real, self.began_wall = time.monotonic(), self.clock.now()

    def write_managers(self):
        for home in self.homes:
            text = ""
            for profile in self.profiles:
                if profile.home is home:
                    text += f"[{profile.name}]\n" + "".join(f"{key} = {value}\n" for key, value in profile.section().items()) + "\n"
            new = write(home.oci / ".woci_manager.ini.new", text)
            new.rename(home.oci / "woci_manager.ini")

    # ---- the week ----

    def go(self):
        for profile in self.profiles:
            self.thread(self.calls, profile)
        self.thread(self.reads)
        self.thread(self.watches)
        # The last obstacle leaves a minute to become fresh in, and the end needs some time too.
        until, bag = self.part.began + self.part.seconds - FRESH_WITHIN - 20, []
        while time.monotonic() < until:
            for _ in range(self.dice.randrange(2, 6)):
                # Each of them in its turn, in an order of the dice.
                bag = bag or self.dice.sample(OBSTACLES, len(OBSTACLES))
                name = bag.pop()
                with self.part.holds(f"obstacle {name}"):
                    getattr(self, name)()
                    self.counts[name] += 1
                self.trouble(0)
                self.pause(self.dice.uniform(1, 8), until)
            # Then all profiles have a minute, and `watches` looks at them for another while.
            self.pause(self.troubled_until + FRESH_WITHIN + self.dice.uniform(15, 60) - time.monotonic(), until)
            self.counts["quiet times"] += time.monotonic() < until
            self.samples()

    def thread(self, act, *args):
        def run():
            try:
                act(*args)
            except Exception as error:  # it ends this thread alone, and is a failure
                self.part.failed(f"{act.__name__} {args[0].name if args else ''}", f"{type(error).__name__}: {error}")

        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def pause(self, seconds, until=None):
        self.ending.wait(max(0.0, min(seconds, (until or 1e18) - time.monotonic())))

    def trouble(self, seconds):
        """Something is in the way, for these seconds from now on."""
        self.troubled_until = max(self.troubled_until, time.monotonic() + seconds)

    def calls(self, profile):
        """kubectl, a script or a shell, every few seconds; now and then the daemon is started again if it was killed."""
        dice = random.Random(f"{self.part.seed} {profile.name}")
        while not self.ending.wait(dice.uniform(2, 8)):
            args = dice.choice([["kube-credential", "--cluster-id", CLUSTER], ["credential"], ["env"], ["kube-credential", "--cluster-id", CLUSTER]])
            code, out, err = profile.woci("--sign-in", "never", *args, codes=(0, 1, 2))
            if code == 0 and args[0] == "credential":
                known = json.loads(out)
                same(known["profile"], profile.name)
                # A run may take a while; the time that is left is as of its end.
                assert claims(known["security_token"])["exp"] > self.clock.now() - 60 * RATE, "an expired credential"
            elif code in (1, 2):
                self.explain(profile, err)
            profile.ensure_daemon()

    def explain(self, profile, err):
        """A failure has a reason: an obstacle, or a session that only a person can renew."""
        if "session authenticate" in err:
            with self.calm:
                code, why = profile.sign_in()
                if code == 0:
                    # Console sessions end; other ones are lost if the dice kill a run in the documented window.
                    assert profile.kind == "console" or profile.kills, f"{profile.name} was lost by nobody's doing: {err}"
                    profile.lost += profile.kind != "console"
                    profile.excused += 1
                elif not self.is_troubled():
                    raise AssertionError(f"a sign-in of {profile.name} failed: {why}")
        elif not self.is_troubled():
            raise AssertionError(f"{profile.name} failed without an obstacle: {err}")

    def is_troubled(self):
        return time.monotonic() < self.troubled_until + FRESH_WITHIN

    def reads(self):
        """As Terraform and the SDKs: at any moment, without woci."""
        while not self.ending.wait(0.05):
            profile = self.profiles[self.counts["reads"] % len(self.profiles)]
            self.counts["reads"] += 1
            for attempt in range(2):
                try:
                    belongs, _ = profile.pair()
                except OSError:
                    belongs = False
                if belongs:
                    break
                self.counts["retries"] += 1
                time.sleep(0.05)
            else:
                raise AssertionError(f"token and key of {profile.name} do not belong together")

    def watches(self):
        """Within a minute of the last obstacle, each profile is fresh, and its token not older than the schedule allows."""
        while not self.ending.wait(1):
            for profile in self.profiles:
                if self.is_troubled() or profile.is_on_time():
                    profile.stale_since = None
                    continue
                profile.stale_since = profile.stale_since or time.monotonic()
                # If a console session has ended, its next caller signs in.
                if time.monotonic() - profile.stale_since > (20 if profile.kind == "console" else 5):
                    raise AssertionError(f"{profile.name} is not fresh {FRESH_WITHIN} s after the last obstacle: {self.status(profile)}")

    def status(self, profile):
        log = profile.folder / "woci_refresh.log"
        tail = log.read_text()[-700:] if log.exists() else "no log"
        return f"daemon {profile.daemon()}\n{tail}"

    def samples(self):
        for profile in self.profiles:
            if pid := profile.daemon():
                try:
                    profile.usage.append((pid, *memory_and_descriptors(pid)))
                except (OSError, KeyError):
                    pass

    # ---- obstacles ----

    def suspend(self):
        """The machine sleeps for hours: no process runs, and the clock goes on."""
        hours = self.dice.uniform(1, 14)
        self.trouble(1)
        self.clock.step(hours * HOUR)
        self.counts["hours suspended"] += round(hours)

    def back(self):
        self.trouble(1)
        self.clock.step(-self.dice.uniform(60, 3 * HOUR))

    def forth(self):
        self.trouble(1)
        self.clock.step(self.dice.uniform(60, 3 * HOUR))

    def outage(self):
        """Minutes to half a day, of the provider, the domain or Oracle."""
        seconds = self.dice.choice([self.dice.uniform(2, 60), self.dice.uniform(0.1, 3) * HOUR, self.dice.uniform(3, 12) * HOUR]) / RATE
        every = ["refresh", "exchange", "id_token", "console_refresh", "discovery"]
        ends = self.dice.choice([every, ["refresh", "discovery"], ["exchange"], ["console_refresh", "id_token"]])
        how = self.dice.choice(["503", "500", "429", "drop", "reset"])
        # An answer that is lost after the provider has spent a token would lose it: that is `drop` below.
        self.trouble(seconds + 1)
        self.sim.order(outage=dict.fromkeys(ends, how))
        self.pause(seconds)
        self.sim.order(outage={})

    def drop(self):
        """One exchange or console refresh is processed, and its answer lost. It spends no refresh token."""
        self.trouble(1)
        self.sim.order(faults=[{"grant": self.dice.choice(["exchange", "console_refresh"]), "how": "reset", "after": True}])
        for profile in self.profiles:
            profile.excused += 1

    def secret(self):
        """An administrator rotates a client secret, and the configuration follows a while later."""
        key = self.dice.choice(["client_secret", "auth_client_secret"])
        new = f"canary-rotated-{self.dice.randrange(10**9)}"
        self.canaries.append(new)
        seconds = self.dice.uniform(1, 20)
        self.trouble(seconds + 1)
        self.sim.order(**{key: new})
        self.pause(seconds)
        self.secrets[key] = new
        self.write_managers()

    def full(self):
        """The disk of the second home is full for a while: nothing can be stored, so that no token may be spent."""
        home = self.homes[1]
        if not home.is_small:
            return
        seconds = self.dice.uniform(3, 20)
        self.trouble(seconds + 2)
        self.full_homes.add(home)
        ballast = home.oci / "ballast"
        with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        self.pause(seconds)
        ballast.unlink()
        self.full_homes.discard(home)
        for profile in self.profiles:
            profile.excused += profile.home is home

    def kill(self):
        found = [(pid, argv) for pid, argv in processes_with(self.mark) if any(word.endswith("woci") for word in argv[:1])]
        if not found:
            return
        # A run beside the daemons is rare, so it is preferred.
        runs = [one for one in found if "__daemon" not in one[1]]
        pid, argv = self.dice.choice(runs if runs and self.dice.random() < 0.7 else found)
        name = next((word.removeprefix("--profile=") for word in argv if word.startswith("--profile=")), None)
        name = name or (argv[argv.index("--profile") + 1] if "--profile" in argv else None)
        profile = next((one for one in self.profiles if one.name == name), None)
        if profile:
            profile.kills += 1
            profile.excused += 1
            self.trouble(1)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    # ---- the end ----

    def end(self):
        self.pause(max(0.0, self.troubled_until + FRESH_WITHIN - time.monotonic()))
        self.ending.set()
        for thread in self.threads:
            thread.join(150)
        self.samples()
        for profile in self.profiles:
            with self.part.holds(f"{profile.name} at the end"):
                self.check(profile)
        self.check_ledger()
        days = (self.clock.now() - self.began_wall) / (24 * HOUR)
        kinds = ", ".join(f"{self.counts[name]} {name}" for name in dict.fromkeys(OBSTACLES))
        self.part.figure(f"{days:.1f} days in {(time.monotonic() - self.began_real) / 60:.1f} min: {kinds}; {self.counts['hours suspended']} hours suspended; {self.counts['quiet times']} quiet times, in which all were fresh and renewed when due")
        codes = sum((profile.codes for profile in self.profiles), collections.Counter())
        self.part.figure(f"{sum(codes.values())} runs of woci, exit codes {dict(codes)}; {self.counts['reads']} reads of token and key, {self.counts['retries']} retried")

    def check(self, profile):
        code, _, err = profile.woci("--sign-in", "never", codes=(0, 1))
        if code and profile.kind == "console":
            profile.sign_in()
        else:
            same(code, 0, f"exit code ({err})")
        assert profile.is_fresh(), f"not fresh at the end: {self.status(profile)}"
        log = profile.folder / "woci_refresh.log"
        if log.exists():
            assert log.stat().st_size <= 520 << 10, f"a log of {log.stat().st_size} bytes"
            text = log.read_text()
            assert "panicked" not in text, text[-500:]
            found = [canary for canary in self.canaries if canary in text]
            assert not found, "a secret in the log"
        # Of one daemon process, from its first sample to its last.
        of_one = collections.defaultdict(list)
        for pid, memory, descriptors in profile.usage:
            of_one[pid].append((memory, descriptors))
        for pid, samples in of_one.items():
            # The first renewal loads certificates and code.
            later = samples[1:]
            if len(later) > 2:
                assert later[-1][0] - later[0][0] < 2048, f"the memory of daemon {pid} grew: {samples}"
                assert later[-1][1] - later[0][1] <= 2, f"the descriptors of daemon {pid} grew: {samples}"

    def check_ledger(self):
        state = self.sim.order(upsts=True, secrets=True)
        by_key = collections.defaultdict(list)
        for upst in state["upsts"]:
            by_key[upst["key"]].append(upst["iat"])
        renewals = early = 0
        days = (self.clock.now() - self.began_wall) / (24 * HOUR)
        for profile in self.profiles:
            with self.part.holds(f"the renewals of {profile.name}"):
                times = by_key[modulus((profile.folder / "private_key.pem").read_text())]
                too_soon = sum(after - before < DUE - SLACK for before, after in zip(times, times[1:]))
                renewals += len(times) - 1
                early += too_soon
                assert too_soon <= profile.excused + profile.sign_ins, f"{too_soon} of {len(times)} renewals came before they were due, {profile.excused} are excused: {times}"
        lost = sum(profile.lost for profile in self.profiles)
        kills = sum(profile.kills for profile in self.profiles)
        with self.part.holds("no token spent twice"):
            # A run that is killed between the provider's answer and its write loses the token, and the next run shows it.
            assert state["reuses"] <= kills, f"{state['reuses']} tokens were spent twice, with {kills} kills"
            same(state["reuses"] <= lost, True, f"{state['reuses']} reuses, {lost} lost sessions")
        self.part.figure(f"{renewals} renewals, {renewals / max(days, 0.01) / len(self.profiles):.1f} a day and profile (the schedule asks for 4 at most); {early} before they were due, all after a kill, a lost answer or a sign-in")
        self.part.row(
            f"{len(self.profiles)} profiles for {days:.1f} days, on a fast clock",
            f"{renewals} renewals, {early} of them early; {self.counts['reads']} reads; {kills} kills; {lost} sessions lost in the window",
        )
        self.part.figure(f"{kills} kills; {lost} sessions lost in the documented window; {state['reuses']} refresh tokens presented twice, by those")

    def disk_is_fine(self, home):
        return home not in self.full_homes

    def stop(self):
        self.ending.set()
        for _ in range(3):
            for pid, _ in processes_with(self.mark):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.1)
        if self.sim:
            self.sim.stop()
        for home in self.homes:
            if getattr(home, "is_small", False):
                subprocess.run(["umount", "--lazy", home.oci], check=False)
            home.remove()
        self.base.remove()


def mount_small(home):
    """The folder of the home becomes a disk of 8 MiB."""
    manager = (home.oci / "woci_manager.ini").read_text()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "soak", home.oci], capture_output=True).returncode:
        return False
    write(home.oci / "woci_manager.ini", manager)
    return True


# ---- programs and files ----

KEYRING = """#!/bin/sh
# A password manager: one file a name, replaced as a whole.
file="$HOME/.keyring.$2"
case $1 in
get) [ ! -e "$file" ] || cat "$file" ;;
put) cat >"$file.$$" && mv "$file.$$" "$file" ;;
esac
"""


def modulus(key):
    """The modulus of a PKCS#8 RSA key as a JWK writes it."""
    body = key.partition("-----BEGIN PRIVATE KEY-----")[2].partition("-----END")[0]
    der = base64.b64decode(body)
    inner = der.index(b"\x04", 20)
    # In PKCS#8's OCTET STRING: SEQUENCE, version 0, then the modulus, 257 bytes with a leading zero.
    at = der.index(b"\x02\x82\x01\x01\x00", inner)
    return base64.urlsafe_b64encode(der[at + 5 : at + 5 + 256]).decode().rstrip("=")

