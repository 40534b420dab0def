#pragma once

/*
 * BotTransport
 *
 * USB Mass Storage Class, Bulk-Only Transport 1.0. One command at a time for the whole device.
 *
 * The transfers of a command are either queued together (pipelined: less latency) or one after the
 * other's completion (by phase: some devices break on an IN that is queued before their CBW is
 * done). AUTO starts by phase and tries pipelining on harmless commands; an anomaly falls back for
 * good and is told by bot_transport_get_mode().
 *
 * Outcomes where the specification leaves a choice:
 *
 *  - ERROR, TIMED_OUT and CANCELLED leave the transport broken until recover() succeeds; so does a
 *    recover() that fails. A phase error is an ERROR.
 *  - Too much data (babble) with a proper CSW is FAILED with an actual size of 0, else ERROR.
 *  - A CSW in place of the data counts as that, with an actual size of 0, and is wiped from the
 *    buffer.
 *  - The actual size is what came less what the residue says is missing. A residue beyond the
 *    request is ignored; all are, once a short answer that came whole was said to be missing.
 *  - NO_MEMORY only if nothing was sent; later that is an ERROR.
 */

#include "transport/transport.h"
#include "usb/usb_storage_device.h"

typedef enum BotMode {
        BOT_MODE_AUTO, /* not decided */
        BOT_MODE_BY_PHASE,
        BOT_MODE_PIPELINED,
        _BOT_MODE_MAX,
} BotMode;

typedef struct BotOptions {
        BotMode mode;
        /* With AUTO: what was decided for this device before; AUTO: nothing. It is not tried out again,
         * and an anomaly decides anew. */
        BotMode known_mode;
        size_t transfer_size_max; /* 0: by speed */
        bool is_serial;           /* nothing is pipelined, whatever was decided */
        bool ignores_residue;     /* what came counts, whatever the CSW says is missing */
} BotOptions;

/* `device` and `storage_device` are borrowed, and copied, respectively. -errno. */
int bot_transport_new(Transport **ret, UsbDevice *device, const UsbStorageDevice *storage_device,
                      const BotOptions *options);
/* From the next command on. */
void bot_transport_set_serial(Transport *transport, bool is_serial);
/* What was decided so far. */
BotMode bot_transport_get_mode(const Transport *transport);
const char *bot_mode_to_string(BotMode mode);
