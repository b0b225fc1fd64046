"""The vectors of protocol/vectors/ against a daemon: what the reference says is what it does."""

from __future__ import annotations

import json
import shlex
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import msgpack

from clock import eventually
from harness import ROOT, TOOLBOX, Daemon, DaemonTest, pool, section
from raw import RESPONSE, Raw, unpack

VECTORS = Path(__file__).resolve().parents[2] / "protocol" / "vectors"


def binary(value: dict) -> object:
    return bytes.fromhex(value["$bin"]) if value.keys() == {"$bin"} else value


def load(name: str) -> list[dict]:
    text = (VECTORS / f"{name}.json").read_text(encoding="utf-8")
    return json.loads(text, object_hook=binary)["cases"]


def differences(found: Any, expected: Any, place: str = "") -> list[str]:
    """Where two values are not of one shape: other types, or maps with other keys or another order.

    What may be nil in one of them may have any type in the other; of arrays the first elements
    stand for all, and an empty one fits every other.
    """
    if found is None or expected is None:
        return []
    if type(found) is not type(expected):
        return [f"{place}: {found!r} is not of the type of {expected!r}"]
    if isinstance(found, dict):
        if list(found) != list(expected):
            return [f"{place}: the keys are {list(found)}, and not {list(expected)}"]
        pairs = ((found[key], expected[key], f"{place}.{key}") for key in found)
        return [line for pair in pairs for line in differences(*pair)]
    if isinstance(found, list) and found and expected:
        return differences(found[0], expected[0], f"{place}[]")
    return []


def messages(data: bytes) -> list:
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
    unpacker.feed(data)
    return list(unpacker)


