/* See worker.h. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "cache/cache_manager_internal.h"
#include "storage/storage_settings.h"
#include "worker.h"

/* Before a worker is started in place of one that ended. */
#define RESTART_NS (200 * NS_PER_MS)
/* A worker that neither comes up nor ends in so long hangs. */
#define PATIENCE_NS (1800 * NS_PER_S)

static void on_export_opened(StorageManager *storage, const StorageExport *export, void *userdata) {
        Worker *worker = userdata;
        WorkerExport *slot = &worker->exports[export->lun];

        if (worker->is_killed)
                return;
        if (slot->is_open)
                journal_fail(worker->journal, "LUN %u was opened twice", export->lun);
        *slot = (WorkerExport){
                .is_open = true,
                .generation = ++worker->last_generation,
                .own_generation = export->generation,
                .info = export->info,
        };
        worker->exports[export->lun].is_foreign = worker->hardware->disk != HARDWARE_DISK_OWN;
        worker->luns_in_arena |= 1U << export->lun;
        journal_note(worker->journal, "LUN %u is open%s", export->lun,
                     slot->is_foreign ? ", of the foreign disk" : "");
        if (export->info.size != worker->plan->size)
                journal_fail(worker->journal, "LUN %u is of %ju bytes", export->lun,
                             (uintmax_t) export->info.size);
        worker->events->returned(worker->userdata);
}

static void on_export_closed(StorageManager *storage, unsigned lun, uint64_t generation,
                             void *userdata) {
        Worker *worker = userdata;

        if (worker->is_killed)
                return;
        if (!worker->exports[lun].is_open)
                journal_fail(worker->journal, "LUN %u was closed twice", lun);
        journal_note(worker->journal, "LUN %u is closed", lun);
        worker->exports[lun].is_open = false;
}

static void on_brought_up(StorageManager *storage, int result, unsigned n_luns, const char *reason,
                          void *userdata) {
        Worker *worker = userdata;

        worker->is_brought_up = result == 0;
        worker->has_ended = result < 0;
        worker->result = result;
        if (!worker->is_killed)
                journal_note(worker->journal, "the worker came up with %d: %u LUNs, %s", result,
                             n_luns, reason ? reason : "well");
}

static void on_stopped(StorageManager *storage, int result, void *userdata) {
        Worker *worker = userdata;

        worker->has_ended = true;
        worker->result = result;
        if (!worker->is_killed)
                journal_note(worker->journal, "the worker stopped with %d", result);
}

static void on_parked(StorageManager *storage, void *userdata) {
        Worker *worker = userdata;

        worker->is_parked = true;
        hardware_forget(worker->hardware);
        if (!worker->is_killed)
                journal_note(worker->journal, "the worker is parked");
}

static void on_returned(StorageManager *storage, void *userdata) {
        Worker *worker = userdata;

        if (worker->is_killed)
                return;
        journal_note(worker->journal, "the worker has its device again");
        worker->is_parked = false;
        /* With the own disk, what is still open is of it. */
        for (unsigned i = 0; i < worker->plan->n_luns; i++)
                worker->exports[i].is_foreign &= worker->hardware->disk != HARDWARE_DISK_OWN;
        worker->events->returned(worker->userdata);
}

/* Arenas, and what is left in them */

static int copy_memory(int fd, uint64_t size) {
        int copy = memfd_create("simulation-remains", MFD_CLOEXEC);
        void *from, *to;
        int r;

        assert(copy >= 0);
        r = ftruncate(copy, (off_t) size);
        assert(r == 0);
        from = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        to = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, copy, 0);
        assert(from != MAP_FAILED && to != MAP_FAILED);
        memcpy(to, from, size);
        munmap(from, size);
        munmap(to, size);
        return copy;
}

static void keep(Worker *worker, int fd, unsigned luns, bool is_file) {
        if (luns == 0) {
                fd_close(fd);
                return;
        }
        assert(worker->n_remains < WORKER_REMAINS_MAX);
        worker->remains[worker->n_remains++] = (WorkerRemains){
                .fd = fd,
                .id = ++worker->last_id,
                .luns = luns,
                .is_file = is_file,
        };
        journal_note(worker->journal, "remains %u are kept, of LUNs %x", worker->last_id, luns);
}

