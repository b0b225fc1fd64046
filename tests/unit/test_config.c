#include "tests/unit/test_config.h"

#include "daemon/io/config/config.h"
#include "daemon/io/config/config_option.h"

#include <stdio.h>
#include <string.h>

/* --- the table of options --- */

/* What the manual page says: default, least, most, and what lies just outside. */
static const struct {
	enum option_section section;
	const char *key, *initial, *least, *most, *below, *above;
} limits[] = {
	{SECTION_DAEMON, "socket", "/run/poold/poold.sock", "/", NULL, "", NULL},
	{SECTION_DAEMON, "socket_mode", "0660", "0000", "0777", "-1", "1000"},
	{SECTION_DAEMON, "connections_max", "1024", "2", "65536", "1", "65537"},
	{SECTION_DAEMON, "connections_per_uid", "0", "0", "65536", "-1", "65537"},
	{SECTION_DAEMON, "control_reserve", "8", "0", "1024", "-1", "1025"},
	{SECTION_DAEMON, "in_flight_max", "1024", "1", "65536", "0", "65537"},
	{SECTION_DAEMON, "requests_max", "16384", "1", "1048576", "0", "1048577"},
	{SECTION_DAEMON, "requests_per_uid", "0", "0", "1048576", "-1", "1048577"},
	{SECTION_DAEMON, "workers_max", "256", "1", "4096", "0", "4097"},
	{SECTION_DAEMON, "message_max", "16M", "1K", "1G", "1023", "1073741825"},
	{SECTION_DAEMON, "response_max", "64M", "64K", "1G", "65535", "1073741825"},
	{SECTION_DAEMON, "output_pause", "8M", "1K", "4G", "1023", "4294967297"},
	{SECTION_DAEMON, "output_max", "128M", "1K", "4G", "1023", "4294967297"},
	{SECTION_DAEMON, "stall_timeout", "1min", "100ms", "1d", "99999us", "86400001ms"},
	{SECTION_DAEMON, "memory_max", "1G", "1M", "1024G", "1048575", "1025G"},
	{SECTION_DAEMON, "drain_timeout", "30s", "0", "1d", "-1s", "2d"},
	{SECTION_DAEMON, "start_timeout", "1min", "100ms", "1d", "99ms", "2d"},
	{SECTION_DAEMON, "admin_group", "", "a", "abcdefghijklmnopqrstuvwxyz.-_0Z9", "-a", "a b"},
	{SECTION_DAEMON, "critical_group", "", "a", "abcdefghijklmnopqrstuvwxyz.-_0Z9", "-a",
	 "a b"},
	{SECTION_DAEMON, "call_group", "", "a", "abcdefghijklmnopqrstuvwxyz.-_0Z9", "-a", "a b"},
	{SECTION_DAEMON, "core_dumps", "no", "no", "yes", "", "maybe"},
	{SECTION_DAEMON, "recoveries_max", "1024", "1", "1048576", "0", "1048577"},
	{SECTION_DAEMON, "sessions_max", "4096", "1", "1048576", "0", "1048577"},
	{SECTION_DAEMON, "session_ttl", "5min", "1ms", "7d", "999us", "8d"},
	{SECTION_DAEMON, "sessions_shared", "no", "no", "yes", "", "maybe"},
	{SECTION_DAEMON, "session_state_max", "64K", "0", "1G", "-1", "1073741825"},
	{SECTION_DAEMON, "session_bytes_max", "64M", "0", "64G", "-1", "65G"},
	{SECTION_DAEMON, "keys_max", "4096", "1", "1048576", "0", "1048577"},
	{SECTION_DAEMON, "key_ttl", "5min", "1ms", "7d", "999us", "8d"},
	{SECTION_DAEMON, "key_bytes_max", "64M", "0", "64G", "-1", "65G"},
	{SECTION_DAEMON, "errors_kept", "256", "1", "65536", "0", "65537"},
	{SECTION_DAEMON, "state_directory", "", "/a", "/var/lib/poold", "a", "./a"},
	{SECTION_DAEMON, "events_kept", "1000", "0", "65536", "-1", "65537"},
	{SECTION_DAEMON, "alerts", "yes", "no", "yes", "", "on"},
	{SECTION_DAEMON, "alert_command", "", "/a", "/usr/local/bin/page", "a", "./a"},
	{SECTION_DAEMON, "alert_url", "", "unix:/a", "http://[::1]:65535/api/v2/alerts", "/a",
	 "http://192.0.2.1:80/"},
	{SECTION_DAEMON, "alert_timeout", "10s", "100ms", "1h", "99ms", "2h"},
	{SECTION_DAEMON, "cgroups", "auto", "yes", "no", "", "on"},
	{SECTION_DAEMON, "log_level", "info", "error", "debug", "", "trace"},
	{SECTION_DAEMON, "log_target", "auto", "auto", "stderr", "", "syslog"},
	{SECTION_DAEMON, "log_format", "text", "text", "json", "", "JSON"},
	{SECTION_DAEMON, "log_requests", "failed", "slow", "1/1000000", "1/0", "2/3"},
	{SECTION_POOL, "adapter", "process", "socket", "static", "", "Process"},
	{SECTION_POOL, "command", "", "x", "x 'y z'", "''", "x 'y"},
	{SECTION_POOL, "address", "", "/a", "tcp:[::1]:65535", "a", "tcp:localhost:80"},
	{SECTION_POOL, "dialect", "poold", "poold", "msgpack-rpc", "", "msgpack"},
	{SECTION_POOL, "ready_call", "", "a", "initialize", "a b", "a\tb"},
	{SECTION_POOL, "ready_params", "", "{}", "[1, {\"a\": null}]", "{", "1 2"},
	{SECTION_POOL, "ready_then", "", "a", "notifications/initialized", "a b", "a\tb"},
	{SECTION_POOL, "ready_notification", "", "a", "ready", "a b", "a\tb"},
	{SECTION_POOL, "ping_call", "", "a", "nvim_get_mode", "a b", "a\tb"},
	{SECTION_POOL, "cancel_notification", "", "a", "notifications/cancelled", "a b", "a\tb"},
	{SECTION_POOL, "progress_notification", "", "a", "notifications/progress", "a b", "a\tb"},
	{SECTION_POOL, "workers", "1", "0..1", "1..4096", "0", "1..4097"},
	{SECTION_POOL, "spares", "0", "0", "64", "-1", "65"},
	{SECTION_POOL, "start_parallel", "8", "1", "4096", "0", "4097"},
	{SECTION_POOL, "timeout", "30s", "1ms", "1d", "999us", "2d"},
	{SECTION_POOL, "timeout_max", "1h", "1ms", "7d", "999us", "8d"},
	{SECTION_POOL, "attempt_timeout", "0", "0", "1d", "-1s", "2d"},
	{SECTION_POOL, "queue_max", "1024", "1", "1048576", "0", "1048577"},
	{SECTION_POOL, "queue_per_uid", "0", "0", "1048576", "-1", "1048577"},
	{SECTION_POOL, "queue_bytes_max", "64M", "1K", "64G", "1023", "65G"},
	{SECTION_POOL, "admission", "yes", "no", "yes", "", "maybe"},
	{SECTION_POOL, "prefetch", "2", "0", "63", "-1", "64"},
	{SECTION_POOL, "prefetch_max", "16", "0", "63", "-1", "64"},
	{SECTION_POOL, "call_group", "", "a", "abcdefghijklmnopqrstuvwxyz.-_0Z9", "-a", "a b"},
	{SECTION_POOL, "admin_group", "", "a", "abcdefghijklmnopqrstuvwxyz.-_0Z9", "-a", "a b"},
	{SECTION_POOL, "control", "no", "no", "yes", "", "maybe"},
	{SECTION_POOL, "keys_shared", "no", "no", "yes", "", "maybe"},
	{SECTION_POOL, "prefork", "no", "no", "yes", "", "maybe"},
	{SECTION_POOL, "idempotent", "no", "no", "yes", "", "maybe"},
	{SECTION_POOL, "max_crash_retries", "2", "0", "10", "-1", "11"},
	{SECTION_POOL, "init_timeout", "30s", "1ms", "1d", "999us", "2d"},
	{SECTION_POOL, "ping_interval", "30s", "0", "1d", "-1s", "2d"},
	{SECTION_POOL, "ping_timeout", "5s", "1ms", "1d", "0", "2d"},
	{SECTION_POOL, "idle_timeout", "1min", "0", "1d", "-1s", "2d"},
	{SECTION_POOL, "kill_grace", "2s", "0", "1d", "-1s", "2d"},
	{SECTION_POOL, "cancel_grace", "2s", "0", "1d", "-1s", "2d"},
	{SECTION_POOL, "restart_delay", "100ms", "1ms", "1d", "0", "2d"},
	{SECTION_POOL, "restart_delay_max", "30s", "1ms", "1d", "0", "2d"},
	{SECTION_POOL, "max_requests", "0", "0", "1000000000", "-1", "1000000001"},
	{SECTION_POOL, "max_lifetime", "0", "0", "365d", "-1s", "366d"},
	{SECTION_POOL, "max_memory", "0", "0", "1024G", "-1", "1025G"},
	{SECTION_POOL, "slow_after", "0", "0", "1d", "-1s", "2d"},
	{SECTION_POOL, "slo", "99.9", "50", "99.999", "49.999", "100"},
	{SECTION_POOL, "degraded_share", "50", "1", "100", "0", "101"},
	{SECTION_POOL, "degraded_min", "10", "0", "1000000", "-1", "1000001"},
	{SECTION_POOL, "fallback", "", "a", "a b c d e f g h", "A", "a b c d e f g h i"},
	{SECTION_POOL, "fallback_on", "", "application_error",
	 "initialization_error connection_error communication_error timeout_error resource_error "
	 "health_check_error session_error application_error system_error request_error",
	 "exception", "application"},
	{SECTION_POOL, "no_worker_wait", "2s", "0", "1d", "-1s", "2d"},
	{SECTION_POOL, "affinity", "hint", "queue", "strict", "", "sticky"},
	{SECTION_POOL, "return_dwell", "10s", "0", "1d", "-1s", "2d"},
	{SECTION_POOL, "return_step", "5s", "0", "1d", "-1s", "2d"},
	{SECTION_POOL, "directory", "", "", "/a", "a", "./a"},
	{SECTION_POOL, "env_allow",
	 "PATH HOME USER LOGNAME LANG LC_ALL LC_CTYPE TZ TMPDIR PYTHONPATH VIRTUAL_ENV", "", "A _b",
	 "1A", "A=b"},
	{SECTION_POOL, "user", "", "a", "www-data", "-a", "a b"},
	{SECTION_POOL, "group", "", "a", "www-data", "-a", "a b"},
	{SECTION_POOL, "nice", "0", "-20", "19", "-21", "20"},
	{SECTION_POOL, "umask", "", "0000", "0777", "8", "1000"},
	{SECTION_POOL, "limit_memory", "", "0", "none", "-1", "1T"},
	{SECTION_POOL, "limit_cpu", "", "0", "3600", "-1", "1s"},
	{SECTION_POOL, "limit_core", "", "0", "16M", "-1", "None"},
	{SECTION_POOL, "limit_files", "", "0", "64K", "-1", "x"},
	{SECTION_POOL, "limit_processes", "", "0", "1", "-1", "1.5"},
	{SECTION_POOL, "limit_file_size", "", "0", "1G", "-1", "99999999999999999999"},
	{SECTION_POOL, "memory_max", "", "0", "none", "-1", "1T"},
	{SECTION_POOL, "cpu_weight", "0", "0", "10000", "-1", "10001"},
	{SECTION_POOL, "output", "log", "inherit", "discard", "", "journal"},
	{SECTION_POOL, "output_line_max", "1920", "64", "1920", "63", "1921"},
	{SECTION_POOL, "output_rate", "100", "0", "1000000", "-1", "1000001"},
	{SECTION_POOL, "output_burst", "200", "0", "1000000", "-1", "1000001"},
	{SECTION_BREAKER, "mode", "on", "observe", "off", "", "yes"},
	{SECTION_BREAKER, "per_method", "no", "no", "yes", "", "1"},
	{SECTION_BREAKER, "failure_threshold", "5", "1", "1000000", "0", "1000001"},
	{SECTION_BREAKER, "success_threshold", "3", "1", "1000000", "0", "1000001"},
	{SECTION_BREAKER, "half_open_requests", "3", "1", "16", "0", "17"},
	{SECTION_BREAKER, "minimum_calls", "20", "1", "1000000", "0", "1000001"},
	{SECTION_BREAKER, "failure_rate", "50", "0", "100", "-1", "101"},
	{SECTION_BREAKER, "slow_call_rate", "0", "0", "100", "-1", "50%"},
	{SECTION_BREAKER, "slow_call_duration", "0", "0", "1d", "-1s", "2d"},
	{SECTION_BREAKER, "window", "10s", "10ms", "1d", "9999us", "2d"},
	{SECTION_BREAKER, "min_outage", "1s", "0", "1d", "-1s", "2d"},
	{SECTION_BREAKER, "failure_run_ttl", "1min", "1ms", "1d", "0", "2d"},
	{SECTION_BREAKER, "open_timeout", "1min", "1ms", "1d", "0", "2d"},
	{SECTION_BREAKER, "open_timeout_max", "10min", "1ms", "1d", "0", "2d"},
	{SECTION_BREAKER, "open_multiplier", "100", "100", "1000", "99", "1001"},
	{SECTION_BREAKER, "open_jitter", "0", "0", "100", "-1", "101"},
	{SECTION_BREAKER, "probe_timeout", "30s", "1ms", "1d", "0", "2d"},
	{SECTION_BREAKER, "early_probe", "yes", "no", "yes", "", "true"},
	{SECTION_RETRY, "backoff", "full_jitter", "none", "custom", "", "jitter"},
	{SECTION_RETRY, "base", "100ms", "0", "1d", "-1s", "2d"},
	{SECTION_RETRY, "cap", "30s", "0", "1d", "-1s", "2d"},
	{SECTION_RETRY, "delays", "", "0", "1ms 2s 3min", "1", "1s 2"},
	{SECTION_RETRY, "budget", "20", "0", "100000", "-1", "100001"},
	{SECTION_RETRY, "budget_per_success", "20", "0", "1000", "-1", "1001"},
	{SECTION_RETRY, "budget_per_second", "1", "0", "100000", "-1", "100001"},
	{SECTION_RETRY, "budget_refill_below", "10", "0", "100000", "-1", "100001"},
	{SECTION_ERROR, "severity", NULL, "warning", "critical", "", "fatal"},
	{SECTION_ERROR, "strategy", NULL, "abandon", "failover", "", "retry"},
	{SECTION_ERROR, "retries", NULL, "0", "100", "-1", "101"},
	{SECTION_ERROR, "backoff", NULL, "none", "exponential", "", "full_jitter"},
	{SECTION_ERROR, "counts_worker", NULL, "no", "yes", "", "1"},
	{SECTION_ERROR, "counts_breaker", NULL, "no", "yes", "", "1"},
	{SECTION_ERROR, "fails_over", NULL, "no", "asked", "", "maybe"},
	{SECTION_HTTP, "listen", "", "127.0.0.1:1", "unix:/a", "0.0.0.0:80", "127.0.0.1:65536"},
	{SECTION_HTTP, "texts", "no", "no", "yes", "", "maybe"},
	{SECTION_ALERT, "kind", NULL, "error_share", "sessions_lost", "", "errors"},
	{SECTION_ALERT, "pool", "", "a", "a b", "A", "a/b"},
	{SECTION_ALERT, "severity", NULL, "info", "critical", "", "major"},
	{SECTION_ALERT, "threshold", NULL, "0.001", "1000000000", "0", "1000000000.001"},
	{SECTION_ALERT, "for", NULL, "0", "1d", "-1s", "2d"},
	{SECTION_ALERT, "min", NULL, "0", "1000000000", "-1", "1000000001"},
	{SECTION_ALERT, "resolve_level", "80", "1", "100", "0", "101"},
	{SECTION_ALERT, "resolve_after", "30s", "0", "1d", "-1s", "2d"},
	{SECTION_ALERT, "cooldown", "5min", "0", "1d", "-1s", "2d"},
	{SECTION_ALERT, "enabled", "yes", "no", "yes", "", "on"},
};

