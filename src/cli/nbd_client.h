#pragma once

/* A logical unit's data: a connection that the service gives, spoken by libnbd. */

#include <libnbd.h>

#include "cli/ctl_target.h"

typedef struct nbd_handle NbdHandle;

NbdHandle *nbd_client_free(NbdHandle *nbd);
DEFINE_CLEANUP(NbdHandle *, nbd_client_free);
/* Tells libnbd's last error, in which a server's words may be, behind `what`. */
CtlExit nbd_client_failed(const Ctl *ctl, const char *what);
/* Connected and negotiated. */
CtlExit nbd_client_open(NbdHandle **ret, Ctl *ctl, const CtlTarget *target);
