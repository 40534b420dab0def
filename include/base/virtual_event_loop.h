#pragma once

/*
 * An EventLoop in virtual time, for simulation: when nothing is ready, the clock jumps to the next
 * timer. Descriptors are polled without waiting, so that both ends of a socket pair may live on it.
 * The same sources in the same order give the same run.
 */

#include "base/event_loop.h"

int virtual_event_loop_new(EventLoop **ret);

/* Runs until nothing is left to do, or virtual time reaches `until_ns` (UINT64_MAX: no limit);
 * -errno. */
int virtual_event_loop_run_until(EventLoop *loop, uint64_t until_ns);
