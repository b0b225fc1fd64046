"""A terminal with a shell in it, for programs that draw: tmux, and bash.

The size is given; keys are typed by tmux's names ("F3", "Down", "C-c"), and what is on the screen is
read as text.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from clock import HANGS, eventually

TMUX = shutil.which("tmux")
BASH = shutil.which("bash")
WHY_SKIPPED = "tmux and bash are not installed"

PROMPT = "prompt> "


class Terminal:
    """One terminal of its own server, in a folder of its test's.

    Args:
        folder: for the server's socket, and for what commands write.
    """

    def __init__(self, folder: Path, width: int = 80, height: int = 24) -> None:
        self._folder = folder
        self._base = [TMUX or "tmux", "-u", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        shell = shlex.join(["env", "-u", "TMUX", f"PS1={PROMPT}", "LC_ALL=C.UTF-8", "HISTFILE=",
                            BASH or "bash", "--norc", "--noprofile", "-i"])
        self._run("new-session", "-d", "-x", str(width), "-y", str(height), shell)
        eventually(lambda: self.has(PROMPT.strip()), lambda: f"a prompt: {self.screen()}")

    def _run(self, *words: str) -> str:
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        environment.pop("TMUX", None)
        return subprocess.run([*self._base, *words], check=True, stdout=subprocess.PIPE, text=True,
                              timeout=HANGS, env=environment, encoding="utf-8").stdout

    def lines(self) -> list[str]:
        """The lines of the screen, without the blanks at their ends."""
        return [line.rstrip() for line in self._run("capture-pane", "-p").split("\n")[:-1]]

    def screen(self) -> str:
        return "\n".join(self.lines())

    def has(self, text: str) -> bool:
        return text in self.screen()

    def wait_for(self, text: str, seconds: float = 20.0) -> list[str]:
        """Waits until this text is on the screen; returns its lines then.

        Raises:
            AssertionError: it does not come.
        """
        found: list[str] = []

        def look() -> bool:
            found[:] = self.lines()
            return any(text in line for line in found)

        eventually(look, lambda: f"{text!r} on the screen:\n" + "\n".join(found), seconds)
        return found

    def wait_without(self, text: str) -> None:
        eventually(lambda: not self.has(text), lambda: f"no {text!r}:\n{self.screen()}")

    def keys(self, *names: str) -> None:
        """Presses keys by their names."""
        self._run("send-keys", *names)

    def type(self, text: str) -> None:
        """Types a text as it is."""
        self._run("send-keys", "-l", text)

    def command(self, line: str) -> None:
        """Has the shell run this."""
        self.type(line)
        self.keys("Enter")

    def ask(self, line: str) -> str:
        """What a command prints, once the shell has run it at its prompt."""
        path = self._folder / "said"
        path.unlink(missing_ok=True)
        self.command(f"{{ {line}; }} >{path}.new 2>&1; mv {path}.new {path}")
        eventually(path.exists, lambda: f"{line} is run:\n{self.screen()}", 20.0)
        return path.read_text(encoding="utf-8").strip()

    def resize(self, width: int, height: int) -> None:
        self._run("resize-window", "-x", str(width), "-y", str(height))

    def is_restored(self) -> bool:
        """Whether the ordinary screen is shown, with the cursor."""
        return self._run("display-message", "-p", "#{alternate_on} #{cursor_flag}").strip() == "0 1"

    def close(self) -> None:
        subprocess.run([*self._base, "kill-server"], check=False, stderr=subprocess.DEVNULL)
