"""A real browser: Debian's Chromium, opened by woci, driven as a person would, and what the person then sees."""
import contextlib
import re
import signal
import subprocess
import threading
import urllib.parse

from browser import PASSWORD, PERSON
from chromium import Chromium, need_chromium
from harness import PEERS, Home, Provider, Run, same, wait
from oci_cloud import Domain

# What a look at a page says about it.
FACTS = """
const all = [...document.querySelectorAll('html, body, body *')];
const hasText = element => [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
return {
    lang: document.documentElement.lang,
    title: document.title,
    tooWide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    inks: all.filter(hasText).map(element => getComputedStyle(element).color),
    papers: all.map(element => getComputedStyle(element).backgroundColor),
    loaded: performance.getEntriesByType('resource').map(entry => entry.name),
    source: document.documentElement.outerHTML,
}
"""
CLOSED = "refused to connect"  # Chromium's own page, where nobody listens


def journey(table):
    home, provider = Home(), None
    # Chromium puts a socket there.
    home.env["TMPDIR"] = str(home.path)
    try:
        desk = None
        with table.proves("there is a Chromium, and a driver for it"):
            need_chromium()
            provider = Provider(home)
            desk = Desk(home, provider)
        if desk:
            signs_in(table, desk)
            says_no(table, desk)
            says_much(table, desk)
            two_tabs(table, desk)
            goes_back(table, desk)
            starts_again(table, desk)
            with table.proves("no process and no profile of any Chromium is left"):
                for browser in desk.browsers:
                    same((browser.processes(), browser.driver.poll() is None, browser.profile.exists()), ([], False, False))
    finally:
        if provider:
            provider.stop()
        home.remove()


class Unhurried(Domain):
    """Answers when it may: until then woci is at work."""

    def __init__(self, jwks_url):
        self.asked, self.may = threading.Event(), threading.Event()
        self.may.set()
        super().__init__(jwks_url)

    def handle(self, request, body):
        self.asked.set()
        self.may.wait(20)
        return super().handle(request, body)

    @contextlib.contextmanager
    def held(self):
        self.asked.clear()
        self.may.clear()
        try:
            yield
        finally:
            self.may.set()


class Desk:
    def __init__(self, home, provider):
        self.home, self.provider, self.domain = home, provider, Unhurried(provider.jwks_url)
        self.origin = f"http://127.0.0.1:{home.redirect_port}/"
        self.callback = self.origin + "callback?"
        self.browsers = []
        home.manager({"DEFAULT": provider.settings(home, self.domain, provider.public)})

    @contextlib.contextmanager
    def woci(self, browser):
        """A sign-in under way, `browser` being $BROWSER."""
        with (self.home.path / "said").open("w+") as said:
            env = {**self.home.env, "BROWSER": browser}
            woci = self.home.start("session", "authenticate", env=env, stdout=subprocess.PIPE, stderr=said, text=True)
            try:
                yield woci
            finally:
                woci.kill()
                woci.communicate()

    @contextlib.contextmanager
    def sign_in(self):
        """woci, and the Chromium that it opened, at the provider's first page."""
        with Chromium(self.home) as browser, self.woci(browser.command) as woci:
            self.browsers.append(browser)
            browser.attach()
            yield woci, browser

    def said(self):
        return (self.home.path / "said").read_text()

    def auth_url(self):
        return wait(lambda: re.search(r"Auth URL: (\S+)\n", self.said()), "the URL")[1]

    def ended(self, woci, code, *parts):
        out, _ = woci.communicate(timeout=20)
        return Run(woci.args, woci.returncode, out, self.said(), 0).expect(code, *parts)

    def done(self):
        """What the provider granted and the domain issued so far."""
        return self.provider.grants(), len(self.domain.issued)


def log_in(browser):
    browser.type("input[name=login]", PERSON)
    browser.type("input[name=password]", PASSWORD)
    browser.click("button[type=submit]")
    browser.find("input[value=consent]")


def consent(browser):
    browser.click("input[value=consent] ~ button")


def refuse(browser):
    browser.click("a[href$='/abort']")


def signs_in(table, desk):
    with desk.sign_in() as (woci, browser):
        with table.proves("woci opens it; the person types, clicks and consents; woci prints its JSON, the tab ends at woci's page"):
            browser.arrives(desk.provider.url + desk.provider.page)
            log_in(browser)
            consent(browser)
            document = desk.ended(woci, 0).json
            same((document["source"], document["security_token"]), ("authenticated", desk.domain.issued[-1]))
            same(desk.done(), (["authorization_code"], 1))
            browser.arrives(desk.callback)
            browser.shows("Signed in at your provider", "You can close this window", "terminal")
            same(len(browser.tabs()), 1, "tabs")
        fit(table, desk, browser, "success", [])


def says_no(table, desk):
    with desk.sign_in() as (woci, browser):
        with table.proves("the person says no: woci ends with the reason; its page says that too, and what to do"):
            before = desk.done()
            log_in(browser)
            refuse(browser)
            same(desk.ended(woci, 1, "access_denied").out, "", "stdout")
            same(desk.done(), before)
            browser.arrives(desk.callback)
            browser.shows("Not signed in", "access_denied: End-User aborted", "To try again", "woci session authenticate")
        fit(table, desk, browser, "failure", [400])


