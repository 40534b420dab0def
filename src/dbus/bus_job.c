/* Jobs: numbered from 1 on, and listed until they have completed. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dbus/bus_error.h"
#include "dbus/bus_job.h"
#include "dbus/bus_options.h"
#include "dbus/bus_properties.h"
#include "dbus/bus_request.h"

#define JOB_INTERFACE BUS_SERVICE_NAME ".Job"
#define FIELD(name) offsetof(BusJobFacts, name)

static int on_cancel(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);

static const sd_bus_vtable job_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Operation", "s", bus_properties_get_text, FIELD(operation),
                        SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Object", "o", bus_properties_get_path, FIELD(object_path),
                        SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Progress", "d", NULL, FIELD(progress),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Bytes", "t", NULL, FIELD(size), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Rate", "t", NULL, FIELD(rate), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StartTime", "t", NULL, FIELD(start_us), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ExpectedEndTime", "t", NULL, FIELD(end_us),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StartedByUID", "u", NULL, FIELD(uid), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                                on_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Completed", SD_BUS_ARGS("b", success, "s", message), 0),
        SD_BUS_VTABLE_END,
};

/* Only to be shown: what we wait for goes by the loop's clock. */
static uint64_t read_time_us(void) {
        struct timespec now;
        int r;

        r = clock_gettime(CLOCK_REALTIME, &now);
        assert(r == 0);
        return (uint64_t) now.tv_sec * (NS_PER_S / NS_PER_US) + (uint64_t) now.tv_nsec / NS_PER_US;
}

void bus_job_estimate(BusJobFacts *facts, uint64_t n_done, uint64_t n_total, uint64_t elapsed_ns) {
        double seconds = (double) elapsed_ns / (double) NS_PER_S;

        facts->size = n_total;
        facts->progress = n_total > 0 ? (double) n_done / (double) n_total : 0;
        facts->rate = elapsed_ns > 0 ? (uint64_t) ((double) n_done / seconds) : 0;
        facts->end_us = 0;
        if (facts->rate > 0)
                facts->end_us = facts->start_us +
                                (uint64_t) ((double) n_total / (double) facts->rate *
                                            (double) (NS_PER_S / NS_PER_US));
}

int bus_job_new(BusJob **ret, BusRequest *request, const char *operation, const char *object_path,
                uid_t uid, sd_bus_error *ret_error) {
        BusService *service = request->service;
        BusJob *job;

        job = calloc(1, sizeof(*job));
        if (!job)
                return bus_error_set(ret_error, -ENOMEM, "No memory");
        job->service = service;
        job->request = request;
        job->start_ns = event_loop_now_ns(service->loop);
        job->facts.uid = uid;
        job->facts.start_us = read_time_us();
        BUS_PROPERTIES_SET_TEXT(job->facts.operation, operation);
        BUS_PROPERTIES_SET_TEXT(job->facts.object_path, object_path);
        snprintf(job->path, sizeof(job->path), "%s/%llu", BUS_SERVICE_JOBS_PATH,
                 (unsigned long long) ++service->n_jobs);
        list_init(&job->node);
        list_append(&service->jobs, &job->node);
        request->job = job;
        *ret = job;
        return 0;
}

BusJob *bus_job_free(BusJob *job) {
        if (!job)
                return NULL;

        list_unlink(&job->node);
        free(job);
        return NULL;
}

void bus_job_announce(BusJob *job) {
        sd_bus *bus = bus_service_get_bus(job->service);

        if (bus)
                (void) sd_bus_emit_object_added(bus, job->path);
}

void bus_job_progress(BusJob *job, uint64_t n_done, uint64_t n_total) {
        BusService *service = job->service;
        uint64_t now_ns = event_loop_now_ns(service->loop);
        BusJobFacts former = job->facts;

        bus_job_estimate(&job->facts, n_done, n_total, now_ns - job->start_ns);
        job->is_dirty |= former.progress != job->facts.progress || former.size != job->facts.size;
        if (!event_timer_is_armed(&service->progress_timer))
                event_timer_set(&service->progress_timer,
                                now_ns + BUS_SERVICE_PROGRESS_INTERVAL_NS);
}

void bus_job_complete(BusJob *job, int error, const char *words) {
        sd_bus *bus = bus_service_get_bus(job->service);

        if (bus) {
                (void) sd_bus_emit_signal(bus, job->path, JOB_INTERFACE, "Completed", "bs",
                                          error == 0, error == 0 ? "" : words);
                (void) sd_bus_emit_object_removed(bus, job->path);
        }
        bus_job_free(job);
}

void bus_job_update_all(BusService *service, sd_bus *bus) {
        LIST_FOR_EACH (node, &service->jobs) {
                BusJob *job = list_entry(node, BusJob, node);

                if (job->is_dirty && bus)
                        (void) sd_bus_emit_properties_changed(bus, job->path, JOB_INTERFACE,
                                                              "Progress", "Bytes", "Rate",
                                                              "ExpectedEndTime", NULL);
                job->is_dirty = false;
        }
}

static int on_cancel(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        BusJob *job = container_of(userdata, BusJob, facts);
        BusService *service = job->service;
        const PolkitQuestion question = {
                .action = BUS_ACTION("cancel"),
                .has_owner = true,
                .owner = job->facts.uid,
        };
        int r;

        r = bus_options_read(message, NULL, 0, ret_error);
        if (r < 0)
                return r;
        r = polkit_check_test(service->polkit, message, &question, NULL, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        device_manager_cancel(service->manager, &job->request->request);
        return sd_bus_reply_method_return(message, NULL);
}

static int find_job(sd_bus *bus, const char *path, const char *interface, void *userdata,
                    void **ret_found, sd_bus_error *ret_error) {
        BusService *service = userdata;

        LIST_FOR_EACH (node, &service->jobs) {
                BusJob *job = list_entry(node, BusJob, node);

                if (strcmp(job->path, path) != 0)
                        continue;
                *ret_found = &job->facts;
                return 1;
        }
        return 0;
}

static int list_paths(sd_bus *bus, const char *prefix, void *userdata, char ***ret_paths,
                      sd_bus_error *ret_error) {
        BusService *service = userdata;
        size_t n_paths = 0;
        char **paths;

        paths = calloc(service->n_requests + 1, sizeof(*paths));
        if (!paths)
                return -ENOMEM;
        LIST_FOR_EACH (node, &service->jobs)
                paths[n_paths++] = strdup(list_entry(node, BusJob, node)->path);
        *ret_paths = paths;
        return 1;
}

int bus_job_attach(BusService *service, sd_bus *bus) {
        int r;

        r = sd_bus_add_node_enumerator(bus, bus_service_add_slot(service), BUS_SERVICE_JOBS_PATH,
                                       list_paths, service);
        if (r < 0)
                return r;
        return sd_bus_add_fallback_vtable(bus, bus_service_add_slot(service), BUS_SERVICE_JOBS_PATH,
                                          JOB_INTERFACE, job_vtable, find_job, service);
}
