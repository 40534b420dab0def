/*
 * A child that behaves as its name tells: the tests make links to this program. Unknown names behave
 * well. What it is told of arenas it says in its log, and it writes its number into its own.
 *
 * Parts of a name: "parks" waits for a device that went; "rejects" then does not want it; "dawdles"
 * tells of its export no sooner than it hears that the device has gone; "saves"
 * asks for its arena to be kept before it ends; "dies" then ends without a word;
 * "spotless" leaves its arena empty; "learns" tells that its device has no REPORT LUNS;
 * "counts" tells what it counted; "ails" tells of its drive's health, which is worse each time it is
 * asked; "silent" never says what is left of remains; "configured" tells
 * of its settings. With a file "unfit" beside the link, no remains can be given back; with "empty",
 * there is no medium.
 *
 * Of requests: "holds" answers when it is cancelled; "misleads" answers another; "overfills" with
 * more than was asked for; "perishes" dies; "refuses-requests" says EBUSY; "miscounts"
 * tells that a client has gone that never was. Others do what they are
 * asked: a reset is told as one, and takes LUN 1 away; a state of power is told as one.
 */

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/systemd_event_loop.h"
#include "control/control_channel.h"

#define REMAINS_MAX CONTROL_REMAINS_MAX

typedef struct FakeChild {
        EventLoop *loop;
        ControlChannel *channel;
        const char *name;
        char folder[128];
        ControlRemains remains[REMAINS_MAX];
        size_t n_remains;
        bool has_parked;
        char base_name[CONTROL_NAME_SIZE_MAX];
        ControlPower power;
        unsigned n_ails; /* so often it was asked for its health */
} FakeChild;

static bool is_called(const FakeChild *child, const char *behaviour) {
        return strcmp(child->name, behaviour) == 0;
}

static bool does(const FakeChild *child, const char *behaviour) {
        return strstr(child->name, behaviour) != NULL;
}

static void say(FakeChild *child, ControlType type) {
        ControlMessage message;

        control_message_init(&message, type);
        if (type == CONTROL_TYPE_HELLO)
                message.body.hello.version =
                                is_called(child, "wrong-version") ? 99 : CONTROL_VERSION;
        control_channel_send(child->channel, &message, NULL, 0);
}

static _printf_(2, 3) void tell(FakeChild *child, const char *format, ...) {
        ControlMessage message;
        va_list arguments;

        control_message_init(&message, CONTROL_TYPE_LOG);
        message.body.log.level = LOG_LEVEL_INFO;
        va_start(arguments, format);
        vsnprintf(message.body.log.message, sizeof(message.body.log.message), format, arguments);
        va_end(arguments);
        control_channel_send(child->channel, &message, NULL, 0);
}

/* Its number, where a successor finds it. */
static void on_cache(FakeChild *child, const ControlCache *cache, int fd) {
        char text[16];

        tell(child, "cache of %llu, mode %u, policy %u, read-ahead %u, verify %u, park %u",
             (unsigned long long) cache->size_max, cache->mode, cache->policy,
             cache->has_read_ahead, cache->verifies_hits, cache->park_timeout_ms);
        if (does(child, "spotless"))
                return;
        snprintf(text, sizeof(text), "%d", (int) getpid());
        if (pwrite(fd, text, sizeof(text), 0) != sizeof(text))
                abort();
}

static void on_remains(FakeChild *child, const ControlRemains *remains, int fd) {
        char text[16] = {};

        if (pread(fd, text, sizeof(text) - 1, 0) < 0)
                abort();
        tell(child, "remains of %s, LUNs %u", text, remains->luns);
        if (child->n_remains < N_ELEMENTS(child->remains))
                child->remains[child->n_remains++] = *remains;
}

static bool is_now(const FakeChild *child, const char *what) {
        char path[192];

        snprintf(path, sizeof(path), "%s/%s", child->folder, what);
        return access(path, F_OK) == 0;
}

