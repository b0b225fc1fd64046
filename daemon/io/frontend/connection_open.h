/*
 * How a connection begins, and what comes of its socket: messages, room for output, memory, and its
 * end.
 */
#ifndef POOLD_IO_FRONTEND_CONNECTION_OPEN_H
#define POOLD_IO_FRONTEND_CONNECTION_OPEN_H

struct connection;
struct frontend;

/* Takes over the accepted, non-blocking `fd`; places.h says whether it may stay.  Returns 0 or
 * -errno; then `fd` is still the caller's. */
int connection_open(struct frontend *frontend, int fd, struct connection **ret);

/* Refuses the request of which the beginning has come, and gives back its memory; the rest of it is
 * dropped when it comes.  If not even its id has come, only what is not used yet is given back. */
void connection_refuse_begun(struct connection *connection);

#endif
