/*
 * Fuzz target: a device that says anything, below a whole worker with a client on each of its
 * exports. Whatever the device does, the client's requests are answered or its connection ends, and
 * the worker stops when it is told to, with everything closed.
 */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/virtual_event_loop.h"
#include "hostile_device.h"
#include "storage/storage_manager.h"

#define REQUEST_SIZE 28
/* Virtual: more than bring-up, a request and the way down may take one after the other. */
#define PATIENCE_NS (UINT64_C(7200) * NS_PER_S)
#define WORK_NS (120 * NS_PER_S)
/* In which it falls asleep in both ways, is woken, and falls asleep again. */
#define STANDBY_TIMEOUT_MS 20000
#define SUSPEND_TIMEOUT_MS 40000
#define OPTIONS_BITS 3
#define SMART_PERIOD_MS 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Life {
        EventLoop *loop;         /* owned */
        StorageManager *storage; /* owned */
        int client_fd;           /* owned: of the export that was opened last */
        unsigned n_open;
        bool is_brought_up;
        bool has_ended;
} Life;

static void send_request(int fd, NbdCommand command, uint64_t offset, uint32_t size) {
        static const uint8_t zeroes[4096];
        uint8_t header[REQUEST_SIZE];

        put_be32(header, NBD_REQUEST_MAGIC);
        put_be16(header + 4, 0);
        put_be16(header + 6, (uint16_t) command);
        put_be64(header + 8, command);
        put_be64(header + 16, offset);
        put_be32(header + 24, size);
        (void) send(fd, header, sizeof(header), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (command == NBD_CMD_WRITE)
                (void) send(fd, zeroes, MIN((size_t) size, sizeof(zeroes)),
                            MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_export_opened(StorageManager *storage, const StorageExport *export, void *userdata) {
        Life *life = userdata;
        int fds[2];

        assert(export->lun < STORAGE_LUNS_MAX);
        assert(export->info.size > 0);
        life->n_open++;
        fd_close(life->client_fd);
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
                abort();
        life->client_fd = fds[0];
        send_request(fds[0], NBD_CMD_READ, 0, 1024);
        send_request(fds[0], NBD_CMD_WRITE, 0, 1024);
        send_request(fds[0], NBD_CMD_TRIM, 0, 4096);
        send_request(fds[0], NBD_CMD_WRITE_ZEROES, 0, 4096);
        send_request(fds[0], NBD_CMD_FLUSH, 0, 0);
        (void) storage_manager_add_client(storage, export->lun, export->generation, fds[1],
                                          &(NbdAgreement){ .has_structured_replies = true });
}

static void on_export_closed(StorageManager *storage, unsigned lun, uint64_t generation,
                             void *userdata) {
        Life *life = userdata;

        assert(life->n_open > 0);
        life->n_open--;
}

static void on_brought_up(StorageManager *storage, int result, unsigned n_luns, const char *reason,
                          void *userdata) {
        Life *life = userdata;

        assert(!life->is_brought_up && !life->has_ended);
        assert(result == 0 || (reason && strlen(reason) > 0));
        assert(n_luns <= STORAGE_LUNS_MAX);
        life->is_brought_up = true;
        life->has_ended = result < 0;
}

static void on_stopped(StorageManager *storage, int result, void *userdata) {
        Life *life = userdata;

        assert(!life->has_ended);
        life->has_ended = true;
}

static void on_smart_told(StorageManager *storage, const ControlSmart *smart, void *userdata) {
        assert(control_smart_is_valid(smart));
}

static void on_replied(StorageManager *storage, const ControlReply *reply, void *userdata) {
        assert(control_reply_is_valid(reply));
}

static void life_run(Life *life, uint64_t duration_ns, const bool *condition) {
        uint64_t end_ns = event_loop_now_ns(life->loop) + duration_ns;

        while (!*condition && event_loop_now_ns(life->loop) < end_ns)
                if (event_loop_run_once(life->loop, /* may_wait= */ true) <= 0)
                        return;
}

/* What it says of each device would drown the rest; that it can be said is part of the test. */
static void drop_log(const LogRecord *record, void *userdata) {
        assert(strlen(record->message) > 0);
}

static void life_init(Life *life, HostileForm form, const HostileScript *script, uint8_t options) {
        static const StorageHandlers handlers = {
                .export_opened = on_export_opened,
                .export_closed = on_export_closed,
                .brought_up = on_brought_up,
                .stopped = on_stopped,
                .smart_told = on_smart_told,
                .replied = on_replied,
        };
        SmartBridge bridge;
        ControlSmartOptions smart = { .period_ms = SMART_PERIOD_MS };

        /* Any of them, so that each is tried by some script. */
        smart_bridge_init(&bridge, (SmartBridgeKind) (script->size % _SMART_BRIDGE_KIND_MAX));
        control_smart_options_set_bridge(&smart, &bridge);
        *life = (Life){ .client_fd = -1 };
        log_set_sink(drop_log, NULL);
        if (virtual_event_loop_new(&life->loop) < 0 ||
            storage_manager_new(&life->storage, hostile_device_new(life->loop, form, script),
                                &(StorageOptions){
                                                .base_name = "fuzz",
                                                .is_read_only = options & 1,
                                                .is_trim_enabled = options & 2,
                                                .starts_with_reset = options & 4,
                                                .power = {
                                                        .standby_timeout_ms = STANDBY_TIMEOUT_MS,
                                                        .suspend_timeout_ms = SUSPEND_TIMEOUT_MS,
                                                        .is_enabled = true,
                                                },
                                                .smart = smart,
                                },
                                &handlers, life) < 0)
                abort();
}

static void life_wake(Life *life) {
        storage_manager_request(life->storage,
                                &(ControlRequest){
                                                .id = 1,
                                                .kind = CONTROL_REQUEST_KIND_POWER_STATE,
                                                .lun = CONTROL_LUN_ALL,
                                                .power_state = POWER_STATE_ACTIVE,
                                },
                                -1);
}

/* For a unit's health, and that its drive tests itself: answered by the end at the latest. */
static void life_ask(Life *life) {
        static const ControlRequest requests[] = {
                { .id = 2, .kind = CONTROL_REQUEST_KIND_SMART_UPDATE },
                { .id = 3,
                  .kind = CONTROL_REQUEST_KIND_SMART_TEST,
                  .self_test = SMART_SELF_TEST_KIND_SHORT },
        };

        for (size_t i = 0; i < N_ELEMENTS(requests); i++)
                storage_manager_request(life->storage, &requests[i], -EBADF);
        life_run(life, WORK_NS, &life->has_ended);
}

static void life_done(Life *life) {
        fd_close(life->client_fd);
        storage_manager_free(life->storage);
        event_loop_free(life->loop);
}

/* The first byte chooses options and what the device is driven by, the rest is its script: see
 * hostile_device.h. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        HostileScript script = { data + 1, size - 1 };
        Life life;

        if (size < 1)
                return 0;
        life_init(&life, (data[0] >> OPTIONS_BITS) % _HOSTILE_FORM_MAX, &script, data[0]);
        life_run(&life, PATIENCE_NS, &life.is_brought_up);
        assert(life.is_brought_up || life.has_ended);
        if (!life.has_ended)
                life_run(&life, WORK_NS, &life.has_ended);
        if (!life.has_ended) {
                life_wake(&life);
                life_run(&life, WORK_NS, &life.has_ended);
        }
        if (!life.has_ended)
                life_ask(&life);
        if (!life.has_ended)
                storage_manager_stop(life.storage);
        life_run(&life, PATIENCE_NS, &life.has_ended);
        assert(life.has_ended);
        assert(life.n_open == 0);
        life_done(&life);
        return 0;
}
