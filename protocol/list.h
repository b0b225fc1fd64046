/*
 * A counted, intrusive, doubly linked list.  Its length costs nothing to know, so a state can be a
 * list: who is in it and how many is always true.
 */
#ifndef POOLD_PROTOCOL_LIST_H
#define POOLD_PROTOCOL_LIST_H

#include "protocol/base.h"

struct list_node {
	struct list_node *next; /* NULL while in no list */
	struct list_node *prev;
};

struct list {
	struct list_node head;
	unsigned len;
};

#define list_entry(node, type, field) container_of(node, type, field)

/* Walks forward.  The current node may be removed in the _safe form only. */
#define list_for_each(node, list)                                                                  \
	for ((node) = (list)->head.next; (node) != &(list)->head; (node) = (node)->next)
#define list_for_each_safe(node, after, list)                                                      \
	for ((node) = (list)->head.next, (after) = (node)->next; (node) != &(list)->head;          \
	     (node) = (after), (after) = (node)->next)
static inline void list_init(struct list *list)
{
	list->head.next = list->head.prev = &list->head;
	list->len = 0;
}

static inline bool list_empty(const struct list *list)
{
	return list->len == 0;
}

static inline bool list_linked(const struct list_node *node)
{
	return node->next != NULL;
}

static inline void list_insert_after(struct list *list, struct list_node *at,
				     struct list_node *node)
{
	assert(!list_linked(node));
	node->prev = at;
	node->next = at->next;
	at->next->prev = node;
	at->next = node;
	list->len++;
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
	list_insert_after(list, &list->head, node);
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
	list_insert_after(list, list->head.prev, node);
}

static inline void list_remove(struct list *list, struct list_node *node)
{
	assert(list_linked(node) && list->len > 0);
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = NULL;
	list->len--;
}

/* The first or last node, or NULL when the list is empty. */
static inline struct list_node *list_first(const struct list *list)
{
	/* The analyzer does not see that list_remove took out what is freed after it. */
	// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
	return list->len == 0 ? NULL : list->head.next;
}

static inline struct list_node *list_last(const struct list *list)
{
	return list->len == 0 ? NULL : list->head.prev;
}

#endif
