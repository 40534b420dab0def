#pragma once

/*
 * StorageRequests
 *
 * What is asked of a StorageManager beside serving clients: each is a Task, and answered once.
 * Private to storage.
 */

#include "base/list.h"
#include "base/task.h"
#include "control/control_request.h"
#include "storage/storage_manager.h"

typedef struct StorageRequest {
        StorageManager *manager; /* borrowed */
        ControlRequest request;
        int fd;     /* owned: the memfd of its data; negative: none */
        Task *task; /* NULL: it has ended, and what it asked for goes on */
        ControlReply reply;
        int end_error;       /* why it was given up; 0: it was not, or by who asked */
        uint64_t total_size; /* of its progress */
        EventTimer progress;
        ListNode node; /* StorageRequests::list */
} StorageRequest;

typedef struct StorageRequests {
        ListNode list; /* StorageRequest::node */
        size_t n;
} StorageRequests;

void storage_requests_init(StorageRequests *requests);
/* As storage_manager_request() and storage_manager_cancel_request(). */
void storage_requests_add(StorageManager *manager, const ControlRequest *request, int fd);
void storage_requests_cancel(StorageManager *manager, uint64_t id);
/* All that run end, soon: the stack or the units are about to go. Those that asked for that stay. */
void storage_requests_end(StorageManager *manager, Task *task, int error);
/* What is left is answered: it has all ended, with that. */
void storage_requests_finish(StorageManager *manager, int result);
