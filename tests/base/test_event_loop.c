/* Event loops: what holds for both kinds, and what is special to each. */

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/random.h"
#include "loop_table.h"
#include "unit_test.h"

#define ITERATIONS_MAX 10000

/* What handlers leave behind: one letter each. */
static char trace[256];

static void set_up(void) { trace[0] = '\0'; }

static void note(char letter) {
        size_t n = strlen(trace);

        ck_assert_uint_lt(n, sizeof(trace) - 1);
        trace[n] = letter;
        trace[n + 1] = '\0';
}

static void run_until_idle(EventLoop *loop) {
        unsigned n = 0;
        int r;

        while ((r = event_loop_run_once(loop, /* may_wait= */ false)) > 0)
                ck_assert_uint_lt(n++, ITERATIONS_MAX);
        ck_assert_int_eq(r, 0);
}

/* Deferred calls */

typedef struct Call {
        EventDefer defer;
        char letter;
        EventDefer *schedules; /* borrowed, may be its own */
        EventDefer *cancels;   /* borrowed */
        unsigned n_runs;
        unsigned n_runs_max; /* schedules no more then */
} Call;

static void call_on_defer(EventDefer *defer) {
        Call *call = container_of(defer, Call, defer);

        call->n_runs++;
        if (call->letter)
                note(call->letter);
        if (call->schedules && (call->n_runs_max == 0 || call->n_runs < call->n_runs_max))
                event_defer_schedule(call->schedules);
        if (call->cancels)
                event_defer_cancel(call->cancels);
}

static void call_init(Call *call, EventLoop *loop, char letter) {
        *call = (Call){ .letter = letter };
        event_defer_init(&call->defer, loop, call_on_defer);
}

START_TEST(deferred_calls_run_later_once_and_in_order) {
        EventLoop *loop = new_loop(_i);
        Call a, b, c;

        call_init(&a, loop, 'a');
        call_init(&b, loop, 'b');
        call_init(&c, loop, 'c');
        event_defer_schedule(&b.defer);
        event_defer_schedule(&a.defer);
        event_defer_schedule(&b.defer);
        event_defer_schedule(&c.defer);
        ck_assert_str_eq(trace, "");
        ck_assert(event_defer_is_scheduled(&b.defer));
        run_until_idle(loop);
        ck_assert_str_eq(trace, "bac");
        ck_assert(!event_defer_is_scheduled(&b.defer));
        event_loop_free(loop);
}
END_TEST

START_TEST(a_handler_may_cancel_and_schedule_others_of_its_batch) {
        EventLoop *loop = new_loop(_i);
        Call a, b, c;

        call_init(&a, loop, 'a');
        call_init(&b, loop, 'b');
        call_init(&c, loop, 'c');
        a.cancels = &b.defer;
        c.schedules = &b.defer;
        event_defer_schedule(&a.defer);
        event_defer_schedule(&b.defer);
        event_defer_schedule(&c.defer);
        run_until_idle(loop);
        ck_assert_str_eq(trace, "acb");
        event_loop_free(loop);
}
END_TEST

START_TEST(a_zeroed_defer_may_be_cancelled) {
        EventDefer defer = { 0 };

        event_defer_cancel(&defer);
        ck_assert(!event_defer_is_scheduled(&defer));
}
END_TEST

/* Timers */

typedef struct Alarm {
        EventTimer timer;
        char letter;
        uint64_t fired_ns;
        unsigned n_fired;
        EventTimer *clears;   /* borrowed */
        uint64_t next_ns;     /* arms itself again for that */
        unsigned n_fired_max; /* and stops then */
        EventTimer *finishes; /* borrowed; event_timer_done() */
} Alarm;

static void alarm_on_timer(EventTimer *timer) {
        Alarm *alarm = container_of(timer, Alarm, timer);

        ck_assert(!event_timer_is_armed(timer));
        alarm->fired_ns = event_loop_now_ns(timer->loop);
        ck_assert_uint_ge(alarm->fired_ns, timer->deadline_ns);
        alarm->n_fired++;
        if (alarm->letter)
                note(alarm->letter);
        if (alarm->clears)
                event_timer_clear(alarm->clears);
        if (alarm->next_ns > 0 && alarm->n_fired < alarm->n_fired_max)
                event_timer_set(timer, alarm->next_ns);
        if (alarm->finishes)
                event_timer_done(alarm->finishes);
}

