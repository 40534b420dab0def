/*
 * What the manager asks of a worker, and what it is told: flushes, resets, modes, commands from
 * outside, giving the device up; each answered once, also where the device or the worker goes.
 */

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "scsi/scsi_cdb.h"
#include "stack.h"

#define SPEC "size=16M,serial=ASKED"
#define BLOCK 512
#define OPCODE_FORMAT_UNIT 0x04

static const CacheOptions write_back = { .mode = CACHE_MODE_WRITE_BACK,
                                         .line_size = 16 * KIB,
                                         .has_read_ahead = true };
static Stack stack;
static uint8_t data[256 * KIB], other[256 * KIB];

static void set_up_with(const char *spec) {
        stack_init_with_cache(&stack, spec, &write_back, NULL, NULL);
        ck_assert_int_eq(stack.brought_up_result, 0);
        stack_fill(data, sizeof(data), 1);
        memset(other, 0, sizeof(other));
        stack_sleep_ms(&stack, 100); /* samples of the medium */
}

static void set_up(void) {
        set_up_with(SPEC);
        stack_connect(&stack, 0, /* is_structured= */ false);
}

static void restart_with(const char *spec) {
        stack_done(&stack);
        set_up_with(spec);
        stack_connect(&stack, 0, /* is_structured= */ false);
}

static void tear_down(void) { stack_done(&stack); }

static bool is_on_medium(uint64_t offset, size_t size) {
        stack_read_image(&stack, 0, offset, other, size);
        return memcmp(other, data, size) == 0;
}

static void write_dirty(uint64_t offset, uint32_t size) {
        ck_assert_int_eq(stack_write(&stack, 0, offset, data, size, 0), 0);
}

static const SimulatedDeviceCounters *get_counters(void) {
        return simulated_device_get_counters(stack.device);
}

static uint64_t count_opcode(uint8_t opcode) {
        return get_counters()->n_commands_by_opcode[opcode];
}

static ControlRequest make(ControlRequestKind kind, uint32_t lun) {
        return (ControlRequest){ .kind = kind, .lun = lun };
}

static ControlRequest make_command(uint8_t opcode, size_t cdb_size, ScsiDanger danger_max) {
        return (ControlRequest){
                .kind = CONTROL_REQUEST_KIND_SCSI_COMMAND,
                .scsi = { .cdb = { opcode },
                          .cdb_size = (uint32_t) cdb_size,
                          .danger_max = danger_max },
        };
}

/* WRITE(10) or READ(10) of blocks. */
static ControlRequest make_transfer(uint8_t opcode, uint32_t lba, uint16_t n_blocks) {
        ControlRequest request = make_command(opcode, 10, SCSI_DANGER_WRITES_DATA);
        ControlScsi *scsi = &request.scsi;

        scsi->cdb[2] = (uint8_t) (lba >> 24);
        scsi->cdb[3] = (uint8_t) (lba >> 16);
        scsi->cdb[4] = (uint8_t) (lba >> 8);
        scsi->cdb[5] = (uint8_t) lba;
        scsi->cdb[7] = (uint8_t) (n_blocks >> 8);
        scsi->cdb[8] = (uint8_t) n_blocks;
        scsi->direction = opcode == SCSI_OPCODE_WRITE_10 ? TRANSPORT_DIRECTION_OUT
                                                         : TRANSPORT_DIRECTION_IN;
        scsi->data_size = n_blocks * BLOCK;
        return request;
}

static int make_memfd(const void *bytes, size_t size) {
        int fd = memfd_create("data", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, (off_t) size), 0);
        if (bytes)
                ck_assert_int_eq(pwrite(fd, bytes, size, 0), (ssize_t) size);
        return fd;
}

/* Descriptions */

START_TEST(the_device_and_its_luns_are_described) {
        const ControlLunInfo *lun = &stack.lun_infos[0];

        ck_assert_uint_eq(stack.device_info.protocol, USB_STORAGE_PROTOCOL_BOT);
        ck_assert_uint_gt(stack.device_info.transfer_size_max, 0);
        ck_assert_uint_eq(stack.device_info.cache_mode, CACHE_MODE_WRITE_BACK);
        ck_assert(stack.device_info.has_cache);
        ck_assert(lun->is_present && lun->has_medium && !lun->is_read_only);
        ck_assert_uint_eq(lun->kind, CONTROL_LUN_KIND_DISK);
        ck_assert_uint_eq(lun->size, 16 * MIB);
        ck_assert_uint_eq(lun->block_size, BLOCK);
        ck_assert_uint_gt(strlen(lun->vendor), 0);
        ck_assert_uint_gt(strlen(lun->model), 0);
        ck_assert_uint_eq(stack.n_lun_infos[1], 0);
}
END_TEST

