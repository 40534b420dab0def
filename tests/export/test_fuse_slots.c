/*
 * What outlives a worker: its successor answers what had been received, and believes nothing of it. Kills
 * are those of a process whose memory stays as it is at that moment.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "fuse_fixture.h"
#include "unit_test.h"

#define PAGE_SIZE 4096
#define SLOT_SIZE (PAGE_SIZE + 1024 * 1024)
#define INIT_SIZE_OFFSET (16 + 1024)

static FuseFixture fixture;
static FuseReply reply;

static void expect(uint64_t unique, int error) {
        fuse_fixture_expect(&fixture, unique, error, &reply);
}

static void expect_no_reply(void) {
        fuse_fixture_run(&fixture);
        ck_assert(!fuse_kernel_receive(&fixture.kernel, &reply));
}

static void succeed(void) {
        fuse_fixture_kill(&fixture);
        fixture.memory->is_held = false;
        ck_assert_int_eq(fuse_fixture_start(&fixture), 0);
}

/* Has a request received, and nothing done with it. */
static void hold(void) { fixture.memory->is_held = true; }

static uint8_t *map_slots(void) {
        uint8_t *memory = mmap(NULL, FUSE_SESSION_SLOTS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                               fixture.slots_fd, 0);

        ck_assert_ptr_ne(memory, MAP_FAILED);
        return memory;
}

static uint32_t *get_armed(uint8_t *memory, unsigned i) {
        return (uint32_t *) (memory + PAGE_SIZE) + i;
}

static struct fuse_in_header *get_message(uint8_t *memory, unsigned i) {
        return (void *) (memory + 2 * PAGE_SIZE + i * (size_t) SLOT_SIZE + PAGE_SIZE - 80);
}

START_TEST(a_successor_answers_what_was_received) {
        uint64_t reads[3], write;
        unsigned n_reads = 0, n_writes = 0;

        fuse_fixture_begin(&fixture);
        hold();
        for (unsigned i = 0; i < 3; i++)
                reads[i] = fuse_kernel_send_read(&fixture.kernel, i * 4096, 4096);
        write = fuse_kernel_send_write(&fixture.kernel, 65536, 65536, 0x5a, 0);
        fuse_fixture_run(&fixture);
        ck_assert_uint_eq(fixture.memory->n_in_flight, 4);

        succeed();
        memset(fixture.memory->memory + 65536, 0, 65536);
        fuse_fixture_run(&fixture);
        while (fuse_kernel_receive(&fixture.kernel, &reply)) {
                ck_assert_int_eq(reply.header.error, 0);
                n_writes += reply.header.unique == write;
                for (unsigned i = 0; i < 3; i++)
                        if (reply.header.unique == reads[i]) {
                                n_reads++;
                                ck_assert_mem_eq(reply.body, fixture.memory->memory + i * 4096,
                                                 4096);
                        }
        }
        ck_assert_uint_eq(n_reads, 3);
        ck_assert_uint_eq(n_writes, 1);
        for (unsigned i = 0; i < 65536; i++)
                ck_assert_uint_eq(fixture.memory->memory[65536 + i], 0x5a);

        expect(fuse_kernel_send_read(&fixture.kernel, 0, 512), 0);
        fuse_fixture_tear_down(&fixture);
}
END_TEST

START_TEST(what_was_answered_is_not_answered_again) {
        fuse_fixture_begin(&fixture);
        expect(fuse_kernel_send_read(&fixture.kernel, 0, 512), 0);
        expect(fuse_kernel_send_write(&fixture.kernel, 0, 512, 1, 0), 0);
        succeed();
        expect_no_reply();
        expect(fuse_kernel_send_read(&fixture.kernel, 0, 512), 0);
        fuse_fixture_tear_down(&fixture);
}
END_TEST

START_TEST(nothing_new_is_received_before_all_that_is_answered) {
        uint64_t old, new;

        fuse_fixture_begin(&fixture);
        hold();
        old = fuse_kernel_send_write(&fixture.kernel, 0, 512, 1, 0);
        fuse_fixture_run(&fixture);
        fuse_fixture_kill(&fixture);
        hold();
        ck_assert_int_eq(fuse_fixture_start(&fixture), 0);
        new = fuse_kernel_send_write(&fixture.kernel, 0, 512, 2, 0);
        fuse_fixture_run(&fixture);
        ck_assert_uint_eq(fixture.memory->n_in_flight, 1);
        fixture.memory->is_held = false;
        memory_block_device_release(fixture.memory);
        expect(old, 0);
        expect(new, 0);
        ck_assert_uint_eq(fixture.memory->memory[0], 2);
        fuse_fixture_tear_down(&fixture);
}
END_TEST

