/*
 * What is to be read ahead of each stream is noted, and read when there is time. A reader who is faster
 * than that, or waits for others, comes to what is noted: then it is read at once.
 */

#include "cache/cache_ahead.h"
#include "cache/cache_fill.h"
#include "cache/cache_manager_internal.h"
#include "cache/cache_read.h"

/* What one reader is read ahead: so much at most, and so small a part of the cache. */
#define WINDOW_SIZE_MAX (2 * MIB)
#define WINDOW_SHARE 16
/* What is read ahead at once while somebody waits who reads at random. */
#define SHARED_PART_SIZE_MAX (256 * KIB)
/* What was asked for earlier may not have come to what is noted yet. */
#define LAG_SIZE (512 * KIB)

static uint64_t window_size_max(const CacheVolume *volume) {
        uint64_t share = (uint64_t) volume->table->n_used_max * volume->line_size / WINDOW_SHARE;

        return MIN(WINDOW_SIZE_MAX, share);
}

void cache_ahead_update_size(CacheVolume *volume) {
        if (volume->streams)
                cache_streams_set_window_size_max(volume->streams, window_size_max(volume));
}

int cache_ahead_update(CacheVolume *volume) {
        CacheStreamsOptions options = {
                .device_size = volume->device.info.size,
                .window_size_max = window_size_max(volume),
                .alignment = CACHE_CHUNK_SIZE,
        };

        if (!volume->manager->options.has_read_ahead) {
                cache_ahead_forget(volume);
                volume->streams = cache_streams_free(volume->streams);
        } else if (!volume->streams) {
                return cache_streams_new(&volume->streams, &options);
        }
        return 0;
}

void cache_ahead_forget(CacheVolume *volume) {
        for (unsigned i = 0; i < CACHE_STREAMS_MAX; i++)
                volume->ahead[i].size = 0;
}

/* What the reader comes to first, `size` bytes of it. Returns where that begins. */
static uint64_t take_part(CacheStreamAdvice *noted, uint64_t size) {
        uint64_t offset = noted->offset;

        assert(size <= noted->size);

        noted->size -= size;
        if (noted->is_backward)
                return offset + noted->size;
        noted->offset += size;
        return offset;
}

/* The reader has come to a request from `position` to `end`: what lies before that in its direction is not
 * read any more. */
static void pass(CacheStreamAdvice *noted, uint64_t position, uint64_t end) {
        uint64_t noted_end = noted->offset + noted->size;

        position = ALIGN_DOWN(position, (uint64_t) CACHE_CHUNK_SIZE);
        end = ALIGN_UP(end, (uint64_t) CACHE_CHUNK_SIZE);
        if (noted->is_backward)
                (void) take_part(noted, noted_end - MIN(MAX(end, noted->offset), noted_end));
        else
                (void) take_part(noted,
                                 MIN(MAX(position, noted->offset), noted_end) - noted->offset);
}

/* What of the same stream was noted and is not read yet is kept. */
static void note(CacheVolume *volume, const CacheStreamAdvice *advice) {
        CacheStreamAdvice *noted = &volume->ahead[advice->stream % CACHE_STREAMS_MAX];
        const CacheStreamAdvice *low = advice->is_backward ? advice : noted;
        const CacheStreamAdvice *high = advice->is_backward ? noted : advice;
        uint64_t offset = low->offset, size = low->size + high->size;

        if (noted->size == 0 || noted->stream != advice->stream ||
            low->offset + low->size != high->offset) {
                *noted = *advice;
                return;
        }
        noted->offset = offset;
        noted->size = size;
}

uint8_t cache_ahead_observe(CacheVolume *volume, uint64_t offset, uint64_t size) {
        CacheStreamAdvice advice;

        if (!volume->streams)
                return CACHE_STREAM_NONE;
        advice = cache_streams_observe(volume->streams, offset, size);
        if (advice.size > 0) {
                note(volume, &advice);
                pass(&volume->ahead[advice.stream % CACHE_STREAMS_MAX],
                     offset - MIN(offset, LAG_SIZE), offset + size + LAG_SIZE);
                cache_volume_run_later(volume);
        }
        return advice.stream;
}