START_TEST(clients_are_counted_as_they_come_and_go) {
        stack_sleep_ms(&stack, 500);
        ck_assert_uint_eq(stack.lun_infos[0].n_clients, 1);
        stack_disconnect(&stack, 0);
        stack_sleep_ms(&stack, 500);
        ck_assert_uint_eq(stack.lun_infos[0].n_clients, 0);
}
END_TEST

START_TEST(a_unit_without_a_medium_is_described_as_well) {
        restart_with(SPEC ",removable=yes");
        ck_assert(stack.lun_infos[0].is_removable);
        simulated_device_remove_medium(stack.device, 0);
        stack_sleep_ms(&stack, 5000);
        ck_assert(stack.lun_infos[0].is_present);
        ck_assert(!stack.lun_infos[0].has_medium);
        ck_assert_uint_eq(stack.lun_infos[0].size, 0);
        ck_assert_ptr_nonnull(strstr(stack.lun_infos[0].last_sense, "3a/00"));
}
END_TEST

START_TEST(a_flood_of_changes_is_not_told_one_by_one) {
        unsigned n_before;

        stack_add_faults(&stack, "medium-error@lba=100..10000*always");
        stack_sleep_ms(&stack, 1000);
        n_before = stack.n_lun_infos[0];
        for (uint64_t i = 0; i < 20; i++)
                ck_assert_int_ne(stack_read(&stack, 0, (200 + 100 * i) * BLOCK, other, BLOCK, NULL),
                                 0);
        ck_assert_uint_lt(stack.n_lun_infos[0] - n_before, 15);
        stack_sleep_ms(&stack, 1000);
        ck_assert_ptr_nonnull(strstr(stack.lun_infos[0].last_sense, "2100"));
}
END_TEST

START_TEST(resets_and_degradations_are_told) {
        for (unsigned i = 0; i < 3; i++) {
                stack_add_faults(&stack, "reset@opcode=28");
                ck_assert_int_eq(stack_read(&stack, 0, i * MIB, other, BLOCK, NULL), 0);
        }
        stack_sleep_ms(&stack, 1000);
        ck_assert_uint_eq(stack.device_info.n_resets, 3);
        ck_assert_uint_eq(stack.device_info.degradations, CONTROL_DEGRADATION_WRITE_THROUGH);
        ck_assert_uint_eq(stack.device_info.cache_mode, CACHE_MODE_WRITE_THROUGH);
}
END_TEST

/* Flushes */

START_TEST(a_flush_brings_everything_to_the_medium) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_FLUSH, CONTROL_LUN_ALL);
        const StackRequest *asked = &stack.requests[0];

        write_dirty(1 * MIB, sizeof(data));
        ck_assert(!is_on_medium(1 * MIB, sizeof(data)));
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        ck_assert(is_on_medium(1 * MIB, sizeof(data)));
        ck_assert_uint_ge(asked->n_progress, 2);
        ck_assert_uint_eq(asked->progress.n_total, sizeof(data));
        ck_assert_uint_eq(asked->progress.n_done, sizeof(data));
}
END_TEST

START_TEST(a_flush_that_fails_says_so) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_FLUSH, 0);

        write_dirty(1 * MIB, BLOCK);
        stack_add_faults(&stack, "write-error@lba=2048*always");
        ck_assert_int_eq(stack_ask(&stack, &request), -EIO);
        request.lun = 5;
        ck_assert_int_eq(stack_ask(&stack, &request), -ENXIO);
}
END_TEST

START_TEST(a_flush_can_be_cancelled) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_FLUSH, 0);
        unsigned number;

        write_dirty(1 * MIB, sizeof(data));
        stack_add_faults(&stack, "slow:20000@opcode=2a*always");
        number = stack_request(&stack, &request, -EBADF);
        stack_sleep_ms(&stack, 1000);
        ck_assert_uint_eq(stack.requests[number].n_replies, 0);
        ck_assert_uint_ge(stack.requests[number].n_progress, 3);
        stack_cancel_request(&stack, number);
        stack_sleep_ms(&stack, 10);
        ck_assert_uint_eq(stack.requests[number].n_replies, 1);
        ck_assert_int_eq(stack.requests[number].reply.error, -ECANCELED);
        stack_cancel_request(&stack, number);
}
END_TEST

START_TEST(requests_beyond_the_limit_are_refused) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_FLUSH, 0);
        unsigned number = 0;

        write_dirty(1 * MIB, sizeof(data));
        stack_add_faults(&stack, "slow:1000@opcode=2a*always");
        for (unsigned i = 0; i <= CONTROL_REQUESTS_MAX; i++)
                number = stack_request(&stack, &request, -EBADF);
        ck_assert_int_eq(stack.requests[number].reply.error, -EBUSY);
        for (unsigned i = 0; i < number; i++)
                ck_assert_int_eq(stack_await_answer(&stack, i)->error, 0);
}
END_TEST

