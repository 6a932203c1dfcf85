"""The listener under a flood by several local users: slow bodies, resets, idle connections, requests of others, while a
person signs in every now and then. All sign-ins end well, and the memory of woci grows by less than 2 MiB."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from harness import WOCI, Skip, same
from part import check_end
from simulator import Sim

# Nobody has these numbers.
USERS = [61_001, 61_002, 61_003]
GROWTH = 2 << 10  # KiB
PERSON_TAKES = 8.0  # seconds, of the flood before the person answers
PERIOD = 60.0  # seconds, from one sign-in to the next

# One flooder, in a process of another user: one of these at a time, by its own dice, until it is ended.
FLOODER = r'''
import os, random, socket, struct, sys, time
port, dice = int(sys.argv[1]), random.Random(sys.argv[2])
idle, made = [], 0
def connect():
    global made
    s = socket.create_connection(("127.0.0.1", port), 2)
    made += 1
    os.pwrite(1, b"%d" % made, 0)
    s.settimeout(2)
    return s
def reset():
    s = connect()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if dice.random() < 0.5: s.sendall(b"GET /callback?state=x&code=y HTTP/1.1\r\nHost: l")
    s.close()
def wait():
    idle.append(connect())
    while len(idle) > 150: idle.pop(0).close()
def slow():
    s = connect()
    idle.append(s)
    s.sendall(b"POST /callback HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
    for _ in range(dice.randrange(20)): s.sendall(bytes([dice.randrange(256)])); time.sleep(0.02)
def large():
    s = connect()
    s.sendall(b"GET /" + b"a" * 4096)
    for _ in range(dice.randrange(400)): s.sendall(b"a" * 65536)
    s.close()
def body():
    s = connect()
    s.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 100000)
    s.recv(100); s.close()
def strange():
    s = connect()
    s.sendall(dice.randbytes(dice.randrange(1, 3000)) + b"\r\n\r\n")
    try: s.recv(1000)
    finally: s.close()
def stray():
    s = connect()
    state = dice.randbytes(16).hex()
    word = dice.choice(["code=stranger", "error=access_denied", "code=a&code=b"])
    s.sendall(f"GET /callback?{word}&state={state} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    try: s.recv(4000)
    finally: s.close()
while True:
    try:
        dice.choice([reset, reset, wait, slow, large, body, strange, stray])()
    except OSError:
        time.sleep(0.01)
'''


def soak(part):
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skip("only root can be several users (setpriv)")
    sim = Sim()
    home = sim.home()
    home.env["BROWSER"] = "no-such-browser"
    flooders, counts, good, most = [], [], 0, 0
    try:
        calm = sign_in(sim, home, 0.5)
        for number in range(2 * len(USERS)):
            user = USERS[number % len(USERS)]
            argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", sys.executable, "-c", FLOODER,
                    str(home.redirect_port), f"{part.seed} {number}"]  # fmt: skip
            counts.append(tempfile.TemporaryFile())
            flooders.append(subprocess.Popen(argv, stdout=counts[-1], stderr=subprocess.DEVNULL, cwd="/"))
        while good < 1 or part.left > PERSON_TAKES + 2:
            with part.holds(f"sign-in number {good + 1} under the flood"):
                memory = sign_in(sim, home, PERSON_TAKES)
                good += 1
                most = max(most, memory)
                assert memory - calm < GROWTH, f"memory: {calm} KiB without the flood, {memory} KiB with it"
                pause = max(0.0, min(part.left - PERSON_TAKES, PERIOD - PERSON_TAKES))
                time.sleep(pause)
            if part.failures and part.left < 0:
                break
        alive = sum(flooder.poll() is None for flooder in flooders)
        same(alive, len(flooders), "flooders that still run")
        connections = sum(int(os.pread(count.fileno(), 20, 0) or 0) for count in counts)
        assert connections > 100 * good, f"{connections} connections are no flood"
        part.figure(f"{good} sign-ins under a flood of {connections} connections by {len(USERS)} users, all ended well")
        part.row("sign-ins under a flood of the listener", f"{good} sign-ins, {connections} connections by {len(USERS)} users; memory grew by {max(0, most - calm)} KiB")
        part.figure(f"memory at most {most} KiB, {calm} KiB without the flood")
    finally:
        for flooder in flooders:
            flooder.kill()
            flooder.wait()
        home.remove()
        sim.stop()


def sign_in(sim, home, takes):
    """A person signs in, `takes` seconds after woci has asked. Returns the most memory that woci had, in KiB."""
    woci = subprocess.Popen([WOCI, "session", "authenticate"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=home.env, cwd=home.path)  # fmt: skip
    said, peak = b"", 0
    for line in woci.stderr:
        said += line
        if line.startswith(b"Auth URL: "):
            until = time.monotonic() + takes
            while time.monotonic() < until and woci.poll() is None:
                peak = max(peak, high_water(woci.pid))
                time.sleep(0.1)
            browser = subprocess.run([home.bin / "browser", line.split()[-1]], stdout=subprocess.DEVNULL, env={**home.env, "SIM_BROWSER": "stays"})
            same(browser.returncode, 0, "exit code of the browser")
    peak = max(peak, high_water(woci.pid) if woci.poll() is None else 0)
    out = woci.stdout.read().decode()
    code = woci.wait(60)
    check_end(code, said.decode(), out=out)
    same(code, 0, f"exit code ({said.decode()[-800:]})")
    assert (home.session() / "refresh_token").read_text().strip() in sim.order()["live"]
    return peak


def high_water(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))
    except (OSError, AttributeError):
        return 0
