/* See stack.h. */

#include <check.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/random.h"
#include "stack.h"

#define STACK_PATIENCE_NS (3600 * NS_PER_S)
#define STACK_RECEIVED_SIZE_MAX (80 * MIB)
#define SIMPLE_REPLY_SIZE 16
#define CHUNK_HEADER_SIZE 20
#define STACK_ARENA_SIZE ((ssize_t) (4 * MIB))
#define STACK_COMMANDS_KEPT 4

static void on_export_opened(StorageManager *storage, const StorageExport *export, void *userdata) {
        Stack *stack = userdata;
        StackExport *slot = &stack->exports[export->lun];

        ck_assert(!slot->is_open);
        if (stack->n_opened++ == 0)
                stack->left_luns_at_open = stack->left_luns;
        slot->is_open = true;
        slot->n_opened++;
        slot->generation = export->generation;
        slot->info = export->info;
}

static void on_export_closed(StorageManager *storage, unsigned lun, uint64_t generation,
                             void *userdata) {
        Stack *stack = userdata;

        ck_assert(stack->exports[lun].is_open);
        ck_assert_uint_eq(stack->exports[lun].generation, generation);
        stack->exports[lun].is_open = false;
}

static void on_brought_up(StorageManager *storage, int result, unsigned n_luns, const char *reason,
                          void *userdata) {
        Stack *stack = userdata;

        ck_assert(!stack->is_brought_up);
        stack->is_brought_up = true;
        stack->brought_up_result = result;
        if (result < 0)
                ck_assert_ptr_nonnull(reason);
}

static void on_stopped(StorageManager *storage, int result, void *userdata) {
        Stack *stack = userdata;

        ck_assert(!stack->is_stopped);
        stack->is_stopped = true;
        stack->stopped_result = result;
}

static void on_device_described(StorageManager *storage, const ControlDeviceInfo *info,
                                void *userdata) {
        Stack *stack = userdata;

        ck_assert(control_device_info_is_valid(info));
        stack->device_info = *info;
        stack->n_device_infos++;
}

static void on_lun_described(StorageManager *storage, const ControlLunInfo *info, void *userdata) {
        Stack *stack = userdata;

        ck_assert(control_lun_info_is_valid(info));
        stack->lun_infos[info->lun] = *info;
        stack->n_lun_infos[info->lun]++;
}

static void on_smart_told(StorageManager *storage, const ControlSmart *smart, void *userdata) {
        Stack *stack = userdata;

        ck_assert(control_smart_is_valid(smart));
        ck_assert(!stack->is_stopped);
        stack->smart[smart->lun] = *smart;
        stack->n_smart[smart->lun]++;
}

static void on_progressed(StorageManager *storage, const ControlProgress *progress,
                          void *userdata) {
        StackRequest *request = &((Stack *) userdata)->requests[progress->id];

        ck_assert(control_progress_is_valid(progress));
        ck_assert_uint_eq(request->n_replies, 0);
        request->progress = *progress;
        request->n_progress++;
}

static void on_replied(StorageManager *storage, const ControlReply *reply, void *userdata) {
        StackRequest *request = &((Stack *) userdata)->requests[reply->id];

        ck_assert(control_reply_is_valid(reply));
        ck_assert(!((Stack *) userdata)->is_stopped);
        ck_assert_uint_eq(request->n_replies++, 0);
        request->reply = *reply;
}

static void on_power_changed(StorageManager *storage, const ControlPower *power, void *userdata) {
        Stack *stack = userdata;

        ck_assert(control_power_is_valid(power));
        ck_assert(!stack->is_stopped);
        stack->power = *power;
        stack->n_power++;
}

static void on_learned(StorageManager *storage, const UsbLearnedFacts *facts, void *userdata) {
        Stack *stack = userdata;

        ck_assert(usb_learned_facts_is_valid(facts));
        ck_assert(!usb_learned_facts_is_equal(facts, &stack->learned));
        stack->learned = *facts;
        stack->n_learned++;
}

static void on_lun_stats(StorageManager *storage, unsigned lun, const StorageStats *stats,
                         void *userdata) {
        Stack *stack = userdata;

        ck_assert_uint_lt(lun, STACK_LUNS_MAX);
        stack->stats[lun] = *stats;
        stack->n_told++;
}

