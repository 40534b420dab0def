#pragma once

/*
 * SmartDialogue
 *
 * What is said to one unit in the course of a poll: requests through its bridge, or SCSI commands,
 * one after the other. The first one that the device does not answer properly ends it: what is asked
 * afterwards is not sent. From within a task.
 */

#include "smart/smart_bridge.h"
#include "smart/smart_monitor.h"

#define SMART_DIALOGUE_DATA_SIZE ((size_t) 16 * KIB)

typedef struct SmartDialogue {
        ScsiTarget *target;                   /* borrowed */
        Task *task;                           /* borrowed */
        const SmartMonitorHandlers *handlers; /* borrowed */
        void *userdata;
        uint8_t lun;
        bool may_wake;  /* else what is sent is no use of the device */
        uint8_t *data;  /* owned, staging memory: what came last, the rest zeroes */
        uint8_t *bytes; /* owned, likewise: of the bridge's own commands */
        size_t actual_size;
        ScsiSense sense; /* of a command that failed */
        uint8_t raw_sense[TRANSPORT_SENSE_SIZE_MAX];
        size_t raw_sense_size;
        SmartBridgeRun run;       /* the last one */
        size_t n_nvme_errors_max; /* that the drive's log has, as its identity told */

        int error;         /* -errno: why it has ended; 0: it goes on */
        bool has_broken;   /* its last command put the device out of step, */
        bool has_hung;     /* by not being answered at all */
        bool is_not_ready; /* the unit said so: it does not turn, or has no medium */
} SmartDialogue;

/* -ENOMEM. */
int smart_dialogue_init(SmartDialogue *dialogue, const SmartMonitor *monitor, ScsiTarget *target,
                        Task *task, bool may_wake);
void smart_dialogue_done(SmartDialogue *dialogue);
/* Through the bridge, which may learn its port by it. NONE: the dialogue has ended. */
SmartAnswer smart_dialogue_ask(SmartDialogue *dialogue, SmartBridge *bridge,
                               const SmartRequest *request);
/* GOOD or CHECK_CONDITION, else the dialogue has ended. `size` bytes come in. */
ScsiResult smart_dialogue_send(SmartDialogue *dialogue, const uint8_t *cdb, size_t cdb_size,
                               size_t size);
