#pragma once

/*
 * FdStore
 *
 * Descriptors that systemd keeps while the service restarts, under names of their own: it gives
 * them back at the next start as LISTEN_FDS. Where no systemd is (no NOTIFY_SOCKET) nothing
 * happens.
 */

#include "base/macros.h"

/* systemd cuts longer ones (FDNAME_MAX). */
#define FD_STORE_NAME_SIZE_MAX 256

/* A duplicate goes to systemd. */
void fd_store_put(const char *name, int fd);
void fd_store_remove(const char *name);