static void on_device_stats(StorageManager *storage, const StorageDeviceStats *stats,
                            void *userdata) {
        Stack *stack = userdata;

        stack->device_stats = *stats;
        stack->n_told++;
}

static void run_until(Stack *stack, const bool *condition, uint64_t timeout_ns) {
        uint64_t end_ns = event_loop_now_ns(stack->loop) + timeout_ns;

        while (!*condition && event_loop_now_ns(stack->loop) < end_ns)
                if (event_loop_run_once(stack->loop, /* may_wait= */ true) <= 0)
                        return;
}

static void on_parked(StorageManager *storage, void *userdata) {
        Stack *stack = userdata;

        stack->is_parked = true;
        stack->n_parked++;
}

static void on_returned(StorageManager *storage, void *userdata) {
        Stack *stack = userdata;

        stack->is_parked = false;
}

static void on_save(StorageManager *storage, unsigned luns, void *userdata) {
        Stack *stack = userdata;

        stack->saved_luns |= luns;
        fd_close(stack->saved_fd);
        stack->saved_fd = stack_copy_arena(stack);
        /* As the manager does: its medium may return. */
        if (stack->save_error == 0)
                ck_assert_int_eq(
                                storage_manager_add_remains(storage, 0, luns, dup(stack->saved_fd)),
                                0);
        if (!stack->is_save_held)
                storage_manager_saved(storage, luns, stack->save_error);
}

static void on_remains_left(StorageManager *storage, uint32_t id, unsigned luns, void *userdata) {
        Stack *stack = userdata;

        stack->n_left++;
        if (id == 0)
                stack->left_luns = luns;
}

static void init_fds(Stack *stack) {
        *stack = (Stack){ .arena_fd = -EBADF, .saved_fd = -EBADF };
        for (size_t i = 0; i < STACK_LUNS_MAX; i++) {
                stack->clients[i].fd = -EBADF;
                stack->image_fds[i] = -EBADF;
        }
}

static void on_mount_served(StorageManager *storage, uint32_t id, void *userdata) {
        ((Stack *) userdata)->n_mounts_served++;
}

static void on_mount_ended(StorageManager *storage, uint32_t id, int error, void *userdata) {
        Stack *stack = userdata;

        stack->n_mounts_ended++;
        stack->mount_error = error;
}

static void start(Stack *stack, const char *text, const StorageOptions *options,
                  const StackRemains *remains) {
        static const StorageHandlers handlers = {
                .export_opened = on_export_opened,
                .export_closed = on_export_closed,
                .brought_up = on_brought_up,
                .stopped = on_stopped,
                .learned = on_learned,
                .device_described = on_device_described,
                .lun_described = on_lun_described,
                .smart_told = on_smart_told,
                .progressed = on_progressed,
                .replied = on_replied,
                .power_changed = on_power_changed,
                .parked = on_parked,
                .returned = on_returned,
                .save = on_save,
                .remains_left = on_remains_left,
                .mount_served = on_mount_served,
                .mount_ended = on_mount_ended,
                .lun_stats = on_lun_stats,
                .device_stats = on_device_stats,
        };
        size_t n_images = 0;
        char *error = NULL;

        ck_assert_int_eq(virtual_event_loop_new(&stack->loop), 0);
        ck_assert_msg(simulator_spec_parse(&stack->spec, text, &error) == 0, "%s", error);
        while (n_images < STACK_LUNS_MAX && stack->image_fds[n_images] >= 0)
                n_images++;
        ck_assert_int_eq(simulated_device_new(&stack->device, stack->loop, &stack->spec,
                                              stack->image_fds, n_images),
                         0);
        ck_assert_int_eq(storage_manager_new(&stack->storage, stack->device, options, &handlers,
                                             stack),
                         0);
        for (size_t i = 0; remains && i < remains->n; i++)
                ck_assert_int_eq(storage_manager_add_remains(stack->storage, (uint32_t) i, ~0U,
                                                             remains->fds[i]),
                                 0);
        stack->left_luns = remains ? ~0U : 0;
        run_until(stack, &stack->is_brought_up, STACK_PATIENCE_NS);
        ck_assert(stack->is_brought_up);
}

