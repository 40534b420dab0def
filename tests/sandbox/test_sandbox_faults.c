/*
 * A sweep of faults: the n-th call that entering the sandbox makes fails, for n = 1, 2, … until none
 * does. Each failure must be told, as a process that is not in its sandbox must not go on. The
 * filter itself is not loaded here.
 */

#include <errno.h>
#include <seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/macros.h"
#include "sandbox/sandbox.h"
#include "unit_test.h"

/* Every rule of the longest profile is a step. */
#define STEPS_MAX 1000

static unsigned n_steps_left;
static bool has_failed;
static unsigned n_loads;

static bool fails(void) {
        if (n_steps_left == 0 || --n_steps_left > 0)
                return false;
        has_failed = true;
        return true;
}

static int refuse(void) {
        errno = EPERM;
        return -1;
}

int __real_prctl(int option, ...);
int __wrap_prctl(int option, ...);
int __real_getrlimit64(int resource, struct rlimit *limit);
int __wrap_getrlimit64(int resource, struct rlimit *limit);
int __real_setrlimit64(int resource, const struct rlimit *limit);
int __wrap_setrlimit64(int resource, const struct rlimit *limit);
scmp_filter_ctx __real_seccomp_init(uint32_t action);
scmp_filter_ctx __wrap_seccomp_init(uint32_t action);
int __real_seccomp_attr_set(scmp_filter_ctx filter, enum scmp_filter_attr attribute,
                            uint32_t value);
int __wrap_seccomp_attr_set(scmp_filter_ctx filter, enum scmp_filter_attr attribute,
                            uint32_t value);
int __real_seccomp_rule_add_array(scmp_filter_ctx filter, uint32_t action, int system_call,
                                  unsigned n, const struct scmp_arg_cmp *comparisons);
int __wrap_seccomp_rule_add_array(scmp_filter_ctx filter, uint32_t action, int system_call,
                                  unsigned n, const struct scmp_arg_cmp *comparisons);
int __real_seccomp_syscall_priority(scmp_filter_ctx filter, int system_call, uint8_t priority);
int __wrap_seccomp_syscall_priority(scmp_filter_ctx filter, int system_call, uint8_t priority);
int __wrap_seccomp_load(scmp_filter_ctx filter);

int __wrap_prctl(int option, ...) {
        va_list arguments;
        unsigned long value;

        va_start(arguments, option);
        value = va_arg(arguments, unsigned long);
        va_end(arguments);
        return fails() ? refuse() : __real_prctl(option, value, 0L, 0L, 0L);
}

int __wrap_getrlimit64(int resource, struct rlimit *limit) {
        return fails() ? refuse() : __real_getrlimit64(resource, limit);
}

int __wrap_setrlimit64(int resource, const struct rlimit *limit) {
        return fails() ? refuse() : __real_setrlimit64(resource, limit);
}

scmp_filter_ctx __wrap_seccomp_init(uint32_t action) {
        return fails() ? NULL : __real_seccomp_init(action);
}

int __wrap_seccomp_attr_set(scmp_filter_ctx filter, enum scmp_filter_attr attribute,
                            uint32_t value) {
        return fails() ? -EINVAL : __real_seccomp_attr_set(filter, attribute, value);
}

int __wrap_seccomp_rule_add_array(scmp_filter_ctx filter, uint32_t action, int system_call,
                                  unsigned n, const struct scmp_arg_cmp *comparisons) {
        if (fails())
                return -ENOMEM;
        return __real_seccomp_rule_add_array(filter, action, system_call, n, comparisons);
}

int __wrap_seccomp_syscall_priority(scmp_filter_ctx filter, int system_call, uint8_t priority) {
        return fails() ? -ENOMEM : __real_seccomp_syscall_priority(filter, system_call, priority);
}

int __wrap_seccomp_load(scmp_filter_ctx filter) {
        if (fails())
                return -ECANCELED;
        n_loads++;
        return 0;
}

static void sweep(SandboxProfile profile) {
        unsigned step = 0;

        n_loads = 0;
        do {
                int r;

                ck_assert_uint_lt(step, STEPS_MAX);
                has_failed = false;
                n_steps_left = ++step;
                r = sandbox_enter(profile);
                n_steps_left = 0;
                ck_assert_msg(has_failed == (r < 0), "step %u: %i", step, r);
                ck_assert_uint_eq(n_loads, has_failed ? 0 : 1);
        } while (has_failed);

        /* At least the limits, the attributes, and the filter with its rules. */
        ck_assert_uint_gt(step, 50);
}

START_TEST(worker_tells_every_failure) { sweep(SANDBOX_PROFILE_WORKER); }
END_TEST

START_TEST(front_tells_every_failure) { sweep(SANDBOX_PROFILE_FRONT); }
END_TEST

START_TEST(profiles_have_names) {
        ck_assert_str_eq(sandbox_profile_to_string(SANDBOX_PROFILE_WORKER), "worker");
        ck_assert_str_eq(sandbox_profile_to_string(SANDBOX_PROFILE_FRONT), "front");
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                worker_tells_every_failure,
                front_tells_every_failure,
                profiles_have_names,
                NULL,
        };

        return run_suite(suite_of("sandbox faults", tests));
}
