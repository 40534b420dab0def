/*
 * A file of fixed size. Every answer is given exactly once, and the request's slot is free directly
 * behind it: nothing may come between, since what is in a slot is carried out again by a successor.
 *
 * A READ that fails is never answered with the good bytes before the bad block: the kernel's loop driver
 * fills up a short read with zeroes and calls it good.
 */

#include "export/fuse_operations.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/statvfs.h>

#define ATTRIBUTES_TIMEOUT_S 1.0
/* The slowest link's: a second more for so many bytes. */
#define SLOWEST_RATE (1 * MIB)
/* Zeroes are written in pieces, each with a deadline of its own. */
#define ZEROES_SIZE_MAX (256 * MIB)
#define MAX_BACKGROUND (FUSE_SLOTS_N)

int fuse_operations_errno(int error) {
        switch (-error) {
        case EPERM:
        case EROFS:
                return EROFS;
        case ENODEV:
        case ESHUTDOWN:
                return ENODEV;
        case EBUSY:
        case ENOMEM:
                return ENOMEM;
        case ENOTSUP:
        case EINVAL:
        case ENOSPC:
        case ETIMEDOUT:
                return -error;
        default:
                return EIO;
        }
}

static FuseRequest *get_current(fuse_req_t handle) {
        FuseSession *session = fuse_req_userdata(handle);

        assert(session->current && !session->current->handle);
        return session->current;
}

/* Answers */

/* What libfuse says of an answer that could not be sent is for who sends it (session's writev). */
static void answer_errno(FuseRequest *request, int number) {
        (void) fuse_reply_err(TAKE_PTR(request->handle), number);
        fuse_session_release(request);
}

static void answer_error(FuseRequest *request, int error) {
        answer_errno(request, fuse_operations_errno(error));
}

static void answer_done(FuseRequest *request) { answer_errno(request, 0); }

static void answer_bytes(FuseRequest *request, const void *bytes, size_t size) {
        (void) fuse_reply_buf(TAKE_PTR(request->handle), bytes, size);
        fuse_session_release(request);
}

static void answer_written(FuseRequest *request, size_t size) {
        (void) fuse_reply_write(TAKE_PTR(request->handle), size);
        fuse_session_release(request);
}

static void leave(FuseRequest *request) {
        request->is_left = true;
        fuse_reply_none(TAKE_PTR(request->handle));
        fuse_session_release(request);
}

/* Towards the device */

static uint64_t get_deadline_ns(const FuseRequest *request) {
        const FuseSession *session = request->session;
        uint64_t timeout_ns = session->options.request_timeout_ns;
        uint64_t size = session->n_busy * FUSE_MESSAGE_DATA_SIZE_MAX;

        if (request->block.operation == BLOCK_OPERATION_FLUSH)
                timeout_ns *= 2; /* a disk's whole cache goes to the medium */
        if (request->block.operation != BLOCK_OPERATION_STATUS) /* moves nothing, however much */
                size += request->block.size;
        return event_loop_now_ns(session->device->loop) + timeout_ns +
               size / SLOWEST_RATE * NS_PER_S;
}

/* What begins at `offset`. It may be answered when this returns. */
static void submit(FuseRequest *request, BlockOperation operation, uint64_t size) {
        BlockRequest *block = &request->block;
        int r;

        block->operation = operation;
        block->flags = request->flags;
        block->offset = operation == BLOCK_OPERATION_FLUSH ? 0 : request->offset;
        block->size = size;
        block->segments = &request->segment;
        block->n_segments = 1;
        block->extents = request->extents;
        block->n_extents_max =
                        operation == BLOCK_OPERATION_STATUS ? N_ELEMENTS(request->extents) : 0;
        block->deadline_ns = get_deadline_ns(request);
        r = block_device_submit(request->session->device, block);
        if (r == -ESHUTDOWN && request->session->is_left)
                leave(request);
        else if (r < 0)
                answer_error(request, r);
}

static FuseRequest *take(fuse_req_t handle, uint64_t offset, uint64_t size) {
        FuseRequest *request = get_current(handle);

        request->handle = handle;
        request->offset = offset;
        request->end = offset + size;
        request->flags = 0;
        return request;
}

static void submit_zeroes(FuseRequest *request) {
        submit(request, BLOCK_OPERATION_WRITE_ZEROES,
               MIN(request->end - request->offset, ZEROES_SIZE_MAX));
}

