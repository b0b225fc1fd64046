"""A reader of a document, who types what it says and looks whether the same comes out."""

from __future__ import annotations

import re
import signal
import subprocess
import unittest
from dataclasses import dataclass, field

from alike import ANY, is_alike
from clock import eventually
from documents import Place, blocks, typed
from harness import SANITIZED

# The path in the documents, which the test may not write to.
SOCKET = "/tmp/poold.sock"

# Commands that only look: what they show may come a moment later.
LOOKS = re.compile(r"poolctl (workers|status|pools|errors|health|breakers|methods)\b")


def chance(line: str) -> str:
    """The line without what happens to be so: any worker of a pool may have answered, and of a worker
    that exits its socket may be seen to close before the process."""
    return re.sub(r"\bworker: \d+", "worker: 1", line).replace("killed as it closed its channel: ", "")


class Reader:
    """Follows one part of a document in a place of its own."""

    def __init__(self, test: unittest.TestCase) -> None:
        self.test = test
        self.place = Place()
        test.addCleanup(self.place.remove)
        self.exports = ""
        self.replaced = {SOCKET: str(self.place.runtime / "tutorial.sock")}
        self.daemon: subprocess.Popen[bytes] | None = None
        test.addCleanup(self.stop)

    def stop(self) -> None:
        """Ctrl-C; the daemon ends well."""
        if self.daemon is not None:
            self.daemon.send_signal(signal.SIGINT)
            status = self.daemon.wait(60)
            self.daemon = None
            self.test.assertEqual(status, 0, self.place.log())

    def serve(self, command: str, *, ready: bool = True) -> None:
        """Starts a daemon in the place of the one before, and waits until it is ready, or only listens."""
        self.stop()
        daemon = self.daemon = self.place.start(command)
        version = self.exports + "poolctl version"
        eventually(lambda: daemon.poll() is not None or "ready: listening" in self.place.log()
                   or not ready and len(self.place.type(version)) == 2,
                   lambda: f"{command} is ready: {self.place.log()}", 30.0)
        self.test.assertIsNone(daemon.poll(), self.place.log())

    def local(self, text: str) -> str:
        """The text with paths that the test may write to."""
        for path, own in self.replaced.items():
            text = text.replace(path, own)
        return text

    def begin(self, command: str) -> None:
        """Runs a command beside the reader, until the test is over."""
        started = subprocess.Popen(self.place.shell(f"{self.exports} exec {command}"), cwd=self.place.path,
                                   env=self.place.environment(), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.test.addCleanup(started.wait)
        self.test.addCleanup(started.kill)

    def write(self, name: str, text: str) -> None:
        (self.place.path / name).write_text(self.local(text))

    def type(self, command: str, shown: list[str], *, exact: bool | None = None) -> None:
        """Types a line; it must print what is shown, a report of poolctl up to its numbers."""
        if command.startswith("export "):
            self.exports += f"{self.local(command)}; "
            return
        if SANITIZED:
            command = re.sub(r"^cc ", "cc -fsanitize=address,undefined ", command)
        if exact is None:
            exact = not re.match(r"poolctl (?!call\b)", command)
        shown = [self.local(line) for line in shown]
        said: list[str] = []

        def fits() -> bool:
            said[:] = self.place.type(self.exports + command)
            return is_alike([chance(line) for line in said], shown, exact)

        def what() -> str:
            return "\n".join([f"$ {command}", *said, "instead of", *shown, self.place.log()])

        if LOOKS.match(command):
            eventually(fits, what, 10.0)
        else:
            self.test.assertTrue(fits(), what())

    def follow(self, text: str) -> None:
        for each in blocks(text):
            if each.file:
                self.write(each.file, each.text)
            elif each.language == "sh":
                self.serve(each.text.strip())
            elif each.language == "console":
                for command, shown in typed(each.text):
                    self.type(command, shown)
            else:
                self.test.fail(f"a block that is neither a file nor typed:\n{each.text}")


@dataclass(frozen=True)
class State:
    """How the state is made that a part of a document is about.

    Attributes:
        pools: sections of the configuration.
        files: what is written into the directory first.
        beside: commands that begin first, and go on while the part is read.
        before: lines of shell whose output does not matter.
        seen: a command and words that it must show before the part's own lines are typed.
        ready: whether all workers start.
        daemon: further options of the daemon.
        restarts: whether the daemon is restarted then, with the errors that it keeps.
    """

    pools: str
    files: dict[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    seen: tuple[str, str] | None = None
    ready: bool = True
    daemon: str = ""
    restarts: bool = False


def lines_of(part: str) -> list[tuple[str, list[str]]]:
    """Each line that a part of a document has its reader type, and what it shows below."""
    found = typed("\n".join(line[4:] if line.startswith("    ") else "" for line in part.splitlines()))
    for _, shown in found:
        while shown and not shown[-1]:
            shown.pop()
    return found


def be_in(test: unittest.TestCase, state: State) -> Reader:
    """A reader in a place where that is the state."""
    reader = Reader(test)
    socket = reader.place.runtime / "tutorial.sock"
    kept = reader.place.runtime / "state"
    kept.mkdir(mode=0o700)
    head = f"[daemon]\nsocket = {socket}\nlog_target = stderr\ndrain_timeout = 1s\nstate_directory = {kept}\n{state.daemon}\n"
    reader.replaced["/srv/images"] = str(reader.place.path)
    reader.write("poold.conf", head + state.pools)
    for name, text in state.files.items():
        reader.write(name, text)
    reader.exports = f"export POOLD_SOCKET={socket}; "
    reader.serve("poold -c poold.conf", ready=state.ready)
    for command in state.beside:
        reader.begin(command)
    for command in state.before:
        reader.place.type(reader.exports + command)
    if state.restarts:
        reader.serve("poold -c poold.conf")
    if state.seen:
        command, words = state.seen
        eventually(lambda: words in "\n".join(reader.place.type(reader.exports + command)),
                   lambda: f"{command} shows {words}: {reader.place.log()}", 20.0)
    return reader


def type_all(test: unittest.TestCase, state: State, part: str) -> None:
    """Types all lines of a part in that state; what they print may have further lines below."""
    reader = be_in(test, state)
    commands = lines_of(part)
    test.assertTrue(commands)
    for command, shown in commands:
        if not re.search(r"--follow|^curl|^promtool", command):
            reader.type(command, [*shown, ANY], exact=False)
