/* Fields of a JSON object from the daemon: as text, and as cells of a table.  A missing field, as
 * another version of the daemon may leave one out, becomes "-". */
#ifndef POOLD_POOLCTL_FIELD_H
#define POOLD_POOLCTL_FIELD_H

#include "client/poolctl/table.h"
#include "client/poolctl/unit.h"

#include <jansson.h>
#include <stdbool.h>

#define COUNT(columns) (sizeof(columns) / sizeof((columns)[0]))

/* The text itself, valid as long as the object. */
const char *field_text(const json_t *object, const char *key);
/* Returns 0 if the field is missing or no number. */
double field_number(const json_t *object, const char *key);

/* These three write to `text` and return it, or "-". */

/* A whole number. */
const char *field_count(char text[UNIT_TEXT_MAX], const json_t *object, const char *key);
/* A duration in milliseconds, as unit_duration writes it. */
const char *field_duration(char text[UNIT_TEXT_MAX], const json_t *object, const char *key);
/* Milliseconds since the Unix epoch, as local time: "2026-11-23 12:00:01.250". */
const char *field_clock(char text[UNIT_TEXT_MAX], const json_t *object, const char *key);

/* Add the next cell of the table; an empty text becomes "-" too. */
void field_text_cell(struct table *table, const json_t *object, const char *key);
void field_count_cell(struct table *table, const json_t *object, const char *key);
void field_duration_cell(struct table *table, const json_t *object, const char *key);

/* Prints a table with one row, which `row` adds, for each object of the list whose field `pool_key`
 * is `wanted` (NULL: for all objects). */
void field_print_list(const json_t *list, const char *pool_key, const char *wanted,
		      const struct column *columns, size_t column_count,
		      void (*row)(struct table *, const json_t *));

#endif
