#!/usr/bin/env python3
"""Faults made by hand in the core, one at a time: each must be caught.

A copy of the tree is built in a temporary directory; for each fault one text in daemon/core is replaced, the core's unit tests
and the simulator are built anew and run until one of them fails.  Prints a table of what caught which fault.  Exit status 0:
every fault was caught; 1: at least one was not, or could not be made.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CORE = "daemon/core/"
BUILD = "build/mutate"


class Fault(NamedTuple):
    """A change of one text (which stands in the file exactly once) and what it breaks."""

    file: str
    old: str
    new: str
    what: str


FAULTS = [
    Fault("recovery.c", "return request->idempotent && request", "return request",
          "what may not run twice is tried again"),
    Fault("recovery.c", " && request->crashes <= max_crash_retries", "",
          "a request takes down worker after worker"),
    Fault("recovery.c", "request->attempts < request->max_attempts", "request->attempts <= request->max_attempts",
          "one attempt more than the request allows"),
    Fault("worker.c", "\tif (worker->broken_by != ERR_NONE)\n\t\treturn true;\n", "",
          "a broken channel is believed to have told everything"),
    Fault("worker.c", "return worker->announces ? attempt->announced : attempt->begun != 0;", "return attempt->announced;",
          "who announces nothing is believed to have run nothing"),
    Fault("worker.c", "attempt->id = worker->next_id++;", "attempt->id = worker->next_id;",
          "one message id for all"),
    Fault("worker.c", "\tworker->life++;\n", "\tworker->life |= 1;\n",
          "every life has the same number"),
    Fault("engine.c", "event->life != worker->life || ", "",
          "news of a life that is over counts"),
    Fault("engine.c", "worker->deaf && event->type != EVENT_WORKER_EXITED", "worker->deaf && event->type > EVENT_STOP",
          "what comes through a closed channel counts"),
    Fault("engine.c", "|| engine->open_requests > 0)\n\t\treturn;", ")\n\t\treturn;",
          "stopped while requests are open"),
    Fault("engine.c", "\tengine_fail_all(engine);\n", "",
          "the end of the drain answers nobody"),
    Fault("engine_request.c", "\t\tfail(engine, request, ERR_cancelled, executed);\n\t\treturn;\n", "\t\treturn;\n",
          "a cancelled request is not answered"),
    Fault("engine_request.c", "\tengine_terminate(engine, worker, CAUSE_OVERRUN);\n", "",
          "an overrunning worker is left alone"),
    Fault("engine_request.c", "\theap_remove(&engine->request_timers, &request->timer);\n", "",
          "an answered request keeps its deadline"),
    Fault("engine_request.c", "heap_set(&engine->request_timers, &request->timer, request->deadline);",
          "heap_set(&engine->request_timers, &request->timer, request->deadline + 11000);",
          "deadlines come 11 ms late"),
    Fault("engine_request.c", "\tif (!request) {\n\t\tpool->stats.late_answers++;\n\t\treturn;\n\t}\n",
          "\tif (!request) {\n\t\tengine_emit(engine, EFFECT_RESULT);\n\t\treturn;\n\t}\n",
          "an answer to what was given up is given to somebody"),
    Fault("engine_request.c", "request->may_have_run = true;\n\tmay_retry", "may_retry",
          "an earlier attempt is forgotten"),
    Fault("engine_request.c", "request->state == REQUEST_SENT ? EXECUTED_MAYBE : ran_before(request)", "ran_before(request)",
          "what a worker has is said not to have run"),
    Fault("engine_request.c", "\t\texpire_queued(engine, request);\n\t\tengine_dispatch(engine, &engine->pools[request->pool]);\n",
          "\t\texpire_queued(engine, request);\n", "the rest of the queue waits when its head expires"),
    Fault("engine_request.c", "may_retry && budget_take(&pool->budget, engine->now)", "may_retry",
          "retries cost nothing"),
    Fault("engine_worker.c", "worker->step_signal == SIGKILL ? USEC_INFINITY : usec_add(engine->now, grace)",
          "USEC_INFINITY", "TERM is not followed by KILL"),
    Fault("engine_worker.c", "\tengine_refill(engine, pool);\n\tengine_dispatch(engine, pool);\n}\n\nvoid engine_worker_exited",
          "\tengine_dispatch(engine, pool);\n}\n\nvoid engine_worker_exited",
          "a dead worker is not replaced"),
    Fault("engine_worker.c", "\tif (!attempt || attempt->announced) {", "\tif (!attempt) {",
          "a worker may begin the same request twice"),
    Fault("engine_worker.c", "\tworker->ping_sent = engine->now;\n\tengine_arm_worker(engine, worker);\n}\n\nstatic bool is_spare",
          "\tping(engine, worker);\n\tengine_arm_worker(engine, worker);\n}\n\nstatic bool is_spare",
          "a late answer to a health check is taken for a lie"),
    Fault("engine_worker.c", "\tif (cause != CAUSE_PROTOCOL)\n", "",
          "a broken worker's line runs elsewhere while it still runs"),
    Fault("pool.c", "return request->idempotent && pool->typical_run > 0", "return pool->typical_run > 0",
          "what may not run twice waits behind another request"),
    Fault("pool.c", "worker->attempts.len < worker->concurrency + pool->settings.prefetch",
          "worker->attempts.len <= worker->concurrency + pool->settings.prefetch",
          "one more than the prefetch stands in line"),
    Fault("pool.c", "if (!worker->slow && ", "if (", "requests are put behind a slow one"),
    Fault("pool.c", "delay *= 2;", "delay += 0;", "starts that lead to nothing come as often as ever"),
    Fault("queue.c", "list_push_front(&queue->classes[request->priority]", "list_push_back(&queue->classes[request->priority]",
          "what comes back waits behind the others"),
    Fault("queue.c", "struct list_node *node = list_last(&queue->classes[i]);", "struct list_node *node = list_first(&queue->classes[i]);",
          "the oldest is shed, not the youngest"),
    Fault("queue.c", "queue->len < queue->len_max", "queue->len <= queue->len_max",
          "the queue holds one more than its limit"),
    Fault("heap.c", "if (i > 0 && place.at < heap->places[(i - 1) / CHILDREN].at)", "if (i > CHILDREN && place.at < heap->places[(i - 1) / CHILDREN].at)",
          "the heap loses its order near the top"),
    Fault("hist.c", "permille + 999) / 1000", "permille) / 1000",
          "a quantile is one value too low"),
    Fault("request.h", "1u << REQUEST_QUEUED | 1u << REQUEST_DONE, \"is at a worker\"",
          "1u << REQUEST_QUEUED | 1u << REQUEST_FREE, \"is at a worker\"",
          "the table of a request's states has a wrong edge"),
]


def run(command: list[str], tree: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Runs a command in the tree; its output is kept.  A time-out (seconds) counts as exit status 124."""
    try:
        return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", "timed out")


