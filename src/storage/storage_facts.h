#pragma once

/*
 * StorageFacts
 *
 * What is known of the device from earlier workers and from this one: which options that means to
 * each layer of its stack, what the layers have learned since, and when somebody is to be told. What
 * quirks decide is neither changed nor learned. Plain data, no waiting. Private to storage.
 */

#include "block/lun.h"
#include "storage/storage_quirks.h"
#include "storage/storage_stack.h"
#include "usb/usb_learned_facts.h"

/* What was learned is looked for after so long, then after pauses that double. */
#define STORAGE_FACTS_PAUSE_MIN_NS (10 * NS_PER_S)
#define STORAGE_FACTS_PAUSE_MAX_NS (640 * NS_PER_S)

typedef struct StorageFacts {
        uint32_t quirks; /* UsbQuirk */
        UsbLearnedFacts known;
        UsbLearnedFacts told; /* as others know them */
        uint64_t pause_ns;
        uint64_t next_ns;
} StorageFacts;

/* `known` NULL: nothing. `quirks`: UsbQuirk. */
void storage_facts_init(StorageFacts *facts, uint32_t quirks, const UsbLearnedFacts *known);
/* Sets the options for which the quirks leave the choice; before each stack is made. */
void storage_facts_apply(const StorageFacts *facts, StorageQuirks *options);
/* Likewise of a look at a unit. */
void storage_facts_apply_to_look(const StorageFacts *facts, unsigned lun,
                                 ScsiBringUpOptions *options);
/* What may be said of the unit that bring-up has found: nothing unless it is the one that it was. */
LunFacts storage_facts_get_unit(const StorageFacts *facts, unsigned lun, const ScsiDisk *disk);

/* The device offers UAS, and has shown that it does not bear it; it does bear Bulk-Only. From the next
 * storage_facts_apply() on, and for all workers to come, UAS is avoided. */
void storage_facts_set_uas_unreliable(StorageFacts *facts);
/* The device broke over being asked for its drive's health: it is not asked any more. */
void storage_facts_set_no_smart(StorageFacts *facts);
void storage_facts_learn_stack(StorageFacts *facts, const StorageStackFacts *learned);
/*
 * What bring-up learned. `is_ready`: all of the unit is known. True: what was known was another
 * unit's, and is forgotten, but this one was looked at by it: it is to be looked at again.
 */
bool storage_facts_learn_disk(StorageFacts *facts, unsigned lun, const ScsiDisk *disk,
                              bool is_ready);
/* Of the unit that bring-up found last. */
void storage_facts_learn_unit(StorageFacts *facts, unsigned lun, const LunFacts *learned);

/* Whether there is something to tell; it counts as told then. */
bool storage_facts_take_news(StorageFacts *facts);
/* Plans the next time to look for what was learned. */
void storage_facts_plan(StorageFacts *facts, uint64_t now_ns);
