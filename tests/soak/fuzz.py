"""Every parser gets random inputs that are made of good ones; INI, form and URL code are compared with other readings.

libFuzzer finds inputs that reach new code. Each parser's entry point (`entry_points` in src/lib.rs) checks what it
promises, and panics if that does not hold. The INI reading is compared with Python's configparser, which oci uses, and
the form and URL code with Python's urllib and a reading of the RFCs that is written here."""
import base64
import concurrent.futures
import configparser
import hashlib
import io
import ipaddress
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse

from harness import ROOT, TARGET, Skip, run

HERE = ROOT / "tests/fuzz"
# Only these crates are instrumented, for their branches. No AddressSanitizer: woci has no unsafe code outside src/sys,
# and is five times faster without. No comparison tracing: it takes most of the time.
OBSERVED = "woci serde_json configparser pico_args pem der pkcs8"
FLAGS = (
    "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=2 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters "
    "-Cllvm-args=-sanitizer-coverage-pc-table"
)
# The length of an input, in bytes: what the parser usually gets, or less where it looks at each word many times.
LONGEST = {"argv": 160, "manager": 400, "ini": 400, "command": 200, "form": 300, "upst": 2000, "key": 2400, "callback": 1200, "console_answer": 1600}
LONGEST_OTHERS = 800
SLOW = ("argv", "manager")
# Of each parser, in tests/fuzz/corpus; the largest are left out.
MOST_KEPT = 24_000  # bytes
# Minimum in an hour: inputs for each parser, texts for each comparison.
INPUTS = 10_000_000
TEXTS = 1_000_000
# Seeds besides the vectors in fixtures/: for parsers that have none.
SEEDS = {
    "argv": [b"--profile\0prod\0session\0authenticate", b"--daemon\0--region=us-ashburn-1\0os\0ns\0get", b"kubeconfig\0--cluster-id\0ocid1.cluster.oc1.iad.a\0--write"],
    "command": [b"pass show 'a b'", b'["secret-tool", "lookup", "a"]', b"~/bin/x \"a\\\"b\"", b"line\r\n"],
    "device_answer": [b'{"device_code":"a","user_code":"WDJB-MJHT","verification_uri":"https://a.example/d","verification_uri_complete":"https://a.example/d?c=1","expires_in":"1800","interval":5}'],
    "discovery": [b'{"issuer":"https://idp.example.com/a","authorization_endpoint":"../x?y","token_endpoint":"https://t.example.com/t","revocation_endpoint":null,"authorization_response_iss_parameter_supported":true}'],
    "exchange_answer": [b'\0{"token":"e30.eyJleHAiOjF9.s"}', b'\1{"error":"invalid_client","error_description":"no"}', b'\2{"code":"NotAuthenticated","message":"no"}', b"\3<title>x</title>"],
    "exec_info": [b'{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}'],
    "form": [b"a=b&c=%41+d&e", b"https://idp.example.com:443/a?b=c", b"http://[::1]:8181/x"],
    "jwt": [b'{"exp":1700000000.5,"iat":1,"sub":"a"}', b'{"sub":1,"sub":"a"}', b'{"exp":1e400}', b"e30.eyJleHAiOjF9.s"],
    "kubeconfig": [b'{"users":[{"name":"a","user":{"exec":{"args":["--region","r","--cluster-id","ocid1.cluster.oc1.iad.example"]}}}],"contexts":[{"name":"c","context":{"user":"a"}}],"current-context":"c"}'],
    "record": [b'{"session_from":"provider","token_url":"https://t.example.com/t"}'],
    "token_answer": [b'\0{"access_token":"a","token_type":"bearer","refresh_token":"r","expires_in":1}', b'\1{"error":"invalid_grant"}', b'\2{"errorCode":"E1","errorSummary":"x","errorCauses":[{"errorSummary":"y"}]}'],
}  # fmt: skip
FIXTURES = {
    "callback": "callback", "console_answer": "console", "envelope": "envelope", "upst": "upst", "key": "keys",
    "ini": "oci", "manager": "manager",
}  # fmt: skip


