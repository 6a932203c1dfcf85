"""A real terminal: prompts, Ctrl-C wherever woci waits, narrow and dumb terminals, no colour."""
import json
import os
import shutil
import signal
import socket
import time
from subprocess import DEVNULL

from harness import WOCI, Home, Provider, holds, run, same, wait
from oci_cloud import Domain
from terminal_window import Window

PROMPT = "--refresh-token-passphrase-prompt"


def journey(table):
    home = Home()
    provider = Provider(home)
    domain = Domain(provider.jwks_url)
    home.manager({"prod": provider.settings(home, domain, provider.confidential)})
    desk = Desk(home, provider)
    try:
        prompts(table, desk)
        interrupts(table, desk)
        screens(table, desk)
    finally:
        provider.stop()
        home.remove()


class Desk:
    def __init__(self, home, provider):
        self.home, self.provider = home, provider

    def window(self, *args, env=None, **size):
        return Window([WOCI, "--profile", "prod", *args], {**self.home.env, **(env or {})}, self.home.path, **size)

    def shell(self, line):
        return Window(["/bin/sh", "-c", line], {**self.home.env, "WOCI": str(WOCI)}, self.home.path)

    def session_files(self):
        folder = self.home.session("prod")
        return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith(".lock")} if folder.exists() else {}

    def ended(self, window, code, before):
        """The exit code; the terminal as it was; nothing changed or left behind on disk."""
        same(window.exit(), code, "exit code")
        assert window.echo(), "the terminal shows no typing any more"
        same(self.session_files(), before, "the session's files")
        assert "panicked" not in window.text, window.text

    def forget(self):
        shutil.rmtree(self.home.oci / "sessions", ignore_errors=True)


def plain_text(text):
    assert "\x1b" not in text, f"an escape sequence in {text!r}"
    other = {character for character in text if ord(character) < 32 and character not in "\r\n\t\a"}
    assert not other, f"control characters {other}"


def prompts(table, desk):
    home = desk.home

    with table.proves("the first passphrase is asked for twice, before the browser opens, and never shown"), desk.window(PROMPT) as window:
        window.until("assphrase")
        wait(lambda: not window.echo(), "echo off")
        same(home.visits(), [], "tabs")
        window.type("my secret phrase\n")
        window.until("again")
        window.type("my secret phrase\n")
        same(window.exit(), 0, "exit code")
        assert "my secret phrase" not in window.text, "the passphrase is on the screen"
        assert window.echo(), "the terminal shows no typing any more"
        same(json.loads((home.session("prod") / "refresh_token").read_text())["kdf"], "scrypt")
        plain_text(window.text)

    with table.proves("a valid session needs no passphrase; a refresh asks once"):
        with desk.window(PROMPT) as window:
            same(window.exit(), 0, "exit code")
            assert "assphrase" not in window.text, window.text
        with desk.window(PROMPT, "session", "refresh") as window:
            window.until("assphrase")
            window.type("my secret phrase\n")
            same(window.exit(), 0, "exit code")
            assert "again" not in window.text, window.text

    with table.proves("an empty one: exit 2; a wrong one: exit 1; two that differ: said, and no browser opens"):
        before = desk.session_files()
        grants = desk.provider.grants()
        for typed, code in (("\n", 2), ("wrong\n", 1)):
            with desk.window(PROMPT, "session", "refresh") as window:
                window.until("assphrase")
                window.type(typed)
                desk.ended(window, code, before)
                holds(window.text, "woci: ")
        same(desk.provider.grants(), grants, "grants")
        desk.forget()
        with desk.window(PROMPT) as window:
            window.until("assphrase")
            window.type("one\n")
            window.until("again")
            window.type("two\n")
            code = window.exit()
            assert code in (1, 2) and window.echo(), f"exit {code}: {window.text}"
            holds(window.text, "differ")
        same(len(home.visits()), 1, "tabs")

    with table.proves("the prompt goes to the terminal when stdout is a pipe and stdin a file: stdout is the document alone"):
        home.woci("--profile", "prod").expect(0)
        line = f'echo "not this" | "$WOCI" --profile prod {PROMPT} session refresh 2>err.txt | cat >out.txt; echo finished'
        with desk.shell(line) as window:
            window.until("assphrase")
            window.type("typed\n")
            window.until("again")
            window.type("typed\n")
            window.until("finished")
        same(json.loads((home.path / "out.txt").read_text())["source"], "refreshed")
        assert "assphrase" not in (home.path / "err.txt").read_text(), "a prompt on stderr"

    with table.proves("without a terminal: the variable where one is named, else exit 2 and nothing is sent"):
        grants = desk.provider.grants()
        away = {"start_new_session": True}
        home.woci("--profile", "prod", PROMPT, "session", "refresh", **away).expect(2, "terminal")
        same(desk.provider.grants(), grants, "grants")
        env = {**home.env, "PHRASE": "typed"}
        home.woci("--profile", "prod", PROMPT, "--refresh-token-passphrase-env=PHRASE", "session", "refresh", env=env, **away).expect(0)


