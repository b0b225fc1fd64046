/* Lines from the client. */
#ifndef POOLD_MCP_INPUT_H
#define POOLD_MCP_INPUT_H

#include <stdbool.h>
#include <stddef.h>

/* The longest line; requests that the daemon takes are shorter. */
#define INPUT_LINE_MAX ((size_t)64 * 1024 * 1024)

struct input {
	int fd;
	char *data;
	size_t len;
	size_t taken;	/* of these so many were returned as lines */
	size_t scanned; /* of these so many hold no newline behind `taken` */
	size_t capacity;
	bool has_ended;
};

void input_init(struct input *input, int fd);
void input_done(struct input *input);

/* Reads once; to be called after poll has found that something can be read.  Returns 0, also at the
 * end (has_ended); -ENOMEM, -EMSGSIZE (a line is over INPUT_LINE_MAX) or the error of read(2). */
int input_read(struct input *input);

/* The next whole line without its newline, valid until the next input_read; at the end of the input
 * also one that has no newline.  False: there is none. */
bool input_next(struct input *input, const char **ret_line, size_t *ret_len);

#endif
