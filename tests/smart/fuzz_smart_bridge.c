/*
 * Fuzz target: a run of any kind of bridge with any outcomes. The first byte is the kind, the second
 * the request, the third the port; then for each step a byte of flags, one of the size of the sense,
 * the sense, two of the actual size, and up to 512 that were read. Every run ends, and one that ends
 * well has what it was for.
 */

#include <string.h>

#include "base/bytes.h"
#include "base/macros.h"
#include "smart/smart_bridge.h"

#define STEPS_MAX 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Input {
        const uint8_t *bytes;
        size_t size;
} Input;

static uint8_t take_byte(Input *input) {
        if (input->size == 0)
                return 0;
        input->size--;
        return *input->bytes++;
}

/* A copy exactly as large as what there is, for a sanitizer to watch. */
static uint8_t *take_bytes(Input *input, size_t *size) {
        uint8_t *bytes;

        *size = MIN(*size, input->size);
        bytes = malloc(MAX(*size, (size_t) 1));
        if (!bytes)
                return NULL;
        memcpy(bytes, input->bytes, *size);
        input->bytes += *size;
        input->size -= *size;
        return bytes;
}

static void choose_request(SmartRequest *request, uint8_t choice) {
        switch (choice % 8) {
        case 0:
                smart_request_identify_device(request);
                break;
        case 1:
                smart_request_smart_status(request);
                break;
        case 2:
                smart_request_check_power(request);
                break;
        case 3:
                smart_request_read_log_ext(request, 3, 0, 1);
                break;
        case 4:
                smart_request_nvme_identify_controller(request);
                break;
        case 5:
                smart_request_nvme_log(request, 0x06, 508);
                break;
        case 6:
                smart_request_nvme_self_test(request, 1);
                break;
        default:
                smart_request_smart_self_test(request, 2);
                break;
        }
}

static void run_step(SmartBridgeRun *run, const SmartBridgeStep *step, Input *input) {
        uint8_t flags = take_byte(input);
        size_t sense_size = take_byte(input);
        _cleanup_(freep) uint8_t *sense = take_bytes(input, &sense_size);
        SmartBridgeOutcome outcome = {
                .is_good = flags & 1,
                .sense = flags & 2 ? NULL : sense,
                .sense_size = flags & 2 ? 0 : sense_size,
        };

        outcome.actual_size = flags & 4 ? step->data_size : take_byte(input);
        if (!step->is_request_data && step->direction == TRANSPORT_DIRECTION_IN) {
                size_t n = MIN(step->data_size, input->size);

                assert(step->data_size <= sizeof(run->bytes));
                memcpy(run->bytes, input->bytes, n);
                input->bytes += n;
                input->size -= n;
        }
        smart_bridge_run_take(run, &outcome);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Input input = { data, size };
        SmartBridge bridge;
        SmartRequest request;
        SmartBridgeRun run;
        SmartBridgeStep step;
        unsigned n_steps = 0;

        smart_bridge_init(&bridge, take_byte(&input) % _SMART_BRIDGE_KIND_MAX);
        choose_request(&request, take_byte(&input));
        bridge.port = take_byte(&input) % 3 - 1;
        if (smart_bridge_run_init(&run, &bridge, &request) < 0)
                return 0;
        while (smart_bridge_run_get_step(&run, &step)) {
                assert(++n_steps <= STEPS_MAX);
                assert(step.cdb_size <= sizeof(step.cdb) && step.cdb_size >= 12);
                assert((step.direction == TRANSPORT_DIRECTION_NONE) == (step.data_size == 0));
                run_step(&run, &step, &input);
        }
        assert(run.is_done && n_steps > 0);
        assert(run.answer != SMART_ANSWER_NONE && run.answer < _SMART_ANSWER_MAX);
        if (run.answer == SMART_ANSWER_GOOD) {
                assert(!request.needs_registers || run.has_registers);
                assert(run.nvme_status == 0);
        }
        return 0;
}
