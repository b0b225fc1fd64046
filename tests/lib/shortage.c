#include "tests/lib/shortage.h"

#include <stddef.h>

/* What the linker makes of malloc, calloc and realloc (ld --wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static unsigned left; /* until one fails; 0: none will */
static bool is_lasting, has_failed, is_paused;

static bool fails(void)
{
	if (is_paused || left == 0 || --left > 0)
		return false;
	left = is_lasting;
	has_failed = true;
	return true;
}

void shortage_begin(unsigned k, bool lasting)
{
	left = k;
	is_lasting = lasting;
	has_failed = false;
}

bool shortage_end(void)
{
	left = 0;
	return has_failed;
}

void shortage_pause(bool pause)
{
	is_paused = pause;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}
