"""The project's own clients and workers against the real daemon: Python's, asyncio's and C's."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import poold
from poold.aio import AsyncClient

from clients import ClientTest
from clock import Timed, eventually
from harness import BUILD, TOOLBOX, Daemon, pool, program


class Blocking(ClientTest):
    """poold.Client"""

    def start_tools(self, **options: object) -> tuple[Daemon, poold.Client]:
        daemon = self.start(pool("tools", TOOLBOX, **options))
        return daemon, self.connect_client(daemon)

    def test_results(self) -> None:
        _, client = self.start_tools()
        self.assertEqual(client.call("tools", "add", 20, 22), 42)
        self.assertEqual(client.call("tools", "add", left=1, right=2), 3)
        value = {"text": "grüße", "bytes": b"\0\xff", "list": [1, 2.5, None]}
        self.assertEqual(client.call("tools", "echo", value), value)

    def test_meta(self) -> None:
        _, client = self.start_tools()
        reply = client.call("tools", "echo", "x", meta=True)
        self.assertEqual((reply.result, reply.meta["served_by"]), ("x", "tools"))

    def test_errors_are_exceptions(self) -> None:
        _, client = self.start_tools()
        with self.assertRaises(poold.WorkerException) as raised:
            client.call("tools", "divide", 1, 0)
        self.assertEqual(raised.exception.detail["type"], "ZeroDivisionError")
        with self.assertRaises(poold.Rejected):
            client.call("tools", "fail", "Rejected", "no")
        with self.assertRaises(poold.RequestError) as refused:
            client.call("nowhere", "echo")
        self.assertEqual(refused.exception.code, "unknown_pool")

    def test_a_timeout(self) -> None:
        daemon, client = self.start_tools()
        daemon.announced.append("pool=tools")
        with Timed() as timed, self.assertRaises(poold.PoolTimeoutError) as raised:
            client.call("tools", "hang", timeout=0.2)
        self.assertEqual(raised.exception.code, "deadline_exceeded")
        self.assertGreaterEqual(timed.seconds, 0.199)

    def test_cancel(self) -> None:
        daemon, client = self.start_tools(cancel_grace="50ms")
        daemon.announced.append("pool=tools")
        begun = daemon.directory / "begun"
        call = client.start("tools", "occupy", str(begun))
        eventually(begun.exists, "it is at work")
        call.cancel()
        with self.assertRaises(poold.Cancelled):
            call.result()
        self.assertEqual(daemon.counters("tools")["cancelled"], 1)

    def test_threads_share_a_connection(self) -> None:
        daemon, client = self.start_tools(workers=2)
        with ThreadPoolExecutor(16) as threads:
            found = list(threads.map(lambda n: client.call("tools", "echo", n), range(400)))
        self.assertEqual(found, list(range(400)))
        self.assertEqual(daemon.ask("poold.status")["connections"], 2)

    def test_it_connects_again_after_a_restart_of_the_daemon(self) -> None:
        daemon, client = self.start_tools()
        self.assertEqual(client.call("tools", "echo", 1), 1)
        daemon.signal(15)
        self.assertEqual(daemon.wait_ended(), 0)
        daemon.relaunch()
        daemon.wait_ready()
        self.assertEqual(client.call("tools", "echo", 2), 2)
        client.close()

    def test_a_daemon_that_is_killed_in_mid_call(self) -> None:
        daemon, client = self.start_tools()
        begun = daemon.directory / "begun"
        call = client.start("tools", "occupy", str(begun))
        eventually(begun.exists, "it is at work")
        daemon.signal(9)
        daemon.wait_ended()
        with self.assertRaises(poold.PoolConnectionError) as raised:
            call.result()
        self.assertEqual(raised.exception.executed, "maybe")

    def test_the_daemons_own_methods(self) -> None:
        _, client = self.start_tools()
        self.assertEqual(client.request("poold.health")["status"], "ok")
        self.assertEqual(client.request("tools.add", [1, 2]), 3)

    def test_a_method_of_the_client_for_each_of_the_daemons_own(self) -> None:
        daemon, client = self.start_tools()
        daemon.announced.append("request failed")
        with self.assertRaises(poold.WorkerException):
            client.call("tools", "divide", 1, 0)
        self.assertEqual({finding["status"] for finding in client.doctor()}, {"ok"})
        self.assertIn("tools", {pool["name"] for pool in client.pools()})
        self.assertEqual({method["pool"] for method in client.methods()}, {"tools"})
        self.assertEqual(len(client.errors(kind="request")), 1)
        self.assertEqual(client.errors(kind="incident"), [])
        self.assertEqual(sorted(client.alerts()), ["active", "history", "rules"])
        self.assertIn(("pool", "tools"), {(each["section"], each["name"]) for each in client.config("tools")})
        with client.subscribe("worker") as events:
            client.stack("tools", 1)
            self.assertEqual(next(events)["what"], "stack")
        for ask in (lambda: client.alert_test("no_such_alert"), lambda: client.alert_silence("no_such_alert", 1)):
            with self.assertRaises(poold.RequestError):
                ask()


class Asynchronous(ClientTest):
    """poold.aio.AsyncClient"""

    def test_many_at_once(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, workers=2))

        async def run() -> list[int]:
            async with AsyncClient(daemon.path) as client:
                calls = (client.call("tools", "echo", n) for n in range(300))
                return await asyncio.gather(*calls)

        self.assertEqual(asyncio.run(run()), list(range(300)))

    def test_a_cancelled_task_cancels_its_request(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, cancel_grace="50ms"))
        daemon.announced.append("pool=tools")

        async def run() -> None:
            async with AsyncClient(daemon.path) as client:
                begun = daemon.directory / "begun"
                task = asyncio.create_task(client.call("tools", "occupy", str(begun)))
                await asyncio.to_thread(eventually, begun.exists, "it is at work")
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                await client.request("poold.version")

        asyncio.run(run())
        self.assertEqual(daemon.counters("tools")["cancelled"], 1)


class WorkerInC(ClientTest):
    """libpoold on the worker's side: tests/workers/echo.c"""

    def start_echo(self, *arguments: str, **options: object) -> tuple[Daemon, poold.Client]:
        daemon = self.start(pool("c", program("workers/echo", *arguments), **options))
        daemon.announced.append("pool=c")
        return daemon, self.connect_client(daemon)

    def test_results_and_errors(self) -> None:
        for arguments in ((), ("--batch",), ("--silent",)):
            with self.subTest(arguments=arguments):
                _, client = self.start_echo(*arguments)
                self.assertEqual(client.call("c", "add", 20, 22), 42)
                self.assertEqual(client.call("c", "echo", "x", 1), ["x", 1])
                with self.assertRaises(poold.WorkerException) as raised:
                    client.call("c", "exception", "out of order")
                self.assertIn("out of order", str(raised.exception))
                with self.assertRaises(poold.RequestError) as refused:
                    client.call("c", "nothing")
                self.assertEqual(refused.exception.code, "unknown_method")

    def test_deaths(self) -> None:
        daemon, client = self.start_echo()
        for method, arguments in (("exit", [3]), ("crash", [])):
            with self.subTest(method):
                before = tuple(daemon.worker_pids("c"))
                with self.assertRaises(poold.PoolConnectionError) as raised:
                    client.call("c", method, *arguments)
                self.assertEqual(raised.exception.code, "worker_exited")
                daemon.wait_workers("c", 1, apart_from=before)
                self.assertEqual(client.call("c", "echo", 1), [1])

    def test_many_at_once(self) -> None:
        _, client = self.start_echo("--batch", workers=2, prefetch=16)
        calls = [client.start("c", "echo", n) for n in range(1000)]
        self.assertEqual([call.result() for call in calls], [[n] for n in range(1000)])


class ManyKinds(ClientTest):
    """All kinds of clients at the same time on one daemon."""

    def test_nobody_gets_the_answers_of_another(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, workers=2), pool("c", program("workers/echo")))
        faults: list[object] = []

        def raw() -> None:
            client = daemon.connect()
            for n in range(300):
                if client.call("c.echo", "raw", n) != ["raw", n]:
                    faults.append(("raw", n))

        def blocking() -> None:
            with poold.Client(daemon.path) as client:
                for n in range(300):
                    if client.call("tools", "echo", ["blocking", n]) != ["blocking", n]:
                        faults.append(("blocking", n))

        threads = [threading.Thread(target=run) for run in (raw, blocking) * 3]
        for thread in threads:
            thread.start()
        for n in range(5):
            command = [str(BUILD / "poolctl"), "--socket", daemon.path]
            command += ["call", "tools", "echo", f"[{n}]"]
            done = subprocess.run(command, check=True, capture_output=True)
            self.assertEqual(json.loads(done.stdout), n)
        for thread in threads:
            thread.join()
        self.assertEqual(faults, [])
