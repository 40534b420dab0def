#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "cache/cache_arena.h"
#include "cache/cache_remains.h"
#include "unit_test.h"

#define ARENA_SIZE (2 * MIB)
#define LINE_SIZE (64 * KIB)
#define BLOCK_SIZE 512

static int fd;
static CacheArena *arena;
static const CacheIdentity identity = { .block_size = BLOCK_SIZE, .n_blocks = 1000000 };

static void set_up(void) {
        fd = memfd_create("arena", MFD_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, ARENA_SIZE), 0);
        ck_assert_int_eq(cache_arena_new(&arena, fd, LINE_SIZE), 0);
        cache_arena_set_identity(arena, 3, &identity);
}

static void tear_down(void) {
        arena = cache_arena_free(arena);
        fd = fd_close(fd);
}

static uint8_t pattern[LINE_SIZE];

/* The only remnant of LUN 3; its data as the successor sees it is copied to `ret_data`. */
static CacheRemnant read_remnant(uint8_t *ret_data) {
        _cleanup_(cache_remains_freep) CacheRemains *remains = NULL;
        CacheRemnant remnant, other;
        uint32_t cursor = 0;

        ck_assert_int_eq(cache_remains_new(&remains, fd, "test"), 0);
        ck_assert_uint_eq(cache_remains_get_n_senseless(remains), 0);
        ck_assert(cache_remains_next(remains, 3, &cursor, &remnant));
        ck_assert(!cache_remains_next(remains, 3, &cursor, &other));
        memcpy(ret_data, remnant.data, LINE_SIZE);
        return remnant;
}

START_TEST(what_is_kept_is_found) {
        uint8_t data[LINE_SIZE];
        CacheRemnant remnant;

        memset(pattern, 7, sizeof(pattern));
        cache_arena_claim(arena, 2, 3, 5, BLOCK_SIZE);
        cache_arena_store(arena, 2, 4000, pattern, 200, /* is_kept= */ true, false);
        remnant = read_remnant(data);
        ck_assert_uint_eq(remnant.offset, 5 * LINE_SIZE);
        ck_assert(cache_bits_is_empty(remnant.lost));
        ck_assert_uint_eq(cache_bits_count(remnant.kept), 2);
        ck_assert(cache_bits_contain(remnant.kept, cache_bits_range(7, 9)));
        ck_assert_mem_eq(data + 4000, pattern, 200);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                what_is_kept_is_found,
                NULL,
        };
        Suite *suite = suite_create("cache_arena");
        TCase *tcase = tcase_create("cache_arena");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        for (size_t i = 0; tests[i]; i++)
                tcase_add_test(tcase, tests[i]);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
