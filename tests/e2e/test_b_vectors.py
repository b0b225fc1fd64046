"""The vectors of protocol/vectors/ against a daemon: what the reference says is what it does."""

from __future__ import annotations

import json
from pathlib import Path

import msgpack

from harness import TOOLBOX, DaemonTest, pool
from raw import RESPONSE, unpack

VECTORS = Path(__file__).resolve().parents[2] / "protocol" / "vectors"


def load(name: str) -> list[dict]:
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))["cases"]


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
