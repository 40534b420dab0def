/*
 * A client keeps some requests in flight, chosen at random, for as long as there are any left to be
 * sent. What comes back is compared with the model of its LUN.
 */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "client.h"
#include "client_wire.h"

/* What a session grants a request (nbd_session.h), and what may be on top: a session that had much
 * to do, a step of recovery that was under way at the deadline. */
#define DEADLINE_NS (30 * NS_PER_S)
#define SLACK_NS (5 * NS_PER_S)
/* A request that nobody waits for any more has ended after so long, wherever it was. */
#define GHOST_NS (200 * NS_PER_S)
#define SEND_BUFFER_SIZE ((int) (8 * MIB))
#define RETRY_NS (50 * NS_PER_MS)

typedef struct ClientRequest {
        ModelRequest model;
        NbdCommand command;
        unsigned flags;
        uint64_t cookie;
        uint64_t sent_ns;
        uint64_t answered_size; /* bytes of a READ that came */
        NbdError error;
        bool is_in_flight;
        bool is_excused; /* from deadlines: the client did not look */
} ClientRequest;

typedef struct Ghost {
        ModelRequest model;
        Model *of; /* borrowed */
        uint64_t end_ns;
        ListNode node; /* ClientWorld::ghosts */
} Ghost;

struct Client {
        ClientWorld *world;     /* borrowed */
        const PlanClient *plan; /* borrowed */
        unsigned index;
        Random random;
        Model *model; /* borrowed */
        ClientWire wire;
        EventFd watch;
        EventTimer timer; /* the next request, or connection */
        EventTimer silence_timer;
        bool is_silent;
        uint64_t generation; /* of the export that it is connected to */
        uint64_t last_cookie;
        uint64_t position; /* of a sequential one */
        unsigned n_in_flight;
        int last_error;
        uint8_t *payload; /* owned; of what is being sent */
        ClientRequest requests[PLAN_DEPTH_MAX];
};

static uint64_t now_ns(const ClientWorld *world) { return event_loop_now_ns(world->loop); }
static uint64_t below(Client *client, uint64_t limit) {
        return random_below(&client->random, limit);
}
static bool one_in(Client *client, uint64_t n) { return random_one_in(&client->random, n); }

static const char *command_to_string(NbdCommand command) {
        static const char *const names[] = {
                [NBD_CMD_READ] = "READ",
                [NBD_CMD_WRITE] = "WRITE",
                [NBD_CMD_DISC] = "DISC",
                [NBD_CMD_FLUSH] = "FLUSH",
                [NBD_CMD_TRIM] = "TRIM",
                [NBD_CMD_CACHE] = "CACHE",
                [NBD_CMD_WRITE_ZEROES] = "WRITE_ZEROES",
                [NBD_CMD_BLOCK_STATUS] = "BLOCK_STATUS",
        };

        return names[command];
}

/* The world */

/* Before anything is told to a model. */
static void look_at_hardware(ClientWorld *world) {
        if (!hardware_take_loss(world->worker->hardware) || world->plan->has_cache)
                return;
        journal_note(world->journal, "the device has lost what was in its cache");
        world->was_reset = true;
        for (unsigned i = 0; i < world->plan->n_luns; i++)
                model_lose_volatile(world->models[i]);
}

static void end_ghosts(ClientWorld *world, uint64_t until_ns) {
        LIST_FOR_EACH (node, &world->ghosts) {
                Ghost *ghost = list_entry(node, Ghost, node);

                if (ghost->end_ns > until_ns) {
                        event_timer_set(&world->ghost_timer, ghost->end_ns);
                        return;
                }
                model_end(ghost->of, &ghost->model, /* is_good= */ false);
                list_unlink(node);
                free(ghost);
        }
}

static void on_ghost_timer(EventTimer *timer) {
        ClientWorld *world = container_of(timer, ClientWorld, ghost_timer);

        end_ghosts(world, now_ns(world));
}

void client_world_end_ghosts(ClientWorld *world) { end_ghosts(world, UINT64_MAX); }

