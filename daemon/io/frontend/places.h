/*
 * Who may have a connection: connections_max places, of which the last ones (control_reserve) are
 * for control, and connections_per_uid of them for one user.
 *
 * When no place is left for a new client, it is looked for those that have left: their connections end
 * now, though the turn has not come to them.  Only when all are still there is another's connection
 * closed for the new one, and only an idle one: no call is in flight, it has no subscription, and
 * nothing of it waits to be read or written.  It is one of the user that holds most, if that user holds
 * more than the new one would; else one of the new client's own user; and of these the one that has been
 * idle for the longest time.  Where no connection is idle, the new one gets a place of the reserve.  When
 * those are taken too, it takes the place of the oldest one there, first of one without the rights of
 * control; one with them makes way only for another with them.
 */
#ifndef POOLD_IO_FRONTEND_PLACES_H
#define POOLD_IO_FRONTEND_PLACES_H

#include <stdbool.h>

struct connection;
struct frontend;

/* Whether a connection may be accepted: a place is free, or somebody's can be made free. */
bool places_may_accept(struct frontend *frontend);

/* What became of a new connection. */
enum places_verdict {
	PLACES_FREE,   /* it has a place that was free */
	PLACES_MADE,   /* another's connection was closed for it */
	PLACES_REFUSED /* it is closed */
};

/* Gives the connection, which was just opened, its place. */
enum places_verdict places_give(struct connection *connection);

#endif
