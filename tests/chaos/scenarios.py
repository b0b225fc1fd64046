"""What goes wrong in chaos.py: the scenarios by name."""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import procs
import public
from clock import eventually
from crowd import Habits
from harness import BUILD, SANITIZED, UNRULY, Daemon, breaker, pool, socket_pool
from ledger import Call
from raw import Raw, pack, try_connect, unpack
from stage import BOOKKEEPER, HERE, Scenario, Stage, usual_clients
from torn import Proxy

# How a call ends whose worker was killed, or whose bytes were.
KILLED = ("worker_killed", "worker_exited", "peer_closed", "pool_unavailable", "circuit_open")

# How one ends whose worker's messages are cut, come in another order, or not at all.
TORN = (*KILLED, "decode_error", "protocol_violation", "attempt_timeout", "queue_timeout")

NOBODY = 65534

# Before a command that an ordinary user is to run.
AS_ORDINARY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] * (os.geteuid() == 0)


def processes(stage: Stage, kind: str) -> list[int]:
    """Processes of the daemon that something may be done to."""
    daemon = stage.daemon
    if kind == "guard":
        return [pid for pid in procs.children(daemon.pid) if procs.name(pid) == "pguard"]
    entries = [each for each in daemon.workers() if each["pool"] != "well" and each["pid"]]
    workers = [each["pid"] for each in entries]
    if kind == "worker":
        return workers
    known = {*workers, *(each["pid"] for each in daemon.workers("well"))}
    below = [pid for pid in procs.children(daemon.pid) if pid not in known]
    return [pid for pid in below if procs.variable(pid, "POOLD_PREFORK_FD")]


def kill_at_random(stage: Stage) -> None:
    """Mostly workers, now and then the fork server or the guard."""
    while not stage.is_over():
        kind = stage.draw.choices(("worker", "fork server", "guard"), (16, 2, 1))[0]
        found = processes(stage, kind)
        if found and procs.kill(stage.draw.choice(found)):
            stage.note(f"{kind} killed")
        stage.pause(0.02, 0.3)


# --- somebody between ----------------------------------------------------------------------------

# What leaves every message as it is, and what does not.
GENTLE = ("delay", "split", "reorder", "truncate", "half")
ROUGH = ("duplicate", "corrupt")


def torn_pools(stage: Stage) -> tuple[str, ...]:
    """The usual ones, one for calls that come twice, and one for calls of which bytes are changed."""
    return (
        stage.book_pool("once", prefork=True),
        stage.book_pool("safe", idempotent=True),
        stage.book_pool("twice", prefork=True),
        stage.book_pool("changed", **{"env.BOOK": stage.directory / "changed.book"}),
        pool("well", UNRULY),
    )


def torn_clients(stage: Stage) -> None:
    """Behind a proxy of each habit two clients, and two without any."""
    stage.crowd.add(2, Habits(("once", "safe")))
    for habit in GENTLE + ROUGH:
        at = str(stage.directory / habit)
        # Copies of answers would be no fault of the daemon's.
        proxy = Proxy(at, stage.daemon.path, habit, stage.draw, back=habit != "duplicate")
        stage.cleanup.enter_context(proxy)
        pools = {"duplicate": ("twice",), "corrupt": ("changed",)}.get(habit, ("once", "safe"))
        stage.crowd.add(2, Habits(pools, window=3, careless=habit in ROUGH), at)
        stage.at_end.append(lambda habit=habit, proxy=proxy: count_strikes(stage, habit, proxy))


def count_strikes(stage: Stage, habit: str, proxy: Proxy) -> None:
    """Notes what a proxy did.  What it has passed on twice may run twice."""
    stage.done += [habit] * proxy.strikes()
    for message in proxy.copies():
        request = unpack(message)
        if request[2] == "poold.call":
            stage.ledger.calls[request[3][2][0]].copies += 1


def wait(stage: Stage) -> None:
    """What goes wrong does so by itself."""
    stage.note("lasting fault")
    while not stage.is_over():
        stage.pause(0.5, 1.0)

def wrapped(stage: Stage, habit: str, where: str, command: str) -> str:
    """The command of a worker behind a habit."""
    own = (sys.executable, str(HERE / "torn.py"), habit, str(stage.draw.randrange(1 << 31)), where)
    return shlex.join(own) + " " + command


