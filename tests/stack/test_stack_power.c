/* The gate in a whole worker: idle timers, what is flushed before, who wakes a device and who does
 * not, and devices that do not bear it. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"
#include "stack_log.h"
#include "storage/storage_settings.h"

#define DISK "size=16M,serial=SLEEPY"
#define SLOW_DISK DISK ",spin-up-ms=8000"
#define TIMEOUT_MS 5000
#define BLOCK 4096

static const CacheOptions write_back = { .mode = CACHE_MODE_WRITE_BACK, .line_size = 16 * KIB };
static const PowerOptions suspends = { .suspend_timeout_ms = TIMEOUT_MS, .is_enabled = true };
static const PowerOptions stops = { .standby_timeout_ms = TIMEOUT_MS, .is_enabled = true };
static Stack stack;
static uint8_t data[64 * KIB], other[64 * KIB];

/* With a cache as with none, and over each transport. */
static const char *const transports[] = { "", ",transport=uas,speed=super",
                                          ",transport=uas,speed=high", ",transport=cbi",
                                          ",transport=cb" };

#define N_SETUPS (2 * (int) N_ELEMENTS(transports))

static void set_up(const char *spec, bool has_cache, const PowerOptions *power) {
        stack_init_with_options(&stack, spec,
                                &(StorageOptions){
                                                .has_cache = has_cache,
                                                .cache = write_back,
                                                .park_timeout_ms = has_cache ? 60000 : 0,
                                                .is_monitored = true,
                                                .power = *power,
                                });
        ck_assert_int_eq(stack.brought_up_result, 0);
        stack_connect(&stack, 0, /* is_structured= */ true);
        stack_fill(data, sizeof(data), 1);
}

static void set_up_case(int i, const char *spec, const PowerOptions *power) {
        char text[256];

        snprintf(text, sizeof(text), "%s%s", spec, transports[i / 2]);
        set_up(text, i % 2 == 1, power);
}

static const SimulatedDeviceCounters *counters(void) {
        return simulated_device_get_counters(stack.device);
}

/* Nothing has reached it while it slept. */
static void finish(void) {
        ck_assert_uint_eq(counters()->n_suspended_uses, 0);
        stack_done(&stack);
}

static void write_some(void) {
        ck_assert_int_eq(stack_write(&stack, 0, 1 * MIB, data, sizeof(data), 0), 0);
}

/* What is not in the cache. */
static int read_medium(uint64_t offset) {
        int error = stack_read(&stack, 0, offset, other, BLOCK, NULL);

        return error;
}

static void is_told(PowerState state) {
        ck_assert_str_eq(power_state_to_string((PowerState) stack.power.state),
                         power_state_to_string(state));
}

static int ask(PowerState state) {
        return stack_ask(&stack, &(ControlRequest){
                                                 .kind = CONTROL_REQUEST_KIND_POWER_STATE,
                                                 .lun = CONTROL_LUN_ALL,
                                                 .power_state = state,
                                 });
}

static void sleeps(PowerState state) {
        is_told(state);
        ck_assert_int_eq(simulated_device_is_suspended(stack.device),
                         state == POWER_STATE_SUSPENDED);
        if (state == POWER_STATE_STANDBY)
                ck_assert(simulated_device_is_stopped(stack.device, 0));
}

static void is_awake(void) {
        ck_assert(stack.power.state == POWER_STATE_ACTIVE || stack.power.state == POWER_STATE_IDLE);
}

/* Idle timers */

