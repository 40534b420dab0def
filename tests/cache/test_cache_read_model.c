/*
 * Readers in a row, forward and backward, over blocks that others write, zero and trim at the same time,
 * from a printed seed. Each block tells which write it is of: a reader must see one that was not
 * overwritten before it came, and not one that came after it was answered. Meanwhile the device goes away
 * and comes back, memory for transfers is short, and all settings change.
 */

#include <stdio.h>
#include <string.h>

#include "base/staging.h"
#include "cache/cache_ahead.h"
#include "cache_fixture.h"
#include "unit_test.h"

#define N_SEEDS 8
#define N_READERS 6
#define DEPTH 8
#define N_CHANGERS 4
#define BLOCK 512
#define N_BLOCKS (CACHE_FIXTURE_DISK_SIZE / BLOCK)
#define READ_SIZE_MAX (96 * KIB)
#define CHANGE_SIZE_MAX (200 * KIB)
#define N_STEPS 600

typedef struct Block {
        uint64_t lba;
        uint64_t version;
        uint8_t rest[BLOCK - 16];
} Block;

/* What may be read of a block: all zeroes are of the latest version that was zeroes. */
typedef struct BlockState {
        uint64_t done_version;   /* of the latest change that was answered */
        uint64_t begun_version;  /* of the latest that came */
        uint64_t zeroes_version; /* likewise, of those that bring zeroes; 0: none */
} BlockState;

typedef struct Reader Reader;

typedef struct Read {
        BlockRequest request;
        struct iovec segment;
        bool is_busy;
        uint64_t done_versions[READ_SIZE_MAX / BLOCK]; /* when it came */
        Block blocks[READ_SIZE_MAX / BLOCK];
} Read;

struct Reader {
        uint64_t position;
        uint64_t size; /* of each request */
        unsigned n_left;
        bool is_backward;
        Read reads[DEPTH];
};

typedef struct Change {
        BlockRequest request;
        struct iovec segment;
        bool is_busy;
        uint64_t version;
        Block blocks[CHANGE_SIZE_MAX / BLOCK];
} Change;

static CacheFixture fixture;
static Random random_source;
static BlockState states[N_BLOCKS];
static Reader readers[N_READERS];
static Change changes[N_CHANGERS];
static uint64_t latest_version;
static uint64_t n_reads_done, n_changes_done;

static uint64_t below(uint64_t limit) { return random_below(&random_source, limit); }
static bool one_in(uint64_t n) { return random_one_in(&random_source, n); }

/* Memory for transfers that is short now and then. */

static bool is_memory_short;

static void *get_memory(Staging *staging, size_t size) {
        return is_memory_short && one_in(2) ? NULL : staging_get(staging_heap(), size);
}

static void put_memory(Staging *staging, void *memory, size_t size) {
        staging_put(staging_heap(), memory, size);
}

static const StagingOps scarce_ops = { .get = get_memory, .put = put_memory };
static Staging scarce = { .ops = &scarce_ops };

/* --- readers */

static void check_block(const Read *read, size_t i) {
        uint64_t index = read->request.offset / BLOCK + i;
        const Block *block = &read->blocks[i];
        const BlockState *state = &states[index];
        static const Block zeroes;

        if (memcmp(block, &zeroes, sizeof(zeroes)) == 0) {
                ck_assert_uint_ge(state->zeroes_version, read->done_versions[i]);
                return;
        }
        ck_assert_uint_eq(block->lba, index);
        ck_assert_uint_ge(block->version, read->done_versions[i]);
        ck_assert_uint_le(block->version, state->begun_version);
}

static void on_read_done(BlockRequest *request) {
        Read *read = container_of(request, Read, request);

        ck_assert_int_eq(request->error, 0);
        for (size_t i = 0; i < request->size / BLOCK; i++)
                check_block(read, i);
        read->is_busy = false;
        n_reads_done++;
}

static void begin_row(Reader *reader) {
        reader->size = BLOCK * (1 + below(one_in(3) ? READ_SIZE_MAX / BLOCK : 16));
        reader->position = below(N_BLOCKS) * BLOCK;
        reader->n_left = 1 + (unsigned) below(one_in(2) ? 5 : 200);
        reader->is_backward = one_in(3);
}

/* False: it would reach beyond the disk. */
static bool go_on(Reader *reader, uint64_t *ret_offset) {
        if (reader->is_backward && reader->position < reader->size)
                return false;
        if (reader->is_backward)
                reader->position -= reader->size;
        *ret_offset = reader->position;
        if (reader->position + reader->size > CACHE_FIXTURE_DISK_SIZE)
                return false;
        if (!reader->is_backward)
                reader->position += reader->size;
        reader->n_left--;
        return true;
}

static BlockRequest make_request(BlockOperation operation, uint64_t offset, uint64_t size,
                                 struct iovec *segment, BlockRequestDone done) {
        BlockRequest request = {
                .operation = operation,
                .offset = offset,
                .size = size,
                .segments = segment,
                .n_segments = 1,
                .deadline_ns = event_loop_now_ns(fixture.loop) + fixture.timeout_ns,
                .done = done,
        };

        segment->iov_len = size;
        return request;
}

