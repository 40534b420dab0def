/* See bot_fixture.h. */

#include "bot_fixture.h"

#include <check.h>
#include <string.h>

static size_t count_steps(const UsbStep *steps) {
        size_t n = 0;

        while (steps[n].text)
                n++;
        return n;
}

void bot_fixture_init(BotFixture *fixture, BotMode mode, const UsbStep *steps) {
        BotOptions options = {
                .mode = mode,
        };
        UsbStorageDevice storage_device;

        *fixture = (BotFixture){};
        scripted_usb_init(&fixture->usb, USB_SPEED_HIGH, steps, count_steps(steps));
        ck_assert_int_eq(usb_storage_device_init(&storage_device, &fixture->usb.descriptors,
                                                 USB_SPEED_HIGH, 1 << USB_STORAGE_PROTOCOL_BOT),
                         0);
        ck_assert_int_eq(bot_transport_new(&fixture->transport, &fixture->usb.device,
                                           &storage_device, &options),
                         0);
}

void bot_fixture_continue(BotFixture *fixture, const UsbStep *steps) {
        scripted_usb_continue(&fixture->usb, steps, count_steps(steps));
}

void bot_fixture_done(BotFixture *fixture) {
        fixture->transport = transport_free(fixture->transport);
        scripted_usb_done(&fixture->usb);
}

static void on_done(TransportRequest *request) {
        BotFixture *fixture = container_of(request, BotFixture, request);

        ck_assert(!fixture->is_submitting);
        fixture->n_done++;
}

void bot_fixture_submit(BotFixture *fixture, TransportDirection direction, size_t size) {
        ck_assert_uint_le(size, sizeof(fixture->data));

        memset(fixture->data, 0xFF, sizeof(fixture->data));
        fixture->n_done = 0;
        fixture->request = (TransportRequest){
                .command = { 0xA5 },
                .command_size = 6,
                .direction = direction,
                .data = fixture->data,
                .size = size,
                .deadline_ns = event_loop_now_ns(fixture->usb.loop) + BOT_FIXTURE_TIMEOUT_NS,
                .done = on_done,
                .result = _TRANSPORT_RESULT_MAX,
                .actual_size = SIZE_MAX,
        };
        fixture->is_submitting = true;
        ck_assert_int_eq(transport_submit(fixture->transport, &fixture->request), 0);
        fixture->is_submitting = false;
}

void bot_fixture_run(BotFixture *fixture) {
        scripted_usb_run(&fixture->usb);
        ck_assert_uint_eq(fixture->n_done, 1);
        ck_assert_uint_le(fixture->request.actual_size, fixture->request.size);
}

TransportResult bot_fixture_execute(BotFixture *fixture, TransportDirection direction,
                                    size_t size) {
        bot_fixture_submit(fixture, direction, size);
        bot_fixture_run(fixture);
        return fixture->request.result;
}

static void on_task_done(Task *task, int result, void *userdata) {
        BotFixture *fixture = userdata;

        fixture->task_result = result;
}

Task *bot_fixture_start_task(BotFixture *fixture, TaskMain main) {
        Task *task;

        fixture->task_result = BOT_FIXTURE_TASK_PENDING;
        ck_assert_int_eq(task_start(&task, fixture->usb.loop, "test", main, on_task_done, fixture),
                         0);
        return task;
}

int bot_fixture_run_task(BotFixture *fixture, TaskMain main) {
        bot_fixture_start_task(fixture, main);
        scripted_usb_run(&fixture->usb);
        ck_assert_int_ne(fixture->task_result, BOT_FIXTURE_TASK_PENDING);
        return fixture->task_result;
}
