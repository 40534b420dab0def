/* What readers come to is on its way before they ask for it, however many requests they have in flight. */

#include <errno.h>
#include <string.h>

#include "cache_fixture.h"
#include "scsi/scsi_cdb.h"
#include "unit_test.h"

#define READERS_MAX 16
#define DEPTH_MAX 64
#define STEP (4 * KIB)

static CacheFixture fixture;

static void set_up(void) {
        cache_fixture_set_up(&fixture, 512);
        fixture.arena_size = 20 * MIB; /* so that windows are of 1 MiB */
        fixture.options.has_read_ahead = true;
        fixture.ram.target.n_in_flight_most = 8;
}

static void tear_down(void) { cache_fixture_tear_down(&fixture); }

static size_t n_reads(void) { return cache_fixture_count(&fixture, SCSI_OPCODE_READ_10); }

static const CacheStatistics *statistics(void) {
        return cache_manager_get_statistics(fixture.manager);
}

/* --- readers that never pause */

typedef struct Reader Reader;

typedef struct ReaderRequest {
        BlockRequest block;
        struct iovec segment;
        Reader *reader;
        uint8_t bytes[64 * KIB];
} ReaderRequest;

struct Reader {
        uint64_t start; /* of its range */
        uint64_t size;  /* likewise */
        uint64_t request_size;
        uint64_t n_begun;
        uint64_t n_done;
        uint64_t bad_offset; /* the only block that can't be read, or UINT64_MAX */
        unsigned n_failed;
        bool is_backward;
        ReaderRequest requests[DEPTH_MAX];
};

static Reader readers[READERS_MAX];

static bool has_more(const Reader *reader) {
        return reader->n_begun < reader->size / reader->request_size;
}

static void on_reader_done(BlockRequest *block);

static void read_next(ReaderRequest *request) {
        Reader *reader = request->reader;
        uint64_t passed = reader->n_begun++ * reader->request_size;

        request->segment = (struct iovec){ .iov_base = request->bytes,
                                           .iov_len = reader->request_size };
        request->block = (BlockRequest){
                .operation = BLOCK_OPERATION_READ,
                .offset = reader->is_backward ? reader->start + reader->size - passed -
                                                                reader->request_size
                                              : reader->start + passed,
                .size = reader->request_size,
                .segments = &request->segment,
                .n_segments = 1,
                .deadline_ns = event_loop_now_ns(fixture.loop) + fixture.timeout_ns,
                .done = on_reader_done,
        };
        list_init(&request->block.node);
        ck_assert_int_eq(block_device_submit(fixture.volume, &request->block), 0);
}

static void on_reader_done(BlockRequest *block) {
        ReaderRequest *request = container_of(block, ReaderRequest, block);
        Reader *reader = request->reader;
        uint64_t bad_offset = reader->bad_offset;

        reader->n_done++;
        if (block->error == 0) {
                ck_assert_mem_eq(request->bytes, fixture.ram.memory + block->offset, block->size);
        } else {
                ck_assert_int_eq(block->error, -EIO);
                ck_assert(bad_offset >= block->offset && bad_offset < block->offset + block->size);
                ck_assert_uint_eq(block->error_offset, bad_offset);
                reader->n_failed++;
        }
        if (has_more(reader))
                read_next(request);
}

static void start_reader(Reader *reader, unsigned depth) {
        reader->n_begun = reader->n_done = 0;
        for (unsigned i = 0; i < depth && has_more(reader); i++) {
                reader->requests[i].reader = reader;
                read_next(&reader->requests[i]);
        }
}

static void run_to_the_end(unsigned n_readers) {
        for (unsigned i = 0; i < n_readers; i++)
                for (unsigned j = 0; j < 10000 && readers[i].n_done < readers[i].n_begun; j++)
                        cache_fixture_run_for(&fixture, NS_PER_MS);
        for (unsigned i = 0; i < n_readers; i++)
                ck_assert_uint_eq(readers[i].n_done, readers[i].size / readers[i].request_size);
}

