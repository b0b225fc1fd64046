"""Clients that break the rules: each harms itself only."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator

import procs
from bystander import BystanderTest
from clock import Deadline, Timed, eventually
from harness import TOOLBOX, UNRULY, pool, worker
from raw import Raw, call_params, pack, request, result


class Malformed(BystanderTest):
    """Bytes that are no message."""

    CASES = {
        "no MessagePack": b"\xc1",
        "a lot that is no MessagePack": b"\xc1" * 100_000,
        "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "a number": b"\x05",
        "nil": b"\xc0",
        "text": pack("poold.health"),
        "a map": pack({"method": "poold.health"}),
        "an empty array": b"\x90",
        "an array of one": b"\x91\x00",
        "a fourth type": pack([3, 1, "poold.health", []]),
        "a type that is text": pack(["0", 1, "poold.health", []]),
        "a type that is true": pack([True, 1, "poold.health", []]),
        "a negative type": pack([-1, 1, "poold.health", []]),
        "an id that is text": pack([0, "1", "poold.health", []]),
        "an id that is negative": pack([0, -1, "poold.health", []]),
        "an id that is a float": pack([0, 1.0, "poold.health", []]),
        "an id of 33 bits": pack([0, 1 << 32, "poold.health", []]),
        "a notification of two": pack([2, "poold.cancel"]),
        "a notification of four": pack([2, "poold.cancel", [], []]),
        "a notification of nobody": pack([2, None, []]),
        "a notification of no list": pack([2, "poold.cancel", {}]),
        "a response": pack([1, 1, None, "hello"]),
        "an error": pack([1, 1, [0, "no"], None]),
    }

    # What can be answered is, before the connection is closed.
    ANSWERED = {
        "a request of three": pack([0, 7, "poold.health"]),
        "a request of five": pack([0, 7, "poold.health", [], []]),
        "a request of two": pack([0, 7]),
        "a method that is no text": pack([0, 7, 5, []]),
        "a method that is nil": pack([0, 7, None, []]),
        "a method that is too long": pack([0, 7, "tools." + "x" * 1000, []]),
        "params that are a map": pack([0, 7, "poold.health", {}]),
        "params that are nil": pack([0, 7, "poold.health", None]),
        "params that are text": pack([0, 7, "poold.health", "[]"]),
    }

    def test_the_connection_is_closed(self) -> None:
        with self.beside_bystander() as daemon:
            for name, data in self.CASES.items():
                with self.subTest(name), Raw(daemon.path) as client:
                    try:
                        client.send(data)
                    except BrokenPipeError:
                        pass  # closed over its first bytes
                    self.assertEqual(client.read_to_end(5), b"")
            counted = daemon.ask("poold.stats")["daemon"]["messages_malformed"]
            self.assertEqual(counted, len(self.CASES))

    def test_what_has_an_id_is_answered_first(self) -> None:
        with self.beside_bystander() as daemon:
            for name, data in self.ANSWERED.items():
                with self.subTest(name), Raw(daemon.path) as client:
                    client.send(data)
                    self.assert_code(client.read_of(7), "invalid_request")
                    self.assertEqual(client.read_to_end(5), b"")

    def test_what_was_right_before_is_answered(self) -> None:
        with self.beside_bystander() as daemon:
            client = daemon.connect()
            client.send(pack([0, 1, "poold.version", []]) + b"\xc1")
            self.assertEqual(client.read_of(1).result["server"], "poold")
            self.assertEqual(client.read_to_end(5), b"")

    def test_what_it_asked_before_is_cancelled(self) -> None:
        with self.beside_bystander(pool("tools", TOOLBOX, cancel_grace="50ms")) as daemon:
            daemon.announced.append("pool=tools")
            client = daemon.connect()
            daemon.occupy(client)
            client.send(b"\xc1")
            client.read_to_end(5)
            eventually(lambda: daemon.counters("tools")["cancelled"] == 1, "it is cancelled")

    def test_half_a_message(self) -> None:
        whole = pack([0, 1, "well.echo", ["x" * 100_000]])
        with self.beside_bystander() as daemon:
            for size in (1, 2, 3, 10, 100, 50_000, len(whole) - 1):
                with self.subTest(size=size), Raw(daemon.path) as client:
                    client.send(whole[:size])

    def test_random_bytes(self) -> None:
        """Whatever comes in, the daemon lives, and every connection is served or closed."""
        draw = self.random(20260101)
        with self.beside_bystander() as daemon:
            for _ in range(300):
                with Raw(daemon.path) as client:
                    client.send(draw.randbytes(draw.randrange(1, 200)))

    def test_bytes_that_were_changed(self) -> None:
        """Good messages with a few bytes changed."""
        draw = self.random(20260102)
        args = [{"a": [1, "text", b"bytes"]}]
        good = pack([0, 1, "poold.call", ["well", "echo", args, {"meta": True}]])
        with self.beside_bystander() as daemon:
            for _ in range(300):
                data = bytearray(good * draw.randrange(1, 4))
                for _ in range(draw.randrange(1, 4)):
                    data[draw.randrange(len(data))] = draw.randrange(256)
                with Raw(daemon.path) as client:
                    client.send(bytes(data))


class Sizes(BystanderTest):
    """Messages over the limits, and announcements of such."""

    def test_a_gigabyte_that_is_only_announced(self) -> None:
        with self.beside_bystander() as daemon:
            heads = {
                "bin": b"\xc6\x40\x00\x00\x00",
                "str": b"\xdb\x40\x00\x00\x00",
                "ext": b"\xc9\x40\x00\x00\x00\x05",
            }
            for name, head in heads.items():
                with self.subTest(name), Raw(daemon.path) as client:
                    client.send(b"\x94\x00\x07" + pack("well.echo") + b"\x91" + head + b"x" * 1000)
                    self.assert_code(client.read_of(7), "payload_too_large")
                    self.assertEqual(client.read_to_end(5), b"")
            self.assertLess(procs.resident_bytes(daemon.pid), 200 << 20)

    def test_more_items_than_fit(self) -> None:
        with self.beside_bystander(message_max="1M") as daemon:
            for head in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"):
                with self.subTest(head=head), Raw(daemon.path) as client:
                    client.send(b"\x94\x00\x07" + pack("well.echo") + head)
                    self.assert_code(client.read_of(7), "payload_too_large")
                    self.assertEqual(client.read_to_end(5), b"")

    def test_a_message_over_the_limit(self) -> None:
        with self.beside_bystander(message_max="64K") as daemon:
            for size in (65_536, 70_000, 1_000_000):
                with self.subTest(size=size), Raw(daemon.path) as client:
                    try:
                        client.send(pack([0, 7, "well.echo", [bytes(size)]]))
                    except (BrokenPipeError, ConnectionResetError):
                        pass
                    self.assert_code(client.read_of(7), "payload_too_large")

    def test_a_message_of_exactly_the_limit(self) -> None:
        with self.beside_bystander(message_max="64K") as daemon:
            client = daemon.connect()
            head = len(pack([0, 7, "well.echo", [bytes(60_000)]])) - 60_000
            fits = pack([0, 7, "well.echo", [bytes(65_536 - head)]])
            self.assertEqual(len(fits), 65_536)
            client.send(fits)
            self.assertIsNone(client.read_of(7).error)
            client.send(pack([0, 8, "well.echo", [bytes(65_537 - head)]]))
            self.assert_code(client.read_of(8), "payload_too_large")

    def test_ten_thousand_levels(self) -> None:
        """Deep nesting is legal: it is passed on and comes back, byte for byte."""
        with self.beside_bystander(pool("raw", UNRULY)) as daemon:
            client = daemon.connect()
            value = b"\x91" * 10_000 + b"\xc0"
            client.send(request(7, "poold.call", call_params("raw", "echo", value)))
            wanted = result(7, value)
            self.assertEqual(client.read_exactly(len(wanted)), wanted)

    def test_ten_thousand_levels_for_a_worker_that_cannot_decode_them(self) -> None:
        with self.beside_bystander(pool("tools", TOOLBOX)) as daemon:
            daemon.announced.append("pool=tools")
            client = daemon.connect()
            value = b"\x91" * 10_000 + b"\xc0"
            number = client.ask_bytes("poold.call", call_params("tools", "echo", value))
            self.assertIsNotNone(client.read_of(number).code)
            self.assertEqual(client.call("tools.echo", "next"), "next")

    def test_ten_thousand_levels_in_the_options(self) -> None:
        with self.beside_bystander() as daemon:
            client = daemon.connect()
            options = b"\x81" + pack("meta") + b"\x91" * 10_000 + b"\xc0"
            params = call_params("well", "echo", b"\xc0", options)
            number = client.ask_bytes("poold.call", params)
            self.assert_code(client.read_of(number), "invalid_request")

    def test_a_wide_hello(self) -> None:
        with self.beside_bystander() as daemon:
            client = daemon.connect()
            wide = {f"key {step}": step for step in range(10_000)}
            self.assertIn(client.answer("poold.hello", wide).code, (None, "invalid_request"))
            client.check_quiet()


class Twice(BystanderTest):
    """An id that is in flight already."""

    def test_the_connection_is_closed_and_all_of_it_cancelled(self) -> None:
        with self.beside_bystander(pool("tools", TOOLBOX, cancel_grace="50ms")) as daemon:
            daemon.announced.append("pool=tools")
            client = daemon.connect()
            number = daemon.occupy(client)
            other = client.ask("tools.echo", "waits")
            client.send(pack([0, number, "tools.echo", ["again"]]))
            self.assertEqual(client.read_to_end(5), b"")
            self.assertNotEqual(number, other)
            eventually(lambda: daemon.counters("tools")["cancelled"] == 2, "both are cancelled")
            self.assertEqual(daemon.ask("poold.stats")["daemon"]["duplicate_ids"], 1)

    def test_an_id_may_be_used_again_once_it_is_answered(self) -> None:
        client = self.start(pool("raw", UNRULY)).connect()
        for step in range(50):
            client.send(pack([0, 5, "raw.echo", [step]]))
            self.assertEqual(client.read_of(5).result, [step])

    def test_the_same_id_on_two_connections(self) -> None:
        daemon = self.start(pool("raw", UNRULY))
        clients = [daemon.connect() for _ in range(10)]
        for step, client in enumerate(clients):
            client.send(pack([0, 5, "raw.echo", [step]]))
        for step, client in enumerate(clients):
            self.assertEqual(client.read_of(5).result, [step])


class Slow(BystanderTest):
    """Peers that take or give little."""

    def test_a_byte_at_a_time(self) -> None:
        with self.beside_bystander() as daemon:
            client = daemon.connect()
            for byte in pack([0, 3, "poold.call", ["well", "echo", ["x" * 300], {"meta": False}]]):
                client.send(bytes([byte]))
            self.assertEqual(client.read_of(3).result, ["x" * 300])

    def test_a_thousand_that_say_nothing(self) -> None:
        with self.beside_bystander() as daemon:
            clients = [Raw(daemon.path) for _ in range(500)]
            eventually(lambda: daemon.ask("poold.status")["connections"] >= 500, "all are there")
            for client in clients:
                client.close()


class NeverReads(BystanderTest):
    """A client that asks and asks, and reads no answer."""

    OPTIONS = {
        "message_max": "1M",
        "response_max": "2M",
        "output_pause": "256K",
        "output_max": "8M",
        "stall_timeout": "500ms",
    }

    @staticmethod
    def push(client: Raw, messages: Iterator[bytes], seconds: float) -> int:
        """Writes messages until the daemon closes the connection; how many bytes it took.

        Raises:
            AssertionError: it is not closed in time.
        """
        client.socket.setblocking(False)
        deadline = Deadline(seconds)
        poll = select.poll()
        poll.register(client.socket, select.POLLOUT)
        taken = 0
        for message in messages:
            left = memoryview(message)
            while left:
                if not poll.poll(deadline.left_ms()):
                    if not deadline.passed():
                        continue
                    raise AssertionError(f"not closed within {seconds} s; it took {taken} bytes")
                try:
                    size = client.socket.send(left)
                except BlockingIOError:
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    return taken
                taken += size
                left = left[size:]
        raise AssertionError("it took everything")

    def test_it_is_paused_and_then_cut_off(self) -> None:
        options = {**self.OPTIONS, "in_flight_max": 16}
        with self.beside_bystander(pool("rude", worker("rude")), **options) as daemon:
            before = procs.resident_bytes(daemon.pid)
            client = daemon.connect()
            params = ["rude", "large", 100_000]
            messages = (pack([0, step, "poold.call", params]) for step in range(1_000_000))
            with Timed() as timed:
                taken = self.push(client, messages, 20)
            self.assertLess(taken, 2 << 20)
            self.assertGreaterEqual(timed.seconds, 0.49)
            self.assertLess(procs.peak_bytes(daemon.pid) - before, 40 << 20)
            self.assertEqual(daemon.ask("poold.stats")["daemon"]["connections_stalled"], 1)

    def test_its_requests_wait_when_its_answers_are_too_many(self) -> None:
        """They would be over output_max: those that it has not read hold back its others."""
        options = {**self.OPTIONS, "stall_timeout": "60s"}
        with self.beside_bystander(pool("rude", worker("rude"), workers=2), **options) as daemon:
            before = procs.resident_bytes(daemon.pid)
            client = daemon.connect()
            # In one write: what comes after the first answers is not read any more.
            asked = list(range(1, 21))
            params = pack(["rude", "large", 1 << 20])
            client.send(b"".join(request(number, "poold.call", params) for number in asked))
            eventually(lambda: daemon.pool("rude")["queue"]["held"] >= 14, "the others wait")
            self.assertLess(procs.peak_bytes(daemon.pid) - before, 12 << 20)
            found = [client.read() for _ in asked]
            self.assertEqual(sorted(each.id for each in found), asked)
            self.assertEqual({each.error for each in found}, {None})
            self.assertEqual(daemon.ask("poold.stats")["daemon"]["connections_stalled"], 0)

    def test_it_gets_everything_once_it_reads_again(self) -> None:
        options = {**self.OPTIONS, "stall_timeout": "60s"}
        with self.beside_bystander(pool("raw", UNRULY), **options) as daemon:
            client = daemon.connect()
            asked = [pack([0, step, "raw.echo", [step, bytes(10_000)]]) for step in range(500)]
            writer = threading.Thread(target=client.send, args=(b"".join(asked),), daemon=True)
            writer.start()
            eventually(lambda: daemon.counters("raw")["succeeded"] >= 20, "some are answered")
            found = {(answer.id, answer.result[0]) for answer in (client.read() for _ in asked)}
            writer.join()
            self.assertEqual(found, {(step, step) for step in range(500)})
            client.check_quiet()
