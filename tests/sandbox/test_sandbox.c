/*
 * Tries what is forbidden, each attempt in a process of its own that has entered the sandbox, and
 * shows that what is needed works. Attempts that get through do no harm: their arguments are such
 * that the kernel refuses them.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

#include "base/systemd_event_loop.h"
#include "sandbox/sandbox.h"

/* Generous, for sanitizers and busy machines. */
#define TIMEOUT_S 120

/* How an attempt ends: 0: it works, positive: it fails with that errno, DIES: by SIGSYS. */
#define DIES (-SIGSYS)

#define HELPER_PROCESS_SETUP_FAILED 255

typedef struct Attempt {
        const char *what;
        long (*make)(void);
        int worker;
        int front;
} Attempt;

static int pair[2];
static int memory_fd;
static int listening_fd;

/* One line per attempt: a function that makes it. */
#define ATTEMPT(name, ...) \
        static long try_##name(void) { return syscall(SYS_##name, ##__VA_ARGS__); }
#define ATTEMPT_AS(name, expression) \
        static long try_##name(void) { return (expression); }

/* Processes, programs, other processes. */
ATTEMPT(execve, "/nonexistent", NULL, NULL)
ATTEMPT(execveat, -1, "", NULL, NULL, 0)
ATTEMPT_AS(fork, syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0))
ATTEMPT_AS(thread_in_new_namespaces, syscall(SYS_clone, CLONE_THREAD | CLONE_NEWUSER, 0, 0, 0, 0))
ATTEMPT_AS(clone3, syscall(SYS_clone3, NULL, 0))
ATTEMPT(ptrace, 0, 0, 0, 0)
ATTEMPT_AS(process_vm_readv, syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0))
ATTEMPT_AS(kill, syscall(SYS_kill, getppid(), 0))
ATTEMPT_AS(tgkill_of_others, syscall(SYS_tgkill, getppid(), getppid(), 0))
ATTEMPT_AS(tgkill_of_itself, syscall(SYS_tgkill, getpid(), gettid(), 0))
ATTEMPT_AS(pidfd_open, syscall(SYS_pidfd_open, getppid(), 0))
ATTEMPT(pidfd_getfd, -1, 0, 0)
ATTEMPT(setns, -1, 0)
ATTEMPT(unshare, 0)
ATTEMPT(wait4, -1, NULL, WNOHANG, NULL)

/* Descriptors out of nothing. */
ATTEMPT(socket, AF_UNIX, SOCK_STREAM, 0)
ATTEMPT_AS(inet_socket, syscall(SYS_socket, AF_INET, SOCK_STREAM, 0))
ATTEMPT_AS(netlink_socket, syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0))
ATTEMPT(socketpair, -1, 0, 0, NULL)
ATTEMPT_AS(inet_socketpair, syscall(SYS_socketpair, AF_INET, SOCK_STREAM, 0, NULL))
ATTEMPT_AS(unix_socketpair, syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, (int[2]){ 0 }))
ATTEMPT(connect, -1, NULL, 0)
ATTEMPT(bind, -1, NULL, 0)
ATTEMPT(listen, -1, 0)
ATTEMPT(memfd_create, "", 0)
ATTEMPT(io_uring_setup, 0, NULL)
ATTEMPT(bpf, 0, NULL, 0)
ATTEMPT(perf_event_open, NULL, 0, 0, -1, 0)
ATTEMPT(userfaultfd, -1)
ATTEMPT(inotify_init1, -1)
ATTEMPT(fanotify_init, -1, 0)
ATTEMPT(open_by_handle_at, -1, NULL, 0)
ATTEMPT(mq_open, NULL, 0, 0, NULL)

