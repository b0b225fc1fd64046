#include "daemon/io/base/http_request.h"

#include "protocol/read.h"
#include "tests/lib/input.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the last head that was parsed: the fields of a request lie in it. */
static uint8_t *copy;

static enum http_status parse(const char *head, size_t len, struct http_request *ret)
{
	free(copy);
	/* On the heap, so that a sanitizer sees whoever reads beyond. */
	copy = input_exact((const uint8_t *)head, len);
	return http_request_parse((struct bytes){copy, len}, ret);
}

static struct http_request must_parse(const char *head)
{
	struct http_request request;

	ck_assert_msg(parse(head, strlen(head), &request) == HTTP_OK, "%s", head);
	return request;
}

#define HOST	   "Host: localhost\r\n"
#define GET(lines) "GET / HTTP/1.1\r\n" HOST lines "\r\n"

START_TEST(a_browser)
{
	struct http_request request = must_parse("GET /api/status?a=b?c HTTP/1.1\r\n"
						 "Host: 127.0.0.1:9464\r\n"
						 "Accept: text/html, */*;q=0.8\r\n"
						 "last-event-id:  17-4 \r\n"
						 "\r\n");

	ck_assert(bytes_equal(request.path, "/api/status"));
	ck_assert(bytes_equal(request.query, "a=b?c"));
	ck_assert(bytes_equal(request.host, "127.0.0.1"));
	ck_assert(bytes_equal(request.last_id, "17-4"));
	ck_assert(request.is_kept && !request.is_head && !request.wants_openmetrics);
}
END_TEST

START_TEST(prometheus)
{
	struct http_request request =
		must_parse("GET /metrics HTTP/1.1\r\n"
			   "Host: localhost:9464\r\n"
			   "User-Agent: Prometheus/2.42.0\r\n"
			   "Accept: application/openmetrics-text;version=1.0.0,"
			   "application/openmetrics-text;version=0.0.1;q=0.75,text/plain\r\n"
			   "Accept-Encoding: gzip\r\n"
			   "X-Prometheus-Scrape-Timeout-Seconds: 10\r\n"
			   "\r\n");

	ck_assert(bytes_equal(request.path, "/metrics") && request.query.len == 0);
	ck_assert(request.wants_openmetrics && request.is_kept);
}
END_TEST

START_TEST(by_hand)
{
	struct http_request request = must_parse("\r\n\nHEAD / HTTP/1.0\n\n");

	ck_assert(request.is_head && !request.is_kept && request.host.len == 0);
	request = must_parse("GET / HTTP/1.0\nConnection: Keep-Alive\n\n");
	ck_assert(request.is_kept);
	request = must_parse(GET("Connection: x, CLOSE\r\n"));
	ck_assert(!request.is_kept);
	request = must_parse(GET("Connection: close, x\r\n"));
	ck_assert(!request.is_kept);
}
END_TEST

