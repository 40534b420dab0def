/*
 * usb-storage-front: negotiates NBD with clients and hands their connections over. Started by
 * usb-storaged with its control channel as descriptor 3; sandboxed, as it reads what the network
 * sends.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/systemd_event_loop.h"
#include "control/control_channel.h"
#include "control/control_version.h"
#include "negotiation/nbd_server.h"
#include "sandbox/sandbox.h"

#define CONTROL_FD 3

/* Clients in TLS go on with what their workers still answer; the manager waits a little longer. */
#define RELAY_END_NS (4 * NS_PER_S)

typedef struct Front {
        EventLoop *loop;         /* owned */
        ControlChannel *channel; /* owned */
        NbdServer *server;       /* owned; made when configured */
        NbdAccessList access;    /* that is being told */
        EventTimer stop_timer;   /* the patience with clients in TLS */
} Front;

static void front_log(const LogRecord *record, void *userdata) {
        Front *front = userdata;

        if (front->channel)
                control_channel_send_log(front->channel, record);
}

static void front_send_type(Front *front, ControlType type) {
        ControlMessage message;

        control_message_init(&message, type);
        control_channel_send(front->channel, &message, NULL, 0);
}

static void on_handover(NbdServer *server, const NbdServerExport *export,
                        const NbdServerClient *client, void *userdata) {
        _cleanup_(fd_closep) int owned_fd = client->fd;
        const int fds[] = { owned_fd, client->own_fd };
        Front *front = userdata;
        ControlMessage message;
        int r;

        if (!front->channel)
                return;
        control_message_init(&message, CONTROL_TYPE_HANDOVER);
        message.body.handover.generation = export->generation;
        message.body.handover.agreement = client->agreement;
        nbd_peer_format_identity(&client->peer, message.body.handover.identity);
        r = control_channel_send(front->channel, &message, fds, client->own_fd < 0 ? 1 : 2);
        if (r < 0)
                log_warning("A client of %s can't be handed over: %s", export->name, strerror(-r));
}

static void front_stopped(Front *front) {
        front_send_type(front, CONTROL_TYPE_STOPPED);
        event_loop_exit(front->loop, 0);
}

static void on_stop_timer(EventTimer *timer) {
        front_stopped(container_of(timer, Front, stop_timer));
}

static void on_idle(NbdServer *server, void *userdata) {
        Front *front = userdata;

        if (event_timer_is_armed(&front->stop_timer))
                front_stopped(front);
}

static void on_stop(Front *front) {
        if (front->server)
                nbd_server_shut_down(front->server);
        if (front->server && nbd_server_is_relaying(front->server))
                event_timer_set(&front->stop_timer, event_loop_now_ns(front->loop) + RELAY_END_NS);
        else
                front_stopped(front);
}

static void on_configure(Front *front, const ControlConfigure *message) {
        int r;

        log_set_level((LogLevel) message->log_level);
        if (front->server)
                return;
        r = nbd_server_new(&front->server, front->loop,
                           &(NbdServerOptions){
                                           .handshake_timeout_ms = message->handshake_timeout_ms,
                                           .n_connections_max = message->n_connections_max,
                           },
                           on_handover, front);
        if (r < 0) {
                log_error("The NBD server can't be started: %s", strerror(-r));
                event_loop_exit(front->loop, r);
                return;
        }
        nbd_server_set_idle_handler(front->server, on_idle);
}

/* A file of the manager's: its offset is shared with whoever else has it. What was read is in `ret`, also on failure: it
 * is to be forgotten. */
static int read_text(int fd, NbdTlsText *ret) {
        char *bytes = malloc(NBD_TLS_TEXT_SIZE_MAX);
        ssize_t n;

        if (!bytes)
                return -ENOMEM;
        *ret = (NbdTlsText){ .bytes = bytes };
        do {
                n = pread(fd, bytes + ret->size, NBD_TLS_TEXT_SIZE_MAX - ret->size,
                          (off_t) ret->size);
                if (n < 0)
                        return -errno;
                ret->size += (size_t) n;
        } while (n > 0 && ret->size < NBD_TLS_TEXT_SIZE_MAX);
        return ret->size == NBD_TLS_TEXT_SIZE_MAX ? -EFBIG : 0;
}

/* Keys are not left in memory. */
static void forget_text(NbdTlsText *text) {
        char *bytes = (char *) text->bytes;

        if (bytes)
                explicit_bzero(bytes, text->size);
        free(bytes);
}

