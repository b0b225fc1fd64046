#include "client/poolctl/top_layout.h"

#include "client/poolctl/glyph.h"
#include "client/poolctl/top_sheet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A screen lower than this has no line of totals. */
#define HEIGHT_OF_TOTALS 16
/* What the pane below the pools needs: its tabs, its titles and a row. */
#define PANE_MIN 3

/* --- the verdict --- */

static void put_line(struct canvas *canvas, unsigned y, unsigned look, const char *text)
{
	canvas_put(canvas, 0, y, canvas->width, look, text);
}

static void put_headline(struct canvas *canvas, const struct top_verdict *verdict,
			 const struct top_state *state)
{
	char text[2 * TOP_TEXT_MAX];
	unsigned look = top_rank_look(verdict->rank) | LOOK_BOLD;
	const char *sign = state->is_frozen ? " FROZEN " : "";
	unsigned room = canvas->width > 8 ? canvas->width - 8 : canvas->width;

	if (verdict->rank == TOP_FINE)
		look = LOOK_GOOD | LOOK_BOLD;
	snprintf(text, sizeof(text), "%s", verdict->headline);
	if (state->lost) {
		look = LOOK_BAD | LOOK_BOLD;
		snprintf(text, sizeof(text), "%s, trying again every second: %s",
			 state->is_silent ? "no answer" : "connection lost", state->lost);
	}
	canvas_put(canvas, 0, 0, state->is_frozen ? room : canvas->width, look, text);
	if (state->is_frozen)
		canvas_put(canvas, room, 0, 8, LOOK_REVERSE | LOOK_BOLD, sign);
}

/* One problem in so many lines at most, and its advice if it has room before `end`.  Returns the next
 * line. */
static unsigned put_problem(struct canvas *canvas, unsigned y, unsigned lines, unsigned end,
			    const struct top_problem *problem)
{
	unsigned look = top_rank_look(problem->rank);

	canvas_put(canvas, 0, y, 2, look, "- ");
	y = canvas_put_lines(canvas, 2, y, lines, look, problem->text);
	if (y < end && problem->advice[0]) {
		canvas_put(canvas, 4, y, 8, LOOK_DIM, "advice:");
		y = canvas_put_lines(canvas, 12, y, end - y < lines ? end - y : lines, LOOK_PLAIN,
				     problem->advice);
	}
	return y;
}

/* The problems, in the lines before `end`.  Returns the next line. */
static unsigned put_problems(struct canvas *canvas, unsigned y, unsigned end,
			     const struct top_verdict *verdict)
{
	char text[TOP_TEXT_MAX];

	for (size_t shown = 0; shown < verdict->problem_count && y < end; shown++) {
		unsigned left = (unsigned)(verdict->problem_count - shown + verdict->problems_left);
		unsigned room = end - y;

		/* The last line says how many more there are. */
		if (y + 1 == end && left > 1 && shown > 0) {
			snprintf(text, sizeof(text), "- and %u more: poolctl status", left);
			put_line(canvas, y++, LOOK_WARNING, text);
			break;
		}
		y = put_problem(canvas, y,
				room > 4 * left	  ? 3
				: room > 2 * left ? 2
						  : 1,
				room > left ? end - (left - 1) : y, &verdict->problems[shown]);
	}
	return y;
}

/* --- the panes' names --- */

/* Whether that pane is shown. */
static bool is_shown(const struct top_state *state, enum top_pane pane)
{
	return pane == state->focus || pane == state->lower;
}

static void put_tabs(struct canvas *canvas, unsigned y, const struct top_state *state,
		     const char *note)
{
	unsigned x = 0;
	char text[64];

	for (unsigned pane = 0; pane < TOP_PANE_COUNT_; pane++) {
		unsigned look = pane == state->focus		       ? LOOK_REVERSE
				: is_shown(state, (enum top_pane)pane) ? LOOK_BOLD
								       : LOOK_DIM;

		snprintf(text, sizeof(text), "%u %s", pane + 1,
			 top_pane_title((enum top_pane)pane));
		x = canvas_put(canvas, x, y, canvas->width, look, text) + 1;
	}
	canvas_put(canvas, x + 1, y, canvas->width, LOOK_PLAIN, note);
}

