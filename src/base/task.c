/*
 * Task
 *
 * A Context on a pooled Stack, resumed by the delivery of the future that it awaits. Every switch
 * is between the loop's stack and a task's: handlers run on the loop's, and a task can wake another
 * only through the loop. So one task runs at a time, and the pool knows which.
 */

#include <errno.h>

#include "base/context.h"
#include "base/instrumentation.h"
#include "base/stack.h"
#include "base/task.h"

struct TaskPool {
        ListNode stacks; /* Stack::node, owned, unused */
        size_t n_stacks;
        size_t n_tasks;
        Task *running;        /* borrowed; NULL: the loop itself */
        Context loop_context; /* valid while a task runs */
        void *loop_kept;
        const void *loop_stack; /* as AddressSanitizer tells it */
        size_t loop_stack_size;
};

struct Task {
        EventLoop *loop;  /* borrowed */
        TaskPool *pool;   /* borrowed, the loop's */
        const char *name; /* borrowed */
        TaskMain main;
        TaskDone done;
        void *userdata;

        Stack *stack; /* owned */
        Context context;
        void *kept;

        EventDefer start;
        EventTimer deadline;
        Future *awaited; /* borrowed; NULL: runs, or has not started */
        bool is_cancelled;
        bool has_timed_out; /* the await in progress */
        bool has_returned;
        int result;
};

/* Pool */

static int task_pool_get(EventLoop *loop, TaskPool **ret) {
        if (!loop->task_pool) {
                loop->task_pool = calloc(1, sizeof(TaskPool));
                if (!loop->task_pool)
                        return -ENOMEM;
                list_init(&loop->task_pool->stacks);
        }
        *ret = loop->task_pool;
        return 0;
}

static int task_pool_take_stack(TaskPool *pool, Stack **ret) {
        ListNode *node = list_take_first(&pool->stacks);

        if (!node)
                return stack_new(ret, TASK_STACK_SIZE);
        pool->n_stacks--;
        *ret = list_entry(node, Stack, node);
        return 0;
}

static void task_pool_put_stack(TaskPool *pool, Stack *stack) {
        if (pool->n_stacks >= TASK_STACKS_POOLED_MAX) {
                stack_free(stack);
                return;
        }
        stack_forget(stack);
        list_prepend(&pool->stacks, &stack->node);
        pool->n_stacks++;
}

TaskPool *task_pool_free(TaskPool *pool) {
        ListNode *node;

        if (!pool)
                return NULL;

        assert(pool->n_tasks == 0);
        assert(!pool->running);
        while ((node = list_take_first(&pool->stacks)))
                stack_free(list_entry(node, Stack, node));
        free(pool);
        return NULL;
}

/* Switching */

/* From the task to the loop; returns when the task is resumed, unless it has returned. */
static void task_suspend(Task *task) {
        TaskPool *pool = task->pool;

        instrumentation_switch_begins(task->has_returned ? NULL : &task->kept, pool->loop_stack,
                                      pool->loop_stack_size);
        context_switch(&task->context, &pool->loop_context);
        instrumentation_switch_ended(task->kept, &pool->loop_stack, &pool->loop_stack_size);
}

static void task_run(void *argument) {
        Task *task = argument;

        instrumentation_switch_ended(NULL, &task->pool->loop_stack, &task->pool->loop_stack_size);
        task->result = task->main(task, task->userdata);
        task->has_returned = true;
        task_suspend(task);
        assert_not_reached();
}

static Task *task_free(Task *task) {
        if (!task)
                return NULL;

        event_defer_cancel(&task->start);
        event_timer_done(&task->deadline);
        if (task->stack)
                task_pool_put_stack(task->pool, task->stack);
        free(task);
        return NULL;
}
DEFINE_CLEANUP(Task *, task_free);

static void task_finish(Task *task) {
        assert(!task->awaited);

        /* `done` may free everything but the task itself, and start the next task on this stack. */
        task_pool_put_stack(task->pool, TAKE_PTR(task->stack));
        event_timer_clear(&task->deadline);
        if (task->done)
                task->done(task, task->result, task->userdata);
        task->pool->n_tasks--;
        task_free(task);
}