class Malformed(DaemonTest):
    def test_each_is_answered_if_it_can_be_and_its_connection_closed(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        bystander = daemon.connect()
        for case in load("malformed"):
            if case["verdict"] == "wait" or "limit" in case:
                continue
            with self.subTest(case["name"]):
                client = daemon.connect(map_errors=True)
                client.send(bytes.fromhex(case["hex"]))
                answers = messages(client.read_to_end())
                expected = case.get("answer")
                if expected is None:
                    self.assertEqual(answers, [])
                    continue
                self.assertEqual(len(answers), 1)
                kind, number, error, result = answers[0]
                self.assertEqual((kind, number, result), (RESPONSE, expected["id"], None))
                self.assertEqual(error["code"], expected["code"])
                self.assertEqual(error["executed"], "no")
        bystander.check_quiet()

    def test_the_beginning_of_a_message_waits_for_its_end(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        whole = bytes.fromhex(self.vector("client", "health")["hex"])
        for cut in range(1, len(whole)):
            client = daemon.connect()
            client.send(whole[:cut])
            daemon.ask("poold.version")  # by now it was read
            client.send(whole[cut:])
            self.assertEqual(client.read().result["status"], "ok")

    def vector(self, name: str, case: str) -> dict:
        return next(vector for vector in load(name) if vector["name"] == case)


class Answers(DaemonTest):
    def test_they_have_the_keys_of_the_examples_in_their_order(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        vectors = {case["name"]: case for case in load("client")}
        for name in ("hello", "version", "health"):
            with self.subTest(name):
                client = daemon.connect()
                client.send(bytes.fromhex(vectors[name]["hex"]))
                found = unpack(client.read_message())
                expected = vectors[f"{name}_result"]["message"]
                self.assertEqual(found[:3], expected[:3])
                self.assertEqual(list(found[3]), list(expected[3]))


# What the worker of `Shapes` serves, beside what its own module needs.
FUNCTIONS = """
import os, poold

def add_item(item):
    context = poold.context()
    items = (context.state or b"").decode().split() + [item]
    context.set_state(" ".join(items).encode())
    return items

def lines(path):
    yield {"line": 1, "text": "to be"}
    if not os.path.exists(path):
        open(path, "w").close()
        os._exit(3)
    yield {"line": 2, "text": "or not to be"}
    return {"lines": 2}

def leave():
    os._exit(3)

def wait():
    raise poold.Retryable("come again", after=20)

def place_order(number):
    return "placed"
"""

# A worker that answers each request with the message itself, as it came.
MIRROR = """
import os, socket, msgpack
channel = socket.socket(fileno=int(os.environ["POOLD_FD"]))
channel.sendall(msgpack.packb([2, "ready", []]))
unpacker = msgpack.Unpacker(raw=False)
while data := channel.recv(65536):
    unpacker.feed(data)
    for message in unpacker:
        if message[0] == 0 and message[2] == "give_state":
            channel.sendall(msgpack.packb([2, "state", [message[1], b"kept"]]))
        if message[0] == 0:
            channel.sendall(msgpack.packb([1, message[1], None, message]))
"""


class Shapes(DaemonTest):
    """Whatever the reference shows of a message, the daemon's own has the same keys and types."""

    def setUp(self) -> None:
        super().setUp()
        self.place = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="poold-vectors-")))
        (self.place / "served.py").write_text(FUNCTIONS)
        (self.place / "mirror.py").write_text(MIRROR)
        self.vectors = {case["name"]: case["message"] for case in load("client")}
        self.heard: list = []
        self.of_workers = {case["name"]: case["message"] for case in load("worker")}

    def served(self, *more: str, **options: object) -> Daemon:
        command = f"{sys.executable} -m poold.worker served"
        text = pool("python", command, idempotent=True, workers=2, **options)
        return self.start(text + f"env.PYTHONPATH = {ROOT / 'client/python'}:{self.place}\n", *more)

    def check_shape(self, found: Any, name: str) -> None:
        """The daemon's message, or its result or error, against the vector of that name."""
        expected = self.vectors[name]
        if not isinstance(found, list) or found[:1] not in ([1], [2]):
            expected = next(part for part in expected[2:] if part is not None)
        self.assertEqual(differences(found, expected, name), [])

    def event(self, client: Raw, kind: str) -> list:
        """The next event of that kind; those of others are kept for later."""
        while not (found := [message for message in self.heard if message[2][0]["kind"] == kind]):
            self.heard.append(unpack(client.read_message()))
        self.heard.remove(found[0])
        return found[0]

    def test_sessions_and_keys(self) -> None:
        client = self.served().connect(map_errors=True)
        options = {"session": "cart-17", "meta": True}
        answer = client.answer("poold.call", "python", "add_item", ["tea"], options)
        self.check_shape(answer.result, "meta_result_session")
        self.assertEqual(answer.result["result"], ["tea"])
        self.check_shape(client.call("poold.sessions", 10), "sessions_result")
        self.check_shape(client.call("poold.clients", 10), "clients_result")
        self.assertIs(client.call("poold.session_close", "cart-17"), True)
        answer = client.answer("poold.call", "python", "add_item", ["tea"], options)
        self.assertEqual(answer.code, "session_not_found")
        self.check_shape(answer.error, "error_map_session_expired")
        options = {"key": "order-4711", "meta": True}
        for stored in (False, True):
            answer = client.answer("poold.call", "python", "place_order", [4711], options)
            self.check_shape(answer.result, "meta_result_key")
            self.assertIs(answer.result["meta"]["stored"], stored)

    def test_streams(self) -> None:
        daemon = self.served()
        client = daemon.connect(map_errors=True)
        daemon.announced += ["worker ended", "pool is degraded"]
        params = ["python", "lines", [str(self.place / "flag")], {"stream": True, "restartable": True}]
        client.send(msgpack.packb([0, 14, "poold.call", params]))
        part, again, end = (self.vectors[name] for name in ("chunk", "restart", "stream_result"))
        messages = [unpack(client.read_message()) for _ in range(5)]
        self.assertEqual(messages[:3], [part, again, part])
        self.assertEqual(messages[4], end)

    def test_errors_recoveries_and_events(self) -> None:
        daemon = self.served(section("pool mock", {"adapter": "static", "answer": 0}), fallback="mock")
        daemon.announced += ["worker ended", "pool is", "request failed", "breaker is", "requests start"]
        listener, client = daemon.connect(map_errors=True), daemon.connect(map_errors=True)
        found = listener.call("poold.subscribe", ["breaker", "failover", "recovery"])
        self.check_shape(found, "subscribe_result")
        kinds = [name[6:] for name in self.vectors if name.startswith("event_") and name.count("_") == 1]
        self.assertEqual(listener.call("poold.subscribe", kinds)["kinds"], kinds)
        kinds.remove("span")
        self.assertEqual(listener.call("poold.subscribe")["kinds"], kinds)
        answer = client.answer("poold.call", "python", "leave", [], {"fallback": False})
        self.check_death(answer.error, self.vectors["error_map_worker_exited"][2])
        self.assertEqual(len(answer.error["attempts"]), 3)
        self.check_death(client.call("poold.errors", 1)[0], self.vectors["errors_result"][3][0])
        for kind in ("recovery", "worker", "error"):
            self.check_shape(self.event(listener, kind), f"event_{kind}")
        client.call("poold.call", "python", "add_item", ["tea"], {"session": "cart-17"})
        self.check_shape(self.event(listener, "session"), "event_session")
        self.check_breakers(client, listener)
        self.check_recoveries(client)

    def test_a_span(self) -> None:
        daemon = self.served()
        daemon.announced += ["worker ended", "pool is", "request failed"]
        listener, client = daemon.connect(map_errors=True), daemon.connect(map_errors=True)
        listener.call("poold.subscribe", ["span"])
        options = {"session": "cart-17", "trace": self.vectors["call_options"][3][3]["trace"], "tracestate": "vendor=1"}
        client.answer("poold.call", "python", "leave", [], options)
        self.check_shape(self.event(listener, "span"), "event_span")

    def check_death(self, found: dict, expected: dict) -> None:
        """As check_shape; but of an end as much is told as is known."""
        known, details = found.pop("detail"), dict(expected)
        self.assertLessEqual(known.keys(), details.pop("detail").keys())
        self.assertIn("end", known)
        self.assertEqual(differences(found, details), [])

    def check_breakers(self, client: Raw, listener: Raw) -> None:
        self.check_shape(client.call("poold.breaker_open", "python"), "breaker_reset_result")
        self.check_shape(self.event(listener, "breaker"), "event_breaker_by_hand")
        self.check_shape(self.event(listener, "failover"), "event_failover")
        self.check_shape(self.event(listener, "health"), "event_health")
        self.check_shape(client.call("poold.breakers"), "breakers_result")
        answer = client.answer("poold.call", "python", "leave", [], {"meta": True})
        self.check_shape(answer.result, "meta_result_degraded")
        self.assertIs(answer.result["meta"]["degraded"], True)
        answer = client.answer("poold.call", "python", "leave", [], {"fallback": False})
        self.assertEqual(answer.code, "circuit_open")
        expected = dict(self.vectors["error_map_circuit_open"][2])
        del expected["retry_after_ms"]  # nobody knows how long somebody holds it open
        self.assertEqual(differences(answer.error, expected), [])
        for method in ("breaker_disable", "breaker_observe", "breaker_reset"):
            client.call(f"poold.{method}", "python", None)

    def check_recoveries(self, client: Raw) -> None:
        options = {"timeout_ms": 29000, "fallback": False}
        number = client.ask("poold.call", "python", "wait", [], options)
        found = eventually(lambda: self.recovering(client), "a recovery that runs")
        self.check_shape(found, "recoveries_result")
        self.assertEqual(found["active"][0]["state"], "delayed")
        cancelling = client.ask("poold.recovery_cancel", found["active"][0]["id"])
        messages = [unpack(client.read_message()) for _ in range(2)]
        answers = {message[1]: message for message in messages}
        self.assertEqual(answers[cancelling][3], self.vectors["recovery_cancel_result"][3])
        self.assertEqual(answers[number][2]["code"], "exception")

    def recovering(self, client: Raw) -> dict | None:
        """What poold.recoveries says, when there is one."""
        found = client.call("poold.recoveries")
        return found if found["active"] else None

    def test_what_a_worker_gets(self) -> None:
        command = shlex.join([sys.executable, str(self.place / "mirror.py")])
        client = self.start(pool("mirror", command)).connect(map_errors=True)
        options = {"session": "cart-17", "stream": True, "priority": "critical", "trace": "00-4bf9"}
        client.call("poold.call", "mirror", "give_state", None, {"session": "cart-17"})
        found = client.call("poold.call", "mirror", "word_count", ["to be"], options)
        self.assertEqual(differences(found, self.of_workers["request"]), [])
        self.assertEqual(found[3][1]["state"], b"kept")
        found = client.call("poold.call", "mirror", "word_count", None)
        self.assertEqual(differences(found[3][1], self.of_workers["request_least"][3][1]), [])

    def test_what_a_stock_server_gets(self) -> None:
        server = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        server.bind(str(self.place / "server"))
        server.listen()
        thread = threading.Thread(target=mirror_for_one, args=(server,))
        thread.start()
        self.addCleanup(thread.join)
        options = {"adapter": "socket", "address": self.place / "server"}
        client = self.start(section("pool server", options)).connect(map_errors=True)
        args = {"plain_request": ["to be or not to be"], "plain_request_nil": None,
                "plain_request_value": bytes.fromhex("00010203fcfdfeff")}
        for name, value in args.items():
            expected = self.of_workers[name]
            found = client.call("poold.call", "server", expected[2], value)
            self.assertEqual([found[0], *found[2:]], [expected[0], *expected[2:]])


def mirror_for_one(server: socket.socket) -> None:
    """Answers each request of the first connection with the message itself."""
    connection, _ = server.accept()
    with connection:
        unpacker = msgpack.Unpacker(raw=False)
        while data := connection.recv(65536):
            unpacker.feed(data)
            for message in unpacker:
                connection.sendall(msgpack.packb([RESPONSE, message[1], None, message]))
