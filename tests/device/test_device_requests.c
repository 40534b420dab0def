/*
 * What the bus asks of the broker: views, observers, requests that complete once, and disks that are
 * taken and given back.
 */

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "broker.h"
#include "device/device_observer.h"
#include "device/device_request.h"
#include "device/device_view.h"
#include "fake_host.h"
#include "unit_test.h"

#define BIG_SIZE 4096 /* more than a message holds */

typedef struct Answer {
        DeviceRequest request;
        bool is_done;
        unsigned n_done;
        int error;
        ControlReply reply;
        uint8_t data[BIG_SIZE];
        uint64_t n_progress;
} Answer;

static Broker broker;
static FakeHost host;
static DeviceObserver observer;
static char told[16 * KIB]; /* by the observer */
static DeviceView seen;     /* the first device, when it was told of */

static void tell(const char *what, uint64_t id, const char *text) {
        size_t size = strlen(told);

        snprintf(told + size, sizeof(told) - size, "%s %u%s%s\n", what, (unsigned) id,
                 text[0] != '\0' ? " " : "", text);
}

static void on_device_added(uint64_t id, void *userdata) { tell("added", id, ""); }

static void on_device_removed(uint64_t id, void *userdata) {
        DeviceView view;

        ck_assert(device_manager_find_device(broker.manager, id, &view));
        tell("removed", id, "");
}

static void on_device_changed(uint64_t id, void *userdata) {
        DeviceView view;

        ck_assert(device_manager_find_device(broker.manager, id, &view));
        tell("changed", id, device_view_state_to_string(view.state));
        if (id == 1)
                seen = view;
}

static void on_lun_added(uint64_t id, unsigned lun, void *userdata) { tell("lun added", lun, ""); }

static void on_lun_changed(uint64_t id, unsigned lun, void *userdata) {
        LunView view;

        ck_assert(device_manager_get_lun(broker.manager, id, lun, &view));
        tell("lun changed", lun, view.export_name);
}

static void on_lun_removed(uint64_t id, unsigned lun, void *userdata) {
        LunView view;

        ck_assert(device_manager_get_lun(broker.manager, id, lun, &view));
        tell("lun removed", lun, "");
}

static void on_event(DeviceEvent event, uint64_t id, unsigned lun, const char *words,
                     void *userdata) {
        tell(device_event_to_string(event), id, words);
}

static const DeviceObserverHandlers observer_handlers = {
        .device_added = on_device_added,
        .device_removed = on_device_removed,
        .device_changed = on_device_changed,
        .lun_added = on_lun_added,
        .lun_changed = on_lun_changed,
        .lun_removed = on_lun_removed,
        .event = on_event,
};

static void start(bool has_usb, const char *worker, DevicePresentPolicy present) {
        fake_host_init(&host);
        if (has_usb)
                fake_host_add_stick(&host);
        told[0] = '\0';
        broker_prepare(&broker, has_usb, worker, "front");
        broker.options.present_devices = present;
        broker_make(&broker);
        observer = (DeviceObserver){ .handlers = &observer_handlers };
        device_manager_add_observer(broker.manager, &observer);
        broker_start(&broker);
}

static void end(void) {
        broker_done(&broker);
        fake_host_done(&host);
}

/* A simulated device that is driven. Returns its id. */
static uint64_t simulate(const char *worker) {
        DeviceView view;

        start(/* has_usb= */ false, worker, DEVICE_PRESENT_POLICY_KEEP);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_worker);
        ck_assert(device_manager_get_device(broker.manager, 0, &view));
        ck_assert_int_eq(view.state, DEVICE_VIEW_STATE_RUNNING);
        return view.id;
}

static void on_done(DeviceRequest *request, const ControlReply *reply, const uint8_t *data) {
        Answer *answer = container_of(request, Answer, request);

        answer->is_done = true;
        answer->n_done++;
        answer->error = reply->error;
        answer->reply = *reply;
        if (reply->data_size > 0)
                memcpy(answer->data, data, reply->data_size);
}