static void on_zeroes_done(FuseRequest *request) {
        request->offset += request->block.size;
        if (request->offset < request->end)
                submit_zeroes(request);
        else
                answer_done(request);
}

static bool is_found(int whence, BlockExtentFlags flags) {
        bool is_hole = flags & BLOCK_EXTENT_ZERO;

        return whence == SEEK_HOLE ? is_hole : !is_hole;
}

static void answer_position(FuseRequest *request) {
        (void) fuse_reply_lseek(TAKE_PTR(request->handle), (off_t) request->offset);
        fuse_session_release(request);
}

static void on_status_done(FuseRequest *request) {
        assert(request->block.n_extents > 0);

        for (size_t i = 0; i < request->block.n_extents; i++) {
                if (is_found(request->whence, request->extents[i].flags)) {
                        answer_position(request);
                        return;
                }
                request->offset += request->extents[i].size;
        }
        if (request->offset < request->end)
                submit(request, BLOCK_OPERATION_STATUS, request->end - request->offset);
        else if (request->whence == SEEK_HOLE) /* a file ends in a hole */
                answer_position(request);
        else
                answer_errno(request, ENXIO);
}

static void on_success(FuseRequest *request) {
        switch (request->block.operation) {
        case BLOCK_OPERATION_READ:
                answer_bytes(request, request->data, request->block.size);
                return;
        case BLOCK_OPERATION_WRITE:
                answer_written(request, request->block.size);
                return;
        case BLOCK_OPERATION_FLUSH:
                answer_done(request);
                return;
        case BLOCK_OPERATION_WRITE_ZEROES:
                on_zeroes_done(request);
                return;
        case BLOCK_OPERATION_STATUS:
                on_status_done(request);
                return;
        case BLOCK_OPERATION_TRIM:
        case BLOCK_OPERATION_PREFETCH:
        case _BLOCK_OPERATION_MAX:
                break;
        }
        assert_not_reached(); /* none of ours */
}

void fuse_operations_on_block_done(BlockRequest *block) {
        FuseRequest *request = container_of(block, FuseRequest, block);

        if (block->error == -ESHUTDOWN && request->session->is_left)
                leave(request);
        else if (block->error < 0)
                answer_error(request, block->error);
        else
                on_success(request);
}

/* Operations */

static void on_init(void *userdata, struct fuse_conn_info *connection) {
        static const unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO |
                                       FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_PARALLEL_DIROPS;

        connection->want = connection->capable & wanted;
        connection->max_write = FUSE_MESSAGE_DATA_SIZE_MAX;
        connection->max_read = FUSE_MESSAGE_DATA_SIZE_MAX;
        connection->max_background = MAX_BACKGROUND;
        connection->congestion_threshold = MAX_BACKGROUND * 3 / 4;
}

static uint64_t get_size(const FuseSession *session) {
        return block_device_get_info(session->device)->size;
}

static bool is_read_only(const FuseSession *session) {
        return session->options.is_read_only ||
               block_device_get_info(session->device)->is_read_only;
}

static struct timespec to_time(const FuseSession *session, uint64_t loop_ns) {
        uint64_t time_ns = session->options.realtime_ns + (loop_ns - session->started_ns);

        return (struct timespec){ .tv_sec = (time_t) (time_ns / NS_PER_S),
                                  .tv_nsec = (long) (time_ns % NS_PER_S) };
}

static void answer_attributes(FuseRequest *request) {
        FuseSession *session = request->session;
        const BlockInfo *info = block_device_get_info(session->device);
        struct stat attributes = {
                .st_ino = FUSE_ROOT_ID,
                .st_mode = S_IFREG | (is_read_only(session) ? 0400 : 0600),
                .st_nlink = 1,
                .st_uid = session->options.uid,
                .st_gid = session->options.gid,
                .st_size = (off_t) info->size,
                .st_blocks = (blkcnt_t) (info->size / 512),
                .st_blksize = (blksize_t) info->block_size_optimal,
                .st_atim = to_time(session, session->modified_ns),
                .st_mtim = to_time(session, session->modified_ns),
                .st_ctim = to_time(session, session->modified_ns),
        };

        (void) fuse_reply_attr(TAKE_PTR(request->handle), &attributes, ATTRIBUTES_TIMEOUT_S);
        fuse_session_release(request);
}

