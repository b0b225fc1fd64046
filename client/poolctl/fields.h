/* Reading what the daemon said, and putting it into cells; what is missing shows as "-". */
#ifndef POOLD_POOLCTL_FIELDS_H
#define POOLD_POOLCTL_FIELDS_H

#include <jansson.h>
#include <stdbool.h>

#include "client/poolctl/table.h"

#define COUNT(columns) (sizeof(columns) / sizeof((columns)[0]))

const char *text_of(const json_t *object, const char *key);
/* 0 when there is none. */
double number_of(const json_t *object, const char *key);

/* A whole number; returns `text`, as the next two mostly do. */
const char *count_text(char text[UNIT_TEXT_MAX], const json_t *object, const char *key);
const char *ms_text(char text[UNIT_TEXT_MAX], const json_t *object, const char *key);
/* Milliseconds of the Unix epoch as local time, "2026-11-23 12:00:01.250". */
const char *clock_text(char text[UNIT_TEXT_MAX], const json_t *object, const char *key);

void text_cell(struct table *table, const json_t *object, const char *key);
void count_cell(struct table *table, const json_t *object, const char *key);
void ms_cell(struct table *table, const json_t *object, const char *key);
/* The same where 0 means that nothing was measured yet. */
void time_cell(struct table *table, const json_t *object, const char *key);

/* A table with one row for each map of the list whose `pool_key` is `wanted` (NULL: any). */
void show_list(const json_t *list, const char *pool_key, const char *wanted,
	       const struct column *columns, size_t column_count,
	       void (*row)(struct table *, const json_t *));

#endif
