/* Printing text that came from outside, for people. */
#ifndef POOLD_POOLCTL_PRINT_H
#define POOLD_POOLCTL_PRINT_H

#include <stdio.h>

/* Prints the text with each control character, which a terminal could take for a command, replaced
 * by '?'. */
void print_safe(FILE *out, const char *text);

/* Prints the text line by line, each indented by two blanks and safe as by print_safe. */
void print_lines(FILE *out, const char *text);

/* Prints the text as print_safe does; in its colour if it is a status or state ("ok", "down"),
 * `out` is a terminal and $NO_COLOR is not set. */
void print_status(FILE *out, const char *text);

#endif