def says_much(table, desk):
    with desk.sign_in() as (woci, browser):
        with table.proves("an answer as long as it can be, with HTML in it, is shown as the words that it is"):
            markup = "<script>document.title = 'theirs'</script><img src=http://127.0.0.1/>"
            state = urllib.parse.parse_qs(urllib.parse.urlsplit(desk.auth_url()).query)["state"][0]
            browser.go(desk.callback + urllib.parse.urlencode({"error": "w" * 300, "error_description": markup.ljust(300, "w"), "state": state}))
            desk.ended(woci, 1, markup)
            browser.shows("Not signed in", "w" * 300, markup)
        fit(table, desk, browser, "longest", [400])


def fit(table, desk, browser, name, statuses):
    with table.proves(f"the {name} page asks for nothing else, breaks no rule of its own, and holds no code and no state"):
        facts = browser.run(FACTS)
        same([url for url, page in browser.requests() if page.startswith(desk.origin)], [browser.url], "requests")
        same(facts["loaded"], [], "what the page loaded")
        complaints = [f"{browser.url} - Failed to load resource: the server responded with a status of {status}" for status in statuses]
        of_the_page = [complaint for complaint in browser.complaints() if complaint.startswith(desk.origin)]
        same([complaint.split(" (")[0] for complaint in of_the_page], complaints, "the console")
        answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(browser.url).query))
        for secret in {"code", "state"} & set(answer):
            assert answer[secret] not in facts["source"], f"the {secret} is on the page"
        same(facts["lang"], "en")
        assert facts["title"].startswith("woci: "), facts["title"]

    with table.proves(f"the {name} page can be read in light and dark, and on a narrow phone: pictures in {PEERS.name}/pages"):
        (PEERS / "pages").mkdir(exist_ok=True)
        papers = {}
        for scheme in ("light", "dark"):
            for screen, width, height in (("desk", 1000, 600), ("phone", 320, 600)):
                browser.look(scheme, width, height)
                (PEERS / f"pages/{name}-{scheme}-{screen}.png").write_bytes(browser.picture())
                facts = browser.run(FACTS)
                same(facts["tooWide"], 0, f"pixels to scroll to the side at {width}")
                same(set(facts["papers"]), {"rgba(0, 0, 0, 0)"}, "backgrounds of elements, that of the page shining through")
                papers[scheme] = browser.corner()
                contrast = min(contrast_of(rgb(ink), papers[scheme]) for ink in facts["inks"])
                assert contrast >= 4.5, f"contrast {contrast} in {scheme}"
        assert luminance(papers["light"]) > 0.5 > luminance(papers["dark"]), papers


def rgb(colour):
    return tuple(map(int, re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour).groups()))


def contrast_of(ink, paper):
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    darker, lighter = sorted([luminance(ink), luminance(paper)])
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    linear = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def two_tabs(table, desk):
    with table.proves("two tabs with the same URL, one left behind and finished too late: one session, one grant"), desk.sign_in() as (woci, browser):
        grants, sessions = desk.done()
        (first,) = browser.tabs()
        browser.new_tab()
        browser.go(desk.auth_url())
        log_in(browser)
        consent(browser)
        desk.ended(woci, 0)
        browser.shows("Signed in at your provider")
        browser.turn_to(first)
        log_in(browser)
        consent(browser)
        browser.arrives(desk.callback)
        browser.shows(CLOSED)
        same(desk.done(), ([*grants, "authorization_code"], sessions + 1))
        desk.home.clean()


def goes_back(table, desk):
    with table.proves("back, forward and reload, while woci still works and afterwards, hang nowhere and change nothing"), desk.sign_in() as (woci, browser):
        grants, sessions = desk.done()
        with desk.domain.held():
            log_in(browser)
            consent(browser)
            browser.shows("Signed in at your provider")
            assert desk.domain.asked.wait(20), "woci did not go on"
            wander(desk, browser)
            same(woci.poll(), None, "woci's end")
        desk.ended(woci, 0)
        wander(desk, browser)
        same(desk.done(), ([*grants, "authorization_code"], sessions + 1))
        desk.home.clean()


def wander(desk, browser):
    browser.back()
    browser.arrives(desk.provider.url)
    # The page as it was, or asked for again: that is up to the browser.
    browser.forward()
    browser.arrives(desk.callback)
    browser.reload()
    browser.shows(CLOSED)


def starts_again(table, desk):
    grants, sessions = desk.done()
    with desk.sign_in() as (woci, browser):
        woci.send_signal(signal.SIGINT)
        desk.ended(woci, -signal.SIGINT)
        with desk.woci("true") as again:
            with table.proves("Ctrl-C, and woci once more: the answer in the first one's tab is turned away, with a page"):
                url = desk.auth_url()
                log_in(browser)
                consent(browser)
                browser.arrives(desk.callback)
                browser.shows("Not the answer woci waits for", "finish the sign-in in the newest one")
            fit(table, desk, browser, "stray", [400])
            with table.proves("a reload of that and a favicon change nothing; the new tab's answer is taken"):
                browser.reload()
                browser.shows("Not the answer woci waits for")
                # Chromium asks for no favicon where a page's Content-Security-Policy forbids images; others do.
                browser.go(desk.origin + "favicon.ico")
                browser.shows("Nothing here")
                same(again.poll(), None, "woci's end")
                browser.go(url)
                consent(browser)
                desk.ended(again, 0)
                browser.shows("Signed in at your provider")
                same(desk.done(), ([*grants, "authorization_code"], sessions + 1))
