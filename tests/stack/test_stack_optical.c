/* Optical drives and their discs, through the whole stack: with a cache and without. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"
#include "stack_log.h"

#define DRIVE "type=optical,size=1M,serial=DISC"

#define OPCODE_TEST_UNIT_READY 0x00
#define OPCODE_GET_EVENT 0x4A

static const CacheOptions write_back = { .mode = CACHE_MODE_WRITE_BACK, .line_size = 16 * KIB };
static Stack stack;
static uint8_t data[64 * KIB], other[64 * KIB];

/* Odd cases have a cache. */
static void set_up(int i, const char *spec) {
        stack_log_start();
        if (i % 2 == 0)
                stack_init(&stack, spec);
        else
                stack_init_with_cache(&stack, spec, &write_back, NULL, NULL);
        ck_assert_int_eq(stack.brought_up_result, 0);
        stack_fill(data, sizeof(data), 1);
}

static uint64_t count(uint8_t opcode) {
        return simulated_device_get_counters(stack.device)->n_commands_by_opcode[opcode];
}

static void disconnect(void) {
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_DISC, 0, 0, 0), STACK_CLOSED);
}

START_TEST(a_data_disc_is_exported_read_only) {
        set_up(_i, DRIVE);
        ck_assert(stack.exports[0].is_open);
        ck_assert_uint_eq(stack.exports[0].info.size, MIB);
        ck_assert(stack.exports[0].info.transmission_flags & NBD_FLAG_READ_ONLY);
        ck_assert_int_eq(simulated_device_write_medium(stack.device, 0, 512 * KIB, data,
                                                       sizeof(data)),
                         0);
        stack_connect(&stack, 0, /* is_structured= */ true);
        ck_assert_int_eq(stack_read(&stack, 0, 512 * KIB, other, sizeof(other), NULL), 0);
        ck_assert_mem_eq(other, data, sizeof(data));
        ck_assert_int_eq(stack_read(&stack, 0, MIB - 2048, other, 2048, NULL), 0);
        ck_assert_int_eq(stack_write(&stack, 0, 0, data, 2048, 0), NBD_EPERM);
        stack_done(&stack);
}
END_TEST

typedef struct Obstacle {
        const char *spec;
        const char *log;
} Obstacle;

static const Obstacle obstacles[] = {
        { DRIVE ",disc=blank", "LUN 0 is not exported: a blank disc" },
        { DRIVE ",disc=audio", "LUN 0 is not exported: an audio disc" },
        { DRIVE ",disc=none", "LUN 0 is not exported: no medium" },
        { DRIVE ",capacity=zero,faults=sense:5/20/00@opcode=43*always",
          "LUN 0 is not exported: a disc of unknown size" },
        { DRIVE ",capacity=refused,faults=sense:5/20/00@opcode=43*always",
          "LUN 0 is not exported: a disc of unknown size" },
};

START_TEST(what_is_not_exported_is_told_with_its_reason) {
        set_up(_i, obstacles[_i / 2].spec);
        ck_assert(!stack.exports[0].is_open);
        stack_log_expect(obstacles[_i / 2].log);
        /* As long as nobody exchanges it, it is not looked at again. */
        stack_sleep_ms(&stack, 60000);
        ck_assert(stack_log_is_empty());
        stack_done(&stack);
}
END_TEST

static const char *const traps[] = {
        DRIVE ",capacity=raw",
        DRIVE ",capacity=zero",
        DRIVE ",capacity=ones",
        DRIVE ",capacity=refused",
        DRIVE ",block-size=512",
        DRIVE ",faults=sense:5/20/00@opcode=43*always",
        /* A drive that knows nothing but how to read. */
        DRIVE ",faults=sense:5/20/00@opcode=43*always;sense:5/20/00@opcode=46*always;"
              "sense:5/20/00@opcode=4a*always;sense:5/20/00@opcode=51*always",
};

