/* What an honest owner left, and what is read of it after somebody changed it. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/random.h"
#include "cache/cache_arena_layout.h"
#include "cache/cache_remains.h"
#include "unit_test.h"

#define LINE_SIZE (16 * KIB)
#define BLOCK_SIZE 512
#define N_BLOCKS 131 /* four lines of 32 blocks, and three blocks */
#define N_SLOTS 16
#define LUN 2
#define OTHER_LUN 9
/* Blocks that are kept in line 1, in slot 5: of two chunks. */
#define KEPT_FIRST 6
#define KEPT_END 11
#define FUZZ_ROUNDS 3000
/* Generous, for sanitizers and busy machines. */
#define TIMEOUT_S 240

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Fixture {
        int fd;
        uint8_t *memory;
        CacheArenaHead *head;
        CacheArenaEntry *entries;
        uint64_t *sums;
        uint8_t *data;
} Fixture;

static Fixture fixture;

static void open_file(uint64_t size) {
        fixture.fd = memfd_create("arena", MFD_CLOEXEC);
        ck_assert_int_ge(fixture.fd, 0);
        ck_assert_int_eq(ftruncate(fixture.fd, (off_t) size), 0);
}

static void set_up(void) {
        static const CacheIdentity identity = { .block_size = BLOCK_SIZE,
                                                .n_blocks = N_BLOCKS,
                                                .usb_serial = "remains" };
        CacheArenaLayout layout = cache_arena_layout(LINE_SIZE, N_SLOTS);
        uint8_t pattern[LINE_SIZE];
        CacheArena *arena;

        open_file(layout.size);
        fixture.memory = mmap(NULL, layout.size, PROT_READ | PROT_WRITE, MAP_SHARED, fixture.fd, 0);
        ck_assert_ptr_ne(fixture.memory, MAP_FAILED);
        fixture.head = (CacheArenaHead *) fixture.memory;
        fixture.entries = (CacheArenaEntry *) (fixture.memory + layout.entries_offset);
        fixture.sums = (uint64_t *) (fixture.memory + layout.sums_offset);
        fixture.data = fixture.memory + layout.data_offset;

        ck_assert_int_eq(cache_arena_new(&arena, fixture.fd, LINE_SIZE), 0);
        ck_assert_uint_eq(cache_arena_get_n_slots(arena), N_SLOTS);
        cache_arena_set_identity(arena, LUN, &identity);
        cache_arena_set_identity(arena, OTHER_LUN, &identity);
        cache_arena_set_sample(arena, LUN, 1, &(CacheSample){ .offset = 512, .size = 512 });
        memset(pattern, 0x5a, sizeof(pattern));
        cache_arena_claim(arena, 5, LUN, 1, BLOCK_SIZE);
        cache_arena_store(arena, 5, KEPT_FIRST * BLOCK_SIZE, pattern,
                          (KEPT_END - KEPT_FIRST) * BLOCK_SIZE, true, true);
        cache_arena_claim(arena, 3, LUN, 4, BLOCK_SIZE);
        cache_arena_store(arena, 3, 0, pattern, 3 * BLOCK_SIZE, true, true);
        cache_arena_claim(arena, 1, OTHER_LUN, 1, BLOCK_SIZE);
        cache_arena_store(arena, 1, 0, pattern, LINE_SIZE, true, true);
        cache_arena_claim(arena, 0, LUN, 2, BLOCK_SIZE); /* holds nothing */
        cache_arena_store(arena, 0, 0, pattern, LINE_SIZE, false, false);
        cache_arena_free(arena);
}

static void tear_down(void) {
        ck_assert_int_eq(munmap(fixture.memory, cache_arena_layout(LINE_SIZE, N_SLOTS).size), 0);
        fixture.fd = fd_close(fixture.fd);
}

static CacheRemains *new_remains(void) {
        CacheRemains *remains = NULL;

        ck_assert_int_eq(cache_remains_new(&remains, fixture.fd, "test"), 0);
        return remains;
}

static bool are_equal(CacheBits a, CacheBits b) {
        return cache_bits_contain(a, b) && cache_bits_contain(b, a);
}

