#include "daemon/core/heap.h"

#include <stdio.h>

#include "tests/lib/shrink.h"
#include "tests/lib/unit.h"

#define ENTRIES 16

struct fixture {
	struct heap heap;
	struct heap_place places[ENTRIES];
	struct heap_entry entries[ENTRIES];
};

static void set_up(struct fixture *f)
{
	heap_init(&f->heap, f->places, ENTRIES);
	for (unsigned i = 0; i < ENTRIES; i++)
		heap_entry_init(&f->entries[i]);
}

static unsigned len_of(const struct fixture *f)
{
	return f->heap.len + f->heap.line.len;
}

START_TEST(empty_heap_has_no_next)
{
	struct fixture f;

	set_up(&f);
	ck_assert_ptr_null(heap_first(&f.heap));
	ck_assert_uint_eq(heap_next(&f.heap), USEC_INFINITY);
	ck_assert_uint_eq(f.entries[0].index, HEAP_NONE);
}
END_TEST

START_TEST(first_is_the_earliest)
{
	static const usec_t times[] = {50, 20, 90, 20, 10, 70};
	static const usec_t sorted[] = {10, 20, 20, 50, 70, 90};
	struct fixture f;

	set_up(&f);
	for (unsigned i = 0; i < ARRAY_SIZE(times); i++)
		heap_set(&f.heap, &f.entries[i], times[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(sorted); i++) {
		ck_assert_uint_eq(heap_next(&f.heap), sorted[i]);
		ck_assert_uint_eq(heap_first(&f.heap)->at, sorted[i]);
		heap_remove(&f.heap, heap_first(&f.heap));
	}
	ck_assert_ptr_null(heap_first(&f.heap));
}
END_TEST

START_TEST(entry_moves_when_set_again)
{
	struct fixture f;

	set_up(&f);
	heap_set(&f.heap, &f.entries[0], 10);
	heap_set(&f.heap, &f.entries[1], 20);
	heap_set(&f.heap, &f.entries[0], 30);
	ck_assert_ptr_eq(heap_first(&f.heap), &f.entries[1]);
	heap_set(&f.heap, &f.entries[0], 5);
	ck_assert_ptr_eq(heap_first(&f.heap), &f.entries[0]);
	heap_set(&f.heap, &f.entries[0], 5);
	ck_assert_uint_eq(len_of(&f), 2);
}
END_TEST

START_TEST(infinity_takes_an_entry_out)
{
	struct fixture f;

	set_up(&f);
	heap_set(&f.heap, &f.entries[0], 10);
	heap_set(&f.heap, &f.entries[0], USEC_INFINITY);
	ck_assert_uint_eq(f.entries[0].index, HEAP_NONE);
	ck_assert_uint_eq(f.entries[0].at, USEC_INFINITY);
	ck_assert_uint_eq(len_of(&f), 0);
	heap_set(&f.heap, &f.entries[0], USEC_INFINITY);
	heap_remove(&f.heap, &f.entries[0]);
	ck_assert_uint_eq(len_of(&f), 0);
}
END_TEST

START_TEST(full_heap_holds_its_capacity)
{
	struct fixture f;

	set_up(&f);
	for (unsigned i = 0; i < ENTRIES; i++)
		heap_set(&f.heap, &f.entries[i], ENTRIES - i);
	ck_assert_uint_eq(len_of(&f), ENTRIES);
	ck_assert_ptr_eq(heap_first(&f.heap), &f.entries[ENTRIES - 1]);
}
END_TEST

/* One that is due long after all others does not keep these out of the line. */
START_TEST(deadlines_in_order_stand_in_line)
{
	struct fixture f;

	set_up(&f);
	heap_set(&f.heap, &f.entries[0], 1000);
	for (unsigned i = 1; i < ENTRIES; i++)
		heap_set(&f.heap, &f.entries[i], 10 + i);
	ck_assert_uint_eq(f.heap.len, 0);
	heap_set(&f.heap, &f.entries[0], 1);
	ck_assert_uint_eq(f.heap.len, 1);
	ck_assert_ptr_eq(heap_first(&f.heap), &f.entries[0]);
	heap_remove(&f.heap, &f.entries[0]);
	for (unsigned i = 1; i < ENTRIES; i++) {
		ck_assert_ptr_eq(heap_first(&f.heap), &f.entries[i]);
		heap_remove(&f.heap, &f.entries[i]);
	}
}
END_TEST

/* The naive model: an array of times, searched from end to end. */
enum op_kind {
	OP_SET = 0,
	OP_SET_INFINITE,
	OP_REMOVE,
	OP_REMOVE_FIRST,
	OP_COUNT_
};

static enum op_kind kind_of(uint64_t op)
{
	static const enum op_kind kinds[] = {OP_SET,	      OP_SET,	 OP_SET,	 OP_SET,
					     OP_SET_INFINITE, OP_REMOVE, OP_REMOVE_FIRST};

	return kinds[op % ARRAY_SIZE(kinds)];
}

static unsigned entry_of(uint64_t op)
{
	return (unsigned)(op >> 8 & 0xff) % ENTRIES;
}

/* Few different times, so that equal ones are common. */
static usec_t time_of(uint64_t op)
{
	return op >> 16 & 0x1f;
}

static void describe(uint64_t op, char *text, size_t size)
{
	static const char *const names[OP_COUNT_] = {"set", "set infinite", "remove",
						     "remove first"};

	snprintf(text, size, "%s entry %u at %u", names[kind_of(op)], entry_of(op),
		 (unsigned)time_of(op));
}

static void apply(struct fixture *f, usec_t *model, uint64_t op)
{
	unsigned i = entry_of(op);

	switch (kind_of(op)) {
	case OP_SET:
		heap_set(&f->heap, &f->entries[i], time_of(op));
		model[i] = time_of(op);
		break;
	case OP_SET_INFINITE:
		heap_set(&f->heap, &f->entries[i], USEC_INFINITY);
		model[i] = USEC_INFINITY;
		break;
	case OP_REMOVE:
		heap_remove(&f->heap, &f->entries[i]);
		model[i] = USEC_INFINITY;
		break;
	case OP_REMOVE_FIRST:
	case OP_COUNT_:
		if (len_of(f) == 0)
			break;
		model[heap_first(&f->heap) - f->entries] = USEC_INFINITY;
		heap_remove(&f->heap, heap_first(&f->heap));
		break;
	}
}

static const char *compare(const struct fixture *f, const usec_t *model)
{
	usec_t earliest = USEC_INFINITY;
	unsigned len = 0;

	for (unsigned i = 0; i < ENTRIES; i++) {
		bool inside = f->entries[i].index != HEAP_NONE;

		if (model[i] < earliest)
			earliest = model[i];
		len += model[i] != USEC_INFINITY;
		if (inside != (model[i] != USEC_INFINITY))
			return "an entry is in when it should be out, or out when it should be in";
		if (inside && f->entries[i].at != model[i])
			return "an entry has another time than was set";
		if (inside && f->entries[i].index != HEAP_LINE &&
		    f->heap.places[f->entries[i].index].entry != &f->entries[i])
			return "an entry does not know its place";
	}
	if (heap_next(&f->heap) != earliest)
		return "the first is not the earliest";
	return len_of(f) == len ? NULL : "the length is wrong";
}

static const char *agrees_with_model(const uint64_t *ops, size_t len)
{
	struct fixture f;
	usec_t model[ENTRIES];

	set_up(&f);
	for (unsigned i = 0; i < ENTRIES; i++)
		model[i] = USEC_INFINITY;
	for (size_t i = 0; i < len; i++) {
		const char *wrong;

		apply(&f, model, ops[i]);
		wrong = compare(&f, model);
		if (wrong)
			return wrong;
	}
	return NULL;
}

START_TEST(random_sequences_agree_with_the_model)
{
	static const struct shrink_property property = {"heap", agrees_with_model, describe, NULL};

	shrink_check(&property, 2000, 200);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		empty_heap_has_no_next,
		first_is_the_earliest,
		entry_moves_when_set_again,
		infinity_takes_an_entry_out,
		full_heap_holds_its_capacity,
		deadlines_in_order_stand_in_line,
		random_sequences_agree_with_the_model,
	};

	return unit_main("heap", tests, ARRAY_SIZE(tests));
}
