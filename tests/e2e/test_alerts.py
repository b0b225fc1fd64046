"""Alerts: raised and resolved in the log, as events, in reports; tested and silenced by an operator."""

from __future__ import annotations

import re

from alerts import ALERTS, NO_OTHERS, AlertsTest, alert, fail, next_event, quick_share, succeed
from clients import poolctl
from clock import eventually
from harness import C_TOOLS, pool


class Alerts(AlertsTest):

    def test_one_that_is_for_information_only(self) -> None:
        daemon = self.start_watched(quick_share(severity="info"), *NO_OTHERS)
        fail(daemon.connect(), 12)
        daemon.log.wait_for("notice alert error_share: .*severity=info")
        (section,) = [each for each in daemon.ask("poold.config") if each["name"] == "error_share"]
        self.assertIn("severity", {value["key"] for value in section["values"]})

    def test_a_test_of_those_that_name_somebody(self) -> None:
        """Nobody stands out: the test says all the same what it is about."""
        daemon = self.start_watched()
        self.assertIn("no alert is pending or firing", poolctl(daemon, "alerts").stdout)
        kinds = ("method_errors", "method_slow", "worker_hung", "worker_memory", "client_flood", "output_dropped")
        for kind in kinds:
            daemon.ask("poold.alert_test", kind)
        eventually(lambda: len(daemon.ask("poold.alerts")["history"]) == len(kinds), "all were raised")
        self.assertEqual({one["name"] for one in daemon.ask("poold.alerts")["history"]}, set(kinds))

    def test_whole_life(self) -> None:
        daemon = self.start_watched(quick_share(), *NO_OTHERS)
        client, listener = daemon.connect(), daemon.connect()
        listener.call("poold.subscribe", ["alert"])
        self.assertEqual(daemon.ask("poold.alerts")["active"], [])
        self.assertEqual(daemon.ask("poold.health")["pools"]["tools"]["reasons"], [])

        fail(client, 12)
        raised = next_event(listener)
        self.assertEqual((raised["kind"], raised["name"], raised["what"]), ("alert", "error_share", "raised"))
        self.assertEqual((raised["pool"], raised["severity"], raised["test"]), ("tools", "warning", False))
        self.assertEqual(raised["threshold"], 50.0)
        daemon.log.wait_for(r"warning alert error_share: .*threshold is 50%.*pool=tools")
        (active,) = self.find(daemon, "error_share", state="firing", pool="tools")
        self.assertEqual((active["value"], active["unit"]), (100.0, "%"))
        (reason,) = daemon.ask("poold.health")["pools"]["tools"]["reasons"]
        self.assertRegex(reason, r"^alert error_share \(warning\): .*100%")
        shown = poolctl(daemon, "status").stdout
        self.assertIn("(alert error_share)\n", shown)
        self.assertIn("advice: poolctl explain error_share", shown)

        succeed(client, 100)
        resolved = next_event(listener)
        self.assertEqual((resolved["name"], resolved["what"]), ("error_share", "resolved"))
        daemon.log.wait_for(r"notice alert error_share is resolved after \d+ s")
        (past,) = daemon.ask("poold.alerts")["history"]
        self.assertEqual((past["name"], past["pool"], past["highest"]), ("error_share", "tools", 100.0))
        self.assertIsNotNone(past["lasted_ms"])
        self.assertEqual(daemon.ask("poold.health")["pools"]["tools"]["reasons"], [])
        self.assertTrue(self.find(daemon, "error_share", state="resolved"))

    def test_mistakes_of_clients_are_no_failures(self) -> None:
        daemon = self.start_watched(quick_share(), alert("critical_errors", threshold=1, enabled=False))
        client = daemon.connect()
        for _ in range(30):
            client.answer_pool("tools", "no_such_function", [])
        # Another alert shows that the readings were taken meanwhile.
        self.assertEqual(daemon.ask("poold.alert_test", "loop_lag")["for_ms"], 10_000)
        eventually(lambda: self.find(daemon, "loop_lag", state="firing"), "the test fires")
        self.assertEqual(self.find(daemon, "error_share"), [])

    def test_a_pool_has_its_own_rule(self) -> None:
        daemon = self.start_watched(
            quick_share(), alert("mine", kind="error_share", pool="tools", threshold="20%", severity="critical")
        )
        client = daemon.connect()
        succeed(client, 15)
        fail(client, 5)
        daemon.log.wait_for(r"error alert mine: .*severity=critical")
        self.assertEqual(self.find(daemon, "error_share"), [])

    def test_an_operator_opens_a_breaker(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), alert("breaker_open", resolve_after="0"), alerts=True)
        daemon.announced += [ALERTS, "breaker is", "pool is"]
        daemon.ask("poold.breaker_open", "tools")
        daemon.log.wait_for(r"error alert breaker_open: the pool's circuit breaker is open")
        daemon.ask("poold.breaker_reset", "tools")
        daemon.log.wait_for(r"alert breaker_open is resolved")

    def test_one_that_may_fire_later(self) -> None:
        daemon = self.start_watched(alert("error_share", **{"threshold": "50%", "for": "1h"}), *NO_OTHERS)
        fail(daemon.connect(), 12)
        eventually(lambda: self.find(daemon, "error_share", state="pending"), "it is pending")
        shown = poolctl(daemon, "alerts").stdout
        self.assertRegex(shown, r"(?m)^error_share +tools +warning +pending ")
        self.assertNotIn("error_share: ", shown)

    def test_a_worker_that_hangs_for_long(self) -> None:
        daemon = self.start_watched(alert("worker_hung", threshold="300ms"))
        daemon.announced += ["worker", "pool"]
        client = daemon.connect()
        for _ in range(5):
            client.call_pool("tools", "slow", [0])
        client.ask_pool("tools", "slow", [60])
        eventually(lambda: [one for one in daemon.ask("poold.alerts")["active"]
                            if re.search(r"it has run method slow for 1\d s; ", one["text"])],
                   "it has hung for ten seconds", 30.0)

    def test_silence(self) -> None:
        daemon = self.start_watched(quick_share(), *NO_OTHERS)
        client, listener = daemon.connect(), daemon.connect()
        listener.call("poold.subscribe", ["alert"])
        done = poolctl(daemon, "alert", "silence", "error_share", "1h")
        self.assertEqual(done.returncode, 0, done.stderr)
        fail(client, 12)
        eventually(lambda: self.find(daemon, "error_share", state="firing"), "it fires")
        (active,) = self.find(daemon, "error_share", pool="tools")
        self.assertGreater(active["silenced_ms"], 3_000_000)
        self.assertEqual(daemon.ask("poold.health")["pools"]["tools"]["reasons"], [])
        self.assertEqual(poolctl(daemon, "alert", "silence", "error_share", "0").returncode, 0)
        # The first event is the one after the end of the silence.
        self.assertEqual(next_event(listener)["what"], "raised")
        daemon.log.wait_for("alert error_share is not silenced any more")

    def test_test(self) -> None:
        daemon = self.start_watched()
        listener = daemon.connect()
        listener.call("poold.subscribe", ["alert"])
        done = poolctl(daemon, "alert", "test", "no_capacity")
        self.assertEqual(done.stdout, "no_capacity: fires for 10 s as a test\n")
        raised = next_event(listener)
        self.assertEqual((raised["name"], raised["what"], raised["test"]), ("no_capacity", "raised", True))
        self.assertIn("no_capacity (test)", poolctl(daemon, "alerts").stdout)
        # A test is no reason to think that something is wrong.
        self.assertEqual(daemon.ask("poold.health")["pools"]["tools"]["reasons"], [])
        again = daemon.connect(map_errors=True).answer("poold.alert_test", "no_capacity")
        self.assertEqual(again.error["code"], "invalid_request")
        self.assertEqual(next_event(listener)["what"], "resolved")

    def test_wrong_names_are_said(self) -> None:
        daemon = self.start_watched(alert("loop_lag", enabled=False))
        client = daemon.connect(map_errors=True)
        for params, words in (
            (("poold.alert_test", "eror_share"), "did you mean error_share?"),
            (("poold.alert_test", "\x1b[2J" * 100), "there is no alert of that name"),
            (("poold.alert_test", "loop_lag"), "switched off"),
            (("poold.alert_test",), "[alert] is wanted"),
            (("poold.alert_silence", "error_share", -1), "[alert, seconds]"),
            (("poold.alert_silence", "error_share", 1 << 63), "[alert, seconds]"),
            (("poold.alert_silence", "error_share"), "[alert, seconds]"),
        ):
            with self.subTest(params=params):
                error = client.answer(*params).error
                self.assertEqual(error["code"], "invalid_request")
                self.assertIn(words, error["message"])
        self.assertEqual(poolctl(daemon, "alert", "silence", "error_share", "long").returncode, 64)

    def test_switched_off(self) -> None:
        daemon = self.start(pool("tools", C_TOOLS), alerts=False)
        shown = daemon.ask("poold.alerts")
        self.assertEqual((shown["active"], shown["history"]), ([], []))
        self.assertFalse(any(rule["enabled"] for rule in shown["rules"]))
        error = daemon.connect(map_errors=True).answer("poold.alert_test", "loop_lag").error
        self.assertIn("switched off", error["message"])
