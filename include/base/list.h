#pragma once

/*
 * ListNode
 *
 * Intrusive doubly linked lists. A head is a ListNode that points at itself when empty; a node that
 * is in no list points at itself too, so that unlinking twice is harmless and membership can be
 * asked.
 */

#include "base/macros.h"

typedef struct ListNode ListNode;

struct ListNode {
        ListNode *previous;
        ListNode *next;
};

#define LIST_INIT(name) \
        { .previous = &(name), .next = &(name) }

static inline void list_init(ListNode *node) {
        node->previous = node;
        node->next = node;
}

/* For a head: holds nothing. For a node: is in no list. */
static inline bool list_is_empty(const ListNode *node) { return node->next == node; }

static inline void list_insert_before(ListNode *where, ListNode *node) {
        assert(list_is_empty(node));
        node->previous = where->previous;
        node->next = where;
        where->previous->next = node;
        where->previous = node;
}

static inline void list_append(ListNode *head, ListNode *node) { list_insert_before(head, node); }

static inline void list_prepend(ListNode *head, ListNode *node) {
        list_insert_before(head->next, node);
}

static inline void list_unlink(ListNode *node) {
        node->previous->next = node->next;
        node->next->previous = node->previous;
        list_init(node);
}

static inline ListNode *list_first(const ListNode *head) {
        return list_is_empty(head) ? NULL : head->next;
}

static inline ListNode *list_last(const ListNode *head) {
        return list_is_empty(head) ? NULL : head->previous;
}

/* Unlinks and returns the first node, or NULL. */
static inline ListNode *list_take_first(ListNode *head) {
        ListNode *node = list_first(head);

        if (node)
                list_unlink(node);
        return node;
}

/* Moves all nodes of `from` behind those of `to`. */
static inline void list_splice(ListNode *to, ListNode *from) {
        if (list_is_empty(from))
                return;
        from->next->previous = to->previous;
        to->previous->next = from->next;
        from->previous->next = to;
        to->previous = from->previous;
        list_init(from);
}

/* The body may unlink `node`, and no other. */
#define LIST_FOR_EACH(node, head)                                                      \
        for (ListNode *node = (head)->next, *node##_next = node->next; node != (head); \
             node = node##_next, node##_next = node->next)

#define list_entry(node, Type, member) container_of(node, Type, member)
