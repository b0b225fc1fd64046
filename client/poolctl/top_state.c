#include "client/poolctl/top_state.h"

#include "client/poolctl/canvas.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ESCAPE 27
#define CTRL_C 3
#define CTRL_U 21

void top_state_init(struct top_state *state)
{
	*state = (struct top_state){.lower = TOP_PANE_WORKERS, .page = 1};
	for (size_t i = 0; i < TOP_PANE_COUNT_; i++)
		state->places[i].sort = SIZE_MAX;
}

void top_state_say(struct top_state *state, unsigned look, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(state->status, sizeof(state->status), format, args);
	va_end(args);
	state->status_look = look;
}

/* --- tables --- */

static int make_table(struct sheet *sheet, enum top_pane pane, const struct top_model *model,
		      struct top_place *place)
{
	size_t row;

	top_pane_fill(pane, model, sheet);
	sheet_filter(sheet, place->filter);
	sheet_sort(sheet, place->sort, place->is_reverse);
	/* The chosen row is followed; where it is gone, the one at its place is next. */
	row = place->id[0] ? sheet_find_id(sheet, place->id) : place->row;
	if (row < sheet->row_count)
		place->row = row;
	else if (place->row >= sheet->row_count)
		place->row = sheet->row_count > 0 ? sheet->row_count - 1 : 0;
	return sheet->is_broken ? -ENOMEM : 0;
}

int top_tables_make(struct top_tables *tables, const struct top_model *model,
		    struct top_state *state)
{
	int r, s;

	top_tables_done(tables);
	r = make_table(&tables->pools, TOP_PANE_POOLS, model, &state->places[TOP_PANE_POOLS]);
	s = make_table(&tables->lower, state->lower, model, &state->places[state->lower]);
	return r < 0 ? r : s;
}

void top_tables_done(struct top_tables *tables)
{
	sheet_done(&tables->pools);
	sheet_done(&tables->lower);
}

const struct sheet *top_tables_focus(const struct top_tables *tables, const struct top_state *state)
{
	return state->focus == TOP_PANE_POOLS ? &tables->pools : &tables->lower;
}

/* --- moving --- */

static void choose(struct top_place *place, const struct sheet *sheet, size_t row)
{
	place->row = row < sheet->row_count ? row : sheet->row_count > 0 ? sheet->row_count - 1 : 0;
	place->id[0] = '\0';
	if (place->row < sheet->row_count)
		snprintf(place->id, sizeof(place->id), "%s", sheet->rows[place->row].id);
}

/* Returns the line that the key leads to; `at` if it is no such key. */
static size_t moved(size_t at, unsigned key, size_t page, size_t count)
{
	switch (key) {
	case TOP_KEY_UP:
		return at > 0 ? at - 1 : 0;
	case TOP_KEY_DOWN:
		return at + 1;
	case TOP_KEY_PAGE_UP:
		return at > page ? at - page : 0;
	case TOP_KEY_PAGE_DOWN:
		return at + page;
	case TOP_KEY_HOME:
		return 0;
	case TOP_KEY_END:
		return count;
	default:
		return at;
	}
}

static void focus(struct top_state *state, enum top_pane pane)
{
	state->focus = pane;
	if (pane == TOP_PANE_POOLS || pane == state->lower)
		return;
	state->lower = pane;
	state->is_asked = true;
}

static void sort_by(struct top_place *place, const struct sheet *sheet, int step)
{
	/* The columns, and the order in which they came. */
	size_t count = sheet->column_count + 1;
	size_t now = place->sort < sheet->column_count ? place->sort + 1 : 0;
	size_t next = (now + count + (step > 0 ? 1 : count - 1)) % count;

	place->sort = next == 0 ? SIZE_MAX : next - 1;
	/* The largest number first, but names from A. */
	place->is_reverse = next > 0 && sheet->columns[next - 1].is_number;
}

/* --- typing --- */