/* Files by name. */
ATTEMPT(openat, AT_FDCWD, "/etc/passwd", O_RDONLY)
ATTEMPT(openat2, AT_FDCWD, "/etc/passwd", NULL, 0)
ATTEMPT_AS(fopen, fopen("/etc/passwd", "r") ? 0 : -1)
ATTEMPT(faccessat, AT_FDCWD, "/etc/passwd", R_OK)
ATTEMPT(readlinkat, AT_FDCWD, "/proc/self/exe", NULL, 0)
ATTEMPT(statx, AT_FDCWD, "/", 0, 0, NULL)
ATTEMPT_AS(stat, stat("/etc/passwd", &(struct stat){ 0 }))
ATTEMPT(unlinkat, AT_FDCWD, "/nonexistent", 0)
ATTEMPT(renameat2, AT_FDCWD, "/nonexistent", AT_FDCWD, "/nonexistent", 0)
ATTEMPT(mkdirat, AT_FDCWD, "/", 0)
ATTEMPT(fchmod, -1, 0)
ATTEMPT(fchownat, AT_FDCWD, "/nonexistent", 0, 0, 0)
ATTEMPT(chdir, "/nonexistent")
ATTEMPT(getdents64, -1, NULL, 0)

/* The machine. */
ATTEMPT(mount, NULL, NULL, NULL, 0, NULL)
ATTEMPT(umount2, "/nonexistent", 0)
ATTEMPT(pivot_root, NULL, NULL)
ATTEMPT(chroot, "/nonexistent")
ATTEMPT(init_module, NULL, 0, NULL)
ATTEMPT(finit_module, -1, NULL, 0)
ATTEMPT(reboot, 0, 0, 0, NULL)
ATTEMPT(swapon, NULL, 0)
ATTEMPT(add_key, NULL, NULL, NULL, 0, 0)
ATTEMPT(keyctl, -1, 0, 0, 0, 0)
ATTEMPT(shmget, 0, 0, 0)
ATTEMPT(personality, 0xffffffff)
ATTEMPT(setuid, 0)
ATTEMPT(capset, NULL, NULL)
ATTEMPT(seccomp, 0, 0, NULL)
ATTEMPT_AS(become_dumpable, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
ATTEMPT_AS(raise_a_limit, setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }))
ATTEMPT_AS(read_limits_of_others, syscall(SYS_prlimit64, getppid(), RLIMIT_CORE, NULL, NULL))

/* Executable memory. */
ATTEMPT_AS(mmap_executable,
           mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
                           ? -1
                           : 0)
ATTEMPT(mprotect, NULL, 0, PROT_READ | PROT_EXEC)
ATTEMPT(pkey_mprotect, NULL, 0, PROT_READ | PROT_EXEC, -1)

/* Arguments of calls that are allowed otherwise. */
ATTEMPT_AS(ioctl_of_a_terminal, ioctl(pair[0], TIOCSTI, "x"))
ATTEMPT_AS(ioctl_of_usbfs, ioctl(memory_fd, USBDEVFS_GET_CAPABILITIES, NULL))
ATTEMPT_AS(isatty, isatty(pair[0]) ? 0 : -1)
ATTEMPT_AS(fcntl_setown, fcntl(pair[0], F_SETOWN, getppid()))
ATTEMPT_AS(fcntl_getfl, fcntl(pair[0], F_GETFL) < 0 ? -1 : 0)
ATTEMPT_AS(fcntl_dupfd, fcntl(pair[0], F_DUPFD_CLOEXEC, 3) < 0 ? -1 : 0)
ATTEMPT_AS(attach_filter, setsockopt(pair[0], SOL_SOCKET, SO_ATTACH_FILTER, NULL, 0))
ATTEMPT_AS(send_buffer, setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &(int){ 65536 }, sizeof(int)))
ATTEMPT_AS(accept4, syscall(SYS_accept4, listening_fd, NULL, NULL, SOCK_CLOEXEC))

/* What is needed. */
ATTEMPT_AS(send_and_receive,
           send(pair[0], "x", 1, 0) == 1 && recv(pair[1], &(char){ 0 }, 1, 0) == 1 ? 0 : -1)
