/*
 * cache_load: reads that hit, of a cache with very many lines, one after the other at random. Prints
 * one line of key=value pairs, like the others here.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/histogram.h"
#include "base/systemd_event_loop.h"
#include "cache/cache_volume.h"
#include "memory_block_device.h"

#define LINE_SIZE 4096
#define FILL_SIZE (1 * MIB)
/* So many hits between two looks at the clock that ends the load. */
#define BATCH 1024

typedef struct Load {
        EventLoop *loop;           /* owned */
        MemoryBlockDevice *memory; /* owned */
        CacheManager *cache;       /* owned */
        BlockDevice *volume;       /* owned */
        uint64_t size;
        uint64_t n_hits;
        uint64_t sum; /* of a byte of each read, so that it is one */
        Histogram latency;
        BlockRequest request;
        Future done;
} Load;

static uint64_t now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * NS_PER_S + (uint64_t) now.tv_nsec;
}

static void on_prefetch_done(BlockRequest *request) {
        future_complete(&container_of(request, Load, request)->done, request->error);
}

static int await_prefetch(Load *load, Task *task, uint64_t offset, uint64_t size) {
        int r;

        load->request = (BlockRequest){
                .operation = BLOCK_OPERATION_PREFETCH,
                .offset = offset,
                .size = size,
                .deadline_ns = event_loop_now_ns(load->loop) + 30 * NS_PER_S,
                .done = on_prefetch_done,
        };
        future_init(&load->done, load->loop, NULL);
        r = block_device_submit(load->volume, &load->request);
        return r < 0 ? r : task_await(task, &load->done, TASK_NEVER);
}

static int fill(Load *load, Task *task) {
        int r = 0;

        for (uint64_t offset = 0; r == 0 && offset < load->size; offset += FILL_SIZE)
                r = await_prefetch(load, task, offset, FILL_SIZE);
        return r;
}

static bool hit(Load *load, Random *random) {
        uint64_t offset = random_below(random, load->size / LINE_SIZE) * LINE_SIZE;
        uint64_t started_ns = now_ns();
        BlockLoan loan;

        if (!block_device_lend(load->volume, offset, LINE_SIZE, &loan))
                return false;
        load->sum += loan.parts[0].bytes[offset / LINE_SIZE % LINE_SIZE];
        block_device_take_back(load->volume, &loan);
        histogram_record(&load->latency, now_ns() - started_ns);
        return true;
}

static int load_main(Task *task, void *userdata) {
        Load *load = userdata;
        uint64_t started_ns, elapsed_ns, n = 0;
        Random random;
        int r;

        r = fill(load, task);
        if (r < 0)
                return r;
        random_init(&random, 1);
        histogram_init(&load->latency);
        started_ns = now_ns();
        do
                for (unsigned i = 0; i < BATCH; i++, n++)
                        if (!hit(load, &random))
                                return -ENODATA;
        while (now_ns() - started_ns < 2 * NS_PER_S);
        elapsed_ns = now_ns() - started_ns;
        printf("lines=%llu hits_per_s=%.0f p50_us=%.2f p99_us=%.2f checksum=%llu\n",
               (unsigned long long) (load->size / LINE_SIZE),
               (double) n * (double) NS_PER_S / (double) elapsed_ns,
               (double) histogram_quantile(&load->latency, 500) / 1e3,
               (double) histogram_quantile(&load->latency, 990) / 1e3,
               (unsigned long long) load->sum);
        return 0;
}

static void on_end(Task *task, int result, void *userdata) {
        Load *load = userdata;

        event_loop_exit(load->loop, result);
}

static int open_cache(Load *load, int arena_fd, CachePolicyKind policy) {
        CacheIdentity identity = { .block_size = 4096, .n_blocks = load->size / 4096 };
        int r;

        r = cache_manager_new(&load->cache, load->loop, arena_fd,
                              &(CacheOptions){
                                              .mode = CACHE_MODE_WRITE_BACK,
                                              .policy = policy,
                                              .has_read_ahead = true,
                                              .line_size = LINE_SIZE,
                              });
        if (r < 0)
                return r;
        return cache_volume_new(&load->volume, load->cache, 0, &identity, &load->memory->device);
}

int main(int argc, char **argv) {
        uint64_t n_lines = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
        CachePolicyKind policy = argc > 2 && strcmp(argv[2], "s3fifo") == 0
                                                 ? CACHE_POLICY_KIND_S3FIFO
                                                 : CACHE_POLICY_KIND_LRU;
        int fd = memfd_create("arena", MFD_CLOEXEC);
        Load load = { .size = ALIGN_DOWN(n_lines * LINE_SIZE, FILL_SIZE) };
        int r;

        if (load.size == 0 || fd < 0 ||
            ftruncate(fd, (off_t) (load.size + load.size / 8 + 4 * MIB)) < 0 ||
            systemd_event_loop_new(&load.loop) < 0) {
                fputs("cache_load [LINES [lru|s3fifo]]\n", stderr);
                return 2;
        }
        load.memory = memory_block_device_new(load.loop, load.size, 4096);
        r = load.memory ? open_cache(&load, fd, policy) : -ENOMEM;
        if (r == 0)
                r = task_start(NULL, load.loop, "load", load_main, on_end, &load);
        if (r == 0)
                r = event_loop_run(load.loop);
        if (r < 0)
                fprintf(stderr, "cache_load: %s\n", strerror(-r));
        return r < 0;
}
