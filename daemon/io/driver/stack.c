#include "daemon/io/driver/stack.h"

#include "daemon/io/base/log_text.h"
#include "daemon/io/driver/notify.h"
#include "daemon/io/driver/state.h"

#include <errno.h>
#include <stdlib.h>

/* Bytes of stacks in an event; the log has all lines. */
#define STACK_MAX ((size_t)32 * 1024)

/* The stacks are complete when no line has followed for `quiet`; without any line in `patience` the
 * worker is taken not to write them. */
static const struct timeval quiet = {.tv_usec = 100000};
static const struct timeval patience = {.tv_sec = 2};

struct stack {
	struct driver *driver;
	struct life *life;
	struct event due;
	struct buf text;
};

void stack_drop(struct life *life)
{
	struct stack *stack = life->stack;

	if (!stack)
		return;
	life->stack = NULL;
	event_del(&stack->due);
	buf_free(&stack->text);
	free(stack);
}

void stack_end(struct life *life)
{
	struct stack *stack = life->stack;
	static const char none[] = "it wrote nothing";

	if (!stack)
		return;
	buf_put(&stack->text, "", 1);
	notify_worker_event(stack->driver, life->worker, "stack",
			    stack->text.len > 1 ? (const char *)stack->text.data : none, true);
	stack_drop(life);
}

static void on_due(evutil_socket_t fd, short what, void *argument)
{
	struct stack *stack = argument;

	(void)fd;
	(void)what;
	stack_end(stack->life);
}

int stack_ask(struct driver *driver, uint32_t worker)
{
	struct life *life = &driver->lives[worker];
	struct stack *stack;

	if (life->process.pid <= 0)
		return -ESRCH;
	if (life->channel.stack_signal == 0 || life->output.sources[OUTPUT_STDERR].fd < 0)
		return -EOPNOTSUPP;
	if (life->stack)
		return 0;
	stack = malloc(sizeof(*stack));
	if (!stack)
		return -ENOMEM;
	*stack = (struct stack){.driver = driver, .life = life};
	buf_init(&stack->text, STACK_MAX);
	evtimer_assign(&stack->due, driver->loop->base, on_due, stack);
	loop_add_timer(&stack->due, &patience);
	life->stack = stack;
	process_signal_one(&life->process, life->channel.stack_signal);
	return 0;
}

void stack_take(struct life *life, struct bytes line)
{
	struct stack *stack = life->stack;
	char text[LOG_TEXT_MAX + 1];

	if (!stack)
		return;
	log_text_escape(line, text, sizeof(text));
	/* Whole lines only, with room for the zero byte at the end. */
	if (stack->text.len + sizeof(text) + 2 < STACK_MAX)
		buf_printf(&stack->text, "%s%s", stack->text.len > 0 ? "\n" : "", text);
	loop_add_timer(&stack->due, &quiet);
}
