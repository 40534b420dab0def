/*
 * SystemdEventLoop
 *
 * The production loop. An iteration waits first, calls the handlers of what is ready, and then runs
 * timers and deferred calls until there are none, or the iteration's share is used up. So the usual
 * request (a descriptor becomes ready, some deferred calls follow) costs one system call of the
 * loop, and a chain of deferred calls costs one per some hundred of them.
 *
 * Nearly all timers are deadlines far away that are cleared or moved long before. A wait with a
 * time-out costs a timer of the kernel and three readings of the clock, which on a machine without
 * a good clock is more than the rest of the iteration; so only near deadlines are time-outs. Others
 * are left to an alarm, a timerfd that stands at the earliest of them and rings there even if that
 * one was moved: one system call in many seconds. Until it rings nothing is due, so that the clock
 * is read only when somebody asks for it.
 *
 * sd-event would dispatch one source per epoll_wait() and three clock readings; therefore it is the
 * guest here, in the way that sd_event_prepare(3) describes for foreign loops.
 */

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "base/systemd_event_loop.h"

#define SYSTEMD_EVENT_LOOP_BATCH_MAX 64
/* Nearer deadlines are time-outs. */
#define SYSTEMD_EVENT_LOOP_ALARM_LEAST_NS (100 * NS_PER_MS)

typedef struct SystemdEventLoop {
        EventLoop loop;
        int epoll_fd;       /* owned */
        int alarm_fd;       /* owned; rings at EventLoop::alarm_ns */
        sd_event *sd_event; /* owned, NULL until someone asks */
        uint64_t now_ns;    /* of this part of an iteration; 0: nobody has asked */
        bool lacks_pwait2;  /* the kernel or its filter refused epoll_pwait2() */

        /* What the last wait brought: data.ptr is the EventFd, NULL once that is removed or was the
         * alarm, or the loop itself for sd_event. */
        struct epoll_event ready[SYSTEMD_EVENT_LOOP_BATCH_MAX];
        int n_ready;
} SystemdEventLoop;

static uint64_t read_clock_ns(void) {
        struct timespec now;
        int r;

        r = clock_gettime(CLOCK_MONOTONIC, &now);
        assert(r == 0);
        /* Some platforms start their clock at boot: the contract forbids only 0. */
        return (uint64_t) now.tv_sec * NS_PER_S + (uint64_t) now.tv_nsec + 1;
}

static SystemdEventLoop *get(EventLoop *loop) { return container_of(loop, SystemdEventLoop, loop); }

static uint64_t systemd_event_loop_now_ns(EventLoop *loop) {
        SystemdEventLoop *self = get(loop);

        if (!loop->is_running)
                return read_clock_ns();
        if (self->now_ns == 0)
                self->now_ns = read_clock_ns();
        return self->now_ns;
}

static uint64_t systemd_event_loop_read_clock_ns(EventLoop *loop) { return read_clock_ns(); }

/* Descriptors */

/* A paused watch stays in the set, as re-adding could fail. The kernel reports EPOLLERR and
 * EPOLLHUP none the less, but edge-triggered it does so once and not for ever. */
static struct epoll_event watch_to_epoll(EventFd *watch) {
        return (struct epoll_event){
                .events = watch->events != 0 ? watch->events : EPOLLET,
                .data.ptr = watch,
        };
}

static int systemd_event_loop_fd_add(EventLoop *loop, EventFd *watch) {
        struct epoll_event event = watch_to_epoll(watch);

        if (epoll_ctl(get(loop)->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) < 0)
                return -errno;
        return 0;
}

