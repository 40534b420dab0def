/* Children that behave in every bad way end, are reported once, and never hold their parent up. */

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "device/child_process.h"
#include "fake_children.h"

typedef struct Watched {
        EventLoop *loop;
        FakeChildren children;
        ChildProcess *child;
        bool has_ended;
        bool has_message;
        char how[128];
} Watched;

static void on_message(ChildProcess *child, const ControlMessage *message, int *fds, size_t n_fds,
                       void *userdata) {
        ((Watched *) userdata)->has_message = true;
}

static void on_ended(ChildProcess *child, const char *how, void *userdata) {
        Watched *watched = userdata;

        ck_assert(!watched->has_ended);
        watched->has_ended = true;
        strncpy(watched->how, how, sizeof(watched->how) - 1);
        watched->child = child_process_free(child);
}

static void watched_init(Watched *watched, const char *behaviour) {
        static const ChildHandlers handlers = { .message = on_message, .ended = on_ended };

        *watched = (Watched){};
        fake_children_init(&watched->children);
        ck_assert_int_eq(systemd_event_loop_new(&watched->loop), 0);
        ck_assert_int_eq(child_process_new(&watched->child, watched->loop,
                                           fake_children_get(&watched->children, behaviour),
                                           behaviour),
                         0);
        child_process_set_owner(watched->child, behaviour, &handlers, watched);
}

static void watched_done(Watched *watched) {
        child_process_free(watched->child);
        event_loop_free(watched->loop);
        fake_children_done(&watched->children);
}

typedef struct EndCase {
        const char *behaviour;
        const char *how;
} EndCase;

static const EndCase end_cases[] = {
        { "exits", "exited with status 7" },
        { "wrong-version", "speaks another version and was killed" },
        { "babbles", "sent what makes no sense and was killed" },
};

START_TEST(child_that_misbehaves_ends) {
        Watched watched;

        watched_init(&watched, end_cases[_i].behaviour);
        fake_children_run_until(watched.loop, &watched.has_ended);
        ck_assert_str_eq(watched.how, end_cases[_i].how);
        watched_done(&watched);
}
END_TEST

START_TEST(killed_child_is_reported_with_its_signal) {
        Watched watched;

        watched_init(&watched, "good");
        kill(child_process_get_pid(watched.child), SIGKILL);
        fake_children_run_until(watched.loop, &watched.has_ended);
        ck_assert_ptr_nonnull(strstr(watched.how, "signal 9"));
        watched_done(&watched);
}
END_TEST

START_TEST(stopped_child_says_so_and_ends) {
        Watched watched;

        watched_init(&watched, "good");
        child_process_send_type(watched.child, CONTROL_TYPE_STOP);
        fake_children_run_until(watched.loop, &watched.has_ended);
        ck_assert(watched.has_message);
        ck_assert_str_eq(watched.how, "exited with status 0");
        watched_done(&watched);
}
END_TEST

START_TEST(frozen_child_is_killed) {
        Watched watched;

        watched_init(&watched, "good");
        kill(child_process_get_pid(watched.child), SIGSTOP);
        fake_children_run_until(watched.loop, &watched.has_ended);
        ck_assert_str_eq(watched.how, "stopped answering and was killed");
        watched_done(&watched);
}
END_TEST

START_TEST(freeing_kills) {
        Watched watched;
        pid_t pid;

        watched_init(&watched, "stubborn");
        pid = child_process_get_pid(watched.child);
        watched.child = child_process_free(watched.child);
        for (unsigned i = 0; i < 1000 && kill(pid, 0) == 0; i++) {
                usleep(10000);
                waitpid(pid, NULL, WNOHANG);
        }
        ck_assert_int_lt(kill(pid, 0), 0);
        watched_done(&watched);
}
END_TEST

START_TEST(program_that_is_missing_is_an_error) {
        ChildProcess *child = NULL;
        EventLoop *loop;

        ck_assert_int_eq(systemd_event_loop_new(&loop), 0);
        ck_assert_int_eq(child_process_new(&child, loop, "/nowhere/at-all", "missing"), -ENOENT);
        ck_assert_ptr_null(child);
        event_loop_free(loop);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("child process");
        TCase *tcase = tcase_create("children");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_loop_test(tcase, child_that_misbehaves_ends, 0, N_ELEMENTS(end_cases));
        tcase_add_test(tcase, killed_child_is_reported_with_its_signal);
        tcase_add_test(tcase, stopped_child_says_so_and_ends);
        tcase_add_test(tcase, frozen_child_is_killed);
        tcase_add_test(tcase, freeing_kills);
        tcase_add_test(tcase, program_that_is_missing_is_an_error);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
