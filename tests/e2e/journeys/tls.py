"""TLS in company networks: a private CA, bad certificates, proxies, a captive portal."""
import os
import shutil
import ssl

from harness import HERE, VENV, WOCI, Home, Provider, Skip, free_port, run, same, write
from network import Proxy, Tls
from oci_cloud import Domain
from syscalls import Trace

IDP, DOMAIN = "idp.example.test", "domain.example.test"
PORTAL = b"HTTP/1.1 %s\r\nContent-Type: text/html\r\n%sContent-Length: 52\r\nConnection: close\r\n\r\n<html><title>Hotel Wi-Fi</title>Please log in</html>"


def journey(table):
    home = Home()
    provider = Provider(home)
    domain = Domain(provider.jwks_url)
    try:
        company = Company(home, provider, domain)
        good(table, company)
        bad(table, company)
        proxies(table, company)
        portals(table, company)
    finally:
        provider.stop()
        home.remove()


class Company:
    def __init__(self, home, provider, domain):
        self.home, self.provider, self.domain = home, provider, domain
        self.certificates = home.path / "certificates"
        self.certificates.mkdir()
        run([VENV / "python", HERE / "peers/certificates.py", self.certificates]).expect(0)
        settings = provider.settings(home, domain, provider.confidential)
        # The browser opens 127.0.0.1. The endpoints that woci calls have host names and TLS.
        settings["token_url"] = f"https://{IDP}/token"
        settings["token_exchange_url"] = f"https://{DOMAIN}/oauth2/v1/token"
        home.manager({"DEFAULT": settings})
        self.tls = {name: self.front("good", service) for name, service in ((IDP, provider), (DOMAIN, domain))}
        self.proxy = self.proxy_to(self.tls[IDP], self.tls[DOMAIN])

    def front(self, certificate, service, **options):
        return Tls(self.certificates / f"{certificate}.pem", service.port, **options)

    def proxy_to(self, idp, domain=None, **options):
        domain = domain or self.tls[DOMAIN]
        return Proxy({f"{IDP}:443": idp.port, f"{DOMAIN}:443": domain.port}, **options)

    def env(self, proxy=None, **more):
        trusted = {"SSL_CERT_FILE": str(self.certificates / "ca.pem"), "HTTPS_PROXY": (proxy or self.proxy).url}
        env = {**self.home.env, **trusted, **more}
        return {name: value for name, value in env.items() if value is not None}

    def refresh(self, proxy=None, **more):
        return self.home.woci("session", "refresh", env=self.env(proxy, **more))

    def traced_refresh(self, home, strace):
        return run(["strace", "-f", "-qq", *strace, WOCI, "session", "refresh"], env=self.env(), cwd=home.path).code

    def refused(self, said, proxy=None, **more):
        """Checks for exit 1 with the reason, no grant, unchanged files, and no browser tab."""
        session = self.home.session()
        before = {file: (session / file).read_bytes() for file in ("token", "refresh_token", "private_key.pem")}
        grants, tabs = self.provider.grants(), len(self.home.visits())
        done = self.refresh(proxy, **more).expect(1, *said)
        same(done.err.count("woci: "), 1, "lines of the error")
        same({file: (session / file).read_bytes() for file in before}, before, "the session's files")
        same((self.provider.grants(), len(self.home.visits())), (grants, tabs), "grants and tabs")
        self.refresh().expect(0)
        return done


