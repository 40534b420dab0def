/*
 * A mount's life: receives requests until there are none or no slots are free, has libfuse take them
 * apart, and answers when the BlockDevice has. The kernel has one message to a call, either way; a
 * batch shares its wake-up.
 *
 * A descriptor of /dev/fuse outlives its reader: the next one, in another process, goes on with what the
 * kernel has kept back. What the former one had read it finds in the slots, and answers it by its number.
 * libfuse must have seen an INIT before all else, so it is shown that of the predecessor, and its answer
 * is kept from the kernel.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "base/log.h"
#include "export/fuse_operations.h"

#define REQUEST_TIMEOUT_DEFAULT_NS (30 * NS_PER_S)
/* So many requests are received before the loop's others have their turn. */
#define BATCH_MAX 128
/* WRITEs from this size on are bulk. */
#define BULK_SIZE (64 * KIB)
/* Memory that was needed once goes back after so long without requests. */
#define IDLE_NS (10 * NS_PER_S)

static const char *state_to_string(FuseSessionState state) {
        static const char *const names[_FUSE_SESSION_STATE_MAX] = {
                [FUSE_SESSION_STATE_STARTING] = "starting",
                [FUSE_SESSION_STATE_RUNNING] = "running",
                [FUSE_SESSION_STATE_DRAINING] = "draining",
                [FUSE_SESSION_STATE_ENDED] = "ended",
        };

        return names[state];
}

/* The one place where the state changes. States only ever go forward. */
static void enter(FuseSession *session, FuseSessionState state, int error) {
        if (state <= session->state)
                return;
        log_device_debug(session->device->name, "FUSE mount %d: %s (%d)", session->fd,
                         state_to_string(state), error);
        session->state = state;
        if (state == FUSE_SESSION_STATE_DRAINING)
                session->error = error;
        event_defer_schedule(&session->defer);
}

/* Sending */

/* Whoever waits for an answer that the kernel does not take must not wait for ever. */
static void send_replacement(int fd, const void *reply) {
        uint8_t bytes[FUSE_MESSAGE_ERROR_SIZE];

        fuse_message_encode_replacement(reply, -EIO, bytes);
        while (write(fd, bytes, sizeof(bytes)) < 0 && errno == EINTR)
                continue;
}

/* libfuse's way out. It is told that all went well: nothing that it could do about an error would help. */
static ssize_t library_on_writev(int fd, struct iovec *parts, int n_parts, void *userdata) {
        const FuseSession *session = userdata;
        ssize_t size = 0, n;

        for (int i = 0; i < n_parts; i++)
                size += (ssize_t) parts[i].iov_len;
        if (session->is_muted)
                return size;
        do
                n = writev(fd, parts, n_parts);
        while (n < 0 && errno == EINTR);
        /* ENOENT: nobody waits for it, as it was answered by a predecessor, or interrupted. */
        if (n < 0 && errno != ENOENT && errno != ENODEV) {
                log_device_debug(session->device->name, "An answer was not taken: %s",
                                 strerror(errno));
                send_replacement(fd, parts[0].iov_base);
        }
        return size;
}

/* It never reads by itself, but wants to know how. */
static ssize_t library_on_read(int fd, void *bytes, size_t size, void *userdata) {
        return read(fd, bytes, size);
}

static void library_on_log(enum fuse_log_level level, const char *format, va_list arguments) {
        char text[LOG_MESSAGE_SIZE_MAX];

        vsnprintf(text, sizeof(text), format, arguments);
        text[strcspn(text, "\n")] = '\0';
        log_debug("%s", text);
}

static void send_error(FuseSession *session, const void *message, int error) {
        uint8_t bytes[FUSE_MESSAGE_ERROR_SIZE];
        struct iovec part = { .iov_base = bytes, .iov_len = sizeof(bytes) };

        fuse_message_encode_error(message, error, bytes);
        (void) library_on_writev(session->fd, &part, 1, session);
}

/* Requests */

