"""The daemon as process 1, as in a container without an init of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import unittest

import procs
from clock import eventually
from documents import Place, unshare
from harness import BUILD, ROOT

MODULE = """
import os, signal, time

def pid():
    return os.getpid()

def nap(seconds):
    time.sleep(seconds)
    return "rested"

def leave(seconds):
    '''A process that has lost its parent, its session and its environment.'''
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve("/bin/sleep", ["sleep", str(seconds)], {})
        os._exit(0)
    os.wait()

def die():
    os.kill(os.getpid(), signal.SIGKILL)
"""


# Who runs the daemon in the tests of a rootless container, where root runs the tests.
ORDINARY_USER = 65534


class ProcessOne(unittest.TestCase):
    """It serves, reaps and drains in a process namespace of its own."""

    # How the commands of the daemon's user begin.
    as_user = ""

    def unshare(self, *options: str) -> list[str]:
        """The command that makes these namespaces."""
        return unshare(*options)

    def setUp(self) -> None:
        options = ("--pid", "--fork", "--mount-proc")
        tried = [*self.unshare("--mount", *options), "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        if subprocess.run(tried, capture_output=True, check=False).returncode != 0:
            self.skipTest("no process namespace may be made here")
        self.place = Place()
        self.addCleanup(self.place.remove)
        (self.place.path / "mine.py").write_text(MODULE)
        self.give_away()
        first = " ".join(self.unshare(*options, "--kill-child"))
        self.outside = self.place.start(f"{first} poold run --workers 1 mine")
        self.addCleanup(self.outside.wait)
        self.addCleanup(self.outside.kill)
        eventually(lambda: "ready: listening" in self.place.log() or self.outside.poll() is not None,
                   lambda: self.place.log(), 30.0)
        (self.pid,) = procs.children(self.outside.pid)
        self.inside = os.readlink(f"/proc/{self.pid}/ns/pid")

    def give_away(self) -> None:
        """Lets the daemon's user write where it is to write."""

    def call(self, words: str) -> str:
        return self.place.run(f"{self.as_user}poolctl call python {words}").strip()

    def family(self) -> list[int]:
        """Every process in the namespace."""
        found = []
        for pid in procs.all_pids():
            try:
                if os.readlink(f"/proc/{pid}/ns/pid") == self.inside:
                    found.append(pid)
            except OSError:
                pass
        return found

    def zombies(self) -> list[int]:
        return [pid for pid in procs.children(self.pid) if procs.is_zombie(pid)]

    def sleepers(self) -> list[int]:
        return [pid for pid in self.family() if procs.name(pid) == "sleep"]

    def test_it_is_process_one(self) -> None:
        status = (procs.PROC / str(self.pid) / "status").read_text()
        numbers = re.search(r"^NSpid:\s+(.*)$", status, re.M)
        assert numbers is not None
        self.assertEqual(numbers[1].split()[-1], "1")
        self.assertLess(int(self.call("pid")), 100)

    def test_it_reaps_what_ends(self) -> None:
        for _ in range(5):
            self.call("leave '[0]'")
        eventually(lambda: not self.sleepers() and not self.zombies(),
                   lambda: f"no zombie: {self.zombies()}")

    def test_it_ends_what_a_worker_left(self) -> None:
        before = self.call("pid")
        self.call("leave '[600]'")
        eventually(lambda: len(self.sleepers()) == 1, lambda: f"one sleeps: {self.sleepers()}")
        dead = subprocess.run(self.place.shell(f"{self.as_user}poolctl call python die"), cwd=self.place.path,
                              env=self.place.environment(), capture_output=True, check=False)
        self.assertEqual(dead.returncode, 1)
        eventually(lambda: not self.sleepers() and not self.zombies(),
                   lambda: f"nothing is left: {self.sleepers()}, {self.zombies()}")
        self.assertNotEqual(self.call("pid"), before)

    def test_it_drains(self) -> None:
        open_call = subprocess.Popen(self.place.shell(f"{self.as_user}poolctl call python nap '[1]'"), text=True,
                                     cwd=self.place.path, env=self.place.environment(),
                                     stdout=subprocess.PIPE)
        self.addCleanup(open_call.wait)
        eventually(lambda: "nap" in self.place.run(f"{self.as_user}poolctl workers"), "the call runs")
        os.kill(self.pid, signal.SIGTERM)
        said, _ = open_call.communicate(timeout=30)
        self.assertIn("rested", said)
        self.assertEqual(self.outside.wait(30), 0, self.place.log())
        self.assertEqual(self.family(), [])
        self.assertIn("SIGTERM: draining", self.place.log())


