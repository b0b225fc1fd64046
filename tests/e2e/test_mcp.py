"""poold-mcp: a client of the Model Context Protocol, and a pool of tool servers behind it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading

from clients import ClientTest, PoolctlTest, poolctl
from clock import eventually
from harness import BUILD, Daemon, pool, worker
from mcp_client import Bridge
from servers import TOOLS

STEPS = "notifications/progress"


class McpTest(ClientTest):
    """A pool of tool servers, and an MCP client of it."""

    def start_words(self, *more: str, **options: object) -> Daemon:
        limits = {key: options.pop(key) for key in ("session_ttl", "message_max", "response_max") if key in options}
        words = pool("words", worker("toolserver"), **{
            **TOOLS, "progress_notification": STEPS,
            "cancel_notification": "notifications/cancelled", **options,
        })
        return self.start(words, *more, **limits)

    def bridge(self, daemon: Daemon | str, *arguments: str, **options: bool) -> Bridge:
        return self.enterContext(Bridge(daemon, *(arguments or ("words",)), **options))


class Forwarding(McpTest):
    """What goes through."""

    def test_help(self) -> None:
        done = subprocess.run([str(BUILD / "poold-mcp"), "--help"], capture_output=True, text=True, check=True)
        self.assertIn("Usage: poold-mcp", done.stdout)
        self.assertEqual(done.stderr, "")

    def test_a_session(self) -> None:
        daemon = self.start_words()
        bridge = self.bridge(daemon)
        self.assertEqual(bridge.begin()["serverInfo"], {"name": "words", "version": "1"})
        (tool,) = bridge.call("tools/list")["tools"]
        self.assertEqual(tool["name"], "count_words")
        found = bridge.call("tools/call", {"name": "count_words", "arguments": {"text": "to be"}})
        self.assertEqual(found, {"content": [{"type": "text", "text": "2"}], "isError": False})
        self.assertEqual(bridge.call("ping"), {})
        self.assertEqual(bridge.call("handshakes"), 1)
        self.assertEqual((bridge.end(), bridge.heard), (0, []))

    def test_values_go_through_unchanged(self) -> None:
        """Also those that poolctl would take for marks of its own."""
        bridge = self.bridge(self.start_words())
        for value in (
            {"$map": [[1, 2]]}, {"$base64": "AA=="}, {"$ref": "#/$defs/x", "$schema": "s"},
            {"$ext": 1, "$base64": ""}, {"a": [1.0, 0.1, -0.0, 1e300, 5e-324, 2**63 - 1, -(2**63)]},
            {"text": "a\nb\0\u2028\U0001f600", "": None}, {"deep": [[[[{}]]]]}, [1, [2]], {},
        ):
            self.assertEqual(repr(bridge.call("echo", value)), repr(value))
        self.assertIsNone(bridge.call("echo"))
        self.assertIsNone(bridge.call("echo", []))
        long = {"text": "\u00e4" * 1_500_000}
        self.assertEqual(bridge.call("echo", long), long)

    def test_ids_come_back_as_they_were(self) -> None:
        bridge = self.bridge(self.start_words())
        for number in ("one", "", 0, -7, 2**53):
            bridge.ask("echo", [1], number)
            self.assertEqual(bridge.take(id=number)["result"], [1])
            bridge.ask("ping", None, number)
            self.assertEqual(bridge.take(id=number)["result"], {})

    def test_several_in_flight(self) -> None:
        daemon = self.start_words(workers=2, affinity="hint")
        bridge = self.bridge(daemon, "--no-session", "words")
        slow = bridge.ask("wait_for_cancel", {})
        eventually(lambda: daemon.pool("words")["workers"]["busy"] == 1, "it is at work")
        for n in range(20):
            self.assertEqual(bridge.call("echo", [n]), [n])
        numbers = [bridge.ask("echo", [n]) for n in range(200)]
        self.assertEqual([bridge.take(id=n)["result"] for n in numbers], [[n] for n in range(200)])
        self.assertEqual(bridge.heard, [])
        bridge.notify("notifications/cancelled", requestId=slow)
        eventually(lambda: daemon.pool("words")["workers"]["busy"] == 0, "it was cancelled")

    def test_a_cancelled_request_is_not_answered(self) -> None:
        daemon = self.start_words()
        before = daemon.worker_pids("words")
        bridge = self.bridge(daemon)
        slow = bridge.ask("wait_for_cancel", {}, "slow")
        waiting = bridge.ask("echo", [1])
        eventually(lambda: daemon.pool("words")["workers"]["busy"] == 1, "it is at work")
        for other in ("none", 99, None, [1]):
            bridge.notify("notifications/cancelled", requestId=other)
        bridge.notify("notifications/cancelled")
        bridge.notify("notifications/cancelled", requestId=waiting)
        bridge.notify("notifications/cancelled", requestId=slow)
        # The id may be used again at once.
        bridge.ask("echo", [2], "slow")
        self.assertEqual(bridge.take(id="slow")["result"], [2])
        self.assertEqual(len(bridge.call("cancels")), 1)
        self.assertEqual(bridge.heard, [])
        self.assertEqual(daemon.worker_pids("words"), before)

    def test_progress(self) -> None:
        bridge = self.bridge(self.start_words())
        for token in ("mine", 5, 0):
            params = {"steps": 3, "late": True, "_meta": {"progressToken": token}}
            self.assertEqual(bridge.call("report", params), {"steps": 3, "had_token": True})
            for step in (1, 2, 3):
                said = bridge.take(method=STEPS)
                self.assertEqual(
                    said["params"], {"progressToken": token, "progress": step, "total": 3}
                )
        self.assertEqual(bridge.call("report", {"steps": 3})["had_token"], False)
        self.assertEqual(bridge.heard, [])

    def test_progress_comes_before_the_answer(self) -> None:
        bridge = self.bridge(self.start_words())
        bridge.ask("report", {"steps": 50, "_meta": {"progressToken": 1}}, "last")
        bridge.take(id="last")
        self.assertEqual([each["params"]["progress"] for each in bridge.heard], list(range(1, 51)))

    def test_progress_never_goes_back(self) -> None:
        daemon = self.start_words(idempotent=True)
        daemon.announced.append("pool=words")
        bridge = self.bridge(daemon)
        mark = str(daemon.directory / "died")
        params = {"steps": 3, "die_once": mark, "_meta": {"progressToken": 1}}
        self.assertEqual(bridge.call("report", params)["steps"], 3)
        self.assertEqual([each["params"]["progress"] for each in bridge.heard], [1, 2, 3])

    def test_a_client_that_does_not_read_holds_up_nobody(self) -> None:
        """It may say much before it reads, and gets all answers."""
        daemon = self.start_words()
        bridge = self.bridge(daemon, "words", reads=False)
        text, count = "x" * 100_000, 100
        lines = [
            json.dumps({"jsonrpc": "2.0", "id": n, "method": "echo", "params": [text]})
            for n in range(count)
        ]
        writer = threading.Thread(target=lambda: [bridge.say(line) for line in lines])
        writer.start()
        eventually(lambda: daemon.counters("words")["requests"] >= 10, "much was asked")
        other = self.bridge(daemon)
        self.assertEqual(other.call("echo", [1]), [1])
        bridge.read()
        writer.join()
        for n in range(count):
            self.assertEqual(bridge.take(id=n)["result"], [text])
        self.assertEqual((bridge.end(), bridge.heard), (0, []))


class Sessions(McpTest):
    """One for each client."""

    def sessions(self, daemon: Daemon) -> list[str]:
        return [each["session"] for each in daemon.ask("poold.sessions")["sessions"]]

    def test_one_for_each_client(self) -> None:
        daemon = self.start_words(workers=3, affinity="queue")
        one, two = self.bridge(daemon), self.bridge(daemon)
        one.begin()
        self.assertEqual(self.sessions(daemon), [])
        first, second = one.call("pid"), two.call("pid")
        for _ in range(10):
            self.assertEqual((one.call("pid"), two.call("pid")), (first, second))
        self.assertEqual(len(set(self.sessions(daemon))), 2)
        self.assertEqual(one.end(), 0)
        self.assertEqual(len(self.sessions(daemon)), 1)
        two.process.send_signal(signal.SIGTERM)
        self.assertEqual(two.process.wait(), 0)
        self.assertEqual(self.sessions(daemon), [])

    def test_none(self) -> None:
        daemon = self.start_words()
        bridge = self.bridge(daemon, "--no-session", "words")
        self.assertEqual(bridge.call("echo", [1]), [1])
        self.assertEqual(self.sessions(daemon), [])

    def test_one_that_expired_is_followed_by_another(self) -> None:
        daemon = self.start_words(session_ttl="50ms")
        bridge = self.bridge(daemon)
        for n in range(3):
            numbers = [bridge.ask("echo", [m]) for m in range(5)]
            self.assertEqual(
                [bridge.take(id=number)["result"] for number in numbers], [[m] for m in range(5)]
            )
            eventually(lambda: not self.sessions(daemon), f"session {n} has expired")
        self.assertEqual(bridge.end(), 0)
        self.assertIn(b"the session has expired; another one begins\n",
                      bridge.process.stderr.read())


class Errors(McpTest):
    """What goes wrong."""

    def test_the_servers_own_are_kept(self) -> None:
        bridge = self.bridge(self.start_words())
        self.assertEqual(
            bridge.fails("fail"),
            {"code": -32000, "message": "out of order", "data": {"since": [1, 2.0, None]}},
        )
        self.assertEqual(
            bridge.fails("tools/call", {"name": "odd", "arguments": {}}),
            {"code": -32602, "message": "Unknown tool: odd", "data": {"known": ["count_words"]}},
        )
        self.assertEqual(
            bridge.fails("no_such"), {"code": -32601, "message": "Method not found: no_such"}
        )

    def test_those_of_the_daemon_have_its_code(self) -> None:
        daemon = self.start_words()
        daemon.announced.append("pool=words")
        bridge = self.bridge(daemon)
        error = bridge.fails("leave", [3])
        self.assertEqual((error["code"], error["data"]["code"]), (-32000, "worker_exited"))
        self.assertEqual(error["data"]["executed"], "maybe")
        self.assertIn("worker_exited: worker 1 ended", error["message"])
        self.assertEqual(bridge.call("echo", [1]), [1])
        error = self.bridge(daemon, "absent").fails("tools/list")
        self.assertEqual(error["data"]["code"], "unknown_pool")
        error = self.bridge(daemon, "-t", "50ms", "words").fails("sleep", [5])
        self.assertEqual((error["code"], error["data"]["category"]), (-32000, "timeout_error"))
        error = bridge.fails("m" * 300)
        self.assertEqual((error["code"], error["data"]["code"]), (-32600, "invalid_request"))
        self.assertEqual(bridge.fails("m" * 70_000)["code"], -32600)

    def test_what_only_reads_is_tried_again(self) -> None:
        daemon = self.start_words(workers=2)
        daemon.announced.append("pool=words")
        bridge = self.bridge(daemon, "--no-session", "words")
        for _ in range(5):
            for pid in daemon.worker_pids("words"):
                os.kill(pid, signal.SIGSTOP)
            listed = bridge.ask("tools/list")
            eventually(lambda: daemon.pool("words")["workers"]["busy"] > 0, "it was asked")
            for pid in daemon.worker_pids("words"):
                os.kill(pid, signal.SIGKILL)
            self.assertEqual(bridge.take(id=listed)["result"]["tools"][0]["name"], "count_words")
            daemon.wait_workers("words", 2)

    def test_lines_that_are_no_requests(self) -> None:
        bridge = self.bridge(self.start_words())
        for line, code, number in (
            ("x", -32700, None), ("{", -32700, None), ("\u00e4" * 500, -32700, None),
            ('"' + "\u20ac" * 500 + "\u0001", -32700, None), ("\0", -32700, None),
            ('{"a": 1, "a": 2}', -32700, None), ("[]", -32600, None), ("5", -32600, None),
            ('{"jsonrpc":"2.0","id":1}', -32600, 1), ('{"id":2,"method":"ping"}', -32600, 2),
            ('{"jsonrpc":"1.0","id":3,"method":"ping"}', -32600, 3),
            ('{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600, None),
            ('{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600, None),
            ('{"jsonrpc":"2.0","id":"a","method":5}', -32600, "a"),
            ('{"jsonrpc":"2.0","id":"b","method":"echo","params":5}', -32600, "b"),
        ):
            with self.subTest(line):
                bridge.say(line)
                answer = bridge.take(id=number)
                self.assertEqual(answer["error"]["code"], code, answer)
        for line in ("", "  \r", '{"jsonrpc":"2.0","id":9,"result":{}}',
                     '{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}'):
            bridge.say(line)
        bridge.say('{"jsonrpc":"2.0","id":9,"method":"echo","params":null}\r')
        self.assertIsNone(bridge.take(id=9)["result"])
        self.assertEqual(bridge.heard, [])

    def test_an_id_that_is_in_use(self) -> None:
        daemon = self.start_words()
        bridge = self.bridge(daemon)
        bridge.ask("wait_for_cancel", {}, "one")
        bridge.ask("echo", [1], "one")
        self.assertEqual(bridge.take(id="one")["error"]["code"], -32600)
        bridge.notify("notifications/cancelled", requestId="one")
        self.assertEqual(bridge.call("echo", [1]), [1])

    def test_without_a_daemon(self) -> None:
        bridge = self.bridge("/nonexistent/poold.sock", "words")
        error = bridge.fails("initialize")
        self.assertEqual(error["code"], -32000)
        self.assertIn("/nonexistent/poold.sock: No such file or directory", error["message"])
        self.assertEqual((bridge.call("ping"), bridge.end()), ({}, 0))

    def test_a_daemon_that_starts_again(self) -> None:
        daemon = self.start_words()
        bridge = self.bridge(daemon)
        self.assertEqual(bridge.call("echo", [1]), [1])
        lost = bridge.ask("wait_for_cancel", {})
        eventually(lambda: daemon.pool("words")["workers"]["busy"] == 1, "it is at work")
        daemon.signal(signal.SIGKILL)
        daemon.wait_ended()
        self.assertEqual(bridge.take(id=lost)["error"]["data"]["code"], "peer_closed")
        daemon.relaunch()
        daemon.wait_ready()
        self.assertEqual(bridge.call("echo", [2]), [2])


class Ends(McpTest):
    """How it ends."""

    def test_with_its_input(self) -> None:
        """What was asked is answered first."""
        bridge = self.bridge(self.start_words(), "--linger", "1min", "words")
        numbers = [bridge.ask("echo", [n]) for n in range(20)]
        self.assertEqual(bridge.end(), 0)
        self.assertEqual([bridge.take(id=n)["result"] for n in numbers], [[n] for n in range(20)])

    def test_it_does_not_wait_for_ever(self) -> None:
        daemon = self.start_words()
        bridge = self.bridge(daemon, "--linger", "50ms", "words")
        slow = bridge.ask("wait_for_cancel", {})
        eventually(lambda: daemon.pool("words")["workers"]["busy"] == 1, "it is at work")
        self.assertEqual(bridge.end(), 0)
        self.assertIn("cancelled", bridge.take(id=slow)["error"]["message"])
        eventually(lambda: daemon.pool("words")["workers"]["busy"] == 0, "it was cancelled")

    def test_answers_that_are_long_are_whole(self) -> None:
        daemon = self.start_words()
        bridge = self.bridge(daemon, "--linger", "50ms", "words", reads=False)
        text = "x" * 300_000
        bridge.ask("echo", [text], 1)
        eventually(lambda: daemon.counters("words")["succeeded"] == 1, "it is answered")
        slow = [bridge.ask("wait_for_cancel", {}, "y" * 1000 + str(n)) for n in range(100)]
        bridge.process.stdin.close()
        bridge.read()
        self.assertEqual(bridge.process.wait(), 0)
        self.assertEqual(bridge.take(id=1)["result"], [text])
        for number in slow:
            self.assertIn("cancelled", bridge.take(id=number)["error"]["message"])

    def test_by_a_signal(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            bridge = self.bridge(self.start_words())
            self.assertEqual(bridge.call("ping"), {})
            bridge.process.send_signal(number)
            self.assertEqual(bridge.process.wait(), 0)

    def test_when_nobody_reads_any_more(self) -> None:
        daemon = self.start_words()
        bridge = self.bridge(daemon, "words", reads=False)
        bridge.process.stdout.close()
        self.assertEqual(bridge.process.wait(), 0)

    def test_a_line_that_is_too_long(self) -> None:
        bridge = self.bridge(self.start_words())
        try:
            for _ in range(80):
                bridge.process.stdin.write(b"x" * (1 << 20))
            bridge.process.stdin.flush()
        except BrokenPipeError:
            pass
        self.assertEqual(bridge.process.wait(), 65)
        self.assertEqual(bridge.process.stderr.read(),
                         b"poold-mcp: a line of the input is too long\n")

    def test_a_last_line_without_an_end(self) -> None:
        bridge = self.bridge(self.start_words())
        bridge.process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"echo","params":[1]}')
        self.assertEqual(bridge.end(), 0)
        self.assertEqual(bridge.take(id=1)["result"], [1])


class Schemas(PoolctlTest, McpTest):
    """Schemas have keys with a dollar sign."""

    def test_what_is_not_sent(self) -> None:
        daemon = self.start_words(message_max="64K", response_max="64K")
        deep: object = 1
        for _ in range(600):
            deep = [deep]
        with Bridge(daemon, "words") as bridge:
            bridge.begin()
            for method, params, text in (
                ("tools/call", {"deep": "x" * 100_000}, "the params are too large"),
                ("tools/call", {"deep": deep}, "the params are nested too deep"),
            ):
                self.assertIn(text, bridge.fails(method, params)["message"])

    def test_wrong_usage(self) -> None:
        for words, text in (
            (("--nonsense",), "unknown option"), ((), "the name of one pool is needed"),
            (("words", "more"), "the name of one pool is needed"), (("x" * 300,), "not the name of a pool"),
            (("-s", "x" * 200, "words"), "must have 1 to 107 bytes"), (("-t", "soon", "words"), "not a duration"),
        ):
            done = subprocess.run([str(BUILD / "poold-mcp"), *words], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 64, done)
            self.assertIn(text, done.stderr)

    def test_poolctl_prints_them_as_they_are(self) -> None:
        daemon = self.start_words()
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/text",
            "$defs": {"text": {"type": "string", "$comment": "any"}},
        }
        self.assertEqual(self.json(daemon, "call", "words", "echo", json.dumps(schema)), schema)
        (tool,) = json.loads(self.succeed(daemon, "call", "words", "tools/list", "[]"))["tools"]
        self.assertEqual(tool["inputSchema"], self.connect_client(daemon).call(
            "words", "tools/list")["tools"][0]["inputSchema"])
        self.assertIn("$schema", tool["inputSchema"])
        marked = '{"$map": [["$text", 1]]}'
        self.assertEqual(json.loads(self.succeed(daemon, "call", "words", "echo", marked)),
                         json.loads(marked))
        done = poolctl(daemon, "call", "words", "echo", '{"$uint": 5}')
        self.assertEqual(done.returncode, 65)
