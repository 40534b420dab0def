#pragma once

/*
 * NbdAccessParser
 *
 * Reads access lists: usb-storage-access(5). Every mistake is told, and none but good lines are
 * added.
 */

#include "negotiation/nbd_access.h"

#define NBD_ACCESS_TEXT_SIZE_MAX MIB

/* A mistake, as a sentence without its end. `line` 0: it concerns the file as a whole. */
typedef void (*NbdAccessComplain)(const char *file, unsigned line, const char *text,
                                  void *userdata);

/* The number of a user or group; false: there is no such name. */
typedef bool (*NbdAccessFindId)(bool is_group, const char *name, uint32_t *ret);

/*
 * Adds the rules of `text`, which need not be terminated; `source` is for complaints. -EINVAL: there
 * were mistakes, -ENOMEM.
 */
int nbd_access_parse(NbdAccessList *list, const char *text, size_t size, const char *source,
                     NbdAccessFindId find_id, NbdAccessComplain complain, void *userdata);
