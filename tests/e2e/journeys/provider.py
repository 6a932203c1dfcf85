"""A certified OpenID provider: a person signs in on its own pages, and woci lives on its refresh tokens."""
import base64
import urllib.parse
import urllib.request

from harness import Home, Provider, same, write
from oci_cloud import TENANCY, USER, Domain


def journey(table):
    for kind in ("confidential", "public"):
        home = Home()
        provider = Provider(home)
        domain = Domain(provider.jwks_url)
        try:
            client = getattr(provider, kind)
            home.manager({"DEFAULT": provider.settings(home, domain, client)})
            life(table, kind, home, provider, domain, client)
        finally:
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
        same([query[key] for key in ("response_type", "code_challenge_method", "prompt", "client_id")],
             ["code", "S256", "consent", client["auth_client_id"]])  # fmt: skip
        same([len(query["code_challenge"]), len(query["state"]) >= 43], [43, True])
        assert any("/interaction/" in page["url"] for page in tab["pages"]), "no page of the provider was seen"
        last = tab["pages"][-1]
        same((last["status"], last["headers"]["Cache-Control"]), (200, "no-store"), "woci's page")
        same(provider.grants(), ["authorization_code"], "grants")
        home.clean()

    with table.proves(f"{kind} client: a valid session needs nobody, and says nothing"):
        again = home.woci().expect(0)
        same((again.json["source"], again.err, provider.grants()), ("cached", "", ["authorization_code"]))

    with table.proves(f"{kind} client: three silent refreshes, each with the refresh token of the one before"):
        # A UPST that has less than a minute to live is not used again: each run is a refresh.
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

    with table.proves(f"{kind} client: a used refresh token is refused; with --sign-in never that is an error that says what to run"):
        write(token, seen[0])
        home.woci("--sign-in", "never").expect(1, "invalid_grant", "woci", "session authenticate")
        same(len(home.visits()), 1, "tabs")

    with table.proves(f"{kind} client: … and otherwise a new sign-in"):
        domain.life = 3600
        same(home.woci().expect(0).json["source"], "authenticated")
        same(len(home.visited(2)), 2, "tabs")
        same(home.woci("session", "refresh").expect(0).json["source"], "refreshed")

    with table.proves(f"{kind} client: the session is revoked at the provider (RFC 7009): woci signs in again"):
        revoke(provider, client, token.read_text().strip())
        assert '"revoked":true' in provider.said().replace(" ", ""), "the provider revoked nothing"
        home.woci("session", "refresh", "--sign-in=never").expect(1, "invalid_grant", "session authenticate")
        same(home.woci("session", "refresh").expect(0).json["source"], "authenticated")

    tabs = len(home.visits())
    with table.proves(f"{kind} client: the person says no: the reason is shown, on the page too, and the old session stays"):
        before = {file.name: file.read_bytes() for file in home.session().iterdir() if file.name in ("token", "refresh_token", "private_key.pem")}
        denied = home.woci("session", "authenticate", env={**home.env, "WOCI_E2E_PERSON": "deny"}).expect(1, "access_denied")
        same(denied.out, "", "stdout")
        last = home.visited(tabs + 1)[-1]["pages"][-1]
        assert "/callback" in last["url"], f"the person ended at {last['url']}"
        assert "access_denied" in last["text"] or "End-User" in last["text"], last["text"]
        after = {name: (home.session() / name).read_bytes() for name in before}
        same(after, before, "the session's files")
        same(home.woci().expect(0).json["source"], "cached")

    with table.proves(f"{kind} client: no secret of any of it in what woci said"):
        said = home.woci("session", "refresh", "--log-level", "DEBUG").expect(0).err
        secrets = [token.read_text().strip(), domain.issued[-1], client.get("auth_client_secret", "Basic ")]
        for secret in secrets:
            assert secret not in said and urllib.parse.quote(secret) not in said, f"a secret in {said}"
        same(domain.refused, [], "what the domain refused")


def revoke(provider, client, token):
    form = {"token": token, "token_type_hint": "refresh_token", "client_id": client["auth_client_id"]}
    request = urllib.request.Request(f"{provider.url}/token/revocation")
    if "auth_client_secret" in client:
        form.pop("client_id")
        pair = ":".join(urllib.parse.quote_plus(value) for value in client.values())
        request.add_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    with urllib.request.urlopen(request, urllib.parse.urlencode(form).encode()) as answer:
        same(answer.status, 200, "revocation")
