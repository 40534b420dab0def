#pragma once

/* A folder of links to fake_child, each named after how it behaves. */

#include "base/systemd_event_loop.h"

typedef struct FakeChildren {
        char folder[64];
        char path[128]; /* of the one asked for last */
} FakeChildren;

/* FAKE_CHILD in the environment names the program. */
void fake_children_init(FakeChildren *children);
void fake_children_done(FakeChildren *children);
/* The program that behaves so; valid until the next call. */
const char *fake_children_get(FakeChildren *children, const char *behaviour);
/* Runs the loop until `*condition`, or fails the test after a minute. */
void fake_children_run_until(EventLoop *loop, const bool *condition);
