"""A program made for ProcessPoolExecutor with workers of the daemon instead, and values that
MessagePack has no type for on their way through it."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import uuid
from concurrent.futures import as_completed
from pathlib import Path

import poold
import poold.aio

import procs
from clients import ClientTest
from clock import HANGS, eventually
from harness import ROOT, TOOLBOX, pool, program

sys.path.append(str(ROOT / "tests" / "e2e" / "workers"))
import toolbox

PROGRAM = """
import asyncio
import datetime
from concurrent.futures import ProcessPoolExecutor, as_completed
import poold

def square(number, plus=0):
    return number * number + plus

def day_after(day, days=1):
    return {(day, day + datetime.timedelta(days))}

async def through_asyncio(executor):
    loop = asyncio.get_running_loop()
    work = [loop.run_in_executor(executor, square, number) for number in range(10)]
    return await asyncio.gather(*work)

if __name__ == "__main__":
    with EXECUTOR as executor:
        print(list(executor.map(square, range(100), chunksize=7)))
        futures = [executor.submit(square, number, plus=1) for number in range(20)]
        print(sorted(future.result() for future in as_completed(futures)))
        print(executor.submit(day_after, datetime.date(2026, 2, 3)).result())
        print(asyncio.run(through_asyncio(executor)))
"""


class Programs(ClientTest):
    def run_program(self, folder: Path, executor: str, path: str) -> str:
        (folder / "squares.py").write_text(PROGRAM.replace("EXECUTOR", executor), encoding="utf-8")
        return subprocess.run(
            [sys.executable, "squares.py"],
            cwd=folder,
            env={**os.environ, "POOLD_SOCKET": path, "PYTHONPATH": str(ROOT / "client" / "python")},
            check=True,
            capture_output=True,
            text=True,
            timeout=HANGS,
        ).stdout

    def test_one_line_is_changed(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "squares.py").write_text(PROGRAM, encoding="utf-8")
        command = shlex.join([sys.executable, "-m", "poold.worker", "squares"])
        options = {"directory": folder, "workers": 2}
        daemon = self.start(pool("squares", command, **options))
        before = self.run_program(folder, "ProcessPoolExecutor(2)", daemon.path)
        after = self.run_program(folder, 'poold.Executor("squares")', daemon.path)
        self.assertEqual(after, before)
        self.assertGreater(daemon.counters("squares")["succeeded"], 130)


class Crashes(ClientTest):
    def test_one_that_dies_breaks_nothing_else(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, workers=2))
        daemon.announced.append("pool=tools")
        with poold.Executor("tools", path=daemon.path) as executor:
            deadly = executor.submit(toolbox.die, int(signal.SIGKILL))
            others = [executor.submit(toolbox.add, number, 1) for number in range(200)]
            found = sorted(future.result(HANGS) for future in as_completed(others))
            self.assertEqual(found, list(range(1, 201)))
            self.assertIsInstance(deadly.exception(HANGS), poold.PoolConnectionError)
            self.assertEqual(executor.submit(toolbox.add, 1, 2).result(HANGS), 3)

    def test_only_what_the_worker_serves(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        with poold.Executor("tools", path=daemon.path) as executor:
            for function in (os.getpid, procs.is_alive, len):
                error = executor.submit(function).exception(HANGS)
                self.assertEqual(error.code, "unknown_method")

    def test_a_short_queue(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, queue_max=4))
        daemon.announced += ["code=queue_full", "pool is degraded"]
        with poold.Executor("tools", path=daemon.path) as executor:
            found = list(executor.map(toolbox.echo, range(200), timeout=HANGS))
        self.assertEqual(found, list(range(200)))

    def test_cancel_reaches_the_daemon(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        with poold.Executor("tools", path=daemon.path) as executor:
            path = str(daemon.directory / "busy")
            future = executor.submit(toolbox.occupy, path)
            eventually(lambda: os.path.exists(path), "it runs")
            self.assertTrue(future.cancel())
            self.assertTrue(future.cancelled())
            eventually(lambda: daemon.counters("tools")["cancelled"] == 1, "the daemon knows")
            os.unlink(path)
            self.assertEqual(executor.submit(toolbox.echo, 5).result(HANGS), 5)


class Values(ClientTest):
    VALUES = [
        datetime.datetime(2026, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
        datetime.date(2026, 2, 3),
        datetime.time(4, 5),
        datetime.timedelta(microseconds=-1),
        uuid.UUID(int=5),
        decimal.Decimal("1.50"),
        complex(1, -2),
        {(1, "tea"), frozenset({2})},
        pathlib.Path("/srv/a"),
    ]

    def check_values(self, client: poold.Client, name: str) -> None:
        for value in self.VALUES:
            with self.subTest(name, value=value):
                found = client.call(name, "echo", value)
                found = found[0] if type(found) is list else found
                self.assertIs(type(found), type(value))
                self.assertEqual(found, value)

    def test_python_and_c_workers(self) -> None:
        daemon = self.start(
            pool("tools", TOOLBOX),
            pool("c", program("workers/echo")),
        )
        client = self.connect_client(daemon)
        self.check_values(client, "tools")
        self.check_values(client, "c")
        self.assertEqual(client.call("c", "day", datetime.date(2026, 2, 3)), "2026-02-03")

        async def main() -> None:
            async with poold.aio.AsyncClient(daemon.path) as other:
                for value in self.VALUES:
                    self.assertEqual(await other.call("tools", "echo", value), value)

        asyncio.run(main())

    def test_positional_and_keyword_arguments(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        client = self.connect_client(daemon)
        self.assertEqual(client.call("tools", "add", 2, right=3), 5)
        error = self.failure("rejected", client, "tools", "add", 2, timout=3)
        self.assertIn("did you mean the option 'timeout' of the call?", error.message)
