/* Writers that never pause, on a disk that needs milliseconds for each command, with a cache that is much
 * smaller than what they write. */

#include "cache/cache_volume_internal.h"
#include "cache_fixture.h"
#include "scsi/scsi_cdb.h"
#include "unit_test.h"

#define N_WRITERS 4
#define DELAY_MAX_NS (8 * NS_PER_MS)
#define LINE (64 * KIB)

typedef struct Writer {
        BlockRequest block;
        struct iovec segment;
        uint64_t started_ns;
} Writer;

typedef struct WriterCase {
        const char *what;
        uint64_t size;
        uint64_t step; /* from one write to the next one */
} WriterCase;

static CacheFixture fixture;
static Writer writers[N_WRITERS];
static const WriterCase *current;
static uint8_t bytes[LINE];
static uint64_t next_offset, longest_wait_ns;
static unsigned n_left, n_in_flight;

static void set_up(void) {
        cache_fixture_set_up(&fixture, 512);
        fixture.arena_size = 4 * MIB; /* some 60 lines */
        fixture.ram.disk.transfer_size_max = LINE;
        fixture.ram.delay_ns_max = DELAY_MAX_NS;
        cache_fixture_start(&fixture);
}

static void tear_down(void) { cache_fixture_tear_down(&fixture); }

static size_t n_syncs(void) {
        return cache_fixture_count(&fixture, SCSI_OPCODE_SYNCHRONIZE_CACHE_10);
}

static void on_done(BlockRequest *block);

static void write_next(Writer *writer) {
        writer->segment = (struct iovec){ .iov_base = bytes, .iov_len = current->size };
        writer->started_ns = event_loop_now_ns(fixture.loop);
        writer->block = (BlockRequest){
                .operation = BLOCK_OPERATION_WRITE,
                .offset = next_offset,
                .size = current->size,
                .segments = &writer->segment,
                .n_segments = 1,
                .deadline_ns = writer->started_ns + fixture.timeout_ns,
                .done = on_done,
        };
        list_init(&writer->block.node);
        next_offset = (next_offset + current->step) % (CACHE_FIXTURE_DISK_SIZE - LINE);
        n_left--;
        n_in_flight++;
        ck_assert_int_eq(block_device_submit(fixture.volume, &writer->block), 0);
}

static void on_done(BlockRequest *block) {
        Writer *writer = container_of(block, Writer, block);
        uint64_t wait_ns = event_loop_now_ns(fixture.loop) - writer->started_ns;

        ck_assert_int_eq(block->error, 0);
        longest_wait_ns = MAX(longest_wait_ns, wait_ns);
        n_in_flight--;
        if (n_left > 0)
                write_next(writer);
}

static void run_writers(const WriterCase *c, unsigned n_writes) {
        current = c;
        next_offset = longest_wait_ns = 0;
        n_left = n_writes;
        for (unsigned i = 0; i < N_WRITERS; i++)
                write_next(&writers[i]);
        for (unsigned i = 0; i < 100000 && n_in_flight > 0; i++)
                cache_fixture_run_for(&fixture, NS_PER_MS);
        ck_assert_uint_eq(n_left + n_in_flight, 0);
}

static const WriterCase cases[] = {
        { "lines in a row", LINE, LINE },
        { "a block here and there", 4 * KIB, 17 * LINE },
        { "parts of two lines", 8 * KIB, 17 * LINE - 4 * KIB },
};

/* Not for all that is dirty, which takes 80 ms and more; nor is the disk made to synchronise its cache at every
 * turn for it. */
START_TEST(writers_wait_for_a_few_commands_alone) {
        const WriterCase *c = &cases[_i];

        run_writers(c, 600);
        ck_assert_msg(longest_wait_ns < 7 * DELAY_MAX_NS, "%s: one waited for %g ms", c->what,
                      (double) longest_wait_ns / 1e6);
        ck_assert_msg(n_syncs() < fixture.ram.n_commands / 5, "%s: %zu of %zu commands", c->what,
                      n_syncs(), fixture.ram.n_commands);
}
END_TEST

