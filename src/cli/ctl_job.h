#pragma once

/*
 * CtlJob
 *
 * Waiting for what takes long. It listens before the job is started, so that none is missed.
 */

#include "cli/ctl.h"

typedef struct CtlJob {
        sd_bus_slot *slot;  /* owned */
        json_object *ended; /* owned; by path: null or why it failed */
} CtlJob;

CtlExit ctl_job_init(CtlJob *job, Ctl *ctl);
void ctl_job_done(CtlJob *job);
/* Waits for the one at `path`, with a bar, and as long as for an answer. Its failure has been told. */
CtlExit ctl_job_wait(CtlJob *job, Ctl *ctl, const char *path);
/* Sends a call that is answered when all is done, and shows the job that the service has for
 * `object` meanwhile. */
CtlExit ctl_job_call(Ctl *ctl, sd_bus_message *message, const char *object);