/* --- the tables --- */

static struct sheet_view view_of(const struct top_state *state, enum top_pane pane, unsigned y,
				 unsigned height)
{
	const struct top_place *place = &state->places[pane];

	return (struct sheet_view){.y = y,
				   .height = height,
				   .first = place->first,
				   .chosen = state->focus == pane ? place->row : SIZE_MAX,
				   .sort = place->sort,
				   .is_reverse = place->is_reverse};
}

/* Moves what is shown so that the chosen row is. */
static void follow(struct top_place *place, size_t rows, size_t count)
{
	if (place->first + rows > count)
		place->first = count > rows ? count - rows : 0;
	if (place->row < place->first)
		place->first = place->row;
	if (rows > 0 && place->row >= place->first + rows)
		place->first = place->row - rows + 1;
}

static void put_table(struct canvas *canvas, const struct sheet *sheet, struct top_state *state,
		      enum top_pane pane, unsigned y, unsigned height)
{
	struct sheet_view view;

	if (height == 0)
		return;
	follow(&state->places[pane], height - 1, sheet->row_count);
	if (state->focus == pane)
		state->page = height > 1 ? height - 1 : 1;
	view = view_of(state, pane, y, height);
	top_sheet_put(canvas, sheet, &view);
}

/* Lines for the pools with their titles, of those that are left: all, but a part for the pane. */
static unsigned pools_height(const struct top_tables *tables, const struct top_state *state,
			     unsigned left)
{
	unsigned wanted = (unsigned)tables->pools.row_count + 1;
	unsigned share = state->focus == TOP_PANE_POOLS ? left * 2 / 3 : left / 2;

	if (left < PANE_MIN + 2)
		return left;
	if (share < 2)
		share = 2;
	return wanted < share ? wanted : share;
}

static void put_tables(struct canvas *canvas, const struct top_model *model,
		       const struct top_tables *tables, struct top_state *state, unsigned y,
		       unsigned end)
{
	unsigned height = end > y ? pools_height(tables, state, end - y) : 0;
	char note[TOP_TEXT_MAX];

	put_table(canvas, &tables->pools, state, TOP_PANE_POOLS, y, height);
	y += height;
	if (y + PANE_MIN > end)
		return;
	top_pane_note(state->lower, model, &tables->lower, note);
	put_tabs(canvas, y, state, note);
	put_table(canvas, &tables->lower, state, state->lower, y + 1, end - y - 1);
}

/* --- the last line --- */

static const char *filter_note(const struct top_state *state, char text[TOP_LINE_MAX])
{
	const struct top_place *place = &state->places[state->focus];

	if (place->filter[0])
		snprintf(text, TOP_LINE_MAX, "filter: %s  (Esc: none)   ", place->filter);
	else
		text[0] = '\0';
	return text;
}

static void put_bottom(struct canvas *canvas, const struct top_state *state)
{
	unsigned y = canvas->height - 1;
	char text[2 * TOP_LINE_MAX], part[TOP_LINE_MAX];
	unsigned look = LOOK_DIM;

	canvas_clear_line(canvas, y);
	if (state->mode == TOP_MODE_SEARCH || state->mode == TOP_MODE_FILTER) {
		snprintf(text, sizeof(text), "%s: %s_",
			 state->mode == TOP_MODE_SEARCH ? "search" : "filter", state->typed);
		look = LOOK_BOLD;
	} else if (state->status[0]) {
		snprintf(text, sizeof(text), "%s", state->status);
		look = state->status_look | LOOK_BOLD;
	} else {
		snprintf(text, sizeof(text),
			 "%sF1 Help  F3 Search  F4 Filter  F6 Sort  Tab Pane  Space Freeze  "
			 "F10 Quit",
			 filter_note(state, part));
	}
	put_line(canvas, y, look, text);
}

