"""layers.py and circles.py can fail: each fault that is planted is found and named.

usage: layers_test.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import NamedTuple

import circles
import layers

OBJECTS = {
    "protocol": ["buf"],
    "daemon/core": ["heap", "worker", "engine", "engine_attempt"],
    "daemon/io/base": ["loop"],
    "daemon/io/config": ["config"],
    "daemon/io/worker": ["channel"],
    "daemon/io/driver": ["driver"],
    "daemon/io/observe": ["metrics"],
    "daemon/io/admin": ["report"],
    "daemon/io/frontend": ["listener"],
    "daemon/io/service": ["reload"],
    "client/lib": ["inbox", "public"],
    "client/poolctl": ["table"],
    "client/mcp": ["bridge"],
}


class Includes(unittest.TestCase):
    """The first half of the law."""

    def found(self, file: str, included: str) -> str:
        """What the lint says of a tree that has only this file, which includes that."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, file)
            path.parent.mkdir(parents=True)
            path.write_text(f'#include <errno.h>\n#include "{included}"\n', encoding="utf-8")
            return "".join(layers.wrong_includes(Path(folder)))

    def test_faults(self) -> None:
        for file, included, rule in (
                ("daemon/io/base/chunk.c", "daemon/io/config/config.h", "higher rank 3"),
                ("daemon/io/worker/channel.h", "daemon/io/driver/call.h", "higher rank 5"),
                ("daemon/io/driver/answer.c", "daemon/io/frontend/listener.h", "higher rank 8"),
                ("daemon/io/observe/metrics.c", "daemon/io/admin/report.h", "higher rank 7"),
                ("daemon/core/heap.c", "daemon/io/base/loop.h", "higher rank 2"),
                ("protocol/buf.h", "daemon/core/heap.h", "higher rank 1"),
                ("daemon/io/base/chunk.c", "daemon/core/heap.h", "only nothing"),
                ("daemon/io/base/chunk.c", "daemon/core/worker.h", "only nothing"),
                ("daemon/io/worker/channel.c", "daemon/core/pool.h", "only worker.h"),
                ("daemon/io/config/config.c", "daemon/core/engine.h", "see the engine"),
                ("daemon/io/frontend/peer.c", "daemon/core/engine.h", "see the engine"),
                ("daemon/io/service/daemon.c", "daemon/core/engine_view.h", "see the engine"),
                ("daemon/main.c", "daemon/core/engine.h", "see the engine"),
                ("daemon/io/driver/driver.c", "daemon/core/engine_internal.h", "inside"),
                ("daemon/io/admin/report.c", "daemon/core/engine_inspect.h", "inside"),
                ("daemon/io/base/chunk.c", "client/lib/inbox.h", "nothing of the client"),
                ("daemon/io/base/chunk.c", "poold.h", "nothing of the client"),
                ("client/lib/inbox.c", "daemon/core/heap.h", "nothing of the daemon"),
                ("client/lib/inbox.c", "client/poolctl/table.h", "nothing of poolctl"),
                ("client/lib/inbox.c", "client/mcp/bridge.h", "nothing of mcp"),
                ("client/poolctl/table.c", "client/mcp/bridge.h", "nothing of mcp"),
                ("client/mcp/bridge.c", "client/poolctl/table.h", "only json.h and argument.h"),
                ("client/mcp/bridge.c", "client/lib/inbox.h", "only poold.h"),
                ("client/mcp/bridge.c", "daemon/core/heap.h", "nothing of the daemon"),
                ("client/poolctl/table.c", "daemon/core/heap.h", "nothing of the daemon"),
                ("client/poolctl/table.c", "client/lib/inbox.h", "only poold.h"),
                ("daemon/io/odd/odd.c", "protocol/list.h", "no rank"),
                ("daemon/io/odd.c", "protocol/list.h", "no rank"),
                ("daemon/io/base/chunk.c", "loop.h", "not a path from the top")):
            with self.subTest(file=file, included=included):
                found = self.found(file, included)
                self.assertIn(rule, found)
                self.assertTrue(found.startswith(file), found)

    def test_what_is_allowed(self) -> None:
        for file, included in (
                ("daemon/io/driver/driver.c", "daemon/core/engine.h"),
                ("daemon/io/observe/metrics.c", "daemon/core/engine_view.h"),
                ("daemon/io/admin/report.c", "daemon/io/observe/metrics.h"),
                ("daemon/io/worker/channel.h", "daemon/core/worker.h"),
                ("daemon/io/config/config.h", "daemon/core/pool.h"),
                ("daemon/io/config/config.c", "daemon/io/config/config.def"),
                ("daemon/core/engine.c", "daemon/core/engine_internal.h"),
                ("daemon/core/engine.c", "protocol/base.h"),
                ("daemon/main.c", "daemon/io/service/daemon.h"),
                ("client/poolctl/table.c", "poold.h"),
                ("client/poolctl/table.c", "protocol/base.h"),
                ("client/mcp/bridge.c", "client/poolctl/json.h"),
                ("client/mcp/bridge.c", "poold.h"),
                ("client/lib/inbox.c", "client/lib/poold.h")):
            with self.subTest(file=file, included=included):
                self.assertEqual(self.found(file, included), "")


