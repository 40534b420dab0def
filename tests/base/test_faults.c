/*
 * A sweep of faults: the n-th request for memory or a descriptor fails, for n = 1, 2, … until
 * everything succeeds. Each failure must be reported as such and leave nothing behind, which the
 * loop's own end and the sanitizers check. The linker sends the library's calls here.
 */

#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/buffer.h"
#include "base/task.h"
#include "loop_table.h"
#include "unit_test.h"

#define STEPS_MAX 1000

/* Counts down to the step that fails; 0: none does. */
static unsigned n_steps_left;
static bool has_failed;

static bool fails(int error) {
        if (n_steps_left == 0 || --n_steps_left > 0)
                return false;
        has_failed = true;
        errno = error;
        return true;
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__real_reallocarray(void *memory, size_t n, size_t size);
void *__wrap_reallocarray(void *memory, size_t n, size_t size);
void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__real_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_mprotect(void *address, size_t size, int protection);
int __wrap_mprotect(void *address, size_t size, int protection);
int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
int __real_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);

void *__wrap_calloc(size_t n, size_t size) { return fails(ENOMEM) ? NULL : __real_calloc(n, size); }

void *__wrap_realloc(void *memory, size_t size) {
        return fails(ENOMEM) ? NULL : __real_realloc(memory, size);
}

void *__wrap_reallocarray(void *memory, size_t n, size_t size) {
        return fails(ENOMEM) ? NULL : __real_reallocarray(memory, n, size);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
        return fails(ENOMEM) ? MAP_FAILED
                             : __real_mmap(address, size, protection, flags, fd, offset);
}

void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
        return fails(ENOMEM) ? MAP_FAILED
                             : __real_mmap64(address, size, protection, flags, fd, offset);
}

int __wrap_mprotect(void *address, size_t size, int protection) {
        return fails(ENOMEM) ? -1 : __real_mprotect(address, size, protection);
}

int __wrap_epoll_create1(int flags) { return fails(EMFILE) ? -1 : __real_epoll_create1(flags); }

/* Only adding may fail: the rest must not ask the kernel for anything. */
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event) {
        if (operation == EPOLL_CTL_ADD && fails(ENOSPC))
                return -1;
        return __real_epoll_ctl(epoll_fd, operation, fd, event);
}

/* Everything in base that can run out of something, with its own way back. */
typedef struct Scene {
        EventLoop *loop; /* owned */
        EventTimer timers[20];
        EventFd watches[20];
        int fds[20][2];
        Buffer buffer;
        unsigned n_done;
        int last_result;
} Scene;

static void on_timer(EventTimer *timer) {}

static void on_fd(EventFd *watch, uint32_t events) {}

static int sleep_a_little(Task *task, void *userdata) { return task_sleep(task, NS_PER_MS); }

static void on_done(Task *task, int result, void *userdata) {
        Scene *scene = userdata;

        scene->n_done++;
        scene->last_result = result;
}

static int scene_add_sources(Scene *scene) {
        int r;

        for (size_t i = 0; i < N_ELEMENTS(scene->timers); i++) {
                r = event_timer_init(&scene->timers[i], scene->loop, on_timer);
                if (r < 0)
                        return r;
                event_timer_set(&scene->timers[i], i + 1);
        }
        for (size_t i = 0; i < N_ELEMENTS(scene->watches); i++) {
                r = event_fd_add(&scene->watches[i], scene->loop, scene->fds[i][0], EPOLLIN, on_fd);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int scene_run(Scene *scene, int kind) {
        int r;

        r = loop_kinds[kind].new(&scene->loop);
        if (r < 0)
                return r;
        r = scene_add_sources(scene);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < 3; i++) {
                r = task_start(NULL, scene->loop, "task", sleep_a_little, on_done, scene);
                if (r < 0)
                        return r;
        }
        for (unsigned i = 0; i < 10; i++) {
                r = buffer_append(&scene->buffer, "0123456789012345678901234567890123456789", 40);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Ends whatever came to be. What runs already must not need anything more. */
static void scene_end(Scene *scene) {
        unsigned n_iterations = 0;

        while (scene->loop &&
               (scene->loop->n_timers > 0 || !list_is_empty(&scene->loop->deferred))) {
                ck_assert_uint_lt(n_iterations++, STEPS_MAX);
                ck_assert_int_eq(event_loop_run_once(scene->loop, /* may_wait= */ true), 1);
        }
        ck_assert_int_eq(scene->last_result, 0);
        for (size_t i = 0; i < N_ELEMENTS(scene->timers); i++)
                event_timer_done(&scene->timers[i]);
        for (size_t i = 0; i < N_ELEMENTS(scene->watches); i++) {
                event_fd_remove(&scene->watches[i]);
                fd_close(scene->fds[i][0]);
                fd_close(scene->fds[i][1]);
        }
        buffer_done(&scene->buffer);
        event_loop_free(scene->loop);
}

START_TEST(every_failure_is_reported_and_leaves_nothing_behind) {
        unsigned step = 0;

        do {
                Scene scene = { 0 };
                int r;

                ck_assert_uint_lt(step, STEPS_MAX);
                for (size_t i = 0; i < N_ELEMENTS(scene.fds); i++)
                        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, scene.fds[i]), 0);
                buffer_init(&scene.buffer, 4096);

                has_failed = false;
                n_steps_left = ++step;
                r = scene_run(&scene, _i);
                n_steps_left = 0;
                ck_assert_msg(has_failed == (r < 0), "step %u: %i", step, r);
                ck_assert(!has_failed || r == -ENOMEM || r == -EMFILE || r == -ENOSPC);
                scene_end(&scene);
                ck_assert(has_failed || scene.n_done == 3);
        } while (has_failed);

        /* At least the loop, the heap, three tasks, the pool, their stacks and the buffer. */
        ck_assert_uint_gt(step, 14);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                every_failure_is_reported_and_leaves_nothing_behind,
                NULL,
        };

        return run_suite(suite_over_loops("faults", NULL, tests));
}