bool client_world_has_ghosts(const ClientWorld *world) { return !list_is_empty(&world->ghosts); }

void client_world_init(ClientWorld *world, EventLoop *loop, Journal *journal, const Plan *plan,
                       Worker *worker) {
        int r;

        *world = (ClientWorld){
                .loop = loop,
                .journal = journal,
                .plan = plan,
                .worker = worker,
                .last_number = plan->fill_number,
                .n_left = plan->n_requests,
        };
        list_init(&world->ghosts);
        r = event_timer_init(&world->ghost_timer, loop, on_ghost_timer);
        assert(r == 0);
        for (unsigned i = 0; i < plan->n_luns; i++)
                world->models[i] = model_new(plan->size, plan->fill_number);
}

void client_world_done(ClientWorld *world) {
        client_world_end_ghosts(world);
        event_timer_done(&world->ghost_timer);
        for (unsigned i = 0; i < world->plan->n_luns; i++)
                world->models[i] = model_free(world->models[i]);
}

/* Choosing */

static bool takes(Client *client, uint64_t *dice, unsigned n) {
        if (*dice < n)
                return true;
        *dice -= n;
        return false;
}

static NbdCommand choose_command(Client *client) {
        const PlanMix *mix = &client->plan->mix;
        uint64_t dice = below(client, mix->n_read + mix->n_write + mix->n_flush + mix->n_trim +
                                                      mix->n_zero + mix->n_cache + mix->n_status);

        if (takes(client, &dice, mix->n_read))
                return NBD_CMD_READ;
        if (takes(client, &dice, mix->n_write))
                return NBD_CMD_WRITE;
        if (takes(client, &dice, mix->n_flush))
                return NBD_CMD_FLUSH;
        if (takes(client, &dice, mix->n_trim))
                return NBD_CMD_TRIM;
        if (takes(client, &dice, mix->n_zero))
                return NBD_CMD_WRITE_ZEROES;
        if (takes(client, &dice, mix->n_cache))
                return NBD_CMD_CACHE;
        return NBD_CMD_BLOCK_STATUS;
}

static bool is_change(NbdCommand command) {
        return command == NBD_CMD_WRITE || command == NBD_CMD_TRIM ||
               command == NBD_CMD_WRITE_ZEROES;
}

static unsigned choose_flags(Client *client, NbdCommand command) {
        unsigned flags = 0;

        if (is_change(command) && below(client, 10) < client->plan->mix.n_fua)
                flags |= NBD_CMD_FLAG_FUA;
        if (command == NBD_CMD_WRITE_ZEROES && one_in(client, 3))
                flags |= NBD_CMD_FLAG_NO_HOLE;
        if (command == NBD_CMD_WRITE_ZEROES && one_in(client, 4))
                flags |= NBD_CMD_FLAG_FAST_ZERO;
        if (command == NBD_CMD_READ && client->plan->is_structured && one_in(client, 4))
                flags |= NBD_CMD_FLAG_DF;
        if (command == NBD_CMD_BLOCK_STATUS && one_in(client, 2))
                flags |= NBD_CMD_FLAG_REQ_ONE;
        return flags;
}

static void choose_range(Client *client, ModelRequest *request) {
        const PlanClient *plan = client->plan;
        uint64_t disk_size = client->world->plan->size;
        uint64_t unit = client->world->plan->block_size;
        uint64_t size_max = one_in(client, 3) ? plan->size_max : MIN(plan->size_max, 8 * unit);

        if (plan->is_unaligned && one_in(client, 2))
                unit = one_in(client, 2) ? MODEL_BLOCK_SIZE : 1;
        request->size = ALIGN_UP(1 + below(client, size_max), unit);
        if (plan->is_sequential && !one_in(client, 8))
                request->offset = client->position;
        else if (one_in(client, 2))
                request->offset = plan->spot + below(client, plan->spot_size);
        else
                request->offset = below(client, disk_size);
        request->offset = ALIGN_DOWN(request->offset, unit);
        if (one_in(client, 30))
                request->offset = disk_size - MIN(request->size, disk_size);
        request->size = MIN(request->size, disk_size - request->offset);
        client->position = (request->offset + request->size) % disk_size;
}

