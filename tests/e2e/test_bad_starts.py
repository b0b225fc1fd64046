"""Programs that do not become workers: the log, the errors, the callers and `poolctl doctor` say what
came from them, and what they were doing."""

from __future__ import annotations

import shlex
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any

from clients import ClientTest, poolctl
from clock import eventually, ms
from harness import START_TIMEOUT, UNRULY, Daemon, pool, socket_pool, worker
from servers import TOOLS

BANNER = "Tool server 1.2 running on stdio"


def shell(script: str) -> str:
    return shlex.join(["sh", "-c", script])


class BadStart(ClientTest):
    """Each program fails to start five times; then its pool refuses requests, and says why."""

    def start_bad(self, section: str) -> Daemon:
        daemon = self.launch(section, start_timeout=ms(200))
        daemon.announced += ["pool=bad", START_TIMEOUT]
        daemon.wait_listening()
        return daemon

    def last_incident(self, daemon: Daemon) -> dict[str, Any]:
        return next(each for each in daemon.ask("poold.errors", 50) if each["kind"] == "incident")

    def check_section(self, section: str, code: str, *patterns: str) -> Daemon:
        """All who may ask read these words."""
        daemon = self.start_bad(section)
        client = self.connect_client(daemon)
        socket_fails = "adapter = socket" in section
        refusal = "connect_failed" if socket_fails else "pool_unavailable"
        error = self.failure(refusal, client, "bad", "x")
        incident = self.last_incident(daemon)
        self.assertRegex(incident["code"], f"^({code})$")
        doctor = poolctl(daemon, "doctor", "bad").stdout
        errors = poolctl(daemon, "errors", "20").stdout
        for pattern in patterns:
            self.assertRegex(incident["message"], pattern)
            self.assertRegex(error.raw["message"], pattern)
            self.assertRegex(errors, pattern)
            self.assertRegex(doctor, pattern)
        return daemon

    def check(self, command: str, code: str, *patterns: str, **options: object) -> Daemon:
        options = {"init_timeout": "20s", **options}
        return self.check_section(pool("bad", command, **options), code, *patterns)


class Jsonrpc(BadStart):
    def check_tool(self, script: str, code: str, *patterns: str, **options: object) -> Daemon:
        return self.check(shell(script), code, *patterns, **{**TOOLS, **options})

    def test_a_banner(self) -> None:
        """The text that came, and the step; nobody has to guess from a signal."""
        self.check_tool(
            f"echo '{BANNER}'; sleep 600", "init_failed", "its message is not JSON",
            f'"{BANNER}"', "in step ready_call initialize for",
        )

    def test_a_long_banner(self) -> None:
        self.check_tool(
            "yes abcdefghi | head -c 200 | tr -d '\\n'; echo; sleep 600", "init_failed",
            '"' + "abcdefghi" * 6 + r'abcdef"\.\.\.',
        )

    def test_a_banner_and_the_end(self) -> None:
        self.check_tool(f"echo '{BANNER}'; exit 3", "init_failed", f'"{BANNER}"')

    def test_usage_without_a_newline_and_the_end(self) -> None:
        self.check_tool("printf 'usage: server FILE'; exit 2", "init_failed",
                        'no whole message: "usage: server FILE"', "exit status 2")

    def test_half_a_message_and_silence(self) -> None:
        self.check_tool(
            "printf 'Loading...'; exec sleep 600", "init_timeout", 'no whole message: "Loading..."',
            "in step ready_call initialize for", init_timeout=ms(100),
        )

    def test_nothing_at_all(self) -> None:
        self.check_tool(
            "exec sleep 600", "init_timeout", "signal 15", "in step ready_call initialize for",
            init_timeout=ms(100),
        )

    def test_words_on_standard_error_alone(self) -> None:
        """They are no step of their own: the daemon still waits for the same."""
        self.check_tool(
            "echo 'waiting for the database' >&2; exec sleep 600", "init_timeout",
            "in step ready_call initialize for", "waiting for the database", init_timeout=ms(200),
        )

    def test_a_notification_that_does_not_come(self) -> None:
        self.check(
            "sleep 600", "init_timeout", "in step ready_notification hello for",
            dialect="jsonrpc", ready_notification="hello", init_timeout=ms(100),
        )

    def test_its_last_words(self) -> None:
        self.check_tool("echo 'TOOL_KEY is not set' >&2; exit 2", "init_failed",
                        "exit status 2: TOOL_KEY is not set")

    def test_control_characters(self) -> None:
        """Nothing that a terminal obeys gets through."""
        self.check_tool("printf '\\033[31mred\\007\\n'; sleep 600", "init_failed",
                        r'"\\x1b\[31mred\\x07"')

    def test_content_length(self) -> None:
        """The framing of language servers."""
        self.check_tool("printf 'Content-Length: 2\\r\\n\\r\\n{}'; sleep 600", "init_failed",
                        '"Content-Length: 2')

    def test_it_closes_its_output(self) -> None:
        self.check_tool("exec sleep 600 >&-", "init_failed", "it closed its standard output",
                        "in step ready_call initialize")

    def test_it_closes_its_input(self) -> None:
        """Before the call was written to it, or behind that."""
        self.check_tool(
            "exec sleep 600 <&-", "init_failed|init_timeout", "it closed its standard input",
            "in step ready_call initialize", init_timeout=ms(200),
        )

    def test_an_error_for_an_answer(self) -> None:
        answer = '{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"old version"}}'
        self.check_tool(f"read -r line; echo '{answer}'; sleep 600", "init_failed",
                        "answered initialize with an error: old version; it ended")


    def test_a_request_that_waits_for_it_in_vain(self) -> None:
        """While the pool still tries, a request that runs out of time is told why it waited."""
        script = "echo 'TOOL_KEY is not set' >&2; exit 2"
        daemon = self.start_bad(
            pool("bad", shell(script), timeout="300ms", restart_delay="1h", restart_delay_max="1h")
        )
        daemon.log.wait_for("init_failed")
        error = self.failure("queue_timeout", self.connect_client(daemon), "bad", "x")
        self.assertIn("its last start failed: the worker ended", error.raw["message"])
        self.assertIn("TOOL_KEY is not set", error.raw["message"])


