"""Oracle's own sign-in: the real oci-cli proves the simulated services, then woci and oci share sessions."""
import configparser
import contextlib
import email.utils
import html
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import types
import urllib.parse

import rsa
from chromium import Chromium, need_chromium
from fragment_browser import open_page
from harness import HERE, NODE, VENV, WOCI, Home, Run, Skip, brief, holds, run, same, wait, write
from network import Proxy, Tls, own_network
from oci import last_line, oci
from oci_cloud import Api, claims_of, serve
from pages import CLOSED, FACTS, fit
from simulator import Sim
from terminal_window import Window

# A region that no program knows, so that none of them can reach Oracle.
REGION, REALM = "xx-sim-1", "example.test"
METADATA = {"realmKey": "oc99", "realmDomainComponent": REALM, "regionKey": "sim", "regionIdentifier": REGION}
LOGIN, AUTH = f"login.{REGION}.{REALM}", f"auth.{REGION}.{REALM}"
IDENTITY, STORAGE = f"identity.{REGION}.oci.{REALM}", f"objectstorage.{REGION}.{REALM}"
OCI_PORT = 8181  # oci has no option for another one


def journey(table):
    browser = False
    with table.proves("Chromium and its driver are installed"):
        need_chromium()
        browser = True
    if not own_network(lambda: rows(table, browser)):
        rows(table, browser)


def rows(table, browser):
    oracle = None
    try:
        with table.proves(f"a region of the test's own with a login and an auth service, and port {OCI_PORT} for oci"):
            oracle = Oracle()
        if oracle:
            judged(table, oracle, browser)
            made(table, oracle)
            adopted(table, oracle)
            pages(table, oracle, browser)
    finally:
        if oracle:
            oracle.stop()


class Oracle:
    """The simulated services under the names of a region, with TLS, behind a proxy that resolves the names. `front` makes
    of the login service's port another one, which people reach in its place."""

    def __init__(self, region=REGION, realm=REALM, front=lambda port: port):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", OCI_PORT)) == 0:
                raise Skip(f"another program has port {OCI_PORT}, and a network of its own needs root; nothing else was tried")
        self.sim = Sim()
        self.api = Api(self.sim)
        self.folder = Home()
        certificates = self.folder.path / "certificates"
        certificates.mkdir()
        ports = {
            f"login.{region}.{realm}": front(self.port("console_url")), f"auth.{region}.{realm}": self.port("auth_service_url"),
            f"identity.{region}.oci.{realm}": self.api.port, f"objectstorage.{region}.{realm}": self.api.port,
        }  # fmt: skip
        argv = [VENV / "python", HERE / "peers/certificates.py", certificates, *ports]
        self.spki = run(argv).expect(0).out.strip()
        self.ca = certificates / "ca.pem"
        fronts = {f"{name}:443": Tls(certificates / "good.pem", port).port for name, port in ports.items()}
        self.proxy = Proxy(fronts)
        self.refused = 0  # of the requests before woci's own

    def port(self, name):
        return urllib.parse.urlsplit(self.sim.addresses[name]).port

    @contextlib.contextmanager
    def home(self):
        home = Home()
        home.env |= {
            "OCI_REGION_METADATA": json.dumps(METADATA), "HTTPS_PROXY": self.proxy.url,
            "SSL_CERT_FILE": str(self.ca), "REQUESTS_CA_BUNDLE": str(self.ca),
            "BROWSER": f"{shlex.join([sys.executable, str(HERE / 'fragment_browser.py')])} %s", "TMPDIR": str(home.path),
        }  # fmt: skip
        try:
            yield home
        finally:
            home.remove()

    def stop(self):
        self.sim.stop()
        self.folder.remove()


