"""The examples of docs/WORKERS.md do what it says, as written but for the folders /srv and /opt, in
the tree and installed.

Every block and every line behind a `$` belongs to a test here: the last test says which does not.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import unittest

from clock import eventually
from documents import Place, examples, place_below, typed
from harness import HERE, ROOT

DOCUMENT = "docs/WORKERS.md"
TEXT = (ROOT / DOCUMENT).read_text()
BLOCKS = examples(DOCUMENT)

# Lines that ask a service manager; tests/systemd has those of the unit.
NEED_SYSTEMD = {"journalctl -u poold POOLD_POOL=images POOLD_STREAM=stderr",
                "systemd-cgls -u poold.service"}

# Lines about servers that npm brings: tests/npm has these servers.
NEED_NPM = (" everything tools/call ", "| poold-mcp everything")

# What a test has run, for the last test.
_taken: set[str] = set()

BRIDGE = """
import json, struct, sys
while head := sys.stdin.buffer.read(4):
    message = json.loads(sys.stdin.buffer.read(struct.unpack(">I", head)[0]))
    command, args = message["command"], message.get("args") or {}
    answer = {"id": message["id"], "success": True}
    if command == "word_count":
        answer["result"] = len(args["text"].split())
    elif command in COMMANDS:
        answer["result"] = "ok"
    else:
        answer.update(success=False, error="no such command")
    body = json.dumps(answer).encode()
    sys.stdout.buffer.write(struct.pack(">I", len(body)) + body)
    sys.stdout.buffer.flush()
