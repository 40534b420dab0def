/*
 * Commands are carried out when they complete, so that what overlaps in time can go wrong here as it
 * would on a device.
 */

#include <string.h>

#include "base/bytes.h"
#include "ram_target.h"

static uint32_t block_size(const RamTarget *self) { return self->disk.block_size; }

static RamCommand decode(const ScsiCommand *command) {
        const uint8_t *cdb = command->request.command;
        RamCommand decoded = {
                .opcode = cdb[0],
                .data_size = command->request.size,
                .deadline_ns = command->deadline_ns,
                .data = command->request.data,
        };

        if (cdb[0] == SCSI_OPCODE_UNMAP) {
                const uint8_t *descriptor = (const uint8_t *) command->request.data + 8;

                ck_assert_uint_eq(get_be16(cdb + 7), 24);
                ck_assert_uint_eq(get_be16(descriptor - 6), 16);
                decoded.lba = get_be64(descriptor);
                decoded.n_blocks = get_be32(descriptor + 8);
        } else if (cdb[0] >> 5 == 1) {
                decoded.lba = get_be32(cdb + 2);
                decoded.n_blocks = get_be16(cdb + 7);
                decoded.flag = cdb[1] & 8;
        } else {
                decoded.lba = get_be64(cdb + 2);
                decoded.n_blocks = get_be32(cdb + 10);
                decoded.flag = cdb[1] & 8;
        }
        return decoded;
}

static void refuse(ScsiCommand *command, ScsiSenseKey key, uint16_t asc_ascq) {
        command->result = SCSI_RESULT_CHECK_CONDITION;
        command->sense = (ScsiSense){ .key = key, .asc = asc_ascq >> 8, .ascq = asc_ascq & 0xFF };
        command->actual_size = 0;
}

static bool is_unknown(const RamTarget *self, uint8_t opcode) {
        for (size_t i = 0; i < N_ELEMENTS(self->unknown); i++)
                if (self->unknown[i] == opcode && opcode != 0)
                        return true;
        return false;
}

static bool has_fault(RamTarget *self, ScsiCommand *command, uint8_t *bytes) {
        for (size_t i = 0; i < self->n_faults; i++) {
                RamFault *fault = &self->faults[i];

                if (fault->opcode >= 0 && fault->opcode != command->request.command[0])
                        continue;
                if (fault->skip-- > 0)
                        continue;
                command->result = fault->result;
                command->sense = fault->sense;
                command->actual_size = fault->actual_size;
                if (command->request.direction == TRANSPORT_DIRECTION_IN)
                        memcpy(command->request.data, bytes, fault->actual_size);
                self->faults[i] = self->faults[--self->n_faults];
                return true;
        }
        return false;
}

static void transfer(RamTarget *self, ScsiCommand *command, const RamCommand *decoded,
                     uint8_t *bytes) {
        size_t size = (size_t) decoded->n_blocks * block_size(self);

        ck_assert_uint_ge(command->request.size, size);
        if (command->request.direction == TRANSPORT_DIRECTION_IN) {
                memcpy(command->request.data, bytes, size);
                return;
        }
        memcpy(bytes, command->request.data, size);
        if (decoded->flag)
                memcpy(self->persistent + (bytes - self->memory), bytes, size);
}

static bool touches_bad_block(const RamTarget *self, const RamCommand *command) {
        return self->bad_lba > 0 && self->bad_lba >= command->lba &&
               self->bad_lba < command->lba + command->n_blocks;
}

/* SBC-3, 4.18: what lies before the block that INFORMATION names was transferred. */
static void transfer_to_bad_block(RamTarget *self, ScsiCommand *command, RamCommand decoded,
                                  uint8_t *bytes) {
        uint64_t lba = self->bad_lba;

        if (!touches_bad_block(self, &decoded)) {
                ck_assert_uint_eq(command->request.size,
                                  (size_t) decoded.n_blocks * block_size(self));
                transfer(self, command, &decoded, bytes);
                return;
        }
        decoded.n_blocks = (uint32_t) (lba - decoded.lba);
        transfer(self, command, &decoded, bytes);
        refuse(command, SCSI_SENSE_KEY_MEDIUM_ERROR, 0x1100);
        command->actual_size = (size_t) decoded.n_blocks * block_size(self);
        command->sense.has_information = self->is_bad_lba_told;
        command->sense.information = self->told_lba > 0 ? self->told_lba : lba;
}