# Seconds; a shorter run need not reach these minimums.
WHOLE = 3000
# Seconds kept free at the end for jobs that finish late.
MARGIN = 20


def soak(part):
    program = build()
    # Those that take longest come last, and get what the others leave.
    names = sorted(parsers(program), key=SLOW.__contains__)
    figures, counts = {}, {}
    inputs, asked = dict.fromkeys(names, 0), part.seconds >= WHOLE

    def failed(name):
        return f"the parser {name}" in (what for what, _ in part.failures)

    def compare(what, seconds):
        with part.holds(f"{what}, against another reading"):
            # A process of its own: two threads of Python would get in each other's way.
            argv = [sys.executable, __file__, what, program, part.seed, part.left - MARGIN if asked else seconds]
            done = run(argv, timeout=part.seconds + 300, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
            assert done.code == 0, done.err[-2000:]
            figures[what], counts[what] = json.loads(done.out)
            assert counts[what] >= TEXTS or not asked, f"{counts[what]} texts in an hour"

    def feed(name, seconds):
        with part.holds(f"the parser {name}"):
            inputs[name] += fuzz(part, program, name, seconds, INPUTS - inputs[name])

    share(part, [(compare, what) for what in COMPARISONS] + [(feed, name) for name in names])
    while asked and part.left > 2 * MARGIN and (slow := [name for name in names if inputs[name] < INPUTS and not failed(name)]):
        share(part, [(feed, name) for name in slow])
    for what in COMPARISONS:
        part.figure(figures.get(what, f"{what}: failed"))
    part.figure("inputs in millions: " + ", ".join(f"{name} {count / 1e6:.2f}" for name, count in inputs.items()))
    part.figure(f"{len(inputs)} parsers, {sum(inputs.values()) / 1e6:.1f} million inputs, at least {min(inputs.values()) / 1e6:.2f} million each")
    part.row("fuzzed parsers", f"{len(inputs)}, each with {min(inputs.values()) / 1e6:.2f} million inputs or more, {sum(inputs.values()) / 1e6:.0f} million together")
    part.row("other readings", "; ".join(f"{counts[what]} {what}" for what in counts))
    for name, count in inputs.items():
        if asked and count < INPUTS and not failed(name):
            part.failed(f"the parser {name}", f"{count} inputs in an hour")


def parsers(program):
    return run([program], env={**os.environ, "WOCI_PARSER": "names"}).expect(0).out.split()


def share(part, jobs):
    """Does these jobs, as many at a time as there are processors. What one leaves of its time goes to the next."""
    waiting, workers = len(jobs), os.cpu_count() or 1

    def begin(job):
        nonlocal waiting
        work, name = job
        seconds = (part.left - MARGIN) * min(1, workers / waiting)
        waiting -= 1
        work(name, max(3, seconds))

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        list(pool.map(begin, jobs))


def build():
    host = re.search(r"host: (\S+)", run(["rustc", "-vV"]).expect(0).out).group(1)
    if "-linux-" not in host:
        raise Skip("the fuzz targets are built on Linux only")
    target = TARGET.resolve() / "fuzz"
    # Cargo builds anew if RUSTFLAGS differ, not if the other two do.
    mark = hashlib.sha256((OBSERVED + FLAGS).encode()).hexdigest()[:16]
    env = {**os.environ, "RUSTC_BOOTSTRAP": "1", "RUSTFLAGS": f'--cfg fuzzing --cfg observed="{mark}" -Aunexpected_cfgs'}
    env |= {"RUSTC_WRAPPER": str(HERE / "rustc"), "OBSERVED": OBSERVED, "OBSERVED_FLAGS": FLAGS}
    env.pop("CARGO_ENCODED_RUSTFLAGS", None)
    argv = ["cargo", "build", "--quiet", "--locked", "--release", "--target", host, "--manifest-path", HERE / "Cargo.toml", "--target-dir", target]
    print("  building the fuzz targets (a few minutes the first time)", flush=True)
    done = run(argv, timeout=3600, env=env, cwd=ROOT)
    assert done.code == 0, done.err[-2000:]
    return target / host / "release/parsers"


# ---- libFuzzer ----


def fuzz(part, program, name, seconds, most):
    """Returns the number of inputs. The corpus that grows is in target/; what it starts from is kept or made anew."""
    corpus = TARGET.resolve() / "fuzz/corpus" / name
    artifacts = TARGET.resolve() / "fuzz/artifacts" / name
    for path in (corpus, artifacts):
        path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="woci-soak-") as folder:
        folder = pathlib.Path(folder)
        (folder / "seeds").mkdir()
        seeds = [*SEEDS.get(name, []), *vectors(name), *kept(name)]
        for number, seed in enumerate(seeds):
            (folder / f"seeds/{number}").write_bytes(seed)
        (folder / "words").write_text(dictionary(name, seeds))
        # nice: the other parts have time limits.
        argv = ["nice", "-n", "10", program, f"-seed={part.seed % 2**31 or 1}", f"-max_total_time={int(seconds) or 1}", f"-runs={most}",
                f"-max_len={LONGEST.get(name, LONGEST_OTHERS)}", "-timeout=60", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=1",
                f"-dict={folder}/words", f"-artifact_prefix={artifacts}/", corpus, folder / "seeds"]  # fmt: skip
        done = run(argv, timeout=seconds + 300, env={**os.environ, "WOCI_PARSER": name})
    if done.code:
        saved = re.search(r"Test unit written to (\S+)", done.err)
        raise AssertionError(f"{saved and saved.group(0)}\n{done.err[-1500:]}")
    return int(re.search(r"number_of_executed_units:\s+(\d+)", done.err).group(1))


