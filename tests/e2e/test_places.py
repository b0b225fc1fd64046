"""Who may have a connection when all places are taken: idle ones make way, first those of others."""

from __future__ import annotations

import os
import signal
import unittest
from collections.abc import Iterator
from contextlib import contextmanager

import procs
from clock import eventually
from harness import C_TOOLS, UNRULY, Daemon, DaemonTest, pool
from raw import Raw, pack

IS_ROOT = os.geteuid() == 0
NOBODY = 65534

# Places for everybody, and those for control.
PLACES, RESERVE = 8, 4


class Places(DaemonTest):
    """connections_max, connections_per_uid and control_reserve"""

    OPTIONS = {"connections_max": PLACES + RESERVE, "control_reserve": RESERVE, "socket_mode": "0666"}

    def start_small(self, **options: object) -> Daemon:
        daemon = self.start(pool("raw", UNRULY), **{**self.OPTIONS, **options})
        daemon.directory.chmod(0o711)
        return daemon

    def idle(self, daemon: Daemon, count: int) -> list[Raw]:
        """Connections that were used and are idle, the oldest first."""
        clients = [daemon.connect() for _ in range(count)]
        for client in clients:
            client.call("raw.echo", 1)
        return clients

    @contextmanager
    def other_user(self) -> Iterator[None]:
        """What connects in it does so as another user."""
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    def check_closed(self, client: Raw) -> None:
        self.assertEqual(client.read_to_end(), b"")

    def check_open(self, clients: list[Raw]) -> None:
        for client in clients:
            self.assertEqual(client.call("raw.echo", 2), [2])

    def check_control_only(self, client: Raw) -> None:
        self.assert_code(client.answer("raw.echo", 1), "queue_full")

    def evicted(self, daemon: Daemon) -> int:
        return daemon.ask("poold.stats")["daemon"]["connections_evicted"]

    def test_the_oldest_idle_one_makes_way(self) -> None:
        daemon = self.start_small()
        clients = self.idle(daemon, PLACES)
        clients[0].call("raw.echo", 1)  # now the second one is the oldest
        fresh = daemon.connect()
        self.assertEqual(fresh.call("raw.echo", 1), [1])
        self.check_closed(clients.pop(1))
        self.check_open([*clients, fresh])

    def test_a_flood_of_idle_ones_keeps_nobody_out(self) -> None:
        daemon = self.start_small()
        flood = [daemon.connect() for _ in range(100)]
        for _ in range(20):
            with Raw(daemon.path) as client:
                self.assertEqual(client.call("raw.echo", 1), [1])
        self.assertGreaterEqual(self.evicted(daemon), 92)
        self.assertEqual(daemon.ask("poold.stats")["daemon"]["connections_refused"], 0)
        for client in flood:
            client.close()

    def test_those_that_are_not_idle_stay(self) -> None:
        daemon = self.start(pool("raw", UNRULY), pool("tools", C_TOOLS), **self.OPTIONS)
        clients = [daemon.connect() for _ in range(PLACES)]
        busy = daemon.occupy(clients[0])
        for client in clients[1:4]:
            client.call("poold.subscribe", ["config"])
        for client in clients[4:]:
            client.call("raw.echo", 1)
            client.send(pack([0, 9, "raw.echo", ["x" * 100]])[:50])
        for _ in range(3):
            self.check_control_only(daemon.connect())
        self.assertEqual(self.evicted(daemon), 0)
        for client in clients[4:]:
            client.send(pack([0, 9, "raw.echo", ["x" * 100]])[50:])
            self.assertEqual(client.read_of(9).result, ["x" * 100])
        self.check_open(clients[1:4])
        daemon.release()
        self.assertIsNone(clients[0].read_of(busy).error)

    def test_where_nobody_can_make_way_the_next_waits(self) -> None:
        daemon = self.start(pool("raw", UNRULY), connections_max=2, control_reserve=0)
        daemon.announced.append("connections_max is reached")
        busy = [daemon.connect() for _ in range(2)]
        for client in busy:
            client.call("raw.echo", 1)
            client.send(self.HALF)
        with Raw(daemon.path) as fresh:
            number = fresh.ask("raw.echo", 3)
            daemon.log.wait_for("connections_max is reached")
            busy.pop().close()
            self.assertEqual(fresh.read_of(number).result, [3])
        busy.pop().close()

    def test_who_has_just_asked_stays(self) -> None:
        """The daemon stands still; one comes, and then those who are idle ask something."""
        daemon = self.start_small()
        daemon.announced.append("the daemon stood still")
        clients = self.idle(daemon, PLACES)
        procs.stop(daemon.pid)
        fresh = daemon.connect()
        asked = [client.ask("raw.echo", 1) for client in clients]
        daemon.signal(signal.SIGCONT)
        for client, number in zip(clients, asked):
            self.assertEqual(client.read_of(number).result, [1])
        self.check_control_only(fresh)
        self.assertEqual(clients[0].call("poold.stats")["daemon"]["connections_evicted"], 0)

    # Half a request: whoever has sent that is not idle.
    HALF = pack([0, 9, "raw.echo", [1]])[:5]

    def leave(self, clients: list[Raw], said: bytes = HALF) -> None:
        for client in clients:
            client.send(said)
            client.close()

    def test_those_that_have_left_keep_nobody_out(self) -> None:
        """The daemon stands still; many come and go, then one comes and stays."""
        daemon = self.start_small()
        daemon.announced.append("the daemon stood still")
        procs.stop(daemon.pid)
        self.leave([daemon.connect() for _ in range(3 * (PLACES + RESERVE))])
        fresh = daemon.connect()
        daemon.signal(signal.SIGCONT)
        self.check_open([fresh])
        self.assertEqual(daemon.ask("poold.stats")["daemon"]["connections_refused"], 0)

    def test_those_that_have_left_make_way_before_those_that_are_idle(self) -> None:
        """The daemon stands still; one comes, and then many go."""
        whole = pack([0, 9, "raw.echo", [1]])
        for said in (self.HALF, whole, whole * 100 + self.HALF):
            with self.subTest(said=said[:20]):
                daemon = self.start_small()
                daemon.announced.append("the daemon stood still")
                clients = self.idle(daemon, PLACES)
                procs.stop(daemon.pid)
                fresh = [daemon.connect() for _ in range(PLACES - 1)]
                self.leave(clients[1:], said)
                daemon.signal(signal.SIGCONT)
                self.check_open([*fresh, clients[0]])
                counters = clients[0].call("poold.stats")["daemon"]
                self.assertEqual((counters["connections_evicted"], counters["connections_refused"]), (0, 0))

    def test_one_of_the_reserve_that_has_left_makes_way_first(self) -> None:
        daemon = self.start_small()
        daemon.announced.append("the daemon stood still")
        clients = [daemon.connect() for _ in range(PLACES)]
        for client in clients:
            client.call("poold.subscribe", ["config"])
        reserved = [daemon.connect() for _ in range(RESERVE)]
        for client in reserved:
            self.check_control_only(client)
        procs.stop(daemon.pid)
        fresh = daemon.connect()
        self.leave([reserved.pop(2)])
        daemon.signal(signal.SIGCONT)
        for client in [fresh, *reserved]:
            self.check_control_only(client)
        self.check_open(clients)

    def test_those_of_a_user_that_have_left_do_not_count_against_it(self) -> None:
        daemon = self.start_small(connections_per_uid=3)
        daemon.announced.append("the daemon stood still")
        clients = self.idle(daemon, 3)
        procs.stop(daemon.pid)
        fresh = [daemon.connect() for _ in range(2)]
        self.leave(clients[1:])
        daemon.signal(signal.SIGCONT)
        self.check_open([clients[0], *fresh])

    def test_a_user_has_a_limit_of_its_own(self) -> None:
        daemon = self.start_small(connections_per_uid=3)
        clients = self.idle(daemon, 3)
        fresh = daemon.connect()
        self.assertEqual(fresh.call("raw.echo", 1), [1])
        self.check_closed(clients.pop(0))
        for client in [*clients, fresh]:
            client.call("poold.subscribe", ["config"])
        # Its user may control the daemon.
        self.check_control_only(daemon.connect())

    def test_who_leaves_gives_its_place_back(self) -> None:
        daemon = self.start_small(connections_per_uid=3)
        for _ in range(10):
            with Raw(daemon.path) as client:
                client.call("poold.version")
        first = daemon.connect()
        eventually(lambda: first.call("poold.status")["connections"] == 1, "the others are gone")
        clients = [first, daemon.connect(), daemon.connect()]
        for client in clients:
            client.call("poold.subscribe", ["config"])
        self.check_open(clients)

    @unittest.skipUnless(IS_ROOT, "only root becomes another user")
    def test_a_user_over_its_limit_is_refused(self) -> None:
        daemon = self.start_small(connections_per_uid=3)
        daemon.announced.append("connections_per_uid is reached and no connection is idle")
        with self.other_user():
            clients = [daemon.connect() for _ in range(3)]
            for client in clients:
                client.call("poold.subscribe", ["config"])
            self.check_closed(daemon.connect())
        self.check_open([*clients, *self.idle(daemon, 2)])

    @unittest.skipUnless(IS_ROOT, "only root becomes another user")
    def test_whoever_has_most_makes_way_first(self) -> None:
        daemon = self.start_small()
        mine = self.idle(daemon, 2)
        with self.other_user():
            theirs = self.idle(daemon, PLACES - 2)
        for _ in range(2):
            mine += self.idle(daemon, 1)
            self.check_closed(theirs.pop(0))
        # Now both have as many, so each makes way for its own.
        mine += self.idle(daemon, 1)
        self.check_closed(mine.pop(0))
        with self.other_user():
            theirs += self.idle(daemon, 1)
        self.check_closed(theirs.pop(0))
        self.check_open([*mine, *theirs])

    @unittest.skipUnless(IS_ROOT, "only root becomes another user")
    def test_control_has_the_reserve_for_itself(self) -> None:
        daemon = self.start_small()
        daemon.announced += ["connections_max is reached and no connection is idle",
                             "no new connections until one is closed"]
        with self.other_user():
            for _ in range(PLACES):
                daemon.connect().call("poold.subscribe", ["config"])
            theirs = [daemon.connect() for _ in range(RESERVE)]
            for client in theirs:
                self.check_control_only(client)
        mine = []
        for _ in range(RESERVE):
            mine.append(daemon.connect())
            self.check_control_only(mine[-1])
            self.check_closed(theirs.pop(0))
        with self.other_user():
            self.check_closed(daemon.connect())
        for client in mine:
            self.check_control_only(client)
        # Among those who may control it the oldest makes way.
        self.check_control_only(daemon.connect())
        self.check_closed(mine.pop(0))
        eventually(lambda: daemon.ask("poold.status")["connections"] == PLACES + RESERVE, "full")
