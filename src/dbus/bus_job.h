#pragma once

/*
 * BusJob
 *
 * Something that takes long, as an object of its own: jobs/<number>, with the interface Job, until
 * it has completed.
 */

#include "dbus/bus_service_internal.h"

typedef struct BusJobFacts {
        char operation[16];
        char object_path[BUS_PATH_SIZE_MAX];
        double progress; /* 0 to 1 */
        uint64_t size;   /* bytes to be done in all */
        uint64_t rate;   /* bytes a second */
        uint64_t start_us;
        uint64_t end_us; /* as it is expected; 0: not known */
        uint32_t uid;    /* who has started it */
} BusJobFacts;

struct BusJob {
        BusJobFacts facts;
        BusService *service; /* borrowed */
        BusRequest *request; /* borrowed */
        char path[BUS_PATH_SIZE_MAX];
        uint64_t start_ns;
        bool is_dirty;
        ListNode node; /* BusService::jobs */
};

/* Of `request`, which ends it. Negative with `ret_error` set. */
int bus_job_new(BusJob **ret, BusRequest *request, const char *operation, const char *object_path,
                uid_t uid, sd_bus_error *ret_error);
/* It has not begun: nobody is told of it. Takes NULL. */
BusJob *bus_job_free(BusJob *job);
/* The device has taken it on. */
void bus_job_announce(BusJob *job);
void bus_job_progress(BusJob *job, uint64_t n_done, uint64_t n_total);
/* Tells everyone, and frees it. */
void bus_job_complete(BusJob *job, int error, const char *words);
void bus_job_update_all(BusService *service, sd_bus *bus);
int bus_job_attach(BusService *service, sd_bus *bus);

/* What is told of `n_done` of `n_total` bytes after `elapsed_ns`. */
void bus_job_estimate(BusJobFacts *facts, uint64_t n_done, uint64_t n_total, uint64_t elapsed_ns);
