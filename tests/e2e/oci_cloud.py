"""Oracle Cloud's side, simulated: an identity domain that exchanges tokens, and API endpoints that check the signature of
a request. They follow Oracle's documents, share no code with woci, and refuse whatever they do not expect.
"""
import base64
import contextlib
import email.utils
import hashlib
import http.server
import json
import os
import re
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import rsa
from harness import Home, Provider

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
CLIENT_ID, CLIENT_SECRET = "exchange client", "s+e/c=r%e;t #1"
REGION = "us-ashburn-1"
CLUSTER = "ocid1.cluster.oc1.iad.aaaaaaaae2ecluster"
USER, TENANCY = "ocid1.user.oc1..e2e", "ocid1.tenancy.oc1..e2e"


@contextlib.contextmanager
def prod_home():
    """A home whose profile `prod` has the certified provider and an identity domain of its own."""
    home = Home()
    provider = Provider(home)
    domain = Domain(provider.jwks_url)
    home.manager({"prod": provider.settings(home, domain, provider.confidential)})
    try:
        yield home, provider, domain
    finally:
        provider.stop()
        home.remove()


def serve(handle, tls=None):
    """Starts a server and returns its port. `handle(request, body)` returns (status, headers, body). `tls` is a file with a
    certificate and its key."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, headers, text = handle(self, body)
            except AssertionError as refusal:
                status, headers, text = 400, {}, json.dumps({"error": "refused", "error_description": str(refusal)})
            text = text.encode() if isinstance(text, str) else text
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_):  # in some tests, the client closes the connection early
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def jwt(claims):
    """A JWT with a random signature. Only OCI itself verifies the signature of a UPST."""
    parts = [json.dumps({"alg": "RS256", "kid": "asw_e2e", "typ": "JWT"}), json.dumps(claims)]
    return ".".join([rsa.base64url(part.encode()) for part in parts] + [rsa.base64url(os.urandom(256))])


def claims_of(token):
    return json.loads(rsa.unbase64url(token.split(".")[1]))


class Domain:
    """Accepts the tokens of one provider from the exchange client."""

    def __init__(self, jwks_url=None):
        self.jwks_url = jwks_url
        self.life = 3600  # seconds of a UPST, unless the subject token ends earlier
        self.audience = "https://oci.example"
        self.issued = []
        self.refused = []
        self.port = serve(self.handle)
        self.url = f"http://127.0.0.1:{self.port}/oauth2/v1/token"

    def handle(self, request, body):
        try:
            return 200, {}, json.dumps({"token": self.exchange(request, body.decode())})
        except AssertionError as refusal:
            self.refused.append(str(refusal))
            raise

    def exchange(self, request, body):
        assert (request.command, request.path) == ("POST", "/oauth2/v1/token"), f"{request.command} {request.path}"
        assert request.headers["Content-Type"].split(";")[0] == "application/x-www-form-urlencoded", "not a form"
        scheme, basic = request.headers["Authorization"].split(" ")
        name, _, secret = base64.b64decode(basic, validate=True).decode().partition(":")
        client = urllib.parse.unquote_plus(name), urllib.parse.unquote_plus(secret)
        assert scheme == "Basic" and client == (CLIENT_ID, CLIENT_SECRET), "not the exchange client"
        fields = urllib.parse.parse_qsl(body, strict_parsing=True)
        form = dict(fields)
        assert len(form) == len(fields), "a field twice"
        subject, public_key = form.pop("subject_token"), form.pop("public_key")
        assert form == {
            "grant_type": EXCHANGE,
            "requested_token_type": "urn:oci:token-type:oci-upst",
            "subject_token_type": "jwt",
        }, f"fields {sorted(form)}"
        person = self.believe(subject)
        key = rsa.from_der(base64.b64decode(public_key, validate=True))
        assert key[0].bit_length() == 2048, "OCI takes keys of 2048 bits"
        now = int(time.time())
        upst = jwt({
            "sub": USER, "tenant": TENANCY, "iat": now, "exp": min(now + self.life, person["exp"]),
            "jwk": json.dumps({"kid": "e2e", "alg": "RS256", **rsa.to_jwk(key)}), "ptype": "user",
            "sess_exp": time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime(now + 8 * 3600)),
        })  # fmt: skip
        self.issued.append(upst)
        return upst

    def believe(self, subject):
        """Verifies the subject token with the keys that the provider publishes. Returns its claims."""
        if self.jwks_url is None:
            return {"exp": int(time.time()) + 3600}
        head, claims, signature = subject.split(".")
        header = json.loads(rsa.unbase64url(head))
        assert header["alg"] == "RS256", f"alg {header['alg']}"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.jwks_url) as answer:
            (jwk,) = [key for key in json.load(answer)["keys"] if key["kid"] == header["kid"]]
        rsa.verify(rsa.from_jwk(jwk), f"{head}.{claims}".encode(), rsa.unbase64url(signature))
        person = claims_of(subject)
        assert person["aud"] == self.audience, f"aud {person['aud']}"
        assert person["exp"] > time.time(), "an expired subject token"
        return person


class Api:
    """An endpoint of OCI. It accepts requests that are signed with the key of the UPST in `keyId`, issued by `domain`.
    https://docs.oracle.com/en-us/iaas/Content/API/Concepts/signingrequests.htm"""

    def __init__(self, domain):
        self.domain = domain
        self.signed_by = []  # User-Agent of each request with a valid signature
        self.tokens = []  # and its UPST
        self.refused = []
        self.regions = []  # of the answer to `oci iam region list`
        self.database_token = None  # the last one that was issued for a database
        self.hold = None  # an Event that requests wait for, so that a test can press Ctrl-C meanwhile
        self.waiting = threading.Event()
        self.port = serve(self.handle)
        self.url = f"http://127.0.0.1:{self.port}"

    def handle(self, request, body):
        try:
            self.check(request, body)
        except AssertionError as refusal:
            self.refused.append(str(refusal))
            return 401, {}, json.dumps({"code": "NotAuthenticated", "message": str(refusal)})
        self.signed_by.append(request.headers["User-Agent"] or "")
        if self.hold:
            self.waiting.set()
            self.hold.wait(60)
        if request.path.rstrip("/") == "/n":
            return 200, {"opc-request-id": "e2e"}, json.dumps("e2e-namespace")
        if request.path == "/20160918/regions":
            return 200, {"opc-request-id": "e2e"}, json.dumps(self.regions)
        if request.path.split("?")[0] == "/n/e2e-namespace/b/e2e-bucket/o":
            return 200, {"opc-request-id": "e2e"}, json.dumps({"objects": [{"name": "hello.txt", "size": 5}]})
        if (request.command, request.path) == ("POST", "/v1/actions/generateScopedAccessToken"):
            wanted = json.loads(body)
            assert wanted["scope"] == "urn:oracle:db::id::*" and "PUBLIC KEY" in wanted["publicKey"], wanted
            self.database_token = jwt({"sub": USER, "exp": int(time.time()) + 3600})
            return 200, {"opc-request-id": "e2e"}, json.dumps({"token": self.database_token})
        if (request.command, request.path) == ("POST", "/20231130/actions/chat"):
            message = {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": "I am an e2e model."}]}
            choices = [{"index": 0, "message": message, "finishReason": "stop"}]
            chat = {"apiFormat": "GENERIC", "timeCreated": "2026-01-01T00:00:00Z", "choices": choices}
            return 200, {"opc-request-id": "e2e"}, json.dumps({"modelId": "e2e", "modelVersion": "1", "chatResponse": chat})
        return 404, {"opc-request-id": "e2e"}, json.dumps({"code": "NotAuthorizedOrNotFound", "message": "no such thing"})

    def check(self, request, body):
        value = request.headers["Authorization"] or ""
        scheme, _, rest = value.partition(" ")
        assert scheme == "Signature", f"Authorization: {value[:20]}"
        fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        assert fields["algorithm"] == "rsa-sha256" and fields["version"] == "1", "algorithm or version"
        kind, _, upst = fields["keyId"].partition("$")
        assert kind == "ST", "not a session token"
        assert upst in self.domain.issued, "a UPST that was not issued here"
        claims = claims_of(upst)
        assert claims["exp"] > time.time(), "an expired UPST"
        names = fields["headers"].split()
        assert {"date", "(request-target)", "host"} <= set(names) or {"x-date", "(request-target)", "host"} <= set(names), names
        if request.command == "POST":
            assert {"x-content-sha256", "content-type", "content-length"} <= set(names), names
            assert base64.b64decode(request.headers["x-content-sha256"]) == hashlib.sha256(body).digest(), "another body was signed"
        lines = []
        for name in names:
            if name == "(request-target)":
                lines.append(f"{name}: {request.command.lower()} {request.path}")
            else:
                lines.append(f"{name}: {request.headers[name]}")
        jwk = json.loads(claims["jwk"])
        rsa.verify(rsa.from_jwk(jwk), "\n".join(lines).encode(), base64.b64decode(fields["signature"]))
        self.tokens.append(upst)


class Cluster:
    """The part of a cluster's API that `kubectl get ns` needs. It accepts the token of `oci ce cluster generate-token`: a
    URL of OCI's container engine, signed in the last five minutes with the key of the UPST in it."""

    PATHS = {
        "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
        "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [
            {"name": "namespaces", "singularName": "namespace", "namespaced": False, "kind": "Namespace", "shortNames": ["ns"], "verbs": ["get", "list"]},
        ]},
        "/api/v1/namespaces": {"kind": "NamespaceList", "apiVersion": "v1", "metadata": {}, "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "e2e"}, "status": {"phase": "Active"}},
        ]},
    }  # fmt: skip

    def __init__(self, domain, folder):
        self.domain = domain
        self.accepted, self.refused = [], []
        self.upst = None  # of the last request that was accepted
        pem = folder / "cluster.pem"
        name = ["-subj", "/CN=cluster", "-addext", "subjectAltName=IP:127.0.0.1"]
        key = ["-newkey", "rsa:2048", "-nodes", "-keyout", pem.with_suffix(".key"), "-out", pem.with_suffix(".crt")]
        subprocess.run(["openssl", "req", "-x509", "-days", "2", *name, *key], check=True, capture_output=True)
        self.certificate = pem.with_suffix(".crt").read_bytes()
        pem.write_bytes(pem.with_suffix(".key").read_bytes() + self.certificate)
        self.port = serve(self.handle, tls=pem)

    def kubeconfig(self, user, command, args):
        """A kubeconfig as `oci ce cluster create-kubeconfig` makes it, with one more user and context. JSON is YAML."""
        cluster = {"server": f"https://127.0.0.1:{self.port}", "certificate-authority-data": base64.b64encode(self.certificate).decode()}
        exec_ = {
            "apiVersion": "client.authentication.k8s.io/v1beta1", "command": command, "args": args, "env": [],
            "interactiveMode": "IfAvailable", "provideClusterInfo": False,
        }  # fmt: skip
        return json.dumps({
            "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": "oke",
            "clusters": [{"name": "oke", "cluster": cluster}, {"name": "else", "cluster": {"server": "https://else.example"}}],
            "contexts": [
                {"name": "oke", "context": {"cluster": "oke", "user": user}},
                {"name": "else", "context": {"cluster": "else", "user": "somebody", "namespace": "n"}},
            ],
            "users": [{"name": "somebody", "user": {"token": "not OCI's"}}, {"name": user, "user": {"exec": exec_}}],
        })  # fmt: skip

    def handle(self, request, _body):
        path = request.path.split("?")[0]
        try:
            scheme, _, token = (request.headers["Authorization"] or "").partition(" ")
            assert scheme == "Bearer", f"{path} without a bearer token"
            self.upst = self.check(token)
        except AssertionError as refusal:
            self.refused.append(str(refusal))
            return 401, {}, json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized", "code": 401})
        self.accepted.append(path)
        if path not in self.PATHS:
            return 404, {}, json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404})
        return 200, {}, json.dumps(self.PATHS[path])

    def check(self, token):
        url = urllib.parse.urlsplit(base64.b64decode(token, altchars=b"-_", validate=True).decode())
        host = f"containerengine.{REGION}.oraclecloud.com"
        same = (url.scheme, url.netloc, url.path, url.fragment) == ("https", host, f"/cluster_request/{CLUSTER}", "")
        assert same, "the URL of something else"
        fields = urllib.parse.parse_qsl(url.query, strict_parsing=True)
        assert [name for name, _ in fields] == ["authorization", "date"], "other fields"
        query = dict(fields)
        signed = re.fullmatch(
            r'Signature algorithm="rsa-sha256",headers="date \(request-target\) host",'
            r'keyId="ST\$([^"]*)",signature="([^"]*)",version="1"',
            query["authorization"],
        )
        assert signed, "not OCI's signature"
        upst, signature = signed.groups()
        assert upst in self.domain.issued, "a UPST that was not issued here"
        claims = claims_of(upst)
        assert claims["exp"] > time.time(), "an expired UPST"
        date = email.utils.parsedate_to_datetime(query["date"]).timestamp()
        assert abs(time.time() - date) < 300, "signed too long ago"
        text = f"date: {query['date']}\n(request-target): get {url.path}\nhost: {host}"
        rsa.verify(rsa.from_jwk(json.loads(claims["jwk"])), text.encode(), base64.b64decode(signature, validate=True))
        return upst
