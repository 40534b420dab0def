/* Samples are read past the cache, one after the other. */

#include <errno.h>
#include <xxhash.h>

#include "cache/cache_clear.h"
#include "cache/cache_manager_internal.h"
#include "cache/cache_samples.h"
#include "cache/cache_volume_internal.h"
#include "cache/cache_writer.h"

/* The first MiB in parts, as one of them may be overwritten without the others. */
#define HEAD_SIZE (1 * MIB)
#define HEAD_PART_SIZE (64 * KIB)
#define N_HEAD_PARTS (HEAD_SIZE / HEAD_PART_SIZE)
/* A backup partition table. */
#define N_TAIL_BLOCKS 33
#define MIDDLE_SIZE (4 * KIB)
#define N_MIDDLES 24
/* None is larger; what says so was not written by us. */
#define SAMPLE_SIZE_MAX (256 * KIB)
#define READ_TIMEOUT_NS (30 * NS_PER_S)

static_assert(N_HEAD_PARTS + 1 + N_MIDDLES <= CACHE_SAMPLES_MAX,
              "there are places for all samples");

/* Where the sample with that number lies; size 0: nowhere on so small a medium. */
static CacheSample place(const BlockInfo *info, unsigned index) {
        CacheSample sample = {};
        uint64_t tail_size = (uint64_t) N_TAIL_BLOCKS * info->block_size;

        if (index < N_HEAD_PARTS) {
                sample.offset = index * HEAD_PART_SIZE;
                sample.size = HEAD_PART_SIZE;
        } else if (index == N_HEAD_PARTS) {
                sample.offset = info->size > tail_size ? info->size - tail_size : 0;
                sample.size = (uint32_t) tail_size;
        } else if (index <= N_HEAD_PARTS + N_MIDDLES) {
                /* Spread evenly, and off the round addresses where so much looks alike. */
                uint64_t step = info->size / (N_MIDDLES + 1);

                sample.offset = ALIGN_DOWN((index - N_HEAD_PARTS) * step + (index * UINT64_C(7919) %
                                                                            256) * MIDDLE_SIZE,
                                           MIDDLE_SIZE);
                sample.size = MIDDLE_SIZE;
        }
        if (sample.offset + sample.size > info->size)
                sample.size = 0;
        return sample;
}

typedef struct SampleRead {
        BlockRequest request;
        struct iovec segment;
        CacheVolume *volume; /* borrowed; NULL: it is counted nowhere */
        Future future;
} SampleRead;

static void on_read_done(BlockRequest *request) {
        SampleRead *read = container_of(request, SampleRead, request);

        if (read->volume)
                cache_volume_returned(read->volume, request->error);
        future_complete(&read->future, request->error);
}

static int await_read(SampleRead *read, BlockDevice *lower, Task *task, const CacheSample *sample,
                      void *buffer) {
        int r;

        read->segment = (struct iovec){ .iov_base = buffer, .iov_len = sample->size };
        read->request = (BlockRequest){
                .operation = BLOCK_OPERATION_READ,
                .offset = sample->offset,
                .size = sample->size,
                .segments = &read->segment,
                .n_segments = 1,
                .deadline_ns = event_loop_now_ns(lower->loop) + READ_TIMEOUT_NS,
                .done = on_read_done,
        };
        future_init(&read->future, lower->loop, NULL);
        r = read->volume ? cache_volume_submit_below(read->volume, &read->request)
                         : block_device_submit(lower, &read->request);
        return r < 0 ? r : task_await(task, &read->future, TASK_NEVER);
}

/* Fills in the sum. `excuse`: of bytes whose sum is not `sample`'s; may be NULL. */
static int read_sample(CacheVolume *volume, BlockDevice *lower, Task *task, CacheSample *sample,
                       const CacheSamplesExcuse *excuse) {
        Staging *staging = lower->staging;
        SampleRead read = { .volume = volume };
        uint64_t sum;
        void *buffer;
        int r;

        buffer = staging_get(staging, sample->size);
        if (!buffer)
                return -ENOMEM;
        r = await_read(&read, lower, task, sample, buffer);
        if (r == 0) {
                sum = XXH3_64bits(buffer, sample->size);
                if (!excuse || sum == sample->sum || !excuse->is_excused(excuse, sample, buffer))
                        sample->sum = sum;
        }
        staging_put(staging, buffer, sample->size);
        return r;
}

static bool is_kept(const CacheVolume *volume, const CacheSample *sample) {
        uint64_t end = sample->offset + sample->size;

        for (uint64_t position = sample->offset; position < end;
             position = cache_volume_line_end(volume, position)) {
                const CacheEntry *entry = cache_volume_find(volume, position);

                if (entry && cache_entry_is_kept(entry))
                        return true;
        }
        return false;
}

/* A device that loses its cache may have the blocks again as they were. */
static bool has_unsynced_trim(const CacheVolume *volume) {
        return volume->synced_epoch < volume->trim_epoch;
}

static int take_sample(CacheVolume *volume, Task *task, unsigned index) {
        CacheSample sample = place(&volume->device.info, index);
        int r;

        if (sample.size == 0 || is_kept(volume, &sample) || has_unsynced_trim(volume) ||
            cache_clear_touches(volume, sample.offset, sample.offset + sample.size))
                return 0;
        volume->taking = sample;
        r = read_sample(volume, volume->lower, task, &sample, /* excuse= */ NULL);
        /* A size of 0 says that it was overwritten meanwhile. */
        if (r == 0 && volume->taking.size > 0)
                cache_arena_set_sample(volume->table->arena, volume->lun, index, &sample);
        volume->taking.size = 0;
        return r;
}

int cache_samples_take(BlockDevice *device, Task *task) {
        CacheVolume *volume = cache_volume_get_inside(device);
        int r;

        for (unsigned i = 0; i < CACHE_SAMPLES_MAX; i++) {
                if (task_is_cancelled(task))
                        return -ECANCELED;
                if (!cache_volume_may_submit(volume))
                        return -ESHUTDOWN;
                if (cache_samples_get(device)[i].size > 0)
                        continue;
                r = take_sample(volume, task, i);
                if (r < 0)
                        return r;
        }
        return 0;
}

const CacheSample *cache_samples_get(const BlockDevice *device) {
        const CacheVolume *volume = cache_volume_get_inside((BlockDevice *) device);

        return cache_arena_get_samples(volume->table->arena, volume->lun);
}

/* Where no sample can be read, nobody knows. A bad block alone does not make it another medium. */
int cache_samples_compare(const CacheSample *samples, BlockDevice *lower, Task *task,
                          const CacheSamplesExcuse *excuse) {
        bool has_unread = false, has_equal = false;

        for (unsigned i = 0; i < CACHE_SAMPLES_MAX; i++) {
                CacheSample sample = samples[i];
                int r;

                if (sample.size == 0)
                        continue;
                if (sample.size > SAMPLE_SIZE_MAX ||
                    !block_device_has_range(lower, sample.offset, sample.size))
                        return 0;
                r = read_sample(NULL, lower, task, &sample, excuse);
                if (r < 0 && r != -EIO)
                        return r;
                if (r == 0 && sample.sum != samples[i].sum)
                        return 0;
                has_unread |= r < 0;
                has_equal |= r == 0;
        }
        return has_unread && !has_equal ? -EIO : 1;
}