static void systemd_event_loop_fd_update(EventLoop *loop, EventFd *watch) {
        struct epoll_event event = watch_to_epoll(watch);
        int r;

        r = epoll_ctl(get(loop)->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
        assert(r == 0);
}

static void systemd_event_loop_fd_remove(EventLoop *loop, EventFd *watch) {
        SystemdEventLoop *self = get(loop);
        struct epoll_event unused = { 0 };

        /* EBADF: was closed, which also took it out of the set. */
        (void) epoll_ctl(self->epoll_fd, EPOLL_CTL_DEL, watch->fd, &unused);

        for (int i = 0; i < self->n_ready; i++)
                if (self->ready[i].data.ptr == watch)
                        self->ready[i].data.ptr = NULL;
}

/* The guest */

/* Returns 1 if sd_event has something to do at once, 0 if it wants to wait, -errno. */
static int prepare_sd_event(SystemdEventLoop *self) {
        int r;

        if (!self->sd_event || sd_event_get_state(self->sd_event) == SD_EVENT_FINISHED)
                return 0;
        r = sd_event_prepare(self->sd_event);
        if (r < 0)
                return r;
        return r > 0;
}

/* Leaves sd_event in its initial state, so that the next iteration can prepare it again. */
static int dispatch_sd_event(SystemdEventLoop *self) {
        int code, r;

        if (!self->sd_event || sd_event_get_state(self->sd_event) == SD_EVENT_FINISHED)
                return 0;

        /* Already pending if prepare said so; then there is nothing to wait for. */
        if (sd_event_get_state(self->sd_event) != SD_EVENT_PENDING) {
                r = sd_event_wait(self->sd_event, 0);
                if (r <= 0)
                        return r;
        }
        r = sd_event_dispatch(self->sd_event);
        if (r < 0)
                return r;

        if (sd_event_get_state(self->sd_event) == SD_EVENT_FINISHED &&
            sd_event_get_exit_code(self->sd_event, &code) >= 0)
                event_loop_exit(&self->loop, code);
        return 1;
}

sd_event *systemd_event_loop_get_sd_event(EventLoop *loop) {
        SystemdEventLoop *self = get(loop);
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = self };
        sd_event *guest = NULL;

        if (self->sd_event)
                return self->sd_event;
        if (sd_event_new(&guest) < 0)
                return NULL;
        if (epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, sd_event_get_fd(guest), &event) < 0) {
                sd_event_unref(guest);
                return NULL;
        }
        self->sd_event = guest;
        return guest;
}

/* The alarm */

/* Edge-triggered, so that an alarm that has rung needn't be read. */
static int init_alarm(SystemdEventLoop *self) {
        struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = &self->alarm_fd };

        self->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (self->alarm_fd < 0 ||
            epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, self->alarm_fd, &event) < 0)
                return -errno;
        return 0;
}

static void set_alarm(SystemdEventLoop *self, uint64_t deadline_ns) {
        /* read_clock_ns() is ahead by one. */
        uint64_t time_ns = deadline_ns - 1;
        struct itimerspec alarm = {
                .it_value = {
                        .tv_sec = (time_t) (time_ns / NS_PER_S),
                        .tv_nsec = (long) (time_ns % NS_PER_S),
                },
        };
        int r;

        r = timerfd_settime(self->alarm_fd, TFD_TIMER_ABSTIME, &alarm, NULL);
        assert(r == 0);
        self->loop.alarm_ns = deadline_ns;
}

static void notice_alarm(SystemdEventLoop *self) {
        for (int i = 0; i < self->n_ready; i++) {
                if (self->ready[i].data.ptr != &self->alarm_fd)
                        continue;
                self->ready[i].data.ptr = NULL;
                self->loop.alarm_ns = UINT64_MAX;
        }
}

/* Waiting */

/* Rounds up: a wait that ends too early would spin until the deadline. */
static int to_milliseconds(uint64_t timeout_ns) {
        uint64_t timeout_ms = DIV_ROUND_UP(timeout_ns, NS_PER_MS);

        return timeout_ms > INT_MAX ? INT_MAX : (int) timeout_ms;
}

/* UINT64_MAX: without end. Returns the number of events or -errno. */
static int wait_for_events(SystemdEventLoop *self, uint64_t timeout_ns) {
        int n;

        if (timeout_ns > 0 && timeout_ns != UINT64_MAX && !self->lacks_pwait2) {
                struct timespec timeout = {
                        .tv_sec = (time_t) (timeout_ns / NS_PER_S),
                        .tv_nsec = (long) (timeout_ns % NS_PER_S),
                };

                n = epoll_pwait2(self->epoll_fd, self->ready, SYSTEMD_EVENT_LOOP_BATCH_MAX,
                                 &timeout, NULL);
                if (n >= 0 || (errno != ENOSYS && errno != EPERM))
                        return n >= 0 ? n : -errno;
                self->lacks_pwait2 = true;
        }

        n = epoll_wait(self->epoll_fd, self->ready, SYSTEMD_EVENT_LOOP_BATCH_MAX,
                       timeout_ns == UINT64_MAX ? -1 : to_milliseconds(timeout_ns));
        return n >= 0 ? n : -errno;
}

