/* See disturbance.h. */

#include <stdio.h>

#include "cache/cache_manager_internal.h"
#include "disturbance.h"

static uint64_t below(Disturbances *disturbances, uint64_t limit) {
        return random_below(&disturbances->random, limit);
}

static bool one_in(Disturbances *disturbances, uint64_t n) {
        return random_one_in(&disturbances->random, n);
}

#define CHOOSE(disturbances, array) ((array)[below(disturbances, N_ELEMENTS(array))])

static HardwareCache choose_cache_fate(Disturbances *disturbances) {
        return (HardwareCache) below(disturbances, _HARDWARE_CACHE_MAX);
}

static Client *choose_client(Disturbances *disturbances) {
        return disturbances->clients[below(disturbances, disturbances->world->plan->n_clients)];
}

static void set_timer(Disturbances *disturbances, EventTimer *timer, uint64_t delay_ns) {
        event_timer_set(timer, event_loop_now_ns(disturbances->world->loop) + delay_ns);
}

/* Kinds. Those of rough weather are such as clients do not notice but by waiting. */

static void have_hiccup(Disturbances *disturbances) {
        static const char *const faults[] = {
                "stall:data@opcode=28",
                "stall:data@opcode=2A",
                "stall:status",
                "wire-error:command",
                "wire-error:data",
                "wire-error:status",
                "csw-tag",
                "csw-signature",
                "csw-size",
                "phase-error",
                "zero-packet",
                "reset",
                "reset@opcode=35",
                "reset@opcode=2A",
                "unit-attention:29/00",
                "unit-attention:2A/01",
                "sense:B/47/00",
                "not-ready:300",
                "slow:50*3",
                "slow:1000*1",
        };

        disturbances->world->was_reset = true;
        hardware_add_faults(disturbances->hardware, CHOOSE(disturbances, faults));
}

/* By Bulk-Only it works: it is changed for that, and nobody notices. */
static void have_uas_broken(Disturbances *disturbances) {
        static const char *const faults[] = {
                "stall:command",   "stall:data",        "stall:status", "wire-error:command",
                "wire-error:data", "wire-error:status", "csw-tag",      "csw-signature",
                "csw-size:3",      "phase-error",
        };
        static const char *const opcodes[] = { "", "+opcode=28", "+opcode=2A", "+opcode=35" };
        char text[128];

        disturbances->world->was_reset = true;
        snprintf(text, sizeof(text), "%s@over=uas%s*always", CHOOSE(disturbances, faults),
                 CHOOSE(disturbances, opcodes));
        hardware_add_faults(disturbances->hardware, text);
}

static void have_power_cycle(Disturbances *disturbances) {
        if (!disturbances->hardware->device)
                return;
        journal_note(disturbances->world->journal, "the device loses its power for a moment");
        /* A SYNCHRONIZE CACHE that it has forgotten is waited for until its deadline. */
        disturbances->world->may_fail = true;
        simulated_device_power_cycle(disturbances->hardware->device);
}

static void pull_cable(Disturbances *disturbances) {
        uint64_t away_ns = one_in(disturbances, 2) ? below(disturbances, 10 * NS_PER_MS)
                                                   : below(disturbances, NS_PER_S);

        if (!disturbances->hardware->is_plugged)
                return;
        hardware_unplug(disturbances->hardware, choose_cache_fate(disturbances));
        if (disturbances->world->worker->storage && one_in(disturbances, 2))
                storage_manager_set_gone(disturbances->world->worker->storage);
        if (disturbances->world->plan->weather == PLAN_WEATHER_STORM && one_in(disturbances, 3)) {
                /* Longer than it is waited for. */
                disturbances->world->may_fail = true;
                away_ns = below(disturbances, 100 * NS_PER_S);
        }
        set_timer(disturbances, &disturbances->return_timer, away_ns);
}

