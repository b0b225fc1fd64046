#!/usr/bin/env python3
"""Faults made by hand in the core, one at a time: each must be caught.

A copy of the tree is built in a temporary directory; for each fault one text in daemon/core is replaced, the core's unit tests
and the two simulators (`sim`, and `load` for overload) are built anew and run until one of them fails.  Prints a table of what caught which fault.  Exit status 0:
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
EVENTS = 1000  # of each world: long lives meet more than many short ones


class Fault(NamedTuple):
    """A change of one text (which stands in the file exactly once) and what it breaks."""

    file: str
    old: str
    new: str
    what: str


FAULTS = [
    # --- runs that outlive their request, and what waits for them ---
    Fault("engine_late.c", "\t\tattempt->key = key;\n\t\tkey->run = attempt;\n", "",
          "a run that was given up does not hold its key"),
    Fault("engine_late.c", "\t\tattempt->session = session;\n\t\tsession->run = attempt;\n", "",
          "a run that was given up does not hold its session"),
    Fault("engine_attempt.c", "\tif (engine_is_barred(request)) {\n", "\tif (request->max_attempts == 0) {\n",
          "a retry does not wait for the run before it"),
    Fault("engine_late.c", "\t\tunbar(engine, key->leader);\n", "", "who waits for its own run, with a key, waits for ever"),
    Fault("engine_late.c", "\t\tunbar(engine, session->turn);\n", "", "who waits for its own run, in a session, waits for ever"),
    Fault("engine_late.c", "\t\t\tkey->outcome_unknown = true;\n", "",
          "what may not run twice runs after a run that died"),
    Fault("engine_late.c", "\t\t\tkey->failed_by = unknown;\n", "", "who fails for a run that died is not told why"),
    Fault("engine_late.c", "\tif (leader && !leader->is_deferred)\n\t\tengine_defer(engine, leader, ERR_NONE);\n", "",
          "who is to be tried again does not get the answer of its own run"),
    Fault("engine_late.c", "\tif (event->answer.code == ERR_NONE && (attempt->key || attempt->session))\n",
          "\tif (event->answer.code == ERR_NONE && attempt->key)\n", "a late answer does not change its session"),
    Fault("engine_late.c", "\tif (event->answer.code == ERR_NONE && (attempt->key || attempt->session))\n",
          "\tif (event->answer.code == ERR_NONE && attempt->session)\n", "a late answer is not the key's"),
    Fault("engine_late.c", "\tif (event->answer.code == ERR_NONE && (attempt->key || attempt->session))\n",
          "\tif (attempt->key || attempt->session)\n", "a late failure is the key's answer"),
    Fault("engine_late.c", "\tif (event->answer.is_dropped)\n", "\tif (!key)\n", "a late answer that is lost is stored"),
    Fault("engine_late.c", "!engine_fits_state(engine, session, event->answer.state))", "!session)",
          "a late state has no limit"),
    Fault("engine_attempt.c", "\tif (request->key)\n\t\tkeys_lose(&engine->keys, request->key, engine->now);\n", "",
          "a key whose answer can't be kept succeeds again"),
    Fault("engine_session.c", "(!key->run && failure->executed == EXECUTED_MAYBE);", "failure->executed == EXECUTED_MAYBE;",
          "a run that holds its key is in doubt before it ends"),
    Fault("engine_session.c", "\tkey->leader = NULL;\n\tif (!key->run)\n\t\tfind_leader(engine, key);\n",
          "\tkey->leader = NULL;\n\tfind_leader(engine, key);\n", "the next leader does not wait for the run of the last one"),
    Fault("session.c", "\treturn session->run ? NULL : next_turn(sessions, session);", "\treturn next_turn(sessions, session);",
          "the next request of a session does not wait for the run of the last one"),
    Fault("session.c", "\treturn session->turn || session->run;", "\treturn session->turn;", "a session ends while a run holds it"),
    Fault("engine_session.c", "\t\t\tis_lost = session_is_kept(session);\n", "\t\t\tis_lost = true;\n",
          "a state is reported as lost that was handed back"),
    Fault("pool.c", "request->is_idempotent && !request->key && !request->session &&", "request->is_idempotent && !request->session &&",
          "one with a key stands in a line"),
    Fault("engine_request.c", "\tif (request->state == REQUEST_WAITING && request->key && request->key->run)\n\t\treturn EXECUTED_MAYBE;\n", "",
          "who waits for a run with its key is told that nothing ran"),
    # --- the priority of those that wait ---
    Fault("engine_session.c", "\t\traise_rank(engine, key->leader, request->rank);\n", "", "a leader keeps its own priority"),
    Fault("engine_session.c", "\t\t\traise_rank(engine, session->turn, request->rank);\n", "",
          "whose turn it is in a session keeps its own priority"),
    Fault("engine_session.c", "\t\treturn request->key->leader;\n\t}\n\tif (request->state == REQUEST_QUEUED)", "\t\treturn NULL;\n\t}\n\tif (request->state == REQUEST_QUEUED)",
          "the leader that such a request waits for keeps its own"),
    Fault("waiting.c", "\t\tif (waiting->ranks[i] > 0)\n\t\t\tfirst->rank = (enum priority)i;\n", "\t\t;\n",
          "who leads next keeps its own priority"),
    Fault("engine_recover.c", "\tfail_line(engine, &pool->held, circuit, code);\n", "",
          "who was held waits at a breaker that is open"),
    # --- bad workers ---
    Fault("pool.c", "(worker->goes_last || worker->on_probation)", "worker->on_probation",
          "who failed last is asked first"),
    Fault("pool.c", "(worker->goes_last || worker->on_probation)", "worker->goes_last",
          "who is on trial is asked first"),
    Fault("siblings.c", "\treturn succeeded >= since ||", "\treturn since > 0 ||",
          "an old success of a sibling counts against a worker"),
    Fault("siblings.c", "method->failures - own.recent_failures, calls)", "0, calls)",
          "a bug that hits all ejects workers"),
    Fault("siblings.c", "if (!failed && weigh(method, share) <= 0) {", "if (method->calls > 1000) {",
          "failures are never made up for"),
    Fault("siblings.c", "\t\tall->failures -= shares[i].recent_failures;\n", "",
          "what the ejected did speaks for those that come after them"),
    Fault("siblings.c", "if (method == SIBLINGS_NOT)\n\t\treturn;\n", "",
          "unknown methods are compared as if they were one"),
    Fault("engine_eject.c", "\tif (session && session->is_bound && session_is_at(", "\tif (!session && session_is_at(",
          "a session counts against its worker"),
    Fault("engine_eject.c", "\tif (code == ERR_exception || fatal)\n", "\tif (fatal)\n",
          "exceptions count at nobody"),
    Fault("engine_eject.c", "\tif (sure || worker->on_probation)\n", "\tif (sure)\n",
          "a trial needs as much evidence as the first time"),
    Fault("engine_eject.c", "\tif (sure || worker->on_probation)\n", "",
          "one failure ejects"),
    Fault("engine_eject.c", "\tif (!pool_may_eject(pool))\n\t\treturn;\n", "",
          "all workers of a pool are ejected"),
    Fault("engine_eject.c", "\t\tspan *= 2;\n", "",
          "an ejection is as short as the first"),
    Fault("engine_eject.c", "\t\tworker->ejections = 0;\n\tif (pool->bequeathed", "\t\t;\n\tif (pool->bequeathed",
          "an empty slot is bad for ever"),
    Fault("engine_eject.c", ">= WELL_FOR)\n", ">= WELL_FOR && now == 0)\n",
          "the growth of an ejection is never forgotten"),
    Fault("engine_eject.c", "\t\tworker->well_since = now;\n", "\t\tworker->well_since = 1;\n",
          "the growth of an ejection is forgotten at once"),
    Fault("engine_eject.c", "\tpool->bequeathed = worker->ejections;\n", "",
          "a worker that comes for an ejected one begins as a good one"),
    Fault("engine_eject.c", "\tworker->begins_ejected = pool->bequeaths_at_once;\n", "",
          "who comes for a broken worker is tried at once"),
    Fault("engine_scaling.c", "\tif (is_bad != engine_slot_is_bad(other, now))\n\t\treturn !is_bad;\n", "",
          "a bad slot is used as soon as any other"),
    Fault("engine_worker.c", "\tif (event->answer.code != ERR_exception && !event->answer.is_fatal) {", "\tif (event->id > 0) {",
          "a life of nothing but failures was of use"),
    # --- queue, worker, answer ---
    Fault("engine_input.c", "if (event->life != worker->life) {", "if (event->life > worker->life) {",
          "news of a life that is over counts"),
    Fault("engine_input.c", "worker->channel_broken && input != INPUT_EXITED", "!worker && input != INPUT_EXITED",
          "what comes through a closed channel counts"),
    Fault("engine.c", "|| engine->open_requests > 0)\n\t\treturn;", ")\n\t\treturn;",
          "stopped while requests are open"),
    Fault("engine.c", "\tengine_fail_all(engine);\n", "",
          "the end of the drain answers nobody"),
    Fault("engine_request.c", "\tif (!gone) {\n\t\tengine_answer_error(engine, request, &failure);\n", "\tif (!gone) {\n",
          "a cancelled request is not answered"),
    Fault("engine_request.c", "\tengine_terminate(engine, worker, CAUSE_OVERRUN);\n", "",
          "an overrunning worker is left alone"),
    Fault("engine_request.c", "\theap_remove(&engine->request_timers, &request->timer);\n", "",
          "an answered request keeps its deadline"),
    Fault("engine_request.c", "\tusec_t due = due_at(request);\n", "\tusec_t due = usec_add(due_at(request), 11000);\n",
          "deadlines come 11 ms late"),
    Fault("engine_request.c", "request->state == REQUEST_SENT || request->run.may_have_run", "request->run.may_have_run",
          "what a worker has is said not to have run"),
    Fault("engine_request.c", "\tengine_mark_pool_dirty(engine, pool);\n}\n\n/* --- coming", "\t(void)pool;\n}\n\n/* --- coming",
          "the rest of the queue waits when its head expires"),
    Fault("engine_request.c", "\treturn request->run.attempt_due > engine->now;", "\treturn false;",
          "an attempt ends before its time"),
    Fault("engine_request.c", "\tengine_count_attempt(engine, request, failure.code, false);\n", "\t\t;\n",
          "an attempt that overran counts at no breaker"),
    Fault("engine_attempt.c", "\t\tengine_late_answer(engine, worker, attempt, event);\n\t\treturn;\n",
          "\t\tengine_emit(engine, EFFECT_RESULT);\n\t\treturn;\n", "an answer to what was given up is given to somebody"),
    Fault("engine_attempt.c", "\t\trequest->run.crashes++;\n\t\trequest->run.may_have_run = request->run.outcome_unknown = true;\n",
          "\t\trequest->run.crashes++;\n", "an attempt that died is forgotten"),
    Fault("engine_attempt.c", "\t\trequest->run.crashes++;\n\t\trequest->run.may_have_run = request->run.outcome_unknown = true;\n",
          "\t\trequest->run.may_have_run = request->run.outcome_unknown = true;\n", "workers that a request took down are not counted"),
    Fault("engine_worker.c", "worker->step_signal == SIGKILL ? USEC_INFINITY : usec_add(engine->now, grace)",
          "USEC_INFINITY", "TERM is not followed by KILL"),
    Fault("engine_worker.c", "\tengine_refill(engine, pool);\n\tengine_mark_pool_dirty(engine, pool);\n}\n\nvoid engine_worker_exited",
          "\tengine_mark_pool_dirty(engine, pool);\n}\n\nvoid engine_worker_exited",
          "a dead worker is not replaced"),
    Fault("engine_worker.c", "\tif (!attempt || attempt->has_begun) {", "\tif (!attempt) {",
          "a worker may begin the same request twice"),
    Fault("engine_worker.c", "\tif (cause != CAUSE_PROTOCOL)\n", "",
          "a broken worker's line runs elsewhere while it still runs"),
    Fault("engine_worker.c", "pool->states[WORKER_BUSY].len < 2)", "pool->states[WORKER_BUSY].len < 1)",
          "the last worker is replaced to save memory"),
    Fault("engine_health.c", "\t\tworker->ping_sent = engine->now;\n\t\tmiss_ping",
          "\t\tengine_ping(engine, worker);\n\t\tmiss_ping",
          "a late answer to a health check is taken for a lie"),
    Fault("worker.c", "\treturn worker->broken_by != ERR_NONE || worker_has_begun", "\treturn worker_has_begun",
          "a broken channel is believed to have told everything"),
    Fault("worker.c", "return worker->announces ? attempt->has_begun : attempt->begun != 0;", "return attempt->has_begun;",
          "who announces nothing is believed to have run nothing"),
    Fault("worker.c", "attempt->id = worker->next_id++;", "attempt->id = worker->next_id;",
          "one message id for all"),
    Fault("worker.c", "\tworker->life++;\n", "\tworker->life |= 1;\n",
          "every life has the same number"),
    Fault("pool.c", "return request->is_idempotent && !request->key", "return !request->key",
          "what may not run twice waits behind another request"),
    Fault("pool.c", "worker->attempts.len < worker->concurrency + pool->settings.prefetch",
          "worker->attempts.len <= worker->concurrency + pool->settings.prefetch",
          "one more than the prefetch stands in line"),
    Fault("pool.c", "!worker->is_slow &&", "", "requests are put behind a slow one"),
    Fault("pool.c", "delay *= 2;", "delay += 0;", "starts that lead to nothing come as often as ever"),
    Fault("pool.c", "if (!request_has_tried(request, worker->index, worker->life))",
          "if (request_has_tried(request, worker->index, worker->life))",
          "the worker that a request failed at is preferred"),
    Fault("queue.c", "&class->requests.head, &lane->requests.head);", "&class->requests.head, lane->requests.head.prev);",
          "what comes back waits behind the others"),
    Fault("queue.c", ": entry(list_last(most));",
          ": first;",
          "the oldest is shed, not the youngest"),
    Fault("queue.h", "queue->len < queue->len_max", "queue->len <= queue->len_max",
          "the queue holds one more than its limit"),
    # --- clients take turns ---
    Fault("queue.c", "\t\trequest->lane->balance -= request->weight;\n", "\t\trequest->lane->balance -= 0;\n",
          "the first client is served until it has nothing left"),
    Fault("queue.c", "\t\tlane->balance += QUEUE_TURN;\n", "\t\tlane->balance = QUEUE_TURN;\n",
          "who sends long calls gets more of the time"),
    Fault("queue.c", " << 32 | request->client;", " << 32;", "all clients share a turn"),
    Fault("queue.c", "(uint64_t)(queue->index * PRIORITY_COUNT_ + request->rank) << 32", "(uint64_t)request->rank << 32",
          "the queues of all pools share their lanes"),
    Fault("queue.c", "requests->len > most->len", "requests->len < most->len", "the client with the least queued is shed"),
    Fault("queue.c", "\tpay(request);\n\tleave(queue, request);\n", "\tleave(queue, request);\n", "a turn in which one is parked costs nothing"),
    Fault("queue.c", "return own + others * (own +", "return others * (", "a client's own requests are not before the next one"),
    Fault("queue.c", "return own + others * (own +", "return own + others * others * (own +", "who waits behind others is refused too soon"),
    Fault("engine_attempt.c", "\tpool_take(pool, request);\n", "\tpool_dequeue(pool, request);\n", "nobody pays for a turn"),
    # --- the limits of users ---
    Fault("queue.c", "queue->index, user) < queue->user_max", "queue->index, user) <= queue->user_max",
          "a user has one more in the queue than it may"),
    Fault("engine_request.c", "SHARES_DAEMON, request->user) >\n", "SHARES_DAEMON, request->user) >=\n",
          "a user has one less than it may"),
    Fault("engine_place.c", "\t       queue_user_has_room(&pool->queue, request->user) &&\n", "",
          "who leaves a queue goes to one where its user has too many"),
    Fault("share.c", "\tif (--share->count > 0)\n", "\tif (share->count-- > 0)\n", "what a user had once counts for ever"),
    Fault("heap.c", "if (i > 0 && place.at < heap->places[(i - 1) / CHILDREN].at)",
          "if (i > CHILDREN && place.at < heap->places[(i - 1) / CHILDREN].at)",
          "the heap loses its order near the top"),
    Fault("hist.c", "permille + 999) / 1000", "permille) / 1000",
          "a quantile is one value too low"),
    Fault("request.h", "1u << REQUEST_DELAYED | 1u << REQUEST_DONE, \"is at a worker\"",
          "1u << REQUEST_DELAYED | 1u << REQUEST_FREE, \"is at a worker\"",
          "the table of a request's states has a wrong edge"),
    # --- retries and recoveries ---
    Fault("policy.c", "\tif (row->strategy == STRATEGY_IMMEDIATE_RETRY)\n\t\treturn backoff_delay(&backoff_immediate", "\tif (row->backoff == ERRBACKOFF_COUNT_)\n\t\treturn backoff_delay(&backoff_immediate",
          "what is to be tried again at once follows the pool's backoff"),
    Fault("recovery.c", "return row->strategy == STRATEGY_IMMEDIATE_RETRY || row->strategy == STRATEGY_BACKOFF_RETRY;",
          "return row->strategy != STRATEGY_ABANDON;",
          "what is to go to the next pool is tried again in the same"),
    Fault("engine_recover.c", "if (!request->run.may_have_run && !failure->is_from_worker)", "if (!request->run.may_have_run)",
          "what a worker refuses is tried again for nothing"),
    Fault("engine_recover.c", "\t\tbudget_return(&engine->pools[request->run.pool].budget, engine->now);\n", "\t\t;\n",
          "a retry that is not made keeps its token"),
    Fault("engine_attempt.c", "\trequest->run.has_token = false;\n", "",
          "a retry that was made gives its token back"),
    Fault("engine_attempt.c", "\trequest->run.unbegun += !has_begun;\n", "", "what never began counts as an attempt"),
    Fault("recovery.c", "\tif (!facts->may_run_again)\n\t\treturn RECOVERY_UNSAFE;\n", "",
          "what may not run twice is tried again"),
    Fault("recovery.c", "\tif (facts->crashes > facts->max_crash_retries)",
          "\tif (facts->crashes > facts->max_crash_retries + 1)",
          "a request takes down one worker too many"),
    Fault("recovery.c", "facts->attempts >= facts->max_attempts", "facts->attempts > facts->max_attempts",
          "one attempt more than the request allows"),
    Fault("recovery.c", "facts->retries >= ceiling", "facts->retries > ceiling",
          "one retry more than the row allows"),
    Fault("recovery.c", "\tif (facts->has_begun_stream && !facts->is_restartable)\n", "\tif (false)\n",
          "a stream that can't begin anew does"),
    Fault("recovery.c", "\tif (facts->has_retryable)\n\t\treturn facts->is_retryable;\n", "",
          "the worker's word on retries is passed over"),
    Fault("recovery.c", "facts->typical_run) >= facts->until)", "facts->typical_run) >= USEC_INFINITY)",
          "a retry outlives its deadline"),
    Fault("recovery.c", "\t\t.until = usec_add(now, recovery_limit(severity, request->priority)),", "\t\t.until = now,",
          "a recovery has no time at all"),
    Fault("policy.c", "\tif (context->has_severity)\n\t\treturn context->severity;\n", "",
          "the worker's word for the severity is passed over"),
    Fault("policy.c", "context->attempts > 3", "context->attempts > 2",
          "the severity rises with the third attempt"),
    Fault("policy.c", "\tif (row->strategy == STRATEGY_IMMEDIATE_RETRY)", "\tif (row->strategy == STRATEGY_CIRCUIT_BREAK)",
          "what is tried again at once waits"),
    Fault("backoff.c", "return usec_min(uncapped(settings, n, previous, prng), settings->cap);",
          "return uncapped(settings, n, previous, prng);",
          "a delay is above its cap"),
    Fault("backoff.c", "return half + prng_between(prng, 0, half);", "return half + prng_between(prng, 0, whole) + whole;",
          "jitter makes three times the delay of it"),
    Fault("engine_recover.c", "failure->is_from_worker && failure->retry_after != USEC_INFINITY", "failure->is_from_worker && false",
          "the worker's word for the delay is passed over"),
    Fault("engine_recover.c", "if (budget_take(&pool->budget, engine->now)) {", "if (engine) {",
          "retries cost nothing"),
    Fault("engine_recover.c", "\t\tengine_end_recovery(engine, recovery->request, RECOVERY_CANCELLED);\n", "",
          "a recovery can't be ended by hand"),
    Fault("engine_recover.c", "\trequest->recovery->attempts++;\n",
          "\tif (request->run.attempts > 2)\n\t\trequest->recovery = NULL;\n\telse\n\t\trequest->recovery->attempts++;\n",
          "a recovery is lost after the second failure"),
    Fault("engine_request.c", "\tengine_close_recovery(engine, request, cancelled ? RECOVERY_CANCELLED : RECOVERY_FAILED);\n",
          "\t(void)cancelled;\n",
          "a recovery goes on after the answer"),
    Fault("engine_request.c", "\tengine_close_recovery(engine, request, RECOVERY_SUCCEEDED);\n",
          "\tengine_close_recovery(engine, request, RECOVERY_FAILED);\n", "a recovery that succeeded is counted as failed"),
    Fault("engine_request.c", "\t\tlimit = usec_min(limit, request->recovery->until);\n",
          "\t\tlimit = usec_min(limit, request->deadline);\n",
          "the time limit of a recovery is not kept"),
    # --- workers' timers ---
    Fault("engine_attempt.c", "\tengine_leave_run(request, request->run.attempt);\n\tengine_touch(engine, worker);\n", "\tengine_leave_run(request, request->run.attempt);\n",
          "who was asked to give up is not watched"),
    Fault("engine_internal.h", "lacked != pool_lacks_workers(pool);\n\tengine_touch(engine, worker);\n",
          "lacked != pool_lacks_workers(pool);\n",
          "a worker keeps the timer of the state before"),
    # --- breakers ---
    Fault("engine_breaker.c", "\treturn request->run.has_permit;\n", "\treturn true;\n",
          "requests are sent while the breaker is open"),
    Fault("engine_breaker.c", "\t\tengine_fail_queue(engine, pool, circuit, ERR_circuit_open);\n",
          "\t\tengine_mark_pool_dirty(engine, pool);\n",
          "the queue waits at a breaker that has opened"),
    Fault("engine_breaker.c", "\temit_change(engine, circuit, change);\n",
          "\tif (change.to != BREAKER_HALF_OPEN)\n\t\temit_change(engine, circuit, change);\n",
          "half-open is not told"),
    Fault("engine_breaker.c", "\theap_set(&engine->circuit_timers, &circuit->timer, breaker_deadline(&circuit->breaker));\n",
          "\tif (change.to != BREAKER_OPEN)\n\t\theap_set(&engine->circuit_timers, &circuit->timer, breaker_deadline(&circuit->breaker));\n",
          "the end of the open time is not waited for"),
    Fault("engine_breaker.c", "\t\treturn breaker_force_open(breaker, now);\n", "\t\treturn breaker_reset(breaker, now);\n",
          "a breaker can't be opened by hand"),
    Fault("engine_request.c", "\t\tengine_outcome(engine, request, OUTCOME_NEUTRAL);\n\t\trequest->run.attempt = NULL;",
          "\t\trequest->run.has_permit = false;\n\t\trequest->run.attempt = NULL;", "a permit is not given back on cancel"),
    Fault("engine_attempt.c", "counts && !request->run.was_counted ? OUTCOME_FAILURE", "counts ? OUTCOME_FAILURE",
          "a request counts as a failure with every attempt"),
    Fault("engine_attempt.c", "\tengine_outcome(engine, request, OUTCOME_SUCCESS);\n\tengine_answer_result",
          "\tengine_answer_result",
          "a success is not told to the breaker"),
    Fault("engine_attempt.c", "\t\tengine_outcome(engine, request, OUTCOME_NEUTRAL);\n\t\tengine_enqueue",
          "\t\tengine_enqueue", "a permit is not given back by what never ran"),
    Fault("breaker.c", "return breaker->probes < breaker->settings.half_open_requests;",
          "return breaker->probes <= breaker->settings.half_open_requests;",
          "one probe too many"),
    Fault("breaker.c", "\tif (permit.generation != breaker->generation) {", "\tif (permit.generation > breaker->generation) {",
          "a late outcome counts"),
    Fault("breaker.c", "++breaker->probe_successes < breaker->settings.success_threshold",
          "++breaker->probe_successes + 1 < breaker->settings.success_threshold",
          "one probe too few closes the breaker"),
    Fault("breaker.c", "breaker->run >= settings->failure_threshold", "breaker->run + 1 >= settings->failure_threshold",
          "one failure too few opens the breaker"),
    Fault("breaker.c", "#define EARLY_AFTER   USEC_PER_SEC", "#define EARLY_AFTER   USEC_PER_MSEC",
          "early probes come at once"),
    # --- chains ---
    Fault("engine_place.c", "\treturn (!request->run.may_have_run || request->is_idempotent) &&\n", "\treturn\n",
          "what may have run and must not twice fails over"),
    Fault("engine_place.c", "request->no_fallback ? 0 : ", "",
          "who wants no fallback has one"),
    Fault("engine_place.c", "\tif (request->pool_skip & 1u << level)\n\t\treturn false;\n", "",
          "a fallback is asked for a method that it does not know"),
    Fault("engine_place.c", "\t\treturn !request->has_streamed;\n", "\t\treturn true;\n",
          "a canned answer follows parts of another"),
    Fault("engine_place.c", "\t       request->run.crashes <= settings->max_crash_retries &&\n", "",
          "a request takes the workers of its fallbacks down"),
    Fault("engine_place.c", "\trequest->run.level = level;\n", "\trequest->run.level = level > 1 ? 1 : level;\n",
          "the second fallback calls itself the first"),
    Fault("engine_recover.c", "engine_descend(engine, request, level + 1,", "engine_descend(engine, request, 1,",
          "failing over begins at the top again"),
    Fault("failover.c", "static const unsigned shares[] = {10, 25, 50};", "static const unsigned shares[] = {10};",
          "requests return without steps"),
    Fault("failover.c", "return usec_add(failover->left, failover->settings.dwell);", "return failover->left;",
          "requests return without a dwell"),
    Fault("engine_chain.c", "effect->level.from = pool->failover.level;", "effect->level.from = 0;",
          "every level is said to be left from the top"),
    Fault("engine_chain.c", "(circuit_is_closed(&pool->circuits[0]) &&", "(pool &&",
          "requests stay at a pool whose breaker is open"),
    Fault("engine_place.c", "\tfailure.retry_after = usec_min(failure.retry_after, retry_after);\n", "",
          "it is not said that another level will be free sooner"),
    Fault("engine_place.c", "\tif (request->deadline <= engine->now)\n\t\treturn false;\n\tif (settings->adapter", "\tif (settings->adapter",
          "at its deadline a request goes down the chain"),
    Fault("engine_place.c", "pool->is_deserted != descent->is_last_resort ||", "",
          "requests go to a fallback where nobody is before one where somebody is"),
    Fault("engine_place.c", "\tif (pool->is_deserted)\n\t\treturn false;\n", "",
          "new requests begin where nobody is"),
    Fault("engine_place.c", "\t\t\tpool->stats.taken_over++;\n", "",
          "a pool does not count what comes down to it"),
    Fault("engine_place.c", "may_try_level(engine, request, level) && pool_serves(pool) &&", "may_try_level(engine, request, level) &&",
          "requests leave for a fallback that serves nothing"),
    Fault("engine_recover.c", "saves_last_worker(engine, request, failure->code) ||", "false ||",
          "the last worker that a request may take down is one of its own pool"),
    Fault("engine_leave.c", "\t\tin = left / 2;\n", "\t\tin = left;\n",
          "a short deadline is waited out where nobody is"),
    Fault("engine_leave.c", "usec_add(LEAVE_BEFORE, usec_add(run, run / 2));", "LEAVE_BEFORE;",
          "a request leaves when its fallback has no time any more"),
    Fault("engine_leave.c", "\t\tif (!lacks && !is_time(engine, request, level))\n\t\t\treturn false;\n",
          "\t\tif (!lacks && !is_time(engine, request, level))\n\t\t\tcontinue;\n",
          "a request that does not wait for the next level goes past it"),
    Fault("engine_chain.c", "\tif (!was_deserted)\n\t\tpool->leave_at = engine->now;\n\tif (pool->leave_at <= engine->now)\n\t\tleave_deserted(engine, pool);\n", "",
          "who is queued stays where nobody is"),
    Fault("engine_chain.c", "have_left ? 0 : LEAVE_AGAIN", "have_left ? LEAVE_AGAIN : LEAVE_AGAIN",
          "the rest waits though the fallback has room again"),
    Fault("engine_chain.c", "if (is_able(fallback) && pool_serves(fallback))", "if (is_able(fallback))",
          "a pool is not down beside a fallback that serves nothing"),
    Fault("engine_chain.c", "\tif (pool->lacking_since > 0 && !pool->is_deserted && matters(engine, pool))\n", "\tif (false)\n",
          "nobody notices that nobody is there"),
    Fault("pool.c", "\t       pool->failed_starts == 0 && !pool->is_deserted;", "\t       !pool->is_deserted;",
          "a pool that starts on demand is well though its starts fail"),
    Fault("pool.c", "\treturn pool->queue.len > 0 || pool->states[WORKER_INITIALIZING].len > 0 ||", "\treturn pool->states[WORKER_INITIALIZING].len > 0 ||",
          "who waits for a worker wants none"),
    # --- workers that are replaced, and how many there are ---
    Fault("engine_scaling.c", "if (pool_live(pool) + pool->starts_pending > pool_wanted(pool) + pool->replacements) {", "if (engine) {",
          "a replacement that a crash needed sends another one away"),
    Fault("engine_scaling.c", "\tstop_roll(engine, pool, code);\n", "",
          "a restart goes on after a replacement that did not start"),
    Fault("engine_scaling.c", "\t       pool->replacements + pool->leaving < pool_out_max(pool) &&\n", "",
          "workers are replaced all at once"),
    Fault("engine_scaling.c", "\tworker->is_replaced = true;\n\tpool->leaving++;\n", "",
          "the next is replaced while the one before still leaves"),
    Fault("engine_scaling.c", "\t\told = next_to_replace(pool);\n", "\t\told = NULL;\n",
          "nobody leaves when a replacement has come"),
    Fault("engine_scaling.c", "has_served_most ? CAUSE_SERVED : CAUSE_NONE", "CAUSE_NONE",
          "a restart that stopped keeps whom max_requests would replace"),
    Fault("engine_scaling.c", "lifetime - prng_between(", "lifetime + prng_between(",
          "a worker lives for longer than max_lifetime"),
    Fault("engine_scaling.c", "max > pool->workers_bound", "max > pool->slots",
          "a pool is made larger than there are slots for"),
    Fault("engine_scaling.c", "\tengine_trim(engine, pool);\n\tengine_refill(engine, pool);\n\t/* Those that",
          "\tengine_refill(engine, pool);\n\t/* Those that",
          "a pool that was made smaller keeps its workers"),
    Fault("engine_scaling.c", "\t\telse if (worker->is_wanted)\n\t\t\tengine_unwant(engine, worker);\n\t}\n\tdrop", "\t}\n\tdrop",
          "what is to start does so after the stop"),
    Fault("engine_worker.c", "\tengine_trim(engine, pool);\n", "",
          "those that waited to be ended when a pool was made smaller stay"),
    Fault("pool.c", "return at_once == 0 || pool->states[WORKER_TERMINATING].len < at_once;", "return true;",
          "all that a pool does not need any more end at once"),
    Fault("engine_health.c", "\tif (pool_may_end(&engine->pools[worker->pool]))\n\t\treturn due;\n\treturn usec_max(due, usec_add(engine->now, IDLE_TURN));\n",
          "\treturn due;\n", "all idle workers end at once"),
    Fault("engine_scaling.c", "\tengine_end_manual(engine, worker, signal);\n", "",
          "who is killed by hand gets no signal"),
    Fault("engine_worker.c", "if (unusable && !worker->is_excused)", "if (unusable)",
          "a restart that stopped makes its pool fail"),
    Fault("engine_worker.c", "\tif (worker->state != WORKER_BUSY) {\n\t\tengine_terminate(engine, worker, cause);", "\tif (engine) {\n\t\tengine_terminate(engine, worker, cause);",
          "who leaves is not let finish what it runs"),
    Fault("engine_worker.c", "\tengine_take_back(engine, worker);\n\tengine_finish_drain", "\tengine_finish_drain",
          "what a leaving worker has not begun waits there"),
    Fault("engine_worker.c", "(!worker_cause_is_planned(worker->leaving) && !worker_is_needed(worker, false))", "!worker_is_needed(worker, false)",
          "who leaves is not let give up what it was asked to"),
    Fault("engine_worker.c", "if (worker->concurrency == 1 || !worker_is_needed(worker, true)) {", "if (engine) {",
          "who does not give up is killed with all that it runs"),
    Fault("engine_worker.c", "worker->served >= pool->settings.max_requests)", "worker->served > pool->settings.max_requests)",
          "a worker serves one more than max_requests"),
    Fault("engine_request.c", "\treturn worker->concurrency > 1 && !worker->channel_broken &&", "\treturn false && !worker->channel_broken &&",
          "an overrun takes down what runs beside it"),
    Fault("engine_attempt.c", "\tif (pool->settings.spares > 0)\n\t\tengine_refill(engine, pool);\n", "",
          "no spare one comes when others are at work"),
    Fault("engine_health.c", "\tattempt->was_slow_reported = true;\n", "",
          "what runs for long is told again and again"),
    Fault("engine_health.c", "\treturn worker->retire_at;\n", "\treturn USEC_INFINITY;\n",
          "max_lifetime is not kept"),
    Fault("engine_input.c", "most > 0 && event->memory.bytes > most", "most > 0 && event->memory.bytes > 2 * most",
          "a worker uses twice max_memory"),
    Fault("engine_place.c", "\tif (is_shut_out(pool, request))\n\t\treturn ERR_pool_unavailable;\n", "",
          "a pool that is out of service is asked"),
    Fault("engine_chain.c", "return pool->drained == 0 &&", "return pool &&",
          "requests start at a pool that is out of service"),
    Fault("pool.c", "(at_once == 0 || coming < at_once)", "(at_once == 0 || coming <= at_once)",
          "one more starts at once than start_parallel"),
    Fault("pool.c", "\tif (pool->failed_starts >= POOL_FAILED_STARTS)\n\t\tat_once = 1;\n", "",
          "a pool that fails to start tries all at once"),
    Fault("pool.c", "(busy > least ? busy : least) + pool->settings.spares", "(busy > least ? busy : least)",
          "no spares are kept"),
    Fault("pool.c", " || worker->state == WORKER_DRAINING)\n\t\treturn NULL;", ")\n\t\treturn NULL;",
          "a session waits for a worker that leaves"),
    # --- sessions ---
    Fault("engine_attempt.c", "\tengine_judge_error(engine, worker, request, code, event->answer.is_fatal);\n",
          "\tif (request->session && event->answer.state <= 100)\n\t\tengine_bind(engine, request->session, worker, event);\n\tengine_judge_error(engine, worker, request, code, event->answer.is_fatal);\n",
          "a failed attempt commits its state"),
    Fault("session.c", "\tif (session_is_busy(session)) {\n", "\tif (session->turn == request) {\n",
          "two requests of a session run at once"),
    Fault("waiting.c", "\tlist_push_back(&waiting->list, &request->in_queue);", "\tlist_push_front(&waiting->list, &request->in_queue);",
          "who waits last goes first"),
    Fault("session.c", "\tif (sessions->ended.len > sessions->settings.max)", "\tif (sessions->ended.len > 0)",
          "no tombstone stands"),
    Fault("session.c", "session->reason == SESSION_CLOSED ? ERR_session_not_found",
          "session->reason == SESSION_EVICTED ? ERR_session_not_found",
          "a session that was closed is said to have expired"),
    Fault("session.c", "\tsession->used = now;\n\tif (session->turn != request) {", "\tif (session->turn != request) {",
          "a session expires though it was in use"),
    Fault("session.c", "\t*ret_victim = first(&sessions->idle);",
          "\t*ret_victim = list_empty(&sessions->idle) ? NULL : list_entry(list_last(&sessions->idle), struct session, in_list);",
          "the session that was used last makes room"),
    Fault("session.c", "session->has_handed_back = handed || (same && session->has_handed_back);", "session->has_handed_back = true;",
          "a lost state is not told"),
    Fault("engine_session.c", "\tif (bytes > sessions->settings.state_max)\n\t\treturn false;\n", "",
          "a state may be larger than allowed"),
    Fault("engine_session.c", "\t\temit_session(engine, session, SESSION_MOVED);\n", "\t\tengine->levels_moved = true;\n",
          "a worker is not told that its session has moved"),
    Fault("engine_session.c", "\t\tif (engine->pools[request->home].settings.affinity == SESSION_STRICT)\n", "\t\tif (false)\n",
          "a strict session is answered by another pool"),
    Fault("pool.c", "(!session->has_handed_back || session->has_lost_state);", "false;",
          "a strict session comes home without its state"),
    Fault("engine_request.c", "return is_lost || session_is_kept(session);", "return is_lost;",
          "a canned answer is said to have the state that a worker keeps"),
    Fault("engine_session.c", "\t\t\trequest->session = NULL;\n", "",
          "closing a session takes those that wait out twice"),
    Fault("engine_request.c", "\tsession->has_lost_state = false;\n\treturn is_lost;", "\treturn is_lost;",
          "a lost state is told again and again"),
    Fault("engine_worker.c", "\tengine_unbind_sessions(engine, worker);\n", "",
          "a session is bound to a life that is over"),
    Fault("pool.c", "\tif (session->pool == pool->index)\n\t\treturn true;\n",
          "\tif (session->pool == pool->index)\n\t\treturn false;\n",
          "a strict session goes to another worker"),
    Fault("pool.c", "if (!worker || pool->settings.affinity == SESSION_HINT)",
          "if (!worker || pool->settings.affinity != SESSION_STRICT)",
          "a session does not wait for its worker"),
    Fault("engine_attempt.c", "\t\trequest->has_streamed = false;\n\t\tengine_emit(engine, EFFECT_RESTART)->request = engine_slot_of(engine, request);\n",
          "\t\trequest->has_streamed = false;\n", "parts of a failed attempt are not said to be void"),
    # --- keys ---
    Fault("key.c", "return usec_add(key->succeeded, keys->settings.ttl);",
          "return usec_add(key->succeeded, keys->settings.ttl / 2);",
          "a stored answer is forgotten early"),
    Fault("key.c", "\t\tkey->bytes = bytes;\n\t\tkeys->bytes += bytes;\n", "\t\tkey->bytes = bytes;\n",
          "stored answers take no room"),
    Fault("engine_session.c", "\tif (key->state == KEY_STORED)\n\t\tengine_emit(engine, EFFECT_FORGET)",
          "\tif (key->state == KEY_IN_PROGRESS)\n\t\tengine_emit(engine, EFFECT_FORGET)",
          "an answer whose lifetime is over is kept for ever"),
    Fault("engine_session.c", "\t\tif (!key->outcome_unknown || next->is_idempotent) {", "\t\tif (engine) {",
          "a key runs again after a leader that may have succeeded"),
    Fault("engine_session.c", "\twait(engine, request);\n\tkey_wait(key, request);\n",
          "\tif (request->key_name.len > 0) {\n\t\trequest->key = NULL;\n\t\treturn true;\n\t}\n\twait(engine, request);\n\tkey_wait(key, request);\n",
          "two requests with one key run at once"),
    Fault("engine_session.c", "\t\tanswer(engine, request, ERR_memory_limit, EXECUTED_YES);\n",
          "\t\tanswer(engine, request, ERR_memory_limit, EXECUTED_NO);\n",
          "a spent key is said not to have run"),
    # --- whose a name is ---
    Fault("session.c", "\treturn sessions->settings.is_shared ? 0 : user;\n", "\treturn user & 0;\n",
          "a session is that of all users"),
    Fault("engine_session.c", "settings.keys_are_shared ? 0 : request->user;", "settings.keys_are_shared ? 0 : 0;",
          "a key, and its answer, is that of all users"),
    Fault("engine_session.c", "settings.keys_are_shared ? 0 : request->user;", "settings.keys_are_shared ? request->user : request->user;",
          "shared keys are not shared"),
    Fault("names.c", "name->user == user || !is_same", "!is_same", "a name is its own namesake"),
    # --- clients that do not read ---
    Fault("engine.c", "\t\tengine_stall(engine, event->stall);\n", "",
          "an attempt is blamed for the time in which the daemon stood still"),
    Fault("engine_attempt.c", "request && request->is_idempotent &&\n", "request &&\n",
          "what may run once goes back behind an answer that was too large"),
    Fault("engine_attempt.c", "!request->has_streamed && request_runs(request) < request->max_attempts &&\n", "!request->has_streamed &&\n",
          "what went back behind an answer that was too large runs more often than it may"),
    Fault("engine_hold.c", "\tif (held && request->state == REQUEST_QUEUED)", "\tif (!engine)",
          "a queued request of a client with too much unread is sent"),
    Fault("engine_attempt.c", "\tif (request->is_held) {", "\tif (!request) {",
          "a new request of a client with too much unread is sent"),
    Fault("engine_hold.c", "\telse if (!held && request->state == REQUEST_HELD)", "\telse if (!engine)",
          "a request does not come back when its client has read"),
    Fault("engine_hold.c", "\theld = held && !is_awaited(request);\n", "",
          "others wait with the key of a client that does not read"),
    Fault("engine_session.c", "\tengine_hold(engine, engine_slot_of(engine, key->leader), false);\n", "",
          "who comes with the key of a client that does not read waits"),
    Fault("queue.c", "if (entry(node)->submitted > request->submitted)", "if (entry(node)->submitted < request->submitted)",
          "requests come back in another order"),
    Fault("worker.c", "\tattempt->held = usec_add(attempt->held, usec_sub(now, attempt->held_since));\n", "",
          "an attempt is charged with the time in which its client did not read"),
    Fault("engine_hold.c", "timeout == 0 || attempt->held_since > 0", "timeout == 0",
          "an attempt overruns while its client does not read"),
    Fault("engine_request.c", "\tattempt->is_late = true;\n",
          "\tengine_terminate(engine, &engine->workers[request->run.worker], CAUSE_OVERRUN);\n\tattempt->is_late = true;\n",
          "a caller's deadline ends a worker"),
    Fault("engine_health.c", "worker->given_up == 0 || worker_is_held(worker)", "worker->given_up == 0",
          "who is paused must give up what it can't"),
    Fault("engine_health.c", "usec_max(usec_max(attempt->given_up, attempt->begun), worker->freed);", "usec_max(attempt->given_up, attempt->begun);",
          "the grace of who was paused is over at once"),
    Fault("engine_hold.c", "\t} else if (worker->state == WORKER_BUSY && worker_is_held(worker)) {", "\t} else if (!engine) {",
          "the line of who is paused waits with it"),
    Fault("engine_attempt.c", "\tif (event->answer.is_dropped)\n", "\tif (!engine)\n",
          "an answer that was not kept counts as one"),
    Fault("engine_attempt.c", "\tif (dropped) {", "\tif (!engine) {",
          "a part that was not kept is left out in silence"),
    # --- admission by predicted wait ---
    Fault("forecast.c", "\tif (is_contradicted(pool))\n", "\tif (now > 0)\n",
          "what was known of long runs locks the pool for ever"),
    Fault("forecast.c", "\tif (is_contradicted(pool))\n", "\tif (now == 0)\n",
          "any number of requests contradict the forecast at once"),
    Fault("forecast.c", "\tif (usec_sub(request->deadline, now) >= needed(pool, request))\n\t\treturn true;\n", "\tif (now > 0)\n\t\treturn true;\n",
          "what cannot finish in time is sent"),
    Fault("forecast.c", "\tuint64_t taken = overtaking(pool, priority, now);\n", "\tuint64_t taken = now > 0 ? 0 : overtaking(pool, priority, now);\n",
          "what overtakes is forgotten"),
    Fault("forecast.c", "wait_of(pool, request, now), rest) <= left)", "wait_of(pool, request, now), rest) <= left || pool)",
          "everything is queued, whatever it would wait"),
    Fault("forecast.c", "\tif (left < typical(pool, request))\n\t\treturn FORECAST_HOPELESS;\n", "",
          "who can never be served is told to come back"),
    Fault("forecast.c", "time_for(before + before / 4, places(pool) * USEC_PER_SEC)", "0",
          "those who are refused together come back together"),
    Fault("forecast.c", "uint64_t all = runs_work(&pool->runs, request->rank);", "uint64_t all = runs_work(&pool->runs, PRIORITY_COUNT_ - 1);",
          "critical requests are refused for those behind them"),
    Fault("forecast.c", "pool->queue.len == 1 && has_room(pool) && may_have_idle", "may_have_idle",
          "a contradiction is sent though others wait"),
    Fault("forecast.c", "usec_sub(now, pause_for(run)));", "usec_add(now, pause_for(run)));",
          "hopeless calls keep a worker busy"),
    Fault("forecast.c", "usec_max(CONTRADICT_MIN,", "usec_max(1,",
          "hopeless calls of a short method keep a worker busy"),
    Fault("forecast.c", "usec_min(usec_mul(typical, CONTRADICT_RUNS), CONTRADICT_MAX)", "usec_mul(typical, CONTRADICT_RUNS)",
          "runs that were long lock the pool for as long as that"),
    Fault("forecast.c", "\t\truns_refute(&pool->runs, attempt->entry, now);\n", "\t\treturn;\n",
          "a contradiction that was in vain is forgotten"),
    Fault("forecast.c", "usec_min(nearly_all, left / 2)", "0 * nearly_all",
          "only typical runs are sure to be in time"),
    Fault("forecast.c", "usec_min(nearly_all, left / 2)", "nearly_all",
          "who has no time for the longest run is refused"),
    Fault("forecast.c", "\tif (request->run.entry == RUNS_OTHER)\n\t\treturn runs_find(", "\tif (!pool)\n\t\treturn runs_find(",
          "what was learnt while a request waited is not used"),
    Fault("forecast.c", "\tforecast->refused_at = now;\n", "",
          "a pool that refuses is well again at once"),
    Fault("engine_chain.c", "\tengine->levels_moved |= !pool->is_shedding;\n", "",
          "a pool that has refused is degraded for ever"),
    Fault("engine_chain.c", "\t\tdue = usec_min(due, sheds_until(pool));\n", "\t\tdue = usec_min(due, due);\n",
          "nobody looks when the last refusal is long ago"),
    Fault("engine_place.c", "\t       too_late(engine, pool, &there) == ERR_NONE;\n", "\t       too_late(engine, pool, &there) != ERR_NONE + 100;\n",
          "who leaves a queue goes to a fallback that refuses it"),
    Fault("engine_place.c", "\tthere.run.entry = runs_find(&pool->runs, request->method);\n", "",
          "a fallback's forecast is asked about another method"),
    Fault("runs.c", "#define COST_OUTLIER\t8", "#define COST_OUTLIER\t4",
          "long runs count for less than they cost"),
    Fault("runs.c", "\t\trun = usec_min(run, usec_mul(present, outlier));\n", "\t\trun = usec_min(run, usec_mul(run, outlier));\n",
          "one stuck call closes the pool"),
    Fault("runs.c", "\tif (run < of->refuted) {", "\tif (run == 0) {",
          "a shorter run does not let the next one go"),
    Fault("runs.c", "method->refuted > span && ", "",
          "after a run in vain even who has time enough waits"),
    Fault("runs.c", "|| run <= runs_typical(runs, entry))", ")",
          "a run that was given up early makes the others look short"),
    Fault("runs.c", "\t\truns->work[i] += method->queued[i] * cost;\n", "\t\truns->work[i] += method->queued[i] * method->cost;\n",
          "the work of a queue is that of costs of long ago"),
    Fault("runs.c", "\tif (run >= method->high)\n", "\tif (run >= 4 * method->high)\n",
          "the longest runs are not known"),
    Fault("engine_attempt.c", "\truns_learn_error(&engine_pool_of(engine, worker)->runs, request->run.entry, run);\n", "\t(void)run;\n",
          "calls that fail cost as much as those that succeed"),
    # --- the daemon stood still ---
    Fault("engine_stall.c", "\tmove_past(engine, &attempt->begun, stall);\n", "",
          "a run is charged with the time in which the daemon stood still"),
    Fault("engine_stall.c", "\tmove_past(engine, &attempt->given_up, stall);\n", "",
          "the grace of who was asked to give up goes by while nobody listens"),
    Fault("engine_stall.c", "\tmove_past(engine, &attempt->held_since, stall);\n", "",
          "a stall during a hold counts twice"),
    Fault("engine_stall.c", "\trequest->run.attempt_due = usec_add(request->run.attempt_due, stall);\n", "",
          "an attempt that was sent before a stall is over after it"),
    Fault("engine_stall.c", "\tmove_past(engine, &worker->ping_sent, stall);\n", "",
          "a pong is missed while nobody listens"),
    Fault("engine_stall.c", "\t\tworker->started = usec_min(engine->now, usec_add(worker->started, stall));\n", "",
          "a start is too late after a stall"),
    Fault("engine_stall.c", "\t\tworker->step_at = usec_add(worker->step_at, stall);\n", "\t\tworker->step_at = worker->step_at;\n",
          "a worker that ends has no grace in a stall"),
    # --- what is held ---
    Fault("engine_hold.c", "\tworker->is_slow = true;\n", "",
          "more requests are put behind a worker that is paused"),
    Fault("engine_hold.c", "\tattempt->request->run.attempt_due = attempt_due(engine, attempt);\n", "",
          "an attempt is over at the time set before it was held"),
    Fault("engine_eject.c", "\tif (worker->begins_ejected && worker->state == WORKER_READY &&", "\tif (worker->state == WORKER_INITIALIZING &&",
          "who comes for one that was of no use serves at once"),
    Fault("engine_eject.c", "\tworker->on_probation = worker->ejections > 0;\n", "",
          "the life after a bad one is not on trial"),
    Fault("siblings.c", "last_of_siblings(&all->failed, worker) < succeeded);", "all->calls > 0);",
          "an outage ejects one after the other"),
    Fault("runs.c", "\treturn mean_of(&runs->methods[entry].of_results);", "\treturn entry < runs->count ? mean_of(&runs->of_pool) : 0;",
          "all methods share one estimate"),
]


def run(command: list[str], tree: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Runs a command in the tree; its output is kept.  A time-out (seconds) counts as exit status 124."""
    try:
        return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", "timed out")