void fuse_session_release(FuseRequest *request) {
        FuseSession *session = request->session;

        assert(!request->handle);

        if (!request->is_left)
                fuse_slots_disarm(&session->slots, request->slot);
        staging_put(session->device->staging, request->data, request->data_size);
        request->data = NULL;
        list_unlink(&request->node);
        list_prepend(&session->free, &request->node);
        session->n_busy--;
        if (session->current == request)
                session->current = NULL;
        else /* there may be nothing else to wake up for */
                event_defer_schedule(&session->defer);
}

static void show_library(FuseSession *session, const void *message, size_t size) {
        const struct fuse_buf buffer = { .mem = (void *) message, .size = size };

        fuse_session_process_buf(session->library, &buffer);
}

/* What libfuse has answered by itself, or need not be answered, is done. */
static void dispatch(FuseSession *session, FuseRequest *request, size_t size) {
        const uint8_t *message = fuse_slots_get(&session->slots, request->slot);

        session->current = request;
        switch (fuse_message_classify(message, size)) {
        case FUSE_MESSAGE_KIND_INIT:
                fuse_slots_keep_init(&session->slots, message, size);
                show_library(session, message, size);
                break;
        case FUSE_MESSAGE_KIND_REQUEST:
                session->is_bulky |= size >= BULK_SIZE;
                show_library(session, message, size);
                break;
        case FUSE_MESSAGE_KIND_UNKNOWN:
                send_error(session, message, -ENOSYS);
                break;
        case FUSE_MESSAGE_KIND_BROKEN:
                send_error(session, message, -EIO);
                break;
        case FUSE_MESSAGE_KIND_NOTICE:
                break;
        }
        if (session->current && !request->handle)
                fuse_session_release(request);
        session->current = NULL;
}

static FuseRequest *take_free(FuseSession *session, ListNode *node) {
        FuseRequest *request = list_entry(node, FuseRequest, node);

        list_unlink(&request->node);
        list_append(&session->busy, &request->node);
        session->n_busy++;
        return request;
}

/* Receiving */

static bool may_pass(FuseSession *session) {
        RateBudget *budget = session->options.budget;
        uint64_t due_ns;

        if (!budget)
                return true;
        due_ns = rate_budget_get_due_ns(budget, event_loop_now_ns(session->device->loop));
        if (due_ns > 0)
                event_timer_set(&session->budget_timer, due_ns);
        return due_ns == 0;
}

static bool can_receive(FuseSession *session) {
        return session->state == FUSE_SESSION_STATE_RUNNING && !list_is_empty(&session->free) &&
               !event_timer_is_armed(&session->budget_timer) && may_pass(session);
}

/* The size of what came, or -errno. ENOENT: it was interrupted before it could be received. */
static ssize_t receive_into(FuseSession *session, void *memory) {
        ssize_t n;

        do
                n = read(session->fd, memory, FUSE_MESSAGE_SIZE_MAX);
        while (n < 0 && (errno == EINTR || errno == ENOENT));
        return n < 0 ? -errno : n;
}

/* False: there is nothing more now, or never. */
static bool receive(FuseSession *session) {
        ListNode *node = list_first(&session->free);
        unsigned slot = list_entry(node, FuseRequest, node)->slot;
        ssize_t n;

        fuse_slots_arm(&session->slots, slot, session->is_bulky);
        n = receive_into(session, fuse_slots_get(&session->slots, slot));
        if (n > 0) {
                dispatch(session, take_free(session, node), (size_t) n);
                return true;
        }
        fuse_slots_disarm(&session->slots, slot);
        if (n == -ENODEV || n == 0)
                enter(session, FUSE_SESSION_STATE_DRAINING, 0);
        else if (n != -EAGAIN)
                enter(session, FUSE_SESSION_STATE_DRAINING, (int) n);
        return false;
}

static void receive_batch(FuseSession *session) {
        for (unsigned i = 0; i < BATCH_MAX && can_receive(session); i++)
                if (!receive(session))
                        return;
}

static void on_fd(EventFd *watch, uint32_t events);