union section_values {
	struct config_daemon daemon;
	struct config_pool pool;
	struct config_breaker breaker;
	struct config_retry retry;
	struct policy_row row;
	struct config_http http;
	struct config_alert alert;
};

/* Sets the option alone; NULL is no case.  A value that is taken must print as it was written. */
static void check_value(const struct option *option, const char *text, int expected)
{
	union section_values values = {0};
	struct buf printed;

	if (!text)
		return;
	ck_assert_msg(option_set(option, &values, text) == expected, "%s = %s", option->key, text);
	if (expected == 0) {
		buf_init(&printed, TEXT_MAX);
		option_print(option, &values, &printed);
		ck_assert_str_eq(text_of(&printed), text);
		buf_free(&printed);
	}
	option_clear(option, &values);
}

START_TEST(every_option_keeps_its_limits)
{
	ck_assert_uint_eq(ARRAY_SIZE(limits), OPTION_ID_COUNT_);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct option *option = option_find(limits[i].section, limits[i].key);

		ck_assert_msg(option != NULL, "%s", limits[i].key);
		ck_assert_uint_eq(option_id(option), i);
		check_value(option, limits[i].initial, 0);
		check_value(option, limits[i].least, 0);
		check_value(option, limits[i].most, 0);
		check_value(option, limits[i].below, -EINVAL);
		check_value(option, limits[i].above, -EINVAL);
	}
}
END_TEST

