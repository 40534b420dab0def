/*
 * trace
 *
 * The service writes into a file that is opened here, so it needs no right to it. It ends with
 * Ctrl-C, or after --seconds.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "cli/ctl_call.h"
#include "cli/ctl_interrupt.h"
#include "cli/ctl_target.h"
#include "cli/verb_trace.h"

/* The service stops by itself if nobody is here any more to tell it to. */
#define SECONDS_DEFAULT 3600
#define SECONDS_MORE 5

static CtlExit open_file(const Ctl *ctl, int *ret) {
        const char *path = ctl->options.pcap_path;
        int fd;

        if (!path) {
                ctl_complain(ctl, "Say --pcap=FILE ('-' is standard output)");
                return CTL_EXIT_USAGE;
        }
        if (strcmp(path, "-") == 0 && ctl->terminal.is_terminal) {
                ctl_complain(ctl, "Packets do not belong on a terminal");
                return CTL_EXIT_USAGE;
        }
        fd = strcmp(path, "-") == 0
                             ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                             : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY,
                                    0600);
        if (fd < 0) {
                ctl_complain(ctl, "%s: %s", path, strerror(errno));
                return CTL_EXIT_FAILURE;
        }
        *ret = fd;
        return CTL_EXIT_OK;
}

static CtlExit tell(const Ctl *ctl, const char *name, uint64_t n_packets, uint64_t n_dropped) {
        bool is_stdout = strcmp(ctl->options.pcap_path, "-") == 0;
        json_object *answer;

        if (!ctl_is_json(ctl) || is_stdout) {
                fprintf(is_stdout ? stderr : stdout, "%s: %" PRIu64 " packets, %" PRIu64 " lost\n",
                        name, n_packets, n_dropped);
                return CTL_EXIT_OK;
        }
        answer = json_object_new_object();
        json_object_object_add(answer, "packets", json_object_new_uint64(n_packets));
        json_object_object_add(answer, "dropped", json_object_new_uint64(n_dropped));
        return ctl_print_json(ctl, answer);
}

static CtlExit stop(Ctl *ctl, const CtlTarget *target) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t n_packets, n_dropped;
        CtlExit e;
        int r;

        e = ctl_call_do(ctl, target->device, CTL_DEVICE, "StopTrace", &reply, "a{sv}", 0);
        if (e != CTL_EXIT_OK)
                return e;
        r = sd_bus_message_read(reply, "tt", &n_packets, &n_dropped);
        if (r < 0)
                return ctl_call_garbled(ctl, r);
        return tell(ctl, ctl_objects_string(target->device_properties, "Name"), n_packets,
                    n_dropped);
}

CtlExit verb_trace(Ctl *ctl, char **arguments) {
        uint64_t seconds = ctl->options.seconds > 0 ? ctl->options.seconds : SECONDS_DEFAULT;
        _cleanup_(fd_closep) int fd = -EBADF, interrupt = -EBADF;
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        CtlTarget target;
        CtlExit e;

        e = ctl_target_load(&target, ctl, &objects, arguments[0], CTL_TARGET_DEVICE);
        if (e == CTL_EXIT_OK)
                e = open_file(ctl, &fd);
        if (e != CTL_EXIT_OK)
                return e;
        interrupt = ctl_interrupt_open();
        if (interrupt < 0) {
                ctl_complain(ctl, "signalfd: %s", strerror(-interrupt));
                return CTL_EXIT_FAILURE;
        }
        e = ctl_call_do(ctl, target.device, CTL_DEVICE, "StartTrace", NULL, "ha{sv}", fd, 1,
                        "seconds", "u", (uint32_t) (seconds + SECONDS_MORE));
        if (e != CTL_EXIT_OK)
                return e;
        if (ctl->options.seconds == 0 && isatty(STDERR_FILENO))
                fputs("Recording. Ctrl-C ends it.\n", stderr);
        (void) ctl_interrupt_wait(interrupt, (int) seconds * 1000);
        return stop(ctl, &target);
}
