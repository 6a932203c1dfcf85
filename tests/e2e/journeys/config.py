"""woci edits ~/.oci/config files of many forms; Python's configparser, which oci uses, checks each edit."""
import configparser
import os
import random
import stat
import subprocess

from harness import VENV, Home, Provider, run, same, write
from oci_cloud import TENANCY, Domain

OURS = ("key_file", "security_token_file", "fingerprint", "tenancy", "region")
API_KEY = "user=ocid1.user.oc1..old\nfingerprint=11:22\nkey_file=~/.oci/oci_api_key.pem\ntenancy=ocid1.tenancy.oc1..old\n"


def journey(table):
    home = Home()
    provider = Provider(home)
    domain = Domain(provider.jwks_url)
    settings = provider.settings(home, domain, provider.confidential)
    del settings["region"]  # a region in the manager config would replace the one in the section
    home.manager({"COMMON": settings, "prod": {}, "test": {}})
    try:
        edits(table, Editor(home))
    finally:
        provider.stop()
        home.remove()


class Editor:
    def __init__(self, home):
        self.home, self.file = home, home.oci / "config"

    def edit(self, before, *args, profile="prod"):
        """Writes `before` as the OCI config, and lets woci refresh the session of `profile`."""
        if before is not None:
            write(self.file, before)
        return self.home.woci("--profile", profile, "--region", "us-ashburn-1", *args, "session", "refresh").expect(0)

    def replaces(self, before):
        """The same by a sign-in that was asked to replace an API key."""
        write(self.file, before)
        return self.home.woci("--profile", "prod", "session", "authenticate", "--replace-api-key").expect(0)

    def refuses(self, before):
        """Checks that an API key in [prod] is left alone."""
        write(self.file, before)
        self.home.woci("--profile", "prod", "session", "refresh").expect(2, "API key", "--replace-api-key")
        same(self.file.read_bytes(), before)

    def backups(self):
        return sorted(file.name for file in self.home.oci.glob("config.woci-backup*"))

    def ours(self, profile="prod", region="us-ashburn-1"):
        found = parse(self.file.read_bytes())[profile]
        folder = self.home.session(profile)
        keys = {
            "key_file": str(folder / "private_key.pem"), "security_token_file": str(folder / "token"),
            "fingerprint": found["fingerprint"], "tenancy": TENANCY,
        }  # fmt: skip
        return {**keys, "region": region} if region else keys

    def check(self, before, profile="prod", region="us-ashburn-1"):
        """Checks that configparser reads the old file with woci's keys, and that all other lines are unchanged."""
        after = self.file.read_bytes()
        expected = parse(before)
        expected.setdefault(profile, {}).update(self.ours(profile, region))
        for gone in ("user", "pass_phrase"):
            expected[profile].pop(gone, None)
        same(parse(after), expected, "the parsed config")
        same(foreign(after, profile), foreign(before, profile), "the other lines")


def parse(data):
    """Parses as oci does, but without inheritance, which would hide the section of a key."""
    parser = configparser.ConfigParser(interpolation=None, default_section="no section is called like this")
    parser.read_string(data.decode("utf-8", "surrogateescape"))
    return {name: dict(parser[name]) for name in parser.sections()}


def holds_api_key(section):
    return any(section.get(key) for key in ("user", "pass_phrase", "key_file")) and not section.get("security_token_file")


def foreign(data, profile):
    """The lines that woci must not change, without blank lines. An indented comment is a comment too."""
    out, section, ours = [], None, False
    for line in data.splitlines():
        text = line.decode("utf-8", "surrogateescape")
        if text.startswith("["):
            section, ours = text[1 : text.index("]")], False
            if text == f"[{profile}]":  # woci may have added the section
                continue
        elif text.strip().startswith(("#", ";")):
            out.append(line)
            continue
        elif text[:1].strip():
            key = text.partition("=")[0].partition(":")[0].strip().lower()
            ours = section == profile and key in (*OURS, "user", "pass_phrase")
        if text.strip() and not ours:
            out.append(line)
    return out


PLAIN = """\
# keep me
[DEFAULT]
user = ocid1.user.oc1..default
fingerprint=aa:bb
key_file=/keys/default.pem
tenancy=ocid1.tenancy.oc1..default
region=eu-frankfurt-1

; and me
[prod]
# inside
custom = 100% of it = yes ; not a comment
Many: first
\tsecond

  third
region = uk-london-1
[other]
key_file=~/.oci/other.pem
user=ocid1.user.oc1..other
"""


