/* A request of each device, counted until the last is done. Who does not want to know any more leaves
 * them to themselves. */

#include "device/device_sleep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "device/device_request.h"
#include "device/device_view.h"

typedef struct SleepFlush {
        DeviceRequest request;
        DeviceSleep *sleep; /* NULL: nobody waits */
        char name[64];
        ListNode node; /* DeviceSleep::flushes */
} SleepFlush;

struct DeviceSleep {
        ListNode flushes; /* SleepFlush::node; they free themselves */
        unsigned n_failed;
        DeviceSleepReady ready;
        void *userdata;
        EventDefer check;
};

static void on_check(EventDefer *defer) {
        DeviceSleep *sleep = container_of(defer, DeviceSleep, check);

        if (list_is_empty(&sleep->flushes))
                sleep->ready(sleep, sleep->n_failed, sleep->userdata);
}

static void tell_failure(const SleepFlush *flush, const char *why) {
        log_device_warning(flush->name, "could not be flushed before the host sleeps: %s", why);
}

static void on_done(DeviceRequest *request, const ControlReply *reply, const uint8_t *data) {
        SleepFlush *flush = container_of(request, SleepFlush, request);
        DeviceSleep *sleep = flush->sleep;

        if (reply->error < 0)
                tell_failure(flush,
                             reply->words[0] != '\0' ? reply->words : strerror(-reply->error));
        list_unlink(&flush->node);
        free(flush);
        if (!sleep)
                return;
        sleep->n_failed += reply->error < 0;
        event_defer_schedule(&sleep->check);
}

/* One without a worker, or that is being started or about to end, has nothing that could be written
 * now. */
static int flush(DeviceSleep *sleep, DeviceManager *manager, const DeviceView *view) {
        SleepFlush *flush = calloc(1, sizeof(*flush));
        int r;

        if (!flush)
                return -ENOMEM;
        flush->sleep = sleep;
        flush->request.request.kind = CONTROL_REQUEST_KIND_FLUSH;
        flush->request.request.lun = CONTROL_LUN_ALL;
        flush->request.done = on_done;
        snprintf(flush->name, sizeof(flush->name), "%s", view->name);
        list_init(&flush->node);
        r = device_manager_request(manager, view->id, &flush->request);
        if (r < 0) {
                bool has_nothing = r == -ENODEV || r == -EAGAIN || r == -ESHUTDOWN;

                if (has_nothing)
                        log_device_debug(flush->name, "not flushed before the host sleeps: %s",
                                         strerror(-r));
                else
                        tell_failure(flush, strerror(-r));
                sleep->n_failed += !has_nothing;
                free(flush);
                return 0;
        }
        list_append(&sleep->flushes, &flush->node);
        return 0;
}

int device_sleep_new(DeviceSleep **ret, EventLoop *loop, DeviceManager *manager,
                     DeviceSleepReady ready, void *userdata) {
        _cleanup_(device_sleep_freep) DeviceSleep *sleep = NULL;
        DeviceView view;
        int r;

        sleep = calloc(1, sizeof(*sleep));
        if (!sleep)
                return -ENOMEM;
        list_init(&sleep->flushes);
        sleep->ready = ready;
        sleep->userdata = userdata;
        event_defer_init(&sleep->check, loop, on_check);
        for (size_t i = 0; device_manager_get_device(manager, i, &view); i++) {
                r = flush(sleep, manager, &view);
                if (r < 0)
                        return r;
        }
        event_defer_schedule(&sleep->check);
        *ret = TAKE_PTR(sleep);
        return 0;
}

DeviceSleep *device_sleep_free(DeviceSleep *sleep) {
        ListNode *node;

        if (!sleep)
                return NULL;
        while ((node = list_take_first(&sleep->flushes)))
                list_entry(node, SleepFlush, node)->sleep = NULL;
        event_defer_cancel(&sleep->check);
        free(sleep);
        return NULL;
}