static void alarm_init(Alarm *alarm, EventLoop *loop, char letter) {
        *alarm = (Alarm){ .letter = letter };
        ck_assert_int_eq(event_timer_init(&alarm->timer, loop, alarm_on_timer), 0);
}

static void run_until_fired(EventLoop *loop, Alarm *alarm) {
        for (unsigned n = 0; alarm->n_fired == 0; n++) {
                ck_assert_uint_lt(n, ITERATIONS_MAX);
                ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ true), 1);
        }
}

START_TEST(timers_fire_by_deadline_and_equal_ones_by_arming) {
        EventLoop *loop = new_loop(_i);
        uint64_t now_ns = event_loop_now_ns(loop);
        Alarm a, b, c, d;

        alarm_init(&a, loop, 'a');
        alarm_init(&b, loop, 'b');
        alarm_init(&c, loop, 'c');
        alarm_init(&d, loop, 'd');
        event_timer_set(&d.timer, now_ns + 3 * NS_PER_MS);
        event_timer_set(&b.timer, now_ns + 2 * NS_PER_MS);
        event_timer_set(&a.timer, now_ns + 2 * NS_PER_MS);
        event_timer_set(&c.timer, now_ns + 1 * NS_PER_MS);
        ck_assert(event_timer_is_armed(&c.timer));
        run_until_fired(loop, &d);
        ck_assert_str_eq(trace, "cbad");
        event_timer_done(&a.timer);
        event_timer_done(&b.timer);
        event_timer_done(&c.timer);
        event_timer_done(&d.timer);
        event_loop_free(loop);
}
END_TEST

START_TEST(a_timer_can_be_moved_both_ways_and_cleared) {
        EventLoop *loop = new_loop(_i);
        uint64_t now_ns = event_loop_now_ns(loop);
        Alarm a, b, c;

        alarm_init(&a, loop, 'a');
        alarm_init(&b, loop, 'b');
        alarm_init(&c, loop, 'c');
        event_timer_set(&a.timer, now_ns + 1 * NS_PER_MS);
        event_timer_set(&b.timer, now_ns + 1000 * NS_PER_S);
        event_timer_set(&c.timer, now_ns + 1 * NS_PER_MS);
        event_timer_set(&a.timer, now_ns + 3 * NS_PER_MS);
        event_timer_set(&b.timer, now_ns + 2 * NS_PER_MS);
        event_timer_clear(&c.timer);
        event_timer_clear(&c.timer);
        ck_assert(!event_timer_is_armed(&c.timer));
        run_until_fired(loop, &a);
        ck_assert_str_eq(trace, "ba");
        event_timer_done(&a.timer);
        event_timer_done(&b.timer);
        event_timer_done(&c.timer);
        event_loop_free(loop);
}
END_TEST

START_TEST(a_handler_may_clear_and_finish_timers_that_are_due_with_it) {
        EventLoop *loop = new_loop(_i);
        Alarm a, b, c, d;

        alarm_init(&a, loop, 'a');
        alarm_init(&b, loop, 'b');
        alarm_init(&c, loop, 'c');
        alarm_init(&d, loop, 'd');
        a.clears = &b.timer;
        a.finishes = &c.timer;
        d.finishes = &d.timer;
        event_timer_set(&a.timer, 1);
        event_timer_set(&b.timer, 2);
        event_timer_set(&c.timer, 3);
        event_timer_set(&d.timer, 4);
        run_until_idle(loop);
        ck_assert_str_eq(trace, "ad");
        event_timer_done(&a.timer);
        event_timer_done(&b.timer);
        event_timer_done(&d.timer);
        event_loop_free(loop);
}
END_TEST

