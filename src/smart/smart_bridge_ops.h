#pragma once

/* What a kind of bridge is made of, and what several kinds have in common. */

#include "smart/smart_bridge.h"

typedef struct SmartBridgeOps {
        const char *name;
        /* Mandatory. Whether it can carry that. */
        bool (*carries)(const SmartBridge *bridge, const SmartRequest *request);
        /* Mandatory. The step run->step, the same one each time; false: there are no more. */
        bool (*build)(SmartBridgeRun *run, SmartBridgeStep *step);
        /* Mandatory. What came of that step; other than GOOD ends the run. */
        SmartAnswer (*take)(SmartBridgeRun *run, const SmartBridgeStep *step,
                            const SmartBridgeOutcome *outcome);
} SmartBridgeOps;

extern const SmartBridgeOps smart_bridge_sat_16_ops;
extern const SmartBridgeOps smart_bridge_sat_12_ops;
extern const SmartBridgeOps smart_bridge_jmicron_ops;
extern const SmartBridgeOps smart_bridge_sunplus_ops;
extern const SmartBridgeOps smart_bridge_cypress_ops;
extern const SmartBridgeOps smart_bridge_prolific_ops;
extern const SmartBridgeOps smart_bridge_nvme_jmicron_ops;
extern const SmartBridgeOps smart_bridge_nvme_asmedia_ops;
extern const SmartBridgeOps smart_bridge_nvme_realtek_ops;

#define SMART_BRIDGE_NO_KEY (-1)

/* -1: there is no sense. */
int smart_bridge_get_sense_key(const SmartBridgeOutcome *outcome);
/* A step that should end with GOOD and all its data. */
SmartAnswer smart_bridge_judge(const SmartBridgeStep *step, const SmartBridgeOutcome *outcome);
/* The step carries the request's data. */
void smart_bridge_attach_data(const SmartBridgeRun *run, SmartBridgeStep *step);
/* The step reads into the run's own bytes. */
void smart_bridge_attach_bytes(SmartBridgeStep *step, size_t size);
void smart_bridge_set_registers(SmartBridgeRun *run, const SmartAtaRegisters *registers);
/* Registers that came: GOOD, or the drive refused the command. */
SmartAnswer smart_bridge_judge_registers(const SmartBridgeRun *run);
bool smart_bridge_wants_smart_status(const SmartRequest *request);
