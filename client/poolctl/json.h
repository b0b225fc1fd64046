/*
 * Conversion between MessagePack and JSON, both ways and without loss.  A value that JSON cannot
 * express becomes a mark, an object with one of these sets of keys and no other key:
 *
 *	{"$base64": "AAEC"}                bytes (bin)
 *	{"$text": "/w=="}                  text that is not valid UTF-8, as base64
 *	{"$ext": 5, "$base64": "AAEC"}     an extension value and its type
 *	{"$uint": "18446744073709551615"}  an integer above INT64_MAX
 *	{"$float": "nan"}                  nan, inf or -inf
 *	{"$map": [[KEY, VALUE], ...]}      a map with keys that are not text, or that occur twice,
 *	                                   or with the keys of a mark
 *
 * Any other object is what it is, whatever its keys begin with: {"$schema": ...}, {"$ref": ...}.
 */
#ifndef POOLD_POOLCTL_JSON_H
#define POOLD_POOLCTL_JSON_H

#include <jansson.h>
#include <poold.h>
#include <stdbool.h>
#include <stdio.h>

/* How deep values may be nested. */
#define JSON_DEPTH_MAX 500

enum json_marks {
	JSON_MARKED = 0, /* as above */
	JSON_PLAIN	 /* as the daemon converts: bytes become base64 text, no object is a mark,
			    and what JSON cannot express is an error */
};

/* Converts one MessagePack value to JSON, a new reference that the caller owns.  -EPROTO: the bytes
 * are not exactly one MessagePack value; -EINVAL: it cannot be expressed (JSON_PLAIN only); -ELOOP:
 * it is nested deeper than JSON_DEPTH_MAX levels; -ENOMEM. */
int json_from_value(struct poold_bytes value, enum json_marks marks, json_t **ret);

/* Appends the JSON value to `writer` as MessagePack.  -EINVAL: a mark has a value that it can't
 * have (JSON_MARKED only); -ELOOP: it is nested deeper than JSON_DEPTH_MAX levels.  After an error
 * part of the value may have been written. */
int json_to_value(const json_t *json, enum json_marks marks, struct poold_writer *writer);

/* Whether the object has the keys of a mark. */
bool json_is_mark(const json_t *object);

/* Prints the value and a newline, indented or on one line; numbers have as many digits as it takes
 * to read the same number back, and characters that a terminal may obey are escaped.  Returns 0, or
 * -1 if it could not be written. */
int json_print(const json_t *json, bool one_line, FILE *out);

#endif
