/* Standard requests; class requests are the transports'. */

#include <string.h>

#include "base/bytes.h"
#include "simulator/simulated_control.h"
#include "simulator/simulated_descriptors.h"

/* USB 2.0, 9.3 and table 9-4. */
#define DEVICE_IN 0x80
#define DEVICE_OUT 0x00
#define INTERFACE_IN 0x81
#define INTERFACE_OUT 0x01
#define ENDPOINT_IN 0x82
#define ENDPOINT_OUT 0x02
#define REQUEST(type, request) ((unsigned) (type) << 8 | (request))

typedef enum StandardRequest {
        STANDARD_REQUEST_GET_STATUS = 0,
        STANDARD_REQUEST_CLEAR_FEATURE = 1,
        STANDARD_REQUEST_SET_FEATURE = 3,
        STANDARD_REQUEST_GET_DESCRIPTOR = 6,
        STANDARD_REQUEST_GET_CONFIGURATION = 8,
        STANDARD_REQUEST_SET_CONFIGURATION = 9,
        STANDARD_REQUEST_GET_INTERFACE = 10,
        STANDARD_REQUEST_SET_INTERFACE = 11,
} StandardRequest;

static bool *find_halt(SimulatedWire *wire, uint16_t endpoint) {
        switch (endpoint) {
        case SIMULATED_ENDPOINT_IN:
                return &wire->is_halted[SIMULATED_PIPE_IN];
        case SIMULATED_ENDPOINT_OUT:
                return &wire->is_halted[SIMULATED_PIPE_OUT];
        case SIMULATED_ENDPOINT_INTERRUPT:
                return wire->ops->interrupt ? &wire->is_halted[SIMULATED_PIPE_INTERRUPT] : NULL;
        case SIMULATED_ENDPOINT_COMMAND:
                return wire->ops->pipe ? &wire->is_halted[SIMULATED_PIPE_COMMAND] : NULL;
        case SIMULATED_ENDPOINT_STATUS:
                return wire->ops->pipe ? &wire->is_halted[SIMULATED_PIPE_STATUS] : NULL;
        default: /* a number of the host, not an enum */
                return NULL;
        }
}

static SimulatedAnswer set_halt(SimulatedWire *wire, const UsbSetup *setup, bool is_halted) {
        bool *halt = setup->value == 0 ? find_halt(wire, setup->index) : NULL;

        if (!halt)
                return SIMULATED_ANSWER_STALL;
        *halt = is_halted;
        return SIMULATED_ANSWER_DONE;
}

bool simulated_control_clear_halt(SimulatedWire *wire, uint8_t endpoint) {
        UsbSetup setup = { .index = endpoint };

        return set_halt(wire, &setup, /* is_halted= */ false) == SIMULATED_ANSWER_DONE;
}

static SimulatedAnswer answer_with(const uint8_t *answer, size_t answer_size, uint8_t *bytes,
                                   size_t size, size_t *ret_size) {
        *ret_size = MIN(answer_size, size);
        if (*ret_size > 0)
                memcpy(bytes, answer, *ret_size);
        return SIMULATED_ANSWER_DONE;
}

static SimulatedAnswer get_descriptor(SimulatedWire *wire, const UsbSetup *setup, uint8_t *bytes,
                                      size_t size, size_t *ret_size) {
        uint8_t descriptor[SIMULATED_DESCRIPTOR_SIZE_MAX];
        size_t n = simulated_descriptors_get(&wire->target->spec, (uint8_t) (setup->value >> 8),
                                             (uint8_t) setup->value, descriptor);

        if (n == 0)
                return SIMULATED_ANSWER_STALL;
        return answer_with(descriptor, n, bytes, size, ret_size);
}

static SimulatedAnswer get_endpoint_status(SimulatedWire *wire, const UsbSetup *setup,
                                           uint8_t *bytes, size_t size, size_t *ret_size) {
        const bool *halt = find_halt(wire, setup->index);
        uint8_t status[2] = { halt && *halt };

        if (!halt)
                return SIMULATED_ANSWER_STALL;
        return answer_with(status, sizeof(status), bytes, size, ret_size);
}

SimulatedAnswer simulated_control_request(SimulatedWire *wire, const UsbSetup *setup, void *bytes,
                                          size_t size, size_t *ret_size) {
        static const uint8_t zeroes[2], one[1] = { 1 };

        switch (REQUEST(setup->request_type, setup->request)) {
        case REQUEST(DEVICE_IN, STANDARD_REQUEST_GET_STATUS):
        case REQUEST(INTERFACE_IN, STANDARD_REQUEST_GET_STATUS):
                return answer_with(zeroes, sizeof(zeroes), bytes, size, ret_size);
        case REQUEST(ENDPOINT_IN, STANDARD_REQUEST_GET_STATUS):
                return get_endpoint_status(wire, setup, bytes, size, ret_size);
        case REQUEST(ENDPOINT_OUT, STANDARD_REQUEST_CLEAR_FEATURE):
                return set_halt(wire, setup, /* is_halted= */ false);
        case REQUEST(ENDPOINT_OUT, STANDARD_REQUEST_SET_FEATURE):
                return set_halt(wire, setup, /* is_halted= */ true);
        case REQUEST(DEVICE_IN, STANDARD_REQUEST_GET_DESCRIPTOR):
                return get_descriptor(wire, setup, bytes, size, ret_size);
        case REQUEST(DEVICE_IN, STANDARD_REQUEST_GET_CONFIGURATION):
                return answer_with(one, sizeof(one), bytes, size, ret_size);
        case REQUEST(DEVICE_OUT, STANDARD_REQUEST_SET_CONFIGURATION):
                return setup->value == 1 ? SIMULATED_ANSWER_DONE : SIMULATED_ANSWER_STALL;
        case REQUEST(INTERFACE_IN, STANDARD_REQUEST_GET_INTERFACE):
                return answer_with(zeroes, 1, bytes, size, ret_size);
        case REQUEST(INTERFACE_OUT, STANDARD_REQUEST_SET_INTERFACE):
                return setup->value == 0 && setup->index == 0 ? SIMULATED_ANSWER_DONE
                                                              : SIMULATED_ANSWER_STALL;
        default: /* numbers of the host, not an enum; USB 2.0, 9.2.7: a request error */
                return SIMULATED_ANSWER_STALL;
        }
}