/* The cache */

START_TEST(a_cache_reset_forgets_what_is_clean) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_CACHE_RESET, CONTROL_LUN_ALL);
        uint64_t n_reads;

        ck_assert_int_eq(stack_read(&stack, 0, 4 * MIB, other, BLOCK, NULL), 0);
        stack_sleep_ms(&stack, 100);
        n_reads = count_opcode(SCSI_OPCODE_READ_10);
        ck_assert_int_eq(stack_read(&stack, 0, 4 * MIB, other, BLOCK, NULL), 0);
        ck_assert_uint_eq(count_opcode(SCSI_OPCODE_READ_10), n_reads);
        write_dirty(1 * MIB, BLOCK);
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        ck_assert_int_eq(stack_read(&stack, 0, 4 * MIB, other, BLOCK, NULL), 0);
        ck_assert_uint_gt(count_opcode(SCSI_OPCODE_READ_10), n_reads);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(1 * MIB, BLOCK));
}
END_TEST

START_TEST(what_cannot_be_written_can_be_given_up) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_CACHE_RESET, 0);

        write_dirty(1 * MIB, BLOCK);
        write_dirty(2 * MIB, BLOCK);
        stack_add_faults(&stack, "write-error@lba=2048*always");
        ck_assert_int_ne(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        request.flags = CONTROL_REQUEST_DISCARD_DIRTY;
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(2 * MIB, BLOCK));
        /* What is read is the medium's. */
        ck_assert_int_eq(stack_read(&stack, 0, 1 * MIB, other, BLOCK, NULL), 0);
        ck_assert_int_ne(memcmp(other, data, BLOCK), 0);
        /* And clients go on. */
        write_dirty(3 * MIB, BLOCK);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(3 * MIB, BLOCK));
}
END_TEST

START_TEST(the_mode_changes_at_run_time) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_CACHE_MODE, CONTROL_LUN_ALL);

        request.cache_mode = CACHE_MODE_WRITE_THROUGH;
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        write_dirty(1 * MIB, BLOCK);
        stack_sleep_ms(&stack, 300);
        ck_assert_uint_eq(stack.device_info.cache_mode, CACHE_MODE_WRITE_THROUGH);
        ck_assert_uint_eq(stack.device_info.degradations, 0);
        simulated_device_read_medium(stack.device, 0, /* is_stable= */ false, 1 * MIB, other,
                                     BLOCK);
        ck_assert_mem_eq(other, data, BLOCK);
        request.cache_mode = CACHE_MODE_WRITE_BACK;
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        write_dirty(2 * MIB, BLOCK);
        simulated_device_read_medium(stack.device, 0, /* is_stable= */ false, 2 * MIB, other,
                                     BLOCK);
        ck_assert_int_ne(memcmp(other, data, BLOCK), 0);
}
END_TEST

START_TEST(a_stack_without_a_cache_has_no_mode) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_CACHE_MODE, CONTROL_LUN_ALL);

        stack_done(&stack);
        stack_init(&stack, SPEC);
        ck_assert(!stack.device_info.has_cache);
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        request.cache_mode = CACHE_MODE_WRITE_BACK;
        ck_assert_int_eq(stack_ask(&stack, &request), -EOPNOTSUPP);
        request = make(CONTROL_REQUEST_KIND_CACHE_RESET, CONTROL_LUN_ALL);
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
}
END_TEST

/* Resets */

START_TEST(a_device_reset_makes_clients_wait_and_loses_nothing) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_DEVICE_RESET, CONTROL_LUN_ALL);

        write_dirty(1 * MIB, sizeof(data));
        stack_send_command(&stack, 0, NBD_CMD_FLUSH, 0, 0);
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        ck_assert_int_eq(stack_await_reply(&stack, 0), 0);
        ck_assert_uint_eq(get_counters()->n_port_resets, 1);
        ck_assert(is_on_medium(1 * MIB, sizeof(data)));
        for (unsigned i = 0; i < 5; i++)
                ck_assert_int_eq(stack_ask(&stack, &request), 0);
        stack_sleep_ms(&stack, 500);
        /* Who asks for resets is told no lies of the device. */
        ck_assert_uint_eq(stack.device_info.degradations, 0);
        ck_assert_uint_eq(stack.device_info.n_resets, 6);
}
END_TEST

