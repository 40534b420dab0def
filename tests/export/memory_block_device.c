/*
 * Requests are carried out when they complete, not when they come, so that a test sees what a real
 * device would do to data that its client changed too early. When it is due is kept in the
 * request's device_private.
 */

#include <errno.h>
#include <string.h>

#include "block/block_request.h"
#include "memory_block_device.h"

#define STATUS_GRANULARITY 4096
#define STAGING_SIZE_MIN ((size_t) 4096)

static bool is_zero(const uint8_t *bytes, uint64_t size) {
        return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static BlockExtentFlags status_at(const MemoryBlockDevice *self, uint64_t offset, uint64_t size) {
        if (self->is_sparse && is_zero(self->memory + offset, size))
                return BLOCK_EXTENT_HOLE | BLOCK_EXTENT_ZERO;
        return 0;
}

static void tell_status(MemoryBlockDevice *self, BlockRequest *request) {
        uint64_t offset = request->offset, end = request->offset + request->size;

        while (offset < end) {
                uint64_t next = MIN(ALIGN_DOWN(offset, STATUS_GRANULARITY) + STATUS_GRANULARITY,
                                    end);
                BlockExtentFlags flags = status_at(self, offset, next - offset);
                BlockExtent *last = &request->extents[request->n_extents];

                if (request->n_extents > 0 && last[-1].flags == flags) {
                        last[-1].size += next - offset;
                } else {
                        if (request->n_extents == request->n_extents_max)
                                return;
                        *last = (BlockExtent){ .size = next - offset, .flags = flags };
                        request->n_extents++;
                }
                offset = next;
        }
}

/* How much of the request is good, and its error. */
static int judge(MemoryBlockDevice *self, BlockRequest *request, uint64_t *ret_size) {
        *ret_size = request->size;
        if (self->error == 0)
                return 0;
        if (!self->has_error_position || request->operation > BLOCK_OPERATION_WRITE) {
                *ret_size = 0;
                return self->error;
        }
        if (self->error_position < request->offset ||
            self->error_position >= request->offset + request->size)
                return 0;
        request->has_error_offset = true;
        request->error_offset = self->error_position;
        *ret_size = self->error_position - request->offset;
        return self->error;
}

static void carry_out(MemoryBlockDevice *self, BlockRequest *request) {
        uint64_t size;
        int r;

        r = judge(self, request, &size);
        switch (request->operation) {
        case BLOCK_OPERATION_READ:
                block_request_scatter(request, 0, self->memory + request->offset, size);
                break;
        case BLOCK_OPERATION_WRITE:
                block_request_gather(request, 0, self->memory + request->offset, size);
                break;
        case BLOCK_OPERATION_WRITE_ZEROES:
                if (r == 0)
                        memset(self->memory + request->offset, 0, size);
                break;
        case BLOCK_OPERATION_STATUS:
                if (r == 0)
                        tell_status(self, request);
                break;
        case BLOCK_OPERATION_FLUSH:
        case BLOCK_OPERATION_TRIM:
        case BLOCK_OPERATION_PREFETCH:
                break;
        case _BLOCK_OPERATION_MAX:
                assert_not_reached();
        }
        self->n_in_flight--;
        self->size_in_flight -= request->size;
        block_request_complete(request, r);
}

static uint64_t due_ns(const BlockRequest *request) { return (uintptr_t) request->device_private; }

static void plan_next(MemoryBlockDevice *self) {
        ListNode *first = list_first(&self->due);
        uint64_t due;

        if (!first || self->is_held)
                return;
        due = due_ns(list_entry(first, BlockRequest, node));
        if (due == 0)
                event_defer_schedule(&self->defer);
        else
                event_timer_set(&self->timer, due);
}

/* Those that came meanwhile wait for the next iteration. */
static void complete_due(MemoryBlockDevice *self) {
        uint64_t now_ns = self->delay_ns_max ? event_loop_now_ns(self->device.loop) : 0;
        size_t n_left = self->n_in_flight;

        while (n_left-- > 0 && !self->is_held) {
                ListNode *first = list_first(&self->due);

                if (!first || due_ns(list_entry(first, BlockRequest, node)) > now_ns)
                        break;
                list_unlink(first);
                carry_out(self, list_entry(first, BlockRequest, node));
        }
        plan_next(self);
}

static void on_defer(EventDefer *defer) {
        complete_due(container_of(defer, MemoryBlockDevice, defer));
}

static void on_timer(EventTimer *timer) {
        complete_due(container_of(timer, MemoryBlockDevice, timer));
}

static void insert_by_due(MemoryBlockDevice *self, BlockRequest *request) {
        ListNode *where = &self->due;

        while (where->previous != &self->due &&
               due_ns(list_entry(where->previous, BlockRequest, node)) > due_ns(request))
                where = where->previous;
        list_init(&request->node);
        list_insert_before(where, &request->node);
}

static unsigned order_of(size_t size) {
        unsigned order = 0;

        while ((STAGING_SIZE_MIN << order) < size)
                order++;
        assert(order < MEMORY_BLOCK_DEVICE_ORDERS);
        return order;
}

static void *staging_on_get(Staging *staging, size_t size) {
        MemoryBlockDevice *self = container_of(staging, MemoryBlockDevice, staging);
        unsigned order = order_of(size);
        void *memory;

        if (self->has_no_memory)
                return NULL;
        memory = list_take_first(&self->staging_free[order]);
        return memory ?: aligned_alloc(STAGING_SIZE_MIN, STAGING_SIZE_MIN << order);
}

static void staging_on_put(Staging *staging, void *memory, size_t size) {
        MemoryBlockDevice *self = container_of(staging, MemoryBlockDevice, staging);
        ListNode *node = memory;

        list_init(node);
        list_prepend(&self->staging_free[order_of(size)], node);
}

static int memory_submit(BlockDevice *device, BlockRequest *request) {
        MemoryBlockDevice *self = container_of(device, MemoryBlockDevice, device);
        uint64_t due = 0;

        if (self->submit_error)
                return self->submit_error;
        if (self->delay_ns_max)
                due = event_loop_now_ns(device->loop) +
                      random_below(&self->random, self->delay_ns_max);

        self->n_submitted[request->operation]++;
        self->n_in_flight++;
        self->n_in_flight_highest = MAX(self->n_in_flight_highest, self->n_in_flight);
        self->size_in_flight += request->size;
        self->size_in_flight_highest = MAX(self->size_in_flight_highest, self->size_in_flight);
        self->last_flags = request->flags;
        self->last_deadline_ns = request->deadline_ns;

        request->device_private = (void *) (uintptr_t) due;
        insert_by_due(self, request);
        plan_next(self);
        return 0;
}

static void memory_cancel(BlockDevice *device, BlockRequest *request) {}

static bool memory_lend(BlockDevice *device, uint64_t offset, uint64_t size, BlockLoan *ret) {
        MemoryBlockDevice *self = container_of(device, MemoryBlockDevice, device);
        BlockLoan loan = { .n_parts = 0 };

        if (self->loan_size == 0 || size > BLOCK_LOAN_PARTS_MAX * self->loan_size)
                return false;
        for (uint64_t done = 0; done < size; done += self->loan_size)
                loan.parts[loan.n_parts++] = (BlockLoanPart){
                        .bytes = self->memory + offset + done,
                        .size = MIN(self->loan_size, size - done),
                        .owner = self,
                };
        self->n_lent++;
        self->n_loans++;
        *ret = loan;
        return true;
}

static void memory_take_back(BlockDevice *device, BlockLoan *loan) {
        MemoryBlockDevice *self = container_of(device, MemoryBlockDevice, device);

        assert(self->n_lent > 0 && loan->parts[0].owner == self);
        self->n_lent--;
        loan->n_parts = 0;
}

static void memory_free(BlockDevice *device) {
        MemoryBlockDevice *self = container_of(device, MemoryBlockDevice, device);

        assert(self->n_in_flight == 0 && self->n_lent == 0);
        event_defer_cancel(&self->defer);
        event_timer_done(&self->timer);
        for (unsigned i = 0; i < MEMORY_BLOCK_DEVICE_ORDERS; i++)
                for (ListNode *node; (node = list_take_first(&self->staging_free[i]));)
                        free(node);
        free(self->memory);
        free(self);
}

void memory_block_device_release(MemoryBlockDevice *device) {
        device->is_held = false;
        plan_next(device);
}

MemoryBlockDevice *memory_block_device_new(EventLoop *loop, uint64_t memory_size,
                                           uint32_t block_size) {
        static const BlockDeviceOps ops = {
                .submit = memory_submit,
                .cancel = memory_cancel,
                .lend = memory_lend,
                .take_back = memory_take_back,
                .free = memory_free,
        };
        static const StagingOps staging_ops = { .get = staging_on_get, .put = staging_on_put };
        _cleanup_(freep) uint8_t *memory = calloc(1, memory_size);
        MemoryBlockDevice *self = calloc(1, sizeof(*self));

        if (!memory || !self || event_timer_init(&self->timer, loop, on_timer) < 0) {
                free(self);
                return NULL;
        }
        self->device = (BlockDevice) {
                .ops = &ops,
                .loop = loop,
                .staging = &self->staging,
                .name = "memory",
                .info = {
                        .size = memory_size,
                        .block_size = block_size,
                        .block_size_optimal = MAX(block_size, 4096U),
                        .transfer_size_max = MIB,
                        .can_trim = true,
                        .can_zero_fast = true,
                        .has_volatile_cache = true,
                },
        };
        self->staging.ops = &staging_ops;
        for (unsigned i = 0; i < MEMORY_BLOCK_DEVICE_ORDERS; i++)
                list_init(&self->staging_free[i]);
        self->memory = TAKE_PTR(memory);
        random_init(&self->random, 1);
        list_init(&self->due);
        event_defer_init(&self->defer, loop, on_defer);
        return self;
}
