"""What one client, or one user, may cost the others: turns in the queue, limits for each user, and who
may be critical."""

from __future__ import annotations

import grp
import os
import subprocess
import sys
import unittest
from pathlib import Path

import public
from clock import eventually
from harness import C_TOOLS, Daemon, DaemonTest, pool
from raw import Raw

NOBODY = 65534
CROWD = 1000

# Asks as another user: the path, the priority, how many requests at once, and what for; prints what each
# is answered.
STRANGER = """
import sys
import poold
from concurrent.futures import ThreadPoolExecutor

path, priority, count, *call = sys.argv[1:]

def ask(number):
    try:
        return client.call("tools", *call, priority=priority)
    except poold.Error as error:
        return str(error)

with poold.Client(path) as client, ThreadPoolExecutor(int(count)) as threads:
    for answer in threads.map(ask, range(int(count))):
        print(answer)
"""


def run_as_nobody(
    daemon: Daemon, priority: str, count: int, *call: str, groups: tuple[int, ...] = ()
) -> subprocess.Popen[str]:
    """Starts the stranger; its output comes when all its requests are answered."""
    daemon.directory.chmod(0o755)
    return subprocess.Popen(
        [sys.executable, "-c", STRANGER, daemon.path, priority, str(count), *call],
        env=public.package(daemon.directory),
        user=NOBODY, group=NOBODY, extra_groups=groups,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )


def wait_queued(daemon: Daemon, count: int) -> None:
    eventually(lambda: daemon.pool("tools")["queue"]["length"] == count, f"{count} wait")


