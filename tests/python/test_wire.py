"""Reading a stream of messages, cut anywhere, whole or broken."""

from __future__ import annotations

import math
import os
import random
import threading
import tracemalloc
import unittest
from unittest import mock

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from poold import wire
from properties import QUICK
from support import PATIENCE

import lies

MESSAGES = [
    [0, 1, "echo", [["hello", None, True, -5, 3.5, b"\x00\xff"], {"request": 1}]],
    [1, 2, None, {"a": [1, 2, 3], "b": {"c": 2**63}, 7: "seven"}],
    [2, "cancel", [3]],
    [1, 0xFFFFFFFF, [0, "text"], None],
]
# A map whose key is a list; the skipper has to find its end.
UNHASHABLE = b"\x94\x01\x09\xc0\x81\x91\x01\xa3end"
DEEP = b"\x94\x01\x0a\xc0" + b"\x91" * 3000 + b"\xc0"


def pack(message: object) -> bytes:
    return msgpack.packb(message, unicode_errors="surrogateescape")


def feed_in_two(data: bytes, cut: int, limit: int = 0) -> list:
    decoder = wire.Decoder(limit)
    return decoder.feed(data[:cut]) + decoder.feed(data[cut:])


def feed_in_pieces(data: bytes, size: int, limit: int = 0) -> list:
    decoder = wire.Decoder(limit)
    found = []
    for begin in range(0, len(data), size):
        found += decoder.feed(data[begin : begin + size])
    return found


# Random values that are packed by one test; a million with POOLD_TORN=1000000, as `make soak` sets it.
VALUES = int(os.environ.get("POOLD_TORN") or 5_000)


def unpack_one(data: bytes) -> list:
    """The message that these bytes are, no more and no less."""
    return msgpack.unpackb(data, strict_map_key=False, unicode_errors="surrogateescape")


class TestPacking(unittest.TestCase):
    """A message has exactly what it announces."""

    def test_values_that_lie(self) -> None:
        for value, sent in (
            (lies.Fewer(a=1, b=2), {"a": 1}),
            (lies.More(a=1), {"a": 1, "more": 1, "and more": 2}),
            (lies.Longer(a=1), {"a": 1}),
            (lies.ShortList([1, 2]), [2]),
            (lies.LongList([1]), [1, 1]),
            (lies.OddTuple([9]), [1, 2, 3, 4, 5, 6, 7]),
            (lies.OddText("text"), "text"),
            (lies.OddBytes(b"data"), b"data"),
            (lies.OddArray(b"data"), b"data"),
            (lies.OddNumber(3), 3),
            (lies.OddExt(5, b"x"), msgpack.ExtType(5, b"x")),
            (lies.Pair(1, (2, 3)), [1, [2, 3]]),
            ({lies.OddText("key"): lies.Fewer(a=1, b=lies.LongList())}, {"key": {"a": 1}}),
            (float.__new__(type("Float", (float,), {}), 1.5), 1.5),
        ):
            for message, expected in (
                ([1, 2, None, value], [1, 2, None, sent]),
                ([2, "chunk", [1, [value, {"in": value}]]], [2, "chunk", [1, [sent, {"in": sent}]]]),
            ):
                with self.subTest(message):
                    self.assertEqual(unpack_one(wire.pack(message)), expected)

    def test_values_that_cannot_be_packed(self) -> None:
        for trouble in lies.TROUBLES:
            for make in (lambda tag: [trouble(tag)], trouble):
                self.assertRaises((Exception, SystemExit), wire.pack, [1, 2, None, make("x")])
                # What a failed message has left behind must not come with the next.
                self.assertEqual(unpack_one(wire.pack([2, "next", []])), [2, "next", []])
                self.assertEqual(unpack_one(wire.pack([2, "next", [(1,)]])), [2, "next", [[1]]])

    def test_values_that_change_meanwhile(self) -> None:
        """As they were when they were read; what one has less does not make up for another."""
        for message, expected in (
            ([1, 2, None, lies.growing("x")], [1, 2, None, [[], "x", "x"]]),
            ([1, 2, None, lies.shrinking("x")], [1, 2, None, [{}, "x", "x"]]),
            (
                [1, 2, None, {"a": lies.shrinking("x"), "b": lies.growing("x"), "c": (1,)}],
                [1, 2, None, {"a": [{}, "x", "x"], "b": [[], "x", "x"], "c": [1]}],
            ),
        ):
            self.assertEqual(unpack_one(wire.pack(message)), expected)

    def test_a_value_that_packs_another_message(self) -> None:
        class Nested(dict):
            def items(self) -> list:
                other.append(wire.pack([1, 9, None, lies.Fewer(b=1, c=2)]))
                return [("a", 1)]

        other: list[bytes] = []
        self.assertEqual(unpack_one(wire.pack([1, 2, None, [Nested()]])), [1, 2, None, [{"a": 1}]])
        self.assertEqual(unpack_one(other[0]), [1, 9, None, {"b": 1}])

    def test_from_several_threads(self) -> None:
        def run(number: int) -> None:
            for _ in range(500):
                for value in (number, (number,), lies.Fewer(a=[number], b=2)):
                    data = wire.pack([1, number, None, value])
                    if unpack_one(data)[1] != number:
                        faults.append(data)

        faults: list[bytes] = []
        threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual(faults, [])

    @settings(QUICK)
    @given(st.randoms(use_true_random=False))
    def test_any_value(self, draw: random.Random) -> None:
        self.check(draw, "<tag>")

    def test_many_values(self) -> None:
        seed = int(os.environ.get("POOLD_SEED", random.randrange(2**32)))
        draw = random.Random(seed)
        for number in range(VALUES):
            with self.subTest(POOLD_SEED=seed, number=number):
                self.check(draw, f"<{number}>")

    def check(self, draw: random.Random, tag: str) -> None:
        try:
            data = wire.pack([1, 7, None, lies.tree(draw, tag)])
        except (Exception, SystemExit):
            return
        decoder = wire.Decoder()
        first, second = decoder.feed(data + wire.pack([1, 8, None, "next"]))
        self.assertEqual((first[:3], lies.strangers(tag, first[3])), ([1, 7, None], []))
        if isinstance(first[3], dict):
            self.assertLessEqual({*map(type, first[3])}, {str})
        self.assertEqual(second, [1, 8, None, "next"])


