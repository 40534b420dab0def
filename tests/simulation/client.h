#pragma once

/*
 * Client
 *
 * One connection after the other to one LUN, and the requests on it. It checks that each is
 * answered once and in time, with what the model allows.
 */

#include "model.h"
#include "worker.h"

typedef struct Client Client;

/* What all clients of a run have in common. */
typedef struct ClientWorld {
        EventLoop *loop;              /* borrowed */
        Journal *journal;             /* borrowed */
        const Plan *plan;             /* borrowed */
        Worker *worker;               /* borrowed */
        Model *models[PLAN_LUNS_MAX]; /* owned */
        uint64_t last_number;         /* of a WRITE */
        unsigned n_left;              /* requests that are still to be sent */
        unsigned n_answered;
        unsigned n_failed;
        bool may_fail;        /* something happened after which requests may fail */
        bool was_reset;       /* the device may have been, by itself or to recover it */
        uint64_t returned_ns; /* when the device last came back */
        ListNode ghosts;      /* requests of clients that have vanished, maybe still under way */
        EventTimer ghost_timer;
} ClientWorld;

void client_world_init(ClientWorld *world, EventLoop *loop, Journal *journal, const Plan *plan,
                       Worker *worker);
void client_world_done(ClientWorld *world);
/* Nothing is under way any more, wherever it is. */
void client_world_end_ghosts(ClientWorld *world);
bool client_world_has_ghosts(const ClientWorld *world);

Client *client_new(ClientWorld *world, const PlanClient *plan, unsigned index);
/* Takes NULL, returns NULL. */
Client *client_free(Client *client);

/* The export is open: connects unless it is. */
bool client_connect(Client *client);
/* The other end has died: what it had answered until now is still read, the rest never. */
void client_cut(Client *client);
/* Goes away in the middle of whatever it does. */
void client_vanish(Client *client);
/* Reads nothing for so long. */
void client_fall_silent(Client *client, uint64_t duration_ns);
bool client_is_idle(const Client *client);
/* A FLUSH of its own, for the end of a run; then client_is_idle() again. */
void client_flush(Client *client);
int client_get_last_error(const Client *client);
/* Goes away without a sound; nothing is in flight. */
void client_disconnect(Client *client);
unsigned client_get_lun(const Client *client);