START_TEST(remnants_come_by_rising_offsets) {
        _cleanup_(cache_remains_freep) CacheRemains *remains = new_remains();
        uint8_t wanted[3 * BLOCK_SIZE];
        CacheRemnant remnant;
        uint32_t cursor = 0;

        ck_assert_uint_eq(cache_remains_get_n_senseless(remains), 0);
        ck_assert_uint_eq(cache_remains_get_line_size(remains), LINE_SIZE);
        ck_assert_uint_eq(cache_remains_get_size(remains, LUN), 8 * BLOCK_SIZE);
        ck_assert_uint_eq(cache_remains_get_size(remains, OTHER_LUN), LINE_SIZE);
        ck_assert_uint_eq(cache_remains_get_size(remains, 0), 0);
        ck_assert_str_eq(cache_remains_get_identity(remains, LUN)->usb_serial, "remains");
        ck_assert_ptr_null(cache_remains_get_identity(remains, 0));
        ck_assert_ptr_null(cache_remains_get_samples(remains, 0));
        ck_assert_uint_eq(cache_remains_get_samples(remains, LUN)[1].offset, 512);

        ck_assert(cache_remains_next(remains, LUN, &cursor, &remnant));
        ck_assert_uint_eq(remnant.offset, LINE_SIZE);
        ck_assert(are_equal(remnant.kept, cache_bits_range(KEPT_FIRST, KEPT_END)));
        ck_assert(cache_remains_next(remains, LUN, &cursor, &remnant));
        ck_assert_uint_eq(remnant.offset, 4 * LINE_SIZE);
        ck_assert(are_equal(remnant.kept, cache_bits_range(0, 3)));
        memset(wanted, 0x5a, sizeof(wanted));
        ck_assert_mem_eq(remnant.data, wanted, sizeof(wanted));
        ck_assert(!cache_remains_next(remains, LUN, &cursor, &remnant));
        ck_assert(!cache_remains_next(remains, LUN, &cursor, &remnant));
}
END_TEST

/* No arena at all. */

typedef struct Refusal {
        const char *what;
        uint64_t offset; /* in the header */
        uint32_t value;
} Refusal;

