"""What the parts of a soak share: their time, their dice, their figures and their failures."""
import contextlib
import os
import pathlib
import random
import re
import signal
import time

from harness import Skip, where

# Exit codes of woci itself (`woci help exit-codes`); 3 is that of a daemon in the foreground that needs a person.
DOCUMENTED = {0, 1, 2, 3, 126, 127}
# A crash that Rust, the allocator or the kernel reports.
CRASHES = {101, 132, 134, 135, 136, 139, -signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL}


class Part:
    def __init__(self, name, seed, seconds):
        self.name, self.seed, self.seconds = name, seed, seconds
        self.dice = random.Random(f"{name} {seed}")
        self.failures, self.figures, self.rows, self.skipped, self.took = [], [], [], "", 0.0
        self.began = time.monotonic()

    def runs(self, soak):
        try:
            soak(self)
        except Skip as why:
            self.skipped = str(why)
            print(f"  skipped: {why}", flush=True)
        except Exception as error:  # the other parts go on
            self.failed("the part itself", f"{type(error).__name__}: {error}\n{where(error)}")
        self.took = time.monotonic() - self.began

    @property
    def left(self):
        """Seconds."""
        return self.began + self.seconds - time.monotonic()

    def figure(self, text):
        self.figures.append(text)
        print(f"  {text}", flush=True)

    def row(self, what, how_much):
        """A row of the table that the run prints at its end, for README.md."""
        self.rows.append((what, how_much))

    def failed(self, what, why):
        self.failures.append((what, why))
        print(f"  FAILED {what}: " + str(why).rstrip().replace("\n", "\n       "), flush=True)

    @contextlib.contextmanager
    def holds(self, what):
        """A failure inside is reported, and the part goes on."""
        try:
            yield
        except Skip:
            raise
        except Exception as error:
            self.failed(what, f"{type(error).__name__}: {error}\n{where(error)}")

    @property
    def outcome(self):
        if self.skipped:
            return f"skipped: {self.skipped}"
        failed = f"{len(self.failures)} FAILED; " if self.failures else ""
        return failed + "; ".join(self.figures)


def check_end(code, err, secrets=(), out=""):
    """Checks how a run of woci ended: a documented code, its reason on stderr, no crash, nothing secret."""
    said = f"exit {code}\nstdout: {out[-300:]}\nstderr: {err[-1500:]}"
    assert "panicked" not in err and code not in CRASHES, f"a crash: {said}"
    if code != -signal.SIGKILL:
        assert code in DOCUMENTED, f"an undocumented exit code: {said}"
        if code:
            last = (err.strip().splitlines() or [""])[-1]
            assert last.startswith("woci: ") or not err.strip() and out, f"no reason on stderr: {said}"
    found = next((secret for secret in secrets if secret and secret in err), None)
    assert not found, f"a secret on stderr: {said}"


def memory_and_descriptors(pid):
    """Resident memory in KiB, and the number of open descriptors."""
    with open(f"/proc/{pid}/status") as file:
        status = dict(re.findall(r"(\w+):\s+(\d+)", file.read()))
    return int(status["VmRSS"]), len(os.listdir(f"/proc/{pid}/fd"))


def processes_with(variable):
    """The processes that have `NAME=value` in their environment: the PID and the arguments of each."""
    needle = variable.encode() + b"\0"
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if needle in (folder / "environ").read_bytes() and (argv := (folder / "cmdline").read_bytes()):
                    yield int(folder.name), argv.decode(errors="replace").rstrip("\0").split("\0")
            except OSError:
                pass
