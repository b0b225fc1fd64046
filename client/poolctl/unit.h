/* Numbers as text with a unit that fits them. */
#ifndef POOLD_POOLCTL_UNIT_H
#define POOLD_POOLCTL_UNIT_H

#define UNIT_TEXT_MAX 32

/* Both write to `text` and return it. */

/* A time in milliseconds: "850 ms", "12 s", "3 min", "2 h 5 min", "3 d 4 h". */
const char *unit_duration(char text[UNIT_TEXT_MAX], double ms);
/* A number of bytes: "512 B", "1.2 MiB". */
const char *unit_size(char text[UNIT_TEXT_MAX], double bytes);

#endif
