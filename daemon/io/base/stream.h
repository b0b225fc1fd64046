/* The descriptors of a stream of bytes to and from a peer: a socket is one for both directions, two
 * pipes are one for each. */
#ifndef POOLD_IO_BASE_STREAM_H
#define POOLD_IO_BASE_STREAM_H

struct stream {
	int in;	 /* what the peer writes is read here */
	int out; /* what is written here the peer reads; the same as `in`, or one of its own */
};

static inline struct stream stream_of_socket(int fd)
{
	return (struct stream){.in = fd, .out = fd};
}

/* Descriptors below 0 are not there. */
void stream_close(struct stream stream);

#endif
