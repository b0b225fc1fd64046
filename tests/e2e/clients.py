"""The project's own client and poolctl, as tests use them."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import poold

from clock import HANGS, Deadline
from harness import BUILD, Daemon, DaemonTest


class ClientTest(DaemonTest):
    """A daemon and a client of it."""

    def connect_client(self, daemon: Daemon) -> poold.Client:
        return self.enterContext(poold.Client(daemon.path))

    def failure(
        self, code: str, client: poold.Client, pool: str, method: str, *args: Any, **named: Any
    ) -> poold.Error:
        """A call that has to fail with this code; returns its error."""
        with self.assertRaises(poold.Error) as raised:
            client.call(pool, method, *args, **named)
        self.assertEqual(raised.exception.code, code, raised.exception.raw)
        return raised.exception

    def listen(self, daemon: Daemon, *kinds: str) -> Listener:
        """Hears the daemon's events until the test is over."""
        return self.enterContext(Listener(daemon.path, *kinds))


class Listener:
    """Collects the events of a daemon in a thread of its own.

    Attributes:
        heard: the events, in the order they came.
    """

    def __init__(self, path: str, *kinds: str) -> None:
        self._client = poold.Client(path)
        self._events = self._client.subscribe(*kinds)
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self.heard: list[dict[str, Any]] = []

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._events.close()
        self._client.close()
        self._thread.join()

    def _collect(self) -> None:
        try:
            for event in self._events:
                with self._changed:
                    self.heard.append(event)
                    self._changed.notify_all()
        except poold.Error:
            pass  # the daemon has ended

    def wait_for(self, seconds: float = 10.0, since: int = 0, **wanted: object) -> dict[str, Any]:
        """Waits until an event with these fields has come, not among the first `since`; returns the
        first such.

        Raises:
            AssertionError: it does not come in time.
        """
        deadline = Deadline(seconds)
        with self._changed:
            while True:
                for event in self.heard[since:]:
                    if wanted.items() <= event.items():
                        return event
                if not self._changed.wait(deadline.left()) and deadline.passed():
                    raise AssertionError(f"no event with {wanted}: {self.heard}")


def poolctl(daemon: Daemon, *words: str, program: Path = BUILD / "poolctl") -> subprocess.CompletedProcess[str]:
    """Runs poolctl, or a copy of it, against this daemon."""
    return subprocess.run(
        [str(program), "--socket", daemon.path, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )


class PoolctlTest(ClientTest):
    """The same with poolctl."""

    def succeed(self, daemon: Daemon, *words: str) -> str:
        done = poolctl(daemon, *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return done.stdout

    def json(self, daemon: Daemon, *words: str) -> Any:
        return json.loads(self.succeed(daemon, "--json", *words))
