"""The README does what it says, as written, in a fresh directory: in the tree and installed."""

from __future__ import annotations

import re
import signal
import unittest
from contextlib import contextmanager
from collections.abc import Iterator

from clock import eventually
from documents import Place, each_place, examples, printed, write_files
from harness import ROOT

README = (ROOT / "README.md").read_text()
SHELL = [each.text.strip() for each in examples("README.md") if each.language == "sh"]
ENTER, INSTALL, SERVE, CALL, BUILD_C = SHELL


@contextmanager
def served(test: unittest.TestCase, place: Place, command: str) -> Iterator[None]:
    """While a daemon runs that this line starts; it must end well with Ctrl-C."""
    daemon = place.start(command)
    try:
        eventually(lambda: "ready: listening" in place.log() or daemon.poll() is not None,
                   lambda: f"{command} is ready: {place.log()}", 30.0)
        test.assertIsNone(daemon.poll(), place.log())
        yield
        daemon.send_signal(signal.SIGINT)
        test.assertEqual(daemon.wait(30), 0, place.log())
    finally:
        daemon.kill()
        daemon.wait()


def call_all(test: unittest.TestCase, place: Place, before: str = "") -> None:
    """Every call that the README shows, with the answers that it shows."""
    client = next(each.text for each in examples("README.md") if each.file == "client.py")
    test.assertEqual(place.run(before + CALL).splitlines(), printed(client))
    shown = re.search(r"\$ (poolctl call .*)\n    (.*)\n", README)
    assert shown is not None
    test.assertEqual(place.run(before + shown[1]).strip(), shown[2])
    for command in re.findall(r"^    \$ (poolctl (?:status|workers|metrics))", README, re.M):
        test.assertIn("python", place.run(before + command))


def follow(test: unittest.TestCase, place: Place) -> None:
    """What the README tells its reader to type, in its order."""
    write_files("README.md", place.path)
    with served(test, place, SERVE):
        call_all(test, place)
        test.assertEqual(place.run(BUILD_C), "6 words\n")


def follow_file(test: unittest.TestCase, place: Place) -> None:
    """The same with the configuration file; its socket is moved to where the test may put it."""
    write_files("README.md", place.path)
    socket = place.path / "poold.sock"
    config = place.path / "poold.conf"
    test.assertIn("/tmp/poold.sock", config.read_text())
    config.write_text(config.read_text().replace("/tmp/poold.sock", str(socket)))
    (command,) = re.findall(r"Start it with `(.*?)`", README)
    with served(test, place, command):
        call_all(test, place, f"export POOLD_SOCKET={socket}; ")


class Lines(unittest.TestCase):
    """The lines that a test can't run as they are."""

    def test_the_two_ways_to_find_it(self) -> None:
        self.assertEqual(ENTER, ". build/none/env")
        self.assertEqual(INSTALL, "sudo make install")


WithoutFile = type("WithoutFile", (unittest.TestCase,), each_place(follow))
WithFile = type("WithFile", (unittest.TestCase,), each_place(follow_file))