/* There may be none where more requests wait than fills can be in flight. What is noted is kept then, so
 * that those who get one later have it used for all of it. */
static bool can_read(const CacheVolume *volume) {
        return !volume->is_held && cache_volume_may_submit(volume) &&
               !list_is_empty(&volume->free_fills);
}

static uint64_t part_size_max(const CacheVolume *volume) {
        uint64_t size = volume->lower->info.transfer_size_max;

        return volume->n_fills_single > 0 ? MIN(size, SHARED_PART_SIZE_MAX) : size;
}

/* As much as the device takes at once. What can't be read now is not read ahead at all. */
static bool read_part(CacheVolume *volume, CacheStreamAdvice *noted) {
        uint64_t size = MIN(noted->size, part_size_max(volume));
        uint64_t offset = take_part(noted, size), end = offset + size, reached = offset;
        CacheFillOptions options = { .is_ahead = true, .stream = noted->stream };

        if (!block_range_lock_excludes(&volume->lock, offset, end))
                reached = cache_fill_range(volume, offset, end, &options);
        if (reached < end)
                noted->size = 0;
        return reached >= end;
}

/* NULL: nothing is to be read ahead. Which one is first matters little: who comes to his own hurries. */
static CacheStreamAdvice *choose_next(CacheVolume *volume) {
        for (unsigned i = 0; i < CACHE_STREAMS_MAX; i++)
                if (volume->ahead[i].size > 0)
                        return &volume->ahead[i];
        return NULL;
}

/* A stream that keeps several requests in flight waits for a fill at any time: what is read ahead of it
 * spares it that. Others would wait for it in vain. */
void cache_ahead_run(CacheVolume *volume) {
        CacheStreamAdvice *noted;

        while (volume->n_fills_single == 0 && volume->n_fills_ahead < CACHE_FILLS_AHEAD_MAX &&
               can_read(volume) && (noted = choose_next(volume)))
                if (!read_part(volume, noted))
                        return;
}

/* With its beginning, unless that is on its way already. */
static bool has_come_to(const CacheRequest *request, const CacheStreamAdvice *noted) {
        uint64_t position = ALIGN_DOWN(request->position, (uint64_t) CACHE_CHUNK_SIZE);

        return request->stream == noted->stream && noted->offset < request->end &&
               position < noted->offset + noted->size &&
               (position >= noted->offset || cache_read_is_on_its_way(request));
}

void cache_ahead_hurry(const CacheRequest *request) {
        CacheVolume *volume = request->volume;
        CacheStreamAdvice *noted = &volume->ahead[request->stream % CACHE_STREAMS_MAX];

        if (!has_come_to(request, noted) || !can_read(volume))
                return;
        pass(noted, request->position, request->end);
        (void) read_part(volume, noted);
}

void cache_ahead_count_use(CacheVolume *volume, CacheEntry *entry, CacheBits blocks) {
        CacheBits used = cache_bits_and(entry->ahead, blocks);
        uint64_t size = (uint64_t) cache_bits_count(used) * volume->block_size;

        if (size == 0)
                return;
        entry->ahead = cache_bits_without(entry->ahead, used);
        CACHE_COUNT(volume, read_ahead_used_size, size);
        if (volume->streams)
                cache_streams_tell(volume->streams, entry->stream, size, 0);
}

void cache_ahead_count_waste(CacheVolume *volume, CacheEntry *entry) {
        uint64_t size = (uint64_t) cache_bits_count(entry->ahead) * volume->block_size;

        if (size == 0)
                return;
        CACHE_COUNT(volume, read_ahead_wasted_size, size);
        if (volume->streams)
                cache_streams_tell(volume->streams, entry->stream, 0, size);
}
