/* Tasks: awaiting, deadlines, cancellation, and what becomes of their stacks. */

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/random.h"
#include "base/task.h"
#include "loop_table.h"
#include "unit_test.h"

#define ITERATIONS_MAX 1000000

/* A future whose producer is the test: it completes by a timer, and by cancellation if it bears
 * that. */
typedef struct Work {
        Future future;
        EventTimer timer;
        int result;
        uint64_t cancel_delay_ns; /* how long giving up takes; 0: at once */
        unsigned n_cancelled;
} Work;

static void work_on_timer(EventTimer *timer) {
        Work *work = container_of(timer, Work, timer);

        future_complete(&work->future, work->n_cancelled > 0 ? -EINTR : work->result);
}

static void work_on_cancel(Future *future) {
        Work *work = container_of(future, Work, future);

        work->n_cancelled++;
        event_timer_clear(&work->timer);
        if (work->cancel_delay_ns == 0)
                future_complete(future, -EINTR);
        else
                event_timer_set(&work->timer,
                                event_loop_now_ns(work->timer.loop) + work->cancel_delay_ns);
}

/* `duration_ns` of TASK_NEVER: ends only by cancellation. */
static void work_init(Work *work, EventLoop *loop, uint64_t duration_ns, int result) {
        *work = (Work){ .result = result };
        future_init(&work->future, loop, work_on_cancel);
        ck_assert_int_eq(event_timer_init(&work->timer, loop, work_on_timer), 0);
        if (duration_ns != TASK_NEVER)
                event_timer_set(&work->timer, event_loop_now_ns(loop) + duration_ns);
}

/* What a test's task did, and what it is told to do. */
typedef struct Story {
        Task *task;
        uint64_t work_ns;
        uint64_t deadline_ns; /* from the start of the await; TASK_NEVER */
        uint64_t cancel_delay_ns;
        int await_result;
        int second_result;
        unsigned n_cancelled;
        uint64_t elapsed_ns;
        bool has_started;
        unsigned n_done;
        int result;
} Story;

static void on_done(Task *task, int result, void *userdata) {
        Story *story = userdata;

        ck_assert_ptr_eq(task, story->task);
        story->n_done++;
        story->result = result;
}

static void run_until_done(EventLoop *loop, const Story *story) {
        for (unsigned n = 0; story->n_done == 0; n++) {
                ck_assert_uint_lt(n, ITERATIONS_MAX);
                ck_assert_int_ge(event_loop_run_once(loop, /* may_wait= */ true), 1);
        }
}

static void story_start(Story *story, EventLoop *loop, TaskMain body) {
        ck_assert_int_eq(task_start(&story->task, loop, "story", body, on_done, story), 0);
}

static uint64_t deadline_of(const Story *story, EventLoop *loop) {
        return story->deadline_ns == TASK_NEVER ? TASK_NEVER
                                                : event_loop_now_ns(loop) + story->deadline_ns;
}

static int await_work(Task *task, void *userdata) {
        EventLoop *loop = task_get_loop(task);
        uint64_t start_ns = event_loop_now_ns(loop);
        Story *story = userdata;
        Work work;

        story->has_started = true;
        work_init(&work, loop, story->work_ns, 77);
        work.cancel_delay_ns = story->cancel_delay_ns;
        story->await_result = task_await(task, &work.future, deadline_of(story, loop));
        story->elapsed_ns = event_loop_now_ns(loop) - start_ns;
        story->n_cancelled = work.n_cancelled;
        ck_assert_int_eq(work.future.state, FUTURE_STATE_DELIVERED);
        event_timer_done(&work.timer);

        work_init(&work, loop, story->work_ns == TASK_NEVER ? 0 : story->work_ns, 88);
        story->second_result = task_await(task, &work.future, TASK_NEVER);
        event_timer_done(&work.timer);
        return 5;
}

START_TEST(a_task_starts_later_and_returns_its_result_once) {
        EventLoop *loop = new_loop(_i);
        Story story = { .deadline_ns = TASK_NEVER };

        story_start(&story, loop, await_work);
        ck_assert(!story.has_started);
        ck_assert_str_eq(task_get_name(story.task), "story");
        run_until_done(loop, &story);
        ck_assert_int_eq(story.await_result, 77);
        ck_assert_int_eq(story.second_result, 88);
        ck_assert_int_eq(story.result, 5);
        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ false), 0);
        ck_assert_uint_eq(story.n_done, 1);
        event_loop_free(loop);
}
END_TEST

