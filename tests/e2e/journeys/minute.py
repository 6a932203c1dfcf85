"""The first minute: a person who has the OCI CLI installs woci's wheel, signs in at Oracle's page, and runs oci."""
import contextlib
import html
import os
import platform
import re
import shutil
import sys
import time

from chromium import need_chromium
from console import Oracle, Person
from fragment_browser import open_page
from harness import ROOT, WOCI, Skip, run, same
from network import own_network
from oci_cloud import serve
from terminal_window import Window

REGION, KEY = "eu-frankfurt-1", "FRA"
COMMANDS = ["pip install woci-*.whl", f"woci session authenticate --region {REGION}", "woci iam region list"]
LIMIT = 20  # seconds; the goal; the measured time is printed, and nothing fails by it


def journey(table):
    chromium = False
    with table.proves("Chromium and its driver are installed"):
        need_chromium()
        chromium = True
    if not chromium:
        return
    if not own_network(lambda: rows(table)):
        # The names are Oracle's own: only without a network is it certain that Oracle is not asked.
        table.row("the first minute", "skipped", "a network of its own needs root")


def rows(table):
    with contextlib.ExitStack() as stack:
        home = None
        with table.proves("the wheel, a home and a venv that are new, the OCI CLI on PATH, and Oracle's names for its stand-in"):
            if sys.platform != "linux":
                raise Skip("the wheel is for Linux")
            oracle = Oracle(REGION, "oraclecloud.com", front=login_page)
            stack.callback(oracle.stop)
            oracle.api.regions = [{"key": KEY, "name": REGION}]
            home = stack.enter_context(new_home(oracle))
            assert shutil.which("oci", path=home.env["PATH"]), "oci is not on PATH"
        if home:
            minute(table, oracle, home)


def login_page(port):
    """Oracle's page in front of the login service: the person is asked, and one click signs in."""

    def handle(request, _body):
        assert request.path.startswith("/v1/oauth2/authorize?"), request.path
        if request.command == "POST":
            answer = open_page(f"http://127.0.0.1:{port}{request.path}")
            return answer.status, {"Location": answer.headers.get("Location", ""), "Content-Type": "text/html"}, answer.read()
        action = html.escape(request.path)
        return 200, {"Content-Type": "text/html"}, f'<!doctype html><form method="post" action="{action}"><button>Sign in</button></form>'

    return serve(handle)


@contextlib.contextmanager
def new_home(oracle):
    """A home with a wheel and an active venv in it, and nothing of OCI but the program `oci`."""
    with oracle.home() as home:
        home.oci.rmdir()
        venv = home.path / "venv"
        run([sys.executable, "-m", "venv", venv]).expect(0)
        # What `. venv/bin/activate` sets. No network: pip asks no index.
        home.env |= {"VIRTUAL_ENV": str(venv), "PATH": f"{venv / 'bin'}:{home.env['PATH']}", "PIP_NO_INDEX": "1"}
        del home.env["OCI_REGION_METADATA"]  # the region is a real one
        make_wheel(home.path)
        yield home


def make_wheel(folder):
    """Puts the wheel into the folder, as .ci/pack makes it. It holds woci's licence only."""
    unpacked = folder / "unpacked"
    (unpacked / "licenses").mkdir(parents=True)
    shutil.copy(WOCI, unpacked / "woci")
    shutil.copy(ROOT / "LICENSE", unpacked)
    run([ROOT / ".ci/texts", WOCI, unpacked / "share"]).expect(0)
    version = run([WOCI, "--version"]).expect(0).out.split()[1]
    target = f"{platform.machine()}-unknown-linux-musl"
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    run([ROOT / ".ci/wheel", unpacked, version, target, folder], env=env, cwd=ROOT).expect(0)
    shutil.rmtree(unpacked)


def minute(table, oracle, home):
    seen = []

    with table.proves("three commands, nothing edited: pip installs woci, a click signs in, and the real oci lists the regions"):
        began = time.monotonic()
        install, sign_in, use = COMMANDS
        seen.append(typed(home, install))
        with Person(home, oracle) as browser:
            home.env["BROWSER"] = browser.command
            seen.append(typed(home, sign_in, lambda: click(browser)))
            seen.append(typed(home, use))
            took = time.monotonic() - began
            browser.shows("You are signed in")
        same(shutil.which("woci", path=home.env["PATH"]), str(home.path / "venv/bin/woci"), "woci on PATH")
        same((len(oracle.api.signed_by), oracle.api.refused, oracle.sim.seen()["refusals"]), (1, [], []))
        home.clean()

    for line in [line for transcript in seen for line in transcript]:
        print(f"         | {line if len(line) < 110 else line[:100] + '…'}")

    if len(seen) == len(COMMANDS):
        what = f"machine time of the three commands, Chromium and pip included: {took:.1f} s; the goal is {LIMIT} s"
        table.row(what, "passed")

    with table.proves("README.md opens with these commands and what they say"):
        assert len(seen) == len(COMMANDS), "nothing was seen"
        compare(opening((ROOT / "README.md").read_text()), [line for transcript in seen for line in transcript])


def typed(home, command, meanwhile=lambda: None):
    """What a person sees in a terminal: the command behind the prompt, and all that it says."""
    with Window(["/bin/bash", "-c", command], home.env, home.path, columns=120) as window:
        meanwhile()
        code = window.exit(60)
    assert code == 0, f"{command}: exit {code}: {window.text}"
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", window.text)
    return [f"$ {command}", *(line.split("\r")[-1].rstrip() for line in text.replace("\r\n", "\n").splitlines())]


def click(browser):
    browser.attach()
    browser.click("button")


def opening(readme):
    """The lines of the first block of README.md."""
    mark, _, rest = readme.partition("```")[2].partition("\n")
    same(mark, "console", "the mark of the first block")
    return rest.split("\n```")[0].split("\n")


def compare(written, seen):
    """Fails unless both are the same. In README.md, an … alone in a line stands for lines that are left out, another one
    for a part of its line, and a remark may stand behind a command."""
    written = [re.sub(r" +# .*", "", line) if line.startswith("$ ") else line for line in written]
    same([line for line in written if line.startswith("$ ")], [f"$ {command}" for command in COMMANDS], "the commands")
    patterns = [LEFT_OUT if line == "…" else re.escape(steady(line)).replace("…", ".*") + "\n" for line in written]
    seen = [steady(line) + "\n" for line in seen]
    strange = [line for line, pattern in zip(written, patterns) if pattern != LEFT_OUT and not any(re.fullmatch(pattern, line) for line in seen)]
    assert not strange, f"README.md has what was not seen: {strange}"
    assert re.fullmatch("".join(patterns), "".join(seen)), f"README.md leaves out lines without an …, or has them in another order: {seen}"


# No command is among the lines that are left out.
LEFT_OUT = r"(?:(?!\$ ).*\n)+"


def steady(line):
    """The line without what differs each time."""
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", line)
