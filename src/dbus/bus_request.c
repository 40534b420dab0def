/* The device's answer, or the caller's end: what comes first decides what becomes of a request. */

#include <errno.h>
#include <string.h>

#include "dbus/bus_caller.h"
#include "dbus/bus_device.h"
#include "dbus/bus_error.h"
#include "dbus/bus_job.h"
#include "dbus/bus_request.h"

static void request_free(BusRequest *request) {
        if (request->service)
                request->service->n_requests--;
        list_unlink(&request->node);
        bus_caller_free(request->caller);
        sd_bus_message_unref(request->message);
        free(request->text);
        free(request);
}

static const char *describe(const ControlReply *reply) {
        return reply->words[0] != '\0' ? reply->words : strerror(-reply->error);
}

/* A drive that sleeps was not to be woken. */
static const char *get_error_name(const BusRequest *request, int error) {
        if (error == -EAGAIN && request->request.request.kind == CONTROL_REQUEST_KIND_SMART_UPDATE)
                return BUS_ERROR_WOULD_WAKEUP;
        return bus_error_name(error);
}

static void send_reply(BusRequest *request, const ControlReply *reply, const uint8_t *data) {
        int r;

        if (reply->error < 0 && !request->replies_to_failure) {
                (void) sd_bus_reply_method_errorf(request->message,
                                                  get_error_name(request, reply->error), "%s",
                                                  describe(reply));
                return;
        }
        if (request->reply)
                r = request->reply(request, reply, data);
        else
                r = sd_bus_reply_method_return(request->message, NULL);
        if (r < 0)
                (void) sd_bus_reply_method_errorf(request->message, BUS_ERROR_FAILED, "%s",
                                                  strerror(-r));
}

static void on_done(DeviceRequest *device_request, const ControlReply *reply, const uint8_t *data) {
        BusRequest *request = container_of(device_request, BusRequest, request);

        if (request->message)
                send_reply(request, reply, data);
        if (request->job)
                bus_job_complete(request->job, reply->error, describe(reply));
        if (request->service)
                bus_connection_wake(request->service->connection);
        request_free(request);
}

static void on_progressed(DeviceRequest *device_request, uint64_t n_done, uint64_t n_total) {
        BusRequest *request = container_of(device_request, BusRequest, request);

        if (request->job)
                bus_job_progress(request->job, n_done, n_total);
}

static void on_caller_gone(BusCaller *caller, void *userdata) {
        BusRequest *request = userdata;

        request->caller = bus_caller_free(caller);
        request->message = sd_bus_message_unref(request->message);
        device_manager_cancel(request->service->manager, &request->request);
}

static int watch_caller(BusRequest *request) {
        static const BusCallerHandlers handlers = { .gone = on_caller_gone };

        return bus_caller_new(&request->caller, request->service->connection, request->message,
                              &handlers, request);
}

int bus_request_new(BusRequest **ret, BusService *service, sd_bus_message *message,
                    sd_bus_error *ret_error) {
        BusRequest *request;

        if (service->n_requests >= BUS_REQUESTS_MAX)
                return bus_error_set(ret_error, -EAGAIN, "Too many requests are under way");
        request = calloc(1, sizeof(*request));
        if (!request)
                return bus_error_set(ret_error, -ENOMEM, "No memory");
        request->request.done = on_done;
        request->request.progressed = on_progressed;
        request->service = service;
        request->message = sd_bus_message_ref(message);
        list_init(&request->node);
        list_append(&service->requests, &request->node);
        service->n_requests++;
        *ret = request;
        return 0;
}

BusRequest *bus_request_abandon(BusRequest *request) {
        if (!request)
                return NULL;

        if (request->job)
                bus_job_free(request->job);
        request_free(request);
        return NULL;
}

static int refuse(BusRequest *request, int error, sd_bus_error *ret_error) {
        bus_request_abandon(request);
        switch (error) {
        case -ENODEV:
                return bus_error_set(ret_error, error, "The device is away");
        case -EAGAIN:
                return bus_error_set(ret_error, -EBUSY, "The device is being started");
        case -EBUSY:
                return bus_error_set(ret_error, error, "The device has too many requests");
        case -ESHUTDOWN:
                return bus_error_set(ret_error, -EBUSY, "The device is about to go");
        default:
                return bus_error_set(ret_error, error, "%s", strerror(-error));
        }
}

int bus_request_sent(BusRequest *request, int r, sd_bus_error *ret_error) {
        if (r < 0)
                return refuse(request, r, ret_error);
        /* Where a job tells what becomes of it, the job is what can be cancelled. */
        if (request->message && !request->job && watch_caller(request) < 0)
                log_debug("A caller can't be watched, ignoring");
        return 1;
}

int bus_request_send(BusRequest *request, uint64_t device_id, sd_bus_error *ret_error) {
        return bus_request_sent(request,
                                device_manager_request(request->service->manager, device_id,
                                                       &request->request),
                                ret_error);
}

int bus_request_ask(BusDevice *device, sd_bus_message *message, const char *action,
                    const ControlRequest *body, sd_bus_error *ret_error) {
        BusRequest *request;
        int r;

        r = bus_service_check(device->service, message, action, device, NULL, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = bus_request_new(&request, device->service, message, ret_error);
        if (r < 0)
                return r;
        request->request.request = *body;
        return bus_request_send(request, device->id, ret_error);
}

void bus_request_set_answered(BusRequest *request) {
        request->caller = bus_caller_free(request->caller);
        request->message = sd_bus_message_unref(request->message);
}

void bus_request_drop_callers(BusService *service) {
        LIST_FOR_EACH (node, &service->requests)
                bus_request_set_answered(list_entry(node, BusRequest, node));
}

void bus_request_detach_all(BusService *service) {
        ListNode *node;

        while ((node = list_take_first(&service->requests))) {
                BusRequest *request = list_entry(node, BusRequest, node);

                bus_request_set_answered(request);
                request->service = NULL;
                request->job = NULL;
        }
}
