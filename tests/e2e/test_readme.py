"""The examples of the README do what the README says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import BUILD, ROOT, DaemonTest, pool

README = (ROOT / "README.md").read_text()
README_SOCKET = "/tmp/poold.sock"


def block(language: str, number: int = 0) -> str:
    """The text of the README's n-th block in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)[number]


class Examples(DaemonTest):
    """Each example is taken from the README as it stands, but for the socket's path."""

    def setUp(self) -> None:
        super().setUp()
        options = dict(re.findall(r"^(\w+) = (.*)$", block("ini").split("[pool python]")[1], re.M))
        self.assertEqual(options.pop("command"), "python3 -m poold.worker texts")
        self.place = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="poold-readme-")))
        (self.place / "texts.py").write_text(block("python", 0))
        text = pool("python", f"{sys.executable} -m poold.worker texts", **options)
        path = f"env.PYTHONPATH = {ROOT / 'client/python'}:{self.place}\n"
        self.daemon = self.start(text + path)

    def program(self, text: str) -> str:
        """The example with the test's socket in the place of the README's."""
        self.assertIn(README_SOCKET, text)
        return text.replace(README_SOCKET, self.daemon.path)

    def run_and_read(self, *command: str) -> str:
        """What the command prints; it must end with status 0."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "client/python")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_python_client_prints_what_its_comments_say(self) -> None:
        text = self.program(block("python", 1))
        printed = self.run_and_read(sys.executable, "-c", text)
        self.assertEqual(printed.splitlines(), re.findall(r"print\(.*\)\s+# (.*)$", text, re.M))

    def test_the_c_client_builds_and_counts(self) -> None:
        (self.place / "program.c").write_text(self.program(block("c")))
        program = str(self.place / "program")
        libraries = [str(BUILD / "libpoold.a"), *_flags("--libs", _msgpack())]
        sanitizer = ["-fsanitize=address,undefined"] if "asan" in BUILD.name else []
        self.run_and_read("cc", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'client/lib'}", *sanitizer,
                          "-o", program, str(self.place / "program.c"), *libraries)
        self.assertEqual(self.run_and_read(program), "6 words\n")

    def test_poolctl_answers_as_shown(self) -> None:
        shown = re.search(r"\$ poolctl (call .*)\n    (.*)\n", README)
        assert shown is not None
        words = re.findall(r"'[^']*'|\S+", shown[1])
        printed = self.run_and_read(str(BUILD / "poolctl"), "--socket", self.daemon.path,
                                    *(word.strip("'") for word in words))
        self.assertEqual(printed.strip(), shown[2])


def _msgpack() -> str:
    """The name that pkg-config knows msgpack-c by."""
    new = subprocess.run(["pkg-config", "--exists", "msgpack-c"], check=False).returncode == 0
    return "msgpack-c" if new else "msgpack"


def _flags(*arguments: str) -> list[str]:
    return subprocess.run(["pkg-config", *arguments], check=True, capture_output=True,
                          text=True).stdout.split()
