/*
 * A Lun as a whole: takes requests, keeps a few more pieces in flight than the device takes at
 * once, oldest request first, shares SYNCHRONIZE CACHE among flushes, and sees that nobody waits
 * past a deadline.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "block/lun_error.h"
#include "block/lun_internal.h"

static void grow_transfers(Lun *lun) {
        uint64_t now_ns;

        if (lun->limits.transfer_size == lun->transfer_size_max)
                return;
        now_ns = event_loop_now_ns(lun->device.loop);
        if (now_ns < lun->grow_ns)
                return;
        lun->limits.transfer_size = MIN(lun->limits.transfer_size * 2, lun->transfer_size_max);
        lun->grow_ns = now_ns + lun->grow_pause_ns;
        if (lun->grow_pause_ns == LUN_TRANSFER_SAFE_NS)
                log_device_notice(lun->name, "transfers of %u bytes again",
                                  lun->limits.transfer_size);
        if (lun->limits.transfer_size == lun->transfer_size_max)
                lun->grow_pause_ns = 0;
}

static void set_transfer_size(Lun *lun, uint64_t size, uint64_t pause_ns) {
        lun->limits.transfer_size = (uint32_t) MIN((uint64_t) lun->limits.transfer_size, size);
        lun->grow_pause_ns = MAX(lun->grow_pause_ns, pause_ns);
        lun->grow_ns = MAX(lun->grow_ns, event_loop_now_ns(lun->device.loop) + pause_ns);
}

void lun_shorten_transfers(Lun *lun, uint64_t size) {
        uint64_t size_min = MAX((uint64_t) lun->limits.block_size, LUN_TRANSFER_SAFE_SIZE_MIN);

        /* Each try may cost a reset, and these are counted. */
        size = MAX(ALIGN_DOWN(size / 4, lun->limits.block_size), size_min);
        if (size < lun->limits.transfer_size)
                log_device_warning(lun->name,
                                   "long transfers fail, at most %llu bytes at once for a while",
                                   (unsigned long long) size);
        set_transfer_size(lun, size, LUN_TRANSFER_SAFE_NS);
}

void lun_note_write_refused(Lun *lun) {
        if (++lun->n_writes_refused < LUN_WRITES_REFUSED_MAX || lun->read_only_until_ns > 0)
                return;
        lun->read_only_until_ns = event_loop_now_ns(lun->device.loop) + LUN_READ_ONLY_NS;
        log_device_warning(lun->name, "the device refuses to be written to: read-only for a while");
}

/* Ends it when it is over. */
static bool is_read_only_for_now(Lun *lun) {
        if (lun->read_only_until_ns == 0)
                return false;
        if (event_loop_now_ns(lun->device.loop) < lun->read_only_until_ns)
                return true;
        log_device_notice(lun->name, "writes are tried again");
        lun->read_only_until_ns = 0;
        lun->n_writes_refused = 0;
        return false;
}

bool lun_shrink_transfers(Lun *lun, uint64_t size) {
        uint32_t block_size = lun->limits.block_size;
        uint64_t size_min = MAX((uint64_t) block_size, LUN_TRANSFER_SIZE_MIN);

        if (size <= size_min)
                return false;
        size = MAX(ALIGN_DOWN(size / 2, block_size), size_min);
        set_transfer_size(lun, size, LUN_TRANSFER_GROW_NS);
        log_device_debug(lun->name, "out of transfer memory, transfers of %u bytes for a while",
                         lun->limits.transfer_size);
        return true;
}

void lun_note_cache(Lun *lun) {
        lun->facts.has_no_synchronize = false;
        lun->limits.can_synchronize = true;
        lun->device.info.has_volatile_cache = true;
}

void lun_note_written(Lun *lun) {
        if (!lun->unsynced.has_some)
                lun->unsynced = (LunUnsynced){ true, lun->target->n_resets };
}

void *lun_get_zeroes(Lun *lun) {
        if (!lun->zeroes) {
                lun->zeroes_size = MAX(LUN_STEP_ZEROES_SIZE_MAX, lun->limits.block_size);
                lun->zeroes = staging_get(lun->target->staging, lun->zeroes_size);
                if (lun->zeroes)
                        memset(lun->zeroes, 0, lun->zeroes_size);
        }
        return lun->zeroes;
}

