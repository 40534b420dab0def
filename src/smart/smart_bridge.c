/* The kinds of bridges, which models are which, and the course of a run. */

#include "smart/smart_bridge.h"

#include <errno.h>

#include "base/macros.h"
#include "scsi/scsi_sense.h"
#include "smart/smart_bridge_ops.h"
#include "smart/smart_registers.h"

#define LOG_SIZE_MAX 4096
#define LOG_SIZE_MAX_REALTEK 512 /* more, and the rest is that of an earlier answer */
#define SELF_TEST_LOG 0x06
#define SELF_TEST_LOG_SIZE_MAX_JMICRON 0x218 /* more, and the controller hangs */
#define STATUS_COMMAND 0xB0
#define STATUS_FEATURE 0xDA

typedef struct KnownBridge {
        uint16_t vendor_id;
        uint16_t product_id;
        uint16_t device_bcd; /* ANY_BCD: all of them */
        SmartBridgeKind kind;
        bool is_sat_too;
        bool is_extended;
} KnownBridge;

#define ANY_BCD 0xFFFF
#define KIND(name) SMART_BRIDGE_KIND_##name

static const KnownBridge known_bridges[] = {
        /* vendor, product, bcdDevice, kind, SATA as well, 48 bits */
        { 0x04B4, 0x6830, ANY_BCD, KIND(CYPRESS), false, false },
        { 0x04FC, 0x0C15, ANY_BCD, KIND(SUNPLUS), false, false },
        { 0x04FC, 0x0C25, ANY_BCD, KIND(SUNPLUS), false, false },
        { 0x05AB, 0x0060, 0x1101, KIND(CYPRESS), false, false },
        { 0x0BDA, 0x9210, ANY_BCD, KIND(NVME_REALTEK), true, false },
        { 0x152D, 0x0581, ANY_BCD, KIND(NVME_JMICRON), true, false },
        { 0x152D, 0x0583, ANY_BCD, KIND(NVME_JMICRON), true, false },
        { 0x152D, 0x2329, 0x0100, KIND(JMICRON), false, false },
        { 0x152D, 0x2336, 0x0100, KIND(JMICRON), false, true },
        { 0x152D, 0x2338, 0x0100, KIND(JMICRON), false, false },
        { 0x152D, 0x2339, 0x0100, KIND(JMICRON), false, true },
        { 0x152D, 0x2352, 0x0100, KIND(JMICRON), false, true },
        { 0x174C, 0x2362, ANY_BCD, KIND(NVME_ASMEDIA), false, false },
        { 0x174C, 0x55AA, ANY_BCD, KIND(SAT_16), false, false },
};

static const SmartBridgeOps *get_ops(SmartBridgeKind kind) {
        switch (kind) {
        case SMART_BRIDGE_KIND_NONE:
                return NULL;
        case SMART_BRIDGE_KIND_SAT_16:
                return &smart_bridge_sat_16_ops;
        case SMART_BRIDGE_KIND_SAT_12:
                return &smart_bridge_sat_12_ops;
        case SMART_BRIDGE_KIND_JMICRON:
                return &smart_bridge_jmicron_ops;
        case SMART_BRIDGE_KIND_SUNPLUS:
                return &smart_bridge_sunplus_ops;
        case SMART_BRIDGE_KIND_CYPRESS:
                return &smart_bridge_cypress_ops;
        case SMART_BRIDGE_KIND_PROLIFIC:
                return &smart_bridge_prolific_ops;
        case SMART_BRIDGE_KIND_NVME_JMICRON:
                return &smart_bridge_nvme_jmicron_ops;
        case SMART_BRIDGE_KIND_NVME_ASMEDIA:
                return &smart_bridge_nvme_asmedia_ops;
        case SMART_BRIDGE_KIND_NVME_REALTEK:
                return &smart_bridge_nvme_realtek_ops;
        case _SMART_BRIDGE_KIND_MAX:
                break;
        }

        assert_not_reached();
}

const char *smart_bridge_kind_to_string(SmartBridgeKind kind) {
        const SmartBridgeOps *ops = get_ops(kind);

        return ops ? ops->name : "none";
}

bool smart_bridge_find(SmartBridge *ret, uint16_t vendor_id, uint16_t product_id,
                       uint16_t device_bcd) {
        for (size_t i = 0; i < N_ELEMENTS(known_bridges); i++) {
                const KnownBridge *known = &known_bridges[i];

                if (known->vendor_id != vendor_id || known->product_id != product_id ||
                    (known->device_bcd != ANY_BCD && known->device_bcd != device_bcd))
                        continue;
                smart_bridge_init(ret, known->kind);
                ret->is_sat_too = known->is_sat_too;
                ret->is_extended = known->is_extended;
                return true;
        }
        return false;
}