/* What the device has from the writer a reader waits for, and so does the next one that he asks for at once. */
START_TEST(fewer_writes_are_under_way_beside_a_reader) {
        const CacheVolume *volume = cache_volume_get_inside(fixture.volume);
        static uint8_t read[512];

        current = &cases[0];
        next_offset = 0;
        n_left = 48; /* more than may be dirty: some wait, and are waited for */
        fixture.ram.is_held = true;
        cache_fixture_submit(&fixture, BLOCK_OPERATION_READ, 0, CACHE_FIXTURE_DISK_SIZE - LINE,
                             sizeof(read), read);
        for (unsigned i = 0; i < N_WRITERS; i++)
                write_next(&writers[i]);
        cache_fixture_run(&fixture);
        ck_assert_uint_eq(volume->n_runs, CACHE_RUNS_BESIDE_READS_MAX);
        for (unsigned i = 0; i < 10 && !fixture.requests[0].is_done; i++) {
                ram_target_release(&fixture.ram, 1);
                cache_fixture_run_for(&fixture, NS_PER_MS);
                ck_assert_uint_eq(volume->n_runs, CACHE_RUNS_BESIDE_READS_MAX);
        }
        ck_assert(fixture.requests[0].is_done);
        cache_fixture_run(&fixture);
        ram_target_release(&fixture.ram, 1);
        cache_fixture_run(&fixture);
        ck_assert_uint_eq(volume->n_runs, CACHE_RUNS_MAX);
        ram_target_release(&fixture.ram, 0);
        cache_fixture_run(&fixture);
}
END_TEST

/* The next line, as soon as it is taken. Returns how many slots are kept then. */
static uint64_t write_line(void) {
        ck_assert_int_eq(cache_fixture_do(&fixture, BLOCK_OPERATION_WRITE, 0, next_offset, LINE,
                                          bytes),
                         0);
        next_offset += LINE;
        return cache_manager_get_statistics(fixture.manager)->n_slots_kept;
}

START_TEST(slots_are_synchronised_before_they_are_short) {
        const CacheStatistics *statistics = cache_manager_get_statistics(fixture.manager);
        uint64_t n_kept = 0;

        next_offset = 0;
        while (n_syncs() == 0)
                n_kept = write_line();
        ck_assert_uint_ge(n_kept, statistics->n_slots / 2);
        ck_assert_uint_lt(n_kept, statistics->n_slots / 4 * 3);
        ck_assert_uint_gt(statistics->dirty_size, 0);
}
END_TEST

START_TEST(a_disk_that_can_not_synchronise_is_not_asked_at_every_turn) {
        const CacheStatistics *statistics = cache_manager_get_statistics(fixture.manager);

        for (size_t i = 0; i < N_ELEMENTS(fixture.ram.faults); i++)
                ram_target_add_fault(
                                &fixture.ram,
                                (RamFault){ .opcode = SCSI_OPCODE_SYNCHRONIZE_CACHE_10,
                                            .result = SCSI_RESULT_CHECK_CONDITION,
                                            .sense = { .key = SCSI_SENSE_KEY_HARDWARE_ERROR } });
        next_offset = 0;
        while (write_line() < statistics->n_slots / 4 * 3 - 1)
                ;
        ck_assert_uint_eq(n_syncs(), 1);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cache_writer");
        TCase *tcase = tcase_create("cache_writer");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, writers_wait_for_a_few_commands_alone, 0,
                            (int) N_ELEMENTS(cases));
        tcase_add_test(tcase, fewer_writes_are_under_way_beside_a_reader);
        tcase_add_test(tcase, slots_are_synchronised_before_they_are_short);
        tcase_add_test(tcase, a_disk_that_can_not_synchronise_is_not_asked_at_every_turn);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
