/* Two notifications: see fd_store.h and sd_pid_notify_with_fds(3). */

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "device/fd_store.h"

#define TEXT_SIZE_MAX (FD_STORE_NAME_SIZE_MAX + 64)

static void notify(const char *text, const int *fds, unsigned n_fds) {
        int r;

        r = sd_pid_notify_with_fds(0, /* unset_environment= */ 0, text, fds, n_fds);
        if (r < 0)
                log_warning("systemd can't be told about a descriptor, ignoring: %s", strerror(-r));
}

void fd_store_put(const char *name, int fd) {
        char text[TEXT_SIZE_MAX];

        /* No poll: a memfd can't be, and only we know when it is of no more use. */
        snprintf(text, sizeof(text), "FDSTORE=1\nFDPOLL=0\nFDNAME=%s", name);
        notify(text, &fd, 1);
}

void fd_store_remove(const char *name) {
        char text[TEXT_SIZE_MAX];

        snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
        notify(text, NULL, 0);
}