typedef struct ReaderCase {
        const char *what;
        unsigned n_readers;
        unsigned depth;
        uint64_t request_size;
        uint64_t size; /* of what each reads */
        bool is_backward;
} ReaderCase;

static const ReaderCase reader_cases[] = {
        { "one at a time", 1, 1, STEP, 2 * MIB, false },
        { "two at a time", 1, 2, STEP, 2 * MIB, false },
        { "sixteen at a time", 1, 16, STEP, 2 * MIB, false },
        { "more at a time than there are fills", 1, 64, STEP, 2 * MIB, false },
        { "backward, sixteen at a time", 1, 16, STEP, 2 * MIB, true },
        { "lines, eight at a time", 1, 8, 64 * KIB, 4 * MIB, false },
        { "two readers", 2, 16, STEP, MIB, false },
        { "four readers", 4, 16, STEP, MIB, false },
        { "four readers backward", 4, 16, STEP, MIB, true },
};

START_TEST(readers_that_never_pause_are_read_ahead_for) {
        const ReaderCase *c = &reader_cases[_i];

        cache_fixture_start(&fixture);
        fixture.ram.delay_ns_max = NS_PER_MS;
        for (unsigned i = 0; i < c->n_readers; i++) {
                readers[i] = (Reader){ .start = i * (uint64_t) MIB,
                                       .size = c->size,
                                       .request_size = c->request_size,
                                       .bad_offset = UINT64_MAX,
                                       .is_backward = c->is_backward };
                start_reader(&readers[i], c->depth);
        }
        run_to_the_end(c->n_readers);
        /* Three before there is a stream, windows that double up to 1 MiB, and whole ones. */
        ck_assert_msg(n_reads() <= 12 * c->n_readers, "%s: %zu commands", c->what, n_reads());
        ck_assert_uint_eq(statistics()->read_ahead_wasted_size, 0);
}
END_TEST

/* First all that can be in flight is at the device for readers of whom nothing was known yet. */
START_TEST(who_had_to_wait_for_a_fill_has_it_used_for_all_that_comes) {
        cache_fixture_start(&fixture);
        fixture.ram.delay_ns_max = NS_PER_MS;
        for (unsigned i = 0; i < READERS_MAX; i++)
                readers[i] = (Reader){ .start = i * 256 * KIB,
                                       .size = 256 * KIB,
                                       .request_size = STEP,
                                       .bad_offset = UINT64_MAX };
        for (unsigned i = 0; i < 4; i++)
                for (unsigned j = 0; j < READERS_MAX; j++) {
                        readers[j].requests[i].reader = &readers[j];
                        read_next(&readers[j].requests[i]);
                }
        run_to_the_end(READERS_MAX);
        ck_assert_uint_le(n_reads(), 8 * READERS_MAX);
}
END_TEST

/* Sixteen windows of a share each, of what may be used and not of what there would be room for. */
START_TEST(the_window_is_a_share_of_what_may_be_used) {
        uint64_t wasted_size = 0;

        cache_fixture_start(&fixture);
        for (unsigned i = 0; i < 2; i++) {
                cache_manager_set_size(fixture.manager, i == 0 ? 20 * MIB : MIB);
                cache_volume_drop_clean(fixture.volume);
                wasted_size = statistics()->read_ahead_wasted_size;
                readers[0] = (Reader){ .start = i * 2 * MIB,
                                       .size = 2 * MIB,
                                       .request_size = STEP,
                                       .bad_offset = UINT64_MAX };
                fixture.ram.n_commands = 0;
                start_reader(&readers[0], 1);
                run_to_the_end(1);
                for (size_t j = 0; i == 1 && j < fixture.ram.n_commands; j++)
                        ck_assert_uint_le(fixture.ram.journal[j].n_blocks * UINT64_C(512),
                                          64 * KIB);
        }
        ck_assert_uint_eq(statistics()->read_ahead_wasted_size, wasted_size);
}
END_TEST