/* As clients do: what can be lent is not read. */
static bool borrow(Read *read) {
        BlockLoan loan;
        uint8_t *to = (uint8_t *) read->blocks;

        if (!block_device_lend(fixture.volume, read->request.offset, read->request.size, &loan))
                return false;
        for (size_t i = 0; i < loan.n_parts; to += loan.parts[i++].size)
                memcpy(to, loan.parts[i].bytes, loan.parts[i].size);
        block_device_take_back(fixture.volume, &loan);
        return true;
}

static void read_next(Reader *reader, Read *read) {
        uint64_t offset;

        if (reader->n_left == 0 || !go_on(reader, &offset)) {
                begin_row(reader);
                return;
        }
        read->segment.iov_base = read->blocks;
        read->request = make_request(BLOCK_OPERATION_READ, offset, reader->size, &read->segment,
                                     on_read_done);
        list_init(&read->request.node);
        for (size_t i = 0; i < reader->size / BLOCK; i++)
                read->done_versions[i] = states[offset / BLOCK + i].done_version;
        read->is_busy = true;
        if (borrow(read))
                on_read_done(&read->request);
        else
                ck_assert_int_eq(block_device_submit(fixture.volume, &read->request), 0);
}

/* --- those who change blocks; no two the same at once */

static void on_change_done(BlockRequest *request) {
        Change *change = container_of(request, Change, request);

        ck_assert_int_eq(request->error, 0);
        for (size_t i = 0; i < request->size / BLOCK; i++)
                states[request->offset / BLOCK + i].done_version = change->version;
        change->is_busy = false;
        n_changes_done++;
}

static bool overlaps_another(uint64_t offset, uint64_t size) {
        for (size_t i = 0; i < N_CHANGERS; i++) {
                const BlockRequest *request = &changes[i].request;

                if (changes[i].is_busy && offset < request->offset + request->size &&
                    request->offset < offset + size)
                        return true;
        }
        return false;
}

/* Often where somebody is about to read. */
static uint64_t choose_offset(uint64_t size) {
        uint64_t offset = below(N_BLOCKS) * BLOCK;

        if (one_in(2))
                offset = readers[below(N_READERS)].position + below(256) * BLOCK;
        return MIN(offset, CACHE_FIXTURE_DISK_SIZE - size);
}

static void begin_change(Change *change) {
        static const BlockOperation operations[] = { BLOCK_OPERATION_WRITE, BLOCK_OPERATION_WRITE,
                                                     BLOCK_OPERATION_WRITE_ZEROES,
                                                     BLOCK_OPERATION_TRIM };
        BlockOperation operation = operations[below(N_ELEMENTS(operations))];
        uint64_t size = BLOCK * (1 + below(one_in(4) ? CHANGE_SIZE_MAX / BLOCK : 16));
        uint64_t offset = choose_offset(size);

        if (overlaps_another(offset, size) ||
            (operation == BLOCK_OPERATION_TRIM && !fixture.volume->info.can_trim))
                return;
        change->version = ++latest_version;
        change->is_busy = true;
        change->segment.iov_base = change->blocks;
        change->request = make_request(operation, offset, size, &change->segment, on_change_done);
        list_init(&change->request.node);
        if (one_in(6) && operation != BLOCK_OPERATION_TRIM)
                change->request.flags = BLOCK_REQUEST_FUA;
        for (size_t i = 0; i < size / BLOCK; i++) {
                BlockState *state = &states[offset / BLOCK + i];

                change->blocks[i] =
                                (Block){ .lba = offset / BLOCK + i, .version = change->version };
                state->begun_version = change->version;
                if (operation != BLOCK_OPERATION_WRITE)
                        state->zeroes_version = change->version;
        }
        ck_assert_int_eq(block_device_submit(fixture.volume, &change->request), 0);
}

/* --- disturbances */

static void unplug_and_replug(void) {
        cache_fixture_unplug(&fixture);
        cache_fixture_run_for(&fixture, below(2 * NS_PER_S));
        cache_fixture_replug(&fixture, /* loses_power= */ false);
        fixture.lun->staging = &scarce;
        cache_volume_get_inside(fixture.volume)->lower_staging = &scarce;
}

static void hold_for_a_while(void) {
        cache_volume_hold(fixture.volume);
        cache_fixture_run_for(&fixture, below(100 * NS_PER_MS));
        cache_volume_let_go(fixture.volume);
}

