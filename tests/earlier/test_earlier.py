"""No regression: clients and workers of an earlier tree with today's daemon, today's with the
earlier daemon, and the earlier vectors with today's parsers.

The earlier tree is that of `tree.COMMIT`.  It is built once (about a minute); where it can't be had,
all is skipped.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import calls
from clients import ClientTest
from clock import HANGS, eventually
from harness import Daemon, pool
from tree import TODAY, Tree, earlier

HERE = Path(__file__).resolve().parent

# Keys of the tests' own configuration that the earlier daemon does not know.
NEW_KEYS = re.compile(r"^(alerts|core_dumps|degraded_min) = .*\n", re.M)

# The vectors of the earlier tree; each is a test of tests/unit/test_vectors.c.
VECTORS = ("client_messages", "worker_messages", "errors_to_clients", "errors_of_workers",
           "malformed_messages", "dialects")
# And of tests/python/test_vectors.py.
PYTHON_VECTORS = ("TestMessages.test_meaning_packs_to_the_bytes", "TestMessages.test_bytes_unpack_to_the_meaning",
                  "TestMessages.test_all_of_them_as_one_stream", "TestMalformed", "TestDialects")

# What the earlier poolctl has, and a daemon at rest answers.
READS = ("status", "health", "doctor", "pools", "workers", "breakers", "recoveries", "errors",
         "sessions", "stats", "version")
# What today's has beside it.
NEW_READS = ("alerts", "clients", "requests", "methods", "config", "history")


def tree(is_earlier: bool) -> Tree:
    """The earlier tree, or today's."""
    return earlier() if is_earlier else TODAY


class EarlierDaemon(Daemon):
    """The earlier daemon, with a configuration that it understands."""

    def _configuration(self, pools: tuple[str, ...], options: dict[str, object]) -> str:
        return NEW_KEYS.sub("", super()._configuration(pools, options))

    def command(self) -> list[str]:
        return [str(earlier().build / "poold"), *super().command()[1:]]