START_TEST(every_option_has_its_default)
{
	const struct config *config = must_parse("[pool a]\ncommand = x\n");

	ck_assert_uint_eq(config->pool_count, 1);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct option *option = option_find(limits[i].section, limits[i].key);
		const void *const values[] = {
			[SECTION_DAEMON] = &config->daemon,
			[SECTION_POOL] = &config->pools[0],
			[SECTION_BREAKER] = &config->pools[0].breaker,
			[SECTION_RETRY] = &config->pools[0].retry,
			[SECTION_HTTP] = &config->http,
			[SECTION_ALERT] = &config->alerts[0],
		};
		struct buf printed;

		if (!limits[i].initial || strcmp(option->key, "command") == 0)
			continue;
		buf_init(&printed, TEXT_MAX);
		option_print(option, values[option->section], &printed);
		ck_assert_str_eq(text_of(&printed), limits[i].initial);
		buf_free(&printed);
	}
	config_unref(config);
}
END_TEST

START_TEST(every_refusal_says_what_is_allowed)
{
	static const char *const titles[] = {
		[SECTION_DAEMON] = "daemon",	    [SECTION_POOL] = "pool a",
		[SECTION_BREAKER] = "breaker a",    [SECTION_RETRY] = "retry a",
		[SECTION_ERROR] = "error shed",	    [SECTION_HTTP] = "http",
		[SECTION_ALERT] = "alert run_time",
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct option *option = option_find(limits[i].section, limits[i].key);
		const char *bad = limits[i].above ? limits[i].above : limits[i].below;
		const char *title = titles[option->section];
		struct buf text, expected, allowed;

		buf_init(&text, TEXT_MAX);
		buf_init(&expected, TEXT_MAX);
		buf_init(&allowed, TEXT_MAX);
		option_print_allowed(option, &allowed);
		buf_printf(&text, "[%s]\n%s = %s\n", title, option->key, bad);
		if (option->section == SECTION_BREAKER || option->section == SECTION_RETRY)
			buf_printf(&text, "[pool a]\n");
		buf_printf(&expected, "t:2: [%s] %s: found \"%s\", allowed is %s\n", title,
			   option->key, bad, text_of(&allowed));
		must_fail(text_of(&text) /* ends before its zero byte */, text_of(&expected));
		buf_free(&text);
		buf_free(&expected);
		buf_free(&allowed);
	}
}
END_TEST

