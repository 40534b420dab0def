/* OpenNbd, and libnbd on its socket. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cli/ctl_call.h"
#include "cli/ctl_text.h"
#include "cli/nbd_client.h"

NbdHandle *nbd_client_free(NbdHandle *nbd) {
        nbd_close(nbd);
        return NULL;
}

CtlExit nbd_client_failed(const Ctl *ctl, const char *what) {
        const char *error = nbd_get_error();
        _cleanup_(freep) char *text = ctl_text_copy(error ? error : "?");

        ctl_text_clean(text);
        ctl_complain(ctl, "%s: %s", what, text);
        return CTL_EXIT_FAILURE;
}

static CtlExit open_socket(Ctl *ctl, const CtlTarget *target, int *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        CtlExit e;
        int fd, r;

        e = ctl_call_do(ctl, target->lun, CTL_LUN, "OpenNbd", &reply, "a{sv}", 0);
        if (e != CTL_EXIT_OK)
                return e;
        r = sd_bus_message_read(reply, "h", &fd);
        if (r < 0)
                return ctl_call_garbled(ctl, r);
        /* The message's own is closed with it. */
        *ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return *ret < 0 ? ctl_call_failed(ctl, NULL, -errno) : CTL_EXIT_OK;
}

CtlExit nbd_client_open(NbdHandle **ret, Ctl *ctl, const CtlTarget *target) {
        const char *export = ctl_objects_string(target->lun_properties, "Export");
        _cleanup_(nbd_client_freep) NbdHandle *nbd = NULL;
        CtlExit e;
        int fd = -EBADF;

        if (*export == '\0') {
                ctl_complain(ctl, "It is not exported: there is no medium, or it is not ready");
                return CTL_EXIT_FAILURE;
        }
        e = open_socket(ctl, target, &fd);
        if (e != CTL_EXIT_OK)
                return e;
        nbd = nbd_create();
        if (!nbd || nbd_set_export_name(nbd, export) < 0) {
                fd_close(fd);
                return nbd_client_failed(ctl, "libnbd");
        }
        /* Takes the socket, whatever comes of it. */
        if (nbd_connect_socket(nbd, fd) < 0)
                return nbd_client_failed(ctl, "The export can't be opened");
        *ret = TAKE_PTR(nbd);
        return CTL_EXIT_OK;
}