static void on_progressed(DeviceRequest *request, uint64_t n_done, uint64_t n_total) {
        container_of(request, Answer, request)->n_progress += n_done;
}

static int ask(uint64_t id, Answer *answer, const ControlRequest *request, const uint8_t *data) {
        *answer = (Answer){
                .request = { .request = *request,
                             .data = data,
                             .done = on_done,
                             .progressed = on_progressed },
        };
        return device_manager_request(broker.manager, id, &answer->request);
}

static const ControlRequest flush = {
        .kind = CONTROL_REQUEST_KIND_FLUSH,
        .lun = CONTROL_LUN_ALL,
};

static const ControlRequest reset = {
        .kind = CONTROL_REQUEST_KIND_DEVICE_RESET,
        .lun = CONTROL_LUN_ALL,
};

static ControlRequest make_command(TransportDirection direction, uint32_t size) {
        return (ControlRequest){
                .kind = CONTROL_REQUEST_KIND_SCSI_COMMAND,
                .scsi = { .cdb = { 0x5A },
                          .cdb_size = 6,
                          .direction = direction,
                          .data_size = size },
        };
}

static void await(Answer *answer) {
        fake_children_run_until(broker.loop, &answer->is_done);
        ck_assert_uint_eq(answer->n_done, 1);
}

/* Views and observers */

START_TEST(what_a_worker_tells_is_seen) {
        uint64_t id = simulate("good");
        DeviceView view;
        LunView lun;

        ck_assert(device_manager_find_device(broker.manager, id, &view));
        ck_assert_str_eq(view.name, "sim0");
        ck_assert_uint_eq(view.vendor_id, 0x1209);
        ck_assert_str_eq(view.serial, "X");
        ck_assert(view.is_simulated && view.has_info);
        ck_assert_uint_eq(view.info.protocol, USB_STORAGE_PROTOCOL_UAS);
        ck_assert_int_eq(view.worker_pid, broker.worker_pid);
        ck_assert_uint_gt(view.taken_us, 0);
        ck_assert(device_manager_get_lun(broker.manager, id, 0, &lun));
        ck_assert_str_eq(lun.info->model, "Fake");
        ck_assert_str_eq(lun.export_name, "1209-0001-X-lun0");
        ck_assert_uint_eq(lun.export_info.size, 512);
        ck_assert(device_manager_get_lun(broker.manager, id, 1, &lun));
        ck_assert_str_eq(lun.export_name, "");
        ck_assert(!device_manager_get_lun(broker.manager, id, 2, &lun));
        ck_assert(!device_manager_get_lun(broker.manager, id, UINT32_MAX, &lun));
        ck_assert(!device_manager_get_device(broker.manager, 1, &view));
        ck_assert(!device_manager_find_device(broker.manager, id + 1, &view));
        ck_assert(device_manager_find_device_by_name(broker.manager, "sim0", &view));
        end();
        ck_assert_ptr_nonnull(strstr(told, "added 1\n"));
        ck_assert_ptr_nonnull(strstr(told, "lun added 0\n"));
        ck_assert_ptr_nonnull(strstr(told, "lun changed 0 1209-0001-X-lun0\n"));
        ck_assert_ptr_nonnull(strstr(told, "changed 1 running\n"));
        ck_assert_ptr_nonnull(strstr(told, "lun removed 1\nremoved 1\n"));
}
END_TEST

