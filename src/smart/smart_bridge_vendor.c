/*
 * What makers of bridges for ATA had before SAT, or beside it. None has more than one way to give
 * the registers back, and that is a command of its own: the registers of the last command, whoever
 * sent it.
 */

#include "base/bytes.h"
#include "base/macros.h"
#include "scsi/scsi_sense.h"
#include "smart/smart_bridge_ops.h"

#define DEVICE_BITS 0xA0 /* obsolete bits that are always set */
#define DEVICE_BITS_PORT_1 0xB0

#define JMICRON 0xDF
#define JMICRON_IN 0x10
#define JMICRON_READ_BYTES 0xFD /* as the ATA command */
#define JMICRON_PORTS_ADDRESS 0x720F
#define JMICRON_PORT_0 0x04
#define JMICRON_PORT_1 0x40
#define JMICRON_DATA_SIZE_MAX UINT16_MAX
#define JMICRON_STATUS_GOOD 0xC2
#define JMICRON_STATUS_FAILING 0x2C
#define LBA_GOOD 0xC24F00
#define LBA_FAILING 0x2CF400

#define SUNPLUS 0xF8
#define SUNPLUS_READ_REGISTERS 0x21
#define SUNPLUS_COMMAND 0x22
#define SUNPLUS_PRESET 0x23
#define SUNPLUS_IN 0x10
#define SUNPLUS_OUT 0x11
#define SUNPLUS_DATA_SIZE_MAX (255 * SMART_ATA_SECTOR_SIZE)

#define CYPRESS_ATACB 0x24
#define CYPRESS_IDENTIFY 0x80
#define CYPRESS_READ_REGISTERS 0x01
#define CYPRESS_REGISTERS 0xBE /* those that the command sets; not device and alternate status */
#define IDENTIFY_DEVICE 0xEC
#define IDENTIFY_PACKET_DEVICE 0xA1

#define PROLIFIC 0xD8
#define PROLIFIC_READ_REGISTERS 0xD7
#define PROLIFIC_OUT 0x05
#define PROLIFIC_IN_OR_NONE 0x15
#define PROLIFIC_VENDOR 0x067B

#define REGISTERS_SIZE 8
#define REGISTERS_SIZE_PROLIFIC 16

static void put_registers(uint8_t *cdb, const SmartRequest *request) {
        cdb[0] = (uint8_t) request->features;
        cdb[1] = (uint8_t) request->count;
        for (size_t i = 0; i < 3; i++)
                cdb[2 + i] = (uint8_t) (request->lba >> 8 * i);
}

/* Nothing that a bridge without the upper halves would lose. */
static bool is_low(const SmartRequest *request) {
        return request->features <= UINT8_MAX && request->count <= UINT8_MAX &&
               request->lba <= 0xFFFFFF;
}

static bool carries_28_bits(const SmartRequest *request) {
        return !request->is_extended && is_low(request);
}

static bool jmicron_carries(const SmartBridge *bridge, const SmartRequest *request) {
        if (request->needs_registers && !smart_bridge_wants_smart_status(request))
                return false; /* their addresses differ from chip to chip */
        return is_low(request) && (!request->is_extended || bridge->is_extended) &&
               request->data_size <= JMICRON_DATA_SIZE_MAX;
}

static void jmicron_begin(const SmartBridgeRun *run, SmartBridgeStep *step) {
        step->cdb_size = run->bridge.is_prolific ? 14 : 12;
        step->cdb[0] = JMICRON;
        if (run->bridge.is_prolific)
                put_be16(step->cdb + 12, PROLIFIC_VENDOR);
}

/* Which port has a drive. */
static void jmicron_build_ports(const SmartBridgeRun *run, SmartBridgeStep *step) {
        jmicron_begin(run, step);
        smart_bridge_attach_bytes(step, 1);
        step->cdb[1] = JMICRON_IN;
        put_be16(step->cdb + 3, 1);
        put_be16(step->cdb + 6, JMICRON_PORTS_ADDRESS);
        step->cdb[11] = JMICRON_READ_BYTES;
}

static void jmicron_build_command(const SmartBridgeRun *run, SmartBridgeStep *step) {
        const SmartRequest *request = &run->request;

        jmicron_begin(run, step);
        if (smart_bridge_wants_smart_status(request))
                smart_bridge_attach_bytes(step, 1);
        else
                smart_bridge_attach_data(run, step);
        step->cdb[1] = request->direction == TRANSPORT_DIRECTION_OUT ? 0 : JMICRON_IN;
        put_be16(step->cdb + 3, (uint16_t) step->data_size);
        put_registers(step->cdb + 5, request);
        step->cdb[10] = request->device |
                        (run->bridge.port == 1 ? DEVICE_BITS_PORT_1 : DEVICE_BITS);
        step->cdb[11] = request->command;
}

