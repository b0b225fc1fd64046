/* The page that shows the daemon in a browser, made by page/embed.sh: one file that needs no other,
 * and asks /api/status. */
#ifndef POOLD_IO_FRONTEND_HTTP_PAGE_H
#define POOLD_IO_FRONTEND_HTTP_PAGE_H

#include <stddef.h>

extern const unsigned char http_page[];
extern const size_t http_page_size;

/* What a browser may do for it: run its script, use its style, ask the daemon. */
extern const char http_page_policy[];

#endif
