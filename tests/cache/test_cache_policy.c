/*
 * Both policies: what they evict of which accesses, and at random whether they keep their promises.
 * A line is a letter.
 */

#include <errno.h>
#include <string.h>

#include "base/random.h"
#include "cache/cache_policy.h"
#include "unit_test.h"

#define N_SLOTS_MAX 64
#define N_RANDOM_STEPS 20000

static unsigned n_callocs_left; /* until one fails; 0: none does */

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size) {
        if (n_callocs_left > 0 && --n_callocs_left == 0)
                return NULL;
        return __real_calloc(n, size);
}

/* --- a cache of letters */

typedef struct Letters {
        CachePolicy *policy; /* owned */
        uint32_t n_slots;
        char lines[N_SLOTS_MAX + 1];   /* of each slot; 0: free */
        char evicted[N_SLOTS_MAX * 4]; /* in their order */
        const char *pinned;
} Letters;

static bool letter_may_be_evicted(uint32_t slot, void *userdata) {
        const Letters *letters = userdata;

        ck_assert_int_ne(letters->lines[slot], 0);
        return !strchr(letters->pinned, letters->lines[slot]);
}

static uint32_t find_slot(const Letters *letters, char line) {
        for (uint32_t slot = 0; slot < letters->n_slots; slot++)
                if (letters->lines[slot] == line)
                        return slot;
        return CACHE_POLICY_NONE;
}

static uint32_t make_room(Letters *letters) {
        uint32_t slot = find_slot(letters, 0);

        if (slot != CACHE_POLICY_NONE)
                return slot;
        slot = cache_policy_get_victim(letters->policy, letter_may_be_evicted, letters);
        if (slot == CACHE_POLICY_NONE)
                return slot;
        cache_policy_remove(letters->policy, slot, /* is_evicted= */ true);
        letters->evicted[strlen(letters->evicted)] = letters->lines[slot];
        letters->lines[slot] = 0;
        return slot;
}

/* A line that finds no room is noted as '!'. */
static void want(Letters *letters, char line) {
        uint32_t slot = find_slot(letters, line);

        if (slot != CACHE_POLICY_NONE) {
                cache_policy_touch(letters->policy, slot);
                return;
        }
        slot = make_room(letters);
        if (slot == CACHE_POLICY_NONE) {
                letters->evicted[strlen(letters->evicted)] = '!';
                return;
        }
        letters->lines[slot] = line;
        cache_policy_insert(letters->policy, slot, (uint64_t) line);
}

static void discard(Letters *letters, char line) {
        uint32_t slot = find_slot(letters, line);

        cache_policy_remove(letters->policy, slot, /* is_evicted= */ false);
        letters->lines[slot] = 0;
}

typedef struct EvictionCase {
        const char *what;
        CachePolicyKind kind;
        uint32_t n_slots;
        const char *pinned;
        const char *wanted; /* -x: x is discarded */
        const char *evicted;
} EvictionCase;