STDIO = shlex.join([sys.executable, str(HERE / "bookkeeper.py")])


def torn_worker_pools(stage: Stage) -> tuple[str, ...]:
    """For each habit a pool at a socket, and one at standard input and output.

    Their calls may run again: somebody who swallows what a worker says makes the daemon believe
    that a call has never begun, which a worker alone cannot.  What only delays may not.
    """
    pools = [pool("well", UNRULY)]
    for habit in GENTLE + ROUGH:
        own = {"idempotent": habit not in ("delay", "split"), "workers": 1, "attempt_timeout": "2s"}
        if habit in ROUGH:
            own["env.BOOK"] = stage.directory / f"{habit}.book"
        pools.append(stage.book_pool(f"{habit}-fd", command=wrapped(stage, habit, "fd", BOOKKEEPER), **own))
        rpc = {"dialect": "msgpack-rpc"}
        pools.append(stage.book_pool(f"{habit}-stdio", command=wrapped(stage, habit, "stdio", STDIO), **own, **rpc))
    return tuple(pools)


def torn_worker_clients(stage: Stage) -> None:
    """Two clients for those that leave the bytes as they are, and one for the others."""
    for where in ("fd", "stdio"):
        stage.crowd.add(2, Habits(tuple(f"{habit}-{where}" for habit in GENTLE)))
        stage.crowd.add(1, Habits(tuple(f"{habit}-{where}" for habit in ROUGH), careless=True))


def watch_restarts(stage: Stage) -> None:
    """What is between the daemon and its workers does it by itself."""
    wait(stage)
    stats = stage.daemon.ask("poold.stats")["pools"]
    for name in sorted(stats):
        if name != "well":
            stage.done += [f"ends of {name}"] * (stats[name]["worker_starts"] - 1)


def torn_server_pools(stage: Stage) -> tuple[str, ...]:
    """A server that poold does not run, behind a proxy of each habit."""
    address = str(stage.directory / "server")
    server = subprocess.Popen(
        [sys.executable, str(HERE / "bookkeeper.py"), address],
        env={**os.environ, "BOOK": str(stage.ledger.book)}, stdout=subprocess.PIPE,
    )
    stage.cleanup.callback(server.wait)
    stage.cleanup.callback(server.kill)
    assert server.stdout is not None and server.stdout.readline() == b"listening\n"
    server.stdout.close()
    pools = [pool("well", UNRULY)]
    for habit in GENTLE:
        at = str(stage.directory / f"server-{habit}")
        proxy = stage.cleanup.enter_context(Proxy(at, address, habit, stage.draw))
        stage.at_end.append(lambda habit=habit, proxy=proxy: count_strikes(stage, habit, proxy))
        pools.append(socket_pool(habit, at, workers=2, queue_max=4096, attempt_timeout="5s",
                                 idempotent=habit in ("reorder", "truncate", "half")))
    return tuple(pools)


def torn_server_clients(stage: Stage) -> None:
    stage.crowd.add(6, Habits(GENTLE))


# --- processes that stand still, and a daemon that is killed --------------------------------------


def stop_at_random(stage: Stage) -> None:
    """Workers, the fork server, the guard stand still for a moment; the last two now and then so long
    that the daemon replaces them."""
    stopped: list[tuple[float, int]] = []
    try:
        while not stage.is_over():
            kind = stage.draw.choices(("worker", "fork server", "guard"), (8, 3, 2))[0]
            found = [pid for pid in processes(stage, kind) if pid not in dict(map(reversed, stopped))]
            if found:
                pid = stage.draw.choice(found)
                long = kind != "worker" and stage.draw.random() < 0.3
                procs.kill(pid, signal.SIGSTOP)
                stopped.append((time.monotonic() + (8.0 if long else stage.draw.uniform(0.02, 0.5)), pid))
                stage.note(f"{kind} stopped")
            if stage.draw.random() < 0.3:  # somebody has to be forked meanwhile
                kill_one(stage, "worker")
            stage.pause(0.02, 0.2)
            for one in [one for one in stopped if one[0] <= time.monotonic()]:
                stopped.remove(one)
                procs.kill(one[1], signal.SIGCONT)
    finally:
        for _, pid in stopped:
            procs.kill(pid, signal.SIGCONT)