static void on_getattr(fuse_req_t handle, fuse_ino_t node, struct fuse_file_info *file) {
        answer_attributes(take(handle, 0, 0));
}

/* It is a disk: its size, owner and mode are what they are. */
static void on_setattr(fuse_req_t handle, fuse_ino_t node, struct stat *wanted, int which,
                       struct fuse_file_info *file) {
        FuseRequest *request = take(handle, 0, 0);
        const FuseSession *session = request->session;
        mode_t mode = is_read_only(session) ? 0400 : 0600;

        if ((which & FUSE_SET_ATTR_SIZE && (uint64_t) wanted->st_size != get_size(session)) ||
            (which & FUSE_SET_ATTR_MODE && (wanted->st_mode & 07777) != mode) ||
            (which & FUSE_SET_ATTR_UID && wanted->st_uid != session->options.uid) ||
            (which & FUSE_SET_ATTR_GID && wanted->st_gid != session->options.gid)) {
                answer_errno(request, EPERM);
                return;
        }
        answer_attributes(request);
}

/* The handle tells whether there is anything to flush when it is closed. O_TRUNC means nothing. */
static void on_open(fuse_req_t handle, fuse_ino_t node, struct fuse_file_info *file) {
        FuseRequest *request = take(handle, 0, 0);
        bool is_writing = (file->flags & O_ACCMODE) != O_RDONLY;
        char answer[FUSE_MESSAGE_OPEN_SIZE];

        if (is_writing && is_read_only(request->session)) {
                answer_error(request, -EROFS);
                return;
        }
        fuse_message_encode_open(is_writing, answer);
        answer_bytes(request, answer, sizeof(answer));
}

static void on_release(fuse_req_t handle, fuse_ino_t node, struct fuse_file_info *file) {
        answer_done(take(handle, 0, 0));
}

static void answer_loan(FuseRequest *request, BlockLoan *loan) {
        struct iovec parts[BLOCK_LOAN_PARTS_MAX];

        for (size_t i = 0; i < loan->n_parts; i++)
                parts[i] = (struct iovec){ .iov_base = (void *) loan->parts[i].bytes,
                                           .iov_len = loan->parts[i].size };
        (void) fuse_reply_iov(TAKE_PTR(request->handle), parts, (int) loan->n_parts);
        block_device_take_back(request->session->device, loan);
        fuse_session_release(request);
}

static void spend(FuseSession *session, uint64_t size) {
        if (session->options.budget)
                rate_budget_spend(session->options.budget, size,
                                  event_loop_now_ns(session->device->loop));
}

static void submit_data(FuseRequest *request, BlockOperation operation, void *data, uint64_t size) {
        request->segment = (struct iovec){ .iov_base = data, .iov_len = size };
        submit(request, operation, size);
}

static void on_read(fuse_req_t handle, fuse_ino_t node, size_t size, off_t offset,
                    struct fuse_file_info *file) {
        FuseRequest *request = take(handle, (uint64_t) offset, size);
        FuseSession *session = request->session;
        uint64_t end = get_size(session);
        BlockLoan loan;

        if (offset < 0 || size > FUSE_MESSAGE_DATA_SIZE_MAX) {
                answer_error(request, -EINVAL);
                return;
        }
        size = request->offset < end ? MIN(size, end - request->offset) : 0;
        spend(session, size);
        if (size == 0) {
                answer_bytes(request, NULL, 0);
                return;
        }
        if (block_device_lend(session->device, request->offset, size, &loan)) {
                answer_loan(request, &loan);
                return;
        }
        request->data = staging_get(session->device->staging, size);
        if (!request->data) {
                answer_error(request, -ENOMEM);
                return;
        }
        request->data_size = size;
        submit_data(request, BLOCK_OPERATION_READ, request->data, size);
}

/* What goes past the end is cut off, as with a block device. */
static void on_write(fuse_req_t handle, fuse_ino_t node, const char *data, size_t size,
                     off_t offset, struct fuse_file_info *file) {
        FuseRequest *request = take(handle, (uint64_t) offset, size);
        FuseSession *session = request->session;
        uint64_t end = get_size(session);
        int error = 0;

        if (offset < 0)
                error = -EINVAL;
        else if (is_read_only(session))
                error = -EROFS;
        else if (request->offset >= end && size > 0)
                error = -ENOSPC;
        if (error < 0) {
                answer_error(request, error);
                return;
        }
        if (size == 0) {
                answer_written(request, 0);
                return;
        }
        size = MIN(size, end - request->offset);
        spend(session, size);
        session->modified_ns = event_loop_now_ns(session->device->loop);
        if (file->flags & (O_SYNC | O_DSYNC))
                request->flags = BLOCK_REQUEST_FUA;
        submit_data(request, BLOCK_OPERATION_WRITE, (void *) data, size);
}

