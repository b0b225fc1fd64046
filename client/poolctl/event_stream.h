/* The daemon's events: those that it has kept, and those that follow. */
#ifndef POOLD_POOLCTL_EVENT_STREAM_H
#define POOLD_POOLCTL_EVENT_STREAM_H

#include "client/poolctl/command.h"

struct event_stream {
	/* Set by the caller; the rest is 0. */
	struct poold_client *client;
	const struct options *options;
	const char *const *kinds; /* wanted ones */
	unsigned kind_count;	  /* 0: all */
	/* Takes an event.  Returns whether more are wanted. */
	bool (*take)(void *userdata, json_t *event);
	void *userdata;

	uint64_t seq;	/* of the last event that came */
	uint64_t epoch; /* of the daemon's start; 0: not known */
	uint64_t lost;	/* events that the daemon has not kept */
	uint64_t came;
	bool is_over; /* no more are wanted */
	int status;   /* the exit status, when is_over */
};

/*
 * Subscribes.  `has_since`: first come the kept events after `seq` of `epoch`.  Returns 0 or a
 * negative errno; the reply is to be freed.
 */
int event_stream_begin(struct event_stream *stream, bool has_since, struct poold_reply *ret_reply);
/* Takes events until all have come that the daemon had kept.  The same. */
int event_stream_take_kept(struct event_stream *stream, struct poold_reply *ret_reply);
/* Takes events until no more are wanted, or the connection ends: returns its error then. */
int event_stream_follow(struct event_stream *stream);

#endif
