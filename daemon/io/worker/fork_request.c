#include "daemon/io/worker/fork_request.h"

#include "daemon/io/worker/descriptors.h"
#include "daemon/io/worker/process_tag.h"
#include "protocol/buf.h"
#include "protocol/read.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static_assert(FORK_REQUEST_FILES <= DESCRIPTORS_MAX, "they go with one message");

void fork_request_close(struct fork_request *fork_request)
{
	for (size_t i = 0; i < FORK_REQUEST_FILES; i++) {
		if (fork_request->files[i] >= 0)
			close(fork_request->files[i]);
		fork_request->files[i] = -1;
	}
}

bool fork_request_is_waiting(const struct fork_request *fork_request)
{
	return list_linked(&fork_request->in_server);
}

const char *fork_request_tag(const struct fork_request *fork_request)
{
	static const char name[] = PROCESS_TAG_LIFE "=";

	for (size_t i = 0; fork_request && i < FORK_REQUEST_ADDITIONS; i++)
		if (strncmp(fork_request->additions[i], name, strlen(name)) == 0)
			return fork_request->additions[i] + strlen(name);
	return NULL;
}

/* --- to the server --- */

static void pack_additions(const struct fork_request *fork_request, struct buf *out)
{
	uint32_t count = 0;

	for (size_t i = 0; i < FORK_REQUEST_ADDITIONS; i++)
		count += strchr(fork_request->additions[i], '=') != NULL;
	pack_map(out, count);
	for (size_t i = 0; i < FORK_REQUEST_ADDITIONS; i++) {
		const char *text = fork_request->additions[i];
		const char *equals = strchr(text, '=');

		if (!equals)
			continue;
		pack_str_len(out, text, (size_t)(equals - text));
		pack_str(out, equals + 1);
	}
}

/* [0, id, "fork", [{"POOLD_WORKER": "1", ...}]] */
static void pack_request(const struct fork_request *fork_request, uint32_t id, struct buf *out)
{
	uint8_t head[ENVELOPE_HEAD_MAX + METHOD_LEN_MAX];

	buf_put(out, head,
		envelope_put_request(head, id, (struct bytes){(const uint8_t *)"fork", 4}));
	pack_array(out, 1);
	pack_additions(fork_request, out);
}

/* The files that the server takes: the channel first, then both standard files, if the worker gets
 * its own, then the recall socket, if there is one.  Returns how many there are. */
static size_t choose_files(const int files[FORK_REQUEST_FILES], bool takes_recall,
			   int ret[FORK_REQUEST_FILES])
{
	size_t count = 0;

	ret[count++] = files[0];
	if (files[1] >= 0 && files[2] >= 0) {
		ret[count++] = files[1];
		ret[count++] = files[2];
	}
	if (takes_recall && files[FORK_REQUEST_RECALL] >= 0)
		ret[count++] = files[FORK_REQUEST_RECALL];
	return count;
}

int fork_request_send(struct fork_request *fork_request, uint32_t id, bool takes_recall, int fd)
{
	int files[FORK_REQUEST_FILES];
	size_t count = choose_files(fork_request->files, takes_recall, files);
	struct buf message;
	int r;

	buf_init(&message, FORK_MESSAGE_MAX);
	pack_request(fork_request, id, &message);
	r = buf_error(&message);
	if (r == 0)
		r = descriptors_send(fd, (struct bytes){message.data, message.len}, files, count);
	buf_free(&message);
	if (r == 0)
		fork_request_close(fork_request);
	return r;
}

/* --- from the server --- */

bool fork_ready_takes_recall(struct bytes params)
{
	struct reader reader;
	struct bytes key, value;
	uint32_t count, pairs;
	bool says = false;

	reader_init(&reader, params.data, params.len);
	if (read_array(&reader, &count) < 0 || count < 1 || read_map(&reader, &pairs) < 0)
		return false;
	while (pairs-- > 0 && read_str(&reader, &key) == 0 && read_value(&reader, &value) == 0) {
		struct reader inner;

		reader_init(&inner, value.data, value.len);
		if (bytes_equal(key, "recall"))
			(void)read_bool(&inner, &says);
	}
	return says;
}

int fork_answer_read(const struct envelope *envelope, pid_t *ret_pid, int *ret_error)
{
	struct reader reader;
	uint64_t number;

	*ret_error = 0;
	reader_init(&reader, envelope->error.data, envelope->error.len);
	if (read_peek(&reader) != VALUE_NIL) {
		if (read_uint(&reader, &number) < 0 || number == 0 || number > 4095)
			return -EPROTO;
		*ret_error = -(int)number;
		return 0;
	}
	reader_init(&reader, envelope->result.data, envelope->result.len);
	if (read_uint(&reader, &number) < 0 || number == 0 || number > INT_MAX)
		return -EPROTO;
	*ret_pid = (pid_t)number;
	return 0;
}
