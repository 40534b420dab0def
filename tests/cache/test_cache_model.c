/*
 * Random requests against a picture of what a client may see, from a printed seed: resets of the
 * disk, unplugs with and without loss of power, bad blocks, and kills between any two stores of the
 * arena. What completed must be there; what did not may be, block by block.
 */

#include <stdio.h>
#include <string.h>

#include "cache/cache_manager_internal.h"
#include "cache_fixture.h"
#include "unit_test.h"

#define N_SEEDS 24
#define N_ROUNDS 100
#define N_PARALLEL 8
#define SIZE CACHE_FIXTURE_DISK_SIZE
#define BLOCK 512

static CacheFixture fixture;
static uint8_t model[SIZE];
static uint8_t buffers[N_PARALLEL][256 * KIB];
static Random random_source;

typedef struct Slot {
        CacheFixtureRequest *request;
        BlockOperation operation;
        uint64_t offset, size;
        bool was_done_at_kill;
} Slot;

static Slot slots[N_PARALLEL];

/* What a kill left. */
static struct {
        unsigned n_stores_left; /* until it comes; 0: it does not */
        int arena_fd;           /* -1: it has not come */
        uint8_t memory[SIZE];
        uint8_t persistent[SIZE];
} death;

static uint64_t below(uint64_t limit) { return random_below(&random_source, limit); }
static bool one_in(uint64_t n) { return random_one_in(&random_source, n); }

static void die(void) {
        death.arena_fd = cache_fixture_copy_memfd(fixture.arena_fd);
        memcpy(death.memory, fixture.ram.memory, SIZE);
        memcpy(death.persistent, fixture.ram.persistent, SIZE);
        for (size_t i = 0; i < N_PARALLEL; i++)
                slots[i].was_done_at_kill = slots[i].request && slots[i].request->is_done;
}

static void on_store(void *userdata) {
        if (death.n_stores_left > 0 && --death.n_stores_left == 0)
                die();
}

static void choose_range(Slot *slot, size_t index) {
        /* Each in its own part, whose borders lie inside blocks. */
        uint64_t part = SIZE / N_PARALLEL - 77, first = index * part, end = first + part;

        slot->offset = first + below(end - first);
        slot->size = 1 + below(MIN(end - slot->offset, one_in(4) ? sizeof(buffers[0]) : 5000));
        if (one_in(2) && slot->offset + 4096 < end) {
                slot->offset = ALIGN_UP(slot->offset, BLOCK);
                slot->size = ALIGN_UP(MIN(slot->size, (end - slot->offset) / BLOCK * BLOCK), BLOCK);
        }
        /* Hot places: what is dirty is overwritten. */
        if (one_in(3))
                slot->offset = first + (slot->offset - first) % 9000;
        slot->size = MIN(slot->size, end - slot->offset);
}

static void start(Slot *slot, size_t index) {
        static const BlockOperation operations[] = {
                BLOCK_OPERATION_READ,  BLOCK_OPERATION_READ,     BLOCK_OPERATION_WRITE,
                BLOCK_OPERATION_WRITE, BLOCK_OPERATION_WRITE,    BLOCK_OPERATION_WRITE_ZEROES,
                BLOCK_OPERATION_FLUSH, BLOCK_OPERATION_PREFETCH,
        };
        BlockRequestFlags flags = 0;

        slot->operation = operations[below(N_ELEMENTS(operations))];
        choose_range(slot, index);
        if (slot->operation == BLOCK_OPERATION_FLUSH)
                slot->offset = slot->size = 0;
        if ((slot->operation == BLOCK_OPERATION_WRITE ||
             slot->operation == BLOCK_OPERATION_WRITE_ZEROES) &&
            one_in(6))
                flags |= BLOCK_REQUEST_FUA;
        if (slot->operation == BLOCK_OPERATION_WRITE)
                random_fill(&random_source, buffers[index], slot->size);
        slot->request = cache_fixture_submit(&fixture, slot->operation, flags, slot->offset,
                                             slot->size, buffers[index]);
}