/* Samples tell media apart, if there are any: on a small disk all may be overwritten. */
static bool has_samples(Disturbances *disturbances) {
        const Worker *worker = disturbances->world->worker;
        CacheManager *cache = worker_get_cache(disturbances->world->worker);

        if (!cache || worker->n_remains > 0)
                return false;
        for (unsigned lun = 0; lun < disturbances->world->plan->n_luns; lun++) {
                const CacheSample *samples = cache_arena_get_samples(cache->arena, lun);
                bool has_one = false;

                for (unsigned i = 0; i < CACHE_SAMPLES_MAX; i++)
                        has_one |= samples[i].size > 0;
                if (!has_one || !worker->exports[lun].is_open)
                        return false;
        }
        return true;
}

static void exchange_disk(Disturbances *disturbances) {
        Hardware *hardware = disturbances->hardware;

        if (!disturbances->world->plan->has_foreign_disk || !hardware->is_plugged ||
            hardware->disk != HARDWARE_DISK_OWN)
                return;
        disturbances->world->may_fail = true;
        hardware_unplug(hardware, choose_cache_fate(disturbances));
        disturbances->foreign_disk = !one_in(disturbances, 4) && has_samples(disturbances)
                                                     ? HARDWARE_DISK_OTHER_MEDIA
                                                     : HARDWARE_DISK_OTHER_DEVICE;
        set_timer(disturbances, &disturbances->foreign_timer,
                  1 + below(disturbances, 2 * NS_PER_S));
        set_timer(disturbances, &disturbances->return_timer,
                  3 * NS_PER_S + below(disturbances, 60 * NS_PER_S));
}

static void kill_worker_at_store(Disturbances *disturbances) {
        static const uint64_t limits[] = { 3, 30, 300, 3000 };

        worker_kill_at_store(disturbances->world->worker,
                             1 + below(disturbances, CHOOSE(disturbances, limits)),
                             choose_cache_fate(disturbances));
}

static void kill_worker(Disturbances *disturbances) {
        worker_kill(disturbances->world->worker, choose_cache_fate(disturbances));
        /* Its successor, too, maybe while it takes in what is left. */
        if (one_in(disturbances, 3))
                kill_worker_at_store(disturbances);
}

static void lose_power(Disturbances *disturbances) {
        ClientWorld *world = disturbances->world;

        journal_note(world->journal, "the host loses its power");
        worker_lose_power(world->worker, choose_cache_fate(disturbances));
        for (unsigned i = 0; i < world->plan->n_luns; i++)
                model_lose_volatile(world->models[i]);
}

static void change_mode(Disturbances *disturbances) {
        CacheManager *cache = worker_get_cache(disturbances->world->worker);
        CacheMode mode = (CacheMode) below(disturbances, _CACHE_MODE_MAX);

        if (!cache || disturbances->world->worker->is_killed)
                return;
        journal_note(disturbances->world->journal, "the cache's mode is %s now",
                     cache_mode_to_string(mode));
        cache_manager_set_mode(cache, mode);
}

static void change_policy(Disturbances *disturbances) {
        CacheManager *cache = worker_get_cache(disturbances->world->worker);
        CachePolicyKind policy = (CachePolicyKind) below(disturbances, _CACHE_POLICY_KIND_MAX);
        bool has_read_ahead = one_in(disturbances, 2);

        if (!cache || disturbances->world->worker->is_killed)
                return;
        journal_note(disturbances->world->journal, "the cache's policy is %s now, read-ahead is %s",
                     cache_policy_kind_to_string(policy), has_read_ahead ? "on" : "off");
        cache_manager_set_policy(cache, policy);
        cache_manager_set_read_ahead(cache, has_read_ahead);
        cache_manager_set_verification(cache, one_in(disturbances, 2));
}

static void change_size(Disturbances *disturbances) {
        CacheManager *cache = worker_get_cache(disturbances->world->worker);
        uint64_t size = one_in(disturbances, 2)
                                        ? below(disturbances, disturbances->world->plan->arena_size)
                                        : 0;

        if (!cache || disturbances->world->worker->is_killed)
                return;
        journal_note(disturbances->world->journal, "the cache's size is %ju now", (uintmax_t) size);
        cache_manager_set_size(cache, size);
}

