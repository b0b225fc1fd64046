#include "daemon/io/worker/process_tag.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int process_tag_draw(char instance[static PROCESS_TAG_INSTANCE_SIZE])
{
	uint8_t random[16];
	int len = 0;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		len += sprintf(instance + len, "%02x", random[i]);
	return 0;
}

void process_tag_life(const char *instance, uint32_t worker, uint32_t life,
		      char name[static PROCESS_TAG_LIFE_SIZE])
{
	snprintf(name, PROCESS_TAG_LIFE_SIZE, "%s/%" PRIu32 "/%" PRIu32, instance, worker, life);
}

int process_tag_parse_life(const char *instance, const char *name, uint32_t *ret_worker,
			   uint32_t *ret_life)
{
	size_t len = strlen(instance);
	char again[PROCESS_TAG_LIFE_SIZE], *rest;
	unsigned long worker, life;

	if (strncmp(name, instance, len) != 0 || name[len] != '/')
		return -EINVAL;
	worker = strtoul(name + len + 1, &rest, 10);
	if (*rest != '/')
		return -EINVAL;
	life = strtoul(rest + 1, NULL, 10);
	/* strtoul accepts more than digits: blanks, signs, numbers that are too large. */
	process_tag_life(instance, (uint32_t)worker, (uint32_t)life, again);
	if (strcmp(name, again) != 0)
		return -EINVAL;
	*ret_worker = (uint32_t)worker;
	*ret_life = (uint32_t)life;
	return 0;
}

static bool find(FILE *environment, const char *variable, char *value, size_t size)
{
	size_t name_len = strlen(variable), line_size = 0;
	char *line = NULL;
	bool found = false;

	while (!found && getdelim(&line, &line_size, '\0', environment) > 0) {
		found = strncmp(line, variable, name_len) == 0 && line[name_len] == '=';
		if (found)
			snprintf(value, size, "%s", line + name_len + 1);
	}
	free(line);
	return found;
}

int process_tag_read(pid_t pid, const char *variable, char *value, size_t size)
{
	char path[64];
	FILE *file;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	errno = 0;
	r = find(file, variable, value, size);
	/* A line that there is no memory for is no error of the file. */
	if (r == 0 && (ferror(file) || errno == ENOMEM))
		r = errno > 0 ? -errno : -EIO;
	fclose(file);
	return r;
}