/* close() of who has written tells whether it has arrived. */
static void on_flush(fuse_req_t handle, fuse_ino_t node, struct fuse_file_info *file) {
        FuseRequest *request = take(handle, 0, 0);

        if (file->fh == 0 || is_read_only(request->session))
                answer_done(request);
        else
                submit(request, BLOCK_OPERATION_FLUSH, 0);
}

static void on_fsync(fuse_req_t handle, fuse_ino_t node, int is_datasync,
                     struct fuse_file_info *file) {
        FuseRequest *request = take(handle, 0, 0);

        if (is_read_only(request->session))
                answer_done(request);
        else
                submit(request, BLOCK_OPERATION_FLUSH, 0);
}

/*
 * A hole must read as zeroes, so that it may be punched only where the device promises these, and it is
 * not worth writing them. All of a disk is allocated already.
 */
static void on_fallocate(fuse_req_t handle, fuse_ino_t node, int mode, off_t offset, off_t size,
                         struct fuse_file_info *file) {
        FuseRequest *request = take(handle, (uint64_t) offset, (uint64_t) size);
        FuseSession *session = request->session;
        uint64_t end = get_size(session);
        bool is_hole = mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
        bool is_zeroes = (mode & ~FALLOC_FL_KEEP_SIZE) == FALLOC_FL_ZERO_RANGE;
        bool is_allocation = (mode & ~FALLOC_FL_KEEP_SIZE) == 0;

        if (!is_hole && !is_zeroes && !is_allocation)
                answer_error(request, -EOPNOTSUPP);
        else if (is_read_only(session))
                answer_error(request, -EROFS);
        else if (offset < 0 || size <= 0)
                answer_error(request, -EINVAL);
        else if (!is_hole && !(mode & FALLOC_FL_KEEP_SIZE) &&
                 !block_device_has_range(session->device, request->offset, (uint64_t) size))
                answer_error(request, -ENOSPC);
        else if (is_allocation || request->offset >= end)
                answer_done(request);
        else {
                request->end = MIN(request->end, end);
                request->flags = is_hole ? BLOCK_REQUEST_FAST_ONLY : 0;
                session->modified_ns = event_loop_now_ns(session->device->loop);
                submit_zeroes(request);
        }
}

static void on_lseek(fuse_req_t handle, fuse_ino_t node, off_t offset, int whence,
                     struct fuse_file_info *file) {
        FuseRequest *request = take(handle, (uint64_t) offset, 0);
        uint64_t end = get_size(request->session);

        request->end = end;
        request->whence = whence;
        if (whence != SEEK_DATA && whence != SEEK_HOLE)
                answer_error(request, -EINVAL);
        else if (offset < 0 || request->offset >= end)
                answer_errno(request, ENXIO);
        else
                submit(request, BLOCK_OPERATION_STATUS, end - request->offset);
}

static void on_statfs(fuse_req_t handle, fuse_ino_t node) {
        FuseRequest *request = take(handle, 0, 0);
        const BlockInfo *info = block_device_get_info(request->session->device);
        struct statvfs status = {
                .f_bsize = info->block_size,
                .f_frsize = info->block_size,
                .f_blocks = info->size / info->block_size,
                .f_files = 1,
                .f_namemax = 255,
        };

        (void) fuse_reply_statfs(TAKE_PTR(request->handle), &status);
        fuse_session_release(request);
}

const struct fuse_lowlevel_ops *fuse_operations_get(void) {
        static const struct fuse_lowlevel_ops operations = {
                .init = on_init,
                .getattr = on_getattr,
                .setattr = on_setattr,
                .open = on_open,
                .release = on_release,
                .read = on_read,
                .write = on_write,
                .flush = on_flush,
                .fsync = on_fsync,
                .fallocate = on_fallocate,
                .lseek = on_lseek,
                .statfs = on_statfs,
        };

        return &operations;
}
