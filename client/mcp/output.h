/*
 * Lines on their way to the client.
 *
 * A client may write to us without reading for a while.  So nothing here waits for it: lines are
 * kept until its pipe or socket takes them, and whoever makes lines stops while many are kept.
 */
#ifndef POOLD_MCP_OUTPUT_H
#define POOLD_MCP_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* While so many bytes are kept, no more should be made: output_is_full. */
#define OUTPUT_FULL ((size_t)4 * 1024 * 1024)

struct output {
	int fd;
	char *data;
	size_t len;
	size_t begun; /* of these so many are written */
	size_t capacity;
	int error; /* -ENOMEM: a line was lost, so no more is to be written; 0: none */
};

void output_init(struct output *output, int fd);
void output_done(struct output *output);

/* Adds the message as one line, and takes the reference to it; NULL counts as a line without
 * memory. */
void output_put(struct output *output, json_t *message);

bool output_is_empty(const struct output *output);
bool output_is_full(const struct output *output);

/* Writes what the descriptor takes now, after poll has found that it takes some.  Returns 0, the
 * error of output_put, or the error of write(2): -EPIPE and others. */
int output_write(struct output *output);

#endif
