/* The medium and its volatile cache, in memory and in a file, against a plain array. */

#include <string.h>
#include <sys/mman.h>

#include "../base/unit_test.h"
#include "base/random.h"
#include "simulator/simulated_medium.h"

#define SIZE (4 * SIMULATED_MEDIUM_CHUNK_SIZE + 512)
#define SECTOR 512

typedef struct Fixture {
        int fd; /* owned; negative: in memory */
        SimulatedMedium *medium;
} Fixture;

/* Odd runs of a loop test lie in a file. */
static Fixture make(int i, uint64_t cache_size) {
        Fixture fixture = { .fd = -1 };

        if (i % 2 == 1) {
                fixture.fd = memfd_create("medium", MFD_CLOEXEC);
                ck_assert_int_ge(fixture.fd, 0);
                ck_assert_int_eq(ftruncate(fixture.fd, SIZE), 0);
        }
        ck_assert_int_eq(simulated_medium_new(&fixture.medium, fixture.fd, SIZE, cache_size), 0);
        return fixture;
}

static void unmake(Fixture *fixture) {
        simulated_medium_free(fixture->medium);
        if (fixture->fd >= 0)
                fd_close(fixture->fd);
}

static void expect(SimulatedMedium *medium, bool is_stable, uint64_t offset, uint8_t byte) {
        uint8_t bytes[SECTOR], expected[SECTOR];

        memset(expected, byte, sizeof(expected));
        int r = is_stable ? simulated_medium_read_stable(medium, offset, bytes, sizeof(bytes))
                          : simulated_medium_read(medium, offset, bytes, sizeof(bytes));
        ck_assert_int_eq(r, 0);
        ck_assert_mem_eq(bytes, expected, sizeof(bytes));
}

static void write_sector(SimulatedMedium *medium, uint64_t offset, uint8_t byte) {
        uint8_t bytes[SECTOR];

        memset(bytes, byte, sizeof(bytes));
        ck_assert_int_eq(simulated_medium_write(medium, offset, bytes, sizeof(bytes)), 0);
}

START_TEST(what_was_never_written_reads_zero_to_the_last_sector) {
        Fixture fixture = make(_i, 0);

        expect(fixture.medium, false, 0, 0);
        expect(fixture.medium, false, SIZE - SECTOR, 0);
        write_sector(fixture.medium, SIZE - SECTOR, 0x11);
        expect(fixture.medium, false, SIZE - SECTOR, 0x11);
        expect(fixture.medium, false, SIZE - 2 * SECTOR, 0);
        unmake(&fixture);
}
END_TEST

START_TEST(without_a_cache_a_write_is_stable_at_once) {
        Fixture fixture = make(_i, 0);

        write_sector(fixture.medium, SECTOR, 0x22);
        expect(fixture.medium, true, SECTOR, 0x22);
        ck_assert(!simulated_medium_lose_cache(fixture.medium));
        expect(fixture.medium, false, SECTOR, 0x22);
        unmake(&fixture);
}
END_TEST

START_TEST(a_cached_write_is_read_back_but_lost_unless_synchronised) {
        Fixture fixture = make(_i, MIB);

        write_sector(fixture.medium, 0, 0x33);
        ck_assert_int_eq(simulated_medium_sync(fixture.medium, 0, SIZE), 0);
        write_sector(fixture.medium, 0, 0x44);
        write_sector(fixture.medium, 2 * SECTOR, 0x55);
        expect(fixture.medium, false, 0, 0x44);
        expect(fixture.medium, false, SECTOR, 0x00);
        expect(fixture.medium, false, 2 * SECTOR, 0x55);
        expect(fixture.medium, true, 0, 0x33);

        ck_assert(simulated_medium_lose_cache(fixture.medium));
        ck_assert(!simulated_medium_lose_cache(fixture.medium));
        expect(fixture.medium, false, 0, 0x33);
        expect(fixture.medium, false, 2 * SECTOR, 0x00);
        unmake(&fixture);
}
END_TEST

START_TEST(a_range_is_synchronised_alone) {
        Fixture fixture = make(_i, MIB);

        for (uint64_t i = 0; i < 4; i++)
                write_sector(fixture.medium, i * SECTOR, 0x66);
        ck_assert_int_eq(simulated_medium_sync(fixture.medium, SECTOR, 2 * SECTOR), 0);
        simulated_medium_lose_cache(fixture.medium);
        expect(fixture.medium, false, 0, 0x00);
        expect(fixture.medium, false, SECTOR, 0x66);
        expect(fixture.medium, false, 2 * SECTOR, 0x66);
        expect(fixture.medium, false, 3 * SECTOR, 0x00);
        unmake(&fixture);
}
END_TEST

