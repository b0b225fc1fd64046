#include "daemon/io/config/config_address.h"
#include "daemon/io/config/config_answer.h"
#include "tests/unit/test_config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

/* --- adapters --- */

#define PROCESS "where adapter = process\n"
#define SOCKET	"where adapter = socket\n"
#define STATIC	"where adapter = static\n"

START_TEST(an_adapter_has_what_it_needs_and_nothing_else)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"[pool a]\naddress = /s\n",
		 "t:1: [pool a] command: not set, but required " PROCESS
		 "t:2: [pool a] address: found \"/s\", but the key is not allowed " PROCESS},
		{"[pool a]\ncommand = x\nanswer = 1\n",
		 "t:3: [pool a] answer: found \"1\", but the key is not allowed " PROCESS},
		{"[pool a]\nadapter = socket\n",
		 "t:1: [pool a] address: not set, but required " SOCKET},
		{"[pool a]\nadapter = socket\naddress = /s\ncommand = x y\n",
		 "t:4: [pool a] command: found \"x y\", but the key is not allowed " SOCKET},
		{"[pool a]\nadapter = socket\naddress = /s\nanswer.m = 1\n",
		 "t:4: [pool a] answer: found \"1\", but the key is not allowed " SOCKET},
		{"[pool a]\nadapter = static\n",
		 "t:1: [pool a] answer: not set, but required " STATIC},
		{"[pool a]\nadapter = static\nanswer = 1\ncommand = x\naddress = /s\n",
		 "t:4: [pool a] command: found \"x\", but the key is not allowed " STATIC
		 "t:5: [pool a] address: found \"/s\", but the key is not allowed " STATIC},
		{"[pool a]\nadapter = static\nanswer = 1\ndialect = msgpack-rpc\n",
		 "t:4: [pool a] dialect: found \"msgpack-rpc\", but the key is not "
		 "allowed " STATIC},
		/* What follows from a refused value is not told. */
		{"[pool a]\nadapter = sokcet\naddress = /s\n",
		 "t:2: [pool a] adapter: found \"sokcet\", allowed is process, socket or static\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		must_fail(cases[i].text, cases[i].expected);
}
END_TEST

START_TEST(a_dialect_follows_the_adapter_unless_given)
{
	const struct config *config = must_parse("[pool a]\ncommand = x\n"
						 "[pool b]\nadapter = socket\naddress = /s\n"
						 "[pool c]\nadapter = socket\naddress = /s\n"
						 "dialect = poold\n"
						 "[pool d]\nadapter = static\nanswer = 1\n");

	ck_assert_int_eq(config->pools[0].adapter, POOL_PROCESS);
	ck_assert_int_eq(config->pools[0].dialect, DIALECT_POOLD);
	ck_assert_int_eq(config->pools[1].adapter, POOL_SOCKET);
	ck_assert_int_eq(config->pools[1].dialect, DIALECT_MSGPACK_RPC);
	ck_assert_str_eq(config->pools[1].address, "/s");
	ck_assert_uint_eq(config->pools[1].argc, 0);
	ck_assert_ptr_null(config->pools[1].argv[0]);
	ck_assert_int_eq(config->pools[2].dialect, DIALECT_POOLD);
	ck_assert_int_eq(config->pools[3].adapter, POOL_STATIC);
	ck_assert_int_eq(config->pools[3].dialect, DIALECT_POOLD);
	config_unref(config);
}
END_TEST

