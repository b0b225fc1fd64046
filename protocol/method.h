/* The daemon's own methods, poold.NAME.  The table is method.def. */
#ifndef POOLD_PROTOCOL_METHOD_H
#define POOLD_PROTOCOL_METHOD_H

#include "protocol/base.h"

enum method {
	METHOD_NONE = 0,
#define METHOD(name, kind, help) METHOD_##name,
#include "protocol/method.def"
#undef METHOD
	METHOD_COUNT_
};

enum method_kind {
	METHOD_KIND_CALL = 0,
	METHOD_KIND_READ,
	METHOD_KIND_CONTROL,
	METHOD_KIND_NOTE
};

struct method_info {
	const char *name; /* without the prefix "poold." */
	enum method_kind kind;
	const char *help;
};

/* `method` must be above METHOD_NONE and below METHOD_COUNT_. */
const struct method_info *method_info(enum method method);

/* The method of that full name ("poold.health"); METHOD_NONE: there is none. */
enum method method_find(struct bytes name);

#endif