class TestDecoder(unittest.TestCase):
    def test_every_cut(self) -> None:
        data = b"".join(map(pack, MESSAGES))
        for cut in range(len(data) + 1):
            self.assertEqual(feed_in_two(data, cut), MESSAGES)

    def test_byte_by_byte(self) -> None:
        decoder = wire.Decoder()
        found = []
        for byte in b"".join(map(pack, MESSAGES)):
            found += decoder.feed(bytes([byte]))
        self.assertEqual(found, MESSAGES)

    def test_undecodable_elements_at_every_cut(self) -> None:
        before, after = pack(MESSAGES[0]), pack(MESSAGES[1])
        for odd, number in ((UNHASHABLE, 9), (DEEP, 10)):
            data = before + odd + after + odd + odd + after
            step = 1 if odd is UNHASHABLE else 149
            for cut in range(0, len(data), step):
                found = feed_in_two(data, cut)
                self.assertEqual([found[0], found[2], found[5]], [MESSAGES[0]] + [MESSAGES[1]] * 2)
                for message in (found[1], found[3], found[4]):
                    self.assertEqual(message[:3], [1, number, None])
                    self.assertIsInstance(message[3], wire.Undecodable)

    def test_many_undecodable_in_one_read(self) -> None:
        found = wire.Decoder().feed(UNHASHABLE * 3000)
        self.assertEqual(len(found), 3000)

    def test_undecodable_chunk(self) -> None:
        odd = b"\x93\x02\xabpoold.chunk\x92\xcd\x01\x00\x81\x91\x01\xa3end"
        other = b"\x93\x02\xa5other\x92\x05\x81\x91\x01\xa3end"
        nameless = b"\x93\x02\xabpoold.chunk\x92\x81\x90\x01\x02"
        before, after = pack(MESSAGES[0]), pack([2, "poold.chunk", [256, "fine"]])
        for cut in range(len(before + odd + after)):
            found = feed_in_two(before + odd + after, cut)
            self.assertEqual([found[0], found[2]], [MESSAGES[0], [2, "poold.chunk", [256, "fine"]]])
            self.assertEqual(found[1][:2] + found[1][2][:1], [2, "poold.chunk", 256])
            self.assertIsInstance(found[1][2][1], wire.Undecodable)
        for data in (other, nameless):
            self.assertIsInstance(wire.Decoder().feed(data)[0][2], wire.Undecodable)

    def test_undecodable_error_element(self) -> None:
        message = wire.Decoder().feed(b"\x94\x01\x05\x81\x90\x01\xc0")[0]
        self.assertEqual((message[:2], message[3]), ([1, 5], None))
        self.assertIn("unhashable", str(message[2]))

    def test_no_messages(self) -> None:
        for data in (
            b"\xc1",
            b"\x94\x00\x01\xa1a\xc1",
            b"\x94\x01\x01\xc0\x91\xc1",
            pack("text"),
            pack([]),
            pack([0, 1, "a"]),
            pack([1, 1, None]),
            pack([2, "a", [], 1]),
            pack([3, 1, 2, 3]),
            pack([[0], 1, 2, 3]),
            pack(["0", 1, 2, 3]),
            pack([0, "id", "a", []]),
            pack([1, None, None, 1]),
            pack([True, 1, None, None]),
            pack([1.0, 1, None, None]),
            pack([1, True, None, None]),
            pack({0: 1}),
            pack({0: 0, 1: 1, 2: None, 3: None}),
            pack(b"\x00\x01\x02\x03"),
            b"\x95\x00\x01\xa1a\x81\x90\x01\xc0",
            b"\x94\x81\x90\x01\xc0\xc0\xc0",
            b"\x81\x90\x01",
        ):
            for cut in range(len(data)):
                with self.subTest(data=data, cut=cut), self.assertRaises(wire.Malformed):
                    feed_in_two(data, cut)

    def test_limit(self) -> None:
        small = pack([1, 1, None, b"x" * 50])
        self.assertEqual(len(feed_in_two(small * 40, 70, limit=100)), 40)
        large = pack([1, 77, None, b"x" * 200])
        for cut in (60, 150):
            decoder = wire.Decoder(100)
            with self.assertRaises(wire.TooLarge) as caught:
                decoder.feed(large[:cut])
                decoder.feed(large[cut:-1])
            self.assertEqual(caught.exception.number, 77)
        with self.assertRaises(wire.TooLarge) as caught:
            wire.Decoder(100).feed(pack([2, "event", [b"x" * 200]])[:-1])
        self.assertIsNone(caught.exception.number)
        for number, found in ((7, 7), (0xFFFFFFFF, 0xFFFFFFFF), ("x", None)):
            with self.assertRaises(wire.TooLarge) as caught:
                wire.Decoder(100).feed(pack([2, "poold.chunk", [number, b"x" * 200]])[:-1])
            self.assertEqual(caught.exception.number, found)

    def test_limit_of_what_is_collected(self) -> None:
        """Whatever follows in the same piece is not counted with it."""
        next_one = pack([1, 78, None, b"y" * (wire.READ_SIZE // 2)])
        long = b"x" * (3 * wire.LARGE)
        for value in (long, [long, *[[7]] * 70], [long, {(1,): 2}], [{(1,): 2}, long]):
            with self.subTest(str(value)[-20:]):
                large = pack([1, 77, None, value])
                found = feed_in_pieces(large + next_one, wire.READ_SIZE, len(large))
                self.assertEqual([message[1] for message in found], [77, 78])
                with self.assertRaises(wire.TooLarge) as caught:
                    feed_in_pieces(large + next_one, wire.READ_SIZE, len(large) // 2)
                self.assertEqual(caught.exception.number, 77)

    def test_a_large_message_leaves_nothing_behind(self) -> None:
        decoder = wire.Decoder()
        data = pack([1, 1, None, b"x" * (3 << 20)]) + pack(MESSAGES[2])
        found = []
        for begin in range(0, len(data), wire.READ_SIZE):
            found += decoder.feed(data[begin : begin + wire.READ_SIZE])
        self.assertEqual((len(found), found[1]), (2, MESSAGES[2]))
        self.assertEqual(decoder.feed(pack(MESSAGES[0])), [MESSAGES[0]])

    def test_large_messages_at_every_cut(self) -> None:
        """They are collected before they are unpacked."""
        large = "x" * 90
        whole = [[1, 1, None, large], [0, 2, "echo", [[large, large], {"request": 1}]]]
        whole.append([0, 3, "echo", [[*[large] * 20], [7] * 70]])
        odd = (
            pack([1, 9, None, [large, 0]])[:-1] + b"\x81\x91\x01\xa3end",
            b"\x94\x01\x0a\xc0\x81\x91" + pack(large) + b"\x01",
        )
        small = pack(MESSAGES[0])
        data = small + b"".join(pack(each) + small for each in whole)
        expected = [each for message in whole for each in (MESSAGES[0], message)] + [MESSAGES[0]]
        original = wire.Decoder._collect
        with (
            mock.patch.object(wire, "LARGE", 40),
            mock.patch.multiple(wire, LOOK_LEAST=1, LOOK_MOST=60),
            mock.patch.object(wire.Decoder, "_collect", autospec=True) as collect,
        ):
            collect.side_effect = original
            for cut in range(len(data) + 1):
                self.assertEqual(feed_in_two(data, cut), expected)
            for size in (1, 7, 50):
                self.assertEqual(feed_in_pieces(data, size), expected)
            for each in odd:
                for size in (1, 7, 50):
                    found = feed_in_pieces(each + each + small, size)
                    self.assertEqual([len(found), found[2]], [3, MESSAGES[0]])
                    self.assertIsInstance(found[0][3], wire.Undecodable)
            with self.assertRaises(wire.Malformed):
                feed_in_pieces(pack([1, 1, None, [large, 0]])[:-1] + b"\xc1", 50)
            with self.assertRaises(wire.Malformed):
                feed_in_pieces(pack([1, large]), 50)
            with self.assertRaises(wire.TooLarge) as caught:
                feed_in_pieces(pack([1, 77, None, large])[:-1], 50, limit=80)
            self.assertEqual(caught.exception.number, 77)
            self.assertTrue(collect.called)

    def test_a_large_message_is_kept_once(self) -> None:
        size = 8 << 20
        head = pack([1, 1, None, b""])[:-2] + b"\xc6" + size.to_bytes(4, "big")
        decoder = wire.Decoder()
        tracemalloc.start()
        try:
            found = decoder.feed(head)
            for _ in range(size // wire.READ_SIZE):
                found += decoder.feed(b"x" * (wire.READ_SIZE - 1) + b"y")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        self.assertEqual([len(found), len(found[0][3])], [1, size])
        # The message and its value; and before that the message and its pieces.
        self.assertLess(peak, 2.5 * size)

    @settings(QUICK)
    @given(st.binary(max_size=60), st.integers(0, 60))
    def test_any_bytes(self, data: bytes, cut: int) -> None:
        """Wherever they are cut, the same messages or the same complaint."""

        def outcome(cut: int) -> object:
            try:
                return [str(message) for message in feed_in_two(data, cut)]
            except wire.Malformed:
                return "malformed"

        # An undecodable message prints as an object: compare what stands before it.
        def shorten(found: object) -> object:
            return [each.split(" object at ")[0] for each in found] if found != "malformed" else 0

        self.assertEqual(shorten(outcome(cut)), shorten(outcome(0)))


class TestSkipper(unittest.TestCase):
    @settings(QUICK)
    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**63), 2**64 - 1)
            | st.floats()
            | st.binary(max_size=400)
            | st.text(max_size=70)
            | st.builds(msgpack.ExtType, st.integers(0, 111), st.binary(max_size=300)),
            lambda inner: st.lists(inner, max_size=17)
            | st.dictionaries(st.integers(-5, 500), inner, max_size=5),
            max_leaves=20,
        ),
        st.data(),
    )
    def test_it_finds_the_end(self, value: object, data: st.DataObject) -> None:
        raw = bytearray(pack(value))
        cut = data.draw(st.integers(0, len(raw) - 1))
        skipper = wire._Skipper()
        self.assertIsNone(skipper.skip(raw[:cut]))
        self.assertEqual(skipper.skip(raw + b"rest"), len(raw))

    def test_long_forms(self) -> None:
        text = "x" * 70_000
        for value in (text, text.encode(), list(text), msgpack.ExtType(5, text.encode())):
            raw = bytearray(pack(value))
            self.assertEqual(wire._Skipper().skip(raw + b"\x01"), len(raw))


class TestCallParams(unittest.TestCase):
    def test_forms(self) -> None:
        every = {"meta": True, "priority": "critical", "max_attempts": 2, "trace": "t"}
        cases = [
            (((1, 2), {}), {}, ["p", "m", [1, 2]]),
            (((), {"a": 1}), {}, ["p", "m", {"a": 1}]),
            (((), {}), {}, ["p", "m", []]),
            (((), {}), {"timeout": 1.5}, ["p", "m", [], {"timeout_ms": 1500}]),
            (((), {}), {"timeout": 1e-9}, ["p", "m", [], {"timeout_ms": 1}]),
            (((), {}), {"idempotent": False, "meta": False}, ["p", "m", [], {"idempotent": False}]),
            (((), {}), every, ["p", "m", [], every]),
            (((), {}), {"session": "s", "key": None}, ["p", "m", [], {"session": "s"}]),
            (((), {}), {"fallback": False}, ["p", "m", [], {"fallback": False}]),
        ]
        (both,) = wire.call_params("p", "m", (1, 2), {"a": 3})[2:]
        self.assertEqual((both.args, both.kwargs), ([1, 2], {"a": 3}))
        longest = [{"timeout_ms": 0xFFFFFFFF}]
        for timeout in (1e7, math.inf):
            self.assertEqual(wire.call_params("p", "m", (), {}, timeout=timeout)[3:], longest)
        for (args, kwargs), options, expected in cases:
            with self.subTest(expected):
                self.assertEqual(wire.call_params("p", "m", args, kwargs, **options), expected)

    def test_mistakes(self) -> None:
        for names in ((1, "m"), ("p", print), (None, "m"), ("p", ["m"])):
            with self.assertRaisesRegex(TypeError, "is the name of a"):
                wire.call_params(*names, (), {})
        for timeout in (0, -1, float("nan")):
            with self.assertRaises(ValueError):
                wire.call_params("p", "m", (), {}, timeout=timeout)


if __name__ == "__main__":
    unittest.main()
