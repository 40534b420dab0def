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
#include "negotiation/nbd_server.h"
#include "sandbox/sandbox.h"

#define CONTROL_FD 3

typedef struct Front {
        EventLoop *loop;         /* owned */
        ControlChannel *channel; /* owned */
        NbdServer *server;       /* owned; made when configured */
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
                        const NbdAgreement *agreement, int fd, void *userdata) {
        _cleanup_(fd_closep) int owned_fd = fd;
        Front *front = userdata;
        ControlMessage message;
        int r;

        if (!front->channel)
                return;
        control_message_init(&message, CONTROL_TYPE_HANDOVER);
        message.body.handover.generation = export->generation;
        message.body.handover.agreement = *agreement;
        r = control_channel_send(front->channel, &message, &owned_fd, 1);
        if (r < 0)
                log_warning("A client of %s can't be handed over: %s", export->name, strerror(-r));
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
        }
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

static void on_message(ControlChannel *channel, const ControlMessage *message, int *fds,
                       size_t n_fds, void *userdata) {
        Front *front = userdata;
        ControlMessage pong;

        switch ((ControlType) message->type) {
        case CONTROL_TYPE_CONFIGURE:
                on_configure(front, &message->body.configure);
                return;
        case CONTROL_TYPE_PING:
                control_message_init(&pong, CONTROL_TYPE_PONG);
                pong.body.ping = message->body.ping;
                control_channel_send(front->channel, &pong, NULL, 0);
                return;
        case CONTROL_TYPE_STOP:
                if (front->server)
                        nbd_server_shut_down(front->server);
                front_send_type(front, CONTROL_TYPE_STOPPED);
                event_loop_exit(front->loop, 0);
                return;
        case CONTROL_TYPE_EXPORT:
                assert(front->server);
                on_export(front, &message->body.export);
                return;
        case CONTROL_TYPE_EXPORT_CLOSED:
                assert(front->server);
                nbd_server_remove_export(front->server, message->body.export_closed.generation);
                return;
        case CONTROL_TYPE_LISTEN:
                assert(front->server);
                on_listen(front, &fds[0]);
                return;
        case CONTROL_TYPE_CONNECT:
                assert(front->server);
                on_connect(front, &message->body.connect, &fds[0]);
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

int main(void) {
        Front front = {};
        int r;

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
        control_channel_free(TAKE_PTR(front.channel));
        event_loop_free(front.loop);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
