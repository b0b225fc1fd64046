#include "daemon/io/worker/forkserver.h"

#include "daemon/io/base/log.h"
#include "daemon/io/base/log_text.h"
#include "daemon/io/config/config.h"
#include "daemon/io/worker/identity.h"
#include "daemon/io/worker/orphans.h"
#include "daemon/io/worker/parentage.h"
#include "daemon/io/worker/process_stat.h"
#include "protocol/envelope.h"
#include "protocol/read.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A server that ends after it was ready for so long is replaced at once; one that ends earlier is
 * replaced with the next request, so at the pace of the pool's restarts. */
#define REPLACED_AT_ONCE_AFTER USEC_PER_SEC

/* A server that has closed its socket is killed if it has not ended after this. */
static const struct timeval close_grace = {.tv_sec = 1};

static void on_grace_over(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	forkserver_kill(argument);
}

static void notify(const struct forkserver *server, enum log_level level, pid_t pid,
		   const char *what, const char *text)
{
	char number[16];
	struct log_field fields[] = {{"pool", server->start.pool->name}, {"pid", number}};

	snprintf(number, sizeof(number), "%d", (int)pid);
	log_event(level, NULL, fields, ARRAY_SIZE(fields), "fork server %s%s%s", what,
		  *text ? ": " : "", text);
}

/* --- what it writes --- */

static void on_first_output(void *owner)
{
	(void)owner;
}

static void on_output_line(void *owner, enum output_stream stream, struct bytes line, unsigned part)
{
	const struct forkserver *server = owner;
	char text[LOG_TEXT_MAX + 1];

	(void)part;
	log_text_escape(line, text, sizeof(text));
	notify(server, stream == OUTPUT_STDERR ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO,
	       server->last_pid, "wrote", text);
}

static void on_output_dropped(void *owner, uint64_t count)
{
	const struct forkserver *server = owner;
	char text[64];

	snprintf(text, sizeof(text), "%llu lines over output_rate were not logged",
		 (unsigned long long)count);
	notify(server, LOG_LEVEL_WARNING, server->last_pid, "writes too much", text);
}

static const struct output_handler output_handler = {
	.on_first = on_first_output, .on_line = on_output_line, .on_dropped = on_output_dropped};

void forkserver_init(struct forkserver *server, const struct start *start, uint32_t slot)
{
	*server = (struct forkserver){.start = *start};
	config_ref(start->pool->config);
	/* At least as long as any worker's, which replaces it in the worker's environment. */
	process_tag_life(start->instance, slot, UINT32_MAX, server->life);
	list_init(&server->fork_requests);
	evtimer_assign(&server->grace, start->loop->base, on_grace_over, server);
	output_init(&server->output, start->loop, &output_handler, server);
}

/* --- requests --- */

static struct fork_request *first_request(const struct forkserver *server)
{
	return list_entry(list_first(&server->fork_requests), struct fork_request, in_server);
}

/* While a request is with the server, there may be a new process whose pid is not known yet. */
static void set_forking(struct forkserver *server, bool is_forking)
{
	struct orphans *orphans = server->start.loop->orphans;

	if (server->is_forking == is_forking)
		return;
	server->is_forking = is_forking;
	if (!orphans)
		return;
	if (is_forking)
		orphans_pause(orphans);
	else
		orphans_resume(orphans);
}

static void take_out(struct forkserver *server, struct fork_request *fork_request)
{
	if (server->is_forking && fork_request == first_request(server))
		set_forking(server, false);
	list_remove(&server->fork_requests, &fork_request->in_server);
	fork_request_close(fork_request);
}

/* Fails the first `count` requests, and not those that the callbacks add. */
static void fail_requests(struct forkserver *server, unsigned count, int error,
			  const struct process_end *end)
{
	while (count-- > 0 && !list_empty(&server->fork_requests)) {
		struct fork_request *fork_request = first_request(server);

		take_out(server, fork_request);
		fork_request->on_not_forked(fork_request->owner, error, end);
	}
}