START_TEST(a_lun_reset_is_the_mildest_that_the_transport_has) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_LUN_RESET, 0);

        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        ck_assert_uint_eq(get_counters()->n_class_resets, 1);
        ck_assert_uint_eq(get_counters()->n_port_resets, 0);
        restart_with(SPEC ",transport=uas");
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        ck_assert_uint_ge(get_counters()->n_task_managements, 1);
        ck_assert_uint_eq(get_counters()->n_port_resets, 0);
}
END_TEST

START_TEST(a_reset_that_fails_ends_the_worker_and_is_answered) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_DEVICE_RESET, CONTROL_LUN_ALL);
        unsigned number;

        stack_add_faults(&stack, "port-reset-fails*always");
        number = stack_request(&stack, &request, -EBADF);
        ck_assert_int_lt(stack_await_answer(&stack, number)->error, 0);
        stack_sleep_ms(&stack, 60000);
        ck_assert(stack.is_stopped);
}
END_TEST

/* Commands from outside */

START_TEST(a_command_is_answered_with_its_data) {
        ControlRequest request = make_command(SCSI_OPCODE_INQUIRY, 6, SCSI_DANGER_NONE);
        const ControlReply *reply;

        request.scsi.cdb[4] = 36;
        request.scsi.direction = TRANSPORT_DIRECTION_IN;
        request.scsi.data_size = 36;
        reply = stack_await_answer(&stack, stack_request(&stack, &request, -EBADF));
        ck_assert_int_eq(reply->error, 0);
        ck_assert_uint_eq(reply->status, 0);
        ck_assert_uint_eq(reply->data_size, 36);
        ck_assert_mem_eq(reply->data + 8, stack.lun_infos[0].vendor,
                         strlen(stack.lun_infos[0].vendor));
}
END_TEST

START_TEST(a_command_that_fails_is_answered_with_its_sense) {
        ControlRequest request = make_command(SCSI_OPCODE_TEST_UNIT_READY, 6, SCSI_DANGER_NONE);
        const ControlReply *reply;
        uint64_t n_before;

        stack_add_faults(&stack, "sense:4/44/00@opcode=00*always");
        n_before = count_opcode(SCSI_OPCODE_TEST_UNIT_READY);
        reply = stack_await_answer(&stack, stack_request(&stack, &request, -EBADF));
        ck_assert_int_eq(reply->error, 0);
        ck_assert_uint_eq(reply->status, 2);
        ck_assert_uint_ge(reply->sense_size, 14);
        ck_assert_uint_eq(reply->sense[2] & 0x0F, 4);
        ck_assert_uint_eq(reply->sense[12], 0x44);
        ck_assert_ptr_nonnull(strstr(reply->words, "44/00"));
        /* Not tried again. */
        ck_assert_uint_eq(count_opcode(SCSI_OPCODE_TEST_UNIT_READY), n_before + 1);
}
END_TEST

START_TEST(a_write_from_outside_is_seen_by_clients_and_loses_nothing_of_theirs) {
        ControlRequest request = make_transfer(SCSI_OPCODE_WRITE_10, 2048, 1);

        /* The line is in the cache, clean and dirty; the block itself is dirty. */
        ck_assert_int_eq(stack_read(&stack, 0, 1 * MIB, other, 8 * KIB, NULL), 0);
        write_dirty(1 * MIB, 2 * BLOCK);
        memset(request.scsi.data, 0xAB, BLOCK);
        ck_assert_int_eq(stack_ask(&stack, &request), 0);

        ck_assert_int_eq(stack_read(&stack, 0, 1 * MIB, other, 2 * BLOCK, NULL), 0);
        ck_assert_mem_eq(other, request.scsi.data, BLOCK);
        ck_assert_mem_eq(other + BLOCK, data + BLOCK, BLOCK);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        stack_read_image(&stack, 0, 1 * MIB, other, BLOCK);
        ck_assert_mem_eq(other, request.scsi.data, BLOCK);
}
END_TEST

START_TEST(a_medium_that_was_written_from_outside_is_still_recognised) {
        ControlRequest request = make_transfer(SCSI_OPCODE_WRITE_10, 0, 1);

        memset(request.scsi.data, 0xCD, BLOCK);
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        write_dirty(2 * MIB, BLOCK);
        stack_unplug(&stack);
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        ck_assert_uint_eq(stack.exports[0].n_opened, 1);
        ck_assert_uint_eq(stack.saved_luns, 0);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(2 * MIB, BLOCK));
}
END_TEST

