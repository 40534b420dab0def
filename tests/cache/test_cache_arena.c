#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "cache/cache_arena_layout.h"
#include "cache/cache_remains.h"
#include "unit_test.h"

#define ARENA_SIZE (2 * MIB)
#define LINE_SIZE (64 * KIB)
#define BLOCK_SIZE 512
#define LUN 3
/* Generous, for sanitizers and busy machines. */
#define TIMEOUT_S 120

typedef struct Fixture {
        int fd;
        CacheArena *arena;
        uint8_t *memory; /* a mapping of its own */
        uint8_t pattern[LINE_SIZE];
        uint8_t data[LINE_SIZE];
} Fixture;

static Fixture fixture;

static const CacheIdentity identity = { .block_size = BLOCK_SIZE,
                                        .n_blocks = 1000000,
                                        .usb_serial = "one" };
static const CacheIdentity other_identity = { .block_size = 4096,
                                              .n_blocks = 1000,
                                              .usb_serial = "two" };

static int new_fd(uint64_t size) {
        int fd = memfd_create("arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, (off_t) size), 0);
        return fd;
}

static void set_up(void) {
        fixture.fd = new_fd(ARENA_SIZE);
        ck_assert_int_eq(cache_arena_new(&fixture.arena, fixture.fd, LINE_SIZE), 0);
        cache_arena_set_identity(fixture.arena, LUN, &identity);
        fixture.memory = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fixture.fd, 0);
        ck_assert_ptr_ne(fixture.memory, MAP_FAILED);
        for (size_t i = 0; i < sizeof(fixture.pattern); i++)
                fixture.pattern[i] = (uint8_t) (i * 7 + i / 251 + 1);
}

static void tear_down(void) {
        fixture.arena = cache_arena_free(fixture.arena);
        ck_assert_int_eq(munmap(fixture.memory, ARENA_SIZE), 0);
        fixture.fd = fd_close(fixture.fd);
}

static uint8_t *get_line(uint32_t slot) {
        CacheArenaLayout layout =
                        cache_arena_layout(LINE_SIZE, cache_arena_get_n_slots(fixture.arena));

        return fixture.memory + layout.data_offset + slot * LINE_SIZE;
}

static void keep(uint32_t slot, uint32_t offset, uint32_t size) {
        cache_arena_store(fixture.arena, slot, offset, fixture.pattern + offset, size,
                          /* is_kept= */ true, /* is_summed= */ false);
}

static void fill(uint32_t slot, uint32_t offset, uint32_t size, bool is_summed) {
        cache_arena_store(fixture.arena, slot, offset, fixture.pattern + offset, size,
                          /* is_kept= */ false, is_summed);
}

/* How many remnants LUN 3 has; the last one, and its data as the successor sees it. */
static unsigned read_remnants(CacheRemnant *ret_last) {
        _cleanup_(cache_remains_freep) CacheRemains *remains = NULL;
        CacheRemnant remnant = {};
        uint32_t cursor = 0;
        unsigned n = 0;

        ck_assert_int_eq(cache_remains_new(&remains, fixture.fd, "test"), 0);
        ck_assert_uint_eq(cache_remains_get_n_senseless(remains), 0);
        while (cache_remains_next(remains, LUN, &cursor, &remnant)) {
                memcpy(fixture.data, remnant.data, LINE_SIZE);
                n++;
        }
        if (ret_last)
                *ret_last = remnant;
        return n;
}

static bool are_bits(CacheBits bits, unsigned first, unsigned end) {
        CacheBits wanted = cache_bits_range(first, end);

        return cache_bits_contain(bits, wanted) && cache_bits_contain(wanted, bits);
}

