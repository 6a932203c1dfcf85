"""A real browser, Debian's Chromium: woci opens it, a person signs in, and woci's pages are checked."""
import contextlib
import re
import signal
import subprocess
import urllib.parse

from browser import PASSWORD, PERSON
from chromium import Chromium, need_chromium
from harness import PEERS, Home, Provider, Run, same, wait
from oci_cloud import Domain

# Reads from a page what the tests check.
FACTS = """
const all = [...document.querySelectorAll('html, body, body *')];
const paper = element => {
    const own = getComputedStyle(element).backgroundColor;
    return own !== 'rgba(0, 0, 0, 0)' || !element.parentElement ? own : paper(element.parentElement);
};
const hasText = element => [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
return {
    lang: document.documentElement.lang,
    title: document.title,
    tooWide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    inks: [...document.querySelectorAll('body, body *:not(script)')].filter(hasText).map(element => [getComputedStyle(element).color, paper(element)]),
    loaded: performance.getEntriesByType('resource').map(entry => entry.name),
    source: document.documentElement.outerHTML,
}
"""
CLOSED = "refused to connect"  # from Chromium's own page, shown when nobody listens


def journey(table):
    home, provider = Home(), None
    # Chromium makes a socket in this folder.
    home.env["TMPDIR"] = str(home.path)
    try:
        setup = None
        with table.proves("Chromium and its driver are installed"):
            need_chromium()
            provider = Provider(home)
            setup = Setup(home, provider)
        if setup:
            signs_in(table, setup)
            says_no(table, setup)
            says_much(table, setup)
            two_tabs(table, setup)
            goes_back(table, setup)
            starts_again(table, setup)
            with table.proves("no process and no profile of Chromium is left"):
                for browser in setup.browsers:
                    same((browser.processes(), browser.driver.poll() is None, browser.profile.exists()), ([], False, False))
    finally:
        if provider:
            provider.stop()
        home.remove()


class Setup:
    def __init__(self, home, provider):
        self.home, self.provider, self.domain = home, provider, Domain(provider.jwks_url)
        self.origin = f"http://127.0.0.1:{home.redirect_port}/"
        self.callback, self.done_page = self.origin + "callback?", self.origin + "done"
        self.browsers = []
        home.manager({"DEFAULT": provider.settings(home, self.domain, provider.public)})

    @contextlib.contextmanager
    def woci(self, browser):
        """Starts a sign-in with `browser` as $BROWSER."""
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
        """Starts a sign-in in Chromium, which shows the provider's first page."""
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
        """The grants of the provider, and the number of UPSTs of the domain, so far."""
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


def signs_in(table, setup):
    with setup.sign_in() as (woci, browser):
        with table.proves("woci opens the browser, the person signs in and consents, woci prints its JSON, and the tab shows woci's page"):
            browser.arrives(setup.provider.url + setup.provider.page)
            log_in(browser)
            consent(browser)
            document = setup.ended(woci, 0).json
            same((document["source"], document["security_token"]), ("authenticated", setup.domain.issued[-1]))
            same(setup.done(), (["authorization_code"], 1))
            browser.arrives(setup.done_page)
            browser.shows("You are signed in", "Profile", "Valid until", "You can close this window")
            same(len(browser.tabs()), 1, "tabs")
        fit(table, setup, browser, "success", [])


def says_no(table, setup):
    with setup.sign_in() as (woci, browser):
        with table.proves("the person denies the sign-in: woci ends with the reason, and its page shows the reason and what to do"):
            before = setup.done()
            log_in(browser)
            refuse(browser)
            same(setup.ended(woci, 1, "access_denied").out, "", "stdout")
            same(setup.done(), before)
            browser.arrives(setup.done_page)
            browser.shows("The sign-in failed", "access_denied: End-User aborted", "What to do now", "woci session authenticate")
        fit(table, setup, browser, "failure", [400])


def says_much(table, setup):
    with setup.sign_in() as (woci, browser):
        with table.proves("an error of the greatest length, with HTML in it, is shown as plain text"):
            markup = "<script>document.title = 'theirs'</script><img src=http://127.0.0.1/>"
            state = urllib.parse.parse_qs(urllib.parse.urlsplit(setup.auth_url()).query)["state"][0]
            browser.go(setup.callback + urllib.parse.urlencode({"error": "w" * 300, "error_description": markup.ljust(300, "w"), "state": state}))
            setup.ended(woci, 1, markup)
            browser.shows("The sign-in failed", "w" * 300, markup)
        fit(table, setup, browser, "longest", [400])


