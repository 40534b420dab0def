/*
 * Each pass goes once from the front to the end over what has one status in the map, in pieces of
 * one size. What becomes of a piece is put into the map when it is complete; the cursor is ahead of
 * all that is in flight, so nothing is taken twice.
 */

#include <errno.h>
#include <string.h>

#include "cli/ctl_text.h"
#include "cli/image_copy.h"

#define PIECE_SIZE_MAX ((size_t) MIB)
#define SMALL_PIECE_SIZE ((size_t) (64 * KIB))
#define LOOK_MS 200

typedef enum PieceState {
        PIECE_STATE_FREE,
        PIECE_STATE_IN_FLIGHT,
        PIECE_STATE_COMPLETE,
} PieceState;

typedef struct Piece {
        PieceState state;
        uint64_t start;
        size_t size;
        int error;      /* errno; 0: it succeeded */
        uint8_t *bytes; /* owned */
} Piece;

struct ImageCopy {
        const ImageCopyParameters *parameters;
        Piece pieces[IMAGE_COPY_DEPTH_MAX];
        unsigned n_in_flight;
        const char *failed_at; /* what can't go on; NULL: nothing */
        int r;
};

typedef struct Pass {
        RescueStatus from;
        RescueStatus failed;
        size_t piece_size;
} Pass;

static void image_copy_done(ImageCopy *copy) {
        for (size_t i = 0; i < IMAGE_COPY_DEPTH_MAX; i++)
                free(copy->pieces[i].bytes);
}

static void fail(ImageCopy *copy, int r, const char *where) {
        if (copy->r < 0)
                return;
        copy->r = r;
        copy->failed_at = where;
}

static int on_complete(void *userdata, int *error) {
        Piece *piece = userdata;

        piece->error = *error;
        piece->state = PIECE_STATE_COMPLETE;
        return 1; /* nobody asks for it afterwards */
}