static ModelKind kind_of(NbdCommand command) {
        switch (command) {
        case NBD_CMD_READ:
        case NBD_CMD_BLOCK_STATUS:
                return MODEL_READ;
        case NBD_CMD_WRITE:
                return MODEL_WRITE;
        case NBD_CMD_WRITE_ZEROES:
                return MODEL_ZERO;
        case NBD_CMD_TRIM:
                return MODEL_TRIM;
        case NBD_CMD_FLUSH:
                return MODEL_FLUSH;
        case NBD_CMD_CACHE:
        case NBD_CMD_DISC:
        case NBD_CMD_RESIZE:
                return MODEL_HINT;
        }
        assert_not_reached();
}

static bool is_supported(const Client *client, NbdCommand command) {
        unsigned flags = client->world->worker->exports[client->plan->lun].info.transmission_flags;

        if (is_change(command) && flags & NBD_FLAG_READ_ONLY)
                return false;
        if (command == NBD_CMD_TRIM)
                return flags & NBD_FLAG_SEND_TRIM;
        return command != NBD_CMD_BLOCK_STATUS || client->plan->is_structured;
}

/* False: not this one now. */
static bool choose_request(Client *client, ClientRequest *request) {
        NbdCommand command = choose_command(client);
        ModelRequest *model = &request->model;

        if (!is_supported(client, command))
                return false;
        *request = (ClientRequest){
                .command = command,
                .flags = choose_flags(client, command),
                .model.kind = kind_of(command),
        };
        model->is_fua = request->flags & NBD_CMD_FLAG_FUA;
        if (command != NBD_CMD_FLUSH)
                choose_range(client, model);
        if (command == NBD_CMD_WRITE)
                model->number = ++client->world->last_number;
        return model_may_start(client->model, model);
}

/* Sending */

static void update_watch(Client *client) {
        event_fd_set_events(
                        &client->watch,
                        (client->is_silent ? 0U : (uint32_t) EPOLLIN) |
                                        (client->wire.unsent_size > 0 ? (uint32_t) EPOLLOUT : 0U));
}

static void send_request(Client *client, ClientRequest *request) {
        const ModelRequest *model = &request->model;
        size_t payload_size = request->command == NBD_CMD_WRITE ? model->size : 0;
        uint8_t header[NBD_REQUEST_SIZE];

        look_at_hardware(client->world);
        request->cookie = ++client->last_cookie;
        request->sent_ns = now_ns(client->world);
        request->is_in_flight = true;
        request->is_excused = client->is_silent;
        client->n_in_flight++;
        model_start(client->model, &request->model);
        journal_note(client->world->journal, "client %u: %ju %s %ju+%ju flags=%x number=%ju",
                     client->index, (uintmax_t) request->cookie,
                     command_to_string(request->command), (uintmax_t) model->offset,
                     (uintmax_t) model->size, request->flags, (uintmax_t) model->number);

        put_be32(header, NBD_REQUEST_MAGIC);
        put_be16(header + 4, (uint16_t) request->flags);
        put_be16(header + 6, (uint16_t) request->command);
        put_be64(header + 8, request->cookie);
        put_be64(header + 16, model->offset);
        put_be32(header + 24, (uint32_t) model->size);
        if (payload_size > 0)
                model_fill(model->number, model->offset, client->payload, payload_size);
        client_wire_send(&client->wire, header, client->payload, payload_size);
        update_watch(client);
}

static ClientRequest *find_free(Client *client) {
        for (unsigned i = 0; i < client->plan->depth; i++)
                if (!client->requests[i].is_in_flight)
                        return &client->requests[i];
        return NULL;
}

static void plan_next(Client *client) {
        uint64_t pause_ns = client->plan->pause_ns_max > 0
                                            ? below(client, client->plan->pause_ns_max)
                                            : 0;

        if (one_in(client, 200))
                pause_ns = below(client, 7 * NS_PER_S);
        event_timer_set(&client->timer, now_ns(client->world) + pause_ns);
}

