/*
 * The real thing: a child works on an arena, is stepped through its instructions, and killed. Its
 * parent reads the memfd as a successor does.
 *
 * A child that stands at an instruction has left in the memfd what one that is killed there leaves.
 * So each operation is walked through once, with a look wherever the arena's metadata changed and
 * at every so many instructions. Then children are killed, some instructions after each point at
 * which the arena says that it will store something. CACHE_KILL_ALL=1 looks at every instruction,
 * and kills at all those after such a point.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "arena_model.h"
#include "cache/cache_arena_layout.h"
#include "unit_test.h"

#define LINE_SIZE (64 * KIB)
/* Instructions between two looks where no metadata changes. */
#define STRIDE 251
/* Instructions after a point within which children are killed, and how many of them. */
#define KILL_WINDOW 128
#define KILLS_PER_POINT 3
/* What ends a test for which something is missing (meson). */
#define EXIT_SKIPPED 77
/* Generous, for sanitizers and busy machines. */
#define TIMEOUT_S 240

#define CLAIM(at, of_lun, at_line) \
        { .kind = ARENA_OPERATION_KIND_CLAIM, .slot = (at), .lun = (of_lun), .line = (at_line) }
#define KEEP(at, from, n, with)                                                                  \
        {                                                                                        \
                .kind = ARENA_OPERATION_KIND_STORE, .slot = (at), .offset = (from), .size = (n), \
                .is_kept = true, .seed = (with)                                                  \
        }
#define FILL(at, from, n, with)                                                                  \
        {                                                                                        \
                .kind = ARENA_OPERATION_KIND_STORE, .slot = (at), .offset = (from), .size = (n), \
                .seed = (with)                                                                   \
        }
#define LOSE(at, ...)                                                                            \
        {                                                                                        \
                .kind = ARENA_OPERATION_KIND_LOSE, .slot = (at), .blocks.words = { __VA_ARGS__ } \
        }
#define DROP(at, ...)                                                                            \
        {                                                                                        \
                .kind = ARENA_OPERATION_KIND_DROP, .slot = (at), .blocks.words = { __VA_ARGS__ } \
        }
#define RELEASE(at) \
        { .kind = ARENA_OPERATION_KIND_RELEASE, .slot = (at) }

static const ArenaOperation script[] = {
        CLAIM(0, 0, 3),
        KEEP(0, 512, 512, 1),    /* where nothing is kept */
        KEEP(0, 512, 1024, 2),   /* over what is kept, and beyond */
        KEEP(0, 3584, 1024, 3),  /* in one chunk with what is kept, and the next */
        KEEP(0, 600, 1, 4),      /* a byte */
        FILL(0, 2048, 1024, 5),  /* not kept, but in one chunk with what is */
        FILL(0, 8192, 4096, 6),  /* not kept, and alone */
        KEEP(0, 32256, 1024, 7), /* in both words of bits */
        KEEP(0, 32256, 1024, 0), /* zeroes */
        LOSE(0, 0x8000000000000002, 1),
        KEEP(0, 512, 512, 8),   /* over what is lost */
        FILL(0, 33280, 512, 9), /* beside what is lost */
        DROP(0, 0x8000000000000004, 1),
        CLAIM(1, 2, 5),
        KEEP(1, 0, 12288, 10),
        KEEP(1, 4096, 4096, 11),
        RELEASE(0),
        CLAIM(0, 1, 3),
        KEEP(0, 0, 2048, 12),
        RELEASE(1),
        CLAIM(1, 0, 3),
        FILL(1, 0, 4096, 13),
        KEEP(1, 4096, 512, 14),
        LOSE(1, 0x100),
        KEEP(1, 4096, 512, 15), /* in a chunk of which all that there is is lost */
};

static ArenaModel models[N_ELEMENTS(script) + 1];

/* What is looked at before and after each instruction. */
typedef struct Metadata {
        CacheArenaUndo undo;
        CacheArenaEntry entries[ARENA_MODEL_SLOTS];
        uint64_t sums[ARENA_MODEL_SLOTS][CACHE_LINE_CHUNKS_MAX];
} Metadata;

typedef struct Child {
        int fd;
        uint8_t *memory;       /* the arena, to be looked at */
        unsigned *n_completed; /* shared: operations */
        unsigned operation;    /* the last one, in which it stops */
        unsigned point;        /* the store before which it stops; 0: before the operation */
        pid_t pid;
        unsigned long n_instructions; /* since then */
        Metadata metadata;
} Child;

static bool is_all(void) { return getenv("CACHE_KILL_ALL") != NULL; }

/* In the child. */

static void on_store(void *userdata) {
        unsigned *countdown = userdata;

        if ((*countdown)-- == 1)
                (void) raise(SIGSTOP);
}

static void run_script(const Child *child) {
        static uint8_t bytes[CACHE_LINE_SIZE_MAX];
        unsigned countdown = child->point;
        CacheArena *arena;

        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
                _exit(EXIT_FAILURE);
        arena = arena_model_new_arena(child->fd, LINE_SIZE);
        for (unsigned i = 0; i <= child->operation; i++) {
                arena_operation_make_bytes(&script[i], bytes);
                if (i == child->operation) {
                        cache_arena_set_observer(arena, on_store, &countdown);
                        if (child->point == 0)
                                (void) raise(SIGSTOP);
                }
                arena_operation_apply(&script[i], arena, bytes);
                __atomic_store_n(child->n_completed, i + 1, __ATOMIC_RELAXED);
        }
        _exit(EXIT_SUCCESS);
}

/* In the parent. */

static void *map_shared(int fd, size_t size) {
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                            fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

        ck_assert_ptr_ne(memory, MAP_FAILED);
        return memory;
}

