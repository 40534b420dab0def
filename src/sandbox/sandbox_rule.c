/*
 * The allow-list. Three kinds of rows:
 *
 * - What the event loop, memory, threads and the descriptors that were passed need, is allowed.
 * - What libraries try by themselves and can do without fails: the C library opens files for the
 *   number of processors or for character sets, and looks whether its output is a terminal.
 * - All else kills, first of all what makes descriptors, programs or processes out of nothing:
 *   socket, connect, execve, fork, ptrace, memfd_create, io_uring, bpf, mount, unshare ...
 *
 * Consequences for the code: nothing may be loaded late. That rules out pthread_cancel() and
 * pthread_exit() (libgcc_s), iconv(), and user name look-ups.
 */

#include <asm/termbits.h> /* on PowerPC the number of TCGETS tells the size of its struct */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "sandbox/sandbox_rule.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* Kernel arguments of type int: the upper half of the register means nothing. */
#define INT_MASK UINT64_C(0xffffffff)

/* The type of an ioctl request is in its second byte; 'U' is usbfs (usbdevice_fs.h). */
#define IOCTL_TYPE_MASK UINT64_C(0xff00)
#define IOCTL_TYPE_USBFS ((uint64_t) 'U' << 8)

/* A thread of this process, in all its namespaces. */
#define CLONE_MASK                                                                   \
        (CLONE_THREAD | CLONE_VFORK | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | \
         CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

#define ALLOW(name) \
        { .system_call = SCMP_SYS(name), .profiles = SANDBOX_FOR_ALL }
#define ALLOW_FOR(who, name) \
        { .system_call = SCMP_SYS(name), .profiles = SANDBOX_FOR_##who }
#define ALLOW_IF(who, name, argument, bits, wanted)                                           \
        {                                                                                     \
                .system_call = SCMP_SYS(name), .profiles = SANDBOX_FOR_##who, .conditions = { \
                        { .argument_index = (argument), .mask = (bits), .value = (wanted) }   \
                }                                                                             \
        }
#define ALLOW_IF_BOTH(who, name, argument, bits, wanted, argument2, bits2, wanted2)            \
        {                                                                                      \
                .system_call = SCMP_SYS(name), .profiles = SANDBOX_FOR_##who, .conditions = {  \
                        { .argument_index = (argument), .mask = (bits), .value = (wanted) },   \
                        { .argument_index = (argument2), .mask = (bits2), .value = (wanted2) } \
                }                                                                              \
        }
#define ALLOW_SETSOCKOPT(level, option) \
        ALLOW_IF_BOTH(ALL, setsockopt, 1, INT_MASK, level, 2, INT_MASK, option)
#define FAIL(name, with) \
        { .system_call = SCMP_SYS(name), .profiles = SANDBOX_FOR_ALL, .error = (with) }
#define FAIL_IF(who, name, with, argument, bits, wanted)                                       \
        {                                                                                      \
                .system_call = SCMP_SYS(name), .profiles = SANDBOX_FOR_##who, .error = (with), \
                .conditions = {                                                                \
                        { .argument_index = (argument), .mask = (bits), .value = (wanted) }    \
                }                                                                              \
        }

