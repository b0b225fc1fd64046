#include "protocol/method.h"

#include <string.h>

static const struct method_info methods[METHOD_COUNT_] = {
#define METHOD(name, kind, help) [METHOD_##name] = {#name, METHOD_KIND_##kind, help},
#include "protocol/method.def"
#undef METHOD
};

/* The full names and their lengths, computed once as each message is compared with them. */
static const struct bytes full_names[METHOD_COUNT_] = {
#define METHOD(name, kind, help)                                                                   \
	[METHOD_##name] = {(const uint8_t *)"poold." #name, sizeof("poold." #name) - 1},
#include "protocol/method.def"
#undef METHOD
};

const struct method_info *method_info(enum method method)
{
	assert(method > METHOD_NONE && method < METHOD_COUNT_);
	return &methods[method];
}

enum method method_find(struct bytes name)
{
	for (enum method method = METHOD_NONE + 1; method < METHOD_COUNT_; method++)
		if (full_names[method].len == name.len &&
		    memcmp(full_names[method].data, name.data, name.len) == 0)
			return method;
	return METHOD_NONE;
}
