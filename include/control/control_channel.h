#pragma once

/*
 * ControlChannel
 *
 * One end of a control socket on the loop: sends and receives ControlMessages with descriptors,
 * with bounded queues. A peer that lies, floods or dies ends the channel, which is told once.
 */

#include "base/event_loop.h"
#include "control/control_message.h"

/* Messages that wait for a slow peer before it counts as hung: then the channel fails with -EXFULL.
 */
#define CONTROL_CHANNEL_QUEUE_MAX 1024
/* Messages taken from a peer in one turn of the loop. */
#define CONTROL_CHANNEL_BATCH_MAX 64
/* LOG messages taken from a peer in one second; the rest is dropped and counted in one warning. */
#define CONTROL_CHANNEL_LOGS_PER_SECOND_MAX 200

typedef struct ControlChannel ControlChannel;

/* A valid message. Descriptors that the handler wants to keep it takes with TAKE_FD; others are
 * closed. */
typedef void (*ControlChannelHandler)(ControlChannel *channel, const ControlMessage *message,
                                      int *fds, size_t n_fds, void *userdata);
/* The channel is of no more use: 0 the peer closed it, -EBADMSG it lied, -EXFULL it hangs, -errno.
 * Once. */
typedef void (*ControlChannelClosed)(ControlChannel *channel, int error, void *userdata);

/* Takes `fd` over, also on failure. */
int control_channel_new(ControlChannel **ret, EventLoop *loop, int fd,
                        ControlChannelHandler handler, ControlChannelClosed closed, void *userdata);
/* May be called from within the handlers. What is queued is sent if that needs no waiting. */
ControlChannel *control_channel_free(ControlChannel *channel);
DEFINE_CLEANUP(ControlChannel *, control_channel_free);

/* Sends or queues; `fds` are duplicated where they must wait. -EXFULL, -EPIPE, -errno; the channel
 * is told closed later. */
int control_channel_send(ControlChannel *channel, const ControlMessage *message, const int *fds,
                         size_t n_fds);
/* A connected pair, close-on-exec, non-blocking: for the parent, and for the child. */
int control_channel_pair(int *ret_parent, int *ret_child);
/* A LogSink's way to the manager: never recurses, drops and counts when the queue is half full. */
void control_channel_send_log(ControlChannel *channel, const LogRecord *record);
