/*
 * A device's life is ended at every moment of it: it always ends, once, and leaves nothing behind.
 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/virtual_event_loop.h"
#include "simulator/simulated_device.h"
#include "storage/storage_manager.h"

#define PATIENCE_NS (600 * NS_PER_S)

typedef struct Life {
        EventLoop *loop;
        StorageManager *storage;
        UsbDevice *device;
        unsigned n_opened;
        unsigned n_closed;
        bool is_brought_up;
        bool has_ended;
        int result;
        uint64_t generation;
        uint64_t size;
} Life;

static void on_export_opened(StorageManager *storage, const StorageExport *export, void *userdata) {
        Life *life = userdata;

        life->n_opened++;
        life->generation = export->generation;
        life->size = export->info.size;
}

static void on_export_closed(StorageManager *storage, unsigned lun, uint64_t generation,
                             void *userdata) {
        ((Life *) userdata)->n_closed++;
}

static void on_brought_up(StorageManager *storage, int result, unsigned n_luns, const char *reason,
                          void *userdata) {
        Life *life = userdata;

        ck_assert(!life->is_brought_up);
        ck_assert(!life->has_ended);
        life->is_brought_up = result == 0;
        life->has_ended = result < 0;
        life->result = result;
}

static void on_stopped(StorageManager *storage, int result, void *userdata) {
        Life *life = userdata;

        ck_assert(!life->has_ended);
        life->has_ended = true;
        life->result = result;
}

static void life_begin(Life *life, const char *text) {
        static const StorageHandlers handlers = {
                .export_opened = on_export_opened,
                .export_closed = on_export_closed,
                .brought_up = on_brought_up,
                .stopped = on_stopped,
        };
        SimulatorSpec spec;
        char *error = NULL;

        *life = (Life){};
        ck_assert_int_eq(virtual_event_loop_new(&life->loop), 0);
        ck_assert_msg(simulator_spec_parse(&spec, text, &error) == 0, "%s", error);
        ck_assert_int_eq(simulated_device_new(&life->device, life->loop, &spec, NULL, 0), 0);
        ck_assert_int_eq(storage_manager_new(&life->storage, life->device,
                                             &(StorageOptions){ .base_name = "life" }, &handlers,
                                             life),
                         0);
}

/* Runs until the end; asserts that it comes. */
static void life_end(Life *life) {
        uint64_t end_ns = event_loop_now_ns(life->loop) + PATIENCE_NS;

        while (!life->has_ended) {
                ck_assert_int_gt(event_loop_run_once(life->loop, /* may_wait= */ true), 0);
                ck_assert_uint_lt(event_loop_now_ns(life->loop), end_ns);
        }
        ck_assert_uint_eq(life->n_opened, life->n_closed);
        storage_manager_free(life->storage);
        event_loop_free(life->loop);
}

typedef void (*LifeEnder)(Life *life);

static void end_by_stop(Life *life) { storage_manager_stop(life->storage); }

static void end_by_notice_of_unplug(Life *life) { storage_manager_set_gone(life->storage); }

static void end_by_pulling(Life *life) { simulated_device_unplug(life->device); }

static void end_by_both(Life *life) {
        storage_manager_stop(life->storage);
        simulated_device_unplug(life->device);
}

static const LifeEnder enders[] = {
        end_by_stop,
        end_by_notice_of_unplug,
        end_by_pulling,
        end_by_both,
};

START_TEST(life_may_be_ended_at_every_moment) {
        bool is_through = false;

        for (unsigned n_steps = 0; !is_through; n_steps++) {
                Life life;

                life_begin(&life, "size=1M,luns=2");
                for (unsigned i = 0; i < n_steps && !life.is_brought_up; i++)
                        event_loop_run_once(life.loop, /* may_wait= */ true);
                is_through = life.is_brought_up;
                enders[_i](&life);
                life_end(&life);
                ck_assert_uint_lt(n_steps, 100000);
        }
}
END_TEST

START_TEST(device_that_fails_at_every_transfer_ends) {
        static const char *const faults[] = { "hang:command@nth=%u*always", "stall:control*always",
                                              "wire-error:status@nth=%u*always",
                                              "disconnect:command@nth=%u" };

        for (size_t i = 0; i < N_ELEMENTS(faults); i++)
                for (unsigned nth = 1; nth < 20; nth++) {
                        char plan[64], *error = NULL;
                        Life life;

                        life_begin(&life, "size=1M");
                        snprintf(plan, sizeof(plan), faults[i], nth);
                        ck_assert_int_eq(simulated_device_add_faults(life.device, plan, &error), 0);
                        while (!life.is_brought_up && !life.has_ended)
                                ck_assert_int_gt(event_loop_run_once(life.loop, true), 0);
                        storage_manager_stop(life.storage);
                        life_end(&life);
                }
}
END_TEST

