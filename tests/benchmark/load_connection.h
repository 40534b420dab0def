#pragma once

/*
 * LoadConnection
 *
 * One NBD connection of the load generator. Keeps `depth` requests in flight, sends what is due in
 * one call and reads replies by the buffer-full, so that it costs less than the servers it
 * measures.
 */

#include "base/histogram.h"
#include "base/random.h"

#define LOAD_DEPTH_MAX 1024

typedef struct LoadConnection LoadConnection;

typedef struct LoadPlan {
        const char *socket_path;
        const char *export_name;
        unsigned depth; /* 1 … LOAD_DEPTH_MAX */
        uint32_t size;  /* of a request */
        uint64_t span;  /* the part of the export that is used; 0: all of it */
        bool is_write;
        bool is_random;
} LoadPlan;

/* Connects and negotiates, blocking. Says on stderr what went wrong. `plan` is borrowed. */
int load_connection_new(LoadConnection **ret, const LoadPlan *plan, uint64_t seed);
LoadConnection *load_connection_free(LoadConnection *connection);
int load_connection_get_fd(const LoadConnection *connection);

/* Queues as many requests as the depth allows, as of now. */
void load_connection_fill(LoadConnection *connection, uint64_t now_ns);
/* Sends what is queued as far as the socket takes it; true when something is left. -errno. */
int load_connection_send(LoadConnection *connection);
/* Takes the replies that are there; counts and times them. -errno, or -EPROTO. */
int load_connection_receive(LoadConnection *connection, uint64_t now_ns, Histogram *latency);
unsigned load_connection_get_n_in_flight(const LoadConnection *connection);