def function(folder: str, name: str) -> str:
    """The name of the function that the object of this folder defines."""
    return f"{'poold' if name == 'public' else 'in'}_{folder.replace('/', '_')}_{name}"


class Planted(NamedTuple):
    """An object: it defines a function and may need another."""

    name: str
    defines: str
    needs: str = ""


def add(build: Path, folder: str, *objects: Planted) -> None:
    """Puts objects into the archive of a folder."""
    for name, defines, needs in objects:
        code = f".globl {defines}\n{defines}:\n" + (f".quad {needs}\n" if needs else "")
        subprocess.run(["as", "-o", str(build / f"{name}.o")], input=code, check=True, text=True)
    files = [str(build / f"{planted.name}.o") for planted in objects]
    subprocess.run(["ar", "rc", str(build / layers.ARCHIVES[folder]), *files], check=True)


class Archives(unittest.TestCase):
    """The second half, and circles: what objects need."""

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.clean = Path(folder.name, "clean")
        cls.clean.mkdir()
        for place, names in OBJECTS.items():
            add(cls.clean, place, *(Planted(name, function(place, name)) for name in names))
        # As make builds it, with the protocol inside.
        add(cls.clean, "client/lib", Planted("buf", function("protocol", "buf")))

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.build = Path(shutil.copytree(self.clean, folder.name, dirs_exist_ok=True))

    def test_a_clean_build(self) -> None:
        self.assertEqual(list(layers.wrong_symbols(self.build)), [])
        self.assertEqual(circles.circles(circles.read_graph(self.build)), [])

    def test_faults(self) -> None:
        faults = (
            ("daemon/io/base", "daemon/io/config", "config", "higher rank 3"),
            ("daemon/io/frontend", "daemon/io/service", "reload", "higher rank 9"),
            ("daemon/core", "daemon/io/base", "loop", "higher rank 2"),
            ("protocol", "daemon/core", "heap", "higher rank 1"),
            ("daemon/io/base", "daemon/core", "heap", "only nothing"),
            ("daemon/io/worker", "daemon/core", "heap", "only worker.h"),
            ("daemon/io/config", "daemon/core", "engine", "see the engine"),
            ("daemon/io/service", "daemon/core", "engine_attempt", "see the engine"),
            ("daemon/io/driver", "client/lib", "inbox", "nothing of the client"),
            ("client/lib", "client/poolctl", "table", "nothing of poolctl"),
            ("client/lib", "daemon/io/base", "loop", "nothing of the daemon"),
            ("client/poolctl", "client/lib", "inbox", "only poold.h"),
            ("client/poolctl", "client/mcp", "bridge", "nothing of mcp"),
            ("client/mcp", "client/poolctl", "table", "only json.h and argument.h"),
            ("client/mcp", "client/lib", "inbox", "only poold.h"))
        for number, (folder, other, name, _) in enumerate(faults):
            self.plant(folder, f"planted{number}", function(other, name))
        found = list(layers.wrong_symbols(self.build))
        self.assertEqual(len(found), len(faults), found)
        for number, (folder, other, name, rule) in enumerate(faults):
            with self.subTest(folder=folder, needs=name):
                said = [line for line in found if f"/planted{number}.o " in line]
                self.assertEqual(len(said), 1)
                self.assertIn(f"needs {function(other, name)} of {other}/{name}.o: ", said[0])
                self.assertIn(rule, said[0])

    def plant(self, folder: str, name: str, needs: str) -> None:
        """An object in the archive of the folder that needs this function."""
        add(self.build, folder, Planted(name, function(folder, name), needs))

    def test_what_is_allowed(self) -> None:
        self.plant("daemon/io/driver", "drives", function("daemon/core", "engine"))
        self.plant("daemon/io/worker", "works", function("daemon/core", "worker"))
        self.plant("client/poolctl", "calls", function("client/lib", "public"))
        self.plant("client/mcp", "serves", function("client/lib", "public"))
        self.plant("client/poolctl", "reads", function("protocol", "buf"))
        self.plant("client/lib", "writes", function("protocol", "buf"))
        self.assertEqual(list(layers.wrong_symbols(self.build)), [])

    def test_a_circle_is_named(self) -> None:
        self.plant("daemon/io/base", "one", "in_daemon_io_base_two")
        self.plant("daemon/io/base", "two", "in_daemon_io_driver_three")
        self.plant("daemon/io/driver", "three", "in_daemon_io_base_one")
        self.plant("daemon/io/driver", "beside", "in_daemon_io_base_one")
        graph = circles.read_graph(self.build)
        found = circles.circles(graph)
        self.assertEqual(len(found), 1)
        self.assertEqual(circles.explain(graph, found[0]), (
            "circle of 3 files:\n"
            "    daemon/io/base/one.o needs in_daemon_io_base_two of daemon/io/base/two.o\n"
            "    daemon/io/base/two.o needs in_daemon_io_driver_three of daemon/io/driver/three.o\n"
            "    daemon/io/driver/three.o needs in_daemon_io_base_one of daemon/io/base/one.o\n"))


if __name__ == "__main__":
    sys.exit(unittest.main())