static void send_some(Client *client) {
        unsigned n = 1 + (unsigned) below(client, client->plan->depth);

        while (n-- > 0 && client->world->n_left > 0) {
                ClientRequest *request = find_free(client);

                if (!request)
                        return;
                if (!choose_request(client, request))
                        continue;
                client->world->n_left--;
                send_request(client, request);
        }
        if (client->world->n_left > 0 && find_free(client))
                plan_next(client);
}

/* The end of requests */

static void finish_request(Client *client, ClientRequest *request, bool is_good) {
        assert(request->is_in_flight && client->n_in_flight > 0);

        model_end(client->model, &request->model, is_good);
        request->is_in_flight = false;
        client->n_in_flight--;
}

/* Nobody knows what became of them, but they have ended. */
static void abandon_all(Client *client) {
        for (unsigned i = 0; i < client->plan->depth; i++)
                if (client->requests[i].is_in_flight)
                        finish_request(client, &client->requests[i], /* is_good= */ false);
}

/* They go on without us. */
static void leave_ghosts(Client *client) {
        ClientWorld *world = client->world;

        for (unsigned i = 0; i < client->plan->depth; i++) {
                ClientRequest *request = &client->requests[i];
                Ghost *ghost;

                if (!request->is_in_flight)
                        continue;
                if (!is_change(request->command)) {
                        finish_request(client, request, /* is_good= */ false);
                        continue;
                }
                ghost = calloc(1, sizeof(*ghost));
                assert(ghost);
                ghost->of = client->model;
                ghost->end_ns = now_ns(world) + GHOST_NS;
                model_replace(client->model, &request->model, &ghost->model);
                list_init(&ghost->node);
                list_append(&world->ghosts, &ghost->node);
                if (!event_timer_is_armed(&world->ghost_timer))
                        event_timer_set(&world->ghost_timer, ghost->end_ns);
                request->is_in_flight = false;
                client->n_in_flight--;
        }
}

static void disconnect(Client *client) {
        event_fd_remove(&client->watch);
        client_wire_close(&client->wire);
        event_timer_clear(&client->silence_timer);
        client->is_silent = false;
        client->generation = 0;
}

static uint64_t deadline_of(const Client *client, const ClientRequest *request) {
        const ClientWorld *world = client->world;
        uint64_t parked_ns =
                        world->worker->hardware->cut_ns + world->plan->park_timeout_ms * NS_PER_MS;
        uint64_t back_ns = MAX(world->returned_ns, parked_ns);
        uint64_t start_ns = MAX(request->sent_ns, back_ns);
        uint64_t timeout_ns = request->command == NBD_CMD_FLUSH ? 2 * DEADLINE_NS : DEADLINE_NS;
        /* A second more for each MiB ahead of it on its connection, and of its own. */
        uint64_t size = PLAN_DEPTH_MAX * MODEL_RANGE_SIZE_MAX + request->model.size;

        return start_ns + timeout_ns + size / MIB * NS_PER_S + SLACK_NS;
}

static void check_deadline(const Client *client, const ClientRequest *request) {
        uint64_t deadline_ns = deadline_of(client, request);

        if (!request->is_excused && now_ns(client->world) > deadline_ns)
                journal_fail(client->world->journal,
                             "client %u: %s %ju was answered %ju ms past its deadline",
                             client->index, command_to_string(request->command),
                             (uintmax_t) request->cookie,
                             (uintmax_t) ((now_ns(client->world) - deadline_ns) / NS_PER_MS));
}

/* A device that goes ends all requests, where nobody waits for it to come back. */
static bool has_lost_device(const Client *client, const ClientRequest *request) {
        const Plan *plan = client->world->plan;
        const Hardware *hardware = client->world->worker->hardware;

        return (!plan->has_cache || plan->park_timeout_ms == 0) &&
               (!hardware->device || hardware->cut_ns >= request->sent_ns);
}

/* Without a cache nobody writes again what a reset may have taken. */
static bool tells_loss(const Client *client, const ClientRequest *request) {
        const ClientWorld *world = client->world;

        return world->was_reset && !world->plan->has_cache &&
               (request->command == NBD_CMD_FLUSH || request->flags & NBD_CMD_FLAG_FUA);
}