class Person(Chromium):
    """Chromium in the region: its names are resolved by the proxy, and its certificate is trusted."""

    def __init__(self, home, oracle):
        super().__init__(home)
        proxy = f"--proxy-server=127.0.0.1:{oracle.proxy.port} --ignore-certificate-errors-spki-list={oracle.spki}"
        words = self.command.removesuffix(" %s").replace("--proxy-server=127.0.0.1", proxy)
        # A script, since $BROWSER is split at colons. It is silent, since oci's own output is read to its end.
        script = write(home.bin / "chromium-in-the-region", f'#!/bin/sh\nexec {words} "$@" >/dev/null 2>&1\n', 0o755)
        self.script, self.env = script, home.env
        self.command = f"{script} %s"

    def start(self):
        """Opens an empty tab, as a person does who has the browser open before the sign-in."""
        subprocess.Popen([self.script, "about:blank"], env=self.env, start_new_session=True)
        self.attach()


def section(home, profile):
    config = configparser.ConfigParser(interpolation=None)
    config.read(home.oci / "config")
    return dict(config[profile])


def token_file(home, profile):
    return home.session(profile) / "token"


# ---- the real oci-cli is the judge of the stand-in ----

AUTHENTICATE = ("session", "authenticate", "--region", REGION, "--profile-name")


def judged(table, oracle, with_chromium):
    with oracle.home() as home:
        judges(table, oracle, home, with_chromium)
        oracle.refused = len(oracle.sim.seen()["refusals"])


