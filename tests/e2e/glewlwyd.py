"""glewlwyd, a single sign-on server in C from Debian. It is set up over its administration API, in a folder of its own.
Its system service is never started."""
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import urllib.parse

from browser import PASSWORD, PERSON, Browser, visit
from harness import PEERS, Skip, free_port, holds, wait
from oci_cloud import CLIENT_ID, CLIENT_SECRET

UNPACKED = PEERS / "glewlwyd"


def command(root=UNPACKED):
    """The command that starts it with its libraries. It ends when the test ends, even if the test is killed."""
    libraries = ":".join(map(str, root.glob("usr/lib/*-linux-gnu*")))
    return ["setpriv", "--pdeathsig", "TERM", "env", f"LD_LIBRARY_PATH={libraries}", root / "usr/bin/glewlwyd"]


def runs(root=UNPACKED):
    """Whether it starts. A library of the system may have been removed since the packages were unpacked."""
    return (root / "usr/bin/glewlwyd").exists() and not subprocess.run([*command(root), "--version"], capture_output=True).returncode


class Glewlwyd:
    name = "glewlwyd"
    page = "/login.html"
    # For a used or revoked refresh token, it answers HTTP 400 without the `error` that RFC 6749 5.2 requires. So woci cannot
    # know that the token is the reason: it opens no browser, and names the command that signs in.
    refusal, by_hand = "HTTP 400", ["session", "authenticate"]
    # Its pages have no button to refuse. But a person can refuse a scope, and `resource` needs the scope `oci` here.
    denial = "invalid_target", "Invalid Resource"
    # Its device grant has no `resource`: the audience is the scope.
    device_audience = "openid oci"

    def __init__(self, home):
        if not runs():
            raise Skip("Debian's package glewlwyd is not available here")
        # It does not decode the client credentials as RFC 6749 2.3.1 requires, so these have no character to encode.
        self.confidential = {"auth_client_id": "confidential-client", "auth_client_secret": "p-q_r.s~t"}
        self.public = {"auth_client_id": "public-client"}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="woci-e2e-glewlwyd-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.jwks_url = f"{self.url}/api/oidc/jwks"
        self.issuer, self.authz_params = f"{self.url}/api/oidc", "nonce=woci&resource=https://oci.example"
        self.device_url = f"{self.url}/api/oidc/device_authorization"
        self.log = self.folder / "log"
        with sqlite3.connect(self.folder / "db") as database:
            database.executescript((UNPACKED / "usr/share/dbconfig-common/data/glewlwyd/install/sqlite3").read_text())
        database.close()
        config = self.folder / "conf"
        config.write_text(self.config())
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*command(), "--config-file", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait(lambda: "Glewlwyd started" in self.said() or self.process.poll() is not None, "glewlwyd")
            assert self.process.poll() is None, f"glewlwyd ended: {self.said()}"
            self.set_up(f"http://127.0.0.1:{home.redirect_port}/callback")
        except BaseException:
            self.stop()
            raise

    def config(self):
        modules = UNPACKED / "usr/lib/glewlwyd"
        return f"""
            port = {self.port}
            bind_address = "127.0.0.1"
            external_url = "{self.url}"
            login_url = "login.html"
            api_prefix = "api"
            static_files_path = "{UNPACKED}/usr/share/glewlwyd/webapp/"
            log_mode = "console"
            log_level = "INFO"
            cookie_secure = 0
            session_key = "GLEWLWYD2_SESSION_ID"
            admin_scope = "g_admin"
            profile_scope = "g_profile"
            user_module_path = "{modules}/user"
            client_module_path = "{modules}/client"
            user_auth_scheme_module_path = "{modules}/scheme"
            plugin_module_path = "{modules}/plugin"
            hash_algorithm = "SHA512"
            database = {{ type = "sqlite3"; path = "{self.folder}/db" }}
            """

    def set_up(self, redirect_uri):
        """As strict as glewlwyd can be: PKCE required, refresh tokens valid once, `iss` in the callback (RFC 9207)."""
        key = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout
        public = subprocess.run(["openssl", "rsa", "-pubout"], input=key, check=True, capture_output=True).stdout
        plugin = {
            "iss": f"{self.url}/api/oidc", "oauth-as-iss-id": True, "secret-type": "public", "address-claim": {"type": "no"},
            "jwt-type": "rsa", "jwt-key-size": "256", "key": key.decode(), "cert": public.decode(), "jwks-show": True,
            "access-token-duration": 3600, "refresh-token-duration": 7 * 24 * 3600, "code-duration": 600,
            "auth-type-code-enabled": True, "auth-type-refresh-enabled": True, "auth-type-token-enabled": False,
            "auth-type-id-token-enabled": True, "auth-type-password-enabled": False, "auth-type-client-enabled": False,
            "auth-type-device-enabled": True, "device-authorization-expiration": 300, "device-authorization-interval": 1,
            "refresh-token-rolling": True, "refresh-token-one-use": "always", "pkce-allowed": True, "pkce-required": True,
            "resource-allowed": True, "resource-scope": {"oci": ["https://oci.example"]}, "allowed-scope": ["openid", "oci"],
        }  # fmt: skip
        client = {"enabled": True, "redirect_uri": [redirect_uri], "authorization_type": ["code", "refresh_token", "device_authorization"], "scope": []}
        administrator = self.person("admin", "password")
        for where, document in (
            ("scope/", {"name": "oci", "display_name": "OCI", "password_required": True, "password_max_age": 0}),
            ("mod/plugin/", {"module": "oidc", "name": "oidc", "display_name": "OpenID Connect", "enabled": True, "parameters": plugin}),
            ("user/", {"username": PERSON, "password": PASSWORD, "enabled": True, "scope": ["g_profile", "openid", "oci"]}),
            ("client/", {**client, "client_id": self.confidential["auth_client_id"], "confidential": True,
                         "client_secret": self.confidential["auth_client_secret"], "token_endpoint_auth_method": ["client_secret_basic"]}),
            ("client/", {**client, "client_id": self.public["auth_client_id"], "confidential": False, "token_endpoint_auth_method": ["none"]}),
        ):  # fmt: skip
            administrator.call("POST", f"{self.url}/api/{where}", document)

    def person(self, name, password):
        browser = Browser()
        browser.call("POST", f"{self.url}/api/auth/", {"username": name, "password": password})
        return browser

    def said(self):
        return self.log.read_text()

    def grants(self):
        """The grants, from the log. Each issues an access token, and a grant of a code issues an ID token as well."""
        grants = []
        for what in re.findall(r"(Access token|id_token) generated for client '[a-z]", self.said()):
            if what == "Access token":
                grants.append("refresh_token")
            else:
                grants[-1] = "authorization_code"
        return grants

    def settings(self, home, domain, client):
        return {
            # With the scope `openid`, it requires a nonce, which is optional in OpenID Connect Core 3.1.2.1.
            "authz_base_url": f"{self.url}/api/oidc/auth?nonce=woci&resource=https%3A%2F%2Foci.example",
            "token_url": f"{self.url}/api/oidc/token",
            "token_exchange_url": domain.url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "scope": "openid oci", "redirect_port": home.redirect_port, "region": "us-ashburn-1", **client,
        }  # fmt: skip

    def type_code(self, page, code):
        """The person types the code, signs in and grants the scopes."""
        last = visit(f"{page}?code={urllib.parse.quote(code)}", "allow")[-1]
        holds(last["url"], "prompt=deviceComplete")

    def revoke(self, _client, _token):
        """Revokes all tokens, as the person can on its page."""
        self.person(PERSON, PASSWORD).call("DELETE", f"{self.url}/api/oidc/token/")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        shutil.rmtree(self.folder)
