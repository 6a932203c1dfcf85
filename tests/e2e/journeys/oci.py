"""The real oci-cli and the SDKs sign with the profile that woci wrote; woci runs the real oci."""
import base64
import configparser
import datetime
import json
import re
import signal
import threading
import time
import urllib.parse

import rsa
from harness import HERE, NODE, VENV, WOCI, Home, Provider, holds, run, same, write
from oci_cloud import TENANCY, Api, Domain, claims_of, jwt
from terminal_window import Window

CLUSTER = "ocid1.cluster.oc1.iad.e2ecluster"


def journey(table):
    home = Home()
    provider = Provider(home)
    domain = Domain(provider.jwks_url)
    api = Api(domain)
    home.manager({"prod": provider.settings(home, domain, provider.confidential)})
    try:
        signs(table, home, domain, api)
        passthrough(table, home, domain, api)
        kubeconfig(table, home, domain)
    finally:
        provider.stop()
        home.remove()


def oci(home, *args, **options):
    return run([VENV / "oci", *args], env=home.env, cwd=home.path, **options)


def signs(table, home, domain, api):
    namespace = ("os", "ns", "get", "--endpoint", api.url)

    with table.proves("oci-cli signs a request with the profile that woci wrote, and warns of nothing"):
        home.woci("--profile", "prod", "session", "authenticate").expect(0)
        done = oci(home, "--profile", "prod", "--auth", "security_token", *namespace).expect(0)
        same((done.json["data"], done.err, len(api.signed_by)), ("e2e-namespace", "", 1))
        holds(api.signed_by[-1], "Oracle-PythonCLI/3.95.1")

    with table.proves("oci session validate --local agrees about the session's end"):
        done = oci(home, "session", "validate", "--local", "--profile", "prod").expect(0)
        ends = datetime.datetime.fromtimestamp(claims_of(domain.issued[-1])["exp"])
        holds(done.out + done.err, ends.strftime("%Y-%m-%d %H:%M:%S"))

    with table.proves("an expired session: oci says so, woci's run is a silent refresh"):
        token = home.session("prod") / "token"
        claims = claims_of(domain.issued[-1])
        write(token, jwt({**claims, "iat": claims["iat"] - 7200, "exp": claims["exp"] - 7200}))
        assert oci(home, "session", "validate", "--local", "--profile", "prod").code != 0, "oci takes an expired session"
        done = home.woci("--profile", "prod", *namespace).expect(0)
        same((done.json["data"], token.read_text()), ("e2e-namespace", domain.issued[-1]))
        oci(home, "session", "validate", "--local", "--profile", "prod").expect(0)

    with table.proves("the Python SDK signs a request, as its documentation says"):
        count = len(api.signed_by)
        done = run([VENV / "python", HERE / "peers/sdk.py", "prod", api.url], env=home.env, cwd=home.path).expect(0)
        same((done.out.strip(), len(api.signed_by), api.refused), ("e2e-namespace", count + 1, []))
        holds(api.signed_by[-1], "Oracle-PythonSDK")

    with table.proves("the TypeScript SDK (SessionAuthDetailProvider) signs a request"):
        count = len(api.signed_by)
        program = write(NODE / "sdk.mjs", (HERE / "peers/sdk.mjs").read_bytes())
        done = run(["node", program, home.oci / "config", "prod", api.url], env=home.env, cwd=NODE).expect(0)
        # Before it, the SDK says that there is no DEFAULT profile.
        same((last_line(done.out), len(api.signed_by), api.refused), ("e2e-namespace", count + 1, []))

    with table.proves("Terraform's needs as documented: its keys are there, an API key's are not, the key is plain PEM"):
        config = configparser.ConfigParser(interpolation=None)
        config.read(home.oci / "config")
        section = dict(config["prod"])
        same(sorted(section), ["fingerprint", "key_file", "region", "security_token_file", "tenancy"])
        same((section["tenancy"], section["region"]), (TENANCY, "us-ashburn-1"))
        check = "import sys, hashlib; from cryptography.hazmat.primitives import serialization as s; k = s.load_pem_private_key(open(sys.argv[1],'rb').read(), None); d = k.public_key().public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo); print(hashlib.md5(d).hexdigest())"
        done = run([VENV / "python", "-c", check, section["key_file"]]).expect(0)
        same(section["fingerprint"].replace(":", ""), done.out.strip(), "fingerprint")


