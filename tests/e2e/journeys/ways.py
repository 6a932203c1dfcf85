"""Two OpenID providers: a person who has no browser on the machine of woci pastes the last address, or types a code."""
import re
import urllib.parse

from browser import visit
from glewlwyd import Glewlwyd
from harness import WOCI, Home, Provider, Skip, holds, same
from oci_cloud import USER, Domain
from terminal_window import Window

# What an SSH session has: no browser, no display.
REMOTE = {"SSH_CONNECTION": "192.0.2.7 50000 192.0.2.9 22", "USER": "ada"}


def journey(table):
    for make in (Provider, Glewlwyd):
        for kind in ("confidential", "public"):
            home, provider = Home(), None
            del home.env["BROWSER"]
            try:
                provider = make(home)
                domain = Domain(provider.jwks_url)
                settings = provider.settings(home, domain, getattr(provider, kind))
                home.manager({"DEFAULT": settings, "device": {**settings, "device_url": provider.device_url}})
                paste(table, f"{make.name}, {kind}", home, domain)
                domain.audience = provider.device_audience
                device(table, f"{make.name}, {kind}", home, provider)
            except Skip as skip:
                table.row(f"{make.name}, {kind} client: paste and device", "skipped", str(skip))
            finally:
                if provider:
                    provider.stop()
                home.remove()


def remote(home, *args, **env):
    return Window([WOCI, *args], {**home.env, **REMOTE, **env}, home.path, columns=100)


def signed_in(window, profile):
    same(window.exit(), 0, f"exit code; seen: {window.text[-2000:]}")
    holds(window.text, USER, profile)
    assert window.echo(), "the terminal does not show typing"


def last_address(window):
    """Signs in on the provider's pages with a browser that cannot reach woci's port, and returns where it ends."""
    window.until("paste it here")
    url = re.search(r"Auth URL: (\S+)", window.text)[1]
    redirect = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))["redirect_uri"]
    return visit(url, "allow", unreachable=redirect)[-1]["url"]


def paste(table, kind, home, domain):
    with table.proves(f"{kind} client: in an SSH session without a browser, the address that does not load is pasted; a wrong one costs nothing"):
        with remote(home, "session", "authenticate") as window:
            address = last_address(window)
            holds(window.text, "ssh -L", "--sign-in-with")
            state = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))["state"]
            window.type(address.replace(state, "another") + "\n")
            window.until("it belongs to another sign-in")
            window.type(address + "\n")
            signed_in(window, "DEFAULT")
            code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))["code"]
            assert code not in window.text, "the code is on the screen"
        same(home.woci("session", "refresh").expect(0).json["source"], "refreshed")

    with table.proves(f"{kind} client: the code alone is pasted"):
        with remote(home, "session", "authenticate", "--sign-in-with", "paste") as window:
            address = last_address(window)
            window.type(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))["code"] + "\n")
            signed_in(window, "DEFAULT")
        home.clean()


def device(table, kind, home, provider):
    with table.proves(f"{kind} client: in an SSH session, a code is typed on the provider's page; a QR code shows the page"):
        with remote(home, "--profile", "device", "session", "authenticate") as window:
            window.until("Waiting for you to sign in")
            holds(window.text, "█", "--sign-in-with paste")
            provider.type_code(*shown(window.text))
            signed_in(window, "device")
        home.clean("device")
        if (home.session("device") / "refresh_token").exists():
            same(home.woci("--profile", "device", "session", "refresh").expect(0).json["source"], "refreshed")

    with table.proves(f"{kind} client: the same without a terminal"):
        woci = home.start("--profile", "device", "--sign-in-with", "device", "session", "authenticate", stdout=-1, stderr=-1, text=True)
        said = ""
        while "Waiting for you" not in said:
            assert (line := woci.stderr.readline()), f"ended: {said}"
            said += line
        provider.type_code(*shown(said))
        out, err = woci.communicate(timeout=60)
        same(woci.returncode, 0, f"exit code; said: {said}{err}")
        holds(out, USER)


def shown(text):
    """The page and the code, as woci shows them."""
    page = re.search(r"Open this page.*\s+(\S+)", text)[1]
    return page, re.search(r"enter this code there:\s+(\S+)", text)[1]