def judges(table, oracle, home, with_chromium):
    sim = oracle.sim

    with table.proves("oci session authenticate: Chromium runs the script of oci's own page, and the session is written"):
        if not with_chromium:
            raise Skip("Chromium is not installed")
        with Person(home, oracle) as browser:
            env = {**home.env, "BROWSER": f"{browser.command} &"}
            process = subprocess.Popen([VENV / "oci", *AUTHENTICATE, "chromium"], env=env, cwd=home.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            browser.attach()
            out, err = process.communicate(timeout=60)
            Run(process.args, process.returncode, out, err, 0).expect(0)
            browser.shows("Authorization completed!")
        same((token_file(home, "chromium").read_text(), sim.seen()["refusals"]), (sim.issued[-1], []))

    with table.proves("oci session authenticate with a tenancy and an identity provider: the token is for the key that was sent"):
        oci(home, *AUTHENTICATE, "prod", "--tenancy-name", "acme", "--identity-provider-name", "okta").expect(0)
        same(sorted(section(home, "prod")), ["fingerprint", "key_file", "region", "security_token_file", "tenancy"])
        claims = claims_of(token_file(home, "prod").read_text())
        same(rsa.from_jwk(json.loads(claims["jwk"])), public_key(home.session("prod") / "oci_api_key.pem"), "the key of the token")
        same(section(home, "prod")["tenancy"], claims["tenant"])
        assert abs(ends(claims) - claims["iat"] - 24 * 3600) < 5, claims["sess_exp"]

    with table.proves("oci session validate and a command sign with the session"):
        count = len(oracle.api.signed_by)
        holds(oci(home, "session", "validate", "--profile", "prod").expect(0).err, "Session is valid until")
        namespace = oci(home, "--profile", "prod", "--auth", "security_token", "os", "ns", "get", "--endpoint", oracle.api.url)
        same(namespace.expect(0).json["data"], "e2e-namespace")
        same((len(oracle.api.signed_by), oracle.api.refused), (count + 2, []))

    with table.proves("oci session refresh: a new token for the same key and the same session"):
        before = token_file(home, "prod").read_text()
        oci(home, "session", "refresh", "--profile", "prod").expect(0, f"https://{AUTH}/v1/authentication/refresh", "Successfully refreshed")
        after = token_file(home, "prod").read_text()
        assert after != before, "the same token"
        for claim in ("jwk", "sub", "tenant", "sess_exp"):
            same(claims_of(after)[claim], claims_of(before)[claim], claim)
        same((after, sim.seen()["refusals"]), (sim.issued[-1], []))

    with table.proves("an older token of the session, presented by oci, is refreshed as well"):
        write(token_file(home, "prod"), before)
        oci(home, "session", "refresh", "--profile", "prod").expect(0)

    with table.proves("oci's clock is ten minutes off: the signature is refused with Oracle's message"):
        late = "import time; real = time.time; time.time = lambda: real() - 600; from oci_cli.cli import cli; cli()"
        done = run([VENV / "python", "-c", late, "session", "refresh", "--profile", "prod"], env=home.env, cwd=home.path)
        done.expect(1, "no longer valid and cannot be refreshed")
        holds(sim.seen()["refusals"][-1], "is not within allowed clock skew")

    with table.proves("oci session refresh with a token that the service does not know: oci says that the session is over"):
        token = token_file(home, "chromium" if with_chromium else "prod")
        good = token.read_text()
        write(token, f"{good[:-4]}AAAA")
        oci(home, "session", "refresh", "--profile", token.parent.name).expect(1, "no longer valid and cannot be refreshed")
        same(sim.seen()["refusals"][-1], "the token is unknown")
        write(token, good)

    with table.proves("oci session export, import in another home, and terminate"):
        oci(home, "session", "export", "--profile", "prod", "--output-file", home.path / "exported").expect(0)
        with oracle.home() as other:
            oci(other, "session", "import", "--session-archive", home.path / "exported.zip").expect(0)
            oci(other, "session", "refresh", "--profile", "prod").expect(0)
            oci(other, "session", "terminate", "--profile", "prod").expect(0)
            assert not other.session("prod").exists(), "the session folder is still there"

    with table.proves("after the end of the session, oci session refresh is refused"):
        sim.seen("end")
        oci(home, "session", "refresh", "--profile", "prod").expect(1, "no longer valid and cannot be refreshed")
        same(sim.seen()["refusals"][-1], "the session has ended")


def public_key(pem):
    """The public half of a private key, as a pair of numbers."""
    der = subprocess.run(["openssl", "pkey", "-in", pem, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    return rsa.from_der(der)


def ends(claims):
    """The end of the session, which is text in Oracle's form."""
    assert claims["sess_exp"].endswith(" UTC"), claims["sess_exp"]
    return email.utils.parsedate_to_datetime(claims["sess_exp"].replace("UTC", "GMT")).timestamp()


# ---- woci signs in, and oci and the SDKs use its session ----


def made(table, oracle):
    with oracle.home() as home:
        makes(table, oracle, home)


def makes(table, oracle, home):
    sim, token = oracle.sim, token_file(home, "made")

    with table.proves("woci session authenticate --region, and nothing else: a session, by the page that a browser without scripts fills in"):
        done = home.woci("session", "authenticate", "--region", REGION, "--profile", "made").expect(0)
        same((done.json["source"], done.json["security_token"]), ("authenticated", sim.issued[-1]))
        (visit,) = home.visited(1)
        same([page["status"] for page in visit["pages"]], [302, 200, 200])
        holds(visit["pages"][-1]["text"], "You are signed in")
        home.clean("made")

    with table.proves("woci wrote the section that oci session authenticate writes, and no request was refused"):
        same(sorted(section(home, "made")), ["fingerprint", "key_file", "region", "security_token_file", "tenancy"])
        same((section(home, "made")["region"], sim.seen()["refusals"][oracle.refused:]), (REGION, []))

    with table.proves("oci session validate accepts woci's session, and does not warn about its key"):
        done = oci(home, "session", "validate", "--profile", "made").expect(0, "Session is valid until")
        assert "OCI_API_KEY" not in done.err, done.err

    with table.proves("woci session refresh: one signed request, which the services accept, and the key stays"):
        key, before = section(home, "made")["key_file"], sim.seen()
        old = private(key)
        done = home.woci("--profile", "made", "session", "refresh").expect(0)
        same((done.json["source"], done.json["security_token"], token.read_text()), ("refreshed", sim.issued[-1], sim.issued[-1]))
        after = sim.seen()
        same((after["refreshes"] - before["refreshes"], after["refusals"]), (1, before["refusals"]))
        same((section(home, "made")["key_file"], private(key)), (key, old), "the key")
        same(len(home.visits()), 1, "tabs")

    with table.proves("oci session refresh renews woci's session, and woci hands out what oci stored"):
        oci(home, "session", "refresh", "--profile", "made").expect(0, "Successfully refreshed")
        done = home.woci("--profile", "made").expect(0)
        same((done.json["source"], done.json["security_token"], done.err), ("cached", sim.issued[-1], ""))
        same(home.woci("--profile", "made", "session", "refresh").expect(0).json["source"], "refreshed")

    with table.proves("woci runs the real oci with the session"):
        count = len(oracle.api.signed_by)
        done = home.woci("--profile", "made", "os", "ns", "get", "--endpoint", oracle.api.url).expect(0)
        same((done.json["data"], len(oracle.api.signed_by), done.err), ("e2e-namespace", count + 1, ""))

    signs(table, oracle, home, "made", "a session of woci")

    with table.proves("oci session export takes woci's session to another home, where oci and woci renew it"):
        oci(home, "session", "export", "--profile", "made", "--output-file", home.path / "exported").expect(0)
        with oracle.home() as other:
            oci(other, "session", "import", "--session-archive", home.path / "exported.zip").expect(0)
            oci(other, "session", "refresh", "--profile", "made").expect(0)
            same(other.woci("--profile", "made").expect(0).json["source"], "cached")
            same(other.woci("--profile", "made", "session", "refresh").expect(0).json["source"], "refreshed")
            same(other.visits(), [], "tabs")

    with table.proves("oci session terminate ends it: nothing of the profile is left, and woci asks for a sign-in"):
        oci(home, "session", "terminate", "--profile", "made").expect(0)
        assert not home.session("made").exists(), "the session folder is still there"
        assert "[made]" not in (home.oci / "config").read_text(), "the section is still there"
        done = home.woci("--profile", "made", "--region", REGION, "--sign-in", "never")
        assert done.code in (1, 2), done.code
        holds(done.err, "woci session authenticate")
        same(len(home.visits()), 1, "tabs")

    with table.proves("after the end of the session, a valid token is handed out, a refresh says that the session is over, and no tab opens"):
        home.woci("session", "authenticate", "--region", REGION, "--profile", "over").expect(0)
        sim.seen("end")
        same(home.woci("--profile", "over").expect(0).json["source"], "cached")
        tabs = len(home.visited(2))
        home.woci("--profile", "over", "--sign-in", "never", "session", "refresh").expect(1, "woci session authenticate")
        same(len(home.visits()), tabs, "tabs")
        oci(home, "session", "refresh", "--profile", "over").expect(1, "no longer valid and cannot be refreshed")


def private(pem):
    """The private key of a file, without the line that oci writes after it."""
    return subprocess.run(["openssl", "pkey", "-in", pem], check=True, capture_output=True).stdout


def signs(table, oracle, home, profile, whose):
    """Programs of other people sign requests with the session."""
    api = oracle.api

    def signed(argv, out, agent, **options):
        count = len(api.signed_by)
        done = run(argv, **{"env": home.env, "cwd": home.path, **options}).expect(0)
        same((last_line(done.out), len(api.signed_by) - count, api.refused), (out, 1, []))
        holds(api.signed_by[-1], agent)

    # Each line of these programs is a request, and an answer.
    asks, answer = {"input": "new\n"}, '{"answer": "e2e-namespace"}'
    compact = answer.replace(" ", "")

    with table.proves(f"the Python SDK signs with {whose}"):
        signed([VENV / "python", HERE / "peers/readers.py", "sdk", home.oci / "config", profile, api.url], answer, "Oracle-PythonSDK", **asks)

    with table.proves(f"the TypeScript SDK signs with {whose}"):
        program = write(NODE / "sdk.mjs", (HERE / "peers/sdk.mjs").read_bytes())
        signed(["node", program, home.oci / "config", profile, api.url], compact, "oci-common region", cwd=NODE, **asks)

    with table.proves(f"rclone, which uses the Go SDK, signs with {whose}"):
        place = f":oracleobjectstorage,provider=user_principal_auth,config_profile={profile},namespace=e2e-namespace,region={REGION},endpoint='{api.url}':e2e-bucket"
        signed([VENV / "rclone", "lsf", place], "hello.txt", "rclone/")



# ---- woci takes on what oci session authenticate left ----


def adopted(table, oracle):
    with oracle.home() as home:
        adopts(table, oracle, home)


def adopts(table, oracle, home):
    sim, files = oracle.sim, {}

    def contents():
        return {path.name: path.read_bytes() for path in home.session("theirs").glob("oci_api_key*")} | {"config": (home.oci / "config").read_bytes()}

    with table.proves("a session that oci session authenticate made is handed out by woci as it is"):
        oci(home, *AUTHENTICATE, "theirs").expect(0)
        files.update(contents())
        done = home.woci("--profile", "theirs").expect(0)
        same((done.json["source"], done.json["security_token"]), ("cached", sim.issued[-1]))

    with table.proves("woci renews it with oci's key, opens no tab, and leaves oci's key files and the section as they are"):
        tabs = len(home.visited(1))
        done = home.woci("--profile", "theirs", "session", "refresh").expect(0)
        same((done.json["source"], done.json["security_token"]), ("refreshed", sim.issued[-1]))
        same((contents(), len(home.visits())), (files, tabs))
        oci(home, "session", "validate", "--profile", "theirs").expect(0)
        oci(home, "session", "refresh", "--profile", "theirs").expect(0)
        same(home.woci("--profile", "theirs").expect(0).json["security_token"], sim.issued[-1])

    signs(table, oracle, home, "theirs", "a session that oci made and woci renewed")

    with table.proves("a session whose key oci encrypted (--use-passphrase) is left alone, with a clear word"):
        argv = [VENV / "oci", *AUTHENTICATE, "locked", "--use-passphrase"]
        with Window(argv, home.env, home.path) as window:
            window.until("passphrase")
            window.type("a passphrase\n")
            window.until("Repeat for confirmation")
            window.type("a passphrase\n")
            window.until("Do you want to write your passphrase")
            window.type("y\n")
            same(window.exit(), 0)
        before = {path.name: path.read_bytes() for path in home.session("locked").iterdir()}
        tabs = len(home.visited(2))
        for words in ((), ("session", "refresh")):
            home.woci("--profile", "locked", *words).expect(1, "it is encrypted with a passphrase", "woci leaves such a session alone")
        same(len(home.visits()), tabs, "tabs")
        after = {path.name: path.read_bytes() for path in home.session("locked").iterdir() if path.name in before}
        same(after, before, "oci's files")


# ---- Chromium at woci's page ----


def pages(table, oracle, with_chromium):
    if not with_chromium:
        return table.row("Chromium at woci's page", "skipped", "Chromium is not installed")
    with oracle.home() as home:
        Pages(table, oracle, home).all()


class Pages:
    ORIGIN = f"http://localhost:{OCI_PORT}"

    def __init__(self, table, oracle, home):
        self.table, self.oracle, self.home = table, oracle, home
        self.said = self.home.path / "said"

    def all(self):
        self.signs_in()
        self.two_tabs()
        self.attacked()
        self.pasted()
        self.slow()
        self.starts_again()

    @contextlib.contextmanager
    def woci(self, browser="true"):
        """Starts a sign-in. Without a browser, the test opens the URL itself."""
        with self.said.open("w+") as said:
            env = {**self.home.env, "BROWSER": browser}
            argv = ("session", "authenticate", "--region", REGION, "--profile", "page")
            woci = self.home.start(*argv, env=env, stdout=subprocess.PIPE, stderr=said, text=True)
            try:
                yield woci
            finally:
                woci.kill()
                woci.communicate()

    def auth_url(self):
        return wait(lambda: re.search(r"Auth URL: (\S+)\n", self.said.read_text()), "the URL")[1]

    def ended(self, woci, code, *parts):
        out, _ = woci.communicate(timeout=30)
        return Run(woci.args, woci.returncode, out, self.said.read_text(), 0).expect(code, *parts)

    def fragment(self, url):
        """The answer to the URL, taken from the login service itself."""
        query = urllib.parse.urlsplit(url).query
        login = open_page(f"{self.oracle.sim.addresses['console_url']}/v1/oauth2/authorize?{query}")
        return login.headers["Location"].partition("#")[2]

    def waits(self, woci):
        same(woci.poll(), None, "woci's end")

    def signs_in(self):
        with Person(self.home, self.oracle) as browser:
            with self.table.proves("Chromium, opened by woci: the script of woci's page hands the answer over, and the page says who and until when"):
                with self.woci(browser.command) as woci:
                    browser.attach()
                    token = self.ended(woci, 0).json["security_token"]
                    browser.shows("You are signed in", "page", "Valid until")
                    same(token, self.oracle.sim.issued[-1])

            with self.table.proves("no page loads anything or complains, and neither address, page nor history shows a token or the nonce"):
                facts = browser.run(FACTS)
                asked = [url for url, page in browser.requests() if page.startswith(self.ORIGIN)]
                # The log may begin after the first of the two.
                same(set(asked), {f"{self.ORIGIN}/"}, "requests")
                same(facts["loaded"], [], "what the page loaded")
                same([entry for entry in browser.complaints() if entry.startswith(self.ORIGIN)], [], "the console")
                entries = browser.devtools("Page.getNavigationHistory")["entries"]
                nonce = urllib.parse.parse_qs(urllib.parse.urlsplit(self.auth_url()).query)["nonce"][0]
                of_woci = [entry["url"] for entry in entries if entry["url"].startswith(self.ORIGIN)]
                for text in (browser.url, facts["source"], *of_woci):
                    assert token not in text and nonce not in text and "#" not in text.split("\n")[0], brief(text)

            with self.table.proves("back, forward and reload after the sign-in do not hang and change nothing"):
                before = token_file(self.home, "page").read_text()
                for step in (browser.back, browser.forward, browser.reload):
                    step()
                same(token_file(self.home, "page").read_text(), before)
                self.home.clean("page")

    def two_tabs(self):
        with self.table.proves("two tabs with the same URL: the first one ends the sign-in, the other one finds nobody"):
            with Person(self.home, self.oracle) as browser, self.woci() as woci:
                browser.start()
                first = browser.tabs()[0]
                browser.new_tab()
                browser.go(self.auth_url())
                token = self.ended(woci, 0).json["security_token"]
                browser.shows("You are signed in")
                browser.turn_to(first)
                with contextlib.suppress(AssertionError):  # chromedriver reports the refused connection
                    browser.go(self.auth_url())
                browser.shows(CLOSED)
                same(token_file(self.home, "page").read_text(), token)

    def attacked(self):
        with Person(self.home, self.oracle) as browser, self.woci() as woci:
            url, attacker = self.auth_url(), Attacker(self.ORIGIN)
            browser.start()
            with self.table.proves("the page without an answer says that woci waits"):
                browser.go(f"{self.ORIGIN}/")
                browser.shows("woci waits for your sign-in")
                self.waits(woci)
            place = types.SimpleNamespace(origin=f"{self.ORIGIN}/", done_page=f"{self.ORIGIN}/")
            fit(self.table, place, browser, "waiting", [])

            with self.table.proves("an answer of another sign-in in the fragment is refused, with a page, and woci still waits"):
                query = urllib.parse.urlsplit(url).query
                other = urllib.parse.urlencode({**dict(urllib.parse.parse_qsl(query)), "nonce": "of another sign-in"})
                browser.go(url.replace(query, other))
                browser.shows("Not the answer woci waits for")
                self.waits(woci)

            with self.table.proves("a form of another origin is refused, even with the page's hidden value and the real answer"):
                browser.go(f"{self.ORIGIN}/")
                attacker.fields = {"value": browser.run("return document.forms[0].elements.value.value"), "answer": self.fragment(url)}
                browser.go(f"{attacker.url}/form")
                browser.shows("Not the answer woci waits for")
                self.waits(woci)

            with self.table.proves("a page of another origin cannot read woci's page by fetch or in a frame, and what it posts by fetch is refused"):
                browser.go(f"{attacker.url}/fetch")
                browser.shows("all tried")
                same(browser.text().splitlines()[:3], ["read: TypeError", "post: sent", "frame: unreadable"])
                self.waits(woci)

            with self.table.proves("after all this, the real answer ends the sign-in"):
                browser.go(url)
                browser.shows("You are signed in")
                self.ended(woci, 0)

    def pasted(self):
        with self.table.proves("without a browser: the address of the page that does not load, pasted in the terminal, ends the sign-in"):
            argv = [WOCI, "session", "authenticate", "--region", REGION, "--profile", "page"]
            with Window(argv, {**self.home.env, "BROWSER": "false", "SSH_CONNECTION": "192.0.2.7 50000 192.0.2.9 22"}, self.home.path) as window:
                window.until(f"ssh -L {OCI_PORT}:localhost:{OCI_PORT}")
                url = re.search(r"Auth URL: (\S+)", window.text)[1]
                address = f"{self.ORIGIN}/#{self.fragment(url)}"
                window.type(address + "\n")
                same(window.exit(), 0)
                assert address[-40:] not in window.text, "the address is shown"
            same(token_file(self.home, "page").read_text(), self.oracle.sim.issued[-1])

    def slow(self):
        with self.table.proves("a slow machine on a slow network: the sign-in ends well"):
            with Person(self.home, self.oracle) as browser, self.woci() as woci:
                browser.start()
                browser.devtools("Network.enable")
                browser.devtools("Network.emulateNetworkConditions", offline=False, latency=1500, downloadThroughput=4000, uploadThroughput=4000)
                browser.devtools("Emulation.setCPUThrottlingRate", rate=20)
                browser.go(self.auth_url())
                self.ended(woci, 0)
                browser.shows("You are signed in")

    def starts_again(self):
        with self.table.proves("Ctrl-C, and woci again: the answer to the first URL is refused, with a page; the second one ends the sign-in"):
            with Person(self.home, self.oracle) as browser:
                with self.woci() as woci:
                    url = self.auth_url()
                    woci.send_signal(signal.SIGINT)
                    self.ended(woci, -signal.SIGINT)
                with self.woci() as again:
                    new = self.auth_url()
                    browser.start()
                    browser.go(url)
                    browser.shows("Not the answer woci waits for", "finish the sign-in in the newest one")
                    self.waits(again)
                    browser.go(new)
                    browser.shows("You are signed in")
                    self.ended(again, 0)


class Attacker:
    """Pages of another site, which the person has open in the same browser."""

    def __init__(self, target):
        self.target = target
        self.fields = {}
        # Another host name than the target's, so that the browser counts it as another site.
        self.url = f"http://127.0.0.1:{serve(self.handle)}"

    def handle(self, request, _body):
        page = {"/form": FORM, "/fetch": FETCH}[request.path]
        fields = {name: html.escape(value) for name, value in self.fields.items()}
        return 200, {"Content-Type": "text/html"}, page.format(target=self.target, **fields)


FORM = """<!doctype html>
<form method="post" action="{target}/"><input name="value" value="{value}"><input name="answer" value="{answer}"></form>
<script>document.forms[0].submit()</script>"""

# Writes what became of each attempt.
FETCH = """<!doctype html>
<form><input name="value" value="{value}" type="hidden"><input name="answer" value="{answer}" type="hidden"></form>
<script type="module">
const say = text => document.body.append(text, document.createElement('br'));
await fetch('{target}/').then(async answer => say('read: ' + await answer.text()), error => say('read: ' + error.name));
const body = new URLSearchParams(new FormData(document.forms[0]));
await fetch('{target}/', {{method: 'POST', mode: 'no-cors', body}}).then(() => say('post: sent'), error => say('post: ' + error));
const frame = document.createElement('iframe');
frame.src = '{target}/';
const loaded = new Promise(resolve => frame.onload = resolve);
document.body.append(frame);
await loaded;
const inside = frame.contentDocument;
say('frame: ' + (inside ? inside.body.innerText : 'unreadable'));
say('all tried');
</script>"""
