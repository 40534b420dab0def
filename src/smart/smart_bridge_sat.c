/* SAT-3, 12.2: ATA PASS-THROUGH(16) and (12). The registers come back in sense data, if they do. */

#include "base/bytes.h"
#include "base/macros.h"
#include "scsi/scsi_sense.h"
#include "smart/smart_bridge_ops.h"
#include "smart/smart_registers.h"

#define PROTOCOL_NO_DATA 3
#define PROTOCOL_PIO_IN 4
#define PROTOCOL_PIO_OUT 5
#define EXTEND 0x01

#define CHECK_CONDITION 0x20 /* the registers are wanted */
#define DIRECTION_IN 0x08
#define LENGTH_IN_BLOCKS 0x04
#define LENGTH_IS_COUNT 0x02

static uint8_t get_protocol(const SmartRequest *request) {
        switch (request->direction) {
        case TRANSPORT_DIRECTION_NONE:
                return PROTOCOL_NO_DATA;
        case TRANSPORT_DIRECTION_IN:
                return PROTOCOL_PIO_IN;
        case TRANSPORT_DIRECTION_OUT:
                return PROTOCOL_PIO_OUT;
        }

        assert_not_reached();
}

/* The registers are asked for only where they are the answer: many bridges report each such command
   as a failure. */
static uint8_t get_flags(const SmartRequest *request) {
        uint8_t flags = request->needs_registers ? CHECK_CONDITION : 0;

        if (request->data_size > 0)
                flags |= LENGTH_IN_BLOCKS | LENGTH_IS_COUNT;
        if (request->direction == TRANSPORT_DIRECTION_IN)
                flags |= DIRECTION_IN;
        return flags;
}

static bool carries_all(const SmartBridge *bridge, const SmartRequest *request) { return true; }

static bool carries_28_bits(const SmartBridge *bridge, const SmartRequest *request) {
        return !request->is_extended;
}

static bool build_16(SmartBridgeRun *run, SmartBridgeStep *step) {
        const SmartRequest *request = &run->request;
        uint8_t *cdb = step->cdb;

        if (run->step > 0)
                return false;
        step->cdb_size = 16;
        cdb[0] = SCSI_OPCODE_ATA_PASS_THROUGH_16;
        cdb[1] = (uint8_t) (get_protocol(request) << 1 | (request->is_extended ? EXTEND : 0));
        cdb[2] = get_flags(request);
        put_be16(cdb + 3, request->features);
        put_be16(cdb + 5, request->count);
        for (size_t i = 0; i < 3; i++) {
                cdb[7 + 2 * i] = (uint8_t) (request->lba >> 8 * (i + 3));
                cdb[8 + 2 * i] = (uint8_t) (request->lba >> 8 * i);
        }
        if (!request->is_extended)
                cdb[3] = cdb[5] = cdb[7] = cdb[9] = cdb[11] = 0;
        cdb[13] = request->device;
        cdb[14] = request->command;
        smart_bridge_attach_data(run, step);
        return true;
}

static bool build_12(SmartBridgeRun *run, SmartBridgeStep *step) {
        const SmartRequest *request = &run->request;
        uint8_t *cdb = step->cdb;

        if (run->step > 0)
                return false;
        step->cdb_size = 12;
        cdb[0] = SCSI_OPCODE_ATA_PASS_THROUGH_12;
        cdb[1] = (uint8_t) (get_protocol(request) << 1);
        cdb[2] = get_flags(request);
        cdb[3] = (uint8_t) request->features;
        cdb[4] = (uint8_t) request->count;
        for (size_t i = 0; i < 3; i++)
                cdb[5 + i] = (uint8_t) (request->lba >> 8 * i);
        cdb[8] = request->device;
        cdb[9] = request->command;
        smart_bridge_attach_data(run, step);
        return true;
}

/* No sense, or a recovered error: that is how registers come. */
static bool is_harmless(int key) {
        return key == SCSI_SENSE_KEY_NO_SENSE || key == SCSI_SENSE_KEY_RECOVERED_ERROR;
}

static SmartAnswer take(SmartBridgeRun *run, const SmartBridgeStep *step,
                        const SmartBridgeOutcome *outcome) {
        SmartAtaRegisters registers;
        bool has_registers = outcome->sense &&
                             smart_registers_parse(&registers, outcome->sense, outcome->sense_size);
        int key = smart_bridge_get_sense_key(outcome);

        if (has_registers) {
                smart_bridge_set_registers(run, &registers);
                if (smart_bridge_judge_registers(run) != SMART_ANSWER_GOOD)
                        return SMART_ANSWER_REFUSED;
                /* A drive that has done it, whatever key the bridge has made up. */
                if (!outcome->is_good && !smart_registers_are_good(&registers) && !is_harmless(key))
                        return smart_bridge_judge(step, outcome);
        } else if (!outcome->is_good && !is_harmless(key)) {
                return smart_bridge_judge(step, outcome);
        }
        if (run->request.needs_registers)
                return has_registers ? SMART_ANSWER_GOOD : SMART_ANSWER_LOST;
        return outcome->actual_size < step->data_size ? SMART_ANSWER_TRUNCATED : SMART_ANSWER_GOOD;
}

const SmartBridgeOps smart_bridge_sat_16_ops = {
        .name = "sat",
        .carries = carries_all,
        .build = build_16,
        .take = take,
};

const SmartBridgeOps smart_bridge_sat_12_ops = {
        .name = "sat,12",
        .carries = carries_28_bits,
        .build = build_12,
        .take = take,
};