void stack_init_with_timeout(Stack *stack, const char *text, uint32_t device_timeout_ms) {
        init_fds(stack);
        start(stack, text,
              &(StorageOptions){
                              .base_name = "stack",
                              .device_timeout_ms = device_timeout_ms,
                              .n_luns_max = STACK_LUNS_MAX,
                              .n_commands_kept = STACK_COMMANDS_KEPT,
                              .is_trim_enabled = true,
                              .is_monitored = true,
              },
              NULL);
}

void stack_init_with_facts(Stack *stack, const char *text, const UsbLearnedFacts *known,
                           uint32_t quirks) {
        init_fds(stack);
        stack->learned = *known;
        start(stack, text,
              &(StorageOptions){
                              .base_name = "stack",
                              .quirks = quirks,
                              .known = known,
                              .n_luns_max = STACK_LUNS_MAX,
                              .is_trim_enabled = true,
                              .is_monitored = true,
              },
              NULL);
}

static int make_memfd(const char *name, uint64_t size) {
        int fd = memfd_create(name, MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(ftruncate(fd, (off_t) size), 0);
        return fd;
}

void stack_init_with_cache(Stack *stack, const char *text, const CacheOptions *cache,
                           const int *image_fds, const StackRemains *remains) {
        SimulatorSpec spec;
        char *error = NULL;

        init_fds(stack);
        ck_assert_msg(simulator_spec_parse(&spec, text, &error) == 0, "%s", error);
        for (size_t i = 0; i < spec.n_luns; i++)
                stack->image_fds[i] = image_fds ? image_fds[i] : make_memfd("image", spec.size);
        stack->arena_fd = make_memfd("arena", STACK_ARENA_SIZE);
        start(stack, text,
              &(StorageOptions){
                              .base_name = "stack",
                              .n_luns_max = STACK_LUNS_MAX,
                              .is_trim_enabled = true,
                              .is_monitored = true,
                              .has_cache = true,
                              .arena_fd = stack->arena_fd,
                              .cache = *cache,
                              .park_timeout_ms = 60000,
              },
              remains);
}

void stack_init_with_options(Stack *stack, const char *text, const StorageOptions *given) {
        StorageOptions options = *given;
        SimulatorSpec spec;
        char *error = NULL;

        init_fds(stack);
        options.base_name = "stack";
        if (options.n_luns_max == 0)
                options.n_luns_max = STACK_LUNS_MAX;
        if (options.has_cache) {
                ck_assert_msg(simulator_spec_parse(&spec, text, &error) == 0, "%s", error);
                for (size_t i = 0; i < spec.n_luns; i++)
                        stack->image_fds[i] = make_memfd("image", spec.size);
                stack->arena_fd = make_memfd("arena", STACK_ARENA_SIZE);
                options.arena_fd = stack->arena_fd;
        }
        start(stack, text, &options, NULL);
}

void stack_unplug(Stack *stack) {
        stack->is_parked = false;
        simulated_device_unplug(stack->device);
        run_until(stack, &stack->is_parked, STACK_PATIENCE_NS);
        ck_assert(stack->is_parked);
}

void stack_replug(Stack *stack, const char *text) {
        char *error = NULL;
        size_t n_images = 0;

        if (text)
                ck_assert_msg(simulator_spec_parse(&stack->spec, text, &error) == 0, "%s", error);
        while (n_images < STACK_LUNS_MAX && stack->image_fds[n_images] >= 0)
                n_images++;
        ck_assert_int_eq(simulated_device_new(&stack->device, stack->loop, &stack->spec,
                                              stack->image_fds, n_images),
                         0);
        ck_assert_int_eq(storage_manager_replug(stack->storage, stack->device), 0);
}

void stack_await_unparked(Stack *stack) {
        while (storage_manager_get_state(stack->storage) == STORAGE_STATE_PARKED)
                ck_assert_int_gt(event_loop_run_once(stack->loop, /* may_wait= */ true), 0);
        ck_assert_int_eq(storage_manager_get_state(stack->storage), STORAGE_STATE_RUNNING);
}

int stack_copy_arena(const Stack *stack) {
        int copy = make_memfd("remains", STACK_ARENA_SIZE);
        uint8_t *bytes = malloc(STACK_ARENA_SIZE);

        ck_assert_int_eq(pread(stack->arena_fd, bytes, STACK_ARENA_SIZE, 0), STACK_ARENA_SIZE);
        ck_assert_int_eq(pwrite(copy, bytes, STACK_ARENA_SIZE, 0), STACK_ARENA_SIZE);
        free(bytes);
        return copy;
}

void stack_read_image(const Stack *stack, unsigned lun, uint64_t offset, void *bytes, size_t size) {
        ck_assert_int_eq(pread(stack->image_fds[lun], bytes, size, (off_t) offset), size);
}

void stack_write_image(const Stack *stack, unsigned lun, uint64_t offset, const void *bytes,
                       size_t size) {
        ck_assert_int_eq(pwrite(stack->image_fds[lun], bytes, size, (off_t) offset), size);
}

void stack_init(Stack *stack, const char *text) {
        stack_init_with_timeout(stack, text, /* device_timeout_ms= */ 0);
}

static void client_close(StackClient *client) {
        event_fd_remove(&client->watch);
        client->fd = fd_close(client->fd);
        free(client->received);
        client->received = NULL;
        client->received_size = 0;
}

void stack_stop(Stack *stack) {
        storage_manager_stop(stack->storage);
        run_until(stack, &stack->is_stopped, STACK_PATIENCE_NS);
        ck_assert(stack->is_stopped);
}

void stack_done(Stack *stack) {
        for (size_t i = 0; i < STACK_LUNS_MAX; i++)
                client_close(&stack->clients[i]);
        if (stack->brought_up_result == 0 && !stack->is_stopped)
                stack_stop(stack);
        storage_manager_free(stack->storage);
        event_loop_free(stack->loop);
        for (size_t i = 0; i < STACK_LUNS_MAX; i++)
                fd_close(stack->image_fds[i]);
        fd_close(stack->arena_fd);
        fd_close(stack->saved_fd);
}

void stack_add_faults(Stack *stack, const char *plan) {
        char *error = NULL;

        ck_assert_msg(simulated_device_add_faults(stack->device, plan, &error) == 0, "%s", error);
}

uint64_t stack_now_ms(const Stack *stack) { return event_loop_now_ns(stack->loop) / NS_PER_MS; }

static void clock_on_timer(EventTimer *timer) {}

/* Virtual time passes only as long as a timer waits for it. */
void stack_sleep_ms(Stack *stack, uint64_t ms) {
        uint64_t until_ns = event_loop_now_ns(stack->loop) + ms * NS_PER_MS;
        EventTimer clock;

        ck_assert_int_eq(event_timer_init(&clock, stack->loop, clock_on_timer), 0);
        event_timer_set(&clock, until_ns);
        virtual_event_loop_run_until(stack->loop, until_ns);
        event_timer_done(&clock);
}

static void client_on_event(EventFd *watch, uint32_t events) {
        StackClient *client = container_of(watch, StackClient, watch);
        ssize_t n;

        n = recv(client->fd, client->received + client->received_size,
                 STACK_RECEIVED_SIZE_MAX - client->received_size, MSG_DONTWAIT);
        if (n > 0)
                client->received_size += (size_t) n;
        else if (n == 0 || errno != EAGAIN)
                client_close(client);
}

void stack_connect(Stack *stack, unsigned lun, bool is_structured) {
        StackClient *client = &stack->clients[lun];
        int fds[2], size = 8 * MIB;

        client_close(client);
        ck_assert(stack->exports[lun].is_open);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
                         0);
        setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        client->fd = fds[0];
        client->is_structured = is_structured;
        client->received = malloc(STACK_RECEIVED_SIZE_MAX);
        ck_assert_ptr_nonnull(client->received);
        ck_assert_int_eq(event_fd_add(&client->watch, stack->loop, client->fd, EPOLLIN,
                                      client_on_event),
                         0);
        ck_assert_int_eq(
                        storage_manager_add_client(
                                        stack->storage, lun, stack->exports[lun].generation, fds[1],
                                        &(NbdAgreement){ .has_structured_replies = is_structured }),
                        0);
}

