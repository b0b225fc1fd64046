#include "daemon/io/worker/steps.h"

#include "daemon/io/base/pack_named.h"
#include "protocol/utf8.h"

#include <stdio.h>
#include <string.h>

void steps_begin(struct steps *steps, const char *name, usec_t now)
{
	steps->count = 0;
	steps->ended = 0;
	steps_add(steps, (struct bytes){(const uint8_t *)name, strlen(name)}, now);
}

void steps_add(struct steps *steps, struct bytes name, usec_t now)
{
	struct step *step;

	if (steps->ended > 0)
		return;
	if (steps->count < STEPS_MAX)
		steps->count++;
	step = &steps->list[steps->count - 1];
	name = utf8_cut(name, STEP_NAME_MAX);
	snprintf(step->name, sizeof(step->name), "%.*s", (int)name.len, (const char *)name.data);
	step->begun = now;
}

void steps_end(struct steps *steps, usec_t now)
{
	if (steps->ended == 0)
		steps->ended = now;
}

static usec_t end_of(const struct steps *steps, unsigned i, usec_t now)
{
	if (i + 1 < steps->count)
		return steps->list[i + 1].begun;
	return steps->ended > 0 ? steps->ended : now;
}

void steps_pack(const struct steps *steps, struct buf *out, usec_t now)
{
	pack_array(out, steps->count);
	for (unsigned i = 0; i < steps->count; i++) {
		const struct step *step = &steps->list[i];

		pack_array(out, 2);
		pack_text(out, (struct bytes){(const uint8_t *)step->name, strlen(step->name)});
		pack_double(out, (double)usec_sub(end_of(steps, i, now), step->begun) / 1e3);
	}
}

void steps_describe(const struct steps *steps, usec_t now, char *out, size_t size)
{
	const struct step *last = &steps->list[steps->count > 0 ? steps->count - 1 : 0];
	usec_t span;

	out[0] = '\0';
	if (steps->count == 0)
		return;
	span = usec_sub(end_of(steps, steps->count - 1, now), last->begun);
	if (span >= USEC_PER_SEC)
		snprintf(out, size, "%s for %.3g s", last->name, (double)span / 1e6);
	else
		snprintf(out, size, "%s for %.3g ms", last->name, (double)span / 1e3);
}