ATTEMPT_AS(write_an_image, pwrite(memory_fd, "x", 1, 4096) == 1 ? 0 : -1)
ATTEMPT_AS(read_an_image, pread(memory_fd, &(char){ 0 }, 1, 0) == 1 ? 0 : -1)
ATTEMPT_AS(resize_an_image, ftruncate(memory_fd, 1 << 20))
ATTEMPT_AS(punch_a_hole, fallocate(memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096))
ATTEMPT_AS(allocate_an_image, fallocate(memory_fd, 0, 0, 4096))
ATTEMPT_AS(seek_data, lseek(memory_fd, 0, SEEK_DATA) < 0 ? -1 : 0)
ATTEMPT_AS(sync_an_image, fdatasync(memory_fd))
ATTEMPT_AS(fstat, fstat(memory_fd, &(struct stat){ 0 }))
ATTEMPT_AS(eventfd, eventfd(0, EFD_CLOEXEC) < 0 ? -1 : 0)
ATTEMPT_AS(pipe2, pipe2((int[2]){ 0 }, O_CLOEXEC))
ATTEMPT_AS(number_of_processors, sysconf(_SC_NPROCESSORS_ONLN) > 0 ? 0 : -1)
ATTEMPT_AS(memory_of_the_machine, get_phys_pages() > 0 ? 0 : -1)
ATTEMPT_AS(name_a_thread, prctl(PR_SET_NAME, "helper"))
ATTEMPT_AS(read_own_limits, getrlimit(RLIMIT_NOFILE, &(struct rlimit){ 0 }))
ATTEMPT_AS(has_no_core, ({
                   struct rlimit limit;
                   getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0 ? 0 : -1;
           }))

/* The cache's memory. */
static void *map_shared(void) {
        return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
}

ATTEMPT_AS(map_a_file, map_shared() == MAP_FAILED ? -1 : 0)
ATTEMPT_AS(keep_out_of_dumps, madvise(map_shared(), 4096, MADV_DONTDUMP))
/* An error that is about the limit comes from the kernel: the filter let it through. */
ATTEMPT_AS(lock_on_fault, ({
                   long r = mlock2(map_shared(), 4096, MLOCK_ONFAULT);
                   r < 0 && (errno == EPERM || errno == ENOMEM) ? 0 : r;
           }))
ATTEMPT_AS(lock_at_once, syscall(SYS_mlock2, map_shared(), 4096, 0))
ATTEMPT_AS(mlock, syscall(SYS_mlock, map_shared(), 4096))
ATTEMPT(mlockall, MCL_CURRENT)

static long try_heap(void) {
        for (size_t size = 16; size < 64 * MIB; size *= 2) {
                char *memory = malloc(size);

                if (!memory)
                        return -1;
                memset(memory, 1, size);
                memory = realloc(memory, 2 * size);
                if (!memory)
                        return -1;
                free(memory);
        }
        return 0;
}

static void *thread_main(void *userdata) {
        free(malloc(1000)); /* has an arena of its own */
        *(int *) userdata = 1;
        return NULL;
}

static long try_thread(void) {
        int has_run = 0;
        pthread_t thread;

        errno = pthread_create(&thread, NULL, thread_main, &has_run);
        if (errno != 0)
                return -1;
        errno = pthread_join(thread, NULL);
        return errno == 0 && has_run ? 0 : -1;
}

static void on_timer(EventTimer *timer) { event_loop_exit(timer->loop, 0); }

static long try_event_loop(void) {
        EventLoop *loop;
        EventTimer timer;
        int r;

        r = systemd_event_loop_new(&loop);
        if (r < 0 || event_timer_init(&timer, loop, on_timer) < 0)
                return -1;
        event_timer_set(&timer, event_loop_now_ns(loop) + NS_PER_MS);
        r = event_loop_run(loop);
        event_timer_done(&timer);
        event_loop_free(loop);
        return r;
}