/* The read by which bring-up touches the medium hangs; it is another medium when that is over. */
START_TEST(medium_changed_while_it_was_looked_at_is_looked_at_again) {
        Life life;

        life_begin(&life, "size=1M,removable,faults=hang:data@opcode=28");
        while (simulated_device_get_counters(life.device)->n_commands_by_opcode[0x28] == 0)
                ck_assert_int_gt(event_loop_run_once(life.loop, /* may_wait= */ true), 0);
        ck_assert(!life.is_brought_up);
        ck_assert_int_eq(simulated_device_change_medium(life.device, 0, 2 * MIB), 0);
        virtual_event_loop_run_until(life.loop, event_loop_now_ns(life.loop) + 60 * NS_PER_S);
        ck_assert(life.is_brought_up);
        ck_assert_uint_eq(life.n_opened, life.n_closed + 1);
        ck_assert_uint_eq(life.size, 2 * MIB);
        storage_manager_stop(life.storage);
        life_end(&life);
}
END_TEST

START_TEST(unit_that_failed_is_looked_at_again) {
        Life life;

        /* Its capacity can't be read at first. */
        life_begin(&life, "size=1M,luns=2,faults=sense:4/44/00@opcode=25+lun=1*12");
        while (!life.is_brought_up)
                ck_assert_int_gt(event_loop_run_once(life.loop, /* may_wait= */ true), 0);
        ck_assert_uint_eq(life.n_opened, 1);
        virtual_event_loop_run_until(life.loop, event_loop_now_ns(life.loop) + 600 * NS_PER_S);
        ck_assert_uint_eq(life.n_opened, 2);
        storage_manager_stop(life.storage);
        life_end(&life);
}
END_TEST

/* BOT 1.0, 3.2: with a single LUN it may stall GET MAX LUN; with several it does when disturbed. */
START_TEST(luns_that_a_glitch_hid_are_found) {
        static const struct {
                const char *spec;
                unsigned n_opened;
        } cases[] = {
                { "size=1M,luns=3,faults=stall:control*2", 3 },
                { "size=1M,luns=3,faults=stall:control*5", 3 },
                { "size=1M,faults=stall:control*always", 1 },
        };
        Life life;

        life_begin(&life, cases[_i].spec);
        while (!life.is_brought_up)
                ck_assert_int_gt(event_loop_run_once(life.loop, /* may_wait= */ true), 0);
        ck_assert_uint_eq(life.n_opened, 1);
        virtual_event_loop_run_until(life.loop, event_loop_now_ns(life.loop) + 600 * NS_PER_S);
        ck_assert_uint_eq(life.n_opened, cases[_i].n_opened);
        ck_assert_uint_eq(storage_manager_get_n_luns(life.storage), cases[_i].n_opened);
        storage_manager_stop(life.storage);
        life_end(&life);
}
END_TEST

START_TEST(sessions_end_when_the_device_is_stopped) {
        char byte;
        Life life;
        int fds[2];

        life_begin(&life, "size=1M");
        while (!life.is_brought_up)
                ck_assert_int_gt(event_loop_run_once(life.loop, true), 0);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        ck_assert_int_eq(storage_manager_add_client(life.storage, 0, life.generation, fds[1],
                                                    &(NbdAgreement){}),
                         0);
        storage_manager_stop(life.storage);
        life_end(&life);
        ck_assert_int_eq(read(fds[0], &byte, 1), 0);
        close(fds[0]);
}
END_TEST

/* In virtual time. */
static uint64_t stop_ms(Life *life) {
        uint64_t start_ns = event_loop_now_ns(life->loop);

        storage_manager_stop(life->storage);
        while (!life->has_ended)
                ck_assert_int_gt(event_loop_run_once(life->loop, /* may_wait= */ true), 0);
        return (event_loop_now_ns(life->loop) - start_ns) / NS_PER_MS;
}

/* A session with more to be sent than its socket takes. */
static int connect_silent_client(Life *life, unsigned lun) {
        uint8_t request[NBD_REQUEST_SIZE] = {};
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        ck_assert_int_eq(storage_manager_add_client(life->storage, lun, life->generation, fds[1],
                                                    &(NbdAgreement){}),
                         0);
        put_be32(request, NBD_REQUEST_MAGIC);
        put_be16(request + 6, NBD_CMD_READ);
        put_be32(request + 24, 8 * MIB);
        ck_assert_int_eq(write(fds[0], request, sizeof(request)), sizeof(request));
        return fds[0];
}

