#include "client/mcp/output.h"

#include "client/poolctl/json.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void output_init(struct output *output, int fd)
{
	*output = (struct output){.fd = fd};
}

void output_done(struct output *output)
{
	free(output->data);
	output_init(output, -1);
}

static size_t left(const struct output *output)
{
	return output->len - output->begun;
}

bool output_is_empty(const struct output *output)
{
	return left(output) == 0;
}

bool output_is_full(const struct output *output)
{
	return left(output) >= OUTPUT_FULL;
}

/* Makes room for so many bytes more. */
static int reserve(struct output *output, size_t len)
{
	size_t capacity = output->capacity > 0 ? output->capacity : 4096;
	char *data;

	if (output->begun > 0)
		memmove(output->data, output->data + output->begun, left(output));
	output->len -= output->begun;
	output->begun = 0;
	while (capacity - output->len < len) {
		if (capacity > SIZE_MAX / 2)
			return -ENOMEM;
		capacity *= 2;
	}
	if (capacity == output->capacity)
		return 0;
	data = realloc(output->data, capacity);
	if (!data)
		return -ENOMEM;
	output->data = data;
	output->capacity = capacity;
	return 0;
}

static int put_line(struct output *output, const char *line, size_t len)
{
	if (output->capacity - output->len < len) {
		int r = reserve(output, len);

		if (r < 0)
			return r;
	}
	memcpy(output->data + output->len, line, len);
	output->len += len;
	return 0;
}

void output_put(struct output *output, json_t *message)
{
	char *line = NULL;
	size_t len = 0;
	FILE *memory = message ? open_memstream(&line, &len) : NULL;
	int r = -ENOMEM;

	if (memory) {
		r = json_print(message, true, memory);
		if (fclose(memory) != 0 || r < 0)
			r = -ENOMEM;
	}
	if (r == 0)
		r = put_line(output, line, len);
	if (r < 0 && output->error == 0)
		output->error = r;
	free(line);
	json_decref(message);
}

/* A blocking write of no more than PIPE_BUF bytes does not block where poll says that a pipe is
 * writable.  For a socket that does not hold, but a single send can be told not to block. */
static ssize_t write_some(const struct output *output)
{
	const char *data = output->data + output->begun;
	size_t len = left(output);
	ssize_t n = send(output->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK)
		n = write(output->fd, data, len < PIPE_BUF ? len : PIPE_BUF);
	return n;
}

int output_write(struct output *output)
{
	ssize_t n;

	if (output->error < 0)
		return output->error;
	if (output_is_empty(output))
		return 0;
	n = write_some(output);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	output->begun += (size_t)n;
	if (output_is_empty(output))
		output->begun = output->len = 0;
	return 0;
}
