"""Debian's Chromium, as woci starts it for a person: with a profile of its own, without a screen, and without network
beyond this machine. Tests control it over W3C WebDriver (https://www.w3.org/TR/webdriver2/) and chromedriver's access to
the DevTools protocol."""
import base64
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
import zlib

from harness import system_package, wait

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver's key of a reference to an element


def need_chromium():
    system_package("chromium-driver", lambda: shutil.which("chromium") and shutil.which("chromedriver"))


class Chromium:
    """`command` is the value for $BROWSER. After woci has started the browser, `attach` connects to the tab it opened."""

    def __init__(self, home):
        self.home, self.profile = home.path, home.path / "chromium"
        self.driver, self.session = None, None
        # Chromium's sandbox does not work for root. Nobody listens at the proxy, so that no request leaves this machine.
        # No word contains a blank or a colon, since $BROWSER is split there.
        self.command = " ".join([
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
            "--proxy-server=127.0.0.1", "--remote-debugging-port=0", f"--user-data-dir={self.profile}", "%s",
        ])  # fmt: skip

    def __enter__(self):
        return self

    def attach(self):
        hint = self.profile / "DevToolsActivePort"
        wait(lambda: hint.exists() and "\n" in hint.read_text(), "Chromium")
        # It ends when the test ends, even if the test is killed.
        command = ["setpriv", "--pdeathsig", "TERM", "chromedriver", "--port=0"]
        said = None
        for _ in range(3):  # another program may take the port that it has chosen, and it ends then
            self.driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            said = next((line for line in self.driver.stdout if "successfully on port" in line), None)
            if said:
                break
            self.driver.wait()
        assert said, "chromedriver ends at its start"
        self.session = f"http://127.0.0.1:{said.split()[-1].rstrip('.')}/session"
        options = {"debuggerAddress": f"127.0.0.1:{hint.read_text().split()[0]}"}
        logs = {"browser": "ALL", "performance": "ALL"}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": logs, "timeouts": {"implicit": 10_000, "pageLoad": 10_000}}
        self.session += "/" + self.post("", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def get(self, path):
        return self.call(urllib.request.Request(self.session + path))

    def post(self, path, document):
        headers = {"Content-Type": "application/json"}
        return self.call(urllib.request.Request(self.session + path, json.dumps(document).encode(), headers))

    def call(self, request):
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None

    def devtools(self, command, **parameters):
        return self.post("/goog/cdp/execute", {"cmd": command, "params": parameters})

    # What a person does in it.

    @property
    def url(self):
        return self.get("/url")

    def go(self, url):
        self.post("/url", {"url": url})

    def find(self, selector):
        return self.post("/element", {"using": "css selector", "value": selector})[ELEMENT]

    def type(self, selector, text):
        self.post(f"/element/{self.find(selector)}/value", {"text": text})

    def click(self, selector):
        self.post(f"/element/{self.find(selector)}/click", {})

    def back(self):
        self.post("/back", {})

    def forward(self):
        self.post("/forward", {})

    def reload(self):
        self.post("/refresh", {})

    def tabs(self):
        return self.get("/window/handles")

    def new_tab(self):
        self.turn_to(self.post("/window/new", {"type": "tab"})["handle"])

    def turn_to(self, tab):
        self.post("/window", {"handle": tab})

    def arrives(self, url):
        wait(lambda: self.url.startswith(url), f"the tab to be at {url}")

    def shows(self, *words):
        wait(lambda: all(word in self.text() for word in words), f"{words} in the tab")

    def text(self):
        return self.run("return document.body?.innerText ?? ''")

    # What a test reads from it.

    def run(self, script):
        return self.post("/execute/sync", {"script": script, "args": []})

    def look(self, scheme, width, height):
        """Sets the size of the screen, and whether the person prefers a `light` or a `dark` page."""
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2, mobile=width < 500)

    def picture(self, **clip):
        return base64.b64decode(self.devtools("Page.captureScreenshot", **clip)["data"])

    def corner(self):
        """The colour of the page's first pixel."""
        png = self.picture(clip={"x": 0, "y": 0, "width": 1, "height": 1, "scale": 0.5})
        data, at = b"", 8
        while at < len(png):
            size = int.from_bytes(png[at : at + 4])
            data += png[at + 8 : at + 8 + size] if png[at + 4 : at + 8] == b"IDAT" else b""
            at += size + 12
        return tuple(zlib.decompress(data)[1:4])  # the first byte is the filter of the row

    def requests(self):
        """The URLs requested since the last call, each with the page that requested it."""
        events = [json.loads(entry["message"])["message"] for entry in self.post("/se/log", {"type": "performance"})]
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [(event["request"]["url"], event["documentURL"]) for event in sent]

    def complaints(self):
        """The messages in the console since the last call."""
        return [entry["message"] for entry in self.post("/se/log", {"type": "browser"})]

    # How it ends.

    def processes(self):
        """All processes with this profile. Some are not children of the process that woci started."""
        found = []
        for arguments in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                is_ours = bytes(self.home) in arguments.read_bytes()
            except OSError:  # the process has ended
                continue
            found += [int(arguments.parent.name)] if is_ours else []
        return found

    def kill(self):
        """Kills all processes, since the profile need not be saved. Returns whether there were any."""
        found = self.processes()
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(found)

    def __exit__(self, *_):
        if self.driver:
            self.driver.kill()
            self.driver.communicate()
        wait(lambda: not self.kill(), "Chromium's end")
        shutil.rmtree(self.profile)
