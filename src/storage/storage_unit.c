/* A LUN's pipe, export and sessions: see storage_unit.h. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "block/lun.h"
#include "cache/cache_samples.h"
#include "cache/cache_volume.h"
#include "storage/storage_unit.h"

/* How often write protection is asked for again. */
#define MODES_PERIOD_NS (10 * NS_PER_S)
/* How often it is looked whether what nobody uses any more has been written. */
/* After so many looks in vain, with pauses that double, which is some ten minutes. */
#define HOPED_FAILURES_MAX 6U
#define LOCK_PERIOD_NS (1 * NS_PER_S)

typedef struct StorageSession {
        StorageUnit *unit;   /* borrowed: its owner */
        NbdSession *session; /* owned */
        uint64_t client_id;  /* 0: nobody wants to know */
        ListNode node;       /* StorageUnit::sessions */
} StorageSession;

/* Whoever pressed the button need not press it again when the last client has gone. */
static void ask_for_eject(StorageUnit *unit) {
        if (unit->n_sessions > 0 && !unit->is_eject_wanted)
                log_device_notice(unit->name, "The drive's button was pressed: the medium is in "
                                              "use, and comes out when nobody uses it");
        unit->is_eject_wanted = true;
}

static void medium_on_news(StorageMedium *medium, StorageMediumNews news) {
        StorageUnit *unit = container_of(medium, StorageUnit, medium);

        if (news == STORAGE_MEDIUM_NEWS_LOOK)
                unit->is_medium_changed = true;
        else if (news == STORAGE_MEDIUM_NEWS_MODES)
                unit->is_mode_changed = true;
        else if (news == STORAGE_MEDIUM_NEWS_EJECT)
                ask_for_eject(unit);
        unit->on_idle(unit);
}

void storage_unit_init(StorageUnit *unit, EventLoop *loop, unsigned lun, StorageUnitIdle on_idle,
                       StorageUnitActive on_active) {
        *unit = (StorageUnit){ .lun = lun, .on_idle = on_idle, .on_active = on_active };
        storage_medium_init(&unit->medium, loop, (uint8_t) lun, medium_on_news);
        list_init(&unit->sessions);
        list_init(&unit->mounts);
}

void storage_unit_done(StorageUnit *unit) {
        assert(!unit->is_open);
        assert(list_is_empty(&unit->sessions) && list_is_empty(&unit->mounts));
}

static int make_lun(StorageUnit *unit, ScsiTarget *target, const ScsiDisk *disk,
                    const StorageOptions *options, BlockDevice **ret) {
        return lun_new(ret, target, disk,
                       &(LunOptions){
                                       .name = unit->name,
                                       .is_read_only = options->is_read_only,
                                       .is_trim_enabled = options->is_trim_enabled,
                                       .known = unit->known,
                                       .tells_losses = !options->has_cache,
                                       .command_timeout_ns = options->device_timeout_ms * NS_PER_MS,
                       });
}

static void monitor_on_active(void *userdata) {
        StorageUnit *unit = userdata;

        unit->on_active(unit);
}

static BlockDevice *get_unmonitored(const StorageUnit *unit) {
        return unit->volume ?: unit->lun_device;
}

/* On top of the pipe. */
static int add_monitor(StorageUnit *unit) {
        return performance_monitor_new(&unit->monitor, get_unmonitored(unit), &unit->stats,
                                       &(PerformanceMonitorOptions){
                                                       .has_cache = unit->volume != NULL,
                                                       .notify = monitor_on_active,
                                                       .userdata = unit,
                                       });
}

int storage_unit_open(StorageUnit *unit, ScsiTarget *target, const ScsiDisk *disk,
                      CacheManager *cache, const CacheIdentity *identity,
                      const StorageOptions *options) {
        _cleanup_(block_device_freep) BlockDevice *lun_device = NULL;
        int r;

        assert(!unit->is_open);
        assert(disk->has_medium);

        snprintf(unit->name, sizeof(unit->name), "%s-lun%u", options->base_name, unit->lun);
        snprintf(unit->description, sizeof(unit->description), "%s%s%s, %llu MiB", disk->vendor,
                 disk->vendor[0] != '\0' ? " " : "", disk->product,
                 (unsigned long long) (scsi_disk_get_size(disk) / MIB));

        r = make_lun(unit, target, disk, options, &lun_device);
        if (r < 0)
                return r;
        if (cache) {
                r = cache_volume_new(&unit->volume, cache, unit->lun, identity, lun_device);
                if (r < 0)
                        return r;
        }

        unit->lun_device = TAKE_PTR(lun_device);
        /* A LUN that nobody looks at is better than none. */
        if (options->is_monitored && add_monitor(unit) < 0)
                log_device_warning(unit->name, "No memory to count what is done");
        unit->block = unit->monitor ?: get_unmonitored(unit);
        unit->identity = *identity;
        unit->disk = *disk;
        nbd_session_describe(unit->block, &unit->info);
        unit->request_timeout_ns = options->device_timeout_ms * NS_PER_MS;
        unit->is_open = true;
        unit->generation++;
        return 0;
}

