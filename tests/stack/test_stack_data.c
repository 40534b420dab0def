/*
 * Data through the whole stack: every block size, every alignment, several LUNs, and what FLUSH and
 * FUA promise about a device that loses its cache.
 */

#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/random.h"
#include "stack.h"

#define MODEL_SIZE (4 * MIB)
#define STEPS 300
#define REQUEST_SIZE_MAX (300 * KIB)

static const char *const specs[] = {
        "size=4M,block-size=512",
        "size=4M,block-size=1024,speed=high",
        "size=4M,block-size=2048",
        "size=4M,block-size=4096",
        "size=4M,block-size=512,physical-block-size=4096,write-cache=no",
        "size=4M,block-size=4096,link=ideal",
        "size=4M,unmap=no,speed=full",
        "size=4M,pipelining=no,short-data=pad",
};

typedef struct Model {
        Stack stack;
        Random random;
        uint8_t *bytes;  /* owned: what the export must hold */
        uint8_t *buffer; /* owned */
} Model;

static void model_init(Model *model, const char *spec, uint64_t seed) {
        *model = (Model){ .bytes = calloc(1, MODEL_SIZE), .buffer = malloc(MODEL_SIZE) };
        random_init(&model->random, seed);
        stack_init(&model->stack, spec);
        ck_assert_uint_eq(model->stack.exports[0].info.size, MODEL_SIZE);
        stack_connect(&model->stack, 0, /* is_structured= */ true);
}

static void model_done(Model *model) {
        stack_done(&model->stack);
        free(model->bytes);
        free(model->buffer);
}

static void model_write(Model *model, uint64_t offset, uint32_t size) {
        stack_fill(model->buffer, size, random_u64(&model->random));
        ck_assert_int_eq(stack_write(&model->stack, 0, offset, model->buffer, size,
                                     random_one_in(&model->random, 4) ? NBD_CMD_FLAG_FUA : 0),
                         0);
        memcpy(model->bytes + offset, model->buffer, size);
}

static void model_read(Model *model, uint64_t offset, uint32_t size) {
        ck_assert_int_eq(stack_read(&model->stack, 0, offset, model->buffer, size, NULL), 0);
        ck_assert_mem_eq(model->buffer, model->bytes + offset, size);
}

static void model_zero(Model *model, uint64_t offset, uint32_t size) {
        ck_assert_int_eq(stack_command(&model->stack, 0, NBD_CMD_WRITE_ZEROES,
                                       random_one_in(&model->random, 2) ? NBD_CMD_FLAG_NO_HOLE : 0,
                                       offset, size),
                         0);
        memset(model->bytes + offset, 0, size);
}

static void model_step(Model *model) {
        uint32_t size = 1 + (uint32_t) random_below(&model->random, REQUEST_SIZE_MAX);
        uint64_t offset = random_below(&model->random, MODEL_SIZE - size);

        if (random_one_in(&model->random, 3)) {
                offset = ALIGN_DOWN(offset, 4096);
                size = (uint32_t) MAX(ALIGN_DOWN(size, 4096), 4096U);
        }
        switch (random_below(&model->random, 5)) {
        case 0:
        case 1:
                model_write(model, offset, size);
                return;
        case 2:
                model_zero(model, offset, size);
                return;
        default:
                model_read(model, offset, size);
        }
}