static const EvictionCase eviction_cases[] = {
        { "lru: the oldest goes", CACHE_POLICY_KIND_LRU, 3, "", "abcdef", "abc" },
        { "lru: a hit makes young", CACHE_POLICY_KIND_LRU, 3, "", "abcadef", "bca" },
        { "lru: a loop larger than the cache", CACHE_POLICY_KIND_LRU, 3, "", "abcdabcd", "abcda" },
        { "lru: who may not be evicted is passed over", CACHE_POLICY_KIND_LRU, 3, "a", "abcdef",
          "bcd" },
        { "lru: none may be", CACHE_POLICY_KIND_LRU, 3, "abc", "abcd", "!" },
        { "lru: one slot", CACHE_POLICY_KIND_LRU, 1, "", "aabb", "a" },

        { "s3fifo: first in, first out", CACHE_POLICY_KIND_S3FIFO, 10, "", "abcdefghijklm", "abc" },
        { "s3fifo: once more is not enough", CACHE_POLICY_KIND_S3FIFO, 10, "", "abcdefghijaklm",
          "abc" },
        { "s3fifo: twice more brings to main", CACHE_POLICY_KIND_S3FIFO, 10, "", "abcdefghijaaklm",
          "bcd" },
        { "s3fifo: a scan passes main by", CACHE_POLICY_KIND_S3FIFO, 10, "",
          "abcdefghijaabbklmnopqrstuvwxyz", "cdefghijklmnopqr" },
        { "s3fifo: whose ghost is there goes to main", CACHE_POLICY_KIND_S3FIFO, 10, "",
          "abcdefghijkalmnopqrstuvwxyz", "abcdefghijklmnopq" },
        { "s3fifo: the ninth ghost is there", CACHE_POLICY_KIND_S3FIFO, 10, "",
          "abcdefghijklmnopqraABCDEFGHIJ", "abcdefghijklmnopqrA" },
        { "s3fifo: the tenth is not", CACHE_POLICY_KIND_S3FIFO, 10, "",
          "abcdefghijklmnopqrsaABCDEFGHIJ", "abcdefghijklmnopqrsa" },
        { "s3fifo: what was discarded has no ghost", CACHE_POLICY_KIND_S3FIFO, 10, "",
          "abcdefghij-akalmnopqrstu", "bcdefghijka" },
        { "s3fifo: main leaves no ghosts", CACHE_POLICY_KIND_S3FIFO, 3, "", "aaabbbcccdae", "ada" },
        { "s3fifo: in main the count begins anew", CACHE_POLICY_KIND_S3FIFO, 3, "", "aaaabbbcccd",
          "a" },
        /* The small share of three is none. Ghosts that return push the small queue's line out, and
         * then main must give. */
        { "s3fifo: main goes round as often as was counted", CACHE_POLICY_KIND_S3FIFO, 3, "",
          "aaabbbcccdbbedfegfhgihj", "adecfdgehfib" },
        { "s3fifo: three times at most", CACHE_POLICY_KIND_S3FIFO, 3, "",
          "aaabbbcccdbbbbbedfegfhgihjikjl", "adecfdgehfigjhkb" },
        { "s3fifo: main goes round even when most may not be evicted", CACHE_POLICY_KIND_S3FIFO, 10,
          "abcdefgh", "jjjiiiaaabbbcccdddeeefffggghhhkiiil", "ji" },
        { "s3fifo: who may not be evicted is passed over", CACHE_POLICY_KIND_S3FIFO, 10, "ac",
          "abcdefghijklm", "bde" },
        { "s3fifo: main gives when small may not", CACHE_POLICY_KIND_S3FIFO, 4, "cde", "aaabbbcdef",
          "ab" },
        { "s3fifo: small gives below its share when main may not", CACHE_POLICY_KIND_S3FIFO, 10,
          "abcdefghi", "aaabbbcccdddeeefffggghhhiiijkl", "jk" },
        { "s3fifo: main is asked again for what small gave to it", CACHE_POLICY_KIND_S3FIFO, 10,
          "abcdefghi", "aaabbbcccdddeeefffggghhhiiijjjk", "j" },
        { "s3fifo: none may be", CACHE_POLICY_KIND_S3FIFO, 3, "abc", "aaabcd", "!" },
        { "s3fifo: all may be, but all were wanted", CACHE_POLICY_KIND_S3FIFO, 3, "",
          "aaaabbbbccccd", "a" },
        { "s3fifo: one slot", CACHE_POLICY_KIND_S3FIFO, 1, "", "aabb", "a" },
};

START_TEST(the_right_lines_are_evicted) {
        const EvictionCase *c = &eviction_cases[_i];
        Letters letters = { .n_slots = c->n_slots, .pinned = c->pinned };

        ck_assert_int_eq(cache_policy_new(&letters.policy, c->kind, c->n_slots), 0);
        for (const char *line = c->wanted; *line; line++)
                if (*line == '-')
                        discard(&letters, *++line);
                else
                        want(&letters, *line);
        cache_policy_free(letters.policy);
        ck_assert_msg(strcmp(letters.evicted, c->evicted) == 0, "%s: %s, expected %s", c->what,
                      letters.evicted, c->evicted);
}
END_TEST

