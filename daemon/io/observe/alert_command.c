#include "daemon/io/observe/alert_command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JSON_MAX ((size_t)8 * 1024)

/* --- its environment --- */

/* Variables of the daemon that it gets. */
static const char *const passed_on[] = {"PATH", "HOME",	  "USER", "LOGNAME",
					"LANG", "LC_ALL", "TZ",	  "TMPDIR"};

#define OWN_VARIABLES 7
#define VARIABLE_MAX  1024

struct variables {
	char own[OWN_VARIABLES][VARIABLE_MAX];
	char *list[OWN_VARIABLES + ARRAY_SIZE(passed_on) + 1];
};

static char *environment_entry(const char *name)
{
	size_t len = strlen(name);

	for (char **entry = environ; *entry; entry++)
		if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
			return *entry;
	return NULL;
}

static void set_variables(struct variables *variables, const struct alert_notice *notice)
{
	const struct alert_rule *rule = notice->rule;
	const struct {
		const char *name, *value;
	} own[OWN_VARIABLES] = {
		{"ALERT_NAME", rule->name},
		{"ALERT_KIND", alert_kind_name(rule->kind)},
		{"ALERT_POOL", notice->pool ? notice->pool : ""},
		{"ALERT_SEVERITY", alert_severity_name(rule->severity)},
		{"ALERT_STATE", notice->is_raised ? "raised" : "resolved"},
		{"ALERT_TEST", notice->is_test ? "1" : "0"},
		{"ALERT_TEXT", notice->text},
	};
	size_t count = 0;

	for (size_t i = 0; i < OWN_VARIABLES; i++) {
		snprintf(variables->own[i], VARIABLE_MAX, "%s=%s", own[i].name, own[i].value);
		variables->list[count++] = variables->own[i];
	}
	for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++) {
		char *entry = environment_entry(passed_on[i]);

		if (entry)
			variables->list[count++] = entry;
	}
	variables->list[count] = NULL;
}

/* --- one run --- */

static void run_next(struct alert_command *command);

static const struct alert_notice *current(const struct alert_command *command)
{
	return &command->queue[command->first];
}

static void fail(struct alert_command *command, const char *why)
{
	const struct alert_notice *notice = current(command);
	const struct log_field fields[] = {{"pool", notice->pool}, {"alert", notice->rule->name}};

	command->driver->stats.alerts_undelivered++;
	log_event(LOG_LEVEL_WARNING, NULL, fields, ARRAY_SIZE(fields),
		  "alert_command %s failed for the alert %s: %s%s%.*s", command->path,
		  notice->rule->name, why, command->shown_len > 0 ? "; it wrote: " : "",
		  (int)command->shown_len, command->shown);
}

static void drop_first(struct alert_command *command)
{
	command->first = (command->first + 1) % ALERT_COMMAND_QUEUE;
	command->count--;
}

static void close_output(struct alert_command *command)
{
	if (command->output < 0)
		return;
	event_del(&command->readable);
	close(command->output);
	command->output = -1;
}

static void keep(struct alert_command *command, const char *data, size_t len)
{
	size_t room = sizeof(command->shown) - command->shown_len;
	size_t kept = len < room ? len : room;

	memcpy(command->shown + command->shown_len, data, kept);
	command->shown_len += kept;
	command->written += len;
}

/* Reads what is there, once.  Returns whether there may be more. */
static bool read_output(struct alert_command *command)
{
	char data[4096];
	ssize_t n = command->output < 0 ? 0 : read(command->output, data, sizeof(data));

	if (n > 0)
		keep(command, data, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_output(command);
	return n > 0;
}

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
	struct alert_command *command = argument;

	(void)fd;
	(void)what;
	if (read_output(command) && command->written > ALERT_COMMAND_OUTPUT_MAX) {
		command->is_flood = true;
		close_output(command);
		process_signal(&command->process, SIGKILL);
	}
}

static void on_deadline(evutil_socket_t fd, short what, void *argument)
{
	struct alert_command *command = argument;

	(void)fd;
	(void)what;
	command->is_late = true;
	process_signal(&command->process, SIGKILL);
}

