/* What is promised about data (DESIGN section 6), as an NBD client sees it. */

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"

#define SPEC "size=16M,serial=CACHED"

static const CacheOptions write_back = { .mode = CACHE_MODE_WRITE_BACK, .line_size = 16 * KIB };
static Stack stack;
static uint8_t data[256 * KIB], other[256 * KIB];
static const uint8_t zeroes[22];

static void set_up(void) {
        stack_init_with_cache(&stack, SPEC, &write_back, NULL, NULL);
        ck_assert_int_eq(stack.brought_up_result, 0);
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_fill(data, sizeof(data), 1);
        memset(other, 0, sizeof(other));
        /* Long enough for the samples of the medium. */
        stack_sleep_ms(&stack, 100);
}

static void tear_down(void) { stack_done(&stack); }

static bool is_on_medium(uint64_t offset, size_t size) {
        stack_read_image(&stack, 0, offset, other, size);
        return memcmp(other, data, size) == 0;
}

START_TEST(a_write_is_on_the_medium_after_a_flush) {
        ck_assert_int_eq(stack_write(&stack, 0, 1 * MIB, data, sizeof(data), 0), 0);
        ck_assert(!is_on_medium(1 * MIB, sizeof(data)));
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(1 * MIB, sizeof(data)));
}
END_TEST

START_TEST(a_replug_keeps_connections_and_writes) {
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, sizeof(data), 0), 0);
        stack_unplug(&stack);
        ck_assert(stack.exports[0].is_open);
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        ck_assert_int_eq(stack_read(&stack, 0, 2 * MIB, other, sizeof(other), NULL), 0);
        ck_assert_mem_eq(other, data, sizeof(data));
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(2 * MIB, sizeof(data)));
        ck_assert_uint_eq(stack.exports[0].n_opened, 1);
}
END_TEST

START_TEST(what_the_device_had_not_synchronised_is_written_again) {
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, sizeof(data), 0), 0);
        /* Written back, and at the device; a SYNCHRONIZE CACHE is refused for now. */
        stack_add_faults(&stack, "sense:4/44/00@opcode=35*always");
        ck_assert_int_ne(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        stack_unplug(&stack); /* which loses the device's own cache */
        ck_assert(!is_on_medium(2 * MIB, sizeof(data)));
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(2 * MIB, sizeof(data)));
}
END_TEST

START_TEST(a_reset_loses_nothing) {
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, sizeof(data), 0), 0);
        stack_add_faults(&stack, "reset@opcode=35");
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(2 * MIB, sizeof(data)));
}
END_TEST

START_TEST(a_write_that_the_device_lost_later_is_written_again) {
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, sizeof(data), 0), 0);
        stack_add_faults(&stack, "deferred:3/0c/00@opcode=35");
        /* It is told, though nothing is lost: the device did fail. */
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), NBD_EIO);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(2 * MIB, sizeof(data)));
}
END_TEST

START_TEST(it_may_come_back_at_another_speed) {
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, sizeof(data), 0), 0);
        stack_unplug(&stack);
        stack_replug(&stack, SPEC ",speed=high");
        stack_await_unparked(&stack);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(2 * MIB, sizeof(data)));
}
END_TEST

START_TEST(a_lun_that_a_glitch_hides_on_return_stays) {
        stack_done(&stack);
        stack_init_with_cache(&stack, SPEC ",luns=2", &write_back, NULL, NULL);
        stack_connect(&stack, 1, /* is_structured= */ false);
        ck_assert_int_eq(stack_write(&stack, 1, 1 * MIB, data, 4096, 0), 0);
        stack_unplug(&stack);
        stack_replug(&stack, SPEC ",luns=2,faults=stall:control*2");
        stack_await_unparked(&stack);
        ck_assert(stack.exports[1].is_open);
        ck_assert_uint_eq(stack.exports[1].n_opened, 1);
        ck_assert_uint_eq(stack.saved_luns, 0);
        ck_assert_int_eq(stack_command(&stack, 1, NBD_CMD_FLUSH, 0, 0, 0), 0);
        stack_read_image(&stack, 1, 1 * MIB, other, 4096);
        ck_assert_mem_eq(other, data, 4096);
}
END_TEST

