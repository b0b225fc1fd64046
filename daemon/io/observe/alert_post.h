/*
 * Alerts by HTTP POST, as Alertmanager takes them.
 *
 * What is to be sent is a state, not a queue: each alert that fires, and each that was resolved until
 * a request has told so.  All of it is in each request; one is sent when something has changed, and
 * every minute while anything fires.  So a request that fails loses nothing: the next one says the
 * same.  One request is under way at a time, with a time limit for the whole of it.
 */
#ifndef POOLD_IO_OBSERVE_ALERT_POST_H
#define POOLD_IO_OBSERVE_ALERT_POST_H

#include "daemon/io/config/config_url.h"
#include "daemon/io/observe/alert_notice.h"

/* Alerts that fire or whose end was not sent yet.  Of more, resolved ones are forgotten first. */
#define ALERT_POST_MAX 256

/* Enough of an answer to know its status: "HTTP/1.1 200". */
#define ALERT_POST_STATUS 12

struct alert_post_entry {
	struct alert_notice notice;
	bool is_under_way; /* it is in the request that is being sent, as it is now */
};

struct alert_post {
	struct driver *driver;
	bool is_on; /* there is an URL */
	struct config_url url;
	struct alert_post_entry entries[ALERT_POST_MAX];
	unsigned count;
	bool has_changed; /* since the last request began */

	int fd;		    /* of the request that is under way; -1: none */
	struct event io;    /* the socket */
	struct event timer; /* the request's time limit; else when the next one is due */
	struct buf request; /* head and body */
	size_t sent;
	char answer[ALERT_POST_STATUS + 1];
	size_t answer_len;

	uint64_t failures; /* of requests in a row; the first of them was logged */
};

void alert_post_init(struct alert_post *post, struct driver *driver);
void alert_post_done(struct alert_post *post);

/* Has the notice sent, now or after the request that is under way. */
void alert_post_send(struct alert_post *post, const struct alert_notice *notice);

#endif
