#!/usr/bin/env python3
"""A person at a browser: opens the URL that woci gives it, signs in and consents on the provider's own pages, and ends
at woci's page.

WOCI_E2E_PERSON says what the person does: `allow` (the default), `deny` (refuses at the consent page) or `away` (opens
nothing). Each visit is added to $HOME/browser.log as one line of JSON.
"""
import html.parser
import http.cookiejar
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

PERSON, PASSWORD = "ada", "a password of hers"


class Page(html.parser.HTMLParser):
    """The first form of a page, and the links of the page."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields, self.links = None, {}, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form" and self.action is None:
            self.action = attributes.get("action")
        if tag == "input" and attributes.get("name"):
            self.fields[attributes["name"]] = attributes.get("value") or ""
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])


class Elsewhere(urllib.request.HTTPRedirectHandler):
    """Stops at an address that cannot be reached. It is what the address bar shows then."""

    def __init__(self, unreachable):
        self.unreachable, self.stopped = unreachable, None

    def redirect_request(self, request, file, code, message, headers, address):
        if self.unreachable and address.startswith(self.unreachable):
            self.stopped = address
            return None
        return super().redirect_request(request, file, code, message, headers, address)


class Browser:
    def __init__(self, unreachable=None):
        jar = http.cookiejar.CookieJar()
        self.elsewhere = Elsewhere(unreachable)
        handlers = [urllib.request.HTTPCookieProcessor(jar), urllib.request.ProxyHandler({}), self.elsewhere]
        self.opener = urllib.request.build_opener(*handlers)

    def open(self, url, body=None):
        try:
            return self.opener.open(urllib.request.Request(url, body), timeout=20)
        except urllib.error.HTTPError as error:  # its body is a page as well
            return error

    def call(self, method, url, document=None):
        """A request as a script of a page makes it."""
        request = urllib.request.Request(url, method=method)
        if document is not None:
            request.data = json.dumps(document).encode()
            request.add_header("Content-Type", "application/json")
        self.opener.open(request, timeout=20).close()


def scripted(browser, url, person):
    """Does what the script of glewlwyd's page does when the person signs in, chooses the scopes and continues. Returns
    the URL that the page opens next. For `deny`, the person grants as few scopes as the page allows."""
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    browser.call("POST", urllib.parse.urljoin(url, "api/auth/"), {"username": PERSON, "password": PASSWORD})
    granted = "openid" if person == "deny" else query["scope"]
    grant = "api/auth/grant/" + urllib.parse.quote(query["client_id"])
    browser.call("PUT", urllib.parse.urljoin(url, grant), {"scope": granted})
    return query["callback_url"] + "&g_continue"


def visit(url, person, unreachable=None):
    """The pages until the last one. The browser is on another machine if it cannot reach the address `unreachable`."""
    browser, pages, body = Browser(unreachable), [], None
    for _ in range(10):
        answer = browser.open(url, body)
        text = answer.read().decode()
        address = browser.elsewhere.stopped or answer.geturl()
        pages.append({"url": address, "status": answer.status, "headers": dict(answer.headers), "text": text})
        parts = urllib.parse.urlsplit(address)
        # glewlwyd's last page after a device code.
        if parts.path == "/callback" or "prompt=deviceComplete" in parts.query:
            break
        if parts.path == "/login.html":
            url, body = scripted(browser, address, person), None
            continue
        page = Page(text)
        ways_out = [link for link in page.links if link.endswith("/abort")]
        if person == "deny" and ways_out:
            url, body = urllib.parse.urljoin(address, ways_out[0]), None
            continue
        if page.action is None:
            break
        if "login" in page.fields:
            page.fields.update(login=PERSON, password=PASSWORD)
        url, body = urllib.parse.urljoin(address, page.action), urllib.parse.urlencode(page.fields).encode()
    return pages


def main():
    person = os.environ.get("WOCI_E2E_PERSON", "allow")
    url = sys.argv[-1]
    seen = {"url": url, "person": person, "pages": []}
    if person != "away":
        try:
            seen["pages"] = visit(url, person)
        except OSError as error:
            seen["failed"] = str(error)
    with open(os.path.join(os.environ["HOME"], "browser.log"), "a", encoding="utf-8") as log:
        log.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main()