START_TEST(what_is_kept_is_found) {
        CacheRemnant remnant;

        cache_arena_claim(fixture.arena, 2, LUN, 5, BLOCK_SIZE);
        keep(2, 4000, 200);
        ck_assert_uint_eq(read_remnants(&remnant), 1);
        ck_assert_uint_eq(remnant.offset, 5 * LINE_SIZE);
        ck_assert(cache_bits_is_empty(remnant.lost));
        ck_assert(are_bits(remnant.kept, 7, 9));
        ck_assert_mem_eq(fixture.data + 4000, fixture.pattern + 4000, 200);
        ck_assert(are_bits(cache_arena_get_kept(fixture.arena, 2), 7, 9));
}
END_TEST

START_TEST(what_is_kept_outlives_the_arena) {
        cache_arena_claim(fixture.arena, 2, LUN, 5, BLOCK_SIZE);
        keep(2, 0, LINE_SIZE);
        fixture.arena = cache_arena_free(fixture.arena);
        ck_assert_uint_eq(read_remnants(NULL), 1);
        ck_assert_mem_eq(fixture.data, fixture.pattern, LINE_SIZE);
}
END_TEST

START_TEST(what_is_not_kept_is_not_found) {
        cache_arena_claim(fixture.arena, 2, LUN, 5, BLOCK_SIZE);
        fill(2, 0, LINE_SIZE, /* is_summed= */ true);
        ck_assert_uint_eq(read_remnants(NULL), 0);
        ck_assert_mem_eq(cache_arena_get_data(fixture.arena, 2), fixture.pattern, LINE_SIZE);
}
END_TEST

START_TEST(null_stores_zeroes) {
        static const uint8_t zeroes[1000];

        cache_arena_claim(fixture.arena, 0, LUN, 0, BLOCK_SIZE);
        keep(0, 0, LINE_SIZE);
        cache_arena_store(fixture.arena, 0, 5000, NULL, sizeof(zeroes), /* is_kept= */ true, true);
        ck_assert_uint_eq(read_remnants(NULL), 1);
        ck_assert_mem_eq(fixture.data, fixture.pattern, 5000);
        ck_assert_mem_eq(fixture.data + 5000, zeroes, sizeof(zeroes));
        ck_assert_mem_eq(fixture.data + 6000, fixture.pattern + 6000, LINE_SIZE - 6000);
}
END_TEST

START_TEST(dropped_blocks_are_gone_and_their_neighbours_stay) {
        CacheRemnant remnant;

        cache_arena_claim(fixture.arena, 0, LUN, 0, BLOCK_SIZE);
        keep(0, 0, 40 * BLOCK_SIZE);
        cache_arena_drop(fixture.arena, 0, cache_bits_range(3, 128));
        ck_assert_uint_eq(read_remnants(&remnant), 1);
        ck_assert(are_bits(remnant.kept, 0, 3));
        cache_arena_drop(fixture.arena, 0, cache_bits_range(0, 3));
        ck_assert_uint_eq(read_remnants(NULL), 0);
}
END_TEST

START_TEST(lost_blocks_are_lost_until_they_are_stored_or_dropped) {
        CacheRemnant remnant;

        cache_arena_claim(fixture.arena, 0, LUN, 0, BLOCK_SIZE);
        keep(0, 0, 4 * BLOCK_SIZE);
        cache_arena_lose(fixture.arena, 0, cache_bits_range(2, 6));
        ck_assert_uint_eq(read_remnants(&remnant), 1);
        ck_assert(are_bits(remnant.kept, 0, 2));
        ck_assert(are_bits(remnant.lost, 2, 6));
        ck_assert(are_bits(cache_arena_get_lost(fixture.arena, 0), 2, 6));
        keep(0, 2 * BLOCK_SIZE, 2 * BLOCK_SIZE);
        cache_arena_drop(fixture.arena, 0, cache_bits_range(5, 6));
        ck_assert_uint_eq(read_remnants(&remnant), 1);
        ck_assert(are_bits(remnant.kept, 0, 4));
        ck_assert(are_bits(remnant.lost, 4, 5));
}
END_TEST

