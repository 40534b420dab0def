/*
 * Fuzz target: what a predecessor, whom a device may have taken over, left in the slots; then messages as
 * those of a kernel. Whatever comes, the session stays within its bounds and ends.
 *
 * The data is a row of pieces: a byte that says what it is, two of its size, then its bytes.
 */

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/virtual_event_loop.h"
#include "export/fuse_session.h"
#include "memory_block_device.h"

#define DEVICE_SIZE (256 * KIB)
#define PAGE_SIZE 4096
#define SLOT_SIZE (PAGE_SIZE + 1024 * 1024)
#define KIND_MESSAGE 255
#define KIND_HEADER 254

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Piece {
        uint8_t kind; /* a slot, the header of all, or a message */
        const uint8_t *bytes;
        size_t size;
} Piece;

static bool next_piece(const uint8_t **data, size_t *size, Piece *ret) {
        if (*size < 3)
                return false;
        ret->kind = (*data)[0];
        ret->size = MIN((size_t) get_be16(*data + 1), *size - 3);
        ret->bytes = *data + 3;
        *data += 3 + ret->size;
        *size -= 3 + ret->size;
        return true;
}

static void on_ended(FuseSession *session, int error, void *userdata) {
        bool *has_ended = userdata;

        assert(!*has_ended);
        *has_ended = true;
}

static void run(EventLoop *loop, uint64_t duration_ns) {
        (void) virtual_event_loop_run_until(loop, event_loop_now_ns(loop) + duration_ns);
}

static void fill_slots(int fd, const uint8_t *data, size_t size) {
        uint8_t *memory = mmap(NULL, FUSE_SESSION_SLOTS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                               fd, 0);
        Piece piece;

        assert(memory != MAP_FAILED);
        while (next_piece(&data, &size, &piece)) {
                if (piece.kind == KIND_HEADER) {
                        memcpy(memory, piece.bytes, MIN(piece.size, (size_t) PAGE_SIZE));
                } else if (piece.kind < 64) {
                        ((uint32_t *) (memory + PAGE_SIZE))[piece.kind] = 1;
                        memcpy(memory + 2 * PAGE_SIZE + piece.kind * (size_t) SLOT_SIZE +
                                               PAGE_SIZE - 80,
                               piece.bytes, piece.size);
                }
        }
        (void) munmap(memory, FUSE_SESSION_SLOTS_SIZE);
}

static void talk(EventLoop *loop, int fd, const uint8_t *data, size_t size) {
        static uint8_t reply[2 * MIB];
        Piece piece;

        while (next_piece(&data, &size, &piece)) {
                if (piece.kind == KIND_MESSAGE)
                        (void) send(fd, piece.bytes, piece.size, MSG_DONTWAIT | MSG_NOSIGNAL);
                run(loop, NS_PER_MS);
                while (recv(fd, reply, sizeof(reply), MSG_DONTWAIT) > 0)
                        run(loop, NS_PER_MS);
        }
}

/* The first byte chooses how the device behaves. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const FuseSessionOptions options = { .identity = "disk", .identity_size = 5 };
        MemoryBlockDevice *memory;
        FuseSession *session = NULL;
        bool has_ended = false;
        int fds[2], slots_fd;
        EventLoop *loop;

        if (size < 1 || virtual_event_loop_new(&loop) < 0)
                return 0;
        memory = memory_block_device_new(loop, DEVICE_SIZE, 512);
        assert(memory);
        memory->device.info.is_read_only = data[0] & 1;
        memory->is_sparse = data[0] & 2;
        memory->delay_ns_max = data[0] & 4 ? NS_PER_MS : 0;
        memory->error = data[0] & 8 ? -5 : 0;
        memory->loan_size = data[0] & 16 ? 4096 : 0;

        slots_fd = memfd_create("slots", MFD_CLOEXEC);
        if (slots_fd < 0 || ftruncate(slots_fd, (off_t) FUSE_SESSION_SLOTS_SIZE) < 0 ||
            socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds) < 0)
                abort();
        fill_slots(slots_fd, data + 1, size - 1);
        if (fuse_session_start(&session, &memory->device, fds[1], slots_fd, &options, on_ended,
                               &has_ended) == 0) {
                talk(loop, fds[0], data + 1, size - 1);
                fd_close(fds[0]);
                run(loop, 1000 * NS_PER_S);
                assert(has_ended);
                fuse_session_free(session);
        } else {
                fd_close(fds[0]);
        }
        assert(memory->n_in_flight == 0 && memory->n_lent == 0);
        block_device_free(&memory->device);
        event_loop_free(loop);
        fd_close(slots_fd);
        return 0;
}
