/* From the kernel's letters to options, one line each. */

#include "storage/storage_quirks.h"
#include "usb/usb_quirks.h"

#define TRANSFER_SIZE_240_SECTORS (120 * KIB)
#define TRANSFER_SIZE_64_SECTORS (32 * KIB)

static uint32_t get_refusals(uint32_t quirks) {
        static const struct {
                UsbQuirk quirk;
                ScsiRefusal refusal;
        } pairs[] = {
                { USB_QUIRK_NO_READ_DISC_INFO, SCSI_REFUSAL_DISC_INFORMATION },
                { USB_QUIRK_NO_READ_CAPACITY_16, SCSI_REFUSAL_CAPACITY_16 },
                { USB_QUIRK_NO_REPORT_OPCODES, SCSI_REFUSAL_OPERATION_CODES },
                { USB_QUIRK_NO_REPORT_LUNS, SCSI_REFUSAL_REPORT_LUNS },
                { USB_QUIRK_NO_SAME, SCSI_REFUSAL_WRITE_SAME },
                { USB_QUIRK_NOT_LOCKABLE, SCSI_REFUSAL_PREVENT_REMOVAL },
                { USB_QUIRK_NO_ATA_1X, SCSI_REFUSAL_ATA },
        };
        uint32_t refusals = 0;

        for (size_t i = 0; i < N_ELEMENTS(pairs); i++)
                if (quirks & pairs[i].quirk)
                        refusals |= pairs[i].refusal;
        return refusals;
}

static size_t get_transfer_size_max(uint32_t quirks) {
        if (quirks & USB_QUIRK_MAX_SECTORS_64)
                return TRANSFER_SIZE_64_SECTORS;
        return quirks & USB_QUIRK_MAX_SECTORS_240 ? TRANSFER_SIZE_240_SECTORS : 0;
}

static ScsiSenseLength get_sense_length(uint32_t quirks) {
        if (quirks & USB_QUIRK_BAD_SENSE)
                return SCSI_SENSE_LENGTH_SHORT;
        return quirks & USB_QUIRK_SANE_SENSE ? SCSI_SENSE_LENGTH_LONG : SCSI_SENSE_LENGTH_LEARNED;
}

static ScsiCapacityFix get_capacity_fix(uint32_t quirks) {
        if (quirks & USB_QUIRK_CAPACITY_OK)
                return SCSI_CAPACITY_FIX_NONE;
        if (quirks & USB_QUIRK_FIX_CAPACITY)
                return SCSI_CAPACITY_FIX_ONE_LESS;
        return quirks & USB_QUIRK_CAPACITY_HEURISTICS ? SCSI_CAPACITY_FIX_ONE_LESS_IF_ODD
                                                      : SCSI_CAPACITY_FIX_NONE;
}

void storage_quirks_init(StorageQuirks *ret, uint32_t quirks) {
        *ret = (StorageQuirks){
                .has_single_lun = quirks & USB_QUIRK_SINGLE_LUN,
                .ignores_uas = quirks & USB_QUIRK_IGNORE_UAS,
                .bot = {
                        .mode = BOT_MODE_AUTO,
                        .transfer_size_max = get_transfer_size_max(quirks),
                        .ignores_residue = quirks & USB_QUIRK_IGNORE_RESIDUE,
                },
                .processor = {
                        .refusals = get_refusals(quirks),
                        .sense_length = get_sense_length(quirks),
                },
                .bring_up = {
                        .capacity_fix = get_capacity_fix(quirks),
                        .repeats_first_read = quirks & USB_QUIRK_INITIAL_READ10,
                        .ignores_write_protection = quirks & USB_QUIRK_NO_WP_DETECT,
                        .assumes_write_cache = quirks & USB_QUIRK_WRITE_CACHE,
                        .has_write_cache_always = quirks & USB_QUIRK_ALWAYS_SYNC,
                },
        };
}

unsigned storage_quirks_filter_protocols(const StorageQuirks *quirks, unsigned protocols) {
        return quirks->ignores_uas ? protocols & ~(1U << USB_STORAGE_PROTOCOL_UAS) : protocols;
}
