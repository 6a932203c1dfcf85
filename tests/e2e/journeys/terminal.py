"""A real terminal: passphrase prompts, Ctrl-C wherever woci waits, narrow and dumb terminals."""
import json
import os
import shutil
import signal
import socket
import time
from subprocess import DEVNULL

from harness import WOCI, holds, run, same, wait
from oci_cloud import prod_home
from terminal_window import Window

PROMPT = "--refresh-token-passphrase-prompt"


def journey(table):
    with prod_home() as (home, provider, _):
        setup = Setup(home, provider)
        prompts(table, setup)
        interrupts(table, setup)
        screens(table, setup)


class Setup:
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
        """Checks the exit code, that the terminal shows typing again, and that the session's files are unchanged."""
        same(window.exit(), code, "exit code")
        assert window.echo(), "the terminal does not show typing"
        same(self.session_files(), before, "the session's files")
        assert "panicked" not in window.text, window.text

    def forget(self):
        shutil.rmtree(self.home.oci / "sessions", ignore_errors=True)


def plain_text(text):
    assert "\x1b" not in text, f"an escape sequence in {text!r}"
    other = {character for character in text if ord(character) < 32 and character not in "\r\n\t\a"}
    assert not other, f"control characters {other}"


def prompts(table, setup):
    home = setup.home

    with table.proves("a new passphrase is asked for twice, before the browser opens, and not shown"), setup.window(PROMPT) as window:
        window.until("assphrase")
        wait(lambda: not window.echo(), "echo off")
        same(home.visits(), [], "tabs")
        window.type("my secret phrase\n")
        window.until("Repeat")
        window.type("my secret phrase\n")
        same(window.exit(), 0, "exit code")
        assert "my secret phrase" not in window.text, "the passphrase is on the screen"
        assert window.echo(), "the terminal shows no typing any more"
        same(json.loads((home.session("prod") / "refresh_token").read_text())["kdf"], "scrypt")
        plain_text(window.text)

    with table.proves("a valid session needs no passphrase; a refresh asks for it once"):
        with setup.window(PROMPT) as window:
            same(window.exit(), 0, "exit code")
            assert "assphrase" not in window.text, window.text
        with setup.window(PROMPT, "session", "refresh") as window:
            window.until("assphrase")
            window.type("my secret phrase\n")
            same(window.exit(), 0, "exit code")
            assert "Repeat" not in window.text, window.text

    with table.proves("an empty passphrase: exit 2; three wrong ones: exit 1; two that differ: an error, and no browser opens"):
        before = setup.session_files()
        grants = setup.provider.grants()
        for typed, tries, code in (("\n", 1, 2), ("wrong\n", 3, 1)):
            with setup.window(PROMPT, "session", "refresh") as window:
                for nth in range(tries):
                    window.until("Passphrase for", times=nth + 1)
                    window.type(typed)
                setup.ended(window, code, before)
                holds(window.text, "woci: ")
        same(setup.provider.grants(), grants, "grants")
        setup.forget()
        with setup.window(PROMPT) as window:
            window.until("assphrase")
            window.type("one\n")
            window.until("Repeat")
            window.type("two\n")
            code = window.exit()
            assert code in (1, 2) and window.echo(), f"exit {code}: {window.text}"
            holds(window.text, "differ")
        same(len(home.visits()), 1, "tabs")

    with table.proves("the prompt is on the terminal if stdin and stdout are pipes, and stdout holds only the document"):
        home.woci("--profile", "prod").expect(0)
        line = f'echo "not this" | "$WOCI" --profile prod {PROMPT} session refresh 2>err.txt | cat >out.txt; echo finished'
        with setup.shell(line) as window:
            window.until("assphrase")
            window.type("typed\n")
            window.until("Repeat")
            window.type("typed\n")
            window.until("finished")
        same(json.loads((home.path / "out.txt").read_text())["source"], "refreshed")
        assert "assphrase" not in (home.path / "err.txt").read_text(), "a prompt on stderr"

    with table.proves("without a terminal: exit 2 and nothing is sent, unless a variable for the passphrase is named"):
        grants = setup.provider.grants()
        away = {"start_new_session": True}
        home.woci("--profile", "prod", PROMPT, "session", "refresh", **away).expect(2, "terminal")
        same(setup.provider.grants(), grants, "grants")
        env = {**home.env, "PHRASE": "typed"}
        home.woci("--profile", "prod", PROMPT, "--refresh-token-passphrase-env=PHRASE", "session", "refresh", env=env, **away).expect(0)


