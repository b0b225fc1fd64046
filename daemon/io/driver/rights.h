/*
 * Who may do and see what.
 *
 * Whoever may connect is known by its uid and groups.  Root, the daemon's own user and the members
 * of admin_group control the daemon; a pool may have an admin_group of its own, and both may have a
 * call_group, without which everybody may call.  A worker's process, and whatever it started, has
 * the rights of its groups to call, but controls nothing unless its pool says `control = yes`:
 * workers run what clients send, often as the daemon's own user.
 *
 * Texts (messages, tracebacks, names of sessions) have an audience, whom alone they are shown to.
 */
#ifndef POOLD_IO_DRIVER_RIGHTS_H
#define POOLD_IO_DRIVER_RIGHTS_H

#include "protocol/base.h"

#include <sys/types.h>

struct call;
struct caller;
struct config;
struct driver;

/* Groups that the configuration names, at most, each counted once. */
#define RIGHTS_GROUPS_MAX 64

/* The uid of nobody: of a peer that the kernel does not know. */
#define RIGHTS_NO_UID UINT32_MAX

/* A group that may do something. */
struct right {
	bool is_set; /* the configuration names a group */
	/* As a mask of one bit; 0: there is no such group, so that nobody is in it. */
	uint64_t group;
};

struct pool_rights {
	struct right call; /* the pool's, else the daemon's */
	struct right admin;
};

struct rights {
	gid_t groups[RIGHTS_GROUPS_MAX]; /* bit i of a mask stands for group i */
	unsigned group_count;
	struct right admin; /* these three: of [daemon] */
	struct right critical;
	struct right call;
	uint64_t admins; /* the groups that control anything, as a mask */
	struct pool_rights *pools;
	uint64_t since; /* when the daemon began to start processes (ancestry.h) */
};

/* Finds the groups; logs which of them do not exist.  Returns 0, -ENOMEM, or -E2BIG (logged): they
 * are too many. */
int rights_init(struct rights *rights, const struct config *config);
void rights_done(struct rights *rights);

/* Whether the caller's uid or one of its groups may control anything, unless it is a worker's. */
bool rights_has_claim(const struct driver *driver, const struct caller *caller);

/*
 * Decides what a new caller, whose uid, pid and groups are set, may control, and whether it may be
 * critical.  `pidfd`: of its process, so that nobody else is asked about who got its number later;
 * -1: it has none, as it has ended.
 */
void rights_decide(const struct driver *driver, struct caller *caller, int pidfd);

bool rights_may_call(const struct driver *driver, const struct caller *caller, uint32_t pool);
/* NO_SLOT: the daemon. */
bool rights_may_control_pool(const struct driver *driver, const struct caller *caller,
			     uint32_t pool);

/* The pool that the call names, or the one where it is now. */
bool rights_may_control_call(const struct driver *driver, const struct caller *caller,
			     const struct call *call);
/* Whether it may control the daemon or any of its pools. */
bool rights_controls_something(const struct driver *driver, const struct caller *caller);

/* Who may read a text beside those who control the daemon. */
struct audience {
	uint32_t uid;	     /* this user; RIGHTS_NO_UID: none */
	uint32_t pool;	     /* who controls that pool; NO_SLOT: it is about none */
	bool is_for_callers; /* and who may call it */
};

bool rights_may_see(const struct driver *driver, const struct caller *caller,
		    const struct audience *audience);

/* Why the caller may not call the pool, or not control it (NO_SLOT: the daemon), in words. */
COLD void rights_say_why_not_call(const struct driver *driver, uint32_t pool, char *out,
				  size_t size);
void rights_say_why_not_control(const struct driver *driver, const struct caller *caller,
				uint32_t pool, char *out, size_t size);

#endif
