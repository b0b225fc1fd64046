"""The page of HTTP: what it holds, and what a browser shows of a bug, an outage and hostile names."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import re
import signal
import socket
import subprocess
import unittest
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from browser import IS_INSTALLED, Browser
from clock import eventually
from harness import ROOT, TOOLBOX, UNRULY, Daemon, DaemonTest, breaker, pool, section, static_pool
from http_client import HttpTest, Response, Stream

SOURCE = ROOT / "daemon/io/frontend/page"

# Bytes that the page may have.
SIZE_MAX = 100 * 1024

# Streams that the daemon has at most.
STREAMS = 16

# Connections that a browser has to one host at most.
BROWSER_CONNECTIONS = 6

# Where screenshots are put, to be looked at; "": nowhere.
SCREENSHOTS = os.environ.get("POOLD_SCREENSHOTS", "")

# A name that would do harm where it is not taken for text: as HTML, to a terminal, to a reader.
HOSTILE = "<img src=x onerror=window.harmed=1>\"'&\n\x1b[31m\u202egnp.exe"
HARMLESS = "<img src=x onerror=window.harmed=1>\"'&\\u{a}\\u{1b}[31m\\u{202e}gnp.exe"

# A look at a page costs the browser a good deal, and the page itself changes once a second.
seen = functools.partial(eventually, least_pause=0.1)

needs_browser = unittest.skipUnless(IS_INSTALLED, "chromium and chromedriver are not installed")


class Document(HTMLParser):
    """Which elements there are, with their attributes, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {}
        self._raw = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._raw = tag

    def handle_data(self, data: str) -> None:
        if self._raw:
            self.raw[self._raw] = self.raw.get(self._raw, "") + data

    def handle_endtag(self, tag: str) -> None:
        if tag == self._raw:
            self._raw = ""


