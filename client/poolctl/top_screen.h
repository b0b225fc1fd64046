/* The terminal of `poolctl top`, by way of ncurses: one at a time. */
#ifndef POOLD_POOLCTL_TOP_SCREEN_H
#define POOLD_POOLCTL_TOP_SCREEN_H

#include "client/poolctl/canvas.h"

/* Takes the terminal over.  -ENOTTY: standard input or output is none; -ENOTSUP: its type ($TERM) is
 * unknown, or cannot put text anywhere on a screen. */
int top_screen_open(void);
/* Gives it back as it was.  Does nothing if it was not taken over. */
void top_screen_close(void);
/* Gives it back for a while, and takes it again. */
void top_screen_pause(void);
void top_screen_go_on(void);
/* Asks the terminal for its size, and what it is then. */
void top_screen_measure(unsigned *ret_width, unsigned *ret_height);
void top_screen_draw(const struct canvas *canvas);
/* The next key that was pressed, a character or one of enum top_key; 0: there is none. */
unsigned top_screen_key(void);

#endif
