#include "client/poolctl/failure.h"

#include "client/poolctl/json.h"
#include "client/poolctl/print.h"
#include "client/poolctl/show.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

int failure_usage(const struct command *command, const char *format, ...)
{
	char text[FAULT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fputs("poolctl: ", stderr);
	print_safe(stderr, text);
	if (command)
		fprintf(stderr,
			"\nusage: poolctl %s [OPTIONS]%s%s\n"
			"See poolctl %s --help.\n",
			command->name, command->arguments[0] ? " " : "", command->arguments,
			command->name);
	else
		fprintf(stderr, "\nusage: poolctl [OPTIONS] COMMAND [ARGUMENTS]\n"
				"See poolctl --help for the commands.\n");
	return EX_USAGE;
}

int failure_exit_status(int status)
{
	switch (status) {
	case 0:
		return 0;
	case -EREMOTEIO:
		return EXIT_FAILED;
	case -ETIMEDOUT:
		return EX_TEMPFAIL;
	case -EPROTO:
	case -EOVERFLOW:
		return EX_PROTOCOL;
	case -ENOMEM:
		return EX_OSERR;
	case -EINVAL:
	case -ELOOP:
	case -EMSGSIZE:
	case -EBUSY:
		return EX_DATAERR;
	default:
		return EX_UNAVAILABLE;
	}
}

static const char *const executed_names[] = {"no", "maybe", "yes"};

/* Another server may send texts that JSON cannot hold. */
static json_t *text_json(const char *text)
{
	json_t *json = json_string(text);

	return json ? json : json_string("a text that is not UTF-8");
}

/* The error as JSON: the daemon's error map, or, for an error of libpoold, a map with the same
 * keys. */
static json_t *error_json(const struct poold_error *error)
{
	json_t *json = NULL;

	if (error->map.len > 0 && json_from_value(error->map, JSON_MARKED, &json) == 0)
		return json;
	return json_pack("{s:o, s:o, s:o, s:b, s:s}", "code", text_json(error->code), "category",
			 text_json(error->category), "message", text_json(error->message),
			 "retryable", (int)error->retryable, "executed",
			 executed_names[error->executed]);
}

static void print_hint(int status, const char *path)
{
	switch (status) {
	case -ENOENT:
	case -ECONNREFUSED:
		fprintf(stderr, "  Is the daemon running?  systemctl status poold; journalctl -u "
				"poold -n 50\n"
				"  Or serve a module of yours:  poold run MODULE\n"
				"  Does it listen elsewhere?  poolctl --socket PATH, or "
				"POOLD_SOCKET=PATH\n");
		break;
	case -EACCES:
		fprintf(stderr, "  Who may connect?  ls -l %s\n", path);
		break;
	case -EAGAIN:
	case -ETIMEDOUT:
		fprintf(stderr,
			"  The daemon is running but does not answer: journalctl -u poold -n 50\n");
		break;
	default:
		break;
	}
}

int failure_report(const struct options *options, const struct poold_client *client,
		   const struct poold_reply *reply)
{
	json_t *error = error_json(&reply->error);

	if (options->json) {
		json_t *whole = json_pack("{s:O}", "error", error);

		json_print(whole, true, stdout);
		json_decref(whole);
	} else {
		show_error(error);
		print_hint(reply->status, poold_client_path(client));
	}
	json_decref(error);
	return failure_exit_status(reply->status);
}
