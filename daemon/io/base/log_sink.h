/*
 * Where log records go: the journal, or standard error.  Nothing here blocks.
 *
 * The journal's datagrams are written here and not by sd_journal_sendv, because that blocks when
 * the journal does not read.
 */
#ifndef POOLD_IO_BASE_LOG_SINK_H
#define POOLD_IO_BASE_LOG_SINK_H

#include "protocol/base.h"

struct log_sink {
	int fd;
	bool is_journal;  /* takes records of the journal's protocol, else lines */
	bool is_prefixed; /* each line begins with <N>, the priority, as the journal reads from a
			     stream */
	bool is_socket;
	bool is_torn; /* the last line was taken in part */
};

/* Standard error as the process got it: nothing to open or close. */
#define LOG_SINK_STDERR                                                                            \
	{                                                                                          \
		.fd = 2                                                                            \
	}

/* Return 0 or -errno. */
int log_sink_open_journal(struct log_sink *ret_sink);
int log_sink_open_stderr(struct log_sink *ret_sink);
void log_sink_close(struct log_sink *sink);

/* Writes one record.  Returns whether all of it was written. */
bool log_sink_write(struct log_sink *sink, const char *data, size_t len);

/* Whether the service manager has connected standard error to the journal ($JOURNAL_STREAM). */
bool log_stderr_is_journal(void);

/* Sets the path of the journal's socket, for tests.  The string must stay. */
void log_sink_set_journal_path(const char *path);

#endif