class OtherDialects(BadStart):
    def test_packet4(self) -> None:
        self.check(shell("echo 'Loading model 42%'; sleep 600"), "init_failed",
                   r'stray print, .* length .*: "Loading model 42%\\n"', "ready_call ping",
                   dialect="packet4-json")

    def test_packet4_with_too_little_for_a_length(self) -> None:
        self.check(shell("printf 'ok\\n'; exec sleep 600"), "init_timeout",
                   r'no whole message: "ok\\n"', dialect="packet4-json", init_timeout=ms(100))

    def test_packet4_with_no_json_in_it(self) -> None:
        self.check(shell("printf '\\000\\000\\000\\005hello'; sleep 600"), "init_failed",
                   'not JSON.*"hello"', dialect="packet4-json")

    def test_packet4_in_binary(self) -> None:
        self.check(shell("printf '\\000\\000\\000\\002\\301\\001'; sleep 600"), "init_failed",
                   r'not one MessagePack value: "\\xc1\\x01"', dialect="packet4-msgpack")

    def test_packet4_announces_too_much(self) -> None:
        self.check(shell("printf '\\377\\376\\375\\374ab'; sleep 600"), "init_failed",
                   r'over response_max: "\\xff\\xfe\\xfd\\xfcab"', dialect="packet4-msgpack")

    def test_msgpack_rpc(self) -> None:
        """The first letter is a whole message there; all that came is quoted."""
        self.check(shell(f"echo '{BANNER}'; sleep 600"), "init_failed",
                   rf'not MessagePack-RPC: "{BANNER}\\n"', "ready_call hello",
                   dialect="msgpack-rpc", ready_call="hello")

    def test_msgpack_rpc_with_what_msgpack_is_not(self) -> None:
        self.check(shell("printf '\\301\\001\\002'; sleep 600"), "init_failed",
                   r'not MessagePack: "\\xc1\\x01\\x02"', dialect="msgpack-rpc", ready_call="x")

    def test_a_worker_of_the_sdk_kind(self) -> None:
        self.check(worker("rude", "garbage_first"), "init_failed", 'MessagePack.*: "')

    def test_a_server_that_speaks_something_else(self) -> None:
        address = Path(self.enterContext(tempfile.TemporaryDirectory())) / "s"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listener.close)
        listener.bind(str(address))
        listener.listen()

        def greet() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                    connection.recv(100)

        threading.Thread(target=greet, daemon=True).start()
        self.check_section(
            socket_pool("bad", str(address), dialect="jsonrpc", ready_call="x"),
            "init_failed", 'not JSON.*"SSH-2.0-OpenSSH_9.2', "hung up",
        )


    def test_what_an_earlier_start_did_is_not_said_of_the_next(self) -> None:
        """The program breaks the dialect, and then it is not there any more."""
        place = Path(self.enterContext(tempfile.TemporaryDirectory())) / "program"
        place.write_text("#!/bin/sh\necho hello\nsleep 600\n")
        place.chmod(0o755)
        daemon = self.start_bad(pool("bad", str(place), dialect="jsonrpc", ready_call="x"))
        daemon.log.wait_for('init_failed.*"hello"')
        place.unlink()
        daemon.log.wait_for("spawn_failed.*No such file or directory")
        eventually(
            lambda: "hello" not in poolctl(daemon, "doctor", "bad").stdout, "it is forgotten"
        )


