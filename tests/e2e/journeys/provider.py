"""Two OpenID providers: a person signs in on their pages, and woci uses their refresh tokens."""
import json
import urllib.parse

from glewlwyd import Glewlwyd
from harness import Home, Provider, Skip, holds, same, write
from oci_cloud import TENANCY, USER, Domain


def journey(table):
    for make in (Provider, Glewlwyd):
        for kind in ("confidential", "public"):
            home, provider = Home(), None
            try:
                provider = make(home)
                domain = Domain(provider.jwks_url)
                client = getattr(provider, kind)
                home.manager({"DEFAULT": provider.settings(home, domain, client)})
                life(table, f"{make.name}, {kind}", home, provider, domain, client)
            except Skip as skip:
                table.row(f"{make.name}, {kind} client: sign-in and all other points", "skipped", str(skip))
            finally:
                if provider:
                    provider.stop()
                home.remove()


def life(table, kind, home, provider, domain, client):
    token = home.session() / "refresh_token"

    with table.proves(f"{kind} client: the person signs in and consents on the provider's own pages"):
        document = home.woci().expect(0, "Auth URL: ").json
        same([document[key] for key in ("source", "user", "tenancy", "region", "profile")],
             ["authenticated", USER, TENANCY, "us-ashburn-1", "DEFAULT"])  # fmt: skip
        same(document["security_token"], domain.issued[-1], "UPST")
        (tab,) = home.visited(1)
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(tab["url"]).query))
        same([query[key] for key in ("response_type", "code_challenge_method", "client_id")],
             ["code", "S256", client["auth_client_id"]])  # fmt: skip
        assert tab["url"].startswith(provider.settings(home, domain, client)["authz_base_url"] + "&"), tab["url"]
        same([len(query["code_challenge"]), len(query["state"]) >= 43], [43, True])
        assert any(provider.page in page["url"] for page in tab["pages"]), "no page of the provider was seen"
        last = tab["pages"][-1]
        same((last["status"], last["headers"]["Cache-Control"]), (200, "no-store"), "woci's page")
        # `iss` comes from RFC 9207.
        same(set(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(last["url"]).query))), {"code", "state", "iss"})
        same(provider.grants(), ["authorization_code"], "grants")
        home.clean()

    with table.proves(f"{kind} client: a valid session is used without a person and without a message"):
        again = home.woci().expect(0)
        same((again.json["source"], again.err, provider.grants()), ("cached", "", ["authorization_code"]))

    with table.proves(f"{kind} client: three silent refreshes, each with the refresh token of the one before it"):
        # A UPST with less than a minute left is not used again, so each run is a refresh.
        domain.life = 30
        seen = [token.read_text()]
        home.woci("session", "refresh").expect(0)
        for _ in range(3):
            seen.append(token.read_text())
            same(home.woci().expect(0).json["source"], "refreshed")
        seen.append(token.read_text())
        same(len(set(seen)), 5, "refresh tokens")
        same(provider.grants()[1:], ["refresh_token"] * 4, "grants")
        same(len(home.visits()), 1, "tabs")
        home.clean()

    with table.proves(f"{kind} client: a used refresh token is refused; with --sign-in never, the error names the command to run"):
        write(token, seen[0])
        home.woci("--sign-in", "never").expect(1, provider.refusal, "woci", "session authenticate")
        if provider.by_hand:
            home.woci().expect(1, provider.refusal, "session authenticate")
        same(len(home.visits()), 1, "tabs")

    with table.proves(f"{kind} client: … and {'that command' if provider.by_hand else 'without it, a new sign-in'} makes a new session"):
        domain.life = 3600
        same(home.woci(*provider.by_hand).expect(0).json["source"], "authenticated")
        same(len(home.visited(2)), 2, "tabs")
        same(home.woci("session", "refresh").expect(0).json["source"], "refreshed")

    with table.proves(f"{kind} client: the same if the session is revoked at the provider"):
        provider.revoke(client, token.read_text().strip())
        home.woci("session", "refresh", "--sign-in=never").expect(1, provider.refusal, "session authenticate")
        same(home.woci(*(provider.by_hand or ["session", "refresh"])).expect(0).json["source"], "authenticated")

    with table.proves(f"{kind} client: woci prints no secret, not even with --log-level DEBUG"):
        said = home.woci("session", "refresh", "--log-level", "DEBUG").expect(0).err
        secrets = [token.read_text().strip(), domain.issued[-1], client.get("auth_client_secret", "Basic ")]
        for secret in secrets:
            assert secret not in said and urllib.parse.quote(secret) not in said, f"a secret in {said}"
        same(domain.refused, [], "what the domain refused")

    tabs = len(home.visits())
    with table.proves(f"{kind} client: the person denies the sign-in: terminal and page show the reason, and the old session stays"):
        before = {file.name: file.read_bytes() for file in home.session().iterdir() if file.name in ("token", "refresh_token", "private_key.pem")}
        denied = home.woci("session", "authenticate", env={**home.env, "WOCI_E2E_PERSON": "deny"}).expect(1, provider.denial[0])
        same(denied.out, "", "stdout")
        last = home.visited(tabs + 1)[-1]["pages"][-1]
        assert "/callback" in last["url"], f"the person ended at {last['url']}"
        holds(last["text"], *provider.denial)
        after = {name: (home.session() / name).read_bytes() for name in before}
        same(after, before, "the session's files")
        same(home.woci().expect(0).json["source"], "cached")

    discovered(table, kind, home, provider, domain, client)