bool forkserver_cancel(struct forkserver *server, struct fork_request *fork_request)
{
	if (server->is_forking && fork_request == first_request(server))
		return false;
	take_out(server, fork_request);
	return true;
}

bool forkserver_is_running(const struct forkserver *server)
{
	return server->process.pid > 0;
}

bool forkserver_is_forking(const struct forkserver *server)
{
	return server->is_forking;
}

/* --- to the server --- */

static int ask(struct forkserver *server, struct fork_request *fork_request)
{
	server->last_id++;
	server->asked = process_stat_now();
	return fork_request_send(fork_request, server->last_id, server->takes_recall,
				 server->link->stream.out);
}

/* One at a time, so that it is known which one the server was forking if it ends. */
static void ask_next(struct forkserver *server)
{
	while (server->ready > 0 && server->link && !server->is_forking && !server->is_renewing &&
	       !list_empty(&server->fork_requests)) {
		int r = ask(server, first_request(server));

		set_forking(server, r == 0);
		if (r == -EPIPE || r == -ECONNRESET)
			return; /* the server's end will be reported */
		if (r < 0)
			fail_requests(server, 1, r, NULL);
	}
}

/* --- from the server --- */

static void close_link(struct forkserver *server)
{
	if (server->link)
		link_close(server->link);
	server->link = NULL;
}

void forkserver_kill(struct forkserver *server)
{
	process_signal(&server->process, SIGKILL);
}

static void take_ready(struct forkserver *server, struct bytes params)
{
	char text[64];

	if (server->ready > 0)
		return;
	server->takes_recall = fork_ready_takes_recall(params);
	server->ready = loop_now(server->start.loop);
	snprintf(text, sizeof(text), "after %llu ms",
		 (unsigned long long)(usec_sub(server->ready, server->started) / USEC_PER_MSEC));
	notify(server, LOG_LEVEL_INFO, server->process.pid, "ready", text);
	ask_next(server);
}

/* Whether the process is the one that the server was asked for; if it is not, `why` says more. */
static bool has_forked(const struct forkserver *server, pid_t pid, char *why, size_t size)
{
	const struct identity *identity = server->start.identity;
	struct parentage parentage = {
		.orphans = server->start.loop->orphans,
		.since = server->asked,
		.life = fork_request_tag(first_request(server)),
		.server_life = server->life,
		.user = identity->has_user ? identity->uid : getuid(),
	};
	const char *fault = parentage_fault(&parentage, pid);

	if (fault)
		snprintf(why, size, "it named process %d, which %s", (int)pid, fault);
	return !fault;
}

static int take_answer(struct forkserver *server, const struct envelope *envelope, char *why,
		       size_t size)
{
	struct fork_request *fork_request;
	pid_t pid = 0;
	int error;

	if (!server->is_forking || envelope->id != server->last_id ||
	    fork_answer_read(envelope, &pid, &error) < 0 ||
	    (error == 0 && !has_forked(server, pid, why, size)))
		return -EPROTO;
	fork_request = first_request(server);
	/* The pause of the orphans lasts until the process is tracked. */
	server->is_forking = false;
	take_out(server, fork_request);
	if (error == 0)
		fork_request->on_forked(fork_request->owner, pid);
	else
		fork_request->on_not_forked(fork_request->owner, error, NULL);
	if (server->start.loop->orphans)
		orphans_resume(server->start.loop->orphans);
	if (server->is_renewing)
		forkserver_kill(server);
	ask_next(server);
	return 0;
}

/* `why`: more about it, or "". */
static void end_broken(struct forkserver *server, const char *why)
{
	notify(server, LOG_LEVEL_ERROR, server->process.pid, "broke the protocol", why);
	close_link(server);
	forkserver_kill(server);
}

static int take_message(struct forkserver *server, const struct envelope *envelope, char *why,
			size_t size)
{
	if (envelope->type == ENVELOPE_RESPONSE)
		return take_answer(server, envelope, why, size);
	if (envelope->type != ENVELOPE_NOTIFICATION)
		return -EPROTO;
	/* Other notifications are ignored. */
	if (bytes_equal(envelope->method, "ready"))
		take_ready(server, envelope->params);
	return 0;
}

