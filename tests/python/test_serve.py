"""poold.serve: a daemon of one's own for a test."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import sys
import tempfile
import textwrap
import types
import unittest
import subprocess
from pathlib import Path
from unittest import mock

import poold
from poold import served, serving
from poold.aio import AsyncClient

BUILD = Path(__file__).resolve().parents[2] / os.environ.get("POOLD_BUILD", "build/none")


def double(number: int) -> int:
    return 2 * number


def variable(name: str) -> str | None:
    return os.environ.get(name)


def pid() -> int:
    return os.getpid()


class Adder:
    def add(self, a: int, b: int) -> int:
        return a + b


class ServeTest(unittest.TestCase):
    """With the programs of the build on PATH, and a place for modules."""

    def setUp(self) -> None:
        path = f"{BUILD}:{os.environ['PATH']}"
        self.enterContext(mock.patch.dict(os.environ, PATH=path))
        self.place = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="poold-modules-")))

    def write(self, name: str, text: str) -> None:
        (self.place / name).write_text(textwrap.dedent(text))

    def importable(self) -> None:
        self.enterContext(mock.patch.object(sys, "path", [str(self.place), *sys.path]))


class Serve(ServeTest):
    def test_functions(self) -> None:
        with poold.serve(double, variable, env={"NAMED": "here"}) as client:
            self.assertEqual(client.call("python", "double", 21), 42)
            self.assertEqual(client.call("python", "variable", "NAMED"), "here")
            with self.assertRaises(poold.RequestError):
                client.call("python", "pid")

    def test_a_class(self) -> None:
        with poold.serve(Adder) as client:
            self.assertEqual(client.call("python", "add", 1, 2), 3)

    def test_a_module_by_its_name(self) -> None:
        self.write("shop.py", "def price(item):\n    return len(item)\n")
        self.importable()
        with poold.serve("shop", pool="shop", workers="1..2", timeout="5s", idempotent=True) as client:
            self.assertEqual(client.call("shop", "price", "tea"), 3)
            self.assertTrue(Path(serving.log_path(client)).read_text())

    def test_a_module_that_only_its_file_gives(self) -> None:
        # As pytest loads test files with --import-mode=importlib.
        self.write("alone.py", "def name():\n    return __name__\n")
        module = types.ModuleType("alone")
        module.__file__ = str(self.place / "alone.py")
        with poold.serve(module) as client:
            self.assertEqual(client.call("python", "name"), "alone")

    def test_functions_of_a_program(self) -> None:
        self.write("program.py", """
            import poold

            def name():
                return __name__

            if __name__ == "__main__":
                with poold.serve(name) as client:
                    print(client.call("python", "name"))
        """)
        done = subprocess.run([sys.executable, str(self.place / "program.py")], text=True,
                              capture_output=True, timeout=60, check=False)
        self.assertEqual(done.stdout, "__mp_main__\n", done.stderr)

    def test_functions_of_a_program_beside_multiprocessing(self) -> None:
        """Its import calls the program of each process __mp_main__, that of a worker too."""
        self.write("parallel.py", "import multiprocessing\n\ndef count():\n    return 2\n")
        self.write("program.py", """
            import poold
            import parallel

            def name():
                return __name__

            def other():
                return "other"

            if __name__ == "__main__":
                with poold.serve(parallel, name, other) as client:
                    print(client.call("python", "name"), client.call("python", "other"),
                          client.call("python", "count"))
        """)
        done = subprocess.run([sys.executable, str(self.place / "program.py")], text=True,
                              capture_output=True, timeout=60, check=False)
        self.assertEqual(done.stdout, "__mp_main__ other 2\n", done.stderr)

    def test_nothing_is_left(self) -> None:
        with poold.serve(pid) as client:
            worker = client.call("python", "pid")
            place = Path(client.path).parent
        self.assertFalse(place.exists())
        with self.assertRaises(ProcessLookupError):
            os.kill(worker, 0)

    def test_nothing_is_left_after_an_exception(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "mine"):
            with poold.serve(pid) as client:
                worker = client.call("python", "pid")
                raise RuntimeError("mine")
        with self.assertRaises(ProcessLookupError):
            os.kill(worker, 0)

    def test_a_daemon_that_does_not_end(self) -> None:
        with mock.patch.object(serving, "STOP", 0.1), poold.serve(pid) as client:
            worker, daemon = client.call("python", "pid"), client.version()["pid"]
            os.kill(daemon, signal.SIGSTOP)
        self.assertRaises(ProcessLookupError, os.kill, daemon, 0)
        process = select.poll()
        try:
            process.register(os.pidfd_open(worker), select.POLLIN)
        except ProcessLookupError:
            return  # it has gone with the daemon already
        self.assertTrue(process.poll(60_000))

    def test_two_at_once(self) -> None:
        with poold.serve(pid) as one, poold.serve(pid) as two:
            self.assertNotEqual(one.call("python", "pid"), two.call("python", "pid"))

    def test_other_clients(self) -> None:
        async def ask(path: str) -> object:
            async with AsyncClient(path) as client:
                return await client.call("python", "double", 2)

        with poold.serve(double) as client:
            self.assertEqual(asyncio.run(ask(client.path)), 4)

    def test_a_long_name_for_temporary_files(self) -> None:
        deep = self.place / ("x" * 100)
        deep.mkdir()
        with mock.patch.object(tempfile, "tempdir", str(deep)), poold.serve(double) as client:
            self.assertEqual(client.call("python", "double", 1), 2)


class Refuse(ServeTest):
    """What can't be served is said, and nothing is left."""

    def refuse(self, kind: type[Exception], words: str, *targets: object, **options: object) -> None:
        self.enterContext(mock.patch.object(tempfile, "tempdir", str(self.place)))
        with self.assertRaisesRegex(kind, words):
            with poold.serve(*targets, **options):
                self.fail("it is served")
        self.assertEqual([path for path in self.place.iterdir() if path.is_dir() and path.name != "__pycache__"], [])

    def test_nothing(self) -> None:
        self.refuse(ValueError, "nothing to serve")

    def test_what_a_worker_cannot_import(self) -> None:
        def local() -> None:
            pass

        self.refuse(ValueError, "top of a module", local)
        self.refuse(ValueError, "top of a module", lambda: 1)
        self.refuse(ValueError, "top of a module", 42)
        self.refuse(ValueError, "one module", "shop", double)

    def test_no_such_module(self) -> None:
        self.refuse(poold.InitializationError, "no module 'missing'", "missing")

    def test_a_module_that_is_not_there_any_more(self) -> None:
        """What the worker is told when the daemon starts it anew."""
        variables = {
            "PYTHONPATH": os.pathsep.join(sys.path),
            served.VARIABLE: json.dumps([["gone", "", "double"]]),
        }
        done = subprocess.run(
            [sys.executable, "-m", "poold.worker", "poold.served:worker"],
            env={**os.environ, **variables}, capture_output=True, text=True, timeout=60,
        )
        self.assertEqual(done.returncode, os.EX_CONFIG, done)
        self.assertIn("there is no module 'gone', and no file of it", done.stderr)

    def test_a_module_that_fails(self) -> None:
        self.write("broken.py", "raise OSError('no such luck')\n")
        self.importable()
        self.refuse(poold.InitializationError, "no such luck", "broken")

    def test_a_module_that_takes_too_long(self) -> None:
        self.write("slow.py", "import time\ntime.sleep(60)\n")
        self.importable()
        self.refuse(poold.InitializationError, "within 0.5 s", "slow", start_timeout=0.5)

    def test_a_wrong_option(self) -> None:
        self.refuse(ValueError, 'workers: found "none"', double, workers="none")
        self.refuse(ValueError, "nonsense", double, nonsense=1)
        self.refuse(ValueError, "one line", double, timeout="5s\nworkers = 7")

    def test_no_daemon(self) -> None:
        self.enterContext(mock.patch.dict(os.environ, PATH="/missing"))
        self.enterContext(mock.patch.object(serving, "SBIN", ()))
        self.refuse(FileNotFoundError, "no program poold", double)


if __name__ == "__main__":
    unittest.main()
