"""What takes minutes: woci is stopped while the answer waits in its socket, an answer comes late, nobody answers a sign-in."""
import concurrent.futures
import contextlib
import http.server
import json
import re
import signal
import threading
import time
import urllib.error
import urllib.request

from harness import holds, same, wait
from simulator import Sim

STOPPED = 40  # s; longer than woci waits for an answer
LATE = 25  # s; shorter than that
UNANSWERED = 5 * 60  # s


def journey(table):
    proofs = {
        f"stopped for {STOPPED} s with the answer in its socket, woci saves the refresh token": stopped,
        f"an answer after {LATE} s is used by all who wait for it": late,
        "a sign-in that nobody answers ends after five minutes and stores nothing": unanswered,
    }
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for what, proof in [(what, pool.submit(proof)) for what, proof in proofs.items()]:
            with table.proves(what):
                proof.result()


class Slow:
    """A token endpoint that passes requests on to the simulator's, and answers when it is told to."""

    def __init__(self, url):
        self.arrived, self.answer, self.sent = threading.Event(), threading.Event(), threading.Event()
        self.requests = 0
        slow = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                slow.requests += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kept = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
                try:
                    answer = urllib.request.urlopen(urllib.request.Request(url, body, kept))
                except urllib.error.HTTPError as refused:
                    answer = refused
                text = answer.read()
                slow.arrived.set()
                slow.answer.wait(120)
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
                slow.sent.set()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"


@contextlib.contextmanager
def slow_home():
    """A home with an expired session, whose refresh goes through a `Slow` endpoint."""
    sim = Sim()
    slow = Slow(re.search(r"^token_url *= *(\S+)", sim.manager, re.M).group(1))
    home = sim.home(re.sub(r"^token_url *=.*", f"token_url = {slow.url}", sim.manager, flags=re.M))
    try:
        slow.answer.set()
        home.woci("session", "authenticate").expect(0)
        for event in (slow.arrived, slow.answer, slow.sent):
            event.clear()
        slow.requests = 0
        yield home, slow
    finally:
        slow.answer.set()
        slow.server.shutdown()
        sim.stop()
        home.remove()


def stopped():
    with slow_home() as (home, slow):
        before = (home.session() / "refresh_token").read_text()
        woci = home.start("session", "refresh", stdout=-1, stderr=-1)
        assert slow.arrived.wait(20), "no request"
        woci.send_signal(signal.SIGSTOP)
        slow.answer.set()
        assert slow.sent.wait(20), "no answer"
        time.sleep(STOPPED)
        woci.send_signal(signal.SIGCONT)
        out, err = woci.communicate(timeout=60)
        after = (home.session() / "refresh_token").read_text()
        assert after != before, err.decode()
        same(woci.returncode, 0, err.decode())
        same(json.loads(out)["source"], "refreshed")
        home.woci("session", "refresh").expect(0)


def late():
    with slow_home() as (home, slow):
        woci = [home.start("session", "refresh", stdout=-1, stderr=-1) for _ in range(4)]
        assert slow.arrived.wait(20), "no request"
        time.sleep(LATE)
        slow.answer.set()
        tokens = set()
        for one in woci:
            out, err = one.communicate(timeout=60)
            same(one.returncode, 0, err.decode())
            tokens.add(json.loads(out)["security_token"])
        same(len(tokens), 1, "tokens")
        same(slow.requests, 1, "requests")


def unanswered():
    sim = Sim()
    home = sim.home()
    try:
        home.env["BROWSER"] = "true"
        began = time.monotonic()
        woci = home.start("session", "authenticate", stdout=-1, stderr=-1)
        wait(lambda: (home.oci / "sessions").exists(), "the sign-in")
        out, err = woci.communicate(timeout=UNANSWERED + 60)
        took = time.monotonic() - began
        same((woci.returncode, out), (1, b""), err.decode())
        holds(err.decode(), "nobody answered within 5 minutes")
        assert UNANSWERED <= took < UNANSWERED + 30, f"{took:.0f} s"
        stored = {file.name for file in home.session().iterdir()} if home.session().exists() else set()
        assert not stored & {"token", "refresh_token", "private_key.pem"}, stored
        assert not (home.oci / "config").exists()
        # The port is free again.
        home.env["BROWSER"] = "browser"
        home.woci("session", "authenticate").expect(0)
    finally:
        sim.stop()
        home.remove()