static void say_what_is_left(FakeChild *child) {
        ControlMessage message;

        if (does(child, "silent"))
                return;
        control_message_init(&message, CONTROL_TYPE_REMAINS_LEFT);
        for (size_t i = 0; i < child->n_remains; i++) {
                message.body.remains = child->remains[i];
                if (!is_now(child, "unfit"))
                        message.body.remains.luns = 0;
                control_channel_send(child->channel, &message, NULL, 0);
        }
        if (is_called(child, "lies-about-remains")) {
                message.body.remains = (ControlRemains){ .id = 99 };
                control_channel_send(child->channel, &message, NULL, 0);
        }
}

static void end(FakeChild *child) {
        say(child, CONTROL_TYPE_STOPPED);
        event_loop_exit(child->loop, 0);
}

static void on_saved(FakeChild *child) {
        if (does(child, "dies"))
                event_loop_exit(child->loop, 0);
        else
                end(child);
}

static void learn(FakeChild *child, const UsbLearnedFacts *facts) {
        ControlMessage message;

        tell(child, "knows facts %x", facts->facts);
        if (!does(child, "learns"))
                return;
        control_message_init(&message, CONTROL_TYPE_LEARNED);
        message.body.learned.facts = *facts;
        message.body.learned.facts.facts |= USB_FACT_NO_REPORT_LUNS;
        control_channel_send(child->channel, &message, NULL, 0);
}

static void on_resumed(FakeChild *child, const ControlUsbDevice *device) {
        tell(child, "resumed as %s, serial %s, restart %u", device->name, device->serial,
             device->is_restart);
        learn(child, &device->facts);
        if (does(child, "rejects")) {
                say(child, CONTROL_TYPE_FAILED);
                end(child);
        } else
                say(child, CONTROL_TYPE_BROUGHT_UP);
}

static void say_export(FakeChild *child, const char *base_name) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_EXPORT);
        message.body.export.generation = 1;
        message.body.export.info.size = 512;
        strcpy(message.body.export.name, base_name);
        strcat(message.body.export.name, is_called(child, "lies") ? "-lun7" : "-lun0");
        control_channel_send(child->channel, &message, NULL, 0);
}

static void refuse(FakeChild *child) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_FAILED);
        message.body.failed.error = -EOPNOTSUPP;
        strcpy(message.body.failed.reason, "it is no disk");
        control_channel_send(child->channel, &message, NULL, 0);
        end(child);
}

/* Health */

static void say_health(FakeChild *child, uint32_t lun) {
        ControlMessage message;
        ControlSmart *smart = &message.body.smart;
        SmartData *data = &smart->data;

        control_message_init(&message, CONTROL_TYPE_SMART);
        smart->lun = lun;
        smart->n_asked = ++child->n_ails;
        smart->asked_realtime_s = 1000;
        strcpy(smart->way, "by a wire");
        smart_data_init(data, SMART_KIND_ATA);
        strcpy(data->identity.model, "Ailing Drive");
        strcpy(data->identity.serial, "../AIL");
        data->status = SMART_STATUS_PASSED;
        data->answers[SMART_SECTION_STATUS] = SMART_ANSWER_GOOD;
        data->reallocated_sectors = (SmartNumber){ true, (child->n_ails - 1) * 8 };
        smart_verdict(data, &smart->verdict);
        control_channel_send(child->channel, &message, NULL, 0);
}

static void on_smart_options(FakeChild *child, const ControlSmartOptions *options) {
        tell(child, "asks drives every %u ms, bridge %d", options->period_ms,
             options->has_bridge ? options->bridge_kind : -1);
}

/* Requests */

static void describe(FakeChild *child, uint32_t n_resets) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_DEVICE_INFO);
        message.body.device_info.protocol = USB_STORAGE_PROTOCOL_UAS;
        message.body.device_info.transfer_size_max = 4096;
        message.body.device_info.n_resets = n_resets;
        if (n_resets > 0)
                message.body.device_info.degradations = CONTROL_DEGRADATION_WRITE_THROUGH;
        control_channel_send(child->channel, &message, NULL, 0);
        for (uint32_t lun = 0; lun < 2; lun++) {
                control_message_init(&message, CONTROL_TYPE_LUN_INFO);
                message.body.lun_info.lun = lun;
                message.body.lun_info.is_present = lun == 0 || n_resets == 0;
                message.body.lun_info.has_medium = lun == 0;
                message.body.lun_info.n_clients = lun == 0 ? n_resets : 0;
                strcpy(message.body.lun_info.model, "Fake");
                control_channel_send(child->channel, &message, NULL, 0);
        }
}