#define BOTH(what, name, outcome) \
        { (what), try_##name, (outcome), (outcome) }
#define EACH(what, name, worker, front) \
        { (what), try_##name, (worker), (front) }

static const Attempt attempts[] = {
        BOTH("execve", execve, DIES),
        BOTH("execveat", execveat, DIES),
        BOTH("fork", fork, DIES),
        BOTH("a thread in a new namespace", thread_in_new_namespaces, DIES),
        BOTH("clone3", clone3, ENOSYS),
        BOTH("ptrace", ptrace, DIES),
        BOTH("process_vm_readv", process_vm_readv, DIES),
        BOTH("kill", kill, DIES),
        BOTH("tgkill of others", tgkill_of_others, DIES),
        BOTH("tgkill of itself", tgkill_of_itself, 0),
        BOTH("pidfd_open", pidfd_open, DIES),
        BOTH("pidfd_getfd", pidfd_getfd, DIES),
        BOTH("setns", setns, DIES),
        BOTH("unshare", unshare, DIES),
        BOTH("wait4", wait4, DIES),
        BOTH("a unix socket", socket, DIES),
        BOTH("an internet socket", inet_socket, DIES),
        BOTH("a netlink socket", netlink_socket, DIES),
        BOTH("socketpair", socketpair, DIES),
        BOTH("a pair of internet sockets", inet_socketpair, DIES),
        EACH("a pair of unix sockets", unix_socketpair, DIES, 0),
        BOTH("connect", connect, DIES),
        BOTH("bind", bind, DIES),
        BOTH("listen", listen, DIES),
        BOTH("memfd_create", memfd_create, DIES),
        BOTH("io_uring_setup", io_uring_setup, DIES),
        BOTH("bpf", bpf, DIES),
        BOTH("perf_event_open", perf_event_open, DIES),
        BOTH("userfaultfd", userfaultfd, DIES),
        BOTH("inotify_init1", inotify_init1, DIES),
        BOTH("fanotify_init", fanotify_init, DIES),
        BOTH("open_by_handle_at", open_by_handle_at, DIES),
        BOTH("mq_open", mq_open, DIES),
        BOTH("openat", openat, EACCES),
        BOTH("openat2", openat2, EACCES),
        BOTH("fopen", fopen, EACCES),
        BOTH("faccessat", faccessat, EACCES),
        BOTH("readlinkat", readlinkat, EACCES),
        BOTH("statx", statx, EACCES),
        BOTH("stat", stat, EACCES),
        BOTH("unlinkat", unlinkat, DIES),
        BOTH("renameat2", renameat2, DIES),
        BOTH("mkdirat", mkdirat, DIES),
        BOTH("fchmod", fchmod, DIES),
        BOTH("fchownat", fchownat, DIES),
        BOTH("chdir", chdir, DIES),
        BOTH("getdents64", getdents64, DIES),
        BOTH("mount", mount, DIES),
        BOTH("umount2", umount2, DIES),
        BOTH("pivot_root", pivot_root, DIES),
        BOTH("chroot", chroot, DIES),
        BOTH("init_module", init_module, DIES),
        BOTH("finit_module", finit_module, DIES),
        BOTH("reboot", reboot, DIES),
        BOTH("swapon", swapon, DIES),
        BOTH("add_key", add_key, DIES),
        BOTH("keyctl", keyctl, DIES),
        BOTH("shmget", shmget, DIES),
        BOTH("personality", personality, DIES),
        BOTH("setuid", setuid, DIES),
        BOTH("capset", capset, DIES),
        BOTH("seccomp", seccomp, DIES),
        BOTH("become dumpable", become_dumpable, DIES),
        BOTH("raise a limit", raise_a_limit, DIES),
        BOTH("read limits of others", read_limits_of_others, DIES),
        BOTH("mmap executable", mmap_executable, DIES),
        BOTH("mprotect executable", mprotect, DIES),
        BOTH("pkey_mprotect", pkey_mprotect, DIES),
        BOTH("an ioctl of a terminal", ioctl_of_a_terminal, DIES),
        /* ENOTTY is the kernel's answer: the filter let it through. */
        EACH("an ioctl of usbfs", ioctl_of_usbfs, ENOTTY, DIES),
        BOTH("isatty", isatty, ENOTTY),
        BOTH("F_SETOWN", fcntl_setown, DIES),
        BOTH("F_GETFL", fcntl_getfl, 0),
        BOTH("F_DUPFD_CLOEXEC", fcntl_dupfd, 0),
        BOTH("SO_ATTACH_FILTER", attach_filter, DIES),
        BOTH("SO_SNDBUF", send_buffer, 0),
        EACH("accept4", accept4, DIES, EAGAIN),
        BOTH("send and receive", send_and_receive, 0),
        EACH("write an image", write_an_image, 0, DIES),
        BOTH("read a file that was passed", read_an_image, 0),
        EACH("resize an image", resize_an_image, 0, DIES),
        EACH("punch a hole", punch_a_hole, 0, DIES),
        EACH("allocate an image", allocate_an_image, DIES, DIES),
        EACH("seek data", seek_data, 0, DIES),
        EACH("sync an image", sync_an_image, 0, DIES),
        BOTH("map a file", map_a_file, 0),
        BOTH("keep memory out of dumps", keep_out_of_dumps, 0),
        EACH("lock memory as it is used", lock_on_fault, 0, DIES),
        BOTH("lock memory at once", lock_at_once, DIES),
        BOTH("mlock", mlock, DIES),
        BOTH("mlockall", mlockall, DIES),
        BOTH("fstat", fstat, 0),
        BOTH("eventfd", eventfd, 0),
        BOTH("pipe2", pipe2, 0),
        BOTH("number of processors", number_of_processors, 0),
        BOTH("memory of the machine", memory_of_the_machine, 0),
        BOTH("name a thread", name_a_thread, 0),
        BOTH("read own limits", read_own_limits, 0),
        BOTH("no core dumps", has_no_core, 0),
        BOTH("the heap", heap, 0),
        BOTH("a thread", thread, 0),
        BOTH("an event loop", event_loop, 0),
};

/* -signal or exit status. */
static int wait_for(pid_t pid) {
        int status;

        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void enter_or_exit(SandboxProfile profile) {
        if (sandbox_enter(profile) < 0)
                _exit(HELPER_PROCESS_SETUP_FAILED);
}

static int attempt(const Attempt *a, SandboxProfile profile) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                enter_or_exit(profile);
                _exit(a->make() < 0 ? errno : 0);
        }
        return wait_for(pid);
}

static void set_up(void) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        memory_fd = memfd_create("image", MFD_CLOEXEC);
        ck_assert_int_ge(memory_fd, 0);
        ck_assert_int_eq(ftruncate(memory_fd, 4096), 0);
        ck_assert_int_eq(pwrite(memory_fd, "x", 1, 0), 1);
        listening_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(listening_fd, 0);
        ck_assert_int_eq(bind(listening_fd, &(struct sockaddr){ .sa_family = AF_UNIX },
                              sizeof(sa_family_t)),
                         0);
        ck_assert_int_eq(listen(listening_fd, 1), 0);
}

