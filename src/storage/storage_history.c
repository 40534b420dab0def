/* In words, as only who drives the device can tell them. */

#include "storage/storage_history.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "storage/storage_manager_internal.h"

int storage_history_run(StorageRequest *request) {
        const ScsiHistory *history = &request->manager->collector.stack.history;
        _cleanup_(freep) char *text = NULL;
        size_t size;
        FILE *file;

        file = open_memstream(&text, &size);
        if (!file)
                return -errno;
        scsi_history_write(history, event_loop_now_ns(request->manager->loop), file);
        if (fclose(file) == EOF)
                return -ENOMEM;
        size = MIN(size, (size_t) CONTROL_HISTORY_SIZE_MAX);
        if (pwrite(request->fd, text, size, 0) != (ssize_t) size)
                return -EIO;
        request->reply.data_size = (uint32_t) size;
        return 0;
}