START_TEST(a_timer_that_rearms_itself_for_the_past_lets_others_run) {
        EventLoop *loop = new_loop(_i);
        Alarm greedy, other;
        Call call;

        alarm_init(&greedy, loop, 0);
        greedy.next_ns = 1;
        greedy.n_fired_max = UINT_MAX;
        alarm_init(&other, loop, 't');
        call_init(&call, loop, 'c');
        event_timer_set(&greedy.timer, 1);
        event_timer_set(&other.timer, 2);
        event_defer_schedule(&call.defer);
        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ false), 1);
        ck_assert_str_eq(trace, "tc");
        ck_assert_uint_le(greedy.n_fired, EVENT_LOOP_DISPATCHES_PER_ITERATION_MAX);
        event_timer_done(&greedy.timer);
        event_timer_done(&other.timer);
        event_loop_free(loop);
}
END_TEST

/* `_i` chooses the loop. The heap against a plain array that is searched. */
START_TEST(many_random_timers_fire_in_the_order_of_a_model) {
        enum { N_TIMERS = 200 };
        static Alarm alarms[N_TIMERS];
        EventLoop *loop = new_loop(_i);
        uint64_t start_ns = event_loop_now_ns(loop), last_ns = 0;
        Random random;

        random_init(&random, 5);
        for (size_t i = 0; i < N_TIMERS; i++)
                alarm_init(&alarms[i], loop, 0);
        for (unsigned step = 0; step < 5000; step++) {
                EventTimer *timer = &alarms[random_below(&random, N_TIMERS)].timer;
                uint64_t earliest_ns = UINT64_MAX;

                if (random_one_in(&random, 4))
                        event_timer_clear(timer);
                else
                        event_timer_set(timer, start_ns + NS_PER_S + random_below(&random, 1000));
                for (size_t i = 0; i < N_TIMERS; i++)
                        if (event_timer_is_armed(&alarms[i].timer))
                                earliest_ns = MIN(earliest_ns, alarms[i].timer.deadline_ns);
                ck_assert_uint_eq(event_loop_next_deadline_ns(loop), earliest_ns);
        }

        /* Taken out one by one from the top, the deadlines never fall. */
        while (loop->n_timers > 0) {
                ck_assert_uint_ge(loop->timers[1]->deadline_ns, last_ns);
                last_ns = loop->timers[1]->deadline_ns;
                event_timer_clear(loop->timers[1]);
        }
        for (size_t i = 0; i < N_TIMERS; i++)
                event_timer_done(&alarms[i].timer);
        event_loop_free(loop);
}
END_TEST

START_TEST(a_zeroed_timer_may_be_cleared_and_finished) {
        EventTimer timer = { 0 };

        event_timer_clear(&timer);
        event_timer_done(&timer);
        ck_assert(!event_timer_is_armed(&timer));
}
END_TEST

/* Descriptors */

typedef struct Watch {
        EventFd watch;
        char letter;
        uint32_t events;
        unsigned n_events;
        EventFd *removes; /* borrowed */
        bool drains;
} Watch;

static void watch_on_fd(EventFd *fd, uint32_t events) {
        Watch *watch = container_of(fd, Watch, watch);
        char byte;

        watch->events = events;
        watch->n_events++;
        if (watch->letter)
                note(watch->letter);
        if (watch->drains)
                ck_assert_int_eq(read(fd->fd, &byte, 1), 1);
        if (watch->removes)
                event_fd_remove(watch->removes);
}

static void watch_add(Watch *watch, EventLoop *loop, int fd, uint32_t events, char letter) {
        *watch = (Watch){ .letter = letter };
        ck_assert_int_eq(event_fd_add(&watch->watch, loop, fd, events, watch_on_fd), 0);
}

static void new_pair(int fds[2]) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void close_pair(int fds[2]) {
        fd_close(fds[0]);
        fd_close(fds[1]);
}

/* One iteration that begins to wait for the timers and is woken by something else. */
static void wait_and_be_woken(EventLoop *loop) {
        Watch watch;
        int fds[2];

        new_pair(fds);
        watch_add(&watch, loop, fds[0], EPOLLIN, 'w');
        ck_assert_int_eq(write(fds[1], "x", 1), 1);
        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ true), 1);
        event_fd_remove(&watch.watch);
        close_pair(fds);
}

/* Far enough for the systemd loop's alarm: a nearer deadline comes when one stands already, and one
 * is moved away from where it rings. */
