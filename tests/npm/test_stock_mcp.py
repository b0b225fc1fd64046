"""MCP servers and an MCP client from npm, unmodified: through Python, poolctl and poold-mcp, while
the servers are killed.

`.ci/npm` installs them below build/npm; where they are not there, these tests are skipped.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import threading
import unittest
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import poold

from clients import PoolctlTest, poolctl
from clock import Deadline, eventually
from harness import BUILD, LOAD, Daemon, pool, quick
from servers import TOOLS

NPM = BUILD.parent / "npm"
SERVERS = NPM / "node_modules" / "@modelcontextprotocol"
NAMES = ("everything", "memory", "filesystem", "sequential-thinking")
SLOW = "trigger-long-running-operation"
KILLS = 5 * LOAD
QUESTIONS = 240  # between two kills


class Stock:
    """The client of @modelcontextprotocol/sdk, with poold-mcp as its server."""

    def __init__(self, daemon: Daemon, name: str) -> None:
        self._process = subprocess.Popen(
            ["node", str(NPM / "stock_client.mjs"), str(BUILD / "poold-mcp"), "-s", daemon.path,
             name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        self._answers: dict[int, dict[str, Any]] = {}
        self._count = 0
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def __enter__(self) -> Stock:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def _collect(self) -> None:
        for line in self._process.stdout:
            answer = json.loads(line)
            with self._changed:
                self._answers[answer["n"]] = answer
                self._changed.notify_all()

    def start(self, do: str, **arguments: object) -> int:
        with self._changed:
            self._count += 1
            number = self._count
            self._process.stdin.write(json.dumps({"n": number, "do": do, **arguments}) + "\n")
            self._process.stdin.flush()
        return number

    def take(self, number: int) -> dict[str, Any]:
        deadline = Deadline(60.0)
        with self._changed:
            while number not in self._answers:
                assert self._changed.wait(deadline.left()) or not deadline.passed(), "no answer"
            return self._answers.pop(number)

    def do(self, do: str, **arguments: object) -> Any:
        answer = self.take(self.start(do, **arguments))
        assert "result" in answer, answer
        return answer["result"]

    def call(self, name: str, **arguments: object) -> Any:
        return self.do("call", name=name, arguments=arguments)["result"]


@unittest.skipUnless(shutil.which("node") and SERVERS.is_dir(), "run .ci/npm for its packages")
class StockServers(PoolctlTest):
    """Four servers, and all three ways to each."""

    def start_servers(self, *names: str, **options: object) -> Daemon:
        """A pool for each server; they take long to start where the machine is busy."""
        self.files = Path(self.enterContext(TemporaryDirectory(prefix="poold-mcp-")))
        arguments = {"filesystem": (str(self.files),)}
        more = {"memory": {"env.MEMORY_FILE_PATH": str(self.files / "memory.json")}}
        return self.start(*(
            pool(name, self.command(name, *arguments.get(name, ())), **{
                **TOOLS, "progress_notification": "notifications/progress",
                "init_timeout": "1min", **more.get(name, {}), **options,
            })
            for name in names
        ), start_timeout="2min")

    @staticmethod
    def command(name: str, *arguments: str) -> str:
        program = str(SERVERS / f"server-{name}" / "dist" / "index.js")
        return " ".join([shutil.which("node") or "node", program, *arguments])

    def all_ways(self, daemon: Daemon, name: str, tool: str, **arguments: object) -> list[Any]:
        """What Python, poolctl and the stock client get from a tool."""
        client = self.connect_client(daemon)
        said = json.dumps({"name": tool, "arguments": arguments})
        with Stock(daemon, name) as stock:
            return [
                client.call(name, "tools/call", name=tool, arguments=arguments),
                json.loads(self.succeed(daemon, "call", name, "tools/call", said)),
                stock.call(tool, **arguments),
            ]

    def check_tools(self, daemon: Daemon, name: str) -> None:
        """All three are given the same tools, with their schemas."""
        client = self.connect_client(daemon)
        tools = client.call(name, "tools/list")
        self.assertIn("$schema", tools["tools"][0]["inputSchema"])
        self.assertEqual(self.json(daemon, "call", name, "tools/list"), tools)
        self.assertEqual(self.json(daemon, "call", name, "tools/list", "[]"), tools)
        with Stock(daemon, name) as stock:
            self.assertEqual(stock.do("tools")["tools"], tools["tools"])
            self.assertEqual(stock.do("ping"), {})
            said = stock.do("server")
        self.assertEqual(said["version"], client.call(name, "initialize")["serverInfo"])

    def test_everything(self) -> None:
        daemon = self.start_servers("everything")
        self.check_tools(daemon, "everything")
        for found in self.all_ways(daemon, "everything", "echo", message="to be"):
            self.assertEqual(found["content"], [{"type": "text", "text": "Echo: to be"}])
        with Stock(daemon, "everything") as stock:
            client = self.connect_client(daemon)
            resources = client.call("everything", "resources/list")
            self.assertEqual(stock.do("resources"), resources)
            self.assertEqual(stock.do("prompts"), client.call("everything", "prompts/list"))
            answer = stock.take(stock.start("call", name="no_such", arguments={}))
            self.assertIn("no_such", json.dumps(answer))

    def test_memory(self) -> None:
        daemon = self.start_servers("memory")
        self.check_tools(daemon, "memory")
        entity = {"name": "tea", "entityType": "drink", "observations": ["hot"]}
        self.all_ways(daemon, "memory", "create_entities", entities=[entity])
        for found in self.all_ways(daemon, "memory", "read_graph"):
            self.assertEqual(json.loads(found["content"][0]["text"])["entities"], [entity])

    def test_filesystem(self) -> None:
        daemon = self.start_servers("filesystem")
        self.check_tools(daemon, "filesystem")
        path = str(self.files / "a.txt")
        self.all_ways(daemon, "filesystem", "write_file", path=path, content="to be\n")
        for found in self.all_ways(daemon, "filesystem", "read_text_file", path=path):
            self.assertEqual(found["content"][0]["text"], "to be\n")
        self.assertEqual(Path(path).read_text(encoding="utf-8"), "to be\n")

    def test_sequential_thinking(self) -> None:
        daemon = self.start_servers("sequential-thinking")
        self.check_tools(daemon, "sequential-thinking")
        thought = {"thought": "t", "nextThoughtNeeded": False, "thoughtNumber": 1,
                   "totalThoughts": 1}
        for found in self.all_ways(daemon, "sequential-thinking", "sequentialthinking", **thought):
            self.assertFalse(found.get("isError", False), found)
            self.assertEqual(json.loads(found["content"][0]["text"])["thoughtNumber"], 1)

    def test_progress(self) -> None:
        """As parts in Python and poolctl, and as notifications in the stock client."""
        daemon = self.start_servers("everything")
        arguments = {"duration": 1, "steps": 4}
        expected = [{"progress": n, "total": 4} for n in (1, 2, 3, 4)]
        client = self.connect_client(daemon)
        stream = client.stream("everything", "tools/call", name=SLOW, arguments=arguments)
        self.assertEqual(list(stream), expected)
        self.assertIn("completed", stream.result["content"][0]["text"])
        said = self.succeed(daemon, "call", "--stream", "everything", "tools/call",
                            json.dumps({"name": SLOW, "arguments": arguments}))
        self.assertEqual([json.loads(line) for line in said.splitlines()[:4]], expected)
        with Stock(daemon, "everything") as stock:
            found = stock.do("call", name=SLOW, arguments=arguments, progress=True)
            # This client may drop what comes in one piece with the answer.
            self.assertIn(found["heard"], (expected, expected[:-1]))
            found = stock.do("call", name=SLOW, arguments=arguments)
            self.assertEqual(found["heard"], [])

    def test_kills(self) -> None:
        """Each request is answered, with its own answer or the news that its server died."""
        daemon = self.start_servers(*NAMES, workers=2, **quick())
        daemon.announced += [f"pool={name}" for name in NAMES]
        client = self.connect_client(daemon)
        entity = {"name": "tea", "entityType": "drink", "observations": []}
        client.call("memory", "tools/call", name="create_entities",
                    arguments={"entities": [entity]})
        tally = Tally()
        askers: list[Asker] = [PythonAsker(client), PoolctlAsker(daemon)]
        threads = [
            threading.Thread(target=tally.ask_on, args=(asker, name, self.questions(name, begin)))
            for name in NAMES
            for begin, asker in enumerate(
                (*askers, StockAsker(self.enterContext(Stock(daemon, name)))), start=1
            )
        ]
        for thread in threads:
            thread.start()
        draw = self.random(10)
        try:
            for _ in range(KILLS):
                tally.allow(QUESTIONS)
                tally.wait_asked(draw.randrange(QUESTIONS))
                name = draw.choice(NAMES)
                os.kill(draw.choice(daemon.worker_pids(name)), signal.SIGKILL)
                tally.wait_asked(QUESTIONS)
                eventually(lambda: len(daemon.worker_pids(name)) == 2, f"{name} is whole", 120.0)
        finally:
            tally.end(len(threads))
            for thread in threads:
                thread.join()
        self.assertEqual(tally.faults, [])
        self.assertGreaterEqual(tally.asked, QUESTIONS * KILLS)
        self.assertGreater(tally.answered, tally.asked * 9 // 10)

    def questions(self, name: str, begin: int) -> Iterator[Question]:
        """Tools of this server, with arguments that their answers show."""
        for number in itertools.count(begin * 1_000_000):
            if name == "everything":
                yield Question("echo", {"message": f"number {number}"}, str(number))
            elif name == "memory":
                yield Question("search_nodes", {"query": "tea"}, "tea")
            elif name == "filesystem":
                path = str(self.files / f"{number}")
                yield Question("get_file_info", {"path": path}, str(number))
            else:
                yield Question("sequentialthinking", {
                    "thought": "t", "nextThoughtNeeded": True, "thoughtNumber": number,
                    "totalThoughts": number,
                }, str(number))


class Question(NamedTuple):
    tool: str
    arguments: dict[str, Any]
    shown: str  # by the right answer


class Died(Exception):
    """The server did, with this code."""


class Asker:
    """One way to a server."""

    def ask(self, name: str, question: Question) -> object:
        """Returns the answer.

        Raises:
            Died: there is none.
        """
        raise NotImplementedError


class PythonAsker(Asker):
    def __init__(self, client: poold.Client) -> None:
        self._client = client

    def ask(self, name: str, question: Question) -> object:
        try:
            return self._client.call(
                name, "tools/call", name=question.tool, arguments=question.arguments
            )
        except poold.Error as error:
            raise Died(error.code) from None


class PoolctlAsker(Asker):
    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def ask(self, name: str, question: Question) -> object:
        params = json.dumps({"name": question.tool, "arguments": question.arguments})
        done = poolctl(self._daemon, "--json", "call", name, "tools/call", params)
        found = json.loads(done.stdout)
        if done.returncode != 0:
            raise Died(found["error"]["code"])
        return found


class StockAsker(Asker):
    def __init__(self, stock: Stock) -> None:
        self._stock = stock

    def ask(self, name: str, question: Question) -> object:
        answer = self._stock.take(
            self._stock.start("call", name=question.tool, arguments=question.arguments)
        )
        if "error" in answer:
            raise Died(answer["error"]["data"]["code"])
        return answer["result"]["result"]


class Tally:
    """What all askers have seen, and how much more they may ask."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.asked = self.answered = 0
        self._allowed = threading.Semaphore(0)
        self._limit = 0
        self._is_done = False
        self._changed = threading.Condition()

    def allow(self, count: int) -> None:
        """So many questions more."""
        self._limit = self.asked
        self._allowed.release(count)

    def wait_asked(self, count: int) -> None:
        """Waits until so many of those that were allowed last have an answer, or none."""
        deadline = Deadline(120.0)
        with self._changed:
            while self.asked - self._limit < count:
                assert self._changed.wait(deadline.left()) or not deadline.passed(), (
                    f"{self.asked - self._limit} of {count}: {self.faults}"
                )

    def end(self, count: int) -> None:
        """All of the askers are so many, and ask no more."""
        self._is_done = True
        self._allowed.release(count)

    def ask_on(self, asker: Asker, name: str, questions: Iterator[Question]) -> None:
        """Asks one after the other until the end."""
        for question in questions:
            self._allowed.acquire()
            if self._is_done:
                return
            fault, died = self._ask(asker, name, question)
            with self._changed:
                self.asked += 1
                self.answered += not died
                if fault:
                    self.faults.append(f"{name} {question.shown}: {fault}")
                self._changed.notify_all()

    @staticmethod
    def _ask(asker: Asker, name: str, question: Question) -> tuple[str, bool]:
        """What is wrong with the answer, and whether there is none as a server died."""
        try:
            found = json.dumps(asker.ask(name, question))
        except Died as died:
            return ("" if str(died) in ("worker_killed", "worker_exited") else str(died)), True
        except Exception as error:
            return repr(error), True
        return "" if question.shown in found else found, False