static void write_same(RamTarget *self, const ScsiCommand *command, const RamCommand *decoded,
                       uint8_t *bytes) {
        for (uint32_t i = 0; i < decoded->n_blocks; i++)
                memcpy(bytes + (size_t) i * block_size(self), command->request.data,
                       block_size(self));
}

/* Zero blocks count as deallocated. */
static void get_lba_status(RamTarget *self, ScsiCommand *command, uint64_t lba) {
        uint8_t *bytes = command->request.data, *descriptor = bytes + 8;
        static const uint8_t zeroes[4096];
        size_t n = 0;

        memset(bytes, 0, command->request.size);
        while (lba < self->disk.n_blocks && 8 + 16 * (n + 1) <= command->request.size) {
                uint32_t n_blocks = 0;
                bool is_zero = !memcmp(self->memory + lba * block_size(self), zeroes,
                                       block_size(self));

                while (lba + n_blocks < self->disk.n_blocks &&
                       is_zero == !memcmp(self->memory + (lba + n_blocks) * block_size(self),
                                          zeroes, block_size(self)))
                        n_blocks++;
                put_be64(descriptor, lba);
                put_be32(descriptor + 8, n_blocks);
                descriptor[12] = is_zero;
                descriptor += 16;
                lba += n_blocks;
                n++;
        }
        put_be32(bytes, 4 + 16 * n);
        command->actual_size = 8 + 16 * n;
}

static void carry_out(RamTarget *self, ScsiCommand *command) {
        RamCommand decoded = decode(command);
        uint8_t *bytes = self->memory + decoded.lba * block_size(self);
        size_t size = (size_t) decoded.n_blocks * block_size(self);

        command->result = SCSI_RESULT_GOOD;
        command->actual_size = command->request.size;
        if (has_fault(self, command, bytes))
                return;
        if (is_unknown(self, decoded.opcode)) {
                refuse(command, SCSI_SENSE_KEY_ILLEGAL_REQUEST, 0x2000);
                return;
        }
        if (self->transfer_size_limit > 0 && command->request.size > self->transfer_size_limit) {
                command->result = SCSI_RESULT_NO_MEMORY;
                return;
        }
        switch (decoded.opcode) {
        case SCSI_OPCODE_WRITE_10:
        case SCSI_OPCODE_WRITE_16:
                if (decoded.flag && self->rejects_fua) {
                        refuse(command, SCSI_SENSE_KEY_ILLEGAL_REQUEST, 0x2400);
                        return;
                }
                /* fallthrough */
        case SCSI_OPCODE_READ_10:
        case SCSI_OPCODE_READ_16:
                ck_assert_uint_le(decoded.lba + decoded.n_blocks, self->disk.n_blocks);
                transfer_to_bad_block(self, command, decoded, bytes);
                return;
        case SCSI_OPCODE_SYNCHRONIZE_CACHE_10:
        case SCSI_OPCODE_SYNCHRONIZE_CACHE_16:
                memcpy(self->persistent, self->memory, self->disk.n_blocks * block_size(self));
                return;
        case SCSI_OPCODE_UNMAP:
                ck_assert_uint_le(decoded.lba + decoded.n_blocks, self->disk.n_blocks);
                memset(bytes, 0, size);
                return;
        case SCSI_OPCODE_WRITE_SAME_16:
                ck_assert_uint_le(decoded.lba + decoded.n_blocks, self->disk.n_blocks);
                write_same(self, command, &decoded, bytes);
                return;
        case SCSI_OPCODE_SERVICE_ACTION_IN_16:
                get_lba_status(self, command, decoded.lba);
                return;
        default:
                ck_abort_msg("operation code %02x", decoded.opcode);
        }
}

static void plan_next(RamTarget *self) {
        ListNode *first = list_first(&self->queue);

        if (!first || self->is_held)
                return;
        if (list_entry(first, ScsiCommand, node)->submitted_ns > 0)
                event_timer_set(&self->timer, list_entry(first, ScsiCommand, node)->submitted_ns);
        else
                event_defer_schedule(&self->defer);
}

static void complete_first(RamTarget *self) {
        ScsiCommand *command = list_entry(list_take_first(&self->queue), ScsiCommand, node);

        carry_out(self, command);
        self->n_in_flight--;
        command->done(command);
}

static void run(RamTarget *self) {
        if (!list_is_empty(&self->queue) && !self->is_held)
                complete_first(self);
        plan_next(self);
}

static void on_defer(EventDefer *defer) { run(container_of(defer, RamTarget, defer)); }

