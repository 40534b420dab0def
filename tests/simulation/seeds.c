/* See seeds.h. */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "seeds.h"
#include "world.h"

/* Real time that no run takes; it hangs then. */
#define RUN_S_MAX 120
#define JOBS_MAX 64
#define FAILURES_PRINTED_MAX 200
#define PROGRESS_S 10

/* In memory that all jobs share. */
typedef struct Shared {
        uint64_t next;
        uint64_t n_done;
        uint64_t n_answered;
        uint64_t n_failed_requests;
        uint64_t running[JOBS_MAX];
} Shared;

typedef struct Seeds {
        const SeedsOptions *options;
        Shared *shared;
        pid_t jobs[JOBS_MAX]; /* 0: there is none */
        uint64_t failures[FAILURES_PRINTED_MAX];
        uint64_t n_failures;
        double start_s;
} Seeds;

static double now_s(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void run(uint64_t seed, bool is_verbose, WorldResult *ret) {
        Plan plan;

        plan_make(&plan, seed);
        if (is_verbose)
                plan_print(&plan);
        world_run(&plan, is_verbose, ret);
}

uint64_t seeds_run_one(uint64_t seed, bool is_verbose, bool is_quiet) {
        WorldResult result;

        run(seed, is_verbose, &result);
        if (!is_quiet)
                printf("seed %" PRIu64 ": passed, %" PRIu64 " requests (%" PRIu64
                       " failed), %.3f s of virtual time, %" PRIu64 " entries, digest %016" PRIx64
                       "\n",
                       seed, result.n_answered, result.n_failed, (double) result.duration_ns / 1e9,
                       result.n_entries, result.digest);
        return result.digest;
}

/* A job: takes seeds until there are none left, or one fails. */
static void work(Seeds *seeds, unsigned job) {
        Shared *shared = seeds->shared;
        uint64_t end = seeds->options->first + seeds->options->n;

        setrlimit(RLIMIT_CORE, &(struct rlimit){ .rlim_cur = 0, .rlim_max = 0 });
        for (;;) {
                uint64_t seed = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED);
                WorldResult result, again;

                if (seed >= end)
                        _exit(EXIT_SUCCESS);
                shared->running[job] = seed;
                alarm(RUN_S_MAX);
                run(seed, /* is_verbose= */ false, &result);
                if (seeds->options->runs_twice) {
                        run(seed, /* is_verbose= */ false, &again);
                        if (again.digest != result.digest) {
                                fprintf(stderr, "seed %" PRIu64 " runs differently each time\n",
                                        seed);
                                abort();
                        }
                }
                __atomic_fetch_add(&shared->n_done, 1, __ATOMIC_RELAXED);
                __atomic_fetch_add(&shared->n_answered, result.n_answered, __ATOMIC_RELAXED);
                __atomic_fetch_add(&shared->n_failed_requests, result.n_failed, __ATOMIC_RELAXED);
        }
}

static void start_job(Seeds *seeds, unsigned job) {
        pid_t pid;

        (void) fflush(NULL);
        pid = fork();
        if (pid < 0) {
                fprintf(stderr, "can't fork: %s\n", strerror(errno));
                exit(EXIT_FAILURE);
        }
        if (pid == 0)
                work(seeds, job);
        seeds->jobs[job] = pid;
}

static unsigned find_job(const Seeds *seeds, pid_t pid) {
        for (unsigned job = 0; job < seeds->options->n_jobs; job++)
                if (seeds->jobs[job] == pid)
                        return job;
        return JOBS_MAX;
}

static void note_failure(Seeds *seeds, uint64_t seed, int status) {
        if (seeds->n_failures < FAILURES_PRINTED_MAX)
                seeds->failures[seeds->n_failures] = seed;
        seeds->n_failures++;
        printf("FAILED: seed %" PRIu64 "%s\n", seed,
               WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ", it hangs" : "");
}

/* False: all jobs have ended. */
static bool reap(Seeds *seeds, unsigned *n_running) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        unsigned job;

        if (pid <= 0)
                return false;
        job = find_job(seeds, pid);
        if (job == JOBS_MAX)
                return true;
        seeds->jobs[job] = 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) {
                (*n_running)--;
                return true;
        }
        note_failure(seeds, seeds->shared->running[job], status);
        start_job(seeds, job);
        return true;
}

static void print_progress(const Seeds *seeds) {
        const Shared *shared = seeds->shared;
        uint64_t n = __atomic_load_n(&shared->n_done, __ATOMIC_RELAXED) + seeds->n_failures;
        double duration_s = now_s() - seeds->start_s;

        printf("%" PRIu64 " of %" PRIu64 " seeds in %.0f s, %.0f a second, %" PRIu64 " failed\n", n,
               seeds->options->n, duration_s, (double) n / duration_s, seeds->n_failures);
        (void) fflush(stdout);
}

static void print_summary(const Seeds *seeds) {
        const Shared *shared = seeds->shared;

        print_progress(seeds);
        printf("%" PRIu64 " requests were answered, %" PRIu64 " of them with an error\n",
               shared->n_answered, shared->n_failed_requests);
        if (seeds->n_failures == 0)
                return;
        printf("failing seeds:");
        for (uint64_t i = 0; i < MIN(seeds->n_failures, (uint64_t) FAILURES_PRINTED_MAX); i++)
                printf(" %" PRIu64, seeds->failures[i]);
        printf("\n");
}

uint64_t seeds_run(const SeedsOptions *options) {
        Seeds seeds = { .options = options, .start_s = now_s() };
        unsigned n_running = MIN(options->n_jobs, (unsigned) JOBS_MAX);
        double next_s = seeds.start_s + PROGRESS_S;

        seeds.shared = mmap(NULL, sizeof(*seeds.shared), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert(seeds.shared != MAP_FAILED);
        seeds.shared->next = options->first;
        for (unsigned job = 0; job < n_running; job++)
                start_job(&seeds, job);
        while (n_running > 0) {
                while (reap(&seeds, &n_running))
                        ;
                if (now_s() >= next_s) {
                        print_progress(&seeds);
                        next_s += PROGRESS_S;
                }
                if (n_running > 0)
                        nanosleep(&(struct timespec){ .tv_nsec = 20 * 1000 * 1000 }, NULL);
        }
        print_summary(&seeds);
        munmap(seeds.shared, sizeof(*seeds.shared));
        return seeds.n_failures;
}
