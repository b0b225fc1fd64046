"""poolctl top: what it shows, in a terminal and printed once; its keys, its actions, and its ends."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import unittest
from collections.abc import Callable
from pathlib import Path

import public
from clients import PoolctlTest, poolctl
from clock import eventually
from harness import BUILD, C_TOOLS, Daemon, breaker, pool, static_pool
from raw import Raw
from terminal import BASH, TMUX, WHY_SKIPPED, Terminal
from test_requests import NASTY

IS_ROOT = os.geteuid() == 0
STRANGER = 12345

# A breaker that a few failures open, for as long as a test takes.
TOUCHY = {"open_timeout": "50s", "early_probe": "no"}


class Traffic:
    """Calls that go on until the block ends, in a thread of its own."""

    def __init__(self, path: str, call: Callable[[Raw], object]) -> None:
        self._path = path
        self._call = call
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on)

    def _go_on(self) -> None:
        with Raw(self._path, map_errors=True) as client:
            while not self._over.wait(0.01):
                self._call(client)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def bug(client: Raw) -> None:
    """A call that raises."""
    client.read_of(client.ask_pool("tools", "divide", [1, 0]))


def echo(client: Raw) -> None:
    client.read_of(client.ask_pool("tools", "echo", [1]))


class Once(PoolctlTest):
    """--once and --json"""

    def test_all_is_well(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        with Traffic(daemon.path, echo):
            lines = self.succeed(daemon, "top", "--once").splitlines()
        self.assertRegex(lines[0], r"^poold is ok; 1 pool; up ")
        self.assertRegex(lines[1], r"^[\d.]+ req/s; ")
        self.assertEqual(lines[2].split(), ["POOL", "STATUS", "REQ/S", "OK%", "P50", "P99", "QUEUE",
                                            "BUSY", "BREAKER", "SERVED", "BY"])
        words = lines[3].split()
        self.assertEqual(words[:2], ["tools", "ok"])
        self.assertGreater(float(words[2]), 0)
        self.assertEqual(words[3], "100")
        self.assertIn("Workers: 1", lines)

    def test_as_json(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), static_pool("spare", answer=1))
        daemon.announced.append("pool=tools")
        with Traffic(daemon.path, bug):
            eventually(lambda: daemon.counters("tools")["failed"] >= 30, "requests have failed")
            found = self.json(daemon, "top", "--interval", "500ms")
        self.assertIn("tools is ", found["problems"][0]["text"])
        self.assertIn("exception: ZeroDivisionError", found["problems"][0]["text"])
        self.assertGreater(found["window_ms"], 250)
        tools, spare = found["pools"]
        self.assertEqual((tools["name"], tools["status"], tools["ok_percent"]), ("tools", found["status"], 0))
        self.assertEqual((tools["failing_with"], tools["breaker"]), ("exception", "closed"))
        self.assertGreater(tools["requests_per_second"], 0)
        self.assertEqual((spare["name"], spare["status"], spare["ok_percent"]), ("spare", "ok", None))
        self.assertEqual([each["code"] for each in found["errors"]], ["exception"])
        self.assertEqual(found["workers"][0]["pool"], "tools")
        self.assertIn("poolctl", [each["name"] for each in found["clients"]["clients"]])

    def test_names_are_harmless(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        client = daemon.connect()
        client.call("poold.hello", {"client": NASTY, "version": "1"})
        wide = daemon.connect()
        wide.call("poold.hello", {"client": "漢字", "version": "1"})
        shown = self.succeed(daemon, "top", "--once", "--interval", "100ms")
        self.assertIn("?[31mred??gnp", shown)
        self.assertFalse({c for c in shown if ord(c) < 32 and c != "\n"}, shown)
        self.assertIn("漢字", shown)
        # Behind the wide name, which takes two columns a character, everything stands where it does
        # behind another one.
        (title,) = [line for line in shown.splitlines() if "IN FLIGHT" in line]
        (row,) = [line for line in shown.splitlines() if "漢字" in line]
        ends = title.index("UID") + len("UID")
        self.assertEqual(row[: ends - 2].split()[-1], str(os.getuid()))
        self.assertLessEqual(max(map(len, shown.splitlines())), 80)

    def test_messages_methods_and_sessions_are_harmless(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=2, prefetch=0))
        daemon.announced.append("pool=tools")
        client = daemon.connect(map_errors=True)
        client.read_of(client.ask_pool("tools", "fail", ["ValueError", f"two\nlines {NASTY}"]))
        client.read_of(client.ask_pool("tools", f"m {NASTY}\n"))
        gate = daemon.directory / "gate"
        number = client.ask_pool("tools", "occupy", [str(gate)], session=f"s\r{NASTY}")
        eventually(gate.exists, "it runs")
        shown = self.succeed(daemon, "top", "--once", "--interval", "100ms")
        self.assertIn("ValueError: two?lin", shown)
        self.assertIn("s??[31mred??gnp", shown)
        self.assertFalse({c for c in shown if (ord(c) < 32 and c != "\n") or c == "\u202e"}, shown)
        gate.unlink()
        client.read_of(number)

    def test_it_needs_a_terminal(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        done = poolctl(daemon, "top")
        self.assertEqual((done.returncode, done.stdout), (64, ""))
        self.assertIn("this is not a terminal; poolctl top --once needs none", done.stderr)
        for words, fault in ((["--interval", "99ms"], "less than 100ms"), (["--interval", "x"], "is not a duration")):
            done = poolctl(daemon, "top", *words)
            self.assertEqual(done.returncode, 64)
            self.assertIn(fault, done.stderr)

    def test_there_is_no_daemon(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        daemon.signal(signal.SIGTERM)
        daemon.wait_ended()
        done = poolctl(daemon, "top", "--once")
        self.assertEqual(done.returncode, 69)
        self.assertIn("connect_failed", done.stderr)


@unittest.skipUnless(TMUX and BASH, WHY_SKIPPED)
class TopTest(PoolctlTest):
    """A terminal, and poolctl top in it."""

    def open(self, width: int = 80, height: int = 24) -> Terminal:
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="poold-top-"))
        os.chmod(folder, 0o755)
        terminal = Terminal(Path(folder), width, height)
        self.addCleanup(terminal.close)
        return terminal

    def top(self, daemon: Daemon, width: int = 80, height: int = 24, before: str = "") -> Terminal:
        """The terminal, when the pools are shown; `before` is the program that runs poolctl."""
        terminal = self.open(width, height)
        self.settings = terminal.ask("stty -g")
        self.run_top(terminal, daemon, before)
        return terminal

    def run_top(self, terminal: Terminal, daemon: Daemon, before: str = "", options: str = "") -> None:
        program = public.program("poolctl", public.folder(self)) if before else BUILD / "poolctl"
        """Has the shell run it, and waits until it is there."""
        terminal.command(f"clear; {before} {program} --socket {daemon.path} {options} top --interval 100ms"
                         "; echo status=$?")
        terminal.wait_for("BREAKER")

    def pid_of_top(self, daemon: Daemon) -> int:
        clients = daemon.ask("poold.clients")["clients"]
        (pid,) = [each["pid"] for each in clients if each["name"] == "poolctl"]
        return int(pid)

    def assert_restored(self, terminal: Terminal) -> None:
        """The shell is back, and the terminal as it was before."""
        self.assertEqual(terminal.ask("stty -g"), self.settings)
        self.assertTrue(terminal.is_restored())


class Troubles(TopTest):
    """The first screen names the pool, the cause, since when, and what to do."""

    def start_outage(self) -> Daemon:
        daemon = self.start(
            pool("tools", C_TOOLS, workers=2, fallback="spare"), breaker("tools", **TOUCHY),
            static_pool("spare", answer='"canned"'), pool("other", C_TOOLS),
        )
        daemon.announced += ["pool=tools"]
        client = daemon.connect(map_errors=True)
        def is_open() -> bool:
            client.read_of(client.ask_pool("tools", "die", [9]))
            return bool(daemon.ask("poold.breakers")[0]["state"] == "open")
        eventually(is_open, "the breaker opens", 30.0)
        return daemon

    def test_an_outage(self) -> None:
        daemon = self.start_outage()
        for width, height in ((80, 24), (200, 50)):
            with self.subTest(width=width, height=height):
                terminal = self.top(daemon, width, height)
                lines = terminal.wait_for("spare")
                self.assertRegex(lines[0], r"^poold is (degraded|down); 1 of 3 pools is not ok; up ")
                self.assertRegex(lines[1], r"^- tools is (degraded|down) since \d.*: its circuit breaker is open, probes in ")
                self.assertTrue([line for line in lines[2:5] if "advice: " in line], lines)
                (row,) = [line for line in lines if line.startswith("tools ") and "open, " in line]
                self.assertRegex(row, r" open, \d+ s ")
                # What is wrong comes first.
                titles = next(i for i, line in enumerate(lines) if line.startswith("POOL"))
                self.assertTrue(lines[titles + 1].startswith("tools "), lines)
                terminal.keys("q")
                terminal.wait_for("status=0")
                terminal.close()

    def test_all_requests_raise(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), pool("other", C_TOOLS))
        daemon.announced.append("pool=tools")
        for width, height in ((80, 24), (200, 50)):
            with self.subTest(width=width, height=height), Traffic(daemon.path, bug):
                terminal = self.top(daemon, width, height)
                lines = terminal.wait_for("advice: ")
                # One client alone makes no pool degraded.
                self.assertRegex(lines[0], r"^poold is ok; 2 pools")
                self.assertRegex(lines[1], r"^- tools is ok, but: exception: ZeroDivisionError: division by zero; ")
                self.assertTrue([line for line in lines[2:5] if "advice: " in line and "poolctl errors" in line], lines)
                terminal.keys("3")
                terminal.wait_for("IN ALL")
                lines = terminal.wait_for("ZeroDivisionError")
                self.assertTrue([line for line in lines if line.startswith("tools") and " divide " in line], lines)
                terminal.close()

    def test_a_small_screen(self) -> None:
        daemon = self.start_outage()
        terminal = self.top(daemon, 40, 10)
        lines = terminal.wait_for("open, ")
        self.assertRegex(lines[0], "^poold is (degraded|down)")
        self.assertRegex(lines[1], "^- tools is")
        terminal.resize(100, 30)
        terminal.wait_for("SERVED BY")
        terminal.wait_for("F10 Quit")
        terminal.resize(20, 3)
        terminal.wait_without("F10")
        terminal.resize(80, 24)
        eventually(lambda: "F10 Quit" in terminal.lines()[23], terminal.screen)


class Panes(TopTest):
    """What else is seen, and moving around."""

    def test_requests_and_clients(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, workers=2))
        client = daemon.connect()
        client.call("poold.hello", {"client": NASTY, "version": "1"})
        daemon.occupy(client)
        daemon.connect().call("poold.hello", {"client": "漢字漢字", "version": "1"})
        terminal = self.top(daemon)
        terminal.keys("4")
        terminal.wait_for("PEER")
        lines = terminal.wait_for("occupy")
        (row,) = [line for line in lines if "occupy" in line]
        self.assertIn("tools", row)
        self.assertIn("?[31mred??gnp", row)
        terminal.keys("5")
        lines = terminal.wait_for("漢字")
        # Four wide characters take eight columns, and the text of the screen has four less.
        (title,) = [line for line in lines if "IN FLIGHT" in line]
        (row,) = [line for line in lines if "漢字" in line]
        end = title.index("UID") + len("UID")
        self.assertRegex(row[: end - 4], rf" {os.getuid()}$")
        terminal.keys("2")
        terminal.wait_for("LAST EXIT")
        terminal.wait_for("occupy")
        daemon.release()
        terminal.wait_without("occupy")
        for key in ("Down", "Up", "NPage", "PPage", "End", "Home", "BSpace"):
            terminal.keys(key)
        terminal.keys("6")
        terminal.wait_for("SEVERITY")
        terminal.keys("F1")
        terminal.wait_for("names the call that it makes")
        terminal.keys("Escape")
        terminal.wait_for("F10 Quit")
        terminal.keys("1", "Enter")
        terminal.wait_for("workers.min")
        terminal.keys("q")
        terminal.wait_for("BREAKER")
        terminal.keys("F10")
        terminal.wait_for("status=0")
        self.assert_restored(terminal)

    def test_alerts(self) -> None:
        with self.start().connect(map_errors=True) as client:
            if client.answer("poold.alerts").code == "unknown_method":
                self.skipTest("this daemon has no alerts")
        daemon = self.start(pool("tools", C_TOOLS), alerts=True)
        daemon.announced += ["pool=tools", "alert"]
        with Traffic(daemon.path, bug):
            terminal = self.top(daemon, 120, 24)
            terminal.keys("6")
            terminal.wait_for("SEVERITY")
            lines = terminal.wait_for("firing", 30)
        (row,) = [line for line in lines if line.startswith("firing") and " error_share " in line]
        self.assertIn(" tools ", row)

    def test_search_filter_sort_and_freeze(self) -> None:
        names = ("alpha", "bravo", "charlie", "delta")
        daemon = self.start(*(static_pool(name, answer=1) for name in names), pool("tools", C_TOOLS))
        terminal = self.top(daemon)
        terminal.keys("1", "F4")
        terminal.type("rav")
        terminal.keys("Enter")
        terminal.wait_without("charlie")
        terminal.wait_for("bravo")
        terminal.keys("Escape")
        terminal.wait_for("charlie")
        terminal.keys("F3")
        terminal.type("delta")
        terminal.wait_for("search: delta_")
        terminal.keys("Enter", "Enter")
        terminal.wait_for("delta", 20)
        terminal.wait_for("queue_max")
        self.assertTrue([line for line in terminal.lines() if line.split() == ["name", "delta"]])
        terminal.keys("q", ">")
        terminal.wait_for("POOL^")
        terminal.keys("Space")
        frozen = terminal.wait_for("FROZEN")
        daemon.connect().call_pool("alpha", "any")
        self.assertEqual(terminal.lines(), frozen)
        terminal.keys("z")
        terminal.wait_without("FROZEN")


class Actions(TopTest):
    """Each asks first, names its call, and shows what came of it."""

    def test_they_ask_first(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), breaker("tools"))
        daemon.announced.append("pool=tools")
        terminal = self.top(daemon)
        terminal.keys("1", "B")
        terminal.wait_for('call poold.breaker_open ["tools"]? [y/N]')
        terminal.keys("n")
        terminal.wait_for('poold.breaker_open ["tools"] was not called')
        self.assertEqual(daemon.ask("poold.breakers")[0]["state"], "closed")
        terminal.keys("B", "y")
        terminal.wait_for('done: poold.breaker_open ["tools"]')
        self.assertEqual(daemon.ask("poold.breakers")[0]["state"], "forced_open")
        terminal.wait_for(" forced_open")
        terminal.keys("b", "y")
        terminal.wait_for('done: poold.breaker_reset ["tools"]')
        self.assertEqual(daemon.ask("poold.breakers")[0]["state"], "closed")
        terminal.keys("d", "y")
        terminal.wait_for('done: poold.drain ["tools"]')
        self.assertTrue(daemon.pool("tools")["drained"])
        terminal.keys("u", "y")
        terminal.wait_for('done: poold.resume ["tools"]')
        self.assertFalse(daemon.pool("tools")["drained"])

    def test_workers_and_requests(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        daemon.announced.append("pool=tools")
        client = daemon.connect(map_errors=True)
        number = daemon.occupy(client)
        terminal = self.top(daemon)
        terminal.keys("4")
        terminal.wait_for("PEER")
        terminal.wait_for("occupy")
        terminal.keys("c")
        terminal.wait_for("call poold.request_cancel [")
        terminal.keys("y")
        terminal.wait_for("done: poold.request_cancel [")
        self.assertEqual(client.read_of(number).code, "cancelled")
        daemon.release()
        (before,) = daemon.wait_workers("tools", 1)
        terminal.keys("2")
        terminal.wait_for("LAST EXIT")
        terminal.keys("K")
        terminal.wait_for('call poold.kill_worker ["tools", 1, "KILL"]? [y/N]')
        terminal.keys("y")
        terminal.wait_for("done: poold.kill_worker")
        (second,) = daemon.wait_workers("tools", 1, apart_from=(before,))
        terminal.wait_for("killed by hand")
        terminal.keys("r", "y")
        terminal.wait_for('done: poold.restart_workers ["tools"]')
        daemon.wait_workers("tools", 1, apart_from=(before, second))

    def test_one_at_a_time(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), breaker("tools"))
        daemon.announced += ["pool=tools", "the daemon stood still"]
        terminal = self.open()
        self.run_top(terminal, daemon, options="--wait 1min")
        terminal.keys("1", "B")
        terminal.wait_for('call poold.breaker_open ["tools"]? [y/N]')
        daemon.signal(signal.SIGSTOP)
        try:
            terminal.keys("y", "d", "y")
            terminal.wait_for('wait for the answer to poold.breaker_open ["tools"]')
        finally:
            daemon.signal(signal.SIGCONT)
        terminal.wait_for('done: poold.breaker_open ["tools"]')
        self.assertFalse(daemon.pool("tools")["drained"])

    @unittest.skipUnless(IS_ROOT, "only root can become another user")
    def test_without_the_right(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), socket_mode="0666")
        daemon.directory.chmod(0o755)
        terminal = self.top(daemon, before=f"setpriv --reuid {STRANGER} --regid {STRANGER} --clear-groups")
        terminal.keys("1", "d", "y")
        terminal.wait_for("you may not do that: permission_denied: ")
        self.assertFalse(daemon.pool("tools")["drained"])


class Ends(TopTest):
    """However it ends, the terminal is as it was."""

    def test_signals(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        terminal = self.top(daemon)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT):
            with self.subTest(number=number):
                os.kill(self.pid_of_top(daemon), number)
                # The shell gives up the rest of its line after SIGINT alone.
                terminal.wait_for("prompt>" if number == signal.SIGINT else f"status={128 + number}")
                self.assert_restored(terminal)
                self.run_top(terminal, daemon)

    def test_keys(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        terminal = self.top(daemon)
        for key, sign in (("q", "status=0"), ("F10", "status=0"), ("C-c", "prompt>")):
            with self.subTest(key=key):
                terminal.keys(key)
                terminal.wait_for(sign)
                self.assert_restored(terminal)
                self.run_top(terminal, daemon)

    def test_it_stops_and_goes_on(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        terminal = self.top(daemon)
        terminal.keys("C-z")
        terminal.wait_for("Stopped")
        self.assert_restored(terminal)
        terminal.resize(90, 20)
        terminal.command("fg")
        self.assertIn("F10 Quit", terminal.wait_for("F10 Quit")[19])
        terminal.keys("3")
        terminal.wait_for("IN ALL")
        terminal.keys("q")
        terminal.wait_for("prompt>")
        self.assert_restored(terminal)

    def test_the_daemon_says_nothing(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        daemon.announced.append("the daemon stood still")
        terminal = self.open()
        self.settings = terminal.ask("stty -g")
        self.run_top(terminal, daemon, options="--wait 300ms")
        daemon.signal(signal.SIGSTOP)
        try:
            terminal.wait_for("no answer, trying again every second")
            # Keys are heard meanwhile.
            terminal.keys("3")
            terminal.wait_for("IN ALL")
        finally:
            daemon.signal(signal.SIGCONT)
        terminal.wait_for("poold is ok")
        terminal.keys("q")
        terminal.wait_for("status=0")
        self.assert_restored(terminal)

    def test_the_daemon_is_killed(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        terminal = self.top(daemon)
        daemon.signal(signal.SIGKILL)
        daemon.wait_ended()
        lines = terminal.wait_for("connection lost, trying again every second")
        self.assertTrue(lines[0].startswith("connection lost"), lines)
        # What was known last stays.
        self.assertTrue([line for line in lines if line.startswith("tools ")], lines)
        os.unlink(daemon.path)
        daemon.relaunch()
        daemon.wait_ready()
        terminal.wait_for("poold is ok")
        self.assertFalse(terminal.has("connection lost"))
        terminal.keys("q")
        terminal.wait_for("status=0")
        self.assert_restored(terminal)

    def test_an_unknown_terminal(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS))
        terminal = self.open()
        self.settings = terminal.ask("stty -g")
        # ncurses itself loses some memory there.
        for kind in ("nonsense", "dumb"):
            said = terminal.ask(f"ASAN_OPTIONS=detect_leaks=0 TERM={kind} {BUILD}/poolctl --socket {daemon.path} top"
                                " 2>&1 >/dev/tty; echo status=$?")
            self.assertIn(f"this type of terminal is unknown, or has no screen (TERM={kind})", said)
            self.assertIn("status=64", said)
            self.assert_restored(terminal)


class Cost(TopTest):
    """It asks for little, however much there is."""

    def test_many_requests(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS, queue_max=16000, prefetch=0, timeout="300s"), in_flight_max=6000)
        daemon.announced.append("pool=tools")
        daemon.growth_max = 64 << 20
        client = daemon.connect()
        daemon.occupy(client)
        for _ in range(5000):
            client.ask_pool("tools", "echo", [1])
        eventually(lambda: daemon.pool("tools")["queue"]["length"] == 5000, "they wait", 30.0)
        found = self.json(daemon, "top", "--interval", "100ms")
        self.assertEqual(len(found["requests"]["requests"]), 1)
        self.assertEqual(found["requests"]["count"], 5001)
        terminal = self.top(daemon)
        terminal.keys("a")
        terminal.wait_for("200 of 5001 open")
        # It has one connection all the time.
        pid = self.pid_of_top(daemon)
        terminal.keys("4")
        terminal.wait_for("200 of 5001 open")
        self.assertEqual(self.pid_of_top(daemon), pid)
        daemon.release()
        client.close()


if __name__ == "__main__":
    unittest.main()