START_TEST(distant_timers_can_be_moved_after_the_loop_has_waited_for_them) {
        EventLoop *loop = new_loop(_i);
        Alarm a, b, c;

        alarm_init(&a, loop, 'a');
        alarm_init(&b, loop, 'b');
        alarm_init(&c, loop, 'c');
        event_timer_set(&c.timer, event_loop_now_ns(loop) + 1000 * NS_PER_S);
        wait_and_be_woken(loop);
        event_timer_set(&a.timer, event_loop_now_ns(loop) + 2 * NS_PER_MS);
        run_until_fired(loop, &a);
        event_timer_set(&b.timer, event_loop_now_ns(loop) + 200 * NS_PER_MS);
        wait_and_be_woken(loop);
        event_timer_set(&b.timer, event_loop_now_ns(loop) + 400 * NS_PER_MS);
        run_until_fired(loop, &b);
        ck_assert_str_eq(trace, "wawb");
        event_timer_done(&a.timer);
        event_timer_done(&b.timer);
        event_timer_done(&c.timer);
        event_loop_free(loop);
}
END_TEST

START_TEST(a_watch_reports_for_as_long_as_its_condition_holds) {
        EventLoop *loop = new_loop(_i);
        Watch watch;
        int fds[2];

        new_pair(fds);
        watch_add(&watch, loop, fds[0], EPOLLIN, 'i');
        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ false), 0);

        ck_assert_int_eq(write(fds[1], "xx", 2), 2);
        for (unsigned i = 0; i < 3; i++)
                ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ false), 1);
        ck_assert_str_eq(trace, "iii");
        ck_assert_uint_eq(watch.events, EPOLLIN);

        watch.drains = true;
        run_until_idle(loop);
        ck_assert_str_eq(trace, "iiiii");
        event_fd_remove(&watch.watch);
        event_fd_remove(&watch.watch);
        close_pair(fds);
        event_loop_free(loop);
}
END_TEST

START_TEST(events_can_be_changed_and_paused) {
        EventLoop *loop = new_loop(_i);
        Watch watch;
        int fds[2];

        new_pair(fds);
        watch_add(&watch, loop, fds[0], EPOLLIN, 0);
        event_fd_set_events(&watch.watch, EPOLLIN | EPOLLOUT);
        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ false), 1);
        ck_assert_uint_eq(watch.events, EPOLLOUT);

        event_fd_set_events(&watch.watch, 0);
        ck_assert_int_eq(write(fds[1], "x", 1), 1);
        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ false), 0);

        event_fd_set_events(&watch.watch, EPOLLIN);
        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ false), 1);
        ck_assert_uint_eq(watch.events, EPOLLIN);
        event_fd_remove(&watch.watch);
        close_pair(fds);
        event_loop_free(loop);
}
END_TEST

START_TEST(a_hang_up_is_reported_unless_the_watch_is_paused) {
        EventLoop *loop = new_loop(_i);
        Watch watch;
        int fds[2];

        new_pair(fds);
        watch_add(&watch, loop, fds[0], 0, 0);
        fds[1] = fd_close(fds[1]);
        for (unsigned i = 0; i < 3; i++)
                ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ false), 0);
        event_fd_set_events(&watch.watch, EPOLLIN);
        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ false), 1);
        ck_assert_uint_eq(watch.events, EPOLLIN | EPOLLHUP);
        event_fd_remove(&watch.watch);
        close_pair(fds);
        event_loop_free(loop);
}
END_TEST

START_TEST(a_handler_may_remove_any_watch_that_is_ready_with_it) {
        EventLoop *loop = new_loop(_i);
        int a_fds[2], b_fds[2];
        Watch a, b;

        new_pair(a_fds);
        new_pair(b_fds);
        watch_add(&a, loop, a_fds[0], EPOLLOUT, 'w');
        watch_add(&b, loop, b_fds[0], EPOLLOUT, 'w');
        /* Whichever comes first removes the other; its memory may then be gone. */
        a.removes = &b.watch;
        b.removes = &a.watch;
        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ false), 1);
        ck_assert_str_eq(trace, "w");
        event_fd_remove(&a.watch);
        event_fd_remove(&b.watch);
        close_pair(a_fds);
        close_pair(b_fds);
        event_loop_free(loop);
}
END_TEST

