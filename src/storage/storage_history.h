#pragma once

/* StorageHistory: the request HISTORY, which says what the device was sent last. */

#include "storage/storage_requests.h"

/* 0, or -errno. */
int storage_history_run(StorageRequest *request);
