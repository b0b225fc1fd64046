"""What goes wrong in chaos.py: the scenarios by name.  What each does is in faults_*.py, one file for each kind."""

from __future__ import annotations

import faults_between as between
import faults_clients as clients
import faults_processes as processes
import faults_scarcity as scarcity
import faults_system as system
from stage import Scenario, wait

# How a call ends whose worker was killed, or whose bytes were.
KILLED = ("worker_killed", "worker_exited", "peer_closed", "pool_unavailable", "circuit_open")

# How one ends whose worker's messages are cut, come in another order, or not at all.
TORN = (*KILLED, "decode_error", "protocol_violation", "attempt_timeout", "queue_timeout")

SCENARIOS: dict[str, Scenario] = {
    "kills": Scenario(
        "workers in Python, their fork server and the guard are killed at random",
        processes.kill_at_random, codes=KILLED, announced=("guard",),
    ),
    "torn-clients": Scenario(
        "somebody between clients and the daemon delays, splits, reorders, cuts, changes, doubles what they say",
        wait, between.torn_pools, between.torn_clients, codes=("lost",), torn=("changed",),
        once=("once", "twice"), uncounted=("twice", "changed"),
    ),
    "torn-workers": Scenario(
        "somebody between the daemon and its workers does the same",
        between.watch_restarts, between.torn_worker_pools, between.torn_worker_clients, codes=TORN,
        torn=tuple(f"{habit}-{where}" for habit in between.ROUGH for where in ("fd", "stdio")),
        once=tuple(f"{habit}-{where}" for habit in ("delay", "split") for where in ("fd", "stdio")),
    ),
    "torn-server": Scenario(
        "somebody between the daemon and a server that it does not run does the same",
        wait, between.torn_server_pools, between.torn_server_clients, codes=TORN, once=("delay", "split"),
    ),
    "stopped-helpers": Scenario(
        "workers, the fork server and the guard stand still at random, some for so long that they are replaced",
        processes.stop_at_random, codes=KILLED, announced=("guard",),
    ),
    "stopped-daemon": Scenario(
        "the daemon stands still at random, while its processes are killed",
        processes.stop_daemon, codes=KILLED, announced=("guard", "stood still"), honest=3.0,
    ),
    "killed-daemon": Scenario(
        "the daemon is killed, and started again by its supervisor",
        processes.kill_daemon, codes=("lost",), announced=(".*",), honest=0, counted=False,
    ),
    "descriptors": Scenario(
        "the daemon has no descriptors left, again and again",
        scarcity.take_descriptors, codes=(*KILLED, "spawn_failed"),
        announced=("no new connections", "guard", "descriptor"),
    ),
    "processes": Scenario(
        "the daemon can start no process, again and again",
        scarcity.take_processes, scarcity.ordinary_pools, codes=(*KILLED, "spawn_failed", "process_limit"),
        announced=("guard",), make=scarcity.ordinary_daemon,
    ),
    "memory": Scenario(
        "clients want more memory than the daemon may use",
        scarcity.begin_large, scarcity.small_pools, scarcity.hungry_clients,
        codes=("memory_limit", "queue_full", "lost"),
        options={"memory_max": "24M", "message_max": "2M", "response_max": "2M", "output_pause": "1M",
                 "output_max": "4M"},
        announced=("memory is short",),
    ),
    "disk": Scenario(
        "the disk is full, on which the daemon keeps its errors",
        scarcity.fill_disk, clients=scarcity.failing_clients, codes=("exception", "circuit_open"),
        announced=("errors",), make=scarcity.daemon_on_disk,
    ),
    "queue": Scenario(
        "far more is asked than may wait",
        scarcity.flood_queue, scarcity.narrow_pools, scarcity.many_clients, codes=(*KILLED, "queue_full", "shed"),
    ),
    "partial": Scenario(
        "one method, one session, one worker, one pool is bad",
        wait, clients.partly_bad_pools, clients.partly_bad_clients, codes=(*KILLED, "exception", "init_failed"),
        broken=("broken",),
    ),
    "vanishing": Scenario(
        "clients go without their answers, some in the middle of a message",
        wait, clients=clients.vanishing_clients, codes=("lost",),
    ),
    "herd": Scenario(
        "a thousand clients come at once",
        clients.gather, codes=("lost",), options={"connections_max": 1100}, honest=5.0,
    ),
    "clocks": Scenario(
        "a clock of the daemon jumps by seconds, an hour, a day",
        wait, system.cold_pools,
        codes=(*KILLED, "deadline_exceeded", "queue_timeout", "attempt_timeout", "init_timeout"),
        announced=("stood still", "guard", "clock"), make=system.jumping_daemon, each=2.5, honest=5.0,
    ),
    "libc": Scenario(
        "calls of the daemon's C library fail at random", wait,
        codes=(*KILLED, "lost", "memory_limit", "spawn_failed", "process_limit", "init_failed", "init_timeout",
               "attempt_timeout", "deadline_exceeded", "queue_timeout", "queue_full"),
        announced=(".*",), make=system.failing_daemon, each=2.5, honest=0, counted=False,
    ),
}
