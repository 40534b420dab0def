/*
 * Fuzz target: any bytes as what a client sends before transmission, over a socket, in pieces.
 * Whatever comes, the connection is handed over once or closed, and nothing that follows the last
 * option is read.
 */

#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/virtual_event_loop.h"
#include "negotiation/nbd_server.h"

#define HANDSHAKE_TIMEOUT_MS 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Client {
        EventLoop *loop;   /* owned */
        NbdServer *server; /* owned */
        int fd;            /* owned: the client's end */
        int handed_fd;     /* owned: the server's end, once it is handed over */
        size_t sent_size;
} Client;

static void on_handover(NbdServer *server, const NbdServerExport *export,
                        const NbdServerClient *handed, void *userdata) {
        Client *client = userdata;

        assert(client->handed_fd < 0);
        assert(strcmp(export->name, "alpha") == 0 || strcmp(export->name, "beta") == 0);
        assert(handed->agreement.has_structured_replies || !handed->agreement.has_base_allocation);
        client->handed_fd = handed->fd;
}

static void add_exports(NbdServer *server) {
        NbdServerExport export = { .name = "alpha", .info.size = 4096, .generation = 1 };

        if (nbd_server_add_export(server, &export) < 0)
                abort();
        strcpy(export.name, "beta");
        strcpy(export.description, "another");
        export.generation = 2;
        if (nbd_server_add_export(server, &export) < 0)
                abort();
}

static void client_init(Client *client) {
        const NbdServerOptions options = { .handshake_timeout_ms = HANDSHAKE_TIMEOUT_MS };
        int fds[2];

        *client = (Client){ .handed_fd = -1 };
        if (virtual_event_loop_new(&client->loop) < 0 ||
            nbd_server_new(&client->server, client->loop, &options, on_handover, client) < 0 ||
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
                abort();
        add_exports(client->server);
        client->fd = fds[0];
        if (nbd_server_accept(client->server, fds[1], 0) < 0)
                abort();
}

static void client_run(Client *client, uint64_t duration_ns) {
        uint64_t until_ns = event_loop_now_ns(client->loop) + duration_ns;

        assert(virtual_event_loop_run_until(client->loop, until_ns) >= 0);
}

static void client_drop_answers(Client *client) {
        uint8_t answers[4096];

        while (recv(client->fd, answers, sizeof(answers), MSG_DONTWAIT) > 0)
                client_run(client, NS_PER_MS);
}

static void client_talk(Client *client, const uint8_t *data, size_t size, size_t piece_size) {
        while (size > 0 && client->handed_fd < 0) {
                ssize_t n = send(client->fd, data, MIN(size, piece_size),
                                 MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n <= 0)
                        return;
                data += n;
                size -= (size_t) n;
                client_run(client, NS_PER_MS);
                client_drop_answers(client);
        }
}

/* Over, one way or the other, once its time is up. */
static void client_end(Client *client) {
        uint8_t byte;

        client_run(client, 2 * HANDSHAKE_TIMEOUT_MS * NS_PER_MS);
        client_drop_answers(client);
        if (client->handed_fd < 0)
                assert(recv(client->fd, &byte, 1, MSG_DONTWAIT) <= 0);
        fd_close(client->handed_fd);
        fd_close(client->fd);
        nbd_server_free(client->server);
        event_loop_free(client->loop);
}

/*
 * The first byte chooses the pieces, and whether the client leaves out what an honest one begins
 * with, so that the magic numbers need not be guessed.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const uint8_t flags[] = { 0, 0, 0, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES };
        Client client;
        size_t piece_size;

        if (size < 1)
                return 0;
        piece_size = data[0] & 1 ? 3 : 64 * KIB;
        client_init(&client);
        if (data[0] & 2)
                client_talk(&client, flags, sizeof(flags), sizeof(flags));
        client_talk(&client, data + 1, size - 1, piece_size);
        client_end(&client);
        return 0;
}