/* The question, in two lines at the bottom, so that the call is seen whole. */
static void put_question(struct canvas *canvas, const struct top_state *state)
{
	unsigned y = canvas->height - 1;
	char text[2 * TOP_LINE_MAX], part[TOP_LINE_MAX];
	unsigned room = canvas->width > 7 ? canvas->width - 7 : canvas->width, x;

	if (y > 0) {
		canvas_clear_line(canvas, y - 1);
		put_line(canvas, y - 1, LOOK_WARNING | LOOK_BOLD,
			 top_action_sentence(&state->action, part));
	}
	canvas_clear_line(canvas, y);
	snprintf(text, sizeof(text), "call %s?", top_action_call(&state->action, part));
	x = canvas_put(canvas, 0, y, room, LOOK_BOLD, text);
	canvas_put(canvas, x + 1, y, 6, LOOK_BOLD, "[y/N]");
}

/* --- what covers the tables --- */

static const char *const help[] = {
	"Up, Down, PgUp, PgDn, Home, End   choose a row",
	"Enter               all that is known of the row",
	"Tab, 1 to 6         the next pane; pools, workers, errors, requests, clients, alerts",
	"F3 or /, then n     search: go to the next row with a text",
	"F4 or \\             filter: show only rows with a text; Esc: all",
	"F6 or >, <          sort by the next column, by the one before",
	"I                   the other way round",
	"a                   all open requests, or only those that a worker has",
	"Space or z          freeze, and go on",
	"h or F1             this text",
	"q or F10            quit",
	"",
	"Actions for the chosen row; each asks first, and names the call that it makes:",
};

#define HELP_LINES (sizeof(help) / sizeof(help[0]))

static void put_help(struct canvas *canvas, struct top_state *state, unsigned y, unsigned end)
{
	size_t count = HELP_LINES + TOP_ACT_COUNT_ - 1;
	char text[TOP_LINE_MAX];

	if (state->overlay_first >= count)
		state->overlay_first = count - 1;
	for (size_t i = state->overlay_first; i < count && y < end; i++) {
		if (i < HELP_LINES) {
			put_line(canvas, y++, LOOK_PLAIN, help[i]);
			continue;
		}
		snprintf(text, sizeof(text), "%c                   %s",
			 top_action_key((enum top_act)(i - HELP_LINES + 1)),
			 top_action_summary((enum top_act)(i - HELP_LINES + 1)));
		put_line(canvas, y++, LOOK_PLAIN, text);
	}
}

/* How far the lines of the details have come. */
struct details {
	struct canvas *canvas;
	unsigned y, end;
	size_t skip, count;
};

static void put_detail(struct details *details, const char *path, const json_t *value)
{
	char *dump = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
	const char *text = json_is_string(value) ? json_string_value(value) : dump;
	unsigned x;

	if (details->count++ >= details->skip && details->y < details->end) {
		x = canvas_put(details->canvas, 0, details->y, 28, LOOK_ACCENT, path);
		canvas_put(details->canvas, x < 20 ? 20 : x + 1, details->y++,
			   details->canvas->width, LOOK_PLAIN, text ? text : "-");
	}
	free(dump);
}

/* A line for each field, those of inner maps too. */
static void put_details(struct details *details, const char *path, json_t *value)
{
	char inner_path[TOP_LINE_MAX];
	const char *key;
	json_t *inner;
	size_t i;

	if (json_is_object(value))
		json_object_foreach (value, key, inner) {
			snprintf(inner_path, sizeof(inner_path), "%s%s%s", path, path[0] ? "." : "",
				 key);
			put_details(details, inner_path, inner);
		}
	else if (json_is_array(value) && json_array_size(value) > 0)
		json_array_foreach (value, i, inner) {
			snprintf(inner_path, sizeof(inner_path), "%s[%zu]", path, i);
			put_details(details, inner_path, inner);
		}
	else
		put_detail(details, path, value);
}

static void put_row_details(struct canvas *canvas, const struct top_tables *tables,
			    struct top_state *state, unsigned y, unsigned end)
{
	const struct sheet *sheet = top_tables_focus(tables, state);
	size_t row = state->places[state->focus].row;
	/* They are counted first, so that none is skipped in vain. */
	struct details details = {.canvas = canvas, .skip = SIZE_MAX};
	json_t *whole;

	if (row >= sheet->row_count || !sheet->rows[row].details) {
		put_line(canvas, y, LOOK_PLAIN, "nothing more is known of it");
		return;
	}
	whole = (json_t *)(uintptr_t)sheet->rows[row].details;
	put_details(&details, "", whole);
	if (state->overlay_first >= details.count)
		state->overlay_first = details.count > 0 ? details.count - 1 : 0;
	details = (struct details){
		.canvas = canvas, .y = y, .end = end, .skip = state->overlay_first};
	put_details(&details, "", whole);
}