START_TEST(a_handler_may_remove_its_own_watch) {
        EventLoop *loop = new_loop(_i);
        Watch watch;
        int fds[2];

        new_pair(fds);
        watch_add(&watch, loop, fds[0], EPOLLOUT, 'w');
        watch.removes = &watch.watch;
        run_until_idle(loop);
        ck_assert_str_eq(trace, "w");
        close_pair(fds);
        event_loop_free(loop);
}
END_TEST

START_TEST(watches_may_come_and_go_in_great_number) {
        enum { N_PAIRS = 100 };
        static Watch watches[N_PAIRS];
        EventLoop *loop = new_loop(_i);
        int fds[N_PAIRS][2];
        unsigned n = 0;

        for (size_t i = 0; i < N_PAIRS; i++) {
                new_pair(fds[i]);
                watch_add(&watches[i], loop, fds[i][0], EPOLLOUT, 0);
                watches[i].removes = &watches[i].watch;
        }
        run_until_idle(loop);
        for (size_t i = 0; i < N_PAIRS; i++) {
                n += watches[i].n_events;
                close_pair(fds[i]);
        }
        ck_assert_uint_eq(n, N_PAIRS);
        event_loop_free(loop);
}
END_TEST

START_TEST(what_cannot_be_watched_is_refused) {
        char path[] = "/tmp/test-event-loop-XXXXXX";
        EventLoop *loop = new_loop(_i);
        EventFd watch = { 0 };
        Watch first;
        int fds[2], fd;

        fd = mkstemp(path);
        ck_assert_int_ge(fd, 0);
        (void) unlink(path);
        ck_assert_int_eq(event_fd_add(&watch, loop, fd, EPOLLIN, watch_on_fd), -EPERM);
        fd_close(fd);
        ck_assert_int_eq(event_fd_add(&watch, loop, fd, EPOLLIN, watch_on_fd), -EBADF);

        new_pair(fds);
        watch_add(&first, loop, fds[0], EPOLLIN, 0);
        ck_assert_int_eq(event_fd_add(&watch, loop, fds[0], EPOLLIN, watch_on_fd), -EEXIST);
        event_fd_remove(&watch);
        event_fd_remove(&first.watch);
        close_pair(fds);
        event_loop_free(loop);
}
END_TEST

START_TEST(an_endless_chain_of_deferred_calls_starves_nobody) {
        EventLoop *loop = new_loop(_i);
        Watch watch;
        Alarm alarm;
        Call call;
        int fds[2];

        new_pair(fds);
        watch_add(&watch, loop, fds[0], EPOLLOUT, 0);
        alarm_init(&alarm, loop, 0);
        event_timer_set(&alarm.timer, 1);
        call_init(&call, loop, 0);
        call.schedules = &call.defer;
        event_defer_schedule(&call.defer);
        for (unsigned i = 0; i < 3; i++)
                ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ true), 1);
        ck_assert_uint_eq(watch.n_events, 3);
        ck_assert_uint_eq(alarm.n_fired, 1);
        ck_assert_uint_eq(call.n_runs, 3 * EVENT_LOOP_DISPATCHES_PER_ITERATION_MAX *
                                                       EVENT_LOOP_DEFERS_PER_DISPATCH_MAX);
        event_defer_cancel(&call.defer);
        event_timer_done(&alarm.timer);
        event_fd_remove(&watch.watch);
        close_pair(fds);
        event_loop_free(loop);
}
END_TEST

/* Running */

static void exit_on_defer(EventDefer *defer) { event_loop_exit(defer->loop, 42); }

START_TEST(run_returns_the_code_of_exit) {
        EventLoop *loop = new_loop(_i);
        EventDefer defer;

        event_defer_init(&defer, loop, exit_on_defer);
        event_defer_schedule(&defer);
        ck_assert_int_eq(event_loop_run(loop), 42);
        ck_assert_int_eq(event_loop_run(loop), 42);
        event_loop_free(loop);
}
END_TEST

