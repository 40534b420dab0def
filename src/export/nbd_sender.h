#pragma once

/*
 * NbdSender
 *
 * The sending half of a connection: replies wait in a queue and leave with as few system calls as
 * possible. Private to export.
 */

#include "export/nbd_request.h"

#define NBD_SENDER_VECTORS_MAX 256

typedef struct NbdSender {
        int fd;          /* borrowed */
        ListNode queue;  /* NbdRequest::node, encoded replies */
        size_t n_sent;   /* bytes of the first one that have left */
        bool is_blocked; /* the socket took no more the last time */
} NbdSender;

void nbd_sender_init(NbdSender *sender, int fd);
void nbd_sender_queue(NbdSender *sender, NbdRequest *request);
/*
 * Sends what the socket takes, never blocks. Replies that have left whole are moved to `sent`.
 * 1: some bytes left, 0: none did; -errno: the connection is broken.
 */
int nbd_sender_flush(NbdSender *sender, ListNode *sent);
