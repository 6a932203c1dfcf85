"""A real terminal: prompts, Ctrl-C wherever woci waits, narrow and dumb terminals, no colour."""
import json
import os
import shutil
import signal
import socket
import time

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

    with table.proves("the first passphrase is asked for twice, before the browser opens, and never shown"):
        window = desk.window(PROMPT)
        try:
            window.until("assphrase")
            wait(lambda: not window.echo(), "echo off")
            same(home.visits(), [], "tabs")
            window.type("my secret phrase\n")
            shown = len(window.text)
            wait(lambda: window.read() or "assphrase" in window.text[shown:].lower(), "the second prompt")
            window.type("my secret phrase\n")
            same(window.exit(), 0, "exit code")
            assert "my secret phrase" not in window.text, "the passphrase is on the screen"
            assert window.echo(), "the terminal shows no typing any more"
            same(json.loads((home.session("prod") / "refresh_token").read_text())["kdf"], "scrypt")
            plain_text(window.text)
        finally:
            window.close()

    with table.proves("a valid session needs no passphrase; a refresh asks once"):
        window = desk.window(PROMPT)
        same(window.exit(), 0, "exit code")
        assert "assphrase" not in window.text, window.text
        window.close()
        window = desk.window(PROMPT, "session", "refresh")
        window.until("assphrase")
        window.type("my secret phrase\n")
        same(window.exit(), 0, "exit code")
        same(window.text.lower().count("passphrase"), 1, "prompts")
        window.close()

    with table.proves("two that differ: said; an empty one: exit 2; a wrong one: exit 1"):
        before = desk.session_files()
        grants = desk.provider.grants()
        for typed, code in (("\n", 2), ("wrong\n", 1)):
            window = desk.window(PROMPT, "session", "refresh")
            window.until("assphrase")
            window.type(typed)
            desk.ended(window, code, before)
            holds(window.text, "woci: ")
            window.close()
        same(desk.provider.grants(), grants, "grants")
        desk.forget()
        window = desk.window(PROMPT)
        window.until("assphrase")
        window.type("one\n")
        wait(lambda: window.read() or window.text.lower().count("passphrase") > 1, "the second prompt")
        window.type("two\n")
        code = window.exit()
        assert code in (1, 2) and window.echo(), f"exit {code}: {window.text}"
        holds(window.text, "differ")
        window.close()
        same(len(home.visits()), 1, "tabs")

    with table.proves("the prompt goes to the terminal when stdout is a pipe and stdin a file: stdout is the document alone"):
        home.woci("--profile", "prod").expect(0)
        window = desk.shell(f'echo "not this" | "$WOCI" --profile prod {PROMPT} session refresh 2>err.txt | cat >out.txt; echo finished')
        window.until("assphrase")
        window.type("typed\n")
        wait(lambda: window.read() or window.text.lower().count("passphrase") > 1, "the second prompt")
        window.type("typed\n")
        window.until("finished")
        same(json.loads((home.path / "out.txt").read_text())["source"], "refreshed")
        assert "assphrase" not in (home.path / "err.txt").read_text(), "a prompt on stderr"
        window.close()

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
            window = desk.window(PROMPT, "session", "refresh")
            try:
                window.until("assphrase")
                wait(lambda: not window.echo(), "echo off")
                window.type(key) if isinstance(key, str) else os.kill(window.pid, key)
                desk.ended(window, code, before)
            finally:
                window.close()

    with table.proves("Ctrl-C during a sign-in: exit 130, the port is free, nothing is left, and the next run asks again"):
        desk.forget()
        tabs = len(home.visits())
        for count in (1, 2):
            window = desk.window(env={"WOCI_E2E_PERSON": "away"})
            try:
                window.until("Auth URL: ")
                home.visited(tabs + count)
                window.type("\x03")
                desk.ended(window, 130, {})
                plain_text(window.text.replace("^C", ""))
            finally:
                window.close()
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", home.redirect_port))
        # Not remembered as unanswered: a run without a terminal may ask too.
        same(home.woci("--profile", "prod").expect(0).json["source"], "authenticated")

    with table.proves("Ctrl-C while waiting for another woci: exit 130; it was told whom it waits for, and that one goes on"):
        desk.forget()
        holder = home.start("--profile", "prod", "session", "authenticate", env={**home.env, "WOCI_E2E_PERSON": "away"}, stdout=-3, stderr=-3)
        try:
            wait(lambda: socket.socket().connect_ex(("127.0.0.1", home.redirect_port)) == 0, "the sign-in")
            window = desk.window()
            window.until(str(holder.pid))
            window.type("\x03")
            same(window.exit(), 130, "exit code")
            assert window.echo() and holder.poll() is None, "the holder ended"
            window.close()
        finally:
            holder.send_signal(signal.SIGINT)
            same(holder.wait(10) in (-2, 130), True, f"the holder's end ({holder.returncode})")
        home.woci("--profile", "prod").expect(0)

    with table.proves("Ctrl-C in the middle of a refresh: exit 130, and the next run needs nobody"):
        tabs = len(home.visits())
        for milliseconds in range(0, 60, 4):
            window = desk.window("session", "refresh")
            time.sleep(milliseconds / 1000)
            window.type("\x03")
            code = window.exit()
            assert code in (0, 130), f"exit {code}: {window.text}"
            window.close()
            home.woci("--profile", "prod", "session", "refresh").expect(0)
        same(len(home.visits()), tabs, "tabs")
        home.clean("prod")

    with table.proves("a terminal that is closed during a sign-in ends woci, and frees the port"):
        desk.forget()
        window = desk.window(env={"WOCI_E2E_PERSON": "away"})
        window.until("Auth URL: ")
        os.close(window.fd)
        wait(window.ended, "woci's end")
        same(desk.session_files(), {}, "files")
        home.woci("--profile", "prod").expect(0)


def screens(table, desk):
    home = desk.home
    wrong = ("--sign-in", "sometimes")

    with table.proves("no colour and no cursor control, on any terminal: xterm, dumb, none, 20 columns"):
        for env in ({"TERM": "xterm-256color"}, {"TERM": "dumb"}, {"TERM": ""}, {"NO_COLOR": "1"}):
            for columns in (20, 80):
                for args in (("--help",), ("session", "refresh"), wrong, ()):
                    window = desk.window(*args, env=env, columns=columns)
                    same(window.exit(), 2 if args is wrong else 0, f"exit code of {args}")
                    plain_text(window.text)
                    window.close()

    with table.proves("a terminal 20 columns wide shows the Auth URL whole, on one line that it wraps itself"):
        desk.forget()
        window = desk.window(columns=20)
        same(window.exit(), 0, "exit code")
        (line,) = [line for line in window.text.splitlines() if line.startswith("Auth URL: ")]
        same(line.removeprefix("Auth URL: ").strip(), home.visits()[-1]["url"])
        window.close()

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