static void end_typing(struct top_state *state)
{
	struct top_place *place = &state->places[state->focus];

	if (state->mode == TOP_MODE_FILTER)
		snprintf(place->filter, sizeof(place->filter), "%s", state->typed);
	else
		snprintf(state->search, sizeof(state->search), "%s", state->typed);
	state->mode = TOP_MODE_TABLES;
}

/* Goes to the first row from there on that has what is searched. */
static void search(struct top_state *state, const struct top_tables *tables, size_t from,
		   const char *text)
{
	const struct sheet *sheet = top_tables_focus(tables, state);
	size_t found = text[0] ? sheet_find(sheet, from, text) : sheet->row_count;

	if (found < sheet->row_count)
		choose(&state->places[state->focus], sheet, found);
	else if (text[0])
		top_state_say(state, LOOK_WARNING, "no row has \"%s\"", text);
}

static void add_typed(struct top_state *state, unsigned key)
{
	size_t len = strlen(state->typed);
	char text[5] = "";

	if (key < 0x80)
		snprintf(text, sizeof(text), "%c", (int)key);
	else if (key < 0x800)
		snprintf(text, sizeof(text), "%c%c", (int)(0xc0 | key >> 6),
			 (int)(0x80 | (key & 0x3f)));
	else if (key < 0x10000)
		snprintf(text, sizeof(text), "%c%c%c", (int)(0xe0 | key >> 12),
			 (int)(0x80 | (key >> 6 & 0x3f)), (int)(0x80 | (key & 0x3f)));
	else
		snprintf(text, sizeof(text), "%c%c%c%c", (int)(0xf0 | key >> 18),
			 (int)(0x80 | (key >> 12 & 0x3f)), (int)(0x80 | (key >> 6 & 0x3f)),
			 (int)(0x80 | (key & 0x3f)));
	if (len + strlen(text) < sizeof(state->typed))
		memcpy(state->typed + len, text, strlen(text) + 1);
}

static void drop_typed(struct top_state *state)
{
	size_t len = strlen(state->typed);

	while (len > 0 && (state->typed[len - 1] & 0xc0) == 0x80)
		len--;
	state->typed[len > 0 ? len - 1 : 0] = '\0';
}

static void key_typed(struct top_state *state, unsigned key, const struct top_tables *tables)
{
	struct top_place *place = &state->places[state->focus];
	bool is_filter = state->mode == TOP_MODE_FILTER;

	if (key == '\n' || key == '\r') {
		end_typing(state);
		return;
	}
	if (key == ESCAPE) {
		if (is_filter)
			place->filter[0] = '\0';
		state->mode = TOP_MODE_TABLES;
		return;
	}
	if (key == TOP_KEY_BACKSPACE)
		drop_typed(state);
	else if (key == CTRL_U)
		state->typed[0] = '\0';
	else if (key >= ' ' && key < TOP_KEY_UP)
		add_typed(state, key);
	if (is_filter)
		snprintf(place->filter, sizeof(place->filter), "%s", state->typed);
	else
		search(state, tables, place->row, state->typed);
}

static void begin_typing(struct top_state *state, enum top_mode mode)
{
	snprintf(state->typed, sizeof(state->typed), "%s",
		 mode == TOP_MODE_FILTER ? state->places[state->focus].filter : "");
	state->mode = mode;
}

/* --- keys of the tables --- */

static void act(struct top_state *state, enum top_act act, const struct top_tables *tables)
{
	const struct sheet *sheet = top_tables_focus(tables, state);
	size_t row = state->places[state->focus].row;
	char fault[TOP_LINE_MAX];

	if (top_action_make(&state->action, act, row < sheet->row_count ? &sheet->rows[row] : NULL,
			    fault))
		state->mode = TOP_MODE_CONFIRM;
	else
		top_state_say(state, LOOK_WARNING, "%s", fault);
}