START_TEST(news_of_a_worker_are_events) {
        uint64_t id = simulate("good");
        Answer answer;
        LunView lun;

        ck_assert_int_eq(ask(id, &answer, &reset, NULL), 0);
        await(&answer);
        ck_assert_int_eq(answer.error, 0);
        ck_assert_ptr_nonnull(strstr(told, "reset 1 was reset\n"));
        ck_assert_ptr_nonnull(strstr(told, "degraded 1 write-through\n"));
        ck_assert_ptr_nonnull(strstr(told, "lun removed 1\n"));
        ck_assert(!device_manager_get_lun(broker.manager, id, 1, &lun));
        broker_replace_worker(&broker);
        ck_assert_ptr_nonnull(strstr(told, "worker-died 1 "));
        ck_assert_ptr_nonnull(strstr(told, "changed 1 failed\n"));
        end();
}
END_TEST

START_TEST(what_a_device_learns_and_may_cache_is_told) {
        uint64_t id = simulate("learns");
        DeviceView view;
        Answer answer;

        ck_assert_uint_eq(seen.learned.facts, USB_FACT_NO_REPORT_LUNS);
        ck_assert_int_eq(ask(id, &answer, &reset, NULL), 0);
        await(&answer);
        ck_assert_uint_eq(seen.learned.facts, USB_FACT_NO_REPORT_LUNS | USB_FACT_SHORT_SENSE);

        ck_assert(device_manager_find_device(broker.manager, id, &view));
        ck_assert_uint_eq(seen.cache_size_max, view.cache_size_max);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        ck_assert(device_manager_find_device(broker.manager, id, &view));
        ck_assert_uint_eq(seen.cache_size_max, view.cache_size_max);
        end();
}
END_TEST

START_TEST(a_worker_that_died_has_no_clients) {
        uint64_t id = simulate("good");
        Answer answer;
        LunView lun;

        ck_assert_int_eq(ask(id, &answer, &reset, NULL), 0);
        await(&answer);
        ck_assert(device_manager_get_lun(broker.manager, id, 0, &lun));
        ck_assert_uint_eq(lun.info->n_clients, 1);
        told[0] = '\0';
        ck_assert_int_eq(kill(broker.worker_pid, SIGKILL), 0);
        while (!strstr(told, "changed 1 failed\n"))
                ck_assert_int_gt(event_loop_run_once(broker.loop, /* may_wait= */ true), 0);
        ck_assert(device_manager_get_lun(broker.manager, id, 0, &lun));
        ck_assert_uint_eq(lun.info->n_clients, 0);
        ck_assert_ptr_nonnull(strstr(told, "lun changed 0"));
        end();
}
END_TEST

START_TEST(an_observer_that_went_is_told_no_more) {
        simulate("good");
        device_manager_remove_observer(broker.manager, &observer);
        device_manager_remove_observer(broker.manager, &observer);
        told[0] = '\0';
        end();
        ck_assert_str_eq(told, "");
}
END_TEST

/* Requests */

START_TEST(a_request_is_answered_with_its_progress) {
        uint64_t id = simulate("good");
        Answer answer;

        ck_assert_int_eq(ask(id, &answer, &flush, NULL), 0);
        await(&answer);
        ck_assert_int_eq(answer.error, 0);
        ck_assert_uint_eq(answer.n_progress, 1);
        end();
}
END_TEST

static const uint32_t data_sizes[] = { 1, CONTROL_DATA_INLINE_MAX, CONTROL_DATA_INLINE_MAX + 1,
                                       BIG_SIZE };

START_TEST(data_of_a_command_goes_both_ways) {
        uint32_t size = data_sizes[_i];
        uint64_t id = simulate("good");
        ControlRequest in = make_command(TRANSPORT_DIRECTION_IN, size);
        ControlRequest out = make_command(TRANSPORT_DIRECTION_OUT, size);
        uint8_t bytes[BIG_SIZE] = { 0 };
        char expected[16];
        Answer answer;

        ck_assert_int_eq(ask(id, &answer, &in, NULL), 0);
        await(&answer);
        ck_assert_int_eq(answer.error, 0);
        ck_assert_uint_eq(answer.reply.status, 2);
        ck_assert_uint_eq(answer.reply.sense[0], 0x70);
        ck_assert_uint_eq(answer.reply.data_size, size);
        ck_assert_uint_eq(answer.data[0], 0x5A);
        ck_assert_uint_eq(answer.data[size - 1], 0x5A);

        bytes[0] = 0xAB;
        bytes[size - 1] = 0xCD;
        snprintf(expected, sizeof(expected), "%x %x", bytes[0], bytes[size - 1]);
        ck_assert_int_eq(ask(id, &answer, &out, bytes), 0);
        await(&answer);
        ck_assert_str_eq(answer.reply.words, expected);
        end();
}
END_TEST

