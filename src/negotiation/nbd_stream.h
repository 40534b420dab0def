#pragma once

/*
 * NbdStream
 *
 * A connection's bytes, in both directions, whether they travel in the clear or in TLS. Never
 * blocks. Its owner watches the descriptor; what was told to wait is tried again when that is ready.
 */

#include "base/macros.h"

typedef struct NbdStream NbdStream;

typedef struct NbdStreamOps {
        /* Mandatory. Bytes; 0: no more will come; -EAGAIN: nothing there, and nothing kept back;
         * -errno. */
        ssize_t (*receive)(NbdStream *stream, void *bytes, size_t size);
        /* Mandatory. At least one byte; -EAGAIN: it must be called again with bytes that begin with
         * these; -errno. */
        ssize_t (*send)(NbdStream *stream, const void *bytes, size_t size);
        /* Mandatory. Tells the other side that no more comes: 0, -EAGAIN: again, -errno. */
        int (*finish)(NbdStream *stream);
        /* Mandatory. Closes the descriptor. Takes no NULL. */
        void (*free)(NbdStream *stream);
} NbdStreamOps;

/* The head of each implementation. */
struct NbdStream {
        const NbdStreamOps *ops;
        int fd; /* owned: a connected stream socket that does not block */
};

/* Takes NULL, returns NULL. */
NbdStream *nbd_stream_free(NbdStream *stream);
DEFINE_CLEANUP(NbdStream *, nbd_stream_free);
/* Frees a stream in the clear, and returns its descriptor. */
int nbd_stream_free_but_fd(NbdStream *stream);

/* In the clear. Takes `fd` over, also on failure. -ENOMEM. */
int nbd_stream_new_plain(NbdStream **ret, int fd);