def make_copy(tree: Path) -> None:
    """Puts what the core's tests are made of into the directory."""
    for part in ("protocol", "daemon/core", "daemon/io", "tests/lib", "tests/unit", "tests/sim"):
        # What speaks with a channel needs io.
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("speak.*"))
    shutil.copy(ROOT / "Makefile", tree)


def unit_tests(tree: Path) -> list[str]:
    """The names of the core's unit tests that there are."""
    rooms = sorted(path.stem for path in (tree / CORE).glob("*.c"))
    units = {path.stem for path in (tree / "tests/unit").glob("test_*.c")}
    return sorted(unit for unit in units if any(unit == f"test_{room}" or unit.startswith(f"test_{room}_") for room in rooms))


def build(tree: Path, units: list[str]) -> subprocess.CompletedProcess[str]:
    """Builds the unit tests and the simulators."""
    targets = [f"{BUILD}/unit/{unit}" for unit in units] + [f"{BUILD}/sim/sim", f"{BUILD}/sim/load"]
    return run(["make", "-s", f"-j{min(2, os.cpu_count() or 1)}", f"O={BUILD}", "CFLAGS=-O1 -g", "WERROR=0", *targets], tree)


def caught_by(tree: Path, units: list[str], seeds: int) -> list[str]:
    """What fails: the unit tests' names, the simulator with the first promise it saw broken, the one for load with a case."""
    found = [unit.removeprefix("test_") for unit in units if run([f"{BUILD}/unit/{unit}"], tree).returncode != 0]
    result = run([f"{BUILD}/sim/sim", "--seeds", str(seeds), "--events", str(EVENTS)], tree)
    if result.returncode != 0:
        first = next((line for line in result.stdout.splitlines() if line.startswith("seed ")), "seed ?: timed out:")
        found.append(f"sim ({first.split(':')[1].strip()}, seed {first.split(':')[0].split()[1]})")
    result = run([f"{BUILD}/sim/load", "--quiet", "--first"], tree)
    if result.returncode != 0:
        first = next((line for line in result.stdout.splitlines() if line.endswith("NOT MET")), "it ended before its table did")
        # The columns: the name of the world, which may hold spaces, and its figure.
        found.append(f"load ({' '.join(first[:40].split())})")
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
    parser.add_argument("--units", default="", help="the rooms whose unit tests are run, with commas (all)")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if options.only in f"{fault.file} {fault.what}"]
    missed = 0
    with tempfile.TemporaryDirectory(prefix="poold-mutate-") as directory:
        tree = Path(directory)
        make_copy(tree)
        units = [unit for unit in unit_tests(tree) if not options.units or unit.removeprefix("test_") in options.units.split(",")]
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
