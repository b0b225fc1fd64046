/* The answers of a static pool: JSON in the configuration, MessagePack on the wire. */
#ifndef POOLD_IO_CONFIG_CONFIG_ANSWER_H
#define POOLD_IO_CONFIG_CONFIG_ANSWER_H

#include "daemon/io/base/json.h"
#include "daemon/io/config/config.h"

/*
 * One JSON value (an object's keys in their order, none twice; numbers as they are written: 1 is an
 * integer, 1.0 is not) as MessagePack.  Returns 0, and the caller frees *ret_value; -EINVAL, and
 * `fault` says what is wrong where; -ENOMEM.
 */
int config_answer_parse(const char *text, struct buf *ret_value, char fault[static JSON_FAULT_MAX]);

/*
 * The pool's answer for the method (NULL: for all that have none of their own) is `text`; takes the
 * place of the one before.  Returns 0; -EINVAL, and `fault` says why; -E2BIG when the pool has
 * CONFIG_ANSWERS_MAX others; -ENOMEM.
 */
int config_answer_set(struct config_pool *pool, const char *method, const char *text,
		      char fault[static JSON_FAULT_MAX]);

/* The pool's answer of that very method (NULL: the one for all others), or NULL. */
const struct config_answer *config_answer_find(const struct config_pool *pool, const char *method);

/* Frees all answers of a pool. */
void config_answers_clear(struct config_pool *pool);

#endif