def edits(table, editor):
    home = editor.home

    with table.proves("without a config: one is made, mode 0600, with the five keys of `oci session authenticate`"):
        home.woci("--profile", "prod", "--region", "us-ashburn-1").expect(0)
        same(parse(editor.file.read_bytes()), {"prod": editor.ours()})
        same(stat.S_IMODE(editor.file.stat().st_mode), 0o600, "mode")

    with table.proves("if nothing changes, nothing is written"):
        before = editor.file.stat()
        editor.edit(None)
        after = editor.file.stat()
        same((after.st_ino, after.st_mtime_ns), (before.st_ino, before.st_mtime_ns), "inode and time")

    with table.proves("comments, order, spacing, continued lines and other sections stay; the region of the section stays"):
        editor.edit(PLAIN.encode())
        editor.check(PLAIN.encode(), region="uk-london-1")

    with table.proves("a region in the manager config replaces that of the section, as `oci session authenticate` does"):
        write(home.oci / "tokyo.ini", (home.oci / "woci_manager.ini").read_text() + "region = ap-tokyo-1\n")
        write(editor.file, PLAIN)
        home.woci("--profile=test", f"--manager-config={home.oci / 'tokyo.ini'}").expect(0)
        home.woci("--profile=test", f"--manager-config={home.oci / 'tokyo.ini'}", "session", "refresh").expect(0)
        editor.check(PLAIN.encode(), profile="test", region="ap-tokyo-1")

    with table.proves("Windows line ends stay, and woci's own lines have them"):
        before = PLAIN.replace("\n", "\r\n").encode()
        editor.edit(before)
        editor.check(before, region="uk-london-1")
        after = editor.file.read_bytes()
        same(after.count(b"\n"), after.count(b"\r\n"), "line ends")

    with table.proves("a last line without line end, an empty file, and keys in capitals are edited correctly"):
        for before in (b"[prod]\ncustom=1", b"[other]\nuser=x", b""):
            editor.edit(before)
            editor.check(before)
        before = b"[prod]\nRegion = uk-london-1\nSECURITY_TOKEN_FILE = /old/token\nCustom = 1\n"
        editor.edit(before)
        editor.check(before, region="uk-london-1")

    with table.proves("bytes that are not UTF-8, which oci refuses: an error names the line, and nothing is changed"):
        before = b"[prod]\n# caf\xe9\n"
        write(editor.file, before)
        home.woci("--profile", "prod", "session", "refresh").expect(2, str(editor.file), "line 2", "UTF-8")
        same(editor.file.read_bytes(), before)
        assert run([VENV / "oci", "--profile", "prod", "os", "ns", "get"], env=home.env).code != 0, "oci takes it"

    with table.proves("a repeated key, which oci refuses: after woci's edit, oci can read the file"):
        editor.edit(b"[prod]\nkey_file=/a\nregion=uk-london-1\nkey_file=/b\nsecurity_token_file=/t\n[other]\nregion=x\n")
        same(parse(editor.file.read_bytes()), {"prod": editor.ours(region="uk-london-1"), "other": {"region": "x"}})

    with table.proves("a repeated section, which oci refuses: an error names it, and woci does not make it worse"):
        before = b"[prod]\nregion=x\n[other]\nregion=x\n[prod]\nregion=y\n"
        write(editor.file, before)
        done = home.woci("--profile", "prod", "session", "refresh")
        assert "twice" in done.err or "line 5" in done.err or "duplicate" in done.err.lower(), f"exit {done.code}: {done.err}"
        same(editor.file.read_bytes().count(b"[prod]"), 2, "sections")

    with table.proves("an API key in the section is replaced only on request: the old file is kept as a backup, no backup is overwritten, `user` is removed"):
        before = f"[prod]\n{API_KEY}pass_phrase=unspoken\nregion=uk-london-1\n[other]\n{API_KEY}".encode()
        editor.refuses(before)
        done = editor.replaces(before)
        editor.check(before, region="uk-london-1")
        assert "config.woci-backup" in done.err and "unspoken" not in done.err, done.err
        names = ["config.woci-backup", "config.woci-backup-prod", "config.woci-backup-prod-2"]
        same(editor.backups(), names[:1])
        second, third = before + b"# second\n", before + b"# third\n"
        editor.replaces(second)
        editor.replaces(third)
        same(editor.backups(), names)
        for name, text in zip(names, (before, second, third)):
            same((home.oci / name).read_bytes(), text, name)
            same(stat.S_IMODE((home.oci / name).stat().st_mode), 0o600, f"mode of {name}")

    with table.proves("an API key in [DEFAULT], which other sections inherit: exit 2 before any sign-in, named or not, unless --replace-api-key is given"):
        guarded = Home()
        try:
            common = {key: value for key, value in configparser_of(home)["COMMON"].items()}
            guarded.manager({"DEFAULT": {**common, "region": "us-ashburn-1"}})
            text = f"[DEFAULT]\n{API_KEY}\n[other]\nregion=eu-frankfurt-1\n"
            write(guarded.oci / "config", text)
            guarded.woci().expect(2, "DEFAULT", "--replace-api-key")
            guarded.woci("--profile", "DEFAULT").expect(2, "DEFAULT", "--replace-api-key")
            same((guarded.visits(), (guarded.oci / "config").read_text()), ([], text))
            # The provider knows the redirect URI of the other home, whose port is free now.
            guarded.woci("session", "authenticate", "--replace-api-key").expect(0, "config.woci-backup")
            found = parse((guarded.oci / "config").read_bytes())
            same((found["other"], "user" in found["DEFAULT"]), ({"region": "eu-frankfurt-1"}, False))
        finally:
            guarded.remove()

    with table.proves("a symlink is followed, and the mode of its file stays"):
        real = home.path / "dotfiles/oci-config"
        write(real, PLAIN, 0o640)
        editor.file.unlink()
        editor.file.symlink_to(real)
        editor.edit(None)
        assert editor.file.is_symlink(), "the symlink is gone"
        same(stat.S_IMODE(real.stat().st_mode), 0o640, "mode")
        editor.check(PLAIN.encode(), region="uk-london-1")
        editor.file.unlink()

    with table.proves("two profiles written at the same time are both kept, in 20 tries"):
        quiet = subprocess.DEVNULL
        for _ in range(20):
            write(editor.file, PLAIN)
            runs = [home.start("--profile", name, "--region", "us-ashburn-1", "session", "refresh", stdout=quiet, stderr=quiet) for name in ("prod", "test")]
            same([process.wait(60) for process in runs], [0, 0], "exit codes")
            expected = parse(PLAIN.encode())
            expected["prod"].update(editor.ours("prod", "uk-london-1"))
            expected["test"] = editor.ours("test", None)  # without a region: oci inherits the one of [DEFAULT]
            same(parse(editor.file.read_bytes()), expected)

    seed = int.from_bytes(os.urandom(4))
    with table.proves(f"a hundred random configs are edited correctly (seed {seed})"):
        chance = random.Random(seed)
        for number in range(100):
            before = any_config(chance)
            sections = parse(before)
            try:
                if holds_api_key(sections.get("prod", {})):
                    editor.refuses(before)
                    continue
                editor.edit(before)
                # An empty region counts as none, and hides the region of [DEFAULT].
                own, inherited = (sections.get(name, {}).get("region") for name in ("prod", "DEFAULT"))
                has_inherited = own is None and inherited
                editor.check(before, region=None if has_inherited else own or "us-ashburn-1")
            except AssertionError as error:
                raise AssertionError(f"config {number} {before!r}: {error}") from error

    with table.proves("no temporary file is left beside the config"):
        lock = home.oci / ".woci-config.lock"
        same(stat.S_IMODE(lock.stat().st_mode), 0o600, "mode of the lock")
        extra = [file.name for file in home.oci.iterdir() if file.name.startswith((".", "config")) and "backup" not in file.name]
        same(sorted(extra), [lock.name, "config"], "files beside it")


