/*
 * Conversion between MessagePack and JSON, both ways and without loss.  A value that JSON cannot
 * express becomes an object whose key begins with "$":
 *
 *	{"$base64": "AAEC"}                bytes (bin)
 *	{"$text": "/w=="}                  text that is not valid UTF-8, as base64
 *	{"$ext": 5, "$base64": "AAEC"}     an extension value and its type
 *	{"$uint": "18446744073709551615"}  an integer above INT64_MAX
 *	{"$float": "nan"}                  nan, inf or -inf
 *	{"$map": [[KEY, VALUE], ...]}      a map with keys that are not text, begin with "$", or
 *	                                   occur twice
 */
#ifndef POOLD_POOLCTL_JSON_H
#define POOLD_POOLCTL_JSON_H

#include <jansson.h>
#include <poold.h>
#include <stdbool.h>
#include <stdio.h>

/* Converts one MessagePack value to JSON, a new reference that the caller owns.  -EPROTO: the bytes
 * are not exactly one MessagePack value; -ELOOP: it is nested deeper than 500 levels; -ENOMEM. */
int json_from_value(struct poold_bytes value, json_t **ret);

/* Appends the JSON value to `writer` as MessagePack.  -EINVAL: an object has a "$" key that is none
 * of the above; -ELOOP: it is nested deeper than 500 levels.  After an error part of the value may
 * have been written. */
int json_to_value(const json_t *json, struct poold_writer *writer);

/* Prints the value and a newline, indented or on one line; numbers have as many digits as it takes
 * to read the same number back.  Returns 0, or -1 if it could not be written. */
int json_print(const json_t *json, bool one_line, FILE *out);

#endif
