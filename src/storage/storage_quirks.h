#pragma once

/*
 * StorageQuirks
 *
 * What the quirks of a device mean to each layer of its stack: its options. Plain data, a pure
 * function of the quirks. USB_QUIRK_IGNORE_DEVICE is the manager's, which does not take such a one.
 */

#include "power/power_manager.h"
#include "scsi/scsi_bring_up.h"
#include "scsi/scsi_processor.h"
#include "scsi/scsi_refusal.h"
#include "transport/bot_transport.h"

typedef struct StorageQuirks {
        bool has_single_lun; /* the device is not asked how many it has */
        bool ignores_uas;
        bool avoids_uas; /* where there is another way */
        BotOptions bot;
        ScsiProcessorOptions processor;
        ScsiBringUpOptions bring_up;
        PowerTraits power;
} StorageQuirks;

/* `quirks`: UsbQuirk. */
void storage_quirks_init(StorageQuirks *ret, uint32_t quirks);
/* Of a mask of 1 << UsbStorageProtocol those that may be used. */
unsigned storage_quirks_filter_protocols(const StorageQuirks *quirks, unsigned protocols);