/* One is always there, so that a lack of memory makes the Lun slower and no more. */
static bool ready_command(Lun *lun) {
        if (!lun->next_command)
                lun->next_command = scsi_command_pool_get(lun->target->commands);
        if (!lun->next_command && !lun->is_spare_used) {
                lun->next_command = &lun->spare_command;
                lun->is_spare_used = true;
        }
        return lun->next_command;
}

static void put_command(Lun *lun, ScsiCommand *command) {
        if (command == &lun->spare_command)
                lun->is_spare_used = false;
        else
                scsi_command_pool_put(lun->target->commands, command);
}

LunPiece *lun_piece_get(Lun *lun) {
        LunPiece *piece = list_entry(list_first(&lun->free_pieces), LunPiece, node);

        assert(lun->n_pieces < lun->n_pieces_max);
        assert(lun->next_command);

        list_unlink(&piece->node);
        lun->n_pieces++;
        piece->command = TAKE_PTR(lun->next_command);
        return piece;
}

void lun_piece_put(Lun *lun, LunPiece *piece) {
        put_command(lun, TAKE_PTR(piece->command));
        lun->n_pieces--;
        list_prepend(&lun->free_pieces, &piece->node);
}

static LunRequest *first_request(const Lun *lun, LunRequestState state) {
        ListNode *node = list_first(&lun->requests[state]);

        return node ? list_entry(node, LunRequest, node) : NULL;
}

void lun_cut(Lun *lun) {
        LunRequest *request;
        BlockRange *range;

        while ((range = block_range_lock_next(&lun->lock)))
                lun_piece_resume(list_entry(range, LunPiece, range));
        grow_transfers(lun);
        while (lun->n_pieces < lun->n_pieces_max &&
               (request = first_request(lun, LUN_REQUEST_STATE_CUTTING)) && ready_command(lun))
                lun_request_cut(request);
}

static void synchronize(Lun *lun);

/* What a SYNCHRONIZE CACHE that came back with `error` means for the writes that it covers. */
static int judge_sync(Lun *lun, int error) {
        LunUnsynced syncing = lun->syncing;

        lun->syncing = (LunUnsynced){ 0 };
        if (error < 0) {
                if (syncing.has_some)
                        lun->unsynced = syncing;
                return error;
        }
        if (!lun->tells_losses || !syncing.has_some || syncing.n_resets == lun->target->n_resets)
                return 0;
        log_device_error(lun->name, "the device was reset before it had synchronised what was "
                                    "written: some of that may be lost");
        return -EIO;
}

static void on_sync_done(ScsiCommand *command) {
        Lun *lun = command->owner;
        int error = lun_error_from_command(command);
        LunRequest *request;

        lun->is_syncing = false;
        if (lun_error_is_unsupported(command)) {
                log_device_debug(lun->name, "no SYNCHRONIZE CACHE, so there is no cache");
                lun->facts.has_no_synchronize = true;
                lun->limits.can_synchronize = false;
                lun->device.info.has_volatile_cache = false;
                error = 0;
                lun->syncing = (LunUnsynced){ 0 };
        }
        error = judge_sync(lun, error);
        while ((request = first_request(lun, LUN_REQUEST_STATE_SYNCING)))
                lun_request_sync_done(request, error);
        synchronize(lun);
        lun_run(lun);
}

/* One command serves all that wait: whatever they cover was written before they came here. Those
 * that come while it is in flight need another. */
static void synchronize(Lun *lun) {
        uint64_t deadline_ns = 0;

        if (lun->is_syncing || list_is_empty(&lun->requests[LUN_REQUEST_STATE_SYNC_WAITING]))
                return;
        if (!lun->limits.can_synchronize) {
                LunRequest *request;

                while ((request = first_request(lun, LUN_REQUEST_STATE_SYNC_WAITING)))
                        lun_request_sync_done(request, 0);
                return;
        }
        deadline_ns = lun_request_begin_sync(lun);
        scsi_command_init(&lun->sync_command, lun->number, deadline_ns);
        scsi_command_synchronize_cache(&lun->sync_command);
        lun->sync_command.done = on_sync_done;
        lun->sync_command.owner = lun;
        lun->is_syncing = true;
        lun->syncing = lun->unsynced;
        lun->unsynced = (LunUnsynced){ 0 };
        scsi_target_submit(lun->target, &lun->sync_command);
}

