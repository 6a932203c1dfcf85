"""A power cut at every write: the session folder is on a file system of its own, whose image is copied at each flush.

The home is on a loop-mounted ext4 and xfs image. woci is stopped after each call that writes, flushes, renames, removes
or gets an answer, and the image is copied: it holds what has reached the disk by then. Each copy is mounted, so that its
journal is replayed as after a power cut, and judged: the refresh token there is the one that the provider accepts, or the
one window was hit, between the provider's answer and the flush of the folder, before the exchange is requested."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from crash import claims, expire
from harness import WOCI, Skip, same, system_package
from part import check_end
from simulator import Sim

# Size in MiB: xfs has no smaller one. The images are sparse.
SYSTEMS = {"ext4": (32, ["mkfs.ext4", "-q", "-F"]), "xfs": (300, ["mkfs.xfs", "-q", "-f"])}
# woci is stopped after each of these, the last ones before a flush among them.
CALLS = ["write", "recvfrom", "fsync", "fdatasync", "rename", "renameat", "renameat2", "unlink", "unlinkat", "ftruncate"]
VERBS = {"refresh": [], "session refresh": ["session", "refresh"], "sign-in": ["session", "authenticate"]}


def soak(part):
    if os.geteuid() != 0 or not pathlib.Path("/dev/loop-control").exists():
        raise Skip("only root can mount an image")
    system_package("strace", lambda: shutil.which("strace"))
    system_package("xfsprogs", lambda: shutil.which("mkfs.xfs"))
    counts = {}
    rounds = 0
    while not rounds or part.left > part.seconds / 3:
        rounds += 1
        for system in SYSTEMS:
            with tempfile.TemporaryDirectory(prefix="woci-soak-power-") as folder, part.holds(system):
                with Disk(pathlib.Path(folder), system) as disk:
                    for verb, argv in VERBS.items():
                        with part.holds(f"{verb} on {system}"):
                            count = counts.setdefault(system, {"cuts": 0, "old": 0, "window": 0})
                            power_cuts(part, disk, verb, argv, count)
    for system, count in counts.items():
        part.figure(f"{system}: {count['cuts']} power cuts: {count['cuts'] - count['window']} with a live refresh token, {count['window']} in the window")
    if counts:
        cuts = ", ".join(f"{count['cuts']} on {system}" for system, count in counts.items())
        part.row("power cuts at each write", f"{cuts}; {sum(count['window'] for count in counts.values())} in the window")
    part.figure(f"{rounds} rounds of {len(VERBS)} verbs")


class Disk:
    """A loop-mounted image with a home in it."""

    def __init__(self, folder, system):
        self.folder, self.system = folder, system
        self.image, self.place, self.look = folder / "image", folder / "disk", folder / "look"
        self.place.mkdir()
        self.look.mkdir()
        size, self.make = SYSTEMS[system]
        with open(self.image, "wb") as file:
            file.truncate(size << 20)

    def __enter__(self):
        shell([*self.make, self.image])
        if subprocess.run(["mount", "-o", "loop", self.image, self.place], capture_output=True).returncode:
            raise Skip(f"{self.system} cannot be mounted")
        self.sim = Sim()
        self.home = self.sim.home()
        home = self.place / "home"
        shutil.copytree(self.home.path, home, symlinks=True)
        shutil.rmtree(self.home.path)
        self.home.path, self.home.oci, self.home.bin = home, home / ".oci", home / "bin"
        self.home.oci.chmod(0o700)
        self.home.env.update(HOME=str(home), PATH=f"{home / 'bin'}:/usr/bin:/bin", BROWSER="no-such-browser")
        return self

    def __exit__(self, *_):
        self.sim.stop()
        subprocess.run(["umount", "--lazy", self.place], check=False)

    def copy(self, number):
        to = self.folder / f"cut.{number}"
        shell(["cp", "--sparse=always", "--reflink=auto", self.image, to])
        return to

    @contextlib.contextmanager
    def mounted(self, copy):
        """As after a power cut: the mount replays the journal. xfs has to be told that the copy has the same name."""
        options = "loop,nouuid" if self.system == "xfs" else "loop"
        shell(["mount", "-o", options, copy, self.look])
        try:
            yield self.look / "home/.oci"
        finally:
            shell(["umount", self.look])


def shell(argv):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True)
    assert done.returncode == 0, f"{argv}: {done.stderr}"


def power_cuts(part, disk, verb, argv, count):
    home, sim = disk.home, disk.sim
    if not (home.session() / "token").exists() or verb == "sign-in":
        subprocess.run(["sync", "-f", disk.place], check=True)
        home.woci("session", "authenticate", env={**home.env, "BROWSER": "browser"}, cwd="/").expect(0)
    if verb == "refresh":
        expire(home)
    # What was there before has reached the disk.
    shell(["sync", "-f", disk.place])
    before = sim.order()
    old = {name: (home.session() / name).read_text() for name in ("refresh_token", "token", "private_key.pem")}
    cuts = []

    def cut():
        # In a short slice, only some of the cuts.
        if cuts and part.dice.random() > part.seconds / 120:
            return
        # The stopped process has no request under way, so that the ledger belongs to this moment.
        cuts.append((disk.copy(len(cuts)), sim.order()))

    calls = ",".join("?" + call for call in CALLS)
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:signal=STOP"]
    woci = subprocess.Popen([*strace, WOCI, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=home.env, cwd="/")
    try:
        said = follow(woci, home, cut)
    finally:
        if woci.poll() is None:
            tracee = child_of(woci.pid)
            woci.kill()
            os.kill(tracee or woci.pid, signal.SIGKILL)
            woci.wait()
    check_end(woci.returncode, said)
    same(woci.returncode, 0, f"exit code ({said})")
    cuts.append((disk.copy(len(cuts)), sim.order()))
    live = sim.order()["live"]
    new = {name: (home.session() / name).read_text() for name in old}
    assert new["refresh_token"].strip() in live, "the refresh token on disk is spent after a good run"
    for number, (copy, ledger) in enumerate(cuts):
        with disk.mounted(copy) as oci:
            judge(oci / "sessions/DEFAULT", old, new, before, ledger, number == len(cuts) - 1, count)
        copy.unlink()
        count["cuts"] += 1


def judge(session, old, new, before, ledger, is_last, count):
    kept = [session / "refresh_token", *session.glob(".refresh_token.*.woci-next")]
    tokens = [token for file in kept if file.exists() and (token := file.read_text(errors="replace").strip())]
    assert tokens, "no refresh token on disk"
    if not any(token in ledger["live"] for token in tokens):
        spent = ledger["requests"]["exchange"] == before["requests"]["exchange"]
        assert spent and not is_last, f"the refresh token on disk is spent, and the exchange was requested already: {ledger['requests']}"
        count["window"] += 1
    token, key = (session / name for name in ("token", "private_key.pem"))
    assert token.read_text() in (old["token"], new["token"]), "a torn token"
    assert key.read_text() in (old["private_key.pem"], new["private_key.pem"]), "a torn key"
    same(key.read_text(), old["private_key.pem"], "the key")
    if (session / "session.json").exists():
        json.loads((session / "session.json").read_text())
    assert claims(token.read_text())["exp"] > 0


def follow(woci, home, cut):
    """Reads stderr, is the person at the browser, and makes a cut whenever the process has stopped."""
    os.set_blocking(woci.stderr.fileno(), False)
    said, opened, until = b"", False, time.monotonic() + 300
    while woci.poll() is None:
        assert time.monotonic() < until, f"no end: {said!r}"
        said += woci.stderr.read() or b""
        if not opened and (found := re.search(rb"Auth URL: (\S+)\n", said)):
            opened = True
            subprocess.Popen([home.bin / "browser", found.group(1)], stdout=subprocess.DEVNULL, env=home.env).wait()
        tracee = child_of(woci.pid)
        if tracee and state_of(tracee) in ("T", "t") and all_stopped(tracee):
            cut()
            # Not to strace, which would not notice.
            go_on(woci, tracee)
        else:
            time.sleep(0.002)
    return (said + (woci.stderr.read() or b"")).decode(errors="replace")


def go_on(woci, tracee):
    """Again and again: a signal that comes before the stop is lost."""
    until = time.monotonic() + 60
    while woci.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(tracee, signal.SIGCONT)
        for _ in range(20):
            if not all_stopped(tracee):
                return
            time.sleep(0.01)
        assert time.monotonic() < until, "the process does not go on"


def child_of(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    except (OSError, IndexError):
        return None


def state_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def all_stopped(pid):
    """Each thread has stopped by the signal. In a stop of strace's own, which is short, a process does not stay."""
    try:
        threads = [thread.name for thread in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return False
    for _ in range(3):
        if any(state_of(thread) not in ("t", "T") for thread in threads):
            return False
        time.sleep(0.004)
    return True