def dictionary(name, seeds):
    """The words of good inputs, and the names of woci's options, in libFuzzer's format."""
    texts = [*seeds, (ROOT / "src/options.rs").read_bytes().partition(b"mod tests")[0]] if name in ("argv", "manager") else seeds
    words = dict.fromkeys(word for text in texts for word in re.findall(rb"[A-Za-z_-][\w-]{2,30}", text))
    return "".join(f'"{word.decode()}"\n' for word in list(words)[:600])


def kept(name):
    """The inputs of tests/fuzz/corpus: one a line, in Base64. `make test` reads them too (src/lib.rs)."""
    file = HERE / "corpus" / name
    return [base64.b64decode(line) for line in file.read_text().splitlines()] if file.exists() else []


def keep():
    """Writes tests/fuzz/corpus anew: of all inputs that were found, the fewest and smallest that reach each branch."""
    program = build()
    for name in parsers(program):
        with tempfile.TemporaryDirectory(prefix="woci-soak-") as folder:
            folder = pathlib.Path(folder)
            (folder / "seeds").mkdir()
            (folder / "small").mkdir()
            for number, seed in enumerate([*SEEDS.get(name, []), *vectors(name), *kept(name)]):
                (folder / f"seeds/{number}").write_bytes(seed)
            corpus = TARGET.resolve() / "fuzz/corpus" / name
            argv = [program, "-merge=1", "-use_counters=0", "-max_len=3000", folder / "small", folder / "seeds", corpus]
            done = run(argv, timeout=600, env={**os.environ, "WOCI_PARSER": name})
            assert done.code == 0, done.err[-1500:]
            inputs = sorted((file.read_bytes() for file in (folder / "small").iterdir() if file.stat().st_size), key=lambda one: (len(one), one))
            while sum(map(len, inputs)) > MOST_KEPT:
                inputs.pop()
        (HERE / "corpus").mkdir(exist_ok=True)
        (HERE / "corpus" / name).write_text("".join(base64.b64encode(one).decode() + "\n" for one in inputs))
        print(f"{name}: {len(inputs)} inputs, {sum(map(len, inputs))} bytes")