def good(table, company):
    home = company.home

    with table.proves("a private CA in SSL_CERT_FILE, through a proxy that resolves the names: sign-in and refresh work"):
        same(home.woci(env=company.env()).expect(0).json["source"], "authenticated")
        same(company.refresh().expect(0).json["source"], "refreshed")
        same(company.proxy.asked, [f"CONNECT {IDP}:443", f"CONNECT {DOMAIN}:443"] * 2)

    with table.proves("from the last byte of the token request to the rename, the only calls are reads, write, fsync and rename, also with TLS"):
        if not shutil.which("strace"):
            raise Skip("strace is not installed")
        traced = Trace(home, company.traced_refresh)
        same([name for name in traced.names_in_window() if name != "recvfrom"], ["write", "fsync", "rename"])

    with table.proves("a private CA in SSL_CERT_DIR, with a name as c_rehash makes it"):
        if not shutil.which("openssl"):
            raise Skip("openssl is not installed")
        folder = home.path / "certs"
        folder.mkdir()
        ca = company.certificates / "ca.pem"
        name = run(["openssl", "x509", "-in", ca, "-noout", "-subject_hash"]).expect(0).out.strip()
        shutil.copy(ca, folder / f"{name}.0")
        company.refresh(SSL_CERT_FILE=None, SSL_CERT_DIR=str(folder)).expect(0)

    for variable in ("OCI_CLI_CERT_BUNDLE", "REQUESTS_CA_BUNDLE"):
        with table.proves(f"a private CA in {variable}, as oci is given it, through a proxy: it is trusted beside the system's store"):
            count = len(company.proxy.asked)
            bundle = {variable: str(company.certificates / "ca.pem")}
            same(company.refresh(SSL_CERT_FILE=None, **bundle).expect(0).json["source"], "refreshed")
            same(company.proxy.asked[count:], [f"CONNECT {IDP}:443", f"CONNECT {DOMAIN}:443"])
            # An empty variable is unset, and a bundle that cannot be read is named.
            company.refused(("SSL_CERT_FILE", IDP), SSL_CERT_FILE=None, **{variable: ""})
            company.refused((variable, "/no/such.pem"), SSL_CERT_FILE=None, **{variable: "/no/such.pem"})
            # SSL_CERT_FILE does not hide the bundle.
            other = write(company.home.path / "other-ca.pem", (company.certificates / "self-signed.pem").read_bytes())
            company.refresh(SSL_CERT_FILE=str(other), **bundle).expect(0)

    with table.proves("a private CA in the system's store (in a mount namespace)"):
        store = home.path / "store"
        store.mkdir()
        shutil.copy(company.certificates / "ca.pem", store / "ca-certificates.crt")
        if os.geteuid() or not shutil.which("unshare") or not os.path.isdir("/etc/ssl/certs"):
            raise Skip("this needs root, unshare and Linux")
        if run(["unshare", "--mount", "true"]).code:
            raise Skip("mount namespaces are not allowed here")
        mount = 'mount --bind "$1" /etc/ssl/certs && shift && exec "$@"'
        env = company.env(SSL_CERT_FILE=None)
        run(["unshare", "--mount", "sh", "-ec", mount, "sh", store, WOCI, "session", "refresh"], env=env).expect(0)

    with table.proves("an intermediate certificate that the server sends is used"):
        company.refresh(company.proxy_to(company.front("intermediate", company.provider))).expect(0)

    for version in ("TLSv1_2", "TLSv1_3"):
        with table.proves(f"a server with {version.replace('_', '.').replace('v', ' ')} only is accepted"):
            wanted = getattr(ssl.TLSVersion, version)
            front = company.front("good", company.provider, versions=(wanted, wanted))
            company.refresh(company.proxy_to(front)).expect(0)
            same(front.spoken, [version.replace("_", ".")])


def bad(table, company):
    for certificate, what, said in [
        ("expired", "an expired certificate", ("expired",)),
        ("not-yet", "a certificate of tomorrow", ("not valid yet",)),
        ("wrong-host", "a certificate of another host", ("for another host", IDP)),
        ("self-signed", "a self-signed certificate", ("SSL_CERT_FILE",)),
        ("no-intermediate", "an intermediate certificate that the server does not send", ("SSL_CERT_FILE",)),
    ]:
        for host, service in ((IDP, company.provider), (DOMAIN, company.domain)):
            where = "the provider" if host == IDP else "the identity domain"
            with table.proves(f"{what} at {where}: refused, with the reason"):
                front = company.front(certificate, service)
                if host == IDP:
                    company.refused((*said, f"https://{IDP}/token"), company.proxy_to(front))
                else:
                    # The refresh token was spent before. The next one is stored, and the next run needs no person.
                    proxy = company.proxy_to(company.tls[IDP], front)
                    said_here = [part.replace(IDP, DOMAIN) for part in said]
                    company.refresh(proxy).expect(1, *said_here, f"https://{DOMAIN}/oauth2/v1/token")
                    same(company.refresh().expect(0).json["source"], "refreshed")

    with table.proves("an unknown CA: refused, and the error names SSL_CERT_FILE"):
        company.refused(("SSL_CERT_FILE", IDP), SSL_CERT_FILE=None)

    with table.proves("`woci doctor --online` names an unknown CA and an expired certificate with their host and what to do"):
        for certificate, env, said in [("good", {"SSL_CERT_FILE": None}, "SSL_CERT_FILE"), ("expired", {}, "expired")]:
            proxy = company.proxy_to(company.front(certificate, company.provider))
            checks = company.home.woci("doctor", "--online", env=company.env(proxy, **env)).expect(1).json["checks"]
            texts = [f"{one['what']}; {one['remedy']}" for one in checks if one["check"] == "reach" and one["state"] == "wrong"]
            assert any(IDP in text and said in text for text in texts), checks

    with table.proves("SSL_CERT_FILE is missing or has no certificate: the error names its path"):
        nothing = write(company.home.path / "nothing.pem", "no certificate\n")
        for path in (nothing, company.home.path / "missing.pem"):
            company.refused((str(path),), SSL_CERT_FILE=str(path))

    with table.proves("plain http on the port of https: the error says so"):
        company.refused((f"https://{IDP}/token", "TLS"), company.proxy_to(company.provider))


