"""The Python worker is an ordinary Python process: whatever a module may do elsewhere, it may do
here, plain and with prefork; where that ends the worker, it says why."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

import procs
from clients import PoolctlTest, poolctl
from clock import eventually
from harness import MEASURED, Daemon, pool

import poold

# What each does when it is imported, or later, when `again` is called.
DEEDS = {
    "ignores_children": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "reaps": "signal.signal(signal.SIGCHLD, reap)",
    "reaps_always": "threading.Thread(target=reap_always, daemon=True).start()",
    "closes_output": "sys.stdout.close()",
    "closes_errors": "sys.stderr.close()",
    "closes_input": "sys.stdin.close()",
    "has_no_streams": "sys.stdout = sys.stderr = sys.stdin = None",
    "closes_one": "os.close(1)",
    "closes_two": "os.close(2)",
    "closes_three": "[os.close(number) for number in (0, 1, 2)]",
    "detaches": "kept.extend([sys.stdout.detach(), sys.stderr.detach()])",
    "replaces": "sys.stdout = sys.stderr = object()",
    "writes_elsewhere": "sys.stdout = sys.stderr = open(os.devnull, 'w')",
    "closes_files": "os.closerange(3, 200)",
    "resets_signals": "[each_signal(number, signal.SIG_DFL) for number in range(1, 65)]",
    "ignores_signals": "[each_signal(number, signal.SIG_IGN) for number in range(1, 65)]",
    "blocks_signals": "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))",
    "starts_threads": "[threading.Thread(target=nap, daemon=True).start() for _ in range(5)]",
    "leaves_its_group": "os.setpgid(0, 0) if os.getpgid(0) != os.getpid() else None",
    "changes_directory": "os.chdir('/')",
    "clears_its_environment": "os.environ.clear()",
    "forks": "fork()",
    "sets_a_hook": "sys.excepthook = sys.unraisablehook = None",
}
MODULE = """
import os, signal, sys, threading, time
kept = []
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
def reap_always():
    while True:
        reap()
        time.sleep(0.001)
def nap():
    time.sleep(1000)
def each_signal(number, how):
    try:
        signal.signal(number, how)
    except (OSError, ValueError):
        pass
def fork():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
def deed():
    @DEED@
if @FIRST@:
    deed()
def pid():
    return os.getpid()
def again():
    deed()
def fail():
    raise ValueError("x")
def sleep(seconds):
    time.sleep(seconds)
    return os.getpid()
__all__ = ["pid", "again", "fail", "sleep"]
"""


class OrdinaryTest(PoolctlTest):
    def setUp(self) -> None:
        self.folder = self.enterContext(TemporaryDirectory(prefix="poold-e2e-"))

    def module(self, name: str, text: str) -> str:
        """The command of a worker with this module."""
        (Path(self.folder) / f"{name}.py").write_text(text, encoding="utf-8")
        return shlex.join([sys.executable, "-B", "-m", "poold.worker", name])

    def pool(self, name: str, text: str, **options: object) -> str:
        settings = {"directory": self.folder, "idempotent": True, **options}
        return pool(name, self.module(name, text), **settings)


class Modules(OrdinaryTest):
    """Each is served as before."""

    def serve(self, first: bool, prefork: bool) -> Daemon:
        texts = {
            name: MODULE.replace("@DEED@", deed).replace("@FIRST@", str(first))
            for name, deed in DEEDS.items()
        }
        daemon = self.start(
            *(self.pool(name, text, prefork=prefork) for name, text in texts.items()),
            start_timeout="60s",
        )
        # A stop by SIGTERM is one by the signal where its handler was reset.
        daemon.announced += ["pool=", "code=exception", "fork server wrote"]
        return daemon

    def check(self, daemon: Daemon, is_later: bool) -> None:
        with self.connect_client(daemon) as client:
            for name in DEEDS:
                with self.subTest(name):
                    pid = client.call(name, "pid", timeout=30)
                    if is_later:
                        client.call(name, "again", timeout=30)
                    for _ in range(2):
                        with self.assertRaises(poold.WorkerException) as caught:
                            client.call(name, "fail", timeout=30)
                        self.assertEqual(caught.exception.type, "ValueError")
                        self.assertEqual(client.call(name, "pid", timeout=30), pid)

    def test_at_import(self) -> None:
        self.check(self.serve(True, False), False)

    def test_at_import_with_prefork(self) -> None:
        self.check(self.serve(True, True), False)

    def test_later(self) -> None:
        self.check(self.serve(False, False), True)

    def test_later_with_prefork(self) -> None:
        self.check(self.serve(False, True), True)


class Stacks(OrdinaryTest):
    """A look at a worker never ends it."""

    def test_after_signals_were_reset(self) -> None:
        for prefork in (False, True):
            text = MODULE.replace("@DEED@", DEEDS["resets_signals"]).replace("@FIRST@", "False")
            daemon = self.start(self.pool("p", text, prefork=prefork, slow_after="100ms"))
            daemon.announced.append("pool=p")
            listener = self.listen(daemon, "worker")
            with self.connect_client(daemon) as client:
                pid = client.call("p", "pid")
                client.call("p", "again")
                call = client.start("p", "sleep", 1)
                self.assertEqual(listener.wait_for(what="stack")["text"], "it wrote nothing")
                poolctl(daemon, "stack", "p", "1")
                self.assertEqual(call.result(), pid)
                self.assertEqual(client.call("p", "pid"), pid)


class Channel(OrdinaryTest):
    """A module that closes the channel itself is told about."""

    CLOSES = "import os\n{first}\ndef close():\n    os.closerange(3, 4096)\n    return 1\n"

    @unittest.skipIf(MEASURED, "a worker that leaves what it ran ends too late")
    def test_at_import(self) -> None:
        for prefork in (False, True):
            text = self.CLOSES.format(first="os.closerange(3, 4096)")
            daemon = self.launch(self.pool("p", text, prefork=prefork))
            daemon.announced.append("pool=p")
            daemon.wait_listening()
            with self.subTest(prefork=prefork):
                said = eventually(
                    lambda d=daemon: [each for each in d.ask("poold.errors", 10)
                                      if "has closed descriptor" in str(each)],
                    "it says so",
                )
                self.assertIn("exit status 78", str(said[0]))

    def test_later(self) -> None:
        for prefork in (False, True):
            text = self.CLOSES.format(first="")
            daemon = self.start(self.pool("p", text, prefork=prefork, idempotent=False))
            daemon.announced.append("pool=p")
            with self.subTest(prefork=prefork), self.connect_client(daemon) as client:
                with self.assertRaises(poold.PoolConnectionError) as caught:
                    client.call("p", "close")
                self.assertIn("exit status 70", str(caught.exception))
                self.assertIn("has closed descriptor", str(caught.exception.detail))


class Interrupted(OrdinaryTest):
    def test_a_write_that_is_interrupted_is_told(self) -> None:
        text = """