START_TEST(clients_wait_while_a_command_has_the_medium) {
        ControlRequest request = make_transfer(SCSI_OPCODE_WRITE_10, 2048, 1);
        unsigned number;

        write_dirty(1 * MIB, BLOCK);
        stack_add_faults(&stack, "slow:3000@opcode=2a*always");
        memset(request.scsi.data, 0xEF, BLOCK);
        number = stack_request(&stack, &request, -EBADF);
        stack_sleep_ms(&stack, 4000); /* the flush is done, the command is not */
        stack_send_write(&stack, 0, 1 * MIB, data, BLOCK, 0);
        stack_sleep_ms(&stack, 1000);
        ck_assert(!stack_has_reply(&stack, 0));
        ck_assert_int_eq(stack_await_answer(&stack, number)->error, 0);
        ck_assert_int_eq(stack_await_reply(&stack, 0), 0);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        /* The client came later. */
        ck_assert(is_on_medium(1 * MIB, BLOCK));
}
END_TEST

START_TEST(a_write_from_outside_is_refused_while_something_cannot_be_flushed) {
        ControlRequest request = make_transfer(SCSI_OPCODE_WRITE_10, 8192, 1);
        uint64_t n_before;

        write_dirty(1 * MIB, BLOCK);
        stack_add_faults(&stack, "write-error@lba=2048*always");
        ck_assert_int_eq(stack_ask(&stack, &request), -EIO);
        n_before = count_opcode(SCSI_OPCODE_WRITE_10);
        ck_assert_uint_gt(n_before, 0);
        write_dirty(2 * MIB, BLOCK);
        ck_assert_int_eq(stack_read(&stack, 0, 1 * MIB, other, BLOCK, NULL), 0);
        ck_assert_mem_eq(other, data, BLOCK);
}
END_TEST

START_TEST(large_data_goes_by_a_memfd) {
        ControlRequest out = make_transfer(SCSI_OPCODE_WRITE_10, 2048, 64);
        ControlRequest in = make_transfer(SCSI_OPCODE_READ_10, 2048, 64);
        int fd = make_memfd(NULL, 64 * BLOCK);
        int short_fd = make_memfd(data, 64 * BLOCK - 1);
        unsigned number;

        number = stack_request(&stack, &out, make_memfd(data, 64 * BLOCK));
        ck_assert_int_eq(stack_await_answer(&stack, number)->error, 0);
        number = stack_request(&stack, &in, dup(fd));
        ck_assert_int_eq(stack_await_answer(&stack, number)->error, 0);
        ck_assert_uint_eq(stack.requests[number].reply.data_size, 64 * BLOCK);
        ck_assert_int_eq(pread(fd, other, 64 * BLOCK, 0), 64 * BLOCK);
        ck_assert_mem_eq(other, data, 64 * BLOCK);
        close(fd);
        number = stack_request(&stack, &out, short_fd);
        ck_assert_int_eq(stack_await_answer(&stack, number)->error, -EINVAL);
}
END_TEST

typedef struct RefusalCase {
        const char *what;
        uint8_t cdb[16];
        uint32_t cdb_size;
        ScsiDanger danger_max;
        uint32_t flags;
        int error;
} RefusalCase;

static const RefusalCase refusal_cases[] = {
        { "a write by who may only look",
          { 0x2A, 0, 0, 0, 0, 0, 0, 0, 0 },
          10,
          SCSI_DANGER_READS_DATA,
          0,
          -EPERM },
        { "what is never passed on",
          { 0x16 },
          6,
          SCSI_DANGER_DESTROYS,
          CONTROL_REQUEST_FORCE,
          -EPERM },
        { "what nobody knows", { 0xC7 }, 10, SCSI_DANGER_DESTROYS, 0, -EOPNOTSUPP },
        { "what nobody knows, by who may not destroy",
          { 0xC7 },
          10,
          SCSI_DANGER_WRITES_DATA,
          CONTROL_REQUEST_FORCE,
          -EPERM },
        { "a command of the wrong length",
          { 0x28 },
          6,
          SCSI_DANGER_READS_DATA,
          CONTROL_REQUEST_FORCE,
          -EINVAL },
        { "beyond the medium", { 0x35, 0, 0xFF }, 10, SCSI_DANGER_DESTROYS, 0, -ERANGE },
};

START_TEST(a_command_that_must_not_be_is_not_sent) {
        const RefusalCase *c = &refusal_cases[_i];
        ControlRequest request = make_command(c->cdb[0], c->cdb_size, c->danger_max);
        uint64_t n_before = count_opcode(c->cdb[0]);
        const ControlReply *reply;

        memcpy(request.scsi.cdb, c->cdb, sizeof(c->cdb));
        request.flags = c->flags;
        reply = stack_await_answer(&stack, stack_request(&stack, &request, -EBADF));
        ck_assert_msg(reply->error == c->error, "%s: %d", c->what, reply->error);
        ck_assert_uint_gt(strlen(reply->words), 0);
        ck_assert_uint_eq(count_opcode(c->cdb[0]), n_before);
}
END_TEST

