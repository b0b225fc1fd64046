"""Runs a daemon for one test, and holds it to its promises when the test is over.

A test says which pools it wants and gets a daemon that is ready::

    class Echo(DaemonTest):
        def test_echo(self) -> None:
            daemon = self.start(pool("tools", TOOLBOX))
            self.assertEqual(daemon.connect().call_pool("tools", "echo", ["a"]), "a")

After every test, whatever it did, `Daemon.finish` checks what must always be true:

- nothing is left queued or running, no connection but the asking one, no zombie;
- the daemon has as many descriptors as when it was ready, and not noticeably more memory;
- SIGTERM ends it with status 0, in time;
- no worker, no grandchild and no socket file outlives it;
- its log holds nothing from warning upwards that the test did not announce, and no sanitizer's
  report.

Environment: POOLD_BUILD, the folder of the programs under test (build/none); POOLD_SEED, replays a
test that draws random numbers; POOLD_CHAOS=1, ten times the load; POOLD_MEASURED, see `make coverage`.
"""

from __future__ import annotations

import functools
import math
import os
import random
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import procs
from clock import LATE, Deadline, Timed, begin_scenario, eventually, measure_scenario, ms, pressure
from log import Log
from raw import Raw, try_connect

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = (ROOT / os.environ.get("POOLD_BUILD", "build/none")).resolve()
# With `make coverage`, a folder by which Python processes leave what they ran.
MEASURED = os.environ.get("POOLD_MEASURED")
PYTHON_PATH = ":".join([f"{ROOT / 'client/python'}", f"{HERE / 'workers'}", *filter(None, [MEASURED])])

# The variable that marks the daemon under test and every process below it.
MARK = "E2E_MARK"

# Bytes by which the daemon's resident memory may have grown between readiness and the end of a
# test: what it buffered is given back, but the allocator keeps a part of it.  A sanitizer keeps
# freed memory on purpose, so the bound does not hold there.
GROWTH_MAX = 12 << 20
SANITIZED = BUILD.name in ("asan", "fuzz")

# How many times as long the load tests run: `make chaos` says 10.
LOAD = int(os.environ.get("POOLD_CHAOS") or 1)

# The daemon's own tick in seconds: nothing that it does at a deadline is later by its own clock.
TICK = 0.01

# Seconds from SIGTERM to the end of a daemon that has nothing to do.
STOP_TIME = 5.0

# What the log says when the first workers are not ready in time.
START_TIMEOUT = "warning start_timeout is over"


def worker(name: str, *arguments: str) -> str:
    """The command of a program in tests/e2e/workers that speaks the dialect without the package."""
    return shlex.join([sys.executable, str(HERE / "workers" / f"{name}.py"), *arguments])


def program(name: str, *arguments: str) -> str:
    """The command of a program below the build folder."""
    return shlex.join([str(BUILD / name), *arguments])


# The worker on the project's own SDK, with a function for everything that a test may want done.
TOOLBOX = shlex.join([sys.executable, "-m", "poold.worker", "toolbox"])
# Most of its functions in C, for tests that ask no more of a worker: it starts with a tenth of the work.
C_TOOLS = program("workers/tools")
# The worker in C on raw bytes: see tests/workers/unruly.c.
UNRULY = program("workers/unruly")



def quick() -> dict[str, object]:
    """Workers are replaced at once, and requests may fail, unless a test wants it otherwise."""
    return {
        "restart_delay": "1ms",
        "restart_delay_max": "20ms",
        "kill_grace": ms(200),
        "degraded_min": 0,
    }


def section(head: str, options: dict[str, object]) -> str:
    """A section of the configuration; True and False are written as yes and no."""
    lines = [f"[{head}]"]
    for key, value in options.items():
        if isinstance(value, bool):
            value = "yes" if value else "no"
        lines.append(f"{key} = {value}")
    return "\n".join([*lines, ""])


def pool(name: str, command: str, **options: object) -> str:
    """The section of a pool that has workers of its own."""
    return section(f"pool {name}", {"command": command, **quick(), **options})


