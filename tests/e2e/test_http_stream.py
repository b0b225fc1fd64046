"""The stream of events over HTTP: who comes back misses nothing, and who does not read costs nothing."""

from __future__ import annotations

import os
import signal
import socket
import unittest

import procs
from bystander import Bystander
from clock import eventually
from harness import C_TOOLS, UNRULY, Daemon, pool, program, section, static_pool
from http_client import HttpTest, Stream
from test_http import PLACES, SECRET, open_connections

# Open streams at most.
STREAMS = 16

# Pools whose state is more than a socket holds.
LARGE = tuple(static_pool(f"pool-{i}", answer="1") for i in range(60))


def change(daemon: Daemon, count: int) -> int:
    """Makes so many events that are kept with what happens to pools.  Returns the number of the last
    event of all."""
    for i in range(count):
        daemon.ask("poold.resume" if i % 2 else "poold.drain", "one")
    return last_event(daemon)


def last_event(daemon: Daemon) -> int:
    with daemon.connect() as client:
        return int(client.call("poold.subscribe", ["breaker"])["seq"])


class StreamTest(HttpTest):
    def start_http(self, *pools: str, texts: bool = False, **options: object) -> Daemon:
        daemon = super().start_http(static_pool("one", answer="1"), *pools, texts=texts, **options)
        daemon.announced += ["one"]
        return daemon

    def seqs(self, path: str, upto: int, **headers: str) -> list[int]:
        """The numbers of the events on a stream, until that number has been reached."""
        with Stream(self.path, path, **headers) as stream:
            return [message.seq for message in stream.events(upto)]


