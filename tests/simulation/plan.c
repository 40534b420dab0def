/* The generator: see plan.h. */

#include <stdio.h>

#include "base/macros.h"
#include "plan.h"

/* Of a WRITE before all others. */
#define FILL_NUMBER 1

static uint64_t below(Random *random, uint64_t limit) { return random_below(random, limit); }
static bool one_in(Random *random, uint64_t n) { return random_one_in(random, n); }

#define CHOOSE(random, ...)                                         \
        ({                                                          \
                static const uint64_t _choices[] = { __VA_ARGS__ }; \
                _choices[below(random, N_ELEMENTS(_choices))];      \
        })

static void choose_device(Plan *plan, Random *random) {
        plan->n_luns = (unsigned) CHOOSE(random, 1, 1, 1, 2, 3);
        plan->size = CHOOSE(random, 1, 1, 1, 2, 3, 8) * MIB;
        plan->block_size = (uint32_t) CHOOSE(random, 512, 512, 512, 4096, 2048);
        /* An odd number of blocks: the last line is not whole. */
        if (one_in(random, 3))
                plan->size += plan->block_size * (1 + below(random, 30));
        plan->speed = (UsbSpeed) CHOOSE(random, USB_SPEED_SUPER, USB_SPEED_SUPER, USB_SPEED_HIGH,
                                        USB_SPEED_HIGH, USB_SPEED_FULL);
        plan->latency_us = CHOOSE(random, 0, 0, 20, 100, 1000);
        plan->is_removable = one_in(random, 3);
        plan->is_read_only = one_in(random, 40);
        plan->has_volatile_cache = !one_in(random, 4);
        plan->loses_cache_on_reset = !one_in(random, 4);
        plan->has_unmap = !one_in(random, 3);
        plan->bears_pipelining = !one_in(random, 4);
        plan->device_cache_size = CHOOSE(random, 64, 256, 1024, 8192) * KIB;
        /* That takes longer than all the rest on a large one. */
        plan->fill_number = plan->size < 2 * MIB && one_in(random, 2) ? FILL_NUMBER : 0;
}

static void choose_cache(Plan *plan, Random *random) {
        plan->has_cache = !one_in(random, 6);
        plan->cache = (CacheOptions){
                .mode = (CacheMode) CHOOSE(random, CACHE_MODE_WRITE_BACK, CACHE_MODE_WRITE_BACK,
                                           CACHE_MODE_WRITE_BACK, CACHE_MODE_WRITE_THROUGH,
                                           CACHE_MODE_OFF),
                .policy = (CachePolicyKind) below(random, _CACHE_POLICY_KIND_MAX),
                .has_read_ahead = !one_in(random, 3),
                .verifies_hits = one_in(random, 2),
                .line_size = (uint32_t) CHOOSE(random, 4, 8, 16, 32, 64) * (uint32_t) KIB,
                .dirty_age_ns = CHOOSE(random, 0, 50, 1000) * NS_PER_MS,
        };
        plan->arena_size = CHOOSE(random, 20, 32, 48, 100) * plan->cache.line_size + 512 * KIB;
        plan->park_timeout_ms = (uint32_t) CHOOSE(random, 60000, 60000, 20000, 5000, 0);
}

/* So short that it sleeps between two requests of the same client. */
static void choose_power(Plan *plan, Random *random) {
        plan->power = (PowerOptions){
                .standby_timeout_ms = (uint32_t) CHOOSE(random, 0, 0, 1, 5, 50, 1000),
                .suspend_timeout_ms = (uint32_t) CHOOSE(random, 0, 0, 1, 5, 50, 1000),
                .is_enabled = !one_in(random, 3),
        };
        plan->spin_up_ms = CHOOSE(random, 0, 0, 20, 2000);
        plan->stop_after_ms = CHOOSE(random, 0, 0, 0, 3000, 10000);
        /* Units that stop while the others are started would have nothing but that done. */
        if (plan->stop_after_ms > 0 && plan->n_luns > 1)
                plan->stop_after_ms = MAX(plan->stop_after_ms, 2 * plan->n_luns * plan->spin_up_ms);
        plan->starts_by_itself = one_in(random, 2);
}

typedef struct PlanDrive {
        SimulatorDriveKind kind;
        SimulatorBridge bridge;
        SmartBridgeKind bridge_kind;
} PlanDrive;

