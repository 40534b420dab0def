/*
 * Random operations from a printed seed. At many of the points at which an arena's owner could be
 * killed its memory is read as a successor would read it.
 */

#include <stdio.h>

#include "arena_model.h"
#include "unit_test.h"

#define N_SEEDS 24
#define N_OPERATIONS 400
#define LOOKS_ONE_IN 4
/* Generous, for sanitizers and busy machines. */
#define TIMEOUT_S 240

static const uint32_t line_sizes[] = { 4096, 8192, 65536 };

typedef struct Run {
        int fd;
        Random random;
        ArenaModel before;
        ArenaModel after;
        ArenaOperation operation;
        uint8_t bytes[CACHE_LINE_SIZE_MAX];
        unsigned n_operations;
        unsigned n_looks;
} Run;

static void look(Run *run, const ArenaOperation *operation) {
        const char *complaint =
                        arena_model_check_remains(&run->before, &run->after, operation, run->fd);

        run->n_looks++;
        ck_assert_msg(!complaint, "operation %u, look %u: %s", run->n_operations, run->n_looks,
                      complaint);
}

static void on_step(void *userdata) {
        Run *run = userdata;

        if (random_one_in(&run->random, LOOKS_ONE_IN))
                look(run, &run->operation);
}

static void operate(Run *run, CacheArena *arena) {
        run->operation = arena_model_choose(&run->before, &run->random);
        arena_model_apply(&run->after, &run->operation);
        arena_operation_make_bytes(&run->operation, run->bytes);
        arena_operation_apply(&run->operation, arena, run->bytes);
        run->before = run->after;
        run->n_operations++;
        arena_model_check_arena(&run->after, arena);
        if (random_one_in(&run->random, LOOKS_ONE_IN))
                look(run, NULL);
}

START_TEST(a_successor_finds_each_line_as_before_or_as_after) {
        static Run run;
        uint32_t line_size = line_sizes[_i % (int) N_ELEMENTS(line_sizes)];
        CacheArena *arena;

        printf("seed %d\n", _i);
        random_init(&run.random, (uint64_t) _i);
        run.fd = arena_model_new_fd(line_size);
        arena = arena_model_new_arena(run.fd, line_size);
        arena_model_init(&run.before, line_size);
        run.after = run.before;
        run.n_operations = run.n_looks = 0;
        cache_arena_set_observer(arena, on_step, &run);
        while (run.n_operations < N_OPERATIONS)
                operate(&run, arena);
        cache_arena_set_observer(arena, NULL, NULL);
        cache_arena_free(arena);
        look(&run, NULL);
        ck_assert_uint_gt(run.n_looks, N_OPERATIONS / LOOKS_ONE_IN);
        fd_close(run.fd);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cache_arena_model");
        TCase *tcase = tcase_create("cache_arena_model");

        tcase_set_timeout(tcase, TIMEOUT_S);
        tcase_add_loop_test(tcase, a_successor_finds_each_line_as_before_or_as_after, 0, N_SEEDS);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