static bool may_fail_so(const Client *client, const ClientRequest *request) {
        const WorkerExport *export = &client->world->worker->exports[client->plan->lun];

        switch (request->error) {
        case NBD_SUCCESS:
                return true;
        case NBD_ENOTSUP:
                return request->flags & NBD_CMD_FLAG_FAST_ZERO;
        case NBD_ESHUTDOWN:
                return client->world->may_fail || has_lost_device(client, request) ||
                       client->world->worker->is_stopping ||
                       export->generation != client->generation || !export->is_open;
        case NBD_EIO:
                return client->world->may_fail || tells_loss(client, request);
        case NBD_EPERM:
        case NBD_ENOMEM:
        case NBD_ENOSPC:
                return client->world->may_fail;
        case NBD_EINVAL:
        case NBD_EOVERFLOW:
                return false;
        }
        return false;
}

static void answered(Client *client, ClientRequest *request) {
        ClientWorld *world = client->world;

        journal_note(world->journal, "client %u: %ju is answered with %d", client->index,
                     (uintmax_t) request->cookie, (int) request->error);
        check_deadline(client, request);
        look_at_hardware(world);
        if (!may_fail_so(client, request))
                journal_fail(world->journal, "client %u: %s %ju failed with %d", client->index,
                             command_to_string(request->command), (uintmax_t) request->cookie,
                             (int) request->error);
        if (request->error == NBD_SUCCESS && request->command == NBD_CMD_READ &&
            request->answered_size != request->model.size)
                journal_fail(world->journal, "client %u: READ %ju got %ju bytes", client->index,
                             (uintmax_t) request->cookie, (uintmax_t) request->answered_size);
        world->n_answered++;
        world->n_failed += request->error != NBD_SUCCESS;
        client->last_error = (int) request->error;
        finish_request(client, request, request->error == NBD_SUCCESS);
        if (world->n_left > 0 && !event_timer_is_armed(&client->timer))
                plan_next(client);
}

/* Replies */

static void check_bytes(Client *client, ClientRequest *request, uint64_t offset,
                        const uint8_t *bytes, size_t size) {
        const ModelRequest *model = &request->model;
        uint64_t at = 0;
        char text[512];

        if (offset < model->offset || size > model->size ||
            offset - model->offset > model->size - size)
                journal_fail(client->world->journal, "client %u: READ %ju got bytes of elsewhere",
                             client->index, (uintmax_t) request->cookie);
        request->answered_size += size;
        if (model_check(client->model, model, offset, bytes, size, &at))
                return;
        model_describe(client->model, at, text, sizeof(text));
        journal_fail(client->world->journal,
                     "client %u: %s %ju got wrong bytes at %ju: LUN %u block %ju may be%s",
                     client->index, command_to_string(request->command),
                     (uintmax_t) request->cookie, (uintmax_t) at, client->plan->lun,
                     (uintmax_t) (at / MODEL_BLOCK_SIZE), text);
}

/* What is told to be zeroes must read so. */
static void check_extents(Client *client, ClientRequest *request, const ClientReply *reply) {
        static const uint8_t zeroes[MODEL_RANGE_SIZE_MAX];
        uint64_t offset = request->model.offset, end = offset + request->model.size;

        if (reply->payload_size < 12 || (reply->payload_size - 4) % 8 != 0)
                journal_fail(client->world->journal, "client %u: extents of %zu bytes",
                             client->index, reply->payload_size);
        for (size_t i = 4; i < reply->payload_size; i += 8) {
                uint32_t size = get_be32(reply->payload + i);

                if (size == 0 || size > end - offset)
                        journal_fail(client->world->journal, "client %u: an extent of %u bytes",
                                     client->index, size);
                if (get_be32(reply->payload + i + 4) & NBD_STATE_ZERO)
                        check_bytes(client, request, offset, zeroes, size);
                offset += size;
        }
}