class Said(StreamTest):
    def test_the_state_once_a_second_made_once_for_all(self) -> None:
        daemon = self.start_http()
        first, second = self.stream(), self.stream()
        self.assertEqual((first.head.status, first.head.headers["content-type"],
                          first.head.headers["connection"]), (200, "text/event-stream", "close"))
        self.assertNotIn("content-length", first.head.headers)
        self.assertEqual(first.message().retry, "1000")
        self.assertEqual(first.status().json.keys(), self.get("/api/status").json.keys())
        second.status()
        seen = [second.status() for _ in range(3)]
        others = [first.status()]
        while others[-1].json["at_ms"] < seen[-1].json["at_ms"]:
            others.append(first.status())
        self.assertEqual([each for each in others if each in seen], seen)
        times = [each.json["at_ms"] for each in seen]
        self.assertGreater(times[2] - times[0], 1900)
        self.assertEqual(seen[0].json["status"]["pid"], daemon.pid)

    def test_only_the_first_workers_are_measured(self) -> None:
        daemon = self.start_http(pool("echo", program("workers/echo"), workers=65))
        daemon.wait_workers("echo", 65)
        found = eventually(lambda: [each["rss_bytes"] for each in self.stream().status().json["workers"]],
                           "it has workers")
        self.assertEqual([each is None for each in found], 64 * [False] + [True])

    def test_only_a_head_is_asked_for(self) -> None:
        self.start_http()
        http = self.http()
        http.ask("/api/events", "HEAD")
        head = http.read(with_body=False)
        self.assertEqual((head.status, head.headers["content-type"]), (200, "text/event-stream"))
        self.assertTrue(http.at_end())

    def event_of_a_failure(self, texts: bool) -> str:
        daemon = self.start_http(pool("tools", C_TOOLS), texts=texts)
        daemon.announced += ["tools"]
        stream = self.stream()
        with daemon.connect() as client:
            client.answer_pool("tools", "fail", ["ValueError", SECRET])
        (event,) = stream.events(last_event(daemon))
        self.assertEqual((event.json["kind"], event.json["code"]), ("error", "exception"))
        return event.data

    def test_texts_stay_where_they_are(self) -> None:
        self.assertNotIn(SECRET, self.event_of_a_failure(texts=False))

    def test_unless_the_configuration_says_so(self) -> None:
        self.assertIn(SECRET, self.event_of_a_failure(texts=True))

    def kinds_beside_spans(self, texts: bool) -> set[str]:
        daemon = self.start_http(texts=texts, events_kept=5)
        stream = self.stream()
        with daemon.connect() as client:
            for _ in range(20):
                client.call_pool("one", "x", [], trace=f"00-{'a1' * 16}-{'b2' * 8}-01")
        return {event.json["kind"] for event in stream.events(change(daemon, 1))}

    def test_no_spans_nor_a_gap_of_them(self) -> None:
        self.assertEqual(self.kinds_beside_spans(texts=False), {"health", "config"})

    def test_no_spans_even_with_texts(self) -> None:
        self.assertEqual(self.kinds_beside_spans(texts=True), {"health", "config"})

    def test_at_an_ip_only_its_own_hosts(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = ("127.0.0.1", int(free.getsockname()[1]))
        self.start(section("http", {"listen": f"127.0.0.1:{address[1]}"}),
                   static_pool("s", answer="1"))
        for host, status in ((f"localhost:{address[1]}", 200), ("evil.example", 421)):
            with Stream(address, Host=host) as stream:
                self.assertEqual(stream.head.status, status, host)


class Resumed(StreamTest):
    def test_nothing_is_missed_and_nothing_comes_twice(self) -> None:
        daemon = self.start_http()
        change(daemon, 5)
        every = self.stream("/api/events?since=0")
        late = self.stream()
        before = late.status()
        change(daemon, 3)
        part = late.message()
        while part.event == "status":
            part = late.message()
        late.close()
        last = change(daemon, 4)
        expected = [message.seq for message in every.events(last)]
        # Breaker, health and what not: there may be more than one for a change.
        self.assertGreaterEqual(len(expected), 12)
        self.assertEqual(expected, sorted(set(expected)))
        after = [seq for seq in expected if seq > before.seq]
        self.assertEqual(part.seq, after[0])
        self.assertEqual(self.seqs("/api/events", last, Last_Event_ID=part.id), after[1:])
        self.assertEqual(self.seqs(f"/api/events?since={before.id}", last), after)
        self.assertEqual(self.seqs("/api/events", last, Last_Event_ID=str(part.seq)), after[1:])
        # A browser that comes back to the same address knows better where it was.
        self.assertEqual(self.seqs("/api/events?since=0", last, Last_Event_ID=part.id), after[1:])

    def test_who_was_elsewhere_gets_all_that_is_kept(self) -> None:
        daemon = self.start_http()
        last = change(daemon, 5)
        expected = self.seqs("/api/events", last, Last_Event_ID="0")
        self.assertGreaterEqual(len(expected), 5)
        epoch = self.stream().status().id.split("-")[0]
        places = (f"1-{last}", f"{epoch}-{last + 1000}", str(last + 1000), "x", "-", "1-",
                  f"{epoch}-", f"{epoch}-1x", f"{epoch}--1", "9" * 40, f"{epoch}-" + "9" * 40)
        for place, stream in [(each, self.stream(Last_Event_ID=each)) for each in places]:
            self.assertEqual([each.seq for each in stream.events(last)], expected, place)

    def test_what_is_gone_is_told(self) -> None:
        daemon = self.start_http(events_kept=5)
        started = self.stream().status()
        last = change(daemon, 20)
        with Stream(self.path, Last_Event_ID=started.id) as stream:
            gap, *rest = stream.events(last)
        self.assertEqual(gap.json["kind"], "gap")
        self.assertEqual(gap.json["lost"] + len(rest), last - started.seq)
        self.assertEqual([each.seq for each in rest], list(range(gap.seq + 1, last + 1)))
        self.assertEqual(self.seqs("/api/events", last, Last_Event_ID=gap.id),
                         [each.seq for each in rest])

    def test_more_than_is_said_in_one_second(self) -> None:
        daemon = self.start_http()
        with daemon.connect() as client:
            asked = [client.ask("call", "none", "x" * 200) for _ in range(900)]
            for number in asked:
                client.read_of(number)
        last = last_event(daemon)
        found = []
        sizes = [0]
        with Stream(self.path, "/api/events?since=0") as stream:
            while (message := stream.message()).event != "status" or message.seq < last:
                if message.event == "status":
                    sizes.append(0)
                elif message.data:
                    found.append(message.seq)
                    sizes[-1] += len(message.data)
        self.assertEqual(found, list(range(1, last + 1)))
        self.assertGreater(sum(sizes), 64 * 1024)
        self.assertLess(max(sizes), 65 * 1024)


class Bounded(StreamTest):
    def test_a_place_is_left_for_others(self) -> None:
        daemon = self.start_http()
        streams = [self.stream() for _ in range(STREAMS)]
        self.assertEqual({each.head.status for each in streams}, {200})
        http = self.http()
        self.assertEqual(http.get("/api/events").status, 503)
        self.assertEqual(http.get("/healthz").status, 200)
        # They are not idle, whoever comes.
        crowd = [self.http() for _ in range(2 * PLACES)]
        self.assertEqual(self.get("/healthz").status, 200)
        for each in streams:
            self.assertEqual(each.status().json["status"]["pid"], daemon.pid)
        for each in (*crowd, streams.pop()):
            each.close()

        def is_open() -> bool:
            try:
                with Stream(self.path) as stream:
                    return stream.head.status == 200
            except (EOFError, OSError):
                return False

        eventually(is_open, "there is a place again")
        for each in streams:
            each.close()
        eventually(lambda: open_connections(daemon, self.path) == 0, "who has gone is noticed")

    def test_nothing_more_can_be_asked_there(self) -> None:
        self.start_http()
        stream = self.stream()
        stream.status()
        stream.ask("/healthz")
        with self.assertRaises((EOFError, OSError)):
            for _ in range(100):
                self.assertIn(stream.message().event, ("", "status"))

    def test_who_reads_late_gets_the_newest_state_and_all_events(self) -> None:
        daemon = self.start_http(*LARGE)
        late, reader = self.stream(), self.stream()
        for _ in range(4):
            change(daemon, 1)
            newest = reader.status()
        last = last_event(daemon)
        first = late.status().json["at_ms"]
        states = [late.status()]
        found = []
        while states[-1].seq < last:
            message = late.message()
            (states if message.event == "status" else found).append(message)
        self.assertGreaterEqual(states[0].json["at_ms"], newest.json["at_ms"])
        self.assertLess(first, newest.json["at_ms"])

    def test_who_never_reads(self) -> None:
        daemon = self.start_http(pool("well", UNRULY), *LARGE)
        daemon.announced += ["well"]
        reader = self.stream()
        with Bystander(daemon):
            for _ in range(STREAMS - 1):
                self.stream()
            held = [daemon.ask("poold.status")["memory"]["buffers"]
                    for _ in range(5) if reader.status()]
            self.assertLess(max(held), 16 << 20)
            # They are closed when they have stood still for ten seconds, and this one is not.
            eventually(lambda: reader.status() and
                       daemon.ask("poold.stats")["daemon"]["http_refused"] == STREAMS - 1,
                       "they are closed", 40.0)
        self.assertEqual(reader.status().json["status"]["pid"], daemon.pid)


class Ended(StreamTest):
    def test_it_says_when_to_come_again(self) -> None:
        daemon = self.start_http(pool("tools", C_TOOLS))
        daemon.announced += ["tools"]
        stream = self.stream()
        client = daemon.connect()
        daemon.occupy(client, "tools")
        daemon.signal(signal.SIGTERM)
        while not stream.status().json["status"]["draining"]:
            pass
        daemon.release()
        client.read()
        client.close()
        seen = [stream.message()]
        while seen[-1].event != "end":
            seen.append(stream.message())
        self.assertEqual(seen[-1].retry, "5000")
        self.assertTrue(stream.at_end())
        self.assertEqual(daemon.wait_ended(), 0)
        self.assertFalse(os.path.exists(self.path))

    def test_the_daemon_is_killed(self) -> None:
        daemon = self.start_http()
        stream = self.stream()
        stream.status()
        procs.kill(daemon.pid)
        with self.assertRaises((EOFError, OSError)):
            for _ in range(100):
                stream.message()
        daemon.wait_ended()


if __name__ == "__main__":
    unittest.main()
