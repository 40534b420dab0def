/* Heap staging: alignment and room for every size. */

#include <string.h>

#include "base/macros.h"
#include "base/staging.h"
#include "unit_test.h"

static const size_t sizes[] = { 0, 1, 512, 4095, 4096, 4097, 1 << 20 };

START_TEST(memory_is_page_aligned_and_as_large_as_asked) {
        Staging *staging = staging_heap();
        void *memory;

        memory = staging_get(staging, sizes[_i]);
        ck_assert_ptr_nonnull(memory);
        ck_assert_uint_eq((uintptr_t) memory % 4096, 0);
        memset(memory, 0x5a, sizes[_i]);
        staging_put(staging, memory, sizes[_i]);
}
END_TEST

START_TEST(an_impossible_size_is_refused) {
        ck_assert_ptr_null(staging_get(staging_heap(), SIZE_MAX));
        staging_put(staging_heap(), NULL, SIZE_MAX);
}
END_TEST

int main(void) {
        const TTest *const tests[] = { an_impossible_size_is_refused, NULL };
        Suite *suite = suite_of("staging", tests);
        TCase *table = tcase_create("sizes");

        tcase_add_loop_test(table, memory_is_page_aligned_and_as_large_as_asked, 0,
                            N_ELEMENTS(sizes));
        suite_add_tcase(suite, table);
        return run_suite(suite);
}