static void read_metadata(const Child *child, Metadata *ret) {
        CacheArenaLayout layout = cache_arena_layout(LINE_SIZE, ARENA_MODEL_SLOTS);

        memcpy(&ret->undo, child->memory + offsetof(CacheArenaHead, undo), sizeof(ret->undo));
        memcpy(ret->entries, child->memory + layout.entries_offset, sizeof(ret->entries));
        memcpy(ret->sums, child->memory + layout.sums_offset, sizeof(ret->sums));
}

/* False: the operation has no such point, and the child has ended. */
static bool child_start(Child *child, unsigned operation, unsigned point) {
        int status;

        *child = (Child){ .operation = operation, .point = point };
        child->fd = arena_model_new_fd(LINE_SIZE);
        child->memory = map_shared(child->fd,
                                   cache_arena_layout(LINE_SIZE, ARENA_MODEL_SLOTS).size);
        child->n_completed = map_shared(-1, sizeof(*child->n_completed));
        child->pid = fork();
        ck_assert_int_ge(child->pid, 0);
        if (child->pid == 0)
                run_script(child);
        ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
                return false;
        ck_assert_msg(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "it did not stop: %x",
                      (unsigned) status);
        ck_assert_uint_eq(*child->n_completed, operation);
        read_metadata(child, &child->metadata);
        return true;
}

static void child_end(Child *child) {
        int status;

        ck_assert_int_eq(kill(child->pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void child_done(Child *child) {
        ck_assert_int_eq(munmap(child->memory,
                                cache_arena_layout(LINE_SIZE, ARENA_MODEL_SLOTS).size),
                         0);
        ck_assert_int_eq(munmap(child->n_completed, sizeof(*child->n_completed)), 0);
        fd_close(child->fd);
}

static bool child_is_complete(const Child *child) {
        return __atomic_load_n(child->n_completed, __ATOMIC_RELAXED) > child->operation;
}

static void child_step(Child *child) {
        int status;

        ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, child->pid, NULL, NULL), 0);
        ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
        ck_assert_msg(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP, "it did not stop: %x",
                      (unsigned) status);
        child->n_instructions++;
}

/* What it has completed is there, what it is about may be. */
static void child_look(const Child *child) {
        bool is_complete = child_is_complete(child);
        const ArenaModel *before = &models[child->operation + is_complete];
        const ArenaModel *after = &models[child->operation + 1];
        const char *complaint = arena_model_check_remains(
                        before, after, is_complete ? NULL : &script[child->operation], child->fd);

        ck_assert_msg(!complaint, "operation %u, instruction %lu after point %u: %s",
                      child->operation, child->n_instructions, child->point, complaint);
}

static bool child_has_changed(Child *child) {
        Metadata metadata;

        read_metadata(child, &metadata);
        if (memcmp(&metadata, &child->metadata, sizeof(metadata)) == 0)
                return false;
        child->metadata = metadata;
        return true;
}

static void walk(unsigned operation) {
        Child child;

        ck_assert(child_start(&child, operation, 0));
        child_look(&child);
        while (!child_is_complete(&child)) {
                child_step(&child);
                if (child_has_changed(&child) || is_all() || child.n_instructions % STRIDE == 0 ||
                    child_is_complete(&child))
                        child_look(&child);
        }
        child_end(&child);
        child_look(&child);
        child_done(&child);
}

/* False: the operation has no such point. */
static bool kill_after(unsigned operation, unsigned point, unsigned long n_instructions) {
        bool has_point;
        Child child;

        has_point = child_start(&child, operation, point);
        while (has_point && child.n_instructions < n_instructions && !child_is_complete(&child))
                child_step(&child);
        if (has_point)
                child_end(&child);
        child_look(&child);
        child_done(&child);
        return has_point;
}

static void make_models(void) {
        arena_model_init(&models[0], LINE_SIZE);
        for (size_t i = 0; i < N_ELEMENTS(script); i++) {
                models[i + 1] = models[i];
                arena_model_apply(&models[i + 1], &script[i]);
        }
}

START_TEST(at_each_instruction_there_is_before_or_after) {
        make_models();
        walk((unsigned) _i);
}
END_TEST

START_TEST(a_kill_leaves_before_or_after) {
        unsigned point = 0, n_kills = 0, n_per_point = is_all() ? KILL_WINDOW : KILLS_PER_POINT;
        bool has_point = true;
        Random random;

        make_models();
        random_init(&random, (uint64_t) _i);
        while (has_point) {
                point++;
                for (unsigned i = 0; has_point && i < n_per_point; i++) {
                        has_point = kill_after((unsigned) _i, point,
                                               is_all() ? i : random_below(&random, KILL_WINDOW));
                        n_kills += has_point;
                }
        }
        ck_assert_uint_gt(n_kills, 0);
        printf("operation %d: %u kills\n", _i, n_kills);
}
END_TEST

/* Not in a container that forbids it, for example. */
static bool may_trace(void) {
        int status = 0;
        pid_t pid = fork();

        if (pid == 0)
                _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
        return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
               WEXITSTATUS(status) == EXIT_SUCCESS;
}

int main(void) {
        Suite *suite = suite_create("cache_kill");
        TCase *tcase = tcase_create("cache_kill");

        if (!may_trace()) {
                printf("This process may not trace its children.\n");
                return EXIT_SKIPPED;
        }
        tcase_set_timeout(tcase, is_all() ? 0 : TIMEOUT_S);
        tcase_add_loop_test(tcase, at_each_instruction_there_is_before_or_after, 0,
                            (int) N_ELEMENTS(script));
        tcase_add_loop_test(tcase, a_kill_leaves_before_or_after, 0, (int) N_ELEMENTS(script));
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
