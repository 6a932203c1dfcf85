"""woci's own simulator (tests/sim) in a process of its own: a provider, an identity domain, and Oracle's sign-in."""
import json
import subprocess
import threading

from harness import ROOT, Home, Skip, write

SIM = ROOT / "target/debug/examples/sim"


class Sim:
    def __init__(self, env=None):
        if not SIM.exists():
            raise Skip(f"{SIM} is not built (cargo build --example sim)")
        self.process = subprocess.Popen([SIM, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        self.asking = threading.Lock()
        lines = b""
        while not lines.endswith(b"\n}\n"):
            lines += self.process.stdout.readline()
        self.addresses = json.loads(lines)
        self.manager = self.addresses["woci_manager.ini"]

    def seen(self, command=""):
        """The console's sign-ins, refreshes, tokens and refusals. The command `end` ends all of its sessions first."""
        with self.asking:
            self.process.stdin.write(command.encode() + b"\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def order(self, **order):
        """Gives an order (tests/sim/serve.rs), and returns the state of the provider and the domain."""
        return self.seen(json.dumps(order))

    @property
    def issued(self):
        return self.seen()["issued"]

    def home(self, manager=None):
        home = Home()
        (home.bin / "browser").symlink_to(SIM)
        home.env["BROWSER"] = "browser"
        write(home.oci / "woci_manager.ini", f"{manager or self.manager}redirect_port = {home.redirect_port}\n")
        return home

    def console_home(self):
        return self.home(self.addresses["woci_manager.ini for a console session"])

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)
