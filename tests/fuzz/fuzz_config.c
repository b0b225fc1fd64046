/* The configuration: any bytes give a configuration or faults; what it dumps reads back to the
 * same. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/io/config/config.h"

#define TEXT_MAX ((size_t)1 << 24)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
	if (!condition)
		abort();
}

static void check_errors(const struct buf *errors)
{
	size_t lines = 0;

	check(buf_error(errors) == 0);
	for (size_t i = 0; i < errors->len; i++) {
		check(errors->data[i] >= ' ' || errors->data[i] == '\n' || errors->data[i] == '\t');
		lines += errors->data[i] == '\n';
	}
	check(lines >= 1 && lines <= CONFIG_ERRORS_MAX + 1);
}

/* Parses, and writes what it found to `dump`.  Returns whether it was free of faults. */
static bool parse(struct bytes text, struct buf *dump)
{
	const struct config *config;
	struct buf errors;
	int r;

	buf_init(&errors, TEXT_MAX);
	r = config_parse_text("fuzz", text, &config, &errors);
	if (r == 0) {
		check(errors.len == 0);
		config_dump(config, dump);
		check(buf_error(dump) == 0);
		config_unref(config);
	} else {
		check(r == -EINVAL);
		check_errors(&errors);
	}
	buf_free(&errors);
	return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf first, second;

	/* A dump writes spaces that a line of the greatest length has no room for. */
	if (size >= CONFIG_LINE_MAX)
		return -1;
	buf_init(&first, TEXT_MAX);
	buf_init(&second, TEXT_MAX);
	if (parse((struct bytes){data, size}, &first)) {
		check(parse((struct bytes){first.data, first.len}, &second));
		check(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	}
	buf_free(&first);
	buf_free(&second);
	return 0;
}