static void on_scsi(const ControlScsi *scsi, int fd, ControlReply *reply) {
        uint8_t bytes[4096] = { 0 };
        size_t size = MIN((size_t) scsi->data_size, sizeof(bytes));

        if (scsi->direction == TRANSPORT_DIRECTION_IN) {
                memset(bytes, scsi->cdb[0], sizeof(bytes));
                reply->data_size = (uint32_t) size;
                if (fd >= 0 && pwrite(fd, bytes, size, 0) < 0)
                        abort();
                memcpy(reply->data, bytes, MIN(size, sizeof(reply->data)));
        } else if (scsi->direction == TRANSPORT_DIRECTION_OUT) {
                if (fd >= 0 && pread(fd, bytes, size, 0) < 0)
                        abort();
                if (fd < 0)
                        memcpy(bytes, scsi->data, size);
                snprintf(reply->words, sizeof(reply->words), "%x %x", bytes[0], bytes[size - 1]);
        }
        reply->status = 2;
        reply->sense_size = 1;
        reply->sense[0] = 0x70;
}

static void on_history(int fd, ControlReply *reply) {
        const char text[] = "1.000 s ago\n";

        if (pwrite(fd, text, strlen(text), 0) < 0)
                abort();
        reply->data_size = strlen(text);
}

static void say_power(FakeChild *child, PowerState state) {
        PowerStatistics *statistics = &child->power.statistics;
        ControlMessage message;

        statistics->time_ns[child->power.state] += NS_PER_S;
        statistics->n_standbys += state == POWER_STATE_STANDBY;
        statistics->n_suspends += state == POWER_STATE_SUSPENDED;
        if (state == POWER_STATE_ACTIVE && child->power.state == POWER_STATE_STANDBY) {
                statistics->n_spin_ups++;
                storage_histogram_record(&statistics->wake_latency, 2 * NS_PER_S);
        }
        child->power.state = state;
        child->power.max_power_ma = 500;
        child->power.can_standby = true;
        control_message_init(&message, CONTROL_TYPE_POWER);
        message.body.power = child->power;
        control_channel_send(child->channel, &message, NULL, 0);
}

static void on_power_options(FakeChild *child, const PowerOptions *options) {
        child->power.options = *options;
        tell(child, "standby after %u, suspended after %u%s", options->standby_timeout_ms,
             options->suspend_timeout_ms, options->is_enabled ? "" : ", if asked");
}

static void reply_to(FakeChild *child, const ControlRequest *request, int fd) {
        ControlMessage message;
        ControlReply *reply = &message.body.reply;

        control_message_init(&message, CONTROL_TYPE_PROGRESS);
        message.body.progress = (ControlProgress){ .id = request->id, .n_done = 1, .n_total = 2 };
        if (request->kind == CONTROL_REQUEST_KIND_FLUSH)
                control_channel_send(child->channel, &message, NULL, 0);

        control_message_init(&message, CONTROL_TYPE_REPLY);
        reply->id = request->id + does(child, "misleads");
        if (does(child, "refuses-requests")) {
                reply->error = -EBUSY;
                strcpy(reply->words, "it is used");
        }
        if (request->kind == CONTROL_REQUEST_KIND_SCSI_COMMAND)
                on_scsi(&request->scsi, fd, reply);
        if (request->kind == CONTROL_REQUEST_KIND_HISTORY)
                on_history(fd, reply);
        reply->data_size += does(child, "overfills");
        control_channel_send(child->channel, &message, NULL, 0);
}

