"""The real oci-cli uses the profile that woci wrote, and woci runs the real oci."""
import configparser
import datetime
import json
import re
import signal
import threading

from harness import VENV, WOCI, Home, holds, run, same, version_of, write
from oci_cloud import TENANCY, Api, claims_of, jwt, prod_home
from terminal_window import Window


def journey(table):
    with prod_home() as (home, _, domain):
        api = Api(domain)
        signs(table, home, domain, api)
        passthrough(table, home, domain, api)


def oci(home, *args, **options):
    return run([VENV / "oci", *args], env=home.env, cwd=home.path, **options)


def signs(table, home, domain, api):
    namespace = ("os", "ns", "get", "--endpoint", api.url)

    with table.proves("oci-cli signs a request with the profile that woci wrote, without a warning"):
        home.woci("--profile", "prod", "session", "authenticate").expect(0)
        done = oci(home, "--profile", "prod", "--auth", "security_token", *namespace).expect(0)
        same((done.json["data"], done.err, len(api.signed_by)), ("e2e-namespace", "", 1))
        holds(api.signed_by[-1], f"Oracle-PythonCLI/{version_of('oci-cli')}")

    with table.proves("oci session validate --local prints the same end of the session, and does not warn about woci's key"):
        done = oci(home, "session", "validate", "--local", "--profile", "prod").expect(0)
        ends = datetime.datetime.fromtimestamp(claims_of(domain.issued[-1])["exp"])
        holds(done.out + done.err, ends.strftime("%Y-%m-%d %H:%M:%S"))
        assert "OCI_API_KEY" not in done.err, done.err

    with table.proves("if the session has expired, oci refuses it, and woci refreshes it silently"):
        token = home.session("prod") / "token"
        claims = claims_of(domain.issued[-1])
        write(token, jwt({**claims, "iat": claims["iat"] - 7200, "exp": claims["exp"] - 7200}))
        assert oci(home, "session", "validate", "--local", "--profile", "prod").code != 0, "oci takes an expired session"
        done = home.woci("--profile", "prod", *namespace).expect(0)
        same((done.json["data"], token.read_text()), ("e2e-namespace", domain.issued[-1]))
        oci(home, "session", "validate", "--local", "--profile", "prod").expect(0)

    with table.proves("with an OCI config that cannot be written, oci signs by the variables of `woci env` and in passthrough; a stale section is corrected"):
        config = home.oci / "config"
        good = config.read_bytes()
        # The first can be written, so that woci corrects the section; nobody can make a file in the folder of the second.
        stale = write(home.path / "stale", b"[prod]\nkey_file=/gone\nsecurity_token_file=/gone\nfingerprint=11:22\ntenancy=old\nregion=us-ashburn-1\n")
        for target in (stale, "/proc/self/no-such-config"):
            config.unlink()
            config.symlink_to(target)
            count = len(api.signed_by)
            line = 'eval "$("$0" --profile prod env)" && exec "$@"'
            by_env = run(["sh", "-c", line, WOCI, VENV / "oci", *namespace], env=home.env, cwd=home.path).expect(0)
            same(by_env.json["data"], "e2e-namespace")
            same(home.woci("--profile", "prod", *namespace).expect(0).json["data"], "e2e-namespace")
            same(len(api.signed_by), count + 2)
        config.unlink()
        write(config, good)

    with table.proves("the profile has what Terraform's documentation requires: its keys, none of an API key, and a plain PEM key"):
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

    with table.proves("passthrough: output and exit codes 0, 1 and 2 are those of oci"):
        missing = ("os", "bucket", "get", "--bucket-name", "b", "--namespace-name", "n", "--endpoint", api.url)
        for args, code in [(namespace, 0), (missing, 1), (("os", "ns", "nonsense"), 2), (("os", "ns", "get", "--no-such"), 2)]:
            alone = oci(home, *profile, "--auth", "security_token", *args).expect(code)
            through = home.woci(*profile, *args).expect(code)
            for name in ("out", "err"):
                same(steady(getattr(through, name)), steady(getattr(alone, name)), f"{name} of {args}")
        same(api.refused, [], "what OCI refused")

    with table.proves("passthrough: oci's help and session commands need no session"):
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
        with table.proves(f"passthrough{words}: Ctrl-C in a terminal ends oci as it does without woci"):
            seen = []
            for argv in ([VENV / "oci", *profile, "--auth", "security_token", *namespace], [WOCI, *profile, *extra, *namespace]):
                api.hold, api.waiting = threading.Event(), threading.Event()
                with Window(argv, home.env, home.path) as window:
                    assert api.waiting.wait(30), f"oci sent nothing: {window.text}"
                    window.type("\x03")
                    seen.append((window.exit(), last_line(window.text)))
                api.hold.set()
            api.hold = None
            same(seen[1], seen[0], "exit code and last line with woci, and without")

    with table.proves("passthrough: the exit code after SIGTERM is 143, also with --auto-refresh"):
        for extra in ((), ("--auto-refresh",)):
            api.hold, api.waiting = threading.Event(), threading.Event()
            process = home.start(*profile, *extra, *namespace)
            assert api.waiting.wait(30), "oci sent nothing"
            process.send_signal(signal.SIGTERM)
            code = process.wait(20)
            api.hold.set()
            api.hold = None
            same(code if code >= 0 else 128 - code, 143, f"exit code {extra}")


def last_line(text):
    lines = [line.strip() for line in text.replace("^C", "").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def steady(text):
    """The text without what differs in each run of oci."""
    return re.sub(r'"(opc-request-id|timestamp)": "[^"]*"', r'"\1": …', text)