/* Bridges that keep state as well: they have the processor for themselves. */
static void choose_drive(Plan *plan, Random *random) {
        static const PlanDrive drives[] = {
                { SIMULATOR_DRIVE_ATA, SIMULATOR_BRIDGE_SAT, SMART_BRIDGE_KIND_SAT_16 },
                { SIMULATOR_DRIVE_ATA, SIMULATOR_BRIDGE_SUNPLUS, SMART_BRIDGE_KIND_SUNPLUS },
                { SIMULATOR_DRIVE_NVME, SIMULATOR_BRIDGE_NVME_JMICRON,
                  SMART_BRIDGE_KIND_NVME_JMICRON },
                { SIMULATOR_DRIVE_SCSI, SIMULATOR_BRIDGE_NONE, SMART_BRIDGE_KIND_NONE },
        };
        const PlanDrive *drive = &drives[below(random, N_ELEMENTS(drives))];

        plan->smart_period_ms = (uint32_t) CHOOSE(random, 0, 0, 20, 300, 3000);
        plan->drive = drive->kind;
        plan->bridge = drive->bridge;
        plan->bridge_kind = drive->bridge_kind;
}

static PlanMix choose_mix(const Plan *plan, Random *random) {
        static const PlanMix mixes[] = {
                { .n_read = 10,
                  .n_write = 10,
                  .n_fua = 1,
                  .n_flush = 1,
                  .n_trim = 1,
                  .n_zero = 1,
                  .n_cache = 1,
                  .n_status = 1 },
                { .n_read = 2, .n_write = 10, .n_fua = 0, .n_flush = 1 },
                { .n_read = 10, .n_write = 2, .n_cache = 1 },
                { .n_read = 5,
                  .n_write = 10,
                  .n_fua = 5,
                  .n_flush = 4,
                  .n_trim = 2,
                  .n_zero = 3,
                  .n_status = 1 },
                { .n_read = 5,
                  .n_write = 5,
                  .n_trim = 3,
                  .n_zero = 5,
                  .n_fua = 2,
                  .n_cache = 3,
                  .n_status = 3 },
        };
        PlanMix mix = mixes[below(random, N_ELEMENTS(mixes))];

        if (plan->is_read_only)
                mix.n_write = mix.n_trim = mix.n_zero = 0;
        return mix;
}

static void choose_client(Plan *plan, Random *random, PlanClient *client, unsigned lun) {
        *client = (PlanClient){
                .lun = lun,
                .depth = (unsigned) CHOOSE(random, 1, 1, 2, 4, 8, PLAN_DEPTH_MAX),
                .is_structured = one_in(random, 2),
                .is_sequential = one_in(random, 4),
                .is_unaligned = one_in(random, 3),
                .size_max = (uint32_t) CHOOSE(random, 512, 4, 4, 16, 64, 200),
                .spot_size = CHOOSE(random, 4, 4, 16, 64, 256) * KIB,
                .pause_ns_max = CHOOSE(random, 0, 0, 10, 1000, 100000) * NS_PER_US,
                .mix = choose_mix(plan, random),
        };
        if (client->size_max < 512)
                client->size_max *= (uint32_t) KIB;
        client->size_max = MAX(client->size_max, plan->block_size);
        client->spot = below(random, plan->size - client->spot_size);
}

static void choose_clients(Plan *plan, Random *random) {
        for (unsigned lun = 0; lun < plan->n_luns; lun++) {
                unsigned n = 1 + (unsigned) below(random, PLAN_CONNECTIONS_MAX);

                for (unsigned i = 0; i < n; i++)
                        choose_client(plan, random, &plan->clients[plan->n_clients++], lun);
        }
        plan->n_requests = 50 + (unsigned) below(random, 350);
}

void plan_make(Plan *plan, uint64_t seed) {
        Random random;

        random_init(&random, seed);
        *plan = (Plan){
                .seed = seed,
                .weather = (PlanWeather) CHOOSE(&random, PLAN_WEATHER_CALM, PLAN_WEATHER_ROUGH,
                                                PLAN_WEATHER_ROUGH, PLAN_WEATHER_ROUGH,
                                                PLAN_WEATHER_STORM, PLAN_WEATHER_STORM,
                                                PLAN_WEATHER_STORM),
        };
        choose_device(plan, &random);
        choose_cache(plan, &random);
        choose_clients(plan, &random);
        if (plan->weather != PLAN_WEATHER_CALM)
                plan->n_disturbances = 1 + (unsigned) below(&random, 8);
        plan->has_foreign_disk = plan->weather == PLAN_WEATHER_STORM && plan->has_cache &&
                                 one_in(&random, 2);
        plan->has_bad_manager = plan->weather == PLAN_WEATHER_STORM && one_in(&random, 2);
        plan->transport = (SimulatorTransport) CHOOSE(
                        &random, SIMULATOR_TRANSPORT_BOT, SIMULATOR_TRANSPORT_BOT,
                        SIMULATOR_TRANSPORT_UAS, SIMULATOR_TRANSPORT_UAS_ONLY);
        plan->disorder_us = CHOOSE(&random, 0, 0, 300, 3000);
        choose_power(plan, &random);
        choose_drive(plan, &random);
}

