"""Programs with an OCI SDK run under `woci exec`, and sign with the token that is renewed while they run."""
import subprocess
import time
import urllib.request

from harness import HERE, VENV, WOCI, free_port, holds, same, wait, write
from oci_cloud import REGION, Api, claims_of, jwt, prod_home
from terminal_window import Window

WINDOW = 600  # the refresh is due so many seconds before the token's end


def journey(table):
    with prod_home() as (home, _, domain):
        api = Api(domain)
        home.woci("--profile", "prod", "session", "authenticate").expect(0)
        runs(table, home, domain, api)
        renews(table, home, domain, api)


def replace(home, domain, seconds_left):
    """Puts a token of the same session that ends earlier."""
    claims = claims_of(domain.issued[-1])
    shift = claims["exp"] - int(time.time()) - seconds_left
    domain.issued.append(jwt({**claims, "iat": claims["iat"] - shift, "exp": claims["exp"] - shift}))
    write(home.session("prod") / "token", domain.issued[-1])
    return domain.issued[-1]


def runs(table, home, domain, api):
    sdk = (VENV / "python", HERE / "peers/sdk_again.py", api.url)

    with table.proves("the Python SDK signs with the variables that `woci exec` sets; the exit code is the program's"):
        home.woci("--profile", "prod", "exec", *sdk).expect(7)
        same((api.tokens, api.refused), ([domain.issued[-1]], []))

    with table.proves("an expired session is renewed before the program starts"):
        old = replace(home, domain, -60)
        done = home.woci("exec", "--profile", "prod", "--", *sdk).expect(7)
        same((done.out, api.tokens[-1], api.refused), ("e2e-namespace\n", domain.issued[-1], []))
        assert old != domain.issued[-1], "nothing was renewed"

    with table.proves("what follows the program's name is the program's, options of woci's too"):
        words = ("-c", "import sys; print(sys.argv[1:])", "--profile", "y", "--auto-refresh", "--", "--help")
        done = home.woci("--profile", "prod", "exec", VENV / "python", *words).expect(0)
        same(done.out.strip(), str(list(words[2:])))

    for extra in ((), ("--auto-refresh",)):
        with table.proves(f"Ctrl-C in a terminal ends a program under `{' '.join(('woci exec', *extra))}` as without it"):
            program = (VENV / "python", "-c", "import time; print('begun', flush=True); time.sleep(600)")
            seen = []
            for argv in (program, (WOCI, "--profile", "prod", "exec", *extra, *program)):
                with Window(argv, home.env, home.path) as window:
                    window.until("begun")
                    window.type("\x03")
                    seen.append((window.exit(), [line for line in window.text.splitlines() if line.strip()][-1].strip()))
            same(seen[1], seen[0], "exit code and last line with woci, and without")


def renews(table, home, domain, api):
    argv = (WOCI, "--profile", "prod", "exec", "--auto-refresh")

    def renewed(begins, asks):
        """Waits until the program has signed with a token that woci renewed meanwhile. The thread beside the program looks
        at the session each half minute."""
        begins()
        wait(lambda: api.tokens and api.tokens[-1] == domain.issued[-1], "a request with the first token", 60)
        old = replace(home, domain, WINDOW - 1)
        wait(lambda: domain.issued[-1] != old, "a renewal", 60)
        wait(lambda: asks() or api.tokens[-1] == domain.issued[-1], "a request with the new token", 20)
        same(api.refused, [])

    with table.proves("under `woci exec --auto-refresh`, the Python SDK reads the renewed token and signs with it"):
        replace(home, domain, 3000)
        program = (VENV / "python", HERE / "peers/sdk_again.py", api.url)
        process = subprocess.Popen([*argv, *program], env=home.env, cwd=home.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            renewed(lambda: None, lambda: None)
        finally:
            out, _ = process.communicate(timeout=30)
        same(process.returncode, 7, "the exit code")
        assert set(out.decode().split()) == {"e2e-namespace"} and out.count(b"\n") >= 2, out

    with table.proves("under `woci exec --auto-refresh`, rclone (the Go SDK) signs with the renewed token"):
        replace(home, domain, 3000)
        port = free_port()
        place = f":oracleobjectstorage,provider=user_principal_auth,config_profile=prod,namespace=e2e-namespace,region={REGION},endpoint='{api.url}':e2e-bucket"
        program = (VENV / "rclone", "serve", "http", "--addr", f"127.0.0.1:{port}", "--dir-cache-time", "0s", place)
        process = subprocess.Popen([*argv, *program], env=home.env, cwd=home.path, stderr=subprocess.PIPE)

        def asks():
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            try:
                with opener.open(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                    holds(answer.read().decode(), "hello.txt")
            except OSError:
                assert process.poll() is None, process.stderr.read().decode()

        try:
            renewed(lambda: wait(lambda: asks() or (api.tokens and api.tokens[-1] == domain.issued[-1]), "rclone", 60), asks)
            holds(api.signed_by[-1], "rclone/")
        finally:
            process.terminate()
            process.wait(30)
