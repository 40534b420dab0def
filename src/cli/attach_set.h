#pragma once

/*
 * AttachSet
 *
 * The exports that are to be kept as devices of the kernel: one, or all that there are. It is told
 * when something may have changed, and looks: what is new is attached, a connection that has died
 * gets a successor, and what is gone for good is detached.
 */

#include "cli/attachment.h"
#include "cli/ctl_objects.h"

typedef struct AttachSet {
        Ctl *ctl;                /* borrowed */
        NbdNetlink *netlink;     /* owned */
        const char *export;      /* borrowed: the one that is wanted; NULL: all */
        uint32_t index;          /* of the device that it is to be; or any */
        Attachment *attachments; /* owned */
        uint64_t request_timeout_s;
        uint64_t dead_timeout_s;
        bool has_failed; /* one was given up */
} AttachSet;

/* It has told what failed. The service must be there. */
CtlExit attach_set_init(AttachSet *set, Ctl *ctl);
/* What is attached stays so. */
void attach_set_done(AttachSet *set);
/* What it has told of is told once. An error only where nothing can come of it any more. */
CtlExit attach_set_look(AttachSet *set);
/* Whether others have detached something, as the verb detach does. Cheap. */
void attach_set_check(AttachSet *set);
/* The kernel says that this connection has died; or any may have. */
void attach_set_note_dead(AttachSet *set, uint32_t index);
/* It has to look again soon, though nobody may tell it to. */
bool attach_set_is_waiting(const AttachSet *set);
/* Detaches what nobody uses; the rest goes on as long as its connection does. */
void attach_set_leave(AttachSet *set);
/* Detaches a device, once what was written to it is with its export. -errno. */
int attach_set_detach(NbdNetlink *netlink, uint32_t index);
