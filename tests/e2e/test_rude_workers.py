"""Workers that break the rules: each harms its own request only, and is replaced."""

from __future__ import annotations

import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import procs
from bystander import BystanderTest
from clock import Timed, eventually, ms, stretch
from harness import START_TIMEOUT, TOOLBOX, DaemonTest, pool, worker
from raw import Answer, call_params, pack, result

RUDE = worker("rude")


class WorkerTest(BystanderTest):
    """A pool of one rude worker beside a bystander."""

    def check_replaced(self, method: str, args: object = None, **limits: object) -> Answer:
        """Calls a rude method of a pool with these options; afterwards another process serves.  Returns
        the error."""
        with self.beside_bystander(pool("rude", RUDE, **limits)) as daemon:
            daemon.announced.append("pool=rude")
            client = daemon.connect(map_errors=True)
            (before,) = daemon.worker_pids("rude")
            answer = client.answer_pool("rude", method, args)
            (after,) = daemon.wait_workers("rude", 1, apart_from=(before,))
            self.assertEqual(client.call_pool("rude", "echo", "next"), "next")
            client.check_quiet()
            self.assertEqual(procs.wait_gone([before], 2.0), [])
            self.assertEqual((answer.error["worker"], answer.error["attempt"]), (1, 1))
            self.assertEqual(answer.error["pid"], before)
        return answer

    def check_code(self, code: str, method: str, args: object = None, **limits: object) -> None:
        """The same, for an error that may have come after the function ran."""
        answer = self.check_replaced(method, args, **limits)
        self.assert_code(answer, code)
        self.assertEqual(answer.error["executed"], "maybe")

    def check_unharmed(self, method: str, args: object, expected: object) -> None:
        """A method that is odd, and that the worker is not replaced for."""
        with self.beside_bystander(pool("rude", RUDE)) as daemon:
            before = daemon.worker_pids("rude")
            client = daemon.connect()
            self.assertEqual(client.call_pool("rude", method, args), expected)
            self.assertEqual(client.call_pool("rude", "echo", "next"), "next")
            self.assertEqual(daemon.worker_pids("rude"), before)


class BadBytes(WorkerTest):
    """Answers that cannot be read."""

    def test_garbage(self) -> None:
        self.check_code("decode_error", "garbage")

    def test_text_of_a_stray_print(self) -> None:
        self.check_code("protocol_violation", "text")

    def test_half_an_answer_and_an_exit(self) -> None:
        self.check_code("worker_exited", "half")

    def test_half_an_answer_and_a_kill(self) -> None:
        self.check_code("worker_killed", "half_killed")

    def test_half_an_answer_and_silence(self) -> None:
        self.check_code("attempt_timeout", "half_silent", attempt_timeout=ms(600))

    def test_a_gigabyte_that_is_only_announced(self) -> None:
        self.check_code("response_too_large", "gigabyte")

    def test_more_items_than_there_can_be(self) -> None:
        self.check_code("response_too_large", "wide", attempt_timeout=ms(5000))

    def test_five_elements(self) -> None:
        self.check_code("protocol_violation", "five_elements")

    def test_a_fourth_type(self) -> None:
        self.check_code("protocol_violation", "fourth_type")

    def test_byte_by_byte(self) -> None:
        self.check_unharmed("byte_by_byte", "slowly", "slowly")


class BadAnswers(WorkerTest):
    """Answers that were not asked for, or not now."""

    def test_an_unknown_id(self) -> None:
        answer = self.check_replaced("unknown_id")
        self.assert_code(answer, "protocol_violation")
        self.assertRegex(answer.error["message"], r"^worker 1: .*does not have")

    def test_two_answers(self) -> None:
        with self.beside_bystander(pool("rude", RUDE)) as daemon:
            daemon.announced.append("pool=rude")
            client = daemon.connect()
            (before,) = daemon.worker_pids("rude")
            self.assertEqual(client.call_pool("rude", "twice", "once"), "once")
            daemon.wait_workers("rude", 1, apart_from=(before,))
            self.assertEqual(client.call_pool("rude", "echo", "next"), "next")
            client.check_quiet()

    def test_an_answer_after_the_deadline(self) -> None:
        self.check_code("attempt_timeout", "late", stretch(2), attempt_timeout=ms(600))

    def test_no_answer(self) -> None:
        self.check_code("attempt_timeout", "silent", attempt_timeout=ms(600))

    def test_no_answer_and_no_ear(self) -> None:
        self.check_code("attempt_timeout", "deaf", attempt_timeout=ms(600))

    def test_a_second_ready(self) -> None:
        self.check_code("protocol_violation", "ready_again", "x")

    def test_requests_of_its_own(self) -> None:
        """They are answered with an error; a worker that never reads those is not waited for."""
        self.check_code("protocol_violation", "flood_requests")

    def test_notifications_without_an_end(self) -> None:
        self.check_code("attempt_timeout", "flood_notes", attempt_timeout=ms(600))

    def test_both_an_error_and_a_result(self) -> None:
        """One of them is taken; the client gets one answer in good form."""
        with self.beside_bystander(pool("rude", RUDE)) as daemon:
            daemon.announced.append("pool=rude")
            client = daemon.connect(map_errors=True)
            answer = client.answer_pool("rude", "error_and_result")
            self.assertIn(answer.code, ("exception", "protocol_violation"))
            self.assertEqual(client.call_pool("rude", "echo", "next"), "next")