START_TEST(a_device_that_nobody_uses_is_suspended_and_woken_by_a_read) {
        set_up_case(_i, DISK, &suspends);
        write_some();
        stack_sleep_ms(&stack, TIMEOUT_MS - 1000);
        ck_assert(!simulated_device_is_suspended(stack.device));
        stack_sleep_ms(&stack, TIMEOUT_MS + 10000);
        sleeps(POWER_STATE_SUSPENDED);
        /* What was written is on the medium, and so it stays if its power goes. */
        ck_assert_int_eq(simulated_device_read_medium(stack.device, 0, /* is_stable= */ true,
                                                      1 * MIB, other, sizeof(data)),
                         0);
        ck_assert_mem_eq(other, data, sizeof(data));

        ck_assert_int_eq(read_medium(8 * MIB), 0);
        is_awake();
        ck_assert_uint_eq(counters()->n_suspends, counters()->n_resumes);
        ck_assert_uint_eq(storage_histogram_count(&stack.power.statistics.wake_latency), 1);
        stack_sleep_ms(&stack, 1500);
        is_told(POWER_STATE_IDLE);
        stack_sleep_ms(&stack, TIMEOUT_MS);
        sleeps(POWER_STATE_SUSPENDED);
        ck_assert_uint_eq(stack.power.statistics.n_suspends, 2);
        ck_assert_uint_eq(stack.power.statistics.n_sleep_failures, 0);
        ck_assert_uint_eq(counters()->n_port_resets, 0);
        finish();
}
END_TEST

START_TEST(a_device_that_nobody_uses_is_stopped_and_started_by_a_read) {
        set_up_case(_i, SLOW_DISK, &stops);
        write_some();
        stack_sleep_ms(&stack, 2 * TIMEOUT_MS + 10000);
        sleeps(POWER_STATE_STANDBY);
        ck_assert_uint_eq(stack.power.can_standby, 1);

        uint64_t start_ms = stack_now_ms(&stack);

        ck_assert_int_eq(read_medium(8 * MIB), 0);
        ck_assert_uint_ge(stack_now_ms(&stack) - start_ms, 8000);
        ck_assert_uint_lt(stack_now_ms(&stack) - start_ms, 8500);
        stack_sleep_ms(&stack, 1500);
        is_told(POWER_STATE_IDLE);
        ck_assert_uint_eq(stack.power.statistics.n_spin_ups, 1);
        ck_assert_uint_eq(counters()->n_spin_ups, 1);
        ck_assert_uint_ge(stack.power.statistics.time_ns[POWER_STATE_STANDBY], 8 * NS_PER_S);
        ck_assert_uint_eq(counters()->n_port_resets, 0);
        finish();
}
END_TEST

START_TEST(by_default_nothing_sleeps) {
        set_up(DISK, _i == 1, &(PowerOptions){ 0 });
        write_some();
        stack_sleep_ms(&stack, 24 * 3600 * 1000);
        is_told(POWER_STATE_IDLE);
        ck_assert_uint_eq(counters()->n_suspends, 0);
        ck_assert(!simulated_device_is_stopped(stack.device, 0));

        /* Times without the permission count as little. */
        storage_settings_set_power(stack.storage, &(PowerOptions){ .suspend_timeout_ms = 1000,
                                                                   .standby_timeout_ms = 1000 });
        stack_sleep_ms(&stack, 3600 * 1000);
        ck_assert_uint_eq(counters()->n_suspends, 0);
        ck_assert_uint_eq(stack.power.options.suspend_timeout_ms, 1000);
        storage_settings_set_power(stack.storage, &suspends);
        stack_sleep_ms(&stack, TIMEOUT_MS + 10000);
        sleeps(POWER_STATE_SUSPENDED);
        finish();
}
END_TEST

START_TEST(a_device_in_standby_is_suspended_later_without_being_woken) {
        static const PowerOptions both = {
                .standby_timeout_ms = TIMEOUT_MS,
                .suspend_timeout_ms = 4 * TIMEOUT_MS,
                .is_enabled = true,
        };

        set_up(SLOW_DISK, _i == 1, &both);
        stack_sleep_ms(&stack, 2 * TIMEOUT_MS);
        sleeps(POWER_STATE_STANDBY);
        stack_sleep_ms(&stack, 4 * TIMEOUT_MS);
        sleeps(POWER_STATE_SUSPENDED);
        ck_assert(simulated_device_is_stopped(stack.device, 0));
        ck_assert_uint_eq(counters()->n_spin_ups, 0);
        ck_assert_int_eq(read_medium(8 * MIB), 0);
        ck_assert_uint_eq(counters()->n_spin_ups, 1);
        finish();
}
END_TEST

START_TEST(a_client_that_reads_keeps_it_awake) {
        set_up(DISK, _i == 1, &suspends);
        for (unsigned n = 0; n < 40; n++) {
                ck_assert_int_eq(read_medium(n * 256 * KIB), 0);
                stack_sleep_ms(&stack, TIMEOUT_MS - 500);
        }
        ck_assert_uint_eq(counters()->n_suspends, 0);
        finish();
}
END_TEST

