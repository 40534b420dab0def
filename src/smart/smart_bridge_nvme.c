/* Bridges to NVMe. Only admin commands go through, and with two of the three kinds only those that
   read. */

#include <string.h>

#include "base/bytes.h"
#include "base/macros.h"
#include "smart/smart_bridge_ops.h"

#define GET_LOG_PAGE 0x02
#define IDENTIFY 0x06
#define NSID_ALL UINT32_MAX
#define IDENTIFY_NAMESPACE 0
#define IDENTIFY_CONTROLLER 1
#define LOG_PAGE_MASK 0xFF

#define JMICRON_ADMIN 0x80
#define JMICRON_COMMAND 0x0
#define JMICRON_NO_DATA 0x1
#define JMICRON_IN 0x2
#define JMICRON_OUT 0x3
#define JMICRON_RESPONSE 0xF
#define JMICRON_SIGNATURE UINT32_C(0x454D564E) /* "NVME" */
#define JMICRON_DATA_SIZE_MAX 0xFFFFFF

#define ASMEDIA 0xE6
#define REALTEK 0xE4
#define REALTEK_DATA_SIZE_MAX UINT16_MAX

static uint8_t get_log_page(const SmartRequest *request) {
        return (uint8_t) (request->cdw10_to_15[0] & LOG_PAGE_MASK);
}

static bool is_short_enough(const SmartBridge *bridge, const SmartRequest *request) {
        return request->opcode != GET_LOG_PAGE ||
               request->data_size <= smart_bridge_get_log_size_max(bridge, get_log_page(request));
}

/* Identify and Get Log Page, of which only a few fields can be told. */
static bool is_plain_read(const SmartRequest *request) {
        if (request->direction != TRANSPORT_DIRECTION_IN)
                return false;
        switch (request->opcode) {
        case IDENTIFY:
                return request->cdw10_to_15[0] == IDENTIFY_CONTROLLER ||
                       (request->cdw10_to_15[0] == IDENTIFY_NAMESPACE && request->nsid == 1);
        case GET_LOG_PAGE:
                return request->nsid == NSID_ALL || request->nsid == 0;
        default:
                return false;
        }
}

static bool jmicron_carries(const SmartBridge *bridge, const SmartRequest *request) {
        return is_short_enough(bridge, request) && request->data_size <= JMICRON_DATA_SIZE_MAX;
}

/* The command as the drive's queue has it, in 512 bytes. */
static void jmicron_build_command(SmartBridgeRun *run, SmartBridgeStep *step) {
        const SmartRequest *request = &run->request;

        memset(run->bytes, 0, sizeof(run->bytes));
        put_le32(run->bytes, JMICRON_SIGNATURE);
        run->bytes[8] = request->opcode;
        put_le32(run->bytes + 12, request->nsid);
        for (size_t i = 0; i < N_ELEMENTS(request->cdw10_to_15); i++)
                put_le32(run->bytes + 48 + 4 * i, request->cdw10_to_15[i]);
        step->direction = TRANSPORT_DIRECTION_OUT;
        step->data_size = sizeof(run->bytes);
}

static uint8_t jmicron_get_protocol(const SmartRequest *request) {
        switch (request->direction) {
        case TRANSPORT_DIRECTION_NONE:
                return JMICRON_NO_DATA;
        case TRANSPORT_DIRECTION_IN:
                return JMICRON_IN;
        case TRANSPORT_DIRECTION_OUT:
                return JMICRON_OUT;
        }

        assert_not_reached();
}