static bool is_idle(const Lun *lun) {
        for (size_t i = LUN_REQUEST_STATE_CUTTING; i < _LUN_REQUEST_STATE_MAX; i++)
                if (!list_is_empty(&lun->requests[i]))
                        return false;
        return true;
}

/* Those that finish meanwhile are completed by the next call, as their owners may submit more and
 * more. */
static void complete_finished(Lun *lun) {
        ListNode *finished = &lun->requests[LUN_REQUEST_STATE_FINISHED];
        ListNode *last = list_last(finished);

        while (last) {
                LunRequest *request = first_request(lun, LUN_REQUEST_STATE_FINISHED);
                bool is_last = &request->node == last;

                lun_request_complete(request);
                if (is_last)
                        break;
        }
        if (!list_is_empty(finished))
                lun_run_later(lun);
        if (event_timer_is_armed(&lun->deadline_timer) && is_idle(lun))
                event_timer_clear(&lun->deadline_timer);
}

void lun_run(Lun *lun) {
        /* The device is kept busy before anybody is told. */
        lun_cut(lun);
        complete_finished(lun);
}

static void on_defer(EventDefer *defer) {
        Lun *lun = container_of(defer, Lun, defer);

        synchronize(lun);
        lun_run(lun);
}

void lun_run_later(Lun *lun) { event_defer_schedule(&lun->defer); }

void lun_watch_deadline(Lun *lun, uint64_t deadline_ns) {
        if (!event_timer_is_armed(&lun->deadline_timer) ||
            deadline_ns < lun->deadline_timer.deadline_ns)
                event_timer_set(&lun->deadline_timer, deadline_ns);
}

/* Commands at the target end by themselves by their deadline. */
static void on_deadline(EventTimer *timer) {
        static const LunRequestState states[] = {
                LUN_REQUEST_STATE_CUTTING,
                LUN_REQUEST_STATE_ISSUED,
                LUN_REQUEST_STATE_SYNC_WAITING,
                LUN_REQUEST_STATE_SYNCING,
        };
        Lun *lun = container_of(timer, Lun, deadline_timer);
        uint64_t now_ns = event_loop_now_ns(lun->device.loop);

        for (size_t i = 0; i < N_ELEMENTS(states); i++)
                LIST_FOR_EACH (node, &lun->requests[states[i]]) {
                        LunRequest *request = list_entry(node, LunRequest, node);

                        if (request->block->deadline_ns <= now_ns)
                                lun_request_give_up(request, -ETIMEDOUT,
                                                    /* with_commands= */ false);
                        else
                                lun_watch_deadline(lun, request->block->deadline_ns);
                }
}

static int add_slab(Lun *lun) {
        LunRequest *slab;

        if (lun->n_slabs == LUN_SLABS_MAX)
                return -EBUSY;
        slab = calloc(LUN_REQUESTS_PER_SLAB, sizeof(*slab));
        if (!slab)
                return -ENOMEM;
        for (size_t i = 0; i < LUN_REQUESTS_PER_SLAB; i++) {
                slab[i].lun = lun;
                list_init(&slab[i].pieces);
                list_init(&slab[i].node);
                list_append(&lun->requests[LUN_REQUEST_STATE_FREE], &slab[i].node);
        }
        lun->slabs[lun->n_slabs++] = slab;
        return 0;
}

static bool changes_medium(BlockOperation operation) {
        return operation == BLOCK_OPERATION_WRITE || operation == BLOCK_OPERATION_TRIM ||
               operation == BLOCK_OPERATION_WRITE_ZEROES;
}

static int judge(Lun *lun, const BlockRequest *block) {
        if (lun->is_shut_down)
                return -ESHUTDOWN;
        if (changes_medium(block->operation) &&
            (lun->device.info.is_read_only || is_read_only_for_now(lun)))
                return -EPERM;
        /* What the device was announced to trim but rejected since is left alone: TRIM is a hint.
         */
        if (block->operation == BLOCK_OPERATION_TRIM && !lun->device.info.can_trim)
                return -EOPNOTSUPP;
        if (block->flags & BLOCK_REQUEST_FAST_ONLY &&
            lun_step_zero_kind(&lun->limits, block->flags) == LUN_STEP_KIND_ZERO)
                return -EOPNOTSUPP;
        return 0;
}