START_TEST(the_last_commands_come_as_text) {
        static const ControlRequest history = { .kind = CONTROL_REQUEST_KIND_HISTORY,
                                                .lun = CONTROL_LUN_ALL };
        uint64_t id = simulate("good");
        Answer answer;

        ck_assert_int_eq(ask(id, &answer, &history, NULL), 0);
        await(&answer);
        ck_assert_int_eq(answer.error, 0);
        ck_assert_uint_eq(answer.reply.data_size, strlen("1.000 s ago\n"));
        ck_assert_str_eq((const char *) answer.data, "1.000 s ago\n");
        end();
}
END_TEST

START_TEST(what_makes_no_sense_is_refused_at_once) {
        uint64_t id = simulate("good");
        ControlRequest out = make_command(TRANSPORT_DIRECTION_OUT, 4);
        ControlRequest bad = flush;
        Answer answer;

        bad.lun = CONTROL_LUNS_MAX;
        ck_assert_int_eq(ask(id, &answer, &bad, NULL), -EINVAL);
        ck_assert_int_eq(ask(id, &answer, &out, NULL), -EINVAL);
        ck_assert_int_eq(ask(id, &answer, &flush, (const uint8_t *) "x"), -EINVAL);
        ck_assert_int_eq(ask(id + 1, &answer, &flush, NULL), -ENODEV);
        end();
        ck_assert_uint_eq(answer.n_done, 0);
}
END_TEST

START_TEST(too_many_requests_are_refused_and_each_can_be_cancelled) {
        static Answer answers[CONTROL_REQUESTS_MAX];
        uint64_t id = simulate("holds");
        Answer more;

        for (size_t i = 0; i < CONTROL_REQUESTS_MAX; i++)
                ck_assert_int_eq(ask(id, &answers[i], &flush, NULL), 0);
        ck_assert_int_eq(ask(id, &more, &flush, NULL), -EBUSY);
        for (size_t i = 0; i < CONTROL_REQUESTS_MAX; i++) {
                device_manager_cancel(broker.manager, &answers[i].request);
                await(&answers[i]);
                ck_assert_int_eq(answers[i].error, -ECANCELED);
                device_manager_cancel(broker.manager, &answers[i].request);
        }
        end();
}
END_TEST

START_TEST(a_worker_that_dies_or_lies_leaves_no_request_open) {
        static const char *const workers[] = { "perishes", "misleads", "overfills" };
        uint64_t id = simulate(workers[_i]);
        Answer answer;

        broker.has_worker = false;
        ck_assert_int_eq(ask(id, &answer, &flush, NULL), 0);
        await(&answer);
        ck_assert_int_eq(answer.error, -ENODEV);
        fake_children_run_until(broker.loop, &broker.has_worker);
        end();
}
END_TEST

START_TEST(a_stop_leaves_no_request_open) {
        uint64_t id = simulate("holds");
        Answer answer;

        ck_assert_int_eq(ask(id, &answer, &flush, NULL), 0);
        end();
        ck_assert_uint_eq(answer.n_done, 1);
        ck_assert_int_eq(answer.error, -ENODEV);
}
END_TEST

