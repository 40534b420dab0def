/* Nothing but plumbing; what is expected stands in the tests. */

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cache/cache_import.h"
#include "cache_fixture.h"

#define TIMEOUT_NS (30 * NS_PER_S)

static CacheFixture *current;

static void on_clock(EventTimer *timer) {}

int cache_fixture_make_memfd(uint64_t size) {
        int fd = memfd_create("arena", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, (off_t) size), 0);
        return fd;
}

int cache_fixture_copy_memfd(int fd) {
        struct stat status;
        uint8_t *bytes;
        int copy;

        ck_assert_int_eq(fstat(fd, &status), 0);
        copy = cache_fixture_make_memfd((uint64_t) status.st_size);
        bytes = mmap(NULL, (size_t) status.st_size, PROT_READ, MAP_SHARED, fd, 0);
        ck_assert_ptr_ne(bytes, MAP_FAILED);
        ck_assert_int_eq(pwrite(copy, bytes, (size_t) status.st_size, 0), status.st_size);
        munmap(bytes, (size_t) status.st_size);
        return copy;
}

void cache_fixture_set_up(CacheFixture *fixture, uint32_t block_size) {
        *fixture = (CacheFixture){
                .arena_fd = -1,
                .timeout_ns = TIMEOUT_NS,
                .arena_size = 2 * MIB,
                .options = { .mode = CACHE_MODE_WRITE_BACK },
        };
        current = fixture;
        ck_assert_int_eq(virtual_event_loop_new(&fixture->loop), 0);
        ck_assert_int_eq(event_timer_init(&fixture->clock, fixture->loop, on_clock), 0);
        ram_target_init(&fixture->ram, fixture->loop, CACHE_FIXTURE_DISK_SIZE / block_size,
                        block_size);
        fixture->ram.disk.transfer_size_max = 1 * MIB;
        for (size_t i = 0; i < CACHE_FIXTURE_DISK_SIZE; i++)
                fixture->ram.memory[i] = (uint8_t) (i * 11 + i / 512);
        memcpy(fixture->ram.persistent, fixture->ram.memory, CACHE_FIXTURE_DISK_SIZE);
}

static void make_lun(CacheFixture *fixture) {
        static const LunOptions options = { .name = "lun",
                                            .is_trim_enabled = true,
                                            .known = { .is_unmap_proven = true } };

        ck_assert_int_eq(lun_new(&fixture->lun, &fixture->ram.target, &fixture->ram.disk, &options),
                         0);
}

static void make_volume(CacheFixture *fixture) {
        static const CacheIdentity empty = {};
        CacheIdentity identity = empty;

        identity.block_size = fixture->ram.disk.block_size;
        identity.n_blocks = fixture->ram.disk.n_blocks;
        fixture->arena_fd = cache_fixture_make_memfd(fixture->arena_size);
        ck_assert_int_eq(cache_manager_new(&fixture->manager, fixture->loop, fixture->arena_fd,
                                           &fixture->options),
                         0);
        ck_assert_int_eq(cache_volume_new(&fixture->volume, fixture->manager, 0, &identity,
                                          fixture->lun),
                         0);
}

void cache_fixture_start(CacheFixture *fixture) {
        make_lun(fixture);
        make_volume(fixture);
}

/* Virtual time passes only as long as a timer waits for it. */
void cache_fixture_run_for(CacheFixture *fixture, uint64_t duration_ns) {
        uint64_t until_ns = event_loop_now_ns(fixture->loop) + duration_ns;

        event_timer_set(&fixture->clock, until_ns);
        ck_assert_int_eq(virtual_event_loop_run_until(fixture->loop, until_ns), 0);
}

void cache_fixture_run(CacheFixture *fixture) { cache_fixture_run_for(fixture, NS_PER_S); }

void cache_fixture_unplug(CacheFixture *fixture) {
        lun_shut_down(fixture->lun);
        ram_target_release(&fixture->ram, 0);
        cache_volume_park(fixture->volume);
        cache_volume_set_away(fixture->volume);
        while (!cache_volume_is_detached(fixture->volume))
                cache_fixture_run_for(fixture, NS_PER_MS);
        fixture->lun = block_device_free(fixture->lun);
}

