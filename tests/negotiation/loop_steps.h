#pragma once

/* Steps of a virtual loop. */

#include "base/event_loop.h"

/* Without letting time pass; ends, so nothing spins. */
void loop_steps_settle(EventLoop *loop);
void loop_steps_pass_time(EventLoop *loop, uint64_t duration_ns);