/* --- at random */

typedef struct Model {
        CachePolicy *policy; /* owned */
        uint32_t n_slots;
        bool is_used[N_SLOTS_MAX];
        bool is_pinned[N_SLOTS_MAX];
        uint32_t order[N_SLOTS_MAX]; /* from the oldest to the youngest: for LRU */
        uint32_t n_used;
        Random random;
} Model;

static bool slot_may_be_evicted(uint32_t slot, void *userdata) {
        const Model *model = userdata;

        ck_assert_uint_lt(slot, model->n_slots);
        ck_assert(model->is_used[slot]);
        return !model->is_pinned[slot];
}

static bool any_may_be_evicted(const Model *model) {
        for (uint32_t slot = 0; slot < model->n_slots; slot++)
                if (model->is_used[slot] && !model->is_pinned[slot])
                        return true;
        return false;
}

static void model_append(Model *model, uint32_t slot) { model->order[model->n_used++] = slot; }

static void model_unlink(Model *model, uint32_t slot) {
        uint32_t i = 0;

        while (model->order[i] != slot)
                i++;
        model->n_used--;
        memmove(&model->order[i], &model->order[i + 1],
                (model->n_used - i) * sizeof(model->order[0]));
}

/* Who is pinned and older than the victim has become young. */
static uint32_t model_victim(Model *model) {
        for (uint32_t i = 0; i < model->n_used; i++) {
                uint32_t slot = model->order[0];

                if (!model->is_pinned[slot])
                        return slot;
                model_unlink(model, slot);
                model_append(model, slot);
        }
        return CACHE_POLICY_NONE;
}

static void model_remove(Model *model, uint32_t slot, bool is_evicted) {
        cache_policy_remove(model->policy, slot, is_evicted);
        model->is_used[slot] = false;
        model_unlink(model, slot);
}

static void evict_one(Model *model, CachePolicyKind kind) {
        uint32_t slot = cache_policy_get_victim(model->policy, slot_may_be_evicted, model);

        if (kind == CACHE_POLICY_KIND_LRU)
                ck_assert_uint_eq(slot, model_victim(model));
        ck_assert_int_eq(slot != CACHE_POLICY_NONE, any_may_be_evicted(model));
        if (slot == CACHE_POLICY_NONE)
                return;
        ck_assert(model->is_used[slot] && !model->is_pinned[slot]);
        ck_assert_uint_eq(cache_policy_get_victim(model->policy, slot_may_be_evicted, model), slot);
        model_remove(model, slot, /* is_evicted= */ true);
}

static void model_step(Model *model, CachePolicyKind kind) {
        uint32_t slot = (uint32_t) random_below(&model->random, model->n_slots);
        uint64_t dice = random_below(&model->random, 16);

        if (dice < 3)
                model->is_pinned[slot] = random_one_in(&model->random, 2);
        else if (dice < 5)
                evict_one(model, kind);
        else if (!model->is_used[slot]) {
                cache_policy_insert(model->policy, slot, random_below(&model->random, 100));
                model->is_used[slot] = true;
                model_append(model, slot);
        } else if (dice == 5) {
                model_remove(model, slot, /* is_evicted= */ false);
        } else {
                cache_policy_touch(model->policy, slot);
                model_unlink(model, slot);
                model_append(model, slot);
        }
}

/* Sizes from one slot on; at the end each line comes out exactly once. */
static void check_at_random(CachePolicyKind kind, uint32_t n_slots, uint64_t seed) {
        Model model = { .n_slots = n_slots };

        random_init(&model.random, seed);
        ck_assert_int_eq(cache_policy_new(&model.policy, kind, n_slots), 0);
        for (unsigned i = 0; i < N_RANDOM_STEPS; i++)
                model_step(&model, kind);
        memset(model.is_pinned, 0, sizeof(model.is_pinned));
        while (model.n_used > 0)
                evict_one(&model, kind);
        evict_one(&model, kind);
        cache_policy_free(model.policy);
}

