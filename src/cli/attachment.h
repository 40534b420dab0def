#pragma once

/*
 * Attachment
 *
 * An export as /dev/nbdN, and what the kernel tells of it in sysfs. The kernel keeps the name of the
 * export with the device, so that whoever comes later knows whose it is.
 */

#include "cli/nbd_netlink.h"

/* What an export is, or what the kernel was told when it was attached. */
typedef struct AttachmentFacts {
        uint64_t size;       /* bytes */
        uint32_t block_size; /* bytes */
        bool is_read_only;
        uint64_t export_number; /* another one when it was closed and opened anew; 0: not known */
        uint64_t worker;        /* the process behind it; 0: not known */
} AttachmentFacts;

typedef struct Attachment {
        char *export;                                 /* owned: its name */
        char identifier[NBD_NETLINK_IDENTIFIER_SIZE]; /* as the kernel has it */
        uint32_t index;                               /* of /dev/nbdN */
        AttachmentFacts facts;
        bool is_dead;            /* its connection, as far as is known */
        bool is_left;            /* it is not attached, and not to be before it is exported anew */
        bool is_exported;        /* when it was last looked at */
        uint64_t dead_since_ns;  /* of CLOCK_MONOTONIC */
        struct Attachment *next; /* owned */
} Attachment;

/*
 * Pure: whether who uses the device may go on with what is exported now. A process that closed an
 * export and opened it anew has another medium; one that took over from another one, or a service that
 * was restarted, has the same, as far as anybody can tell.
 */
bool attachment_is_same(const AttachmentFacts *attached, const AttachmentFacts *offered);
/* -ENAMETOOLONG; without memory it ends the program, as all text does. */
int attachment_new(Attachment **ret, const char *export);
/* Without its successors. */
Attachment *attachment_free(Attachment *attachment);
/* "/dev/nbd3", to be freed. */
char *attachment_path(uint32_t index);
/* N of "/dev/nbdN". */
bool attachment_parse_path(const char *path, uint32_t *ret_index);
/* The device that belongs to an identifier, as of now. */
bool attachment_find(const char *identifier, uint32_t *ret_index);
/* What the kernel tells of a device. -errno. */
int attachment_read_facts(uint32_t index, AttachmentFacts *ret);
/* Whose a device is: the export's name, to be freed. NULL: none of ours. */
char *attachment_get_export(uint32_t index);
/* Mounted, swapped on, or held by another device: as of now. -errno. */
int attachment_is_in_use(uint32_t index);
/* Everything that was written to it is with its export. -errno. */
int attachment_sync(uint32_t index);
/* Has udev look at it again, now that it can be read. */
void attachment_announce(uint32_t index);
