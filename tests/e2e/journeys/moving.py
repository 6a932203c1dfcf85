"""Moving from the older Python tool: woci uses its folders and files, without a new sign-in."""
import configparser
import json
import os

from harness import HERE, VENV, WOCI, Home, Provider, holds, run, same, write
from oci_cloud import TENANCY, Domain, claims_of, jwt
from terminal_window import Window

PASSPHRASE = "correct härse battery %s '$x\" staple"


def journey(table):
    home = Home()
    provider = Provider(home)
    domain = Domain(provider.jwks_url)
    settings = {**provider.settings(home, domain, provider.confidential), "profile_name": "a name that is ignored"}
    try:
        old = OldTool(home, provider, domain, settings)
        plain(table, old)
        encrypted(table, old)
        managers(table, old)
    finally:
        provider.stop()
        home.remove()


class OldTool:
    def __init__(self, home, provider, domain, settings):
        self.home, self.provider, self.domain, self.settings = home, provider, domain, settings

    def leaves(self, profile="prod", expired=True, passphrase=None, rounds=200_000, key=None):
        """Makes the home as the older tool leaves it: a session of `profile`, without the files that only woci has."""
        home = self.home
        home.manager({profile: self.settings})
        for file in home.session(profile).glob("*"):
            file.unlink()
        tabs = len(home.visits())
        home.woci("--profile", profile, "session", "authenticate").expect(0)
        home.visited(tabs + 1)
        session = home.session(profile)
        for file in session.iterdir():
            if file.name not in ("token", "private_key.pem", "refresh_token"):
                file.unlink()
        if expired:
            claims = claims_of(self.domain.issued[-1])
            write(session / "token", jwt({**claims, "iat": claims["iat"] - 7200, "exp": claims["exp"] - 7200}))
        key_file = session / "private_key.pem"
        if key:
            key_file = session / key
            form = "TraditionalOpenSSL" if key == "oci_api_key.pem" else "PKCS8"
            text = (
                "import sys; from cryptography.hazmat.primitives import serialization as s; "
                "k = s.load_pem_private_key(open(sys.argv[1], 'rb').read(), None); "
                f"print(k.private_bytes(s.Encoding.PEM, s.PrivateFormat.{form}, s.NoEncryption()).decode() + 'OCI_API_KEY')"
            )
            done = run([VENV / "python", "-c", text, session / "private_key.pem"]).expect(0)
            (session / "private_key.pem").unlink()
            write(key_file, done.out)
        if passphrase:
            env = {**home.env, "PASSPHRASE": passphrase}
            run([VENV / "python", HERE / "peers/old_tool.py", session / "refresh_token", rounds], env=env).expect(0)
        config = f"[{profile}]\nregion = us-ashburn-1\nkey_file = {key_file}\nsecurity_token_file = {session / 'token'}\n"
        write(home.oci / "config", config)
        (home.oci / ".woci-config.lock").unlink(missing_ok=True)
        return session

    def without_sign_in(self, run_woci, source="refreshed"):
        """Checks that `run_woci` gets a session without opening a browser tab."""
        tabs = len(self.home.visited(1))
        grants = len(self.provider.grants())
        done = run_woci().expect(0)
        same((done.json["source"], len(self.home.visits())), (source, tabs), "source and tabs")
        same(self.provider.grants()[grants:], {"refreshed": ["refresh_token"], "cached": []}[source], "grants")
        return done


def plain(table, old):
    home = old.home
    woci = lambda *args, **options: lambda: home.woci("--profile", "prod", *args, **options)  # noqa: E731

    with table.proves("a valid session is used without the network"):
        old.leaves(expired=False)
        old.without_sign_in(woci(), "cached")

    with table.proves("an expired session with a plain refresh token is refreshed silently, and the config gets the keys that SDKs need"):
        old.leaves()
        old.without_sign_in(woci())
        config = configparser.ConfigParser(interpolation=None)
        config.read(home.oci / "config")
        same((config["prod"]["tenancy"], "fingerprint" in config["prod"]), (TENANCY, True))
        old.without_sign_in(woci("session", "refresh"))
        home.clean("prod")

    with table.proves("files and folders that others could read become private"):
        session = old.leaves()
        for path in (*session.iterdir(), session):
            path.chmod(0o755 if path.is_dir() else 0o644)
        old.without_sign_in(woci())
        home.clean("prod")

    for key, what in (("oci_api_key.pem", "PKCS#1"), ("session_key.pem", "PKCS#8")):
        with table.proves(f"the key file that the config names is kept: {key}, {what}, with text after the key"):
            session = old.leaves(key=key)
            before = (session / key).read_bytes()
            done = old.without_sign_in(woci())
            same((done.json["key_file"], (session / key).read_bytes()), (str(session / key), before))
            assert not (session / "private_key.pem").exists(), "a second key"


