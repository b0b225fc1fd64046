#include "client/lib/client_requests.h"

#include "tests/lib/unit.h"

#define SLOTS 20

START_TEST(each_request_has_an_id)
{
	struct client_request added[SLOTS] = {0};
	struct client_requests requests;

	client_requests_init(&requests, SLOTS);
	for (size_t i = 0; i < SLOTS; i++) {
		ck_assert_int_eq(client_requests_add(&requests, &added[i]), 0);
		ck_assert(added[i].has_slot);
		ck_assert_uint_eq(client_requests_count(&requests), i + 1);
	}
	for (size_t i = 0; i < SLOTS; i++)
		ck_assert_ptr_eq(client_requests_find(&requests, added[i].id), &added[i]);
	ck_assert_ptr_null(client_requests_find(&requests, SLOTS));
	client_requests_done(&requests);
}
END_TEST

START_TEST(a_slot_used_again_has_another_id)
{
	struct client_request first = {0}, second = {0};
	struct client_requests requests;
	uint32_t id;

	client_requests_init(&requests, 1);
	ck_assert_int_eq(client_requests_add(&requests, &first), 0);
	id = first.id;
	client_requests_remove(&requests, &first);
	ck_assert(!first.has_slot);
	ck_assert_uint_eq(client_requests_count(&requests), 0);
	ck_assert_ptr_null(client_requests_find(&requests, id));
	ck_assert_int_eq(client_requests_add(&requests, &second), 0);
	ck_assert_uint_ne(second.id, id);
	ck_assert_ptr_null(client_requests_find(&requests, id));
	ck_assert_ptr_eq(client_requests_find(&requests, second.id), &second);
	client_requests_done(&requests);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_request_has_an_id,
		a_slot_used_again_has_another_id,
	};

	return unit_main("client_requests", tests, ARRAY_SIZE(tests));
}
