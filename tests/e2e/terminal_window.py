"""A terminal for a program: a pseudo-terminal that is its controlling terminal. So Ctrl-C makes the kernel send SIGINT to
the whole foreground process group, as in any terminal window."""
import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time


class Window:
    def __init__(self, argv, env, cwd, columns=80, rows=24):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
                os.chdir(cwd)
                os.execve(argv[0], [str(arg) for arg in argv], env)
            finally:
                os._exit(127)
        # To compare with the modes after the program, which may change them (a passphrase prompt, stty).
        self.modes_before = termios.tcgetattr(self.fd)
        self.status = None

    def read(self, seconds=0.05):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if ready:
            with contextlib.suppress(OSError):  # EIO: the program has closed its side
                self.text += os.read(self.fd, 65536).decode(errors="replace")

    def until(self, words, seconds=20, times=1):
        deadline = time.monotonic() + seconds
        while self.text.count(words) < times:
            assert time.monotonic() < deadline, f"{words!r} was not shown; seen: {self.text[-2000:]!r}"
            assert not self.ended() or self.drain(), f"the program ended without {words!r}: {self.text[-2000:]!r}"
            self.read()

    def drain(self):
        """Reads what a program that has ended left in the terminal. True if there was something."""
        before = len(self.text)
        self.read(0.2)
        return len(self.text) > before

    def type(self, text):
        os.write(self.fd, text.encode())

    def ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        return self.status is not None

    def echo(self):
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def exit(self, seconds=20):
        """The exit code, as a shell reports it."""
        deadline = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise AssertionError(f"still running after {seconds} s; seen: {self.text[-2000:]!r}")
            self.read()
        while self.drain():
            pass
        code = os.waitstatus_to_exitcode(self.status)
        return code if code >= 0 else 128 - code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes the terminal as a person does, and kills the program if it does not end."""
        with contextlib.suppress(OSError):
            os.close(self.fd)
        deadline = time.monotonic() + 5
        while not self.ended():
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.01)