static void take_chunk(Client *client, ClientRequest *request, const ClientReply *reply) {
        switch (reply->type) {
        case NBD_REPLY_TYPE_NONE:
                return;
        case NBD_REPLY_TYPE_OFFSET_DATA:
                check_bytes(client, request, get_be64(reply->payload), reply->payload + 8,
                            reply->payload_size - 8);
                return;
        case NBD_REPLY_TYPE_BLOCK_STATUS:
                check_extents(client, request, reply);
                return;
        case NBD_REPLY_TYPE_ERROR:
        case NBD_REPLY_TYPE_ERROR_OFFSET:
                request->error = reply->error;
                return;
        default:
                journal_fail(client->world->journal, "client %u: a chunk of type %u", client->index,
                             reply->type);
        }
}

static ClientRequest *find_request(Client *client, uint64_t cookie) {
        for (unsigned i = 0; i < client->plan->depth; i++)
                if (client->requests[i].is_in_flight && client->requests[i].cookie == cookie)
                        return &client->requests[i];
        journal_fail(client->world->journal, "client %u: %ju is answered, but not in flight",
                     client->index, (uintmax_t) cookie);
}

static size_t simple_size(void *userdata, uint64_t cookie) {
        const ClientRequest *request = find_request(userdata, cookie);

        return request->command == NBD_CMD_READ ? request->model.size : 0;
}

static void take_reply(Client *client, const ClientReply *reply) {
        ClientRequest *request = find_request(client, reply->cookie);

        look_at_hardware(client->world);
        if (reply->is_structured) {
                take_chunk(client, request, reply);
        } else {
                request->error = reply->error;
                if (reply->payload_size > 0)
                        check_bytes(client, request, request->model.offset, reply->payload,
                                    reply->payload_size);
        }
        if (reply->is_last)
                answered(client, request);
}

static void take_replies(Client *client) {
        ClientReply reply;

        for (;;) {
                switch (client_wire_peek(&client->wire, simple_size, client, &reply)) {
                case CLIENT_WIRE_RESULT_INCOMPLETE:
                        return;
                case CLIENT_WIRE_RESULT_GARBAGE:
                        journal_fail(client->world->journal, "client %u: garbage is received",
                                     client->index);
                case CLIENT_WIRE_RESULT_REPLY:
                        take_reply(client, &reply);
                        client_wire_consume(&client->wire, &reply);
                        break;
                }
        }
}

static void on_closed(Client *client) {
        const Worker *worker = client->world->worker;
        const WorkerExport *export = &worker->exports[client->plan->lun];
        bool is_expected = !worker->storage || worker->is_stopping || !export->is_open ||
                           export->generation != client->generation;

        journal_note(client->world->journal, "client %u: disconnected", client->index);
        if (!is_expected)
                journal_fail(client->world->journal, "client %u: was disconnected for no reason",
                             client->index);
        abandon_all(client);
        disconnect(client);
        if (!event_timer_is_armed(&client->timer))
                plan_next(client);
}