static uint64_t timeout_until(SystemdEventLoop *self, uint64_t deadline_ns) {
        uint64_t now_ns;

        if (deadline_ns == 0)
                return 0;
        if (deadline_ns >= self->loop.alarm_ns)
                return UINT64_MAX;
        now_ns = read_clock_ns();
        if (deadline_ns <= now_ns)
                return 0;
        if (deadline_ns - now_ns < SYSTEMD_EVENT_LOOP_ALARM_LEAST_NS)
                return deadline_ns - now_ns;
        set_alarm(self, deadline_ns);
        return UINT64_MAX;
}

static bool call_handlers(SystemdEventLoop *self) {
        bool ran = false;

        for (int i = 0; i < self->n_ready; i++) {
                EventFd *watch = self->ready[i].data.ptr;

                if (!watch || self->ready[i].data.ptr == self || watch->events == 0)
                        continue;
                watch->handler(watch, self->ready[i].events);
                ran = true;
        }
        self->n_ready = 0;
        return ran;
}

/* Waits and runs once. Returns 1 if anything ran, 0, or -errno. */
static int iterate(SystemdEventLoop *self, bool may_wait) {
        bool ran;
        int guest_waits, r;

        r = prepare_sd_event(self);
        if (r < 0)
                return r;
        guest_waits = r == 0;

        r = wait_for_events(self,
                            may_wait && guest_waits
                                            ? timeout_until(self, event_loop_next_deadline_ns(
                                                                                  &self->loop))
                                            : 0);
        if (r < 0 && r != -EINTR)
                return r;

        self->now_ns = 0;
        self->n_ready = MAX(r, 0);
        notice_alarm(self);
        ran = call_handlers(self);

        r = dispatch_sd_event(self);
        if (r < 0)
                return r;
        ran = ran || r > 0;

        for (unsigned i = 0; i < EVENT_LOOP_DISPATCHES_PER_ITERATION_MAX; i++) {
                if (!event_loop_dispatch(&self->loop))
                        break;
                ran = true;
                self->now_ns = 0;
        }
        return ran;
}

static bool has_sources(const SystemdEventLoop *self) {
        return self->sd_event || !list_is_empty(&self->loop.fds) ||
               event_loop_next_deadline_ns(&self->loop) != UINT64_MAX;
}

static int systemd_event_loop_run_once(EventLoop *loop, bool may_wait) {
        SystemdEventLoop *self = get(loop);
        int r;

        /* Signals and the events of paused watches end a wait without anything to run. */
        do {
                if (!has_sources(self))
                        return 0;
                self->now_ns = 0;
                r = iterate(self, may_wait);
        } while (r == 0 && may_wait && !loop->has_exited);

        return r;
}

static void systemd_event_loop_free(EventLoop *loop) {
        SystemdEventLoop *self = get(loop);

        sd_event_unref(self->sd_event);
        fd_close(self->alarm_fd);
        fd_close(self->epoll_fd);
        free(self);
}

static const EventLoopOps systemd_event_loop_ops = {
        .now_ns = systemd_event_loop_now_ns,
        .read_clock_ns = systemd_event_loop_read_clock_ns,
        .fd_add = systemd_event_loop_fd_add,
        .fd_update = systemd_event_loop_fd_update,
        .fd_remove = systemd_event_loop_fd_remove,
        .run_once = systemd_event_loop_run_once,
        .free = systemd_event_loop_free,
};

int systemd_event_loop_new(EventLoop **ret) {
        _cleanup_(event_loop_freep) EventLoop *loop = NULL;
        SystemdEventLoop *self;
        int r;

        self = calloc(1, sizeof(*self));
        if (!self)
                return -ENOMEM;
        loop = &self->loop;
        event_loop_init(loop, &systemd_event_loop_ops);
        self->alarm_fd = -EBADF;
        self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (self->epoll_fd < 0)
                return -errno;
        r = init_alarm(self);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(loop);
        return 0;
}