START_TEST(a_device_asleep_wakes_nobody) {
        unsigned n_told;

        set_up(DISK, _i == 1, &suspends);
        stack_sleep_ms(&stack, TIMEOUT_MS + 10000);
        sleeps(POWER_STATE_SUSPENDED);
        n_told = stack.n_power;
        stack_sleep_ms(&stack, 24 * 3600 * 1000);
        ck_assert_uint_eq(stack.n_power, n_told);
        ck_assert_uint_eq(counters()->n_resumes, 0);
        finish();
}
END_TEST

/* Polls */

START_TEST(polls_neither_keep_it_awake_nor_wake_it) {
        set_up(DISK ",removable", _i == 1, &suspends);
        stack_disconnect(&stack, 0);
        stack_sleep_ms(&stack, TIMEOUT_MS + 10000);
        sleeps(POWER_STATE_SUSPENDED);
        stack_sleep_ms(&stack, 600 * 1000);
        ck_assert_uint_eq(counters()->n_resumes, 0);

        /* Once it is awake they go on. */
        ck_assert_int_eq(ask(POWER_STATE_ACTIVE), 0);
        ck_assert(stack.exports[0].is_open);
        simulated_device_remove_medium(stack.device, 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert(!stack.exports[0].is_open);
        finish();
}
END_TEST

START_TEST(health_is_not_asked_of_a_device_that_sleeps) {
        ControlRequest request = { .kind = CONTROL_REQUEST_KIND_SMART_UPDATE };

        stack_init_with_options(
                        &stack, DISK,
                        &(StorageOptions){ .power = suspends, .smart.period_ms = TIMEOUT_MS / 2 });
        stack_sleep_ms(&stack, 2 * TIMEOUT_MS + 10000);
        sleeps(POWER_STATE_SUSPENDED);
        stack_sleep_ms(&stack, 600 * 1000);
        ck_assert_uint_eq(counters()->n_resumes, 0);

        request.flags = CONTROL_REQUEST_NO_WAKE;
        ck_assert_int_eq(stack_ask(&stack, &request), -EAGAIN);
        ck_assert_uint_eq(counters()->n_resumes, 0);
        request.flags = 0;
        ck_assert_int_ne(stack_ask(&stack, &request), -EAGAIN);
        ck_assert_uint_eq(counters()->n_resumes, 1);
        finish();
}
END_TEST

START_TEST(an_empty_slot_is_watched) {
        set_up(DISK ",removable,luns=2", _i == 1, &suspends);
        simulated_device_remove_medium(stack.device, 1);
        stack_sleep_ms(&stack, 600 * 1000);
        ck_assert_uint_eq(counters()->n_suspends, 0);
        simulated_device_insert_medium(stack.device, 1);
        stack_sleep_ms(&stack, 600 * 1000);
        ck_assert(stack.exports[1].is_open);
        sleeps(POWER_STATE_SUSPENDED);
        finish();
}
END_TEST

START_TEST(a_disk_that_says_that_it_has_stopped_is_known_to_be_in_standby) {
        set_up(SLOW_DISK ",removable,stop-after-ms=60000", _i == 1, &(PowerOptions){ 0 });
        stack_disconnect(&stack, 0);
        stack_sleep_ms(&stack, 120 * 1000);
        sleeps(POWER_STATE_STANDBY);
        stack_connect(&stack, 0, /* is_structured= */ true);
        ck_assert_int_eq(read_medium(8 * MIB), 0);
        stack_sleep_ms(&stack, 1500);
        is_told(POWER_STATE_IDLE);
        ck_assert_uint_eq(stack.power.statistics.n_spin_ups, 1);
        finish();
}
END_TEST

START_TEST(a_disk_that_stops_unnoticed_is_started_by_the_error_handler_and_that_is_counted) {
        set_up(SLOW_DISK ",stop-after-ms=60000", _i == 1, &(PowerOptions){ 0 });
        stack_sleep_ms(&stack, 120 * 1000);
        ck_assert_int_eq(read_medium(8 * MIB), 0);
        stack_sleep_ms(&stack, 1500);
        is_told(POWER_STATE_IDLE);
        ck_assert_uint_eq(stack.power.statistics.n_spin_ups, 1);
        finish();
}
END_TEST

/* Flushing */

START_TEST(what_can_not_be_written_keeps_it_awake) {
        set_up(DISK, /* has_cache= */ true, _i == 0 ? &suspends : &stops);
        stack_log_start();
        stack_add_faults(&stack, "write-error@lba=2048..2055");
        write_some();
        stack_sleep_ms(&stack, 3600 * 1000);
        ck_assert_uint_eq(counters()->n_suspends, 0);
        ck_assert(!simulated_device_is_stopped(stack.device, 0));
        ck_assert_uint_gt(stack.power.statistics.n_sleep_failures, 0);
        /* It is not tried again and again. */
        ck_assert_uint_lt(stack.power.statistics.n_sleep_failures, 10);

        ck_assert_int_eq(ask(_i == 0 ? POWER_STATE_SUSPENDED : POWER_STATE_STANDBY), -EIO);
        simulated_device_clear_faults(stack.device);
        stack_sleep_ms(&stack, 600 * 1000);
        ck_assert_int_eq(ask(_i == 0 ? POWER_STATE_SUSPENDED : POWER_STATE_STANDBY), 0);
        sleeps(_i == 0 ? POWER_STATE_SUSPENDED : POWER_STATE_STANDBY);
        finish();
}
END_TEST

/* Without a cache nobody else knows of it. */
START_TEST(what_is_written_behind_the_flush_is_flushed_too) {
        unsigned number;

        set_up(DISK ",luns=2,transport=uas,speed=super,"
                    "faults=slow:1000@opcode=35+lun=1*always",
               /* has_cache= */ false, &(PowerOptions){ 0 });
        number = stack_request(&stack,
                               &(ControlRequest){ .kind = CONTROL_REQUEST_KIND_POWER_STATE,
                                                  .lun = CONTROL_LUN_ALL,
                                                  .power_state = POWER_STATE_SUSPENDED },
                               -EBADF);
        /* The first flush is over, the gate's own has done with this unit. */
        stack_sleep_ms(&stack, 1500);
        write_some();
        ck_assert_int_eq(stack_await_answer(&stack, number)->error, 0);
        sleeps(POWER_STATE_SUSPENDED);
        ck_assert_int_eq(simulated_device_read_medium(stack.device, 0, /* is_stable= */ true,
                                                      1 * MIB, other, sizeof(data)),
                         0);
        ck_assert_mem_eq(other, data, sizeof(data));
        finish();
}
END_TEST

/* Asking */

START_TEST(it_sleeps_and_wakes_when_somebody_asks) {
        static const PowerState states[] = { POWER_STATE_STANDBY, POWER_STATE_SUSPENDED };

        for (size_t i = 0; i < 2; i++) {
                set_up_case(_i, DISK, &(PowerOptions){ 0 });
                write_some();
                ck_assert_int_eq(ask(states[i]), 0);
                sleeps(states[i]);
                ck_assert_int_eq(simulated_device_read_medium(stack.device, 0,
                                                              /* is_stable= */ true, 1 * MIB, other,
                                                              sizeof(data)),
                                 0);
                ck_assert_mem_eq(other, data, sizeof(data));
                ck_assert_int_eq(ask(states[i]), 0);
                sleeps(states[i]);
                ck_assert_int_eq(ask(states[1 - i]), 0);
                sleeps(states[1 - i]);
                ck_assert_int_eq(ask(POWER_STATE_ACTIVE), 0);
                stack_sleep_ms(&stack, 1100);
                is_told(POWER_STATE_IDLE);
                ck_assert_int_eq(ask(states[i]), 0);
                ck_assert_int_eq(read_medium(8 * MIB), 0);
                ck_assert(!simulated_device_is_suspended(stack.device));
                finish();
        }
}
END_TEST

START_TEST(what_a_device_can_not_do_is_refused_with_a_reason) {
        const ControlReply *reply;
        unsigned number;

        set_up(DISK ",removable,suspend=no", /* has_cache= */ false, &suspends);
        stack_sleep_ms(&stack, 60000);
        is_told(POWER_STATE_IDLE);
        ck_assert_uint_eq(stack.power.can_suspend, 0);
        ck_assert_uint_eq(stack.power.can_standby, 0);
        for (PowerState state = POWER_STATE_STANDBY; state <= POWER_STATE_SUSPENDED; state++) {
                number = stack_request(&stack,
                                       &(ControlRequest){
                                                       .kind = CONTROL_REQUEST_KIND_POWER_STATE,
                                                       .lun = CONTROL_LUN_ALL,
                                                       .power_state = state,
                                       },
                                       -EBADF);
                reply = stack_await_answer(&stack, number);
                ck_assert_int_eq(reply->error, -EOPNOTSUPP);
                ck_assert_str_ne(reply->words, "");
        }
        finish();
}
END_TEST

START_TEST(who_uses_it_is_told_to_who_wants_it_gone) {
        const ControlReply *reply;
        unsigned number;

        set_up(DISK, /* has_cache= */ true, &suspends);
        number = stack_request(&stack,
                               &(ControlRequest){ .kind = CONTROL_REQUEST_KIND_REMOVE,
                                                  .lun = CONTROL_LUN_ALL },
                               -EBADF);
        reply = stack_await_answer(&stack, number);
        ck_assert_int_eq(reply->error, -EBUSY);
        ck_assert_str_eq(reply->words, "LUN 0 has 1 client");
        finish();
}
END_TEST

/* What happens to one that sleeps */

typedef struct Ending {
        PowerState state;
        ControlRequestKind kind;
        bool is_stopped_after;
} Ending;

static const Ending endings[] = {
        { POWER_STATE_SUSPENDED, CONTROL_REQUEST_KIND_RELEASE, false },
        { POWER_STATE_SUSPENDED, CONTROL_REQUEST_KIND_REMOVE, true },
        { POWER_STATE_STANDBY, CONTROL_REQUEST_KIND_RELEASE, true },
        { POWER_STATE_STANDBY, CONTROL_REQUEST_KIND_REMOVE, true },
};

START_TEST(one_that_sleeps_is_released_with_its_link_awake) {
        const Ending *ending = &endings[_i / 2];

        set_up(DISK, _i % 2 == 1, &(PowerOptions){ 0 });
        write_some();
        ck_assert_int_eq(ask(ending->state), 0);
        stack_disconnect(&stack, 0);
        ck_assert_int_eq(stack_ask(&stack, &(ControlRequest){ .kind = ending->kind,
                                                              .lun = CONTROL_LUN_ALL,
                                                              .flags = CONTROL_REQUEST_FORCE }),
                         0);
        ck_assert(stack.is_stopped);
        ck_assert_int_eq(stack.stopped_result, 0);
        ck_assert(!simulated_device_is_suspended(stack.device));
        ck_assert_int_eq(simulated_device_is_stopped(stack.device, 0), ending->is_stopped_after);
        ck_assert_uint_eq(counters()->n_spin_ups, 0);
        finish();
}
END_TEST

START_TEST(one_that_sleeps_is_unplugged_and_comes_back) {
        set_up(DISK, /* has_cache= */ true, &(PowerOptions){ 0 });
        write_some();
        ck_assert_int_eq(ask(_i == 0 ? POWER_STATE_SUSPENDED : POWER_STATE_STANDBY), 0);
        stack_unplug(&stack);
        is_told(POWER_STATE_UNKNOWN);
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        ck_assert_int_eq(read_medium(8 * MIB), 0);
        is_awake();
        ck_assert_int_eq(stack_read(&stack, 0, 1 * MIB, other, sizeof(data), NULL), 0);
        ck_assert_mem_eq(other, data, sizeof(data));
        finish();
}
END_TEST

START_TEST(one_that_sleeps_is_reset) {
        set_up(DISK, _i % 2 == 1, &(PowerOptions){ 0 });
        ck_assert_int_eq(ask(_i / 2 % 2 == 0 ? POWER_STATE_SUSPENDED : POWER_STATE_STANDBY), 0);
        ck_assert_int_eq(
                        stack_ask(&stack,
                                  &(ControlRequest){
                                                  .kind = _i / 4 == 0 ? CONTROL_REQUEST_KIND_DEVICE_RESET
                                                                      : CONTROL_REQUEST_KIND_LUN_RESET,
                                                  .lun = _i / 4 == 0 ? CONTROL_LUN_ALL : 0,
                                  }),
                        0);
        ck_assert_int_eq(read_medium(8 * MIB), 0);
        finish();
}
END_TEST

START_TEST(a_command_of_somebody_wakes_it_as_far_as_it_must) {
        static const struct {
                uint8_t cdb[6];
                uint32_t data_size;
                bool starts;
        } commands[] = {
                { { 0x12, 0, 0, 0, 36, 0 }, 36, false },
                { { 0x1A, 0, 0x3F, 0, 192, 0 }, 192, true },
        };
        ControlRequest request = {
                .kind = CONTROL_REQUEST_KIND_SCSI_COMMAND,
                .scsi = {
                        .cdb_size = 6,
                        .direction = TRANSPORT_DIRECTION_IN,
                        .data_size = commands[_i / 2].data_size,
                },
        };

        memcpy(request.scsi.cdb, commands[_i / 2].cdb, 6);
        set_up(DISK, /* has_cache= */ false, &(PowerOptions){ 0 });
        ck_assert_int_eq(ask(POWER_STATE_STANDBY), 0);
        if (_i % 2 == 1)
                ck_assert_int_eq(ask(POWER_STATE_SUSPENDED), 0);
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        ck_assert(!simulated_device_is_suspended(stack.device));
        ck_assert_int_eq(simulated_device_is_stopped(stack.device, 0), !commands[_i / 2].starts);
        finish();
}
END_TEST

/* Faults */

typedef struct Fault {
        const char *spec;
        const char *faults;
        PowerState state;
        int error;             /* of who asks */
        uint64_t read_ms_max;  /* until the read after that was answered */
        bool is_read_answered; /* well */
        uint32_t learned;
} Fault;

static const Fault faults[] = {
        { "", "sense:5/20/00@opcode=1b*always", POWER_STATE_STANDBY, -EOPNOTSUPP, 100, true,
          USB_FACT_NO_STANDBY },
        { "", "sense:5/24/00@opcode=1b*1", POWER_STATE_STANDBY, 0, 100, true, 0 },
        { "", "sense:4/44/00@opcode=1b*1", POWER_STATE_STANDBY, -EIO, 100, true, 0 },
        { "", "unit-attention:29/00@opcode=1b*3", POWER_STATE_STANDBY, 0, 1000, true, 0 },
        { "", "hang:status@opcode=1b*1", POWER_STATE_STANDBY, -EIO, 5000, true,
          USB_FACT_NO_STANDBY },
        { ",spin-up-ms=8000", "", POWER_STATE_STANDBY, 0, 8500, true, 0 },
        { ",spin-up-ms=8000,stopped=start", "", POWER_STATE_STANDBY, 0, 8500, true, 0 },
        { "", "start-stuck", POWER_STATE_STANDBY, 0, 31000, false, USB_FACT_NO_STANDBY },
        { "", "resume-frozen", POWER_STATE_SUSPENDED, 0, 15000, true, USB_FACT_NO_SUSPEND },
        { "", "resume-fails", POWER_STATE_SUSPENDED, 0, 15000, true, USB_FACT_NO_SUSPEND },
        { "", "resume-power-cycle", POWER_STATE_SUSPENDED, 0, 1000, true, 0 },
        { ",spin-up-ms=8000", "resume-power-cycle", POWER_STATE_SUSPENDED, 0, 10000, true, 0 },
};

START_TEST(a_device_that_does_not_bear_it_works_on_and_is_not_asked_again) {
        const Fault *fault = &faults[_i / 2];
        uint64_t start_ms;
        char spec[128];

        snprintf(spec, sizeof(spec), "%s%s", DISK, fault->spec);
        set_up(spec, _i % 2 == 1, &(PowerOptions){ 0 });
        stack_log_start();
        write_some();
        if (*fault->faults)
                stack_add_faults(&stack, fault->faults);
        ck_assert_int_eq(ask(fault->state), fault->error);

        start_ms = stack_now_ms(&stack);
        ck_assert_int_eq(read_medium(8 * MIB), fault->is_read_answered ? 0 : NBD_EIO);
        ck_assert_uint_le(stack_now_ms(&stack) - start_ms, fault->read_ms_max);
        stack_sleep_ms(&stack, 120 * 1000);
        ck_assert_uint_eq(stack.learned.facts & (USB_FACT_NO_STANDBY | USB_FACT_NO_SUSPEND),
                          fault->learned);
        simulated_device_clear_faults(stack.device);
        ck_assert_int_eq(ask(fault->state), fault->learned != 0 ? -EOPNOTSUPP : 0);
        ck_assert_int_eq(stack_read(&stack, 0, 1 * MIB, other, sizeof(data), NULL), 0);
        ck_assert_mem_eq(other, data, sizeof(data));
        finish();
}
END_TEST

/* Who asks for one thing while another one is under way gets what he asked for last. */
START_TEST(requests_that_cross_each_other_are_all_right) {
        static const PowerState states[] = { POWER_STATE_SUSPENDED, POWER_STATE_STANDBY,
                                             POWER_STATE_ACTIVE };

        set_up(SLOW_DISK, _i % 2 == 1, &(PowerOptions){ 0 });
        stack_sleep_ms(&stack, 10000);
        for (size_t i = 0; i < 9; i++) {
                unsigned numbers[2];

                for (size_t k = 0; k < 2; k++)
                        numbers[k] = stack_request(
                                        &stack,
                                        &(ControlRequest){
                                                        .kind = CONTROL_REQUEST_KIND_POWER_STATE,
                                                        .lun = CONTROL_LUN_ALL,
                                                        .power_state = k == 0 ? states[i / 3]
                                                                              : states[i % 3],
                                        },
                                        -EBADF);
                for (size_t k = 0; k < 2; k++)
                        ck_assert_int_eq(stack_await_answer(&stack, numbers[k])->error, 0);
                stack_sleep_ms(&stack, 20000);
                ck_assert_int_eq(read_medium(8 * MIB + i * MIB / 4), 0);
        }
        ck_assert_uint_eq(counters()->n_port_resets, 0);
        finish();
}
END_TEST

/* Nobody could wake the device for it. */
START_TEST(a_unit_that_did_not_answer_is_looked_at_again_though_the_device_sleeps) {
        stack_init_with_options(&stack, DISK ",luns=2,faults=sense:4/44/00@opcode=25+lun=1*always",
                                &(StorageOptions){ .power = suspends });
        ck_assert(!stack.exports[1].is_open);
        simulated_device_clear_faults(stack.device);
        if (_i == 1)
                ck_assert_int_eq(ask(POWER_STATE_SUSPENDED), 0);
        stack_sleep_ms(&stack, 30000);
        ck_assert(stack.exports[1].is_open);
        sleeps(POWER_STATE_SUSPENDED);
        finish();
}
END_TEST

START_TEST(one_that_comes_back_as_another_device_is_gone) {
        set_up(DISK, /* has_cache= */ true, &(PowerOptions){ 0 });
        write_some();
        ck_assert_int_eq(ask(POWER_STATE_SUSPENDED), 0);
        stack_add_faults(&stack, "resume-gone");
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_send_command(&stack, 0, NBD_CMD_READ, 8 * MIB, BLOCK);
        stack_sleep_ms(&stack, 1000);
        ck_assert(stack.is_parked);
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        ck_assert_int_eq(stack_await_reply(&stack, 0), 0);
        finish();
}
END_TEST

START_TEST(what_is_known_of_a_device_is_heeded_from_the_start) {
        UsbLearnedFacts known = { .facts = USB_FACT_NO_STANDBY | USB_FACT_NO_SUSPEND };

        stack_init_with_facts(&stack, DISK, &known, 0);
        storage_settings_set_power(stack.storage, &suspends);
        stack_sleep_ms(&stack, 60000);
        ck_assert_uint_eq(stack.power.can_suspend, 0);
        ck_assert_uint_eq(stack.power.can_standby, 0);
        ck_assert_int_eq(ask(POWER_STATE_SUSPENDED), -EOPNOTSUPP);
        ck_assert_uint_eq(counters()->n_suspends, 0);
        finish();
}
END_TEST

/* A command's deadline is shorter than the unit's time to spin up. */
START_TEST(a_command_that_waits_for_the_media_ends_by_its_deadline) {
        uint64_t start_ms;

        stack_init_with_timeout(&stack, SLOW_DISK ",luns=2", 3000);
        stack_connect(&stack, 0, /* is_structured= */ true);
        ck_assert_int_eq(ask(POWER_STATE_STANDBY), 0);
        start_ms = stack_now_ms(&stack);
        ck_assert_int_ne(read_medium(8 * MIB), 0);
        ck_assert_uint_le(stack_now_ms(&stack) - start_ms, 4000);
        stack_sleep_ms(&stack, 6000);
        ck_assert_int_eq(read_medium(8 * MIB), 0);
        finish();
}
END_TEST

static void add_sleeping(TCase *tcase) {
        tcase_add_loop_test(tcase, a_device_that_nobody_uses_is_suspended_and_woken_by_a_read, 0,
                            N_SETUPS);
        tcase_add_loop_test(tcase, a_device_that_nobody_uses_is_stopped_and_started_by_a_read, 0,
                            N_SETUPS);
        tcase_add_loop_test(tcase, by_default_nothing_sleeps, 0, 2);
        tcase_add_loop_test(tcase, a_device_in_standby_is_suspended_later_without_being_woken, 0,
                            2);
        tcase_add_loop_test(tcase, a_client_that_reads_keeps_it_awake, 0, 2);
        tcase_add_loop_test(tcase, a_device_asleep_wakes_nobody, 0, 2);
        tcase_add_loop_test(tcase, polls_neither_keep_it_awake_nor_wake_it, 0, 2);
        tcase_add_test(tcase, health_is_not_asked_of_a_device_that_sleeps);
        tcase_add_loop_test(tcase, an_empty_slot_is_watched, 0, 2);
        tcase_add_loop_test(tcase, a_disk_that_says_that_it_has_stopped_is_known_to_be_in_standby,
                            0, 2);
        tcase_add_loop_test(
                        tcase,
                        a_disk_that_stops_unnoticed_is_started_by_the_error_handler_and_that_is_counted,
                        0, 2);
        tcase_add_loop_test(tcase, what_can_not_be_written_keeps_it_awake, 0, 2);
        tcase_add_test(tcase, what_is_written_behind_the_flush_is_flushed_too);
}

static void add_asking(TCase *tcase) {
        tcase_add_loop_test(tcase, it_sleeps_and_wakes_when_somebody_asks, 0, N_SETUPS);
        tcase_add_test(tcase, what_a_device_can_not_do_is_refused_with_a_reason);
        tcase_add_test(tcase, who_uses_it_is_told_to_who_wants_it_gone);
        tcase_add_loop_test(tcase, one_that_sleeps_is_released_with_its_link_awake, 0,
                            2 * (int) N_ELEMENTS(endings));
        tcase_add_loop_test(tcase, one_that_sleeps_is_unplugged_and_comes_back, 0, 2);
        tcase_add_loop_test(tcase, one_that_sleeps_is_reset, 0, 8);
        tcase_add_loop_test(tcase, a_command_of_somebody_wakes_it_as_far_as_it_must, 0, 4);
        tcase_add_loop_test(tcase, a_device_that_does_not_bear_it_works_on_and_is_not_asked_again,
                            0, 2 * (int) N_ELEMENTS(faults));
        tcase_add_loop_test(tcase, requests_that_cross_each_other_are_all_right, 0, 2);
        tcase_add_loop_test(tcase,
                            a_unit_that_did_not_answer_is_looked_at_again_though_the_device_sleeps,
                            0, 2);
        tcase_add_test(tcase, one_that_comes_back_as_another_device_is_gone);
        tcase_add_test(tcase, what_is_known_of_a_device_is_heeded_from_the_start);
        tcase_add_test(tcase, a_command_that_waits_for_the_media_ends_by_its_deadline);
}

int main(void) {
        Suite *suite = suite_create("stack power");
        TCase *tcase = tcase_create("power");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 60);
        add_sleeping(tcase);
        add_asking(tcase);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
