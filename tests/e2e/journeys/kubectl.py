"""The real kubectl asks woci for its token, in front of a cluster that checks it; oci's token is the same, byte for byte."""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import threading
import time

from harness import ROOT, VENV, WOCI, Home, Provider, Skip, holds, run, same, system_package, wait, write
from oci_cloud import CLUSTER, REGION, Cluster, Domain, claims_of, jwt

TOKEN = ("ce", "cluster", "generate-token", "--cluster-id", CLUSTER)
# As `oci ce cluster create-kubeconfig` names it: the last eleven characters of the OCID.
USER = f"user-{CLUSTER[-11:]}"
GROUP = "client.authentication.k8s.io"


def journey(table):
    home = Home()
    provider = Provider(home)
    domain = Domain(provider.jwks_url)
    home.manager({"prod": provider.settings(home, domain, provider.confidential)})
    try:
        home.woci("--profile", "prod", "session", "authenticate").expect(0)
        same_bytes(table, home)
        cluster = None
        with table.proves("there is a kubectl that knows exec v1 (1.22 or newer)"):
            need_kubectl(home)
            cluster = Cluster(domain, home.path)
        if cluster:
            kubeconfig(table, home, cluster)
            sessions(table, home, domain, cluster)
            passthrough(table, home, cluster)
            crowds(table, home, cluster)
    finally:
        provider.stop()
        home.remove()