/* One from which nothing is wanted is not watched: epoll would report the mount's end for ever. */
static void update_watch(FuseSession *session) {
        bool is_wanted = can_receive(session);

        if (is_wanted == session->is_watched)
                return;
        if (!is_wanted)
                event_fd_remove(&session->watch);
        else if (event_fd_add(&session->watch, session->device->loop, session->fd, EPOLLIN, on_fd) <
                 0) {
                enter(session, FUSE_SESSION_STATE_DRAINING, -ENOMEM);
                return;
        }
        session->is_watched = is_wanted;
}

/* What a predecessor left */

/* An INIT that was not answered, as far as is known, is the only one that the kernel had sent. */
static bool has_left_init(const FuseSession *session) {
        for (unsigned i = 0; i < FUSE_SLOTS_N; i++)
                if (fuse_message_classify(fuse_slots_get(&session->slots, i),
                                          fuse_slots_get_left(&session->slots, i)) ==
                    FUSE_MESSAGE_KIND_INIT)
                        return true;
        return false;
}

/* False: libfuse does not know what was negotiated. */
static bool show_former_init(FuseSession *session) {
        size_t size;
        const uint8_t *init = fuse_slots_get_init(&session->slots, &size);

        if (!init || has_left_init(session))
                return true;
        if (size > FUSE_MESSAGE_INIT_SIZE_MAX ||
            fuse_message_classify(init, fuse_message_get_size(init)) != FUSE_MESSAGE_KIND_INIT)
                return false;
        session->is_muted = true;
        show_library(session, init, size);
        session->is_muted = false;
        return !fuse_session_exited(session->library);
}

static void adopt(FuseSession *session) {
        unsigned n_adopted = 0;

        if (!show_former_init(session)) {
                enter(session, FUSE_SESSION_STATE_DRAINING, -EBADMSG);
                return;
        }
        for (unsigned i = 0; i < FUSE_SLOTS_N; i++) {
                size_t size = fuse_slots_get_left(&session->slots, i);

                if (size == 0)
                        continue;
                n_adopted++;
                dispatch(session, take_free(session, &session->requests[i].node), size);
        }
        if (n_adopted > 0)
                log_device_info(session->device->name,
                                "%u requests of a FUSE mount are answered that its former worker "
                                "had received",
                                n_adopted);
}

/* Nothing is received before all that is answered: it is older. */
static void start(FuseSession *session) {
        if (!list_is_empty(&session->busy))
                return;
        enter(session, FUSE_SESSION_STATE_RUNNING, 0);
}

/* Events */

static void trim(FuseSession *session) {
        LIST_FOR_EACH (node, &session->free)
                fuse_slots_trim(&session->slots, list_entry(node, FuseRequest, node)->slot);
        session->is_bulky = false;
}

static void on_idle(EventTimer *timer) {
        FuseSession *session = container_of(timer, FuseSession, idle_timer);

        if (session->n_busy == 0)
                trim(session);
        else
                event_timer_set(timer, event_loop_now_ns(session->device->loop) + IDLE_NS);
}

/* The end of every event: the session may be freed when this returns. */
static void settle(FuseSession *session) {
        if (session->state == FUSE_SESSION_STATE_STARTING)
                start(session);
        update_watch(session);
        if (session->state != FUSE_SESSION_STATE_DRAINING || session->n_busy > 0)
                return;
        enter(session, FUSE_SESSION_STATE_ENDED, 0);
        event_defer_cancel(&session->defer);
        event_timer_clear(&session->budget_timer);
        event_timer_clear(&session->idle_timer);
        session->ended(session, session->error, session->userdata);
}

static void on_fd(EventFd *watch, uint32_t events) {
        FuseSession *session = container_of(watch, FuseSession, watch);

        receive_batch(session);
        event_timer_set(&session->idle_timer, event_loop_now_ns(session->device->loop) + IDLE_NS);
        settle(session);
}

static void on_defer(EventDefer *defer) {
        FuseSession *session = container_of(defer, FuseSession, defer);

        if (!session->has_adopted) {
                session->has_adopted = true;
                adopt(session);
        }
        settle(session);
}

static void on_budget_timer(EventTimer *timer) {
        event_defer_schedule(&container_of(timer, FuseSession, budget_timer)->defer);
}

