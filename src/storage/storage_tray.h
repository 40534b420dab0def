#pragma once

/* StorageTray: the requests EJECT and LOAD. Private to storage. */

#include "storage/storage_requests.h"

/* 0, or what ControlReply::error may be, with words. */
int storage_tray_run(StorageRequest *request, Task *task);