def same_bytes(table, home):
    frozen = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 60))
    profile = ("--profile", "prod")
    oci = (VENV / "oci", *profile, "--auth", "security_token", *TOKEN)
    woci = ("kube-credential", "--cluster-id", CLUSTER, *profile)

    with table.proves("under a frozen clock the whole document is oci's: token byte for byte, and the end"):
        library = system_package("libfaketime", lambda: next(iter(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None))
        clock = {**home.env, "LD_PRELOAD": str(library), "FAKETIME": frozen, "TZ": "UTC"}
        theirs = run(oci, env=clock, cwd=home.path).expect(0).json
        mine = run((dynamic_woci(), *woci), env=clock, cwd=home.path).expect(0).json
        holds(url_of(theirs), time.strftime("%H%%3A%M%%3A%S", time.strptime(frozen, "%Y-%m-%d %H:%M:%S")))
        same(mine["status"]["token"], theirs["status"]["token"], "the token")
        theirs["status"]["expirationTimestamp"] = theirs["status"]["expirationTimestamp"].split(".")[0].rstrip("Z") + "Z"
        same(mine, theirs, "the ExecCredential")

    with table.proves("this very woci, asked all the while that oci runs: one of its tokens is oci's"):
        tokens = []
        done = threading.Event()

        def ask():
            while not done.is_set():
                tokens.append(home.woci(*woci).expect(0).json["status"]["token"])
                done.wait(0.2)

        asking = threading.Thread(target=ask)
        asking.start()
        theirs = run(oci, env=home.env, cwd=home.path).expect(0).json["status"]["token"]
        done.set()
        asking.join()
        assert theirs in tokens, f"none of {len(tokens)} tokens is oci's"

    with table.proves("`woci ce cluster generate-token`, the documented way, is oci's answer too"):
        words = (*TOKEN, *profile, "--manager-config", home.oci / "woci_manager.ini")
        through = home.woci(*words).expect(0)
        same((through.err, through.json["apiVersion"], through.json["kind"]), ("", f"{GROUP}/v1beta1", "ExecCredential"))
        mine = home.woci(*woci).expect(0).json
        same(url_of(through.json).split("?")[0], url_of(mine).split("?")[0])


def dynamic_woci():
    """libfaketime cannot reach a static program: this one is of the same sources, with the C library beside it."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    if not shutil.which("cargo"):
        raise Skip("no cargo here to build a woci that libfaketime reaches")
    subprocess.run(["cargo", "build", "--quiet", "--locked", "--bin", "woci"], cwd=ROOT, check=True, timeout=600)
    return target / "debug/woci"


def url_of(credential):
    return base64.urlsafe_b64decode(credential["status"]["token"]).decode()


def need_kubectl(home):
    system_package("kubernetes-client", lambda: shutil.which("kubectl", path=home.env["PATH"]))
    version = kubectl(home, "version", "--client", "-o", "json").expect(0).json["clientVersion"]
    number = int("".join(filter(str.isdigit, version["minor"])))
    if number < 22:
        raise Skip(f"kubectl 1.{number} knows no {GROUP}/v1")


def kubectl(home, *args, **options):
    return run(["kubectl", *args], **{"env": home.env, "cwd": home.path, **options})


def kubeconfig(table, home, cluster):
    path = home.path / ".kube/config"

    with table.proves("`woci kubeconfig --write` changes that user's exec in a kubeconfig of oci's making, and nothing else"):
        write(path, cluster.kubeconfig(USER, "oci", [*TOKEN, "--region", REGION]))
        before = view(home)
        done = home.woci("kubeconfig", "--write", "--cluster-id", CLUSTER, "--profile", "prod").expect(0, "kubectl asks woci")
        holds(done.out, USER)
        after = view(home)
        (user,) = [entry["user"] for entry in after["users"] if entry["name"] == USER]
        exec_ = user.pop("exec")
        expected = ["kube-credential", "--cluster-id", CLUSTER, "--profile", "prod"]
        same((exec_["command"], exec_["args"]), (str(WOCI), expected))
        same((exec_["apiVersion"], exec_["interactiveMode"]), (f"{GROUP}/v1", "IfAvailable"))
        for entry in before["users"]:
            if entry["name"] == USER:
                del entry["user"]["exec"]
        same(after, before, "the rest of the kubeconfig")

    with table.proves("what `woci kubeconfig` prints is the same entry, for kubectl's own eyes too"):
        text = home.woci("kubeconfig", "--cluster-id", CLUSTER, "--profile", "prod").expect(0).out
        printed = view(home, "--kubeconfig", write(home.path / "printed.yaml", text))["users"]
        holds(printed[0]["user"]["exec"].pop("installHint"), "woci")
        written = [entry for entry in view(home)["users"] if entry["name"] == USER]
        for entry in (*written, *printed):
            assert not entry["user"]["exec"].pop("env"), "variables out of nowhere"
        same(printed, written)


def view(home, *args):
    return kubectl(home, *args, "config", "view", "--raw", "-o", "json").expect(0).json


def sessions(table, home, domain, cluster):
    session = home.session("prod")

    def get_namespaces():
        done = kubectl(home, "get", "ns", "-o", "name").expect(0)
        same((done.out, cluster.refused), ("namespace/e2e\n", []))
        return done

    for version in ("v1", "v1beta1"):
        issued, tabs = len(domain.issued), len(home.visits())
        with table.proves(f"exec {version}, a valid session: kubectl gets its answer and nothing of woci's on stderr"):
            kubectl(home, "config", "set-credentials", USER, f"--exec-api-version={GROUP}/{version}").expect(0)
            same(get_namespaces().err, "")
            same((len(domain.issued), len(home.visits())), (issued, tabs), "UPSTs and tabs")

        with table.proves(f"exec {version}, an expired session: renewed in silence"):
            claims = claims_of(domain.issued[-1])
            write(session / "token", jwt({**claims, "iat": claims["iat"] - 7200, "exp": claims["exp"] - 7200}))
            get_namespaces()
            same((len(domain.issued), len(home.visits())), (issued + 1, tabs), "UPSTs and tabs")

        with table.proves(f"exec {version}, no session: one tab, then the answer"):
            shutil.rmtree(session)
            holds(get_namespaces().err, "Auth URL: ")
            same(len(home.visited(tabs + 1)), tabs + 1, "tabs")
            same(cluster.upst, (session / "token").read_text(), "whose token the cluster saw")
            home.clean("prod")


def passthrough(table, home, cluster):
    with table.proves("the documented way: a kubeconfig that runs `woci ce cluster generate-token` with the real oci"):
        args = [*TOKEN, "--profile", "prod", "--manager-config", str(home.oci / "woci_manager.ini")]
        path = write(home.path / "documented.yaml", cluster.kubeconfig(USER, str(WOCI), args))
        before = len(cluster.let_in)
        done = kubectl(home, "--kubeconfig", path, "get", "ns", "-o", "name").expect(0)
        same((done.out, done.err, cluster.refused), ("namespace/e2e\n", "", []))
        assert len(cluster.let_in) > before, "the cluster was not asked"


def crowds(table, home, cluster):
    def all_at_once(count, env):
        runs = [None] * count

        def one(number):
            runs[number] = kubectl(home, "get", "ns", "-o", "name", env=env)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return runs

    with table.proves("20 kubectl at once without a session: one tab, 20 answers"):
        tabs = len(home.visits())
        shutil.rmtree(home.session("prod"))
        for done in all_at_once(20, home.env):
            same(done.expect(0).out, "namespace/e2e\n")
        same((len(home.visited(tabs + 1)), cluster.refused), (tabs + 1, []), "tabs and refusals")

    with table.proves("a sign-in that was denied: 20 kubectl at once in the background open no tab, and say what to run"):
        shutil.rmtree(home.session("prod"))
        denies = {**home.env, "WOCI_E2E_PERSON": "deny"}
        kubectl(home, "get", "ns", env=denies).expect(1, "access_denied")
        same(len(home.visited(tabs + 2)), tabs + 2, "tabs")
        for done in all_at_once(20, home.env):
            lines = {line for line in done.expect(1).err.splitlines() if line.startswith("woci: ")}
            same(len(lines), 1, "woci's lines")
            holds(lines.pop(), "denied", "woci session authenticate --profile prod")
        same(len(home.visits()), tabs + 2, "tabs")

    with table.proves("… and `woci session authenticate` cures it"):
        home.woci("session", "authenticate", "--profile", "prod").expect(0)
        same(kubectl(home, "get", "ns", "-o", "name").expect(0).err, "")
        wait(lambda: len(home.visits()) == tabs + 3, "the third tab")
