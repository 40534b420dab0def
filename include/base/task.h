#pragma once

/*
 * Task
 *
 * A stackful coroutine for what is sequential: bring-up, recovery, negotiation. It runs on the
 * loop's thread with a guarded stack from a pool, and gives the loop back whenever it awaits. ASan
 * and Valgrind are told about the switches.
 */

#include "base/future.h"

#define TASK_STACK_SIZE (64 * KIB)
#define TASK_STACKS_POOLED_MAX 16
#define TASK_NEVER UINT64_MAX

typedef struct Task Task;

/* The body: returns 0 or more, or -errno. Every way out must leave no future of its frame pending.
 */
typedef int (*TaskMain)(Task *task, void *userdata);
/* Called from the loop after the body has returned; `task` is freed when it returns. */
typedef void (*TaskDone)(Task *task, int result, void *userdata);

/*
 * Starts soon, not from within. `name` is borrowed for the task's life. `ret` (may be NULL) is
 * borrowed: valid until `done` (may be NULL) has returned. -ENOMEM.
 */
int task_start(Task **ret, EventLoop *loop, const char *name, TaskMain main, TaskDone done,
               void *userdata);

/* The await in progress, and every later one, returns -ECANCELED. The task still ends by itself. */
void task_cancel(Task *task);
bool task_is_cancelled(const Task *task);

/*
 * Waits for `future`. Past `deadline_ns` (of the loop's clock, TASK_NEVER for none), or when the
 * task is cancelled, the future is cancelled, and waited for none the less, as it may live in this
 * frame; then -ETIMEDOUT or -ECANCELED is returned, else the future's result. Only from within
 * `task`.
 */
int task_await(Task *task, Future *future, uint64_t deadline_ns);
/* 0, or -ECANCELED. */
int task_sleep(Task *task, uint64_t duration_ns);

EventLoop *task_get_loop(const Task *task);
const char *task_get_name(const Task *task);

/* For the loop's end. */
TaskPool *task_pool_free(TaskPool *pool);