START_TEST(what_was_written_at_any_alignment_is_read) {
        Model model;

        model_init(&model, specs[_i], 1000 + (uint64_t) _i);
        for (unsigned i = 0; i < STEPS; i++)
                model_step(&model);
        model_read(&model, 0, MODEL_SIZE);

        ck_assert_int_eq(stack_command(&model.stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert_int_eq(simulated_device_read_medium(model.stack.device, 0, /* is_stable= */ true,
                                                      0, model.buffer, MODEL_SIZE),
                         0);
        ck_assert_mem_eq(model.buffer, model.bytes, MODEL_SIZE);
        model_done(&model);
}
END_TEST

static void medium_has(Model *model, const void *expected, uint64_t offset, size_t size) {
        ck_assert_int_eq(simulated_device_read_medium(model->stack.device, 0, /* is_stable= */ true,
                                                      offset, model->buffer, size),
                         0);
        ck_assert_mem_eq(model->buffer, expected, size);
}

START_TEST(write_with_fua_is_on_the_medium_when_it_completes) {
        uint8_t data[8192];
        Model model;

        model_init(&model, "size=4M", 1);
        stack_fill(data, sizeof(data), 7);
        ck_assert_int_eq(stack_write(&model.stack, 0, 12288, data, sizeof(data), NBD_CMD_FLAG_FUA),
                         0);
        medium_has(&model, data, 12288, sizeof(data));
        model_done(&model);
}
END_TEST

START_TEST(unaligned_write_with_fua_is_on_the_medium_when_it_completes) {
        uint8_t data[1000];
        Model model;

        model_init(&model, "size=4M,block-size=4096", 1);
        stack_fill(data, sizeof(data), 7);
        ck_assert_int_eq(stack_write(&model.stack, 0, 4000, data, sizeof(data), NBD_CMD_FLAG_FUA),
                         0);
        medium_has(&model, data, 4000, sizeof(data));
        model_done(&model);
}
END_TEST

START_TEST(flush_puts_completed_writes_on_the_medium) {
        uint8_t data[4096], zeroes[4096] = {};
        Model model;

        model_init(&model, "size=4M", 1);
        stack_fill(data, sizeof(data), 8);
        ck_assert_int_eq(stack_write(&model.stack, 0, 0, data, sizeof(data), 0), 0);
        /* Otherwise this would prove nothing. */
        medium_has(&model, zeroes, 0, sizeof(zeroes));
        ck_assert_int_eq(stack_command(&model.stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        medium_has(&model, data, 0, sizeof(data));
        model_done(&model);
}
END_TEST

START_TEST(stop_flushes) {
        uint8_t data[4096];
        Model model;

        model_init(&model, "size=4M", 1);
        stack_fill(data, sizeof(data), 9);
        ck_assert_int_eq(stack_write(&model.stack, 0, 8192, data, sizeof(data), 0), 0);
        stack_stop(&model.stack);
        ck_assert_int_eq(model.stack.stopped_result, 0);
        medium_has(&model, data, 8192, sizeof(data));
        model_done(&model);
}
END_TEST

START_TEST(sixteen_luns_are_sixteen_disks) {
        uint8_t data[4096], read[4096];
        Stack stack;

        stack_init(&stack, "size=1M,luns=16");
        for (unsigned lun = 0; lun < 16; lun++) {
                ck_assert(stack.exports[lun].is_open);
                stack_connect(&stack, lun, /* is_structured= */ false);
                stack_fill(data, sizeof(data), lun);
                ck_assert_int_eq(stack_write(&stack, lun, 512, data, sizeof(data), 0), 0);
        }
        for (unsigned lun = 0; lun < 16; lun++) {
                stack_fill(data, sizeof(data), lun);
                ck_assert_int_eq(stack_read(&stack, lun, 512, read, sizeof(read), NULL), 0);
                ck_assert_mem_eq(read, data, sizeof(read));
        }
        stack_done(&stack);
}
END_TEST

START_TEST(write_protected_disk_is_exported_read_only) {
        uint8_t data[512] = { 1 };
        Stack stack;

        stack_init(&stack, "size=1M,read-only");
        ck_assert(stack.exports[0].info.transmission_flags & NBD_FLAG_READ_ONLY);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_write(&stack, 0, 0, data, sizeof(data), 0), NBD_EPERM);
        ck_assert_int_eq(stack_read(&stack, 0, 0, data, sizeof(data), NULL), 0);
        ck_assert_uint_eq(data[0], 0);
        stack_done(&stack);
}
END_TEST

START_TEST(changed_medium_gets_a_new_export) {
        uint8_t data[512];
        Stack stack;
        int r;

        stack_init(&stack, "size=1M,removable");
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, 0, data, sizeof(data), NULL), 0);
        ck_assert_int_eq(simulated_device_change_medium(stack.device, 0, 2 * MIB), 0);

        r = stack_read(&stack, 0, 0, data, sizeof(data), NULL);
        ck_assert_int_ne(r, 0);
        stack_sleep_ms(&stack, 60000);
        ck_assert_int_lt(stack.clients[0].fd, 0);
        ck_assert(stack.exports[0].is_open);
        ck_assert_uint_eq(stack.exports[0].n_opened, 2);
        ck_assert_uint_eq(stack.exports[0].info.size, 2 * MIB);

        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, 0, data, sizeof(data), NULL), 0);
        stack_done(&stack);
}
END_TEST