class Counts(BadStart):
    """How many starts failed is the truth."""

    def doctor(self, daemon: Daemon) -> str:
        return poolctl(daemon, "doctor", "bad").stdout

    def test_five(self) -> None:
        daemon = self.start_bad(pool("bad", shell("exit 1"), restart_delay_max="1h"))
        eventually(lambda: "5 consecutive starts failed" in self.doctor(daemon), "five failed")
        self.assertEqual(daemon.counters("bad")["worker_start_failures"], 5)

    def test_one_that_cannot_be_mended_by_trying(self) -> None:
        """Exit status 78 stops the starts at once: it was one."""
        script = "echo 'no such model: x' >&2; exit 78"
        daemon = self.start_bad(pool("bad", shell(script), restart_delay_max="1h"))
        eventually(lambda: "1 consecutive start failed" in self.doctor(daemon), "one failed")
        self.assertIn("no such model: x", self.doctor(daemon))
        error = self.failure("pool_unavailable", self.connect_client(daemon), "bad", "x")
        self.assertIn("exit status 78: no such model: x", error.raw["message"])

    def test_a_worker_that_finds_it_out_late(self) -> None:
        """It was ready: no start failed, and still none can work."""
        script = shlex.join(["sh", "-c", "sleep 0.2; echo 'licence is over' >&2; exit 78"])
        daemon = self.start_bad(
            pool("bad", script, dialect="jsonrpc", restart_delay_max="1h")
        )
        eventually(lambda: "cannot work as they are configured" in self.doctor(daemon), "it says so")
        self.assertNotIn("consecutive", self.doctor(daemon))
        error = self.failure("pool_unavailable", self.connect_client(daemon), "bad", "x")
        self.assertIn("exit status 78: licence is over", error.raw["message"])

    def test_one_that_starts_later(self) -> None:
        """What was wrong is forgotten once a worker is ready."""
        place = Path(self.enterContext(tempfile.TemporaryDirectory())) / "mended"
        script = f"[ -e {place} ] || exit 1; exec {UNRULY}"
        daemon = self.start_bad(pool("bad", shell(script)))
        eventually(lambda: "consecutive starts failed" in self.doctor(daemon), "some failed")
        place.touch()
        daemon.wait_workers("bad", 1)
        self.assertNotIn("consecutive", self.doctor(daemon))
        daemon.take_measure()


class LaterInLife(ClientTest):
    """Garbage in mid-stream is quoted too."""

    def test_jsonrpc(self) -> None:
        daemon = self.start(pool("words", worker("toolserver"), **TOOLS))
        daemon.announced.append("pool=words")
        client = self.connect_client(daemon)
        error = self.failure("decode_error", client, "words", "write", "DEBUG: about to work")
        self.assertIn('"DEBUG: about to work"', error.raw["message"])
        daemon.wait_workers("words", 1)
        stray = '{"jsonrpc":"2.0","id":99,"result":"whose?"}'
        error = self.failure("protocol_violation", client, "words", "write", stray)
        self.assertIn(f'does not have, or was ready twice: "{stray}"', error.raw["message"])

    def test_an_answer_that_is_cut_off_is_not_quoted(self) -> None:
        """It may be anybody's data."""
        daemon = self.start(pool("bridge", worker("packet4"), dialect="packet4-json"))
        daemon.announced.append("pool=bridge")
        error = self.failure(
            "worker_exited", self.connect_client(daemon), "bridge", "half", status=3
        )
        self.assertTrue(error.raw["message"].endswith("exit status 3"), error.raw["message"])
