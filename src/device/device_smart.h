#pragma once

/*
 * DeviceSmart
 *
 * What a device's worker told of the health of each unit's drive, with the drive's history, which
 * outlives the service. The last known verdict is remembered with it, so that a change is told also
 * where the service was started anew in between.
 */

#include "control/control_description.h"
#include "control/control_smart.h"
#include "device/smart_history_file.h"

/* A file whose sample is still the same is written once in so long. */
#define DEVICE_SMART_SAVE_S (UINT64_C(24) * 60 * 60)
#define DEVICE_SMART_REASON_SIZE (SMART_VERDICT_REASON_SIZE + SMART_HISTORY_WORDS_SIZE)

typedef struct DeviceSmartUnit {
        ControlSmart told;
        SmartHistoryFile file;
        SmartHistory history;
        char news[SMART_HISTORY_WORDS_SIZE];   /* what has got worse lately; or "" */
        char reason[DEVICE_SMART_REASON_SIZE]; /* of the verdict, and the news */
        SmartVerdictKind known;                /* the verdict that was told last */
        bool has_known;
        uint64_t saved_s;
} DeviceSmartUnit;

typedef struct DeviceSmart {
        StateStore *store;                        /* borrowed; NULL: none */
        DeviceSmartUnit *units[CONTROL_LUNS_MAX]; /* owned; NULL: nothing was told */
        ControlSmartOptions options;              /* of its workers */
} DeviceSmart;

void device_smart_done(DeviceSmart *smart);
/* The unit is no longer there. */
void device_smart_forget(DeviceSmart *smart, unsigned lun);
/*
 * Takes in a valid message at a time in seconds, by our own clock. True: the verdict is another one
 * than before, as `words` say. -ENOMEM is told in the log, and the message ignored.
 */
bool device_smart_set(DeviceSmart *smart, const ControlSmart *message, uint64_t now_s,
                      char words[static DEVICE_SMART_REASON_SIZE]);
/* A line of the log, and a message of the journal that can be looked for. Named by the drive's own
 * serial number; that of its bridge where it has none. */
void device_smart_log(const ControlSmart *smart, const char *device, const char *device_serial,
                      const char *words);
