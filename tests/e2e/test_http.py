"""HTTP: what it shows and to whom, and that nobody who asks there costs the others anything."""

from __future__ import annotations

import os
import resource
import select
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

import procs
from bystander import Bystander
from clock import Timed, eventually, stretch
from harness import BUILD, C_TOOLS, TOOLBOX, UNRULY, Daemon, pool, section, static_pool, worker
from http_client import Http, HttpTest
from raw import Raw
from test_admin import metrics_faults
from test_metrics import openmetrics_faults, samples

# Open connections at most.
PLACES = 32

# Bytes of the head of a request at most.
HEAD_MAX = 8192

# Seconds that a call of an honest client takes at most beside whatever asks over HTTP: other tests run
# at the same time.
HONEST = 0.4

# Bytes a second of which the answer of 700 KB takes longer than half a minute; the kernel holds a third of it.
A_LITTLE = 18_000

SECRET = "a-secret-of-a-request"


def open_connections(daemon: Daemon, path: str) -> int:
    """How many connections of its HTTP socket the daemon has open."""
    rows = [line.split() for line in Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()[1:]]
    # The socket gets its name when it listens, so the one that it was bound to is longer.
    accepted = {f"socket:[{row[6]}]" for row in rows if len(row) > 7 and row[7].startswith(path) and row[5] == "03"}
    return len(accepted.intersection(procs.descriptors(daemon.pid)))


class Starting(HttpTest):
    def test_who_asks_is_told(self) -> None:
        daemon = self.launch(section("http", {"listen": f"unix:{self.path}"}), pool("late", worker("rude", "never_ready")))
        daemon.announced.append("pool")
        daemon.wait_listening()
        response = self.get("/readyz")
        self.assertEqual((response.status, response.body), (503, b"starting\n"))