import signal
class Late(Exception): pass
def late(*_): raise Late("time is up")
def parts(size):
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    yield 1
    while True:
        yield b"x" * size
def ok(value):
    return value
"""
        daemon = self.start(self.pool("p", text, idempotent=False), output_pause="1M")
        daemon.announced += ["pool=p", "the daemon stood still"]
        reader = daemon.connect(read_buffer=4096)
        reader.ask_pool("p", "parts", [3_000_000], stream=True)
        reader.read_message()
        (pid,) = daemon.worker_pids()
        procs.stop(daemon.pid)  # the worker stands in a write when the alarm comes
        eventually(lambda: not procs.is_alive(pid), "it has ended")
        daemon.signal(signal.SIGCONT)
        daemon.log.wait_for("it was interrupted while it wrote to the daemon, by Late: time is up")
        daemon.log.wait_for("exit status 70")
        reader.close()
        self.assertEqual(daemon.connect().call_pool("p", "ok", [5]), 5)


class Executed(OrdinaryTest):
    """What cannot be sent has its code, says whether it ran, and the worker stays."""

    TEXT = """
import os
def pid(): return os.getpid()
def large(): return "x" * 3_000_000
def large_list(): return ["x"] * 3_000_000
def large_part():
    yield 1
    yield "x" * 3_000_000
def unsayable(): return object()
def echo(*values): return None
"""

    def test_all(self) -> None:
        for prefork in (False, True):
            daemon = self.start(
                self.pool("p", self.TEXT, prefork=prefork), response_max="1M", log_level="error"
            )
            daemon.announced.append("pool=p")
            client = daemon.connect(map_errors=True)
            pid = client.call_pool("p", "pid")
            for method, code in (("large", "response_too_large"), ("unsayable", "exception"),
                                 ("large_list", "response_too_large"),
                                 ("large_part", "response_too_large")):
                number = client.ask_pool("p", method, [], **({"stream": True} if "part" in method else {}))
                if "part" in method:
                    client.read_message()
                error = client.read_of(number).error
                self.assertEqual((error["code"], error["executed"]), (code, "yes"), method)
            for args, code, executed in (
                ([{(1, 2): 3}], "encode_error", "no"), ({"x": 1}, "rejected", "maybe"),
            ):
                error = client.answer_pool("p", "echo", args).error
                self.assertEqual((error["code"], error["executed"]), (code, executed))
            error = client.answer_pool("p", "nothing", []).error
            self.assertEqual((error["code"], error["executed"]), ("unknown_method", "no"))
            with self.connect_client(daemon) as python:
                with self.assertRaises(poold.CommunicationError) as caught:
                    python.call("p", "echo", object())
                found = (caught.exception.code, caught.exception.executed)
                self.assertEqual(found, ("encode_error", "no"))
            self.assertEqual(client.call_pool("p", "pid"), pid)


class Names(OrdinaryTest):
    """A module of one's own with a name that is taken: served, or refused with the reason."""

    NAMES = ("json", "queue", "math", "time", "random", "types", "signal", "socket", "worker", "os",
             "msgpack", "poold", "asyncio", "struct", "select", "logging", "enum")

    def test_all(self) -> None:
        pools = []
        for name in self.NAMES:
            folder = Path(self.folder) / f"of_{name}"
            folder.mkdir()
            (folder / f"{name}.py").write_text("def mine():\n    return 42\n", encoding="ascii")
            command = shlex.join([sys.executable, "-B", "-m", "poold.worker", name])
            # What can't start is not started again and again: that would keep the others from it.
            pools.append(pool(f"of_{name}", command, directory=str(folder), restart_delay="1s", restart_delay_max="1s"))
        daemon = self.launch(*pools)
        daemon.announced += ["pool=of_", "start_timeout is over"]
        daemon.wait_listening()
        with self.connect_client(daemon) as client:
            for name in self.NAMES:
                with self.subTest(name):
                    try:
                        self.assertEqual(client.call(f"of_{name}", "mine", timeout=30), 42)
                    except poold.ResourceError:
                        self.assert_reason(daemon, name)

    def assert_reason(self, daemon: Daemon, name: str) -> None:
        found = daemon.ask("poold.errors", 100)
        said = [str(each) for each in found if each.get("pool") == f"of_{name}"]
        told = [text for text in said if f"{os.sep}{name}.py" in text or f"'{name}'" in text]
        self.assertNotEqual(told, [], said)