/* --- the whole --- */

void top_layout(struct canvas *canvas, const struct top_model *model,
		const struct top_verdict *verdict, const struct top_tables *tables,
		struct top_state *state)
{
	unsigned end = canvas->height - 1, y = 1;
	unsigned problems = canvas->height < HEIGHT_OF_TOTALS ? 1 : canvas->height / 6;

	put_headline(canvas, verdict, state);
	if (state->mode == TOP_MODE_HELP || state->mode == TOP_MODE_DETAILS) {
		state->page = end > 2 ? end - 2 : 1;
		if (state->mode == TOP_MODE_HELP)
			put_help(canvas, state, 2, end);
		else
			put_row_details(canvas, tables, state, 2, end);
		put_bottom(canvas, state);
		return;
	}
	y = put_problems(canvas, y, y + problems < end ? y + problems : end, verdict);
	if (canvas->height >= HEIGHT_OF_TOTALS)
		put_line(canvas, y++, LOOK_PLAIN, verdict->totals);
	put_tables(canvas, model, tables, state, y, end);
	if (state->mode == TOP_MODE_CONFIRM)
		put_question(canvas, state);
	else
		put_bottom(canvas, state);
}

/* --- all panes below each other --- */

/* Rows of a pane that are printed. */
#define ROWS_OF_ALL 20
/* Lines of a text there. */
#define LINES_OF_ALL 8

unsigned top_layout_height(const struct top_model *model, const struct top_verdict *verdict)
{
	return LINES_OF_ALL * (2 + 2 * (unsigned)verdict->problem_count) +
	       (unsigned)(model->pool_count < SHEET_ROWS_MAX ? model->pool_count : SHEET_ROWS_MAX) +
	       TOP_PANE_COUNT_ * (ROWS_OF_ALL + 4);
}

/* Prints a pane's title, and its first rows.  Returns the next line, or -ENOMEM. */
static int put_pane(struct canvas *canvas, const struct top_model *model, enum top_pane pane,
		    unsigned y)
{
	struct sheet_view view = {.chosen = SIZE_MAX, .sort = SIZE_MAX};
	unsigned height;
	struct sheet sheet;
	char text[2 * TOP_TEXT_MAX], note[TOP_TEXT_MAX];
	bool is_broken;

	top_pane_fill(pane, model, &sheet);
	is_broken = sheet.is_broken;
	height = (unsigned)sheet.row_count + 1;
	if (pane != TOP_PANE_POOLS) {
		snprintf(text, sizeof(text), "%s: %s", top_pane_title(pane),
			 top_pane_note(pane, model, &sheet, note));
		put_line(canvas, ++y, LOOK_BOLD, text);
		y++;
		if (height > ROWS_OF_ALL + 1)
			height = ROWS_OF_ALL + 1;
	}
	view.y = y;
	view.height = height;
	if (sheet.row_count > 0)
		top_sheet_put(canvas, &sheet, &view);
	y += sheet.row_count > 0 ? height : 0;
	sheet_done(&sheet);
	return is_broken ? -ENOMEM : (int)y;
}

int top_layout_all(struct canvas *canvas, const struct top_model *model,
		   const struct top_verdict *verdict)
{
	unsigned line = canvas_put_lines(canvas, 0, 0, LINES_OF_ALL, LOOK_BOLD, verdict->headline);
	int y;

	for (size_t i = 0; i < verdict->problem_count; i++)
		line = put_problem(canvas, line, LINES_OF_ALL, line + 2 * LINES_OF_ALL,
				   &verdict->problems[i]);
	y = (int)canvas_put_lines(canvas, 0, line, LINES_OF_ALL, LOOK_PLAIN, verdict->totals);
	for (unsigned pane = 0; pane < TOP_PANE_COUNT_ && y >= 0; pane++)
		if (pane == TOP_PANE_POOLS ||
		    model->now.answers[top_pane_answer((enum top_pane)pane)])
			y = put_pane(canvas, model, (enum top_pane)pane, (unsigned)y);
	return y < 0 ? y : 0;
}
