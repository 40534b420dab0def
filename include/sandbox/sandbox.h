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

/* -errno; on failure the process must not go on. A forbidden call kills the process. */
int sandbox_enter(SandboxProfile profile);
const char *sandbox_profile_to_string(SandboxProfile profile);
