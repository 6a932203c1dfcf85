"""The fast wall clock of clock.c."""
import mmap
import os
import pathlib
import struct
import subprocess
import time

from harness import TARGET, Skip, run

HERE = pathlib.Path(__file__).resolve().parent
FORM = struct.Struct("<Qqqq")


class Clock:
    def __init__(self, folder, rate):
        library = TARGET.resolve() / "soak/clock.so"
        library.parent.mkdir(parents=True, exist_ok=True)
        if run(["cc", "-shared", "-fPIC", "-O2", "-o", library, HERE / "clock.c", "-ldl"]).code:
            raise Skip("clock.c cannot be compiled")
        self.rate, self.turn, self.real, self.wall = rate, 0, time.monotonic_ns(), time.time_ns()
        self.file = pathlib.Path(folder) / "clock"
        self.file.write_bytes(bytes(FORM.size))
        descriptor = os.open(self.file, os.O_RDWR)
        self.map = mmap.mmap(descriptor, FORM.size)
        os.close(descriptor)
        self.write()
        self.env = {"LD_PRELOAD": str(library), "SOAK_CLOCK": str(self.file)}

    def write(self):
        self.map[0:8] = struct.pack("<Q", self.turn + 1)
        self.map[8:] = struct.pack("<qqq", self.real, self.wall, int(self.rate * 1000))
        self.turn += 2
        self.map[0:8] = struct.pack("<Q", self.turn)

    def now(self):
        """Seconds since 1970 on the fast clock."""
        return (self.wall + (time.monotonic_ns() - self.real) * self.rate) / 1e9

    def step(self, seconds):
        """The clock jumps, as after a suspend or when it is set."""
        now = self.now()
        self.real, self.wall = time.monotonic_ns(), int((now + seconds) * 1e9)
        self.write()

    def works(self):
        """Whether a program that was started now sees this clock."""
        seen = subprocess.run(["date", "+%s"], env={**os.environ, **self.env}, capture_output=True, text=True).stdout
        return abs(int(seen) - self.now()) < 60 * self.rate
