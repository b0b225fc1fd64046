"""Alerts: each kind is measured where it happens."""

from __future__ import annotations

import shlex
import signal
import sys
import time

import procs
from alerts import ALERTS, NO_OTHERS, AlertsTest, alert, fail, next_event
from clock import eventually
from harness import C_TOOLS, TOOLBOX, Daemon, breaker, pool, section
from raw import pack


class Kinds(AlertsTest):
    def watch(self, *sections: str, **options: object) -> Daemon:
        daemon = self.start(*sections, *NO_OTHERS, alerts=True, **options)
        daemon.announced += [ALERTS, "breaker", "pool is", "worker ", "requests start", "request failed", "incident", "does not wait", "stood still"]
        return daemon

    def raised(self, daemon: Daemon, name: str, pool: str | None = "tools") -> None:
        where = f".*pool={pool}" if pool else ""
        daemon.log.wait_for(f" alert {name}: {where}", 20.0)

    def test_workers_that_never_start(self) -> None:
        daemon = self.watch(pool("tools", "/bin/false"), alert("no_capacity", **{"for": "0"}))
        self.raised(daemon, "crash_loop")
        self.raised(daemon, "no_capacity")

    def test_a_drained_pool_lacks_nothing(self) -> None:
        daemon = self.watch(pool("tools", C_TOOLS), alert("no_capacity", **{"for": "0"}))
        daemon.ask("poold.drain", "tools")
        daemon.ask("poold.alert_test", "loop_lag")
        self.raised(daemon, "loop_lag", None)
        self.assertEqual(self.find(daemon, "no_capacity"), [])
        daemon.ask("poold.resume", "tools")

    def test_workers_that_are_killed(self) -> None:
        daemon = self.watch(pool("tools", C_TOOLS), alert("restarts", threshold=2))
        for _ in range(2):
            (pid,) = daemon.wait_workers("tools", 1)
            procs.kill(pid)
            daemon.wait_workers("tools", 1, apart_from=(pid,))
        self.raised(daemon, "restarts")

    def test_times(self) -> None:
        daemon = self.watch(
            pool("tools", C_TOOLS, prefetch=0),
            alert("run_time", threshold="40ms", min=1, **{"for": "0"}),
            alert("queue_wait", threshold="40ms", min=1, **{"for": "0"}),
        )
        client = daemon.connect()
        for number in [client.ask_pool("tools", "slow", [0.1]) for _ in range(3)]:
            client.read_of(number)
        self.raised(daemon, "run_time")
        self.raised(daemon, "queue_wait")

    def test_severe_errors(self) -> None:
        daemon = self.watch(
            pool("tools", C_TOOLS),
            section("error exception", {"severity": "critical"}),
            alert("critical_errors", threshold=3),
        )
        client = daemon.connect()
        fail(client, 2)
        daemon.ask("poold.alert_test", "loop_lag")
        self.raised(daemon, "loop_lag", None)
        self.assertEqual(self.find(daemon, "critical_errors"), [])
        fail(client, 1)
        self.raised(daemon, "critical_errors")

    def test_breakers_and_the_fallback(self) -> None:
        daemon = self.watch(
            pool("tools", C_TOOLS, fallback="other", no_worker_wait=0),
            pool("other", C_TOOLS),
        )
        client = daemon.connect()
        daemon.ask("poold.breaker_open", "tools")
        client.call_pool("tools", "echo", [1])
        self.raised(daemon, "breaker_open")
        self.raised(daemon, "on_fallback")
        self.assertEqual(self.find(daemon, "breakers_open"), [])
        daemon.ask("poold.breaker_open", "other")
        self.raised(daemon, "breakers_open", None)
        for name in ("tools", "other"):
            daemon.ask("poold.breaker_reset", name)

    def test_a_loop_that_stood_still(self) -> None:
        daemon = self.watch(pool("tools", C_TOOLS), alert("loop_lag", threshold="500ms"))
        client = daemon.connect()
        number = client.ask_pool("tools", "slow", [2.0])
        eventually(lambda: daemon.workers("tools")[0]["in_flight"] == 1, "it runs")
        procs.stop(daemon.pid)
        began = time.monotonic()
        eventually(lambda: time.monotonic() - began > 1.0, "it stood still for long")
        procs.kill(daemon.pid, signal.SIGCONT)
        self.raised(daemon, "loop_lag", None)
        client.read_of(number)

    def test_sessions_that_lost_their_state(self) -> None:
        daemon = self.watch(pool("keep", TOOLBOX.replace("toolbox", "keeper")))
        client = daemon.connect()
        client.call_pool("keep", "touch", session="cart")
        (pid,) = daemon.wait_workers("keep", 1)
        procs.kill(pid)
        self.raised(daemon, "sessions_lost", None)

    def test_a_breaker_that_opens_again_and_again(self) -> None:
        daemon = self.watch(
            pool("tools", C_TOOLS, workers=1),
            breaker("tools", failure_threshold=1, min_outage=0, open_timeout="10ms", open_timeout_max="10ms",
                    success_threshold=1),
            alert("breaker_flapping", threshold=2),
        )
        client = daemon.connect()

        def opened() -> int:
            return client.call("poold.breakers")[0]["opened"]

        def is_closed() -> bool:
            """Whether a probe has been answered."""
            client.answer_pool("tools", "echo", [1])
            return client.call("poold.breakers")[0]["state"] == "closed"

        client.answer_pool("tools", "die", [9])
        self.assertEqual(opened(), 1)
        # Another alert shows that the readings were taken meanwhile.
        daemon.ask("poold.alert_test", "loop_lag")
        self.raised(daemon, "loop_lag", None)
        self.assertEqual(self.find(daemon, "breaker_flapping"), [])
        eventually(is_closed, "it closes again")
        client.answer_pool("tools", "die", [9])
        self.assertEqual(opened(), 2)
        self.raised(daemon, "breaker_flapping")

    def test_memory_that_is_nearly_used_up(self) -> None:
        """A client begins a request that fills half of the memory, and does not finish it."""
        daemon = self.watch(
            pool("tools", C_TOOLS, queue_bytes_max="4M"),
            alert("memory_near_limit", threshold="40%", resolve_after="0", **{"for": "0"}),
            message_max="4M", response_max="4M", output_max="4M", output_pause="1M", memory_max="16M",
            stall_timeout="60s",
        )
        hogs = [daemon.connect(), daemon.connect()]
        for client in hogs:
            client.send(pack([0, 9, "tools.echo", [bytes(3_900_000)]])[:-1])
        line = daemon.log.wait_for("warning alert memory_near_limit: ", 20.0)
        self.assertRegex(line, "the threshold is 40%")
        for client in hogs:
            client.close()
        daemon.log.wait_for("alert memory_near_limit is resolved", 20.0)

    def test_lines_of_the_log_that_are_lost(self) -> None:
        daemon = self.watch(
            pool("tools", C_TOOLS),
            pool("broken", "/nonexistent", restart_delay="1ms", restart_delay_max="1ms"),
            alert("log_dropped", threshold=5),
            start_timeout="100ms",
        )
        daemon.announced += ["pool=broken", "start_timeout", "lines of this log were lost"]
        listener = daemon.connect()
        listener.call("poold.subscribe", ["alert"])
        with daemon.log.held():
            # What the log can't say is still an event.
            eventually(lambda: self.find(daemon, "log_dropped", state="firing"), "it fires", 20.0)
        while next_event(listener)["name"] != "log_dropped":
            pass

    def test_who_it_was_is_not_said_of_another(self) -> None:
        """When it is over, the one that stands out now is none of it."""
        daemon = self.watch(
            pool("tools", TOOLBOX, workers=2, max_memory="300M"),
            alert("worker_memory", threshold="30%", resolve_after="0"),
        )
        listener = daemon.connect()
        listener.call("poold.subscribe", ["alert"])
        daemon.connect().call_pool("tools", "grow", [80 << 20])
        text = next_event(listener)["text"]
        self.assertRegex(text, r"^worker \d uses \d+ MiB; max_memory is 300 MiB")
        daemon.ask("poold.kill_worker", "tools", int(text.split()[1]))
        event = next_event(listener)
        self.assertEqual(event["what"], "resolved")
        self.assertRegex(event["text"], r"nearly as much memory as max_memory allows, or more: \d+")

    def test_a_method_whose_name_is_no_text(self) -> None:
        """What is said of it is text all the same, and nothing that a terminal obeys."""
        unquiet = shlex.join([sys.executable, "-m", "poold.worker", "unquiet"])
        daemon = self.start(pool("tools", unquiet), breaker("tools", mode="off"), alerts=True)
        daemon.announced += [ALERTS, "pool is", "request failed"]
        listener, client = daemon.connect(), daemon.connect()
        listener.call("poold.subscribe", ["alert"])
        for _ in range(12):
            client.answer_pool("tools", "bad\udcff\x1b\x9b\u202e", [])
        while (event := next_event(listener))["name"] != "method_errors":
            pass
        self.assertIn("requests of method bad???? fail", event["text"])
        self.assertIn("requests of method bad???? fail", str(self.find(daemon, "method_errors")))