void fuse_session_set_request_timeout(FuseSession *session, uint64_t timeout_ns) {
        assert(timeout_ns > 0);

        session->options.request_timeout_ns = timeout_ns;
}

void fuse_session_shut_down(FuseSession *session) {
        enter(session, FUSE_SESSION_STATE_DRAINING, -ECANCELED);
}

void fuse_session_leave(FuseSession *session) {
        session->is_left = true;
        fuse_session_shut_down(session);
}

/* Making */

static void init_requests(FuseSession *session) {
        list_init(&session->free);
        list_init(&session->busy);
        for (unsigned i = 0; i < FUSE_SLOTS_N; i++) {
                FuseRequest *request = &session->requests[i];

                request->session = session;
                request->slot = i;
                request->block.done = fuse_operations_on_block_done;
                list_init(&request->block.node);
                list_init(&request->node);
                list_append(&session->free, &request->node);
        }
}

/* Takes `fd` over, also on failure. */
static int make_library(FuseSession *session, int fd) {
        static const struct fuse_custom_io io = {
                .writev = library_on_writev,
                .read = library_on_read,
        };
        _cleanup_(fd_closep) int owned_fd = fd;
        char name[] = "usb-storage", max_read[] = "-omax_read=1048576";
        char *texts[] = { name, max_read, NULL };
        struct fuse_args arguments = FUSE_ARGS_INIT(2, texts);

        static_assert(FUSE_MESSAGE_DATA_SIZE_MAX == 1048576, "as the option says");
        fuse_set_log_func(library_on_log);
        session->library = fuse_session_new(&arguments, fuse_operations_get(),
                                            sizeof(struct fuse_lowlevel_ops), session);
        fuse_opt_free_args(&arguments);
        if (!session->library)
                return -ENOMEM;
        if (fuse_session_custom_io(session->library, &io, owned_fd) != 0)
                return -ENOMEM;
        session->fd = TAKE_FD(owned_fd);
        return 0;
}

static int init_sources(FuseSession *session) {
        EventLoop *loop = session->device->loop;
        int r;

        event_defer_init(&session->defer, loop, on_defer);
        r = event_timer_init(&session->budget_timer, loop, on_budget_timer);
        if (r < 0)
                return r;
        return event_timer_init(&session->idle_timer, loop, on_idle);
}

FuseSession *fuse_session_free(FuseSession *session) {
        if (!session)
                return NULL;
        assert(session->n_busy == 0);

        event_fd_remove(&session->watch);
        event_defer_cancel(&session->defer);
        event_timer_done(&session->budget_timer);
        event_timer_done(&session->idle_timer);
        if (session->library)
                fuse_session_destroy(session->library); /* closes the descriptor */
        fuse_slots_done(&session->slots);
        free(session);
        return NULL;
}

int fuse_session_start(FuseSession **ret, BlockDevice *device, int fd, int slots_fd,
                       const FuseSessionOptions *options, FuseSessionEnded ended, void *userdata) {
        _cleanup_(fuse_session_freep) FuseSession *session = NULL;
        _cleanup_(fd_closep) int owned_fd = fd;
        int r;

        assert(device && options && ended && fd >= 0);

        session = calloc(1, sizeof(*session));
        if (!session)
                return -ENOMEM;
        session->device = device;
        session->options = *options;
        session->ended = ended;
        session->userdata = userdata;
        session->started_ns = session->modified_ns = event_loop_now_ns(device->loop);
        if (session->options.request_timeout_ns == 0)
                session->options.request_timeout_ns = REQUEST_TIMEOUT_DEFAULT_NS;
        init_requests(session);

        r = init_sources(session);
        if (r < 0)
                return r;
        r = fuse_slots_init(&session->slots, slots_fd);
        if (r < 0)
                return r;
        r = fuse_slots_claim(&session->slots, options->identity, options->identity_size);
        if (r < 0)
                return r;
        r = make_library(session, TAKE_FD(owned_fd));
        if (r < 0)
                return r;
        event_defer_schedule(&session->defer);
        *ret = TAKE_PTR(session);
        return 0;
}