START_TEST(words_for_what_is_allowed)
{
	static const struct {
		enum option_id id;
		const char *text;
	} cases[] = {
		{OPTION_DAEMON_socket, "an absolute path of at most 107 bytes"},
		{OPTION_DAEMON_socket_mode, "permission bits in octal, such as 0660"},
		{OPTION_DAEMON_connections_max, "a number from 2 to 65536"},
		{OPTION_DAEMON_message_max, "a size such as 64K or 16M, from 1K to 1G"},
		{OPTION_DAEMON_stall_timeout,
		 "a duration such as 250ms, 5s or 2min, from 100ms to 1d"},
		{OPTION_DAEMON_log_level, "error, warning, notice, info or debug"},
		{OPTION_DAEMON_log_target, "auto, journal or stderr"},
		{OPTION_DAEMON_log_format, "text or json"},
		{OPTION_POOL_command,
		 "a program and its arguments, at most 256 words, with each quote closed"},
		{OPTION_POOL_workers, "a number or a range such as 2..8 or 0..4, from 1 to 4096"},
		{OPTION_POOL_idempotent, "yes or no"},
		{OPTION_POOL_directory, "an absolute path of at most 4095 bytes, or empty"},
		{OPTION_POOL_env_allow,
		 "names of environment variables, separated by spaces, at most 64"},
		{OPTION_DAEMON_admin_group,
		 "a group name of at most 32 letters, digits, _, . and -, or empty"},
		{OPTION_POOL_adapter, "process, socket or static"},
		{OPTION_POOL_address,
		 "an absolute path of at most 107 bytes, or tcp:IP:PORT with the IP in numbers, "
		 "such as tcp:127.0.0.1:4000 or tcp:[::1]:4000"},
		{OPTION_POOL_dialect,
		 "poold, msgpack-rpc, packet4-json, packet4-msgpack or jsonrpc"},
		{OPTION_POOL_ready_call, "a method name of at most 255 bytes, or empty"},
		{OPTION_POOL_ready_params, "one JSON value, or empty"},
		{OPTION_POOL_fallback, "names of pools, separated by commas or spaces, at most 8"},
		{OPTION_POOL_fallback_on,
		 "any of these, separated by commas or spaces: initialization_error "
		 "connection_error communication_error timeout_error resource_error "
		 "health_check_error session_error application_error system_error request_error"},
		{OPTION_POOL_affinity, "hint, queue or strict"},
		{OPTION_POOL_user,
		 "a user name of at most 32 letters, digits, _, . and -, or empty"},
		{OPTION_POOL_nice, "a number from -20 to 19"},
		{OPTION_POOL_umask, "permission bits in octal, such as 0027, or empty"},
		{OPTION_POOL_limit_core, "a number or a size such as 64 or 16M, none, or empty"},
		{OPTION_POOL_output, "log, inherit or discard"},
		{OPTION_BREAKER_mode, "on, observe or off"},
		{OPTION_RETRY_backoff, "none, linear, exponential, fibonacci, full_jitter, "
				       "equal_jitter, decorrelated_jitter or custom"},
		{OPTION_RETRY_delays,
		 "durations such as 250ms, 5s or 2min, separated by commas or spaces, at most 32"},
		{OPTION_ERROR_severity, "warning, minor, major or critical"},
		{OPTION_ERROR_strategy,
		 "abandon, immediate_retry, backoff_retry, circuit_break or failover"},
		{OPTION_ERROR_backoff, "none, linear or exponential"},
		{OPTION_ERROR_fails_over, "no, yes, idempotent or asked"},
		{OPTION_HTTP_listen,
		 "an address of this machine such as 127.0.0.1:9464 or [::1]:9464, or unix: and "
		 "an absolute path, or empty"},
		{OPTION_DAEMON_alert_url,
		 "unix: and the absolute path of a socket, or http://IP:PORT/PATH with an IP of "
		 "this "
		 "machine in numbers, such as http://127.0.0.1:9093/api/v2/alerts, or empty"},
		{OPTION_POOL_slo, "a percentage from 50 to 99.999"},
		{OPTION_ALERT_severity, "info, warning or critical"},
		{OPTION_ALERT_threshold,
		 "a number above 0, a percentage, a factor or a duration such as 5, 10%, 14.4x or "
		 "500ms"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf text;

		buf_init(&text, TEXT_MAX);
		option_print_allowed(option_get(cases[i].id), &text);
		ck_assert_str_eq(text_of(&text), cases[i].text);
		buf_free(&text);
	}
}
END_TEST

/* Whoever may reach the address sees all, so it must be one that only this machine reaches. */
START_TEST(listens_at_this_machine_only)
{
	static const char *const allowed[] = {"127.0.0.1:9464", "127.8.9.1:65535", "[::1]:1",
					      "unix:/run/poold/http.sock"};
	static const char *const refused[] = {
		"0.0.0.0:9464",
		"192.168.0.1:80",
		"128.0.0.1:80",
		"[::]:9464",
		"[fe80::1]:9464",
		"[::ffff:1.2.3.4]:80",
		"[::2]:80",
		"localhost:9464",
		"9464",
		":9464",
		"127.0.0.1",
		"127.0.0.1:0",
		"127.0.0.1:99999",
		"127.1:80",
		"unix:",
		"unix:relative",
		"/run/x",
		"tcp:127.0.0.1:80",
		"http://127.0.0.1:80",
		("unix:/0123456789012345678901234567890123456789012345678901234567890123456789"
		 "0123456789012345678901234567890123456789")};
	const struct option *option = option_get(OPTION_HTTP_listen);

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		check_value(option, allowed[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		check_value(option, refused[i], -EINVAL);
}
END_TEST

START_TEST(description_has_every_option)
{
	const char *description;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	config_describe(&text);
	description = text_of(&text);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct option *option = option_find(limits[i].section, limits[i].key);
		char heading[64];

		snprintf(heading, sizeof(heading), "\n  %s\n      ", limits[i].key);
		ck_assert_ptr_nonnull(strstr(description, heading));
		ck_assert_ptr_nonnull(strstr(description, option->help));
	}
	ck_assert_ptr_nonnull(strstr(description, "\n  env.VARIABLE\n"));
	ck_assert_ptr_nonnull(strstr(description, "\n  answer.METHOD\n"));
	ck_assert_ptr_nonnull(strstr(description, "\n[breaker NAME], "));
	ck_assert_ptr_nonnull(strstr(description, "\n[retry NAME], "));
	ck_assert_ptr_nonnull(strstr(description, "\n[error NAME], "));
	buf_free(&text);
}
END_TEST

/* --- what a text becomes --- */

START_TEST(values_reach_their_fields)
{
	const struct config *config = must_parse("\xef\xbb\xbf[daemon]\r\n"
						 "socket=/tmp/s\r\n"
						 "  log_level\t=\tdebug \r\n"
						 "; a comment\n"
						 "# another\n"
						 "\n"
						 "   [ pool \t py-1 ]  \n"
						 "command = sh -c 'a ; b # c' =\n"
						 "workers = 2..8\n"
						 "idempotent = yes\n"
						 "env.A = 1 = 2 ; 3\n"
						 "env.B =\n"
						 "env_allow = PATH  'X'\n"
						 "[pool q_2]\n"
						 "command = x");
	const struct config_pool *pool = config_find_pool(config, "py-1");

	ck_assert_str_eq(config->daemon.socket, "/tmp/s");
	ck_assert_int_eq(config->daemon.log_level, LOG_LEVEL_DEBUG);
	ck_assert_uint_eq(config->pool_count, 2);
	ck_assert_ptr_eq(pool, &config->pools[0]);
	ck_assert_uint_eq(pool->argc, 4);
	ck_assert_str_eq(pool->argv[0], "sh");
	ck_assert_str_eq(pool->argv[2], "a ; b # c");
	ck_assert_str_eq(pool->argv[3], "=");
	ck_assert_ptr_null(pool->argv[4]);
	ck_assert_uint_eq(pool->workers.min, 2);
	ck_assert_uint_eq(pool->workers.max, 8);
	ck_assert(pool->idempotent);
	ck_assert_str_eq(pool->env[0], "A=1 = 2 ; 3");
	ck_assert_str_eq(pool->env[1], "B=");
	ck_assert_ptr_null(pool->env[2]);
	ck_assert_str_eq(pool->env_allow[1], "X");
	ck_assert_ptr_null(pool->env_allow[2]);
	ck_assert_ptr_null(config_find_pool(config, "x"));
	config_unref(config);
}
END_TEST

START_TEST(empty_text_is_the_defaults)
{
	const struct config *config = must_parse("");

	ck_assert_uint_eq(config->pool_count, 0);
	ck_assert_str_eq(config->daemon.socket, "/run/poold/poold.sock");
	config_unref(config);
	config_unref(NULL);
}
END_TEST

START_TEST(dump_reads_back_to_itself)
{
	const struct config *config =
		must_parse("[daemon]\nlog_target = journal\n"
			   "[pool a]\ncommand = x \"y z\"\nenv.Q = a'b \"\n"
			   "fallback = c,b\nfallback_on=application_error\n"
			   "[retry a]\nbackoff = custom\ndelays = 1s,2s\n"
			   "[breaker b]\nmode = off\n"
			   "[pool b]\nadapter = socket\naddress = /s\n"
			   "[pool c]\nadapter = static\nanswer = {\"x\" : 1.50}\n"
			   "answer.m = [ ]\n"
			   "[error timeout_error]\nretries = 9\n");
	struct buf first, second;

	buf_init(&first, TEXT_MAX);
	buf_init(&second, TEXT_MAX);
	config_dump(config, &first);
	config_unref(config);
	config = must_parse(text_of(&first));
	config_dump(config, &second);
	ck_assert_str_eq((const char *)first.data, text_of(&second));
	ck_assert_ptr_nonnull(strstr((const char *)first.data, "\nenv.Q = a'b \"\n"));
	ck_assert_ptr_nonnull(strstr((const char *)first.data, "\nanswer = {\"x\" : 1.50}\n"));
	ck_assert_ptr_nonnull(strstr((const char *)first.data, "\nanswer.m = [ ]\n"));
	ck_assert_ptr_nonnull(strstr((const char *)first.data, "\n[error queue_timeout]\n"));
	ck_assert_ptr_null(strstr((const char *)first.data, "\n[error exception]\n"));
	config_unref(config);
	buf_free(&first);
	buf_free(&second);
}
END_TEST

/* A pool that is kept keeps its whole configuration, while others are loaded and dropped.  That the
 * last reference frees everything is what the address sanitizer sees. */
START_TEST(a_configuration_lives_as_long_as_its_last_reference)
{
	const struct config *first = must_parse("[pool a]\ncommand = x one\n");
	const struct config_pool *kept = &first->pools[0];
	const struct config *second;

	ck_assert_ptr_eq(kept->config, first);
	ck_assert_ptr_eq(config_ref(kept->config), first);
	config_unref(first);
	second = must_parse("[pool a]\ncommand = x two\n");
	ck_assert_str_eq(kept->argv[1], "one");
	ck_assert_str_eq(second->pools[0].argv[1], "two");
	config_unref(second);
	ck_assert_str_eq(kept->command, "x one");
	config_unref(kept->config);
}
END_TEST

/* --- faults --- */

#define DAEMON_KEYS                                                                                \
	"socket, socket_mode, connections_max, connections_per_uid, control_reserve, "             \
	"in_flight_max, requests_max, requests_per_uid, workers_max, message_max, response_max, "  \
	"output_pause, output_max, stall_timeout, memory_max, drain_timeout, start_timeout, "      \
	"admin_group, critical_group, call_group, core_dumps, recoveries_max, "                    \
	"sessions_max, session_ttl, sessions_shared, session_state_max, session_bytes_max, "       \
	"keys_max, key_ttl, "                                                                      \
	"key_bytes_max, errors_kept, state_directory, events_kept, alerts, alert_command, "        \
	"alert_url, "                                                                              \
	"alert_timeout, cgroups, log_level, log_target, log_format, log_requests"
#define POOL_KEYS                                                                                  \
	"adapter, command, address, dialect, ready_call, ready_params, ready_then, "               \
	"ready_notification, ping_call, cancel_notification, progress_notification, "              \
	"workers, spares, start_parallel, timeout, timeout_max, attempt_timeout, "                 \
	"queue_max, queue_per_uid, queue_bytes_max, admission, prefetch, prefetch_max, "           \
	"call_group, "                                                                             \
	"admin_group, control, keys_shared, prefork, idempotent, "                                 \
	"max_crash_retries, "                                                                      \
	"init_timeout, ping_interval, ping_timeout, idle_timeout, "                                \
	"kill_grace, cancel_grace, restart_delay, restart_delay_max, max_requests, "               \
	"max_lifetime, max_memory, slow_after, slo, degraded_share, degraded_min, "                \
	"fallback, fallback_on, no_worker_wait, affinity, "                                        \
	"return_dwell, return_step, directory, env_allow, user, group, nice, umask, "              \
	"limit_memory, limit_cpu, "                                                                \
	"limit_core, "                                                                             \
	"limit_files, limit_processes, limit_file_size, memory_max, cpu_weight, output, "          \
	"output_line_max, output_rate, "                                                           \
	"output_burst, "                                                                           \
	"answer, answer.METHOD, env.NAME"
#define BREAKER_KEYS                                                                               \
	"mode, per_method, failure_threshold, success_threshold, half_open_requests, "             \
	"minimum_calls, failure_rate, slow_call_rate, slow_call_duration, window, min_outage, "    \
	"failure_run_ttl, open_timeout, open_timeout_max, open_multiplier, open_jitter, "          \
	"probe_timeout, early_probe"
#define RETRY_KEYS                                                                                 \
	"backoff, base, cap, delays, budget, budget_per_success, budget_per_second, "              \
	"budget_refill_below"
#define ERROR_KEYS "severity, strategy, retries, backoff, counts_worker, counts_breaker, fails_over"
#define SECTION_RULE                                                                               \
	"allowed are [daemon], [pool NAME], [breaker NAME], [retry NAME], [error NAME], "          \
	"[http] and [alert NAME]\n"
#define ERROR_RULE                                                                                 \
	"allowed are a category (initialization_error, connection_error, communication_error, "    \
	"timeout_error, resource_error, health_check_error, session_error, application_error, "    \
	"system_error, request_error) or a code (spawn_failed, init_failed, init_timeout, "        \
	"worker_exited, worker_killed, connect_failed, peer_closed, encode_error, decode_error, "  \
	"protocol_violation, response_too_large, attempt_timeout, queue_timeout, "                 \
	"deadline_exceeded, queue_full, pool_unavailable, circuit_open, shed, "                    \
	"retry_budget_exhausted, memory_limit, process_limit, health_check_failed, "               \
	"health_check_timeout, session_not_found, session_expired, session_lost, session_limit, "  \
	"exception, internal, shutting_down, invalid_request, rejected, unknown_pool, "            \
	"unknown_method, payload_too_large, permission_denied, cancelled)\n"
#define NAME_RULE                                                                                  \
	"allowed are 1 to 32 of the characters a-z, 0-9, _ and -, beginning with a letter, but "   \
	"not \"poold\"\n"
#define VARIABLE_RULE                                                                              \
	"allowed are letters, digits and _, beginning with neither a digit nor POOLD_\n"

START_TEST(faults)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"junk\n", "t:1: this line is neither a [section] nor a key = value\n"},
		{"[daemon]\nsocket: /x\n",
		 "t:2: this line is neither a [section] nor a key = value\n"},
		{"[daemon]\nsocket: /x=y\n",
		 "t:2: this line has a colon in its key, which ends at the =\n"},
		{"[daemon]\n = x\n", "t:2: this line has no key before its =\n"},
		{"[daemon\n", "t:1: this line begins with [ and doesn't end with ]\n"},
		{"[\n", "t:1: this line begins with [ and doesn't end with ]\n"},
		{"[daemon] x\n", "t:1: this line begins with [ and doesn't end with ]\n"},
		{"[daemon]\nsocket = /\x01\n", "t:2: this line has a control character in it\n"},
		{"[daemon]\nsocket = /\x7f\n", "t:2: this line has a control character in it\n"},
		{"[daemon]\nsocket = /\r/x\n", "t:2: this line has a control character in it\n"},
		{"[daemon]\nsocket = /\xff\n", "t:2: this line is not UTF-8 text\n"},
		{"socket = /x\n",
		 "t:1: socket: found before the first [section], but a key must be in one\n"},
		{"[breaker a]\nfailure_threshold = 5\n",
		 "t:1: [breaker a]: a section [pool a] is required, but there is none\n"},
		{"[retry a]\n[breaker a]\n",
		 "t:2: [breaker a]: a section [pool a] is required, but there is none\n"
		 "t:1: [retry a]: a section [pool a] is required, but there is none\n"},
		{"[breaker A]\n", "t:1: pool name: found \"A\", " NAME_RULE},
		{"[retry]\n", "t:1: pool name: found \"\", " NAME_RULE},
		{"[error]\n", "t:1: error name: found \"\", " ERROR_RULE},
		{"[error timeout]\n", "t:1: error name: found \"timeout\", " ERROR_RULE},
		{"[]\n", "t:1: section: found [], " SECTION_RULE},
		{"[Daemon]\n", "t:1: section: found [Daemon]; did you mean [daemon]?\n"},
		{"[daemon x]\n", "t:1: section: found [daemon x]; did you mean [daemon]?\n"},
		{"[poolx]\n", "t:1: section: found [poolx]; did you mean [pool NAME]?\n"},
		{"[daemon]\n\n[daemon]\nsocket = bad\n",
		 "t:3: [daemon]: found twice in this file, first in line 1\n"},
		{"[pool a]\ncommand = x\n[pool a]\n",
		 "t:3: [pool a]: found twice in this file, first in line 1\n"},
		{"[breaker a]\n[pool a]\ncommand = x\n[breaker a]\n",
		 "t:4: [breaker a]: found twice in this file, first in line 1\n"},
		{"[error shed]\n[error shed]\n",
		 "t:2: [error shed]: found twice in this file, first in line 1\n"},
		{"[pool]\n", "t:1: pool name: found \"\", " NAME_RULE},
		{"[pool A]\n", "t:1: pool name: found \"A\", " NAME_RULE},
		{"[pool 1a]\n", "t:1: pool name: found \"1a\", " NAME_RULE},
		{"[pool a.b]\n", "t:1: pool name: found \"a.b\", " NAME_RULE},
		{"[pool a b]\n", "t:1: pool name: found \"a b\", " NAME_RULE},
		{"[pool poold]\n", "t:1: pool name: found \"poold\", " NAME_RULE},
		{"[pool abcdefghijklmnopqrstuvwxyz0123456]\n",
		 "t:1: pool name: found \"abcdefghijklmnopqrstuvwxyz0123456\", " NAME_RULE},
		{"[daemon]\nxyzzy = 1\n",
		 "t:2: [daemon] xyzzy: unknown key, allowed are " DAEMON_KEYS "\n"},
		{"[daemon]\ncommand = x\n",
		 "t:2: [daemon] command: unknown key; it belongs to [pool NAME]\n"},
		{"[breaker a]\nxyzzy = 1\n[pool a]\ncommand = x\n",
		 "t:2: [breaker a] xyzzy: unknown key, allowed are " BREAKER_KEYS "\n"},
		{"[retry a]\nxyzzy = on\n[pool a]\ncommand = x\n",
		 "t:2: [retry a] xyzzy: unknown key, allowed are " RETRY_KEYS "\n"},
		{"[error timeout_error]\nxyzzy = 1s\n",
		 "t:2: [error timeout_error] xyzzy: unknown key, allowed are " ERROR_KEYS "\n"},
		{"[pool a]\ncommand = x\nxyzzy = b\n",
		 "t:3: [pool a] xyzzy: unknown key, allowed are " POOL_KEYS "\n"},
		{"[daemon]\nworkers_mx = 3\n",
		 "t:2: [daemon] workers_mx: unknown key; did you mean workers_max?\n"},
		{"[pool a]\ncommand = x\nsocket-mode = 600\n",
		 "t:3: [pool a] socket-mode: unknown key; did you mean socket_mode of [daemon]?\n"},
		{"[pool a]\ncommand = x\nenvironment = A=1\n",
		 "t:3: [pool a] environment: unknown key; did you mean env.NAME = VALUE?\n"},
		{"[pool:a]\n", "t:1: section: found [pool:a]; did you mean [pool a]?\n"},
		{"[error timeout_eror]\n",
		 "t:1: error name: found \"timeout_eror\"; did you mean timeout_error?\n"},
		{"[breaker a]\nbase = 1s\n[pool a]\ncommand = x\n",
		 "t:2: [breaker a] base: unknown key; it belongs to [retry NAME]\n"},
		{"[retry a]\nmode = on\n[pool a]\ncommand = x\n",
		 "t:2: [retry a] mode: unknown key; it belongs to [breaker NAME]\n"},
		{"[error timeout_error]\ntimeout = 1s\n",
		 "t:2: [error timeout_error] timeout: unknown key; it belongs to [pool NAME]\n"},
		{"[pool a]\ncommand = x\nspare = b\n",
		 "t:3: [pool a] spare: unknown key; did you mean spares?\n"},
		{"[daemon]\nsocket = /a\nsocket = /b\n",
		 "t:3: [daemon] socket: found twice, first in line 2\n"},
		{"[pool a]\ncommand = x\nenv.A = 1\nenv.A = 2\n",
		 "t:4: [pool a] env.A: found twice, first in line 3\n"},
		{"[pool a]\n",
		 "t:1: [pool a] command: not set, but required where adapter = process\n"},
		{"[pool a]\ncommand = ''\n",
		 "t:2: [pool a] command: found \"''\", allowed is a program and its arguments, at "
		 "most 256 words, with each quote closed\n"},
		{"[pool a]\ncommand = x\nenv. = 1\n",
		 "t:3: [pool a] env.: found the variable name \"\", " VARIABLE_RULE},
		{"[pool a]\ncommand = x\nenv.1A = 1\n",
		 "t:3: [pool a] env.1A: found the variable name \"1A\", " VARIABLE_RULE},
		{"[pool a]\ncommand = x\nenv.POOLD_FD = 1\n",
		 "t:3: [pool a] env.POOLD_FD: found the variable name "
		 "\"POOLD_FD\", " VARIABLE_RULE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		must_fail(cases[i].text, cases[i].expected);
}
END_TEST

START_TEST(zero_byte_is_a_fault)
{
	static const uint8_t text[] = "[daemon]\nsocket = /a\0b\n";

	must_fail_len((struct bytes){text, sizeof(text) - 1},
		      "t:2: this line has a control character in it\n");
}
END_TEST

START_TEST(long_lines_are_never_cut)
{
	static char text[CONFIG_LINE_MAX + 64];
	const struct config *config;
	int head = sprintf(text, "[pool a]\ncommand = ");
	int line = head - (int)strlen("[pool a]\n");

	memset(text + head, 'x', (size_t)(CONFIG_LINE_MAX - line));
	strcpy(text + head + CONFIG_LINE_MAX - line, "\n# behind it\n");
	config = must_parse(text);
	ck_assert_uint_eq(strlen(config->pools[0].argv[0]), CONFIG_LINE_MAX - (size_t)line);
	config_unref(config);

	strcpy(text + head + CONFIG_LINE_MAX - line, "x\nworkers = 2\n");
	must_fail(text, "t:2: this line is longer than 8000 bytes\n"
			"t:1: [pool a] command: not set, but required where adapter = "
			"process\n");
}
END_TEST

START_TEST(found_text_is_cut_between_characters)
{
	static char text[4096], expected[4096];
	char found[1024] = "";

	/* 199 bytes and a character of two: only the first 199 are shown. */
	memset(found, 'y', 199);
	strcat(found, "\xc3\xa9zzz");
	sprintf(text, "[pool a]\ncommand = x\nidempotent = %s\n", found);
	sprintf(expected, "t:3: [pool a] idempotent: found \"%.199s\", allowed is yes or no\n",
		found);
	must_fail(text, expected);
}
END_TEST

START_TEST(faults_are_collected_up_to_a_number)
{
	struct buf text, expected;

	buf_init(&text, TEXT_MAX);
	buf_init(&expected, TEXT_MAX);
	for (unsigned i = 1; i <= CONFIG_ERRORS_MAX + 3; i++) {
		buf_printf(&text, "junk\n");
		if (i <= CONFIG_ERRORS_MAX)
			buf_printf(&expected,
				   "t:%u: this line is neither a [section] nor a key = value\n", i);
	}
	buf_printf(&expected, "and 3 more errors\n");
	must_fail(text_of(&text), text_of(&expected));
	buf_free(&text);
	buf_free(&expected);
}
END_TEST

START_TEST(pools_and_variables_are_bounded)
{
	struct buf text;
	const struct config *config;

	buf_init(&text, TEXT_MAX);
	buf_printf(&text, "[daemon]\n");
	for (unsigned i = 0; i < CONFIG_POOLS_MAX; i++)
		buf_printf(&text, "[pool p%u]\ncommand = x\n", i);
	for (unsigned i = 0; i < CONFIG_ENV_MAX; i++)
		buf_printf(&text, "env.V%u = x\n", i);
	config = must_parse(text_of(&text));
	ck_assert_uint_eq(config->pool_count, CONFIG_POOLS_MAX);
	config_unref(config);
	text.len--;
	buf_printf(&text, "env.W = x\n[pool q]\ncommand = x\n");
	must_fail(text_of(&text),
		  "t:194: [pool p63] env.W: found more than 64 variables, allowed are 64 at most\n"
		  "t:195: [pool q]: found more than 64 pools, allowed are 64 at most\n");
	buf_free(&text);
}
END_TEST

START_TEST(values_must_fit_together)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"[daemon]\nconnections_max = 8\n",
		 "t:2: [daemon] control_reserve = 8 (the default) must be below [daemon] "
		 "connections_max = 8: otherwise no client could connect\n"},
		{"[daemon]\noutput_pause = 129M\n",
		 "t:2: [daemon] output_pause = 129M must not be above [daemon] output_max = 128M "
		 "(the default): a slow client would be disconnected before the daemon stops "
		 "reading from it\n"},
		{"[daemon]\nmessage_max = 129M\n",
		 "t:2: [daemon] message_max = 129M must not be above [daemon] output_max = 128M "
		 "(the default): an answer as large as its request could not be sent\n"},
		{"[daemon]\nresponse_max = 3M\noutput_max = 2M\noutput_pause = 1M\nmessage_max = "
		 "1M\n",
		 "t:2: [daemon] response_max = 3M must not be above [daemon] output_max = 2M: the "
		 "largest answer could not be sent\n"},
		{"[daemon]\noutput_max = 2G\n",
		 "t:2: [daemon] output_max = 2G must not be above [daemon] "
		 "memory_max = 1G (the default): one connection could use all memory\n"},
		{"[daemon]\nsession_state_max = 65M\n",
		 "t:2: [daemon] session_state_max = 65M must not be above [daemon] "
		 "session_bytes_max = 64M "
		 "(the default): the largest state could not be kept\n"},
		{"[daemon]\nsession_bytes_max = 2G\n",
		 "t:2: [daemon] session_bytes_max = 2G must not be above [daemon] memory_max = 1G "
		 "(the default): the sessions could use all memory\n"},
		{"[daemon]\nkey_bytes_max = 2G\n",
		 "t:2: [daemon] key_bytes_max = 2G must not be above [daemon] memory_max = 1G (the "
		 "default): the kept answers could use all memory\n"},
		{"[pool a]\ncommand = x\nattempt_timeout = 2h\n",
		 "t:3: [pool a] attempt_timeout = 2h must not be above [pool a] timeout_max = 1h "
		 "(the default): no request may take that long\n"},
		{"[pool a]\ncommand = x\n[breaker a]\nopen_timeout = 1h\n",
		 "t:4: [breaker a] open_timeout = 1h must not be above [breaker a] "
		 "open_timeout_max = 10min (the default): the first time would exceed the "
		 "longest\n"},
		{"[pool a]\ncommand = x\n[breaker a]\nslow_call_rate = 10\n",
		 "t:4: [breaker a] slow_call_rate = 10 has no effect while slow_call_duration = 0: "
		 "no call is slow\n"},
		{"[pool a]\ncommand = x\n[retry a]\nbase = 1min\n",
		 "t:4: [retry a] base = 1min must not be above [retry a] cap = 30s (the default): "
		 "every delay would be the cap\n"},
		{"[pool a]\ncommand = x\n[retry a]\nbackoff = custom\ndelays = 1s 31s 2s\n",
		 "t:5: [retry a] delays = 1s 31s 2s must not be above [retry a] cap = 30s (the "
		 "default): a delay would exceed the longest\n"},
		{"[pool a]\ncommand = x\n[retry a]\nbackoff = custom\n",
		 "t:4: [retry a] backoff = custom requires the key delays, which is not set\n"},
		{"[pool a]\ncommand = x\n[retry a]\ndelays = 1s\n",
		 "t:4: [retry a] delays has no effect while backoff = full_jitter, only with "
		 "backoff = custom\n"},
		{"[pool a]\ncommand = x\nworkers = 2..257\n",
		 "t:3: [pool a] workers = 2..257 must not be above [daemon] workers_max = 256 (the "
		 "default): not all of them could be started\n"},
		{"[daemon]\nworkers_max = 3\n[pool a]\ncommand = x\nworkers = 2\n[pool b]\n"
		 "command = x\nworkers = 1..2\n",
		 "t:2: [daemon] workers_max = 3 must not be below 4, the sum of the largest "
		 "workers and the spares of all pools\n"},
		{"[pool a]\ncommand = x\ntimeout = 2h\n",
		 "t:3: [pool a] timeout = 2h must not be above [pool a] timeout_max = 1h (the "
		 "default): no request may take that long\n"},
		{"[pool a]\ncommand = x\ntimeout_max = 1s\n",
		 "t:3: [pool a] timeout = 30s (the default) must not be above [pool a] timeout_max "
		 "= 1s: no request may take that long\n"},
		{"[pool a]\ncommand = x\nqueue_max = 20000\n",
		 "t:3: [pool a] queue_max = 20000 must not be above [daemon] requests_max = 16384 "
		 "(the default): the queue could not fill\n"},
		{"[pool a]\ncommand = x\nqueue_per_uid = 2000\n",
		 "t:3: [pool a] queue_per_uid = 2000 must not be above [pool a] queue_max = 1024 "
		 "(the default): all users together may have no more\n"},
		{"[daemon]\nrequests_per_uid = 20000\n",
		 "t:2: [daemon] requests_per_uid = 20000 must not be above [daemon] requests_max = "
		 "16384 (the default): all users together may have no more\n"},
		{"[pool a]\ncommand = x\nqueue_bytes_max = 2G\n",
		 "t:3: [pool a] queue_bytes_max = 2G must not be above [daemon] memory_max = 1G "
		 "(the default): one queue could use all memory\n"},
		{"[pool a]\ncommand = x\nrestart_delay = 1min\n",
		 "t:3: [pool a] restart_delay = 1min must not be above [pool a] restart_delay_max "
		 "= 30s (the default): the first delay would exceed the longest\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		must_fail(cases[i].text, cases[i].expected);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_option_keeps_its_limits,
		every_option_has_its_default,
		every_refusal_says_what_is_allowed,
		listens_at_this_machine_only,
		words_for_what_is_allowed,
		description_has_every_option,
		values_reach_their_fields,
		empty_text_is_the_defaults,
		dump_reads_back_to_itself,
		a_configuration_lives_as_long_as_its_last_reference,
		faults,
		zero_byte_is_a_fault,
		long_lines_are_never_cut,
		found_text_is_cut_between_characters,
		faults_are_collected_up_to_a_number,
		pools_and_variables_are_bounded,
		values_must_fit_together,
	};

	return unit_main("config", tests, ARRAY_SIZE(tests));
}
