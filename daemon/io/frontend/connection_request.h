/*
 * What the client of a connection asks: a message becomes a call, or is answered or refused on the
 * spot.
 */
#ifndef POOLD_IO_FRONTEND_CONNECTION_REQUEST_H
#define POOLD_IO_FRONTEND_CONNECTION_REQUEST_H

#include "protocol/base.h"

struct chunk;
struct connection;

/* Takes one whole message, which lies in `chunk`; the connection may be closed afterwards. */
void connection_take(struct connection *connection, struct chunk *chunk, struct bytes message);

#endif
