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

/* SAT-3, 12.2.2.7: the ATA Status Return descriptor; commands of 28 bits. */
static size_t encode_taskfile(const SimulatedSense *sense, uint8_t *bytes) {
        const SimulatedTaskfile *taskfile = &sense->taskfile;

        memset(bytes, 0, SIMULATED_SENSE_SIZE_MAX);
        bytes[0] = 0x72;
        bytes[1] = sense->key;
        bytes[2] = sense->asc;
        bytes[3] = sense->ascq;
        bytes[7] = 14;
        bytes[8] = 0x09;
        bytes[9] = 12;
        bytes[11] = taskfile->error;
        bytes[13] = (uint8_t) taskfile->count;
        bytes[15] = (uint8_t) taskfile->lba;
        bytes[17] = (uint8_t) (taskfile->lba >> 8);
        bytes[19] = (uint8_t) (taskfile->lba >> 16);
        bytes[20] = taskfile->device;
        bytes[21] = taskfile->status;
        return 22;
}

/* SAT-3, 12.2.2.8: in the INFORMATION and COMMAND-SPECIFIC INFORMATION fields. */
static size_t encode_taskfile_fixed(const SimulatedSense *sense, uint8_t *bytes) {
        const SimulatedTaskfile *taskfile = &sense->taskfile;
        size_t size = encode_fixed(sense, bytes);

        bytes[3] = taskfile->error;
        bytes[4] = taskfile->status;
        bytes[5] = taskfile->device;
        bytes[6] = (uint8_t) taskfile->count;
        bytes[9] = (uint8_t) taskfile->lba;
        bytes[10] = (uint8_t) (taskfile->lba >> 8);
        bytes[11] = (uint8_t) (taskfile->lba >> 16);
        return size;
}

static size_t encode(const SimulatedSense *sense, bool is_descriptor_format, uint8_t *bytes) {
        if (sense->has_taskfile)
                return sense->is_taskfile_fixed ? encode_taskfile_fixed(sense, bytes)
                                                : encode_taskfile(sense, bytes);
        return is_descriptor_format ? encode_descriptors(sense, bytes) : encode_fixed(sense, bytes);
}

size_t simulated_sense_encode(const SimulatedSense *sense, bool is_descriptor_format,
                              uint8_t *bytes) {
        assert(sense->key <= 0x0F);

        size_t size = encode(sense, is_descriptor_format, bytes);

        return sense->size_max > 0 ? MIN(size, sense->size_max) : size;
}
