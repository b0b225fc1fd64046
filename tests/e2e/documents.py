"""The examples of a document, and where they run: in the source tree, or as installed.

An example is a fenced block.  The text before it may name its file: "`texts.py`:".
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import public
from clock import HANGS
from harness import BUILD, MEASURED, ROOT, SANITIZED

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
NAME = re.compile(r"`([\w./-]+)`:\s*\Z")


@dataclass(frozen=True)
class Example:
    """A fenced block: its language, its text, the file that it is shown as, or ""."""

    language: str
    text: str
    file: str


def examples(document: str) -> list[Example]:
    """The fenced blocks of a document, such as "docs/CLIENT.md", in order."""
    return blocks((ROOT / document).read_text())


def blocks(text: str) -> list[Example]:
    """The fenced blocks of a part of a document, in order."""
    found = []
    for match in FENCE.finditer(text):
        name = NAME.search(text[: match.start()])
        found.append(Example(match[1], match[2], name[1] if name else ""))
    return found


def write_files(document: str, place: Path) -> None:
    """Writes every example that is shown as a file."""
    for each in examples(document):
        if each.file:
            (place / each.file).write_text(each.text)


def sections(document: str) -> dict[str, str]:
    """The text below each heading of the second level."""
    parts = re.split(r"^## (.*)$", (ROOT / document).read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def typed(text: str) -> list[tuple[str, list[str]]]:
    """Each line that a reader types, behind a `$`, and the lines that the document shows below it."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
    return found


def printed(text: str) -> list[str]:
    """What a program says that it prints: the comments behind its calls of print."""
    return re.findall(r"print\(.*\)\s+# (.*)$", text, re.M)


def may_unshare(*options: str) -> bool:
    """Whether a namespace of that kind may be made here, and be mounted in."""
    command = [*unshare(*options), "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def unshare(*options: str) -> list[str]:
    """The command that makes these namespaces, as root or not."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, *options]


class Place:
    """A fresh directory, and a shell in it that finds the programs as a document says.

    Attributes:
        path: the directory.
        runtime: the directory that the shells have as XDG_RUNTIME_DIR.
    """

    def __init__(self) -> None:
        self._top = Path(tempfile.mkdtemp(prefix="poold-place-"))
        self.path = self._top / "fresh"
        self.path.mkdir()
        self.runtime = self._top / "runtime"
        self.runtime.mkdir(mode=0o700)
        self._env = BUILD / "env"

    def remove(self) -> None:
        shutil.rmtree(self._top, ignore_errors=True)

    def clear(self) -> None:
        """Makes the directories empty again, for the next test."""
        for folder in (self.path, self.runtime):
            for entry in folder.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        (self._top / "log").unlink(missing_ok=True)

    def give_to(self, user: int) -> None:
        """Makes the directories this user's, and has the shells find copies that it may run."""
        self._top.chmod(0o711)
        found = {**public.package(self._top), "PATH": f"{public.program('poold', self._top).parent}:$PATH"}
        public.program("poolctl", self._top)
        self._env = self._top / "env"
        self._env.write_text("".join(f"export {name}={value}\n" for name, value in found.items()))
        for folder in (self.path, self.runtime):
            os.chown(folder, user, user)

    def environment(self) -> dict[str, str]:
        """What a person's shell has, and nothing of this test's."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "ASAN_OPTIONS") if name in os.environ}
        if MEASURED:
            kept["PYTHONPATH"] = MEASURED
        return {**kept, "XDG_RUNTIME_DIR": str(self.runtime)}

    def shell(self, command: str) -> list[str]:
        """The command line that runs a line of shell in the source tree's environment."""
        env = shlex.quote(str(self._env))
        return ["sh", "-c", f". {env}; {command}"]

    def run(self, command: str) -> str:
        """What a line of shell prints; it must succeed."""
        if SANITIZED:
            command = re.sub(r"^cc ", "cc -fsanitize=address,undefined ", command)
        done = subprocess.run(self.shell(command), cwd=self.path, env=self.environment(), timeout=HANGS,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def type(self, command: str) -> list[str]:
        """The lines that a line of shell prints, on either output, whatever its status."""
        done = subprocess.run(self.shell(f"{{ {command}; }} 2>&1"), cwd=self.path, text=True, timeout=HANGS,
                              env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
        return done.stdout.splitlines()

    def start(self, command: str) -> subprocess.Popen[bytes]:
        """Runs a line of shell beside the test; its standard error goes into the file `log`."""
        with open(self._top / "log", "wb") as log:
            return subprocess.Popen(self.shell(f"exec {command}"), cwd=self.path,
                                    env=self.environment(), stdin=subprocess.DEVNULL, stderr=log)

    def log(self) -> str:
        """What the program that `start` runs has written; "" before that."""
        path = self._top / "log"
        return path.read_text(errors="replace") if path.exists() else ""


class Installed(Place):
    """A place on a machine where poold was installed below a prefix: a mount namespace in which
    the installed files lie over /usr.
    """

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._stage = self._top / "stage"
        build = self._top / "build"
        build.mkdir()
        for name in ("daemon", "client", "protocol", "paths", "poold", "poolctl"):
            subprocess.run(["cp", "-a", str(BUILD / name), str(build)], check=True)
        for library in BUILD.glob("lib*"):
            subprocess.run(["cp", "-a", str(library), str(build)], check=True)
        # What holds the prefix is compiled anew, and with --coverage all must be linked so.  To optimise the daemon as a
        # whole would take long.
        flags = ["SAN=cov"] if MEASURED else ["LTO=0"]
        subprocess.run(["make", "--no-print-directory", *flags, f"O={build}", f"DESTDIR={self._stage}",
                        f"PREFIX={prefix}", "install"], cwd=ROOT, check=True, capture_output=True)

    def environment(self) -> dict[str, str]:
        """The PATH of an ordinary user of Debian, behind what this one has in front of it."""
        before = [part for part in os.environ.get("PATH", "").split(":") if part.startswith(("/root", "/home", "/opt"))]
        usual = ["/usr/local/bin", "/usr/bin", "/bin"]
        return {**super().environment(), "PATH": ":".join([*before, *usual])}

    def shell(self, command: str) -> list[str]:
        stage = shlex.quote(str(self._stage / "usr"))
        cache = shlex.quote(str(self._top / "cache"))
        # The loader's cache is made anew once, as `make install` does where it runs as root.
        mounts = (f"mount -t overlay overlay -o lowerdir={stage}:/usr /usr && "
                  f"{{ [ -e {cache} ] || /sbin/ldconfig -C {cache}; }} && mount --bind {cache} /etc/ld.so.cache")
        return [*unshare("--mount"), "sh", "-c", f"{mounts} && {command}"]


def place_below(prefix: str) -> Place:
    """A place on a machine where poold was installed below the prefix; "": in the tree.

    Raises:
        unittest.SkipTest: there is no unshare.
    """
    if not prefix:
        return Place()
    if not may_unshare("--mount"):
        raise unittest.SkipTest("no mount namespace may be made here")
    return Installed(prefix)


def each_place(test: Callable[[unittest.TestCase, Place], None]) -> dict[str, Callable[[unittest.TestCase], None]]:
    """The test in the tree, and installed with both prefixes; skipped where there is no unshare."""

    def in_place(prefix: str) -> Callable[[unittest.TestCase], None]:
        def run(self: unittest.TestCase) -> None:
            place = place_below(prefix)
            self.addCleanup(place.remove)
            test(self, place)

        return run

    return {"test_in_the_tree": in_place(""), "test_installed_in_usr": in_place("/usr"),
            "test_installed_in_usr_local": in_place("/usr/local")}