/* From the loop to the task; returns when the task awaits or has returned. */
static void task_resume(Task *task) {
        TaskPool *pool = task->pool;

        assert(!pool->running);
        assert(!task->has_returned);

        pool->running = task;
        instrumentation_switch_begins(&pool->loop_kept, task->stack->memory, task->stack->size);
        context_switch(&pool->loop_context, &task->context);
        instrumentation_switch_ended(pool->loop_kept, NULL, NULL);
        pool->running = NULL;

        if (task->has_returned)
                task_finish(task);
}

/* Waiting */

static void task_on_start(EventDefer *start) { task_resume(container_of(start, Task, start)); }

static void task_on_deadline(EventTimer *deadline) {
        Task *task = container_of(deadline, Task, deadline);

        assert(task->awaited);
        /* Completed in time, but not delivered yet: that is no time-out. */
        if (future_is_completed(task->awaited))
                return;
        task->has_timed_out = true;
        future_cancel(task->awaited);
}

static void task_on_delivery(Future *future) {
        Task *task = future->waiter;

        assert(task->awaited == future);
        task->awaited = NULL;
        task_resume(task);
}

/* Returns when `future` is delivered. */
static void task_wait(Task *task, Future *future, uint64_t deadline_ns) {
        future->waiter = task;
        future_then(future, task_on_delivery);

        task->awaited = future;
        task->has_timed_out = false;
        if (deadline_ns != TASK_NEVER)
                event_timer_set(&task->deadline, deadline_ns);
        if (task->is_cancelled)
                future_cancel(future);

        task_suspend(task);
        event_timer_clear(&task->deadline);
}

int task_await(Task *task, Future *future, uint64_t deadline_ns) {
        bool has_timed_out = false;

        assert(task->pool->running == task);
        assert(!task->awaited);

        if (future->state != FUTURE_STATE_DELIVERED) {
                task_wait(task, future, deadline_ns);
                has_timed_out = task->has_timed_out;
        }
        assert(future->state == FUTURE_STATE_DELIVERED);

        if (task->is_cancelled)
                return -ECANCELED;
        return has_timed_out ? -ETIMEDOUT : future->result;
}

static void sleep_on_cancel(Future *future) { future_complete(future, 0); }

int task_sleep(Task *task, uint64_t duration_ns) {
        uint64_t now_ns = event_loop_now_ns(task->loop);
        Future end;
        int r;

        /* Nothing completes this one but its own deadline, or the task's cancellation. */
        future_init(&end, task->loop, sleep_on_cancel);
        r = task_await(task, &end,
                       duration_ns < TASK_NEVER - now_ns ? now_ns + duration_ns : TASK_NEVER);
        return r == -ETIMEDOUT ? 0 : r;
}

/* Life */

int task_start(Task **ret, EventLoop *loop, const char *name, TaskMain main, TaskDone done,
               void *userdata) {
        _cleanup_(task_freep) Task *task = NULL;
        int r;

        assert(name);
        assert(main);

        task = calloc(1, sizeof(*task));
        if (!task)
                return -ENOMEM;
        task->loop = loop;
        task->name = name;
        task->main = main;
        task->done = done;
        task->userdata = userdata;
        event_defer_init(&task->start, loop, task_on_start);

        r = task_pool_get(loop, &task->pool);
        if (r < 0)
                return r;
        r = task_pool_take_stack(task->pool, &task->stack);
        if (r < 0)
                return r;
        r = event_timer_init(&task->deadline, loop, task_on_deadline);
        if (r < 0)
                return r;

        context_init(&task->context, task->stack->memory, task->stack->size, task_run, task);
        event_defer_schedule(&task->start);
        task->pool->n_tasks++;
        if (ret)
                *ret = task;
        TAKE_PTR(task);
        return 0;
}

void task_cancel(Task *task) {
        task->is_cancelled = true;
        if (task->awaited)
                future_cancel(task->awaited);
}

bool task_is_cancelled(const Task *task) { return task->is_cancelled; }

EventLoop *task_get_loop(const Task *task) { return task->loop; }

const char *task_get_name(const Task *task) { return task->name; }