START_TEST(dialects_have_options_of_their_own)
{
	static const struct {
		const char *dialect, *key, *value, *fault; /* NULL: it is allowed */
	} cases[] = {
		{"poold", "ready_call", "x", "where dialect = poold"},
		{"poold", "ready_params", "1", "where dialect = poold"},
		{"poold", "ready_then", "x", "where dialect = poold"},
		{"poold", "ready_notification", "x", "where dialect = poold"},
		{"poold", "ping_call", "x", "where dialect = poold"},
		{"poold", "cancel_notification", "x", "where dialect = poold"},
		{"poold", "progress_notification", "x", "where dialect = poold"},
		{"poold", "prefetch", "5", NULL},
		{"msgpack-rpc", "ready_call", "x", NULL},
		{"msgpack-rpc", "ready_params", "1", "without ready_call"},
		{"msgpack-rpc", "ready_then", "x", "where dialect = msgpack-rpc"},
		{"msgpack-rpc", "ready_notification", "x", NULL},
		{"msgpack-rpc", "ready_notification", "x\nready_call = y",
		 "together with ready_call"},
		{"msgpack-rpc", "ready_params", "1\nready_call = y", NULL},
		{"msgpack-rpc", "ping_call", "x", NULL},
		{"msgpack-rpc", "cancel_notification", "x", "where dialect = msgpack-rpc"},
		{"msgpack-rpc", "progress_notification", "x", "where dialect = msgpack-rpc"},
		{"msgpack-rpc", "prefetch", "5", NULL},
		{"packet4-json", "ready_call", "", NULL},
		{"packet4-json", "ready_call", "hello", NULL},
		{"packet4-json", "ready_params", "{}", NULL},
		{"packet4-json", "ready_notification", "x", "where dialect = packet4-json"},
		{"packet4-msgpack", "ping_call", "x", NULL},
		{"packet4-msgpack", "prefetch", "0", NULL},
		{"packet4-msgpack", "prefetch", "1", "where dialect = packet4-msgpack"},
		{"packet4-json", "cancel_notification", "x", "where dialect = packet4-json"},
		{"jsonrpc", "ready_call", "x", NULL},
		{"jsonrpc", "ready_then", "x", "without ready_call"},
		{"jsonrpc", "ready_then", "x\nready_call = y\nready_params = {}", NULL},
		{"jsonrpc", "ready_notification", "x", NULL},
		{"jsonrpc", "cancel_notification", "x", NULL},
		{"packet4-json", "progress_notification", "x", "where dialect = packet4-json"},
		{"jsonrpc", "progress_notification", "x", NULL},
		{"jsonrpc", "prefetch", "5", NULL},
	};
	char text[400], fault[400];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *value = cases[i].value;
		bool of_prefetch = strcmp(cases[i].key, "prefetch") == 0;

		snprintf(text, sizeof(text), "[pool a]\ncommand = x\ndialect = %s\n%s = %s\n",
			 cases[i].dialect, cases[i].key, value);
		if (!cases[i].fault) {
			config_unref(must_parse(text));
			continue;
		}
		snprintf(fault, sizeof(fault), "t:4: [pool a] %s: found \"%.*s\", %s %s\n",
			 cases[i].key, (int)strcspn(value, "\n"), value,
			 of_prefetch ? "allowed is 0" : "but the key is not allowed",
			 cases[i].fault);
		must_fail(text, fault);
	}
	must_fail("[pool a]\nadapter = static\nanswer = 1\nping_call = x\n",
		  "t:4: [pool a] ping_call: found \"x\", but the key is not allowed " STATIC);
}
END_TEST

/* What a dialect has by itself, and what a file says instead; a text with all of it is read back.
 */
START_TEST(a_dialect_fills_in_what_is_not_said)
{
	static const struct {
		const char *text, *ready_call, *ping_call;
		unsigned prefetch;
	} cases[] = {
		{"dialect = poold\n", "", "", 2},
		{"dialect = msgpack-rpc\n", "", "", 2},
		{"dialect = packet4-json\n", "ping", "ping", 0},
		{"dialect = packet4-msgpack\nping_call = well\nready_call =\n", "", "well", 0},
		{"dialect = jsonrpc\n", "", "", 0},
		{"dialect = jsonrpc\nprefetch = 3\n", "", "", 3},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[200];
		const struct config *config;
		struct buf dump;

		snprintf(text, sizeof(text), "[pool a]\ncommand = x\n%s", cases[i].text);
		config = must_parse(text);
		for (unsigned round = 0; round < 2; round++) {
			ck_assert_str_eq(config->pools[0].ready_call, cases[i].ready_call);
			ck_assert_str_eq(config->pools[0].ping_call, cases[i].ping_call);
			ck_assert_uint_eq(config->pools[0].prefetch, cases[i].prefetch);
			buf_init(&dump, TEXT_MAX);
			config_dump(config, &dump);
			config_unref(config);
			config = must_parse(text_of(&dump));
			buf_free(&dump);
		}
		config_unref(config);
	}
}
END_TEST

/* The most that stand in a line are not below the least, and follow them. */
START_TEST(the_longest_line_is_not_below_the_least)
{
	static const struct {
		const char *text;
		unsigned most;
	} cases[] = {
		{"", 16},
		{"prefetch = 0\n", 16},
		{"prefetch = 32\n", 32},
		{"prefetch_max = 40\n", 40},
		{"prefetch_max = 2\n", 2},
		{"prefetch = 0\nprefetch_max = 0\n", 0},
		{"prefetch = 63\nprefetch_max = 63\n", 63},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[200];
		const struct config *config;

		snprintf(text, sizeof(text), "[pool a]\ncommand = x\n%s", cases[i].text);
		config = must_parse(text);
		ck_assert_uint_eq(config->pools[0].prefetch_max, cases[i].most);
		config_unref(config);
	}
	must_fail("[pool a]\ncommand = x\nprefetch_max = 1\n",
		  "t:3: [pool a] prefetch_max: found \"1\", allowed is at least what prefetch is "
		  "(2)\n");
}
END_TEST

