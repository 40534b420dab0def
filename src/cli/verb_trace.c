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
#define RELAY_SIZE 65536

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

static int write_all(int fd, const char *bytes, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, bytes, size);

                if (n < 0)
                        return -errno;
                bytes += n;
                size -= (size_t) n;
        }
        return 0;
}

/* 0, or -errno: nobody reads any more. */
static int relay(Output *output) {
        char bytes[RELAY_SIZE];
        ssize_t n;
        int r;

        while (output->file >= 0 &&
               (n = pread(output->file, bytes, sizeof(bytes), output->moved)) > 0) {
                r = write_all(output->fd, bytes, (size_t) n);
                if (r < 0)
                        return r;
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

/* Until it is interrupted, its time is over, or nobody reads any more. */
static void record(Output *output, int interrupt, uint64_t seconds) {
        uint64_t left_ms = seconds * 1000;

        while (left_ms > 0) {
                uint64_t step_ms = output->file >= 0 && left_ms > RELAY_MS ? RELAY_MS : left_ms;

                if (ctl_interrupt_wait(interrupt, (int) step_ms) || relay(output) < 0)
                        return;
                left_ms -= step_ms;
        }
}

CtlExit verb_trace(Ctl *ctl, char **arguments) {
        uint64_t seconds = ctl->options.seconds > 0 ? ctl->options.seconds : SECONDS_DEFAULT;
        _cleanup_(output_done) Output output = { -EBADF, -EBADF, 0 };
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        _cleanup_(fd_closep) int interrupt = -EBADF;
        CtlTarget target;
        CtlExit e;

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
        e = ctl_call_do(ctl, target.device, CTL_DEVICE, "StartTrace", NULL, "ha{sv}",
                        output_get_file(&output), 1, "seconds", "u",
                        (uint32_t) (seconds + SECONDS_MORE));
        if (e != CTL_EXIT_OK)
                return e;
        if (ctl->options.seconds == 0 && isatty(STDERR_FILENO))
                fputs("Recording. Ctrl-C ends it.\n", stderr);
        record(&output, interrupt, seconds);
        e = stop(ctl, &target);
        (void) relay(&output);
        return e;
}