class Paths(HttpTest):
    def test_what_workers_say_is_no_html(self) -> None:
        folder = Path(self.path).parent
        (folder / "evil.py").write_text("""def boom():
    raise type('<b>"&"</b>', (Exception,), {})("x")
""")
        command = shlex.join([sys.executable, "-m", "poold.worker", "evil"])
        daemon = self.start_http(pool("tools", command, directory=folder, degraded_min=3), texts=True)
        daemon.announced.append("pool=tools")
        client = daemon.connect()
        for _ in range(5):
            self.assert_code(client.answer_pool("tools", "boom"), "exception")
        eventually(lambda: "by exception" in self.get("/plain").text, "its requests fail")
        text = self.get("/plain").text
        self.assertIn("(evil.&lt;b&gt;&quot;&amp;&quot;&lt;/b&gt;)", text)
        self.assertNotIn('<b>"', text)

    def test_metrics_in_both_formats(self) -> None:
        daemon = self.start_http(pool("one", C_TOOLS))
        daemon.connect().call_pool("one", "echo", [1])
        plain = self.get("/metrics")
        self.assertEqual(plain.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertEqual(metrics_faults(plain.text), [])
        self.assertEqual(samples(plain.text, "poold_succeeded_total"), {("one",): 1})
        asked = self.get("/metrics", Accept="application/openmetrics-text;version=1.0.0,*/*;q=0.1")
        self.assertEqual(asked.headers["content-type"],
                         "application/openmetrics-text; version=1.0.0; charset=utf-8")
        self.assertEqual(openmetrics_faults(asked.text), [])

    def test_the_state_as_json(self) -> None:
        daemon = self.start_http(pool("one", C_TOOLS, workers=2), static_pool("two", answer="1"))
        found = self.get("/api/status")
        self.assertEqual((found.status, found.headers["content-type"]), (200, "application/json"))
        state = found.json
        self.assertEqual(state["health"], daemon.ask("poold.health"))
        self.assertEqual([each["name"] for each in state["pools"]], ["one", "two"])
        self.assertEqual({each["pid"] for each in state["workers"]}, set(daemon.worker_pids()))
        self.assertEqual(state["status"]["pid"], daemon.pid)
        self.assertEqual(state["errors"], [])
        none = {"count": 0, "p50": None, "p99": None}
        self.assertEqual(state["earlier"], dict.fromkeys(("one", "two"), {"queue": none, "run": none}))

    def test_one_connection_serves_many(self) -> None:
        self.start_http(static_pool("s", answer="1"))
        http = self.http()
        for _ in range(3):
            self.assertEqual(http.get("/healthz").text, "ok\n")
            http.ask("/metrics", "HEAD")
            self.assertGreater(int(http.read(with_body=False).headers["content-length"]), 1000)
        http.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 50)
        self.assertEqual({http.read().text for _ in range(50)}, {"ok\n"})
        http.ask("/healthz", Connection="close")
        self.assertEqual(http.read().headers["connection"], "close")
        self.assertTrue(http.at_end())

    def test_it_closes_after_a_thousand(self) -> None:
        self.start_http(static_pool("s", answer="1"))
        http = self.http()
        kept = [http.get("/healthz").headers["connection"] for _ in range(1000)]
        self.assertEqual((kept[-2:], set(kept[:-1])), (["keep-alive", "close"], {"keep-alive"}))
        self.assertTrue(http.at_end())

    def test_nothing_can_be_changed(self) -> None:
        daemon = self.start_http(pool("one", C_TOOLS))
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get"):
            with Http(self.path) as http:
                http.ask("/api/status", method)
                answer = http.read()
            self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, HEAD"), method)
        for path in ("/poold.stop", "/api/", "/metrics/", "/..", "/%2e", "/api/status/one"):
            self.assertEqual(self.get(path).status, 404, path)
        self.assertEqual(daemon.ask("poold.health")["status"], "ok")

    def test_what_every_answer_says_to_a_browser(self) -> None:
        self.start_http(static_pool("s", answer="1"))
        for path in ("/", "/metrics", "/api/status", "/healthz", "/readyz", "/none"):
            headers = self.get(path).headers
            self.assertTrue(headers["content-security-policy"].startswith("default-src 'none'"))
            self.assertEqual(headers["x-content-type-options"], "nosniff")
            self.assertEqual(headers["cache-control"], "no-store")
            self.assertNotIn("access-control-allow-origin", headers)

    def test_wrong_requests_are_refused_with_the_reason(self) -> None:
        self.start_http(static_pool("s", answer="1"))
        for data, status in (
            (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            (b"GET / HTTP/1.1\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 413),
            (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
            (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", 417),
            (b"GET /" + b"a" * HEAD_MAX, 431),
            (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 80 + b"\r\n", 431),
            (b"\x16\x03\x01\x02\x00\x01\x00\n\n", 400),
        ):
            with Http(self.path) as http:
                http.send(data)
                self.assertEqual(http.read().status, status, data[:40])
                self.assertTrue(http.at_end())


class Readiness(HttpTest):
    def test_a_pool_is_down(self) -> None:
        daemon = self.start_http(pool("one", C_TOOLS), pool("two", C_TOOLS, restart_delay="60s",
                                                            restart_delay_max="60s"))
        daemon.announced += ["pool is", "worker ended", "could not"]
        self.assertEqual((self.get("/readyz").status, self.get("/readyz").text), (200, "ok\n"))
        daemon.ask("poold.drain", "two")
        eventually(lambda: self.get("/readyz").status == 503, "it is not ready")
        self.assertEqual(self.get("/readyz").text, "down\n")
        self.assertEqual(self.get("/healthz").status, 200)
        daemon.ask("poold.resume", "two")
        eventually(lambda: self.get("/readyz").text == "ok\n", "it is ready")

    def test_a_degraded_daemon_is_ready(self) -> None:
        daemon = self.start_http(pool("one", TOOLBOX, workers=2, restart_delay="60s",
                                      restart_delay_max="60s"))
        daemon.announced += ["pool is", "worker ended"]

        def lose_one() -> bool:
            """One worker dies again and again, until the daemon waits with the next start."""
            first = next(each for each in daemon.workers() if each["worker"] == 1)
            if first["pid"] > 0:
                procs.kill(first["pid"])
            answer = self.get("/readyz")
            self.assertEqual(answer.status, 200)
            return answer.text == "degraded\n"

        eventually(lose_one, "it is degraded")

    def test_it_answers_to_the_end_of_a_drain(self) -> None:
        daemon = self.start_http(pool("one", C_TOOLS))
        client = daemon.connect()
        daemon.occupy(client, "one")
        daemon.signal(signal.SIGTERM)
        eventually(lambda: self.get("/readyz").text == "stopping\n", "it is stopping")
        self.assertEqual(self.get("/healthz").status, 200)
        text = self.get("/metrics").text
        self.assertEqual(samples(text, "poold_draining"), {(): 1})
        self.assertEqual(samples(text, "poold_running"), {("one",): 1})
        http = self.http()
        daemon.release()
        client.read()
        # The last second, in which clients are told, belongs to it too.
        eventually(lambda: samples(http.get("/metrics").text, "poold_running") == {("one",): 0},
                   "nothing runs any more")
        client.close()
        self.assertEqual(daemon.wait_ended(), 0)
        self.assertTrue(http.at_end())
        self.assertFalse(os.path.exists(self.path))


class WhoSeesWhat(HttpTest):
    def seen(self, texts: bool) -> str:
        daemon = self.start_http(pool("one", TOOLBOX), texts=texts)
        daemon.announced += ["one", "pool is"]
        client = daemon.connect()
        client.answer_pool("one", "fail", [SECRET], session=SECRET)
        client.answer_pool("one", "say", [f"{SECRET}\n"])
        client.answer_pool("one", "leave", [3])
        eventually(lambda: daemon.workers()[0]["last_exit"], "the worker has ended")
        return self.get("/api/status").text

    def test_texts_stay_where_they_are(self) -> None:
        found = self.seen(texts=False)
        self.assertNotIn(SECRET, found)
        self.assertNotIn("toolbox", found)
        self.assertIn("worker_exited", found)

    def test_unless_the_configuration_says_so(self) -> None:
        found = self.seen(texts=True)
        self.assertIn(SECRET, found)
        self.assertIn("toolbox", found)


class Address(HttpTest):
    """At an IP, where a page in a browser may ask too."""

    def start_at_port(self, host: str = "127.0.0.1") -> int:
        with socket.socket() as free:
            free.bind((host, 0))
            port = int(free.getsockname()[1])
        self.start(section("http", {"listen": f"{host}:{port}"}), static_pool("s", answer="1"))
        return port

    def test_only_its_own_hosts(self) -> None:
        port = self.start_at_port()
        with Http(("127.0.0.1", port)) as http:
            for host in ("localhost", "LocalHost:80", "127.0.0.1", f"127.0.0.1:{port}", "[::1]:1"):
                self.assertEqual(http.get("/metrics", Host=host).status, 200, host)
            for host in ("evil.example", "127.0.0.1.evil.example", f"10.0.0.1:{port}", "localhost."):
                answer = http.get("/metrics", Host=host)
                self.assertEqual((answer.status, answer.text), (421, "Misdirected Request"), host)

    def test_that_of_its_address_is_one_of_them(self) -> None:
        port = self.start_at_port("127.0.0.2")
        with Http(("127.0.0.2", port)) as http:
            for host, status in (("127.0.0.2", 200), (f"127.0.0.2:{port}", 200), ("127.0.0.3", 421)):
                self.assertEqual(http.get("/metrics", Host=host).status, status, host)

    def test_an_address_in_use(self) -> None:
        port = self.start_at_port()
        config = f"{self.path}.conf"
        with open(config, "w", encoding="ascii") as file:
            file.write(section("daemon", {"socket": f"{self.path}.d", "log_target": "stderr"}) +
                       section("http", {"listen": f"127.0.0.1:{port}"}) +
                       static_pool("s", answer="1"))
        ended = subprocess.run([str(BUILD / "poold"), "-c", config], capture_output=True, text=True,
                               timeout=stretch(20), check=False)
        self.assertEqual(ended.returncode, 1)
        self.assertIn(f"HTTP at 127.0.0.1:{port}: Address already in use", ended.stderr)


class SocketFile(HttpTest):
    def test_one_that_is_swept_away_is_made_anew(self) -> None:
        daemon = self.start_http(static_pool("s", answer="1"))
        daemon.announced.append("made anew")
        kept = self.http()
        self.assertEqual(kept.get("/healthz").status, 200)
        mode = os.stat(self.path).st_mode
        for _ in range(2):
            os.unlink(self.path)
            os.unlink(f"{self.path}.lock")
            eventually(lambda: os.path.exists(self.path), "it is back")
            self.assertEqual(os.stat(self.path).st_mode, mode)
            self.assertEqual(self.get("/healthz").status, 200)
        self.assertEqual(kept.get("/healthz").status, 200)
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_ended(), 0)
        self.assertFalse(os.path.exists(self.path))


class Strain(HttpTest):
    """Who stalls, floods or sends garbage."""

    def test_garbage(self) -> None:
        daemon = self.start_http(pool("well", UNRULY))
        random = self.random(16)
        with Bystander(daemon) as honest:
            for _ in range(100):
                with Http(self.path) as http:
                    http.send(random.randbytes(random.randrange(1, 3 * HEAD_MAX)))
            self.assertEqual(self.get("/healthz").status, 200)
        honest.check_served(HONEST)

    def test_a_crowd_that_says_nothing(self) -> None:
        daemon = self.start_http(pool("well", UNRULY))
        with Bystander(daemon) as honest:
            crowd = []
            for step in range(5 * PLACES):
                crowd.append(self.http())
                if step % 10 == 0:
                    # It is answered after those that came before it.  They are over after a while
                    # anyway, so the number must be right at once.
                    self.assertEqual(self.get("/healthz").status, 200)
                    self.assertLessEqual(open_connections(daemon, self.path), PLACES + 1)
            for each in crowd:
                each.close()
        honest.check_served(HONEST)

    def test_who_asks_and_never_reads(self) -> None:
        daemon = self.start_http(pool("well", UNRULY), memory_max="64M", output_max="16M",
                                 message_max="1M", response_max="1M")
        with Bystander(daemon) as honest:
            crowd = [self.http() for _ in range(PLACES)]
            for each in crowd:
                each.socket.setblocking(False)
                request = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 1000
                self.assertGreater(each.socket.send(request), 0)
            held = [daemon.ask("poold.status")["memory"]["buffers"] for _ in range(50)]
            self.assertLess(max(held), 8 << 20)
            # No place is left: who comes now is turned away at once and does not wait.
            with Http(self.path) as late:
                self.assertTrue(self.is_over(late, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"))
            # They are closed when they have stood still for ten seconds.
            eventually(lambda: self.answers(), "there is a place again", 30.0)
        honest.check_served(HONEST)
        self.assertGreaterEqual(daemon.ask("poold.stats")["daemon"]["http_refused"], PLACES)

    def test_who_asks_and_reads_a_little_at_a_time(self) -> None:
        """Each ten seconds the daemon can write a part, and yet the answer is not over in half a minute."""
        daemon = self.start_http(*(static_pool(f"{'x' * 28}-{i}", answer="1") for i in range(62)))
        # The kernel takes the last part after 30.7 s: if the daemon stands still just before, the answer is over.
        self.assertTrue(any(self.is_cut_off(daemon) for _ in range(3)))

    def is_cut_off(self, daemon: Daemon) -> bool:
        """Reads an answer a little at a time.  Returns False when all of it was written in the end."""
        slow = self.http()
        slow.socket.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        begun, taken = time.monotonic(), 0
        before = daemon.ask("poold.stats")["daemon"]["http_refused"]

        def is_over() -> bool:
            nonlocal taken
            passed = time.monotonic() - begun
            if taken < passed * A_LITTLE and select.select([slow.socket], [], [], 0)[0]:
                taken += len(slow.socket.recv(4096))
            return daemon.ask("poold.stats")["daemon"]["http_refused"] > before or passed > 60

        eventually(is_over, "it is closed", 90.0, least_pause=0.1)
        if daemon.ask("poold.stats")["daemon"]["http_refused"] == before:
            return False
        self.assertGreater(time.monotonic() - begun, 29)
        while data := slow.socket.recv(1 << 20):
            taken += len(data)
        self.assertLess(taken, len(self.get("/metrics").text))
        return True

    def test_those_that_have_left_keep_nobody_out(self) -> None:
        """The daemon stands still; one comes, and then all others go in the middle of a request."""
        daemon = self.start_http(pool("well", UNRULY))
        daemon.announced.append("the daemon stood still")
        crowd = [self.http() for _ in range(PLACES)]
        for each in crowd:
            self.assertEqual(each.get("/healthz").status, 200)
        procs.stop(daemon.pid)
        late = self.http()
        for each in crowd:
            each.send(b"GET /")
            each.close()
        late.ask("/healthz")
        daemon.signal(signal.SIGCONT)
        self.assertEqual(late.read().status, 200)
        self.assertEqual(daemon.ask("poold.stats")["daemon"]["http_refused"], 0)

    @staticmethod
    def is_over(http: Http, request: bytes) -> bool:
        try:
            http.send(request)
            http.read()
        except (EOFError, OSError):
            return True
        return False

    def answers(self) -> bool:
        try:
            return self.get("/healthz").status == 200
        except (EOFError, OSError):
            return False

    def test_half_a_request(self) -> None:
        self.start_http(static_pool("s", answer="1"))
        http = self.http()
        http.send(b"GET /healthz HTTP/1.1\r\nHo")
        with Timed() as timed:
            self.assertEqual(http.read().status, 408)
        self.assertGreater(timed.seconds, 4.0)
        self.assertTrue(http.at_end())

    def test_a_flood_of_requests(self) -> None:
        daemon = self.start_http(pool("well", UNRULY), *(static_pool(f"s{i}", answer="1")
                                                         for i in range(60)))
        leaving = threading.Event()

        def flood() -> None:
            while not leaving.is_set():
                with Http(self.path) as http:
                    for _ in range(200):
                        http.get("/metrics")

        threads = [threading.Thread(target=flood) for _ in range(4)]
        with Bystander(daemon) as honest:
            for thread in threads:
                thread.start()
            try:
                eventually(lambda: daemon.ask("poold.stats")["daemon"]["http_requests"] > 1000,
                           "it answers", 60.0)
            finally:
                leaving.set()
                for thread in threads:
                    thread.join()
        honest.check_served(HONEST)

    def test_no_descriptors_are_left(self) -> None:
        daemon = self.start_http(pool("raw", UNRULY))
        client = daemon.connect()
        client.call("poold.version")
        before = len(procs.descriptors(daemon.pid))
        _, most = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        # Of these the last tenth is for workers.
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (2 * before, most))
        crowd = [self.http() for _ in range(3 * before)]
        for step in range(20):
            self.assertEqual(client.call("raw.echo", step), [step])
        self.assertLess(len(procs.descriptors(daemon.pid)), 2 * before)
        (worker,) = daemon.worker_pids()
        daemon.announced += ["pool=raw"]
        procs.kill(worker)
        daemon.wait_workers("raw", 1, apart_from=(worker,))
        for each in crowd:
            each.close()
        eventually(self.answers, "there are descriptors again")
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (most, most))

    def test_clients_have_their_own_places(self) -> None:
        daemon = self.start_http(pool("one", C_TOOLS), connections_max=10, control_reserve=1)
        crowd = [self.http() for _ in range(PLACES)]
        self.assertEqual([each.get("/healthz").status for each in crowd], [200] * PLACES)
        clients = [Raw(daemon.path) for _ in range(9)]
        for client in clients:
            self.assertEqual(client.call_pool("one", "echo", [1]), 1)
            client.close()
        for each in crowd:
            each.close()


if __name__ == "__main__":
    unittest.main()
