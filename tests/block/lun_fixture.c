/* Nothing but plumbing; what is expected stands in the tests. */

#include <stdio.h>
#include <string.h>

#include "lun_fixture.h"

#define TIMEOUT_NS (30 * NS_PER_S)

static void on_clock(EventTimer *timer) {}

void lun_fixture_set_up(LunFixture *fixture, uint32_t block_size) {
        *fixture = (LunFixture){ .options = { .name = "lun",
                                              .is_trim_enabled = true,
                                              .known = { .is_unmap_proven = true } } };
        ck_assert_int_eq(virtual_event_loop_new(&fixture->loop), 0);
        ck_assert_int_eq(event_timer_init(&fixture->clock, fixture->loop, on_clock), 0);
        ram_target_init(&fixture->ram, fixture->loop, 1 * MIB / block_size, block_size);
        for (size_t i = 0; i < 1 * MIB; i++)
                fixture->ram.memory[i] = (uint8_t) (i * 11 + i / 512);
}

void lun_fixture_start(LunFixture *fixture) {
        ck_assert_int_eq(lun_new(&fixture->lun, &fixture->ram.target, &fixture->ram.disk,
                                 &fixture->options),
                         0);
}

void lun_fixture_tear_down(LunFixture *fixture) {
        ram_target_release(&fixture->ram, 0);
        lun_fixture_run_for(fixture, 100 * NS_PER_S);
        for (size_t i = 0; i < fixture->n_requests; i++)
                ck_assert(fixture->requests[i].is_done);
        block_device_free(fixture->lun);
        ram_target_done(&fixture->ram);
        event_timer_done(&fixture->clock);
        event_loop_free(fixture->loop);
}

/* Virtual time passes only as long as a timer waits for it. */
void lun_fixture_run_for(LunFixture *fixture, uint64_t duration_ns) {
        event_timer_set(&fixture->clock, event_loop_now_ns(fixture->loop) + duration_ns);
        ck_assert_int_eq(virtual_event_loop_run_until(fixture->loop,
                                                      event_loop_now_ns(fixture->loop) +
                                                                      duration_ns),
                         0);
}

void lun_fixture_run(LunFixture *fixture) { lun_fixture_run_for(fixture, NS_PER_S); }

static LunFixture *current;

static void on_done(BlockRequest *block) {
        FixtureRequest *request = container_of(block, FixtureRequest, block);

        ck_assert(!current->is_submitting);
        ck_assert(!request->is_done);
        request->is_done = true;
        request->done_ns = event_loop_now_ns(current->loop);
        request->done_index = current->n_done++;
}

FixtureRequest *lun_fixture_prepare(LunFixture *fixture, BlockOperation operation,
                                    BlockRequestFlags flags, uint64_t offset, uint64_t size,
                                    void *data) {
        FixtureRequest *request = &fixture->requests[fixture->n_requests++];

        ck_assert_uint_le(fixture->n_requests, FIXTURE_REQUESTS_MAX);
        *request = (FixtureRequest) {
                .block = {
                        .operation = operation,
                        .flags = flags,
                        .offset = offset,
                        .size = size,
                        .segments = request->segments,
                        .n_segments = 1,
                        .deadline_ns = event_loop_now_ns(fixture->loop) + TIMEOUT_NS,
                        .done = on_done,
                },
                .segments = { { .iov_base = data, .iov_len = size } },
        };
        list_init(&request->block.node);
        return request;
}

int lun_fixture_try_submit(LunFixture *fixture, FixtureRequest *request) {
        int r;

        current = fixture;
        fixture->is_submitting = true;
        r = block_device_submit(fixture->lun, &request->block);
        fixture->is_submitting = false;
        if (r < 0)
                request->is_done = true;
        return r;
}

FixtureRequest *lun_fixture_submit(LunFixture *fixture, BlockOperation operation,
                                   BlockRequestFlags flags, uint64_t offset, uint64_t size,
                                   void *data) {
        FixtureRequest *request =
                        lun_fixture_prepare(fixture, operation, flags, offset, size, data);

        ck_assert_int_eq(lun_fixture_try_submit(fixture, request), 0);
        return request;
}

int lun_fixture_do(LunFixture *fixture, BlockOperation operation, BlockRequestFlags flags,
                   uint64_t offset, uint64_t size, void *data) {
        FixtureRequest *request = lun_fixture_submit(fixture, operation, flags, offset, size, data);

        lun_fixture_run(fixture);
        ck_assert(request->is_done);
        return request->block.error;
}

static const char *short_name(uint8_t opcode) {
        switch (opcode) {
        case SCSI_OPCODE_READ_10:
        case SCSI_OPCODE_READ_16:
                return "read";
        case SCSI_OPCODE_WRITE_10:
        case SCSI_OPCODE_WRITE_16:
                return "write";
        case SCSI_OPCODE_UNMAP:
                return "unmap";
        case SCSI_OPCODE_WRITE_SAME_16:
                return "same";
        default:
                return NULL;
        }
}

const char *lun_fixture_journal(LunFixture *fixture) {
        static char text[4096];
        size_t size = 0;

        text[0] = '\0';
        for (size_t i = 0; i < fixture->ram.n_commands; i++) {
                const RamCommand *command = &fixture->ram.journal[i];
                const char *name = short_name(command->opcode);

                if (name)
                        size += snprintf(text + size, sizeof(text) - size, "%s%s%s %llu+%u",
                                         i > 0 ? ", " : "", name, command->flag ? "!" : "",
                                         (unsigned long long) command->lba, command->n_blocks);
                else
                        size += snprintf(text + size, sizeof(text) - size, "%s%s",
                                         i > 0 ? ", " : "",
                                         command->opcode == SCSI_OPCODE_SERVICE_ACTION_IN_16
                                                         ? "status"
                                                         : "sync");
                ck_assert_uint_lt(size, sizeof(text));
        }
        return text;
}

void lun_fixture_forget_journal(LunFixture *fixture) { fixture->ram.n_commands = 0; }