static int sample(Task *task, void *userdata) {
        const StorageUnit *unit = userdata;

        return cache_samples_take(unit->volume, task);
}

static void sampler_on_end(Task *task, int result, void *userdata) {
        StorageUnit *unit = userdata;

        if (result < 0 && result != -ECANCELED && result != -ESHUTDOWN)
                log_device_debug(unit->name, "The medium could not be sampled whole: %s",
                                 strerror(-result));
        unit->sampler = NULL;
        unit->on_idle(unit);
}

void storage_unit_start_sampling(StorageUnit *unit) {
        int r;

        if (!unit->volume || unit->sampler)
                return;
        r = task_start(&unit->sampler, unit->block->loop, "samples", sample, sampler_on_end, unit);
        if (r < 0)
                log_device_debug(unit->name, "No memory to sample the medium");
}

static void session_on_ended(NbdSession *nbd_session, void *userdata) {
        StorageSession *session = userdata;
        StorageUnit *unit = session->unit;
        uint64_t client_id = session->client_id;

        nbd_session_free(nbd_session);
        list_unlink(&session->node);
        free(session);

        assert(unit->n_sessions > 0);
        unit->n_sessions--;
        if (client_id != 0 && unit->on_client_ended)
                unit->on_client_ended(unit, client_id);
        unit->on_idle(unit);
}

int storage_unit_add_session(StorageUnit *unit, uint64_t generation, int fd,
                             const NbdAgreement *agreement) {
        _cleanup_(freep) StorageSession *session = NULL;
        _cleanup_(fd_closep) int owned_fd = fd;
        int r;

        if (!unit->is_open || unit->is_medium_changed || generation != unit->generation)
                return -ESTALE;
        if (unit->n_sessions >= STORAGE_SESSIONS_PER_EXPORT_MAX)
                return -EUSERS;

        session = calloc(1, sizeof(*session));
        if (!session)
                return -ENOMEM;
        session->unit = unit;
        session->client_id = agreement->client_id;
        list_init(&session->node);

        r = nbd_session_new(&session->session, unit->block, TAKE_FD(owned_fd), agreement,
                            &(NbdSessionOptions){
                                            .request_timeout_ns = unit->request_timeout_ns,
                                            .budget = unit->budget,
                            },
                            session_on_ended, session);
        if (r < 0)
                return r;

        list_append(&unit->sessions, &session->node);
        unit->n_sessions++;
        TAKE_PTR(session);
        return 0;
}

void storage_unit_set_timeout(StorageUnit *unit, uint64_t timeout_ns) {
        unit->request_timeout_ns = timeout_ns;
        if (unit->lun_device)
                lun_set_command_timeout(unit->lun_device, timeout_ns);
        LIST_FOR_EACH (node, &unit->sessions)
                nbd_session_set_request_timeout(list_entry(node, StorageSession, node)->session,
                                                timeout_ns);
}

void storage_unit_end_sessions(StorageUnit *unit, bool comes_again) {
        LIST_FOR_EACH (node, &unit->sessions) {
                NbdSession *session = list_entry(node, StorageSession, node)->session;

                if (comes_again)
                        nbd_session_hang_up(session);
                else
                        nbd_session_shut_down(session);
        }
}

typedef struct UnitFlush {
        BlockDevice *block; /* borrowed */
        BlockRequest request;
        Future future;
} UnitFlush;

static void flush_on_done(BlockRequest *request) {
        future_complete(&container_of(request, UnitFlush, request)->future, request->error);
}

static void flush_on_cancel(Future *future) {
        UnitFlush *flush = container_of(future, UnitFlush, future);

        block_device_cancel(flush->block, &flush->request);
}

void storage_unit_rest(StorageUnit *unit) {
        if (unit->monitor)
                performance_monitor_rest(unit->monitor);
}

/* No client asked for it. */
int storage_unit_flush(StorageUnit *unit, Task *task, uint64_t deadline_ns) {
        EventLoop *loop = unit->block->loop;
        UnitFlush flush = {
                .block = get_unmonitored(unit),
                .request = {
                        .operation = BLOCK_OPERATION_FLUSH,
                        .deadline_ns = deadline_ns,
                        .done = flush_on_done,
                },
        };
        int r;

        if (unit->info.transmission_flags & NBD_FLAG_READ_ONLY)
                return 0;

        future_init(&flush.future, loop, flush_on_cancel);
        r = block_device_submit(flush.block, &flush.request);
        if (r < 0)
                return r;
        return task_await(task, &flush.future, TASK_NEVER);
}