START_TEST(a_full_cache_writes_its_oldest_chunk_down) {
        Fixture fixture = make(_i, 2 * SIMULATED_MEDIUM_CHUNK_SIZE);

        for (uint64_t i = 0; i < 4; i++)
                write_sector(fixture.medium, i * SIMULATED_MEDIUM_CHUNK_SIZE, 0x77);
        for (uint64_t i = 0; i < 4; i++) {
                expect(fixture.medium, false, i * SIMULATED_MEDIUM_CHUNK_SIZE, 0x77);
                expect(fixture.medium, true, i * SIMULATED_MEDIUM_CHUNK_SIZE, i < 2 ? 0x77 : 0x00);
        }
        unmake(&fixture);
}
END_TEST

START_TEST(what_is_discarded_reads_zero_even_after_a_loss) {
        Fixture fixture = make(_i, MIB);
        bool is_mapped;
        uint64_t size;

        write_sector(fixture.medium, 0, 0x88);
        write_sector(fixture.medium, SECTOR, 0x88);
        ck_assert_int_eq(simulated_medium_sync(fixture.medium, 0, SIZE), 0);
        write_sector(fixture.medium, 0, 0x99);
        ck_assert_int_eq(simulated_medium_discard(fixture.medium, 0, SECTOR), 0);
        expect(fixture.medium, false, 0, 0x00);
        expect(fixture.medium, false, SECTOR, 0x88);
        simulated_medium_lose_cache(fixture.medium);
        expect(fixture.medium, false, 0, 0x00);

        simulated_medium_get_status(fixture.medium, 0, &is_mapped, &size);
        ck_assert(is_mapped);
        ck_assert_int_eq(simulated_medium_discard(fixture.medium, 0, SIZE), 0);
        simulated_medium_get_status(fixture.medium, SECTOR, &is_mapped, &size);
        ck_assert(!is_mapped);
        ck_assert_uint_eq(size, SIZE - SECTOR);
        unmake(&fixture);
}
END_TEST

/* The model: what a host reads, and what is stable for sure. */
START_TEST(a_random_walk_agrees_with_an_array) {
        Fixture fixture = make(_i, 2 * SIMULATED_MEDIUM_CHUNK_SIZE);
        uint8_t *model = calloc(1, SIZE), *bytes = malloc(SIZE);
        Random random;

        random_init(&random, (uint64_t) _i);
        for (int step = 0; step < 400; step++) {
                uint64_t first = random_below(&random, SIZE / SECTOR);
                uint64_t n = 1 + random_below(&random, MIN(SIZE / SECTOR - first, UINT64_C(200)));
                uint64_t offset = first * SECTOR, size = n * SECTOR;

                switch (random_below(&random, 8)) {
                case 0:
                        ck_assert_int_eq(simulated_medium_sync(fixture.medium, offset, size), 0);
                        break;
                case 1:
                        ck_assert_int_eq(simulated_medium_discard(fixture.medium, offset, size), 0);
                        memset(model + offset, 0, size);
                        break;
                default:
                        random_fill(&random, model + offset, size);
                        ck_assert_int_eq(simulated_medium_write(fixture.medium, offset,
                                                                model + offset, size),
                                         0);
                        break;
                }
                first = random_below(&random, SIZE - 1000);
                ck_assert_int_eq(simulated_medium_read(fixture.medium, first, bytes, 1000), 0);
                ck_assert_mem_eq(bytes, model + first, 1000);
        }
        ck_assert_int_eq(simulated_medium_sync(fixture.medium, 0, SIZE), 0);
        simulated_medium_lose_cache(fixture.medium);
        ck_assert_int_eq(simulated_medium_read_stable(fixture.medium, 0, bytes, SIZE), 0);
        ck_assert_mem_eq(bytes, model, SIZE);
        free(bytes);
        free(model);
        unmake(&fixture);
}
END_TEST

START_TEST(terabytes_cost_what_is_written) {
        SimulatedMedium *medium;
        uint64_t size = UINT64_C(16) << 40;

        ck_assert_int_eq(simulated_medium_new(&medium, -1, size, 0), 0);
        write_sector(medium, size - SECTOR, 0xAA);
        expect(medium, false, size - SECTOR, 0xAA);
        expect(medium, false, size / 2, 0x00);
        simulated_medium_free(medium);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("simulated_medium");
        TCase *tcase = tcase_create("simulated_medium");

        tcase_add_loop_test(tcase, what_was_never_written_reads_zero_to_the_last_sector, 0, 2);
        tcase_add_loop_test(tcase, without_a_cache_a_write_is_stable_at_once, 0, 2);
        tcase_add_loop_test(tcase, a_cached_write_is_read_back_but_lost_unless_synchronised, 0, 2);
        tcase_add_loop_test(tcase, a_range_is_synchronised_alone, 0, 2);
        tcase_add_loop_test(tcase, a_full_cache_writes_its_oldest_chunk_down, 0, 2);
        tcase_add_loop_test(tcase, what_is_discarded_reads_zero_even_after_a_loss, 0, 2);
        tcase_add_loop_test(tcase, a_random_walk_agrees_with_an_array, 0, 4);
        tcase_add_test(tcase, terabytes_cost_what_is_written);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