def encrypted(table, old):
    home = old.home
    woci = lambda *args, **options: lambda: home.woci("--profile", "prod", *args, **options)  # noqa: E731
    with_env = {**home.env, "OLD_PASSPHRASE": PASSPHRASE}
    named = "--refresh-token-passphrase-env=OLD_PASSPHRASE"

    with table.proves("an encrypted refresh token (PBKDF2 with 200 000 rounds, AES-GCM) is opened; the next one has scrypt and ChaCha20-Poly1305"):
        session = old.leaves(passphrase=PASSPHRASE)
        old.settings["refresh_token_passphrase_env"] = "OLD_PASSPHRASE"
        home.manager({"prod": old.settings})
        old.without_sign_in(woci(env=with_env))
        envelope = json.loads((session / "refresh_token").read_text())
        same((envelope["enc"], envelope["kdf"]), ("ChaCha20-Poly1305", "scrypt"))
        old.without_sign_in(woci("session", "refresh", env=with_env))
        del old.settings["refresh_token_passphrase_env"]

    with table.proves("… with the passphrase typed at the prompt, which does not show it"):
        old.leaves(passphrase="typed by hand")
        tabs, grants = len(home.visits()), len(old.provider.grants())
        with Window([WOCI, "--profile", "prod", "--refresh-token-passphrase-prompt"], home.env, home.path) as window:
            window.until("assphrase")
            window.type("typed by hand\n")
            same(window.exit(), 0, "exit code")
        assert "typed by hand" not in window.text, "the passphrase is on the screen"
        holds(window.text, "renewed just now")
        same((len(home.visits()), old.provider.grants()[grants:]), (tabs, ["refresh_token"]))

    with table.proves("… without a passphrase, with an empty and with a wrong one: exit 2, 2 and 1, nothing is sent, the file is unchanged"):
        session = old.leaves(passphrase=PASSPHRASE)
        before, grants = (session / "refresh_token").read_bytes(), old.provider.grants()
        woci()().expect(2, "passphrase", "--refresh-token-passphrase")
        woci(named)().expect(2, "OLD_PASSPHRASE")
        woci(named, env={**home.env, "OLD_PASSPHRASE": ""})().expect(2, "OLD_PASSPHRASE")
        wrong = woci(named, env={**home.env, "OLD_PASSPHRASE": "another secret"})().expect(1, "passphrase")
        assert "another secret" not in wrong.err, wrong.err
        same(((session / "refresh_token").read_bytes(), old.provider.grants()), (before, grants))
        old.without_sign_in(woci(named, env=with_env))

    with table.proves("… and altered: exit 1, the file is unchanged"):
        session = old.leaves(passphrase=PASSPHRASE)
        envelope = json.loads((session / "refresh_token").read_text())
        envelope["ct"] = ("A" if envelope["ct"][0] != "A" else "B") + envelope["ct"][1:]
        write(session / "refresh_token", json.dumps(envelope))
        before = (session / "refresh_token").read_bytes()
        woci(named, env=with_env)().expect(1)
        same((session / "refresh_token").read_bytes(), before)


def managers(table, old):
    home = old.home
    secret, shared = {}, {}
    for key, value in old.settings.items():
        (secret if key in ("client_secret", "auth_client_secret", "profile_name") else shared)[key] = value

    with table.proves("with [COMMON], [DEFAULT] and another section, the profile is DEFAULT; profile_name is ignored"):
        old.leaves("DEFAULT")
        home.manager({"COMMON": shared, "DEFAULT": secret, "other": {**secret, "client_secret": "not this one"}})
        done = old.without_sign_in(lambda: home.woci())
        same(done.json["profile"], "DEFAULT")
        assert "profile_name" not in done.err, done.err

    with table.proves("a single section is the profile; with two and no [DEFAULT]: exit 2, and both are named"):
        old.leaves("prod")
        home.manager({"COMMON": shared, "prod": secret})
        same(old.without_sign_in(lambda: home.woci()).json["profile"], "prod")
        home.manager({"COMMON": shared, "prod": secret, "test": secret})
        home.woci().expect(2, "Could not determine profile name", "prod", "test")
        old.without_sign_in(lambda: home.woci("--profile", "prod", "session", "refresh"))
        same(home.woci(env={**home.env, "OCI_CLI_PROFILE": "prod"}).expect(0).json["source"], "cached")

    with table.proves("the manager config is found by --manager-config, by WOCI_MANAGER_CONFIG, and beside OCI_CLI_CONFIG_FILE"):
        old.leaves("prod")
        elsewhere = home.path / "elsewhere"
        elsewhere.mkdir()
        os.rename(home.oci / "woci_manager.ini", elsewhere / "woci_manager.ini")
        refresh = ("--profile", "prod", "session", "refresh")
        home.woci(*refresh).expect(2, "Missing required options:", "authz_base_url", "client_secret")
        old.without_sign_in(lambda: home.woci("--manager-config", elsewhere / "woci_manager.ini", *refresh))
        env = {**home.env, "WOCI_MANAGER_CONFIG": str(elsewhere / "woci_manager.ini")}
        old.without_sign_in(lambda: home.woci(*refresh, env=env))
        write(elsewhere / "config", (home.oci / "config").read_text())
        old.without_sign_in(lambda: home.woci(*refresh, env={**home.env, "OCI_CLI_CONFIG_FILE": str(elsewhere / "config")}))

    with table.proves("for a value with %%, woci warns that the older tool read it as %"):
        old.leaves("prod")
        home.manager({"prod": {**old.settings, "scope": "openid offline_access", "region": "us-ashburn-1", "config_file": f"{home.oci}/config", "auth_client_secret": "p%%q&r+s=t:u v"}})
        done = home.woci("--profile", "prod", "session", "refresh")
        holds(done.err, "%%", "auth_client_secret")
        assert "p%%q" not in done.err, "the secret itself"

