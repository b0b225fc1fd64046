"""Twelve troubles: the first screen of each tool names the pool, the cause, since when and what to do."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from alerts import alert, fail, succeed
from clients import PoolctlTest, poolctl
from clock import eventually
from harness import TOOLBOX, Daemon, breaker, pool, section, static_pool
from http_client import HttpTest
from raw import Raw
from test_top import TopTest

# Seconds within which a trouble is shown, on an idle machine.
SHOWN_WITHIN = 2.0

# Seconds over which the present runs of a method are judged.
PRESENT = 11.0


def die(client: Raw, count: int) -> None:
    """So many requests that end their worker."""
    for _ in range(count):
        client.answer_pool("tools", "die", [9])


# --- what makes each trouble: returns when it has come ---------------------------------------------


def crash_again_and_again(daemon: Daemon) -> None:
    die(daemon.connect(map_errors=True), 5)
    eventually(lambda: daemon.counters("tools")["worker_crashes"] >= 5, "five have crashed")


def start_in_vain(daemon: Daemon) -> None:
    eventually(lambda: daemon.counters("tools")["worker_start_failures"] >= 5, "five starts have failed")


def end_once_ready(daemon: Daemon) -> None:
    def has_paused() -> bool:
        problems = daemon.ask("poold.status")["pools"][0]["problems"]
        return any(each["code"] == "no_worker" and each["since_ms"] > 1000 for each in problems)

    eventually(has_paused, "it is not started again for now")


def raise_always(daemon: Daemon) -> None:
    fail(daemon.connect(map_errors=True), 12)


def raise_in_one_method(daemon: Daemon) -> None:
    client = daemon.connect(map_errors=True)
    succeed(client, 30)
    fail(client, 12)


def fill_queue(daemon: Daemon) -> None:
    client = daemon.connect()
    daemon.occupy(client)
    for _ in range(4):
        daemon.connect().ask_pool("tools", "echo", [1])
    eventually(lambda: daemon.pool("tools")["queue"]["length"] == 4, "the queue is full")


def become_slow(daemon: Daemon) -> None:
    client = daemon.connect()
    for _ in range(800):
        client.call_pool("tools", "slow", [0.0001])
    end = time.monotonic() + PRESENT
    while time.monotonic() < end:
        client.call_pool("tools", "slow", [0.2])


def hang(daemon: Daemon) -> None:
    client = daemon.connect()
    for _ in range(5):
        client.call_pool("tools", "slow", [0])
    client.ask_pool("tools", "slow", [600])
    eventually(lambda: any(each["run_ms"] > 500 for one in daemon.workers() for each in one["running"]), "it hangs")


def grow(daemon: Daemon) -> None:
    daemon.connect().call_pool("tools", "grow", [80 << 20])


def grow_again_and_again(daemon: Daemon) -> None:
    client = daemon.connect()
    for number in range(1, 4):
        client.call_pool("tools", "grow", [120 << 20])
        eventually(lambda: daemon.counters("tools")["worker_replacements"] == number, "it is replaced")


def open_breaker(daemon: Daemon) -> None:
    client = daemon.connect(map_errors=True)

    def is_open() -> bool:
        die(client, 1)
        return bool(daemon.ask("poold.breakers")[0]["state"] == "open")

    eventually(is_open, "the breaker opens", 30.0)


def flood(daemon: Daemon) -> None:
    daemon.occupy(daemon.connect())
    daemon.connect().ask_pool("tools", "echo", [1])
    flooder = daemon.connect()
    for _ in range(15):
        flooder.ask_pool("tools", "echo", [1])
    eventually(lambda: daemon.pool("tools")["queue"]["length"] == 16, "they are queued")


def write_too_much(daemon: Daemon) -> None:
    daemon.connect().call_pool("tools", "say", ["a line\n" * 500])
    daemon.log.wait_for("worker writes too much")


# --- how it ends -------------------------------------------------------------------------------------


def mend_by_successes(daemon: Daemon) -> None:
    succeed(daemon.connect(), 40)


def mend_by_release(daemon: Daemon) -> None:
    daemon.release()


def mend_by_kill(daemon: Daemon) -> None:
    daemon.ask("poold.kill_worker", "tools", 1)


def mend_by_reset(daemon: Daemon) -> None:
    daemon.ask("poold.breaker_reset", "tools")


def mend_by_quick_runs(daemon: Daemon) -> None:
    client = daemon.connect()
    for _ in range(100):
        client.call_pool("tools", "slow", [0.001])


@dataclass(frozen=True)
class Trouble:
    """One row: what makes it, and what must be said of the pool tools."""

    name: str
    make: Callable[[Daemon], None]
    code: str
    cause: str  # a pattern that each text has
    command: str
    mend: Callable[[Daemon], None] | None = None  # None: it is over after a minute or more
    program: str = TOOLBOX
    options: dict[str, object] = field(default_factory=dict)
    sections: tuple[str, ...] = ()
    detail: str = ""  # what only those are told who may call the pool
    who: str = ""  # a pattern that only the texts for those have who control the pool


TROUBLES = (
    Trouble("worker crash loop", crash_again_and_again, "restarts", "crashed or had to be killed", "poolctl workers tools",
            sections=(breaker("tools", mode="off"),)),
    Trouble("missing command", start_in_vain, "start_failed", "its workers fail to start", "poolctl doctor tools",
            program="/nonexistent/worker", detail="/nonexistent/worker: No such file or directory"),
    Trouble("greeting on standard output", end_once_ready, "no_worker", "no worker is ready", "poolctl doctor tools",
            program="/bin/sh -c 'echo Welcome; exec cat'",
            options={"dialect": "jsonrpc", "restart_delay": "50s", "restart_delay_max": "50s"},
            detail="killed for breaking the protocol: its message is not JSON: a value expected, at byte 0: \"Welcome\""),
    Trouble("all requests raise", raise_always, "failing", r"most of its requests fail: 12 of 12 .* exception",
            "poolctl errors 20", mend_by_successes, options={"degraded_min": 10}),
    Trouble("one method raises", raise_in_one_method, "method_errors",
            r"requests of method divide fail: 12 of 12 .*exception", "poolctl methods tools"),
    Trouble("overload", fill_queue, "queue_full", "its queue is full", "poolctl requests tools", mend_by_release,
            options={"queue_max": 4, "prefetch": 0}),
    Trouble("slow method", become_slow, "method_slow", r"method slow is slow: .* took \d+ ms or longer",
            "poolctl methods tools", mend_by_quick_runs),
    Trouble("hung worker", hang, "worker_hung", r"worker 1 seems to hang: it has run method slow for \d+ (m?s)",
            "poolctl stack tools 1", mend_by_kill, sections=(alert("worker_hung", threshold="300ms"),)),
    Trouble("memory hog", grow, "worker_memory", r"worker 1 uses \d+ MiB; max_memory is 300 MiB",
            "poolctl workers tools", mend_by_kill, options={"max_memory": "300M"},
            sections=(alert("worker_memory", threshold="30%"),)),
    Trouble("memory hogs", grow_again_and_again, "memory_restarts", "workers of the pool outgrew max_memory",
            "poolctl workers tools", options={"max_memory": "100M"}),
    Trouble("breaker open", open_breaker, "circuit_open", "its circuit breaker ", "poolctl errors 20", mend_by_reset,
            sections=(breaker("tools", open_timeout="50s", early_probe="no"), alert("restarts", enabled=False))),
    Trouble("on fallback", open_breaker, "fallback", "served by ", "poolctl breakers tools", mend_by_reset,
            options={"fallback": "spare", "return_dwell": "1ms", "return_step": "1ms"},
            sections=(breaker("tools", open_timeout="50s", early_probe="no"), static_pool("spare", answer="1"),
                      alert("restarts", enabled=False))),
    Trouble("client flood", flood, "client_flood", "has most of the queue: 15", "poolctl clients", mend_by_release,
            options={"queue_max": 20, "prefetch": 0}, who=r"client \d+ \(process \d+, user \d+\) has most"),
    Trouble("log flood", write_too_much, "output_dropped", r"worker 1 writes too much: .* over output_rate",
            "poolctl logs tools 1", options={"output_rate": 10}),
)


def plain(text: str) -> str:
    """In one line, however it was broken."""
    return " ".join(text.split())


class Twelve(HttpTest, PoolctlTest):
    """Each tool is asked as somebody would who has just heard of a problem."""

    def start_trouble(self, trouble: Trouble) -> Daemon:
        daemon = self.launch(
            section("http", {"listen": f"unix:{self.path}", "texts": False}),
            pool("tools", trouble.program, workers=1, **trouble.options),
            *trouble.sections,
            alerts=True,
        )
        daemon.announced.append(".")
        daemon.growth_max *= 2
        daemon.wait_listening()
        if trouble.program == TOOLBOX:
            daemon.wait_ready()
        return daemon

    def missing(self, daemon: Daemon, trouble: Trouble) -> list[str]:
        """What is not said yet, and by whom."""
        problems = self.get("/api/status").json["status"]["pools"][0]["problems"]
        (found,) = [each for each in problems if each["code"] == trouble.code] or [{}]
        status = poolctl(daemon, "status").stdout
        top = plain(poolctl(daemon, "top", "--once", "--interval", "100ms").stdout)
        page = plain(self.get("/plain").text)
        said = {
            "page: the cause": re.search(trouble.cause, found.get("text", "")) or "breaker" in trouble.cause
            or "served by" in trouble.cause,
            "page: since when": isinstance(found.get("since_ms"), int),
            "page: the command": found.get("command") == trouble.command,
            "plain: pool, since when, cause": re.search(rf"<b>tools</b> for \d+ s: [^<]*{trouble.cause}", page),
            "plain: the command": f"<code>{trouble.command}</code>" in page,
            "status: the pool": re.search(r"^tools is (ok|degraded|down) since \d", status, re.M),
            "status: since when, cause": re.search(rf"- .*{trouble.cause}.*, for \d", status),
            "page, plain: not the detail": not trouble.detail or trouble.detail not in found.get("text", "") + page,
            "doctor: the detail": trouble.detail in poolctl(daemon, "doctor").stdout,
            "page, plain: not who it is": not trouble.who or not re.search(trouble.who, found.get("text", "") + page),
            "status, top: who it is": re.search(trouble.who, status) and re.search(trouble.who, top),
            "status: the command": f"run: {trouble.command}\n" in status,
            "top: pool, since when": re.search(r"- tools is (\w+ since|ok, but for) \d", top),
            "status: the detail": trouble.detail in status,
            "top: the cause": re.search(trouble.cause, top),
            "top: the detail": trouble.detail in top,
            "top: the command": re.search("advice: poolctl ", top),
        }
        wrong = [what for what, is_said in said.items() if not is_said]
        return wrong and [*wrong, status, top, page, str(problems)]

    def codes(self, daemon: Daemon) -> list[str]:
        return [each["code"] for each in daemon.ask("poold.status")["pools"][0]["problems"]]

    def assert_shown(self, daemon: Daemon, trouble: Trouble) -> None:
        """The trouble is known after a while, and all is said of it; what is counted goes on for a moment."""
        wrong: list[str] = []

        def is_shown() -> bool:
            nonlocal wrong
            wrong = self.missing(daemon, trouble)
            return not wrong

        eventually(lambda: trouble.code in self.codes(daemon), f"{trouble.code} is known", SHOWN_WITHIN)
        eventually(is_shown, lambda: trouble.name + ":\n" + "\n".join(wrong), SHOWN_WITHIN)

    def assert_over(self, daemon: Daemon, trouble: Trouble) -> None:
        def is_over() -> bool:
            return trouble.code not in self.codes(daemon) and daemon.ask("poold.status")["status"] == "ok"

        eventually(is_over, lambda: f"{trouble.name}: it is over: {daemon.ask('poold.status')}", 20.0)

    def check(self, trouble: Trouble) -> None:
        daemon = self.start_trouble(trouble)
        trouble.make(daemon)
        self.assert_shown(daemon, trouble)
        if trouble.mend:
            trouble.mend(daemon)
            self.assert_over(daemon, trouble)
        # What it left running ends before the daemon is looked at.
        daemon.release()

    def test_a_pool_that_is_well_has_none(self) -> None:
        daemon = self.start_http(pool("tools", TOOLBOX, workers=2), alerts=True)
        client = daemon.connect()
        for _ in range(50):
            client.call_pool("tools", "echo", [1])
            client.call_pool("tools", "slow", [0.02])
        status = daemon.ask("poold.status")
        self.assertEqual((status["status"], status["problems"]), ("ok", []))
        self.assertEqual(status["pools"][0]["problems"], [])
        self.assertNotIn("advice", poolctl(daemon, "status").stdout)


class OnATerminal(TopTest):
    """The screen that is drawn again each second."""

    def check(self, trouble: Trouble) -> None:
        daemon = self.start(pool("tools", TOOLBOX, workers=1, **trouble.options), *trouble.sections, alerts=True)
        daemon.announced.append(".")
        terminal = self.top(daemon)
        trouble.make(daemon)
        eventually(
            lambda: re.search(rf"- tools is ok, but for \d[^:]*: .*{trouble.cause}.* advice: {trouble.command};",
                              plain(terminal.screen())),
            terminal.screen, SHOWN_WITHIN)
        assert trouble.mend
        trouble.mend(daemon)
        terminal.wait_without(trouble.command)

    def test_hung_worker(self) -> None:
        self.check(next(each for each in TROUBLES if each.code == "worker_hung"))

    def test_client_flood(self) -> None:
        self.check(next(each for each in TROUBLES if each.code == "client_flood"))


def add_test(trouble: Trouble) -> None:
    """Each row is a test of its own."""
    setattr(Twelve, "test_" + trouble.name.replace(" ", "_"), lambda self: self.check(trouble))


for row in TROUBLES:
    add_test(row)
