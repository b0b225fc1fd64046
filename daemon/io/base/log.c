#include "daemon/io/base/log.h"

#include "daemon/io/base/log_json.h"
#include "daemon/io/base/log_sink.h"
#include "daemon/io/base/log_text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* A message before it is escaped: longer than what is kept of it, as escapes only lengthen it. */
#define FORMATTED_MAX (LOG_TEXT_MAX + 1)

/* The room of one record: a line on standard error must fit into a pipe in one go. */
#define LINE_MAX_BYTES	   4096
#define JOURNAL_RECORD_MAX ((size_t)LOG_TEXT_MAX * (LOG_FIELDS_MAX + 2))

static enum log_level log_level = LOG_LEVEL_INFO;
static struct log_sink log_sink = LOG_SINK_STDERR;
static enum log_format log_format = LOG_FORMAT_TEXT;
static uint64_t log_dropped_total;
static uint64_t log_dropped_unreported;

/* Bytes put together; what doesn't fit is left out. */
struct record {
	char *data;
	size_t len;
	size_t max;
};

static void record_put(struct record *record, const char *text)
{
	size_t len = strlen(text), room = record->max - record->len;

	if (len > room)
		len = room;
	memcpy(record->data + record->len, text, len);
	record->len += len;
}

#define TIME_TEXT_MAX 64

/* A time that sorts and that every program reads. */
static void print_time(char out[TIME_TEXT_MAX])
{
	struct timespec now;
	struct tm parts;
	char day[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(out, TIME_TEXT_MAX, "%s.%03ldZ", day, now.tv_nsec / 1000000 % 1000);
}

/* Writes name=value, with quotes where the end of the value would not be clear. */
static void put_line_field(struct record *record, const struct log_field *field)
{
	char value[LOG_TEXT_MAX + 1];
	bool is_quoted;

	log_text_escape((struct bytes){(const uint8_t *)field->value, strlen(field->value)}, value,
			sizeof(value));
	is_quoted = value[strcspn(value, " \"=")] != '\0' || value[0] == '\0';
	record_put(record, " ");
	record_put(record, field->name);
	record_put(record, is_quoted ? "=\"" : "=");
	for (char *quote = strchr(value, '"'); quote; quote = strchr(quote, '"'))
		*quote = '\'';
	record_put(record, value);
	record_put(record, is_quoted ? "\"" : "");
}

static void make_line(struct record *record, enum log_level level, const char *message,
		      const struct log_field *fields, size_t count)
{
	record->max = LINE_MAX_BYTES - 1; /* and the newline */
	if (log_sink.is_prefixed) {
		record_put(record, (char[]){'<', (char)('0' + level), '>', '\0'});
	} else {
		char time[TIME_TEXT_MAX];

		print_time(time);
		record_put(record, time);
		record_put(record, " ");
		record_put(record, log_level_name(level));
		record_put(record, " ");
	}
	record_put(record, message);
	for (size_t i = 0; i < count; i++)
		if (fields[i].value)
			put_line_field(record, &fields[i]);
	record->data[record->len++] = '\n';
}

/* The journal, where standard error is connected to it, takes the priority off again. */
static void make_json(struct record *record, enum log_level level, const char *message_id,
		      const char *message, const struct log_field *fields, size_t count)
{
	char time[TIME_TEXT_MAX];
	const struct log_json json = {time, log_level_name(level), message_id, message, fields,
				      count};

	print_time(time);
	record->max = LINE_MAX_BYTES;
	if (log_sink.is_prefixed)
		record_put(record, (char[]){'<', (char)('0' + level), '>', '\0'});
	record->len += log_json_line(&json, record->data + record->len, record->max - record->len);
}

/* The journal's own protocol: NAME=value and a newline.  Values have no newline, so the form with a
 * length is not needed. */
static void put_journal_field(struct record *record, const char *name, const char *value)
{
	record_put(record, name);
	record_put(record, "=");
	record_put(record, value);
	record_put(record, "\n");
}

static void make_journal_record(struct record *record, enum log_level level, const char *message_id,
				const char *message, const struct log_field *fields, size_t count)
{
	char value[LOG_TEXT_MAX + 1];

	record->max = JOURNAL_RECORD_MAX;
	put_journal_field(record, "PRIORITY", (char[]){(char)('0' + level), '\0'});
	put_journal_field(record, "SYSLOG_IDENTIFIER", "poold");
	put_journal_field(record, "MESSAGE", message);
	if (message_id)
		put_journal_field(record, "MESSAGE_ID", message_id);
	for (size_t i = 0; i < count; i++) {
		char name[64] = "POOLD_";
		size_t len = strlen(name);

		if (!fields[i].value)
			continue;
		for (const char *p = fields[i].name; *p && len < sizeof(name) - 1; p++)
			name[len++] = (char)toupper((unsigned char)*p);
		log_text_escape(
			(struct bytes){(const uint8_t *)fields[i].value, strlen(fields[i].value)},
			value, sizeof(value));
		put_journal_field(record, name, value);
	}
}

/* `text` is not escaped yet.  Returns whether it was written. */
static bool emit(enum log_level level, const char *message_id, const char *text,
		 const struct log_field *fields, size_t count)
{
	char data[JOURNAL_RECORD_MAX], message[LOG_TEXT_MAX + 1];
	struct record record = {.data = data};

	log_text_escape((struct bytes){(const uint8_t *)text, strlen(text)}, message,
			sizeof(message));
	if (!log_sink.is_journal && log_format == LOG_FORMAT_JSON)
		make_json(&record, level, message_id, text, fields, count);
	else if (log_sink.is_journal)
		make_journal_record(&record, level, message_id, message, fields, count);
	else
		make_line(&record, level, message, fields, count);
	return log_sink_write(&log_sink, record.data, record.len);
}

/* Logs that lines were lost, as soon as a line can be written again. */
static bool notify_dropped(void)
{
	char message[64];

	if (log_dropped_unreported == 0)
		return true;
	snprintf(message, sizeof(message), "%" PRIu64 " lines of this log were lost",
		 log_dropped_unreported);
	if (!emit(LOG_LEVEL_WARNING, NULL, message, NULL, 0))
		return false;
	log_dropped_unreported = 0;
	return true;
}

static const char *field_of(const struct log_field *fields, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(fields[i].name, name) == 0)
			return fields[i].value;
	return NULL;
}