static void on_request(FakeChild *child, const ControlRequest *request, int fd) {
        tell(child, "asked for %s",
             control_request_kind_to_string((ControlRequestKind) request->kind));
        if (does(child, "perishes"))
                _exit(1);
        if (does(child, "holds"))
                return;
        if (request->kind == CONTROL_REQUEST_KIND_DEVICE_RESET) {
                describe(child, 1);
                if (does(child, "learns"))
                        learn(child, &(UsbLearnedFacts){ .facts = USB_FACT_SHORT_SENSE });
        }
        if (request->kind == CONTROL_REQUEST_KIND_POWER_STATE)
                say_power(child, (PowerState) request->power_state);
        if (request->kind == CONTROL_REQUEST_KIND_SMART_UPDATE && does(child, "ails"))
                say_health(child, request->lun);
        reply_to(child, request, fd);
        if (!does(child, "refuses-requests") && (request->kind == CONTROL_REQUEST_KIND_RELEASE ||
                                                 request->kind == CONTROL_REQUEST_KIND_REMOVE))
                end(child);
}

static void on_cancel(FakeChild *child, uint64_t id) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_REPLY);
        message.body.reply.id = id;
        message.body.reply.error = -ECANCELED;
        control_channel_send(child->channel, &message, NULL, 0);
}

static void say_stats(FakeChild *child) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_LUN_STATS);
        message.body.lun_stats.lun = 1;
        message.body.lun_stats.stats.operations[STORAGE_OPERATION_WRITE].n = 7;
        message.body.lun_stats.stats.n_in_flight = 2;
        control_channel_send(child->channel, &message, NULL, 0);
        control_message_init(&message, CONTROL_TYPE_DEVICE_STATS);
        message.body.device_stats.n_transfers = 21;
        message.body.device_stats.transport = STORAGE_TRANSPORT_CBI;
        message.body.device_stats.cache_mode = STORAGE_CACHE_MODE_WRITE_BACK;
        message.body.device_stats.speed_mbps = 480;
        message.body.device_stats.speed_mbps_max = 5000;
        control_channel_send(child->channel, &message, NULL, 0);
        tell(child, "has told what it counted");
}

static void on_device(FakeChild *child, const char *base_name, uint32_t quirks,
                      const UsbLearnedFacts *facts) {
        if (is_called(child, "dies-at-work"))
                abort();
        if (is_called(child, "says-stop"))
                say(child, CONTROL_TYPE_STOP);
        if (is_called(child, "refuses")) {
                refuse(child);
                return;
        }

        tell(child, "drives %s", base_name);
        tell(child, "has quirks %x", quirks);
        learn(child, facts);
        describe(child, 0);
        snprintf(child->base_name, sizeof(child->base_name), "%s", base_name);
        if (!is_now(child, "empty") && !does(child, "dawdles"))
                say_export(child, base_name);
        say_what_is_left(child);
        say(child, CONTROL_TYPE_BROUGHT_UP);
        if (does(child, "ails"))
                say_health(child, 0);
        if (is_called(child, "counts"))
                say_stats(child);
}

static void ask_to_save(FakeChild *child) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_EXPORT_CLOSED);
        message.body.export_closed.generation = 1;
        control_channel_send(child->channel, &message, NULL, 0);
        control_message_init(&message, CONTROL_TYPE_SAVE);
        message.body.save.luns = 1;
        control_channel_send(child->channel, &message, NULL, 0);
}

static void on_end(FakeChild *child, ControlType type) {
        if (type == CONTROL_TYPE_GONE && does(child, "parks") && !child->has_parked) {
                child->has_parked = true;
                if (does(child, "dawdles"))
                        say_export(child, child->base_name);
                say(child, CONTROL_TYPE_PARKED);
        } else if (does(child, "saves"))
                ask_to_save(child);
        else
                end(child);
}

/* One that lingers has requests in flight on the device that has gone. */
static bool is_end(const FakeChild *child, const ControlMessage *message) {
        return (message->type == CONTROL_TYPE_STOP && !is_called(child, "stays")) ||
               (message->type == CONTROL_TYPE_GONE && !is_called(child, "lingers"));
}

static void on_configure(FakeChild *child, const ControlConfigure *configure) {
        if (!does(child, "configured"))
                return;
        tell(child, "timeout %u, LUNs %u, commands %u%s%s%s%s", configure->device_timeout_ms,
             configure->n_luns_max, configure->n_commands_kept,
             configure->is_trim_enabled ? ", trim" : "", configure->is_serial ? ", serial" : "",
             configure->skips_processing ? ", no processing" : "",
             configure->skips_validation ? ", no validation" : "");
}

