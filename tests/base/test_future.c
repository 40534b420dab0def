/* Futures: one result, delivered once, later, by the loop. */

#include <errno.h>
#include <limits.h>
#include <signal.h>

#include "base/future.h"
#include "loop_table.h"
#include "unit_test.h"

static unsigned n_delivered, n_cancelled;
static int result;

static void set_up(void) {
        n_delivered = 0;
        n_cancelled = 0;
        result = INT_MIN;
}

static void on_done(Future *future) {
        ck_assert_int_eq(future->state, FUTURE_STATE_DELIVERED);
        n_delivered++;
        result = future->result;
}

static void on_done_free(Future *future) {
        n_delivered++;
        free(future);
}

static void on_cancel(Future *future) { n_cancelled++; }

static void on_cancel_complete(Future *future) {
        n_cancelled++;
        future_complete(future, -ECANCELED);
}

static void run_until_idle(EventLoop *loop) {
        while (event_loop_run_once(loop, /* may_wait= */ false) > 0)
                ;
}

START_TEST(a_result_is_delivered_once_and_never_from_within_complete) {
        EventLoop *loop = new_loop(_i);
        Future future;

        future_init(&future, loop, NULL);
        future_then(&future, on_done);
        ck_assert(!future_is_completed(&future));
        run_until_idle(loop);
        ck_assert_uint_eq(n_delivered, 0);

        future_complete(&future, 7);
        ck_assert(future_is_completed(&future));
        ck_assert_uint_eq(n_delivered, 0);
        run_until_idle(loop);
        run_until_idle(loop);
        ck_assert_uint_eq(n_delivered, 1);
        ck_assert_int_eq(result, 7);
        event_loop_free(loop);
}
END_TEST

START_TEST(a_waiter_may_come_between_completion_and_delivery) {
        EventLoop *loop = new_loop(_i);
        Future future;

        future_init(&future, loop, NULL);
        future_complete(&future, -EIO);
        future_then(&future, on_done);
        run_until_idle(loop);
        ck_assert_uint_eq(n_delivered, 1);
        ck_assert_int_eq(result, -EIO);
        event_loop_free(loop);
}
END_TEST

START_TEST(a_future_without_waiter_keeps_its_result) {
        EventLoop *loop = new_loop(_i);
        Future future;

        future_init(&future, loop, NULL);
        future_complete(&future, 3);
        run_until_idle(loop);
        ck_assert_int_eq(future.state, FUTURE_STATE_DELIVERED);
        ck_assert_int_eq(future.result, 3);
        event_loop_free(loop);
}
END_TEST

START_TEST(the_waiter_may_free_the_future) {
        EventLoop *loop = new_loop(_i);
        Future *future = malloc(sizeof(*future));

        ck_assert_ptr_nonnull(future);
        future_init(future, loop, NULL);
        future_then(future, on_done_free);
        future_complete(future, 0);
        run_until_idle(loop);
        ck_assert_uint_eq(n_delivered, 1);
        event_loop_free(loop);
}
END_TEST

START_TEST(cancellation_asks_once_and_completion_may_come_later) {
        EventLoop *loop = new_loop(_i);
        Future future;

        future_init(&future, loop, on_cancel);
        future_then(&future, on_done);
        future_cancel(&future);
        future_cancel(&future);
        run_until_idle(loop);
        ck_assert_uint_eq(n_cancelled, 1);
        ck_assert_uint_eq(n_delivered, 0);
        future_complete(&future, -ECANCELED);
        run_until_idle(loop);
        ck_assert_uint_eq(n_delivered, 1);
        event_loop_free(loop);
}
END_TEST

START_TEST(cancellation_may_complete_at_once_and_is_still_delivered_later) {
        EventLoop *loop = new_loop(_i);
        Future future;

        future_init(&future, loop, on_cancel_complete);
        future_then(&future, on_done);
        future_cancel(&future);
        ck_assert_uint_eq(n_delivered, 0);
        future_cancel(&future);
        run_until_idle(loop);
        ck_assert_uint_eq(n_cancelled, 1);
        ck_assert_uint_eq(n_delivered, 1);
        ck_assert_int_eq(result, -ECANCELED);
        event_loop_free(loop);
}
END_TEST

START_TEST(a_completed_future_is_not_cancelled_any_more) {
        EventLoop *loop = new_loop(_i);
        Future future;

        future_init(&future, loop, on_cancel);
        future_complete(&future, 5);
        future_cancel(&future);
        run_until_idle(loop);
        future_cancel(&future);
        ck_assert_uint_eq(n_cancelled, 0);
        ck_assert_int_eq(future.result, 5);
        event_loop_free(loop);
}
END_TEST

START_TEST(who_cannot_be_hurried_ignores_cancellation) {
        EventLoop *loop = new_loop(_i);
        Future future;

        future_init(&future, loop, NULL);
        future_cancel(&future);
        ck_assert(!future_is_completed(&future));
        future_complete(&future, 1);
        run_until_idle(loop);
        ck_assert_int_eq(future.result, 1);
        event_loop_free(loop);
}
END_TEST

static void complete_twice(void *argument) {
        EventLoop *loop = new_loop(1);
        Future future;

        future_init(&future, loop, NULL);
        future_complete(&future, 1);
        future_complete(&future, 1);
}

START_TEST(completing_twice_is_a_programming_error) {
        int status = run_in_child(complete_twice, NULL);

        ck_assert(WIFSIGNALED(status));
        ck_assert_int_eq(WTERMSIG(status), SIGABRT);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_result_is_delivered_once_and_never_from_within_complete,
                a_waiter_may_come_between_completion_and_delivery,
                a_future_without_waiter_keeps_its_result,
                the_waiter_may_free_the_future,
                cancellation_asks_once_and_completion_may_come_later,
                cancellation_may_complete_at_once_and_is_still_delivered_later,
                a_completed_future_is_not_cancelled_any_more,
                who_cannot_be_hurried_ignores_cancellation,
                NULL,
        };
        Suite *suite = suite_over_loops("future", set_up, tests);
        TCase *deaths = tcase_create("deaths");

        tcase_add_test(deaths, completing_twice_is_a_programming_error);
        suite_add_tcase(suite, deaths);
        return run_suite(suite);
}
