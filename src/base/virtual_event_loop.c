/*
 * VirtualEventLoop
 *
 * A loop whose clock stands still while anything is ready, and jumps to the next timer when nothing
 * is. Descriptors are asked with poll() in the order in which they were added, so that a run
 * depends on nothing but its sources.
 */

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>

#include "base/virtual_event_loop.h"

/* Where virtual time starts: not at 0, which means "no time" to many. */
#define VIRTUAL_EVENT_LOOP_START_NS NS_PER_S

typedef struct VirtualEventLoop {
        EventLoop loop;
        uint64_t now_ns;
        size_t n_fds;
        size_t n_fds_reserved;    /* of both arrays; grows when a descriptor is added */
        EventFd **polled_watches; /* owned; a removed one is NULL */
        struct pollfd *polled;    /* owned */
        size_t n_polled;          /* 0 but while handlers are called */
} VirtualEventLoop;

/* The bits have the same values on Linux, which makes translation a copy. */
static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLPRI == POLLPRI, "not Linux");
static_assert(EPOLLERR == POLLERR && EPOLLHUP == POLLHUP && EPOLLRDHUP == POLLRDHUP, "not Linux");

static VirtualEventLoop *get(EventLoop *loop) { return container_of(loop, VirtualEventLoop, loop); }

static uint64_t virtual_event_loop_now_ns(EventLoop *loop) { return get(loop)->now_ns; }

/* Refuses what epoll refuses, so that what works here works in production. */
static int check_fd(EventLoop *loop, int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
                return -EPERM;
        LIST_FOR_EACH (node, &loop->fds)
                if (list_entry(node, EventFd, node)->fd == fd)
                        return -EEXIST;
        return 0;
}

static int reserve_fds(VirtualEventLoop *self) {
        size_t n = MAX(2 * self->n_fds_reserved, (size_t) 8);
        EventFd **watches;
        struct pollfd *polled;

        if (self->n_fds < self->n_fds_reserved)
                return 0;

        watches = reallocarray(self->polled_watches, n, sizeof(*watches));
        if (!watches)
                return -ENOMEM;
        self->polled_watches = watches;

        polled = reallocarray(self->polled, n, sizeof(*polled));
        if (!polled)
                return -ENOMEM;
        self->polled = polled;

        self->n_fds_reserved = n;
        return 0;
}

static int virtual_event_loop_fd_add(EventLoop *loop, EventFd *watch) {
        VirtualEventLoop *self = get(loop);
        int r;

        r = check_fd(loop, watch->fd);
        if (r < 0)
                return r;
        r = reserve_fds(self);
        if (r < 0)
                return r;
        self->n_fds++;
        return 0;
}

static void virtual_event_loop_fd_update(EventLoop *loop, EventFd *watch) {
        /* `watch->events` is read anew before each poll(). */
}

static void virtual_event_loop_fd_remove(EventLoop *loop, EventFd *watch) {
        VirtualEventLoop *self = get(loop);

        assert(self->n_fds > 0);
        self->n_fds--;
        for (size_t i = 0; i < self->n_polled; i++)
                if (self->polled_watches[i] == watch)
                        self->polled_watches[i] = NULL;
}

static size_t collect_fds(VirtualEventLoop *self) {
        size_t n = 0;

        LIST_FOR_EACH (node, &self->loop.fds) {
                EventFd *watch = list_entry(node, EventFd, node);

                if (watch->events == 0)
                        continue;
                self->polled_watches[n] = watch;
                self->polled[n] = (struct pollfd){
                        .fd = watch->fd,
                        .events = (short) watch->events,
                };
                n++;
        }
        return n;
}

/* Returns 1 if a handler was called, 0, or -errno. */
static int dispatch_fds(VirtualEventLoop *self) {
        bool ran = false;
        size_t n;
        int r;

        n = collect_fds(self);
        if (n == 0)
                return 0;
        r = poll(self->polled, n, 0);
        if (r < 0)
                return errno == EINTR ? 0 : -errno;

        /* Handlers may add watches, which may move both arrays, and remove any. */
        self->n_polled = n;
        for (size_t i = 0; i < n; i++) {
                EventFd *watch = self->polled_watches[i];
                uint32_t events = (uint32_t) (unsigned short) self->polled[i].revents;

                if (!watch || watch->events == 0 || events == 0)
                        continue;
                watch->handler(watch, events);
                ran = true;
        }
        self->n_polled = 0;
        return ran;
}

static bool dispatch_rest(VirtualEventLoop *self) {
        unsigned n = 0;

        while (n < EVENT_LOOP_DISPATCHES_PER_ITERATION_MAX && event_loop_dispatch(&self->loop))
                n++;
        return n > 0;
}

static int virtual_event_loop_run_once(EventLoop *loop, bool may_wait) {
        VirtualEventLoop *self = get(loop);
        uint64_t deadline_ns;
        int r;

        r = dispatch_fds(self);
        if (r < 0)
                return r;
        if (dispatch_rest(self) || r > 0)
                return 1;

        deadline_ns = event_loop_next_deadline_ns(loop);
        if (!may_wait || deadline_ns == UINT64_MAX)
                return 0;
        assert(deadline_ns > self->now_ns);
        self->now_ns = deadline_ns;
        return dispatch_rest(self);
}

int virtual_event_loop_run_until(EventLoop *loop, uint64_t until_ns) {
        VirtualEventLoop *self = get(loop);

        while (!loop->has_exited && self->now_ns < until_ns) {
                uint64_t deadline_ns;
                int r;

                r = event_loop_run_once(loop, /* may_wait= */ false);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;

                deadline_ns = event_loop_next_deadline_ns(loop);
                if (deadline_ns == UINT64_MAX)
                        break;
                self->now_ns = MIN(deadline_ns, until_ns);
        }
        return 0;
}

static void virtual_event_loop_free(EventLoop *loop) {
        VirtualEventLoop *self = get(loop);

        free(self->polled_watches);
        free(self->polled);
        free(self);
}

static const EventLoopOps virtual_event_loop_ops = {
        .now_ns = virtual_event_loop_now_ns,
        .read_clock_ns = virtual_event_loop_now_ns,
        .fd_add = virtual_event_loop_fd_add,
        .fd_update = virtual_event_loop_fd_update,
        .fd_remove = virtual_event_loop_fd_remove,
        .run_once = virtual_event_loop_run_once,
        .free = virtual_event_loop_free,
};

int virtual_event_loop_new(EventLoop **ret) {
        VirtualEventLoop *self;

        self = calloc(1, sizeof(*self));
        if (!self)
                return -ENOMEM;
        event_loop_init(&self->loop, &virtual_event_loop_ops);
        self->now_ns = VIRTUAL_EVENT_LOOP_START_NS;

        *ret = &self->loop;
        return 0;
}