/* What one await comes to: the work takes `work`, the await allows `deadline`, the task is cancelled
 * `cancel` after its start, giving up takes `give_up` (in virtual milliseconds; -1: never). */
typedef struct AwaitCase {
        const char *name;
        int work_ms, deadline_ms, cancel_ms, give_up_ms;
        int result, second_result;
        int elapsed_ms;
        unsigned n_cancelled;
} AwaitCase;

static const AwaitCase await_cases[] = {
        { "completes", 10, -1, -1, 0, 77, 88, 10, 0 },
        { "completes before its deadline", 10, 11, -1, 0, 77, 88, 10, 0 },
        { "completes together with its deadline", 10, 10, -1, 0, 77, 88, 10, 0 },
        { "is late", 10, 9, -1, 0, -ETIMEDOUT, 88, 9, 1 },
        { "is late and gives up slowly", 10, 9, -1, 20, -ETIMEDOUT, 88, 29, 1 },
        { "has a deadline that has passed", 10, 0, -1, 0, -ETIMEDOUT, 88, 0, 1 },
        { "never completes", -1, 50, -1, 0, -ETIMEDOUT, 88, 50, 1 },
        { "is cancelled", 10, -1, 5, 0, -ECANCELED, -ECANCELED, 5, 1 },
        { "is cancelled and gives up slowly", 10, -1, 5, 20, -ECANCELED, -ECANCELED, 25, 1 },
        { "is cancelled while it times out", 10, 5, 7, 20, -ECANCELED, -ECANCELED, 25, 1 },
        { "times out while it is cancelled", 10, 7, 5, 20, -ECANCELED, -ECANCELED, 25, 1 },
        { "is cancelled before it starts", 10, -1, 0, 0, -ECANCELED, -ECANCELED, 0, 1 },
};

static uint64_t to_ns(int ms) { return ms < 0 ? TASK_NEVER : (uint64_t) ms * NS_PER_MS; }

START_TEST(an_await_ends_as_the_table_says) {
        const AwaitCase *c = &await_cases[_i];
        EventLoop *loop = new_loop(1);
        Story story = {
                .work_ns = to_ns(c->work_ms),
                .deadline_ns = to_ns(c->deadline_ms),
                .cancel_delay_ns = to_ns(c->give_up_ms),
        };

        story_start(&story, loop, await_work);
        if (c->cancel_ms > 0)
                ck_assert_int_eq(virtual_event_loop_run_until(loop,
                                                              event_loop_now_ns(loop) +
                                                                              to_ns(c->cancel_ms)),
                                 0);
        if (c->cancel_ms >= 0) {
                ck_assert(!task_is_cancelled(story.task));
                task_cancel(story.task);
                task_cancel(story.task);
                ck_assert(task_is_cancelled(story.task));
        }
        run_until_done(loop, &story);
        ck_assert_msg(story.await_result == c->result, "%s: %i", c->name, story.await_result);
        ck_assert_msg(story.second_result == c->second_result, "%s: %i", c->name,
                      story.second_result);
        ck_assert_msg(story.elapsed_ns == to_ns(c->elapsed_ms), "%s: %lu ns", c->name,
                      (unsigned long) story.elapsed_ns);
        ck_assert_uint_eq(story.n_cancelled, c->n_cancelled);
        ck_assert_int_eq(story.result, 5);
        event_loop_free(loop);
}
END_TEST

/* A future that was delivered before anyone awaited it. */
static int await_delivered(Task *task, void *userdata) {
        Future early, late;
        int r;

        future_init(&early, task_get_loop(task), NULL);
        future_init(&late, task_get_loop(task), NULL);
        future_complete(&early, 1);
        future_complete(&late, 2);
        r = task_await(task, &late, TASK_NEVER);
        ck_assert_int_eq(early.state, FUTURE_STATE_DELIVERED);
        return 10 * r + task_await(task, &early, TASK_NEVER);
}