START_TEST(a_worker_may_die_before_the_first_request) {
        fuse_fixture_set_up(&fixture);
        ck_assert_int_eq(fuse_fixture_start(&fixture), 0);
        fuse_fixture_run(&fixture);
        succeed();
        expect(fuse_kernel_send_init(&fixture.kernel), 0);
        expect(fuse_kernel_send_read(&fixture.kernel, 0, 512), 0);
        fuse_fixture_tear_down(&fixture);
}
END_TEST

START_TEST(an_init_that_may_not_have_been_answered_is_answered) {
        uint64_t unique;
        uint8_t *memory;

        fuse_fixture_set_up(&fixture);
        ck_assert_int_eq(fuse_fixture_start(&fixture), 0);
        unique = fuse_kernel_send_init(&fixture.kernel);
        fuse_fixture_run(&fixture);
        fuse_fixture_kill(&fixture);
        memory = map_slots();
        /* It died between the answer and the next look at the kernel, or a little earlier. */
        ck_assert_uint_eq(get_message(memory, 0)->opcode, FUSE_INIT);
        get_message(memory, 0)->len = sizeof(struct fuse_in_header) + sizeof(struct fuse_init_in);
        *get_armed(memory, 0) = 1;
        ck_assert_int_eq(fuse_fixture_start(&fixture), 0);
        expect(unique, 0);
        expect(fuse_kernel_send_read(&fixture.kernel, 0, 512), 0);
        munmap(memory, FUSE_SESSION_SLOTS_SIZE);
        fuse_fixture_tear_down(&fixture);
}
END_TEST

START_TEST(three_in_a_row_may_die) {
        uint64_t unique;

        fuse_fixture_begin(&fixture);
        hold();
        unique = fuse_kernel_send_read(&fixture.kernel, 0, 512);
        fuse_fixture_run(&fixture);
        for (unsigned i = 0; i < 3; i++) {
                fuse_fixture_kill(&fixture);
                hold();
                ck_assert_int_eq(fuse_fixture_start(&fixture), 0);
                fuse_fixture_run(&fixture);
                ck_assert_uint_eq(fixture.memory->n_in_flight, 1);
        }
        succeed();
        expect(unique, 0);
        expect_no_reply();
        fuse_fixture_tear_down(&fixture);
}
END_TEST

START_TEST(a_session_that_is_told_to_end_answers_what_was_left) {
        uint64_t unique;

        fuse_fixture_begin(&fixture);
        hold();
        unique = fuse_kernel_send_read(&fixture.kernel, 0, 512);
        fuse_fixture_run(&fixture);
        succeed();
        fuse_session_shut_down(fixture.session);
        expect(unique, 0);
        ck_assert_uint_eq(fixture.n_ended, 1);
        fuse_fixture_tear_down(&fixture);
}
END_TEST

START_TEST(what_a_failed_device_gives_back_is_left_to_a_successor) {
        uint64_t unfinished;

        fuse_fixture_begin(&fixture);
        hold();
        unfinished = fuse_kernel_send_write(&fixture.kernel, 0, 512, 1, 0);
        fuse_fixture_run(&fixture);
        fuse_session_leave(fixture.session);
        fixture.memory->error = -ESHUTDOWN;
        memory_block_device_release(fixture.memory);
        expect_no_reply();
        ck_assert_uint_eq(fixture.n_ended, 1);
        fixture.session = fuse_session_free(fixture.session);
        fixture.n_ended = 0;
        fixture.memory->error = 0;

        ck_assert_int_eq(fuse_fixture_start(&fixture), 0);
        expect(unfinished, 0);
        expect_no_reply();
        ck_assert_uint_eq(fixture.memory->memory[511], 1);
        fuse_fixture_tear_down(&fixture);
}
END_TEST

START_TEST(the_slots_of_another_medium_are_refused) {
        fuse_fixture_begin(&fixture);
        fuse_fixture_kill(&fixture);
        fixture.options.identity = "card";
        ck_assert_int_eq(fuse_fixture_start(&fixture), -ESTALE);
        fixture.options.identity_size = 4;
        ck_assert_int_eq(fuse_fixture_start(&fixture), -ESTALE);
        fuse_fixture_tear_down(&fixture);
}
END_TEST

START_TEST(memory_of_another_size_is_refused) {
        fuse_fixture_begin(&fixture);
        fuse_fixture_kill(&fixture);
        ck_assert_int_eq(ftruncate(fixture.slots_fd, 4096), 0);
        ck_assert_int_eq(fuse_fixture_start(&fixture), -EBADMSG);
        fuse_fixture_tear_down(&fixture);
}
END_TEST

