#pragma once

/*
 * EventLoop
 *
 * Where a process waits: watched descriptors, timers and deferred calls. One thread owns a loop and
 * everything on it. Production runs on sd-event (systemd_event_loop.h), simulation in virtual time
 * (virtual_event_loop.h); everything above sees this header alone and reads no clock but
 * the loop's.
 *
 * Sources are embedded in their owner and never allocate after `add`: arming a timer and scheduling
 * a deferred call can't fail and cost no system call.
 */

#include <sys/epoll.h>

#include "base/list.h"

typedef struct EventDefer EventDefer;
typedef struct EventFd EventFd;
typedef struct EventLoop EventLoop;
typedef struct EventLoopOps EventLoopOps;
typedef struct EventTimer EventTimer;
typedef struct TaskPool TaskPool;

typedef void (*EventDeferHandler)(EventDefer *defer);
/* `events` are EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP as epoll(7) reports them. */
typedef void (*EventFdHandler)(EventFd *watch, uint32_t events);
typedef void (*EventTimerHandler)(EventTimer *timer);

/* Runs soon, once per schedule, never from within schedule; in the order in which they were
 * scheduled. */
struct EventDefer {
        EventLoop *loop; /* borrowed */
        EventDeferHandler handler;
        ListNode node; /* EventLoop::deferred */
};

struct EventTimer {
        EventLoop *loop; /* borrowed */
        EventTimerHandler handler;
        uint64_t deadline_ns; /* of event_loop_now_ns(); meaningful while armed */
        uint64_t sequence;    /* of arming, so that equal deadlines fire in that order */
        size_t heap_index;    /* in EventLoop::timers, counted from one; 0: not there */
        ListNode node;        /* EventLoop::due */
};

struct EventFd {
        EventLoop *loop; /* borrowed */
        EventFdHandler handler;
        int fd; /* borrowed */
        uint32_t events;
        void *backend; /* the loop's own */
        ListNode node; /* EventLoop::fds */
};

struct EventLoopOps {
        /* Mandatory. Nanoseconds of a monotonic clock, which may be cached for one iteration. */
        uint64_t (*now_ns)(EventLoop *loop);
        /* Mandatory. The same clock, read at once. */
        uint64_t (*read_clock_ns)(EventLoop *loop);
        /* Mandatory. Starts to watch; returns -errno (-EPERM: the descriptor can't be polled). */
        int (*fd_add)(EventLoop *loop, EventFd *watch);
        /* Mandatory. `watch->events` has changed. Can't fail. */
        void (*fd_update)(EventLoop *loop, EventFd *watch);
        /* Mandatory. */
        void (*fd_remove)(EventLoop *loop, EventFd *watch);
        /* Mandatory. Runs what is due; sleeps if nothing is and `may_wait`. -errno, 0: ran
         * nothing, 1. */
        int (*run_once)(EventLoop *loop, bool may_wait);
        /* Mandatory. Frees `loop`; all sources are gone. */
        void (*free)(EventLoop *loop);
};

/* The head of each implementation. Private to base and to implementations. */
struct EventLoop {
        const EventLoopOps *ops;
        ListNode deferred;   /* EventDefer::node */
        ListNode fds;        /* EventFd::node */
        ListNode due;        /* EventTimer::node, out of the heap and about to fire */
        EventTimer **timers; /* owned array, a binary heap by deadline; [0] is unused */
        size_t n_timers;
        size_t n_timers_reserved; /* grows in event_timer_init, so that arming can't fail */
        size_t n_timers_initialised;
        uint64_t timer_sequence;
        uint64_t alarm_ns;   /* the implementation's word that no deadline from there on is due;
                              UINT64_MAX: it gives none */
        TaskPool *task_pool; /* owned, made by the first task */
        int exit_code;
        bool has_exited;
        bool is_running; /* within event_loop_run_once(), which is not re-entrant */
};

/* Asserts that no source is left. Takes NULL, returns NULL. */
EventLoop *event_loop_free(EventLoop *loop);
DEFINE_CLEANUP(EventLoop *, event_loop_free);

/* A steady clock; where it starts is unspecified, but it is never 0. */
uint64_t event_loop_now_ns(EventLoop *loop);
/* The same clock, never cached: for what is measured within one iteration. It costs as much as all
 * else that a request costs on some machines, so it is for samples. */
uint64_t event_loop_read_clock_ns(EventLoop *loop);

/* One iteration. Returns 1 if anything ran, 0 if there was nothing to do (with `may_wait`: and
 * there never will be, as no source is left that could wake the loop), -errno. Not from within a
 * handler.
 */
int event_loop_run_once(EventLoop *loop, bool may_wait);
/* Runs until event_loop_exit(), which may have come before; returns its code, -EDEADLK if nothing
 * is left that could call it, or -errno. */
int event_loop_run(EventLoop *loop);
void event_loop_exit(EventLoop *loop, int code);

void event_defer_init(EventDefer *defer, EventLoop *loop, EventDeferHandler handler);
/* Harmless if scheduled already. */
void event_defer_schedule(EventDefer *defer);
bool event_defer_is_scheduled(const EventDefer *defer);
/* Harmless on a zeroed defer. */
void event_defer_cancel(EventDefer *defer);

/* Reserves the timer's place in the heap: -ENOMEM. Every success needs an event_timer_done(), which
 * is harmless on a zeroed timer. */
int event_timer_init(EventTimer *timer, EventLoop *loop, EventTimerHandler handler);
void event_timer_done(EventTimer *timer);
/* (Re)arms; a deadline in the past fires in the next iteration, never from within. */
void event_timer_set(EventTimer *timer, uint64_t deadline_ns);
void event_timer_clear(EventTimer *timer);
bool event_timer_is_armed(const EventTimer *timer);

/* Watches `fd` (level-triggered) until event_fd_remove(), which must come before `fd` is closed;
 * -errno (-EEXIST: is watched already). Any handler may remove any watch. */
int event_fd_add(EventFd *watch, EventLoop *loop, int fd, uint32_t events, EventFdHandler handler);
/* 0 pauses the watch: not even EPOLLHUP is reported then. */
void event_fd_set_events(EventFd *watch, uint32_t events);
/* Harmless on a zeroed or removed watch. */
void event_fd_remove(EventFd *watch);

/* At most so many deferred calls run in one dispatch, so that a chain of them, in which each
 * schedules the next, can't keep timers and descriptors from their turn. */
#define EVENT_LOOP_DEFERS_PER_DISPATCH_MAX 32
/* An iteration dispatches at most so often before it looks at its descriptors again. */
#define EVENT_LOOP_DISPATCHES_PER_ITERATION_MAX 8

/*
 * For implementations: runs due timers and a bounded batch of deferred calls; returns whether
 * anything ran. event_loop_next_deadline_ns() is UINT64_MAX if no timer is armed, 0 if a deferred
 * call waits.
 */
bool event_loop_dispatch(EventLoop *loop);
uint64_t event_loop_next_deadline_ns(const EventLoop *loop);
void event_loop_init(EventLoop *loop, const EventLoopOps *ops);
