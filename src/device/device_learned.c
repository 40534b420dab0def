/* When what is written: see device_learned.h. */

#include <stdio.h>
#include <string.h>

#include "device/device_learned.h"

void device_learned_init(DeviceLearned *learned, EventLoop *loop, LearnedStore *store) {
        *learned = (DeviceLearned){ .loop = loop, .store = store };
}

static void save(DeviceLearned *learned) {
        if (!learned->store || learned->name[0] == '\0')
                return;
        learned->saved_ns = event_loop_now_ns(learned->loop);
        learned->is_unsaved =
                        learned_store_save(learned->store, learned->name, &learned->facts) < 0;
}

/* What could not be saved is still better than what an old file says. */
void device_learned_load(DeviceLearned *learned, const char *name) {
        device_learned_flush(learned);
        if (!learned->store || (learned->is_unsaved && strcmp(learned->name, name) == 0))
                return;
        learned->is_unsaved = false;
        snprintf(learned->name, sizeof(learned->name), "%s", name);
        (void) learned_store_load(learned->store, learned->name, &learned->facts);
}

void device_learned_set(DeviceLearned *learned, const UsbLearnedFacts *facts) {
        uint64_t now_ns = event_loop_now_ns(learned->loop);

        if (usb_learned_facts_is_equal(&learned->facts, facts))
                return;
        learned->facts = *facts;
        learned->is_unsaved = true;
        if (learned->saved_ns == 0 || now_ns - learned->saved_ns >= DEVICE_LEARNED_PAUSE_NS)
                save(learned);
}

void device_learned_flush(DeviceLearned *learned) {
        if (learned->is_unsaved)
                save(learned);
}