def stop_daemon(stage: Stage) -> None:
    """The daemon stands still, and finds all at once what has come meanwhile."""
    while not stage.is_over():
        procs.stop(stage.daemon.pid)
        stage.note("daemon stopped")
        stage.pause(0.02, 0.7)
        if stage.draw.random() < 0.5:
            kill_one_of(stage, procs.children(stage.daemon.pid))
        stage.daemon.signal(signal.SIGCONT)
        stage.pause(0.1, 0.5)


def kill_one(stage: Stage, kind: str) -> None:
    """Kills one process of that kind, if there is one."""
    kill_one_of(stage, processes(stage, kind), kind)


def kill_one_of(stage: Stage, pids: list[int], kind: str = "child") -> None:
    """Kills one of these processes, but none of the bystander's pool."""
    pids = [pid for pid in pids if procs.variable(pid, "POOLD_POOL") != "well"]
    if pids and procs.kill(stage.draw.choice(pids)):
        stage.note(f"{kind} killed")


def kill_daemon(stage: Stage) -> None:
    """The supervisor starts it again each time.  Nothing that it had started is left, and the clients
    come back."""
    while not stage.is_over():
        stage.pause(0.3, 1.5)
        stage.daemon.signal(signal.SIGKILL)
        stage.daemon.wait_ended()
        stage.note("daemon killed")
        stage.daemon.relaunch()
        stage.daemon.wait_ready()
        stage.crowd.wait_answered(20)


# --- what there is not enough of -------------------------------------------------------------------


def take_descriptors(stage: Stage) -> None:
    """None are left for a moment, while others want to come in and workers have to be started."""
    daemon = stage.daemon
    while not stage.is_over():
        victims = processes(stage, "worker")
        with limited(daemon, resource.RLIMIT_NOFILE, len(procs.descriptors(daemon.pid)) + stage.draw.randrange(-2, 6)):
            crowd = [peer for peer in (try_connect(daemon.path) for _ in range(20)) if peer]
            stage.note("descriptors taken")
            kill_one_of(stage, victims)
            stage.pause(0.05, 0.5)
            for peer in crowd:
                peer.close()
        stage.pause(0.05, 0.4)


