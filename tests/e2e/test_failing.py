"""A pool most of whose requests fail is degraded, and says by what, since when, and where to look."""

from __future__ import annotations

from typing import Any

from clients import PoolctlTest, poolctl
from harness import C_TOOLS, Daemon, pool
from raw import Raw

CALLS = 12


class Failing(PoolctlTest):
    def start_tools(self, **options: object) -> tuple[Daemon, Raw]:
        daemon = self.start(pool("tools", C_TOOLS, **{"degraded_min": 10, **options}))
        daemon.announced.append("pool=tools")
        return daemon, daemon.connect()

    def raise_often(self, client: Raw, count: int = CALLS) -> None:
        for _ in range(count):
            self.assert_code(client.answer_pool("tools", "divide", [1, 0]), "exception")

    def status(self, daemon: Daemon) -> dict[str, Any]:
        return daemon.ask("poold.status")["pools"][0]

    def test_all_requests_raise(self) -> None:
        daemon, client = self.start_tools()
        self.raise_often(client)
        found = self.status(daemon)
        self.assertEqual(found["status"], "degraded")
        reason = f"most of its requests fail: {CALLS} of {CALLS} in the last minute, by exception (ZeroDivisionError)"
        self.assertEqual(found["reasons"], [reason])
        self.assertEqual(found["advice"], ["see poolctl errors for the latest of them, poolctl methods for which calls fail"])
        failing = found["failing"]
        self.assertEqual((failing["failed"], failing["succeeded"]), (CALLS, 0))
        self.assertEqual((failing["code"], failing["type"]), ("exception", "ZeroDivisionError"))
        self.assertEqual(failing["text"], "ZeroDivisionError: division by zero")
        self.assertEqual(daemon.ask("poold.health")["pools"]["tools"]["reasons"], [reason])
        (finding,) = [each for each in daemon.ask("poold.doctor") if each["check"] == "requests"]
        self.assertIn("by exception: ZeroDivisionError: division by zero", finding["text"])

    def test_what_is_wrong_comes_first(self) -> None:
        daemon, client = self.start_tools()
        self.raise_often(client)
        text = self.succeed(daemon, "status")
        self.assertIn("tools is degraded since ", text)
        self.assertLess(text.index("most of its requests fail"), text.index("POOL "))
        self.assertRegex(text, r"most requests have failed for .*; the last one: ZeroDivisionError: division by zero")
        self.assertIn("poolctl errors", text)
        self.assertEqual(poolctl(daemon, "health").returncode, 1)

    def test_it_is_ok_again_when_they_succeed(self) -> None:
        daemon, client = self.start_tools()
        self.raise_often(client)
        for _ in range(2 * CALLS):
            client.call_pool("tools", "echo", [1])
        found = self.status(daemon)
        self.assertEqual((found["status"], found["failing"]), ("ok", None))

    def test_one_connection_alone_does_not_make_it_so(self) -> None:
        daemon, client = self.start_tools()
        other = daemon.connect()
        for _ in range(CALLS):
            self.raise_often(client, 2)
            other.call_pool("tools", "echo", [1])
        self.assertEqual(self.status(daemon)["status"], "ok")
        # The other one's fail as well.
        self.raise_often(other, 2 * CALLS)
        self.assertEqual(self.status(daemon)["status"], "degraded")

    def test_errors_of_the_request_do_not_count(self) -> None:
        daemon, client = self.start_tools()
        for _ in range(CALLS):
            self.assert_code(client.answer_pool("tools", "nothing_like_it"), "unknown_method")
        self.assertEqual(self.status(daemon)["status"], "ok")

    def test_share_and_minimum_are_the_operators(self) -> None:
        daemon, client = self.start_tools(degraded_share=100, degraded_min=3)
        client.call_pool("tools", "echo", [1])
        self.raise_often(client)
        self.assertEqual(self.status(daemon)["status"], "ok")
        daemon, client = self.start_tools(degraded_share=20, degraded_min=3)
        for _ in range(12):
            client.call_pool("tools", "echo", [1])
        self.raise_often(client, 2)
        self.assertEqual(self.status(daemon)["status"], "ok")
        self.raise_often(client, 1)
        self.assertEqual(self.status(daemon)["status"], "degraded")
        daemon, client = self.start_tools(degraded_min=0)
        self.raise_often(client)
        self.assertEqual(self.status(daemon)["status"], "ok")
