"""What every journey needs: a home of its own, functions that run woci in it, the certified provider, and a table of
what was proved. It uses Python's standard library only."""
import base64
import contextlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = ROOT / (os.environ.get("CARGO_TARGET_DIR") or "target")
NEWEST = os.environ.get("WOCI_PEERS") == "newest"
PEERS = TARGET / ("e2e-newest" if NEWEST else "e2e")
VENV, NODE = PEERS / "venv/bin", PEERS / "node"
WOCI = pathlib.Path(os.environ.get("WOCI_BIN") or TARGET / "debug/woci").resolve()


class Skip(Exception):
    """Raised with the reason why this machine cannot run a test."""


class Table:
    """What a journey proved. After a failure in `proves`, the journey continues with the next point."""

    def __init__(self, journey):
        self.journey, self.rows = journey, []
        self.works_with = None  # rows for README.md, of the journey that makes them

    @contextlib.contextmanager
    def proves(self, what):
        began = time.monotonic()
        outcome, detail = "passed", ""
        try:
            yield
        except Skip as skip:
            outcome, detail = "skipped", str(skip)
        except Exception as error:  # any failure is one row, and the journey continues
            outcome, detail = "failed", f"{type(error).__name__}: {error}\n{where(error)}"
        self.row(what, outcome, detail, time.monotonic() - began)

    def row(self, what, outcome, detail="", took=0.0):
        self.rows.append((what, outcome, detail, took))
        mark = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}[outcome]
        first, _, rest = detail.partition("\n")
        print(f"  {mark} {took:5.1f} s  {what}" + (f": {first}" if first else ""), flush=True)
        if rest:
            print("               " + rest.replace("\n", "\n               ").rstrip(), flush=True)


def same(found, expected, what="value"):
    assert found == expected, f"{what}: {brief(repr(found))} where {brief(repr(expected))} was expected"


def brief(text):
    """Cuts a long text, such as a token, in the middle."""
    return text if len(text) < 700 else f"{text[:340]} … {text[-340:]}"


def holds(text, *parts):
    for part in parts:
        assert part.lower() in text.lower(), f"{part!r} is not in {brief(repr(text))}"


def where(error):
    return "".join(f"at {frame.filename}:{frame.lineno} {frame.line}\n" for frame in traceback.extract_tb(error.__traceback__)[1:])


class Run:
    """The result of a program that has ended."""

    def __init__(self, argv, code, out, err, took):
        self.argv, self.code, self.out, self.err, self.took = argv, code, out, err, took

    def expect(self, code, *parts):
        """Checks the exit code, that stderr contains each of `parts`, and that there was no panic."""
        said = f"{' '.join(map(str, self.argv))}\nexit {self.code}\nstdout: {self.out[-400:]}\nstderr: {self.err[-2000:]}"
        assert "panicked" not in self.err and self.code != 101, f"a panic: {said}"
        assert self.code == code, f"exit {self.code} where {code} was expected: {said}"
        for part in parts:
            assert part.lower() in self.err.lower(), f"{part!r} is not on stderr: {said}"
        return self

    @property
    def json(self):
        return json.loads(self.out)


class Home:
    """A throw-away home with an environment of its own, without the variables of the person who runs the tests."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="woci-e2e-"))
        self.path.chmod(0o700)
        self.oci = self.path / ".oci"
        self.oci.mkdir(0o700)
        self.bin = self.path / "bin"
        self.bin.mkdir()
        self.redirect_port = free_port()
        self.env = {
            "HOME": str(self.path),
            "PATH": f"{self.bin}:{VENV}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "BROWSER": f"{shlex.join([sys.executable, str(HERE / 'browser.py')])} %s",
        }

    def manager(self, sections):
        """Writes `woci_manager.ini`: {section: {key: value}}."""
        text = ""
        for name, values in sections.items():
            text += f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()) + "\n"
        write(self.oci / "woci_manager.ini", text)

    def session(self, profile="DEFAULT"):
        return self.oci / "sessions" / profile

    def woci(self, *args, **options):
        return run([WOCI, *args], **{"env": self.env, "cwd": self.path, **options})

    def start(self, *args, **options):
        return subprocess.Popen([WOCI, *args], env=options.pop("env", self.env), cwd=self.path, **options)

    def visits(self):
        """What the person at the browser saw: a document for each tab."""
        log = self.path / "browser.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def visited(self, count):
        """Waits for this many tabs: the browser may still be reading woci's page after woci has ended."""
        wait(lambda: len(self.visits()) >= count, f"{count} tabs")
        return self.visits()

    def clean(self, profile="DEFAULT"):
        """Checks that there is no half-written file, and none that others can read."""
        for root, folders, files in os.walk(self.oci):
            for name in folders:
                same(stat.S_IMODE(os.stat(os.path.join(root, name)).st_mode), 0o700, f"mode of {name}")
        known = {"token", "private_key.pem", "refresh_token", "session.json", "discovery.json"}
        for file in self.session(profile).iterdir():
            same(stat.S_IMODE(file.stat().st_mode), 0o600, f"mode of {file.name}")
            assert file.name in known or file.name.endswith((".lock", ".log", ".pid")) or file.name.startswith("oci_api_key"), f"a stray: {file.name}"

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


