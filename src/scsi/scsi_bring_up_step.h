#pragma once

/*
 * ScsiBringUpStep
 *
 * What the steps of a bring-up have in common: to send a command, to bear what devices do at first,
 * and to judge what that means for the whole. Private to scsi.
 */

#include "scsi/scsi_bring_up.h"
#include "scsi/scsi_capacity.h"
#include "scsi/scsi_inquiry.h"
#include "scsi/scsi_optical.h"

#define SCSI_BRING_UP_BUFFER_SIZE 4096

typedef struct ScsiBringUp {
        Task *task;         /* borrowed */
        ScsiTarget *target; /* borrowed */
        ScsiBringUpOptions options;
        uint8_t *buffer; /* owned, of the staging memory */
        ScsiCommand command;
        ScsiInquiry inquiry;
        ScsiCapacity capacity;
        bool is_capacity_of_format; /* READ CAPACITY made no sense */
        ScsiOptical optical;
        ScsiDisk disk;
        uint8_t page; /* of the vital product data that is being read */
        size_t page_size;
} ScsiBringUp;

/* Counts what a step has borne so far. */
typedef struct ScsiBringUpPatience {
        unsigned n_tries;
        unsigned n_attentions;
        unsigned n_medium_changes;
} ScsiBringUpPatience;

/* Sets up `command` for a clean buffer. */
typedef void (*ScsiBringUpBuild)(ScsiBringUp *bring_up);

/* One round; `command` has the details. */
ScsiResult scsi_bring_up_send(ScsiBringUp *bring_up, ScsiBringUpBuild build);
bool scsi_bring_up_failed_with(const ScsiBringUp *bring_up, ScsiSenseKey key);
bool scsi_bring_up_has_no_medium(const ScsiBringUp *bring_up);
/* Whether the step is worth another try, after a wait if the device needs one. */
bool scsi_bring_up_bear(ScsiBringUp *bring_up, ScsiBringUpPatience *patience);
/* Why a step that had to succeed did not. */
ScsiBringUpResult scsi_bring_up_give_up(const ScsiBringUp *bring_up);
/* A step that must succeed, with at least `size_min` bytes of answer. */
ScsiBringUpResult scsi_bring_up_require(ScsiBringUp *bring_up, ScsiBringUpBuild build,
                                        size_t size_min);
/* A step that may fail: again after UNIT ATTENTION, else whatever it is. */
ScsiResult scsi_bring_up_try(ScsiBringUp *bring_up, ScsiBringUpBuild build);
/* After an optional step: whether the unit is still there to go on with. */
ScsiBringUpResult scsi_bring_up_go_on(const ScsiBringUp *bring_up);
void scsi_bring_up_build_capacity_10(ScsiBringUp *bring_up);
/* `capacity`, which is supported, is that of the disk. */
void scsi_bring_up_take_capacity(ScsiBringUp *bring_up);
