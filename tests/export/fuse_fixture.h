#pragma once

/* A FuseSession on a memory device in virtual time, and its kernel. */

#include <check.h>

#include "base/virtual_event_loop.h"
#include "export/fuse_session.h"
#include "fuse_kernel.h"
#include "memory_block_device.h"

#define FUSE_FIXTURE_DEVICE_SIZE (1 * MIB)

typedef struct FuseFixture {
        EventLoop *loop;
        MemoryBlockDevice *memory;
        FuseSession *session;
        FuseSessionOptions options;
        FuseKernel kernel;
        int session_fd; /* another one of what the session reads from, as the manager has it */
        int slots_fd;
        unsigned n_ended;
        int error; /* that it ended with */
} FuseFixture;

/* The device, the descriptors and the memory; no session yet. */
void fuse_fixture_set_up(FuseFixture *fixture);
/* What fuse_session_start() returns. */
int fuse_fixture_start(FuseFixture *fixture);
/* Both, and an INIT. */
void fuse_fixture_begin(FuseFixture *fixture);
/* As a dead worker's: nothing is answered and nothing given back, but its memory and descriptor stay. */
void fuse_fixture_kill(FuseFixture *fixture);
/* The kernel goes, and the session ends. */
void fuse_fixture_tear_down(FuseFixture *fixture);
void fuse_fixture_run(FuseFixture *fixture);
void fuse_fixture_run_for(FuseFixture *fixture, uint64_t duration_ns);

/* Runs, and takes the answer to `unique`, which must be the next. */
void fuse_fixture_expect(FuseFixture *fixture, uint64_t unique, int error, FuseReply *ret);
