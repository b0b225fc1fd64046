#include "daemon/io/base/stream.h"

#include <sys/socket.h>
#include <unistd.h>

ssize_t stream_read(struct stream stream, void *data, size_t size)
{
	if (stream_is_socket(stream))
		return recv(stream.in, data, size, 0);
	return read(stream.in, data, size);
}

ssize_t stream_write(struct stream stream, const void *data, size_t size)
{
	if (stream_is_socket(stream))
		return send(stream.out, data, size, MSG_NOSIGNAL);
	return write(stream.out, data, size);
}

void stream_close(struct stream stream)
{
	if (stream.in >= 0)
		close(stream.in);
	if (stream.out >= 0 && !stream_is_socket(stream))
		close(stream.out);
}