START_TEST(requests_wait_while_the_device_is_away) {
        stack_unplug(&stack);
        stack_send_write(&stack, 0, 2 * MIB, data, 4096, NBD_CMD_FLAG_FUA);
        stack_sleep_ms(&stack, 50000);
        ck_assert(!stack_has_reply(&stack, 0));
        stack_replug(&stack, NULL);
        ck_assert_int_eq(stack_await_reply(&stack, 0), 0);
        ck_assert(is_on_medium(2 * MIB, 4096));
}
END_TEST

START_TEST(new_clients_are_accepted_while_it_is_away) {
        stack_unplug(&stack);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        stack_replug(&stack, NULL);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(2 * MIB, 4096));
}
END_TEST

static void check_that_it_was_set_aside(void) {
        ck_assert_uint_eq(stack.saved_luns, 1);
        ck_assert_int_eq(stack_read(&stack, 0, 0, other, 4096, NULL), STACK_CLOSED);
        ck_assert(!is_on_medium(2 * MIB, 4096));
}

START_TEST(a_changed_medium_gets_nothing_of_it) {
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        stack_unplug(&stack);
        stack_write_image(&stack, 0, 512, "somebody else was here", 22);
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        check_that_it_was_set_aside();
        /* What is there now is exported anew. */
        ck_assert_uint_eq(stack.exports[0].n_opened, 2);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, 512, other, 22, NULL), 0);
        ck_assert_mem_eq(other, "somebody else was here", 22);
}
END_TEST

START_TEST(nobody_waits_until_the_data_of_another_lun_is_saved) {
        stack_done(&stack);
        stack_init_with_cache(&stack, SPEC ",luns=2", &write_back, NULL, NULL);
        for (unsigned lun = 0; lun < 2; lun++) {
                stack_connect(&stack, lun, /* is_structured= */ false);
                ck_assert_int_eq(stack_write(&stack, lun, 1 * MIB, data, 4096, 0), 0);
        }
        stack_sleep_ms(&stack, 100);
        stack_unplug(&stack);
        for (unsigned lun = 0; lun < 2; lun++)
                stack_write_image(&stack, lun, 512, "somebody else was here", 22);
        stack_send_command(&stack, 1, NBD_CMD_CACHE, 8 * MIB, 4096);
        stack.is_save_held = true;
        stack_replug(&stack, NULL);
        /* A closing export still answers for half a second. */
        stack_sleep_ms(&stack, 400);
        ck_assert(stack_has_reply(&stack, 1));
        ck_assert_int_eq(stack_await_reply(&stack, 1), NBD_ESHUTDOWN);
}
END_TEST

/* Even where there was no time to take samples of the other one. */
START_TEST(a_medium_that_returns_to_the_same_worker_gets_it) {
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        stack_unplug(&stack);
        stack_write_image(&stack, 0, 512, "somebody else was here", 22);
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        check_that_it_was_set_aside();
        ck_assert_uint_eq(stack.left_luns, 1);

        stack_sleep_ms(&stack, 5 * (uint64_t) _i);
        stack_unplug(&stack);
        stack_write_image(&stack, 0, 512, zeroes, sizeof(zeroes));
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        ck_assert_uint_eq(stack.exports[0].n_opened, 3);
        ck_assert_uint_eq(stack.left_luns, 0);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, 2 * MIB, other, 4096, NULL), 0);
        ck_assert_mem_eq(other, data, 4096);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(2 * MIB, 4096));
}
END_TEST

START_TEST(a_bad_block_does_not_make_it_another_medium) {
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        stack_unplug(&stack);
        stack_replug(&stack, SPEC ",faults=medium-error@lba=8*always");
        stack_await_unparked(&stack);
        ck_assert_uint_eq(stack.exports[0].n_opened, 1);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(2 * MIB, 4096));
}
END_TEST

/* Clients of a unit that is being looked at again must not wait for ever. */
START_TEST(a_medium_that_cannot_be_recognised_ends_the_worker) {
        stack_done(&stack);
        stack_init_with_cache(&stack, SPEC ",removable", &write_back, NULL, NULL);
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_sleep_ms(&stack, 100);
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        stack_add_faults(&stack, "medium-error@lba=0..32767*always;unit-attention:28/00");
        stack_sleep_ms(&stack, 600000);
        ck_assert(stack.is_stopped);
        ck_assert_int_eq(stack.stopped_result, -EIO);
        ck_assert_int_eq(stack_read(&stack, 0, 0, other, 4096, NULL), STACK_CLOSED);
}
END_TEST