START_TEST(run_notices_that_nothing_can_happen_any_more) {
        EventLoop *loop = new_loop(_i);
        Call call;

        call_init(&call, loop, 'a');
        event_defer_schedule(&call.defer);
        ck_assert_int_eq(event_loop_run(loop), -EDEADLK);
        ck_assert_str_eq(trace, "a");
        event_loop_free(loop);
}
END_TEST

START_TEST(time_does_not_go_back_and_starts_beyond_zero) {
        EventLoop *loop = new_loop(_i);
        uint64_t last_ns = 0;

        for (unsigned i = 0; i < 100; i++) {
                uint64_t now_ns = event_loop_now_ns(loop);

                ck_assert_uint_gt(now_ns, 0);
                ck_assert_uint_ge(now_ns, last_ns);
                last_ns = now_ns;
        }
        event_loop_free(loop);
        ck_assert_ptr_null(event_loop_free(NULL));
}
END_TEST

/* The virtual loop */

START_TEST(virtual_time_jumps_to_the_next_timer) {
        EventLoop *loop = new_loop(1);
        uint64_t start_ns = event_loop_now_ns(loop);
        Alarm alarm;

        alarm_init(&alarm, loop, 0);
        event_timer_set(&alarm.timer, start_ns + 3600 * NS_PER_S);
        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ false), 0);
        ck_assert_uint_eq(event_loop_now_ns(loop), start_ns);
        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ true), 1);
        ck_assert_uint_eq(alarm.fired_ns, start_ns + 3600 * NS_PER_S);
        event_timer_done(&alarm.timer);
        event_loop_free(loop);
}
END_TEST

START_TEST(virtual_time_stands_while_anything_is_ready) {
        EventLoop *loop = new_loop(1);
        uint64_t start_ns = event_loop_now_ns(loop);
        Watch watch;
        Alarm alarm;
        Call call;
        int fds[2];

        new_pair(fds);
        watch_add(&watch, loop, fds[0], EPOLLIN, 0);
        watch.drains = true;
        ck_assert_int_eq(write(fds[1], "xxx", 3), 3);
        alarm_init(&alarm, loop, 0);
        event_timer_set(&alarm.timer, start_ns + 1);
        call_init(&call, loop, 0);
        call.schedules = &call.defer;
        call.n_runs_max = 1000;
        event_defer_schedule(&call.defer);
        while (alarm.n_fired == 0)
                ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ true), 1);
        ck_assert_uint_eq(watch.n_events, 3);
        ck_assert_uint_eq(call.n_runs, 1000);
        event_timer_done(&alarm.timer);
        event_fd_remove(&watch.watch);
        close_pair(fds);
        event_loop_free(loop);
}
END_TEST

START_TEST(virtual_runs_stop_at_their_end) {
        EventLoop *loop = new_loop(1);
        uint64_t start_ns = event_loop_now_ns(loop);
        Alarm a, b;

        alarm_init(&a, loop, 'a');
        alarm_init(&b, loop, 'b');
        event_timer_set(&a.timer, start_ns + 10);
        event_timer_set(&b.timer, start_ns + 30);
        ck_assert_int_eq(virtual_event_loop_run_until(loop, start_ns + 20), 0);
        ck_assert_str_eq(trace, "a");
        ck_assert_uint_eq(event_loop_now_ns(loop), start_ns + 20);
        ck_assert_int_eq(virtual_event_loop_run_until(loop, UINT64_MAX), 0);
        ck_assert_str_eq(trace, "ab");
        ck_assert_uint_eq(event_loop_now_ns(loop), start_ns + 30);
        event_timer_done(&a.timer);
        event_timer_done(&b.timer);
        event_loop_free(loop);
}
END_TEST

/* The systemd loop */

static int on_sd_defer(sd_event_source *source, void *userdata) {
        note('s');
        return 0;
}

static int on_sd_time(sd_event_source *source, uint64_t usec, void *userdata) {
        note('t');
        return sd_event_exit(sd_event_source_get_event(source), 9);
}

