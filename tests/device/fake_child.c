/*
 * A child that behaves as its name tells, for test_child_process and test_device_manager: the test
 * makes links to this program. Unknown names behave well.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/systemd_event_loop.h"
#include "control/control_channel.h"

typedef struct FakeChild {
        EventLoop *loop;
        ControlChannel *channel;
        const char *name;
} FakeChild;

static bool is_called(const FakeChild *child, const char *behaviour) {
        return strcmp(child->name, behaviour) == 0;
}

static void say(FakeChild *child, ControlType type) {
        ControlMessage message;

        control_message_init(&message, type);
        if (type == CONTROL_TYPE_HELLO)
                message.body.hello.version =
                                is_called(child, "wrong-version") ? 99 : CONTROL_VERSION;
        control_channel_send(child->channel, &message, NULL, 0);
}

static void on_device(FakeChild *child, const char *base_name) {
        ControlMessage message;

        if (is_called(child, "dies-at-work"))
                abort();

        control_message_init(&message, CONTROL_TYPE_LOG);
        message.body.log.level = LOG_LEVEL_INFO;
        snprintf(message.body.log.message, sizeof(message.body.log.message), "drives %s",
                 base_name);
        control_channel_send(child->channel, &message, NULL, 0);
        control_message_init(&message, CONTROL_TYPE_EXPORT);
        message.body.export.generation = 1;
        message.body.export.info.size = 512;
        strcpy(message.body.export.name, base_name);
        strcat(message.body.export.name, is_called(child, "lies") ? "-lun7" : "-lun0");
        control_channel_send(child->channel, &message, NULL, 0);
        say(child, CONTROL_TYPE_BROUGHT_UP);
}

/* One that lingers has requests in flight on the device that has gone. */
static bool is_end(const FakeChild *child, const ControlMessage *message) {
        return (message->type == CONTROL_TYPE_STOP && !is_called(child, "stays")) ||
               (message->type == CONTROL_TYPE_GONE && !is_called(child, "lingers"));
}

static void on_message(ControlChannel *channel, const ControlMessage *message, int *fds,
                       size_t n_fds, void *userdata) {
        FakeChild *child = userdata;
        ControlMessage pong;

        if (message->type == CONTROL_TYPE_PING) {
                control_message_init(&pong, CONTROL_TYPE_PONG);
                pong.body.ping = message->body.ping;
                control_channel_send(channel, &pong, NULL, 0);
        } else if (is_end(child, message)) {
                say(child, CONTROL_TYPE_STOPPED);
                event_loop_exit(child->loop, 0);
        } else if (message->type == CONTROL_TYPE_SIMULATE) {
                on_device(child, message->body.simulate.base_name);
        } else if (message->type == CONTROL_TYPE_USB_DEVICE) {
                on_device(child, message->body.usb_device.base_name);
        }
}

static void on_closed(ControlChannel *channel, int error, void *userdata) {
        FakeChild *child = userdata;

        child->channel = control_channel_free(channel);
        if (!is_called(child, "stubborn"))
                event_loop_exit(child->loop, 0);
}

int main(int argc, char **argv) {
        FakeChild child = { .name = strrchr(argv[0], '/') + 1 };
        int r;

        if (is_called(&child, "exits"))
                return 7;
        if (systemd_event_loop_new(&child.loop) < 0 ||
            control_channel_new(&child.channel, child.loop, 3, on_message, on_closed, &child) < 0)
                return EXIT_FAILURE;
        say(&child, CONTROL_TYPE_HELLO);
        say(&child, CONTROL_TYPE_READY);
        if (is_called(&child, "babbles") && write(3, "nonsense", 8) != 8)
                return EXIT_FAILURE;
        r = event_loop_run(child.loop);
        control_channel_free(child.channel);
        event_loop_free(child.loop);
        return r;
}