START_TEST(a_line_in_a_used_slot_inherits_nothing) {
        CacheRemnant remnant;

        cache_arena_claim(fixture.arena, 0, LUN, 0, BLOCK_SIZE);
        keep(0, 0, LINE_SIZE);
        cache_arena_lose(fixture.arena, 0, cache_bits_range(0, 1));
        cache_arena_release(fixture.arena, 0);
        ck_assert_uint_eq(read_remnants(NULL), 0);
        cache_arena_claim(fixture.arena, 0, LUN, 1, BLOCK_SIZE);
        ck_assert_uint_eq(read_remnants(NULL), 0);
        get_line(0)[0] ^= 1;
        ck_assert(cache_arena_verify(fixture.arena, 0, 0)); /* it has no sum */
        keep(0, 1024, 512);
        ck_assert_uint_eq(read_remnants(&remnant), 1);
        ck_assert(are_bits(remnant.kept, 2, 3));
        ck_assert(cache_bits_is_empty(remnant.lost));
}
END_TEST

START_TEST(a_changed_byte_is_found_where_there_is_a_sum) {
        cache_arena_claim(fixture.arena, 1, LUN, 0, BLOCK_SIZE);
        fill(1, 0, 2 * CACHE_CHUNK_SIZE, /* is_summed= */ true);
        fill(1, 2 * CACHE_CHUNK_SIZE, CACHE_CHUNK_SIZE, /* is_summed= */ false);
        keep(1, 3 * CACHE_CHUNK_SIZE, 1);
        for (unsigned i = 0; i < 4; i++) {
                ck_assert(cache_arena_verify(fixture.arena, 1, i));
                get_line(1)[i * CACHE_CHUNK_SIZE + 4095] ^= 1;
                ck_assert(cache_arena_verify(fixture.arena, 1, i) == (i == 2));
        }
}
END_TEST

START_TEST(a_sum_goes_with_the_bytes_that_it_was_of) {
        cache_arena_claim(fixture.arena, 1, LUN, 0, BLOCK_SIZE);
        fill(1, 0, CACHE_CHUNK_SIZE, /* is_summed= */ true);
        fill(1, 0, 1, /* is_summed= */ false);
        get_line(1)[9] ^= 1;
        ck_assert(cache_arena_verify(fixture.arena, 1, 0));
}
END_TEST

/* Each arena fits, and one with one slot more would not. */
START_TEST(as_many_lines_as_fit) {
        for (uint32_t line_size = CACHE_LINE_SIZE_MIN; line_size <= CACHE_LINE_SIZE_MAX;
             line_size *= 2)
                for (uint64_t size = 1 * MIB; size < 8 * MIB; size += 333 * KIB) {
                        _cleanup_(fd_closep) int fd = new_fd(size);
                        _cleanup_(cache_arena_freep) CacheArena *arena = NULL;
                        uint32_t n_slots;

                        ck_assert_int_eq(cache_arena_new(&arena, fd, line_size), 0);
                        n_slots = cache_arena_get_n_slots(arena);
                        ck_assert_uint_eq(cache_arena_get_line_size(arena), line_size);
                        ck_assert_uint_le(cache_arena_layout(line_size, n_slots).size, size);
                        ck_assert_uint_gt(cache_arena_layout(line_size, n_slots + 1).size, size);
                }
}
END_TEST

START_TEST(a_file_that_is_too_small_is_refused) {
        static const uint64_t sizes[] = { 0, 1, 4096, 100 * KIB, 256 * KIB };

        for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
                _cleanup_(fd_closep) int fd = new_fd(sizes[i]);
                CacheArena *arena = NULL;

                ck_assert_int_eq(cache_arena_new(&arena, fd, LINE_SIZE), -EINVAL);
                ck_assert_ptr_null(arena);
        }
        ck_assert_int_eq(cache_arena_new(&(CacheArena *){ NULL }, -1, LINE_SIZE), -EBADF);
}
END_TEST

