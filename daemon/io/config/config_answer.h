/* The answers of a static pool: JSON in the configuration, MessagePack on the wire. */
#ifndef POOLD_IO_CONFIG_CONFIG_ANSWER_H
#define POOLD_IO_CONFIG_CONFIG_ANSWER_H

#include "daemon/io/base/json.h"
#include "daemon/io/config/config.h"

/*
 * Converts one JSON value to MessagePack: the keys of an object keep their order and none may occur
 * twice; 1 becomes an integer, 1.0 a float.  Returns 0, and the caller frees *ret_value; -EINVAL,
 * and `fault` says what is wrong and where; -ENOMEM.
 */
int config_answer_parse(const char *text, struct buf *ret_value, char fault[static JSON_FAULT_MAX]);

/*
 * Sets the pool's answer for the method (NULL: for all methods without an answer of their own), or
 * replaces the one before.  Returns 0; -EINVAL, and `fault` says why; -E2BIG when the pool has
 * CONFIG_ANSWERS_MAX others; -ENOMEM.
 */
int config_answer_set(struct config_pool *pool, const char *method, const char *text,
		      char fault[static JSON_FAULT_MAX]);

/* The pool's answer for exactly that method (NULL: for all others), or NULL if it has none. */
const struct config_answer *config_answer_find(const struct config_pool *pool, const char *method);

/* Frees all answers of a pool. */
void config_answers_clear(struct config_pool *pool);

#endif