def discovered(table, kind, home, provider, domain, client):
    """The same provider as a profile of its issuer and client IDs."""
    settings = provider.settings(home, domain, client)
    endpoints = {key: settings.pop(key) for key in ("authz_base_url", "token_url")}
    settings |= {"issuer": provider.issuer, "authz_params": provider.authz_params}
    home.manager({"discovered": settings, "other": {**settings, "issuer": "https://other.example"}})
    woci = ["--profile", "discovered"]
    copy = home.session("discovered") / "discovery.json"

    with table.proves(f"{kind} client: its issuer and client IDs alone sign in and refresh, and a refresh reads no document again"):
        grants = provider.grants()
        same(home.woci(*woci).expect(0).json["source"], "authenticated")
        document, record = json.loads(copy.read_text()), json.loads((home.session("discovered") / "session.json").read_text())
        same((document["token_endpoint"], record["token_url"], record["issuer"]), (endpoints["token_url"], endpoints["token_url"], provider.issuer))
        same(document["authorization_endpoint"], endpoints["authz_base_url"].split("?")[0])
        before = copy.read_bytes()
        for _ in range(2):
            same(home.woci("session", "refresh", *woci).expect(0).json["source"], "refreshed")
        same(copy.read_bytes(), before, "the copy of the document")
        same(provider.grants()[len(grants) :], ["authorization_code", "refresh_token", "refresh_token"], "grants")
        same(home.woci(*woci).expect(0).err, "", "stderr of a run with a valid session")
        home.clean("discovered")

    with table.proves(f"{kind} client: an old copy is read again at the provider"):
        write(copy, json.dumps({**document, "read_at": document["read_at"] - 90_000}))
        home.woci("session", "refresh", *woci).expect(0)
        assert json.loads(copy.read_text())["read_at"] >= document["read_at"], "the document was not read again"

    with table.proves(f"{kind} client: a document that names another issuer than expected is refused before the browser opens"):
        tabs = len(home.visits())
        home.woci("session", "authenticate", *woci, "--issuer-expected", "https://other.example").expect(1, provider.issuer, "https://other.example")
        same(len(home.visits()), tabs, "tabs")

    with table.proves(f"{kind} client: the real answer of the provider is refused if it names another issuer than expected (RFC 9207)"):
        grants = provider.grants()
        explicit = ["--authz-base-url", endpoints["authz_base_url"], "--token-url", endpoints["token_url"]]
        run = home.woci("session", "authenticate", *woci, *explicit, "--issuer-expected", "https://other.example")
        run.expect(1, "the answer names the issuer", provider.issuer, "https://other.example")
        same(provider.grants(), grants, "grants")
        same(home.woci(*woci).expect(0).json["source"], "cached")
