#include "client/mcp/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE ((size_t)64 * 1024)

void input_init(struct input *input, int fd)
{
	*input = (struct input){.fd = fd};
}

void input_done(struct input *input)
{
	free(input->data);
	input_init(input, -1);
}

static int make_room(struct input *input)
{
	size_t capacity;
	char *data;

	if (input->taken > 0) {
		memmove(input->data, input->data + input->taken, input->len - input->taken);
		input->len -= input->taken;
		input->scanned -= input->taken;
		input->taken = 0;
	}
	/* What is left is the begin of a line. */
	if (input->len > INPUT_LINE_MAX)
		return -EMSGSIZE;
	if (input->capacity - input->len >= PIECE)
		return 0;
	capacity = input->capacity * 2 + PIECE;
	data = realloc(input->data, capacity);
	if (!data)
		return -ENOMEM;
	input->data = data;
	input->capacity = capacity;
	return 0;
}

int input_read(struct input *input)
{
	int r = make_room(input);
	ssize_t n;

	if (r < 0)
		return r;
	n = read(input->fd, input->data + input->len, input->capacity - input->len);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	input->has_ended = n == 0;
	input->len += (size_t)n;
	return 0;
}

bool input_next(struct input *input, const char **ret_line, size_t *ret_len)
{
	const char *begin, *end = NULL;

	if (!input->data)
		return false;
	begin = input->data + input->taken;
	if (input->len > input->scanned)
		end = memchr(input->data + input->scanned, '\n', input->len - input->scanned);
	input->scanned = input->len;
	if (!end && (!input->has_ended || input->taken == input->len))
		return false;
	*ret_line = begin;
	*ret_len = end ? (size_t)(end - begin) : input->len - input->taken;
	input->taken += *ret_len + (end ? 1 : 0);
	input->scanned = input->taken;
	return true;
}
