#include "client/poolctl/options.h"

#include "protocol/nearest.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define INTERVAL_MIN_MS 100

enum {
	OPTION_META = 256,
	OPTION_SESSION,
	OPTION_KEY,
	OPTION_IDEMPOTENT,
	OPTION_NO_FALLBACK,
	OPTION_STREAM,
	OPTION_TRACE,
	OPTION_COUNT,
	OPTION_LIVE,
	OPTION_READY,
	OPTION_QUEUED,
	OPTION_RUNNING,
	OPTION_YES,
	OPTION_FOLLOW,
	OPTION_SINCE,
	OPTION_KIND,
	OPTION_ONCE,
	OPTION_INTERVAL
};

static const struct option long_options[] = {
	{"socket", required_argument, NULL, 's'},
	{"wait", required_argument, NULL, 'w'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{"timeout", required_argument, NULL, 't'},
	{"meta", no_argument, NULL, OPTION_META},
	{"session", required_argument, NULL, OPTION_SESSION},
	{"key", required_argument, NULL, OPTION_KEY},
	{"idempotent", no_argument, NULL, OPTION_IDEMPOTENT},
	{"no-fallback", no_argument, NULL, OPTION_NO_FALLBACK},
	{"stream", no_argument, NULL, OPTION_STREAM},
	{"trace", required_argument, NULL, OPTION_TRACE},
	{"count", required_argument, NULL, OPTION_COUNT},
	{"live", no_argument, NULL, OPTION_LIVE},
	{"ready", no_argument, NULL, OPTION_READY},
	{"queued", no_argument, NULL, OPTION_QUEUED},
	{"running", no_argument, NULL, OPTION_RUNNING},
	{"yes", no_argument, NULL, OPTION_YES},
	{"follow", no_argument, NULL, OPTION_FOLLOW},
	{"since", required_argument, NULL, OPTION_SINCE},
	{"kind", required_argument, NULL, OPTION_KIND},
	{"once", no_argument, NULL, OPTION_ONCE},
	{"interval", required_argument, NULL, OPTION_INTERVAL},
	{NULL, 0, NULL, 0},
};

/* Reads a duration of an option.  Returns false after it has said in `fault` what is wrong. */
static bool read_duration(const char *option, const char *text, uint64_t *ret_ms,
			  char fault[FAULT_MAX])
{
	if (argument_duration(text, ret_ms))
		return true;
	snprintf(fault, FAULT_MAX, "%s: \"%.100s\" is not " ARGUMENT_DURATION, option, text);
	return false;
}

static bool set_count(struct options *options, const char *text, char fault[FAULT_MAX])
{
	if (argument_number(text, &options->count) && options->count > 0)
		return true;
	snprintf(fault, FAULT_MAX, "--count: \"%.100s\" is not a number of events above 0", text);
	return false;
}

static bool set_since(struct options *options, const char *text, char fault[FAULT_MAX])
{
	options->has_since = true;
	if (since_read(text, (uint64_t)time(NULL) * 1000, &options->since))
		return true;
	snprintf(fault, FAULT_MAX, "--since: \"%.100s\" is not " SINCE_WORDS, text);
	return false;
}

static bool add_kind(struct options *options, const char *text, char fault[FAULT_MAX])
{
	if (options->kind_count == EVENT_KINDS_MAX) {
		snprintf(fault, FAULT_MAX, "--kind comes more than %d times", EVENT_KINDS_MAX);
		return false;
	}
	options->kinds[options->kind_count++] = text;
	return true;
}

/* --queued or --running: one of them. */
static bool set_only(struct options *options, const char *word, char fault[FAULT_MAX])
{
	if (options->only && strcmp(options->only, word) != 0) {
		snprintf(fault, FAULT_MAX, "--queued and --running exclude each other");
		return false;
	}
	options->only = word;
	return true;
}

static bool set_interval(struct options *options, const char *text, char fault[FAULT_MAX])
{
	if (!read_duration("--interval", text, &options->interval_ms, fault))
		return false;
	if (options->interval_ms >= INTERVAL_MIN_MS)
		return true;
	snprintf(fault, FAULT_MAX, "--interval: \"%.100s\" is less than 100ms", text);
	return false;
}

/* The bits of `given` that an option belongs to; 0: every command takes it. */
static unsigned owner_of(int option)
{
	switch (option) {
	case 's':
	case 'w':
	case 'j':
	case 'h':
	case 'V':
		return 0;
	case OPTION_COUNT:
	case OPTION_KIND:
		return OPTIONS_OF_EVENTS;
	case OPTION_SINCE:
		return OPTIONS_OF_HISTORY;
	case OPTION_LIVE:
	case OPTION_READY:
		return OPTIONS_OF_HEALTH;
	case OPTION_QUEUED:
	case OPTION_RUNNING:
		return OPTIONS_OF_REQUESTS;
	case OPTION_YES:
		return OPTIONS_OF_CANCEL;
	case OPTION_FOLLOW:
		return OPTIONS_OF_LOGS;
	case OPTION_ONCE:
	case OPTION_INTERVAL:
		return OPTIONS_OF_TOP;
	default:
		return OPTIONS_OF_CALL;
	}
}

/* An option of `call`. */
static bool set_of_call(struct options *options, int option, const char *text,
			char fault[FAULT_MAX])
{
	switch (option) {
	case 't':
		return read_duration("--timeout", text, &options->call.timeout_ms, fault);
	case OPTION_META:
		options->call.meta = true;
		break;
	case OPTION_SESSION:
		options->call.session = text;
		break;
	case OPTION_KEY:
		options->call.key = text;
		break;
	case OPTION_IDEMPOTENT:
		options->call.idempotent = POOLD_YES;
		break;
	case OPTION_NO_FALLBACK:
		options->call.fallback = POOLD_NO;
		break;
	case OPTION_TRACE:
		options->call.trace = text;
		break;
	default:
		options->stream = true;
		break;
	}
	return true;
}

/* An option that only some commands take. */
static bool set_special(struct options *options, int option, const char *text,
			char fault[FAULT_MAX])
{
	switch (option) {
	case OPTION_COUNT:
		return set_count(options, text, fault);
	case OPTION_LIVE:
		options->live = true;
		return true;
	case OPTION_READY:
		options->ready = true;
		return true;
	case OPTION_QUEUED:
		return set_only(options, "queued", fault);
	case OPTION_RUNNING:
		return set_only(options, "running", fault);
	case OPTION_YES:
		options->yes = true;
		return true;
	case OPTION_FOLLOW:
		options->follow = true;
		return true;
	case OPTION_SINCE:
		return set_since(options, text, fault);
	case OPTION_KIND:
		return add_kind(options, text, fault);
	case OPTION_ONCE:
		options->once = true;
		return true;
	case OPTION_INTERVAL:
		return set_interval(options, text, fault);
	default:
		return set_of_call(options, option, text, fault);
	}
}

static bool set_option(struct options *options, int option, const char *text, char fault[FAULT_MAX])
{
	switch (option) {
	case 's':
		options->socket = text;
		return true;
	case 'w':
		return read_duration("--wait", text, &options->wait_ms, fault);
	case 'j':
		options->json = true;
		return true;
	case 'h':
		options->help = true;
		return true;
	case 'V':
		options->version = true;
		return true;
	default:
		return set_special(options, option, text, fault);
	}
}

static const char *name_of_option(int option)
{
	for (const struct option *known = long_options; known->name; known++)
		if (known->val == option)
			return known->name;
	return "";
}

/* Says what is wrong with an option that getopt refused; `word` is where it stands. */
static void describe_refused(int found, const char *word, char fault[FAULT_MAX])
{
	size_t len = strcspn(word, "=");
	bool is_long = strncmp(word, "--", 2) == 0;
	char name[64];
	struct nearest nearest;

	if (found == ':') {
		snprintf(fault, FAULT_MAX, "--%s needs a value behind it", name_of_option(optopt));
		return;
	}
	if (!is_long) {
		snprintf(fault, FAULT_MAX, "there is no option -%c", optopt);
		return;
	}
	if (optopt != 0) {
		snprintf(fault, FAULT_MAX, "--%s takes no value: \"%.100s\"",
			 name_of_option(optopt), word);
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(len - 2), word + 2);
	nearest_init(&nearest, name);
	for (const struct option *known = long_options; known->name; known++)
		nearest_offer(&nearest, known->name);
	snprintf(fault, FAULT_MAX, "there is no option \"%.*s\"%s%s%s", (int)(len < 64 ? len : 64),
		 word, nearest.found ? "; did you mean --" : "", nearest.found ? nearest.found : "",
		 nearest.found ? "?" : "");
}

/* Notes an option that only some commands take. */
static void note_special(struct options *options, int option)
{
	unsigned owner = owner_of(option);

	if (owner == 0)
		return;
	options->given |= owner;
	options->special[__builtin_ctz(owner)] = name_of_option(option);
}

void options_read(int argc, char **argv, struct options *options, char fault[FAULT_MAX])
{
	char next[FAULT_MAX];
	int option;

	fault[0] = '\0';
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":s:w:t:jhV", long_options, NULL)) != -1) {
		next[0] = '\0';
		if (option == '?' || option == ':') {
			describe_refused(option, argv[optind - 1], next);
		} else {
			set_option(options, option, optarg, next);
			note_special(options, option);
		}
		if (fault[0] == '\0')
			snprintf(fault, FAULT_MAX, "%s", next);
	}
}
