#pragma once

/*
 * A FuseSession on a memory device in virtual time, and its kernel: a socket that keeps messages apart,
 * as /dev/fuse does.
 */

#include <check.h>
#include <linux/fuse.h>

#include "base/virtual_event_loop.h"
#include "export/fuse_session.h"
#include "memory_block_device.h"

#define FUSE_FIXTURE_DEVICE_SIZE (1 * MIB)
#define FUSE_FIXTURE_REPLY_SIZE_MAX (128 * 1024)

typedef struct FuseFixture {
        EventLoop *loop;
        MemoryBlockDevice *memory;
        FuseSession *session;
        FuseSessionOptions options;
        int kernel_fd;
        int session_fd; /* another one of what the session reads from, as the manager has it */
        int slots_fd;
        unsigned n_ended;
        int error; /* that it ended with */
        uint64_t unique;
} FuseFixture;

typedef struct FuseReply {
        struct fuse_out_header header;
        uint8_t body[FUSE_FIXTURE_REPLY_SIZE_MAX];
        size_t body_size;
} FuseReply;

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

/* Returns its number. */
uint64_t fuse_fixture_send(FuseFixture *fixture, uint32_t opcode, const void *body, size_t size);
uint64_t fuse_fixture_send_init(FuseFixture *fixture);
uint64_t fuse_fixture_send_read(FuseFixture *fixture, uint64_t offset, uint32_t size);
/* `size` times `value`. */
uint64_t fuse_fixture_send_write(FuseFixture *fixture, uint64_t offset, uint32_t size,
                                 uint8_t value, uint32_t flags);
/* False: there is none. Does not run the loop. */
bool fuse_fixture_receive(FuseFixture *fixture, FuseReply *ret);
/* Runs, and takes the answer to `unique`, which must be the next. */
void fuse_fixture_expect(FuseFixture *fixture, uint64_t unique, int error, FuseReply *ret);