static void change_power(Disturbances *disturbances) {
        static const uint32_t timeouts_ms[] = { 0, 1, 5, 50, 1000 };
        PowerOptions options = {
                .standby_timeout_ms = CHOOSE(disturbances, timeouts_ms),
                .suspend_timeout_ms = CHOOSE(disturbances, timeouts_ms),
                .is_enabled = !one_in(disturbances, 4),
        };

        journal_note(disturbances->world->journal, "standby after %u ms, suspend after %u ms, %s",
                     options.standby_timeout_ms, options.suspend_timeout_ms,
                     options.is_enabled ? "enabled" : "disabled");
        worker_set_power(disturbances->world->worker, &options);
}

static void ask_power(Disturbances *disturbances) {
        static const PowerState states[] = { POWER_STATE_ACTIVE, POWER_STATE_STANDBY,
                                             POWER_STATE_STANDBY, POWER_STATE_SUSPENDED,
                                             POWER_STATE_SUSPENDED };

        worker_ask_power(disturbances->world->worker, CHOOSE(disturbances, states));
        /* And somebody else changes his mind. */
        if (one_in(disturbances, 4))
                worker_ask_power(disturbances->world->worker, CHOOSE(disturbances, states));
}

static void ask_smart(Disturbances *disturbances) {
        worker_ask_smart(disturbances->world->worker, /* is_test= */ one_in(disturbances, 4));
}

/* What was written is on the medium by then: nobody notices but by waiting. */
static void wake_badly(Disturbances *disturbances) {
        static const char *const faults[] = {
                "resume-fails",
                "resume-frozen",
                "resume-power-cycle",
                "resume-fails;resume-power-cycle",
                "sense:5/20/00@opcode=1B*2",
                "sense:5/24/00@opcode=1B*1",
                "sense:4/44/00@opcode=1B*1",
                "unit-attention:29/00@opcode=1B*2",
                "stall:status@opcode=1B*1",
        };

        disturbances->world->was_reset = true;
        hardware_add_faults(disturbances->hardware, CHOOSE(disturbances, faults));
        ask_power(disturbances);
}

static void wake_worse(Disturbances *disturbances) {
        static const char *const faults[] = {
                "resume-gone",
                "start-stuck",
                "hang:command@opcode=1B*2",
                "freeze:status@opcode=1B*1",
                "resume-frozen;port-reset-fails",
                "resume-fails;port-reset-gone",
        };

        disturbances->world->may_fail = true;
        hardware_add_faults(disturbances->hardware, CHOOSE(disturbances, faults));
        ask_power(disturbances);
        set_timer(disturbances, &disturbances->heal_timer, below(disturbances, 3 * NS_PER_S));
}

static void stop_worker(Disturbances *disturbances) { worker_stop(disturbances->world->worker); }

static void lose_client(Disturbances *disturbances) { client_vanish(choose_client(disturbances)); }

static void silence_client(Disturbances *disturbances) {
        client_fall_silent(choose_client(disturbances), below(disturbances, 20 * NS_PER_S));
}

/* Those of a storm. What makes it unknown which disk this is (an INQUIRY that is never answered)
 * is left out: that data is not given back then is right. */

static void have_serious_fault(Disturbances *disturbances) {
        static const char *const faults[] = {
                "hang:command",      "hang:data",     "hang:status",        "freeze:command",
                "freeze:data",       "freeze:status", "disconnect:command", "disconnect:data",
                "disconnect:status", "short-data",    "short-data-untold",  "babble",
                "data-skipped",      "csw-missing",   "csw-status:03",      "residue",
                "stall:status",      "sense:4/44/00", "sense:B/00/00",      "phase-error",
                "slow:40000",
        };
        static const char *const beside[] = { "",
                                              "",
                                              ";port-reset-fails",
                                              ";port-reset-gone",
                                              ";not-ready:20000",
                                              ";stall:control*3" };
        static const unsigned opcodes[] = { 0x28, 0x2A, 0x35, 0x00 };
        static const unsigned counts[] = { 1, 1, 3, 8 };
        char text[128];

        disturbances->world->may_fail = true;
        snprintf(text, sizeof(text), "%s@opcode=%02X*%u%s", CHOOSE(disturbances, faults),
                 CHOOSE(disturbances, opcodes), CHOOSE(disturbances, counts),
                 CHOOSE(disturbances, beside));
        hardware_add_faults(disturbances->hardware, text);
        set_timer(disturbances, &disturbances->heal_timer, below(disturbances, 3 * NS_PER_S));
}