START_TEST(what_nobody_knows_can_be_forced) {
        ControlRequest request = make_command(0xC7, 10, SCSI_DANGER_DESTROYS);
        const ControlReply *reply;

        request.flags = CONTROL_REQUEST_FORCE;
        reply = stack_await_answer(&stack, stack_request(&stack, &request, -EBADF));
        ck_assert_int_eq(reply->error, 0);
        ck_assert_uint_eq(reply->status, 2);
        ck_assert_uint_eq(count_opcode(0xC7), 1);
}
END_TEST

START_TEST(after_a_format_the_unit_is_looked_at_anew) {
        ControlRequest request = make_command(OPCODE_FORMAT_UNIT, 6, SCSI_DANGER_DESTROYS);
        uint64_t n_inquiries = count_opcode(SCSI_OPCODE_INQUIRY);

        write_dirty(1 * MIB, BLOCK);
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        stack_sleep_ms(&stack, 1000);
        ck_assert_uint_gt(count_opcode(SCSI_OPCODE_INQUIRY), n_inquiries);
        /* The device knew no such command, so all is as it was. */
        ck_assert(stack.exports[0].is_open);
        ck_assert_int_eq(stack_read(&stack, 0, 1 * MIB, other, BLOCK, NULL), 0);
        ck_assert_mem_eq(other, data, BLOCK);
}
END_TEST

START_TEST(a_command_to_an_empty_drive_is_answered) {
        ControlRequest request = make_command(SCSI_OPCODE_TEST_UNIT_READY, 6, SCSI_DANGER_NONE);
        ControlRequest write = make_transfer(SCSI_OPCODE_WRITE_10, 1, 1);
        const ControlReply *reply;

        restart_with(SPEC ",removable=yes");
        simulated_device_remove_medium(stack.device, 0);
        stack_sleep_ms(&stack, 5000);
        ck_assert(!stack.exports[0].is_open);
        reply = stack_await_answer(&stack, stack_request(&stack, &request, -EBADF));
        ck_assert_int_eq(reply->error, 0);
        ck_assert_uint_eq(reply->status, 2);
        ck_assert_uint_eq(reply->sense[12], 0x3A);
        reply = stack_await_answer(&stack, stack_request(&stack, &write, -EBADF));
        ck_assert_uint_eq(reply->status, 2);
}
END_TEST

START_TEST(a_change_of_the_medium_that_a_command_was_told_is_not_lost) {
        ControlRequest request = make_command(SCSI_OPCODE_TEST_UNIT_READY, 6, SCSI_DANGER_NONE);

        stack_done(&stack);
        stack_init(&stack, SPEC ",removable=yes");
        ck_assert_uint_eq(stack.exports[0].n_opened, 1);
        ck_assert_int_eq(simulated_device_change_medium(stack.device, 0, 8 * MIB), 0);
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        ck_assert_uint_eq(stack.requests[0].reply.sense[12], 0x28);
        stack_sleep_ms(&stack, 1000);
        ck_assert_uint_eq(stack.exports[0].n_opened, 2);
        ck_assert_uint_eq(stack.lun_infos[0].size, 8 * MIB);
}
END_TEST

START_TEST(a_read_only_device_takes_no_writes_from_outside) {
        ControlRequest request = make_transfer(SCSI_OPCODE_WRITE_10, 2048, 1);

        stack_done(&stack);
        stack_init_with_options(&stack, SPEC, &(StorageOptions){ .is_read_only = true });
        ck_assert(stack.lun_infos[0].is_read_only);
        ck_assert_int_eq(stack_ask(&stack, &request), -EPERM);
}
END_TEST

/* Giving it up */

/* The file, and the file's size. */
static uint64_t trace_a_read(int *ret_fd) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_TRACE, CONTROL_LUN_ALL);
        struct stat status;
        unsigned number;

        *ret_fd = memfd_create("trace", MFD_CLOEXEC);
        number = stack_request(&stack, &request, dup(*ret_fd));
        stack_sleep_ms(&stack, 10);
        ck_assert_int_eq(stack_read(&stack, 0, 1 * MIB, other, 4096, NULL), 0);
        stack_cancel_request(&stack, number);
        stack_sleep_ms(&stack, 10);
        ck_assert(stack.requests[number].n_replies == 1);
        ck_assert_int_eq(stack.requests[number].reply.error, 0);
        ck_assert_uint_eq(stack.requests[number].reply.n_dropped, 0);
        ck_assert_int_eq(fstat(*ret_fd, &status), 0);
        ck_assert_uint_gt(stack.requests[number].reply.n_packets, 4);
        return (uint64_t) status.st_size;
}

