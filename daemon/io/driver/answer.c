#include "daemon/io/driver/answer.h"

#include "daemon/io/base/pack_named.h"
#include "daemon/io/driver/failure.h"
#include "daemon/io/driver/handed.h"
#include "daemon/io/driver/state.h"
#include "daemon/io/driver/step.h"

#include <string.h>

/* More than what `meta` of an answer takes. */
#define META_MAX 512

/* The bytes of a result, and the chunk that holds them or NULL. */
struct source {
	struct chunk *chunk;
	struct bytes value;
};

static COLD void refuse(struct driver *driver, struct call *call, enum errcode code,
			const char *message)
{
	struct error error = failure_error(driver, code);

	error.executed = EXECUTED_YES;
	error.message = message;
	error.request = call->number;
	error.method = call->method;
	error.outcome =
		outcome_code_text((struct outcome_code){OUTCOME_BY_DAEMON, OUTCOME_AT_REPLY});
	trace_fill(&call->trace, &error);
	call->lost = code;
	call_answer_error(call, &error);
	refusal_report_lost(driver, call->caller, &error);
}

static struct source source_of(const struct driver *driver, const struct driver_step *step,
			       const struct call *call, const struct effect *effect)
{
	const struct config_answer *answer;

	switch (effect->result.source) {
	case RESULT_WORKER:
		return (struct source){step->answer->chunk, step->answer->result};
	case RESULT_STORED:
		return (struct source){
			.value = slot_store_get(&driver->stored_answers, effect->result.key)};
	case RESULT_STATIC:
		break;
	}
	/* The request does not come to a static pool that has no answer for its method. */
	answer = driver_static_answer(driver, effect->pool, call->method);
	return (struct source){.value = {answer->value.data, answer->value.len}};
}

static void pack_meta(const struct driver *driver, const struct call *call,
		      const struct effect *effect, struct buf *buf)
{
	bool worked = effect->worker != NO_SLOT;
	struct request_view request;

	engine_view_request(driver->engine, call->slot, &request);
	pack_map(buf, 6u + (call->session.len > 0) + (call->key.len > 0));
	pack_named_str(buf, "served_by", driver_pool_config(driver, effect->pool)->name);
	pack_named_uint(buf, "attempts", request.attempts);
	pack_named_bool(buf, "degraded", effect->result.level > 0);
	pack_named_ms(buf, "queue_ms",
		      usec_sub(request.attempts > 0 ? request.first_sent : loop_now(driver->loop),
			       request.submitted));
	pack_named_ms(buf, "run_ms", worked ? usec_sub(loop_now(driver->loop), request.sent) : 0);
	pack_named_uint(buf, "worker", worked ? driver_worker_number(driver, effect->worker) : 0);
	if (call->session.len > 0)
		pack_named_bool(buf, "state_lost", effect->result.has_lost_state);
	if (call->key.len > 0)
		pack_named_bool(buf, "stored", effect->result.source == RESULT_STORED);
}

/* {result, meta: {...}} in the place of the result. */
static COLD void answer_with_meta(struct driver *driver, struct call *call,
				  const struct effect *effect, const struct source *source)
{
	/* A map of 2, and a str of 6 bytes. */
	static const uint8_t before[] = {0x82, 0xa6, 'r', 'e', 's', 'u', 'l', 't'};
	struct buf behind;

	buf_init(&behind, META_MAX);
	pack_str(&behind, "meta");
	pack_meta(driver, call, effect, &behind);
	if (buf_error(&behind) == 0)
		call_answer(call, &(struct caller_answer){.before = {before, sizeof(before)},
							  .value = source->value,
							  .behind = {behind.data, behind.len},
							  .chunk = source->chunk});
	else
		refuse(driver, call, ERR_memory_limit, "there was no memory for the answer's meta");
	buf_free(&behind);
}

/* The state that the answered attempt handed back is the session's from now on.  False: no memory
 * for it. */
static COLD bool commit_state(struct driver *driver, const struct driver_step *step,
			      uint32_t session)
{
	struct handed *handed = handed_find(&driver->lives[step->event.worker], step->event.id);
	bool lost = handed->len > 0 && handed->state.len == 0;

	slot_store_take(&driver->session_states, session, handed->state);
	handed->state = (struct bytes){0};
	return !lost;
}

void answer_store(struct driver *driver, const struct driver_step *step,
		  const struct effect *effect)
{
	/* Where there is no memory the slot is empty: the state is lost, as is the key's answer. */
	if (effect->store.session != NO_SLOT)
		(void)commit_state(driver, step, effect->store.session);
	if (effect->store.key != NO_SLOT)
		(void)slot_store_put(&driver->stored_answers, effect->store.key,
				     step->answer->result);
}

void answer_result(struct driver *driver, const struct driver_step *step, struct call *call,
		   const struct effect *effect)
{
	struct source source = source_of(driver, step, call, effect);

	if (effect->result.session != NO_SLOT &&
	    !commit_state(driver, step, effect->result.session)) {
		refuse(driver, call, ERR_memory_limit,
		       "there was no memory for the session's state");
		return;
	}
	if (effect->result.source == RESULT_STORED && source.value.len == 0) {
		refuse(driver, call, ERR_memory_limit, "there was no memory to keep the answer");
		return;
	}
	if (effect->result.source == RESULT_WORKER && effect->result.key != NO_SLOT)
		(void)slot_store_put(&driver->stored_answers, effect->result.key, source.value);
	if (call->wants_meta)
		answer_with_meta(driver, call, effect, &source);
	else
		call_answer(call,
			    &(struct caller_answer){.value = source.value, .chunk = source.chunk});
}