START_TEST(a_cache_mode_is_told_to_the_next_worker) {
        static const ControlRequest mode = {
                .kind = CONTROL_REQUEST_KIND_CACHE_MODE,
                .lun = CONTROL_LUN_ALL,
                .cache_mode = CACHE_MODE_OFF,
        };
        uint64_t id = simulate("good");
        Answer answer;

        ck_assert(broker_was_told(&broker, "mode 2"));
        ck_assert_int_eq(ask(id, &answer, &mode, NULL), 0);
        await(&answer);
        broker_forget(&broker);
        broker_replace_worker(&broker);
        ck_assert(broker_was_told(&broker, "mode 0"));
        end();
}
END_TEST

/* Giving back and taking */

static Answer release_answer;

static int release(uint64_t id, bool is_removal) {
        release_answer = (Answer){ .request = { .done = on_done, .progressed = on_progressed } };
        return device_manager_release(broker.manager, id, is_removal, /* is_forced= */ false,
                                      &release_answer.request);
}

static uint64_t plug(const char *worker, DeviceView *ret) {
        start(/* has_usb= */ true, worker, DEVICE_PRESENT_POLICY_TAKE);
        fake_children_run_until(broker.loop, &broker.has_worker);
        ck_assert(device_manager_find_device_by_name(broker.manager, "1-1", ret));
        return ret->id;
}

START_TEST(a_disk_that_was_released_is_the_kernels_until_it_is_taken_again) {
        DeviceView view;
        DeviceOtherView other;
        uint64_t id = plug("good", &view), again;

        ck_assert_int_eq(device_manager_take(broker.manager, "1-1", &again), -EALREADY);
        ck_assert_uint_eq(again, id);
        ck_assert_int_eq(release(id, /* is_removal= */ false), 0);
        await(&release_answer);
        ck_assert_int_eq(release_answer.error, 0);
        ck_assert_uint_eq(host.n_given_back, 1);
        ck_assert(!device_manager_find_device(broker.manager, id, &view));
        ck_assert(device_manager_get_other(broker.manager, 0, &other));
        ck_assert_str_eq(other.name, "1-1");
        ck_assert_int_eq(other.reason, DEVICE_OTHER_REASON_RELEASED);

        /* Its interfaces are told of again, as drivers come and go. */
        fake_host_send(&host, "add", FAKE_STICK_INTERFACE);
        broker.has_worker = false;
        ck_assert_int_eq(device_manager_take(broker.manager, "1-1", &again), 0);
        ck_assert_uint_ne(again, id);
        fake_children_run_until(broker.loop, &broker.has_worker);
        ck_assert(!device_manager_get_other(broker.manager, 0, &other));
        ck_assert_uint_eq(broker.n_taken, 2);
        end();
}
END_TEST

START_TEST(a_disk_that_was_removed_is_nobodys) {
        DeviceView view;
        uint64_t id = plug("good", &view);

        ck_assert_int_eq(release(id, /* is_removal= */ true), 0);
        await(&release_answer);
        ck_assert_int_eq(release_answer.error, 0);
        ck_assert_uint_eq(host.n_given_back, 0);
        end();
        ck_assert_ptr_nonnull(strstr(told, "removed 1 was given up\n"));
}
END_TEST

START_TEST(a_disk_in_use_stays) {
        DeviceView view;
        uint64_t id = plug("refuses-requests", &view);

        ck_assert_int_eq(release(id, /* is_removal= */ true), 0);
        await(&release_answer);
        ck_assert_int_eq(release_answer.error, -EBUSY);
        ck_assert(device_manager_find_device(broker.manager, id, &view));
        ck_assert_int_eq(view.state, DEVICE_VIEW_STATE_RUNNING);
        end();
}
END_TEST

