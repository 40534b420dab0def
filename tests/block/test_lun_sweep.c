/*
 * One script of requests in which the n-th command, or the n-th piece of memory, fails, for n = 1,
 * 2, ... until nothing fails any more. Whatever fails, each request ends once, successes are true,
 * and the next run of the script succeeds.
 */

#include <errno.h>
#include <string.h>

#include "lun_fixture.h"
#include "unit_test.h"

#define N_STEPS_MAX 200
#define N_REQUESTS 8

typedef struct CountingStaging {
        Staging staging;
        unsigned n_until_failure; /* 0: never */
        size_t n_taken;
} CountingStaging;

static LunFixture fixture;
static CountingStaging staging;
static uint8_t buffers[N_REQUESTS][200 * KIB];
static BlockExtent extents[4];

static void *counting_get(Staging *base, size_t size) {
        CountingStaging *self = container_of(base, CountingStaging, staging);

        if (self->n_until_failure > 0 && --self->n_until_failure == 0)
                return NULL;
        self->n_taken++;
        return staging_get(staging_heap(), size);
}

static void counting_put(Staging *base, void *memory, size_t size) {
        CountingStaging *self = container_of(base, CountingStaging, staging);

        self->n_taken--;
        staging_put(staging_heap(), memory, size);
}

static void set_up(void) {
        static const StagingOps ops = { .get = counting_get, .put = counting_put };

        lun_fixture_set_up(&fixture, 512);
        staging = (CountingStaging){ .staging.ops = &ops };
        fixture.ram.target.staging = &staging.staging;
        fixture.ram.target.n_in_flight_max = 4;
        fixture.ram.disk.has_fua = false;
        fixture.ram.disk.can_write_same_16 = fixture.ram.disk.can_write_same_unmap = false;
        lun_fixture_start(&fixture);
}

static void tear_down(void) {
        lun_fixture_tear_down(&fixture);
        ck_assert_uint_eq(staging.n_taken, 0);
}

/* Requests that do not overlap in bytes: odd and even reads and writes, zeroes, and the rest. */
static void submit_script(void) {
        static const struct {
                BlockOperation operation;
                BlockRequestFlags flags;
                uint64_t offset, size;
        } script[N_REQUESTS] = {
                { BLOCK_OPERATION_READ, 0, 0, 4096 },
                { BLOCK_OPERATION_READ, 0, 5, 150 * KIB },
                { BLOCK_OPERATION_WRITE, BLOCK_REQUEST_FUA, 200 * KIB + 1, 100 },
                { BLOCK_OPERATION_WRITE, 0, 200 * KIB + 101, 150 * KIB },
                { BLOCK_OPERATION_WRITE_ZEROES, BLOCK_REQUEST_FUA, 400 * KIB + 3, 150 * KIB },
                { BLOCK_OPERATION_TRIM, 0, 600 * KIB, 8 * KIB },
                { BLOCK_OPERATION_STATUS, 0, 600 * KIB, 64 * KIB },
                { BLOCK_OPERATION_FLUSH, 0, 0, 0 },
        };

        fixture.n_requests = 0;
        fixture.ram.n_commands = 0;
        for (size_t i = 0; i < N_REQUESTS; i++) {
                FixtureRequest *request;

                if (script[i].operation == BLOCK_OPERATION_WRITE)
                        memset(buffers[i], 0xC0 + (int) i, script[i].size);
                request = lun_fixture_prepare(&fixture, script[i].operation, script[i].flags,
                                              script[i].offset, script[i].size, buffers[i]);
                request->block.extents = extents;
                request->block.n_extents_max = N_ELEMENTS(extents);
                ck_assert_int_eq(lun_fixture_try_submit(&fixture, request), 0);
        }
        lun_fixture_run(&fixture);
}

/* Returns how many failed. */
static unsigned check_script(void) {
        static const uint8_t zeroes[150 * KIB];
        unsigned n_failed = 0;

        for (size_t i = 0; i < N_REQUESTS; i++) {
                const BlockRequest *block = &fixture.requests[i].block;
                const uint8_t *bytes = fixture.ram.memory + block->offset;

                ck_assert(fixture.requests[i].is_done);
                if (block->error < 0) {
                        n_failed++;
                        continue;
                }
                if (block->operation == BLOCK_OPERATION_READ ||
                    block->operation == BLOCK_OPERATION_WRITE)
                        ck_assert_mem_eq(buffers[i], bytes, block->size);
                if (block->operation == BLOCK_OPERATION_WRITE_ZEROES)
                        ck_assert_mem_eq(bytes, zeroes, block->size);
                if (block->operation == BLOCK_OPERATION_STATUS)
                        ck_assert_uint_gt(block->n_extents, 0);
        }
        return n_failed;
}

static void run_again(void) {
        submit_script();
        ck_assert_uint_eq(check_script(), 0);
}

START_TEST(the_nth_command_may_fail_in_any_way) {
        static const RamFault faults[] = {
                { .result = SCSI_RESULT_TRANSPORT_ERROR },
                { .result = SCSI_RESULT_TIMED_OUT },
                { .result = SCSI_RESULT_NO_MEMORY },
                { .result = SCSI_RESULT_BUSY },
                { .result = SCSI_RESULT_GOOD, .actual_size = 1 },
                { .result = SCSI_RESULT_CHECK_CONDITION,
                  .sense = { .key = SCSI_SENSE_KEY_MEDIUM_ERROR,
                             .has_information = true,
                             .information = 7 } },
                { .result = SCSI_RESULT_CHECK_CONDITION,
                  .sense = { .key = SCSI_SENSE_KEY_ILLEGAL_REQUEST, .asc = 0x20 } },
        };
        RamFault fault = faults[_i];
        unsigned n;

        for (n = 0; n < N_STEPS_MAX; n++) {
                fault.opcode = -1;
                fault.skip = n;
                ram_target_add_fault(&fixture.ram, fault);
                submit_script();
                (void) check_script();
                if (fixture.ram.n_faults > 0)
                        break;
                /* Until what was bad is no longer remembered. */
                lun_fixture_run_for(&fixture, 130 * NS_PER_S);
                run_again();
        }
        ck_assert_uint_gt(n, 10);
        ck_assert_uint_lt(n, N_STEPS_MAX);
        fixture.ram.n_faults = 0;
}
END_TEST

START_TEST(the_nth_piece_of_memory_may_be_missing) {
        unsigned n;

        for (n = 1; n < N_STEPS_MAX; n++) {
                staging.n_until_failure = n;
                submit_script();
                ck_assert_uint_le(check_script(), 1);
                if (staging.n_until_failure > 0)
                        break;
                for (size_t i = 0; i < N_REQUESTS; i++)
                        ck_assert(fixture.requests[i].block.error == 0 ||
                                  fixture.requests[i].block.error == -ENOMEM);
                run_again();
        }
        ck_assert_uint_gt(n, 5);
        ck_assert_uint_lt(n, N_STEPS_MAX);
        staging.n_until_failure = 0;
}
END_TEST

int main(void) {
        Suite *suite = suite_create("lun_sweep");
        TCase *tcase = tcase_create("lun_sweep");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, the_nth_command_may_fail_in_any_way, 0, 7);
        tcase_add_test(tcase, the_nth_piece_of_memory_may_be_missing);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
