#pragma once

/*
 * HostileDevice
 *
 * A UsbDevice whose answers are read from a script of bytes, at the level of USB: it knows which
 * phase of its transport the host is in, and next to nothing of SCSI. One byte says what happens to a
 * transfer or an operation, and data that an IN transfer brings follows it. Where the script ends
 * it answers with zeroes and success.
 *
 * An IN transfer in the status phase gets a CSW with the right signature and tag, or the IU that a good
 * UAS device would send, unless the script says otherwise, so that what follows can be reached.
 */

#include "base/event_loop.h"
#include "usb/usb_descriptors.h"

typedef enum HostileAction {
        HOSTILE_ACTION_ZEROES, /* as much as was asked for; in the status phase a good CSW or IU */
        HOSTILE_ACTION_DATA,   /* a byte with their number, and these bytes; then zeroes */
        HOSTILE_ACTION_SHORT,  /* likewise, but nothing after them */
        /* Status and residue (16 bits); also where data belongs. UAS: status, sense key and ASC. */
        HOSTILE_ACTION_CSW,
        HOSTILE_ACTION_STALL,
        HOSTILE_ACTION_ERROR,
        HOSTILE_ACTION_OVERFLOW,
        HOSTILE_ACTION_HANG, /* until it is cancelled */
        HOSTILE_ACTION_GONE, /* unplugged */
        _HOSTILE_ACTION_MAX,
} HostileAction;

/* What it offers to be driven by. */
typedef enum HostileForm {
        HOSTILE_FORM_BOT,
        HOSTILE_FORM_CBI,
        HOSTILE_FORM_CBI_UFI,
        HOSTILE_FORM_CB,
        HOSTILE_FORM_UAS,
        HOSTILE_FORM_UAS_STREAMS,
        HOSTILE_FORM_UAS_AND_BOT,
        HOSTILE_FORM_UAS_STREAMS_AND_BOT,
        _HOSTILE_FORM_MAX,
} HostileForm;

typedef struct HostileScript {
        const uint8_t *bytes; /* borrowed */
        size_t size;
} HostileScript;

/* Freed by its owner through usb_device_free(). Aborts when out of memory. */
UsbDevice *hostile_device_new(EventLoop *loop, HostileForm form, const HostileScript *script);
