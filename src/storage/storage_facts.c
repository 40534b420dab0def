/*
 * From facts to options, and from what the layers have learned to facts. A unit's facts are of use
 * for it alone, and a bridge or a reader does not tell by its USB identity what is in it: so they
 * carry a sum of what the unit says of itself.
 */

#include "storage/storage_facts.h"

#include <string.h>

#include "usb/usb_quirks.h"

#define FNV_OFFSET UINT64_C(0xCBF29CE484222325)
#define FNV_PRIME UINT64_C(0x100000001B3)

static_assert(USB_LEARNED_UNITS_MAX >= SCSI_PROCESSOR_LUNS_MAX, "each LUN has its facts");

void storage_facts_init(StorageFacts *facts, uint32_t quirks, const UsbLearnedFacts *known) {
        *facts = (StorageFacts){
                .quirks = quirks,
                .pause_ns = STORAGE_FACTS_PAUSE_MIN_NS,
                .next_ns = UINT64_MAX,
        };
        if (known)
                facts->known = facts->told = *known;
}

static void set_fact(uint32_t *facts, uint32_t fact, bool is_set) {
        *facts = is_set ? *facts | fact : *facts & ~fact;
}

/* Of two that exclude each other. */
static void set_either(uint32_t *facts, uint32_t fact, uint32_t opposite) {
        *facts = (*facts & ~opposite) | fact;
}

/* To options */

static BotMode get_bot_mode(uint32_t known) {
        if (known & USB_FACT_BY_PHASE)
                return BOT_MODE_BY_PHASE;
        return known & USB_FACT_PIPELINED ? BOT_MODE_PIPELINED : BOT_MODE_AUTO;
}

static ScsiSenseLength get_sense_length(uint32_t known) {
        if (known & USB_FACT_SHORT_SENSE)
                return SCSI_SENSE_LENGTH_SHORT;
        return known & USB_FACT_LONG_SENSE ? SCSI_SENSE_LENGTH_LONG : SCSI_SENSE_LENGTH_LEARNED;
}

static bool has_sense_quirk(const StorageFacts *facts) {
        return facts->quirks & (USB_QUIRK_BAD_SENSE | USB_QUIRK_SANE_SENSE);
}

void storage_facts_apply(const StorageFacts *facts, StorageQuirks *options) {
        uint32_t known = facts->known.facts;

        options->avoids_uas = known & USB_FACT_UAS_UNRELIABLE;
        options->power = (PowerTraits){
                .avoids_standby = known & USB_FACT_NO_STANDBY,
                .avoids_suspend = known & USB_FACT_NO_SUSPEND,
        };
        options->bot.known_mode = get_bot_mode(known);
        if (!(facts->quirks & USB_QUIRK_NO_REPORT_LUNS))
                set_fact(&options->processor.refusals, SCSI_REFUSAL_REPORT_LUNS,
                         known & USB_FACT_NO_REPORT_LUNS);
        if (!has_sense_quirk(facts))
                options->processor.sense_length = get_sense_length(known);
}

void storage_facts_apply_to_look(const StorageFacts *facts, unsigned lun,
                                 ScsiBringUpOptions *options) {
        uint32_t known = facts->known.units[lun].facts;

        options->avoids_capacity_16 = known & USB_UNIT_FACT_NO_CAPACITY_16;
        options->prefers_mode_sense_10 = known & USB_UNIT_FACT_MODE_SENSE_10;
        options->asks_no_events = known & USB_UNIT_FACT_NO_EVENTS;
}

/* FNV-1a, with the terminator, so that what one string lacks is not the next one's. */
static uint64_t add_text(uint64_t sum, const char *text) {
        do
                sum = (sum ^ (uint8_t) *text) * FNV_PRIME;
        while (*text++ != '\0');
        return sum;
}

static uint64_t add_number(uint64_t sum, uint64_t number) {
        for (unsigned shift = 0; shift < 64; shift += 8)
                sum = (sum ^ (number >> shift & 0xFF)) * FNV_PRIME;
        return sum;
}

/* Of removable media it is the drive that is known. Never 0. */
static uint64_t get_identity(const ScsiDisk *disk) {
        uint64_t sum = FNV_OFFSET;

        sum = add_text(sum, disk->vendor);
        sum = add_text(sum, disk->product);
        sum = add_text(sum, disk->revision);
        sum = add_text(sum, disk->serial);
        sum = add_text(sum, disk->identifier);
        sum = add_number(sum, disk->is_removable ? 0 : disk->n_blocks);
        sum = add_number(sum, disk->is_removable ? 0 : disk->block_size);
        return MAX(sum, UINT64_C(1));
}

/* UNMAP on one medium proves nothing of another in the same drive. */
LunFacts storage_facts_get_unit(const StorageFacts *facts, unsigned lun, const ScsiDisk *disk) {
        const UsbLearnedUnit *unit = &facts->known.units[lun];

        if (unit->identity != get_identity(disk))
                return (LunFacts){ 0 };
        return (LunFacts){
                .has_no_synchronize = unit->facts & USB_UNIT_FACT_NO_SYNCHRONIZE,
                .is_unmap_proven =
                                (unit->facts & USB_UNIT_FACT_UNMAP_PROVEN) && !disk->is_removable,
                .is_unmap_refused = unit->facts & USB_UNIT_FACT_UNMAP_REFUSED,
                .transfer_size = unit->transfer_size,
        };
}