void storage_unit_park(StorageUnit *unit) {
        if (unit->sampler)
                task_cancel(unit->sampler);
        if (unit->lun_device)
                lun_shut_down(unit->lun_device);
        if (unit->volume)
                cache_volume_park(unit->volume);
}

void storage_unit_set_away(StorageUnit *unit) {
        if (unit->volume)
                cache_volume_set_away(unit->volume);
}

void storage_unit_detach(StorageUnit *unit, Task *task) {
        assert(unit->volume);

        while (unit->sampler || !cache_volume_is_detached(unit->volume))
                task_sleep(task, NS_PER_MS);
        unit->lun_device = block_device_free(unit->lun_device);
}

bool storage_unit_has_samples(const StorageUnit *unit) {
        const CacheSample *samples = cache_samples_get(unit->volume);

        for (unsigned i = 0; i < CACHE_SAMPLES_MAX; i++)
                if (samples[i].size > 0)
                        return true;
        return false;
}

int storage_unit_return(StorageUnit *unit, Task *task, ScsiTarget *target, const ScsiDisk *disk,
                        const CacheIdentity *identity, const StorageOptions *options) {
        _cleanup_(block_device_freep) BlockDevice *lun_device = NULL;
        int r;

        assert(!unit->lun_device && unit->volume);

        if (!cache_identity_may_be_same(identity, &unit->identity))
                return 0;
        r = make_lun(unit, target, disk, options, &lun_device);
        if (r < 0)
                return r;
        r = cache_samples_compare(cache_samples_get(unit->volume), lun_device, task, NULL);
        if (r <= 0)
                return r;

        if (!storage_unit_has_samples(unit))
                cache_volume_forget_clean(unit->volume);
        unit->lun_device = TAKE_PTR(lun_device);
        cache_volume_resume(unit->volume, unit->lun_device);
        storage_unit_start_sampling(unit);
        return 1;
}

bool storage_unit_is_hoped_for(const StorageUnit *unit) {
        return unit->retry_ns != 0 && unit->n_failures <= HOPED_FAILURES_MAX;
}

uint64_t storage_unit_get_mode_ns(const StorageUnit *unit) {
        if (!unit->is_mode_changed || !unit->is_open)
                return TASK_NEVER;
        return unit->mode_ns == 0 ? 0 : unit->mode_ns + MODES_PERIOD_NS;
}

bool storage_unit_is_to_eject(const StorageUnit *unit) {
        return unit->is_eject_wanted && unit->n_sessions == 0;
}

uint64_t storage_unit_tend_medium(StorageUnit *unit, ScsiTarget *target, uint64_t good_ns) {
        uint64_t poll_ns = storage_medium_poll(&unit->medium, target, good_ns);
        bool is_used = unit->is_announced && unit->n_sessions > 0;
        bool is_dirty = unit->is_open && !is_used && storage_unit_get_kept_size(unit) > 0;

        /* A request that has the medium for itself may be just bringing it out. */
        if (!unit->is_exclusive)
                storage_medium_set_locked(&unit->medium, target,
                                          unit->medium.is_watched && (is_used || is_dirty));
        return is_dirty ? MIN(poll_ns, event_loop_now_ns(unit->medium.loop) + LOCK_PERIOD_NS)
                        : poll_ns;
}

void storage_unit_note_told(StorageUnit *unit, const ScsiCommand *command) {
        StorageMediumNews news;

        if (!unit->medium.is_watched)
                return;
        news = storage_medium_judge(unit->medium.is_present, command->result, &command->sense);
        unit->is_medium_changed |= news == STORAGE_MEDIUM_NEWS_LOOK &&
                                   command->result == SCSI_RESULT_CHECK_CONDITION;
        unit->is_mode_changed |= news == STORAGE_MEDIUM_NEWS_MODES;
}

void storage_unit_shut_down(StorageUnit *unit) { cache_volume_shut_down(unit->volume); }

bool storage_unit_is_shut_down(const StorageUnit *unit) {
        return unit->volume && cache_volume_is_shut_down(unit->volume);
}

uint64_t storage_unit_get_kept_size(const StorageUnit *unit) {
        return unit->volume ? cache_volume_get_kept_size(unit->volume) : 0;
}

void storage_unit_close(StorageUnit *unit, Task *task, bool with_discard) {
        assert(unit->n_sessions == 0 && unit->n_requests == 0);

        if (unit->volume) {
                while (!cache_volume_is_idle(unit->volume))
                        task_sleep(task, NS_PER_MS);
                if (with_discard)
                        cache_volume_discard(unit->volume);
        }
        unit->monitor = block_device_free(unit->monitor);
        unit->volume = block_device_free(unit->volume);
        unit->lun_device = block_device_free(unit->lun_device);
        unit->block = NULL;
        unit->is_open = false;
}
