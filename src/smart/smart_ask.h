#pragma once

/*
 * SmartAsk
 *
 * All that each kind of drive is asked for, section by section, into `data`. What does not come is
 * noted there; whether the dialogue has ended is for the caller to see.
 */

#include "smart/smart_dialogue.h"

typedef enum SmartPower {
        SMART_POWER_UNKNOWN,
        SMART_POWER_AWAKE,
        SMART_POWER_ASLEEP, /* what it is asked may have to wake it */
} SmartPower;

/* A way through which registers do not come once is not asked for them again. */
typedef struct SmartAtaWay {
        SmartBridge *bridge;   /* borrowed */
        bool *lacks_registers; /* borrowed */
} SmartAtaWay;

SmartPower smart_ask_ata_power(SmartDialogue *dialogue, const SmartAtaWay *way);
SmartAnswer smart_ask_ata_identity(SmartDialogue *dialogue, SmartBridge *bridge, SmartData *data);
/* All but the identity, which has come before. */
void smart_ask_ata(SmartDialogue *dialogue, const SmartAtaWay *way, SmartData *data);
/* GOOD: it begins, or is aborted (`is_abort`). */
SmartAnswer smart_ask_ata_test(SmartDialogue *dialogue, SmartBridge *bridge, SmartSelfTestKind kind,
                               bool is_abort);

SmartAnswer smart_ask_nvme_identity(SmartDialogue *dialogue, SmartBridge *bridge, SmartData *data);
void smart_ask_nvme(SmartDialogue *dialogue, SmartBridge *bridge, SmartData *data);
SmartAnswer smart_ask_nvme_test(SmartDialogue *dialogue, SmartBridge *bridge,
                                SmartSelfTestKind kind, bool is_abort);

SmartPower smart_ask_scsi_power(SmartDialogue *dialogue);
/* Which pages there are. True: there is one that tells of its health. */
bool smart_ask_scsi_list(SmartDialogue *dialogue, SmartData *data);
void smart_ask_scsi(SmartDialogue *dialogue, SmartData *data);
SmartAnswer smart_ask_scsi_test(SmartDialogue *dialogue, SmartSelfTestKind kind, bool is_abort);