bool smart_bridge_keeps_state(const SmartBridge *bridge, const SmartRequest *request) {
        switch (bridge->kind) {
        case SMART_BRIDGE_KIND_SUNPLUS:
                return request->is_extended || request->needs_registers;
        case SMART_BRIDGE_KIND_CYPRESS:
        case SMART_BRIDGE_KIND_PROLIFIC:
                return request->needs_registers;
        case SMART_BRIDGE_KIND_NVME_JMICRON:
                return true;
        case SMART_BRIDGE_KIND_NONE:
        case SMART_BRIDGE_KIND_SAT_16:
        case SMART_BRIDGE_KIND_SAT_12:
        case SMART_BRIDGE_KIND_JMICRON: /* which port it is does not change */
        case SMART_BRIDGE_KIND_NVME_ASMEDIA:
        case SMART_BRIDGE_KIND_NVME_REALTEK:
                return false;
        case _SMART_BRIDGE_KIND_MAX:
                break;
        }

        assert_not_reached();
}

size_t smart_bridge_get_log_size_max(const SmartBridge *bridge, uint8_t log_page) {
        if (bridge->kind == SMART_BRIDGE_KIND_NVME_REALTEK)
                return LOG_SIZE_MAX_REALTEK;
        if (bridge->kind == SMART_BRIDGE_KIND_NVME_JMICRON && log_page == SELF_TEST_LOG)
                return SELF_TEST_LOG_SIZE_MAX_JMICRON;
        return LOG_SIZE_MAX;
}

int smart_bridge_get_sense_key(const SmartBridgeOutcome *outcome) {
        ScsiSense sense;

        if (!outcome->sense || scsi_sense_decode(&sense, outcome->sense, outcome->sense_size) < 0)
                return SMART_BRIDGE_NO_KEY;
        return sense.key;
}

SmartAnswer smart_bridge_judge(const SmartBridgeStep *step, const SmartBridgeOutcome *outcome) {
        int key;

        if (outcome->is_good)
                return outcome->actual_size < step->data_size ? SMART_ANSWER_TRUNCATED
                                                              : SMART_ANSWER_GOOD;
        key = smart_bridge_get_sense_key(outcome);
        if (key == SCSI_SENSE_KEY_ILLEGAL_REQUEST || key == SCSI_SENSE_KEY_ABORTED_COMMAND)
                return SMART_ANSWER_REFUSED;
        return SMART_ANSWER_LOST;
}

void smart_bridge_attach_data(const SmartBridgeRun *run, SmartBridgeStep *step) {
        step->direction = run->request.direction;
        step->data_size = run->request.data_size;
        step->is_request_data = step->data_size > 0;
}

void smart_bridge_attach_bytes(SmartBridgeStep *step, size_t size) {
        assert(size <= SMART_BRIDGE_BYTES_SIZE);

        step->direction = TRANSPORT_DIRECTION_IN;
        step->data_size = size;
        step->is_request_data = false;
}

void smart_bridge_set_registers(SmartBridgeRun *run, const SmartAtaRegisters *registers) {
        run->has_registers = true;
        run->registers = *registers;
}

SmartAnswer smart_bridge_judge_registers(const SmartBridgeRun *run) {
        return run->registers.status & SMART_REGISTERS_ERROR ? SMART_ANSWER_REFUSED
                                                             : SMART_ANSWER_GOOD;
}

bool smart_bridge_wants_smart_status(const SmartRequest *request) {
        return request->needs_registers && request->command == STATUS_COMMAND &&
               request->features == STATUS_FEATURE;
}

int smart_bridge_run_init(SmartBridgeRun *run, const SmartBridge *bridge,
                          const SmartRequest *request) {
        const SmartBridgeOps *ops = get_ops(bridge->kind);

        assert((request->direction == TRANSPORT_DIRECTION_NONE) == (request->data_size == 0));
        assert(!request->needs_registers || request->data_size == 0);
        assert(request->is_nvme || request->data_size == 0 ||
               request->data_size == (size_t) request->count * SMART_ATA_SECTOR_SIZE);

        if (!ops || request->is_nvme != smart_bridge_is_nvme(bridge) ||
            !ops->carries(bridge, request))
                return -EOPNOTSUPP;
        *run = (SmartBridgeRun){ .bridge = *bridge, .request = *request };
        return 0;
}

bool smart_bridge_run_get_step(SmartBridgeRun *run, SmartBridgeStep *ret) {
        if (run->is_done)
                return false;
        *ret = (SmartBridgeStep){ 0 };
        return get_ops(run->bridge.kind)->build(run, ret);
}

void smart_bridge_run_take(SmartBridgeRun *run, const SmartBridgeOutcome *outcome) {
        const SmartBridgeOps *ops = get_ops(run->bridge.kind);
        SmartBridgeStep step = { 0 };
        bool has_step;

        assert(!run->is_done);

        has_step = ops->build(run, &step);
        assert(has_step);
        run->answer = ops->take(run, &step, outcome);
        run->step++;
        run->is_done = run->answer != SMART_ANSWER_GOOD ||
                       !ops->build(run, &(SmartBridgeStep){ 0 });
}
