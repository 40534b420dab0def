/*
 * Thousands of random requests against a picture of what the medium must hold, from a printed seed.
 * Requests in flight at once do not overlap in bytes, but often in blocks.
 */

#include <stdio.h>
#include <string.h>

#include "lun_fixture.h"
#include "unit_test.h"

#define N_SEEDS 24
#define N_ROUNDS 400
#define N_PARALLEL 8
#define SIZE (1 * MIB)

static LunFixture fixture;
static uint8_t model[SIZE];
static uint8_t buffers[N_PARALLEL][256 * KIB];
static Random random_source;

typedef struct Slot {
        FixtureRequest *request;
        uint64_t offset, size;
} Slot;

static uint64_t below(uint64_t limit) { return random_below(&random_source, limit); }

static void choose_range(Slot *slot, size_t index) {
        /* Each in its own part, whose borders lie inside blocks. */
        uint64_t part = SIZE / N_PARALLEL + 77, first = index * part;
        uint64_t end = MIN(first + part, SIZE - 600 + index * 7);

        slot->offset = first + below(end - first);
        slot->size = 1 + below(MIN(end - slot->offset,
                                   random_one_in(&random_source, 4) ? sizeof(buffers[0]) : 3000));
        if (random_one_in(&random_source, 3) && slot->offset + 4096 < end) {
                slot->offset = ALIGN_UP(slot->offset, 512);
                slot->size = ALIGN_UP(MIN(slot->size, (end - slot->offset) / 512 * 512), 512);
        }
}

static BlockOperation choose_operation(void) {
        static const BlockOperation operations[] = { BLOCK_OPERATION_READ, BLOCK_OPERATION_WRITE,
                                                     BLOCK_OPERATION_WRITE,
                                                     BLOCK_OPERATION_WRITE_ZEROES };

        return operations[below(N_ELEMENTS(operations))];
}

static void start(Slot *slot, size_t index) {
        BlockOperation operation = choose_operation();
        BlockRequestFlags flags = 0;

        choose_range(slot, index);
        if (operation != BLOCK_OPERATION_READ && random_one_in(&random_source, 5))
                flags |= BLOCK_REQUEST_FUA;
        if (operation == BLOCK_OPERATION_WRITE)
                random_fill(&random_source, buffers[index], slot->size);
        slot->request = lun_fixture_submit(&fixture, operation, flags, slot->offset, slot->size,
                                           buffers[index]);
        if (operation == BLOCK_OPERATION_WRITE)
                memcpy(model + slot->offset, buffers[index], slot->size);
        if (operation == BLOCK_OPERATION_WRITE_ZEROES)
                memset(model + slot->offset, 0, slot->size);
}

static void check(const Slot *slot, size_t index) {
        const BlockRequest *block = &slot->request->block;

        ck_assert(slot->request->is_done);
        ck_assert_int_eq(block->error, 0);
        if (block->operation == BLOCK_OPERATION_READ)
                ck_assert_mem_eq(buffers[index], model + slot->offset, slot->size);
        if (block->flags & BLOCK_REQUEST_FUA)
                ck_assert_mem_eq(fixture.ram.persistent + slot->offset, model + slot->offset,
                                 slot->size);
}

static void run_round(void) {
        Slot slots[N_PARALLEL];

        fixture.n_requests = 0;
        fixture.ram.n_commands = 0;
        for (size_t i = 0; i < N_PARALLEL; i++)
                start(&slots[i], i);
        lun_fixture_run(&fixture);
        for (size_t i = 0; i < N_PARALLEL; i++)
                check(&slots[i], i);
}

START_TEST(the_medium_is_what_the_model_says) {
        random_init(&random_source, (uint64_t) _i);
        printf("seed %d\n", _i);
        lun_fixture_set_up(&fixture, _i % 2 ? 4096 : 512);
        fixture.ram.target.n_in_flight_max = _i % 3 == 0 ? 1 : 1 + below(40);
        fixture.ram.disk.has_fua = _i % 4 < 2;
        fixture.ram.disk.can_write_same_16 = _i % 5 != 0;
        fixture.ram.disk.can_write_same_unmap = _i % 6 != 0;
        fixture.ram.disk.write_same_blocks_max = 1 + below(100);
        fixture.ram.disk.transfer_size_max = 4096 * (1 + below(40));
        lun_fixture_start(&fixture);
        fixture.ram.random = random_source;
        fixture.ram.delay_ns_max = _i % 7 == 0 ? 0 : NS_PER_MS;
        fixture.ram.transfer_size_limit = _i % 8 == 0 ? 16 * KIB : 0;

        memcpy(model, fixture.ram.memory, SIZE);
        for (unsigned i = 0; i < N_ROUNDS; i++)
                run_round();
        ck_assert_mem_eq(model, fixture.ram.memory, SIZE);
        lun_fixture_tear_down(&fixture);
}
END_TEST

static bool is_uniform(const uint8_t *bytes, size_t size) {
        return memcmp(bytes, bytes + 1, size - 1) == 0;
}

START_TEST(overlapping_writes_in_flight_never_tear_a_block) {
        static const uint64_t odd_offset = 3 * 512 + 5, odd_size = 10;
        const uint8_t *memory;

        random_init(&random_source, (uint64_t) _i);
        printf("seed %d\n", _i);
        lun_fixture_set_up(&fixture, 512);
        fixture.ram.target.n_in_flight_max = 32;
        lun_fixture_start(&fixture);
        fixture.ram.delay_ns_max = NS_PER_MS;
        memory = fixture.ram.memory;
        memset(fixture.ram.memory, 0xAA, 8 * 512);

        for (unsigned round = 0; round < 200; round++) {
                fixture.n_requests = 0;
                fixture.ram.n_commands = 0;
                for (size_t i = 0; i < N_PARALLEL; i++) {
                        memset(buffers[i], (int) (1 + i), 4096);
                        if (i == N_PARALLEL / 2)
                                lun_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0, odd_offset,
                                                   odd_size, buffers[i]);
                        else
                                lun_fixture_submit(&fixture, BLOCK_OPERATION_WRITE, 0,
                                                   512 * below(5), 512 * (1 + below(4)),
                                                   buffers[i]);
                }
                lun_fixture_run(&fixture);
                for (unsigned block = 0; block < 8; block++)
                        if (block != 3)
                                ck_assert(is_uniform(memory + block * 512, 512));
                /* The odd one came before or after a whole one, never in between. */
                ck_assert(is_uniform(memory + odd_offset, odd_size));
                ck_assert(is_uniform(memory + odd_offset + odd_size, 512 - 5 - odd_size));
                ck_assert_mem_eq(memory + 3 * 512, memory + odd_offset + odd_size, 5);
        }
        lun_fixture_tear_down(&fixture);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("lun_model");
        TCase *tcase = tcase_create("lun_model");

        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, the_medium_is_what_the_model_says, 0, N_SEEDS);
        tcase_add_loop_test(tcase, overlapping_writes_in_flight_never_tear_a_block, 0, 4);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