class Errors(WorkerTest):
    """Errors in shapes that the dialect does not have."""

    def check_exception(self, method: str, text: str) -> None:
        with self.beside_bystander(pool("rude", RUDE)) as daemon:
            before = daemon.worker_pids("rude")
            client = daemon.connect(map_errors=True)
            error = client.answer_pool("rude", method).error
            self.assertEqual((error["code"], error["retryable"]), ("exception", False))
            self.assertIn(text, error["message"])
            self.assertEqual(daemon.worker_pids("rude"), before)

    def test_the_stock_pair(self) -> None:
        self.check_exception("error_number", "a stock error")

    def test_a_bare_text(self) -> None:
        self.check_exception("error_text", "a bare text")

    def test_a_map_of_wrong_types(self) -> None:
        self.check_exception("error_odd", "")


class Channel(WorkerTest):
    """What workers do with their channel, their signals and their standard error."""

    def test_it_hangs_up_and_lives_on(self) -> None:
        self.check_code("peer_closed", "hang_up")

    def test_it_hangs_up_for_writing(self) -> None:
        self.check_code("peer_closed", "half_close")

    def test_it_hangs_up_and_hears_no_signal(self) -> None:
        self.check_code("peer_closed", "stubborn")

    def test_it_leaves_a_grandchild_that_holds_the_channel(self) -> None:
        self.check_code("worker_exited", "orphans")

    def test_it_answers_and_never_reads_again(self) -> None:
        with self.beside_bystander(pool("rude", RUDE, attempt_timeout=ms(800))) as daemon:
            daemon.announced.append("pool=rude")
            client = daemon.connect(map_errors=True)
            (before,) = daemon.worker_pids("rude")
            self.assertEqual(client.call_pool("rude", "read_nothing", 1), 1)
            answer = client.answer_pool("rude", "echo", bytes(4 << 20))
            self.assert_code(answer, "attempt_timeout")
            daemon.wait_workers("rude", 1, apart_from=(before,))

    def test_standard_error_is_flooded(self) -> None:
        with self.beside_bystander(pool("rude", RUDE)) as daemon:
            daemon.announced.append("lines of this log were lost")
            client = daemon.connect()
            self.assertEqual(client.call_pool("rude", "flood_errors", 1), 1)
            client.check_quiet()


class Results(WorkerTest):
    """Results of odd sizes and forms that are allowed."""

    def test_ten_thousand_levels(self) -> None:
        with self.beside_bystander(pool("rude", RUDE)) as daemon:
            client = daemon.connect()
            number = client.ask_bytes(
                "poold.call", call_params("rude", "deep", pack(10_000))
            )
            wanted = result(number, b"\x91" * 10_000 + b"\xc0")
            self.assertEqual(client.read_exactly(len(wanted)), wanted)

    def test_over_the_limit(self) -> None:
        with self.beside_bystander(pool("rude", RUDE), response_max="1M") as daemon:
            daemon.announced.append("pool=rude")
            client = daemon.connect(map_errors=True)
            (before,) = daemon.worker_pids("rude")
            self.assertEqual(len(client.call_pool("rude", "large", 1_000_000)), 1_000_000)
            answer = client.answer_pool("rude", "large", 2_000_000)
            self.assert_code(answer, "response_too_large")
            daemon.wait_workers("rude", 1, apart_from=(before,))
            self.assertEqual(len(client.call_pool("rude", "large", 1000)), 1000)


