/* What adds up, what does not, and the names. */

#include <errno.h>

#include "base/macros.h"
#include "base/storage_stats.h"
#include "unit_test.h"

static const struct {
        int error;
        StorageError kind;
} error_cases[] = {
        { -EIO, STORAGE_ERROR_IO },
        { -ETIMEDOUT, STORAGE_ERROR_TIMED_OUT },
        { -EPERM, STORAGE_ERROR_READ_ONLY },
        { -ENOSPC, STORAGE_ERROR_NO_SPACE },
        { -EOPNOTSUPP, STORAGE_ERROR_UNSUPPORTED },
        { -ENOMEM, STORAGE_ERROR_NO_MEMORY },
        { -EBUSY, STORAGE_ERROR_NO_MEMORY },
        { -ESHUTDOWN, STORAGE_ERROR_GONE },
        { -ECANCELED, STORAGE_ERROR_CANCELLED },
        { -EDOM, STORAGE_ERROR_OTHER },
};

START_TEST(each_error_is_of_a_kind) {
        ck_assert_int_eq(storage_error_from_errno(error_cases[_i].error), error_cases[_i].kind);
}
END_TEST

static StorageStats one_lun(void) {
        StorageStats stats = {
                .n_in_flight = 2,
                .n_in_flight_max = 5,
                .busy_ns = 10,
                .weighted_ns = 20,
                .n_retries = 1,
                .n_timeouts = 2,
                .parked_ns = 100,
                .transfer_size = 65536,
                .transfer_limit = STORAGE_TRANSFER_LIMIT_ERRORS,
                .is_read_only_by_errors = true,
                .cache = { .n_hits = 3, .dirty_size = 4096 },
        };

        stats.operations[STORAGE_OPERATION_READ] =
                        (StorageOperationStats){ .n = 7, .n_errors = 1, .size = 512 };
        stats.n_errors[STORAGE_ERROR_IO] = 1;
        stats.n_check_conditions[3] = 4;
        return stats;
}

START_TEST(the_luns_of_a_device_add_up_to_it) {
        StorageStats sum = {}, lun = one_lun();

        storage_stats_add(&sum, &lun);
        lun.transfer_size = 1 << 20;
        lun.transfer_limit = STORAGE_TRANSFER_LIMIT_BUS;
        lun.parked_ns = 90;
        lun.is_read_only_by_errors = false;
        storage_stats_add(&sum, &lun);
        ck_assert_uint_eq(sum.operations[STORAGE_OPERATION_READ].n, 14);
        ck_assert_uint_eq(sum.operations[STORAGE_OPERATION_READ].n_errors, 2);
        ck_assert_uint_eq(sum.operations[STORAGE_OPERATION_READ].size, 1024);
        ck_assert_uint_eq(sum.n_errors[STORAGE_ERROR_IO], 2);
        ck_assert_uint_eq(sum.n_check_conditions[3], 8);
        ck_assert_uint_eq(sum.n_in_flight, 4);
        ck_assert_uint_eq(sum.n_in_flight_max, 5);
        ck_assert_uint_eq(sum.busy_ns, 20);
        ck_assert_uint_eq(sum.weighted_ns, 40);
        ck_assert_uint_eq(sum.cache.n_hits, 6);
        ck_assert_uint_eq(sum.cache.dirty_size, 8192);
        /* They were parked together. */
        ck_assert_uint_eq(sum.parked_ns, 100);
        ck_assert_uint_eq(sum.transfer_size, 65536);
        ck_assert_uint_eq(sum.transfer_limit, STORAGE_TRANSFER_LIMIT_ERRORS);
        ck_assert(sum.is_read_only_by_errors);
}
END_TEST

START_TEST(of_an_earlier_time_only_counters_are_left) {
        StorageStats sum = {}, lun = one_lun();

        storage_stats_add_counters(&sum, &lun);
        storage_stats_add_counters(&sum, &lun);
        ck_assert_uint_eq(sum.operations[STORAGE_OPERATION_READ].n, 14);
        ck_assert_uint_eq(sum.parked_ns, 200);
        ck_assert_uint_eq(sum.n_in_flight, 0);
        ck_assert_uint_eq(sum.cache.dirty_size, 0);
        ck_assert_uint_eq(sum.transfer_size, 0);
        ck_assert(!sum.is_read_only_by_errors);
}
END_TEST

#define CHECK_NAMES(Type, max, to_string)     \
        for (int i = 0; i < (int) (max); i++) \
                for (int j = 0; j < i; j++)   \
        ck_assert_str_ne(to_string((Type) i), to_string((Type) j))

START_TEST(everything_has_a_name_of_its_own) {
        CHECK_NAMES(StorageOperation, _STORAGE_OPERATION_MAX, storage_operation_to_string);
        CHECK_NAMES(StorageError, _STORAGE_ERROR_MAX, storage_error_to_string);
        CHECK_NAMES(StorageLayer, _STORAGE_LAYER_MAX, storage_layer_to_string);
        CHECK_NAMES(StorageReset, _STORAGE_RESET_MAX, storage_reset_to_string);
        CHECK_NAMES(StorageTransport, _STORAGE_TRANSPORT_MAX, storage_transport_to_string);
        CHECK_NAMES(StorageTransferLimit, _STORAGE_TRANSFER_LIMIT_MAX,
                    storage_transfer_limit_to_string);
        CHECK_NAMES(StorageCacheMode, _STORAGE_CACHE_MODE_MAX, storage_cache_mode_to_string);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("storage_stats");
        TCase *tcase = tcase_create("storage_stats");

        tcase_add_loop_test(tcase, each_error_is_of_a_kind, 0, (int) N_ELEMENTS(error_cases));
        tcase_add_test(tcase, the_luns_of_a_device_add_up_to_it);
        tcase_add_test(tcase, of_an_earlier_time_only_counters_are_left);
        tcase_add_test(tcase, everything_has_a_name_of_its_own);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