START_TEST(what_the_device_is_asked_can_be_recorded) {
        static uint8_t file[64 * KIB];
        static const uint8_t cbw[] = { 'U', 'S', 'B', 'C' };
        uint64_t size;
        int fd;

        size = trace_a_read(&fd);
        ck_assert_uint_le(size, sizeof(file));
        ck_assert_int_eq(pread(fd, file, sizeof(file), 0), (ssize_t) size);
        ck_assert_ptr_nonnull(memmem(file, size, cbw, sizeof(cbw)));
        close(fd);
}
END_TEST

START_TEST(a_trace_ends_with_its_device) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_TRACE, CONTROL_LUN_ALL);
        int fd = memfd_create("trace", MFD_CLOEXEC);
        unsigned number = stack_request(&stack, &request, fd);

        stack_sleep_ms(&stack, 10);
        stack_unplug(&stack);
        ck_assert(stack.requests[number].n_replies == 1);
        ck_assert_uint_ge(stack.requests[number].reply.n_packets, 4);
}
END_TEST

START_TEST(two_traces_of_a_device_are_one_too_many) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_TRACE, CONTROL_LUN_ALL);
        unsigned number;

        (void) stack_request(&stack, &request, memfd_create("trace", MFD_CLOEXEC));
        number = stack_request(&stack, &request, memfd_create("trace", MFD_CLOEXEC));
        stack_sleep_ms(&stack, 10);
        ck_assert_int_eq(stack.requests[number].reply.error, -EBUSY);
}
END_TEST

START_TEST(a_release_is_refused_while_clients_are_connected) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_RELEASE, CONTROL_LUN_ALL);

        ck_assert_int_eq(stack_ask(&stack, &request), -EBUSY);
        ck_assert(!stack.is_stopped);
        write_dirty(1 * MIB, sizeof(data));
        request.flags = CONTROL_REQUEST_FORCE;
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        stack_sleep_ms(&stack, 1);
        ck_assert(stack.is_stopped);
        ck_assert_int_eq(stack.stopped_result, 0);
        ck_assert(is_on_medium(1 * MIB, sizeof(data)));
        ck_assert_uint_eq(count_opcode(SCSI_OPCODE_START_STOP_UNIT), 0);
}
END_TEST

START_TEST(a_removal_stops_the_medium) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_REMOVE, CONTROL_LUN_ALL);

        request.flags = CONTROL_REQUEST_FORCE;
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        ck_assert_uint_eq(count_opcode(SCSI_OPCODE_START_STOP_UNIT), 1);
        stack_sleep_ms(&stack, 1);
        ck_assert(stack.is_stopped);
}
END_TEST

START_TEST(a_device_that_cannot_be_flushed_is_not_released) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_RELEASE, CONTROL_LUN_ALL);

        write_dirty(1 * MIB, BLOCK);
        stack_add_faults(&stack, "write-error@lba=2048*always");
        stack_disconnect(&stack, 0);
        ck_assert_int_eq(stack_ask(&stack, &request), -EIO);
        ck_assert(!stack.is_stopped && stack.exports[0].is_open);
        request.flags = CONTROL_REQUEST_FORCE;
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        ck_assert_uint_eq(stack.saved_luns, 1);
}
END_TEST

START_TEST(a_parked_device_can_be_given_up) {
        ControlRequest request = make(CONTROL_REQUEST_KIND_REMOVE, CONTROL_LUN_ALL);
        ControlRequest flush = make(CONTROL_REQUEST_KIND_FLUSH, CONTROL_LUN_ALL);

        write_dirty(1 * MIB, BLOCK);
        stack_unplug(&stack);
        ck_assert_int_eq(stack_ask(&stack, &flush), -ENODEV);
        request.flags = CONTROL_REQUEST_FORCE;
        ck_assert_int_eq(stack_ask(&stack, &request), 0);
        stack_sleep_ms(&stack, 1);
        ck_assert(stack.is_stopped);
        ck_assert_uint_eq(stack.saved_luns, 1);
}
END_TEST

/* Ends */

static ControlRequest make_slow(int kind) {
        switch (kind) {
        case 0:
                return make(CONTROL_REQUEST_KIND_FLUSH, 0);
        case 1:
                return make_transfer(SCSI_OPCODE_WRITE_10, 8192, 1);
        case 2:
                return make_transfer(SCSI_OPCODE_READ_10, 8192, 1);
        default: {
                ControlRequest request = make(CONTROL_REQUEST_KIND_CACHE_RESET, 0);

                request.flags = CONTROL_REQUEST_DISCARD_DIRTY;
                return request;
        }
        }
}

#define N_SLOW 4

static const uint64_t moments_ms[] = { 0, 1, 500, 1500, 2500 };

