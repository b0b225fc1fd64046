#include "client/poolctl/field.h"
#include "client/poolctl/print.h"
#include "client/poolctl/show.h"
#include "client/poolctl/since.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A sentence for each kind of event.  $name is replaced by that field of the event; a part in
 * brackets is left out if the event lacks one of the fields in it.
 */
static const struct {
	const char *kind;
	const char *sentence;
} sentences[] = {
	{"breaker", "$pool[.$method]: $from -> $to[, $reason]"},
	{"failover", "$pool: $from -> $to, level $from_level -> $to_level[, $reason]"},
	{"recovery", "$id of request $request[ in $pool] $result: $cause, $strategy[, "
		     "$duration_ms ms]"},
	{"health", "$pool: $from -> $to"},
	{"worker", "$pool[ worker $worker][ (process $pid)] $what[: $text]"},
	{"session", "$session $what[, $reason]"},
	{"error", "$code[ in $pool][: $message]"},
	{"stall", "the daemon stood still for $stalled_ms ms"},
	{"alert", "[$pool: ]$name ($severity) $what[: $text]"},
	{"retry",
	 "$pool: attempt $attempt of request $request failed with $code, the next one is made "
	 "at $to after $delay_ms ms[: $message]"},
	{"overload", "[$pool: ]overload $what: $code, $refused refused in $duration_ms ms"},
	{"config", "[$pool: ]$what[: $text]"},
	{"daemon", "the daemon is $what[: $text]"},
	{"span", "$name $outcome[ $code] in $elapsed_ms ms, trace $trace, span $span[: $message]"},
	{"gap", "$lost events are missing here: they were not read in time"},
	{"connection", "[of $client ][user $uid, process $pid: ]$reason[: $message]"},
};

static const char *sentence_of(const char *kind)
{
	for (size_t i = 0; i < COUNT(sentences); i++) {
		if (strcmp(kind, sentences[i].kind) == 0)
			return sentences[i].sentence;
	}
	return NULL;
}

/* Reads a name at *text, moves *text behind it, and returns the field of that name, or NULL. */
static const json_t *take_field(const char **text, const json_t *event)
{
	size_t len = strspn(*text, "abcdefghijklmnopqrstuvwxyz_");
	char name[32];

	snprintf(name, sizeof(name), "%.*s", (int)len, *text);
	*text += len;
	return json_object_get(event, name);
}

static void print_value(const json_t *value)
{
	if (json_is_string(value))
		print_safe(stdout, json_string_value(value));
	else if (json_is_number(value))
		printf("%.6g", json_number_value(value));
	else
		putchar('-');
}

/* Whether the event has all fields of the bracket whose content begins at `text`. */
static bool has_all_fields(const char *text, const json_t *event)
{
	while (*text != ']') {
		const json_t *value;

		if (*text++ != '$')
			continue;
		value = take_field(&text, event);

		if (!value || json_is_null(value) ||
		    (json_is_string(value) && json_string_length(value) == 0))
			return false;
	}
	return true;
}

static void print_sentence(const char *text, const json_t *event)
{
	while (*text != '\0') {
		char letter = *text++;

		if (letter == '$')
			print_value(take_field(&text, event));
		else if (letter == '[' && !has_all_fields(text, event))
			text = strchr(text, ']') + 1;
		else if (letter != '[' && letter != ']')
			putchar(letter);
	}
}

bool show_event_is_of(const json_t *event, const char *pool, const struct since *since)
{
	bool is_of = !pool || strcmp(field_text(event, "pool"), pool) == 0 ||
		     strcmp(field_text(event, "kind"), "gap") == 0;

	return is_of && field_number(event, "at_ms") >= (double)since->at_ms;
}

void show_event(const json_t *event)
{
	const char *kind = field_text(event, "kind");
	const char *sentence = sentence_of(kind);
	char time[UNIT_TEXT_MAX], seq[UNIT_TEXT_MAX];

	printf("%6s  %s  ", field_count(seq, event, "seq"), field_clock(time, event, "at_ms"));
	print_safe(stdout, kind);
	printf("%*s", strlen(kind) < 10 ? (int)(10 - strlen(kind)) : 1, "");
	if (sentence) {
		print_sentence(sentence, event);
	} else {
		char *dump = json_dumps(event, JSON_COMPACT);

		print_safe(stdout, dump ? dump : "-");
		free(dump);
	}
	putchar('\n');
}
