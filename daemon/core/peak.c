#include "daemon/core/peak.h"

#include <string.h>

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void begin_second(struct peak *peak, usec_t now)
{
	peak->current = 0;
	peak->second = now - now % SLOTS_SECOND;
	peak->ends = usec_add(peak->second, SLOTS_SECOND);
}

void peak_init(struct peak *peak, usec_t now)
{
	memset(peak, 0, sizeof(*peak));
	begin_second(peak, now);
}

void peak_turn(struct peak *peak, usec_t now)
{
	for (unsigned i = 0; i < SLOTS_LEVELS; i++) {
		bool is_new;
		uint64_t *slot = &peak->slots[slots_place(&slots_levels[i], peak->numbers,
							  peak->second, &is_new)];

		*slot = larger(is_new ? 0 : *slot, peak->current);
	}
	peak->before = larger(peak->before, peak->current);
	begin_second(peak, now);
}

uint64_t peak_read(const struct peak *peak, usec_t now, usec_t length, uint64_t highest)
{
	const struct slots_level *level = slots_find(length);
	usec_t from = level ? slots_begin(now, length, level->length) : 0;

	if (peak->second >= from)
		highest = larger(highest, peak->current);
	if (!level)
		return larger(highest, peak->before);
	for (unsigned i = level->first; i < level->first + level->count; i++)
		if (slots_is_since(peak->numbers[i], from, level->length))
			highest = larger(highest, peak->slots[i]);
	return highest;
}