START_TEST(a_bad_block_is_told_to_who_reads_it) {
        cache_fixture_start(&fixture);
        fixture.ram.delay_ns_max = NS_PER_MS;
        fixture.ram.bad_lba = (600 * KIB + 1024) / 512;
        fixture.ram.is_bad_lba_told = true;
        readers[0] = (Reader){ .size = MIB,
                               .request_size = STEP,
                               .bad_offset = fixture.ram.bad_lba * 512 };
        start_reader(&readers[0], 16);
        run_to_the_end(1);
        ck_assert_uint_eq(readers[0].n_failed, 1);
}
END_TEST

/* --- one step at a time: what the device has, it keeps until it is let go of */

static uint8_t bytes[CACHE_FIXTURE_DISK_SIZE];

static void start_read(uint64_t offset) {
        cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, offset, STEP, bytes + offset);
        cache_fixture_run_for(&fixture, NS_PER_MS);
}

static void let_go(void) {
        ram_target_release(&fixture.ram, 0);
        cache_fixture_run(&fixture);
        for (size_t i = 0; i < fixture.n_requests; i++) {
                const BlockRequest *block = &fixture.requests[i].block;

                ck_assert(fixture.requests[i].is_done);
                ck_assert_mem_eq(bytes + block->offset, fixture.ram.memory + block->offset, STEP);
        }
}

/* So that the next one, at 2 * STEP, is of a stream. */
static void begin_stream(void) {
        cache_fixture_start(&fixture);
        start_read(0);
        start_read(STEP);
        ck_assert_uint_eq(n_reads(), 2);
        fixture.ram.is_held = true;
}

static uint64_t last_command_offset(void) {
        return fixture.ram.journal[fixture.ram.n_commands - 1].lba * 512;
}

static uint64_t last_command_size(void) {
        return fixture.ram.journal[fixture.ram.n_commands - 1].n_blocks * UINT64_C(512);
}

START_TEST(a_stream_that_waits_is_read_ahead_for) {
        begin_stream();
        start_read(2 * STEP);
        ck_assert_uint_eq(n_reads(), 4);
        ck_assert_uint_eq(last_command_offset(), 3 * STEP);
        ck_assert_uint_eq(last_command_size(), 64 * KIB);
        let_go();
}
END_TEST

START_TEST(who_reads_at_random_is_not_made_to_wait_for_it) {
        begin_stream();
        start_read(3 * MIB);
        start_read(2 * STEP);
        ck_assert_uint_eq(n_reads(), 4);
        ck_assert_uint_eq(last_command_size(), STEP);
        let_go();
        ck_assert_uint_eq(n_reads(), 5);
        ck_assert_uint_eq(last_command_size(), 64 * KIB);
}
END_TEST

START_TEST(who_comes_to_what_was_to_be_read_ahead_has_it_at_once) {
        begin_stream();
        start_read(3 * MIB);
        start_read(2 * STEP);
        start_read(4 * STEP);
        ck_assert_uint_eq(n_reads(), 5);
        ck_assert_uint_eq(last_command_offset(), 4 * STEP);
        ck_assert_uint_eq(last_command_size(), 64 * KIB - STEP);
        start_read(5 * STEP);
        ck_assert_uint_eq(n_reads(), 5);
        let_go();
}
END_TEST

/* Its beginning is on its way as the end of what was read before. */
START_TEST(who_comes_to_it_with_its_end_has_it_as_well) {
        begin_stream();
        start_read(3 * MIB);
        start_read(2 * STEP);
        cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, 2 * STEP, 2 * STEP,
                             bytes + 2 * STEP);
        cache_fixture_run_for(&fixture, NS_PER_MS);
        ck_assert_uint_eq(n_reads(), 5);
        ck_assert_uint_eq(last_command_offset(), 3 * STEP);
        ck_assert_uint_eq(last_command_size(), 64 * KIB);
        let_go();
}
END_TEST

START_TEST(a_backward_reader_has_what_lies_before_it) {
        cache_fixture_start(&fixture);
        start_read(MIB + 2 * STEP);
        start_read(MIB + STEP);
        fixture.ram.is_held = true;
        start_read(3 * MIB);
        start_read(MIB);
        start_read(MIB - 2 * STEP);
        ck_assert_uint_eq(n_reads(), 5);
        ck_assert_uint_eq(last_command_offset(), MIB - 64 * KIB);
        ck_assert_uint_eq(last_command_size(), 64 * KIB - STEP);
        let_go();
}
END_TEST

