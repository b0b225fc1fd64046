#include "client/poolctl/top_screen.h"

#include "client/poolctl/top_state.h"

#include <curses.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ncurses has one terminal that all its functions use. */
static SCREEN *screen;
static bool has_colours;

/* The pairs of colours have the numbers of the looks. */
static void make_colours(void)
{
	static const struct {
		short look, colour;
	} pairs[] = {{LOOK_GOOD, COLOR_GREEN},
		     {LOOK_WARNING, COLOR_YELLOW},
		     {LOOK_BAD, COLOR_RED},
		     {LOOK_ACCENT, COLOR_CYAN}};
	const char *refused = getenv("NO_COLOR");

	has_colours = (!refused || refused[0] == '\0') && has_colors() && start_color() == OK &&
		      use_default_colors() == OK;
	for (size_t i = 0; has_colours && i < sizeof(pairs) / sizeof(pairs[0]); i++)
		init_pair(pairs[i].look, pairs[i].colour, -1);
}

void top_screen_close(void)
{
	if (!screen)
		return;
	endwin();
	delscreen(screen);
	screen = NULL;
}

/* Whether the terminal can put the cursor anywhere. */
static bool can_draw(void)
{
	const char *move = tigetstr("cup");

	return move && move != (const char *)-1; // NOLINT(performance-no-int-to-ptr)
}

int top_screen_open(void)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return -ENOTTY;
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return -ENOTSUP;
	if (!can_draw()) {
		top_screen_close();
		return -ENOTSUP;
	}
	make_colours();
	/* Signals come through the keyboard as they do elsewhere. */
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	return 0;
}

void top_screen_pause(void)
{
	def_prog_mode();
	endwin();
}

void top_screen_go_on(void)
{
	reset_prog_mode();
	clearok(stdscr, TRUE);
	refresh();
}

void top_screen_measure(unsigned *ret_width, unsigned *ret_height)
{
	struct winsize size;

	/* A terminal of another size may show anything. */
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0 &&
	    is_term_resized(size.ws_row, size.ws_col)) {
		resizeterm(size.ws_row, size.ws_col);
		clearok(stdscr, TRUE);
	}
	*ret_width = (unsigned)getmaxx(stdscr);
	*ret_height = (unsigned)getmaxy(stdscr);
}

static attr_t attributes_of(unsigned look)
{
	attr_t attributes = A_NORMAL;

	if (look & LOOK_BOLD)
		attributes |= A_BOLD;
	if (look & LOOK_REVERSE)
		attributes |= A_REVERSE;
	if (look & LOOK_DIM)
		attributes |= A_DIM;
	return attributes;
}

void top_screen_draw(const struct canvas *canvas)
{
	erase();
	for (unsigned y = 0; y < canvas->height; y++)
		for (unsigned x = 0; x < canvas->width; x++) {
			const struct canvas_cell *cell = canvas_at(canvas, x, y);
			unsigned colour = has_colours ? cell->look & LOOK_COLOURS : 0;

			if (cell->len == 0)
				continue;
			attr_set(attributes_of(cell->look), (short)colour, NULL);
			mvaddnstr((int)y, (int)x, cell->text, cell->len);
		}
	refresh();
}

static unsigned key_of(wint_t code)
{
	switch (code) {
	case KEY_UP:
		return TOP_KEY_UP;
	case KEY_DOWN:
		return TOP_KEY_DOWN;
	case KEY_PPAGE:
		return TOP_KEY_PAGE_UP;
	case KEY_NPAGE:
		return TOP_KEY_PAGE_DOWN;
	case KEY_HOME:
		return TOP_KEY_HOME;
	case KEY_END:
		return TOP_KEY_END;
	case KEY_BACKSPACE:
	case KEY_DC:
		return TOP_KEY_BACKSPACE;
	case KEY_ENTER:
		return '\n';
	default:
		if (code >= KEY_F(1) && code <= KEY_F(10))
			return TOP_KEY_F1 + (code - KEY_F(1));
		return 0;
	}
}

unsigned top_screen_key(void)
{
	wint_t code;
	int r;

	/* A key without a meaning here is as none, but the next one may have some. */
	while ((r = get_wch(&code)) != ERR) {
		unsigned key = r == KEY_CODE_YES ? key_of(code) : code;

		if (r == OK && (code == 127 || code == '\b'))
			return TOP_KEY_BACKSPACE;
		if (key != 0)
			return key;
	}
	return 0;
}
