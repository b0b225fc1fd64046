/* Where everything of `poolctl top` stands on a screen of a given size.  It is pure. */
#ifndef POOLD_POOLCTL_TOP_LAYOUT_H
#define POOLD_POOLCTL_TOP_LAYOUT_H

#include "client/poolctl/canvas.h"
#include "client/poolctl/top_state.h"

/* Draws the whole screen.  The verdict always has its place, then the pools, then the pane.  Sets
 * `page` of the state, and moves what is shown so that the chosen row is. */
void top_layout(struct canvas *canvas, const struct top_model *model,
		const struct top_verdict *verdict, const struct top_tables *tables,
		struct top_state *state);

/* Lines that top_layout_all needs. */
unsigned top_layout_height(const struct top_model *model, const struct top_verdict *verdict);
/* Draws the verdict, and all panes below each other with their first rows, as `--once` prints them.
 * -ENOMEM. */
int top_layout_all(struct canvas *canvas, const struct top_model *model,
		   const struct top_verdict *verdict);

#endif
