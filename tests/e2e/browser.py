"""A headless Chromium, driven over the WebDriver protocol by chromedriver; both of Debian."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from clock import Deadline, eventually, stretch

CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver")
IS_INSTALLED = bool(CHROMIUM and CHROMEDRIVER)

ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--window-size=1280,1000",
)


class Browser:
    """One window.  Use it as a context."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="poold-chromium-")
        self._log = Path(self._folder, "chromedriver.log")
        # What it keeps for its user is no business of the one who tests.
        own = {"HOME": self._folder, "XDG_CONFIG_HOME": self._folder, "XDG_CACHE_HOME": self._folder}
        with self._log.open("wb") as log:
            self._driver = subprocess.Popen([str(CHROMEDRIVER), "--port=0"], stdout=log, stderr=log,
                                            env={**os.environ, **own}, start_new_session=True)
        self._session = ""
        self._scripts: list[str] = []
        try:
            self._base = f"http://127.0.0.1:{self._find_port()}"
            self._session = self._open()
        except BaseException:
            self.close()
            raise

    def _find_port(self) -> int:
        def found() -> int:
            said = re.search(r"successfully on port (\d+)", self._log.read_text(errors="replace"))
            return int(said[1]) if said else 0

        return eventually(found, lambda: self._log.read_text(errors="replace"), 30.0)

    def _open(self) -> str:
        arguments = [*ARGUMENTS, f"--user-data-dir={self._folder}/profile"]
        wanted = {"alwaysMatch": {
            "goog:chromeOptions": {"binary": CHROMIUM, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}
        return str(self._ask("POST", "/session", {"capabilities": wanted})["sessionId"])

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=stretch(120)) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """A command of the session."""
        return self._ask(method, f"/session/{self._session}{path}", body)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._session:
            try:
                self.ask("DELETE", "")
            except (AssertionError, OSError):
                pass
        self._driver.terminate()
        deadline = Deadline(5.0)
        while self._driver.poll() is None and not deadline.passed():
            time.sleep(0.01)
        # What it has started is in a group of its own.
        try:
            os.killpg(self._driver.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._driver.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def open(self, url: str) -> None:
        self.ask("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:
        """What a function with that body returns."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector: str) -> str:
        """The text of the first element there, as a user sees it."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def resize(self, width: int, height: int) -> None:
        """The size of the page, as that of a phone: a window has a least width."""
        self.ask("POST", "/goog/cdp/execute", {
            "cmd": "Emulation.setDeviceMetricsOverride",
            "params": {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}})

    def prefer(self, colours: str) -> None:
        """`dark` or `light`."""
        self.ask("POST", "/goog/cdp/execute", {
            "cmd": "Emulation.setEmulatedMedia",
            "params": {"features": [{"name": "prefers-color-scheme", "value": colours}]}})

    def run_first(self, script: str) -> None:
        """What runs in each page before its own scripts."""
        found = self.ask("POST", "/goog/cdp/execute", {
            "cmd": "Page.addScriptToEvaluateOnNewDocument", "params": {"source": script}})
        self._scripts.append(found["identifier"])

    def run_no_scripts(self) -> None:
        """From the next page on: none of its own, but those of `run`."""
        self.ask("POST", "/goog/cdp/execute", {
            "cmd": "Emulation.setScriptExecutionDisabled", "params": {"value": True}})

    def as_usual(self) -> None:
        """Takes back `resize`, `prefer`, `run_first` and `run_no_scripts`."""
        while self._scripts:
            self.ask("POST", "/goog/cdp/execute", {
                "cmd": "Page.removeScriptToEvaluateOnNewDocument",
                "params": {"identifier": self._scripts.pop()}})
        for command, params in (("Emulation.clearDeviceMetricsOverride", {}),
                                ("Emulation.setScriptExecutionDisabled", {"value": False}),
                                ("Emulation.setEmulatedMedia", {"features": []})):
            self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def press(self, *keys: str) -> None:
        """Keys one after the other, whatever has the focus."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys",
                                                   "actions": actions}]})

    def complaints(self) -> list[str]:
        """What the page has written to the console, or the browser about it, since the last time."""
        return [entry["message"] for entry in self.ask("POST", "/se/log", {"type": "browser"})]

    def screenshot(self, path: str) -> None:
        Path(path).write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))