const char *plan_weather_to_string(PlanWeather weather) {
        static const char *const names[_PLAN_WEATHER_MAX] = {
                [PLAN_WEATHER_CALM] = "calm",
                [PLAN_WEATHER_ROUGH] = "rough",
                [PLAN_WEATHER_STORM] = "storm",
        };

        return names[weather];
}

static const char *get_transport_name(SimulatorTransport transport) {
        switch (transport) {
        case SIMULATOR_TRANSPORT_BOT:
                return "bot";
        case SIMULATOR_TRANSPORT_UAS:
                return "uas";
        case SIMULATOR_TRANSPORT_UAS_ONLY:
                return "uas-only";
        case SIMULATOR_TRANSPORT_CBI:
        case SIMULATOR_TRANSPORT_CB:
                break; /* no plan has them */
        }
        assert_not_reached();
}

static const char *yes_no(bool is) { return is ? "yes" : "no"; }

static void print_client(const PlanClient *client, unsigned index) {
        printf("client %u: lun=%u depth=%u structured=%s sequential=%s unaligned=%s size<=%u "
               "spot=%ju+%ju pause<=%ju us; read %u write %u fua %u/10 flush %u trim %u zero %u "
               "cache %u status %u\n",
               index, client->lun, client->depth, yes_no(client->is_structured),
               yes_no(client->is_sequential), yes_no(client->is_unaligned), client->size_max,
               (uintmax_t) client->spot, (uintmax_t) client->spot_size,
               (uintmax_t) (client->pause_ns_max / NS_PER_US), client->mix.n_read,
               client->mix.n_write, client->mix.n_fua, client->mix.n_flush, client->mix.n_trim,
               client->mix.n_zero, client->mix.n_cache, client->mix.n_status);
}

void plan_print(const Plan *plan) {
        printf("seed %ju: %s, %u requests, %u disturbances\n", (uintmax_t) plan->seed,
               plan_weather_to_string(plan->weather), plan->n_requests, plan->n_disturbances);
        printf("device: luns=%u size=%ju block-size=%u speed=%s latency=%ju us removable=%s "
               "read-only=%s write-cache=%s (%ju KiB) reset-loses-cache=%s unmap=%s pipelining=%s "
               "filled=%s foreign-disk=%s bad-manager=%s transport=%s disorder=%ju us\n",
               plan->n_luns, (uintmax_t) plan->size, plan->block_size,
               usb_speed_to_string(plan->speed), (uintmax_t) plan->latency_us,
               yes_no(plan->is_removable), yes_no(plan->is_read_only),
               yes_no(plan->has_volatile_cache), (uintmax_t) (plan->device_cache_size / KIB),
               yes_no(plan->loses_cache_on_reset), yes_no(plan->has_unmap),
               yes_no(plan->bears_pipelining), yes_no(plan->fill_number != 0),
               yes_no(plan->has_foreign_disk), yes_no(plan->has_bad_manager),
               get_transport_name(plan->transport), (uintmax_t) plan->disorder_us);
        printf("power: enabled=%s standby=%u ms suspend=%u ms spin-up=%ju ms stop-after=%ju ms "
               "starts-by-itself=%s\n",
               yes_no(plan->power.is_enabled), plan->power.standby_timeout_ms,
               plan->power.suspend_timeout_ms, (uintmax_t) plan->spin_up_ms,
               (uintmax_t) plan->stop_after_ms, yes_no(plan->starts_by_itself));
        printf("health: asked for every %u ms by %s\n", plan->smart_period_ms,
               smart_bridge_kind_to_string(plan->bridge_kind));
        if (plan->has_cache)
                printf("cache: %s %s line=%u arena=%ju read-ahead=%s verifies=%s age=%ju ms "
                       "park=%u ms\n",
                       cache_mode_to_string(plan->cache.mode),
                       cache_policy_kind_to_string(plan->cache.policy), plan->cache.line_size,
                       (uintmax_t) plan->arena_size, yes_no(plan->cache.has_read_ahead),
                       yes_no(plan->cache.verifies_hits),
                       (uintmax_t) (plan->cache.dirty_age_ns / NS_PER_MS), plan->park_timeout_ms);
        else
                printf("cache: none\n");
        for (unsigned i = 0; i < plan->n_clients; i++)
                print_client(&plan->clients[i], i);
}
