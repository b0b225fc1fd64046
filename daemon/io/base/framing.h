/*
 * Framing: where one message of a stream ends and the next begins.  Each kind is a scanner in
 * constant memory over any split of the bytes, which reads nothing else and reserves nothing.
 */
#ifndef POOLD_IO_BASE_FRAMING_H
#define POOLD_IO_BASE_FRAMING_H

#include "protocol/skip.h"

enum framing_kind {
	FRAMING_MSGPACK = 0, /* a message is one MessagePack value, and says itself where it ends */
	FRAMING_PACKET4,     /* four bytes of length, big-endian, before the message */
	FRAMING_LINE,	     /* a newline behind the message */
	FRAMING_HTTP	     /* lines up to an empty one, which belongs to the message, as do empty
				ones before the first */
};

/* Bytes before the message in FRAMING_PACKET4. */
#define FRAMING_HEAD 4

struct framing {
	enum framing_kind kind;
	uint64_t limit;	  /* most bytes of a message, without its length or newline */
	struct skip skip; /* FRAMING_MSGPACK */
	uint64_t taken;	  /* the others: bytes of the frame so far */
	uint32_t length;  /* FRAMING_PACKET4: what its head says, as far as it has come */
	/* FRAMING_HTTP: whether the line that has begun, and any before it, has more than its end. */
	bool has_line;
	bool has_any;
};

/* Starts on a new frame, whose message has at most `limit` bytes. */
void framing_init(struct framing *framing, enum framing_kind kind, uint64_t limit);

/* Starts on the next frame. */
static inline void framing_restart(struct framing *framing)
{
	framing->taken = 0;
	framing->length = 0;
	framing->has_line = framing->has_any = false;
	if (framing->kind == FRAMING_MSGPACK)
		skip_init(&framing->skip, framing->limit);
}

/* The scanners but that of MessagePack. */
enum skip_result framing_feed_other(struct framing *framing, const uint8_t *data, size_t len,
				    size_t *ret_taken);

/*
 * Reads on.  *ret_taken gets how many of the `len` bytes belong to the frame, its length or newline
 * included; it says nothing (0) with SKIP_BAD and SKIP_TOO_LARGE.  What is announced is held
 * against the limit at once.  After anything but SKIP_MORE, call framing_restart before the next
 * one.
 */
static inline enum skip_result framing_feed(struct framing *framing, const uint8_t *data,
					    size_t len, size_t *ret_taken)
{
	if (framing->kind == FRAMING_MSGPACK)
		return skip_feed(&framing->skip, data, len, ret_taken);
	return framing_feed_other(framing, data, len, ret_taken);
}

/* How many bytes more to make room for: those that must still come at least, or a guess that keeps
 * the number of times small where nothing is announced. */
uint64_t framing_need(const struct framing *framing);

/* The message of a whole frame. */
static inline struct bytes framing_message(const struct framing *framing, struct bytes frame)
{
	if (framing->kind == FRAMING_PACKET4)
		return (struct bytes){frame.data + FRAMING_HEAD, frame.len - FRAMING_HEAD};
	if (framing->kind == FRAMING_LINE)
		frame.len--;
	return frame;
}

/* The beginning of a FRAMING_PACKET4 frame whose message has `len` bytes. */
void framing_put_head(uint8_t out[static FRAMING_HEAD], uint32_t len);

#endif