static void forget(Worker *worker, size_t index) {
        fd_close(worker->remains[index].fd);
        worker->n_remains--;
        memmove(&worker->remains[index], &worker->remains[index + 1],
                (worker->n_remains - index) * sizeof(worker->remains[0]));
}

/* The manager has what it was to save, and the worker hears of it like of any remains. */
static int save(Worker *worker, unsigned luns) {
        const WorkerRemains *saved;
        int r;

        if (worker->plan->has_bad_manager && random_one_in(&worker->random, 4)) {
                journal_note(worker->journal, "LUNs %x can't be saved", luns);
                worker->luns_unsaved |= luns;
                return -ENOSPC;
        }
        keep(worker, copy_memory(worker->arena_fd, worker->plan->arena_size), luns,
             /* is_file= */ true);
        worker->luns_in_arena &= ~luns;
        worker->luns_unsaved &= ~luns;
        saved = &worker->remains[worker->n_remains - 1];
        r = storage_manager_add_remains(worker->storage, saved->id, luns, dup(saved->fd));
        if (r < 0)
                journal_fail(worker->journal, "what was saved is refused with %d", r);
        return 0;
}

static void on_save_timer(EventTimer *timer) {
        Worker *worker = container_of(timer, Worker, save_timer);
        unsigned luns = worker->luns_saving;

        worker->luns_saving = 0;
        storage_manager_saved(worker->storage, luns, worker->is_killed ? 0 : save(worker, luns));
}

static void on_save(StorageManager *storage, unsigned luns, void *userdata) {
        static const uint64_t delays_ns[] = { 1, 20 * NS_PER_MS, 3 * NS_PER_S, 250 * NS_PER_S };
        Worker *worker = userdata;
        uint64_t delay_ns = 1;

        if (worker->luns_saving != 0)
                journal_fail(worker->journal, "asked to save LUNs %x before an answer", luns);
        if (worker->plan->has_bad_manager && !worker->is_killed)
                delay_ns = 1 + random_below(&worker->random,
                                            delays_ns[random_below(&worker->random,
                                                                   N_ELEMENTS(delays_ns))]);
        worker->luns_saving = luns;
        event_timer_set(&worker->save_timer, event_loop_now_ns(worker->loop) + delay_ns);
}

static void on_remains_left(StorageManager *storage, uint32_t id, unsigned luns, void *userdata) {
        Worker *worker = userdata;

        if (worker->is_killed)
                return;
        journal_note(worker->journal, "of remains %u those of LUNs %x are left", id, luns);
        for (size_t i = 0; i < worker->n_remains; i++)
                if (worker->remains[i].id == id) {
                        worker->luns_in_arena |= worker->remains[i].luns & ~luns;
                        worker->remains[i].luns = luns;
                        if (luns == 0)
                                forget(worker, i);
                        return;
                }
        journal_fail(worker->journal, "remains %u are not known", id);
}

static void on_store(void *userdata) {
        Worker *worker = userdata;

        if (worker->n_stores_left > 0 && --worker->n_stores_left == 0)
                worker_kill(worker, worker->cache_at_kill);
}

CacheManager *worker_get_cache(Worker *worker) {
        return worker->storage ? storage_manager_get_cache(worker->storage) : NULL;
}

static void make_arena(Worker *worker) {
        int r;

        worker->luns_in_arena = worker->luns_unsaved = 0;
        worker->arena_fd = memfd_create("simulation-arena", MFD_CLOEXEC);
        assert(worker->arena_fd >= 0);
        r = ftruncate(worker->arena_fd, (off_t) worker->plan->arena_size);
        assert(r == 0);
}

