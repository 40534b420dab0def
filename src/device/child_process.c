/* Spawning, watching and ending a process: see child_process.h. */

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "control/control_version.h"
#include "device/child_process.h"

#define CHILD_NAME_SIZE_MAX 64

typedef enum ChildState {
        CHILD_STATE_RUNNING,
        CHILD_STATE_LEAVING, /* its channel is closed; it may end by itself for a moment */
        CHILD_STATE_KILLED,  /* sent SIGKILL */
        CHILD_STATE_ENDED,
        _CHILD_STATE_MAX,
} ChildState;

struct ChildProcess {
        EventLoop *loop; /* borrowed */
        ChildState state;
        char name[CHILD_NAME_SIZE_MAX];
        pid_t pid;
        int pid_fd;        /* owned */
        EventFd pid_watch; /* readable: the process has ended */
        bool has_exited;
        ControlChannel *channel; /* owned; NULL once closed */
        EventTimer timer;        /* pings while running, patience afterwards */
        unsigned n_pings_unanswered;
        uint64_t ping_serial;
        const ChildHandlers *handlers; /* borrowed; NULL: nobody's yet */
        void *userdata;
        char how[CHILD_NAME_SIZE_MAX];
};

extern char **environ;

/* The owner may free the child, and still wants to know how it ended. */
static void child_tell_end(ChildProcess *child) {
        char how[CHILD_NAME_SIZE_MAX];

        memcpy(how, child->how, sizeof(how));
        if (child->handlers)
                child->handlers->ended(child, how, child->userdata);
}

static void child_enter(ChildProcess *child, ChildState state) {
        child->state = state;
        switch (state) {
        case CHILD_STATE_RUNNING:
                event_timer_set(&child->timer,
                                event_loop_now_ns(child->loop) + CHILD_PING_INTERVAL_NS);
                return;
        case CHILD_STATE_KILLED:
                syscall(SYS_pidfd_send_signal, child->pid_fd, SIGKILL, NULL, 0);
                /* fall through */
        case CHILD_STATE_LEAVING:
                event_timer_set(&child->timer, event_loop_now_ns(child->loop) + CHILD_END_GRACE_NS);
                return;
        case CHILD_STATE_ENDED:
                event_timer_clear(&child->timer);
                child_tell_end(child);
                return;
        case _CHILD_STATE_MAX:
                break;
        }
        assert_not_reached();
}

/* Ended means: reaped, and the last message read. */
static void child_check_end(ChildProcess *child) {
        if (child->has_exited && !child->channel && child->state != CHILD_STATE_ENDED)
                child_enter(child, CHILD_STATE_ENDED);
}