static const SandboxRule rules[] = {
        /* Descriptors that were passed. */
        ALLOW(read),
        ALLOW(readv),
        ALLOW(write),
        ALLOW(writev),
        ALLOW(close),
        ALLOW(dup),
        ALLOW(dup3),
        ALLOW(recvfrom),
        ALLOW(recvmsg),
        ALLOW(recvmmsg),
        ALLOW(sendto),
        ALLOW(sendmsg),
        ALLOW(sendmmsg),
        ALLOW(shutdown),
        ALLOW(getsockopt),
        ALLOW(getsockname),
        ALLOW(getpeername),
        /* Not SO_ATTACH_FILTER and its kind: they bring a compiler into the kernel. */
        ALLOW_SETSOCKOPT(SOL_SOCKET, SO_SNDBUF),
        ALLOW_SETSOCKOPT(SOL_SOCKET, SO_RCVBUF),
        ALLOW_SETSOCKOPT(SOL_SOCKET, SO_KEEPALIVE),
        ALLOW_SETSOCKOPT(IPPROTO_TCP, TCP_NODELAY),
        ALLOW_SETSOCKOPT(IPPROTO_TCP, TCP_CORK),
        /* Not F_SETOWN and F_SETSIG: they send signals. */
        ALLOW_IF(ALL, fcntl, 1, INT_MASK, F_DUPFD),
        ALLOW_IF(ALL, fcntl, 1, INT_MASK, F_DUPFD_CLOEXEC),
        ALLOW_IF(ALL, fcntl, 1, INT_MASK, F_GETFD),
        ALLOW_IF(ALL, fcntl, 1, INT_MASK, F_SETFD),
        ALLOW_IF(ALL, fcntl, 1, INT_MASK, F_GETFL),
        ALLOW_IF(ALL, fcntl, 1, INT_MASK, F_SETFL),
        ALLOW(fstat),
        /* fstat() of today's C library. A path would tell metadata, and nothing else. */
        ALLOW_IF(ALL, newfstatat, 3, AT_EMPTY_PATH, AT_EMPTY_PATH),
        ALLOW_FOR(FRONT, accept),
        ALLOW_FOR(FRONT, accept4),
        /* What a client in TLS says goes through a pair of these; there is no way to connect one. */
        ALLOW_IF(FRONT, socketpair, 0, INT_MASK, AF_UNIX),

        /* Certificates and keys (front), image files of simulated devices, the cache's memory. */
        ALLOW(pread64),
        ALLOW_FOR(WORKER, preadv),
        ALLOW_FOR(WORKER, preadv2),
        ALLOW_FOR(WORKER, pwrite64),
        ALLOW_FOR(WORKER, pwritev),
        ALLOW_FOR(WORKER, pwritev2),
        ALLOW_FOR(WORKER, lseek),
        ALLOW_IF(WORKER, fallocate, 1, INT_MASK, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE),
        ALLOW_FOR(WORKER, ftruncate),
        ALLOW_FOR(WORKER, fsync),
        ALLOW_FOR(WORKER, fdatasync),
        ALLOW_FOR(WORKER, sync_file_range),
        ALLOW_FOR(WORKER, fadvise64),

        /* The device. */
        ALLOW_IF(WORKER, ioctl, 1, IOCTL_TYPE_MASK, IOCTL_TYPE_USBFS),

        /* The event loop, clocks and chance. */
        ALLOW(epoll_create1),
        ALLOW(epoll_ctl),
        ALLOW(epoll_wait),
        ALLOW(epoll_pwait),
        ALLOW(epoll_pwait2),
        ALLOW(poll),
        ALLOW(ppoll),
        ALLOW(eventfd2),
        ALLOW(pipe2),
        ALLOW(signalfd4),
        ALLOW(timerfd_create),
        ALLOW(timerfd_settime),
        ALLOW(timerfd_gettime),
        ALLOW(clock_gettime),
        ALLOW(clock_getres),
        ALLOW(clock_nanosleep),
        ALLOW(nanosleep),
        ALLOW(gettimeofday),
        ALLOW(getrandom),

        /* Memory, never executable. */
        ALLOW_IF(ALL, mmap, 2, PROT_EXEC, 0),
        ALLOW_IF(ALL, mprotect, 2, PROT_EXEC, 0),
        ALLOW(munmap),
        ALLOW(mremap),
        ALLOW(madvise),
        /* As far as it is used: nobody makes pages come that nobody asked for. */
        ALLOW_IF(WORKER, mlock2, 2, INT_MASK, MLOCK_ONFAULT),
        ALLOW(brk),

        /* Threads, signals, the end. */
        ALLOW_IF(ALL, clone, 0, CLONE_MASK, CLONE_THREAD),
        FAIL(clone3,
             ENOSYS), /* its flags are behind a pointer; the C library falls back to clone */
        ALLOW(futex),
        ALLOW(set_robust_list),
        ALLOW(rseq),
        ALLOW(membarrier),
        ALLOW(sched_yield),
        ALLOW(sched_getaffinity),
        ALLOW(getcpu),
        ALLOW(rt_sigaction),
        ALLOW(rt_sigprocmask),
        ALLOW(rt_sigreturn),
        ALLOW(sigaltstack),
        ALLOW(restart_syscall),
        ALLOW(exit),
        ALLOW(exit_group),

        /* Who and where it is. */
        ALLOW(getpid),
        ALLOW(gettid),
        ALLOW(getuid),
        ALLOW(geteuid),
        ALLOW(getgid),
        ALLOW(getegid),
        ALLOW(uname),
        ALLOW(sysinfo),
        ALLOW(getrusage),
        ALLOW_IF_BOTH(ALL, prlimit64, 0, INT_MASK, 0, 2, UINT64_MAX, 0), /* its own, to read */
        ALLOW_IF(ALL, prctl, 0, INT_MASK, PR_SET_NAME),
        ALLOW_IF(ALL, prctl, 0, INT_MASK, PR_SET_VMA),

        /* What libraries try, and do without. */
        FAIL(open, EACCES),
        FAIL(openat, EACCES),
        FAIL(openat2, EACCES),
        FAIL(access, EACCES),
        FAIL(faccessat, EACCES),
        FAIL(faccessat2, EACCES),
        FAIL(stat, EACCES),
        FAIL(lstat, EACCES),
        FAIL(statx, EACCES),
        FAIL_IF(ALL, newfstatat, EACCES, 3, AT_EMPTY_PATH, 0),
        FAIL(readlink, EACCES),
        FAIL(readlinkat, EACCES),
        FAIL_IF(ALL, ioctl, ENOTTY, 1, INT_MASK, TCGETS),
};

const SandboxRule *sandbox_rules(size_t *ret_n_rules) {
        *ret_n_rules = N_ELEMENTS(rules);
        return rules;
}
