#include "daemon/io/config/config_url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "protocol/base.h"
#include "tests/lib/unit.h"

START_TEST(a_unix_socket)
{
	struct config_url url;
	struct sockaddr_un address;

	ck_assert_int_eq(config_url_parse("unix:/run/a b.sock", &url), 0);
	memcpy(&address, &url.address, sizeof(address));
	ck_assert_int_eq(address.sun_family, AF_UNIX);
	ck_assert_str_eq(address.sun_path, "/run/a b.sock");
	ck_assert_str_eq(url.host, "localhost");
	ck_assert_str_eq(url.path, "/api/v2/alerts");
}
END_TEST

START_TEST(an_address_of_this_machine)
{
	static const struct {
		const char *text, *host, *path;
	} cases[] = {
		{"http://127.0.0.1:9093/api/v2/alerts", "127.0.0.1:9093", "/api/v2/alerts"},
		{"http://127.255.255.254:1/x?a=b#c", "127.255.255.254:1", "/x?a=b#c"},
		{"http://127.0.0.1:80", "127.0.0.1:80", "/api/v2/alerts"},
		{"http://127.0.0.1:80/", "127.0.0.1:80", "/"},
		{"http://[::1]:65535/a", "[::1]:65535", "/a"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config_url url;

		ck_assert_msg(config_url_parse(cases[i].text, &url) == 0, "%s", cases[i].text);
		ck_assert_str_eq(url.host, cases[i].host);
		ck_assert_str_eq(url.path, cases[i].path);
	}
}
END_TEST

START_TEST(what_is_refused)
{
	static const char *const cases[] = {
		"",
		"unix:",
		"unix:a",
		"/run/a.sock",
		"http:",
		"http://",
		"http:///a",
		"http://localhost:80/",
		"http://127.0.0.1/",
		"http://127.0.0.1:0/",
		"http://127.0.0.1:65536/",
		"http://126.0.0.1:80/",
		"http://128.0.0.1:80/",
		"http://0.0.0.0:80/",
		"http://[::]:80/",
		"http://[::2]:80/",
		"http://[::ffff:127.0.0.1]:80/",
		"http://user@127.0.0.1:80/",
		"https://127.0.0.1:80/",
		"http://127.0.0.1:80/a b",
		"http://127.0.0.1:80/a\r\nX: y",
		"http://127.0.0.1:80/\xc3\xa4",
	};
	struct config_url url = {.path = "untouched"};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(config_url_parse(cases[i], &url) == -EINVAL, "%s", cases[i]);
	ck_assert_str_eq(url.path, "untouched");
}
END_TEST

START_TEST(what_is_too_long)
{
	char text[512] = "unix:/";
	struct config_url url;

	memset(text + 6, 'a', 106);
	ck_assert_int_eq(config_url_parse(text, &url), 0);
	text[112] = 'a';
	ck_assert_int_eq(config_url_parse(text, &url), -EINVAL);
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "http://127.0.0.1:80/", 20);
	text[19 + 255] = '\0';
	ck_assert_int_eq(config_url_parse(text, &url), 0);
	text[19 + 255] = 'a';
	ck_assert_int_eq(config_url_parse(text, &url), -EINVAL);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {a_unix_socket, an_address_of_this_machine, what_is_refused,
				      what_is_too_long};

	return unit_main("config_url", tests, ARRAY_SIZE(tests));
}