START_TEST(a_disc_has_its_size_whatever_its_drive_is_like) {
        set_up(_i, traps[_i / 2]);
        ck_assert(stack.exports[0].is_open);
        ck_assert_uint_eq(stack.exports[0].info.size, MIB);
        ck_assert_int_eq(simulated_device_write_medium(stack.device, 0, MIB - sizeof(data), data,
                                                       sizeof(data)),
                         0);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, MIB - sizeof(data), other, sizeof(other), NULL), 0);
        ck_assert_mem_eq(other, data, sizeof(data));
        stack_done(&stack);
}
END_TEST

START_TEST(a_disc_that_is_exchanged_has_its_own_size) {
        set_up(0, DRIVE);
        for (uint64_t size = 2 * MIB; size <= 5 * MIB; size += MIB) {
                ck_assert_int_eq(simulated_device_change_medium(stack.device, 0, size), 0);
                stack_sleep_ms(&stack, 3000);
                ck_assert(stack.exports[0].is_open);
                ck_assert_uint_eq(stack.exports[0].info.size, size);
        }
        ck_assert_uint_eq(stack.exports[0].n_opened, 5);
        stack_done(&stack);
}
END_TEST

START_TEST(a_disc_that_is_exchanged_under_load_is_not_mixed_up_with_the_next) {
        set_up(0, DRIVE);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, 0, other, sizeof(other), NULL), 0);
        ck_assert_int_eq(simulated_device_change_medium(stack.device, 0, 2 * MIB), 0);
        ck_assert_int_ne(stack_read(&stack, 0, 0, other, sizeof(other), NULL), 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert_uint_eq(stack.exports[0].info.size, 2 * MIB);
        ck_assert_int_eq(stack_read(&stack, 0, 0, other, sizeof(other), NULL), STACK_CLOSED);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, MIB, other, sizeof(other), NULL), 0);
        stack_done(&stack);
}
END_TEST

static void exchange(SimulatorDisc disc) {
        simulated_device_remove_medium(stack.device, 0);
        simulated_device_set_disc(stack.device, 0, disc);
        simulated_device_insert_medium(stack.device, 0);
        stack_sleep_ms(&stack, 3000);
}

START_TEST(a_drive_is_looked_at_for_each_disc) {
        set_up(_i, DRIVE);
        exchange(SIMULATOR_DISC_AUDIO);
        ck_assert(!stack.exports[0].is_open);
        stack_log_expect("an audio disc");
        exchange(SIMULATOR_DISC_BLANK);
        stack_log_expect("a blank disc");
        exchange(SIMULATOR_DISC_DATA);
        ck_assert(stack.exports[0].is_open);
        simulated_device_remove_medium(stack.device, 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert(!stack.exports[0].is_open);
        stack_log_expect("no medium");
        simulated_device_insert_medium(stack.device, 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert(stack.exports[0].is_open);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, 0, other, sizeof(other), NULL), 0);
        stack_done(&stack);
}
END_TEST

