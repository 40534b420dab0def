/*
 * Each transport on the simulated device, which is written from the specifications on its own: a
 * conversation of writes, reads and others, repeated after recovery as the layers above would, must
 * end with the right data whichever fault strikes whichever command, with each transport and in each mode.
 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/virtual_event_loop.h"
#include "simulator/simulated_device.h"
#include "transport/bot_transport.h"
#include "transport/cbi_transport.h"

#define BLOCK_SIZE 512
#define N_BLOCKS 8
#define DATA_SIZE (N_BLOCKS * BLOCK_SIZE)
#define SMALL "size=64K,cache-size=64K"
#define N_ROUNDS 2
#define N_ROUNDS_AUTO 10 /* as many as a trial of pipelining needs, and some */
#define N_ATTEMPTS_MAX 6
#define TIMEOUT_NS (30 * NS_PER_S)
#define SPEC_SIZE_MAX 256
#define PENDING 1000

/* A run has fewer commands than this, whatever strikes it. */
#define N_COMMANDS_MAX 200

/* A kind of device, and how it is talked to. */
typedef struct Variant {
        const char *spec;
        UsbStorageProtocol protocol;
        BotMode mode; /* BOT */
} Variant;

static const Variant variants[] = {
        { "transport=bot", USB_STORAGE_PROTOCOL_BOT, BOT_MODE_BY_PHASE },
        { "transport=bot", USB_STORAGE_PROTOCOL_BOT, BOT_MODE_PIPELINED },
        { "transport=bot", USB_STORAGE_PROTOCOL_BOT, BOT_MODE_AUTO },
        { "transport=cbi", USB_STORAGE_PROTOCOL_CBI, BOT_MODE_AUTO },
        { "transport=cbi,command-set=8070", USB_STORAGE_PROTOCOL_CBI, BOT_MODE_AUTO },
        { "transport=cbi,command-set=ufi", USB_STORAGE_PROTOCOL_CBI, BOT_MODE_AUTO },
        { "transport=cb", USB_STORAGE_PROTOCOL_CB, BOT_MODE_AUTO },
        { "transport=cb,command-set=ufi", USB_STORAGE_PROTOCOL_CB, BOT_MODE_AUTO },
};

typedef struct Conversation {
        EventLoop *loop;      /* owned */
        UsbDevice *device;    /* owned */
        Transport *transport; /* owned */
        TransportRequest request;
        Future future;
        uint8_t *data; /* owned, of staging memory */
        unsigned n_rounds;
        bool is_unexplained; /* the sense that was fetched last says nothing */
        int result;
} Conversation;

static void on_done(TransportRequest *request) {
        Conversation *conversation = container_of(request, Conversation, request);

        future_complete(&conversation->future, 0);
}

static TransportResult send(Conversation *conversation, Task *task, const uint8_t *command,
                            TransportDirection direction, size_t size) {
        TransportRequest *request = &conversation->request;
        int r;

        *request = (TransportRequest){
                .command_size = 10,
                .direction = direction,
                .data = conversation->data,
                .size = size,
                .deadline_ns = event_loop_now_ns(conversation->loop) + TIMEOUT_NS,
                .done = on_done,
        };
        memcpy(request->command, command, request->command_size);
        future_init(&conversation->future, conversation->loop, /* cancel= */ NULL);
        r = transport_submit(conversation->transport, request);
        if (r == -ENODEV)
                return TRANSPORT_RESULT_GONE;
        ck_assert_int_eq(r, 0);
        ck_assert_int_eq(task_await(task, &conversation->future, TASK_NEVER), 0);
        ck_assert_uint_le(request->actual_size, size);
        return request->result;
}

static int recover(Conversation *conversation, Task *task) {
        int r;

        r = transport_recover(conversation->transport, task, TRANSPORT_RECOVERY_CLASS_RESET, 0);
        if (r < 0 && r != -ENODEV)
                r = transport_recover(conversation->transport, task, TRANSPORT_RECOVERY_PORT_RESET,
                                      0);
        return r;
}