static void judge(struct alert_command *command, const struct process_end *end)
{
	char text[256];

	if (command->is_flood)
		snprintf(text, sizeof(text), "it wrote more than %zu KiB and was killed",
			 ALERT_COMMAND_OUTPUT_MAX / 1024);
	else if (command->is_late)
		snprintf(text, sizeof(text), "it took longer than %.6g s and was killed",
			 (double)command->driver->config->daemon.alert_timeout / USEC_PER_SEC);
	else if (end->is_signalled || end->status != 0)
		process_describe_end(end, text, sizeof(text));
	else
		return;
	fail(command, text);
}

static void on_exit_of_command(void *owner, const struct process_end *end)
{
	struct alert_command *command = owner;

	command->is_running = false;
	event_del(&command->deadline);
	while (command->written <= ALERT_COMMAND_OUTPUT_MAX && read_output(command))
		;
	close_output(command);
	judge(command, end);
	drop_first(command);
	run_next(command);
}

/* It fits into an empty pipe whole.  A command that does not read it has done nothing wrong. */
static void write_input(struct stream channel, const struct buf *json)
{
	ssize_t n = write(channel.out, json->data, json->len);

	(void)n;
	close(channel.out);
}

static int start(struct alert_command *command)
{
	char *argv[] = {command->path, NULL};
	struct variables variables;
	const struct process_spec spec = {
		.argv = argv,
		.envp = variables.list,
		.cgroup = -1,
		.user = "",
		.group = "",
		.umask = -1,
		.standard = {PROCESS_CHANNEL, PROCESS_CHANNEL, PROCESS_CHANNEL},
	};
	struct stream channel;
	struct buf json;
	int r;

	buf_init(&json, JSON_MAX);
	alert_notice_json(current(command), &json);
	set_variables(&variables, current(command));
	r = buf_error(&json);
	if (r == 0)
		r = process_spawn(&command->process, command->driver->loop, &spec,
				  on_exit_of_command, command, &channel);
	else
		snprintf(command->process.fault, sizeof(command->process.fault), "%s",
			 strerror(-r));
	if (r == 0) {
		command->is_running = true;
		command->output = channel.in;
		write_input(channel, &json);
	}
	buf_free(&json);
	return r;
}

static void watch(struct alert_command *command)
{
	event_assign(&command->readable, command->driver->loop->base, command->output,
		     EV_READ | EV_PERSIST, on_readable, command);
	loop_set_event_timer(&command->deadline, command->driver->config->daemon.alert_timeout);
	/* Unread output would only make the command wait until its time is over. */
	if (event_add(&command->readable, NULL) < 0)
		close_output(command);
}

static void run_next(struct alert_command *command)
{
	while (command->count > 0 && !command->is_running) {
		command->is_late = false;
		command->is_flood = false;
		command->written = 0;
		command->shown_len = 0;
		if (start(command) == 0) {
			watch(command);
		} else {
			fail(command, command->process.fault);
			drop_first(command);
		}
	}
}

/* --- for the owner --- */

void alert_command_init(struct alert_command *command, struct driver *driver)
{
	*command = (struct alert_command){
		.driver = driver, .path = driver->config->daemon.alert_command, .output = -1};
	evtimer_assign(&command->deadline, driver->loop->base, on_deadline, command);
}

void alert_command_done(struct alert_command *command)
{
	if (command->is_running) {
		process_signal(&command->process, SIGKILL);
		process_forget(&command->process);
	}
	event_del(&command->deadline);
	close_output(command);
}

void alert_command_send(struct alert_command *command, const struct alert_notice *notice)
{
	unsigned at = (command->first + command->count) % ALERT_COMMAND_QUEUE;

	if (*command->path == '\0')
		return;
	if (command->count == ALERT_COMMAND_QUEUE) {
		command->driver->stats.alerts_undelivered++;
		log_warning("alert_command: %d alerts wait for it already, %s is left out",
			    ALERT_COMMAND_QUEUE, notice->rule->name);
		return;
	}
	command->queue[at] = *notice;
	command->count++;
	run_next(command);
}
