"""The vectors of protocol/vectors/ through Python's msgpack, and PROTOCOL.md held against them."""

from __future__ import annotations

import json
import os
import re
import unittest
from pathlib import Path

import msgpack

from poold import wire

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = ROOT / "protocol"
# Those of another tree, where POOLD_ROOT names one.
VECTORS = Path(os.environ.get("POOLD_ROOT", ROOT)) / "protocol/vectors"

MESSAGE_MAX = 16 * 1024 * 1024
METHOD_LEN_MAX = 255


def binary(value: dict) -> object:
    """{"$bin": hex} turned into bytes, {"$ext": [type, hex]} into an ext, for json.loads."""
    if value.keys() == {"$ext"}:
        code, data = value["$ext"]
        return msgpack.ExtType(code, bytes.fromhex(data))
    return bytes.fromhex(value["$bin"]) if value.keys() == {"$bin"} else value


def load(name: str) -> list[dict]:
    """The cases of one file."""
    text = (VECTORS / f"{name}.json").read_text(encoding="utf-8")
    return json.loads(text, object_hook=binary)["cases"]


def same(a: object, b: object) -> bool:
    """Equal in value and type throughout: 1, 1.0 and True are three things."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def is_integer(value: object, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def judge(message: object) -> str:
    """What part 1 of PROTOCOL.md says of a whole value."""
    if not isinstance(message, list) or not message or not is_integer(message[0], 2):
        return "not_envelope"
    kind, rest = message[0], message[1:]
    if kind == wire.NOTIFICATION:
        return "well_formed" if is_call(rest) else "not_envelope"
    if not rest or not is_integer(rest[0], 0xFFFFFFFF):
        return "not_envelope"
    if kind == wire.RESPONSE:
        return "response" if len(rest) == 3 else "not_envelope"
    return "well_formed" if is_call(rest[1:]) else "answerable"


def is_call(elements: list) -> bool:
    """Whether these are a method and its params."""
    if len(elements) != 2:
        return False
    method, params = elements
    name = method.encode() if isinstance(method, str) else method
    if not isinstance(name, bytes) or len(name) > METHOD_LEN_MAX:
        return False
    return isinstance(params, list)


# msgpack looks at the length of a binary only when its buffer is full.
LATE = {"announces_a_gigabyte"}


def verdict(data: bytes, limit: int, late: bool) -> str:
    """What a reader of the stream finds first; `late`: when as much as the limit has come."""
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=MESSAGE_MAX)
    try:
        unpacker.feed(data + bytes(limit) if late else data)
    except msgpack.BufferFull:
        return "too_large"
    try:
        message = unpacker.unpack()
    except msgpack.OutOfData:
        return "wait"
    except msgpack.FormatError:
        return "not_messagepack"
    except ValueError:  # a header that announces more than the buffer may hold
        return "too_large"
    return "too_large" if unpacker.tell() > limit else judge(message)


class TestMessages(unittest.TestCase):
    def test_meaning_packs_to_the_bytes(self) -> None:
        for name in ("client", "worker"):
            for case in load(name):
                with self.subTest(f"{name}/{case['name']}"):
                    data = bytes.fromhex(case["hex"])
                    self.assertEqual(msgpack.packb(case["message"], use_bin_type=True), data)
                    self.assertEqual(wire.pack(case["message"]), data)

    def test_bytes_unpack_to_the_meaning(self) -> None:
        for name in ("client", "worker"):
            for case in load(name):
                with self.subTest(f"{name}/{case['name']}"):
                    message = msgpack.unpackb(bytes.fromhex(case["hex"]), raw=False)
                    self.assertTrue(same(message, case["message"]), message)
                    self.assertIn(judge(message), ("well_formed", "response"))

    def test_all_of_them_as_one_stream(self) -> None:
        for name in ("client", "worker"):
            cases = load(name)
            data = b"".join(bytes.fromhex(case["hex"]) for case in cases)
            for size in (1, 7, len(data)):
                decoder = wire.Decoder()
                found: list = []
                for start in range(0, len(data), size):
                    found += decoder.feed(data[start : start + size])
                self.assertTrue(same(found, [case["message"] for case in cases]))

    def test_names_are_unique(self) -> None:
        for name in ("client", "worker", "malformed", "dialect", "values"):
            names = [case["name"] for case in load(name)]
            self.assertEqual(len(names), len(set(names)))


class TestValues(unittest.TestCase):
    def test_they_are_extension_values_of_these_bytes(self) -> None:
        for case in load("values"):
            with self.subTest(case["name"]):
                data = bytes.fromhex(case["hex"])
                self.assertEqual(msgpack.packb(case["message"]), data)
                self.assertEqual(msgpack.unpackb(data), case["message"])

    def test_every_row_of_the_table_has_an_example(self) -> None:
        text = (PROTOCOL / "PROTOCOL.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| `0x(a[0-9a-f])` \|", text, re.MULTILINE)
        kinds = {case["message"].data[:1].hex() for case in load("values")}
        self.assertEqual(set(rows), kinds)
        self.assertEqual(rows, sorted(rows))


class TestMalformed(unittest.TestCase):
    def test_verdicts(self) -> None:
        for case in load("malformed"):
            with self.subTest(case["name"]):
                limit = case.get("limit", MESSAGE_MAX)
                found = verdict(bytes.fromhex(case["hex"]), limit, case["name"] in LATE)
                self.assertEqual(found, case["verdict"])

    def test_answers_have_the_id_of_the_message(self) -> None:
        for case in load("malformed"):
            if "answer" in case:
                with self.subTest(case["name"]):
                    data = bytes.fromhex(case["hex"])
                    unpacker = msgpack.Unpacker()
                    unpacker.feed(data)
                    self.assertGreaterEqual(unpacker.read_array_header(), 2)
                    self.assertEqual(unpacker.unpack(), wire.REQUEST)
                    self.assertEqual(unpacker.unpack(), case["answer"]["id"])


class Frames:
    """A reader and a writer of the dialects that are not MessagePack-RPC."""

    def __init__(self, dialect: str) -> None:
        self.is_line = dialect == "jsonrpc"
        self.is_json = dialect != "packet4-msgpack"

    def write(self, message: object) -> bytes:
        if self.is_json:
            body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
        else:
            body = msgpack.packb(message)
        return body + b"\n" if self.is_line else len(body).to_bytes(4, "big") + body

    def cut(self, data: bytes, limit: int) -> bytes | str:
        """The first message, or why there is none."""
        if self.is_line:
            body, newline, _ = data.partition(b"\n")
            is_whole, length = newline != b"", len(body)
        else:
            length = int.from_bytes(data[:4], "big") if len(data) >= 4 else 0
            body = data[4 : 4 + length]
            is_whole = len(data) >= 4 + length
        if length > limit:
            return "too_large"
        return body if is_whole else "wait"

    def read(self, body: bytes) -> object:
        """Raises ValueError where it is not one value of the encoding."""
        if self.is_json:
            return json.loads(
                body, object_pairs_hook=without_twins, parse_int=of_64_bits, parse_constant=no_number
            )
        return msgpack.unpackb(body)


def without_twins(pairs: list[tuple[str, object]]) -> dict:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key comes twice")
    return dict(pairs)


def of_64_bits(digits: str) -> int:
    number = int(digits)
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError("too big")
    return number


def no_number(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


class TestDialects(unittest.TestCase):
    def test_messages(self) -> None:
        for case in load("dialect"):
            if "message" not in case:
                continue
            with self.subTest(case["name"]):
                data, frames = bytes.fromhex(case["hex"]), Frames(case["dialect"])
                body = frames.cut(data, MESSAGE_MAX)
                self.assertIsInstance(body, bytes)
                self.assertTrue(same(frames.read(body), case["message"]))
                self.assertEqual(frames.write(case["message"]), data)

    def test_verdicts(self) -> None:
        for case in load("dialect"):
            if "verdict" not in case:
                continue
            with self.subTest(case["name"]):
                data, frames = bytes.fromhex(case["hex"]), Frames(case["dialect"])
                found = frames.cut(data, case.get("limit", 64 << 20))
                if isinstance(found, str):
                    self.assertEqual(found, case["verdict"])
                    continue
                self.assertEqual(case["verdict"], "unreadable")
                with self.assertRaises(ValueError):
                    frames.read(found)


def table(name: str) -> list[tuple[str, ...]]:
    """The rows of protocol/NAME.def, each the tuple of its arguments."""
    text = (PROTOCOL / f"{name}.def").read_text(encoding="utf-8")
    rows = re.findall(r'^[A-Z]+\((.*), "(.*)"\)$', text, re.MULTILINE)
    return [(*fields.split(", "), help_text) for fields, help_text in rows]


class TestReference(unittest.TestCase):
    """What PROTOCOL.md says is so."""

    def setUp(self) -> None:
        self.text = (PROTOCOL / "PROTOCOL.md").read_text(encoding="utf-8")
        self.vectors = {
            f"{name}/{case['name']}": case
            for name in ("client", "worker", "malformed", "dialect", "values")
            for case in load(name)
        }

    def blocks(self, kind: str) -> list[tuple[str, str]]:
        """The fenced blocks ```KIND NAME, as pairs of name and text."""
        return re.findall(rf"^```{kind} (\S+)\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)

    def test_examples_in_bytes(self) -> None:
        blocks = self.blocks("hex")
        self.assertGreater(len(blocks), 20)
        for name, text in blocks:
            with self.subTest(name):
                self.assertEqual(bytes.fromhex(text), bytes.fromhex(self.vectors[name]["hex"]))

    def test_examples_in_json(self) -> None:
        blocks = self.blocks("json")
        self.assertGreater(len(blocks), 20)
        for name, text in blocks:
            with self.subTest(name):
                message = json.loads(text, object_hook=binary)
                self.assertTrue(same(message, self.vectors[name]["message"]))

    def test_no_other_block_of_bytes(self) -> None:
        for kind in ("hex", "json"):
            self.assertEqual(self.text.count(f"```{kind}"), len(self.blocks(kind)))

    def test_bytes_within_the_text(self) -> None:
        """Each `12 34` in a sentence or table is part of some vector."""
        known = [bytes.fromhex(case["hex"]) for case in self.vectors.values()]
        found = re.findall(r"`([0-9a-f]{2}(?: [0-9a-f]{2})*)`", self.text)
        self.assertGreater(len(found), 8)
        for text in found:
            with self.subTest(text):
                self.assertTrue(any(bytes.fromhex(text) in data for data in known))

    def test_the_first_example_is_taken_apart_whole(self) -> None:
        rows = re.findall(r"^\| `([0-9a-f ]+)` \| .* \|$", self.text, re.MULTILINE)
        self.assertEqual(" ".join(rows), self.vectors["client/call"]["hex"])

    def test_every_method_is_described(self) -> None:
        methods = table("method")
        self.assertGreater(len(methods), 8)
        for name, *_ in methods:
            self.assertRegex(self.text, rf"(?m)^(### .*|\*\*`)poold\.{name}\b")

    def test_every_code_has_its_row(self) -> None:
        codes = table("errcode")
        self.assertGreater(len(codes), 30)
        rows = re.findall(
            r"^\| `(\w+)` \| `(\w+)` \| (\w+) \| `(\w+)` \| (.*) \|$",
            self.text,
            re.MULTILINE,
        )
        expected = [
            (row[0], f"{row[1]}_error", row[2].lower(), row[3].lower(), row[-1]) for row in codes
        ]
        self.assertEqual(rows, expected)

    def rows_under(self, heading: str) -> list[str]:
        """The names that the rows of the tables below that heading begin with."""
        section = re.split(rf"^#+ {re.escape(heading)}$", self.text, flags=re.MULTILINE)[1]
        section = re.split(r"^#", section, maxsplit=1, flags=re.MULTILINE)[0]
        return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)

    def test_every_field_of_an_error_has_its_row(self) -> None:
        error = self.vectors["client/error_map_every_field"]["message"][2]
        self.assertEqual(self.rows_under("3.2 The error map"), list(error))

    def test_every_option_of_a_call_has_its_row_and_stands_in_the_example(self) -> None:
        source = (ROOT / "daemon/io/frontend/request_parse.c").read_text(encoding="utf-8")
        options = re.findall(r'^\t\{"(\w+)", parse_\w+\},$', source, re.MULTILINE)
        self.assertGreater(len(options), 10)
        example = self.vectors["client/call_options"]["message"][3][3]
        self.assertEqual(set(example), set(options))
        self.assertLessEqual(set(options), set(self.rows_under("2.2 poold.call")))

    def test_every_event_has_its_row_and_an_example(self) -> None:
        table = (ROOT / "daemon/io/driver/event.def").read_text(encoding="utf-8")
        kinds = re.findall(r"^EVENT\((\w+),", table, re.MULTILINE)
        self.assertGreater(len(kinds), 5)
        written = self.text.split("<!-- events: make docs -->")[1].split("<!-- end of events -->")[0]
        self.assertEqual(re.findall(r"^\| `(\w+)` \|", written, re.MULTILINE), kinds)
        for kind in kinds:
            self.assertEqual(self.vectors[f"client/event_{kind}"]["message"][2][0]["kind"], kind)

    def test_every_key_of_a_context_has_its_row(self) -> None:
        context = self.vectors["worker/request"]["message"][3][1]
        self.assertEqual(set(self.rows_under("4.3 Requests")), set(context))

    def test_links_lead_somewhere(self) -> None:
        headings = re.findall(r"^#+ (.*)$", self.text, re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in headings}
        for target in re.findall(r"\]\(#([^)]*)\)", self.text):
            self.assertIn(target, anchors)


if __name__ == "__main__":
    unittest.main()