/* An arena whose owner was wiping it holds nothing, and is none any more. */
static void give_remains(Worker *worker) {
        for (size_t i = 0; i < worker->n_remains;) {
                const WorkerRemains *remains = &worker->remains[i];
                int r = storage_manager_add_remains(worker->storage, remains->id, remains->luns,
                                                    dup(remains->fd));

                if (r == 0) {
                        i++;
                        continue;
                }
                if (r != -EBADMSG || remains->is_file)
                        journal_fail(worker->journal, "remains %u are refused with %d", remains->id,
                                     r);
                journal_note(worker->journal, "remains %u are no arena", remains->id);
                forget(worker, i);
        }
}

/* Counting */

/* What is counted is not looked at, but it must not be in anybody's way. */
static void on_lun_stats(StorageManager *storage, unsigned lun, const StorageStats *stats,
                         void *userdata) {
        const Worker *worker = userdata;

        if (stats->n_in_flight > stats->n_in_flight_max || stats->busy_ns > stats->weighted_ns)
                journal_fail(worker->journal, "the counters of LUN %u do not fit together", lun);
}

static void on_device_stats(StorageManager *storage, const StorageDeviceStats *stats,
                            void *userdata) {
        const Worker *worker = userdata;

        if (stats->transport >= _STORAGE_TRANSPORT_MAX)
                journal_fail(worker->journal, "the device is driven by nothing known");
}

/* Power */

static void on_power_changed(StorageManager *storage, const ControlPower *power, void *userdata) {
        Worker *worker = userdata;

        if (!control_power_is_valid(power))
                journal_fail(worker->journal, "what is told of power makes no sense");
}

static void on_replied(StorageManager *storage, const ControlReply *reply, void *userdata) {
        Worker *worker = userdata;

        if (worker->n_requests == 0)
                journal_fail(worker->journal, "request %ju is answered twice",
                             (uintmax_t) reply->id);
        worker->n_requests--;
        if (!worker->is_killed)
                journal_note(worker->journal, "request %ju ends with %d: %s", (uintmax_t) reply->id,
                             reply->error, reply->words);
}

static void on_smart_told(StorageManager *storage, const ControlSmart *smart, void *userdata) {
        Worker *worker = userdata;

        if (!control_smart_is_valid(smart))
                journal_fail(worker->journal, "what is told of a drive's health makes no sense");
        if (smart->verdict.kind == SMART_VERDICT_KIND_FAILING)
                journal_fail(worker->journal, "a good drive is told to fail: %s",
                             smart->verdict.reason);
        if (!worker->is_killed)
                journal_note(worker->journal, "health of LUN %u: %d, %s (%s)", smart->lun,
                             smart->error, smart_verdict_kind_to_string(smart->verdict.kind),
                             smart->verdict.reason);
}

void worker_ask_smart(Worker *worker, bool is_test) {
        ControlRequest request = {
                .id = ++worker->last_request,
                .kind = is_test ? CONTROL_REQUEST_KIND_SMART_TEST
                                : CONTROL_REQUEST_KIND_SMART_UPDATE,
                .self_test = is_test ? SMART_SELF_TEST_KIND_SHORT : 0,
        };

        if (!worker->storage || worker->is_killed || worker->has_ended)
                return;
        journal_note(worker->journal, "request %ju: the drive's health is asked for",
                     (uintmax_t) request.id);
        worker->n_requests++;
        storage_manager_request(worker->storage, &request, -EBADF);
}

void worker_set_power(Worker *worker, const PowerOptions *options) {
        worker->power = *options;
        if (worker->storage && !worker->is_killed)
                storage_settings_set_power(worker->storage, options);
}

void worker_ask_power(Worker *worker, PowerState state) {
        ControlRequest request = {
                .id = ++worker->last_request,
                .kind = CONTROL_REQUEST_KIND_POWER_STATE,
                .lun = CONTROL_LUN_ALL,
                .power_state = state,
        };

        if (!worker->storage || worker->is_killed || worker->has_ended)
                return;
        journal_note(worker->journal, "request %ju: the device is to be %s", (uintmax_t) request.id,
                     power_state_to_string(state));
        worker->n_requests++;
        storage_manager_request(worker->storage, &request, -EBADF);
}