/* READs that follow each other, as they go past the cache together. */
static void start_row(void) {
        uint64_t size = 1 + below(sizeof(buffers[0])), offset = below(SIZE - N_PARALLEL * size);

        if (one_in(2)) {
                size = ALIGN_UP(size, BLOCK);
                offset = ALIGN_DOWN(offset, BLOCK) % (SIZE - N_PARALLEL * size);
        }
        for (size_t i = 0; i < N_PARALLEL; i++) {
                slots[i] = (Slot){
                        .operation = BLOCK_OPERATION_READ,
                        .offset = offset + i * size,
                        .size = size,
                };
                slots[i].request = cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0,
                                                        slots[i].offset, size, buffers[i]);
        }
}

static bool changes(const Slot *slot) {
        return slot->operation == BLOCK_OPERATION_WRITE ||
               slot->operation == BLOCK_OPERATION_WRITE_ZEROES;
}

static void apply(const Slot *slot, size_t index) {
        if (slot->operation == BLOCK_OPERATION_WRITE)
                memcpy(model + slot->offset, buffers[index], slot->size);
        else
                memset(model + slot->offset, 0, slot->size);
}

static void check(const Slot *slot, size_t index) {
        const BlockRequest *block = &slot->request->block;

        ck_assert(slot->request->is_done);
        ck_assert_int_eq(block->error, 0);
        if (block->operation == BLOCK_OPERATION_READ)
                ck_assert_mem_eq(buffers[index], model + slot->offset, slot->size);
        if (changes(slot))
                apply(slot, index);
        if (block->flags & BLOCK_REQUEST_FUA)
                ck_assert_mem_eq(fixture.ram.persistent + slot->offset, model + slot->offset,
                                 slot->size);
}

static void disturb(void) {
        switch (below(8)) {
        case 0:
                cache_fixture_reset_disk(&fixture);
                return;
        case 1:
        case 2:
                cache_fixture_unplug(&fixture);
                cache_fixture_run_for(&fixture, below(10 * NS_PER_S));
                cache_fixture_replug(&fixture, /* loses_power= */ one_in(2));
                return;
        case 3:
                cache_manager_set_size(fixture.manager, one_in(2) ? 1 * MIB : 0);
                return;
        case 4:
                cache_manager_set_mode(fixture.manager, (CacheMode) below(_CACHE_MODE_MAX));
                return;
        case 5:
                ck_assert_int_eq(cache_manager_set_policy(
                                                 fixture.manager,
                                                 (CachePolicyKind) below(_CACHE_POLICY_KIND_MAX)),
                                 0);
                return;
        case 6:
                ck_assert_int_eq(cache_manager_set_read_ahead(fixture.manager, one_in(2)), 0);
                cache_manager_set_verification(fixture.manager, one_in(2));
                return;
        default:
                return;
        }
}

/* A block of what was under way is old or new; which of them is found out. */
static void adopt(const Slot *slot, size_t index) {
        uint8_t now[BLOCK];

        for (uint64_t at = slot->offset; at < slot->offset + slot->size;) {
                uint64_t stop = MIN(ALIGN_DOWN(at, BLOCK) + BLOCK, slot->offset + slot->size);
                uint64_t size = stop - at;

                ck_assert_int_eq(cache_fixture_do(&fixture, BLOCK_OPERATION_READ, 0, at, size, now),
                                 0);
                if (memcmp(now, model + at, size) != 0) {
                        if (slot->operation == BLOCK_OPERATION_WRITE)
                                ck_assert_mem_eq(now, buffers[index] + (at - slot->offset), size);
                        else
                                for (uint64_t i = 0; i < size; i++)
                                        ck_assert_uint_eq(now[i], 0);
                        memcpy(model + at, now, size);
                }
                at = stop;
        }
}

