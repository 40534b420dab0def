#pragma once

/* Both event loops, for tests that hold for either. */

#include <check.h>

#include "base/systemd_event_loop.h"
#include "base/virtual_event_loop.h"

typedef struct LoopKind {
        const char *name;
        int (*new)(EventLoop **ret);
} LoopKind;

static const LoopKind loop_kinds[] = {
        { "systemd", systemd_event_loop_new },
        { "virtual", virtual_event_loop_new },
};

static inline EventLoop *new_loop(int kind) {
        EventLoop *loop = NULL;

        ck_assert_int_eq(loop_kinds[kind].new(&loop), 0);
        return loop;
}

/* Each test runs once for each kind of loop; `_i` tells it which. `set_up` comes before each. */
static inline Suite *suite_over_loops(const char *name, SFun set_up, const TTest *const tests[]) {
        Suite *suite = suite_create(name);
        TCase *tcase = tcase_create(name);

        tcase_add_checked_fixture(tcase, set_up, NULL);
        for (; *tests; tests++)
                tcase_add_loop_test(tcase, *tests, 0, N_ELEMENTS(loop_kinds));
        suite_add_tcase(suite, tcase);
        return suite;
}