#define REFUSAL(field, value) \
        { #field " " #value, offsetof(CacheArenaHeader, field), (value) }

static const Refusal refusals[] = {
        REFUSAL(magic, 0),
        REFUSAL(magic, 0x12345678),
        REFUSAL(version, 0),
        REFUSAL(version, CACHE_ARENA_VERSION + 1),
        REFUSAL(line_size, 0),
        REFUSAL(line_size, 1),
        REFUSAL(line_size, 2048),
        REFUSAL(line_size, 16385),
        REFUSAL(line_size, 24576),
        REFUSAL(line_size, 32768),
        REFUSAL(line_size, 131072),
        REFUSAL(line_size, 0x80000000),
        REFUSAL(line_size, UINT32_MAX),
        REFUSAL(n_slots, 0),
        REFUSAL(n_slots, N_SLOTS + 1),
        REFUSAL(n_slots, 0x80000000),
        REFUSAL(n_slots, UINT32_MAX),
};

static void check_is_refused(const char *what) {
        CacheRemains *remains = NULL;
        int r = cache_remains_new(&remains, fixture.fd, "test");

        ck_assert_msg(r == -EBADMSG, "%s: %d", what, r);
        ck_assert_ptr_null(remains);
}

START_TEST(a_header_that_lies_is_refused) {
        const Refusal *refusal = &refusals[_i];

        memcpy(fixture.memory + refusal->offset, &refusal->value, sizeof(refusal->value));
        check_is_refused(refusal->what);
}
END_TEST

START_TEST(a_file_that_is_cut_short_is_refused) {
        off_t size = (off_t) cache_arena_layout(LINE_SIZE, N_SLOTS).size;

        for (off_t left = size - 1; left > 0; left = left * 2 / 3) {
                ck_assert_int_eq(ftruncate(fixture.fd, left), 0);
                check_is_refused("cut short");
        }
        ck_assert_int_eq(ftruncate(fixture.fd, 0), 0);
        check_is_refused("empty");
        ck_assert_int_eq(ftruncate(fixture.fd, size), 0);
        check_is_refused("zeroes");
}
END_TEST

START_TEST(a_file_that_is_longer_is_fine) {
        _cleanup_(cache_remains_freep) CacheRemains *remains = NULL;

        ck_assert_int_eq(ftruncate(fixture.fd,
                                   (off_t) cache_arena_layout(LINE_SIZE, N_SLOTS).size + 1),
                         0);
        remains = new_remains();
        ck_assert_uint_eq(cache_remains_get_size(remains, LUN), 8 * BLOCK_SIZE);
}
END_TEST

START_TEST(what_can_not_be_read_is_an_error) {
        CacheRemains *remains = NULL;
        int fds[2];

        ck_assert_int_eq(cache_remains_new(&remains, -1, "test"), -EBADF);
        ck_assert_int_eq(pipe(fds), 0);
        ck_assert_int_eq(cache_remains_new(&remains, fds[0], "test"), -ESPIPE);
        fd_close(fds[0]);
        fd_close(fds[1]);
}
END_TEST

/* Parts that make no sense. */

typedef struct Lie {
        const char *what;
        void (*tell)(void);
        unsigned n_senseless;
        unsigned n_blocks; /* that are still there of the LUN: kept */
        unsigned n_lost;
} Lie;

static CacheArenaLun *lun(void) { return &fixture.head->luns[LUN]; }
static CacheArenaEntry *line_1(void) { return &fixture.entries[5]; }
static CacheArenaEntry *line_4(void) { return &fixture.entries[3]; }
static CacheArenaUndo *undo(void) { return &fixture.head->undo; }

static void nothing(void) {}
static void serial_without_end(void) {
        memset(lun()->identity.usb_serial, 'x', sizeof(lun()->identity.usb_serial));
}
static void block_size_of_zero(void) { lun()->identity.block_size = 0; }
static void no_blocks(void) { lun()->identity.n_blocks = 0; }
static void too_many_blocks(void) { lun()->identity.n_blocks = UINT64_MAX; }
static void presence_of_two(void) { lun()->is_present = 2; }
static void identity_of_larger_blocks(void) { lun()->identity.block_size = 1024; }
static void smaller_lun(void) { lun()->identity.n_blocks = 32 + 8; }
static void no_identity(void) { lun()->is_present = 0; }
static void sample_beyond(void) { lun()->samples[0].offset = N_BLOCKS * BLOCK_SIZE + 1; }
static void sample_too_large(void) { lun()->samples[0].size = UINT32_MAX; }
static void sample_that_wraps(void) {
        lun()->samples[0].size = 512;
        lun()->samples[0].offset = UINT64_MAX - 100;
}
static void owner_beyond(void) { line_1()->owner = CACHE_LUNS_MAX + 1; }
static void owner_far_beyond(void) { line_1()->owner = UINT32_MAX; }
static void owner_unknown(void) { line_1()->owner = 1; }
static void owner_none(void) { line_1()->owner = 0; }
static void line_beyond(void) { line_1()->line = 5; }
static void line_far_beyond(void) { line_1()->line = UINT64_MAX; }
static void line_that_wraps(void) { line_1()->line = UINT64_C(1) << 50; }
static void other_block_size(void) { line_1()->block_size = 4096; }
static void block_size_beyond(void) { line_1()->block_size = 0; }
static void bits_beyond_the_line(void) { line_1()->kept.words[1] = UINT64_MAX; }
static void bits_beyond_the_lun(void) { line_4()->kept.words[0] = UINT64_MAX; }
static void bits_beyond_alone(void) { line_4()->kept.words[0] = UINT64_MAX << 3; }
static void twins(void) { line_4()->line = 1; }
static void twins_in_two_luns(void) { fixture.entries[1].owner = LUN + 1; }
static void kept_and_lost(void) { line_1()->lost = cache_bits_range(KEPT_FIRST, KEPT_FIRST + 2); }
static void changed_byte(void) { fixture.data[5 * LINE_SIZE + 10 * BLOCK_SIZE] ^= 1; }
static void changed_byte_beside(void) { fixture.data[5 * LINE_SIZE + 13 * BLOCK_SIZE] ^= 1; }
static void changed_byte_elsewhere(void) { fixture.data[5 * LINE_SIZE + 2 * 4096] ^= 1; }
static void changed_sum(void) { fixture.sums[5 * LINE_SIZE / CACHE_CHUNK_SIZE] ^= 1; }

static void make_undo(uint32_t slot, uint32_t offset, uint32_t size) {
        undo()->slot = slot;
        undo()->offset = offset;
        undo()->size = size;
        undo()->is_valid = 1;
}
static void undo_of_a_slot_beyond(void) { make_undo(N_SLOTS, 0, 0); }
static void undo_of_a_slot_far_beyond(void) { make_undo(UINT32_MAX, 0, 0); }
static void undo_from_beyond(void) { make_undo(5, LINE_SIZE + 1, 0); }
static void undo_from_far_beyond(void) { make_undo(5, UINT32_MAX - 10, 100); }
static void undo_up_to_beyond(void) { make_undo(5, LINE_SIZE - 10, 11); }
static void undo_of_too_much(void) { make_undo(5, 0, LINE_SIZE + 1); }
static void undo_of_far_too_much(void) { make_undo(5, 0, UINT32_MAX); }
static void undo_in_doubt(void) { undo()->is_valid = 2; }
static void undo_to_nothing(void) { make_undo(5, 0, LINE_SIZE); }
static void undo_of_a_free_slot(void) {
        make_undo(7, 0, LINE_SIZE);
        undo()->kept = cache_bits_range(0, 32);
}
static void undo_to_bits_beyond(void) {
        make_undo(3, LINE_SIZE, 0);
        undo()->kept = cache_bits_range(2, 128);
        memcpy(undo()->sums, &fixture.sums[3 * LINE_SIZE / CACHE_CHUNK_SIZE], 4 * 8);
}
static void undo_to_wrong_sums(void) {
        make_undo(5, 0, 0);
        undo()->kept = line_1()->kept;
}

#define LIE(tell, ...) \
        { #tell, tell, __VA_ARGS__ }

static const Lie lies[] = {
        LIE(nothing, 0, 8, 0),
        /* Two lines are nobody's then. */
        LIE(serial_without_end, 3, 0, 0),
        LIE(block_size_of_zero, 3, 0, 0),
        LIE(no_blocks, 3, 0, 0),
        LIE(too_many_blocks, 3, 0, 0),
        LIE(presence_of_two, 3, 0, 0),
        LIE(identity_of_larger_blocks, 2, 0, 0),
        LIE(smaller_lun, 2, 2, 0),
        LIE(no_identity, 2, 0, 0),
        LIE(sample_beyond, 1, 8, 0),
        LIE(sample_too_large, 1, 8, 0),
        LIE(sample_that_wraps, 1, 8, 0),
        LIE(owner_beyond, 1, 3, 0),
        LIE(owner_far_beyond, 1, 3, 0),
        LIE(owner_unknown, 1, 3, 0),
        LIE(owner_none, 0, 3, 0),
        LIE(line_beyond, 1, 3, 0),
        LIE(line_far_beyond, 1, 3, 0),
        LIE(line_that_wraps, 1, 3, 0),
        LIE(other_block_size, 1, 3, 0),
        LIE(block_size_beyond, 1, 3, 0),
        LIE(bits_beyond_the_line, 1, 8, 0),
        LIE(bits_beyond_the_lun, 1, 8, 0),
        LIE(bits_beyond_alone, 1, 5, 0),
        /* The first slot's: what was line 4. */
        LIE(twins, 1, 3, 0),
        LIE(twins_in_two_luns, 1, 32 + 3, 0),
        LIE(kept_and_lost, 0, 6, 2),
        /* Blocks 6 and 7 lie in the first chunk, the other three in the second. */
        LIE(changed_byte, 0, 5, 3),
        LIE(changed_byte_beside, 0, 5, 3),
        LIE(changed_byte_elsewhere, 0, 8, 0),
        LIE(changed_sum, 0, 6, 2),
        LIE(undo_of_a_slot_beyond, 1, 8, 0),
        LIE(undo_of_a_slot_far_beyond, 1, 8, 0),
        LIE(undo_from_beyond, 1, 8, 0),
        LIE(undo_from_far_beyond, 1, 8, 0),
        LIE(undo_up_to_beyond, 1, 8, 0),
        LIE(undo_of_too_much, 1, 8, 0),
        LIE(undo_of_far_too_much, 1, 8, 0),
        LIE(undo_in_doubt, 1, 8, 0),
        LIE(undo_to_nothing, 0, 3, 0),
        LIE(undo_of_a_free_slot, 0, 8, 0),
        LIE(undo_to_bits_beyond, 1, 6, 0),
        LIE(undo_to_wrong_sums, 0, 3, 5),
};

static void count(const CacheRemains *remains, unsigned *ret_n_kept, unsigned *ret_n_lost) {
        CacheRemnant remnant;
        uint32_t cursor = 0;

        *ret_n_kept = *ret_n_lost = 0;
        while (cache_remains_next(remains, LUN, &cursor, &remnant)) {
                *ret_n_kept += cache_bits_count(remnant.kept);
                *ret_n_lost += cache_bits_count(remnant.lost);
        }
}

START_TEST(what_makes_no_sense_is_left_out_and_counted) {
        _cleanup_(cache_remains_freep) CacheRemains *remains = NULL;
        const Lie *lie = &lies[_i];
        unsigned n_kept, n_lost;

        lie->tell();
        remains = new_remains();
        count(remains, &n_kept, &n_lost);
        ck_assert_msg(cache_remains_get_n_senseless(remains) == lie->n_senseless &&
                                      n_kept == lie->n_blocks && n_lost == lie->n_lost,
                      "%s: %ju senseless, %u kept, %u lost", lie->what,
                      (uintmax_t) cache_remains_get_n_senseless(remains), n_kept, n_lost);
        ck_assert_uint_eq(cache_remains_get_size(remains, LUN), (n_kept + n_lost) * BLOCK_SIZE);
}
END_TEST

START_TEST(a_senseless_sample_is_none) {
        _cleanup_(cache_remains_freep) CacheRemains *remains = NULL;

        sample_that_wraps();
        remains = new_remains();
        ck_assert_uint_eq(cache_remains_get_samples(remains, LUN)[0].size, 0);
        ck_assert_uint_eq(cache_remains_get_samples(remains, LUN)[1].size, 512);
}
END_TEST

/* An overwritten line whose record is still valid. */
START_TEST(what_was_not_complete_is_undone_and_the_file_stays_as_it_is) {
        _cleanup_(cache_remains_freep) CacheRemains *remains = NULL;
        uint64_t size = cache_arena_layout(LINE_SIZE, N_SLOTS).size;
        uint8_t *line = fixture.data + 5 * LINE_SIZE, wanted[BLOCK_SIZE];
        _cleanup_(freep) uint8_t *copy = malloc(size);
        CacheRemnant remnant;
        uint32_t cursor = 0;

        ck_assert_ptr_nonnull(copy);
        make_undo(5, 3000, 3000);
        undo()->kept = line_1()->kept;
        memcpy(undo()->sums, &fixture.sums[5 * LINE_SIZE / CACHE_CHUNK_SIZE], 4 * 8);
        memcpy(fixture.head->undo_bytes, line + 3000, 3000);
        memset(line + 3000, 0xff, 3000);
        memset(&fixture.sums[5 * LINE_SIZE / CACHE_CHUNK_SIZE], 0xff, 4 * 8);
        line_1()->kept = cache_bits_range(0, 128);
        memcpy(copy, fixture.memory, size);

        remains = new_remains();
        ck_assert(cache_remains_next(remains, LUN, &cursor, &remnant));
        ck_assert(are_equal(remnant.kept, cache_bits_range(KEPT_FIRST, KEPT_END)));
        memset(wanted, 0x5a, sizeof(wanted));
        for (unsigned i = KEPT_FIRST; i < KEPT_END; i++)
                ck_assert_mem_eq(remnant.data + i * BLOCK_SIZE, wanted, BLOCK_SIZE);
        ck_assert_mem_eq(copy, fixture.memory, size);
}
END_TEST

/* More than is read at once; line numbers in another order than slots. */
START_TEST(each_of_many_lines_comes_once) {
        static const CacheIdentity identity = { .block_size = 4096, .n_blocks = 5000 };
        _cleanup_(cache_remains_freep) CacheRemains *remains = NULL;
        _cleanup_(cache_arena_freep) CacheArena *arena = NULL;
        CacheRemnant remnant;
        uint32_t cursor = 0, n = 0;

        open_file(cache_arena_layout(4096, 5000).size);
        ck_assert_int_eq(cache_arena_new(&arena, fixture.fd, 4096), 0);
        ck_assert_uint_ge(cache_arena_get_n_slots(arena), 5000);
        cache_arena_set_identity(arena, 0, &identity);
        for (uint32_t i = 0; i < 5000; i++) {
                uint32_t line = i * 7 % 5000;

                cache_arena_claim(arena, i, 0, line, 4096);
                cache_arena_store(arena, i, 0, &line, sizeof(line), i % 3 != 0, false);
        }
        remains = new_remains();
        while (cache_remains_next(remains, 0, &cursor, &remnant)) {
                uint32_t line;

                memcpy(&line, remnant.data, sizeof(line));
                ck_assert_uint_eq(remnant.offset, line * UINT64_C(4096));
                n++;
        }
        ck_assert_uint_eq(n, 5000 - 1667);
        ck_assert_uint_eq(cache_remains_get_size(remains, 0), n * UINT64_C(4096));
        ck_assert_uint_eq(cache_remains_get_n_senseless(remains), 0);
        fd_close(fixture.fd);
}
END_TEST

/* Patches of the fuzz target, most of them of metadata and small. */
static size_t make_patches(Random *random, uint8_t *bytes) {
        static const uint8_t values[] = { 0, 1, 2, 0x7f, 0x80, 0xff };
        size_t size = 0, n_patches = 1 + random_below(random, 5);

        bytes[size++] = (uint8_t) random_below(random, 0xf4);
        while (n_patches-- > 0) {
                size_t n = 1 + random_below(random, random_one_in(random, 10) ? 100 : 8);

                bytes[size] = (uint8_t) random_below(random, 6);
                random_fill(random, bytes + size + 1, 2);
                bytes[size + 3] = (uint8_t) n;
                size += 4;
                while (n-- > 0)
                        bytes[size++] = random_one_in(random, 2) ? (uint8_t) random_u64(random)
                                                                 : values[random_below(random, 6)];
        }
        return size;
}

START_TEST(any_change_is_survived) {
        uint8_t bytes[1024];
        Random random;

        random_init(&random, 1);
        for (unsigned i = 0; i < FUZZ_ROUNDS; i++)
                LLVMFuzzerTestOneInput(bytes, make_patches(&random, bytes));
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                remnants_come_by_rising_offsets,
                a_file_that_is_cut_short_is_refused,
                a_file_that_is_longer_is_fine,
                what_can_not_be_read_is_an_error,
                a_senseless_sample_is_none,
                what_was_not_complete_is_undone_and_the_file_stays_as_it_is,
                NULL,
        };
        Suite *suite = suite_create("cache_remains");
        TCase *tcase = tcase_create("cache_remains"), *others = tcase_create("others");

        tcase_set_timeout(tcase, TIMEOUT_S);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        for (size_t i = 0; tests[i]; i++)
                tcase_add_test(tcase, tests[i]);
        tcase_add_loop_test(tcase, a_header_that_lies_is_refused, 0, (int) N_ELEMENTS(refusals));
        tcase_add_loop_test(tcase, what_makes_no_sense_is_left_out_and_counted, 0,
                            (int) N_ELEMENTS(lies));
        suite_add_tcase(suite, tcase);
        tcase_set_timeout(others, TIMEOUT_S);
        tcase_add_test(others, each_of_many_lines_comes_once);
        tcase_add_test(others, any_change_is_survived);
        suite_add_tcase(suite, others);
        return run_suite(suite);
}