/* UNIT ATTENTION 28h: not ready to ready, medium may have changed. */
START_TEST(removable_disk_that_became_ready_is_looked_at_again) {
        uint8_t data[512];
        Stack stack;

        stack_init(&stack, "size=1M,luns=2,removable");
        stack_connect(&stack, 1, /* is_structured= */ false);
        /* Till it is locked: that is not to be told first. */
        stack_sleep_ms(&stack, 100);
        stack_add_faults(&stack, "unit-attention:28/00@lun=1");
        ck_assert_int_ne(stack_read(&stack, 1, 0, data, sizeof(data), NULL), 0);
        stack_sleep_ms(&stack, 1000);
        ck_assert_uint_eq(stack.exports[0].n_opened, 1);
        ck_assert_uint_eq(stack.exports[1].n_opened, 2);
        ck_assert(stack.exports[1].is_open);
        ck_assert_int_lt(stack.clients[1].fd, 0);
        /* The other LUN has it to tell as well, to the next poll. */
        stack_sleep_ms(&stack, 60000);
        ck_assert_uint_eq(stack.exports[0].n_opened, 2);
        ck_assert_uint_eq(stack.exports[1].n_opened, 2);
        stack_done(&stack);
}
END_TEST

START_TEST(fixed_disk_that_became_ready_keeps_its_export) {
        uint8_t data[512];
        Stack stack;

        stack_init(&stack, "size=1M,luns=2");
        stack_connect(&stack, 1, /* is_structured= */ false);
        stack_add_faults(&stack, "unit-attention:28/00@lun=1");
        ck_assert_int_eq(stack_read(&stack, 1, 0, data, sizeof(data), NULL), 0);
        stack_sleep_ms(&stack, 60000);
        ck_assert_uint_eq(stack.exports[1].n_opened, 1);
        ck_assert(stack.exports[1].is_open);
        ck_assert_int_ge(stack.clients[1].fd, 0);
        stack_done(&stack);
}
END_TEST

START_TEST(client_of_an_earlier_export_is_refused) {
        Stack stack;

        stack_init(&stack, "size=1M");
        ck_assert_int_eq(storage_manager_add_client(stack.storage, 0,
                                                    stack.exports[0].generation + 1, -EBADF,
                                                    &(NbdAgreement){}),
                         -ESTALE);
        ck_assert_int_eq(
                        storage_manager_add_client(stack.storage, 15, 1, -EBADF, &(NbdAgreement){}),
                        -ESTALE);
        stack_done(&stack);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stack data");
        TCase *tcase = tcase_create("data");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_loop_test(tcase, what_was_written_at_any_alignment_is_read, 0, N_ELEMENTS(specs));
        tcase_add_test(tcase, write_with_fua_is_on_the_medium_when_it_completes);
        tcase_add_test(tcase, unaligned_write_with_fua_is_on_the_medium_when_it_completes);
        tcase_add_test(tcase, flush_puts_completed_writes_on_the_medium);
        tcase_add_test(tcase, stop_flushes);
        tcase_add_test(tcase, sixteen_luns_are_sixteen_disks);
        tcase_add_test(tcase, write_protected_disk_is_exported_read_only);
        tcase_add_test(tcase, changed_medium_gets_a_new_export);
        tcase_add_test(tcase, removable_disk_that_became_ready_is_looked_at_again);
        tcase_add_test(tcase, fixed_disk_that_became_ready_keeps_its_export);
        tcase_add_test(tcase, client_of_an_earlier_export_is_refused);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