static void on_message(void *owner, struct chunk *chunk, struct bytes message)
{
	struct forkserver *server = owner;
	struct envelope envelope;
	char why[128] = "";

	(void)chunk;
	if (envelope_read(message.data, message.len, &envelope) < 0 ||
	    take_message(server, &envelope, why, sizeof(why)) < 0)
		end_broken(server, why);
}

/* Without its socket the server is of no use.  Mostly it is about to exit, and its exit status says
 * more than SIGKILL would. */
static void on_link_end(void *owner, enum link_end end, int error, struct bytes begun)
{
	struct forkserver *server = owner;

	(void)error;
	(void)begun;
	close_link(server);
	if (end == LINK_END_OF_FILE || end == LINK_END_ERROR)
		loop_add_timer(&server->grace, &close_grace);
	else
		end_broken(server, "");
}

static void on_free(struct link *link)
{
	free(link);
}

static const struct link_handler link_handler = {
	.on_message = on_message, .on_end = on_link_end, .on_free = on_free};

/* --- its process --- */

static int start(struct forkserver *server);

static void on_exit_of_server(void *owner, const struct process_end *end)
{
	struct forkserver *server = owner;
	usec_t lasted =
		server->ready > 0 ? usec_sub(loop_now(server->start.loop), server->ready) : 0;
	bool was_ready = server->ready > 0 || server->is_renewing;
	unsigned failed = was_ready ? server->is_forking : server->fork_requests.len;
	bool again = server->is_renewing || lasted >= REPLACED_AT_ONCE_AFTER;
	char text[96];
	int r = 0;

	output_finish(&server->output);
	process_describe_end(end, text, sizeof(text));
	notify(server, server->is_renewing ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, server->last_pid,
	       "ended", text);
	close_link(server);
	event_del(&server->grace);
	server->ready = 0;
	server->is_renewing = false;
	fail_requests(server, failed, 0, end);
	if (server->process.pid == 0 && (again || !list_empty(&server->fork_requests)))
		r = start(server);
	if (r < 0)
		fail_requests(server, server->fork_requests.len, r, NULL);
}

static int open_link(struct forkserver *server, struct stream control)
{
	return link_new(server->start.loop, control, FRAMING_MSGPACK, FORK_MESSAGE_MAX,
			&link_handler, server, &server->link);
}

static int start(struct forkserver *server)
{
	const struct spawn_context context = {.tag = server->life, .cgroup = -1, .recall = -1};
	struct stream control;
	int r;

	server->started = loop_now(server->start.loop);
	r = start_process(&server->start, &context, &server->process, &server->output,
			  on_exit_of_server, server, &control);
	if (r < 0)
		return r;
	r = open_link(server, control);
	if (r < 0) {
		start_abandon(&server->process, &server->output, control);
		return r;
	}
	server->last_pid = server->process.pid;
	notify(server, LOG_LEVEL_INFO, server->last_pid, "started", "");
	return 0;
}

int forkserver_fork(struct forkserver *server, struct fork_request *fork_request)
{
	int r = server->process.pid == 0 ? start(server) : 0;

	if (r < 0) {
		fork_request_close(fork_request);
		return r;
	}
	fork_request->signal = 0;
	list_push_back(&server->fork_requests, &fork_request->in_server);
	ask_next(server);
	return 0;
}

void forkserver_renew(struct forkserver *server)
{
	if (server->process.pid == 0)
		return;
	server->is_renewing = true;
	if (!server->is_forking)
		forkserver_kill(server);
}

void forkserver_done(struct forkserver *server)
{
	while (!list_empty(&server->fork_requests))
		take_out(server, first_request(server));
	close_link(server);
	event_del(&server->grace);
	process_signal(&server->process, SIGKILL);
	process_forget(&server->process);
	output_close(&server->output);
	config_unref(server->start.pool->config);
}