@contextmanager
def limited(daemon: Daemon, what: int, most: int) -> Iterator[None]:
    """A running daemon has so many of something meanwhile."""
    before = resource.prlimit(daemon.pid, what)
    resource.prlimit(daemon.pid, what, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(daemon.pid, what, before)


class Ordinary(Daemon):
    """A daemon of an ordinary user, to whom the kernel's limit of processes applies."""

    program = BUILD / "poold"

    def _launch(self) -> None:
        for path in (self.directory, *self.directory.iterdir()):
            if os.geteuid() == 0:
                os.chown(path, NOBODY, NOBODY)
        super()._launch()

    def command(self) -> list[str]:
        return [*AS_ORDINARY, str(self.program), "-c", str(self.config)]


def ordinary_daemon(stage: Stage, pools: tuple[str, ...], options: dict[str, object]) -> Daemon:
    """One whose program and files everybody may read."""
    Ordinary.program = public.program("poold", stage.directory)
    return Ordinary(pools, options)


def ordinary_pools(stage: Stage) -> tuple[str, ...]:
    """Workers from copies that everybody may read; they write into a book that everybody may write."""
    stage.ledger.book.touch()
    stage.ledger.book.chmod(0o666)
    path = public.package(stage.directory)["PYTHONPATH"]
    shutil.copy(HERE / "bookkeeper.py", path)
    own = {"env.PYTHONPATH": path}
    unruly = public.program("workers/unruly", stage.directory)
    return (
        stage.book_pool("once", prefork=True, **own),
        stage.book_pool("safe", idempotent=True, **own),
        pool("well", str(unruly)),
    )


def take_processes(stage: Stage) -> None:
    """The daemon can't fork for a moment, while workers and fork servers have to be started."""
    while not stage.is_over():
        limit_processes(stage.daemon, 1)
        stage.note("processes taken")
        for _ in range(stage.draw.randrange(1, 4)):
            kill_one(stage, stage.draw.choice(("worker", "worker", "fork server", "guard")))
            stage.pause(0.02, 0.3)
        limit_processes(stage.daemon, resource.getrlimit(resource.RLIMIT_NPROC)[0])
        stage.pause(0.05, 0.6)


def limit_processes(daemon: Daemon, most: int) -> None:
    """Sets the limit of a daemon of an ordinary user, which only that user may always do."""
    word = "unlimited" if most == resource.RLIM_INFINITY else str(most)
    subprocess.run([*AS_ORDINARY, "prlimit", f"--pid={daemon.pid}", f"--nproc={word}:"], check=True)


def small_pools(stage: Stage) -> tuple[str, ...]:
    """The usual ones, whose queues take no more than the daemon has."""
    small = {"queue_bytes_max": "8M"}
    return (
        stage.book_pool("once", prefork=True, **small),
        stage.book_pool("safe", idempotent=True, **small),
        pool("well", UNRULY, **small),
    )


def hungry_clients(stage: Stage) -> None:
    """Beside modest ones some who want all the daemon's memory.  Each reads an answer before it asks
    again: one who only writes is not read any more, as it has to be."""
    stage.crowd.add(4, Habits(("once", "safe"), window=1))
    stage.crowd.add(16, Habits(("once", "safe"), window=1, size=1 << 20))


def begin_large(stage: Stage) -> None:
    """Others begin large messages, and do not end them."""
    peers: list[tuple[socket.socket, bytearray]] = []
    begun = pack([0, 9, "once.work", [1, bytes(1_500_000)]])[:-1]
    while not stage.is_over():
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(stage.daemon.path)
        peer.setblocking(False)
        peers.append((peer, bytearray(begun)))
        stage.note("large message begun")
        end = time.monotonic() + stage.draw.uniform(0.01, 0.2)
        while time.monotonic() < end:
            for one, rest in peers:
                send_some(one, rest)
            time.sleep(0.005)
        if len(peers) > 12:
            peers.pop(stage.draw.randrange(len(peers)))[0].close()
    for one, _ in peers:
        one.close()


def send_some(peer: socket.socket, rest: bytearray) -> None:
    """Sends what the daemon takes of it by now."""
    try:
        while rest:
            del rest[: peer.send(rest)]
    except BlockingIOError:
        pass
    except OSError:
        rest.clear()


def disk_of(stage: Stage) -> Path:
    """A file system of 64 KiB."""
    place = stage.directory / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(place)],
                          capture_output=True, check=False)
    if made.returncode:
        raise unittest.SkipTest("no file system may be mounted here")
    stage.cleanup.callback(subprocess.run, ["umount", "-l", str(place)], check=False)
    return place


def daemon_on_disk(stage: Stage, pools: tuple[str, ...], options: dict[str, object]) -> Daemon:
    return Daemon(pools, {**options, "state_directory": disk_of(stage)})


def failing_clients(stage: Stage) -> None:
    """Some whose calls fail, so that there is something to be kept."""
    usual_clients(stage)
    stage.crowd.add(2, Habits(("safe",), method="faulty", options={"max_attempts": 1}))


def fill_disk(stage: Stage) -> None:
    """The disk is full, and then it is not."""
    filler = stage.directory / "disk" / "filler"
    while not stage.is_over():
        try:
            filler.write_bytes(bytes(stage.draw.randrange(1, 100_000)))
        except OSError:
            stage.note("disk full")
        stage.pause(0.05, 0.5)
        if stage.draw.random() < 0.5:
            filler.unlink(missing_ok=True)
            stage.pause(0.05, 0.3)
    filler.unlink(missing_ok=True)


def narrow_pools(stage: Stage) -> tuple[str, ...]:
    """Where few can wait."""
    return (
        stage.book_pool("once", prefork=True, queue_max=10),
        stage.book_pool("safe", idempotent=True, queue_max=30, queue_bytes_max="1M"),
        pool("well", UNRULY),
    )


def many_clients(stage: Stage) -> None:
    """Far more than can wait, of every priority."""
    for priority in ("sheddable", "normal", "critical"):
        stage.crowd.add(5, Habits(("once", "safe"), window=10, options={"priority": priority}))


def flood_queue(stage: Stage) -> None:
    """A worker is taken away now and then, which makes the queue longer."""
    while not stage.is_over():
        kill_one(stage, "worker")
        stage.pause(0.2, 0.8)


# --- a part of it fails ----------------------------------------------------------------------------