START_TEST(what_is_accepted)
{
	static const struct {
		const char *accept;
		bool wanted;
	} cases[] = {
		{"application/openmetrics-text", true},
		{"text/plain;q=0.5, Application/OpenMetrics-Text ; q=0.1", true},
		{"application/openmetrics-text;q=1", true},
		{"application/openmetrics-text;q=0", false},
		{"application/openmetrics-text; version=1.0.0; q=0.000", false},
		{"application/openmetrics-textual", false},
		{"*/*", false},
		{"text/plain", false},
		{"", false},
		{",;,;q=0,", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char head[256];

		snprintf(head, sizeof(head), "GET / HTTP/1.1\r\n" HOST "Accept: %s\r\n\r\n",
			 cases[i].accept);
		ck_assert_msg(must_parse(head).wants_openmetrics == cases[i].wanted, "%s", head);
	}
}
END_TEST

START_TEST(hosts)
{
	static const struct {
		const char *text, *host;
		bool is_local;
	} cases[] = {
		{"localhost", "localhost", true},
		{"LOCALHOST:80", "LOCALHOST", true},
		{"127.0.0.1:", "127.0.0.1", true},
		{"[::1]", "[::1]", true},
		{"[::1]:9464", "[::1]", true},
		{"evil.example", "evil.example", false},
		{"localhost.evil.example", "localhost.evil.example", false},
		{"127.0.0.1.evil.example:9464", "127.0.0.1.evil.example", false},
		{"127.0.0.11", "127.0.0.11", false},
		{"[::11]:1", "[::11]", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char head[256];
		struct http_request request;

		snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", cases[i].text);
		request = must_parse(head);
		ck_assert_msg(bytes_equal(request.host, cases[i].host), "%s", cases[i].text);
		ck_assert(http_host_is_local(request.host) == cases[i].is_local);
	}
	ck_assert(http_host_is_local((struct bytes){0}));
}
END_TEST

START_TEST(what_is_refused)
{
	static const struct {
		const char *head;
		enum http_status status;
	} cases[] = {
		{"", HTTP_BAD_REQUEST},
		{"\r\n\r\n", HTTP_BAD_REQUEST},
		{"GET\r\n\r\n", HTTP_BAD_REQUEST},
		{"GET /\r\n\r\n", HTTP_BAD_REQUEST},
		{"GET  / HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_REQUEST},
		{"GET / HTTP/1.1 \r\n" HOST "\r\n", HTTP_VERSION_NOT_SUPPORTED},
		{"GET / HTTP/2.0\r\n" HOST "\r\n", HTTP_VERSION_NOT_SUPPORTED},
		{"GET / http/1.1\r\n" HOST "\r\n", HTTP_BAD_REQUEST},
		{"GET http://localhost/ HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_REQUEST},
		{"GET * HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_REQUEST},
		{"GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_REQUEST},
		{"G\x01T / HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD_REQUEST},
		{"get / HTTP/1.1\r\n" HOST "\r\n", HTTP_METHOD_NOT_ALLOWED},
		{"POST / HTTP/1.1\r\n" HOST "\r\n", HTTP_METHOD_NOT_ALLOWED},
		{"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", HTTP_METHOD_NOT_ALLOWED},
		{"GET / HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST},
		{"GET / HTTP/1.1\r\nHost:\r\n\r\n", HTTP_BAD_REQUEST},
		{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HTTP_BAD_REQUEST},
		{"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", HTTP_BAD_REQUEST},
		{"GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", HTTP_BAD_REQUEST},
		{GET("Host: localhost\r\n"), HTTP_BAD_REQUEST},
		{GET("Content-Length: 1\r\n"), HTTP_CONTENT_TOO_LARGE},
		{GET("Content-Length: -1\r\n"), HTTP_BAD_REQUEST},
		{GET("Content-Length: 0\r\n"), HTTP_OK},
		{GET("Content-Length:\r\n"), HTTP_BAD_REQUEST},
		{GET("Content-Length: 1000000000000000000\r\n"), HTTP_BAD_REQUEST},
		{GET("Transfer-Encoding: chunked\r\n"), HTTP_CONTENT_TOO_LARGE},
		{GET("Expect: 100-continue\r\n"), HTTP_EXPECTATION_FAILED},
		{GET("a\r\n"), HTTP_BAD_REQUEST},
		{GET(": a\r\n"), HTTP_BAD_REQUEST},
		{GET("a : b\r\n"), HTTP_BAD_REQUEST},
		{GET("a: b\r\n folded\r\n"), HTTP_BAD_REQUEST},
		{GET("a: b\rc\r\n"), HTTP_BAD_REQUEST},
		{GET("a: \x1b[31m\r\n"), HTTP_BAD_REQUEST},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_request request;

		ck_assert_msg(parse(cases[i].head, strlen(cases[i].head), &request) ==
				      cases[i].status,
			      "case %zu: %s", i, cases[i].head);
		if (cases[i].status != HTTP_OK)
			ck_assert_str_ne(http_status_text(cases[i].status), "");
	}
}
END_TEST

START_TEST(a_zero_byte_is_refused)
{
	static const char head[] = "GET / HTTP/1.1\r\n" HOST "a: b\0c\r\n\r\n";
	struct http_request request;

	ck_assert_int_eq(parse(head, sizeof(head) - 1, &request), HTTP_BAD_REQUEST);
}
END_TEST

START_TEST(too_many_headers)
{
	char head[HTTP_HEAD_MAX] = "GET / HTTP/1.1\r\n" HOST;
	struct http_request request;

	for (unsigned i = 1; i < HTTP_HEADERS_MAX; i++)
		strcat(head, "a: b\r\n");
	ck_assert_int_eq(parse(head, strlen(head), &request), HTTP_OK);
	strcat(head, "a: b\r\n\r\n");
	ck_assert_int_eq(parse(head, strlen(head), &request), HTTP_HEADERS_TOO_LARGE);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_browser,
		prometheus,
		by_hand,
		what_is_accepted,
		hosts,
		what_is_refused,
		a_zero_byte_is_refused,
		too_many_headers,
	};

	return unit_main("http_request", tests, ARRAY_SIZE(tests));
}