/* Its end takes a while, as there is a client. */
static void end_worker_with_data(void) {
        stack_done(&stack);
        stack_init_with_cache(&stack, SPEC ",removable", &write_back, NULL, NULL);
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_sleep_ms(&stack, 100);
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        stack_add_faults(&stack, "medium-error@lba=0..32767*always;unit-attention:28/00");
        while (stack.exports[0].is_open)
                stack_sleep_ms(&stack, 1);
        ck_assert(!stack.is_stopped);
}

/* Anything but -ENODEV and 0 tells the manager to keep the arena. */
static void check_that_data_is_left(void) {
        stack_sleep_ms(&stack, 60000);
        ck_assert(stack.is_stopped);
        ck_assert(stack.saved_luns == 1 || stack.stopped_result == -EIO);
}

START_TEST(an_unplug_while_the_worker_ends_does_not_have_its_data_dropped) {
        end_worker_with_data();
        storage_manager_set_gone(stack.storage);
        check_that_data_is_left();
}
END_TEST

START_TEST(a_stop_while_the_worker_ends_does_not_have_its_data_dropped) {
        end_worker_with_data();
        storage_manager_stop(stack.storage);
        check_that_data_is_left();
}
END_TEST

START_TEST(a_stop_while_a_medium_is_looked_at_ends) {
        stack_done(&stack);
        stack_init_with_cache(&stack, SPEC ",removable", &write_back, NULL, NULL);
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_sleep_ms(&stack, 100);
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        stack_add_faults(&stack, "unit-attention:28/00;slow:20000@opcode=28*always");
        stack_send_command(&stack, 0, NBD_CMD_FLUSH, 0, 0);
        stack_sleep_ms(&stack, 5000);
        stack_stop(&stack);
        ck_assert(stack.is_stopped);
        ck_assert(stack.saved_luns == 1 || is_on_medium(2 * MIB, 4096));
}
END_TEST

START_TEST(another_device_gets_nothing_of_it) {
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        stack_unplug(&stack);
        stack_replug(&stack, SPEC ",model=ANOTHER");
        stack_await_unparked(&stack);
        check_that_it_was_set_aside();
}
END_TEST

START_TEST(what_the_host_itself_wrote_is_no_change) {
        ck_assert_int_eq(stack_write(&stack, 0, 0, data, sizeof(data), 0), 0);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        stack_unplug(&stack);
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        ck_assert_uint_eq(stack.saved_luns, 0);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(2 * MIB, 4096));
}
END_TEST

START_TEST(a_device_that_stays_away_is_given_up_and_its_data_saved) {
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        stack_unplug(&stack);
        stack_send_command(&stack, 0, NBD_CMD_FLUSH, 0, 0);
        stack_sleep_ms(&stack, 59000);
        ck_assert(!stack_has_reply(&stack, 0));
        ck_assert_int_eq(stack_await_reply(&stack, 0), NBD_ESHUTDOWN);
        stack_sleep_ms(&stack, 60000);
        ck_assert(stack.is_stopped);
        ck_assert_int_eq(stack.stopped_result, -ENODEV);
        ck_assert_uint_eq(stack.saved_luns, 1);
}
END_TEST

/* A later worker of the same disk. */
static void start_again(int remains_fd) {
        StackRemains remains = { .fds = { remains_fd }, .n = 1 };
        int image = dup(stack.image_fds[0]);

        stack_done(&stack);
        stack_init_with_cache(&stack, SPEC, &write_back, &image, &remains);
        ck_assert_int_eq(stack.brought_up_result, 0);
        stack_connect(&stack, 0, /* is_structured= */ false);
}

START_TEST(an_orphan_is_replayed_when_its_device_returns) {
        int orphan;

        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        stack_unplug(&stack);
        stack_sleep_ms(&stack, 120000);
        ck_assert(stack.is_stopped);
        ck_assert(!is_on_medium(2 * MIB, 4096));
        orphan = dup(stack.saved_fd);
        start_again(orphan);
        ck_assert_uint_eq(stack.n_left, 1);
        ck_assert_uint_eq(stack.left_luns, 0);
        ck_assert_int_eq(stack_read(&stack, 0, 2 * MIB, other, 4096, NULL), 0);
        ck_assert_mem_eq(other, data, 4096);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(2 * MIB, 4096));
}
END_TEST