static void on_fd(EventFd *watch, uint32_t events) {
        Client *client = container_of(watch, Client, watch);
        bool is_open = true;

        if (client->wire.unsent_size > 0 && events & EPOLLOUT) {
                client_wire_send_rest(&client->wire);
                update_watch(client);
        }
        if (client->is_silent || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                return;
        is_open = client_wire_receive(&client->wire);
        take_replies(client);
        if (!is_open && client->wire.fd >= 0)
                on_closed(client);
}

static void on_timer(EventTimer *timer) {
        Client *client = container_of(timer, Client, timer);

        if (client->world->n_left == 0)
                return;
        if (client->wire.fd < 0)
                client_connect(client);
        if (client->wire.fd >= 0)
                send_some(client);
        if (client->wire.fd < 0 || (client->n_in_flight == 0 && client->world->n_left > 0 &&
                                    !event_timer_is_armed(&client->timer)))
                event_timer_set(&client->timer, now_ns(client->world) + RETRY_NS);
}

static void on_silence_timer(EventTimer *timer) {
        Client *client = container_of(timer, Client, silence_timer);

        journal_note(client->world->journal, "client %u: reads again", client->index);
        client->is_silent = false;
        update_watch(client);
}

/* Connections */

bool client_connect(Client *client) {
        Worker *worker = client->world->worker;
        int fds[2], size = SEND_BUFFER_SIZE, r;

        if (client->wire.fd >= 0)
                return true;
        if (!worker_has_clients(worker, client->plan->lun))
                return false;
        r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds);
        assert(r == 0);
        (void) setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        if (!worker_add_client(
                            worker, client->plan->lun, fds[1],
                            &(NbdAgreement){
                                            .has_structured_replies = client->plan->is_structured,
                                            .has_base_allocation = client->plan->is_structured,
                            })) {
                fd_close(fds[0]);
                return false;
        }
        journal_note(client->world->journal, "client %u: connected to LUN %u", client->index,
                     client->plan->lun);
        client->wire.fd = fds[0];
        client->generation = worker->exports[client->plan->lun].generation;
        r = event_fd_add(&client->watch, client->world->loop, client->wire.fd, EPOLLIN, on_fd);
        assert(r == 0);
        return true;
}

void client_cut(Client *client) {
        bool is_open = client->wire.fd >= 0;

        while (is_open) {
                size_t size = client->wire.received_size;

                is_open = client_wire_receive(&client->wire) && client->wire.received_size > size;
                take_replies(client);
        }
        if (client->wire.fd < 0)
                return;
        journal_note(client->world->journal, "client %u: is cut off", client->index);
        abandon_all(client);
        disconnect(client);
        plan_next(client);
}

void client_vanish(Client *client) {
        if (client->wire.fd < 0)
                return;
        journal_note(client->world->journal, "client %u: vanishes with %u in flight", client->index,
                     client->n_in_flight);
        leave_ghosts(client);
        disconnect(client);
        plan_next(client);
}

void client_fall_silent(Client *client, uint64_t duration_ns) {
        if (client->wire.fd < 0)
                return;
        journal_note(client->world->journal, "client %u: reads nothing", client->index);
        client->is_silent = true;
        for (unsigned i = 0; i < client->plan->depth; i++)
                client->requests[i].is_excused = true;
        event_timer_set(&client->silence_timer, now_ns(client->world) + duration_ns);
        update_watch(client);
}

bool client_is_idle(const Client *client) { return client->n_in_flight == 0; }

void client_flush(Client *client) {
        ClientRequest *request = find_free(client);

        assert(client->wire.fd >= 0 && client_is_idle(client));
        *request = (ClientRequest){ .command = NBD_CMD_FLUSH, .model.kind = MODEL_FLUSH };
        client->last_error = -1;
        send_request(client, request);
}

int client_get_last_error(const Client *client) { return client->last_error; }

void client_disconnect(Client *client) {
        assert(client_is_idle(client));
        event_timer_clear(&client->timer);
        if (client->wire.fd >= 0)
                disconnect(client);
}

unsigned client_get_lun(const Client *client) { return client->plan->lun; }

Client *client_new(ClientWorld *world, const PlanClient *plan, unsigned index) {
        Client *client = calloc(1, sizeof(*client));
        int r;

        assert(client);
        client->world = world;
        client->plan = plan;
        client->index = index;
        client->model = world->models[plan->lun];
        random_init(&client->random, world->plan->seed ^ (UINT64_C(0x636c69656e74) << 8 | index));
        client->payload = malloc(MODEL_RANGE_SIZE_MAX);
        assert(client->payload);
        client_wire_init(&client->wire);
        r = event_timer_init(&client->timer, world->loop, on_timer);
        assert(r == 0);
        r = event_timer_init(&client->silence_timer, world->loop, on_silence_timer);
        assert(r == 0);
        plan_next(client);
        return client;
}

Client *client_free(Client *client) {
        if (!client)
                return NULL;
        client_disconnect(client);
        event_timer_done(&client->timer);
        event_timer_done(&client->silence_timer);
        client_wire_done(&client->wire);
        free(client->payload);
        free(client);
        return NULL;
}
