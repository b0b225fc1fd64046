/*
 * Where whoever looks at `poolctl top` is: which pane, which row, which order, and what the keys do
 * with that.  It is pure: keys come in, and what is to be done is in the state.
 */
#ifndef POOLD_POOLCTL_TOP_STATE_H
#define POOLD_POOLCTL_TOP_STATE_H

#include "client/poolctl/top_action.h"
#include "client/poolctl/top_model.h"

#define TOP_TYPED_MAX 128

/* Keys that are not characters. */
enum top_key {
	TOP_KEY_UP = 0x110000,
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_BACKSPACE,
	TOP_KEY_F1, /* and F2 to F10 behind it */
	TOP_KEY_F3 = TOP_KEY_F1 + 2,
	TOP_KEY_F4,
	TOP_KEY_F6 = TOP_KEY_F1 + 5,
	TOP_KEY_F10 = TOP_KEY_F1 + 9
};

enum top_mode {
	TOP_MODE_TABLES = 0,
	TOP_MODE_SEARCH,  /* a text is typed */
	TOP_MODE_FILTER,  /* the same */
	TOP_MODE_CONFIRM, /* `action` waits for a y */
	TOP_MODE_DETAILS,
	TOP_MODE_HELP
};

/* Where one is in a pane. */
struct top_place {
	size_t row, first; /* the chosen one, and the first that is shown */
	char id[SHEET_ID_MAX];
	size_t sort; /* a column; SIZE_MAX: what is wrong first */
	bool is_reverse;
	char filter[TOP_TYPED_MAX];
};

struct top_state {
	enum top_pane focus; /* where keys go: the pools, or `lower` */
	enum top_pane lower; /* the pane below the pools */
	struct top_place places[TOP_PANE_COUNT_];
	enum top_mode mode;
	char typed[TOP_TYPED_MAX], search[TOP_TYPED_MAX];
	struct top_action action;
	size_t overlay_first; /* the first line of details or help that is shown */
	size_t page;	      /* rows that the focus shows; set by top_layout */
	bool is_frozen;
	bool all_requests;	   /* not only those at a worker */
	char status[TOP_LINE_MAX]; /* the last line; "": the keys */
	unsigned status_look;
	const char *lost; /* why there are no answers; NULL: there are */
	bool is_silent;	  /* the daemon is there, but says nothing */

	/* What is to be done; whoever does it sets them back. */
	bool is_over;	   /* end */
	bool is_confirmed; /* do `action` */
	bool is_asked;	   /* another pane needs another answer: ask at once */
};

void top_state_init(struct top_state *state);

/* What the tables are now, sorted and filtered as the state says. */
struct top_tables {
	struct sheet pools, lower;
};

/* Makes them, and brings the places to where their rows are now.  -ENOMEM. */
int top_tables_make(struct top_tables *tables, const struct top_model *model,
		    struct top_state *state);
void top_tables_done(struct top_tables *tables);
const struct sheet *top_tables_focus(const struct top_tables *tables,
				     const struct top_state *state);

/* Takes a key: a character (Unicode) or one of enum top_key.  The tables are to be made anew then. */
void top_state_key(struct top_state *state, unsigned key, const struct top_tables *tables);

/* Puts a line at the bottom. */
void top_state_say(struct top_state *state, unsigned look, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