def interrupts(table, desk):
    home = desk.home

    for name, key, code in (("Ctrl-C", "\x03", 130), ("Ctrl-\\", "\x1c", 131), ("SIGTERM", signal.SIGTERM, 143), ("SIGHUP", signal.SIGHUP, 129)):
        with table.proves(f"{name} at the passphrase prompt: exit {code}, the terminal shows typing again, nothing changed"):
            before = desk.session_files()
            with desk.window(PROMPT, "session", "refresh") as window:
                window.until("assphrase")
                wait(lambda: not window.echo(), "echo off")
                window.type(key) if isinstance(key, str) else os.kill(window.pid, key)
                desk.ended(window, code, before)

    with table.proves("Ctrl-C during a sign-in: exit 130, the port is free, and it does not count as unanswered"):
        desk.forget()
        tabs = len(home.visits())
        for count in (1, 2):
            with desk.window(env={"WOCI_E2E_PERSON": "away"}) as window:
                window.until("Auth URL: ")
                home.visited(tabs + count)
                window.type("\x03")
                same((window.exit(), window.echo()), (130, True), "exit code and echo")
                plain_text(window.text.replace("^C", ""))
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", home.redirect_port))
        left = desk.session_files()
        # A run without a terminal may ask too, at once.
        same(home.woci("--profile", "prod").expect(0).json["source"], "authenticated")

    with table.proves("… and nothing is left behind but lock files"):
        same(left, {}, "files in the session folder")

    with table.proves("Ctrl-C while waiting for another woci: exit 130; it was told whom it waits for, and that one goes on"):
        desk.forget()
        away = {"env": {**home.env, "WOCI_E2E_PERSON": "away"}, "stdout": DEVNULL, "stderr": DEVNULL}
        holder = home.start("--profile", "prod", "session", "authenticate", **away)
        try:
            wait(lambda: listens(home.redirect_port), "the sign-in")
            with desk.window() as window:
                window.until(str(holder.pid))
                window.type("\x03")
                same((window.exit(), window.echo()), (130, True), "exit code and echo")
            same(holder.poll(), None, "the holder's end")
        finally:
            holder.send_signal(signal.SIGINT)
            code = holder.wait(10)
        same(code in (-2, 130), True, f"the holder's end ({code})")
        home.woci("--profile", "prod").expect(0)

    with table.proves("Ctrl-C at 30 moments of a refresh: exit 130 or done, the next run works, and no refresh token was lost"):
        tabs, lost = len(home.visits()), 0
        for milliseconds in range(0, 60, 2):
            with desk.window("session", "refresh") as window:
                time.sleep(milliseconds / 1000)
                window.type("\x03")
                code = window.exit()
                assert code in (0, 130), f"exit {code}: {window.text}"
            lost += home.woci("--profile", "prod", "session", "refresh").expect(0).json["source"] == "authenticated"
        home.clean("prod")
        same((lost, len(home.visits()) - tabs), (0, 0), "refresh tokens lost, tabs")

    with table.proves("a terminal that is closed during a sign-in ends woci, and frees the port"):
        desk.forget()
        window = desk.window(env={"WOCI_E2E_PERSON": "away"})
        window.until("Auth URL: ")
        os.close(window.fd)
        wait(window.ended, "woci's end")
        assert not listens(home.redirect_port), "the port is taken"
        home.woci("--profile", "prod").expect(0)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def screens(table, desk):
    home = desk.home
    wrong = ("--sign-in", "sometimes")

    with table.proves("no colour and no cursor control, on any terminal: xterm, dumb, none, 20 columns"):
        for env in ({"TERM": "xterm-256color"}, {"TERM": "dumb"}, {"TERM": ""}, {"NO_COLOR": "1"}):
            for columns in (20, 80):
                for args in (("--help",), ("session", "refresh"), wrong, ()):
                    with desk.window(*args, env=env, columns=columns) as window:
                        same(window.exit(), 2 if args is wrong else 0, f"exit code of {args}")
                        plain_text(window.text)

    with table.proves("a terminal 20 columns wide shows the Auth URL whole, on one line that it wraps itself"):
        desk.forget()
        with desk.window(columns=20) as window:
            same(window.exit(), 0, "exit code")
        (line,) = [line for line in window.text.splitlines() if line.startswith("Auth URL: ")]
        same(line.removeprefix("Auth URL: ").strip(), home.visits()[-1]["url"])

    with table.proves("stdout closed early (`woci | head -c 0`) is no crash; a full one is exit 1"):
        for line in ('"$WOCI" --profile prod | head -c 0', '"$WOCI" --help | head -c 1'):
            done = run(["/bin/bash", "-c", f"set -o pipefail; {line}"], env={**home.env, "WOCI": str(WOCI)})
            assert done.code in (0, 1, 141), f"exit {done.code}: {done.err}"
            assert "panicked" not in done.err, done.err
        full = run(["/bin/sh", "-c", '"$WOCI" --profile prod >/dev/full'], env={**home.env, "WOCI": str(WOCI)})
        full.expect(1, "woci: ")

    with table.proves("`eval \"$(woci env)\"` in sh, and its --unset, with a home that has blanks and quotes in its name"):
        odd = home.path / "it's a \"home\" $HOME"
        odd.mkdir()
        shutil.copytree(home.oci, odd / ".oci")
        (odd / ".oci/config").unlink()
        script = (
            'eval "$("$WOCI" --profile prod env)" && cat "$OCI_CLI_SECURITY_TOKEN_FILE" >/dev/null && printf "%s\\n" "$OCI_CLI_KEY_FILE" '
            '&& eval "$("$WOCI" --profile prod env --unset)" && printf "%s\\n" "${OCI_CLI_AUTH-gone}"'
        )
        for shell in filter(shutil.which, ("sh", "bash", "dash", "zsh", "busybox")):
            argv = [shell, "sh"] if shell == "busybox" else [shell]
            done = run([*argv, "-c", script], env={**home.env, "HOME": str(odd), "WOCI": str(WOCI)}).expect(0)
            same(done.out, f"{odd}/.oci/sessions/prod/private_key.pem\ngone\n", shell)