def passthrough(table, home, domain, api):
    profile = ("--profile", "prod")
    namespace = ("os", "ns", "get", "--endpoint", api.url)

    with table.proves("passthrough: oci's output, exit codes 0, 1 and 2 are its own"):
        missing = ("os", "bucket", "get", "--bucket-name", "b", "--namespace-name", "n", "--endpoint", api.url)
        for args, code in [(namespace, 0), (missing, 1), (("os", "ns", "nonsense"), 2), (("os", "ns", "get", "--no-such"), 2)]:
            alone = oci(home, *profile, "--auth", "security_token", *args).expect(code)
            through = home.woci(*profile, *args).expect(code)
            for name in ("out", "err"):
                same(steady(getattr(through, name)), steady(getattr(alone, name)), f"{name} of {args}")
        same(api.refused, [], "what OCI refused")

    with table.proves("passthrough: oci's own words, --help and --version, need no session"):
        empty = Home()
        try:
            same(empty.woci("os", "ns", "get", "--help").expect(0).out, oci(empty, "os", "ns", "get", "--help").expect(0).out)
            assert not (empty.oci / "sessions").exists(), "a session folder"
            empty.woci("session", "validate", "--local", "--profile", "prod").expect(
                oci(empty, "session", "validate", "--local", "--profile", "prod").code
            )
        finally:
            empty.remove()

    with table.proves("passthrough: standard input reaches oci"):
        document = json.dumps({"bucketName": "from-stdin", "namespaceName": "n"})
        args = ("os", "bucket", "get", "--from-json", "file:///dev/stdin", "--endpoint", api.url)
        through = run([WOCI, *profile, *args], env=home.env, cwd=home.path, input=document).expect(1)
        holds(through.err, "NotAuthorizedOrNotFound")

    for extra in ((), ("--auto-refresh",)):
        words = " with --auto-refresh" if extra else ""
        with table.proves(f"passthrough{words}: Ctrl-C in a terminal ends oci as it ends oci alone"):
            seen = []
            for argv in ([VENV / "oci", *profile, "--auth", "security_token", *namespace], [WOCI, *profile, *extra, *namespace]):
                api.hold, api.waiting = threading.Event(), threading.Event()
                with Window(argv, home.env, home.path) as window:
                    assert api.waiting.wait(30), f"oci sent nothing: {window.text}"
                    window.type("\x03")
                    seen.append((window.exit(), last_line(window.text)))
                api.hold.set()
            api.hold = None
            same(seen[1], seen[0], "woci's exit code and last line, beside oci's own")

    with table.proves("passthrough: killed by SIGTERM it is 143, with --auto-refresh too"):
        for extra in ((), ("--auto-refresh",)):
            api.hold, api.waiting = threading.Event(), threading.Event()
            process = home.start(*profile, *extra, *namespace)
            assert api.waiting.wait(30), "oci sent nothing"
            process.send_signal(signal.SIGTERM)
            code = process.wait(20)
            api.hold.set()
            api.hold = None
            same(code if code >= 0 else 128 - code, 143, f"exit code {extra}")


def kubeconfig(table, home, domain):
    words = ("ce", "cluster", "generate-token", "--cluster-id", CLUSTER)
    alone = [VENV / "oci", "--profile", "prod", "--auth", "security_token", *words]

    with table.proves("a kubeconfig's `woci ce cluster generate-token` is oci's own token, byte for byte"):
        through = [WOCI, *words, "--profile", "prod", "--manager-config", home.oci / "woci_manager.ini"]
        mine, theirs = in_one_second(home, through, alone)
        same(steady(mine.out), steady(theirs.out), "the ExecCredential")
        same(mine.err, "", "stderr")

    with table.proves("`woci kube-credential` makes the same token without oci, byte for byte, and at once"):
        own = [WOCI, "kube-credential", "--cluster-id", CLUSTER, "--profile", "prod"]
        mine, theirs = in_one_second(home, own, alone)
        same(mine.json["status"]["token"], theirs.json["status"]["token"], "token")
        same([mine.json[key] for key in ("apiVersion", "kind")], [theirs.json[key] for key in ("apiVersion", "kind")])
        same(mine.err, "", "stderr")

    with table.proves("… signed with the key that the UPST is bound to"):
        url = urllib.parse.urlsplit(base64.urlsafe_b64decode(mine.json["status"]["token"]).decode())
        query = dict(urllib.parse.parse_qsl(url.query))
        fields = dict(re.findall(r'(\w+)="([^"]*)"', query["authorization"]))
        same(fields["keyId"], f"ST${domain.issued[-1]}")
        lines = f"date: {query['date']}\n(request-target): get {url.path}\nhost: {url.netloc}"
        key = rsa.from_jwk(json.loads(claims_of(domain.issued[-1])["jwk"]))
        rsa.verify(key, lines.encode(), base64.b64decode(fields["signature"]))


def in_one_second(home, first, second):
    """Two programs whose signatures bear the same date, since then the same bytes are due."""
    for _ in range(8):
        done = {}

        def go(argv):
            done[str(argv[0])] = run(argv, env=home.env, cwd=home.path)

        threads = [threading.Thread(target=go, args=(argv,)) for argv in (second, first)]
        time.sleep(1.05 - time.time() % 1)
        threads[0].start()
        if "kube-credential" in first:  # which is done long before oci has begun to sign
            threads[0].join()
        threads[1].start()
        for thread in threads:
            thread.join()
        pair = [done[str(argv[0])].expect(0) for argv in (first, second)]
        if len({date_of(credential.json) for credential in pair}) == 1:
            return pair
    raise AssertionError("no two signatures within one second in 8 tries")


def date_of(credential):
    url = urllib.parse.urlsplit(base64.urlsafe_b64decode(credential["status"]["token"]).decode())
    return dict(urllib.parse.parse_qsl(url.query))["date"]


def last_line(text):
    lines = [line.strip() for line in text.replace("^C", "").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def steady(text):
    """Without what differs between any two runs of oci."""
    return re.sub(r'"(opc-request-id|timestamp|expirationTimestamp)": "[^"]*"', r'"\1": …', text)