static void have_bad_blocks(Disturbances *disturbances) {
        const Plan *plan = disturbances->world->plan;
        const PlanClient *client = &plan->clients[below(disturbances, plan->n_clients)];
        uint64_t first = (client->spot + below(disturbances, client->spot_size)) / plan->block_size;
        char text[128];

        disturbances->world->may_fail = true;
        snprintf(text, sizeof(text), "%s@lba=%ju..%ju+lun=%u*always",
                 one_in(disturbances, 2) ? "write-error" : "medium-error", (uintmax_t) first,
                 (uintmax_t) (first + below(disturbances, 5)), client->lun);
        hardware_add_faults(disturbances->hardware, text);
        set_timer(disturbances, &disturbances->heal_timer, below(disturbances, 20 * NS_PER_S));
}

/* It was out for a moment, and is the same. */
static void have_medium_reported(Disturbances *disturbances) {
        disturbances->world->may_fail = true;
        hardware_add_faults(disturbances->hardware, "unit-attention:28/00");
}

typedef struct Kind {
        void (*happen)(Disturbances *disturbances);
        PlanWeather from; /* which weather */
        unsigned weight;
        bool needs_both; /* UAS and Bulk-Only */
} Kind;

static const Kind kinds[] = {
        { have_hiccup, PLAN_WEATHER_ROUGH, 6 },
        { have_power_cycle, PLAN_WEATHER_STORM, 1 },
        { pull_cable, PLAN_WEATHER_ROUGH, 3 },
        { kill_worker, PLAN_WEATHER_ROUGH, 3 },
        { kill_worker_at_store, PLAN_WEATHER_ROUGH, 8 },
        { lose_power, PLAN_WEATHER_ROUGH, 1 },
        { stop_worker, PLAN_WEATHER_ROUGH, 1 },
        { change_mode, PLAN_WEATHER_ROUGH, 1 },
        { change_size, PLAN_WEATHER_ROUGH, 1 },
        { change_policy, PLAN_WEATHER_ROUGH, 1 },
        { change_power, PLAN_WEATHER_ROUGH, 2 },
        { ask_power, PLAN_WEATHER_ROUGH, 6 },
        { ask_smart, PLAN_WEATHER_ROUGH, 3 },
        { wake_badly, PLAN_WEATHER_ROUGH, 5 },
        { wake_worse, PLAN_WEATHER_STORM, 3 },
        { lose_client, PLAN_WEATHER_ROUGH, 1 },
        { silence_client, PLAN_WEATHER_ROUGH, 1 },
        { have_serious_fault, PLAN_WEATHER_STORM, 5 },
        { have_bad_blocks, PLAN_WEATHER_STORM, 3 },
        { exchange_disk, PLAN_WEATHER_STORM, 10 },
        { have_medium_reported, PLAN_WEATHER_STORM, 1 },
        { have_uas_broken, PLAN_WEATHER_ROUGH, 5, .needs_both = true },
};

static bool may_happen(const Plan *plan, const Kind *kind) {
        return plan->weather >= kind->from &&
               (!kind->needs_both || plan->transport == SIMULATOR_TRANSPORT_UAS);
}

static void happen(Disturbances *disturbances) {
        const Plan *plan = disturbances->world->plan;
        unsigned sum = 0;
        uint64_t dice;

        for (size_t i = 0; i < N_ELEMENTS(kinds); i++)
                sum += may_happen(plan, &kinds[i]) ? kinds[i].weight : 0;
        dice = below(disturbances, sum);
        for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
                if (!may_happen(plan, &kinds[i]))
                        continue;
                if (dice < kinds[i].weight) {
                        kinds[i].happen(disturbances);
                        return;
                }
                dice -= kinds[i].weight;
        }
        assert_not_reached();
}

/* When */