def socket_pool(name: str, address: str, **options: object) -> str:
    """A pool that asks a server at this address."""
    return section(f"pool {name}", {"adapter": "socket", "address": address, **quick(), **options})


def static_pool(name: str, **answers: object) -> str:
    """A pool with canned answers: `answer`, or `answer.METHOD` (JSON)."""
    return section(f"pool {name}", {"adapter": "static", **answers})


def breaker(name: str, **options: object) -> str:
    """The section about a pool's circuit breaker."""
    return section(f"breaker {name}", options)


def retry(name: str, **options: object) -> str:
    """The section about a pool's retries."""
    return section(f"retry {name}", options)


def error_row(name: str, **options: object) -> str:
    """The section about an error's row of the matrix: a code or a category."""
    return section(f"error {name}", options)


class Notices:
    """The service manager's side of sd_notify: a datagram socket that hears the daemon."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def wait_for(self, notice: str, pidfd: int, seconds: float = 30.0) -> None:
        """Waits until the daemon behind `pidfd` has said this, "READY=1".

        Raises:
            AssertionError: it ended, or does not say so in time.
        """
        deadline = Deadline(seconds)
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(pidfd, select.POLLIN)
        while notice not in self.heard:
            ready = [fd for fd, _ in poll.poll(deadline.left_ms())]
            if self._socket.fileno() in ready:
                self.heard += self._socket.recv(65536).decode().splitlines()
            elif ready:
                raise AssertionError(f"the daemon ended before it said {notice}")
            elif deadline.passed():
                raise AssertionError(f"the daemon does not say {notice}; it said {self.heard}")

    def wait_next(self, notice: str, seconds: float = 30.0) -> None:
        """Waits until this is said once more.

        Raises:
            TimeoutError: it is not, in time.
        """
        self._socket.settimeout(Deadline(seconds).left())
        while notice not in self._socket.recv(65536).decode().splitlines():
            pass

    def close(self) -> None:
        self._socket.close()


class Daemon:
    """One poold in a directory of its own.

    Attributes:
        path: its socket.
        log: its log.
        announced: patterns of the loud log lines that this test brings about; append to it.
        pressure: what the machine's pressure was when it was started.
        growth_max: bytes by which its memory may grow during the test.
        descriptors: what it had open when it was ready.
        settle_time: seconds after a test until it has to be idle again.

    Args:
        pools: sections of the configuration, as `pool`, `breaker` and the like make them.
        options: keys of the section [daemon].
    """

    _running: set[int] = set()  # the daemons of this process

    def __init__(self, pools: tuple[str, ...], options: dict[str, object]) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="poold-e2e-"))
        self.path = str(self.directory / "poold.sock")
        self.mark = f"{random.SystemRandom().getrandbits(64):016x}"
        self.announced: list[str] = []
        self.growth_max = GROWTH_MAX
        self.settle_time = 10.0
        self.notices = Notices(self.directory / "notify")
        self.config = self.directory / "poold.conf"
        self.config.write_text(self._configuration(pools, options))
        self._connections: list[Raw] = []
        self.descriptors: list[str] = []
        self._resident = 0
        self._occupied: list[Path] = []
        self._launch()

    def _configuration(self, pools: tuple[str, ...], options: dict[str, object]) -> str:
        fixed = {"socket": self.path, "log_target": "stderr", "start_timeout": "20s", "alerts": "no"}
        if os.geteuid() != 0:
            # An ordinary user's tests may look at its descriptors and its environment only then.
            fixed["core_dumps"] = "yes"
        mark = f"env.{MARK} = {self.mark}\n"
        marked = [text + mark * ("\ncommand = " in text) for text in pools]
        return "\n".join([section("daemon", {**fixed, **options}), *marked])

    def environment(self) -> dict[str, str]:
        """What the daemon is started with."""
        return {
            **os.environ,
            "NOTIFY_SOCKET": str(self.notices.path),
            "PYTHONPATH": PYTHON_PATH,
            MARK: self.mark,
        }

    def command(self) -> list[str]:
        return [str(BUILD / "poold"), "-c", str(self.config)]

    def passed_on(self) -> tuple[int, ...]:
        """Descriptors that `command` is started with, beside the standard ones."""
        return ()

    def _launch(self) -> None:
        self.process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self.environment(),
            pass_fds=self.passed_on(),
        )
        self._end_awaited = False
        self.pressure = pressure()
        self.pid = self.process.pid
        Daemon._running.add(self.pid)
        self.pidfd = os.pidfd_open(self.pid)
        self.log = Log(self.process.stderr)

    def relaunch(self) -> None:
        """Starts it again, after it has ended, with the same configuration and directory."""
        self._check_nothing_left()
        self._check_log()
        os.close(self.pidfd)
        self.notices.heard.clear()
        self._launch()

    # --- its life --------------------------------------------------------------------------------

    def wait_ready(self) -> None:
        """Waits for READY=1, and takes down what the daemon then has."""
        try:
            self.notices.wait_for("READY=1", self.pidfd)
        except AssertionError as error:
            if self.has_ended():
                self.log.close()
            raise AssertionError(f"{error}; its log:\n{self.log}") from None
        self.take_measure()

    def wait_listening(self) -> None:
        """Waits until it accepts connections, ready or not, and has tried to start its workers."""
        eventually(lambda: self._greet() or self.has_ended(), "the daemon listens")
        assert not self.has_ended(), f"the daemon has ended; its log:\n{self.log}"
        eventually(self._has_begun, "its workers are started")
        self.take_measure()

    def _has_begun(self) -> bool:
        """Whether no worker waits for its turn to be started for the first time."""
        return all(each["steps"] or each["state"] != "initializing" for each in self.workers())

    def _greet(self) -> bool:
        connection = try_connect(self.path)
        if connection is None:
            return False
        with connection:
            return connection.call("poold.version")["server"] == "poold"

    def take_measure(self) -> None:
        """Takes down descriptors and memory, to be compared with at the end."""
        self.descriptors = procs.descriptors(self.pid)
        self._resident = procs.resident_bytes(self.pid)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def wait_ended(self, seconds: float = STOP_TIME) -> int:
        """The daemon's exit status, -N for signal N.

        Raises:
            AssertionError: it does not end in time.
        """
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        deadline = Deadline(seconds)
        while not poll.poll(deadline.left_ms()):
            if deadline.passed():
                text = f"the daemon does not end within {seconds} s; its log:\n{self.log}"
                raise AssertionError(text)
        self._end_awaited = True
        return self.process.wait()

    # --- talking to it ---------------------------------------------------------------------------

    def connect(self, **options: Any) -> Raw:
        """A connection that is closed with the test; `options` as for Raw."""
        connection = Raw(self.path, **options)
        self._connections.append(connection)
        return connection

    def ask(self, method: str, *params: object) -> Any:
        """The result of one request on a connection of its own."""
        with Raw(self.path) as connection:
            return connection.call(method, *params)

    def pool(self, name: str) -> dict[str, Any]:
        """What poold.pools says of one pool."""
        return next(entry for entry in self.ask("poold.pools") if entry["name"] == name)

    def counters(self, name: str) -> dict[str, Any]:
        """What a pool has counted."""
        return self.ask("poold.stats")["pools"][name]

    def workers(self, name: str | None = None) -> list[dict[str, Any]]:
        """What poold.workers says, of one pool or of all."""
        workers = self.ask("poold.workers")
        return [entry for entry in workers if name in (None, entry["pool"])]

    def worker_pids(self, name: str | None = None) -> list[int]:
        """The processes of a pool's workers that can work."""
        working = [entry for entry in self.workers(name) if entry["state"] in ("ready", "busy")]
        return [entry["pid"] for entry in working]

    def wait_workers(self, name: str, count: int, apart_from: tuple[int, ...] = ()) -> list[int]:
        """Waits until a pool has so many working workers, none of them one of `apart_from`."""

        def found() -> list[int]:
            pids = self.worker_pids(name)
            return pids if len(pids) == count and not set(pids) & set(apart_from) else []

        return eventually(found, lambda: f"{count} new workers of {name}: {self.workers(name)}")

    def occupy(self, client: Raw, pool: str = "tools") -> int:
        """Gives a worker of a pool something to do until `release`, and waits until it is at work.

        Returns the request's id, which `client` may cancel.
        """
        begun = self.directory / f"begun-{len(self._occupied)}"
        self._occupied.append(begun)
        number = client.ask_pool(pool, "occupy", [str(begun)])
        eventually(begun.exists, f"{pool} is at work")
        return number

    def release(self) -> None:
        """Lets all workers finish what `occupy` has given them."""
        for begun in self._occupied:
            begun.unlink(missing_ok=True)

    def family(self) -> list[int]:
        """The daemon and every living process below it."""
        return procs.marked(MARK, self.mark)

    # --- the end ---------------------------------------------------------------------------------

    def finish(self) -> None:
        """Checks all that must be true after any test, and leaves nothing behind.

        Raises:
            AssertionError: says everything that is not true.
        """
        faults: list[str] = []
        is_clean = False
        try:
            for connection in self._connections:
                connection.close()
            if not self.has_ended():
                self._attempt(faults, self._check_rest)
                self._attempt(faults, self._check_stop)
            self._attempt(faults, self._check_end)
            self._attempt(faults, self._check_nothing_left)
            self._attempt(faults, self._check_log)
            is_clean = not faults
        finally:
            if not is_clean:
                self._end_by_force()
            self._clear_away()
        assert not faults, "\n".join([*faults, "its log:", str(self.log)])

    @staticmethod
    def _attempt(faults: list[str], check: Any) -> None:
        try:
            check()
        except (AssertionError, OSError) as error:
            faults.append(f"{check.__name__}: {error}")

    def _check_rest(self) -> None:
        """The daemon is as it was when it was ready."""
        with Raw(self.path) as connection:
            self._settle(
                lambda: self._is_idle(connection),
                lambda: f"it is idle: {connection.call('poold.status')}",
            )
        self._settle(
            lambda: len(procs.descriptors(self.pid)) <= len(self.descriptors),
            lambda: f"its descriptors are as they were: {self._new_descriptors()}\n"
            f"workers: {[(each['pool'], each['pid'], each['state']) for each in self.workers()]}",
        )
        self._settle(lambda: not self._zombies(), lambda: f"no zombie: {self._zombies()}")
        if not SANITIZED:
            # What large buffers took is given back a moment after the last of them.
            self._settle(
                lambda: self._growth() <= self.growth_max,
                lambda: f"its memory grew by {self._growth()} bytes",
            )

    def _new_descriptors(self) -> str:
        return procs.difference(self.descriptors, procs.descriptors(self.pid))

    def _growth(self) -> int:
        """Bytes by which its resident memory has grown since it was ready."""
        return procs.resident_bytes(self.pid) - self._resident

    def _settle(self, check: Callable[[], object], what: Callable[[], str]) -> None:
        eventually(check, what, self.settle_time)

    @staticmethod
    def _is_idle(connection: Raw) -> bool:
        status = connection.call("poold.status")
        requests = status["requests"]
        return requests["queued"] == requests["running"] == 0 and status["connections"] == 1

    def _zombies(self) -> list[int]:
        return [pid for pid in procs.children(self.pid) if procs.is_zombie(pid)]

    def _check_stop(self) -> None:
        self.signal(signal.SIGTERM)
        status = self.wait_ended()
        assert status == 0, f"its exit status is {status}"

    def _check_end(self) -> None:
        assert self._end_awaited, f"it ended by itself, with status {self.process.returncode}"

    def _check_nothing_left(self) -> None:
        self._check_no_process_left()
        if self.process.returncode == 0 and not self.passed_on():
            assert not os.path.exists(self.path), "its socket file is left"

    def _check_no_process_left(self) -> None:
        seconds = min(2.0, self.settle_time)
        deadline = Deadline(seconds)
        # Whoever is found may have started another before its end.
        while family := self.family():
            left = procs.wait_gone(family, seconds)
            assert not left, f"left running: {[procs.describe(pid) for pid in left]}"
            assert not deadline.passed(), "what is left goes on to start processes"

    def _check_log(self) -> None:
        assert self.log.close(), "somebody still holds its standard error"
        # With sanitizers each turn of its loop takes several times as long.
        unknown = SANITIZED or math.isinf(self.pressure)
        waited = math.inf if unknown else pressure() - self.pressure
        lines = self.log.unexpected(self.announced, waited)
        assert not lines, "log lines that this test did not announce:\n" + "\n".join(lines)

    def _end_by_force(self) -> None:
        """Ends what is left, whatever went wrong."""
        if not self.has_ended():
            self.process.kill()
        for pid in self.family():
            procs.kill(pid)
        self.process.wait()
        procs.wait_gone(self.family(), 5.0)

    def _clear_away(self) -> None:
        Daemon._running.discard(self.pid)
        procs.reap_adopted(Daemon._running)
        os.close(self.pidfd)
        self.notices.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Measured(AssertionError):
    """What was measured is not good enough.  What else the machine did meanwhile may be why: that
    makes everything slower, and nothing quicker."""