def configparser_of(home):
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(home.oci / "woci_manager.ini")
    return parser


def any_config(chance):
    end = chance.choice(["\n", "\n", "\r\n"])
    lines = []
    names = chance.sample(["DEFAULT", "prod", "other", "prod2", "a.b-c@d", "Prod"], chance.randint(0, 6))
    for name in names:
        lines += [chance.choice(["", "# a comment", "; [prod]", "#[prod]"])] * chance.randint(0, 1)
        lines.append(f"[{name}]" + chance.choice(["", "", "  ", " # after"]))
        for key in chance.sample(["key_file", "fingerprint", "region", "tenancy", "custom", "log_requests", "security_token_file"], chance.randint(0, 5)):
            odd = ["", "a", "b = c", "100%", "[prod]", "x ; y", '"quoted"', "ü"]
            # woci refuses a malformed region.
            value = chance.choice(["", "uk-london-1", "xx-new-7"] if key == "region" else odd)
            lines.append(f"{key}{chance.choice(['=', ' = ', ':', ' : ', '= '])}{value}")
            if key != "region" and chance.random() < 0.2:
                # woci replaces its own values together with the comments inside them.
                more = [" continued", "  [prod]"] if key in OURS else [" continued", "\t# a comment, though indented", "  [prod]"]
                lines += more[: chance.randint(1, 3)]
        lines += [""] * chance.randint(0, 2)
    return (end.join(lines) + chance.choice(["", end])).encode()