/* A pool that is answered by the configuration has no workers to count. */
START_TEST(static_pools_take_none_of_the_workers)
{
	config_unref(must_parse("[daemon]\nworkers_max = 1\n[pool a]\ncommand = x\n"
				"[pool b]\nadapter = static\nanswer = 1\n"));
}
END_TEST

START_TEST(addresses)
{
	static const struct {
		const char *text;
		int r, orphans;
	} cases[] = {
		{"/run/x.sock", 0, AF_UNIX},
		{"tcp:127.0.0.1:4000", 0, AF_INET},
		{"tcp:[::1]:65535", 0, AF_INET6},
		{"", -EINVAL, 0},
		{"x.sock", -EINVAL, 0},
		{"tcp:", -EINVAL, 0},
		{"tcp::80", -EINVAL, 0},
		{"tcp:127.0.0.1", -EINVAL, 0},
		{"tcp:127.0.0.1:", -EINVAL, 0},
		{"tcp:127.0.0.1:0", -EINVAL, 0},
		{"tcp:127.0.0.1:65536", -EINVAL, 0},
		{"tcp:127.0.0.1:80x", -EINVAL, 0},
		{"tcp:127.1:80", -EINVAL, 0},
		{"tcp:[127.0.0.1]:80", -EINVAL, 0},
		{"tcp:localhost:80", -EINVAL, 0},
		{"tcp:::1:80", -EINVAL, 0},
		{"tcp:[]:80", -EINVAL, 0},
		{"tcp:[::1:80", -EINVAL, 0},
		{"tcp:[::1]80", -EINVAL, 0},
		{"tcp:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:80", -EINVAL, 0},
		{"udp:127.0.0.1:80", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sockaddr_storage address = {.ss_family = 77};
		socklen_t len = 1;

		ck_assert_msg(config_address_parse(cases[i].text, &address, &len) == cases[i].r,
			      "%s", cases[i].text);
		ck_assert_int_eq(address.ss_family, cases[i].r == 0 ? cases[i].orphans : 77);
	}
}
END_TEST

START_TEST(addresses_have_their_parts)
{
	struct sockaddr_storage address;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un path;
	char text[110];
	socklen_t len;

	ck_assert_int_eq(config_address_parse("tcp:1.2.3.4:515", &address, &len), 0);
	ck_assert_uint_eq(len, sizeof(v4));
	memcpy(&v4, &address, sizeof(v4));
	ck_assert_uint_eq(ntohs(v4.sin_port), 515);
	ck_assert_uint_eq(ntohl(v4.sin_addr.s_addr), 0x01020304);

	ck_assert_int_eq(config_address_parse("tcp:[::2]:1", &address, &len), 0);
	ck_assert_uint_eq(len, sizeof(v6));
	memcpy(&v6, &address, sizeof(v6));
	ck_assert_uint_eq(ntohs(v6.sin6_port), 1);
	ck_assert_uint_eq(v6.sin6_addr.s6_addr[15], 2);

	memset(text, '/', sizeof(text));
	text[107] = '\0';
	ck_assert_int_eq(config_address_parse(text, &address, &len), 0);
	ck_assert_uint_eq(len, sizeof(path));
	memcpy(&path, &address, sizeof(path));
	ck_assert_str_eq(path.sun_path, text);
	text[107] = '/';
	text[108] = '\0';
	ck_assert_int_eq(config_address_parse(text, &address, &len), -EINVAL);
}
END_TEST

START_TEST(only_workers_of_the_sdk_are_forked)
{
	must_fail("[pool a]\nadapter = socket\naddress = /s\nprefork = yes\n",
		  "t:4: [pool a] prefork: found yes, allowed is no where adapter = socket and "
		  "dialect = msgpack-rpc\n");
	must_fail("[pool a]\nadapter = static\nanswer = 1\nprefork = yes\n",
		  "t:4: [pool a] prefork: found yes, allowed is no where adapter = static and "
		  "dialect = poold\n");
	config_unref(must_parse("[pool a]\ncommand = x\nprefork = yes\n"));
}
END_TEST

/* --- answers --- */

START_TEST(json_becomes_messagepack)
{
	static const struct {
		const char *json;
		const char *packed;
		size_t len;
	} cases[] = {
		{"null", "\xc0", 1},
		{"true", "\xc3", 1},
		{"false", "\xc2", 1},
		{"0", "\x00", 1},
		{"-5", "\xfb", 1},
		{"9223372036854775807", "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 9},
		{"1.0", "\xcb\x3f\xf0\0\0\0\0\0\0", 9},
		{"1e1", "\xcb\x40\x24\0\0\0\0\0\0", 9},
		{"\"\"", "\xa0", 1},
		{"\"\\u00e9\\u0000x\"", "\xa4\xc3\xa9\0x", 5},
		{"[]", "\x90", 1},
		{"[1, [2]]", "\x92\x01\x91\x02", 4},
		{"{}", "\x80", 1},
		{" { \"b\" : 1, \"a\" : {\"\": null} } ",
		 "\x82\xa1"
		 "b\x01\xa1"
		 "a\x81\xa0\xc0",
		 9},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char fault[JSON_FAULT_MAX];
		struct buf value;

		ck_assert_msg(config_answer_parse(cases[i].json, &value, fault) == 0, "%s",
			      cases[i].json);
		ck_assert_uint_eq(value.len, cases[i].len);
		ck_assert_mem_eq(value.data, cases[i].packed, cases[i].len);
		buf_free(&value);
	}
}
END_TEST

START_TEST(what_is_no_json)
{
	static const char *const cases[] = {
		"",	 "x",	   "{x}",	  "[1,]", "1 2", "'x'",	     "nan",
		"1e999", "{\"a\"", "\"\\ud800\"", "01",	  "+1",	 "[1] // c", "9223372036854775808",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char fault[JSON_FAULT_MAX] = "";
		struct buf value;

		ck_assert_msg(config_answer_parse(cases[i], &value, fault) == -EINVAL, "%s",
			      cases[i]);
		ck_assert_ptr_nonnull(strstr(fault, ", at byte "));
	}
	must_fail("[pool a]\nadapter = static\nanswer = {\"a\": 1, \"a\": 2}\n",
		  "t:3: [pool a] answer: found \"{\"a\": 1, \"a\": 2}\", allowed is one JSON value "
		  "(an object with the key \"a\" twice, at byte 16)\n");
}
END_TEST

/* Deep, and long in a few bytes: both end with the line. */
START_TEST(an_answer_is_bounded_by_its_line)
{
	static char text[CONFIG_LINE_MAX + 1];
	char fault[JSON_FAULT_MAX];
	struct buf value;

	memset(text, '[', CONFIG_LINE_MAX / 2);
	memset(text + CONFIG_LINE_MAX / 2, ']', CONFIG_LINE_MAX / 2);
	ck_assert_int_eq(config_answer_parse(text, &value, fault), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fault, "nested too deep"));

	for (size_t i = 0; i < CONFIG_LINE_MAX; i += 4)
		memcpy(text + i, i == 0 ? "[0.0" : ",0.0", 4);
	text[CONFIG_LINE_MAX - 4] = ']';
	text[CONFIG_LINE_MAX - 3] = '\0';
	ck_assert_int_eq(config_answer_parse(text, &value, fault), 0);
	ck_assert_uint_eq(value.len, 3 + 9 * (CONFIG_LINE_MAX / 4 - 1));
	buf_free(&value);
}
END_TEST

START_TEST(each_method_has_its_answer)
{
	const struct config *config = must_parse("[pool a]\nadapter = static\nanswer.x.y = 2\n"
						 "answer = {\"d\": true}\nanswer.z = null\n");
	const struct config_pool *pool = &config->pools[0];
	const struct config_answer *answer = config_answer_find(pool, "x.y");

	ck_assert_uint_eq(pool->answer_count, 3);
	ck_assert_str_eq(answer->text, "2");
	ck_assert_uint_eq(answer->value.len, 1);
	ck_assert_uint_eq(answer->value.data[0], 2);
	answer = config_answer_find(pool, NULL);
	ck_assert_ptr_null(answer->method);
	ck_assert_str_eq(answer->text, "{\"d\": true}");
	ck_assert_uint_eq(config_answer_find(pool, "z")->value.data[0], 0xc0);
	ck_assert_ptr_null(config_answer_find(pool, "d"));
	config_unref(config);
}
END_TEST

START_TEST(faults_of_answers)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"[pool a]\nadapter = static\nanswer = 1\nanswer = 2\n",
		 "t:4: [pool a] answer: found twice, first in line 3\n"},
		{"[pool a]\nadapter = static\nanswer.m = 1\nanswer.m = 2\n",
		 "t:4: [pool a] answer.m: found twice, first in line 3\n"},
		{"[pool a]\nadapter = static\nanswer. = 1\n",
		 "t:3: [pool a] answer.: found a method name of 0 bytes, allowed are 1 to 255\n"},
		/* A refused one takes no place. */
		{"[pool a]\nadapter = static\nanswer.m = [\nanswer.n = 2\n",
		 "t:3: [pool a] answer.m: found \"[\", allowed is one JSON value (a value "
		 "expected, at byte 1)\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		must_fail(cases[i].text, cases[i].expected);
}
END_TEST