/* Runs the loop until `size` bytes are there; false if the connection was closed before. */
static bool client_await(Stack *stack, StackClient *client, size_t size) {
        uint64_t end_ns = event_loop_now_ns(stack->loop) + STACK_PATIENCE_NS;

        while (client->fd >= 0 && client->received_size < size) {
                ck_assert_msg(event_loop_now_ns(stack->loop) < end_ns, "no answer in an hour");
                ck_assert_msg(event_loop_run_once(stack->loop, /* may_wait= */ true) > 0,
                              "nothing is left to happen, and there is no answer");
        }
        return client->fd >= 0;
}

static void client_consume(StackClient *client, size_t size) {
        client->received_size -= size;
        memmove(client->received, client->received + size, client->received_size);
}

static bool client_send(Stack *stack, StackClient *client, const void *data, size_t size) {
        const uint8_t *bytes = data;

        while (size > 0) {
                ssize_t n = client->fd < 0 ? -1
                                           : send(client->fd, bytes, size,
                                                  MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && (client->fd < 0 || errno != EAGAIN))
                        return false;
                if (n > 0) {
                        bytes += n;
                        size -= (size_t) n;
                } else
                        ck_assert_msg(event_loop_run_once(stack->loop, /* may_wait= */ true) > 0,
                                      "nothing is left to happen, and nobody reads");
        }
        return true;
}

