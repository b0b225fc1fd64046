/*
 * What `poolctl top` shows, made of the daemon's answers: the verdict, the pools, and the rows of each
 * pane.  It is pure: answers and times come in, rows come out; what is wrong comes first.
 */
#ifndef POOLD_POOLCTL_TOP_MODEL_H
#define POOLD_POOLCTL_TOP_MODEL_H

#include "client/poolctl/sheet.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* The methods that are asked, poold.status and so on. */
enum top_answer {
	TOP_STATUS = 0,
	TOP_STATS,
	TOP_BREAKERS,
	TOP_ERRORS,
	TOP_WORKERS,
	TOP_REQUESTS,
	TOP_CLIENTS,
	TOP_ALERTS,
	TOP_ANSWER_COUNT_
};

/* The tables. */
enum top_pane {
	TOP_PANE_POOLS = 0,
	TOP_PANE_WORKERS,
	TOP_PANE_ERRORS,
	TOP_PANE_REQUESTS,
	TOP_PANE_CLIENTS,
	TOP_PANE_ALERTS,
	TOP_PANE_COUNT_
};

/* The answers of one moment; NULL: not asked, or not answered. */
struct top_sample {
	double at_ms;	 /* of a clock that only goes on */
	double clock_ms; /* since the Unix epoch */
	json_t *answers[TOP_ANSWER_COUNT_];
};

void top_sample_done(struct top_sample *sample);

/* Rates are the differences to a sample of about so long ago. */
#define TOP_WINDOW_MS	 10000.0
#define TOP_POINTS	 64

#define TOP_TEXT_MAX	 512
#define TOP_PROBLEMS_MAX 8

/* How wrong something is. */
enum top_rank {
	TOP_FINE = 0,
	TOP_NOTABLE, /* it serves, but not as usual */
	TOP_WRONG,
	TOP_BROKEN
};

/* One pool, as it is shown. */
struct top_pool {
	const json_t *status; /* its map of poold.status */
	const char *name, *word, *breaker, *served_by;
	enum top_rank rank;
	bool is_failing;   /* most of its requests fail; a daemon that does not judge that may call
			    the pool ok */
	bool has_failures; /* so many fail that it is worth a look, but not most */
	bool is_full;	   /* its queue has hardly any room */
	double crashes;	   /* workers that crashed or were killed in the window */
	double since_ms;   /* in this status */
	double rate;	   /* requests a second; below 0: not known yet */
	double finished;   /* requests answered within the window */
	double failed;	   /* those of them that failed */
	double ok_percent; /* of `finished`; below 0: none was */
	double p50_ms, p99_ms; /* 0: nothing was measured */
	double queued, queue_max, busy, workers, workers_min, running;
	double open_left_ms;   /* until probes pass; below 0: not open, or until a reset */
	double level;	       /* of its chain, where its requests start */
	const json_t *failing; /* what the daemon says of its failures, or NULL */
	const char *code;      /* of most failures in the window, or NULL */
	double code_count;
	const json_t *last_error; /* the newest with that code, or NULL */
};

struct top_model {
	struct top_sample now;
	struct {
		double at_ms;
		json_t *stats;
	} points[TOP_POINTS]; /* the oldest first */
	size_t point_count;
	struct top_pool *pools; /* what is wrong first */
	size_t pool_count;
	double window_ms; /* what the differences are over; 0: there is one sample only */
};

/* An empty one: all zero.  Frees it. */
void top_model_done(struct top_model *model);

/* Takes the sample over, also if it fails.  -ENOMEM; -EPROTO: poold.status is not what it should be. */
int top_model_add(struct top_model *model, struct top_sample *sample);

/* By how much a counter has grown within the window. */
double top_model_growth(const struct top_model *model, const char *pool, const char *map,
			const char *key);
/* The newest error of that pool and code in poold.errors, or NULL. */
const json_t *top_model_last_error(const struct top_model *model, const char *pool,
				   const char *code);

/* --- top_verdict.c --- */

struct top_problem {
	enum top_rank rank;
	char text[TOP_TEXT_MAX]; /* which pool, what, since when, why */
	char advice[TOP_TEXT_MAX];
};

struct top_verdict {
	enum top_rank rank;
	char word[32];		     /* "ok", "degraded", "failing", ... */
	char headline[TOP_TEXT_MAX]; /* the word in a sentence */
	char totals[TOP_TEXT_MAX];
	struct top_problem problems[TOP_PROBLEMS_MAX]; /* the worst first */
	size_t problem_count;
	size_t problems_left; /* those for which there was no room */
};

void top_verdict_make(struct top_verdict *verdict, const struct top_model *model);

/* --- top_panes.c --- */

/* Fills a sheet with the rows of the pane; its details and pools are valid as long as the sample is
 * the model's last one.  To be freed with sheet_done. */
void top_pane_fill(enum top_pane pane, const struct top_model *model, struct sheet *sheet);
const char *top_pane_title(enum top_pane pane);
/* The answer that the pane is made of. */
enum top_answer top_pane_answer(enum top_pane pane);
/* What to say of the pane beside its title: how many there are.  Returns `out`. */
const char *top_pane_note(enum top_pane pane, const struct top_model *model,
			  const struct sheet *sheet, char out[TOP_TEXT_MAX]);

/* Colours for a rank, and the other way round for words of the daemon ("ok", "terminated"). */
unsigned top_rank_look(enum top_rank rank);
enum top_rank top_word_rank(const char *word);

/* --- top_json.c --- */

/* All of it as one object, a new reference; NULL: no memory. */
json_t *top_json(const struct top_model *model);

#endif