START_TEST(a_delivered_future_can_be_awaited) {
        EventLoop *loop = new_loop(_i);
        Story story = { 0 };

        story_start(&story, loop, await_delivered);
        run_until_done(loop, &story);
        ck_assert_int_eq(story.result, 21);
        event_loop_free(loop);
}
END_TEST

/* Sleep */

static int sleep_for_work_ns(Task *task, void *userdata) {
        Story *story = userdata;
        uint64_t start_ns = event_loop_now_ns(task_get_loop(task));
        int r;

        r = task_sleep(task, story->work_ns);
        story->elapsed_ns = event_loop_now_ns(task_get_loop(task)) - start_ns;
        return r;
}

START_TEST(sleep_lasts_as_long_as_asked) {
        EventLoop *loop = new_loop(_i);
        Story story = { .work_ns = 2 * NS_PER_MS };

        story_start(&story, loop, sleep_for_work_ns);
        run_until_done(loop, &story);
        ck_assert_int_eq(story.result, 0);
        ck_assert_uint_ge(story.elapsed_ns, 2 * NS_PER_MS);
        event_loop_free(loop);
}
END_TEST

START_TEST(endless_sleep_ends_by_cancellation) {
        EventLoop *loop = new_loop(_i);
        Story story = { .work_ns = TASK_NEVER };

        story_start(&story, loop, sleep_for_work_ns);
        ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ false), 1);
        task_cancel(story.task);
        run_until_done(loop, &story);
        ck_assert_int_eq(story.result, -ECANCELED);
        event_loop_free(loop);
}
END_TEST

/* Many */

enum { N_TASKS = 100 };

typedef struct Crowd {
        Random random;
        unsigned n_done;
        unsigned sum;
} Crowd;

/* Fills some of its stack, so that one task's writes would show in another. */
static int sleep_and_check(Task *task, void *userdata) {
        Crowd *crowd = userdata;
        unsigned char pattern[2048], *mine = pattern;
        unsigned char value = (unsigned char) random_below(&crowd->random, 256);

        memset(mine, value, sizeof(pattern));
        for (unsigned i = 0; i < 20; i++) {
                if (task_sleep(task, random_below(&crowd->random, NS_PER_MS)) < 0)
                        return -ECANCELED;
                for (size_t k = 0; k < sizeof(pattern); k++)
                        if (mine[k] != value)
                                return -EBADMSG;
        }
        return 1;
}

static void crowd_on_done(Task *task, int result, void *userdata) {
        Crowd *crowd = userdata;

        ck_assert_int_eq(result, 1);
        crowd->n_done++;
}

START_TEST(many_tasks_run_interleaved_and_keep_their_stacks_apart) {
        EventLoop *loop = new_loop(1);
        Crowd crowd = { 0 };

        random_init(&crowd.random, 3);
        /* Twice, so that the second crowd gets stacks of the first. */
        for (unsigned round = 1; round <= 2; round++) {
                for (unsigned i = 0; i < N_TASKS; i++)
                        ck_assert_int_eq(task_start(NULL, loop, "crowd", sleep_and_check,
                                                    crowd_on_done, &crowd),
                                         0);
                ck_assert_int_eq(virtual_event_loop_run_until(loop, UINT64_MAX), 0);
                ck_assert_uint_eq(crowd.n_done, round * N_TASKS);
        }
        event_loop_free(loop);
}
END_TEST

/* Each task starts the next and waits for it, down to some depth. */
typedef struct Level {
        Future future;
        unsigned depth;
} Level;

static void level_on_done(Task *task, int result, void *userdata) {
        future_complete(&((Level *) userdata)->future, result);
}

static int descend(Task *task, void *userdata) {
        const Level *level = userdata;
        Level next = { .depth = level->depth + 1 };
        int r;

        if (level->depth == N_TASKS)
                return (int) level->depth;
        future_init(&next.future, task_get_loop(task), NULL);
        r = task_start(NULL, task_get_loop(task), "descend", descend, level_on_done, &next);
        if (r < 0)
                return r;
        return task_await(task, &next.future, TASK_NEVER);
}

