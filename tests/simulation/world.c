/* See world.h. */

#include <string.h>

#include "base/virtual_event_loop.h"
#include "disturbance.h"
#include "world.h"

/* Virtual time that no run needs. */
#define RUN_NS_MAX (24 * 3600 * NS_PER_S)
/* How often a FLUSH may fail after all was made good: what could not be written is tried again. */
#define FLUSHES_MAX 5
#define PIECE_SIZE ((size_t) (64 * KIB))

typedef struct World {
        const Plan *plan;
        EventLoop *loop;
        Journal journal;
        Hardware hardware;
        Worker worker;
        ClientWorld clients_world;
        Client *clients[PLAN_LUNS_MAX * PLAN_CONNECTIONS_MAX];
        Disturbances disturbances;
} World;

static void on_returned(void *userdata) {
        World *world = userdata;

        world->clients_world.returned_ns = event_loop_now_ns(world->loop);
}

static void on_killed(void *userdata) {
        World *world = userdata;

        for (unsigned i = 0; i < world->plan->n_clients; i++)
                client_cut(world->clients[i]);
        client_world_end_ghosts(&world->clients_world);
}

static const WorkerEvents worker_events = {
        .returned = on_returned,
        .killed = on_killed,
};

static void world_init(World *world, const Plan *plan, bool is_verbose) {
        int r;

        *world = (World){ .plan = plan };
        r = virtual_event_loop_new(&world->loop);
        assert(r == 0);
        journal_init(&world->journal, world->loop, plan->seed, is_verbose);
        hardware_init(&world->hardware, world->loop, &world->journal, plan);
        worker_init(&world->worker, world->loop, &world->journal, plan, &world->hardware,
                    &worker_events, world);
        client_world_init(&world->clients_world, world->loop, &world->journal, plan,
                          &world->worker);
        for (unsigned i = 0; i < plan->n_clients; i++)
                world->clients[i] = client_new(&world->clients_world, &plan->clients[i], i);
        disturbances_init(&world->disturbances, &world->clients_world, &world->hardware,
                          world->clients);
}

static void world_done(World *world) {
        disturbances_done(&world->disturbances);
        for (unsigned i = 0; i < world->plan->n_clients; i++)
                client_free(world->clients[i]);
        client_world_done(&world->clients_world);
        worker_done(&world->worker);
        hardware_done(&world->hardware);
        event_loop_free(world->loop);
}

static void turn(World *world, const char *purpose) {
        int r;

        worker_manage(&world->worker);
        disturbances_manage(&world->disturbances);
        r = event_loop_run_once(world->loop, /* may_wait= */ true);
        if (r <= 0)
                journal_fail(&world->journal, "nothing is left to happen: %s", purpose);
        if (event_loop_now_ns(world->loop) > RUN_NS_MAX)
                journal_fail(&world->journal, "never comes to an end: %s", purpose);
}

static bool are_clients_done(const World *world) {
        if (world->clients_world.n_left > 0)
                return false;
        for (unsigned i = 0; i < world->plan->n_clients; i++)
                if (!client_is_idle(world->clients[i]))
                        return false;
        return true;
}

static bool are_exports_open(const World *world) {
        for (unsigned i = 0; i < world->plan->n_luns; i++)
                if (!worker_has_clients(&world->worker, i))
                        return false;
        return world->worker.is_brought_up && !world->worker.is_parked;
}

/* All is well again, and nothing is under way. */
static void come_to_rest(World *world) {
        disturbances_end(&world->disturbances);
        while (client_world_has_ghosts(&world->clients_world))
                turn(world, "waiting for what vanished clients left");
        for (unsigned i = 0; i < world->plan->n_clients; i++)
                client_disconnect(world->clients[i]);
        worker_manage(&world->worker);
        while (!are_exports_open(world))
                turn(world, "waiting for exports to open again");
        disturbances_end(&world->disturbances);
        if (world->worker.n_remains > 0)
                journal_fail(&world->journal, "remains %u were never taken in, of LUNs %x",
                             world->worker.remains[0].id, world->worker.remains[0].luns);
}

static Client *find_client(World *world, unsigned lun) {
        for (unsigned i = 0; i < world->plan->n_clients; i++)
                if (client_get_lun(world->clients[i]) == lun)
                        return world->clients[i];
        assert_not_reached();
}

/* A worker that refuses clients is busy with something that needs time. */
static void connect_at_rest(World *world, Client *client) {
        for (;;) {
                while (!are_exports_open(world))
                        turn(world, "waiting for exports to open again");
                if (client_connect(client))
                        return;
                virtual_event_loop_run_until(world->loop,
                                             event_loop_now_ns(world->loop) + NS_PER_MS);
                turn(world, "waiting for a worker that takes clients");
        }
}

static void flush(World *world, unsigned lun) {
        Client *client = find_client(world, lun);
        int error = -1;

        for (unsigned i = 0; i < FLUSHES_MAX && error != 0; i++) {
                connect_at_rest(world, client);
                client_flush(client);
                while (!client_is_idle(client))
                        turn(world, "waiting for the last FLUSH");
                error = client_get_last_error(client);
        }
        if (error != 0)
                journal_fail(&world->journal, "LUN %u: the last FLUSH fails with %d", lun, error);
        client_disconnect(client);
}

static void compare(World *world, unsigned lun, const char *when) {
        Model *model = world->clients_world.models[lun];
        uint8_t bytes[PIECE_SIZE];
        uint64_t at;
        char text[512];

        for (uint64_t offset = 0; offset < world->plan->size; offset += PIECE_SIZE) {
                size_t size = MIN((size_t) (world->plan->size - offset), PIECE_SIZE);

                hardware_read(&world->hardware, lun, offset, bytes, size);
                if (model_compare(model, offset, bytes, size, &at))
                        continue;
                model_describe(model, at, text, sizeof(text));
                journal_fail(&world->journal, "%s LUN %u has wrong bytes at %ju: block %ju is%s",
                             when, lun, (uintmax_t) at, (uintmax_t) (at / MODEL_BLOCK_SIZE), text);
        }
}

static void stop(World *world) {
        worker_stop(&world->worker);
        while (!world->worker.has_ended)
                turn(world, "waiting for the worker to stop");
        if (world->worker.result != 0)
                journal_fail(&world->journal, "the worker stopped with %d", world->worker.result);
        world->hardware.is_plugged = false;
        worker_manage(&world->worker);
}

static void end(World *world) {
        come_to_rest(world);
        for (unsigned lun = 0; lun < world->plan->n_luns; lun++)
                flush(world, lun);
        for (unsigned lun = 0; lun < world->plan->n_luns; lun++)
                compare(world, lun, "after the last FLUSH");
        stop(world);
        for (unsigned lun = 0; lun < world->plan->n_luns; lun++)
                compare(world, lun, "at the end");
        if (!hardware_is_foreign_untouched(&world->hardware))
                journal_fail(&world->journal, "the foreign disk was written to");
}

void world_run(const Plan *plan, bool is_verbose, WorldResult *ret) {
        World world;

        world_init(&world, plan, is_verbose);
        while (!are_clients_done(&world))
                turn(&world, "waiting for clients");
        end(&world);
        *ret = (WorldResult){
                .digest = world.journal.digest,
                .n_entries = world.journal.n_entries,
                .n_answered = world.clients_world.n_answered,
                .n_failed = world.clients_world.n_failed,
                .duration_ns = event_loop_now_ns(world.loop),
        };
        world_done(&world);
}