static int lun_submit(BlockDevice *device, BlockRequest *block) {
        Lun *lun = container_of(device, Lun, device);
        LunRequest *request;
        int r;

        r = judge(lun, block);
        if (r < 0)
                return r;
        if (list_is_empty(&lun->requests[LUN_REQUEST_STATE_FREE])) {
                r = add_slab(lun);
                if (r < 0)
                        return r;
        }
        request = first_request(lun, LUN_REQUEST_STATE_FREE);
        lun_request_start(request, block);
        lun_cut(lun);
        /* Once it is at the target as a whole, its commands' deadlines do. */
        if (request->state == LUN_REQUEST_STATE_CUTTING)
                lun_watch_deadline(lun, block->deadline_ns);
        return 0;
}

static void lun_cancel(BlockDevice *device, BlockRequest *block) {
        LunRequest *request = block->device_private;

        assert(request->block == block);
        lun_request_give_up(request, -ECANCELED, /* with_commands= */ true);
}

LunFacts lun_get_facts(const BlockDevice *device) {
        const Lun *lun = container_of(device, Lun, device);
        LunFacts facts = lun->facts;

        /* Not what the host had no memory for. */
        if (lun->grow_pause_ns == LUN_TRANSFER_SAFE_NS)
                facts.transfer_size = lun->limits.transfer_size;
        return facts;
}

LunCondition lun_get_condition(const BlockDevice *device) {
        const Lun *lun = container_of(device, Lun, device);

        return (LunCondition){
                .transfer_size = lun->limits.transfer_size,
                .transfer_size_max = lun->transfer_size_max,
                .is_shortened = lun->limits.transfer_size < lun->transfer_size_max &&
                                lun->grow_pause_ns >= LUN_TRANSFER_SAFE_NS,
                .is_read_only = lun->read_only_until_ns > event_loop_now_ns(device->loop),
        };
}

void lun_set_command_timeout(BlockDevice *device, uint64_t timeout_ns) {
        assert(timeout_ns > 0);

        container_of(device, Lun, device)->command_timeout_ns = timeout_ns;
}

void lun_forget_bad_blocks(BlockDevice *device) {
        Lun *lun = container_of(device, Lun, device);

        lun_bad_blocks_forget(&lun->bad_blocks, 0, UINT64_MAX);
}

void lun_shut_down(BlockDevice *device) {
        static const LunRequestState states[] = {
                LUN_REQUEST_STATE_CUTTING,
                LUN_REQUEST_STATE_ISSUED,
                LUN_REQUEST_STATE_SYNC_WAITING,
        };
        Lun *lun = container_of(device, Lun, device);

        lun->is_shut_down = true;
        for (size_t i = 0; i < N_ELEMENTS(states); i++)
                LIST_FOR_EACH (node, &lun->requests[states[i]])
                        lun_request_give_up(list_entry(node, LunRequest, node), -ESHUTDOWN,
                                            /* with_commands= */ false);
}

static void lun_free(BlockDevice *device) {
        Lun *lun = container_of(device, Lun, device);

        assert(lun->n_pieces == 0 && !lun->is_syncing && is_idle(lun));

        event_defer_cancel(&lun->defer);
        event_timer_done(&lun->deadline_timer);
        staging_put(lun->target->staging, lun->zeroes, lun->zeroes_size);
        if (lun->next_command)
                put_command(lun, lun->next_command);
        for (size_t i = 0; i < lun->n_slabs; i++)
                free(lun->slabs[i]);
        free(lun->pieces);
        free(lun->name);
        free(lun);
}