static void tear_down(void) {
        fd_close(pair[0]);
        fd_close(pair[1]);
        fd_close(memory_fd);
        fd_close(listening_fd);
}

START_TEST(a_worker_can_do_its_work_and_nothing_else) {
        const Attempt *a = &attempts[_i];
        int outcome = attempt(a, SANDBOX_PROFILE_WORKER);

        ck_assert_msg(outcome == a->worker, "%s: %d, not %d", a->what, outcome, a->worker);
}
END_TEST

START_TEST(the_front_can_do_its_work_and_nothing_else) {
        const Attempt *a = &attempts[_i];
        int outcome = attempt(a, SANDBOX_PROFILE_FRONT);

        ck_assert_msg(outcome == a->front, "%s: %d, not %d", a->what, outcome, a->front);
}
END_TEST

/* Tries to get out as soon as it is told to. */
static void *try_to_get_out(void *userdata) {
        if (read(pair[0], &(char){ 0 }, 1) == 1)
                socket(AF_UNIX, SOCK_STREAM, 0);
        _exit(0);
}

START_TEST(a_thread_that_was_there_before_is_in_it_too) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                pthread_t thread;

                if (pthread_create(&thread, NULL, try_to_get_out, NULL) != 0)
                        _exit(HELPER_PROCESS_SETUP_FAILED);
                enter_or_exit(SANDBOX_PROFILE_WORKER);
                if (write(pair[1], "x", 1) != 1)
                        _exit(HELPER_PROCESS_SETUP_FAILED);
                pthread_join(thread, NULL);
                _exit(0);
        }
        ck_assert_int_eq(wait_for(pid), DIES);
}
END_TEST

