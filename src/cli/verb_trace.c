/*
 * trace
 *
 * The service writes into a file that is opened here, so it needs no right to it. What is no regular
 * file, as a pipe to Wireshark, gets what is in there as it grows, since a worker must not wait for
 * who reads that. It ends with Ctrl-C, or after --seconds.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/ctl_call.h"
#include "cli/ctl_interrupt.h"
#include "cli/ctl_target.h"
#include "cli/verb_trace.h"

/* The service stops by itself if nobody is here any more to tell it to. */
#define SECONDS_DEFAULT 3600
#define SECONDS_MORE 5

/* How often a pipe gets what has come. */
#define RELAY_MS 200

typedef struct Output {
        int fd;      /* owned: what was asked for */
        int file;    /* owned: what the service writes to; negative: `fd` itself */
        off_t moved; /* bytes from `file` to `fd` */
} Output;

static void output_done(Output *output) {
        fd_close(output->fd);
        fd_close(output->file);
}

static int output_get_file(const Output *output) {
        return output->file >= 0 ? output->file : output->fd;
}

/* Whether there is room; a signal ends the wait for it. */
static bool has_room(const Output *output, int interrupt) {
        struct pollfd fds[] = { { .fd = output->fd, .events = POLLOUT },
                                { .fd = interrupt, .events = POLLIN } };

        return poll(fds, N_ELEMENTS(fds), -1) > 0 && fds[0].revents != 0;
}

/* 0, or -errno: nobody reads any more, or it can't be written. So little fits whole into a pipe that
 * has room, so who reads too slowly does not keep a signal from ending this. */
static int relay(Output *output, int interrupt) {
        char bytes[PIPE_BUF];
        ssize_t n;

        while (output->file >= 0 &&
               (n = pread(output->file, bytes, sizeof(bytes), output->moved)) > 0) {
                if (!has_room(output, interrupt))
                        return -EINTR;
                n = write(output->fd, bytes, (size_t) n);
                if (n < 0)
                        return -errno;
                output->moved += n;
        }
        return 0;
}

static int prepare_relay(Output *output) {
        struct stat status;

        if (fstat(output->fd, &status) < 0)
                return -errno;
        if (S_ISREG(status.st_mode))
                return 0;
        output->file = memfd_create("trace", MFD_CLOEXEC);
        return output->file < 0 ? -errno : 0;
}

static CtlExit open_output(const Ctl *ctl, Output *output) {
        const char *path = ctl->options.pcap_path;

        if (!path) {
                ctl_complain(ctl, "Say --pcap=FILE ('-' is standard output)");
                return CTL_EXIT_USAGE;
        }
        if (strcmp(path, "-") == 0 && ctl->terminal.is_terminal) {
                ctl_complain(ctl, "Packets do not belong on a terminal");
                return CTL_EXIT_USAGE;
        }
        output->fd = strcmp(path, "-") == 0
                                     ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                                     : open(path,
                                            O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY,
                                            0600);
        if (output->fd < 0 || prepare_relay(output) < 0) {
                ctl_complain(ctl, "%s: %s", path, strerror(errno));
                return CTL_EXIT_FAILURE;
        }
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

/* Until it is interrupted, its time is over, or nothing can be written any more. */
static int record(Output *output, int interrupt, uint64_t seconds) {
        uint64_t left_ms = seconds * 1000;
        int r;

        while (left_ms > 0) {
                uint64_t step_ms = output->file >= 0 && left_ms > RELAY_MS ? RELAY_MS : left_ms;

                if (ctl_interrupt_wait(interrupt, (int) step_ms))
                        return 0;
                r = relay(output, interrupt);
                if (r < 0)
                        return r;
                left_ms -= step_ms;
        }
        return 0;
}

/* Where nobody reads any more, enough was seen. */
static CtlExit judge(const Ctl *ctl, CtlExit e, int r) {
        if (r == 0 || r == -EPIPE)
                return e;
        ctl_complain(ctl, "%s: %s", ctl->options.pcap_path,
                     r == -EINTR ? "The end is missing, it is read too slowly" : strerror(-r));
        return e == CTL_EXIT_OK ? CTL_EXIT_FAILURE : e;
}

CtlExit verb_trace(Ctl *ctl, char **arguments) {
        uint64_t seconds = ctl->options.seconds > 0 ? ctl->options.seconds : SECONDS_DEFAULT;
        _cleanup_(output_done) Output output = { -EBADF, -EBADF, 0 };
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        _cleanup_(fd_closep) int interrupt = -EBADF;
        CtlTarget target;
        CtlExit e;
        int r;

        e = ctl_target_load(&target, ctl, &objects, arguments[0], CTL_TARGET_DEVICE);
        if (e == CTL_EXIT_OK)
                e = open_output(ctl, &output);
        if (e != CTL_EXIT_OK)
                return e;
        interrupt = ctl_interrupt_open();
        if (interrupt < 0) {
                ctl_complain(ctl, "signalfd: %s", strerror(-interrupt));
                return CTL_EXIT_FAILURE;
        }
        /* Whoever reads may end first: the service must be told all the same. */
        (void) signal(SIGPIPE, SIG_IGN);
        e = ctl_call_do(ctl, target.device, CTL_DEVICE, "StartTrace", NULL, "ha{sv}",
                        output_get_file(&output), 1, "seconds", "u",
                        (uint32_t) (seconds + SECONDS_MORE));
        if (e != CTL_EXIT_OK)
                return e;
        if (ctl->options.seconds == 0 && isatty(STDERR_FILENO))
                fputs("Recording. Ctrl-C ends it.\n", stderr);
        r = record(&output, interrupt, seconds);
        e = stop(ctl, &target);
        if (r == 0)
                r = relay(&output, interrupt);
        return judge(ctl, e, r);
}