static void child_on_exit(EventFd *watch, uint32_t events) {
        ChildProcess *child = container_of(watch, ChildProcess, pid_watch);
        siginfo_t info = {};

        if (waitid(P_PIDFD, (id_t) child->pid_fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
                return;

        event_fd_remove(watch);
        child->has_exited = true;
        if (child->how[0] == '\0') {
                if (info.si_code == CLD_EXITED)
                        snprintf(child->how, sizeof(child->how), "exited with status %d",
                                 info.si_status);
                else
                        snprintf(child->how, sizeof(child->how), "was killed by signal %d (%s)",
                                 info.si_status, strsignal(info.si_status));
        }
        child_check_end(child);
}

static void child_on_channel_closed(ControlChannel *channel, int error, void *userdata) {
        ChildProcess *child = userdata;

        child->channel = control_channel_free(child->channel);
        if (error == -EBADMSG || error == -EXFULL)
                child_process_kill(child, error == -EBADMSG ? "sent what makes no sense"
                                                            : "does not read its messages");
        else if (child->state == CHILD_STATE_RUNNING)
                child_enter(child, CHILD_STATE_LEAVING);
        child_check_end(child);
}

static void child_on_hello(ChildProcess *child, const ControlHello *hello) {
        if (hello->version != CONTROL_VERSION)
                child_process_kill(child, "speaks another version");
}

static void child_on_log(const ControlLog *log) {
        log_record(&(LogRecord){
                        .level = (LogLevel) log->level,
                        .device = log->device[0] != '\0' ? log->device : NULL,
                        .message = log->message,
        });
}

static void child_on_message(ControlChannel *channel, const ControlMessage *message, int *fds,
                             size_t n_fds, void *userdata) {
        ChildProcess *child = userdata;

        switch ((ControlType) message->type) {
        case CONTROL_TYPE_HELLO:
                child_on_hello(child, &message->body.hello);
                return;
        case CONTROL_TYPE_READY:
                log_debug("%s is ready", child->name);
                return;
        case CONTROL_TYPE_PONG:
                if (message->body.ping.serial == child->ping_serial)
                        child->n_pings_unanswered = 0;
                return;
        case CONTROL_TYPE_LOG:
                child_on_log(&message->body.log);
                return;
        case CONTROL_TYPE_CONFIGURE:
        case CONTROL_TYPE_PING:
        case CONTROL_TYPE_STOP:
        case CONTROL_TYPE_STOPPED:
        case CONTROL_TYPE_USB_DEVICE:
        case CONTROL_TYPE_SIMULATE:
        case CONTROL_TYPE_GONE:
        case CONTROL_TYPE_BROUGHT_UP:
        case CONTROL_TYPE_FAILED:
        case CONTROL_TYPE_EXPORT:
        case CONTROL_TYPE_EXPORT_CLOSED:
        case CONTROL_TYPE_LISTEN:
        case CONTROL_TYPE_CONNECT:
        case CONTROL_TYPE_HANDOVER:
        case CONTROL_TYPE_CLIENT:
        case CONTROL_TYPE_CACHE:
        case CONTROL_TYPE_CACHE_OPTIONS:
        case CONTROL_TYPE_REMAINS:
        case CONTROL_TYPE_REMAINS_LEFT:
        case CONTROL_TYPE_SAVE:
        case CONTROL_TYPE_SAVED:
        case CONTROL_TYPE_PARKED:
        case CONTROL_TYPE_DEVICE_INFO:
        case CONTROL_TYPE_LUN_INFO:
        case CONTROL_TYPE_REQUEST:
        case CONTROL_TYPE_CANCEL:
        case CONTROL_TYPE_REPLY:
        case CONTROL_TYPE_PROGRESS:
        case CONTROL_TYPE_LEARNED:
        case CONTROL_TYPE_LUN_STATS:
        case CONTROL_TYPE_DEVICE_STATS:
        case CONTROL_TYPE_POWER_OPTIONS:
        case CONTROL_TYPE_POWER:
        case CONTROL_TYPE_SMART_OPTIONS:
        case CONTROL_TYPE_SMART:
        case CONTROL_TYPE_MOUNT:
        case CONTROL_TYPE_MOUNT_SERVED:
        case CONTROL_TYPE_MOUNT_ENDED:
        case CONTROL_TYPE_CLIENT_ENDED:
        case CONTROL_TYPE_UNMOUNT:
        case CONTROL_TYPE_TLS:
        case CONTROL_TYPE_ACCESS:
                /* The owner's; it refuses what is not for it. */
                if (child->handlers)
                        child->handlers->message(child, message, fds, n_fds, child->userdata);
                return;
        case _CONTROL_TYPE_MAX:
                break;
        }
        assert_not_reached();
}

static void child_ping(ChildProcess *child) {
        ControlMessage message;

        if (child->n_pings_unanswered >= CHILD_PINGS_UNANSWERED_MAX) {
                child_process_kill(child, "stopped answering");
                return;
        }

        control_message_init(&message, CONTROL_TYPE_PING);
        message.body.ping.serial = ++child->ping_serial;
        child->n_pings_unanswered++;
        child_enter(child, CHILD_STATE_RUNNING);
        child_process_send(child, &message, NULL, 0);
}

static void child_on_timer(EventTimer *timer) {
        ChildProcess *child = container_of(timer, ChildProcess, timer);

        switch (child->state) {
        case CHILD_STATE_RUNNING:
                child_ping(child);
                return;
        case CHILD_STATE_LEAVING:
                child_process_kill(child, "did not end by itself");
                return;
        case CHILD_STATE_KILLED:
                log_error("%s (process %d) can't be killed, giving it up", child->name,
                          (int) child->pid);
                child->channel = control_channel_free(child->channel);
                child_enter(child, CHILD_STATE_ENDED);
                return;
        case CHILD_STATE_ENDED:
        case _CHILD_STATE_MAX:
                break;
        }
        assert_not_reached();
}

static int child_spawn(pid_t *ret, const char *path, int control_fd) {
        char version[CONTROL_VERSION_TEXT_SIZE];
        char *const arguments[] = { (char *) path, version, NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        int r;

        control_version_format(version);
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        posix_spawn_file_actions_adddup2(&actions, control_fd, CHILD_CONTROL_FD);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        r = posix_spawn(ret, path, &actions, &attributes, arguments, environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static int child_start(ChildProcess *child, const char *path) {
        _cleanup_(fd_closep) int parent_fd = -EBADF, child_fd = -EBADF;
        int r;

        r = control_channel_pair(&parent_fd, &child_fd);
        if (r < 0)
                return r;
        r = child_spawn(&child->pid, path, child_fd);
        if (r < 0)
                return r;
        child->pid_fd = (int) syscall(SYS_pidfd_open, child->pid, 0);
        if (child->pid_fd < 0)
                return -errno;
        r = event_fd_add(&child->pid_watch, child->loop, child->pid_fd, EPOLLIN, child_on_exit);
        if (r < 0)
                return r;
        return control_channel_new(&child->channel, child->loop, TAKE_FD(parent_fd),
                                   child_on_message, child_on_channel_closed, child);
}

int child_process_new(ChildProcess **ret, EventLoop *loop, const char *path, const char *name) {
        _cleanup_(child_process_freep) ChildProcess *child = NULL;
        int r;

        child = calloc(1, sizeof(*child));
        if (!child)
                return -ENOMEM;
        child->loop = loop;
        child->pid_fd = -EBADF;
        snprintf(child->name, sizeof(child->name), "%s", name);

        r = event_timer_init(&child->timer, loop, child_on_timer);
        if (r < 0)
                return r;
        r = child_start(child, path);
        if (r < 0)
                return r;

        child_enter(child, CHILD_STATE_RUNNING);
        *ret = TAKE_PTR(child);
        return 0;
}

ChildProcess *child_process_free(ChildProcess *child) {
        if (!child)
                return NULL;

        control_channel_free(child->channel);
        event_fd_remove(&child->pid_watch);
        if (child->pid_fd >= 0 && !child->has_exited && child->state != CHILD_STATE_ENDED) {
                syscall(SYS_pidfd_send_signal, child->pid_fd, SIGKILL, NULL, 0);
                waitid(P_PIDFD, (id_t) child->pid_fd, &(siginfo_t){}, WEXITED | WNOHANG);
        }
        fd_close(child->pid_fd);
        if (child->timer.loop)
                event_timer_done(&child->timer);
        free(child);
        return NULL;
}

void child_process_set_owner(ChildProcess *child, const char *name, const ChildHandlers *handlers,
                             void *userdata) {
        snprintf(child->name, sizeof(child->name), "%s", name);
        child->handlers = handlers;
        child->userdata = userdata;
}

void child_process_send(ChildProcess *child, const ControlMessage *message, const int *fds,
                        size_t n_fds) {
        int r;

        if (!child->channel)
                return;
        r = control_channel_send(child->channel, message, fds, n_fds);
        if (r < 0 && r != -EPIPE)
                log_warning("%s can't be told %s: %s", child->name,
                            control_type_to_string((ControlType) message->type), strerror(-r));
}

void child_process_send_type(ChildProcess *child, ControlType type) {
        ControlMessage message;

        control_message_init(&message, type);
        child_process_send(child, &message, NULL, 0);
}

void child_process_kill(ChildProcess *child, const char *why) {
        if (child->state == CHILD_STATE_KILLED || child->state == CHILD_STATE_ENDED)
                return;

        log_warning("%s (process %d) %s, killing it", child->name, (int) child->pid, why);
        snprintf(child->how, sizeof(child->how), "%s and was killed", why);
        child_enter(child, CHILD_STATE_KILLED);
}

pid_t child_process_get_pid(const ChildProcess *child) { return child->pid; }