static void disturb(void) {
        static const uint64_t sizes[] = { 0, MIB, 2 * MIB, 16 * MIB };

        switch (below(8)) {
        case 0:
                unplug_and_replug();
                return;
        case 1:
                hold_for_a_while();
                return;
        case 2:
                cache_manager_set_size(fixture.manager, sizes[below(N_ELEMENTS(sizes))]);
                return;
        case 3:
                cache_manager_set_mode(fixture.manager, (CacheMode) below(_CACHE_MODE_MAX));
                return;
        case 4:
                ck_assert_int_eq(cache_manager_set_policy(
                                                 fixture.manager,
                                                 (CachePolicyKind) below(_CACHE_POLICY_KIND_MAX)),
                                 0);
                return;
        case 5:
                ck_assert_int_eq(cache_manager_set_read_ahead(fixture.manager, !one_in(4)), 0);
                return;
        case 6:
                is_memory_short = one_in(2);
                return;
        default:
                cache_volume_drop_clean(fixture.volume);
        }
}

/* --- */

static void set_up(unsigned seed) {
        static const uint32_t line_sizes[] = { 4 * KIB, 16 * KIB, 64 * KIB };

        random_init(&random_source, seed);
        is_memory_short = false;
        latest_version = 1;
        n_reads_done = n_changes_done = 0;
        memset(readers, 0, sizeof(readers));
        memset(changes, 0, sizeof(changes));
        cache_fixture_set_up(&fixture, BLOCK);
        for (size_t i = 0; i < N_BLOCKS; i++) {
                Block block = { .lba = i, .version = 1 };

                memcpy(fixture.ram.memory + i * BLOCK, &block, BLOCK);
                states[i] = (BlockState){ .done_version = 1, .begun_version = 1 };
        }
        memcpy(fixture.ram.persistent, fixture.ram.memory, CACHE_FIXTURE_DISK_SIZE);
        fixture.timeout_ns = 100 * NS_PER_S;
        fixture.ram.target.n_in_flight_max = 1 + below(16);
        fixture.ram.disk.transfer_size_max = (uint32_t) (BLOCK * (8 + below(2040)));
        fixture.ram.delay_ns_max = seed % 5 == 0 ? 0 : 3 * NS_PER_MS;
        fixture.options.line_size = line_sizes[seed % N_ELEMENTS(line_sizes)];
        fixture.options.policy = (CachePolicyKind) (seed % _CACHE_POLICY_KIND_MAX);
        fixture.options.has_read_ahead = true;
        fixture.arena_size = fixture.options.line_size * (32 + below(256)) + 512 * KIB;
        cache_fixture_start(&fixture);
        fixture.lun->staging = &scarce;
        cache_volume_get_inside(fixture.volume)->lower_staging = &scarce;
        fixture.ram.random = random_source;
}

static void check_counters(void) {
        const CacheVolume *volume = cache_volume_get_inside(fixture.volume);
        size_t n = 0, n_ahead = 0, n_single = 0;

        LIST_FOR_EACH (node, (ListNode *) &volume->fills) {
                const CacheFill *fill = list_entry(node, CacheFill, node);

                n++;
                n_ahead += fill->is_ahead;
                n_single += !fill->is_ahead && fill->stream == CACHE_STREAM_NONE;
        }
        ck_assert_uint_eq(volume->n_fills, n);
        ck_assert_uint_eq(volume->n_fills_ahead, n_ahead);
        ck_assert_uint_eq(volume->n_fills_single, n_single);
}

static bool is_anybody_busy(void) {
        for (size_t i = 0; i < N_READERS; i++)
                for (size_t j = 0; j < DEPTH; j++)
                        if (readers[i].reads[j].is_busy)
                                return true;
        for (size_t i = 0; i < N_CHANGERS; i++)
                if (changes[i].is_busy)
                        return true;
        return false;
}

static void run_step(void) {
        for (size_t i = 0; i < N_READERS; i++)
                for (size_t j = 0; j < DEPTH; j++)
                        if (!readers[i].reads[j].is_busy)
                                read_next(&readers[i], &readers[i].reads[j]);
        for (size_t i = 0; i < N_CHANGERS; i++)
                if (!changes[i].is_busy && one_in(8))
                        begin_change(&changes[i]);
        cache_fixture_run_for(&fixture, below(2 * NS_PER_MS));
        if (one_in(12))
                disturb();
        /* The journal is not needed, and is not endless. */
        fixture.ram.n_commands = 0;
        check_counters();
}

START_TEST(readers_see_what_was_changed_before_they_came) {
        printf("seed %d\n", _i);
        set_up((unsigned) _i);
        for (unsigned i = 0; i < N_STEPS; i++)
                run_step();
        is_memory_short = false;
        for (unsigned i = 0; i < 100 && is_anybody_busy(); i++) {
                cache_fixture_run(&fixture);
                fixture.ram.n_commands = 0;
        }
        ck_assert(!is_anybody_busy());
        ck_assert_uint_gt(n_reads_done, N_STEPS);
        ck_assert_uint_gt(n_changes_done, 0);
        check_counters();
        cache_fixture_tear_down(&fixture);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cache_read_model");
        TCase *tcase = tcase_create("cache_read_model");
        const char *first = getenv("CACHE_MODEL_FIRST"), *end = getenv("CACHE_MODEL_END");

        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, readers_see_what_was_changed_before_they_came,
                            first ? atoi(first) : 0, end ? atoi(end) : N_SEEDS);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