class Turns(DaemonTest):
    """Connections take turns, whatever each of them has sent."""

    def start_one(self) -> tuple[Daemon, Raw, Path]:
        """One worker, which is at work; and where requests note that they ran."""
        daemon = self.start(pool("tools", C_TOOLS, prefetch=0, timeout="120s"))
        busy = daemon.connect()
        daemon.occupy(busy)
        return daemon, busy, daemon.directory / "order"

    @staticmethod
    def note(client: Raw, order: Path, name: str, **options: object) -> int:
        return client.ask_pool("tools", "note", [str(order), name], **options)

    def wait_all(self, clients: list[Raw], counts: list[int]) -> None:
        for client, count in zip(clients, counts):
            for _ in range(count):
                self.assertIsNone(client.read().error)

    def test_one_beside_a_thousand_waits_for_one_at_a_time(self) -> None:
        daemon, busy, order = self.start_one()
        crowd, honest = daemon.connect(), daemon.connect()
        for _ in range(CROWD):
            self.note(crowd, order, "crowd")
        wait_queued(daemon, CROWD)
        self.note(honest, order, "honest")
        wait_queued(daemon, CROWD + 1)
        daemon.release()
        for _ in range(20):
            self.assertIsNone(honest.read().error)
            self.note(honest, order, "honest")
        self.wait_all([busy, crowd, honest], [1, CROWD, 1])
        waits = [gap.count("crowd") for gap in order.read_text().split("honest")][:-1]
        # While one of its own is answered and the next one comes, the crowd is served.
        self.assertLessEqual(waits[0], 1)
        self.assertLess(sum(waits), CROWD // 2, waits)
        self.assertLessEqual(sorted(waits)[len(waits) // 2], 3, waits)

    def test_all_that_wait_get_the_same(self) -> None:
        daemon, busy, order = self.start_one()
        names = ["a", "b", "c"]
        clients = [daemon.connect() for _ in names]
        for client, name in zip(clients, names):
            for _ in range(30):
                self.note(client, order, name)
            wait_queued(daemon, 30 * (names.index(name) + 1))
        daemon.release()
        self.wait_all([busy, *clients], [1, 30, 30, 30])
        self.assertEqual(order.read_text().split(), names * 30)

    def test_each_has_its_own_in_order_and_by_priority(self) -> None:
        daemon, busy, order = self.start_one()
        one, other = daemon.connect(), daemon.connect()
        for name in ("1", "2", "3"):
            self.note(one, order, f"one-{name}")
        self.note(one, order, "one-critical", priority="critical")
        wait_queued(daemon, 4)
        self.note(other, order, "other-1")
        wait_queued(daemon, 5)
        daemon.release()
        self.wait_all([busy, one, other], [1, 4, 1])
        self.assertEqual(
            order.read_text().split(), ["one-critical", "one-1", "other-1", "one-2", "one-3"]
        )


@unittest.skipIf(os.geteuid() != 0, "only root can ask as another user")
class Users(DaemonTest):
    """What requests of one user may take from those of others."""

    def start_open(self, queue_per_uid: int = 0, **options: object) -> Daemon:
        return self.start(
            pool("tools", C_TOOLS, prefetch=0, queue_per_uid=queue_per_uid),
            socket_mode="0666", **options,
        )

    def answers(self, stranger: subprocess.Popen[str]) -> list[str]:
        out, errors = stranger.communicate(timeout=60)
        self.assertEqual((stranger.returncode, errors), (0, ""))
        return out.splitlines()

    def check_limit(self, daemon: Daemon, most: int, words: str) -> None:
        """Our own user has as many as it may have; so has nobody, who asks for 6."""
        daemon.announced.append("request failed: code=queue_full")
        client = daemon.connect(map_errors=True)
        busy = daemon.occupy(client)
        ours = [client.ask_pool("tools", "echo", [step]) for step in range(4)]
        stranger = run_as_nobody(daemon, "normal", 6, "echo", "in")
        eventually(
            lambda: daemon.counters("tools")["errors"].get("queue_full") == 6 - most,
            "so many are refused, while the worker is at work",
        )
        refused = client.answer_pool("tools", "echo", ["too many"], priority="critical")
        self.assert_code(refused, "queue_full")
        self.assertIs(refused.error["retryable"], True)
        self.assertGreaterEqual(refused.error["retry_after_ms"], 1)
        self.assertEqual(refused.error["executed"], "no")
        daemon.release()
        answers = self.answers(stranger)
        self.assertEqual([client.read().id for _ in range(5)], [busy, *ours])
        full = [answer for answer in answers if answer != "in"]
        self.assertEqual((len(answers), len(full)), (6, 6 - most), answers)
        for user, text in [(0, refused.error["message"]), *((NOBODY, text) for text in full)]:
            text = text.removeprefix("queue_full: ")
            self.assertEqual(text, f"user {user} has {most} {words}")
        self.assertEqual(client.call_pool("tools", "echo", ["room again"]), "room again")

    def test_a_user_has_a_limit_in_each_queue(self) -> None:
        self.check_limit(self.start_open(queue_per_uid=4), 4,
                         "requests in the queue of pool tools, the most that one user may have (queue_per_uid)")

    def test_a_user_has_a_limit_in_the_daemon(self) -> None:
        self.check_limit(self.start_open(requests_per_uid=5), 5,
                         "open requests, the most that one user may have (requests_per_uid)")

    def order_with_critical(self, daemon: Daemon, groups: tuple[int, ...] = ()) -> list[str]:
        """The order in which two normal requests of ours run and a critical one of nobody's, which
        comes last."""
        busy, ours = daemon.connect(), daemon.connect()
        daemon.occupy(busy)
        order = daemon.directory / "order"
        for _ in range(2):
            ours.ask_pool("tools", "note", [str(order), "ours"])
        wait_queued(daemon, 2)
        stranger = run_as_nobody(
            daemon, "critical", 1, "note", str(order), "theirs", groups=groups
        )
        wait_queued(daemon, 3)
        daemon.release()
        self.assertEqual(self.answers(stranger), ["None"])
        for client, count in ((busy, 1), (ours, 2)):
            for _ in range(count):
                self.assertIsNone(client.read().error)
        text = order.read_text()
        order.unlink()
        return text.split()

    def test_only_who_is_named_may_be_critical(self) -> None:
        daemon = self.start_open(critical_group="daemon")
        for _ in range(2):
            self.assertEqual(self.order_with_critical(daemon)[0], "ours")
        group = grp.getgrnam("daemon").gr_gid
        self.assertEqual(self.order_with_critical(daemon, (group,))[0], "theirs")
        told = [line for line in daemon.log.lines if "run as normal" in line]
        self.assertEqual(len(told), 1, told)
        self.assertIn(f"requests of user {NOBODY} ask for the priority critical", told[0])


if __name__ == "__main__":
    unittest.main()