static void revive(void) {
        bool has_executed = one_in(2);

        for (size_t i = 0; i < N_PARALLEL; i++)
                if (slots[i].was_done_at_kill && changes(&slots[i]))
                        apply(&slots[i], i);
        cache_fixture_drop(&fixture);
        if (!has_executed) {
                /* What the device had in flight came to nothing. */
                memcpy(fixture.ram.memory, death.memory, SIZE);
                memcpy(fixture.ram.persistent, death.persistent, SIZE);
        }
        if (one_in(2))
                memcpy(fixture.ram.memory, fixture.ram.persistent, SIZE);
        ck_assert_int_eq(cache_fixture_restart(&fixture, death.arena_fd), 0);
        death.arena_fd = fd_close(death.arena_fd);
        cache_arena_set_observer(fixture.manager->arena, on_store, NULL);
        for (size_t i = 0; i < N_PARALLEL; i++)
                if (!slots[i].was_done_at_kill && changes(&slots[i]))
                        adopt(&slots[i], i);
}

static void run_round(void) {
        fixture.n_requests = 0;
        fixture.ram.n_commands = 0;
        memset(slots, 0, sizeof(slots));
        death.n_stores_left = one_in(6) ? 1 + (unsigned) below(200) : 0;
        if (one_in(4))
                start_row();
        for (size_t i = 0; i < N_PARALLEL; i++)
                if (!slots[i].request)
                        start(&slots[i], i);
        if (one_in(3)) {
                cache_fixture_run_for(&fixture, below(2 * NS_PER_MS));
                disturb();
        }
        cache_fixture_run_for(&fixture, one_in(8) ? 7 * NS_PER_S : NS_PER_S);
        death.n_stores_left = 0;
        if (death.arena_fd >= 0) {
                revive();
                return;
        }
        for (size_t i = 0; i < N_PARALLEL; i++)
                check(&slots[i], i);
}

static void flush_and_compare(void) {
        fixture.n_requests = 0;
        ck_assert_int_eq(cache_fixture_do(&fixture, BLOCK_OPERATION_FLUSH, 0, 0, 0, NULL), 0);
        ck_assert_mem_eq(model, fixture.ram.persistent, SIZE);
        ck_assert_uint_eq(cache_volume_get_kept_size(fixture.volume), 0);
}

static void set_up(unsigned seed) {
        static const uint32_t line_sizes[] = { 4 * KIB, 16 * KIB, 64 * KIB };

        random_init(&random_source, seed);
        death.arena_fd = -1;
        cache_fixture_set_up(&fixture, seed % 2 ? 4096 : 512);
        fixture.ram.target.n_in_flight_max = seed % 3 == 0 ? 1 : 1 + below(40);
        fixture.ram.disk.has_fua = seed % 4 < 2;
        fixture.ram.disk.transfer_size_max = 4096 * (1 + below(256));
        fixture.ram.delay_ns_max = seed % 7 == 0 ? 0 : NS_PER_MS;
        fixture.options.mode = seed % 5 == 0 ? CACHE_MODE_WRITE_THROUGH : CACHE_MODE_WRITE_BACK;
        fixture.options.policy = (CachePolicyKind) (seed % _CACHE_POLICY_KIND_MAX);
        fixture.options.line_size = line_sizes[seed % N_ELEMENTS(line_sizes)];
        fixture.options.has_read_ahead = seed % 4 != 0;
        fixture.options.verifies_hits = seed % 6 == 0;
        fixture.arena_size = fixture.options.line_size * 32 + 512 * KIB;
        cache_fixture_start(&fixture);
        fixture.ram.random = random_source;
        cache_arena_set_observer(fixture.manager->arena, on_store, NULL);
        memcpy(model, fixture.ram.memory, SIZE);
}

START_TEST(what_completed_is_there_whatever_happens) {
        printf("seed %d\n", _i);
        set_up((unsigned) _i);
        for (unsigned i = 0; i < N_ROUNDS; i++) {
                run_round();
                if (one_in(20))
                        flush_and_compare();
        }
        flush_and_compare();
        cache_fixture_tear_down(&fixture);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cache_model");
        TCase *tcase = tcase_create("cache_model");
        const char *first = getenv("CACHE_MODEL_FIRST"), *end = getenv("CACHE_MODEL_END");

        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, what_completed_is_there_whatever_happens,
                            first ? atoi(first) : 0, end ? atoi(end) : N_SEEDS);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
