#pragma once

/* A Lun on a RamTarget in virtual time, and requests to it. */

#include <check.h>

#include "block/lun.h"
#include "ram_target.h"

#define FIXTURE_REQUESTS_MAX 64

typedef struct FixtureRequest {
        BlockRequest block;
        struct iovec segments[4];
        bool is_done;
        uint64_t done_ns;
        unsigned done_index; /* the how manieth completion it was */
} FixtureRequest;

typedef struct LunFixture {
        EventLoop *loop;
        EventTimer clock;
        RamTarget ram;
        BlockDevice *lun;
        LunOptions options;
        FixtureRequest requests[FIXTURE_REQUESTS_MAX];
        size_t n_requests;
        unsigned n_done;
        bool is_submitting;
} LunFixture;

/* 2048 blocks of 512 bytes that can everything; then the test changes `ram.disk` and starts. */
void lun_fixture_set_up(LunFixture *fixture, uint32_t block_size);
void lun_fixture_start(LunFixture *fixture);
void lun_fixture_tear_down(LunFixture *fixture);
/* Runs for some virtual time: long enough for all that needs no deadline. */
void lun_fixture_run(LunFixture *fixture);
void lun_fixture_run_for(LunFixture *fixture, uint64_t duration_ns);

FixtureRequest *lun_fixture_submit(LunFixture *fixture, BlockOperation operation,
                                   BlockRequestFlags flags, uint64_t offset, uint64_t size,
                                   void *data);
/* What submit returned. */
int lun_fixture_try_submit(LunFixture *fixture, FixtureRequest *request);
FixtureRequest *lun_fixture_prepare(LunFixture *fixture, BlockOperation operation,
                                    BlockRequestFlags flags, uint64_t offset, uint64_t size,
                                    void *data);
/* Submits, runs, and returns the error. */
int lun_fixture_do(LunFixture *fixture, BlockOperation operation, BlockRequestFlags flags,
                   uint64_t offset, uint64_t size, void *data);
/* The journal as "WRITE(10) 0+8, ..." with "!" behind commands that carry FUA or UNMAP. */
const char *lun_fixture_journal(LunFixture *fixture);
void lun_fixture_forget_journal(LunFixture *fixture);