class Starts(BystanderTest):
    """Workers that do not even start."""

    def check_never_ready(self, start: str, **options: object) -> Answer:
        """A pool whose workers never get ready refuses; returns the refusal."""
        pools = (pool("rude", worker("rude", start), **options),)
        with self.beside_bystander(*pools, start_timeout=ms(200)) as daemon:
            daemon.announced += ["pool=rude", "^rude: ", START_TIMEOUT]
            client = daemon.connect(map_errors=True)
            answer = client.answer_pool("rude", "echo", 1, timeout_ms=round(stretch(5000)))
            self.assertEqual(answer.error["executed"], "no")
            health = daemon.ask("poold.health")["pools"]
            self.assertEqual(health["rude"]["status"], "down")
            self.assertEqual(health["well"]["status"], "ok")
        return answer

    def test_it_exits_at_once(self) -> None:
        self.assert_code(self.check_never_ready("exit_at_once"), "pool_unavailable")

    def test_it_exits_with_status_0(self) -> None:
        self.assert_code(self.check_never_ready("exit_well"), "pool_unavailable")

    def test_it_says_that_its_configuration_is_wrong(self) -> None:
        self.assert_code(self.check_never_ready("exit_config"), "pool_unavailable")

    def test_it_speaks_garbage(self) -> None:
        self.assert_code(self.check_never_ready("garbage_first"), "pool_unavailable")

    def test_it_answers_before_it_is_asked(self) -> None:
        self.assert_code(self.check_never_ready("answer_first"), "pool_unavailable")

    def test_it_hangs_up(self) -> None:
        self.assert_code(self.check_never_ready("hang_up_first"), "pool_unavailable")

    def test_it_is_ready_in_words_of_wrong_types(self) -> None:
        self.assert_code(self.check_never_ready("ready_wrongly"), "pool_unavailable")

    def test_it_never_says_that_it_is_ready(self) -> None:
        answer = self.check_never_ready("never_ready", init_timeout="50ms", kill_grace="10ms")
        self.assert_code(answer, "pool_unavailable")

    def test_its_command_is_not_there(self) -> None:
        with self.beside_bystander(
            pool("none", "/nonexistent/command"), start_timeout=ms(200)
        ) as daemon:
            daemon.announced += ["pool=none", START_TIMEOUT]
            client = daemon.connect(map_errors=True)
            answer = client.answer_pool("none", "echo", 1, timeout_ms=round(stretch(5000)))
            self.assert_code(answer, "pool_unavailable")

    def test_a_request_waits_for_a_worker_that_is_slow_to_start(self) -> None:
        with self.beside_bystander(
            pool("rude", worker("rude", "never_ready")), start_timeout=ms(200)
        ) as daemon:
            daemon.announced += ["pool=rude", START_TIMEOUT]
            client = daemon.connect(map_errors=True)
            with Timed() as timed:
                answer = client.answer_pool("rude", "echo", 1, timeout_ms=200)
            self.assert_code(answer, "queue_timeout")
            self.assert_in_time(timed, 0.2)

    def test_it_is_ready_without_a_word_about_itself(self) -> None:
        with self.beside_bystander(pool("rude", worker("rude", "ready_bare"))) as daemon:
            self.assertEqual(daemon.connect().call_pool("rude", "echo", 1), 1)

    def test_it_is_ready_and_then_deaf(self) -> None:
        """Health checks find it out, and a call ends at its deadline."""
        deaf = pool(
            "deaf", worker("rude", "ready_then_deaf"), ping_interval="20ms", ping_timeout="50ms"
        )
        with self.beside_bystander(deaf) as daemon:
            daemon.announced.append("pool=deaf")
            eventually(lambda: daemon.counters("deaf")["worker_kills"] >= 2, "they are replaced")
            answer = daemon.connect().answer_pool("deaf", "echo", 1, timeout_ms=300)
            self.assertIn(
                answer.code, ("deadline_exceeded", "queue_timeout", "worker_killed")
            )

    def test_a_pool_comes_back_when_its_worker_can_start(self) -> None:
        """What could not be started is tried again, slowly, and then serves."""
        command = Path(self.enterContext(TemporaryDirectory())) / "comes-later"
        with self.beside_bystander(pool("later", str(command)), start_timeout=ms(200)) as daemon:
            daemon.announced += ["pool=later", START_TIMEOUT]
            eventually(lambda: daemon.pool("later")["status"] == "down", "it is down")
            command.write_text(f"#!/bin/sh\nexec {RUDE}\n")
            command.chmod(0o755)
            daemon.wait_workers("later", 1)
            daemon.take_measure()
            self.assertEqual(daemon.connect().call_pool("later", "echo", 1), 1)
            self.assertEqual(daemon.pool("later")["status"], "ok")