def run(argv, timeout=60, **options):
    began = time.monotonic()
    text = {"encoding": "utf-8", "errors": "surrogateescape"}
    options.setdefault("stdin", subprocess.DEVNULL)
    if "input" in options:
        options.pop("stdin")
    done = subprocess.run(list(map(str, argv)), capture_output=True, timeout=timeout, **text, **options)
    return Run(argv, done.returncode, done.stdout, done.stderr, time.monotonic() - began)


def system_package(name, find):
    """The result of `find`. If it finds nothing, the package is installed first, if this user may do that."""
    if not find():
        apt_install(name)
    if not (found := find()):
        raise Skip(f"{name} is not installed")
    return found


def apt_install(*words):
    """Installs packages of the system, if this user may do that. The words may be options too."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(["apt-get", "install", "-yqq", "--no-install-recommends", *words], **quiet)


def version_of(package, scripts=VENV):
    """The version of a package in the virtual environment that has its programs in this folder."""
    plain = lambda name: name.replace("-", "_").replace(".", "_").lower()  # noqa: E731
    installed = (folder.stem.rpartition("-") for folder in scripts.parent.glob("lib/python*/site-packages/*.dist-info"))
    found = {plain(name): version for name, _, version in installed}
    return found[plain(package.partition('[')[0])]


def write(path, text, mode=0o600):
    path = pathlib.Path(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(condition, what, seconds=20):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, f"waited {seconds} s for {what}"
        time.sleep(0.02)
    return found


class Provider:
    """The certified provider, in a process of its own."""

    name = "oidc-provider"
    page = "/interaction/"
    refusal, by_hand = "invalid_grant", []  # `by_hand` is the command to run if woci does not open the browser by itself
    denial = "access_denied", "End-User"
    device_audience = "https://oci.example"

    def __init__(self, home, access_token_life=3600):
        self.port = free_port()
        redirect = [f"http://127.0.0.1:{home.redirect_port}/callback"]
        grants = ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"]
        self.confidential = {"auth_client_id": "confidential client", "auth_client_secret": "p%q&r+s=t:u v"}
        self.public = {"auth_client_id": "public-client"}
        clients = [
            {"client_id": self.confidential["auth_client_id"], "client_secret": self.confidential["auth_client_secret"],
             "redirect_uris": redirect, "grant_types": grants},
            {"client_id": self.public["auth_client_id"], "token_endpoint_auth_method": "none",
             "application_type": "native", "redirect_uris": redirect, "grant_types": grants},
        ]  # fmt: skip
        self.log = tempfile.NamedTemporaryFile(prefix="woci-e2e-provider-")
        argument = json.dumps({"port": self.port, "clients": clients, "accessTokenLife": access_token_life})
        # In the folder of node_modules, where node looks for the imports of a module.
        program = NODE / "provider.mjs"
        if not program.exists() or program.read_bytes() != (HERE / "peers/provider.mjs").read_bytes():
            shutil.copy(HERE / "peers/provider.mjs", program)
        self.process = subprocess.Popen(["node", program, argument], stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, cwd=NODE)
        wait(lambda: '"listening"' in self.said() or self.process.poll() is not None, "the provider")
        assert self.process.poll() is None, f"the provider ended: {self.said()}"
        self.url = f"http://127.0.0.1:{self.port}"
        self.jwks_url = f"{self.url}/jwks"
        self.issuer, self.authz_params = self.url, "prompt=consent"
        self.device_url = f"{self.url}/device/auth"

    def said(self):
        return pathlib.Path(self.log.name).read_text()

    def grants(self):
        return [line["grant"] for line in map(json.loads, filter(lambda line: line.startswith('{"grant"'), self.said().splitlines()))]

    def settings(self, home, domain, client):
        from oci_cloud import CLIENT_ID, CLIENT_SECRET

        return {
            "authz_base_url": f"{self.url}/auth?prompt=consent", "token_url": f"{self.url}/token",
            "token_exchange_url": domain.url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "scope": "openid offline_access", "redirect_port": home.redirect_port, "region": "us-ashburn-1", **client,
        }  # fmt: skip

    def type_code(self, page, code):
        """The person types the code, confirms it, signs in and consents."""
        from browser import visit

        last = visit(f"{page}?user_code={urllib.parse.quote(code)}", "allow")[-1]
        holds(last["text"], "Sign-in Success")

    def revoke(self, client, token):
        """Revokes the refresh token (RFC 7009)."""
        form = {"token": token, "token_type_hint": "refresh_token", "client_id": client["auth_client_id"]}
        request = urllib.request.Request(f"{self.url}/token/revocation")
        if "auth_client_secret" in client:
            form.pop("client_id")
            pair = ":".join(urllib.parse.quote_plus(value) for value in client.values())
            request.add_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
        with urllib.request.urlopen(request, urllib.parse.urlencode(form).encode()) as answer:
            same(answer.status, 200, "revocation")
        assert '"revoked":true' in self.said().replace(" ", ""), "the provider revoked nothing"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        self.log.close()