START_TEST(answers_are_bounded)
{
	struct buf text;
	const struct config *config;

	buf_init(&text, TEXT_MAX);
	buf_printf(&text, "[pool a]\nadapter = static\n");
	for (unsigned i = 0; i < CONFIG_ANSWERS_MAX; i++)
		buf_printf(&text, "answer.m%u = %u\n", i, i);
	config = must_parse(text_of(&text));
	ck_assert_uint_eq(config->pools[0].answer_count, CONFIG_ANSWERS_MAX);
	config_unref(config);
	text.len--;
	buf_printf(&text, "answer = 1\n");
	must_fail(text_of(&text),
		  "t:67: [pool a] answer: found more than 64 answers, allowed are 64 at most\n");
	buf_free(&text);
}
END_TEST

/* --- chains --- */

START_TEST(chains_are_resolved_in_any_order)
{
	const struct config *config =
		must_parse("[breaker c]\nmode = off\n"
			   "[pool a]\ncommand = x\nfallback = b,  c\n"
			   "fallback_on = application_error, session_error\n"
			   "[pool b]\ncommand = x\nfallback = a\naffinity = strict\n"
			   "[pool c]\ncommand = x\n");
	const struct config_pool *a = config_find_pool(config, "a");
	const struct config_pool *b = config_find_pool(config, "b");
	const struct config_pool *c = config_find_pool(config, "c");

	ck_assert_uint_eq(config->pool_count, 3);
	ck_assert_uint_eq(a->fallback_count, 2);
	ck_assert_ptr_eq(&config->pools[a->fallbacks[0]], b);
	ck_assert_ptr_eq(&config->pools[a->fallbacks[1]], c);
	ck_assert_uint_eq(a->fallback_on, 1u << ERRCAT_application | 1u << ERRCAT_session);
	ck_assert_uint_eq(b->fallback_count, 1);
	ck_assert_ptr_eq(&config->pools[b->fallbacks[0]], a);
	ck_assert_int_eq(b->affinity, SESSION_STRICT);
	ck_assert_uint_eq(c->fallback_count, 0);
	ck_assert_uint_eq(c->fallback_on, 0);
	ck_assert_int_eq(c->breaker.mode, BREAKER_MODE_OFF);
	config_unref(config);
}
END_TEST

