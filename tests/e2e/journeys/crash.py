"""woci is killed at each system call of a refresh, of a sign-in and of a console session's renewal; it dies or hangs with the lock; the clock jumps.

For each system call of a good run, as strace counts them, there is one run that is killed with SIGKILL at that call. Then
each file must be old or new, and private, and the next run must work without a person. A refresh token can be lost at
two calls only: the read of the provider's answer, and the write of the next token. After the write, the next run takes
the token up.
"""
import base64
import concurrent.futures
import configparser
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import textwrap
import time

from harness import ROOT, WOCI, Home, Skip, holds, run, same, wait, write
from simulator import Sim
from syscalls import Trace

# From the provider's answer, which spends the refresh token, to the moment when the next one is in its place. A crash at
# the first two loses the token.
WINDOW = ["recvfrom", "write", "fsync", "rename"]
def journey(table):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        # This test waits for a minute, so it runs beside the others.
        stopped = pool.submit(a_stopped_holder)
        with table.proves("if the process with the lock is killed, the next one continues within a second"):
            dead_holder()
        killed(table)
        clock(table)
        with table.proves("with --auto-refresh, woci ends within 100 ms of oci"):
            ends_with_oci()
        with table.proves("systemd accepts the unit file of `woci help daemon`"):
            unit_file()
        with table.proves("if the process with the lock is stopped, others wait 60 s and then name it"):
            took = stopped.result()
            assert 59 <= took <= 75, f"{took:.0f} s"


# ---- kill -9 at every call ----


def killed(table):
    if not shutil.which("strace"):
        return table.row("kill -9 at each call", "skipped", "strace is not installed")
    sim = Sim()
    home = sim.home()
    try:
        home.woci(umask=0).expect(0)
        expire(home)
        good = Trace(home, refresh)
        with table.proves("between the provider's answer and the exchange, the only calls on files are write, fsync, rename and the folder's fsync"):
            same(good.until_exchange(), ["write", "fsync", "rename", "fsync"])
        with table.proves("from the last byte of the token request to the rename, the only calls are read, write, fsync, rename, and memory"):
            expire(home)
            same(Trace(home, refresh, "!%memory").names_in_window(), WINDOW)
        every_call_of_a_refresh(table, home, good)
        every_call_of_a_sign_in(table, home)
        every_call_of_a_renewal(table, sim)
    finally:
        sim.stop()
        home.remove()


def every_call_of_a_refresh(table, home, good):
    lost, points, kills = [], good.points(), 0
    with table.proves(f"a refresh killed at each of {len(points)} calls: no torn file, and the next run works by itself"):
        window = good.window()
        for point in points:
            expire(home)
            before = snapshot(home)
            kills += refresh(home, kill_at(point)) == -signal.SIGKILL
            whole(home, before)
            if home.woci("--sign-in", "never").code == 0:
                home.clean()
                continue
            lost.append(point)
            assert point in window[:2], f"the refresh token was lost at {point}, outside {window[:2]}"
            # Another sign-in makes a new session.
            home.woci().expect(0)
            home.clean()
        same(kills, len(points), "kills")
    with table.proves(f"the refresh token was lost at {len(lost)} of {len(points)} calls: at most the read of the answer and the write"):
        same([name for name, _ in window], WINDOW)


def every_call_of_a_sign_in(table, home):
    forget(home)
    points = Trace(home, sign_in).points()
    with table.proves(f"a sign-in killed at each of {len(points)} calls: no torn file, and the next run works by itself"):
        kills = 0
        for point in points:
            forget(home)
            kills += sign_in(home, kill_at(point)) == -signal.SIGKILL
            whole(home, {})
            same(list((home.path / "tmp").iterdir()), [], "files left in TMPDIR")
            home.woci().expect(0)
            # A run that uses the stored session writes and removes nothing; a refresh removes what killed runs left.
            home.woci("session", "refresh").expect(0)
            home.clean()
        # Not all: threads do not make the same calls in every run, and a loop that waits makes more of them when others work.
        assert kills > 0.6 * len(points), f"{kills} kills"


