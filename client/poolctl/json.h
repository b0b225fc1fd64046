/*
 * Between MessagePack and JSON, both ways and without loss: what JSON has no word for becomes an
 * object whose key begins with "$".
 *
 *	{"$base64": "AAEC"}              bytes (bin)
 *	{"$text": "/w=="}                text that is not valid UTF-8, as base64
 *	{"$ext": 5, "$base64": "AAEC"}   an extension value and its kind
 *	{"$uint": "18446744073709551615"}  an integer that is too large for JSON libraries
 *	{"$float": "nan"}                nan, inf or -inf
 *	{"$map": [[KEY, VALUE], ...]}    a map whose keys are not texts, or begin with "$", or
 *repeat
 */
#ifndef POOLD_POOLCTL_JSON_H
#define POOLD_POOLCTL_JSON_H

#include <jansson.h>
#include <poold.h>
#include <stdbool.h>
#include <stdio.h>

/* The one value as JSON, a new reference.  -EPROTO: not one MessagePack value; -ELOOP: nested
 * deeper than 500; -ENOMEM. */
int json_from_value(struct poold_bytes value, json_t **ret);

/* Writes the JSON as a value.  -EINVAL: an object with a "$" that is none of the above; -ELOOP. */
int json_to_value(const json_t *json, struct poold_writer *writer);

/* Prints it with a newline; numbers so that they read back the same.  Returns 0 or -1. */
int json_print(const json_t *json, bool one_line, FILE *out);

#endif