static int read_file(int fd, uint8_t *bytes, size_t size, uint64_t offset) {
        while (size > 0) {
                ssize_t n = pread(fd, bytes, size, (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENODATA;
                bytes += n;
                size -= (size_t) n;
                offset += (uint64_t) n;
        }
        return 0;
}

static int write_file(int fd, const uint8_t *bytes, size_t size, uint64_t offset) {
        while (size > 0) {
                ssize_t n = pwrite(fd, bytes, size, (off_t) offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                bytes += n;
                size -= (size_t) n;
                offset += (uint64_t) n;
        }
        return 0;
}

static bool is_zero(const uint8_t *bytes, size_t size) {
        return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Sends it on its way. */
static void start_piece(ImageCopy *copy, Piece *piece) {
        const ImageCopyParameters *p = copy->parameters;
        const nbd_completion_callback callback = { .callback = on_complete, .user_data = piece };
        int64_t cookie;
        int r;

        if (p->to_export) {
                r = read_file(p->fd, piece->bytes, piece->size, piece->start);
                if (r < 0) {
                        fail(copy, r, "reading the file");
                        return;
                }
        }
        piece->state = PIECE_STATE_IN_FLIGHT;
        cookie = p->to_export ? nbd_aio_pwrite(p->nbd, piece->bytes, piece->size, piece->start,
                                               callback, 0)
                              : nbd_aio_pread(p->nbd, piece->bytes, piece->size, piece->start,
                                              callback, 0);
        if (cookie < 0) {
                piece->state = PIECE_STATE_FREE;
                fail(copy, nbd_get_errno() > 0 ? -nbd_get_errno() : -EIO, "sending a request");
                return;
        }
        copy->n_in_flight++;
}

/* An error that says nothing about these blocks in particular. */
static bool is_fatal(const ImageCopy *copy, int error) {
        switch (error) {
        case EPERM:
        case EACCES:
        case EROFS:
        case ENOSPC:
        case ESHUTDOWN:
        case ENOTCONN:
        case EPIPE:
        case ENOMEM:
                return true;
        default:
                return nbd_aio_is_dead(copy->parameters->nbd) > 0 ||
                       nbd_aio_is_closed(copy->parameters->nbd) > 0;
        }
}

/* In a file without holes the former contents would stay where nothing could be read. */
static int fill_gap(const ImageCopyParameters *p, Piece *piece) {
        if (p->to_export || p->has_holes)
                return 0;
        memset(piece->bytes, 0, piece->size);
        return write_file(p->fd, piece->bytes, piece->size, piece->start);
}

static void finish_piece(ImageCopy *copy, Piece *piece, RescueStatus failed) {
        const ImageCopyParameters *p = copy->parameters;
        RescueStatus status = piece->error == 0 ? RESCUE_STATUS_DONE : failed;
        int r = 0;

        piece->state = PIECE_STATE_FREE;
        copy->n_in_flight--;
        if (piece->error != 0 && is_fatal(copy, piece->error)) {
                fail(copy, -piece->error, p->to_export ? "writing" : "reading");
                return;
        }
        if (piece->error == 0 && !p->to_export &&
            !(p->has_holes && is_zero(piece->bytes, piece->size)))
                r = write_file(p->fd, piece->bytes, piece->size, piece->start);
        else if (status == RESCUE_STATUS_BAD)
                r = fill_gap(p, piece);
        if (r < 0) {
                fail(copy, r, "writing the file");
                return;
        }
        r = rescue_map_set(p->map, piece->start, piece->size, status);
        if (r < 0)
                fail(copy, r, "noting what is done");
}

static void finish_pieces(ImageCopy *copy, RescueStatus failed) {
        for (unsigned i = 0; i < copy->parameters->depth; i++)
                if (copy->pieces[i].state == PIECE_STATE_COMPLETE)
                        finish_piece(copy, &copy->pieces[i], failed);
}

/* Takes what comes next. False: there is nothing more in this pass. */
static bool take_piece(ImageCopy *copy, const Pass *pass, uint64_t *cursor, Piece *piece) {
        RescueExtent extent;
        uint64_t end;

        if (!rescue_map_find(copy->parameters->map, *cursor, pass->from, &extent))
                return false;
        /* Pieces end where pieces of their size do, so that those of the next pass are aligned. */
        end = ALIGN_DOWN(extent.start, pass->piece_size) + pass->piece_size;
        piece->start = extent.start;
        piece->size = (size_t) (MIN(end, extent.start + extent.size) - extent.start);
        *cursor = piece->start + piece->size;
        return true;
}

/* Fills what is free. False: nothing more is to be started. */
static bool start_pieces(ImageCopy *copy, const Pass *pass, uint64_t *cursor) {
        for (unsigned i = 0; i < copy->parameters->depth; i++) {
                Piece *piece = &copy->pieces[i];

                if (piece->state != PIECE_STATE_FREE)
                        continue;
                if (copy->r < 0 || !take_piece(copy, pass, cursor, piece))
                        return false;
                start_piece(copy, piece);
        }
        return true;
}

static void run_pass(ImageCopy *copy, const Pass *pass) {
        const ImageCopyParameters *p = copy->parameters;
        bool has_more = true;
        uint64_t cursor = 0;

        for (;;) {
                if (copy->r == 0 && p->ops->should_stop(p->userdata))
                        fail(copy, -EINTR, "");
                has_more = has_more && start_pieces(copy, pass, &cursor);
                if (copy->n_in_flight == 0)
                        return;
                /* When the connection ends, libnbd completes all that is in flight with an error. */
                if (nbd_poll(p->nbd, LOOK_MS) < 0)
                        fail(copy, nbd_get_errno() > 0 ? -nbd_get_errno() : -EIO,
                             "talking to the service");
                finish_pieces(copy, pass->failed);
                if (p->ops->on_progress)
                        p->ops->on_progress(p->userdata);
        }
}

int image_copy_run(const ImageCopyParameters *parameters, const char **ret_text) {
        _cleanup_(image_copy_done) ImageCopy copy = { .parameters = parameters };
        const Pass passes[] = {
                { RESCUE_STATUS_UNTRIED, RESCUE_STATUS_UNTRIMMED, PIECE_SIZE_MAX },
                { RESCUE_STATUS_UNTRIMMED, RESCUE_STATUS_UNSCRAPED, SMALL_PIECE_SIZE },
                { RESCUE_STATUS_UNSCRAPED, RESCUE_STATUS_BAD, parameters->block_size },
        };

        assert(parameters->depth > 0 && parameters->depth <= IMAGE_COPY_DEPTH_MAX);
        assert(is_power_of_two(parameters->block_size));
        assert(parameters->block_size <= SMALL_PIECE_SIZE);

        for (unsigned i = 0; i < parameters->depth; i++) {
                copy.pieces[i].bytes = malloc(PIECE_SIZE_MAX);
                if (!copy.pieces[i].bytes)
                        ctl_text_no_memory();
        }
        for (size_t i = 0; copy.r == 0 && i < N_ELEMENTS(passes); i++)
                run_pass(&copy, &passes[i]);
        *ret_text = copy.failed_at;
        return copy.r;
}

int image_copy_sync(const ImageCopyParameters *parameters, const char **ret_text) {
        if (!parameters->to_export) {
                *ret_text = "writing the file";
                return fdatasync(parameters->fd) < 0 && errno != EINVAL ? -errno : 0;
        }
        *ret_text = "writing to the medium";
        if (nbd_aio_is_ready(parameters->nbd) <= 0)
                return -ENOTCONN;
        if (nbd_can_flush(parameters->nbd) > 0 && nbd_flush(parameters->nbd, 0) < 0)
                return nbd_get_errno() > 0 ? -nbd_get_errno() : -EIO;
        return 0;
}