static int read_texts(const ControlTls *message, const int *fds,
                      NbdTlsText texts[_CONTROL_TLS_FILE_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < _CONTROL_TLS_FILE_MAX; i++) {
                int r;

                if (!message->has_file[i])
                        continue;
                r = read_text(fds[n++], &texts[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int load_credentials(const ControlTls *message, const int *fds, NbdTlsCredentials **ret,
                            char *reason) {
        NbdTlsText texts[_CONTROL_TLS_FILE_MAX] = {};
        int r;

        r = read_texts(message, fds, texts);
        if (r < 0)
                snprintf(reason, NBD_TLS_REASON_SIZE, "a file can't be read: %s", strerror(-r));
        else
                r = nbd_tls_credentials_new(
                                ret,
                                &(NbdTlsTexts){
                                                .certificate = texts[CONTROL_TLS_FILE_CERTIFICATE],
                                                .key = texts[CONTROL_TLS_FILE_KEY],
                                                .authorities = texts[CONTROL_TLS_FILE_AUTHORITIES],
                                                .revoked = texts[CONTROL_TLS_FILE_REVOKED],
                                                .psk = texts[CONTROL_TLS_FILE_PSK],
                                },
                                reason);
        for (size_t i = 0; i < _CONTROL_TLS_FILE_MAX; i++)
                forget_text(&texts[i]);
        return r;
}

/* What is wrong with files does not turn TLS off: who needs it can't come until they are mended. */
static void on_tls(Front *front, const ControlTls *message, const int *fds) {
        _cleanup_(nbd_tls_credentials_unrefp) NbdTlsCredentials *credentials = NULL;
        char reason[NBD_TLS_REASON_SIZE] = "no memory";

        if (message->mode != NBD_TLS_MODE_OFF &&
            load_credentials(message, fds, &credentials, reason) < 0)
                log_error("TLS can't be used: %s", reason);
        nbd_server_set_tls(front->server,
                           &(NbdServerTls){
                                           .mode = (NbdTlsMode) message->mode,
                                           .allows_plain_tcp = message->allows_plain_tcp,
                                           .credentials = credentials,
                           });
}

/* A list that is not whole is never in force. */
static void on_access(Front *front, const ControlAccess *message) {
        int r = 0;

        if (message->index == 0)
                nbd_access_list_done(&front->access);
        if (message->index != front->access.n_rules) {
                log_error("The list of who may open what came out of order, ignoring");
                return;
        }
        if (message->n_rules > 0)
                r = nbd_access_list_add(&front->access, &message->rule);
        if (r < 0) {
                log_error("The list of who may open what can't be kept: %s", strerror(-r));
                event_loop_exit(front->loop, r);
                return;
        }
        if (front->access.n_rules == message->n_rules)
                nbd_server_set_access(front->server, &front->access);
}

static void on_export(Front *front, const ControlExport *message) {
        NbdServerExport export = {
                .info = message->info,
                .generation = message->generation,
        };
        int r;

        snprintf(export.name, sizeof(export.name), "%s", message->name);
        snprintf(export.description, sizeof(export.description), "%s", message->description);
        r = nbd_server_add_export(front->server, &export);
        if (r < 0)
                log_error("%s can't be exported: %s", export.name, strerror(-r));
}

static void on_listen(Front *front, int *fd) {
        int r;

        r = nbd_server_listen(front->server, TAKE_FD(*fd));
        if (r < 0)
                log_error("A listening socket can't be used: %s", strerror(-r));
}

/* A socket that is refused is closed, which is all that its client needs to be told. */
static void on_connect(Front *front, const ControlConnect *message, int *fd) {
        int r;

        r = nbd_server_accept(front->server, TAKE_FD(*fd), message->generation);
        if (r < 0)
                log_debug("A client of one export can't be taken: %s", strerror(-r));
}

static void on_ping(Front *front, const ControlPing *ping) {
        ControlMessage pong;

        control_message_init(&pong, CONTROL_TYPE_PONG);
        pong.body.ping = *ping;
        control_channel_send(front->channel, &pong, NULL, 0);
}

/* What needs a server, which CONFIGURE has made. */
static void on_server_message(Front *front, const ControlMessage *message, int *fds) {
        assert(front->server);

        if (message->type == CONTROL_TYPE_EXPORT)
                on_export(front, &message->body.export);
        else if (message->type == CONTROL_TYPE_EXPORT_CLOSED)
                nbd_server_remove_export(front->server, message->body.export_closed.generation);
        else if (message->type == CONTROL_TYPE_LISTEN)
                on_listen(front, &fds[0]);
        else if (message->type == CONTROL_TYPE_CONNECT)
                on_connect(front, &message->body.connect, &fds[0]);
        else if (message->type == CONTROL_TYPE_TLS)
                on_tls(front, &message->body.tls, fds);
        else
                on_access(front, &message->body.access);
}

static void on_message(ControlChannel *channel, const ControlMessage *message, int *fds,
                       size_t n_fds, void *userdata) {
        Front *front = userdata;

        switch ((ControlType) message->type) {
        case CONTROL_TYPE_CONFIGURE:
                on_configure(front, &message->body.configure);
                return;
        case CONTROL_TYPE_PING:
                on_ping(front, &message->body.ping);
                return;
        case CONTROL_TYPE_STOP:
                on_stop(front);
                return;
        case CONTROL_TYPE_EXPORT:
        case CONTROL_TYPE_EXPORT_CLOSED:
        case CONTROL_TYPE_LISTEN:
        case CONTROL_TYPE_CONNECT:
        case CONTROL_TYPE_TLS:
        case CONTROL_TYPE_ACCESS:
                on_server_message(front, message, fds);
                return;
        case CONTROL_TYPE_HELLO:
        case CONTROL_TYPE_READY:
        case CONTROL_TYPE_PONG:
        case CONTROL_TYPE_LOG:
        case CONTROL_TYPE_STOPPED:
        case CONTROL_TYPE_USB_DEVICE:
        case CONTROL_TYPE_SIMULATE:
        case CONTROL_TYPE_GONE:
        case CONTROL_TYPE_BROUGHT_UP:
        case CONTROL_TYPE_FAILED:
        case CONTROL_TYPE_HANDOVER:
        case CONTROL_TYPE_CLIENT:
        case CONTROL_TYPE_CACHE:
        case CONTROL_TYPE_CACHE_OPTIONS:
        case CONTROL_TYPE_REMAINS:
        case CONTROL_TYPE_REMAINS_LEFT:
        case CONTROL_TYPE_SAVE:
        case CONTROL_TYPE_SAVED:
        case CONTROL_TYPE_PARKED:
        case CONTROL_TYPE_DEVICE_INFO:
        case CONTROL_TYPE_LUN_INFO:
        case CONTROL_TYPE_REQUEST:
        case CONTROL_TYPE_CANCEL:
        case CONTROL_TYPE_REPLY:
        case CONTROL_TYPE_PROGRESS:
        case CONTROL_TYPE_LEARNED:
        case CONTROL_TYPE_LUN_STATS:
        case CONTROL_TYPE_DEVICE_STATS:
        case CONTROL_TYPE_POWER_OPTIONS:
        case CONTROL_TYPE_POWER:
        case CONTROL_TYPE_SMART_OPTIONS:
        case CONTROL_TYPE_SMART:
        case CONTROL_TYPE_MOUNT:
        case CONTROL_TYPE_MOUNT_SERVED:
        case CONTROL_TYPE_MOUNT_ENDED:
        case CONTROL_TYPE_CLIENT_ENDED:
        case CONTROL_TYPE_UNMOUNT:
                log_warning("The manager sent %s, which is not for the front, ignoring",
                            control_type_to_string((ControlType) message->type));
                return;
        case _CONTROL_TYPE_MAX:
                break;
        }
        assert_not_reached();
}

/* Connections that were handed over live on in the workers. */
static void on_channel_closed(ControlChannel *channel, int error, void *userdata) {
        Front *front = userdata;

        front->channel = control_channel_free(channel);
        event_loop_exit(front->loop, 0);
}

static int front_start(Front *front) {
        ControlMessage hello;
        int r;

        r = systemd_event_loop_new(&front->loop);
        if (r < 0)
                return r;
        r = event_timer_init(&front->stop_timer, front->loop, on_stop_timer);
        if (r < 0)
                return r;
        r = control_channel_new(&front->channel, front->loop, CONTROL_FD, on_message,
                                on_channel_closed, front);
        if (r < 0)
                return r;
        log_set_sink(front_log, front);

        control_message_init(&hello, CONTROL_TYPE_HELLO);
        hello.body.hello.version = CONTROL_VERSION;
        hello.body.hello.pid = (uint32_t) getpid();
        control_channel_send(front->channel, &hello, NULL, 0);

        r = sandbox_enter(SANDBOX_PROFILE_FRONT);
        if (r < 0)
                return r;
        front_send_type(front, CONTROL_TYPE_READY);
        return 0;
}

int main(int argc, char **argv) {
        Front front = {};
        int r;

        if (control_version_check(argc, argv) < 0)
                return EXIT_FAILURE;
        signal(SIGPIPE, SIG_IGN);
        /*
         * Signals of a terminal and of systemd are for the manager, which stops its children in
         * order.
         */
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        prctl(PR_SET_NAME, "usb-storage-fnt");

        r = front_start(&front);
        if (r < 0) {
                fprintf(stderr, "usb-storage-front: can't start: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        r = event_loop_run(front.loop);
        nbd_server_free(front.server);
        nbd_access_list_done(&front.access);
        event_timer_done(&front.stop_timer);
        control_channel_free(TAKE_PTR(front.channel));
        event_loop_free(front.loop);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