/* Keys that choose what is shown.  Returns whether it was one. */
static bool key_view(struct top_state *state, unsigned key, const struct top_tables *tables)
{
	struct top_place *place = &state->places[state->focus];
	const struct sheet *sheet = top_tables_focus(tables, state);

	switch (key) {
	case '\t':
		focus(state, (state->focus + 1) % TOP_PANE_COUNT_);
		return true;
	case '<':
	case '>':
	case TOP_KEY_F6:
		sort_by(place, sheet, key == '<' ? -1 : 1);
		return true;
	case 'I':
		place->is_reverse = !place->is_reverse;
		return true;
	case 'a':
		state->all_requests = !state->all_requests;
		state->is_asked = true;
		focus(state, TOP_PANE_REQUESTS);
		return true;
	case ' ':
	case 'z':
		state->is_frozen = !state->is_frozen;
		state->is_asked = !state->is_frozen;
		return true;
	default:
		if (key >= '1' && key < '1' + TOP_PANE_COUNT_)
			focus(state, (enum top_pane)(key - '1'));
		return key >= '1' && key < '1' + TOP_PANE_COUNT_;
	}
}

static void key_tables(struct top_state *state, unsigned key, const struct top_tables *tables)
{
	struct top_place *place = &state->places[state->focus];
	const struct sheet *sheet = top_tables_focus(tables, state);
	size_t row = moved(place->row, key, state->page, sheet->row_count);

	if (row != place->row) {
		choose(place, sheet, row);
		return;
	}
	if (key_view(state, key, tables))
		return;
	switch (key) {
	case 'q':
	case TOP_KEY_F10:
	case CTRL_C:
		state->is_over = true;
		break;
	case 'h':
	case '?':
	case TOP_KEY_F1:
		state->mode = TOP_MODE_HELP;
		state->overlay_first = 0;
		break;
	case '\n':
	case '\r':
		state->mode = sheet->row_count > 0 ? TOP_MODE_DETAILS : TOP_MODE_TABLES;
		state->overlay_first = 0;
		break;
	case '/':
	case TOP_KEY_F3:
		begin_typing(state, TOP_MODE_SEARCH);
		break;
	case 'n':
		search(state, tables, place->row + 1, state->search);
		break;
	case '\\':
	case TOP_KEY_F4:
		begin_typing(state, TOP_MODE_FILTER);
		break;
	case ESCAPE:
		place->filter[0] = '\0';
		break;
	default:
		if (key < 0x80 && top_action_of_key((int)key) != TOP_ACT_NONE)
			act(state, top_action_of_key((int)key), tables);
		break;
	}
}

static void key_overlay(struct top_state *state, unsigned key)
{
	if (key == 'q' || key == ESCAPE || key == '\n' || key == '\r' || key == TOP_KEY_F1 ||
	    key == TOP_KEY_F10 || key == 'h')
		state->mode = TOP_MODE_TABLES;
	else
		state->overlay_first =
			moved(state->overlay_first, key, state->page, state->overlay_first);
}

static void key_confirm(struct top_state *state, unsigned key)
{
	char call[TOP_LINE_MAX];

	state->mode = TOP_MODE_TABLES;
	if (key == 'y' || key == 'Y')
		state->is_confirmed = true;
	else
		top_state_say(state, LOOK_PLAIN, "%s was not called",
			      top_action_call(&state->action, call));
}

void top_state_key(struct top_state *state, unsigned key, const struct top_tables *tables)
{
	state->status[0] = '\0';
	switch (state->mode) {
	case TOP_MODE_SEARCH:
	case TOP_MODE_FILTER:
		key_typed(state, key, tables);
		break;
	case TOP_MODE_CONFIRM:
		key_confirm(state, key);
		break;
	case TOP_MODE_DETAILS:
	case TOP_MODE_HELP:
		key_overlay(state, key);
		break;
	default:
		key_tables(state, key, tables);
		break;
	}
}