START_TEST(a_disk_without_a_worker_can_be_released) {
        DeviceView view;
        uint64_t id;
        Answer answer;

        start(/* has_usb= */ true, "dies-at-work", DEVICE_PRESENT_POLICY_TAKE);
        fake_children_run_until(broker.loop, &broker.has_enough_restarts);
        ck_assert(device_manager_find_device_by_name(broker.manager, "1-1", &view));
        id = view.id;
        ck_assert_int_eq(view.state, DEVICE_VIEW_STATE_FAILED);
        ck_assert_uint_ge(view.n_restarts, 2);
        ck_assert_int_eq(ask(id, &answer, &flush, NULL), -ENODEV);
        ck_assert_int_eq(release(id, /* is_removal= */ false), 0);
        ck_assert(!release_answer.is_done);
        await(&release_answer);
        ck_assert_int_eq(release_answer.error, 0);
        ck_assert_uint_ge(host.n_given_back, 1);
        end();
}
END_TEST

START_TEST(a_present_disk_is_listed_and_can_be_taken) {
        DeviceOtherView other;
        uint64_t id = 0;

        start(/* has_usb= */ true, "good", DEVICE_PRESENT_POLICY_KEEP);
        ck_assert(device_manager_get_other(broker.manager, 0, &other));
        ck_assert_int_eq(other.reason, DEVICE_OTHER_REASON_PRESENT);
        ck_assert_uint_eq(other.vendor_id, 0x1209);
        ck_assert_str_eq(other.serial, "STICK");
        ck_assert(!device_manager_get_other(broker.manager, 1, &other));

        host.busy_path = FAKE_STICK_DISK;
        ck_assert_int_eq(device_manager_take(broker.manager, "1-1", &id), -EBUSY);
        ck_assert(device_manager_get_other(broker.manager, 0, &other));
        ck_assert_int_eq(other.reason, DEVICE_OTHER_REASON_BUSY);
        ck_assert_int_eq(device_manager_take(broker.manager, "9-9", &id), -ENODEV);
        host.busy_path = NULL;
        ck_assert_int_eq(device_manager_take(broker.manager, "1-1", &id), 0);
        ck_assert_uint_gt(id, 0);
        ck_assert(!device_manager_get_other(broker.manager, 0, &other));
        end();
}
END_TEST

START_TEST(each_value_has_a_name_of_its_own) {
        for (int i = 0; i < _DEVICE_EVENT_MAX; i++)
                for (int j = 0; j < i; j++)
                        ck_assert_str_ne(device_event_to_string((DeviceEvent) i),
                                         device_event_to_string((DeviceEvent) j));
        for (int i = 0; i < _DEVICE_OTHER_REASON_MAX; i++)
                for (int j = 0; j < i; j++)
                        ck_assert_str_ne(device_other_reason_to_string((DeviceOtherReason) i),
                                         device_other_reason_to_string((DeviceOtherReason) j));
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                what_a_worker_tells_is_seen,
                news_of_a_worker_are_events,
                what_a_device_learns_and_may_cache_is_told,
                a_worker_that_died_has_no_clients,
                an_observer_that_went_is_told_no_more,
                a_request_is_answered_with_its_progress,
                the_last_commands_come_as_text,
                what_makes_no_sense_is_refused_at_once,
                too_many_requests_are_refused_and_each_can_be_cancelled,
                a_stop_leaves_no_request_open,
                a_cache_mode_is_told_to_the_next_worker,
                a_disk_that_was_released_is_the_kernels_until_it_is_taken_again,
                a_disk_that_was_removed_is_nobodys,
                a_disk_in_use_stays,
                a_disk_without_a_worker_can_be_released,
                a_present_disk_is_listed_and_can_be_taken,
                each_value_has_a_name_of_its_own,
                NULL,
        };
        Suite *suite = suite_of("device requests", tests);
        TCase *tcase = tcase_create("tables");

        tcase_set_timeout(tcase, 120);
        tcase_add_loop_test(tcase, data_of_a_command_goes_both_ways, 0,
                            (int) N_ELEMENTS(data_sizes));
        tcase_add_loop_test(tcase, a_worker_that_dies_or_lies_leaves_no_request_open, 0, 3);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