def every_call_of_a_renewal(table, sim):
    """No token of a console session is spent, so that the old one serves until the next one is in its place."""
    home = sim.console_home()
    try:
        home.woci("session", "authenticate", umask=0).expect(0)
        token, key = home.session() / "token", (home.session() / "private_key.pem").read_bytes()
        points, kills = Trace(home, renewal).points(), 0
        with table.proves(f"the renewal of a console session killed at each of {len(points)} calls: the old token or the next one serves, without a person"):
            for point in points:
                before, old = snapshot(home), token.read_text()
                kills += renewal(home, kill_at(point)) == -signal.SIGKILL
                whole(home, before)
                assert token.read_text() in (old, sim.issued[-1]), f"another token after {point}"
                same(home.woci("--sign-in", "never").expect(0).json["security_token"], token.read_text())
                home.woci("--sign-in", "never", "session", "refresh").expect(0)
                same((token.read_text(), (home.session() / "private_key.pem").read_bytes()), (sim.issued[-1], key), "token and key")
                home.clean()
            same(kills, len(points), "kills")
    finally:
        home.remove()


def renewal(home, strace):
    argv = ["strace", "-f", "-qq", *strace, WOCI, "--sign-in", "never", "session", "refresh"]
    return run(argv, env=home.env, cwd=home.path, umask=0).code


def refresh(home, strace):
    return run(["strace", "-f", "-qq", *strace, WOCI], env=home.env, cwd=home.path, umask=0).code


def sign_in(home, strace):
    """The test starts the browser, so that strace does not count its calls."""
    argv = ["strace", "-f", "-qq", *strace, WOCI, "session", "authenticate"]
    (home.path / "tmp").mkdir(exist_ok=True)
    env = {**home.env, "BROWSER": "no-such-browser", "TMPDIR": str(home.path / "tmp")}
    env.pop("XDG_RUNTIME_DIR", None)
    woci = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env, cwd=home.path, umask=0)
    for line in woci.stderr:
        if line.startswith(b"Auth URL: "):
            subprocess.run([home.bin / "browser", line.split()[-1]], stdout=subprocess.DEVNULL, env=home.env, check=True)
    return woci.wait(30)


def kill_at(point):
    name, nth = point
    return ["-o", "/dev/null", "-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:when={nth}"]


def snapshot(home):
    return {path: path.read_bytes() for path in home.oci.rglob("*") if path.is_file()}


def whole(home, before):
    """Checks that each file is the old one or a complete new one, and that others cannot read it."""
    for path in home.oci.rglob("*"):
        if path.is_socket():
            continue
        mode = stat.S_IMODE(path.lstat().st_mode)
        same(mode, 0o700 if path.is_dir() else 0o600, f"mode of {path.name}")
        if path.is_dir() or path.read_bytes() == before.get(path):
            continue
        text = path.read_text()
        if path.name == "token":
            assert claims(text)["exp"] > time.time(), "a torn token"
        elif path.name == "session.json":
            json.loads(text)
        elif path.name == "private_key.pem":
            holds(text, "-----END PRIVATE KEY-----")
        elif path.name == "refresh_token":
            assert re.fullmatch(r"[\w-]+\s*", text), f"a torn refresh token: {text!r}"
        elif path.name == "config":
            parsed = configparser.RawConfigParser(default_section="none such")
            parsed.read_string(text)
            assert {"key_file", "security_token_file", "fingerprint", "tenancy"} <= set(parsed["DEFAULT"]), text


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def expire(home):
    """Makes the stored UPST an hour older. woci does not check the signature, which is Oracle's task."""
    file = home.session() / "token"
    head, _, signature = file.read_text().split(".")
    known = claims(file.read_text())
    known.update(iat=int(time.time()) - 3660, exp=int(time.time()) - 60)
    part = base64.urlsafe_b64encode(json.dumps(known).encode()).decode().rstrip("=")
    write(file, f"{head}.{part}.{signature}")


def forget(home):
    shutil.rmtree(home.oci / "sessions", ignore_errors=True)
    for file in home.oci.glob("config*"):
        file.unlink()