START_TEST(sources_of_sd_event_run_beside_our_own) {
        EventLoop *loop = new_loop(0);
        sd_event *guest = systemd_event_loop_get_sd_event(loop);
        Call call;

        ck_assert_ptr_nonnull(guest);
        ck_assert_ptr_eq(systemd_event_loop_get_sd_event(loop), guest);
        ck_assert_int_ge(sd_event_add_defer(guest, NULL, on_sd_defer, NULL), 0);
        call_init(&call, loop, 'd');
        event_defer_schedule(&call.defer);
        run_until_idle(loop);
        ck_assert_str_eq(trace, "sd");
        event_loop_free(loop);
}
END_TEST

START_TEST(a_timer_of_sd_event_wakes_the_loop_and_its_exit_ends_it) {
        EventLoop *loop = new_loop(0);
        sd_event *guest = systemd_event_loop_get_sd_event(loop);

        ck_assert_int_ge(sd_event_add_time_relative(guest, NULL, CLOCK_MONOTONIC, 1000, 1,
                                                    on_sd_time, NULL),
                         0);
        ck_assert_int_eq(event_loop_run(loop), 9);
        ck_assert_str_eq(trace, "t");
        event_loop_free(loop);
}
END_TEST

/* Deliberately late registration: sd_event was prepared before this source existed. */
static int on_sd_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        char byte;

        ck_assert_int_eq(read(fd, &byte, 1), 1);
        note('r');
        return 0;
}

START_TEST(descriptors_of_sd_event_wake_the_loop) {
        EventLoop *loop = new_loop(0);
        sd_event *guest = systemd_event_loop_get_sd_event(loop);
        int fds[2];

        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ false), 0);
        new_pair(fds);
        ck_assert_int_ge(sd_event_add_io(guest, NULL, fds[0], EPOLLIN, on_sd_io, NULL), 0);
        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ false), 0);
        ck_assert_int_eq(write(fds[1], "x", 1), 1);
        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ true), 1);
        ck_assert_str_eq(trace, "r");
        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ false), 0);
        event_loop_free(loop);
        close_pair(fds);
}
END_TEST

static void add_special_tests(Suite *suite) {
        TCase *tcase = tcase_create("special");

        tcase_add_checked_fixture(tcase, set_up, NULL);
        tcase_add_test(tcase, a_zeroed_defer_may_be_cancelled);
        tcase_add_test(tcase, a_zeroed_timer_may_be_cleared_and_finished);
        tcase_add_test(tcase, virtual_time_jumps_to_the_next_timer);
        tcase_add_test(tcase, virtual_time_stands_while_anything_is_ready);
        tcase_add_test(tcase, virtual_runs_stop_at_their_end);
        tcase_add_test(tcase, sources_of_sd_event_run_beside_our_own);
        tcase_add_test(tcase, a_timer_of_sd_event_wakes_the_loop_and_its_exit_ends_it);
        tcase_add_test(tcase, descriptors_of_sd_event_wake_the_loop);
        suite_add_tcase(suite, tcase);
}

int main(void) {
        const TTest *const tests[] = {
                deferred_calls_run_later_once_and_in_order,
                a_handler_may_cancel_and_schedule_others_of_its_batch,
                timers_fire_by_deadline_and_equal_ones_by_arming,
                a_timer_can_be_moved_both_ways_and_cleared,
                distant_timers_can_be_moved_after_the_loop_has_waited_for_them,
                a_handler_may_clear_and_finish_timers_that_are_due_with_it,
                a_timer_that_rearms_itself_for_the_past_lets_others_run,
                many_random_timers_fire_in_the_order_of_a_model,
                a_watch_reports_for_as_long_as_its_condition_holds,
                events_can_be_changed_and_paused,
                a_hang_up_is_reported_unless_the_watch_is_paused,
                a_handler_may_remove_any_watch_that_is_ready_with_it,
                a_handler_may_remove_its_own_watch,
                watches_may_come_and_go_in_great_number,
                what_cannot_be_watched_is_refused,
                an_endless_chain_of_deferred_calls_starves_nobody,
                run_returns_the_code_of_exit,
                run_notices_that_nothing_can_happen_any_more,
                time_does_not_go_back_and_starts_beyond_zero,
                NULL,
        };
        Suite *suite = suite_over_loops("event_loop", set_up, tests);

        add_special_tests(suite);
        return run_suite(suite);
}
