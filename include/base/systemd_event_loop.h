#pragma once

/* The production EventLoop, on sd-event. */

#include "base/event_loop.h"

typedef struct sd_event sd_event;

int systemd_event_loop_new(EventLoop **ret);
/* Borrowed; for sd-bus and the udev monitor. `loop` must be a systemd event loop. */
sd_event *systemd_event_loop_get_sd_event(EventLoop *loop);