def fit(table, setup, browser, name, statuses):
    with table.proves(f"the {name} page loads nothing, keeps its own Content-Security-Policy, and contains neither code nor state"):
        facts = browser.run(FACTS)
        (asked,) = [url for url, page in browser.requests() if page.startswith(setup.origin)]
        same(browser.url, setup.done_page, "the address bar")
        same(facts["loaded"], [], "what the page loaded")
        complaints = [f"{asked} - Failed to load resource: the server responded with a status of {status}" for status in statuses]
        of_the_page = [complaint for complaint in browser.complaints() if complaint.startswith(setup.origin)]
        same([complaint.split(" (")[0] for complaint in of_the_page], complaints, "the console")
        answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(asked).query))
        for secret in {"code", "state"} & set(answer):
            assert answer[secret] not in facts["source"], f"the {secret} is on the page"
        same(facts["lang"], "en")
        assert facts["title"].startswith("woci: "), facts["title"]

    with table.proves(f"the {name} page is readable in light and dark, and on a narrow phone (pictures in {PEERS.name}/pages)"):
        (PEERS / "pages").mkdir(exist_ok=True)
        papers = {}
        for scheme in ("light", "dark"):
            for screen, width, height in (("desk", 1000, 600), ("phone", 320, 600)):
                browser.look(scheme, width, height)
                (PEERS / f"pages/{name}-{scheme}-{screen}.png").write_bytes(browser.picture())
                facts = browser.run(FACTS)
                same(facts["tooWide"], 0, f"pixels to scroll to the side at {width}")
                papers[scheme] = browser.corner()
                contrast = min(contrast_of(rgb(ink), rgb(paper)) for ink, paper in facts["inks"])
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


def two_tabs(table, setup):
    with table.proves("two tabs with the same URL, one of them finished too late: one session, one grant"), setup.sign_in() as (woci, browser):
        grants, sessions = setup.done()
        (first,) = browser.tabs()
        browser.new_tab()
        browser.go(setup.auth_url())
        log_in(browser)
        consent(browser)
        setup.ended(woci, 0)
        browser.shows("You are signed in")
        browser.turn_to(first)
        log_in(browser)
        consent(browser)
        browser.arrives(setup.callback)
        browser.shows(CLOSED)
        same(setup.done(), ([*grants, "authorization_code"], sessions + 1))
        setup.home.clean()


def goes_back(table, setup):
    with table.proves("back, forward and reload after the sign-in do not hang and change nothing"), setup.sign_in() as (woci, browser):
        grants, sessions = setup.done()
        log_in(browser)
        consent(browser)
        setup.ended(woci, 0)
        browser.shows("You are signed in")
        wander(setup, browser)
        same(setup.done(), ([*grants, "authorization_code"], sessions + 1))
        setup.home.clean()


def wander(setup, browser):
    browser.back()
    browser.arrives(setup.provider.url)
    # The browser may show the page from its cache, or load it again.
    browser.forward()
    browser.arrives(setup.done_page)
    browser.reload()
    browser.shows(CLOSED)


def starts_again(table, setup):
    grants, sessions = setup.done()
    with setup.sign_in() as (woci, browser):
        woci.send_signal(signal.SIGINT)
        setup.ended(woci, -signal.SIGINT)
        with setup.woci("true") as again:
            with table.proves("Ctrl-C, and woci again: the answer in the tab of the first woci is refused, with a page"):
                url = setup.auth_url()
                log_in(browser)
                consent(browser)
                browser.arrives(setup.done_page)
                browser.shows("Not the answer woci waits for", "finish the sign-in in the newest one")
            fit(table, setup, browser, "stray", [400])
            with table.proves("a reload of that page and a favicon change nothing; the answer in the new tab is accepted"):
                browser.reload()
                browser.shows("Nothing here")
                # Chromium loads no favicon if a page's Content-Security-Policy forbids images; other browsers do.
                browser.go(setup.origin + "favicon.ico")
                browser.shows("Nothing here")
                same(again.poll(), None, "woci's end")
                browser.go(url)
                consent(browser)
                setup.ended(again, 0)
                browser.shows("You are signed in")
                same(setup.done(), ([*grants, "authorization_code"], sessions + 1))
