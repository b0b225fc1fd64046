#include "daemon/io/base/stream.h"

#include <unistd.h>

void stream_close(struct stream stream)
{
	if (stream.in >= 0)
		close(stream.in);
	if (stream.out >= 0 && stream.out != stream.in)
		close(stream.out);
}
