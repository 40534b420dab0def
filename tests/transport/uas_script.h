#pragma once

/*
 * UasScript
 *
 * Steps of scripts for a UAS device. They are written once and played in both forms: with streams,
 * where READY IUs are left out, and without.
 */

#include "transport_fixture.h"

/* Of them the last one is for task management. */
#define UAS_SCRIPT_TAGS 4
#define UAS_SCRIPT_STEPS_MAX 24

typedef enum UasForms {
        UAS_FORM_HIGH_SPEED = 1 << 0,  /* no streams: the device says whose data is next */
        UAS_FORM_SUPER_SPEED = 1 << 1, /* a stream for each tag */
        UAS_FORMS_BOTH = UAS_FORM_HIGH_SPEED | UAS_FORM_SUPER_SPEED,
} UasForms;

/* UAS-3, 6.2: information units, as bytes of arrays. */
#define UAS_COMMAND_IU(tag, lun) \
        { 0x01, 0, 0, (tag), [9] = (lun), [16] = 0xA5, [31] = 0 }
#define UAS_MANAGEMENT_IU(function, managed_tag, lun) \
        { 0x05, 0, 0, UAS_SCRIPT_TAGS, (function), 0, 0, (managed_tag), 0, (lun), [15] = 0 }
#define UAS_SENSE_IU(tag, status) \
        { 0x03, 0, 0, (tag), 0, 0, (status), [15] = 0 }
#define UAS_RESPONSE_IU(tag, response) \
        { 0x04, 0, 0, (tag), 0, 0, 0, (response) }
#define UAS_READY_IU(id, tag) \
        { (id), 0, 0, (tag) }

#define UAS_COMMAND(array)                                                                  \
        USB_STEP_OUT(sizeof(array), .bytes = (array), .endpoint = SCRIPTED_USB_UAS_COMMAND, \
                     .text = "command " #array)
#define UAS_COMMAND_RESULT(result_)                                                               \
        USB_STEP_OUT(SCRIPTED_USB_ANY, .result = (result_), .endpoint = SCRIPTED_USB_UAS_COMMAND, \
                     .text = "command " #result_)
#define UAS_COMMAND_HANG()                                                            \
        USB_STEP_MOVE(USB_STEP_HANG, USB_TRANSFER_TYPE_BULK, false, SCRIPTED_USB_ANY, \
                      SCRIPTED_USB_ANY, .endpoint = SCRIPTED_USB_UAS_COMMAND,         \
                      .text = "command that hangs")

/* On the stream of `tag_`, where there are streams. */
#define UAS_STATUS_OF(tag_, array)                                                        \
        USB_STEP_IN(sizeof(array), .bytes = (array), .endpoint = SCRIPTED_USB_UAS_STATUS, \
                    .stream = (tag_), .text = "status " #array)
#define UAS_STATUS(array) UAS_STATUS_OF(1, array)
/* Without streams only. */
#define UAS_READY(array) UAS_STATUS_OF(UAS_SCRIPT_READY, array)
#define UAS_SCRIPT_READY UINT32_MAX
#define UAS_STATUS_RESULT(result_)                                                            \
        USB_STEP_IN(0, .result = (result_), .endpoint = SCRIPTED_USB_UAS_STATUS, .stream = 1, \
                    .text = "status " #result_)
#define UAS_STATUS_HANG_OF(tag_)                                                               \
        USB_STEP_MOVE(USB_STEP_HANG, USB_TRANSFER_TYPE_BULK, true, SCRIPTED_USB_ANY,           \
                      SCRIPTED_USB_ANY, .endpoint = SCRIPTED_USB_UAS_STATUS, .stream = (tag_), \
                      .text = "status that hangs")
#define UAS_STATUS_HANG() UAS_STATUS_HANG_OF(1)

#define UAS_DATA_IN(n) \
        USB_STEP_IN(n, .endpoint = SCRIPTED_USB_BULK_IN, .stream = 1, .text = "IN data of " #n)
#define UAS_DATA_IN_RESULT(result_)                                                        \
        USB_STEP_IN(0, .result = (result_), .endpoint = SCRIPTED_USB_BULK_IN, .stream = 1, \
                    .text = "IN data " #result_)
#define UAS_DATA_IN_HANG()                                                             \
        USB_STEP_MOVE(USB_STEP_HANG, USB_TRANSFER_TYPE_BULK, true, SCRIPTED_USB_ANY,   \
                      SCRIPTED_USB_ANY, .endpoint = SCRIPTED_USB_BULK_IN, .stream = 1, \
                      .text = "IN data that hangs")
#define UAS_DATA_OUT(n) \
        USB_STEP_OUT(n, .endpoint = SCRIPTED_USB_BULK_OUT, .stream = 1, .text = "OUT data of " #n)
#define UAS_DATA_OUT_RESULT(result_)                                                           \
        USB_STEP_OUT(SCRIPTED_USB_ANY, .result = (result_), .endpoint = SCRIPTED_USB_BULK_OUT, \
                     .stream = 1, .text = "OUT data " #result_)
#define UAS_DATA_OUT_HANG()                                                             \
        USB_STEP_MOVE(USB_STEP_HANG, USB_TRANSFER_TYPE_BULK, false, SCRIPTED_USB_ANY,   \
                      SCRIPTED_USB_ANY, .endpoint = SCRIPTED_USB_BULK_OUT, .stream = 1, \
                      .text = "OUT data that hangs")

typedef struct UasScript {
        TransportFixture fixture;
        UasForms form;
        UsbStep steps[UAS_SCRIPT_STEPS_MAX + 1]; /* of the form */
} UasScript;

/* Started, with UAS_SCRIPT_TAGS. `name` is printed, lest nobody knows what failed. */
void uas_script_init(UasScript *script, UasForms form, const char *name);
void uas_script_done(UasScript *script);
/* What the device does next; up to UAS_SCRIPT_STEPS_MAX steps, or one without text. */
void uas_script_continue(UasScript *script, const UsbStep *steps);
/* Runs a recovery to the script's end; returns its result. */
int uas_script_recover(UasScript *script, TransportRecovery recovery, uint8_t lun);
