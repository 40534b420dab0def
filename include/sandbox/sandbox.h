#pragma once

/*
 * Sandbox
 *
 * Seccomp allow-lists and resource limits for the processes that read what strangers send. Once
 * entered there is no way out; threads made before (TSYNC) and after are in it too.
 */

typedef enum SandboxProfile {
        SANDBOX_PROFILE_WORKER, /* usbfs ioctls, sockets that were passed, memory; no open, socket,
                                   exec, fork */
        SANDBOX_PROFILE_FRONT,  /* accept and sockets that were passed */
} SandboxProfile;

/*
 * -errno; on failure the process must not go on. Once. From then on a forbidden call kills the
 * process (SIGSYS), but opening files by name fails with EACCES, because libraries try that by
 * themselves. Nothing can be loaded late: no pthread_cancel() or pthread_exit(), no iconv().
 */
int sandbox_enter(SandboxProfile profile);
const char *sandbox_profile_to_string(SandboxProfile profile);
