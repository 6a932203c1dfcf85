"""The real kubectl gets its token from woci, and a cluster checks it; the token equals that of oci, byte for byte."""
import base64
import os
import pathlib
import shutil
import subprocess
import threading
import time

from harness import ROOT, VENV, WOCI, Skip, holds, run, same, system_package, wait, write
from oci_cloud import CLUSTER, REGION, Cluster, claims_of, jwt, prod_home

TOKEN = ("ce", "cluster", "generate-token", "--cluster-id", CLUSTER)
# As `oci ce cluster create-kubeconfig` names it: the last eleven characters of the OCID.
USER = f"user-{CLUSTER[-11:]}"
GROUP = "client.authentication.k8s.io"


def journey(table):
    with prod_home() as (home, _, domain):
        home.woci("--profile", "prod", "session", "authenticate").expect(0)
        same_bytes(table, home)
        cluster = None
        with table.proves("kubectl 1.22 or newer is there, which knows exec v1"):
            need_kubectl(home)
            cluster = Cluster(domain, home.path)
        if cluster:
            kubeconfig(table, home, cluster)
            sessions(table, home, domain, cluster)
            passthrough(table, home, cluster)
            crowds(table, home, cluster)


def same_bytes(table, home):
    frozen = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 60))
    profile = ("--profile", "prod")
    oci = (VENV / "oci", *profile, "--auth", "security_token", *TOKEN)
    woci = ("kube-credential", "--cluster-id", CLUSTER, *profile)

    with table.proves("with the clock frozen, woci prints the same document as oci: token and expiration"):
        library = system_package("libfaketime", lambda: next(iter(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None))
        clock = {**home.env, "LD_PRELOAD": str(library), "FAKETIME": frozen, "TZ": "UTC"}
        theirs = run(oci, env=clock, cwd=home.path).expect(0).json
        mine = run((dynamic_woci(), *woci), env=clock, cwd=home.path).expect(0).json
        holds(url_of(theirs), time.strftime("%H%%3A%M%%3A%S", time.strptime(frozen, "%Y-%m-%d %H:%M:%S")))
        same(mine["status"]["token"], theirs["status"]["token"], "the token")
        theirs["status"]["expirationTimestamp"] = theirs["status"]["expirationTimestamp"].split(".")[0].rstrip("Z") + "Z"
        same(mine, theirs, "the ExecCredential")

    with table.proves("the tested woci, run repeatedly while oci runs: one of its tokens equals that of oci"):
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

    with table.proves("`woci ce cluster generate-token` prints the answer of oci"):
        words = (*TOKEN, *profile, "--manager-config", home.oci / "woci_manager.ini")
        through = home.woci(*words).expect(0)
        same((through.err, through.json["apiVersion"], through.json["kind"]), ("", f"{GROUP}/v1beta1", "ExecCredential"))
        mine = home.woci(*woci).expect(0).json
        same(url_of(through.json).split("?")[0], url_of(mine).split("?")[0])


def dynamic_woci():
    """A woci of the same sources that is not static, since libfaketime does not work with static programs."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    if not shutil.which("cargo"):
        raise Skip("cargo is not installed, to build a woci that libfaketime works with")
    subprocess.run(["cargo", "build", "--quiet", "--locked", "--bin", "woci"], cwd=ROOT, check=True, timeout=600)
    return target / "debug/woci"


def url_of(credential):
    return base64.urlsafe_b64decode(credential["status"]["token"]).decode()


def need_kubectl(home):
    version = kubectl(home, "version", "--client", "-o", "json").expect(0).json["clientVersion"]
    number = int("".join(filter(str.isdigit, version["minor"])))
    if number < 22:
        raise Skip(f"kubectl 1.{number} does not know {GROUP}/v1")


def kubectl(home, *args, **options):
    return run(["kubectl", *args], **{"env": home.env, "cwd": home.path, **options})


def kubeconfig(table, home, cluster):
    path = home.path / ".kube/config"

    with table.proves("`woci kubeconfig --write` changes the exec entry of the user in a kubeconfig made by oci, and nothing else"):
        write(path, cluster.kubeconfig(USER, "oci", [*TOKEN, "--region", REGION]))
        before = view(home)
        done = home.woci("kubeconfig", "--write", "--cluster-id", CLUSTER, "--profile", "prod").expect(0, "kubectl asks woci")
        holds(done.out, USER)
        after = view(home)
        (user,) = [entry["user"] for entry in after["users"] if entry["name"] == USER]
        exec_ = user.pop("exec")
        expected = ["kube-credential", "--cluster-id", CLUSTER, "--profile", "prod", "--region", REGION]
        same((exec_["command"], exec_["args"]), (str(WOCI), expected))
        same((exec_["apiVersion"], exec_["interactiveMode"]), (f"{GROUP}/v1", "IfAvailable"))
        for entry in before["users"]:
            if entry["name"] == USER:
                del entry["user"]["exec"]
        same(after, before, "the rest of the kubeconfig")

    with table.proves("`woci kubeconfig` prints the same entry, as kubectl reads it"):
        text = home.woci("kubeconfig", "--cluster-id", CLUSTER, "--profile", "prod", "--region", REGION).expect(0).out
        printed = view(home, "--kubeconfig", write(home.path / "printed.yaml", text))["users"]
        holds(printed[0]["user"]["exec"].pop("installHint"), "woci")
        written = [entry for entry in view(home)["users"] if entry["name"] == USER]
        for entry in (*written, *printed):
            assert not entry["user"]["exec"].pop("env"), "variables that nobody set"
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
        with table.proves(f"exec {version}, a valid session: kubectl works, and woci prints nothing to stderr"):
            kubectl(home, "config", "set-credentials", USER, f"--exec-api-version={GROUP}/{version}").expect(0)
            same(get_namespaces().err, "")
            same((len(domain.issued), len(home.visits())), (issued, tabs), "UPSTs and tabs")

        with table.proves(f"exec {version}, an expired session: it is renewed silently"):
            claims = claims_of(domain.issued[-1])
            write(session / "token", jwt({**claims, "iat": claims["iat"] - 7200, "exp": claims["exp"] - 7200}))
            get_namespaces()
            same((len(domain.issued), len(home.visits())), (issued + 1, tabs), "UPSTs and tabs")

        with table.proves(f"exec {version}, no session: one browser tab, then kubectl works"):
            shutil.rmtree(session)
            holds(get_namespaces().err, "Auth URL: ")
            same(len(home.visited(tabs + 1)), tabs + 1, "tabs")
            same(cluster.upst, (session / "token").read_text(), "the UPST that the cluster saw")
            home.clean("prod")


def passthrough(table, home, cluster):
    with table.proves("a kubeconfig that runs `woci ce cluster generate-token` works with the real oci"):
        args = [*TOKEN, "--profile", "prod", "--manager-config", str(home.oci / "woci_manager.ini")]
        path = write(home.path / "documented.yaml", cluster.kubeconfig(USER, str(WOCI), args))
        before = len(cluster.accepted)
        done = kubectl(home, "--kubeconfig", path, "get", "ns", "-o", "name").expect(0)
        same((done.out, done.err, cluster.refused), ("namespace/e2e\n", "", []))
        assert len(cluster.accepted) > before, "the cluster was not asked"


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

    with table.proves("20 kubectl at once without a session: one browser tab, and all 20 work"):
        tabs = len(home.visits())
        shutil.rmtree(home.session("prod"))
        for done in all_at_once(20, home.env):
            same(done.expect(0).out, "namespace/e2e\n")
        same((len(home.visited(tabs + 1)), cluster.refused), (tabs + 1, []), "tabs and refusals")

    with table.proves("after a denied sign-in, 20 kubectl at once in the background open no tab, and name the command to run"):
        shutil.rmtree(home.session("prod"))
        denies = {**home.env, "WOCI_E2E_PERSON": "deny"}
        kubectl(home, "get", "ns", env=denies).expect(1, "access_denied")
        same(len(home.visited(tabs + 2)), tabs + 2, "tabs")
        for done in all_at_once(20, home.env):
            lines = {line for line in done.expect(1).err.splitlines() if line.startswith("woci: ")}
            same(len(lines), 1, "woci's lines")
            holds(lines.pop(), "denied", "woci session authenticate --profile prod")
        same(len(home.visits()), tabs + 2, "tabs")

    with table.proves("… and after `woci session authenticate`, kubectl works again"):
        home.woci("session", "authenticate", "--profile", "prod").expect(0)
        same(kubectl(home, "get", "ns", "-o", "name").expect(0).err, "")
        wait(lambda: len(home.visits()) == tabs + 3, "the third tab")
