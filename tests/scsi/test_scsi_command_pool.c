/* Commands that are done with are kept for the next, as many as were asked for. */

#include "scsi/scsi_command_pool.h"
#include "unit_test.h"

#define N_COMMANDS 4

static ScsiCommandPool *pool;
static ScsiCommand *commands[N_COMMANDS];

static void get_all(void) {
        for (size_t i = 0; i < N_COMMANDS; i++)
                ck_assert_ptr_nonnull(commands[i] = scsi_command_pool_get(pool));
}

static void put_all(void) {
        for (size_t i = 0; i < N_COMMANDS; i++)
                scsi_command_pool_put(pool, commands[i]);
}

START_TEST(as_many_as_are_kept_are_used_again) {
        size_t n_kept = (size_t) _i;
        const ScsiCommandPoolStatistics *statistics;

        ck_assert_int_eq(scsi_command_pool_new(&pool, n_kept), 0);
        statistics = scsi_command_pool_get_statistics(pool);
        get_all();
        ck_assert_uint_eq(statistics->n_hits, 0);
        ck_assert_uint_eq(statistics->n_misses, N_COMMANDS);
        put_all();
        get_all();
        ck_assert_uint_eq(statistics->n_hits, MIN(n_kept, (size_t) N_COMMANDS));
        ck_assert_uint_eq(statistics->n_misses, 2 * N_COMMANDS - statistics->n_hits);
        put_all();
        ck_assert_ptr_null(scsi_command_pool_free(pool));
}
END_TEST

START_TEST(the_one_used_last_is_taken_first) {
        ck_assert_int_eq(scsi_command_pool_new(&pool, N_COMMANDS), 0);
        get_all();
        put_all();
        ck_assert_ptr_eq(scsi_command_pool_get(pool), commands[N_COMMANDS - 1]);
        scsi_command_pool_put(pool, commands[N_COMMANDS - 1]);
        scsi_command_pool_free(pool);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("scsi_command_pool");
        TCase *tcase = tcase_create("scsi_command_pool");

        tcase_add_loop_test(tcase, as_many_as_are_kept_are_used_again, 0, N_COMMANDS + 2);
        tcase_add_test(tcase, the_one_used_last_is_taken_first);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