START_TEST(without_what_was_negotiated_the_session_ends) {
        static const uint32_t sizes[] = { 1, 55, 100000, UINT32_MAX };

        for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
                uint8_t *memory;

                fuse_fixture_begin(&fixture);
                fuse_fixture_kill(&fixture);
                memory = map_slots();
                ck_assert_uint_gt(*(uint32_t *) (memory + INIT_SIZE_OFFSET), 0);
                *(uint32_t *) (memory + INIT_SIZE_OFFSET) = sizes[i];
                if (sizes[i] < 100) /* and what it says of itself */
                        *(uint32_t *) (memory + INIT_SIZE_OFFSET + 8) = sizes[i];
                ck_assert_int_eq(fuse_fixture_start(&fixture), 0);
                fuse_fixture_run(&fixture);
                ck_assert_uint_eq(fixture.n_ended, 1);
                ck_assert_int_eq(fixture.error, -EBADMSG);
                munmap(memory, FUSE_SESSION_SLOTS_SIZE);
                fuse_fixture_tear_down(&fixture);
        }
}
END_TEST

static void put_message(uint8_t *memory, unsigned slot, uint32_t opcode, uint32_t size,
                        uint64_t nodeid) {
        *get_message(memory, slot) = (struct fuse_in_header){
                .len = size,
                .opcode = opcode,
                .unique = 1000 + slot,
                .nodeid = nodeid,
        };
        *get_armed(memory, slot) = 1;
}

/* None of them reads or writes where it must not, and all that can be answered is. */
START_TEST(what_a_hostile_predecessor_left_does_no_harm) {
        struct fuse_write_in *write;
        struct fuse_read_in *read;
        uint8_t *memory;
        unsigned n = 0;

        fuse_fixture_begin(&fixture);
        fuse_fixture_kill(&fixture);
        memory = map_slots();
        put_message(memory, 0, FUSE_WRITE, 80 + 512, FUSE_ROOT_ID);
        write = (void *) (get_message(memory, 0) + 1);
        *write = (struct fuse_write_in){ .size = UINT32_MAX };
        put_message(memory, 1, FUSE_WRITE, UINT32_MAX, FUSE_ROOT_ID); /* dropped: no such size */
        put_message(memory, 2, FUSE_WRITE, 80 + 1024 * 1024, FUSE_ROOT_ID);
        write = (void *) (get_message(memory, 2) + 1);
        *write = (struct fuse_write_in){ .size = 1024 * 1024, .offset = UINT64_MAX };
        put_message(memory, 3, FUSE_READ, 40 + sizeof(*read), FUSE_ROOT_ID);
        read = (void *) (get_message(memory, 3) + 1);
        *read = (struct fuse_read_in){ .size = UINT32_MAX };
        put_message(memory, 4, FUSE_GETATTR, 56, 12345);
        put_message(memory, 5, UINT32_MAX, 40, FUSE_ROOT_ID);
        put_message(memory, 6, FUSE_LOOKUP, 40, FUSE_ROOT_ID); /* a name without an end */
        put_message(memory, 7, FUSE_BATCH_FORGET, 44, 0);      /* dropped */
        put_message(memory, 8, FUSE_INIT, 56, 0);              /* of version 0 */
        put_message(memory, 9, FUSE_READ, 8, FUSE_ROOT_ID);    /* dropped */
        ck_assert_int_eq(fuse_fixture_start(&fixture), 0);
        fuse_fixture_run(&fixture);
        while (fuse_kernel_receive(&fixture.kernel, &reply)) {
                n++;
                ck_assert_int_lt(reply.header.error, 0);
        }
        ck_assert_uint_eq(n, 7);
        ck_assert_uint_eq(fixture.memory->n_submitted[BLOCK_OPERATION_WRITE], 0);
        expect(fuse_kernel_send_read(&fixture.kernel, 0, 512), 0);
        munmap(memory, FUSE_SESSION_SLOTS_SIZE);
        fuse_fixture_tear_down(&fixture);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("fuse_slots");
        TCase *tcase = tcase_create("fuse_slots");

        tcase_add_test(tcase, a_successor_answers_what_was_received);
        tcase_add_test(tcase, what_was_answered_is_not_answered_again);
        tcase_add_test(tcase, nothing_new_is_received_before_all_that_is_answered);
        tcase_add_test(tcase, a_worker_may_die_before_the_first_request);
        tcase_add_test(tcase, an_init_that_may_not_have_been_answered_is_answered);
        tcase_add_test(tcase, three_in_a_row_may_die);
        tcase_add_test(tcase, a_session_that_is_told_to_end_answers_what_was_left);
        tcase_add_test(tcase, what_a_failed_device_gives_back_is_left_to_a_successor);
        tcase_add_test(tcase, the_slots_of_another_medium_are_refused);
        tcase_add_test(tcase, memory_of_another_size_is_refused);
        tcase_add_test(tcase, without_what_was_negotiated_the_session_ends);
        tcase_add_test(tcase, what_a_hostile_predecessor_left_does_no_harm);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
