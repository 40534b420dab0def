#pragma once

/*
 * Plan
 *
 * What a seed decides before the run begins: the device, the cache, the clients, and how rough it
 * gets. What happens in the run is drawn from streams of random numbers that it seeds too.
 */

#include "base/random.h"
#include "cache/cache_manager.h"
#include "power/power_state.h"
#include "simulator/simulator_spec.h"
#include "smart/smart_bridge.h"
#include "usb/usb_device.h"

#define PLAN_LUNS_MAX 3
#define PLAN_CONNECTIONS_MAX 4
#define PLAN_DEPTH_MAX 16

/* What may happen, and so what clients may be told. */
typedef enum PlanWeather {
        PLAN_WEATHER_CALM,  /* nothing: no request fails */
        PLAN_WEATHER_ROUGH, /* what clients only wait for: still no request fails */
        PLAN_WEATHER_STORM, /* anything */
        _PLAN_WEATHER_MAX,
} PlanWeather;

/* How a client behaves: how often it asks for what, in parts of their sum. */
typedef struct PlanMix {
        unsigned n_read;
        unsigned n_write;
        unsigned n_fua; /* of ten changes */
        unsigned n_flush;
        unsigned n_trim;
        unsigned n_zero;
        unsigned n_cache;
        unsigned n_status;
} PlanMix;

typedef struct PlanClient {
        unsigned lun;
        unsigned depth;
        bool is_structured;
        bool is_sequential; /* mostly */
        bool is_unaligned;  /* often */
        uint32_t size_max;
        uint64_t spot; /* around which half of its requests are */
        uint64_t spot_size;
        uint64_t pause_ns_max; /* between an answer and the next request */
        PlanMix mix;
} PlanClient;

typedef struct Plan {
        uint64_t seed;
        PlanWeather weather;

        unsigned n_luns;
        uint64_t size;
        uint32_t block_size;
        UsbSpeed speed;
        uint64_t latency_us;
        bool is_removable;
        bool is_read_only;
        bool has_volatile_cache;
        bool loses_cache_on_reset;
        bool has_unmap;
        bool bears_pipelining;
        SimulatorTransport transport; /* but at full speed, where it is Bulk-Only */
        uint64_t disorder_us;         /* UAS */
        uint64_t device_cache_size;
        bool has_foreign_disk; /* which may be plugged in instead */
        bool has_bad_manager;  /* saving takes its time, and may fail */
        uint64_t fill_number;  /* of the WRITE that filled the media before; 0: zeroes */

        bool has_cache;
        CacheOptions cache;
        uint64_t arena_size;
        uint32_t park_timeout_ms;

        PowerOptions power;
        uint64_t spin_up_ms;
        uint64_t stop_after_ms; /* by itself */
        bool starts_by_itself;

        uint32_t smart_period_ms; /* the drive's health is asked for so often; 0: it is not */
        SimulatorDriveKind drive;
        SimulatorBridge bridge;      /* as the device has it, */
        SmartBridgeKind bridge_kind; /* and as the worker is told */

        unsigned n_clients;
        PlanClient clients[PLAN_LUNS_MAX * PLAN_CONNECTIONS_MAX];
        unsigned n_requests; /* of all clients */
        unsigned n_disturbances;
} Plan;

void plan_make(Plan *plan, uint64_t seed);
/* One line for each thing that it decides. */
void plan_print(const Plan *plan);
const char *plan_weather_to_string(PlanWeather weather);