static void set_info(Lun *lun, const ScsiDisk *disk, const LunOptions *options) {
        bool is_read_only = disk->is_read_only || options->is_read_only;
        uint32_t optimal = MAX(disk->physical_block_size, disk->block_size);

        lun->device.info = (BlockInfo){
                .size = scsi_disk_get_size(disk),
                .block_size = disk->block_size,
                .block_size_optimal = is_power_of_two(optimal) ? optimal : disk->block_size,
                .transfer_size_max = lun->transfer_size_max,
                .is_read_only = is_read_only,
                .is_rotational = disk->is_rotational,
                .is_removable = disk->is_removable,
                .can_trim = !is_read_only && lun_step_can_trim(&lun->limits),
                .can_zero_fast = !is_read_only &&
                                 lun_step_zero_kind(&lun->limits, 0) != LUN_STEP_KIND_ZERO,
                .has_volatile_cache = lun->limits.can_synchronize,
        };
}

static int init_pieces(Lun *lun) {
        size_t n_in_flight_most = MAX(lun->target->n_in_flight_max, lun->target->n_in_flight_most);

        lun->n_pieces_max = MIN((size_t) LUN_PIECES_MAX, n_in_flight_most + LUN_PIECES_AHEAD);
        lun->pieces = calloc(lun->n_pieces_max, sizeof(*lun->pieces));
        if (!lun->pieces)
                return -ENOMEM;
        for (size_t i = 0; i < lun->n_pieces_max; i++) {
                list_init(&lun->pieces[i].node);
                list_append(&lun->free_pieces, &lun->pieces[i].node);
        }
        scsi_command_init(&lun->spare_command, lun->number, 0);
        return 0;
}

/* A device that says that it has a cache is asked again whether it can synchronise that. */
static void recall(Lun *lun, const ScsiDisk *disk, const LunFacts *known) {
        uint64_t size_min = MAX((uint64_t) lun->limits.block_size, LUN_TRANSFER_SAFE_SIZE_MIN);
        uint64_t size = MAX(ALIGN_DOWN((uint64_t) known->transfer_size, lun->limits.block_size),
                            size_min);

        lun->facts = *known;
        lun->facts.transfer_size = 0;
        lun->facts.has_no_synchronize = known->has_no_synchronize && !disk->has_write_cache;
        if (lun->facts.has_no_synchronize)
                lun->limits.can_synchronize = false;
        lun->limits.is_unmap_proven = known->is_unmap_proven && !known->is_unmap_refused;
        if (known->is_unmap_refused) {
                lun_step_forget(&lun->limits, LUN_STEP_KIND_UNMAP);
                lun_step_forget(&lun->limits, LUN_STEP_KIND_WRITE_SAME_UNMAP);
        }
        if (known->transfer_size > 0 && size < lun->limits.transfer_size)
                set_transfer_size(lun, size, LUN_TRANSFER_SAFE_NS);
}

int lun_new(BlockDevice **ret, ScsiTarget *target, const ScsiDisk *disk,
            const LunOptions *options) {
        static const BlockDeviceOps ops = {
                .submit = lun_submit,
                .cancel = lun_cancel,
                .free = lun_free,
        };
        _cleanup_(block_device_freep) BlockDevice *device = NULL;
        Lun *lun;
        int r;

        assert(disk->has_medium && disk->n_blocks > 0);
        assert(is_power_of_two(disk->block_size));

        lun = calloc(1, sizeof(*lun));
        if (!lun)
                return -ENOMEM;
        device = &lun->device;
        *device = (BlockDevice){
                .ops = &ops,
                .loop = target->loop,
                .staging = target->staging,
        };
        lun->target = target;
        lun->number = disk->lun;
        lun->tells_losses = options->tells_losses;
        lun->command_timeout_ns = options->command_timeout_ns ?: LUN_COMMAND_TIMEOUT_DEFAULT_NS;
        list_init(&lun->free_pieces);
        for (size_t i = 0; i < _LUN_REQUEST_STATE_MAX; i++)
                list_init(&lun->requests[i]);
        block_range_lock_init(&lun->lock);
        event_defer_init(&lun->defer, target->loop, on_defer);

        lun->name = strdup(options->name);
        if (!lun->name)
                return -ENOMEM;
        device->name = lun->name;
        lun_step_limits_init(&lun->limits, disk, target->transfer_size_max,
                             options->is_trim_enabled);
        lun->transfer_size_max = lun->limits.transfer_size;
        recall(lun, disk, &options->known);
        set_info(lun, disk, options);

        r = event_timer_init(&lun->deadline_timer, target->loop, on_deadline);
        if (r < 0)
                return r;
        r = init_pieces(lun);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(device);
        return 0;
}