void cache_fixture_replug(CacheFixture *fixture, bool loses_power) {
        if (loses_power)
                memcpy(fixture->ram.memory, fixture->ram.persistent, CACHE_FIXTURE_DISK_SIZE);
        make_lun(fixture);
        cache_volume_resume(fixture->volume, fixture->lun);
}

void cache_fixture_drop(CacheFixture *fixture) {
        if (fixture->lun)
                cache_fixture_unplug(fixture);
        cache_volume_shut_down(fixture->volume);
        while (!cache_volume_is_idle(fixture->volume))
                cache_fixture_run_for(fixture, NS_PER_MS);
        fixture->volume = block_device_free(fixture->volume);
        fixture->manager = cache_manager_free(fixture->manager);
        fixture->arena_fd = fd_close(fixture->arena_fd);
}

int cache_fixture_restart(CacheFixture *fixture, int remains_fd) {
        _cleanup_(cache_remains_freep) CacheRemains *remains = NULL;
        uint32_t cursor = 0;

        ck_assert_int_eq(cache_remains_new(&remains, remains_fd, "test"), 0);
        make_lun(fixture);
        make_volume(fixture);
        return cache_import_remains(fixture->volume, remains, &cursor);
}

void cache_fixture_kill(CacheFixture *fixture) {
        int remains_fd = cache_fixture_copy_memfd(fixture->arena_fd);

        cache_fixture_drop(fixture);
        ck_assert_int_eq(cache_fixture_restart(fixture, remains_fd), 0);
        fd_close(remains_fd);
}

void cache_fixture_tear_down(CacheFixture *fixture) {
        if (fixture->volume)
                cache_fixture_drop(fixture);
        for (size_t i = 0; i < fixture->n_requests; i++)
                ck_assert(fixture->requests[i].is_done);
        ram_target_done(&fixture->ram);
        event_timer_done(&fixture->clock);
        event_loop_free(fixture->loop);
}

void cache_fixture_reset_disk(CacheFixture *fixture) {
        memcpy(fixture->ram.memory, fixture->ram.persistent, CACHE_FIXTURE_DISK_SIZE);
        cache_manager_on_reset(fixture->manager);
}

static void on_done(BlockRequest *block) {
        CacheFixtureRequest *request = container_of(block, CacheFixtureRequest, block);

        ck_assert(!current->is_submitting);
        ck_assert(!request->is_done);
        request->is_done = true;
        request->done_ns = event_loop_now_ns(current->loop);
}

CacheFixtureRequest *cache_fixture_submit(CacheFixture *fixture, BlockOperation operation,
                                          BlockRequestFlags flags, uint64_t offset, uint64_t size,
                                          void *data) {
        CacheFixtureRequest *request = &fixture->requests[fixture->n_requests++];

        ck_assert_uint_le(fixture->n_requests, CACHE_FIXTURE_REQUESTS_MAX);
        *request = (CacheFixtureRequest) {
                .block = {
                        .operation = operation,
                        .flags = flags,
                        .offset = offset,
                        .size = size,
                        .segments = request->segments,
                        .n_segments = 1,
                        .deadline_ns = event_loop_now_ns(fixture->loop) + fixture->timeout_ns,
                        .done = on_done,
                },
                .segments = { { .iov_base = data, .iov_len = size } },
        };
        list_init(&request->block.node);
        fixture->is_submitting = true;
        ck_assert_int_eq(block_device_submit(fixture->volume, &request->block), 0);
        fixture->is_submitting = false;
        return request;
}

int cache_fixture_do(CacheFixture *fixture, BlockOperation operation, BlockRequestFlags flags,
                     uint64_t offset, uint64_t size, void *data) {
        CacheFixtureRequest *request =
                        cache_fixture_submit(fixture, operation, flags, offset, size, data);

        for (unsigned i = 0; i < 100000 && !request->is_done; i++)
                cache_fixture_run_for(fixture, NS_PER_MS);
        ck_assert(request->is_done);
        fixture->n_requests--;
        return request->block.error;
}

size_t cache_fixture_count(const CacheFixture *fixture, uint8_t opcode) {
        return ram_target_count(&fixture->ram, opcode);
}
