#include "daemon/io/admin/report_clients.h"

#include "daemon/io/admin/report_recovery.h"
#include "daemon/io/base/pack_named.h"
#include "daemon/io/driver/state.h"

#include <string.h>

/* Calls that one answer looks at, to count which of them wait: that bounds what it costs. */
#define LOOKED_MAX 16384u

static struct bytes text_of(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

void report_pack_process(const struct caller *caller, struct buf *out)
{
	pack_str(out, "uid");
	if (caller->uid == RIGHTS_NO_UID)
		pack_nil(out);
	else
		pack_uint(out, caller->uid);
	pack_str(out, "pid");
	if (caller->pid <= 0)
		pack_nil(out);
	else
		pack_int(out, caller->pid);
}

/* How many of its calls are at no worker; nil: there are too many to count. */
static void pack_queued(const struct driver *driver, const struct caller *client,
			unsigned *left_to_look, struct buf *out)
{
	struct list_node *node;
	uint64_t queued = 0;

	pack_str(out, "queued");
	if (client->calls.len > *left_to_look) {
		pack_nil(out);
		return;
	}
	*left_to_look -= client->calls.len;
	list_for_each (node, &client->calls) {
		const struct call *call = list_entry(node, struct call, in_caller);
		struct request_view request;

		engine_view_request(driver->engine, call->slot, &request);
		queued += request.state != REQUEST_SENT;
	}
	pack_uint(out, queued);
}

static void pack_subscribed(const struct caller *client, struct buf *out)
{
	bool is_subscribed = list_linked(&client->in_subscribers);
	uint32_t count = 0;

	for (unsigned i = 0; i < EVENT_KIND_COUNT_; i++)
		count += is_subscribed && (client->event_kinds & 1u << i);
	pack_str(out, "subscribed");
	pack_array(out, count);
	for (unsigned i = 0; i < EVENT_KIND_COUNT_; i++)
		if (is_subscribed && (client->event_kinds & 1u << i))
			pack_str(out, event_kind_name((enum event_kind)i));
}

static void pack_who(const struct caller *client, struct buf *out)
{
	pack_named_uint(out, "client", client->client);
	report_pack_process(client, out);
	pack_named_text(out, "name", text_of(client->name));
	pack_named_text(out, "version", text_of(client->version));
}

static void pack_client(const struct driver *driver, struct caller *client, unsigned *left_to_look,
			struct buf *out)
{
	usec_t now = loop_now(driver->loop);
	struct caller_view view;

	client->ops->view(client, &view);
	pack_map(out, 16);
	pack_who(client, out);
	pack_named_whole_ms(out, "age_ms", usec_sub(now, view.since));
	pack_named_whole_ms(out, "idle_ms", usec_sub(now, view.active));
	pack_named_uint(out, "in_flight", client->calls.len);
	pack_queued(driver, client, left_to_look, out);
	pack_named_uint(out, "calls", client->calls_opened);
	pack_named_uint(out, "bytes_in", view.in);
	pack_named_uint(out, "bytes_out", view.out);
	pack_named_uint(out, "unread_bytes", view.unread);
	pack_subscribed(client, out);
	pack_str(out, "paused");
	if (view.pause == CALLER_READ)
		pack_nil(out);
	else
		pack_str(out, caller_pause_name(view.pause));
	pack_named_bool(out, "control_only", view.is_control_only);
}

void report_clients(const struct driver *driver, const struct caller *caller, unsigned max,
		    struct buf *out)
{
	struct caller *shown[REPORT_MAX];
	unsigned count = 0, left_to_look = LOOKED_MAX;
	struct list_node *node;
	bool has_more = false;

	list_for_each (node, &driver->callers) {
		struct caller *client = list_entry(node, struct caller, in_callers);
		const struct audience audience = {.uid = client->uid, .pool = NO_SLOT};

		if (!rights_may_see(driver, caller, &audience))
			continue;
		has_more = count == max;
		if (has_more)
			break;
		shown[count++] = client;
	}
	pack_map(out, 3);
	pack_named_uint(out, "count", driver->callers.len);
	pack_named_bool(out, "more", has_more);
	pack_str(out, "clients");
	pack_array(out, count);
	for (unsigned i = 0; i < count; i++)
		pack_client(driver, shown[i], &left_to_look, out);
}
