#include "client/lib/worker_attempt.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Limit of each text of an error, in bytes. */
#define TEXT_LEN_MAX ((size_t)4 * 1024)

static const char *const severity_names[] = {
	[POOLD_SEVERITY_WARNING] = "warning",
	[POOLD_SEVERITY_MINOR] = "minor",
	[POOLD_SEVERITY_MAJOR] = "major",
	[POOLD_SEVERITY_CRITICAL] = "critical",
};

struct failure {
	enum errcode code;
	enum poold_failure kind;
	uint64_t after_ms; /* 0: not given */
	const char *type;
	const char *message;
};

static struct bytes text_bytes(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strnlen(text, TEXT_LEN_MAX)};
}

/* Packs the error map.  If a text is cut within a character, that character becomes '?'. */
static void pack_failure(struct worker_session *session, const struct failure *failure)
{
	struct buf *out = &session->failure;
	const char *severity = severity_names[session->severity];
	bool is_retryable = failure->kind == POOLD_RETRYABLE;
	bool is_fatal = failure->kind == POOLD_FATAL;

	buf_reset(out);
	pack_map(out, 3u + (severity != NULL) + is_retryable + (failure->after_ms > 0) + is_fatal);
	pack_str(out, "code");
	pack_str(out, errcode_name(failure->code));
	pack_str(out, "type");
	pack_text(out, text_bytes(failure->type));
	pack_str(out, "message");
	pack_text(out, text_bytes(failure->message));
	if (severity) {
		pack_str(out, "severity");
		pack_str(out, severity);
	}
	if (is_retryable) {
		pack_str(out, "retryable");
		pack_bool(out, true);
	}
	if (failure->after_ms > 0) {
		pack_str(out, "retry_after_ms");
		pack_uint(out, failure->after_ms);
	}
	if (is_fatal) {
		pack_str(out, "fatal");
		pack_bool(out, true);
	}
	session->has_failed = true;
}

void attempt_fail(struct worker_session *session, enum errcode code, const char *type,
		  const char *message)
{
	pack_failure(session, &(struct failure){.code = code, .type = type, .message = message});
}

void attempt_fail_too_large(struct worker_session *session, const char *what, size_t size)
{
	char message[160];

	snprintf(message, sizeof(message),
		 "the %s has %zu bytes, and response_max of the daemon is %zu", what, size,
		 session->response_max);
	attempt_fail(session, ERR_response_too_large, "ResponseTooLarge", message);
}

static struct worker_session *session_of(struct poold_attempt *attempt)
{
	return container_of(attempt, struct worker_session, attempt);
}

static int fail_formatted(struct poold_attempt *attempt, enum poold_failure failure,
			  uint64_t after_ms, const char *type, const char *format, va_list args)
	__attribute__((format(printf, 5, 0)));

static int fail_formatted(struct poold_attempt *attempt, enum poold_failure failure,
			  uint64_t after_ms, const char *type, const char *format, va_list args)
{
	struct worker_session *session = session_of(attempt);
	char message[TEXT_LEN_MAX];

	/* The handler's own words could only repeat it. */
	if (session->was_too_large)
		return -1;
	vsnprintf(message, sizeof(message), format, args);
	pack_failure(session, &(struct failure){.code = failure == POOLD_REJECTED ? ERR_rejected
										  : ERR_exception,
						.kind = failure,
						.after_ms = after_ms,
						.type = type,
						.message = message});
	session->is_broken = failure == POOLD_FATAL;
	return -1;
}

int poold_fail(struct poold_attempt *attempt, enum poold_failure failure, const char *type,
	       const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = fail_formatted(attempt, failure, 0, type, format, args);
	va_end(args);
	return r;
}

int poold_retry_later(struct poold_attempt *attempt, uint64_t after_ms, const char *type,
		      const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = fail_formatted(attempt, POOLD_RETRYABLE, after_ms, type, format, args);
	va_end(args);
	return r;
}

void poold_attempt_set_severity(struct poold_attempt *attempt, enum poold_severity severity)
{
	if (severity < ARRAY_SIZE(severity_names))
		session_of(attempt)->severity = severity;
}