static const uint32_t model_sizes[] = { 1, 2, 3, 9, 10, 31, N_SLOTS_MAX };

START_TEST(promises_are_kept_at_random) {
        for (CachePolicyKind kind = 0; kind < _CACHE_POLICY_KIND_MAX; kind++)
                check_at_random(kind, model_sizes[_i], (uint64_t) _i);
}
END_TEST

/* --- single properties */

/* How many of eight lines that were wanted often are left after a scan of more than fit. */
static unsigned count_kept_through_scan(CachePolicyKind kind) {
        Letters letters = { .n_slots = 20, .pinned = "" };
        unsigned n_kept = 0;

        ck_assert_int_eq(cache_policy_new(&letters.policy, kind, letters.n_slots), 0);
        for (unsigned i = 0; i < 40; i++)
                want(&letters, (char) ('a' + i % 8));
        for (int line = '0'; line < 'a'; line++)
                want(&letters, (char) line);
        for (unsigned i = 0; i < 8; i++)
                n_kept += find_slot(&letters, (char) ('a' + i)) != CACHE_POLICY_NONE;
        cache_policy_free(letters.policy);
        return n_kept;
}

START_TEST(a_scan_leaves_the_working_set_to_s3fifo_alone) {
        ck_assert_uint_eq(count_kept_through_scan(CACHE_POLICY_KIND_S3FIFO), 8);
        ck_assert_uint_eq(count_kept_through_scan(CACHE_POLICY_KIND_LRU), 0);
}
END_TEST

START_TEST(without_memory_there_is_no_policy) {
        for (CachePolicyKind kind = 0; kind < _CACHE_POLICY_KIND_MAX; kind++) {
                CachePolicy *policy = NULL;
                unsigned n = 0;

                do
                        n_callocs_left = ++n;
                while (cache_policy_new(&policy, kind, 10) == -ENOMEM && !policy);
                n_callocs_left = 0;
                ck_assert_uint_gt(n, 1);
                ck_assert_ptr_nonnull(policy);
                ck_assert_ptr_null(cache_policy_free(policy));
        }
}
END_TEST

static void touch_nobody(void *argument) { cache_policy_touch(argument, 1); }

static void insert_twice(void *argument) { cache_policy_insert(argument, 0, 0); }

static void remove_nobody(void *argument) { cache_policy_remove(argument, 1, true); }

static void touch_beyond(void *argument) { cache_policy_touch(argument, 2); }

START_TEST(misuse_is_noticed) {
        static void (*const misuses[])(void *) = { touch_nobody, insert_twice, remove_nobody,
                                                   touch_beyond };

        for (CachePolicyKind kind = 0; kind < _CACHE_POLICY_KIND_MAX; kind++) {
                CachePolicy *policy;

                ck_assert_int_eq(cache_policy_new(&policy, kind, 2), 0);
                cache_policy_insert(policy, 0, 0);
                for (size_t i = 0; i < N_ELEMENTS(misuses); i++)
                        ck_assert(WIFSIGNALED(run_in_child(misuses[i], policy)));
                cache_policy_free(policy);
        }
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_scan_leaves_the_working_set_to_s3fifo_alone,
                without_memory_there_is_no_policy,
                misuse_is_noticed,
                NULL,
        };
        Suite *suite = suite_of("cache_policy", tests);
        TCase *tables = tcase_create("tables");

        tcase_add_loop_test(tables, the_right_lines_are_evicted, 0, N_ELEMENTS(eviction_cases));
        tcase_add_loop_test(tables, promises_are_kept_at_random, 0, N_ELEMENTS(model_sizes));
        suite_add_tcase(suite, tables);
        return run_suite(suite);
}
