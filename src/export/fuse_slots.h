#pragma once

/*
 * FuseSlots
 *
 * Memory that outlives the worker, in which the kernel's requests are received and stay until they are
 * answered. A slot is armed before it is received into: of a process that dies between any two
 * instructions an armed slot that is not empty has a request that may not have been answered. Private
 * to export.
 */

#include "export/fuse_message.h"
#include "export/fuse_session.h"

#define FUSE_SLOTS_N 64

typedef struct FuseSlots {
        uint8_t *memory;                 /* mapped */
        bool is_populated[FUSE_SLOTS_N]; /* the pages of small requests are there */
        bool is_bulky[FUSE_SLOTS_N];     /* all are */
} FuseSlots;

/* Maps FUSE_SESSION_SLOTS_SIZE bytes of `fd`, which is not needed afterwards. -EBADMSG: it can't be
 * ours. */
int fuse_slots_init(FuseSlots *slots, int fd);
void fuse_slots_done(FuseSlots *slots);

/* New memory becomes `identity`'s. -ESTALE: they were another's; -EBADMSG: they make no sense. */
int fuse_slots_claim(FuseSlots *slots, const void *identity, size_t identity_size);
/* Where slot `i` is received, FUSE_MESSAGE_SIZE_MAX bytes; a WRITE's data is aligned to pages. */
uint8_t *fuse_slots_get(const FuseSlots *slots, unsigned i);
/* A kernel that copies a request into pages that are not there may be interrupted in it by the
 * process's death, and fails it: so they are there. `is_bulky`: those for a megabyte too. */
void fuse_slots_arm(FuseSlots *slots, unsigned i, bool is_bulky);
void fuse_slots_disarm(FuseSlots *slots, unsigned i);
/* What a predecessor left in it; 0: nothing. */
size_t fuse_slots_get_left(const FuseSlots *slots, unsigned i);
/* The pages of a slot that is not armed go back to the system. */
void fuse_slots_trim(FuseSlots *slots, unsigned i);

/* What was negotiated must be known to a successor. */
void fuse_slots_keep_init(FuseSlots *slots, const void *message, size_t size);
/* NULL: nothing was. */
const uint8_t *fuse_slots_get_init(const FuseSlots *slots, size_t *ret_size);
