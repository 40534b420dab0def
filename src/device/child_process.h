#pragma once

/*
 * ChildProcess
 *
 * A worker or the front as its parent sees it: spawned with one end of a control channel as
 * descriptor CHILD_CONTROL_FD, pinged, killed when it stops answering, and reported once when it
 * has ended. Nobody waits for a process that can't die (state D): it is given up after a moment.
 */

#include "control/control_channel.h"

#define CHILD_CONTROL_FD 3
#define CHILD_PING_INTERVAL_NS (5 * NS_PER_S)
/* Pings that may be unanswered before the child counts as hung. */
#define CHILD_PINGS_UNANSWERED_MAX 4
/* From the end of the channel to the kill, and from the kill to giving up. */
#define CHILD_END_GRACE_NS (2 * NS_PER_S)

typedef struct ChildProcess ChildProcess;

typedef struct ChildHandlers {
        /* What is not about the process itself (HELLO, READY, PONG and LOG are handled here). */
        void (*message)(ChildProcess *child, const ControlMessage *message, int *fds, size_t n_fds,
                        void *userdata);
        /* The process is gone, or given up; `how` tells in words. Once; it may be freed within. */
        void (*ended)(ChildProcess *child, const char *how, void *userdata);
} ChildHandlers;

/* Spawns `path`. `name` is for the log, copied. -errno. */
int child_process_new(ChildProcess **ret, EventLoop *loop, const char *path, const char *name);
/* Kills it if it lives. Takes NULL. */
ChildProcess *child_process_free(ChildProcess *child);
DEFINE_CLEANUP(ChildProcess *, child_process_free);

/* Whose it is from now on; `name` replaces the former in the log. */
void child_process_set_owner(ChildProcess *child, const char *name, const ChildHandlers *handlers,
                             void *userdata);
/* A failure ends the child, which `ended` tells. */
void child_process_send(ChildProcess *child, const ControlMessage *message, const int *fds,
                        size_t n_fds);
/* The same for messages without a body. */
void child_process_send_type(ChildProcess *child, ControlType type);
void child_process_kill(ChildProcess *child, const char *why);
pid_t child_process_get_pid(const ChildProcess *child);
