#!/usr/bin/env python3
"""A person at a browser without scripts of pages: opens the URL of Oracle's login service, is signed in, and does at the
page on localhost what the page's script does with the fragment. Names are resolved by the proxy in HTTPS_PROXY.

Each page is added to $HOME/browser.log as one line of JSON.
"""
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

from browser import Page


class Redirects(urllib.request.HTTPRedirectHandler):
    """A browser keeps the fragment of a redirect to itself; urllib would lose it."""

    def redirect_request(self, *_):
        return None


def open_page(url, body=None, headers=None):
    opener = urllib.request.build_opener(Redirects)
    try:
        return opener.open(urllib.request.Request(url, body, headers or {}), timeout=20)
    except urllib.error.HTTPError as answer:
        return answer


def visit(url):
    pages = []

    def seen(answer, url):
        pages.append({"url": url, "status": answer.status, "headers": dict(answer.headers), "text": answer.read().decode()})
        return pages[-1]

    login = seen(open_page(url), url)
    location, _, fragment = login["headers"].get("Location", "").partition("#")
    if not fragment:
        return pages
    text = seen(open_page(location), location)["text"]
    form = Page(text)
    if form.action is None:  # oci's page
        token = urllib.parse.urljoin(location, "/token?" + fragment)
        seen(open_page(token), token)
        return pages
    fields = {name: value or fragment for name, value in form.fields.items()}
    url = urllib.parse.urljoin(location, form.action)
    seen(open_page(url, urllib.parse.urlencode(fields).encode(), {"Origin": location.rstrip("/")}), url)
    return pages


def main():
    url = sys.argv[-1]
    seen = {"url": url, "pages": []}
    try:
        seen["pages"] = visit(url)
    except OSError as error:
        seen["failed"] = str(error)
    with open(os.path.join(os.environ["HOME"], "browser.log"), "a", encoding="utf-8") as log:
        log.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main()