static uint64_t choose_delay(Disturbances *disturbances) {
        static const uint64_t limits[] = { 1, 100 * NS_PER_US, 5 * NS_PER_MS, 500 * NS_PER_MS,
                                           8 * NS_PER_S };

        return below(disturbances, CHOOSE(disturbances, limits));
}

static void choose_next(Disturbances *disturbances) {
        unsigned n_requests = disturbances->world->n_left;

        disturbances->next_at = n_requests -
                                (unsigned) below(disturbances,
                                                 n_requests / (disturbances->n_left + 1) * 2 + 1);
}

static void on_timer(EventTimer *timer) { container_of(timer, Disturbances, timer)->is_due = true; }

static void return_device(Disturbances *disturbances) {
        static const UsbSpeed speeds[] = { USB_SPEED_SUPER, USB_SPEED_HIGH, USB_SPEED_FULL };
        Hardware *hardware = disturbances->hardware;

        if (hardware->is_plugged && hardware->disk == HARDWARE_DISK_OWN)
                return;
        if (hardware->is_plugged)
                hardware_unplug(hardware, HARDWARE_CACHE_WRITTEN);
        hardware_plug(hardware, HARDWARE_DISK_OWN,
                      one_in(disturbances, 2) ? hardware->speed : CHOOSE(disturbances, speeds));
}

static void on_return_timer(EventTimer *timer) {
        return_device(container_of(timer, Disturbances, return_timer));
}

static void on_foreign_timer(EventTimer *timer) {
        Disturbances *disturbances = container_of(timer, Disturbances, foreign_timer);
        Hardware *hardware = disturbances->hardware;

        if (!hardware->is_plugged)
                hardware_plug(hardware, disturbances->foreign_disk, hardware->speed);
}

static void on_heal_timer(EventTimer *timer) {
        hardware_heal(container_of(timer, Disturbances, heal_timer)->hardware);
}

void disturbances_manage(Disturbances *disturbances) {
        if (disturbances->is_due) {
                disturbances->is_due = false;
                happen(disturbances);
                if (disturbances->n_left > 0)
                        choose_next(disturbances);
        }
        if (disturbances->n_left == 0 || event_timer_is_armed(&disturbances->timer) ||
            disturbances->is_due || disturbances->world->n_left > disturbances->next_at)
                return;
        disturbances->n_left--;
        set_timer(disturbances, &disturbances->timer, choose_delay(disturbances));
}

void disturbances_end(Disturbances *disturbances) {
        event_timer_clear(&disturbances->timer);
        event_timer_clear(&disturbances->heal_timer);
        event_timer_clear(&disturbances->return_timer);
        event_timer_clear(&disturbances->foreign_timer);
        worker_kill_at_store(disturbances->world->worker, 0, HARDWARE_CACHE_WRITTEN);
        disturbances->is_due = false;
        disturbances->n_left = 0;
        return_device(disturbances);
        hardware_heal(disturbances->hardware);
}

static void init_timer(Disturbances *disturbances, EventTimer *timer, EventTimerHandler handler) {
        int r = event_timer_init(timer, disturbances->world->loop, handler);

        assert(r == 0);
}

void disturbances_init(Disturbances *disturbances, ClientWorld *world, Hardware *hardware,
                       Client **clients) {
        *disturbances = (Disturbances){
                .world = world,
                .hardware = hardware,
                .clients = clients,
                .n_left = world->plan->n_disturbances,
        };
        random_init(&disturbances->random, world->plan->seed ^ UINT64_C(0x64697374));
        init_timer(disturbances, &disturbances->timer, on_timer);
        init_timer(disturbances, &disturbances->return_timer, on_return_timer);
        init_timer(disturbances, &disturbances->heal_timer, on_heal_timer);
        init_timer(disturbances, &disturbances->foreign_timer, on_foreign_timer);
        choose_next(disturbances);
}

void disturbances_done(Disturbances *disturbances) {
        event_timer_done(&disturbances->timer);
        event_timer_done(&disturbances->return_timer);
        event_timer_done(&disturbances->heal_timer);
        event_timer_done(&disturbances->foreign_timer);
}