def partly_bad_pools(stage: Stage) -> tuple[str, ...]:
    """One pool of which no worker ever starts, one with a bad worker, one with a bad session."""
    return (
        stage.book_pool("once", prefork=True),
        stage.book_pool("safe", idempotent=True, workers=4, **{"env.BOOK_BAD": "worker:1"}),
        stage.book_pool("sessions", **{"env.BOOK_BAD": "session:bad"}),
        pool("broken", "/bin/false", degraded_min=0, restart_delay="20ms"),
        breaker("sessions", mode="off"),
        pool("well", UNRULY),
    )


def partly_bad_clients(stage: Stage) -> None:
    """Some ask what works, and some what does not."""
    stage.crowd.add(3, Habits(("once",), sound=True))
    stage.crowd.add(1, Habits(("once",), method="faulty", window=1))
    stage.crowd.add(2, Habits(("safe",), method="fragile", sound=True))
    stage.crowd.add(2, Habits(("sessions",), method="fragile", options={"session": "good"}, sound=True))
    stage.crowd.add(1, Habits(("sessions",), method="fragile", options={"session": "bad"}, window=1))
    stage.crowd.add(1, Habits(("broken",), window=1))


def vanishing_clients(stage: Stage) -> None:
    """Some stay, and some go without their answers."""
    stage.crowd.add(2, Habits(("once", "safe")))
    stage.crowd.add(8, Habits(("once", "safe"), leave=0.2))
    stage.crowd.add(4, Habits(("once", "safe"), leave=0.5, size=300_000))


def gather(stage: Stage) -> None:
    """A thousand come at once, ask one thing each, and go, some without the answer."""
    while not stage.is_over():
        stage.note("herd of 1000")
        herd: list[tuple[Raw, Call, bytes]] = []
        for _ in range(1000):
            call, data = stage.ledger.open_call(stage.draw.choice(("once", "safe")), stage.draw, 40)
            peer = Raw(stage.daemon.path)
            herd.append((peer, call, data))
            peer.ask_pool(call.pool, "work", [call.number, data, 0.0], timeout_ms=60_000)
        for peer, call, data in herd:
            if stage.draw.random() < 0.1:
                call.code = "lost"
            else:
                answer = peer.read(90.0)
                stage.ledger.close_call(call, data, None, answer.result)
                if answer.error is not None:
                    call.code = answer.code or ""
            peer.close()


# --- the system lies -------------------------------------------------------------------------------


class Hostile(Daemon):
    """A daemon whose C library fails as these variables say: tests/hostile/hostile_libc.c."""

    library: dict[str, str] = {}

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "LD_PRELOAD": str(BUILD / "hostile_libc.so"), **self.library}


def hostile_daemon(pools: tuple[str, ...], options: dict[str, object], **library: str) -> Daemon:
    """One with that library."""
    if SANITIZED:
        raise unittest.SkipTest("a sanitizer has a C library of its own")
    Hostile.library = library
    return Hostile(pools, options)


def cold_pools(stage: Stage) -> tuple[str, ...]:
    """The usual ones, but nobody is forked: when a process began, the kernel says by a clock that did
    not jump."""
    return stage.book_pool("once"), stage.book_pool("safe", idempotent=True), pool("well", UNRULY)


def failing_daemon(stage: Stage, pools: tuple[str, ...], options: dict[str, object]) -> Daemon:
    """Calls of its C library fail at random.  It may refuse to start, and then another is started:
    tests/hostile/hostile.py judges that."""
    while True:
        seed = str(stage.draw.randrange(1 << 20))
        daemon = hostile_daemon(pools, options, HOSTILE_SEED=seed, HOSTILE_RATE="10")
        try:
            daemon.wait_ready()
        except AssertionError:
            if not daemon.has_ended():
                raise
            with suppress(AssertionError):
                daemon.finish()
            continue
        eventually(lambda: is_whole(daemon), "all its processes are there")
        stage.note(f"libc {seed}")
        return daemon


def is_whole(daemon: Daemon) -> bool:
    """Whether all that it is to start has been started: what it has open is compared with that."""
    try:
        return bool(daemon.ask("poold.health")["guard"]) and daemon.ask("poold.status")["status"] == "ok"
    except (AssertionError, OSError):
        return False


def jumping_daemon(stage: Stage, pools: tuple[str, ...], options: dict[str, object]) -> Daemon:
    """One of its clocks jumps once, at a reading that the seed draws."""
    clock, jump = stage.draw.choice((("wall", "+86400"), ("wall", "-86400"), ("mono", "+2"), ("mono", "+3600")))
    reading = stage.draw.randrange(200, 4000)
    stage.note(f"{clock} {jump}")
    return hostile_daemon(pools, options, HOSTILE_FAULT=f"{clock}:{reading}:{jump}")