START_TEST(a_successor_replays_what_a_dead_worker_had_acknowledged) {
        int remains;

        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        remains = stack_copy_arena(&stack);
        stack_unplug(&stack); /* nothing more gets there */
        stack.save_error = -ENOSPC;
        start_again(remains);
        ck_assert_uint_eq(stack.left_luns, 0);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(2 * MIB, 4096));
}
END_TEST

/* Another medium is there, and nobody has room for the data of the first one. */
START_TEST(what_can_not_be_saved_is_left_to_a_successor) {
        int remains;

        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        stack_unplug(&stack);
        stack_write_image(&stack, 0, 512, "somebody else was here", 22);
        stack.save_error = -ENOSPC;
        stack_replug(&stack, NULL);
        stack_sleep_ms(&stack, 60000);
        ck_assert(stack.is_stopped);
        ck_assert_int_eq(stack.stopped_result, -EIO);
        ck_assert_uint_eq(stack.exports[0].n_opened, 1);

        remains = stack_copy_arena(&stack);
        stack_write_image(&stack, 0, 512, zeroes, 22);
        start_again(remains);
        ck_assert_uint_eq(stack.left_luns, 0);
        ck_assert_int_eq(stack_read(&stack, 0, 2 * MIB, other, 4096, NULL), 0);
        ck_assert_mem_eq(other, data, 4096);
}
END_TEST

START_TEST(remains_of_another_medium_are_left) {
        int remains;

        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        remains = stack_copy_arena(&stack);
        stack_unplug(&stack);
        stack_write_image(&stack, 0, 512, "somebody else was here", 22);
        start_again(remains);
        ck_assert_uint_eq(stack.n_left, 1);
        ck_assert_uint_eq(stack.left_luns, 1);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(!is_on_medium(2 * MIB, 4096));
}
END_TEST

START_TEST(a_stop_writes_everything) {
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, sizeof(data), 0), 0);
        stack_stop(&stack);
        ck_assert(is_on_medium(2 * MIB, sizeof(data)));
        ck_assert_uint_eq(stack.saved_luns, 0);
}
END_TEST

static void write_places(unsigned n) {
        for (uint64_t i = 0; i < n; i++)
                ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB + i * 256 * KIB, data, 4096, 0), 0);
}

/* The service comes again, and then its clients do. */
START_TEST(a_stop_tells_no_client_that_what_waits_has_failed) {
        stack_unplug(&stack);
        stack_send_command(&stack, 0, NBD_CMD_FLUSH, 0, 0);
        stack_sleep_ms(&stack, 1000);
        ck_assert(!stack_has_reply(&stack, 0));
        stack_stop(&stack);
        ck_assert_int_eq(stack_await_reply(&stack, 0), STACK_CLOSED);
}
END_TEST

/* In all longer than a FLUSH of so little should need. */
START_TEST(a_stop_waits_for_a_slow_device_as_long_as_it_gets_on) {
        write_places(18);
        stack_add_faults(&stack, "slow:4000@opcode=2A*always");
        stack_stop(&stack);
        for (uint64_t i = 0; i < 18; i++)
                ck_assert(is_on_medium(2 * MIB + i * 256 * KIB, 4096));
        ck_assert_uint_eq(stack.saved_luns, 0);
}
END_TEST

START_TEST(a_stop_ends_when_a_slow_device_takes_too_long) {
        uint64_t start_ms = stack_now_ms(&stack);

        write_places(30);
        stack_add_faults(&stack, "slow:4000@opcode=2A*always");
        stack_stop(&stack);
        ck_assert_uint_eq(stack.saved_luns, 1);
        ck_assert_uint_lt(stack_now_ms(&stack) - start_ms, 150000);
}
END_TEST

START_TEST(a_stop_has_saved_what_the_device_does_not_take) {
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        stack_add_faults(&stack, "freeze:command*always;port-reset-fails*always");
        stack_stop(&stack);
        ck_assert(!is_on_medium(2 * MIB, 4096));
        ck_assert_uint_eq(stack.saved_luns, 1);
        ck_assert_int_ge(stack.saved_fd, 0);
}
END_TEST