/* From what was learned */

void storage_facts_set_uas_unreliable(StorageFacts *facts) {
        facts->known.facts |= USB_FACT_UAS_UNRELIABLE;
}

void storage_facts_set_no_smart(StorageFacts *facts) { facts->known.facts |= USB_FACT_NO_SMART; }

void storage_facts_learn_stack(StorageFacts *facts, const StorageStackFacts *learned) {
        uint32_t *known = &facts->known.facts;

        if (learned->has_given_up_uas)
                storage_facts_set_uas_unreliable(facts);
        if (learned->lacks_report_luns && !(facts->quirks & USB_QUIRK_NO_REPORT_LUNS))
                *known |= USB_FACT_NO_REPORT_LUNS;
        if (learned->bot_mode == BOT_MODE_PIPELINED)
                set_either(known, USB_FACT_PIPELINED, USB_FACT_BY_PHASE);
        else if (learned->bot_mode == BOT_MODE_BY_PHASE)
                set_either(known, USB_FACT_BY_PHASE, USB_FACT_PIPELINED);
        if (learned->power.avoids_standby)
                *known |= USB_FACT_NO_STANDBY;
        if (learned->power.avoids_suspend)
                *known |= USB_FACT_NO_SUSPEND;
        if (has_sense_quirk(facts))
                return;
        if (learned->sense_length == SCSI_SENSE_LENGTH_SHORT)
                set_either(known, USB_FACT_SHORT_SENSE, USB_FACT_LONG_SENSE);
        else if (learned->sense_length == SCSI_SENSE_LENGTH_LONG)
                set_either(known, USB_FACT_LONG_SENSE, USB_FACT_SHORT_SENSE);
}

bool storage_facts_learn_disk(StorageFacts *facts, unsigned lun, const ScsiDisk *disk,
                              bool is_ready) {
        UsbLearnedUnit *unit = &facts->known.units[lun];
        uint64_t identity = is_ready ? get_identity(disk) : unit->identity;
        bool was_misled = unit->identity != 0 && unit->identity != identity &&
                          (unit->facts & USB_UNIT_FACTS_ANONYMOUS) != 0;

        if (unit->identity != 0 && unit->identity != identity)
                *unit = (UsbLearnedUnit){ 0 };
        if (was_misled)
                return true;
        unit->identity = identity;
        if (!(facts->quirks & USB_QUIRK_NO_READ_CAPACITY_16) &&
            (is_ready || disk->lacks_capacity_16))
                set_fact(&unit->facts, USB_UNIT_FACT_NO_CAPACITY_16, disk->lacks_capacity_16);
        if (is_ready)
                set_fact(&unit->facts, USB_UNIT_FACT_MODE_SENSE_10, disk->has_mode_sense_10);
        if (is_ready || disk->lacks_events)
                set_fact(&unit->facts, USB_UNIT_FACT_NO_EVENTS, disk->lacks_events);
        return false;
}

void storage_facts_learn_unit(StorageFacts *facts, unsigned lun, const LunFacts *learned) {
        UsbLearnedUnit *unit = &facts->known.units[lun];

        if (unit->identity == 0)
                return;
        set_fact(&unit->facts, USB_UNIT_FACT_NO_SYNCHRONIZE, learned->has_no_synchronize);
        unit->transfer_size = 0;
        if (learned->transfer_size > 0)
                unit->transfer_size = (uint32_t) MIN(MAX((uint64_t) learned->transfer_size,
                                                         USB_LEARNED_TRANSFER_SIZE_MIN),
                                                     USB_LEARNED_TRANSFER_SIZE_MAX);
        /* With the quirk, a trial is refused by ourselves. */
        if (facts->quirks & USB_QUIRK_NO_SAME)
                return;
        if (learned->is_unmap_refused)
                set_either(&unit->facts, USB_UNIT_FACT_UNMAP_REFUSED, USB_UNIT_FACT_UNMAP_PROVEN);
        else if (learned->is_unmap_proven)
                set_either(&unit->facts, USB_UNIT_FACT_UNMAP_PROVEN, USB_UNIT_FACT_UNMAP_REFUSED);
}

bool storage_facts_take_news(StorageFacts *facts) {
        if (usb_learned_facts_is_equal(&facts->known, &facts->told))
                return false;
        assert(usb_learned_facts_is_valid(&facts->known));
        facts->told = facts->known;
        return true;
}

void storage_facts_plan(StorageFacts *facts, uint64_t now_ns) {
        facts->next_ns = now_ns + facts->pause_ns;
        facts->pause_ns = MIN(2 * facts->pause_ns, STORAGE_FACTS_PAUSE_MAX_NS);
}