/* Step 0 finds the port, unless it is known. */
static bool jmicron_build(SmartBridgeRun *run, SmartBridgeStep *step) {
        if (run->step == 0 && run->bridge.port != SMART_BRIDGE_PORT_UNKNOWN)
                run->step = 1;
        switch (run->step) {
        case 0:
                jmicron_build_ports(run, step);
                return true;
        case 1:
                jmicron_build_command(run, step);
                return true;
        default:
                return false;
        }
}

/* Two drives at once are two disks behind one address: which one is meant is not for us to guess. */
static SmartAnswer jmicron_take_ports(SmartBridgeRun *run) {
        switch (run->bytes[0] & (JMICRON_PORT_0 | JMICRON_PORT_1)) {
        case JMICRON_PORT_0:
                run->bridge.port = 0;
                return SMART_ANSWER_GOOD;
        case JMICRON_PORT_1:
                run->bridge.port = 1;
                return SMART_ANSWER_GOOD;
        default:
                return SMART_ANSWER_REFUSED;
        }
}

/* One byte, which some chips always fill with the same value. */
static SmartAnswer jmicron_take_status(SmartBridgeRun *run) {
        switch (run->bytes[0]) {
        case JMICRON_STATUS_GOOD:
                smart_bridge_set_registers(run, &(SmartAtaRegisters){ .lba = LBA_GOOD });
                return SMART_ANSWER_GOOD;
        case JMICRON_STATUS_FAILING:
                smart_bridge_set_registers(run, &(SmartAtaRegisters){ .lba = LBA_FAILING });
                return SMART_ANSWER_GOOD;
        default:
                return SMART_ANSWER_LOST;
        }
}

static SmartAnswer jmicron_take(SmartBridgeRun *run, const SmartBridgeStep *step,
                                const SmartBridgeOutcome *outcome) {
        bool is_status = run->step == 1 && smart_bridge_wants_smart_status(&run->request);
        SmartAnswer answer = smart_bridge_judge(step, outcome);

        if (is_status && answer == SMART_ANSWER_TRUNCATED)
                return SMART_ANSWER_LOST;
        if (answer != SMART_ANSWER_GOOD)
                return answer;
        if (run->step == 0)
                return jmicron_take_ports(run);
        return is_status ? jmicron_take_status(run) : SMART_ANSWER_GOOD;
}

const SmartBridgeOps smart_bridge_jmicron_ops = {
        .name = "usbjmicron",
        .carries = jmicron_carries,
        .build = jmicron_build,
        .take = jmicron_take,
};

static bool sunplus_carries(const SmartBridge *bridge, const SmartRequest *request) {
        return request->data_size <= SUNPLUS_DATA_SIZE_MAX &&
               (request->is_extended || is_low(request));
}

static void sunplus_begin(SmartBridgeStep *step, uint8_t what) {
        step->cdb_size = 12;
        step->cdb[0] = SUNPLUS;
        step->cdb[2] = what;
}

static void sunplus_build_command(const SmartBridgeRun *run, SmartBridgeStep *step) {
        const SmartRequest *request = &run->request;

        sunplus_begin(step, SUNPLUS_COMMAND);
        smart_bridge_attach_data(run, step);
        if (request->direction == TRANSPORT_DIRECTION_IN)
                step->cdb[3] = SUNPLUS_IN;
        else if (request->direction == TRANSPORT_DIRECTION_OUT)
                step->cdb[3] = SUNPLUS_OUT;
        step->cdb[4] = (uint8_t) (request->data_size / SMART_ATA_SECTOR_SIZE);
        put_registers(step->cdb + 5, request);
        step->cdb[10] = request->device | DEVICE_BITS;
        step->cdb[11] = request->command;
}

static void sunplus_build_preset(const SmartBridgeRun *run, SmartBridgeStep *step) {
        const SmartRequest *request = &run->request;
        SmartRequest upper = {
                .features = request->features >> 8,
                .count = request->count >> 8,
                .lba = request->lba >> 24,
        };

        sunplus_begin(step, SUNPLUS_PRESET);
        put_registers(step->cdb + 5, &upper);
}

/* Step 0 sets the upper halves, 1 sends the command, 2 reads the registers. */
static bool sunplus_build(SmartBridgeRun *run, SmartBridgeStep *step) {
        if (run->step == 0 && !run->request.is_extended)
                run->step = 1;
        if (run->step == 0) {
                sunplus_build_preset(run, step);
                return true;
        }
        if (run->step == 1) {
                sunplus_build_command(run, step);
                return true;
        }
        if (run->step > 2 || !run->request.needs_registers)
                return false;
        sunplus_begin(step, SUNPLUS_READ_REGISTERS);
        smart_bridge_attach_bytes(step, REGISTERS_SIZE);
        return true;
}

/* As the registers of old lie. */
static SmartAnswer take_eight_registers(SmartBridgeRun *run) {
        const uint8_t *bytes = run->bytes;

        smart_bridge_set_registers(run, &(SmartAtaRegisters){
                                                        .error = bytes[1],
                                                        .count = bytes[2],
                                                        .lba = bytes[3] | bytes[4] << 8 |
                                                               (uint64_t) bytes[5] << 16,
                                                        .device = bytes[6],
                                                        .status = bytes[7],
                                        });
        return smart_bridge_judge_registers(run);
}

