#pragma once

/*
 * UasRecovery
 *
 * The steps that bring a UAS device back: what was given up is aborted, or a LUN, all of them, or the
 * port reset. No state of its own. Private to transport.
 */

#include "transport/transport.h"

typedef struct UasTransport UasTransport;

/* Nothing is in flight. As TransportOps::recover. */
int uas_recovery_run(UasTransport *uas, Task *waiter, TransportRecovery recovery, uint8_t lun);
/* For all tags; what the device grants, at least two. -EIO, -ENODEV, -ECANCELED. */
int uas_recovery_alloc_streams(UasTransport *uas, Task *waiter, uint32_t n_streams,
                               uint32_t *ret_granted);
