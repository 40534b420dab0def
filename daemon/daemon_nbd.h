#pragma once

/*
 * DaemonNbd
 *
 * What NBD clients come to, beside the exports: the files of TLS, opened, and the list of who may
 * open what.
 */

#include "config/config_parser.h"
#include "daemon_options.h"
#include "daemon_settings.h"

#define DAEMON_NBD_ACCESS_DEFAULT_PATH "/etc/usb-storage/access.conf"
#define DAEMON_NBD_UNIX_PREFIX "unix:"
#define DAEMON_NBD_TCP_PREFIX "tcp:"

typedef struct DaemonNbd {
        NbdAccessList access;               /* owned */
        int tls_fds[_CONTROL_TLS_FILE_MAX]; /* owned; negative: there is none */
} DaemonNbd;

/* A mistake in the value of the key whose field in DaemonSettings is at `offset`. */
typedef void (*DaemonNbdComplain)(size_t offset, const char *text, void *userdata);

/* Nothing is open. */
void daemon_nbd_init(DaemonNbd *nbd);
void daemon_nbd_done(DaemonNbd *nbd);
/* Whether keys fit each other, and the files can be read: -EINVAL, all mistakes told. */
int daemon_nbd_load_tls(DaemonNbd *nbd, const DaemonSettings *settings,
                        const DaemonOptions *options, DaemonNbdComplain complain, void *userdata);
/* -EINVAL, all mistakes told; -errno. */
int daemon_nbd_load_access(DaemonNbd *nbd, const char *path, bool is_optional,
                           ConfigComplain complain, void *userdata);
/* Whether the files are the same, and the same is in them. */
bool daemon_nbd_is_tls_equal(const DaemonNbd *a, const DaemonNbd *b, ControlTlsFile file);

/* For keys; the empty text is the default. */
bool daemon_nbd_is_address(const char *text);
bool daemon_nbd_is_mode(const char *text);
bool daemon_nbd_is_group(const char *text);
/* Of texts that passed those. */
mode_t daemon_nbd_get_mode(const char *text);
gid_t daemon_nbd_get_group(const char *text);