/* It had not come up as a whole, and does not afterwards: what had begun to end it is its end. */
START_TEST(stop_of_a_life_that_ends_while_it_began_changes_nothing) {
        Life life;
        int fd;

        life_begin(&life, "size=16M,luns=2,faults=slow:19000@lun=1*always");
        virtual_event_loop_run_until(life.loop, event_loop_now_ns(life.loop) + 1500 * NS_PER_MS);
        ck_assert_uint_eq(life.n_opened, 1);
        ck_assert(!life.is_brought_up);
        fd = connect_silent_client(&life, 0);
        storage_manager_set_gone(life.storage);
        for (unsigned i = 0; i < 100 && life.n_closed == 0; i++)
                event_loop_run_once(life.loop, /* may_wait= */ true);
        ck_assert(!life.has_ended);
        storage_manager_stop(life.storage);
        life_end(&life);
        ck_assert_int_eq(life.result, -ENODEV);
        close(fd);
}
END_TEST

START_TEST(silent_clients_of_all_units_hold_the_stop_for_one_patience) {
        int fds[8];
        Life life;

        life_begin(&life, "size=8M,luns=8,link=ideal");
        while (!life.is_brought_up)
                ck_assert_int_gt(event_loop_run_once(life.loop, true), 0);
        for (unsigned lun = 0; lun < N_ELEMENTS(fds); lun++)
                fds[lun] = connect_silent_client(&life, lun);
        virtual_event_loop_run_until(life.loop, event_loop_now_ns(life.loop) + 10 * NS_PER_S);
        ck_assert_uint_le(stop_ms(&life), 6000);
        life_end(&life);
        for (unsigned lun = 0; lun < N_ELEMENTS(fds); lun++)
                close(fds[lun]);
}
END_TEST

/* Neither a disk that spins up nor one that answers nothing is waited for, but for the ladder of
 * recovery, which what was given up half way is owed. */
START_TEST(stop_does_not_wait_for_bring_up) {
        static const char *const specs[] = {
                "size=1M,luns=2,spin-up-ms=90000",
                "size=1M,luns=2,faults=hang:data@opcode=12*always",
                "size=1M,luns=2,faults=slow:19000*always",
        };
        Life life;

        life_begin(&life, specs[_i]);
        virtual_event_loop_run_until(life.loop, event_loop_now_ns(life.loop) + 1500 * NS_PER_MS);
        ck_assert(!life.is_brought_up);
        ck_assert_uint_le(stop_ms(&life), 20000);
        life_end(&life);
}
END_TEST

START_TEST(sessions_beyond_the_limit_are_refused) {
        int fds[STORAGE_SESSIONS_PER_EXPORT_MAX + 1][2], r;
        Life life;

        life_begin(&life, "size=1M");
        while (!life.is_brought_up)
                ck_assert_int_gt(event_loop_run_once(life.loop, true), 0);
        for (unsigned i = 0; i <= STORAGE_SESSIONS_PER_EXPORT_MAX; i++) {
                ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
                r = storage_manager_add_client(life.storage, 0, life.generation, fds[i][1],
                                               &(NbdAgreement){});
                ck_assert_int_eq(r, i < STORAGE_SESSIONS_PER_EXPORT_MAX ? 0 : -EUSERS);
        }
        storage_manager_stop(life.storage);
        life_end(&life);
        for (unsigned i = 0; i <= STORAGE_SESSIONS_PER_EXPORT_MAX; i++)
                close(fds[i][0]);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("storage manager");
        TCase *tcase = tcase_create("life");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_loop_test(tcase, life_may_be_ended_at_every_moment, 0, N_ELEMENTS(enders));
        tcase_add_test(tcase, device_that_fails_at_every_transfer_ends);
        tcase_add_test(tcase, stop_of_a_life_that_ends_while_it_began_changes_nothing);
        tcase_add_test(tcase, medium_changed_while_it_was_looked_at_is_looked_at_again);
        tcase_add_test(tcase, unit_that_failed_is_looked_at_again);
        tcase_add_loop_test(tcase, luns_that_a_glitch_hid_are_found, 0, 3);
        tcase_add_test(tcase, sessions_end_when_the_device_is_stopped);
        tcase_add_test(tcase, silent_clients_of_all_units_hold_the_stop_for_one_patience);
        tcase_add_loop_test(tcase, stop_does_not_wait_for_bring_up, 0, 3);
        tcase_add_test(tcase, sessions_beyond_the_limit_are_refused);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
