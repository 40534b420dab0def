#pragma once

/* The quirks of all sources, in the order of their precedence. */

#include "config/config_parser.h"
#include "usb/usb_quirks.h"

typedef struct DaemonQuirksSources {
        char *const *configured; /* NULL-terminated; may be NULL */
        const char *path;        /* of the configuration's file; NULL, "": none */
        const char *shipped_path;
} DaemonQuirksSources;

/* Whether `text` is one entry VID:PID:letters. */
bool daemon_quirks_is_entry(const char *text);
/* Adds to `list`: the configured ones, their file, the shipped file if there is one. Every mistake is
 * told with its place: -EINVAL, and -errno. */
int daemon_quirks_load(UsbQuirksList *list, const DaemonQuirksSources *sources,
                       ConfigComplain complain, void *userdata);