#define N_MOMENTS N_ELEMENTS(moments_ms)

static unsigned ask_slowly(int i) {
        ControlRequest request = make_slow(i % N_SLOW);
        unsigned number;

        write_dirty(1 * MIB, BLOCK);
        stack_add_faults(&stack, "slow:1000@opcode=2a*always;slow:3000@opcode=28*always");
        if (request.kind == CONTROL_REQUEST_KIND_SCSI_COMMAND)
                request.timeout_ms = 10000;
        number = stack_request(&stack, &request, -EBADF);
        stack_sleep_ms(&stack, moments_ms[i / N_SLOW]);
        return number;
}

START_TEST(a_stop_meanwhile_answers_and_loses_nothing) {
        unsigned number = ask_slowly(_i);

        stack_stop(&stack);
        ck_assert_uint_eq(stack.requests[number].n_replies, 1);
        ck_assert_int_eq(stack.stopped_result, 0);
        if (_i % N_SLOW != 3)
                ck_assert(is_on_medium(1 * MIB, BLOCK));
}
END_TEST

START_TEST(an_unplug_meanwhile_answers_and_loses_nothing) {
        unsigned number = ask_slowly(_i);

        stack_unplug(&stack);
        ck_assert_uint_eq(stack.requests[number].n_replies, 1);
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        if (_i % N_SLOW != 3)
                ck_assert(is_on_medium(1 * MIB, BLOCK));
}
END_TEST

START_TEST(a_cancel_meanwhile_answers_and_loses_nothing) {
        unsigned number = ask_slowly(_i);

        stack_cancel_request(&stack, number);
        (void) stack_await_answer(&stack, number);
        simulated_device_clear_faults(stack.device);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        if (_i % N_SLOW != 3)
                ck_assert(is_on_medium(1 * MIB, BLOCK));
        write_dirty(3 * MIB, BLOCK);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert(is_on_medium(3 * MIB, BLOCK));
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                the_device_and_its_luns_are_described,
                clients_are_counted_as_they_come_and_go,
                a_unit_without_a_medium_is_described_as_well,
                a_flood_of_changes_is_not_told_one_by_one,
                resets_and_degradations_are_told,
                a_flush_brings_everything_to_the_medium,
                a_flush_that_fails_says_so,
                a_flush_can_be_cancelled,
                requests_beyond_the_limit_are_refused,
                a_cache_reset_forgets_what_is_clean,
                what_cannot_be_written_can_be_given_up,
                the_mode_changes_at_run_time,
                a_stack_without_a_cache_has_no_mode,
                a_device_reset_makes_clients_wait_and_loses_nothing,
                a_lun_reset_is_the_mildest_that_the_transport_has,
                a_reset_that_fails_ends_the_worker_and_is_answered,
                a_command_is_answered_with_its_data,
                a_command_that_fails_is_answered_with_its_sense,
                a_write_from_outside_is_seen_by_clients_and_loses_nothing_of_theirs,
                a_medium_that_was_written_from_outside_is_still_recognised,
                clients_wait_while_a_command_has_the_medium,
                a_write_from_outside_is_refused_while_something_cannot_be_flushed,
                large_data_goes_by_a_memfd,
                what_nobody_knows_can_be_forced,
                after_a_format_the_unit_is_looked_at_anew,
                a_command_to_an_empty_drive_is_answered,
                a_change_of_the_medium_that_a_command_was_told_is_not_lost,
                a_read_only_device_takes_no_writes_from_outside,
                what_the_device_is_asked_can_be_recorded,
                a_trace_ends_with_its_device,
                two_traces_of_a_device_are_one_too_many,
                a_release_is_refused_while_clients_are_connected,
                a_removal_stops_the_medium,
                a_device_that_cannot_be_flushed_is_not_released,
                a_parked_device_can_be_given_up,
        };
        Suite *suite = suite_create("stack requests");
        TCase *tcase = tcase_create("stack requests");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 60);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        for (size_t i = 0; i < N_ELEMENTS(tests); i++)
                tcase_add_test(tcase, tests[i]);
        tcase_add_loop_test(tcase, a_command_that_must_not_be_is_not_sent, 0,
                            (int) N_ELEMENTS(refusal_cases));
        tcase_add_loop_test(tcase, a_stop_meanwhile_answers_and_loses_nothing, 0,
                            (int) (N_SLOW * N_MOMENTS));
        tcase_add_loop_test(tcase, an_unplug_meanwhile_answers_and_loses_nothing, 0,
                            (int) (N_SLOW * N_MOMENTS));
        tcase_add_loop_test(tcase, a_cancel_meanwhile_answers_and_loses_nothing, 0,
                            (int) (N_SLOW * N_MOMENTS));
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
