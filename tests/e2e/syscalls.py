"""The system calls of a program, as strace shows them."""
import re

from harness import same

# The calls that use files or the network, or that wait. The others concern the memory and signals of the process.
CALLS = (
    "openat openat2 open read write writev fsync fdatasync rename renameat unlink unlinkat mkdir mkdirat rmdir chmod fchmod ftruncate "
    "flock fcntl close statx newfstatat fstat stat getdents64 getrandom socket bind listen connect accept4 sendto recvfrom "
    "setsockopt getsockopt ioctl poll shutdown lseek clone clone3 execve vfork readlink"
).split()
FILES = {
    "openat", "openat2", "open", "read", "write", "writev", "fsync", "fdatasync", "rename", "renameat", "unlink", "unlinkat", "mkdir",
    "mkdirat", "chmod", "fchmod", "ftruncate", "statx", "newfstatat", "fstat", "stat", "getdents64",
}  # fmt: skip


class Trace:
    """The calls of a successful run, for each thread."""

    def __init__(self, home, act, calls=",".join("?" + call for call in CALLS)):
        log = home.path / "strace.log"
        same(act(home, ["-s", "0", "-o", log, "-e", f"trace={calls}"]), 0, "exit code")
        self.threads = {}
        for line in log.read_text().splitlines():
            if found := re.match(r"(\d+) +(\w+)\((.*)", line):
                thread, name, rest = found.groups()
                self.threads.setdefault(thread, []).append((name, rest))
        self.main = next(iter(self.threads.values()))
        log.unlink()

    def points(self):
        """Each call as strace counts them: its name, and its number among the calls of that name in one thread."""
        most = {}
        for calls in self.threads.values():
            for name in {name for name, _ in calls} - {"execve"}:
                most[name] = max(most.get(name, 0), sum(call == name for call, _ in calls))
        return [(name, nth) for name in sorted(most) for nth in range(1, most[name] + 1)]

    def numbered(self):
        seen = {}
        for name, rest in self.main:
            seen[name] = seen.get(name, 0) + 1
            yield (name, seen[name]), rest

    def window(self):
        """The calls from the last byte of the token request to the rename. A crash there loses the refresh token."""
        calls = list(self.numbered())
        names = [point[0] for point, _ in calls]
        # Before the request, a rename is tried.
        end = next(at for at in range(names.index("sendto"), len(names)) if names[at].startswith("rename"))
        sent = max(at for at in range(end) if calls[at][0][0] == "sendto")
        return [point for point, _ in calls[sent + 1 : end + 1]]

    def names_in_window(self):
        """Only their names. Linux on arm64 has renameat instead of rename."""
        return ["rename" if name == "renameat" else name for name, _ in self.window()]

    def until_exchange(self):
        names = [name for name, _ in self.main]
        connects = [at for at, (name, rest) in enumerate(self.main) if name == "connect" and "AF_INET" in rest]
        answer = max(at for at in range(connects[-1]) if names[at] == "recvfrom")
        return [name for name in names[answer:connects[-1]] if name in FILES]
