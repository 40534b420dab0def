/*
 * Fuzz target: any text as that of `--simulate`. What is accepted is within the limits that the
 * header tells, and what is refused is refused with a sentence.
 */

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "simulator/simulator_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size) {
        size_t length = strnlen(text, size);

        assert(length > 0 && length < size);
        for (size_t i = 0; i < length; i++)
                assert(text[i] >= 0x20 && text[i] < 0x7F);
}

static void check(const SimulatorSpec *spec) {
        assert(spec->n_luns >= 1 && spec->n_luns <= SIMULATOR_LUNS_MAX);
        assert(spec->n_files <= spec->n_luns);
        for (size_t i = 0; i < spec->n_files; i++)
                assert(strnlen(spec->files[i], SIMULATOR_PATH_SIZE_MAX) < SIMULATOR_PATH_SIZE_MAX);
        assert(spec->size <= SIMULATOR_SIZE_MAX);
        assert(spec->block_size >= 512 && spec->block_size <= 4096);
        assert(is_power_of_two(spec->block_size));
        assert(spec->physical_block_size >= spec->block_size);
        assert(spec->physical_block_size <= 64 * 1024);
        assert(is_power_of_two(spec->physical_block_size));
        assert(spec->cache_size >= 64 * 1024 && spec->cache_size <= 1024 * 1024 * 1024);
        assert(spec->speed > USB_SPEED_UNKNOWN && spec->speed < _USB_SPEED_MAX);
        assert(spec->short_data < _SIMULATOR_SHORT_DATA_MAX);
        check_text(spec->serial, sizeof(spec->serial));
        check_text(spec->vendor, sizeof(spec->vendor));
        check_text(spec->model, sizeof(spec->model));
        assert(spec->faults.n_faults <= SIMULATOR_FAULTS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) char *text = NULL, *error = NULL;
        SimulatorSpec spec;
        int r;

        /* Exactly as long as what came, so that a sanitizer sees each byte read past it. */
        text = malloc(size + 1);
        if (!text)
                return 0;
        memcpy(text, data, size);
        text[size] = '\0';

        r = simulator_spec_parse(&spec, text, &error);
        if (r == 0)
                check(&spec);
        else
                assert((r == -EINVAL || r == -E2BIG) && error && strlen(error) > 0);
        return 0;
}
