"""A stock MessagePack-RPC server as the workers of a pool: the editor nvim, which knows nothing of
poold, on its standard input and output."""

from __future__ import annotations

import shutil
import signal
import threading
import unittest

import msgpack
import poold

import procs
from clients import ClientTest
from clock import eventually, ms, stretch
from harness import LOAD, START_TIMEOUT, Daemon, pool, retry

NVIM = "nvim --embed --headless -u NONE -i NONE -n"

# Calls of each client under load.
CALLS = 2000 * LOAD

# What the editor prints when a signal ends it.
LAST_WORDS = ["^Vim: ", "^$"]


def nvim_pool(**options: object) -> str:
    return pool("nvim", NVIM, **{"dialect": "msgpack-rpc", **options})


@unittest.skipUnless(shutil.which("nvim"), "nvim is not installed")
class Nvim(ClientTest):
    def start_nvim(self, *more: str, **options: object) -> tuple[Daemon, poold.Client]:
        daemon = self.start(nvim_pool(**options), *more)
        return daemon, self.connect_client(daemon)

    def test_results(self) -> None:
        daemon, client = self.start_nvim()
        self.assertEqual(client.call("nvim", "nvim_eval", "6 * 7"), 42)
        lua = "local a, b = ... return {a .. b, #a}"
        self.assertEqual(client.call("nvim", "nvim_exec_lua", lua, ["to be", "!"]), ["to be!", 5])
        self.assertEqual(client.request("nvim.nvim_eval", ["'ä' .. '1.5'"]), "ä1.5")
        self.assertEqual(client.request("poold.call", ["nvim", "nvim_eval", "1 + 1"]), 2)
        self.assertEqual(client.request("poold.call", ["nvim", "nvim_get_mode", None])["mode"], "n")
        shown = daemon.pool("nvim")
        self.assertEqual((shown["adapter"], shown["dialect"]), ("process", "msgpack-rpc"))

    def test_values_of_its_own_types_pass_unchanged(self) -> None:
        _, client = self.start_nvim()
        self.assertEqual(client.call("nvim", "nvim_list_bufs"), [msgpack.ExtType(0, b"\x01")])
        window = client.call("nvim", "nvim_get_current_win")
        self.assertEqual(client.call("nvim", "nvim_win_get_buf", window).code, 0)

    def test_positional_and_keyword_arguments_together_are_not_sent(self) -> None:
        daemon, client = self.start_nvim()
        daemon.announced.append("code=encode_error")
        error = self.failure("encode_error", client, "nvim", "nvim_eval", "1", a=2)
        self.assertEqual(error.executed, "no")
        self.assertIn("said in msgpack-rpc: positional and keyword", error.raw["message"])
        self.assertEqual(client.call("nvim", "nvim_eval", "6 * 7"), 42)

    def test_its_errors(self) -> None:
        _, client = self.start_nvim()
        error = self.failure("exception", client, "nvim", "nvim_no_such")
        self.assertIn("Invalid method: nvim_no_such", error.raw["message"])
        self.assertEqual((error.executed, error.category), ("yes", "application_error"))
        error = self.failure("exception", client, "nvim", "nvim_eval", "1 +")
        self.assertIn("E15", error.raw["message"])
        self.assertEqual(client.call("nvim", "nvim_eval", "1"), 1)

    def test_it_calls_back_while_it_is_called(self) -> None:
        """Its request is answered with an error, and ours with what it makes of that."""
        daemon, client = self.start_nvim()
        (pid,) = daemon.worker_pids("nvim")
        lua = "return {pcall(vim.rpcrequest, 1, 'what', 1)}"
        went_well, text = client.call("nvim", "nvim_exec_lua", lua, [])
        self.assertFalse(went_well)
        self.assertIn("the daemon takes no requests from workers", text)
        self.assertIsNone(
            client.call("nvim", "nvim_exec_lua", "vim.rpcnotify(1, 'news', 1)", [])
        )
        self.assertEqual(client.call("nvim", "nvim_eval", "1"), 1)
        self.assertEqual(daemon.worker_pids("nvim"), [pid])

    def test_health_checks_need_no_method_for_it(self) -> None:
        daemon, client = self.start_nvim(ping_interval="10ms", ping_timeout=ms(5000))
        for n in range(10):
            self.assertEqual(client.call("nvim", "nvim_exec_lua", "vim.wait(20) return 1", []), 1)
        self.assertEqual(daemon.counters("nvim")["worker_starts"], 1)

    def test_a_health_check_that_is_named_must_succeed(self) -> None:
        for ping, starts_again in (("nvim_get_mode", False), ("nvim_no_such", True)):
            with self.subTest(ping):
                daemon, client = self.start_nvim(ping_interval="10ms", ping_call=ping)
                daemon.announced += ["pool=nvim", *LAST_WORDS]
                eventually(lambda: client.call("nvim", "nvim_eval", "1") == 1, "it serves")
                if starts_again:
                    eventually(
                        lambda: daemon.counters("nvim")["worker_starts"] > 1, "it is replaced"
                    )
                else:
                    daemon.log.wait_for("worker ready")
                    for _ in range(10):
                        client.call("nvim", "nvim_exec_lua", "vim.wait(20)", [])
                    self.assertEqual(daemon.counters("nvim")["worker_starts"], 1)

    def test_ready_when_a_call_is_answered(self) -> None:
        daemon, client = self.start_nvim(ready_call="nvim_get_api_info")
        self.assertEqual(client.call("nvim", "nvim_eval", "1"), 1)
        daemon, client = self.start_nvim(ready_call="nvim_eval", ready_params='["1"]')
        self.assertEqual(client.call("nvim", "nvim_eval", "1"), 1)

    def test_not_ready_when_that_call_fails(self) -> None:
        daemon = self.launch(nvim_pool(ready_call="nvim_no_such"), start_timeout="200ms")
        daemon.announced += ["pool=nvim", START_TIMEOUT, *LAST_WORDS]
        daemon.log.wait_for("it answered nvim_no_such with an error: Invalid method")
        daemon.wait_listening()
        client = self.connect_client(daemon)
        eventually(lambda: daemon.pool("nvim")["status"] == "down", "it gives up")
        error = self.failure("pool_unavailable", client, "nvim", "nvim_eval", "1", timeout=20)
        self.assertEqual((error.executed, error.attempt), ("no", 0))

    def test_ready_when_it_says_so(self) -> None:
        command = f"{NVIM} -c \"lua vim.rpcnotify(1, 'ready', {{}})\""
        daemon = self.start(
            pool("nvim", command, dialect="msgpack-rpc", ready_notification="ready")
        )
        client = self.connect_client(daemon)
        self.assertEqual(client.call("nvim", "nvim_eval", "1"), 1)

    def test_not_ready_before_it_says_so(self) -> None:
        daemon = self.launch(
            nvim_pool(ready_notification="ready", init_timeout="200ms"), start_timeout="100ms"
        )
        daemon.announced += ["pool=nvim", START_TIMEOUT, *LAST_WORDS]
        daemon.log.wait_for("was not ready in time")
        daemon.wait_listening()
        self.assertEqual(daemon.worker_pids("nvim"), [])

    def test_the_end_of_its_input_stops_it(self) -> None:
        """No signal is needed."""
        daemon, _ = self.start_nvim(workers=3, kill_grace="20s")
        pids = daemon.worker_pids("nvim")
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait_ended(), 0)
        self.assertEqual(procs.wait_gone(pids, 1.0), [])
        self.assertNotIn("gets SIGTERM", str(daemon.log))

    def test_a_busy_loop_costs_its_worker_alone(self) -> None:
        """The editor takes no notice of SIGTERM in one."""
        daemon, client = self.start_nvim(kill_grace="50ms", attempt_timeout=ms(800))
        daemon.announced += ["pool=nvim", *LAST_WORDS]
        (pid,) = daemon.worker_pids("nvim")
        error = self.failure(
            "attempt_timeout", client, "nvim", "nvim_exec_lua", "while true do end", [], timeout=stretch(20)
        )
        self.assertEqual((error.executed, error.category), ("maybe", "timeout_error"))
        daemon.wait_workers("nvim", 1, apart_from=(pid,))
        self.assertEqual(client.call("nvim", "nvim_eval", "1"), 1)

    def test_it_leaves_in_mid_call(self) -> None:
        daemon, client = self.start_nvim()
        daemon.announced += ["pool=nvim", *LAST_WORDS]
        error = self.failure("worker_exited", client, "nvim", "nvim_command", "cquit 3")
        self.assertEqual(error.executed, "maybe")
        self.assertEqual(error.raw["detail"]["status"], 3)
        daemon.wait_workers("nvim", 1)
        self.assertEqual(client.call("nvim", "nvim_eval", "1"), 1)

    def test_load_of_several_clients_while_workers_are_killed(self) -> None:
        """Every idempotent call is answered, and right."""
        daemon, _ = self.start_nvim(
            retry("nvim", budget=1000, base="1ms"), workers=4, idempotent=True, prefetch=2,
            max_crash_retries=10, timeout=ms(60_000),
        )
        daemon.announced += ["pool=nvim", *LAST_WORDS]
        faults: list[str] = []
        clients = [
            threading.Thread(target=self.call_often, args=(daemon, faults, n)) for n in range(4)
        ]
        for thread in clients:
            thread.start()
        kills = 0
        while at_work := [thread for thread in clients if thread.is_alive()]:
            for pid in daemon.worker_pids("nvim")[:1]:
                kills += procs.kill(pid)
            at_work[0].join(0.1)
        self.assertEqual(faults, [])
        self.assertGreaterEqual(kills, 1)
        counters = daemon.counters("nvim")
        self.assertEqual(counters["succeeded"], 4 * CALLS)

    def call_often(self, daemon: Daemon, faults: list[str], number: int) -> None:
        """Its calls, eight at a time."""
        try:
            with poold.Client(daemon.path) as client:
                for begin in range(0, CALLS, 8):
                    texts = [f"{number}-{n}" for n in range(begin, begin + 8)]
                    calls = [
                        client.start("nvim", "nvim_exec_lua", "return ...", [text])
                        if n % 2
                        else client.start("nvim", "nvim_eval", f"'{text}'")
                        for n, text in enumerate(texts)
                    ]
                    found = [call.result() for call in calls]
                    if found != texts:
                        faults.append(f"{found} for {texts}")
        except poold.Error as error:
            faults.append(repr(error))