def best_of_three(test: Callable[[Any], None]) -> Callable[[Any], None]:
    """A test that begins again when its measurement is not good enough, up to twice."""

    @functools.wraps(test)
    def run(self: Any) -> None:
        for _ in range(2):
            try:
                return test(self)
            except Measured as measured:
                print(f"\n{self.id()} again: {measured}", file=sys.stderr)
        return test(self)

    return run


class DaemonTest(unittest.TestCase):
    """A test with a daemon; see the head of this file."""

    maxDiff = None

    @classmethod
    def setUpClass(cls) -> None:
        procs.adopt_orphans()

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        begin_scenario()
        return super().run(result)

    daemon_class: type[Daemon] = Daemon

    def launch(self, *pools: str, **options: object) -> Daemon:
        """A daemon that was just started.  It is finished with the test."""
        daemon = self.daemon_class(pools, options)
        self.addCleanup(daemon.finish)
        return daemon

    def start(self, *pools: str, **options: object) -> Daemon:
        """A daemon that is ready."""
        daemon = self.launch(*pools, **options)
        daemon.wait_ready()
        return daemon

    def random(self, default_seed: int) -> random.Random:
        """Random numbers from POOLD_SEED, or the test's own seed, which is printed if it fails."""
        seed = int(os.environ.get("POOLD_SEED", default_seed))
        self.addCleanup(self._tell_seed, seed)
        return random.Random(seed)

    def _tell_seed(self, seed: int) -> None:
        outcome = self._outcome
        if outcome is not None and not outcome.success:
            print(f"\n{self.id()}: POOLD_SEED={seed}", file=sys.stderr)

    def assert_in_time(self, timed: Timed, deadline: float, late: float = LATE) -> None:
        """What ends at a deadline (seconds; 0: at once) ended about then, and not much later.

        `late` is the scheduler's share on an idle machine, which is measured before this fails.  How
        exactly the daemon keeps to deadlines is what test_deadlines is about.
        """
        if timed.seconds > deadline + TICK + late:
            limit = deadline + TICK + late * measure_scenario()
            self.assertLessEqual(timed.seconds, limit, f"{deadline} s and a tick")

    @staticmethod
    def assert_measured(good: bool, what: object) -> None:
        """For tests that are the `best_of_three`."""
        if not good:
            raise Measured(what)

    def assert_code(self, answer: Any, code: str) -> None:
        """The answer is this error."""
        self.assertEqual(answer.code, code, answer)