/* A drive's error comes as one of the medium. */
static SmartAnswer sunplus_take(SmartBridgeRun *run, const SmartBridgeStep *step,
                                const SmartBridgeOutcome *outcome) {
        SmartAnswer answer = smart_bridge_judge(step, outcome);

        if (!outcome->is_good && smart_bridge_get_sense_key(outcome) == SCSI_SENSE_KEY_MEDIUM_ERROR)
                return SMART_ANSWER_REFUSED;
        if (answer != SMART_ANSWER_GOOD || run->step < 2)
                return answer;
        return take_eight_registers(run);
}

const SmartBridgeOps smart_bridge_sunplus_ops = {
        .name = "usbsunplus",
        .carries = sunplus_carries,
        .build = sunplus_build,
        .take = sunplus_take,
};

static bool cypress_carries(const SmartBridge *bridge, const SmartRequest *request) {
        return carries_28_bits(request) && request->data_size <= SMART_ATA_SECTOR_SIZE;
}

/* The same command again reads the registers, with another bit set. */
static bool cypress_build(SmartBridgeRun *run, SmartBridgeStep *step) {
        const SmartRequest *request = &run->request;
        uint8_t *cdb = step->cdb;

        if (run->step > (request->needs_registers ? 1U : 0U))
                return false;
        step->cdb_size = 16;
        cdb[0] = run->bridge.signature;
        cdb[1] = CYPRESS_ATACB;
        cdb[3] = CYPRESS_REGISTERS;
        cdb[4] = 1; /* block in a transfer */
        put_registers(cdb + 6, request);
        cdb[12] = request->command;
        if (run->step == 1) {
                cdb[2] = CYPRESS_READ_REGISTERS;
                smart_bridge_attach_bytes(step, REGISTERS_SIZE);
                return true;
        }
        if (request->command == IDENTIFY_DEVICE || request->command == IDENTIFY_PACKET_DEVICE)
                cdb[2] = CYPRESS_IDENTIFY;
        smart_bridge_attach_data(run, step);
        return true;
}

static SmartAnswer cypress_take(SmartBridgeRun *run, const SmartBridgeStep *step,
                                const SmartBridgeOutcome *outcome) {
        SmartAnswer answer = smart_bridge_judge(step, outcome);

        if (answer != SMART_ANSWER_GOOD || run->step == 0)
                return answer;
        return take_eight_registers(run);
}

const SmartBridgeOps smart_bridge_cypress_ops = {
        .name = "usbcypress",
        .carries = cypress_carries,
        .build = cypress_build,
        .take = cypress_take,
};

static bool prolific_carries(const SmartBridge *bridge, const SmartRequest *request) {
        return is_low(request);
}

static bool prolific_build(SmartBridgeRun *run, SmartBridgeStep *step) {
        const SmartRequest *request = &run->request;
        uint8_t *cdb = step->cdb;

        if (run->step > (request->needs_registers ? 1U : 0U))
                return false;
        step->cdb_size = 16;
        put_be16(cdb + 4, PROLIFIC_VENDOR);
        if (run->step == 1) {
                cdb[0] = PROLIFIC_READ_REGISTERS;
                smart_bridge_attach_bytes(step, REGISTERS_SIZE_PROLIFIC);
                return true;
        }
        cdb[0] = PROLIFIC;
        cdb[1] = request->direction == TRANSPORT_DIRECTION_OUT ? PROLIFIC_OUT : PROLIFIC_IN_OR_NONE;
        cdb[3] = (uint8_t) request->features;
        put_be32(cdb + 6, (uint32_t) request->data_size);
        cdb[10] = (uint8_t) request->count;
        for (size_t i = 0; i < 3; i++)
                cdb[11 + i] = (uint8_t) (request->lba >> 8 * i);
        cdb[14] = request->device | DEVICE_BITS;
        cdb[15] = request->command;
        smart_bridge_attach_data(run, step);
        return true;
}

static SmartAnswer prolific_take(SmartBridgeRun *run, const SmartBridgeStep *step,
                                 const SmartBridgeOutcome *outcome) {
        const uint8_t *bytes = run->bytes;
        SmartAnswer answer = smart_bridge_judge(step, outcome);

        if (answer != SMART_ANSWER_GOOD || run->step == 0)
                return answer;
        smart_bridge_set_registers(run, &(SmartAtaRegisters){
                                                        .status = bytes[0],
                                                        .error = bytes[1],
                                                        .count = bytes[2],
                                                        .lba = bytes[4] | bytes[6] << 8 |
                                                               (uint64_t) bytes[8] << 16,
                                                        .device = bytes[10],
                                        });
        return smart_bridge_judge_registers(run);
}

const SmartBridgeOps smart_bridge_prolific_ops = {
        .name = "usbprolific",
        .carries = prolific_carries,
        .build = prolific_build,
        .take = prolific_take,
};