class Rootless(ProcessOne):
    """The same as an ordinary user, who is root in a user namespace of its own."""

    as_user = f"setpriv --reuid {ORDINARY_USER} --regid {ORDINARY_USER} --clear-groups " if os.geteuid() == 0 else ""

    def unshare(self, *options: str) -> list[str]:
        return [*self.as_user.split(), "unshare", "--user", "--map-root-user", *options]

    def give_away(self) -> None:
        if os.geteuid() == 0:
            self.place.give_to(ORDINARY_USER)

    def test_it_is_no_root(self) -> None:
        status = (procs.PROC / str(self.pid) / "status").read_text()
        (real,) = re.findall(r"^Uid:\s+(\d+)", status, re.M)
        self.assertNotEqual(real, "0")


class Containerfile(unittest.TestCase):
    """What can be held against the file where no engine runs."""

    TEXT = (ROOT / "docs" / "Containerfile").read_text()

    def test_it_builds_from_what_the_project_says_it_needs(self) -> None:
        wanted = re.search(r'^build="(.*)"$', (ROOT / ".ci" / "deps").read_text(), re.M)
        assert wanted is not None
        # libc6-dev comes with a gcc that recommends it, which apt is told to leave out here.
        self.assertLessEqual(set(wanted[1].split()), set(self.TEXT.split()))

    def test_the_image_has_what_the_programs_load(self) -> None:
        """Each library that a program of the build names belongs to a package that is installed."""
        image = self.TEXT.rsplit("FROM", 1)[1]
        needed = set()
        for name in ("poold", "poolctl"):
            said = subprocess.run(["readelf", "-d", str(BUILD / name)], capture_output=True,
                                  text=True, check=True).stdout
            needed |= set(re.findall(r"\(NEEDED\)\s+Shared library: \[(.*?)\]", said))
        packages = {"libevent_core-2.1.so.7": "libevent-core-2.1-7", "libsystemd.so.0": "libsystemd0",
                    "libjansson.so.4": "libjansson4", "libmsgpackc.so.2": "libmsgpackc2",
                    "libncursesw.so.6": "libncursesw6", "libtinfo.so.6": "libtinfo6"}
        own = {name for name in needed if not name.startswith(("libc.so", "libm.so", "libasan", "libubsan"))}
        self.assertLessEqual(own, packages.keys(), "a library that no package is known for")
        for library in own:
            self.assertIn(packages[library], image)

    def test_its_paths_are_those_that_are_installed(self) -> None:
        (target,) = re.findall(r"make .*?(DESTDIR=\S+ PREFIX=\S+) install", self.TEXT)
        stage = re.findall(r"DESTDIR=(\S+)", target)[0]
        self.assertIn(f"COPY --from=build {stage}/ /\n", self.TEXT)
        said = subprocess.run(["make", "-n", f"O={BUILD}", *target.split(), "install"], cwd=ROOT,
                              capture_output=True, text=True, check=True).stdout
        for words in re.findall(r"^(?:ENTRYPOINT|CMD) (.*)$", self.TEXT, re.M):
            for path in re.findall(r'"(/.*?)"', words):
                self.assertRegex(said, rf" {re.escape(stage + path)}\s")
        # Debian's interpreter finds it there.
        self.assertRegex(said, rf" {re.escape(stage)}/usr/lib/python3/dist-packages/poold/ client/python/poold/__init__\.py")