def interrupts(table, setup):
    home = setup.home

    for name, key, code in (("Ctrl-C", "\x03", 130), ("Ctrl-\\", "\x1c", 131), ("SIGTERM", signal.SIGTERM, 143), ("SIGHUP", signal.SIGHUP, 129)):
        with table.proves(f"{name} at the passphrase prompt: exit {code}, the terminal shows typing again, nothing is changed"):
            before = setup.session_files()
            with setup.window(PROMPT, "session", "refresh") as window:
                window.until("assphrase")
                wait(lambda: not window.echo(), "echo off")
                window.type(key) if isinstance(key, str) else os.kill(window.pid, key)
                setup.ended(window, code, before)

    with table.proves("Ctrl-C during a sign-in: exit 130, the port is free, and the next run may ask again"):
        setup.forget()
        tabs = len(home.visits())
        for count in (1, 2):
            with setup.window(env={"WOCI_E2E_PERSON": "away"}) as window:
                window.until("Auth URL: ")
                home.visited(tabs + count)
                window.type("\x03")
                same((window.exit(), window.echo()), (130, True), "exit code and echo")
                plain_text(window.text.replace("^C", ""))
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", home.redirect_port))
        left = setup.session_files()
        # A run without a terminal may ask at once, since Ctrl-C is not an unanswered sign-in.
        same(home.woci("--profile", "prod").expect(0).json["source"], "authenticated")

    with table.proves("… and only lock files are left behind"):
        same(left, {}, "files in the session folder")

    with table.proves("Ctrl-C while woci waits for another: exit 130; woci has named the other process, which continues"):
        setup.forget()
        away = {"env": {**home.env, "WOCI_E2E_PERSON": "away"}, "stdout": DEVNULL, "stderr": DEVNULL}
        holder = home.start("--profile", "prod", "session", "authenticate", **away)
        try:
            wait(lambda: listens(home.redirect_port), "the sign-in")
            with setup.window() as window:
                window.until(str(holder.pid))
                window.type("\x03")
                same((window.exit(), window.echo()), (130, True), "exit code and echo")
            same(holder.poll(), None, "the holder's end")
        finally:
            holder.send_signal(signal.SIGINT)
            code = holder.wait(10)
        same(code in (-2, 130), True, f"the holder's end ({code})")
        home.woci("--profile", "prod").expect(0)

    with table.proves("Ctrl-C at 30 moments of a refresh: exit 130 or 0, the next run works, and no refresh token is lost"):
        tabs, lost = len(home.visits()), 0
        for milliseconds in range(0, 60, 2):
            with setup.window("session", "refresh") as window:
                time.sleep(milliseconds / 1000)
                window.type("\x03")
                code = window.exit()
                assert code in (0, 130), f"exit {code}: {window.text}"
            lost += home.woci("--profile", "prod", "session", "refresh").expect(0).json["source"] == "authenticated"
        home.clean("prod")
        same((lost, len(home.visits()) - tabs), (0, 0), "refresh tokens lost, tabs")

    with table.proves("if the terminal is closed during a sign-in, woci ends and the port is free"):
        setup.forget()
        window = setup.window(env={"WOCI_E2E_PERSON": "away"})
        window.until("Auth URL: ")
        os.close(window.fd)
        wait(window.ended, "woci's end")
        assert not listens(home.redirect_port), "the port is taken"
        home.woci("--profile", "prod").expect(0)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def screens(table, setup):
    home = setup.home
    wrong = ("--sign-in", "sometimes")

    with table.proves("no colour and no cursor control on any terminal: xterm, dumb, unset, 20 columns"):
        for env in ({"TERM": "xterm-256color"}, {"TERM": "dumb"}, {"TERM": ""}, {"NO_COLOR": "1"}):
            for columns in (20, 80):
                for args in (("--help",), ("session", "refresh"), wrong, ()):
                    with setup.window(*args, env=env, columns=columns) as window:
                        same(window.exit(), 2 if args is wrong else 0, f"exit code of {args}")
                        plain_text(window.text)

    with table.proves("on a terminal of 20 columns, the Auth URL is one line, which the terminal wraps"):
        setup.forget()
        tabs = len(home.visits())
        with setup.window(columns=20) as window:
            same(window.exit(), 0, "exit code")
        (line,) = [line for line in window.text.splitlines() if line.startswith("Auth URL: ")]
        same(line.removeprefix("Auth URL: ").strip(), home.visited(tabs + 1)[-1]["url"])

    with table.proves("if stdout is closed early (`woci | head -c 0`), woci does not crash; if it is full, woci exits with 1"):
        for line in ('"$WOCI" --profile prod | head -c 0', '"$WOCI" --help | head -c 1'):
            done = run(["/bin/bash", "-c", f"set -o pipefail; {line}"], env={**home.env, "WOCI": str(WOCI)})
            assert done.code in (0, 1, 141), f"exit {done.code}: {done.err}"
            assert "panicked" not in done.err, done.err
        full = run(["/bin/sh", "-c", '"$WOCI" --profile prod >/dev/full'], env={**home.env, "WOCI": str(WOCI)})
        full.expect(1, "woci: ")

    with table.proves("`eval \"$(woci env)\"` and its --unset work in sh, with blanks and quotes in the path of the home"):
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
