/* Printing text that came from outside, for people. */
#ifndef POOLD_POOLCTL_PRINT_H
#define POOLD_POOLCTL_PRINT_H

#include <stdio.h>

/* Prints the text with each character that a terminal could take for a command (utf8_is_command), and
 * each byte that is not UTF-8, replaced by '?'. */
void print_safe(FILE *out, const char *text);

/* Prints text of several lines, each safe as by print_safe. */
void print_text(FILE *out, const char *text);

/* Prints the text line by line, each indented by two blanks and safe as by print_safe. */
void print_lines(FILE *out, const char *text);

/* Prints the text as print_safe does; in its colour if it is a status or state ("ok", "down"),
 * `out` is a terminal and $NO_COLOR is not set. */
void print_status(FILE *out, const char *text);

#endif