START_TEST(a_stop_ends_when_the_device_goes_meanwhile) {
        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        stack_add_faults(&stack, "hang:data@opcode=2A");
        storage_manager_stop(stack.storage);
        stack_sleep_ms(&stack, 1000);
        ck_assert(!stack.is_stopped);
        simulated_device_unplug(stack.device);
        stack_stop(&stack);
        ck_assert_uint_eq(stack.saved_luns, 1);
}
END_TEST

/* Else the first unit's clients could fill the cache, and write what is newer than the remains. */
START_TEST(all_remains_are_taken_in_before_the_first_client_comes) {
        int images[2], remains;

        stack_done(&stack);
        stack_init_with_cache(&stack, SPEC ",luns=2", &write_back, NULL, NULL);
        for (unsigned lun = 0; lun < N_ELEMENTS(images); lun++) {
                images[lun] = dup(stack.image_fds[lun]);
                stack_connect(&stack, lun, /* is_structured= */ false);
                ck_assert_int_eq(stack_write(&stack, lun, 2 * MIB, data, 4096, 0), 0);
        }
        remains = stack_copy_arena(&stack);
        stack_unplug(&stack);
        stack_done(&stack);

        stack_init_with_cache(&stack, SPEC ",luns=2", &write_back, images,
                              &(StackRemains){ .fds = { remains }, .n = 1 });
        ck_assert_uint_eq(stack.n_opened, 2);
        ck_assert_uint_eq(stack.left_luns_at_open, 0);
        ck_assert_uint_eq(stack.left_luns, 0);
}
END_TEST

/* Lives that end before the device has anything of what they wrote, each in a little less than half
 * of the cache's lines, and partly over each other. */
#define LIVES 3
#define LINES_PER_LIFE 110U
#define LIFE_STEP 80U

static uint64_t place_of(unsigned life, unsigned i) {
        return (uint64_t) (life * LIFE_STEP + i) * 16 * KIB;
}

static void live(unsigned life) {
        for (unsigned i = 0; i < LINES_PER_LIFE; i++) {
                stack_fill(other, 4096, 1000 * (life + 1) + i);
                ck_assert_int_eq(stack_write(&stack, 0, place_of(life, i), other, 4096, 0), 0);
        }
}

static StackRemains make_lives(void) {
        StackRemains remains = { .n = LIVES };

        for (unsigned life = 0; life < LIVES; life++) {
                int image = dup(stack.image_fds[0]);

                live(life);
                remains.fds[life] = stack_copy_arena(&stack);
                stack_unplug(&stack);
                stack_done(&stack);
                stack_init_with_cache(&stack, SPEC, &write_back, &image, NULL);
                stack_connect(&stack, 0, /* is_structured= */ false);
                stack_sleep_ms(&stack, 100);
        }
        return remains;
}

static StackRemains copy_remains(const StackRemains *remains) {
        StackRemains copy = { .n = remains->n };

        for (size_t i = 0; i < copy.n; i++)
                copy.fds[i] = dup(remains->fds[i]);
        return copy;
}

static void succeed(const char *spec, const StackRemains *remains) {
        int image = dup(stack.image_fds[0]);

        stack_unplug(&stack);
        stack_done(&stack);
        stack_init_with_cache(&stack, spec, &write_back, &image, remains);
}

static void assert_that_all_lives_count(void) {
        uint8_t expected[4096];

        stack_connect(&stack, 0, /* is_structured= */ false);
        for (unsigned life = 0; life < LIVES; life++) {
                unsigned end = life + 1 < LIVES ? LIFE_STEP : LINES_PER_LIFE;

                for (unsigned i = 0; i < end; i++) {
                        stack_fill(expected, 4096, 1000 * (life + 1) + i);
                        ck_assert_int_eq(
                                        stack_read(&stack, 0, place_of(life, i), other, 4096, NULL),
                                        0);
                        ck_assert_mem_eq(other, expected, 4096);
                }
        }
}

START_TEST(more_remains_than_the_cache_holds_are_all_given_back) {
        StackRemains remains = make_lives();

        succeed(SPEC, &remains);
        ck_assert_int_eq(stack.brought_up_result, 0);
        ck_assert(stack.exports[0].is_open);
        ck_assert_uint_eq(stack.left_luns_at_open, 0);
        assert_that_all_lives_count();
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
}
END_TEST