START_TEST(tasks_may_wait_for_tasks_to_great_depth) {
        EventLoop *loop = new_loop(_i);
        Level top = { .depth = 0 };

        future_init(&top.future, loop, NULL);
        ck_assert_int_eq(task_start(NULL, loop, "descend", descend, level_on_done, &top), 0);
        while (top.future.state != FUTURE_STATE_DELIVERED)
                ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ true), 1);
        ck_assert_int_eq(top.future.result, N_TASKS);
        event_loop_free(loop);
}
END_TEST

/* Ends */

typedef struct Owner {
        unsigned n_left;
        uintptr_t first_frame;
        bool has_reused;
} Owner;

static int note_frame(Task *task, void *userdata) {
        Owner *owner = userdata;
        uintptr_t frame = (uintptr_t) __builtin_frame_address(0);

        owner->has_reused = frame == owner->first_frame;
        owner->first_frame = frame;
        return 0;
}

static void start_next(Task *task, int result, void *userdata) {
        Owner *owner = userdata;

        if (owner->n_left-- == 0) {
                event_loop_exit(task_get_loop(task), 0);
                free(owner);
                return;
        }
        ck_assert_int_eq(task_start(NULL, task_get_loop(task), "next", note_frame, start_next,
                                    owner),
                         0);
        ck_assert(owner->n_left == 9 || owner->has_reused);
}

START_TEST(done_may_start_the_next_task_on_the_same_stack_and_free_its_owner) {
        EventLoop *loop = new_loop(_i);
        Owner *owner = calloc(1, sizeof(*owner));

        ck_assert_ptr_nonnull(owner);
        owner->n_left = 10;
        ck_assert_int_eq(task_start(NULL, loop, "first", note_frame, start_next, owner), 0);
        ck_assert_int_eq(event_loop_run(loop), 0);
        event_loop_free(loop);
}
END_TEST

/* `depth` frames of a kilobyte each. */
static unsigned __attribute__((noinline)) dig(unsigned depth) {
        volatile unsigned char frame[1024];

        frame[0] = (unsigned char) depth;
        frame[sizeof(frame) - 1] = 1;
        return depth == 0 ? frame[0] : dig(depth - 1) + frame[sizeof(frame) - 1];
}

static int dig_deep(Task *task, void *userdata) { return (int) dig(*(unsigned *) userdata); }

/* Runs a task that digs as deep as `argument` says. */
static void run_digger(void *argument) {
        EventLoop *loop = new_loop(1);

        ck_assert_int_eq(task_start(NULL, loop, "digger", dig_deep, NULL, argument), 0);
        ck_assert_int_eq(event_loop_run(loop), -EDEADLK);
        event_loop_free(loop);
}

START_TEST(a_stack_holds_what_it_promises_and_its_guard_stops_the_rest) {
        unsigned within = TASK_STACK_SIZE / 1024 / 2, beyond = 16 * TASK_STACK_SIZE / 1024;
        int status;

        status = run_in_child(run_digger, &within);
        ck_assert(WIFEXITED(status));
        ck_assert_int_eq(WEXITSTATUS(status), EXIT_SUCCESS);

        /* Sanitizers catch the signal and exit instead. */
        status = run_in_child(run_digger, &beyond);
        ck_assert((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) ||
                  (WIFEXITED(status) && WEXITSTATUS(status) != EXIT_SUCCESS));
}
END_TEST

static void add_special_tests(Suite *suite) {
        TCase *tcase = tcase_create("special");

        tcase_add_loop_test(tcase, an_await_ends_as_the_table_says, 0, N_ELEMENTS(await_cases));
        tcase_add_test(tcase, many_tasks_run_interleaved_and_keep_their_stacks_apart);
        tcase_add_test(tcase, a_stack_holds_what_it_promises_and_its_guard_stops_the_rest);
        suite_add_tcase(suite, tcase);
}

int main(void) {
        const TTest *const tests[] = {
                a_task_starts_later_and_returns_its_result_once,
                a_delivered_future_can_be_awaited,
                sleep_lasts_as_long_as_asked,
                endless_sleep_ends_by_cancellation,
                tasks_may_wait_for_tasks_to_great_depth,
                done_may_start_the_next_task_on_the_same_stack_and_free_its_owner,
                NULL,
        };
        Suite *suite = suite_over_loops("task", NULL, tests);

        add_special_tests(suite);
        return run_suite(suite);
}
