"""`poold run`: a module is served without a file."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import unittest
from pathlib import Path

from clock import HANGS, eventually
from documents import Place
from harness import BUILD

MODULE = """
import os

def number():
    return {number}

def pid():
    return os.getpid()
"""


class RunTest(unittest.TestCase):
    """A module in a fresh directory."""

    def setUp(self) -> None:
        self.place = Place()
        self.addCleanup(self.place.remove)
        self.write(1)

    def write(self, number: object, name: str = "mine.py") -> None:
        """As an editor does it: at no moment is the file empty."""
        draft = self.place.path / f"{name}.draft"
        draft.write_text(MODULE.format(number=number))
        draft.rename(self.place.path / name)

    def serve(self, command: str) -> subprocess.Popen[bytes]:
        """A daemon that this line started and that is ready; it is ended with the test."""
        daemon = self.place.start(command)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.terminate)
        eventually(lambda: "ready: listening" in self.place.log() or daemon.poll() is not None,
                   lambda: f"{command} is ready: {self.place.log()}", 30.0)
        self.assertIsNone(daemon.poll(), self.place.log())
        return daemon

    def call(self, method: str, pool: str = "python") -> str:
        return self.place.run(f"poolctl call {pool} {method}").strip()

    def answer(self, method: str) -> str:
        """The same; nothing while there is no worker that could answer."""
        done = subprocess.run(self.place.shell(f"poolctl call python {method}"), cwd=self.place.path, text=True,
                              env=self.place.environment(), capture_output=True, timeout=HANGS, check=False)
        return done.stdout.strip()

    def refuse(self, command: str, status: int, *words: str) -> None:
        """The line ends at once with that status, and standard error has these words."""
        done = subprocess.run(self.place.shell(command), cwd=self.place.path, text=True, timeout=HANGS,
                              env=self.place.environment(), capture_output=True, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)


class Serve(RunTest):
    """It serves, and ends."""

    def end_with(self, number: int) -> None:
        daemon = self.serve("poold run mine")
        folder = self.place.runtime / "poold"
        self.assertEqual(stat.S_IMODE(folder.stat().st_mode), 0o700)
        self.assertEqual(stat.S_IMODE((folder / "poold.sock").stat().st_mode), 0o600)
        self.assertEqual(self.call("number"), "1")
        daemon.send_signal(number)
        self.assertEqual(daemon.wait(20), 0, self.place.log())
        self.assertIn(f"{signal.Signals(number).name}: draining", self.place.log())
        self.assertFalse((folder / "poold.sock").exists())

    def test_until_ctrl_c(self) -> None:
        self.end_with(signal.SIGINT)

    def test_until_the_terminal_is_closed(self) -> None:
        self.end_with(signal.SIGHUP)

    def test_words_of_its_own(self) -> None:
        self.serve("poold run --pool shop --workers 1..3 --socket here.sock mine")
        self.assertEqual(self.place.run("poolctl -s here.sock call shop number").strip(), "1")
        told = self.place.run("poold run --pool shop --workers 1..3 --test mine")
        self.assertIn("[pool shop]", told)
        self.assertIn("\nworkers = 1..3\n", told)

    def test_the_environment_names_the_socket(self) -> None:
        path = self.place.path / "named.sock"
        self.serve(f"env POOLD_SOCKET={path} poold run mine")
        self.assertEqual(self.place.run(f"POOLD_SOCKET={path} poolctl call python number").strip(), "1")

    def test_the_state_of_the_service_that_runs_it_is_not_its_own(self) -> None:
        state = self.place.path / "state"
        state.mkdir()
        self.serve(f"env STATE_DIRECTORY={state} poold run mine")
        self.assertEqual(self.call("number"), "1")
        self.assertEqual(list(state.iterdir()), [])

    def test_what_it_prints_is_a_configuration(self) -> None:
        self.place.run("poold run --test mine >mine.conf && poold -t -c mine.conf")

    def test_one_at_a_time(self) -> None:
        self.serve("poold run mine")
        self.refuse("poold run mine", 1, "another daemon serves there: the process")
        self.assertEqual(self.call("number"), "1")


class Refuse(RunTest):
    """What is wrong is said, at once."""

    def test_words(self) -> None:
        self.refuse("poold run", 64, "usage: poold run")
        self.refuse("poold run mine other", 64, "usage: poold run")
        self.refuse("poold run --nonsense mine", 64, "nonsense")
        self.refuse("poold run mine.py", 78, "texts, not texts.py")
        self.refuse("poold run 'mine; true'", 78, "the module: found")
        self.refuse("poold run \"$(printf 'mi\\nne')\"", 78, "the module: found")
        self.refuse("poold run -w none mine", 78, 'workers: found "none"')
        self.refuse("poold run -p 'a] b' mine", 78, "the pool's name: found")
        self.refuse("poold run -p poold mine", 78, "the pool's name: found")

    def test_no_such_module(self) -> None:
        self.refuse("poold run missing", 78, "there is no module missing")
        self.refuse("poold run mine.part", 78, "there is no module mine.part")

    def test_no_interpreter(self) -> None:
        self.refuse("poold run --python /missing mine", 78, "/missing", "apt install python3-msgpack")
        # The interpreter of an active environment, or none.
        self.refuse("VIRTUAL_ENV=/missing poold run mine", 78, "/missing/bin/python3")

    def test_a_folder_that_is_not_ones_own(self) -> None:
        folder = self.place.runtime / "poold"
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
        self.refuse("poold run mine", 1, "others may enter it")
        folder.rmdir()
        folder.symlink_to(self.place.path)
        self.refuse("poold run mine", 1, "it is no folder")
        folder.unlink()
        folder.write_text("")
        self.refuse("poold run mine", 1, "it is no folder")

    def test_a_path_that_no_socket_can_have(self) -> None:
        self.refuse(f"poold run --socket {'x' * 100} mine", 1, f"socket {'x' * 100}: too long a path")
        runtime = self.place.path / ("y" * 100)
        runtime.mkdir()
        self.refuse(f"env XDG_RUNTIME_DIR={runtime} poold run mine", 1, "too long a path; use --socket PATH")

    def test_a_folder_of_another_user(self) -> None:
        if os.geteuid() != 0:
            self.skipTest("only root can give a folder away")
        folder = self.place.runtime / "poold"
        folder.mkdir(mode=0o700)
        os.chown(folder, 65534, 65534)
        self.refuse("poold run mine", 1, "it belongs to another user")


class Reload(RunTest):
    """With --reload a change is served, and a faulty one harms nobody."""

    def await_number(self, number: int) -> None:
        eventually(lambda: self.answer("number") == str(number),
                   lambda: f"{number} is served: {self.place.log()}", 30.0)

    def test_a_change(self) -> None:
        self.serve("poold run --reload mine")
        self.write(2)
        self.await_number(2)
        # As editors do it: another file that takes the place of the old one.
        self.write(3, "mine.py~")
        (self.place.path / "mine.py~").rename(self.place.path / "mine.py")
        self.await_number(3)

    def test_a_fault_and_its_repair(self) -> None:
        self.serve("poold run --reload mine")
        self.write("(")
        eventually(lambda: "rolling restart stopped" in self.place.log().lower()
                   or "SyntaxError" in self.place.log(), lambda: self.place.log(), 30.0)
        self.assertEqual(self.call("number"), "1")
        self.write(4)
        self.await_number(4)

    def test_a_fault_at_the_start(self) -> None:
        self.write("(")
        daemon = self.place.start("poold run --reload mine")
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.terminate)
        eventually(lambda: "SyntaxError" in self.place.log(), lambda: self.place.log(), 30.0)
        self.write(5)
        self.await_number(5)

    def test_a_package_that_comes_later(self) -> None:
        self.serve("poold run --reload mine")
        first = self.call("pid")
        package = self.place.path / "package"
        package.mkdir()
        (package / "data.txt").write_text("nobody cares")
        (package / "part.py").write_text("")
        eventually(lambda: self.call("pid") != first, lambda: self.place.log(), 30.0)
        self.assertIn("Python files have changed", self.place.log())

    def test_other_files_change_nothing(self) -> None:
        self.serve("poold run --reload -w 1 mine")
        first = self.call("pid")
        environment = self.place.path / "venv"
        environment.mkdir()
        (environment / "pyvenv.cfg").write_text("")
        for name in (".hidden", "__pycache__", "venv"):
            (self.place.path / name).mkdir(exist_ok=True)
            (self.place.path / name / "x.py").write_text("")
        (self.place.path / "notes.txt").write_text("")
        (self.place.path / "folder").mkdir()
        # A change that counts, and that comes after those: one restart in all.
        self.write(6)
        self.await_number(6)
        self.assertNotEqual(self.call("pid"), first)
        self.assertEqual(self.place.log().count("Python files have changed"), 1)

    def test_without_it_nothing_is_watched(self) -> None:
        daemon = self.serve("poold run mine")
        if os.geteuid() != 0:
            self.skipTest("an ordinary user may not look at what the daemon has open")
        files = [os.readlink(entry) for entry in Path(f"/proc/{daemon.pid}/fd").iterdir()]
        self.assertFalse([name for name in files if "inotify" in name])


class Help(unittest.TestCase):
    """The program describes itself."""

    def test_help(self) -> None:
        for words, first in ((["run", "--help"], "usage: poold run"), (["--help"], "usage: poold [-c")):
            done = subprocess.run([str(BUILD / "poold"), *words], capture_output=True, text=True, check=True)
            self.assertTrue(done.stdout.startswith(first), done.stdout)
            self.assertIn("poold run", done.stdout)
