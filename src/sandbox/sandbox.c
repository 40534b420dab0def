/*
 * Enters the sandbox: limits first, then the filter, which holds for all threads at once and for
 * those to come.
 *
 * Core dumps are off and the process is not dumpable: its memory is full of what is on the disk,
 * and others of the same user have no business there. Root can still debug it.
 */

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#ifdef WITH_COVERAGE
#include <gcov.h>
#endif

#include "sandbox/sandbox.h"
#include "sandbox/sandbox_rule.h"

#define DESCRIPTORS_MAX 1024
/* The one hot call whose arguments must be looked at each time; the kernel caches the others. */
#define HOT_PRIORITY 255

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define HAS_ADDRESS_SANITIZER
#endif

#ifdef HAS_ADDRESS_SANITIZER
/*
 * LeakSanitizer stops the other threads by ptrace from a process of its own, which the filter
 * kills. It asks here whether to run; leaks are looked for where no sandbox is entered.
 */
int __lsan_is_turned_off(void);
static int is_entered;

int __lsan_is_turned_off(void) { return is_entered; }

static void note_entered(void) { is_entered = 1; }
#else
static void note_entered(void) {}
#endif

#ifdef WITH_COVERAGE
/*
 * A build that counts lines writes the counters at exit, with calls that the filter kills. Written
 * now, they are not written again: what runs in the sandbox is for tests to count that need none.
 */
static void write_counters(void) { __gcov_dump(); }
#else
static void write_counters(void) {}
#endif

typedef void *ScmpFilter;

static void filter_release(ScmpFilter filter) { seccomp_release(filter); }
DEFINE_CLEANUP(ScmpFilter, filter_release);

static int set_limit(int resource, rlim_t value) {
        struct rlimit limit;

        if (getrlimit(resource, &limit) < 0)
                return -errno;

        limit.rlim_max = MIN(limit.rlim_max, value);
        limit.rlim_cur = limit.rlim_max;
        return setrlimit(resource, &limit) < 0 ? -errno : 0;
}

static int set_limits(void) {
        int r;

        r = set_limit(RLIMIT_CORE, 0);
        if (r < 0)
                return r;
        return set_limit(RLIMIT_NOFILE, DESCRIPTORS_MAX);
}

static int add_rule(ScmpFilter filter, const SandboxRule *rule) {
        struct scmp_arg_cmp comparisons[SANDBOX_CONDITIONS_MAX];
        uint32_t action = rule->error == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(rule->error);
        unsigned n = 0;

        for (size_t i = 0; i < SANDBOX_CONDITIONS_MAX; i++) {
                const SandboxCondition *condition = &rule->conditions[i];

                if (condition->mask != 0)
                        comparisons[n++] = SCMP_CMP64(condition->argument_index, SCMP_CMP_MASKED_EQ,
                                                      condition->mask, condition->value);
        }
        return seccomp_rule_add_array(filter, action, rule->system_call, n, comparisons);
}

/* abort() signals its own thread, which must look like that to whoever waits for the process. */
static int add_abort(ScmpFilter filter) {
        const SandboxRule rule = {
                .system_call = SCMP_SYS(tgkill),
                .conditions = { { .argument_index = 0,
                                  .mask = UINT32_MAX,
                                  .value = (uint64_t) getpid() } },
        };

        return add_rule(filter, &rule);
}

static int add_rules(ScmpFilter filter, SandboxProfile profile) {
        size_t n_rules;
        const SandboxRule *rules = sandbox_rules(&n_rules);
        int r;

        for (size_t i = 0; i < n_rules; i++) {
                if (!(rules[i].profiles & SANDBOX_FOR(profile)))
                        continue;
                r = add_rule(filter, &rules[i]);
                if (r < 0)
                        return r;
        }
        r = seccomp_syscall_priority(filter, SCMP_SYS(ioctl), HOT_PRIORITY);
        if (r < 0)
                return r;
        return add_abort(filter);
}

int sandbox_enter(SandboxProfile profile) {
        _cleanup_(filter_releasep) ScmpFilter filter = NULL;
        int r;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;
        r = set_limits();
        if (r < 0)
                return r;

        filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
        if (!filter)
                return -ENOMEM;
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
        if (r < 0)
                return r;
        r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
        if (r < 0)
                return r;
        r = add_rules(filter, profile);
        if (r < 0)
                return r;

        write_counters();
        r = seccomp_load(filter);
        if (r < 0)
                return r;
        note_entered();
        return 0;
}

const char *sandbox_profile_to_string(SandboxProfile profile) {
        switch (profile) {
        case SANDBOX_PROFILE_WORKER:
                return "worker";
        case SANDBOX_PROFILE_FRONT:
                return "front";
        }

        assert_not_reached();
        return NULL;
}
