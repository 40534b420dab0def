#pragma once

/*
 * BusConnection
 *
 * A connection to a message bus on the EventLoop, and a name on that bus. A bus that is not there,
 * or goes away, is tried again after growing pauses, for ever: the service works without one.
 */

#include <systemd/sd-bus.h>

#include "base/event_loop.h"

/* Between two attempts: the first pause, doubling up to the last. */
#define BUS_CONNECTION_PAUSE_MIN_NS (250 * NS_PER_MS)
#define BUS_CONNECTION_PAUSE_MAX_NS (30 * NS_PER_S)
/* Messages that are dealt with in one turn of the loop. */
#define BUS_CONNECTION_BATCH_MAX 32
/* Messages that wait for a slow bus before it counts as hung, and is left. */
#define BUS_CONNECTION_QUEUE_MAX 4096

typedef struct BusConnection BusConnection;

typedef struct BusConnectionHandlers {
        /* Objects are added to `bus` now, before it delivers anything. -errno: it is closed again. */
        int (*opened)(BusConnection *connection, sd_bus *bus, void *userdata);
        /* All slots of `bus` are dropped now, and nothing is sent any more. Also after `opened` failed. */
        void (*closed)(BusConnection *connection, void *userdata);
} BusConnectionHandlers;

/* `address` is "system", "session" or a D-Bus address. `handlers` is borrowed. Connects later. */
int bus_connection_new(BusConnection **ret, EventLoop *loop, const char *address, const char *name,
                       const BusConnectionHandlers *handlers, void *userdata);
/* Not from within its handlers, or those of its bus. Takes NULL. */
BusConnection *bus_connection_free(BusConnection *connection);
DEFINE_CLEANUP(BusConnection *, bus_connection_free);

/* Borrowed; NULL while there is none. */
sd_bus *bus_connection_get_bus(const BusConnection *connection);
/* Who has sent, called or enqueued something outside of a handler of the bus says so. */
void bus_connection_wake(BusConnection *connection);
/* Doubles the pause before the next attempt; 0 is none yet. */
uint64_t bus_connection_next_pause_ns(uint64_t pause_ns);
