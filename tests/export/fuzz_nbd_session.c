/*
 * Fuzz target: any bytes as the stream of a client. Whatever comes, the session must stay within
 * its bounds and end once the client is gone.
 */

#include <fcntl.h>
#include <sys/socket.h>

#include "base/virtual_event_loop.h"
#include "export/nbd_session.h"
#include "memory_block_device.h"

#define DEVICE_SIZE (256 * KIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_ended(NbdSession *session, void *userdata) {
        bool *has_ended = userdata;

        assert(!*has_ended);
        *has_ended = true;
}

static void run(EventLoop *loop, uint64_t duration_ns) {
        (void) virtual_event_loop_run_until(loop, event_loop_now_ns(loop) + duration_ns);
}

/* In pieces, reading and dropping the replies meanwhile. */
static void talk(EventLoop *loop, int fd, const uint8_t *data, size_t size, size_t piece_size) {
        static uint8_t replies[64 * KIB];

        while (size > 0) {
                ssize_t n = send(fd, data, MIN(size, piece_size), MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n <= 0)
                        return;
                data += n;
                size -= n;
                run(loop, NS_PER_MS);
                while (recv(fd, replies, sizeof(replies), MSG_DONTWAIT) > 0)
                        run(loop, NS_PER_MS);
        }
}

/* The first byte chooses what was agreed on and how the device behaves. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        MemoryBlockDevice *memory;
        NbdSession *session = NULL;
        NbdAgreement agreement;
        bool has_ended = false;
        EventLoop *loop;
        int fds[2];

        if (size < 1 || virtual_event_loop_new(&loop) < 0)
                return 0;
        memory = memory_block_device_new(loop, DEVICE_SIZE, 512);
        assert(memory);
        memory->device.info.is_read_only = data[0] & 1;
        memory->is_sparse = data[0] & 2;
        memory->delay_ns_max = data[0] & 4 ? NS_PER_MS : 0;
        memory->error = data[0] & 8 ? -5 : 0;
        memory->has_error_position = data[0] & 16;
        memory->error_position = 4096;
        agreement = (NbdAgreement){ .has_structured_replies = !!(data[0] & 32),
                                    .has_base_allocation = !!(data[0] & 64) };

        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 ||
            nbd_session_new(&session, &memory->device, fds[1], &agreement, NULL, on_ended,
                            &has_ended) < 0)
                abort();
        talk(loop, fds[0], data + 1, size - 1, data[0] & 128 ? 13 : 64 * KIB);
        fd_close(fds[0]);
        run(loop, 1000 * NS_PER_S);
        assert(has_ended);
        assert(memory->n_in_flight == 0);

        nbd_session_free(session);
        block_device_free(&memory->device);
        event_loop_free(loop);
        return 0;
}
