/* The address of a server, as a configuration file has it. */
#ifndef POOLD_IO_CONFIG_CONFIG_ADDRESS_H
#define POOLD_IO_CONFIG_CONFIG_ADDRESS_H

#include "protocol/base.h"

#include <sys/socket.h>

/*
 * Parses the absolute path of a Unix socket (at most 107 bytes) or tcp:IP:PORT with the IP in
 * numbers, IPv6 in brackets: "tcp:127.0.0.1:4000", "tcp:[::1]:4000".  Returns 0, or -EINVAL, and
 * then the output is untouched.
 */
int config_address_parse(const char *text, struct sockaddr_storage *ret_address,
			 socklen_t *ret_len);

/*
 * Parses where to listen: an IP of this machine in numbers and a port, "127.0.0.1:9464" or
 * "[::1]:9464", or "unix:" and the absolute path of a Unix socket.  An IP that others can reach is
 * refused.  Returns as config_address_parse.
 */
int config_listen_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_len);

#endif