static bool client_request(Stack *stack, StackClient *client, NbdCommand command, unsigned flags,
                           uint64_t offset, uint32_t size) {
        uint8_t header[NBD_REQUEST_SIZE];

        put_be32(header, NBD_REQUEST_MAGIC);
        put_be16(header + 4, (uint16_t) flags);
        put_be16(header + 6, (uint16_t) command);
        put_be64(header + 8, ++client->last_cookie);
        put_be64(header + 16, offset);
        put_be32(header + 24, size);
        return client_send(stack, client, header, sizeof(header));
}

static int client_simple_reply(Stack *stack, StackClient *client, void *data, size_t size) {
        int error;

        if (!client_await(stack, client, SIMPLE_REPLY_SIZE))
                return STACK_CLOSED;
        ck_assert_uint_eq(get_be32(client->received), NBD_SIMPLE_REPLY_MAGIC);
        ck_assert_uint_eq(get_be64(client->received + 8), client->last_cookie);
        error = (int) get_be32(client->received + 4);
        client_consume(client, SIMPLE_REPLY_SIZE);
        if (error != 0 || !data)
                return error;
        if (!client_await(stack, client, size))
                return STACK_CLOSED;
        memcpy(data, client->received, size);
        client_consume(client, size);
        return 0;
}

/*
 * Takes one chunk; `error` and the rest are set by chunks that tell them. False at the end of the
 * connection.
 */
static bool client_chunk(Stack *stack, StackClient *client, uint64_t offset, uint8_t *data,
                         int *error, uint64_t *error_offset, bool *is_last) {
        uint16_t type;
        uint32_t size;
        const uint8_t *payload;

        if (!client_await(stack, client, CHUNK_HEADER_SIZE))
                return false;
        ck_assert_uint_eq(get_be32(client->received), NBD_STRUCTURED_REPLY_MAGIC);
        ck_assert_uint_eq(get_be64(client->received + 8), client->last_cookie);
        type = get_be16(client->received + 6);
        size = get_be32(client->received + 16);
        if (!client_await(stack, client, CHUNK_HEADER_SIZE + size))
                return false;

        *is_last = get_be16(client->received + 4) & NBD_REPLY_FLAG_DONE;
        payload = client->received + CHUNK_HEADER_SIZE;
        if (type == NBD_REPLY_TYPE_OFFSET_DATA)
                memcpy(data + (get_be64(payload) - offset), payload + 8, size - 8);
        else if (type == NBD_REPLY_TYPE_OFFSET_HOLE)
                memset(data + (get_be64(payload) - offset), 0, get_be32(payload + 8));
        else if (type == NBD_REPLY_TYPE_ERROR || type == NBD_REPLY_TYPE_ERROR_OFFSET)
                *error = (int) get_be32(payload);
        else
                ck_assert_uint_eq(type, NBD_REPLY_TYPE_NONE);
        if (type == NBD_REPLY_TYPE_ERROR_OFFSET)
                *error_offset = get_be64(payload + 6 + get_be16(payload + 4));
        client_consume(client, CHUNK_HEADER_SIZE + size);
        return true;
}

