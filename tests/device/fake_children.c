/* See fake_children.h. */

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "fake_children.h"

void fake_children_init(FakeChildren *children) {
        strcpy(children->folder, "/tmp/fake-children-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(children->folder));
}

void fake_children_done(FakeChildren *children) {
        char command[128];

        snprintf(command, sizeof(command), "rm -r %s", children->folder);
        ck_assert_int_eq(system(command), 0);
}

const char *fake_children_get(FakeChildren *children, const char *behaviour) {
        const char *program = getenv("FAKE_CHILD");

        ck_assert_ptr_nonnull(program);
        snprintf(children->path, sizeof(children->path), "%s/%s", children->folder, behaviour);
        if (access(children->path, X_OK) < 0)
                ck_assert_int_eq(symlink(program, children->path), 0);
        return children->path;
}

void fake_children_run_until(EventLoop *loop, const bool *condition) {
        uint64_t end_ns = event_loop_now_ns(loop) + 60 * NS_PER_S;

        while (!*condition) {
                ck_assert_int_ge(event_loop_run_once(loop, /* may_wait= */ true), 0);
                ck_assert_uint_lt(event_loop_now_ns(loop), end_ns);
        }
}
