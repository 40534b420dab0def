/* Sense data as bytes. */

#include <string.h>

#include "base/bytes.h"
#include "base/macros.h"
#include "simulator/simulated_sense.h"

/* SPC-4, 4.5.3. */
static size_t encode_fixed(const SimulatedSense *sense, uint8_t *bytes) {
        bool fits = sense->information <= UINT32_MAX;

        memset(bytes, 0, SIMULATED_SENSE_SIZE);
        bytes[0] = (sense->is_deferred ? 0x71 : 0x70) | (sense->has_information && fits ? 0x80 : 0);
        bytes[2] = sense->key;
        if (sense->has_information && fits)
                put_be32(bytes + 3, (uint32_t) sense->information);
        bytes[7] = SIMULATED_SENSE_SIZE - 8;
        bytes[12] = sense->asc;
        bytes[13] = sense->ascq;
        return SIMULATED_SENSE_SIZE;
}

/* SPC-4, 4.5.2, with the information descriptor of 4.5.2.2. */
static size_t encode_descriptors(const SimulatedSense *sense, uint8_t *bytes) {
        memset(bytes, 0, SIMULATED_SENSE_SIZE_MAX);
        bytes[0] = sense->is_deferred ? 0x73 : 0x72;
        bytes[1] = sense->key;
        bytes[2] = sense->asc;
        bytes[3] = sense->ascq;
        if (!sense->has_information)
                return 8;

        bytes[7] = 12;
        bytes[9] = 10;
        bytes[10] = 0x80; /* VALID */
        put_be64(bytes + 12, sense->information);
        return 20;
}

size_t simulated_sense_encode(const SimulatedSense *sense, bool is_descriptor_format,
                              uint8_t *bytes) {
        assert(sense->key <= 0x0F);

        return is_descriptor_format ? encode_descriptors(sense, bytes) : encode_fixed(sense, bytes);
}
