#pragma once

/* What event_loop_dispatch() is made of; each returns whether anything ran. */

#include "base/event_loop.h"

bool event_timer_dispatch(EventLoop *loop);
bool event_defer_dispatch(EventLoop *loop);