def vectors(name):
    for file in sorted((ROOT / "fixtures" / FIXTURES[name]).iterdir()) if name in FIXTURES else []:
        if file.is_file():
            content = file.read_bytes()
            yield content.partition(b"\n\n")[2] if file.suffix == ".vector" else content


# ---- other readings ----


class Readings:
    """What woci makes of texts."""

    def __init__(self, program, name):
        env = {**os.environ, "WOCI_PARSER": name}
        self.process = subprocess.Popen([program, "-runs=0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)

    def of(self, texts):
        # Few enough for a pipe: woci answers after the empty line.
        self.process.stdin.write("".join(json.dumps(text) + "\n" for text in texts).encode() + b"\n")
        self.process.stdin.flush()
        return [json.loads(self.process.stdout.readline()) for _ in texts]

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)


def compared(program, name, dice, seconds, text, other):
    """Compares as many texts as there is time for, a million at most. Returns how many, and how many were accepted."""
    readings = Readings(program, name)
    until, count, accepted = time.monotonic() + seconds, 0, 0
    try:
        while time.monotonic() < until and count < TEXTS:
            texts = [text(dice) for _ in range(200)]
            for one, ours in zip(texts, readings.of(texts)):
                theirs = other(one)
                assert ours == theirs, f"{one!r}\nwoci:  {ours}\nother: {theirs}"
                accepted += ours is not None
            count += len(texts)
    finally:
        readings.end()
    return count, accepted


PIECES = [
    "[prod]", "[DEFAULT]", "[prod", "[]", "[a]b]", "key", "Key", "user", "region", "=", ":", " = ", " : ", "  ", "\t", "\n", "\n", "\n", "\r\n",
    "\r", "#", ";", " # not a comment", "%", "%%", "%(x)s", "é", "ß", "İ", "\u00a0", "\u2003", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "a", "value",
    "\n  ", "\n ", "\n\t", "\n\n  ", "rem ", "REM", "\ufeff", "\0", '"', "'", "ß=", "[COMMON]", "\n[prod]\n", "\nkey = v", "\nk2: w\n",
]  # fmt: skip


def ini_text(dice):
    start = dice.choice(["[prod]\n", "[prod]\n", "[DEFAULT]\n", "# c\n[a b]\n", "", " [x]\n"])
    weird = dice.random() < 0.6
    lines = []
    for number in range(dice.randrange(8)):
        if weird and dice.random() < 0.5:
            lines.append("".join(dice.choices(PIECES, k=dice.randrange(1, 7))))
        else:
            lines.append(f"k{number if dice.random() < 0.95 else 0}{dice.choice([' = ', '=', ': ', ' '])}{dice.choice(['v', '', 'a b', '#x', '/a/b;c'])}\n")
    return start + "".join(lines)


def ini(program, dice, seconds):
    def python(text):
        parser = configparser.ConfigParser(interpolation=None, default_section="DEFAULT")
        try:
            parser.read_file(io.StringIO(text, newline=None))
        except configparser.Error:
            return None
        sections = {name: dict(keys) for name, keys in parser._sections.items()}
        if parser._defaults:
            sections["DEFAULT"] = dict(parser._defaults)
        return sections

    count, accepted = compared(program, "ini-readings", dice, seconds, ini_text, python)
    return f"{count} random INI files read as Python's configparser reads them ({accepted} accepted by both, the others refused by both)", count


CHARACTERS = list("ab/?#:@[]%=&+.~-_ \t\n*\\{}|^é€\0") + ["%41", "%zz", "%", "%e2%82%ac", "%ff", "..", "./", "//", "http://", "https://", "HTTPS://", "localhost",
    "127.0.0.1", "[::1]", ":80", ":0", ":65536", ":", "idp.example.com", "user:pw@", "&&", "==", "a=b", "+", "?q", "#f", "mailto:"]  # fmt: skip


def url_text(dice):
    return "".join(dice.choices(CHARACTERS, k=dice.randrange(1, 10)))


def urls(program, dice, seconds):
    count, _ = compared(program, "url-readings", dice, seconds, url_text, reading)
    return f"{count} random texts read as form, encoded, checked as URL and resolved as a second reading does", count


COMPARISONS = {"INI files": ini, "forms and URLs": urls}


def reading(text):
    """RFC 6749 appendix B, RFC 3986 section 5.2, and which URLs may get a token (README.md)."""
    is_url = may_get_a_token(text)
    return {
        "pairs": pairs(text), "encoded": urllib.parse.quote_plus(text, safe="*"), "is_url": is_url,
        "host": host(text) if is_url else None, "resolved": resolved(text),
    }  # fmt: skip


def pairs(text):
    found = []
    for piece in text.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            found.append([decoded(part) for part in (name, value)])
            if None in found[-1]:
                return None
    return found


def decoded(text):
    """None if a percent sign begins no escape, or the bytes are not UTF-8."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        return None
    try:
        return urllib.parse.unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        return None


AUTHORITY = re.compile(r"(\[[^/?#@\]]+\]|[A-Za-z0-9._-]+)(?::(\d+))?")


def split(text):
    found = re.fullmatch(r"([A-Za-z]+)://([^/?#]*)([^#]*)", text)
    authority = found and AUTHORITY.fullmatch(found.group(2))
    return (found, authority) if authority else (None, None)


def host(text):
    return split(text)[1].group(1)


def may_get_a_token(text):
    if not text.isascii() or re.search(r"[\x00-\x20\x7f]", text):
        return False
    found, authority = split(text)
    if not found or authority.group(2) is not None and not 0 < int(authority.group(2)) < 65536:
        return False
    scheme, name = found.group(1).lower(), authority.group(1)
    if name.startswith("["):
        try:
            ipaddress.IPv6Address(name[1:-1])
        except ValueError:
            return False
    elif not all(0 < len(label) < 64 for label in name.removesuffix(".").split(".")):
        return False
    if decoded(text) is None:
        return False
    return scheme == "https" or scheme == "http" and is_loopback(name)


def is_loopback(name):
    try:
        return name.lower().removesuffix(".") == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def resolved(reference):
    """RFC 3986 section 5.2.2 by its pseudo-code, at https://idp.example.com/a/b?c."""
    scheme, authority, path, query, fragment = re.fullmatch(r"(?:([^:/?#]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", reference, re.S).groups()
    if scheme is not None:
        return reference
    if authority is not None:
        return "https:" + reference
    if path == "":
        path, query = "/a/b", query if query is not None else "c"
    elif not path.startswith("/"):
        path = "/a/" + path
    path = without_dots(path)
    return "https://idp.example.com" + path + ("" if query is None else "?" + query) + ("" if fragment is None else "#" + fragment)


def without_dots(path):
    """RFC 3986 section 5.2.4."""
    rest, done = path, ""
    while rest:
        if rest.startswith("../"):
            rest = rest[3:]
        elif rest.startswith("./"):
            rest = rest[2:]
        elif rest.startswith("/./") or rest == "/.":
            rest = "/" + rest[3:]
        elif rest.startswith("/../") or rest == "/..":
            rest, done = "/" + rest[4:], done[: done.rfind("/")] if "/" in done else ""
        elif rest in (".", ".."):
            rest = ""
        else:
            end = rest.find("/", 1)
            end = len(rest) if end < 0 else end
            done, rest = done + rest[:end], rest[end:]
    return done


if __name__ == "__main__":
    what, program, seed, seconds = sys.argv[1:]
    print(json.dumps(COMPARISONS[what](program, random.Random(f"{what} {seed}"), float(seconds))))
