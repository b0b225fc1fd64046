"""Pools whose worker is a server that somebody else runs: it is reached, left, reached again."""

from __future__ import annotations

import tempfile
from pathlib import Path

import poold

from clients import ClientTest
from clock import Timed, eventually, ms, stretch
from harness import START_TIMEOUT, Daemon, retry, socket_pool, static_pool
from servers import Server, free_tcp_address


class Socket:
    """The tests, for a server at `self.address()`."""

    def address(self) -> str:
        raise NotImplementedError

    def setUp(self) -> None:
        self.server = self.enterContext(Server(self.address()))

    def start_remote(self, *more: str, **options: object) -> tuple[Daemon, poold.Client]:
        daemon = self.start(socket_pool("remote", self.server.address, **options), *more)
        daemon.announced.append("pool=remote")
        return daemon, self.connect_client(daemon)

    def start_server_again(self, client: poold.Client) -> None:
        """Starts the server, and waits until the daemon has reached it."""
        self.server.start()
        eventually(lambda: self.server_of(client) == self.server.pid, "it is reached")

    @staticmethod
    def server_of(client: poold.Client) -> int | None:
        """The process that serves; None while there is none."""
        try:
            return client.call("remote", "pid")
        except poold.PoolConnectionError:
            return None

    def test_results_and_meta(self) -> None:
        daemon, client = self.start_remote()
        self.assertEqual(client.call("remote", "echo", 1, "x", None), [1, "x", None])
        self.assertEqual(client.call("remote", "echo"), [])
        self.assertEqual(client.call("remote", "echo", word="x"), [{"word": "x"}])
        self.assertEqual(client.request("remote.echo", [1]), [1])
        for args, params in ((None, []), (5, [5]), ([[]], [[]]), ({}, [{}])):
            found = client.request("poold.call", ["remote", "echo", args])
            self.assertEqual(found, params)
        reply = client.call("remote", "pid", meta=True)
        self.assertEqual(reply.result, self.server.pid)
        self.assertEqual((reply.meta["served_by"], reply.meta["worker"]), ("remote", 1))

    def test_what_is_shown(self) -> None:
        daemon, _ = self.start_remote(workers=2)
        found = daemon.pool("remote")
        self.assertEqual(
            (found["adapter"], found["dialect"], found["command"], found["workers"]["ready"]),
            ("socket", "msgpack-rpc", self.server.address, 2),
        )

    def test_its_errors(self) -> None:
        _, client = self.start_remote()
        error = self.failure("exception", client, "remote", "fail", "out of order")
        self.assertEqual((error.raw["message"], error.adapter), ("out of order", "socket"))
        error = self.failure("exception", client, "remote", "nothing")
        self.assertIn("no such method", error.raw["message"])
        self.assertEqual(client.call("remote", "echo", 1), [1])

    def test_each_connection_has_one_request_at_a_time(self) -> None:
        daemon, client = self.start_remote(workers=3, prefetch=0)
        gate = daemon.directory / "gate"
        begun = [daemon.directory / f"begun-{n}" for n in range(4)]
        calls = [client.start("remote", "wait", str(path), str(gate)) for path in begun]
        eventually(lambda: sum(path.exists() for path in begun) == 3, "three are at work")
        self.assertEqual(daemon.pool("remote")["queue"]["length"], 1)
        gate.touch()
        self.assertEqual([call.result() for call in calls], ["waited"] * 4)

    def test_its_own_requests_are_refused(self) -> None:
        _, client = self.start_remote()
        self.assertEqual(client.call("remote", "ask"), "asked")
        self.assertEqual(client.call("remote", "echo", 1), [1])

    def test_a_health_check_needs_no_method_of_that_name(self) -> None:
        """Any answer will do: also that there is none."""
        daemon, client = self.start_remote(ping_interval="10ms", ping_timeout=ms(5000))
        for n in range(10):
            self.assertEqual(client.call("remote", "slow", 0.02, n), n)
        self.assertEqual(daemon.counters("remote")["worker_starts"], 1)

    def test_it_is_reached_again_after_its_restart(self) -> None:
        daemon, client = self.start_remote(workers=2)
        for _ in range(3):
            self.assertEqual(client.call("remote", "pid"), self.server.pid)
            self.server.kill()
            self.start_server_again(client)

    def test_while_it_is_down_that_is_the_answer(self) -> None:
        daemon, client = self.start_remote()
        self.server.kill()
        eventually(lambda: daemon.pool("remote")["status"] == "down", "it is down")
        eventually(lambda: self.is_refused(client), "requests are refused at once")
        with Timed() as timed:
            error = self.failure("connect_failed", client, "remote", "echo", 1, timeout=stretch(20))
        self.assert_in_time(timed, 0)
        self.assertEqual((error.executed, error.attempt, error.retryable), ("no", 0, True))
        self.assertGreater(error.retry_after, 0)
        self.assertIn("remote", error.message)
        self.start_server_again(client)
        self.assertEqual(client.call("remote", "echo", 1), [1])
        self.assertEqual(daemon.pool("remote")["status"], "ok")

    @staticmethod
    def is_refused(client: poold.Client) -> bool:
        try:
            client.call("remote", "echo", 1)
        except poold.PoolConnectionError as error:
            return error.code == "connect_failed"
        return False

    def test_the_daemon_starts_before_it(self) -> None:
        self.server.kill()
        daemon = self.launch(
            socket_pool("remote", self.server.address), start_timeout="200ms"
        )
        daemon.announced += ["pool=remote", START_TIMEOUT]
        daemon.wait_listening()
        client = self.connect_client(daemon)
        self.start_server_again(client)
        daemon.take_measure()
        self.assertEqual(client.call("remote", "echo", 1), [1])

    def test_while_it_is_down_the_next_pool_answers(self) -> None:
        daemon, client = self.start_remote(
            static_pool("mock", answer='"mock"'), fallback="mock", return_dwell="50ms",
            return_step="10ms",
        )
        heard = self.listen(daemon, "failover")
        self.server.kill()
        heard.wait_for(from_level=0, to_level=1)
        reply = client.call("remote", "echo", 1, meta=True)
        self.assertEqual((reply.result, reply.meta["degraded"]), ("mock", True))
        self.server.start()
        heard.wait_for(to_level=0)
        reply = client.call("remote", "echo", 1, meta=True)
        self.assertEqual((reply.result, reply.meta["degraded"]), ([1], False))

    def test_it_hangs_up_in_mid_request(self) -> None:
        daemon, client = self.start_remote(retry("remote", backoff="none"), workers=2)
        notes = daemon.directory / "notes"
        for method, arguments in (("close_once", [str(notes)]), ("half", [])):
            with self.subTest(method):
                error = self.failure("peer_closed", client, "remote", method, *arguments)
                self.assertEqual((error.executed, error.attempt), ("maybe", 1))
                self.assertEqual(client.call("remote", "echo", 1), [1])
        notes.unlink()
        reply = client.call(
            "remote", "close_once", str(notes), idempotent=True, meta=True, timeout=stretch(20)
        )
        self.assertEqual((reply.result, reply.meta["attempts"]), (2, 2))

    def test_it_is_killed_in_mid_request(self) -> None:
        daemon, client = self.start_remote()
        begun = daemon.directory / "begun"
        call = client.start("remote", "wait", str(begun), str(daemon.directory / "gate"))
        eventually(begun.exists, "it is at work")
        self.server.kill()
        with self.assertRaises(poold.PoolConnectionError) as raised:
            call.result()
        self.assertEqual(raised.exception.code, "peer_closed")
        self.assertEqual(raised.exception.executed, "maybe")
        self.start_server_again(client)
        self.assertEqual(client.call("remote", "echo", 1), [1])

    def test_it_speaks_garbage(self) -> None:
        daemon, client = self.start_remote()
        error = self.failure("decode_error", client, "remote", "garbage")
        self.assertEqual(error.adapter, "socket")
        self.assertEqual(client.call("remote", "echo", 1), [1])

    def test_it_is_too_slow(self) -> None:
        """Its connection is left, so that a late answer meets nobody."""
        daemon, client = self.start_remote(attempt_timeout=ms(500))
        with Timed() as timed:
            error = self.failure("attempt_timeout", client, "remote", "slow", stretch(2), 1,
                                 timeout=stretch(20))
        self.assert_in_time(timed, stretch(0.5))
        self.assertEqual(error.attempt, 1)
        self.assertEqual(client.call("remote", "echo", 2), [2])
        self.assertEqual(daemon.counters("remote")["worker_starts"], 2)

    def test_it_stands_still(self) -> None:
        daemon, client = self.start_remote(attempt_timeout=ms(500), workers=2)
        self.server.stop()
        with Timed() as timed:
            self.failure("attempt_timeout", client, "remote", "echo", 1)
        self.assert_in_time(timed, stretch(0.5))
        self.server.resume()
        self.assertEqual(client.call("remote", "echo", 2), [2])


class UnixPath(Socket, ClientTest):
    """Over the path of a Unix socket."""

    def address(self) -> str:
        return str(Path(self.enterContext(tempfile.TemporaryDirectory())) / "server.sock")


class Tcp(Socket, ClientTest):
    """Over TCP."""

    def address(self) -> str:
        return free_tcp_address()