/* What the layers above do with an outcome: fetch the sense, or recover; then again. */
static int mend(Conversation *conversation, Task *task, TransportResult result) {
        static const uint8_t request_sense[10] = { 0x03, 0, 0, 0, 18 };

        conversation->is_unexplained = false;
        if (result == TRANSPORT_RESULT_FAILED || result == TRANSPORT_RESULT_UNTOLD) {
                result = send(conversation, task, request_sense, TRANSPORT_DIRECTION_IN, 18);
                conversation->is_unexplained = result == TRANSPORT_RESULT_GOOD &&
                                               conversation->request.actual_size == 18 &&
                                               (conversation->data[2] & 0x0F) == 0;
        }
        switch (result) {
        case TRANSPORT_RESULT_GOOD:
        case TRANSPORT_RESULT_FAILED:
                return 0;
        case TRANSPORT_RESULT_ERROR:
        case TRANSPORT_RESULT_TIMED_OUT:
                return recover(conversation, task);
        case TRANSPORT_RESULT_GONE:
                return -ENODEV;
        case TRANSPORT_RESULT_UNTOLD:
        case TRANSPORT_RESULT_BUSY:
        case TRANSPORT_RESULT_RESERVED:
        case TRANSPORT_RESULT_NO_MEMORY:
        case TRANSPORT_RESULT_CANCELLED:
        case _TRANSPORT_RESULT_MAX:
                break;
        }

        ck_abort_msg("nobody could cause %s", transport_result_to_string(result));
        return -EPROTO;
}

/* `data` is filled in anew before each attempt, as a REQUEST SENSE may have overwritten it. */
static int execute(Conversation *conversation, Task *task, const uint8_t *command,
                   TransportDirection direction, size_t size, int pattern) {
        TransportResult result;
        int r;

        for (int i = 0; i < N_ATTEMPTS_MAX; i++) {
                memset(conversation->data, pattern, DATA_SIZE);
                result = send(conversation, task, command, direction, size);
                if (result == TRANSPORT_RESULT_GOOD && conversation->request.actual_size == size)
                        return 0;
                bool may_be_good = result == TRANSPORT_RESULT_UNTOLD &&
                                   conversation->request.actual_size == size;
                r = mend(conversation, task, result);
                if (r < 0)
                        return r;
                if (may_be_good && conversation->is_unexplained)
                        return 0;
        }
        return -ETIMEDOUT;
}

static bool is_filled(const uint8_t *bytes, size_t size, uint8_t pattern) {
        for (size_t i = 0; i < size; i++)
                if (bytes[i] != pattern)
                        return false;
        return true;
}

static int write_and_read_back(Conversation *conversation, Task *task, uint8_t round) {
        uint8_t command[10] = { 0x2A, 0, 0, 0, 0, round, 0, 0, N_BLOCKS, 0 };
        uint8_t pattern = round + 1;
        int r;

        r = execute(conversation, task, command, TRANSPORT_DIRECTION_OUT, DATA_SIZE, pattern);
        if (r < 0)
                return r;
        command[0] = 0x28;
        r = execute(conversation, task, command, TRANSPORT_DIRECTION_IN, DATA_SIZE, 0xEE);
        if (r < 0)
                return r;
        ck_assert(is_filled(conversation->data, DATA_SIZE, pattern));
        return 0;
}

static int converse(Task *task, void *userdata) {
        static const uint8_t test_unit_ready[10], inquiry[10] = { 0x12, 0, 0, 0, 36 };
        Conversation *conversation = userdata;
        int r;

        r = transport_start(conversation->transport, task);
        if (r < 0)
                return r;
        r = transport_get_max_lun(conversation->transport, task);
        if (r < 0)
                return r;
        ck_assert_int_eq(r, 0);
        r = execute(conversation, task, inquiry, TRANSPORT_DIRECTION_IN, 36, 0);
        for (uint8_t round = 0; r >= 0 && round < conversation->n_rounds; round++) {
                r = execute(conversation, task, test_unit_ready, TRANSPORT_DIRECTION_NONE, 0, 0);
                if (r >= 0)
                        r = write_and_read_back(conversation, task, round);
        }
        return r;
}

static void on_conversed(Task *task, int result, void *userdata) {
        Conversation *conversation = userdata;

        conversation->result = result;
}

static int new_transport(Conversation *conversation, const Variant *variant,
                         const UsbStorageDevice *storage_device) {
        if (variant->protocol == USB_STORAGE_PROTOCOL_BOT)
                return bot_transport_new(&conversation->transport, conversation->device,
                                         storage_device, &(BotOptions){ .mode = variant->mode });
        return cbi_transport_new(&conversation->transport, conversation->device, storage_device,
                                 /* transfer_size_max= */ 0);
}

static void init(Conversation *conversation, const char *text, const Variant *variant) {
        UsbStorageDevice storage_device;
        SimulatorSpec spec;
        char *error = NULL;

        *conversation = (Conversation){
                .n_rounds = variant->mode == BOT_MODE_AUTO ? N_ROUNDS_AUTO : N_ROUNDS,
                .result = PENDING,
        };
        ck_assert_int_eq(virtual_event_loop_new(&conversation->loop), 0);
        ck_assert_msg(simulator_spec_parse(&spec, text, &error) == 0, "%s", error);
        ck_assert_int_eq(simulated_device_new(&conversation->device, conversation->loop, &spec,
                                              NULL, 0),
                         0);
        ck_assert_int_eq(usb_storage_device_init(&storage_device,
                                                 usb_device_get_descriptors(conversation->device),
                                                 usb_device_get_speed(conversation->device),
                                                 1 << variant->protocol),
                         0);
        ck_assert_int_eq(new_transport(conversation, variant, &storage_device), 0);
        conversation->data = staging_get(conversation->transport->staging, DATA_SIZE);
        ck_assert_ptr_nonnull(conversation->data);
}

