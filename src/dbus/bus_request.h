#pragma once

/*
 * BusRequest
 *
 * A method's call that a worker has to answer: the reply is sent when its answer comes. Who leaves
 * the bus meanwhile has nothing done for him any more, as far as that can be helped.
 */

#include "dbus/bus_caller.h"
#include "dbus/bus_service_internal.h"
#include "device/device_request.h"

/* Of all callers together. */
#define BUS_REQUESTS_MAX 256

/* Sends the reply to `request->message`; what it returns may be negative: then an error is sent. */
typedef int (*BusRequestReply)(BusRequest *request, const ControlReply *reply, const uint8_t *data);

struct BusRequest {
        DeviceRequest request;   /* `request` and `data` are its owner's to fill in */
        BusService *service;     /* borrowed; NULL: it has ended */
        sd_bus_message *message; /* owned; NULL: nobody waits for a reply */
        BusCaller *caller;       /* owned; NULL: goes on without its caller */
        BusRequestReply reply;   /* NULL: an empty one */
        bool replies_to_failure; /* `reply` is called also where the device could not be asked */
        char *text;              /* owned: what `reply` begins with; NULL: nothing */
        BusJob *job;             /* borrowed; NULL: there is none */
        ListNode node;           /* BusService::requests */
};

/* A reply to `message` is owed from now on, unless it is abandoned. Negative with `ret_error` set. */
int bus_request_new(BusRequest **ret, BusService *service, sd_bus_message *message,
                    sd_bus_error *ret_error);
/* It was never sent. Takes NULL. */
BusRequest *bus_request_abandon(BusRequest *request);
DEFINE_CLEANUP(BusRequest *, bus_request_abandon);
/* Asks the device. 1, as a handler returns it; negative with `ret_error` set: it could not be asked,
 * and `request` is gone. It always is the caller's no more. */
int bus_request_send(BusRequest *request, uint64_t device_id, sd_bus_error *ret_error);
/* The same, where the manager was asked already, with result `r`. */
int bus_request_sent(BusRequest *request, int r, sd_bus_error *ret_error);
/*
 * All of it: checks whether the caller may do `action` to the device, and asks it for `body`; the
 * reply is empty. As a handler returns.
 */
int bus_request_ask(BusDevice *device, sd_bus_message *message, const char *action,
                    const ControlRequest *body, sd_bus_error *ret_error);
/* The reply is sent already: what is done has a job. */
void bus_request_set_answered(BusRequest *request);
/* The bus is gone, and with it who waits for a reply. */
void bus_request_drop_callers(BusService *service);
/* The service ends: requests that are under way end without it. */
void bus_request_detach_all(BusService *service);