/* The command, the data, the response: three commands that look like ATA PASS-THROUGH(12). */
static bool jmicron_build(SmartBridgeRun *run, SmartBridgeStep *step) {
        uint8_t protocol;

        switch (run->step) {
        case 0:
                protocol = JMICRON_COMMAND;
                jmicron_build_command(run, step);
                break;
        case 1:
                protocol = jmicron_get_protocol(&run->request);
                smart_bridge_attach_data(run, step);
                break;
        case 2:
                protocol = JMICRON_RESPONSE;
                smart_bridge_attach_bytes(step, sizeof(run->bytes));
                break;
        default:
                return false;
        }
        step->cdb_size = 12;
        step->cdb[0] = SCSI_OPCODE_ATA_PASS_THROUGH_12;
        step->cdb[1] = JMICRON_ADMIN | protocol;
        put_be24(step->cdb + 3, (uint32_t) step->data_size);
        return true;
}

static SmartAnswer jmicron_take(SmartBridgeRun *run, const SmartBridgeStep *step,
                                const SmartBridgeOutcome *outcome) {
        SmartAnswer answer = smart_bridge_judge(step, outcome);

        if (answer != SMART_ANSWER_GOOD || run->step < 2)
                return answer;
        if (get_le32(run->bytes) != JMICRON_SIGNATURE)
                return SMART_ANSWER_ABSURD;
        run->nvme_status = (uint16_t) (get_le32(run->bytes + 20) >> 17);
        return run->nvme_status == 0 ? SMART_ANSWER_GOOD : SMART_ANSWER_REFUSED;
}

const SmartBridgeOps smart_bridge_nvme_jmicron_ops = {
        .name = "sntjmicron",
        .carries = jmicron_carries,
        .build = jmicron_build,
        .take = jmicron_take,
};

static SmartAnswer take_data(SmartBridgeRun *run, const SmartBridgeStep *step,
                             const SmartBridgeOutcome *outcome) {
        return smart_bridge_judge(step, outcome);
}

static bool asmedia_carries(const SmartBridge *bridge, const SmartRequest *request) {
        return is_plain_read(request) && is_short_enough(bridge, request) &&
               request->cdw10_to_15[1] == 0 && request->cdw10_to_15[4] == 0 &&
               request->cdw10_to_15[5] == 0;
}

/* Of the dwords 10, 12 and 13. */
static bool asmedia_build(SmartBridgeRun *run, SmartBridgeStep *step) {
        const SmartRequest *request = &run->request;

        if (run->step > 0)
                return false;
        step->cdb_size = 16;
        step->cdb[0] = ASMEDIA;
        step->cdb[1] = request->opcode;
        step->cdb[3] = (uint8_t) request->cdw10_to_15[0];
        put_be16(step->cdb + 6, (uint16_t) (request->cdw10_to_15[0] >> 16));
        put_be32(step->cdb + 8, request->cdw10_to_15[3]);
        put_be32(step->cdb + 12, request->cdw10_to_15[2]);
        smart_bridge_attach_data(run, step);
        return true;
}

const SmartBridgeOps smart_bridge_nvme_asmedia_ops = {
        .name = "sntasmedia",
        .carries = asmedia_carries,
        .build = asmedia_build,
        .take = take_data,
};

static bool realtek_carries(const SmartBridge *bridge, const SmartRequest *request) {
        for (size_t i = 1; i < N_ELEMENTS(request->cdw10_to_15); i++)
                if (request->cdw10_to_15[i] != 0)
                        return false;
        return is_plain_read(request) && is_short_enough(bridge, request) &&
               request->data_size <= REALTEK_DATA_SIZE_MAX;
}

static bool realtek_build(SmartBridgeRun *run, SmartBridgeStep *step) {
        const SmartRequest *request = &run->request;

        if (run->step > 0)
                return false;
        step->cdb_size = 16;
        step->cdb[0] = REALTEK;
        put_le16(step->cdb + 1, (uint16_t) request->data_size);
        step->cdb[3] = request->opcode;
        step->cdb[4] = (uint8_t) request->cdw10_to_15[0];
        smart_bridge_attach_data(run, step);
        return true;
}

const SmartBridgeOps smart_bridge_nvme_realtek_ops = {
        .name = "sntrealtek",
        .carries = realtek_carries,
        .build = realtek_build,
        .take = take_data,
};