def hash_of(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class Held(HttpTest):
    """Without a browser."""

    def setUp(self) -> None:
        super().setUp()
        self.start_http(pool("one", TOOLBOX, workers=2), static_pool("two", answer="1"))

    def page(self) -> Response:
        return self.get("/")

    def test_its_policy_allows_just_what_is_in_it(self) -> None:
        page = self.page()
        document = Document(page.text)
        policy = dict(part.split(" ", 1) for part in
                      page.headers["content-security-policy"].split("; "))
        self.assertEqual(policy, {
            "default-src": "'none'",
            "script-src": f"'sha256-{hash_of(document.raw['script'])}'",
            "style-src": f"'sha256-{hash_of(document.raw['style'])}'",
            "connect-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        })

    def test_it_needs_nothing_from_elsewhere(self) -> None:
        text = self.page().text
        self.assertLess(len(text.encode()), SIZE_MAX)
        self.assertEqual(set(re.findall(r"\w+://[\w./]+", text)), {"http://www.w3.org/2000/svg"})
        for tag, attributes in Document(text).elements:
            self.assertNotIn("src", attributes, tag)
            self.assertNotIn("style", attributes, tag)
            self.assertEqual([name for name in attributes if name.startswith("on")], [], tag)

    def test_its_script_makes_no_html_of_text(self) -> None:
        script = (SOURCE / "page.js").read_text(encoding="utf-8")
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                     "Function(", "srcdoc", ".href", "DOMParser", "createContextualFragment"):
            self.assertNotIn(word, script)

    def test_plain_tables_that_show_themselves_again(self) -> None:
        answer = self.get("/plain")
        self.assertEqual(answer.headers["content-security-policy"],
                         "default-src 'none'; frame-ancestors 'none'")
        document = Document(answer.text)
        tags = [tag for tag, _ in document.elements]
        self.assertEqual((tags.count("table"), tags.count("script")), (2, 0))
        self.assertIn(("meta", {"http-equiv": "refresh", "content": "5"}), document.elements)
        self.assertIn("<h1>poold is ok</h1>", answer.text)
        self.assertIn("<td>two</td><td>ok</td>", answer.text)
        # Two workers of the one pool, and the heads of both tables.
        self.assertEqual(tags.count("tr"), 2 + 2 + 2)


class PageTest(DaemonTest):
    """A browser, the same for all tests, as it takes seconds to start."""

    browser: Browser
    _shared: Browser | None = None

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if PageTest._shared is None:
            PageTest._shared = Browser()
            unittest.addModuleCleanup(PageTest._shared.close)
        cls.browser = PageTest._shared

    def start_page(self, *pools: str, texts: bool = False) -> tuple[Daemon, Browser]:
        """Starts a daemon with these pools, and opens its page."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        daemon = self.start(section("http", {"listen": f"127.0.0.1:{port}", "texts": texts}),
                            *pools)
        # A browser keeps some connections when it has left the page.
        daemon.descriptors += ["kept by the browser"] * BROWSER_CONNECTIONS
        self.address = ("127.0.0.1", port)
        self.url = f"http://localhost:{port}/"
        self.addCleanup(self.leave_page)
        self.browser.open(self.url)
        return daemon, self.browser

    def leave_page(self) -> None:
        self.browser.open("about:blank")
        self.browser.complaints()
        self.browser.as_usual()

    def see(self, browser: Browser, selector: str, *words: str, seconds: float = 30.0) -> str:
        """Waits until all words are in the text there."""

        def text() -> str:
            return " ".join(browser.text(selector).split())

        return seen(lambda: (found := text()) and all(word in found for word in words)
                          and found, lambda: f"{words} in {text()}", seconds)

    def picture(self, browser: Browser, name: str) -> None:
        if SCREENSHOTS:
            browser.screenshot(str(Path(SCREENSHOTS) / f"{name}.png"))


@needs_browser
class Shown(PageTest):
    def test_all_is_well(self) -> None:
        daemon, browser = self.start_page(pool("one", TOOLBOX, workers=2), pool("two", UNRULY))
        self.see(browser, "#word", "poold is ok")
        self.see(browser, "#facts", "since ", "0 running, 0 queued")
        self.see(browser, "#pool-table", "one ok", "two ok")
        self.assertEqual(browser.text("#problems"), "")
        client = daemon.connect()
        for _ in range(20):
            client.call_pool("one", "echo", [1])
        self.see(browser, "#pool-table", "100 %")
        daemon.occupy(client, "one")
        self.see(browser, "#running-table", "occupy one/")
        daemon.release()
        client.read()
        self.see(browser, "#worker-table", "one/1", "one/2", "two/1")
        self.assertEqual(browser.complaints(), [])
        self.picture(browser, "well")

    def test_a_bug(self) -> None:
        """All requests raise, and the pool is up."""
        daemon, browser = self.start_page(pool("shop", TOOLBOX, workers=2),
                                          breaker("shop", mode="off"), pool("other", UNRULY))
        daemon.announced += ["request failed"]
        self.see(browser, "#word", "poold is ok")
        client = daemon.connect()
        for _ in range(30):
            client.answer_pool("shop", "divide", [1, 0])
        self.see(browser, "#word", "poold is degraded")
        found = self.see(browser, "#problems", "shop is degraded", "100 % of 30 requests", "failed",
                         "exception (ZeroDivisionError)", "poolctl errors 20")
        self.assertNotIn("other", found)
        self.see(browser, "#error-table", "exception", "ZeroDivisionError")
        self.assertEqual(browser.run("return document.title"), "degraded - poold")
        self.picture(browser, "bug")

    def test_an_outage(self) -> None:
        """The breaker opens, a fallback serves, and at last the pool returns."""
        daemon, browser = self.start_page(
            pool("shop", TOOLBOX, fallback="spare", return_dwell="1ms", return_step="1ms"),
            breaker("shop", open_timeout="600s"), static_pool("spare", answer="1"))
        daemon.announced += ["shop", "pool is"]
        self.see(browser, "#word", "poold is ok")
        daemon.ask("poold.breaker_open", "shop")
        client = daemon.connect()
        self.assertEqual(client.call_pool("shop", "echo", [2]), 1)
        self.see(browser, "#word", "poold is degraded")
        self.see(browser, "#problems", "shop is degraded since", "served by a fallback", "poolctl ")
        self.see(browser, "#pool-table", "forced_open")
        self.picture(browser, "outage")
        daemon.ask("poold.breaker_reset", "shop")

        def is_over() -> bool:
            client.call_pool("shop", "echo", [2])
            return browser.text("#word") == "poold is ok"

        seen(is_over, "it is over", 30.0)
        self.assertEqual(browser.text("#problems"), "")
        self.see(browser, "#pool-table", "closed")
        self.picture(browser, "after")

    def test_hostile_names_are_text(self) -> None:
        daemon, browser = self.start_page(pool("tools", TOOLBOX), texts=True)
        daemon.announced += ["request failed"]
        client = daemon.connect()
        client.answer_pool("tools", "fail", ["ValueError", HOSTILE])
        client.answer_pool("tools", HOSTILE, [])
        self.see(browser, "#error-table", HARMLESS)
        self.assertEqual(browser.run("return [window.harmed === undefined, "
                                     "document.getElementsByTagName('img').length]"), [True, 0])
        self.assertNotRegex(browser.run("return document.body.textContent"), "[\x1b\u202e]")
        self.assertEqual(browser.complaints(), [])
        self.picture(browser, "hostile")

    def test_commands_are_quoted_for_a_shell(self) -> None:
        _, browser = self.start_page(static_pool("s", answer="1"))
        for word in ("plain", "a b", "it's", "$(reboot)", "`id`", "a\nb", "-x", "", "*", "a\\b",
                     "\u202eab", "\x1b[31m'\\", "~", "a;b&c|d", "ä"):
            quoted = browser.run("return quoted(arguments[0])", word)
            said = subprocess.run(["bash", "-c", f"printf %s {quoted}"], capture_output=True,
                                  env={**os.environ, "LC_ALL": "C.UTF-8"}, check=True).stdout
            self.assertEqual(said.decode(), word, quoted)
            self.assertNotRegex(quoted, "[\x1b\u202e\n]")

    def test_the_filter_is_kept_in_the_address(self) -> None:
        _, browser = self.start_page(*(static_pool(f"pool-{name}", answer="1")
                                       for name in ("red", "green", "blue")))
        rows = "return Array.from(document.querySelectorAll('#pool-table tbody th'), " \
               "(cell) => cell.textContent)"

        def are(*names: str) -> None:
            seen(lambda: browser.run(rows) == list(names), lambda: str(browser.run(rows)))

        are("pool-red", "pool-green", "pool-blue")
        browser.press("/")
        self.assertEqual(browser.run("return document.activeElement.id"), "filter")
        browser.press("r", "e", "d")
        are("pool-red")
        self.assertEqual(browser.run("return location.hash"), "#filter=red")
        browser.open("about:blank")
        browser.open(f"{self.url}#filter=blue")
        are("pool-blue")
        self.assertEqual(browser.run("return document.getElementById('filter').value"), "blue")
        browser.press("/", "\ue00c")
        are("pool-red", "pool-green", "pool-blue")
        self.assertEqual(browser.run("return location.hash"), "")

    def test_a_phone_and_the_dark(self) -> None:
        _, browser = self.start_page(pool("one", TOOLBOX, workers=2))
        self.see(browser, "#word", "poold is ok")
        browser.resize(360, 740)
        self.assertLessEqual(browser.run("return document.documentElement.scrollWidth"), 360)
        # Each row is a block of lines with their titles.
        self.assertEqual(browser.run("""
            const cell = document.querySelectorAll("#pool-table tbody tr > *")[1];
            return [getComputedStyle(cell.parentNode).display, cell.getAttribute("role"),
                    getComputedStyle(cell, "::before").content];"""), ["block", "cell", '"Status"'])
        colours = []
        for each in ("light", "dark"):
            browser.prefer(each)
            colours.append(browser.run("return getComputedStyle(document.body).backgroundColor"))
            self.picture(browser, f"phone-{each}")
        self.assertEqual(len(set(colours)), 2)

    def test_what_a_screen_reader_needs(self) -> None:
        _, browser = self.start_page(pool("one", TOOLBOX))
        self.see(browser, "#pool-table", "one ok")
        faults: list[Any] = browser.run("""
            const faults = [];
            for (const table of document.querySelectorAll("table")) {
                if (!table.caption || !table.caption.textContent) faults.push("no caption " + table.id);
                for (const cell of table.querySelectorAll("th")) if (!cell.scope) faults.push(cell.textContent);
            }
            for (const part of document.querySelectorAll("section"))
                if (!document.getElementById(part.getAttribute("aria-labelledby"))) faults.push(part.id);
            for (const image of document.querySelectorAll("svg"))
                if (!image.getAttribute("aria-label")) faults.push("an image");
            for (const input of document.querySelectorAll("input"))
                if (!document.querySelector("label[for=" + input.id + "]")) faults.push(input.id);
            if (document.querySelectorAll("main, header, h1").length !== 3) faults.push("landmarks");
            if (document.getElementById("word").getAttribute("aria-live") !== "polite") faults.push("not said");
            return faults;""")
        self.assertEqual(faults, [])
        # What has not changed stays as it is, so that it is not said again each second.
        browser.run("window.changes = 0; new MutationObserver(() => window.changes++)"
                    ".observe(document.getElementById('word'), {childList: true, subtree: true})")
        before = browser.text("#facts")
        seen(lambda: browser.text("#facts") != before, "it goes on")
        self.assertEqual(browser.run("return window.changes"), 0)

    def test_latencies_now_and_five_minutes_ago(self) -> None:
        daemon, browser = self.start_page(pool("one", TOOLBOX))
        with daemon.connect() as client:
            client.call_pool("one", "echo", [1])
        self.see(browser, "#pool-table", "ms (-)")
        # Nobody waits for five minutes here.
        found = browser.run("""
            latest.earlier.one.run = {count: 2, p50: 3, p99: 71};
            latest.pools[0].windows["1m"].latency_ms.run = {count: 2, p50: 5, p99: 142};
            show();
            return document.querySelector("#pool-table tbody").innerText;""")
        self.assertIn("5.0 ms (3.0 ms) 142 ms (71 ms)", " ".join(found.split()))

    def test_the_daemon_ends(self) -> None:
        daemon, browser = self.start_page(pool("one", TOOLBOX))
        self.see(browser, "#word", "poold is ok")
        self.assertFalse(browser.run("return document.getElementById('stale').checkVisibility()"))
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_ended(), 0)
        self.see(browser, "#stale", "The daemon does not answer since", "what is shown is old")
        self.assertEqual(browser.text("#word"), "poold does not answer")
        self.picture(browser, "ended")


@needs_browser
class Heard(PageTest):
    """The page has a stream of events where it can, and asks once a second where not."""

    def asked(self, daemon: Daemon) -> int:
        return int(daemon.ask("poold.stats")["daemon"]["http_requests"])

    def wait_anew(self, browser: Browser, times: int = 2) -> None:
        """Waits until the page has shown another state so many times."""
        for _ in range(times):
            before = self.shown_at(browser)
            seen(lambda: self.shown_at(browser) != before, "another state", 30.0)

    def shown_at(self, browser: Browser) -> object:
        """When the state that the page shows was taken; None before the first."""
        return browser.run("return latest && latest.at_ms")

    def is_silent(self, browser: Browser) -> bool:
        return bool(browser.run("return document.getElementById('silent').checkVisibility()"))

    def set_hidden(self, browser: Browser, hidden: bool) -> None:
        browser.run("""
            Object.defineProperty(document, "hidden", {value: arguments[0], configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));""", hidden)

    def whats(self, browser: Browser) -> list[str]:
        """What the events of the kind config say, the newest first."""
        return list(browser.run("""
            return Array.from(document.querySelectorAll("#event-table tbody tr"),
                              (row) => Array.from(row.children, (cell) => cell.textContent))
                .filter((row) => row[1] === "config").map((row) => row[3].split(",")[0]);"""))

    def test_it_listens(self) -> None:
        daemon, browser = self.start_page(pool("one", TOOLBOX))
        daemon.announced += ["one"]
        self.see(browser, "#event-table", "daemon", "ready")
        before = self.asked(daemon)
        daemon.ask("poold.drain", "one")
        self.see(browser, "#event-table", "config", "drained")
        self.wait_anew(browser, 3)
        self.assertEqual(self.asked(daemon), before)
        self.assertFalse(self.is_silent(browser))
        self.assertEqual(browser.complaints(), [])

    def test_hidden_it_asks_now_and_then_and_misses_nothing(self) -> None:
        daemon, browser = self.start_page(pool("one", TOOLBOX))
        daemon.announced += ["one"]
        daemon.ask("poold.drain", "one")
        self.see(browser, "#event-table", "drained")
        before = self.asked(daemon)
        self.set_hidden(browser, True)
        daemon.ask("poold.resume", "one")
        seen(lambda: self.asked(daemon) > before, "it asks", 30.0)
        self.assertEqual(self.whats(browser), ["drained"])
        self.assertTrue(browser.run("return source === null"))
        self.set_hidden(browser, False)
        seen(lambda: self.whats(browser) == ["resumed", "drained"],
                   lambda: str(self.whats(browser)), 30.0)

    def test_a_browser_that_knows_no_streams(self) -> None:
        self.browser.run_first("delete window.EventSource")
        daemon, browser = self.start_page(static_pool("s", answer="1"))
        self.see(browser, "#word", "poold is ok")
        before = self.asked(daemon)
        self.wait_anew(browser)
        self.assertGreater(self.asked(daemon), before)
        self.assertTrue(self.is_silent(browser))

    def test_no_stream_is_left(self) -> None:
        _, browser = self.start_page(static_pool("s", answer="1"))
        self.see(browser, "#event-table", "ready")
        browser.open("about:blank")

        def fill() -> list[Stream]:
            streams = [Stream(self.address) for _ in range(STREAMS)]
            if {each.head.status for each in streams} == {200}:
                return streams
            for each in streams:
                each.close()
            return []

        # The one of the page that was left may still be there.
        streams = seen(fill, "all streams")
        browser.open(self.url)
        self.wait_anew(browser)
        self.see(browser, "#word", "poold is ok")
        self.assertTrue(self.is_silent(browser))
        for each in streams:
            each.close()
        browser.run("listenAt = 0")
        self.see(browser, "#event-table", "ready")
        self.assertFalse(self.is_silent(browser))

    def test_the_daemon_says_nothing_more(self) -> None:
        daemon, browser = self.start_page(static_pool("s", answer="1"))
        daemon.announced += ["stood still", "pool=s"]
        self.see(browser, "#event-table", "ready")
        daemon.signal(signal.SIGSTOP)
        try:
            self.see(browser, "#stale", "The daemon does not answer since", seconds=60.0)
        finally:
            daemon.signal(signal.SIGCONT)
        self.see(browser, "#word", "poold is ok")
        daemon.ask("poold.drain", "s")
        self.see(browser, "#event-table", "drained", "ready")


@needs_browser
class ShownWithoutScripts(PageTest):
    """In a browser that runs none."""

    def test_plain_tables(self) -> None:
        self.browser.run_no_scripts()
        _, browser = self.start_page(pool("one", TOOLBOX))
        seen(lambda: browser.run("return location.pathname") == "/plain", "the plain page")
        self.assertEqual(browser.text("h1"), "poold is ok")


if __name__ == "__main__":
    unittest.main()
