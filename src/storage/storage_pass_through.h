#pragma once

/*
 * StoragePassThrough
 *
 * A SCSI command from outside. Private to storage.
 */

#include "storage/storage_requests.h"

/* Fills in the reply; returns its error. */
int storage_pass_through_run(StorageRequest *request, Task *task);
