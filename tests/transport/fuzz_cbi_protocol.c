/*
 * Fuzz target: any bytes as the interrupt's data of a CBI command. Nothing beyond them is read, and
 * nothing but a proper status is taken for one.
 */

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "transport/cbi_protocol.h"

#define SUBCLASS_UFI 0x04

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The subclass and the operation code, then what came. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) uint8_t *received = NULL;
        CbiStatus status;
        size_t n;

        if (size < 2)
                return 0;

        /* Exactly as large as what came, so that a sanitizer sees each byte read past it. */
        n = size - 2;
        received = malloc(MAX(n, (size_t) 1));
        if (!received)
                return 0;
        memcpy(received, data + 2, n);

        status = cbi_protocol_decode_status(data[0], data[1], received, n);
        assert(status < _CBI_STATUS_MAX);
        if (n < CBI_STATUS_SIZE)
                assert(status == CBI_STATUS_INVALID);
        else if (data[0] == SUBCLASS_UFI)
                assert(status == CBI_STATUS_PASSED || status == CBI_STATUS_FAILED);
        else if (status == CBI_STATUS_PASSED)
                assert(received[0] == 0 && (received[1] & 0x0F) == 0);
        return 0;
}
