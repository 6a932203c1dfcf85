"""Installs the programs that the journeys run: in the versions of the lists in peers/, or in the newest ones."""
import concurrent.futures
import functools
import glob
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import glewlwyd
from harness import HERE, NEWEST, NODE, PEERS, Skip, apt_install, system_package, version_of

LISTS = HERE / "peers"
# Where a newer Python may be that is not on PATH: pyenv, and the machines of GitHub.
PYTHONS = (f"{os.environ.get('PYENV_ROOT') or pathlib.Path.home() / '.pyenv'}/versions/3.*/bin/python3", "/opt/hostedtoolcache/Python/3.*/*/bin/python3")


def install(journeys):
    """Installs what these journeys need, each kind of peer once: a stamp file holds the list that was installed."""
    for program, package in (("node", "nodejs"), ("npm", "npm"), ("openssl", "openssl")):
        need(lambda: shutil.which(program), program, package)
    need(lambda: importlib.util.find_spec("ensurepip"), "python's venv", "python3-venv")
    if NEWEST:
        shutil.rmtree(PEERS, ignore_errors=True)
        if shutil.which("chromium"):
            apt_install("--only-upgrade", "chromium", "chromium-driver")
    NODE.mkdir(parents=True, exist_ok=True)
    parts = [python, node, unpack_glewlwyd]
    if "readers" in journeys and newer_python():
        parts.append(newer)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for part in [pool.submit(part) for part in parts]:
            part.result()


def python():
    virtual_environment("venv", sys.executable, "requirements")


def newer():
    """Installs what needs a newer Python, and returns the folder of its programs."""
    if not (interpreter := newer_python()):
        raise Skip("Python 3.13 is not installed")
    return virtual_environment("venv-3.13", interpreter, "requirements-3.13")


@functools.cache
def newer_python():
    for found in (sys.executable, *map(shutil.which, ("python3.13", "python3.14")), *sorted(sum(map(glob.glob, PYTHONS), []))):
        test = "import sys; sys.exit(sys.version_info < (3, 13))"
        if found and subprocess.run([found, "-c", test], capture_output=True).returncode == 0:
            return found
    return None


def virtual_environment(folder, interpreter, name):
    """Installs the list NAME.txt, in which each package has its hashes, or the newest versions of those in NAME.in."""
    venv = PEERS / folder
    what = ["--require-hashes", "--requirement", LISTS / f"{name}.txt"]
    if NEWEST:
        what = [package for package, _ in listed(name)]
    # Python compiles a module at its first import. Compiling all of them takes longer than unpacking them.
    pip = [venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--only-binary", ":all:"]
    stamped(folder, [LISTS / f"{name}.txt"], [[interpreter, "-m", "venv", venv], [*pip, *what]])
    return venv / "bin"


def node():
    for file in ("package.json", "package-lock.json"):
        shutil.copy(LISTS / file, NODE)
    quiet = ["--prefix", NODE, "--ignore-scripts", "--no-audit", "--no-fund"]
    command = ["npm", "ci", *quiet]
    if NEWEST:
        wanted = json.loads((LISTS / "package.json").read_text())["dependencies"]
        command = ["npm", "install", *quiet, *(f"{name}@latest" for name in wanted)]
    stamped("node", [LISTS / "package-lock.json"], [command])


def versions():
    """Yields the name of each program in the lists, the version there, and the installed one."""
    for name, folder in (("requirements", "venv"), ("requirements-3.13", "venv-3.13")):
        for package, pinned in listed(name):
            if (PEERS / folder).exists():
                yield package, pinned, version_of(package, PEERS / folder / "bin")
    for package, pinned in json.loads((LISTS / "package.json").read_text())["dependencies"].items():
        yield package, pinned, npm_version(package)
    if shutil.which("chromium"):
        found = subprocess.run(["chromium", "--version"], capture_output=True, text=True).stdout.split()[1]
        yield "chromium", found, found  # whatever Debian has


def listed(name):
    lines = (LISTS / f"{name}.in").read_text().splitlines()
    return [line.split("==") for line in lines if line and not line.startswith("#")]


def npm_version(package):
    return json.loads((NODE / "node_modules" / package / "package.json").read_text())["version"]


def unpack_glewlwyd():
    """Unpacks glewlwyd with the packages it needs. Installing it would start its system service. If the packages are
    not available, the journey skips its part and says so."""
    if glewlwyd.runs() or not shutil.which("apt-get"):
        return
    began = time.monotonic()
    print("unpacking peers: glewlwyd …", flush=True)
    quiet = {"capture_output": True, "text": True}
    if os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
    # The smallest package of the databases that glewlwyd can use.
    wanted = ["--no-install-recommends", "glewlwyd", "dbconfig-sqlite3"]
    plan = subprocess.run(["apt-get", "install", "--simulate", "--reinstall", *wanted], **quiet).stdout
    packages = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    with tempfile.TemporaryDirectory(dir=PEERS) as folder:
        folder = pathlib.Path(folder)
        subprocess.run(["apt-get", "download", *packages], cwd=folder, **quiet)
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, folder / "root"], **quiet)
        if glewlwyd.runs(folder / "root"):
            shutil.rmtree(glewlwyd.UNPACKED, ignore_errors=True)
            (folder / "root").rename(glewlwyd.UNPACKED)
    how = f"unpacked peers: glewlwyd, in {time.monotonic() - began:.0f} s" if glewlwyd.runs() else "glewlwyd cannot be unpacked on this machine"
    print(how, flush=True)


def need(is_there, what, package):
    """Ends the run if this is missing and its package cannot be installed."""
    try:
        system_package(package, is_there)
    except Skip:
        sys.exit(f"{what} is missing; install {package}")


def stamped(name, lists, commands):
    wanted = b"".join(file.read_bytes() for file in lists)
    stamp = PEERS / f"{name}.installed"
    if stamp.exists() and stamp.read_bytes() == wanted:
        return
    began = time.monotonic()
    print(f"installing peers: {name} …", flush=True)
    for command in commands:
        # Tried twice, since a registry may fail for a moment.
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    stamp.write_bytes(wanted)
    print(f"installed peers: {name}, in {time.monotonic() - began:.0f} s", flush=True)
