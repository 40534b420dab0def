/* So many resets within a while are too many; then as long a while without any is good again. */

#include "storage/storage_degradation.h"

#include "base/macros.h"

#define WHILE_NS (600 * NS_PER_S)

void storage_degradation_note_reset(StorageDegradation *degradation, uint64_t now_ns) {
        uint64_t oldest_ns;

        assert(now_ns > 0);

        degradation->times_ns[degradation->next_index] = now_ns;
        degradation->next_index = (degradation->next_index + 1) % STORAGE_DEGRADATION_RESETS;
        oldest_ns = degradation->times_ns[degradation->next_index];
        if (degradation->until_ns > 0 || (oldest_ns > 0 && now_ns - oldest_ns < WHILE_NS))
                degradation->until_ns = now_ns + WHILE_NS;
}

bool storage_degradation_is_on(StorageDegradation *degradation, uint64_t now_ns) {
        if (degradation->until_ns <= now_ns)
                degradation->until_ns = 0;
        return degradation->until_ns > 0;
}

uint64_t storage_degradation_get_end_ns(const StorageDegradation *degradation) {
        return degradation->until_ns > 0 ? degradation->until_ns : UINT64_MAX;
}
