"""Secrets in real password managers: the recipes of `woci help secrets` for pass and secret-tool, as they stand there."""
import os
import re
import shutil
import signal
import subprocess

from harness import WOCI, Home, Provider, Skip, run, same, system_package
from oci_cloud import CLIENT_SECRET, Domain

PUT_AND_GET = "refresh_token_put_command", "refresh_token_get_command"


def journey(table):
    for kind in (Pass, SecretTool):
        home = Home()
        provider = Provider(home)
        manager = kind(home)
        try:
            lives(table, manager, provider, Domain(provider.jwks_url))
        finally:
            manager.stop()
            provider.stop()
            home.remove()


def lives(table, manager, provider, domain):
    name, home = manager.name, manager.home

    with table.proves(f"{name}: the commands of its recipe run in a shell"):
        manager.start()
        once, recipe = read_recipe(home, name)
        for command in once:
            run(["sh", "-c", command], env=home.env, input="" if "printf" in command else manager.typed).expect(0)
        settings = provider.settings(home, domain, provider.confidential)
        del settings["client_secret"]
        home.manager({"prod": {**settings, **recipe}})
        manager.is_ready = True

    def token():
        return run(["sh", "-c", recipe[PUT_AND_GET[1]]], env=home.env).expect(0).out.strip()

    with table.proves(f"{name}: a sign-in takes the client secret from it, and puts the refresh token into it"):
        manager.check()
        same(home.woci("--profile", "prod").expect(0).json["source"], "authenticated", "source")
        same((home.session("prod") / "refresh_token").exists(), False, "a refresh token in a file")
        first = token()
        assert first and not first.startswith("woci-"), f"{len(first)} bytes are kept"

    with table.proves(f"{name}: renewals take the token from it and put the next one"):
        manager.check()
        for _ in range(2):
            before = token()
            same(home.woci("--profile", "prod", "session", "refresh").expect(0).json["source"], "refreshed", "source")
            assert token() != before, "the token was not replaced"
        same(provider.grants().count("authorization_code"), 1, "sign-ins")
        home.clean("prod")

    with table.proves(f"{name}: a warm run starts no program; in a renewal no argument holds a secret"):
        manager.check()
        if not shutil.which("strace"):
            raise Skip("there is no strace")
        same(len(started(home, "--profile", "prod")), 1, "programs of a warm run")
        secrets = [CLIENT_SECRET, token()]
        calls = started(home, "--profile", "prod", "session", "refresh")
        secrets += [token(), (home.session("prod") / "token").read_text().strip()]
        assert any(f'"{name}"' in call for call in calls), f"woci has not started {name}: {calls}"
        for secret in secrets:
            assert not any(secret in call for call in calls), "a secret is an argument"

    with table.proves(f"{name}: a daemon that starts asks it for the refresh token"):
        manager.check()
        home.woci("--profile", "prod", "--daemon").expect(0)
        home.woci("--profile", "prod", "--stop-daemon").expect(0)
        same(home.woci("--profile", "prod", "session", "refresh").expect(0).json["source"], "refreshed", "source")

    with table.proves(f"{name}: if it is locked or gone, nothing is sent, and the message names it and its status"):
        manager.check()
        grants = provider.grants()
        manager.break_down()
        home.woci("--profile", "prod", "session", "refresh").expect(1, name, "client_secret_command", "exit status")
        same(provider.grants(), grants, "grants")


def started(home, *args):
    """The programs that a run of woci starts, itself included, each as strace shows the call."""
    log = home.path / "strace.log"
    run(["strace", "-f", "-qq", "-s", "100000", "-e", "trace=execve", "-o", log, WOCI, *args], env=home.env, cwd=home.path).expect(0)
    return [line for line in log.read_text(errors="replace").splitlines() if "execve(" in line and line.endswith(" = 0")]


def read_recipe(home, name):
    """The commands for a shell and the settings of one program, from the help."""
    text = run([WOCI, "help", "secrets"], env=home.env).expect(0).out
    lines = re.search(rf"^{name} .*\n((?: .*\n)+)", text, re.M)[1].splitlines()
    lines = [line.strip() for line in lines]
    once = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    settings = dict(line.split(" = ", 1) for line in lines if not line.startswith("$ ") and " = " in line)
    same(sorted(settings), ["client_secret_command", PUT_AND_GET[1], PUT_AND_GET[0]], "settings")
    return once, settings


class Manager:
    is_ready = False

    def __init__(self, home):
        self.home = home
        self.processes = []

    def check(self):
        if not self.is_ready:
            raise Skip("its recipe's commands did not run")

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait(10)


class Pass(Manager):
    name = "pass"
    # Asked for twice.
    typed = f"{CLIENT_SECRET}\n{CLIENT_SECRET}\n"

    def start(self):
        system_package("pass", lambda: shutil.which("pass") and shutil.which("gpg"))
        self.gnupg = self.home.path / "gnupg"
        self.gnupg.mkdir(0o700)
        self.home.env["GNUPGHOME"] = str(self.gnupg)
        key = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "woci@example.com", "default", "default", "never"]
        run(key, env=self.home.env).expect(0)
        run(["pass", "init", "woci@example.com"], env=self.home.env).expect(0)

    def break_down(self):
        """Without the private key, nothing can be decrypted."""
        self.stop()
        shutil.rmtree(self.gnupg / "private-keys-v1.d")

    def stop(self):
        if shutil.which("gpgconf"):
            run(["gpgconf", "--kill", "all"], env=self.home.env)
        super().stop()


class SecretTool(Manager):
    name = "secret-tool"
    # Its stdin to the end is the secret.
    typed = CLIENT_SECRET

    def start(self):
        for package, program in (("libsecret-tools", "secret-tool"), ("gnome-keyring", "gnome-keyring-daemon"), ("dbus", "dbus-daemon")):
            system_package(package, lambda program=program: shutil.which(program))
        runtime = self.home.path / "run"
        runtime.mkdir(0o700)
        self.home.env["XDG_RUNTIME_DIR"] = str(runtime)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "env": self.home.env}
        bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address"], **pipes)
        self.processes.append(bus)
        self.home.env["DBUS_SESSION_BUS_ADDRESS"] = os.fsdecode(bus.stdout.readline()).strip()
        keyring = subprocess.Popen(["gnome-keyring-daemon", "--foreground", "--components=secrets", "--unlock"], **pipes)
        self.processes.append(keyring)
        keyring.stdin.write(b"a passphrase of the keyring")
        keyring.stdin.close()
        # It answers on the bus from now on.
        keyring.stdout.readline()

    def break_down(self):
        """Without its D-Bus session, the keyring cannot be asked."""
        self.stop()
        self.processes.clear()