/* Living */

static void on_learned(StorageManager *storage, const UsbLearnedFacts *facts, void *userdata) {
        Worker *worker = userdata;

        assert(usb_learned_facts_is_valid(facts));
        worker->learned = *facts;
}

static const StorageHandlers handlers = {
        .export_opened = on_export_opened,
        .export_closed = on_export_closed,
        .brought_up = on_brought_up,
        .stopped = on_stopped,
        .learned = on_learned,
        .parked = on_parked,
        .returned = on_returned,
        .save = on_save,
        .remains_left = on_remains_left,
        .replied = on_replied,
        .power_changed = on_power_changed,
        .smart_told = on_smart_told,
        .lun_stats = on_lun_stats,
        .device_stats = on_device_stats,
};

static void start(Worker *worker) {
        const Plan *plan = worker->plan;
        StorageOptions options = {
                .base_name = "simulation",
                .serial = "1",
                .is_trim_enabled = true,
                .known = &worker->learned,
                .is_monitored = true,
                .n_luns_max = PLAN_LUNS_MAX,
                .starts_with_reset = worker->has_failed,
                .power = worker->power,
                .smart = { .period_ms = plan->smart_period_ms },
                .has_cache = plan->has_cache,
                .cache = plan->cache,
                .park_timeout_ms = plan->park_timeout_ms,
        };
        SmartBridge bridge;
        int r;

        smart_bridge_init(&bridge, plan->bridge_kind);
        control_smart_options_set_bridge(&options.smart, &bridge);
        worker->is_brought_up = false;
        worker->is_stopping = false;
        worker->is_parked = false;
        worker->has_ended = false;
        if (plan->has_cache)
                make_arena(worker);
        options.arena_fd = worker->arena_fd;
        journal_note(worker->journal, "a worker starts");
        r = storage_manager_new(&worker->storage, hardware_open(worker->hardware), &options,
                                &handlers, worker);
        assert(r == 0);
        if (!plan->has_cache)
                return;
        cache_arena_set_observer(worker_get_cache(worker)->arena, on_store, worker);
        give_remains(worker);
}

static void on_start_timer(EventTimer *timer) {
        Worker *worker = container_of(timer, Worker, start_timer);
        int r;

        if (!worker->hardware->is_plugged || worker->hardware->device)
                return;
        if (!worker->storage) {
                start(worker);
                return;
        }
        if (!worker->is_parked || worker->is_killed || worker->has_ended)
                return;
        journal_note(worker->journal, "the worker gets its device");
        r = storage_manager_replug(worker->storage, hardware_open(worker->hardware));
        if (r == 0)
                return;
        journal_note(worker->journal, "it does not want it: %d", r);
        worker->hardware->device = NULL;
}

void worker_init(Worker *worker, EventLoop *loop, Journal *journal, const Plan *plan,
                 Hardware *hardware, const WorkerEvents *events, void *userdata) {
        int r;

        *worker = (Worker){
                .loop = loop,
                .journal = journal,
                .plan = plan,
                .hardware = hardware,
                .events = events,
                .userdata = userdata,
                .arena_fd = -EBADF,
                .power = plan->power,
        };
        random_init(&worker->random, plan->seed ^ UINT64_C(0x776f726b));
        r = event_timer_init(&worker->start_timer, loop, on_start_timer);
        assert(r == 0);
        r = event_timer_init(&worker->save_timer, loop, on_save_timer);
        assert(r == 0);
}

void worker_done(Worker *worker) {
        assert(!worker->storage);
        while (worker->n_remains > 0)
                forget(worker, 0);
        event_timer_done(&worker->start_timer);
        event_timer_done(&worker->save_timer);
}