class Deaths(WorkerTest):
    """Workers of the SDK that end while they serve."""

    def check_death(self, code: str, method: str, args: list[object]) -> dict[str, Any]:
        """Calls what ends the worker; another serves afterwards.  Returns the error."""
        daemon = self.start(pool("tools", TOOLBOX))
        daemon.announced.append("pool=tools")
        (before,) = daemon.worker_pids()
        client = daemon.connect(map_errors=True)
        answer = client.answer_pool("tools", method, args)
        self.assert_code(answer, code)
        daemon.wait_workers("tools", 1, apart_from=(before,))
        self.assertEqual(client.call_pool("tools", "echo", ["next"]), "next")
        client.check_quiet()
        return answer.error

    def test_exit_with_an_error(self) -> None:
        error = self.check_death("worker_exited", "leave", [9])
        self.assertIn("exit status 9", error["message"])
        self.assertEqual(error["executed"], "maybe")

    def test_exit_without_an_error(self) -> None:
        self.check_death("worker_exited", "leave", [0])

    def test_a_fault_of_memory(self) -> None:
        error = self.check_death("worker_exited", "die", [int(signal.SIGSEGV)])
        self.assertIn("signal 11", error["message"])

    def test_a_kill_from_outside(self) -> None:
        self.check_death("worker_killed", "die", [int(signal.SIGKILL)])

    def test_an_idempotent_request_is_tried_again(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, idempotent=True))
        daemon.announced.append("pool=tools")
        notes = str(daemon.directory / "notes")
        found = daemon.connect().call_pool("tools", "leave_once", [notes], meta=True)
        self.assertEqual((found["result"], found["meta"]["attempts"]), (2, 2))
        self.assertEqual(daemon.counters("tools")["retried"], 1)

    def test_one_that_is_not_is_not(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        daemon.announced.append("pool=tools")
        notes = daemon.directory / "notes"
        client = daemon.connect()
        self.assert_code(client.answer_pool("tools", "leave_once", [str(notes)]), "worker_exited")
        self.assertEqual(notes.read_text(), "x")
        self.assertEqual(daemon.counters("tools")["retried"], 0)

    def test_a_request_may_say_itself_that_it_is_idempotent(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX), pool("safe", TOOLBOX, idempotent=True))
        daemon.announced.append("pool=(tools|safe)")
        client = daemon.connect()
        first, second = str(daemon.directory / "first"), str(daemon.directory / "second")
        self.assertEqual(client.call_pool("tools", "leave_once", [first], idempotent=True), 2)
        answer = client.answer_pool("safe", "leave_once", [second], idempotent=False)
        self.assert_code(answer, "worker_exited")

    def test_poison_takes_down_no_more_workers_than_allowed(self) -> None:
        for allowed in (0, 1, 3):
            with self.subTest(max_crash_retries=allowed):
                daemon = self.start(
                    pool("tools", TOOLBOX, idempotent=True, max_crash_retries=allowed, workers=2)
                )
                daemon.announced.append("pool=tools")
                client = daemon.connect(map_errors=True)
                answer = client.answer_pool("tools", "leave", [4])
                self.assert_code(answer, "worker_exited")
                self.assertEqual(answer.error["attempt"], 1 + allowed)
                crashes = daemon.counters("tools")["worker_crashes"]
                self.assertEqual(crashes, 1 + allowed)

    def test_max_attempts_of_a_request(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, idempotent=True, max_crash_retries=5))
        daemon.announced.append("pool=tools")
        client = daemon.connect(map_errors=True)
        answer = client.answer_pool("tools", "leave", [4], max_attempts=2)
        self.assertEqual(answer.error["attempt"], 2)

    def test_what_waited_behind_it_is_served_by_the_next(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX, prefetch=8))
        daemon.announced.append("pool=tools")
        client = daemon.connect()
        bad = client.ask("tools.leave", 3)
        asked = {client.ask("tools.echo", step): step for step in range(8)}
        answers = {answer.id: answer for answer in (client.read() for _ in range(9))}
        self.assert_code(answers.pop(bad), "worker_exited")
        self.assertEqual({number: answer.result for number, answer in answers.items()}, asked)

    def test_its_children_end_with_it(self) -> None:
        daemon = self.start(pool("tools", TOOLBOX))
        daemon.announced.append("pool=tools")
        client = daemon.connect()
        child = client.call("tools.spawn_child")
        client.answer("tools.leave", 1)
        self.assertEqual(procs.wait_gone([child], 2.0), [])


class Scaling(DaemonTest):
    """workers = A..B"""

    def test_more_are_started_when_they_are_needed_and_stopped_when_not(self) -> None:
        daemon = self.start(
            pool("tools", TOOLBOX, workers="1..3", prefetch=0, idle_timeout="300ms")
        )
        client = daemon.connect()
        self.assertEqual(len(daemon.worker_pids()), 1)
        asked = [daemon.occupy(client) for _ in range(3)]
        self.assertEqual(daemon.pool("tools")["workers"]["busy"], 3)
        daemon.release()
        self.assertEqual({client.read().id for _ in asked}, set(asked))
        daemon.wait_workers("tools", 1)
        self.assertEqual(client.call("tools.echo", 1), 1)
        self.assertEqual(daemon.counters("tools")["worker_crashes"], 0)
