"""Where a client looks for the daemon's socket."""

from __future__ import annotations

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import poold
from poold import lookup


class Lookup(unittest.TestCase):
    """The rules in the head of poold.lookup, each with what must not pass."""

    def setUp(self) -> None:
        self.place = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="poold-lookup-")))
        self.system = self.place / "system.sock"
        self.runtime = self.place / "runtime"
        self.runtime.mkdir(mode=0o700)
        self.folder = self.runtime / "poold"
        self.enterContext(mock.patch.object(lookup, "SYSTEM_PATH", str(self.system)))
        variables = {"POOLD_SOCKET": "", "XDG_RUNTIME_DIR": str(self.runtime)}
        self.enterContext(mock.patch.dict(os.environ, variables))

    def run_socket(self) -> str:
        """A socket of `poold run`, as if it were there."""
        self.folder.mkdir(mode=0o700)
        path = self.folder / "poold.sock"
        path.touch()
        return str(path)

    def test_nothing_is_there(self) -> None:
        self.assertEqual(poold.Client().path, str(self.system))

    def test_the_environment_comes_first(self) -> None:
        self.system.touch()
        with mock.patch.dict(os.environ, POOLD_SOCKET="/elsewhere"):
            self.assertEqual(poold.Client().path, "/elsewhere")

    def test_the_system_comes_before_the_user(self) -> None:
        path = self.run_socket()
        self.assertEqual(poold.Client().path, path)
        self.system.touch()
        self.assertEqual(poold.Client().path, str(self.system))

    def test_a_folder_that_others_may_enter(self) -> None:
        self.run_socket()
        self.folder.chmod(0o710)
        self.assertEqual(poold.Client().path, str(self.system))

    def test_a_folder_that_is_a_link(self) -> None:
        self.run_socket()
        self.folder.rename(self.place / "elsewhere")
        self.folder.symlink_to(self.place / "elsewhere")
        self.assertEqual(poold.Client().path, str(self.system))

    def test_a_folder_of_another_user(self) -> None:
        self.run_socket()
        with mock.patch.object(os, "geteuid", return_value=os.geteuid() + 1):
            self.assertEqual(poold.Client().path, str(self.system))

    def test_without_a_runtime_directory_of_ones_own(self) -> None:
        self.run_socket()
        wrong = ("", "relative", str(self.place / "missing"))
        for value in wrong:
            with mock.patch.dict(os.environ, XDG_RUNTIME_DIR=value):
                self.assertEqual(lookup._run_folder(), f"/tmp/poold-{os.geteuid()}")
        self.runtime.chmod(0o770)
        self.assertEqual(lookup._run_folder(), f"/tmp/poold-{os.geteuid()}")


if __name__ == "__main__":
    unittest.main()