/* What a killed one still does, nobody sees: its device and its clients are gone. */
static void let_die(Worker *worker) {
        uint64_t end_ns = event_loop_now_ns(worker->loop) + PATIENCE_NS;

        storage_manager_set_gone(worker->storage);
        storage_manager_stop(worker->storage);
        while (!worker->has_ended)
                if (event_loop_run_once(worker->loop, /* may_wait= */ true) <= 0 ||
                    event_loop_now_ns(worker->loop) > end_ns)
                        journal_fail(worker->journal, "a worker without a device does not end");
}

/* An arena of which nothing is needed any more goes. A killed one's was kept as it was then. */
static void keep_arena(Worker *worker) {
        if (worker->arena_fd < 0)
                return;
        if (!worker->is_killed && worker->has_failed)
                keep(worker, TAKE_FD(worker->arena_fd), worker->luns_in_arena,
                     /* is_file= */ false);
        else if (!worker->is_killed && (worker->luns_unsaved & worker->luns_in_arena) != 0)
                keep(worker, TAKE_FD(worker->arena_fd),
                     worker->luns_unsaved & worker->luns_in_arena,
                     /* is_file= */ false);
        worker->arena_fd = fd_close(worker->arena_fd);
}

static void bury(Worker *worker) {
        if (worker->is_killed)
                let_die(worker);
        for (unsigned i = 0; i < worker->plan->n_luns; i++) {
                if (worker->exports[i].is_open && !worker->is_killed)
                        journal_fail(worker->journal, "LUN %u was left open", i);
                worker->exports[i].is_open = false;
        }
        if (worker->n_requests > 0)
                journal_fail(worker->journal, "%u requests were not answered", worker->n_requests);
        hardware_cut(worker->hardware, HARDWARE_CACHE_WRITTEN);
        event_timer_clear(&worker->save_timer);
        worker->luns_saving = 0;
        worker->has_failed = worker->is_killed || (worker->result < 0 && worker->result != -ENODEV);
        worker->storage = storage_manager_free(worker->storage);
        keep_arena(worker);
        worker->is_killed = false;
        worker->has_ended = false;
}

void worker_manage(Worker *worker) {
        if (worker->storage && (worker->is_killed || worker->has_ended))
                bury(worker);
        if ((!worker->storage || worker->is_parked) && worker->hardware->is_plugged &&
            !worker->hardware->device && !event_timer_is_armed(&worker->start_timer))
                event_timer_set(&worker->start_timer, event_loop_now_ns(worker->loop) + RESTART_NS);
}

bool worker_has_clients(const Worker *worker, unsigned lun) {
        return worker->storage && !worker->is_killed && worker->exports[lun].is_open &&
               !worker->exports[lun].is_foreign;
}

bool worker_add_client(Worker *worker, unsigned lun, int fd, const NbdAgreement *agreement) {
        assert(worker_has_clients(worker, lun));
        return storage_manager_add_client(worker->storage, lun, worker->exports[lun].own_generation,
                                          fd, agreement) == 0;
}

void worker_stop(Worker *worker) {
        if (!worker->storage || worker->is_killed || worker->is_stopping)
                return;
        journal_note(worker->journal, "the worker is told to stop");
        worker->is_stopping = true;
        storage_manager_stop(worker->storage);
}

void worker_kill(Worker *worker, HardwareCache cache) {
        if (!worker->storage || worker->is_killed || worker->has_ended)
                return;
        journal_note(worker->journal, "the worker is killed");
        worker->is_killed = true;
        worker->n_stores_left = 0;
        if (worker->arena_fd >= 0)
                keep(worker, copy_memory(worker->arena_fd, worker->plan->arena_size),
                     worker->luns_in_arena, /* is_file= */ false);
        hardware_cut(worker->hardware, cache);
        worker->events->killed(worker->userdata);
}

void worker_kill_at_store(Worker *worker, uint64_t n, HardwareCache cache) {
        worker->n_stores_left = n;
        worker->cache_at_kill = cache;
}

void worker_lose_power(Worker *worker, HardwareCache cache) {
        worker_kill(worker, cache);
        for (size_t i = worker->n_remains; i-- > 0;)
                if (!worker->remains[i].is_file)
                        forget(worker, i);
}