static void done(Conversation *conversation) {
        staging_put(conversation->transport->staging, conversation->data, DATA_SIZE);
        transport_free(conversation->transport);
        usb_device_free(conversation->device);
        event_loop_free(conversation->loop);
}

/* Returns how many commands the device took; the conversation's result may be `other`, too. */
static uint64_t run(const char *text, const Variant *variant, int other, BotMode *ret_mode) {
        Conversation conversation;
        uint64_t n_commands;

        init(&conversation, text, variant);
        ck_assert_int_eq(task_start(/* ret= */ NULL, conversation.loop, "conversation", converse,
                                    on_conversed, &conversation),
                         0);
        ck_assert_int_ge(virtual_event_loop_run_until(conversation.loop, UINT64_MAX), 0);
        ck_assert_msg(conversation.result == 0 || conversation.result == other,
                      "%s, %s: ended with %d", text, bot_mode_to_string(variant->mode),
                      conversation.result);
        if (ret_mode)
                *ret_mode = bot_transport_get_mode(conversation.transport);
        n_commands = simulated_device_get_counters(conversation.device)->n_commands;
        done(&conversation);
        return n_commands;
}

static const char *const faults[] = {
        "stall:command",
        "stall:data",
        "stall:status",
        "hang:command",
        "hang:data",
        "hang:status",
        "freeze:data",
        "freeze:status",
        "disconnect:command",
        "disconnect:data",
        "disconnect:status",
        "wire-error:command",
        "wire-error:data",
        "wire-error:status",
        "short-data",
        "short-data-untold",
        "babble",
        "data-skipped",
        "zero-packet",
        "csw-missing",
        "csw-tag",
        "csw-signature",
        "csw-status",
        "csw-size",
        "phase-error",
        "residue",
};

/*
 * Strikes the n-th command for n = 1, 2, … until the conversation is over before. There is no write
 * cache, as what a port reset loses from it is not the transport's business.
 */
static void sweep(const char *fault, const Variant *variant) {
        int other = strncmp(fault, "disconnect", strlen("disconnect")) == 0 ? -ENODEV : 0;
        char text[SPEC_SIZE_MAX];
        uint64_t n = 0;

        do {
                ck_assert_uint_lt(++n, N_COMMANDS_MAX);
                snprintf(text, sizeof(text), SMALL ",write-cache=no,%s,faults=%s@nth=%u",
                         variant->spec, fault, (unsigned) n);
        } while (run(text, variant, other, /* ret_mode= */ NULL) >= n);
}

START_TEST(whatever_strikes_the_data_is_right) {
        const Variant *variant = &variants[(size_t) _i / N_ELEMENTS(faults)];

        sweep(faults[(size_t) _i % N_ELEMENTS(faults)], variant);
}
END_TEST

static const Variant auto_variant = { "transport=bot", USB_STORAGE_PROTOCOL_BOT, BOT_MODE_AUTO };

/* Every way in which a device may end data that is less than was asked for. */
START_TEST(a_good_device_is_found_to_bear_pipelining) {
        static const char *const texts[] = { SMALL ",short-data=stall", SMALL ",short-data=short",
                                             SMALL ",short-data=pad", SMALL ",latency-us=2000",
                                             SMALL ",speed=full" };
        BotMode mode;

        run(texts[_i], &auto_variant, /* other= */ 0, &mode);
        ck_assert_str_eq(bot_mode_to_string(mode), bot_mode_to_string(BOT_MODE_PIPELINED));
}
END_TEST

START_TEST(a_device_that_does_not_bear_it_is_found_out) {
        BotMode mode;

        run(SMALL ",pipelining=no", &auto_variant, /* other= */ 0, &mode);
        ck_assert_str_eq(bot_mode_to_string(mode), bot_mode_to_string(BOT_MODE_BY_PHASE));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("transport_simulated");
        TCase *tcase = tcase_create("transport_simulated");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, whatever_strikes_the_data_is_right, 0,
                            N_ELEMENTS(faults) * N_ELEMENTS(variants));
        tcase_add_loop_test(tcase, a_good_device_is_found_to_bear_pipelining, 0, 5);
        tcase_add_test(tcase, a_device_that_does_not_bear_it_is_found_out);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