/* Writes whom the message is about, and returns its length. */
static size_t put_subject(char *out, size_t size, const struct log_field *fields, size_t count)
{
	const char *pool = field_of(fields, count, "pool");
	const char *worker = field_of(fields, count, "worker");
	int len;

	if (!pool || !log_has_fields())
		return 0;
	len = snprintf(out, size, "%s%s%s: ", pool, worker ? "/" : "", worker ? worker : "");
	return (size_t)len < size ? (size_t)len : size - 1;
}

void log_event(enum log_level level, const char *message_id, const struct log_field *fields,
	       size_t field_count, const char *format, ...)
{
	const int saved_errno = errno;
	char formatted[FORMATTED_MAX + 1];
	size_t subject;
	va_list args;

	if (!log_is_enabled(level))
		return;
	if (field_count > LOG_FIELDS_MAX)
		field_count = LOG_FIELDS_MAX;
	subject = put_subject(formatted, sizeof(formatted), fields, field_count);
	va_start(args, format);
	vsnprintf(formatted + subject, sizeof(formatted) - subject, format, args);
	va_end(args);
	if (!notify_dropped() || !emit(level, message_id, formatted, fields, field_count)) {
		log_dropped_total++;
		log_dropped_unreported++;
	}
	errno = saved_errno;
}

bool log_has_fields(void)
{
	return log_sink.is_journal || log_format == LOG_FORMAT_JSON;
}

int log_open(enum log_target target, enum log_level level)
{
	struct log_sink sink;
	bool is_connected = log_stderr_is_journal();
	int r;

	if (target == LOG_TARGET_JOURNAL || (target == LOG_TARGET_AUTO && is_connected))
		r = log_sink_open_journal(&sink);
	else
		r = log_sink_open_stderr(&sink);
	if (r < 0)
		return r;
	log_close();
	log_sink = sink;
	log_level = level;
	return 0;
}

void log_close(void)
{
	log_sink_close(&log_sink);
	log_sink = (struct log_sink)LOG_SINK_STDERR;
	log_level = LOG_LEVEL_INFO;
	log_format = LOG_FORMAT_TEXT;
}

void log_set_format(enum log_format format)
{
	log_format = format;
}

bool log_is_enabled(enum log_level level)
{
	return level <= log_level;
}

uint64_t log_dropped(void)
{
	return log_dropped_total;
}

bool log_limit_pass(struct log_limit *limit, usec_t now, unsigned *ret_held)
{
	if (limit->second_begin == 0 || now >= usec_add(limit->second_begin, USEC_PER_SEC)) {
		limit->second_begin = now;
		limit->passed = 0;
	}
	if (limit->passed >= limit->per_second) {
		limit->held++;
		return false;
	}
	limit->passed++;
	*ret_held = limit->held;
	limit->held = 0;
	return true;
}

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};

const char *log_level_name(enum log_level level)
{
	return level < ARRAY_SIZE(level_names) ? level_names[level] : NULL;
}

static const char *const target_names[] = {
	[LOG_TARGET_AUTO] = "auto",
	[LOG_TARGET_JOURNAL] = "journal",
	[LOG_TARGET_STDERR] = "stderr",
};

const char *log_target_name(enum log_target target)
{
	return target < ARRAY_SIZE(target_names) ? target_names[target] : NULL;
}

static const char *const format_names[] = {
	[LOG_FORMAT_TEXT] = "text",
	[LOG_FORMAT_JSON] = "json",
};

const char *log_format_name(enum log_format format)
{
	return format < ARRAY_SIZE(format_names) ? format_names[format] : NULL;
}