/* Samples say that the medium has changed: by what the first successor wrote. */
START_TEST(a_successor_that_dies_making_room_leaves_all_to_the_next) {
        StackRemains remains = make_lives(), copy = copy_remains(&remains);
        int image = dup(stack.image_fds[0]);

        stack_unplug(&stack);
        stack_done(&stack);
        /* It goes after some writes. */
        stack_init_with_cache(&stack,
                              SPEC ",write-cache=no,faults=disconnect:command@opcode=2A+lba=1600",
                              &write_back, &image, &copy);
        ck_assert(!stack.exports[0].is_open);
        image = dup(stack.image_fds[0]);
        stack_done(&stack);
        stack_init_with_cache(&stack, SPEC, &write_back, &image, &remains);
        ck_assert(stack.exports[0].is_open);
        assert_that_all_lives_count();
}
END_TEST

START_TEST(a_disk_that_takes_no_writes_is_not_shown_without_its_data) {
        StackRemains remains = make_lives();

        succeed(SPEC ",faults=write-error@lba=0..32767*always", &remains);
        ck_assert_int_eq(stack.brought_up_result, 0);
        ck_assert(!stack.exports[0].is_open);
        stack_sleep_ms(&stack, 600000);
        ck_assert(!stack.exports[0].is_open);
        ck_assert_uint_eq(stack.left_luns, 1);

        simulated_device_clear_faults(stack.device);
        stack_sleep_ms(&stack, 600000);
        ck_assert(stack.exports[0].is_open);
        ck_assert_uint_eq(stack.left_luns, 0);
        assert_that_all_lives_count();
}
END_TEST

START_TEST(nothing_of_a_disk_stays_in_memory_after_a_stop) {
        uint8_t *bytes = malloc(4 * MIB);

        ck_assert_int_eq(stack_write(&stack, 0, 2 * MIB, data, 4096, 0), 0);
        stack_stop(&stack);
        ck_assert_int_eq(pread(stack.arena_fd, bytes, 4 * MIB, 0), 4 * MIB);
        ck_assert_ptr_null(memmem(bytes, 4 * MIB, data, 64));
        free(bytes);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_write_is_on_the_medium_after_a_flush,
                a_replug_keeps_connections_and_writes,
                what_the_device_had_not_synchronised_is_written_again,
                a_reset_loses_nothing,
                a_write_that_the_device_lost_later_is_written_again,
                it_may_come_back_at_another_speed,
                a_lun_that_a_glitch_hides_on_return_stays,
                requests_wait_while_the_device_is_away,
                new_clients_are_accepted_while_it_is_away,
                a_changed_medium_gets_nothing_of_it,
                a_bad_block_does_not_make_it_another_medium,
                a_medium_that_cannot_be_recognised_ends_the_worker,
                an_unplug_while_the_worker_ends_does_not_have_its_data_dropped,
                a_stop_while_the_worker_ends_does_not_have_its_data_dropped,
                a_stop_while_a_medium_is_looked_at_ends,
                another_device_gets_nothing_of_it,
                what_the_host_itself_wrote_is_no_change,
                a_device_that_stays_away_is_given_up_and_its_data_saved,
                nobody_waits_until_the_data_of_another_lun_is_saved,
                an_orphan_is_replayed_when_its_device_returns,
                a_successor_replays_what_a_dead_worker_had_acknowledged,
                what_can_not_be_saved_is_left_to_a_successor,
                remains_of_another_medium_are_left,
                a_stop_writes_everything,
                a_stop_tells_no_client_that_what_waits_has_failed,
                a_stop_waits_for_a_slow_device_as_long_as_it_gets_on,
                a_stop_ends_when_a_slow_device_takes_too_long,
                a_stop_has_saved_what_the_device_does_not_take,
                a_stop_ends_when_the_device_goes_meanwhile,
                all_remains_are_taken_in_before_the_first_client_comes,
                more_remains_than_the_cache_holds_are_all_given_back,
                a_successor_that_dies_making_room_leaves_all_to_the_next,
                a_disk_that_takes_no_writes_is_not_shown_without_its_data,
                nothing_of_a_disk_stays_in_memory_after_a_stop,
        };
        Suite *suite = suite_create("stack cache");
        TCase *tcase = tcase_create("stack cache");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, a_medium_that_returns_to_the_same_worker_gets_it, 0, 20);
        for (size_t i = 0; i < N_ELEMENTS(tests); i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