START_TEST(the_tray_opens_by_its_button_while_nobody_uses_the_disc) {
        set_up(_i, DRIVE);
        simulated_device_press_button(stack.device, 0);
        ck_assert(simulated_device_is_tray_open(stack.device, 0));
        stack_sleep_ms(&stack, 3000);
        ck_assert(!stack.exports[0].is_open);
        simulated_device_press_button(stack.device, 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert(stack.exports[0].is_open);
        stack_done(&stack);
}
END_TEST

START_TEST(the_tray_is_locked_while_a_client_is_connected) {
        set_up(_i, DRIVE);
        stack_sleep_ms(&stack, 3000);
        ck_assert(!simulated_device_is_removal_prevented(stack.device, 0));
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_sleep_ms(&stack, 1000);
        ck_assert(simulated_device_is_removal_prevented(stack.device, 0));
        disconnect();
        stack_sleep_ms(&stack, 1000);
        ck_assert(!simulated_device_is_removal_prevented(stack.device, 0));
        stack_done(&stack);
}
END_TEST

/* Events */

START_TEST(a_drive_with_events_is_asked_for_nothing_else) {
        uint64_t n_events, n_tests;

        set_up(_i, DRIVE);
        stack_sleep_ms(&stack, 5000);
        n_events = count(OPCODE_GET_EVENT);
        n_tests = count(OPCODE_TEST_UNIT_READY);
        stack_sleep_ms(&stack, 20000);
        ck_assert_uint_ge(count(OPCODE_GET_EVENT) - n_events, 9);
        ck_assert_uint_le(count(OPCODE_GET_EVENT) - n_events, 11);
        ck_assert_uint_eq(count(OPCODE_TEST_UNIT_READY), n_tests);
        ck_assert_uint_eq(stack.exports[0].n_opened, 1);

        /* An empty one as well. */
        simulated_device_press_button(stack.device, 0);
        stack_sleep_ms(&stack, 5000);
        n_tests = count(OPCODE_TEST_UNIT_READY);
        stack_sleep_ms(&stack, 20000);
        ck_assert_uint_eq(count(OPCODE_TEST_UNIT_READY), n_tests);
        stack_done(&stack);
}
END_TEST

/* What is wrong with a drive's events, and how often they are asked for at most. */
typedef struct Misbehaviour {
        const char *faults;
        unsigned n_asked;
} Misbehaviour;

static const Misbehaviour misbehaviours[] = {
        { "sense:5/20/00@opcode=4a*always", 1 },
        { "sense:5/24/00@opcode=4a*always", 1 },
        { "sense:5/20/00@opcode=46*always", 0 },
        { "short-data:4@opcode=4a*always", 1 },
        { "event-wrong", 3 }, /* once for each disc */
        { "hang:data@opcode=4a*always", 2 },
        { "freeze:data@opcode=4a*always", 2 },
        { "csw-missing@opcode=4a*always", 2 },
};

static void exchange_is_noticed(void) {
        unsigned n_opened = stack.exports[0].n_opened;

        simulated_device_remove_medium(stack.device, 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert(!stack.exports[0].is_open);
        simulated_device_insert_medium(stack.device, 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert(stack.exports[0].is_open);
        ck_assert_uint_eq(stack.exports[0].n_opened, n_opened + 1);
}

START_TEST(a_drive_without_proper_events_is_watched_none_the_less) {
        const Misbehaviour *misbehaviour = &misbehaviours[_i / 2];
        char spec[128];

        snprintf(spec, sizeof(spec), DRIVE ",faults=%s", misbehaviour->faults);
        set_up(_i, spec);
        stack_sleep_ms(&stack, 60000);
        ck_assert(stack.exports[0].is_open);
        ck_assert_uint_eq(stack.exports[0].n_opened, 1);
        exchange_is_noticed();
        exchange_is_noticed();
        ck_assert_uint_le(count(OPCODE_GET_EVENT), misbehaviour->n_asked);
        stack_done(&stack);
}
END_TEST

START_TEST(a_drive_whose_events_go_wrong_later_is_watched_none_the_less) {
        uint64_t n;

        set_up(_i, DRIVE);
        stack_sleep_ms(&stack, 5000);
        n = count(OPCODE_GET_EVENT);
        stack_add_faults(&stack, misbehaviours[_i / 2].faults);
        stack_sleep_ms(&stack, 60000);
        ck_assert(stack.exports[0].is_open);
        ck_assert_uint_eq(stack.exports[0].n_opened, 1);
        exchange_is_noticed();
        /* What is known of its configuration stays so. */
        if (misbehaviours[_i / 2].n_asked > 0)
                ck_assert_uint_le(count(OPCODE_GET_EVENT) - n, misbehaviours[_i / 2].n_asked);
        stack_done(&stack);
}
END_TEST

START_TEST(a_drive_that_sees_a_disc_where_none_is_is_not_believed) {
        uint64_t n;

        set_up(_i, DRIVE);
        simulated_device_remove_medium(stack.device, 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert(!stack.exports[0].is_open);
        stack_add_faults(&stack, "event-wrong");
        stack_log_start();
        n = count(OPCODE_GET_EVENT);
        stack_sleep_ms(&stack, 60000);
        ck_assert(stack_log_is_empty());
        ck_assert_uint_eq(count(OPCODE_GET_EVENT) - n, 1);
        simulated_device_insert_medium(stack.device, 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert(stack.exports[0].is_open);
        stack_done(&stack);
}
END_TEST

START_TEST(the_button_of_a_disc_in_use_is_heard_when_its_clients_have_gone) {
        set_up(_i, DRIVE);
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_sleep_ms(&stack, 1000);
        simulated_device_press_button(stack.device, 0);
        ck_assert(!simulated_device_is_tray_open(stack.device, 0));
        stack_sleep_ms(&stack, 10000);
        ck_assert(!simulated_device_is_tray_open(stack.device, 0));
        ck_assert_int_eq(stack_read(&stack, 0, 0, other, sizeof(other), NULL), 0);
        stack_log_expect("button was pressed");

        disconnect();
        stack_sleep_ms(&stack, 3000);
        ck_assert(simulated_device_is_tray_open(stack.device, 0));
        ck_assert(!simulated_device_is_removal_prevented(stack.device, 0));
        ck_assert(!stack.exports[0].is_open);
        stack_log_expect("came out");

        simulated_device_press_button(stack.device, 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert(stack.exports[0].is_open);
        stack_sleep_ms(&stack, 60000);
        ck_assert(!simulated_device_is_tray_open(stack.device, 0));
        stack_done(&stack);
}
END_TEST

START_TEST(a_button_that_was_pressed_under_load_is_not_forgotten) {
        set_up(_i, DRIVE);
        stack_connect(&stack, 0, /* is_structured= */ false);
        for (unsigned i = 0; i < 20; i++) {
                if (i == 5)
                        simulated_device_press_button(stack.device, 0);
                ck_assert_int_eq(stack_read(&stack, 0, 0, other, 2048, NULL), 0);
                stack_sleep_ms(&stack, 500);
        }
        disconnect();
        stack_sleep_ms(&stack, 6000);
        ck_assert(simulated_device_is_tray_open(stack.device, 0));
        stack_done(&stack);
}
END_TEST

START_TEST(a_tray_that_does_not_open_leaves_the_disc_exported) {
        set_up(_i, DRIVE);
        stack_add_faults(&stack, "sense:4/44/00@opcode=1b*always");
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_sleep_ms(&stack, 1000);
        simulated_device_press_button(stack.device, 0);
        stack_sleep_ms(&stack, 3000);
        disconnect();
        stack_sleep_ms(&stack, 10000);
        ck_assert(!simulated_device_is_tray_open(stack.device, 0));
        ck_assert(stack.exports[0].is_open);
        stack_log_expect("does not come out");
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, 0, other, sizeof(other), NULL), 0);
        stack_sleep_ms(&stack, 1000);
        ck_assert(simulated_device_is_removal_prevented(stack.device, 0));
        stack_done(&stack);
}
END_TEST

/* Asked for */

static int ask(ControlRequestKind kind, uint32_t flags) {
        return stack_ask(&stack, &(ControlRequest){ .kind = kind, .lun = 0, .flags = flags });
}

static const ControlLunInfo *look(void) {
        stack_sleep_ms(&stack, 3000);
        return &stack.lun_infos[0];
}

START_TEST(a_disc_is_brought_out_and_taken_in_when_asked_for) {
        const ControlLunInfo *info;

        set_up(_i, DRIVE);
        info = look();
        ck_assert(info->can_eject && info->has_medium && !info->is_blank);
        ck_assert_uint_eq(info->profile, 0x0008);
        ck_assert_uint_eq(info->n_data_tracks, 1);
        ck_assert_uint_eq(info->n_audio_tracks, 0);
        ck_assert_uint_eq(info->tray, CONTROL_TRAY_CLOSED);

        ck_assert_int_eq(ask(CONTROL_REQUEST_KIND_EJECT, 0), 0);
        ck_assert(simulated_device_is_tray_open(stack.device, 0));
        stack_log_expect("the medium was brought out");
        ck_assert(!stack.exports[0].is_open); /* at once */
        info = look();
        ck_assert(!stack.exports[0].is_open && !info->has_medium);
        ck_assert_uint_eq(info->tray, CONTROL_TRAY_OPEN);
        ck_assert_uint_eq(info->profile, 0);
        ck_assert_int_eq(ask(CONTROL_REQUEST_KIND_EJECT, 0), 0);
        stack_sleep_ms(&stack, 10000);
        ck_assert(simulated_device_is_tray_open(stack.device, 0));

        ck_assert_int_eq(ask(CONTROL_REQUEST_KIND_LOAD, 0), 0);
        ck_assert(!simulated_device_is_tray_open(stack.device, 0));
        info = look();
        ck_assert(stack.exports[0].is_open && info->has_medium);
        ck_assert_uint_eq(info->tray, CONTROL_TRAY_CLOSED);
        stack_done(&stack);
}
END_TEST

START_TEST(a_disc_in_use_is_brought_out_by_force_alone) {
        set_up(_i, DRIVE);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert(look()->is_locked);
        ck_assert_int_eq(ask(CONTROL_REQUEST_KIND_EJECT, 0), -EBUSY);
        ck_assert(!simulated_device_is_tray_open(stack.device, 0));
        ck_assert_int_eq(stack_read(&stack, 0, 0, other, sizeof(other), NULL), 0);
        ck_assert_int_eq(ask(CONTROL_REQUEST_KIND_EJECT, CONTROL_REQUEST_FORCE), 0);
        ck_assert(simulated_device_is_tray_open(stack.device, 0));
        ck_assert(!look()->is_locked);
        ck_assert(!stack.exports[0].is_open);
        stack_done(&stack);
}
END_TEST

START_TEST(a_tray_that_does_not_move_is_told_in_words) {
        unsigned number;

        set_up(_i, DRIVE);
        stack_add_faults(&stack, "sense:4/44/00@opcode=1b*always");
        number = stack_request(&stack,
                               &(ControlRequest){ .kind = CONTROL_REQUEST_KIND_EJECT, .lun = 0 },
                               -EBADF);
        ck_assert_int_eq(stack_await_answer(&stack, number)->error, -EIO);
        ck_assert_ptr_nonnull(strstr(stack.requests[number].reply.words, "(44/00)"));
        stack_sleep_ms(&stack, 5000);
        ck_assert(stack.exports[0].is_open);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, 0, other, sizeof(other), NULL), 0);
        stack_done(&stack);
}
END_TEST

START_TEST(a_fixed_disk_has_nothing_to_bring_out) {
        set_up(_i, "size=1M,serial=FIXED");
        ck_assert_int_eq(ask(CONTROL_REQUEST_KIND_EJECT, 0), -EOPNOTSUPP);
        ck_assert_int_eq(ask(CONTROL_REQUEST_KIND_LOAD, 0), -EOPNOTSUPP);
        ck_assert(stack.exports[0].is_open);
        ck_assert_uint_eq(stack.lun_infos[0].can_eject, 0);
        stack_done(&stack);
}
END_TEST

START_TEST(a_disc_that_is_not_exported_is_described) {
        set_up(0, DRIVE ",disc=blank");
        ck_assert(look()->is_blank && stack.lun_infos[0].has_medium);
        ck_assert_uint_eq(stack.lun_infos[0].profile, 0x0009);
        stack_done(&stack);
        set_up(0, DRIVE ",disc=audio");
        ck_assert_uint_eq(look()->n_audio_tracks, 3);
        ck_assert_uint_eq(stack.lun_infos[0].n_data_tracks, 0);
        ck_assert_int_eq(ask(CONTROL_REQUEST_KIND_EJECT, 0), 0);
        ck_assert(simulated_device_is_tray_open(stack.device, 0));
        ck_assert_uint_eq(look()->n_audio_tracks, 0);
        stack_done(&stack);
}
END_TEST

/* One glitch at any of the commands that a drive sees in its life. */

static const char *const glitches[] = {
        "stall:data",
        "stall:status",
        "hang:data",
        "freeze:status",
        "csw-missing",
        "csw-tag",
        "phase-error",
        "babble",
        "wire-error:data",
        "sense:b/47/00",
        "unit-attention:29/00",
        "unit-attention:28/00",
        "not-ready:3000",
        "short-data",
};

/* Enough for bring-up, a client, a press of the button, and what follows. */
#define GLITCH_COMMANDS 48

START_TEST(a_glitch_leaves_the_disc_exported_and_its_button_heard) {
        for (unsigned nth = 1; nth <= GLITCH_COMMANDS; nth++) {
                char spec[128];

                snprintf(spec, sizeof(spec), DRIVE ",faults=%s@nth=%u", glitches[_i], nth);
                set_up(0, spec);
                ck_assert_int_eq(simulated_device_write_medium(stack.device, 0, 0, data,
                                                               sizeof(data)),
                                 0);
                stack_sleep_ms(&stack, 60000);
                ck_assert_msg(stack.exports[0].is_open, "%s", spec);
                stack_connect(&stack, 0, /* is_structured= */ false);
                if (stack_read(&stack, 0, 0, other, sizeof(other), NULL) == 0)
                        ck_assert_mem_eq(other, data, sizeof(data));
                stack_sleep_ms(&stack, 10000);
                simulated_device_press_button(stack.device, 0);
                stack_sleep_ms(&stack, 10000);
                /* A drive that was reset has opened its tray at once. */
                if (stack.clients[0].fd >= 0)
                        stack_command(&stack, 0, NBD_CMD_DISC, 0, 0, 0);
                stack_sleep_ms(&stack, 60000);
                if (!simulated_device_is_tray_open(stack.device, 0))
                        simulated_device_press_button(stack.device, 0);
                stack_sleep_ms(&stack, 60000);
                ck_assert_msg(simulated_device_is_tray_open(stack.device, 0), "%s", spec);
                ck_assert(!stack.exports[0].is_open);
                stack_done(&stack);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stack optical");
        TCase *tcase = tcase_create("optical");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, a_data_disc_is_exported_read_only, 0, 2);
        tcase_add_loop_test(tcase, what_is_not_exported_is_told_with_its_reason, 0,
                            2 * N_ELEMENTS(obstacles));
        tcase_add_loop_test(tcase, a_disc_has_its_size_whatever_its_drive_is_like, 0,
                            2 * N_ELEMENTS(traps));
        tcase_add_test(tcase, a_disc_that_is_exchanged_has_its_own_size);
        tcase_add_test(tcase, a_disc_that_is_exchanged_under_load_is_not_mixed_up_with_the_next);
        tcase_add_loop_test(tcase, a_drive_is_looked_at_for_each_disc, 0, 2);
        tcase_add_loop_test(tcase, the_tray_opens_by_its_button_while_nobody_uses_the_disc, 0, 2);
        tcase_add_loop_test(tcase, the_tray_is_locked_while_a_client_is_connected, 0, 2);
        tcase_add_loop_test(tcase, a_drive_with_events_is_asked_for_nothing_else, 0, 2);
        tcase_add_loop_test(tcase, a_drive_without_proper_events_is_watched_none_the_less, 0,
                            2 * N_ELEMENTS(misbehaviours));
        tcase_add_loop_test(tcase, a_drive_whose_events_go_wrong_later_is_watched_none_the_less, 0,
                            2 * N_ELEMENTS(misbehaviours));
        tcase_add_loop_test(tcase, a_drive_that_sees_a_disc_where_none_is_is_not_believed, 0, 2);
        tcase_add_loop_test(tcase, the_button_of_a_disc_in_use_is_heard_when_its_clients_have_gone,
                            0, 2);
        tcase_add_loop_test(tcase, a_button_that_was_pressed_under_load_is_not_forgotten, 0, 2);
        tcase_add_loop_test(tcase, a_tray_that_does_not_open_leaves_the_disc_exported, 0, 2);
        tcase_add_loop_test(tcase, a_disc_is_brought_out_and_taken_in_when_asked_for, 0, 2);
        tcase_add_loop_test(tcase, a_disc_in_use_is_brought_out_by_force_alone, 0, 2);
        tcase_add_loop_test(tcase, a_tray_that_does_not_move_is_told_in_words, 0, 2);
        tcase_add_loop_test(tcase, a_fixed_disk_has_nothing_to_bring_out, 0, 2);
        tcase_add_test(tcase, a_disc_that_is_not_exported_is_described);
        tcase_add_loop_test(tcase, a_glitch_leaves_the_disc_exported_and_its_button_heard, 0,
                            N_ELEMENTS(glitches));
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
