#pragma once

/*
 * The production EventLoop. It waits in an epoll set of its own; an sd_event is made when someone
 * asks for it, and is then one member of that set, so that processes without a bus pay nothing for
 * it.
 */

#include "base/event_loop.h"

typedef struct sd_event sd_event;

int systemd_event_loop_new(EventLoop **ret);
/* Borrowed; for sd-bus and the udev monitor. `loop` must be a systemd event loop. NULL if out of
 * memory. sd_event_exit() ends the whole loop with its code. */
sd_event *systemd_event_loop_get_sd_event(EventLoop *loop);