static void note_and(void (*then)(void)) {
        begin_stream();
        start_read(3 * MIB);
        start_read(2 * STEP);
        then();
}

static void have_none(void) {
        ck_assert_int_eq(cache_manager_set_read_ahead(fixture.manager, false), 0);
}

static void unplug_and_replug(void) {
        cache_fixture_unplug(&fixture);
        cache_fixture_replug(&fixture, false);
}

static void switch_off(void) { cache_manager_set_mode(fixture.manager, CACHE_MODE_OFF); }

/* Somebody else is about to change the medium. */
static void hold(void) { cache_volume_hold(fixture.volume); }

START_TEST(what_is_not_wanted_any_more_is_not_read) {
        static void (*const ends[])(void) = { have_none, unplug_and_replug, switch_off, hold };

        note_and(ends[_i]);
        let_go();
        ck_assert_uint_eq(statistics()->read_ahead_size, 0);
}
END_TEST

/* Up to `end` they have all from the cache, while somebody else waits. */
static void read_hits_beside_another(uint64_t end) {
        const uint64_t size = 32 * KIB;

        fixture.ram.is_held = true;
        start_read(3 * MIB);
        for (uint64_t offset = 0; offset < end; offset += size) {
                fixture.n_requests = 1;
                cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, offset, size, bytes);
                cache_fixture_run_for(&fixture, NS_PER_MS);
                ck_assert(fixture.requests[1].is_done);
        }
        fixture.n_requests = 1;
}

static void prefetch(uint64_t size) {
        ck_assert_int_eq(cache_fixture_do(&fixture, BLOCK_OPERATION_PREFETCH, 0, 0, size, NULL), 0);
}

START_TEST(what_the_reader_has_passed_is_not_read) {
        cache_fixture_start(&fixture);
        prefetch(2 * MIB);
        read_hits_beside_another(3 * MIB / 2);
        cache_volume_drop_clean(fixture.volume);
        fixture.ram.n_commands = 0;
        let_go();
        ck_assert_uint_gt(fixture.ram.n_commands, 0);
        for (size_t i = 0; i < fixture.ram.n_commands; i++)
                ck_assert_uint_ge(fixture.ram.journal[i].lba * 512, MIB / 2);
}
END_TEST

/* Who reads at random would wait for all that is before him. */
START_TEST(it_is_less_at_once_where_somebody_reads_at_random) {
        cache_fixture_start(&fixture);
        prefetch(MIB);
        read_hits_beside_another(MIB);
        start_read(MIB);
        ck_assert_uint_eq(last_command_offset(), MIB);
        ck_assert_uint_eq(last_command_size(), 256 * KIB);
        let_go();
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_bad_block_is_told_to_who_reads_it,
                who_had_to_wait_for_a_fill_has_it_used_for_all_that_comes,
                the_window_is_a_share_of_what_may_be_used,
                what_the_reader_has_passed_is_not_read,
                it_is_less_at_once_where_somebody_reads_at_random,
                a_stream_that_waits_is_read_ahead_for,
                who_reads_at_random_is_not_made_to_wait_for_it,
                who_comes_to_what_was_to_be_read_ahead_has_it_at_once,
                who_comes_to_it_with_its_end_has_it_as_well,
                a_backward_reader_has_what_lies_before_it,
        };
        Suite *suite = suite_create("cache_ahead");
        TCase *tcase = tcase_create("cache_ahead");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, readers_that_never_pause_are_read_ahead_for, 0,
                            (int) N_ELEMENTS(reader_cases));
        for (size_t i = 0; i < N_ELEMENTS(tests); i++)
                tcase_add_test(tcase, tests[i]);
        tcase_add_loop_test(tcase, what_is_not_wanted_any_more_is_not_read, 0, 4);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