def make_copy(tree: Path) -> None:
    """Puts what the core's tests are made of into the directory."""
    for part in ("protocol", "daemon/core", "tests/lib", "tests/unit", "tests/sim"):
        shutil.copytree(ROOT / part, tree / part)
    shutil.copy(ROOT / "Makefile", tree)


def unit_tests(tree: Path) -> list[str]:
    """The names of the core's unit tests that there are."""
    rooms = sorted(path.stem for path in (tree / CORE).glob("*.c"))
    return [f"test_{room}" for room in rooms if (tree / f"tests/unit/test_{room}.c").exists()]


def build(tree: Path, units: list[str]) -> subprocess.CompletedProcess[str]:
    """Builds the unit tests and the simulator."""
    targets = [f"{BUILD}/unit/{unit}" for unit in units] + [f"{BUILD}/sim/sim"]
    return run(["make", "-s", f"-j{min(2, os.cpu_count() or 1)}", f"O={BUILD}", "CFLAGS=-O1 -g", "WERROR=0", *targets], tree)


def caught_by(tree: Path, units: list[str], seeds: int) -> list[str]:
    """What fails: the unit tests' names and, with the first promise it saw broken, the simulator."""
    found = [unit.removeprefix("test_") for unit in units if run([f"{BUILD}/unit/{unit}"], tree).returncode != 0]
    result = run([f"{BUILD}/sim/sim", "--seeds", str(seeds)], tree)
    if result.returncode != 0:
        first = next((line for line in result.stdout.splitlines() if line.startswith("seed ")), "seed ?: timed out:")
        found.append(f"sim ({first.split(':')[1].strip()}, seed {first.split(':')[0].split()[1]})")
    return found


def apply(tree: Path, fault: Fault) -> str:
    """Makes the fault and returns the file's text as it was.  ValueError: its text is not there exactly once."""
    path = tree / CORE / fault.file
    text = path.read_text()
    if text.count(fault.old) != 1:
        raise ValueError(f"{fault.file}: this text is there {text.count(fault.old)} times: {fault.old!r}")
    path.write_text(text.replace(fault.old, fault.new))
    return text


def try_fault(tree: Path, units: list[str], fault: Fault, seeds: int) -> tuple[bool, str]:
    """Whether the fault is caught, and by what (or why it could not be tried)."""
    try:
        text = apply(tree, fault)
    except ValueError as error:
        return False, str(error)
    built = build(tree, units)
    found = caught_by(tree, units, seeds) if built.returncode == 0 else []
    (tree / CORE / fault.file).write_text(text)
    if built.returncode != 0:
        return False, "does not build: " + built.stderr.strip().splitlines()[0]
    return bool(found), ", ".join(found) or "NOT CAUGHT"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=400, help="of the simulator, for each fault (400)")
    parser.add_argument("--only", default="", help="faults whose description or file contains this text")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if options.only in f"{fault.file} {fault.what}"]
    missed = 0
    with tempfile.TemporaryDirectory(prefix="poold-mutate-") as directory:
        tree = Path(directory)
        make_copy(tree)
        units = unit_tests(tree)
        if build(tree, units).returncode != 0 or caught_by(tree, units, options.seeds):
            print("the tree itself does not pass: nothing to compare with", file=sys.stderr)
            return 1
        for fault in faults:
            begun = time.monotonic()
            caught, by = try_fault(tree, units, fault, options.seeds)
            missed += not caught
            print(f"{'ok    ' if caught else 'MISSED'} {fault.file:17} {fault.what:58} {by}"
                  f"  [{time.monotonic() - begun:.1f} s]", flush=True)
    print(f"{len(faults) - missed} caught, {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