SCENARIOS: dict[str, Scenario] = {
    "kills": Scenario(
        "workers in Python, their fork server and the guard are killed at random",
        kill_at_random, codes=KILLED, announced=("guard",),
    ),
    "torn-clients": Scenario(
        "somebody between clients and the daemon delays, splits, reorders, cuts, changes, doubles what they say",
        wait, torn_pools, torn_clients, codes=("lost",), torn=("changed",),
        once=("once", "twice"), uncounted=("twice", "changed"),
    ),
    "torn-workers": Scenario(
        "somebody between the daemon and its workers does the same",
        watch_restarts, torn_worker_pools, torn_worker_clients, codes=TORN,
        torn=tuple(f"{habit}-{where}" for habit in ROUGH for where in ("fd", "stdio")),
        once=tuple(f"{habit}-{where}" for habit in ("delay", "split") for where in ("fd", "stdio")),
    ),
    "torn-server": Scenario(
        "somebody between the daemon and a server that it does not run does the same",
        wait, torn_server_pools, torn_server_clients, codes=TORN, once=("delay", "split"),
    ),
    "stopped-helpers": Scenario(
        "workers, the fork server and the guard stand still at random, some for so long that they are replaced",
        stop_at_random, codes=KILLED, announced=("guard",),
    ),
    "stopped-daemon": Scenario(
        "the daemon stands still at random, while its processes are killed",
        stop_daemon, codes=KILLED, announced=("guard", "stood still"), honest=3.0,
    ),
    "killed-daemon": Scenario(
        "the daemon is killed, and started again by its supervisor",
        kill_daemon, codes=("lost",), announced=(".*",), honest=0, counted=False,
    ),
    "descriptors": Scenario(
        "the daemon has no descriptors left, again and again",
        take_descriptors, codes=(*KILLED, "spawn_failed"),
        announced=("no new connections", "guard", "descriptor"),
    ),
    "processes": Scenario(
        "the daemon can start no process, again and again",
        take_processes, ordinary_pools, codes=(*KILLED, "spawn_failed", "process_limit"), make=ordinary_daemon,
        announced=("guard",),
    ),
    "memory": Scenario(
        "clients want more memory than the daemon may use",
        begin_large, small_pools, hungry_clients, codes=("memory_limit", "queue_full", "lost"),
        options={"memory_max": "24M", "message_max": "2M", "response_max": "2M", "output_pause": "1M",
                 "output_max": "4M"},
        announced=("memory is short",),
    ),
    "disk": Scenario(
        "the disk is full, on which the daemon keeps its errors",
        fill_disk, clients=failing_clients, codes=("exception", "circuit_open"), make=daemon_on_disk,
        announced=("errors",),
    ),
    "queue": Scenario(
        "far more is asked than may wait",
        flood_queue, narrow_pools, many_clients, codes=(*KILLED, "queue_full", "shed"),
    ),
    "partial": Scenario(
        "one method, one session, one worker, one pool is bad",
        wait, partly_bad_pools, partly_bad_clients, codes=(*KILLED, "exception", "init_failed"),
        broken=("broken",),
    ),
    "vanishing": Scenario(
        "clients go without their answers, some in the middle of a message",
        wait, clients=vanishing_clients, codes=("lost",),
    ),
    "herd": Scenario(
        "a thousand clients come at once",
        gather, codes=("lost",), options={"connections_max": 1100}, honest=5.0,
    ),
    "clocks": Scenario(
        "a clock of the daemon jumps by seconds, an hour, a day",
        wait, cold_pools, codes=(*KILLED, "deadline_exceeded", "queue_timeout", "attempt_timeout", "init_timeout"),
        announced=("stood still", "guard", "clock"), make=jumping_daemon, each=2.5, honest=5.0,
    ),
    "libc": Scenario(
        "calls of the daemon's C library fail at random", wait,
        codes=(*KILLED, "lost", "memory_limit", "spawn_failed", "process_limit", "init_failed", "init_timeout",
               "attempt_timeout", "deadline_exceeded", "queue_timeout", "queue_full"),
        announced=(".*",), make=failing_daemon, each=2.5, honest=0, counted=False,
    ),
}