static void on_timer(EventTimer *timer) { run(container_of(timer, RamTarget, timer)); }

static void insert_by_due(RamTarget *self, ScsiCommand *command) {
        ListNode *where = &self->queue;

        while (where->previous != &self->queue &&
               list_entry(where->previous, ScsiCommand, node)->submitted_ns > command->submitted_ns)
                where = where->previous;
        list_insert_before(where, &command->node);
}

static void ram_submit(ScsiTarget *target, ScsiCommand *command) {
        RamTarget *self = container_of(target, RamTarget, target);

        ck_assert_uint_lt(self->n_commands, RAM_TARGET_JOURNAL_MAX);
        self->journal[self->n_commands++] = decode(command);
        self->n_in_flight++;
        self->n_in_flight_highest = MAX(self->n_in_flight_highest, self->n_in_flight);
        command->submitted_ns = 0;
        if (self->delay_ns_max > 0)
                command->submitted_ns = event_loop_now_ns(target->loop) + 1 +
                                        random_below(&self->random, self->delay_ns_max);
        if (self->bad_lba_ns > 0 && touches_bad_block(self, &self->journal[self->n_commands - 1]))
                command->submitted_ns = event_loop_now_ns(target->loop) + self->bad_lba_ns;
        insert_by_due(self, command);
        plan_next(self);
}

static void ram_cancel(ScsiTarget *target, ScsiCommand *command) {
        RamTarget *self = container_of(target, RamTarget, target);

        list_unlink(&command->node);
        list_prepend(&self->queue, &command->node);
        ram_target_add_fault(self, (RamFault){ .opcode = command->request.command[0],
                                               .result = SCSI_RESULT_CANCELLED });
        event_defer_schedule(&self->defer);
        self->is_held = false;
}

void ram_target_release(RamTarget *target, size_t n) {
        if (n == 0) {
                target->is_held = false;
                plan_next(target);
                return;
        }
        while (n-- > 0 && !list_is_empty(&target->queue))
                complete_first(target);
}

void ram_target_add_fault(RamTarget *target, RamFault fault) {
        ck_assert_uint_lt(target->n_faults, N_ELEMENTS(target->faults));
        target->faults[target->n_faults++] = fault;
}

size_t ram_target_count(const RamTarget *target, uint8_t opcode) {
        size_t n = 0;

        for (size_t i = 0; i < target->n_commands; i++)
                n += target->journal[i].opcode == opcode;
        return n;
}

void ram_target_init(RamTarget *target, EventLoop *loop, uint64_t n_blocks, uint32_t block_size) {
        static const ScsiTargetOps ops = { .submit = ram_submit, .cancel = ram_cancel };

        *target = (RamTarget) {
                .target = {
                        .ops = &ops,
                        .loop = loop,
                        .staging = staging_heap(),
                        .name = "ram",
                        .transfer_size_max = 1 * MIB,
                        .n_in_flight_max = 1,
                },
                .disk = {
                        .lun = 3,
                        .has_medium = true,
                        .n_blocks = n_blocks,
                        .block_size = block_size,
                        .physical_block_size = block_size,
                        .transfer_size_max = 64 * KIB,
                        .has_write_cache = true,
                        .has_cache_page = true,
                        .has_fua = true,
                        .can_unmap = true,
                        .can_write_same_16 = true,
                        .can_write_same_unmap = true,
                        .unmapped_reads_zero = true,
                        .can_get_lba_status = true,
                        .unmap_blocks_max = 1024,
                        .unmap_granularity_blocks = 1,
                        .write_same_blocks_max = 1024,
                },
                .is_bad_lba_told = true,
        };
        ck_assert_int_eq(scsi_command_pool_new(&target->target.commands, RAM_TARGET_COMMANDS_KEPT),
                         0);
        target->memory = calloc(n_blocks, block_size);
        target->persistent = calloc(n_blocks, block_size);
        ck_assert(target->memory && target->persistent);
        random_init(&target->random, 1);
        list_init(&target->queue);
        event_defer_init(&target->defer, loop, on_defer);
        ck_assert_int_eq(event_timer_init(&target->timer, loop, on_timer), 0);
}

void ram_target_done(RamTarget *target) {
        ck_assert_uint_eq(target->n_in_flight, 0);
        event_defer_cancel(&target->defer);
        event_timer_done(&target->timer);
        scsi_command_pool_free(target->target.commands);
        free(target->memory);
        free(target->persistent);
}
