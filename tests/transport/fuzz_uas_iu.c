/*
 * Fuzz target: any bytes as an IU of the device. Whatever is accepted lies within what came.
 */

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "transport/uas_iu.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        /* Exactly as large as what came, so that a sanitizer sees each byte read past it. */
        _cleanup_(freep) uint8_t *received = calloc(1, MAX(size, (size_t) 1));
        uint8_t copy[UAS_IU_STATUS_SIZE_MAX];
        UasIu iu;

        if (!received)
                return 0;
        if (size > 0)
                memcpy(received, data, size);
        if (!uas_iu_decode(&iu, received, size))
                return 0;

        assert(size >= 4 && iu.type == received[0]);
        assert(iu.tag == (received[2] << 8 | received[3]));
        assert(iu.sense_size == 0 ||
               (iu.sense == received + 16 && iu.sense_size <= size - 16 && iu.type == 3));
        if (iu.sense_size > 0 && iu.sense_size <= sizeof(copy))
                memcpy(copy, iu.sense, iu.sense_size);
        return 0;
}