/* Writes to it, so that its other end sees whose client it is. */
static void on_client(FakeChild *child, const ControlMessage *message, int fd) {
        const ControlHandover *handover = &message->body.handover;

        if (write(fd, child->name, strlen(child->name)) < 0)
                abort();
        if (does(child, "miscounts")) {
                ControlMessage ended;

                control_message_init(&ended, CONTROL_TYPE_CLIENT_ENDED);
                ended.body.client_ended.id = 99;
                control_channel_send(child->channel, &ended, NULL, 0);
        }
        if (message->type == CONTROL_TYPE_CONNECT)
                tell(child, "negotiates about export %llu",
                     (unsigned long long) message->body.connect.generation);
        else
                tell(child, "serves export %llu%s", (unsigned long long) handover->generation,
                     handover->agreement.has_structured_replies ? " in structures" : "");
}

static void on_cache_options(FakeChild *child, const ControlCache *cache) {
        tell(child, "cache of %llu now, mode %u, policy %u, read-ahead %u, verify %u, park %u",
             (unsigned long long) cache->size_max, cache->mode, cache->policy,
             cache->has_read_ahead, cache->verifies_hits, cache->park_timeout_ms);
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
                on_end(child, (ControlType) message->type);
        } else if (message->type == CONTROL_TYPE_CONFIGURE) {
                on_configure(child, &message->body.configure);
        } else if (message->type == CONTROL_TYPE_CACHE) {
                on_cache(child, &message->body.cache, fds[0]);
        } else if (message->type == CONTROL_TYPE_CACHE_OPTIONS) {
                on_cache_options(child, &message->body.cache);
        } else if (message->type == CONTROL_TYPE_POWER_OPTIONS) {
                on_power_options(child, &message->body.power_options);
        } else if (message->type == CONTROL_TYPE_SMART_OPTIONS) {
                on_smart_options(child, &message->body.smart_options);
        } else if (message->type == CONTROL_TYPE_REMAINS) {
                on_remains(child, &message->body.remains, fds[0]);
        } else if (message->type == CONTROL_TYPE_SAVED) {
                tell(child, "saved LUNs %u: %s", message->body.save.luns,
                     strerror(-message->body.save.error));
                on_saved(child);
        } else if (message->type == CONTROL_TYPE_REQUEST) {
                on_request(child, &message->body.request, n_fds > 0 ? fds[0] : -EBADF);
        } else if (message->type == CONTROL_TYPE_CLIENT || message->type == CONTROL_TYPE_CONNECT) {
                on_client(child, message, fds[0]);
        } else if (message->type == CONTROL_TYPE_CANCEL) {
                on_cancel(child, message->body.cancel.id);
        } else if (message->type == CONTROL_TYPE_SIMULATE) {
                tell(child, "may %s", message->body.simulate.is_read_only ? "only read" : "write");
                on_device(child, message->body.simulate.base_name, message->body.simulate.quirks,
                          &message->body.simulate.facts);
        } else if (message->type == CONTROL_TYPE_USB_DEVICE) {
                tell(child, "may %s",
                     message->body.usb_device.is_read_only ? "only read" : "write");
                if (child->has_parked)
                        on_resumed(child, &message->body.usb_device);
                else
                        on_device(child, message->body.usb_device.base_name,
                                  message->body.usb_device.quirks, &message->body.usb_device.facts);
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

        snprintf(child.folder, sizeof(child.folder), "%.*s", (int) (child.name - 1 - argv[0]),
                 argv[0]);
        if (is_called(&child, "exits"))
                return 7;
        if (systemd_event_loop_new(&child.loop) < 0 ||
            control_channel_new(&child.channel, child.loop, 3, on_message, on_closed, &child) < 0)
                return EXIT_FAILURE;
        say(&child, CONTROL_TYPE_HELLO);
        say(&child, CONTROL_TYPE_READY);
        if (is_called(&child, "says-failed"))
                say(&child, CONTROL_TYPE_FAILED);
        if (is_called(&child, "babbles") && write(3, "nonsense", 8) != 8)
                return EXIT_FAILURE;
        r = event_loop_run(child.loop);
        control_channel_free(child.channel);
        event_loop_free(child.loop);
        return r;
}