START_TEST(a_new_arena_is_empty_whatever_was_there) {
        _cleanup_(cache_remains_freep) CacheRemains *remains = NULL;

        cache_arena_claim(fixture.arena, 0, LUN, 0, BLOCK_SIZE);
        keep(0, 0, LINE_SIZE);
        fixture.arena = cache_arena_free(fixture.arena);
        memset(fixture.memory + 8, 0xff, ARENA_SIZE - 8);
        ck_assert_int_eq(cache_arena_new(&fixture.arena, fixture.fd, 8192), 0);
        ck_assert_int_eq(cache_remains_new(&remains, fixture.fd, "test"), 0);
        ck_assert_uint_eq(cache_remains_get_line_size(remains), 8192);
        ck_assert_uint_eq(cache_remains_get_n_senseless(remains), 0);
        for (unsigned i = 0; i < CACHE_LUNS_MAX; i++) {
                ck_assert_ptr_null(cache_remains_get_identity(remains, i));
                ck_assert_uint_eq(cache_remains_get_size(remains, i), 0);
        }
}
END_TEST

/* Memory. */

static blkcnt_t get_n_used(void) {
        struct stat status;

        ck_assert_int_eq(fstat(fixture.fd, &status), 0);
        return status.st_blocks;
}

static bool is_zero(const uint8_t *bytes, size_t size) {
        return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static void discard_slot_2(void) {
        cache_arena_claim(fixture.arena, 2, LUN, 0, BLOCK_SIZE);
        keep(2, 0, LINE_SIZE);
        cache_arena_release(fixture.arena, 2);
        ck_assert(!is_zero(get_line(2), LINE_SIZE));
        cache_arena_discard(fixture.arena, 2);
        ck_assert(is_zero(get_line(2), LINE_SIZE));
        ck_assert(is_zero(cache_arena_get_data(fixture.arena, 2), LINE_SIZE));
}

START_TEST(a_discarded_slot_is_zeroes_and_its_neighbours_stay) {
        for (uint32_t slot = 1; slot <= 3; slot += 2) {
                cache_arena_claim(fixture.arena, slot, LUN, slot, BLOCK_SIZE);
                keep(slot, 0, LINE_SIZE);
        }
        discard_slot_2();
        ck_assert_uint_eq(read_remnants(NULL), 2);
        for (uint32_t slot = 1; slot <= 3; slot += 2)
                ck_assert_mem_eq(get_line(slot), fixture.pattern, LINE_SIZE);
}
END_TEST

START_TEST(a_discarded_slot_takes_no_memory) {
        blkcnt_t n_used;

        cache_arena_claim(fixture.arena, 2, LUN, 0, BLOCK_SIZE);
        keep(2, 0, LINE_SIZE);
        cache_arena_release(fixture.arena, 2);
        n_used = get_n_used();
        cache_arena_discard(fixture.arena, 2);
        ck_assert_int_eq(n_used - get_n_used(), (blkcnt_t) (LINE_SIZE / 512));
}
END_TEST

START_TEST(a_slot_is_discarded_where_no_hole_can_be) {
        ck_assert_int_eq(fcntl(fixture.fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
        discard_slot_2();
}
END_TEST

START_TEST(what_was_wiped_is_no_arena_and_no_data) {
        CacheRemains *remains = NULL;

        cache_arena_claim(fixture.arena, 2, LUN, 0, BLOCK_SIZE);
        keep(2, 0, LINE_SIZE);
        if (_i == 1)
                ck_assert_int_eq(fcntl(fixture.fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
        cache_arena_wipe(fixture.arena);
        ck_assert(is_zero(fixture.memory, ARENA_SIZE));
        ck_assert_int_eq(cache_remains_new(&remains, fixture.fd, "test"), -EBADMSG);
        ck_assert_ptr_null(remains);
}
END_TEST

/* Neither fallocate() nor mlock2() work from now on. */
static void refuse_system_calls(void) {
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 1, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mlock2, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { N_ELEMENTS(filter), filter };

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ||
            fallocate(fixture.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1) == 0)
                _exit(EXIT_FAILURE);
}

static void use_arena_without_system_calls(void *argument) {
        refuse_system_calls();
        fixture.arena = cache_arena_free(fixture.arena);
        memset(fixture.memory, 0xff, ARENA_SIZE);
        if (cache_arena_new(&fixture.arena, fixture.fd, LINE_SIZE) < 0)
                _exit(EXIT_FAILURE);
        cache_arena_set_identity(fixture.arena, LUN, &identity);
        discard_slot_2();
        cache_arena_claim(fixture.arena, 2, LUN, 9, BLOCK_SIZE);
        keep(2, 0, 1000);
}

START_TEST(it_works_where_memory_is_neither_locked_nor_given_back) {
        CacheRemnant remnant;

        ck_assert_int_eq(run_in_child(use_arena_without_system_calls, NULL), 0);
        ck_assert_uint_eq(read_remnants(&remnant), 1);
        ck_assert_uint_eq(remnant.offset, 9 * LINE_SIZE);
        ck_assert_mem_eq(fixture.data, fixture.pattern, 1000);
}
END_TEST

/* Identities and samples. */

static bool has_identity(const CacheIdentity *wanted) {
        _cleanup_(cache_remains_freep) CacheRemains *remains = NULL;
        const CacheIdentity *found;

        ck_assert_int_eq(cache_remains_new(&remains, fixture.fd, "test"), 0);
        ck_assert_uint_eq(cache_remains_get_n_senseless(remains), 0);
        found = cache_remains_get_identity(remains, LUN);
        return found && wanted ? cache_identity_is_equal(found, wanted) : found == wanted;
}

static void look_at_identity(void *userdata) {
        unsigned *n_looks = userdata;

        ck_assert(has_identity(&identity) || has_identity(NULL) || has_identity(&other_identity));
        (*n_looks)++;
}

START_TEST(an_identity_is_there_as_a_whole_or_not_at_all) {
        unsigned n_looks = 0;

        ck_assert(has_identity(&identity));
        cache_arena_set_observer(fixture.arena, look_at_identity, &n_looks);
        cache_arena_set_identity(fixture.arena, LUN, &other_identity);
        ck_assert_uint_ge(n_looks, 2);
        ck_assert(has_identity(&other_identity));
        cache_arena_clear_identity(fixture.arena, LUN);
        ck_assert(has_identity(NULL));
}
END_TEST

static const CacheSample samples[] = { { .offset = 1, .size = 10, .sum = 100 },
                                       { .offset = 2, .size = 20, .sum = 200 } };

static CacheSample read_sample(unsigned index) {
        _cleanup_(cache_remains_freep) CacheRemains *remains = NULL;

        ck_assert_int_eq(cache_remains_new(&remains, fixture.fd, "test"), 0);
        return cache_remains_get_samples(remains, LUN)[index];
}

static void look_at_sample(void *userdata) {
        CacheSample sample = read_sample(7);
        unsigned *n_looks = userdata;

        ck_assert(sample.size == 0 || memcmp(&sample, &samples[0], sizeof(sample)) == 0 ||
                  memcmp(&sample, &samples[1], sizeof(sample)) == 0);
        (*n_looks)++;
}

START_TEST(a_sample_is_there_as_a_whole_or_not_at_all) {
        unsigned n_looks = 0;

        cache_arena_set_sample(fixture.arena, LUN, 7, &samples[0]);
        cache_arena_set_observer(fixture.arena, look_at_sample, &n_looks);
        cache_arena_set_sample(fixture.arena, LUN, 7, &samples[1]);
        ck_assert_uint_ge(n_looks, 2);
        cache_arena_set_observer(fixture.arena, NULL, NULL);
        ck_assert_uint_eq(read_sample(7).sum, 200);
        ck_assert_uint_eq(cache_arena_get_samples(fixture.arena, LUN)[7].sum, 200);
        ck_assert_uint_eq(read_sample(6).size, 0);
        cache_arena_set_sample(fixture.arena, LUN, 7, NULL);
        ck_assert_uint_eq(read_sample(7).size, 0);
        cache_arena_set_sample(fixture.arena, LUN, 7, &samples[1]);
        cache_arena_set_identity(fixture.arena, LUN, &other_identity);
        ck_assert_uint_eq(read_sample(7).size, 0);
}
END_TEST

/* What nobody may ask. */

typedef struct Misuse {
        const char *what;
        void (*commit)(void);
} Misuse;

static void claim_twice(void) { cache_arena_claim(fixture.arena, 0, LUN, 1, BLOCK_SIZE); }
static void claim_beyond(void) { cache_arena_claim(fixture.arena, 1000, LUN, 1, BLOCK_SIZE); }
static void claim_in_odd_blocks(void) { cache_arena_claim(fixture.arena, 1, LUN, 1, 520); }
static void store_beyond(void) { keep(0, LINE_SIZE - 1, 2); }
static void store_into_a_free_slot(void) { keep(1, 0, 1); }
static void store_over_kept(void) { fill(0, 511, 1, /* is_summed= */ true); }
static void discard_in_use(void) { cache_arena_discard(fixture.arena, 0); }
static void forget_the_owner(void) { cache_arena_clear_identity(fixture.arena, LUN); }
static void change_the_owner(void) {
        cache_arena_set_identity(fixture.arena, LUN, &other_identity);
}
static void keep_for_nobody(void) {
        cache_arena_claim(fixture.arena, 1, LUN + 1, 1, BLOCK_SIZE);
        keep(1, 0, 1);
}
static void lose_beyond(void) {
        cache_arena_claim(fixture.arena, 1, LUN, 1, 4096);
        cache_arena_lose(fixture.arena, 1, cache_bits_range(16, 17));
}

#define MISUSE(name) \
        { #name, name }

static const Misuse misuses[] = {
        MISUSE(claim_twice),      MISUSE(claim_beyond),    MISUSE(claim_in_odd_blocks),
        MISUSE(store_beyond),     MISUSE(store_over_kept), MISUSE(store_into_a_free_slot),
        MISUSE(discard_in_use),   MISUSE(keep_for_nobody), MISUSE(forget_the_owner),
        MISUSE(change_the_owner), MISUSE(lose_beyond),
};

static void commit_misuse(void *argument) {
        const Misuse *misuse = argument;

        misuse->commit();
}

START_TEST(misuse_is_fatal) {
        Misuse misuse = misuses[_i];
        int status;

        cache_arena_claim(fixture.arena, 0, LUN, 0, BLOCK_SIZE);
        keep(0, 0, 512);
        status = run_in_child(commit_misuse, &misuse);
        ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%s: %x", misuse.what,
                      (unsigned) status);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                what_is_kept_is_found,
                what_is_kept_outlives_the_arena,
                what_is_not_kept_is_not_found,
                null_stores_zeroes,
                dropped_blocks_are_gone_and_their_neighbours_stay,
                lost_blocks_are_lost_until_they_are_stored_or_dropped,
                a_line_in_a_used_slot_inherits_nothing,
                a_changed_byte_is_found_where_there_is_a_sum,
                a_sum_goes_with_the_bytes_that_it_was_of,
                as_many_lines_as_fit,
                a_file_that_is_too_small_is_refused,
                a_new_arena_is_empty_whatever_was_there,
                a_discarded_slot_is_zeroes_and_its_neighbours_stay,
                a_discarded_slot_takes_no_memory,
                a_slot_is_discarded_where_no_hole_can_be,
                it_works_where_memory_is_neither_locked_nor_given_back,
                an_identity_is_there_as_a_whole_or_not_at_all,
                a_sample_is_there_as_a_whole_or_not_at_all,
                NULL,
        };
        Suite *suite = suite_create("cache_arena");
        TCase *tcase = tcase_create("cache_arena");

        tcase_set_timeout(tcase, TIMEOUT_S);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        for (size_t i = 0; tests[i]; i++)
                tcase_add_test(tcase, tests[i]);
        tcase_add_loop_test(tcase, what_was_wiped_is_no_arena_and_no_data, 0, 2);
        tcase_add_loop_test(tcase, misuse_is_fatal, 0, (int) N_ELEMENTS(misuses));
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
