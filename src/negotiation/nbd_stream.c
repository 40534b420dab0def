/* Streams in the clear: what the socket does. */

#include "negotiation/nbd_stream.h"

#include <errno.h>
#include <sys/socket.h>

NbdStream *nbd_stream_free(NbdStream *stream) {
        if (stream)
                stream->ops->free(stream);
        return NULL;
}

int nbd_stream_free_but_fd(NbdStream *stream) {
        int fd = TAKE_FD(stream->fd);

        nbd_stream_free(stream);
        return fd;
}

static ssize_t result(ssize_t n) {
        if (n >= 0)
                return n;
        return errno == EINTR ? -EAGAIN : -errno;
}

static ssize_t plain_receive(NbdStream *stream, void *bytes, size_t size) {
        return result(recv(stream->fd, bytes, size, MSG_DONTWAIT));
}

static ssize_t plain_send(NbdStream *stream, const void *bytes, size_t size) {
        return result(send(stream->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static int plain_finish(NbdStream *stream) {
        return shutdown(stream->fd, SHUT_WR) < 0 ? -errno : 0;
}

static void plain_free(NbdStream *stream) {
        fd_close(stream->fd);
        free(stream);
}

int nbd_stream_new_plain(NbdStream **ret, int fd) {
        static const NbdStreamOps ops = {
                .receive = plain_receive,
                .send = plain_send,
                .finish = plain_finish,
                .free = plain_free,
        };
        NbdStream *stream = calloc(1, sizeof(*stream));

        assert(fd >= 0);

        if (!stream) {
                fd_close(fd);
                return -ENOMEM;
        }
        *stream = (NbdStream){ .ops = &ops, .fd = fd };
        *ret = stream;
        return 0;
}