"""


def block(language: str, words: str) -> str:
    """The first block of that language with these words."""
    found = next(each.text for each in BLOCKS if each.language == language and words in each.text)
    _taken.add(found)
    return found


def sessions() -> list[tuple[str, list[str]]]:
    """Each line that a reader types, and the lines that follow it, in blocks of both kinds."""
    found: list[tuple[str, list[str]]] = []
    consoles = "\n\n".join(each.text for each in BLOCKS if each.language == "console")
    indented = "\n".join(line[4:] if line.startswith("    ") else "" for line in TEXT.splitlines())
    for text in (consoles, indented):
        for part in re.split(r"\n\s*\n", text):
            found += typed(part)
    return found


def shown(command: str) -> list[str]:
    """What the document shows behind that line."""
    _taken.add(command)
    return next(lines for line, lines in sessions() if line == command)


class WorkerExamples(unittest.TestCase):
    """Each test has an empty place, which stands for /srv/shop and /opt."""

    prefix = ""
    place: Place

    @classmethod
    def setUpClass(cls) -> None:
        cls.place = place_below(cls.prefix)
        cls.addClassCleanup(cls.place.remove)

    def setUp(self) -> None:
        self.place.clear()
        self.daemon: subprocess.Popen[bytes] | None = None

    def local(self, text: str) -> str:
        """The text with folders that the test may write to."""
        return re.sub(r"/srv/shop|/opt/\w+", str(self.place.path), text)

    def write(self, name: str, *texts: str) -> None:
        (self.place.path / name).write_text("\n".join(texts))

    def shop(self) -> None:
        """orders.py with the functions that the document adds to it."""
        self.write("orders.py", block("python", "# orders.py"), block("python", "def lines"),
                   block("python", "session_class"), "def on_start():\n    pass\n")

    def serve(self, pools: str) -> None:
        """Runs a daemon with these pools until the test is over."""
        socket = self.place.runtime / "poold.sock"
        head = f"[daemon]\nsocket = {socket}\nlog_target = stderr\nstart_timeout = 20s\n"
        self.write("poold.conf", head, self.local(pools))
        self.daemon = self.place.start("poold -c poold.conf")
        self.addCleanup(self.daemon.wait)
        self.addCleanup(self.daemon.terminate)
        eventually(lambda: "ready: listening" in self.place.log() or self.daemon.poll() is not None,
                   lambda: self.place.log(), 30.0)
        self.assertIsNone(self.daemon.poll(), self.place.log())

    def type(self, command: str) -> list[str]:
        """The lines that a command prints, on either output, whatever its status."""
        socket = self.place.runtime / "poold.sock"
        return self.place.type(f"export POOLD_SOCKET={socket}; {command}")

    def try_as_shown(self, command: str) -> None:
        """Any worker of the pool may have answered."""
        said, expected = ([re.sub(r"worker: \d+", "worker: N", line) for line in lines]
                          for lines in (self.type(command), shown(command)))
        self.assertEqual(said, expected, self.place.log())

    # --- a worker in Python ---

    def test_a_module(self) -> None:
        self.shop()
        self.serve(block("ini", "directory = /srv/shop"))
        self.try_as_shown("poolctl call shop price '[\"tea\", 3]'")

    def test_check(self) -> None:
        self.shop()
        self.try_as_shown("/usr/bin/python3 -m poold.worker --check orders")
        self.try_as_shown("/usr/bin/python3 -m poold.worker --check order")

    def test_an_answer_that_is_too_large(self) -> None:
        self.write("orders.py", "def export():\n    return bytes(100_000_000)\n")
        self.serve(block("ini", "directory = /srv/shop"))
        self.try_as_shown("poolctl call shop export")

    def test_the_context(self) -> None:
        self.write("orders.py", "import poold\n", block("python", "def report"))
        self.serve(block("ini", "directory = /srv/shop"))
        self.assertEqual(self.type("poolctl call shop report '[\"sales\"]'"), ["null"])
        said = self.type("poolctl call --timeout 1s shop report '[\"sales\"]'")
        self.assertIn("no time for it", said[0])

    def test_a_stream(self) -> None:
        self.shop()
        self.serve(block("ini", "directory = /srv/shop"))
        self.write("a.txt", "one", "two")
        self.assertEqual(self.type("poolctl call --stream shop lines '[\"a.txt\"]'")[:2],
                         ['"one\\n"', '"two"'])

    def test_a_session(self) -> None:
        self.shop()
        self.serve(block("ini", "directory = /srv/shop"))
        self.try_as_shown("poolctl call --session c1 shop add '[\"tea\"]'")
        self.assertEqual(shown("kill -9 24070"), [])
        for pid in re.findall(r"worker started pool=shop worker=\d+ pid=(\d+)", self.place.log()):
            os.kill(int(pid), signal.SIGKILL)
        self.try_as_shown("poolctl call --session c1 shop add '[\"pie\"]'")

    def test_asynchronous_functions(self) -> None:
        self.write("orders.py", block("python", "async def fetch"))
        self.serve(block("ini", "directory = /srv/shop"))
        self.assertEqual(self.type("poolctl call shop fetch '[\"here\"]'"), ["null"])
        said = self.type("/usr/bin/python3 -m poold.worker --check orders")
        self.assertEqual(said, ["orders serves:", "  fetch(url)  (async)", "  concurrency: 32"])

    def test_a_stack(self) -> None:
        self.write("orders.py", "import time\n\ndef stock():\n    time.sleep(600)\n")
        self.serve(block("ini", "directory = /srv/shop"))
        call = self.place.start(f"env POOLD_SOCKET={self.place.runtime}/poold.sock poolctl call shop stock '[]'")
        self.addCleanup(call.wait)
        self.addCleanup(call.kill)
        eventually(lambda: any("stock" in line for line in self.type("poolctl workers")), "it runs")
        line = next(line for line in self.type("poolctl workers") if "stock" in line)
        # The document's workers are 1 and 2; here the one that has the call is asked.
        command = "poolctl stack shop 2"
        said = "\n".join(self.type(f"poolctl stack shop {line.split()[1]}"))
        for expected in shown(command):
            if "Thread" in expected or "Current thread" in expected:
                self.assertIn(expected.split(" 0x")[0], said)
            elif "File" in expected:
                self.assertIn(re.sub(r".*/(\w+\.py).*", r"\1", expected), said)

    def test_prefork(self) -> None:
        self.shop()
        self.serve(block("ini", "prefork = yes") + "directory = /srv/shop\n")
        log = self.place.log()
        self.assertIn("fork server ready: after", log)
        (pid,) = re.findall(r"worker ready pool=shop worker=1 pid=(\d+)", log)
        os.kill(int(pid), signal.SIGKILL)
        eventually(lambda: self.place.log().count("worker ready pool=shop") == 2, lambda: self.place.log())
        self.assertIn("worker ended: signal 9 (Killed) pool=shop worker=1", self.place.log())

    # --- dialects ---

    def test_an_editor(self) -> None:
        if shutil.which("nvim") is None:
            self.skipTest("nvim is not installed")
        self.serve(block("ini", "[pool nvim]"))
        block("console", "nvim_eval")
        self.try_as_shown("poolctl call nvim nvim_eval '[\"6 * 7\"]'")
        self.try_as_shown("poolctl call nvim nvim_exec_lua '[\"return {...}\", [\"a\", 1]]'")

    def test_a_bridge(self) -> None:
        self.write("main.py", BRIDGE.replace("COMMANDS", "['ping']"))
        self.serve(block("ini", "[pool bridge]"))
        block("console", "word_count")
        self.try_as_shown("poolctl call bridge word_count '{\"text\": \"to be\"}'")

    def test_a_bridge_without_ping(self) -> None:
        self.write("main.py", BRIDGE.replace("COMMANDS", "['get_info']"))
        self.serve(block("ini", "[pool bridge]") + block("ini", "ready_call = get_info"))
        self.try_as_shown("poolctl call bridge word_count '{\"text\": \"to be\"}'")

    def test_a_tool_server(self) -> None:
        shutil.copy(HERE / "workers" / "toolserver.py", self.place.path / "server.py")
        self.serve(block("ini", "[pool tools]"))
        for command in block("console", "tools/list").splitlines():
            _taken.add(command[2:])
        self.assertIn("count_words", "\n".join(self.type("poolctl call tools tools/list")))
        call = "poolctl call tools tools/call '{\"name\": \"count_words\", \"arguments\": {\"text\": \"to be\"}}'"
        self.assertIn(call, _taken)
        self.assertRegex("\n".join(self.type(call)), r'"text": "\D*2\D*"')

    def test_it_does_not_start(self) -> None:
        block("console", "ready_notification")
        lines = ["[daemon]", "", "", "[pool bridge]", "command = x", "dialect = packet4-json",
                 "ready_notification = ready"]
        self.write("poold.conf", *lines, "")
        command = "poold -t -c /etc/poold/poold.conf"
        expected = [line.replace("/etc/poold/", "") for line in shown(command)]
        self.assertEqual(self.type(command.replace("/etc/poold/", "")), expected)

    def test_arguments_that_cannot_be_said(self) -> None:
        self.write("main.py", BRIDGE.replace("COMMANDS", "['ping']"))
        self.serve(block("ini", "[pool bridge]"))
        said = self.type("poolctl call bridge word_count '{\"$map\": [[1, \"one\"]]}'")
        (code, text) = re.findall(r"`(encode_error)`, `(the arguments.*?)`", TEXT.replace("\n", " "))[0]
        self.assertIn(f"{code}: {text}", said[0])
        self.assertEqual(block("console", "$ poolctl errors"), "$ poolctl errors\n")
        _taken.add("poolctl errors")
        self.assertIn(code, "\n".join(self.type("poolctl errors")))

    # --- isolation ---

    def test_the_last_lines(self) -> None:
        self.write("images.py", "import os", "import traceback", "", "def decode(data):",
                   "    raise RuntimeError('out of texture memory')", "", "def resize():", "    data = b''",
                   "    try:", "        # a library that ends the process", "",
                   "        pixels = decode(data)", "        return pixels", "    except RuntimeError:",
                   "        traceback.print_exc()", "        os._exit(3)", "")
        self.serve("[pool images]\ncommand = /usr/bin/python3 -m poold.worker images\n")
        command = "poolctl call images resize"
        said = "\n".join(self.type(command))
        for line in shown(command):
            self.assertIn(line.replace('"images.py"', f'"{self.place.path}/images.py"'), said)

    def test_a_folder_that_is_not_there(self) -> None:
        command = "poolctl workers wrong"
        (_, line) = shown(command)
        reason = line[line.index("could not be started"):]
        socket = self.place.runtime / "poold.sock"
        self.write("poold.conf", f"[daemon]\nsocket = {socket}\nlog_target = stderr\n",
                   "[pool wrong]\ncommand = x\ndirectory = /srv/images\n")
        self.daemon = self.place.start("poold -c poold.conf")
        self.addCleanup(self.daemon.wait)
        self.addCleanup(self.daemon.terminate)
        eventually(lambda: reason in "\n".join(self.type(command)), lambda: self.place.log(), 20.0)

    def test_stock_servers_are_configured_like_this(self) -> None:
        pool = block("ini", "[pool everything]").replace("/opt/mcp", str(self.place.path))
        self.write("poold.conf", pool)
        self.place.run("poold -t -c poold.conf")
        servers = json.loads(block("json", "mcpServers"))["mcpServers"]
        self.assertEqual(servers, {"everything": {"command": "poold-mcp", "args": ["everything"]}})

    # --- the last, by its name ---

    def test_zz_nothing_is_left_out(self) -> None:
        """A new example needs a test; also when this one runs alone, as the tests are read for it."""
        source = (HERE / "test_worker_examples.py").read_text()
        for each in BLOCKS:
            if each.language != "console":
                self.assertTrue(self.has_test(each.text, source), f"no test has this:\n{each.text}")
        for command, _ in sessions():
            if any(words in command for words in NEED_NPM):
                continue
            self.assertTrue(command in NEED_SYSTEMD or command in _taken or _plain(command) in source,
                            f"no test types: {command}")

    @staticmethod
    def has_test(text: str, source: str) -> bool:
        """Whether some call of `block` in this file means that text."""
        for language, words in re.findall(r'block\("(\w+)", "(.*?)"\)', source):
            found = next((each.text for each in BLOCKS
                          if each.language == language and words in each.text), None)
            if found == text:
                return True
        return False


class Installed(WorkerExamples):
    """Below the default prefix; test_readme has another one too."""

    prefix = "/usr/local"


def _plain(command: str) -> str:
    """A command as it stands in the source of a test."""
    return command.replace('"', '\\"')