START_TEST(faults_of_chains)
{
	static const struct {
		const char *names, *expected;
	} cases[] = {
		{"c", "\"c\", which is not a pool; allowed are other pools, each once\n"},
		{"b a", "\"a\", which is the pool itself; allowed are other pools, each once\n"},
		{"b,b", "\"b\", which is named twice; allowed are other pools, each once\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[128], expected[256];

		snprintf(text, sizeof(text),
			 "[pool a]\ncommand = x\nfallback = %s\n[pool b]\ncommand = x\n",
			 cases[i].names);
		snprintf(expected, sizeof(expected), "t:3: [pool a] fallback: found %s",
			 cases[i].expected);
		must_fail(text, expected);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		an_adapter_has_what_it_needs_and_nothing_else,
		a_dialect_follows_the_adapter_unless_given,
		dialects_have_options_of_their_own,
		a_dialect_fills_in_what_is_not_said,
		the_longest_line_is_not_below_the_least,
		static_pools_take_none_of_the_workers,
		addresses,
		addresses_have_their_parts,
		only_workers_of_the_sdk_are_forked,
		json_becomes_messagepack,
		what_is_no_json,
		an_answer_is_bounded_by_its_line,
		each_method_has_its_answer,
		faults_of_answers,
		answers_are_bounded,
		chains_are_resolved_in_any_order,
		faults_of_chains,
	};

	return unit_main("config_chain", tests, ARRAY_SIZE(tests));
}
