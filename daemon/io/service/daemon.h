/* The daemon as a whole: starts its parts, stops them at a signal, and reports both to the service
 * manager. */
#ifndef POOLD_IO_SERVICE_DAEMON_H
#define POOLD_IO_SERVICE_DAEMON_H

#include "daemon/io/config/config.h"
#include "daemon/io/service/systemd.h"

/* Exit statuses, as sysexits.h has them where it has them. */
#define DAEMON_EXIT_OK	   0
#define DAEMON_EXIT_FAILED 1
#define DAEMON_EXIT_USAGE  64
#define DAEMON_EXIT_CONFIG 78

/* How the daemon is run. */
struct daemon_manner {
	bool in_terminal; /* SIGHUP stops it: the terminal was closed */
	/* The workers are replaced when Python files in it change; NULL: they are not. */
	const char *reload_folder;
};

/* Runs until a signal ends it.  Returns an exit status. */
int daemon_run(const struct config *config, struct systemd *systemd,
	       const struct daemon_manner *manner);

#endif
