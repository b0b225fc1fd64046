/* The structs of options that a program fills in, of this version of the library or another. */
#ifndef POOLD_LIB_OPTIONS_H
#define POOLD_LIB_OPTIONS_H

#include <stddef.h>

/*
 * Copies the options that the program has given, NULL for none, to `ret`, a struct of `known`
 * bytes; both begin with a size_t: how large the program's struct is, or 0 for that of version 0.1,
 * which had `first` bytes.  Members that it does not have become zero.  -EINVAL: one that this
 * library does not know is not zero.
 */
int options_take(const void *given, size_t first, size_t known, void *ret);

#endif
