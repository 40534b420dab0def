/* A mapfile that anybody wrote: what is read covers everything once, and is the same when it is
 * written and read again. */

#include <stdint.h>
#include <string.h>

#include "cli/rescue_map.h"

#define SIZE UINT64_C(0x100000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *to_text(const RescueMap *map, size_t *ret_size) {
        char *text = NULL;
        FILE *file = open_memstream(&text, ret_size);

        if (!file)
                abort();
        rescue_map_write(map, file);
        if (fclose(file) == EOF)
                abort();
        return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(rescue_map_freep) RescueMap *map = NULL, *again = NULL;
        _cleanup_(freep) char *text = NULL, *second = NULL;
        size_t text_size, second_size;
        unsigned line = 0;
        uint64_t sum = 0;

        if (rescue_map_parse(&map, (const char *) data, size, SIZE, &line) < 0)
                return 0;
        for (RescueStatus status = 0; status < _RESCUE_STATUS_MAX; status++)
                sum += rescue_map_sum(map, status);
        assert(sum == SIZE);
        text = to_text(map, &text_size);
        if (rescue_map_parse(&again, text, text_size, SIZE, &line) < 0)
                abort();
        second = to_text(again, &second_size);
        assert(text_size == second_size && memcmp(text, second, text_size) == 0);
        return 0;
}
