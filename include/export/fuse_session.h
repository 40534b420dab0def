#pragma once

/*
 * FuseSession
 *
 * A mounted image file: the kernel's requests on a /dev/fuse descriptor, in the worker, on a
 * BlockDevice. The file is the mount's root. There is no page cache between: what the kernel is told is
 * on the device as far as it is for clients of NBD.
 *
 * Requests are received into memory that outlives the process, since one that nobody answers hangs its
 * caller for ever: a session with the memory of a dead one answers first what that had received.
 */

#include <sys/types.h>

#include "base/rate_budget.h"
#include "block/block_device.h"

/* Of the memory that requests are received into: two pages, and 64 times a page and a megabyte. */
#define FUSE_SESSION_SLOTS_SIZE (UINT64_C(2) * 4096 + UINT64_C(64) * (4096 + 1024 * 1024))

typedef struct FuseSession FuseSession;

typedef struct FuseSessionOptions {
        uint64_t request_timeout_ns; /* as NbdSession's; 0: default, 30 s */
        RateBudget *budget;          /* likewise */
        uid_t uid;                   /* the file's owner */
        gid_t gid;
        bool is_read_only;    /* also where the device is not */
        uint64_t realtime_ns; /* what CLOCK_REALTIME tells now: the file's times */
        const void *identity; /* of the medium, so that no other one is taken for it; copied */
        size_t identity_size; /* at most 1 KiB */
} FuseSessionOptions;

/* Nothing is in flight any more; free it now or later. Once. 0: it was unmounted; -ECANCELED: it was
 * shut down; -errno. */
typedef void (*FuseSessionEnded)(FuseSession *session, int error, void *userdata);

/*
 * Takes `fd` over, also on failure; it must not block. `slots_fd` is FUSE_SESSION_SLOTS_SIZE bytes of
 * memory, zeroes or what another session left; borrowed for the call. -ESTALE: that was on another
 * medium; -EBADMSG: it makes no sense. `device` is borrowed and must outlive it. (libfuse has a
 * fuse_session_new() already.)
 */
int fuse_session_start(FuseSession **ret, BlockDevice *device, int fd, int slots_fd,
                       const FuseSessionOptions *options, FuseSessionEnded ended, void *userdata);
/* Only after `ended`, or within it. */
FuseSession *fuse_session_free(FuseSession *session);
DEFINE_CLEANUP(FuseSession *, fuse_session_free);
/* Of requests that come from now on. */
void fuse_session_set_request_timeout(FuseSession *session, uint64_t timeout_ns);
/* Answers what is in flight, then ends. What the kernel has kept back fails when the last descriptor
 * of the mount is closed. */
void fuse_session_shut_down(FuseSession *session);
/* The same for one that a successor is to go on with: what the device gives back unfinished (-ESHUTDOWN)
 * stays where it is, for the successor to answer. */
void fuse_session_leave(FuseSession *session);