# ---- the process with the lock ----


class Silent:
    """A provider that accepts every connection and never answers."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(30)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.open = []

    def request(self):
        """Returns when one more request has arrived."""
        connection, _ = self.socket.accept()
        self.open.append(connection)
        connection.recv(1)


def silent_home():
    """A home in which every refresh hangs."""
    sim, silent = Sim(), Silent()
    home = sim.home()
    home.woci().expect(0)
    manager = re.sub(r"(?m)^token_url = .*", f"token_url = {silent.url}", (home.oci / "woci_manager.ini").read_text())
    write(home.oci / "woci_manager.ini", manager)
    sim.stop()
    # Without the record of the first provider, woci accepts the folder for this one.
    (home.session() / "session.json").unlink()
    expire(home)
    return home, silent


def dead_holder():
    home, silent = silent_home()
    holder = home.start(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    silent.request()
    next_one = home.start(stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    holds(next_one.stderr.readline().decode(), f"Waiting for process {holder.pid} (refresh)")
    holder.kill()
    killed = time.monotonic()
    silent.request()
    took = time.monotonic() - killed
    next_one.kill()
    home.remove()
    assert took < 1, f"{took:.2f} s"


def a_stopped_holder():
    home, silent = silent_home()
    holder = home.start(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    silent.request()
    holder.send_signal(signal.SIGSTOP)
    try:
        waited = home.woci(timeout=100).expect(1, f"process {holder.pid}", "refresh", "60 s")
    finally:
        holder.kill()
        home.remove()
    return waited.took


# ---- the clock ----


def clock(table):
    with table.proves("if the clock jumps two hours ahead, the daemon has a fresh session within a minute"):
        library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
        dynamic = ROOT / "target/debug/woci"
        if not library or not dynamic.exists():
            raise Skip("libfaketime is not installed" if not library else f"{dynamic} is not built, and a static woci cannot load libfaketime")
        two_hours(library, dynamic)


def two_hours(library, woci):
    time_file = write(tempfile.mktemp(prefix="woci-e2e-time-"), "+0")
    faked = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(time_file), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    sim = Sim({**os.environ, **faked})
    home = sim.home()
    home.env.update(faked)
    try:
        run([woci, "--daemon", "session", "authenticate"], env=home.env).expect(0)
        status = lambda: run([woci, "--daemon-status"], env=home.env).json  # noqa: E731
        old = status()
        write(time_file, "+2h")
        wait(lambda: status()["last_refresh"], "a refresh", 60)
        new = status()
        same(new["last_error"], None, "last_error")
        assert new["expiration"] > old["expiration"], (old, new)
        same(run([woci], env=home.env).expect(0).json["source"], "cached")
    finally:
        run([woci, "--stop-daemon"], env=home.env)
        sim.stop()
        home.remove()
        time_file.unlink()


def ends_with_oci():
    sim = Sim()
    home = sim.home()
    try:
        home.woci().expect(0)
        write(home.bin / "oci", '#!/bin/sh\ndate +%s.%N >"$HOME/ended"\n', 0o755)
        for _ in range(10):
            home.woci("--auto-refresh", "os", "ns", "get").expect(0)
            took = time.time() - float((home.path / "ended").read_text())
            assert took < 0.1, f"{1000 * took:.0f} ms"
    finally:
        sim.stop()
        home.remove()


def unit_file():
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd-analyze is not installed")
    home = Home()
    try:
        unit = re.search(r"^  \[Unit\]\n(?:  .*\n)+", home.woci("help", "daemon").expect(0).out, re.MULTILINE).group()
        program = home.path / ".local/bin/woci"
        program.parent.mkdir(parents=True)
        program.symlink_to(WOCI)
        file = write(home.path / "woci@prod.service", textwrap.dedent(unit))
        env = {**home.env, "XDG_RUNTIME_DIR": str(home.path)}
        same(run(["systemd-analyze", "verify", "--user", file], env=env).expect(0).err, "", "complaints")
    finally:
        home.remove()