class Mixed:
    """The tests of one mixture; a class below says which of daemon, clients and workers are earlier ones."""

    daemon_is_earlier = clients_are_earlier = workers_are_earlier = False

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()  # type: ignore[misc]
        earlier()

    def start_mixed(self: Any, **options: object) -> Daemon:
        """A daemon with a pool on the Python package, and two on libpoold."""
        if self.daemon_is_earlier:
            self.daemon_class = EarlierDaemon
        theirs = tree(self.workers_are_earlier)
        kit = shlex.join([sys.executable, "-m", "poold.worker", "kit"])
        variables = {"env.PYTHONPATH": f"{theirs.python}:{HERE}"}
        daemon: Daemon = self.start(
            pool("kit", kit, workers=2, **options, **variables),
            pool("echo", str(theirs.build / "workers/echo")),
            pool("session", str(theirs.build / "workers/session"), workers=2),
        )
        # Its workers are killed, and its methods raise.
        daemon.announced.append("pool=(kit|echo|session)")
        return daemon

    def call(self: Any, daemon: Daemon, check: str) -> None:
        """Has a client of the Python package make a check."""
        command = [sys.executable, str(HERE / "calls.py"), daemon.path, str(daemon.directory), "kit", check]
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(tree(self.clients_are_earlier).python)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANGS, check=False,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""), check)

    def poolctl(self: Any, daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs poolctl, which is a client in C."""
        return subprocess.run(
            [str(tree(self.clients_are_earlier).build / "poolctl"), "--socket", daemon.path, *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANGS, check=False,
        )

    def json(self: Any, daemon: Daemon, *words: str) -> Any:
        """What poolctl prints."""
        done = self.poolctl(daemon, "--json", *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return json.loads(done.stdout)

    def test_python(self: Any) -> None:
        daemon = self.start_mixed()
        for check in calls.CHECKS:
            with self.subTest(check.__name__):
                self.call(daemon, check.__name__)

    def test_workers_that_are_forked(self: Any) -> None:
        daemon = self.start_mixed(prefork=True)
        for check in ("results", "streams", "sessions", "retries"):
            with self.subTest(check):
                self.call(daemon, check)

    def test_workers_in_c(self: Any) -> None:
        daemon = self.start_mixed()
        self.assertEqual(self.json(daemon, "call", "echo", "add", "[20, 22]"), 42)
        self.assertEqual(self.json(daemon, "call", "echo", "echo", '["x", {"y": [1.5]}]'), ["x", {"y": [1.5]}])
        for method, args, code in (("exception", '["no"]', "exception"), ("nothing", "[]", "unknown_method"),
                                   ("exit", "[3]", "worker_exited"), ("crash", "[]", "worker_exited")):
            with self.subTest(method):
                done = self.poolctl(daemon, "--json", "call", "echo", method, args)
                self.assertEqual((done.returncode, json.loads(done.stderr or done.stdout)["error"]["code"]), (1, code))
                daemon.wait_workers("echo", 1)
        counted = [self.json(daemon, "call", "--session", "s", "session", "count")[0] for _ in range(3)]
        self.assertEqual(counted, [1, 2, 3])
        parts = self.poolctl(daemon, "call", "--stream", "session", "stream", "[5]").stdout.split()
        self.assertEqual(parts, [*"01234", "5"])

    def test_poolctl(self: Any) -> None:
        daemon = self.start_mixed()
        self.assertEqual(self.json(daemon, "call", "--key", "k", "kit", "add", "[1, 2]"), 3)
        self.assertEqual(self.json(daemon, "call", "--session", "s", "kit", "count"), 1)
        for command in READS:
            with self.subTest(command):
                self.json(daemon, command)
        self.assertEqual(self.poolctl(daemon, "metrics").returncode, 0)
        for command in (("breaker", "open", "kit"), ("breaker", "reset", "kit"), ("resize", "kit", "1..3"),
                        ("drain", "kit"), ("resume", "kit"), ("restart", "kit"), ("session", "close", "s")):
            with self.subTest(" ".join(command)):
                self.assertEqual(self.poolctl(daemon, *command).returncode, 0)
        eventually(lambda: self.poolctl(daemon, "health").returncode == 0, "it is well again")


class ClientsOfThen(Mixed, ClientTest):
    """Earlier clients, with today's daemon and workers."""

    clients_are_earlier = True


class WorkersOfThen(Mixed, ClientTest):
    """Earlier workers, with today's daemon and clients."""

    workers_are_earlier = True


class BothOfThen(Mixed, ClientTest):
    """Earlier clients and workers, with today's daemon."""

    clients_are_earlier = workers_are_earlier = True


class DaemonOfThen(Mixed, ClientTest):
    """The earlier daemon, with today's clients and workers."""

    daemon_is_earlier = True

    def test_what_it_does_not_know_is_said(self) -> None:
        daemon = self.start_mixed()
        for command in NEW_READS:
            with self.subTest(command):
                done = self.poolctl(daemon, command)
                self.assertIn(done.returncode, (0, 1), done)
                if done.returncode:
                    self.assertRegex(done.stderr, "unknown_method|invalid_request")


class VectorsOfThen(ClientTest):
    """The earlier vectors, with today's parsers."""

    def test_in_c(self) -> None:
        root = str(earlier().root)
        for name in VECTORS:
            with self.subTest(name):
                done = subprocess.run(
                    [str(TODAY.build / "unit/test_vectors")], capture_output=True, text=True, check=False,
                    env={**os.environ, "POOLD_ROOT": root, "CK_RUN_CASE": name},
                )
                self.assertIn("100%: Checks: 1,", done.stdout)

    def test_in_python(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "unittest", *(f"test_vectors.{name}" for name in PYTHON_VECTORS)],
            capture_output=True, text=True, check=False,
            env={**os.environ, "POOLD_ROOT": str(earlier().root),
                 "PYTHONPATH": f"{TODAY.python}:{TODAY.root / 'tests/python'}"},
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("Ran 0 tests", done.stderr)
