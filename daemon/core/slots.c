#include "daemon/core/slots.h"

const struct slots_level slots_levels[SLOTS_LEVELS] = {
	{SLOTS_SECOND, 0, SLOTS_SECONDS},
	{SLOTS_TEN, SLOTS_SECONDS, SLOTS_TENS},
	{SLOTS_MINUTE, SLOTS_SECONDS + SLOTS_TENS, SLOTS_MINUTES},
};

const struct slots_level *slots_find(usec_t length)
{
	for (unsigned i = 0; i < SLOTS_LEVELS; i++)
		if (length <= slots_levels[i].length * (slots_levels[i].count - 1))
			return &slots_levels[i];
	return NULL;
}

unsigned slots_place(const struct slots_level *level, uint64_t *numbers, usec_t time,
		     bool *ret_is_new)
{
	uint64_t number = slots_number(time, level->length);
	unsigned place = level->first + (unsigned)(number % level->count);

	*ret_is_new = numbers[place] != number;
	numbers[place] = number;
	return place;
}