def proxies(table, company):
    with table.proves("with NO_PROXY, woci resolves the name itself and does not use the proxy"):
        proxy = company.proxy_to(company.tls[IDP])
        company.refused((IDP,), proxy, NO_PROXY=f"intranet,{IDP}")
        company.refused((IDP,), proxy, NO_PROXY=".example.test")
        same(proxy.asked, [], "what the proxy was asked")

    with table.proves("https_proxy in lower case works too, and a loopback host is never proxied"):
        proxy = company.proxy_to(company.tls[IDP])
        company.refresh(HTTPS_PROXY=None, https_proxy=proxy.url).expect(0)
        same(len(proxy.asked), 2, "requests to the proxy")
        local = (f"--token-url=https://localhost:{company.tls[IDP].port}/token", "session", "refresh", "--profile", "local",
                 f"--token-exchange-url=https://127.0.0.1:{company.tls[DOMAIN].port}/oauth2/v1/token")  # fmt: skip
        text = (company.home.oci / "woci_manager.ini").read_text()
        write(company.home.oci / "local.ini", text.replace("[DEFAULT]", "[local]"))
        same(company.home.woci(*local, f"--manager-config={company.home.oci / 'local.ini'}", env=company.env(proxy)).expect(0).json["source"], "authenticated")
        same(len(proxy.asked), 2, "requests to the proxy")

    with table.proves("a proxy that needs a password: the error says so; with a password in HTTPS_PROXY it works, and woci does not print it"):
        password = "user:s3cret pass"
        proxy = company.proxy_to(company.tls[IDP], password=password)
        company.refused((f"127.0.0.1:{proxy.port}", "asks for a password", "HTTPS_PROXY"), proxy)
        named = f"http://user:s3cret%20pass@127.0.0.1:{proxy.port}"
        done = company.home.woci("session", "refresh", "--log-level=DEBUG", env=company.env(HTTPS_PROXY=named)).expect(0)
        assert "s3cret" not in done.err, done.err
        wrong = company.refused(("asks for a password",), HTTPS_PROXY=f"http://user:wr0ng@127.0.0.1:{proxy.port}")
        assert "wr0ng" not in wrong.err, wrong.err

    with table.proves("a proxy that is down or does not know the host: the error names the proxy"):
        port = free_port()
        company.refused((f"127.0.0.1:{port}",), HTTPS_PROXY=f"http://127.0.0.1:{port}")
        company.refused(("502", "proxy"), Proxy({}))


def portals(table, company):
    pem = company.certificates / "good.pem"
    with table.proves("a captive portal answers with HTML instead of the provider: the error says so, nothing is lost, no browser opens"):
        for sends_close_notify in (True, False):  # many servers end a TLS connection without close_notify
            portal = Tls(pem, answer=PORTAL % (b"200 OK", b""), sends_close_notify=sends_close_notify)
            company.refused(("https://" + IDP, "not a JSON", "sign-in page"), company.proxy_to(portal))

    with table.proves("a captive portal redirects: woci does not follow, and the error says so"):
        away = b"Location: https://wifi.example.test/login\r\n"
        company.refused(("302",), company.proxy_to(Tls(pem, answer=PORTAL % (b"302 Found", away))))

    with table.proves("a captive portal answers instead of the proxy: the error says so"):
        company.refused(("proxy",), Proxy({}, answer=PORTAL % (b"200 OK", b"")))
        company.refused(("proxy", "302"), Proxy({}, answer=PORTAL % (b"302 Found", b"Location: http://wifi.example.test/\r\n")))

    with table.proves("a captive portal with a certificate of its own: refused"):
        company.refused(("for another host",), company.proxy_to(Tls(company.certificates / "wrong-host.pem", answer=PORTAL % (b"200 OK", b""))))

    with table.proves("HTML from the identity domain after a good refresh: the next run needs no person"):
        proxy = company.proxy_to(company.tls[IDP], Tls(pem, answer=PORTAL % (b"200 OK", b"")))
        company.refresh(proxy).expect(1, f"https://{DOMAIN}")
        tabs = len(company.home.visits())
        same(company.refresh().expect(0).json["source"], "refreshed")
        same(len(company.home.visits()), tabs, "tabs")
