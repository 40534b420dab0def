#pragma once

/*
 * A CacheVolume on a Lun on a RamTarget in virtual time, and requests to it. The disk has a
 * volatile cache of its own, which it loses when it is reset.
 */

#include <check.h>

#include "block/lun.h"
#include "cache/cache_volume.h"
#include "ram_target.h"

#define CACHE_FIXTURE_DISK_SIZE (4 * MIB)
#define CACHE_FIXTURE_REQUESTS_MAX 64

typedef struct CacheFixtureRequest {
        BlockRequest block;
        struct iovec segments[3];
        bool is_done;
        uint64_t done_ns;
} CacheFixtureRequest;

typedef struct CacheFixture {
        EventLoop *loop;
        EventTimer clock;
        RamTarget ram;
        BlockDevice *lun;
        int arena_fd;
        uint64_t arena_size;
        CacheOptions options;
        CacheManager *manager;
        BlockDevice *volume;
        CacheFixtureRequest requests[CACHE_FIXTURE_REQUESTS_MAX];
        size_t n_requests;
        uint64_t timeout_ns; /* of those that come */
        bool is_submitting;
} CacheFixture;

/* Write-back, LRU, lines of 64 KiB in an arena of 2 MiB; then the test changes `options`,
 * `arena_size` and `ram`, and starts. */
void cache_fixture_set_up(CacheFixture *fixture, uint32_t block_size);
void cache_fixture_start(CacheFixture *fixture);
/* Ends what waits, and checks that every request has completed. */
void cache_fixture_tear_down(CacheFixture *fixture);
/* A second of virtual time: long enough for all that waits for nothing but the disk. */
void cache_fixture_run(CacheFixture *fixture);
void cache_fixture_run_for(CacheFixture *fixture, uint64_t duration_ns);

CacheFixtureRequest *cache_fixture_submit(CacheFixture *fixture, BlockOperation operation,
                                          BlockRequestFlags flags, uint64_t offset, uint64_t size,
                                          void *data);
/* Submits, runs until it is done, and returns the error. */
int cache_fixture_do(CacheFixture *fixture, BlockOperation operation, BlockRequestFlags flags,
                     uint64_t offset, uint64_t size, void *data);

/* The disk is reset: what it had not synchronised is as it was before, and the cache is told. */
void cache_fixture_reset_disk(CacheFixture *fixture);
/* The device goes away with all that it has in flight, and the volume is parked. */
void cache_fixture_unplug(CacheFixture *fixture);
/* It comes back; `loses_power`: without what it had not synchronised. */
void cache_fixture_replug(CacheFixture *fixture, bool loses_power);
/* The worker is dead: what is left is the arena's memory. A successor takes that in. */
void cache_fixture_kill(CacheFixture *fixture);
/* Ends the volume's life whatever it holds; nothing changes on the disk. */
void cache_fixture_drop(CacheFixture *fixture);
/* A new worker takes in what `remains_fd` holds. Returns what the import returned. */
int cache_fixture_restart(CacheFixture *fixture, int remains_fd);

/* How many commands with that operation code came. */
size_t cache_fixture_count(const CacheFixture *fixture, uint8_t opcode);
int cache_fixture_make_memfd(uint64_t size);
/* A memfd with the same content. */
int cache_fixture_copy_memfd(int fd);