static int client_structured_reply(Stack *stack, StackClient *client, uint64_t offset, void *data,
                                   uint64_t *ret_error_offset) {
        uint64_t error_offset = UINT64_MAX;
        bool is_last = false;
        int error = 0;

        /* What carries no data may be answered simply all the same. */
        if (!client_await(stack, client, SIMPLE_REPLY_SIZE))
                return STACK_CLOSED;
        if (!data && get_be32(client->received) == NBD_SIMPLE_REPLY_MAGIC)
                return client_simple_reply(stack, client, NULL, 0);

        while (!is_last)
                if (!client_chunk(stack, client, offset, data, &error, &error_offset, &is_last))
                        return STACK_CLOSED;
        if (ret_error_offset)
                *ret_error_offset = error_offset;
        return error;
}

int stack_read(Stack *stack, unsigned lun, uint64_t offset, void *data, uint32_t size,
               uint64_t *ret_error_offset) {
        StackClient *client = &stack->clients[lun];

        if (!client_request(stack, client, NBD_CMD_READ, 0, offset, size))
                return STACK_CLOSED;
        if (client->is_structured)
                return client_structured_reply(stack, client, offset, data, ret_error_offset);
        return client_simple_reply(stack, client, data, size);
}

int stack_write(Stack *stack, unsigned lun, uint64_t offset, const void *data, uint32_t size,
                unsigned flags) {
        StackClient *client = &stack->clients[lun];

        if (!client_request(stack, client, NBD_CMD_WRITE, flags, offset, size) ||
            !client_send(stack, client, data, size))
                return STACK_CLOSED;
        if (client->is_structured)
                return client_structured_reply(stack, client, offset, NULL, NULL);
        return client_simple_reply(stack, client, NULL, 0);
}

void stack_send_write(Stack *stack, unsigned lun, uint64_t offset, const void *data, uint32_t size,
                      unsigned flags) {
        StackClient *client = &stack->clients[lun];

        ck_assert(client_request(stack, client, NBD_CMD_WRITE, flags, offset, size));
        ck_assert(client_send(stack, client, data, size));
}

void stack_send_command(Stack *stack, unsigned lun, NbdCommand command, uint64_t offset,
                        uint32_t size) {
        ck_assert(client_request(stack, &stack->clients[lun], command, 0, offset, size));
}

int stack_await_reply(Stack *stack, unsigned lun) {
        ck_assert(!stack->clients[lun].is_structured);
        return client_simple_reply(stack, &stack->clients[lun], NULL, 0);
}

bool stack_has_reply(const Stack *stack, unsigned lun) {
        return stack->clients[lun].received_size > 0;
}

int stack_command(Stack *stack, unsigned lun, NbdCommand command, unsigned flags, uint64_t offset,
                  uint32_t size) {
        StackClient *client = &stack->clients[lun];

        if (!client_request(stack, client, command, flags, offset, size))
                return STACK_CLOSED;
        if (client->is_structured)
                return client_structured_reply(stack, client, offset, NULL, NULL);
        return client_simple_reply(stack, client, NULL, 0);
}

void stack_fill(void *data, size_t size, uint64_t seed) {
        Random random;

        random_init(&random, seed);
        random_fill(&random, data, size);
}

void stack_disconnect(Stack *stack, unsigned lun) {
        client_close(&stack->clients[lun]);
        stack_sleep_ms(stack, 1);
}

/* Requests */

unsigned stack_request(Stack *stack, const ControlRequest *request, int fd) {
        ControlRequest numbered = *request;

        ck_assert_uint_lt(stack->n_requests, STACK_REQUESTS_MAX);
        ck_assert(control_request_is_valid(request, fd >= 0));
        numbered.id = stack->n_requests++;
        storage_manager_request(stack->storage, &numbered, fd);
        return (unsigned) numbered.id;
}

void stack_cancel_request(Stack *stack, unsigned number) {
        storage_manager_cancel_request(stack->storage, number);
}

const ControlReply *stack_await_answer(Stack *stack, unsigned number) {
        uint64_t end_ns = event_loop_now_ns(stack->loop) + STACK_PATIENCE_NS;

        while (stack->requests[number].n_replies == 0) {
                ck_assert_uint_lt(event_loop_now_ns(stack->loop), end_ns);
                stack_sleep_ms(stack, 1);
        }
        return &stack->requests[number].reply;
}

int stack_ask(Stack *stack, const ControlRequest *request) {
        return stack_await_answer(stack, stack_request(stack, request, -EBADF))->error;
}
