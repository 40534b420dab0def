/* A list without order: it is short, and nearly always empty. */

#include "block/lun_bad_blocks.h"

#include "base/macros.h"

/* Longer than a reader's own tries, shorter than a human's patience after mending something. */
#define KEPT_NS (120 * NS_PER_S)

static void drop(LunBadBlocks *blocks, size_t i) {
        blocks->ranges[i] = blocks->ranges[--blocks->n];
}

static void drop_expired(LunBadBlocks *blocks, uint64_t now_ns) {
        for (size_t i = blocks->n; i-- > 0;)
                if (blocks->ranges[i].until_ns <= now_ns)
                        drop(blocks, i);
}

static void drop_oldest(LunBadBlocks *blocks) {
        size_t oldest = 0;

        for (size_t i = 1; i < blocks->n; i++)
                if (blocks->ranges[i].until_ns < blocks->ranges[oldest].until_ns)
                        oldest = i;
        drop(blocks, oldest);
}

static void append(LunBadBlocks *blocks, LunBadRange range) {
        if (blocks->n == LUN_BAD_RANGES_MAX)
                drop_oldest(blocks);
        blocks->ranges[blocks->n++] = range;
}

void lun_bad_blocks_add(LunBadBlocks *blocks, uint64_t lba, uint64_t now_ns) {
        LunBadRange range = { .first = lba, .end = lba + 1, .until_ns = now_ns + KEPT_NS };

        drop_expired(blocks, now_ns);
        for (size_t i = blocks->n; i-- > 0;) {
                const LunBadRange *other = &blocks->ranges[i];

                if (other->first > range.end || range.first > other->end)
                        continue;
                range.first = MIN(range.first, other->first);
                range.end = MAX(range.end, other->end);
                drop(blocks, i);
        }
        append(blocks, range);
}

bool lun_bad_blocks_find(LunBadBlocks *blocks, uint64_t first, uint64_t end, uint64_t now_ns,
                         uint64_t *ret_lba) {
        bool is_found = false;

        if (blocks->n == 0)
                return false;

        drop_expired(blocks, now_ns);
        for (size_t i = 0; i < blocks->n; i++) {
                uint64_t lba = MAX(blocks->ranges[i].first, first);

                if (lba >= end || lba >= blocks->ranges[i].end || (is_found && lba >= *ret_lba))
                        continue;
                *ret_lba = lba;
                is_found = true;
        }
        return is_found;
}

void lun_bad_blocks_forget(LunBadBlocks *blocks, uint64_t first, uint64_t end) {
        for (size_t i = blocks->n; i-- > 0;) {
                LunBadRange range = blocks->ranges[i];

                if (range.first >= end || range.end <= first)
                        continue;
                drop(blocks, i);
                if (range.first < first)
                        append(blocks, (LunBadRange){ range.first, first, range.until_ns });
                if (range.end > end)
                        append(blocks, (LunBadRange){ end, range.end, range.until_ns });
        }
}