START_TEST(a_thread_that_is_made_in_it_kills_the_whole_process) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                pthread_t thread;

                enter_or_exit(SANDBOX_PROFILE_WORKER);
                if (pthread_create(&thread, NULL, try_to_get_out, NULL) != 0 ||
                    write(pair[1], "x", 1) != 1)
                        _exit(HELPER_PROCESS_SETUP_FAILED);
                (void) pthread_join(thread, NULL);
                _exit(0);
        }
        ck_assert_int_eq(wait_for(pid), DIES);
}
END_TEST

START_TEST(an_assertion_looks_like_one) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                fclose(stderr);
                enter_or_exit(SANDBOX_PROFILE_WORKER);
                abort();
        }
        ck_assert_int_eq(wait_for(pid), -SIGABRT);
}
END_TEST

START_TEST(an_orderly_exit_works) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                enter_or_exit(_i ? SANDBOX_PROFILE_FRONT : SANDBOX_PROFILE_WORKER);
                exit(0);
        }
        ck_assert_int_eq(wait_for(pid), 0);
}
END_TEST

START_TEST(the_sandbox_may_not_be_entered_twice) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                enter_or_exit(SANDBOX_PROFILE_WORKER);
                _exit(sandbox_enter(SANDBOX_PROFILE_WORKER) < 0 ? 1 : 0);
        }
        ck_assert_int_eq(wait_for(pid), DIES);
}
END_TEST

#ifdef __x86_64__
/* Other numberings of system calls must not be a way around the filter. */
static long try_int80(void) {
        long result;

        __asm__ volatile("int $0x80"
                         : "=a"(result)
                         : "a"(20L)
                         : "memory", "r8", "r9", "r10", "r11");
        return result;
}

static long try_x32(void) { return syscall(0x40000000 | SYS_getpid); }

START_TEST(other_architectures_are_closed) {
        static const Attempt other_attempts[] = {
                BOTH("32 bit", int80, DIES),
                BOTH("x32", x32, DIES),
        };
        const Attempt *a = &other_attempts[_i];
        int outcome = attempt(a, SANDBOX_PROFILE_WORKER);

        /* A kernel that was built without them faults instead. */
        ck_assert_msg(outcome == DIES || outcome == -SIGSEGV, "%s: %d", a->what, outcome);
}
END_TEST
#endif

START_TEST(profiles_have_names) {
        ck_assert_str_eq(sandbox_profile_to_string(SANDBOX_PROFILE_WORKER), "worker");
        ck_assert_str_eq(sandbox_profile_to_string(SANDBOX_PROFILE_FRONT), "front");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("sandbox");
        TCase *tcase = tcase_create("attempts");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, TIMEOUT_S);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, a_worker_can_do_its_work_and_nothing_else, 0,
                            (int) N_ELEMENTS(attempts));
        tcase_add_loop_test(tcase, the_front_can_do_its_work_and_nothing_else, 0,
                            (int) N_ELEMENTS(attempts));
        tcase_add_test(tcase, a_thread_that_was_there_before_is_in_it_too);
        tcase_add_test(tcase, a_thread_that_is_made_in_it_kills_the_whole_process);
        tcase_add_test(tcase, an_assertion_looks_like_one);
        tcase_add_loop_test(tcase, an_orderly_exit_works, 0, 2);
        tcase_add_test(tcase, the_sandbox_may_not_be_entered_twice);
#ifdef __x86_64__
        tcase_add_loop_test(tcase, other_architectures_are_closed, 0, 2);
#endif
        tcase_add_test(tcase, profiles_have_names);
        suite_add_tcase(suite, tcase);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
