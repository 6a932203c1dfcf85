"""Oracle's own sign-in: the real oci-cli proves the simulated services, then woci and oci share sessions."""
import base64
import configparser
import contextlib
import email.utils
import json
import socket
import subprocess
import sys
import urllib.parse

import rsa
from chromium import Chromium, need_chromium
from harness import HERE, NODE, VENV, WOCI, Home, Run, Skip, holds, run, same, wait, write
from network import Proxy, Tls, own_network
from oci_cloud import Api, claims_of
from simulator import Sim

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
    finally:
        if oracle:
            oracle.stop()


class Oracle:
    """The simulated services under the names of the region, with TLS, behind a proxy that resolves the names."""

    def __init__(self):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", OCI_PORT)) == 0:
                raise Skip(f"another program has port {OCI_PORT}, and a network of its own needs root")
        self.sim = Sim()
        self.api = Api(self.sim)
        self.folder = Home()
        certificates = self.folder.path / "certificates"
        certificates.mkdir()
        argv = [VENV / "python", HERE / "peers/certificates.py", certificates, LOGIN, AUTH, IDENTITY, STORAGE]
        self.spki = run(argv).expect(0).out.strip()
        self.ca = certificates / "ca.pem"
        ports = {LOGIN: self.port("console_url"), AUTH: self.port("auth_service_url"), IDENTITY: self.api.port, STORAGE: self.api.port}
        fronts = {f"{name}:443": Tls(certificates / "good.pem", port).port for name, port in ports.items()}
        self.proxy = Proxy(fronts)

    def port(self, name):
        return urllib.parse.urlsplit(self.sim.addresses[name]).port

    def home(self):
        home = Home()
        home.env |= {
            "OCI_REGION_METADATA": json.dumps(METADATA), "HTTPS_PROXY": self.proxy.url,
            "SSL_CERT_FILE": str(self.ca), "REQUESTS_CA_BUNDLE": str(self.ca),
            # In the background, since oci waits for a browser before it listens.
            "BROWSER": f"{sys.executable} {HERE / 'fragment_browser.py'} %s &", "TMPDIR": str(home.path),
        }  # fmt: skip
        return home

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
        self.command = f"{script} %s"


def oci(home, *args, **options):
    return run([VENV / "oci", *args], **{"env": home.env, "cwd": home.path, **options})


def section(home, profile):
    config = configparser.ConfigParser(interpolation=None)
    config.read(home.oci / "config")
    return dict(config[profile])


def token_file(home, profile):
    return home.session(profile) / "token"


# ---- the real oci-cli is the judge of the stand-in ----

AUTHENTICATE = ("session", "authenticate", "--region", REGION, "--profile-name")


def judged(table, oracle, with_chromium):
    home, sim = oracle.home(), oracle.sim

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
        other = oracle.home()
        try:
            oci(other, "session", "import", "--session-archive", home.path / "exported.zip").expect(0)
            oci(other, "session", "refresh", "--profile", "prod").expect(0)
            oci(other, "session", "terminate", "--profile", "prod").expect(0)
            assert not other.session("prod").exists(), "the session folder is still there"
        finally:
            other.remove()

    with table.proves("after the end of the session, oci session refresh is refused"):
        sim.seen("end")
        oci(home, "session", "refresh", "--profile", "prod").expect(1, "no longer valid and cannot be refreshed")
        same(sim.seen()["refusals"][-1], "the session has ended")
    home.remove()


def public_key(pem):
    """The public half of a private key, as a pair of numbers."""
    der = subprocess.run(["openssl", "pkey", "-in", pem, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    return rsa.from_der(der)


def ends(claims):
    """The end of the session, which is text in Oracle's form."""
    assert claims["sess_exp"].endswith(" UTC"), claims["sess_exp"]
    return email.utils.parsedate_to_datetime(claims["sess_exp"].replace("UTC", "GMT")).timestamp()
