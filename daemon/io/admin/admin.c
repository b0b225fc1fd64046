#include "daemon/io/admin/admin.h"

#include "daemon/io/admin/control.h"
#include "daemon/io/admin/doctor.h"
#include "daemon/io/admin/report.h"
#include "daemon/io/admin/report_clients.h"
#include "daemon/io/admin/report_pools.h"
#include "daemon/io/admin/report_recovery.h"
#include "daemon/io/admin/report_requests.h"
#include "daemon/io/admin/report_window.h"
#include "daemon/io/admin/report_workers.h"
#include "daemon/io/observe/alerting.h"
#include "daemon/io/observe/metrics.h"
#include "protocol/read.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define PROTOCOL_VERSION 1

/* Three pairs: who this is. */
static void pack_identity(struct buf *out)
{
	pack_str(out, "server");
	pack_str(out, "poold");
	pack_str(out, "version");
	pack_str(out, POOLD_VERSION);
	pack_str(out, "protocol");
	pack_uint(out, PROTOCOL_VERSION);
}

static void answer_version(const struct driver *driver, struct buf *out)
{
	usec_t uptime = usec_sub(loop_now(driver->loop), driver->started);

	pack_map(out, 5);
	pack_identity(out);
	pack_str(out, "pid");
	pack_int(out, getpid());
	pack_str(out, "uptime_ms");
	pack_uint(out, uptime / USEC_PER_MSEC);
}

/* [] or [format] */
static int read_format(struct bytes params, enum metrics_format *ret)
{
	struct reader reader;
	struct bytes format;
	uint32_t count;

	*ret = METRICS_PROMETHEUS;
	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count > 1)
		return -EINVAL;
	if (count == 0)
		return 0;
	if (read_str(&reader, &format) < 0)
		return -EINVAL;
	if (bytes_equal(format, "openmetrics"))
		*ret = METRICS_OPENMETRICS;
	return *ret == METRICS_OPENMETRICS || bytes_equal(format, "prometheus") ? 0 : -EINVAL;
}

static enum errcode answer_metrics(const struct driver *driver, struct bytes params,
				   struct buf *out, char *why)
{
	enum metrics_format format;
	struct buf text;

	if (read_format(params, &format) < 0) {
		snprintf(why, CONTROL_WHY_SIZE,
			 "[], [\"prometheus\"] or [\"openmetrics\"] is wanted");
		return ERR_invalid_request;
	}
	buf_init(&text, out->max);
	metrics_write(driver, format, &text);
	if (buf_error(&text) == 0)
		pack_str_len(out, (const char *)text.data, text.len);
	else
		out->error = buf_error(&text);
	buf_free(&text);
	return ERR_NONE;
}

/* Reads [], [max] or [max, kind]. */
static int read_errors_wish(struct bytes params, unsigned *ret_max, unsigned *ret_kinds)
{
	struct reader reader;
	enum error_kind kind;
	struct bytes name;
	uint32_t count;
	uint64_t max = REPORT_MAX;

	*ret_kinds = ERROR_KINDS_ALL;
	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count > 2 ||
	    (count > 0 && read_uint(&reader, &max) < 0) ||
	    (count > 1 && read_str(&reader, &name) < 0))
		return -EINVAL;
	*ret_max = max < REPORT_MAX ? (unsigned)max : REPORT_MAX;
	if (count < 2)
		return 0;
	kind = error_kind_find(name);
	*ret_kinds = 1u << kind;
	return kind < ERROR_KIND_COUNT_ ? 0 : -EINVAL;
}

static enum errcode answer_errors(const struct driver *driver, const struct caller *caller,
				  struct bytes params, struct buf *out, char *why)
{
	unsigned max, kinds;

	if (read_errors_wish(params, &max, &kinds) < 0) {
		snprintf(why, CONTROL_WHY_SIZE,
			 "[], [max] or [max, kind] is wanted; the kinds are request, incident, "
			 "refusal and connection");
		return ERR_invalid_request;
	}
	error_log_pack(&driver->errors, driver, caller, kinds, max, out);
	return ERR_NONE;
}

/* Methods whose parameter is how many things to report. */
static enum errcode answer_some(const struct driver *driver, const struct caller *caller,
				enum method method, struct bytes params, struct buf *out, char *why)
{
	unsigned max;

	if (control_read_max(params, REPORT_MAX, &max) < 0) {
		snprintf(why, CONTROL_WHY_SIZE, "[] or [max] is wanted");
		return ERR_invalid_request;
	}
	if (method == METHOD_clients)
		report_clients(driver, caller, max, out);
	else
		report_sessions(driver, caller, max, out);
	return ERR_NONE;
}

enum errcode admin_answer(struct driver *driver, struct caller *caller, enum method method,
			  struct bytes params, struct buf *out, char *why)
{
	switch (method) {
	case METHOD_version:
		answer_version(driver, out);
		break;
	case METHOD_health:
		report_health(driver, caller, out);
		break;
	case METHOD_status:
		report_status(driver, caller, out);
		break;
	case METHOD_pools:
		report_pools(driver, caller, out);
		break;
	case METHOD_methods:
		report_methods(driver, caller, out);
		break;
	case METHOD_workers:
		report_workers(driver, caller, UINT_MAX, out);
		break;
	case METHOD_stats:
		report_stats(driver, out);
		break;
	case METHOD_metrics:
		return answer_metrics(driver, params, out, why);
	case METHOD_breakers:
		report_breakers(driver, caller, out);
		break;
	case METHOD_recoveries:
		report_recoveries(driver, out);
		break;
	case METHOD_doctor:
		doctor_report(driver, caller, out);
		break;
	case METHOD_alerts:
		alerting_pack(driver->alerting, caller, out);
		break;
	case METHOD_requests:
		return report_requests(driver, caller, params, out, why);
	case METHOD_errors:
		return answer_errors(driver, caller, params, out, why);
	case METHOD_clients:
	case METHOD_sessions:
		return answer_some(driver, caller, method, params, out, why);
	default:
		return control_answer(driver, caller, method, params, out, why);
	}
	return ERR_NONE;
}

void admin_hello(const struct driver *driver, bool errors_map, struct buf *out)
{
	static const char *const features[] = {"cancel",   "meta",   "priority", "session", "key",
					       "fallback", "stream", "events",	 "closing"};
	const struct config_daemon *limits = &driver->config->daemon;

	pack_map(out, 6);
	pack_identity(out);
	pack_str(out, "errors");
	pack_str(out, errors_map ? "map" : "stock");
	pack_str(out, "features");
	pack_array(out, ARRAY_SIZE(features));
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		pack_str(out, features[i]);
	pack_str(out, "limits");
	pack_map(out, 3);
	pack_str(out, "message_max");
	pack_uint(out, limits->message_max);
	pack_str(out, "in_flight_max");
	pack_uint(out, limits->in_flight_max);
	pack_str(out, "response_max");
	pack_uint(out, limits->response_max);
}
