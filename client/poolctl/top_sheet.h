/* A sheet (sheet.h) drawn into a part of a canvas: which of its columns have room, and how wide they
 * are. */
#ifndef POOLD_POOLCTL_TOP_SHEET_H
#define POOLD_POOLCTL_TOP_SHEET_H

#include "client/poolctl/canvas.h"
#include "client/poolctl/sheet.h"

struct sheet_view {
	unsigned y, height; /* lines, the titles being the first */
	size_t first;	    /* the row that is shown first */
	size_t chosen;	    /* drawn in reverse; SIZE_MAX: none */
	size_t sort;	    /* the column whose title says so; SIZE_MAX: none */
	bool is_reverse;
};

void top_sheet_put(struct canvas *canvas, const struct sheet *sheet, const struct sheet_view *view);

#endif
